"""Every event the schema allows survives the round trip; other bytes give one sentence, never a crash."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emcoop.errors import TraceError
from emcoop.trace import Trace, TraceWriter, read_trace, schema, trace_digest
from emcoop.trace.checks import COLUMNS

N_AGENTS = 3
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
AGENT = st.integers(0, N_AGENTS - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 2**53), float: NUMBER, str: TEXT, bool: st.booleans(), Any: JSON,
}  # fmt: skip


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Draw values of an annotation of the schema."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return st.lists(values(inner[0]), max_size=3)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if origin is dict:
        return st.dictionaries(TEXT, values(inner[1]), max_size=3)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, inner))
    return PLAIN[annotation]


@st.composite
def body_events(draw: st.DrawFn) -> schema.Event:
    """Draw an event of any kind that may stand between the head and the end of a trace."""
    kinds = [
        kind for kind in schema.KINDS.values() if kind not in (schema.Run, schema.Episode, schema.Step, schema.End)
    ]
    kind = draw(st.sampled_from(kinds))
    entries = draw(st.integers(0, 3))
    fields = {}
    for field in msgspec.structs.fields(kind):
        drawn = values(field.type)
        if field.name in ("agent", "sender"):
            drawn = AGENT
        elif kind is schema.World and field.name in ("agents", "to"):
            inner = AGENT if field.name == "agents" else values(list[int])
            drawn = st.lists(inner, min_size=entries, max_size=entries)
        elif field.name in COLUMNS.get(kind, ()):
            inner = values(typing.get_args(field.type)[0])
            if field.name == "agents" and kind is schema.Action:
                inner = AGENT
            elif field.name == "required":
                inner = st.integers(1, 9)
            drawn = st.lists(inner, min_size=entries, max_size=entries)
        elif field.name == "agents":
            drawn = st.lists(AGENT, max_size=3)
        fields[field.name] = draw(drawn)
    return kind(**fields)


def head() -> list[schema.Event]:
    return [
        schema.Run(schema=schema.SCHEMA, emcoop="1", config_hash=""),
        schema.Episode(
            env_id="E", env_kwargs={}, n_agents=N_AGENTS, max_steps=9, seed=0, planners=[], topology={}
        ),
    ]  # fmt: skip


@given(st.lists(body_events(), max_size=5))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_event_survives_the_round_trip(events: list[schema.Event]) -> None:
    writer = TraceWriter()
    for event in head() + events:
        writer.write(event)
    content = b"".join(msgspec.json.encode(event) + b"\n" for event in writer.events)
    trace = read_trace(content)
    assert trace.events == writer.events
    assert writer.digest() == trace_digest(content) == trace_digest(trace.events)
    for kind in schema.KINDS:
        assert len(trace.table(kind).columns) == len(msgspec.structs.fields(schema.KINDS[kind]))


def outcome(content: bytes) -> str | Trace:
    """Return the trace or, if it is refused, the sentence that says why; empty if it is not one line."""
    try:
        return read_trace(content)
    except TraceError as error:
        return "" if "\n" in str(error) else str(error)


@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_a_trace_or_one_sentence(noise: bytes, place: int, insert: bool) -> None:
    content = b"".join(
        msgspec.json.encode(msgspec.structs.replace(event, seq=seq)) + b"\n" for seq, event in enumerate(head())
    )
    place = min(place, len(content))
    damaged = content[:place] + noise + content[place + (0 if insert else len(noise)) :]
    assert outcome(damaged)
