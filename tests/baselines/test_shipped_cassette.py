"""The cassette that ships: the path of a language model runs here from what a real one once said, offline."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import emcoop
from emcoop.baselines.recordings import list_cassettes, shipped_cassette
from emcoop.cli import main
from emcoop.cognitive_layer.models.cassette import cassette_statistics
from emcoop.trace import schema

COMMAND = ["sweep", "local-model", "--cassette", "smollm2", "--cassette-mode", "replay"]
MOST_BYTES = 200_000


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_small_and_holds_what_a_real_model_said() -> None:
    assert list_cassettes() == ["smollm2"]
    path = shipped_cassette("smollm2")
    assert path.stat().st_size < MOST_BYTES
    told = cassette_statistics(path)
    assert "openai/smollm2" in str(told)


@pytest.mark.usefixtures("offline")
def test_the_suite_replays_from_it_the_same_every_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outs = [tmp_path / "first", tmp_path / "second"]
    for out, jobs in zip(outs, ("1", "8")):
        assert main([*COMMAND, "--out", str(out), "--jobs", jobs]) == 0, capsys.readouterr().err
    with open(outs[0] / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["status"] for row in rows} == {"completed"}
    assert {row["env"] for row in rows} == {"Cube-v0", "MACrafter-L1-v0"}
    models = [row for row in rows if row["planner"].startswith("llm")]
    assert all(float(row["model_calls"]) > 0 and float(row["parse_rate"]) == 1.0 for row in models)
    names = [*sorted(path.relative_to(outs[0]) for path in outs[0].glob("traces/*")), Path("results.csv")]
    assert len(names) == len(rows) + 1
    assert all((outs[0] / name).read_bytes() == (outs[1] / name).read_bytes() for name in names)


@pytest.mark.usefixtures("offline")
def test_what_the_model_said_is_in_the_trace_word_for_word(tmp_path: Path) -> None:
    trace = tmp_path / "out.jsonl"
    planner = {
        "name": "llm",
        "model": "openai/smollm2",
        "base_url": "http://127.0.0.1:8080/v1",
        "prompts": "short",
        "max_tokens": 24,
    }
    result = emcoop.run_episode(
        "Cube-v0",
        n_agents=2,
        env_kwargs={"grid_size": 10, "blocks": {1: 2, 2: 1}},
        planner=planner,
        seed=0,
        max_steps=24,
        trace=trace,
        models={"cassette": str(shipped_cassette("smollm2")), "mode": "replay"},
    )
    assert result.status == "completed", result.error
    calls = emcoop.read_trace(trace).of(schema.LlmCall)
    assert len(calls) == result.metrics["model_calls"] > 0
    assert all('"choice"' in call.reply and call.completion_tokens > 0 for call in calls)


@pytest.mark.usefixtures("offline")
def test_replaying_writes_nothing_where_the_cassette_is(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    copy = shelf / "copy.sqlite"
    copy.write_bytes(shipped_cassette("smollm2").read_bytes())
    assert main([*COMMAND[:3], str(copy), *COMMAND[4:], "--out", str(tmp_path / "out")]) == 0
    assert list(shelf.iterdir()) == [copy]
    assert copy.read_bytes() == shipped_cassette("smollm2").read_bytes()
