"""The team planner: allocates several tasks at once, and agrees on them only through messages.

What it knows of the others' intentions it has heard; what the topology or the channel keeps back it does not know.
Alone (no topology, or nothing heard) it chooses by chance.
"""

from __future__ import annotations

from collections.abc import Iterable

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
from emcoop.cognitive_layer.planners.allocation import Priority, allocate, choose_alone, join_or_open
from emcoop.cognitive_layer.stages import I
from emcoop.envs.embodiment import TaskView

NOTHING = "none"
DEFAULT = Priority()


class TeamPlanner:
    """Several tasks at once, agreed on through whatever the topology permits.

    Args:
        weight, effort, hands: How tasks compare; see `Priority`.
    """

    immediate = True

    def __init__(
        self, weight: float = DEFAULT.weight, effort: float = DEFAULT.effort, hands: float = DEFAULT.hands
    ) -> None:
        self._priority = Priority(weight, effort, hands)

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

    async def decide(self, context: PlanningContext) -> Decision:
        """Take in what was said, then lead, follow, join or bid, as the topology has it."""
        self._listen(context)
        if self._leader == self._me:
            return self._lead(context)
        if self._leader >= 0:
            return self._follow(context)
        if context.stage is I:
            return Decision(RESUME)
        if self._topology == "debate":
            return self._join(context)
        if context.reachable:
            return self._bid(context)
        return self._alone(context)

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

    def _committed(self, tasks: Iterable[TaskView]) -> dict[str, int]:
        """Return how many others are committed to each open task, as far as heard; forget tasks that are over."""
        open_ids = {task.id for task in tasks}
        self._task_of = {i: task for i, task in self._task_of.items() if task in open_ids}
        counts: dict[str, int] = {}
        for i, task in self._task_of.items():
            if i != self._me:
                counts[task] = counts.get(task, 0) + 1
        return counts

    # Ways to decide ------------------------------------------------------------------------------------------------

    def _lead(self, context: PlanningContext) -> Decision:
        """Assign everybody who is free; plan for itself when the others have been told."""
        tasks = context.view.tasks()
        committed = self._committed(tasks)
        reasoning = context.stage is not I
        first = reasoning and context.step == 0 and context.waited == 0
        free = set(range(self._n)) - {self._me} if first else self._waiting | self._idle
        if reasoning and "own" not in context.memory.notes:
            free.add(self._me)
        given = allocate(tasks, free, context.view.travel, committed, self._priority)
        asked = self._waiting - self._idle
        messages = [
            self._order(i, given.get(i), context.step) for i in sorted(free - {self._me}) if i in given or i in asked or first
        ]
        self._waiting.clear()
        self._idle = free - set(given) - {self._me}
        for i in free:
            if i in given:
                self._task_of[i] = given[i]
        if not reasoning:
            return Decision(RESUME, tuple(messages))
        if self._me in free:
            context.memory.notes["own"] = given.get(self._me)
        if messages and first:
            return Decision(None, tuple(messages))
        own = context.memory.notes.pop("own", None)
        return Decision(self._plan(context, own), tuple(messages))

    def _order(self, agent: int, task: str | None, step: int) -> Message:
        order = task or NOTHING
        return Message((agent,), "request", f"take {order}", {"order": Fact(order, step)})

    def _follow(self, context: PlanningContext) -> Decision:
        """Do what the leader asks; ask for work when out of it; after a while without an answer, choose alone."""
        orders = [m.facts["order"].value for m in context.unread if m.sender == self._leader and "order" in m.facts]
        if context.stage is I and (not orders or context.plan is None or context.plan.task):
            return Decision(RESUME)
        if orders:
            task = None if orders[-1] == NOTHING else orders[-1]
            reply = Message((self._leader,), "ack", facts={"task": Fact(orders[-1], context.step)})
            return Decision(self._plan(context, task), (reply,) if context.step == 0 else ())
        if context.waited == 0 or (context.step == 0 and context.waited < 2):
            free = Message((self._leader,), "free", facts={"free": Fact(True, context.step)})
            return Decision(None, (free,))
        return self._alone(context)

    def _join(self, context: PlanningContext) -> Decision:
        """Join or avoid what earlier speakers committed to, and say so."""
        tasks = context.view.tasks()
        travel = self._own_travel(context, tasks)
        committed = self._committed(tasks)
        if not committed and self._me > 0:
            return self._alone(context)
        task = join_or_open(tasks, travel, committed, self._n, self._priority)
        return self._announce(context, task)

    def _bid(self, context: PlanningContext) -> Decision:
        """Say that it is free; once the others' bids are in, allocate the free ones and take its own part."""
        if context.waited == 0:
            bid = Message(EVERYONE, "inform", facts={"free": Fact(True, context.step)})
            return Decision(None, (bid,))
        tasks = context.view.tasks()
        committed = self._committed(tasks)
        bidders = {i for i, step in self._bids.items() if step == context.step}
        if not bidders and not committed:
            return self._alone(context)
        given = allocate(tasks, bidders | {self._me}, context.view.travel, committed, self._priority)
        return self._announce(context, given.get(self._me))

    def _announce(self, context: PlanningContext, task: str | None) -> Decision:
        said = Message(EVERYONE, "commit", facts={"task": Fact(task or NOTHING, context.step)})
        return Decision(self._plan(context, task), (said,) if context.reachable else ())

    def _alone(self, context: PlanningContext) -> Decision:
        tasks = context.view.tasks()
        task = choose_alone(tasks, self._own_travel(context, tasks), self._rng.random, self._priority)
        return Decision(self._plan(context, task))

    def _own_travel(self, context: PlanningContext, tasks: Iterable[TaskView]) -> dict[str, int]:
        return {task.id: context.view.travel(task.id, [self._me])[0] for task in tasks if task.available}

    def _plan(self, context: PlanningContext, task: str | None) -> Plan:
        known = {t.id: t for t in context.view.tasks()}
        if task is None or task not in known:
            return Plan(context.view.idle() or (ActionCall("wait"),), reasoning="no task to do")
        return Plan(context.view.recipe(task, known[task].required), task)
