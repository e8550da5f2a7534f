"""Sending, delivering and handling messages, so that every copy is accounted for at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from emcoop.cognitive_layer.budgets import Budgets
from emcoop.cognitive_layer.channel import Channel
from emcoop.cognitive_layer.plan import Message, Reaction
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.topologies import Topology
from emcoop.envs.embodiment import Embodiment
from emcoop.errors import EmCoopError
from emcoop.trace import schema
from emcoop.trace.schema import EVERYONE


class PostOffice:
    """Carries messages between seats.

    Args:
        seats: All seats.
        topology: Who may write to whom.
        channel: What becomes of copies on their way.
        budgets: Limits on messages.
        recorder: The trace.
        embodiment: Learns what was told; checks facts, for the trace only.

    Attributes:
        counters: Copies by fate; see `check_books`.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        topology: Topology,
        channel: Channel,
        budgets: Budgets,
        recorder: Recorder,
        embodiment: Embodiment,
    ) -> None:
        self._seats = seats
        self._topology = topology
        self._channel = channel
        self._budgets = budgets
        self._recorder = recorder
        self._embodiment = embodiment
        self._next_id = 0
        self._checked: dict[int, int] = {}
        self.counters: Counter[str] = Counter()

    def send(self, seat: Seat, messages: Sequence[Message]) -> list[int]:
        """Send a seat's messages in order; return their ids."""
        return [self._send(seat, message) for message in messages]

    def _send(self, seat: Seat, message: Message) -> int:
        message = msgspec.structs.replace(message, sender=seat.index, id=self._next_id)
        self._next_id += 1
        self._recorder.message(message)
        self.counters["messages"] += 1
        fates = self._sort(seat, message)
        deliverable = fates.pop("", [])
        everyone = message.recipients == EVERYONE
        self.counters["copies"] += len(deliverable) + sum(map(len, fates.values()))
        fates.update(self._channel.send(message, deliverable, self._recorder.c))
        for outcome, copies in fates.items():
            if copies:
                self._transport(message.id, copies, outcome, everyone and len(copies) == len(deliverable))
        if deliverable:
            self._claims(message, "sent")
        return message.id

    def _sort(self, seat: Seat, message: Message) -> dict[str, list[int]]:
        """Sort the recipients by what keeps their copy from being sent; the key "" holds those that are sent."""
        chars = len(message.text) + sum(len(key) + len(str(fact.value)) for key, fact in message.facts.items())
        seat.messages_now += 1
        seat.chars_now += chars
        reachable = self._topology.reachable(seat.index)
        named: Sequence[Any] = () if isinstance(message.recipients, str) else message.recipients
        wanted = list(reachable if message.recipients == EVERYONE else dict.fromkeys(named))
        over_budget = (
            self._budgets.messages_per_step is not None and seat.messages_now > self._budgets.messages_per_step
        ) or (
            self._budgets.message_chars_per_step is not None and seat.chars_now > self._budgets.message_chars_per_step
        )
        if over_budget:
            return {"over_budget": wanted}
        if message.recipients == EVERYONE:
            return {"": wanted}
        fates: dict[str, list[int]] = {"": [], "not_permitted": [], "no_such_agent": []}
        for recipient in wanted:
            exists = isinstance(recipient, int) and 0 <= recipient < len(self._seats)
            permitted = exists and recipient in reachable
            fates["" if permitted else "not_permitted" if exists else "no_such_agent"].append(recipient)
        return fates

    def _transport(self, message: int, copies: list[int], outcome: str, everyone: bool) -> None:
        recipients = EVERYONE if everyone else copies
        self._recorder.emit(
            schema.Transport(message=message, recipients=recipients, outcome=outcome, count=len(copies))
        )
        self.counters[outcome] += len(copies)

    def is_due(self, now: int) -> bool:
        """Say whether any message arrives by round `now`."""
        return self._channel.is_due(now)

    def is_busy(self) -> bool:
        """Say whether any message is under way."""
        return bool(self._channel.pending())

    def deliver(self) -> list[int]:
        """Put every copy that arrives in this round into its mailbox; return who got one, in order."""
        got: set[int] = set()
        for message, recipients in self._channel.arrivals(self._recorder.c):
            for recipient in recipients:
                self._seats[recipient].unread.append(message)
            got.update(recipients)
            if message.facts:
                self._embodiment.learn(recipients, message.facts)
            everyone = message.recipients == EVERYONE
            complete = everyone and len(recipients) == len(self._topology.reachable(message.sender))
            self._transport(message.id, recipients, "delivered", complete)
        return sorted(got)

    def handle(self, seat: Seat, shown: Sequence[Message], reactions: Sequence[Reaction], activation: int) -> list[int]:
        """Apply a decision's reactions to the messages that were in its context; return the ids of rerouted copies."""
        if not shown:
            return []
        self.counters["rendered"] += len(shown)
        rerouted = []
        said = {reaction.message: reaction for reaction in reactions}
        by_label: dict[str, list[int]] = {}
        ids = set()
        kept = []
        for message in shown:
            ids.add(message.id)
            reaction = said.get(message.id)
            label = "consume" if reaction is None else reaction.label
            if label == "reroute" and reaction is not None:
                rerouted.append(self._reroute(seat, message, reaction, activation))
                continue
            by_label.setdefault(label, []).append(message.id)
            if label == "wait":
                kept.append(message)
            elif label == "consume":
                seat.memory.learn(message.facts, message.sender)
                if self._checked.get(message.id, self._recorder.t) < self._recorder.t:
                    self._claims(message, "read")
        seat.unread = [message for message in seat.unread if message.id not in ids]
        seat.kept = kept
        for said_label, messages in by_label.items():
            self._recorder.emit(
                schema.Reaction(agent=seat.index, activation=activation, label=said_label, messages=messages)
            )
            if said_label != "wait":
                self.counters[said_label] += len(messages)
        return rerouted

    def _reroute(self, seat: Seat, message: Message, reaction: Reaction, activation: int) -> int:
        self._recorder.emit(
            schema.Reaction(
                agent=seat.index, activation=activation, label="reroute", messages=[message.id], to=list(reaction.to)
            )
        )
        self.counters["reroute"] += 1
        return self._send(seat, msgspec.structs.replace(message, recipients=tuple(reaction.to)))

    def _claims(self, message: Message, when: str) -> None:
        """Record the truth of checkable facts when they are sent, and at later steps at which they are read."""
        for key, fact in message.facts.items():
            truth = self._embodiment.check_fact(key, fact.value)
            if truth is not None:
                self._checked[message.id] = self._recorder.t
                self._recorder.emit(schema.Claim(message=message.id, key=key, value=fact.value, when=when, true=truth))

    def close(self) -> dict[str, int]:
        """End of the episode: expire what is under way, note what nobody read, and check that the books balance.

        Returns:
            The counters.
        """
        for message, recipients in self._channel.pending():
            self._transport(message.id, recipients, "expired", False)
        for seat in self._seats:
            left = [message.id for message in [*seat.kept, *seat.unread]]
            if left:
                self._recorder.emit(schema.Reaction(agent=seat.index, activation=-1, label="unread", messages=left))
                self.counters["unread"] += len(left)
        check_books(self.counters)
        return dict(sorted(self.counters.items()))


LOST = ("dropped", "expired", "muted", "not_permitted", "over_budget", "no_such_agent")


def check_books(counters: Counter[str]) -> None:
    """Raise unless every copy sent was delivered or lost, and every delivered one was handled or left unread."""
    if counters["copies"] != counters["delivered"] + sum(counters[outcome] for outcome in LOST):
        raise EmCoopError(f"message counters do not reconcile: {dict(counters)}")
    if counters["delivered"] != sum(counters[label] for label in ("consume", "discard", "reroute", "unread")):
        raise EmCoopError(f"message handling does not reconcile: {dict(counters)}")
