"""The baseline sweep: every unit of a suite once, in parallel, resumable, with one row and one trace each.

Started as `emcoop sweep SUITE`, or from a checkout as `python baselines/sweep.py SUITE`.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from emcoop.baselines.backends import Backend, Outcome
from emcoop.baselines.expansion import Unit, expand
from emcoop.baselines.folder import (
    GONE,
    RUNNING,
    TRACES,
    claim,
    damage,
    disk_errors,
    locked,
    mend,
    remove_leftovers,
    sync_and_move,
    write_provenance,
)
from emcoop.baselines.interrupts import stoppable
from emcoop.baselines.matching import MATCHED_COLUMNS, MATCHED_TABLE, matched_table
from emcoop.baselines.preflight import EpisodeRunner, warm_up
from emcoop.baselines.progress import Note, Watch, silent
from emcoop.baselines.results import DATABASE, SCORED, TABLE, Result, Store, csv_text, write_atomically
from emcoop.baselines.schema import Suite
from emcoop.baselines.suite import suite_hash
from emcoop.errors import ConfigError, EmCoopError

if TYPE_CHECKING:
    from emcoop.cognitive_layer.models.access import ModelAccess
    from emcoop.cognitive_layer.models.chat import SeatModels

PASSES = 3
PACKAGES = ("emcoop", "numpy", "numba", "gymnasium", "pettingzoo", "msgspec", "networkx", "pandas", "scipy")


@dataclass(frozen=True)
class SweepEnd:
    """How a sweep ended.

    Attributes:
        folder: Where everything is.
        rows: The results table, sorted by unit.
        unfinished: Units that have no scored attempt, with the error of the last one.
        stopped: Why it stopped early, empty if it did not.
    """

    folder: Path
    rows: list[dict[str, Any]]
    unfinished: dict[str, str]
    stopped: str = ""


class Models(Protocol):
    """Whatever gives seats their line to language models: a `ModelAccess`, or the replies of a trace."""

    def line(self, *, seed: int, agent: int) -> SeatModels:
        """Return the line of one seat."""


def run_episode_of(unit: Unit, trace: Path | None, models: Models | None = None) -> Result:
    """Run one unit with `emcoop.run_episode`; its trace goes to `trace`, nowhere if that is None."""
    import emcoop

    episode = emcoop.run_episode(
        unit.env,
        n_agents=unit.n_agents,
        planner=unit.planner_spec,
        topology=unit.topology_spec,
        seed=unit.seed,
        env_kwargs=unit.env_kwargs or None,
        max_steps=unit.max_steps,
        budgets=unit.budgets or None,
        models=models,
        regime=unit.regime,
        trace=trace,
        suite=unit.suite,
        suite_hash=unit.suite_hash,
        **unit.settings,
    )
    return Result(
        status=episode.status,
        error=episode.error or "",
        digest=episode.digest or "",
        metrics={name: float(value) for name, value in episode.metrics.items()},
        hopeless=episode.hopeless,
    )


def run_episode_with(models: ModelAccess, unit: Unit, trace: Path) -> Result:
    """Run one unit whose planners may call models.

    A setting that does not fit, such as a provider whose package is not installed, is as hopeless as a refused key.
    """
    try:
        return run_episode_of(unit, trace, models)
    except ConfigError as error:
        return Result(status="infra_error", error=str(error), hopeless=True)


def run_unit(unit: Unit, *, runner: EpisodeRunner, folder: str, session: str) -> Result:
    """Run one unit where nobody else writes, then put its trace in place; called in the worker.

    Args:
        unit: The unit.
        runner: Runs its episode.
        folder: The sweep's folder.
        session: Word that no other session uses, so that a worker orphaned by a kill never meets its successor.
    """
    started = time.monotonic()
    traces = Path(folder) / TRACES
    scratch = traces / f"{RUNNING}{session}-{os.getpid()}-{threading.get_ident()}"
    try:
        scratch.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise OSError(GONE, "the folder of the sweep was moved or removed", folder) from error
    try:
        result = runner(unit, scratch / f"{unit.id}.jsonl.gz")
        kept = [path for path in sorted(scratch.iterdir()) if path.suffix != ".part"]
        for path in kept:
            sync_and_move(path, traces / path.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    name = f"{unit.id}.jsonl.gz"
    trace = f"{TRACES}/{name}" if name in [path.name for path in kept] else ""
    return msgspec.structs.replace(result, trace=trace, seconds=time.monotonic() - started)


def run_sweep(
    suite: Suite,
    folder: Path,
    backend: Backend,
    *,
    runner: EpisodeRunner = run_episode_of,
    watch: Watch = silent,
    models: ModelAccess | None = None,
) -> SweepEnd:
    """Run what is missing of a suite in `folder` and export its tables; call it again to resume.

    Args:
        suite: The suite.
        folder: Folder of results; empty, new, or begun with the same suite.
        backend: Where the units run.
        runner: Runs one episode.
        watch: Shows the progress.
        models: What the episodes reach models through; what that took is noted.

    Finished episodes whose trace is gone or damaged are run again; the display calls these spoilt.

    Raises:
        ConfigError: The folder belongs to another suite or is damaged, or another sweep is running in it.
        EmCoopError: The disk refuses, or workers cannot run; finished episodes are safe.
        KeyboardInterrupt: Ctrl-C, or the system asked this process to end (SIGTERM, SIGHUP); finished episodes are
            safe.
    """
    units = expand(suite)
    with stoppable(), locked(folder):
        claim(folder, suite)
        with closing(Store(folder / DATABASE, suite_hash(suite))) as store:
            mend(folder, suite)
            with _noted(store, backend, models), _tidied(folder):
                stopped = _run_missing(units, store, backend, runner, folder, watch)
            return _export(folder, units, store, stopped)


def has_begun(folder: Path) -> bool:
    """Say whether a sweep has been running in a folder."""
    return (folder / DATABASE).is_file()


def about_this_machine(backend: Backend) -> dict[str, Any]:
    """Return what results must not depend on: Python, platform, versions, backend."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "versions": versions,
        "backend": backend.name,
        "slots": backend.slots,
    }


