"""Action concepts that gather and build: collect, craft, place, share; how each ends well, and why it fails."""

from __future__ import annotations

import pytest
from ma_crafter_script import KIT, MEADOW, PICKAXES, Run, one, paint, world_of

from emcoop.envs.embodiment import DONE
from emcoop.envs.ma_crafter import rules as r

# collect -----------------------------------------------------------------------------------------------------------


def test_collect_a_tree_by_oneself() -> None:
    run = one(paint(MEADOW, (2, 8, "T")), (4, 8), ("collect", {"resource": "tree"}), ("collect", {"resource": "tree"}))
    assert run.ends[0][0][0] == 2
    assert run.ends[0][1][0] == 3, "still there, still faced"
    assert run.bag("wood") == 2


def test_collect_turns_to_its_target_first() -> None:
    run = one(paint(MEADOW, (5, 6, "T")), (5, 5), ("collect", {"resource": "tree"}), facing=["left"])
    assert run.actions == [[r.RIGHT], [r.DO]]


def test_collect_prefers_the_nearest_and_takes_the_named_one() -> None:
    rows = paint(MEADOW, (5, 8, "T"), (5, 3, "T"))
    assert one(rows, (5, 5), ("collect", {"resource": "tree"})).places[-1] == [(5, 4)]
    assert one(rows, (5, 5), ("collect", {"resource": "tree", "target": [5, 8]})).places[-1] == [(5, 7)]


def test_collect_digs_its_way() -> None:
    rows = ["....SSSSSS"] * 4 + ["....SSSCSS"] + ["....SSSSSS"] * 4
    run = one(rows, (4, 3), ("collect", {"resource": "coal"}), bag=PICKAXES, level="L1")
    assert run.end()[1] is DONE
    assert (run.bag("coal"), run.bag("stone")) == (1, 3)


def test_rock_on_the_way_to_the_nearest_rock_counts() -> None:
    run = one(paint(MEADOW, (5, 7, "S")), (5, 5), *[("collect", {"resource": "stone"})], bag=PICKAXES)
    assert run.end() == (2, DONE)


def test_collect_needs_the_tool() -> None:
    rows = paint(MEADOW, (2, 8, "I"))
    run = one(rows, (4, 8), ("collect", {"resource": "iron"}), bag={"wood_pickaxe": 1})
    assert run.end() == (0, "missing_tool")
    assert run.detail() == {"tool": "stone_pickaxe"}
    there = one(rows, (3, 8), ("collect", {"resource": "iron"}), bag={}, facing=["up"])
    assert (there.end(), there.actions) == ((1, "missing_tool"), [[r.DO]]), "in place it tries once"


def test_collect_what_nobody_has_seen() -> None:
    assert one(MEADOW, (4, 8), ("collect", {"resource": "iron"}), bag=PICKAXES).end() == (0, "unknown_target")


def test_collect_a_cell_that_holds_something_else() -> None:
    run = one(MEADOW, (4, 8), ("collect", {"resource": "tree", "target": [4, 6]}))
    assert run.end() == (0, "target_gone")
    away = one(MEADOW, (4, 8), ("collect", {"resource": "tree", "target": [4, 0]}))
    assert away.end()[1] == "target_gone"
    assert away.end()[0] > 2, "it has to go and see"


def test_what_was_told_wrongly_turns_out_to_be_gone() -> None:
    world = world_of(MEADOW, [(4, 8)], [PICKAXES])
    world._known.learn([0], {"cell:4,1": ("iron", 0)})
    run = Run(world, [("collect", {"resource": "iron"})]).steps()
    assert run.end()[1] == "target_gone"
    assert run.end()[0] == 3, "column 1 comes into view from column 5"


def test_three_agents_wait_for_each_other_and_harvest_together() -> None:
    rows = paint(MEADOW, (5, 6, "I"))
    world = world_of(rows, [(5, 5), (2, 6), (8, 9)], [PICKAXES] * 3)
    run = Run(world, *[[("collect", {"resource": "iron"})]] * 3).steps()
    assert [run.end(agent)[1] for agent in range(3)] == [DONE] * 3
    assert len({run.end(agent)[0] for agent in range(3)}) == 1
    assert [run.bag("iron", agent) for agent in range(3)] == [1, 1, 1]
    hits = [actions for actions in run.actions if r.DO in actions]
    assert hits == [[r.DO] * 3], "nobody hits before all are there"


def test_a_quorum_that_does_not_come() -> None:
    world = world_of(paint(MEADOW, (5, 6, "I")), [(5, 5), (5, 8)], [PICKAXES] * 2, facing=["right", "up"])
    run = Run(world, *[[("collect", {"resource": "iron", "patience": 5})]] * 2).steps()
    assert run.end(1)[1] == "quorum_timeout"
    assert run.detail(1) == {"have": 2, "need": 3}
    assert run.end(0) == (5, "quorum_timeout")


