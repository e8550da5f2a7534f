"""Rolling committed plans forward in an imagined world."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from emcoop.cognitive_layer.grounding import PlanRunner
from emcoop.cognitive_layer.monitors.contract import Committed
from emcoop.envs.embodiment import NO_TASK, Embodiment, StepOutcome, TaskCount

STALL = 12
"""Steps without any change after which a group has come to a stand."""


class Forecast(NamedTuple):
    """What becomes of a task when its group's plans are carried out.

    Attributes:
        stalled: Whether the group comes to a stand: all its plans go on, but nothing changes any more.
        steps: Steps until it stands, or until it is clear that it does not.
        dependency: Whether the prerequisites hold at some step.
        in_place, acting: Most participants in place at once, and in place and acting at once.
    """

    stalled: bool
    steps: int
    dependency: bool = True
    in_place: int = 0
    acting: int = 0


class Rollout:
    """Committed plans in an imagined world, from their current calls on; agents without a plan do nothing.

    Args:
        world: The imagined world; it is used up.
        plans: The plans.
    """

    def __init__(self, world: Embodiment, plans: Sequence[Committed]) -> None:
        self._world = world
        self._runners: dict[int, PlanRunner] = {}
        for committed in plans:
            runner = PlanRunner(world, committed.agent, committed.plan, committed.id, committed.since, _tell_nobody)
            runner.call = committed.call
            self._runners[committed.agent] = runner
        self.counts: list[TaskCount] = []

    def advance(self) -> None:
        """Bring all plans up to the state as it is."""
        self._world.meetings.begin_step()
        for runner in self._runners.values():
            runner.advance()
        while released := self._world.meetings.release():
            for agent in released:
                if agent in self._runners:
                    self._runners[agent].advance()

    def has_ended(self, agent: int) -> bool:
        """Say whether an agent's plan has ended."""
        return self._runners[agent].ended is not None

    def calls_done(self, agents: Iterable[int]) -> int:
        """Return how many calls some agents have carried out."""
        return sum(self._runners[agent].call for agent in agents)

    def step(self) -> StepOutcome:
        """Take one joint step; `counts` then has the constraint counts of it."""
        agents = range(self._world.n_agents)
        actions = [self._runners[i].act() if i in self._runners else self._world.noop for i in agents]
        tasks = [self._runners[i].task() if i in self._runners else NO_TASK for i in agents]
        self.counts = self._world.count(actions, tasks)
        return self._world.step(actions)


def foresee(world: Embodiment, plans: Sequence[Committed], group: set[int], task: str, horizon: int) -> Forecast:
    """Return whether a group comes to a stand if these plans are carried out and all others stand still.

    It does not if the task's effect comes about, or if a member's plan ends before: then that member thinks again.

    Args:
        world: An imagined world; it is used up.
        plans: The plans that are carried out: those of the group, or of more agents.
        group: The group.
        task: The task.
        horizon: Steps at most.
    """
    rollout = Rollout(world, plans)
    dependency, in_place, acting, idle, calls = False, 0, 0, 0, -1
    for step in range(horizon):
        rollout.advance()
        if any(rollout.has_ended(agent) for agent in group):
            break
        outcome = rollout.step()
        if task in outcome.achieved or outcome.terminated or outcome.truncated:
            break
        for count in rollout.counts:
            if count.task == task:
                dependency = dependency or bool(count.dependency)
                in_place, acting = max(in_place, count.in_place), max(acting, count.joint)
        before, calls = calls, rollout.calls_done(group)
        took_part = any(group.intersection(event["agents"]) for event in outcome.events)
        idle = 0 if took_part or calls != before or group.intersection(outcome.moved) else idle + 1
        if idle == STALL:
            return Forecast(True, step + 1, dependency, in_place, acting)
    return Forecast(False, step)


def free_at(world: Embodiment, plans: Sequence[Committed], agents: Sequence[int], horizon: int) -> dict[int, int]:
    """Return after how many steps agents will have carried out their plans; who takes longer is left out.

    Args:
        world: An imagined world; it is used up.
        plans: The plans of all agents that act.
        agents: Those asked about; all have plans.
        horizon: Steps at most.
    """
    rollout = Rollout(world, plans)
    free: dict[int, int] = {}
    for step in range(horizon + 1):
        rollout.advance()
        free.update({agent: step for agent in agents if agent not in free and rollout.has_ended(agent)})
        if len(free) == len(agents):
            break
        outcome = rollout.step()
        if outcome.terminated or outcome.truncated:
            break
    return free


def _tell_nobody(agent: int, plan: int, call: int, concept: str, what: str) -> None:
    """Take note of nothing."""
