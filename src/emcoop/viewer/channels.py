"""Arrays of whole numbers that change from step to step, stored as their beginning and what changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ABSENT = -1
"""Value of entries that are not there (yet, or any more)."""


class Channel:
    """One flat array over an episode; it may grow, entries that are missing are `ABSENT`."""

    def __init__(self) -> None:
        self._now: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._first: NDArray[np.int64] | None = None
        self._changes: list[list[int]] = []

    def record(self, t: int, values: ArrayLike) -> None:
        """Note the values at step `t`; steps come in order."""
        flat = np.asarray(values).astype(np.int64).ravel()
        size = max(len(flat), len(self._now))
        now, before = _padded(flat, size), _padded(self._now, size)
        if self._first is None:
            self._first = flat
        elif len(changed := np.flatnonzero(now != before)):
            self._changes.append([t, *np.column_stack((changed, now[changed])).ravel().tolist()])
        self._now = now

    def packed(self) -> dict[str, Any]:
        """Return `size`, `first` as runs `[value, count, ...]`, and `changes` as `[step, index, value, ...]`."""
        first = np.zeros(0, dtype=np.int64) if self._first is None else self._first
        return {"size": len(self._now), "first": _runs(first), "changes": self._changes}


class Channels(dict[str, Channel]):
    """Channels by name, made when first recorded."""

    def record(self, t: int, values: dict[str, ArrayLike]) -> None:
        """Note the values of several channels at step `t`."""
        for name, one in values.items():
            self.setdefault(name, Channel()).record(t, one)

    def packed(self) -> dict[str, Any]:
        """Return every channel as plain data."""
        return {name: channel.packed() for name, channel in self.items()}


def _padded(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.pad(values, (0, size - len(values)), constant_values=ABSENT)


def _runs(values: NDArray[np.int64]) -> list[int]:
    if not len(values):
        return []
    begins = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    lengths = np.diff(begins, append=len(values))
    return [int(number) for pair in zip(values[begins], lengths) for number in pair]
