"""The project's own rows: there for every frozen suite, verified, small, and still what this code gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from emcoop.baselines.schema import label_of
from emcoop.baselines.suite import load_suite, suite_hash
from emcoop.leaderboards.board import make_board
from emcoop.leaderboards.entries import read_verdict
from emcoop.leaderboards.frozen import frozen_hashes, frozen_suite
from emcoop.leaderboards.metadata import read_metadata
from emcoop.leaderboards.references import meta_for
from emcoop.leaderboards.verify import read_submission, verify

ROWS = Path(__file__).parents[2] / "leaderboards" / "reference"
FOLDERS = sorted(ROWS.iterdir()) if ROWS.is_dir() else []
pytestmark = pytest.mark.skipif(not FOLDERS, reason="a source distribution leaves the rows out")
MOST_BYTES = 20_000_000


def test_every_row_of_every_frozen_suite_is_there() -> None:
    made = {(read_metadata(folder).suite, folder.name.partition("_")[2]) for folder in FOLDERS}
    due = {(name, meta_for(suite, one).slug) for name in frozen_hashes() for suite in [frozen_suite(name)]
           for one in suite.planners}  # fmt: skip
    assert made == due


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_verifier_has_recorded_that_a_row_passed(folder: Path) -> None:
    verdict = read_verdict(read_submission(folder, is_own=True)[0])
    assert verdict is not None, "metadata or table are not those that were verified: make the rows again"
    assert verdict.level == 2
    assert not verdict.problems
    assert verdict.suite_hash == frozen_hashes()[verdict.suite]
    assert read_metadata(folder).kind in ("reference", "plumbing")


def test_all_rows_together_are_small() -> None:
    assert sum(path.stat().st_size for path in ROWS.rglob("*") if path.is_file()) < MOST_BYTES


def test_the_hashes_of_frozen_suites_are_those_of_their_files() -> None:
    for name, digest in frozen_hashes().items():
        assert suite_hash(load_suite(name)) == digest


def test_the_ends_of_the_scale_are_what_the_rows_scored() -> None:
    """Mean scores of the random and the oracle row in every world are the references of the suite."""
    for name in frozen_hashes():
        suite = frozen_suite(name)
        scores = {
            label_of(standing.metadata.planner): standing
            for part in make_board([], FOLDERS).suites
            if part.suite.name == name
            for standing in part.standings
        }
        if not suite.references:
            continue
        for planner, end in (("random", 0.0), ("oracle", 1.0)):
            means = [cell.value for cell in scores[planner].cells.values()]
            assert means == pytest.approx([end] * len(means), abs=0.15), planner


def test_the_board_ranks_the_honest_rows_only() -> None:
    board = make_board([], FOLDERS)
    assert not board.unreadable
    for part in board.suites:
        ranked = {label_of(one.metadata.planner) for one in part.standings if one.place is not None}
        assert ranked == (set() if part.suite.name == "plumbing-v1" else {"random", "greedy", "silent:team", "team"})
    assert {part.suite.name for part in board.suites} == set(frozen_hashes())


def test_a_model_s_row_still_comes_out_the_same() -> None:
    [folder] = [folder for folder in FOLDERS if "plumbing" in folder.name]
    verdict = verify(folder, jobs=1, is_own=True)
    assert verdict.passed, verdict.problems[:1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("row", ["team-core", "silent-team-core"])
def test_every_episode_of_the_core_suite_still_comes_out_the_same(row: str) -> None:
    """One row with traces and one with joint actions; `python -m emcoop.leaderboards.references` has made them all."""
    [folder] = [folder for folder in FOLDERS if folder.name.partition("_")[2] == row]
    verdict = verify(folder, jobs=2, is_own=True)
    assert verdict.passed, verdict.problems[:1]
