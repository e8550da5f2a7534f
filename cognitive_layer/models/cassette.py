"""Calls kept in a file, so that a run with models repeats byte for byte, without the models.

The file is an SQLite database of two tables, and nothing in it is trusted: it may come from somebody else. A call is
found by the hash of what was asked and by whom, never by how the provider was reached.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from emcoop.cognitive_layer.models import split_model_name
from emcoop.cognitive_layer.models.calls import Call, canonical
from emcoop.cognitive_layer.models.chat import Completion, FormatRefused, PromptTooLong, RefusedError, Usage
from emcoop.cognitive_layer.models.replies import MOST_CHARS, MOST_NAME, parse_json
from emcoop.cognitive_layer.models.settings import Mode
from emcoop.errors import ConfigError

SCHEMA = 1
TABLES = {
    "cassette": "CREATE TABLE cassette (schema INTEGER NOT NULL)",
    "calls": "CREATE TABLE calls (key BLOB PRIMARY KEY, value TEXT NOT NULL)",
}
LARGEST_VALUE = 1 << 20
"""Bytes of a stored answer."""

PATIENCE = 30.0
"""Seconds to wait for another process that is writing."""

Refusal = FormatRefused | PromptTooLong
T = TypeVar("T")
_Name = Annotated[str, msgspec.Meta(max_length=MOST_NAME)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One call as it is kept.

    Attributes:
        asked: `provider/model` that was asked.
        text: The reply, or why it was refused.
        is_json: Whether the parsed reply is what the text says as JSON; it is then not kept twice.
        parsed: The parsed reply otherwise.
        prompt_tokens, completion_tokens, finish_reason, model: As in `Completion`.
        error: Name of the error that came instead of a reply.
    """

    asked: _Name
    text: Annotated[str, msgspec.Meta(max_length=MOST_CHARS)] = ""
    is_json: bool = False
    parsed: Any = None
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    finish_reason: _Name = "stop"
    model: _Name = ""
    error: Literal["", "FormatRefused", "PromptTooLong"] = ""


class Statistics(msgspec.Struct, frozen=True):
    """What a cassette holds.

    Attributes:
        calls: Calls kept, of which `refused` are refusals.
        prompt_tokens, completion_tokens: Their tokens, as far as known.
        models: `provider/model` -> calls.
    """

    calls: int
    refused: int
    prompt_tokens: int
    completion_tokens: int
    models: dict[str, int]


