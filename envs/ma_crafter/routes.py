"""Searches on a map as an agent knows it: how far things are, and where the known map ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emcoop.envs.kernels import entry, kernel, part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.sight import BOTTOM, LEFT, RIGHT, TOP, UNKNOWN
from emcoop.envs.ma_crafter.world import ByteArray, IntArray, is_walkable
from emcoop.envs.navigation import DCOL, DROW, FREE, SLOWEST, SOLID, STANDING, UNREACHABLE, spread

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


LISTS = SLOWEST + 1
"""Lists of cells to go on from: one for each distance that a step may lead to."""


class Ways(NamedTuple):
    """What searches write on, used again by each of them.

    Attributes:
        kinds: `(R * C,)` uint8: obstacles.
        after: `(R * C,)` int32: which cell to go on from next.
        first: `(LISTS,)` int32: where each list of cells begins, -1 for an empty one; all are empty in between.
    """

    kinds: ByteArray
    after: IntArray
    first: IntArray


def make_ways(size: int) -> Ways:
    """Allocate what searches on grids of so many cells write on."""
    return Ways(np.empty(size, np.uint8), np.empty(size, np.int32), np.full(LISTS, -1, np.int32))


@entry
def search(
    grid: ByteArray,
    obstacles: ByteArray,
    box: IntArray,
    standing: IntArray,
    targets: IntArray,
    pad: int,
    fill: bool,
    kinds: ByteArray,
    after: IntArray,
    first: IntArray,
    field: IntArray,
) -> None:
    """Write the distances to the nearest of some cells, over what is known and a margin around it.

    Args:
        grid: `(R, C)` uint8, padded: the map as known.
        obstacles: Obstacles by material, see `entry_steps`.
        box: The box around what is known.
        standing: `(k, 2)` cells of agents to walk around.
        targets: `(t, 2)` cells.
        pad: Padding.
        fill: Write outside the searched part too; without it nothing there may be read.
        kinds, after, first: `Ways`.
        field: `(R, C)` int32 out.
    """
    top, left, bottom, right = box[TOP], box[LEFT], box[BOTTOM], box[RIGHT]
    for k in range(len(targets)):
        top, bottom = min(top, targets[k, 0] + pad), max(bottom, targets[k, 0] + pad + 1)
        left, right = min(left, targets[k, 1] + pad), max(right, targets[k, 1] + pad + 1)
    top, bottom = max(top - MARGIN, pad), min(bottom + MARGIN, grid.shape[0] - pad)
    left, right = max(left - MARGIN, pad), min(right + MARGIN, grid.shape[1] - pad)
    cols = grid.shape[1]
    far = field.reshape(field.size)
    if fill:
        for cell in range(len(far)):
            far[cell] = UNREACHABLE
    for y in range(top - 1, bottom + 1):
        for x in range(left - 1, right + 1):
            far[y * cols + x] = UNREACHABLE
            kinds[y * cols + x] = SOLID
    for y in range(top, bottom):
        for x in range(left, right):
            kinds[y * cols + x] = obstacles[grid[y, x]]
    for k in range(len(standing)):
        y, x = standing[k, 0] + pad, standing[k, 1] + pad
        if top <= y < bottom and left <= x < right:
            kinds[y * cols + x] = STANDING
    waiting = 0
    for k in range(len(targets)):
        cell = (targets[k, 0] + pad) * cols + targets[k, 1] + pad
        if far[cell] == UNREACHABLE:
            far[cell], after[cell], first[0] = 0, first[0], cell
            kinds[cell] = SOLID
            waiting += 1
    now = 0
    while waiting:
        waiting += spread(kinds, after, first, now, cols, far)
        now += 1


@part
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


@part
def insert_nearest(found: IntArray, count: int, steps: int, row: int, col: int) -> int:
    """Put a cell among the nearest ones found so far, behind its equals; return how many there are now.

    Args:
        found: `(k, 3 or more)`: distance, row and column of the `k` nearest at most, nearest first.
        count: How many there are.
        steps, row, col: The cell.
    """
    at = min(count, len(found) - 1)
    if count == len(found) and steps >= found[at, 0]:
        return count
    while at > 0 and found[at - 1, 0] > steps:
        for k in range(3):
            found[at, k] = found[at - 1, k]
        at -= 1
    found[at, 0], found[at, 1], found[at, 2] = steps, row, col
    return min(count + 1, len(found))


@entry
def nearest_of(
    grid: ByteArray,
    field: IntArray,
    box: IntArray,
    material: int,
    radius: int,
    diagonal: bool,
    pad: int,
    most: int,
    out: IntArray,
) -> int:
    """Write the nearest reachable cells of a material, nearest first, then row by row; return how many there are.

    Args:
        grid, box, pad: As in `search`.
        field: Distances from the agent, everywhere.
        material: Its id.
        radius, diagonal: As in `steps_beside`.
        most: Cells at most.
        out: `(most or more, 3)` out: distance, row, column.
    """
    count, found = 0, out[:most]
    for y in range(box[TOP], box[BOTTOM]):
        for x in range(box[LEFT], box[RIGHT]):
            if grid[y, x] == material:
                steps = steps_beside(field, y, x, radius, diagonal)
                if steps < UNREACHABLE:
                    count = insert_nearest(found, count, steps, y - pad, x - pad)
    return count


@part
def borders_unknown(grid: ByteArray, pad: int, y: int, x: int) -> bool:
    """Say whether a padded cell has a cell beside it, on the map, that is not known."""
    for side in range(4):
        v, u = y + DROW[side], x + DCOL[side]
        inside = pad <= v < grid.shape[0] - pad and pad <= u < grid.shape[1] - pad
        if inside and grid[v, u] == UNKNOWN:
            return True
    return False


@entry
def frontier_cell(
    grid: ByteArray,
    obstacles: ByteArray,
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
        grid, obstacles, box, pad: As in `search`.
        field: Distances from the agent, everywhere.
        y, x: Where the agent is, padded.
        heading: Rows and columns, at most 12 long.
        strictly: Leave out cells that are not ahead.
    """
    best, best_y, best_x = np.int64(2) ** 60, -1, -1
    for v in range(box[TOP], box[BOTTOM]):
        for u in range(box[LEFT], box[RIGHT]):
            if grid[v, u] == UNKNOWN or obstacles[grid[v, u]] > SLOWEST or field[v, u] >= UNREACHABLE:
                continue
            along = (v - y) * heading[0] + (u - x) * heading[1]
            score = STRAIGHT * np.int64(field[v, u]) - along
            if score < best and (along > 0 or not strictly) and borders_unknown(grid, pad, v, u):
                best, best_y, best_x = score, v, u
    return best_y, best_x
