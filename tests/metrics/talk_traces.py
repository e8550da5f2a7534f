"""Hand-made logs of talk for the rules of communication, allocation and propagation, and what must hold of them all."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from failure_traces import renamed

import emcoop
from emcoop.metrics.failures.rule import Finding, Rule
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.trace import Trace, TraceWriter, read_trace
from emcoop.trace.schema import (
    EVERYONE,
    SCHEMA,
    Activation,
    Claim,
    Constraint,
    Episode,
    Event,
    Message,
    Plan,
    Reaction,
    Round,
    Run,
    Step,
    Transport,
)

SHORT = Thresholds(steps=4)
"""Thresholds of the golden logs, which are short."""
ALL = "decentralized"


def talk(
    *events: Event | Iterable[Event], n: int = 3, topology: str | dict[str, Any] = ALL, env_id: str = "E",
    channel: dict[str, Any] | None = None,
) -> Trace:  # fmt: skip
    writer = TraceWriter()
    named = {"name": topology} if isinstance(topology, str) else topology
    writer.write(Run(schema=SCHEMA, emcoop="1", config_hash=""))
    writer.write(
        Episode(
            env_id=env_id, env_kwargs={}, n_agents=n, max_steps=1000, seed=0, planners=[], topology=named,
            channel=channel or {},
        )
    )  # fmt: skip
    for event in events:
        for one in [event] if isinstance(event, Event) else event:
            writer.write(one)
    return Trace(writer.events)


def at(t: int, c: int, *events: Event) -> list[Event]:
    """One cognitive round: its record, and what happened in it."""
    for event in events:
        event.t, event.c = t, c
    return [Round(t=t, c=c), *events]


def steps(first: int, last: int, n: int = 3, **events: list[dict[str, Any]]) -> list[Event]:
    """Steps without progress; events of the dynamics under `t<number>`."""
    return [
        Step(
            t=t, actions=[0] * n if t else [], reward=0.0, state_hash="", configuration_hash="", progress=0.0,
            events=events.get(f"t{t}", []),
        )
        for t in range(first, last + 1)
    ]  # fmt: skip


def sent(id: int, sender: int, to: Sequence[int] | str = EVERYONE, act: str = "request", **facts: Any) -> Message:
    """A message; a fact is its value, or its value and the step it was observed at."""
    stated = [(key, *(value if isinstance(value, tuple) else (value, 0))) for key, value in facts.items()]
    return Message(
        id=id, sender=sender, recipients=to if isinstance(to, str) else list(to), act=act, facts=stated,
        work=act in ("request", "commit"),
    )  # fmt: skip


def went(id: int, *to: int, outcome: str = "delivered") -> Transport:
    return Transport(message=id, recipients=list(to), outcome=outcome, count=len(to))


def read(agent: int, activation: int, *messages: int, label: str = "consume", to: Sequence[int] = ()) -> Reaction:
    return Reaction(agent=agent, activation=activation, label=label, messages=list(messages), to=list(to))


def decided(id: int, agent: int, outcome: str = "listen", messages: Sequence[int] = (), started: int = 0) -> Activation:
    return Activation(id=id, agent=agent, started=started, outcome=outcome, messages=list(messages))


def plan(id: int, agent: int, task: str = "", *concepts: str, **assumed: Any) -> Plan:
    calls: list[Any] = [(concept, {}) for concept in concepts or ("go",)]
    return Plan(id=id, agent=agent, event="commit", task=task, calls=calls, assumptions=assumed)


def over(id: int, agent: int, reason: str = "done") -> Plan:
    return Plan(id=id, agent=agent, event="end", reason=reason)


def claim(message: int, key: str, value: Any, true: bool = True, when: str = "sent") -> Claim:
    return Claim(message=message, key=key, value=value, when=when, true=true)


def count(
    t: int, task: str, who: Sequence[int], p: int = 1, dependency: int = 1, engaged: int = 0, acting: int = 0
) -> Constraint:
    return Constraint(
        t=t, tasks=[task], required=[p], committed=[len(who)], in_place=[engaged], acting=[acting],
        dependency=[dependency], joint=[0], engaged=[engaged], success=[0], participants=[list(who)], inferred=[0],
    )  # fmt: skip


def find(rules: Sequence[Rule], rule_id: str, trace: Trace, thresholds: Thresholds = SHORT) -> Finding:
    return next(rule for rule in rules if rule.id == rule_id).find(trace, thresholds)


def tally(rules: Sequence[Rule], rule_id: str, trace: Trace, thresholds: Thresholds = SHORT) -> tuple[int, int | None]:
    """Hits and opportunities."""
    finding = find(rules, rule_id, trace, thresholds)
    return len(finding.hits), finding.opportunities


def check_names(rule: Rule, trace: Trace, thresholds: Thresholds = SHORT) -> None:
    """Renaming the agents renames those in the incidents and changes nothing else."""
    n = trace.episode.n_agents
    names = [*range(1, n), 0]
    topology = dict(trace.episode.topology)
    hub = {"centralized": "leader", "hybrid": "leader", "star": "hub"}.get(topology.get("name", ""))
    if hub is not None:
        topology[hub] = names[topology.get(hub, 0)]
    other = renamed(trace, names)
    for event in other.events:
        if isinstance(event, Episode):
            event.topology = topology
        elif isinstance(event, Reaction):
            event.to = [names[agent] for agent in event.to]
    plain, again = rule.find(trace, thresholds), rule.find(other, thresholds)
    expected = [replace(hit, agents=tuple(sorted(names[agent] for agent in hit.agents))) for hit in plain.hits]
    assert plain.opportunities == again.opportunities
    assert sorted(expected, key=repr) == sorted(again.hits, key=repr)
    said = [rule.says, rule.opportunity, *(hit.note for hit in plain.hits)]
    assert not any(re.search(r"agent_\d|agents? \d", text) for text in said)


@cache
def episode(env_id: str, n_agents: int, topology: str, seed: int, max_steps: int = 120, noise: bool = False) -> Trace:
    """An episode of the scripted team; with `noise` the channel loses, doubles and delays copies."""
    channel = {"loss": 0.2, "duplicate": 0.1, "delay": 1} if noise else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode.jsonl.gz"
        emcoop.run_episode(
            env_id, n_agents=n_agents, planner="team", topology=topology, max_steps=max_steps, seed=seed, trace=path,
            channel=channel,
        )  # fmt: skip
        return read_trace(path)
