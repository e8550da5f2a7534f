"""What a planner may answer; anything else ends the episode with a sentence that says what was wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cognitive_tools import call, in_turn, play, say, wait

import emcoop
from emcoop.cognitive_layer.plan import (
    RESUME,
    ActionCall,
    Decision,
    Fact,
    Message,
    ModelCall,
    Plan,
    PlanningContext,
    Reaction,
)

GO = (call("wait", steps=1),)


def nested(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


def talk(**fields: Any) -> Decision:
    return Decision(Plan(GO), (Message(**{"recipients": (1,), "kind": "inform", **fields}),))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, "returned NoneType, not a Decision"),
        ("push", "returned str, not a Decision"),
        (Plan(GO), "returned Plan, not a Decision"),
        (Decision(RESUME), "answered RESUME without a plan to resume"),
        (Decision("push"), "decided for 'push'; Decision.plan is a Plan, RESUME or None"),
        (Decision(GO[0]), "decided for ActionCall"),
        (Decision(Plan(())), "committed a plan without calls"),
        (Decision(Plan(GO[0])), "as calls; Plan.calls is a tuple of ActionCall"),
        (Decision(Plan((("wait", {}),))), "as calls; Plan.calls is a tuple of ActionCall"),
        (Decision(Plan((ActionCall("wait", [1]),))), "a call has the name of a concept and a dict of arguments"),
        (Decision(Plan((ActionCall(3),))), "a call has the name of a concept"),
        (Decision(Plan(GO, task=3)), "a task that is no text"),
        (Decision(Plan(GO), Message((1,), "inform")), "as messages; Decision.messages is a tuple of Message"),
        (Decision(Plan(GO), ("hello",)), "as messages; Decision.messages is a tuple of Message"),
        (Decision(Plan(GO), (), (0,)), "as reactions; Decision.reactions is a tuple of Reaction"),
        (Decision(Plan(GO), (), (Reaction(0, "eat"),)), "labelled a message 'eat'; labels are consume, wait, discard"),
        (Decision(Plan(GO), (), (Reaction(0, "reroute", 1),)), "rerouted a message to 1; give a tuple of agent"),
        (talk(recipients=1), "sent a message to 1; recipients are a tuple of agent indices, or '*'"),
        (talk(recipients="bob"), "sent a message to 'bob'; recipients are a tuple"),
        (talk(recipients=("agent_001",)), "recipients are a tuple of agent indices"),
        (talk(recipients=(True,)), "recipients are a tuple of agent indices"),
        (talk(kind="shout"), "sent a message of kind 'shout'; kinds are request, inform"),
        (talk(text=None), "sent a message with None as text; give a str"),
        (talk(facts={"free": True}), "give a dict of name -> Fact"),
        (talk(facts=[Fact(1, 0)]), "give a dict of name -> Fact"),
        (talk(facts={"a": Fact(1, True)}), "give a dict of name -> Fact"),
        (talk(facts={"a": Fact(nested(800), 0)}), "a fact nested deeper than 32 levels"),
        (Decision(Plan((call("wait", steps=nested(800)),))), "data nested deeper than 32 levels"),
        (Decision(Plan(GO, assumptions={"a": nested(800)})), "data nested deeper than 32 levels"),
        (Decision(Plan((ActionCall("wait", {1: 2, "x": 3}),))), "a call has the name of a concept and a dict"),
        (Decision(Plan(GO), (), (Reaction([1], "consume"),)), "reacted to message [1]; give the id of a message"),
        (Decision(Plan(GO), calls=None), "as calls; Decision.calls is a tuple of ModelCall"),
        (Decision(Plan(GO), calls=("hello",)), "as calls; Decision.calls is a tuple of ModelCall"),
        (Decision(Plan(GO), calls=(ModelCall("a/b", "", "", completion_tokens=-9),)), "whole numbers >= 0"),
        (Decision(Plan(GO), calls=(ModelCall("a/b", None, ""),)), "model, request, reply, rung and status are texts"),
        (Decision(Plan(GO), status=3), "gave 3 as status; Decision.status is one of ok, repaired, fallback"),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_fit(answer: Any, text: str) -> None:
    result = play([in_turn(wait(20)), in_turn(answer)], topology="decentralized")
    assert result.status == "agent_error"
    assert result.error.startswith("the planner of agent 1 ")
    assert text in result.error


def test_what_cannot_be_written_into_a_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    result = play([in_turn(say(1, thing=object())), in_turn(wait(20))], topology="decentralized", trace=path)
    assert result.status == "agent_error"
    assert "use plain Python numbers, text, lists and dicts" in result.error
    assert emcoop.read_trace(path).complete


def test_a_decide_that_is_no_coroutine() -> None:
    class Plain:
        immediate = True

        def reset(self, setup: Any) -> None:
            pass

        def decide(self, context: PlanningContext) -> Decision:
            return wait(1)

    for immediate in (True, False):
        Plain.immediate = immediate
        result = play([Plain(), in_turn(wait(20))])
        assert result.status == "agent_error"
        assert "the planner of agent 0 has a decide that returns Decision; make it `async def`" in result.error


def test_an_immediate_planner_that_waits() -> None:
    import asyncio

    class Sleeper:
        immediate = True

        def reset(self, setup: Any) -> None:
            pass

        async def decide(self, context: PlanningContext) -> Decision:
            await asyncio.sleep(0)
            return wait(1)

    result = play([Sleeper()])
    assert result.status == "agent_error"
    assert "immediate = True awaited something" in result.error


def test_lists_are_as_good_as_tuples() -> None:
    decision: Any = Decision(Plan(list(GO)), [Message([1], "inform")], [])
    result = play([in_turn(decision), in_turn(wait(20), Decision(RESUME))], topology="decentralized", max_steps=2)
    assert result.status == "completed", result.error


def test_messages_to_nobody_are_told_apart() -> None:
    everyone_wrong = Decision(Plan(GO), (Message((0, 2, 7, -1), "inform"),))
    result = play([in_turn(wait(20)), in_turn(everyone_wrong), in_turn(wait(20))], topology="debate", max_steps=1)
    fates = {e.outcome: e.recipients for e in result.events if type(e).__name__ == "Transport"}
    assert fates == {"not_permitted": [0], "no_such_agent": [7, -1], "delivered": [2]}
