"""Faults put into an episode on purpose: what may go wrong with messages and agents, from when to when.

Whatever takes effect is written into the trace as a `fault` event, the ground truth against which detectors are
measured; see `docs/faults.md`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from emcoop.cognitive_layer.topologies import Topology, superior_of
from emcoop.envs.embodiment import Embodiment
from emcoop.errors import ConfigError, unknown_name

TO_THE_END = -1
"""As a number of steps: as long as the episode goes on."""

ANYBODY = -1
"""As the sender: a fault of messages hits those of all agents."""

_SOMEBODY = "an agent index"
_MESSAGE = {"agent": ANYBODY, "at": 0, "steps": 1, "chance": 1.0}
_AGENT = {"agent": _SOMEBODY, "at": 0, "steps": 1}

KEYS: dict[str, dict[str, Any]] = {
    "drop_message": _MESSAGE,
    "delay_message": {**_MESSAGE, "delay": 5},
    "duplicate_message": _MESSAGE,
    "swap_recipients": _MESSAGE,
    "corrupt_fact": _MESSAGE,
    "freeze": _AGENT,
    "crash": {**_AGENT, "steps": TO_THE_END},
    "remove_leader": {"at": 0, "steps": TO_THE_END},
    "hide_observation": _AGENT,
    "saboteur": {**_AGENT, "steps": TO_THE_END},
}
"""Kind of fault -> its keys and their defaults."""

MESSAGE_KINDS = ("drop_message", "delay_message", "duplicate_message", "swap_recipients", "corrupt_fact")
STILL_KINDS = ("freeze", "crash", "remove_leader")
"""Kinds in which an agent neither thinks nor acts."""

FIRST_HIDDEN = 1
"""The first step whose observation can be hidden: with what it sees right after reset an agent has to start."""


class FaultSpec(msgspec.Struct, frozen=True):
    """One fault as it was asked for.

    Attributes:
        kind: Which fault, see `KEYS`.
        agent: Whom it hits; of messages the sender, `ANYBODY` for all.
        at: Environment step (steps taken so far) from which it is in force.
        steps: For how many steps, or `TO_THE_END`.
        chance: Probability that it hits a message.
        delay: Environment steps by which a message is late.
    """

    kind: str
    agent: int = ANYBODY
    at: int = 0
    steps: int = 1
    chance: float = 1.0
    delay: int = 5

    @property
    def until(self) -> int:
        """The first step at which it is over, `TO_THE_END` if there is none."""
        return TO_THE_END if self.steps == TO_THE_END else self.at + self.steps

    def is_in_force(self, step: int) -> bool:
        """Say whether it is in force while the step after `step` steps is thought over and taken."""
        return self.at <= step and (self.steps == TO_THE_END or step < self.at + self.steps)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, defaults filled in."""
        return {"kind": self.kind, **{key: getattr(self, key) for key in KEYS[self.kind]}}


def make_faults(given: Sequence[Mapping[str, Any]] | None) -> list[FaultSpec]:
    """Build faults from plain data.

    Args:
        given: One mapping per fault, `{"kind": "freeze", "agent": 1, "at": 10, "steps": 5}`; keys by kind in `KEYS`.

    Raises:
        ConfigError: No list of mappings, an unknown kind or key, a missing agent, or a value out of range.
    """
    if given is None:
        return []
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise ConfigError(f"faults={given!r} does not fit: give a list such as [{{'kind': 'crash', 'agent': 1}}]")
    return [_make(one) for one in given]


def _make(given: object) -> FaultSpec:
    if not isinstance(given, Mapping) or "kind" not in given:
        raise ConfigError(f"fault {given!r} does not fit: give a mapping such as {{'kind': 'crash', 'agent': 1}}")
    kind = given["kind"]
    if not isinstance(kind, str) or kind not in KEYS:
        raise unknown_name("kind of fault", kind, KEYS)
    for key in given:
        if key not in ("kind", *KEYS[kind]):
            raise unknown_name(f"key of fault {kind}:", key, KEYS[kind])
    values = {**KEYS[kind], **{key: value for key, value in given.items() if key != "kind"}}
    if values.get("agent") == _SOMEBODY:
        raise ConfigError(f"fault {kind!r} names nobody: add the agent it hits, such as 'agent': 1")
    for key, value in values.items():
        _check(kind, key, value)
    if "chance" in values:
        values["chance"] = float(values["chance"])
    return FaultSpec(kind, **values)