def about_models(models: ModelAccess) -> dict[str, Any]:
    """Return what models took in this session, and how they were reached: no keys, no addresses."""
    taken = msgspec.to_builtins(models.meter)
    return {
        **taken,
        "cassette_mode": models.settings.mode,
        "cassette_hits": taken["cached"],
        "cassette_misses": taken["calls"] - taken["cached"] if models.settings.mode != "off" else 0,
        "trial": models.settings.trial,
    }


@contextmanager
def _noted(store: Store, backend: Backend, models: ModelAccess | None) -> Iterator[None]:
    """Note in the database where and for how long this session ran, also when it fails or is stopped."""
    started = time.monotonic()
    try:
        yield
    finally:
        with suppress(EmCoopError):  # on a full disk the reason for stopping matters more than this note
            about = about_this_machine(backend) | ({} if models is None else {"models": about_models(models)})
            store.add_session(about, time.monotonic() - started)


@contextmanager
def _tidied(folder: Path) -> Iterator[None]:
    """Remove half-written traces: those of a session that was killed, and in the end those of this one."""
    remove_leftovers(folder)
    try:
        yield
    finally:
        remove_leftovers(folder)


def _run_missing(
    units: list[Unit], store: Store, backend: Backend, runner: EpisodeRunner, folder: Path, watch: Watch
) -> str:
    """Run every unit without a scored attempt; go over the spoilt ones again while that helps.

    Returns:
        Why it stopped early, empty if it did not.
    """
    damaged = _set_damaged_aside(units, store, folder)
    pending = _without_result(units, store)
    work = partial(run_unit, runner=runner, folder=str(folder), session=uuid.uuid4().hex[:12])
    with watch(units, store.finished()) as note:
        for unit, reason in damaged:
            note(unit, Result(status="infra_error", error=reason))
        warm_up(pending, runner)
        for _ in range(PASSES):
            reasons: list[str] = []
            settled = 0
            with closing(backend.run(_until(reasons, pending), work)) as outcomes:
                for outcome in outcomes:
                    settled += _take(outcome, store, note)
                    if outcome.result.hopeless:
                        reasons.append(outcome.result.error)
            pending = _without_result(units, store)
            if reasons or not pending or not settled:
                return "".join(reasons[:1])
    return ""


def _set_damaged_aside(units: list[Unit], store: Store, folder: Path) -> list[tuple[Unit, str]]:
    """Let finished units count as unfinished that lack their evidence; return them, each with what is wrong."""
    finished = store.finished()
    found = [(unit, damage(folder, finished[unit.id])) for unit in units if unit.id in finished]
    damaged = [(unit, f"run again: {reason}") for unit, reason in found if reason]
    for unit, reason in damaged:
        store.set_aside(unit, reason)
    return damaged


def _until(reasons: Sequence[str], units: Sequence[Unit]) -> Iterator[Unit]:
    """Yield units until there is a reason to stop; those that run by then run to their end."""
    for unit in units:
        if reasons:
            return
        yield unit


def _without_result(units: list[Unit], store: Store) -> list[Unit]:
    finished = store.finished()
    return [unit for unit in units if unit.id not in finished]


def _take(outcome: Outcome, store: Store, note: Note) -> bool:
    """Write one outcome down and show it; return whether the unit is settled."""
    store.append(outcome.unit, outcome.result)
    note(outcome.unit, outcome.result)
    if outcome.fatal:
        raise EmCoopError(
            f"the sweep cannot go on: {outcome.fatal}; finished episodes are safe, run the same command again "
            "once this is solved"
        )
    return outcome.result.status in SCORED


def _export(folder: Path, units: list[Unit], store: Store, stopped: str) -> SweepEnd:
    rows = store.rows()
    with disk_errors(folder):
        write_atomically(folder / TABLE, csv_text(rows))
        write_atomically(folder / MATCHED_TABLE, csv_text(matched_table(units, rows), MATCHED_COLUMNS))
    write_provenance(folder, store.provenance())
    settled = {row["unit"]: row for row in rows}
    unfinished = {
        unit.id: settled[unit.id]["error"] if unit.id in settled else "not run yet"
        for unit in units
        if settled.get(unit.id, {}).get("status") not in SCORED
    }
    return SweepEnd(folder, rows, unfinished, stopped)


if __name__ == "__main__":
    from emcoop.cli import main

    sys.exit(main(["sweep", *sys.argv[1:]]))
