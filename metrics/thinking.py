"""What thinking with language models and repairing plans took, and whether it worked."""

from __future__ import annotations

import math
from collections.abc import Callable

from emcoop.metrics.outcome import score
from emcoop.metrics.quantities import ratio
from emcoop.metrics.registry import metric, per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Activation, LlmCall, Monitor

LOWEST_RUNG = "text"
"""The rung on which nothing holds a reply to its schema."""


@metric("C", "model calls", (0.0, math.inf), "neither", "EmCoop")
def model_calls(trace: Trace) -> float:
    """Calls of language models behind the decisions."""
    return float(len(trace.of(LlmCall)))


@metric("K_p", "sum of prompt tokens", (0.0, math.inf), "neither", "EmCoop")
def prompt_tokens(trace: Trace) -> float:
    """Tokens that models read, as their providers count them.

    NaN without a model call, and if a provider does not count.
    """
    return _tokens(trace, lambda call: call.prompt_tokens)


@metric("K_c", "sum of completion tokens", (0.0, math.inf), "neither", "EmCoop")
def completion_tokens(trace: Trace) -> float:
    """Tokens that models wrote, as their providers count them.

    NaN without a model call, and if a provider does not count.
    """
    return _tokens(trace, lambda call: call.completion_tokens)


@metric("K/A", "tokens read and written / decisions with a model call", (0.0, math.inf), "lower", "EmCoop")
def tokens_per_decision(trace: Trace) -> float:
    """Tokens read and written per decision that called a model.

    Decisions of scripted teammates do not count. NaN without a model call, and if a provider does not count.
    """
    return ratio(_all_tokens(trace), len(_model_decisions(trace)))


@metric("P_ok", "calls with a usable reply / calls", (0.0, 1.0), "higher", "EmCoop")
def parse_rate(trace: Trace) -> float:
    """Share of model calls whose reply was usable as it came.

    Not usable is a reply that is empty, too long, no JSON, or not what was asked for. NaN without a model call.
    """
    calls = trace.of(LlmCall)
    return ratio(sum(call.status == "ok" for call in calls), len(calls))


@metric("P_rep", "decisions repaired / decisions with a model call", (0.0, 1.0), "lower", "EmCoop")
def repair_turns(trace: Trace) -> float:
    """Share of decisions for which the model needed a second turn to mend its reply.

    Of the decisions that called a model; NaN without one.
    """
    return _share(trace, "repaired")


@metric("P_fall", "decisions without a usable reply / decisions with a model call", (0.0, 1.0), "lower", "EmCoop")
def fallback_rate(trace: Trace) -> float:
    """Share of decisions in which no reply was usable, so that the agent fell back to waiting.

    Of the decisions that called a model; NaN without one.
    """
    return _share(trace, "fallback")


@metric("P_text", "calls held to no format / calls", (0.0, 1.0), "lower", "EmCoop")
def lowest_rung_share(trace: Trace) -> float:
    """Share of model calls on the lowest rung of the format ladder: plain text, held to no schema.

    NaN without a model call.
    """
    calls = trace.of(LlmCall)
    return ratio(sum(call.rung == LOWEST_RUNG for call in calls), len(calls))


@metric("S/K", "1000 * score / tokens read and written", (0.0, math.inf), "higher", "EmCoop")
def score_per_1k_tokens(trace: Trace) -> float:
    """Score per thousand tokens read and written.

    NaN without a score, without a model call, and if a provider does not count.
    """
    return ratio(1000 * score(trace), _all_tokens(trace))


@metric("R", "objections of monitors", (0.0, math.inf), "neither", "EmCoop")
def repair_notices(trace: Trace) -> float:
    """Times a monitor objected to a task that would fail as planned, and told agents so.

    NaN if no monitor watched.
    """
    return float(_count(trace, "objection")) if trace.episode.monitors else math.nan


@metric("R_A", "decisions asked for by monitors", (0.0, math.inf), "neither", "EmCoop")
def repair_decisions(trace: Trace) -> float:
    """Decisions that agents took because a monitor objected.

    NaN if no monitor watched.
    """
    return float(len(_repairs(trace))) if trace.episode.monitors else math.nan


@metric("R_K", "tokens of decisions asked for by monitors", (0.0, math.inf), "lower", "EmCoop")
def repair_tokens(trace: Trace) -> float:
    """Tokens that models took for decisions asked for by monitors, read and written.

    0 for scripted planners; NaN if no monitor watched.
    """
    return float(sum(decision.tokens for decision in _repairs(trace))) if trace.episode.monitors else math.nan


@metric("R_ok", "objections solved / objections judged", (0.0, 1.0), "higher", "EmCoop")
def repairs_solved(trace: Trace) -> float:
    """Share of objections that no longer stood after the agents had thought again.

    NaN without an objection that was judged.
    """
    solved = _count(trace, "solved")
    return ratio(solved, solved + _count(trace, "unsolved"))


def _tokens(trace: Trace, of: Callable[[LlmCall], int]) -> float:
    calls = trace.of(LlmCall)
    # No conversation is read in 0 tokens: that is how a provider which does not count shows.
    if not calls or not all(call.prompt_tokens for call in calls):
        return math.nan
    return float(sum(map(of, calls)))


def _all_tokens(trace: Trace) -> float:
    return _tokens(trace, lambda call: call.prompt_tokens + call.completion_tokens)


@per_trace
def _model_decisions(trace: Trace) -> list[Activation]:
    """Return the decisions that called a model."""
    asked = {call.activation for call in trace.of(LlmCall)}
    return [decision for decision in trace.of(Activation) if decision.id in asked]


def _share(trace: Trace, status: str) -> float:
    decisions = _model_decisions(trace)
    return ratio(sum(decision.status == status for decision in decisions), len(decisions))


def _repairs(trace: Trace) -> list[Activation]:
    return [decision for decision in trace.of(Activation) if decision.repair]


def _count(trace: Trace, event: str) -> int:
    return sum(record.event == event for record in trace.of(Monitor))
