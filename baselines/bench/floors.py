"""The floor: what PettingZoo's dictionaries cost when there is no world behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

STEPS = 64
"""Steps per call of a sample, so that the clock is looked at rarely."""


def usual_floor(names: Sequence[str], shape: tuple[int, ...]) -> Callable[[], Any]:
    """Return a step without a world, written the usual way: five dictionary comprehensions.

    The observations are fresh views of one block, allocated and filled once a step.

    Args:
        names: The agents.
        shape: Shape of one observation, of uint8.
    """

    def step() -> Any:
        block = np.empty((len(names), *shape), np.uint8)
        block.fill(0)
        return (
            {name: block[i] for i, name in enumerate(names)},
            {name: 0.0 for name in names},  # noqa: C420 - the usual way is what is measured
            {name: False for name in names},  # noqa: C420
            {name: False for name in names},  # noqa: C420
            {name: {} for name in names},
        )

    return step


def tight_floor(names: Sequence[str], shape: tuple[int, ...]) -> Callable[[], Any]:
    """Return the same step with the quickest spelling that still fills every dictionary."""

    def step() -> Any:
        block = np.empty((len(names), *shape), np.uint8)
        block.fill(0)
        return (
            dict(zip(names, block)),
            dict.fromkeys(names, 0.0),
            dict.fromkeys(names, False),
            dict.fromkeys(names, False),
            {name: {} for name in names},
        )

    return step


def nested_floor(names: Sequence[str], view: tuple[int, ...], own: tuple[int, ...]) -> Callable[[], Any]:
    """Return the usual floor for observations that are dictionaries of two arrays, one block for each of them.

    Args:
        names: The agents.
        view, own: Shapes of the two parts of one observation, of uint8.
    """

    def step() -> Any:
        views, selves = np.empty((len(names), *view), np.uint8), np.empty((len(names), *own), np.uint8)
        views.fill(0)
        selves.fill(0)
        return (
            {name: {"view": views[i], "self": selves[i]} for i, name in enumerate(names)},
            {name: 0.0 for name in names},  # noqa: C420 - as in the usual floor
            {name: False for name in names},  # noqa: C420
            {name: False for name in names},  # noqa: C420
            {name: {} for name in names},
        )

    return step


def many(step: Callable[[], Any]) -> Callable[[], None]:
    """Return a call of `STEPS` steps; the last result is held until the next, as a training loop does."""

    def call() -> None:
        for _ in range(STEPS):
            result = step()
        del result

    return call
