"""The command `emcoop`. One module per group of commands; each is a plain function added to the table below.

Modules that take long to import are imported inside the functions that need them: `emcoop list` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from emcoop.cli.bench import bench
from emcoop.cli.calibration import suite
from emcoop.cli.catalogue import list_all
from emcoop.cli.episode import replay, run
from emcoop.cli.leaderboard import leaderboard
from emcoop.cli.play import play
from emcoop.cli.serve import serve
from emcoop.cli.submissions import submit
from emcoop.cli.suites import report, sweep
from emcoop.cli.view import view
from emcoop.errors import EmCoopError
from emcoop.version import __version__

COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_all,
    "run": run,
    "sweep": sweep,
    "report": report,
    "replay": replay,
    "view": view,
    "play": play,
    "serve": serve,
    "bench": bench,
}

GROUPS: dict[str, typer.Typer] = {"suite": suite, "submit": submit, "leaderboard": leaderboard}
"""Commands with commands of their own."""

app = typer.Typer(
    name="emcoop",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: Arguments without the program's name; default those of this process.

    Returns:
        0 on success, 1 if what was asked came out negative, 2 for bad input, 130 after Ctrl-C.
    """
    try:
        app(args=None if argv is None else list(argv), prog_name="emcoop")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except EmCoopError as error:
        return _refuse(str(error))
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        return _refuse(f"cannot use{place or ' a file'}: {error.strerror or error}; check the path and its permissions")
    return 0


def _refuse(sentence: str) -> int:
    print(f"emcoop: {' '.join(sentence.split())}", file=sys.stderr)
    return 2


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


_Version = Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")]


@app.callback()
def options(version: _Version = False) -> None:
    """EmCoop: how do teams of embodied agents cooperate, and why do they fail?"""
