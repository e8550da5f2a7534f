"""How a team shared its work out: evenly or not, alike or each to its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.metrics.kinds import producers, vocabulary
from emcoop.metrics.quantities import gini, ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.metrics.tracks import tracks
from emcoop.trace import Trace
from emcoop.trace.schema import Step

DIVERSITY = "arXiv 2602.03794 (effective channel count), on histograms instead of embeddings"
DIGITS = 9
"""Digits after the point to which effective numbers are given, so that the order of a sum does not show."""


@metric("W_gini", "sum_ij |w_i - w_j| / (2 n sum_i w_i), w_i = productive steps of i", (0.0, 1.0), "lower", "EmCoop")
def workload_imbalance(trace: Trace) -> float:
    """Gini coefficient of the number of productive steps of each agent.

    0 = all did equally many, 1 - 1/n = one agent did everything. Productive is a step in which an agent pushed a block
    that moved, harvested, made, placed or gave something (`kinds.Vocabulary.productive`). NaN if nobody did, in a
    team of one, and in a world whose events metrics cannot read.
    """
    n_agents, done = trace.episode.n_agents, productive_steps(trace)
    return gini([done[agent] for agent in range(n_agents)]) if n_agents > 1 and done else math.nan


@metric("W_100", "100 * productive agent-steps / agent-steps", (0.0, 100.0), "higher", "EmCoop")
def productive_steps_per_100(trace: Trace) -> float:
    """Productive agent-steps per 100 agent-steps.

    Productive as in `workload_imbalance`. NaN without a step, and in a world whose events metrics cannot read.
    """
    taken = sum(step.t > 0 for step in trace.of(Step)) * trace.episode.n_agents
    return ratio(100 * productive_steps(trace).total(), taken) if vocabulary(trace).productive else math.nan


@metric(
    "K*_act", "exp(-sum_k l_k ln l_k), l = spectrum of agents' action histograms", (1.0, math.inf), "neither", DIVERSITY
)
def role_differentiation(trace: Trace) -> float:
    """Effective number of different action profiles in the team: 1 = all act alike, n = nobody does what another does.

    A profile is how often an agent took each primitive, scaled to length 1; l are the eigenvalues of the matrix of the
    profiles' inner products, divided by their sum. NaN in a team of one and without a step.
    """
    n, words = trace.episode.n_agents, vocabulary(trace)
    joint = [step.actions for step in trace.of(Step) if len(step.actions) == n]
    return effective_number([Counter(map(words.plain, actions)) for actions in zip(*joint)])


@metric(
    "K*_cell", "exp(-sum_k l_k ln l_k), l = spectrum of agents' cell histograms", (1.0, math.inf), "neither", DIVERSITY
)
def territory_differentiation(trace: Trace) -> float:
    """Effective number of different territories in the team: 1 = all in the same cells, n = no cell in common.

    As `role_differentiation`, with the number of steps after which an agent stood on each cell. NaN with fewer than two
    agents on cells.
    """
    return effective_number([Counter(way) for way in tracks(trace).codes.T.tolist()])


@per_trace
def productive_steps(trace: Trace) -> Counter[int]:
    """Return the number of productive steps of each agent that had any."""
    words, n = vocabulary(trace), trace.episode.n_agents
    done: Counter[int] = Counter()
    for step in trace.of(Step):
        if step.t > 0:
            done.update({agent for event in step.events for agent in producers(event, words) if 0 <= agent < n})
    return done


def effective_number(profiles: Sequence[Mapping[Any, int]]) -> float:
    """Return how many different profiles there are in effect: exp of the spectral entropy of their inner products.

    Args:
        profiles: One histogram per agent, counts of whatever can be put in order.

    Returns:
        1 for equal profiles, the number of profiles if nothing is in two of them (K*, arXiv 2602.03794, there written
        with a logarithm to base 2); NaN of fewer than two, or if one is empty. It does not depend on their order.
    """
    ordered = sorted(profiles, key=lambda profile: sorted(profile.items()))
    if len(ordered) < 2 or not all(ordered):
        return math.nan
    spectrum = np.linalg.eigvalsh(_gram_matrix(ordered))
    shares = (spectrum[spectrum > 0] / spectrum[spectrum > 0].sum()).tolist()
    return round(math.exp(-math.fsum(share * math.log(share) for share in shares)), DIGITS)


def _gram_matrix(profiles: Sequence[Mapping[Any, int]]) -> NDArray[np.float64]:
    """Return the inner products of histograms scaled to length 1.

    Where there are fewer keys than profiles, return the smaller matrix of the keys, which has the same spectrum but for
    zeros.
    """
    column_of = {key: column for column, key in enumerate(sorted({key for profile in profiles for key in profile}))}
    rows = np.repeat(np.arange(len(profiles)), [len(profile) for profile in profiles])
    columns = np.array([column_of[key] for profile in profiles for key in profile])
    counts = np.array([count for profile in profiles for count in profile.values()], np.float64)
    units = counts / np.sqrt(np.bincount(rows, counts**2))[rows]
    if len(column_of) < len(profiles):
        table = np.zeros((len(profiles), len(column_of)))
        table[rows, columns] = units
        return np.asarray(table.T @ table)
    from scipy.sparse import csr_array

    sparse = csr_array((units, (rows, columns)), shape=(len(profiles), len(column_of)))
    return np.asarray((sparse @ sparse.T).toarray())
