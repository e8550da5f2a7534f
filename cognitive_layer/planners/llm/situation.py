"""What a prompt may say: the seat's lasting facts, and the situation of one decision, as plain and safe data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from emcoop.cognitive_layer.answers import KINDS
from emcoop.cognitive_layer.plan import Notice, Outcome, PlanningContext, SeatSetup
from emcoop.cognitive_layer.planners.llm import words
from emcoop.cognitive_layer.planners.llm.notebook import MOST_TEXT, PROTOCOL, MessageRow, Notebook
from emcoop.cognitive_layer.planners.llm.schema import MOST_CALLS, MOST_FACTS, MOST_MESSAGES
from emcoop.cognitive_layer.stages import I
from emcoop.envs.embodiment import FAR, Concept, TaskView

MOST_TASKS = 12
"""Tasks listed at most; the rest is counted."""
MOST_GROUPS = 8
MOST_PLANNED = 24
"""Groups in a notice, and calls of the own plan, shown at most."""


class TaskRow(NamedTuple):
    """A task as shown.

    Attributes:
        id: Its name.
        need: Participants needed.
        in_place: Agents seen in place.
        coming: Agents that said they would do it, in words; `n_coming` is their number.
        travel: Own steps until in place, None if that is unknown or never.
        work: Steps of work left.
        value: Points, in words.
        available: Whether its prerequisites hold.
    """

    id: str
    need: int
    in_place: int
    coming: str
    n_coming: int
    travel: int | None
    work: int
    value: str
    available: bool


class OutcomeRow(NamedTuple):
    """How a plan ended, in words."""

    step: int
    task: str
    call: str
    reason: str
    detail: str


class FactRow(NamedTuple):
    """A remembered fact, in words that are safe to show."""

    key: str
    value: str
    step: int
    source: int


class ConceptRow(NamedTuple):
    """A concept: how it is written, and what it does."""

    signature: str
    description: str


def task_rows(context: PlanningContext, coming: Mapping[str, Sequence[int]]) -> tuple[list[TaskRow], int]:
    """Return the tasks to list, those that are possible, worth something and near, and how many are left out."""
    view = context.view
    ranked = []
    for k, task in enumerate(view.tasks()):
        travel = view.travel(task.id, (view.me,))[0] if task.available or task.value else FAR
        ranked.append(((not task.available, not task.value, travel, k), k, task, travel))
    rest = len(ranked) - MOST_TASKS
    if rest > 0:
        ranked = sorted(sorted(ranked)[:MOST_TASKS], key=lambda entry: entry[1])
    return [_task_row(task, travel, coming.get(task.id, ())) for _, _, task, travel in ranked], max(rest, 0)


def _task_row(task: TaskView, travel: int, coming: Sequence[int]) -> TaskRow:
    return TaskRow(
        task.id,
        task.required,
        task.in_place,
        words.agents(coming),
        len(coming),
        travel if travel < FAR else None,
        task.remaining,
        f"{task.value:g}",
        task.available,
    )


def outcome_row(outcome: Outcome) -> OutcomeRow:
    """Put the end of a plan into words."""
    call = "" if outcome.call is None else words.call_words(outcome.call)
    return OutcomeRow(
        outcome.step,
        words.name(outcome.task) if outcome.task else "",
        call,
        outcome.reason,
        words.pairs(outcome.detail),
    )


def notice_words(notice: Notice) -> str:
    """Put a monitor's notice into a sentence."""
    said = (
        f"{words.name(notice.monitor)}: {words.name(notice.task)} will fail as planned, foreseen up to step "
        f"{notice.when} ({words.name(notice.constraint)}: {notice.have} of {notice.need} agents; committed: agents "
        f"{words.agents(notice.who)})"
    )
    groups = [
        f"{words.name(task)}: agents {words.agents(who)}" for task, who in islice(notice.groups.items(), MOST_GROUPS)
    ]
    return f"{said}; failing now: {'; '.join(groups)}" if groups else said


