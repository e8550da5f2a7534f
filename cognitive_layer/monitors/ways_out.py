"""Whether agents of failing groups could do something better than wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from emcoop.cognitive_layer.monitors.contract import Committed
from emcoop.cognitive_layer.monitors.rollout import foresee, free_at
from emcoop.cognitive_layer.plan import Plan
from emcoop.cognitive_layer.planners.allocation import deal_out, open_tasks
from emcoop.envs.embodiment import FAR, NEVER, Embodiment, View

Groups = Mapping[str, Sequence[Committed]]


class Failing(NamedTuple):
    """A group that fails.

    Attributes:
        task: The task.
        constraint: First constraint that will not be met.
        have, need: Participants it will bring together, and the number it takes.
        when: Environment step up to which this was foreseen.
    """

    task: str
    constraint: str
    have: int
    need: int
    when: int


class WayOut(NamedTuple):
    """What groups that fail could do.

    Attributes:
        told: Tasks of the groups whose agents could do better.
        spare: Agents of other groups, which do not need them, that could help.
        instead: Tasks with too few hands, beside these, that they could do.
        facts: What each of them has to know of these tasks and of the others; they know it together.
        help_in: Steps until the first hands that are missing could be there, 0 if none can.
    """

    told: tuple[str, ...] = ()
    spare: tuple[int, ...] = ()
    instead: tuple[str, ...] = ()
    facts: Mapping[str, Any] = {}
    help_in: int = 0


def find_way_out(
    steps_left: int,
    groups: Groups,
    failing: Mapping[str, Failing],
    spare: Sequence[int],
    plans: Sequence[Committed],
    horizon: int,
    imagine: Callable[[Sequence[int]], Embodiment],
) -> WayOut:
    """Return which failing groups could do better than go on, and how.

    They could if, together and with those who are too many elsewhere, they can fill an open task without coming to a
    stand there, and finish it within the horizon and before the episode ends, sooner than the hands they lack could be
    there. A group for which help can come in time is left to wait for it, and so is one of which only some would have
    something better to do.

    Args:
        steps_left: Environment steps until the episode ends.
        groups: All groups by task.
        failing: Those that fail.
        spare: Agents that other groups do not need.
        plans: All plans in force.
        horizon: Steps to look ahead.
        imagine: Makes the world some agents know of together.
    """
    left, hands, help_in = dict(failing), set(spare), 0
    while left:
        agents = sorted(hands.union(c.agent for task in left for c in groups[task] if c.movable))
        if not agents:
            break
        known = imagine(agents)
        view = known.view(agents[0])
        teams = _deal_out(known, view, agents, {task: len(g) for task, g in groups.items() if task not in left}, left)
        steps = min((_steps(view, task, team) for task, team in teams.items()), default=FAR)
        busy = {agent for team in teams.values() for agent in team}
        told = _groups_of(busy, left, groups)
        if not told or steps > min(horizon, steps_left):
            break
        if len(told) < len(left) or not hands <= busy:
            # What is said must follow from what those know together to whom it is said.
            left, hands = {task: left[task] for task in told}, hands & busy
            continue
        waiting = _arrivals(imagine(agents), view, left, agents, plans, steps)
        help_in = min([*waiting.values(), *([help_in] if help_in else [])], default=0)
        stay = {*waiting, *(task for task in told if any(c.movable and c.agent not in busy for c in groups[task]))}
        if not stay:
            bad = [team for task, team in teams.items() if not _goes_well(imagine(agents), task, team, horizon)]
            if not bad:
                instead = tuple(sorted(teams.keys() - set(told)))
                facts = _facts(known, view, agents, [*told, *instead])
                return WayOut(told, tuple(sorted(hands)), instead, facts)
            stuck = {agent for team in bad for agent in team}
            stay, hands = set(_groups_of(stuck, left, groups)), hands - stuck
        left = {task: failure for task, failure in left.items() if task not in stay}
    return WayOut(help_in=help_in)


def _groups_of(agents: Set[int], left: Mapping[str, Failing], groups: Groups) -> tuple[str, ...]:
    """Return the tasks whose groups have any of some agents."""
    return tuple(task for task in left if any(c.agent in agents for c in groups[task]))


def _deal_out(
    known: Embodiment, view: View, agents: Sequence[int], committed: Mapping[str, int], left: Iterable[str]
) -> dict[str, list[int]]:
    """Return which open tasks agents can fill together, and who would do each; constraints have to count them."""
    tasks = [task for task in open_tasks(view, {*left, *committed}) if _is_counted(known, task.id)]
    teams: dict[str, list[int]] = {}
    for agent, task in sorted(deal_out(tasks, agents, view.travel, committed).items()):
        teams.setdefault(task, []).append(agent)
    return dict(sorted(teams.items()))


def _is_counted(known: Embodiment, task: str) -> bool:
    """Say whether constraints are counted for a task; others are no joint effort."""
    everybody = known.count([known.noop] * known.n_agents, [task] * known.n_agents)
    return any(count.task == task for count in everybody)


def _facts(known: Embodiment, view: View, agents: Sequence[int], tasks: Sequence[str]) -> dict[str, Any]:
    """Return where some agents are, and what one has to know of some tasks."""
    facts: dict[str, Any] = {}
    for agent in agents:
        facts.update(known.view(agent).news(0))
    for task in tasks:
        facts.update(view.about(task))
    return facts


def _goes_well(known: Embodiment, task: str, team: Sequence[int], horizon: int) -> bool:
    """Say whether a team that does a task as its recipe has it does not come to a stand."""
    views = {agent: known.view(agent) for agent in team}
    tasks = {agent: view.task(task) for agent, view in views.items()}
    plans = [
        Committed(agent, Plan(views[agent].recipe(task, found.required), task), 0, task, 0, 0, True)
        for agent, found in tasks.items()
        if found is not None
    ]
    return len(plans) == len(team) and not foresee(known, plans, set(team), task, horizon).stalled


def _steps(view: View, task: str, team: Sequence[int]) -> int:
    """Return about how many steps it takes a team to get to a task and finish it."""
    found = view.task(task)
    return FAR if found is None else max(view.travel(task, team)) + found.remaining


def _arrivals(
    known: Embodiment,
    view: View,
    left: Mapping[str, Failing],
    agents: Sequence[int],
    plans: Sequence[Committed],
    within: int,
) -> dict[str, int]:
    """Return in how many steps, at least 1, the hands that groups lack could be there, for those where it is in time.

    Others could come when they have carried out their plans, from where they are now; of whom nothing is known might
    come at once.
    """
    others = [i for i in range(known.n_agents) if i not in agents]
    theirs = [c for c in plans if c.agent in others]
    bound = {c.agent: c.movable for c in theirs if c.plan.task or c.task or not c.movable}
    busy = [agent for agent, movable in bound.items() if movable]
    free = {agent: 0 for agent in others if agent not in bound}
    lacking = {task: f.need - f.have for task, f in left.items() if f.constraint == "participation"}
    if busy and lacking and min(lacking.values()) <= len(busy) + len(free):
        free.update(free_at(known, theirs, busy, within))
    arrivals = {}
    for task, hands in lacking.items():
        steps = zip(free.values(), view.travel(task, list(free)))
        there = sorted(start + (0 if way == FAR else way) for start, way in steps if way < NEVER)
        if hands <= len(there) and there[hands - 1] <= within:
            arrivals[task] = max(there[hands - 1], 1)
    return arrivals
