"""The state of MA-Crafter worlds: integer arrays with a leading environment axis.

Per environment there is one row of numbers (clock, harvest, agents, bags, creatures), a grid of materials and a grid
of when plants were set; who stands where and the cells as agents see them follow from these and are kept up to date.
All grids are padded by `outside`, so that every view and every neighbour lies on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.settings import CrafterSettings

IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]
CellArray = NDArray[np.uint64]

# Head of a state row.
STEP, SEED_LOW, SEED_HIGH, POINTS_SO_FAR, N_ALIVE, N_PLANTS, HARVESTED = range(7)
"""`HARVESTED` is the first of as many entries as there are materials."""
HEAD = HARVESTED + r.N_MATERIALS

# Fields of an agent.
(
    ROW, COL, FACING, HEALTH, FOOD, DRINK, ENERGY, HUNGER, THIRST, FATIGUE, RECOVERY, ASLEEP, STATUS, DOWN_SINCE,
    ACHIEVED,
) = range(15)  # fmt: skip
AGENT = 15
ALIVE, DOWN, GONE = range(3)
"""What `STATUS` says."""

# Fields of a creature: kind + 1 (0: the slot is empty), cell, health, facing, cooldown or reload time.
KIND, MOB_ROW, MOB_COL, MOB_HEALTH, MOB_FACING, TIMER = range(6)
MOB = 6
MOBS = ("zombie", "skeleton", "arrow", "cow")
ZOMBIE, SKELETON, ARROW, COW = range(4)
MOB_HEALTH_AT_START = (5, 3, 1, 3)
MOBS_PER_CHUNK = 8

# Purposes of chance; the cell is the acting agent's or creature's before it moves, or the chunk's row and column.
(
    SAPLING, COW_MOVES, COW_SIDE, ZOMBIE_CHASES, ZOMBIE_AXIS, ZOMBIE_SIDE, SKELETON_AXIS, SKELETON_SHOOTS,
    SKELETON_NEARS, SKELETON_ROAMS, SKELETON_SIDE, APPEARS, APPEARS_AT, VANISHES, VANISHES_WHICH,
) = range(15)  # fmt: skip
PURPOSES_PER_KIND = 16
"""The balance of creatures of kind `k` uses purpose + `PURPOSES_PER_KIND * (k + 1)`."""

CHANNELS = ("material", "object", "facing", "health", "agent", "walkable", "quorum", "asleep")
"""Channels of a view, the bytes of a packed cell.

`material`: id, 0 outside the map; `object`: 0 none, 1 agent, 2 zombie, 3 skeleton, 4 arrow, 5 cow, 6 body, 7 ripe
plant; `facing` of an agent or arrow: 1 up, 2 down, 3 left, 4 right, else 0; `health` of an agent or creature; `agent`:
its index modulo 255, plus 1; `walkable`: 1 if the material is grass, sand or path; `quorum`: agents a resource takes,
at most 255; `asleep`: 1 if the agent there sleeps.
"""
SEEN_AGENT, SEEN_MOB, SEEN_BODY, SEEN_RIPE = 1, 2, 6, 7
VITALS = ("health", "food", "drink", "energy")
SELF = (*VITALS, *r.ITEMS, "facing", "asleep", "daylight")
"""What an agent knows of itself, as bytes: needs 0 to 9, amounts, facing 0 to 3, asleep 0 or 1, daylight 0 to 100."""


@dataclass
class World:
    """Arrays of `n_envs` worlds of the same settings.

    Attributes:
        settings: What fixes them.
        rules: `(RULES_SIZE,)` int32, see `rules`.
        rows: `(n_envs, HEAD + n * (AGENT + 12) + m * MOB)` int32: head, agents, bags, creatures.
        materials: `(n_envs, R, C)` uint8, padded.
        planted: `(n_envs, R, C)` int32: 1 + the step a plant was set or last eaten, 0 where there is none.
        occupancy: `(n_envs, R, C)` int32: agent + 1, -(creature + 1), 0.
        cells: `(n_envs, R, C)` uint64: what a view shows, see `CHANNELS`.
    """

    settings: CrafterSettings
    rules: IntArray
    rows: IntArray
    materials: ByteArray
    planted: IntArray
    occupancy: IntArray
    cells: CellArray

    @property
    def n_agents(self) -> int:
        """Team size."""
        return self.settings.n_agents

    @property
    def n_mobs(self) -> int:
        """Slots for creatures."""
        return int(self.rows.shape[1] - HEAD - self.n_agents * (AGENT + r.N_ITEMS)) // MOB

    @property
    def pad(self) -> int:
        """Cells of `outside` around the map."""
        return self.settings.pad

    def agents(self, env: int = 0) -> IntArray:
        """Return the `(n, AGENT)` view of an environment's agents."""
        return self.rows[env, HEAD : HEAD + self.n_agents * AGENT].reshape(-1, AGENT)

    def bags(self, env: int = 0) -> IntArray:
        """Return the `(n, 12)` view of an environment's bags."""
        start = HEAD + self.n_agents * AGENT
        return self.rows[env, start : start + self.n_agents * r.N_ITEMS].reshape(-1, r.N_ITEMS)

    def mobs(self, env: int = 0) -> IntArray:
        """Return the `(m, MOB)` view of an environment's creatures."""
        return self.rows[env, HEAD + self.n_agents * (AGENT + r.N_ITEMS) :].reshape(-1, MOB)

    def inner(self, grid: NDArray[np.generic], env: int = 0) -> NDArray[np.generic]:
        """Return the part of a padded grid that is the map."""
        rows, cols = self.settings.area
        return grid[env, self.pad : self.pad + rows, self.pad : self.pad + cols]

    def clone(self) -> World:
        """Return a copy with arrays of its own (the rules are shared)."""
        return World(
            self.settings,
            self.rules,
            self.rows.copy(),
            self.materials.copy(),
            self.planted.copy(),
            self.occupancy.copy(),
            self.cells.copy(),
        )


