"""Who thought, planned, said and heard what, as compact lists for the page.

All lists are in order of time. Texts are places in the table of texts; plans and messages are places in their lists.
"""

from __future__ import annotations

from typing import Any

from emcoop.metrics.failures.records import held_plans
from emcoop.trace import Trace
from emcoop.trace.schema import (
    EVERYONE,
    Action,
    Activation,
    Claim,
    LlmCall,
    Message,
    Reaction,
    Round,
    Stage,
    Transport,
)
from emcoop.viewer.texts import Texts, call_words, words

LONGEST_REPLY = 2_000
LABELS = ("consume", "wait", "discard", "reroute", "unread")
OUTCOMES = ("plan", "resume", "listen", "forced")
MOST_DELIVERIES = 60_000
"""Arrivals drawn in the lanes; beyond that nobody could tell them apart."""


def stages(trace: Trace) -> list[list[Any]]:
    """Return `[step, agent, stages]` for every step in which an agent changed its stage, `RWX` in the order passed."""
    paths: dict[tuple[int, int], str] = {}
    for record in trace.of(Stage):
        before, after = record.before[:1], record.after[:1]
        for agent in record.agents:
            paths[record.t, agent] = paths.get((record.t, agent), before) + after
    return [[t, agent, path] for (t, agent), path in paths.items()]


def rounds(trace: Trace) -> list[list[int]]:
    """Return `[step, first round, last round]` of every step before which somebody thought."""
    spans: dict[int, list[int]] = {}
    for record in trace.of(Round):
        spans.setdefault(record.t, [record.t, record.c, record.c])[2] = record.c
    return list(spans.values())


def plans(trace: Trace, texts: Texts) -> tuple[list[list[Any]], dict[int, int]]:
    """Return `[agent, task, start, end, reason, calls]` per plan in words, and the place of every plan id."""
    rows: list[list[Any]] = []
    places: dict[int, int] = {}
    for plan in held_plans(trace):
        places[plan.id] = len(rows)
        calls = [texts.add(call_words(concept, arguments), 300) for concept, arguments in plan.calls[:40]]
        reason = texts.add(plan.reason.replace("_", " "), 200)
        rows.append([plan.agent, texts.add(plan.task, 200), plan.start, plan.end, reason, calls])
    return rows, places


def calls(trace: Trace, texts: Texts, places: dict[int, int]) -> list[list[Any]]:
    """Return `[step, agent, plan, call, outcome, concept]` of every call that started or ended; plan -1 if unknown."""
    return [
        [
            record.t,
            agent,
            places.get(plan, -1),
            call,
            texts.add(outcome, 200),
            texts.add(concept.replace("_", " "), 100),
        ]
        for record in trace.of(Action)
        for agent, plan, call, concept, outcome in zip(
            record.agents, record.plans, record.calls, record.concepts, record.outcomes
        )
    ]


def model_calls(trace: Trace, texts: Texts) -> list[list[Any]]:
    """Return `[step, agent, summary, reply]` of every call of a language model."""
    rows = []
    for one in trace.of(LlmCall):
        tokens = f"{one.prompt_tokens} + {one.completion_tokens} tokens"
        summary = f"{one.model}, attempt {one.attempt + 1}, {one.rung}: {one.status}, {tokens}"
        rows.append([one.t, one.agent, texts.add(summary, 300), texts.add(one.reply, LONGEST_REPLY)])
    return rows


def decisions(trace: Trace) -> list[list[int]]:
    """Return `[step, round, agent, outcome]` of every decision."""
    return [
        [one.t, one.c, one.agent, OUTCOMES.index(one.outcome) if one.outcome in OUTCOMES else -1]
        for one in trace.of(Activation)
    ]


def message_places(trace: Trace) -> dict[int, int]:
    """Return the place of every message id."""
    return {record.id: place for place, record in enumerate(trace.of(Message))}


def messages(trace: Trace, texts: Texts) -> list[list[Any]]:
    """Return `[step, round, sender, recipients, act, text, facts, work, fate, untrue]` per message.

    `recipients` is a list of agents or -1 for everybody; fate and untrue are in words.
    """
    fates, untrue = _fates(trace), _untrue(trace)
    return [
        [
            one.t,
            one.c,
            one.sender,
            -1 if one.recipients == EVERYONE else list(one.recipients),
            texts.add(one.act, 60),
            texts.add(one.text),
            texts.add("; ".join(f"{key} = {words(value)}" for key, value, _ in one.facts)),
            int(one.work),
            texts.add(fates.get(one.id, "")),
            texts.add(untrue.get(one.id, "")),
        ]
        for one in trace.of(Message)
    ]


def deliveries(trace: Trace, places: dict[int, int]) -> list[list[int]] | None:
    """Return `[step, round, agent, label, messages...]` of every reading, None if there are too many to draw."""
    records = trace.of(Reaction)
    if sum(len(record.messages) for record in records) > MOST_DELIVERIES:
        return None
    return [
        [one.t, one.c, one.agent, LABELS.index(one.label) if one.label in LABELS else -1]
        + [places[message] for message in one.messages if message in places]
        for one in records
    ]


def _fates(trace: Trace) -> dict[int, str]:
    """Say what became of the copies of every message, and how they were read."""
    counts: dict[int, dict[str, int]] = {}
    for sent in trace.of(Transport):
        of_message = counts.setdefault(sent.message, {})
        of_message[sent.outcome] = of_message.get(sent.outcome, 0) + sent.count
    for read in trace.of(Reaction):
        for message in read.messages:
            of_message = counts.setdefault(message, {})
            of_message[_READ.get(read.label, read.label)] = of_message.get(_READ.get(read.label, read.label), 0) + 1
    return {
        message: ", ".join(f"{outcome.replace('_', ' ')} {count}" for outcome, count in of_message.items())
        for message, of_message in counts.items()
    }


_READ = {"consume": "used", "wait": "put aside", "discard": "discarded", "reroute": "passed on"}


def _untrue(trace: Trace) -> dict[int, str]:
    """Say which facts of messages did not hold."""
    found: dict[int, dict[str, None]] = {}
    for claim in trace.of(Claim):
        if not claim.true:
            when = "when sent" if claim.when == "sent" else f"when read at step {claim.t}"
            found.setdefault(claim.message, {})[f"{claim.key} = {words(claim.value)} {when}"] = None
    return {message: "; ".join(said) for message, said in found.items()}
