"""What a sweep has left in its folder: read it without touching it, and compare it with what another one left."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from emcoop.baselines.folder import LOCK_FILE, PROVENANCE_FILE, TRACES
from emcoop.baselines.matching import MATCHED_TABLE
from emcoop.baselines.results import DATABASE, SCORED, TABLE
from emcoop.errors import TraceError
from emcoop.trace import trace_digest

MAY_DIFFER = frozenset([DATABASE, PROVENANCE_FILE, LOCK_FILE])
"""Files that say how often a sweep was interrupted and how long it took; what they hold of results is compared."""

Attempt = tuple[str, int, str, str, str]
"""Unit, number, status, digest, metrics as JSON."""


@dataclass(frozen=True)
class Left:
    """What a stopped sweep left.

    Attributes:
        attempts: Every attempt in the database.
        traces: Unit -> what tells whether its trace was written again (file number, time, size).
    """

    attempts: list[Attempt] = field(default_factory=list)
    traces: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def finished(self) -> set[str]:
        """Units with a scored attempt."""
        return {attempt[0] for attempt in self.attempts if attempt[2] in SCORED}


def look(folder: Path) -> Left:
    """Read what nobody writes to any more, from a copy: opening the database would mend what a kill left of it."""
    traces = {}
    for path in (folder / TRACES).glob("*.gz"):
        seen = path.stat()
        traces[path.name.split(".", 1)[0]] = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
    with tempfile.TemporaryDirectory() as place:
        for path in folder.glob(f"{DATABASE}*"):
            if not path.name.endswith("-shm"):
                shutil.copy2(path, place)
        return Left(_attempts(Path(place) / DATABASE), traces)


def lost_or_repeated(before: Left, after: Left) -> list[str]:
    """Say what a resumed sweep has lost of what was there, and which finished episodes it has run again."""
    gone = set(before.attempts) - set(after.attempts)
    again = [unit for unit in sorted(before.finished) if before.traces.get(unit) != after.traces.get(unit)]
    return [
        *(f"attempt {number} of {unit} ({status}) is lost" for unit, number, status, *_ in sorted(gone)),
        *(f"{unit} was run again though it had finished" for unit in again),
    ]


def differences(whole: Path, folder: Path) -> list[str]:
    """Say in what two sweeps of one suite differ that have ended: files, rows, attempts; empty if in nothing."""
    ours, theirs = _files(whole), _files(folder)
    found = [f"{name} is missing" for name in sorted(ours.keys() - theirs.keys())]
    found += [f"{name} is left over" for name in sorted(theirs.keys() - ours.keys())]
    for table in (TABLE, MATCHED_TABLE):
        if {table} <= ours.keys() & theirs.keys():
            found += _other_rows(table, ours[table], theirs[table])
    found += [f"{name} differs" for name in sorted(ours.keys() & theirs.keys()) if ours[name] != theirs[name]]
    return found + list(_wrong_in_database(whole, folder))


def _attempts(database: Path) -> list[Attempt]:
    if not database.is_file():
        return []
    with closing(sqlite3.connect(database)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchone():
            return []
        return db.execute("SELECT unit, try, status, digest, metrics FROM attempts ORDER BY unit, try").fetchall()


def _files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in MAY_DIFFER}


def _other_rows(table: str, ours: bytes, theirs: bytes) -> Iterator[str]:
    one, other = (list(csv.reader(text.decode().splitlines())) for text in (ours, theirs))
    if len(one) != len(other):
        yield f"{table} has {len(other) - 1} rows instead of {len(one) - 1}"
    for row, found in zip(one, other, strict=False):
        if row != found:
            yield f"{table}: the row of {row[0]} differs"
    for unit, times in Counter(row[0] for row in other).items():
        if times > 1:
            yield f"{table} has {times} rows of {unit}"


def _wrong_in_database(whole: Path, folder: Path) -> Iterator[str]:
    attempts = look(folder).attempts
    ours, theirs = (
        {(unit, digest, metrics) for unit, _, status, digest, metrics in some if status in SCORED}
        for some in (look(whole).attempts, attempts)
    )
    for unit, _, _ in sorted(ours ^ theirs):
        yield f"the scored attempt of {unit} differs"
    scored = Counter(attempt[0] for attempt in attempts if attempt[2] in SCORED)
    yield from (f"{unit} was scored {times} times" for unit, times in scored.items() if times > 1)
    tries: dict[str, list[int]] = {}
    for unit, number, *_ in attempts:
        tries.setdefault(unit, []).append(number)
    yield from (f"{unit} has attempts {n}" for unit, n in tries.items() if n != list(range(1, len(n) + 1)))
    for unit, _, status, digest, _ in attempts:
        if status in SCORED:
            yield from _wrong_trace(folder / TRACES / f"{unit}.jsonl.gz", digest)


def _wrong_trace(trace: Path, digest: str) -> Iterator[str]:
    try:
        if trace_digest(trace) != digest:
            yield f"{trace.name} is not the trace of its row"
    except TraceError as error:
        yield str(error)
