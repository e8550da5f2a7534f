"""How work went through the interaction graph: what led to success, what got lost, and how long the paths are."""

from __future__ import annotations

import math

import numpy as np

from emcoop.metrics.ancestry import depths, fruitful, is_root
from emcoop.metrics.exchange import CONSUME, REROUTE, Floats, exchange
from emcoop.metrics.failures.thresholds import thresholds_for
from emcoop.metrics.interaction_patterns import orphans, repeated
from emcoop.metrics.quantities import mean, ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.metrics.work import arrival, origins, work_items
from emcoop.trace import Trace

DIG = "interaction graph (DIG, arXiv 2603.00309); EmCoop's own metric"


@metric("Cov", "work-bearing messages with a path to success / work-bearing messages", (0.0, 1.0), "higher", DIG)
def work_coverage(trace: Trace) -> float:
    """Share of work-bearing messages that contributed to a success.

    A path leads through decisions that consumed the message to a finished task (the plan of an agent with credit), or
    to the declaration of being done. NaN without a work-bearing message.
    """
    led = fruitful(trace)
    return ratio(sum(led[place] for place in work_items(trace)), len(work_items(trace)))


@metric("Cov_0", "messages without ancestors with a path to success / those", (0.0, 1.0), "higher", DIG)
def root_coverage(trace: Trace) -> float:
    """Share of messages at the beginning of a lineage that contributed to a success.

    Such a message was sent by a decision that had heard nothing. Paths as in `work_coverage`. NaN without one.
    """
    led = [led for led, root in zip(fruitful(trace), is_root(trace), strict=True) if root]
    return ratio(sum(led), len(led))


@metric("f_o", "orphaned work-bearing messages / work-bearing messages", (0.0, 1.0), "lower", DIG)
def orphan_rate(trace: Trace) -> float:
    """Share of work-bearing messages that nobody ever used.

    Nobody consumed them, and nothing has happened to them for W_t steps when the trace ends; those sent or moved later
    than that may still find a reader. NaN without a work-bearing message.
    """
    return ratio(len(orphans(trace, thresholds_for(trace))), len(work_items(trace)))


@metric("tau_50", "median over consumed copies of (round consumed - round delivered)", (0.0, math.inf), "lower", DIG)
def sojourn_median(trace: Trace) -> float:
    """Cognitive rounds that half of the used messages lay at most before they were used.

    NaN if none was used.
    """
    return _sojourn(trace, 50)


@metric(
    "tau_90",
    "90th percentile of (round consumed - round delivered)",
    (0.0, math.inf),
    "lower",
    DIG,
)
def sojourn_p90(trace: Trace) -> float:
    """Cognitive rounds that nine in ten of the used messages lay at most before they were used.

    NaN if none was used.
    """
    return _sojourn(trace, 90)


@metric("d_rr", "max over messages of the agents that passed it on", (0.0, math.inf), "lower", DIG)
def reroute_depth(trace: Trace) -> float:
    """Most agents that passed the same message on.

    NaN without a message.
    """
    return float(max(_rerouters(trace), default=math.nan))


@metric("d_mean", "mean over messages of the agents that passed it on", (0.0, math.inf), "lower", DIG)
def reroute_depth_mean(trace: Trace) -> float:
    """Agents that passed a message on, in the mean.

    NaN without a message.
    """
    return mean(_rerouters(trace))


@metric("br", "work-bearing messages sent / consumed", (1.0, math.inf), "lower", DIG)
def branching(trace: Trace) -> float:
    """Work-bearing messages sent per one that anybody used.

    NaN if none was used.
    """
    items = work_items(trace).values()
    return ratio(len(items), sum(math.isfinite(item.consumed) for item in items))


@metric("L", "decisions on the longest path through consumed messages", (1.0, math.inf), "neither", DIG)
def critical_path(trace: Trace) -> float:
    """Decisions on the longest path of influence: how deep the team's thinking builds upon itself.

    Each consumed a message of the one before, or went on where the same agent had only talked or listened. NaN without
    a decision.
    """
    return float(depths(trace)[0] or math.nan)


@metric("Par", "decisions / longest chain of decisions", (1.0, math.inf), "higher", DIG)
def parallelism(trace: Trace) -> float:
    """Decisions that ran side by side, in the mean; at most the team size.

    In a chain each decision follows the same agent's decision before, or one whose message it consumed. NaN without a
    decision.
    """
    return ratio(len(exchange(trace).decided), depths(trace)[1])


@metric("RSP", "parts used by several reducing decisions / work-bearing messages", (0.0, 1.0), "lower", DIG)
def repeated_handling(trace: Trace) -> float:
    """Share of work-bearing messages that were put together with others more than once.

    A reducing decision consumes several parts of the work and sends fewer messages, but at least one; promises are no
    parts. NaN without a work-bearing message.
    """
    return ratio(len(repeated(trace)), len(work_items(trace)))


def _sojourn(trace: Trace, percent: float) -> float:
    waits = _sojourns(trace)
    return float(np.percentile(waits, percent)) if len(waits) else math.nan


@per_trace
def _sojourns(trace: Trace) -> Floats:
    """Return for every consumed copy how many rounds it lay there."""
    x, h = exchange(trace), exchange(trace).handlings
    rows = np.flatnonzero(h.label == CONSUME)
    first = np.array([one.arrivals[0][2] if one.arrivals else one.record.c for one in x.said], float)
    came = first[h.message[rows]]
    several = np.array([len(one.arrivals) > 1 for one in x.said], bool)[h.message[rows]]
    for row in np.flatnonzero(several).tolist():
        came[row] = arrival(x.said[int(h.message[rows[row]])], int(h.agent[rows[row]]))[1]
    return np.asarray(np.maximum(h.c[rows] - came, 0.0))


@per_trace
def _rerouters(trace: Trace) -> list[int]:
    """Return for every message how many agents passed it on."""
    h = exchange(trace).handlings
    origin = origins(trace)
    rows = np.flatnonzero(h.label == REROUTE)
    pairs = {(int(origin[h.message[row]]), int(h.agent[row])) for row in rows}
    counts = dict.fromkeys(np.unique(origin).tolist(), 0)
    for place, _ in pairs:
        counts[place] += 1
    return list(counts.values())
