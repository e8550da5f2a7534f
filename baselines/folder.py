"""The folder of one sweep: whose it is, who may write to it now, and its side files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import yaml

from emcoop.baselines.results import DATABASE, write_atomically
from emcoop.baselines.schema import Suite
from emcoop.baselines.suite import suite_hash
from emcoop.errors import ConfigError, EmCoopError

SUITE_FILE = "suite.yaml"
PROVENANCE_FILE = "environment.json"
TRACES = "traces"
LOCK_FILE = ".lock"
RUNNING = ".running-"
DISK_TROUBLE = frozenset(
    {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, getattr(errno, "EDQUOT", 0)}
)
"""System errors that no retry solves: disk or quota full, read-only, not permitted."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create the folder if needed and hold its lock; the system frees it when this process ends, however it ends.

    Raises:
        ConfigError: Another process holds it.
        EmCoopError: The folder cannot be made or written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK_FILE).open("a+b")
    with file:
        if not _try_lock(file):
            raise ConfigError(
                f"another sweep is running in {folder}: wait for it to end, or give another folder with --out"
            )
        yield


def claim(folder: Path, suite: Suite) -> None:
    """Make an empty folder this suite's, or check that it already is; call it with the lock held.

    Raises:
        ConfigError: The folder belongs to something else.
    """
    with disk_errors(folder):
        present = {entry.name for entry in folder.iterdir()} - {LOCK_FILE, f"{SUITE_FILE}.part"}
        if present and DATABASE not in present and present != {SUITE_FILE}:
            example = sorted(present)[0]
            raise ConfigError(
                f"{folder} is not empty and not the folder of a sweep "
                f"(it holds {example!r}): give a new folder with --out"
            )
        if DATABASE not in present:
            text = yaml.safe_dump(msgspec.to_builtins(suite), sort_keys=False, allow_unicode=True, width=110)
            write_atomically(folder / SUITE_FILE, f"# sha256 {suite_hash(suite)}\n{text}")
        (folder / TRACES).mkdir(exist_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed workers left half-written."""
    for stale in (folder / TRACES).glob(f"{RUNNING}*"):
        shutil.rmtree(stale, ignore_errors=True)


def write_provenance(folder: Path, data: dict[str, Any]) -> None:
    """Write `environment.json`: where and how long the sweep ran."""
    with disk_errors(folder):
        write_atomically(folder / PROVENANCE_FILE, json.dumps(data, indent=2, sort_keys=True) + "\n")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a system error into one sentence that names the file."""
    try:
        yield
    except OSError as error:
        raise EmCoopError(
            f"cannot write {error.filename or path}: {error.strerror or error}; finished episodes are safe, "
            "run the same command again once this is solved, or give another folder with --out"
        ) from error


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def sync_and_move(source: Path, target: Path) -> None:
    """Put a finished file in its place; after this it survives a power cut."""
    with source.open("r+b") as file:
        os.fsync(file.fileno())
    os.replace(source, target)
