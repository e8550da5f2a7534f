"""From a reply's JSON object to an answer that fits the world, or a sentence that says what does not fit."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from emcoop.cognitive_layer.answers import KINDS, MOST_DEPTH, is_deep
from emcoop.cognitive_layer.plan import EVERYONE
from emcoop.cognitive_layer.planners.allocation import NOTHING
from emcoop.cognitive_layer.planners.llm import words
from emcoop.cognitive_layer.planners.llm.extract import BadReply
from emcoop.cognitive_layer.planners.llm.notebook import MOST_NOTE, MOST_TEXT, heard_of
from emcoop.cognitive_layer.planners.llm.schema import DO_TASK, IDLE, MOST_CALLS, MOST_FACTS, MOST_MESSAGES
from emcoop.envs.embodiment import NO_TASK, ActionCall, Concept, Failed, View, fill_arguments
from emcoop.errors import unknown_name

MOST_THOUGHT, MOST_PROBLEM = 500, 300
MOST_KEY, MOST_FACT = 64, 200
"""Characters of a fact's name and of its value as JSON."""


@dataclass(frozen=True)
class Frame:
    """What a reply is checked against.

    Attributes:
        concepts: What plans may be written with.
        extras: Those of them that stand for the view's own calls.
        view: What the agent knows.
        decisions: What can be decided.
        listeners: Whom it may write to.
        messages_left, chars_left: What it may still say before this step, None = no limit.
    """

    concepts: Mapping[str, Concept]
    extras: frozenset[str]
    view: View
    decisions: Sequence[str]
    listeners: Sequence[int]
    messages_left: int | None = None
    chars_left: int | None = None


@dataclass(frozen=True)
class Said:
    """A message as the model wants it.

    Attributes:
        to: Agent indices, or `EVERYONE`.
        kind, text: As in `Message`.
        task: The task it is about, `NO_TASK` if none.
        facts: What it states.
    """

    to: tuple[int, ...] | str
    kind: Any
    text: str
    task: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """A reply that fits the world.

    Attributes:
        decision: `plan`, `resume` or `talk`.
        task: Task of the plan.
        calls: Its calls, ready to be carried out.
        thought, note: The model's own words.
        said: Messages.
    """

    decision: str
    task: str = NO_TASK
    calls: tuple[ActionCall, ...] = ()
    thought: str = ""
    note: str = ""
    said: tuple[Said, ...] = ()


def read_answer(data: Mapping[str, Any], frame: Frame, lenient: bool) -> Answer:
    """Check a reply and turn it into an answer.

    Forgiven: what is missing but has an obvious value, calls with their arguments beside the concept or under `args`,
    whole numbers written as `3.0`, further properties.

    Args:
        data: The reply's object.
        frame: What it is checked against.
        lenient: Whether what can be left out without harm is (messages that do not fit, a task that only labels the
            plan) instead of losing the whole answer.

    Raises:
        BadReply: It does not fit; the sentence says what was got and what is allowed.
    """
    decision = _decision(data, frame)
    task = _task(data.get("task"), frame.view, "task", lenient)
    calls: tuple[ActionCall, ...] = ()
    if decision == "plan":
        written = _calls(data.get("plan"), task, frame)
        named = [call.args["task"] for call in written if call.concept == DO_TASK and DO_TASK in frame.extras]
        task = task or (named[0] if named else NO_TASK)
        calls = tuple(ready for call in written for ready in _expand(call, frame))
        own = [call for call in written if call.concept not in frame.extras]
        if own and (problem := frame.view.problem(calls)):
            raise _bad(f"{words.clip(problem, MOST_PROBLEM)}; give another plan")
    said = tuple(_messages(data.get("messages"), frame, lenient))
    return Answer(
        decision, task, calls, _words(data.get("thought"), MOST_THOUGHT), _words(data.get("note"), MOST_NOTE), said
    )


def read_choice(data: Mapping[str, Any], options: Sequence[str]) -> str:
    """Return the choice of a reply that only chooses; the beginning of a name will do if no other begins so.

    Raises:
        BadReply: The choice is none of the options.
    """
    choice = data.get("choice", data.get("task"))
    begun = [option for option in options if isinstance(choice, str) and choice and option.startswith(choice)]
    if choice not in options and len(begun) == 1:
        return begun[0]
    if not isinstance(choice, str) or choice not in options:
        raise BadReply("invalid", f'"choice" is {_shown(choice)}; choose one of {", ".join(options)}')
    return choice


