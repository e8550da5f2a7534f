"""Where agents start: cells one can walk to from the middle of the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.navigation import FREE, SOLID, UNREACHABLE, distance_field
from emcoop.envs.splitmix import draw

Grid = NDArray[np.uint8]
Mask = NDArray[np.bool_]
IntArray = NDArray[np.int32]

_SCATTER = 5
"""Purpose of the random numbers, after those of the terrain."""


def middle(materials: Grid) -> tuple[int, int]:
    """Return the cell in the middle of the map, which is grass on every generated one."""
    return materials.shape[0] // 2, materials.shape[1] // 2


def distances(materials: Grid, passable: tuple[int, ...], start: tuple[int, int]) -> IntArray:
    """Return the steps from a cell to every cell, moving over some materials only.

    Args:
        materials: uint8 (rows, cols).
        passable: Ids of the materials that can be entered.
        start: Row and column.

    Returns:
        int32 (rows, cols), `navigation.UNREACHABLE` where no way leads.
    """
    solid = np.full(r.N_MATERIALS, SOLID, np.uint8)
    solid[list(passable)] = FREE
    obstacles = np.full((materials.shape[0] + 2, materials.shape[1] + 2), SOLID, np.uint8)
    obstacles[1:-1, 1:-1] = solid[materials]
    field = np.empty(obstacles.shape, np.int32)
    distance_field(obstacles, np.array([[start[0] + 1, start[1] + 1, 0]], np.int32), field)
    return field[1:-1, 1:-1]


def beside_lava(materials: Grid) -> Mask:
    """Return which cells have lava among their eight neighbours, or are lava."""
    lava = np.zeros((materials.shape[0] + 2, materials.shape[1] + 2), np.bool_)
    lava[1:-1, 1:-1] = materials == r.LAVA
    wide = lava[:, :-2] | lava[:, 1:-1] | lava[:, 2:]
    near: Mask = wide[:-2] | wide[1:-1] | wide[2:]
    return near


def start_cells(materials: Grid, walk: IntArray) -> Mask:
    """Return where an agent may start.

    Args:
        materials: uint8 (rows, cols).
        walk: int32 (rows, cols), steps from the middle.
    """
    return (walk < UNREACHABLE) & ~beside_lava(materials)


def starts(materials: Grid, n_agents: int, spawn: str, seed: np.uint64) -> IntArray:
    """Return start cells, int32 (n, 2), of a map that has enough of them.

    Args:
        materials: uint8 (rows, cols).
        n_agents: Number of agents.
        spawn: `cluster`: the cells nearest to the middle on foot, grass before sand and path; `scatter`: any.
        seed: uint64, for `scatter`.
    """
    walk = distances(materials, r.WALKABLE, middle(materials))
    cells = np.argwhere(start_cells(materials, walk)).astype(np.int32)
    if spawn == "scatter":
        return shuffled(cells, seed, _SCATTER)[:n_agents]
    rows, cols = cells[:, 0], cells[:, 1]
    order = np.lexsort((walk[rows, cols], materials[rows, cols] != r.GRASS))  # stable: ties by row, then column
    return cells[order[:n_agents]]


@kernel
def _draw_cells(seed: np.uint64, purpose: int, cells: IntArray, out: NDArray[np.float64]) -> None:
    for k in range(len(cells)):
        out[k] = draw(seed, purpose, cells[k, 0], cells[k, 1], 0)


def shuffled(cells: IntArray, seed: np.uint64, purpose: int) -> IntArray:
    """Return the cells in the random order of a seed and purpose."""
    keys = np.empty(len(cells))
    _draw_cells(np.uint64(seed), purpose, cells, keys)
    return cells[np.argsort(keys, kind="stable")]
