"""What controllers ask about the cells around their agent: the kernels behind `Bodies`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import entry
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter.crafting import stations_near
from emcoop.envs.ma_crafter.targets import target_from
from emcoop.envs.ma_crafter.world import ALIVE, COL, FACING, ROW, STATUS, ByteArray, CellArray, IntArray, open_board
from emcoop.envs.navigation import DCOL, DROW, SLOWEST


@entry
def mark_sides(obstacles: ByteArray, grid: ByteArray, occupancy: IntArray, y: int, x: int, out: IntArray) -> None:
    """Write for the four cells beside a padded cell 0 if one can step or dig there, else 1.

    Args:
        obstacles: Obstacles by material, see `routes.entry_steps`.
        grid: The map as known.
        occupancy: Who stands where.
        y, x: The cell.
        out: `(R, C)` out.
    """
    for side in range(4):
        v, u = y + DROW[side], x + DCOL[side]
        out[v, u] = 0 if obstacles[grid[v, u]] <= SLOWEST and occupancy[v, u] == 0 else 1


@entry
def target_as_known(
    rules: IntArray,
    rows: IntArray,
    grid: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    n: int,
    pad: int,
    i: int,
    y: int,
    x: int,
    side: int,
) -> tuple[int, int, int]:
    """Return kind and padded cell of what `do` would be aimed at from a pose, if the map is what the agent thinks."""
    b = open_board(rules, rows, grid.reshape((1, *grid.shape)), planted, occupancy, cells, 0, n, pad)
    return target_from(b, i, y, x, side)


@entry
def stations_as_known(
    rules: IntArray,
    rows: IntArray,
    grid: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    n: int,
    pad: int,
    y: int,
    x: int,
) -> int:
    """Return the stations near a padded cell, as bits, if the map is what the agent thinks."""
    b = open_board(rules, rows, grid.reshape((1, *grid.shape)), planted, occupancy, cells, 0, n, pad)
    return stations_near(b, y, x)


@entry
def count_near(
    agents: IntArray, seen: IntArray, me: int, step: int, row: int, col: int, reach: int, diagonal: bool, tier: int
) -> tuple[int, int, int]:
    """Count the others in view near a cell who hold a pickaxe at least as good as `tier`.

    Args:
        agents: `(n, AGENT)`, read for those in view.
        seen: `(n, 6)`, see `sight`.
        me: Who looks; not counted.
        step: Current step: only who is seen now counts.
        row, col: The cell.
        reach: Distance that is near.
        diagonal: Whether a diagonal step counts as one.
        tier: 0 none, 1 wood, 2 stone, 3 iron.

    Returns:
        How many there are, how many of them are not beside the cell with their eyes elsewhere, and how many hold all
        that an iron pickaxe is made of.
    """
    count, ready, kits = 0, 0, 0
    for j in range(len(seen)):
        known = seen[j]
        if j == me or known[s.SEEN_STEP] != step or known[s.SEEN_STATUS] != ALIVE or known[s.SEEN_TIER] < tier:
            continue
        rows, cols = abs(known[s.SEEN_ROW] - row), abs(known[s.SEEN_COL] - col)
        if (max(rows, cols) if diagonal else rows + cols) <= reach:
            count += 1
            side = agents[j, FACING]
            faces = known[s.SEEN_ROW] + DROW[side] == row and known[s.SEEN_COL] + DCOL[side] == col
            ready += rows + cols != 1 or faces
            kits += known[s.SEEN_KIT] == s.WHOLE_KIT
    return count, ready, kits


@entry
def places_within(
    grid: ByteArray,
    obstacles: ByteArray,
    occupancy: IntArray,
    view: tuple[int, int, int, int],
    y: int,
    x: int,
    reach: int,
    diagonal: bool,
    pad: int,
    out: IntArray,
) -> int:
    """Write the cells near a padded cell where one more agent could stand; return how many there are.

    Args:
        grid: The map as known.
        obstacles: Obstacles by material, see `routes.entry_steps`.
        occupancy: Who stands where; only what is in view is read, and creatures do not count.
        view: First row and column, and end row and column of the view, padded.
        y, x: The cell, padded.
        reach, diagonal: As in `count_near`.
        pad: Padding; nobody can stand there.
        out: `(k, 2)` out.
    """
    count = 0
    for v in range(max(y - reach, pad), min(y + reach + 1, grid.shape[0] - pad)):
        for u in range(max(x - reach, pad), min(x + reach + 1, grid.shape[1] - pad)):
            far = max(abs(v - y), abs(u - x)) if diagonal else abs(v - y) + abs(u - x)
            seen = view[0] <= v < view[2] and view[1] <= u < view[3]
            taken = seen and occupancy[v, u] > 0
            if 0 < far <= reach and obstacles[grid[v, u]] <= SLOWEST and not taken and count < len(out):
                out[count, 0], out[count, 1] = v - pad, u - pad
                count += 1
    return count


@entry
def find_changes(
    agents: IntArray,
    agents_now: IntArray,
    bags: IntArray,
    bags_now: IntArray,
    moved: NDArray[np.bool_],
    changed: NDArray[np.bool_],
) -> None:
    """Say which agents are on another cell than before, and whose bag or status has changed.

    Args:
        agents, bags: As in `World`, before.
        agents_now, bags_now: The same now.
        moved, changed: `(n,)` out.
    """
    for i in range(len(agents)):
        moved[i] = agents[i, ROW] != agents_now[i, ROW] or agents[i, COL] != agents_now[i, COL]
        changed[i] = agents[i, STATUS] != agents_now[i, STATUS]
        for item in range(bags.shape[1]):
            changed[i] |= bags[i, item] != bags_now[i, item]
