"""`emcoop submit`."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emcoop.cli.model_options import with_models

if TYPE_CHECKING:
    from emcoop.leaderboards.verify import Tell, Verdict

submit = typer.Typer(no_args_is_help=True, help="Make and check submissions to the leaderboard.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the submission.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default one per CPU.")]


@submit.command()
def prepare(
    sweep: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished sweep of a frozen suite.")],
    meta: Annotated[Path, typer.Option("--meta", metavar="F", help="Who and what: name, slug, authors, track, ...")],
    out: Annotated[Path, typer.Option("--out", metavar="D", help="Folder that gets the submission.")],
    planner: Annotated[
        str | None, typer.Option("--planner", metavar="LABEL", help="Which one, if the sweep ran several.")
    ] = None,
    date: Annotated[
        datetime.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Date on the board; default today.")
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Joint actions in place of traces; only for teams without models.")
    ] = False,
) -> None:
    """Make a submission out of a sweep."""
    from emcoop.leaderboards.metadata import read_meta
    from emcoop.leaderboards.prepare import prepare as make

    day = (date or datetime.datetime.now()).date()
    print(make(sweep, read_meta(meta), out, planner=planner, date=day, compact=compact))


@submit.command()
@with_models
def verify(
    folder: Folder,
    level: Annotated[
        int, typer.Option("--level", min=0, max=3, help="How far to check; 3 runs fresh seeds, and calls models.")
    ] = 2,
    jobs: Jobs = None,
    seeds: Annotated[int, typer.Option("--fresh-seeds", min=2, help="Fresh seeds per cell, for level 3.")] = 5,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="D", help="Keep the fresh episodes of level 3 there.")
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="It is one of the project's own rows, such as the oracle.")
    ] = False,
    note: Annotated[bool, typer.Option("--record/--no-record", help="Write verification.json into it.")] = True,
    models: dict[str, Any] | None = None,
) -> None:
    """Check a submission; exit code 1 with reasons if anything is wrong."""
    from emcoop.leaderboards.problems import Level
    from emcoop.leaderboards.verify import record
    from emcoop.leaderboards.verify import verify as check

    with _progress("verifying") as tell:
        verdict = check(folder, min(level, Level.L2), jobs, tell, reference)
    if level == Level.L3 and verdict.passed:
        verdict = _verify_fresh(folder, verdict, seeds, jobs, out, models or {})
    _print(verdict)
    if note and folder.is_dir():
        record(folder, verdict)
    if not verdict.passed:
        raise typer.Exit(1)


def _verify_fresh(
    folder: Path, below: Verdict, count: int, jobs: int | None, out: Path | None, models: dict[str, Any]
) -> Verdict:
    """Run fresh seeds and return the verdict with what they gave."""
    from emcoop.baselines.launch import run_here
    from emcoop.leaderboards.fresh import check_fresh, draw_seeds
    from emcoop.leaderboards.verify import read_submission

    submission, _ = read_submission(folder, is_own=True)
    seeds = draw_seeds(count, [unit.seed for unit in submission.units])
    with tempfile.TemporaryDirectory() as scratch:
        place = out or Path(scratch) / "fresh"
        verdict = check_fresh(submission, below, seeds, lambda suite, to: run_here(suite, to, jobs, models), place)
    print("fresh seeds: claimed - fresh = {claimed_minus_fresh:+.3f} [{low:+.3f}, {high:+.3f}]".format(**verdict.fresh))
    return verdict


def _print(verdict: Verdict) -> None:
    for problem in verdict.problems:
        print(f"refused: {problem}")
    if verdict.problem_count > len(verdict.problems):
        print(f"refused: {verdict.problem_count - len(verdict.problems)} more")
    if verdict.passed:
        print(
            f"passed: level {verdict.level}, {verdict.episodes} episodes of {verdict.suite}, planner {verdict.planner}"
        )


@contextmanager
def _progress(what: str) -> Iterator[Tell]:
    """Show how many episodes are done; nothing where there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*bars, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, all_: progress.update(task, completed=done, total=all_)
