"""Random streams: one generator per purpose, derived from the episode seed and a label.

Only `Generator.random()` is used by the package itself: its mapping from raw bits to doubles is fixed, so
recorded episodes repeat on every NumPy version.
"""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

from emcoop.errors import ConfigError


def derive_seed(seed: int, *labels: int | str) -> int:
    """Return the 63-bit seed of the stream named by `labels` below `seed`."""
    text = "/".join([str(int(seed)), *map(str, labels)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *labels: int | str) -> np.random.Generator:
    """Return the generator of the stream named by `labels` below `seed`."""
    return np.random.Generator(np.random.Philox(key=derive_seed(seed, *labels)))


def pick(rng: np.random.Generator, count: int) -> int:
    """Draw an index in `[0, count)` from one `random()` call."""
    return min(int(rng.random() * count), count - 1)


class SeedSequence:
    """Which seed each episode gets: the one given to `reset`, else the next one derived from it."""

    def __init__(self) -> None:
        self._root = secrets.randbits(62)
        self._episodes = 0
        self.current = self._root

    def next(self, seed: int | None) -> int:
        """Return the seed of the episode that starts now."""
        if seed is None:
            self.current = derive_seed(self._root, "episode", self._episodes)
        else:
            if isinstance(seed, bool) or not hasattr(seed, "__index__") or int(seed) < 0:
                raise ConfigError(f"seed={seed!r} does not fit: give a whole number >= 0 or None")
            self.current = self._root = int(seed)
            self._episodes = 0
        self._episodes += 1
        return self.current
