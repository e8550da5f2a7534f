"""Replay: rebuild the environment from a trace, apply the recorded joint actions, compare every state hash."""

from __future__ import annotations

from pathlib import Path

from emcoop.errors import ReplayMismatch, TraceError
from emcoop.registration import make_embodiment
from emcoop.trace import Trace, read_trace, schema


def replay(trace: Trace | str | Path) -> int:
    """Re-execute the joint actions of a trace and compare the state after every step.

    Args:
        trace: A trace, or the path of one. A truncated one is checked as far as it goes.

    Returns:
        The number of steps that were verified (step 0 not counted).

    Raises:
        ReplayMismatch: A state hash, the progress, a reward or the final score differs; the trace goes on after the
            world has ended, or calls an episode completed that goes on.
        TraceError: The trace names no known environment, or settings or actions that do not fit it.
    """
    if not isinstance(trace, Trace):
        trace = read_trace(trace)
    episode, steps = trace.episode, trace.of(schema.Step)
    try:
        world = make_embodiment(
            episode.env_id, n_agents=episode.n_agents, max_steps=episode.max_steps, **episode.env_kwargs
        )
        outcome = world.reset(episode.seed, episode.options)
        for step in steps:
            if step.t > 0:
                if outcome.terminated or outcome.truncated:
                    raise ReplayMismatch(step.t, f"after step {step.t - 1}", "the end", "another step")
                outcome = world.step(step.actions)
            _compare(step.t, "state hash", step.state_hash, world.state_hash())
            _compare(step.t, "progress", step.progress, world.progress())
            _compare(step.t, "reward", step.reward, outcome.reward)
    except (ValueError, IndexError, OverflowError) as error:
        raise TraceError(f"the trace cannot be replayed: {error}") from error
    if (end := trace.end) is not None:
        score, raw_score = world.scores()
        _compare(end.t, "score", end.score, score)
        _compare(end.t, "raw score", end.raw_score, raw_score)
        _compare(end.t, "terminated", end.terminated, outcome.terminated)
        if end.status == "completed" and not (outcome.terminated or outcome.truncated):
            raise ReplayMismatch(end.t, "completed", "an episode that goes on", "status")
    return max(len(steps) - 1, 0)


def _compare(step: int, what: str, expected: object, got: object) -> None:
    if expected != got:
        raise ReplayMismatch(step, str(expected), str(got), what)
