"""Constraints of MA-Crafter's tasks: worlds counted by hand, what a success implies, what metrics make of it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import emcoop
from emcoop.envs.embodiment import TaskCount
from emcoop.envs.ma_crafter import rules as r
from emcoop.registration import make_embodiment

Cell = tuple[int, int]
IRON = "iron@4,5"
MAKE = "make_iron_pickaxe"
MAKES = r.ACTIONS.index(MAKE)
PICKAXES = {"wood_pickaxe": 1, "stone_pickaxe": 1}
KIT = {"wood": 1, "coal": 1, "iron": 1}
ROWS = ["............"] * 4 + [".....I......"] + ["............"] * 6
SHOP = ["............"] * 4 + [".....F......"] + ["............"] * 6


def world_of(
    rows: Sequence[str],
    agents: Sequence[Cell],
    facing: Sequence[str] | None = None,
    inventory: Sequence[Mapping[str, int]] | None = None,
    **more: Any,
) -> Any:
    world = make_embodiment("MACrafter-v0", n_agents=len(agents), **{"mode": "creative", **more})
    options: dict[str, Any] = {"map": list(rows), "agents": [list(cell) for cell in agents]}
    if facing is not None:
        options["facing"] = list(facing)
    if inventory is not None:
        options["inventory"] = [dict(bag) for bag in inventory]
    world.reset(0, options)
    return world


def count(world: Any, actions: Sequence[int], committed: Sequence[str]) -> dict[str, TaskCount]:
    return {found.task: found for found in world.count(actions, committed)}


def numbers(found: TaskCount) -> list[int]:
    """Return the counts in the order required, committed, in place, acting, dependency, joint, engaged, inferred."""
    return [
        found.required, found.committed, found.in_place, found.acting, found.dependency, found.joint, found.engaged,
        found.inferred,
    ]  # fmt: skip


# A resource ------------------------------------------------------------------------------------------------------


def test_one_world_counted_by_hand() -> None:
    """0 to 2 stand beside the iron, 3 is far away, 4 beside it without a tool."""
    agents = [(4, 4), (3, 5), (4, 6), (9, 9), (5, 5)]
    world = world_of(ROWS, agents, ["right", "down", "up", "up", "up"], [PICKAXES] * 4 + [{}])
    found = count(world, [r.DO, r.NOOP, r.DO, r.NOOP, r.DO], [IRON, IRON, "", IRON, IRON])
    assert list(found) == [IRON], "agent 2 faces grass: it looks for a sapling"
    assert numbers(found[IRON]) == [
        3,
        3,  # 0, 1 and 3 say so and hold the tool; 4 does not hold it
        4,  # 0, 1, 2, 4
        1,  # 0
        1,  # 0 to 3 hold the tool
        1,  # 0
        3,  # 0, 1 and, for all its lack of a tool, 4
        0,
    ]
    assert found[IRON].participants == [0, 1, 3]


def test_a_success_is_visible_as_a_success() -> None:
    world = world_of(ROWS, [(4, 4), (3, 5), (4, 6)], ["right", "down", "left"], [PICKAXES] * 3)
    found = count(world, [r.DO] * 3, ["", IRON, ""])
    assert numbers(found[IRON]) == [3, 3, 3, 3, 1, 3, 3, 2]
    assert world.step([r.DO] * 3).achieved == {IRON}
    assert world.count([r.DO] * 3, [IRON] * 3) == [], "there is nothing there any more"


def test_a_declaration_counts_before_what_the_agent_does() -> None:
    rows = ["............"] * 4 + [".....I..T..."] + ["............"] * 6
    world = world_of(rows, [(4, 4)], ["right"], [PICKAXES])
    assert count(world, [r.DO], [""])[IRON].inferred == 1
    assert count(world, [r.DO], [IRON])[IRON].inferred == 0
    assert list(count(world, [r.DO], ["tree@4,8"])) == ["tree@4,8"], "who names another task is no helper"
    assert list(count(world, [r.DO], [MAKE])) == [MAKE]


def test_nobody_committed_nothing_counted() -> None:
    world = world_of(ROWS, [(4, 4), (9, 9)], ["right", "up"], [PICKAXES] * 2)
    assert world.count([r.NOOP, r.DO], ["", ""]) == []


@pytest.mark.parametrize(
    "task",
    [
        "iron@4,6", "coal@4,5", "iron@04,5", "iron@4,٥", "iron@4,5,6", "iron@-4,5", "iron@4", "iron", "iron@40,5",
        "iron@4,500", "water@0,0", "grass@0,0", "make_wood", "make_", "MAKE_IRON_PICKAXE", "place_furnace", "tower",
    ],
)  # fmt: skip
def test_a_task_that_does_not_exist_counts_as_none_declared(task: str) -> None:
    world = world_of(ROWS, [(4, 4)], ["right"], [PICKAXES])
    assert world.count([r.NOOP], [task]) == []
    assert count(world, [r.DO], [task])[IRON].inferred == 1


def test_a_task_has_to_be_discovered() -> None:
    rows = ["." * 30] * 4 + ["." * 29 + "I"] + ["." * 30] * 4
    world = world_of(rows, [(4, 2), (5, 2)])
    assert world.count([r.NOOP] * 2, ["iron@4,29"] * 2) == []
    world = world_of(rows, [(4, 2), (5, 27)])
    assert list(count(world, [r.NOOP] * 2, ["iron@4,29", ""])) == ["iron@4,29"], "the other has seen it"


def test_without_tools_the_dependency_fails_first() -> None:
    world = world_of(ROWS, [(4, 4), (3, 5), (4, 6)], ["right", "down", "left"])
    found = count(world, [r.DO] * 3, [IRON] * 3)[IRON]
    assert (found.committed, found.in_place, found.dependency, found.joint, found.engaged) == (0, 3, 0, 0, 3)


def test_the_radius_of_a_level_is_the_place() -> None:
    agents = [(4, 3), (2, 5), (3, 3), *[(10, col) for col in range(9)]]
    world = world_of(ROWS, agents, None, [PICKAXES] * 12, level="scaled")
    found = count(world, [r.NOOP] * 12, [IRON] * 12)[IRON]
    assert world.env.settings.coop.radius["iron"] == 2
    assert (found.required, found.in_place) == (4, 2)


def test_who_sleeps_does_not_act() -> None:
    world = world_of(ROWS, [(4, 4), (3, 5), (4, 6)], ["right", "down", "left"], [PICKAXES] * 3, mode="survival")
    world.env.world.agents()[1, [6, 11]] = 3, 1
    found = count(world, [r.DO] * 3, [IRON] * 3)[IRON]
    assert (found.in_place, found.acting, found.joint) == (3, 2, 2)
    assert world.step([r.DO] * 3).achieved == frozenset()


# Making ----------------------------------------------------------------------------------------------------------


def test_making_counted_by_hand() -> None:
    """0 and 1 are near the furnace, 1 holds the ingredients; 2 is not there yet."""
    world = world_of(SHOP, [(4, 4), (3, 6), (9, 9)], None, [{}, KIT, {}])
    found = count(world, [MAKES, MAKES, r.NOOP], ["", MAKE, MAKE])
    assert numbers(found[MAKE]) == [2, 3, 2, 2, 1, 2, 2, 1]
    assert world.step([MAKES, MAKES, r.NOOP]).achieved == {MAKE}


def test_makers_at_different_furnaces_do_not_add_up() -> None:
    rows = ["............"] * 4 + [".F.........F"] + ["............"] * 6
    world = world_of(rows, [(4, 0), (4, 10)], None, [KIT, KIT])
    found = count(world, [MAKES] * 2, [MAKE] * 2)
    assert numbers(found[MAKE]) == [2, 2, 1, 1, 1, 1, 2, 0]
    assert world.step([MAKES] * 2).achieved == frozenset()


@pytest.mark.parametrize(
    ("rows", "bags"), [(ROWS, [KIT, KIT]), (SHOP, [{"coal": 1, "wood": 1}, {"iron": 1}])], ids=["station", "kit"]
)
def test_making_depends_on_a_station_and_on_one_full_kit(rows: list[str], bags: list[dict[str, int]]) -> None:
    world = world_of(rows, [(4, 4), (3, 4)], None, bags)
    found = count(world, [MAKES] * 2, [MAKE] * 2)[MAKE]
    assert (found.dependency, found.joint, found.committed, found.engaged) == (0, 0, 2, 2)


def test_a_kit_counts_when_its_holder_is_on_the_way() -> None:
    world = world_of(SHOP, [(4, 4), (10, 10)], None, [{}, KIT])
    assert count(world, [r.NOOP] * 2, [MAKE] * 2)[MAKE].dependency == 1
    assert count(world, [r.NOOP] * 2, [MAKE, ""])[MAKE].dependency == 0, "who has a kit but other plans is no leader"


def test_both_stations_are_needed_where_the_rules_say_so() -> None:
    both = ["............"] * 4 + [".....FB....."] + ["............"] * 6
    for rows, place in ((SHOP, 0), (both, 2)):
        world = world_of(rows, [(3, 5), (3, 6)], None, [KIT, {}], preset="crafter")
        found = count(world, [MAKES] * 2, [MAKE] * 2)[MAKE]
        assert (found.in_place, found.joint) == (place, place)
        assert world.step([MAKES] * 2).achieved == ({MAKE} if place else frozenset())


def test_tasks_come_in_a_fixed_order() -> None:
    rows = ["............"] * 4 + [".T...I...T.."] + ["............"] * 6
    world = world_of(rows, [(4, 4), (3, 5), (4, 2), (4, 10), (0, 0)], None, [PICKAXES] * 5)
    declared = [MAKE, IRON, "tree@4,9", "tree@4,1", "make_wood_pickaxe"]
    names = [found.task for found in world.count([r.NOOP] * 5, declared)]
    assert names == ["tree@4,1", IRON, "tree@4,9", "make_wood_pickaxe", MAKE]


@pytest.mark.parametrize("case", range(12))
def test_whatever_succeeds_was_jointly_met(case: int) -> None:
    rng = random.Random(case)
    level = rng.choice(["L1", "L2", "L3", "scaled"])
    n, side = rng.randint(2, 9), 9
    rows = ["".join(rng.choice("......TTSCIDFB#") for _ in range(side)) for _ in range(side)]
    cells = rng.sample([(row, col) for row in range(side) for col in range(side)], n)
    rows = ["".join("." if (y, x) in cells else letter for x, letter in enumerate(row)) for y, row in enumerate(rows)]
    bag = {**PICKAXES, "iron_pickaxe": 1, "wood": 5, "coal": 5, "iron": 5, "stone": 5}
    world = world_of(rows, cells, None, [bag] * n, level=level)
    successes = 0
    for _ in range(60):
        likely = [r.LEFT, r.RIGHT, r.UP, r.DOWN, r.DO, r.DO, r.DO, r.MAKE_WOOD_PICKAXE, MAKES]
        actions = [rng.choice(likely) for _ in range(n)]
        before = world.state_hash()
        found = count(world, actions, [""] * n)
        assert world.state_hash() == before
        for task in found.values():
            assert task.committed == task.inferred == len(task.participants) > 0
            assert task.joint <= min(task.committed, task.acting) <= task.acting <= task.in_place
        achieved = world.step(actions).achieved
        for name in achieved:
            assert found[name].joint >= found[name].required, name
        for name, task in found.items():
            if "@" in name:
                assert (task.joint >= task.required) == (name in achieved), name
        successes += len(achieved)
    assert successes


# What the metrics make of it -------------------------------------------------------------------------------------


def metrics(
    calls: Sequence[Sequence[tuple[str, Mapping[str, Any]]]],
    agents: Sequence[Cell],
    tasks: Sequence[str] = (),
    **options: Any,
) -> Any:
    script = [[list(entry) for entry in one] for one in calls]
    result = emcoop.run_episode(
        "MACrafter-v0",
        n_agents=len(agents),
        planner={"name": "scripted", "calls": script, "tasks": list(tasks)},
        max_steps=30,
        env_kwargs={"mode": "creative"},
        options={"map": ROWS, "agents": [list(cell) for cell in agents], **options},
    )
    assert result.status == "completed", result.error
    return result.metrics


COLLECT = ("collect", {"resource": "iron", "target": [4, 5], "patience": 8})
PLACES = [(4, 4), (3, 5), (4, 6)]
WAIT = ("wait", {"steps": 20})
SHORT = ("dependency", "participation", "spatial", "temporal", "other")


def shares(found: Any) -> dict[str, float]:
    """Return what failed attempts were first short of."""
    return {kind: found[f"first_failing_{kind}"] for kind in SHORT if found[f"first_failing_{kind}"] != 0.0}


def test_enough_agents_at_the_same_time_is_no_failure() -> None:
    found = metrics([[COLLECT]] * 3, PLACES, inventory=[PICKAXES] * 3)
    assert (found["attempts_total"], found["failed_attempts"]) == (1.0, 0.0)
    assert math.isnan(found["first_failing_participation"])


def test_one_agent_short_is_short_of_participants() -> None:
    found = metrics([[COLLECT], [COLLECT], []], PLACES, inventory=[PICKAXES] * 3)
    assert found["attempts_total"] == 1.0
    assert shares(found) == {"participation": 1.0}


def test_one_agent_on_its_way_is_short_of_place() -> None:
    away = [(4, 4), (3, 5), (9, 9)]
    found = metrics([[COLLECT, WAIT], [COLLECT, WAIT], [WAIT]], away, [IRON] * 3, inventory=[PICKAXES] * 3)
    assert shares(found) == {"spatial": 1.0}


def test_one_agent_late_is_short_of_time() -> None:
    """0 and 1 see 2 beside the iron and harvest as long as they have patience; 2 has promised to, but waits."""
    found = metrics([[COLLECT, WAIT], [COLLECT, WAIT], [WAIT]], PLACES, [IRON] * 3, inventory=[PICKAXES] * 3)
    assert found["failed_attempts"] == 1.0
    assert shares(found) == {"temporal": 1.0}


def test_a_team_without_tools_fails_for_its_dependency() -> None:
    found = metrics([[COLLECT]] * 3, PLACES)
    assert found["attempts_total"] == 1.0
    assert shares(found) == {"dependency": 1.0}
    assert found["participation_satisfaction"] == 0.0
