"""What comes back from a model is foreign text: cut, cleaned and parsed here before anything else sees it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from emcoop.cognitive_layer.models.chat import Completion, Usage

MOST_CHARS = 64 * 1024
"""Longest reply in characters; what is longer is cut, and its `finish_reason` becomes `too_long`."""

MOST_NAME = 200
"""Longest name of a model or reason to end."""

MOST_TOKENS = 1 << 40
"""Most tokens of one call."""

SHORTEST_SECRET = 8
"""Shorter keys are placeholders for services that want none, and words of their own."""

_KEY_LIKE = re.compile(r"\bsk-[A-Za-z0-9_-]{12,}")
_LONE = re.compile("[\ud800-\udfff]")


def tidy(completion: Completion) -> Completion:
    """Return a completion that can be written anywhere: valid Unicode, of bounded length, tokens that can be added."""
    text = clean_text(completion.text)
    too_long = len(text) > MOST_CHARS
    return msgspec.structs.replace(
        completion,
        text=text[:MOST_CHARS],
        parsed=None if too_long else completion.parsed,
        finish_reason="too_long" if too_long else clean_text(completion.finish_reason)[:MOST_NAME],
        model=clean_text(completion.model)[:MOST_NAME],
        usage=Usage(token_count(completion.usage.prompt_tokens), token_count(completion.usage.completion_tokens)),
    )


def token_count(tokens: Any) -> int | None:
    """Return a number of tokens, None if it is none."""
    return tokens if type(tokens) is int and 0 <= tokens <= MOST_TOKENS else None


def clean_text(text: str) -> str:
    """Return `text` with halves of surrogate pairs joined, and replaced where the other half is missing."""
    if not _LONE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_json(text: str) -> Any:
    """Return a text that is JSON as what it says; None if it is none, or says none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def scrub(text: str, secrets: Sequence[str] = ()) -> str:
    """Return `text` without keys: neither those given, of `SHORTEST_SECRET` characters or more, nor `sk-...` words."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[key]")
    return _KEY_LIKE.sub("[key]", text)
