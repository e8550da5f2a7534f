"""Cassettes that ship with the package: recorded calls of models, so that a suite runs without key and network."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from emcoop.errors import unknown_name

ENDING = ".sqlite"


def is_path(name: str) -> bool:
    """Say whether a cassette is named by its path: with a folder separator or the ending `.sqlite`."""
    path = Path(name)
    return path.suffix.lower() == ENDING or path.name != name


def list_cassettes() -> list[str]:
    """Return the names of the cassettes that ship."""
    return sorted(_shipped())


def shipped_cassette(name: str) -> Path:
    """Return a file with the cassette that ships under this name; it is only to be read.

    Raises:
        UnknownNameError: None does.
    """
    shipped = _shipped()
    if name not in shipped:
        raise unknown_name(f"cassette (one that ships, or the path of a {ENDING} file)", name, shipped)
    # Where the package is no folder but an archive, the file lives until the program ends.
    opened = ExitStack()
    atexit.register(opened.close)
    path: Path = opened.enter_context(as_file(shipped[name]))
    return path


def _shipped() -> dict[str, Any]:
    folder = files("emcoop.baselines") / "cassettes"
    found = folder.iterdir() if folder.is_dir() else ()
    return {entry.name.removesuffix(ENDING): entry for entry in found if entry.name.endswith(ENDING)}
