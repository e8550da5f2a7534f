"""Stages: only the allowed changes, in every trace of every team."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from cognitive_tools import PLANNERS, TOPOLOGIES, check_stages, of

import emcoop
from emcoop.cognitive_layer.stages import InvalidTransition, Stage, check_transition
from emcoop.trace import schema

N = 6
ALLOWED = ("RW", "WX", "XR", "WI", "XI", "IW")


@pytest.mark.parametrize(("before", "after"), [*itertools.product("RWXI", repeat=2)])
def test_only_six_changes_of_stage_exist(before: str, after: str) -> None:
    if before + after in ALLOWED:
        check_transition(3, Stage(before), Stage(after))
    else:
        with pytest.raises(InvalidTransition, match="agent 3"):
            check_transition(3, Stage(before), Stage(after))


def trace_of(planner: Any, topology: str, **settings: Any) -> Any:
    return emcoop.run_episode(
        "Cube-v0", n_agents=N, planner=planner, topology=topology, seed=4, max_steps=60, **settings
    )


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("planner", PLANNERS, ids=lambda p: p if isinstance(p, str) else p["name"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"thinking_rounds": 3},
        {"thinking_rounds": [1, 4], "channel": {"loss": 0.2, "delay": 1}},
        {"budgets": {"decisions_per_step": 2, "rounds_per_step": 3}},
    ],
    ids=["plain", "slow", "uneven", "short"],
)
def test_every_trace_replays_through_the_stages(planner: Any, topology: str, settings: dict[str, Any]) -> None:
    result = trace_of(planner, topology, **settings)
    assert result.status == "completed", result.error
    check_stages(result.events, N)
    rounds = of(result, schema.Round)
    assert rounds
    assert all(r.reason + r.wait + r.execute + r.interrupt == N for r in rounds)
    assert [r.c for r in rounds] == list(range(1, len(rounds) + 1))
    clocks = [(event.t, event.c) for event in result.events]
    assert clocks == sorted(clocks)
    assert [c for _, c in clocks] == sorted(c for _, c in clocks)


def test_a_talking_team_interrupts_and_resumes() -> None:
    changes = {(e.before, e.after, e.cause) for e in of(trace_of("team", "decentralized"), schema.Stage)}
    assert {("R", "W", "commit"), ("W", "X", "all_ready"), ("X", "R", "done")} <= changes
    assert ("I", "W", "resume") in changes
    assert changes & {("W", "I", "message"), ("X", "I", "message")}
