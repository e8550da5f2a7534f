from __future__ import annotations

import gzip
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from emcoop.errors import TraceError
from emcoop.trace import TraceWriter, read_trace, schema, trace_digest

Build = Callable[..., list[schema.Event]]


def write(events: list[schema.Event], path: Path | None = None) -> TraceWriter:
    with TraceWriter(path) as writer:
        for event in events:
            writer.write(event)
    return writer


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "sub/folder/a.jsonl.gz"])
def test_what_was_written_is_read_back(episode_events: Build, tmp_path: Path, name: str) -> None:
    writer = write(episode_events(), tmp_path / name)
    trace = read_trace(tmp_path / name)
    assert trace.events == writer.events
    assert [event.seq for event in trace.events] == list(range(len(trace.events)))
    assert trace.complete
    assert trace.problem == ""


def test_closed_trace_leaves_nothing_else_in_its_folder(episode_events: Build, tmp_path: Path) -> None:
    write(episode_events(), tmp_path / "a.jsonl.gz")
    write(episode_events(), tmp_path / "b.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl.gz", "b.jsonl"]


def test_same_events_give_same_bytes_compressed_and_not(episode_events: Build, tmp_path: Path) -> None:
    names = ["a.jsonl", "b.jsonl", "a.jsonl.gz", "other name.jsonl.gz"]
    for name in names:
        write(episode_events(), tmp_path / name)
    plain, plain_again, packed, packed_again = ((tmp_path / name).read_bytes() for name in names)
    assert plain == plain_again
    assert packed == packed_again
    assert gzip.decompress(packed) == plain
    assert packed[4:8] == b"\0\0\0\0", "the header holds no time"
    assert not packed[3] & 8, "the header holds no file name"


def test_digest_is_that_of_the_canonical_bytes_wherever_they_are(episode_events: Build, tmp_path: Path) -> None:
    writer = write(episode_events(), tmp_path / "a.jsonl.gz")
    write(episode_events(), tmp_path / "a.jsonl")
    content = (tmp_path / "a.jsonl").read_bytes()
    digests = {
        writer.digest(),
        write(episode_events()).digest(),
        trace_digest(tmp_path / "a.jsonl.gz"),
        trace_digest(str(tmp_path / "a.jsonl")),
        trace_digest(content),
        trace_digest(gzip.compress(content)),
        trace_digest(writer.events),
        trace_digest(read_trace(content).events),
    }
    assert len(digests) == 1
    assert trace_digest(content.replace(b'"seed":7', b'"seed":8')) not in digests


def test_canonical_bytes_hold_one_json_object_a_line(episode_events: Build, tmp_path: Path) -> None:
    write(episode_events(steps=1), tmp_path / "a.jsonl")
    lines = (tmp_path / "a.jsonl").read_bytes().split(b"\n")
    assert lines[0] == (b'{"kind":"run","schema":"emcoop-trace-1","emcoop":"0.1.0","config_hash":"abc","seq":0}')
    assert lines[-1] == b""


def test_equal_values_have_one_spelling() -> None:
    def head() -> list[schema.Event]:
        return [
            schema.Run(schema=schema.SCHEMA, emcoop="1", config_hash=""),
            schema.Episode(
                env_id="E", env_kwargs={}, n_agents=1, max_steps=1, seed=0, planners=[], topology={},
                regime="".join(["op", "en"]),
            ),
        ]  # fmt: skip

    whole = [
        *head(),
        schema.Activation(id=0, agent=0, started=0, outcome="plan", status="".join(["o", "k"])),
        schema.Task(task="b", event="e", value=0),
        schema.Task(task="b", event="e", value=np.float64(2.0)),
        schema.Step(actions=[], reward=0, state_hash="", configuration_hash="", progress=1),
    ]
    plain = [
        *head(),
        schema.Activation(id=0, agent=0, started=0, outcome="plan"),
        schema.Task(task="b", event="e"),
        schema.Task(task="b", event="e", value=2.0),
        schema.Step(actions=[], reward=0.0, state_hash="", configuration_hash="", progress=1.0),
    ]
    writer = write(whole)
    assert writer.digest() == write(plain).digest()
    assert '"ok"' not in str(msgspec.json.encode(writer.events))
    assert '"open"' not in str(msgspec.json.encode(writer.events))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_numbers_are_refused_with_their_place(episode_events: Build, tmp_path: Path, value: float) -> None:
    writer = TraceWriter(tmp_path / "a.jsonl")
    events = episode_events(end=False)
    for event in events:
        writer.write(event)
    step = schema.Step(t=4, actions=[0, 0], reward=value, state_hash="", configuration_hash="", progress=0.5)
    with pytest.raises(TraceError, match=rf"event {len(events)} \(step\): reward is not a finite number"):
        writer.write(step)
    claim = schema.Claim(message=0, key="k", value={"a": [1.0, value]}, when="sent", true=True)
    with pytest.raises(TraceError, match=r"value\.a\[1\] is not a finite number"):
        writer.write(claim)
    writer.write(schema.Claim(message=0, key="k", value=[None, "null"], when="sent", true=True))
    writer.close()
    assert read_trace(tmp_path / "a.jsonl").events == writer.events, "what was refused left no bytes behind"
    assert len(writer.events) == len(events) + 1


