"""A service that misbehaves: asked as often as it makes sense, answered with the right error, and no key gets out."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import os
import time
import traceback
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fault_server as faults
import pytest
from fault_server import FaultServer, body, error, reply
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.chat import (
    ChatMessage,
    Completion,
    FormatRefused,
    PromptTooLong,
    RefusedError,
    SpendingLimit,
    TransientError,
    Usage,
)
from emcoop.cognitive_layer.models.protocol import failure, read_body, read_reply, retry_after, unwanted_parameter
from emcoop.errors import ConfigError, InfrastructureError, PlannerError, SettingsWarning

pytest.importorskip("openai")

KEY = "sk-test-0123456789abcdef-secret"
QUICK = {"backoff": 0.001, "longest_wait": 0.01, "retries": 2, "timeout": 20}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
ASKED = (ChatMessage("system", "Answer in JSON."), ChatMessage("user", "What is a?"))
JSON = {"format": "json_schema", "max_tokens": 50}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def ask(server: FaultServer, params: Any = JSON, access: ModelAccess | None = None, **more: Any) -> Completion:
    """Ask once through the whole stack."""
    schema = SCHEMA if params.get("format") == "json_schema" else None
    mine = access or ModelAccess({**QUICK, **more})
    try:
        line = mine.line(seed=1, agent=0)
        with patch.dict(os.environ, {"OPENAI_BASE_URL": server.url}):
            return asyncio.run(line.complete("openai/fault", ASKED, schema, params, {"base_url": server.url}))
    finally:
        if access is None:
            mine.close()


def sure(caught: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the text of an error, after a look for keys in everything that a log would show of it."""
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    # The traceback quotes lines of this file, where the key has only a name.
    assert KEY not in shown
    assert "sk-somebodyelses" not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


# What passes is tried again --------------------------------------------------------------------------------------

