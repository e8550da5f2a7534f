"""`emcoop bench`: how fast it is, as ratios taken in one run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from emcoop.errors import ConfigError


def bench(
    out: Annotated[Path | None, typer.Option("--out", help="Write everything here as JSON.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two short rounds: to see that it runs, not to quote.")
    ] = False,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Samples per case; default 7.")] = None,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="Another package to run in the same rounds, if installed: crafter; repeatable."),
    ] = None,
) -> None:
    """Measure speed against the targets and print them; some minutes, on an otherwise idle machine if possible."""
    if out is not None and out.is_dir():
        raise ConfigError(f"--out {out} is a folder: give the name of a JSON file")
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from emcoop.baselines.bench import BenchSettings, run_bench
    from emcoop.baselines.bench.bench import QUICK
    from emcoop.baselines.bench.peers import check_peers
    from emcoop.baselines.bench.table import figures_table, targets_tables

    settings = replace(QUICK if quick else BenchSettings(), against=check_peers(against or ()))
    if rounds is not None:
        settings = replace(settings, rounds=rounds)
    console = Console()
    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[case]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None, case="preparing")
        result = run_bench(
            settings, lambda done, total, case: progress.update(task, completed=done, total=total, case=case)
        )
    if out is not None:
        result.write(out)
    console.print(figures_table(result))
    for table in targets_tables(result):
        console.print(table)
    for peer, reason in result.peers.items():
        if reason is not None:
            console.print(f"{peer}: not measured: {reason}", soft_wrap=True, markup=False)
    if out is not None:
        console.print(f"written: {out}", soft_wrap=True, markup=False)
