"""How an episode of MA-Crafter begins: a generated or hand-made world, written into the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.board import parse_map
from emcoop.envs.ma_crafter.dynamics import refresh_all
from emcoop.envs.ma_crafter.settings import CrafterSettings
from emcoop.envs.ma_crafter.worldgen import generate
from emcoop.errors import ConfigError
from emcoop.rng import derive_seed

HAND_MADE = -1
"""Sub-seed of a world that was not generated."""
FACING_DOWN = 1


@dataclass(frozen=True)
class Start:
    """Everything an episode begins with.

    Attributes:
        materials: `(rows, cols)` uint8.
        agents: `(n, 2)` cells.
        facing: `(n,)` facings.
        bags: `(n, 12)` amounts.
        creatures: `(k, 3)`: kind, row, col.
        sub_seed: Attempt whose map passed the check, `HAND_MADE` if none was made.
    """

    materials: NDArray[np.uint8]
    agents: NDArray[np.int32]
    facing: NDArray[np.int32]
    bags: NDArray[np.int32]
    creatures: NDArray[np.int32]
    sub_seed: int

    def place(self, world: w.World, env: int, seed: int) -> None:
        """Write this start into one environment of a world of the same area.

        Args:
            world: The world.
            env: Which environment.
            seed: Seed of the episode; chance has a stream of its own below it.
        """
        world.rows[env] = 0
        for grid in (world.materials, world.planted, world.occupancy, world.cells):
            grid[env] = 0
        world.inner(world.materials, env)[:] = self.materials
        low, high = np.array([derive_seed(seed, "dynamics")], "<u8").view("<u4").view(np.int32)
        head = world.rows[env]
        head[[w.SEED_LOW, w.SEED_HIGH, w.N_ALIVE]] = low, high, world.n_agents
        head[w.N_PLANTS] = int((self.materials == r.PLANT).sum())
        agents = world.agents(env)
        agents[:, [w.ROW, w.COL]] = self.agents
        agents[:, w.FACING] = self.facing
        agents[:, [w.HEALTH, w.FOOD, w.DRINK, w.ENERGY]] = world.rules[r.START]
        world.bags(env)[:] = self.bags
        mobs = world.mobs(env)
        creatures = self.creatures[: len(mobs)]
        mobs[: len(creatures), w.KIND] = creatures[:, 0] + 1
        mobs[: len(creatures), w.MOB_ROW : w.MOB_COL + 1] = creatures[:, 1:]
        mobs[: len(creatures), w.MOB_HEALTH] = np.array(w.MOB_HEALTH_AT_START)[creatures[:, 0]]
        mobs[: len(creatures), w.MOB_FACING] = FACING_DOWN
        occupancy, pad = world.occupancy[env], world.pad
        occupancy[self.agents[:, 0] + pad, self.agents[:, 1] + pad] = np.arange(1, world.n_agents + 1)
        occupancy[creatures[:, 1] + pad, creatures[:, 2] + pad] = -np.arange(1, len(creatures) + 1)
        refresh_all(
            world.rules, world.rows, world.materials, world.planted, world.occupancy, world.cells, env,
            world.n_agents, pad,
        )  # fmt: skip


def start(settings: CrafterSettings, seed: int, options: Mapping[str, Any]) -> Start:
    """Return the start of an episode.

    Args:
        settings: What fixes the world apart from the seed.
        seed: Seed of the episode.
        options: A hand-made world, or nothing of the kind.

    Raises:
        ConfigError: The hand-made world is illegal.
    """
    if "map" in options:
        made = parse_map(options, settings)
        nobody = np.zeros((0, 3), np.int32)
        return Start(made.materials, made.agents, made.facing, made.inventory, nobody, HAND_MADE)
    lost = [key for key in ("agents", "facing", "inventory") if key in options]
    if lost:
        raise ConfigError(f"options give {lost[0]!r} without 'map': a hand-made start needs its map, rows of letters")
    n = settings.n_agents
    fresh = generate(settings, seed)
    facing, bags = np.full(n, FACING_DOWN, np.int32), np.zeros((n, r.N_ITEMS), np.int32)
    return Start(fresh.materials, fresh.agents, facing, bags, fresh.creatures, fresh.sub_seed)
