"""Failures of bodies: what attempts lacked, meetings left too soon, collisions and jams, calls that cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from emcoop.metrics.failures.moments import Cell, Moment, Span, moments, spans, waits
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, Rule
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.failures.trials import (
    CAPABILITY,
    DEPENDENCY,
    QUORUM,
    SPATIAL,
    TEMPORAL,
    Trial,
    evidence,
    participants,
    trials,
)
from emcoop.metrics.kinds import vocabulary
from emcoop.trace import Trace
from emcoop.trace.schema import Action

PATIENCE = ("timeout", "patience")
"""Arguments by which a call says how long it waits for others."""
REJECTED = "failed:"
JAM = ("agent", "race")
"""What stops a move where agents are in each other's way."""


def lacking(rule: str) -> Callable[[Trace, Thresholds], Finding]:
    """Return the function that finds failed attempts under one of the rules E1 to E5.

    Where the log ends before the agents let go of the task, the attempt is not judged, unless the episode is over and
    `steps` have passed since it began: what the end of the budget cut off is no failure.
    """

    def find(trace: Trace, thresholds: Thresholds) -> Finding:
        judged = [trial for trial in trials(trace) if _is_judged(trial, trace, thresholds)]
        hits = sorted(
            (_miss(trace, trial, rule) for trial in judged if rule in trial.lacks),
            key=lambda hit: (hit.start, hit.end, hit.task),
        )
        return Finding(tuple(hits), len(judged))

    return find


def _is_judged(trial: Trial, trace: Trace, thresholds: Thresholds) -> bool:
    lasted = trial.end + 1 - trial.attempt.steps[0].t
    return not trial.is_open or (trace.end is not None and lasted >= thresholds.steps)


def _miss(trace: Trace, trial: Trial, rule: str) -> Hit:
    attempt, best = trial.attempt, trial.attempt.best
    rank = "first unmet" if trial.lacks[0] == rule else f"unmet after {trial.lacks[0]}"
    counts = f"of {best.required} {best.committed} committed, {best.in_place} in place, {best.joint} jointly acting"
    return Hit(
        participants(trace, attempt), attempt.steps[0].t, trial.end + 1, evidence(trace, attempt), attempt.task,
        f"{rank}; {counts}",
    )  # fmt: skip


def find_broken_rendezvous(trace: Trace, thresholds: Thresholds) -> Finding:
    """E6: see `RULES`. Arrivals that came stand for the partners' estimated ones, which no record holds."""
    steps, held = moments(trace), waits(trace)
    stays = _stays(trace)
    left = {
        (span.agent, span.end): span
        for span in spans(trace)
        if span.reason == "superseded" and span.end is not None and span.start < span.end
    }
    hits = []
    for (point, agent), runs in sorted(stays.items()):
        for first, last in runs:
            after = last + 1
            span = left.get((agent, steps[last].t))
            if after == len(steps) or span is None:
                continue
            until = min(after + _patience(span, thresholds.steps) - (after - first), len(steps))
            for k in range(after, until):
                there = next((wait for wait in held[k] if wait.point == point), None)
                if there is not None and agent in there.agents:
                    break
                if there is not None and len(there.agents) + 1 >= there.need:
                    agents = tuple(sorted({agent, *there.agents}))
                    task = point.partition(":")[2] if point.startswith("rendezvous:") else ""
                    note = f"one left, and {len(there.agents)} of {there.need} were there in time"
                    hits.append(Hit(agents, steps[last].t, steps[k].t, (span.last, there.seq), task, note))
                    break
    hits.sort(key=lambda hit: (hit.start, hit.end, hit.agents, hit.task))
    return Finding(tuple(hits), sum(map(len, stays.values()))) if trace.episode.n_agents > 1 else NOT_APPLICABLE


def _stays(trace: Trace) -> dict[tuple[str, int], list[tuple[int, int]]]:
    """Return per meeting point and agent the first and last places in `moments` of its stays there."""
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for k, points in enumerate(waits(trace)):
        for wait in points:
            for agent in wait.agents:
                runs = found.setdefault((wait.point, agent), [])
                if runs and runs[-1][1] == k - 1:
                    runs[-1] = runs[-1][0], k
                elif not runs or runs[-1][1] < k:
                    runs.append((k, k))
    return found


