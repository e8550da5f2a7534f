"""Hand-computed values of the outcome, collaboration and communication metrics."""

from __future__ import annotations

import math

import pytest

from emcoop.metrics import score_trace
from emcoop.trace import Trace
from emcoop.trace.schema import (
    SCHEMA,
    Activation,
    Capability,
    Constraint,
    End,
    Episode,
    Event,
    Message,
    Plan,
    Round,
    Run,
    Stage,
    Step,
    Transport,
)


def trace(*events: Event, n: int = 2, horizon: int = 4) -> Trace:
    head: list[Event] = [
        Run(schema=SCHEMA, emcoop="1", config_hash=""),
        Episode(env_id="E", env_kwargs={}, n_agents=n, max_steps=horizon, seed=0, planners=[], topology={}),
    ]
    return Trace(head + list(events))


def steps(*progress: float, events: dict[int, list[dict[str, object]]] | None = None) -> list[Event]:
    """One step record per value, the first being the state after reset."""
    return [
        Step(
            t=t, actions=[], reward=0.0, state_hash="", configuration_hash="", progress=p,
            events=(events or {}).get(t, []),
        )
        for t, p in enumerate(progress)
    ]  # fmt: skip


def end(status: str = "completed", score: float = 0.5, raw_score: float = 3.0) -> End:
    return End(status=status, score=score, raw_score=raw_score, steps=2, terminated=False, counters={})


def plans(*tasks: tuple[int, int, int]) -> Constraint:
    """A constraint record of tasks given as (required, committed, inferred)."""
    required, committed, inferred = (list(column) for column in zip(*tasks, strict=True))
    zeros = [0] * len(tasks)
    return Constraint(
        tasks=[f"task {k}" for k in zeros], required=required, committed=committed, in_place=zeros, acting=zeros,
        dependency=zeros, joint=zeros, engaged=zeros, success=zeros, participants=[[]] * len(tasks), inferred=inferred,
    )  # fmt: skip


def test_outcome_of_a_finished_episode() -> None:
    values = score_trace(trace(*steps(0.0, 0.25, 0.5), Message(id=0, sender=0, recipients="*", act="free"), end()))
    assert values["score"] == 0.5
    assert values["raw_score"] == 3.0
    assert values["steps"] == 2.0
    assert values["progress_auc"] == pytest.approx((0.25 + 0.5 + 0.5 + 0.5) / 4)
    assert math.isnan(values["steps_to_goal"])
    assert values["score_per_step"] == 0.25
    assert values["score_per_message"] == 0.5


def test_goal_reached_early_fills_the_horizon() -> None:
    values = score_trace(trace(*steps(0.0, 0.1, 1 - 1e-12), end()))
    assert values["steps_to_goal"] == 2.0
    assert values["progress_auc"] == pytest.approx((0.1 + 3) / 4)


def test_no_step_taken_keeps_the_first_progress() -> None:
    values = score_trace(trace(*steps(0.25), end()))
    assert values["progress_auc"] == 0.25
    assert values["steps"] == 0.0
    for name in ("decisions_per_step", "messages_per_step", "score_per_step", "collisions_per_100"):
        assert math.isnan(values[name])


@pytest.mark.parametrize("events", [[], steps(0.0, 0.5)])
def test_incomplete_traces_are_scored_from_what_is_there(events: list[Event]) -> None:
    values = score_trace(trace(*events))
    assert math.isnan(values["score"])
    assert math.isnan(values["raw_score"])
    assert values["steps"] == max(0, len(events) - 1)
    assert values["progress_auc"] == 0.5 if events else math.isnan(values["progress_auc"])


def test_a_horizon_of_zero_has_no_area() -> None:
    assert math.isnan(score_trace(trace(*steps(0.5), end(), horizon=0))["progress_auc"])


def test_infrastructure_failures_are_not_judged() -> None:
    assert math.isnan(score_trace(trace(*steps(0.0), end("infra_error")))["score"])
    assert score_trace(trace(*steps(0.0), end("agent_error")))["score"] == 0.5


def test_overheads_count_agent_rounds() -> None:
    rounds = [Round(reason=2), Round(reason=1, wait=1), Round(interrupt=1, wait=1), Round(execute=1, reason=1)]
    values = score_trace(trace(*rounds, *steps(0.0, 0.0, 0.0, 0.0)))
    agent_rounds = 8 + 2 * 3
    assert values["decision_overhead"] == pytest.approx(5 / agent_rounds)
    assert values["wait_overhead"] == pytest.approx(2 / agent_rounds)


def test_overheads_need_a_round_or_a_step() -> None:
    values = score_trace(trace(*steps(0.0)))
    assert math.isnan(values["decision_overhead"])
    assert math.isnan(values["wait_overhead"])
    assert score_trace(trace(*steps(0.0, 0.0)))["decision_overhead"] == 0.0


def test_decisions_per_step() -> None:
    decisions = [Activation(id=k, agent=0, started=0, outcome="listen") for k in range(3)]
    assert score_trace(trace(*decisions, *steps(0.0, 0.0, 0.0)))["decisions_per_step"] == 1.5