PASSING = {
    "429": error(429, "slow down"),
    "429 with seconds": error(429, "slow down", {"Retry-After": "0.005"}),
    "429 with milliseconds": error(429, "slow down", {"retry-after-ms": "5"}),
    "429 with a date": error(429, "slow down", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "429 with nonsense": error(429, "slow down", {"Retry-After": "soon"}),
    "408": error(408),
    "409": error(409),
    "500": error(500),
    "502 of a proxy": body(b"<html><h1>502 Bad Gateway</h1></html>", 502, {"Content-Type": "text/html"}),
    "503": error(503, "loading"),
    "500 with nothing": body(b"", 500),
    "half an error": faults.cut_error,
    "headers cut": faults.cut_headers,
    "body cut": faults.cut_body,
    "half JSON": body(b'{"choices": [{"mess'),
    "no JSON": body(b"<html>login</html>", 200, {"Content-Type": "text/html"}),
    "empty body": body(b""),
    "no choices": body({"object": "chat.completion", "choices": []}),
    "a list": body([1, 2]),
    "choices of another shape": body({"choices": "none"}),
    "no message": body({"choices": [{"index": 0}]}),
    "deep nesting": body(b"[" * 200_000),
    "a number too long": body(b'{"choices": ' + b"9" * 5000 + b"}"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_is_survived(fault: faults.Behaviour) -> None:
    with FaultServer(fault, reply()) as server, ModelAccess(QUICK) as access:
        completion = ask(server, access=access)
        assert completion.parsed == {"a": 1}
        assert len(server.requests) == 2
        assert (access.meter.calls, access.meter.failed, access.meter.retries) == (1, 0, 1)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_stays_ends_in_one_sentence(fault: faults.Behaviour) -> None:
    with FaultServer(fault) as server, ModelAccess({**QUICK, "retries": 1}) as access:
        with pytest.raises(
            InfrastructureError, match=r"^openai/fault was asked 2 times and gave no answer; "
        ) as caught:
            ask(server, access=access)
        assert len(server.requests) == 2
        assert not isinstance(caught.value, (TransientError, RefusedError))
        assert "\n" not in sure(caught)
        assert (access.meter.calls, access.meter.failed) == (1, 1)


def test_a_service_that_hangs_is_given_up_and_asked_again() -> None:
    with FaultServer(faults.hang, reply()) as server:
        assert ask(server, timeout=0.2).text == '{"a": 1}'
        assert len(server.requests) == 2


def test_nobody_at_the_address() -> None:
    with FaultServer() as server:
        pass
    with pytest.raises(
        InfrastructureError, match=r"asked 3 times.*the connection to http://127.0.0.1:\d+/v1 failed"
    ) as e:
        ask(server)
    sure(e)


def test_what_was_asked_again_is_the_same() -> None:
    with FaultServer(error(500), reply()) as server:
        ask(server)
        first, second = server.requests
    assert first == second
    assert first["response_format"]["json_schema"] == {"name": "reply", "strict": True, "schema": SCHEMA}
    assert first["messages"][1] == {"role": "user", "content": "What is a?"}
    assert (first["model"], first["max_tokens"]) == ("fault", 50)
    assert "format" not in first


# What does not pass is not ---------------------------------------------------------------------------------------

CONTEXT = "This model's maximum context length is 4096 tokens. However, you requested 9031 tokens."
LASTING = {
    "401": (error(401, "bad key"), RefusedError, "OPENAI_API_KEY"),
    "403": (error(403, "not yours"), RefusedError, "not yours"),
    "404": (error(404, "no such model"), RefusedError, "model's name and base_url"),
    "402": (error(402, "pay"), RefusedError, "pay"),
    "400": (error(400, "bad request"), RefusedError, "bad request"),
    "no money": (error(429, "quota", code="insufficient_quota"), RefusedError, "no money"),
    "format": (error(400, "'response_format' is not implemented"), FormatRefused, "response_format"),
    "grammar": (error(400, "failed to parse grammar"), FormatRefused, "grammar"),
    "format, as FastAPI says it": (body({"detail": "json_schema: unexpected"}, 422), FormatRefused, "json_schema"),
    "format, as Ollama says it": (body({"error": "invalid JSON schema in format"}, 400), FormatRefused, "JSON schema"),
    "context": (error(400, CONTEXT), PromptTooLong, "4096"),
    "context by its code": (error(400, "no", code="context_length_exceeded"), PromptTooLong, "no"),
    "context of llama.cpp": (error(400, "no", type="exceed_context_size_error"), PromptTooLong, "no"),
    "413": (error(413, "large"), PromptTooLong, "large"),
}


@pytest.mark.parametrize(("fault", "kind", "words"), LASTING.values(), ids=LASTING.keys())
def test_what_no_repetition_can_save_is_asked_once(fault: faults.Behaviour, kind: type[Exception], words: str) -> None:
    with FaultServer(fault) as server:
        with pytest.raises(kind, match=words) as caught:
            ask(server)
        assert type(caught.value) is kind
        assert len(server.requests) == 1
        assert "\n" not in sure(caught)


def test_who_is_to_blame_for_what() -> None:
    assert issubclass(PromptTooLong, PlannerError)
    assert issubclass(RefusedError, InfrastructureError)
    assert not issubclass(FormatRefused, (PlannerError, InfrastructureError))


def test_without_a_format_no_refusal_is_about_the_format() -> None:
    with FaultServer(error(400, "your grammar is bad")) as server, pytest.raises(RefusedError, match="grammar"):
        ask(server, {})


# Odd replies ----------------------------------------------------------------------------------------------------

LONG = "word " * 400_000
PARTS = [{"type": "text", "text": "one "}, {"type": "image"}, "?", {"type": "text", "text": "two"}]
CALLS = [{"id": "1", "type": "function", "function": {"name": "move", "arguments": "{}"}}]
REPLIES: dict[str, tuple[faults.Behaviour, str, Any, str]] = {
    "JSON": (reply(), '{"a": 1}', {"a": 1}, "stop"),
    "another schema": (reply('{"b": []}'), '{"b": []}', {"b": []}, "stop"),
    "half JSON": (reply('{"a": '), '{"a": ', None, "stop"),
    "no number": (reply("NaN"), "NaN", None, "stop"),
    "nested too deep": (reply("[" * 60_000), "[" * 60_000, None, "stop"),
    "empty": (reply(""), "", None, "stop"),
    "null": (reply(None), "", None, "stop"),
    "a refusal": (reply(None, refusal="I will not."), "I will not.", None, "refusal"),
    "calls of tools": (reply(None, tool_calls=CALLS), "", None, "stop"),
    "parts": (reply(PARTS), "one two", None, "stop"),
    "a number": (reply(5), "", None, "stop"),
    "2 MB": (reply(LONG), LONG[:65_536], None, "too_long"),
    "emoji and Arabic": (reply('{"a": "🧱 مرحبا"}'), '{"a": "🧱 مرحبا"}', {"a": "🧱 مرحبا"}, "stop"),
    "NUL": (reply("a\0b"), "a\0b", None, "stop"),
    "half a pair": (reply("a\ud83e b"), "a\ufffd b", None, "stop"),
    "both halves": (reply("\ud83e" + "\uddf1"), "🧱", None, "stop"),
    "half a pair, twice wrapped": (reply('{"a": "\\ud83e"}'), '{"a": "\\ud83e"}', None, "stop"),
}


@pytest.mark.parametrize(("fault", "text", "parsed", "finish"), REPLIES.values(), ids=REPLIES.keys())
def test_an_odd_reply_is_a_reply(tmp_path: Path, fault: Any, text: str, parsed: Any, finish: str) -> None:
    file = str(tmp_path / "calls.sqlite")
    with FaultServer(fault) as server:
        completion = ask(server, cassette=file)
        assert len(server.requests) == 1
        again = ask(server, cassette=file, mode="replay")
    assert (completion.text, completion.parsed, completion.finish_reason) == (text, parsed, finish)
    assert completion.usage == Usage(11, 7)
    assert completion.model == "fault-1"
    assert completion.latency > 0
    assert (again.text, again.parsed, again.finish_reason) == (text, parsed, finish)
    again.text.encode("utf-8")  # can be written


@pytest.mark.parametrize(
    "usage", [None, 5, {}, {"prompt_tokens": -1, "completion_tokens": "7"}, {"prompt_tokens": 1e3}]
)
def test_tokens_the_service_does_not_say_are_unknown(usage: Any) -> None:
    said = {**faults.completion(), "usage": usage}
    with FaultServer(body(said)) as server, ModelAccess({**QUICK, "max_tokens": 100}) as access:
        assert ask(server, access=access).usage == Usage(None, None)
        assert access.meter.uncounted == 1
        assert access.meter.usd is None
        with pytest.raises(RefusedError, match=r"max_tokens=100 cannot be kept: .* 1 calls"):
            ask(server, access=access)


# Formats and parameters -----------------------------------------------------------------------------------------


def test_the_three_formats() -> None:
    with FaultServer(reply()) as server:
        assert ask(server, {"format": "json_object"}).parsed == {"a": 1}
        assert ask(server, {"format": "text"}).parsed is None
        assert ask(server, {"temperature": None, "top_k": 5}).parsed is None
        first, second, third = server.requests
    assert first["response_format"] == {"type": "json_object"}
    assert "response_format" not in second
    assert third.keys() == {"model", "messages", "top_k"}


def test_a_format_that_is_none() -> None:
    with FaultServer(reply()) as server:
        with pytest.raises(ConfigError, match=r"unknown reply format 'jsonschema'.*did you mean 'json_schema'"):
            ask(server, {"format": "jsonschema"})
        assert server.requests == []


def new_model(handler: Any, asked: dict[str, Any]) -> None:
    """Take the parameters of newer models only."""
    for name, code in (("max_tokens", "unsupported_parameter"), ("temperature", "unsupported_value")):
        if name in asked:
            message = f"Unsupported: '{name}' is not supported with this model."
            error(400, message, param=name, code=code)(handler, asked)
            return
    reply()(handler, asked)


def test_parameters_a_model_does_not_take_are_learnt_once() -> None:
    params = {**JSON, "temperature": 0.5}
    with FaultServer(new_model) as server, ModelAccess(QUICK) as access:
        with pytest.warns(SettingsWarning, match="fault does not take temperature"):
            assert ask(server, params, access).parsed == {"a": 1}
        assert len(server.requests) == 3
        ask(server, params, access)
        assert len(server.requests) == 4
        assert server.requests[-1]["max_completion_tokens"] == 50
        assert not {"max_tokens", "temperature"} & server.requests[-1].keys()
        assert access.meter.retries == 0


def test_a_parameter_nobody_takes_is_refused_once() -> None:
    fault = error(400, "Unrecognized request argument supplied: 'top_k'", param="top_k", code="unsupported_parameter")
    with FaultServer(fault) as server:
        with pytest.raises(RefusedError, match="top_k"):
            ask(server, {"top_k": 5})
        assert len(server.requests) == 1


# Waiting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": email.utils.formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"retry-after": email.utils.formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 99 Oct 99999 07:28:00 GMT"}, None),
    ],
)
def test_what_a_service_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1_000_000.0) == seconds