def lasting(setup: SeatSetup, concepts: Mapping[str, Concept]) -> dict[str, Any]:
    """Return what a prompt may say that does not change during an episode."""
    return {
        "me": setup.seat,
        "n_agents": len(setup.names),
        "rules": setup.rules,
        "max_steps": setup.max_steps,
        "topology": setup.topology,
        "role": setup.role,
        "leader": setup.leader,
        "reports": words.agents(setup.reports),
        "talks": setup.topology != "individual",
        "concepts": [ConceptRow(words.signature(c), c.description) for c in concepts.values()],
        "arguments": words.glossary(concepts.values()),
        "kinds": ", ".join(KINDS),
        "most_calls": MOST_CALLS,
        "most_messages": MOST_MESSAGES,
        "most_facts": MOST_FACTS,
        "most_text": MOST_TEXT,
    }


LASTING = (
    "me", "n_agents", "rules", "max_steps", "topology", "role", "leader", "reports", "talks", "concepts", "arguments",
    "kinds", "most_calls", "most_messages", "most_facts", "most_text",
)  # fmt: skip
"""Names of what does not change during an episode."""


@dataclass(frozen=True)
class Situation:
    """One decision's part of a prompt; nothing is worked out that no template uses.

    Attributes:
        context: What the agent knows.
        notebook: What it keeps.
        rows: The tasks, see `task_rows`.
        more_tasks: How many tasks are not among them.
        messages: The messages to show.
        decisions: What can be decided.
        messages_left, chars_left: What it may still say before this step, None = no limit.
        memory: Facts shown at most.
    """

    context: PlanningContext
    notebook: Notebook
    rows: Sequence[TaskRow]
    more_tasks: int
    messages: Sequence[MessageRow]
    decisions: Sequence[str]
    messages_left: int | None
    chars_left: int | None
    memory: int

    def values(self, uses: Iterable[str]) -> dict[str, Any]:
        """Return the values that templates use."""
        return {name: VALUES[name](self) for name in uses if name in VALUES}


def _facts(now: Situation) -> list[FactRow]:
    """Return the newest remembered facts that are not about who does what."""
    facts = now.context.memory.facts
    newest = islice((key for key in reversed(facts) if key not in PROTOCOL), now.memory)
    return [
        FactRow(words.name(key), words.value(facts[key].value), facts[key].step, facts[key].source) for key in newest
    ]


def _plan(now: Situation) -> list[str]:
    plan = now.context.plan
    return [] if plan is None else [words.call_words(call) for call in plan.calls[:MOST_PLANNED]]


def _plan_task(now: Situation) -> str:
    plan = now.context.plan
    return words.name(plan.task) if plan is not None and plan.task else ""


def _listeners(now: Situation) -> str:
    reachable = now.context.reachable
    is_everybody = len(reachable) > 2 and len(reachable) == now.context.view.n_agents - 1
    return "all others" if is_everybody else words.agents(reachable)


def _earlier(now: Situation) -> list[OutcomeRow]:
    return [outcome_row(outcome) for outcome in now.notebook.outcomes if outcome != now.context.last]


VALUES: Mapping[str, Callable[[Situation], Any]] = {
    "stage": lambda now: now.context.stage.name.lower(),
    "interrupted": lambda now: now.context.stage is I,
    "step": lambda now: now.context.step,
    "steps_left": lambda now: now.context.steps_left,
    "rounds_left": lambda now: now.context.rounds_left,
    "waited": lambda now: now.context.waited,
    "observation": lambda now: now.context.view.text(),
    "tasks": lambda now: now.rows,
    "more_tasks": lambda now: now.more_tasks,
    "last": lambda now: None if now.context.last is None else outcome_row(now.context.last),
    "outcomes": _earlier,
    "notes": lambda now: list(now.notebook.notes),
    "facts": _facts,
    "heard": lambda now: list(now.notebook.heard),
    "messages": lambda now: now.messages,
    "unshown": lambda now: len(now.context.unread) - len(now.messages),
    "order": lambda now: words.name(now.notebook.order) if now.notebook.order else "",
    "free": lambda now: words.agents(list(now.notebook.free)),
    "plan": _plan,
    "plan_task": _plan_task,
    "call": lambda now: now.context.call,
    "notices": lambda now: [notice_words(notice) for notice in now.context.notices],
    "listeners": _listeners,
    "decisions": lambda now: now.decisions,
    "messages_left": lambda now: now.messages_left,
    "chars_left": lambda now: now.chars_left,
}
"""What a prompt may say of one decision."""

NAMES = frozenset({*LASTING, *VALUES, "problem"})
"""What templates can use."""
