"""Processes on this machine, spawned (never forked), each with a pipe of its own.

A pool of our own, because the standard library's cannot say which unit a dead worker had: it fails all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from emcoop.baselines.backends import Outcome, Work, guarded
from emcoop.baselines.expansion import Unit
from emcoop.baselines.interrupts import leave_to_parent, undisturbed
from emcoop.baselines.results import Result
from emcoop.errors import EmCoopError

_CONTEXT = multiprocessing.get_context("spawn")


class LocalBackend:
    """Runs units in worker processes on this machine."""

    name = "local"

    def __init__(self, slots: int, max_tasks: int = 500) -> None:
        """Set up `slots` workers; each is replaced by a fresh process after `max_tasks` units.

        Nothing starts before `run`.
        """
        self.slots = slots
        self._max_tasks = max_tasks

    def run(self, units: Iterable[Unit], work: Work) -> Generator[Outcome, None, None]:
        """Yield one outcome per unit as each ends; closing the generator kills the workers.

        Raises:
            EmCoopError: Workers die one after the other without finishing anything.
        """
        _start_tracker()
        queue = iter(units)
        workers: list[_Worker] = []
        deaths = 0
        try:
            while True:
                self._feed(workers, queue, work)
                if not workers:
                    return
                for worker in _ready(workers):
                    outcome, alive = _collect(worker)
                    deaths = 0 if alive else deaths + 1
                    if not alive or worker.done >= self._max_tasks:
                        workers.remove(worker)
                        worker.end()
                    yield outcome
                    if deaths > 3 * self.slots:
                        raise EmCoopError(
                            f"{deaths} worker processes died one after the other ({outcome.result.error}): "
                            "check memory and the installation, or run with --jobs 1"
                        )
        finally:
            with undisturbed():
                for worker in workers:
                    worker.process.kill()
            for worker in workers:
                worker.kill()

    def _feed(self, workers: list[_Worker], queue: Iterator[Unit], work: Work) -> None:
        """Give every idle worker a unit; start workers up to the number of slots, end those without work."""
        for worker in [w for w in workers if w.unit is None]:
            unit = next(queue, None)
            if unit is None:
                workers.remove(worker)
                worker.end()
            else:
                worker.give(unit)
        while len(workers) < self.slots and (unit := next(queue, None)) is not None:
            with undisturbed():  # a worker that nobody knows of would never be ended
                workers.append(_Worker.start(work))
            workers[-1].give(unit)


@dataclass
class _Worker:
    process: Any
    pipe: Connection[Any, Any]
    unit: Unit | None = None
    done: int = 0
    since: float = 0.0

    @classmethod
    def start(cls, work: Work) -> _Worker:
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=_serve, args=(theirs, work), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def give(self, unit: Unit) -> None:
        self.unit, self.since = unit, time.monotonic()
        try:
            self.pipe.send(unit)
        except OSError:
            self.process.kill()  # it died idle; its end is noticed, and accounted for, like any other

    def end(self) -> None:
        self.pipe.close()
        self.process.join(timeout=5)
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Wait until a worker has answered or died; return all that have."""
    ready = wait([source for w in workers for source in (w.pipe, w.process.sentinel)])
    return [w for w in workers if w.pipe in ready or w.process.sentinel in ready]


def _collect(worker: _Worker) -> tuple[Outcome, bool]:
    """Take a worker's answer, or its death; return the outcome and whether the worker lives on."""
    unit, worker.unit = worker.unit, None
    assert unit is not None
    worker.done += 1
    try:
        if worker.pipe.poll():  # an answer may stand in the pipe of a process that has already ended
            result, fatal = worker.pipe.recv()
            return Outcome(unit, result, fatal), True
    except (EOFError, OSError):
        pass
    worker.process.join(timeout=5)
    error = f"the worker process ended with exit code {worker.process.exitcode}"
    seconds = time.monotonic() - worker.since
    return Outcome(unit, Result(status="infra_error", error=error, seconds=seconds)), False


def _start_tracker() -> None:
    """Start what the standard library starts with the first process: that would let signals through again."""
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


def _serve(pipe: Connection[Any, Any], work: Work) -> None:
    """Run in the worker: answer every unit with its result until the parent hangs up or dies."""
    leave_to_parent()  # what stops the parent reaches the whole group
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(guarded(work, pipe.recv()))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
