"""Matched-run metrics: what an episode gains, costs and loses against another of the same world and seed.

Unlike the metrics of one trace they need two episodes, or several. Which ones are compared is the business of
`emcoop.metrics.pairing`; here are the formulas. A value that does not apply is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

from emcoop.metrics.quantities import ratio
from emcoop.metrics.registry import Direction
from emcoop.trace import Trace
from emcoop.trace.schema import Task

SCALING = "arXiv 2512.08296, matched runs"
SCALING_OWN = "EmCoop, after arXiv 2512.08296; the estimator of E is our own, so figures of that paper do not compare"
FIVE_WS = "arXiv 2602.11583 (Five Ws of communication)"
AEGIS = "EmCoop, after fault injection as in arXiv 2509.14295"
TEAMS = ("single", "individual")
"""References of metrics that ask what a team costs: one agent alone, and the same team without talk."""


@dataclass(frozen=True)
class Outcome:
    """What comparisons need to know of an episode, NaN where it is not known.

    Attributes:
        score: Score, in [0, 1].
        decisions: Decisions of the whole team (T).
        error: Our estimator of the error rate (E): the share of attempts on tasks that failed, `failed_attempts`.
    """

    score: float = math.nan
    decisions: float = math.nan
    error: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """A metric of matched runs and what a reader has to know about it; attributes as in `Metric`.

    Attributes:
        references: Kinds of episode it is compared with; with several there is a column for each.
    """

    name: str
    compute: Callable[..., float]
    symbol: str
    formula: str
    range: tuple[float, float]
    direction: Direction
    source: str
    references: tuple[str, ...]

    def __call__(self, *given: Any) -> float:
        """Return the value for the episodes given."""
        return self.compute(*given)

    @property
    def columns(self) -> list[str]:
        """Names of its columns in the table of matched runs."""
        if len(self.references) < 2:
            return [self.name]
        return [f"{self.name}_{reference}" for reference in self.references]

    @property
    def description(self) -> str:
        """First line of the function's docstring."""
        return self.details.partition("\n")[0]

    @property
    def details(self) -> str:
        """The function's docstring without its indentation."""
        return cleandoc(self.compute.__doc__ or "")


def comparison(
    symbol: str, formula: str, range: tuple[float, float], direction: Direction, source: str, references: Sequence[str]
) -> Callable[[Callable[..., float]], Comparison]:
    """Declare a function of matched runs as a metric, named after the function and described by its docstring."""

    def declare(function: Callable[..., float]) -> Comparison:
        return Comparison(function.__name__, function, symbol, formula, range, direction, source, tuple(references))

    return declare


@comparison("O%", "100 (T - T_ref) / T_ref", (-100.0, math.inf), "neither", SCALING, TEAMS)
def coordination_overhead(episode: Outcome, reference: Outcome) -> float:
    """Decisions taken beyond those of the reference, in percent of them.

    Against `single` (the same planner alone) and against `individual` (the same team without talk). NaN without a
    decision of the reference.
    """
    return ratio(100 * (episode.decisions - reference.decisions), reference.decisions)


@comparison("E_c", "S / (T / T_ref)", (0.0, math.inf), "higher", SCALING, TEAMS)
def coordination_efficiency(episode: Outcome, reference: Outcome) -> float:
    """Score per decision, in units of the reference's decisions.

    For the reference itself it is the score. NaN without a decision of both.
    """
    return episode.score / relative if (relative := ratio(episode.decisions, reference.decisions)) else math.nan


@comparison("A_e", "E / E_ref, E = failed attempts / attempts", (0.0, math.inf), "lower", SCALING_OWN, TEAMS)
def error_amplification(episode: Outcome, reference: Outcome) -> float:
    """How many times as often attempts on tasks fail as in the reference; above 1 the team makes more errors.

    NaN where no attempt of the reference failed (see `error_difference`), and without attempts.
    """
    return ratio(episode.error, reference.error)


@comparison(
    "Absorb", "(E_ref - E) / E_ref, E = failed attempts / attempts", (-math.inf, 1.0), "higher", SCALING_OWN, TEAMS
)
def error_absorption(episode: Outcome, reference: Outcome) -> float:
    """Share of the reference's failing attempts that the team does without: 1 - `error_amplification`.

    NaN where no attempt of the reference failed, and without attempts.
    """
    return ratio(reference.error - episode.error, reference.error)


