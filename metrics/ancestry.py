"""Paths of influence: what a decision goes back to, and what it led to.

Lineage follows consumed messages (DIG, arXiv 2603.00309). A decision that only talked or listened passes what it heard
on to the same agent's next one, and a message that is passed on keeps its lineage.
"""

from __future__ import annotations

from emcoop.metrics.exchange import Exchange, Said, exchange
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import End

FINAL = "done"
"""Act of the message by which a team declares that it is done; one that names a task only reports that task."""


def is_final(one: Said) -> bool:
    """Say whether a message declares the team's work done."""
    return one.record.act == FINAL and not one.task


@per_trace
def ended_by_itself(trace: Trace) -> bool:
    """Say whether the world ended the episode before the horizon: that too is a final event."""
    return any(end.terminated for end in trace.of(End))


@per_trace
def depths(trace: Trace) -> tuple[int, int]:
    """Return the number of decisions on the longest path through consumed messages, and on the longest chain.

    In a chain each decision follows one whose message it consumed, or the same agent's decision before.
    """
    x = exchange(trace)
    return _longest(x, serial=False), _longest(x, serial=True)


def _longest(x: Exchange, serial: bool) -> int:
    of_decision = [0] * len(x.decided)
    of_message = [0] * len(x.said)
    for place, decided in enumerate(x.decided):
        depth = max([of_message[message] for message in decided.reads], default=0)
        if decided.before >= 0 and (serial or decided.goes_on):
            depth = max(depth, of_decision[decided.before])
        of_decision[place] = depth + 1
        for message in decided.sends:
            origin = x.said[message].origin
            of_message[message] = depth + 1 if origin == message else of_message[origin]
    return max(of_decision, default=0)


@per_trace
def fruitful(trace: Trace) -> list[bool]:
    """Say of each message whether a path leads from it to success: a finished task, or a declaration of being done."""
    x = exchange(trace)
    led = [False] * len(x.decided)
    for one in x.finished:
        for place in one.decisions:
            led[place] = True
    used = [False] * len(x.said)
    for place in range(len(x.decided) - 1, -1, -1):
        decided = x.decided[place]
        for message in decided.sends:
            origin = x.said[message].origin
            if origin == message:
                led[place] |= used[message] or is_final(x.said[message])
            else:
                used[origin] |= used[message]
        if led[place]:
            for message in decided.reads:
                used[message] = True
            if decided.goes_on:
                led[decided.before] = True
    return used


@per_trace
def is_root(trace: Trace) -> list[bool]:
    """Say of each message whether its lineage begins with it: no message was heard for the decision that sent it."""
    x = exchange(trace)
    heard = [False] * len(x.decided)
    for place, decided in enumerate(x.decided):
        heard[place] = bool(decided.reads) or (decided.goes_on and heard[decided.before])
    return [one.origin == place and (one.author < 0 or not heard[one.author]) for place, one in enumerate(x.said)]


@per_trace
def roots(trace: Trace) -> list[int]:
    """Return the roots of each message as a set of bits, one bit per decision or message that nothing led to.

    Two messages share an ancestor if and only if they share a root.
    """
    x = exchange(trace)
    of_decision = [0] * len(x.decided)
    of_message = [0] * len(x.said)
    next_bit = 1
    for place, one in enumerate(x.said):
        if one.author < 0 and one.origin == place:
            of_message[place] = next_bit
            next_bit <<= 1
    for place, decided in enumerate(x.decided):
        found = of_decision[decided.before] if decided.goes_on else 0
        for message in decided.reads:
            found |= of_message[message]
        if not found:
            found = next_bit
            next_bit <<= 1
        of_decision[place] = found
        for message in decided.sends:
            origin = x.said[message].origin
            of_message[message] = found if origin == message else of_message[origin]
    return of_message
