"""The rules of MA-Crafter, continued: needs, falls, score, and Crafter's 22 achievements."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from ma_crafter_scenes import ENGINES, Play, scene, told
from ma_crafter_state import State

import emcoop
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.settings import make_settings


@pytest.fixture(params=ENGINES)
def play(request: pytest.FixtureRequest) -> Play:
    return ENGINES[request.param]


# 8. Needs


def changes(play: Play, state: State, need: str, steps: int, *actions: str) -> list[tuple[int, int]]:
    """Return in which steps, counted from 1, a need of agent 0 changed, and by how much."""
    values = [getattr(state.agents[0], need)]
    for _ in range(steps):
        state = play(state, *actions).state
        values.append(getattr(state.agents[0], need))
    return [(number, b - a) for number, (a, b) in enumerate(pairwise(values), 1) if a != b]


@pytest.mark.parametrize(("need", "every"), [("food", 26), ("drink", 21), ("energy", 31)])
def test_needs_of_who_is_awake(play: Play, need: str, every: int) -> None:
    state = scene("0", mode="survival", preset="crafter")
    assert changes(play, state, need, 4 * every) == [(k * every, -1) for k in range(1, 5)]


@pytest.mark.parametrize(("need", "every", "by"), [("food", 51, -1), ("drink", 41, -1), ("energy", 11, 1)])
def test_needs_of_who_sleeps(play: Play, need: str, every: int, by: int) -> None:
    state = scene("0", agents={0: {"asleep": True, "energy": 2}})
    assert changes(play, state, need, every + 5) == [(every, by)]


def test_who_is_tired_and_falls_asleep_rests_from_nought(play: Play) -> None:
    state = scene("0", agents={0: {"asleep": True, "energy": 2, "fatigue": 40}})
    assert play(state).state.agents[0].fatigue == 0
    assert changes(play, state, "energy", 12) == [(12, 1)]


@pytest.mark.parametrize(
    ("facts", "every", "by"),
    [
        ({}, 26, 1),
        ({"asleep": True, "energy": 0}, 13, 1),  # asleep energy may be 0
        ({"food": 0}, 16, -1),
        ({"drink": 0}, 16, -1),
        ({"energy": 0}, 16, -1),
        ({"asleep": True, "energy": 3, "food": 0}, 31, -1),
    ],
)
def test_health_follows_the_needs(play: Play, facts: dict[str, Any], every: int, by: int) -> None:
    state = scene("0", agents={0: {"health": 5} | facts})
    assert changes(play, state, "health", every + 2) == [(every, by)]


def test_needs_stay_between_0_and_9(play: Play) -> None:
    last = {"hunger": 50, "thirst": 40, "fatigue": 60, "recovery": 50, "food": 0, "drink": 0, "energy": 0, "health": 9}
    after = play(scene("0", agents={0: last | {"recovery": 0}})).state.agents[0]
    assert (after.food, after.drink, after.energy, after.hunger, after.thirst, after.fatigue) == (0, 0, 0, 0, 0, 0)
    well = play(scene("0", agents={0: {"recovery": 50}})).state.agents[0]
    assert (well.health, well.recovery) == (9, 0)


def test_who_loses_health_wakes_up(play: Play) -> None:
    state = scene("0", agents={0: {"asleep": True, "energy": 3, "food": 0, "recovery": -30}})
    outcome = play(state)
    assert (outcome.state.agents[0].health, outcome.state.agents[0].asleep) == (8, False)
    assert (outcome.events, outcome.state.agents[0].achieved) == ([], set())


def test_there_are_no_needs_in_creative(play: Play) -> None:
    counters = {"hunger": 50, "thirst": 40, "fatigue": 60, "recovery": -30, "food": 0}
    before = scene("0", agents={0: counters}, mode="creative")
    assert play(before).state.agents == before.agents


# 9. Deaths


def starving(n: int, mode: str = "survival", who: int = 1) -> State:
    """The first `who` of `n` agents lose their last health in this step."""
    last = {"health": 1, "food": 0, "recovery": -30, "bag": {"wood": 3}}
    return scene("01234567"[:n], agents=dict.fromkeys(range(who), last), mode=mode)


@pytest.mark.parametrize(
    ("n", "who", "mode", "status"),
    [
        (3, 1, "survival", "down"),
        (2, 1, "survival", "gone"),  # only one other is alive
        (4, 2, "survival", "down"),
        (3, 2, "survival", "gone"),
        (3, 1, "peaceful", "gone"),  # no revival
    ],
)
def test_who_falls_is_down_if_two_others_live(play: Play, n: int, who: int, mode: str, status: str) -> None:
    outcome = play(starving(n, mode, who))
    assert [agent.status for agent in outcome.state.agents] == [status] * who + ["alive"] * (n - who)
    assert outcome.state.agents[0].bag["wood"] == 3
    deaths = sorted(told(outcome, "death"), key=lambda e: int(e["agents"][0]))
    assert deaths == [{"kind": "death", "agents": [i], "cause": "needs"} for i in range(who)]
    assert not outcome.over


def test_nobody_comes_back_from_lava(play: Play) -> None:
    outcome = play(scene("0L", "123"), "move_right")
    assert (outcome.state.agents[0].status, outcome.state.agents[0].cell) == ("gone", (0, 1))
    assert outcome.events == [{"kind": "death", "agents": [0], "cause": "lava"}]


def test_lava_takes_all_health_even_from_who_would_recover(play: Play) -> None:
    outcome = play(scene("0L", "123", agents={0: {"recovery": 50}}), "move_right")
    assert outcome.state.agents[0].status == "gone"


def test_a_body_can_be_revived_for_50_steps(play: Play) -> None:
    state = starving(4)
    fallen_in = state.step
    while state.agents[0].status != "gone":
        state = play(state).state
    assert state.step - 1 - fallen_in == 50  # after the fall 50 steps begin with it down


def test_bodies_are_given_up_when_fewer_than_two_live(play: Play) -> None:
    state = scene("0123", agents={3: {"health": 1, "food": 0, "recovery": -30}, 2: {"status": "gone", "health": 0}})
    state.agents[0].status, state.agents[0].health = "down", 0
    outcome = play(state)
    assert [agent.status for agent in outcome.state.agents] == ["gone", "alive", "gone", "gone"]


def test_the_episode_ends_with_the_last_agent(play: Play) -> None:
    assert play(starving(2, who=2)).over
    assert not play(starving(2, who=1)).over


def test_the_fallen_do_nothing_and_are_seen_by_nobody() -> None:
    env = emcoop.parallel_env("MACrafter-v0", n_agents=3, mode="survival")
    env.reset(seed=0, options={"map": ["........"] * 8, "agents": [(0, 0), (0, 1), (0, 2)]})
    env.world.agents()[0, 3:5] = 1, 0  # health, food
    for _ in range(40):
        seen, *_ = env.step(dict.fromkeys(env.agents, r.DOWN))
    assert env.snapshot()["down"].tolist() == [True, False, False]
    assert not seen["agent_000"]["view"].any()
    assert not seen["agent_000"]["self"].any()
    assert seen["agent_001"]["view"].any()


# 10. Score


def test_rewards_add_up_to_the_score_whatever_is_harvested(play: Play) -> None:
    bag = {"wood_pickaxe": 1}
    state = scene("0S1", agents={0: {"facing": "right", "bag": bag}, 1: {"facing": "left", "bag": bag}})
    outcome = play(state, "do", "noop")
    assert outcome.reward == pytest.approx(15 / state.settings.coop.most_points / 2)
    assert play(outcome.state, "noop", "noop").reward == 0


@pytest.mark.parametrize(("goal", "over"), [(None, False), ("diamond", True)])
def test_the_goal_is_a_diamond_in_a_living_hand(play: Play, goal: str | None, over: bool) -> None:
    miner = {"facing": "right", "bag": {"iron_pickaxe": 1}}
    assert play(scene("0D.12", agents={0: miner}, goal=goal), "do").over is over
    dead = {"status": "gone", "health": 0, "bag": {"diamond": 1}}
    assert not play(scene("0.123", agents={0: dead}, goal=goal)).over


def test_an_episode_is_truncated_after_its_length() -> None:
    env = emcoop.parallel_env("MACrafter-v0", n_agents=2, max_steps=3)
    env.reset(seed=0)
    for number in range(3):
        _, _, terminated, truncated, _ = env.step(dict.fromkeys(env.agents, 0))
        assert set(truncated.values()) == {number == 2}
        assert set(terminated.values()) == {False}
    assert env.agents == []


@pytest.mark.parametrize(
    ("level", "n", "expected"),
    [
        ("L1", 1, {"tree": (1, 1, 5), "stone": (1, 15, 3), "coal": (1, 37.5, 1), "iron": (1, 50, 1)}),
        ("L1", 64, {"tree": (1, 1, 40), "stone": (1, 15, 24), "coal": (1, 37.5, 8), "diamond": (1, 200, 2)}),
        ("L2", 4, {"tree": (1, 1, 20), "coal": (2, 75, 2), "iron": (2, 100, 2), "diamond": (2, 400, 2)}),
        ("L3", 6, {"tree": (1, 1, 30), "coal": (2, 75, 3), "iron": (3, 150, 2), "diamond": (3, 600, 2)}),
        ("scaled", 12, {"stone": (1, 15, 24), "coal": (3, 112.5, 4), "iron": (4, 200, 3), "diamond": (6, 1200, 2)}),
    ],
)
def test_quorum_points_and_demand(level: str, n: int, expected: dict[str, tuple[int, float, int]]) -> None:
    coop = make_settings(n, (64, 64), level=level).coop
    assert {g: (coop.quorum[g], coop.points[g], coop.demand[g]) for g in expected} == expected
    assert coop.craft["iron_pickaxe"] == (1 if level == "L1" else 2)
    assert coop.craft["stone_pickaxe"] == 1


# Crafter's achievements, each by hand

STONES = {"wood": 1, "stone": 1}
IRONS = {"wood": 1, "coal": 1, "iron": 1}
UNLOCKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "collect_coal": ("0C", {"bag": {"wood_pickaxe": 1}}, "do"),
    "collect_diamond": ("0D", {"bag": {"iron_pickaxe": 1}}, "do"),
    "collect_drink": ("0~", {}, "do"),
    "collect_iron": ("0I", {"bag": {"stone_pickaxe": 1}}, "do"),
    "collect_sapling": ("0.", {}, "do"),
    "collect_stone": ("0S", {"bag": {"wood_pickaxe": 1}}, "do"),
    "collect_wood": ("0T", {}, "do"),
    "defeat_skeleton": ("0s", {}, "do"),
    "defeat_zombie": ("0z", {}, "do"),
    "eat_cow": ("0c", {}, "do"),
    "eat_plant": ("0P", {}, "do"),
    "make_iron_pickaxe": ("FB|0.", {"bag": IRONS}, "make_iron_pickaxe"),
    "make_iron_sword": ("FB|0.", {"bag": IRONS}, "make_iron_sword"),
    "make_stone_pickaxe": ("0B", {"bag": STONES}, "make_stone_pickaxe"),
    "make_stone_sword": ("0B", {"bag": STONES}, "make_stone_sword"),
    "make_wood_pickaxe": ("0B", {"bag": {"wood": 1}}, "make_wood_pickaxe"),
    "make_wood_sword": ("0B", {"bag": {"wood": 1}}, "make_wood_sword"),
    "place_furnace": ("0.|B.", {"bag": {"stone": 1}}, "place_furnace"),
    "place_plant": ("0.", {"bag": {"sapling": 1}}, "place_plant"),
    "place_stone": ("0~", {"bag": {"stone": 1}}, "place_stone"),
    "place_table": ("0.", {"bag": {"wood": 1}}, "place_table"),
    "wake_up": ("0.", {"energy": 8, "fatigue": -20}, "sleep"),
}
NOT_AT_ONCE = {"collect_sapling": 200, "eat_plant": 302, "defeat_skeleton": 40, "defeat_zombie": 60, "eat_cow": 40}
"""Steps after which what takes chance, time or several blows must have come."""


@pytest.mark.parametrize("name", r.ACHIEVEMENTS)
def test_achievement_is_unlocked_by_its_action_and_not_before(play: Play, name: str) -> None:
    drawing, facts, action = UNLOCKS[name]
    state = scene(*drawing.split("|"), agents={0: {"facing": "right"} | facts})
    assert play(state, "noop").state.agents[0].achieved == set()
    for _ in range(NOT_AT_ONCE.get(name, 2)):
        for creature in state.creatures:  # it is fought where it stands
            if creature is not None:
                creature.cell = (0, 1)
        state = play(state, action).state
        if name in state.agents[0].achieved:
            break
    assert name in state.agents[0].achieved


TECHNOLOGY = (
    ("do", 7), ("move_left", 1), ("place_table", 1), ("make_wood_pickaxe", 1), ("make_wood_sword", 1),
    ("move_right", 1), ("do", 1), ("move_right", 1), ("do", 1), ("move_left", 2), ("make_stone_pickaxe", 1),
    ("make_stone_sword", 1), ("move_right", 3), ("do", 1), ("move_right", 1), ("do", 1), ("move_right", 1), ("do", 1),
    ("move_right", 1), ("do", 1), ("move_right", 1), ("do", 1), ("move_right", 1), ("do", 1), ("move_left", 8),
    ("move_down", 1), ("place_furnace", 1), ("make_iron_pickaxe", 1), ("make_iron_sword", 1), ("move_up", 1),
    ("move_right", 9), ("do", 1), ("place_stone", 1), ("move_up", 1), ("do", 1),
)  # fmt: skip
"""What one agent does between a tree above, stone, coal, iron and diamond to the right, and a lake at the end."""


def test_the_technology_tree_from_an_empty_bag_through_the_public_interface() -> None:
    env = emcoop.parallel_env("MACrafter-v0", n_agents=1, mode="peaceful", level="L1", preset="crafter", area=(8, 12))
    rows = ["..T.......~.", "...SSSSCCIID", *["." * 12] * 6]
    env.reset(seed=0, options={"map": rows, "agents": [(1, 2)], "facing": ["up"]})
    total = 0.0
    for action, times in TECHNOLOGY:
        for _ in range(times):
            _, rewards, *_ = env.step({"agent_000": r.ACTIONS.index(action)})
            total += rewards["agent_000"]
    achieved = {n for n, done in zip(r.ACHIEVEMENTS, env.snapshot()["achievements"][0], strict=True) if done}
    others = {"collect_sapling", "defeat_skeleton", "defeat_zombie", "eat_cow", "eat_plant", "place_plant", "wake_up"}
    assert achieved == set(r.ACHIEVEMENTS) - others
    assert env.score == pytest.approx(total)
    assert env.score == 1