class Cassette:
    """An open cassette; used from one thread at a time. Processes may share one file.

    Args:
        path: The file.
        mode: With `replay` it is only read and has to exist, else it is made if missing.

    Raises:
        ConfigError: No such file, or one that is no cassette.
    """

    def __init__(self, path: str, mode: Mode) -> None:
        self._path = path
        self._writes = mode != "replay"
        self._base = _open(path, self._writes)

    def key(self, call: Call, trial: int) -> bytes:
        """Return what a call is found by."""
        provider, model = split_model_name(call.model)
        asked = (provider, model, call.messages, call.schema, call.params, call.seed, call.agent, call.index, trial)
        return hashlib.sha256(canonical(asked)).digest()

    def read(self, key: bytes) -> Completion | Refusal | None:
        """Return the answer that is kept for a key, None if there is none.

        Raises:
            RefusedError: The file is damaged or holds something else.
        """
        rows = self._do(lambda: self._base.execute("SELECT value FROM calls WHERE key = ?", (key,)).fetchall())
        return _unpack(_entry(rows[0][0], self._path)) if rows else None

    def write(self, key: bytes, asked: str, answer: Completion | Refusal) -> None:
        """Keep an answer, in place of any other for the same key; it is in the file when this returns.

        Raises:
            RefusedError: The file cannot be written.
        """
        value = msgspec.json.encode(_pack(asked, answer)).decode()
        statement = "INSERT INTO calls VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self._do(lambda: self._base.execute(statement, (key, value)))

    def miss(self, call: Call) -> RefusedError:
        """Return the error for a call that is not kept."""
        return RefusedError(
            f"the cassette {self._path} has no answer of {call.model} to call {call.index} of agent {call.agent}: "
            "replay it with exactly the settings and the version it was recorded with, or set mode='cache' and have "
            "the model at hand"
        )

    def close(self) -> None:
        """Leave one plain file that can be copied, also from a read-only place, unless others are writing to it."""
        if self._writes:
            with contextlib.suppress(sqlite3.Error):
                self._base.execute("PRAGMA busy_timeout = 0")
                self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._base.execute("PRAGMA journal_mode = DELETE")
        self._base.close()

    def _do(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except sqlite3.Error as error:
            raise RefusedError(
                f"the cassette {self._path} cannot be used: {error}; check the file, its folder and the free space"
            ) from None


def cassette_statistics(path: str | Path) -> Statistics:
    """Return what a cassette holds.

    Raises:
        ConfigError: No such file, or one that is no cassette.
        RefusedError: It is damaged.
    """
    with contextlib.closing(_open(str(path), writes=False)) as base:
        refused = prompt = completion = 0
        models: Counter[str] = Counter()
        try:
            for (value,) in base.execute("SELECT value FROM calls"):
                entry = _entry(value, str(path))
                models[entry.asked] += 1
                refused += bool(entry.error)
                prompt += entry.prompt_tokens or 0
                completion += entry.completion_tokens or 0
        except sqlite3.Error as error:
            raise RefusedError(f"the cassette {path} is damaged: {error}") from None
    return Statistics(sum(models.values()), refused, prompt, completion, dict(sorted(models.items())))


# The file ----------------------------------------------------------------------------------------------------


def _open(path: str, writes: bool) -> sqlite3.Connection:
    if not writes and not Path(path).is_file():
        raise ConfigError(
            f"there is no cassette {path}: record one with mode='record' or mode='cache', or check the path"
        )
    base = None
    try:
        where = Path(path).absolute().as_uri() + ("" if writes else "?mode=ro")
        # Opened where the settings are checked, used on the thread of the calls; never on both at once.
        base = sqlite3.connect(where, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        base.execute("PRAGMA trusted_schema = OFF")
        if writes:
            _make_tables(base)
        _check(base, path)
        if writes:
            _share(base)
    except (sqlite3.Error, ConfigError) as error:
        if base is not None:
            base.close()
        raise (
            error
            if isinstance(error, ConfigError)
            else ConfigError(
                f"{path} cannot be used as a cassette: {error}; give a cassette, or a new file in a folder that exists"
            )
        ) from None
    return base


def _make_tables(base: sqlite3.Connection) -> None:
    """Make the tables of a new file."""
    if not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        base.execute("BEGIN IMMEDIATE")
        if not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for table in TABLES.values():
                base.execute(table)
            base.execute("INSERT INTO cassette VALUES (?)", (SCHEMA,))
        base.execute("COMMIT")


def _share(base: sqlite3.Connection) -> None:
    """Let several processes write, each call at once and for good."""
    _patiently(lambda: base.execute("PRAGMA journal_mode = WAL"))
    # A killed process loses nothing with this; only a power cut may lose the last calls.
    base.execute("PRAGMA synchronous = NORMAL")


def _patiently(work: Callable[[], object]) -> None:
    """Change the journal, for which SQLite itself does not wait while others read or write."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            work()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _check(base: sqlite3.Connection, path: str) -> None:
    """Refuse whatever is not exactly a cassette: no other tables, views or triggers."""
    found = dict(base.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 9"))
    schema = base.execute("SELECT schema FROM cassette LIMIT 1").fetchone() if found == TABLES else None
    if schema is None:
        raise ConfigError(f"{path} is no cassette: give a file that was recorded with mode='record' or mode='cache'")
    if schema[0] != SCHEMA:
        raise ConfigError(f"the cassette {path} has schema {schema[0]!r}, this version reads {SCHEMA}: record it anew")


# Its rows ----------------------------------------------------------------------------------------------------


def _pack(asked: str, answer: Completion | Refusal) -> Entry:
    if not isinstance(answer, Completion):
        return Entry(asked, str(answer)[:MOST_CHARS], error=type(answer).__name__)  # type: ignore[arg-type]
    is_json = answer.parsed is not None and parse_json(answer.text) == answer.parsed
    return Entry(
        asked,
        answer.text,
        is_json,
        None if is_json else answer.parsed,
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
        answer.finish_reason,
        answer.model,
    )


def _entry(value: object, path: str) -> Entry:
    if isinstance(value, str) and len(value) <= LARGEST_VALUE:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            return msgspec.json.decode(value, type=Entry)
    raise RefusedError(
        f"the cassette {path} holds something that is no answer of a model: it is damaged, or was altered"
    )


def _unpack(entry: Entry) -> Completion | Refusal:
    if entry.error:
        return FormatRefused(entry.text) if entry.error == "FormatRefused" else PromptTooLong(entry.text)
    return Completion(
        text=entry.text,
        parsed=parse_json(entry.text) if entry.is_json else entry.parsed,
        usage=Usage(entry.prompt_tokens, entry.completion_tokens),
        finish_reason=entry.finish_reason,
        model=entry.model,
    )
