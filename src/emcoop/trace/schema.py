"""The trace format: every kind of event, its fields and their meaning.

A trace is JSON lines, one event a line, written as it happens. Each event carries `kind` (the tag below), `seq`
(its place in the log) and both clocks: `t`, the number of environment steps taken so far, and `c`, the number of
cognitive rounds so far. Agents are indices, messages, plans and activations are ids: nothing is nested twice.
Bulky kinds hold one columnar record per step: equally long lists, one entry per agent or task.

Fields left at their default are not written. What cannot repeat (wall time, host, platform) is not in here but in
the provenance side file. Changing a field's meaning bumps `SCHEMA`.
"""

from __future__ import annotations

from typing import Any, TypeAlias, Union, get_args

from emcoop.trace.event import EVERYONE, Event
from emcoop.trace.thinking import (
    Activation,
    Claim,
    LlmCall,
    Message,
    Monitor,
    Observation,
    Plan,
    Reaction,
    Round,
    Stage,
    Transport,
)

SCHEMA = "emcoop-trace-1"


class Run(Event):
    """First line: which schema, which code, which configuration.

    Attributes:
        schema: Format of this file; readers refuse what they do not know.
        emcoop: Version of the package that wrote it.
        config_hash: Hash of the `episode` record without its seed.
        suite: Name of the suite the episode belongs to, empty for a single run.
        suite_hash: SHA-256 of that suite.
    """

    schema: str
    emcoop: str
    config_hash: str
    suite: str = ""
    suite_hash: str = ""


