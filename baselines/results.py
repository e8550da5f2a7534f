"""The results of one sweep: every attempt, kept in SQLite, one transaction per row; and the table made from it.

A unit has at most one scored attempt (`completed` or `agent_error`); the database itself refuses a second.
Attempts that the infrastructure spoilt (`infra_error`) are kept beside it and never reach the table of a unit that
has been scored, so that the table does not depend on how often a sweep was interrupted. Wall time is kept apart
for the same reason.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from emcoop.baselines.expansion import Unit
from emcoop.errors import ConfigError, EmCoopError
from emcoop.version import __version__

if TYPE_CHECKING:
    import pandas as pd

DATABASE = "results.sqlite"
TABLE = "results.csv"
CELL = ("suite", "env", "variant", "n_agents", "topology", "planner", "regime", "condition", "seed")
COLUMNS = ("unit", *CELL, "attempt", "status", "error", "trace", "digest")
FIRST_METRICS = ("score", "raw_score", "steps")
SCORED = ("completed", "agent_error")
LAYOUT = "2"
"""Version of the database's tables."""

_LAYOUT = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE attempts (
    unit TEXT NOT NULL, {", ".join(f"{name} NOT NULL" for name in CELL)},
    try INTEGER NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL, trace TEXT NOT NULL, digest TEXT NOT NULL,
    metrics TEXT NOT NULL, PRIMARY KEY (unit, try)
);
CREATE UNIQUE INDEX scored_once ON attempts (unit) WHERE status != 'infra_error';
CREATE TABLE wall_times (unit TEXT NOT NULL, try INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (unit, try));
CREATE TABLE sessions (id INTEGER PRIMARY KEY, about TEXT NOT NULL, seconds REAL NOT NULL);
"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt at a unit gave.

    Attributes:
        status: `completed`, `agent_error` or `infra_error`.
        error: What went wrong, empty if nothing.
        trace: Path of the trace relative to the sweep's folder, empty for none.
        digest: `emcoop.trace_digest` of it.
        metrics: Metric name -> value, NaN = not applicable.
        seconds: Wall time of the attempt.
        hopeless: Whether what spoilt it would spoil every further episode too.
    """

    status: str
    error: str = ""
    trace: str = ""
    digest: str = ""
    metrics: dict[str, float] = {}
    seconds: float = 0.0
    hopeless: bool = False


class Store:
    """The database of one sweep, written by one process (see `emcoop.baselines.folder.locked`)."""

    def __init__(self, path: Path, suite_hash: str) -> None:
        """Open the database at `path`, or create it for the suite with this hash.

        Raises:
            ConfigError: It belongs to another suite or version of this package, or is not such a database.
            EmCoopError: It cannot be written.
        """
        self._path = path
        with _explained(path):
            self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare(suite_hash)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, suite_hash: str) -> None:
        with _explained(self._path):
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            _check_pages(self._db)
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name='about'").fetchone():
                about = {"suite_hash": suite_hash, "emcoop": __version__, "layout": LAYOUT}
                values = ", ".join(f"('{key}', '{value}')" for key, value in about.items())
                self._db.executescript(f"BEGIN IMMEDIATE;{_LAYOUT}INSERT INTO about VALUES {values};COMMIT;")
        _check_owner(_about(self._db, self._path), suite_hash, self._path.parent)

    def finished(self) -> dict[str, Result]:
        """Return the units that have a scored attempt, and that attempt."""
        with _explained(self._path):
            rows = list(_final_rows(self._db))
        return {row["unit"]: row["result"] for row in rows if row["result"].status in SCORED}

    def append(self, unit: Unit, result: Result) -> None:
        """Write one attempt and make it durable before returning.

        Raises:
            EmCoopError: The unit was scored already, or the disk refuses; what was written before is safe.
        """
        cell = [getattr(unit, name) for name in CELL]
        metrics = {key: None if math.isnan(value) else value for key, value in sorted(result.metrics.items())}
        with _explained(self._path), self._transaction():
            (number,) = self._db.execute(
                "SELECT coalesce(max(try), 0) + 1 FROM attempts WHERE unit = ?", (unit.id,)
            ).fetchone()
            values = [unit.id, *cell, number, result.status, result.error, result.trace, result.digest]
            marks = ", ".join("?" * (len(values) + 1))
            self._db.execute(f"INSERT INTO attempts VALUES ({marks})", [*values, json.dumps(metrics)])
            self._db.execute("INSERT INTO wall_times VALUES (?, ?, ?)", (unit.id, number, result.seconds))

    def set_aside(self, unit: Unit, reason: str) -> None:
        """Let the scored attempt of a unit count as spoilt, so that it is run again; it is kept, with the reason.

        Raises:
            EmCoopError: The disk refuses.
        """
        with _explained(self._path), self._transaction():
            self._db.execute(
                "UPDATE attempts SET status = 'infra_error', error = ? WHERE unit = ? AND status != 'infra_error'",
                (reason, unit.id),
            )

    def add_session(self, about: dict[str, Any], seconds: float) -> None:
        """Note one run of the sweep: where it ran (`about`, plain data) and for how many seconds."""
        with _explained(self._path), self._transaction():
            self._db.execute(
                "INSERT INTO sessions (about, seconds) VALUES (?, ?)", (json.dumps(about, sort_keys=True), seconds)
            )

    def provenance(self) -> dict[str, Any]:
        """Return what may differ between two runs of the same sweep: sessions, wall time, spoilt attempts."""
        with _explained(self._path):
            sessions = self._db.execute("SELECT about, seconds FROM sessions ORDER BY id").fetchall()
            (seconds,) = self._db.execute("SELECT coalesce(sum(seconds), 0) FROM wall_times").fetchone()
            (spoilt,) = self._db.execute("SELECT count(*) FROM attempts WHERE status = 'infra_error'").fetchone()
        return {
            "sessions": [{**json.loads(about), "wall_seconds": wall} for about, wall in sessions],
            "episode_seconds": seconds,
            "infra_errors": spoilt,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the results table, one row per unit that was tried, sorted by unit."""
        with _explained(self._path):
            return [_flat(row) for row in _final_rows(self._db)]

    def close(self) -> None:
        """Fold the write-ahead log into the database, so that it is one file, and close it."""
        with closing(self._db), suppress(sqlite3.Error):  # on a full disk the log just stays beside it
            self._db.execute("PRAGMA journal_mode=DELETE")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the results table of a sweep's folder, sorted by unit; a running sweep may be read too.

    Raises:
        ConfigError: The folder holds no results of a sweep.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise ConfigError(f"{folder} holds no {DATABASE}: give the folder of a sweep, as `emcoop sweep` prints it")
    with _explained(path), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        _about(db, path)
        return [_flat(row) for row in _final_rows(db)]