def test_one_retry_after_holds_everybody_up() -> None:
    """The wait is asked of one call; another one made meanwhile gets through only after it."""
    with FaultServer(error(429, "slow", {"Retry-After": "0.3"}), reply()) as server:
        access = ModelAccess({**QUICK, "longest_wait": 5})

        async def both() -> float:
            options = {"base_url": server.url}
            first = asyncio.ensure_future(access.line(seed=1, agent=0).complete("openai/f", ASKED, None, {}, options))
            while access.meter.retries == 0:
                await asyncio.sleep(0.001)
            start = time.monotonic()
            await access.line(seed=1, agent=1).complete("openai/f", ASKED, None, {}, options)
            waited = time.monotonic() - start
            await first
            return waited

        with access:
            assert asyncio.run(both()) > 0.2
        assert len(server.requests) == 3


def test_a_service_cannot_make_us_wait_for_ever() -> None:
    with FaultServer(error(429, "slow", {"Retry-After": "100000"}), reply()) as server:
        start = time.monotonic()
        ask(server)
        assert time.monotonic() - start < 10


# Keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404, 418, 422, 429, 500])
def test_a_key_that_is_echoed_in_an_error_stays_here(status: int) -> None:
    with FaultServer(faults.echo_key(status)) as server, pytest.raises(InfrastructureError) as caught:
        ask(server)
    assert "you sent Bearer [key], and [key]" in sure(caught)


