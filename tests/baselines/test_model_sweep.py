"""Sweeps with language models, over a real HTTP server: what is kept repeats, what fails stops, nothing leaks."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import ChatServer

from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import Unit, expand
from emcoop.baselines.preflight import check_teams, warm_up
from emcoop.baselines.progress import Note
from emcoop.baselines.results import DATABASE, Result
from emcoop.baselines.schema import Suite
from emcoop.baselines.suite import suite_from_data
from emcoop.baselines.sweep import SweepEnd, run_episode_with, run_sweep
from emcoop.cli import main
from emcoop.cognitive_layer.models.access import ModelAccess

pytest.importorskip("openai")

KEY = "sk-secret0123456789abcdef"
SUITE: dict[str, Any] = {
    "name": "asked",
    "environments": [{"id": "Cube-v0"}],
    "team_sizes": [2],
    "topologies": ["individual", "decentralized"],
    "planners": [{"name": "llm", "model": "openai/rule-1", "prompts": "short"}, "team"],
    "regimes": {"open": {}},
    "conditions": {"clean": {}, "lossy": {"channel": {"loss": 0.3}}},
    "seeds": [0, 1],
    "max_steps": 8,
    "exclude": [{"planners": ["team"], "conditions": ["lossy"]}],
}
EPISODES = 12


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with ChatServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


def suite(**changes: Any) -> Suite:
    return suite_from_data(yaml.safe_load(yaml.safe_dump({**SUITE, **changes}, sort_keys=False)), "the test")


def sweep(folder: Path, jobs: int = 8, watch: Any = None, of: Suite | None = None, **models: Any) -> SweepEnd:
    with ModelAccess({"backoff": 0.001, **models}) as access:
        runner = partial(run_episode_with, access)
        more = {} if watch is None else {"watch": watch}
        return run_sweep(of or suite(), folder, ThreadBackend(jobs, access.close), runner=runner, models=access, **more)


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that two runs of the same suite must agree on."""
    kept = [folder / "results.csv", folder / "suite.yaml", *sorted((folder / "traces").rglob("*"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept if path.is_file()}


def models_noted(folder: Path) -> dict[str, Any]:
    about = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    noted: dict[str, Any] = about["sessions"][-1]["models"]
    return noted


def statuses(folder: Path) -> list[str]:
    db = sqlite3.connect(folder / DATABASE)
    try:
        return [status for (status,) in db.execute("SELECT status FROM attempts")]
    finally:
        db.close()


def test_what_was_recorded_replays_byte_for_byte_without_server_and_key(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server.moody = True  # nothing but the cassette can repeat this
    end = sweep(tmp_path / "live", cassette=str(tmp_path / "c.sqlite"), mode="record")
    assert not end.unfinished
    assert statuses(tmp_path / "live") == ["completed"] * EPISODES
    asked = server.requests
    assert asked > 5
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    for jobs in (1, 5):
        again = tmp_path / f"again{jobs}"
        assert not sweep(again, jobs, cassette=str(tmp_path / "c.sqlite"), mode="replay").unfinished
        assert contents(again) == contents(tmp_path / "live")
    assert server.requests == asked
    noted = models_noted(tmp_path / "again5")
    assert (noted["cassette_mode"], noted["cassette_hits"]) == ("replay", noted["calls"])
    assert noted["cassette_misses"] == 0
    assert noted["usd"] == 0.0
    assert models_noted(tmp_path / "live")["usd"] is None


def test_how_many_episodes_run_at_once_and_how_slow_the_model_is_changes_nothing(server: ChatServer, tmp_path: Path):
    sweep(tmp_path / "one", jobs=1)
    server.slow = 0.01
    sweep(tmp_path / "eight", jobs=8)
    assert contents(tmp_path / "one") == contents(tmp_path / "eight")
    assert models_noted(tmp_path / "one")["calls"] == models_noted(tmp_path / "eight")["calls"]


def test_conditions_reach_the_episodes(server: ChatServer, tmp_path: Path):
    of = suite(seeds=[0], topologies=["decentralized"], planners=SUITE["planners"][:1], exclude=[])
    rows = {row["condition"]: row for row in sweep(tmp_path, of=of).rows}
    heads = {}
    for name, row in rows.items():
        with gzip.open(tmp_path / row["trace"], "rt", encoding="utf-8") as lines:
            heads[name] = json.loads(lines.readlines()[1])
    assert "loss" not in heads["clean"].get("channel", {})
    assert heads["lossy"]["channel"]["loss"] == 0.3


def test_warming_up_asks_no_model(server: ChatServer):
    units = expand(suite())
    with ModelAccess() as access:
        warm_up(units, partial(run_episode_with, access))
        assert access.meter.calls == 0
    assert server.requests == 0


def test_whether_a_suite_calls_models_is_asked_of_its_planners():
    assert check_teams(expand(suite()))
    assert check_teams(expand(suite(planners=[["team", "llm:test/schema"]], exclude=[])))
    assert not check_teams(expand(suite(planners=["team", "oracle"], exclude=[])))


def test_a_failure_that_passes_spoils_an_attempt_which_is_repeated_and_counted_apart(
    server: ChatServer, tmp_path: Path
):
    sweep(tmp_path / "calm")
    server.refuse, server.refusals = 503, 1
    end = sweep(tmp_path / "stormy", retries=0)
    assert not end.unfinished
    assert not end.stopped
    assert sorted(statuses(tmp_path / "stormy")) == ["completed"] * EPISODES + ["infra_error"]
    assert contents(tmp_path / "stormy") == contents(tmp_path / "calm")


def test_a_refused_key_stops_the_sweep_after_the_running_episodes_and_says_so_once(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    sweep(tmp_path / "whole")
    path = tmp_path / "asked.yaml"
    path.write_text(yaml.safe_dump(SUITE, sort_keys=False), encoding="utf-8")
    server.requests, server.refuse, server.tell = 0, 401, True
    assert main(["sweep", str(path), "--out", str(tmp_path / "out"), "--jobs", "2"]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "the sweep stopped with" in captured.err
    assert "run the same command again" in captured.err
    assert KEY not in captured.err + captured.out
    assert server.requests <= 2 * 2  # two episodes, two agents each
    assert statuses(tmp_path / "out").count("infra_error") <= 2
    server.refuse = server.tell = 0
    sweep(tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_call_that_no_cassette_has_stops_the_sweep(server: ChatServer, tmp_path: Path):
    sweep(tmp_path / "part", of=suite(seeds=[0]), cassette=str(tmp_path / "c.sqlite"), mode="record")
    end = sweep(tmp_path / "all", cassette=str(tmp_path / "c.sqlite"), mode="replay")
    assert "has no answer of openai/rule-1" in end.stopped
    done = {row["seed"] for row in end.rows if row["status"] == "completed" and row["planner"] != "team"}
    assert done == {0}


def test_spent_money_stops_the_sweep_and_more_of_it_goes_on(server: ChatServer, tmp_path: Path):
    prices = {"openai/rule-1": {"input": 1000.0, "output": 1000.0}}
    sweep(tmp_path / "rich", prices=prices, cassette=str(tmp_path / "rich.sqlite"))
    price = models_noted(tmp_path / "rich")["usd"]
    assert price > 0
    kept = str(tmp_path / "c.sqlite")
    end = sweep(tmp_path / "poor", jobs=2, prices=prices, max_usd=price / 3, cassette=kept)
    assert "max_usd" in end.stopped
    assert 0 < len(end.unfinished) < EPISODES
    first = models_noted(tmp_path / "poor")["usd"]
    assert price / 3 <= first < price
    assert not sweep(tmp_path / "poor", prices=prices, max_usd=price, cassette=kept).unfinished
    assert contents(tmp_path / "poor") == contents(tmp_path / "rich")
    assert models_noted(tmp_path / "poor")["usd"] == pytest.approx(price - first)  # nothing was paid for twice


def test_ctrl_c_ends_a_sweep_whose_model_hangs_and_loses_nothing(server: ChatServer, tmp_path: Path):
    sweep(tmp_path / "whole")
    done = threading.Event()

    @contextmanager
    def watching(units: Sequence[Unit], finished: Mapping[str, Result]) -> Iterator[Note]:
        yield lambda unit, result: done.set()

    def interrupt() -> None:
        server.hanging.wait(30)
        done.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    server.requests, server.hang_after = 0, 9
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path / "cut", jobs=3, watch=watching)
    assert statuses(tmp_path / "cut").count("completed") >= 1
    assert not [t for t in threading.enumerate() if t.name in ("emcoop-episode", "emcoop-models")]
    assert not list((tmp_path / "cut" / "traces").glob(".*"))
    server.freed.set()
    server.hang_after = 10**9
    sweep(tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("mode", ["cache", pytest.param("record", marks=pytest.mark.slow)])
def test_a_killed_sweep_goes_on_where_it_was_and_its_cassette_repeats_it(mode: str, server: ChatServer, tmp_path: Path):
    server.moody = True
    server.hang_after = 8
    path = tmp_path / "asked.yaml"
    path.write_text(yaml.safe_dump(SUITE, sort_keys=False), encoding="utf-8")
    kept, folder = str(tmp_path / "c.sqlite"), tmp_path / "run"
    call = ["sweep", str(path), "--out", str(folder), "--jobs", "2", "--cassette", kept, "--cassette-mode", mode]
    first = subprocess.Popen([sys.executable, "-m", "emcoop", *call], stdout=subprocess.DEVNULL)
    assert server.hanging.wait(60)
    first.kill()
    first.wait()
    begun = len(statuses(folder))
    assert 0 < begun < EPISODES
    server.hang_after = 10**9
    server.freed.set()
    assert main(call) == 0
    assert statuses(folder) == ["completed"] * EPISODES
    assert not sweep(tmp_path / "again", cassette=kept, mode="replay").unfinished
    assert contents(tmp_path / "again") == contents(folder)


def test_no_file_of_a_sweep_holds_the_key_even_if_the_service_repeats_it(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    server.tell = True
    path = tmp_path / "asked.yaml"
    path.write_text(yaml.safe_dump({**SUITE, "seeds": [0]}, sort_keys=False), encoding="utf-8")
    call = ["sweep", str(path), "--out", str(tmp_path / "out"), "--cassette", str(tmp_path / "out.sqlite")]
    assert main(call) == 0
    said = "".join(capsys.readouterr())
    assert KEY not in said
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 10
    for file in files:
        raw = file.read_bytes()
        plain = gzip.decompress(raw) if file.suffix == ".gz" else raw
        assert KEY.encode() not in plain, file