@comparison("dE", "E - E_ref, E = failed attempts / attempts", (-1.0, 1.0), "lower", SCALING_OWN, TEAMS)
def error_difference(episode: Outcome, reference: Outcome) -> float:
    """By how much more of its attempts on tasks fail than of the reference's; also where the reference never failed.

    NaN without attempts.
    """
    return episode.error - reference.error


@comparison("V_comm", "S - S_silent", (-1.0, 1.0), "higher", FIVE_WS, ("silent",))
def communication_value(episode: Outcome, reference: Outcome) -> float:
    """Score that is lost when nothing is said.

    Silent is the same team under the same topology with every message suppressed (channel control `mute`); where no
    condition does that, the same team under `individual`. NaN for teams that cannot talk.
    """
    return episode.score - reference.score


@comparison(
    "D_loss", "- least-squares slope of S over the loss rate q", (-math.inf, math.inf), "lower", FIVE_WS, ("losses",)
)
def drop_sensitivity(points: Sequence[tuple[float, float]]) -> float:
    """Score lost per unit of message loss, over conditions that differ in the channel's loss rate alone.

    Stands in the row of the smallest rate. NaN with fewer than two rates, and for teams that cannot talk.
    """
    points = [(rate, score) for rate, score in points if math.isfinite(score)]
    n = len(points)
    middle, level = (ratio(math.fsum(column), n) for column in zip(*points)) if n else (math.nan, math.nan)
    return ratio(
        -math.fsum((rate - middle) * (score - level) for rate, score in points),
        math.fsum((rate - middle) ** 2 for rate, _ in points),
    )


@comparison("S_f/S_0", "S_fault / S_clean", (0.0, math.inf), "higher", AEGIS, ("clean",))
def fault_tolerance(episode: Outcome, reference: Outcome) -> float:
    """Share of the score that remains when faults are injected; 1 = nothing lost.

    NaN in episodes without faults and where the clean episode scored nothing.
    """
    return ratio(episode.score, reference.score)


@comparison("Reg", "1 - S / S_oracle", (-math.inf, 1.0), "lower", "EmCoop", ("oracle",))
def regret(episode: Outcome, reference: Outcome) -> float:
    """Share of the oracle's score that was missed; below 0 the oracle was beaten.

    NaN where the oracle scored nothing.
    """
    return ratio(reference.score - episode.score, reference.score)


@comparison(
    "S_norm", "(S - S_random) / (S_oracle - S_random)", (-math.inf, math.inf), "higher", "EmCoop", ("random+oracle",)
)
def paired_score(episode: Outcome, floor: Outcome, ceiling: Outcome) -> float:
    """Score on a scale where the random planner has 0 and the oracle 1, both on this very seed.

    NaN where both score the same.
    """
    return ratio(episode.score - floor.score, ceiling.score - floor.score)


METRICS = (
    coordination_overhead,
    coordination_efficiency,
    error_amplification,
    error_absorption,
    error_difference,
    communication_value,
    drop_sensitivity,
    fault_tolerance,
    regret,
    paired_score,
)
"""All of them, in the order of their columns."""


def containment(faulty: Trace, clean: Trace) -> float:
    """Compute the share of agents that a fault affected: those who earn more or less than without it.

    An agent earns its even share of the points of every task event it is credited with; when, and with which of
    several like tasks, does not matter. So a delay that costs nobody a task affects nobody; whoever loses a task or
    takes over that of another is affected, the agent that was hit among them.

    It takes two traces, not two rows, so the table of matched runs does not have it.

    Args:
        faulty: Trace of the episode with the fault.
        clean: Trace of the episode without it, same world, seed and team.

    Returns:
        Agents affected / n, in [0, 1], lower is better; NaN for teams of different size.

    Source: EmCoop, after fault injection as in arXiv 2509.14295.
    """
    n = clean.episode.n_agents
    if faulty.episode.n_agents != n:
        return math.nan
    pairs = zip(_earnings(faulty), _earnings(clean), strict=True)
    return ratio(sum(not math.isclose(one, other, abs_tol=1e-9) for one, other in pairs), n)


def _earnings(trace: Trace) -> list[float]:
    """Return the points of every agent."""
    shares: list[list[float]] = [[] for _ in range(trace.episode.n_agents)]
    for record in trace.of(Task):
        for agent in record.agents:
            if 0 <= agent < len(shares):
                shares[agent].append(record.value / len(record.agents))
    return [math.fsum(earned) for earned in shares]
