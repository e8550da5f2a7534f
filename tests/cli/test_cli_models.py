"""Language models, topologies with options, channels and monitors on the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

import emcoop
from emcoop.baselines import recordings
from emcoop.cli import main
from emcoop.cli.settings import read_spec, read_topology
from emcoop.errors import ConfigError
from emcoop.trace.schema import LlmCall

RUN = ["run", "Cube-v0", "--agents", "2", "--max-steps", "4"]
ASK = [*RUN, "--planner", "llm:test/schema"]
SUITE: dict[str, Any] = {
    "name": "tiny",
    "environments": [{"id": "Cube-v0"}],
    "team_sizes": [2],
    "topologies": ["individual"],
    "planners": [{"name": "llm", "model": "test/schema", "prompts": "short"}],
    "regimes": {"open": {}},
    "seeds": [0],
    "max_steps": 3,
}


def suite_file(folder: Path, **changes: Any) -> str:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**SUITE, **changes}), encoding="utf-8")
    return str(path)


def shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of a folder be the cassettes that ship."""
    found = {path.stem: path for path in folder.glob("*.sqlite")}
    monkeypatch.setattr(recordings, "_shipped", lambda: found)


def test_a_run_keeps_its_calls_and_replays_them_under_the_same_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    kept = ["--cassette", str(tmp_path / "calls.sqlite")]
    traces = [tmp_path / "live.jsonl", tmp_path / "again.jsonl"]
    assert main([*ASK, *kept, "--trace", str(traces[0])]) == 0
    assert main([*ASK, *kept, "--cassette-mode", "replay", "--trace", str(traces[1])]) == 0
    assert traces[0].read_bytes() == traces[1].read_bytes()
    calls = emcoop.read_trace(traces[0]).of(LlmCall)
    assert calls
    assert not any(call.prompt for call in calls)
    capsys.readouterr()
    assert main([*ASK, *kept, "--cassette-mode", "replay", "--trial", "1"]) == 1
    assert "has no answer of test/schema" in capsys.readouterr().err


def test_prompts_are_kept_on_request(tmp_path: Path):
    trace = tmp_path / "one.jsonl"
    assert main([*ASK, "--keep-text", "--trace", str(trace)]) == 0
    assert all(call.prompt for call in emcoop.read_trace(trace).of(LlmCall))


def test_a_spent_budget_ends_the_episode_unscored(capsys: pytest.CaptureFixture[str]):
    assert main([*ASK, "--max-tokens", "1", "--json"]) == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["status"] == "infra_error"
    assert report["metrics"]["score"] is None
    assert "max_tokens=1" in captured.err


def test_topology_channel_and_monitors_are_recorded_with_the_episode(tmp_path: Path):
    trace = tmp_path / "one.jsonl"
    more = ["--topology", "tree:b=1", "--channel", "loss=0.25", "--channel", "delay=1", "--monitor", "feasibility"]
    assert main([*RUN, "--planner", "team", *more, "--trace", str(trace)]) == 0
    episode = emcoop.read_trace(trace).episode
    assert episode.topology == {"name": "tree", "b": 1}
    assert (episode.channel["loss"], episode.channel["delay"]) == (0.25, 1)
    assert [monitor["name"] for monitor in episode.monitors] == ["feasibility"]
    assert not math.isnan(emcoop.score_trace(trace)["repair_notices"])


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("debate", "debate"),
        ("tree:b=3", {"name": "tree", "b": 3}),
        ("small_world:k=2,p=0.5", {"name": "small_world", "k": 2, "p": 0.5}),
        ("graph:edges=[[0,1],[1,2]],directed=true", {"name": "graph", "edges": [[0, 1], [1, 2]], "directed": True}),
        ('x:a="b,c",d=e', {"name": "x", "a": "b,c", "d": "e"}),
    ],
)
def test_options_stand_behind_the_name(given: str, read: object):
    assert read_topology(given) == read


