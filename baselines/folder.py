"""The folder of one sweep: whose it is, who may write to it now, and its side files."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec
import yaml

from emcoop.baselines.results import DATABASE, Result, sync_folder, write_atomically
from emcoop.baselines.schema import Suite
from emcoop.baselines.suite import suite_hash
from emcoop.errors import ConfigError, EmCoopError, TraceError
from emcoop.trace import trace_digest

SUITE_FILE = "suite.yaml"
PROVENANCE_FILE = "environment.json"
TRACES = "traces"
LOCK_FILE = ".lock"
RUNNING = ".running-"
GONE = getattr(errno, "ESTALE", errno.ENOENT)
"""The system's number for a folder that is no longer where it was."""
DISK_TROUBLE = frozenset(
    {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", GONE), GONE}
)
"""System errors that no retry solves: disk or quota full, read-only, not permitted, broken, gone."""
_OURS = "# sha256 "
"""How the copy of the suite in a sweep's folder begins."""


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
        if not _lock(file, folder):
            raise ConfigError(
                f"another sweep is running in {folder}{_holder(file)}: wait for it to end, or give another folder "
                "with --out"
            )
        _sign(file, f"process {os.getpid()} on {platform.node()}")
        try:
            yield
        finally:
            _sign(file, "")


def claim(folder: Path, suite: Suite) -> None:
    """Make an empty folder this suite's, or check that it already is one of a sweep; call it with the lock held.

    Raises:
        ConfigError: The folder belongs to something else, or has lost its results.
    """
    with disk_errors(folder):
        present = {entry.name for entry in folder.iterdir()} - {LOCK_FILE, f"{SUITE_FILE}.part"}
        present = {name for name in present if not name.startswith(f"{DATABASE}-")}  # of SQLite, made with it
        begun = DATABASE in present and (folder / DATABASE).stat().st_size > 0
        if not begun:
            _check_unused(folder, present - {DATABASE})
            _write_suite(folder, suite)
        (folder / TRACES).mkdir(exist_ok=True)


def mend(folder: Path, suite: Suite) -> None:
    """Write the copy of the suite again if it is missing or damaged; call it once the results are known to be its."""
    with disk_errors(folder):
        _write_suite(folder, suite)


def damage(folder: Path, result: Result) -> str:
    """Say what is wrong with the trace of a finished episode; empty if it is the one its digest was taken of."""
    if not result.trace:
        return ""
    try:
        found = trace_digest(folder / result.trace)
    except TraceError as error:
        return str(error)
    return "" if found == result.digest else f"{result.trace} is not the trace that its digest was taken of"


def remove_leftovers(folder: Path) -> None:
    """Remove what killed workers left half-written."""
    for stale in (folder / TRACES).glob(f"{RUNNING}*"):
        shutil.rmtree(stale, ignore_errors=True)
        with suppress(OSError):  # what is no folder
            stale.unlink()


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
    sync_folder(target.parent)


def _check_unused(folder: Path, present: set[str]) -> None:
    """Refuse a folder that holds anything but what a sweep leaves that was stopped before its first episode."""
    if any((folder / TRACES).glob("*.gz")):
        raise ConfigError(
            f"{folder} holds traces, but its {DATABASE} is missing or empty: restore it, or give another folder "
            "with --out"
        )
    if SUITE_FILE in present and not _text(folder / SUITE_FILE).startswith(_OURS):
        raise ConfigError(
            f"{folder} holds a {SUITE_FILE} that no sweep wrote, and it would be replaced: give a new folder with --out"
        )
    for name in sorted(present - {SUITE_FILE, TRACES}):
        raise ConfigError(
            f"{folder} is not empty and not the folder of a sweep (it holds {name!r}): give a new folder with --out"
        )


def _write_suite(folder: Path, suite: Suite) -> None:
    plain = yaml.safe_dump(msgspec.to_builtins(suite), sort_keys=False, allow_unicode=True, width=110)
    text = f"{_OURS}{suite_hash(suite)}\n{plain}"
    if _text(folder / SUITE_FILE) != text:
        write_atomically(folder / SUITE_FILE, text)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""


def _lock(file: IO[bytes], folder: Path) -> bool:
    """Lock a file, or say that somebody else has; some shared disks cannot lock at all."""
    try:
        return _try_lock(file)
    except OSError as error:
        raise EmCoopError(
            f"the disk of {folder} cannot lock files ({error.strerror or error}), so two sweeps could meet there: give "
            "a folder on another disk with --out"
        ) from error


def _sign(file: IO[bytes], text: str) -> None:
    """Write into the lock file who holds it, for whoever is refused; past the byte that is locked on Windows."""
    with suppress(OSError):  # on a full disk the lock holds all the same
        file.truncate(0)
        file.write(f"\0{text}".encode() if text else b"")
        file.flush()


def _holder(file: IO[bytes]) -> str:
    with suppress(OSError):
        file.seek(1)
        if who := file.read(200).decode("utf-8", "replace").strip("\0 "):
            return f" ({who})"
    return ""
