"""Events of the cognitive layer: who thought, planned, said and heard what."""

from __future__ import annotations

from typing import Any

from emcoop.trace.event import Event, Recipients


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
        cause: `commit`, `all_ready`, `done`, `failed`, `message`, `notice` (of a monitor), `resume`, `replan`,
            `forced`, `regroup`.
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
        outcome: `plan`, `resume`, `listen` (spoke or listened, no plan yet), `forced` (its budget ran
            out, or it stood still because of an injected fault: the team went on without its answer).
        status: `ok`, or what the planner had to do for an answer: `repaired` (a second turn), `fallback` (it got none
            and waits a step).
        messages: Ids of the messages it sent.
        tokens: Tokens the models it called took, prompt and reply.
        thinking: Environment steps the agent stands still for it, where thinking costs steps.
        repair: True if a monitor asked for it.
    """

    id: int
    agent: int
    started: int
    outcome: str
    status: str = "ok"
    messages: list[int] = []
    tokens: int = 0
    thinking: int = 0
    repair: bool = False


class LlmCall(Event, tag="llm_call"):
    """One call of a language model behind a decision.

    Attributes:
        activation: The decision.
        agent: Whose.
        attempt: Counted over the decision from 0: formats tried, then the repair turn.
        model: `provider/model`.
        request: SHA-256 of what was asked.
        reply: What came back, cut at 65,536 characters.
        rung: How the reply was held to its schema: `json_schema`, `json_object` or `text`.
        status: `ok`, or what was wrong with the reply: `empty`, `too_long`, `unparsed`, `invalid`.
        prompt_tokens, completion_tokens: As the provider counts them, 0 if it does not say.
        prompt: What was asked, `[role, text]` per turn, only when texts were asked to be kept.
    """

    activation: int
    agent: int
    attempt: int
    model: str
    request: str
    reply: str
    rung: str
    status: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt: list[tuple[str, str]] = []


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
        outcome: `delivered`; lost as `dropped`, `expired`, `muted`, `out_of_range`, `not_permitted`, `over_budget` or
            `no_such_agent`; or, beside that, what happened on the way: `delayed`, `corrupted`, `duplicated`.
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


class Monitor(Event):
    """A monitor asked for a repair or judged one, or agents ran out of a budget.

    Attributes:
        monitor: Which monitor; `budget` for an exhausted budget.
        agents: Whom it concerns: who is asked to think again, or whose budget is used up.
        event: `objection`, `solved` or `unsolved` (after the repair); `exhausted` for a budget.
        task, constraint: The task that will fail as planned, and the first constraint it misses.
        have, need: Participants the group will bring together, and the number it takes.
        who: Agents committed to the task.
        when: Environment step up to which this was foreseen.
        detail: What else it said.
    """

    monitor: str
    agents: list[int]
    event: str = "exhausted"
    task: str = ""
    constraint: str = ""
    have: int = 0
    need: int = 0
    who: list[int] = []
    when: int = 0
    detail: dict[str, Any] = {}
