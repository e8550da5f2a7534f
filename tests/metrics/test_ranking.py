"""Ranking against scipy and brute force, and how sure it is."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.errors import ConfigError
from emcoop.metrics.ranking import Scores, borda, kemeny, win_matrix

TABLES = st.integers(2, 5).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=1, max_size=6)
)
"""Scores per cell and system, with many ties."""


def of_cells(table: list[list[float]]) -> dict[str, dict[tuple[int, int], float]]:
    """One seed per cell."""
    return {f"s{i}": {(cell, 0): float(row[i]) for cell, row in enumerate(table)} for i in range(len(table[0]))}


def disagreements(order: tuple[str, ...], scores: Scores) -> float:
    total = 0.0
    for better, worse in combinations(order, 2):
        for key in scores[better]:
            gap = scores[worse][key] - scores[better][key]
            total += 1.0 if gap > 0 else 0.5 if gap == 0 else 0.0
    return total


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_borda_agrees_with_mid_ranks_of_scipy(table: list[list[float]]) -> None:
    points = np.mean([scipy.stats.rankdata([-value for value in row]) for row in table], axis=0)
    ranks = scipy.stats.rankdata(points.round(9))
    found = {place.system: place for place in borda(of_cells(table), draws=20)}
    assert [found[f"s{i}"].points for i in range(len(points))] == pytest.approx(points.tolist())
    assert [found[f"s{i}"].rank for i in range(len(ranks))] == ranks.tolist()


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_consensus_agrees_with_trying_every_order(table: list[list[float]]) -> None:
    scores = of_cells(table)
    costs = {order: disagreements(order, scores) for order in permutations(scores)}
    least = min(costs.values())
    best = [order for order, cost in costs.items() if cost == least]
    found = kemeny(scores)
    assert found.disagreements == least
    assert found.order == best[0], "permutations come in the order in which systems were given"
    assert found.optimal == len(best)
    before = {(a, b) for order in best for a, b in combinations(order, 2)}
    assert set(found.unsettled) == {(a, b) for a, b in combinations(scores, 2) if {(a, b), (b, a)} <= before}


@given(TABLES)
@settings(max_examples=40, deadline=None)
def test_win_matrix_counts_cells(table: list[list[float]]) -> None:
    wins = win_matrix(of_cells(table))
    k = len(table[0])
    for i, j in permutations(range(k), 2):
        expected = np.mean([(row[i] > row[j]) + 0.5 * (row[i] == row[j]) for row in table])
        assert wins[i, j] == pytest.approx(expected)
        assert wins[i, j] + wins[j, i] == pytest.approx(1)
    assert np.isnan(np.diag(wins)).all()


def test_one_who_beats_everybody_pair_by_pair_leads_the_consensus_though_not_the_mean() -> None:
    scores = of_cells([[0.2, 0.1, 0.0], [0.2, 0.1, 0.0], [0.0, 1.0, 0.9]])
    assert kemeny(scores).order == ("s0", "s1", "s2")
    means = [np.mean(list(values.values())) for values in scores.values()]
    assert np.argmax(means) == 1


def test_a_circle_of_majorities_is_reported_as_open() -> None:
    found = kemeny(of_cells([[3, 2, 1], [1, 3, 2], [2, 1, 3]]))
    assert (found.optimal, len(found.unsettled)) == (3, 3)


def test_ten_systems_at_once_and_no_more() -> None:
    ten = of_cells([[float(i) for i in range(10)]] * 3)
    assert kemeny(ten).order == tuple(f"s{i}" for i in reversed(range(10)))
    assert kemeny(of_cells([[1.0] * 10])).optimal == math.factorial(10)
    with pytest.raises(ConfigError, match=r"got 11 systems.*at most 10.*borda"):
        kemeny(of_cells([[1.0] * 11]))


def test_only_what_all_systems_ran_counts() -> None:
    scores = {
        "a": {("x", 0): 0.1, ("x", 1): 0.9, ("y", 0): 0.5, ("z", 0): 0.0},
        "b": {("x", 0): 0.2, ("x", 1): math.nan, ("y", 0): 0.4},
    }
    places = {place.system: place for place in borda(scores)}
    assert (places["a"].cells, places["a"].n, places["a"].dropped) == (2, 2, 2)
    assert places["b"].dropped == 1
    assert places["a"].rank == places["b"].rank == 1.5
    assert win_matrix(scores)[0, 1] == 0.5


def test_nothing_shared_is_no_error() -> None:
    scores = {"a": {("x", 0): 0.1}, "b": {("x", 1): 0.2}}
    assert all(math.isnan(place.rank) for place in borda(scores))
    assert np.isnan(win_matrix(scores)).all()
    assert kemeny(scores).optimal == 2
    assert borda({}) == []
    assert kemeny({}).order == ()


def test_a_single_episode_has_no_interval() -> None:
    place = borda({"a": {("x", 0): 0.1}, "b": {("x", 0): 0.2}})[0]
    assert (place.system, place.rank) == ("b", 1.0)
    assert math.isnan(place.low)


def test_equal_systems_share_a_rank_and_systems_far_apart_do_not() -> None:
    keys = [(cell, seed) for cell in range(6) for seed in range(5)]
    draw = np.random.default_rng(0)
    noise = {key: draw.normal(0, 0.1) for key in keys}
    scores = {"low": noise, "twin": noise, "high": {key: value + 1 for key, value in noise.items()}}
    places = {place.system: place for place in borda(scores)}
    assert (places["high"].low, places["high"].high) == (1, 1)
    assert places["low"].rank == places["twin"].rank == places["low"].low == places["low"].high == 2.5


def test_cells_with_one_seed_widen_the_interval() -> None:
    # Three cells against two: other cells might have turned it round.
    found = borda(of_cells([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 2))
    assert [(place.rank, place.low, place.high) for place in found] == [(1, 1, 2), (2, 1, 2)]


def test_same_seed_same_intervals_whatever_the_order_of_keys() -> None:
    draw = np.random.default_rng(3)
    keys = [(cell, seed) for cell in range(3) for seed in range(4)]
    scores = {name: {key: draw.random() for key in keys} for name in "abc"}
    turned = {name: dict(reversed(values.items())) for name, values in scores.items()}
    assert borda(scores, draws=200) == borda(turned, draws=200)


def test_rank_intervals_cover_the_true_rank() -> None:
    draw = np.random.default_rng(4)
    truth = {"a": 0.3, "b": 0.2, "c": 0.0}
    hits = []
    for _ in range(150):
        scores = {
            name: {(cell, seed): value + draw.normal(0, 0.5) for cell in range(5) for seed in range(5)}
            for name, value in truth.items()
        }
        places = {place.system: place for place in borda(scores, draws=300)}
        hits += [places[name].low <= rank <= places[name].high for rank, name in enumerate(truth, start=1)]
    assert np.mean(hits) >= 0.95
