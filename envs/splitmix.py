"""Random numbers without state that are the same on every platform and in every version of NumPy and Numba.

All of them come from the finalising function of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014): a bijection of 64-bit integers, computed with whole numbers only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel
from emcoop.errors import ConfigError

Stream = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53


@kernel
def mix(x: np.uint64) -> np.uint64:
    """Return the finalising hash of SplitMix64 of `x`."""
    x = np.uint64(x)  # called from Python, Numba sees small numbers as signed
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@kernel
def fold(state: np.uint64, value: int) -> np.uint64:
    """Return a hash of `state` and `value`: different values never collide for one state.

    States that differ in a few bits do collide (`fold(0, 1) == fold(1, 0)`): a state has to be hashed itself.

    Args:
        state: uint64; a seed or the result of another `fold`.
        value: Whole number of at least 0.
    """
    return mix((np.uint64(state) ^ np.uint64(value)) + _GOLDEN)


@kernel
def unit(state: np.uint64) -> float:
    """Return the upper 53 bits of `state` as a number in [0, 1), exactly."""
    return float(np.uint64(state) >> np.uint64(11)) * _UNIT


@kernel
def draw(seed: np.uint64, a: int, b: int, c: int, d: int) -> float:
    """Return the random number of a seed at a place: uniform in [0, 1), float64, a function of its arguments alone.

    There is no state, so it does not matter in which order, or whether, other numbers are drawn.

    Args:
        seed: uint64.
        a, b, c, d: Whole numbers of at least 0 that say which number is meant, such as step, purpose, row, column;
            give 0 for those that are not needed.
    """
    return unit(fold(fold(fold(fold(mix(np.uint64(seed) + _GOLDEN), a), b), c), d))


@kernel
def stream(seed: np.uint64, purpose: np.uint64) -> Stream:
    """Return a generator of its own for one purpose: a one-element array that holds the counter."""
    rng = np.empty(1, np.uint64)
    rng[0] = np.uint64(mix(np.uint64(seed) + _GOLDEN)) ^ purpose
    return rng


@kernel
def below(rng: Stream, bound: int) -> int:
    """Draw from 0 to `bound - 1`; the bias of the remainder is below `bound / 2**64`."""
    rng[0] += _GOLDEN
    return int(np.uint64(mix(rng[0])) % np.uint64(bound))


def seed_number(seed: object) -> np.uint64:
    """Return `seed` as kernels take it.

    Raises:
        ConfigError: Not a whole number from 0 to 2**64 - 1.
    """
    number = -1 if isinstance(seed, (bool, np.bool_)) or not hasattr(seed, "__index__") else seed.__index__()
    if not 0 <= number < 2**64:
        raise ConfigError(f"seed={seed!r} does not fit: give a whole number from 0 to 2**64 - 1")
    return np.uint64(number)