def find_choice(text: str, options: Sequence[str]) -> str | None:
    """Return the only option that a reply without an object names, None if it names none or several."""
    named = [option for option in options if option in text]
    longest = [option for option in named if not any(option != other and option in other for other in named)]
    return longest[0] if len(longest) == 1 else None


def _bad(sentence: str) -> BadReply:
    return BadReply("invalid", sentence)


def _shown(value: Any) -> str:
    """Return a value of the model's own as it wrote it, cut."""
    return words.clip(words.clean(msgspec.json.encode(value).decode()), 80)


def _words(value: Any, most: int) -> str:
    return words.clip(value, most) if isinstance(value, str) else ""


def _decision(data: Mapping[str, Any], frame: Frame) -> str:
    decision = data.get("decision")
    if decision is None:
        decision = "plan" if data.get("plan") or data.get("task") else "talk" if data.get("messages") else None
    if not isinstance(decision, str) or decision not in frame.decisions:
        raise _bad(f'"decision" is {_shown(decision)}; now it can be {" or ".join(frame.decisions)}')
    return decision


def _task(given: Any, view: View, where: str, lenient: bool) -> str:
    if given is None or given in ("", NOTHING):
        return NO_TASK
    if isinstance(given, str) and heard_of(view, given):
        return given
    if lenient:
        return NO_TASK
    raise _bad(f'"{where}" is {_shown(given)}, which is no task you know: {_known(view, given)}')


def _known(view: View, given: Any) -> str:
    known = [task.id for task in view.tasks()]
    near = (
        difflib.get_close_matches(given, known, n=1, cutoff=0.4) if isinstance(given, str) and len(given) < 64 else []
    )
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{', '.join(known[: words.MOST_LISTED]) or 'there is none now'}{hint}"


# Plans --------------------------------------------------------------------------------------------------------------


def _calls(given: Any, task: str, frame: Frame) -> list[ActionCall]:
    entries = [given] if isinstance(given, Mapping) else given
    if not entries and task and DO_TASK in frame.extras:
        return [ActionCall(DO_TASK, {"task": task})]
    if not isinstance(entries, list) or not entries:
        raise _bad(
            f'"plan" is {_shown(given)}; give 1 to {MOST_CALLS} calls, such as {{"concept": "wait", "steps": 1}}'
        )
    if len(entries) > MOST_CALLS:
        raise _bad(f'"plan" has {len(entries)} calls; give at most {MOST_CALLS}')
    return [_call(entry, k, task, frame) for k, entry in enumerate(entries, 1)]


def _call(entry: Any, k: int, task: str, frame: Frame) -> ActionCall:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("concept"), str):
        raise _bad(f'call {k} of the plan is {_shown(entry)}; a call is an object with "concept" and its arguments')
    name, inner = entry["concept"], entry.get("args")
    concept = frame.concepts.get(name)
    if concept is None:
        raise _bad(f"call {k} of the plan: {unknown_name('concept', words.clip(name, 40), frame.concepts)}")
    beside = {key: value for key, value in entry.items() if key not in ("concept", "args")}
    args = {**beside, **inner} if isinstance(inner, Mapping) else beside
    args = {key: _whole(value) for key, value in args.items() if value is not None}
    if name == DO_TASK and name in frame.extras:
        return _do_task(args, k, task, frame)
    full = fill_arguments(concept, args)
    if isinstance(full, Failed):
        detail = full.detail
        raise _bad(f"call {k} of the plan, {words.signature(concept)}: {detail['argument']!r:.60} {detail['problem']}")
    return ActionCall(name, args)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e9 else value


def _do_task(args: dict[str, Any], k: int, task: str, frame: Frame) -> ActionCall:
    named = _task(args.get("task", task), frame.view, "task", False)
    if not named:
        raise _bad(f'call {k} of the plan, do_task, names no task; give "task": one of {_known(frame.view, None)}')
    most, count = frame.view.n_agents, args.get("agents")
    if count is not None and not (type(count) is int and 1 <= count <= most):
        raise _bad(
            f'call {k} of the plan, do_task: "agents" is {_shown(count)}; give a number from 1 to {most}, or null'
        )
    return ActionCall(DO_TASK, {"task": named, "agents": count})


