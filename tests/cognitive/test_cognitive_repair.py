"""Repair as the loop does it: told once, looked at again, left alone for a while, paid for, and counted apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cognitive_tools import (
    RIGHT,
    STAY,
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

from emcoop.cognitive_layer.monitors.contract import Committed, Objection
from emcoop.cognitive_layer.plan import RESUME, Decision, ModelCall, PlanningContext
from emcoop.cognitive_layer.stages import I
from emcoop.trace import schema

TASK = "block0/left"
LONG = plan(call("wait", steps=40), task=TASK)
BETTER = plan(call("move", direction="right", steps=40))


class Critic:
    """A monitor whose objections a function dictates; it keeps what it was shown."""

    name = "critic"
    privileged = False

    def __init__(self, judge: Callable[[int, Sequence[Committed]], list[Objection]], cooldown: int = 100) -> None:
        self._judge = judge
        self.cooldown = cooldown
        self.shown: list[tuple[int, list[Committed]]] = []

    def check(self, world: Any, step: int, plans: Sequence[Committed]) -> list[Objection]:
        self.shown.append((step, list(plans)))
        return self._judge(step, plans)


def objection(tell: Sequence[int], task: str = TASK) -> Objection:
    return Objection(task, "participation", 1, 2, (0,), tuple(tell), 30, {task: (0,)})


def to_waiters(step: int, plans: Sequence[Committed]) -> list[Objection]:
    """Object to every plan that waits for the task."""
    tell = [p.agent for p in plans if p.task == TASK and p.movable]
    return [objection(tell)] if tell else []


def obedient(puppet: Puppet, context: PlanningContext) -> Decision:
    return BETTER if context.notices else LONG


def repairs(result: Any) -> list[tuple[int, str, list[int]]]:
    return [(e.t, e.event, e.agents) for e in of(result, schema.Monitor) if e.monitor == "critic"]


def test_an_agent_that_is_told_replans_before_the_step_and_the_monitor_looks_again() -> None:
    critic, told, other = Critic(to_waiters), Puppet(obedient), in_turn(wait(40))
    result = play([told, other], monitors=[critic], max_steps=4)
    assert moves_of(result, 0) == [RIGHT] * 4
    notice = told.contexts[1].notices[0]
    assert (notice.monitor, notice.task, notice.have, notice.need, notice.who) == ("critic", TASK, 1, 2, (0,))
    assert told.contexts[1].stage is I
    assert told.contexts[1].plan is not None
    assert other.asked == 1, "who is not told does not think again"
    assert repairs(result) == [(0, "objection", [0]), (0, "solved", [0])]
    assert ("W", "I", "notice") in changes_of(result, 0)
    assert [a.repair for a in of(result, schema.Activation) if a.agent == 0] == [False, True]
    assert [step for step, _ in critic.shown] == [0, 0, 1, 2, 3], "twice where it objected, else once a step"
    check_stages(result.events, 2)


def test_who_keeps_its_plan_is_told_once_and_then_left_alone_for_the_cooldown() -> None:
    stubborn = Puppet(lambda puppet, context: Decision(RESUME) if context.stage is I else LONG)
    result = play([stubborn], monitors=[Critic(to_waiters, cooldown=3)], max_steps=7)
    assert repairs(result) == [(t, event, [0]) for t in (0, 3, 6) for event in ("objection", "unsolved")]
    assert [len(context.notices) for context in stubborn.contexts] == [0, 1, 1, 1], "a notice is shown once"


def test_the_cost_of_repair_is_counted_apart() -> None:
    def thinker(puppet: Puppet, context: PlanningContext) -> Decision:
        decided = obedient(puppet, context)
        return Decision(decided.plan, calls=(ModelCall("test/abacus", "0" * 64, "", "text", "ok", 30, 12),))

    result = play([Puppet(thinker)], monitors=[Critic(to_waiters)], max_steps=3)
    counters = of(result, schema.End)[0].counters
    assert (counters["decisions"], counters["repair_decisions"]) == (2, 1)
    assert (counters["tokens"], counters["repair_tokens"]) == (84, 42)


def test_an_agent_without_decisions_left_is_not_movable() -> None:
    for decisions, movable in ((1, [False] * 3), (2, [True, True, False, False])):
        critic, told = Critic(to_waiters), Puppet(obedient)
        result = play([told], monitors=[critic], max_steps=3, budgets={"decisions_total": decisions})
        assert [plans[0].movable for _, plans in critic.shown] == movable
        assert told.asked == decisions
        assert len(repairs(result)) == (0 if decisions == 1 else 2)


def test_messages_of_a_repair_are_heard_before_the_step() -> None:
    def speaker(puppet: Puppet, context: PlanningContext) -> Decision:
        return say(1, plan=BETTER, text="I go") if context.notices else LONG

    listener = Puppet(lambda puppet, context: Decision(RESUME) if context.stage is I else wait(40))
    result = play([Puppet(speaker), listener], topology="decentralized", monitors=[Critic(to_waiters)], max_steps=3)
    assert [(c.step, [m.text for m in c.unread]) for c in listener.contexts] == [(0, []), (0, ["I go"])]
    assert repairs(result)[-1] == (0, "solved", [0])


def test_a_repair_is_bounded() -> None:
    """Agents that answer a repair with more and more talk are cut short."""

    def chatter(puppet: Puppet, context: PlanningContext) -> Decision:
        other = 1 - context.view.me
        return say(other, plan=RESUME, text="and you?") if context.stage is I else LONG

    result = play(
        [Puppet(chatter), Puppet(chatter)], topology="decentralized", monitors=[Critic(to_waiters)], max_steps=2
    )
    assert (result.status, result.steps) == ("completed", 2)
    assert moves_of(result, 0) == [STAY, STAY]


def test_without_objections_nothing_changes() -> None:
    quiet, free = Critic(lambda step, plans: []), play([in_turn(LONG), in_turn(BETTER)], max_steps=5)
    watched = play([in_turn(LONG), in_turn(BETTER)], monitors=[quiet], max_steps=5)
    kinds = [[(e.t, e.c, type(e)) for e in r.events] for r in (free, watched)]
    assert kinds[0] == kinds[1]
    assert {p.since for _, plans in quiet.shown for p in plans} == {0}


def test_a_monitor_that_speaks_to_those_who_cannot_answer_is_not_heard() -> None:
    critic = Critic(lambda step, plans: [objection([0, 1])])
    result = play([Puppet(obedient), in_turn(wait(40))], monitors=[critic], max_steps=2, budgets={"decisions_total": 1})
    assert repairs(result) == []
    assert result.status == "completed"
