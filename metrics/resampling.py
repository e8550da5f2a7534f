"""Stratified bootstrap: the machinery under `emcoop.metrics.statistics`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
"""Reduces the last axis."""

BLOCK = 1_000_000
"""Numbers drawn at once, so that memory stays flat however many rows there are."""


def clean(values: ArrayLike, strata: Sequence[Hashable] | None) -> tuple[FloatArray, IntArray, list[Hashable], int]:
    """Drop what is not finite and number the strata.

    Returns:
        The values that remain, shape (n,); the index of each one's stratum, shape (n,); the strata in order of
        appearance; how many values were dropped.

    Raises:
        ValueError: If there is not one stratum per value.
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    _check_labels(strata, len(numbers))
    finite = np.isfinite(numbers)
    kept = None if strata is None else [label for label, good in zip(strata, finite, strict=True) if good]
    codes, known = numbered(kept, int(finite.sum()))
    return numbers[finite], codes, known, int((~finite).sum())


def numbered(labels: Sequence[Hashable] | None, n: int) -> tuple[IntArray, list[Hashable]]:
    """Number the labels of n values in order of appearance; None gives all of them the label `()`.

    Raises:
        ValueError: If there is not one label per value.
    """
    _check_labels(labels, n)
    known: dict[Hashable, int] = {}
    codes = [known.setdefault(label, len(known)) for label in ([()] * n if labels is None else labels)]
    return np.array(codes, dtype=np.int64), list(known)


def resamples(codes: IntArray, draws: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield blocks of positions, shape (rows, n): each row redraws every stratum within itself.

    Strata with a single value are redrawn together: on their own they would never vary and make the interval too
    narrow.
    """
    sizes = np.bincount(codes)
    together = np.where(sizes[codes] == 1, -1, codes)
    _, group, counts = np.unique(together, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    starts = (np.cumsum(counts) - counts)[group[order]]
    spans = counts[group[order]]
    block = max(1, BLOCK // len(codes))
    for start in range(0, draws, block):
        share = rng.random((min(block, draws - start), len(codes)))
        yield order[starts + (share * spans).astype(np.int64)]


def replicates(
    values: FloatArray, codes: IntArray, statistic: Statistic, draws: int, rng: np.random.Generator
) -> FloatArray:
    """Compute the statistic of `draws` stratified resamples, shape (draws,)."""
    return np.concatenate([statistic(values[index]) for index in resamples(codes, draws, rng)])


def mean_bounds(
    table: FloatArray, codes: IntArray, draws: int, rng: np.random.Generator, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return the interval of the mean of each column, shape (m,) each, from the same resamples of the rows.

    Args:
        table: Values, shape (n, m), at least two finite ones per column.
        codes: Stratum of each row, shape (n,).
        draws, rng: How many resamples, and what they are drawn from.
        level: Coverage aimed at.
    """
    finite = np.isfinite(table)
    lowest, highest = (np.where(finite, table, end).T for end in (np.inf, -np.inf))
    low, high = lowest.min(axis=1), highest.max(axis=1)
    varied = np.flatnonzero(low < high)  # the mean of equal values is that value, with nothing to draw
    if not len(varied):
        return low, high
    filled = np.where(finite, table, 0.0)[:, varied]
    partial = np.flatnonzero(~finite[:, varied].all(axis=0))
    held = finite[:, varied[partial]].astype(np.float64)
    samples, done = np.empty((len(varied), draws)), 0
    for index in resamples(codes, draws, rng):
        counts = _counts(index)
        sums = counts @ filled
        whole = np.full(sums.shape, float(len(table)))
        whole[:, partial] = counts @ held
        with np.errstate(invalid="ignore"):
            samples[:, done : done + len(index)] = (sums / whole).T
        done += len(index)
    low[varied], high[varied] = _quantiles(samples, level)
    return low, high


def weights(n: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """Draw bootstrap weights of n values, shape (draws, n); each row sums to 1."""
    return np.asarray(rng.multinomial(n, np.full(n, 1 / n), draws) / n, dtype=np.float64)


def bounds(samples: FloatArray, level: float) -> tuple[float, float]:
    """Return the percentile interval of bootstrap replicates, shape (draws,)."""
    tail = (1 - level) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def mean(values: FloatArray) -> FloatArray:
    """Reduce the last axis to its mean."""
    return np.asarray(values.mean(axis=-1), dtype=np.float64)


def median(values: FloatArray) -> FloatArray:
    """Reduce the last axis to its median."""
    return np.asarray(np.median(values, axis=-1), dtype=np.float64)


def interquartile_mean(values: FloatArray) -> FloatArray:
    """Reduce the last axis to the mean of what remains after cutting int(n / 4) values at each end."""
    n = values.shape[-1]
    cut = int(0.25 * n)
    inner = np.partition(values, (cut, n - cut - 1), axis=-1)
    return mean(inner[..., cut : n - cut])


def _check_labels(labels: Sequence[Hashable] | None, n: int) -> None:
    if labels is not None and len(labels) != n:
        raise ValueError(f"got {n} values but {len(labels)} strata; give one stratum per value")


def _counts(index: IntArray) -> FloatArray:
    """Return how often each position was drawn, shape (rows, n), for positions drawn, shape (rows, n)."""
    flat = index + np.arange(len(index))[:, None] * index.shape[1]
    return np.bincount(flat.ravel(), minlength=index.size).reshape(index.shape).astype(np.float64)


def _quantiles(samples: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the interval of each row, shape (m, draws), leaving out what is NaN.

    What `numpy.nanquantile` gives, several times as fast: whole rows sort faster than parts of them.
    """
    tail = (1 - level) / 2
    ordered = np.sort(samples, axis=1)  # NaN comes last
    last = np.isfinite(samples).sum(axis=1) - 1
    low, high = (_at(ordered, share * last) for share in (tail, 1 - tail))
    return low, high


def _at(ordered: FloatArray, place: FloatArray) -> FloatArray:
    """Return the value of each row at a place between two of its columns, by linear interpolation."""
    rows = np.arange(len(ordered))
    below = np.floor(place).astype(np.int64)
    above = np.ceil(place).astype(np.int64)
    return ordered[rows, below] + (ordered[rows, above] - ordered[rows, below]) * (place - below)
