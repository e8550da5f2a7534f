"""Many CUBE environments in one call: arrays in, arrays out, the same dynamics as the single environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from emcoop.envs.batch import BatchEnv, StepArrays
from emcoop.envs.cube.dynamics import observe, observe_one, step_one
from emcoop.envs.cube.env import check_view, state_digest, step_reward
from emcoop.envs.cube.layout import place
from emcoop.envs.cube.scratch import ActionArray, Scratch, make_scratch
from emcoop.envs.cube.settings import ACTIONS, CubeSettings, make_settings
from emcoop.envs.cube.world import CHANNELS, HEADER, OPEN, STEP, Board, CellArray, IntArray, make_world
from emcoop.envs.kernels import kernel
from emcoop.envs.parallel_env import BlockPool

reward = kernel(step_reward)


@kernel
def step_range(
    rows: IntArray,
    occupancy: IntArray,
    cells: CellArray,
    actions: ActionArray,
    held: NDArray[np.bool_],
    observations: CellArray,
    rewards: NDArray[np.float64],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    delivered: IntArray,
    by_agent: IntArray,
    by_push: IntArray,
    claims: IntArray,
    log: IntArray,
    first: int,
    last: int,
    pad: int,
    max_steps: int,
) -> int:
    """Step environments `first` to `last - 1` and write everything a step returns.

    Args:
        rows, occupancy, cells: As in `World`; changed in place.
        actions: `(n_envs, n)` uint8.
        held: `(n_envs,)`; such an environment is left as it is and only observed, with reward 0.
        observations: `(n_envs, n, view, view)` uint64 out.
        rewards: `(n_envs, n)` out.
        terminated, truncated: `(n_envs,)` out, as the environment is afterwards.
        delivered: `(n_envs,)` out, weight delivered in this step.
        by_agent, by_push, claims, log: Scratch.
        first, last: Range of environments.
        pad: Padding of `occupancy` and `cells`.
        max_steps: Length of an episode.

    Returns:
        How many of them have ended.
    """
    n, view, n_ended = by_agent.shape[1], observations.shape[2], 0
    m = (rows.shape[1] - HEADER - 2 * n) // 4
    scratch = Scratch(by_agent, by_push, claims, log)
    for env in range(first, last):
        board = Board(rows, occupancy, cells, env, n, m, pad)
        gained = 0 if held[env] else step_one(board, scratch, actions, False)
        delivered[env] = gained
        rewards[env, :] = 0.0 if held[env] else reward(gained, n)
        terminated[env] = rows[env, OPEN] == 0
        truncated[env] = not terminated[env] and rows[env, STEP] >= max_steps
        n_ended += terminated[env] or truncated[env]
    # A pass of its own: stepping and observing by turns asks too much of the cache when environments are many.
    for env in range(first, last):
        observe_one(Board(rows, occupancy, cells, env, n, m, pad), view, observations)
    return n_ended


class CubeBatchWorld:
    """CUBE as `BatchEnv` runs it; see `BatchWorld`.

    Args:
        settings: Settings of every environment.
        view: Odd side of the observation window in cells.
        n_envs: Number of environments.
        n_threads: How many threads step them.
    """

    def __init__(self, settings: CubeSettings, view: int, n_envs: int, n_threads: int) -> None:
        self.n_agents = settings.n_agents
        self.single_observation_space: spaces.Space[Any] = spaces.Box(0, 255, (len(CHANNELS), view, view), np.uint8)
        self.single_action_space = spaces.Discrete(len(ACTIONS))
        self._settings = settings
        self._n_envs = n_envs
        self._world = make_world(settings, settings.weights, n_envs, view)
        n_blocks, side = self._world.n_blocks, self._world.occupancy.shape[1]
        self._scratches = [make_scratch(self.n_agents, n_blocks, side) for _ in range(n_threads)]
        self._pool = BlockPool((n_envs, self.n_agents, view, view), (n_envs, self.n_agents))

    def start(self, env: int, seed: int) -> None:
        """Start an episode in one environment."""
        agents, blocks = place(self._settings, seed)
        self._world.place(env, agents, blocks)

    def take(self) -> tuple[CellArray, NDArray[np.uint8]]:
        """Return a block of packed cells, and as channels, `(n_envs, n, 8, view, view)`."""
        return self._pool.take()

    def info(self) -> dict[str, NDArray[Any]]:
        """Return an array for the weight delivered in a step, `(n_envs,)`."""
        return {"delivered_weight": np.empty(self._n_envs, np.int32)}

    def step(
        self, first: int, last: int, thread: int, actions: ActionArray, held: NDArray[np.bool_], out: StepArrays
    ) -> int:
        """Step environments `first` to `last - 1`; return how many have ended."""
        world = self._world
        return step_range(
            world.rows, world.occupancy, world.cells, actions, held, out.sink, out.rewards, out.terminated,
            out.truncated, out.info["delivered_weight"], *self._scratches[thread], first, last, world.pad,
            self._settings.max_steps,
        )  # fmt: skip

    def observe(self, first: int, last: int, sink: CellArray) -> None:
        """Write what the agents of environments `first` to `last - 1` see now."""
        world = self._world
        observe(world.rows, world.occupancy, world.cells, sink, first, last, world.pad)

    def state(self) -> NDArray[np.int32]:
        """Return the whole state, one row per environment, in the order of `CubeEnv.state`."""
        return self._world.rows.copy()

    def state_hashes(self) -> list[str]:
        """Return the canonical state hash of every environment."""
        return [state_digest(self._settings.grid_size, self.n_agents, row) for row in self._world.rows]


class CubeBatch(BatchEnv):
    """`n_envs` CUBE environments of equal settings, stepped together; see `BatchEnv`.

    Observations are `(n_envs, n, 8, view, view)` uint8, actions 0 to 4, and info has `delivered_weight (n_envs,)`.

    Args:
        n_envs: Number of environments.
        n_agents, grid_size, blocks, max_steps, view: As in `CubeEnv`.
        n_threads, autoreset: As in `BatchEnv`.
    """

    def __init__(
        self,
        n_envs: int,
        n_agents: int = 2,
        grid_size: int | None = None,
        blocks: Mapping[int, int] | None = None,
        max_steps: int | None = None,
        *,
        view: int = 11,
        n_threads: int = 1,
        autoreset: str | AutoresetMode = "next_step",
    ) -> None:
        self.settings = make_settings(n_agents, grid_size, blocks, max_steps)
        self.view = check_view(view)
        super().__init__(
            lambda envs, threads: CubeBatchWorld(self.settings, self.view, envs, threads),
            n_envs, n_threads, autoreset,
        )  # fmt: skip
