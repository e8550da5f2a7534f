"""The loop: who waits for whom, what a step costs, what a message does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cognitive_tools import (
    DOWN,
    RIGHT,
    STAY,
    Puppet,
    call,
    calls_of,
    changes_of,
    check_stages,
    in_turn,
    moves_of,
    of,
    plan,
    plan_ends,
    play,
    say,
    wait,
)

import emcoop
from emcoop.cognitive_layer.plan import RESUME, Decision, PlanningContext
from emcoop.cognitive_layer.stages import I
from emcoop.errors import InfrastructureError
from emcoop.trace import schema

ALL = {"topology": "decentralized"}
RIGHT_TWO_DOWN_TWO = (call("move", direction="right", steps=2), call("move", direction="down", steps=2))


def resume_or(decision: Decision) -> Puppet:
    """Return a puppet that resumes whenever it is interrupted and else decides the same again and again."""
    return Puppet(lambda puppet, context: Decision(RESUME) if context.stage is I else decision)


# The barrier -------------------------------------------------------------------------------------------------


def test_the_world_waits_until_the_slowest_agent_is_ready() -> None:
    slow = in_turn(Decision(None), Decision(None), Decision(None), wait(20))
    result = play([slow, in_turn(wait(20))])
    before_the_step = [e for e in result.events if e.t == 0 and isinstance(e, schema.Round)]
    assert [(r.reason, r.wait) for r in before_the_step] == [(2, 0), (1, 1), (1, 1), (1, 1)]
    assert result.steps == 12
    check_stages(result.events, 2)


def test_no_round_is_held_while_everybody_executes() -> None:
    result = play([in_turn(wait(5)), in_turn(wait(5))], max_steps=10)
    assert [r.t for r in of(result, schema.Round)] == [0, 5]


# What a step costs -------------------------------------------------------------------------------------------


def test_a_finished_call_costs_no_step() -> None:
    walk = plan(call("move", direction="right"), call("move", direction="down"), call("move", direction="right"))
    result = play([in_turn(walk, wait(20))], agents=[(0, 0)])
    assert moves_of(result, 0)[:4] == [RIGHT, DOWN, RIGHT, STAY]
    assert calls_of(result, 0)[:3] == [(1, "move", "done"), (2, "move", "done"), (3, "move", "done")]
    assert plan_ends(result, 0)[0] == (3, "done")


def test_calls_that_are_over_before_they_begin_cost_no_step() -> None:
    there = plan(call("navigate", target=[2, 0]), call("navigate", target=[2, 0]), call("move", direction="right"))
    result = play([in_turn(there, wait(20))], agents=[(2, 0)])
    assert moves_of(result, 0)[0] == RIGHT


@pytest.mark.parametrize("late", [0, 1])
def test_agents_released_from_one_rendezvous_push_in_the_same_step(late: int) -> None:
    at = {"block": 0, "face": "left"}
    push = (call("rendezvous", **at, count=2), call("push", **at, steps=2))
    team = [in_turn(plan(*push), wait(20)) for _ in range(2)]
    cells = [(4, 3), (5, 3)]
    team[late] = in_turn(plan(call("move", direction="right", steps=3), *push), wait(20))
    cells[late] = (4 + late, 0)
    result = play(team, cells, blocks=[(4, 4, 2)])
    met = [calls_of(result, agent)[0 if agent != late else 1] for agent in (0, 1)]
    assert met == [(3, "rendezvous", "done")] * 2
    pushes = [(s.t, e["agents"]) for s in of(result, schema.Step) for e in s.events if e["kind"] == "push"]
    assert pushes == [(4, [0, 1]), (5, [0, 1])], "the block moves in the first step after the quorum"


@pytest.mark.parametrize("seed", range(3))
def test_every_released_group_acts_together_in_the_next_step(seed: int) -> None:
    result = emcoop.run_episode("Cube-v0", n_agents=9, planner="team", topology="decentralized", seed=seed)
    actions = {s.t: s.actions for s in of(result, schema.Step)}
    groups = 0
    for event in of(result, schema.Action):
        released = [
            a for a, c, o in zip(event.agents, event.concepts, event.outcomes) if (c, o) == ("rendezvous", "done")
        ]
        groups += len(released) > 1
        assert all(actions[event.t + 1][agent] == RIGHT for agent in released)
    assert groups


def test_who_has_left_a_rendezvous_is_not_counted_there() -> None:
    at = {"block": 0, "face": "left", "count": 2, "timeout": 4}

    def deserter(puppet: Puppet, context: PlanningContext) -> Decision:
        return plan(call("rendezvous", **at)) if puppet.asked == 1 else wait(20)

    late = in_turn(wait(3), say(0), plan(call("rendezvous", **at)), wait(20))
    result = play([Puppet(deserter), late], [(4, 3), (5, 3)], blocks=[(4, 4, 2)], **ALL)
    assert plan_ends(result, 0)[0] == (3, "superseded")
    assert (7, "rendezvous", "failed:timeout") in calls_of(result, 1)
    assert not any(outcome == "done" for _, concept, outcome in calls_of(result, 1) if concept == "rendezvous")


# Messages ----------------------------------------------------------------------------------------------------


def test_messages_of_one_round_arrive_together_in_the_next() -> None:
    team = [in_turn(say(*(i for i in range(4) if i != me)), wait(20)) for me in range(4)]
    result = play(team, **ALL)
    arrivals = [e for e in of(result, schema.Transport) if e.outcome == "delivered"]
    assert {e.c for e in arrivals} == {2}
    assert sum(e.count for e in arrivals) == 12
    first = result.events.index(arrivals[0])
    assert isinstance(result.events[first - 1], schema.Round), "delivered at the start of the round"
    assert all(len(puppet.contexts[1].unread) == 3 for puppet in team)
    assert [m.sender for m in team[2].contexts[1].unread] == [0, 1, 3]


def test_a_delayed_message_takes_so_many_rounds_more() -> None:
    talker = in_turn(say(1), *[Decision(None)] * 4, wait(20))
    listener = in_turn(*[Decision(None)] * 5, wait(20))
    result = play([talker, listener], channel={"delay": 2}, **ALL)
    assert [e.c for e in of(result, schema.Transport) if e.outcome == "delivered"] == [4]
    assert [len(c.unread) for c in listener.contexts[:5]] == [0, 0, 0, 1, 0]


def test_a_message_to_a_reasoning_agent_only_waits_in_its_mailbox() -> None:
    listener = in_turn(Decision(None), Decision(None), wait(20))
    result = play([in_turn(say(1, plan=wait(20))), listener], **ALL)
    assert [len(c.unread) for c in listener.contexts] == [0, 1, 0]
    assert changes_of(result, 1) == [("R", "W", "commit"), ("W", "X", "all_ready")]


def test_a_message_interrupts_an_agent_that_waits() -> None:
    talker = in_turn(say(1), wait(20))
    result = play([talker, resume_or(wait(20))], **ALL)
    assert changes_of(result, 1)[:4] == [
        ("R", "W", "commit"), ("W", "I", "message"), ("I", "W", "resume"), ("W", "X", "all_ready"),
    ]  # fmt: skip


def test_resume_keeps_the_plan_and_the_place_in_it() -> None:
    talker = in_turn(wait(3), say(1), wait(20))
    walker = resume_or(plan(*RIGHT_TWO_DOWN_TWO, call("wait", steps=20)))
    undisturbed = play(
        [in_turn(wait(3), wait(20)), resume_or(plan(*RIGHT_TWO_DOWN_TWO, call("wait", steps=20)))], **ALL
    )
    result = play([talker, walker], **ALL)
    interrupted = [c for c in walker.contexts if c.stage is I]
    assert [(c.step, c.call, c.plan.calls[:2]) for c in interrupted if c.plan] == [(3, 1, RIGHT_TWO_DOWN_TWO)]
    assert ("X", "I", "message") in changes_of(result, 1)
    assert moves_of(result, 1) == moves_of(undisturbed, 1)
    assert moves_of(result, 1)[:5] == [RIGHT, RIGHT, DOWN, DOWN, STAY]
    assert len([p for p in of(result, schema.Plan) if p.agent == 1 and p.event == "commit"]) == 1


def test_a_new_plan_ends_the_old_one_as_superseded() -> None:
    talker = in_turn(wait(3), say(1), wait(20))
    walker = in_turn(plan(*RIGHT_TWO_DOWN_TWO), plan(call("move", direction="right", steps=2)), wait(20))
    result = play([talker, walker], **ALL)
    first = next(p for p in of(result, schema.Plan) if p.agent == 1 and p.event == "end")
    assert (first.t, first.reason, first.call) == (3, "superseded", 1)
    assert ("I", "W", "replan") in changes_of(result, 1)
    assert moves_of(result, 1)[:5] == [RIGHT, RIGHT, DOWN, RIGHT, RIGHT]
    last = walker.contexts[2].last
    assert last is not None
    assert last.reason == "done"


def test_a_planner_reads_how_its_last_plan_ended() -> None:
    puppet = in_turn(plan(call("push", block=0, face="left", steps=1)), wait(20))
    play([puppet], agents=[(0, 0)])
    last = puppet.contexts[1].last
    assert last is not None
    assert last.reason == "failed:not_in_contact"
    assert last.call == call("push", block=0, face="left", steps=1)
    assert last.step == puppet.contexts[1].step
    assert puppet.contexts[0].last is None


def test_a_planner_cannot_make_a_message_disappear_by_emptying_its_context() -> None:
    talker = in_turn(say(1), wait(20))

    def vandal(puppet: Puppet, context: PlanningContext) -> Decision:
        assert not hasattr(context.unread, "clear")
        assert not hasattr(context.reachable, "clear")
        assert not hasattr(context.view.tasks(), "clear")
        return wait(20)

    result = play([talker, Puppet(vandal)], topology="centralized")
    assert result.status == "completed", result.error


# Planners that fail ------------------------------------------------------------------------------------------


class Boom(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (Boom("no idea"), "agent_error", "the planner of agent 1 raised Boom: no idea"),
        (TimeoutError("too late"), "agent_error", "the planner of agent 1 raised TimeoutError: too late"),
        (InfrastructureError("the service is down"), "infra_error", "the service is down"),
    ],
)
def test_a_planner_that_raises_ends_the_episode_and_keeps_the_trace(
    tmp_path: Path, error: Exception, status: str, text: str
) -> None:
    def answer(puppet: Puppet, context: PlanningContext) -> Decision:
        if context.step == 3:
            raise error
        return wait(3)

    path = tmp_path / "t.jsonl.gz"
    result = play([in_turn(wait(20)), Puppet(answer)], trace=path)
    assert (result.status, result.steps) == (status, 3)
    assert text in result.error
    trace = emcoop.read_trace(path)
    assert trace.complete
    assert trace.end is not None
    assert (trace.end.status, trace.end.error) == (status, result.error)
    assert emcoop.replay(trace) == 3


def test_of_several_failures_the_first_in_agent_order_is_told() -> None:
    class Falls:
        def __init__(self, naps: int) -> None:
            self._naps = naps

        def reset(self, setup: Any) -> None:
            self._me = setup.seat

        async def decide(self, context: PlanningContext) -> Decision:
            for _ in range(self._naps):
                await asyncio.sleep(0)
            raise Boom(f"from {self._me}")

    for naps in ((1, 9), (9, 1)):
        result = play([Falls(naps[0]), Falls(naps[1])])
        assert "from 0" in result.error


def test_an_interrupted_run_leaves_the_readable_part(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    def answer(puppet: Puppet, context: PlanningContext) -> Decision:
        if context.step:
            raise Stop
        return wait(2)

    with pytest.raises(Stop):
        play([Puppet(answer)], trace=tmp_path / "t.jsonl")
    trace = emcoop.read_trace(tmp_path / "t.jsonl.part")
    assert not trace.complete
    assert emcoop.replay(trace) == 2
