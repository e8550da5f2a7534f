"""The project's own rows, made by the route of every submission: `python -m emcoop.leaderboards.references`.

They are run, prepared and verified like anybody's; only `--reference` lets the oracle through. Run it again after a
change that alters traces or metrics: the rows are evidence of the code they stand beside.
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from emcoop.baselines.launch import run_here
from emcoop.baselines.progress import watch_on
from emcoop.baselines.recordings import shipped_cassette
from emcoop.baselines.schema import Suite, label_of
from emcoop.errors import EmCoopError
from emcoop.leaderboards.frozen import frozen_hashes, frozen_suite
from emcoop.leaderboards.metadata import Meta, Model
from emcoop.leaderboards.prepare import prepare
from emcoop.leaderboards.verify import record, verify

FOLDER = Path("leaderboards/reference")
DATE = datetime.date(2026, 11, 21)
"""Date of the rows, so that making them again gives the same folders."""
TRACED = {"core-v1": ("team", "oracle")}
"""Rows that hold traces, for pages to look at; the others hold joint actions, which is enough to run them again."""
PLUMBING = "plumbing-v1"
CASSETTE = "smollm2"
"""The calls of its model, which ship."""
ABOUT = {
    "random": ("Random", "A random valid call, again and again: the lower end of the scale."),
    "greedy": (
        "Greedy",
        "Everybody heads for the task nearest to its end, the published heuristic; no messages.",
    ),
    "silent:team": ("Team without a voice", "The scripted team that neither talks nor listens."),
    "team": ("Team", "Several tasks at once, agreed on only through messages the topology permits."),
    "oracle": ("Oracle", "One central schedule with full knowledge: the upper end of the scale, never ranked."),
}


def meta_for(suite: Suite, planner: Any) -> Meta:
    """Return what is said of one of the project's own rows."""
    label = label_of(planner)
    number = suite.name.partition("-")[0]
    if suite.name == PLUMBING:
        return Meta(
            name="SmolLM2-135M, a check of the plumbing",
            slug=f"smollm2-{number}",
            authors=["EmCoop"],
            description="A very small model on a laptop, to show that a language model's submission goes all the way. "
            "It says nothing about cooperation.",
            track="open",
            models=[Model(name="SmolLM2-135M-Instruct", provider="local")],
            kind="plumbing",
        )
    name, description = ABOUT[label]
    slug = label.replace(":", "-")
    return Meta(
        name=name,
        slug=f"{slug}-{number}",
        authors=["EmCoop"],
        description=description,
        track="open",
        kind="reference",
    )


def make_rows(suite: Suite, runs: Path, out: Path, jobs: int | None, console: Console) -> list[Path]:
    """Run a frozen suite with its own planners and make a verified submission of each.

    Args:
        suite: The suite.
        runs: Folder for the sweep; the same one again resumes it.
        out: Folder that gets the submissions; those of the same name are replaced.
        jobs: Processes.
        console: Shows the progress.

    Raises:
        EmCoopError: Episodes could not be run, or a row does not pass.
    """
    is_plumbing = suite.name == PLUMBING
    models = {"cassette": str(shipped_cassette(CASSETTE)), "mode": "replay"} if is_plumbing else None
    end = run_here(suite, runs / suite.name, jobs, models, partial(watch_on, console))
    if end.unfinished:
        raise EmCoopError(f"{len(end.unfinished)} episodes of {suite.name} could not be run: {end.stopped}")
    made = []
    for planner in suite.planners:
        meta, label = meta_for(suite, planner), label_of(planner)
        shutil.rmtree(out / f"{DATE.isoformat()}_{meta.slug}", ignore_errors=True)
        compact = not is_plumbing and label not in TRACED.get(suite.name, ())
        folder = prepare(runs / suite.name, meta, out, planner=label, date=DATE, compact=compact)
        verdict = verify(folder, jobs=jobs, is_own=True)
        if not verdict.passed:
            raise EmCoopError(f"{folder} does not pass: {verdict.problems[0]}")
        record(folder, verdict)
        console.print(f"{folder}: level {verdict.level}, {verdict.episodes} episodes")
        made.append(folder)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Make the rows of all frozen suites, or of those named."""
    parser = argparse.ArgumentParser(prog="python -m emcoop.leaderboards.references", description=main.__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="frozen suites; default all")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the rows")
    parser.add_argument("--runs", type=Path, default=Path("runs/references"), help="folder of the sweeps")
    parser.add_argument("--jobs", type=int, default=None, help="processes")
    given = parser.parse_args(argv)
    console = Console()
    try:
        for name in given.suites or frozen_hashes():
            make_rows(frozen_suite(name), given.runs, given.out, given.jobs, console)
    except EmCoopError as error:
        print(f"emcoop: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
