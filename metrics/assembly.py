"""How agents come together for a task: how far apart they act, how long they hold, how much they are in the way."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from emcoop.metrics.attempts import attempts, spells
from emcoop.metrics.kinds import agents_in, key_actions, kind_of, vocabulary
from emcoop.metrics.quantities import mean, ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.metrics.tracks import tracks
from emcoop.trace import Trace
from emcoop.trace.schema import Step

B10 = "EmCoop, after the quantities of COOP2, arXiv 2603.00349"


@metric("DS", "mean over attempts of the shortest time within which p agents worked", (0.0, math.inf), "lower", B10)
def desynchronisation(trace: Trace) -> float:
    """Steps between the first and the last of the agents a task requires, where they were closest in time.

    Looks in each attempt at who pushed, harvested or made when, whether it helped or not (`kinds.key_actions`), for
    the shortest span in which as many different agents did as the task requires at the attempt's best step; 0 = all
    in one step. Attempts in which fewer agents worked at all, and tasks for one agent, have none. NaN without one, and
    in a world whose events metrics cannot read.
    """
    found = []
    for attempt in attempts(trace):
        required, acts = attempt.best.required, key_actions(trace).get(attempt.task, [])
        if required > 1:
            first = bisect_left(acts, attempt.steps[0].t, key=lambda act: act[0])
            last = bisect_left(acts, attempt.steps[-1].t + 1, key=lambda act: act[0])
            found.append(_shortest_span(acts[first:last], required))
    return mean([span for span in found if span is not None])


@metric("HC", "mean over groups of agent-steps in place before the quorum acts", (0.0, math.inf), "lower", B10)
def holding_cost(trace: Trace) -> float:
    """Agent-steps that a group stood in place at its task before enough of its agents acted on it together.

    A group is an unbroken run of steps with somebody committed to the task in which anyone of them was in place or
    acting. Only agents both committed and in place count, as far as the counts tell them apart: the smaller of agents
    in place and committed agents engaged. A group that never got there held in vain, and all of it counts. NaN
    without a group.
    """
    return mean([group.held for group in _groups(trace)])


@metric("HC_vain", "agent-steps held by groups without a quorum / agent-steps held", (0.0, 1.0), "lower", "EmCoop")
def held_in_vain(trace: Trace) -> float:
    """Share of the agent-steps of `holding_cost` that were spent by groups whose quorum never acted together.

    NaN if nobody held.
    """
    groups = _groups(trace)
    return ratio(sum(group.held for group in groups if not group.met), sum(group.held for group in groups))


@metric("CO", "blocked moves / attempted moves", (0.0, 1.0), "lower", B10)
def congestion(trace: Trace) -> float:
    """Share of attempted moves that something was in the way of.

    An attempted move is an agent-step with a primitive that moves; agents pushing a block together do not count. It is
    blocked if the agent stays on its cell and an event says why (`kinds.Vocabulary.blocked`), or another agent stood
    on the cell ahead when the step began. Where walking into something solid is no event, as in MA-Crafter, it is a
    turn and not blocked. NaN without an attempted move, and in a world whose primitives metrics cannot read.
    """
    moves = _moves(trace)
    return ratio(sum(moves.blocked), moves.attempted)


@metric("CO_max", "max over steps of agents blocked in one step / agents", (0.0, 1.0), "lower", "EmCoop")
def congestion_peak(trace: Trace) -> float:
    """Largest share of the team whose moves were blocked in one and the same step.

    See `congestion`.
    """
    moves = _moves(trace)
    return max(moves.blocked) / trace.episode.n_agents if moves.attempted else math.nan


class _Group(NamedTuple):
    """Agent-steps that a group held before its quorum acted together, and whether it ever did."""

    held: int
    met: bool


@per_trace
def _groups(trace: Trace) -> list[_Group]:
    groups = []
    for run in (run for runs in spells(trace).values() for run in runs):
        met = next((place for place, step in enumerate(run) if step.joint >= step.required), None)
        if any(step.engaged for step in run):
            groups.append(_Group(sum(min(step.in_place, step.engaged) for step in run[:met]), met is not None))
    return groups


class _Moves(NamedTuple):
    """Moves attempted in the whole episode, and moves blocked per step."""

    attempted: int
    blocked: list[int]


@per_trace
def _moves(trace: Trace) -> _Moves:
    words, ways = vocabulary(trace), tracks(trace)
    records = trace.of(Step)
    attempted, blocked = 0, []
    for place in range(1, len(records)) if words.moves else ():
        step, before, moved = records[place], ways.cells[place - 1].tolist(), ways.moves[place - 1].any(axis=1).tolist()
        stopped = {agent for event in step.events if kind_of(event) in words.blocked for agent in agents_in(event)}
        pushing = {agent for event in step.events if kind_of(event) in words.joint for agent in agents_in(event)}
        taken = set(map(tuple, before))
        now_blocked = 0
        for agent, (row, col), has_moved in zip(ways.agents, before, moved):
            ahead = words.moves.get(step.actions[agent]) if agent < len(step.actions) else None
            if ahead is not None and agent not in pushing:
                attempted += 1
                in_the_way = agent in stopped or (row + ahead[0], col + ahead[1]) in taken
                now_blocked += in_the_way and not has_moved
        blocked.append(now_blocked)
    return _Moves(attempted, blocked)


def _shortest_span(acts: list[tuple[int, frozenset[int]]], required: int) -> int | None:
    """Return the shortest time within which so many different agents acted, None if they never did."""
    there: Counter[int] = Counter()
    shortest: int | None = None
    first = 0
    for t, agents in acts:
        there.update(agents)
        while len(there) >= required:
            span = t - acts[first][0]
            shortest = span if shortest is None else min(shortest, span)
            _leave(there, acts[first][1])
            first += 1
    return shortest


def _leave(there: Counter[int], agents: Iterable[int]) -> None:
    for agent in agents:
        there[agent] -= 1
        if not there[agent]:
            del there[agent]