@pytest.mark.parametrize("value", [np.int64(3), object(), "\ud800", [np.float32(1)]])
def test_values_json_has_no_word_for_are_refused(episode_events: Build, value: object) -> None:
    writer = TraceWriter()
    for event in episode_events(end=False):
        writer.write(event)
    before = writer.digest()
    with pytest.raises(TraceError, match="use plain Python numbers, text, lists and dicts"):
        writer.write(schema.Claim(message=0, key="k", value=value, when="sent", true=True))
    assert writer.digest() == before


def test_events_out_of_place_are_refused(episode_events: Build) -> None:
    run, episode, *rest = episode_events()
    writer = TraceWriter()
    with pytest.raises(TraceError, match="event 0 of a trace is its run record, not episode"):
        writer.write(episode)
    writer.write(run)
    with pytest.raises(TraceError, match="event 1 of a trace is its episode record, not step"):
        writer.write(rest[0])
    writer.write(episode)
    with pytest.raises(TraceError, match="cannot write a Event"):
        writer.write(schema.Event())
    writer.write(rest[-1])
    with pytest.raises(TraceError, match="nothing follows the end record"):
        writer.write(rest[0])
    writer.close()
    with pytest.raises(TraceError, match="the trace is closed"):
        writer.write(rest[0])


def test_a_folder_is_no_trace_file(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="it is a folder"):
        TraceWriter(tmp_path)


def test_every_step_is_on_disk_at_once(episode_events: Build, tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "a.jsonl.gz")
    for event in episode_events():
        writer.write(event)
        if isinstance(event, schema.Step):
            assert read_trace(tmp_path / "a.jsonl.part").events == writer.events
    writer.close()
    writer.close()
    assert read_trace(tmp_path / "a.jsonl.gz").complete


def test_an_exception_leaves_the_part_and_an_older_trace_alone(episode_events: Build, tmp_path: Path) -> None:
    write(episode_events(), tmp_path / "a.jsonl.gz")
    older = (tmp_path / "a.jsonl.gz").read_bytes()

    def fail() -> None:
        with TraceWriter(tmp_path / "a.jsonl.gz") as writer:
            for event in episode_events(end=False):
                writer.write(event)
            raise KeyError("planner")

    with pytest.raises(KeyError, match="planner"):
        fail()
    assert (tmp_path / "a.jsonl.gz").read_bytes() == older
    part = read_trace(tmp_path / "a.jsonl.part")
    assert len(part.events) == len(episode_events(end=False))
    assert not part.complete
    assert "no end record" in part.problem


def test_a_failed_compression_loses_nothing(
    episode_events: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    writer = TraceWriter(tmp_path / "a.jsonl.gz")
    for event in episode_events():
        writer.write(event)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl.part"]
    assert read_trace(tmp_path / "a.jsonl.part").complete


CHILD = """
import itertools, sys
from emcoop.trace import TraceWriter, schema

writer = TraceWriter(sys.argv[1])
writer.write(schema.Run(schema=schema.SCHEMA, emcoop="0.1.0", config_hash="abc"))
writer.write(schema.Episode(env_id="E", env_kwargs={}, n_agents=1, max_steps=9, seed=0, planners=[], topology={}))
for t in itertools.count():
    writer.write(schema.Step(t=t, actions=[0] * (t > 0), reward=0.25, state_hash="s" * 999, configuration_hash="c",
                             progress=0.5))
    if t == 20:
        print("writing", flush=True)
"""


def test_a_killed_process_leaves_a_readable_prefix(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "writing\n"
        finally:
            child.kill()  # the child is still writing: nothing but this ends it
    assert not path.exists()
    trace = read_trace(tmp_path / "a.jsonl.part")
    assert [step.t for step in trace.of(schema.Step)][:21] == list(range(21))
    assert not trace.complete
    assert trace.problem
