"""Many CUBE environments in one call: arrays in, arrays out, the same dynamics as the single environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from emcoop.envs.batch import MAX_ENVS, check_autoreset, check_count, make_seeds, read_actions, spread_seeds
from emcoop.envs.cube.dynamics import observe, step_and_observe
from emcoop.envs.cube.env import check_view, state_digest, step_reward
from emcoop.envs.cube.layout import place
from emcoop.envs.cube.scratch import make_scratch
from emcoop.envs.cube.settings import ACTIONS, make_settings
from emcoop.envs.cube.world import CHANNELS, make_world
from emcoop.envs.parallel_env import BlockPool
from emcoop.errors import ActionError

StepResult = tuple[
    NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, NDArray[Any]]
]


class CubeBatch:
    """`n_envs` CUBE environments of equal settings, stepped together.

    Environment `i` seeded with `s` does exactly what `CubeEnv` seeded with `s` does, episode after episode.

    Args:
        n_envs: Number of environments.
        n_agents, grid_size, blocks, max_steps, view: As in `CubeEnv`.
        n_threads: Threads that share the environments; kernels run outside the interpreter lock.
        autoreset: Gymnasium's modes. `next_step`: the step after an episode's end starts the next one, ignoring the
            action, with reward 0. `same_step`: it starts at once, the last observation is in
            `info["final_observation"]`. `disabled`: ended environments stay as they are until `reset`.

    Attributes:
        single_observation_space, single_action_space: Spaces of one agent.
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
        self.n_envs = check_count("n_envs", n_envs, MAX_ENVS)
        self.settings = make_settings(n_agents, grid_size, blocks, max_steps)
        self.view = check_view(view)
        self.autoreset = check_autoreset(autoreset)
        self.single_observation_space = spaces.Box(0, 255, (len(CHANNELS), view, view), np.uint8)
        self.single_action_space = spaces.Discrete(len(ACTIONS))
        self.n_agents = self.settings.n_agents
        threads = min(check_count("n_threads", n_threads, 256), self.n_envs)
        world = self._world = make_world(self.settings, self.settings.weights, self.n_envs, view)
        side = world.occupancy.shape[1]
        self._scratches = [make_scratch(self.n_agents, world.n_blocks, side) for _ in range(threads)]
        self._pool = BlockPool(self.n_envs, self.n_agents, view)
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None
        bounds = np.linspace(0, self.n_envs, threads + 1).astype(int).tolist()
        self._ranges = list(pairwise(bounds))
        self._seeds = make_seeds(self.n_envs)
        self._actions = np.zeros((self.n_envs, self.n_agents), np.uint8)
        self._outcome = np.zeros((self.n_envs, 4), np.int32)
        self._ended = np.zeros(self.n_envs, np.bool_)
        self._running = False

    def reset(self, seed: int | Sequence[int] | None = None) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
        """Start an episode in every environment.

        Args:
            seed: A number (environment `i` gets `seed + i`), one per environment, or None.

        Returns:
            Observations `(n_envs, n, 8, view, view)` uint8, and info.
        """
        for env, own in enumerate(spread_seeds(seed, self.n_envs)):
            self._start(env, own)
        self._ended[:] = False
        self._running = True
        block, channels = self._pool.take()
        self._each_thread(lambda i, first, last: self._observe(block, first, last))
        return self._shaped(channels), {}

    def step(self, actions: NDArray[np.integer[Any]]) -> StepResult:
        """Take one joint step in every environment.

        Args:
            actions: `(n_envs, n)` integers 0 to 4.

        Returns:
            Observations `(n_envs, n, 8, view, view)` uint8, rewards `(n_envs, n)`, terminated and truncated
            `(n_envs,)`, and info with `delivered_weight (n_envs,)`; with `same_step` also `final_observation` and
            `_final_observation`, the mask of the environments it is valid for.

        Raises:
            ActionError: Wrong shape, type or range, or no `reset` yet.
        """
        if not self._running:
            raise ActionError("no episode is running: call reset() first")
        read_actions(actions, self._actions.shape, len(ACTIONS), self._actions)
        frozen = self._ended.copy() if self.autoreset != AutoresetMode.SAME_STEP else None
        kept = self._world.rows[frozen].copy() if self._freezes(frozen) else None
        block, channels = self._pool.take()
        self._each_thread(lambda i, first, last: self._step(block, i, first, last))
        delivered = self._outcome[:, 0].copy()
        terminated = self._outcome[:, 1] == 0
        truncated = ~terminated & (self._outcome[:, 2] >= self.settings.max_steps)
        info: dict[str, NDArray[Any]] = {"delivered_weight": delivered}
        rewards = np.repeat(step_reward(delivered, self.n_agents)[:, None], self.n_agents, axis=1)
        if frozen is not None and frozen.any():
            self._skip(frozen, kept, block, delivered, rewards, terminated, truncated)
        ended = terminated | truncated
        if self.autoreset == AutoresetMode.SAME_STEP and ended.any():
            info["final_observation"], info["_final_observation"] = self._shaped(channels).copy(), ended
            self._restart(ended, block)
        self._ended = ended
        return self._shaped(channels), rewards, terminated, truncated, info

    def _freezes(self, frozen: NDArray[np.bool_] | None) -> bool:
        return self.autoreset == AutoresetMode.DISABLED and frozen is not None and bool(frozen.any())

    def _skip(
        self,
        frozen: NDArray[np.bool_],
        kept: NDArray[np.int32] | None,
        block: NDArray[np.uint64],
        delivered: NDArray[np.int32],
        rewards: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
    ) -> None:
        """Undo the step of environments whose episode had ended before it."""
        delivered[frozen] = 0
        rewards[frozen] = 0.0
        if kept is None:
            terminated[frozen] = truncated[frozen] = False
            self._restart(frozen, block)
            return
        for env, row in zip(np.flatnonzero(frozen).tolist(), kept):
            self._world.restore(env, row)
            self._observe(block, env, env + 1)

    def _restart(self, which: NDArray[np.bool_], block: NDArray[np.uint64]) -> None:
        for env in np.flatnonzero(which).tolist():
            self._start(env, None)
            self._observe(block, env, env + 1)

    def _start(self, env: int, seed: int | None) -> None:
        agents, blocks = place(self.settings, self._seeds[env].next(seed))
        self._world.place(env, agents, blocks)

    def _observe(self, block: NDArray[np.uint64], first: int, last: int) -> None:
        world = self._world
        observe(world.rows, world.occupancy, world.cells, block, first, last, world.pad)

    def _step(self, block: NDArray[np.uint64], thread: int, first: int, last: int) -> None:
        world = self._world
        step_and_observe(
            world.rows, world.occupancy, world.cells, self._actions, block, self._outcome, *self._scratches[thread],
            first, last, world.pad, self.view, False,
        )  # fmt: skip

    def _each_thread(self, work: Callable[[int, int, int], None]) -> None:
        jobs = [(i, first, last) for i, (first, last) in enumerate(self._ranges)]
        if self._executor is None:
            work(*jobs[0])
        else:
            list(self._executor.map(lambda job: work(*job), jobs))

    def _shaped(self, channels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return channels.reshape(self.n_envs, self.n_agents, len(CHANNELS), self.view, self.view)

    def state(self) -> NDArray[np.int32]:
        """Return the whole state, one row per environment, in the order of `CubeEnv.state`."""
        return self._world.rows.copy()

    def state_hashes(self) -> list[str]:
        """Return the canonical state hash of every environment, equal to the single environment's."""
        return [state_digest(self.settings.grid_size, self.n_agents, row) for row in self._world.rows]

    def close(self) -> None:
        """Stop the threads."""
        if self._executor is not None:
            self._executor.shutdown()
