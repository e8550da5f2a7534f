"""Work-bearing messages, each with all of its copies, those that were passed on included."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from emcoop.metrics.exchange import CONSUME, REROUTE, UNREAD, Integers, Said, exchange
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace

PROMISE = "commit"
"""Act of a message by which its sender tells what it will do itself. All who hear it may use it: it is work-bearing,
but no part of the work that somebody else is to take over."""


@dataclass(eq=False, slots=True)
class WorkItem:
    """A work-bearing message.

    Attributes:
        place: Its place among the messages.
        said: The message as its first sender sent it.
        copies: The messages that carry it: itself, and those that pass it on.
        consumed: Where in the log it was first consumed, infinity if nowhere.
        consumed_t: In which environment step, infinity if in none.
        rerouted: Who passed it on, and where in the log, in order.
    """

    place: int
    said: Said
    copies: list[int] = field(default_factory=list)
    consumed: float = math.inf
    consumed_t: float = math.inf
    rerouted: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_part(self) -> bool:
        """Whether it is a part of the work that others are to take over, not a promise of its sender."""
        return self.said.record.act != PROMISE


@per_trace
def work_items(trace: Trace) -> dict[int, WorkItem]:
    """Return the work-bearing messages by their place among the messages, in order."""
    x, h = exchange(trace), exchange(trace).handlings
    items = {place: WorkItem(place, one) for place, one in enumerate(x.said) if one.record.work and one.origin == place}
    for place, one in enumerate(x.said):
        if one.origin in items:
            items[one.origin].copies.append(place)
    origin = origins(trace)[h.message]
    consumed = np.flatnonzero(h.label == CONSUME)
    first = np.full(len(x.said), -1)
    first[origin[consumed][::-1]] = consumed[::-1]  # the last to be written, the first in the log, stays
    for place, item in items.items():
        if first[place] >= 0:
            item.consumed, item.consumed_t = int(h.seq[first[place]]), float(h.t[first[place]])
    for row in np.flatnonzero(h.label == REROUTE).tolist():
        if origin[row] in items:
            items[int(origin[row])].rerouted.append((int(h.agent[row]), int(h.seq[row])))
    return items


@per_trace
def origins(trace: Trace) -> Integers:
    """Return the message that each message passes on, itself if it passes on none."""
    return np.array([one.origin for one in exchange(trace).said], np.int64)


def last_sign_of_life(trace: Trace, item: WorkItem) -> float:
    """Return the environment step in which something last happened to a message: sent, lost, delivered or handled."""
    x, h = exchange(trace), exchange(trace).handlings
    steps: list[float] = []
    for place in item.copies:
        one = x.said[place]
        rows = _rows_of(trace, place)
        steps.append(one.record.t)
        steps += [t for _, t, _ in one.arrivals]
        steps += [t for _, t in one.losses]
        steps += h.t[rows[h.label[rows] != UNREAD]].tolist()
    return max(steps)


class Hold(NamedTuple):
    """A copy in somebody's mailbox, from its arrival until it was handled or the message became nobody's matter."""

    agent: int
    start: float
    end: float


def holds(trace: Trace, item: WorkItem) -> Iterator[Hold]:
    """Yield for how long each delivered copy lay there while nobody had consumed the message."""
    x, h = exchange(trace), exchange(trace).handlings
    for place in item.copies:
        rows = _rows_of(trace, place)
        settled: dict[int, float] = {}
        for agent, label, t in zip(h.agent[rows].tolist(), h.label[rows].tolist(), h.t[rows].tolist(), strict=True):
            is_settled = LASTING[label]
            settled[agent] = min(settled.get(agent, math.inf), t if is_settled else math.inf)
        for agent, end in settled.items():
            yield Hold(agent, arrival(x.said[place], agent)[0], min(end, item.consumed_t, x.last))


LASTING = (True, False, True, True, False)
"""Whether a label of `exchange.LABELS` ends the handling of a copy."""


def arrival(one: Said, agent: int) -> tuple[int, int]:
    """Return when the copy of an agent arrived: environment step and round; when it was sent if nothing says."""
    for recipients, t, c in one.arrivals:
        if isinstance(recipients, str) or agent in recipients:
            return t, c
    return one.record.t, one.record.c


@per_trace
def _by_message(trace: Trace) -> tuple[Integers, Integers]:
    """Return the rows of the handlings sorted by message, and where each message's begin."""
    x = exchange(trace)
    order = np.argsort(x.handlings.message, kind="stable")
    return order, np.searchsorted(x.handlings.message[order], np.arange(len(x.said) + 1))


def _rows_of(trace: Trace, place: int) -> Integers:
    order, starts = _by_message(trace)
    return order[starts[place] : starts[place + 1]]
