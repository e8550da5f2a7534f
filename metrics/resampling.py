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
    labels: Sequence[Hashable] = [()] * len(numbers) if strata is None else strata
    if len(labels) != len(numbers):
        raise ValueError(f"got {len(numbers)} values but {len(labels)} strata; give one stratum per value")
    finite = np.isfinite(numbers)
    known: dict[Hashable, int] = {}
    codes = [known.setdefault(label, len(known)) for label, good in zip(labels, finite, strict=True) if good]
    return numbers[finite], np.array(codes, dtype=np.int64), list(known), int((~finite).sum())


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
