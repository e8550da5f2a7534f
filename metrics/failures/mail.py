"""Who may write to whom, and what became of messages: what the rules of communication read from a trace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emcoop.metrics.exchange import exchange
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import EVERYONE, Activation, Event, Message, Reaction, Transport

LOST = ("dropped", "muted", "out_of_range", "expired", "not_permitted", "over_budget", "no_such_agent")
"""Outcomes of transport after which a copy never arrives."""

Reach = Sequence[Collection[int]]
"""Whom each agent may write to."""


@dataclass(frozen=True)
class Others(Collection[int]):
    """All agents of a team but one, without a list of them."""

    n: int
    agent: int

    def __contains__(self, other: object) -> bool:
        return isinstance(other, int) and 0 <= other < self.n and other != self.agent

    def __iter__(self) -> Iterator[int]:
        return (other for other in range(self.n) if other != self.agent)

    def __len__(self) -> int:
        return self.n - 1


@per_trace
def reach(trace: Trace) -> Reach:
    """Return whom each agent may write to.

    Topologies are known by name. Of one that is drawn by chance, or was given as an object, only the links are known
    that carried a message; where agents move in and out of reach (`range`), and where nothing tells, everybody counts.
    """
    n = trace.episode.n_agents
    known = _by_name(trace.episode.topology, n)
    if known is not None:
        return known
    seen = _links_used(trace) if trace.episode.topology.get("name") != "range" else ()
    return seen if any(seen) else _all(n)


def links(trace: Trace) -> int:
    """Return how many ordered pairs of agents may write to each other, as the trace says or as `reach` has it."""
    return trace.episode.permitted if trace.episode.permitted >= 0 else sum(map(len, reach(trace)))


def may_talk(trace: Trace) -> bool:
    """Say whether anybody may write to anybody: where nobody can, no rule of communication applies."""
    return links(trace) > 0


def _all(n: int) -> Reach:
    return [Others(n, agent) for agent in range(n)]


def _by_name(topology: Mapping[str, Any], n: int) -> Reach | None:
    name = topology.get("name")
    if name == "individual" or n == 1:
        return [()] * n
    if name == "decentralized":
        return _all(n)
    if name == "debate":
        return [range(agent + 1, n) for agent in range(n)]
    try:
        pairs = _pairs(topology, n)
    except (TypeError, ValueError, LookupError, ArithmeticError):
        return None
    if pairs is None or not all(type(a) is int and type(b) is int and 0 <= a < n and 0 <= b < n for a, b in pairs):
        return None
    return _linked(pairs, n)


def _linked(pairs: Iterable[tuple[int, int]], n: int) -> Reach:
    found: list[set[int]] = [set() for _ in range(n)]
    for a, b in pairs:
        if a != b:
            found[a].add(b)
    return found


def _pairs(topology: Mapping[str, Any], n: int) -> list[tuple[int, int]] | None:
    """Return the links of a topology whose name and options say them, None of any other."""
    name = topology.get("name")
    if name in ("centralized", "star"):
        hub = topology.get("leader" if name == "centralized" else "hub", 0)
        return _both((hub, agent) for agent in range(n))
    if name == "hybrid":
        leader, size = topology.get("leader", 0), topology.get("peers", 2) + 1
        rest = [agent for agent in range(n) if agent != leader]
        squads = [rest[first : first + size] for first in range(0, len(rest), size)]
        return _both(
            [*((leader, agent) for agent in rest), *((a, b) for squad in squads for a in squad for b in squad)]
        )
    if name == "tree":
        leader = topology.get("leader", 0)
        order = [leader, *(agent for agent in range(n) if agent != leader)]
        return _both((order[(place - 1) // topology.get("b", 2)], order[place]) for place in range(1, n))
    if name == "ring":
        onward = [(agent, (agent + 1) % n) for agent in range(n)]
        return _both(onward) if topology.get("both_ways", True) else onward
    if name == "grid":
        width = topology.get("columns") or int((n - 1) ** 0.5) + 1
        beside = [(agent, agent + 1) for agent in range(n - 1) if (agent + 1) % width]
        return _both([*beside, *((agent, agent + width) for agent in range(n - width))])
    if name == "graph":
        edges = [(a, b) for a, b in topology["edges"]]
        return edges if topology.get("directed", False) else _both(edges)
    return None


def _both(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [link for a, b in pairs for link in ((a, b), (b, a))]


def _links_used(trace: Trace) -> list[set[int]]:
    """Return whom each agent's messages have reached, as far as their transport or their readers tell."""
    n = trace.episode.n_agents
    used: list[set[int]] = [set() for _ in range(n)]
    sender = {message.id: message.sender for message in trace.of(Message)}
    for record in trace.of(Transport):
        if record.outcome == "delivered" and not isinstance(record.recipients, str) and record.message in sender:
            used[sender[record.message]].update(agent for agent in record.recipients if 0 <= agent < n)
    for reaction in trace.of(Reaction):
        for message in reaction.messages:
            if message in sender:
                used[sender[message]].add(reaction.agent)
    for agent, reached in enumerate(used):
        reached.discard(agent)
    return used


