"""How the group moves as a whole: diagnostics to be shown, never scored.

From the cells of the agents after every step, so for any world whose agents have cells; agents without one when the
episode begins are left out, and without any such agent the metrics here are NaN. Averages over steps leave out steps
without what is averaged.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np

from emcoop.metrics.kinds import vocabulary
from emcoop.metrics.quantities import entropy, mean, ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.metrics.tracks import ROW_STEP, tracks
from emcoop.trace import Trace
from emcoop.trace.schema import Step

SWARM = "SwarmBench, arXiv 2505.04364"
REGION = 8
"""Side of the squares of `spatial_entropy`, in cells."""
COMPASS = [(rows, cols) for rows in (-1, 0, 1) for cols in (-1, 0, 1)]
"""Where an agent can go in a step, as signs; the middle one is standing still."""
STILL = COMPASS.index((0, 0))
LATER = (1, ROW_STEP)
SIDES = (1, -1, ROW_STEP, -ROW_STEP)


@metric("H_dir", "mean over steps of -sum_d f_d log2 f_d, f = directions of the moves", (0.0, 3.0), "neither", SWARM)
def direction_entropy(trace: Trace) -> float:
    """Bits of spread of the directions in which agents moved in a step.

    0 = all the same way; 2 = evenly in four directions, the most where there are no diagonals. Over the steps in which
    anybody moved.
    """
    return mean([entropy(counts) for counts in _movers(trace)])


@metric("Still", "agent-steps without a change of cell / agent-steps", (0.0, 1.0), "neither", SWARM)
def stillness(trace: Trace) -> float:
    """Share of agent-steps in which the agent stayed on its cell, whatever it did there.

    SwarmBench counts `STAY` actions; here work on the spot and blocked moves are still too.
    """
    moves = tracks(trace).moves
    still = moves.shape[0] * moves.shape[1] - int(moves.any(axis=2).sum())
    return ratio(still, moves.shape[0] * moves.shape[1])


@metric("A_dom", "mean over steps of agents with the most frequent primitive / n", (0.0, 1.0), "neither", SWARM)
def dominant_action_share(trace: Trace) -> float:
    """Share of the team that did the same, in a step.

    Needs no cells. NaN in a team of one.
    """
    n, words = trace.episode.n_agents, vocabulary(trace)
    joint = [step.actions for step in trace.of(Step) if n > 1 and len(step.actions) == n]
    return mean([max(Counter(map(words.plain, actions)).values()) / n for actions in joint])


@metric("Pol", "mean over steps of |sum of unit moves| / agents that moved", (0.0, 1.0), "neither", SWARM)
def polarisation(trace: Trace) -> float:
    """How much the agents that moved in a step moved the same way: 1 all the same way, 0 as many to and fro.

    Over the steps in which anybody moved; agents that stood still do not count.
    """
    found = []
    for counts in _movers(trace):
        units = [count / math.hypot(*COMPASS[way]) if count else 0.0 for way, count in enumerate(counts)]
        along = (math.fsum(unit * COMPASS[way][axis] for way, unit in enumerate(units)) for axis in (0, 1))
        found.append(min(math.hypot(*along) / sum(counts), 1.0))
    return mean(found)


@metric("Disp", "mean over agent-steps of |row change| + |column change|", (0.0, math.inf), "neither", SWARM)
def mean_displacement(trace: Trace) -> float:
    """Cells an agent moved in a step, along rows and columns."""
    moves = tracks(trace).moves
    return ratio(int(np.abs(moves).sum()), moves.shape[0] * moves.shape[1])


@metric("Expl", "number of distinct cells any agent stood on", (0.0, math.inf), "neither", SWARM)
def exploration(trace: Trace) -> float:
    """Cells that anybody has been on, those of the start included.

    A trace does not say how many could be reached, so it is not a share of them.
    """
    codes = tracks(trace).codes
    return float(len(np.unique(codes))) if codes.size else math.nan


@metric("Coh", "mean over steps of pairs at distance 1 before and after", (0.0, math.inf), "neither", SWARM)
def cohesion(trace: Trace) -> float:
    """Pairs of agents side by side (not diagonally) before a step that were side by side after it too.

    SwarmBench's local structure preservation. NaN with fewer than two agents.
    """
    ways = tracks(trace)
    together = [_kept_pairs(before, after) for before, after in pairwise(ways.codes.tolist())]
    return mean(together) if len(ways.agents) > 1 else math.nan


@metric(
    "H_space", "mean over steps of -sum_q f_q log2 f_q, f = agents per square of 8 x 8 cells", (0.0, math.inf),
    "neither", "fish-schooling diagnostics, as in SwarmBench, arXiv 2505.04364",
)  # fmt: skip
def spatial_entropy(trace: Trace) -> float:
    """Bits of spread of the team over the map, cut into squares of 8 x 8 cells from the corner (0, 0).

    0 = all in one square; log2 n = everybody in one of its own, the most there can be. The start counts as a step.
    NaN with fewer than two agents.
    """
    ways = tracks(trace)
    squares = ways.cells // REGION @ (ROW_STEP, 1)
    found = [entropy(np.unique(step, return_counts=True)[1].tolist()) for step in squares]
    return mean(found) if len(ways.agents) > 1 else math.nan


@per_trace
def _movers(trace: Trace) -> list[list[int]]:
    """Return for each step in which anybody moved how many went which way, in the order of `COMPASS`, none still."""
    ways = np.sign(tracks(trace).moves) @ (3, 1) + STILL
    counts = [np.bincount(step, minlength=len(COMPASS)).tolist() for step in ways]
    for step in counts:
        step[STILL] = 0
    return [step for step in counts if any(step)]


def _kept_pairs(before: list[int], after: list[int]) -> int:
    """Count the pairs of agents side by side before and after a step, from everybody's cell as one number."""
    there = set(before)
    groups: Counter[tuple[int, int]] | None = None
    pairs = 0
    for cell, then in zip(before, after):
        for side in LATER:
            if cell + side in there:
                groups = groups or Counter(zip(before, after))
                pairs += sum(groups[cell + side, then + other] for other in SIDES)
    return pairs