class Episode(Event):
    """Everything needed to run the episode again.

    Attributes:
        env_id: Registered environment id.
        env_kwargs: Its keyword arguments beside `n_agents` and `max_steps`.
        n_agents: Team size; agents are indices 0 to n - 1.
        max_steps: Horizon in environment steps.
        seed: Episode seed.
        planners: One spec per agent, or one for all.
        topology: Name and options.
        permitted: Ordered pairs of agents that may write to each other, -1 where that changes as agents move.
        channel: Channel settings; empty = every message arrives next round.
        budgets: Limits that were in force.
        options: Options given to `reset` (an explicit board).
        monitors: Names and options of the monitors.
        thinking: How long decisions take, if they take more than one round: `rounds`, `tokens_per_round`,
            `tokens_per_step`.
        faults: What was to go wrong, one mapping per fault, defaults filled in; `fault` events tell what did.
        regime: `open` or `matched`.
        privileged: True if any planner or monitor used what the agents may not know.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    n_agents: int
    max_steps: int
    seed: int
    planners: list[dict[str, Any]]
    topology: dict[str, Any]
    permitted: int = -1
    channel: dict[str, Any] = {}
    budgets: dict[str, Any] = {}
    options: dict[str, Any] = {}
    monitors: list[dict[str, Any]] = []
    thinking: dict[str, Any] = {}
    faults: list[dict[str, Any]] = []
    regime: str = "open"
    privileged: bool = False


class Action(Event):
    """Calls that started or ended before this step, one entry per agent and change.

    Attributes:
        agents: Who.
        plans: Plan ids.
        calls: Index of the call in the plan.
        concepts: Concept of the call.
        outcomes: `start`, `done` or `failed:<reason>`.
    """

    agents: list[int]
    plans: list[int]
    calls: list[int]
    concepts: list[str]
    outcomes: list[str]


class Waiting(Event):
    """Who waits for company at a rendezvous, written when it changes; one entry per meeting point.

    Attributes:
        points: Meeting points (`rendezvous:<task>`, `wait_agents:<count>`).
        agents: Agents holding there.
        needs: How many have to be there.
    """

    points: list[str]
    agents: list[list[int]]
    needs: list[int]


class Constraint(Event):
    """Constraint counts of the step about to be taken, on (state before, joint action); one entry per task with
    at least one committed agent.

    Attributes:
        tasks: Task ids.
        required: Participants needed, `p`.
        committed: Agents committed to the task (participation).
        in_place: Agents that stand where the task needs them (spatial), committed or not.
        acting: Agents in place whose primitive is the one the task needs (temporal).
        dependency: 1 if the prerequisites hold (dependency), else 0.
        joint: Agents that are committed, in place and acting; 0 where the dependency does not hold.
        engaged: Committed agents that are in place or acting; an attempt is a run of steps with engaged > 0.
        success: 1 if this step achieved the task's effect.
        participants: Committed agents.
        inferred: How many of the committed were inferred from their primitive rather than declared.
    """

    tasks: list[str]
    required: list[int]
    committed: list[int]
    in_place: list[int]
    acting: list[int]
    dependency: list[int]
    joint: list[int]
    engaged: list[int]
    success: list[int]
    participants: list[list[int]]
    inferred: list[int]


class Task(Event):
    """Something happened to a task.

    Attributes:
        task: Task or object id.
        event: `delivered`, `stuck` and the like, as the environment names it.
        value: Points earned.
        agents: Who gets the credit.
        reason: Why, where that needs saying (`stuck`).
    """

    task: str
    event: str
    value: float = 0.0
    agents: list[int] = []
    reason: str = ""


class World(Event):
    """Positions and poses, delta-coded: only what changed since the last such record.

    Attributes:
        agents: Agents that moved.
        to: Their new `[row, col]`.
        objects: Environment-specific: object id -> new values.
    """

    agents: list[int] = []
    to: list[list[int]] = []
    objects: dict[str, list[int]] = {}


class Capability(Event):
    """An agent gained or lost an item or tool.

    Attributes:
        agent: Who.
        item: What.
        delta: Change of the amount.
        cause: `collect`, `craft`, `share`, `use`, `loot`.
    """

    agent: int
    item: str
    delta: int
    cause: str


class Fault(Event):
    """An injected fault takes effect: ground truth for detectors, never to be read by one.

    Attributes:
        fault: Kind of fault.
        agent: Whom it hits; of a message the sender.
        detail: Of a message: `message` (its id) and `recipients` (whose copies); `delay` in steps; `key`, `value` (as
            it will be read) and `true` (as sent) of a corrupted fact; `from` (who was addressed) where others got it.
            Of an agent: `until`, the first step at which it is over, -1 for the end of the episode.
    """

    fault: str
    agent: int = -1
    detail: dict[str, Any] = {}


class Step(Event):
    """One joint primitive step was taken; `t` is the step's number, counted from 1.

    Step 0 is written after reset, with no actions, so that replay can compare the initial state too.

    Attributes:
        actions: Joint action, one integer per agent.
        reward: Mean reward of the agents in this step.
        state_hash: Hash of the complete state after the step.
        configuration_hash: Hash of positions, poses and inventories only (for recurrence).
        progress: Progress potential after the step, in [0, 1].
        events: Events of the dynamics, agents as indices.
        intended: `[agent, primitive]` for every agent whose body did another primitive than its plan asked for, and the
            one that was asked for; empty unless a fault made that happen.
    """

    actions: list[int]
    reward: float
    state_hash: str
    configuration_hash: str
    progress: float
    events: list[dict[str, Any]] = []
    intended: list[tuple[int, int]] = []


class End(Event):
    """Last line.

    Attributes:
        status: `completed`, `agent_error` or `infra_error`.
        score: The environment's own score in [0, 1].
        raw_score: Its points.
        steps: Environment steps taken.
        terminated: True if the world ended the episode, False if the horizon did.
        counters: Messages sent, copies delivered, rendered, consumed, ...; they reconcile.
        error: What went wrong, for the error statuses.
        reference: Environment facts that metrics may need (lower bound on steps, ...).
    """

    status: str
    score: float
    raw_score: float
    steps: int
    terminated: bool
    counters: dict[str, int]
    error: str = ""
    reference: dict[str, float] = {}


AnyEvent: TypeAlias = Union[  # noqa: UP007
    Run, Episode, Round, Stage, Observation, Activation, LlmCall, Plan, Message, Transport, Reaction, Action, Waiting,
    Constraint, Task, World, Capability, Claim, Fault, Monitor, Step, End,
]  # fmt: skip

KINDS: dict[str, type[Event]] = {str(cls.__struct_config__.tag): cls for cls in get_args(AnyEvent)}

__all__ = [
    "EVERYONE",
    "KINDS",
    "SCHEMA",
    "Action",
    "Activation",
    "AnyEvent",
    "Capability",
    "Claim",
    "Constraint",
    "End",
    "Episode",
    "Event",
    "Fault",
    "LlmCall",
    "Message",
    "Monitor",
    "Observation",
    "Plan",
    "Reaction",
    "Round",
    "Run",
    "Stage",
    "Step",
    "Task",
    "Transport",
    "Waiting",
    "World",
]