def test_a_key_that_is_echoed_in_a_reply_stays_here(tmp_path: Path) -> None:
    file = tmp_path / "calls.sqlite"
    with FaultServer(faults.echo_key(200)) as server, ModelAccess({**QUICK, "cassette": str(file)}) as access:
        completion = ask(server, access=access)
        shown = repr(completion) + repr(access.meter) + repr(access.settings)
    assert completion.parsed == {"said": "you sent Bearer [key], and [key]"}
    assert (completion.model, completion.finish_reason) == ("you sent Bearer [key], and [key]",) * 2
    for text in (shown, file.read_bytes().decode("latin-1")):
        assert KEY not in text
        assert "sk-somebodyelses" not in text


def test_an_address_that_somebody_else_may_have_written_gets_no_key() -> None:
    """A suite or a planner's options can name any address; the key goes where the environment says only."""
    with FaultServer(faults.echo_key(200)) as server, ModelAccess(QUICK) as access:
        line = access.line(seed=1, agent=0)
        sent = asyncio.run(line.complete("openai/f", ASKED, None, {}, {"base_url": server.url})).text
        assert "Bearer none" in sent
        with patch.dict(os.environ, {"OPENAI_BASE_URL": server.url}):
            other = ModelAccess(QUICK)
            asked = other.line(seed=1, agent=0).complete("openai/f", ASKED, None, {})
            assert "Bearer [key]" in asyncio.run(asked).text
            other.close()


