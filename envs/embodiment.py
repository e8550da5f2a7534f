"""The contract between a world and the cognitive layer: what a body can do, see and be asked to do.

An environment joins the benchmark by providing a ParallelEnv and an `Embodiment` for it. Nothing above `envs`
knows which environment runs; everything it needs is named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np

NO_TASK = ""
FAR = 10**6
"""Travel estimate for an agent of which nothing is known."""
NEVER = 10**9
"""Travel estimate for an agent that cannot take part in a task, wherever it is."""


class ActionCall(msgspec.Struct, frozen=True):
    """One call of an action concept: `push(block=3, face="left", steps=4)`.

    Attributes:
        concept: Name of the concept.
        args: Its arguments by name; plain JSON values.
    """

    concept: str
    args: dict[str, Any] = {}


@dataclass(frozen=True)
class Argument:
    """One argument of a concept.

    Attributes:
        schema: JSON Schema of the value.
        description: What it means, with its unit.
        default: Value when left out; `...` if it is required.
    """

    schema: Mapping[str, Any]
    description: str
    default: Any = ...


@dataclass(frozen=True)
class Concept:
    """An action concept: what plans are made of.

    Attributes:
        name: What a plan calls it.
        description: One sentence: when it ends well, and the typed reasons for which it fails.
        arguments: Its arguments by name.
    """

    name: str
    description: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the argument object."""
        return {
            "type": "object",
            "properties": {
                name: {**arg.schema, "description": arg.description} for name, arg in self.arguments.items()
            },
            "required": [name for name, arg in self.arguments.items() if arg.default is ...],
            "additionalProperties": False,
        }


class Running:
    """Type of `RUNNING`, the status of a call that goes on."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "RUNNING"


class Done:
    """Type of `DONE`, the status of a call that ended well."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "DONE"


@dataclass(frozen=True)
class Failed:
    """Status of a call that ended badly.

    Attributes:
        reason: Typed reason, one word with underscores.
        detail: Numbers behind it (`{"have": 1, "need": 2}`).
    """

    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)


RUNNING, DONE = Running(), Done()
Status = Running | Done | Failed


class Controller(Protocol):
    """Turns one `ActionCall` of one agent into primitives, from what that agent knows."""

    def status(self) -> Status:
        """Say on the state as it is now whether the call goes on; called once before every step."""

    def act(self) -> int:
        """Return the primitive action for the coming step; called only while `RUNNING`."""


class TaskView(msgspec.Struct, frozen=True):
    """A task as one agent sees it.

    Attributes:
        id: Name used in plans and messages.
        required: Participants needed, `p`.
        value: Points its completion earns.
        remaining: Steps of work left: what it takes once everyone is in place, and what this agent has to prepare.
        available: Whether its prerequisites hold, as far as the agent can see.
        in_place: Visible agents that stand where the task needs them.
    """

    id: str
    required: int
    value: float
    remaining: int
    available: bool
    in_place: int


class View(Protocol):
    """What one agent may know now; all that planners get of the world.

    Attributes:
        me: Own index.
        step: Environment steps taken.
        n_agents: Team size.
    """

    me: int
    step: int
    n_agents: int

    def tasks(self) -> Sequence[TaskView]:
        """Return the open tasks this agent knows of, in a fixed order."""

    def task(self, task: str) -> TaskView | None:
        """Return a task by its id, None if this agent does not know it, or it is over; it need not be in `tasks`."""

    def about(self, task: str) -> Mapping[str, Any]:
        """Return the facts somebody else has to know in order to take part in a task."""

    def premises(self, task: str) -> Mapping[str, Any]:
        """Return the facts that a plan for a task rests on for as long as it is carried out, if there are any."""

    def observed(self, key: str) -> tuple[Any, int] | None:
        """Return what this agent has seen itself of a fact, and the step at which it did; None if it never has."""

    def travel(self, task: str, agents: Sequence[int]) -> Sequence[int]:
        """Estimate for each agent the steps until it is in place; `FAR` if it cannot be seen, `NEVER` if of no use."""

    def recipe(self, task: str, count: int) -> tuple[ActionCall, ...]:
        """Return calls that carry out a task together with `count - 1` others who do the same."""

    def idle(self, brief: bool = False) -> tuple[ActionCall, ...]:
        """Return calls that keep an agent without a task out of the others' way; `brief` ones free it again sooner."""

    def sample(self, draw: Callable[[], float]) -> ActionCall:
        """Return a random valid call; `draw` gives uniform numbers in [0, 1)."""

    def problem(self, calls: Sequence[ActionCall]) -> str:
        """Say why a plan cannot be carried out as far as this agent knows, naming the call; empty if nothing is known.

        Args:
            calls: The plan; concepts and arguments fit their schemas.
        """

    def news(self, most: int) -> Mapping[str, Any]:
        """Return facts worth telling the others, those about itself and the oldest discoveries not told yet.

        Args:
            most: Discoveries to tell at most; what is returned counts as told.
        """

    def text(self) -> str:
        """Describe the view in words, for planners that read."""


