"""Hand-made logs for the rules of embodied, plan and progress failures, and what must hold of every rule."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import emcoop
from emcoop.metrics.failures.rule import Finding, Hit, Rule
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.trace import Trace, TraceWriter, read_trace
from emcoop.trace.schema import SCHEMA, Action, Constraint, Episode, Event, Plan, Run, Step, Waiting, World

SHORT = Thresholds(steps=4)
"""Thresholds of the golden logs, which are short."""
STAY, UP, DOWN, LEFT, RIGHT = range(5)


def made(*events: Event, n: int = 2, env_id: str = "Cube-v0", horizon: int = 1000) -> Trace:
    writer = TraceWriter()
    writer.write(Run(schema=SCHEMA, emcoop="1", config_hash=""))
    writer.write(Episode(env_id=env_id, env_kwargs={}, n_agents=n, max_steps=horizon, seed=0, planners=[], topology={}))
    for event in events:
        writer.write(event)
    return Trace(writer.events)


def cells(t: int, *at: tuple[int, int] | None) -> World:
    """Agents 0, 1, ... are at these cells; None for one that did not move."""
    moved = [(agent, list(cell)) for agent, cell in enumerate(at) if cell is not None]
    return World(t=t, agents=[agent for agent, _ in moved], to=[cell for _, cell in moved])


def step(t: int, *actions: int, progress: float = 0.0, shape: str = "", events: Sequence[dict[str, Any]] = ()) -> Step:
    return Step(
        t=t, actions=list(actions), reward=0.0, state_hash="", configuration_hash=shape or str(t), progress=progress,
        events=list(events),
    )  # fmt: skip


def counts(
    t: int, p: int = 2, committed: int = 2, in_place: int = 0, acting: int = 0, joint: int = 0,
    engaged: int | None = None, success: int = 0, dependency: int = 1, task: str = "block0/left",
    who: Sequence[int] | None = None,
) -> Constraint:  # fmt: skip
    engaged = min(committed, max(in_place, acting)) if engaged is None else engaged
    participants = list(range(committed) if who is None else who)
    return Constraint(
        t=t, tasks=[task], required=[p], committed=[committed], in_place=[in_place], acting=[acting],
        dependency=[dependency], joint=[joint], engaged=[engaged], success=[success], participants=[participants],
        inferred=[0],
    )  # fmt: skip


def waiting(t: int, **points: tuple[list[int], int]) -> Waiting:
    """Points `rendezvous:<name>` with who waits there and how many each needs."""
    return Waiting(
        t=t, points=[f"rendezvous:{name}" for name in points], agents=[who for who, _ in points.values()],
        needs=[need for _, need in points.values()],
    )  # fmt: skip


def commit(t: int, id: int, agent: int, *calls: tuple[str, dict[str, Any]], task: str = "", **assumed: Any) -> Plan:
    return Plan(t=t, id=id, agent=agent, event="commit", task=task, calls=list(calls), assumptions=assumed)


def ended(t: int, id: int, agent: int, reason: str = "superseded", call: int = 0) -> Plan:
    return Plan(t=t, id=id, agent=agent, event="end", reason=reason, call=call)


def call(t: int, agent: int, plan: int, concept: str, *outcomes: str) -> Action:
    k = len(outcomes)
    return Action(
        t=t, agents=[agent] * k, plans=[plan] * k, calls=[0] * k, concepts=[concept] * k, outcomes=[*outcomes]
    )


def find(rules: Sequence[Rule], rule_id: str, trace: Trace, thresholds: Thresholds = SHORT) -> Finding:
    return next(rule for rule in rules if rule.id == rule_id).find(trace, thresholds)


def renamed(trace: Trace, names: Sequence[int]) -> Trace:
    """The same episode with the agents renamed."""

    def group(agents: Any) -> Any:
        return [names[agent] for agent in agents] if isinstance(agents, list) else agents

    def happening(event: dict[str, Any]) -> dict[str, Any]:
        new = {**event, "agents": group(event.get("agents"))}
        return {**new, "winner": names[event["winner"]]} if "winner" in event else new

    def rename(event: Event) -> Event:
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        for field in ("agent", "sender"):
            if field in fields:
                fields[field] = names[fields[field]]
        for field in ("agents", "recipients"):
            if field in fields:
                value = fields[field]
                fields[field] = [group(one) for one in value] if isinstance(event, Waiting) else group(value)
        if "participants" in fields:
            fields["participants"] = [group(one) for one in fields["participants"]]
        if isinstance(event, World):
            new = {f"agent{k}": f"agent{name}" for k, name in enumerate(names)}
            fields["objects"] = {new.get(key, key): value for key, value in event.objects.items()}
        if isinstance(event, Step):
            fields["events"] = [happening(one) for one in event.events]
            fields["actions"] = [event.actions[names.index(k)] for k in range(len(event.actions))]
            fields["intended"] = [(names[agent], primitive) for agent, primitive in event.intended]
        return type(event)(**fields)

    return Trace([rename(event) for event in trace.events])


def check_renaming(rule: Rule, trace: Trace, thresholds: Thresholds = SHORT) -> None:
    names = [*range(1, trace.episode.n_agents), 0]
    plain, other = rule.find(trace, thresholds), rule.find(renamed(trace, names), thresholds)
    expected = [replace(hit, agents=tuple(sorted(names[agent] for agent in hit.agents))) for hit in plain.hits]
    assert plain.opportunities == other.opportunities
    assert sorted(expected, key=repr) == sorted(other.hits, key=repr)


def check_prefixes(rule: Rule, trace: Trace, thresholds: Thresholds = SHORT, every: int = 1) -> None:
    """Incidents that ended before a checkpoint are in the log up to it; others there may only go on after it."""
    whole = rule.find(trace, thresholds)
    ends = [place for place, event in enumerate(trace.events) if isinstance(event, Step)]
    for place in ends[1::every]:
        now = trace.events[place].t
        before = rule.find(Trace(trace.events[: place + 1]), thresholds)
        assert {hit for hit in whole.hits if hit.end < now} <= set(before.hits), (rule.id, now)
        for hit in before.hits:
            assert hit in whole.hits or hit.end >= now or any(_goes_on(hit, later) for later in whole.hits), (
                rule.id,
                hit,
            )


def _goes_on(hit: Hit, later: Hit) -> bool:
    return hit.agents == later.agents and hit.task == later.task and later.start <= hit.start and later.end > hit.end


def rows(trace: Trace) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in trace.events)


@cache
def episode(env_id: str, n_agents: int, planner: str, seed: int, max_steps: int = 120) -> Trace:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode.jsonl.gz"
        emcoop.run_episode(
            env_id, n_agents=n_agents, planner=planner, topology="decentralized", max_steps=max_steps, seed=seed,
            trace=path,
        )  # fmt: skip
        return read_trace(path)
