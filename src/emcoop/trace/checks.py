"""What must hold in a trace beyond the types of its fields, so that no reader has to check it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emcoop.trace import schema
from emcoop.trace.schema import Event

COLUMNS: dict[type[Event], tuple[str, ...]] = {
    schema.Action: ("agents", "plans", "calls", "concepts", "outcomes"),
    schema.Waiting: ("points", "agents", "needs"),
    schema.Constraint: (
        "tasks", "required", "committed", "in_place", "acting", "dependency", "joint", "engaged", "success",
        "participants", "inferred",
    ),
}  # fmt: skip
"""The columnar kinds: equally long lists, one entry per agent, meeting point or task."""

_COUNTS = ("committed", "in_place", "acting", "dependency", "joint", "engaged", "success", "inferred")


def problem_with(event: Event, n_agents: int, steps: int) -> str:
    """Say what is wrong with an event, empty if nothing is.

    Args:
        event: A decoded event after the head of the trace.
        n_agents: Team size of the episode.
        steps: Number of step records before this one.
    """
    names = COLUMNS.get(type(event))
    if names is not None and len({len(getattr(event, name)) for name in names}) > 1:
        return f"its columns {', '.join(names)} differ in length"
    check = _CHECKS.get(type(event))
    return check(event, n_agents, steps) if check is not None else ""


MOST_AGENTS = 65_536
"""A head that claims more is no team: what counts per agent would fill the memory."""


def _agents(who: list[int], n_agents: int) -> str:
    if not who or (min(who) >= 0 and max(who) < n_agents):
        return ""
    return f"it names agent {min(who) if min(who) < 0 else max(who)} in a team of {n_agents}"


def _constraint(event: schema.Constraint, n_agents: int, steps: int) -> str:
    for count in _COUNTS:
        if min(getattr(event, count), default=0) < 0:
            return f"it has a negative count in {count}"
    if min(event.required, default=1) < 1:
        return "it has a task that requires nobody"
    return ""


def _episode(event: schema.Episode, n_agents: int, steps: int) -> str:
    if not 1 <= event.n_agents <= MOST_AGENTS:
        return f"it is of {event.n_agents} agents, and a team has 1 to {MOST_AGENTS}"
    return ""


def _world(event: schema.World, n_agents: int, steps: int) -> str:
    if len(event.agents) != len(event.to):
        return "its columns agents and to differ in length"
    return _agents(event.agents, n_agents)


def _step(event: schema.Step, n_agents: int, steps: int) -> str:
    if event.t != steps:
        return f"it is step {event.t} where step {steps} was due"
    expected = n_agents if event.t else 0
    if len(event.actions) != expected:
        return f"it has {len(event.actions)} actions where {expected} were due"
    return ""


def _named(field: str) -> Callable[[Any, int, int], str]:
    return lambda event, n_agents, steps: _agents([getattr(event, field)], n_agents)


def _listed(event: Any, n_agents: int, steps: int) -> str:
    return _agents(event.agents, n_agents)


_CHECKS: dict[type[Event], Callable[[Any, int, int], str]] = {
    schema.Constraint: _constraint,
    schema.Episode: _episode,
    schema.World: _world,
    schema.Step: _step,
    schema.Stage: _listed,
    schema.Action: _listed,
    schema.Activation: _named("agent"),
    schema.LlmCall: _named("agent"),
    schema.Monitor: _listed,
    schema.Plan: _named("agent"),
    schema.Message: _named("sender"),
    schema.Reaction: _named("agent"),
    schema.Capability: _named("agent"),
}
