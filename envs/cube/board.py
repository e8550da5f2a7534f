"""Explicit boards: the `options` of `reset` that put agents and blocks on chosen cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.cube.layout import PLACED, layout_error, place_agents, place_blocks
from emcoop.envs.cube.settings import CubeSettings
from emcoop.envs.entries import entries, whole_numbers
from emcoop.envs.splitmix import seed_number
from emcoop.errors import ConfigError

IntArray = NDArray[np.int32]


def parse_board(
    options: Mapping[str, object] | None, settings: CubeSettings, seed: int
) -> tuple[IntArray, IntArray, tuple[int, ...]]:
    """Return the start that `options` describe; what they leave open comes from the layout of the seed.

    With `"blocks"` alone, the agents take the free cells of column 0, then 1, ... as in a layout. With
    `"agents"` alone, the blocks are those the seed gives without options, and an agent on one of them is an
    error. Other keys are ignored: wrappers and test suites pass their own.

    Args:
        options: `{"agents": [(row, col), ...], "blocks": [(row, col, weight), ...]}`, either key optional.
            Agents in index order, one per agent. Blocks are named by their top-left cell, keep the given
            order and replace the counts of `settings`; every position without overlap is allowed, walls and
            other blocks may be touched.
        settings: Board side, number of agents, weights used if no blocks are given.
        seed: Whole number from 0 to 2**64 - 1.

    Returns:
        Agents int32 (n, 2), block top-lefts int32 (m, 2), weights in block order.

    Raises:
        ConfigError: Naming the entry and its cell: off the grid, on top of another one, a block already in
            the goal column, not whole numbers; another number of agents than `settings.n_agents`; no blocks;
            or a layout that has no room.
    """
    given = {} if options is None else options
    size = settings.grid_size
    owner = np.zeros((size, size), np.int32)  # k + 1: block k stands there, -(i + 1): agent i
    if "blocks" in given:
        rows = _read_blocks(given["blocks"], size, owner)
        blocks = np.array([row[:2] for row in rows], np.int32)
        weights = tuple(row[2] for row in rows)
    else:
        blocks, weights = _layout_blocks(settings, seed), settings.weights
    if "agents" in given:
        cells = _read_agents(given["agents"], settings)
        if "blocks" not in given:
            for k, weight in enumerate(weights):
                _cover(owner, k, int(blocks[k, 0]), int(blocks[k, 1]), weight)
        _check_agents(cells, owner, "blocks" in given)
        return np.array(cells, np.int32), blocks, weights
    return _layout_agents(settings, seed, blocks, weights), blocks, weights


def _layout_blocks(settings: CubeSettings, seed: int) -> IntArray:
    blocks = np.empty((len(settings.weights), 2), np.int32)
    weights = np.array(settings.weights, np.int32)
    code = place_blocks(seed_number(seed), settings.grid_size, weights, blocks)
    if code != PLACED:
        raise layout_error(code, settings)
    return blocks


def _layout_agents(settings: CubeSettings, seed: int, blocks: IntArray, weights: tuple[int, ...]) -> IntArray:
    agents = np.empty((settings.n_agents, 2), np.int32)
    sides = np.array(weights, np.int32)
    code = place_agents(seed_number(seed), settings.grid_size, sides, blocks, agents)
    if code != PLACED:
        raise layout_error(code, settings)
    return agents


def _read_blocks(value: object, size: int, owner: IntArray) -> list[tuple[int, int, int]]:
    """Return the checked `(row, col, weight)` and enter the cells they cover into `owner`."""
    found = entries("blocks", value, "(row, col, weight)")
    if not 1 <= len(found) <= size * size:
        raise ConfigError(f"blocks has {len(found)} entries: a board of side {size} takes 1 to {size * size}")
    rows = []
    for k, entry in enumerate(found):
        row, col, weight = whole_numbers(f"blocks[{k}]", entry, "(row, col, weight)")
        name = f"blocks[{k}] of weight {weight} at {(row, col)}"
        if weight < 1:
            raise ConfigError(f"{name} does not fit: a weight is at least 1")
        end = (row + weight - 1, col + weight - 1)
        if row < 0 or col < 0 or max(end) >= size:
            raise ConfigError(
                f"{name} is off the grid: it covers {(row, col)} to {end}, the board {(0, 0)} to {(size - 1, size - 1)}"
            )
        if end[1] == size - 1:
            raise ConfigError(
                f"{name} is already in the goal column with its cell {(row, end[1])}: "
                f"its column must be at most {size - 1 - weight}"
            )
        _cover(owner, k, row, col, weight)
        rows.append((row, col, weight))
    return rows


def _cover(owner: IntArray, k: int, row: int, col: int, weight: int) -> None:
    """Enter the cells of block `k`; the first one taken by another block is an error."""
    square = owner[row : row + weight, col : col + weight]
    if square.any():
        r, c = np.argwhere(square)[0].tolist()
        raise ConfigError(
            f"blocks[{k}] of weight {weight} at {(row, col)} overlaps blocks[{square[r, c] - 1}] "
            f"on the cell {(row + r, col + c)}: move one of them"
        )
    square[:] = k + 1


def _read_agents(value: object, settings: CubeSettings) -> list[tuple[int, ...]]:
    found = entries("agents", value, "(row, col)")
    if len(found) != settings.n_agents:
        raise ConfigError(f"agents has {len(found)} entries for n_agents={settings.n_agents}: give one cell per agent")
    cells = [whole_numbers(f"agents[{i}]", entry, "(row, col)") for i, entry in enumerate(found)]
    last = settings.grid_size - 1
    for i, cell in enumerate(cells):
        if not (0 <= cell[0] <= last and 0 <= cell[1] <= last):
            raise ConfigError(f"agents[{i}] at {cell} is off the grid: rows and columns go from 0 to {last}")
    return cells


def _check_agents(cells: list[tuple[int, ...]], owner: IntArray, explicit: bool) -> None:
    hint = "move one of them" if explicit else "the seed puts it there; give blocks too, or another seed"
    for i, (row, col) in enumerate(cells):
        other = int(owner[row, col])
        where = f"agents[{i}] stands on the cell {(row, col)} of"
        if other > 0:
            raise ConfigError(f"{where} blocks[{other - 1}]: {hint}")
        if other < 0:
            raise ConfigError(f"{where} agents[{-other - 1}]: give every agent its own cell")
        owner[row, col] = -(i + 1)
