"""What holds for every metric on any sound trace."""

from __future__ import annotations

import math
import warnings

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emcoop.metrics import score_trace
from emcoop.metrics.registry import built_in
from emcoop.trace import Trace, TraceWriter, read_trace
from emcoop.trace.schema import (
    SCHEMA,
    Activation,
    Capability,
    Constraint,
    End,
    Episode,
    Event,
    Message,
    Plan,
    Round,
    Run,
    Stage,
    Step,
    Transport,
)

SHARE = st.floats(0, 1)


@st.composite
def constraints(draw: st.DrawFn, t: int, n: int) -> Constraint:
    chosen = draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=3))
    agents = draw(st.permutations(range(n)))
    rows = []
    for number, _ in enumerate(chosen):
        participants = sorted(agents[number :: len(chosen)])
        committed = len(participants)
        in_place = draw(st.integers(0, n))
        acting = draw(st.integers(0, in_place))
        joint = draw(st.integers(0, min(committed, acting)))
        engaged = draw(st.integers(joint, min(committed, max(in_place, joint))))
        required = draw(st.integers(1, n + 1))
        inferred = draw(st.integers(0, committed))
        flags = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
        rows.append((required, committed, in_place, acting, flags[0], joint, engaged, flags[1], participants, inferred))
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(10)]
    return Constraint(
        t=t, tasks=chosen, required=columns[0], committed=columns[1], in_place=columns[2], acting=columns[3],
        dependency=columns[4], joint=columns[5], engaged=columns[6], success=columns[7], participants=columns[8],
        inferred=columns[9],
    )  # fmt: skip


@st.composite
def thinking(draw: st.DrawFn, t: int, n: int, serial: int) -> list[Event]:
    """Draw what one cognitive round may leave in a trace."""
    who = draw(st.lists(st.integers(0, n - 1), unique=True))
    answered = draw(st.integers(0, len(who)))
    stages = draw(st.lists(st.sampled_from("RWXI"), min_size=n, max_size=n))
    agent = draw(st.integers(0, n - 1))
    reason = draw(st.sampled_from(["done", "failed:no_path", "superseded", "episode_end"]))
    return [
        Round(
            t=t, reason=stages.count("R"), wait=stages.count("W"), execute=stages.count("X"),
            interrupt=stages.count("I"),
        ),
        Stage(t=t, agents=who, before="X", after="I", cause="message"),
        Stage(t=t, agents=who[:answered], before="I", after="W", cause=draw(st.sampled_from(["resume", "replan"]))),
        Message(t=t, id=serial, sender=agent, recipients="*", act="free"),
        Transport(t=t, message=serial, recipients="*", outcome="delivered", count=n - 1),
        Activation(t=t, id=serial, agent=agent, started=0, outcome="plan"),
        Plan(t=t, id=serial, agent=agent, event="end", reason=reason),
        Capability(t=t, agent=agent, item="wood", delta=draw(st.integers(-3, 3)), cause="collect"),
    ]  # fmt: skip


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    n = draw(st.integers(1, 4))
    taken = draw(st.integers(0, 8))
    horizon = draw(st.integers(taken, 10))
    writer = TraceWriter()
    writer.write(Run(schema=SCHEMA, emcoop="1", config_hash=""))
    writer.write(
        Episode(env_id="E", env_kwargs={}, n_agents=n, max_steps=horizon, seed=0, planners=[], topology={})
    )  # fmt: skip
    for t in range(taken + 1):
        if t:
            writer.write(draw(constraints(t - 1, n)))
        events = [
            {"kind": draw(st.sampled_from(["collision", "cell_race", "push"])), "agents": [draw(st.integers(0, n - 1))]}
        ]
        writer.write(
            Step(
                t=t, actions=[0] * n if t else [], reward=0.0, state_hash="", configuration_hash="", events=events,
                progress=draw(SHARE),
            )
        )  # fmt: skip
        if draw(st.booleans()):
            for event in draw(thinking(t, n, t)):
                writer.write(event)
    if draw(st.booleans()):
        writer.write(
            End(status="completed", score=draw(SHARE), raw_score=1.0, steps=taken, terminated=False, counters={})
        )
    return Trace(writer.events)


def renamed(trace: Trace, names: list[int]) -> Trace:
    """The same episode with the agents renamed."""

    def rename(event: Event) -> Event:
        fields = msgspec.structs.asdict(event)
        for field in ("agent", "sender"):
            if field in fields:
                fields[field] = names[fields[field]]
        if "agents" in fields:
            fields["agents"] = [names[agent] for agent in fields["agents"]]
        if "participants" in fields:
            fields["participants"] = [[names[agent] for agent in group] for group in fields["participants"]]
        if isinstance(event, Step):
            moved = [{**one, "agents": [names[agent] for agent in one["agents"]]} for one in event.events]
            fields["events"] = moved
        return type(event)(**fields)

    return Trace([rename(event) for event in trace.events])


def same(one: dict[str, float], other: dict[str, float]) -> bool:
    return str(one) == str(other)  # NaN equals NaN in text, and nothing else is forgiven


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(traces())
@quick
def test_every_value_lies_in_its_declared_range(trace: Trace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = score_trace(trace)
    for name, one in built_in().items():
        low, high = one.range
        assert math.isnan(values[name]) or low <= values[name] <= high, (name, values[name])


@given(traces(), st.data())
@quick
def test_renaming_the_agents_changes_nothing(trace: Trace, data: st.DataObject) -> None:
    names = data.draw(st.permutations(range(trace.episode.n_agents)))
    assert same(score_trace(trace), score_trace(renamed(trace, names)))


@given(traces())
@quick
def test_the_file_scores_as_the_episode_did(trace: Trace) -> None:
    content = b"".join(msgspec.json.encode(event) + b"\n" for event in trace.events)
    assert same(score_trace(trace), score_trace(read_trace(content)))


@given(traces())
@quick
def test_first_failing_shares_add_up(trace: Trace) -> None:
    shares = [value for name, value in score_trace(trace).items() if name.startswith("first_failing_")]
    assert len(shares) == 5
    assert all(map(math.isnan, shares)) or math.isclose(sum(shares), 1.0)
