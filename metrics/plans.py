"""How long plans live, and how much agents plan the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from emcoop.metrics.quantities import agent_steps, mean, ratio, steps_taken
from emcoop.metrics.registry import metric, per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Constraint, Plan

COOP2 = "EmCoop / COOP2, arXiv 2603.00349"
DIVERSITY = "EmCoop, after the diversity measures of arXiv 2602.03794"
WINDOW = 10
"""Environment steps of a window of `plan_overlap`."""
CUT_OFF = ("", "episode_end")
"""Reasons of plans that nobody ended."""


@dataclass
class Life:
    """One plan from its commitment to its end.

    Attributes:
        agent: Whose plan.
        task: The task it serves, empty if none.
        start, end: Environment steps taken at its commitment and at its end, or so far.
        reason: Why it ended, as in the `plan` record; empty if it never did.
    """

    agent: int
    task: str
    start: int
    end: int
    reason: str = ""


@per_trace
def lives(trace: Trace) -> list[Life]:
    """Return the life of every plan committed, in order; an agent has one plan at a time."""
    last = steps_taken(trace)
    found: list[Life] = []
    current: dict[int, tuple[int, Life]] = {}
    for record in trace.of(Plan):
        t = min(max(record.t, 0), last)
        if record.event == "commit":
            if record.agent in current:
                _close(current.pop(record.agent)[1], t, "")
            life = Life(record.agent, record.task, t, last)
            found.append(life)
            current[record.agent] = record.id, life
        elif current.get(record.agent, (None,))[0] == record.id:
            _close(current.pop(record.agent)[1], t, record.reason)
    return found


def _close(life: Life, t: int, reason: str) -> None:
    life.end, life.reason = max(t, life.start), reason


@metric("PL_100", "100 * plans committed / agent-steps", (0.0, math.inf), "neither", "EmCoop")
def plans_per_100(trace: Trace) -> float:
    """Plans committed per 100 agent-steps.

    NaN without a step.
    """
    return ratio(100 * len(lives(trace)), agent_steps(trace))


@metric("PL_done", "plans completed / plans committed", (0.0, 1.0), "higher", COOP2)
def plan_survival(trace: Trace) -> float:
    """Share of committed plans that were carried out to their end.

    Unlike in `plan_stability`, a plan that the end of the episode cut off did not survive. NaN without a plan.
    """
    plans = lives(trace)
    return ratio(sum(life.reason == "done" for life in plans), len(plans))


@metric("PL_sup", "plans superseded / plans ended", (0.0, 1.0), "lower", COOP2)
def plan_replacement_rate(trace: Trace) -> float:
    """Share of ended plans that their agent gave up for another one.

    A plan that the end of the episode cut off does not count. NaN if no plan ended.
    """
    return mean([float(life.reason == "superseded") for life in _ended(trace)])


@metric("PL_fail", "plans failed / plans ended", (0.0, 1.0), "lower", COOP2)
def plan_failure_rate(trace: Trace) -> float:
    """Share of ended plans of which a call failed.

    A plan that the end of the episode cut off does not count. NaN if no plan ended.
    """
    return mean([float(life.reason.startswith("failed")) for life in _ended(trace)])


@metric("L_mean", "mean over ended plans of t(end) - t(commit)", (0.0, math.inf), "neither", COOP2)
def plan_lifetime_mean(trace: Trace) -> float:
    """Environment steps from the commitment of a plan to its end, on average.

    A plan that the end of the episode cut off does not count. NaN if no plan ended.
    """
    return mean([life.end - life.start for life in _ended(trace)])


@metric("L_med", "median over ended plans of t(end) - t(commit)", (0.0, math.inf), "neither", COOP2)
def plan_lifetime_median(trace: Trace) -> float:
    """Environment steps from the commitment of a plan to its end, in the middle of all plans.

    A plan that the end of the episode cut off does not count. NaN if no plan ended.
    """
    return float(median([life.end - life.start for life in _ended(trace)])) if _ended(trace) else math.nan


@metric("J_plan", "mean over windows of mean over pairs of |A & B| / |A | B|", (0.0, 1.0), "neither", DIVERSITY)
def plan_overlap(trace: Trace) -> float:
    """How much the tasks that two agents plan in the same 10 environment steps are the same ones.

    A and B are the sets of tasks of the plans two agents had in force in a window; the windows follow each other from
    step 0. Only pairs of agents that both planned a task count, and windows with such a pair; NaN if there is none.
    Where tasks need several agents, some overlap is due: `duplicated_target_share` says how much was too much.
    """
    overlaps = [_overlap(planned) for planned in _planned(trace)]
    return mean([overlap for overlap in overlaps if overlap == overlap])


@metric("T_dup", "sum of max(0, declared - p) / sum of declared", (0.0, 1.0), "lower", "EmCoop")
def duplicated_target_share(trace: Trace) -> float:
    """Share of declared commitments to a task that had enough agents without them.

    Added up over all tasks and steps; commitments inferred from a primitive are left out. NaN without any.
    """
    surplus = declared = 0
    for record in trace.of(Constraint):
        for required, committed, inferred in zip(record.required, record.committed, record.inferred, strict=True):
            by_plan = max(0, committed - inferred)
            declared += by_plan
            surplus += max(0, by_plan - required)
    return ratio(surplus, declared)


def _ended(trace: Trace) -> list[Life]:
    return [life for life in lives(trace) if life.reason not in CUT_OFF]


def _planned(trace: Trace) -> Iterator[Iterable[set[str]]]:
    """Yield for each window the tasks planned in it, agent by agent."""
    windows: dict[int, dict[int, set[str]]] = {}
    for life in lives(trace):
        if life.task:
            for window in range(life.start // WINDOW, max(life.start, life.end - 1) // WINDOW + 1):
                windows.setdefault(window, {}).setdefault(life.agent, set()).add(life.task)
    yield from (planned.values() for planned in windows.values())


def _overlap(planned: Iterable[set[str]]) -> float:
    """Return the mean Jaccard index over all pairs of sets, NaN of fewer than two; equal sets are counted together."""
    groups = Counter(map(frozenset, planned))
    n = groups.total()
    shared = [count * (count - 1) / 2 for count in groups.values()]
    for (one, many), (other, more) in combinations(groups.items(), 2):
        if not one.isdisjoint(other):
            shared.append(many * more * len(one & other) / len(one | other))
    return ratio(math.fsum(shared), n * (n - 1) / 2)