@pytest.mark.parametrize(
    "url",
    ["http://me:pw@127.0.0.1/v1", "http://me@127.0.0.1/v1", "http://127.0.0.1/v1?api_key=1", "http://127.0.0.1/#k"],
)
def test_an_address_with_a_key_in_it_is_refused(url: str) -> None:
    with (
        ModelAccess(QUICK) as access,
        pytest.raises(ConfigError, match="no user, password, query or fragment") as caught,
    ):
        asyncio.run(access.line(seed=1, agent=0).complete("openai/f", ASKED, None, {}, {"base_url": url}))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", 5, "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://a:99999/v1", "http://[", "a b"]
)
def test_an_address_that_is_none(url: Any) -> None:
    from emcoop.cognitive_layer.models.openai import check_base_url

    with pytest.raises(ConfigError, match="base_url does not fit: give an address such as"):
        check_base_url(url)


def test_a_service_of_your_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with FaultServer(reply()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
        with ModelAccess(QUICK) as access:
            assert asyncio.run(access.line(seed=1, agent=0).complete("openai/f", ASKED, None, {})).text == '{"a": 1}'


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with ModelAccess(QUICK) as access, pytest.raises(RefusedError, match="OPENAI_API_KEY is not set"):
        asyncio.run(access.line(seed=1, agent=0).complete("openai/gpt-4o-mini", ASKED, None, {}))


# Money ----------------------------------------------------------------------------------------------------------


def test_money_is_counted_and_ends() -> None:
    prices = {"openai/fault": {"input": 1.0, "output": 10.0}}
    with FaultServer(reply("no JSON")) as server, ModelAccess({**QUICK, "prices": prices, "max_usd": 1e-4}) as access:
        ask(server, access=access)
        assert access.meter.usd == pytest.approx((11 * 1 + 7 * 10) / 1e6)
        ask(server, access=access)
        with pytest.raises(SpendingLimit, match=r"have cost 0.0002 USD of max_usd=0.0001 in 2 calls"):
            ask(server, access=access)
        assert len(server.requests) == 2
        assert access.meter.failed == 0


def test_a_limit_of_money_needs_the_price() -> None:
    with FaultServer(reply()) as server, ModelAccess({**QUICK, "max_usd": 1}) as access:
        with pytest.raises(RefusedError, match="max_usd=1 needs the price of openai/fault"):
            ask(server, access=access)
        assert server.requests == []


def test_many_agents_at_once_share_the_connection_of_one_run() -> None:
    with FaultServer(reply()) as server, ModelAccess(QUICK) as access:
        options = {"base_url": server.url}

        async def all_of_them() -> list[Completion]:
            lines = [access.line(seed=1, agent=agent) for agent in range(80)]
            return await asyncio.gather(*(line.complete("openai/f", ASKED, None, {}, options) for line in lines))

        assert {reply.text for reply in asyncio.run(all_of_them())} == {'{"a": 1}'}
        assert json.dumps(server.requests[0])
        assert access.meter.calls == len(server.requests) == 80


# Anything at all ------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["choices", "message", "content", "refusal", "prompt_tokens", "text", "error", "code"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([KEY, "grammar"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.integers(400, 599), st.booleans(), st.text(max_size=12))
def test_whatever_a_service_says_is_a_reply_or_an_error_of_ours(
    said: Any, status: int, form: bool, header: str
) -> None:
    with contextlib.suppress(TransientError):
        reply = {"choices": [{"message": said, "finish_reason": said}], "model": said, "usage": said}
        completion = read_reply(reply, form, [KEY])
        assert isinstance(completion.text, str)
        assert KEY not in repr(completion)
    with contextlib.suppress(TransientError):
        read_reply(said, form)
    problem = failure("http://x", status, said, {"retry-after": header}, form, [KEY])
    assert isinstance(problem, (TransientError, RefusedError, FormatRefused, PromptTooLong))
    assert KEY not in str(problem)
    assert len(str(problem)) < 1000
    assert unwanted_parameter(status, said, {"max_tokens": 1}) in ("", "max_tokens")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_a_body_or_a_fault_that_passes(raw: bytes) -> None:
    with contextlib.suppress(TransientError):
        read_body(raw)
