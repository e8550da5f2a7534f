"""`emcoop sweep` and `emcoop report`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from emcoop.cli.model_options import with_models
from emcoop.cli.settings import read_planners
from emcoop.errors import ConfigError

if TYPE_CHECKING:
    from emcoop.baselines.backends import Backend
    from emcoop.baselines.expansion import Unit
    from emcoop.baselines.schema import Suite
    from emcoop.baselines.sweep import SweepEnd


class BackendName(str, Enum):
    """Where units run."""

    local = "local"
    ray = "ray"


class Place(NamedTuple):
    """Where units run, as asked for: `jobs` and `address` None = not said."""

    backend: BackendName
    jobs: int | None
    address: str | None


@with_models
def sweep(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite (`emcoop list`), or a .yaml file.")],
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="Episodes at once; default one per CPU, more with language models."),
    ] = None,
    backend: Annotated[BackendName, typer.Option("--backend", help="Where episodes run.")] = BackendName.local,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            help="Ray cluster for --backend ray; default: one started on this machine.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of results; default runs/SUITE.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and run nothing.")] = False,
    planner: Annotated[
        list[str] | None,
        typer.Option(
            "--planner",
            metavar="NAME[:OPTIONS]",
            help="Run this planner instead of the suite's, such as llm:openai/gpt-4o-mini,prompts=short; repeat it for "
            "several, each in episodes of its own.",
        ),
    ] = None,
    models: dict[str, Any] | None = None,
) -> None:
    """Run a suite of episodes and report on it; the same command again resumes it."""
    from emcoop.baselines.expansion import expand
    from emcoop.baselines.preflight import check_conditions, check_names, check_teams
    from emcoop.baselines.suite import load_suite, with_planners

    chosen = load_suite(suite)
    if planner:
        chosen = with_planners(chosen, read_planners(planner))
    check_names(chosen)
    check_conditions(chosen)
    units = expand(chosen)
    asks_models = check_teams(units)
    place = Place(backend, jobs, address)
    _check_place(place, asks_models)
    folder = out or Path("runs") / chosen.name
    if dry_run:
        _print_estimate(chosen, units, folder, models or {})
    else:
        _run(chosen, folder, place, models or {} if asks_models else None)


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep, finished or not.")],
) -> None:
    """Make tables, figures and report.html of a sweep."""
    from emcoop.baselines.summary import write_report

    with _progress_of_report():
        page = write_report(folder)
    print(page)


@contextmanager
def _progress_of_report() -> Iterator[None]:
    """Show on stderr what a report is working on, on one line, if that is a terminal."""
    log = logging.getLogger("emcoop.report")
    if not sys.stderr.isatty():
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("\r\x1b[2Kreport: %(message)s"))
    handler.terminator = ""
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def _check_place(place: Place, asks_models: bool) -> None:
    if place.address is not None and place.backend is not BackendName.ray:
        raise ConfigError("--address is of a Ray cluster: add --backend ray")
    if asks_models and place.backend is BackendName.ray:
        raise ConfigError(
            "planners that call language models do not run with --backend ray, where limits of calls and money could "
            "not be kept: leave it out, and many of their episodes run at once in this process (--jobs)"
        )


def _run(suite: Suite, folder: Path, place: Place, models: dict[str, Any] | None) -> None:
    """Run a sweep; `models` are settings for planners that call models, None if there are no such planners."""
    from rich.console import Console

    from emcoop.baselines.interrupts import stoppable
    from emcoop.baselines.matching import MATCHED_TABLE
    from emcoop.baselines.summary import summary_table, write_report

    console = Console()
    try:
        with stoppable():
            if models is None:
                end = _sweep_in_processes(console, suite, folder, place)
            else:
                end = _sweep_with_models(console, suite, folder, place.jobs, models)
            with _progress_of_report():
                page = write_report(folder)
    except KeyboardInterrupt:
        print(f"stopped; finished episodes are in {folder}: run the same command again to go on", file=sys.stderr)
        raise typer.Exit(130) from None
    console.print(summary_table(end.rows))
    print(f"results: {folder / 'results.csv'}\nmatched: {folder / MATCHED_TABLE}\nreport:  {page}")
    _say_what_is_missing(end)


def _sweep_in_processes(console: Any, suite: Suite, folder: Path, place: Place) -> SweepEnd:
    from emcoop.baselines.progress import watch_on
    from emcoop.baselines.sweep import run_sweep

    with _workers(folder, place) as backend:
        return run_sweep(suite, folder, backend, watch=partial(watch_on, console))


def _workers(folder: Path, place: Place) -> AbstractContextManager[Backend]:
    from emcoop.baselines.backends.local import LocalBackend
    from emcoop.baselines.backends.ray_cluster import ray_backend

    if place.backend is BackendName.ray:
        return ray_backend(folder, place.jobs, place.address)
    return nullcontext(LocalBackend(place.jobs or os.cpu_count() or 1))


def _sweep_with_models(console: Any, suite: Suite, folder: Path, jobs: int | None, models: dict[str, Any]) -> SweepEnd:
    from emcoop.baselines.launch import run_with_models
    from emcoop.baselines.progress import tokens_and_money, watch_on

    return run_with_models(
        suite,
        folder,
        jobs,
        models,
        lambda access: partial(watch_on, console, spent=lambda: tokens_and_money(access.meter)),
    )


def _say_what_is_missing(end: SweepEnd) -> None:
    """Say on stderr what could not be run, and leave with exit code 1."""
    if end.stopped:
        print(
            f"emcoop: the sweep stopped with {len(end.unfinished)} episodes left: {end.stopped}; finished episodes are "
            "safe, run the same command again once this is solved",
            file=sys.stderr,
        )
        raise typer.Exit(1)
    if end.unfinished:
        unit, error = next(iter(end.unfinished.items()))
        print(
            f"emcoop: {len(end.unfinished)} episodes could not be run, for example {unit}: {error}; "
            "run the same command again to try them once more",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _beyond(usd: float, most: float | None) -> str:
    return f", more than --max-usd {most:g}: it may stop before the end" if most is not None and usd > most else ""


def _print_estimate(suite: Suite, units: list[Unit], folder: Path, models: dict[str, Any]) -> None:
    from emcoop.baselines.estimate import HOW, estimate
    from emcoop.baselines.suite import suite_hash
    from emcoop.cognitive_layer.models.prices import load_prices

    cost = estimate(units, load_prices(models.get("prices", {})))
    tokens = "unknown" if cost.tokens is None else str(cost.tokens)
    missing = f"unknown: no price of {', '.join(cost.unpriced)}, give --prices" if cost.unpriced else "unknown"
    lines = {
        "suite": f"{suite.name} (sha256 {suite_hash(suite)})",
        "folder": folder,
        "cells": cost.cells,
        "episodes": cost.episodes,
        "decisions": f"at most about {cost.decisions}",
        "tokens": f"at most about {tokens} ({HOW})" if cost.tokens else tokens,
        "money": missing if cost.usd is None else f"{cost.usd:.2f} USD{_beyond(cost.usd, models.get('max_usd'))}",
    }
    for name, value in lines.items():
        print(f"{name + ':':<11}{value}")
