"""CUBE's cooperative structure: a task is one face of one block, to be pushed.

Constraints are counted on (state before, joint action), all four types on the same agents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.cube.motion import clean
from emcoop.envs.cube.pushes import closure, edge, find_lines, forget_closure, obstruction
from emcoop.envs.cube.scratch import (
    ALONE_OK,
    DCOL,
    DROW,
    IN_CLOSURE,
    PUSH_OF,
    QUEUE,
    ActionArray,
    Scratch,
)
from emcoop.envs.cube.world import OFF_BOARD, Board, CellArray, IntArray, World, weight_of
from emcoop.envs.embodiment import NO_TASK, TaskCount
from emcoop.envs.kernels import kernel

FACES = ("bottom", "top", "right", "left")
"""The face agents stand at to push up, down, left, right: the face opposite to the motion."""

NO_CODE = -1
MOST_DIGITS = 9
REQUIRED, COMMITTED, IN_PLACE, ACTING, DEPENDENCY, JOINT, ENGAGED, INFERRED = range(8)


def task_id(block: int, side: int) -> str:
    """Return the name of the task "push `block` towards `side`": `block3/left` is pushed to the right."""
    return f"block{block}/{FACES[side]}"


def task_code(task: str, n_blocks: int) -> int:
    """Return the push code of a task name, `NO_CODE` if it names no task of this board."""
    block, _, face = task.partition("/")
    number = index_in(block, "block")
    return 4 * number + FACES.index(face) if face in FACES and 0 <= number < n_blocks else NO_CODE


def index_in(name: str, kind: str) -> int:
    """Return the number in a name such as `block3`, -1 if there is none: plans and messages may name anything."""
    digits = name.removeprefix(kind)
    is_number = digits != name and digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
    return int(digits) if is_number else -1


@kernel
def mark_in_place(b: Board, by_push: IntArray, count: int, side: int, here: NDArray[np.bool_]) -> None:
    """Mark the agents in an unbroken straight row behind a face cell of the closure in `QUEUE`."""
    here[:] = False
    for q in range(count):
        y, x, dy, dx, w = edge(b, by_push[QUEUE, q], side ^ 1)
        for k in range(w):
            v, u = y + k * dy, x + k * dx
            who = b.occupancy[b.env, v, u]
            while 0 < who < OFF_BOARD:
                here[who - 1] = True
                v -= DROW[side]
                u -= DCOL[side]
                who = b.occupancy[b.env, v, u]


@kernel
def count_task(
    b: Board, s: Scratch, actions: ActionArray, declared: IntArray, code: int, here: NDArray[np.bool_], out: IntArray
) -> None:
    """Count the constraints of one task into `out`, `(8,)`.

    An agent is committed to the task if it has declared it, or any block of its closure pushed the same way (their
    forces add up), or has declared nothing and pushes one of them.

    Args:
        b, s, actions: As in `step_one`; the lines have been found.
        declared: `(n,)` push codes, `NO_CODE` for none.
        code: The task.
        here: `(n,)` out, who is in place; on return who is committed.
        out: Counts, see the constants of this module.
    """
    side = code % 4
    count = closure(b, s.by_push, code)
    mark_in_place(b, s.by_push, count, side, here)
    out[:] = 0
    for q in range(count):
        out[REQUIRED] += weight_of(b, s.by_push[QUEUE, q])
    out[DEPENDENCY] = 1 if obstruction(b, s, side, count) == ALONE_OK else 0
    for i in range(b.n):
        intent = declared[i] if declared[i] != NO_CODE else s.by_agent[PUSH_OF, i]
        committed = intent >= 0 and intent % 4 == side and s.by_push[IN_CLOSURE, intent // 4] == 1
        acts = actions[b.env, i] == side + 1
        out[IN_PLACE] += here[i]
        out[ACTING] += here[i] and acts
        out[COMMITTED] += committed
        out[INFERRED] += committed and declared[i] == NO_CODE
        out[ENGAGED] += committed and (here[i] or acts)
        out[JOINT] += committed and here[i] and acts and out[DEPENDENCY] == 1
        here[i] = committed
    forget_closure(s.by_push, count)


@kernel
def count_tasks(
    rows: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    actions: ActionArray,
    by_agent: IntArray,
    by_push: IntArray,
    claims: IntArray,
    log: IntArray,
    pad: int,
    declared: IntArray,
    codes: IntArray,
    counts: IntArray,
    members: NDArray[np.bool_],
) -> int:
    """Count the constraints of every task somebody is committed to, in the order of task codes.

    Args:
        rows, occupancy, cells, actions: One environment, as in `step_and_observe`; nothing is changed.
        by_agent, by_push, claims, log: Scratch.
        pad: Padding.
        declared: `(n,)` declared push codes or `NO_CODE`.
        codes: `(4 m,)` out, the tasks.
        counts: `(4 m, 8)` out.
        members: `(4 m, n)` out, who is committed.

    Returns:
        The number of tasks.
    """
    n = by_agent.shape[1]
    m = (rows.shape[1] - 2 - 2 * n) // 4
    b = Board(rows, occupancy, cells, 0, n, m, pad)
    s = Scratch(by_agent, by_push, claims, log)
    n_pushes = find_lines(b, s, actions)
    wanted = np.zeros(4 * m, np.bool_)
    for i in range(n):
        intent = declared[i] if declared[i] != NO_CODE else by_agent[PUSH_OF, i]
        if intent >= 0:
            wanted[intent] = True
    count = 0
    for code in range(4 * m):
        if wanted[code]:
            codes[count] = code
            count_task(b, s, actions, declared, code, members[count], counts[count])
            count += 1
    clean(s, n_pushes, 0)
    return count


class TaskCounter:
    """Evaluates the constraints of one CUBE world; keeps its buffers."""

    def __init__(self, world: World, scratch: Scratch) -> None:
        n, m = world.n_agents, world.n_blocks
        self._world = world
        self._scratch = scratch
        self._declared = np.full(n, NO_CODE, np.int32)
        self._codes = np.zeros(4 * m, np.int32)
        self._counts = np.zeros((4 * m, 8), np.int32)
        self._members = np.zeros((4 * m, n), np.bool_)

    def count(self, actions: Sequence[int], committed: Sequence[str]) -> list[TaskCount]:
        """Return the constraint counts of the state as it is and a joint action; see `Embodiment.count`."""
        world, delivered = self._world, self._world.delivered[0].tolist()
        codes: dict[str, int] = {NO_TASK: NO_CODE}
        for i, task in enumerate(committed):
            code = codes.get(task)
            if code is None:
                code = task_code(task, world.n_blocks)
                codes[task] = code = NO_CODE if code < 0 or delivered[code // 4] else code
            self._declared[i] = code
        joint = np.array([actions], np.uint8)
        found = count_tasks(
            world.rows, world.occupancy, world.cells, joint, *self._scratch, world.pad,
            self._declared, self._codes, self._counts, self._members,
        )  # fmt: skip
        return [
            TaskCount(
                task_id(code // 4, code % 4), c[REQUIRED], c[COMMITTED], c[IN_PLACE], c[ACTING], c[DEPENDENCY],
                c[JOINT], c[ENGAGED], c[INFERRED], np.flatnonzero(self._members[k]).tolist(),
            )
            for k, (code, c) in enumerate(zip(self._codes[:found].tolist(), self._counts[:found].tolist()))
        ]  # fmt: skip
