"""Read a trace, from a trusted run or from a stranger.

A trace may come from a submission, so everything is bounded (bytes after decompression, bytes per line, lines)
and every line is checked against the schema. A tail that is missing, as a crash leaves it, is not an error: what
is there can be read, and `Trace.problem` says what is not.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from emcoop.errors import TraceError
from emcoop.trace.checks import problem_with
from emcoop.trace.collector import paused_collector
from emcoop.trace.schema import SCHEMA, AnyEvent, End, Episode, Event, Run, Step
from emcoop.trace.writer import ENCODER, HEAD, LONGEST_LINE, part_of

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 1 << 16
NO_END = "the trace has no end record: the episode did not finish"

E = TypeVar("E", bound=Event)
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(AnyEvent)


@dataclass(frozen=True)
class Limits:
    """How much of a stranger's trace to read.

    Attributes:
        size: Bytes after decompression.
        line: Bytes of one line.
        lines: Number of lines.
    """

    size: int = 1 << 29
    line: int = LONGEST_LINE
    lines: int = 4_000_000


@dataclass(eq=False)
class Trace:
    """The events of one episode, indexed by kind. Read-only: metrics remember what they computed from it.

    Attributes:
        events: All events in order; the first is `run`, the second `episode`.
        complete: True if the trace has its end record.
        problem: What is missing, empty for a complete trace.
    """

    events: list[Event] = field(repr=False)
    complete: bool = True
    problem: str = ""
    _index: dict[type[Event], list[Event]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for place, kind in enumerate(HEAD):
            if len(self.events) <= place or type(self.events[place]) is not kind:
                raise TraceError(f"a trace starts with a run and an episode record; {kind.__name__.lower()} is missing")
        self._index = {}
        for event in self.events:
            self._index.setdefault(type(event), []).append(event)
        if self.end is None:
            self.complete, self.problem = False, self.problem or NO_END

    @property
    def run(self) -> Run:
        """Schema, package version and configuration."""
        return self.of(Run)[0]

    @property
    def episode(self) -> Episode:
        """Everything needed to run the episode again."""
        return self.of(Episode)[0]

    @property
    def end(self) -> End | None:
        """How the episode ended; None if the trace stops before."""
        return next(iter(self.of(End)), None)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind in order, an empty list if there are none."""
        return self._index.get(kind, [])  # type: ignore[return-value]

    def table(self, kind: str) -> pd.DataFrame:
        """Return one kind of event as a table with typed columns, named as in the schema.

        Args:
            kind: Name of the kind (`"step"`, `"constraint"`, ...). The columnar kinds `action`, `waiting` and
                `constraint` give one row per entry, all others one row per event.

        Raises:
            UnknownNameError: There is no such kind.
        """
        from emcoop.trace.tables import table_of

        return table_of(self.events, kind)


def read_trace(source: str | Path | bytes, limits: Limits = Limits()) -> Trace:
    """Read a trace from a file or from bytes, compressed or not.

    Args:
        source: Path of a trace, finished or still a `.part`, or its content.
        limits: How much to read before refusing.

    Returns:
        The trace; `complete` is False if its tail is missing.

    Raises:
        TraceError: Not a trace, unknown schema, damaged before its end, or over a limit; the sentence names
            the line.
    """
    name = "the trace" if isinstance(source, bytes) else str(source)
    events: list[Event] = []
    problem = ""
    steps, n_agents = 0, 0
    try:
        with paused_collector():
            for line in _lines(_chunks(source, name, limits), name, limits):
                where = f"{name}, line {len(events) + 1}"
                event = _decode(line, where, head=not events)
                _check(event, events, steps, n_agents, where)
                events.append(event)
                if type(event) is Step:
                    steps += 1
                elif type(event) is Episode:
                    n_agents = event.n_agents
    except _CutOffError:
        problem = f"the trace is cut off in line {len(events) + 1}"
    if len(events) < len(HEAD):
        raise TraceError(f"{name} ends before its episode record: it is empty or was cut off at once; record it again")
    return Trace(events, complete=not problem, problem=problem)


def trace_digest(source: str | Path | bytes | Iterable[Event]) -> str:
    """Return the SHA-256 of a trace's canonical bytes, its uncompressed lines.

    Args:
        source: A trace file, its content (compressed or not), or the events of a trace.

    Raises:
        TraceError: The file cannot be read, is cut off, or is over the size limit.
    """
    digest = hashlib.sha256()
    if isinstance(source, (str, Path, bytes)):
        name = "the trace" if isinstance(source, bytes) else str(source)
        try:
            for chunk in _chunks(source, name, Limits()):
                digest.update(chunk)
        except _CutOffError:
            raise TraceError(f"{name} is cut off: the digest of a part says nothing; record it again") from None
    else:
        for event in source:
            digest.update(ENCODER.encode(event) + b"\n")
    return digest.hexdigest()


