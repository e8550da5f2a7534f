"""A policy thinks for a seat: observation in, primitive action out, without plans.

A policy is any callable `policy(observation) -> action` on the agent's own observation and action of the ParallelEnv;
if it has a method `reset(rng)`, that is called when an episode begins, with the seat's own generator.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from emcoop.cognitive_layer.plan import PRIMITIVE, RESUME, ActionCall, Decision, Plan, PlanningContext, SeatSetup
from emcoop.cognitive_layer.stages import I
from emcoop.errors import ConfigError, PlannerError

EXAMPLE = "write policy:MODULE:ATTRIBUTE, such as policy:my_policies:act"


class PolicyPlanner:
    """Ask a policy for one primitive action before every step; messages are not for it.

    Args:
        policy: The policy, or a class that is instantiated without arguments, once for this seat. A policy object
            given to several seats is shared by them, with all it remembers.

    Raises:
        ConfigError: It is not callable.
    """

    immediate = True
    observes = True

    def __init__(self, policy: Callable[..., Any]) -> None:
        self._policy = policy() if isinstance(policy, type) else policy
        if not callable(self._policy):
            raise ConfigError(f"{policy!r:.80} is no policy: give a callable from an observation to an action")

    def reset(self, setup: SeatSetup) -> None:
        """Let the policy begin a new episode, if it wants to know."""
        self._seat = setup.seat
        reset = getattr(self._policy, "reset", None)
        if reset is not None:
            reset(setup.rng)

    async def decide(self, context: PlanningContext) -> Decision:
        """Commit the policy's action for one step; an agent that has left the episode sees nothing and only waits.

        Raises:
            PlannerError: The policy's answer is no action.
        """
        if context.stage is I:
            return Decision(RESUME)
        if context.observation is None:
            return Decision(Plan(context.view.idle(brief=True)))
        action = self._policy(context.observation)
        return Decision(Plan((ActionCall(PRIMITIVE, {"action": plain_action(action, self._seat)}),)))


def plain_action(action: Any, agent: int) -> int | dict[str, int]:
    """Return an action as plain data: a whole number, or whole numbers by name.

    Args:
        action: Numbers may be Python's or NumPy's, or arrays that hold just one.
        agent: Whose action it is, for the error.

    Raises:
        PlannerError: It is neither.
    """
    whole = _whole(action)
    if whole is not None:
        return whole
    if isinstance(action, Mapping) and all(isinstance(name, str) for name in action):
        parts = {name: _whole(value) for name, value in action.items()}
        plain = {name: value for name, value in parts.items() if value is not None}
        if plain and len(plain) == len(parts):
            return plain
    raise PlannerError(
        f"the policy of agent {agent} answered {action!r:.80}; give an action of the agent's action space, a whole "
        "number or a dict of them"
    )


def _whole(value: Any) -> int | None:
    """Return a whole number as an int, None if it is none."""
    if isinstance(value, np.ndarray) or (hasattr(value, "item") and not isinstance(value, np.generic)):
        if getattr(value, "ndim", -1) not in (0, 1) or np.size(value) != 1:
            return None
        value = value.item()
    is_number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return int(value) if is_number else None


def make_policy_planner(policy: str = "") -> PolicyPlanner:
    """Make the planner of one seat from the name of its policy.

    Args:
        policy: `module:attribute`; the module is looked for where Python looks, then in the current folder. It is code:
            name only what you would run.

    Raises:
        ConfigError: There is no such module or attribute, or it is no policy.
    """
    module, colon, attribute = policy.partition(":") if isinstance(policy, str) else ("", "", "")
    if not (module and colon and attribute):
        raise ConfigError(f"policy={policy!r} does not fit: {EXAMPLE}")
    try:
        found = _import(module)
    except ImportError as error:
        raise ConfigError(f"policy {policy!r} cannot be loaded ({error}): {EXAMPLE}") from error
    if not hasattr(found, attribute):
        raise ConfigError(f"policy {policy!r} cannot be loaded: {module} has no {attribute!r}; {EXAMPLE}")
    return PolicyPlanner(getattr(found, attribute))


def _import(module: str) -> Any:
    """Import a module, also from the current folder, where the policies of an experiment lie."""
    here = os.getcwd()
    if here in sys.path or "" in sys.path:
        return importlib.import_module(module)
    sys.path.append(here)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(here)
