"""Gymnasium's view of a whole team: dictionaries of observations and actions, one scalar reward.

Gymnasium cannot hold a ParallelEnv; this is one of the two honest views (the other plays a single seat). The reward
is the mean of the agents' rewards; an agent that has ended sees zeros and its action is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from pettingzoo import ParallelEnv

TeamObservation = dict[str, Any]


class TeamView(gymnasium.Env[TeamObservation, dict[str, Any]]):
    """A ParallelEnv as one Gymnasium environment.

    `spaces.Dict` sorts its keys, and agent names are zero-padded, so the order of keys is the order of agents.

    Args:
        env: The environment; closed with this view.
        render_mode: The mode `env` was made with.
    """

    def __init__(self, env: ParallelEnv[str, Any, Any], render_mode: str | None = None) -> None:
        self.env = env
        self.metadata = dict(env.metadata)
        self.render_mode = render_mode
        self.observation_space = spaces.Dict({name: env.observation_space(name) for name in env.possible_agents})
        self.action_space = spaces.Dict({name: env.action_space(name) for name in env.possible_agents})
        self._blank = {name: _zeros(env.observation_space(name)) for name in env.possible_agents}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[TeamObservation, dict[str, Any]]:
        """Start an episode; see the environment's `reset` for `options`.

        Returns:
            Observation of every agent, and `info` with the agents' own values in `info["agents"]`.
        """
        if seed is not None:
            self.np_random, self._np_random_seed = seeding.np_random(seed)
        observations, infos = self.env.reset(seed=seed, options=options)
        return {**self._blank, **observations}, {"agents": infos}

    def step(self, action: Mapping[str, Any]) -> tuple[TeamObservation, float, bool, bool, dict[str, Any]]:
        """Take one joint step.

        Args:
            action: One action per agent; those of agents that have ended are ignored.

        Returns:
            Observations, mean reward of the agents still in the episode, whether it terminated, whether it was
            truncated, and `info["agents"]`: per agent its info with `reward`, `terminated` and `truncated`.
        """
        living = list(self.env.agents)
        if isinstance(action, Mapping):
            dead = set(self.env.possible_agents) - set(living)
            action = {name: value for name, value in action.items() if name not in dead}
        observations, rewards, terminations, truncations, infos = self.env.step(action)
        over = not self.env.agents
        agents = {
            name: {
                "reward": rewards[name],
                "terminated": terminations[name],
                "truncated": truncations[name],
                **infos[name],
            }
            for name in living
        }
        reward = float(np.mean(list(rewards.values()))) if rewards else 0.0
        truncated = over and any(truncations.values())
        return {**self._blank, **observations}, reward, over and not truncated, truncated, {"agents": agents}

    def render(self) -> Any:
        """Draw the environment in the mode it was made with."""
        return self.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()  # type: ignore[no-untyped-call]


def _zeros(space: spaces.Space[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {name: _zeros(part) for name, part in space.items()}
    return np.zeros(space.shape or (), space.dtype)
