"""`emcoop leaderboard build`, from folders on disk to pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_tools import shown, write_submission

import emcoop
from emcoop.cli import main
from emcoop.leaderboards.frozen import frozen_hashes

SUITE = next(iter(frozen_hashes()))


def test_submissions_become_a_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_submission(tmp_path / "leaderboards" / "submissions", "Honest", 0.6)
    write_submission(tmp_path / "leaderboards" / "submissions", "Nobody", 0.7, level=None)
    write_submission(tmp_path / "leaderboards" / "reference", "Random", 0.0, kind="reference", planner="random")
    (tmp_path / "leaderboards" / "submissions" / "2026-01-01_empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard", "build", "-o", "out"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(Path("out") / "index.html")
    assert "left out: 2026-01-01_empty: " in told.err
    assert "no viewer: 2026-03-01_honest: typical: " in told.err  # its traces are none
    text = shown((tmp_path / "out" / SUITE / "index.html").read_text(encoding="utf-8"))
    assert text.index("Honest") < text.index("Random") < text.index("Not ranked: not verified")


def test_viewers_are_made_of_traces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_submission(tmp_path / "all", "Seen", 0.6)
    one = tmp_path / "one.jsonl.gz"
    emcoop.run_episode("Cube-v0", n_agents=2, planner="team", seed=0, max_steps=5, trace=one)
    for path in (folder / "traces").iterdir():
        path.write_bytes(one.read_bytes())
    assert main(["leaderboard", "build", "-o", str(tmp_path / "out"), "--submissions", str(tmp_path / "all")]) == 0
    viewer = tmp_path / "out" / SUITE / folder.name / "best.html"
    assert "Cube-v0" in viewer.read_text(encoding="utf-8")
    assert 'href="best.html"' in (viewer.parent / "index.html").read_text(encoding="utf-8")
    out = tmp_path / "bare"
    assert main(["leaderboard", "build", "-o", str(out), "--submissions", str(tmp_path / "all"), "--no-viewers"]) == 0
    assert not list(out.rglob("best.html"))


def test_wrong_places_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard", "build"]) == 2
    assert "run it in a clone" in capsys.readouterr().err
    assert main(["leaderboard", "build", "--submissions", "nowhere", "--reference", str(tmp_path)]) == 2
    assert "nowhere is no folder" in capsys.readouterr().err
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    assert main(["leaderboard", "build", "--submissions", str(tmp_path), "-o", "precious"]) == 2
    assert "holds something that is no leaderboard" in capsys.readouterr().err


def test_a_board_without_submissions_is_a_site_too(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    none = str(tmp_path / "none")
    assert main(["leaderboard", "build", "--submissions", none, "--reference", none, "-o", str(tmp_path / "out")]) == 0
    assert "no submissions yet" in (tmp_path / "out" / SUITE / "index.html").read_text(encoding="utf-8")
