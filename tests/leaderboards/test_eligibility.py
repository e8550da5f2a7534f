"""Who may be ranked, recomputed from the registries whatever the record claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import emcoop
from emcoop.cognitive_layer import monitors, planners
from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.episode import Session
from emcoop.cognitive_layer.monitors import MonitorSpec
from emcoop.cognitive_layer.planners import PlannerSpec
from emcoop.leaderboards.eligibility import why_not_ranked
from emcoop.trace import Trace, schema


def run(**settings: Any) -> Trace:
    result = emcoop.run_episode("Cube-v0", n_agents=2, seed=1, max_steps=3, **settings)
    return Trace(list(result.events))


def record(**fields: Any) -> schema.Episode:
    made = {"planners": [{"name": "team"}], "topology": {"name": "individual"}, **fields}
    return schema.Episode(env_id="Cube-v0", env_kwargs={}, n_agents=2, max_steps=3, seed=1, **made)


@pytest.mark.parametrize("planner", ["random", "greedy", "team", ["team", "greedy"]])
def test_honest_teams_are_ranked(planner: Any) -> None:
    assert why_not_ranked(run(planner=planner, topology="decentralized", monitors=["feasibility"])) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"planner": "oracle"}, "planner 'oracle' knows what agents may not know"),
        ({"planner": ["team", "oracle"]}, "planner 'oracle' knows what agents may not know"),
        ({"planner": "team", "monitors": ["feasibility_privileged"]}, "monitor 'feasibility_privileged' uses"),
        ({"planner": "team", "monitors": ["feasibility", {"name": "feasibility_privileged"}]}, "uses what agents"),
        ({"planner": {"name": "scripted"}}, "planner 'scripted' may bring in what its script was written with"),
        ({"planner": "team", "channel": {"control": "mute"}}, "channel control 'mute'"),
        ({"planner": "team", "channel": {"control": "shuffle"}}, "channel control 'shuffle'"),
    ],
)
def test_others_are_not_and_the_reason_is_said(settings: Any, reason: str) -> None:
    trace = run(**settings)
    found = why_not_ranked(trace)
    assert len(found) == 1
    assert reason in found[0]
    assert why_not_ranked(trace.episode) == found


def test_the_flag_of_the_record_is_not_believed() -> None:
    trace = run(planner="oracle")
    assert trace.episode.privileged
    lying = msgspec.structs.replace(trace.episode, privileged=False)
    assert why_not_ranked(lying)
    humble = msgspec.structs.replace(record(), privileged=True)
    assert why_not_ranked(humble) == []


def test_objects_people_and_strangers_are_not_ranked() -> None:
    for name in ("human", "replay", "object:Own", "object:oracle", "nobody_knows_it"):
        assert len(why_not_ranked(record(planners=[{"name": name}]))) == 1
    assert why_not_ranked(record(planners=[])) == ["the record names no planner"]
    assert len(why_not_ranked(record(planners=[{}], monitors=[{}]))) == 2
    assert len(why_not_ranked(record(monitors=[{"name": "object:Spy"}]))) == 1


def test_a_seat_played_from_outside_is_found_in_the_trace() -> None:
    session = Session("Cube-v0", n_agents=2, planner="greedy", seed=1, max_steps=3, played=(1,))
    while not session.over:
        drive(session.think())
        session.act({1: 0})
    trace = Trace(list(session.finish().events))
    assert why_not_ranked(trace) == ["seat 1 was played from outside: no decision of its planner is on record"]
    assert why_not_ranked(trace.episode) == []


def test_third_parties_count_as_they_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    def plugins(group: str) -> dict[str, Callable[[], Any]]:
        return {
            "emcoop.planners": {
                "seer": lambda: PlannerSpec("seer", "sees all", "nowhere:at_all", privileged=True),
                "fair": lambda: PlannerSpec("fair", "plays fair", "nowhere:at_all"),
                "oracle": lambda: PlannerSpec("oracle", "no longer privileged", "nowhere:at_all"),
            },
            "emcoop.monitors": {"spy": lambda: MonitorSpec("spy", "spies", "nowhere:at_all", privileged=True)},
        }[group]

    monkeypatch.setattr(planners, "plugins", plugins)
    monkeypatch.setattr(monitors, "plugins", plugins)
    assert why_not_ranked(record(planners=[{"name": "fair"}])) == []
    assert why_not_ranked(record(planners=[{"name": "seer"}]))
    assert why_not_ranked(record(planners=[{"name": "oracle"}])), "nobody can register over a built-in name"
    assert why_not_ranked(record(monitors=[{"name": "spy"}]))
