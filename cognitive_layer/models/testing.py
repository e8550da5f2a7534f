"""Models that answer by rule: no network, no key, the same answer to the same question every time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, Usage
from emcoop.cognitive_layer.models.pocket import from_the_prompt
from emcoop.cognitive_layer.models.replies import parse_json
from emcoop.errors import ConfigError, unknown_name

Answer = Callable[[Sequence[ChatMessage], "Mapping[str, Any] | None"], str]
MOST_DEPTH = 32

# Only how long an answer takes is drawn from it, so no seed is wanted: nothing may depend on that.
_JITTER = random.SystemRandom()


class RuleChat:
    """A model that answers by rule.

    Args:
        model: `echo` (the last turn again), `schema` and `slow` (the smallest JSON that fits the schema; `slow` takes
            half a second), `broken` (never JSON), `pocket` (plays by a rule of thumb from what the prompt tells).
        latency: Seconds every answer takes.
        jitter: Most seconds an answer takes longer, drawn anew each time from the system.

    Raises:
        ConfigError: Unknown model, or a time that does not fit.
    """

    def __init__(self, model: str, latency: float | None = None, jitter: float = 0.0) -> None:
        if model not in RULES:
            raise unknown_name("model of the provider test", model, RULES)
        self._model = model
        self._answer, usual = RULES[model]
        self._latency = usual if latency is None else latency
        self._jitter = jitter
        for name, value in (("latency", self._latency), ("jitter", jitter)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 3600:
                raise ConfigError(f"{name}={value!r} does not fit: give seconds from 0 to 3600")

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        """Answer by rule; tokens are counted as words."""
        wait = self._latency + self._jitter * _JITTER.random()
        if wait:
            await asyncio.sleep(wait)
        text = self._answer(messages, schema)
        parsed = None if params.get("format", "text") == "text" else parse_json(text)
        usage = Usage(sum(len(message.content.split()) for message in messages), len(text.split()))
        return Completion(text=text, parsed=parsed, usage=usage, model=self._model)


def _echo(messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None) -> str:
    return messages[-1].content if messages else ""


def _broken(messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None) -> str:
    return "I would rather not say it in braces: {move"


def _fitting(messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None) -> str:
    return msgspec.json.encode(smallest(schema or {"type": "object"})).decode()


RULES: dict[str, tuple[Answer, float]] = {
    "echo": (_echo, 0.0),
    "schema": (_fitting, 0.0),
    "broken": (_broken, 0.0),
    "slow": (_fitting, 0.5),
    "pocket": (from_the_prompt, 0.0),
}
"""Model -> its rule, and the seconds it takes unless told otherwise."""


def smallest(schema: Mapping[str, Any]) -> Any:
    """Return a small value that fits a JSON Schema: required properties only, first choices, least numbers.

    Understands `const`, `enum`, `anyOf`, `oneOf`, `allOf` (its first entry), `$ref` within the schema, `type`,
    `required`, `minItems`, `prefixItems`, `minLength` and `minimum`; not patterns or formats.

    Raises:
        ConfigError: A reference that leads nowhere, or nesting without end.
    """
    return _smallest(schema, schema, 0)


def _smallest(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise ConfigError(f"the schema is nested deeper than {MOST_DEPTH} levels: no smallest value fits it")
    if not isinstance(schema, Mapping):
        return None
    if "$ref" in schema:
        return _smallest(_resolve(str(schema["$ref"]), root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    for key in ("enum", "anyOf", "oneOf", "allOf"):
        if schema.get(key):
            first = schema[key][0]
            return first if key == "enum" else _smallest(first, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "null")
    return _of_type(kind[0] if isinstance(kind, (list, tuple)) else kind, schema, root, depth + 1)


def _of_type(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _smallest(properties.get(name), root, depth) for name in schema.get("required", ())}
    if kind == "array":
        fixed = list(schema.get("prefixItems", ()))
        more = max(schema.get("minItems", 0) - len(fixed), 0)
        return [_smallest(item, root, depth) for item in [*fixed, *[schema.get("items")] * more]]
    if kind in ("integer", "number"):
        return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    plain: dict[str, Any] = {"string": "x" * schema.get("minLength", 0), "boolean": False}
    return plain.get(kind)


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if not isinstance(found, Mapping) or part not in found:
            raise ConfigError(f"the schema refers to {reference!r}, which it does not have")
        found = found[part]
    return found
