"""Workers of Ray, on this machine or on a cluster whose machines share no folder: traces come back as bytes."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from emcoop.baselines.backends import Outcome, Work, guarded
from emcoop.baselines.backends.ray_connection import Connection, connected, other_version
from emcoop.baselines.expansion import Unit
from emcoop.baselines.folder import RUNNING, TRACES, sync_and_move
from emcoop.baselines.results import Result
from emcoop.errors import EmCoopError
from emcoop.version import __version__

MOST_TRACE_BYTES = 512 << 20
"""A larger trace is not sent: it would have to fit the memory of this process, once per worker."""
MAX_TASKS = 500
"""Units after which a worker is replaced by a fresh process."""
GRACE = 2.0
"""Seconds in which running units that are abandoned may remove their files."""


class Reply(NamedTuple):
    """What a worker sends back: the result, and the bytes of its trace (empty for none)."""

    result: Result
    trace: bytes


class RayBackend:
    """Runs units in workers of Ray, one at a time each.

    Args:
        connection: The Ray to use.
        folder: The sweep's folder, on this machine.
    """

    name = "ray"

    def __init__(self, connection: Connection, folder: Path) -> None:
        self.slots = connection.slots
        self._ray = connection.ray
        self._scratch = connection.scratch
        self._folder = folder

    def run(self, units: Iterable[Unit], work: Work) -> Generator[Outcome, None, None]:
        """Yield one outcome per unit as each ends; closing the generator abandons what runs.

        Args:
            units: The units.
            work: `emcoop.baselines.sweep.run_unit` with all settings, or what takes a `folder` as it does.

        Raises:
            EmCoopError: Workers die one after the other without finishing anything.
        """
        # Never a second try on Ray's own account: whoever takes the outcomes decides.
        play = self._ray.remote(num_cpus=1, max_retries=0, max_calls=MAX_TASKS)(_play)
        queue = iter(units)
        running: dict[Any, tuple[Unit, float]] = {}
        deaths = 0
        try:
            while True:
                while len(running) < self.slots and (unit := next(queue, None)) is not None:
                    running[play.remote(work, unit, __version__, self._scratch)] = unit, time.monotonic()
                if not running:
                    return
                ended, _ = self._ray.wait(list(running))
                outcome, alive = self._collect(ended[0], *running.pop(ended[0]))
                deaths = 0 if alive else deaths + 1
                yield outcome
                if deaths > 3 * self.slots:
                    raise EmCoopError(
                        f"{deaths} Ray workers failed one after the other ({outcome.result.error}): check the "
                        "machines' memory and their installation of emcoop"
                    )
        finally:
            self._abandon(list(running))

    def _collect(self, ended: Any, unit: Unit, since: float) -> tuple[Outcome, bool]:
        """Take a worker's reply, or its death; return the outcome and whether the worker answered."""
        try:
            reply = self._ray.get(ended)
        except self._ray.exceptions.RayError as error:
            result = Result(status="infra_error", error=_reason(error), seconds=time.monotonic() - since)
            return Outcome(unit, result), False
        return Outcome(unit, *guarded(partial(_keep, self._folder, reply), unit)), True

    def _abandon(self, running: list[Any]) -> None:
        if not running:
            return
        with suppress(Exception):  # Ray may be gone, which is then why
            for one in running:
                self._ray.cancel(one)
            _, left = self._ray.wait(running, num_returns=len(running), timeout=GRACE)
            for one in left:
                self._ray.cancel(one, force=True)


@contextmanager
def ray_backend(folder: Path, jobs: int | None = None, address: str | None = None) -> Iterator[RayBackend]:
    """Connect to Ray and yield a backend on it; see `emcoop.baselines.backends.ray_connection.connected`.

    Args:
        folder: The sweep's folder, on this machine.
        jobs: Episodes at once; None = one per CPU there is.
        address: Address of a cluster; None = start Ray on this machine, and end it afterwards.

    Raises:
        ConfigError: Ray is not installed, or the address is none.
        EmCoopError: Ray does not start or answer, or its workers have another version of this package.
    """
    with connected(address, jobs) as connection:
        yield RayBackend(connection, folder)


def _play(work: Work, unit: Unit, version: str, scratch: str | None) -> Reply:
    """Run one unit where nothing is kept; called in the worker.

    Args:
        work: Runs it; its folder is one of the machine that sent it, and is not touched.
        unit: The unit.
        version: Version of this package at the sender.
        scratch: Where to put unfinished files, None = the machine's own place for such.
    """
    if version != __version__:  # a machine that came later than the check at the start
        return _spoilt(other_version(platform.node(), __version__, version))
    anywhere: Callable[..., Result] = work
    with tempfile.TemporaryDirectory(prefix="emcoop-", dir=scratch) as folder:
        (Path(folder) / TRACES).mkdir()
        # A full disk here is not the end: other machines have others.
        result, _ = guarded(partial(anywhere, folder=folder), unit)
        if not result.trace:
            return Reply(result, b"")
        trace = Path(folder) / result.trace
        if (size := trace.stat().st_size) > MOST_TRACE_BYTES:
            return _spoilt(
                f"the trace has {size} bytes, and at most {MOST_TRACE_BYTES} are fetched from a Ray worker: "
                "run this suite with --backend local"
            )
        return Reply(result, trace.read_bytes())


def _spoilt(error: str) -> Reply:
    return Reply(Result(status="infra_error", error=error), b"")


def _keep(folder: Path, reply: Reply, unit: Unit) -> Result:
    """Put a trace that came back in its place, as durable as one that was written here."""
    if reply.result.trace:
        traces = folder / TRACES
        with tempfile.TemporaryDirectory(prefix=RUNNING, dir=traces) as scratch:
            part = Path(scratch) / f"{unit.id}.jsonl.gz"
            part.write_bytes(reply.trace)
            sync_and_move(part, traces / part.name)
    return reply.result


def _reason(error: Exception) -> str:
    """Return in one line why Ray has no result."""
    cause = getattr(error, "cause", None)
    text = f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0]
