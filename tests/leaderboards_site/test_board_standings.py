"""Who stands where on the board, who is only shown, and who is neither."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from board_tools import SUITE, crowd, entry, seal, verdict_of, write_submission

from emcoop.leaderboards.board import Board, Standing, SuiteBoard, make_board, make_suite_board
from emcoop.leaderboards.entries import Entry
from emcoop.leaderboards.metadata import read_metadata
from emcoop.leaderboards.problems import Problem


def by_name(board: SuiteBoard) -> dict[str, Standing]:
    return {one.metadata.name: one for one in board.standings}


def only(board: Board) -> Standing:
    (standing,) = [one for suite in board.suites for one in suite.standings]
    return standing


def test_better_teams_stand_higher(board: Board) -> None:
    ranked = [one for one in board.suites[0].standings if one.place is not None]
    assert ranked[0].metadata.name == "Deliberate negotiators"
    assert [one.metadata.name for one in ranked[-2:]] == ["Greedy", "Random"]
    ranks = [one.place.rank for one in ranked if one.place]
    assert ranks == sorted(ranks)
    for one in ranked:
        assert one.place is not None
        assert one.place.low <= one.place.rank <= one.place.high


def test_ranks_do_not_depend_on_the_order_of_folders(board: Board) -> None:
    entries = crowd()
    random.Random(3).shuffle(entries)
    again = make_suite_board(SUITE, entries)
    # Estimates hold NaN, which equals nothing: the texts have to be the same.
    assert repr(again) == repr(board.suites[0])


def on_scale(made: Entry, scale: tuple[float, float] | None) -> Entry:
    """Return an entry whose suite has other ends of the scale."""
    units = [msgspec.structs.replace(unit, scale=scale) for unit in made.submission.units]
    return replace(made, submission=msgspec.structs.replace(made.submission, units=units))


def test_the_scale_goes_from_the_random_team_to_the_oracle() -> None:
    suite = make_suite_board(SUITE, [entry("Half", 0.0)])
    standing = suite.standings[0]
    assert abs(standing.score.value) < 0.05
    other = make_suite_board(SUITE, [on_scale(entry("Half", 0.0), (0.0, 0.5))])
    assert other.standings[0].score.value == pytest.approx((0.1 + 0.8 * standing.score.value) / 0.5, abs=1e-6)
    assert other.standings[0].raw.value == standing.raw.value


def test_without_references_there_are_ranks_but_no_normalised_scores() -> None:
    bare = [on_scale(entry(name, score), None) for name, score in (("Good", 0.9), ("Bad", 0.1))]
    standings = make_suite_board(SUITE, bare).standings
    assert [one.metadata.name for one in standings] == ["Good", "Bad"]
    assert math.isnan(standings[0].score.value)
    assert standings[0].raw.value > standings[1].raw.value


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Oracle", "knows what agents may not know"),
        ("SmolLM2 135M", "a check of the plumbing"),
        ("Looked at by nobody", "not verified"),
        ("Half verified", "verified up to L1 only"),
    ],
)
def test_some_are_shown_and_not_ranked(board: Board, name: str, reason: str) -> None:
    standing = by_name(board.suites[0])[name]
    assert standing.place is None
    assert reason in standing.why
    assert standing.duels == {}


def test_what_is_not_ranked_moves_nobody(board: Board) -> None:
    ranked = [one for one in board.suites[0].standings if one.place is not None]
    kept = {one.name for one in ranked}
    alone = make_suite_board(SUITE, [one for one in crowd() if one.submission.layout.folder.name in kept])
    assert [(one.name, one.place) for one in alone.standings] == [(one.name, one.place) for one in ranked]


def test_claims_are_not_shown() -> None:
    for level in (None, -1, 0):
        standing = make_suite_board(SUITE, [entry("Claims", 0.9, level=level)]).standings[0]
        assert not standing.is_shown
        numbers = [standing.score, standing.raw, *standing.cells.values(), *standing.process.values()]
        assert all(math.isnan(one.value) for one in numbers)
        assert standing.examples == []


def test_who_fails_on_fresh_seeds_is_not_ranked() -> None:
    failed = entry("Too good", 0.9, level=2)
    assert failed.verdict is not None
    problem = Problem(3, "fresh-seeds", "", "mean score is 0.300 higher than on fresh seeds")
    verdict = msgspec.structs.replace(failed.verdict, asked=3, problems=[problem], problem_count=1)
    standing = make_suite_board(SUITE, [Entry(failed.submission, verdict)]).standings[0]
    assert standing.place is None
    assert "failed a level above L2: L3 fresh-seeds" in standing.why


def test_duels_are_two_sided(board: Board) -> None:
    ranked = {one.name: one for one in board.suites[0].standings if one.place is not None}
    for one in ranked.values():
        assert one.duels.keys() == ranked.keys() - {one.name}
        for other, duel in one.duels.items():
            back = ranked[other].duels[one.name]
            assert duel.share + back.share == pytest.approx(1)
            assert (duel.difference.low, duel.difference.high) == (-back.difference.high, -back.difference.low)


def test_examples_are_the_best_the_worst_and_one_between(board: Board) -> None:
    examples = {example.which: example.score for example in board.suites[0].standings[0].examples}
    assert examples["worst"] < examples["typical"] < examples["best"]


def test_a_pair_on_which_the_consensus_differs_is_named() -> None:
    """Three cells: A wins two narrowly and is last in the third; Borda puts B first, most cells prefer A."""

    def system(name: str, scores: dict[int, float]) -> Entry:
        made = entry(name, 0.5)
        rows = []
        for row in made.submission.rows:
            n = next(unit.n_agents for unit in made.submission.units if unit.id == row.unit)
            rows.append(msgspec.structs.replace(row, metrics=row.metrics | {"score": scores[n]}))
        return Entry(msgspec.structs.replace(made.submission, rows=rows), made.verdict)

    a, b = system("A", {2: 0.9, 4: 0.9, 8: 0.1}), system("B", {2: 0.8, 4: 0.8, 8: 0.9})
    c = system("C", {2: 0.3, 4: 0.3, 8: 0.8})
    d = system("D", {2: 0.2, 4: 0.2, 8: 0.7})
    suite = make_suite_board(SUITE, [a, b, c, d])
    assert suite.standings[0].metadata.name == "B"
    (pair,) = suite.disagreements
    assert (pair.kemeny_first.endswith("a"), pair.borda_first.endswith("b")) == (True, True)


# Folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_with_a_record_that_holds_is_ranked(tmp_path: Path) -> None:
    write_submission(tmp_path, "Honest", 0.6)
    standing = only(make_board([tmp_path / "2026-03-01_honest"]))
    assert standing.place is not None
    assert (standing.badge, standing.kind) == (2, "entry")


def change_table(folder: Path) -> None:
    path = folder / "results.csv"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8", newline="")


def change_words(folder: Path) -> None:
    path = folder / "metadata.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("Made of numbers.", "The best."), encoding="utf-8")


def no_json(folder: Path) -> None:
    (folder / "verification.json").write_text("{" * 10_000, encoding="utf-8")


def resealed(**changes: Any) -> Any:
    def change(folder: Path) -> None:
        seal(folder, read_metadata(folder), **changes)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "verification.json").unlink(),
        change_words,
        no_json,
        resealed(content="0" * 64),
        resealed(suite_hash="0" * 64),
        resealed(schema_="emcoop-verification-9"),
        resealed(level=4, asked=4),
        resealed(level=3, asked=2),
        resealed(episodes=1),
        resealed(emcoop="9.9"),
        resealed(suite="another"),
    ],
)
def test_a_record_that_does_not_hold_is_none(tmp_path: Path, change: Any) -> None:
    folder = write_submission(tmp_path, "Honest", 0.6)
    change(folder)
    standing = only(make_board([folder]))
    assert (standing.badge, standing.why, standing.place) == (-1, "not verified", None)
    assert math.isnan(standing.raw.value)


def test_unreadable_folders_are_listed_with_the_reason(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, "Broken", 0.6)
    change_table(folder)
    other = write_submission(tmp_path, "Strange file", 0.6)
    (other / "run.sh").write_text("echo", encoding="utf-8")
    empty = tmp_path / "2026-01-01_empty"
    empty.mkdir()
    fine = write_submission(tmp_path, "Fine", 0.4)
    board = make_board([folder, other, empty, fine])
    assert only(board).metadata.name == "Fine"
    assert set(board.unreadable) == {folder.name, other.name, empty.name}
    assert "run.sh" in board.unreadable[other.name]
    assert "missing" in board.unreadable[empty.name]


def test_an_entry_cannot_call_itself_one_of_ours(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, "Ours", 0.6, kind="reference")
    assert "kind" in make_board([folder]).unreadable[folder.name]
    assert only(make_board([], [folder])).kind == "reference"


def test_one_name_is_taken_once(tmp_path: Path) -> None:
    own, strange = (write_submission(tmp_path / place, "Team", 0.6) for place in ("reference", "submissions"))
    board = make_board([strange], [own])
    assert only(board).kind == "reference"
    assert "another submission has this name" in board.unreadable[strange.name]


def test_a_record_of_the_version_it_was_made_with_holds_on(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, "Old", 0.6, emcoop="0.0.9", level=None)
    assert "0.0.9" in make_board([folder]).unreadable[folder.name]
    seal(folder, read_metadata(folder), emcoop="0.0.9")
    assert only(make_board([folder])).place is not None


def test_the_record_of_the_tests_is_one_of_the_verifier() -> None:
    assert json.loads(msgspec.json.encode(verdict_of(crowd()[0].submission.metadata, 2)))["problems"] == []
