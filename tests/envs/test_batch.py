"""The shared batch environment, with a world of counters whose observations are a dictionary of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from numpy.typing import NDArray

from emcoop.envs.batch import BatchEnv, StepArrays

N_ENVS, N_AGENTS, LENGTH = 5, 3, 4
MODES = ("next_step", "same_step", "disabled")


class Counters:
    """Every agent adds its actions up; an episode is over when agent 0 has 4 (terminated) or after 4 steps."""

    n_agents = N_AGENTS
    single_observation_space: spaces.Space[Any] = spaces.Dict(
        {"sum": spaces.Box(0, 255, (1,), np.uint8), "self": spaces.Box(0, 255, (2, 2), np.int32)}
    )
    single_action_space = spaces.Discrete(3)

    def __init__(self, n_envs: int, n_threads: int) -> None:
        self.sums = np.zeros((n_envs, N_AGENTS), np.int32)
        self.steps = np.zeros(n_envs, np.int32)
        self.starts: list[int] = [0] * n_envs

    def start(self, env: int, seed: int) -> None:
        self.sums[env] = 0
        self.steps[env] = 0
        self.starts[env] += 1

    def take(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        n_envs = len(self.sums)
        seen = {
            "sum": np.zeros((n_envs, N_AGENTS, 1), np.uint8),
            "self": np.zeros((n_envs, N_AGENTS, 2, 2), np.int32),
        }
        return seen, seen

    def info(self) -> dict[str, NDArray[Any]]:
        return {"alive": np.empty(self.sums.shape, np.bool_), "score": np.empty(len(self.sums))}

    def step(
        self, first: int, last: int, thread: int, actions: NDArray[Any], held: NDArray[Any], out: StepArrays
    ) -> int:
        for env in range(first, last):
            if not held[env]:
                self.sums[env] += actions[env]
                self.steps[env] += 1
            out.rewards[env] = 0 if held[env] else actions[env]
            out.terminated[env] = self.sums[env, 0] >= LENGTH
            out.truncated[env] = not out.terminated[env] and self.steps[env] >= LENGTH
            out.info["alive"][env] = self.sums[env] < LENGTH
            out.info["score"][env] = self.sums[env].sum()
        self.observe(first, last, out.sink)
        return int((out.terminated | out.truncated)[first:last].sum())

    def observe(self, first: int, last: int, sink: dict[str, NDArray[Any]]) -> None:
        sink["sum"][first:last, :, 0] = self.sums[first:last]
        sink["self"][first:last] = self.steps[first:last, None, None, None]

    def state(self) -> NDArray[np.int32]:
        return np.concatenate([self.steps[:, None], self.sums], axis=1)

    def state_hashes(self) -> list[str]:
        return [str(row) for row in self.state().tolist()]


def make(mode: str, n_threads: int = 1) -> BatchEnv:
    return BatchEnv(Counters, N_ENVS, n_threads, mode)


@pytest.mark.parametrize("mode", MODES)
def test_dictionaries_of_arrays_go_through_every_autoreset_mode(mode: str) -> None:
    env, rng = make(mode, 2), np.random.default_rng(0)
    seen, info = env.reset(0)
    assert (sorted(seen), info) == (["self", "sum"], {})
    sums, steps, over = np.zeros((N_ENVS, N_AGENTS), int), np.zeros(N_ENVS, int), np.zeros(N_ENVS, bool)
    for _ in range(20):
        actions = rng.integers(0, 3, (N_ENVS, N_AGENTS))
        seen, rewards, terminated, truncated, info = env.step(actions)
        if mode == "next_step":
            sums[over], steps[over] = 0, 0
        live = ~over
        sums[live] += actions[live]
        steps[live] += 1
        np.testing.assert_array_equal(rewards, np.where(live[:, None], actions, 0))
        np.testing.assert_array_equal(terminated, sums[:, 0] >= LENGTH)
        np.testing.assert_array_equal(truncated, (steps >= LENGTH) & ~terminated)
        np.testing.assert_array_equal(info["alive"], sums < LENGTH)
        np.testing.assert_array_equal(info["score"], sums.sum(axis=1))
        over = terminated | truncated
        if mode == "same_step" and over.any():
            np.testing.assert_array_equal(info["_final_observation"], over)
            np.testing.assert_array_equal(info["final_observation"]["sum"][over, :, 0], sums[over])
            np.testing.assert_array_equal(info["final_observation"]["self"][over, 0, 0, 0], steps[over])
            sums[over], steps[over] = 0, 0
            over = np.zeros(N_ENVS, bool)
        else:
            assert set(info) == {"alive", "score"}
        np.testing.assert_array_equal(seen["sum"][:, :, 0], sums)
        np.testing.assert_array_equal(seen["self"], np.broadcast_to(steps[:, None, None, None], seen["self"].shape))
    env.close()


def test_every_thread_steps_its_own_environments_with_its_own_scratch() -> None:
    calls: list[tuple[int, int, int]] = []

    class Watched(Counters):
        def step(self, first: int, last: int, thread: int, *rest: Any) -> int:
            calls.append((thread, first, last))
            return super().step(first, last, thread, *rest)

    env = BatchEnv(Watched, N_ENVS, 3, "disabled")
    env.reset(0)
    env.step(np.zeros((N_ENVS, N_AGENTS), int))
    assert [thread for thread, *_ in sorted(calls)] == [0, 1, 2]
    assert [i for _, first, last in sorted(calls) for i in range(first, last)] == list(range(N_ENVS))
    env.close()


def test_only_what_has_ended_starts_anew() -> None:
    world: list[Counters] = []

    def remember(n_envs: int, n_threads: int) -> Counters:
        world.append(Counters(n_envs, n_threads))
        return world[0]

    env = BatchEnv(remember, N_ENVS, autoreset="same_step")
    env.reset(0)
    actions = np.zeros((N_ENVS, N_AGENTS), int)
    actions[1, 0] = 2
    env.step(actions)
    env.step(actions)
    assert world[0].starts == [1, 2, 1, 1, 1]
