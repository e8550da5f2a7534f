"""From plans to primitives: each agent's current call, carried out by its controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emcoop.cognitive_layer.plan import PRIMITIVE, Plan
from emcoop.envs.embodiment import DONE, NO_TASK, RUNNING, ActionCall, Controller, Embodiment, Failed, Status
from emcoop.errors import PlannerError

Note = Callable[[int, int, int, str, str], None]
"""Called with agent, plan id, call index, concept and what happened to the call."""


class PlanRunner:
    """Carries out one plan of one agent, call by call; a finished call never costs a step.

    Args:
        embodiment: The world.
        agent: Whose plan.
        plan: The plan.
        plan_id: Its id in the trace.
        since: Environment step at which it was committed.
        note: Told of every call that starts or ends.

    Attributes:
        call: Index of the current call.
        ended: Why the plan ended (`done` or `failed:<reason>`), None while it goes on.
        failure: The failed call's status, if any.
    """

    def __init__(self, embodiment: Embodiment, agent: int, plan: Plan, plan_id: int, since: int, note: Note) -> None:
        self._embodiment = embodiment
        self._agent = agent
        self._note = note
        self._controller: Controller | None = None
        self.plan = plan
        self.plan_id = plan_id
        self.since = since
        self.call = 0
        self.ended: str | None = None
        self.failure: Failed | None = None

    @property
    def has_begun(self) -> bool:
        """Say whether any call of the plan has been started."""
        return self._controller is not None or self.call > 0 or self.ended is not None

    @property
    def current(self) -> ActionCall | None:
        """The call in progress, None after the last."""
        return self.plan.calls[self.call] if self.call < len(self.plan.calls) else None

    def task(self) -> str:
        """Return the task the agent is committed to: that of its current call, else that of its plan."""
        if self.ended is not None or self.current is None:
            return NO_TASK
        return self._embodiment.task_of(self.current) or self.plan.task

    def advance(self) -> None:
        """Bring the plan up to the state as it is: end calls that are over, start the next."""
        while self.ended is None:
            call = self.current
            if call is None:
                self.ended = "done"
                return
            if self._controller is None:
                made = self._controller_of(call)
                self._tell(call, "start")
                if isinstance(made, Failed):
                    self._fail(call, made)
                    return
                self._controller = made
            status = self._controller.status()
            if status is RUNNING:
                return
            if status is DONE:
                self._tell(call, "done")
                self._controller = None
                self.call += 1
            elif isinstance(status, Failed):
                self._fail(call, status)

    def _controller_of(self, call: ActionCall) -> Controller | Failed:
        if call.concept == PRIMITIVE:
            return Primitive(self._embodiment, self._agent, call.args.get("action"))
        return self._embodiment.controller(self._agent, call)

    def _fail(self, call: ActionCall, failure: Failed) -> None:
        self._tell(call, f"failed:{failure.reason}")
        self.failure = failure
        self.ended = f"failed:{failure.reason}"

    def _tell(self, call: ActionCall, what: str) -> None:
        self._note(self._agent, self.plan_id, self.call, call.concept, what)

    def act(self) -> int:
        """Return the primitive for the coming step."""
        if self.ended is not None or self._controller is None:
            return self._embodiment.noop
        return self._controller.act()


class Primitive:
    """One primitive action for one step, as planners that skip plans give it.

    Args:
        embodiment: The world.
        agent: Who acts.
        action: An action of its action space; whole numbers and plain mappings will do.

    Raises:
        PlannerError: It is not in the action space.
    """

    def __init__(self, embodiment: Embodiment, agent: int, action: Any) -> None:
        space = embodiment.env.action_space(embodiment.env.possible_agents[agent])
        if not space.contains(action):
            raise PlannerError(f"the planner of agent {agent} gave action {action!r:.80}; give one of {space}")
        self._action = embodiment.primitive(action)
        self._taken = False

    def status(self) -> Status:
        """Go on until the action has been taken."""
        return DONE if self._taken else RUNNING

    def act(self) -> int:
        """Return the action."""
        self._taken = True
        return self._action
