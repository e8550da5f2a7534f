"""One step of MA-Crafter worlds, and what agents see: the phases in their order.

The rules are told in `docs/ma-crafter.md`; each phase has its own module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import entry, part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.acting import act_on_targets, find_who_acts
from emcoop.envs.ma_crafter.crafting import make_things, move_agents, place_things, share_things
from emcoop.envs.ma_crafter.creatures import daylight, move_creatures
from emcoop.envs.ma_crafter.scratch import LOG_EVENTS, Scratch, begin_log
from emcoop.envs.ma_crafter.survival import fall, live
from emcoop.envs.ma_crafter.world import (
    ALIVE,
    ASLEEP,
    COL,
    DRINK,
    ENERGY,
    FACING,
    FOOD,
    GONE,
    HEALTH,
    N_PLANTS,
    ROW,
    SEEN_RIPE,
    STATUS,
    STEP,
    Board,
    ByteArray,
    CellArray,
    IntArray,
    is_ripe,
    open_board,
    refresh,
)

# What a step reports about an environment.
GAINED, TERMINATED, TRUNCATED, N_EVENTS, LIVING = range(5)
OUTCOME = 5
"""Doubled points, ends (0 or 1), events, and how many agents are not gone."""
DIAMOND_ITEM = r.ITEMS.index("diamond")
RIPE_BITS = np.uint64(SEEN_RIPE) << np.uint64(8)


@part
def step_board(b: Board, s: Scratch, actions: ByteArray, registers: IntArray, outcome: IntArray) -> None:
    """Take one step in one environment.

    Args:
        b: The environment; changed in place.
        s: Scratch.
        actions: `(n,)` uint8, one action per agent.
        registers: `(n, 3)` share registers, see `share_things`.
        outcome: `(5,)` int32 out.
    """
    begin_log(s)
    find_who_acts(b, s, actions)
    outcome[GAINED] = act_on_targets(b, s)
    make_things(b, s)
    place_things(b, s)
    share_things(b, s, registers)
    move_agents(b, s)
    move_creatures(b, s)
    live(b, s)
    fall(b, s)
    b.head[STEP] += 1
    for i in range(len(b.agents)):
        if b.agents[i, STATUS] == ALIVE:
            refresh(b, b.agents[i, ROW] + b.pad, b.agents[i, COL] + b.pad)
    find_ends(b, outcome)
    outcome[N_EVENTS] = s.log[LOG_EVENTS]


@part
def find_ends(b: Board, outcome: IntArray) -> None:
    """Write whether and how the episode is over, and how many agents are not gone."""
    living, holds_diamond = 0, False
    for i in range(len(b.agents)):
        holds_diamond |= b.agents[i, STATUS] == ALIVE and b.bags[i, DIAMOND_ITEM] > 0
        living += b.agents[i, STATUS] != GONE
    over = living == 0 or (b.rules[r.GOAL] == 1 and holds_diamond)
    outcome[TERMINATED] = over
    outcome[TRUNCATED] = not over and b.head[STEP] >= b.rules[r.MAX_STEPS]
    outcome[LIVING] = living


@part
def observe_board(b: Board, views: CellArray, selves: ByteArray) -> None:
    """Write what every agent sees; agents that are not alive see zeros.

    Args:
        b: The environment.
        views: `(n, rows, cols)` uint64 packed cells out, the agent in the middle.
        selves: `(n, 19)` uint8 out, see `SELF`.
    """
    rows, cols = views.shape[1:]
    light = daylight(b, b.head[STEP])
    for i in range(len(b.agents)):
        agent = b.agents[i]
        if agent[STATUS] != ALIVE:
            views[i] = 0
            selves[i] = 0
            continue
        top, left = agent[ROW] + b.pad - rows // 2, agent[COL] + b.pad - cols // 2
        for v in range(rows):
            source, target = b.cells[top + v, left : left + cols], views[i, v]
            for u in range(cols):
                target[u] = source[u]
        if b.head[N_PLANTS] > 0:
            _ripen(b, views[i], top, left)
        selves[i, 0] = agent[HEALTH]
        selves[i, 1] = agent[FOOD]
        selves[i, 2] = agent[DRINK]
        selves[i, 3] = agent[ENERGY]
        for item in range(r.N_ITEMS):
            selves[i, 4 + item] = b.bags[i, item]
        selves[i, 4 + r.N_ITEMS] = agent[FACING]
        selves[i, 5 + r.N_ITEMS] = agent[ASLEEP]
        selves[i, 6 + r.N_ITEMS] = light


@part
def _ripen(b: Board, view: CellArray, top: int, left: int) -> None:
    """Show which plants are ripe: time alone changes that."""
    for v in range(view.shape[0]):
        for u in range(view.shape[1]):
            if b.occupancy[top + v, left + u] == 0 and is_ripe(b, top + v, left + u):
                view[v, u] |= RIPE_BITS


@entry
def step_range(
    rules: IntArray,
    rows: IntArray,
    materials: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    actions: ByteArray,
    registers: IntArray,
    held: NDArray[np.bool_],
    views: CellArray,
    selves: ByteArray,
    outcomes: IntArray,
    by_agent: IntArray,
    claims: IntArray,
    chunks: IntArray,
    log: IntArray,
    first: int,
    last: int,
    pad: int,
) -> None:
    """Step environments `first` to `last - 1` and write what their agents see.

    Args:
        rules, rows, materials, planted, occupancy, cells: As in `World`; changed in place.
        actions: `(n_envs, n)` uint8.
        registers: `(n_envs, n, 3)` int32.
        held: `(n_envs,)`; such an environment is left as it is and only observed.
        views: `(n_envs, n, view rows, view columns)` uint64 out.
        selves: `(n_envs, n, 19)` uint8 out.
        outcomes: `(n_envs, 5)` int32 out.
        by_agent, claims, chunks, log: `Scratch`; its log has the events of the last environment.
        first, last: Which environments.
        pad: Padding.
    """
    s = Scratch(by_agent, claims, chunks, log)
    for env in range(first, last):
        b = open_board(rules, rows, materials, planted, occupancy, cells, env, by_agent.shape[1], pad)
        if held[env]:
            outcomes[env] = 0
            find_ends(b, outcomes[env])
        else:
            step_board(b, s, actions[env], registers[env], outcomes[env])
    # A pass of its own: stepping and observing by turns asks too much of the cache when environments are many.
    for env in range(first, last):
        b = open_board(rules, rows, materials, planted, occupancy, cells, env, by_agent.shape[1], pad)
        observe_board(b, views[env], selves[env])


@entry
def observe(
    rules: IntArray,
    rows: IntArray,
    materials: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    views: CellArray,
    selves: ByteArray,
    first: int,
    last: int,
    pad: int,
) -> None:
    """Write what the agents of environments `first` to `last - 1` see; arguments as in `step_range`."""
    for env in range(first, last):
        b = open_board(rules, rows, materials, planted, occupancy, cells, env, selves.shape[1], pad)
        observe_board(b, views[env], selves[env])


@entry
def refresh_all(
    rules: IntArray,
    rows: IntArray,
    materials: ByteArray,
    planted: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    env: int,
    n: int,
    pad: int,
) -> None:
    """Bring every packed cell of an environment up to date: after `reset`, and after a change of the map by hand."""
    b = open_board(rules, rows, materials, planted, occupancy, cells, env, n, pad)
    for y in range(materials.shape[1]):
        for x in range(materials.shape[2]):
            refresh(b, y, x)
