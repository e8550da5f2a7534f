"""Statistics against slow, obvious code and scipy, and what they do when there is little or nothing."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.metrics import statistics
from emcoop.metrics.statistics import Estimate

FLOATS = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))
SAMPLES = st.lists(FLOATS, min_size=1, max_size=30)
ESTIMATORS = [statistics.mean, statistics.interquartile_mean]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(SAMPLES)
@settings(max_examples=50, deadline=None)
def test_point_values_agree_with_scipy(values: list[float]) -> None:
    assert statistics.mean(values, draws=10).value == pytest.approx(np.mean(values))
    trimmed = scipy.stats.trim_mean(values, 0.25)
    assert statistics.interquartile_mean(values, draws=10).value == pytest.approx(trimmed)


def test_bootstrap_agrees_with_redrawing_each_cell_by_itself() -> None:
    cells = {"a": rng(1).normal(0, 1, 12), "b": rng(2).normal(5, 3, 7), "c": rng(3).normal(-4, 0.5, 20)}
    draw, repeats = rng(9), 100_000
    redrawn = [draw.choice(values, (repeats, len(values)), replace=True) for values in cells.values()]
    low, high = np.percentile(np.concatenate(redrawn, axis=1).mean(axis=1), [2.5, 97.5])
    strata = [name for name, values in cells.items() for _ in values]
    found = statistics.mean(np.concatenate(list(cells.values())), strata, draws=20_000)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_strata_take_the_difference_between_cells_out_of_the_interval() -> None:
    values = np.concatenate([rng(1).normal(0, 0.1, 20), rng(2).normal(10, 0.1, 20)])
    inside = statistics.mean(values, ["a"] * 20 + ["b"] * 20)
    pooled = statistics.mean(values)
    assert inside.high - inside.low < 0.1 < pooled.high - pooled.low


def test_cells_with_one_value_widen_the_interval_instead_of_freezing_it() -> None:
    found = statistics.mean([1.0, 2.0, 3.0, 4.0], ["a", "b", "c", "d"])
    assert found.low < 2.5 < found.high


def test_blocks_do_not_change_the_result_of_large_samples() -> None:
    values = rng(4).normal(0, 1, 1500)  # more than one block of draws
    found = statistics.mean(values)
    half = 1.96 * values.std() / math.sqrt(1500)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def test_interval_of_the_mean_covers_the_truth_about_as_often_as_promised() -> None:
    draw = rng(5)
    hits = []
    for _ in range(400):
        found = statistics.mean(draw.beta(2, 4, 40), draws=400)
        hits.append(found.low <= 1 / 3 <= found.high)
    assert 0.90 <= np.mean(hits) <= 0.98


def test_median_of_five_pairs_keeps_its_coverage_where_the_mean_does_not() -> None:
    # The report says so, and rests its comparisons on it.
    draw = rng(6)
    zeros = dict.fromkeys(range(5), 0.0)
    truth = {"median": scipy.stats.beta(2, 5).median(), "mean": 2 / 7}
    hits = dict.fromkeys(truth, 0)
    for _ in range(500):
        values = dict(enumerate(draw.beta(2, 5, 5)))
        for statistic, value in truth.items():
            found = statistics.paired_difference(values, zeros, statistic=statistic, draws=400)
            hits[statistic] += found.low <= value <= found.high
    assert 0.91 <= hits["median"] / 500 <= 0.98
    assert 0.79 <= hits["mean"] / 500 <= 0.89


@pytest.mark.parametrize("estimate", ESTIMATORS)
def test_few_values_give_nan_never_an_exception(estimate) -> None:  # type: ignore[no-untyped-def]
    nothing = estimate([])
    assert (nothing.n, nothing.dropped) == (0, 0)
    assert math.isnan(nothing.value)
    one = estimate([math.nan, 0.4, math.inf])
    assert (one.value, one.n, one.dropped) == (0.4, 1, 2)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert not one.excludes()
    same = estimate([0.4, 0.4])
    assert (same.low, same.high) == (0.4, 0.4)


def test_one_stratum_per_value_is_asked_for() -> None:
    with pytest.raises(ValueError, match="2 values but 1 strata"):
        statistics.mean([1.0, 2.0], ["a"])


@given(SAMPLES, st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_same_seed_same_interval_and_the_interval_stays_in_range(values: list[float], seed: int) -> None:
    first, second = (statistics.interquartile_mean(values, seed=seed, draws=200) for _ in range(2))
    assert repr(first) == repr(second)
    if len(values) > 1:
        assert min(values) - 1e-9 <= first.low <= first.high <= max(values) + 1e-9


def test_pairs_are_matched_by_key_and_counted() -> None:
    first = {("cube", 0): 0.5, ("cube", 1): 0.7, ("cube", 2): math.nan, ("cube", 4): 0.1}
    second = {("cube", 1): 0.4, ("cube", 0): 0.1, ("cube", 2): 0.3, ("cube", 3): 0.9}
    pairs = statistics.pair(first, second)
    assert pairs.differences.tolist() == pytest.approx([0.4, 0.3])
    assert pairs.cells == [("cube",), ("cube",)]
    found = statistics.paired_difference(first, second)
    assert (found.value, found.n, found.dropped, found.missing) == (pytest.approx(0.35), 2, 1, 2)


def test_pairing_removes_what_the_seeds_share() -> None:
    seeds = range(20)
    world = rng(1).normal(0, 1, 20)
    noise = rng(2).normal(0, 0.01, 20)
    first = {s: world[s] + 0.1 + noise[s] for s in seeds}
    second = {s: world[s] for s in seeds}
    found = statistics.paired_difference(first, second)
    assert found.excludes()
    assert found.low <= 0.1 <= found.high
    assert not statistics.probability_of_improvement(list(first.values()), list(second.values())).excludes(0.5)


def test_no_pair_is_no_error() -> None:
    found = statistics.paired_difference({0: 1.0}, {1: 2.0})
    assert (found.n, found.missing) == (0, 2)
    assert math.isnan(found.value)
    assert math.isnan(statistics.sign_flip_p([]))


def test_sign_flips_agree_with_enumeration_and_with_scipy() -> None:
    values = rng(3).normal(0.4, 1, 9)
    sums = [abs(np.dot(signs, values)) for signs in product((-1, 1), repeat=9)]
    assert statistics.sign_flip_p(values) == pytest.approx(np.mean(np.array(sums) >= abs(values.sum()) - 1e-9))
    many = rng(4).normal(0.3, 1, 40)
    assert statistics.sign_flip_p(many, draws=20000) == pytest.approx(scipy.stats.ttest_1samp(many, 0).pvalue, abs=0.02)
    assert statistics.sign_flip_p([0.1] * 5) == 2 / 32  # five pairs cannot reach 0.05
    assert statistics.sign_flip_p([0.0] * 30) == 1.0


def test_sign_flips_rarely_reject_when_there_is_nothing() -> None:
    draw = rng(8)
    rejected = [statistics.sign_flip_p(draw.normal(0, 1, 15), draws=300) < 0.05 for _ in range(400)]
    assert np.mean(rejected) < 0.09


@given(SAMPLES, SAMPLES)
@settings(max_examples=40, deadline=None)
def test_probability_of_improvement_is_mann_whitney(first: list[float], second: list[float]) -> None:
    found = statistics.probability_of_improvement(first, second, draws=20)
    u = scipy.stats.mannwhitneyu(first, second).statistic
    assert found.value == pytest.approx(u / (len(first) * len(second)))
    assert statistics.probability_of_improvement(first, first, draws=5).value == pytest.approx(0.5)


def test_probability_of_improvement_is_averaged_over_shared_cells() -> None:
    found = statistics.probability_of_improvement([2, 3, 0, 9], [1, 1, 1], ["a", "a", "b", "only"], ["a", "a", "b"])
    assert (found.value, found.n) == (pytest.approx(0.5), 6)
    assert found.low <= 0.5 <= found.high
    alone = statistics.probability_of_improvement([1.0], [0.0])
    assert alone.value == 1.0
    assert math.isnan(alone.low)
    assert statistics.probability_of_improvement([1.0], [0.0], ["a"], ["b"]).n == 0


def test_probability_of_improvement_interval_agrees_with_an_obvious_loop() -> None:
    a, b = rng(1).normal(0.5, 1, 15), rng(2).normal(0, 1, 12)
    draw = rng(3)
    values = []
    for _ in range(4000):
        x, y = draw.choice(a, 15), draw.choice(b, 12)
        values.append((x[:, None] > y).mean() + 0.5 * (x[:, None] == y).mean())
    low, high = np.percentile(values, [2.5, 97.5])
    found = statistics.probability_of_improvement(a, b, draws=4000)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_performance_profile_counts_runs_above_each_threshold() -> None:
    values = [0.1, 0.5, 0.5, 0.9, math.nan]
    found = statistics.performance_profile(values, [0.0, 0.5, 0.95])
    assert found.share.tolist() == [1.0, 0.25, 0.0]
    assert (found.n, found.dropped) == (4, 1)
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert np.isnan(statistics.performance_profile([], [0.5]).share).all()
    single = statistics.performance_profile([0.7], [0.5])
    assert single.share.tolist() == [1.0]
    assert np.isnan(single.low).all()


def test_performance_profile_bands_are_those_of_a_rate() -> None:
    values = (rng(1).random(200) < 0.3).astype(float)
    found = statistics.performance_profile(values, [0.5])
    exact = scipy.stats.binom(200, values.mean()).interval(0.95)
    assert found.low[0] * 200 == pytest.approx(exact[0], abs=2)
    assert found.high[0] * 200 == pytest.approx(exact[1], abs=2)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=50, deadline=None)
def test_wilson_agrees_with_scipy(counts: tuple[int, int]) -> None:
    hits, n = counts
    exact = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
    found = statistics.wilson(hits, n)
    assert (found.value, found.n) == (hits / n, n)
    assert (found.low, found.high) == (pytest.approx(exact.low, abs=1e-9), pytest.approx(exact.high, abs=1e-9))


def test_wilson_of_nothing_is_nan_and_of_never_is_not_certain() -> None:
    assert math.isnan(statistics.wilson(0, 0).value)
    never = statistics.wilson(0, 10)
    assert never.low == 0.0 < never.high


def test_holm_on_the_textbook_family() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]).tolist() == []
    with_nan = statistics.holm([0.02, math.nan, 0.5])
    assert with_nan[[0, 2]].tolist() == pytest.approx([0.04, 0.5])
    assert math.isnan(with_nan[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_holm_keeps_the_order_and_never_lowers_p(p: list[float]) -> None:
    adjusted = statistics.holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_noise_floor_is_what_two_runs_of_one_condition_stay_below() -> None:
    draw = rng(7)
    # Two means of 4 cells x 5 seeds with deviation 1 differ with deviation sqrt(2 / 20).
    truth = 1.96 * math.sqrt(2 / 20)
    strata = [cell for cell in range(4) for _ in range(5)]
    offsets = 10.0 * np.array(strata)
    floors = [statistics.noise_floor(offsets + draw.normal(0, 1, 20), strata, draws=400) for _ in range(60)]
    assert np.mean(floors) == pytest.approx(truth, rel=0.1)


def test_noise_floor_needs_a_cell_with_two_values() -> None:
    assert math.isnan(statistics.noise_floor([]))
    assert math.isnan(statistics.noise_floor([1.0, 2.0], ["a", "b"]))
    assert statistics.noise_floor([1.0, 1.0, 5.0], ["a", "a", "b"]) == 0.0


def test_excludes_asks_for_an_interval_on_one_side() -> None:
    assert Estimate(0.2, 0.1, 0.3, 5).excludes()
    assert not Estimate(0.2, -0.1, 0.3, 5).excludes()
    assert Estimate(0.2, 0.1, 0.3, 5).excludes(0.5)
    assert not Estimate(0.2, 0.0, 0.3, 5).excludes()