def test_agents_without_the_tool_do_not_make_a_quorum() -> None:
    world = world_of(paint(MEADOW, (5, 6, "I")), [(5, 5), (4, 6), (6, 6)], [PICKAXES, PICKAXES, {}])
    run = Run(world, [("collect", {"resource": "iron", "patience": 5})]).steps()
    assert run.detail() == {"have": 2, "need": 3}
    assert [r.DO] not in [actions[:1] for actions in run.actions]


def test_a_unit_somebody_else_used_up_is_gone() -> None:
    world = world_of(paint(MEADOW, (5, 6, "S")), [(5, 5), (5, 9)], [PICKAXES] * 2, facing=["right", "up"])
    call = ("collect", {"resource": "stone", "target": [5, 6]})
    run = Run(world, [call], [call]).steps()
    assert run.end(0)[1] is DONE
    assert run.end(1)[1] == "target_gone"


def test_a_full_bag_has_collected_all_the_same() -> None:
    run = one(paint(MEADOW, (5, 6, "T")), (5, 5), ("collect", {"resource": "tree"}), bag={"wood": 20}, facing=["right"])
    assert run.end() == (1, DONE)
    assert run.bag("wood") == 20


def test_what_cannot_be_seen_as_a_whole_is_tried_at_once() -> None:
    world = world_of(paint(MEADOW, (5, 6, "I")), [(5, 5), (9, 13), (0, 0)], [PICKAXES] * 3, ["right"] * 3, view=(3, 3))
    run = Run(world, [("collect", {"resource": "iron", "patience": 3})]).steps()
    assert [actions[0] for actions in run.actions] == [r.DO] * 3
    assert run.end()[1] == "quorum_timeout"


@pytest.mark.parametrize("letter", [".", "#"])
def test_large_quorums_harvest_from_a_distance(letter: str) -> None:
    rows = paint([letter * 20] * 16, (8, 10, "I"))
    starts = [(row, col) for row in range(2, 6) for col in range(6, 10)]
    world = world_of(rows, starts, [PICKAXES] * 16, level="scaled")
    run = Run(world, *[[("collect", {"resource": "iron", "target": [8, 10]})]] * 6).steps()
    assert [run.end(agent)[1] for agent in range(6)] == [DONE] * 6
    assert world.env.settings.coop.quorum["iron"] == 6


def test_collect_saplings_out_of_grass() -> None:
    run = one(MEADOW, (5, 5), ("collect", {"resource": "sapling", "patience": 100}))
    assert run.end()[1] is DONE
    assert run.bag("sapling") == 1
    assert one(["#" * 14] * 10, (5, 5), ("collect", {"resource": "sapling"})).end() == (0, "unknown_target")


# craft -------------------------------------------------------------------------------------------------------------


def test_craft_at_the_nearest_station() -> None:
    run = one(paint(MEADOW, (2, 8, "B")), (5, 8), ("craft", {"item": "wood_pickaxe"}), bag={"wood": 1})
    assert run.end() == (3, DONE)
    assert (run.bag("wood_pickaxe"), run.bag("wood")) == (1, 0)


def test_craft_without_a_station_or_ingredients() -> None:
    assert one(MEADOW, (5, 8), ("craft", {"item": "wood_pickaxe"}), bag={"wood": 1}).end() == (0, "no_station")
    run = one(paint(MEADOW, (2, 8, "B")), (5, 8), ("craft", {"item": "stone_sword"}), bag={"wood": 1})
    assert run.end() == (0, "missing_ingredient")
    assert run.detail() == {"stone": 1}


def test_two_craft_together_with_the_ingredients_of_one() -> None:
    world = world_of(paint(MEADOW, (5, 6, "F")), [(5, 4), (8, 9)], [{}, KIT])
    run = Run(world, *[[("craft", {"item": "iron_pickaxe"})]] * 2).steps()
    assert [run.end(agent)[1] for agent in range(2)] == [DONE] * 2
    assert [run.bag("iron_pickaxe", agent) for agent in range(2)] == [1, 1]
    makes = [actions for actions in run.actions if max(actions) >= r.MAKE_WOOD_PICKAXE]
    assert len(makes) == 1, "nobody tries before both are there"


