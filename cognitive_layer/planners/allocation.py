"""Who does what: plain functions that the scripted planners share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from emcoop.cognitive_layer.plan import Plan, PlanningContext
from emcoop.envs.embodiment import NEVER, NO_TASK, TaskView, View

NOTHING = "none"
"""What messages call having no task."""

Travel = Callable[[str, Sequence[int]], Sequence[int]]
"""Estimates for each agent the steps until it is in place for a task."""


@dataclass(frozen=True)
class Priority:
    """In which order tasks are given out.

    Attributes:
        weight: Exponent of a task's points.
        effort: Exponent of the steps it takes (travel of its last agent plus work).
        hands: Exponent of the agents it binds.
    """

    weight: float
    effort: float
    hands: float

    def of(self, task: TaskView, need: int, travel: int) -> float:
        """Return the priority of a task for which `need` agents, the last of them `travel` steps away, are free."""
        worth = task.value + 1e-6
        effort = 1.0 + travel + task.remaining
        return float(worth**self.weight / (effort**self.effort * max(need, 1) ** self.hands))


FOR_ALL = Priority(2.0, 2.0, 0.0)
"""How tasks compare when a team is dealt out: heavy tasks first, hands are no matter."""


def open_tasks(view: View, names: Collection[str]) -> list[TaskView]:
    """Return the tasks a view lists, and those of some names it does not list: somebody else's nearest, say."""
    listed = list(view.tasks())
    others = (view.task(name) for name in sorted(set(names) - {task.id for task in listed}))
    return listed + [task for task in others if task is not None]


def allocate(
    tasks: Sequence[TaskView],
    free: Collection[int],
    travel: Travel,
    committed: Mapping[str, int],
    priority: Priority,
    most: int = 10**6,
    gather: bool = True,
) -> dict[int, str]:
    """Give free agents tasks: always the task with the highest priority that the free ones can fill, to the nearest.

    Those left over gather at the one task that lacks fewest hands, so that it can begin when others become free; at
    one only, because two half-filled teams could wait for each other.

    Args:
        tasks: Open tasks.
        free: Agents without a task.
        travel: Travel estimates.
        committed: Agents already committed, per task.
        priority: How tasks compare.
        most: Tasks that may be in progress at once.
        gather: Whether those left over gather; else they get nothing.

    Returns:
        Agent -> task id; agents left over are missing.
    """
    left = set(free)
    wanting = {task.id: task for task in tasks if task.available and task.required > committed.get(task.id, 0)}
    lacking = {name: task.required - committed.get(name, 0) for name, task in wanting.items()}
    agents = sorted(left)
    order = {name: _by_distance(agents, travel(name, agents)) for name in wanting}
    able = {name: {agent for _, agent in found} for name, found in order.items()}
    teams: dict[str, tuple[tuple[float, str], list[int]]] = {}
    given: dict[int, str] = {}

    def team(name: str) -> tuple[tuple[float, str], list[int]]:
        """Return priority and members of the team a task would get now; kept until one of them is given away."""
        known = teams.get(name)
        if known is None or not left.issuperset(known[1]):
            nearest = list(islice((entry for entry in order[name] if entry[1] in left), lacking[name]))
            rank = priority.of(wanting[name], lacking[name], nearest[-1][0]), name
            teams[name] = known = rank, [agent for _, agent in nearest]
        return known

    in_progress = sum(1 for task in tasks if committed.get(task.id, 0))
    while left and wanting and in_progress < most:
        in_progress += 1
        hands = {name: len(able[name]) for name in wanting}
        fillable = [name for name in wanting if lacking[name] <= hands[name]]
        if fillable:
            chosen = max(fillable, key=lambda name: team(name)[0])
        elif gather and any(hands.values()):
            chosen = min((name for name in wanting if hands[name]), key=lambda name: (lacking[name], name))
            wanting = {chosen: wanting[chosen]}
        else:
            break
        members = team(chosen)[1]
        given.update(dict.fromkeys(members, chosen))
        left.difference_update(members)
        for found in able.values():
            found.difference_update(members)
        del wanting[chosen]
    return given


