"""Intervals and comparisons for small numbers of seeds: bootstrap, pairing, rates, families of tests.

Everything is a deterministic function of its values and a `seed`. Values that are not finite (a metric that does not
apply) are dropped and counted. No value gives NaN, a single value gives no interval (NaN bounds); nothing raises
because data are few. Definitions: interquartile mean, stratified bootstrap, probability of improvement and
performance profile after Agarwal et al. 2021 (arXiv 2108.13264).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from emcoop.metrics import resampling
from emcoop.metrics.resampling import FloatArray, IntArray, Statistic

DRAWS = 2000
"""Bootstrap replicates: the ends of a 95 % interval then rest on 50 replicates each."""

_EXACT_FLIPS = 12  # up to here all sign patterns are enumerated


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: The statistic; NaN without any value.
        low, high: Ends of the interval; NaN with fewer than two values.
        n: Values (or pairs) it rests on.
        dropped: Values left out because they were not finite.
        missing: Pairs only: keys that had a value on one side only.
    """

    value: float
    low: float
    high: float
    n: int
    dropped: int = 0
    missing: int = 0

    def excludes(self, reference: float = 0.0) -> bool:
        """Tell whether the interval exists and does not contain `reference`."""
        return self.low > reference or self.high < reference


@dataclass(frozen=True)
class Profile:
    """A performance profile: share of runs above each threshold, shape (k,) each, with `n` runs and bands."""

    thresholds: FloatArray
    share: FloatArray
    low: FloatArray
    high: FloatArray
    n: int
    dropped: int


@dataclass(frozen=True)
class Pairs:
    """Differences first - second of the keys both sides share: finite ones, their cells, and what was left out."""

    differences: FloatArray
    cells: list[Hashable]
    dropped: int
    missing: int


