"""Keeps Python's cyclic garbage collector out of work that makes very many objects and no cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause the cyclic garbage collector of this process, as a context manager.

    Every object that is made brings the next run of the collector closer, and each of those visits all events of a
    large trace again: that took as long as the work itself. What has no cycles is freed without the collector as ever.
    One that is off stays off, and threads may overlap: at worst it runs again a little early.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
