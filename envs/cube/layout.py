"""Where blocks and agents of a CUBE board start: one compiled kernel, the same result on every platform.

Random numbers come from `emcoop.envs.splitmix`, so the layout of a seed does not depend on the version of
NumPy or Numba. It is a promise: a change of any layout needs a new version of the environment.

Blocks are placed largest first, each uniform over the top-left cells that are still feasible; if one finds
none, all start again. At the tightest team size of the curriculum (22) an attempt fails with probability
0.64, so the restarts suffice by far. Hand-made boards may be fuller: after the uniform attempts the large
blocks (`w >= K / 8`) are swept into random corners and only the rest is uniform; as a last resort everything
is swept from one corner. Blocks and agents read separate streams of the seed, so the rows agents start on do
not depend on how often the blocks were restarted.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.cube.settings import CubeSettings
from emcoop.envs.kernels import kernel
from emcoop.envs.splitmix import Stream, below, seed_number, stream
from emcoop.errors import ConfigError

IntArray = NDArray[np.int32]
Mask = NDArray[np.uint8]
Counts = NDArray[np.int64]

PLACED = -1
NO_CELL_FOR_AGENTS = -2

UNIFORM_ATTEMPTS = 50
PACKED_ATTEMPTS = 50

_BLOCKS = np.uint64(0x626C6F636B73)
_AGENTS = np.uint64(0x6167656E7473)


@kernel
def _crowded(grid_size: int, weights: IntArray) -> int:
    """Return the first block that provably cannot join the larger ones, or -1.

    A block with the moat below and right of it is a square of side `w + 1`, and these squares are disjoint
    within a square of side `K - 2`. So their areas fit in it, and at most `floor((K - 2) / (w + 1))**2` of
    them are that large: each covers a cell whose coordinates are both multiples of `w + 1`.
    """
    side = grid_size - 2
    area = 0
    for k in range(len(weights)):
        moated = int(weights[k]) + 1
        area += moated * moated
        if area > side * side or k + 1 > (side // moated) ** 2:
            return k
    return -1


@kernel
def _forbid(free: Mask, row_free: Counts, grid_size: int, weight: int, row: int, col: int, placed_weight: int) -> None:
    """Strike the top-lefts from which a block of `weight` would touch the placed one or its moat."""
    last = grid_size - weight - 2
    left, right = max(1, col - weight), min(last, col + placed_weight)
    for r in range(max(1, row - weight), min(last, row + placed_weight) + 1):
        struck = 0
        for c in range(left, right + 1):
            struck += int(free[r, c])
            free[r, c] = 0
        row_free[r] -= struck


@kernel
def _open(free: Mask, row_free: Counts, grid_size: int, weights: IntArray, blocks: IntArray, count: int) -> None:
    """Mark the feasible top-lefts for block `count`, given the `count` blocks already placed."""
    weight = int(weights[count])
    last = grid_size - weight - 2
    for r in range(1, last + 1):
        for c in range(1, last + 1):
            free[r, c] = 1
        row_free[r] = last
    for k in range(count):
        _forbid(free, row_free, grid_size, weight, blocks[k, 0], blocks[k, 1], int(weights[k]))


@kernel
def _uniform(rng: Stream, free: Mask, row_free: Counts, last: int) -> tuple[int, int]:
    """Pick one feasible top-left, all equally likely; (-1, -1) if there is none."""
    total = 0
    for r in range(1, last + 1):
        total += row_free[r]
    if total == 0:
        return -1, -1
    skip = below(rng, total)
    row = 1
    while skip >= row_free[row]:
        skip -= row_free[row]
        row += 1
    col = 0
    while skip >= 0:
        col += 1
        skip -= int(free[row, col])
    return row, col


@kernel
def _swept(corner: int, free: Mask, row_free: Counts, last: int) -> tuple[int, int]:
    """Return the first feasible top-left of a sweep; (-1, -1) if there is none.

    The bits of `corner` are: start at the bottom, start at the right, columns (not rows) in the outer loop.
    """
    bottom, right, by_column = corner & 1, corner & 2, corner & 4
    best_row, best = -1, last
    for i in range(last):
        row = last - i if bottom else 1 + i
        if row_free[row] == 0:
            continue
        for j in range(best):
            if free[row, last - j if right else 1 + j]:
                best_row, best = row, j
                break
        if best_row >= 0 and (best == 0 or not by_column):
            break
    if best_row < 0:
        return -1, -1
    return best_row, last - best if right else 1 + best


@kernel
def _attempt(
    rng: Stream,
    grid_size: int,
    weights: IntArray,
    sweep_from: int,
    one_corner: bool,
    free: Mask,
    row_free: Counts,
    blocks: IntArray,
) -> int:
    """Place all blocks once; return the first that found no cell, or -1."""
    corner = below(rng, 8)
    for k in range(len(weights)):
        weight = int(weights[k])
        last = grid_size - weight - 2
        if k > 0 and weights[k - 1] == weights[k]:
            _forbid(free, row_free, grid_size, weight, blocks[k - 1, 0], blocks[k - 1, 1], weight)
        else:
            _open(free, row_free, grid_size, weights, blocks, k)
        if weight >= sweep_from:
            row, col = _swept(corner if one_corner else below(rng, 8), free, row_free, last)
        else:
            row, col = _uniform(rng, free, row_free, last)
        if row < 0:
            return k
        blocks[k, 0] = row
        blocks[k, 1] = col
    return -1


@kernel
def count_attempts(seed: np.uint64, grid_size: int, weights: IntArray, blocks: IntArray) -> tuple[int, int]:
    """Place the blocks; return (code, attempts), the code as in `place_blocks`."""
    misfit = _crowded(grid_size, weights)
    if misfit >= 0:
        return misfit, 0
    rng = stream(seed, _BLOCKS)
    free = np.empty((grid_size, grid_size), np.uint8)
    row_free = np.empty(grid_size, np.int64)
    attempts = 0
    for sweep_from, one_corner, repeats in (
        (grid_size, False, UNIFORM_ATTEMPTS),
        ((grid_size + 7) // 8, False, PACKED_ATTEMPTS),
        (0, True, 1),
    ):
        for _ in range(repeats):
            attempts += 1
            misfit = _attempt(rng, grid_size, weights, sweep_from, one_corner, free, row_free, blocks)
            if misfit < 0:
                return PLACED, attempts
    return misfit, attempts


@kernel
def place_blocks(seed: np.uint64, grid_size: int, weights: IntArray, blocks: IntArray) -> int:
    """Place the blocks of a seed: a moat of one cell between them, top-lefts in `[1, K - w - 2]`.

    Args:
        seed: uint64.
        grid_size: Board side `K`, int64.
        weights: int32 (m,), largest first.
        blocks: int32 (m, 2), filled with the top-left (row, col) of each block.

    Returns:
        -1 if all are placed, otherwise the index of the block that did not fit.
    """
    return count_attempts(seed, grid_size, weights, blocks)[0]


@kernel
def place_agents(seed: np.uint64, grid_size: int, weights: IntArray, blocks: IntArray, agents: IntArray) -> int:
    """Place the agents of a seed on cells without a block, column 0 first, at random within a column.

    A column is filled before the next one is used; the goal column stays empty.

    Args:
        seed: uint64.
        grid_size: Board side `K`, int64.
        weights: int32 (m,).
        blocks: int32 (m, 2) top-lefts, anywhere on the board.
        agents: int32 (n, 2), filled with (row, col).

    Returns:
        -1 if all are placed, -2 if the board has too few cells.
    """
    rng = stream(seed, _AGENTS)
    rows = np.empty(grid_size, np.int64)
    taken = np.empty(grid_size, np.bool_)
    agent = 0
    for col in range(grid_size - 1):
        taken[:] = False
        for k in range(len(weights)):
            if blocks[k, 1] <= col < blocks[k, 1] + weights[k]:
                taken[blocks[k, 0] : blocks[k, 0] + weights[k]] = True
        count = 0
        for row in range(grid_size):
            if not taken[row]:
                rows[count] = row
                count += 1
        for i in range(min(count, len(agents) - agent)):
            j = i + below(rng, count - i)
            rows[i], rows[j] = rows[j], rows[i]
            agents[agent, 0] = rows[i]
            agents[agent, 1] = col
            agent += 1
        if agent == len(agents):
            return PLACED
    return NO_CELL_FOR_AGENTS


@kernel
def generate(seed: np.uint64, grid_size: int, weights: IntArray, agents: IntArray, blocks: IntArray) -> int:
    """Place all blocks and agents of a seed.

    Args:
        seed: uint64.
        grid_size: Board side `K`, int64.
        weights: int32 (m,), largest first.
        agents: int32 (n, 2), filled with (row, col).
        blocks: int32 (m, 2), filled with the top-left (row, col) of each block.

    Returns:
        -1 if all are placed, the index of the block that did not fit, or -2 if the agents did not fit;
        `layout_error` turns the last two into an error.
    """
    code = place_blocks(seed, grid_size, weights, blocks)
    return code if code != PLACED else place_agents(seed, grid_size, weights, blocks, agents)


def layout_error(code: int, settings: CubeSettings) -> ConfigError:
    """Build the error for a code of `generate` other than -1."""
    size = settings.grid_size
    if code == NO_CELL_FOR_AGENTS:
        return ConfigError(
            f"{settings.n_agents} agents do not fit a board of side {size}: left of the goal column it has fewer "
            "cells without a block; use fewer agents or a larger grid_size"
        )
    counts = ", ".join(f"{w}: {count}" for w, count in Counter(settings.weights).items())
    room, need = max(size - 2, 0) ** 2, sum((w + 1) ** 2 for w in settings.weights)
    return ConfigError(
        f"blocks[{code}] of weight {settings.weights[code]} found no place on a board of side {size} with "
        f"blocks {{{counts}}}: every block needs a free cell around it and at the walls, and with that margin they "
        f"take {need} of {room} cells ({need / max(room, 1):.0%}); use a larger grid_size, fewer or lighter blocks"
    )


def place(settings: CubeSettings, seed: int) -> tuple[IntArray, IntArray]:
    """Return the start of a seed: agents (n, 2) and block top-lefts (m, 2), int32 (row, col).

    Args:
        settings: Board side, weights and number of agents.
        seed: Whole number from 0 to 2**64 - 1; the same seed gives the same layout everywhere, always.

    Raises:
        ConfigError: A block or the agents found no place; nothing is ever left out.
    """
    agents = np.empty((settings.n_agents, 2), np.int32)
    blocks = np.empty((len(settings.weights), 2), np.int32)
    weights = np.array(settings.weights, np.int32)
    code = generate(seed_number(seed), settings.grid_size, weights, agents, blocks)
    if code != PLACED:
        raise layout_error(code, settings)
    return agents, blocks
