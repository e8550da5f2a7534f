"""`emcoop sweep` and `emcoop report`."""

from __future__ import annotations

import os
import sys
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emcoop.baselines.schema import Suite


class BackendName(str, Enum):
    """Where units run."""

    local = "local"


def sweep(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite (`emcoop list`), or a .yaml file.")],
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default one per CPU.")] = None,
    backend: Annotated[BackendName, typer.Option("--backend", help="Where episodes run.")] = BackendName.local,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of results; default runs/SUITE.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and run nothing.")] = False,
    planner: Annotated[
        list[str] | None, typer.Option("--planner", help="Run this planner instead of the suite's; may be repeated.")
    ] = None,
) -> None:
    """Run a suite of episodes and report on it; the same command again resumes it."""
    from emcoop.baselines.preflight import check_names
    from emcoop.baselines.suite import load_suite, with_planners

    chosen = load_suite(suite)
    if planner:
        chosen = with_planners(chosen, planner)
    check_names(chosen)
    folder = out or Path("runs") / chosen.name
    if dry_run:
        _print_estimate(chosen, folder)
    else:
        _run(chosen, folder, jobs or os.cpu_count() or 1, backend)


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep, finished or not.")],
) -> None:
    """Make tables, figures and report.html of a sweep."""
    from emcoop.baselines.summary import write_report

    print(write_report(folder))


def _run(suite: Suite, folder: Path, jobs: int, backend: BackendName) -> None:
    from rich.console import Console

    from emcoop.baselines.backends.local import LocalBackend
    from emcoop.baselines.progress import watch_on
    from emcoop.baselines.summary import summary_table, write_report
    from emcoop.baselines.sweep import run_sweep

    backends = {BackendName.local: LocalBackend}
    console = Console()
    try:
        end = run_sweep(suite, folder, backends[backend](jobs), watch=partial(watch_on, console))
        page = write_report(folder)
    except KeyboardInterrupt:
        print(f"stopped; finished episodes are in {folder}: run the same command again to go on", file=sys.stderr)
        raise typer.Exit(130) from None
    console.print(summary_table(end.rows))
    print(f"results: {folder / 'results.csv'}\nreport:  {page}")
    if end.unfinished:
        unit, error = next(iter(end.unfinished.items()))
        print(
            f"emcoop: {len(end.unfinished)} episodes could not be run, for example {unit}: {error}; "
            "run the same command again to try them once more",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _print_estimate(suite: Suite, folder: Path) -> None:
    from emcoop.baselines.expansion import expand
    from emcoop.baselines.preflight import estimate
    from emcoop.baselines.suite import suite_hash

    cost = estimate(expand(suite))
    lines = {
        "suite": f"{suite.name} (sha256 {suite_hash(suite)})",
        "folder": folder,
        "cells": cost.cells,
        "episodes": cost.episodes,
        "decisions": f"at most about {cost.decisions}",
        "tokens": cost.tokens,
        "money": f"{cost.usd:.2f} USD",
    }
    for name, value in lines.items():
        print(f"{name + ':':<11}{value}")
