"""What batch environments of every world share: seeds per environment, joint actions in, when to start anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel
from emcoop.errors import ActionError, ConfigError
from emcoop.rng import SeedSequence

MAX_ENVS = 2**20


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


def make_seeds(n_envs: int) -> list[SeedSequence]:
    """Return the seed sequence of every environment; they are those of the single environments."""
    return [SeedSequence() for _ in range(n_envs)]


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
