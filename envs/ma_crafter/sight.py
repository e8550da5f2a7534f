"""What MA-Crafter agents take in when they look: the kernel behind `Knowledge`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import entry, part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.world import (
    ALIVE,
    COL,
    COW,
    DOWN,
    KIND,
    MOB_COL,
    MOB_ROW,
    ROW,
    STATUS,
    STEP,
    Board,
    ByteArray,
    CellArray,
    IntArray,
    open_board,
)

UNKNOWN = 0
"""In a memory: never seen. Around the map the same byte is `rules.OUTSIDE`; where the map ends everybody knows."""

SEEN_ROW, SEEN_COL, SEEN_STEP, SEEN_TIER, SEEN_KIT, SEEN_STATUS = range(6)
"""What is known of another agent: its cell, the step it was seen (-1: never), its best pickaxe (0 none, 1 wood, 2
stone, 3 iron), which ingredients of an iron pickaxe it holds (bits, see `KIT_ITEMS`), and its `world.STATUS`."""
SEEN = 6
TOP, LEFT, BOTTOM, RIGHT = range(4)
"""A box of padded cells, its end excluded."""
STILL = 3
"""Steps an agent has to stand still before others walk around it rather than wait for it."""
STANDS = 32
"""Steps for which an agent that stood still, and is out of view by now, is thought to stand there."""
LOG = 64
"""Discoveries kept per agent."""

INTERESTING = tuple(
    r.MATERIALS[material] in ("coal", "iron", "diamond", "table", "furnace") for material in range(r.N_MATERIALS)
)
"""Materials whose discovery or change is news."""
KIT_ITEMS = tuple(r.ITEMS.index(name) for name in ("wood", "coal", "iron"))
"""Ingredients of an iron pickaxe, in the order of the bits of `SEEN_KIT`."""
WHOLE_KIT = (1 << len(KIT_ITEMS)) - 1
KIT = r.MAKE_USES + r.TOOLS.index("iron_pickaxe") * r.N_ITEMS
WOOD_PICKAXE = r.ITEMS.index("wood_pickaxe")


class Memories(NamedTuple):
    """What all agents remember, by agent.

    Attributes:
        known: `(n, R, C)` uint8, padded: material or `UNKNOWN`.
        boxes: `(n, 4)` int32: the box around all that an agent knows.
        changes: `(n,)` int32: how often its map has changed.
        others: `(n, n, 6)` int32: what it knows of other agents.
        cows: `(n, 3)` int32: row and column of the cow it saw last, and the step (-1: none).
        log: `(n, LOG, 2)` int32: cell (padded row * C + column) and step of the latest discoveries, a ring.
        logged: `(n,)` int64: discoveries made.
        truth: `(n, 6)` int32: what is true of every agent now.
        still: `(n,)` int32: steps it has stood still.
        stood: `(n, n)` int32: how long another had stood still when it was seen last.
        discovered: `(R, C)` bool, padded: seen by anybody.
    """

    known: ByteArray
    boxes: IntArray
    changes: IntArray
    others: IntArray
    cows: IntArray
    log: IntArray
    logged: NDArray[np.int64]
    truth: IntArray
    still: IntArray
    stood: IntArray
    discovered: NDArray[np.bool_]


def make_memories(n: int, shape: tuple[int, int]) -> Memories:
    """Allocate the memories of a team that has seen nothing; pages nobody writes to cost no memory."""
    others = np.zeros((n, n, SEEN), np.int32)
    others[:, :, SEEN_STEP] = -1
    truth, boxes, cows = np.full((n, SEEN), -1, np.int32), np.zeros((n, 4), np.int32), np.full((n, 3), -1, np.int32)
    boxes[:, :BOTTOM] = np.iinfo(np.int32).max
    return Memories(
        np.zeros((n, *shape), np.uint8), boxes, np.zeros(n, np.int32), others, cows, np.zeros((n, LOG, 2), np.int32),
        np.zeros(n, np.int64), truth, np.zeros(n, np.int32), np.zeros((n, n), np.int32),
        np.zeros(shape, np.bool_),
    )  # fmt: skip


@part
def kit_of(b: Board, i: int) -> int:
    """Return which ingredients of an iron pickaxe an agent holds enough of, as bits in the order of `KIT_ITEMS`."""
    bits = 0
    for k in range(len(KIT_ITEMS)):
        if b.bags[i, KIT_ITEMS[k]] >= b.rules[KIT + KIT_ITEMS[k]]:
            bits |= 1 << k
    return bits


@entry
def standing_cells(
    seen: IntArray, stood: IntArray, me: int, step: int, box: tuple[int, int, int, int], out: IntArray
) -> int:
    """Write the cells of the other agents that stand still, or did when they were seen not long ago.

    Args:
        seen: `(n, 6)`, see `SEEN_ROW` and the following.
        stood: `(n,)`: how long each had stood still when it was seen.
        me: Who asks.
        step: Current step.
        box: What is in view: who was seen there and is not there any more stands elsewhere.
        out: `(n, 2)` out.

    Returns:
        How many there are.
    """
    count = 0
    for j in range(len(seen)):
        row, col, when = seen[j, SEEN_ROW], seen[j, SEEN_COL], seen[j, SEEN_STEP]
        if j == me or stood[j] < STILL or when < step - STANDS or seen[j, SEEN_STATUS] != ALIVE:
            continue
        in_view = box[TOP] <= row < box[BOTTOM] and box[LEFT] <= col < box[RIGHT]
        if when == step or not in_view:
            out[count, 0], out[count, 1] = row, col
            count += 1
    return count


@entry
def creatures_near(mobs: IntArray, kind: int, row: int, col: int, half_rows: int, half_cols: int, out: IntArray) -> int:
    """Write distance, row and column of the creatures of a kind around a cell; return how many there are.

    Args:
        mobs: As in `World`.
        kind: Kind of creature, see `world.MOBS`.
        row, col: The cell.
        half_rows, half_cols: How many rows and columns away they may be.
        out: `(m, 3)` out.
    """
    count = 0
    for k in range(len(mobs)):
        rows, cols = abs(mobs[k, MOB_ROW] - row), abs(mobs[k, MOB_COL] - col)
        if mobs[k, KIND] == kind + 1 and rows <= half_rows and cols <= half_cols:
            out[count, 0], out[count, 1], out[count, 2] = rows + cols, mobs[k, MOB_ROW], mobs[k, MOB_COL]
            count += 1
    return count


@entry
def learn_cell(
    m: Memories,
    agents: IntArray,
    them: IntArray,
    half_rows: int,
    half_cols: int,
    y: int,
    x: int,
    pad: int,
    material: int,
    step: int,
) -> None:
    """Let some agents take in what they were told a cell is made of, unless they see it or saw it change since.

    Args:
        m: What the agents remember.
        agents: As in `World`.
        them: Who was told.
        half_rows, half_cols: How far a view reaches.
        y, x: The cell, padded.
        pad: Padding.
        material: What it is made of.
        step: When that was observed.
    """
    for i in them:
        in_rows = abs(agents[i, ROW] + pad - y) <= half_rows
        if m.known[i, y, x] == material or (in_rows and abs(agents[i, COL] + pad - x) <= half_cols):
            continue
        is_newer = True
        for k in range(min(m.logged[i], LOG)):
            if m.log[i, k, 0] == y * m.known.shape[2] + x and m.log[i, k, 1] >= step:
                is_newer = False
        if is_newer:
            m.known[i, y, x] = material
            m.changes[i] += 1
            box = m.boxes[i]
            box[TOP], box[LEFT] = min(box[TOP], y), min(box[LEFT], x)
            box[BOTTOM], box[RIGHT] = max(box[BOTTOM], y + 1), max(box[RIGHT], x + 1)


@entry
def learn_place(
    m: Memories,
    agents: IntArray,
    them: IntArray,
    half_rows: int,
    half_cols: int,
    other: int,
    row: int,
    col: int,
    tier: int,
    kit: int,
    step: int,
) -> None:
    """Let some agents take in where they were told another one is, unless they see that cell or have seen it since.

    Args:
        m, agents, them, half_rows, half_cols: As in `learn_cell`.
        other: The other agent.
        row, col: Its cell.
        tier, kit: What it holds, see `SEEN_TIER`; -1 if they were not told.
        step: When that was observed.
    """
    for i in them:
        in_view = abs(agents[i, ROW] - row) <= half_rows and abs(agents[i, COL] - col) <= half_cols
        known = m.others[i, other]
        if i == other or in_view or known[SEEN_STEP] >= step:
            continue
        known[SEEN_ROW], known[SEEN_COL], known[SEEN_STEP], known[SEEN_STATUS] = row, col, step, ALIVE
        if tier >= 0:
            known[SEEN_TIER], known[SEEN_KIT] = tier, kit
        m.stood[i, other] = 0


@part
def _note_truth(b: Board, truth: IntArray, still: IntArray) -> int:
    """Write what is true of every agent; return how many are down."""
    fallen = 0
    for i in range(len(b.agents)):
        agent, row = b.agents[i], truth[i]
        stays = row[SEEN_ROW] == agent[ROW] and row[SEEN_COL] == agent[COL]
        still[i] = still[i] + 1 if stays else 0
        tier = 0
        for k in range(3):
            if b.bags[i, WOOD_PICKAXE + k] > 0:
                tier = k + 1
        row[SEEN_ROW], row[SEEN_COL], row[SEEN_STEP] = agent[ROW], agent[COL], b.head[STEP]
        row[SEEN_TIER], row[SEEN_KIT], row[SEEN_STATUS] = tier, kit_of(b, i), agent[STATUS]
        fallen += agent[STATUS] == DOWN
    return fallen


@part
def _notice(b: Board, m: Memories, i: int, y: int, x: int) -> None:
    """Write a cell's material, which is news to the agent, into its memory."""
    material, before = b.materials[y, x], m.known[i, y, x]
    m.known[i, y, x] = material
    m.changes[i] += 1
    if INTERESTING[material] or INTERESTING[before]:
        at = m.logged[i] % LOG
        m.log[i, at, 0] = y * b.materials.shape[1] + x
        m.log[i, at, 1] = b.head[STEP]
        m.logged[i] += 1