class TaskCount(msgspec.Struct):
    """Constraint counts of one task on (state, joint action); fields as in the trace's `constraint` record."""

    task: str
    required: int
    committed: int
    in_place: int
    acting: int
    dependency: int
    joint: int
    engaged: int
    inferred: int
    participants: list[int]


class StepOutcome(msgspec.Struct):
    """What a joint step did.

    Attributes:
        reward: Mean reward of the agents.
        terminated, truncated: Whether and how the episode ended.
        events: Events of the dynamics, agents as indices.
        achieved: Tasks of which this step achieved the effect.
        finished: `(task or object id, event, points, agents, reason)` of tasks that ended.
        moved: Agents whose position changed.
        positions: Their new `[row, col]`.
        objects: Changed objects, id -> values.
        observations, rewards, infos: What the ParallelEnv returned, by agent name.
        capabilities: `(agent, item, delta, cause)` of what agents gained and lost; empty in a world without items.
    """

    reward: float
    terminated: bool
    truncated: bool
    events: list[dict[str, Any]]
    achieved: frozenset[str]
    finished: list[tuple[str, str, float, list[int], str]]
    moved: list[int]
    positions: list[list[int]]
    objects: dict[str, list[int]]
    observations: dict[str, Any]
    rewards: dict[str, float]
    infos: dict[str, dict[str, Any]]
    capabilities: list[tuple[int, str, int, str]] = []


class MeetingPoints:
    """Who waits for whom: agents holding the same point are released together, in the same step.

    Every controller that waits calls `hold` in its `status`; when all statuses are in, `release` decides. What an
    agent does next therefore never depends on the order in which agents are processed.
    """

    def __init__(self) -> None:
        self._holds: dict[str, dict[int, int]] = {}
        self._released: set[int] = set()

    def hold(self, point: str, agent: int, need: int) -> bool:
        """Join a meeting point and say whether the agent has been released from it.

        Args:
            point: Name of the point.
            agent: Who waits.
            need: How many have to be there, in this agent's opinion.
        """
        if agent in self._released:
            self._released.discard(agent)
            return True
        self._holds.setdefault(point, {})[agent] = need
        return False

    def leave(self, point: str, agent: int) -> None:
        """Stop waiting at a point."""
        self._holds.get(point, {}).pop(agent, None)

    def release(self) -> list[int]:
        """Release every agent whose point has as many waiting as it needs; return them in order."""
        free = [agent for held in self._holds.values() for agent, need in held.items() if len(held) >= need]
        self._released.update(free)
        for held in self._holds.values():
            for agent in free:
                held.pop(agent, None)
        return sorted(free)

    def begin_step(self) -> None:
        """Forget last step's holds; who still waits will say so again."""
        self._holds.clear()
        self._released.clear()

    def waiting(self) -> list[tuple[str, list[int], int]]:
        """Return `(point, agents, need)` of all points where somebody waits."""
        return [(point, sorted(held), max(held.values())) for point, held in sorted(self._holds.items()) if held]


