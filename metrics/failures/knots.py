"""Who waits for whom, and which waits cannot end: what the rule of deadlocks goes by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from emcoop.metrics.failures.moments import FALLS, IDLE, RISES, Moment, Wait, constraints, moments, waits
from emcoop.metrics.kinds import agents_in, kind_of
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace


class Stand(NamedTuple):
    """A step in which somebody waits at a point.

    Attributes:
        moment: The step.
        seq: The record that says who waits.
        knot: All agents whose waits cannot end, if this wait is one of theirs, else nobody.
    """

    moment: Moment
    seq: int
    knot: frozenset[int]


@per_trace
def waiting_runs(trace: Trace) -> list[list[Stand]]:
    """Return for each unbroken time in which somebody waits at a point its steps, with the knot they are part of."""
    everyone = frozenset(range(trace.episode.n_agents))
    runs: dict[str, list[list[Stand]]] = defaultdict(list)
    down: set[int] = set()
    for moment, held in zip(moments(trace), waits(trace), strict=True):
        held = (*held, *_quorum_waits(trace, moment, held))
        free = everyone.difference(down, *(wait.agents for wait in held))
        left = unending(held, free)
        knot = frozenset[int]().union(*(wait.agents for wait in left))
        for wait in held:
            same = runs[wait.point]
            if not same or same[-1][-1].moment.t != moment.t - 1:
                same.append([])
            same[-1].append(Stand(moment, wait.seq, knot if wait in left else frozenset()))
        for event in moment.happenings:
            if kind_of(event) == FALLS:
                down.update(agents_in(event))
            elif kind_of(event) == RISES and isinstance(event.get("revived"), int):
                down.discard(event["revived"])
    return [run for _, same in sorted(runs.items()) for run in same]


def _quorum_waits(trace: Trace, moment: Moment, held: Sequence[Wait]) -> list[Wait]:
    """Return the waits that no meeting point shows: agents that stand idle at a task with too few in place."""
    record = constraints(trace).get(moment.t - 1)
    if record is None:
        return []
    meeting = frozenset[int]().union(*(wait.agents for wait in held))
    found = []
    for task, required, there, who in zip(
        record.tasks, record.required, record.in_place, record.participants, strict=True
    ):
        idle = [i for i in who if 0 <= i < len(moment.actions) and moment.actions[i] == IDLE]
        idle = [i for i in idle if i not in meeting and i not in moment.thinking]
        if there < required and idle:
            found.append(Wait(f"quorum:{task}", frozenset(idle), required, record.seq))
    return found


def unending(held: Sequence[Wait], free: frozenset[int]) -> list[Wait]:
    """Return the waits that cannot end whatever the free agents do: the reduction of waits for k of m.

    A wait ends if enough agents are free to make up what it lacks; those who waited are free then too. What is left
    when no wait can end any more is a deadlock. Looking for cycles alone would report waits that others can end.

    Args:
        held: Who waits where, and how many each wait needs.
        free: Agents that do not wait.
    """
    left, able = list(held), set(free)
    while True:
        ending = [wait for wait in left if len(able - wait.agents) >= wait.need - len(wait.agents)]
        if not ending:
            return left
        left = [wait for wait in left if wait not in ending]
        able.update(*(wait.agents for wait in ending))


def stuck_parts(run: Sequence[Stand]) -> Iterator[list[Stand]]:
    """Yield the longest parts of a wait that are deadlocked all the time, without progress, with a common core."""
    part: list[Stand] = []
    core: frozenset[int] = frozenset()
    for one in run:
        if part and (one.moment.best != part[-1].moment.best or not core & one.knot):
            yield part
            part = []
        if one.knot:
            core = core & one.knot if part else one.knot
            part.append(one)
    if part:
        yield part
