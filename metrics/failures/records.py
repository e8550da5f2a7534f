"""What several failure rules read from a trace: plans in force, tasks that messages name, windows, values of facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from emcoop.metrics.quantities import steps_taken
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Message, Plan

NOTHING = "none"
"""What messages call having no task."""

NAMING = ("task", "order")
"""Facts whose value is the task that a message is about; `orders` maps agents to such tasks."""

RESTS_ON = {"MACrafter": (re.compile(r"([a-z]+)@(\d+,\d+)"), "cell:")}
"""By the beginning of the environment's id: tasks whose name is a fact that every plan for them rests on.

`iron@23,25` rests on the fact `cell:23,25` = `"iron"`.
"""


@dataclass(frozen=True)
class HeldPlan:
    """A plan from its commitment to its end.

    Attributes:
        agent, id, task, calls: As committed.
        start, end: Environment steps (`t`) of its commitment and its end; a plan still in force ends with the trace.
        seq, end_seq: Places in the log of its two records; the second is that of the last event if it has no end.
        assumptions: Facts it rests on, as it states them and as its task implies.
        stated: Those of them that it states.
        reason: Why it ended, empty while it is in force.
    """

    agent: int
    id: int
    task: str
    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    start: int
    end: int
    seq: int
    end_seq: int
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    stated: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


@per_trace
def held_plans(trace: Trace) -> list[HeldPlan]:
    """Return all plans in the order of their commitment."""
    in_force: dict[int, tuple[int, Plan]] = {}
    found: list[HeldPlan | None] = []
    for record in trace.of(Plan):
        if record.event == "commit":
            in_force[record.id] = len(found), record
            found.append(None)
        elif record.id in in_force:
            place, plan = in_force.pop(record.id)
            found[place] = _held(trace, plan, record.t, record.seq, record.reason)
    for place, plan in in_force.values():
        found[place] = _held(trace, plan, steps_taken(trace), trace.events[-1].seq, "")
    return [plan for plan in found if plan is not None]


def _held(trace: Trace, plan: Plan, end: int, end_seq: int, reason: str) -> HeldPlan:
    last = steps_taken(trace)
    start = min(max(plan.t, 0), last)
    rests_on = {**implied(trace, plan.task), **plan.assumptions}
    return HeldPlan(
        plan.agent, plan.id, plan.task, tuple(plan.calls), start, min(max(end, start), last), plan.seq, end_seq,
        rests_on, plan.assumptions, reason,
    )  # fmt: skip


@per_trace
def plans_of_agents(trace: Trace) -> dict[int, list[HeldPlan]]:
    """Return the plans of each agent that has made one, in order."""
    found: dict[int, list[HeldPlan]] = {}
    for plan in held_plans(trace):
        found.setdefault(plan.agent, []).append(plan)
    return dict(sorted(found.items()))


def implied(trace: Trace, task: str) -> dict[str, Any]:
    """Return the fact that every plan for a task rests on as its name says, if there is one; see `RESTS_ON`."""
    env_id = trace.episode.env_id
    for name, (pattern, prefix) in RESTS_ON.items():
        match = pattern.fullmatch(task) if env_id.startswith(name) else None
        if match:
            return {prefix + match[2]: match[1]}
    return {}


def named_tasks(message: Message) -> frozenset[str]:
    """Return the tasks a message is about, as its facts say."""
    said: list[Any] = []
    for key, value, _ in message.facts:
        if key in NAMING:
            said.append(value)
        elif key == "orders" and isinstance(value, Mapping):
            said += value.values()
    return frozenset(task for task in said if isinstance(task, str) and task not in ("", NOTHING))


def only(tasks: Iterable[str]) -> str:
    """Return the one task there is, an empty text if there is none or more than one."""
    different = set(tasks)
    return different.pop() if len(different) == 1 else ""


def canonical(value: Any) -> bytes:
    """Return a value as something that can be compared and looked up: its JSON."""
    return msgspec.json.encode(value, order="deterministic")


def contradicts(one: Any, other: Any) -> bool:
    """Say whether two values of one fact cannot both be true: lists may tell more or less of the same thing."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return any(contradicts(a, b) for a, b in zip(one, other))
    return canonical(one) != canonical(other)


def windows(trace: Trace, length: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last environment step (`t`) of each whole window of the trace, one after the other.

    A window is whole when the trace has gone beyond it, so that a part of a trace has the same windows.
    """
    for start in range(0, steps_taken(trace) - length + 1, length):
        yield start, start + length - 1


def runs(steps: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each unbroken run of ascending steps."""
    run: tuple[int, int] | None = None
    for step in steps:
        if run is not None and step != run[1] + 1:
            yield run
            run = None
        run = (step, step) if run is None else (run[0], step)
    if run is not None:
        yield run