def _expand(call: ActionCall, frame: Frame) -> Sequence[ActionCall]:
    """Put the view's own calls in the place of a call that stands for them."""
    if call.concept not in frame.extras:
        return (call,)
    if call.concept == IDLE:
        return frame.view.idle()
    task = frame.view.task(call.args["task"])
    assert task is not None
    return frame.view.recipe(task.id, call.args.get("agents") or task.required)


# Messages -----------------------------------------------------------------------------------------------------------


def _messages(given: Any, frame: Frame, lenient: bool) -> list[Said]:
    if not given or not frame.listeners:
        return []
    entries = [given] if isinstance(given, Mapping) else given
    most = MOST_MESSAGES if frame.messages_left is None else min(MOST_MESSAGES, frame.messages_left)
    try:
        if not isinstance(entries, list):
            raise _bad(f'"messages" is {_shown(given)}; give a list of messages, or an empty list')
        if len(entries) > most:
            raise _bad(f'"messages" has {len(entries)} entries; give at most {most} now')
    except BadReply:
        if not lenient:
            raise
        entries = entries[:most] if isinstance(entries, list) else []
    said = []
    for k, entry in enumerate(entries, 1):
        try:
            said.append(_message(entry, k, frame))
        except BadReply:
            if not lenient:
                raise
    return said


def _message(entry: Any, k: int, frame: Frame) -> Said:
    where = f"message {k}"
    if not isinstance(entry, Mapping):
        raise _bad(f'{where} is {_shown(entry)}; a message is an object with "to", "kind", "text", "task" and "facts"')
    kind, text = entry.get("kind", "inform"), entry.get("text") or ""
    if not isinstance(kind, str) or kind not in KINDS:
        raise _bad(f'{where}: "kind" is {_shown(kind)}; kinds are {", ".join(KINDS)}')
    most = MOST_TEXT if frame.chars_left is None else max(min(MOST_TEXT, frame.chars_left), 0)
    if not isinstance(text, str) or len(text) > most:
        got = f"{len(text)} characters" if isinstance(text, str) else _shown(text)
        raise _bad(f'{where}: "text" has {got}; give a text of at most {most} characters')
    to = _recipients(entry.get("to", "all"), where, frame.listeners)
    task = _task(entry.get("task"), frame.view, f"{where}: task", False)
    return Said(to, kind, text, task, _stated(entry.get("facts"), where))


def _recipients(given: Any, where: str, listeners: Sequence[int]) -> tuple[int, ...] | str:
    if given in ("all", EVERYONE):
        return EVERYONE
    wanted = [given] if type(given) is int else given
    allowed = set(listeners)
    if not isinstance(wanted, list) or not wanted or not all(type(i) is int and i in allowed for i in wanted):
        raise _bad(
            f'{where}: "to" is {_shown(given)}; you may write to "all" or to a list of {words.agents(listeners)}'
        )
    return tuple(dict.fromkeys(wanted))


def _stated(given: Any, where: str) -> dict[str, Any]:
    if not given:
        return {}
    entries = [{"key": key, "value": value} for key, value in given.items()] if isinstance(given, Mapping) else given
    if not isinstance(entries, list) or len(entries) > MOST_FACTS:
        raise _bad(f'{where}: "facts" is {_shown(given)}; give a list of at most {MOST_FACTS} facts')
    stated = {}
    for entry in entries:
        key = entry.get("key") if isinstance(entry, Mapping) else None
        if not isinstance(key, str) or not 0 < len(key) <= MOST_KEY or "value" not in entry:
            raise _bad(f'{where}: a fact is {_shown(entry)}; give {{"key": a name, "value": a text, number or list}}')
        if len(msgspec.json.encode(entry["value"])) > MOST_FACT:
            raise _bad(f"{where}: the value of the fact {_shown(key)} is too long; give at most {MOST_FACT} characters")
        if is_deep(entry["value"]):
            raise _bad(f"{where}: the value of the fact {_shown(key)} has more than {MOST_DEPTH} lists in lists")
        stated[key] = _whole(entry["value"])
    return stated
