"""Rule 7 of a CUBE step: write down what happened, as rows of integers."""

from __future__ import annotations

import numpy as np

from emcoop.envs.cube.pushes import group_of, is_strong, moves, root_of
from emcoop.envs.cube.scratch import (
    ALONE_OK,
    BLOCKED,
    CODES,
    CONTEST,
    DCOL,
    DELIVERED,
    DETAIL,
    DROW,
    EVENT_HEADER,
    GROUP_FORCE,
    GROUP_WEIGHT,
    HAS_EVENT,
    HAVE,
    INSUFFICIENT,
    KIND,
    LINE,
    LOG_EVENTS,
    LOG_USED,
    MOVED,
    N_AGENTS,
    N_BLOCKS,
    NEED,
    NEXT_IN_LINE,
    NUMBER,
    OWN_FORCE,
    OWN_WEIGHT,
    PUSH_OF,
    PUSHED,
    RACE,
    STATUS,
    TOUCHED,
    WALL_AHEAD,
    ActionArray,
    Scratch,
)
from emcoop.envs.cube.world import OFF_BOARD, Board, agent_at, at_goal, weight_of
from emcoop.envs.kernels import kernel


@kernel
def add_event(s: Scratch, kind: int, number: int, have: int, need: int, detail: int) -> int:
    """Append an event that lists nobody yet; return where it starts in the log."""
    start = int(s.log[LOG_USED])
    s.log[LOG_EVENTS] += 1
    s.log[LOG_USED] += EVENT_HEADER
    s.log[start + KIND] = kind
    s.log[start + N_AGENTS] = 0
    s.log[start + N_BLOCKS] = 0
    s.log[start + NUMBER] = number
    s.log[start + HAVE] = have
    s.log[start + NEED] = need
    s.log[start + DETAIL] = detail
    return start


@kernel
def list_member(s: Scratch, event: int, field: int, who: int) -> None:
    """Add an agent or (after all agents) a block to `event`, which must be the last one."""
    s.log[s.log[LOG_USED]] = who
    s.log[LOG_USED] += 1
    s.log[event + field] += 1
    if field == N_AGENTS:
        s.by_agent[HAS_EVENT, who] = 1


@kernel
def _list_line(s: Scratch, row: int, code: int) -> None:
    i = s.by_push[LINE, code] - 1
    while i >= 0:
        list_member(s, row, N_AGENTS, i)
        i = s.by_agent[NEXT_IN_LINE, i] - 1


@kernel
def _list_group(s: Scratch, row: int, group: int, touched: int) -> None:
    for k in range(touched):
        if group_of(s, s.by_push[TOUCHED, k]) == group:
            _list_line(s, row, s.by_push[TOUCHED, k])


@kernel
def report_success(b: Board, s: Scratch, touched: int) -> None:
    """Rule 7: one event per group that moved and one per delivered block."""
    for k in range(touched):
        group = s.by_push[TOUCHED, k]
        if moves(s, group) and group_of(s, group) == group:
            force, weight = s.by_push[GROUP_FORCE, group], s.by_push[GROUP_WEIGHT, group]
            row = add_event(s, PUSHED, group % 4, force, weight, 0)
            _list_group(s, row, group, touched)
            for q in range(touched):
                if group_of(s, s.by_push[TOUCHED, q]) == group:
                    list_member(s, row, N_BLOCKS, s.by_push[TOUCHED, q] // 4)
    for k in range(touched):
        move = s.by_push[TOUCHED, k]
        if moves(s, move) and at_goal(b, move // 4):
            row = add_event(s, DELIVERED, move % 4, 0, weight_of(b, move // 4), 0)
            _list_group(s, row, group_of(s, move), touched)
            list_member(s, row, N_BLOCKS, move // 4)


@kernel
def report_failures(s: Scratch, n_pushes: int) -> None:
    """Rule 7: one event per pushed block and direction that did not move that way."""
    for k in range(n_pushes):
        code = s.by_push[CODES, k]
        if moves(s, code):
            continue
        status = s.by_push[STATUS, code]
        have, need = s.by_push[OWN_FORCE, code], s.by_push[OWN_WEIGHT, code]
        kind = BLOCKED if status >= WALL_AHEAD else INSUFFICIENT
        if status == ALONE_OK:
            group = root_of(s, code)
            have, need = s.by_push[GROUP_FORCE, group], s.by_push[GROUP_WEIGHT, group]
            kind = CONTEST if is_strong(s, group) else INSUFFICIENT
        row = add_event(s, kind, code % 4, have, need, status)
        _list_line(s, row, code)
        list_member(s, row, N_BLOCKS, code // 4)


@kernel
def report_races(b: Board, s: Scratch, actions: ActionArray) -> None:
    """Rule 6: one event per cell with several claimants, found around the cell; the smallest index wins."""
    for i in range(b.n):
        side = np.int64(actions[b.env, i]) - 1
        if side < 0 or s.by_agent[PUSH_OF, i] == MOVED:
            continue
        y, x = agent_at(b, i)
        y += DROW[side]
        x += DCOL[side]
        if s.claims[y, x] != -(i + 1):
            continue
        row = add_event(s, RACE, i, 0, 0, 0)
        for way in range(4):
            who = b.occupancy[b.env, y - DROW[way], x - DCOL[way]]
            if 0 < who < OFF_BOARD and actions[b.env, who - 1] == way + 1 and s.by_agent[PUSH_OF, who - 1] != MOVED:
                list_member(s, row, N_AGENTS, who - 1)
