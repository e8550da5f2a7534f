"""Copies of a running environment give everything a step gives, to the end of the episode, as the original does."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from emcoop.envs.cube.batch import CubeBatch
from emcoop.envs.cube.env import CubeEnv

COPIES: dict[str, Callable[[Any], Any]] = {
    "clone": lambda env: env.clone(),
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_in_the_middle_of_an_episode_goes_on_like_the_original(how: str) -> None:
    env = CubeEnv(2, grid_size=9, blocks={1: 1}, view=5)
    env.reset(options={"agents": [(4, 1), (0, 8)], "blocks": [(4, 2, 1)]})
    right, to_and_fro = 4, [1, 3, 4, 2]
    joints = [{"agent_000": right, "agent_001": other} for other in to_and_fro * 3]
    for joint in joints[:2]:
        env.step(joint)
    twin = COPIES[how](env)
    for joint in joints[2:]:
        (seen, *numbers, infos), (seen_too, *numbers_too, infos_too) = env.step(joint), twin.step(joint)
        assert numbers == numbers_too
        assert [list(info["events"]) for info in infos.values()] == [list(i["events"]) for i in infos_too.values()]
        for name, window in seen.items():
            np.testing.assert_array_equal(window, seen_too[name])
        if not env.agents:
            break
    assert not env.agents
    assert not twin.agents
    assert twin.score == env.score == 1.0, "the episode should end by delivery, not by time"


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copied_batch_goes_its_own_way(how: str) -> None:
    batch, actions = CubeBatch(3, 4), np.full((3, 4), 4)
    batch.reset(0)
    batch.step(actions)
    before = batch.state_hashes()
    twin = COPIES[how](batch)
    results = twin.step(actions)
    assert batch.state_hashes() == before
    for array, own in zip(results[:-1], batch.step(actions)[:-1]):
        np.testing.assert_array_equal(array, own)
    assert twin.state_hashes() == batch.state_hashes()
