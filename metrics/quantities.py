"""Quantities that several metrics are made of."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Step


@per_trace
def steps_taken(trace: Trace) -> int:
    """Return the number of environment steps the trace shows; the record after reset is no step."""
    steps = trace.of(Step)
    return steps[-1].t if steps else 0


def agent_steps(trace: Trace) -> int:
    """Return the number of agent-steps: environment steps times team size."""
    return steps_taken(trace) * trace.episode.n_agents


def ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN if there is nothing to take a part of."""
    return part / whole if whole else math.nan


def mean(values: Collection[float]) -> float:
    """Return the mean, NaN of nothing."""
    return ratio(math.fsum(values), len(values))


def spread(values: Collection[float]) -> float:
    """Return the standard deviation of all the values there are, NaN of nothing."""
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values])) if values else math.nan


def entropy(counts: Iterable[int]) -> float:
    """Return the Shannon entropy of a distribution given as counts, in bits; NaN if nothing was counted."""
    counts = [count for count in counts if count > 0]
    total = sum(counts)
    return max(0.0, -math.fsum(count / total * math.log2(count / total) for count in counts)) if total else math.nan


def gini(values: Collection[float]) -> float:
    """Return the Gini coefficient of non-negative values, in [0, 1 - 1/n]; NaN if they are all zero.

    Half the mean absolute difference over all ordered pairs, divided by the mean.
    """
    n = len(values)
    weighted = math.fsum((2 * rank - n - 1) * value for rank, value in enumerate(sorted(values), start=1))
    return ratio(weighted, n * math.fsum(values))
