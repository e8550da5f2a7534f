"""Hand-computed values of the metrics of model calls and of repair."""

from __future__ import annotations

import math

import pytest

from emcoop.metrics import score_trace
from emcoop.trace import Trace
from emcoop.trace.schema import SCHEMA, Activation, End, Episode, Event, LlmCall, Monitor, Run

OF_MODELS = (
    "prompt_tokens", "completion_tokens", "tokens_per_decision", "parse_rate", "repair_turns", "fallback_rate",
    "lowest_rung_share", "score_per_1k_tokens",
)  # fmt: skip
OF_REPAIR = ("repair_notices", "repair_decisions", "repair_tokens", "repairs_solved")


def trace(*events: Event, monitors: tuple[str, ...] = (), status: str = "completed") -> Trace:
    head: list[Event] = [
        Run(schema=SCHEMA, emcoop="1", config_hash=""),
        Episode(
            env_id="E", env_kwargs={}, n_agents=2, max_steps=4, seed=0, planners=[], topology={},
            monitors=[{"name": name} for name in monitors],
        ),
    ]  # fmt: skip
    end = End(status=status, score=0.5, raw_score=1.0, steps=0, terminated=False, counters={})
    return Trace([*head, *events, end])


def decided(number: int, status: str = "ok", tokens: int = 0, repair: bool = False) -> Activation:
    return Activation(id=number, agent=0, started=0, outcome="plan", status=status, tokens=tokens, repair=repair)


def called(decision: int, prompt: int = 10, reply: int = 2, status: str = "ok", rung: str = "json_schema") -> LlmCall:
    return LlmCall(
        activation=decision, agent=0, attempt=0, model="test/x", request="", reply="", rung=rung, status=status,
        prompt_tokens=prompt, completion_tokens=reply,
    )  # fmt: skip


def objected(event: str, tell: tuple[int, ...] = (0, 1)) -> Monitor:
    return Monitor(monitor="feasibility", agents=list(tell), event=event, task="a")


def test_calls_and_tokens_are_added_up_over_the_decisions_that_called_a_model() -> None:
    values = score_trace(
        trace(
            decided(0, "repaired"),
            called(0, 100, 20, status="unparsed"),
            called(0, 150, 30),
            decided(1),
            called(1, 190, 10),
            decided(2),  # a scripted teammate
        )
    )
    assert values["model_calls"] == 3
    assert values["prompt_tokens"] == 440
    assert values["completion_tokens"] == 60
    assert values["tokens_per_decision"] == 250
    assert values["score_per_1k_tokens"] == 1.0
    assert values["parse_rate"] == pytest.approx(2 / 3)
    assert values["repair_turns"] == 0.5
    assert values["fallback_rate"] == 0.0


def test_decisions_that_fell_back_and_replies_held_to_nothing_are_shares() -> None:
    values = score_trace(
        trace(
            decided(0, "fallback"),
            called(0, status="empty"),
            called(0, status="invalid", rung="text"),
            *(decided(k) for k in (1, 2, 3)),
            *(called(k) for k in (1, 2)),
            called(3, rung="json_object"),
        )
    )
    assert values["fallback_rate"] == 0.25
    assert values["repair_turns"] == 0.0
    assert values["lowest_rung_share"] == pytest.approx(1 / 5)
    assert values["parse_rate"] == pytest.approx(3 / 5)


def test_without_a_model_only_the_number_of_calls_applies() -> None:
    values = score_trace(trace(decided(0), decided(1, "fallback")))
    assert values["model_calls"] == 0.0
    assert all(math.isnan(values[name]) for name in OF_MODELS)


def test_tokens_that_a_provider_does_not_count_are_unknown_not_few() -> None:
    values = score_trace(trace(decided(0), called(0, 10, 5), called(0, 0, 0)))
    for name in ("prompt_tokens", "completion_tokens", "tokens_per_decision", "score_per_1k_tokens"):
        assert math.isnan(values[name]), name
    assert values["parse_rate"] == 1.0


def test_an_empty_reply_was_counted_all_the_same() -> None:
    assert score_trace(trace(decided(0), called(0, 10, 0, status="empty")))["completion_tokens"] == 0.0


def test_an_episode_the_infrastructure_spoilt_has_tokens_and_no_score_for_them() -> None:
    values = score_trace(trace(decided(0), called(0), status="infra_error"))
    assert values["prompt_tokens"] == 10
    assert math.isnan(values["score_per_1k_tokens"])


def test_repair_is_counted_per_objection_with_its_own_decisions_and_tokens() -> None:
    values = score_trace(
        trace(
            decided(0, tokens=12),
            objected("objection"),
            objected("objection", tell=(1,)),
            decided(1, tokens=30, repair=True),
            decided(2, tokens=5, repair=True),
            objected("solved"),
            objected("unsolved", tell=(1,)),
            objected("objection"),
            objected("solved"),
            Monitor(monitor="budget", agents=[0]),
            monitors=("feasibility",),
        )
    )
    assert [values[name] for name in OF_REPAIR] == [3, 2, 35, pytest.approx(2 / 3)]


def test_a_monitor_that_never_objects_is_told_from_no_monitor() -> None:
    watched = score_trace(trace(decided(0, tokens=9), monitors=("feasibility",)))
    assert [watched[name] for name in OF_REPAIR[:3]] == [0, 0, 0]
    assert math.isnan(watched["repairs_solved"])
    alone = score_trace(trace(decided(0, tokens=9)))
    assert all(math.isnan(alone[name]) for name in OF_REPAIR)
