"""What thinking costs: tokens become rounds or steps, and a token budget ends it; plus regrouping and primitives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cognitive_tools import (
    DOWN,
    RIGHT,
    STAY,
    Puppet,
    call,
    changes_of,
    check_stages,
    in_turn,
    moves_of,
    of,
    play,
    say,
    wait,
)

import emcoop
from emcoop.cognitive_layer.plan import PRIMITIVE, RESUME, Decision, Fact, Message, ModelCall, Plan, PlanningContext
from emcoop.cognitive_layer.planners import make_team
from emcoop.cognitive_layer.stages import I
from emcoop.errors import ConfigError
from emcoop.trace import schema

MODEL = "test/abacus"


def thought(written: int, asked: int = 0, status: str = "ok") -> ModelCall:
    return ModelCall(MODEL, "0" * 64, "a reply", "json_schema", status, asked, written)


def walk(steps: int, *calls: ModelCall, status: str = "ok") -> Decision:
    return Decision(Plan((call("move", direction="right", steps=steps),)), calls=calls, status=status)


def test_calls_of_models_are_written_with_the_decision_they_belong_to() -> None:
    decision = walk(2, thought(10, 100, "unparsed"), thought(20, 130), status="repaired")
    result = play([in_turn(decision, wait(50)), in_turn(wait(50))], max_steps=4)
    calls = of(result, schema.LlmCall)
    first = next(a for a in of(result, schema.Activation) if a.agent == 0)
    assert [(c.agent, c.attempt, c.status, c.completion_tokens) for c in calls] == [
        (0, 0, "unparsed", 10),
        (0, 1, "ok", 20),
    ]
    assert {c.activation for c in calls} == {first.id}
    assert (first.status, first.tokens, first.thinking) == ("repaired", 260, 0)
    end = of(result, schema.End)[0]
    assert (end.counters["model_calls"], end.counters["tokens"]) == (2, 260)


def test_what_a_model_writes_takes_environment_steps_during_which_its_agent_stands_still() -> None:
    thinker, other = in_turn(walk(2, thought(250)), wait(50)), in_turn(walk(6), wait(50))
    result = play([thinker, other], max_steps=8, thinking_steps={"tokens_per_step": 100})
    assert moves_of(result, 0)[:5] == [STAY, STAY, RIGHT, RIGHT, STAY]
    assert moves_of(result, 1)[:6] == [RIGHT] * 6
    assert next(a.thinking for a in of(result, schema.Activation) if a.agent == 0) == 2
    assert of(result, schema.Episode)[0].thinking == {"tokens_per_step": 100}
    check_stages(result.events, 2)


def test_thinking_over_an_interruption_holds_up_the_plan_that_goes_on() -> None:
    def answer(puppet: Puppet, context: PlanningContext) -> Decision:
        return Decision(RESUME, calls=(thought(300),)) if context.stage is I else walk(9)

    teller = in_turn(wait(1), say(0, plan=wait(50)))
    result = play([Puppet(answer), teller], topology="decentralized", thinking_steps={"tokens_per_step": 100})
    assert moves_of(result, 0)[:6] == [RIGHT, STAY, STAY, STAY, RIGHT, RIGHT]


def test_what_a_model_writes_takes_rounds() -> None:
    result = play(
        [in_turn(walk(9, thought(250))), in_turn(wait(50))],
        max_steps=2,
        thinking_rounds={"tokens_per_round": 100},
        budgets={"rounds_per_step": 9},
    )
    assert [(a.started, a.c) for a in of(result, schema.Activation) if a.agent == 0] == [(1, 3)]


@pytest.mark.parametrize("given", [{"tokens_per_step": 0}, {"tokens": 5}, 3, {"tokens_per_step": True}, {}])
def test_thinking_steps_that_do_not_fit(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"thinking_steps=.* give \{'tokens_per_step': N\}"):
        emcoop.run_episode("Cube-v0", n_agents=2, thinking_steps=given)


def test_an_agent_whose_tokens_are_used_up_is_not_asked_again() -> None:
    spender = Puppet(lambda puppet, context: walk(1, thought(40, 60)))
    result = play([spender, in_turn(wait(50))], max_steps=6, budgets={"tokens_total": 150})
    assert spender.asked == 2, "the second decision goes beyond the budget and is the last"
    exhausted = [(e.t, e.agents, e.event) for e in of(result, schema.Monitor)]
    assert exhausted == [(t, [0], "exhausted") for t in (2, 3, 4, 5)]


# Regrouping ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regroup", ["agent", "team"])
def test_the_end_of_a_plan_calls_the_agent_or_the_team(regroup: str) -> None:
    short, long = in_turn(wait(2), wait(50)), in_turn(wait(50))
    result = play([short, long], topology={"name": "decentralized", "regroup": regroup}, max_steps=6)
    asked_at = [context.step for context in long.contexts]
    assert asked_at == ([0, 2] if regroup == "team" else [0])
    assert (("X", "R", "regroup") in changes_of(result, 1)) == (regroup == "team")
    check_stages(result.events, 2)


# Primitive actions -----------------------------------------------------------------------------------------------


def primitive(action: Any) -> Decision:
    return Decision(Plan((call(PRIMITIVE, action=action),)))


def test_primitive_actions_go_straight_to_the_world() -> None:
    result = play([in_turn(*map(primitive, (DOWN, DOWN, RIGHT, STAY)))], max_steps=3)
    assert moves_of(result, 0) == [DOWN, DOWN, RIGHT]


@pytest.mark.parametrize("action", [5, -1, "down", None, {"action": 1}])
def test_a_primitive_outside_the_action_space_is_the_planners_error(action: Any) -> None:
    result = play([in_turn(primitive(action))])
    assert result.status == "agent_error"
    assert "the planner of agent 0 gave action" in result.error


def test_only_planners_that_ask_for_it_get_the_observation_and_it_is_their_own_copy() -> None:
    def vandal(puppet: Puppet, context: PlanningContext) -> Decision:
        for part in context.observation.values() if isinstance(context.observation, dict) else [context.observation]:
            if isinstance(part, np.ndarray) and part.flags.writeable:
                part[...] = 0
        return wait(1)

    curious, modest = Puppet(vandal), in_turn(wait(1))
    curious.observes = True  # type: ignore[attr-defined]
    calm = play([in_turn(wait(1)), in_turn(wait(1))], max_steps=3)
    result = play([curious, modest], max_steps=3)
    assert all(context.observation is not None for context in curious.contexts)
    assert all(context.observation is None for context in modest.contexts)
    hashes = [[s.state_hash for s in of(r, schema.Step)] for r in (calm, result)]
    assert hashes[0] == hashes[1]


# A seat played from outside ----------------------------------------------------------------------------------------


def test_a_person_hears_and_says_what_the_topology_permits() -> None:
    from emcoop.cognitive_layer.asking import drive
    from emcoop.cognitive_layer.episode import Session

    speaker = in_turn(say(0, 2, plan=wait(1), text="hello"), wait(1))
    team = [make_team("greedy", 1)[0][0], speaker, in_turn(wait(9))]
    session = Session("Cube-v0", planner=team, topology="decentralized", played=(0,), n_agents=3, max_steps=4)
    drive(session.think())
    assert [(m.sender, m.text) for m in session.heard(0)] == [(1, "hello")]
    assert session.heard(0) == []
    assert list(session.reachable(0)) == [1, 2]
    session.act({0: STAY})
    session.say(0, [Message((1,), "request", "push with me", {"task": Fact("block0/left", 1)})])
    drive(session.think())
    assert [m.text for m in speaker.contexts[-1].unread] + [m.text for m in speaker.contexts[-2].unread] == [
        "push with me"
    ]
    while not session.over:
        session.act({0: STAY})
        if not session.over:
            drive(session.think())
    result = session.finish()
    assert [m.sender for m in of(result, schema.Message)] == [1, 0]
    assert [(r.agent, r.label) for r in of(result, schema.Reaction) if 0 in r.messages and r.agent == 0] == [
        (0, "consume")
    ]
