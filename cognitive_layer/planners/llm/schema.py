"""JSON Schemas of replies: valid for providers that hold replies to them strictly, and for grammars made from them.

Strict means: every property is required, nothing else is allowed, what may be left out may be null, and the options of
an `anyOf` differ in their first property.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from emcoop.cognitive_layer.answers import KINDS
from emcoop.envs.embodiment import Argument, Concept

MOST_CALLS = 12
"""Calls in one plan, as the model writes it; a task written as one call counts as one."""
MOST_MESSAGES = 4
MOST_FACTS = 6
"""Facts stated in one message."""

DO_TASK, IDLE = "do_task", "idle"
EXTRAS = {
    DO_TASK: Concept(
        DO_TASK,
        "Do your part of a task: prepare what it takes, go there, wait for the others, act together with them. It "
        "stands for the right calls, so prefer it for the tasks listed.",
        {
            "task": Argument({"type": "string"}, "name of a task as listed"),
            "agents": Argument({"type": "integer", "minimum": 1}, "agents to wait for, you included", None),
        },
    ),
    IDLE: Concept(IDLE, "Look after yourself and keep out of the others' way, or look around, for a few steps."),
}
"""What a model may write beside the world's concepts; the planner puts the view's own calls in its place."""

RESUME = "resume"
"""What a model that only chooses answers to keep its plan."""


@dataclass(frozen=True)
class Schema:
    """A JSON Schema; its bytes are made once.

    Attributes:
        data: The schema.
    """

    data: Mapping[str, Any]

    @cached_property
    def encoded(self) -> bytes:
        """The schema as canonical JSON."""
        return msgspec.json.encode(self.data, order="deterministic")


def offered(concepts: Mapping[str, Concept]) -> dict[str, Concept]:
    """Return what plans may be written with: our own calls, and the world's concepts, which win over them."""
    return {**EXTRAS, **concepts}


def decisions(interrupted: bool, may_talk: bool) -> list[str]:
    """Return what can be decided."""
    if interrupted:
        return ["resume", "plan"]
    return ["plan", "talk"] if may_talk else ["plan"]


def reply_schema(concepts: Mapping[str, Concept], decisions: Sequence[str], has_listeners: bool) -> Schema:
    """Return the schema of a reply with a plan.

    Args:
        concepts: What plans may be written with.
        decisions: What can be decided.
        has_listeners: Whether there is anybody to send messages to.
    """
    calls = [_call(concept) for concept in concepts.values()]
    parts = {
        "thought": {"type": "string"},
        "decision": {"type": "string", "enum": list(decisions)},
        "task": _or_null({"type": "string"}),
        "plan": {"type": "array", "items": {"anyOf": calls}, "maxItems": MOST_CALLS},
    }
    if has_listeners:
        parts["messages"] = {"type": "array", "items": _message(), "maxItems": MOST_MESSAGES}
    return Schema(_object({**parts, "note": _or_null({"type": "string"})}))


def choice_schema(options: Sequence[str]) -> Schema:
    """Return the schema of a reply that only chooses."""
    return Schema(_object({"choice": {"type": "string", "enum": list(options)}}))


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _call(concept: Concept) -> dict[str, Any]:
    arguments = {
        name: dict(given.schema) if given.default is ... else _or_null(given.schema)
        for name, given in concept.arguments.items()
    }
    return _object({"concept": {"type": "string", "enum": [concept.name]}, **arguments})


def _message() -> dict[str, Any]:
    indices = {"type": "array", "items": {"type": "integer"}}
    told = {"anyOf": [{"type": "string"}, {"type": "integer"}, indices]}
    fact = _object({"key": {"type": "string"}, "value": told})
    return _object(
        {
            "to": {"anyOf": [{"type": "string", "enum": ["all"]}, indices]},
            "kind": {"type": "string", "enum": list(KINDS)},
            "text": {"type": "string"},
            "task": _or_null({"type": "string"}),
            "facts": {"type": "array", "items": fact, "maxItems": MOST_FACTS},
        }
    )