def n_chunks(settings: CrafterSettings) -> tuple[int, int]:
    """Return how many rows and columns of chunks a map has."""
    return math.ceil(settings.area[0] / r.CHUNK), math.ceil(settings.area[1] / r.CHUNK)


def make_world(settings: CrafterSettings, n_envs: int) -> World:
    """Allocate worlds; `place` fills them."""
    n, pad = settings.n_agents, settings.pad
    chunk_rows, chunk_cols = n_chunks(settings)
    size = HEAD + n * (AGENT + r.N_ITEMS) + MOBS_PER_CHUNK * chunk_rows * chunk_cols * MOB
    shape = (n_envs, settings.area[0] + 2 * pad, settings.area[1] + 2 * pad)
    return World(
        settings,
        r.rules_table(settings),
        np.zeros((n_envs, size), np.int32),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.int32),
        np.zeros(shape, np.int32),
        np.zeros(shape, np.uint64),
    )


class Board(NamedTuple):
    """One environment as kernels see it; cells are padded.

    Attributes:
        rules, head, agents, bags, mobs: As in `World`.
        materials, planted, occupancy, cells: Its grids.
        pad: Padding.
    """

    rules: IntArray
    head: IntArray
    agents: IntArray
    bags: IntArray
    mobs: IntArray
    materials: ByteArray
    planted: IntArray
    occupancy: IntArray
    cells: CellArray
    pad: int


@part
def open_board(
    rules: IntArray,
    rows: IntArray,
    materials: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    env: int,
    n: int,
    pad: int,
) -> Board:
    """Return one environment's part of the arrays of a `World`."""
    row = rows[env]
    bags = HEAD + n * AGENT
    mobs = bags + n * r.N_ITEMS
    n_mobs = (len(row) - mobs) // MOB
    return Board(
        rules,
        row[:HEAD],
        row[HEAD:bags].reshape(n, AGENT),
        row[bags:mobs].reshape(n, r.N_ITEMS),
        row[mobs:].reshape(n_mobs, MOB),
        materials[env],
        planted[env],
        occupancy[env],
        cells[env],
        pad,
    )


@part
def seed_of(b: Board) -> np.uint64:
    """Return the seed of chance."""
    return (np.uint64(np.uint32(b.head[SEED_HIGH])) << np.uint64(32)) | np.uint64(np.uint32(b.head[SEED_LOW]))


@part
def is_walkable(material: int) -> bool:
    """Say whether agents, cows and zombies walk on a material."""
    return material in r.WALKABLE


@part
def is_ripe(b: Board, y: int, x: int) -> bool:
    """Say whether there is a plant old enough to eat."""
    return bool(b.materials[y, x] == r.PLANT and b.head[STEP] - b.planted[y, x] + 1 > b.rules[r.RIPENS])


@part
def refresh(b: Board, y: int, x: int) -> None:
    """Bring the packed cell up to date with material, occupant, bodies and plants."""
    material = np.uint64(b.materials[y, x])
    cell = material
    who = b.occupancy[y, x]
    if who > 0:
        i = who - 1
        cell |= np.uint64(SEEN_AGENT) << np.uint64(8)
        cell |= np.uint64(b.agents[i, FACING] + 1) << np.uint64(16)
        cell |= np.uint64(max(b.agents[i, HEALTH], 0)) << np.uint64(24)
        cell |= np.uint64(i % 255 + 1) << np.uint64(32)
        cell |= np.uint64(b.agents[i, ASLEEP]) << np.uint64(56)
    elif who < 0:
        m = -who - 1
        kind = b.mobs[m, KIND] - 1
        cell |= np.uint64(SEEN_MOB + kind) << np.uint64(8)
        if kind == ARROW:
            cell |= np.uint64(b.mobs[m, MOB_FACING] + 1) << np.uint64(16)
        cell |= np.uint64(max(b.mobs[m, MOB_HEALTH], 0)) << np.uint64(24)
    elif body_at(b, y, x) >= 0:
        cell |= np.uint64(SEEN_BODY) << np.uint64(8)
    elif is_ripe(b, y, x):
        cell |= np.uint64(SEEN_RIPE) << np.uint64(8)
    if is_walkable(int(material)):
        cell |= np.uint64(1) << np.uint64(40)
    cell |= np.uint64(min(b.rules[r.QUORUM + b.materials[y, x]], 255)) << np.uint64(48)
    b.cells[y, x] = cell


@part
def body_at(b: Board, y: int, x: int) -> int:
    """Return the body on a cell that can be acted on, -1 for none.

    One that is down goes before one that is gone and has something in its bag, then the smallest index.
    """
    found = -1
    if b.head[N_ALIVE] == len(b.agents):
        return found
    for i in range(len(b.agents)):
        if b.agents[i, STATUS] != ALIVE and b.agents[i, ROW] + b.pad == y and b.agents[i, COL] + b.pad == x:
            if b.agents[i, STATUS] == DOWN:
                return i
            if found < 0 and b.bags[i].any():
                found = i
    return found