def mean(
    values: ArrayLike,
    strata: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Estimate:
    """Estimate the mean with a stratified percentile-bootstrap interval.

    Args:
        values: Numbers, shape (n,).
        strata: Cell of each value; values are resampled within their cell. Cells with a single value are resampled
            together, which makes the interval wider, never too narrow for want of repetition. None = one cell.
        seed: Seed of the resampling.
        draws: Bootstrap replicates.
        level: Coverage aimed at, in (0, 1).
    """
    return _estimate(values, strata, resampling.mean, seed, draws, level)


def interquartile_mean(
    values: ArrayLike,
    strata: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Estimate:
    """Estimate the mean of the middle half (a quarter trimmed at each end); arguments as for `mean`.

    Source: Agarwal et al. 2021, section 4.
    """
    return _estimate(values, strata, resampling.interquartile_mean, seed, draws, level)


def optimality_gap(
    values: ArrayLike,
    strata: Sequence[Hashable] | None = None,
    *,
    target: float = 1.0,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Estimate:
    """Estimate by how much runs fall short of `target` on average; runs above it count as reaching it.

    Unlike the mean it does not let a very good run make up for a bad one. Arguments as for `mean`.
    Source: Agarwal et al. 2021, section 4.
    """
    numbers = np.asarray(values, dtype=np.float64)
    short = np.where(np.isfinite(numbers), np.maximum(target - numbers, 0.0), math.nan)
    return _estimate(short, strata, resampling.mean, seed, draws, level)


def means(
    columns: Mapping[str, ArrayLike],
    strata: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Estimate the means of many metrics of the same episodes at once.

    Episodes are resampled once, with all their metrics, within their cells. A metric that every episode has gets what
    `mean` gives. Of one that does not apply everywhere the values that a resample holds are averaged (a resample
    without any is left out); it does not matter which other metrics are asked for.

    Args:
        columns: Values per metric, shape (n,) each, all in the same order of episodes.
        strata, seed, draws, level: As for `mean`.

    Raises:
        ValueError: Columns of different length, or not one stratum per value.
    """
    return grouped_means(columns, None, strata, seed=seed, draws=draws, level=level)[()]


def grouped_means(
    columns: Mapping[str, ArrayLike],
    groups: Sequence[Hashable] | None,
    strata: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> dict[Hashable, dict[str, Estimate]]:
    """Estimate the means of many metrics in each group of episodes; group -> metric -> estimate.

    Args:
        columns: As for `means`.
        groups: Group of each episode; the result has them in order of appearance. None = one group, called `()`.
        strata, seed, draws, level: As for `mean`; every group is resampled with the same seed.
    """
    table = np.column_stack([np.asarray(values, dtype=np.float64) for values in columns.values()] or [np.empty((0, 0))])
    n = len(table)
    codes = resampling.numbered(strata, n)[0]
    members, names = ([0] * n, [()]) if groups is None else resampling.numbered(groups, n)
    found: dict[Hashable, dict[str, Estimate]] = {}
    for number, name in enumerate(names):
        rows = np.asarray(members) == number
        found[name] = dict(zip(columns, _mean_of_each(table[rows], codes[rows], seed, draws, level), strict=True))
    return found


def pair(first: Mapping[Any, float], second: Mapping[Any, float]) -> Pairs:
    """Match two conditions by key and subtract.

    Args:
        first, second: Value per key. A key is a seed, or a tuple whose last entry is the seed and whose other entries
            name the cell.
    """
    shared = [key for key in first if key in second]
    differences = np.array([first[key] - second[key] for key in shared], dtype=np.float64)
    finite = np.isfinite(differences)
    cells: list[Hashable] = [_cell(key) for key, good in zip(shared, finite, strict=True) if good]
    missing = len(first) + len(second) - 2 * len(shared)
    return Pairs(differences[finite], cells, int((~finite).sum()), missing)


def paired_difference(
    first: Mapping[Any, float],
    second: Mapping[Any, float],
    *,
    statistic: Literal["median", "mean"] = "median",
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Estimate:
    """Estimate the paired effect first - second on the same seeds.

    The report takes the median with fewer than 20 pairs, since with five seeds the bootstrap of a median keeps its
    coverage and that of a mean does not, and the mean with more.

    Args:
        first, second: Value per key, as in `pair`; pairs are resampled within their cell.
        statistic: Summary of the differences.
        seed, draws, level: As for `mean`.

    Returns:
        `n` counts pairs, `missing` the keys on one side only, `dropped` the pairs with a value that is not finite.
    """
    pairs = pair(first, second)
    summary = resampling.median if statistic == "median" else resampling.mean
    found = _estimate(pairs.differences, pairs.cells, summary, seed, draws, level)
    return Estimate(found.value, found.low, found.high, found.n, pairs.dropped, pairs.missing)


def sign_flip_p(differences: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> float:
    """Test paired differences against zero by flipping signs; two-sided p of the mean, NaN without a difference.

    Up to twelve differences all sign patterns are enumerated; beyond that `draws` random ones are taken and the
    observed one is counted with them, so p is never 0.
    """
    values, _, _, _ = resampling.clean(differences, None)
    n = len(values)
    if not n:
        return math.nan
    # A hair less than observed, so that patterns equal to it count whatever the order of summation.
    observed = abs(values.sum()) - 1e-12 * abs(values).sum()
    if n <= _EXACT_FLIPS:
        patterns = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float((abs((1 - 2 * patterns) @ values) >= observed).mean())
    rng = np.random.default_rng(seed)
    block = max(1, resampling.BLOCK // n)
    hits = 1
    for start in range(0, draws, block):
        signs = 1 - 2 * rng.integers(0, 2, (min(block, draws - start), n))
        hits += int((abs(signs @ values) >= observed).sum())
    return hits / (draws + 1)


def probability_of_improvement(
    first: ArrayLike,
    second: ArrayLike,
    first_strata: Sequence[Hashable] | None = None,
    second_strata: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Estimate:
    """Estimate P(a run of `first` beats a run of `second`), ties counted half, averaged over the shared cells.

    Mann-Whitney form, U / (n_first n_second) per cell; 0.5 for identical samples. Both sides are resampled
    independently within cells. Source: Agarwal et al. 2021, section 4.

    Args:
        first, second: Values, shape (n,) and (m,); higher is better.
        first_strata, second_strata: Cells; only cells on both sides count.
        seed, draws, level: As for `mean`.

    Returns:
        `n` counts the values of both sides that were compared.
    """
    a, a_codes, a_cells, a_dropped = resampling.clean(first, first_strata)
    b, b_codes, b_cells, b_dropped = resampling.clean(second, second_strata)
    dropped = a_dropped + b_dropped
    shared = [(a_cells.index(cell), b_cells.index(cell)) for cell in a_cells if cell in b_cells]
    if not shared:
        return Estimate(math.nan, math.nan, math.nan, 0, dropped)
    rng = np.random.default_rng(seed)
    samples, points, sizes = np.zeros(draws), [], []
    for i, j in shared:
        x, y = a[a_codes == i], b[b_codes == j]
        wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
        left, right = resampling.weights(len(x), draws, rng), resampling.weights(len(y), draws, rng)
        samples += ((left @ wins) * right).sum(axis=1)
        points.append(float(wins.mean()))
        sizes += [len(x), len(y)]
    low, high = resampling.bounds(samples / len(points), level) if max(sizes) > 1 else (math.nan, math.nan)
    return Estimate(float(np.mean(points)), low, high, sum(sizes), dropped)


def performance_profile(
    values: ArrayLike,
    thresholds: ArrayLike,
    strata: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Profile:
    """Compute the share of runs whose value exceeds each threshold, with pointwise bootstrap bands.

    Args:
        values: One value per run, shape (n,).
        thresholds: Ascending thresholds, shape (k,).
        strata, seed, draws, level: As for `mean`.

    Source: Agarwal et al. 2021, section 4.
    """
    kept, codes, _, dropped = resampling.clean(values, strata)
    n = len(kept)
    grid = np.asarray(thresholds, dtype=np.float64)
    above = (kept[:, None] > grid).astype(np.float64)
    unknown = np.full(len(grid), math.nan)
    if n < 2:
        return Profile(grid, above[0] if n else unknown, unknown, unknown, n, dropped)
    blocks = []
    for index in resampling.resamples(codes, draws, np.random.default_rng(seed)):
        flat = index + np.arange(len(index))[:, None] * n
        counts = np.bincount(flat.ravel(), minlength=index.size).reshape(index.shape)
        blocks.append(counts @ above / n)
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(blocks), [tail, 1 - tail], axis=0)
    return Profile(grid, above.mean(axis=0), low, high, n, dropped)


def wilson(hits: int, n: int, *, level: float = 0.95) -> Estimate:
    """Estimate a rate with Wilson's score interval; unlike the bootstrap it is honest at 0 and 1.

    Args:
        hits: How often it happened.
        n: How often it could have.
        level: Coverage aimed at.
    """
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate = hits / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At the ends the interval closes exactly there; floats would miss it by a hair.
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == n else centre + half
    return Estimate(rate, low, high, n)


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjust the p-values of one family for multiplicity (Holm 1979); NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, math.nan)
    order = [int(i) for i in np.argsort(p, kind="stable") if np.isfinite(p[i])]
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * float(p[i])))
        adjusted[i] = running
    return adjusted


def noise_floor(
    values: ArrayLike,
    strata: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> float:
    """Compute the difference of means that two runs of one and the same condition stay below with probability `level`.

    Two independent resamples within cells are subtracted; deviations are scaled by sqrt(m / (m - 1)) per cell of m
    values, which undoes the bootstrap's underestimation of the variance. Cells with a single value are left out; NaN
    if none remains. Arguments as for `mean`.
    """
    kept, codes, _, _ = resampling.clean(values, strata)
    size = np.bincount(codes)[codes] if len(kept) else codes
    kept, codes, size = kept[size > 1], codes[size > 1], size[size > 1]
    if not len(kept):
        return math.nan
    means = np.bincount(codes, kept)[codes] / size
    deviations = (kept - means) * np.sqrt(size / (size - 1))
    rng = np.random.default_rng(seed)
    one, two = (resampling.replicates(deviations, codes, resampling.mean, draws, rng) for _ in range(2))
    return float(np.quantile(abs(one - two), level))


def _mean_of_each(table: FloatArray, codes: IntArray, seed: int, draws: int, level: float) -> list[Estimate]:
    """Estimate the mean of each column, shape (n, m), from the same resamples of the rows."""
    finite = np.isfinite(table)
    counts = finite.sum(axis=0)
    with np.errstate(invalid="ignore"):
        values = np.where(finite, table, 0.0).sum(axis=0) / counts
    low, high = np.full((2, len(counts)), math.nan)
    some = np.flatnonzero(counts > 1)
    if len(some):
        rng = np.random.default_rng(seed)
        low[some], high[some] = resampling.mean_bounds(table[:, some], codes, draws, rng, level)
    return [
        Estimate(float(values[i]), float(low[i]), float(high[i]), int(counts[i]), len(table) - int(counts[i]))
        for i in range(len(counts))
    ]


def _cell(key: Any) -> Hashable:
    return key[:-1] if isinstance(key, tuple) else ()


def _estimate(
    values: ArrayLike,
    strata: Sequence[Hashable] | None,
    statistic: Statistic,
    seed: int,
    draws: int,
    level: float,
) -> Estimate:
    kept, codes, _, dropped = resampling.clean(values, strata)
    if not len(kept):
        return Estimate(math.nan, math.nan, math.nan, 0, dropped)
    value = float(statistic(kept))
    if len(kept) == 1:
        return Estimate(value, math.nan, math.nan, 1, dropped)
    samples = resampling.replicates(kept, codes, statistic, draws, np.random.default_rng(seed))
    low, high = resampling.bounds(samples, level)
    return Estimate(value, low, high, len(kept), dropped)
