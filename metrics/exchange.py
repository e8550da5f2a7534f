"""What was said, in whose decision, and what became of it: messages joined with the decisions that made and read them.

Decisions and messages are numbered by their place among the records of their kind. A message that is passed on (label
`reroute`) is a record of its own, written right after the reaction; it counts as a copy of the message it came from,
its origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Activation, Constraint, Event, Message, Plan, Reaction, Task, Transport

LABELS = ("consume", "wait", "discard", "reroute", "unread")
CONSUME, WAIT, DISCARD, REROUTE, UNREAD = range(5)

ARRIVED = "delivered"
ON_THE_WAY = ("delayed", "corrupted", "duplicated")
"""What happens to a copy on its way; every other outcome but `delivered` is the loss of the copy."""

Integers = NDArray[np.int64]
SmallIntegers = NDArray[np.int32]
Labels = NDArray[np.int8]
Floats = NDArray[np.float64]


@dataclass(eq=False, slots=True)
class Said:
    """A message.

    Attributes:
        record: The message as sent.
        seq: Its place in the log.
        task: The task it is about: the first that a fact names; for a commitment that names none, that of the plan
            of the same decision.
        author: The decision that sent it, -1 if none did (a seat played from outside).
        origin: The message it passes on, itself if it passes on none.
        arrivals: Deliveries: recipients, environment step, round.
        losses: Losses: number of copies, environment step.
    """

    record: Message
    seq: int
    task: str
    author: int = -1
    origin: int = -1
    arrivals: list[tuple[list[int] | str, int, int]] = field(default_factory=list)
    losses: list[tuple[int, int]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Decided:
    """A decision.

    Attributes:
        record: The activation.
        seq: Its place in the log.
        before: The same agent's decision before, -1 if there was none.
        goes_on: Whether that one only talked or listened, so that this one goes on with what it heard.
        task: Task of the plan it committed to, empty if none.
        reads: Messages it consumed.
        sends: Messages it sent, those it passed on included.
    """

    record: Activation
    seq: int
    before: int
    goes_on: bool
    task: str = ""
    reads: tuple[int, ...] = ()
    sends: tuple[int, ...] = ()


@dataclass(eq=False, slots=True)
class Finished:
    """A finished task: a `task` record that gives credit.

    Attributes:
        record: The record.
        seq: Its place in the log.
        decisions: The decisions behind it: those in which an agent with credit committed to or kept the plan that it
            had then.
    """

    record: Task
    seq: int
    decisions: list[int]


@dataclass(eq=False, slots=True)
class Handlings:
    """Copies of messages as they were handled, in order of the log: equally long columns.

    Attributes:
        message: The message.
        agent: Who handled it.
        label: How, as an index into `LABELS`.
        decision: In which decision, -1 if in none (never read, or a seat played from outside).
        seq: Place of the reaction in the log.
        t: Its environment step.
        c: Its round.
    """

    message: Integers
    agent: SmallIntegers
    label: Labels
    decision: SmallIntegers
    seq: SmallIntegers
    t: Floats
    c: Floats


@dataclass(eq=False, slots=True)
class Exchange:
    """What was said in an episode, and what became of it.

    Attributes:
        said: The messages.
        decided: The decisions.
        finished: The finished tasks.
        handlings: How copies were handled.
        last: The last environment step of the trace.
    """

    said: list[Said]
    decided: list[Decided]
    finished: list[Finished]
    handlings: Handlings
    last: int


@per_trace
def exchange(trace: Trace) -> Exchange:
    """Join the messages of a trace with the decisions that made and read them, in one pass."""
    reader = _Reader(_tasks(trace))
    for seq, event in enumerate(trace.events):
        take = reader.takes.get(type(event))
        if take is not None:
            take(seq, event)
    return reader.result(trace.events)


def _tasks(trace: Trace) -> frozenset[str]:
    """Return every task that a trace names."""
    named = {task for record in trace.of(Constraint) for task in record.tasks}
    named.update(record.task for record in trace.of(Plan))
    named.update(record.task for record in trace.of(Task))
    return frozenset(named - {""})


class _Reader:
    """Reads the log event by event; one method per kind."""

    def __init__(self, tasks: frozenset[str]) -> None:
        self.said: list[Said] = []
        self.decided: list[Decided] = []
        self.finished: list[Finished] = []
        self.takes: dict[type[Event], Any] = {
            Message: self._message, Transport: self._transport, Reaction: self._reaction,
            Activation: self._activation, Plan: self._plan, Task: self._task,
        }  # fmt: skip
        self._tasks = tasks
        self._place: dict[int, int] = {}
        self._decision: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._behind: dict[int, list[int]] = {}
        self._passing: dict[int, tuple[list[int], list[int]]] = {}
        self._handled: list[int] = []
        self._reactions: list[int] = []
        self._counts: list[int] = []
        self._reads: dict[int, list[int]] = {}

    def _message(self, seq: int, event: Message) -> None:
        place = len(self.said)
        named = (value for _, value, _ in event.facts if isinstance(value, str) and value in self._tasks)
        one = Said(event, seq, next(named, ""), origin=place)
        waiting, to = self._passing.get(event.sender, ([], []))
        if waiting and event.recipients == to:
            one.origin = self.said[waiting.pop(0)].origin
        self.said.append(one)
        self._place.setdefault(event.id, place)

    def _transport(self, seq: int, event: Transport) -> None:
        place = self._place.get(event.message)
        if place is None or event.outcome in ON_THE_WAY:
            return
        if event.outcome == ARRIVED:
            self.said[place].arrivals.append((event.recipients, event.t, event.c))
        else:
            self.said[place].losses.append((event.count, event.t))

    def _reaction(self, seq: int, event: Reaction) -> None:
        if event.label not in LABELS:
            return
        places = [place for place in map(self._place.get, event.messages) if place is not None]
        if event.label == LABELS[REROUTE]:
            self._passing[event.agent] = (places.copy(), event.to)
        elif event.label == LABELS[CONSUME]:
            self._reads.setdefault(event.activation, []).extend(places)
        self._handled += places
        self._reactions.append(seq)
        self._counts.append(len(places))

    def _activation(self, seq: int, event: Activation) -> None:
        place = len(self.decided)
        before = self._last.get(event.agent, -1)
        goes_on = before >= 0 and self.decided[before].record.outcome == "listen"
        for message in event.messages:
            sent = self._place.get(message, -1)
            if sent >= 0 and self.said[sent].author < 0:
                self.said[sent].author = place
        self.decided.append(Decided(event, seq, before, goes_on))
        self._decision.setdefault(event.id, place)
        self._last[event.agent] = place
        self._passing.pop(event.agent, None)
        if event.outcome == "resume":
            self._behind.setdefault(event.agent, []).append(place)

    def _plan(self, seq: int, event: Plan) -> None:
        place = self._last.get(event.agent, -1)
        if event.event != "commit" or place < 0:
            return
        self._behind[event.agent] = [place]
        self.decided[place].task = event.task

    def _task(self, seq: int, event: Task) -> None:
        if event.agents:
            behind = [place for agent in event.agents for place in self._behind.get(agent, ())]
            self.finished.append(Finished(event, seq, sorted(set(behind))))

    def result(self, events: Sequence[Any]) -> Exchange:
        """Return everything read from the log."""
        self._join_authors()
        self._join_readers()
        return Exchange(self.said, self.decided, self.finished, self._handlings(events), events[-1].t)

    def _handlings(self, events: Sequence[Any]) -> Handlings:
        reactions = [events[seq] for seq in self._reactions]
        counts = np.array(self._counts, np.int64)

        def each(values: Sequence[int], kind: type) -> Any:
            return np.repeat(np.array(values, kind), counts)

        return Handlings(
            message=np.fromiter(self._handled, np.int64, len(self._handled)),
            agent=each([event.agent for event in reactions], np.int32),
            label=each([LABELS.index(event.label) for event in reactions], np.int8),
            decision=each([self._decision.get(event.activation, -1) for event in reactions], np.int32),
            seq=each(self._reactions, np.int32),
            t=each([event.t for event in reactions], float),
            c=each([event.c for event in reactions], float),
        )

    def _join_authors(self) -> None:
        sends: dict[int, list[int]] = {}
        for place, one in enumerate(self.said):
            if one.author >= 0:
                sends.setdefault(one.author, []).append(place)
                if not one.task and one.record.act == "commit":
                    one.task = self.decided[one.author].task
        for author, sent in sends.items():
            self.decided[author].sends = tuple(sent)

    def _join_readers(self) -> None:
        for activation, read in self._reads.items():
            if activation in self._decision:
                self.decided[self._decision[activation]].reads = tuple(read)
