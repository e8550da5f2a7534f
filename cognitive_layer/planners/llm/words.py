"""Small wordings for prompts: texts of others in quotes they cannot leave, calls, types, short lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from emcoop.envs.embodiment import ActionCall, Argument, Concept

MOST_NAME = 64
MOST_VALUE = 120
"""Characters shown of a name and of a fact's value."""
MOST_LISTED = 16
"""Agents named in one list at most."""

_CONTROL = re.compile(r"\[(?=/?[A-Z_]+\])")
_PLAIN_NAME = re.compile(r"[\w@,./:+-]{1,64}", re.ASCII)


def clean(text: str) -> str:
    """Return a text as one line of printable characters."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def clip(text: str, most: int) -> str:
    """Return a text, cut if it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def quote(text: str, most: int) -> str:
    """Return somebody's text in quotes, on one line, cut at `most` characters.

    It can neither end its quotes nor look like a tag or a control word of a chat template (`<...>`, `[INST]`), so
    whatever it says stays inside the line it was put on.
    """
    line = clip(clean(text[: most + 1]), most).replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\u003c")
    return f'"{_CONTROL.sub(lambda _: chr(92) + "u005b", line)}"'


def name(text: str) -> str:
    """Return a name as it is if it is one, else in quotes."""
    return text if _PLAIN_NAME.fullmatch(text) else quote(text, MOST_NAME)


def value(given: Any) -> str:
    """Return a JSON value of somebody else on one line."""
    if isinstance(given, str):
        return quote(given, MOST_VALUE)
    if given is None or isinstance(given, (bool, int, float)):
        return msgspec.json.encode(given).decode()
    if isinstance(given, (list, tuple)) and len(given) <= MOST_LISTED and all(type(item) is int for item in given):
        return f"[{', '.join(map(str, given))}]"
    return quote(msgspec.json.encode(given).decode(), MOST_VALUE)


def pairs(given: Mapping[str, Any]) -> str:
    """Return names and values on one line."""
    return ", ".join(f"{name(key)}={value(item)}" for key, item in given.items())


def agents(indices: Sequence[int]) -> str:
    """Return agent indices as a list that stays short for any team."""
    rest = len(indices) - MOST_LISTED
    return ", ".join(map(str, islice(indices, MOST_LISTED))) + (f" and {rest} more" if rest > 0 else "")


def call_words(call: ActionCall) -> str:
    """Return a call as one writes it: `push(block=3, face="left")`."""
    return f"{call.concept}({pairs(call.args)})"


def signature(concept: Concept) -> str:
    """Return a concept with its arguments, their types and defaults."""
    return f"{concept.name}({', '.join(_argument(name, given) for name, given in concept.arguments.items())})"


def _argument(name: str, argument: Argument) -> str:
    default = "" if argument.default is ... else f" = {msgspec.json.encode(argument.default).decode()}"
    return f"{name}: {type_words(argument.schema)}{default}"


def type_words(schema: Mapping[str, Any]) -> str:
    """Return the type of a value, in the few words of JSON Schema that concepts use."""
    if "anyOf" in schema:
        return " or ".join(type_words(option) for option in schema["anyOf"])
    if "enum" in schema:
        return "|".join(f'"{option}"' for option in schema["enum"])
    if schema["type"] == "array":
        return f"[{', '.join([type_words(schema['items'])] * schema['minItems'])}]"
    return str(schema["type"])


def glossary(concepts: Iterable[Concept]) -> dict[str, str]:
    """Return what arguments mean: name -> meanings, each once."""
    meanings: dict[str, dict[str, None]] = {}
    for concept in concepts:
        for name, given in concept.arguments.items():
            meanings.setdefault(name, {})[given.description] = None
    return {name: " / ".join(found) for name, found in meanings.items()}
