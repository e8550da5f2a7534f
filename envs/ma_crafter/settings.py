"""MA-Crafter's settings: everything that fixes a world apart from the seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import logger

from emcoop.envs.ma_crafter import rules as r
from emcoop.errors import ConfigError, SettingsWarning

MAX_AGENTS = 1024
AREA = (64, 64)
AGENTS_PER_MAP = 16
"""Agents for every 64 x 64 cells with `area="auto"`."""
LEAST_SIDE, MOST_SIDE = 8, 1024
LEAST_VIEW, MOST_VIEW = 3, 63
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
    size = _area(area, n)
    if size[0] * size[1] < 4 * n:
        raise ConfigError(f"area={size} does not fit {n} agents: give at least {4 * n} cells, or area='auto'")
    window = _view(view)
    steps = r.read_rules()["presets"][preset]["max_steps"] if max_steps is None else max_steps
    coop = r.coop_rules(level, n, size)
    used_up, length = check_flag("scarce", scarce), _whole("max_steps", steps, 1, 10**7)
    return CrafterSettings(n, size, mode, preset, coop, used_up, spawn, goal, length, window)


def auto_area(n_agents: int) -> tuple[int, int]:
    """Return a square map that gives every agent as many cells as 16 have on 64 x 64; sides are multiples of 8."""
    side = 8 * math.ceil(8 * math.sqrt(max(1.0, n_agents / AGENTS_PER_MAP)))
    return side, side


def warn_of_quorums(settings: CrafterSettings) -> None:
    """Warn of what takes more agents than the team has, because nobody will ever get it."""
    coop, n = settings.coop, settings.n_agents
    beyond = {name: need for name, need in {**coop.quorum, **coop.craft}.items() if need > n}
    if beyond:
        listed = ", ".join(f"{name.replace('_', ' ')} takes {need}" for name, need in beyond.items())
        logger.warn(
            f"level={coop.level!r} is beyond n_agents={n}: {listed} agents, so nobody can get it; give "
            f"n_agents={max(beyond.values())} or more, or level='L1' or 'scaled'",
            category=SettingsWarning,
        )


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, Python's or NumPy's, and no boolean."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def whole_pair(value: Any) -> tuple[int, int] | None:
    """Return the two whole numbers of a sequence or array, None if it is something else."""
    pair = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(pair, (str, bytes)) or not isinstance(pair, Sequence) or len(pair) != 2:
        return None
    return (int(pair[0]), int(pair[1])) if all(map(is_whole, pair)) else None


def check_flag(name: str, value: Any) -> bool:
    """Return a boolean, Python's or NumPy's.

    Raises:
        ConfigError: It is something else, such as the word "no", which Python takes for true.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ConfigError(f"{name}={value!r} does not fit: give True or False")
    return bool(value)


def _area(area: Any, n_agents: int) -> tuple[int, int]:
    if isinstance(area, str) and area == "auto":
        return auto_area(n_agents)
    size = whole_pair(area)
    if size is None or not LEAST_SIDE <= min(size) <= max(size) <= MOST_SIDE:
        hint = "; did you mean 'auto'?" if isinstance(area, str) else ""
        raise ConfigError(
            f"area={area!r} does not fit: give rows and columns, two whole numbers from {LEAST_SIDE} to {MOST_SIDE}, "
            f"or 'auto'{hint}"
        )
    return size


def _view(view: Any) -> tuple[int, int]:
    window = whole_pair(view)
    if (
        window is None
        or not LEAST_VIEW <= min(window) <= max(window) <= MOST_VIEW
        or 0 in (window[0] % 2, window[1] % 2)
    ):
        raise ConfigError(
            f"view={view!r} does not fit: give odd numbers of columns and rows from {LEAST_VIEW} to {MOST_VIEW}, such "
            "as (9, 7)"
        )
    return window


def _whole(name: str, value: Any, least: int, most: int) -> int:
    number = int(value) if is_whole(value) else least - 1
    if not least <= number <= most:
        raise ConfigError(f"{name}={value!r} does not fit: give a whole number from {least} to {most}")
    return number


def _one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    if not (value is None or isinstance(value, str)) or value not in allowed:
        listed = ", ".join(map(str, allowed))
        raise ConfigError(f"{name}={value!r} does not exist: choose one of {listed}")
