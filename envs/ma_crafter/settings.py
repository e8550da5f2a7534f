"""MA-Crafter's settings: everything that fixes a world apart from the seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emcoop.envs.ma_crafter import rules as r
from emcoop.errors import ConfigError

MAX_AGENTS = 1024
AREA = (64, 64)
AGENTS_PER_MAP = 16
"""Agents for every 64 x 64 cells with `area="auto"`."""
LEAST_SIDE, MOST_SIDE = 8, 1024
SPAWNS = ("cluster", "scatter")
GOALS = (None, "diamond")


@dataclass(frozen=True)
class CrafterSettings:
    """Everything that fixes an MA-Crafter world apart from the seed.

    Attributes:
        n_agents: Number of agents, 1 to 1,024.
        area: Rows and columns of the map.
        mode: `peaceful`, `survival` or `creative`.
        preset: `emcoop` or `crafter`: costs, bag limit and length.
        coop: The cooperation rules of the level.
        scarce: Whether a tree is used up by one harvest.
        spawn: `cluster` (near each other) or `scatter`.
        goal: `diamond` ends the episode when somebody holds one; None never does.
        max_steps: Steps after which an episode is truncated.
        view: Columns and rows an agent sees, itself in the middle.
    """

    n_agents: int
    area: tuple[int, int]
    mode: str
    preset: str
    coop: r.CoopRules
    scarce: bool
    spawn: str
    goal: str | None
    max_steps: int
    view: tuple[int, int]

    @property
    def pad(self) -> int:
        """Cells of `outside` around the map, so that every view lies on the padded grid."""
        return max(self.view) // 2 + 1


def make_settings(
    n_agents: int = 3,
    area: Any = AREA,
    mode: str = "peaceful",
    level: str = "L3",
    preset: str = "emcoop",
    *,
    scarce: bool = False,
    spawn: str = "cluster",
    goal: str | None = None,
    max_steps: int | None = None,
    view: Sequence[int] = (9, 7),
) -> CrafterSettings:
    """Build settings; see `MACrafterEnv` for the arguments.

    Raises:
        ConfigError: A value is not allowed; the sentence says what is.
    """
    n = _whole("n_agents", n_agents, 1, MAX_AGENTS)
    _one_of("mode", mode, r.MODES)
    _one_of("level", level, r.LEVELS)
    _one_of("preset", preset, r.PRESETS)
    _one_of("spawn", spawn, SPAWNS)
    _one_of("goal", goal, GOALS)
    size = auto_area(n) if area == "auto" else _pair("area", area, LEAST_SIDE, MOST_SIDE)
    if size[0] * size[1] < 4 * n:
        raise ConfigError(f"area={size} does not fit {n} agents: give at least {4 * n} cells, or area='auto'")
    window = _pair("view", view, 3, 63)
    if window[0] % 2 == 0 or window[1] % 2 == 0:
        raise ConfigError(f"view={view!r} does not fit: give odd numbers of columns and rows, such as (9, 7)")
    steps = r.read_rules()["presets"][preset]["max_steps"] if max_steps is None else max_steps
    coop = r.coop_rules(level, n, size)
    return CrafterSettings(
        n, size, mode, preset, coop, bool(scarce), spawn, goal, _whole("max_steps", steps, 1, 10**7), window
    )


def auto_area(n_agents: int) -> tuple[int, int]:
    """Return a square map that gives every agent as many cells as 16 have on 64 x 64; sides are multiples of 8."""
    side = 8 * math.ceil(8 * math.sqrt(max(1.0, n_agents / AGENTS_PER_MAP)))
    return side, side


def _whole(name: str, value: Any, least: int, most: int) -> int:
    number = int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else least - 1
    if not least <= number <= most:
        raise ConfigError(f"{name}={value!r} does not fit: give a whole number from {least} to {most}")
    return number


def _pair(name: str, value: Any, least: int, most: int) -> tuple[int, int]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) != 2:
        raise ConfigError(f"{name}={value!r} does not fit: give two whole numbers from {least} to {most}")
    return _whole(name, value[0], least, most), _whole(name, value[1], least, most)


def _one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    if value not in allowed:
        listed = ", ".join(map(str, allowed))
        raise ConfigError(f"{name}={value!r} does not exist: choose one of {listed}")
