"""Targeted attempts and what they lacked: the opportunities and hits of the constraint failures E1 to E5."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from emcoop.metrics.attempts import Attempt, TaskStep, attempts, spells
from emcoop.metrics.failures.moments import Span, constraints, spans
from emcoop.metrics.quantities import steps_taken
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace

DEPENDENCY, QUORUM, CAPABILITY, SPATIAL, TEMPORAL = "E1", "E2", "E3", "E4", "E5"
"""Rules that a failed attempt can fall under, in the order in which the first unmet one is its primary label."""


class Trial(NamedTuple):
    """A targeted attempt: agents committed to a task, and somebody in place for it.

    Attributes:
        attempt: The attempt.
        end: Last time before everybody let go of the task: nobody was committed, and all plans for it had ended that
            were in force. A plan may go through preparations in between.
        is_open: Whether that is where the log ends.
        lacks: What it lacked all the time, in order; empty if it succeeded, if there was a success before everybody
            let go of the task, or if it had everything and still failed.
    """

    attempt: Attempt
    end: int
    is_open: bool
    lacks: tuple[str, ...]


@per_trace
def trials(trace: Trace) -> list[Trial]:
    """Return the targeted attempts, task by task.

    Walking in the direction of a push makes an attempt too; one in which nobody ever got in place is left out.
    """
    ends = {(task, step.t): run[-1].t for task, every in spells(trace).items() for run in every for step in run}
    plans: dict[str, list[Span]] = defaultdict(list)
    for span in spans(trace):
        plans[span.task].append(span)
    last = steps_taken(trace) - 1
    found = []
    for attempt in attempts(trace):
        if any(step.in_place for step in attempt.steps):
            begin, now = attempt.steps[0].t, attempt.steps[-1].t
            going_on = [span for span in plans[attempt.task] if span.start <= now]
            until = [last if span.end is None else span.end - 1 for span in going_on]
            end = max(ends[attempt.task, now], *(t for t in until if t >= now), now)
            has_success = attempt.success or any(begin <= t <= end for t in _successes(trace).get(attempt.task, ()))
            found.append(Trial(attempt, end, end >= last, () if has_success else missing(attempt.steps)))
    return found


@per_trace
def _successes(trace: Trace) -> dict[str, list[int]]:
    """Return when each task had its effect."""
    runs = spells(trace).items()
    return {task: [step.t for run in every for step in run if step.success] for task, every in runs}


def missing(steps: Sequence[TaskStep]) -> tuple[str, ...]:
    """Return what an attempt lacked in all of its steps, as ids of rules, in order.

    Each of the last four presupposes that what comes before it among them was there. The counts of a step may be of
    different agents; what they say of the same agents is the joint count, and the smaller of counts as a bound.
    """
    lacks = []
    if any(step.acting and not step.dependency for step in steps) and not any(step.joint for step in steps):
        lacks.append(DEPENDENCY)
    if not any(step.committed >= step.required for step in steps):
        lacks.append(CAPABILITY if any(step.engaged >= step.required for step in steps) else QUORUM)
    elif not any(_placed(step) >= step.required for step in steps):
        lacks.append(SPATIAL)
    elif not any(_at_once(step) >= step.required for step in steps):
        lacks.append(TEMPORAL)
    return tuple(lacks)


def _placed(step: TaskStep) -> int:
    """Return how many agents can at most have been committed and in place."""
    return min(step.committed, step.in_place, step.engaged)


def _at_once(step: TaskStep) -> int:
    """Return how many agents were committed, in place and acting; without the prerequisites, at most."""
    return step.joint if step.dependency else min(_placed(step), step.acting)


def participants(trace: Trace, attempt: Attempt) -> tuple[int, ...]:
    """Return the agents that were committed in any step of an attempt; if none was capable, those that planned it."""
    found: set[int] = set()
    for step in attempt.steps:
        record = constraints(trace).get(step.t)
        if record is not None and attempt.task in record.tasks:
            found.update(record.participants[record.tasks.index(attempt.task)])
    if not found:
        first, last = attempt.steps[0].t, attempt.steps[-1].t
        mine = [span for span in spans(trace) if span.task == attempt.task and span.start <= last]
        found.update(span.agent for span in mine if span.end is None or span.end > first)
    return tuple(sorted(found))


def evidence(trace: Trace, attempt: Attempt) -> tuple[int, ...]:
    """Return the records of an attempt's first step, the one that came closest, and its last."""
    found = (constraints(trace).get(step.t) for step in (attempt.steps[0], attempt.best, attempt.steps[-1]))
    return tuple(dict.fromkeys(record.seq for record in found if record is not None))
