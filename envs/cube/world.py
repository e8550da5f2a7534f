"""CUBE's state as plain arrays with a leading environment axis.

One `int32` row per environment holds the whole state (`World.rows`); everything else is derived from it and kept
up to date by the kernels: `occupancy` says who stands where, `cells` holds the eight observation channels of every
cell, one byte each, so that copying a window copies all channels at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.cube.settings import CubeSettings
from emcoop.envs.kernels import kernel

IntArray = NDArray[np.int32]
CellArray = NDArray[np.uint64]

CHANNELS = ("other_agent", "block", "block_weight", "goal", "wall", "free", "self", "block_corner")
"""Observation channels in order; channel `i` is byte `i` of a packed cell."""

AGENT, BLOCK, WEIGHT_SHIFT = np.uint64(1), np.uint64(1 << 8), np.uint64(16)
GOAL, WALL, FREE, SELF, CORNER = (
    np.uint64(1 << 24), np.uint64(1 << 32), np.uint64(1 << 40), np.uint64(1 << 48), np.uint64(1 << 56),
)  # fmt: skip

OFF_BOARD = 1 << 30
"""Occupancy outside the board; inside: 0 free, `i + 1` agent `i`, `-(b + 1)` block `b`."""

STEP, OPEN, HEADER = 0, 1, 2
"""A row starts with the steps taken and the number of blocks not yet delivered."""


class Board(NamedTuple):
    """One environment as the kernels see it.

    Attributes:
        rows, occupancy, cells: The arrays of `World`, all environments.
        env: Which environment.
        n, m: Numbers of agents and blocks.
        pad: Padding around the board in `occupancy` and `cells`.
    """

    rows: IntArray
    occupancy: IntArray
    cells: CellArray
    env: int
    n: int
    m: int
    pad: int


@kernel
def goal_column(b: Board) -> int:
    """Return the goal column in padded coordinates."""
    return int(b.occupancy.shape[1] - b.pad - 1)


@kernel
def agent_at(b: Board, i: int) -> tuple[int, int]:
    """Return agent `i`'s cell in padded coordinates."""
    return b.rows[b.env, HEADER + 2 * i] + b.pad, b.rows[b.env, HEADER + 2 * i + 1] + b.pad


@kernel
def block_at(b: Board, block: int) -> tuple[int, int]:
    """Return the top-left cell of a block in padded coordinates."""
    first = HEADER + 2 * b.n + 2 * block
    return b.rows[b.env, first] + b.pad, b.rows[b.env, first + 1] + b.pad


@kernel
def weight_of(b: Board, block: int) -> int:
    """Return a block's weight, which is also its side in cells."""
    return int(b.rows[b.env, HEADER + 2 * b.n + 2 * b.m + block])


@kernel
def at_goal(b: Board, block: int) -> bool:
    """Say whether a block touches the goal column."""
    return block_at(b, block)[1] + weight_of(b, block) - 1 == goal_column(b)


@kernel
def set_free(b: Board, y: int, x: int) -> None:
    """Empty a cell."""
    b.occupancy[b.env, y, x] = 0
    b.cells[b.env, y, x] = FREE | GOAL if x == goal_column(b) else FREE


@kernel
def set_agent(b: Board, i: int) -> None:
    """Draw agent `i` on the empty cell its row names."""
    y, x = agent_at(b, i)
    b.occupancy[b.env, y, x] = i + 1
    b.cells[b.env, y, x] = (b.cells[b.env, y, x] | AGENT) & ~FREE


@kernel
def set_block(b: Board, block: int, y: int, x: int) -> None:
    """Draw one cell of a block, without its corner mark."""
    code = BLOCK | (np.uint64(min(weight_of(b, block), 255)) << WEIGHT_SHIFT)
    b.occupancy[b.env, y, x] = -(block + 1)
    b.cells[b.env, y, x] = code | GOAL if x == goal_column(b) else code


@kernel
def draw(b: Board) -> None:
    """Draw `occupancy` and `cells` from the row."""
    side = b.occupancy.shape[1]
    for y in range(side):
        for x in range(side):
            if b.pad <= y < side - b.pad and b.pad <= x < side - b.pad:
                set_free(b, y, x)
            else:
                b.occupancy[b.env, y, x] = OFF_BOARD
                b.cells[b.env, y, x] = WALL
    for block in range(b.m):
        if b.rows[b.env, HEADER + 2 * b.n + 3 * b.m + block]:
            continue
        top, left = block_at(b, block)
        for y in range(top, top + weight_of(b, block)):
            for x in range(left, left + weight_of(b, block)):
                set_block(b, block, y, x)
        b.cells[b.env, top, left] |= CORNER
    for i in range(b.n):
        set_agent(b, i)


