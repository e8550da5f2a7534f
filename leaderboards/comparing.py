"""Ranked submissions two by two: who wins which share of the cells, by how much, and what another consensus says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from emcoop.baselines.expansion import Unit
from emcoop.metrics import ranking, statistics
from emcoop.metrics.statistics import Estimate

Cell: TypeAlias = tuple[str, str, int, str, str, str]
"""Environment, variant, team size, topology, regime, condition."""
Key: TypeAlias = tuple[str, str, int, str, str, str, int]
"""A cell and a seed: one episode."""
Scores: TypeAlias = Mapping[Key, float]


@dataclass(frozen=True)
class Duel:
    """One submission against another.

    Attributes:
        share: Share of cells in which its mean score is higher, ties half.
        difference: Mean over the shared episodes of its normalised score less the other's.
    """

    share: float
    difference: Estimate


@dataclass(frozen=True)
class Disagreement:
    """A pair that the Kemeny consensus orders the other way than Borda."""

    borda_first: str
    kemeny_first: str


def cell_of(unit: Unit) -> Cell:
    """Return the cell of an episode, without its planner."""
    return (unit.env, unit.variant, unit.n_agents, unit.topology, unit.regime, unit.condition)


def key_of(unit: Unit) -> Key:
    """Return what names an episode whoever played it."""
    return (*cell_of(unit), unit.seed)


def cell_label(cell: Cell) -> str:
    """Return the readable name of a cell."""
    env, variant, n, topology, regime, condition = cell
    return " ".join(part for part in (env, variant, f"n={n}", topology, regime, condition) if part)


def duels(raw: Mapping[str, Scores], normalized: Mapping[str, Scores]) -> dict[str, dict[str, Duel]]:
    """Compare submissions two by two.

    Args:
        raw: Submission -> episode -> score, on which wins rest.
        normalized: The same on the scale of the suite, for the differences.

    Returns:
        Submission -> other submission -> how the first does against it.
    """
    names, wins = list(raw), ranking.win_matrix(raw)
    found: dict[str, dict[str, Duel]] = {name: {} for name in names}
    for (i, first), (j, second) in itertools.combinations(enumerate(names), 2):
        gap = statistics.paired_difference(normalized[first], normalized[second], statistic="mean")
        back = Estimate(-gap.value, -gap.high, -gap.low, gap.n, gap.dropped, gap.missing)
        found[first][second] = Duel(float(wins[i, j]), gap)
        found[second][first] = Duel(float(wins[j, i]), back)
    return found


def disagreements(raw: Mapping[str, Scores], ranks: Mapping[str, float]) -> list[Disagreement]:
    """Return the pairs that the Kemeny consensus orders the other way than their ranks; of equal orders the nearest.

    Args:
        raw: Submission -> episode -> score; at most `ranking.MOST_EXACT`, best first.
        ranks: Their ranks by Borda.
    """
    order = ranking.kemeny(raw).order
    return [
        Disagreement(borda_first=after, kemeny_first=before)
        for before, after in itertools.combinations(order, 2)
        if ranks[after] < ranks[before]
    ]
