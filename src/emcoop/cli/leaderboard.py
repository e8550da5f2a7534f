"""`emcoop leaderboard`: the ranking table as a static site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emcoop.errors import ConfigError

leaderboard = typer.Typer(no_args_is_help=True, help="The ranking table and its site.")

SUBMISSIONS = Path("leaderboards") / "submissions"
REFERENCE = Path("leaderboards") / "reference"


@leaderboard.callback()
def group() -> None:
    """Keep `build` a command of its own, however many there are."""


@leaderboard.command()
def build(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the site; one built before is replaced.")
    ] = Path("leaderboard"),
    submissions: Annotated[
        Path, typer.Option("--submissions", metavar="D", help="Folder with one folder per submission.")
    ] = SUBMISSIONS,
    reference: Annotated[
        Path, typer.Option("--reference", metavar="D", help="Folder with the project's own rows.")
    ] = REFERENCE,
    viewers: Annotated[bool, typer.Option("--viewers/--no-viewers", help="Make viewers of episodes.")] = True,
) -> None:
    """Rank the verified submissions and write a static site; it needs no server and no network."""
    from emcoop.leaderboards.board import make_board
    from emcoop.leaderboards.site import build_site
    from emcoop.viewer import write_page

    if not submissions.is_dir() and not reference.is_dir():
        raise ConfigError(
            f"neither {submissions} nor {reference} is a folder: run it in a clone of the repository, "
            "or give --submissions"
        )
    board = make_board(_folders(submissions, SUBMISSIONS), _folders(reference, REFERENCE))
    failed = build_site(board, output, write_page if viewers else None)
    for name, reason in board.unreadable.items():
        typer.echo(f"left out: {name}: {reason}", err=True)
    for name, reason in failed.items():
        typer.echo(f"no viewer: {name}: {reason}", err=True)
    print(output / "index.html")


def _folders(parent: Path, default: Path) -> list[Path]:
    """Return the folders in a folder by name; a default one that does not exist yet holds none."""
    if parent == default and not parent.exists():
        return []
    if not parent.is_dir():
        raise ConfigError(f"{parent} is no folder: give the one that holds the folders of submissions")
    return sorted(path for path in parent.iterdir() if not path.name.startswith(".") and path.is_dir())
