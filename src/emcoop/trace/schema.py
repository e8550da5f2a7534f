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

import msgspec

SCHEMA = "emcoop-trace-1"

EVERYONE = "*"
"""Recipients of a broadcast: everyone the topology lets the sender reach."""

Recipients: TypeAlias = Union[list[int], str]  # noqa: UP007 - evaluated at run time by msgspec on Python 3.10


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag=str.lower):
    """What all events share.

    Attributes:
        seq: Place in the log, counted from 0.
        t: Environment steps taken before this event.
        c: Cognitive rounds started before or with this event.
    """

    seq: int = -1
    t: int = 0
    c: int = 0


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
        channel: Channel settings; empty = every message arrives next round.
        budgets: Limits that were in force.
        options: Options given to `reset` (an explicit board).
        regime: `open` or `matched`.
        privileged: True if any planner could see what its agent may not know.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    n_agents: int
    max_steps: int
    seed: int
    planners: list[dict[str, Any]]
    topology: dict[str, Any]
    channel: dict[str, Any] = {}
    budgets: dict[str, Any] = {}
    options: dict[str, Any] = {}
    regime: str = "open"
    privileged: bool = False


class Round(Event):
    """One cognitive round begins: how many agents are in each stage.

    Attributes:
        reason, wait, execute, interrupt: Number of agents per stage; they add up to the team.
    """

    reason: int = 0
    wait: int = 0
    execute: int = 0
    interrupt: int = 0


class Stage(Event):
    """A transition of one or more agents between stages.

    Attributes:
        agents: Who changed.
        before, after: `R` reason, `W` wait, `X` execute, `I` interrupt.
        cause: `commit`, `all_ready`, `done`, `failed`, `message`, `resume`, `replan`, `forced`, `regroup`.
    """

    agents: list[int]
    before: str
    after: str
    cause: str


class Observation(Event):
    """A text view a planner asked for.

    Attributes:
        agent: Whose view.
        digest: Hash of the text.
        text: The text itself, only when text was asked to be kept.
    """

    agent: int
    digest: str
    text: str = ""


class Activation(Event):
    """One decision of one agent: from the round its planner was asked to the round it took effect.

    Attributes:
        id: Counted over the episode.
        agent: Who decided.
        started: Cognitive round in which it was asked.
        outcome: `plan`, `resume`, `listen` (spoke or listened, no plan yet), `forced` (budget ran out).
        status: `ok`, or what was wrong with the planner's answer.
        messages: Ids of the messages it sent.
    """

    id: int
    agent: int
    started: int
    outcome: str
    status: str = "ok"
    messages: list[int] = []


class Plan(Event):
    """A plan was committed or ended.

    Attributes:
        id: Counted over the episode.
        agent: Whose plan.
        event: `commit` or `end`.
        task: Id of the task it serves, empty if none (commit only).
        calls: `[concept, arguments]` in order (commit only).
        assumptions: Facts the plan rests on (commit only).
        reason: Why it ended: `done`, `failed:<reason>`, `superseded` (replanned), `episode_end`.
        call: Index of the call at which it ended (end only).
    """

    id: int
    agent: int
    event: str
    task: str = ""
    calls: list[tuple[str, dict[str, Any]]] = []
    assumptions: dict[str, Any] = {}
    reason: str = ""
    call: int = -1


class Message(Event):
    """A message as sent; a broadcast is one record.

    Attributes:
        id: Counted over the episode.
        sender: Who sent it.
        recipients: Agent indices, or `*`.
        act: `request`, `inform`, `commit`, `ack`, `done` or `free`.
        text: Free text.
        facts: `[key, value, step observed]`.
        work: Whether work hangs on it being read (requests and commitments).
    """

    id: int
    sender: int
    recipients: Recipients
    act: str
    text: str = ""
    facts: list[tuple[str, Any, int]] = []
    work: bool = False


class Transport(Event):
    """What became of the copies of one message.

    Attributes:
        message: Message id.
        recipients: Whose copies.
        outcome: `delivered`, `delayed`, `dropped`, `expired`, `muted`, `not_permitted`, `over_budget`,
            `no_such_agent`.
        count: Number of copies.
    """

    message: int
    recipients: Recipients
    outcome: str
    count: int


class Reaction(Event):
    """How an agent's decision handled delivered messages.

    Attributes:
        agent: Who read.
        activation: The decision in whose context they were.
        label: `consume`, `wait`, `discard`, `reroute`, or `unread` (at the end of the episode).
        messages: Message ids.
        to: Whom they were rerouted to.
    """

    agent: int
    activation: int
    label: str
    messages: list[int]
    to: list[int] = []


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


class Claim(Event):
    """A checkable fact in a message and its truth, from the environment's own knowledge.

    Attributes:
        message: Message id.
        key, value: The fact.
        when: `sent`, or `read`: written once for all who handle the message in one step (their `Reaction` names them).
        true: Whether it holds at that moment.
    """

    message: int
    key: str
    value: Any
    when: str
    true: bool


class Fault(Event):
    """An injected fault: ground truth for detectors.

    Attributes:
        fault: Kind of fault.
        agent: Whom it hits, -1 for the channel.
        detail: Parameters.
    """

    fault: str
    agent: int = -1
    detail: dict[str, Any] = {}


class Monitor(Event):
    """A monitor opened a repair round, or an agent ran out of a budget.

    Attributes:
        monitor: Which monitor; `budget` for an exhausted budget.
        agents: Whom it concerns.
        detail: What it said.
    """

    monitor: str
    agents: list[int]
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
    """

    actions: list[int]
    reward: float
    state_hash: str
    configuration_hash: str
    progress: float
    events: list[dict[str, Any]] = []


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
    Run, Episode, Round, Stage, Observation, Activation, Plan, Message, Transport, Reaction, Action, Waiting,
    Constraint, Task, World, Capability, Claim, Fault, Monitor, Step, End,
]  # fmt: skip

KINDS: dict[str, type[Event]] = {cls.__name__.lower(): cls for cls in get_args(AnyEvent)}
