"""From what a model wants to say to messages: with the facts others need, within the budget, never in vain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.plan import EVERYONE, Fact, Message, PlanningContext, SeatSetup
from emcoop.cognitive_layer.planners.allocation import NOTHING
from emcoop.cognitive_layer.planners.llm.reply import Said
from emcoop.envs.embodiment import TaskView

NEWS_KINDS = ("inform", "commit", "ack")
"""Kinds of messages that carry news."""
CHARS_OF_NEWS = 40
"""Characters to reckon with for one discovery."""


class Speaker:
    """Writes the messages of one seat.

    Args:
        setup: The seat's setup.
        share_news: Discoveries told in one decision at most.
        feedback: Whether a leader adds to its messages what it sees of a task's constraints.
    """

    def __init__(self, setup: SeatSetup, share_news: int, feedback: bool) -> None:
        self._leads = bool(setup.reports) or setup.leader == setup.seat
        self._directed = setup.leader if setup.leader not in (-1, setup.seat) else -1
        self._share_news = share_news
        self._feedback = feedback and self._leads
        self._most_messages: int | None = setup.budgets.get("messages_per_step")
        self._most_chars: int | None = setup.budgets.get("message_chars_per_step")
        self._step, self._messages, self._chars = -1, 0, 0

    def left(self, step: int) -> tuple[int | None, int | None]:
        """Return the messages and the characters it may still send before a step, None = no limit."""
        if step != self._step:
            self._step, self._messages, self._chars = step, 0, 0
        messages = None if self._most_messages is None else max(self._most_messages - self._messages, 0)
        return messages, None if self._most_chars is None else max(self._most_chars - self._chars, 0)

    def announce(self, context: PlanningContext, choice: str, free: Sequence[int], resumed: bool) -> list[Said]:
        """Return what a model that only chooses tells the others: a leader's choice is what it asks everybody for.

        Args:
            context: The situation.
            choice: The chosen task, `NO_TASK` if none.
            free: Agents that said they have no task.
            resumed: Whether it goes on with its plan: then only a leader speaks, and only to those.
        """
        waiting = tuple(i for i in free if i in context.reachable)
        if not context.reachable or (resumed and not (self._leads and waiting and choice)):
            return []
        text = f"I do {choice}." if choice else "I have no task."
        if self._leads and choice:
            return [Said(waiting if resumed else EVERYONE, "request", text, choice, {})]
        if self._directed >= 0:
            return [Said((self._directed,), "ack", text, choice, {})]
        return [Said(EVERYONE, "commit", text, choice, {})]

    def write(self, context: PlanningContext, said: Iterable[Said], task: str) -> tuple[Message, ...]:
        """Write messages.

        Args:
            context: The situation.
            said: What the model wants to say.
            task: Task of its plan, which commitments are about if they name none.
        """
        messages: list[Message] = []
        news: dict[str, Any] | None = None
        for wish in said:
            n_left, chars_left = self.left(context.step)
            if n_left == 0 or (chars_left is not None and len(wish.text) > chars_left):
                break
            about = wish.task or (task if wish.kind in ("commit", "ack") else "")
            facts = {**self._point(wish, about), **wish.facts, **(context.view.about(about) if about else {})}
            text = wish.text
            seen = context.view.task(about) if self._feedback and about else None
            if seen is not None:
                facts[f"counts:{about}"] = _counts(seen)
                text = f"{text} [{about}: {_count_words(seen)}]".strip()
            facts = _fitting(facts, len(text), chars_left)
            if wish.kind in NEWS_KINDS and news is None:
                room = None if chars_left is None else chars_left - len(text) - _chars(facts)
                most = self._share_news if room is None else min(self._share_news, room // CHARS_OF_NEWS)
                news = dict(context.view.news(most)) if most > 0 else {}
            if wish.kind in NEWS_KINDS:
                facts = _fitting(
                    {**facts, **{key: item for key, item in (news or {}).items() if key not in facts}},
                    len(text),
                    chars_left,
                )
            self._messages += 1
            self._chars += len(text) + _chars(facts)
            stated = {key: Fact(item, context.step) for key, item in facts.items()}
            messages.append(Message(wish.to, wish.kind, text, stated))
        return tuple(messages)

    def _point(self, wish: Said, task: str) -> dict[str, Any]:
        """Return the facts by which the scripted team understands what is meant."""
        if wish.kind in ("commit", "ack"):
            return {"task": task or NOTHING}
        if wish.kind == "request" and self._leads:
            return {"order": task or NOTHING}
        return {"free": True} if wish.kind == "free" else {}


def _counts(seen: TaskView) -> dict[str, Any]:
    """Return the constraint counts of a task as far as the speaker's own view says them."""
    return {"need": seen.required, "in_place": seen.in_place, "possible": seen.available}


def _count_words(seen: TaskView) -> str:
    possible = "possible now" if seen.available else "not possible yet"
    return f"needs {seen.required}, {seen.in_place} in place, {possible}"


def _chars(facts: Mapping[str, Any]) -> int:
    return sum(len(key) + len(str(item)) for key, item in facts.items())


def _fitting(facts: Mapping[str, Any], used: int, most: int | None) -> dict[str, Any]:
    """Return the first facts that fit into what is left of the budget."""
    if most is None:
        return dict(facts)
    kept: dict[str, Any] = {}
    for key, item in facts.items():
        used += len(key) + len(str(item))
        if used > most:
            break
        kept[key] = item
    return kept
