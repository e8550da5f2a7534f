"""Rules 1 to 4 of a CUBE step: which lines push what, and which groups of blocks will move."""

from __future__ import annotations

import numpy as np

from emcoop.envs.cube.scratch import (
    AGENT_AHEAD,
    ALONE_OK,
    ALONE_SHORT,
    CODES,
    CONTESTED,
    DCOL,
    DROW,
    FIRST_GROUP,
    FORCE,
    GROUP,
    GROUP_FORCE,
    GROUP_WEIGHT,
    IN_CLOSURE,
    LINE,
    MEMBER_OF,
    NEXT_IN_LINE,
    NO_PUSH,
    OWN_FORCE,
    OWN_WEIGHT,
    PUSH_OF,
    QUEUE,
    STATUS,
    TOUCHED,
    WALL_AHEAD,
    ActionArray,
    Scratch,
)
from emcoop.envs.cube.world import OFF_BOARD, Board, IntArray, agent_at, block_at, weight_of
from emcoop.envs.kernels import kernel


@kernel
def edge(b: Board, block: int, side: int) -> tuple[int, int, int, int, int]:
    """Return `(y, x, dy, dx, w)`: the first cell just outside `side` of a block, the way along it, its length."""
    y, x = block_at(b, block)
    w = weight_of(b, block)
    if side == 0:
        return y - 1, x, 0, 1, w
    if side == 1:
        return y + w, x, 0, 1, w
    if side == 2:
        return y, x - 1, 1, 0, w
    return y, x + w, 1, 0, w


@kernel
def find_lines(b: Board, s: Scratch, actions: ActionArray) -> int:
    """Rule 1: give every agent of a line its push, sum the forces; return the number of pushes."""
    count = 0
    s.by_agent[PUSH_OF, :] = NO_PUSH
    for i in range(b.n):
        side = np.int64(actions[b.env, i]) - 1
        if side < 0:
            continue
        y, x = agent_at(b, i)
        ahead = b.occupancy[b.env, y + DROW[side], x + DCOL[side]]
        if ahead >= 0:
            continue
        code = 4 * (-ahead - 1) + side
        if s.by_push[FORCE, code] == 0:
            s.by_push[CODES, count] = code
            count += 1
        member = i + 1
        while 0 < member < OFF_BOARD and actions[b.env, member - 1] == side + 1:
            s.by_agent[PUSH_OF, member - 1] = code
            s.by_agent[NEXT_IN_LINE, member - 1] = s.by_push[LINE, code]
            s.by_push[LINE, code] = member
            s.by_push[FORCE, code] += 1
            y -= DROW[side]
            x -= DCOL[side]
            member = b.occupancy[b.env, y, x]
    return count


@kernel
def closure(b: Board, by_push: IntArray, code: int) -> int:
    """Rule 2: collect in row `QUEUE` the blocks that must move if this push succeeds; return their number.

    Row `IN_CLOSURE` marks them until `forget_closure`.
    """
    block, side = code // 4, code % 4
    by_push[QUEUE, 0] = block
    by_push[IN_CLOSURE, block] = 1
    count, done = 1, 0
    while done < count:
        y, x, dy, dx, w = edge(b, by_push[QUEUE, done], side)
        done += 1
        for k in range(w):
            other = -b.occupancy[b.env, y + k * dy, x + k * dx] - 1
            if other >= 0 and by_push[IN_CLOSURE, other] == 0:
                by_push[IN_CLOSURE, other] = 1
                by_push[QUEUE, count] = other
                count += 1
    return count


@kernel
def forget_closure(by_push: IntArray, count: int) -> None:
    """Clear the marks `closure` left."""
    for k in range(count):
        by_push[IN_CLOSURE, by_push[QUEUE, k]] = 0


