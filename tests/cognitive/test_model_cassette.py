"""Cassettes: the same run again without its models, from a file that nobody has to trust."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.calls import Call
from emcoop.cognitive_layer.models.cassette import Cassette, Statistics, cassette_statistics
from emcoop.cognitive_layer.models.chat import (
    ChatMessage,
    Completion,
    FormatRefused,
    PromptTooLong,
    RefusedError,
    Usage,
)
from emcoop.errors import ConfigError, EmCoopError, InfrastructureError

ASKED = (ChatMessage("user", "What now?"),)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


class Counter:
    """A model that answers with how often it was asked, or raises what it is told to."""

    def __init__(self, error: Exception | None = None, parsed: Any = None) -> None:
        self.asked = 0
        self.error = error
        self.parsed = parsed

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Completion(text=str(self.asked), parsed=self.parsed, usage=Usage(3, 1), model="counter-1")


def run(
    model: Counter, file: Path, mode: str, calls: int = 1, seed: int = 1, agent: int = 0, **settings: Any
) -> list[str]:
    """Run an episode of one agent that makes some calls; return the replies."""
    with ModelAccess({"cassette": str(file), "mode": mode, "retries": 0, **settings}, {"my/counter": model}) as access:
        line = access.line(seed=seed, agent=agent)
        return [asyncio.run(line.complete("my/counter", ASKED, SCHEMA, {})).text for _ in range(calls)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


# Modes ----------------------------------------------------------------------------------------------------------


def test_record_asks_always_and_keeps_the_last_answer(file: Path) -> None:
    model = Counter()
    assert run(model, file, "record", 2) == ["1", "2"]
    assert run(model, file, "record", 2) == ["3", "4"]
    assert run(model, file, "replay", 2) == ["3", "4"]
    assert model.asked == 4


def test_cache_asks_only_for_what_is_not_kept(file: Path) -> None:
    model = Counter()
    assert run(model, file, "cache", 2) == ["1", "2"]
    assert run(model, file, "cache", 3) == ["1", "2", "3"]
    assert model.asked == 3


def test_a_cassette_without_a_mode_is_a_cache(file: Path) -> None:
    assert ModelAccess({"cassette": str(file)}).settings.mode == "cache"


def test_replay_never_asks_and_says_what_is_missing(file: Path) -> None:
    model = Counter()
    run(model, file, "record", 1)
    sentence = r"has no answer of my/counter to call 1 of agent 0: replay it with exactly the settings"
    with pytest.raises(RefusedError, match=sentence) as caught:
        run(model, file, "replay", 2)
    assert model.asked == 1
    assert str(file) in str(caught.value)


def test_replay_gives_the_same_completion(file: Path) -> None:
    for parsed in (None, 1, {"b": [1, None]}, [1.5]):
        model = Counter(parsed=parsed)
        completions = []
        for mode in ("record", "replay"):
            settings = {"cassette": str(file), "mode": mode}
            with ModelAccess(settings, {"my/counter": model}) as access:
                completions.append(asyncio.run(access.line(seed=1, agent=0).complete("my/counter", ASKED, None, {})))
                assert (access.meter.prompt_tokens, access.meter.completion_tokens) == (3, 1)
                assert access.meter.spent_tokens == (4 if mode == "record" else 0)
        first, second = completions
        assert (first.text, first.parsed, first.usage) == (second.text, second.parsed, second.usage)
        assert (first.model, first.finish_reason) == (second.model, second.finish_reason)


@pytest.mark.parametrize("error", [FormatRefused("no grammar"), PromptTooLong("9000 tokens")])
def test_refusals_that_decide_what_comes_next_are_kept(file: Path, error: EmCoopError) -> None:
    model = Counter(error)
    for mode in ("record", "replay", "cache"):
        with pytest.raises(type(error), match=str(error)) as caught:
            run(model, file, mode)
        assert type(caught.value) is type(error)
    assert model.asked == 1


@pytest.mark.parametrize("error", [RefusedError("bad key"), ValueError("a bug")])
def test_other_errors_are_not_kept(file: Path, error: Exception) -> None:
    with pytest.raises(InfrastructureError, match=str(error)):
        run(Counter(error), file, "cache")
    assert run(Counter(), file, "cache") == ["1"]


def test_replay_costs_nothing_and_no_limit_stops_it(file: Path) -> None:
    run(Counter(), file, "record", 3)
    assert run(Counter(), file, "replay", 3, max_usd=1e-9, max_tokens=1) == ["1", "2", "3"]


def test_a_cache_asks_within_the_limits_what_it_does_not_have(file: Path) -> None:
    run(Counter(), file, "record", 3)
    prices = {"my/counter": {"input": 0, "output": 0}}
    with pytest.raises(EmCoopError, match=r"taken 4 tokens of max_tokens=4 in 1 calls"):
        run(Counter(), file, "cache", 5, max_tokens=4, prices=prices)


# Keys -----------------------------------------------------------------------------------------------------------

CALL = Call("openai/m", ASKED, SCHEMA, {"temperature": 0.5}, {"base_url": "http://127.0.0.1:1/v1"}, 1, 2, 3)
OTHERS: dict[str, Callable[[], tuple[Call, int]]] = {
    "provider": lambda: (change(model="local/m"), 0),
    "model": lambda: (change(model="openai/n"), 0),
    "text": lambda: (change(messages=(ChatMessage("user", "What now!"),)), 0),
    "role": lambda: (change(messages=(ChatMessage("system", "What now?"),)), 0),
    "number of turns": lambda: (change(messages=ASKED * 2), 0),
    "schema": lambda: (change(schema={**SCHEMA, "required": ["a"]}), 0),
    "no schema": lambda: (change(schema=None), 0),
    "params": lambda: (change(params={"temperature": 0.6}), 0),
    "format": lambda: (change(params={"temperature": 0.5, "format": "text"}), 0),
    "seed": lambda: (change(seed=2), 0),
    "agent": lambda: (change(agent=3), 0),
    "index": lambda: (change(index=2), 0),
    "trial": lambda: (CALL, 1),
}


def change(**changes: Any) -> Call:
    import msgspec

    return msgspec.structs.replace(CALL, **changes)


def test_every_part_of_a_call_changes_its_key(file: Path) -> None:
    cassette = Cassette(str(file), "cache")
    keys = {name: cassette.key(*other()) for name, other in OTHERS.items()}
    keys["itself"] = cassette.key(CALL, 0)
    assert len(set(keys.values())) == len(keys)
    cassette.close()


def test_how_the_provider_is_reached_and_the_order_of_mappings_do_not(file: Path) -> None:
    cassette = Cassette(str(file), "cache")
    same = change(options={"base_url": "https://elsewhere/v1"}, schema=dict(reversed(SCHEMA.items())))
    assert cassette.key(same, 0) == cassette.key(CALL, 0)
    cassette.close()


def test_keys_stay_what_they_are(file: Path) -> None:
    """Kept cassettes are found by them: a change here makes every one of them useless."""
    cassette = Cassette(str(file), "cache")
    assert cassette.key(CALL, 0).hex() == "d0eb58de003048ef81b284d8580d6a9902f411d127c97d362ca59f2fbfb013d3"
    cassette.close()


@pytest.mark.parametrize("params", [{"a": object()}, {"a": {1j}}, {"a": "\ud800"}])
def test_what_is_no_plain_data_cannot_be_asked(file: Path, params: Any) -> None:
    with ModelAccess({"cassette": str(file)}, {"my/counter": Counter()}) as access:
        line = access.line(seed=1, agent=0)
        with pytest.raises(ConfigError, match="has to be plain data"):
            asyncio.run(line.complete("my/counter", ASKED, None, params))


# The file -------------------------------------------------------------------------------------------------------


def test_a_closed_cassette_is_one_plain_file(file: Path) -> None:
    run(Counter(), file, "record", 20)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.read_bytes()[18:20] == b"\x01\x01", "needs no journal beside it, so a read-only place will do"
    size = file.stat().st_size
    run(Counter(), file, "record", 20)
    assert file.stat().st_size == size


def test_statistics(file: Path) -> None:
    run(Counter(), file, "record", 3)
    with pytest.raises(FormatRefused):
        run(Counter(FormatRefused("no")), file, "record", seed=2)
    assert cassette_statistics(file) == Statistics(4, 1, 9, 3, {"my/counter": 4})


def write_sql(file: Path, *statements: str) -> None:
    base = sqlite3.connect(file)
    for statement in statements:
        base.execute(statement)
    base.commit()
    base.close()


@pytest.mark.parametrize("mode", ["record", "replay", "cache"])
@pytest.mark.parametrize("kind", ["text", "folder", "other database", "with a view", "with a trigger", "newer"])
def test_what_is_no_cassette_is_refused_in_one_sentence(file: Path, mode: str, kind: str) -> None:
    if kind == "text":
        file.write_text("no database " * 100, encoding="utf-8")
    elif kind == "folder":
        file.mkdir()
    elif kind == "other database":
        write_sql(file, "CREATE TABLE people (name TEXT)")
    else:
        run(Counter(), file, "record")
        extra = {
            "with a view": "CREATE VIEW other AS SELECT * FROM calls",
            "with a trigger": "CREATE TRIGGER t AFTER INSERT ON calls BEGIN DELETE FROM calls; END",
            "newer": "UPDATE cassette SET schema = 99",
        }
        write_sql(file, extra[kind])
    before = file.read_bytes() if file.is_file() else b""
    with pytest.raises(ConfigError, match=r"cassette") as caught:
        ModelAccess({"cassette": str(file), "mode": mode})
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (file.read_bytes() if file.is_file() else b"") == before


def test_a_missing_cassette(file: Path) -> None:
    with pytest.raises(ConfigError, match="there is no cassette"):
        ModelAccess({"cassette": str(file), "mode": "replay"})
    with pytest.raises(ConfigError, match="a folder that exists"):
        ModelAccess({"cassette": str(file / "deeper" / "calls.sqlite"), "mode": "record"})
    assert not file.exists()


@pytest.mark.parametrize(
    "value",
    ["", "5", "{}", '{"asked": 5}', '{"asked": "m", "more": 1}', '{"asked": "m", "error": "SystemExit"}',
     '{"asked": "m", "prompt_tokens": -1}', '{"asked": "m", "text": "' + "x" * 70_000 + '"}',
     '{"asked": "m", "parsed": ' + "[" * 100_000, "x" * 2_000_000],
)  # fmt: skip
def test_rows_of_somebody_else_are_read_with_care(file: Path, value: str) -> None:
    run(Counter(), file, "record")
    base = sqlite3.connect(file)
    base.execute("UPDATE calls SET value = ?", (value,))
    base.commit()
    base.close()
    with pytest.raises(RefusedError, match="damaged"):
        run(Counter(), file, "replay")
    with pytest.raises(RefusedError, match="damaged"):
        cassette_statistics(file)


def test_a_damaged_file_is_no_crash(file: Path) -> None:
    run(Counter(), file, "record", 50)
    raw = bytearray(file.read_bytes())
    raw[3 * 4096 :] = b"\xff" * (len(raw) - 3 * 4096)
    file.write_bytes(raw)
    with pytest.raises(RefusedError, match=r"cannot be used|damaged"):
        run(Counter(), file, "replay", 50)


# Processes ------------------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.chat import ChatMessage

file, agent, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
access = ModelAccess({"cassette": file, "mode": "record"})
line = access.line(seed=1, agent=agent)
print("ready", flush=True)
sys.stdin.readline()

async def work():
    for call in range(calls):
        await line.complete("test/echo", [ChatMessage("user", f"call {call} of agent {agent}")], None, {})
        if call == 30:
            print("thirty", flush=True)

asyncio.run(work())
access.close()
"""


