"""What a monitor is: it looks at committed plans before they are carried out and may ask for a repair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from emcoop.cognitive_layer.plan import Plan
from emcoop.envs.embodiment import Embodiment


class Committed(msgspec.Struct, frozen=True):
    """One agent's plan in force.

    Attributes:
        agent: Whose.
        plan: The plan.
        call: Index of the call in progress.
        task: Task it is committed to now, `NO_TASK` if none.
        since: Environment step at which the plan was committed.
        id: Id of the plan in the trace.
        movable: Whether its planner can be asked again now: it has decisions left, and it is no seat played from
            outside.
    """

    agent: int
    plan: Plan
    call: int
    task: str
    since: int
    id: int
    movable: bool


class Objection(msgspec.Struct, frozen=True):
    """A task that will fail as planned.

    Attributes:
        task: The task.
        constraint: First constraint that will not be met: `dependency`, `participation`, `spatial` or `temporal`.
        have, need: Participants the group will bring together, and the number it takes.
        who: Agents committed to the task.
        tell: Agents that should think again, in order.
        when: Environment step up to which this was foreseen.
        groups: Every group that fails now and could do better, task -> agents; and, with no agents, tasks with too
            few hands that they could do instead; and under `NO_TASK` agents that other groups do not need.
        facts: Key -> value: what those told have to know of these tasks and of each other. They know it together;
            now each of them does.
    """

    task: str
    constraint: str
    have: int
    need: int
    who: tuple[int, ...]
    tell: tuple[int, ...]
    when: int
    groups: dict[str, tuple[int, ...]] = {}
    facts: dict[str, Any] = {}


class Monitor(Protocol):
    """Looks at committed plans before each environment step.

    Attributes:
        name: Registered name.
        privileged: Whether it uses what the agents do not know; such monitors never enter ranked tracks.
        cooldown: Environment steps for which a task is left alone after an objection.
    """

    name: str
    privileged: bool
    cooldown: int

    def check(self, world: Embodiment, step: int, plans: Sequence[Committed]) -> list[Objection]:
        """Return the tasks that will fail as planned, in a fixed order.

        Called when all agents are ready; a second time in the same step to verify, after those told have thought
        again. It must not change the world.

        Args:
            world: The world as it is; a monitor that is not privileged uses only `world.imagine(agents, salt)` of it.
            step: Environment steps taken.
            plans: The plans in force, in agent order.
        """
