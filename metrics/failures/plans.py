"""Failures of plans: stale, not what is carried out, given up again and again, announced in vain, without a goal.

P5, history loss, is left out: it needs to know what a request asks for and what an agent looked at, and messages state
facts but name none that they ask for, while observations are recorded by their hash alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from emcoop.metrics.failures.moments import OVER, Span, belongs, constraints, moments, peaks, spans
from emcoop.metrics.failures.records import contradicts
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, Rule
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.quantities import steps_taken
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Action, Claim, Constraint, Message, Reaction, Step, Task

PRIMITIVE = "primitive"
"""Concept of planners that skip plans; its `action` is what has to be done."""
ANNOUNCING, TASK_FACT, NO_TASK = ("commit", "ack"), "task", ("", "none")
"""How agents announce what they will do: acts, name of the fact, and the values that say they do nothing."""
RETRACTING = "free"
"""Fact, and act, that takes an announcement back."""


class Lesson(NamedTuple):
    """A true fact that an agent read in a message."""

    t: int
    seq: int
    value: Any


@per_trace
def lessons(trace: Trace) -> dict[tuple[int, str], list[Lesson]]:
    """Return what each agent was truly told, per agent and key."""
    facts = {message.id: message.facts for message in trace.of(Message)}
    truth: dict[tuple[int, str], bool] = {}
    found: dict[tuple[int, str], list[Lesson]] = defaultdict(list)
    for event in trace.events:
        if isinstance(event, Claim):
            truth[event.message, event.key] = event.true
        elif isinstance(event, Reaction) and event.label == "consume":
            for message in event.messages:
                for key, value, _ in facts.get(message, ()):
                    if truth.get((message, key)):
                        found[event.agent, key].append(Lesson(event.t, event.seq, value))
    return dict(found)


def find_stale_plans(trace: Trace, thresholds: Thresholds) -> Finding:
    """P1: see `RULES`. What agents see for themselves is in no record, so a plan blind to the truth is no hit."""
    assumed = [(span, key) for span in spans(trace) for key in sorted(span.assumptions)]
    if not assumed:
        return NOT_APPLICABLE
    hits = []
    for span, key in assumed:
        end = steps_taken(trace) if span.end is None else span.end
        for since, until in _contradicted(lessons(trace).get((span.agent, key), []), span.assumptions[key], end):
            start = max(since.t, span.start)
            if until - start >= thresholds.steps and not _own_doing(trace, span, key, start):
                hits.append(Hit((span.agent,), start, until, (span.first, since.seq), span.task, f"assumes {key}"))
                break
    return Finding(_in_order(hits), len(assumed))


def _own_doing(trace: Trace, span: Span, key: str, until: int) -> bool:
    """Say whether a plan has changed what it assumed itself: its agent took part when its task had its effect."""
    if not belongs(span.task, key):
        return False
    records = (constraints(trace).get(t) for t in range(span.start, until + 1))
    found = ((record, record.tasks.index(span.task)) for record in records if record and span.task in record.tasks)
    return any(record.success[k] and span.agent in record.participants[k] for record, k in found)


def _contradicted(learnt: Sequence[Lesson], assumed: Any, end: int) -> Iterator[tuple[Lesson, int]]:
    """Yield from which lesson until when an agent knew better than what it assumed."""
    since: Lesson | None = None
    for lesson in learnt:
        if lesson.t > end:
            break
        if lesson.value != assumed and contradicts(lesson.value, assumed):
            since = since or lesson
        elif since is not None:
            yield since, lesson.t
            since = None
    if since is not None:
        yield since, end


def find_mismatches(trace: Trace, thresholds: Thresholds) -> Finding:
    """P2: see `RULES`."""
    known = {span.id: span for span in spans(trace)}
    done = {moment.t - 1: moment for moment in moments(trace)}
    hits, started = [], 0
    for record in trace.of(Action):
        columns = zip(record.agents, record.plans, record.calls, record.concepts, record.outcomes, strict=True)
        for agent, plan, call, concept, outcome in columns:
            if outcome != "start":
                continue
            started += 1
            span, moment = known.get(plan), done.get(record.t)
            planned = _call_of(span, agent, call, record.t)
            if planned is None or planned[0] != concept:
                hits.append(Hit((agent,), record.t, record.t, (record.seq,), note=f"not in the plan: {concept}"))
            elif concept == PRIMITIVE and span is not None and moment is not None and agent < len(moment.actions):
                wanted = planned[1].get("action")
                replanned = span.end is not None and span.end <= record.t
                is_held = type(wanted) is int and not replanned and agent not in moment.thinking
                if is_held and moment.actions[agent] != wanted:
                    hits.append(Hit((agent,), record.t, moment.t, (record.seq, moment.seq), note="another action"))
    return Finding(_in_order([*hits, *_disobeyed(trace)]), started)


def _disobeyed(trace: Trace) -> Iterator[Hit]:
    """Yield the times in which a body did other primitives than its agent's plan asked for, without a pause."""
    steps: dict[int, dict[int, int]] = defaultdict(dict)
    for step in trace.of(Step):
        for agent, _ in step.intended:
            steps[agent][step.t] = step.seq
    for agent, places in sorted(steps.items()):
        for first, last in _runs(list(places)):
            yield Hit((agent,), first, last, (places[first], places[last]), note="its body did something else")


