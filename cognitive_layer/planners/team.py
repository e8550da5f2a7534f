"""The team planner: allocates several tasks at once, and agrees on them only through messages.

What it knows of the others' intentions it has heard; what the topology or the channel keeps back it does not know.
A leader assigns the work, in a tree through those between; with `feedback` it also looks at how it goes. Without a
leader, all work out the same allocation where all hear all; where they hear only some, they elect who organises whom.
Alone (no topology, or nothing heard) it chooses by chance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from emcoop.cognitive_layer.plan import (
    EVERYONE,
    NO_TASK,
    RESUME,
    ActionCall,
    Decision,
    Fact,
    Message,
    Plan,
    PlanningContext,
    SeatSetup,
)
from emcoop.cognitive_layer.planners.allocation import (
    FOR_ALL,
    NOTHING,
    Priority,
    allocate,
    choose_alone,
    join_or_open,
    mend,
    open_tasks,
)
from emcoop.cognitive_layer.planners.commanding import Chain, tasks_of
from emcoop.cognitive_layer.planners.electing import Election
from emcoop.cognitive_layer.planners.supervising import Supervision, counts_of
from emcoop.cognitive_layer.stages import I
from emcoop.cognitive_layer.topologies.contract import PATIENCE
from emcoop.envs.embodiment import TaskView
from emcoop.errors import ConfigError

CALLED_OFF = "recall"
"""Fact of an order that is to be followed at once."""
NEWS = 6
"""Discoveries told in one message at most."""

FOR_ONE = Priority(1.0, 2.0, 1.0)
"""How tasks compare when one agent chooses for itself: a task that takes many hands is less likely to get them."""


class TeamPlanner:
    """Several tasks at once, agreed on through whatever the topology permits.

    Args:
        feedback: Whether those who lead put the counts of constraints to use, and those who follow report them. Without
            it a leader gives out the tasks that can begin by travel and quorum, to whoever is free, and does not look
            at what becomes of them. Makes no difference where nobody leads.
    """

    immediate = True

    def __init__(self, feedback: bool = False) -> None:
        if not isinstance(feedback, bool):
            raise ConfigError(f"feedback={feedback!r} does not fit: give true or false")
        self._feedback = feedback

    def reset(self, setup: SeatSetup) -> None:
        """Learn the seat's place in the topology."""
        self._me = setup.seat
        self._n = len(setup.names)
        self._rng = setup.rng
        self._topology = setup.topology
        self._leader = setup.leader
        self._chain = Chain(setup.reports)
        self._reports = frozenset(setup.reports)
        self._election = Election(setup.rng.random)
        self._supervision = Supervision(setup.seat) if self._feedback else None
        self._task_of: dict[int, str] = {}
        self._waiting: set[int] = set()
        self._idle: set[int] = set()
        self._bids: dict[int, int] = {}
        self._bid_at = -1
        self._without_task = False
        self._reported_at = -1

    async def decide(self, context: PlanningContext) -> Decision:
        """Take in what was said, then lead, follow, join or bid, as the topology has it."""
        self._listen(context)
        mended = mend(context) if context.notices else None
        if mended is not None:
            return Decision(mended, self._tell_of(context, mended.task))
        if self._leader == self._me:
            return self._lead(context)
        if self._leader >= 0:
            return self._follow(context)
        if self._topology == "debate":
            return Decision(RESUME) if context.stage is I else self._join(context)
        if context.reachable and self._topology == "decentralized":
            return self._bid(context)
        if context.reachable:
            return self._elect(context)
        if context.stage is I:
            return Decision(RESUME)
        return self._organise(context, set()) if self._task_of else self._alone(context)

    # What it has heard ---------------------------------------------------------------------------------------------

    def _listen(self, context: PlanningContext) -> None:
        for message in context.unread:
            self._election.hear(message, context.step)
            for agent in self._chain.hear(message, self._n):
                self._task_of.pop(agent, None)
                self._waiting.add(agent)
            for key, fact in message.facts.items():
                if key == "task" and message.kind in ("commit", "ack") and isinstance(fact.value, str):
                    self._task_of[message.sender] = fact.value
                elif key == "doing" and message.sender in self._reports:
                    self._task_of.update(tasks_of(fact.value, self._n))
                elif key == "free":
                    self._task_of.pop(message.sender, None)
                    self._bids[message.sender] = context.step
                    self._waiting.add(message.sender)
            if self._supervision is not None and message.sender in self._reports:
                hopeless = self._supervision.hear(message, context.step)
                if self._task_of.get(message.sender) in hopeless:
                    del self._task_of[message.sender]
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
        leads_itself = context.stage is not I
        called_off = self._call_off(context)
        committed = self._committed(context)
        tasks = open_tasks(context.view, committed)
        free = self._waiting | self._idle | ({self._me} if leads_itself else set())
        if self._supervision is None:
            given = allocate(tasks, free, context.view.travel, committed, FOR_ALL)
        else:
            mine = context.plan.task if context.plan is not None and not leads_itself else NO_TASK
            hands = self._supervision.hands(committed, mine)
            given = self._supervision.assign(tasks, free, context.view, hands)
        told = [i for i in free - {self._me} if i in given or i in self._waiting]
        orders = self._orders(context, {i: given.get(i, NOTHING) for i in told}, called_off)
        self._waiting.clear()
        self._idle = free - set(given) - {self._me}
        self._task_of.update({i: task for i, task in given.items() if i != self._me})
        return Decision(self._plan(context, given.get(self._me)) if leads_itself else RESUME, tuple(orders))

    def _call_off(self, context: PlanningContext) -> set[int]:
        """Free the agents whose task is over or cannot go on, as the counts have it; return who they are."""
        if self._supervision is None:
            return set()
        if context.last is not None and context.stage is not I:
            self._supervision.note_own(context.last, context.view.task(context.last.task))
        in_vain = self._supervision.in_vain(context.view, self._task_of) & self._reports
        for agent in in_vain:
            del self._task_of[agent]
        self._waiting |= in_vain
        return in_vain

    def _orders(
        self, context: PlanningContext, tasks: Mapping[int, str], called_off: Collection[int] = ()
    ) -> list[Message]:
        """Tell agents what to do, those further below through the one they report to.

        Args:
            context: The speaker's situation.
            tasks: Agent -> task.
            called_off: Agents that are to leave what they do for it.
        """
        messages = []
        for report, theirs in self._chain.pass_down(tasks).items():
            said: dict[str, Any] = {"order": theirs.pop(report)} if report in theirs else {}
            if theirs:
                said["orders"] = {str(i): task for i, task in theirs.items()}
            if report in called_off:
                said[CALLED_OFF] = True
            if self._feedback:
                said.update(self._state_of(context, said.get("order", NOTHING)))
            messages.append(Message((report,), "request", facts=_facts(context, **said)))
        return messages

    def _state_of(self, context: PlanningContext, name: str) -> dict[str, Any]:
        """Return the counts of a joint task, as the speaker's own view has them."""
        task = context.view.task(name)
        return {} if task is None or task.required < 2 else counts_of(name, task)

    def _follow(self, context: PlanningContext) -> Decision:
        """Do what the leader asks, and pass on what it asks of others; report when out of work; else choose alone.

        Who was told that there is nothing to do keeps out of the way until the leader calls.
        """
        from_above = [m for m in context.unread if m.sender == self._leader]
        orders = [m.facts["order"].value for m in from_above if "order" in m.facts]
        orders = [order for order in orders if isinstance(order, str)]
        passed = self._pass_on(context, from_above)
        is_called_off = self._feedback and any(CALLED_OFF in message.facts for message in from_above)
        busy = context.plan.task if context.stage is I and context.plan is not None and not is_called_off else ""
        if context.stage is I and (busy or not orders):
            said = self._report(context) if self._chain.has_fresh() else ()
            return Decision(RESUME, (*passed, *said, *((self._ack(context, busy),) if orders else ())))
        if orders:
            self._without_task = orders[-1] == NOTHING
            return Decision(self._plan(context, orders[-1]), (*passed, self._ack(context, orders[-1])))
        if self._without_task and not (self._feedback and self._reported_at != context.step):
            said = self._report(context) if self._chain.has_fresh() else ()
            return Decision(self._plan(context, None), (*passed, *said))
        if self._has_patience(context):
            return Decision(None, (*passed, *self._report(context, free=True)))
        own = self._manage(context)
        task = own.plan.task if isinstance(own.plan, Plan) else ""
        return Decision(own.plan, (*passed, *own.messages, self._ack(context, task)))

    def _pass_on(self, context: PlanningContext, from_above: Iterable[Message]) -> list[Message]:
        """Hand orders for others below down to those they report to."""
        orders: dict[int, str] = {}
        for message in from_above:
            if "orders" in message.facts:
                orders.update(tasks_of(message.facts["orders"].value, self._n))
        self._task_of.update(orders)
        self._waiting.difference_update(orders)
        return self._orders(context, orders)

    def _has_patience(self, context: PlanningContext) -> bool:
        """Say whether to go on waiting for the leader; whoever hears others too is called only when there is news."""
        if len(context.reachable) == 1:
            return context.waited < PATIENCE
        return context.rounds_left > 1 and (self._reported_at != context.step or bool(context.unread))

    def _report(self, context: PlanningContext, **said: Any) -> tuple[Message, ...]:
        """Tell the superior who is free, and what those below have found."""
        if len(context.reachable) > 1 and self._reported_at == context.step and not self._chain.has_fresh():
            return ()
        if said:
            self._reported_at = context.step
        below, news = self._chain.pass_up()
        last = context.last
        if self._feedback and last is not None and last.task and last.reason.startswith("failed"):
            below.update(counts_of(last.task, context.view.task(last.task)))
        facts = {**news, **_facts(context, NEWS, **said, **below)}
        return (Message((self._leader,), "free", facts=facts),)

    def _manage(self, context: PlanningContext) -> Decision:
        """Do without the superior: direct those below who wait, join peers who said what they do, or choose alone."""
        if self._waiting:
            return self._lead(context)
        knows_peers = not self._reports and bool(self._committed(context))
        return Decision((self._join(context) if knows_peers else self._alone(context)).plan)

    def _ack(self, context: PlanningContext, task: str) -> Message:
        """Tell the leader, and peers, what this agent is really doing."""
        peers = [i for i in context.reachable if i != self._leader and i not in self._reports]
        seen = context.view.task(task) if self._feedback and task not in ("", NOTHING) else None
        unknown = counts_of(task, None) if self._feedback and seen is None and task not in ("", NOTHING) else {}
        said = _facts(context, NEWS, task=task or NOTHING, **unknown)
        facts = {**said, **_rests_on(context, task), **said}
        return Message((self._leader, *peers), "ack", facts=facts)

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

    def _elect(self, context: PlanningContext) -> Decision:
        """Say that it is free, and how it is placed; then organise those it hears, or do as whoever does asks.

        An agent without a task that hears of somebody free while it idles says so too, and then takes orders.
        """
        idles = context.stage is I
        if idles and (context.plan is None or context.plan.task):
            return Decision(RESUME)
        now = self._election.at(context.step)
        if now.order is not None and context.view.task(now.order) is not None:
            return self._announce(context, now.order)
        if not now.has_bid and (now.free or not idles):
            now.has_bid = True
            bid = Message(EVERYONE, "inform", facts=_facts(context, NEWS, free=True))
            return Decision(RESUME if idles else None, (bid,))
        if idles:
            return Decision(RESUME)
        if now.free and now.mine is None and context.rounds_left > 1:
            return Decision(None, (Message(EVERYONE, "inform", facts=_facts(context, standing=now.stand())),))
        if context.waited < 2 or (now.is_led() and context.rounds_left > 1):
            return Decision(None)
        return self._organise(context, now.free.intersection(context.reachable))

    def _organise(self, context: PlanningContext, others: set[int]) -> Decision:
        """Share tasks out among the free agents this one hears, itself included; without any, choose by chance.

        Others it does not hear may be at a task too: whoever is seen there counts like one that has said so.
        """
        heard = self._committed(context)
        tasks = open_tasks(context.view, heard)
        taken = {task.id: max(heard.get(task.id, 0), task.in_place) for task in tasks}
        given = allocate(tasks, {*others, self._me}, context.view.travel, taken, FOR_ONE) if others else {}
        orders = self._orders(context, {i: task for i, task in given.items() if i != self._me})
        mine = given.get(self._me)
        if mine is None:
            for task_id in given.values():
                taken[task_id] += 1
            left = [msgspec.structs.replace(task, in_place=taken[task.id]) for task in tasks]
            mine = choose_alone(left, self._own_travel(context, left), self._rng.random, FOR_ONE)
        own = self._announce(context, mine)
        return Decision(own.plan, (*orders, *own.messages))

    def _announce(self, context: PlanningContext, task: str | None) -> Decision:
        return Decision(self._plan(context, task), self._commit(context, task))

    def _commit(self, context: PlanningContext, task: str | None) -> tuple[Message, ...]:
        if not context.reachable:
            return ()
        said = _facts(context, NEWS, task=task or NOTHING)
        facts = {**said, **_rests_on(context, task or NOTHING), **said}
        return (Message(EVERYONE, "commit", facts=facts),)

    def _tell_of(self, context: PlanningContext, task: str) -> tuple[Message, ...]:
        """Say what it does now that a monitor has objected to what it did."""
        is_led = self._leader not in (-1, self._me)
        return (self._ack(context, task),) if is_led else self._commit(context, task)

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
        return Plan(context.view.recipe(task.id, task.required), task.id, dict(context.view.premises(task.id)))


