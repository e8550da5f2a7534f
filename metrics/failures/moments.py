"""What several failure rules read out of a trace: its steps, the plans in force, who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from emcoop.metrics.kinds import Happening, Vocabulary, agents_in, kind_of, vocabulary
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Activation, Constraint, Plan, Step, Waiting, World

IDLE = 0
"""The primitive that does nothing, in every world so far."""
FALLS, RISES = "death", "revive"
"""Events that put an agent out of action, and that bring the agent `revived` back."""
OVER = frozenset(["delivered", "stuck"])
"""Task events after which there is nothing left to do for an object; a harvest may leave more."""

Cell: TypeAlias = tuple[int, int]


class Stop(NamedTuple):
    """A move that was not possible.

    Attributes:
        cell, ahead: Where the agent stands, and the cell it wanted; None if that is not known.
        by: `agent` or `race`, or what else was in the way.
    """

    cell: Cell | None
    ahead: Cell | None
    by: str


@dataclass(frozen=True)
class Moment:
    """One environment step.

    Attributes:
        t, seq: Number of the step, from 1, and place of its record.
        actions: Primitive of each agent.
        best: Highest progress so far; progress is gained where it rises.
        configuration: Hash of positions, poses and inventories after it.
        moved: Agents that changed their cell: from where to where.
        stopped: Agents whose move was not possible.
        effect: Agents for whom something came of their action.
        thinking: Agents that stood still because thinking costs steps.
        discovers: Whether an agent entered a cell where none of the team had been.
        happenings: Events of the dynamics.
    """

    t: int
    seq: int
    actions: tuple[int, ...]
    best: float
    configuration: str
    moved: Mapping[int, tuple[Cell, Cell]]
    stopped: Mapping[int, Stop]
    effect: frozenset[int]
    thinking: frozenset[int]
    discovers: bool
    happenings: tuple[Happening, ...]

    def is_busy(self) -> bool:
        """Say whether any agent did anything at all."""
        return any(action != IDLE for action in self.actions)


@dataclass(frozen=True)
class Span:
    """A plan and the time it was in force.

    Attributes:
        id, agent, task, calls, assumptions: As in its `plan` record.
        start, end: Environment steps taken when it was committed and when it ended; None if it never did.
        reason, call: Why and at which call it ended.
        first, last: `seq` of the two records; `last` is -1 if it never ended.
    """

    id: int
    agent: int
    task: str
    calls: list[tuple[str, dict[str, Any]]]
    assumptions: dict[str, Any]
    start: int
    first: int
    end: int | None = None
    reason: str = ""
    call: int = -1
    last: int = -1


class Wait(NamedTuple):
    """Agents that wait for company at one point.

    Attributes:
        point: Its name.
        agents: Who waits there.
        need: How many have to be there.
        seq: Record that says so.
    """

    point: str
    agents: frozenset[int]
    need: int
    seq: int


@per_trace
def moments(trace: Trace) -> list[Moment]:
    """Return the environment steps in order, each with what changed in it; nothing looks ahead in the log."""
    words = vocabulary(trace)
    where: dict[int, Cell] = {}
    known: set[Cell] = set()
    pauses: dict[int, int] = {}
    changed: set[int] = set()
    to: dict[int, Cell] = {}
    best = float("-inf")
    found: list[Moment] = []
    for event in trace.events:
        if isinstance(event, World):
            to.update((agent, (at[0], at[1])) for agent, at in zip(event.agents, event.to) if len(at) == 2)
            changed.update(_owners(event.objects))
        elif isinstance(event, Activation) and event.thinking > 0:
            pauses[event.agent] = max(pauses.get(event.agent, 0), event.t) + event.thinking
        elif isinstance(event, Step):
            best = max(best, event.progress)
            if event.t > 0:
                moved = {i: (where[i], cell) for i, cell in to.items() if i in where and where[i] != cell}
                stopped = _stops(event, words, where, moved)
                gone_well = {i for one in event.events if kind_of(one) not in words.vain for i in agents_in(one)}
                found.append(
                    Moment(
                        event.t, event.seq, tuple(event.actions), best, event.configuration_hash, moved, stopped,
                        frozenset(gone_well | changed | moved.keys()),
                        frozenset(i for i, until in pauses.items() if until >= event.t),
                        not known.issuperset(to.values()), tuple(event.events),
                    )
                )  # fmt: skip
            where.update(to)
            known.update(to.values())
            to, changed = {}, set()
    return found


def _owners(objects: Mapping[str, Any]) -> list[int]:
    """Return the agents whose own values (`agent3`) are among changed objects."""
    names = (name.removeprefix("agent") for name in objects if name.startswith("agent"))
    return [int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 10]


def _stops(
    step: Step, words: Vocabulary, where: Mapping[int, Cell], moved: Mapping[int, tuple[Cell, Cell]]
) -> dict[int, Stop]:
    """Return whose move was not possible: as events say, or because another agent stood in the way."""
    said: dict[int, str] = {}
    busy: set[int] = set()
    for event in step.events:
        kind = kind_of(event)
        if kind in words.joint:
            busy.update(agents_in(event))
        elif kind in words.blocked:
            by = "race" if "winner" in event else str(event.get("into", "something"))
            said.update((i, by) for i in agents_in(event) if i != event.get("winner"))
    occupants = {cell: i for i, cell in where.items()}
    found = {}
    for i, action in enumerate(step.actions):
        side, cell = words.moves.get(action), where.get(i)
        ahead = None if side is None or cell is None else (cell[0] + side[0], cell[1] + side[1])
        if i in said:
            found[i] = Stop(cell, ahead, said[i])
        elif ahead in occupants and i not in moved and i not in busy:
            found[i] = Stop(cell, ahead, "agent")
    return found


@per_trace
def spans(trace: Trace) -> list[Span]:
    """Return the plans that were committed, in order, with the time each was in force."""
    found: list[Span] = []
    places: dict[int, int] = {}
    for plan in trace.of(Plan):
        if plan.event == "commit":
            places[plan.id] = len(found)
            found.append(
                Span(plan.id, plan.agent, plan.task, plan.calls, plan.assumptions, start=plan.t, first=plan.seq)
            )  # fmt: skip
        elif plan.id in places:
            k = places.pop(plan.id)
            whole = {name: getattr(found[k], name) for name in ("id", "agent", "task", "calls", "assumptions")}
            found[k] = Span(
                **whole, start=found[k].start, first=found[k].first, end=plan.t, reason=plan.reason, call=plan.call,
                last=plan.seq,
            )  # fmt: skip
    return found


@per_trace
def peaks(trace: Trace) -> dict[int, float]:
    """Return the highest progress up to each step, that after reset included."""
    found: dict[int, float] = {}
    best = float("-inf")
    for step in trace.of(Step):
        best = max(best, step.progress)
        found[step.t] = best
    return found


@per_trace
def waits(trace: Trace) -> list[tuple[Wait, ...]]:
    """Return who waited where in each of the `moments`, as the `waiting` records say."""
    records = trace.of(Waiting)
    found: list[tuple[Wait, ...]] = []
    now: tuple[Wait, ...] = ()
    next_record = 0
    for moment in moments(trace):
        while next_record < len(records) and records[next_record].t < moment.t:
            record = records[next_record]
            columns = zip(record.points, record.agents, record.needs, strict=True)
            now = tuple(Wait(point, frozenset(agents), need, record.seq) for point, agents, need in columns if agents)
            next_record += 1
        found.append(now)
    return found


@per_trace
def constraints(trace: Trace) -> dict[int, Constraint]:
    """Return the constraint records by the number of steps taken before."""
    return {record.t: record for record in trace.of(Constraint)}


def belongs(task: str, thing: str) -> bool:
    """Say whether a task is the one named or about the object named: `block3/left` is about `block3`."""
    return bool(thing) and (task == thing or task.startswith(f"{thing}/"))
