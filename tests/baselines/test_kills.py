"""The command that kills sweeps: it finds what it looks for, and (slow) finds nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sweep_stand_in as stand_in

from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.kills import main
from emcoop.baselines.left_behind import differences, look, lost_or_repeated
from emcoop.baselines.results import DATABASE
from emcoop.baselines.sweep import run_sweep


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    run_sweep(stand_in.small_suite(), folder, ThreadBackend(2, lambda: None), runner=stand_in.play)
    return folder


def execute(folder: Path, *statements: str) -> None:
    with sqlite3.connect(folder / DATABASE) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def double_in_table(folder: Path) -> None:
    lines = (folder / "results.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "results.csv").write_text("".join([*lines[:-1], lines[1]]), encoding="utf-8")


def change_a_trace(folder: Path) -> None:
    one, other, *_ = sorted((folder / "traces").iterdir())
    shutil.copy(one, other)


def score_twice(folder: Path) -> None:
    with sqlite3.connect(folder / DATABASE) as db:
        row = list(db.execute("SELECT * FROM attempts ORDER BY unit LIMIT 1").fetchone())
        names = [column[1] for column in db.execute("PRAGMA table_info(attempts)")]
        row[names.index("try")] = 2
        db.execute("DROP INDEX scored_once")
        db.execute(f"INSERT INTO attempts VALUES ({', '.join('?' * len(row))})", row)
    db.close()


FIRST = "(SELECT min(unit) FROM attempts)"
WRONGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a row less": (lambda f: execute(f, f"DELETE FROM attempts WHERE unit = {FIRST}"), "the scored attempt of"),
    "another score": (lambda f: execute(f, f"UPDATE attempts SET metrics = '{{}}' WHERE unit = {FIRST}"), "scored att"),
    "scored twice": (score_twice, "was scored 2 times"),
    "an attempt vanished": (lambda f: execute(f, f"UPDATE attempts SET try = 2 WHERE unit = {FIRST}"), "has attempts"),
    "a row twice in the table": (double_in_table, "has 2 rows of"),
    "another trace": (change_a_trace, "is not the trace of its row"),
    "a trace less": (lambda f: next((f / "traces").iterdir()).unlink(), "is missing"),
    "a leftover": (lambda f: (f / "traces" / "x.part").touch(), "is left over"),
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_whatever_differs_is_named(wrong: str, whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    assert differences(whole, folder) == []
    do, said = WRONGS[wrong]
    do(folder)
    assert any(said in difference for difference in differences(whole, folder)), differences(whole, folder)


def test_lost_attempts_and_repeated_episodes_are_named(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    before = look(folder)
    assert lost_or_repeated(before, look(folder)) == []
    trace = min((folder / "traces").iterdir())
    os.utime(trace, ns=(1, 1))
    (again,) = lost_or_repeated(before, look(folder))
    assert again == f"{trace.name.split('.')[0]} was run again though it had finished"
    execute(folder, f"DELETE FROM attempts WHERE unit = {FIRST}")
    assert any("attempt 1 of" in what and "is lost" in what for what in lost_or_repeated(before, look(folder)))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ten_random_kills_lose_and_double_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--kills", "10", "--seed", "6", "--no-report"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert said.count("\nkill ") == 10
    assert "equal to an undisturbed sweep, byte for byte" in said
