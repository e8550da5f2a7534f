"""MA-Crafter's cases: stepping through dictionaries and arrays, resets and frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import numpy as np

import emcoop
from emcoop.baselines.bench.floors import STEPS, many, nested_floor
from emcoop.baselines.bench.measuring import Case, Sample, repeated
from emcoop.baselines.bench.worlds import AGENT_STEPS
from emcoop.envs.ma_crafter.rules import ACTIONS

ENV_ID = "MACrafter-v0"
MODES = ("peaceful", "survival")
FRAME_STEPS = 64
BATCH_ENVS = 64
SAFE_STEPS = 24
"""From a reset on, an agent that acts at random hardly ever falls within so many steps."""
LEAST_FOR_AUTO = 64
"""Team sizes from here on also have cases on a map of automatic size; for 16 agents it is the default size."""


def draw(n_agents: int, n_envs: int, count: int) -> list[Any]:
    """Return `count` random joint actions `(n_envs, n)`, uint8."""
    rng = np.random.default_rng(n_agents)
    return [rng.integers(0, len(ACTIONS), (n_envs, n_agents), np.uint8) for _ in range(count)]


def level_for(n_agents: int) -> str:
    """Return the default level, but for one agent the one at which nobody needs others."""
    return "L1" if n_agents == 1 else "L3"


def team_cases(n_agents: int) -> list[Case]:
    """Return the cases of one team size: floor, dictionaries in both modes, and on a map of automatic size."""
    env = emcoop.parallel_env(ENV_ID, n_agents=n_agents)
    names: list[str] = env.possible_agents
    parts = env.observation_space(names[0]).spaces
    floor = nested_floor(names, parts["view"].shape, parts["self"].shape)
    found = [
        Case(f"ma_crafter/floor/{n_agents}", AGENT_STEPS, repeated(many(floor), STEPS * n_agents)),
        *(Case(f"ma_crafter/{mode}/{n_agents}", AGENT_STEPS, living_steps(n_agents, mode)) for mode in MODES),
    ]
    if n_agents >= LEAST_FOR_AUTO:
        found.append(
            Case(f"ma_crafter/peaceful_auto/{n_agents}", AGENT_STEPS, living_steps(n_agents, MODES[0], area="auto"))
        )
    return found


def living_steps(n_agents: int, mode: str, **settings: Any) -> Sample:
    """Return a sample of steps of the ParallelEnv on random actions.

    Episodes have the default length. Only agents still in the episode count as work. The clock stands still in resets
    and while the actions of those who are left are put together.

    Args:
        n_agents: Team size.
        mode: MA-Crafter's mode.
        settings: Others of its settings.
    """
    env = emcoop.parallel_env(ENV_ID, n_agents=n_agents, mode=mode, level=level_for(n_agents), **settings)
    env.reset(seed=0)
    actions = [dict(zip(env.possible_agents, joint[0].tolist())) for joint in draw(n_agents, 1, STEPS)]

    def sample(seconds: float) -> tuple[float, float]:
        done, spent = 0, 0.0
        while spent < seconds or not done:
            if not env.agents:
                env.reset()
            living = len(env.agents)
            joints = (
                actions if living == n_agents else [{name: joint[name] for name in env.agents} for joint in actions]
            )
            steps, took = run_while_all_live(env, joints)
            done += steps * living
            spent += took
        return done, spent

    return sample


def run_while_all_live(env: Any, joints: Sequence[dict[str, int]]) -> tuple[int, float]:
    """Step until the actions are used up or somebody leaves the episode; return steps and CPU seconds."""
    living, steps = len(env.agents), 0
    start = time.process_time()
    for joint in joints:
        result = env.step(joint)
        steps += 1
        if len(env.agents) != living:
            break
    spent = time.process_time() - start
    del result
    return steps, spent


def batch_cases() -> list[Case]:
    """Return the cases of many environments of one agent in survival: with the resets it needs, and without any."""

    def make() -> Any:
        env = emcoop.batch_env(ENV_ID, n_agents=1, n_envs=BATCH_ENVS, mode="survival", level=level_for(1))
        env.reset(seed=0)
        return env

    actions, whole, beginnings = draw(1, BATCH_ENVS, STEPS), make(), make()

    def step_through(env: Any, count: int) -> None:
        for joint in actions[:count]:
            result = env.step(joint)
        del result

    def begin(seconds: float) -> tuple[float, float]:
        beginnings.reset()
        return repeated(lambda: step_through(beginnings, SAFE_STEPS), SAFE_STEPS * BATCH_ENVS)(0.0)

    return [
        Case("ma_crafter/batch", AGENT_STEPS, repeated(lambda: step_through(whole, STEPS), STEPS * BATCH_ENVS)),
        Case("ma_crafter/batch_no_reset", AGENT_STEPS, begin),
    ]


def lone_cases() -> list[Case]:
    """Return what is compared with single-agent Crafter: resets and frames of one agent in survival."""
    from emcoop.envs.ma_crafter.render import render_map, render_view

    env = emcoop.parallel_env(ENV_ID, n_agents=1, mode="survival", level=level_for(1))
    env.reset(seed=0)
    snapshots = []
    for joint in draw(1, 1, FRAME_STEPS):
        snapshots.append(env.snapshot())
        env.step({env.possible_agents[0]: int(joint[0, 0])})
        if not env.agents:
            env.reset()

    def drawing(draw_one: Callable[[Any], Any]) -> Sample:
        turn = cycle(snapshots)
        return repeated(lambda: draw_one(next(turn)), 1)

    return [
        Case("ma_crafter/reset", "resets/s", repeated(env.reset, 1)),
        Case("ma_crafter/view_64", "frames/s", drawing(lambda snapshot: render_view(snapshot, 0, size=(64, 64)))),
        Case("ma_crafter/map_512", "frames/s", drawing(lambda snapshot: render_map(snapshot, size=512))),
    ]