def _facts(context: PlanningContext, news: int = 0, **said: Any) -> dict[str, Fact]:
    """Return what a message says: what is worth telling, what the others need for the task it names, and `said`.

    Args:
        context: The speaker's situation.
        news: Discoveries to tell at most; 0 tells nothing of the speaker's own.
        **said: The point of the message.
    """
    tasks = dict.fromkeys([said.get("task") or said.get("order"), *said.get("orders", {}).values()])
    told: dict[str, Any] = {**(context.view.news(news) if news else {})}
    for task in tasks:
        told.update(context.view.about(task) if task else {})
    now = {key: Fact(value, context.step) for key, value in said.items()}
    return {**{key: Fact(value, _observed(context, key, value)) for key, value in told.items()}, **now}


def _rests_on(context: PlanningContext, task: str) -> dict[str, Fact]:
    """Return what a plan for a task rests on, as the speaker has seen it itself."""
    seen = {key: context.view.observed(key) for key in context.view.premises(task)}
    return {key: Fact(*found) for key, found in seen.items() if found is not None}


def _observed(context: PlanningContext, key: str, value: Any) -> int:
    """Return the step at which a fact was observed: by the speaker, else by whoever told it; 0 if nobody knows."""
    seen = context.view.observed(key)
    if seen is not None and seen[0] == value:
        return seen[1]
    told = context.memory.facts.get(key)
    return told.step if told is not None and told.value == value else 0
