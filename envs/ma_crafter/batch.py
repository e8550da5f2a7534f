"""Many MA-Crafter environments in one call: arrays in, arrays out, the same dynamics as the single environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from emcoop.envs.batch import BatchEnv, StepArrays
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.dynamics import GAINED, OUTCOME, TERMINATED, TRUNCATED, observe, step_range
from emcoop.envs.ma_crafter.env import FACE_IT
from emcoop.envs.ma_crafter.scratch import make_scratch
from emcoop.envs.ma_crafter.settings import AREA, CrafterSettings, make_settings, warn_of_quorums
from emcoop.envs.ma_crafter.spaces import step_reward, symbolic_space
from emcoop.envs.ma_crafter.start import start
from emcoop.envs.ma_crafter.state import flat_state, state_digest
from emcoop.envs.parallel_env import BlockPool

Sink = tuple[w.CellArray, w.ByteArray]


class MACrafterBatchWorld:
    """MA-Crafter as `BatchEnv` runs it; see `BatchWorld`.

    Args:
        settings: Settings of every environment.
        n_envs: Number of environments.
        n_threads: How many threads step them.
    """

    def __init__(self, settings: CrafterSettings, n_envs: int, n_threads: int) -> None:
        self.n_agents = settings.n_agents
        self.single_observation_space: spaces.Space[Any] = symbolic_space(settings)
        self.single_action_space = spaces.Discrete(len(r.ACTIONS))
        self._settings = settings
        self._n_envs = n_envs
        self._world = w.make_world(settings, n_envs)
        self._scratches = [make_scratch(settings) for _ in range(n_threads)]
        self._registers = np.full((n_envs, self.n_agents, 3), FACE_IT, np.int32)
        self._outcomes = np.zeros((n_envs, OUTCOME), np.int32)
        self._statuses = self._world.rows[:, w.HEAD + w.STATUS :: w.AGENT][:, : self.n_agents]
        cols, rows = settings.view
        self._pool = BlockPool((n_envs, self.n_agents, rows, cols), (n_envs, self.n_agents))

    def start(self, env: int, seed: int) -> None:
        """Start an episode in one environment."""
        start(self._settings, seed, {}).place(self._world, env, seed)

    def take(self) -> tuple[Sink, dict[str, NDArray[np.uint8]]]:
        """Return memory to write into, and as `view (n_envs, n, 8, rows, columns)` and `self (n_envs, n, 19)`."""
        block, channels = self._pool.take()
        selves = np.empty((self._n_envs, self.n_agents, len(w.SELF)), np.uint8)
        return (block, selves), {"view": channels, "self": selves}

    def info(self) -> dict[str, NDArray[Any]]:
        """Return arrays for who is alive, `(n_envs, n)`, and the team's points, `(n_envs,)`."""
        return {"alive": np.empty((self._n_envs, self.n_agents), np.bool_), "team_score": np.empty(self._n_envs)}

    def step(
        self, first: int, last: int, thread: int, actions: w.ByteArray, held: NDArray[np.bool_], out: StepArrays
    ) -> int:
        """Step environments `first` to `last - 1`; return how many have ended."""
        world, part = self._world, slice(first, last)
        views, selves = out.sink
        step_range(
            world.rules, world.rows, world.materials, world.planted, world.occupancy, world.cells, actions,
            self._registers, held, views, selves, self._outcomes, *self._scratches[thread], first, last, world.pad,
        )  # fmt: skip
        outcomes, status = self._outcomes[part], self._statuses[part]
        out.rewards[part] = step_reward(outcomes[:, GAINED], self._settings)[:, None]
        out.terminated[part] = outcomes[:, TERMINATED]
        out.truncated[part] = outcomes[:, TRUNCATED]
        out.info["alive"][part] = status == w.ALIVE
        out.info["team_score"][part] = world.rows[part, w.POINTS_SO_FAR] / r.POINT_SCALE
        return int((out.terminated[part] | out.truncated[part]).sum())

    def observe(self, first: int, last: int, sink: Sink) -> None:
        """Write what the agents of environments `first` to `last - 1` see now."""
        world = self._world
        observe(
            world.rules, world.rows, world.materials, world.planted, world.occupancy, world.cells, *sink, first, last,
            world.pad,
        )  # fmt: skip

    def state(self) -> NDArray[np.int32]:
        """Return the whole state, one row per environment, in the order of `MACrafterEnv.state`."""
        return np.stack([flat_state(self._world, env) for env in range(self._n_envs)])

    def state_hashes(self) -> list[str]:
        """Return the canonical state hash of every environment."""
        return [state_digest(self._world, env) for env in range(self._n_envs)]


class MACrafterBatch(BatchEnv):
    """`n_envs` MA-Crafter environments of equal settings, stepped together; see `BatchEnv`.

    Observations are a dictionary of `view (n_envs, n, 8, rows, columns)` and `self (n_envs, n, 19)`, both uint8;
    agents that have fallen see zeros and their actions are ignored. Info has `alive (n_envs, n)` and `team_score
    (n_envs,)`, in points. Shares go to the agent faced.

    Args:
        n_envs: Number of environments.
        n_agents, area, mode, level, preset, scarce, spawn, goal, max_steps, view: As in `MACrafterEnv`.
        n_threads, autoreset: As in `BatchEnv`.
    """

    def __init__(
        self,
        n_envs: int,
        n_agents: int = 3,
        area: Any = AREA,
        mode: str = "peaceful",
        level: str = "L3",
        preset: str = "emcoop",
        *,
        scarce: bool = False,
        spawn: str = "cluster",
        goal: str | None = None,
        max_steps: int | None = None,
        view: Sequence[int] = (9, 7),
        n_threads: int = 1,
        autoreset: str | AutoresetMode = "next_step",
    ) -> None:
        self.settings = make_settings(
            n_agents, area, mode, level, preset, scarce=scarce, spawn=spawn, goal=goal, max_steps=max_steps, view=view
        )
        warn_of_quorums(self.settings)
        super().__init__(
            lambda envs, threads: MACrafterBatchWorld(self.settings, envs, threads), n_envs, n_threads, autoreset
        )
