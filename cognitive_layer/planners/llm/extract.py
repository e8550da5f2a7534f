"""From a reply's text to its JSON object, whatever stands around it; untrusted text, so everything is bounded."""

from __future__ import annotations

from typing import Any

import msgspec

from emcoop.cognitive_layer.models.replies import MOST_CHARS

MOST_STARTS = 16
"""Braces at which an object is looked for."""
MOST_DEPTH = 32
"""Brackets within brackets."""
CUT_OFF = ("length", "too_long")
"""Why replies end that are not complete."""

_THOUGHT_END = "</think>"


class BadReply(Exception):
    """A reply that cannot be used; the sentence is shown to the model.

    Attributes:
        status: As in `ModelCall`.
    """

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def find_object(text: str, finish_reason: str = "stop") -> dict[str, Any]:
    """Return the first JSON object in a reply.

    Text around it, a code fence, a thinking part in front (`<think>...</think>`) and commas before a closing bracket
    are forgiven; nothing else is.

    Args:
        text: The reply.
        finish_reason: Why it ended, as the provider says.

    Raises:
        BadReply: The reply is `empty`, `too_long` or `unparsed`.
    """
    if not text.strip():
        raise BadReply("empty", "the reply is empty; answer with one JSON object")
    if len(text) > MOST_CHARS:
        raise BadReply(
            "too_long", f"the reply has {len(text)} characters; use at most {MOST_CHARS}, best a few hundred"
        )
    body = text.rpartition(_THOUGHT_END)[2]
    found = _decode(body)
    if found is not None:
        return found
    start = body.find("{")
    for _ in range(MOST_STARTS):
        if start < 0:
            break
        found = _object_at(body, start)
        if found is not None:
            return found
        start = body.find("{", start + 1)
    if finish_reason in CUT_OFF:
        raise BadReply("too_long", "the reply was cut off before it ended; be much shorter")
    if "{" not in body:
        raise BadReply("unparsed", "the reply holds no JSON object; answer with one JSON object and nothing else")
    raise BadReply("unparsed", "the reply holds no complete JSON object; check brackets, quotes and commas")


def _object_at(text: str, start: int) -> dict[str, Any] | None:
    """Return the balanced object that begins at a brace, None if there is none or it is no JSON."""
    end, commas = _scan(text, start)
    if end < 0:
        return None
    cuts = [start, *(cut for comma in commas for cut in (comma, comma + 1)), end]
    return _decode("".join(text[a:b] for a, b in zip(cuts[::2], cuts[1::2])))


def _scan(text: str, start: int) -> tuple[int, list[int]]:
    """Return where the object that begins at a brace ends, -1 if nowhere, and its commas before closing brackets."""
    depth, quoted, escaped, comma = 0, False, False, -1
    commas = []
    for k in range(start, len(text)):
        c = text[k]
        if quoted:
            quoted, escaped = escaped or c != '"', not escaped and c == "\\"
        elif c in "}]":
            if comma >= 0:
                commas.append(comma)
            depth, comma = depth - 1, -1
            if depth == 0:
                return k + 1, commas
        elif not c.isspace():
            comma = k if c == "," else -1
            quoted = c == '"'
            depth += c in "{["
            if depth > MOST_DEPTH:
                break
    return -1, []


def _decode(text: str) -> dict[str, Any] | None:
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
