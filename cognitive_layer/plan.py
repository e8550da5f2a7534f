"""What planners receive and return: small immutable records, all in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec
import numpy as np

from emcoop.cognitive_layer.memory import Memory
from emcoop.cognitive_layer.stages import Stage
from emcoop.envs.embodiment import NO_TASK, ActionCall, Concept, Embodiment, View
from emcoop.trace.schema import EVERYONE

MessageKind = Literal["request", "inform", "commit", "ack", "done", "free"]
WORK_KINDS = frozenset({"request", "commit"})
"""Kinds of messages on which somebody's work hangs."""

Label = Literal["consume", "wait", "discard", "reroute"]


class Fact(msgspec.Struct, frozen=True):
    """A value and the environment step at which it was observed."""

    value: Any
    step: int


class Message(msgspec.Struct, frozen=True):
    """A message between agents.

    Attributes:
        recipients: Agent indices, or `EVERYONE` the topology lets the sender reach.
        kind: What kind of speech act it is.
        text: Free text.
        facts: Key -> fact.
        sender, id: Filled in by the loop.
    """

    recipients: tuple[int, ...] | str
    kind: MessageKind
    text: str = ""
    facts: dict[str, Fact] = {}
    sender: int = -1
    id: int = -1


class Plan(msgspec.Struct, frozen=True):
    """A plan: calls to carry out in order, for a task.

    Attributes:
        calls: At least one call.
        task: Id of the task it serves, `NO_TASK` if none.
        assumptions: Facts it rests on.
        reasoning: Why, in words.
    """

    calls: tuple[ActionCall, ...]
    task: str = NO_TASK
    assumptions: dict[str, Any] = {}
    reasoning: str = ""


class Resume(msgspec.Struct, frozen=True):
    """Type of `RESUME`: go on with the current plan where it was."""


RESUME = Resume()


class Reaction(msgspec.Struct, frozen=True):
    """How a delivered message is handled.

    Attributes:
        message: Its id.
        label: `consume` (read and used), `wait` (keep it for later), `discard`, `reroute`.
        to: Whom to reroute it to.
    """

    message: int
    label: Label
    to: tuple[int, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """A planner's answer.

    Attributes:
        plan: A new plan, `RESUME` (only when interrupted), or None to speak or listen and go on reasoning.
        messages: Messages to send.
        reactions: Handling of delivered messages. One that is not listed counts as `consume` if it was in the
            context of this decision.
    """

    plan: Plan | Resume | None = None
    messages: tuple[Message, ...] = ()
    reactions: tuple[Reaction, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """How a plan ended.

    Attributes:
        step: When.
        task: The task it served.
        call: The call at which it ended.
        reason: `done`, `failed:<reason>` or `superseded`.
        detail: Numbers behind a failure.
    """

    step: int
    task: str
    call: ActionCall | None
    reason: str
    detail: dict[str, Any] = {}


@dataclass(frozen=True)
class PlanningContext:
    """Exactly what an agent may know when it is asked to decide.

    Attributes:
        stage: `REASON` (needs a plan) or `INTERRUPT` (has one, and a message came).
        step: Environment steps taken.
        steps_left: Environment steps until the horizon.
        rounds_left: Cognitive rounds left before this step is taken without an answer.
        waited: Rounds since the agent began to reason.
        view: What it sees; text on request.
        unread: Messages delivered and not yet handled, oldest first.
        plan: Its current plan when interrupted, and `call` the index of the call in progress.
        last: How its last plan ended, if it had one.
        reachable: Whom it may send messages to.
        memory: What it remembers.
    """

    stage: Stage
    step: int
    steps_left: int
    rounds_left: int
    waited: int
    view: View
    unread: Sequence[Message]
    plan: Plan | None
    call: int
    last: Outcome | None
    reachable: Sequence[int]
    memory: Memory


@dataclass(frozen=True)
class Privileged:
    """What only privileged planners get: the world itself and a notebook shared by the team.

    Attributes:
        embodiment: The world; treat it as read-only, work on clones.
        reasoning: Returns the agents that need a plan now.
        shared: The team's notebook.
    """

    embodiment: Embodiment
    reasoning: Any
    shared: dict[str, Any]


@dataclass(frozen=True)
class SeatSetup:
    """What a planner learns when an episode begins.

    Attributes:
        seat: Own index; `names` are the names of all seats.
        names: Name of every agent.
        concepts: Action concepts of this world.
        rng: The seat's own generator.
        topology, role: Name of the topology and the seat's role in it (`leader`, `follower`, `peer`).
        leader: Index of the leader, -1 if there is none.
        budgets: Limits in force.
        privileged: Only for planners registered as privileged, else None.
    """

    seat: int
    names: Sequence[str]
    concepts: Mapping[str, Concept]
    rng: np.random.Generator
    topology: str
    role: str
    leader: int
    budgets: Mapping[str, Any] = field(default_factory=dict)
    privileged: Privileged | None = None


@runtime_checkable
class Planner(Protocol):
    """Anything that thinks for one seat. One instance per seat.

    A planner whose `decide` never waits for anything may set `immediate = True`; it is then called directly.
    """

    def reset(self, setup: SeatSetup) -> None:
        """Prepare for an episode."""

    async def decide(self, context: PlanningContext) -> Decision:
        """Answer with a plan, with `RESUME`, or with messages only."""


__all__ = [
    "EVERYONE",
    "NO_TASK",
    "RESUME",
    "WORK_KINDS",
    "ActionCall",
    "Decision",
    "Fact",
    "Message",
    "Outcome",
    "Plan",
    "Planner",
    "PlanningContext",
    "Privileged",
    "Reaction",
    "Resume",
    "SeatSetup",
]
