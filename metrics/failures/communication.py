"""Failure rules C1 to C11: messages that get lost, lie about, mislead, are kept back, or are too many."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from emcoop.metrics.exchange import Exchange, Said, exchange
from emcoop.metrics.failures.hearsay import false, ignored, stale, unasked, withheld
from emcoop.metrics.failures.mail import (
    LOST,
    Letter,
    copies_in,
    letters,
    links,
    may_talk,
    misdirected,
    neglected,
    recipients_of,
)
from emcoop.metrics.failures.records import named_tasks, only, windows
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, Rule, merged
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.trace import Trace
from emcoop.trace.schema import Message, Round, Transport

INJECTED = ("dropped", "muted")
"""Losses that the channel settings or an injected fault made, not the team."""


def dropped(trace: Trace, thresholds: Thresholds) -> Finding:
    """C1."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    n = trace.episode.n_agents
    sent = {message.id: message for message in trace.of(Message)}
    hits, copies = [], 0
    for record in trace.of(Transport):
        message = sent.get(record.message)
        if message is None or (record.outcome != "delivered" and record.outcome not in LOST):
            continue
        copies += copies_in(trace, record, message.sender)
        if record.outcome in LOST:
            note = f"{'injected: ' if record.outcome in INJECTED else ''}{record.outcome.replace('_', ' ')}"
            task, evidence = only(named_tasks(message)), (message.seq, record.seq)
            for agent in recipients_of(trace, record, message.sender):
                agents = tuple(sorted({message.sender, agent})) if 0 <= agent < n else (message.sender,)
                hits.append(Hit(agents, message.t, record.t, evidence, task, note))
    for message, record, agent in misdirected(trace):
        agents, task = tuple(sorted({message.sender, agent})), only(named_tasks(message))
        hits.append(Hit(agents, message.t, record.t, (message.seq, record.seq), task, "went to somebody else"))
    return Finding(merged(hits, gap=0), copies)


def orphaned(trace: Trace, thresholds: Thresholds) -> Finding:
    """C2."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    work = letters(trace)
    rounds = trace.of(Round)
    begun = [record.c for record in rounds]
    hits = []
    for letter in work:
        grown = bisect_left(begun, letter.first.c + thresholds.activations)
        if letter.consumed or letter.open > 0 or grown == len(rounds):
            continue
        end = max(letter.closed.t, rounds[grown].t)
        evidence = tuple(dict.fromkeys((letter.first.seq, letter.closed.seq)))
        task = only(named_tasks(letter.first))
        hits.append(Hit((letter.first.sender,), letter.first.t, end, evidence, task, _why(letter)))
    return Finding(merged(hits, gap=0), len(work))


def _why(letter: Letter) -> str:
    if isinstance(letter.closed, Message):
        return "no recipients"
    return f"lost: {letter.lost[-1].replace('_', ' ')}" if letter.lost else "discarded by all"


def starved(trace: Trace, thresholds: Thresholds) -> Finding:
    """C3."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    sent = {message.id: message for message in trace.of(Message)}
    hits = []
    for copy in neglected(trace):
        if len(copy.passed) >= thresholds.activations:
            last, message = copy.passed[thresholds.activations - 1], sent[copy.message]
            evidence = (message.seq, copy.delivered.seq, last.seq)
            agents = tuple(sorted({message.sender, copy.recipient}))
            hits.append(Hit(agents, copy.delivered.t, last.t, evidence, only(named_tasks(message))))
    arrived = sum(
        copies_in(trace, record, sent[record.message].sender)
        for record in trace.of(Transport)
        if record.outcome == "delivered" and record.message in sent
    )
    return Finding(merged(hits, gap=0), arrived)


def rerouted(trace: Trace, thresholds: Thresholds) -> Finding:
    """C8."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    work = letters(trace)
    hits = []
    for letter in work:
        passed = letter.reroutes[: thresholds.reroutes + 1]
        if len(passed) > thresholds.reroutes:
            agents = tuple(sorted({reaction.agent for reaction in passed}))
            evidence = (letter.first.seq, *(reaction.seq for reaction in passed))
            hits.append(Hit(agents, letter.first.t, passed[-1].t, evidence, only(named_tasks(letter.first))))
    return Finding(merged(hits, gap=0), len(work))


def storm(trace: Trace, thresholds: Thresholds) -> Finding:
    """C9."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    permitted = links(trace)
    messages = sorted(trace.of(Message), key=lambda message: message.t)
    times = [message.t for message in messages]
    hits, looked = [], 0
    for start, end in windows(trace, thresholds.steps):
        looked += 1
        first, last = bisect_left(times, start), bisect_right(times, end)
        if last - first > thresholds.storm * permitted:
            evidence = (messages[first].seq, messages[last - 1].seq)
            hits.append(Hit((), start, end, evidence, note=f"{last - first} messages over {permitted} links"))
    return Finding(merged(hits), looked)