@runtime_checkable
class Embodiment(Protocol):
    """A world as the cognitive layer uses it. One episode at a time.

    One further method is optional, for the injected fault `hide_observation`: `blindfold(agents)` is called before a
    step; until it is called again, these agents, and no others, learn nothing by their own eyes. They keep the picture
    they have, feel what happens to their own bodies, and still learn what they are told and what is public.

    Attributes:
        env: The ParallelEnv.
        n_agents: Team size.
        max_steps: Horizon.
        concepts: Action concepts by name.
        noop: Primitive that does nothing.
        meetings: The meeting points of its controllers.
    """

    env: Any
    n_agents: int
    max_steps: int
    concepts: Mapping[str, Concept]
    noop: int
    meetings: MeetingPoints

    @property
    def rules(self) -> str:
        """The rules of this instance in words, with its numbers; nothing that an agent may not know."""

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> StepOutcome:
        """Start an episode; the outcome lists all positions and objects, and no reward."""

    def view(self, agent: int, everything: bool = False) -> View:
        """Return what this agent may know now, or everything (for privileged planners only)."""

    def reveal(self, agent: int) -> None:
        """Let an agent's own body know everything from now on: its planner does too."""

    def learn(self, agents: Sequence[int], facts: Mapping[str, Any]) -> None:
        """Let agents know what a message told them; facts about nothing the world knows of are left alone.

        Args:
            agents: Who got the message.
            facts: Key -> fact with `value` and `step`, the step it was observed at. It may be wrong.
        """

    def primitive(self, action: Any) -> int:
        """Return an action of the action space as the integer that traces record and `step` takes."""

    def controller(self, agent: int, call: ActionCall) -> Controller | Failed:
        """Return a controller for a call, or why there is none (`unknown_concept`, `invalid_argument`)."""

    def task_of(self, call: ActionCall) -> str:
        """Return the task a call is part of, `NO_TASK` if it names none."""

    def count(self, actions: Sequence[int], committed: Sequence[str]) -> list[TaskCount]:
        """Evaluate the constraints on the state as it is and this joint action.

        Args:
            actions: Primitive per agent.
            committed: Task each agent has declared, or `NO_TASK`; then it is inferred from the primitive.

        Returns:
            One entry per task with at least one committed agent, in a fixed order.
        """

    def step(self, actions: Sequence[int]) -> StepOutcome:
        """Take one joint primitive step."""

    def progress(self) -> float:
        """Return the progress potential in [0, 1]."""

    def scores(self) -> tuple[float, float]:
        """Return score in [0, 1] and points."""

    def state_hash(self) -> str:
        """Return the hash of the complete state."""

    def configuration_hash(self) -> str:
        """Return the hash of positions, poses and inventories only."""

    def reference(self) -> dict[str, float]:
        """Return facts about the episode's start that metrics may use (such as a lower bound on steps)."""

    def check_fact(self, key: str, value: Any) -> bool | None:
        """Say whether a fact is true now; None if it cannot be checked."""

    def clone(self) -> Embodiment:
        """Return an independent copy in the same state."""

    def imagine(self, agents: Sequence[int] | None, salt: int) -> Embodiment:
        """Return a world of its own that holds only what some agents know together, and lets all of them know it.

        It goes on by the real dynamics with a random stream of its own, never the episode's. What they do not know is
        plain ground; agents and objects they do not know of are not there, though all indices stay the same. Two true
        worlds that differ only in what these agents do not know give imagined worlds with the same state hash.

        Args:
            agents: One or more agents that know what they know; None for everything there is.
            salt: Seed of the random stream; derive it from public things such as the step.
        """


def fill_arguments(concept: Concept, args: Mapping[str, Any]) -> dict[str, Any] | Failed:
    """Check arguments against a concept and fill in defaults.

    Returns:
        All arguments, or `Failed("invalid_argument")` with what was wrong.
    """
    unknown = set(args) - set(concept.arguments)
    if unknown:
        return _invalid(concept, sorted(unknown)[0], "is not an argument")
    full = {}
    for name, argument in concept.arguments.items():
        value = args.get(name, argument.default)
        if value is ...:
            return _invalid(concept, name, "is missing")
        is_default = value is None and argument.default is None
        if name in args and not is_default and not _matches(value, argument.schema):
            return _invalid(concept, name, f"has a value that does not fit {dict(argument.schema)}")
        full[name] = value
    return full


def _invalid(concept: Concept, name: str, problem: str) -> Failed:
    return Failed("invalid_argument", {"concept": concept.name, "argument": name, "problem": problem})


def _matches(value: Any, schema: Mapping[str, Any]) -> bool:
    """Check the few JSON Schema words that concepts use."""
    if "anyOf" in schema:
        return any(_matches(value, option) for option in schema["anyOf"])
    if "enum" in schema:
        return isinstance(value, str) and value in schema["enum"]
    if schema["type"] == "integer":
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return whole and schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return (
        isinstance(value, (list, tuple))
        and schema["minItems"] <= len(value) <= schema["maxItems"]
        and all(_matches(item, schema["items"]) for item in value)
    )