def recipients_of(trace: Trace, record: Transport | Message, sender: int) -> Sequence[int]:
    """Return whom a record of copies is about; of everybody, those whom the sender may write to, in order."""
    if isinstance(record.recipients, str):
        return _reach_in_order(trace)[sender] if record.recipients == EVERYONE else []
    return record.recipients


class _InOrder(dict[int, Sequence[int]]):
    """Whom each agent may write to, in order; put in order once, when it is first asked for."""

    def __init__(self, reached: Reach) -> None:
        self._reached = reached

    def __missing__(self, sender: int) -> Sequence[int]:
        self[sender] = sorted(self._reached[sender])
        return self[sender]


@per_trace
def _reach_in_order(trace: Trace) -> _InOrder:
    return _InOrder(reach(trace))


def copies_in(trace: Trace, record: Transport, sender: int) -> int:
    """Return how many copies a record is about."""
    return len(reach(trace)[sender] if record.recipients == EVERYONE else record.recipients)


def misdirected(trace: Trace) -> list[tuple[Message, Transport, int]]:
    """Return the copies that somebody else got: message, record of the delivery, and the agent it was addressed to."""
    sent = {message.id: message for message in trace.of(Message)}
    named = {one.id: dict.fromkeys(one.recipients) for one in sent.values() if not isinstance(one.recipients, str)}
    got: dict[int, set[int]] = {}
    strayed: dict[int, Transport] = {}
    for record in trace.of(Transport):
        if record.message in named and not isinstance(record.recipients, str):
            got.setdefault(record.message, set()).update(record.recipients)
            if record.outcome == "delivered" and any(agent not in named[record.message] for agent in record.recipients):
                strayed.setdefault(record.message, record)
    return [
        (sent[message], record, agent)
        for message, record in strayed.items()
        for agent in named[message]
        if agent not in got[message] and 0 <= agent < trace.episode.n_agents
    ]


@dataclass
class Letter:
    """A work-bearing message on its way, together with the copies that recipients passed on.

    Attributes:
        first: The message it began with.
        open: Copies that are under way or not handled yet.
        consumed: Whether anybody has consumed it.
        closed: The last event that ended a copy; the sending itself if there was never one.
        lost: Outcomes of the copies that got lost.
        reroutes: Reroutes before anybody consumed it.
    """

    first: Message
    open: int = 0
    consumed: bool = False
    closed: Event = field(default_factory=Event)
    lost: list[str] = field(default_factory=list)
    reroutes: list[Reaction] = field(default_factory=list)


