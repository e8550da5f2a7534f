"""Failure rules A1 to A7: work that is done twice, by nobody, by too few or too many, or that waits for one agent.

A8 (an action outside an agent's role) is left out: a trace names who leads, but no role or capability that an agent was
given, so there is nothing to violate.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence

from emcoop.metrics.exchange import Decided, exchange
from emcoop.metrics.failures.coverage import Row, rows, uncovered
from emcoop.metrics.failures.mail import may_talk, recipients_of
from emcoop.metrics.failures.queues import hub_of, queue_at, waiting_for
from emcoop.metrics.failures.records import HeldPlan, named_tasks, plans_of_agents, runs, windows
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, Rule, merged
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.kinds import agents_in, kind_of
from emcoop.metrics.quantities import steps_taken
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Action, Constraint, Message, Step

RACES = {"cell_race": None, "place_failed": "race"}
"""Events of agents that wanted the same cell, with the reason that tells so where an event has several."""
LEFT_OVER = "over_participation"
"""Event of agents that took part in a joint action and got nothing, because enough others did."""
FULL = "failed:face_full"
"""Outcome of a call that found no room at a task."""
MADE = "make"
"""Event of agents that made an `item` of which one is enough."""
GROWING = 3
"""Windows in a row in which a queue has to grow."""


def crowded(trace: Trace, thresholds: Thresholds) -> Finding:
    """A1."""
    hits, active = [], 0
    for task, steps in rows(trace).items():
        active += sum(1 for _ in runs(row.t for row in steps))
        surplus = {row.t: row for row in steps if row.declared > row.required + thresholds.slack}
        for first, last in runs(t for t, row in surplus.items() if _alike(trace, row, task, thresholds)):
            if last - first + 1 >= thresholds.steps:
                who = tuple(sorted({agent for t in range(first, last + 1) for agent in surplus[t].agents}))
                evidence = (surplus[first].seq, surplus[last].seq)
                hits.append(Hit(who, first, last + 1, evidence, task, f"takes {surplus[first].required}"))
    return Finding(merged(hits), active)


def _alike(trace: Trace, row: Row, task: str, thresholds: Thresholds) -> bool:
    """Say whether more agents than a task takes plan to do the same thing at it, and nobody asked for so many."""
    most = row.required + thresholds.slack
    plans = [_plan_at(trace, agent, row.t) for agent in row.agents]
    ways = Counter(tuple(concept for concept, _ in plan.calls) for plan in plans if plan is not None)
    asked = {agent for t, who in _asked(trace).get(task, ()) if t <= row.t for agent in who}
    return max(ways.values(), default=0) > most >= len(asked)


def _plan_at(trace: Trace, agent: int, t: int) -> HeldPlan | None:
    """Return the plan an agent had when a step was taken."""
    plans = plans_of_agents(trace).get(agent, [])
    place = bisect_right(plans, t, key=lambda plan: plan.start)
    return plans[place - 1] if place else None


@per_trace
def _asked(trace: Trace) -> dict[str, list[tuple[int, Sequence[int]]]]:
    """Return who was asked to do each task, and when."""
    found: dict[str, list[tuple[int, Sequence[int]]]] = {}
    for message in trace.of(Message):
        if message.act == "request":
            for task in sorted(named_tasks(message)):
                found.setdefault(task, []).append((message.t, recipients_of(trace, message, message.sender)))
    return found


def repeated(trace: Trace, thresholds: Thresholds) -> Finding:
    """A2."""
    said = exchange(trace).said
    asked = [place for place, one in enumerate(said) if one.origin == place and one.record.act == "request"]
    hits = []
    for (place, task), decisions in _reducers(trace).items():
        first = next(iter(rows(trace).get(task, ())), None)
        most = thresholds.slack + (first.required if first else 1)
        if len(decisions) > most:
            agents = tuple(sorted({one.record.agent for one in decisions}))
            evidence = (said[place].seq, *(one.seq for one in decisions))
            hits.append(Hit(agents, said[place].record.t, decisions[most].record.t, evidence, task, "asked once"))
    doubles, made = _made_twice(trace)
    return Finding(merged([*hits, *doubles], gap=0), len(asked) + made)


def _reducers(trace: Trace) -> dict[tuple[int, str], list[Decided]]:
    """Return per request and task the decisions that consumed the request and committed a plan for the task."""
    talk = exchange(trace)
    found: dict[tuple[int, str], list[Decided]] = {}
    for decision in talk.decided:
        for origin in sorted({talk.said[place].origin for place in decision.reads} if decision.task else ()):
            message = talk.said[origin].record
            named = named_tasks(message)
            if message.act == "request" and (not named or decision.task in named):
                found.setdefault((origin, decision.task), []).append(decision)
    return found


def _made_twice(trace: Trace) -> tuple[list[Hit], int]:
    """Return when tools were made by agents that had all made one before, and how often any were made.

    Whoever lends a hand to another gets a tool too: that is no waste.
    """
    hits, made = [], 0
    has: set[tuple[int, str]] = set()
    for step in trace.of(Step):
        for event in step.events:
            if kind_of(event) == MADE:
                made += 1
                makers = {(agent, str(event.get("item"))) for agent in agents_in(event)}
                if makers and makers <= has:
                    agents = tuple(sorted(agent for agent, _ in makers))
                    hits.append(Hit(agents, step.t, step.t, (step.seq,), f"make_{event.get('item')}", "made again"))
                has |= makers
    return hits, made


def idle(trace: Trace, thresholds: Thresholds) -> Finding:
    """A4."""
    n = trace.episode.n_agents
    if n == 1:
        return NOT_APPLICABLE
    records = trace.of(Constraint)
    times = [record.t for record in records]
    hits, looked = [], 0
    for start, end in windows(trace, thresholds.steps):
        inside = records[bisect_left(times, start) : bisect_right(times, end)]
        short = [record for record in inside if _lacks_hands(record, n)]
        share = Counter(agent for record in short for agents in record.participants for agent in agents)
        if 2 * len(short) < thresholds.steps or not share:
            continue
        looked += n
        for agent in range(n):
            if share[agent] < thresholds.idle_share / n * share.total():
                evidence = (short[0].seq, short[-1].seq)
                hits.append(Hit((agent,), start, end + 1, evidence, note=f"{share[agent]} of {share.total()} steps"))
    return Finding(merged(hits), looked)


def _lacks_hands(record: Constraint, n: int) -> bool:
    """Say whether a task that is possible and that the team is big enough for has too few agents."""
    needs = zip(record.committed, record.required, record.dependency)
    return any(0 < committed < required <= n and dependency for committed, required, dependency in needs)


def bottleneck(trace: Trace, thresholds: Thresholds) -> Finding:
    """A5."""
    hub = hub_of(trace, thresholds.centralisation)
    if not may_talk(trace) or hub is None:
        return NOT_APPLICABLE
    waits, queue = waiting_for(trace, hub), queue_at(trace, hub)
    followers = trace.episode.n_agents - 1
    hits, looked, lengths = [], 0, [0]
    for start, end in windows(trace, thresholds.steps):
        looked += 1
        lengths.append(queue[min(end, len(queue) - 1)])
        waited = sum(waits.get(t, 0) for t in range(start, end + 1))
        if waited > thresholds.queue * followers * thresholds.steps:
            hits.append(Hit((hub,), start, end + 1, note="followers wait"))
        elif len(lengths) > GROWING and all(a < b for a, b in zip(lengths[-GROWING - 1 :], lengths[-GROWING:])):
            hits.append(Hit((hub,), start - (GROWING - 1) * thresholds.steps, end + 1, note="its queue grows"))
    return Finding(merged(hits), looked)


def races(trace: Trace, thresholds: Thresholds) -> Finding:
    """A6."""
    if trace.episode.n_agents == 1:
        return NOT_APPLICABLE
    hits = []
    for step in trace.of(Step):
        raced = {agent for event in step.events if _is_race(event) for agent in agents_in(event)}
        if raced:
            hits.append(Hit(tuple(sorted(raced)), step.t, step.t, (step.seq,)))
    return Finding(merged(hits, gap=0), steps_taken(trace))


def _is_race(event: object) -> bool:
    if not isinstance(event, dict) or kind_of(event) not in RACES:
        return False
    reason = RACES[kind_of(event)]
    return reason is None or event.get("reason") == reason


def oversubscribed(trace: Trace, thresholds: Thresholds) -> Finding:
    """A7."""
    if trace.episode.n_agents == 1:
        return NOT_APPLICABLE
    hits, attempts = [], 0
    for step in trace.of(Step):
        for event in step.events:
            if kind_of(event) == LEFT_OVER:
                task = f"{event.get('resource')}@{event.get('row')},{event.get('col')}"
                hits.append(Hit(tuple(sorted(agents_in(event))), step.t, step.t, (step.seq,), task))
    for record in trace.of(Constraint):
        attempts += sum(acting > 0 for acting in record.acting)
    for action in trace.of(Action):
        full = [agent for agent, outcome in zip(action.agents, action.outcomes) if outcome == FULL]
        attempts += len(full)
        hits += [Hit((agent,), action.t, action.t, (action.seq,), note="no room") for agent in full]
    return Finding(merged(hits, gap=0), attempts)


RULES = (
    Rule(
        "A1", "duplicated effort (intent)", "W",
        "For W_t steps more agents than a task takes, and the slack, are committed to it with plans of the same calls; "
        "not where so many were asked to.",
        "an unbroken run of steps with agents committed to a task", crowded, dig="RSP", mast=("1.3",), families="N",
        fidelity="equivalent",
    ),
    Rule(
        "A2", "duplicated effort (effect)", "W",
        "More decisions than a task takes agents, one if that is unknown, consume the same request and commit a plan "
        "for it; or all agents that make a tool have made one before.",
        "a request, or an act of making tools", repeated, dig="RSP", mast=("1.3",), fidelity="equivalent",
    ),
    Rule(
        "A3", "coverage gap", "F",
        "For W_t steps nobody plans for an object of the world that is not finished, though its prerequisites held "
        "when last seen and as many agents as it takes have no task, all of them if that was never seen.",
        "a spell without a plan for an object of the world, the one before its first plan included", uncovered,
        dig="ET", mast=("1.1",), families="N",
    ),
    Rule(
        "A4", "free riding", "W",
        "In a window of W_t steps an agent has less than the idle share, divided by the team size, of all "
        "participation in tasks, counting steps in which a possible task has too few agents; to wait at a task is to "
        "take part.",
        "an agent in a whole window with too few agents at some task for half of it", idle, mast=("1.2",), families="N",
    ),
    Rule(
        "A5", "leader bottleneck", "W",
        "In a topology whose centralisation (Cent, of the permitted two-way links) reaches theta, followers without "
        "anything to carry out or decide wait for a decision of the hub in more than the share q of their steps in a "
        "window of W_t; or the unhandled messages of the hub grow three windows running.",
        "a whole window in a topology with a hub", bottleneck, mast=("1.2", "2.2"), families="T",
    ),
    Rule(
        "A6", "cell or resource race", "W",
        "Several agents want the same cell in one step, so that the action of all but one at most has no effect.",
        "a joint step", races, mast=("2.2",), families="S",
    ),
    Rule(
        "A7", "over-subscription", "W",
        "More agents take part in a joint action than it takes or has room for, so that some get nothing.",
        "a task that agents act on in a step, or a call that found no room", oversubscribed, dig="RSP", mast=("1.3",),
        families="N", fidelity="equivalent",
    ),
)  # fmt: skip