def _check(kind: str, key: str, value: object) -> None:
    if key == "chance":
        fits = type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]
        allowed = "a probability from 0 to 1"
    elif key == "agent":
        lowest = ANYBODY if kind in MESSAGE_KINDS else 0
        fits, allowed = _is_whole(value, lowest), "an agent index" + (", or -1 for all agents" if lowest else "")
    elif key == "steps":
        fits = _is_whole(value, 1) or (value == TO_THE_END and type(value) is int)
        allowed = "a whole number of steps >= 1, or -1 for the rest of the episode"
    else:
        lowest = 0 if key == "at" else 1
        fits, allowed = _is_whole(value, lowest), f"a whole number of environment steps >= {lowest}"
    if not fits:
        raise ConfigError(f"{key}={value!r} of the fault {kind!r} does not fit: give {allowed}")


def _is_whole(value: object, lowest: int) -> bool:
    return type(value) is int and lowest <= value < 2**53


def leaders_of(topology: Topology, n_agents: int) -> list[int]:
    """Return the agents that lead a team and are led by nobody, in order."""
    return [agent for agent in range(n_agents) if superior_of(topology, agent) == agent]


def check_team(faults: Sequence[FaultSpec], n_agents: int, topology: Topology, played: Collection[int] = ()) -> None:
    """Check that every fault can hit somebody in this team.

    Args:
        faults: The faults.
        n_agents: Team size.
        topology: Who leads.
        played: Seats whose primitives come from outside; only their messages can be hit.

    Raises:
        ConfigError: An agent that is not there, a leader where nobody leads, or a body that is played from outside.
    """
    for fault in faults:
        if fault.agent >= n_agents:
            raise ConfigError(
                f"agent={fault.agent} of the fault {fault.kind!r} does not fit: the team has agents 0 to {n_agents - 1}"
            )
        hit = leaders_of(topology, n_agents) if fault.kind == "remove_leader" else [fault.agent]
        if not hit:
            raise ConfigError(
                f"fault 'remove_leader' has nobody to remove: in topology {topology.name!r} nobody leads; choose one "
                "with a leader, such as 'centralized', or the fault 'crash'"
            )
        outside = sorted(set(hit).intersection(played))
        if outside and fault.kind not in MESSAGE_KINDS:
            raise ConfigError(
                f"fault {fault.kind!r} hits agent {outside[0]}, which is played from outside: choose another agent"
            )


def check_world(faults: Sequence[FaultSpec], world: Embodiment) -> None:
    """Check that a world can do what the faults ask of it.

    Raises:
        ConfigError: Its agents cannot be blindfolded, or its actions cannot be enumerated for a saboteur.
    """
    kinds = {fault.kind for fault in faults}
    if "hide_observation" in kinds and not hasattr(world, "blindfold"):
        raise ConfigError(
            f"fault 'hide_observation' does not work in {type(world).__name__}: it has no method `blindfold`; leave "
            "the fault out, or add the method (see `emcoop.envs.embodiment`)"
        )
    for fault in faults:
        if fault.kind == "saboteur":
            space = world.env.action_space(world.env.possible_agents[fault.agent])
            if not is_finite(space):
                raise ConfigError(
                    f"fault 'saboteur' needs a finite number of actions, which {space} is not: leave it out"
                )


def is_finite(space: Any) -> bool:
    """Say whether an action space is discrete, or a dict of discrete ones."""
    parts = getattr(space, "spaces", None)
    return all(map(is_finite, parts.values())) if isinstance(parts, Mapping) else hasattr(space, "n")
