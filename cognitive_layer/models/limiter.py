"""One gate per model that all calls of all episodes share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Limiter:
    """Holds back requests to one model; used from one event loop.

    Args:
        concurrency: Requests that may be on their way at once.
        requests_per_minute: Requests per minute, evenly spaced; None = no limit.
    """

    def __init__(self, concurrency: int, requests_per_minute: float | None = None) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._queue = asyncio.Lock()
        self._spacing = 0.0 if requests_per_minute is None else 60.0 / requests_per_minute
        self._open_at = 0.0

    async def run(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request as soon as it may be made; first come, first served."""
        async with self._slots:
            if self._spacing or self._open_at > time.monotonic():
                await self._wait_in_line()
            return await request()

    def pause(self, seconds: float) -> None:
        """Let nobody through for some seconds from now; a longer pause already in force stays."""
        self._open_at = max(self._open_at, time.monotonic() + seconds)

    async def _wait_in_line(self) -> None:
        async with self._queue:
            while (wait := self._open_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self._open_at = time.monotonic() + self._spacing
