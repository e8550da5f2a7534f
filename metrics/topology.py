"""The shape of who reached whom, and what keeping in step cost."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from emcoop.metrics.exchange import exchange
from emcoop.metrics.permitted import permitted_edges
from emcoop.metrics.quantities import gini, mean, ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.metrics.work import LASTING
from emcoop.trace import Trace
from emcoop.trace.schema import Round

DIG = "interaction graph (DIG, arXiv 2603.00309); EmCoop's own metric"
DENSE = 256
"""Agents up to which all eigenvalues are computed at once."""

Matrix = NDArray[np.bool_]


@per_trace
def reached(trace: Trace) -> Matrix:
    """Return whom the messages of each agent reached: a row per sender, a column per recipient, no self-loops.

    Agents that neither reached anybody nor were reached are left out.
    """
    x, h = exchange(trace), exchange(trace).handlings
    n = trace.episode.n_agents
    sender = np.array([one.record.sender for one in x.said], np.int64)
    pairs = np.unique(sender[h.message] * n + h.agent).tolist()
    for one in x.said:
        for recipients, _, _ in one.arrivals:
            if not isinstance(recipients, str):
                pairs += [one.record.sender * n + agent for agent in recipients if 0 <= agent < n]
    sources, targets = np.divmod(np.unique(np.array(pairs, np.int64)), n)
    proper = sources != targets
    agents, ends = np.unique(np.concatenate([sources[proper], targets[proper]]), return_inverse=True)
    matrix = np.zeros((len(agents), len(agents)), bool)
    matrix[np.split(ends, 2)[0], np.split(ends, 2)[1]] = True
    return matrix


@metric("Cent", "sum_i (max_j d_j - d_i) / (n - 1)^2, d = out-degree", (0.0, 1.0), "neither", "Freeman (1978)")
def hub_concentration(trace: Trace) -> float:
    """Freeman centralisation of the out-degrees: how much the talk starts from one agent.

    An agent's out-degree is the number of agents that its messages reached. 1 = one agent reaches all and nobody else
    anybody, 0 = all reach equally many. NaN in a team of one, and if nobody was reached.
    """
    n = trace.episode.n_agents
    degrees = reached(trace).sum(axis=1)
    return ratio(int(n * degrees.max() - degrees.sum()), (n - 1) ** 2) if len(degrees) else math.nan


@metric("M_hand", "sum_ij |h_i - h_j| / (2 n sum_i h_i), h_i = copies handled by i", (0.0, 1.0), "neither", DIG)
def handling_imbalance(trace: Trace) -> float:
    """Gini coefficient of the number of copies each agent used, threw away or passed on.

    0 = all handled equally many, 1 - 1/n = one agent handled everything. NaN if nothing was handled and in a team of
    one.
    """
    n = trace.episode.n_agents
    h = exchange(trace).handlings
    handled = h.agent[np.array(LASTING)[h.label]]
    return gini(np.bincount(handled, minlength=n).tolist()) if n > 1 else math.nan


@metric("Rec", "ordered pairs in touch both ways / ordered pairs in touch", (0.0, 1.0), "neither", DIG)
def reciprocity(trace: Trace) -> float:
    """Share of the ordered pairs (sender, recipient) that were in touch the other way round too.

    1 = dialogue everywhere, 0 = announcements only. NaN if nobody was reached.
    """
    matrix = reached(trace)
    return ratio(int((matrix & matrix.T).sum()), int(matrix.sum()))


@metric("Use", "ordered pairs in touch / ordered pairs permitted by the topology", (0.0, 1.0), "neither", DIG)
def topology_use(trace: Trace) -> float:
    """Share of the permitted edges over which any message was delivered.

    NaN where nobody may talk, and where the trace does not tell the permitted edges (`permitted.permitted_edges`).
    """
    return min(ratio(int(reached(trace).sum()), permitted_edges(trace)), 1.0)


@metric(
    "rho", "spectral radius of A, A_ij = [a message of i reached j]", (0.0, math.inf), "neither", "arXiv 2603.04474"
)
def spectral_radius(trace: Trace) -> float:
    """Spectral radius of who reached whom over the whole episode, without self-loops: how errors can grow.

    Star sqrt(n - 1), everybody with everybody n - 1, directed ring 1, directed chain 0 (an error passes through once).
    Rounded to 9 decimals. 0 if nobody was reached.
    """
    return radius(reached(trace))


@metric("Gap", "(max - mean over agents of their rounds of thinking) / mean", (0.0, math.inf), "lower", DIG)
def straggler_gap(trace: Trace) -> float:
    """How much longer than the mean the slowest agent thought, in rounds over the whole episode.

    A decision takes the rounds from the one in which the planner was asked to the one in which it took effect, both
    counted. Agents that never decided are left out. NaN without a decision.
    """
    rounds: Counter[int] = Counter()
    for one in exchange(trace).decided:
        rounds[one.record.agent] += max(one.record.c - one.record.started, 0) + 1
    average = mean(list(rounds.values()))
    return ratio(max(rounds.values(), default=0) - average, average)


@metric("BW", "agent-rounds in W / agent-rounds of thinking", (0.0, 1.0), "lower", DIG)
def barrier_waste(trace: Trace) -> float:
    """Share of the agent-rounds before steps that agents with a plan spent waiting for the others to be ready.

    Unlike `wait_overhead` it does not count the steps themselves. NaN without a round.
    """
    rounds = trace.of(Round)
    return ratio(sum(r.wait for r in rounds), sum(r.reason + r.wait + r.execute + r.interrupt for r in rounds))


def radius(matrix: Matrix) -> float:
    """Return the spectral radius of a directed graph given by its adjacency matrix, to 9 decimals.

    It is the largest of those of its strongly connected parts; a graph without cycles has 0.
    """
    if not matrix.any():
        return 0.0
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    count, part_of = connected_components(csr_matrix(matrix.astype(float)), connection="strong")
    parts = (np.flatnonzero(part_of == part) for part in range(count))
    return round(max(_perron(matrix[np.ix_(part, part)].astype(float)) for part in parts), 9)


def _perron(matrix: NDArray[np.float64]) -> float:
    """Return the largest eigenvalue of a strongly connected part: it is real."""
    if len(matrix) <= DENSE:
        return float(np.linalg.eigvals(matrix).real.max())
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import ArpackNoConvergence, eigs

    try:
        start = np.ones(len(matrix))
        return float(eigs(csr_array(matrix), k=1, which="LR", v0=start, return_eigenvectors=False).real.max())
    except ArpackNoConvergence:
        return float(np.linalg.eigvals(matrix).real.max())
