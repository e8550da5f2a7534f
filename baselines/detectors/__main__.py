"""`python -m emcoop.baselines.detectors`: run the detector evaluation, print it, and write its page."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from emcoop.baselines.detectors.episodes import evaluate, jobs, total
from emcoop.baselines.detectors.page import page

SEEDS = 20


def main() -> None:
    """Run everything; `--out FILE` writes the page, else it is printed."""
    parser = argparse.ArgumentParser(prog="python -m emcoop.baselines.detectors", description=__doc__)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds per world and topology")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    given = parser.parse_args()
    console, begun = Console(stderr=True), time.monotonic()
    work = jobs(given.seeds)
    counts = total(track(evaluate(work, given.jobs), "episodes", len(work), console=console))
    text = page(counts, given.seeds)
    if given.out is None:
        print(text, end="")
    else:
        given.out.write_text(text, encoding="utf-8")
    console.print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
