"""The rules of MA-Crafter, continued: making, placing, sharing, moving."""

from __future__ import annotations

from typing import Any

import pytest
from ma_crafter_scenes import ENGINES, Play, add_creature, held, scene, told
from ma_crafter_state import State

IRON = {"wood": 1, "coal": 1, "iron": 1}
RECIPES = {
    "wood_pickaxe": {"wood": 1},
    "stone_pickaxe": {"wood": 1, "stone": 1},
    "iron_pickaxe": IRON,
    "wood_sword": {"wood": 1},
    "stone_sword": {"wood": 1, "stone": 1},
    "iron_sword": IRON,
}
PLACES = {
    "stone": ({"stone": 1}, {"stone": 1}, ("grass", "sand", "path", "water", "lava")),
    "table": ({"wood": 1}, {"wood": 2}, ("grass", "sand", "path")),
    "furnace": ({"stone": 1}, {"stone": 4}, ("grass", "sand", "path")),
    "plant": ({"sapling": 1}, {"sapling": 1}, ("grass",)),
}


@pytest.fixture(params=ENGINES)
def play(request: pytest.FixtureRequest) -> Play:
    return ENGINES[request.param]


# 3. Make


@pytest.mark.parametrize("preset", ["crafter", "emcoop"])
@pytest.mark.parametrize("tool", RECIPES)
def test_costs_of_tools(play: Play, tool: str, preset: str) -> None:
    state = scene("0.B", ".F.", agents={0: {"bag": RECIPES[tool]}}, preset=preset)
    state.agents[0].cell = (0, 1)
    outcome = play(state, f"make_{tool}")
    assert held(outcome, 0) == {tool: 1}
    assert outcome.state.agents[0].achieved == {f"make_{tool}"}
    assert outcome.events == [{"kind": "make", "agents": [0], "item": tool, "have": 1, "need": 1}]
    for item in RECIPES[tool]:
        state.agents[0].bag = dict.fromkeys(state.agents[0].bag, 0) | RECIPES[tool] | {item: 0}
        reasons = [e["reason"] for e in play(state, f"make_{tool}").events]
        assert reasons == ["missing_ingredient"], item


@pytest.mark.parametrize(
    ("rows", "preset", "tool", "works"),
    [
        (("0..", ".B.", "..."), "crafter", "wood_sword", True),  # diagonals are near
        (("0..", "..B", "..."), "crafter", "wood_sword", False),
        (("0F.", ".B.", "..."), "crafter", "iron_sword", True),
        (("0F.", "...", ".B."), "crafter", "iron_sword", False),
        (("0B.", "...", ".F."), "crafter", "iron_sword", False),
        (("0F.", "...", "..."), "emcoop", "iron_sword", True),
        (("0F.", "...", "..."), "emcoop", "stone_sword", False),
    ],
)
def test_stations(play: Play, rows: tuple[str, ...], preset: str, tool: str, works: bool) -> None:
    bag = {"wood": 9, "stone": 9, "coal": 9, "iron": 9}
    outcome = play(scene(*rows, agents={0: {"bag": bag}}, preset=preset), f"make_{tool}")
    assert bool(told(outcome, "make")) == works
    if not works:
        about = {"item": tool, "have": 0, "need": 1, "reason": "no_station"}
        assert outcome.events == [{"kind": "craft_failed", "agents": [0], **about}]
        assert held(outcome, 0) == bag


def workshop(*bags: dict[str, int], rows: tuple[str, ...] = ("012", "3F.", "..."), level: str = "L3") -> State:
    """Agents around a furnace, costs of `emcoop`: an iron tool takes two of them at L2 and L3."""
    return scene(*rows, agents={i: {"bag": bag} for i, bag in enumerate(bags)}, preset="emcoop", level=level)


