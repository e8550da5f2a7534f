"""Checks what a planner answered, before anything of it takes effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from emcoop.cognitive_layer.plan import EVERYONE, Decision, Fact, Label, Message, MessageKind, Plan, Reaction, Resume
from emcoop.cognitive_layer.stages import R, Stage
from emcoop.envs.embodiment import ActionCall
from emcoop.errors import PlannerError

KINDS: tuple[str, ...] = get_args(MessageKind)
LABELS: tuple[str, ...] = get_args(Label)


def check_answer(agent: int, stage: Stage, answer: object) -> None:
    """Raise `PlannerError` unless an answer is a well-formed `Decision` that fits the stage the agent is in."""
    if not isinstance(answer, Decision):
        raise PlannerError(f"the planner of agent {agent} returned {type(answer).__name__}, not a Decision")
    for problem in _problems(stage, answer):
        raise PlannerError(f"the planner of agent {agent} {problem}")


def _problems(stage: Stage, answer: Decision) -> Iterator[str]:
    """Yield what is wrong with a decision, worst first."""
    plan: Any = answer.plan
    if isinstance(plan, Resume) and stage is R:
        yield "answered RESUME without a plan to resume; return a Plan, or None to go on reasoning"
    elif isinstance(plan, Plan):
        yield from _plan_problems(plan)
    elif plan is not None and not isinstance(plan, Resume):
        yield f"decided for {plan!r:.80}; Decision.plan is a Plan, RESUME or None"
    for name, values, kind in (("messages", answer.messages, Message), ("reactions", answer.reactions, Reaction)):
        if not isinstance(values, (tuple, list)) or not all(isinstance(value, kind) for value in values):
            yield f"gave {values!r:.80} as {name}; Decision.{name} is a tuple of {kind.__name__}"
            return
    for message in answer.messages:
        yield from _message_problems(message)
    for reaction in answer.reactions:
        if reaction.label not in LABELS:
            yield f"labelled a message {reaction.label!r}; labels are {', '.join(LABELS)}"
        if not _are_indices(reaction.to):
            yield f"rerouted a message to {reaction.to!r:.80}; give a tuple of agent indices"


def _plan_problems(plan: Plan) -> Iterator[str]:
    calls: Any = plan.calls
    task: Any = plan.task
    if not isinstance(calls, (tuple, list)) or not all(isinstance(call, ActionCall) for call in calls):
        yield f"committed a plan with {calls!r:.80} as calls; Plan.calls is a tuple of ActionCall"
    elif not calls:
        yield "committed a plan without calls; a plan has at least one, such as wait(1)"
    elif bad := [c for c in calls if not isinstance(c.concept, str) or not isinstance(c.args, dict)]:
        yield f"committed the call {bad[0]!r:.80}; a call has the name of a concept and a dict of arguments"
    if not isinstance(task, str) or not isinstance(plan.assumptions, dict):
        yield "committed a plan with a task that is no text, or assumptions that are no dict"


def _message_problems(message: Message) -> Iterator[str]:
    text: Any = message.text
    facts: Any = message.facts
    if message.recipients != EVERYONE and not _are_indices(message.recipients):
        yield f"sent a message to {message.recipients!r:.80}; recipients are a tuple of agent indices, or {EVERYONE!r}"
    if message.kind not in KINDS:
        yield f"sent a message of kind {message.kind!r}; kinds are {', '.join(KINDS)}"
    if not isinstance(text, str):
        yield f"sent a message with {text!r:.80} as text; give a str"
    if not isinstance(facts, dict) or not all(isinstance(k, str) and _is_fact(f) for k, f in facts.items()):
        yield f"sent a message with the facts {facts!r:.80}; give a dict of name -> Fact(value, step)"


def _is_fact(fact: object) -> bool:
    return isinstance(fact, Fact) and isinstance(fact.step, int)


def _are_indices(agents: object) -> bool:
    return isinstance(agents, (tuple, list)) and all(isinstance(i, int) and not isinstance(i, bool) for i in agents)
