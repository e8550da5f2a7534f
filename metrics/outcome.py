"""What a team achieved, and how soon."""

from __future__ import annotations

import math

from emcoop.metrics.quantities import ratio, steps_taken
from emcoop.metrics.registry import metric
from emcoop.trace import Trace
from emcoop.trace.schema import Message, Step

REACHED = 1 - 1e-9
"""Progress from which the goal counts as reached: the potential is a sum of floats."""


@metric("S", "score of the end record", (0.0, 1.0), "higher", "the environment's own score")
def score(trace: Trace) -> float:
    """The environment's own score of the whole episode.

    NaN if the trace has no end record or if infrastructure failed (`infra_error`): such an episode is not judged.
    """
    return trace.end.score if trace.end and trace.end.status != "infra_error" else math.nan


@metric("S_raw", "raw score of the end record", (-math.inf, math.inf), "higher", "the environment's points")
def raw_score(trace: Trace) -> float:
    """The environment's points, on its own scale.

    NaN if the trace has no end record or if infrastructure failed (`infra_error`): such an episode is not judged.
    """
    return trace.end.raw_score if trace.end and trace.end.status != "infra_error" else math.nan


@metric("T", "number of joint primitive steps", (0.0, math.inf), "lower", "EmCoop")
def steps(trace: Trace) -> float:
    """Environment steps taken, from the step records."""
    return float(steps_taken(trace))


@metric("AUC", "(1/H) sum_{t=1..H} progress(t)", (0.0, 1.0), "higher", "EmCoop")
def progress_auc(trace: Trace) -> float:
    """Mean progress over the horizon: the area under the progress curve, so that sooner counts more.

    H is the episode's `max_steps`. After the last step progress stays where it was, whatever ended the episode.
    NaN if H is 0 or no step record exists.
    """
    horizon = trace.episode.max_steps
    records = trace.of(Step)
    if not records or not horizon:
        return math.nan
    progress = [_bounded(record.progress) for record in records if 1 <= record.t <= horizon]
    rest = horizon - len(progress)
    return (math.fsum(progress) + rest * _bounded(records[-1].progress)) / horizon


@metric("T_goal", "min {t : progress(t) = 1}", (0.0, math.inf), "lower", "EmCoop")
def steps_to_goal(trace: Trace) -> float:
    """Environment steps until progress first reached 1.

    NaN if it never did. Equality is tested to one part in a billion.
    """
    return next((float(record.t) for record in trace.of(Step) if record.progress >= REACHED), math.nan)


@metric("S/T", "score / steps", (0.0, 1.0), "higher", "EmCoop")
def score_per_step(trace: Trace) -> float:
    """Score per environment step.

    NaN without a score or without a step.
    """
    return ratio(score(trace), steps_taken(trace))


@metric("S/M", "score / messages sent", (0.0, 1.0), "higher", "EmCoop")
def score_per_message(trace: Trace) -> float:
    """Score per message sent.

    NaN without a score or without a message.
    """
    return ratio(score(trace), len(trace.of(Message)))


def _bounded(progress: float) -> float:
    return min(max(progress, 0.0), 1.0)
