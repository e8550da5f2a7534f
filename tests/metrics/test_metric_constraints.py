"""Hand-computed values of the constraint metrics, and where an attempt begins and ends."""

from __future__ import annotations

import math

import pytest

from emcoop.metrics import score_trace
from emcoop.metrics.attempts import attempts
from emcoop.trace import Trace
from emcoop.trace.schema import SCHEMA, Constraint, Episode, Event, Run, Step

Counts = dict[str, int]


def counts(
    p: int = 2, committed: int = 2, in_place: int = 0, acting: int = 0, joint: int = 0, engaged: int | None = None,
    success: int = 0, dependency: int = 1,
) -> Counts:  # fmt: skip
    engaged = min(committed, max(in_place, acting)) if engaged is None else engaged
    return {
        "required": p, "committed": committed, "in_place": in_place, "acting": acting, "dependency": dependency,
        "joint": joint, "engaged": engaged, "success": success, "inferred": 0,
    }  # fmt: skip


IDLE = counts()
BUSY = counts(in_place=1)


def record(t: int, tasks: dict[str, Counts]) -> Constraint:
    columns = {name: [one[name] for one in tasks.values()] for name in counts()}
    return Constraint(t=t, tasks=list(tasks), participants=[[]] * len(tasks), **columns)


def trace(*moments: dict[str, Counts] | Counts | None, n: int = 2) -> Trace:
    """One environment step per entry: the counts per task, of the one task `"a"`, or None for no committed agent."""
    events: list[Event] = [
        Run(schema=SCHEMA, emcoop="1", config_hash=""),
        Episode(env_id="E", env_kwargs={}, n_agents=n, max_steps=99, seed=0, planners=[], topology={}),
    ]
    for t, moment in enumerate(moments):
        if moment is not None:
            events.append(record(t, {"a": moment} if "required" in moment else moment))  # type: ignore[dict-item, arg-type]
        events.append(Step(t=t + 1, actions=[], reward=0.0, state_hash="", configuration_hash="", progress=0.0))
    return Trace(events)


def shape(made: Trace) -> list[tuple[str, list[int]]]:
    """The attempts as task and times of their attempt-steps."""
    return [(attempt.task, [step.t for step in attempt.steps]) for attempt in attempts(made)]


def test_commitment_alone_is_no_attempt() -> None:
    assert shape(trace(IDLE, IDLE)) == []


def test_an_attempt_begins_with_engagement_and_bridges_a_short_pause() -> None:
    assert shape(trace(IDLE, BUSY, *[IDLE] * 4, BUSY, IDLE)) == [("a", [1, 6])]


def test_the_fifth_idle_step_ends_an_attempt() -> None:
    assert shape(trace(BUSY, *[IDLE] * 5, BUSY)) == [("a", [0]), ("a", [6])]


def test_release_ends_an_attempt_at_once() -> None:
    assert shape(trace(BUSY, None, BUSY)) == [("a", [0]), ("a", [2])]
    other = {"b": BUSY}
    assert shape(trace(BUSY, other, BUSY)) == [("a", [0]), ("a", [2]), ("b", [1])]


def test_success_does_not_end_an_attempt() -> None:
    push = counts(in_place=2, acting=2, joint=2, success=1)
    made = trace(BUSY, push, push, BUSY)
    assert shape(made) == [("a", [0, 1, 2, 3])]
    assert attempts(made)[0].success


def test_satisfaction_averages_over_steps_then_attempts() -> None:
    # Attempt a: two attempt-steps around an idle one; attempt b: one attempt-step of a task for four.
    values = score_trace(
        trace(
            {"a": counts(p=2, committed=1, in_place=1, dependency=0)},
            {"a": counts(p=2, committed=2)},
            {"a": counts(p=2, committed=5, in_place=3, acting=2, joint=2, success=1),
             "b": counts(p=4, committed=3, in_place=2, acting=1, joint=1)},
        )
    )  # fmt: skip
    assert values["participation_satisfaction"] == pytest.approx(((0.5 + 1) / 2 + 0.75) / 2)
    assert values["spatial_satisfaction"] == pytest.approx(((0.5 + 1) / 2 + 0.5) / 2)
    assert values["temporal_satisfaction"] == pytest.approx(((0 + 1) / 2 + 0.25) / 2)
    assert values["dependency_satisfaction"] == pytest.approx(((0 + 1) / 2 + 1) / 2)
    assert values["joint_satisfaction"] == pytest.approx(((0 + 1) / 2 + 0.25) / 2)
    assert values["over_participation"] == pytest.approx(((0 + 3) / 2 + 0) / 2)
    assert values["attempts_total"] == 2.0
    assert values["failed_attempts"] == 0.5