def cross_lineage(trace: Trace, thresholds: Thresholds) -> Finding:
    """C10."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    talk, hits, merging = exchange(trace), [], 0
    roots = _roots(talk)
    for decision in talk.decided:
        made = [place for place in decision.sends if talk.said[place].origin == place and talk.said[place].record.work]
        if len(made) != 1:
            continue
        read = [place for place in decision.reads if talk.said[place].record.work]
        if len(read) < 2:
            continue
        merging += 1
        if _disjoint({roots[place] for place in read}) and not _common_goal([talk.said[place] for place in read]):
            record, sources = decision.record, tuple(talk.said[place].seq for place in read)
            hits.append(Hit((record.agent,), record.t, record.t, (*sources, decision.seq), decision.task))
    return Finding(merged(hits, gap=0), merging)


def _roots(talk: Exchange) -> list[int]:
    """Return per message the messages that its lineage began with, as a bit mask: those made from no other."""
    roots: list[int] = []
    for place, said in enumerate(talk.said):
        if said.origin != place:
            roots.append(roots[said.origin])
            continue
        mask = 0
        for source in talk.decided[said.author].reads if said.author >= 0 else ():
            mask |= roots[source] if source < place else 0
        roots.append(mask or 1 << place)
    return roots


def _disjoint(roots: set[int]) -> bool:
    """Say whether any two have no root in common."""
    different = sorted(roots)
    return any(not a & b for i, a in enumerate(different) for b in different[:i])


def _common_goal(read: Iterable[Said]) -> bool:
    tasks = {said.task for said in read}
    return len(tasks) == 1 and "" not in tasks


RULES = (
    Rule(
        "C1", "dropped message", "W",
        "A copy of a message never arrives: it is dropped, muted, out of range, expired, over a budget, goes to "
        "somebody else, or is sent to an agent that may not be written to or does not exist; losses that the channel "
        "injects say so in their note.",
        "a copy that was addressed", dropped,
    ),
    Rule(
        "C2", "orphan event", "F",
        "W_c rounds after a work-bearing message was sent nobody has consumed it and no copy is under way, unread or "
        "kept for later, those passed on included; also one without recipients.",
        "a work-bearing message", orphaned, dig="OE", mast=("2.4", "2.5"),
    ),
    Rule(
        "C3", "unread starvation", "W",
        "A delivered copy lies in the mailbox while its recipient makes W_c decisions that do not handle it.",
        "a copy that was delivered", starved, mast=("2.5",), families="T",
    ),
    Rule(
        "C4", "ignored input", "W",
        "An agent commits a plan that rests on the contrary of what it has read last about a fact, which is true.",
        "an assumption of a plan about which its agent has read a true fact", ignored, mast=("2.5",), families="STNP",
    ),
    Rule(
        "C5", "stale information", "W",
        "A fact was true when it was sent and is false when it is consumed.",
        "a checkable fact that is consumed, per reader", stale, mast=("1.4",), families="T",
    ),
    Rule(
        "C6", "false information", "W",
        "A message says that its sender has just observed something that is false as it is sent; what was observed "
        "earlier is stale, not false.",
        "a checkable fact that is sent", false, mast=("2.6", "3.3"), families="STNP",
    ),
    Rule(
        "C7", "withholding", "W",
        "An agent that has told or read a true fact may write to another whose plan rests on the contrary, and for W_t "
        "steps neither tells it nor does anybody.",
        "a plan that rests on the contrary of what an agent knows who may write to its agent", withheld,
        mast=("2.4",), families="NP",
    ),
    Rule(
        "C8", "excessive rerouting", "W",
        "A work-bearing message is rerouted more than r times before anybody consumes it, by different agents or "
        "to and fro.",
        "a work-bearing message", rerouted, dig="ER", mast=("1.3",), fidelity="equivalent",
    ),
    Rule(
        "C9", "message storm", "W",
        "In a window of W_t steps more than k messages are sent per link that the topology permits.",
        "a whole window", storm, mast=("2.3",),
    ),
    Rule(
        "C10", "cross-lineage merge", "W",
        "A decision consumes work-bearing messages, two of which share no message that both descend from, and sends "
        "one work-bearing message; not if all are about one task, which is their common goal.",
        "a decision that consumes several work-bearing messages and sends one", cross_lineage, dig="CLA",
        mast=("2.3",), families="P",
    ),
    Rule(
        "C11", "missing clarification", "W",
        "An agent commits a plan whose assumptions name a fact without a value, has never read it, and may write to an "
        "agent that has told or read it.",
        "a plan with stated assumptions", unasked, mast=("2.2",), families="STNP",
    ),
)  # fmt: skip
