"""What agents were told and what they held to be true, as far as a trace can check it.

Claims say which facts of messages hold; the assumptions of a plan say what its agent takes for true. Everything here is
about facts that some plan rests on: others mislead nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emcoop.metrics.failures.mail import recipients_of
from emcoop.metrics.failures.records import HeldPlan, contradicts, held_plans
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Claim, Message, Reaction, Transport


@dataclass(eq=False)
class Telling:
    """A message that states a fact some plan rests on.

    Attributes:
        message: The message.
        claim: The fact and its truth: as sent, or as it was read where it had been corrupted on the way.
        to: Whom it was addressed to.
        readers: Who read it with this value, and the record of that: consumed or discarded, the first time.
    """

    message: Message
    claim: Claim
    to: frozenset[int]
    readers: dict[int, Reaction] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        """The value it states."""
        return self.claim.value

    @property
    def garbled(self) -> bool:
        """Whether this is not what its sender said."""
        return self.claim.when == "read"

    def known_to(self) -> Iterator[tuple[int, int, int]]:
        """Yield who knows of it since when: agent, place in the log, environment step."""
        if not self.garbled:
            yield self.message.sender, self.claim.seq, self.message.t
        for agent, reaction in self.readers.items():
            yield agent, reaction.seq, reaction.t


@dataclass(frozen=True)
class Beliefs:
    """Facts that plans rest on.

    Attributes:
        tellings: Per fact who told it, in order.
        claims: Per fact what is known of its truth, in order.
    """

    tellings: Mapping[str, Sequence[Telling]]
    claims: Mapping[str, Sequence[Claim]]

    def verdict(self, key: str, value: Any, seq: int) -> bool | None:
        """Say whether a value was true at a place in the log, as the last claim before it has it; None if none has."""
        for claim in reversed(self.claims.get(key, ())):
            if claim.seq <= seq:
                if not contradicts(claim.value, value):
                    return claim.true
                if claim.true:
                    return False
        return None

    def heard(self, agent: int, key: str, seq: int) -> Iterator[Telling]:
        """Yield what an agent had read about a fact before a place in the log, the latest telling first."""
        for telling in reversed(self.tellings.get(key, ())):
            if agent in telling.readers and telling.readers[agent].seq < seq:
                yield telling


@per_trace
def beliefs(trace: Trace) -> Beliefs:
    """Return who was told what about the facts that plans rest on, and what of it was true."""
    keys = {key for plan in held_plans(trace) for key in plan.assumptions}
    claims: dict[str, list[Claim]] = {}
    for claim in trace.of(Claim):
        if claim.key in keys:
            claims.setdefault(claim.key, []).append(claim)
    return Beliefs(_tellings(trace, claims), claims)


def _tellings(trace: Trace, claims: Mapping[str, Sequence[Claim]]) -> dict[str, list[Telling]]:
    messages = {message.id: message for message in trace.of(Message)}
    garbled = garbled_copies(trace)
    found: dict[str, list[Telling]] = {}
    by_message: dict[int, list[Telling]] = {}
    for key, about in claims.items():
        sent: dict[int, Telling] = {}
        for claim in about:
            message, first = messages.get(claim.message), sent.get(claim.message)
            if message is None or (first is not None and not contradicts(first.value, claim.value)):
                continue
            to = frozenset(recipients_of(trace, message, message.sender))
            telling = Telling(message, claim, to)
            if not telling.garbled:
                sent[claim.message] = telling
            found.setdefault(key, []).append(telling)
            by_message.setdefault(claim.message, []).append(telling)
    if by_message and trace.episode.channel.get("control") != "shuffle":  # shuffled, nobody reads what it was sent
        _add_readers(trace, by_message, garbled)
    return found


def garbled_copies(trace: Trace) -> set[tuple[int, int]]:
    """Return the copies that arrived with another content: message and recipient."""
    return {
        (record.message, agent)
        for record in trace.of(Transport)
        if record.outcome == "corrupted" and not isinstance(record.recipients, str)
        for agent in record.recipients
    }


def _add_readers(trace: Trace, by_message: Mapping[int, Sequence[Telling]], garbled: set[tuple[int, int]]) -> None:
    """Add who read what; of a message that was changed for all no copy is marked as changed."""
    marked = {message for message, _ in garbled}
    for reaction in trace.of(Reaction):
        if reaction.label not in ("consume", "discard"):
            continue
        for message in filter(by_message.__contains__, reaction.messages):
            told = by_message[message]
            changed = message not in marked and any(one.garbled and one.claim.t == reaction.t for one in told)
            is_garbled = changed or (message, reaction.agent) in garbled
            for telling in told:
                if is_garbled == telling.garbled and (not is_garbled or telling.claim.t == reaction.t):
                    telling.readers.setdefault(reaction.agent, reaction)


def assumed(trace: Trace) -> Iterator[tuple[HeldPlan, str, Any]]:
    """Yield every assumption of every plan, in order: the plan, the fact, its value."""
    for plan in held_plans(trace):
        for key, value in sorted(plan.assumptions.items()):
            yield plan, key, value
