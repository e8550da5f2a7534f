"""Who does what: plain functions that the scripted planners share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from emcoop.envs.embodiment import TaskView

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


def allocate(
    tasks: Sequence[TaskView],
    free: Collection[int],
    travel: Travel,
    committed: Mapping[str, int],
    priority: Priority,
    most: int = 10**6,
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

    Returns:
        Agent -> task id; agents left over are missing.
    """
    left = sorted(free)
    open_tasks = [task for task in tasks if task.available and task.required > committed.get(task.id, 0)]
    distance = {task.id: dict(zip(left, travel(task.id, left))) for task in open_tasks}
    given: dict[int, str] = {}

    def nearest(task: TaskView) -> list[int]:
        need = task.required - committed.get(task.id, 0)
        return sorted(left, key=lambda i: (distance[task.id][i], i))[:need]

    def rank(task: TaskView) -> tuple[float, str]:
        need, chosen = task.required - committed.get(task.id, 0), nearest(task)
        return priority.of(task, need, distance[task.id][chosen[-1]]), task.id

    in_progress = sum(1 for task in tasks if committed.get(task.id, 0))
    while left and open_tasks and in_progress < most:
        in_progress += 1
        fillable = [task for task in open_tasks if task.required - committed.get(task.id, 0) <= len(left)]
        if fillable:
            task = max(fillable, key=rank)
        else:
            task = min(open_tasks, key=lambda t: (t.required - committed.get(t.id, 0), t.id))
            open_tasks = [task]
        given.update(dict.fromkeys(nearest(task), task.id))
        left = [i for i in left if i not in given]
        open_tasks.remove(task)
    return given


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
