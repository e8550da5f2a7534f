"""`emcoop view`: an episode as one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def view(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace written by run or sweep, finished or not.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="F.html", help="Where it goes; default TRACE's name here.")
    ] = None,
) -> None:
    """Make a one-file HTML viewer of a recorded episode; it opens in any browser, without server or network."""
    from emcoop.viewer import write_page

    with _progress() as watch:
        path = write_page(trace, output or Path(f"{_stem(trace)}.html"), watch)
    print(path)


def _stem(trace: Path) -> str:
    name = trace.name
    for ending in (".part", ".gz", ".jsonl"):
        name = name.removesuffix(ending)
    return name or "episode"


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """Show how far it is, on a terminal only and where it takes a while."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("steps", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