def _patience(span: Span, default: int) -> int:
    """Return for how many steps the call at which a plan ended had announced to wait."""
    args = span.calls[span.call][1] if 0 <= span.call < len(span.calls) else {}
    said = [args[name] for name in PATIENCE if type(args.get(name)) is int]
    return int(said[0]) if said else default


def find_collisions(trace: Trace, thresholds: Thresholds) -> Finding:
    """E7: see `RULES`. Every step counts: a move that is not possible twice is tried twice."""
    if not vocabulary(trace).moves:
        return NOT_APPLICABLE
    hits, tried = [], 0
    for moment in moments(trace):
        swapping = {agent for pair in _swaps(moment) for agent in pair}
        tried += len(moment.moved.keys() | moment.stopped.keys())
        for agent, stop in sorted(moment.stopped.items()):
            by = "swap" if agent in swapping else stop.by
            hits.append(Hit((agent,), moment.t, moment.t, (moment.seq,), note=f"stopped by: {by}"))
    return Finding(tuple(hits), tried)


def _swaps(moment: Moment) -> list[tuple[int, int]]:
    """Return the pairs of agents that stopped each other because each wanted the other's cell."""
    by_cell = {stop.cell: agent for agent, stop in moment.stopped.items()}
    found = []
    for agent, stop in sorted(moment.stopped.items()):
        other = None if stop.ahead is None else by_cell.get(stop.ahead)
        if other is not None and agent < other and moment.stopped[other].ahead == stop.cell:
            found.append((agent, other))
    return found


def find_swap_locks(trace: Trace, thresholds: Thresholds) -> Finding:
    """E8: see `RULES`."""
    if not vocabulary(trace).moves or trace.episode.n_agents < 2:
        return NOT_APPLICABLE
    runs: dict[tuple[int, int], list[list[Moment]]] = {}
    for moment in moments(trace):
        for pair in _swaps(moment):
            same = runs.setdefault(pair, [])
            if same and same[-1][-1].t == moment.t - 1:
                same[-1].append(moment)
            else:
                same.append([moment])
    every = [(pair, run) for pair, same in runs.items() for run in same]
    hits = [
        Hit(pair, run[0].t, run[-1].t, (run[0].seq, run[-1].seq), note=f"for {len(run)} steps")
        for pair, run in every
        if len(run) >= thresholds.swap
    ]
    hits.sort(key=lambda hit: (hit.start, hit.end, hit.agents))
    return Finding(tuple(hits), len(every))


def find_congestion(trace: Trace, thresholds: Thresholds) -> Finding:
    """E9: see `RULES`. Of several jams in one window, the one that stopped most moves is the hit."""
    if not vocabulary(trace).moves or trace.episode.n_agents < 2:
        return NOT_APPLICABLE
    steps, hits, opportunities = moments(trace), [], 0
    for first in range(0, len(steps) - thresholds.steps + 1, thresholds.steps):
        window = steps[first : first + thresholds.steps]
        opportunities += any(moment.moved or moment.stopped for moment in window)
        worst = _worst_jam(window, thresholds)
        if worst is not None:
            agents, share = worst
            ends = window[0], window[-1]
            hits.append(Hit(agents, ends[0].t, ends[1].t, (ends[0].seq, ends[1].seq), note=f"{share:.2f} stopped"))
    return Finding(tuple(hits), opportunities)


def _worst_jam(window: Sequence[Moment], thresholds: Thresholds) -> tuple[tuple[int, ...], float] | None:
    """Return who was stopped in the worst jam of a window, and the share of its moves that were; None without one."""
    went: Counter[Cell] = Counter()
    stopped: Counter[Cell] = Counter()
    who: dict[Cell, set[int]] = {}
    for moment in window:
        went.update(before for before, _ in moment.moved.values())
        for agent, stop in moment.stopped.items():
            if stop.cell is not None and stop.by in JAM:
                stopped[stop.cell] += 1
                who.setdefault(stop.cell, set()).add(agent)
    found = []
    for region in _regions(stopped):
        stops = sum(stopped[cell] for cell in region)
        share = stops / (stops + sum(went[cell] for cell in region))
        agents = tuple(sorted(set().union(*(who[cell] for cell in region))))
        if stops >= thresholds.steps and share > thresholds.blocked and len(agents) > 1:
            found.append((-stops, min(region), agents, share))
    return min(found)[2:] if found else None


