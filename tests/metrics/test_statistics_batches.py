"""Many metrics at once: the same numbers as one by one, within seconds for a large table."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from emcoop.metrics import statistics
from emcoop.metrics.statistics import Estimate

DRAW = np.random.default_rng(11)
STRATA = [cell for cell in "abcd" for _ in range(6)] + ["alone", "lonely"]
N = len(STRATA)


def close(found: Estimate, expected: Estimate, tolerance: float = 1e-9) -> bool:
    pairs = zip((found.value, found.low, found.high), (expected.value, expected.low, expected.high), strict=True)
    return (found.n, found.dropped) == (expected.n, expected.dropped) and all(
        a == pytest.approx(b, abs=tolerance, nan_ok=True) for a, b in pairs
    )


def test_metrics_that_every_episode_has_get_what_one_by_one_they_get() -> None:
    columns = {f"m{i}": DRAW.normal(i, 1 + i, N) for i in range(5)}
    found = statistics.means(columns, STRATA, seed=3, draws=500)
    assert list(found) == list(columns)
    for name, values in columns.items():
        assert close(found[name], statistics.mean(values, STRATA, seed=3, draws=500)), name


def test_a_metric_that_does_not_apply_everywhere_is_averaged_over_what_there_is() -> None:
    values = DRAW.normal(2, 1, 400)
    values[DRAW.random(400) < 0.4] = math.nan
    strata = [i // 20 for i in range(400)]
    batch, single = statistics.means({"m": values}, strata)["m"], statistics.mean(values, strata)
    assert close(batch, single, tolerance=0.02)
    assert batch.value == pytest.approx(single.value)


def test_a_metric_does_not_depend_on_the_others() -> None:
    holes = DRAW.random(N)
    holes[::3] = math.nan
    alone = statistics.means({"m": holes}, STRATA, draws=300)["m"]
    together = statistics.means({"x": DRAW.random(N), "m": holes, "none": [math.nan] * N}, STRATA, draws=300)
    assert close(together["m"], alone)
    assert together["none"].n == 0
    assert math.isnan(together["none"].value)


def test_few_values_and_equal_values() -> None:
    found = statistics.means({"one": [math.nan, 0.4, math.inf], "same": [0.1] * 3, "two": [0.0, 1.0, math.nan]})
    assert close(found["one"], Estimate(0.4, math.nan, math.nan, 1, 2))
    assert (found["same"].low, found["same"].high) == (0.1, 0.1)
    assert (found["two"].value, found["two"].low, found["two"].high) == (0.5, 0.0, 1.0)
    assert statistics.means({}) == {}
    assert statistics.means({"m": []})["m"].n == 0


def test_groups_are_estimated_each_by_itself() -> None:
    columns = {"a": DRAW.random(N), "b": DRAW.random(N)}
    groups = ["late" if cell in "cd" else "early" for cell in STRATA]
    found = statistics.grouped_means(columns, groups, STRATA, draws=200)
    assert list(found) == ["early", "late"]
    for group in found:
        rows = [i for i in range(N) if groups[i] == group]
        part = {name: values[rows] for name, values in columns.items()}
        assert found[group] == statistics.means(part, [STRATA[i] for i in rows], draws=200)


def test_columns_and_labels_must_fit_together() -> None:
    with pytest.raises(ValueError, match="2 values but 1 strata"):
        statistics.means({"m": [1.0, 2.0]}, ["a"])
    with pytest.raises(ValueError, match="2 values but 3 strata"):
        statistics.grouped_means({"m": [1.0, 2.0]}, ["a", "b", "c"])


def test_ten_thousand_episodes_with_160_metrics_take_seconds() -> None:
    table = DRAW.random((10_000, 160))
    table[:, 120:][DRAW.random((10_000, 40)) < 0.4] = math.nan
    columns = {f"m{i}": table[:, i] for i in range(160)}
    cells = [i // 20 for i in range(10_000)]
    started = time.process_time()
    assert len(statistics.means(columns, cells)) == 160
    assert len(statistics.grouped_means(columns, [cell // 5 for cell in cells], cells)) == 100
    assert time.process_time() - started < 20, "about 2 s of one core are normal"


def test_intervals_of_a_batch_cover_the_truth_about_as_often_as_promised() -> None:
    # A mean of beta(2, 4) values of which a quarter do not apply: 40 episodes.
    table = DRAW.beta(2, 4, (40, 300))
    table[DRAW.random(table.shape) < 0.25] = math.nan
    found = statistics.means({str(i): table[:, i] for i in range(300)}, draws=400)
    assert 0.89 <= np.mean([one.low <= 1 / 3 <= one.high for one in found.values()]) <= 0.98


def test_optimality_gap_does_not_let_one_run_make_up_for_another() -> None:
    found = statistics.optimality_gap([0.5, 1.5, 0.9, math.nan])
    assert (found.value, found.n, found.dropped) == (pytest.approx(0.2), 3, 1)
    assert found.low <= 0.2 <= found.high
    assert statistics.optimality_gap([0.5, 0.7], target=0.5).value == 0.0
    assert math.isnan(statistics.optimality_gap([]).value)
    values = DRAW.beta(5, 2, 60)
    gap, mean = statistics.optimality_gap(values), statistics.mean(values)
    assert (gap.value, gap.low, gap.high) == pytest.approx((1 - mean.value, 1 - mean.high, 1 - mean.low))
