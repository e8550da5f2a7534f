"""Failures of progress: everybody waits, nothing happens, things go round in circles; ends that come wrong.

T8 and T9, skipped and wrong verification, are left out: no record says what an agent saw, only the hash of a view that
was asked for, so that neither "without having looked" nor "against what it saw" can be told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from emcoop.metrics.failures.knots import stuck_parts, waiting_runs
from emcoop.metrics.failures.moments import IDLE, Moment, moments, peaks, spans
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, Rule, merged
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.kinds import producers, vocabulary
from emcoop.trace import Trace
from emcoop.trace.schema import Activation, Claim, Message

GOAL = 1 - 1e-9
"""Progress from which the goal is reached."""


def find_deadlocks(trace: Trace, thresholds: Thresholds) -> Finding:
    """T1: see `RULES`. Waits for one and the same knot become one incident."""
    if trace.episode.n_agents < 2:
        return NOT_APPLICABLE
    hits, opportunities = [], 0
    for run in waiting_runs(trace):
        opportunities += 1
        for stuck in stuck_parts(run):
            first, last = stuck[0].moment, stuck[-1].moment
            knot = frozenset.intersection(*(stand.knot for stand in stuck))
            if len(stuck) >= thresholds.steps:
                evidence = tuple(dict.fromkeys((stuck[0].seq, first.seq, last.seq)))
                hits.append(Hit(tuple(sorted(knot)), first.t, last.t, evidence, note=f"{len(knot)} wait"))
                break
    return Finding(merged(hits), opportunities)


def _stretches(trace: Trace, thresholds: Thresholds) -> list[list[Moment]]:
    """Return the times without progress, before the goal, that last `steps`; the end of the budget is left out.

    The step that gains belongs to none. In the last `steps` steps of the horizon nobody need begin anything.
    """
    found: list[list[Moment]] = [[]]
    last = trace.episode.max_steps - thresholds.steps
    best = peaks(trace).get(0)
    for moment in moments(trace):
        if moment.best != best or moment.best >= GOAL:
            best = moment.best
            found.append([])
        elif moment.t <= last:
            found[-1].append(moment)
    return [stretch for stretch in found if len(stretch) >= thresholds.steps]


def find_stalls(trace: Trace, thresholds: Thresholds) -> Finding:
    """T2: see `RULES`. Standing still because thinking costs steps is no stall."""
    stretches = _stretches(trace, thresholds)
    hits = []
    for stretch in stretches:
        run: list[Moment] = []
        for moment in (*stretch, None):
            if moment is not None and not moment.is_busy() and not moment.thinking:
                run.append(moment)
            elif len(run) >= thresholds.steps:
                hits.append(Hit((), run[0].t, run[-1].t, (run[0].seq, run[-1].seq), note="nobody does anything"))
                break
            else:
                run = []
    return Finding(tuple(hits), len(stretches))


def find_livelocks(trace: Trace, thresholds: Thresholds) -> Finding:
    """T3: see `RULES`. A team that still enters new cells searches, and is not in a livelock."""
    stretches = _stretches(trace, thresholds)
    hits = []
    for stretch in stretches:
        run: list[Moment] = []
        for moment in (*stretch, None):
            if moment is not None and moment.is_busy() and not moment.discovers:
                run.append(moment)
                continue
            back = max(Counter(one.configuration for one in run).values(), default=0) - 1
            if len(run) >= thresholds.steps and back >= thresholds.recurrences:
                note = f"a configuration came back {back} times"
                hits.append(Hit((), run[0].t, run[-1].t, (run[0].seq, run[-1].seq), note=note))
                break
            run = []
    return Finding(tuple(hits), len(stretches))


def find_oscillation(trace: Trace, thresholds: Thresholds) -> Finding:
    """T4: see `RULES`."""
    cells: dict[tuple[int, int], list[tuple[object, int, int]]] = defaultdict(list)
    targets: dict[tuple[int, int], list[tuple[object, int, int]]] = defaultdict(list)
    useful: Counter[int] = Counter()
    words = vocabulary(trace)
    for moment in moments(trace):
        useful.update(agent for event in moment.happenings for agent in producers(event, words))
        for agent, (before, after) in moment.moved.items():
            path = cells[agent, useful[agent]]
            if not path:
                path.append((before, moment.t - 1, moment.seq))
            path.append((after, moment.t, moment.seq))
    for span in spans(trace):
        past = targets[span.agent, 0]
        if span.task and (not past or past[-1][0] != span.task):
            past.append((span.task, span.start, span.first))
    hits, turns = [], 0
    for note, paths in (("between two cells", cells), ("between two tasks", targets)):
        for (agent, _), path in sorted(paths.items()):
            for first, last in _turning_runs(path, thresholds.steps):
                turns += 1
                if last + 1 - first >= thresholds.oscillation:
                    hits.append(
                        Hit((agent,), path[first][1], path[last][1], (path[first][2], path[last][2]), note=note)
                    )
    hits.sort(key=lambda hit: (hit.start, hit.end, hit.agents, hit.note))
    return Finding(tuple(hits), turns)


def _turning_runs(path: Sequence[tuple[object, int, int]], most: int) -> Iterator[tuple[int, int]]:
    """Yield where a path goes A-B-A or on like that, as first and last places; each return within `most` steps."""
    first = -1
    for k in range(2, len(path) + 1):
        turns = k < len(path) and path[k][0] == path[k - 2][0] and path[k][1] - path[k - 2][1] <= most
        if turns and first < 0:
            first = k - 2
        elif not turns and first >= 0:
            yield first, k - 1
            first = -1


def find_repetition(trace: Trace, thresholds: Thresholds) -> Finding:
    """T5: see `RULES`. The same cell, with nothing that came of it, stands for the same local observation."""
    hits, runs = [], 0
    running: dict[int, list[Moment]] = defaultdict(list)
    for moment in (*moments(trace), None):
        for agent in range(trace.episode.n_agents):
            past = running[agent]
            action = moment.actions[agent] if moment is not None and agent < len(moment.actions) else IDLE
            is_vain = moment is not None and action != IDLE and agent not in moment.effect
            if past and not (is_vain and past[-1].actions[agent] == action):
                runs += 1
                if len(past) >= thresholds.repetitions:
                    note = f"the same action {len(past)} times"
                    hits.append(Hit((agent,), past[0].t, past[-1].t, (past[0].seq, past[-1].seq), note=note))
                past.clear()
            if is_vain and moment is not None:
                past.append(moment)
    return Finding(tuple(sorted(hits, key=lambda hit: (hit.start, hit.end, hit.agents))), runs)


def find_early_ends(trace: Trace, thresholds: Thresholds) -> Finding:
    """T6: see `RULES`."""
    false = {claim.message for claim in trace.of(Claim) if claim.when == "sent" and not claim.true}
    said = [message for message in trace.of(Message) if message.act == "done"]
    if not said:
        return NOT_APPLICABLE
    hits = [
        Hit((message.sender,), message.t, message.t, (message.seq,), note="declared done")
        for message in said
        if (message.id in false if message.facts else peaks(trace).get(message.t, GOAL) < GOAL)
    ]
    return Finding(tuple(hits), len(said))


def find_missing_ends(trace: Trace, thresholds: Thresholds) -> Finding:
    """T7: see `RULES`."""
    goal = next((t for t, best in peaks(trace).items() if best >= GOAL), None)
    if goal is None:
        return NOT_APPLICABLE
    busy = [(moment.t, moment.seq) for moment in moments(trace) if moment.t > goal and moment.is_busy()]
    busy += [(message.t, message.seq) for message in trace.of(Message) if message.t >= goal]
    last = max(busy, default=(goal, -1))
    if last[0] - goal < thresholds.steps:
        return Finding((), 1)
    return Finding((Hit((), goal, last[0], (min(busy)[1], last[1]), note="went on after the goal"),), 1)


def find_agent_failures(trace: Trace, thresholds: Thresholds) -> Finding:
    """T10: see `RULES`. A label of infrastructure, kept out of agents' scores."""
    decisions, end = trace.of(Activation), trace.end
    hits = [
        Hit((one.agent,), one.t, one.t, (one.seq,), note=one.outcome if one.outcome == "forced" else one.status)
        for one in decisions
        if one.status == "fallback" or one.outcome == "forced"
    ]
    broke = end is not None and end.status != "completed"
    if end is not None and broke:
        hits.append(Hit((), end.t, end.t, (end.seq,), note=end.status))
    return Finding(tuple(hits), len(decisions) + broke)


