"""Threads of this process, for episodes that mostly wait for language models: they share one access to those."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable

from emcoop.baselines.backends import Outcome, Work, guarded
from emcoop.baselines.expansion import Unit

PATIENCE = 10.0
"""Seconds to wait for episodes that are to end early."""
HEARTBEAT = 0.2
"""Seconds after which a wait is begun anew, because on Windows Ctrl-C does not end one."""


class ThreadBackend:
    """Runs units in threads of this process.

    Args:
        slots: Units at once.
        hang_up: Called when running units are to be abandoned; it makes their calls of models fail, also those that
            would never come back.
    """

    name = "threads"

    def __init__(self, slots: int, hang_up: Callable[[], None]) -> None:
        self.slots = slots
        self._hang_up = hang_up

    def run(self, units: Iterable[Unit], work: Work) -> Generator[Outcome, None, None]:
        """Yield one outcome per unit as each ends; closing the generator hangs up on what runs."""
        left = iter(units)
        given: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        threads: list[threading.Thread] = []
        running = 0
        try:
            while True:
                # Asked for one by one, so that nothing is begun after whoever takes the outcomes has seen enough.
                while running < self.slots and (unit := next(left, None)) is not None:
                    given.put(unit)
                    running += 1
                    if len(threads) < running:
                        threads.append(_start(given, ended, work))
                if not running:
                    return
                outcome = _wait(ended)
                running -= 1
                yield outcome
        finally:
            for _ in threads:
                given.put(None)
            if running:
                self._hang_up()
            end = time.monotonic() + PATIENCE
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))


def _start(given: queue.SimpleQueue[Unit | None], ended: queue.SimpleQueue[Outcome], work: Work) -> threading.Thread:
    def serve() -> None:
        while (unit := given.get()) is not None:
            ended.put(Outcome(unit, *guarded(work, unit)))

    # As a daemon it cannot keep a program alive that was told to stop.
    thread = threading.Thread(target=serve, name="emcoop-episode", daemon=True)
    thread.start()
    return thread


def _wait(ended: queue.SimpleQueue[Outcome]) -> Outcome:
    while True:
        try:
            return ended.get(timeout=HEARTBEAT)
        except queue.Empty:
            continue
