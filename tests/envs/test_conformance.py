"""The conformance suite on batches: agents that leave one by one, dictionary observations, and what it finds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from numpy.typing import NDArray

from emcoop import testing
from emcoop.envs.batch import BatchEnv, StepArrays
from emcoop.registration import EnvironmentSpec, environment_specs
from emcoop.rng import SeedSequence

FAULT = ""
"""What is wrong with the batch."""


class Game:
    """Agents collect points by their actions and leave when they have enough; how many is drawn from the seed."""

    def __init__(self, n_agents: int, max_steps: int) -> None:
        self.n_agents, self.max_steps = n_agents, max_steps
        self.start(0)

    def start(self, seed: int) -> None:
        self.points = np.zeros(self.n_agents, np.int32)
        self.enough = np.random.default_rng(seed).integers(2, 9, self.n_agents)
        self.taken = 0

    @property
    def alive(self) -> NDArray[np.bool_]:
        return self.points < self.enough

    def step(self, actions: NDArray[Any]) -> NDArray[np.float64]:
        gains = np.where(self.alive, actions, 0)
        self.points += gains.astype(np.int32)
        self.taken += 1
        return gains.astype(float)

    def ends(self) -> tuple[bool, bool]:
        terminated = not self.alive.any()
        return terminated, not terminated and self.taken >= self.max_steps

    def view(self, agent: int) -> dict[str, NDArray[Any]]:
        return {"own": np.array([self.points[agent]]), "time": np.array([self.taken, self.max_steps], np.int32)}

    def state_hash(self) -> str:
        return f"{self.taken} {self.points.tolist()} {self.enough.tolist()}"


class Mortals:
    """The game as far as the check of batches uses a ParallelEnv."""

    def __init__(self, n_agents: int = 2, max_steps: int = 12) -> None:
        self._game = Game(n_agents, max_steps)
        self._seeds = SeedSequence()
        self.possible_agents = [f"agent_{i:03d}" for i in range(n_agents)]
        self.agents: list[str] = []

    def action_space(self, agent: str) -> spaces.Discrete:
        return spaces.Discrete(3)

    def reset(self, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self._game.start(self._seeds.next(seed))
        self.agents = list(self.possible_agents)
        return {name: self._game.view(i) for i, name in enumerate(self.agents)}, {name: {} for name in self.agents}

    def step(self, actions: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        assert list(actions) == self.agents
        before = {name: self.possible_agents.index(name) for name in self.agents}
        rewards = self._game.step(np.array([actions.get(name, 0) for name in self.possible_agents]))
        alive, (terminated, truncated) = self._game.alive, self._game.ends()
        self.agents = [] if terminated or truncated else [name for name, i in before.items() if alive[i]]
        return (
            {name: self._game.view(i) for name, i in before.items()},
            {name: rewards[i] for name, i in before.items()},
            {name: not alive[i] for name, i in before.items()},
            {name: bool(truncated and alive[i]) for name, i in before.items()},
            {name: {} for name in before},
        )

    def state_hash(self) -> str:
        return self._game.state_hash()


class MortalsWorld:
    """The same game behind `BatchEnv`, with `FAULT`."""

    single_observation_space: spaces.Space[Any] = spaces.Dict(
        {"own": spaces.Box(0, 99, (1,), np.int32), "time": spaces.Box(0, 99, (2,), np.int32)}
    )
    single_action_space = spaces.Discrete(3)

    def __init__(self, n_agents: int, max_steps: int, n_envs: int) -> None:
        self.n_agents = n_agents
        self._games = [Game(n_agents, max_steps) for _ in range(n_envs)]

    def start(self, env: int, seed: int) -> None:
        if FAULT != "never starts anew" or not self._games[env].taken:
            self._games[env].start(seed)

    def take(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        shape = len(self._games), self.n_agents
        seen = {"own": np.zeros((*shape, 1), np.int32), "time": np.zeros((*shape, 2), np.int32)}
        return seen, seen

    def info(self) -> dict[str, NDArray[Any]]:
        return {}

    def step(
        self, first: int, last: int, thread: int, actions: NDArray[Any], held: NDArray[Any], out: StepArrays
    ) -> int:
        for env in range(first, last):
            game = self._games[env]
            if not held[env]:
                assert not actions[env, ~game.alive].any(), "agents that have ended do nothing in a batch"
            out.rewards[env] = 0.0 if held[env] else game.step(actions[env])
            out.terminated[env], out.truncated[env] = game.ends()
            if FAULT == "pays too much":
                out.rewards[env, -1] += 1
            if FAULT == "confuses the ends" and out.terminated[env]:
                out.terminated[env], out.truncated[env] = False, True
        self.observe(first, last, out.sink)
        return int((out.terminated | out.truncated)[first:last].sum())

    def observe(self, first: int, last: int, sink: dict[str, NDArray[Any]]) -> None:
        for env in range(first, last):
            for agent in range(self.n_agents):
                for name, part in self._games[env].view(agent).items():
                    sink[name][env, agent] = part
        if FAULT == "shows another time":
            sink["time"][last - 1, :, 0] += 1

    def state(self) -> NDArray[np.int32]:
        return np.array([[game.taken, *game.points] for game in self._games], np.int32)

    def state_hashes(self) -> list[str]:
        return [game.state_hash() for game in self._games]


def make_mortals(n_envs: int, n_agents: int = 2, max_steps: int = 12, autoreset: str = "next_step") -> BatchEnv:
    return BatchEnv(lambda envs, threads: MortalsWorld(n_agents, max_steps, envs), n_envs, 1, autoreset)


@pytest.fixture
def mortals(monkeypatch: pytest.MonkeyPatch) -> str:
    spec = EnvironmentSpec("Mortals-v0", "", f"{__name__}:Mortals", "", f"{__name__}:make_mortals")
    monkeypatch.setitem(environment_specs(), spec.id, spec)
    return spec.id


@pytest.mark.parametrize("n_agents", [1, 2, 5])
def test_a_batch_whose_agents_leave_one_by_one_passes(mortals: str, n_agents: int) -> None:
    testing._check_batch(mortals, {"n_agents": n_agents})


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("pays too much", "pays"),
        ("shows another time", "agent_000 sees something else in environment 2"),
        ("confuses the ends", "ends otherwise"),
        ("never starts anew", "sees something else|goes another way|has not ended"),
    ],
)
def test_a_batch_that_does_something_else_is_found(
    mortals: str, monkeypatch: pytest.MonkeyPatch, fault: str, found: str
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "FAULT", fault)
    with pytest.raises(AssertionError, match=found):
        testing._check_batch(mortals, {"n_agents": 3})
