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
        weight: Exponent of a task's worth (its points and those it unlocks).
        effort: Exponent of the steps it takes (travel of its last agent plus work).
        hands: Exponent of the agents it binds.
    """

    weight: float = 1.0
    effort: float = 1.0
    hands: float = 1.0

    def of(self, task: TaskView, need: int, travel: int) -> float:
        """Return the priority of a task for which `need` agents, the last of them `travel` steps away, are free."""
        worth = task.value + task.unlocks + 1e-6
        effort = 1.0 + travel + task.remaining
        return worth**self.weight / (effort**self.effort * max(need, 1) ** self.hands)


def allocate(
    tasks: Sequence[TaskView],
    free: Collection[int],
    travel: Travel,
    committed: Mapping[str, int],
    priority: Priority,
) -> dict[int, str]:
    """Give free agents tasks: always the task with the highest priority that the free ones can fill, to the nearest.

    Args:
        tasks: Open tasks.
        free: Agents without a task.
        travel: Travel estimates.
        committed: Agents already committed, per task.
        priority: How tasks compare.

    Returns:
        Agent -> task id; agents left over are missing.
    """
    left = sorted(free)
    open_tasks = [task for task in tasks if task.available and task.required > committed.get(task.id, 0)]
    distance = {task.id: dict(zip(left, travel(task.id, left))) for task in open_tasks}
    given: dict[int, str] = {}
    while left and open_tasks:
        best: tuple[float, TaskView, list[int]] | None = None
        for task in open_tasks:
            need = task.required - committed.get(task.id, 0)
            if need > len(left):
                continue
            steps = distance[task.id]
            nearest = sorted(left, key=lambda i: (steps[i], i))[:need]
            score = priority.of(task, need, steps[nearest[-1]])
            if best is None or score > best[0]:
                best = (score, task, nearest)
        if best is None:
            break
        _, task, chosen = best
        given.update(dict.fromkeys(chosen, task.id))
        left = [i for i in left if i not in given]
        open_tasks.remove(task)
    return given


def join_or_open(
    tasks: Sequence[TaskView], travel: Mapping[str, int], committed: Mapping[str, int], n_agents: int, priority: Priority
) -> str | None:
    """Choose a task for one agent that has heard what others committed to: fill a begun team, else open a new one.

    Args:
        tasks: Open tasks.
        travel: The agent's own steps to each.
        committed: Agents heard to be committed, per task.
        n_agents: Team size.
        priority: How tasks compare.

    Returns:
        A task id, or None if every open task has its hands.
    """
    wanting = [t for t in tasks if t.available and committed.get(t.id, 0) < t.required <= n_agents]
    begun = [t for t in wanting if committed.get(t.id, 0)]
    options = begun or wanting
    if not options:
        return None
    return max(options, key=lambda t: (priority.of(t, t.required, travel[t.id]), t.id)).id


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
