"""Many environments of one world in one call: arrays in, arrays out, seeds, threads, and when to start anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel
from emcoop.errors import ActionError, ConfigError
from emcoop.rng import SeedSequence

MAX_ENVS = 2**20

Observations = NDArray[Any] | dict[str, NDArray[Any]]
StepResult = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class StepArrays(NamedTuple):
    """What a world writes in a step; every entry of its range of environments, every time.

    Attributes:
        sink: Where observations go: the first of what `BatchWorld.take` returned.
        rewards: `(n_envs, n)` float64.
        terminated, truncated: `(n_envs,)` bool: whether and how the whole episode is over after the step.
        info: What `BatchWorld.info` returned.
    """

    sink: Any
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    info: dict[str, NDArray[Any]]


class BatchWorld(Protocol):
    """What a world provides to be run by `BatchEnv`: plain kernels on a range of environments, and no policy.

    Attributes:
        n_agents: Team size.
        single_observation_space, single_action_space: Spaces of one agent.
    """

    n_agents: int
    single_observation_space: spaces.Space[Any]
    single_action_space: spaces.Discrete

    def start(self, env: int, seed: int) -> None:
        """Start an episode in one environment from a seed of its sequence."""

    def take(self) -> tuple[Any, Observations]:
        """Return memory for the observations of one step that no caller holds any more.

        Returns:
            What this world's kernels write into, and the same memory as the caller gets it: `(n_envs, n, ...)`, an
            array or a dictionary of arrays.
        """

    def info(self) -> dict[str, NDArray[Any]]:
        """Return new arrays by name, `(n_envs, ...)`, for what this world tells about a step besides."""

    def step(
        self,
        first: int,
        last: int,
        thread: int,
        actions: NDArray[np.uint8],
        held: NDArray[np.bool_],
        out: StepArrays,
    ) -> int:
        """Step environments `first` to `last - 1` and write what a step returns.

        Args:
            first, last: Range of environments.
            thread: Whose scratch to use.
            actions: `(n_envs, n)`, checked.
            held: `(n_envs,)`; such an environment is left as it is and only observed, with reward 0.
            out: Arrays to write into.

        Returns:
            How many of them have ended.
        """

    def observe(self, first: int, last: int, sink: Any) -> None:
        """Write what the agents of environments `first` to `last - 1` see now."""

    def state(self) -> NDArray[np.int32]:
        """Return a copy of the whole state, one row per environment, as the single environment's `state()`."""

    def state_hashes(self) -> list[str]:
        """Return every environment's canonical state hash, equal to the single environment's."""