@part
def _note(m: Memories, i: int, j: int) -> None:
    """Write what is true of another agent into an agent's memory."""
    for field in range(SEEN):
        m.others[i, j, field] = m.truth[j, field]


@part
def _look_from(b: Board, m: Memories, i: int, half_rows: int, half_cols: int) -> None:
    """Let one agent look around."""
    rows, cols, pad = b.materials.shape[0], b.materials.shape[1], b.pad
    row, col = b.agents[i, ROW] + pad, b.agents[i, COL] + pad
    top, bottom = max(row - half_rows, pad), min(row + half_rows + 1, rows - pad)
    left, right = max(col - half_cols, pad), min(col + half_cols + 1, cols - pad)
    box = m.boxes[i]
    box[TOP], box[LEFT] = min(box[TOP], top), min(box[LEFT], left)
    box[BOTTOM], box[RIGHT] = max(box[BOTTOM], bottom), max(box[RIGHT], right)
    cow_row, cow_col = m.cows[i, 0] + pad, m.cows[i, 1] + pad
    if top <= cow_row < bottom and left <= cow_col < right:
        m.cows[i, 2] = -1
    nearest = rows + cols
    for y in range(top, bottom):
        for x in range(left, right):
            m.discovered[y, x] = True
            if m.known[i, y, x] != b.materials[y, x]:
                _notice(b, m, i, y, x)
            who = b.occupancy[y, x]
            if who > 0 and who - 1 != i:
                _note(m, i, who - 1)
                m.stood[i, who - 1] = m.still[who - 1]
            elif who < 0 and b.mobs[-who - 1, KIND] - 1 == COW and abs(y - row) + abs(x - col) < nearest:
                nearest = abs(y - row) + abs(x - col)
                m.cows[i, 0], m.cows[i, 1], m.cows[i, 2] = y - pad, x - pad, b.head[STEP]


