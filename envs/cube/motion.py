"""Rules 5 and 6 of a CUBE step: groups advance, deliveries leave, everybody else moves on its own."""

from __future__ import annotations

import numpy as np

from emcoop.envs.cube.pushes import edge, moves
from emcoop.envs.cube.report import add_event, list_member
from emcoop.envs.cube.scratch import (
    CODES,
    COLLISION,
    DCOL,
    DROW,
    FORCE,
    INTO_AGENT,
    INTO_BLOCK,
    INTO_WALL,
    LINE,
    MEMBER_OF,
    MOVED,
    N_AGENTS,
    NEXT_IN_LINE,
    NO_PUSH,
    PUSH_OF,
    TOUCHED,
    ActionArray,
    Scratch,
)
from emcoop.envs.cube.world import (
    CORNER,
    HEADER,
    OFF_BOARD,
    OPEN,
    Board,
    agent_at,
    at_goal,
    block_at,
    set_agent,
    set_block,
    set_free,
    weight_of,
)
from emcoop.envs.kernels import kernel


@kernel
def _lift(b: Board, s: Scratch, move: int) -> None:
    """Rule 5, first half: empty the cells that a moving block and its agents leave."""
    block, side = move // 4, move % 4
    y, x = block_at(b, block)
    b.cells[b.env, y, x] &= ~CORNER
    y, x, dy, dx, w = edge(b, block, side ^ 1)
    for k in range(w):
        set_free(b, y + k * dy + DROW[side], x + k * dx + DCOL[side])
    i = s.by_push[LINE, move] - 1
    while i >= 0:
        y, x = agent_at(b, i)
        set_free(b, y, x)
        i = s.by_agent[NEXT_IN_LINE, i] - 1


@kernel
def _shift_agent(b: Board, i: int, side: int) -> None:
    b.rows[b.env, HEADER + 2 * i] += DROW[side]
    b.rows[b.env, HEADER + 2 * i + 1] += DCOL[side]
    set_agent(b, i)


@kernel
def _set_down(b: Board, s: Scratch, move: int) -> None:
    """Rule 5, second half: a moving block and its agents arrive."""
    block, side = move // 4, move % 4
    y, x, dy, dx, w = edge(b, block, side)
    for k in range(w):
        set_block(b, block, y + k * dy, x + k * dx)
    first = HEADER + 2 * b.n + 2 * block
    b.rows[b.env, first] += DROW[side]
    b.rows[b.env, first + 1] += DCOL[side]
    y, x = block_at(b, block)
    b.cells[b.env, y, x] |= CORNER
    i = s.by_push[LINE, move] - 1
    while i >= 0:
        _shift_agent(b, i, side)
        s.by_agent[PUSH_OF, i] = MOVED
        i = s.by_agent[NEXT_IN_LINE, i] - 1


@kernel
def _deliver(b: Board, block: int) -> int:
    """Take a block that reached the goal off the board; return its weight."""
    top, left = block_at(b, block)
    w = weight_of(b, block)
    for y in range(top, top + w):
        for x in range(left, left + w):
            set_free(b, y, x)
    b.rows[b.env, HEADER + 2 * b.n + 3 * b.m + block] = 1
    b.rows[b.env, OPEN] -= 1
    return w


@kernel
def move_groups(b: Board, s: Scratch, touched: int) -> int:
    """Rule 5: all moving groups advance one cell; return the delivered weight."""
    gained = 0
    for k in range(touched):
        if moves(s, s.by_push[TOUCHED, k]):
            _lift(b, s, s.by_push[TOUCHED, k])
    for k in range(touched):
        if moves(s, s.by_push[TOUCHED, k]):
            _set_down(b, s, s.by_push[TOUCHED, k])
    for k in range(touched):
        move = s.by_push[TOUCHED, k]
        if moves(s, move) and at_goal(b, move // 4):
            gained += _deliver(b, move // 4)
    return gained


@kernel
def claim_cells(b: Board, s: Scratch, actions: ActionArray, report: bool) -> bool:
    """Rule 6: agents not moved by a line claim the empty cell ahead; say whether any cell has two claimants.

    A claim is the smallest claimant's index + 1, negative once there is another.
    """
    contested = False
    for i in range(b.n):
        side = np.int64(actions[b.env, i]) - 1
        if side < 0 or s.by_agent[PUSH_OF, i] == MOVED:
            continue
        y, x = agent_at(b, i)
        y += DROW[side]
        x += DCOL[side]
        who = b.occupancy[b.env, y, x]
        if who == 0:
            claim = s.claims[y, x]
            contested |= claim != 0
            s.claims[y, x] = i + 1 if claim == 0 else -abs(claim)
        elif report and s.by_agent[PUSH_OF, i] == NO_PUSH:
            into = INTO_WALL if who == OFF_BOARD else (INTO_AGENT if who > 0 else INTO_BLOCK)
            list_member(s, add_event(s, COLLISION, 0, 0, 0, into), N_AGENTS, i)
    return contested


@kernel
def enter_cells(b: Board, s: Scratch, actions: ActionArray) -> None:
    """Rule 6: winners move, claims are cleared. A vacated cell has no claim, so nobody follows or swaps."""
    for i in range(b.n):
        side = np.int64(actions[b.env, i]) - 1
        if side < 0 or s.by_agent[PUSH_OF, i] == MOVED:
            continue
        y, x = agent_at(b, i)
        if abs(s.claims[y + DROW[side], x + DCOL[side]]) == i + 1:
            s.claims[y + DROW[side], x + DCOL[side]] = 0
            set_free(b, y, x)
            _shift_agent(b, i, int(side))


@kernel
def clean(s: Scratch, n_pushes: int, touched: int) -> None:
    for k in range(n_pushes):
        s.by_push[FORCE, s.by_push[CODES, k]] = 0
        s.by_push[LINE, s.by_push[CODES, k]] = 0
    for k in range(touched):
        s.by_push[MEMBER_OF, s.by_push[TOUCHED, k]] = 0
