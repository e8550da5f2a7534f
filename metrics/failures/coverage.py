"""Failure rule A3: work that nobody plans for; and the rows of the constraint records, task by task."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from emcoop.metrics.failures.records import HeldPlan, held_plans, runs
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, merged
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.quantities import steps_taken
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Constraint, Task, World

GONE = ("failed:target_gone", "failed:block_gone", "failed:unknown_target", "failed:no_path")
"""Ends of plans after which their task counts as over: it is gone, or cannot be reached."""


class Row(NamedTuple):
    """One task in one constraint record.

    Attributes:
        t, seq: Steps taken before, and place of the record.
        required: Participants it takes.
        feasible: Whether its prerequisites hold.
        declared: Participants that declared it by a plan or call.
        present: Whether all participants are in place or acting.
        agents: The participants.
    """

    t: int
    seq: int
    required: int
    feasible: bool
    declared: int
    present: bool
    agents: list[int]


@per_trace
def rows(trace: Trace) -> dict[str, list[Row]]:
    """Return per task the steps in which anybody was committed to it."""
    found: dict[str, list[Row]] = {}
    for record in trace.of(Constraint):
        columns = zip(
            record.tasks, record.required, record.dependency, record.committed, record.inferred, record.engaged,
            record.participants,
        )  # fmt: skip
        for task, required, dependency, committed, inferred, engaged, agents in columns:
            place = record.t, record.seq
            row = Row(*place, required, dependency > 0, committed - inferred, engaged >= committed, agents)
            found.setdefault(task, []).append(row)
    return found


def uncovered(trace: Trace, thresholds: Thresholds) -> Finding:
    """A3."""
    things, last = _objects(trace), steps_taken(trace)
    if not things:
        return NOT_APPLICABLE
    free, closed, plans, counts = _free(trace), _closed(trace), _by_object(held_plans(trace)), _counts(trace)
    hits, spells = [], 0
    for thing in things:
        over, known = closed.get(thing, []), counts.get(thing, [])
        for begun, start, end in _gaps(plans.get(thing, ()), last):
            until = min([end, *over[bisect_left(over, begun) :]])
            spells += until > start
            place = bisect_left(known, start, key=lambda row: row.t)
            row = known[place - 1] if place else None
            required = row.required if row else trace.episode.n_agents
            able = (t for t in range(start, until) if free[t] >= required and (row is None or row.feasible))
            lack = next((run for run in runs(able) if run[1] - run[0] + 1 >= thresholds.steps), None)
            if lack is not None:
                evidence = (row.seq,) if row else ()
                hits.append(Hit((), lack[0], lack[1] + 1, evidence, thing, f"{required} agents or more have no task"))
    return Finding(merged(hits), spells)


def _objects(trace: Trace) -> list[str]:
    """Return the objects that were there when the episode began; agents have values too, but are no work."""
    first = next(iter(trace.of(World)), None)
    return [] if first is None else [thing for thing in first.objects if not thing.startswith("agent")]


def _thing(task: str) -> str:
    """Return the object that a task is about: `block3` of `block3/left`."""
    return task.partition("/")[0]


def _counts(trace: Trace) -> dict[str, list[Row]]:
    """Return per object the rows of its tasks in order."""
    found: dict[str, list[Row]] = {}
    for task, theirs in rows(trace).items():
        found[_thing(task)] = sorted([*found.get(_thing(task), ()), *theirs])
    return found


def _by_object(plans: Sequence[HeldPlan]) -> dict[str, list[HeldPlan]]:
    found: dict[str, list[HeldPlan]] = {}
    for plan in plans:
        found.setdefault(_thing(plan.task), []).append(plan)
    return found


def _gaps(plans: Sequence[HeldPlan], last: int) -> list[tuple[int, int, int]]:
    """Return the spells without a plan: when the spell with one before began, and when it and the gap ended."""
    found: list[tuple[int, int, int]] = []
    begun = covered = 0
    for plan in sorted(plans, key=lambda plan: plan.start):
        if plan.start > covered or not found:
            found.append((begun, covered, plan.start))
            begun = plan.start
        covered = max(covered, plan.end)
    return [*found, (begun, covered, last)]


def _free(trace: Trace) -> list[int]:
    """Return per step how many agents had no plan for a task when it was taken."""
    change = [0] * (steps_taken(trace) + 1)
    for plan in held_plans(trace):
        if plan.task and plan.end > plan.start:
            change[plan.start] -= 1
            change[plan.end] += 1
    return [trace.episode.n_agents + busy for busy in accumulate(change)]


def _closed(trace: Trace) -> dict[str, list[int]]:
    """Return per object the steps at which there was nothing left to do, until somebody plans for it again."""
    found: dict[str, list[int]] = {}
    for record in trace.of(Task):
        found.setdefault(_thing(record.task), []).append(record.t)
    for plan in held_plans(trace):
        if plan.reason in GONE:
            found.setdefault(_thing(plan.task), []).append(plan.end)
    return {thing: sorted(times) for thing, times in found.items()}
