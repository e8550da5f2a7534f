"""Hostile or careless words: whatever a planner, a model or a person says, the episode ends well and can be read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cognitive_tools import Puppet, call, check_stages, in_turn, of, play, say, wait

import emcoop
from emcoop.cognitive_layer.answers import MOST_DEPTH
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, Usage
from emcoop.cognitive_layer.plan import Decision, Fact, Message, Plan
from emcoop.cognitive_layer.planners.typed import read_message
from emcoop.cognitive_layer.tampering import garbled
from emcoop.rng import generator
from emcoop.trace import schema

GO = call("wait", steps=1)
DIGITS = "9" * 5000  # more than Python reads as one number


class Reciter:
    """A model that answers with what a function returns, or raises what it returns."""

    def __init__(self, reply: Any) -> None:
        self._reply = reply

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Any:
        if isinstance(self._reply, BaseException):
            raise self._reply
        return self._reply


def ask(reply: Any, planner: Any = "llm:my/model", **settings: Any) -> Any:
    if isinstance(reply, dict):
        reply = Completion(msgspec.json.encode(reply).decode(), usage=Usage(10, 90))
    given = {"n_agents": 2, "max_steps": 3, **settings}
    with ModelAccess({"retries": 0}, chat_models={"my/model": Reciter(reply)}) as access:
        return emcoop.run_episode("Cube-v0", planner=planner, models=access, **given)


@pytest.mark.parametrize("name", ["block²", "agent²", "block" + DIGITS, "agent" + DIGITS, "block٣", "block-1"])
def test_names_that_only_look_like_those_of_things(name: str) -> None:
    teller = in_turn(say(1, plan=Plan((GO,), task=f"{name}/left"), **{name: [1, 2]}))
    result = play([teller, in_turn(wait(9))], topology="decentralized")
    assert result.status == "completed", result.error
    assert not of(result, schema.Claim)


@pytest.mark.parametrize("order", [[1, 2], {"a": 1}, 3, None, "block²/left", "x" * 100_000])
def test_a_follower_survives_whatever_it_is_ordered(order: Any) -> None:
    leader = in_turn(say(1, plan=wait(9), kind="request", order=order), wait(9))
    for follower in ("team", "llm:test/pocket"):
        result = play([leader, follower], topology="centralized", max_steps=3)
        assert result.status == "completed", result.error


@pytest.mark.parametrize("order", [[1, 2], {"a": 1}, 3])
def test_a_model_that_leads_may_state_nonsense_as_a_fact(order: Any) -> None:
    said = {"to": "all", "kind": "request", "text": "go", "facts": [{"key": "order", "value": order}]}
    result = ask({"decision": "plan", "plan": [{"concept": "wait"}], "messages": [said]}, topology="centralized")
    assert result.status == "completed", result.error


def test_a_model_that_nests_a_fact_too_deeply_is_told_so() -> None:
    deep: Any = 1
    for _ in range(MOST_DEPTH + 2):
        deep = [deep]
    said = {"to": "all", "kind": "inform", "text": "", "facts": [{"key": "a", "value": deep}]}
    result = ask({"decision": "plan", "plan": [{"concept": "wait"}], "messages": [said]}, topology="decentralized")
    assert result.status == "completed", result.error
    assert {c.status for c in of(result, schema.LlmCall)} == {"invalid", "ok"}


@pytest.mark.parametrize("error", [ValueError("half a letter \ud800"), ValueError("x" * 20_000_000)])
def test_what_a_planner_raises_fits_into_the_trace(error: Exception, tmp_path: Path) -> None:
    def fail(puppet: Puppet, context: Any) -> Any:
        raise error

    path = tmp_path / "t.jsonl"
    result = play([Puppet(fail), in_turn(wait(9))], trace=path)
    assert result.status == "agent_error"
    end = emcoop.read_trace(path).end
    assert end is not None
    assert end.error == result.error


def test_a_message_that_no_reader_would_take_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    result = play([in_turn(say(1, text="x" * (1 << 24))), in_turn(wait(9))], topology="decentralized", trace=path)
    assert result.status == "agent_error"
    assert "say less" in result.error
    assert emcoop.read_trace(path).complete


@pytest.mark.parametrize("value", ["[NaN]", "[1e999]", '{"x":Infinity}', '"\\ud800"', "[" * 200 + "]" * 200])
def test_what_a_person_types_can_be_written_down(value: str) -> None:
    said = read_message(f"a={value}", (1,), 0)
    result = play([in_turn(Decision(Plan((GO,)), (said,))), in_turn(wait(9))], topology="decentralized", max_steps=2)
    assert said.facts["a"].value == value
    assert result.status == "completed", result.error


def test_noise_makes_no_number_infinite() -> None:
    for seed in range(20):
        heard = garbled(Message((1,), "inform", facts={"a": Fact(1.79e308, 0)}), generator(seed, "noise"))
        assert math.isfinite(heard.facts["a"].value)


@pytest.mark.parametrize(
    "reply", [KeyError("choices"), OSError("sk-secret0123456789"), "no completion", Completion(text=None)]  # type: ignore[arg-type]
)  # fmt: skip
def test_a_model_that_breaks_its_contract_is_nobodys_score(reply: Any) -> None:
    result = ask(reply)
    assert result.status == "infra_error"
    assert "my/model" in result.error
    assert "secret" not in result.error


def test_an_answer_that_is_cancelled_is_nobodys_score() -> None:
    class Cancelled:
        def reset(self, setup: Any) -> None:
            pass

        async def decide(self, context: Any) -> Decision:
            raise asyncio.CancelledError

    result = play([in_turn(wait(9)), Cancelled()])
    assert result.status == "infra_error"
    assert "agent 1" in result.error


@pytest.mark.parametrize("tokens", ["many", -3, 2.5, True])
def test_tokens_that_are_no_number_are_not_counted(tokens: Any) -> None:
    text = '{"decision": "plan", "plan": [{"concept": "wait"}]}'
    result = ask(Completion(text, usage=Usage(tokens, tokens)))
    assert result.status == "completed", result.error
    assert {c.prompt_tokens for c in of(result, schema.LlmCall)} == {0}


LATE = {"thinking_rounds": {"tokens_per_round": 20}, "budgets": {"rounds_per_step": 2, "tokens_total": 250}}


def test_what_an_answer_that_comes_too_late_took_is_in_the_books() -> None:
    result = ask({"decision": "plan", "plan": [{"concept": "wait"}]}, max_steps=4, **LATE)
    forced = [a for a in of(result, schema.Activation) if a.outcome == "forced"]
    assert [a.tokens for a in forced] == [100] * 6 + [0] * 2, "until the tokens are used up"
    assert result.metrics["model_calls"] == len(of(result, schema.LlmCall)) == 6
    assert of(result, schema.End)[0].counters["tokens"] == 600
    check_stages(result.events, 2)


def test_answers_that_came_too_late_come_too_late_again(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    slow = ask({"decision": "plan", "plan": [{"concept": "wait"}]}, max_steps=4, trace=path, **LATE)
    again = ask({}, f"replay:{path}", max_steps=4, **LATE)
    assert again.status == "completed", again.error
    assert again.events[2:] == slow.events[2:]
