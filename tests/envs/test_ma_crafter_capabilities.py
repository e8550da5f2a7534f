"""What agents gain and lose is in the trace, with its cause, and adds up to what they hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import emcoop
from emcoop.envs.ma_crafter import rules as r
from emcoop.trace import schema

MAP = [
    "........",
    "..T.....",
    "........",
    "...S....",
    "........",
    "........",
]


def play(
    calls: Any, inventory: Any, agents: Any, level: str = "L1", **settings: Any
) -> list[tuple[int, str, int, str]]:
    """Return the capability records of a scripted episode as `(agent, item, delta, cause)`."""
    result = emcoop.run_episode(
        f"MACrafter-{level}-v0",
        n_agents=len(agents),
        planner={"name": "scripted", "calls": calls},
        options={"map": MAP, "agents": agents, "inventory": inventory},
        max_steps=30,
        **settings,
    )
    assert result.status == "completed", result.error
    events = [event for event in result.events if isinstance(event, schema.Capability)]
    return [(event.agent, event.item, event.delta, event.cause) for event in events]


def test_collecting_placing_and_making() -> None:
    calls = [
        [
            ["collect", {"resource": "tree"}],
            ["place", {"object": "table"}],
            ["craft", {"item": "wood_pickaxe"}],
            ["collect", {"resource": "stone"}],
        ]
    ]
    found = play(calls, [{"wood": 4}], [[1, 1]])
    assert found[0] == (0, "wood", 1, "collect")
    placed = [entry for entry in found if entry[3] == "use"]
    made = [entry for entry in found if entry[3] == "craft"]
    assert [entry[1] for entry in placed] == ["wood"]
    assert ("wood_pickaxe", 1) in [(item, delta) for _, item, delta, _ in made]
    assert all(delta < 0 for _, item, delta, _ in made if item == "wood")
    assert found[-1] == (0, "stone", 1, "collect")


def test_sharing_is_a_loss_and_a_gain() -> None:
    calls = [[["share", {"agent": 1, "item": "wood", "quantity": 2}]], [["wait", {"steps": 20}]]]
    found = play(calls, [{"wood": 3}, {}], [[1, 3], [1, 5]])
    assert sorted(found) == [(0, "wood", -2, "share"), (1, "wood", 2, "share")]


@pytest.mark.parametrize(("planner", "topology"), [("team", "decentralized"), ("random", "individual")])
def test_the_records_add_up_to_what_agents_hold(planner: str, topology: str) -> None:
    result = emcoop.run_episode(
        "MACrafter-L3-v0", n_agents=3, planner=planner, topology=topology, seed=2, max_steps=200
    )
    totals: Counter[tuple[int, str]] = Counter()
    bags: dict[int, list[int]] = {}
    for event in result.events:
        if isinstance(event, schema.Capability):
            totals[event.agent, event.item] += event.delta
            assert event.cause in ("collect", "craft", "use", "share", "loot")
        elif isinstance(event, schema.World):
            bags.update({int(name[5:]): values[1:] for name, values in event.objects.items()})
    for agent, bag in bags.items():
        assert {item: count for item, count in zip(r.ITEMS, bag) if count} == {
            item: totals[agent, item] for item in r.ITEMS if totals[agent, item]
        }
    if planner == "team":
        assert result.metrics["capability_gain"] > 0
