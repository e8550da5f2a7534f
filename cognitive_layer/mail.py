"""Sending, delivering and handling messages, so that every copy is accounted for at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from emcoop.cognitive_layer.budgets import Budgets
from emcoop.cognitive_layer.channel import Cells, Channel, Moment
from emcoop.cognitive_layer.injection import Faults
from emcoop.cognitive_layer.plan import Message, Reaction
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.tampering import characters
from emcoop.cognitive_layer.topologies import Topology
from emcoop.envs.embodiment import Embodiment
from emcoop.errors import EmCoopError
from emcoop.trace import schema
from emcoop.trace.schema import EVERYONE

MOST_PASSED_ON = 3
"""Times one message is passed on to the same agent; beyond that its copies expire, or reroutes would multiply."""

NOT_YET = -1
"""As the step at which a message's facts were checked: as they are read, never."""


class PostOffice:
    """Carries messages between seats.

    Args:
        seats: All seats.
        topology: Who may write to whom.
        channel: What becomes of copies on their way.
        budgets: Limits on messages.
        recorder: The trace.
        embodiment: Learns what was told; checks facts, for the trace only.
        cells: Returns where agents are, for channels of limited range.
        faults: What is done to messages on purpose.

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
        cells: Cells,
        faults: Faults | None = None,
    ) -> None:
        self._seats = seats
        self._topology = topology
        self._channel = channel
        self._budgets = budgets
        self._recorder = recorder
        self._embodiment = embodiment
        self._cells = cells
        self._faults = None if channel.is_mute else faults
        self._is_fixed = getattr(topology, "move", None) is None
        self._next_id = 0
        self._origins: dict[int, int] = {}
        self._passed_on: Counter[tuple[int, int]] = Counter()
        self._checked: dict[int, int] = {}
        self.counters: Counter[str] = Counter()

    def send(self, seat: Seat, messages: Sequence[Message]) -> list[int]:
        """Send a seat's messages in order; return their ids."""
        return [self._send(seat, message) for message in messages]

    def _send(self, seat: Seat, message: Message, origin: int | None = None) -> int:
        """Send one message; `origin` is the id of the first one of a chain of reroutes."""
        message = msgspec.structs.replace(message, sender=seat.index, id=self._next_id)
        self._next_id += 1
        self._recorder.message(message)
        self.counters["messages"] += 1
        fates = self._sort(seat, message)
        if origin is not None:
            self._wear_out(message.id, origin, fates)
        deliverable, meddle = fates.pop("", []), None
        if self._faults is not None:
            deliverable = self._faults.redirect(message, deliverable, self._topology.reachable(seat.index))
            meddle = self._faults.meddle
        everyone = self._is_fixed and message.recipients == EVERYONE
        self.counters["copies"] += len(deliverable) + sum(map(len, fates.values()))
        fates.update(self._channel.send(message, deliverable, self._now(), self._cells, meddle))
        for outcome, copies in fates.items():
            if copies:
                self._transport(message.id, copies, outcome, everyone and len(copies) == len(deliverable))
        if deliverable:
            self._claims(message, "sent")
        if self._faults is not None and message.id in self._faults.corrupted:
            self._checked[message.id] = NOT_YET
        return message.id

    def _wear_out(self, message: int, origin: int, fates: dict[str, list[int]]) -> None:
        """Let copies expire that would pass the same message on to the same agent again and again."""
        self._origins[message] = origin
        copies = fates.get("", [])
        worn = [recipient for recipient in copies if self._passed_on[origin, recipient] >= MOST_PASSED_ON]
        self._passed_on.update((origin, recipient) for recipient in copies)
        fates[""] = [recipient for recipient in copies if recipient not in worn]
        fates["expired"] = worn

    def _now(self) -> Moment:
        return Moment(self._recorder.t, self._recorder.c)

    def _sort(self, seat: Seat, message: Message) -> dict[str, list[int]]:
        """Sort the recipients by what keeps their copy from being sent; the key "" holds those that are sent."""
        seat.messages_now += 1
        seat.chars_now += characters(message)
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
        """Say whether any message arrives by round `now`, without a further step."""
        return self._channel.is_due(Moment(self._recorder.t, now))

    def is_busy(self) -> bool:
        """Say whether any message is under way for which only rounds have to pass."""
        return self._channel.awaits_rounds(self._recorder.t)

    def deliver(self) -> list[int]:
        """Put every copy that arrives in this round into its mailbox; return who got one, in order."""
        got: set[int] = set()
        for _, message, recipients in self._channel.arrivals(self._now()):
            for recipient in recipients:
                self._seats[recipient].unread.append(message)
            got.update(recipients)
            if message.facts:
                self._embodiment.learn(recipients, message.facts)
            everyone = self._is_fixed and message.recipients == EVERYONE
            complete = everyone and len(recipients) == len(self._topology.reachable(message.sender))
            self._transport(message.id, recipients, "delivered", complete)
        return sorted(got)

    def handle(self, seat: Seat, shown: Sequence[Message], reactions: Sequence[Reaction], activation: int) -> list[int]:
        """Apply a decision's reactions to the messages that were in its context; return the ids of rerouted copies."""
        if not shown:
            return []
        said = {reaction.message: reaction for reaction in reactions}
        labels = ["consume" if message.id not in said else said[message.id].label for message in shown]
        self._take_out(seat, shown)
        self.counters.update(labels)
        seat.kept = [message for message, label in zip(shown, labels) if label == "wait"]
        rerouted = []
        by_label: dict[str, list[Message]] = {}
        for message, label in zip(shown, labels):
            if label == "reroute":
                rerouted.append(self._reroute(seat, message, said[message.id], activation))
                continue
            by_label.setdefault(label, []).append(message)
            if label == "consume":
                self._consume(seat, message)
        for handled, messages in by_label.items():
            self._reaction(seat, activation, handled, messages)
        return rerouted

    def take(self, seat: Seat) -> list[Message]:
        """Hand a seat that is played from outside what it has been told; it counts as read."""
        shown = [*seat.kept, *seat.unread]
        if shown:
            self._take_out(seat, shown)
            self.counters["consume"] += len(shown)
            for message in shown:
                self._consume(seat, message)
            self._reaction(seat, -1, "consume", shown)
        return shown

    def _take_out(self, seat: Seat, shown: Sequence[Message]) -> None:
        """Take what has been shown out of the mailbox; a second copy that came since stays."""
        self.counters["rendered"] += len(shown)
        seen = Counter(message.id for message in shown)
        later = []
        for message in [*seat.kept, *seat.unread]:
            if seen[message.id]:
                seen[message.id] -= 1
            else:
                later.append(message)
        seat.kept, seat.unread = [], later

    def _consume(self, seat: Seat, message: Message) -> None:
        seat.memory.learn(message.facts, message.sender)
        if self._checked.get(message.id, self._recorder.t) < self._recorder.t:
            self._claims(message, "read")

    def _reaction(self, seat: Seat, activation: int, label: str, messages: Sequence[Message]) -> None:
        ids = [message.id for message in messages]
        self._recorder.emit(schema.Reaction(agent=seat.index, activation=activation, label=label, messages=ids))

    def _reroute(self, seat: Seat, message: Message, reaction: Reaction, activation: int) -> int:
        self._recorder.emit(
            schema.Reaction(
                agent=seat.index, activation=activation, label="reroute", messages=[message.id], to=list(reaction.to)
            )
        )
        passed_on = msgspec.structs.replace(message, recipients=tuple(reaction.to))
        return self._send(seat, passed_on, self._origins.get(message.id, message.id))

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
        for _, message, recipients in self._channel.pending():
            self._transport(message.id, recipients, "expired", False)
        for seat in self._seats:
            left = [*seat.kept, *seat.unread]
            if left:
                self._reaction(seat, -1, "unread", left)
                self.counters["unread"] += len(left)
        check_books(self.counters)
        return dict(sorted(self.counters.items()))


LOST = ("dropped", "expired", "muted", "out_of_range", "not_permitted", "over_budget", "no_such_agent")
"""Fates of a copy that does not arrive. What happens on the way (`delayed`, `corrupted`) is no fate."""

HANDLED = ("consume", "discard", "reroute")
"""What ends the handling of a delivered copy."""


def check_books(counters: Counter[str]) -> None:
    """Check that every copy is accounted for once.

    Copies sent, and their duplicates, were delivered or lost; those delivered were handled or left unread; and as often
    as a planner was shown one it handled it or kept it for later.

    Raises:
        EmCoopError: They are not: a defect of this package.
    """
    if counters["copies"] + counters["duplicated"] != counters["delivered"] + sum(counters[fate] for fate in LOST):
        raise EmCoopError(f"message counters do not reconcile: {dict(counters)}")
    handled = sum(counters[label] for label in HANDLED)
    if counters["delivered"] != handled + counters["unread"]:
        raise EmCoopError(f"message handling does not reconcile: {dict(counters)}")
    if counters["rendered"] != handled + counters["wait"]:
        raise EmCoopError(f"messages shown do not reconcile with those handled: {dict(counters)}")
