"""The team planner: allocates several tasks at once, and agrees on them only through messages.

What it knows of the others' intentions it has heard; what the topology or the channel keeps back it does not know.
Alone (no topology, or nothing heard) it chooses by chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from emcoop.cognitive_layer.plan import (
    EVERYONE,
    RESUME,
    ActionCall,
    Decision,
    Fact,
    Message,
    Plan,
    PlanningContext,
    SeatSetup,
)
from emcoop.cognitive_layer.planners.allocation import Priority, allocate, choose_alone, join_or_open, open_tasks
from emcoop.cognitive_layer.stages import I
from emcoop.cognitive_layer.topologies.named import PATIENCE
from emcoop.envs.embodiment import TaskView

NOTHING = "none"
NEWS = 6
"""Discoveries told in one message at most."""

FOR_ALL = Priority(2.0, 2.0, 0.0)
"""How tasks compare when the whole team is dealt out: heavy tasks first, hands are no matter."""
FOR_ONE = Priority(1.0, 2.0, 1.0)
"""How tasks compare when one agent chooses for itself: a task that takes many hands is less likely to get them."""


class TeamPlanner:
    """Several tasks at once, agreed on through whatever the topology permits."""

    immediate = True

    def reset(self, setup: SeatSetup) -> None:
        """Learn the seat's place in the topology."""
        self._me = setup.seat
        self._n = len(setup.names)
        self._rng = setup.rng
        self._topology = setup.topology
        self._leader = setup.leader
        self._task_of: dict[int, str] = {}
        self._waiting: set[int] = set()
        self._idle: set[int] = set()
        self._bids: dict[int, int] = {}
        self._bid_at = -1
        self._without_task = False

    async def decide(self, context: PlanningContext) -> Decision:
        """Take in what was said, then lead, follow, join or bid, as the topology has it."""
        self._listen(context)
        if self._leader == self._me:
            return self._lead(context)
        if self._leader >= 0:
            return self._follow(context)
        if self._topology == "debate":
            return Decision(RESUME) if context.stage is I else self._join(context)
        if context.reachable:
            return self._bid(context)
        return Decision(RESUME) if context.stage is I else self._alone(context)

    # What it has heard ---------------------------------------------------------------------------------------------

    def _listen(self, context: PlanningContext) -> None:
        for message in context.unread:
            for key, fact in message.facts.items():
                if key == "task" and message.kind in ("commit", "ack"):
                    self._task_of[message.sender] = fact.value
                elif key == "free":
                    self._task_of.pop(message.sender, None)
                    self._bids[message.sender] = context.step
                    self._waiting.add(message.sender)

    def _committed(self, context: PlanningContext) -> dict[str, int]:
        """Return how many others are committed to each open task, as far as heard; forget tasks that are over."""
        is_open = {task: context.view.task(task) is not None for task in set(self._task_of.values())}
        self._task_of = {i: task for i, task in self._task_of.items() if is_open[task]}
        counts: dict[str, int] = {}
        for i, task in self._task_of.items():
            if i != self._me:
                counts[task] = counts.get(task, 0) + 1
        return counts

    # Ways to decide ------------------------------------------------------------------------------------------------

    def _lead(self, context: PlanningContext) -> Decision:
        """Assign everybody known to be free, itself included when it needs a plan."""
        committed = self._committed(context)
        tasks = open_tasks(context.view, committed)
        leads_itself = context.stage is not I
        free = self._waiting | self._idle | ({self._me} if leads_itself else set())
        given = allocate(tasks, free, context.view.travel, committed, FOR_ALL)
        orders = [
            Message((i,), "request", facts=_facts(context, order=given.get(i, NOTHING)))
            for i in sorted(free - {self._me})
            if i in given or i in self._waiting
        ]
        self._waiting.clear()
        self._idle = free - set(given) - {self._me}
        self._task_of.update({i: task for i, task in given.items() if i != self._me})
        return Decision(self._plan(context, given.get(self._me)) if leads_itself else RESUME, tuple(orders))

    def _follow(self, context: PlanningContext) -> Decision:
        """Do what the leader asks; report when out of work; without an answer, choose alone.

        Who was told that there is nothing to do keeps out of the way until the leader calls.
        """
        orders = [m.facts["order"].value for m in context.unread if m.sender == self._leader and "order" in m.facts]
        busy = context.plan.task if context.stage is I and context.plan is not None else ""
        if context.stage is I and (busy or not orders):
            return Decision(RESUME, (self._ack(context, busy),) if orders else ())
        if orders:
            self._without_task = orders[-1] == NOTHING
            return Decision(self._plan(context, orders[-1]), (self._ack(context, orders[-1]),))
        if self._without_task:
            return Decision(self._plan(context, None))
        if context.waited < PATIENCE:
            return Decision(None, (Message((self._leader,), "free", facts=_facts(context, NEWS, free=True)),))
        alone = self._alone(context)
        task = alone.plan.task if isinstance(alone.plan, Plan) else ""
        return Decision(alone.plan, (self._ack(context, task),))

    def _ack(self, context: PlanningContext, task: str) -> Message:
        """Tell the leader what this agent is really doing."""
        return Message((self._leader,), "ack", facts=_facts(context, NEWS, task=task or NOTHING))

    def _join(self, context: PlanningContext) -> Decision:
        """Join or avoid what earlier speakers committed to, and say so."""
        committed = self._committed(context)
        tasks = open_tasks(context.view, committed)
        travel = self._own_travel(context, tasks)
        if not committed and self._me > 0:
            return self._alone(context)
        undecided = self._n - sum(committed.values())
        task = join_or_open(tasks, travel, committed, undecided, self._n, FOR_ONE)
        return self._announce(context, task)

    def _bid(self, context: PlanningContext) -> Decision:
        """Say that it is free; when all bids are in, allocate the free agents and take its own part.

        An agent without a task that hears a bid while it idles bids too. So there is a round of bids, a round of
        late bids, and then everybody free works out the same allocation from the same messages.
        """
        idles = context.stage is I
        if idles and (context.plan is None or context.plan.task):
            return Decision(RESUME)
        step = context.step
        bidders = {i for i, when in self._bids.items() if when == step}
        if self._bid_at != step:
            if idles and not bidders:
                return Decision(RESUME)
            self._bid_at = step
            bid = Message(EVERYONE, "inform", facts=_facts(context, NEWS, free=True))
            return Decision(RESUME if idles else None, (bid,))
        if not idles and context.waited < 2:
            return Decision(None)
        committed = self._committed(context)
        tasks = open_tasks(context.view, committed)
        if not bidders and not committed:
            return self._alone(context)
        given = allocate(tasks, bidders | {self._me}, context.view.travel, committed, FOR_ALL)
        if idles and self._me not in given:
            return Decision(RESUME)
        return self._announce(context, given.get(self._me))

    def _announce(self, context: PlanningContext, task: str | None) -> Decision:
        said = (Message(EVERYONE, "commit", facts=_facts(context, NEWS, task=task or NOTHING)),)
        return Decision(self._plan(context, task), said if context.reachable else ())

    def _alone(self, context: PlanningContext) -> Decision:
        tasks = context.view.tasks()
        task = choose_alone(tasks, self._own_travel(context, tasks), self._rng.random, FOR_ONE)
        return Decision(self._plan(context, task))

    def _own_travel(self, context: PlanningContext, tasks: Iterable[TaskView]) -> dict[str, int]:
        return {task.id: context.view.travel(task.id, [self._me])[0] for task in tasks if task.available}

    def _plan(self, context: PlanningContext, name: str | None) -> Plan:
        task = context.view.task(name or NOTHING)
        if task is None:
            return Plan(context.view.idle() or (ActionCall("wait"),), reasoning="no task to do")
        return Plan(context.view.recipe(task.id, task.required), task.id)


def _facts(context: PlanningContext, news: int = 0, **said: Any) -> dict[str, Fact]:
    """Return what a message says: what is worth telling, what the others need for the task it names, and `said`.

    Args:
        context: The speaker's situation.
        news: Discoveries to tell at most; 0 tells nothing of the speaker's own.
        **said: The point of the message.
    """
    task = said.get("task") or said.get("order")
    told = {**(context.view.news(news) if news else {}), **(context.view.about(task) if task else {}), **said}
    return {key: Fact(value, context.step) for key, value in told.items()}
