"""Poison: what no agent can know must not change anything anybody thinks, says or is told.

Each world here exists twice, alike in all that the agents see or are told within the episode and different beyond.
Whoever thinks, says or plans differently in the two has looked where it may not. The oracle, which may, does.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cognitive_tools import of

import emcoop
from emcoop.cognitive_layer.planners.policy import PolicyPlanner
from emcoop.trace import schema

STEPS = 10
SEED = 31
THINKING = (
    schema.Plan,
    schema.Message,
    schema.Activation,
    schema.LlmCall,
    schema.Monitor,
    schema.Reaction,
    schema.Action,
)

NEAR = "..........T.............."
TOOLS = {"wood_pickaxe": 1, "stone_pickaxe": 1, "iron_pickaxe": 1}
FAR = {"true": "TTISDDIICCTTWWWSSLIIDDCC", "other": "........................"}


def crafter(beyond: str) -> dict[str, Any]:
    """Return a world of grass with three trees near the agents; from column 25 on it is as told."""
    letters = FAR[beyond].replace("W", "~")
    rows = [(NEAR if row in (10, 12, 14) else "." * 25) + letters for row in range(24)]
    return {
        "env_id": "MACrafter-L3-v0",
        "n_agents": 3,
        "options": {"map": rows, "agents": [[10, 2], [12, 2], [14, 3]], "inventory": [TOOLS] * 3},
        "env_kwargs": {"scarce": True},
    }


def cube(beyond: str) -> dict[str, Any]:
    """Return a board with one light block in sight and others far away, that are as told."""
    far = {"true": [[30, 20, 1], [35, 30, 2]], "other": [[20, 33, 2], [38, 25, 1]]}[beyond]
    return {
        "env_id": "Cube-v0",
        "n_agents": 3,
        "env_kwargs": {"grid_size": 40, "blocks": {1: 2, 2: 1}, "sight": 3},
        "options": {"agents": [[4, 4], [6, 4], [5, 2]], "blocks": [[4, 6, 1], *far]},
    }


WORLDS = {"cube": cube, "ma_crafter": crafter}
SCRIPT = {"name": "scripted", "calls": [["move", {"direction": "right", "steps": 3}]]}
PLANNERS = ("random", "greedy", "team", "llm:test/pocket")
TOPOLOGIES = ("individual", "centralized", "debate", "decentralized", "tree", "range")


def play(world: str, beyond: str, planner: Any, topology: str, **settings: Any) -> Any:
    setting = {"max_steps": STEPS, **WORLDS[world](beyond), **settings}
    result = emcoop.run_episode(setting.pop("env_id"), planner=planner, topology=topology, seed=SEED, **setting)
    assert result.status == "completed", result.error
    return result


def thoughts(result: Any) -> list[Any]:
    """Return everything that was thought, said and done."""
    acted = [step.actions for step in of(result, schema.Step)]
    return [[event for event in result.events if isinstance(event, THINKING)], acted]


@pytest.mark.parametrize("world", WORLDS)
def test_the_worlds_differ_and_who_may_look_sees_it(world: str) -> None:
    true, other = (play(world, beyond, "oracle", "individual", max_steps=40) for beyond in FAR)
    assert of(true, schema.Step)[0].state_hash != of(other, schema.Step)[0].state_hash
    assert thoughts(true) != thoughts(other)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize("world", WORLDS)
def test_no_planner_acts_on_what_nobody_can_know(world: str, planner: str, topology: str) -> None:
    settings = {"keep_text": True} if planner.startswith("llm") else {}
    true, other = (play(world, beyond, planner, topology, **settings) for beyond in FAR)
    assert thoughts(true) == thoughts(other)


def lean_on(observation: Any) -> int:
    """Choose a move that any change of the observation would change: a policy that uses all it gets."""
    parts = observation.values() if isinstance(observation, dict) else [observation]
    return 1 + zlib.crc32(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)) % 4


@pytest.mark.parametrize("world", WORLDS)
def test_what_policies_see_scripts_do_and_records_repeat_is_the_same(world: str, tmp_path: Path) -> None:
    teams: dict[str, Any] = {"policy": lambda: [PolicyPlanner(lean_on) for _ in range(3)], "scripted": lambda: SCRIPT}
    for name, team in teams.items():
        true, other = (play(world, beyond, team(), "individual") for beyond in FAR)
        assert thoughts(true) == thoughts(other), name
    trace = tmp_path / "true.jsonl"
    play(world, "true", "team", "decentralized", trace=trace)
    true, other = (play(world, beyond, f"replay:{trace}", "decentralized") for beyond in FAR)
    assert thoughts(true) == thoughts(other)


@pytest.mark.parametrize("world", WORLDS)
def test_what_a_person_is_shown_is_the_same(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for beyond in FAR:
        reading, writing = os.pipe()
        os.write(writing, b"wait 1\n" * 200)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            result = play(world, beyond, ["human", "team", "team"], "decentralized")
        shown.append((capsys.readouterr().err, thoughts(result)))
    assert shown[0] == shown[1]
    assert "agent 0" in shown[0][0]


@pytest.mark.parametrize("topology", ["individual", "decentralized"])
@pytest.mark.parametrize("planner", ["greedy", "team", "llm:test/pocket"])
@pytest.mark.parametrize("world", WORLDS)
def test_no_monitor_tells_what_nobody_can_know(world: str, planner: str, topology: str) -> None:
    true, other = (play(world, beyond, planner, topology, monitors=["feasibility"]) for beyond in FAR)
    assert thoughts(true) == thoughts(other)


@pytest.mark.parametrize("world", WORLDS)
def test_prompts_hold_neither_the_seed_nor_what_others_think(world: str) -> None:
    result = play(world, "true", "llm:test/pocket", "decentralized", keep_text=True)
    prompts = [text for call in of(result, schema.LlmCall) for _, text in call.prompt]
    assert prompts
    assert not any(str(SEED) in text.split() for text in prompts)