@per_trace
def letters(trace: Trace) -> list[Letter]:
    """Return every work-bearing message, in order, and how it ended."""
    wanted = _copies_wanted(trace)
    said = exchange(trace).said
    origin = {one.record.id: said[one.origin].record.id for one in said}
    of: dict[int, Letter] = {}
    event: Any
    for event in trace.events:
        kind = type(event)  # compared by identity: `isinstance` takes several times as long for most of the log
        if kind is Message:
            if event.work:
                letter = of.get(origin[event.id]) or Letter(event)
                of[event.id] = letter
                letter.open += wanted.get(event.id, 0)
                letter.closed = event
        elif kind is Transport:
            if event.message in of:
                _carry(of[event.message], event)
        elif kind is Reaction:
            for message in filter(of.__contains__, event.messages):
                _handle(of[message], event)
    return list({id(letter): letter for letter in of.values()}.values())


def _copies_wanted(trace: Trace) -> dict[int, int]:
    """Return how many copies each message has: those addressed, or, where the reach changes, those accounted for."""
    changes = trace.episode.topology.get("name") == "range"
    counted: dict[int, int] = {}
    for record in trace.of(Transport) if changes else ():
        sign = -1 if record.outcome == "duplicated" else 1
        if sign < 0 or record.outcome == "delivered" or record.outcome in LOST:
            counted[record.message] = counted.get(record.message, 0) + sign * record.count
    for message in trace.of(Message):
        if not isinstance(message.recipients, str):
            counted[message.id] = len(set(message.recipients))
        elif not changes:
            counted[message.id] = len(recipients_of(trace, message, message.sender))
    return counted


def _carry(letter: Letter, record: Transport) -> None:
    if record.outcome in LOST:
        letter.open -= record.count
        letter.closed = record
        letter.lost.append(record.outcome)
    elif record.outcome == "duplicated":
        letter.open += record.count


def _handle(letter: Letter, reaction: Reaction) -> None:
    if reaction.label in ("consume", "discard", "reroute"):
        letter.open -= 1
        letter.closed = reaction
    if reaction.label == "consume":
        letter.consumed = True
    elif reaction.label == "reroute" and not letter.consumed:
        letter.reroutes.append(reaction)


@dataclass
class Neglect:
    """A copy that lay in a mailbox while its recipient decided without it.

    Attributes:
        message, recipient: Which copy.
        delivered: The record of its delivery.
        passed: Decisions of the recipient, begun after the delivery, that did not handle it.
    """

    message: int
    recipient: int
    delivered: Transport
    passed: list[Activation] = field(default_factory=list)


@per_trace
def neglected(trace: Trace) -> list[Neglect]:
    """Return the copies that recipients left lying for at least one decision, in the order of the first of those."""
    sender = {message.id: message.sender for message in trace.of(Message)}
    boxes: list[dict[int, tuple[Transport, ...]]] = [{} for _ in range(trace.episode.n_agents)]
    known: dict[tuple[int, int, int], Neglect] = {}
    event: Any
    for event in trace.events:
        kind = type(event)
        if kind is Transport:
            if event.outcome == "delivered" and event.message in sender:
                _put(boxes, recipients_of(trace, event, sender[event.message]), event)
        elif kind is Reaction:
            box = boxes[event.agent]
            for message in event.messages:
                copies = box.pop(message, ())
                if len(copies) > 1:
                    box[message] = copies[1:]
        elif kind is Activation and boxes[event.agent]:
            _pass_over(boxes[event.agent], event, known)
    return list(known.values())


def _put(boxes: Sequence[dict[int, tuple[Transport, ...]]], recipients: Iterable[int], record: Transport) -> None:
    message, once = record.message, (record,)
    for agent in recipients:
        if 0 <= agent < len(boxes):
            before = boxes[agent].setdefault(message, once)
            if before is not once:
                boxes[agent][message] = (*before, record)


def _pass_over(
    box: Mapping[int, tuple[Transport, ...]], decision: Activation, known: dict[tuple[int, int, int], Neglect]
) -> None:
    for message, copies in box.items():
        for record in copies:
            if decision.started >= record.c:
                key = message, decision.agent, record.seq
                known.setdefault(key, Neglect(message, decision.agent, record)).passed.append(decision)
