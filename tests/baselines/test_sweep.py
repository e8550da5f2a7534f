"""The sweep: parallel, resumable, refused where it would do harm. Episodes are stand-ins (see sweep_stand_in)."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from asyncio import CancelledError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import sweep_stand_in as stand_in

from emcoop.baselines.backends import Outcome
from emcoop.baselines.backends.local import LocalBackend
from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import Unit, expand
from emcoop.baselines.folder import locked
from emcoop.baselines.progress import Note
from emcoop.baselines.results import COLUMNS, DATABASE, Result, Store, read_frame
from emcoop.baselines.suite import load_suite, suite_hash
from emcoop.baselines.sweep import run_sweep
from emcoop.errors import ConfigError, EmCoopError

posix = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and FIFOs")


def sweep(folder: Path, runner=stand_in.play, suite=None, slots: int = 2, **more):
    return run_sweep(suite or stand_in.small_suite(), folder, LocalBackend(slots), runner=runner, **more)


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that two runs of the same suite must agree on."""
    kept = [folder / "results.csv", folder / "suite.yaml", *sorted((folder / "traces").rglob("*"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept if path.is_file()}


def attempts(folder: Path) -> list[tuple[str, str]]:
    db = sqlite3.connect(folder / DATABASE)
    try:
        return db.execute("SELECT unit, status FROM attempts ORDER BY unit, try").fetchall()
    finally:
        db.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    sweep(folder)
    return folder


def test_every_unit_has_one_row_and_one_trace(whole: Path):
    units = {unit.id: unit for unit in expand(stand_in.small_suite())}
    with (whole / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["unit"] for row in rows] == sorted(units)
    assert list(rows[0])[: len(COLUMNS) + 3] == [*COLUMNS, "score", "raw_score", "steps"]
    for row in rows:
        unit = units[row["unit"]]
        assert (row["env"], row["n_agents"], row["planner"]) == (unit.env, str(unit.n_agents), unit.planner)
        assert (row["attempt"], row["status"], row["error"]) == ("1", "completed", "")
        assert float(row["score"]) == 1 / (1 + unit.seed + unit.n_agents)
        assert row["idle"] == ""
        assert (whole / row["trace"]).is_file()
    assert len(list((whole / "traces").iterdir())) == len(units)


def test_the_frame_for_the_report_equals_the_table(whole: Path):
    frame = read_frame(whole)
    assert len(frame) == 12
    assert frame["idle"].isna().all()
    assert frame["n_agents"].dtype.kind == "i"
    with (whole / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [str(value) for value in frame["score"]] == [row["score"] for row in rows]


def test_the_folder_holds_the_suite_and_where_it_ran(whole: Path):
    assert suite_hash(load_suite(whole / "suite.yaml")) == suite_hash(stand_in.small_suite())
    about = json.loads((whole / "environment.json").read_text(encoding="utf-8"))
    assert about["sessions"][0]["versions"]["emcoop"]
    assert about["sessions"][0]["wall_seconds"] > 0
    assert about["infra_errors"] == 0


def test_a_finished_sweep_runs_nothing_again_and_another_number_of_workers_changes_nothing(whole: Path, tmp_path: Path):
    before = contents(whole)
    sweep(whole, runner=stand_in.always_die)
    assert contents(whole) == before
    sweep(tmp_path / "one", slots=1)
    assert contents(tmp_path / "one") == before


def test_threads_give_the_same_results_as_processes(whole: Path, tmp_path: Path):
    end = run_sweep(stand_in.small_suite(), tmp_path, ThreadBackend(3, lambda: None), runner=stand_in.play)
    assert not end.unfinished
    assert contents(tmp_path) == contents(whole)


def test_threads_take_units_only_as_outcomes_are_looked_at():
    taken: list[int] = []

    def units() -> Iterator[Unit]:
        for number, unit in enumerate(expand(stand_in.small_suite())):
            taken.append(number)
            yield unit

    hung_up: list[bool] = []
    outcomes = ThreadBackend(2, lambda: hung_up.append(True)).run(units(), lambda unit: Result(status="completed"))
    assert isinstance(next(outcomes), Outcome)
    assert taken == [0, 1]
    next(outcomes)
    assert taken == [0, 1, 2]
    outcomes.close()
    assert hung_up == [True]


def test_an_episode_that_raises_in_a_thread_spoils_its_own_unit_only(tmp_path: Path):
    def moody(unit: Unit, trace: Path) -> Result:
        if unit.seed == 1 and trace.parent.name.startswith("."):
            raise RuntimeError("out of luck")
        return stand_in.play(unit, trace)

    end = run_sweep(stand_in.small_suite(), tmp_path, ThreadBackend(2, lambda: None), runner=moody)
    assert len(end.unfinished) == 4
    assert all("out of luck" in error for error in end.unfinished.values())


@pytest.mark.parametrize("error", [SystemExit(3), CancelledError(), RuntimeError("a bug")])
def test_a_unit_that_wants_to_end_the_program_is_waited_for_in_vain_by_nobody(error: BaseException) -> None:
    def leave(unit: Unit) -> Result:
        raise error

    outcomes = ThreadBackend(1, lambda: None).run(expand(stand_in.small_suite())[:2], leave)
    results: list[Outcome] = []
    watcher = threading.Thread(target=lambda: results.extend(outcomes), daemon=True)
    watcher.start()
    watcher.join(5)
    assert [outcome.result.status for outcome in results] == ["infra_error"] * 2
    assert type(error).__name__ in results[0].result.error


@pytest.mark.parametrize("backend", [LocalBackend(2), ThreadBackend(2, lambda: None)])
def test_what_would_spoil_every_further_episode_stops_the_sweep_and_exports_what_there_is(
    backend: LocalBackend | ThreadBackend, whole: Path, tmp_path: Path
):
    end = run_sweep(stand_in.small_suite(), tmp_path, backend, runner=stand_in.refused_from_seed_one)
    assert end.stopped == "the key is refused"
    finished = [row["unit"] for row in end.rows if row["status"] == "completed"]
    assert len(finished) == 4
    assert 1 <= len(end.rows) - len(finished) <= 2
    assert len(end.unfinished) == 8
    assert (tmp_path / "results.csv").is_file()
    sweep(tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_a_database_with_other_tables_is_refused(tmp_path: Path):
    Store(tmp_path / DATABASE, suite_hash(stand_in.small_suite())).close()
    db = sqlite3.connect(tmp_path / DATABASE)
    db.execute("DELETE FROM about WHERE key = 'layout'")
    db.commit()
    db.close()
    with pytest.raises(ConfigError, match=r"another version of emcoop.*--out"):
        sweep(tmp_path)
    with pytest.raises(ConfigError, match=r"another version of emcoop"):
        read_frame(tmp_path)


def test_agent_errors_are_kept_and_not_repeated(tmp_path: Path):
    end = sweep(tmp_path, runner=stand_in.fail_as_agent)
    assert not end.unfinished
    sweep(tmp_path)
    statuses = [status for _, status in attempts(tmp_path)]
    assert statuses.count("agent_error") == 4
    assert len(statuses) == 12


def test_a_killed_worker_spoils_its_own_unit_only_and_the_table_does_not_show_it(whole: Path, tmp_path: Path):
    end = sweep(tmp_path, runner=stand_in.die_once)
    assert not end.unfinished
    spoilt = [unit for unit, status in attempts(tmp_path) if status == "infra_error"]
    assert len(spoilt) == 1
    (tmp_path / "traces" / "died-once").unlink()
    assert contents(tmp_path) == contents(whole)
    about = json.loads((tmp_path / "environment.json").read_text(encoding="utf-8"))
    assert about["infra_errors"] == 1


def test_workers_are_replaced_after_their_share(whole: Path, tmp_path: Path):
    run_sweep(stand_in.small_suite(), tmp_path, LocalBackend(1, max_tasks=5), runner=stand_in.play)
    assert contents(tmp_path) == contents(whole)


def test_infra_errors_are_bounded_in_one_session_and_tried_again_on_resume(whole: Path, tmp_path: Path):
    end = sweep(tmp_path, runner=stand_in.fail_at_seed_one)
    assert len(end.unfinished) == 4
    assert all("out of luck" in error for error in end.unfinished.values())
    rows = [row for row in end.rows if row["status"] == "infra_error"]
    assert [row["unit"] for row in rows] == sorted(end.unfinished)
    assert [status for _, status in attempts(tmp_path)].count("infra_error") == 2 * 4
    sweep(tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_workers_that_all_die_end_the_sweep_with_a_sentence(tmp_path: Path):
    with pytest.raises(EmCoopError, match=r"worker processes died one after the other .*exit code 9"):
        sweep(tmp_path, runner=stand_in.always_die)


def test_a_full_disk_in_a_worker_ends_the_sweep_and_loses_nothing(whole: Path, tmp_path: Path):
    with pytest.raises(EmCoopError, match=r"No space left on device: .*finished episodes are safe"):
        sweep(tmp_path, runner=stand_in.full_disk, slots=1)
    assert [status for _, status in attempts(tmp_path)].count("completed") == 4
    assert not list((tmp_path / "traces").glob(".*"))
    sweep(tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_a_full_disk_under_the_database_keeps_what_was_written(tmp_path: Path):
    unit, other = expand(stand_in.small_suite())[:2]
    store = Store(tmp_path / DATABASE, "abc")
    store.append(unit, Result(status="completed", metrics={"score": 0.5}))
    store._db.execute("PRAGMA max_page_count=1")  # the engine then reports a full disk
    with pytest.raises(EmCoopError, match="full; finished episodes are safe"):
        store.append(other, Result(status="completed", error="x" * 100_000))
    store.close()
    again = Store(tmp_path / DATABASE, "abc")
    assert set(again.finished()) == {unit.id}
    again.close()


def test_the_database_refuses_a_second_result_of_a_unit(tmp_path: Path):
    unit = expand(stand_in.small_suite())[0]
    store = Store(tmp_path / DATABASE, "abc")
    store.append(unit, Result(status="infra_error", error="lost"))
    store.append(unit, Result(status="completed", metrics={"score": 0.5, "idle": math.nan}))
    with pytest.raises(EmCoopError, match="already holds a finished episode"):
        store.append(unit, Result(status="completed"))
    assert [row["score"] for row in store.rows()] == [0.5]
    store.close()


def test_ctrl_c_stops_cleanly_and_the_same_call_goes_on(whole: Path, tmp_path: Path):
    @contextmanager
    def interrupting(units: Sequence[Unit], finished: Mapping[str, Result]) -> Iterator[Note]:
        seen: list[str] = []

        def note(unit: Unit, result: Result) -> None:
            seen.append(unit.id)
            if len(seen) == 3:
                raise KeyboardInterrupt

        yield note

    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, watch=interrupting)
    assert len(attempts(tmp_path)) == 3
    assert not list((tmp_path / "traces").glob(".*"))
    sweep(tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_the_folder_of_another_suite_is_refused_and_left_alone(whole: Path):
    before = contents(whole)
    with pytest.raises(ConfigError, match=r"holds the results of another suite .*--out"):
        sweep(whole, suite=stand_in.small_suite(max_steps=21))
    assert contents(whole) == before


def test_the_folder_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("emcoop.baselines.results.__version__", "0.0.1")
    Store(tmp_path / DATABASE, suite_hash(stand_in.small_suite())).close()
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"begun with emcoop 0\.0\.1"):
        sweep(tmp_path)


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not the folder of a sweep \(it holds 'thesis.tex'\)"):
        sweep(tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(EmCoopError, match="cannot write"):
        sweep(file)


def test_a_damaged_database_is_refused(tmp_path: Path):
    (tmp_path / DATABASE).write_bytes(b"not a database at all" * 400)
    with pytest.raises(ConfigError, match="damaged or not a database"):
        sweep(tmp_path)


def test_a_second_sweep_on_one_folder_is_refused_while_the_first_runs(whole: Path):
    with locked(whole), pytest.raises(ConfigError, match="another sweep is running"):
        sweep(whole)
    assert not sweep(whole).unfinished


@posix
def test_a_killed_sweep_takes_its_workers_along_and_resumes_to_the_same_results(whole: Path, tmp_path: Path):
    folder, gate = tmp_path / "run", tmp_path / "gate"
    os.mkfifo(gate)
    script = [sys.executable, stand_in.__file__, str(folder)]
    blocked = {**os.environ, stand_in.GATE: str(gate)}
    for _ in range(2):
        first = subprocess.Popen(script, env=blocked, stdout=subprocess.PIPE, text=True)
        assert first.stdout is not None
        for line in first.stdout:
            if line.startswith(("8/12", "resuming: 8 of 12")):
                break
        first.send_signal(signal.SIGKILL)
        first.stdout.read()  # ends when nobody holds the pipe any more: the workers are gone too
        assert first.wait() == -signal.SIGKILL
        assert [status for _, status in attempts(folder)] == ["completed"] * 8
        assert not (folder / "results.csv").exists()
    again = subprocess.run(script, capture_output=True, text=True, check=True)
    assert "resuming: 8 of 12" in again.stdout
    assert "finished 12" in again.stdout
    assert [status for _, status in attempts(folder)] == ["completed"] * 12
    assert contents(folder) == contents(whole)
