"""What a view says against a plan before it is committed: what it names that is not there, what it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from emcoop.envs.embodiment import ActionCall
from emcoop.registration import make_embodiment

GRASS = ["." * 20] * 12


def crafter(level: str = "L1", **inventory: int) -> Any:
    world = make_embodiment(f"MACrafter-{level}-v0", n_agents=2)
    world.reset(0, {"map": GRASS, "agents": [[3, 3], [4, 4]], "inventory": [inventory, {}]})
    return world.view(0)


def cube() -> Any:
    world = make_embodiment("Cube-v0", n_agents=2, grid_size=12, blocks={1: 1}, sight=3)
    world.reset(0, {"agents": [[3, 3], [4, 4]], "blocks": [[3, 5, 1], [9, 9, 1]]})
    return world.view(0)


def calls(*written: tuple[str, dict[str, Any]]) -> list[ActionCall]:
    return [ActionCall(concept, args) for concept, args in written]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (("push", {"block": 0, "face": "left", "steps": 2}), ""),
        (("push", {"block": 1, "face": "left", "steps": 2}), "call 1, push: you know of no block 1; you know of 0"),
        (("navigate", {"target": 2}), "call 1, navigate: there is no agent 2; agents are 0 to 1"),
        (
            ("navigate", {"target": [3, 12]}),
            "call 1, navigate: cell [3, 12] is not on the board of 12 rows and columns",
        ),
        (("navigate", {"target": "goal"}), ""),
        (
            ("rendezvous", {"block": 0, "face": "left", "count": 3}),
            "call 1, rendezvous: count is 3, and the team has 2 agents",
        ),
    ],
)
def test_cube(call: tuple[str, dict[str, Any]], problem: str) -> None:
    assert cube().problem(calls(call)) == problem


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ([("collect", {"resource": "tree"})], ""),
        ([("collect", {"resource": "stone"})], "call 1, collect: it takes 1 more wood_pickaxe than you have then"),
        ([("craft", {"item": "wood_pickaxe"}), ("collect", {"resource": "stone"})], ""),
        (
            [("craft", {"item": "wood_pickaxe"}), ("craft", {"item": "wood_sword"})],
            "call 2, craft: it takes 1 more wood than you have then",
        ),
        ([("regroup", {"target": 1, "count": 2}), ("collect", {"resource": "stone"})], ""),
        (
            [("share", {"agent": 1, "item": "wood", "quantity": 2})],
            "call 1, share: it takes 1 more wood than you have then",
        ),
        ([("share", {"agent": 2, "item": "wood"})], "call 1, share: there is no agent 2; agents are 0 to 1"),
        (
            [("collect", {"resource": "tree", "target": [12, 0]})],
            "call 1, collect: cell [12, 0] is not on the map of 12 rows and 20 columns",
        ),
        ([("place", {"object": "plant"})], "call 1, place: it takes 1 more sapling than you have then"),
        ([("collect", {"resource": "sapling"}), ("place", {"object": "plant"})], ""),
    ],
)
def test_ma_crafter(plan: list[tuple[str, dict[str, Any]]], problem: str) -> None:
    assert crafter(wood=1).problem(calls(*plan)) == problem


def test_what_a_recipe_says_speaks_for_itself() -> None:
    view = cube()
    task = next(task for task in view.tasks() if task.available)
    assert view.problem(view.recipe(task.id, task.required)) == ""