@pytest.mark.parametrize("given", ["tree:", "tree:b", "tree:b=1,,c=2", ":b=1", "tree:name=x", "tree:b=1,b=2"])
def test_options_that_are_none_are_refused(given: str):
    with pytest.raises(ConfigError, match="--topology"):
        read_spec(given, "--topology", "b=3")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([*ASK, "--cassette", "nosuch"], "unknown cassette"),
        ([*ASK, "--cassette-mode", "replay"], "needs a cassette"),
        ([*ASK, "--cassette", "./nosuch.sqlite", "--cassette-mode", "replay"], "there is no cassette"),
        ([*ASK, "--max-usd", "-1"], "max_usd"),
        ([*ASK, "--concurrency", "0"], "concurrency"),
        ([*ASK, "--timeout", "0"], "timeout"),
        ([*ASK, "--prices", "nosuch.yaml"], "nosuch.yaml"),
        ([*RUN, "--planner", "llm:tset/schema"], "did you mean 'test'"),
        ([*RUN, "--planner", "llm"], "model"),
        ([*RUN, "--topology", "tree:c=1"], "option of topology 'tree'"),
        ([*RUN, "--topology", "tree:3"], "such as --topology tree:b=3"),
        ([*RUN, "--topology", "tree,b=3"], "as in --topology tree:b=3"),
        ([*RUN, "--planner", "openai/gpt-4o-mini"], "write llm:openai/gpt-4o-mini"),
        ([*RUN, "--channel", "los=0.1"], "did you mean 'loss'"),
        ([*RUN, "--channel", "loss"], "--channel loss=0.2"),
        ([*RUN, "--monitor", "feasability"], "did you mean 'feasibility'"),
        (["sweep", "smoke", "--cassette", "nosuch", "--dry-run"], "unknown cassette"),
    ],
)
def test_bad_input_is_one_sentence(
    args: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(args) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"planners": [{"name": "llm", "model": "test/schema", "prompt": "short"}]}, "did you mean 'prompts'"),
        ({"planners": [{"name": "llm", "model": "gpt-4o"}]}, "provider/model"),
        ({"planners": ["llm:test/schema,prompts=short"]}, "write a mapping"),
        ({"topologies": [{"name": "tree", "b": 0}]}, "b=0"),
        ({"conditions": {"lossy": {"channel": {"loss": 2}}}}, "condition 'lossy'"),
        ({"conditions": {"lossy": {"channel": {"los": 0.1}}}}, "did you mean 'loss'"),
        ({"conditions": {"slow": {"thinking_rounds": [3, 1]}}}, "condition 'slow'"),
        ({"conditions": {"watched": {"monitors": ["feasability"]}}}, "did you mean 'feasibility'"),
    ],
)
def test_a_suite_whose_settings_do_not_fit_is_refused_before_anything_runs(
    changes: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["sweep", suite_file(tmp_path, **changes), "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_environment_that_does_not_fit_is_met_before_any_model_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = suite_file(tmp_path, environments=[{"id": "Cube-v0", "variants": [{"grid_size": 1}]}])
    assert main(["sweep", path, "--out", str(tmp_path / "out")]) == 2
    assert "grid_size" in capsys.readouterr().err


def test_a_cassette_that_ships_is_named_and_only_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path, folder = suite_file(tmp_path), tmp_path / "shipped"
    folder.mkdir()
    assert main(["sweep", path, "--out", str(tmp_path / "a"), "--cassette", str(folder / "small.sqlite")]) == 0
    before = (folder / "small.sqlite").read_bytes()
    shipped(folder, monkeypatch)
    call = ["sweep", path, "--cassette", "small"]
    assert main([*call, "--out", str(tmp_path / "b")]) == 0
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()
    assert (folder / "small.sqlite").read_bytes() == before
    assert len(list(folder.iterdir())) == 1
    about = json.loads((tmp_path / "b" / "environment.json").read_text(encoding="utf-8"))
    assert about["sessions"][0]["models"]["cassette_mode"] == "replay"
    assert main([*call, "--cassette-mode", "record", "--out", str(tmp_path / "c")]) == 2
    assert "only replayed" in capsys.readouterr().err
    assert main(["sweep", path, "--cassette", "smal", "--out", str(tmp_path / "c")]) == 2
    assert "did you mean 'small'" in capsys.readouterr().err


def test_a_dry_run_estimates_tokens_and_money_and_asks_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    planners = ["llm:openai/nosuch", {"name": "llm", "model": "test/schema", "prompts": "short"}, "team"]
    path = suite_file(tmp_path, planners=planners, seeds=[0, 1])

    def told(*more: str) -> dict[str, str]:
        assert main(["sweep", path, "--dry-run", *more]) == 0
        return {
            key: value.strip() for key, _, value in (x.partition(":") for x in capsys.readouterr().out.splitlines())
        }

    without = told()
    assert "no price of openai/nosuch, give --prices" in without["money"]
    assert without["tokens"].startswith("at most about ")
    prices = tmp_path / "prices.yaml"
    prices.write_text("openai/nosuch: {input: 10, output: 30}\n", encoding="utf-8")
    priced = told("--prices", str(prices))
    assert priced["tokens"] == without["tokens"]
    assert float(priced["money"].split()[0]) > 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["prices.yaml", "tiny.yaml"]


def test_the_estimate_of_tokens_grows_with_episodes_and_counts_the_prompts(tmp_path: Path):
    from emcoop.baselines.estimate import estimate, think_once
    from emcoop.baselines.expansion import expand
    from emcoop.baselines.suite import load_suite

    one = expand(load_suite(suite_file(tmp_path)))
    more = expand(load_suite(suite_file(tmp_path, seeds=[0, 1, 2])))
    first, three = estimate(one), estimate(more)
    assert first.tokens
    assert three.tokens == 3 * first.tokens
    (thought,) = think_once(one[0]) or []
    assert thought.model == "test/schema"
    assert first.tokens == pytest.approx(first.decisions * (thought.prompt_tokens + thought.completion_tokens), abs=2)


def test_list_names_chat_models_monitors_and_how_options_are_given(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name in (*emcoop.list_chat_models(), *emcoop.list_monitors(), "local-model"):
        assert f"  {name} " in text
    assert "topologies, options as NAME:OPTION=VALUE" in text