def test_the_leader_is_the_smallest_index_that_holds_everything(play: Play) -> None:
    outcome = play(workshop({"wood": 1}, IRON, IRON, {}), *["make_iron_sword"] * 3)
    assert [held(outcome, i) for i in range(4)] == [{"wood": 1, "iron_sword": 1}, {"iron_sword": 1}, IRON, {}]
    assert [(e["kind"], e["agents"]) for e in outcome.events] == [("make", [0, 1]), ("craft_failed", [2])]
    made = told(outcome, "make")[0]
    assert (made["item"], made["have"], made["need"]) == ("iron_sword", 2, 2)


def test_groups_follow_each_other_as_long_as_there_are_ingredients(play: Play) -> None:
    everybody = ["make_iron_pickaxe"] * 4
    outcome = play(workshop({}, {}, IRON, dict.fromkeys(IRON, 3)), *everybody)
    assert [(e["kind"], e["agents"]) for e in outcome.events] == [("make", [0, 2]), ("make", [1, 3])]
    assert held(outcome, 3) == {"wood": 2, "coal": 2, "iron": 2, "iron_pickaxe": 1}
    lonely = play(workshop({}, {}, IRON, {}), *everybody)
    reasons = {e["agents"][0]: (e["reason"], e["have"]) for e in told(lonely, "craft_failed")}
    assert reasons == {1: ("missing_ingredient", 4), 3: ("missing_ingredient", 4)}


def test_one_maker_too_few(play: Play) -> None:
    outcome = play(workshop(IRON, IRON), "make_iron_sword", "make_iron_pickaxe")
    reasons = sorted((e["agents"], e["item"], e["reason"], e["have"], e["need"]) for e in outcome.events)
    assert reasons == [
        ([0], "iron_sword", "insufficient_quorum", 1, 2),
        ([1], "iron_pickaxe", "insufficient_quorum", 1, 2),
    ]


def test_makers_meet_at_one_station(play: Play) -> None:
    """Two makers near different furnaces are not two makers near one."""
    apart = play(workshop(IRON, IRON, rows=("0F....F1",)), *["make_iron_sword"] * 2)
    assert {e["reason"] for e in apart.events} == {"insufficient_quorum"}
    between = play(workshop(IRON, {}, {}, rows=("0F1F2",)), *["make_iron_sword"] * 3)
    assert [(e["kind"], e["agents"]) for e in between.events] == [("make", [0, 1]), ("craft_failed", [2])]
    assert told(between, "craft_failed")[0]["have"] == 2  # served ones included
    later = play(workshop({}, {}, IRON, rows=("0F1F2",)), *["make_iron_sword"] * 3)
    assert told(later, "make")[0]["agents"] == [1, 2]


def test_a_tool_that_does_not_fit_is_lost(play: Play) -> None:
    outcome = play(workshop(IRON | {"iron_sword": 20}, {}), *["make_iron_sword"] * 2)
    assert [held(outcome, i) for i in range(2)] == [{"iron_sword": 20}, {"iron_sword": 1}]
    assert told(outcome, "full_bag") == [{"kind": "full_bag", "agents": [0], "item": "iron_sword"}]
    assert "make_iron_sword" in outcome.state.agents[0].achieved


# 4. Place


@pytest.mark.parametrize("preset", ["crafter", "emcoop"])
@pytest.mark.parametrize("thing", PLACES)
def test_costs_of_placing(play: Play, thing: str, preset: str) -> None:
    cost = PLACES[thing][preset == "emcoop"]
    state = scene("0.", "B.", agents={0: {"facing": "right", "bag": cost}}, preset=preset)
    outcome = play(state, f"place_{thing}")
    assert (held(outcome, 0), outcome.state.materials[0, 1]) == ({}, thing)
    assert outcome.state.agents[0].achieved == {f"place_{thing}"}
    assert outcome.state.planted == ({(0, 1): 0} if thing == "plant" else {})
    assert outcome.events == [{"kind": "place", "agents": [0], "item": thing, "row": 0, "col": 1}]
    (item,) = cost
    state.agents[0].bag[item] -= 1
    failed = play(state, f"place_{thing}")
    assert [(e["kind"], e["reason"]) for e in failed.events] == [("place_failed", "missing_ingredient")]


