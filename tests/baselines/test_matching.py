"""The sweep writes the table of matched runs: real episodes, the same bytes however often it was interrupted."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd
import pytest
import yaml

from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import Unit, expand
from emcoop.baselines.matching import MATCHED_COLUMNS, MATCHED_TABLE, matched_table, with_matched
from emcoop.baselines.results import Result, read_frame, read_rows
from emcoop.baselines.schema import Suite
from emcoop.baselines.suite import suite_from_data
from emcoop.baselines.sweep import run_episode_of, run_sweep
from emcoop.cli import main
from emcoop.metrics import statistics

SUITE = {
    "name": "matching",
    "environments": [{"id": "Cube-v0", "variants": [{"grid_size": 10, "blocks": {"1": 2, "2": 1}}]}],
    "team_sizes": [1, 3],
    "topologies": ["individual", "decentralized"],
    "planners": ["random", "team", "oracle"],
    "regimes": {"open": {}},
    "conditions": {"plain": {}, "lossy": {"channel": {"loss": 0.5}}, "mute": {"channel": {"control": "mute"}}},
    "seeds": [0, 1],
    "max_steps": 20,
    "exclude": [
        {"planners": ["random", "oracle"], "topologies": ["decentralized"]},
        {"planners": ["random", "oracle"], "conditions": ["lossy", "mute"]},
        {"team_sizes": [1], "topologies": ["decentralized"]},
    ],
}


def suite() -> Suite:
    return suite_from_data(SUITE, "the test")


def sweep(folder: Path, runner=run_episode_of) -> None:  # type: ignore[no-untyped-def]
    run_sweep(suite(), folder, ThreadBackend(1, lambda: None), runner=runner)


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / MATCHED_TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matching") / "whole"
    sweep(folder)
    return folder


def test_there_is_a_row_per_episode_and_it_joins_the_results(whole: Path) -> None:
    rows, results = read(whole), read_rows(whole)
    assert [row["unit"] for row in rows] == [row["unit"] for row in results]
    assert tuple(rows[0]) == MATCHED_COLUMNS
    joined = with_matched(read_frame(whole), suite())
    assert len(joined) == len(rows)
    for row, told in zip(joined.to_dict("records"), rows, strict=True):
        assert row["reference_single"] == told["reference_single"]
        assert told["communication_value"] in ("", str(row["communication_value"]))


def test_numbers_are_those_of_the_two_rows(whole: Path) -> None:
    results = {row["unit"]: row for row in read_rows(whole)}
    talking = [row for row in read(whole) if row["topology"] == "decentralized" and row["condition"] == "plain"]
    assert len(talking) == 2
    for row in talking:
        mine, alone = results[row["unit"]], results[row["reference_individual"]]
        assert (alone["topology"], alone["seed"], alone["condition"]) == ("individual", mine["seed"], "plain")
        decisions = [round(one["decisions_per_step"] * one["steps"]) for one in (mine, alone)]
        assert float(row["coordination_overhead_individual"]) == 100 * (decisions[0] - decisions[1]) / decisions[1]
        silent = results[row["reference_silent"]]
        assert silent["condition"] == "mute"
        assert float(row["communication_value"]) == mine["score"] - silent["score"]
        lossy = results[row["unit"]]["score"], next(
            one["score"] for one in results.values()
            if (one["condition"], one["topology"], one["seed"]) == ("lossy", "decentralized", mine["seed"])
        )  # fmt: skip
        assert float(row["drop_sensitivity"]) == pytest.approx((lossy[0] - lossy[1]) / 0.5)
        assert results[row["reference_single"]]["n_agents"] == 1
        assert results[row["reference_oracle"]]["planner"] == "oracle"
        assert row["reference_clean"] == row["fault_tolerance"] == ""


def test_an_interrupted_sweep_ends_with_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    def moody(unit: Unit, trace: Path) -> Result:
        if unit.seed == 1 and trace.parent.name.startswith("."):
            return Result(status="infra_error", error="out of luck")
        return run_episode_of(unit, trace)

    sweep(tmp_path, runner=moody)
    early = read(tmp_path)
    assert {row["seed"] for row in early} == {"0"}, "what is there is compared"
    sweep(tmp_path)
    assert (tmp_path / MATCHED_TABLE).read_bytes() == (whole / MATCHED_TABLE).read_bytes()
    (whole / MATCHED_TABLE).unlink()
    sweep(whole)
    assert (tmp_path / MATCHED_TABLE).read_bytes() == (whole / MATCHED_TABLE).read_bytes()


def test_only_completed_episodes_are_compared(whole: Path) -> None:
    rows = read_rows(whole)
    spoilt = [{**row, "status": "agent_error"} if row["topology"] == "individual" else row for row in rows]
    left = matched_table(expand(suite()), spoilt)
    assert {row["topology"] for row in left} == {"decentralized"}
    assert {row["reference_individual"] for row in left} == {""}
    assert all(math.isnan(row["coordination_overhead_single"]) for row in left)


def test_a_table_without_finished_episodes_has_a_heading(whole: Path) -> None:
    frame = with_matched(read_frame(whole).iloc[:0], suite())
    assert set(MATCHED_COLUMNS) <= set(frame.columns)
    assert not len(frame)


def test_rows_without_the_metrics_give_no_numbers(whole: Path) -> None:
    bare = read_frame(whole)[["unit", "seed", "status"]]
    frame = with_matched(bare, suite())
    assert frame["coordination_overhead_individual"].isna().all()
    assert (frame["reference_individual"] != "").any()


def test_differences_can_be_estimated_over_seeds(whole: Path) -> None:
    table = pd.read_csv(whole / MATCHED_TABLE)
    cell = table[(table["topology"] == "decentralized") & (table["condition"] == "plain")]
    found = statistics.means({name: cell[name] for name in ("communication_value", "regret")})
    assert found["communication_value"].n == 2


def test_the_command_says_where_the_table_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The report has tests of its own, and takes longer than all the rest.
    monkeypatch.setattr("emcoop.baselines.summary.write_report", lambda folder: folder / "report.html")
    small = {**SUITE, "conditions": {}, "seeds": [0], "planners": ["team"], "exclude": [], "max_steps": 5}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    out = tmp_path / "run"
    main(["sweep", str(tmp_path / "s.yaml"), "--out", str(out), "--jobs", "1"])
    assert f"matched: {out / MATCHED_TABLE}" in capsys.readouterr().out
    assert len(read(out)) == 4
