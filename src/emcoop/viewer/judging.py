"""What came of it: constraint counts, what happened in the world, failures with their evidence."""

from __future__ import annotations

from typing import Any

from emcoop.metrics.failures import Finding, rules, run_rule
from emcoop.trace import Trace
from emcoop.trace.schema import Constraint, Event, Fault, Message, Monitor, Plan, Step, Task
from emcoop.viewer.texts import Texts, agents_words, spaced, words

MOST_HITS = 400
MOST_EVIDENCE = 16
MOST_EVENTS = 60
"""Events of the dynamics in one step that are kept."""


def constraints(trace: Trace, texts: Texts) -> list[list[Any]]:
    """Return `[task, [step, counts...], ...]` per task, one entry per change.

    Counts are required, committed, in place, acting, dependency, joint, success, and the list of participants; an
    entry that is a step alone says that nobody was committed from there on.
    """
    tasks: dict[str, list[list[Any]]] = {}
    on: dict[str, list[Any]] = {}
    for t, record in _by_step(trace):
        now = {} if record is None else _counts(record)
        for task, row in now.items():
            if on.get(task) != row:
                tasks.setdefault(task, []).append([t, *row])
        for task in on:
            if task not in now:
                tasks[task].append([t])
        on = now
    return [[texts.add(task, 200), *rows] for task, rows in tasks.items()]


def _by_step(trace: Trace) -> list[tuple[int, Constraint | None]]:
    """Return the constraint record of every step about to be taken, None where there is none."""
    records = {record.t: record for record in trace.of(Constraint)}
    return [(t, records.get(t)) for t in range(max(len(trace.of(Step)), 1))]


def _counts(record: Constraint) -> dict[str, list[Any]]:
    columns = zip(
        record.required, record.committed, record.in_place, record.acting, record.dependency, record.joint,
        record.success, record.participants,
    )  # fmt: skip
    return {task: [*counts, who] for task, (*counts, who) in zip(record.tasks, columns)}


def happenings(trace: Trace, texts: Texts) -> list[list[int]]:
    """Return `[step, text, kind]` of everything the world did, in order; kind 0 dynamics, 1 task, 2 monitor."""
    rows = []
    for event in trace.events:
        if isinstance(event, Step):
            rows += [[event.t, texts.add(_dynamics(one), 300), 0] for one in event.events[:MOST_EVENTS]]
            if len(event.events) > MOST_EVENTS:
                rows.append([event.t, texts.add(f"{len(event.events) - MOST_EVENTS} more events"), 0])
        elif isinstance(event, Task):
            value = f", {event.value:g} points" if event.value else ""
            reason = f" ({event.reason})" if event.reason else ""
            who = f" by {agents_words(event.agents)}" if event.agents else ""
            rows.append([event.t, texts.add(f"{event.task} {event.event}{reason}{who}{value}", 300), 1])
        elif isinstance(event, Monitor):
            rows.append([event.t, texts.add(_monitor(event), 300), 2])
    return sorted(rows, key=lambda row: row[0])


def _dynamics(one: dict[str, Any]) -> str:
    agents = one.get("agents", [])
    rest = {name: value for name, value in one.items() if name not in ("kind", "agents")}
    who = f": {agents_words(agents)}" if isinstance(agents, list) and agents else ""
    return f"{spaced(str(one.get('kind', 'event')))}{who}{'; ' if rest else ''}{words(rest)}"


def _monitor(event: Monitor) -> str:
    about = f" about {event.task}: {event.constraint} {event.have} of {event.need}" if event.task else ""
    return f"monitor {spaced(event.monitor)}: {event.event}{about}, to {agents_words(event.agents)}"


def faults(trace: Trace, texts: Texts) -> list[list[int]]:
    """Return `[step, last step, text, agent, kind]` of every injected fault that took effect."""
    last = max(len(trace.of(Step)) - 1, 0)
    rows = []
    for one in trace.of(Fault):
        kind = spaced(one.fault)
        text = texts.add(f"{kind}{_whom(one)}{_details(one)}", 300)
        rows.append([one.t, min(_until(one, last), last), text, one.agent, texts.add(kind, 60)])
    return rows


def _until(one: Fault, last: int) -> int:
    until = one.detail.get("until", one.t)
    return last if until == -1 else max(int(until), one.t) if isinstance(until, (int, float)) else one.t


def _whom(one: Fault) -> str:
    return f" of agent {one.agent}" if one.agent >= 0 else ""


def _details(one: Fault) -> str:
    rest = {name: value for name, value in one.detail.items() if value != -1}
    return f": {words(rest)}" if rest else ""


def failures(trace: Trace, texts: Texts, places: dict[int, int]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rules that hit, with hits and evidence, and sentences about rules that could not be evaluated.

    A hit is `[start, end, agents, task, note, number of evidence, [step, text, message or -1]...]`; the text is empty
    where the evidence is the step itself.

    Args:
        trace: The trace.
        texts: The table of texts.
        places: Place of every message id.
    """
    found, problems = [], []
    for rule in rules().values():
        try:
            finding = run_rule(rule.id, trace)
        except Exception as error:  # a rule written for whole traces may stumble over a part of one
            problems.append(f"Rule {rule.id} could not be evaluated ({type(error).__name__}).")
            continue
        if finding.hits:
            about = {
                "id": rule.id,
                "name": rule.name,
                "severity": rule.severity,
                "says": texts.add(rule.says.replace("`", "")),
            }
            found.append({**about, **_hits(finding, trace, texts, places)})
    return found, problems


def _hits(finding: Finding, trace: Trace, texts: Texts, places: dict[int, int]) -> dict[str, Any]:
    rows = []
    for hit in finding.hits[:MOST_HITS]:
        proof = [trace.events[seq] for seq in hit.evidence if 0 <= seq < len(trace.events)]
        shown = [_evidence(event, texts, places) for event in proof[:MOST_EVIDENCE]]
        about = [list(hit.agents), texts.add(hit.task, 200), texts.add(hit.note, 300)]
        rows.append([hit.start, hit.end, *about, len(proof), *shown])
    return {"opportunities": finding.opportunities, "count": len(finding.hits), "hits": rows}


def _evidence(event: Event, texts: Texts, places: dict[int, int]) -> list[int]:
    if isinstance(event, Message):
        return [event.t, texts.add(f"message of agent {event.sender}"), places.get(event.id, -1)]
    if isinstance(event, Plan):
        return [event.t, texts.add(f"plan {event.event} of agent {event.agent}"), -1]
    if isinstance(event, Step):
        return [event.t, texts.add(""), -1]
    kind = str(event.__struct_config__.tag)
    agent = getattr(event, "agent", None)
    return [event.t, texts.add(f"{spaced(kind)}{'' if agent is None else f' of agent {agent}'}"), -1]
