"""Searches on a map as an agent knows it: how far things are, and where the known map ends."""

from __future__ import annotations

import numpy as np

from emcoop.envs.kernels import kernel
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.sight import BOTTOM, LEFT, RIGHT, TOP, UNKNOWN
from emcoop.envs.ma_crafter.world import ByteArray, IntArray, is_walkable
from emcoop.envs.navigation import DCOL, DROW, FREE, SLOWEST, SOLID, STANDING, UNREACHABLE, distance_field

UNKNOWN_STEPS = 2
"""Steps a cell nobody has seen is taken to need: it may be a detour."""
DIG_STEPS = 3
"""Steps to enter a cell that has to be dug away first: turn, dig, step."""
MARGIN = 2
"""Cells around what is known that a way may lead through."""

STRAIGHT = 16
"""A step's weight against the pull of a heading when a frontier is chosen."""
HEADINGS = (
    (0, 12), (0, -12), (12, 0), (-12, 0), (8, 8), (-8, -8), (8, -8), (-8, 8),
    (5, 11), (-5, -11), (11, -5), (-11, 5), (11, 5), (-11, -5), (-5, 11), (5, -11),
)  # fmt: skip
"""Where agents drift when they explore, by index: rows and columns. No two of the first 16 go the same way."""


@kernel
def entry_steps(rules: IntArray, bag: IntArray) -> ByteArray:
    """Return what each material is as an obstacle to somebody with this bag.

    What one agent alone can dig away with its tools, leaving a cell to walk on, only takes longer.
    """
    steps = np.full(r.N_MATERIALS, SOLID, np.uint8)
    steps[UNKNOWN] = UNKNOWN_STEPS
    for material in range(1, r.N_MATERIALS):
        tool = rules[r.TOOL + material]
        alone = rules[r.QUORUM + material] == 1 and (tool < 0 or bag[tool] > 0)
        if is_walkable(material):
            steps[material] = FREE
        elif alone and is_walkable(rules[r.LEAVES + material]):
            steps[material] = DIG_STEPS
    return steps


@kernel
def search(
    grid: ByteArray,
    entry: ByteArray,
    box: IntArray,
    standing: IntArray,
    targets: IntArray,
    pad: int,
    fill: bool,
    field: IntArray,
) -> None:
    """Write the distances to some cells, over what is known and a margin around it.

    Args:
        grid: `(R, C)` uint8, padded: the map as known.
        entry: Obstacles by material, see `entry_steps`.
        box: The box around what is known.
        standing: `(k, 2)` padded cells of agents to walk around.
        targets: `(t, 3)` padded cells and the distance to start from, sorted by that distance.
        pad: Padding.
        fill: Write outside the searched part too; without it nothing there may be read.
        field: `(R, C)` int32 out.
    """
    top, left, bottom, right = box[TOP], box[LEFT], box[BOTTOM], box[RIGHT]
    for k in range(len(targets)):
        top, bottom = min(top, targets[k, 0]), max(bottom, targets[k, 0] + 1)
        left, right = min(left, targets[k, 1]), max(right, targets[k, 1] + 1)
    top, bottom = max(top - MARGIN, pad), min(bottom + MARGIN, grid.shape[0] - pad)
    left, right = max(left - MARGIN, pad), min(right + MARGIN, grid.shape[1] - pad)
    obstacles = np.full((bottom - top + 2, right - left + 2), SOLID, np.uint8)
    for y in range(top, bottom):
        for x in range(left, right):
            obstacles[y - top + 1, x - left + 1] = entry[grid[y, x]]
    for k in range(len(standing)):
        y, x = standing[k, 0], standing[k, 1]
        if top <= y < bottom and left <= x < right:
            obstacles[y - top + 1, x - left + 1] = STANDING
    shifted = targets.copy()
    shifted[:, 0] -= top - 1
    shifted[:, 1] -= left - 1
    found = np.empty(obstacles.shape, np.int32)
    distance_field(obstacles, shifted, found)
    if fill:
        field[:, :] = UNREACHABLE
    field[top - 1 : bottom + 1, left - 1 : right + 1] = found


@kernel
def steps_beside(field: IntArray, y: int, x: int, radius: int, diagonal: bool) -> int:
    """Return the distance to the nearest place from which a cell can be worked on.

    Args:
        field: Distances.
        y, x: The cell.
        radius: Manhattan distance from which it can be.
        diagonal: Whether the eight cells around it do instead.
    """
    best, reach = UNREACHABLE, 1 if diagonal else radius
    for v in range(max(y - reach, 0), min(y + reach + 1, field.shape[0])):
        for u in range(max(x - reach, 0), min(x + reach + 1, field.shape[1])):
            far = abs(v - y) + abs(u - x)
            if far > 0 and (diagonal or far <= radius) and field[v, u] < best:
                best = field[v, u]
    return best


@kernel
def places_of(
    grid: ByteArray, field: IntArray, box: IntArray, material: int, radius: int, diagonal: bool, out: IntArray
) -> int:
    """Write `(distance, row, column)`, padded, of the reachable cells of a material; return how many there are.

    Args:
        grid, box: As in `search`.
        field: Distances from the agent, everywhere.
        material: Its id.
        radius, diagonal: As in `steps_beside`.
        out: `(k, 3)` out; cells beyond `k` are not written.
    """
    count = 0
    for y in range(box[TOP], box[BOTTOM]):
        for x in range(box[LEFT], box[RIGHT]):
            if grid[y, x] == material and count < len(out):
                steps = steps_beside(field, y, x, radius, diagonal)
                if steps < UNREACHABLE:
                    out[count, 0], out[count, 1], out[count, 2] = steps, y, x
                    count += 1
    return count


@kernel
def borders_unknown(grid: ByteArray, pad: int, y: int, x: int) -> bool:
    """Say whether a padded cell has a cell beside it, on the map, that is not known."""
    for side in range(4):
        v, u = y + DROW[side], x + DCOL[side]
        inside = pad <= v < grid.shape[0] - pad and pad <= u < grid.shape[1] - pad
        if inside and grid[v, u] == UNKNOWN:
            return True
    return False


@kernel
def frontier_cell(
    grid: ByteArray,
    entry: ByteArray,
    field: IntArray,
    box: IntArray,
    pad: int,
    y: int,
    x: int,
    heading: tuple[int, int],
    strictly: bool,
) -> tuple[int, int]:
    """Return the best known cell that borders on unknown ones, `(-1, -1)` if none can be reached.

    Near is good, and so is far along the heading.

    Args:
        grid, entry, box, pad: As in `search`.
        field: Distances from the agent, everywhere.
        y, x: Where the agent is, padded.
        heading: Rows and columns, at most 12 long.
        strictly: Leave out cells that are not ahead.
    """
    best, best_y, best_x = np.int64(2) ** 60, -1, -1
    for v in range(box[TOP], box[BOTTOM]):
        for u in range(box[LEFT], box[RIGHT]):
            if grid[v, u] == UNKNOWN or entry[grid[v, u]] > SLOWEST or field[v, u] >= UNREACHABLE:
                continue
            along = (v - y) * heading[0] + (u - x) * heading[1]
            score = STRAIGHT * np.int64(field[v, u]) - along
            if score < best and (along > 0 or not strictly) and borders_unknown(grid, pad, v, u):
                best, best_y, best_x = score, v, u
    return best_y, best_x
