"""What a leader makes of constraint counts: how the tasks it has given out go, and whose hands are needed elsewhere.

The counts are those of its own view, and those that its reports tell it in facts named `counts:<task>`, written as the
language-model planner writes them: `{"need": 3, "in_place": 1, "possible": True}`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.plan import Message, Outcome
from emcoop.cognitive_layer.planners.allocation import FOR_ALL, NOTHING, Travel, allocate
from emcoop.envs.embodiment import NEVER, TaskView, View

COUNTS = "counts:"
"""How the names of facts begin that tell the counts of a task."""

REFUSED = 40
"""Steps for which an agent is not asked again for what it said it cannot do."""

EXTRA = 1
"""Hands beyond its quorum sent to a task at which a quorum was waited for in vain."""


class Supervision:
    """What a leader has been told of tasks under way.

    Args:
        me: The leader.
    """

    def __init__(self, me: int) -> None:
        self._me = me
        self._refused: dict[tuple[int, str], int] = {}
        self._named: dict[tuple[int, str], int] = {}
        self._short: dict[str, int] = {}

    def hear(self, message: Message, step: int) -> list[str]:
        """Take in the counts that a report tells; return the tasks that its sender cannot do."""
        hopeless = []
        for key, fact in message.facts.items():
            need, in_place, possible = _read(fact.value) if key.startswith(COUNTS) else (0, 0, True)
            task = key[len(COUNTS) :]
            if not possible:
                self._refused[message.sender, task] = step
                hopeless.append(task)
            elif in_place < need:
                self._short[task] = EXTRA
        return hopeless

    def note_own(self, last: Outcome | None, task: TaskView | None) -> None:
        """Take in that the leader itself has waited for a quorum in vain."""
        if last is not None and task is not None and last.reason.startswith("failed") and task.in_place < task.required:
            self._short[task.id] = EXTRA

    def in_vain(self, view: View, given: Mapping[int, str]) -> set[int]:
        """Return the agents whose task is over, or cannot go on: its dependency fails and nobody is in place.

        Nobody is named twice for the same task within `REFUSED` steps: who goes on with it knows better.

        Args:
            view: The leader's view.
            given: Agent -> task, as the leader gave it or heard of it.
        """
        known = {name: view.task(name) for name in set(given.values()) - {NOTHING}}
        hopeless = {name for name, task in known.items() if task is None or not (task.available or task.in_place)}
        named = {agent: name for agent, name in given.items() if name in hopeless and agent != self._me}
        self._named = {who: when for who, when in self._named.items() if view.step - when < REFUSED}
        fresh = {agent for agent, name in named.items() if (agent, name) not in self._named}
        self._named.update({(agent, named[agent]): view.step for agent in fresh})
        return fresh

    def hands(self, committed: Mapping[str, int], mine: str) -> dict[str, int]:
        """Return the hands that count for each task: the leader's own too, less where they have not been enough."""
        counts = dict(committed)
        if mine:
            counts[mine] = counts.get(mine, 0) + 1
        self._short = {task: extra for task, extra in self._short.items() if counts.get(task, 0) > 0}
        return {task: max(count - self._short.get(task, 0), 0) for task, count in counts.items()}

    def assign(
        self, tasks: Sequence[TaskView], free: Collection[int], view: View, hands: Mapping[str, int]
    ) -> dict[int, str]:
        """Give free agents tasks: first whatever is under way and lacks hands, then as `allocate` does."""
        travel = self._willing(view.travel, view.step)
        begun = [task for task in tasks if 0 < hands.get(task.id, 0) < task.required]
        given = allocate(begun, free, travel, hands, FOR_ALL, gather=False)
        now = dict(hands)
        for task in given.values():
            now[task] += 1
            self._short.pop(task, None)
        return {**given, **allocate(tasks, set(free) - set(given), travel, now, FOR_ALL)}

    def _willing(self, travel: Travel, step: int) -> Callable[[str, Sequence[int]], list[int]]:
        """Return travel estimates in which who said that it cannot do a task is of no use for it."""
        self._refused = {who: when for who, when in self._refused.items() if step - when < REFUSED}

        def estimate(task: str, agents: Sequence[int]) -> list[int]:
            steps = travel(task, agents)
            return [NEVER if (agent, task) in self._refused else far for agent, far in zip(agents, steps)]

        return estimate


def counts_of(name: str, task: TaskView | None) -> dict[str, Any]:
    """Return the fact that tells the counts of a task as a view has them; one that is not known is not possible.

    Args:
        name: The task.
        task: What the view knows of it.
    """
    if task is None:
        return {COUNTS + name: {"need": 0, "in_place": 0, "possible": False}}
    return {COUNTS + name: {"need": task.required, "in_place": task.in_place, "possible": task.available}}


def _read(value: Any) -> tuple[int, int, bool]:
    """Return need, in_place and possible; what is malformed says nothing."""
    said = value if isinstance(value, Mapping) else {}
    need, in_place = said.get("need"), said.get("in_place")
    if type(need) is not int or type(in_place) is not int:
        return 0, 0, said.get("possible") is not False
    return need, in_place, said.get("possible") is not False
