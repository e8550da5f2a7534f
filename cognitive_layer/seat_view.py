"""Gymnasium's view of one seat: you play one agent, named planners play the others.

It needs planners, so it lives in the cognitive layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding

from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.episode import Session, run_async
from emcoop.cognitive_layer.planners import make_team
from emcoop.cognitive_layer.topologies import make_topology
from emcoop.envs.embodiment import StepOutcome
from emcoop.errors import ActionError, ConfigError
from emcoop.registration import make_embodiment
from emcoop.rng import SeedSequence


class SeatView(gymnasium.Env[Any, Any]):
    """One agent of a team as a Gymnasium environment.

    Observation, action and reward are those of the seat's agent in the ParallelEnv. The others think and talk as in
    any episode; messages to the played seat stay unread. When the seat's agent leaves the episode before its end, the
    view has terminated; who steps on sees zeros, earns nothing and only watches the others.

    Args:
        env_id: Registered environment id.
        partners: Planner of the other seats: a name, a mapping with options, or a list of them, one per other seat.
        seat: Index of the played seat.
        topology: How the others communicate.
        render_mode: As in the environment.
        **kwargs: Further arguments of the environment (`n_agents`, `max_steps`, ...).

    Raises:
        ConfigError: A setting does not fit.
    """

    def __init__(
        self,
        env_id: str,
        *,
        partners: Any = "greedy",
        seat: int = 0,
        topology: str | Mapping[str, Any] = "individual",
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._env_id = env_id
        self._topology = topology
        self._world = make_embodiment(env_id, render_mode=render_mode, **kwargs)
        n = self._world.n_agents
        if isinstance(seat, bool) or not isinstance(seat, int) or not 0 <= seat < n:
            raise ConfigError(f"seat={seat!r} does not fit: give an agent index from 0 to {n - 1}")
        self._seat = seat
        self._name = self._world.env.possible_agents[seat]
        self._team = team_around(seat, partners, n)
        make_team(self._team, n)
        make_topology(topology, n)
        self._session: Session | None = None
        self._left = False
        self._seeds = SeedSequence()
        self.metadata = dict(self._world.env.metadata)
        self.render_mode = render_mode
        self.observation_space = self._world.env.observation_space(self._name)
        self.action_space = self._world.env.action_space(self._name)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the others think before your first step.

        Returns:
            The seat's observation and info.
        """
        if seed is not None:
            self.np_random, self._np_random_seed = seeding.np_random(seed)
        self._session = Session(
            self._env_id,
            planner=self._team,
            topology=self._topology,
            seed=self._seeds.next(seed),
            options=options,
            played=(self._seat,),
            world=self._world,
            record=False,
        )
        self._left = False
        self._think()
        first = self._session.first
        self._blank = _blank(first.observations[self._name])
        return first.observations[self._name], first.infos[self._name]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one step with the seat's primitive action.

        Raises:
            ActionError: No episode is running, or the action is not in the action space.
        """
        session = self._session
        if session is None or session.over:
            raise ActionError("no episode is running: it has ended or not begun; call reset() first")
        if not self.action_space.contains(action):
            raise ActionError(f"got action {action!r}: it is not in {self.action_space}")
        outcome: StepOutcome = session.act({self._seat: self._world.primitive(action)})
        name = self._name
        if not session.over:
            self._left = self._left or name not in self._world.env.agents
            self._think()
        return (
            outcome.observations.get(name, self._blank),
            outcome.rewards.get(name, 0.0),
            outcome.terminated or self._left,
            outcome.truncated and not self._left,
            outcome.infos.get(name, {}),
        )

    def _think(self) -> None:
        assert self._session is not None
        if self._session.is_immediate:
            drive(self._session.think())
        else:
            run_async(self._session.think())

    def render(self) -> Any:
        """Draw the environment in the mode it was made with."""
        return self._world.env.render()

    def close(self) -> None:
        """Close the environment."""
        self._world.env.close()


def _blank(observation: Any) -> Any:
    """Return an observation of the same kind, all zeros."""
    if isinstance(observation, Mapping):
        return {name: _blank(part) for name, part in observation.items()}
    return np.zeros_like(observation)


def team_around(seat: int, partners: Any, n_agents: int) -> list[Any]:
    """Return one planner spec per seat; the played seat's entry is a placeholder that is never asked.

    Raises:
        ConfigError: The list of partners has another length than there are other seats.
    """
    if not isinstance(partners, Sequence) or isinstance(partners, str):
        return [partners] * n_agents
    if len(partners) != n_agents - 1:
        raise ConfigError(f"got {len(partners)} partners for {n_agents - 1} other seats: give one each, or one for all")
    return [*partners[:seat], "greedy", *partners[seat:]]
