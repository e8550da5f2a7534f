"""Attempts on tasks, cut out of the constraint records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Constraint

IDLE_STEPS = 5
"""So many steps in a row without engagement end an attempt."""


class TaskStep(NamedTuple):
    """The constraint counts of one task in one step; the fields are those of `schema.Constraint`."""

    t: int
    required: int
    committed: int
    in_place: int
    acting: int
    dependency: int
    joint: int
    engaged: int
    success: int


@dataclass
class Attempt:
    """A maximal run of steps in which agents committed to a task worked on it.

    An attempt begins with a step in which a committed agent is in place or acting (engaged > 0). It goes on, through
    successes too (a push succeeds many steps in a row), until
    - release: a step in which nobody is committed to the task, so that it has no constraint record; this is also
      what follows a task that is finished; or
    - idleness: the fifth step in a row (`IDLE_STEPS`) without engagement; a shorter pause is bridged; or
    - the end of the trace.

    Attributes:
        task: Task id.
        steps: Its attempt-steps: those with engaged > 0. Idle steps between them belong to no average.
        success: True if a step from the first to the last attempt-step had the task's effect.
    """

    task: str
    steps: list[TaskStep] = field(default_factory=list)
    success: bool = False

    @property
    def best(self) -> TaskStep:
        """The attempt-step that came closest: the largest joint count, then acting, in place, committed; the first."""
        return max(self.steps, key=lambda step: (step.joint, step.acting, step.in_place, step.committed))


@per_trace
def spells(trace: Trace) -> dict[str, list[list[TaskStep]]]:
    """Return per task its unbroken runs of steps with somebody committed, in order."""
    found: dict[str, list[list[TaskStep]]] = {}
    for record in trace.of(Constraint):
        t = record.t
        columns = zip(
            record.tasks, record.required, record.committed, record.in_place, record.acting,
            record.dependency, record.joint, record.engaged, record.success, strict=True,
        )  # fmt: skip
        for task, *counts in columns:
            runs = found.setdefault(task, [])
            if not runs or runs[-1][-1].t != t - 1:
                runs.append([])
            runs[-1].append(TaskStep(t, *counts))
    return found


@per_trace
def attempts(trace: Trace) -> list[Attempt]:
    """Return all attempts, task by task; see `Attempt` for where one ends."""
    return [attempt for task, runs in spells(trace).items() for run in runs for attempt in _attempts_in(task, run)]


def _attempts_in(task: str, run: list[TaskStep]) -> Iterator[Attempt]:
    attempt = Attempt(task)
    pause: list[TaskStep] = []
    for step in run:
        if step.engaged:
            attempt.success |= bool(step.success) or any(idle.success for idle in pause)
            attempt.steps.append(step)
            pause = []
        elif attempt.steps:
            pause.append(step)
            if len(pause) == IDLE_STEPS:
                yield attempt
                attempt, pause = Attempt(task), []
    if attempt.steps:
        yield attempt
