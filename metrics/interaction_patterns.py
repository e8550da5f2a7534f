"""The seven patterns of a failing interaction graph (DIG, arXiv 2603.00309), found in a trace.

They are about work-bearing events: messages on which somebody's work hangs, and the goal of the episode. R(t) is what
exists at time t and is not yet consumed. What the rules leave open for a team of embodied agents is fixed here:

- The goal is in R(t) until progress reaches 1; a trace without step records says nothing of a goal.
- A message that is passed on stays one event.
- The team declares to be done by a message `done` that names no task. The final event is such a declaration, or the
  world's own end.
- Progress is a rise of the world's progress, or the first use of a work-bearing message.
- Windows are W_t environment steps.
- A decision that reduces consumes several parts and sends fewer messages, but at least one. A promise is no part:
  that many hear it is its purpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

from emcoop.metrics.ancestry import ended_by_itself, is_final, roots
from emcoop.metrics.exchange import Said, exchange
from emcoop.metrics.failures.rule import Hit
from emcoop.metrics.failures.thresholds import Thresholds, thresholds_for
from emcoop.metrics.outcome import steps_to_goal
from emcoop.metrics.registry import per_trace
from emcoop.metrics.work import WorkItem, holds, last_sign_of_life, origins, work_items
from emcoop.trace import Trace
from emcoop.trace.schema import Step


@per_trace
def patterns(trace: Trace) -> dict[str, list[Hit]]:
    """Return the incidents of each pattern, with the thresholds of the trace's environment.

    Returns:
        ET, MC, OE, DL, ER, CLA, RSP -> incidents in order of time; see `find_patterns`.
    """
    return find_patterns(trace, thresholds_for(trace))


def find_patterns(trace: Trace, thresholds: Thresholds) -> dict[str, list[Hit]]:
    """Return the incidents of each pattern.

    Args:
        trace: The trace.
        thresholds: Windows are `steps` (W_t), reroutes that are not too many `reroutes` (r).

    Returns:
        Pattern -> incidents in order of time:

        - ET, early termination: the team declares to be done while R(t) is not empty. What the declaring decision
          says beside that does not count.
        - MC, missing termination: R(t) stays empty for W_t steps and nothing ends the episode.
        - OE, orphaned event: nobody consumed a work-bearing message, and nothing has happened to it for W_t steps.
        - DL, deadlock: somebody holds a work-bearing message that nobody consumes, during W_t steps in which no such
          message is consumed and progress does not rise.
        - ER, excessive rerouting: passed on more than r times before anybody consumed it.
        - CLA, cross-lineage aggregation: two parts that one reducing decision consumed have no common ancestor.
        - RSP, repeated solving: two reducing decisions consumed the same part.

        Parts are work-bearing messages other than promises (`work.PROMISE`); see `Reduction`.
    """
    finders: dict[str, Callable[[Trace, Thresholds], Iterator[Hit]]] = {
        "ET": _early, "MC": _missing, "OE": _orphaned, "DL": _deadlocked, "ER": _passed_around, "CLA": _crossed,
        "RSP": _repeated,
    }  # fmt: skip
    return {
        name: sorted(find(trace, thresholds), key=lambda hit: (hit.start, hit.end, hit.evidence))
        for name, find in finders.items()
    }


# Ends ------------------------------------------------------------------------------------------------------------


def _goal_step(trace: Trace) -> float:
    """Return the step that reached the goal: infinity if none did, -1 if the trace does not say."""
    if not trace.of(Step):
        return -1.0
    reached = steps_to_goal(trace)
    return math.inf if math.isnan(reached) else reached


def _early(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    goal = _goal_step(trace)
    for final in filter(is_final, exchange(trace).said):
        left = [item for item in work_items(trace).values() if _is_open(item, final)]
        t = final.record.t
        if left or goal > t:
            note = f"done was declared with {len(left)} messages open{' and the goal not reached' if goal > t else ''}"
            evidence = (final.seq, *(item.said.seq for item in left))
            yield Hit((final.record.sender,), t, t, evidence, note=note)


def _is_open(item: WorkItem, final: Said) -> bool:
    """Say whether a message, sent before a declaration and not in the same decision, was not consumed by then."""
    is_beside = item.said.author == final.author >= 0
    return item.said.seq < final.seq < item.consumed and not is_beside


def _missing(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    x, goal, items = exchange(trace), _goal_step(trace), work_items(trace).values()
    if ended_by_itself(trace) or any(map(is_final, x.said)) or (goal < 0 and not items):
        return
    empty_since = max(goal, 0, *(item.consumed_t for item in items))
    if x.last - empty_since >= thresholds.steps:
        yield Hit((), int(empty_since), x.last, (len(trace.events) - 1,), note="nothing was left to do")


# What is left lying ----------------------------------------------------------------------------------------------


def _orphaned(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    end = exchange(trace).last
    for item in orphans(trace, thresholds):
        said = item.said
        yield Hit((said.record.sender,), said.record.t, end, (said.seq,), said.task, f"nobody used a {said.record.act}")


def orphans(trace: Trace, thresholds: Thresholds) -> list[WorkItem]:
    """Return the work-bearing messages nobody consumed and to which nothing has happened for W_t steps."""
    latest = exchange(trace).last - thresholds.steps
    lost = (item for item in work_items(trace).values() if math.isinf(item.consumed) and item.said.record.t <= latest)
    return [item for item in lost if last_sign_of_life(trace, item) <= latest]


def _deadlocked(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    window, end = thresholds.steps, exchange(trace).last
    pauses = [(start, stop) for start, stop in pairwise(_growth(trace)) if stop - start >= window]
    found: dict[float, list[tuple[float, float, int, int]]] = {}
    for item in work_items(trace).values() if pauses else ():
        if min(item.consumed_t, end) - item.said.record.t < window:
            continue
        for hold in holds(trace, item):
            for start, stop in pauses:
                first, last = max(start, hold.start), min(stop, hold.end)
                if last - first >= window:
                    found.setdefault(start, []).append((first, last, hold.agent, item.said.seq))
    for held in found.values():
        starts, ends, agents, evidence = zip(*held, strict=True)
        who, what = tuple(sorted(set(agents))), tuple(sorted(set(evidence)))
        yield Hit(who, int(min(starts)), int(max(ends)), what, note="work-bearing messages lay there and nothing moved")


def _growth(trace: Trace) -> list[float]:
    """Return when there was progress, in order: a message was consumed or progress rose; and the start and the end."""
    moments = {0.0, float(exchange(trace).last)}
    moments.update(item.consumed_t for item in work_items(trace).values() if item.consumed_t < math.inf)
    highest = -math.inf
    for step in trace.of(Step):
        if step.progress > highest:
            moments.add(float(step.t))
            highest = step.progress
    return sorted(moments)


def _passed_around(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    for item in work_items(trace).values():
        passed = [(agent, seq) for agent, seq in item.rerouted if seq < item.consumed]
        if len(passed) > thresholds.reroutes:
            agents = tuple(sorted({agent for agent, _ in passed}))
            evidence = (item.said.seq, *(seq for _, seq in passed))
            last = trace.events[passed[-1][1]].t
            yield Hit(agents, item.said.record.t, last, evidence, item.said.task, f"passed on {len(passed)} times")


# What is put together --------------------------------------------------------------------------------------------


class Reduction(NamedTuple):
    """A reducing decision: several parts in, fewer messages out, but at least one.

    Attributes:
        agent: Whose decision.
        t: Environment step.
        seq: Place of the decision in the log.
        parts: The parts it consumed, as places among the messages.
    """

    agent: int
    t: int
    seq: int
    parts: tuple[int, ...]


@per_trace
def reductions(trace: Trace) -> list[Reduction]:
    """Return the reducing decisions in order."""
    parts = {place for place, item in work_items(trace).items() if item.is_part}
    if not parts:
        return []
    x, origin = exchange(trace), origins(trace).tolist()
    found = []
    for decided in x.decided:
        taken = dict.fromkeys(origin[message] for message in decided.reads if origin[message] in parts)
        made = sum(x.said[message].origin == message for message in decided.sends)
        if len(taken) > 1 and 0 < made < len(taken):
            record = decided.record
            found.append(Reduction(record.agent, record.t, decided.seq, tuple(taken)))
    return found


def _crossed(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    items = work_items(trace)
    for reduction in reductions(trace):
        lineages = {place: roots(trace)[place] for place in reduction.parts}
        strangers = [pair for pair in combinations(reduction.parts, 2) if not lineages[pair[0]] & lineages[pair[1]]]
        if strangers:
            parts = sorted({items[place].said.seq for pair in strangers for place in pair})
            note = "parts without a common ancestor were put together"
            yield Hit((reduction.agent,), reduction.t, reduction.t, (*parts, reduction.seq), note=note)


def _repeated(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    for place, users in repeated(trace).items():
        said = work_items(trace)[place].said
        agents = tuple(sorted({one.agent for one in users}))
        evidence = (said.seq, *(one.seq for one in users))
        yield Hit(agents, users[0].t, users[-1].t, evidence, said.task, f"the same part was used {len(users)} times")


def repeated(trace: Trace) -> dict[int, list[Reduction]]:
    """Return the parts that several reducing decisions consumed, and those decisions."""
    users: dict[int, list[Reduction]] = {}
    for reduction in reductions(trace):
        for place in reduction.parts:
            users.setdefault(place, []).append(reduction)
    return {place: found for place, found in users.items() if len(found) > 1}
