"""MA-Crafter's cooperative structure: a task is one resource cell to harvest, or one tool to make.

Constraints are counted on (state before, joint action), all four types on the same agents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.embodiment import NO_TASK, TaskCount
from emcoop.envs.kernels import entry, part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.crafting import FURNACE_BIT, holds, station_bits
from emcoop.envs.ma_crafter.knowledge import Knowledge
from emcoop.envs.ma_crafter.targets import T_RESOURCE, do_target, has_tool
from emcoop.envs.ma_crafter.view import cell_of, task_name
from emcoop.envs.ma_crafter.world import (
    ALIVE,
    ASLEEP,
    COL,
    ENERGY,
    ROW,
    STATUS,
    Board,
    ByteArray,
    CellArray,
    IntArray,
    World,
    open_board,
)

NO_CODE = -1
REQUIRED, COMMITTED, IN_PLACE, ACTING, DEPENDENCY, JOINT, ENGAGED, INFERRED = range(8)
N_TOOLS = len(r.TOOLS)


@part
def _infer(b: Board, actions: IntArray, discovered: NDArray[np.bool_], intents: IntArray) -> None:
    """Write the task each living agent's primitive is part of.

    Args:
        b: The board.
        actions: `(n,)` primitives.
        discovered: As in `Knowledge`.
        intents: `(n,)` out: task codes, `NO_CODE` for none.
    """
    cells = b.materials.size
    for i in range(len(b.agents)):
        intents[i] = NO_CODE
        agent, action = b.agents[i], actions[i]
        sleeps = agent[ASLEEP] == 1 and agent[ENERGY] < b.rules[r.MOST]
        if agent[STATUS] != ALIVE or sleeps:
            continue
        if action == r.DO:
            kind, y, x = do_target(b, i)
            if kind == T_RESOURCE and discovered[y, x]:
                intents[i] = y * b.materials.shape[1] + x
        elif r.MAKE_WOOD_PICKAXE <= action < r.MAKE_WOOD_PICKAXE + N_TOOLS:
            intents[i] = cells + action - r.MAKE_WOOD_PICKAXE


@part
def _best_station(b: Board, tool: int, intents: IntArray, code: int, crowd: IntArray) -> tuple[int, int]:
    """Return the padded station around which the makers of a tool are, `(-1, -1)` if there is none.

    The one with the most makers, then the most agents, near it; the first in row-major order of equals.

    Args:
        b: The board.
        tool: Index in `rules.TOOLS`.
        intents: What agents do, as task codes.
        code: The task's code.
        crowd: `(R, C)` int32 zeros; zeros again on return.
    """
    bits = b.rules[r.MAKE_NEAR + tool]
    main = r.FURNACE if bits & FURNACE_BIT else r.TABLE
    weight = len(b.agents) + 1
    best, best_y, best_x = -1, -1, -1
    for clears in (False, True):
        for i in range(len(b.agents)):
            if b.agents[i, STATUS] != ALIVE or station_bits(b, i) & bits != bits:
                continue
            row, col = b.agents[i, ROW] + b.pad, b.agents[i, COL] + b.pad
            for y in range(row - 1, row + 2):
                for x in range(col - 1, col + 2):
                    if clears:
                        crowd[y, x] = 0
                    elif b.materials[y, x] == main:
                        crowd[y, x] += weight if intents[i] == code else 1
                        more = crowd[y, x] > best or (crowd[y, x] == best and (y, x) < (best_y, best_x))
                        if more:
                            best, best_y, best_x = crowd[y, x], y, x
    return best_y, best_x


@part
def _is_there(b: Board, i: int, y: int, x: int, reach: int, bits: int) -> bool:
    """Say whether a living agent stands where a task needs it: near a station if `bits` says so, else within reach."""
    rows, cols = abs(b.agents[i, ROW] + b.pad - y), abs(b.agents[i, COL] + b.pad - x)
    if b.agents[i, STATUS] != ALIVE or y < 0:
        return False
    if bits:
        return bool(max(rows, cols) <= 1 and station_bits(b, i) & bits == bits)
    return bool(rows + cols <= reach)


@part
def _count(
    b: Board,
    declared: IntArray,
    intents: IntArray,
    code: int,
    crowd: IntArray,
    members: NDArray[np.bool_],
    out: IntArray,
) -> None:
    """Count the constraints of one task.

    Args:
        b: The board.
        declared: `(n,)` task codes, `NO_CODE` for none.
        intents: `(n,)` what agents do, as task codes.
        code: The task.
        crowd: As in `_best_station`.
        members: `(n,)` out: who is committed and capable.
        out: `(8,)` out, see the constants of this module.
    """
    tool, material, bits, reach = code - b.materials.size, 0, 0, 0
    if tool >= 0:
        bits = b.rules[r.MAKE_NEAR + tool]
        y, x = _best_station(b, tool, intents, code, crowd)
        out[REQUIRED] = b.rules[r.CRAFT_QUORUM + tool]
    else:
        y, x = code // b.materials.shape[1], code % b.materials.shape[1]
        material = b.materials[y, x]
        reach = b.rules[r.RADIUS + material]
        out[REQUIRED] = b.rules[r.QUORUM + material]
    capable, leader = 0, False
    out[COMMITTED:] = 0
    for i in range(len(b.agents)):
        wants = declared[i] == code or (declared[i] == NO_CODE and intents[i] == code)
        there, acts = _is_there(b, i, y, x, reach, bits), intents[i] == code
        able = b.agents[i, STATUS] == ALIVE and (tool >= 0 or has_tool(b, i, material))
        capable += able
        leader |= tool >= 0 and able and (there or wants) and holds(b, i, r.MAKE_USES + tool * r.N_ITEMS)
        members[i] = wants and able
        out[COMMITTED] += members[i]
        out[INFERRED] += members[i] and declared[i] == NO_CODE
        out[IN_PLACE] += there
        out[ACTING] += there and acts
        out[ENGAGED] += wants and (there or acts)
        out[JOINT] += members[i] and there and acts
    out[DEPENDENCY] = (leader and y >= 0) if tool >= 0 else capable >= out[REQUIRED]
    if not out[DEPENDENCY]:
        out[JOINT] = 0


@entry
def count_tasks(
    rules: IntArray,
    rows: IntArray,
    materials: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    n: int,
    pad: int,
    discovered: NDArray[np.bool_],
    actions: IntArray,
    declared: IntArray,
    crowd: IntArray,
    intents: IntArray,
    codes: IntArray,
    counts: IntArray,
    members: NDArray[np.bool_],
) -> int:
    """Count the constraints of every task somebody is committed to, in the order of task codes.

    Args:
        rules, rows, materials, planted, occupancy, cells: As in `World`; nothing is changed.
        n, pad: Team size and padding.
        discovered: As in `Knowledge`.
        actions: `(n,)` primitives.
        declared: `(n,)` declared task codes or `NO_CODE`.
        crowd: `(R, C)` int32 zeros, scratch.
        intents: `(n,)` int32, scratch.
        codes: `(n,)` out, the tasks.
        counts: `(n, 8)` out.
        members: `(n, n)` out, who is committed and capable.

    Returns:
        The number of tasks.
    """
    b = open_board(rules, rows, materials, planted, occupancy, cells, 0, n, pad)
    _infer(b, actions, discovered, intents)
    count, code = 0, _next_code(declared, intents, NO_CODE)
    while code != NO_CODE:
        codes[count] = code
        _count(b, declared, intents, code, crowd, members[count], counts[count])
        count, code = count + 1, _next_code(declared, intents, code)
    return count


@part
def _next_code(declared: IntArray, intents: IntArray, last: int) -> int:
    """Return the smallest task code above the last that an agent has declared, or is at without declaring any."""
    best = NO_CODE
    for i in range(len(declared)):
        code = declared[i] if declared[i] != NO_CODE else intents[i]
        if code > last and (best == NO_CODE or code < best):
            best = code
    return best


class TaskCounter:
    """Evaluates the constraints of one MA-Crafter world; keeps its buffers.

    Tasks are `iron@12,30`, a resource cell somebody has discovered, and `make_iron_pickaxe`, any tool. An agent is
    committed to a task if it has declared it, or has declared nothing and its primitive works on it; it counts as a
    participant if it also holds the tool. Engaged is who is committed, with or without the tool, and in place or
    acting: an attempt of a team without tools is an attempt whose dependency failed.

    Args:
        world: The world.
        knowledge: Says what has been discovered.
    """

    def __init__(self, world: World, knowledge: Knowledge) -> None:
        n = world.n_agents
        self._world = world
        self._discovered = knowledge.discovered
        self._crowd = np.zeros(world.materials.shape[1:], np.int32)
        self._intents = np.zeros(n, np.int32)
        self._codes = np.zeros(n, np.int32)
        self._counts = np.zeros((n, 8), np.int32)
        self._members = np.zeros((n, n), np.bool_)

    def count(self, actions: Sequence[int], committed: Sequence[str]) -> list[TaskCount]:
        """Return the constraint counts of the state as it is and a joint action; see `Embodiment.count`."""
        w = self._world
        known: dict[str, int] = {NO_TASK: NO_CODE}
        for task in committed:
            if task not in known:
                known[task] = self._code(task)
        declared = np.array([known[task] for task in committed], np.int32)
        found = count_tasks(
            w.rules, w.rows, w.materials, w.planted, w.occupancy, w.cells, w.n_agents, w.pad, self._discovered,
            np.array(actions, np.int32), declared, self._crowd, self._intents, self._codes, self._counts, self._members,
        )  # fmt: skip
        participants: list[list[int]] = [[] for _ in range(found)]
        for k, agent in np.argwhere(self._members[:found]).tolist():
            participants[k].append(agent)
        return [
            TaskCount(
                self._name(code), c[REQUIRED], c[COMMITTED], c[IN_PLACE], c[ACTING], c[DEPENDENCY], c[JOINT],
                c[ENGAGED], c[INFERRED], members,
            )
            for code, c, members in zip(self._codes[:found].tolist(), self._counts[:found].tolist(), participants)
        ]  # fmt: skip

    def _code(self, task: str) -> int:
        """Return the code of a task, `NO_CODE` if there is none of this name now."""
        grid, pad = self._world.materials[0], self._world.pad
        tool = task.removeprefix("make_")
        if task != tool and tool in r.TOOLS:
            return int(grid.size) + r.TOOLS.index(tool)
        named = cell_of(task)
        if named is None or task != task_name(named[0], *named[1]):
            return NO_CODE
        (row, col), (rows, cols) = named[1], self._world.settings.area
        if row >= rows or col >= cols or not self._discovered[row + pad, col + pad]:
            return NO_CODE
        if r.MATERIALS[grid[row + pad, col + pad]] != named[0]:
            return NO_CODE
        return (row + pad) * int(grid.shape[1]) + col + pad

    def _name(self, code: int) -> str:
        grid, pad = self._world.materials[0], self._world.pad
        if code >= grid.size:
            return f"make_{r.TOOLS[code - grid.size]}"
        y, x = divmod(code, grid.shape[1])
        return task_name(r.MATERIALS[grid[y, x]], y - pad, x - pad)