@part
def _see_fallen(b: Board, m: Memories, half_rows: int, half_cols: int) -> None:
    """Let everybody see those in view that are down; they do not occupy their cells."""
    for j in range(len(b.agents)):
        if b.agents[j, STATUS] != DOWN:
            continue
        for i in range(len(b.agents)):
            in_rows = abs(b.agents[i, ROW] - b.agents[j, ROW]) <= half_rows
            if b.agents[i, STATUS] == ALIVE and in_rows and abs(b.agents[i, COL] - b.agents[j, COL]) <= half_cols:
                _note(m, i, j)


@entry
def look(
    rules: IntArray,
    rows: IntArray,
    materials: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    n: int,
    pad: int,
    half_rows: int,
    half_cols: int,
    m: Memories,
) -> None:
    """Let every living agent of the first environment look around.

    Args:
        rules, rows, materials, planted, occupancy, cells: As in `World`; nothing is changed.
        n, pad: Team size and padding.
        half_rows, half_cols: How far a view reaches.
        m: What the agents remember, brought up to date.
    """
    b = open_board(rules, rows, materials, planted, occupancy, cells, 0, n, pad)
    fallen = _note_truth(b, m.truth, m.still)
    for i in range(n):
        if b.agents[i, STATUS] == ALIVE:
            _look_from(b, m, i, half_rows, half_cols)
    if fallen:
        _see_fallen(b, m, half_rows, half_cols)
