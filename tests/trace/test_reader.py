from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from emcoop.errors import TraceError, UnknownNameError
from emcoop.trace import Limits, Trace, TraceWriter, read_trace, schema, trace_digest

Build = Callable[..., list[schema.Event]]


@pytest.fixture
def content(episode_events: Build, tmp_path: Path) -> bytes:
    with TraceWriter(tmp_path / "content.jsonl") as writer:
        for event in episode_events():
            writer.write(event)
    return (tmp_path / "content.jsonl").read_bytes()


def refused(content: bytes, limits: Limits | None = None) -> str:
    """Read what cannot be read and return the error's sentence."""
    with pytest.raises(TraceError) as caught:
        read_trace(content, limits or Limits())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_head_and_kinds_are_indexed(content: bytes) -> None:
    trace = read_trace(content)
    assert trace.run.schema == schema.SCHEMA
    assert trace.episode.n_agents == 2
    assert trace.end is not None
    assert trace.end.score == 0.5
    assert [step.t for step in trace.of(schema.Step)] == [0, 1, 2, 3]
    assert trace.of(schema.Fault) == []


def test_every_cut_leaves_the_lines_before_it(content: bytes) -> None:
    whole = read_trace(content).events
    head = len(b"\n".join(content.split(b"\n")[:2])) + 1
    for cut in range(head, len(content)):
        trace = read_trace(content[:cut])
        lines = content[:cut].count(b"\n")
        assert trace.events == whole[:lines]
        assert not trace.complete
        in_line = content[cut - 1 : cut] != b"\n"
        assert trace.problem.startswith(f"the trace is cut off in line {lines + 1}" if in_line else "the trace has no")


def test_every_cut_of_a_compressed_trace_leaves_a_prefix(content: bytes) -> None:
    whole = read_trace(content).events
    packed = gzip.compress(content, mtime=0)
    readable = 0
    for cut in range(2, len(packed)):
        try:
            trace = read_trace(packed[:cut])
        except TraceError as error:
            assert "ends before its episode record" in str(error)  # noqa: PT017 - both outcomes are right
            continue
        assert trace.events == whole[: len(trace.events)]
        assert "cut off" in trace.problem
        assert not trace.complete or len(trace.events) == len(whole)
        readable += 1
    assert readable > len(packed) // 2


@pytest.mark.parametrize("cut", [0, 10, 90])
def test_a_trace_without_its_head_is_refused(content: bytes, cut: int) -> None:
    assert "ends before its episode record" in refused(content[:cut])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b"emcoop-trace-1", b"emcoop-trace-9", "line 1 has schema 'emcoop-trace-9'; this version reads"),
        (b'"kind":"run"', b'"kind":"rum"', "line 1 is not a record .* this is not a trace"),
        (b'"kind":"episode"', b'"kind":"espied"', "line 2 is not a record of schema .*'espied'"),
        (b'"n_agents":2', b'"n_agents":0', "line 2 has 0 agents"),
        (b'"n_agents":2', b'"n_agents":"2"', r"line 2 is not a record .*Expected `int`, got `str` - at `\$.n_agents`"),
        (b'"seq":3', b'"seq":4', "line 4 is event 4 where event 3 was due"),
        (b'"reason":2', b'"reason":2.5', "line 4 is not a record"),
        (b'"sender":0', b'"sender":2', "line 6 is no sound message record: it names agent 2 in a team of 2"),
        (b'"sender":0', b'"sender":-1', "line 6 is no sound message record: it names agent -1 in a team of 2"),
        (b"\xc3\xa7", b"\xc3", "line 6 is not a record"),
        (b'"required":[2]', b'"required":[2,2]', "line 7 is no sound constraint record: its columns .* differ"),
        (b'"required":[2]', b'"required":[0]', "line 7 .* a task that requires nobody"),
        (b'"joint":[1]', b'"joint":[-1]', "line 7 .* a negative count in joint"),
        (b'"to":[[1,0]]', b'"to":[]', "line 8 .* columns agents and to differ"),
        (b'"actions":[1,0]', b'"actions":[1]', "line 9 .* has 1 actions where 2 were due"),
        (b'"seq":11,"t":2', b'"seq":11,"t":3', "line 12 .* step 3 where step 2 was due"),
        (b'"reward":-0.01', b'"reward":NaN', "line 9 is not a record"),
        (b'"reward":-0.01', b'"reward":1e999', "line 9 is not a record"),
        (b'"reward":-0.01', b'"reward":null', "line 9 is not a record"),
        (b"\n", b"\n\n", "line 2 is not a record"),
        (b'{"kind":"round"', b"[", "line 4 is not a record"),
    ],
)  # fmt: skip
def test_each_corruption_is_named(content: bytes, old: bytes, new: bytes, sentence: str) -> None:
    assert old in content
    assert re.search(sentence, refused(content.replace(old, new, 1)))


