"""A planner without a voice: another planner that neither talks nor listens, whatever the topology permits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emcoop.cognitive_layer.plan import RESUME, Decision, PlanningContext, Reaction, SeatSetup
from emcoop.cognitive_layer.planners import make_team, planner_specs
from emcoop.cognitive_layer.stages import R
from emcoop.errors import ConfigError


class SilentPlanner:
    """Lets another planner decide as if nobody could be reached: the reference for what communication is worth.

    It takes part in every topology's order of speaking, says nothing, and discards what it is told. (Its body may still
    learn from facts that others send; in a team of silent planners nobody sends any.)

    Args:
        planner: The planner that decides, as a name, `name:argument` or a mapping with options.
    """

    def __init__(self, planner: str | Mapping[str, Any] = "team") -> None:
        if not isinstance(planner, (str, Mapping)):
            raise ConfigError(f"planner={planner!r} does not fit: give a name, as silent:team, or a mapping")
        [self._inner], [spec], privileged = make_team(planner, 1)
        if privileged or planner_specs()[spec["name"]].brings_in:
            raise ConfigError(f"planner {spec['name']!r} knows more than its agent may: silent takes no such planner")
        self.immediate = getattr(self._inner, "immediate", False)
        self.observes = getattr(self._inner, "observes", False)
        self.uses_models = getattr(self._inner, "uses_models", False)

    def reset(self, setup: SeatSetup) -> None:
        """Prepare the planner for an episode in which nobody talks."""
        self._inner.reset(replace(setup, topology="individual", role="peer", leader=-1, reports=()))

    async def decide(self, context: PlanningContext) -> Decision:
        """Return what the planner decides when it can reach nobody."""
        alone = replace(context, reachable=(), unread=())
        discarded = tuple(Reaction(message.id, "discard") for message in context.unread)
        if discarded and context.stage is not R and not context.notices:
            return Decision(RESUME, reactions=discarded)  # nothing that it may know has changed
        decision = await self._inner.decide(alone)
        return Decision(decision.plan, reactions=discarded, calls=decision.calls, status=decision.status)