STRETCH = "a time without progress that lasts `steps` steps, before the last `steps` steps of the horizon"

RULES = (
    Rule(
        "T1", "deadlock", "F",
        "Agents waited `steps` steps for each other without progress, and nobody free could end it (k-of-m reduction).",
        "a time in which somebody waits at one meeting point or idles at one task short of agents", find_deadlocks,
        dig="DL", mast=("1.5",), families="TN", fidelity="equivalent",
    ),
    Rule(
        "T2", "stall", "F", "With work open, nobody did anything for `steps` steps, and there was no progress.",
        STRETCH, find_stalls, dig="DL", mast=("1.5",), fidelity="equivalent",
    ),
    Rule(
        "T3", "livelock", "F",
        "Agents acted for `steps` steps without progress or new cells; a configuration came back `recurrences` times.",
        STRETCH, find_livelocks, mast=("1.3",), families="ST", fidelity="equivalent",
    ),
    Rule(
        "T4", "oscillation", "W",
        "An agent went to and fro between two cells, without doing anything for a task meanwhile, or between two "
        "tasks, `oscillation` places long.",
        "a time an agent turns straight back to the cell or task it came from", find_oscillation, mast=("1.3",),
        families="S", fidelity="equivalent",
    ),
    Rule(
        "T5", "step repetition", "W",
        "An agent took the same action on the same cell `repetitions` times in a row, and nothing came of it.",
        "an action that nothing comes of, with its repetitions", find_repetition, mast=("1.3",),
    ),
    Rule(
        "T6", "early termination", "F",
        "An agent declared something done that was not: a fact of its `done` message, or, without one, the goal.",
        "a `done` message", find_early_ends, dig="ET", mast=("3.1",), families="P", fidelity="equivalent",
    ),
    Rule(
        "T7", "missing termination", "W", "The goal was reached, and agents acted or talked for `steps` more steps.",
        "a goal reached", find_missing_ends, dig="MC", mast=("1.5",), fidelity="equivalent",
    ),
    Rule(
        "T10", "agent failure", "W",
        "A decision failed: no usable reply, or none in time; or an error ended the episode.",
        "a decision", find_agent_failures,
    ),
)  # fmt: skip
