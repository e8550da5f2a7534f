"""Write a trace as it happens, so that a crash leaves a readable prefix.

While an episode runs its lines go to a `.part` file, flushed after every environment step; `close` gives the
file its final name. The canonical bytes of a trace are its uncompressed lines, each the JSON of one event and a
line feed.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec

from emcoop.errors import TraceError
from emcoop.trace.schema import KINDS, End, Episode, Event, Run, Step

GZIP_LEVEL = 6
ENCODER = msgspec.json.Encoder()
HEAD = (Run, Episode)
LONGEST_LINE = 1 << 24
"""Bytes of one event; readers refuse longer ones."""

_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError)


class TraceWriter:
    """Append events to a trace.

    Used as a context manager it closes the trace on normal exit; an exception leaves the `.part` file, because
    only an episode that ran to its end gets the final name.

    Args:
        path: Where the closed trace will lie, compressed if the name ends in `.gz`; None keeps it in memory
            only. Missing folders are made.

    Attributes:
        events: What was written so far, in order.
        part: The file that grows while the episode runs; None without a path.

    Raises:
        TraceError: `path` is a folder.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.events: list[Event] = []
        self.path = None if path is None else Path(path)
        self.part: Path | None = None
        self._file: BinaryIO | None = None
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        self._closed = False
        if self.path is not None:
            if self.path.is_dir():
                raise TraceError(f"cannot write a trace to {str(self.path)!r}: it is a folder; give a file name")
            self.part = part_of(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.part, "wb")  # noqa: SIM115 - closed by close() or abandon()

    def write(self, event: Event) -> None:
        """Number an event and append it; the event belongs to the trace from here on.

        Args:
            event: Any event of the schema; its `seq` is assigned here.

        Raises:
            TraceError: The event is out of place, holds a value JSON has no word for (NaN, infinity, a NumPy
                number, ...), or the trace is closed. Nothing is written then.
        """
        place = len(self.events)
        self._check_place(event, place)
        event.seq = place
        _settle_spelling(event)
        start = len(self._buffer)
        try:
            ENCODER.encode_into(event, self._buffer, -1)
        except _UNENCODABLE as error:
            del self._buffer[start:]
            raise TraceError(
                f"cannot write event {place} ({_kind(event)}): {error}; use plain Python numbers, text, lists and dicts"
            ) from None
        if len(self._buffer) - start > LONGEST_LINE:
            del self._buffer[start:]
            raise TraceError(
                f"cannot write event {place} ({_kind(event)}): it takes more than {LONGEST_LINE} bytes, and nobody "
                "would read it; say less"
            )
        # Non-finite floats come out as null, which hardly any event contains: look closer only then.
        if self._buffer.find(b"null", start) >= 0 and (field := _non_finite(msgspec.to_builtins(event))):
            del self._buffer[start:]
            raise TraceError(
                f"cannot write event {place} ({_kind(event)}): {field} is not a finite number, "
                "and a trace holds none; leave it out or find where it comes from"
            )
        self._buffer += b"\n"
        self.events.append(event)
        if type(event) is Step:
            self._flush()

    def digest(self) -> str:
        """Return the SHA-256 of the canonical bytes written so far, as `trace_digest` gives it."""
        self._flush()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Compress the trace if asked for and move it to its final name; closing twice does nothing."""
        if self._closed:
            return
        self.abandon()
        if self.path is None or self.part is None:
            return
        if self.path.suffix == ".gz":
            _compress(self.part, self.path)
            self.part.unlink()
        else:
            os.replace(self.part, self.path)

    def abandon(self) -> None:
        """Stop writing and leave what there is as the `.part` file."""
        if self._closed:
            return
        self._flush()
        if self._file is not None:
            self._file.close()
        self._closed = True

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _check_place(self, event: Event, place: int) -> None:
        if type(event) not in _SPELLING:
            raise TraceError(f"cannot write a {type(event).__name__}: a trace holds {', '.join(KINDS)} events")
        if self._closed:
            raise TraceError(f"cannot write event {place} ({_kind(event)}): the trace is closed; open a new one")
        if place < len(HEAD) and type(event) is not HEAD[place]:
            raise TraceError(
                f"event {place} of a trace is its {HEAD[place].__name__.lower()} record, not {_kind(event)}; "
                "write run, then episode, then the rest"
            )
        if place and type(self.events[-1]) is End:
            raise TraceError(f"cannot write event {place} ({_kind(event)}): nothing follows the end record")

    def _flush(self) -> None:
        if not self._buffer:
            return
        self._hash.update(self._buffer)
        if self._file is not None:
            self._file.write(self._buffer)
            self._file.flush()
        self._buffer.clear()


def part_of(path: Path) -> Path:
    """Return the name an unfinished trace has: `a.jsonl.gz` and `a.jsonl` both grow as `a.jsonl.part`."""
    return path.with_name(path.name.removesuffix(".gz") + ".part")


def _kind(event: Event) -> str:
    return str(event.__struct_config__.tag)


def _compress(source: Path, target: Path) -> None:
    """Compress so that the same bytes in give the same bytes out: no time, no name, one level."""
    partial = target.with_name(target.name + ".tmp")
    try:
        with (
            open(source, "rb") as plain,
            open(partial, "wb") as file,
            gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed,
        ):
            shutil.copyfileobj(plain, packed, 1 << 20)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _spelling_rules() -> dict[type[Event], tuple[tuple[str, type, Any], ...]]:
    rules: dict[type[Event], tuple[tuple[str, type, Any], ...]] = {}
    for cls in KINDS.values():
        fields = msgspec.structs.fields(cls)
        rules[cls] = tuple((f.name, f.type, f.default) for f in fields if f.type in (float, str) and _matters(f))
    return rules


def _matters(field: msgspec.structs.FieldInfo) -> bool:
    return field.type is float or field.default is not msgspec.NODEFAULT


_SPELLING = _spelling_rules()


def _settle_spelling(event: Event) -> None:
    """Give equal values one spelling: whole floats as floats, and a default value always left out.

    The encoder leaves a default out only if the value is the same object, so `"ok"` read from a file would be
    written and `"ok"` in the source would not: same configuration, different bytes.
    """
    for name, kind, default in _SPELLING[type(event)]:
        value = getattr(event, name)
        if value is default:
            continue
        if kind is float and type(value) is not float and isinstance(value, (int, float)):
            value = float(value)
            setattr(event, name, value)
        if type(value) is kind and value == default:
            setattr(event, name, default)


def _non_finite(value: object, where: str = "") -> str:
    """Return the place of the first NaN or infinity in nested plain data, empty if there is none."""
    if isinstance(value, float):
        return "" if math.isfinite(value) else where
    if isinstance(value, dict):
        items = [(f"{where}.{key}" if where else str(key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
    else:
        return ""
    return next((found for name, item in items if (found := _non_finite(item, name))), "")