def test_interruptions_and_their_answers() -> None:
    values = score_trace(
        trace(
            Stage(agents=[0, 1], before="R", after="W", cause="commit"),
            Stage(agents=[0, 1, 2], before="X", after="I", cause="message"),
            Stage(agents=[0], before="I", after="W", cause="resume"),
            Stage(agents=[1], before="I", after="W", cause="replan"),
            Stage(agents=[0], before="W", after="I", cause="message"),
            Stage(agents=[0], before="I", after="W", cause="replan"),
            n=3,
        )
    )
    assert values["interruptions"] == 4.0
    assert values["resumption_rate"] == 0.25
    assert values["replanning_rate"] == 0.5


def test_no_interruption_has_no_answers() -> None:
    values = score_trace(trace(Stage(agents=[0, 1], before="R", after="W", cause="commit")))
    assert values["interruptions"] == 0.0
    assert math.isnan(values["resumption_rate"])
    assert math.isnan(values["replanning_rate"])


def test_plan_stability_leaves_out_plans_the_episode_ended() -> None:
    reasons = ["done", "done", "superseded", "failed:no_path", "done", "episode_end", "episode_end"]
    ended = [Plan(id=k, agent=0, event="end", reason=reason) for k, reason in enumerate(reasons)]
    commits = [Plan(id=k, agent=0, event="commit") for k in range(len(reasons))]
    assert score_trace(trace(*commits, *ended))["plan_stability"] == pytest.approx(3 / 5)
    assert math.isnan(score_trace(trace(*commits, ended[-1]))["plan_stability"])


def test_plan_coherence_looks_at_the_largest_declared_group() -> None:
    records = [
        plans((3, 2, 0), (1, 1, 0)),  # largest group of 2 misses its quorum of 3
        plans((3, 2, 0), (2, 2, 0)),  # tie: one of them meets its quorum
        plans((2, 3, 2), (1, 2, 0)),  # declared 1 and 2: the second is the largest and meets its quorum of 1
        plans((1, 2, 2)),  # nothing declared: not counted
        plans((4, 4, 0)),
    ]
    values = score_trace(trace(*records, n=4))
    assert values["plan_coherence"] == pytest.approx(3 / 4)
    assert values["plan_coherence_published"] == pytest.approx((2 + 2 + 2 + 4) / 4 / 4)


@pytest.mark.parametrize("records", [[], [plans((1, 2, 2))]])
def test_plan_coherence_needs_a_declared_plan(records: list[Event]) -> None:
    values = score_trace(trace(*records))
    assert math.isnan(values["plan_coherence"])
    assert math.isnan(values["plan_coherence_published"])


def test_capability_gain_counts_gains_per_agent_and_100_steps() -> None:
    changes = [
        Capability(agent=0, item="wood", delta=3, cause="collect"),
        Capability(agent=0, item="wood", delta=-3, cause="craft"),
        Capability(agent=0, item="pickaxe", delta=1, cause="craft"),
    ]
    assert score_trace(trace(*changes, *steps(*[0.0] * 51)))["capability_gain"] == pytest.approx(4 * 100 / (2 * 50))
    assert score_trace(trace(changes[1], *steps(0.0, 0.0)))["capability_gain"] == 0.0
    assert math.isnan(score_trace(trace(*steps(0.0, 0.0)))["capability_gain"])
    assert math.isnan(score_trace(trace(*changes))["capability_gain"])


def test_collisions_count_an_agent_once_a_step() -> None:
    events: dict[int, list[dict[str, object]]] = {
        1: [{"kind": "collision", "agents": [0]}, {"kind": "cell_race", "agents": [0, 1]}],
        2: [{"kind": "push", "agents": [0, 1]}, {"kind": "collision", "agents": [1]}],
    }
    values = score_trace(trace(*steps(0.0, 0.0, 0.0, 0.0, 0.0, events=events)))
    assert values["collisions_per_100"] == pytest.approx(100 * 3 / 8)


def message(number: int, sender: int) -> Message:
    return Message(id=number, sender=sender, recipients="*", act="inform")


def test_messages_are_counted_once_and_their_copies_apart() -> None:
    values = score_trace(
        trace(
            message(0, 0),
            Transport(message=0, recipients="*", outcome="delivered", count=3),
            Transport(message=0, recipients=[2], outcome="dropped", count=1),
            message(1, 1),
            Transport(message=1, recipients=[0], outcome="delivered", count=1),
            *steps(0.0, 0.0, 0.0, 0.0, 0.0),
            n=5,
        )
    )
    assert values["messages_total"] == 2.0
    assert values["messages_delivered"] == 4.0
    assert values["messages_per_step"] == 0.5


@pytest.mark.parametrize(
    ("senders", "n", "expected"),
    [
        ([0, 1, 2, 3], 4, 0.0),
        ([2, 2, 2], 4, 0.75),  # one speaks for all: 1 - 1/n
        ([0, 0, 0, 1], 2, 0.25),  # |3 - 1| * 2 / (2 * 2 * 4)
        ([0, 1], 4, 0.5),
    ],
)
def test_message_imbalance_is_the_gini_coefficient(senders: list[int], n: int, expected: float) -> None:
    spoken = [message(k, sender) for k, sender in enumerate(senders)]
    assert score_trace(trace(*spoken, n=n))["message_imbalance"] == pytest.approx(expected)


def test_message_imbalance_needs_messages_and_a_team() -> None:
    assert math.isnan(score_trace(trace())["message_imbalance"])
    assert math.isnan(score_trace(trace(message(0, 0), n=1))["message_imbalance"])
    assert score_trace(trace())["messages_total"] == 0.0
