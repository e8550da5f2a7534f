"""Failure rules C4 to C7, C11 and G4: facts that are ignored, stale, false, kept back, not asked for, or changed."""

from __future__ import annotations

from collections.abc import Iterable

from emcoop.metrics.failures.beliefs import Telling, assumed, beliefs, garbled_copies
from emcoop.metrics.failures.mail import may_talk, reach
from emcoop.metrics.failures.records import HeldPlan, canonical, contradicts, held_plans
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, merged
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Claim, Message, Reaction


def ignored(trace: Trace, thresholds: Thresholds) -> Finding:
    """C4."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    known, hits, told = beliefs(trace), [], 0
    for plan, key, value in assumed(trace):
        heard = next(known.heard(plan.agent, key, plan.seq), None)
        if heard is None or not known.verdict(key, heard.value, plan.seq):
            continue
        told += 1
        if contradicts(value, heard.value):
            read = heard.readers[plan.agent]
            evidence = (heard.message.seq, read.seq, plan.seq)
            hits.append(Hit((plan.agent,), min(read.t, plan.start), plan.start, evidence, plan.task, f"fact {key}"))
    return Finding(merged(hits, gap=0), told)


def stale(trace: Trace, thresholds: Thresholds) -> Finding:
    """C5."""
    if not may_talk(trace) or trace.episode.channel.get("control") == "shuffle":
        return NOT_APPLICABLE
    sent, later = _claims(trace)
    when = {message.id: message for message in trace.of(Message) if message.id in sent}
    hits, facts = [], 0
    for reaction in trace.of(Reaction):
        if reaction.label != "consume":
            continue
        for number in filter(when.__contains__, reaction.messages):
            if when[number].t == reaction.t:
                facts += len(sent[number])
                continue
            for claim in later.get((number, reaction.t), ()):
                told = sent[number].get(claim.key)
                if told is None or canonical(told.value) != canonical(claim.value):
                    continue
                facts += 1
                if told.true and not claim.true:
                    agents = tuple(sorted({when[number].sender, reaction.agent}))
                    evidence = (told.seq, claim.seq, reaction.seq)
                    hits.append(Hit(agents, when[number].t, reaction.t, evidence, "", f"fact {claim.key}"))
    return Finding(merged(hits, gap=0), facts)


@per_trace
def _claims(trace: Trace) -> tuple[dict[int, dict[str, Claim]], dict[tuple[int, int], list[Claim]]]:
    """Return the claims about facts as sent, per message and fact, and as read, per message and environment step."""
    sent: dict[int, dict[str, Claim]] = {}
    later: dict[tuple[int, int], list[Claim]] = {}
    for claim in trace.of(Claim):
        if claim.when == "sent":
            sent.setdefault(claim.message, {})[claim.key] = claim
        else:
            later.setdefault((claim.message, claim.t), []).append(claim)
    return sent, later


def false(trace: Trace, thresholds: Thresholds) -> Finding:
    """C6."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    sent, hits, facts = _claims(trace)[0], [], 0
    for message in trace.of(Message):
        claims = sent.get(message.id, {})
        facts += len(claims)
        seen = {key: step for key, _, step in message.facts}
        for key, claim in claims.items():
            if not claim.true and seen.get(key, -1) >= message.t:
                evidence = (message.seq, claim.seq)
                hits.append(Hit((message.sender,), message.t, message.t, evidence, "", f"fact {key}"))
    return Finding(merged(hits, gap=0), facts)


def withheld(trace: Trace, thresholds: Thresholds) -> Finding:
    """C7."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    known, links, hits, needed = beliefs(trace), reach(trace), [], 0
    for plan, key, value in assumed(trace):
        better = [one for one in known.tellings.get(key, ()) if contradicts(one.value, value)]
        for agent, (seq, t, telling) in sorted(_knowers(better).items()):
            start = max(t, plan.start)
            if agent == plan.agent or plan.agent not in links[agent] or seq > plan.end_seq:
                continue
            if not known.verdict(key, telling.value, max(seq, plan.seq)):
                continue
            needed += 1
            end = start + thresholds.steps
            if plan.end >= end and not any(_reached(one, agent, plan, end) for one in better):
                evidence = (telling.message.seq, seq, plan.seq)
                agents = tuple(sorted((agent, plan.agent)))
                hits.append(Hit(agents, start, end, tuple(dict.fromkeys(evidence)), plan.task, f"fact {key}"))
    return Finding(merged(hits, gap=0), needed)


def _knowers(tellings: Iterable[Telling]) -> dict[int, tuple[int, int, Telling]]:
    """Return who has told or read something, since when, and in which message."""
    first: dict[int, tuple[int, int, Telling]] = {}
    for telling in tellings:
        for agent, seq, t in telling.known_to():
            if agent not in first or seq < first[agent][0]:
                first[agent] = seq, t, telling
    return first


def _reached(telling: Telling, agent: int, plan: HeldPlan, end: int) -> bool:
    """Say whether an agent told a plan's agent by some step, or somebody did, or that agent knew it then."""
    read, sender = telling.readers.get(plan.agent), telling.message.sender
    said = sender == plan.agent or (sender == agent and plan.agent in telling.to)
    return (said and telling.message.t <= end) or (read is not None and read.t <= end)


def unasked(trace: Trace, thresholds: Thresholds) -> Finding:
    """C11."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    known, links, hits = beliefs(trace), reach(trace), []
    plans = [plan for plan in held_plans(trace) if plan.stated]
    for plan in plans:
        for key in sorted(key for key, value in plan.stated.items() if value is None):
            knowers = _knowers(known.tellings.get(key, ()))
            told = plan.agent in knowers and knowers[plan.agent][0] < plan.seq
            able = [a for a, (seq, *_) in knowers.items() if a in links[plan.agent] and seq < plan.seq]
            if able and not told:
                evidence = (min(knowers[agent][2].message.seq for agent in able), plan.seq)
                hits.append(Hit((plan.agent,), plan.start, plan.start, evidence, plan.task, f"fact {key}"))
    return Finding(merged(hits, gap=0), len(plans))


def drifted(trace: Trace, thresholds: Thresholds) -> Finding:
    """G4."""
    if not may_talk(trace) or trace.episode.channel.get("control") == "shuffle":
        return NOT_APPLICABLE
    sent, later = _claims(trace)
    stated = {message.id: message for message in trace.of(Message)}
    garbled = garbled_copies(trace)
    marked = {message for message, _ in garbled}
    told = {number: len(claims) for number, claims in sent.items() if number in stated}
    checked_again = told.keys() & {number for number, _ in later}
    hits, facts = [], 0
    for reaction in trace.of(Reaction):
        if reaction.label != "consume":
            continue
        facts += sum(told[number] for number in reaction.messages if number in told)
        for number in filter(checked_again.__contains__, reaction.messages):
            if number in marked and (number, reaction.agent) not in garbled:
                continue
            message, said = stated[number], sent[number]
            for claim in later.get((number, reaction.t), ()):
                if claim.key in said and contradicts(claim.value, said[claim.key].value):
                    agents = tuple(sorted({message.sender, reaction.agent}))
                    evidence = (message.seq, claim.seq, reaction.seq)
                    hits.append(Hit(agents, message.t, reaction.t, evidence, "", f"fact {claim.key}"))
    return Finding(merged(hits, gap=0), facts)
