"""Submissions are made whole or not at all, and of what was run."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_suites import DATE, LLM, SUITES, meta, run, submission

from emcoop.baselines.suite import with_planners
from emcoop.errors import ConfigError
from emcoop.leaderboards.layout import look
from emcoop.leaderboards.prepare import prepare
from emcoop.leaderboards.table import columns, read_table
from emcoop.leaderboards.verify import verify
from emcoop.trace import trace_digest


@pytest.fixture(scope="module")
def sweep(honest: dict[str, Path]) -> Path:
    return honest["team"].parents[1] / "sweep-team"


def test_a_submission_holds_table_metadata_and_every_trace(honest: dict[str, Path]) -> None:
    folder = honest["team"]
    assert folder.name == "2026-11-20_team"
    layout = look(folder)
    rows = read_table(layout)
    assert [row.unit for row in rows] == sorted(layout.traces)
    assert all(trace_digest(layout.traces[row.unit]) == row.digest for row in rows)
    told = yaml.safe_load((folder / "metadata.yaml").read_text())
    assert told["results_sha256"] == hashlib.sha256((folder / "results.csv").read_bytes()).hexdigest()
    assert (told["episodes"], told["planner"], told["suite"]) == (2, "team", "small-v1")
    assert told["decisions"] > 0
    assert (folder / "results.csv").read_text().split("\n")[0].split(",") == columns()


def test_preparing_again_gives_the_same_bytes(sweep: Path, honest: dict[str, Path], tmp_path: Path) -> None:
    for compact, kind in ((False, "team"), (True, "compact")):
        again = prepare(sweep, meta(kind), tmp_path, date=DATE, compact=compact)
        files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(honest[kind]) for path in honest[kind].rglob("*") if path.is_file())
        for file in files:
            assert (again / file).read_bytes() == (honest[kind] / file).read_bytes(), file


def test_a_folder_that_is_there_is_not_touched(sweep: Path, tmp_path: Path) -> None:
    made = prepare(sweep, meta("twice"), tmp_path, date=DATE)
    before = (made / "metadata.yaml").read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        prepare(sweep, meta("twice", name="Another"), tmp_path, date=DATE)
    assert (made / "metadata.yaml").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


def test_a_missing_trace_is_said_and_leaves_nothing(sweep: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sweep"
    shutil.copytree(sweep, copy)
    next((copy / "traces").glob("*.jsonl.gz")).unlink()
    with pytest.raises(ConfigError, match="is not in"):
        prepare(copy, meta("gone"), tmp_path / "out", date=DATE)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("planner", "changes", "compact", "sentence"),
    [
        ("team", {"track": "standard"}, False, "planner 'team' is not `llm`"),
        (LLM, {"track": "standard", "prompts_modified": True}, False, "prompts were modified"),
        (LLM, {}, True, "leave out --compact"),
    ],
)
def test_what_no_track_takes_is_said_before_anything_is_written(
    planner: str, changes: dict[str, Any], compact: bool, sentence: str, honest: dict[str, Path], tmp_path: Path
) -> None:
    sweep = honest["team"].parents[1] / ("sweep-team" if planner == "team" else "sweep-llm")
    with pytest.raises(ConfigError, match=sentence):
        prepare(sweep, meta("none", **changes), tmp_path / "out", date=DATE, compact=compact)
    assert not (tmp_path / "out").exists()


def test_only_frozen_suites_are_taken(frozen: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = with_planners(SUITES["small-v1"], ["team"])
    monkeypatch.setitem(SUITES, "odd", type(odd)(**{**_fields(odd), "name": "odd", "seeds": [3]}))
    sweep = run("odd", "team", tmp_path / "sweep")
    with pytest.raises(ConfigError, match="only frozen suites are ranked"):
        prepare(sweep, meta("odd"), tmp_path / "out", date=DATE)


def test_one_of_several_planners_is_chosen_by_its_label(honest: dict[str, Path], tmp_path: Path) -> None:
    from emcoop.baselines.backends.threads import ThreadBackend
    from emcoop.baselines.sweep import run_sweep

    run_sweep(SUITES["wide-v1"], tmp_path / "sweep", ThreadBackend(1, lambda: None))
    with pytest.raises(ConfigError, match="say which one to submit with --planner"):
        prepare(tmp_path / "sweep", meta("which"), tmp_path / "out", date=DATE)
    for planner in ("team", "random"):
        for compact in (False, True):
            slug = f"{planner}-{'compact' if compact else 'traces'}"
            made = prepare(
                tmp_path / "sweep", meta(slug), tmp_path / "out", planner=planner, date=DATE, compact=compact
            )
            verdict = verify(made, jobs=1)
            assert (verdict.level, verdict.problems, verdict.episodes) == (2, [], 8), slug


def test_a_wide_submission_of_a_model_passes(frozen: None, tmp_path: Path) -> None:
    verdict = verify(submission(tmp_path, "wide", "wide-v1", LLM), jobs=1)
    assert (verdict.level, verdict.problems, verdict.episodes) == (2, [], 8)


def _fields(suite: Any) -> dict[str, Any]:
    return {name: getattr(suite, name) for name in suite.__struct_fields__}