@pytest.mark.parametrize("letter", ".~S#_TLCIDBFP")
@pytest.mark.parametrize("thing", PLACES)
def test_what_things_are_placed_on(play: Play, thing: str, letter: str) -> None:
    state = scene(f"0{letter}", "B_", agents={0: {"facing": "right", "bag": PLACES[thing][0]}})
    below = state.materials[0, 1]
    outcome = play(state, f"place_{thing}")
    fits = below in PLACES[thing][2]
    assert [e.get("reason") for e in outcome.events] == [None if fits else "blocked"]
    assert outcome.state.materials[0, 1] == (thing if fits else below)


@pytest.mark.parametrize("what", ["agent", "cow", "arrow", "down", "gone", "outside"])
def test_nothing_is_placed_where_somebody_is_or_outside(play: Play, what: str) -> None:
    state = scene("0..1", "234.", agents={0: {"facing": "right", "bag": {"stone": 1}}}, mode="survival")
    if what in ("cow", "arrow"):
        add_creature(state, what, (0, 1), "right" if what == "arrow" else "")
    elif what == "outside":
        state.agents[0].facing = "up"
    else:
        state.agents[1].cell = (0, 1)
        if what != "agent":
            state.agents[1].status, state.agents[1].health = what, 0
    outcome = play(state, "place_stone")
    assert told(outcome, "place", "place_failed") == [
        {"kind": "place_failed", "agents": [0], "item": "stone", "reason": "blocked"}
    ]
    assert held(outcome, 0) == {"stone": 1}


def test_a_furnace_needs_a_table_that_stood_before(play: Play) -> None:
    around = {0: {"facing": "right", "bag": {"wood": 1}}, 1: {"facing": "down", "bag": {"stone": 1}}}
    state = scene("0.1", "...", agents=around)
    first = play(state, "place_table", "place_furnace")
    assert [(e["kind"], e.get("reason")) for e in told(first, "place_failed")] == [("place_failed", "no_station")]
    second = play(first.state, "noop", "place_furnace")
    assert second.state.materials[1, 2] == "furnace"


def test_of_several_the_smallest_index_places(play: Play) -> None:
    around = {0: {"facing": "right", "bag": {"wood": 1}}, 1: {"facing": "left", "bag": {"stone": 1}}}
    outcome = play(scene("0.1", agents=around), "place_table", "place_stone")
    assert outcome.state.materials[0, 1] == "table"
    assert told(outcome, "place_failed") == [{"kind": "place_failed", "agents": [1], "item": "stone", "reason": "race"}]
    assert held(outcome, 1) == {"stone": 1}


# 5. Share


def pair(giver: dict[str, int], taker: dict[str, int], rows: tuple[str, ...] = ("01",), **facts: Any) -> State:
    """Agent 0 looks right, where agent 1 is."""
    return scene(*rows, agents={0: {"facing": "right", "bag": giver} | facts, 1: {"bag": taker}})


def test_without_a_register_one_of_the_most_abundant_goes_to_who_is_faced(play: Play) -> None:
    outcome = play(pair({"stone": 2, "wood": 2, "coal": 1}, {}), "share")
    assert (held(outcome, 0), held(outcome, 1)) == ({"stone": 2, "wood": 1, "coal": 1}, {"wood": 1})
    assert outcome.events == [{"kind": "share", "agents": [0, 1], "item": "wood", "quantity": 1}]


@pytest.mark.parametrize(
    ("quantity", "has", "room", "given"), [(2, 5, 9, 2), (5, 3, 9, 3), (5, 9, 2, 2), (20, 9, 9, 9)]
)
def test_a_register_is_cut_to_what_there_is_and_what_fits(
    play: Play, quantity: int, has: int, room: int, given: int
) -> None:
    """The recipient need not be faced, only near: it stands diagonally below."""
    outcome = play(pair({"iron": has}, {"iron": 9 - room}, ("0.", ".1")), ("share", 1, "iron", quantity))
    assert outcome.events == [{"kind": "share", "agents": [0, 1], "item": "iron", "quantity": given}]
    assert [agent.bag["iron"] for agent in outcome.state.agents] == [has - given, 9 - room + given]


