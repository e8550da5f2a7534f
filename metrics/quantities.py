"""Quantities that several metrics are made of."""

from __future__ import annotations

import math
from collections.abc import Collection

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


def gini(values: Collection[float]) -> float:
    """Return the Gini coefficient of non-negative values, in [0, 1 - 1/n]; NaN if they are all zero.

    Half the mean absolute difference over all ordered pairs, divided by the mean.
    """
    n = len(values)
    weighted = math.fsum((2 * rank - n - 1) * value for rank, value in enumerate(sorted(values), start=1))
    return ratio(weighted, n * math.fsum(values))