def test_lines_missing_doubled_or_moved_are_refused(content: bytes) -> None:
    lines = content.splitlines(keepends=True)
    assert "line 6 is event 6 where event 5 was due" in refused(b"".join(lines[:5] + lines[6:]))
    assert "line 7 is event 5 where event 6 was due" in refused(b"".join(lines[:6] + lines[5:]))
    last = len(lines)
    again = lines[3].replace(b'"seq":3', b'"seq":%d' % last)
    assert f"line {last + 1} follows the end record" in refused(content + again)
    head = lines[1].replace(b'"seq":1', b'"seq":5')
    assert "line 6 is a second episode record" in refused(b"".join([*lines[:5], head]))
    swapped = lines[3].replace(b'"seq":3', b'"seq":1')
    assert "line 2 is a round record where episode was due" in refused(lines[0] + swapped)


@pytest.mark.parametrize("junk", [b"hello\n", b"\x00" * 100 + b"\n", b"[]\n", b"{}\n", b"[" * 100_000 + b"\n"])
def test_other_files_are_no_traces(junk: bytes) -> None:
    assert "line 1 is not a record of schema emcoop-trace-1" in refused(junk)


def test_deep_nesting_and_long_numbers_are_refused(content: bytes) -> None:
    for value in (b"[" * 100_000 + b"]" * 100_000, b"9" * 100_000):
        hostile = content.replace(b'{"view":5}', b'{"view":' + value + b"}")
        assert "line 2 is not a record" in refused(hostile)


def test_damaged_compression_is_refused(content: bytes) -> None:
    packed = gzip.compress(content, mtime=0)
    assert "its compressed data does not decode" in refused(packed[:-8] + b"\0\0\0\0" + packed[-4:])
    assert "its compressed data does not decode" in refused(packed[:2] + b"\xff" + packed[3:])
    assert "data after its compressed stream" in refused(packed + b"x")
    assert "data after its compressed stream" in refused(packed + b"\0" * 100_000)


def test_limits_are_kept(content: bytes) -> None:
    longest = max(map(len, content.splitlines()))
    lines = content.count(b"\n")
    assert read_trace(content, Limits(size=len(content), line=longest, lines=lines)).complete
    assert f"more than the allowed {len(content) - 1} bytes" in refused(content, Limits(size=len(content) - 1))
    assert f"longer than the allowed {longest - 1} bytes" in refused(content, Limits(line=longest - 1))
    assert "line 2 is longer than the allowed 150 bytes" in refused(content, Limits(line=150))
    assert f"after the allowed {lines - 1} lines" in refused(content, Limits(lines=lines - 1))


def test_a_bomb_is_left_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    real, unpacked = zlib.decompressobj, 0

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._real = real(wbits)

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal unpacked
            piece = self._real.decompress(data, most)
            unpacked += len(piece)
            return piece

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    assert "longer than the allowed 16777216 bytes" in refused(bomb)
    assert unpacked < 20_000_000
    unpacked = 0
    assert "more than the allowed 1000000 bytes" in refused(bomb, Limits(size=1_000_000))
    assert unpacked < 1_100_000


def test_a_missing_file_is_named_and_its_part_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with pytest.raises(TraceError, match=r"cannot read the trace .*a\.jsonl\.gz: .*; check the path"):
        read_trace(path)
    (tmp_path / "a.jsonl.part").write_bytes(b"")
    with pytest.raises(TraceError, match=r"an unfinished one is at .*a\.jsonl\.part"):
        read_trace(path)


def test_the_digest_of_a_part_is_refused(content: bytes) -> None:
    with pytest.raises(TraceError, match="the digest of a part says nothing"):
        trace_digest(gzip.compress(content)[:-20])


def test_a_trace_needs_its_head_in_memory_too(episode_events: Build) -> None:
    events = episode_events()
    with pytest.raises(TraceError, match="run is missing"):
        Trace([])
    with pytest.raises(TraceError, match="episode is missing"):
        Trace([events[0], events[2]])
    assert Trace(events).complete
    assert not Trace(events[:-1]).complete


def test_tables_have_one_row_per_event_or_entry(content: bytes) -> None:
    trace = read_trace(content)
    steps = trace.table("step")
    assert list(steps.columns[:3]) == ["seq", "t", "c"]
    assert steps["t"].tolist() == [0, 1, 2, 3]
    assert steps["progress"].dtype == "float64"
    assert steps["actions"].tolist() == [[], [1, 0], [1, 0], [1, 0]]
    constraints = trace.table("constraint")
    assert constraints["tasks"].tolist() == ["block 0 left"] * 3
    assert constraints["in_place"].tolist() == [1, 2, 3]
    assert constraints["in_place"].dtype == "int64"
    assert constraints["participants"].tolist() == [[0, 1]] * 3
    assert constraints["t"].tolist() == [0, 1, 2]


def test_an_empty_table_has_its_columns_and_types(content: bytes) -> None:
    table = read_trace(content).table("capability")
    assert len(table) == 0
    assert list(table.columns) == ["seq", "t", "c", "agent", "item", "delta", "cause"]
    assert table["delta"].dtype == "int64"


def test_an_unknown_table_is_refused_with_the_nearest(content: bytes) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'constraint'"):
        read_trace(content).table("constraints")
