"""Ranking systems over many cells: Borda with intervals of ranks, wins pair by pair, the exact Kemeny consensus.

A cell is one task: an environment with its settings, a team size and so on. Systems are compared within cells only,
so scores of different cells need no common scale. Every function takes the scores as system -> key -> score, where a
key is a tuple whose last entry is the seed and whose other entries name the cell; higher scores are better. Only keys
that every system has a finite score for count, so that each is ranked on the same episodes. Mean scores that differ by
less than 1e-9 are a tie.

Source: Colombo et al. 2022 (arXiv 2202.03799) for Borda and Kemeny over tasks; mid-ranks and intervals are our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emcoop.errors import ConfigError
from emcoop.metrics import resampling
from emcoop.metrics.resampling import FloatArray
from emcoop.metrics.statistics import DRAWS

MOST_EXACT = 10
"""Systems for which the exact consensus is computed: its effort doubles with each."""
DECIMALS = 9

Scores = Mapping[str, Mapping[Any, float]]


@dataclass(frozen=True)
class Place:
    """Where a system stands.

    Attributes:
        system: Its name.
        rank: Rank, 1 = best; equal systems share the mean of their places.
        low, high: Interval of the rank; NaN where nothing was repeated.
        points: Mean rank over cells, which the ranking rests on; lower is better.
        cells: Cells it rests on.
        n: Episodes of this system it rests on.
        dropped: Keys of this system left out because another system has no score there.
    """

    system: str
    rank: float
    low: float
    high: float
    points: float
    cells: int
    n: int
    dropped: int


@dataclass(frozen=True)
class Consensus:
    """The order that disagrees least with the cells.

    Attributes:
        order: Systems, best first; of several such orders the one that keeps the order in which they were given.
        disagreements: Pairs of systems that cells order the other way, summed over cells; a tie counts half.
        optimal: How many orders are as good.
        unsettled: Pairs of systems that those orders do not agree on.
    """

    order: tuple[str, ...]
    disagreements: float
    optimal: int
    unsettled: tuple[tuple[str, str], ...]


def borda(scores: Scores, *, seed: int = 0, draws: int = DRAWS, level: float = 0.95) -> list[Place]:
    """Rank systems by their mean rank over cells, with bootstrap intervals of the ranks; best first.

    Within a cell systems are ranked by their mean score; ties get mid-ranks. For the intervals seeds are resampled
    within cells, the same ones for all systems; cells with a single seed are resampled together, as in
    `statistics.mean`. The ends of an interval are ranks that occurred, rounded outwards.

    Args:
        scores: System -> key -> score, see the module.
        seed: Seed of the resampling.
        draws: Bootstrap replicates.
        level: Coverage aimed at.
    """
    systems, cells = list(scores), _cells(scores)
    if not cells:
        unknown = math.nan
        return [Place(name, unknown, unknown, unknown, unknown, 0, 0, len(scores[name])) for name in systems]
    points = np.mean([_mid_ranks(-table.mean(axis=1)) for table in cells], axis=0)
    n = sum(table.shape[1] for table in cells)
    low, high = np.full((2, len(systems)), math.nan)
    if n > 1:
        drawn = _mid_ranks(_drawn_points(cells, draws, np.random.default_rng(seed)))
        tail = (1 - level) / 2
        low = np.quantile(drawn, tail, axis=0, method="lower")
        high = np.quantile(drawn, 1 - tail, axis=0, method="higher")
    places = [
        Place(name, float(rank), float(low[i]), float(high[i]), float(points[i]), len(cells), n, len(scores[name]) - n)
        for i, (name, rank) in enumerate(zip(systems, _mid_ranks(points), strict=True))
    ]
    return sorted(places, key=lambda place: place.rank)


def win_matrix(scores: Scores) -> FloatArray:
    """Return the share of cells in which one system's mean score beats another's, shape (k, k), ties half.

    Row beats column, in the order of `scores`; NaN on the diagonal, and everywhere without a shared cell.
    """
    cells = _cells(scores)
    wins = _wins(cells, len(scores)) / len(cells) if cells else np.full((len(scores),) * 2, math.nan)
    np.fill_diagonal(wins, math.nan)
    return wins


def kemeny(scores: Scores) -> Consensus:
    """Return the exact Kemeny consensus of the cells: the order with the fewest disagreements, and what it leaves open.

    Raises:
        ConfigError: More than `MOST_EXACT` systems.
    """
    systems = list(scores)
    k = len(systems)
    if k > MOST_EXACT:
        raise ConfigError(f"got {k} systems, the exact consensus takes at most {MOST_EXACT}: rank them with borda")
    # Twice the wins are whole numbers, so that equal costs compare equal.
    twice = np.rint(2 * _wins(_cells(scores), k)).astype(int).tolist()
    after = _costs_of_placing(twice)
    best, ways = _from_the_top(after)
    left = _to_the_bottom(after)
    first = {
        (placed, one)
        for placed in range(2**k)
        for one in _outside(placed, k)
        if best[placed] + after[one][placed] + left[placed | 1 << one] == best[-1]
    }
    order: list[int] = []
    while len(order) < k:
        placed = sum(1 << one for one in order)
        order.append(next(one for one in range(k) if (placed, one) in first))
    before = {(a, one) for placed, one in first for a in range(k) if placed >> a & 1}
    unsettled = tuple((systems[a], systems[b]) for a, b in sorted(before) if a < b and (b, a) in before)
    return Consensus(tuple(systems[one] for one in order), best[-1] / 2, ways[-1], unsettled)


def _costs_of_placing(twice: list[list[int]]) -> list[list[int]]:
    """Return, per system and set of systems (as bits), how often the system beats those: the cost of placing it after.

    Args:
        twice: Twice the wins of row over column.
    """
    costs = []
    for row in twice:
        found = [0] * 2 ** len(row)
        for members in range(1, len(found)):
            lowest = members & -members
            found[members] = found[members ^ lowest] + row[lowest.bit_length() - 1]
        costs.append(found)
    return costs


def _from_the_top(after: list[list[int]]) -> tuple[list[int], list[int]]:
    """Return, per set of systems, the least cost of having them on top, and the number of orders that reach it."""
    k = len(after)
    best, ways = [0] + [-1] * (2**k - 1), [1] + [0] * (2**k - 1)
    for placed in range(2**k):
        for one in _outside(placed, k):
            grown, cost = placed | 1 << one, best[placed] + after[one][placed]
            if best[grown] < 0 or cost < best[grown]:
                best[grown], ways[grown] = cost, 0
            if cost == best[grown]:
                ways[grown] += ways[placed]
    return best, ways


def _to_the_bottom(after: list[list[int]]) -> list[int]:
    """Return, per set of systems on top, the least cost of placing the others below them."""
    k = len(after)
    left = [0] * 2**k
    for placed in range(2**k - 2, -1, -1):
        left[placed] = min(after[one][placed] + left[placed | 1 << one] for one in _outside(placed, k))
    return left


def _outside(members: int, k: int) -> list[int]:
    return [one for one in range(k) if not members >> one & 1]


def _cells(scores: Scores) -> list[FloatArray]:
    """Return a table of scores per cell, shape (systems, seeds), of the keys all systems have; cells sorted by name."""
    tables = list(scores.values())
    keys = [key for key in (tables[0] if tables else ()) if all(math.isfinite(t.get(key, math.nan)) for t in tables)]
    cells: dict[tuple[Any, ...], list[Any]] = {}
    for key in keys:
        cells.setdefault(key[:-1] if isinstance(key, tuple) else (), []).append(key)
    return [
        np.array([[table[key] for key in sorted(cells[cell], key=repr)] for table in tables], dtype=np.float64)
        for cell in sorted(cells, key=repr)
    ]


def _mid_ranks(values: FloatArray) -> FloatArray:
    """Rank the last axis, 1 = smallest; equal values share the mean of their ranks."""
    values = values.round(DECIMALS)
    smaller = (values[..., None, :] < values[..., :, None]).sum(axis=-1)
    equal = (values[..., None, :] == values[..., :, None]).sum(axis=-1)
    return np.asarray(smaller + (equal + 1) / 2, dtype=np.float64)


def _drawn_points(cells: Sequence[FloatArray], draws: int, rng: np.random.Generator) -> FloatArray:
    """Return the mean rank of each system over the cells in `draws` resamples, shape (draws, systems)."""
    repeated = [table for table in cells if table.shape[1] > 1]
    single = [table for table in cells if table.shape[1] == 1]
    total = np.zeros((draws, len(cells[0])))
    for table in repeated:
        total += _mid_ranks(-(resampling.weights(table.shape[1], draws, rng) @ table.T))
    if single:
        ranks = np.array([_mid_ranks(-table[:, 0]) for table in single])
        total += len(single) * (resampling.weights(len(single), draws, rng) @ ranks)
    return total / len(cells)


def _wins(cells: Sequence[FloatArray], k: int) -> FloatArray:
    """Return in how many cells the row's mean beats the column's, ties half, shape (k, k); 0 on the diagonal."""
    wins = np.zeros((k, k))
    for table in cells:
        mean = table.mean(axis=1).round(DECIMALS)
        wins += (mean[:, None] > mean) + 0.5 * (mean[:, None] == mean)
    np.fill_diagonal(wins, 0)
    return wins
