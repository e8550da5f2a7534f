"""Many CUBE environments in one call: arrays in, arrays out, the same dynamics as the single environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from emcoop.envs.batch import MAX_ENVS, check_autoreset, check_count, make_seeds, read_actions, spread_seeds
from emcoop.envs.cube.dynamics import observe, observe_one, step_one
from emcoop.envs.cube.env import check_view, state_digest, step_reward
from emcoop.envs.cube.layout import place
from emcoop.envs.cube.scratch import ActionArray, Scratch, make_scratch
from emcoop.envs.cube.settings import ACTIONS, make_settings
from emcoop.envs.cube.world import CHANNELS, HEADER, OPEN, STEP, Board, CellArray, IntArray, make_world
from emcoop.envs.kernels import kernel
from emcoop.envs.parallel_env import BlockPool
from emcoop.errors import ActionError

StepResult = tuple[
    NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, NDArray[Any]]
]


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
        self._pool = BlockPool((self.n_envs, self.n_agents, view, view), (self.n_envs, self.n_agents))
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None
        self._ranges = list(pairwise(np.linspace(0, self.n_envs, threads + 1).astype(int).tolist()))
        self._seeds = make_seeds(self.n_envs)
        self._actions = np.zeros((self.n_envs, self.n_agents), np.uint8)
        self._held = np.zeros(self.n_envs, np.bool_)
        self._n_held = 0
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
        self._hold(np.zeros(self.n_envs, np.bool_), 0)
        self._running = True
        block, observations = self._pool.take()
        self._observe(block, 0, self.n_envs)
        return observations, {}

    def step(self, actions: NDArray[np.integer[Any]]) -> StepResult:
        """Take one joint step in every environment.

        Args:
            actions: `(n_envs, n)` integers 0 to 4; uint8 is the cheapest.

        Returns:
            Observations `(n_envs, n, 8, view, view)` uint8, rewards `(n_envs, n)`, terminated and truncated
            `(n_envs,)`, and info with `delivered_weight (n_envs,)`; with `same_step` also `final_observation` and
            `_final_observation`, the mask of the environments it is valid for.

        Raises:
            ActionError: Wrong shape, type or range, or no `reset` yet.
        """
        if not self._running:
            raise ActionError("no episode is running: call reset() first")
        read_actions(actions, len(ACTIONS), self._actions)
        if self._n_held and self.autoreset is AutoresetMode.NEXT_STEP:
            self._restart(self._held)
        block, observations = self._pool.take()
        rewards = np.empty(self._actions.shape)
        terminated, truncated = np.empty(self.n_envs, np.bool_), np.empty(self.n_envs, np.bool_)
        delivered = np.empty(self.n_envs, np.int32)
        arrays = block, rewards, terminated, truncated, delivered
        if self._executor is None:
            n_ended = self._step_part(0, *arrays)
        else:
            n_ended = sum(self._executor.map(lambda i: self._step_part(i, *arrays), range(len(self._ranges))))
        info: dict[str, NDArray[Any]] = {"delivered_weight": delivered}
        if self.autoreset is not AutoresetMode.SAME_STEP:
            if n_ended or self._n_held:
                self._hold(terminated | truncated, n_ended)
        elif n_ended:
            ended = terminated | truncated
            info["final_observation"], info["_final_observation"] = observations.copy(order="K"), ended
            self._restart(ended)
            for env in np.flatnonzero(ended).tolist():
                self._observe(block, env, env + 1)
        return observations, rewards, terminated, truncated, info

    def _step_part(
        self,
        thread: int,
        block: CellArray,
        rewards: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        delivered: IntArray,
    ) -> int:
        """Step one thread's environments; return how many of their episodes are over."""
        world = self._world
        return step_range(
            world.rows, world.occupancy, world.cells, self._actions, self._held, block, rewards, terminated,
            truncated, delivered, *self._scratches[thread], *self._ranges[thread], world.pad, self.settings.max_steps,
        )  # fmt: skip

    def _hold(self, held: NDArray[np.bool_], count: int) -> None:
        """Note which environments the next step leaves as they are."""
        self._held, self._n_held = held, count

    def _restart(self, which: NDArray[np.bool_]) -> None:
        for env in np.flatnonzero(which).tolist():
            self._start(env, None)

    def _start(self, env: int, seed: int | None) -> None:
        agents, blocks = place(self.settings, self._seeds[env].next(seed))
        self._world.place(env, agents, blocks)

    def _observe(self, block: NDArray[np.uint64], first: int, last: int) -> None:
        world = self._world
        observe(world.rows, world.occupancy, world.cells, block, first, last, world.pad)

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