def _regions(cells: Counter[Cell]) -> Iterator[list[Cell]]:
    """Yield the cells in groups that touch each other, diagonally too."""
    left = set(cells)
    for start in sorted(cells):
        if start in left:
            left.remove(start)
            region = [start]
            for row, col in region:  # grows on the way
                around = [(row + r, col + c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (row + r, col + c) in left]
                left.difference_update(around)
                region.extend(around)
            yield region


def find_invalid_grounding(trace: Trace, thresholds: Thresholds) -> Finding:
    """E10: see `RULES`."""
    hits, started = [], 0
    for record in trace.of(Action):
        begun: Counter[tuple[int, int, int]] = Counter()
        for agent, plan, call, concept, outcome in zip(
            record.agents, record.plans, record.calls, record.concepts, record.outcomes, strict=True
        ):
            if outcome == "start":
                begun[agent, plan, call] += 1
                started += 1
            elif outcome.startswith(REJECTED) and begun[agent, plan, call] > 0:
                begun[agent, plan, call] -= 1
                note = f"{concept}: {outcome.removeprefix(REJECTED)}"
                hits.append(Hit((agent,), record.t, record.t, (record.seq,), note=note))
    return Finding(tuple(sorted(hits, key=lambda hit: (hit.start, hit.agents, hit.evidence))), started)


ATTEMPT = "a targeted attempt: agents committed to a task until they let go, with somebody in place for it"

RULES = (
    Rule(
        DEPENDENCY, "dependency miss", "F",
        "In an attempt that failed, agents acted on the task, and never while its prerequisites held.",
        ATTEMPT, lacking(DEPENDENCY), mast=("1.1", "3.2"), families="P", fidelity="equivalent",
    ),
    Rule(
        QUORUM, "quorum miss", "F",
        "In an attempt that failed, fewer capable agents were committed to the task than it requires, all the time.",
        ATTEMPT, lacking(QUORUM), mast=("2.2", "2.3"), families="N", fidelity="equivalent",
    ),
    Rule(
        CAPABILITY, "capability miss", "F",
        "In an attempt that failed, enough agents were at the task, but too few of them capable.",
        ATTEMPT, lacking(CAPABILITY), mast=("1.2",), families="N", fidelity="equivalent",
    ),
    Rule(
        SPATIAL, "spatial miss", "F",
        "In an attempt that failed, enough capable agents were committed, but never enough of them in place.",
        ATTEMPT, lacking(SPATIAL), mast=("2.6",), families="S", fidelity="equivalent",
    ),
    Rule(
        TEMPORAL, "temporal miss", "F",
        "In an attempt that failed, enough committed agents were in place, but never enough of them acted at once.",
        ATTEMPT, lacking(TEMPORAL), mast=("2.6",), families="T", fidelity="equivalent",
    ),
    Rule(
        "E6", "broken rendezvous", "W",
        "An agent gave up its plan while it waited for company, and would have had enough within its patience.",
        "a stay of an agent at a meeting point", find_broken_rendezvous, mast=("2.5",), families="ST",
    ),
    Rule(
        "E7", "collision", "W",
        "An agent wanted to move into something solid, another agent or a cell somebody else got, and stayed.",
        "a move tried", find_collisions, mast=("2.6",), families="S", fidelity="equivalent",
    ),
    Rule(
        "E8", "head-on swap lock", "F",
        "Two agents each wanted the other's cell and stopped each other for `swap` steps in a row.",
        "a time when two agents stop each other like that", find_swap_locks, dig="DL", mast=("1.3",), families="S",
        fidelity="equivalent",
    ),
    Rule(
        "E9", "congestion", "W",
        "In one region more than `blocked` of the moves tried in `steps` steps were stopped by agents, one a step.",
        "a window of `steps` steps in which anybody tried to move", find_congestion, families="S",
    ),
    Rule(
        "E10", "invalid grounding", "W",
        "A call of a plan was rejected in the step in which it was started: a bad target, no way, malformed.",
        "a call started", find_invalid_grounding, mast=("1.1", "2.6"),
    ),
)  # fmt: skip