def writer(file: Path, agent: int, calls: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(file), str(agent), str(calls)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_processes_share_a_file(file: Path) -> None:
    processes = [writer(file, agent, 200) for agent in range(2)]
    for process in processes:
        start(process)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert cassette_statistics(file).calls == 400
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_recording_loses_no_call(file: Path) -> None:
    process = writer(file, 0, 10**9)
    start(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "thirty\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert cassette_statistics(file).calls >= 31
    with ModelAccess({"cassette": str(file), "mode": "replay"}) as access:
        line = access.line(seed=1, agent=0)
        for call in range(31):
            asked = f"call {call} of agent 0"
            assert asyncio.run(line.complete("test/echo", [ChatMessage("user", asked)], None, {})).text == asked


def test_replay_needs_neither_package_nor_key(file: Path) -> None:
    model = Counter()
    with ModelAccess({"cassette": str(file), "mode": "record"}, {"openai/m": model}) as access:
        asyncio.run(access.line(seed=1, agent=0).complete("openai/m", ASKED, None, {}))
    program = f"""
import asyncio, sys
sys.modules["openai"] = None
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.chat import ChatMessage
access = ModelAccess({{"cassette": {str(file)!r}, "mode": "replay"}})
line = access.line(seed=1, agent=0)
options = {{"base_url": "http://127.0.0.1:9/v1"}}
print(asyncio.run(line.complete("openai/m", [ChatMessage("user", "What now?")], None, {{}}, options)).text)
"""
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("1\n", "")
