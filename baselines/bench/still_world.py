"""A world in which nothing happens, and a planner that does not think: what is left is the cognitive layer itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from emcoop.cognitive_layer.plan import Decision, Plan, PlanningContext, SeatSetup
from emcoop.envs.controllers import Wait
from emcoop.envs.embodiment import (
    NO_TASK,
    ActionCall,
    Concept,
    Controller,
    MeetingPoints,
    StepOutcome,
    TaskCount,
    TaskView,
    View,
)
from emcoop.envs.parallel_env import agent_names


class Stillness:
    """A view with nothing in it."""

    def __init__(self, me: int, step: int, n_agents: int) -> None:
        self.me, self.step, self.n_agents = me, step, n_agents

    def tasks(self) -> list[Any]:
        """Return no tasks."""
        return []

    def task(self, task: str) -> TaskView | None:
        """Return that there is no such task."""
        return None

    def about(self, task: str) -> Mapping[str, Any]:
        """Return no facts."""
        return {}

    def premises(self, task: str) -> Mapping[str, Any]:
        """Return no facts."""
        return {}

    def observed(self, key: str) -> None:
        """Return nothing: it has seen nothing."""

    def travel(self, task: str, agents: Sequence[int]) -> list[int]:
        """Return no distance at all."""
        return [0] * len(agents)

    def recipe(self, task: str, count: int) -> tuple[ActionCall, ...]:
        """Return the one thing there is to do."""
        return (ActionCall("wait"),)

    def idle(self, brief: bool = False) -> tuple[ActionCall, ...]:
        """Return the one thing there is to do."""
        return (ActionCall("wait"),)

    def sample(self, draw: Any) -> ActionCall:
        """Return the one thing there is to do."""
        return ActionCall("wait")

    def problem(self, calls: Sequence[ActionCall]) -> str:
        """Return nothing: nothing can go wrong here."""
        return ""

    def news(self, most: int) -> Mapping[str, Any]:
        """Return no facts."""
        return {}

    def text(self) -> str:
        """Return that there is nothing to see."""
        return "nothing"


class StillWorld:
    """An `Embodiment` without a world: every agent can wait, and every step leaves everything as it is.

    Args:
        n_agents: Team size.
        max_steps: Horizon.
    """

    noop = 0
    rules = "Nothing ever happens."
    concepts: Mapping[str, Concept] = {"wait": Concept("wait", "Stay for `steps` steps.")}

    def __init__(self, n_agents: int, max_steps: int) -> None:
        self.env = SimpleNamespace(possible_agents=agent_names(n_agents))
        self.n_agents = n_agents
        self.max_steps = max_steps
        self.meetings = MeetingPoints()
        self._step = 0

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> StepOutcome:
        """Start an episode."""
        self._step = 0
        return self._outcome()

    def view(self, agent: int, everything: bool = False) -> View:
        """Return a view with nothing in it."""
        return Stillness(agent, self._step, self.n_agents)

    def reveal(self, agent: int) -> None:
        """Leave everything as it is: there is nothing to know."""

    def learn(self, agents: Sequence[int], facts: Mapping[str, Any]) -> None:
        """Leave everything as it is: there is nothing to know."""

    def primitive(self, action: Any) -> int:
        """Return the action, which is its own number."""
        return int(action)

    def controller(self, agent: int, call: ActionCall) -> Controller:
        """Return a controller that waits."""
        return Wait(call.args.get("steps", 1), self.noop)

    def task_of(self, call: ActionCall) -> str:
        """Return that a call is part of no task."""
        return NO_TASK

    def count(self, actions: Sequence[int], committed: Sequence[str]) -> list[TaskCount]:
        """Return no constraints."""
        return []

    def step(self, actions: Sequence[int]) -> StepOutcome:
        """Let a step pass."""
        self._step += 1
        return self._outcome()

    def _outcome(self) -> StepOutcome:
        return StepOutcome(
            reward=0.0,
            terminated=False,
            truncated=self._step >= self.max_steps,
            events=[],
            achieved=frozenset(),
            finished=[],
            moved=[],
            positions=[],
            objects={},
            observations={},
            rewards={},
            infos={},
        )

    def progress(self) -> float:
        """Return that nothing has been achieved."""
        return 0.0

    def scores(self) -> tuple[float, float]:
        """Return no points."""
        return 0.0, 0.0

    def state_hash(self) -> str:
        """Return the name of the only state."""
        return "still"

    def configuration_hash(self) -> str:
        """Return the name of the only state."""
        return "still"

    def reference(self) -> dict[str, float]:
        """Return nothing to compare with."""
        return {}

    def check_fact(self, key: str, value: Any) -> bool | None:
        """Say that nothing can be checked."""
        return None

    def clone(self) -> StillWorld:
        """Return another one."""
        return StillWorld(self.n_agents, self.max_steps)

    def imagine(self, agents: Sequence[int] | None, salt: int) -> StillWorld:
        """Return another one: there is nothing not to know."""
        return self.clone()


class Constant:
    """A planner that always answers with the same plan, made beforehand: it takes no time."""

    immediate = True

    def __init__(self, plan: Plan) -> None:
        self._decision = Decision(plan)

    def reset(self, setup: SeatSetup) -> None:
        """Learn nothing."""

    async def decide(self, context: PlanningContext) -> Decision:
        """Answer with the plan."""
        return self._decision
