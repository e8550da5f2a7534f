"""Worlds from a seed: Crafter's terrain by simplex noise, where the team starts, and the creatures in it.

Noise scales and thresholds are those of Crafter (Hafner, "Benchmarking the Spectrum of Agent Capabilities", 2021), for
maps of any size. A world is a function of the seed and the settings alone: noise is rounded to 1e-6 before it meets a
threshold, so that the last bits of a platform's floating point do not matter, and everything else is whole numbers. It
is a promise: a change of any world needs a new version of the environment.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

# Not the public vectorised call: that one is compiled with Numba's threads, which hang in forked processes and abort
# where two Python threads use them at once. The function of one point it is made of starts none.
import opensimplex.internals as simplex
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.settings import CrafterSettings
from emcoop.envs.ma_crafter.solvable import complete, survey
from emcoop.envs.ma_crafter.spawn import starts
from emcoop.envs.ma_crafter.world import COW, SKELETON, ZOMBIE
from emcoop.envs.splitmix import draw, fold, seed_number

Grid = NDArray[np.uint8]
Mask = NDArray[np.bool_]
IntArray = NDArray[np.int32]

TRIES = 8
"""Sub-seeds that are tried before a map is completed."""

# What a random number of a cell is for.
_COAL, _IRON, _DIAMOND, _TREE, _CREATURE = range(5)
_MICRO = 1e6
_COW_CHANCE, _ZOMBIE_CHANCE, _SKELETON_CHANCE = 0.015, 0.007, 0.05
_COWS_FROM, _ZOMBIES_FROM, _SKELETONS_FROM = 3, 10, 3
"""Distance beyond which there are cows (from the middle), and zombies and skeletons (from every agent)."""


class GeneratedWorld(NamedTuple):
    """A fresh world.

    Attributes:
        materials: uint8 (rows, cols), ids of `rules.MATERIALS`, no cell of `outside`.
        agents: int32 (n, 2), start cells (row, col).
        creatures: int32 (k, 3), kind (0 zombie, 1 skeleton, 3 cow), row, col; row by row.
        sub_seed: Which try of the seed this is: 0 the first.
        completed: Whether resources were added because no try was solvable.
    """

    materials: Grid
    agents: IntArray
    creatures: IntArray
    sub_seed: int
    completed: bool


def generate(settings: CrafterSettings, seed: int) -> GeneratedWorld:
    """Return the world of a seed: solvable, and the same everywhere, always.

    Args:
        settings: A `CrafterSettings`.
        seed: Whole number from 0 to 2**64 - 1.

    Raises:
        ConfigError: A bad seed, or a quorum for which a map of this shape has no room.
    """
    world_seed = seed_number(seed)
    tries = []
    for sub_seed in range(TRIES):
        # Each try follows from the one before: counting from the seed would lead into the tries of the next seeds.
        world_seed = np.uint64(fold(world_seed, sub_seed))
        materials, tunnels = terrain(settings.area, world_seed)
        lacking = sum(survey(materials, settings).missing.values())
        tries.append((lacking, sub_seed, world_seed, materials, tunnels))
        if lacking == 0:
            break
    lacking, sub_seed, world_seed, materials, tunnels = min(tries, key=lambda one: one[0])
    if lacking:
        agents = complete(materials, settings, world_seed)
        tunnels &= materials == r.PATH
    else:
        agents = starts(materials, settings.n_agents, settings.spawn, world_seed)
    creatures = place_creatures(materials, tunnels, agents, settings.mode, world_seed)
    return GeneratedWorld(materials, agents, creatures, sub_seed, lacking > 0)


def terrain(area: tuple[int, int], seed: np.uint64) -> tuple[Grid, Mask]:
    """Return the bare terrain of a seed: materials uint8 (rows, cols), and which cells of path are tunnels."""
    materials, tunnels = np.empty(area, np.uint8), np.zeros(area, np.bool_)
    permutation, gradients = simplex._init(int(seed))
    fill_terrain(permutation, gradients, np.uint64(seed), materials, tunnels)
    return materials, tunnels


def place_creatures(materials: Grid, tunnels: Mask, agents: IntArray, mode: str, seed: np.uint64) -> IntArray:
    """Return the creatures of a seed, int32 (k, 3): cows always, zombies and skeletons where the mode has enemies."""
    occupied = np.zeros(materials.shape, np.bool_)
    occupied[agents[:, 0], agents[:, 1]] = True
    kinds = np.empty(materials.shape, np.int8)
    fill_creatures(np.uint64(seed), materials, tunnels, occupied, r.read_rules()["modes"][mode]["enemies"], kinds)
    cells = np.argwhere(kinds >= 0)
    return np.column_stack((kinds[cells[:, 0], cells[:, 1]], cells)).astype(np.int32)


Table = NDArray[np.int64]


@kernel
def _noise(perm: Table, grad: Table, x: float, y: float, z: int, size: float) -> float:
    return float(simplex._noise3(x / size, y / size, float(z), perm, grad))


@kernel
def _micro(value: float) -> int:
    """Return `value` in millionths, rounded: what is compared with thresholds."""
    return math.floor(value * _MICRO + 0.5)


@kernel
def _in_mountain(perm: Table, grad: Table, seed: np.uint64, row: int, col: int, height: int) -> tuple[int, bool]:
    """Return what a cell of mountain is made of, and whether it is a tunnel."""
    x, y = float(col), float(row)
    if height > 300_000 and _micro(_noise(perm, grad, x, y, 6, 7.0)) > 150_000:
        return r.PATH, False
    if _micro(_noise(perm, grad, 2 * x, y / 5, 7, 3.0)) > 400_000:
        return r.PATH, True
    if _micro(_noise(perm, grad, x / 5, 2 * y, 7, 3.0)) > 400_000:
        return r.PATH, True
    if draw(seed, _COAL, row, col, 0) > 0.85 and _micro(_noise(perm, grad, x, y, 1, 8.0)) > 0:
        return r.COAL, False
    if draw(seed, _IRON, row, col, 0) > 0.75 and _micro(_noise(perm, grad, x, y, 2, 6.0)) > 400_000:
        return r.IRON, False
    if height > 180_000 and draw(seed, _DIAMOND, row, col, 0) > 0.994:
        return r.DIAMOND, False
    if height > 300_000 and _micro(_noise(perm, grad, x, y, 6, 5.0)) > 350_000:
        return r.LAVA, False
    return r.STONE, False


@kernel
def fill_terrain(perm: Table, grad: Table, seed: np.uint64, materials: Grid, tunnels: Mask) -> None:
    """Write the terrain of a seed.

    Args:
        perm, grad: The tables of the noise, int64 (256,).
        seed: uint64, for what is drawn cell by cell.
        materials: uint8 (rows, cols) out.
        tunnels: bool (rows, cols) out; must be all False.
    """
    rows, cols = materials.shape
    for row in range(rows):
        for col in range(cols):
            x, y = float(col), float(row)
            away = math.sqrt((col - cols // 2) ** 2 + (row - rows // 2) ** 2)
            meadow = 1 / (1 + math.exp(away - 4 - 2 * _noise(perm, grad, x, y, 8, 3.0)))
            water = _noise(perm, grad, x, y, 3, 15.0) + 0.15 * _noise(perm, grad, x, y, 3, 5.0) + 0.1 - 2 * meadow
            mountain = (_noise(perm, grad, x, y, 0, 15.0) + 0.3 * _noise(perm, grad, x, y, 0, 5.0)) / 1.3
            height, depth = _micro(mountain - 4 * meadow - 0.3 * water), _micro(water)
            material = r.GRASS
            if _micro(meadow) > 500_000:
                pass
            elif height > 150_000:
                material, tunnels[row, col] = _in_mountain(perm, grad, seed, row, col, height)
            elif 250_000 < depth <= 350_000 and _micro(_noise(perm, grad, x, y, 4, 9.0)) > -200_000:
                material = r.SAND
            elif depth > 300_000:
                material = r.WATER
            elif draw(seed, _TREE, row, col, 0) > 0.8 and _micro(_noise(perm, grad, x, y, 5, 7.0)) > 0:
                material = r.TREE
            materials[row, col] = material


@kernel
def _agent_within(occupied: Mask, row: int, col: int, distance: int) -> bool:
    rows, cols = occupied.shape
    for v in range(max(0, row - distance), min(rows, row + distance + 1)):
        for u in range(max(0, col - distance), min(cols, col + distance + 1)):
            if occupied[v, u] and (v - row) ** 2 + (u - col) ** 2 <= distance * distance:
                return True
    return False


@kernel
def fill_creatures(
    seed: np.uint64, materials: Grid, tunnels: Mask, occupied: Mask, enemies: bool, kinds: NDArray[np.int8]
) -> None:
    """Write what lives on each cell of a fresh world.

    Args:
        seed: uint64.
        materials: uint8 (rows, cols).
        tunnels: bool (rows, cols): where skeletons live.
        occupied: bool (rows, cols): where agents start.
        enemies: Whether there are zombies and skeletons.
        kinds: int8 (rows, cols) out: -1 nothing, otherwise the kind.
    """
    rows, cols = materials.shape
    kinds[:, :] = -1
    for row in range(rows):
        for col in range(cols):
            chance = draw(seed, _CREATURE, row, col, 0)
            grass = materials[row, col] == r.GRASS
            if grass and chance < _COW_CHANCE:
                away = (row - rows // 2) ** 2 + (col - cols // 2) ** 2
                if away > _COWS_FROM**2 and not occupied[row, col]:
                    kinds[row, col] = COW
            elif not enemies:
                continue
            elif grass and chance < _COW_CHANCE + _ZOMBIE_CHANCE:
                if not _agent_within(occupied, row, col, _ZOMBIES_FROM):
                    kinds[row, col] = ZOMBIE
            elif (
                tunnels[row, col]
                and chance < _SKELETON_CHANCE
                and not _agent_within(occupied, row, col, _SKELETONS_FROM)
            ):
                kinds[row, col] = SKELETON
