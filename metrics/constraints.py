"""What a task needs from its agents, and which of it was missing.

A step of a task is judged on four counts against the number of participants it requires, `p`: committed agents
(participation), agents in place (spatial), agents acting in place (temporal), and whether the prerequisites hold
(dependency); the joint count asks for all of it on the same agents. See `attempts` for what an attempt is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from emcoop.metrics.attempts import TaskStep, attempts, spells
from emcoop.metrics.quantities import agent_steps, mean, ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Constraint

COOP2 = "EmCoop / COOP2, arXiv 2603.00349"
OURS = "EmCoop"


@metric("PT", "mean over attempts of mean over attempt-steps of min(committed/p, 1)", (0.0, 1.0), "higher", COOP2)
def participation_satisfaction(trace: Trace) -> float:
    """How far attempts had enough agents committed to the task.

    NaN without an attempt.
    """
    return _over_attempts(trace, lambda step: _filled(step.committed, step))


@metric("SP", "mean over attempts of mean over attempt-steps of min(in_place/p, 1)", (0.0, 1.0), "higher", COOP2)
def spatial_satisfaction(trace: Trace) -> float:
    """How far attempts had enough agents where the task needs them.

    NaN without an attempt.
    """
    return _over_attempts(trace, lambda step: _filled(step.in_place, step))


@metric("TM", "mean over attempts of mean over attempt-steps of min(acting/p, 1)", (0.0, 1.0), "higher", COOP2)
def temporal_satisfaction(trace: Trace) -> float:
    """How far attempts had enough agents in place act in the same step.

    NaN without an attempt.
    """
    return _over_attempts(trace, lambda step: _filled(step.acting, step))


@metric("DP", "mean over attempts of mean over attempt-steps of dependency", (0.0, 1.0), "higher", COOP2)
def dependency_satisfaction(trace: Trace) -> float:
    """Share of attempt-steps in which the task's prerequisites held, averaged over attempts.

    NaN without an attempt.
    """
    return _over_attempts(trace, lambda step: float(step.dependency > 0))


@metric("J", "mean over attempts of mean over attempt-steps of min(joint/p, 1)", (0.0, 1.0), "higher", OURS)
def joint_satisfaction(trace: Trace) -> float:
    """How far attempts had enough agents that were committed, in place and acting all at once.

    0 in steps in which the prerequisites did not hold. NaN without an attempt.
    """
    return _over_attempts(trace, lambda step: _filled(step.joint, step))


@metric("N_att", "number of attempts", (0.0, math.inf), "neither", OURS)
def attempts_total(trace: Trace) -> float:
    """Attempts on tasks: runs of steps in which committed agents worked on one.

    Begins when a committed agent is in place or acting; ends when nobody is committed any more, at the fifth step in
    a row without such an agent, or with the trace. Successes do not end it.
    """
    return float(len(attempts(trace)))


@metric("F_att", "attempts without a success / attempts", (0.0, 1.0), "lower", OURS)
def failed_attempts(trace: Trace) -> float:
    """Share of attempts in which no step had the task's effect.

    NaN without an attempt.
    """
    return mean([float(not attempt.success) for attempt in attempts(trace)])


@metric("FF_dep", "failed attempts first short of the dependency / failed attempts", (0.0, 1.0), "neither", OURS)
def first_failing_dependency(trace: Trace) -> float:
    """Share of failed attempts whose first unmet need was a prerequisite.

    A failed attempt is judged at its best step: the largest joint count, then acting, in place, committed; the
    earliest of equals. Its needs are looked at in the order dependency, participation, spatial, temporal. NaN
    without a failed attempt. The five shares add up to 1.
    """
    return _first_failing_share(trace, "dependency")


@metric("FF_part", "failed attempts first short of participants / failed attempts", (0.0, 1.0), "neither", OURS)
def first_failing_participation(trace: Trace) -> float:
    """Share of failed attempts whose first unmet need was enough committed agents.

    See `first_failing_dependency`.
    """
    return _first_failing_share(trace, "participation")


@metric("FF_spat", "failed attempts first short of agents in place / failed attempts", (0.0, 1.0), "neither", OURS)
def first_failing_spatial(trace: Trace) -> float:
    """Share of failed attempts whose first unmet need was enough agents in place.

    See `first_failing_dependency`.
    """
    return _first_failing_share(trace, "spatial")


@metric("FF_temp", "failed attempts first short of acting agents / failed attempts", (0.0, 1.0), "neither", OURS)
def first_failing_temporal(trace: Trace) -> float:
    """Share of failed attempts whose first unmet need was enough agents acting in the same step.

    See `first_failing_dependency`.
    """
    return _first_failing_share(trace, "temporal")


@metric("FF_other", "failed attempts short of no single count / failed attempts", (0.0, 1.0), "neither", OURS)
def first_failing_other(trace: Trace) -> float:
    """Share of failed attempts in which every count was met and the effect still failed.

    Different agents met the counts, or two groups stood in each other's way. See `first_failing_dependency`.
    """
    return _first_failing_share(trace, "other")


@metric("DD_part", "mean over failed attempts of max(0, 1 - committed/p) at the best step", (0.0, 1.0), "lower", COOP2)
def deficit_participation(trace: Trace) -> float:
    """How far from the quorum failed attempts stayed in committed agents.

    Taken at the attempt's best step, see `first_failing_dependency`: over all steps it would only be 1 minus
    `participation_satisfaction`. NaN without a failed attempt.
    """
    return _deficit(trace, lambda step: _filled(step.committed, step))


@metric("DD_spat", "mean over failed attempts of max(0, 1 - in_place/p) at the best step", (0.0, 1.0), "lower", COOP2)
def deficit_spatial(trace: Trace) -> float:
    """How far from the quorum failed attempts stayed in agents in place.

    See `deficit_participation`.
    """
    return _deficit(trace, lambda step: _filled(step.in_place, step))


@metric("DD_temp", "mean over failed attempts of max(0, 1 - acting/p) at the best step", (0.0, 1.0), "lower", COOP2)
def deficit_temporal(trace: Trace) -> float:
    """How far from the quorum failed attempts stayed in agents acting in the same step.

    See `deficit_participation`.
    """
    return _deficit(trace, lambda step: _filled(step.acting, step))


@metric("DD_joint", "mean over failed attempts of max(0, 1 - joint/p) at the best step", (0.0, 1.0), "lower", OURS)
def deficit_joint(trace: Trace) -> float:
    """How far from the quorum failed attempts stayed in agents for whom everything held at once.

    See `deficit_participation`. A prerequisite is met or not: its depth is `first_failing_dependency`.
    """
    return _deficit(trace, lambda step: _filled(step.joint, step))


@metric("C_sat", "mean over steps of constraints satisfied", (0.0, math.inf), "neither", COOP2)
def constraints_satisfied(trace: Trace) -> float:
    """Constraints that hold, averaged over the steps with somebody committed to a task.

    Every task with a committed agent has four: participation, spatial, temporal, dependency. NaN without such a step.
    """
    return mean([one.satisfied for one in constraint_sets(trace)])


@metric("C_vio", "mean over steps of constraints violated", (0.0, math.inf), "neither", COOP2)
def constraints_violated(trace: Trace) -> float:
    """Constraints that do not hold, averaged over the steps with somebody committed to a task.

    See `constraints_satisfied`; it is high in the middle of good work too, while agents are on their way.
    """
    return mean([one.violated for one in constraint_sets(trace)])


@metric("FJ_100", "100 * attempt-steps with acting > 0 and no success / agent-steps", (0.0, math.inf), "lower", OURS)
def failed_joint_actions_per_100(trace: Trace) -> float:
    """Attempt-steps in which agents acted on a task to no effect, per 100 agent-steps.

    NaN without a step.
    """
    steps = [step for attempt in attempts(trace) for step in attempt.steps]
    return ratio(100 * sum(step.acting > 0 and not step.success for step in steps), agent_steps(trace))


@metric("T_asm", "mean of t(first joint >= p) - t(first commitment)", (0.0, math.inf), "lower", OURS)
def assembly_time(trace: Trace) -> float:
    """Environment steps from the first agent's commitment to a task until enough agents jointly act on it.

    Taken per unbroken run of steps with somebody committed, averaged over the runs that got there; NaN if none did.
    """
    waits = []
    for run in (run for runs in spells(trace).values() for run in runs):
        met = next((step.t for step in run if step.joint >= step.required), None)
        if met is not None:
            waits.append(met - run[0].t)
    return mean(waits)


@metric("OP", "mean over attempts of mean over attempt-steps of max(0, committed - p)", (0.0, math.inf), "lower", OURS)
def over_participation(trace: Trace) -> float:
    """Agents committed to a task beyond those it requires.

    NaN without an attempt.
    """
    return _over_attempts(trace, lambda step: max(0, step.committed - step.required))


class ConstraintSets(NamedTuple):
    """How many constraints of the tasks somebody is committed to hold in step `t`, and how many do not."""

    t: int
    satisfied: int
    violated: int


@per_trace
def constraint_sets(trace: Trace) -> list[ConstraintSets]:
    """Return the sizes of the sets of satisfied and of violated constraints over time."""
    sizes = []
    for record in trace.of(Constraint):
        counts = zip(record.required, record.committed, record.in_place, record.acting, strict=True)
        held = sum((committed >= p) + (there >= p) + (acting >= p) for p, committed, there, acting in counts)
        held += sum(dependency > 0 for dependency in record.dependency)
        if record.tasks:
            sizes.append(ConstraintSets(record.t, held, 4 * len(record.tasks) - held))
    return sizes


def _filled(count: int, step: TaskStep) -> float:
    return min(count / step.required, 1.0)


def _over_attempts(trace: Trace, value: Callable[[TaskStep], float]) -> float:
    return mean([mean([value(step) for step in attempt.steps]) for attempt in attempts(trace)])


def _deficit(trace: Trace, value: Callable[[TaskStep], float]) -> float:
    return mean([1 - value(attempt.best) for attempt in attempts(trace) if not attempt.success])


@per_trace
def _first_failing(trace: Trace) -> Counter[str]:
    """Count the failed attempts by their first unmet need."""
    failed = (attempt for attempt in attempts(trace) if not attempt.success)
    return Counter(_first_unmet(attempt.best) for attempt in failed)


def _first_unmet(step: TaskStep) -> str:
    if not step.dependency:
        return "dependency"
    counts = {"participation": step.committed, "spatial": step.in_place, "temporal": step.acting}
    return next((kind for kind, count in counts.items() if count < step.required), "other")


def _first_failing_share(trace: Trace, kind: str) -> float:
    return ratio(_first_failing(trace)[kind], _first_failing(trace).total())
