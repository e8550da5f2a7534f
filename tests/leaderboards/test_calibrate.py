"""Calibration: what is played for a suite, and which cells may be ranked; and level 3, fresh seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emcoop.baselines.expansion import expand
from emcoop.baselines.launch import run_here
from emcoop.baselines.suite import suite_from_data
from emcoop.leaderboards.calibrate import calibrate, calibration_suites, judge, references_of
from emcoop.leaderboards.fresh import check_fresh, compare, draw_seeds, without_addresses
from emcoop.leaderboards.verify import Verdict, read_submission, verify

SEEDS = 8
SUITE = suite_from_data(
    {
        "name": "tried-v1",
        "environments": [{"id": "Cube-v0"}],
        "team_sizes": [2, 4],
        "topologies": ["centralized", "debate"],
        "planners": ["team"],
        "regimes": {"matched": {"decisions_per_step": 4, "message_chars_per_step": 400}},
        "seeds": {"start": 0, "count": SEEDS},
        "max_steps": 30,
        "exclude": [{"team_sizes": [2], "topologies": ["debate"]}],
    },
    "the test",
)
GOOD = {
    "random": 0.0,
    "greedy": 0.3,
    "team": 0.6,
    "oracle": 0.95,
    "oracle(mode=alone)": 0.4,
    "oracle(mode=single)": 0.2,
}


def rows(scores: dict[str, float], spread: float = 0.01) -> list[dict[str, Any]]:
    """Return rows as calibration sweeps give them: each planner's score, a little apart between seeds."""
    return [
        {"env": "Cube-v0", "variant": "", "n_agents": n, "condition": "", "planner": planner, "topology": topology,
         "regime": "matched", "seed": seed, "score": score + spread * (seed % 3 - 1)}
        for n in (2, 4) for planner, score in scores.items() for seed in range(SEEDS)
        for topology in (("centralized", "debate") if planner == "team" else ("centralized",))
    ]  # fmt: skip


def test_every_planner_plays_every_world_once_and_the_team_every_cell() -> None:
    parts = calibration_suites(SUITE)
    assert list(parts) == ["n0002", "n0004"]
    cells = {(unit.n_agents, unit.planner, unit.topology) for part in parts.values() for unit in expand(part)}
    assert {cell[1:] for cell in cells if cell[0] == 4 and cell[1] != "team"} == {
        (planner, "centralized") for planner in GOOD if planner != "team"
    }
    assert {cell[2] for cell in cells if cell[:2] == (4, "team")} == {"centralized", "debate"}
    assert {cell[2] for cell in cells if cell[:2] == (2, "team")} == {"centralized"}


def test_a_good_cell_may_be_ranked_and_gives_the_ends_of_the_scale() -> None:
    cells = judge(SUITE, rows(GOOD))
    assert [(cell.world[2], cell.talk[0], cell.reasons) for cell in cells] == [
        (2, "centralized", ()), (4, "centralized", ()), (4, "debate", ()),
    ]  # fmt: skip
    assert [(one.n_agents, one.random, one.oracle) for one in references_of(cells)] == [
        (2, pytest.approx(0, abs=0.01), pytest.approx(0.95, abs=0.01)),
        (4, pytest.approx(0, abs=0.01), pytest.approx(0.95, abs=0.01)),
    ]


@pytest.mark.parametrize(
    ("changed", "spread", "reason"),
    [
        ({"greedy": 0.7}, 0.01, "team is below greedy"),
        ({"team": 0.94}, 0.01, "at the ceiling"),
        ({"oracle(mode=alone)": 0.97}, 0.01, "cooperation does not pay"),
        ({"oracle(mode=single)": 0.97}, 0.01, "cooperation does not pay"),
        ({}, 0.3, "intervals wide"),
    ],
)
def test_a_cell_that_tells_nothing_may_not(changed: dict[str, float], spread: float, reason: str) -> None:
    reasons = judge(SUITE, rows({**GOOD, **changed}, spread))[1].reasons
    assert any(reason in one for one in reasons), reasons


def test_references_are_really_played(tmp_path: Path) -> None:
    short = suite_from_data(
        {
            "name": "tiny-v1", "environments": [{"id": "Cube-v0"}], "team_sizes": [2], "topologies": ["centralized"],
            "planners": ["team"], "regimes": {"open": {}}, "seeds": [0, 1], "max_steps": 12,
        },
        "the test",
    )  # fmt: skip
    [cell] = calibrate(short, tmp_path, lambda suite, folder: run_here(suite, folder, 1))
    assert list(cell.scores) == ["random", "greedy", "team", "oracle", "alone", "single"]
    assert all(estimate.n == 2 for estimate in cell.scores.values())


def test_fresh_seeds_agree_with_an_honest_table_and_not_with_an_inflated_one(
    honest: dict[str, Path], tmp_path: Path
) -> None:
    below = verify(honest["team"], jobs=1)
    submission, _ = read_submission(honest["team"])
    seeds = [901, 902, 903]  # fixed here: one honest draw in two hundred fails

    def played(table: Any, folder: Path) -> Verdict:
        return check_fresh(table, below, seeds, lambda suite, to: run_here(suite, to, 1), folder)

    passed = played(submission, tmp_path / "fresh")
    assert (passed.level, passed.passed, passed.content) == (3, True, below.content)
    for row in submission.rows:
        row.metrics["score"] += 1.0
    refused = played(submission, tmp_path / "fresh")
    assert (refused.level, refused.passed) == (2, False)
    assert refused.problems[0].code == "fresh-seeds"


def test_drawn_seeds_are_new_ones() -> None:
    known = list(range(100))
    seeds = draw_seeds(5, known)
    assert len(set(seeds) - set(known)) == 5


def test_an_interval_of_a_difference_knows_how_few_values_there_are() -> None:
    many = {(0,): [0.4, 0.6] * 20}
    few = {(0,): [0.4, 0.6]}
    (_, low, high), (_, narrow, wide) = compare(few, few), compare(many, many)
    assert low < narrow < 0 < wide < high


def test_the_verifier_asks_models_where_it_knows_to_find_them() -> None:
    spec = [{"name": "llm", "model": "openai/x", "base_url": "http://127.0.0.1:1/v1"}, "team"]
    assert without_addresses(spec) == [{"name": "llm", "model": "openai/x"}, "team"]
