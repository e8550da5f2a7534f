"""OpenAI's chat protocol as pure functions: what a request holds, what a reply says, what an error means."""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.models.chat import (
    ChatMessage,
    Completion,
    FormatRefused,
    PromptTooLong,
    RefusedError,
    TransientError,
    Usage,
)
from emcoop.cognitive_layer.models.replies import MOST_CHARS, clean_text, parse_json, scrub, token_count
from emcoop.errors import ConfigError, EmCoopError, unknown_name

FORMATS = ("json_schema", "json_object", "text")
MOST_SAID = 300
"""Characters of a service's own words in an error."""

_PASSING = frozenset({408, 409, 425, 429})
_BAD_REQUEST = frozenset({400, 422, 501})
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached")
_TOO_LONG = (
    "context_length",
    "context length",
    "context size",
    "context window",
    "exceed_context",
    "prompt is too long",
    "too many tokens",
    "string_above_max_length",
)
_FORMAT = ("response_format", "json_schema", "json_object", "json schema", "json mode", "structured output", "grammar")
_UNWANTED = ("unsupported", "not supported", "does not support", "unrecognized", "unknown parameter")
_ADVICE = {
    401: "check the key in OPENAI_API_KEY, which goes to OpenAI and to the address in OPENAI_BASE_URL only",
    403: "check what the key may do",
    404: "check the model's name and base_url",
}


# What is asked -----------------------------------------------------------------------------------------------


def request_body(
    model: str, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the body of a request.

    Args:
        model: Name of the model at its provider.
        messages, schema, params: As for `ChatModel.complete`.

    Raises:
        ConfigError: `params["format"]` is none, or needs a schema and there is none.
    """
    rest = dict(params)
    form = rest.pop("format", "text")
    turns = [{"role": message.role, "content": message.content} for message in messages]
    body = {"model": model, "messages": turns, **{name: value for name, value in rest.items() if value is not None}}
    if form not in FORMATS:
        raise unknown_name("reply format", form, FORMATS)
    if form == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif form == "json_schema":
        if schema is None:
            raise ConfigError("format='json_schema' needs a schema: give one, or format='json_object'")
        named = {"name": "reply", "strict": True, "schema": dict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


# What is answered --------------------------------------------------------------------------------------------


def read_body(raw: bytes | str) -> Any:
    """Return a body that is JSON as what it says.

    Raises:
        TransientError: It is none; cut connections and overloaded proxies leave such bodies.
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise TransientError("the reply is no JSON, or only half of one") from None


def read_reply(body: Any, wants_json: bool, secrets: Sequence[str] = ()) -> Completion:
    """Return what the body of a reply says.

    Args:
        body: The body, as plain data.
        wants_json: Whether JSON was asked for.
        secrets: Keys that must not get further, should the service repeat them.

    Raises:
        TransientError: It is no reply.
    """
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict) or not isinstance(first, dict):
        raise TransientError("the reply has no choices with a message")
    refusal = message.get("refusal")
    is_refusal = isinstance(refusal, str) and bool(refusal) and not message.get("content")
    text = scrub(clean_text(str(refusal) if is_refusal else _content(message.get("content"))), secrets)
    return Completion(
        text=text,
        parsed=parse_json(text) if wants_json and not is_refusal and len(text) <= MOST_CHARS else None,
        usage=_usage(body.get("usage")),
        finish_reason="refusal" if is_refusal else scrub(_text(first.get("finish_reason"), "stop"), secrets),
        model=scrub(_text(body.get("model"), ""), secrets),
    )


def _content(content: Any) -> str:
    """Return a content that is a text, or a list of parts some of which are."""
    if isinstance(content, list):
        return "".join(_text(part.get("text"), "") for part in content if isinstance(part, dict))
    return _text(content, "")


def _text(value: Any, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise


def _usage(usage: Any) -> Usage:
    counts = usage if isinstance(usage, dict) else {}
    return Usage(token_count(counts.get("prompt_tokens")), token_count(counts.get("completion_tokens")))


# What went wrong ---------------------------------------------------------------------------------------------


def failure(
    service: str,
    status: int,
    said: Any,
    headers: Mapping[str, str],
    has_format: bool,
    secrets: Sequence[str] = (),
) -> EmCoopError:
    """Return the error that a refused request means.

    Args:
        service: Whose refusal it is, for the sentence.
        status: HTTP status.
        said: The body, as plain data or text.
        headers: Of the reply, with lower-case names.
        has_format: Whether a format was asked for.
        secrets: Keys that must not get into the sentence.
    """
    words, marks = _words(said, secrets), _marks(said)
    sentence = f"{service} answered {status}: {words}"
    if status == 429 and any(word in marks for word in _NO_MONEY):
        return RefusedError(f"{sentence}; the account has no money left")
    if status == 413 or (status in _BAD_REQUEST and any(word in marks for word in _TOO_LONG)):
        return PromptTooLong(sentence)
    if status in _BAD_REQUEST and has_format and any(word in marks for word in _FORMAT):
        return FormatRefused(sentence)
    if status in _PASSING or status >= 500:
        return TransientError(sentence, retry_after(headers))
    return RefusedError(f"{sentence}; {_ADVICE[status]}" if status in _ADVICE else sentence)


def unwanted_parameter(status: int, said: Any, params: Mapping[str, Any]) -> str:
    """Return the name of the parameter that a refusal says the model does not take, empty if it is about none."""
    marks = _marks(said)
    if status not in _BAD_REQUEST or not any(word in marks for word in _UNWANTED):
        return ""
    named = said.get("param") if isinstance(said, dict) else None
    if isinstance(named, str):
        return named if named in params else ""
    return next((name for name in params if f"'{name}'" in marks or f'"{name}"' in marks or f"`{name}`" in marks), "")


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds a service asks to wait, None if it does not say.

    Args:
        headers: With lower-case names; `retry-after-ms`, or `retry-after` in seconds or as a date.
        now: Seconds since 1970; default the present.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(date - (time.time() if now is None else now), 0.0)


def _words(said: Any, secrets: Sequence[str]) -> str:
    """Return a service's own words on one short line, without keys."""
    if isinstance(said, dict):
        said = said.get("message") or said.get("detail") or said.get("error") or said
    text = said if isinstance(said, str) else repr(said)
    # Cut before and after: a key that is cut in two would no longer be found.
    line = " ".join(scrub(clean_text(text[: 100 * MOST_SAID]), secrets).split())
    return (line if len(line) <= MOST_SAID else line[:MOST_SAID] + " ...") or "nothing"


def _marks(said: Any) -> str:
    """Return what may tell the kind of a refusal, in lower case."""
    parts = (
        [said.get(name) for name in ("message", "code", "type", "param", "detail", "error")]
        if isinstance(said, dict)
        else [said]
    )
    return " ".join(str(part) for part in parts if part is not None)[: 100 * MOST_SAID].lower()
