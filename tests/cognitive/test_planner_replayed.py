"""Replaying decisions: the same episode again, in part with live planners, and what happens when it departs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cognitive_tools import TOPOLOGIES, Puppet

import emcoop
from emcoop.cognitive_layer.plan import (
    EVERYONE,
    RESUME,
    ActionCall,
    Decision,
    Fact,
    Message,
    ModelCall,
    Plan,
    PlanningContext,
    Reaction,
)
from emcoop.cognitive_layer.stages import I
from emcoop.errors import ConfigError, TraceError
from emcoop.trace import schema

HEAD = 2


def record(path: Path, planner: Any, **settings: Any) -> Any:
    """Record an episode; return the function that runs it with another team, and its result."""
    settings = {"n_agents": 4, "seed": 3, "max_steps": 30, **settings}
    env_id = settings.pop("env_id", "Cube-v0")

    def run(team: Any, **others: Any) -> Any:
        return emcoop.run_episode(env_id, planner=team, **{**settings, **others})

    result = run(planner, trace=path)
    assert result.status == "completed", result.error
    return run, result


def same_but_for_the_head(one: Any, other: Any) -> bool:
    return bool(one.events[HEAD:] == other.events[HEAD:])


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("planner", ["team", "greedy", "random"])
@pytest.mark.parametrize("env_id", ["Cube-v0", "MACrafter-v0"])
def test_an_episode_goes_the_same_way_event_by_event(env_id: str, planner: str, topology: str, tmp_path: Path):
    path = tmp_path / "t.jsonl.gz"
    run, first = record(path, planner, env_id=env_id, topology=topology)
    again = run(f"replay:{path}")
    assert again.status == "completed", again.error
    assert same_but_for_the_head(first, again)
    assert any(isinstance(event, schema.Message) for event in first.events) == (
        planner == "team" and topology != "individual"
    )


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_one_seat_is_replayed_and_the_others_are_live(topology: str, tmp_path: Path):
    path = tmp_path / "t.jsonl"
    run, first = record(path, "team", topology=topology)
    for seat in range(4):
        team: list[Any] = ["team"] * 4
        team[seat] = {"name": "replay", "trace": str(path)}
        assert same_but_for_the_head(first, run(team)), seat


@pytest.mark.parametrize(
    "settings",
    [
        {"thinking_rounds": [1, 4]},
        {"thinking_rounds": [1, 4], "budgets": {"rounds_per_step": 2}},
        {"thinking_rounds": 3, "budgets": {"rounds_per_step": 2}},
        {"budgets": {"decisions_per_step": 1}},
        {"budgets": {"decisions_total": 6, "messages_per_step": 1}},
        {"channel": {"loss": 0.3, "delay": 1, "duplicate": 0.3}},
        {"channel": {"delay_steps": 2, "corruption": 0.3}},
    ],
    ids=str,
)
def test_slow_thinkers_short_budgets_and_lost_messages_repeat_too(settings: Any, tmp_path: Path):
    path = tmp_path / "t.jsonl"
    run, first = record(path, "team", topology="decentralized", **settings)
    again = run(f"replay:{path}")
    assert again.status == "completed", again.error
    assert same_but_for_the_head(first, again)


def gossip(puppet: Puppet, context: PlanningContext) -> Decision:
    """Handle messages in every way there is, and say things of every shape."""
    labels: tuple[Any, ...] = ("consume", "wait", "discard", "reroute")
    n = len(puppet.setup.names)
    reactions = []
    for message in context.unread:
        label = labels[(message.id + puppet.asked) % 4]
        to = ((puppet.setup.seat + 1) % n,) if label == "reroute" else ()
        if label != "reroute" or "passed" not in message.text:
            reactions.append(Reaction(message.id, label, to))
    said = Message(
        EVERYONE if puppet.asked % 2 else ((puppet.setup.seat + 2) % n, 99),
        "inform",
        f"naïve ☃ {puppet.asked}",
        {"block0": Fact([1, puppet.asked], context.step), "at": Fact({"row": 2.5, "none": None}, 0)},
    )
    calls = (ModelCall("test/x", "00", "{}", "text", "ok", 7, puppet.asked, (("user", "hi"),)),)
    messages = (said,) if puppet.asked % 3 else (said, said)
    if context.stage is I:
        plan: Any = RESUME if puppet.asked % 2 else Plan((ActionCall("wait", {"steps": 2}),))
        return Decision(plan, () if puppet.asked % 4 else messages, tuple(reactions), calls, "repaired")
    if context.waited == 0 and puppet.asked % 2:
        return Decision(None, messages, tuple(reactions), calls)
    plan = Plan((ActionCall("move", {"direction": "up"}), ActionCall("wait")), "block0/left", {"free": True}, "why")
    return Decision(plan, messages, tuple(reactions), calls)


def test_reactions_facts_assumptions_and_model_calls_are_repeated(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    team = [Puppet(gossip) for _ in range(4)]
    run, first = record(path, team, topology="decentralized", budgets={"messages_per_step": 4})
    labels = {event.label for event in first.events if isinstance(event, schema.Reaction)}
    assert {"consume", "wait", "discard", "reroute"} <= labels
    again = run(f"replay:{path}")
    assert again.status == "completed", again.error
    assert same_but_for_the_head(first, again)


def test_a_part_of_a_trace_is_repeated_as_far_as_it_goes(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    run, first = record(path, "team", topology="decentralized")
    lines = path.read_bytes().splitlines(keepends=True)
    last_step = max(k for k, line in enumerate(lines) if b'"kind":"step"' in line)
    for cut in (last_step // 2, last_step - 1, last_step + 1):
        path.write_bytes(b"".join(lines[:cut]))
        again = run(f"replay:{path}")
        if again.status != "completed":
            assert "has no more decisions of it" in again.error
        steps = [[e.state_hash for e in result.events if isinstance(e, schema.Step)] for result in (first, again)]
        assert steps[1] == steps[0][: len(steps[1])]
        assert len(steps[1]) > 1


def test_a_run_that_departs_says_where(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    run, _ = record(path, "greedy")
    departed = run(f"replay:{path}", seed=4)
    assert departed.status == "agent_error"
    assert departed.error.startswith("agent ")
    assert "is asked at step " in departed.error
    assert "the run departs from the trace" in departed.error
    assert str(path) in departed.error
    run, _ = record(path, "random")
    longer = run(f"replay:{path}", max_steps=60)
    assert "has no more decisions of it" in longer.error


def test_handling_a_message_that_did_not_come_is_a_departure(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    labelled = Puppet(
        lambda puppet, context: Decision(
            Plan((ActionCall("wait"),)), (), tuple(Reaction(m.id, "discard") for m in context.unread)
        )
    )
    chatty = Puppet(lambda puppet, context: Decision(Plan((ActionCall("wait"),)), (Message((1,), "inform", "x"),)))
    silent = Puppet(lambda puppet, context: Decision(Plan((ActionCall("wait"),))))
    run, _ = record(path, [chatty, labelled], n_agents=2, topology="debate", max_steps=3)
    departed = run([silent, f"replay:{path}"])
    assert departed.status == "agent_error", departed.error
    assert "without message 0, which it handles in" in departed.error


def test_the_wrong_team_a_privileged_one_and_no_trace_are_refused(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    run, _ = record(path, "greedy")
    with pytest.raises(ConfigError, match="is of 4 agents: give --agents 4"):
        run(f"replay:{path}", n_agents=3)
    oracle = tmp_path / "oracle.jsonl"
    run, _ = record(oracle, "oracle", n_agents=2, max_steps=5)
    with pytest.raises(ConfigError, match="saw what no agent may see"):
        run(f"replay:{oracle}")
    with pytest.raises(TraceError, match="cannot read the trace"):
        run(f"replay:{tmp_path / 'none.jsonl'}")
    with pytest.raises(ConfigError, match="trace=3 does not fit"):
        run({"name": "replay", "trace": 3})
    (tmp_path / "text.jsonl").write_text("hello\n", encoding="utf-8")
    with pytest.raises(TraceError, match="this is not a trace"):
        run(f"replay:{tmp_path / 'text.jsonl'}")


def change(kind: str, **values: Any) -> Callable[[Any], Any]:
    """Return a function that gives events of a kind other values."""

    def of(event: Any) -> Any:
        if type(event).__name__.lower() == kind:
            for name, value in values.items():
                setattr(event, name, value)
        return event

    return of


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (change("activation", started=999), "started in round 999, which is not there"),
        (change("activation", outcome="dance"), "has the outcome 'dance', and no plan follows it"),
        (change("activation", messages=[12345]), "sent a message that is not there"),
        (change("stage", after="Q"), "is of an agent in stage 'Q'"),
    ],
)
def test_a_trace_that_does_not_hang_together_is_refused(tamper: Callable[[Any], Any], says: str, tmp_path: Path):
    from emcoop.trace.writer import ENCODER

    path = tmp_path / "t.jsonl"
    run, _ = record(path, "team", topology="decentralized")
    events = [tamper(event) for event in emcoop.read_trace(path).events]
    path.write_bytes(b"".join(ENCODER.encode(event) + b"\n" for event in events))
    with pytest.raises(TraceError, match="does not hang together") as refused:
        run(f"replay:{path}")
    assert says in str(refused.value)
