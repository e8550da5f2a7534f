"""Random streams: one generator per purpose, derived from the episode seed and a label.

Only `Generator.random()` is used by the package itself: its mapping from raw bits to doubles is fixed, so
recorded episodes repeat on every NumPy version.
"""

from __future__ import annotations

import hashlib

import numpy as np


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
