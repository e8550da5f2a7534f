"""`emcoop suite`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from emcoop.leaderboards.calibrate import Cell

suite = typer.Typer(no_args_is_help=True, help="Prepare suites for the leaderboard.")


@suite.callback()
def options() -> None:
    """Prepare suites for the leaderboard."""


@suite.command()
def calibrate(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite (`emcoop list`), or a .yaml file.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the reference episodes; default runs/SUITE-calibration.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default one per CPU.")] = None,
) -> None:
    """Play the references in every cell and say which may be ranked; exit code 1 if one may not."""
    import msgspec
    import yaml
    from rich.console import Console

    from emcoop.baselines.launch import run_here
    from emcoop.baselines.progress import watch_on
    from emcoop.baselines.suite import load_suite
    from emcoop.leaderboards.calibrate import calibrate as judge_all
    from emcoop.leaderboards.calibrate import references_of

    console = Console()
    chosen = load_suite(name)
    folder = out or Path("runs") / f"{chosen.name}-calibration"
    watch = partial(watch_on, console)
    cells = judge_all(chosen, folder, lambda part, place: run_here(part, place, jobs, watch=watch))
    for cell in cells:
        print("\n".join(_lines(cell)))
    references = {"references": msgspec.to_builtins(references_of(cells))}
    print(yaml.safe_dump(references, sort_keys=False, width=110, default_flow_style=None), end="")
    if any(cell.reasons for cell in cells):
        raise typer.Exit(1)


def _lines(cell: Cell) -> list[str]:
    """Return what is to be said of a cell: its name and verdict, then what the references did."""
    env, variant, n, condition = cell.world
    where = " ".join(part for part in (env, variant, f"n={n}", *cell.talk, condition) if part)
    verdict = "may not be ranked: " + "; ".join(cell.reasons) if cell.reasons else "may be ranked"
    scores = "  ".join(f"{name} {_text(estimate)}" for name, estimate in cell.scores.items())
    return [f"{where}: {verdict}", f"    {scores}", f"    cooperation is worth {_text(cell.cooperation)}"]


def _text(estimate: Any) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
