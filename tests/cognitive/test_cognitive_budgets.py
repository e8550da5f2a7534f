"""Budgets: every limit bites, is told in the trace, and nobody waits for ever."""

from __future__ import annotations

from typing import Any

import pytest
from cognitive_tools import (
    TOPOLOGIES,
    Puppet,
    call,
    changes_of,
    check_stages,
    in_turn,
    moves_of,
    of,
    plan,
    play,
    say,
    wait,
)

import emcoop
from emcoop.cognitive_layer.plan import RESUME, Decision, Message, PlanningContext
from emcoop.cognitive_layer.stages import I
from emcoop.errors import ConfigError, UnknownNameError
from emcoop.trace import schema

ROUNDS = {"individual": 1, "centralized": 3, "debate": 3, "decentralized": 3}


def silent() -> Puppet:
    return in_turn(Decision(None))


def forced(result: Any) -> list[tuple[int, list[int]]]:
    return [(e.t, e.agents) for e in of(result, schema.Monitor) if e.monitor == "budget"]


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_planners_that_never_plan_are_made_ready_after_the_rounds_of_their_topology(topology: str) -> None:
    result = play([silent() for _ in range(3)], topology=topology, max_steps=4)
    assert (result.status, result.steps) == ("completed", 4)
    assert forced(result) == [(t, [0, 1, 2]) for t in range(4)]
    rounds = [r.t for r in of(result, schema.Round)]
    assert [rounds.count(t) for t in range(4)] == [ROUNDS[topology] + 4] * 4
    assert {a.outcome for a in of(result, schema.Activation)} == {"listen", "forced"}
    assert all(p.calls == [("wait", {"steps": 1})] for p in of(result, schema.Plan) if p.event == "commit")
    check_stages(result.events, 3)


def test_rounds_per_step() -> None:
    quick, slow = in_turn(wait(20)), silent()
    result = play([quick, slow], max_steps=3, budgets={"rounds_per_step": 2})
    assert [r.t for r in of(result, schema.Round)] == [0, 0, 1, 1, 2, 2]
    assert forced(result) == [(0, [1]), (1, [1]), (2, [1])]
    assert [c.rounds_left for c in slow.contexts] == [1, 0] * 3


def test_decisions_per_step() -> None:
    result = play([silent(), in_turn(wait(1))], max_steps=3, budgets={"decisions_per_step": 2})
    assert forced(result) == [(0, [0]), (1, [0]), (2, [0])]
    for t in range(3):
        asked = [a for a in of(result, schema.Activation) if a.t == t and a.agent == 0 and a.outcome == "listen"]
        assert len(asked) == 2


def test_decisions_total() -> None:
    result = play([in_turn(wait(1)), in_turn(wait(20))], max_steps=6, budgets={"decisions_total": 3})
    assert forced(result) == [(3, [0]), (4, [0]), (5, [0])]
    assert of(result, schema.End)[0].counters["decisions"] == 4


def test_an_interrupted_agent_whose_budget_is_used_up_keeps_its_plan() -> None:
    def walker(puppet: Puppet, context: PlanningContext) -> Decision:
        assert context.stage is not I, "it has no decision left"
        return plan(call("move", direction="right", steps=1 if context.step == 0 else 5))

    talker = in_turn(wait(2), say(1, plan=wait(20)))
    result = play([talker, Puppet(walker)], topology="decentralized", max_steps=5, budgets={"decisions_total": 2})
    assert moves_of(result, 1) == [4] * 5
    undecided = play([in_turn(wait(2), say(1), wait(20)), Puppet(walker)], topology="decentralized", max_steps=5,
                     budgets={"decisions_total": 1})  # fmt: skip
    assert undecided.status == "completed", undecided.error
    chatty = in_turn(say(1), say(1), wait(20))
    result = play([chatty, in_turn(wait(20), Decision(RESUME))], topology="decentralized", max_steps=5,
                  budgets={"decisions_per_step": 2})  # fmt: skip
    assert ("I", "W", "forced") in changes_of(result, 1)
    assert [p for p in of(result, schema.Plan) if p.agent == 1 and p.event == "end"][0].reason == "episode_end"  # noqa: RUF015


def test_messages_per_step() -> None:
    three = Decision(wait(1).plan, tuple(Message((1,), "inform") for _ in range(3)))
    result = play([in_turn(three), in_turn(wait(20), Decision(RESUME))], topology="decentralized", max_steps=2,
                  budgets={"messages_per_step": 2})  # fmt: skip
    fates = [(e.message, e.outcome) for e in of(result, schema.Transport) if e.outcome == "over_budget"]
    assert fates == [(2, "over_budget"), (5, "over_budget")]


def test_message_characters_per_step() -> None:
    def talk(puppet: Puppet, context: PlanningContext) -> Decision:
        texts = ("12345", "1234", "12")
        return Decision(wait(1).plan, tuple(Message((1,), "inform", text=text) for text in texts))

    result = play([Puppet(talk), in_turn(wait(20), Decision(RESUME))], topology="decentralized", max_steps=1,
                  budgets={"message_chars_per_step": 9})  # fmt: skip
    assert [(e.message, e.outcome) for e in of(result, schema.Transport) if e.outcome == "over_budget"] == [
        (2, "over_budget")
    ]


def test_facts_count_as_characters() -> None:
    talker = in_turn(say(1, key="value", plan=wait(20)))
    result = play([talker, in_turn(wait(20))], topology="decentralized", budgets={"message_chars_per_step": 7})
    assert [e.outcome for e in of(result, schema.Transport)] == ["over_budget"]


def test_a_leader_that_never_answers_does_not_stop_the_team() -> None:
    team = [silent(), "team", "team", "team"]
    result = emcoop.run_episode(
        "Cube-v0",
        n_agents=4,
        planner=team,
        topology="centralized",
        seed=1,
        max_steps=150,
        env_kwargs={"blocks": {1: 3}},
    )
    assert result.status == "completed", result.error
    assert result.score == 1.0, "followers left without an answer choose alone"
    assert any(agents == [0] for _, agents in forced(result))
    check_stages(result.events, 4)


def test_two_agents_that_answer_every_message_with_another_are_stopped() -> None:
    def gossip(other: int) -> Puppet:
        return Puppet(lambda puppet, context: say(other, plan=RESUME if context.stage is I else wait(20)))

    result = play([gossip(1), gossip(0), silent()], topology="decentralized", max_steps=3)
    assert (result.status, result.steps) == ("completed", 3)
    assert [t for t, _ in forced(result)] == [0, 1, 2]
    assert ("I", "W", "resume") in changes_of(result, 0)
    check_stages(result.events, 3)


@pytest.mark.parametrize(
    ("budgets", "text"),
    [
        ({"rounds_per_step": 0}, "rounds_per_step=0 does not fit: give a whole number >= 1 or None"),
        ({"decisions_total": 1.5}, "decisions_total=1.5 does not fit"),
        ({"messages_per_step": True}, "messages_per_step=True does not fit"),
        ([5], r"budgets=\[5\] does not fit: give a mapping"),
    ],
)
def test_budgets_that_do_not_fit(budgets: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        emcoop.run_episode("Cube-v0", n_agents=1, max_steps=2, budgets=budgets)


def test_an_unknown_budget_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'decisions_total'"):
        emcoop.run_episode("Cube-v0", n_agents=1, max_steps=2, budgets={"decision_total": 1})