def deal_out(
    tasks: Sequence[TaskView], agents: Collection[int], travel: Travel, committed: Mapping[str, int]
) -> dict[int, str]:
    """Give agents the tasks they can fill, by what all who know the same tasks and places agree on.

    How long a task takes is left out: what is to be prepared for it differs from agent to agent.

    Args:
        tasks, travel, committed: As in `allocate`.
        agents: Who is to be given a task.

    Returns:
        Agent -> task id; agents for whom there is nothing are missing.
    """
    alike = [msgspec.structs.replace(task, remaining=0) for task in tasks]
    return allocate(alike, agents, travel, committed, FOR_ALL, gather=False)


def mend(context: PlanningContext) -> Plan | None:
    """Return the plan with which an agent takes its part in the way out of what monitors told it of.

    All who were told work out the same: the groups that fail share out the tasks that were named, as `deal_out` does.

    Args:
        context: The agent's situation, with notices.

    Returns:
        A plan, or None if the agent had better go on as it was.
    """
    groups = {task: agents for notice in context.notices for task, agents in notice.groups.items()}
    agents = sorted({agent for group in groups.values() for agent in group})
    known = [task for task in map(context.view.task, sorted(groups)) if task is not None]
    mine = context.view.task(deal_out(known, agents, context.view.travel, {}).get(context.view.me, NO_TASK))
    if mine is None:
        return None
    goes_on = context.plan is not None and context.plan.task == mine.id
    if goes_on and all(n.constraint == "participation" for n in context.notices if n.task == mine.id):
        return None
    return Plan(
        context.view.recipe(mine.id, mine.required),
        mine.id,
        dict(context.view.premises(mine.id)),
        "worked out by all who were told",
    )


def _by_distance(agents: Sequence[int], distances: Sequence[int]) -> list[tuple[int, int]]:
    """Return `(distance, agent)` of all agents that can take part, nearest first."""
    return sorted([entry for entry in zip(distances, agents) if entry[0] < NEVER])


def join_or_open(
    tasks: Sequence[TaskView],
    travel: Mapping[str, int],
    committed: Mapping[str, int],
    undecided: int,
    n_agents: int,
    priority: Priority,
) -> str | None:
    """Choose a task for one agent that has heard what others committed to: fill a begun team, else open a new one.

    Args:
        tasks: Open tasks.
        travel: The agent's own steps to each.
        committed: Agents heard to be committed, per task.
        undecided: Agents still to choose, this one included: a new team is begun only if they can fill it.
        n_agents: Team size.
        priority: How tasks compare.

    Returns:
        A task id, or None if every open task has its hands.
    """
    wanting = [t for t in tasks if t.available and committed.get(t.id, 0) < t.required <= n_agents]
    begun = [t for t in wanting if committed.get(t.id, 0)]
    lacking = sum(t.required - committed.get(t.id, 0) for t in begun)
    options = begun if lacking >= undecided else wanting
    if not options:
        return None
    return max(options, key=lambda t: (priority.of(t, t.required - committed.get(t.id, 0), travel[t.id]), t.id)).id


def choose_alone(
    tasks: Sequence[TaskView], travel: Mapping[str, int], draw: Callable[[], float], priority: Priority
) -> str | None:
    """Choose a task for one agent that has heard nothing: by priority and by who can be seen there, with chance.

    Chance, from the agent's own generator, stands in for the agreement it does not have; no convention such as "the
    smallest index goes first" may smuggle one in.

    Args:
        tasks: Open tasks.
        travel: The agent's own steps to each.
        draw: Uniform numbers in [0, 1).
        priority: How tasks compare.

    Returns:
        A task id, or None if no task is open.
    """
    options = [t for t in tasks if t.available and t.in_place < t.required] or [t for t in tasks if t.available]
    if not options:
        return None
    weights = [priority.of(t, t.required - t.in_place, travel[t.id]) for t in options]
    mark = draw() * sum(weights)
    for task, weight in zip(options, weights):
        mark -= weight
        if mark < 0:
            return task.id
    return options[-1].id
