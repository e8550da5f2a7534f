"""Checks what a planner answered, before anything of it takes effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from emcoop.cognitive_layer.plan import (
    EVERYONE,
    Decision,
    Fact,
    Label,
    Message,
    MessageKind,
    ModelCall,
    Plan,
    Reaction,
    Resume,
)
from emcoop.cognitive_layer.stages import R, Stage
from emcoop.envs.embodiment import ActionCall
from emcoop.errors import PlannerError

KINDS: tuple[str, ...] = get_args(MessageKind)
LABELS: tuple[str, ...] = get_args(Label)
STATUSES = ("ok", "repaired", "fallback")
MOST_DEPTH = 32
"""Lists and dicts within lists and dicts in what a plan or a message holds."""


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
    parts = (
        ("messages", answer.messages, Message),
        ("reactions", answer.reactions, Reaction),
        ("calls", answer.calls, ModelCall),
    )
    for name, values, kind in parts:
        if not isinstance(values, (tuple, list)) or not all(isinstance(value, kind) for value in values):
            yield f"gave {values!r:.80} as {name}; Decision.{name} is a tuple of {kind.__name__}"
            return
    for message in answer.messages:
        yield from _message_problems(message)
    for reaction in answer.reactions:
        number: Any = reaction.message
        if not isinstance(number, int):
            yield f"reacted to message {number!r:.80}; give the id of a message"
        if reaction.label not in LABELS:
            yield f"labelled a message {reaction.label!r}; labels are {', '.join(LABELS)}"
        if not _are_indices(reaction.to):
            yield f"rerouted a message to {reaction.to!r:.80}; give a tuple of agent indices"
    for call in answer.calls:
        if not all(type(count) is int and count >= 0 for count in (call.prompt_tokens, call.completion_tokens)):
            yield "counted the tokens of a model call wrong; give whole numbers >= 0"
        if not all(isinstance(said, str) for said in (call.model, call.request, call.reply, call.rung, call.status)):
            yield f"described a model call by {call!r:.80}; model, request, reply, rung and status are texts"
    if answer.status not in STATUSES:
        yield f"gave {answer.status!r:.80} as status; Decision.status is one of {', '.join(STATUSES)}"


def _plan_problems(plan: Plan) -> Iterator[str]:
    calls: Any = plan.calls
    task: Any = plan.task
    if not isinstance(calls, (tuple, list)) or not all(isinstance(call, ActionCall) for call in calls):
        yield f"committed a plan with {calls!r:.80} as calls; Plan.calls is a tuple of ActionCall"
    elif not calls:
        yield "committed a plan without calls; a plan has at least one, such as wait(1)"
    elif bad := [c for c in calls if not isinstance(c.concept, str) or not _is_named(c.args)]:
        yield f"committed the call {bad[0]!r:.80}; a call has the name of a concept and a dict of arguments"
    elif any(is_deep(call.args) for call in calls) or is_deep(plan.assumptions):
        yield f"committed a plan with data nested deeper than {MOST_DEPTH} levels"
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
    if not _is_named(facts) or not all(map(_is_fact, facts.values())):
        yield f"sent a message with the facts {facts!r:.80}; give a dict of name -> Fact(value, step)"
    elif any(is_deep(fact.value) for fact in facts.values()):
        yield f"sent a message with a fact nested deeper than {MOST_DEPTH} levels"


def _is_fact(fact: object) -> bool:
    return isinstance(fact, Fact) and isinstance(fact.step, int) and not isinstance(fact.step, bool)


def _is_named(values: object) -> bool:
    return isinstance(values, dict) and all(isinstance(name, str) for name in values)


def is_deep(value: object, levels: int = MOST_DEPTH) -> bool:
    """Say whether data is nested deeper than some levels, so that not everybody could read it."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(levels == 0 or is_deep(v, levels - 1) for v in inside if isinstance(v, (dict, list, tuple)))


def _are_indices(agents: object) -> bool:
    return isinstance(agents, (tuple, list)) and all(isinstance(i, int) and not isinstance(i, bool) for i in agents)
