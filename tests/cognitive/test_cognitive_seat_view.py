"""The seat view of an agent that leaves the episode before the others, and of actions that are not plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from emcoop.cognitive_layer import seat_view
from emcoop.cognitive_layer.seat_view import SeatView
from emcoop.envs.cube.embodiment import CubeEmbodiment
from emcoop.envs.cube.env import CubeEnv
from emcoop.envs.embodiment import StepOutcome

SEAT, NAME = 1, "agent_001"
DIES_IN = 2


class MortalCube(CubeEmbodiment):
    """CUBE, except that agent 1 dies in step 2: from then on nothing is reported for it."""

    def step(self, actions: Sequence[int]) -> StepOutcome:
        taken = int(self.env.world.steps[0])
        self.env.agents = list(self.env.possible_agents)
        outcome = super().step(actions)
        if taken >= DIES_IN:
            for reported in (outcome.observations, outcome.rewards, outcome.infos):
                del reported[NAME]
        if taken + 1 >= DIES_IN and NAME in self.env.agents:
            self.env.agents.remove(NAME)
        return outcome


@pytest.fixture
def seat(monkeypatch: pytest.MonkeyPatch) -> SeatView:
    def make(env_id: str, **kwargs: Any) -> MortalCube:
        return MortalCube(CubeEnv(**kwargs))

    monkeypatch.setattr(seat_view, "make_embodiment", make)
    return SeatView("Cube-v0", seat=SEAT, n_agents=3, max_steps=5)


def test_a_seat_whose_agent_has_died_has_terminated_and_sees_zeros(seat: SeatView) -> None:
    first, _ = seat.reset(seed=0)
    steps = [seat.step(0) for _ in range(5)]
    assert [step[2:4] for step in steps] == [(False, False), *[(True, False)] * 4], "also when the episode is cut off"
    for observation, reward, _, _, info in steps[:2]:
        assert observation.any()
        assert reward < 0
        assert "events" in info
    for observation, reward, _, _, info in steps[2:]:
        assert observation.shape == first.shape
        assert seat.observation_space.contains(observation)
        assert (observation.any(), reward, info) == (False, 0.0, {})


def test_after_a_reset_the_seat_lives_again(seat: SeatView) -> None:
    seat.reset(seed=0)
    assert [seat.step(0)[2] for _ in range(3)] == [False, True, True]
    seat.reset(seed=1)
    assert seat.step(0)[2] is False


def test_the_world_says_which_primitive_an_action_is(monkeypatch: pytest.MonkeyPatch) -> None:
    played = []

    class Watched(CubeEmbodiment):
        def primitive(self, action: Any) -> int:
            return 4 - int(action)

        def step(self, actions: Sequence[int]) -> StepOutcome:
            played.append(actions[SEAT])
            return super().step(actions)

    monkeypatch.setattr(seat_view, "make_embodiment", lambda env_id, **kwargs: Watched(CubeEnv(**kwargs)))
    env = SeatView("Cube-v0", seat=SEAT, n_agents=2)
    env.reset(seed=0)
    for action in (0, np.int64(1), 3):
        env.step(action)
    assert played == [4, 3, 1]