def _call_of(span: Span | None, agent: int, call: int, t: int) -> tuple[str, dict[str, Any]] | None:
    """Return the call an agent's plan has at a place, None if there is no such plan of this agent in force."""
    if span is None or span.agent != agent or not 0 <= call < len(span.calls):
        return None
    return span.calls[call] if span.start <= t and (span.end is None or t <= span.end) else None


def find_thrash(trace: Trace, thresholds: Thresholds) -> Finding:
    """P3: see `RULES`. A plan given up counts towards one hit only."""
    best = peaks(trace)
    given_up: dict[int, list[Span]] = defaultdict(list)
    hits = []
    ended = [span for span in spans(trace) if span.reason == "superseded" and span.end is not None]
    for span in sorted(ended, key=lambda span: span.last):
        recent = given_up[span.agent]
        recent.append(span)
        first = recent[max(0, len(recent) - thresholds.thrash)]
        t, now = first.end or 0, span.end or 0
        is_vain = best.get(t) == best.get(now)
        if len(recent) >= thresholds.thrash and now - t <= thresholds.steps and is_vain:
            evidence = tuple(one.last for one in recent[-thresholds.thrash :])
            hits.append(Hit((span.agent,), t, now, evidence, note=f"{thresholds.thrash} plans given up"))
            recent.clear()
    return Finding(_in_order(hits), len(ended))


class Announcement(NamedTuple):
    """A task that an agent said it would do."""

    agent: int
    task: str
    message: Message


def find_breaches(trace: Trace, thresholds: Thresholds) -> Finding:
    """P4: see `RULES`. Where and by when is announced in no record; an announcement has `steps` to be taken up."""
    said = _announcements(trace)
    if not said:
        return NOT_APPLICABLE
    planned: dict[tuple[int, str], list[Span]] = defaultdict(list)
    for span in spans(trace):
        planned[span.agent, span.task].append(span)
    named = {task for (_, task, _), _ in said}
    ends = {task: [end for end in trace.of(Task) if belongs(task, end.task)] for task in named}
    hits, due = [], 0
    for (agent, task, message), taken_back in said:
        until = message.t + thresholds.steps
        is_over = any(end.t <= until and (end.t >= message.t or end.event in OVER) for end in ends[task])
        if until > steps_taken(trace) or (taken_back is not None and taken_back <= until) or is_over:
            continue
        due += 1
        spent = planned[agent, task]
        in_force = any(span.start <= until and (span.end is None or span.end >= message.t) for span in spent)
        if not in_force and not _took_part(trace, agent, task, message.t, until):
            hits.append(Hit((agent,), message.t, until, (message.seq,), task, "announced, not taken up"))
    return Finding(_in_order(hits), due)


