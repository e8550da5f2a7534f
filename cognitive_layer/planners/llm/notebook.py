"""What the planner of one seat keeps between decisions: who goes where, as heard; own notes, outcomes, messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from emcoop.cognitive_layer.plan import Message, Outcome, PlanningContext
from emcoop.cognitive_layer.planners.allocation import NOTHING
from emcoop.cognitive_layer.planners.llm import words
from emcoop.envs.embodiment import NO_TASK, View

MOST_TEXT = 400
"""Characters shown of a message's text, and characters a text may have."""
MOST_FACTS_SHOWN = 8
MOST_SHOWN = 24
"""Unread messages shown in full; of the others only commitments are noted."""
MOST_NOTE = 300

PROTOCOL = frozenset(("task", "order", "free"))
"""Facts by which agents tell each other what they do; the scripted team uses the same."""


class MessageRow(NamedTuple):
    """A message in words that are safe to show.

    Attributes:
        sender: Who said it.
        kind: What kind of speech act it is.
        text: What was said, in quotes; empty if nothing.
        facts: What was stated.
        step: Step at which it was heard.
    """

    sender: int
    kind: str
    text: str
    facts: str
    step: int


def message_row(message: Message, step: int) -> MessageRow:
    """Put a message into words that are safe to show."""
    shown = {key: fact.value for key, fact in list(message.facts.items())[:MOST_FACTS_SHOWN]}
    rest = len(message.facts) - len(shown)
    facts = words.pairs(shown) + (f" and {rest} more" if rest > 0 else "")
    return MessageRow(
        message.sender, message.kind, words.quote(message.text, MOST_TEXT) if message.text else "", facts, step
    )


class Notebook:
    """Memory of one seat, bounded.

    Args:
        me: Own index.
        leader: Who directs this seat, -1 if nobody does.
        size: Entries kept of each kind.

    Attributes:
        task_of: Agent -> task it said it would do.
        free: Agents that said they have no task, in the order in which they said so.
        order: Task the leader asked for last.
        notes: Own notes with the step they were made at.
        outcomes: How own plans ended, oldest first.
        heard: Messages read before, oldest first.
    """

    def __init__(self, me: int, leader: int, size: int) -> None:
        self._me, self._leader = me, leader
        self.task_of: dict[int, str] = {}
        self.free: dict[int, None] = {}
        self.order = NO_TASK
        self.notes: deque[tuple[int, str]] = deque(maxlen=size)
        self.outcomes: deque[Outcome] = deque(maxlen=size)
        self.heard: deque[MessageRow] = deque(maxlen=size)
        self._shown: tuple[set[int], list[MessageRow]] = (set(), [])

    def take_in(self, context: PlanningContext) -> None:
        """Note how the last plan ended, and what the messages say of who does what."""
        if context.last is not None and (not self.outcomes or self.outcomes[-1] != context.last):
            self.outcomes.append(context.last)
        still_unread = {message.id for message in context.unread}
        if not self._shown[0] & still_unread:
            self.heard.extend(self._shown[1])
        self._shown = (set(), [])
        for message in context.unread:
            self._listen(message)
        is_open = {task: context.view.task(task) is not None for task in set(self.task_of.values())}
        self.task_of = {agent: task for agent, task in self.task_of.items() if is_open[task]}
        if self.order not in (NO_TASK, NOTHING) and context.view.task(self.order) is None:
            self.order = NO_TASK

    def _listen(self, message: Message) -> None:
        facts = message.facts
        task, free, order = facts.get("task"), facts.get("free"), facts.get("order")
        if task is not None and message.kind in ("commit", "ack"):
            self.settle(message.sender, task.value)
        if free is not None and free.value is True:
            self.task_of.pop(message.sender, None)
            self.free[message.sender] = None
        if order is not None and message.sender == self._leader and _is_name(order.value):
            self.order = order.value

    def settle(self, agent: int, task: Any) -> None:
        """Note that an agent has a task now; `NOTHING` is none, and what can be no name of a task says nothing."""
        if not _is_name(task):
            return
        self.free.pop(agent, None)
        if task == NOTHING:
            self.task_of.pop(agent, None)
        elif agent != self._me:
            self.task_of[agent] = task

    def coming(self) -> dict[str, list[int]]:
        """Return task -> agents that said they would do it, in order."""
        found: dict[str, list[int]] = {}
        for agent in sorted(self.task_of):
            found.setdefault(self.task_of[agent], []).append(agent)
        return found

    def show(self, unread: Sequence[Message], step: int) -> tuple[list[MessageRow], list[int]]:
        """Choose the messages to show.

        Returns:
            Those, oldest first, and the ids of messages neither shown nor noted.
        """
        shown, missed = unread, []
        if len(unread) > MOST_SHOWN:
            ranks = [self._rank(message) for message in unread]
            order = sorted(range(len(unread)), key=lambda k: (ranks[k], -k))
            shown = [unread[k] for k in sorted(order[:MOST_SHOWN])]
            missed = [unread[k].id for k in sorted(order[MOST_SHOWN:]) if PROTOCOL.isdisjoint(unread[k].facts)]
        rows = [message_row(message, step) for message in shown]
        self._shown = ({message.id for message in unread}, rows)
        return rows, missed

    def _rank(self, message: Message) -> int:
        return 0 if message.sender == self._leader else 1 if message.kind == "request" else 2

    def write(self, note: str, step: int) -> None:
        """Keep a note of the model's own."""
        self.notes.append((step, words.quote(note, MOST_NOTE)))


def heard_of(view: View, task: str) -> bool:
    """Say whether a name is that of a task the agent knows and that is open."""
    return _is_name(task) and view.task(task) is not None


def _is_name(value: object) -> bool:
    """Say whether a value can be the name of a task; nothing else is worth asking a view about."""
    return isinstance(value, str) and 0 < len(value) <= words.MOST_NAME
