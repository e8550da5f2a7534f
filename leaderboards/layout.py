"""The folder of a submission: which files it may hold, how large they may be, and nothing else.

A folder may come from a stranger. Nothing in it is followed (links), executed or unpacked to disk; every file is
bounded before it is read.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from emcoop.leaderboards.problems import quoted, refused

METADATA = "metadata.yaml"
RESULTS = "results.csv"
ACTIONS = "actions.jsonl.gz"
TRACES = "traces"
VERIFICATION = "verification.json"
README = "README.md"
TRACE_ENDING = ".jsonl.gz"

MOST_EPISODES = 20_000
LIMITS = {METADATA: 1 << 16, RESULTS: 1 << 27, ACTIONS: 1 << 28, VERIFICATION: 1 << 24, README: 1 << 20}
"""Most bytes of the files by name."""
TRACE_LIMIT = 1 << 26
TOTAL_LIMIT = 1 << 32
NEEDED = (METADATA, RESULTS)
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,249}")


@dataclass(frozen=True)
class Layout:
    """What a submission's folder holds.

    Attributes:
        folder: Where it is.
        traces: Trace files by unit id.
        actions: Joint actions instead of traces, None if there are traces.
    """

    folder: Path
    traces: dict[str, Path] = field(default_factory=dict)
    actions: Path | None = None


def look(folder: Path) -> Layout:
    """Look at what is there, without opening anything.

    Raises:
        RefusedSubmission: Not a folder, a needed file is missing, a file that does not belong, a link, a strange name,
            too large, too many.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise refused("folder", str(folder), "this is no folder; give the folder that `emcoop submit prepare` made")
    total = 0
    traces: dict[str, Path] = {}
    found: set[str] = set()
    for name, info in _entries(folder, ""):
        if name == TRACES:
            if not stat.S_ISDIR(info.st_mode):
                raise refused("file-kind", name, "`traces` has to be a folder; make the submission again")
            for inner, about in _entries(folder / TRACES, f"{TRACES}/"):
                unit = _unit_of(inner)
                total += _size(f"{TRACES}/{inner}", about, TRACE_LIMIT)
                traces[unit] = folder / TRACES / inner
            continue
        if name not in LIMITS:
            known = ", ".join([*LIMITS, f"{TRACES}/"])
            raise refused("unknown-file", quoted(name), f"it does not belong here; a submission holds only {known}")
        total += _size(name, info, LIMITS[name])
        found.add(name)
    for name in NEEDED:
        if name not in found:
            raise refused("missing-file", name, "the file is missing; make the submission with `emcoop submit prepare`")
    if total > TOTAL_LIMIT:
        raise refused("too-large", "", f"the files take {total} bytes, at most {TOTAL_LIMIT} are read")
    if (ACTIONS in found) == bool(traces):
        raise refused("evidence", "", f"evidence is either {TRACES}/ or {ACTIONS}; give exactly one of them")
    return Layout(folder, traces, folder / ACTIONS if ACTIONS in found else None)


def read_limited(path: Path, limit: int) -> bytes:
    """Return the content of a file, of at most `limit` bytes whatever its size was a moment ago.

    Raises:
        RefusedSubmission: It is longer or cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise refused("unreadable", path.name, f"it cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise refused("too-large", path.name, f"it is longer than the allowed {limit} bytes")
    return data


def _entries(folder: Path, prefix: str) -> list[tuple[str, os.stat_result]]:
    """Return name and file status of everything in a folder, by name; nothing that is a link or special."""
    found: list[tuple[str, os.stat_result]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(found) >= MOST_EPISODES:
                raise refused("too-many-files", prefix, f"it holds more than the allowed {MOST_EPISODES} files")
            info = entry.stat(follow_symlinks=False)
            if not SAFE_NAME.fullmatch(entry.name):
                shown = quoted(f"{prefix}{entry.name}")
                raise refused("file-name", shown, "names consist of letters, digits, '.', '_' and '-'; rename it")
            if not (stat.S_ISREG(info.st_mode) or (stat.S_ISDIR(info.st_mode) and not prefix)):
                raise refused("file-kind", f"{prefix}{entry.name}", "only plain files are read; links are not followed")
            found.append((entry.name, info))
    return sorted(found, key=lambda one: one[0])


def _unit_of(name: str) -> str:
    if not name.endswith(TRACE_ENDING):
        raise refused("unknown-file", f"{TRACES}/{name}", f"traces end with {TRACE_ENDING}; remove it")
    return name.removesuffix(TRACE_ENDING)


def _size(name: str, info: os.stat_result, limit: int) -> int:
    if not stat.S_ISREG(info.st_mode):
        raise refused("file-kind", name, "this has to be a plain file; make the submission again")
    if info.st_size > limit:
        raise refused("too-large", name, f"it has {info.st_size} bytes, at most {limit} are read")
    return info.st_size
