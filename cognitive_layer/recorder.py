"""Writes what happens in the cognitive layer into the trace, in columns where that keeps it small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from emcoop.cognitive_layer.latency import tokens_of
from emcoop.cognitive_layer.plan import WORK_KINDS, Decision, Message, ModelCall, Plan, Resume
from emcoop.cognitive_layer.stages import Stage
from emcoop.envs.embodiment import StepOutcome, TaskCount
from emcoop.trace import TraceWriter, schema

Transition = tuple[Stage, Stage, str]
"""Stage before, stage after, cause."""


class Recorder:
    """Stamps every event with both clocks and hands it to the writer.

    Args:
        writer: The trace; None records nothing (for trials in a clone).

    Attributes:
        t, c: The clocks.
    """

    def __init__(self, writer: TraceWriter | None) -> None:
        self._writer = writer
        self.t = 0
        self.c = 0
        self._transitions: list[tuple[Transition, list[int]]] = []
        self._group_of: dict[Transition, int] = {}
        self._last_group: dict[int, int] = {}
        self._calls: tuple[list[int], list[int], list[int], list[str], list[str]] = ([], [], [], [], [])
        self._waiting: list[tuple[str, list[int], int]] = []

    def emit(self, event: schema.Event) -> None:
        """Write one event now."""
        if self._writer is not None:
            event.t, event.c = self.t, self.c
            self._writer.write(event)

    def transition(self, agent: int, before: Stage, after: Stage, cause: str) -> None:
        """Note a change of stage; equal changes of one moment are written together.

        An agent that changes twice joins no group written before its last one, so that the records of each agent
        stay in order.
        """
        change = (before, after, cause)
        group = self._group_of.get(change, -1)
        if group <= self._last_group.get(agent, -1):
            group = self._group_of[change] = len(self._transitions)
            self._transitions.append((change, []))
        self._transitions[group][1].append(agent)
        self._last_group[agent] = group

    def flush_transitions(self) -> None:
        """Write the changes of stage noted so far."""
        for (before, after, cause), agents in self._transitions:
            self.emit(schema.Stage(agents=agents, before=before.value, after=after.value, cause=cause))
        self._transitions, self._group_of, self._last_group = [], {}, {}

    def call(self, agent: int, plan: int, call: int, concept: str, outcome: str) -> None:
        """Note that a call started or ended; written once per step."""
        for column, value in zip(self._calls, (agent, plan, call, concept, outcome)):
            column.append(value)  # type: ignore[attr-defined]

    def flush_calls(self, waiting: list[tuple[str, list[int], int]]) -> None:
        """Write the calls that started or ended before the coming step, and who waits for whom if it changed."""
        if self._calls[0]:
            agents, plans, calls, concepts, outcomes = self._calls
            self.emit(schema.Action(agents=agents, plans=plans, calls=calls, concepts=concepts, outcomes=outcomes))
            self._calls = ([], [], [], [], [])
        if waiting != self._waiting:
            points, agents_at, needs = zip(*waiting) if waiting else ((), (), ())
            self.emit(schema.Waiting(points=list(points), agents=list(agents_at), needs=list(needs)))
            self._waiting = waiting

    def decision(
        self, activation: int, agent: int, started: int, decision: Decision, sent: list[int], pause: int, repair: bool
    ) -> None:
        """Write a decision and the calls of models behind it."""
        plan = decision.plan
        self.emit(
            schema.Activation(
                id=activation,
                agent=agent,
                started=started,
                outcome="listen" if plan is None else "resume" if isinstance(plan, Resume) else "plan",
                status=decision.status,
                messages=sent,
                tokens=tokens_of(decision),
                thinking=pause,
                repair=repair,
            )
        )
        self._model_calls(activation, agent, decision.calls)

    def forced(self, activation: int, agent: int, late: Decision | None, repair: bool) -> None:
        """Write that an agent was made ready without a decision, and what one took that came too late."""
        late = late or Decision()
        self.emit(
            schema.Activation(
                id=activation,
                agent=agent,
                started=self.c,
                outcome="forced",
                status=late.status,
                tokens=tokens_of(late),
                repair=repair,
            )
        )
        self._model_calls(activation, agent, late.calls)

    def _model_calls(self, activation: int, agent: int, calls: Sequence[ModelCall]) -> None:
        for attempt, call in enumerate(calls):
            self.emit(
                schema.LlmCall(
                    activation=activation,
                    agent=agent,
                    attempt=attempt,
                    model=call.model,
                    request=call.request,
                    reply=call.reply,
                    rung=call.rung,
                    status=call.status,
                    prompt_tokens=call.prompt_tokens,
                    completion_tokens=call.completion_tokens,
                    prompt=list(call.prompt),
                )
            )

    def plan_commit(self, agent: int, plan_id: int, plan: Plan) -> None:
        """Write a committed plan."""
        calls = [(call.concept, call.args) for call in plan.calls]
        self.emit(
            schema.Plan(
                id=plan_id, agent=agent, event="commit", task=plan.task, calls=calls, assumptions=plan.assumptions
            )
        )

    def plan_end(self, agent: int, plan_id: int, reason: str, call: int) -> None:
        """Write the end of a plan."""
        self.emit(schema.Plan(id=plan_id, agent=agent, event="end", reason=reason, call=call))

    def message(self, message: Message) -> None:
        """Write a message as sent."""
        recipients = message.recipients if isinstance(message.recipients, str) else list(message.recipients)
        self.emit(
            schema.Message(
                id=message.id,
                sender=message.sender,
                recipients=recipients,
                act=message.kind,
                text=message.text,
                facts=[(key, fact.value, fact.step) for key, fact in message.facts.items()],
                work=message.kind in WORK_KINDS,
            )
        )

    def constraint(self, counts: Sequence[TaskCount], achieved: frozenset[str]) -> None:
        """Write the constraint counts of the step just taken, if anybody was committed to anything."""
        if not counts:
            return
        columns: dict[str, Any] = {name: [] for name in _COLUMNS}
        for count in counts:
            for name, column in columns.items():
                column.append(getattr(count, name))
        tasks = [count.task for count in counts]
        success = [int(task in achieved) for task in tasks]
        self.emit(schema.Constraint(tasks=tasks, success=success, **columns))

    def world(self, outcome: StepOutcome) -> None:
        """Write what moved, which tasks ended, and who gained or lost what."""
        if outcome.moved or outcome.objects:
            self.emit(schema.World(agents=outcome.moved, to=outcome.positions, objects=outcome.objects))
        for task, event, value, agents, reason in outcome.finished:
            self.emit(schema.Task(task=task, event=event, value=value, agents=agents, reason=reason))
        for agent, item, delta, cause in outcome.capabilities:
            self.emit(schema.Capability(agent=agent, item=item, delta=delta, cause=cause))


_COLUMNS = tuple(f.name for f in msgspec.structs.fields(TaskCount) if f.name != "task")