class _CutOffError(Exception):
    """The bytes stop in the middle of something."""


def _chunks(source: str | Path | bytes, name: str, limits: Limits) -> Iterator[bytes]:
    """Yield the uncompressed bytes piece by piece, at most `limits.size` of them."""
    raw = _raw_chunks(source, name)
    first = next(raw, b"")
    pieces = _inflated(first, raw, name) if first[:2] == b"\x1f\x8b" else _chained(first, raw)
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limits.size:
            raise TraceError(f"{name} holds more than the allowed {limits.size} bytes; raise `limits` if you trust it")
        yield piece


def _raw_chunks(source: str | Path | bytes, name: str) -> Iterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), CHUNK):
            yield source[start : start + CHUNK]
        return
    try:
        with open(source, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        part = part_of(Path(source))
        hint = f"an unfinished one is at {part}" if part.is_file() else "check the path"
        raise TraceError(f"cannot read the trace {name}: {error.strerror}; {hint}") from None


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _inflated(first: bytes, rest: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Decompress one gzip stream in pieces of bounded size."""
    inflater = zlib.decompressobj(wbits=31)
    for chunk in _chained(first, rest):
        if inflater.eof:
            raise TraceError(f"{name} has data after its compressed stream; it was damaged or tampered with")
        while chunk:
            try:
                piece = inflater.decompress(chunk, CHUNK)
            except zlib.error as error:
                raise TraceError(f"{name} is damaged: its compressed data does not decode ({error})") from None
            if piece:
                yield piece
            chunk = inflater.unconsumed_tail
    if inflater.unused_data:
        raise TraceError(f"{name} has data after its compressed stream; it was damaged or tampered with")
    if not inflater.eof:
        raise _CutOffError


def _lines(chunks: Iterator[bytes], name: str, limits: Limits) -> Iterator[bytes]:
    """Yield the complete lines without their line feed."""
    tail = bytearray()
    count = 0
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        tail += first
        for piece in rest:
            count += 1
            _check_line(len(tail), count, name, limits)
            yield bytes(tail)
            tail = bytearray(piece)
        _check_line(len(tail), count + 1, name, limits)
    if tail:
        raise _CutOffError


def _check_line(length: int, number: int, name: str, limits: Limits) -> None:
    if length and number > limits.lines:
        raise TraceError(f"{name} goes on after the allowed {limits.lines} lines; raise `limits` if you trust it")
    if length > limits.line:
        raise TraceError(
            f"{name}, line {number} is longer than the allowed {limits.line} bytes; raise `limits` if you trust it"
        )


def _decode(line: bytes, where: str, head: bool) -> Event:
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        what = f"is not a record of schema {SCHEMA}: {str(error)[:200]}"
        move = "this is not a trace" if head else "the trace is damaged or was written by another version"
        raise TraceError(f"{where} {what}; {move}") from None


def _check(event: Event, before: list[Event], steps: int, n_agents: int, where: str) -> None:
    place = len(before)
    kind = type(event)
    if event.seq != place:
        raise TraceError(f"{where} is event {event.seq} where event {place} was due; lines are missing or out of order")
    if place < len(HEAD) and kind is not HEAD[place]:
        due = HEAD[place].__name__.lower()
        raise TraceError(f"{where} is a {kind.__name__.lower()} record where {due} was due; this is not a trace")
    if place >= len(HEAD) and kind in HEAD:
        raise TraceError(f"{where} is a second {kind.__name__.lower()} record; a trace holds one episode")
    if place and type(before[-1]) is End:
        raise TraceError(f"{where} follows the end record; a trace holds one episode")
    if isinstance(event, Run) and event.schema != SCHEMA:
        raise TraceError(
            f"{where} has schema {event.schema!r}; this version reads {SCHEMA!r}, so update one of the two"
        )
    if isinstance(event, Episode) and (event.n_agents < 1 or event.max_steps < 0):
        raise TraceError(
            f"{where} has {event.n_agents} agents and {event.max_steps} steps; a team has at least 1 and 0"
        )
    if place >= len(HEAD) and (problem := problem_with(event, n_agents, steps)):
        raise TraceError(f"{where} is no sound {kind.__name__.lower()} record: {problem}; the trace is damaged")
