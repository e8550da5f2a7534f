"""Poison: what no agent can know must not change anything anybody thinks, says or is told.

Each world here exists twice, alike in all that the agents see or are told within the episode and different beyond.
Whoever thinks, says or plans differently in the two has looked where it may not. The oracle, which may, does.
"""

from __future__ import annotations

from typing import Any

import pytest
from cognitive_tools import of

import emcoop
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