def test_no_attempt_is_nan_everywhere() -> None:
    values = score_trace(trace(IDLE, None, IDLE))
    assert values["attempts_total"] == 0.0
    assert values["failed_joint_actions_per_100"] == 0.0
    for name in (
        "participation_satisfaction", "spatial_satisfaction", "temporal_satisfaction", "dependency_satisfaction",
        "joint_satisfaction", "over_participation", "failed_attempts", "assembly_time", "first_failing_dependency",
        "first_failing_participation", "first_failing_spatial", "first_failing_temporal", "first_failing_other",
    ):  # fmt: skip
        assert math.isnan(values[name]), name


@pytest.mark.parametrize(
    ("kind", "best"),
    [
        ("dependency", counts(p=2, committed=1, in_place=1, acting=1, dependency=0)),
        ("participation", counts(p=2, committed=1, in_place=1, acting=1, joint=1)),
        ("spatial", counts(p=2, committed=2, in_place=1, acting=1, joint=1)),
        ("temporal", counts(p=2, committed=2, in_place=2, acting=1, joint=1)),
        ("other", counts(p=2, committed=2, in_place=2, acting=2, joint=1)),
        ("other", counts(p=2, committed=2, in_place=2, acting=2, joint=2)),
    ],
)
def test_first_failing_type_follows_the_order(kind: str, best: Counts) -> None:
    values = score_trace(trace(best))
    shares = {name: value for name, value in values.items() if name.startswith("first_failing_")}
    assert shares.pop(f"first_failing_{kind}") == 1.0
    assert set(shares.values()) == {0.0}


def test_a_failed_attempt_is_judged_at_its_best_step() -> None:
    near = counts(p=3, committed=3, in_place=3, acting=2, joint=2)  # temporal
    far = counts(p=3, committed=1, in_place=1)  # participation
    same = counts(p=3, committed=3, in_place=3, acting=2, joint=2, dependency=0)  # as near, but later
    more_acting = counts(p=3, committed=3, in_place=2, acting=2, joint=0)  # spatial
    more_in_place = counts(p=3, committed=3, in_place=3, acting=1, joint=0)  # temporal, but fewer acting
    assert score_trace(trace(far, near, far, same))["first_failing_temporal"] == 1.0
    assert score_trace(trace(same, near))["first_failing_dependency"] == 1.0
    assert score_trace(trace(more_in_place, more_acting))["first_failing_spatial"] == 1.0


def test_first_failing_shares_leave_out_attempts_that_succeeded() -> None:
    push = counts(in_place=2, acting=2, joint=2, success=1)
    values = score_trace(trace(push, None, counts(committed=1, in_place=1), None, BUSY, None, BUSY))
    assert values["failed_attempts"] == 0.75
    assert values["first_failing_participation"] == pytest.approx(1 / 3)
    assert values["first_failing_spatial"] == pytest.approx(2 / 3)


def test_success_in_a_bridged_pause_counts_and_after_the_last_engagement_does_not() -> None:
    alone = counts(success=1)
    assert score_trace(trace(BUSY, alone, BUSY))["failed_attempts"] == 0.0
    assert score_trace(trace(BUSY, alone))["failed_attempts"] == 1.0


def test_failed_joint_actions_are_counted_per_100_agent_steps() -> None:
    push = counts(in_place=2, acting=2, joint=2, success=1)
    vain = counts(in_place=2, acting=1)
    stranger = counts(acting=1, in_place=1, engaged=0)  # nobody committed is engaged: no attempt-step
    values = score_trace(trace(push, vain, BUSY, vain, stranger, n=4))
    assert values["failed_joint_actions_per_100"] == pytest.approx(100 * 2 / (5 * 4))


def test_assembly_time_runs_from_the_first_commitment_to_the_first_joint_action() -> None:
    push = counts(in_place=2, acting=2, joint=2, success=1)
    assert score_trace(trace(None, IDLE, BUSY, IDLE, push, push))["assembly_time"] == 3.0
    assert score_trace(trace(IDLE, push, None, IDLE, IDLE, IDLE, push))["assembly_time"] == 2.0
    assert score_trace(trace(IDLE, push, None, BUSY, BUSY))["assembly_time"] == 1.0
    assert math.isnan(score_trace(trace(BUSY, BUSY))["assembly_time"])