@per_trace
def _announcements(trace: Trace) -> list[tuple[Announcement, int | None]]:
    """Return the tasks announced, each with the time at which its agent said something else, if it did."""
    found: list[tuple[Announcement, int | None]] = []
    latest: dict[int, int] = {}
    for message in trace.of(Message):
        said = {key: value for key, value, _ in message.facts}
        task = said.get(TASK_FACT) if message.act in ANNOUNCING else None
        if message.act == RETRACTING or said.get(RETRACTING) is True or isinstance(task, str):
            k = latest.pop(message.sender, -1)
            if k >= 0 and found[k][0].task != task:
                found[k] = found[k][0], message.t
        if isinstance(task, str) and task not in NO_TASK:
            latest[message.sender] = len(found)
            found.append((Announcement(message.sender, task, message), None))
    return found


def _took_part(trace: Trace, agent: int, task: str, start: int, end: int) -> bool:
    records = (constraints(trace).get(t) for t in range(start, end + 1))
    return any(
        record is not None and task in record.tasks and agent in record.participants[record.tasks.index(task)]
        for record in records
    )


def find_derailment(trace: Trace, thresholds: Thresholds) -> Finding:
    """P6: see `RULES`. Only what the log shows to lead nowhere counts; exploring without a task does not."""
    with_task = [span for span in spans(trace) if span.task]
    too_much = _too_much(trace)
    over = [(end.t, end.task, end.seq) for end in trace.of(Task) if end.event in OVER]
    hits = []
    for span in with_task:
        end = steps_taken(trace) if span.end is None else span.end
        ended = [(t, seq) for t, thing, seq in over if belongs(span.task, thing)]
        start = max(span.start, min(ended)[0]) if ended else end
        if ended and end - start >= thresholds.steps:
            hits.append(Hit((span.agent,), start, end, (span.first, min(ended)[1]), span.task, "over or out of reach"))
            continue
        for first, last in _runs(sorted(t for t in too_much.get(span.task, ()) if span.start <= t < end)):
            if last + 1 - first >= thresholds.steps:
                evidence = (span.first, constraints(trace)[first].seq)
                note = "takes more agents than there are"
                hits.append(Hit((span.agent,), first, last + 1, evidence, span.task, note))
                break
    return Finding(_in_order(hits), len(with_task))


@per_trace
def _too_much(trace: Trace) -> dict[str, set[int]]:
    """Return per task the times at which it took more agents than the team has."""
    found: dict[str, set[int]] = defaultdict(set)
    for record in trace.of(Constraint):
        for task, required in zip(record.tasks, record.required, strict=True):
            if required > trace.episode.n_agents:
                found[task].add(record.t)
    return dict(found)


def _runs(times: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of the numbers that follow each other without a gap."""
    for k, t in enumerate(times):
        if k == 0 or times[k - 1] != t - 1:
            start = t
        if k + 1 == len(times) or times[k + 1] != t + 1:
            yield start, t


def _in_order(hits: list[Hit]) -> tuple[Hit, ...]:
    return tuple(sorted(hits, key=lambda hit: (hit.start, hit.end, hit.agents, hit.task, hit.evidence)))


RULES = (
    Rule(
        "P1", "stale plan", "W",
        "A plan stayed in force for `steps` steps after its agent had read a true message against an assumption of it; "
        "not where the plan itself had changed what it assumed.",
        "an assumption of a committed plan", find_stale_plans, mast=("1.4",), families="STNP",
    ),
    Rule(
        "P2", "plan-action mismatch", "W",
        "An agent carried out a call that its plan in force does not have there, or another primitive than the plan's, "
        "for one or more steps.",
        "a call started", find_mismatches, mast=("2.6",), fidelity="equivalent",
    ),
    Rule(
        "P3", "interrupt thrash", "W",
        "An agent gave up `thrash` plans within `steps` steps without any progress of the team.",
        "a plan given up for another", find_thrash, mast=("2.1", "2.3"), families="T",
    ),
    Rule(
        "P4", "commitment breach", "W",
        "An agent announced a task, and in the `steps` steps after neither planned it, worked on it nor took it back.",
        "an announced task that was neither over nor taken back in time", find_breaches, mast=("2.6",), families="TN",
    ),
    Rule(
        "P6", "derailment", "W",
        "A plan was in force for `steps` steps on a task that is over, stuck or takes more agents than the team has.",
        "a plan for a task", find_derailment, mast=("2.3",), families="P",
    ),
)  # fmt: skip