def read_frame(folder: Path) -> pd.DataFrame:
    """Return the results table of a sweep's folder as a pandas DataFrame (columns `COLUMNS` plus the metrics)."""
    import pandas as pd

    rows = read_rows(folder)
    return pd.DataFrame(rows, columns=table_columns(rows))


def table_columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the columns of a table of such rows: fixed ones, score, raw score, steps, other metrics by name."""
    metrics = {name for row in rows for name in row} - set(COLUMNS)
    first = [name for name in FIRST_METRICS if name in metrics]
    return [*COLUMNS, *first, *sorted(metrics - set(first))]


def csv_text(rows: list[dict[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Return the rows as CSV: equal rows give equal text; a metric that does not apply is an empty field.

    Args:
        rows: The rows.
        columns: Columns in order; None = those of the results table.
    """
    columns = table_columns(rows) if columns is None else columns
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = [row.get(name, math.nan) for name in columns]
        writer.writerow(["" if isinstance(v, float) and math.isnan(v) else v for v in values])
    return buffer.getvalue()


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never a part."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system has a call for that."""
    if os.name == "nt":
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _check_pages(db: sqlite3.Connection) -> None:
    """Look for damage now: met in the middle of a sweep it would have cost episodes."""
    (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))


def _final_rows(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Yield the scored attempt of every unit, or its last one if none was scored, sorted by unit."""
    names = ("unit", *CELL, "status", "error", "trace", "digest", "metrics")
    cursor = db.execute(
        f"SELECT {', '.join(names)} FROM attempts a WHERE status != 'infra_error' OR try = (SELECT max(try) "
        "FROM attempts b WHERE b.unit = a.unit AND NOT EXISTS (SELECT 1 FROM attempts c WHERE c.unit = b.unit "
        "AND c.status != 'infra_error')) ORDER BY unit"
    )
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        metrics = {k: math.nan if v is None else float(v) for k, v in json.loads(row.pop("metrics")).items()}
        parts = {name: row.pop(name) for name in ("status", "error", "trace", "digest")}
        yield {**row, "result": Result(**parts, metrics=metrics)}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Lay one row out as in the table; a scored attempt is never repeated, so its number is always 1."""
    result: Result = row["result"]
    head = {name: row[name] for name in ("unit", *CELL)}
    tail = {"status": result.status, "error": result.error, "trace": result.trace, "digest": result.digest}
    return {**head, "attempt": 1, **tail, **result.metrics}


def _about(db: sqlite3.Connection, path: Path) -> dict[str, str]:
    with _explained(path):
        if db.execute("SELECT 1 FROM sqlite_master WHERE name='attempts'").fetchone():
            about = dict(db.execute("SELECT key, value FROM about").fetchall())
            if about.get("layout") != LAYOUT:
                raise ConfigError(
                    f"{path} was begun with another version of emcoop, whose tables differ: give another folder with "
                    "--out, or remove that one"
                )
            return about
    raise ConfigError(f"{path} is not the database of a sweep: give another folder with --out")


def _check_owner(about: dict[str, str], suite_hash: str, folder: Path) -> None:
    if about["suite_hash"] != suite_hash:
        raise ConfigError(
            f"{folder} holds the results of another suite (hash {about['suite_hash'][:12]}, this one has "
            f"{suite_hash[:12]}): give another folder with --out, or remove that one"
        )
    if about["emcoop"] != __version__:
        raise ConfigError(
            f"{folder} was begun with emcoop {about['emcoop']}, this is {__version__}: results of two versions do not "
            "mix, so give another folder with --out, or remove that one"
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into one sentence."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise EmCoopError(f"{path} already holds a finished episode of that unit: nothing was written") from error
    except sqlite3.OperationalError as error:
        raise EmCoopError(
            f"cannot use {path}: {error}; finished episodes are safe, run the same command again once this is solved"
        ) from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(
            f"{path} is damaged or not a database ({error}): restore it, or start over in another folder with --out"
        ) from error
