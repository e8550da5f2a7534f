"""The batch environment is many single environments, bit for bit: in every autoreset mode, on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import emcoop
from emcoop.envs.cube.batch import CubeBatch
from emcoop.envs.cube.env import CubeEnv
from emcoop.errors import ActionError, ConfigError

SMALL: dict[str, Any] = {"n_agents": 3, "grid_size": 6, "blocks": {1: 1}, "max_steps": 12, "view": 5}
"""So small that random walkers that like to go right deliver everything, but not in every episode."""

N_ENVS = 6
MODES = ("next_step", "same_step", "disabled")


class Singles:
    """What a batch should do, written with single environments."""

    def __init__(self, mode: str, **settings: Any) -> None:
        self.mode = mode
        self.envs = [CubeEnv(**settings) for _ in range(N_ENVS)]
        self.held: list[Any] = [None] * N_ENVS

    def reset(self, seeds: list[int | None]) -> NDArray[np.uint8]:
        self.held = [None] * N_ENVS
        return np.stack([stacked(env.reset(seed=seed)[0]) for env, seed in zip(self.envs, seeds)])

    def step(self, actions: NDArray[Any]) -> list[tuple[Any, ...]]:
        """Return observation, reward, terminated, truncated, delivered weight, final observation or None, per env."""
        return [self.step_one(i, row) for i, row in enumerate(actions.tolist())]

    def step_one(self, i: int, row: list[int]) -> tuple[Any, ...]:
        env = self.envs[i]
        if self.held[i] is not None and self.mode == "next_step":
            self.held[i] = None
            return stacked(env.reset()[0]), 0.0, False, False, 0, None
        if self.held[i] is not None:
            observation, terminated, truncated = self.held[i]
            return observation, 0.0, terminated, truncated, 0, None
        names, before = env.possible_agents, env.raw_score
        observations, rewards, terminations, truncations, _ = env.step(dict(zip(names, row)))
        assert len(set(rewards.values())) == 1
        observation, delivered = stacked(observations), int(env.raw_score - before)
        terminated, truncated = terminations[names[0]], truncations[names[0]]
        final = None
        if terminated or truncated:
            if self.mode == "same_step":
                final, observation = observation, stacked(env.reset()[0])
            else:
                self.held[i] = (observation, terminated, truncated)
        return observation, rewards[names[0]], terminated, truncated, delivered, final


def stacked(observations: dict[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack(list(observations.values()))


def draw_actions(rng: np.random.Generator, dtype: Any = np.int64) -> NDArray[Any]:
    return rng.choice(5, size=(N_ENVS, SMALL["n_agents"]), p=[0.1, 0.15, 0.15, 0.15, 0.45]).astype(dtype)


def assert_same(got: tuple[Any, ...], expected: list[tuple[Any, ...]]) -> None:
    observations, rewards, terminated, truncated, info = got
    for i, (observation, reward, ends, cut, delivered, final) in enumerate(expected):
        np.testing.assert_array_equal(observations[i], observation)
        assert rewards[i].tolist() == [reward] * SMALL["n_agents"]
        assert (terminated[i], truncated[i], info["delivered_weight"][i]) == (ends, cut, delivered)
        if final is not None:
            assert info["_final_observation"][i]
            np.testing.assert_array_equal(info["final_observation"][i], final)
    finals = [final is not None for *_, final in expected]
    assert info.get("_final_observation", np.zeros(N_ENVS, bool)).tolist() == finals


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_batch_does_what_its_single_environments_do(mode: str, n_threads: int) -> None:
    batch, singles = CubeBatch(N_ENVS, **SMALL, autoreset=mode, n_threads=n_threads), Singles(mode, **SMALL)
    rng, ends = np.random.default_rng(5), np.zeros(2, int)
    for seed in (3, 40):
        first, info = batch.reset(seed)
        np.testing.assert_array_equal(first, singles.reset([seed + i for i in range(N_ENVS)]))
        assert info == {}
        for _ in range(60):
            actions = draw_actions(rng)
            got = batch.step(actions)
            assert_same(got, singles.step(actions))
            assert batch.state_hashes() == [env.state_hash() for env in singles.envs]
            np.testing.assert_array_equal(batch.state(), [env.state() for env in singles.envs])
            ends += got[2].sum(), got[3].sum()
    assert ends.min() > 5, "both ways for an episode to end have to occur"
    batch.close()


@pytest.mark.parametrize("n_agents", [1, 2, 17])
def test_default_worlds_of_any_team_size_agree_with_the_single_environment(n_agents: int) -> None:
    batch = emcoop.batch_env("Cube-v0", n_agents=n_agents, n_envs=2)
    singles = [CubeEnv(n_agents) for _ in range(2)]
    seen, _ = batch.reset(9)
    np.testing.assert_array_equal(seen, [stacked(env.reset(seed=9 + i)[0]) for i, env in enumerate(singles)])
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = rng.integers(0, 5, (2, n_agents))
        seen, rewards, *_ = batch.step(actions)
        for i, env in enumerate(singles):
            observations, expected, *_ = env.step(dict(zip(env.possible_agents, actions[i].tolist())))
            np.testing.assert_array_equal(seen[i], stacked(observations))
            assert rewards[i].tolist() == list(expected.values())


def test_autoreset_takes_gymnasiums_own_constants() -> None:
    assert CubeBatch(1, autoreset=AutoresetMode.SAME_STEP).autoreset is AutoresetMode.SAME_STEP


def test_an_environment_that_has_ended_stays_as_it_is_when_autoreset_is_disabled() -> None:
    batch = CubeBatch(2, **{**SMALL, "max_steps": 1}, autoreset="disabled")
    batch.reset(0)
    noop, right = np.zeros((2, 3), int), np.full((2, 3), 4)
    first = batch.step(noop)
    hashes = batch.state_hashes()
    assert first[3].tolist() == [True, True]
    for _ in range(10):
        observations, rewards, terminated, truncated, info = batch.step(right)
        assert batch.state_hashes() == hashes
        np.testing.assert_array_equal(observations, first[0])
        assert not rewards.any()
        assert not info["delivered_weight"].any()
        assert (terminated.any(), truncated.all()) == (False, True)
    batch.reset()
    assert batch.state()[:, 0].tolist() == [0, 0]
    assert batch.state_hashes() != hashes


def test_seeds_may_be_one_number_a_list_or_none() -> None:
    batch = CubeBatch(N_ENVS, **SMALL)
    batch.reset(7)
    by_number = batch.state_hashes()
    batch.reset(np.int64(7))
    assert batch.state_hashes() == by_number
    batch.reset(list(range(7, 7 + N_ENVS)))
    assert batch.state_hashes() == by_number
    batch.reset()
    second = batch.state_hashes()
    assert all(a != b for a, b in zip(second, by_number)), "without a seed the next episode begins"
    batch.reset(7)
    batch.reset()
    assert batch.state_hashes() == second, "which is the second episode of the same sequence"
    batch.reset([7] * N_ENVS)
    assert len(set(batch.state_hashes())) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.uint64])
def test_actions_of_any_integer_type_and_layout_mean_the_same(dtype: Any) -> None:
    actions = draw_actions(np.random.default_rng(1))
    hashes = []
    for given in (actions, actions.astype(dtype), np.asfortranarray(actions.astype(dtype)), actions.tolist()):
        batch = CubeBatch(N_ENVS, **SMALL)
        batch.reset(0)
        batch.step(given)
        hashes.append(batch.state_hashes())
    assert all(h == hashes[0] for h in hashes)


def test_what_a_step_returned_never_changes_under_the_caller() -> None:
    batch, rng = CubeBatch(N_ENVS, **SMALL), np.random.default_rng(2)
    kept = [(batch.reset(0)[0],)]
    copies = [(kept[0][0].copy(),)]
    for _ in range(30):
        *arrays, info = batch.step(draw_actions(rng))
        kept.append((*arrays, info["delivered_weight"]))
        copies.append(tuple(a.copy() for a in kept[-1]))
    for old, copy in zip(kept, copies):
        for a, b in zip(old, copy):
            np.testing.assert_array_equal(a, b)


def test_spaces_describe_what_one_agent_sees_and_does() -> None:
    batch = CubeBatch(2, **SMALL)
    observations, _ = batch.reset(0)
    assert observations.shape == (2, 3, 8, 5, 5)
    assert batch.single_observation_space.contains(observations[0, 0])
    assert batch.single_action_space.n == 5


WRONG_ACTIONS = {
    "a row is missing": np.zeros((N_ENVS - 1, 3), int),
    "flat": np.zeros(N_ENVS * 3, int),
    "not whole numbers": np.zeros((N_ENVS, 3)),
    "booleans": np.zeros((N_ENVS, 3), bool),
    "too large": np.full((N_ENVS, 3), 5),
    "too large for a byte, and 0 as one": np.full((N_ENVS, 3), 256),
    "negative": np.full((N_ENVS, 3), -1),
    "beyond int64": np.full((N_ENVS, 3), 2**64 - 1, np.uint64),
}


@pytest.mark.parametrize("actions", WRONG_ACTIONS.values(), ids=WRONG_ACTIONS.keys())
def test_wrong_actions_are_refused_and_change_nothing(actions: NDArray[Any]) -> None:
    batch = CubeBatch(N_ENVS, **SMALL)
    batch.reset(0)
    hashes = batch.state_hashes()
    with pytest.raises(ActionError, match=r"actions .*(0 to 4|shape \(6, 3\))"):
        batch.step(actions)
    assert batch.state_hashes() == hashes
    batch.step(np.zeros((N_ENVS, 3), int))


def test_one_wrong_action_among_many_is_found() -> None:
    batch = CubeBatch(N_ENVS, **SMALL)
    batch.reset(0)
    actions = np.zeros((N_ENVS, 3), int)
    actions[-1, -1] = 5
    with pytest.raises(ActionError, match="from 0 to 5"):
        batch.step(actions)


def test_stepping_before_reset_is_refused() -> None:
    with pytest.raises(ActionError, match="reset"):
        CubeBatch(2, **SMALL).step(np.zeros((2, 3), int))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"n_envs": 0}, "n_envs=0"),
        ({"n_envs": 2.5}, "n_envs=2.5"),
        ({"n_threads": 0}, "n_threads=0"),
        ({"autoreset": "sometimes"}, "next_step"),
        ({"view": 4}, "view=4"),
        ({"n_agents": 0}, "n_agents"),
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        CubeBatch(**{"n_envs": 2, **SMALL, **wrong})


def test_as_many_seeds_as_environments() -> None:
    with pytest.raises(ConfigError, match="2 seeds for 6"):
        CubeBatch(N_ENVS, **SMALL).reset([1, 2])
