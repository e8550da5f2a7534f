"""What planners receive and return: small immutable records, all in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec
import numpy as np

from emcoop.cognitive_layer.memory import Memory
from emcoop.cognitive_layer.models.chat import SeatModels
from emcoop.cognitive_layer.stages import Stage
from emcoop.envs.embodiment import NO_TASK, ActionCall, Concept, Embodiment, View
from emcoop.trace.schema import EVERYONE

PRIMITIVE = "primitive"
"""Reserved concept for planners that skip plans: `primitive(action=...)` takes one action of the action space."""

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


class ModelCall(msgspec.Struct, frozen=True):
    """One call of a model behind a decision, as it goes into the trace.

    Attributes:
        model: `provider/model`.
        request: SHA-256 of what was asked.
        reply: What came back, cut at 65,536 characters.
        rung: How the reply was held to its schema: `json_schema`, `json_object` or `text`.
        status: `ok`, or what was wrong with the reply: `empty`, `too_long`, `unparsed`, `invalid`.
        prompt_tokens, completion_tokens: As the provider counts them, 0 if it does not say.
        prompt: What was asked, `[role, text]` per turn; only when texts are to be kept.
    """

    model: str
    request: str
    reply: str
    rung: str = "text"
    status: str = "ok"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt: tuple[tuple[str, str], ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """A planner's answer.

    Attributes:
        plan: A new plan, `RESUME` (only when interrupted), or None to speak or listen and go on reasoning.
        messages: Messages to send.
        reactions: Handling of delivered messages. One that is not listed counts as `consume` if it was in the
            context of this decision.
        calls: Calls of a model it took.
        status: `ok`, or what the planner had to do to get here: `repaired` (a second turn), `fallback` (no usable
            reply, so it waits a step, or goes on with its plan when interrupted).
    """

    plan: Plan | Resume | None = None
    messages: tuple[Message, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    calls: tuple[ModelCall, ...] = ()
    status: str = "ok"


class Notice(msgspec.Struct, frozen=True):
    """What a monitor tells the agents of a plan that will fail, so that they can replan before anything is lost.

    Attributes:
        monitor: Who says so.
        task: The task that will fail.
        constraint: The first constraint that will not be met: `dependency`, `participation`, `spatial`, `temporal`.
        have, need: Participants the group will bring together, and the number it takes.
        who: The agents committed to the task.
        when: Environment step up to which this was foreseen.
        groups: Every group that fails now and could do better, task -> agents; with no agents, tasks with too few
            hands that they could do instead; under `NO_TASK` agents that other groups do not need. The same for all
            recipients of one repair round, so that they can work out the same way out.
        facts: Key -> fact: what the recipients have to know of these tasks and of each other. They knew it together;
            now each of them does.
    """

    monitor: str
    task: str
    constraint: str
    have: int
    need: int
    who: tuple[int, ...]
    when: int
    groups: dict[str, tuple[int, ...]] = {}
    facts: dict[str, Fact] = {}


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
        notices: What monitors told it since its last decision.
        observation: The agent's own observation from the environment, for planners with `observes = True`, else None.
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
    notices: Sequence[Notice] = ()
    observation: Any = None


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
        topology, role: Name of the topology and the seat's role in it (`leader`, `follower`, `peer`; in a tree also
            `manager`: somebody's follower who leads others).
        leader: Who directs this seat, its own index if it leads everybody, -1 if nobody does.
        reports: Whom this seat directs.
        budgets: Limits in force.
        max_steps: Horizon.
        rules: The rules of the world in words.
        models: Access to language models.
        keep_text: Whether prompts are to be kept in the trace.
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
    reports: Sequence[int] = ()
    max_steps: int = 0
    rules: str = ""
    models: SeatModels | None = None
    keep_text: bool = False


@runtime_checkable
class Planner(Protocol):
    """Anything that thinks for one seat. One instance per seat.

    A planner whose `decide` never waits for anything may set `immediate = True`; it is then called directly. One that
    needs its agent's observation from the environment sets `observes = True`, one that calls language models
    `uses_models = True`.
    """

    def reset(self, setup: SeatSetup) -> None:
        """Prepare for an episode."""

    async def decide(self, context: PlanningContext) -> Decision:
        """Answer with a plan, with `RESUME`, or with messages only."""


__all__ = [
    "EVERYONE",
    "NO_TASK",
    "PRIMITIVE",
    "RESUME",
    "WORK_KINDS",
    "ActionCall",
    "Decision",
    "Fact",
    "Message",
    "ModelCall",
    "Notice",
    "Outcome",
    "Plan",
    "Planner",
    "PlanningContext",
    "Privileged",
    "Reaction",
    "Resume",
    "SeatSetup",
]