class BatchEnv:
    """`n_envs` environments of equal settings, stepped together.

    Environment `i` seeded with `s` does exactly what the single environment seeded with `s` does, episode after
    episode.

    Args:
        make_world: Makes the world for that many environments and threads.
        n_envs: Number of environments.
        n_threads: Threads that share the environments; kernels run outside the interpreter lock.
        autoreset: Gymnasium's modes. `next_step`: the step after an episode's end starts the next one, ignoring the
            action, with reward 0. `same_step`: it starts at once, the last observation is in
            `info["final_observation"]`. `disabled`: ended environments stay as they are until `reset`.

    Attributes:
        n_envs, n_agents: Number of environments, and of agents in each.
        single_observation_space, single_action_space: Spaces of one agent.
    """

    def __init__(
        self,
        make_world: Callable[[int, int], BatchWorld],
        n_envs: int,
        n_threads: int = 1,
        autoreset: str | AutoresetMode = "next_step",
    ) -> None:
        self.n_envs = check_count("n_envs", n_envs, MAX_ENVS)
        self.autoreset = check_autoreset(autoreset)
        threads = min(check_count("n_threads", n_threads, 256), self.n_envs)
        self._world = world = make_world(self.n_envs, threads)
        self.n_agents = world.n_agents
        self.single_observation_space = world.single_observation_space
        self.single_action_space = world.single_action_space
        self._n_actions = int(world.single_action_space.n)
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None
        self._ranges = list(pairwise(np.linspace(0, self.n_envs, threads + 1).astype(int).tolist()))
        self._seeds = [SeedSequence() for _ in range(self.n_envs)]
        self._actions = np.zeros((self.n_envs, self.n_agents), np.uint8)
        self._held = np.zeros(self.n_envs, np.bool_)
        self._n_held = 0
        self._running = False

    def reset(self, seed: int | Sequence[int] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every environment.

        Args:
            seed: A number (environment `i` gets `seed + i`), one per environment, or None.

        Returns:
            Observations `(n_envs, n, ...)`, an array or a dictionary of arrays as the observation space, and info.
        """
        for env, own in enumerate(spread_seeds(seed, self.n_envs)):
            self._start(env, own)
        self._hold(np.zeros(self.n_envs, np.bool_), 0)
        self._running = True
        sink, observations = self._world.take()
        self._world.observe(0, self.n_envs, sink)
        return observations, {}

    def step(self, actions: NDArray[np.integer[Any]]) -> StepResult:
        """Take one joint step in every environment.

        Args:
            actions: `(n_envs, n)` integers; uint8 is the cheapest.

        Returns:
            Observations as from `reset`, rewards `(n_envs, n)`, terminated and truncated `(n_envs,)` of whole
            episodes, and info with the world's arrays; with `same_step` also `final_observation` and
            `_final_observation`, the mask of the environments it is valid for.

        Raises:
            ActionError: Wrong shape, type or range, or no `reset` yet.
        """
        if not self._running:
            raise ActionError("no episode is running: call reset() first")
        read_actions(actions, self._n_actions, self._actions)
        if self._n_held and self.autoreset is AutoresetMode.NEXT_STEP:
            self._restart(self._held)
        sink, observations = self._world.take()
        rewards = np.empty(self._actions.shape)
        terminated, truncated = np.empty(self.n_envs, np.bool_), np.empty(self.n_envs, np.bool_)
        out = StepArrays(sink, rewards, terminated, truncated, self._world.info())
        if self._executor is None:
            n_ended = self._world.step(0, self.n_envs, 0, self._actions, self._held, out)
        else:
            n_ended = sum(self._executor.map(lambda i: self._step_part(i, out), range(len(self._ranges))))
        info: dict[str, Any] = out.info
        if self.autoreset is not AutoresetMode.SAME_STEP:
            if n_ended or self._n_held:
                self._hold(terminated | truncated, n_ended)
        elif n_ended:
            ended = terminated | truncated
            info["final_observation"], info["_final_observation"] = _copy(observations), ended
            self._restart(ended)
            for env in np.flatnonzero(ended).tolist():
                self._world.observe(env, env + 1, sink)
        return observations, rewards, terminated, truncated, info

    def _step_part(self, thread: int, out: StepArrays) -> int:
        """Step one thread's environments; return how many of their episodes are over."""
        first, last = self._ranges[thread]
        return self._world.step(first, last, thread, self._actions, self._held, out)

    def _hold(self, held: NDArray[np.bool_], count: int) -> None:
        """Note which environments the next step leaves as they are."""
        self._held, self._n_held = held, count

    def _restart(self, which: NDArray[np.bool_]) -> None:
        for env in np.flatnonzero(which).tolist():
            self._start(env, None)

    def _start(self, env: int, seed: int | None) -> None:
        self._world.start(env, self._seeds[env].next(seed))

    def state(self) -> NDArray[np.int32]:
        """Return the whole state, one row per environment, in the order of the single environment's `state`."""
        return self._world.state()

    def state_hashes(self) -> list[str]:
        """Return the canonical state hash of every environment, equal to the single environment's."""
        return self._world.state_hashes()

    def close(self) -> None:
        """Stop the threads."""
        if self._executor is not None:
            self._executor.shutdown()


def _copy(observations: Observations) -> Observations:
    if isinstance(observations, dict):
        return {name: array.copy(order="K") for name, array in observations.items()}
    return observations.copy(order="K")


def check_count(name: str, value: object, most: int) -> int:
    """Return `value` if it is a whole number from 1 to `most`, else raise `ConfigError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ConfigError(f"{name}={value!r} does not fit: give a whole number from 1 to {most}")
    return value


def check_autoreset(mode: str | AutoresetMode) -> AutoresetMode:
    """Return Gymnasium's autoreset mode of this name, else raise `ConfigError`."""
    try:
        return mode if isinstance(mode, AutoresetMode) else AutoresetMode[str(mode).upper()]
    except KeyError:
        names = ", ".join(m.name.lower() for m in AutoresetMode)
        raise ConfigError(f"autoreset={mode!r} does not exist: choose one of {names}") from None


def spread_seeds(seed: int | Sequence[int] | None, n_envs: int) -> list[int | None]:
    """Return one seed per environment: `seed + i` for a number, the given ones for a sequence."""
    if seed is None:
        return [None] * n_envs
    if hasattr(seed, "__index__"):
        return [int(seed) + i for i in range(n_envs)]
    if len(seed) != n_envs:
        raise ConfigError(f"got {len(seed)} seeds for {n_envs} environments: give one each, one number, or None")
    return list(seed)


def read_actions(actions: Any, n_actions: int, out: NDArray[np.uint8]) -> None:
    """Copy joint actions `(n_envs, n)` into `out`.

    Raises:
        ActionError: Wrong shape, not integers, or out of range; `out` is then untouched.
    """
    given = np.asarray(actions)
    if given.shape != out.shape or given.dtype.kind not in "iu":
        raise ActionError(
            f"got actions of shape {given.shape} and type {given.dtype}: give integers of shape {out.shape}, "
            "one row per environment, one column per agent"
        )
    # Two types only, because the kernel is compiled once for each; what int64 cannot hold comes out negative.
    plain = np.ascontiguousarray(given if given.dtype == np.uint8 else given.astype(np.int64, copy=False))
    if not copy_checked(plain, n_actions, out):
        raise ActionError(f"got actions from {given.min()} to {given.max()}: actions are 0 to {n_actions - 1}")


@kernel
def copy_checked(given: NDArray[Any], n_actions: int, out: NDArray[np.uint8]) -> bool:
    """Copy actions if all of them are in `[0, n_actions)`, and say whether they are."""
    bad = False
    for row in given:
        for action in row:
            bad |= action < 0 or action >= n_actions
    if not bad:
        out[:] = given
    return not bad
