"""Repeat a call that failed in passing. How long it waits never enters any result."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from emcoop.cognitive_layer.models.chat import TransientError
from emcoop.errors import InfrastructureError

T = TypeVar("T")

# From the system, so that processes started together do not knock together; nothing that is recorded depends on it.
_JITTER = random.SystemRandom()


async def with_retries(
    model: str,
    attempt: Callable[[], Awaitable[T]],
    retries: int,
    backoff: float,
    longest_wait: float,
    failed: Callable[[TransientError], None],
) -> T:
    """Return what `attempt` returns, repeating it while it raises `TransientError`.

    Args:
        model: Whose call it is, for the error.
        attempt: Makes the call.
        retries: Most repetitions.
        backoff: Seconds before the first; doubled for each further one, and drawn from the upper half of that.
        longest_wait: Most seconds before a repetition.
        failed: Told of every failure that is followed by a repetition.

    Raises:
        InfrastructureError: It failed every time.
    """
    for count in range(retries + 1):
        try:
            return await attempt()
        except TransientError as error:
            last = error
        if count < retries:
            failed(last)
            wait = min(backoff * 2.0**count, longest_wait)
            await asyncio.sleep(wait * (0.5 + 0.5 * _JITTER.random()))
    times = "once" if retries == 0 else f"{retries + 1} times"
    raise InfrastructureError(f"{model} was asked {times} and gave no answer; the last time: {last}")