@kernel
def draw_one(rows: IntArray, occupancy: IntArray, cells: CellArray, env: int, n: int, m: int, pad: int) -> None:
    """Apply `draw` to environment `env`."""
    draw(Board(rows, occupancy, cells, env, n, m, pad))


@dataclass
class World:
    """State of `n_envs` CUBE environments of equal settings.

    Attributes:
        n_agents, n_blocks, grid_size, pad: Sizes; `pad` off-board cells surround each board.
        rows: `(n_envs, 2 + 2 n + 4 m)` int32; the canonical state.
        occupancy: `(n_envs, K + 2 pad, K + 2 pad)` int32.
        cells: `(n_envs, K + 2 pad, K + 2 pad)` uint64, packed observation channels.
        steps, open_blocks: `(n_envs,)` views on `rows`.
        agents: `(n_envs, n, 2)` view, `(row, col)`.
        blocks: `(n_envs, m, 2)` view, top-left `(row, col)`; a delivered block keeps its last position.
        weights, delivered: `(n_envs, m)` views.
    """

    n_agents: int
    n_blocks: int
    grid_size: int
    pad: int
    rows: IntArray
    occupancy: IntArray
    cells: CellArray
    steps: IntArray = field(init=False)
    open_blocks: IntArray = field(init=False)
    agents: IntArray = field(init=False)
    blocks: IntArray = field(init=False)
    weights: IntArray = field(init=False)
    delivered: IntArray = field(init=False)

    def __post_init__(self) -> None:
        n_envs, n, m = len(self.rows), self.n_agents, self.n_blocks
        after_agents = HEADER + 2 * n
        self.steps = self.rows[:, STEP]
        self.open_blocks = self.rows[:, OPEN]
        self.agents = self.rows[:, HEADER:after_agents].reshape(n_envs, n, 2)
        self.blocks = self.rows[:, after_agents : after_agents + 2 * m].reshape(n_envs, m, 2)
        self.weights = self.rows[:, after_agents + 2 * m : after_agents + 3 * m]
        self.delivered = self.rows[:, after_agents + 3 * m :]
        assert np.shares_memory(self.agents, self.rows), "views must write through"

    def place(self, env: int, agents: Any, blocks: Any) -> None:
        """Start environment `env` with these positions: step 0, nothing delivered."""
        self.steps[env] = 0
        self.open_blocks[env] = self.n_blocks
        self.agents[env] = agents
        self.blocks[env] = blocks
        self.delivered[env] = 0
        self._draw(env)

    def _draw(self, env: int) -> None:
        draw_one(self.rows, self.occupancy, self.cells, env, self.n_agents, self.n_blocks, self.pad)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the arrays only, so that the views of the copy show the copy."""
        sizes = (self.n_agents, self.n_blocks, self.grid_size, self.pad)
        return World, (*sizes, self.rows, self.occupancy, self.cells)

    def clone(self) -> World:
        """Return an independent copy."""
        arrays = (self.rows.copy(), self.occupancy.copy(), self.cells.copy())
        return World(self.n_agents, self.n_blocks, self.grid_size, self.pad, *arrays)


def make_world(settings: CubeSettings, weights: tuple[int, ...], n_envs: int, view: int) -> World:
    """Allocate `n_envs` environments; nothing is placed yet.

    Args:
        settings: Board and team.
        weights: Block weights in block order (those of `settings`, or of an explicit board).
        n_envs: Number of environments.
        view: Side of the observation window in cells; half of it is the padding.
    """
    n, m, pad = settings.n_agents, len(weights), max(1, view // 2)
    side = settings.grid_size + 2 * pad
    rows = np.zeros((n_envs, HEADER + 2 * n + 4 * m), np.int32)
    occupancy = np.zeros((n_envs, side, side), np.int32)
    cells = np.zeros((n_envs, side, side), np.uint64)
    world = World(n, m, settings.grid_size, pad, rows, occupancy, cells)
    world.weights[:] = weights
    return world
