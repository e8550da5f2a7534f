"""CUBE's cases: stepping through dictionaries and arrays, the bare dynamics, resets and frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

import emcoop
from emcoop.baselines.bench.floors import STEPS, many, tight_floor, usual_floor
from emcoop.baselines.bench.measuring import Case, Sample, repeated
from emcoop.envs.cube.dynamics import step_and_observe
from emcoop.envs.cube.layout import place
from emcoop.envs.cube.scratch import make_scratch
from emcoop.envs.cube.settings import ACTIONS, make_settings
from emcoop.envs.cube.world import make_world

ENV_ID = "Cube-v0"
AGENT_STEPS = "agent-steps/s"
LONG = 10**7
"""Episodes so long that resets, measured on their own, do not matter here."""

RECORDED_SHAPE = (9, 9)
FRAMES = (64, 512)
FRAME_AGENTS = 16


def draw(n_agents: int, n_envs: int, count: int) -> list[Any]:
    """Return `count` random joint actions `(n_envs, n)`, uint8."""
    rng = np.random.default_rng(n_agents)
    return [rng.integers(0, len(ACTIONS), (n_envs, n_agents), np.uint8) for _ in range(count)]


def team_cases(n_agents: int) -> list[Case]:
    """Return the cases of one team size: three floors, dictionaries, arrays, bare dynamics and reset."""
    env = emcoop.parallel_env(ENV_ID, n_agents=n_agents)
    names, shape = env.possible_agents, env.observation_space(env.possible_agents[0]).shape
    work = STEPS * n_agents
    return [
        Case(f"floor/{n_agents}", AGENT_STEPS, repeated(many(usual_floor(names, shape)), work)),
        Case(f"floor_tight/{n_agents}", AGENT_STEPS, repeated(many(tight_floor(names, shape)), work)),
        Case(f"floor_9x9/{n_agents}", AGENT_STEPS, repeated(many(usual_floor(names, RECORDED_SHAPE)), work)),
        Case(f"dicts/{n_agents}", AGENT_STEPS, repeated(through_dicts(n_agents), work)),
        Case(f"arrays/{n_agents}", AGENT_STEPS, repeated(through_arrays(n_agents, 1), work)),
        Case(f"state/{n_agents}", AGENT_STEPS, repeated(state_only(n_agents), work)),
        Case(f"reset/{n_agents}", "resets/s", repeated(env.reset, 1)),
    ]


def through_dicts(n_agents: int) -> Callable[[], None]:
    """Return a call of `STEPS` steps of the ParallelEnv; the few resets it needs are included."""
    env = emcoop.parallel_env(ENV_ID, n_agents=n_agents, max_steps=LONG)
    env.reset(seed=0)
    actions = [dict(zip(env.possible_agents, joint[0].tolist())) for joint in draw(n_agents, 1, STEPS)]

    def call() -> None:
        for joint in actions:
            result = env.step(joint)
            if not env.agents:
                env.reset()
        del result

    return call


def through_arrays(n_agents: int, n_envs: int, n_threads: int = 1, steps: int = STEPS) -> Callable[[], None]:
    """Return a call of `steps` steps of the batch environment; the few resets it needs are included."""
    env = emcoop.batch_env(ENV_ID, n_agents=n_agents, n_envs=n_envs, n_threads=n_threads, max_steps=LONG)
    env.reset(seed=0)
    actions = draw(n_agents, n_envs, steps)

    def call() -> None:
        for joint in actions:
            result = env.step(joint)
        del result

    return call


def state_only(n_agents: int) -> Callable[[], None]:
    """Return a call of `STEPS` steps of the compiled dynamics, called from Python, without observations."""
    settings = make_settings(n_agents, max_steps=LONG)
    world = make_world(settings, settings.weights, 1, 3)
    world.place(0, *place(settings, 0))
    scratch = make_scratch(n_agents, world.n_blocks, world.occupancy.shape[1])
    outcome, nothing = np.zeros((1, 4), np.int32), np.zeros((1, n_agents, 1, 1), np.uint64)
    actions = draw(n_agents, 1, STEPS)

    def call() -> None:
        for joint in actions:
            step_and_observe(
                world.rows, world.occupancy, world.cells, joint, nothing, outcome, *scratch, 0, 1, world.pad, 0, False
            )

    return call


def batch_cases(n_envs: int, n_agents: int) -> list[Case]:
    """Return the cases of many environments: CPU time of one thread, wall time of one and of two."""

    def case(name: str, n_threads: int, clock: Callable[[], float]) -> Case:
        sample: Sample = repeated(through_arrays(n_agents, n_envs, n_threads, 4), 4 * n_envs * n_agents, clock)
        return Case(f"batch/{name}", AGENT_STEPS, sample)

    return [
        case("cpu", 1, time.process_time),
        case("wall_1", 1, time.perf_counter),
        case("wall_2", 2, time.perf_counter),
    ]


def frame_cases() -> list[Case]:
    """Return the cases of drawing the whole board, each frame after another step."""
    from emcoop.envs.cube.render import render_rgb

    env = emcoop.parallel_env(ENV_ID, n_agents=FRAME_AGENTS, max_steps=LONG)
    env.reset(seed=0)
    actions = [dict(zip(env.possible_agents, joint[0].tolist())) for joint in draw(FRAME_AGENTS, 1, STEPS)]
    snapshots = []
    for joint in actions:
        env.step(joint)
        snapshots.append(env.snapshot())

    def drawing(size: int) -> Callable[[], Any]:
        turn = cycle(snapshots)
        return lambda: render_rgb(next(turn), env.settings.grid_size, size=size)

    return [Case(f"frame/{size}", "frames/s", repeated(drawing(size), 1)) for size in FRAMES]
