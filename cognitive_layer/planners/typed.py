"""What people type and read: calls, messages and facts as lines of text, both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emcoop.cognitive_layer.answers import KINDS, is_deep
from emcoop.cognitive_layer.plan import EVERYONE, ActionCall, Fact, Message, MessageKind
from emcoop.envs.embodiment import Concept, Failed, fill_arguments
from emcoop.errors import ConfigError, unknown_name

USUAL_KIND: MessageKind = "inform"
MOST_CHARS = 500
"""Characters of one typed message that are sent."""

_HEAD = re.compile(
    rf"(?:(?P<to>all|\d+(?:\s*,\s*\d+)*)\s*(?::|(?=\s(?:{'|'.join(KINDS)})\s*:)))?\s*"
    rf"(?:(?P<kind>{'|'.join(KINDS)})\s*:)?\s*"
)
_FACT = re.compile(r"(?<!\S)([^\s=]+)=([^\s=]+)(?!\S)")


def read_calls(line: str, concepts: Mapping[str, Concept]) -> tuple[ActionCall, ...]:
    """Read the calls of a plan, such as `move_to_block block=1 face=left; push 1 left steps=3`.

    Args:
        line: Calls separated by `;`: a concept, then its arguments as `name=value` or as values in their order; a list
            is written `3,4`.
        concepts: What there is to call.

    Raises:
        ConfigError: No such concept, or arguments that do not fit; the sentence says how to write it.
    """
    calls = tuple(_read_call(part, concepts) for part in line.split(";") if part.strip())
    if not calls:
        raise ConfigError("that is no call: give a concept and its arguments, such as wait 3")
    return calls


def _read_call(text: str, concepts: Mapping[str, Concept]) -> ActionCall:
    name, *words = text.split()
    if name not in concepts:
        raise unknown_name("command or concept", name, concepts)
    concept = concepts[name]
    args: dict[str, Any] = {}
    for word in words:
        argument, equals, value = word.partition("=")
        if not equals:
            left = [known for known in concept.arguments if known not in args]
            if not left:
                raise ConfigError(f"{name} has no argument for {word!r}; write {usage(concept)}")
            argument, value = left[0], word
        if argument in args:
            raise ConfigError(f"{name} got {argument} twice; write {usage(concept)}")
        known = concept.arguments.get(argument)
        args[argument] = value if known is None else _read_value(value, known.schema)
    checked = fill_arguments(concept, args)
    if isinstance(checked, Failed):
        argument = checked.detail["argument"]
        got = f"{argument}={args[argument]!r}" if argument in args else argument
        problem = "is missing" if argument not in args else "does not fit"
        raise ConfigError(f"{name}: {got} {problem}; write {usage(concept)}")
    return ActionCall(name, args)


def _read_value(text: str, schema: Mapping[str, Any]) -> Any:
    """Return a value as its schema has it, the text itself if it can be none."""
    if "anyOf" in schema:
        values = (_read_value(text, option) for option in schema["anyOf"])
        return next((value for value in values if not isinstance(value, str)), text)
    if schema.get("type") == "integer":
        return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else text
    if schema.get("type") == "array":
        items = text.strip("[]").split(",")
        return [_read_value(item, schema["items"]) for item in items] if len(items) > 1 else text
    return text


def usage(concept: Concept) -> str:
    """Return how a call of a concept is written; what stands in brackets may be left out."""
    words = [concept.name]
    for name, argument in concept.arguments.items():
        word = f"{name}={_shape(argument.schema)}"
        words.append(word if argument.default is ... else f"[{word}]")
    return " ".join(words)


def _shape(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return "|".join(map(_shape, schema["anyOf"]))
    if "enum" in schema:
        return "|".join(schema["enum"])
    if schema.get("type") == "array":
        return ",".join([_shape(schema["items"])] * int(schema.get("minItems", 1)))
    return "N"


def read_message(line: str, reachable: Sequence[int], step: int) -> Message:
    """Read a message: `TEXT`, `KIND: TEXT`, `1,2: TEXT` or `1,2 KIND: TEXT`.

    Words such as `task=block1/left` are facts of the message, observed now, and no part of its text.

    Args:
        line: What was typed; without agents it goes to everybody reachable, without a kind it is `inform`.
        reachable: Who hears the speaker.
        step: The environment step, which dates the facts.

    Raises:
        ConfigError: Nobody hears it, an agent named does not, or it says nothing.
    """
    if not reachable:
        raise ConfigError("nobody hears you: the topology lets you reach no agent")
    head = _HEAD.match(line)
    assert head is not None  # every part of it may be missing
    recipients: tuple[int, ...] | str = EVERYONE
    if head["to"] and head["to"] != "all":
        recipients = tuple(dict.fromkeys(int(number) for number in head["to"].split(",")))
        for agent in recipients:
            if agent not in reachable:
                raise ConfigError(f"agent {agent} does not hear you: choose among {agents_in_words(reachable)}")
    said = line[head.end() :][:MOST_CHARS]
    facts = {name: Fact(_plain(value), step) for name, value in _FACT.findall(said)}
    text = " ".join(_FACT.sub(" ", said).split())
    if not text and not facts and not head["kind"]:
        raise ConfigError("that says nothing: give a text, such as commit: I take block 1")
    kind: Any = head["kind"] or USUAL_KIND
    return Message(recipients, kind, text, facts)


def _plain(value: str) -> Any:
    try:
        plain: Any = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value
    return value if isinstance(plain, float) or is_deep(plain) else plain


def call_in_words(call: ActionCall) -> str:
    """Return a call as a person would type it."""
    return " ".join([call.concept, *(f"{name}={_value(value)}" for name, value in call.args.items())])


def message_in_words(message: Message, step: int) -> str:
    """Return kind, text and facts of a message; facts observed at another step than `step` say at which."""
    facts = [
        f"{name}={_value(fact.value)}" + (f" (step {fact.step})" if fact.step != step else "")
        for name, fact in message.facts.items()
    ]
    told = f"[{', '.join(facts)}]" if facts else ""
    # What others say may hold anything, also what a terminal would obey and a font cannot draw.
    said = "".join(c if c.isprintable() else " " for c in f"{message.kind}: {message.text} {told}")
    return " ".join(said.split())


def agents_in_words(agents: Sequence[int]) -> str:
    """Return `agent 1` or `agents 1, 2`; many are counted."""
    if len(agents) == 1:
        return f"agent {agents[0]}"
    named = ", ".join(map(str, agents[:8]))
    return f"agents {named}" + (f" and {len(agents) - 8} more" if len(agents) > 8 else "")


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)
