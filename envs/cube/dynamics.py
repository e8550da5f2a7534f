"""CUBE's physics: one simultaneous step on plain arrays (rules 1 to 7 in `docs/cube.md`), and what agents see.

All randomness is in the layout: a step is a function of state and joint action.
"""

from __future__ import annotations

from emcoop.envs.cube.motion import claim_cells, clean, enter_cells, move_groups
from emcoop.envs.cube.pushes import find_conflicts, find_lines, test_and_merge, weigh_groups
from emcoop.envs.cube.report import report_failures, report_races, report_success
from emcoop.envs.cube.scratch import HAS_EVENT, LOG_EVENTS, LOG_HEAD, LOG_USED, ActionArray, Scratch
from emcoop.envs.cube.world import AGENT, HEADER, OPEN, SELF, STEP, Board, CellArray, IntArray, agent_at
from emcoop.envs.kernels import kernel


@kernel
def step_one(b: Board, s: Scratch, actions: ActionArray, report: bool) -> int:
    """Take one joint step in environment `b.env`.

    Args:
        b: The environment; changed in place.
        s: Scratch; holds the events afterwards if `report`.
        actions: `(n_envs, n)` uint8, each 0 to 4.
        report: Whether to collect events.

    Returns:
        Weight delivered in this step.
    """
    s.log[LOG_EVENTS] = 0
    s.log[LOG_USED] = LOG_HEAD
    s.by_agent[HAS_EVENT, :] = 0
    gained, touched = 0, 0
    n_pushes = find_lines(b, s, actions)
    if n_pushes:
        touched = test_and_merge(b, s, n_pushes)
        weigh_groups(b, s, touched)
        find_conflicts(b, s, touched)
        gained = move_groups(b, s, touched)
        if report:
            report_success(b, s, touched)
            report_failures(s, n_pushes)
    contested = claim_cells(b, s, actions, report)
    if contested and report:
        report_races(b, s, actions)
    enter_cells(b, s, actions)
    clean(s, n_pushes, touched)
    b.rows[b.env, STEP] += 1
    return gained


@kernel
def observe_one(b: Board, view: int, out: CellArray) -> None:
    """Copy each agent's window of packed cells into `out[b.env]`, `(n, view, view)` uint64, and mark itself."""
    half = view // 2
    board = b.cells[b.env]
    for i in range(b.n):
        y, x = agent_at(b, i)
        window = out[b.env, i]
        for dy in range(view):
            source = board[y - half + dy, x - half : x - half + view]
            target = window[dy]
            for dx in range(view):
                target[dx] = source[dx]
        window[half, half] = (window[half, half] | SELF) & ~AGENT


@kernel
def observe(
    rows: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    observations: CellArray,
    first: int,
    last: int,
    pad: int,
) -> None:
    """Write what the agents of environments `first` to `last - 1` see, `(n_envs, n, view, view)` uint64."""
    n, view = observations.shape[1], observations.shape[2]
    m = (rows.shape[1] - HEADER - 2 * n) // 4
    for env in range(first, last):
        observe_one(Board(rows, occupancy, cells, env, n, m, pad), view, observations)


@kernel
def step_and_observe(
    rows: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    actions: ActionArray,
    observations: CellArray,
    outcome: IntArray,
    by_agent: IntArray,
    by_push: IntArray,
    claims: IntArray,
    log: IntArray,
    first: int,
    last: int,
    pad: int,
    view: int,
    report: bool,
) -> None:
    """Step environments `first` to `last - 1` and write what their agents see.

    Args:
        rows, occupancy, cells: As in `World`; changed in place.
        actions: `(n_envs, n)` uint8.
        observations: `(n_envs, n, view, view)` uint64 out; not written if `view` is 0.
        outcome: `(n_envs, 4)` int32 out: weight delivered in this step, open blocks, steps, events reported.
        by_agent, by_push, claims, log: Scratch.
        first, last: Range of environments.
        pad: Padding of `occupancy` and `cells`.
        view: Side of the window, odd, or 0 for none.
        report: Whether to collect the events of the last environment stepped.
    """
    n = by_agent.shape[1]
    m = (rows.shape[1] - HEADER - 2 * n) // 4
    scratch = Scratch(by_agent, by_push, claims, log)
    for env in range(first, last):
        board = Board(rows, occupancy, cells, env, n, m, pad)
        outcome[env, 0] = step_one(board, scratch, actions, report)
        outcome[env, 1] = rows[env, OPEN]
        outcome[env, 2] = rows[env, STEP]
        outcome[env, 3] = log[LOG_EVENTS]
        if view:
            observe_one(board, view, observations)
