"""The rules of MA-Crafter, one small scene per sentence of the document: acting, collecting, fighting, bodies.

Both the reference and the kernels play every scene. What is built, made, shared, walked and suffered is in
`test_ma_crafter_building.py`, `test_ma_crafter_creatures.py` and `test_ma_crafter_survival.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from ma_crafter_scenes import ENGINES, Play, add_creature, held, scene, told
from ma_crafter_state import State

TOOL = {
    "tree": None,
    "stone": "wood_pickaxe",
    "coal": "wood_pickaxe",
    "iron": "stone_pickaxe",
    "diamond": "iron_pickaxe",
}
LETTER = {"tree": "T", "stone": "S", "coal": "C", "iron": "I", "diamond": "D"}
ALL_TOOLS = {"wood_pickaxe": 1, "stone_pickaxe": 1, "iron_pickaxe": 1}


@pytest.fixture(params=ENGINES)
def play(request: pytest.FixtureRequest) -> Play:
    return ENGINES[request.param]


def looking(facing: str, **facts: Any) -> dict[str, Any]:
    return {"facing": facing, **facts}


# 1. Who acts


def test_who_sleeps_with_little_energy_does_nothing(play: Play) -> None:
    after = play(scene("0", agents={0: {"asleep": True, "energy": 8}}), "move_right").state.agents[0]
    assert (after.cell, after.facing, after.asleep) == ((0, 0), "down", True)


def test_who_sleeps_with_full_energy_wakes_up_and_acts(play: Play) -> None:
    outcome = play(scene("0", agents={0: {"asleep": True}}), "move_right")
    after = outcome.state.agents[0]
    assert (after.cell, after.facing, after.asleep, after.achieved) == ((0, 1), "right", False, {"wake_up"})
    assert outcome.events == [{"kind": "wake_up", "agents": [0]}]


@pytest.mark.parametrize(("energy", "asleep"), [(9, False), (8, True), (0, True)])
def test_only_who_is_tired_falls_asleep(play: Play, energy: int, asleep: bool) -> None:
    assert play(scene("0", agents={0: {"energy": energy}}), "sleep").state.agents[0].asleep is asleep


@pytest.mark.parametrize("side", ["up", "down", "left", "right"])
def test_moving_turns_even_where_there_is_no_way(play: Play, side: str) -> None:
    after = play(scene("SSS", "S0S", "SSS"), f"move_{side}").state.agents[0]
    assert (after.facing, after.cell) == (side, (1, 1))


# 2. Do: targets


@pytest.mark.parametrize(
    ("rows", "facing", "level", "target"),
    [
        ((".T.", "T0C", ".I."), "left", "L1", ("tree", 1, 0)),  # what is faced comes first
        ((".T.", "_0C", ".I."), "left", "L3", ("iron", 2, 1)),  # then the highest quorum
        ((".C.", "_0T", ".C."), "left", "L3", ("coal", 0, 1)),  # then the smallest row
        ((".B.", "C0C", ".B."), "up", "L3", ("coal", 1, 0)),  # then the smallest column
        (("..B..", ".C0..", "...C."), "up", "L3", ("coal", 1, 1)),  # nothing beyond the radius, even of equal worth
    ],
)
def test_a_do_has_exactly_one_target(
    play: Play, rows: tuple[str, ...], facing: str, level: str, target: tuple[str, int, int]
) -> None:
    outcome = play(scene(*rows, agents={0: looking(facing, bag=ALL_TOOLS)}, level=level), "do")
    events = told(outcome, "collect", "insufficient_quorum")
    assert [(e["resource"], e["row"], e["col"]) for e in events] == [target]


def test_the_nearest_of_equal_quorum_comes_before_the_smallest_row(play: Play) -> None:
    rows = ("...D...", ".......", "...B...", "..D0123", "456....")
    state = scene(*rows, agents={0: looking("up", bag=ALL_TOOLS)}, level="scaled")
    assert state.settings.coop.radius["diamond"] >= 2
    assert [(e["row"], e["col"]) for e in told(play(state, "do"), "insufficient_quorum")] == [(3, 2)]


def test_only_resources_for_which_there_is_a_tool_are_targets(play: Play) -> None:
    outcome = play(scene(".C.", "I0T", agents={0: looking("down")}, level="L3"), "do")
    assert [e["resource"] for e in outcome.events] == ["tree"]


def test_facing_a_resource_without_its_tool_is_told_only_if_nothing_else_is_at_hand(play: Play) -> None:
    alone = play(scene("0I", agents={0: looking("right", bag={"wood_pickaxe": 1})}), "do")
    assert alone.events == [{"kind": "missing_tool", "agents": [0], "resource": "iron", "row": 0, "col": 1}]
    beside_tree = play(scene("0I", "T_", agents={0: looking("right")}), "do")
    assert [e["kind"] for e in beside_tree.events] == ["collect"]


def test_a_living_agent_hides_what_is_under_it(play: Play) -> None:
    """Nobody looks for saplings below it: the tree at hand is the target."""
    state = scene("01", "T_", agents={0: looking("right")})
    assert [e["kind"] for e in play(state, "do").events] == ["collect"]


def test_an_arrow_hides_what_is_under_it(play: Play) -> None:
    state = scene("0~~", agents={0: looking("right")})
    add_creature(state, "arrow", (0, 1), "right")
    assert play(state, "do").events == []


def test_a_creature_comes_before_a_body_and_a_body_before_material(play: Play) -> None:
    state = scene("01.2345", agents={0: looking("right", bag={"iron_sword": 1}), 1: {"status": "down", "health": 0}})
    assert [e["kind"] for e in play(state, "do").events] == ["loot"]
    add_creature(state, "zombie", (0, 1))
    assert [e["kind"] for e in told(play(state, "do"), "attack", "defeat", "loot")] == ["attack", "defeat"]


# 2. Do: collecting


@pytest.mark.parametrize(
    ("resource", "gives", "leaves", "points"),
    [
        ("tree", "wood", "tree", 1),
        ("stone", "stone", "path", 15),
        ("coal", "coal", "path", 75),
        ("iron", "iron", "path", 150),
        ("diamond", "diamond", "path", 600),
    ],
)
def test_harvest_at_l3(play: Play, resource: str, gives: str, leaves: str, points: float) -> None:
    state = crowd(resource, level="L3")
    need = state.settings.coop.quorum[resource]
    assert need == {"coal": 2, "iron": 3, "diamond": 3}.get(resource, 1)
    outcome = play(state, *["do"] * need)
    assert outcome.state.materials[1, 1] == leaves
    assert [outcome.state.agents[i].bag[gives] for i in range(4)] == [1] * need + [0] * (4 - need)
    assert [outcome.state.agents[i].achieved for i in range(need)] == [{f"collect_{gives}"}] * need
    assert (outcome.state.points, outcome.state.harvested[resource]) == (points, 1)
    assert outcome.reward == pytest.approx(points / state.settings.coop.most_points / 4)
    about = {"resource": resource, "row": 1, "col": 1, "have": need, "need": need, "points": points}
    assert outcome.events == [{"kind": "collect", "agents": list(range(need)), **about}]


def crowd(resource: str, **settings: Any) -> State:
    """Four agents around a resource, all with the tool."""
    tool = TOOL[resource]
    bag = {} if tool is None else {tool: 1}
    around = {i: looking(side, bag=bag) for i, side in enumerate(("down", "right", "left", "up"))}
    return scene(".0.", f"1{LETTER[resource]}2", ".3.", agents=around, **settings)


def test_one_too_few_get_nothing(play: Play) -> None:
    outcome = play(crowd("iron", level="L3"), "do", "do")
    about = {"resource": "iron", "row": 1, "col": 1, "have": 2, "need": 3}
    assert outcome.events == [{"kind": "insufficient_quorum", "agents": [0, 1], **about}]
    assert outcome.state.materials[1, 1] == "iron"
    assert not any(agent.bag["iron"] for agent in outcome.state.agents)


def test_of_too_many_the_smallest_indices_get_it(play: Play) -> None:
    outcome = play(crowd("iron", level="L3"), *["do"] * 4)
    assert [agent.bag["iron"] for agent in outcome.state.agents] == [1, 1, 1, 0]
    assert [(e["kind"], e["agents"]) for e in outcome.events] == [("collect", [0, 1, 2]), ("over_participation", [3])]
    assert outcome.state.points == 150  # once per unit, whoever takes part


def test_the_nearest_get_it_before_the_smallest_indices(play: Play) -> None:
    rows = ("_____", "0_D_1", "__2__", "34567")
    around = {0: looking("up", bag=ALL_TOOLS), 1: looking("up", bag=ALL_TOOLS), 2: looking("up", bag=ALL_TOOLS)}
    around[3] = looking("up")
    state = scene(*rows, agents=around | {4: looking("up", bag=ALL_TOOLS)}, level="scaled")
    assert (state.settings.coop.quorum["diamond"], state.settings.coop.radius["diamond"]) == (4, 2)
    short = play(state, *["do"] * 8)
    assert [(e["have"], e["agents"]) for e in told(short, "insufficient_quorum")] == [(3, [0, 1, 2])]
    state.agents[4].cell = (2, 1)
    state.agents[3].bag["iron_pickaxe"] = 1
    state.agents[3].cell = (2, 3)
    outcome = play(state, *["do"] * 8)
    assert [(e["kind"], e["agents"]) for e in outcome.events] == [
        ("collect", [0, 1, 2, 3]), ("over_participation", [4]),
    ]  # fmt: skip
    state.agents[0].cell, state.agents[4].cell = state.agents[4].cell, (1, 1)
    outcome = play(state, *["do"] * 8)
    assert [e["agents"] for e in told(outcome, "collect", "over_participation")] == [[0, 1, 2, 4], [3]]


def test_a_tree_is_used_up_where_trees_are_scarce(play: Play) -> None:
    outcome = play(crowd("tree", scarce=True), "do")
    assert outcome.state.materials[1, 1] == "grass"


@pytest.mark.parametrize(("preset", "limit"), [("crafter", 9), ("emcoop", 20)])
def test_what_does_not_fit_is_lost_but_its_holder_takes_part(play: Play, preset: str, limit: int) -> None:
    state = crowd("coal", level="L2", preset=preset)
    state.agents[0].bag["coal"] = limit
    outcome = play(state, "do", "do")
    assert [agent.bag["coal"] for agent in outcome.state.agents[:2]] == [limit, 1]
    assert "collect_coal" in outcome.state.agents[0].achieved
    assert told(outcome, "full_bag") == [{"kind": "full_bag", "agents": [0], "item": "coal"}]
    assert told(outcome, "collect")[0]["agents"] == [0, 1]


def test_units_beyond_demand_are_worth_nothing(play: Play) -> None:
    state = crowd("coal")
    demand = state.settings.coop.demand["coal"]
    for before, points in ((demand - 1, 37.5), (demand, 0.0)):
        state.harvested["coal"] = before
        outcome = play(state, "do")
        assert (told(outcome, "collect")[0]["points"], outcome.state.points) == (points, points)
        assert outcome.reward == pytest.approx(points / state.settings.coop.most_points / 4)
        assert held(outcome, 0) == {"wood_pickaxe": 1, "coal": 1}


# 2. Do: drinking, grass, fighting, plants


def test_drinking(play: Play) -> None:
    outcome = play(scene("0~", agents={0: looking("right", drink=3, thirst=20)}), "do")
    after = outcome.state.agents[0]
    assert (after.drink, after.thirst, after.achieved) == (4, 2, {"collect_drink"})
    assert outcome.events == [{"kind": "drink", "agents": [0]}]
    assert play(scene("0~", agents={0: looking("right")}), "do").state.agents[0].drink == 9


@pytest.mark.parametrize("item", [None, "wood_sword", "stone_sword", "iron_sword"])
def test_damage_is_that_of_the_best_sword(play: Play, item: str | None) -> None:
    bag = {"wood_sword": int(item is not None), **({item: 1} if item else {})}
    outcome = play(scene("0z", agents={0: looking("right", bag=bag)}), "do")
    expected = {None: 1, "wood_sword": 2, "stone_sword": 3, "iron_sword": 5}[item]
    assert told(outcome, "attack")[0]["health"] == 5 - expected
    assert bool(told(outcome, "defeat")) == (expected == 5)


@pytest.mark.parametrize(("beast", "kind", "health"), [("z", "zombie", 5), ("s", "skeleton", 3)])
def test_a_dead_enemy_is_everybodys_achievement(play: Play, beast: str, kind: str, health: int) -> None:
    around = {0: looking("right"), 1: looking("left", bag={"stone_sword": 1}), 2: looking("up", bag={"wood_sword": 1})}
    state = scene(f"0{beast}1", ".2.", agents=around)
    creature = state.creatures[0]
    assert creature is not None
    assert creature.health == health
    creature.health = 6  # 1 + 3 + 2
    outcome = play(state, "do", "do", "do")
    assert outcome.state.creatures[0] is None
    assert [agent.achieved for agent in outcome.state.agents] == [{f"defeat_{kind}"}] * 3
    assert told(outcome, "defeat") == [{"kind": "defeat", "agents": [0, 1, 2], "what": kind, "row": 0, "col": 1}]


def test_a_dead_cow_feeds_the_smallest_index(play: Play) -> None:
    around = {0: looking("right", food=2, hunger=30), 1: looking("left", food=2, bag={"wood_sword": 1})}
    outcome = play(scene("0c1", agents=around), "do", "do")
    assert [agent.food for agent in outcome.state.agents] == [8, 2]
    assert [agent.achieved for agent in outcome.state.agents] == [{"eat_cow"}, set()]
    assert outcome.state.agents[0].hunger == 2
    assert told(outcome, "eat") == [{"kind": "eat", "agents": [0], "what": "cow"}]
    assert outcome.state.creatures[0] is None


@pytest.mark.parametrize(("step", "ripe"), [(300, False), (301, True)])
def test_a_plant_older_than_300_steps_is_ripe(play: Play, step: int, ripe: bool) -> None:
    around = {0: looking("right", food=2), 1: looking("left", food=2)}
    state = scene("0P1", agents=around)
    state.step = step
    outcome = play(state, "noop", "do")
    assert [agent.food for agent in outcome.state.agents] == [2, 6 if ripe else 2]
    assert outcome.state.planted[0, 1] == (step if ripe else 0)
    both = play(state, "do", "do")
    assert [agent.food for agent in both.state.agents] == [6 if ripe else 2, 2]
    assert both.events == ([{"kind": "eat", "agents": [0], "what": "plant"}] if ripe else [])


# 2. Do: bodies


def graveyard(**body: Any) -> State:
    """Agents 0 and 1 beside the body of 2; 3 and 4 live on elsewhere."""
    lying = {"status": "down", "health": 0, "food": 1, "drink": 7, "energy": 0, **body}
    return scene("021", "...", "3.4", agents={0: looking("right"), 1: looking("left"), 2: lying})


def test_two_revive_who_is_down(play: Play) -> None:
    outcome = play(graveyard(bag={"wood": 4}), "do", "do")
    after = outcome.state.agents[2]
    assert (after.status, after.health, after.food, after.drink, after.energy) == ("alive", 3, 3, 7, 3)
    assert after.bag["wood"] == 4
    assert outcome.events == [{"kind": "revive", "agents": [0, 1, 2], "revived": 2}]


def test_one_alone_loots_who_is_down(play: Play) -> None:
    state = graveyard(bag={"wood": 4, "coal": 9})
    state.agents[1].bag["wood"] = 7
    outcome = play(state, "noop", "do")
    assert (held(outcome, 1), held(outcome, 2)) == ({"wood": 9, "coal": 9}, {"wood": 2})
    assert outcome.events == [{"kind": "loot", "agents": [1], "body": 2}]
    assert outcome.state.agents[2].status == "down"


def test_who_is_gone_is_looted_by_the_smallest_index_and_never_revived(play: Play) -> None:
    outcome = play(graveyard(status="gone", bag={"wood": 4}), "do", "do")
    assert outcome.state.agents[2].status == "gone"
    assert (held(outcome, 0), held(outcome, 1), held(outcome, 2)) == ({"wood": 4}, {}, {})


def test_an_empty_body_that_is_gone_offers_nothing(play: Play) -> None:
    state = graveyard(status="gone")
    state.materials[0, 1] = "path"
    assert play(state, "do", "do").events == []


def test_down_comes_before_gone_and_the_smaller_index_before_the_larger(play: Play) -> None:
    lying = {"health": 0, "bag": {"wood": 1}}
    around = {i: lying | {"status": status} for i, status in ((1, "gone"), (2, "down"), (3, "down"))}
    state = scene("01234567", agents=around | {0: looking("right")})
    for i in (1, 2, 3):
        state.agents[i].cell = (0, 1)
    assert [e["body"] for e in play(state, "do").events] == [2]
    state.agents[2].status = state.agents[3].status = "gone"
    assert [e["body"] for e in play(state, "do").events] == [1]
    state.agents[5].cell = (0, 1)  # a living agent stands on them
    assert play(state, "do").events == []