def test_a_craft_quorum_that_does_not_come_or_lacks_something() -> None:
    rows = paint(MEADOW, (5, 6, "F"))
    call = ("craft", {"item": "iron_pickaxe", "patience": 4})
    alone = Run(world_of(rows, [(5, 5), (0, 0)], [KIT, {}]), [call]).steps()
    assert (alone.end(), alone.detail()) == ((4, "quorum_timeout"), {"have": 1, "need": 2})
    poor = Run(world_of(rows, [(5, 5), (5, 7)], [{"wood": 1}, {}]), [call], [call]).steps()
    assert (poor.end(), poor.detail()) == ((4, "missing_ingredient"), {"coal": 1, "iron": 1})


def test_both_stations_where_the_rules_ask_for_both() -> None:
    rows = paint(MEADOW, (5, 6, "F"), (5, 8, "B"), (2, 3, "F"))
    run = one(rows, (4, 3), ("craft", {"item": "iron_sword"}), bag=KIT, preset="crafter", level="L1")
    assert run.end()[1] is DONE
    assert run.places[-1][0][1] == 7, "the nearer furnace has no table beside it"


# place -------------------------------------------------------------------------------------------------------------


def test_place_in_front() -> None:
    run = one(MEADOW, (5, 5), ("place", {"object": "table"}), bag={"wood": 2}, facing=["left"])
    assert run.end() == (1, DONE)
    assert run.material(5, 4) == "table"


def test_place_a_furnace_near_a_table() -> None:
    run = one(paint(MEADOW, (5, 9, "B")), (5, 5), ("place", {"object": "furnace"}), bag={"stone": 4})
    assert run.end()[1] is DONE
    row, col = run.places[-1][0]
    assert max(abs(row - 5), abs(col - 9)) == 1
    assert one(MEADOW, (5, 5), ("place", {"object": "furnace"}), bag={"stone": 4}).end() == (0, "no_station")


def test_place_without_the_means() -> None:
    run = one(MEADOW, (5, 5), ("place", {"object": "table"}), bag={"wood": 1})
    assert (run.end(), run.detail()) == ((0, "missing_ingredient"), {"wood": 1})


def test_place_turns_away_from_what_is_in_the_way() -> None:
    run = one(paint(MEADOW, (5, 4, "T")), (5, 5), ("place", {"object": "table"}), bag={"wood": 2}, facing=["left"])
    assert run.end()[1] is DONE
    assert run.bag("wood") == 0


def test_a_stone_bridges_water() -> None:
    rows = paint(["~" * 14] * 10, (5, 5, "_"))
    run = one(rows, (5, 5), ("place", {"object": "stone"}), bag={"stone": 1})
    assert run.end()[1] is DONE


def test_a_sapling_needs_grass() -> None:
    rows = paint(["_" * 14] * 10, (5, 9, "."))
    run = one(rows, (5, 5), ("place", {"object": "plant"}), bag={"sapling": 1})
    assert run.end()[1] is DONE
    assert run.material(5, 9) == "plant"
    assert one(["_" * 14] * 10, (5, 5), ("place", {"object": "plant"}), bag={"sapling": 1}).end()[1] == "no_place"


def test_no_place_to_put_a_table() -> None:
    rows = paint(["~" * 14] * 10, (5, 5, "."))
    assert one(rows, (5, 5), ("place", {"object": "table"}), bag={"wood": 2}).end()[1] == "no_place"


# share -------------------------------------------------------------------------------------------------------------


def test_share_goes_to_the_other_and_gives() -> None:
    world = world_of(MEADOW, [(5, 5), (5, 9)], [{"wood": 5}, {}])
    run = Run(world, [("share", {"agent": 1, "item": "wood", "quantity": 3})]).steps()
    assert run.end()[1] is DONE
    assert (run.bag("wood"), run.bag("wood", 1)) == (2, 3)


def test_share_gives_what_there_is() -> None:
    world = world_of(MEADOW, [(5, 5), (4, 6)], [{"wood": 2}, {}])
    run = Run(world, [("share", {"agent": 1, "item": "wood", "quantity": 9})]).steps()
    assert (run.end(), run.bag("wood", 1)) == ((1, DONE), 2)


def test_share_fails_for_a_reason() -> None:
    call = ("share", {"agent": 1, "item": "wood"})
    assert Run(world_of(MEADOW, [(5, 5), (5, 6)]), [call]).steps().end() == (0, "missing_ingredient")
    away = world_of(MEADOW, [(5, 0), (5, 13)], [{"wood": 1}, {}])
    assert Run(away, [call]).steps().end() == (0, "unknown_target")
    full = world_of(MEADOW, [(5, 5), (5, 6)], [{"wood": 1}, {"wood": 20}])
    assert Run(full, [call]).steps().end()[1] == "blocked"
    told = world_of(MEADOW, [(5, 0), (9, 13)], [{"wood": 1}, {}])
    told._known.learn([0], {"agent1": ([5, 6], 0)})
    assert Run(told, [call]).steps().end()[1] == "target_gone"
