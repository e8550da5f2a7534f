"""What became of the messages: whether they were used, in time, true, and kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from emcoop.metrics.exchange import CONSUME, DISCARD, REROUTE, UNREAD, WAIT, exchange
from emcoop.metrics.quantities import ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.metrics.work import PROMISE
from emcoop.trace import Trace
from emcoop.trace.schema import Action, Claim, Message, Plan, Stage, Transport

SCALING = "scaling science of agent systems, arXiv 2512.08296"
FIVE_WS = "Five Ws of communication, arXiv 2602.11583"
DIG = "interaction graph (DIG, arXiv 2603.00309); EmCoop's own metric"

PROMISES = (PROMISE, "ack")
"""Acts of messages that promise a task, if they name one: who acknowledges a task says that it will do it."""
GONE = ("failed:block_gone", "failed:target_gone")
"""Ends of plans, as the environments name them, whose task was not there any more: nothing was left to keep."""
OTHER_FATES = ("delayed", "corrupted", "duplicated")


@metric("c", "messages that reached somebody / decisions", (0.0, math.inf), "neither", SCALING)
def message_density(trace: Trace) -> float:
    """Messages between agents per decision.

    A message counts once if any copy arrived. A decision forced by a budget is none. NaN without a decision.
    """
    x = exchange(trace)
    taken = sum(one.record.outcome != "forced" for one in x.decided)
    return ratio(sum(bool(one.arrivals) for one in x.said), taken)


@metric("f_c", "handlings labelled consume / handlings", (0.0, 1.0), "higher", DIG)
def consumed_share(trace: Trace) -> float:
    """Share of handlings in which a decision used the message.

    A handling is what one decision did with one copy, or that nobody read it until the end: an edge of the
    interaction graph. The five shares add up to 1. NaN if nothing was handled.
    """
    return _share(trace, CONSUME)


@metric("f_w", "handlings labelled wait / handlings", (0.0, 1.0), "neither", DIG)
def waiting_share(trace: Trace) -> float:
    """Share of handlings in which a decision put the message aside for later.

    See `consumed_share`.
    """
    return _share(trace, WAIT)


@metric("f_d", "handlings labelled discard / handlings", (0.0, 1.0), "neither", DIG)
def discarded_share(trace: Trace) -> float:
    """Share of handlings in which a decision threw the message away.

    See `consumed_share`.
    """
    return _share(trace, DISCARD)


@metric("f_r", "handlings labelled reroute / handlings", (0.0, 1.0), "neither", DIG)
def rerouted_share(trace: Trace) -> float:
    """Share of handlings in which a decision passed the message on.

    See `consumed_share`.
    """
    return _share(trace, REROUTE)


@metric("f_u", "copies never read / handlings", (0.0, 1.0), "lower", DIG)
def unread_share(trace: Trace) -> float:
    """Share of handlings that never came: copies that were delivered and that nobody had read when the episode ended.

    See `consumed_share`.
    """
    return _share(trace, UNREAD)


@metric("Age", "mean over consumed copies of (step consumed - step sent)", (0.0, math.inf), "lower", FIVE_WS)
def message_age(trace: Trace) -> float:
    """Mean age of messages when they were used, in environment steps.

    NaN if none was used.
    """
    x, rows = exchange(trace), _consumed(trace)
    sent = np.array([one.record.t for one in x.said], float)
    ages = np.maximum(x.handlings.t[rows] - sent[x.handlings.message[rows]], 0.0)
    return ratio(float(ages.sum()), len(ages))


@metric("Tml", "facts still true when used / facts true when sent and used", (0.0, 1.0), "higher", FIVE_WS)
def timeliness(trace: Trace) -> float:
    """Share of facts that were still true when somebody used the message.

    Counts every fact once per copy consumed, of those that can be checked and were true when sent, so that what was
    wrong from the start (`grounded_content`) does not count again. NaN if there are none.
    """
    claims, used, still = _claims(trace), 0, 0
    for message, count in _uses(trace).items():
        facts = sum(sent for sent, _ in claims.get(message, {}).values())
        used += count * facts
        still += count * facts
    checked = {message for message, facts in claims.items() if any(checks for sent, checks in facts.values() if sent)}
    for (message, t), count in _uses_by_step(trace, checked).items():
        for sent, checks in claims[message].values():
            if sent and not next((true for when, true in reversed(checks) if when <= t), True):
                still -= count
    return ratio(still, used)


@metric("Grd", "checkable facts true when sent / checkable facts sent", (0.0, 1.0), "higher", FIVE_WS)
def grounded_content(trace: Trace) -> float:
    """Share of the facts sent that were true then, of those that the environment can check.

    NaN if there are none.
    """
    told = [claim.true for claim in trace.of(Claim) if claim.when == "sent"]
    return ratio(sum(told), len(told))


@metric("Adr", "addressed recipients that consumed / addressed recipients", (0.0, 1.0), "higher", FIVE_WS)
def addressing_precision(trace: Trace) -> float:
    """Share of those addressed who used the message.

    A broadcast addresses everyone its sender reaches. Recipients that do not exist or may not be written to were
    addressed too. NaN without a message to anybody.
    """
    x, rows = exchange(trace), _consumed(trace)
    n = trace.episode.n_agents
    pairs = np.sort(x.handlings.message[rows] * n + x.handlings.agent[rows])
    distinct = pairs[np.diff(pairs, prepend=-1) > 0]
    users = np.bincount(distinct // n, minlength=len(x.said)).tolist()
    named = {place: set(one.record.recipients) for place, one in enumerate(x.said) if one.record.recipients != "*"}
    copies = _broadcast_copies(trace)
    addressed = reached = 0
    for place, one in enumerate(x.said):
        count = len(named[place]) if place in named else max(copies.get(one.record.id, 0), users[place])
        addressed += count
        reached += min(users[place], count)
    return ratio(reached, addressed)


@metric("Kept", "promises kept / promises judged", (0.0, 1.0), "higher", FIVE_WS)
def commitment_keeping(trace: Trace) -> float:
    """Share of promises to do a task that were kept.

    A promise is a message `commit` or `ack` about a task. It is kept if the sender's plan for that task, the one in
    force or the next, is carried out; broken if that plan fails or is given up, or if there is none. Not judged are
    plans that the end of the episode cut off, or whose target was gone. NaN if none is left.
    """
    plans = _plans(trace)
    verdicts = [_is_kept(one.seq, plans.get((one.record.sender, one.task), [])) for one in _promises(trace)]
    judged = [verdict for verdict in verdicts if verdict is not None]
    return ratio(sum(judged), len(judged))


@metric(
    "I_M", "agent-rounds from interruption by a message to its answer / messages", (0.0, math.inf), "lower", FIVE_WS
)
def interruption_cost(trace: Trace) -> float:
    """Rounds that agents with a plan spent on messages that interrupted them, per message sent.

    An interruption that is answered in the round in which it came took one round. NaN without a message.
    """
    since: dict[int, int] = {}
    rounds = 0
    for change in trace.of(Stage):
        for agent in change.agents:
            if change.after == "I" and change.cause == "message":
                since[agent] = change.c
            elif change.before == "I" and agent in since:
                rounds += max(change.c - since.pop(agent) + 1, 1)
    return ratio(rounds, len(trace.of(Message)))


@metric("Dup", "distinct calls begun by several agents / distinct calls begun", (0.0, 1.0), "neither", SCALING)
def duplicate_work(trace: Trace) -> float:
    """Share of the different calls (concept and arguments) that more than one agent began.

    Tasks that take several agents need the same call from each of them, so only teams at the same tasks compare. NaN
    if no call began.
    """
    plans = {plan.id: plan.calls for plan in trace.of(Plan) if plan.event == "commit"}
    who: dict[Hashable, set[int]] = {}
    for agent, plan, call, concept, outcome in _calls(trace):
        calls = plans.get(plan, [])
        if outcome == "start" and 0 <= call < len(calls):
            who.setdefault((concept, _key(calls[call][1])), set()).add(agent)
    return ratio(sum(len(agents) > 1 for agents in who.values()), len(who))


@metric("Rcv", "failed calls that the agent later brought off / failed calls", (0.0, 1.0), "higher", SCALING)
def error_recovery(trace: Trace) -> float:
    """Share of failed calls after which the same agent later succeeded with the same concept.

    NaN if no call failed.
    """
    failed = recovered = 0
    succeeds: set[tuple[int, str]] = set()
    for agent, _, _, concept, outcome in reversed(list(_calls(trace))):
        if outcome == "done":
            succeeds.add((agent, concept))
        elif outcome.startswith("failed"):
            failed += 1
            recovered += (agent, concept) in succeeds
    return ratio(recovered, failed)


@per_trace
def _consumed(trace: Trace) -> Any:
    return np.flatnonzero(exchange(trace).handlings.label == CONSUME)


def _share(trace: Trace, label: int) -> float:
    labels = exchange(trace).handlings.label
    return ratio(int((labels == label).sum()), len(labels))


def _claims(trace: Trace) -> dict[int, dict[str, tuple[bool, list[tuple[int, bool]]]]]:
    """Return per message and fact whether it was true when sent, and the later checks in order."""
    found: dict[int, dict[str, tuple[bool, list[tuple[int, bool]]]]] = {}
    for claim in trace.of(Claim):
        facts = found.setdefault(claim.message, {})
        if claim.when == "sent":
            facts[claim.key] = (claim.true, [])
        elif claim.key in facts:
            facts[claim.key][1].append((claim.t, claim.true))
    return found


def _uses(trace: Trace) -> Counter[int]:
    """Return how many copies of each message were consumed."""
    x, found = exchange(trace), Counter[int]()
    copies = np.bincount(x.handlings.message[_consumed(trace)], minlength=len(x.said)).tolist()
    for one, count in zip(x.said, copies, strict=True):
        found[one.record.id] += count
    return found


def _uses_by_step(trace: Trace, messages: set[int]) -> Counter[tuple[int, float]]:
    """Return how many copies of which of these messages were consumed in which environment step."""
    x, rows = exchange(trace), _consumed(trace)
    wanted = np.array([one.record.id in messages for one in x.said], bool)
    rows = rows[wanted[x.handlings.message[rows]]]
    ids = [x.said[place].record.id for place in x.handlings.message[rows].tolist()]
    return Counter(zip(ids, x.handlings.t[rows].tolist(), strict=True))


def _broadcast_copies(trace: Trace) -> dict[int, int]:
    """Return how many copies of each message arrived or were lost, a duplicate not counted."""
    found: dict[int, int] = {}
    for record in trace.of(Transport):
        sign = -1 if record.outcome == "duplicated" else 0 if record.outcome in OTHER_FATES else 1
        found[record.message] = found.get(record.message, 0) + sign * record.count
    return found


def _promises(trace: Trace) -> Iterator[Any]:
    return (one for one in exchange(trace).said if one.record.act in PROMISES and one.task)


@per_trace
def _plans(trace: Trace) -> dict[tuple[int, str], list[tuple[float, str]]]:
    """Return per agent and task the ends of its plans in order: place in the log, infinity if none, and reason."""
    found: dict[tuple[int, str], list[tuple[float, str]]] = {}
    where: dict[int, tuple[list[tuple[float, str]], int]] = {}
    for seq, event in enumerate(trace.events):
        if type(event) is not Plan:
            continue
        if event.event == "commit":
            ends = found.setdefault((event.agent, event.task), [])
            where[event.id] = (ends, len(ends))
            ends.append((math.inf, ""))
        elif event.id in where:
            ends, place = where.pop(event.id)
            ends[place] = (seq, event.reason)
    return found


def _is_kept(seq: int, plans: list[tuple[float, str]]) -> bool | None:
    """Say whether a promise was kept; None if that cannot be judged."""
    reason = next((reason for end, reason in plans if end > seq), None)
    if reason is None:
        return False
    return None if reason in ("", "episode_end", *GONE) else reason == "done"


def _calls(trace: Trace) -> Iterator[tuple[int, int, int, str, str]]:
    for record in trace.of(Action):
        yield from zip(record.agents, record.plans, record.calls, record.concepts, record.outcomes, strict=True)


def _key(arguments: dict[str, Any]) -> Hashable:
    """Return something equal for equal arguments only."""
    return repr(sorted(arguments.items(), key=lambda item: item[0]))
