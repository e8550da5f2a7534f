"""The decisions of a recorded episode, made again: plans, messages and how messages were handled."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from emcoop.cognitive_layer.plan import (
    RESUME,
    ActionCall,
    Decision,
    Fact,
    Message,
    ModelCall,
    Plan,
    PlanningContext,
    Reaction,
    Resume,
    SeatSetup,
)
from emcoop.cognitive_layer.stages import I, Stage
from emcoop.errors import ConfigError, PlannerError, TraceError
from emcoop.trace import Trace, read_trace, schema

FORCED = "forced"


class Recorded(msgspec.Struct, frozen=True):
    """One activation of a trace.

    Attributes:
        step: Environment step at which the planner was asked.
        stage: Stage the agent was in.
        decision: What it decided.
        is_forced: Whether it was made ready without a decision in time. Of one that came too late only the calls of a
            model behind it are in the trace; with them it comes too late again.
    """

    step: int
    stage: Stage
    decision: Decision
    is_forced: bool


class ReplayPlanner:
    """Repeat what the agent of the same seat decided in a recorded episode, model calls and their tokens included.

    Nobody is asked for anything. The run has to go as the recorded one did: other seats may have other planners as
    long as this agent is asked at the same steps.

    Args:
        trace: Path of the trace.
    """

    immediate = True

    def __init__(self, trace: str = "") -> None:
        self._path = trace

    def reset(self, setup: SeatSetup) -> None:
        """Read the seat's decisions.

        Raises:
            TraceError: The trace cannot be read, or does not hang together.
            ConfigError: It is of another team, or of one that knew what no agent may know.
        """
        if not isinstance(self._path, str) or not self._path:
            raise ConfigError(f"trace={self._path!r} does not fit: give the path of a trace, as replay:TRACE")
        self._seat = setup.seat
        team, privileged, recorded = _read(self._path, *_identity(self._path))
        if team != len(setup.names):
            raise ConfigError(f"{self._path} is of {team} agents: give --agents {team}, or a trace of this team")
        if privileged:
            raise ConfigError(
                f"{self._path} is of a team that saw what no agent may see, so its decisions are nobody's to repeat; "
                "emcoop replay checks its actions"
            )
        self._recorded = recorded[self._seat]
        self._next = 0

    async def decide(self, context: PlanningContext) -> Decision:
        """Return the next recorded decision.

        Raises:
            PlannerError: The agent was not asked then; the run departs from the recorded one.
        """
        recorded = self._due(context)
        if recorded is None:
            raise PlannerError(
                f"{self._where(context)}, but {self._path} has no more decisions of it; the run departs from the trace"
            )
        if (recorded.step, recorded.stage) != (context.step, context.stage):
            raise PlannerError(
                f"{self._where(context)}, but in {self._path} it is asked next at step {recorded.step} in stage "
                f"{recorded.stage.name}; the run departs from the trace"
            )
        self._next += 1
        self._check_handled(recorded.decision.reactions, context)
        return recorded.decision

    def _due(self, context: PlanningContext) -> Recorded | None:
        """Return the next activation, past those of earlier steps for which no planner was asked."""
        while self._next < len(self._recorded):
            recorded = self._recorded[self._next]
            if not recorded.is_forced or recorded.step >= context.step:
                return recorded
            self._next += 1
        return None

    def _check_handled(self, reactions: Sequence[Reaction], context: PlanningContext) -> None:
        shown = {message.id for message in context.unread}
        for reaction in reactions:
            if reaction.message not in shown:
                raise PlannerError(
                    f"{self._where(context)} without message {reaction.message}, which it handles in {self._path}; "
                    "the run departs from the trace"
                )

    def _where(self, context: PlanningContext) -> str:
        return f"agent {self._seat} is asked at step {context.step} in stage {context.stage.name}"


def _identity(path: str) -> tuple[int, int]:
    """Return what changes when a file is written anew."""
    try:
        about = os.stat(path)
    except OSError:
        return 0, 0  # reading it says what is wrong
    return about.st_mtime_ns, about.st_size


@lru_cache(maxsize=4)
def _read(path: str, changed: int, size: int) -> tuple[int, bool, list[list[Recorded]]]:
    """Read a trace once for all its seats; return team size, whether it is privileged, and `read_decisions`."""
    trace = read_trace(path)
    try:
        recorded = read_decisions(trace)
    except TraceError as error:
        raise TraceError(f"{path} does not hang together: {error}; the trace is damaged") from None
    return trace.episode.n_agents, trace.episode.privileged, recorded


def read_decisions(trace: Trace) -> list[list[Recorded]]:
    """Return every agent's activations in order; one that is cut off at the end of the trace is left out.

    Raises:
        TraceError: An activation refers to what is not in the trace.
    """
    step_of = {event.c: event.t for event in trace.of(schema.Round)}
    messages = {event.id: event for event in trace.of(schema.Message)}
    handled: dict[int, list[schema.Reaction]] = defaultdict(list)
    for reaction in trace.of(schema.Reaction):
        handled[reaction.activation].append(reaction)
    calls: dict[int, list[schema.LlmCall]] = defaultdict(list)
    for call in trace.of(schema.LlmCall):
        calls[call.activation].append(call)
    recorded: list[list[Recorded]] = [[] for _ in range(trace.episode.n_agents)]
    plans = _plans(trace)
    for event, stage in _with_stages(trace):
        if event.started not in step_of:
            raise TraceError(f"activation {event.id} started in round {event.started}, which is not there")
        if event.outcome == "plan" and event.id not in plans and not trace.complete:
            break
        is_forced = event.outcome == FORCED
        decision = Decision(
            (RESUME if stage is I else None) if is_forced else _plan(event, plans),
            _messages(event, messages, handled[event.id]),
            _reactions(handled[event.id]),
            tuple(_call(call) for call in calls[event.id]),
            event.status,
        )
        recorded[event.agent].append(Recorded(step_of[event.started], stage, decision, is_forced))
    return recorded


def _with_stages(trace: Trace) -> list[tuple[schema.Activation, Stage]]:
    """Return every activation with the stage its agent was in."""
    stages = [Stage.REASON.value] * trace.episode.n_agents
    found = []
    for event in trace.events:
        if isinstance(event, schema.Stage):
            for agent in event.agents:
                stages[agent] = event.after
        elif isinstance(event, schema.Activation):
            found.append((event, _stage(stages[event.agent], event)))
    return found


def _stage(letter: str, event: schema.Activation) -> Stage:
    try:
        return Stage(letter)
    except ValueError:
        raise TraceError(f"activation {event.id} is of an agent in stage {letter!r:.20}") from None


def _plans(trace: Trace) -> dict[int, schema.Plan]:
    """Return the plan that was committed by each activation: the next one of its agent."""
    found: dict[int, schema.Plan] = {}
    deciding: dict[int, int] = {}
    for event in trace.events:
        if isinstance(event, schema.Activation) and event.outcome == "plan":
            deciding[event.agent] = event.id
        elif isinstance(event, schema.Plan) and event.event == "commit" and event.agent in deciding:
            found[deciding.pop(event.agent)] = event
    return found


def _plan(event: schema.Activation, plans: Mapping[int, schema.Plan]) -> Plan | Resume | None:
    if event.outcome == "listen":
        return None
    if event.outcome == "resume":
        return RESUME
    if event.outcome != "plan" or event.id not in plans:
        raise TraceError(f"activation {event.id} has the outcome {event.outcome!r:.20}, and no plan follows it")
    plan = plans[event.id]
    calls = tuple(ActionCall(concept, args) for concept, args in plan.calls)
    return Plan(calls, plan.task, plan.assumptions)


def _messages(
    event: schema.Activation, messages: Mapping[int, schema.Message], handled: Sequence[schema.Reaction]
) -> tuple[Message, ...]:
    """Return what an activation said itself; rerouted messages come first and are sent again by the loop."""
    rerouted = sum(len(reaction.messages) for reaction in handled if reaction.label == "reroute")
    return tuple(_message(event, messages.get(number)) for number in event.messages[rerouted:])


def _message(event: schema.Activation, said: schema.Message | None) -> Message:
    if said is None or said.sender != event.agent:
        raise TraceError(f"activation {event.id} of agent {event.agent} sent a message that is not there")
    recipients = said.recipients if isinstance(said.recipients, str) else tuple(said.recipients)
    kind: Any = said.act
    return Message(recipients, kind, said.text, {key: Fact(value, step) for key, value, step in said.facts})


def _reactions(handled: Sequence[schema.Reaction]) -> tuple[Reaction, ...]:
    """Return the reactions that have to be stated: what is not listed counts as consumed."""
    found: list[Reaction] = []
    for reaction in handled:
        label: Any = reaction.label
        if label != "consume":
            found += [Reaction(message, label, tuple(reaction.to)) for message in reaction.messages]
    return tuple(found)


def _call(call: schema.LlmCall) -> ModelCall:
    prompt = tuple((role, text) for role, text in call.prompt)
    return ModelCall(
        call.model, call.request, call.reply, call.rung, call.status, call.prompt_tokens, call.completion_tokens, prompt
    )
