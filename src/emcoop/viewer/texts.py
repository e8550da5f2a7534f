"""Texts of a trace, made fit for a page: bounded, without control characters, each stored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 4_000
"""Characters of one text that are kept; what is cut off is said."""

# Characters one cannot see become their printable pictures; line feeds and tabs may stay.
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}


def clean(value: object, longest: int = LONGEST) -> str:
    """Return a text that a page can show: no control characters, no half characters, not endless."""
    text = str(value)
    if len(text) > longest:
        text = f"{text[:longest]} ... ({len(text) - longest} more characters)"
    return text.translate(_VISIBLE).encode("utf-8", "replace").decode("utf-8")


class Texts:
    """A table of texts in which each is stored once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def add(self, value: object, longest: int = LONGEST) -> int:
        """Return the place of a text, which is cleaned first."""
        return self._places.setdefault(clean(value, longest), len(self._places))

    def all(self) -> list[str]:
        """Return the texts in order of their places."""
        return list(self._places)


def spaced(name: str) -> str:
    """Return a name of the code as words."""
    return name.replace("_", " ")


def words(value: Any, depth: int = 6) -> str:
    """Return a value of a trace in words: lists with commas, mappings as names and values, `...` below `depth`."""
    if isinstance(value, (Mapping, list, tuple)) and depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return ", ".join(f"{spaced(str(name))} {words(one, depth - 1)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ",".join(words(one, depth - 1) for one in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def call_words(concept: str, arguments: Mapping[str, Any]) -> str:
    """Return one call of a plan in words: `collect: resource tree, target 31,28`."""
    return f"{spaced(concept)}: {words(arguments)}" if arguments else spaced(concept)


def spec_words(spec: Mapping[str, Any]) -> str:
    """Return a name with its options: `llm (model openai/gpt-4o-mini)`."""
    options = {name: value for name, value in spec.items() if name != "name"}
    name = str(spec.get("name", "unnamed"))
    return f"{name} ({words(options)})" if options else name


def agents_words(agents: Sequence[int]) -> str:
    """Return agents in words."""
    if not agents:
        return "the team"
    named = ", ".join(map(str, agents[:12]))
    more = f" and {len(agents) - 12} more" if len(agents) > 12 else ""
    return f"{'agent' if len(agents) == 1 else 'agents'} {named}{more}"
