"""Planners without a model: random, greedy, scripted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.plan import RESUME, ActionCall, Decision, Plan, PlanningContext, SeatSetup
from emcoop.cognitive_layer.planners.allocation import mend
from emcoop.cognitive_layer.stages import I
from emcoop.errors import ConfigError


class RandomPlanner:
    """A random valid call, again and again: the lower reference."""

    immediate = True

    def reset(self, setup: SeatSetup) -> None:
        """Take the seat's generator."""
        self._rng = setup.rng

    async def decide(self, context: PlanningContext) -> Decision:
        """Commit one random call; ignore messages."""
        if context.stage is I:
            return Decision(RESUME)
        return Decision(Plan((context.view.sample(self._rng.random),)))


class GreedyPlanner:
    """Everybody heads for the task nearest to its end (the published CUBE heuristic); needs no messages."""

    immediate = True

    def reset(self, setup: SeatSetup) -> None:
        """Nothing to prepare."""

    async def decide(self, context: PlanningContext) -> Decision:
        """Commit to the available task with the fewest steps of work left; mend a plan that a monitor objects to."""
        if context.stage is I:
            return Decision((mend(context) if context.notices else None) or RESUME)
        tasks = [t for t in context.view.tasks() if t.available] or [t for t in context.view.tasks() if t.value]
        if not tasks:
            return Decision(Plan(context.view.idle(), reasoning="nothing to do"))
        task = min(tasks, key=lambda t: (t.remaining, t.id))
        return Decision(
            Plan(context.view.recipe(task.id, task.required), task.id, dict(context.view.premises(task.id)))
        )


class ScriptedPlanner:
    """Carries out given calls in order, each agent its own list, then waits.

    Args:
        calls: Per agent a list of `[concept, arguments]`; one list for all is allowed too.
        tasks: Per agent the task its plan declares.
    """

    immediate = True

    def __init__(self, calls: Sequence[Any] = (), tasks: Sequence[str] = ()) -> None:
        self._calls = calls
        self._tasks = tasks

    def reset(self, setup: SeatSetup) -> None:
        """Pick the seat's own list.

        Raises:
            ConfigError: The script has no valid list for this seat.
        """
        script = self._calls
        if script and not _is_call(script[0]):
            script = script[setup.seat] if setup.seat < len(script) else ()
        if not all(_is_call(entry) for entry in script):
            raise ConfigError(f"script of agent {setup.seat} does not fit: give [concept, {{argument: value}}] entries")
        self._script = [ActionCall(concept, dict(args)) for concept, args in script]
        self._task = self._tasks[setup.seat] if setup.seat < len(self._tasks) else ""
        self._next = 0

    async def decide(self, context: PlanningContext) -> Decision:
        """Commit the next call of the script."""
        if context.stage is I:
            return Decision(RESUME)
        if self._next >= len(self._script):
            return Decision(Plan((ActionCall("wait", {"steps": max(context.steps_left, 1)}),)))
        self._next += 1
        return Decision(Plan((self._script[self._next - 1],), self._task))


def _is_call(entry: Any) -> bool:
    return (
        isinstance(entry, (list, tuple))
        and len(entry) == 2
        and isinstance(entry[0], str)
        and isinstance(entry[1], Mapping)
    )
