"""What planners are told of MA-Crafter: tasks, ways, recipes, facts; and what teams make of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ma_crafter_script import paint, world_of

import emcoop
from emcoop.envs.embodiment import FAR, NEVER, Failed
from emcoop.envs.ma_crafter import world as w
from emcoop.registration import make_embodiment
from emcoop.rng import generator

MEADOW = ["." * 21] * 15


def with_cells(cells: dict[tuple[int, int], str]) -> list[str]:
    return paint(MEADOW, *((row, col, letter) for (row, col), letter in cells.items()))


def told(value: Any, step: int = 0) -> Any:
    return SimpleNamespace(value=value, step=step)


def names(view: Any) -> list[str]:
    return [task.id for task in view.tasks()]


# Tasks ----------------------------------------------------------------------------------------------------------------


def test_only_cells_the_agent_has_seen_are_tasks() -> None:
    rows = with_cells({(7, 12): "T", (7, 20): "T"})
    view = world_of(rows, [(7, 10)]).view(0)
    assert names(view) == ["tree@7,12"]
    assert view.task("tree@7,20") is None
    assert names(world_of(rows, [(7, 10)]).view(0, everything=True)) == ["tree@7,12", "tree@7,20"]


def test_a_cell_told_by_a_message_is_a_task() -> None:
    world = world_of(with_cells({(7, 20): "T"}), [(7, 10)])
    world.learn([0], {"cell:7,20": told("tree")})
    assert names(world.view(0)) == ["tree@7,20"]


def test_a_told_cell_that_holds_nothing_ends_in_target_gone() -> None:
    world = world_of(MEADOW, [(7, 10)])
    world.learn([0], {"cell:7,16": told("tree")})
    (call,) = world.view(0).recipe("tree@7,16", 1)
    controller = world.controller(0, call)
    for _ in range(10):
        status = controller.status()
        if isinstance(status, Failed):
            break
        world.step([controller.act()])
    assert isinstance(status, Failed)
    assert status.reason == "target_gone"


def test_tasks_state_quorum_and_points_and_end_with_the_demand() -> None:
    world = world_of(with_cells({(7, 12): "C", (7, 9): "T"}), [(7, 10), (8, 10)], [{"wood_pickaxe": 1}] * 2, level="L3")
    coal = world.view(0).task("coal@7,12")
    assert (coal.required, coal.available) == (2, True)
    assert coal.value >= world.env.settings.coop.points["coal"]
    world.env.world.rows[0, w.HARVESTED + 6] = world.env.settings.coop.demand["tree"]
    assert world.view(0).task("tree@7,9") is None


def test_what_takes_more_agents_than_there_are_is_not_available() -> None:
    view = world_of(with_cells({(7, 12): "I"}), [(7, 10), (7, 8)], [{"stone_pickaxe": 1}] * 2, level="L3").view(0)
    assert not view.task("iron@7,12").available


def test_a_diamond_is_available_once_enough_agents_have_the_pickaxe() -> None:
    rows = with_cells({(7, 12): "D"})
    for count in range(4):
        bags = [{"iron_pickaxe": 1}] * count + [{}] * (3 - count)
        view = world_of(rows, [(7, 10), (6, 10), (8, 10)], bags, level="L3").view(0)
        assert view.task("diamond@7,12").available == (count == 3)


def test_ore_around_a_diamond_without_room_is_cleared_away_first() -> None:
    cells = {(7, 12): "D", (6, 12): "C", (8, 12): "C", (7, 13): "L"}
    bags = [{"iron_pickaxe": 1}] * 3
    world = world_of(with_cells(cells), [(7, 9), (6, 9), (8, 9)], bags, level="L3")
    coal = world.env.settings.coop.demand["coal"]
    world.env.world.rows[0, w.HARVESTED + 8] = coal
    view = world.view(0)
    assert not view.task("diamond@7,12").available
    assert {"coal@6,12", "coal@8,12"} <= set(names(view))


def test_a_pickaxe_of_iron_is_a_task_for_as_many_as_it_takes() -> None:
    rows = with_cells({(7, 12): "F", (3, 10): "D"})
    kit = {"wood": 1, "coal": 1, "iron": 1}
    view = world_of(rows, [(7, 10), (6, 10), (8, 10)], [kit, {}, {}], level="L3").view(0)
    make = view.task("make_iron_pickaxe")
    assert (make.required, make.available) == (2, True)
    steps = view.travel("make_iron_pickaxe", [0, 1, 2])
    assert steps[0] == min(steps)  # nothing is made without the ingredients


def test_who_has_its_pickaxe_helps_only_if_nobody_else_can() -> None:
    rows = with_cells({(7, 12): "F", (3, 10): "D"})
    kit, done = {"wood": 1, "coal": 1, "iron": 1}, {"iron_pickaxe": 1}
    helped = world_of(rows, [(7, 10), (6, 10), (8, 10)], [kit, done, {}], level="L3").view(0)
    assert helped.travel("make_iron_pickaxe", [1]) == [NEVER]
    alone = world_of(rows, [(7, 10), (6, 10), (8, 10)], [kit, done, done], level="L3").view(0)
    assert alone.travel("make_iron_pickaxe", [1])[0] < NEVER


def test_travel_knows_nothing_of_agents_never_seen_and_all_of_nobody() -> None:
    view = world_of(with_cells({(7, 3): "T"}), [(7, 5), (7, 20)]).view(0)
    assert view.travel("tree@7,3", [1]) == [FAR]
    assert view.travel("tree@7,3", []) == []


def test_positions_told_are_used_for_travel() -> None:
    world = world_of(with_cells({(7, 3): "T"}), [(7, 5), (7, 20)])
    world.learn([0], {"agent1": told([7, 15, 0, 0])})
    assert world.view(0).travel("tree@7,3", [1]) == [12]


# Facts and calls ------------------------------------------------------------------------------------------------------


def test_what_is_about_a_task_lets_another_agent_take_part() -> None:
    world = world_of(with_cells({(7, 20): "T"}), [(7, 17), (7, 2)])
    assert world.view(1).task("tree@7,20") is None
    world.learn([1], {key: told(value) for key, value in world.view(0).about("tree@7,20").items()})
    assert world.view(1).task("tree@7,20") is not None


def test_news_tell_ores_once_and_oneself_always() -> None:
    view = world_of(with_cells({(7, 12): "I", (7, 8): "T"}), [(7, 10)]).view(0)
    assert view.news(5) == {"cell:7,12": "iron", "agent0": [7, 10, 0, 0]}
    assert view.news(5) == {"agent0": [7, 10, 0, 0]}


def test_a_recipe_prepares_what_one_can_make_alone() -> None:
    view = world_of(with_cells({(7, 8): "T", (7, 12): "S"}), [(7, 10)], level="L1").view(0)
    concepts = [call.concept for call in view.recipe("stone@7,12", 1)]
    assert concepts == ["collect", "collect", "collect", "navigate", "place", "craft", "collect"]


def test_the_thirsty_drink_first() -> None:
    world = world_of(with_cells({(7, 8): "T", (5, 10): "~"}), [(7, 10)], mode="peaceful")
    world.env.world.agents()[0, w.DRINK] = 1
    assert [call.concept for call in world.view(0).recipe("tree@7,8", 1)] == ["drink", "collect"]


def test_who_has_fallen_has_no_tasks_and_waits() -> None:
    world = world_of(with_cells({(7, 8): "T"}), [(7, 10)])
    world.env.world.agents()[0, w.STATUS] = w.GONE
    view = world.view(0)
    assert view.tasks() == ()
    assert [call.concept for call in view.idle()] == ["wait"]
    assert "fallen" in view.text()


def test_every_sampled_call_has_a_controller() -> None:
    world = make_embodiment("MACrafter-v0", n_agents=3)
    world.reset(1)
    rng, seen = generator(0, "sample"), set()
    for _ in range(400):
        call = world.view(0).sample(rng.random)
        seen.add(call.concept)
        assert hasattr(world.controller(0, call), "act"), call
    assert seen == set(world.concepts)


def test_an_argument_left_to_the_agent_may_be_null() -> None:
    from emcoop.envs.embodiment import ActionCall

    world = world_of(with_cells({(7, 8): "T"}), [(7, 10)])
    assert hasattr(world.controller(0, ActionCall("collect", {"resource": "tree", "target": None})), "act")


def test_the_text_names_costs_points_and_whole_kits_only() -> None:
    rows = with_cells({(7, 12): "C"})
    text = (
        world_of(rows, [(7, 10), (7, 9), (7, 8)], [{}, {"wood": 1}, {"wood": 1, "coal": 1, "iron": 1}]).view(0).text()
    )
    assert "place table (2 wood)" in text
    assert "75 points" in text
    assert text.count("all it takes for an iron pickaxe") == 1


# Teams ----------------------------------------------------------------------------------------------------------------


def scores(planner: str, topology: str, seeds: range, **more: Any) -> np.ndarray[Any, Any]:
    found = []
    for seed in seeds:
        episode = emcoop.run_episode(
            "MACrafter-L3-v0", n_agents=3, planner=planner, topology=topology, seed=seed, max_steps=300, **more
        )
        assert episode.status == "completed", episode.error
        found.append(episode.score)
    return np.array(found)


def test_a_team_that_talks_does_better_than_one_that_cannot() -> None:
    seeds = range(100, 112)
    talking = scores("team", "decentralized", seeds)
    muted = scores("team", "decentralized", seeds, channel={"control": "mute"})
    assert (talking - muted).mean() > 0.1
    assert (talking >= muted).sum() >= 9


def test_random_is_below_greedy_is_below_a_team() -> None:
    seeds = range(100, 108)
    ladder = [scores(planner, topology, seeds).mean() for planner, topology in (
        ("random", "individual"), ("greedy", "individual"), ("team", "decentralized")
    )]  # fmt: skip
    assert ladder[0] + 0.05 < ladder[1] < ladder[2] - 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("env", "n"), [("MACrafter-L1-v0", 1), ("MACrafter-L3-v0", 3)])
@pytest.mark.parametrize("seed", [100, 101, 102])
def test_the_oracle_finds_a_diamond(env: str, n: int, seed: int) -> None:
    episode = emcoop.run_episode(env, n_agents=n, planner="oracle", seed=seed, max_steps=2000)
    assert episode.score == 1.0


@pytest.mark.slow
def test_256_agents_agree_among_themselves(tmp_path: Any) -> None:
    from emcoop.replaying import replay

    path = tmp_path / "large.jsonl.gz"
    settings = {"level": "scaled", "area": "auto"}
    episode = emcoop.run_episode(
        "MACrafter-v0", n_agents=256, env_kwargs=settings, planner="team", topology="decentralized", seed=0,
        max_steps=500, trace=str(path),
    )  # fmt: skip
    assert (episode.status, episode.steps) == ("completed", 500)
    assert 0 < episode.score <= 1
    trace = emcoop.read_trace(str(path))
    assert emcoop.score_trace(trace) == episode.metrics
    assert replay(trace) == 500
