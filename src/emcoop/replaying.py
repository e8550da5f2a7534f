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
        ReplayMismatch: A state hash, the progress, or the final score differs.
        TraceError: The trace names no known environment, or settings or actions that do not fit it.
    """
    if not isinstance(trace, Trace):
        trace = read_trace(trace)
    episode, steps = trace.episode, trace.of(schema.Step)
    try:
        world = make_embodiment(
            episode.env_id, n_agents=episode.n_agents, max_steps=episode.max_steps, **episode.env_kwargs
        )
        world.reset(episode.seed, episode.options)
        for step in steps:
            if step.t > 0:
                world.step(step.actions)
            got = world.state_hash()
            if got != step.state_hash:
                raise ReplayMismatch(step.t, step.state_hash, got)
            if world.progress() != step.progress:
                raise ReplayMismatch(step.t, f"progress {step.progress}", f"progress {world.progress()}")
    except ValueError as error:
        raise TraceError(f"the trace cannot be replayed: {error}") from error
    end = trace.end
    if end is not None and (end.score, end.raw_score) != world.scores():
        raise ReplayMismatch(end.t, f"score {end.score}", f"score {world.scores()[0]}")
    return max(len(steps) - 1, 0)