@kernel
def obstruction(b: Board, s: Scratch, side: int, count: int) -> int:
    """Rule 2: say what stands in the way of the closure in `QUEUE`: the edge, else an agent, else `ALONE_OK`."""
    verdict = ALONE_OK
    for q in range(count):
        y, x, dy, dx, w = edge(b, s.by_push[QUEUE, q], side)
        for k in range(w):
            who = b.occupancy[b.env, y + k * dy, x + k * dx]
            if who == OFF_BOARD:
                return WALL_AHEAD
            if who > 0:
                push = s.by_agent[PUSH_OF, who - 1]
                if push < 0 or push % 4 != side or s.by_push[IN_CLOSURE, push // 4] == 0:
                    verdict = AGENT_AHEAD
    return verdict


@kernel
def root_of(s: Scratch, code: int) -> int:
    while s.by_push[GROUP, code] != code:
        code = s.by_push[GROUP, code]
    return code


@kernel
def group_of(s: Scratch, move: int) -> int:
    """Return the merged group (code of its root push) that includes a touched move."""
    return root_of(s, s.by_push[MEMBER_OF, move] - 1)


@kernel
def test_and_merge(b: Board, s: Scratch, n_pushes: int) -> int:
    """Rule 3: test each push alone and merge survivors that share a block; return the number of touched moves.

    A touched move is the push code of any block that some surviving closure would move.
    """
    touched = 0
    for k in range(n_pushes):
        code = s.by_push[CODES, k]
        side = code % 4
        count = closure(b, s.by_push, code)
        force, weight = 0, 0
        for q in range(count):
            force += s.by_push[FORCE, 4 * s.by_push[QUEUE, q] + side]
            weight += weight_of(b, s.by_push[QUEUE, q])
        status = obstruction(b, s, side, count)
        if status == ALONE_OK and force < weight:
            status = ALONE_SHORT
        s.by_push[OWN_FORCE, code] = force
        s.by_push[OWN_WEIGHT, code] = weight
        s.by_push[STATUS, code] = status
        s.by_push[GROUP, code] = code
        for q in range(count if status == ALONE_OK else 0):
            move = 4 * s.by_push[QUEUE, q] + side
            if s.by_push[MEMBER_OF, move] == 0:
                s.by_push[MEMBER_OF, move] = code + 1
                s.by_push[TOUCHED, touched] = move
                touched += 1
            else:
                s.by_push[GROUP, group_of(s, move)] = root_of(s, code)
        forget_closure(s.by_push, count)
    return touched


@kernel
def weigh_groups(b: Board, s: Scratch, touched: int) -> None:
    """Rule 3: sum force and weight of each merged group, every line and block once."""
    for k in range(touched):
        group = group_of(s, s.by_push[TOUCHED, k])
        s.by_push[GROUP_FORCE, group] = 0
        s.by_push[GROUP_WEIGHT, group] = 0
        s.by_push[CONTESTED, group] = 0
    for k in range(touched):
        move = s.by_push[TOUCHED, k]
        group = group_of(s, move)
        s.by_push[GROUP_FORCE, group] += s.by_push[FORCE, move]
        s.by_push[GROUP_WEIGHT, group] += weight_of(b, move // 4)


@kernel
def is_strong(s: Scratch, group: int) -> bool:
    return bool(s.by_push[GROUP_FORCE, group] >= s.by_push[GROUP_WEIGHT, group])


@kernel
def _contest(s: Scratch, one: int, other: int) -> None:
    s.by_push[CONTESTED, one] = 1
    s.by_push[CONTESTED, other] = 1


@kernel
def find_conflicts(b: Board, s: Scratch, touched: int) -> None:
    """Rule 4: mark groups that would move the same block or enter the same cell; all pairs, decided once.

    It is enough to compare the cells just ahead of each block: any other common destination cell holds a block
    now, which then is in both groups.
    """
    for k in range(touched):
        move = s.by_push[TOUCHED, k]
        group = group_of(s, move)
        if not is_strong(s, group):
            continue
        first = s.by_push[FIRST_GROUP, move // 4]
        if first == 0:
            s.by_push[FIRST_GROUP, move // 4] = group + 1
        elif first != group + 1:
            _contest(s, group, first - 1)
        y, x, dy, dx, w = edge(b, move // 4, move % 4)
        for q in range(w):
            claim = s.claims[y + q * dy, x + q * dx]
            if claim == 0:
                s.claims[y + q * dy, x + q * dx] = group + 1
            elif claim != group + 1:
                _contest(s, group, claim - 1)
    for k in range(touched):
        move = s.by_push[TOUCHED, k]
        s.by_push[FIRST_GROUP, move // 4] = 0
        y, x, dy, dx, w = edge(b, move // 4, move % 4)
        for q in range(w):
            s.claims[y + q * dy, x + q * dx] = 0


@kernel
def moves(s: Scratch, move: int) -> bool:
    """Say whether this block moves this way in this step."""
    if s.by_push[MEMBER_OF, move] == 0:
        return False
    group = group_of(s, move)
    return is_strong(s, group) and s.by_push[CONTESTED, group] == 0