@pytest.mark.parametrize(
    ("giver", "taker", "rows", "action"),
    [
        ({}, {}, ("01",), "share"),  # nothing to give
        ({"wood": 1}, {"wood": 9}, ("01",), "share"),  # no room
        ({"wood": 1}, {}, ("0.1",), "share"),  # nobody is faced
        ({"wood": 1}, {}, ("0", "1"), "share"),
        ({"wood": 1}, {}, ("0.1",), ("share", 1, "wood", 1)),  # not near
        ({"wood": 1}, {}, ("01",), ("share", 1, "coal", 1)),
        ({"wood": 1}, {}, ("01",), ("share", 0, "wood", 1)),  # oneself is nobody to share with
    ],
)
def test_sharing_fails(play: Play, giver: dict[str, int], taker: dict[str, int], rows: Any, action: Any) -> None:
    outcome = play(pair(giver, taker, rows), action)
    assert outcome.events == [{"kind": "share_failed", "agents": [0]}]
    assert (held(outcome, 0), held(outcome, 1)) == (giver, taker)


@pytest.mark.parametrize("action", ["share", ("share", 1, "wood", 1)])
def test_the_fallen_receive_nothing(play: Play, action: Any) -> None:
    state = scene("01.23", agents={0: {"facing": "right", "bag": {"wood": 1}}, 1: {"status": "down", "health": 0}})
    assert play(state, action).events == [{"kind": "share_failed", "agents": [0]}]


def test_shares_follow_each_other_in_the_order_of_agents(play: Play) -> None:
    """What agent 0 gives, agent 1 passes on in the same step; agent 2 has it only after its own turn."""
    around: dict[int, dict[str, Any]] = {i: {"facing": side} for i, side in enumerate(("right", "right", "left"))}
    around[0]["bag"] = {"wood": 1}
    outcome = play(scene("012", agents=around), "share", "share", "share")
    assert [e["agents"] for e in outcome.events] == [[0, 1], [1, 2], [2, 1]]
    assert held(outcome, 1) == {"wood": 1}


# 6. Move


@pytest.mark.parametrize("letter", ".~S#_TLCIDBFP")
def test_where_agents_walk(play: Play, letter: str) -> None:
    outcome = play(scene(f"0{letter}"), "move_right")
    assert outcome.state.agents[0].cell == ((0, 1) if letter in "._#L" else (0, 0))


def test_nobody_leaves_the_map(play: Play) -> None:
    assert play(scene("0"), "move_left").state.agents[0].cell == (0, 0)


def test_nobody_follows_and_nobody_swaps(play: Play) -> None:
    follow = play(scene("01."), "move_right", "move_right")
    assert [agent.cell for agent in follow.state.agents] == [(0, 0), (0, 2)]
    swap = play(scene("01"), "move_right", "move_left")
    assert [agent.cell for agent in swap.state.agents] == [(0, 0), (0, 1)]


def test_the_smallest_index_wins_a_cell(play: Play) -> None:
    outcome = play(scene("2.1", ".0."), "move_up", "move_left", "move_right")
    assert [agent.cell for agent in outcome.state.agents] == [(0, 1), (0, 2), (0, 0)]
    assert sorted(e["agents"][0] for e in told(outcome, "cell_race")) == [1, 2]
    assert {e["winner"] for e in told(outcome, "cell_race")} == {0}


@pytest.mark.parametrize(("what", "free"), [("cow", False), ("arrow", False), ("body", True)])
def test_creatures_are_in_the_way_and_bodies_are_not(play: Play, what: str, free: bool) -> None:
    state = scene("0.1", "234", agents={1: {"status": "down", "health": 0}} if what == "body" else {})
    if what == "body":
        state.agents[1].cell = (0, 1)
    else:
        add_creature(state, what, (0, 1), "up" if what == "arrow" else "")
    assert (play(state, "move_right").state.agents[0].cell == (0, 1)) == free
