"""What MA-Crafter agents know: what they have seen, what they were told, and how far things are in that."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter.env import MACrafterEnv
from emcoop.envs.ma_crafter.knowledge import UNKNOWN, Knowledge
from emcoop.envs.ma_crafter.world import GONE, STATUS
from emcoop.envs.navigation import UNREACHABLE

Cell = tuple[int, int]
MEADOW = ["." * 16] * 12


def begin(
    rows: Sequence[str], agents: Sequence[Cell], inventory: Sequence[dict[str, int]] | None = None, **more: Any
) -> tuple[MACrafterEnv, Knowledge]:
    env = MACrafterEnv(n_agents=len(agents), **{"mode": "creative", **more})
    options = {"map": list(rows), "agents": [list(cell) for cell in agents]}
    env.reset(seed=0, options=options if inventory is None else {**options, "inventory": list(inventory)})
    known = Knowledge(env.world)
    known.look()
    return env, known


def step(env: MACrafterEnv, known: Knowledge, *actions: int) -> None:
    env.step(dict(zip(env.agents, actions)))
    known.look()


def paint(rows: Sequence[str], *cells: tuple[int, int, str]) -> list[str]:
    grid = [list(row) for row in rows]
    for row, col, letter in cells:
        grid[row][col] = letter
    return ["".join(row) for row in grid]


def change(env: MACrafterEnv, row: int, col: int, material: int) -> None:
    env.world.materials[0, row + env.world.pad, col + env.world.pad] = material


def at(known: Knowledge, agent: int, row: int, col: int, pad: int = 5) -> int:
    return int(known.grid(agent)[row + pad, col + pad])


# The map -------------------------------------------------------------------------------------------------------


def test_an_agent_knows_exactly_what_it_has_seen() -> None:
    """The view is 9 columns by 7 rows, cut off by the edge of the map."""
    env, known = begin(MEADOW, [(1, 6)])
    inside = env.world.inner(known.known)
    seen = np.zeros((12, 16), bool)
    seen[0:5, 2:11] = True
    assert ((inside == r.GRASS) == seen).all()
    assert (inside[~seen] == UNKNOWN).all()
    step(env, known, r.DOWN)
    seen[5, 2:11] = True
    step(env, known, r.RIGHT)
    seen[0:6, 11] = True
    assert ((inside == r.GRASS) == seen).all()
    assert (known.known[0, : env.world.pad] == r.OUTSIDE).all()


def test_what_is_out_of_sight_is_remembered_as_it_was() -> None:
    env, known = begin(paint(MEADOW, (2, 2, "T")), [(2, 4)])
    for _ in range(4):
        step(env, known, r.RIGHT)
    change(env, 2, 2, r.WATER)
    known.look()
    assert at(known, 0, 2, 2) == r.TREE
    for _ in range(3):
        step(env, known, r.LEFT)
    assert at(known, 0, 2, 2) == r.WATER


def test_agents_do_not_share_what_they_see_but_the_team_has_discovered_it() -> None:
    env, known = begin(paint(MEADOW, (2, 2, "T")), [(2, 3), (9, 14)])
    assert (at(known, 0, 2, 2), at(known, 1, 2, 2)) == (r.TREE, UNKNOWN)
    discovered = known.discovered[env.world.pad : -env.world.pad, env.world.pad : -env.world.pad]
    assert discovered[2, 2]
    assert discovered[9, 14]
    assert not discovered[9, 2]


def test_a_fallen_agent_learns_nothing_any_more() -> None:
    env, known = begin(MEADOW, [(2, 3)])
    env.world.agents()[0, STATUS] = GONE
    change(env, 2, 4, r.SAND)
    known.look()
    assert at(known, 0, 2, 4) == r.GRASS


def test_who_is_revealed_everything_to_knows_the_true_map() -> None:
    env, known = begin(paint(MEADOW, (11, 15, "D")), [(1, 1), (2, 2)])
    known.reveal([1])
    assert (at(known, 0, 11, 15), at(known, 1, 11, 15)) == (UNKNOWN, r.DIAMOND)
    assert known.nearest(1, r.DIAMOND, 3) == [(21, 11, 15)]
    change(env, 11, 15, r.PATH)
    known.look()
    assert at(known, 1, 11, 15) == r.PATH
    assert known.seen(1)[0, : s.SEEN_STEP].tolist() == [1, 1]


def test_everything_is_the_same_memory_with_nothing_hidden() -> None:
    env, known = begin(paint(MEADOW, (11, 15, "D")), [(1, 1)])
    oracle = known.everything()
    assert at(oracle, 0, 11, 15) == r.DIAMOND
    assert at(known, 0, 11, 15) == UNKNOWN
    assert not known.is_revealed(0)
    step(env, known, r.DOWN)
    assert oracle.step == 1
    assert oracle.nearest(0, r.DIAMOND, 1) == [(22, 11, 15)]


# The others ----------------------------------------------------------------------------------------------------


def test_agents_see_where_others_are_and_what_they_could_do() -> None:
    bags = [{}, {"wood_pickaxe": 1, "stone_pickaxe": 1}, {"wood": 1, "coal": 1, "iron": 1}, {"iron_pickaxe": 1}]
    _, known = begin(MEADOW, [(5, 5), (5, 7), (3, 5), (5, 12)], bags)
    seen = known.seen(0)
    assert seen[1].tolist() == [5, 7, 0, 2, 0, 0]
    assert seen[2].tolist() == [3, 5, 0, 0, s.WHOLE_KIT, 0]
    assert seen[3, s.SEEN_STEP] == -1, "seven columns away"
    assert known.others[0, 0, s.SEEN_STEP] == -1


def test_agents_out_of_sight_are_known_where_they_were_seen() -> None:
    env, known = begin(MEADOW, [(5, 5), (5, 9)])
    step(env, known, r.NOOP, r.RIGHT)
    assert known.seen(0)[1, :3].tolist() == [5, 9, 0]


def test_cows_are_seen_and_the_last_one_is_remembered() -> None:
    env, known = begin(MEADOW, [(5, 5)])
    mobs, pad = env.world.mobs(), env.world.pad
    mobs[0, :4] = [4, 5, 8, 3]
    env.world.occupancy[0, 5 + pad, 8 + pad] = -1
    known.look()
    assert known.cows(0) == [(5, 8)]
    mobs[0, 2] = 15
    env.world.occupancy[0, 5 + pad, 8 + pad] = 0
    env.world.occupancy[0, 5 + pad, 15 + pad] = -1
    env.world.agents()[0, 1] = 3
    known.look()
    assert known.cows(0) == [(5, 8)], "column 8 is out of sight from column 3"
    env.world.agents()[0, 1] = 5
    known.look()
    assert known.cows(0) == [], "there is nothing where it was"


# Messages ------------------------------------------------------------------------------------------------------


def test_discoveries_are_news_once_and_where_one_is_always() -> None:
    env, known = begin(paint(MEADOW, (2, 2, "C"), (3, 3, "I"), (2, 5, "T"), (4, 4, "B")), [(2, 4)])
    assert known.news(0, 2) == {"cell:2,2": "coal", "cell:3,3": "iron", "agent0": [2, 4, 0, 0]}
    assert known.news(0, 9) == {"cell:4,4": "table", "agent0": [2, 4, 0, 0]}
    step(env, known, r.DOWN)
    assert known.news(0, 9) == {"agent0": [3, 4, 0, 0]}
    change(env, 3, 3, r.PATH)
    known.look()
    assert known.news(0, 9)["cell:3,3"] == "path"


def test_news_are_bounded_and_the_newest_are_kept() -> None:
    """They are found row by row."""
    _, known = begin(["." * 9 + "D" * 9] * 12, [(2, 0)], view=(31, 31))
    news = known.news(0, 10**6)
    assert len(news) == s.LOG + 1
    assert "cell:11,15" in news
    assert "cell:0,9" not in news


def test_what_is_told_is_believed_until_it_is_seen() -> None:
    env, known = begin(MEADOW, [(2, 4)])
    known.learn([0], {"cell:2,10": ("diamond", 0), "cell:2,6": ("diamond", 0), "cell:11,15": ("iron", 0)})
    assert at(known, 0, 2, 10) == r.DIAMOND, "false, but it cannot tell"
    assert at(known, 0, 2, 6) == r.GRASS, "it sees that cell"
    assert at(known, 0, 11, 15) == r.IRON
    assert known.nearest(0, r.DIAMOND, 1)[0][1:] == (2, 10)
    for _ in range(3):
        step(env, known, r.RIGHT)
    assert at(known, 0, 2, 10) == r.GRASS
    assert not known.discovered[11 + env.world.pad, 15 + env.world.pad], "only what is seen is discovered"


def test_old_news_do_not_undo_what_was_seen_later() -> None:
    env, known = begin(paint(MEADOW, (2, 2, "I")), [(2, 4)])
    for _ in range(2):
        step(env, known, r.DOWN)
    change(env, 2, 2, r.PATH)
    known.look()
    for _ in range(4):
        step(env, known, r.RIGHT)
    known.learn([0], {"cell:2,2": ("iron", 1)})
    assert at(known, 0, 2, 2) == r.PATH
    known.learn([0], {"cell:2,2": ("table", 4)})
    assert at(known, 0, 2, 2) == r.TABLE


def test_agents_are_where_they_were_last_said_to_be() -> None:
    env, known = begin(MEADOW, [(2, 2), (2, 3), (11, 15)])
    known.learn([0], {"agent2": ([11, 14, 2, 1], 0), "agent1": ([9, 9], 0), "agent0": ([9, 9], 0)})
    assert known.seen(0)[2].tolist() == [11, 14, 0, 2, 1, 0]
    assert known.seen(0)[1, :2].tolist() == [2, 3], "it sees that one"
    for _ in range(2):
        step(env, known, r.NOOP, r.NOOP, r.NOOP)
    known.learn([0], {"agent2": ([10, 14], 2)})
    assert known.seen(0)[2].tolist() == [10, 14, 2, 2, 1, 0]
    known.learn([0], {"agent2": ([9, 14], 1)})
    assert known.seen(0)[2, :2].tolist() == [10, 14], "older than what it knows"


@pytest.mark.parametrize(
    ("key", "value", "at_step"),
    [
        ("cell:2,10", "gold", 0),
        ("cell:2,10", "outside", 0),
        ("cell:2,10", 9, 0),
        ("cell:2,10", ["iron"], 0),
        ("cell:2,10", "iron", 7),
        ("cell:2,10", "iron", -1),
        ("cell:2,10", "iron", "0"),
        ("cell:2,10", "iron", None),
        ("cell:2,16", "iron", 0),
        ("cell:12,1", "iron", 0),
        ("cell:-1,1", "iron", 0),
        ("cell: 2,10", "iron", 0),
        ("cell:2", "iron", 0),
        ("cell:2,10,3", "iron", 0),
        ("cell:0x2,10", "iron", 0),
        ("cell:٢,10", "iron", 0),
        ("cell:99999999999999999999,1", "iron", 0),
        ("2,10", "iron", 0),
        ("", "", 0),
        ("agent1", [2, 16], 0),
        ("agent1", [-1, 3], 0),
        ("agent1", [2, 3, 4, 0], 0),
        ("agent1", [2, 3, 1], 0),
        ("agent1", [2.0, 3], 0),
        ("agent1", [True, 3], 0),
        ("agent1", "23", 0),
        ("agent1", {"row": 2, "col": 3}, 0),
        ("agent1", None, 0),
        ("agent2", [2, 3], 0),
        ("agent-1", [2, 3], 0),
        ("agent01", [2, 3], 0),
    ],
)
def test_malformed_facts_are_ignored(key: str, value: Any, at_step: Any) -> None:
    _, known = begin(MEADOW, [(2, 2), (11, 15)])
    before = known.known.copy(), known.others.copy()
    known.learn([0], {key: (value, at_step)})
    assert (known.known == before[0]).all()
    assert (known.others == before[1]).all()


def test_facts_are_checked_against_the_truth() -> None:
    _, known = begin(paint(MEADOW, (11, 15, "I")), [(2, 2), (9, 9)], [{}, {"wood_pickaxe": 1}])
    assert known.check_fact("cell:11,15", "iron") is True
    assert known.check_fact("cell:11,15", "coal") is False
    assert known.check_fact("cell:11,15", ["iron"]) is False
    assert known.check_fact("agent1", [9, 9]) is True
    assert known.check_fact("agent1", [9, 9, 1, 0]) is True
    assert known.check_fact("agent1", [9, 9, 2, 0]) is False
    assert known.check_fact("agent1", [9, 8]) is False
    assert known.check_fact("agent1", "there") is False
    assert known.check_fact("agent2", [9, 9]) is None
    assert known.check_fact("cell:12,0", "grass") is None
    assert known.check_fact("weather", "fine") is None


# Distances -----------------------------------------------------------------------------------------------------


def reference_distances(known: Knowledge, start: Cell, bag: dict[str, int], shape: Cell, agent: int) -> dict[Cell, int]:
    """Dijkstra over the agent's map, written down from the rules."""
    seen = [(row, col) for row in range(shape[0]) for col in range(shape[1]) if at(known, agent, row, col)]
    top, bottom = min(row for row, _ in seen) - 2, max(row for row, _ in seen) + 2
    left, right = min(col for _, col in seen) - 2, max(col for _, col in seen) + 2

    def enter(row: int, col: int) -> int | None:
        if not (max(top, 0) <= row <= min(bottom, shape[0] - 1) and max(left, 0) <= col <= min(right, shape[1] - 1)):
            return None
        name = r.MATERIALS[at(known, agent, row, col)]
        if name in ("grass", "sand", "path"):
            return 1
        if name == "outside":
            return 2
        return 3 if name == "stone" and bag.get("wood_pickaxe") else None

    far, queue = {start: 0}, [(0, start)]
    while queue:
        steps, (row, col) = heapq.heappop(queue)
        if steps > far[row, col]:
            continue
        for cell in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            more = enter(*cell)
            if more is not None and steps + more < far.get(cell, UNREACHABLE):
                far[cell] = steps + more
                heapq.heappush(queue, (steps + more, cell))
    return far


@pytest.mark.parametrize("case", range(20))
def test_distances_are_those_of_a_plain_search(case: int) -> None:
    rng = random.Random(case)
    shape = rng.randint(8, 14), rng.randint(8, 18)
    letters = "......._#SST~LCI"
    rows = ["".join(rng.choice(letters) for _ in range(shape[1])) for _ in range(shape[0])]
    start = rng.randrange(shape[0]), rng.randrange(shape[1])
    bag = rng.choice([{}, {"wood_pickaxe": 1}, {"stone_pickaxe": 1}])
    env, known = begin(paint(rows, (*start, ".")), [start], [bag], level="L3")
    for _ in range(rng.randint(0, 6)):
        row, col = env.world.agents()[0, :2].tolist()
        safe = [a for a, (y, x) in {r.UP: (-1, 0), r.DOWN: (1, 0), r.LEFT: (0, -1), r.RIGHT: (0, 1)}.items()
                if 0 <= row + y < shape[0] and 0 <= col + x < shape[1] and rows[row + y][col + x] != "L"]  # fmt: skip
        step(env, known, rng.choice([*safe, r.NOOP]))
    row, col = env.world.agents()[0, :2].tolist()
    field = known.distances(0)[5:-5, 5:-5]
    expected = reference_distances(known, (row, col), bag, shape, 0)
    found = {(y, x): int(field[y, x]) for y, x in np.argwhere(field < UNREACHABLE).tolist()}
    assert found == expected


def test_digging_counts_three_steps_and_only_what_one_can_dig_alone() -> None:
    rows = ["SSSSSSSS"] * 3 + [".SC..I.."] + ["SSSSSSSS"] * 8
    start, bag = (3, 0), {"wood_pickaxe": 1, "stone_pickaxe": 1}
    without = begin(rows, [start], [{}])[1].distances(0)
    alone = begin(rows, [start], [bag], level="L1")[1].distances(0)
    together = begin(rows, [start], [bag], level="L3")[1].distances(0)
    pad = 5
    assert without[3 + pad, 4 + pad] == UNREACHABLE
    assert alone[3 + pad, 4 + pad] == 3 + 3 + 1 + 1
    assert together[3 + pad, 4 + pad] == 3 + 3 + 3 + 3 + 1 + 1, "around the coal, which takes two"
    assert together[3 + pad, 2 + pad] == UNREACHABLE


def test_nearest_counts_the_steps_to_a_place_beside() -> None:
    rows = paint(MEADOW, (2, 2, "T"), (2, 9, "T"), (5, 5, "T"), (3, 8, "B"))
    _, known = begin(rows, [(2, 5)])
    assert known.nearest(0, r.TREE, 9) == [(2, 2, 2), (2, 5, 5), (3, 2, 9)]
    assert known.nearest(0, r.TREE, 1) == [(2, 2, 2)]
    assert known.nearest(0, r.TABLE, 1) == [(2, 3, 8)], "a station works diagonally"
    assert known.nearest(0, r.IRON, 1) == []


def test_nearest_leaves_out_what_cannot_be_reached() -> None:
    water = [(row, col, "~") for row in range(1, 4) for col in range(7, 10)]
    rows = paint(MEADOW, *water, (2, 8, "I"))
    assert begin(rows, [(2, 5)])[1].nearest(0, r.IRON, 1) == []
    scaled = begin(rows, [(2, 5)], level="scaled")[1]
    assert scaled.nearest(0, r.IRON, 1) == []


def test_nearest_uses_the_radius_of_the_level() -> None:
    agents = [(2, 4), *[(10, col) for col in range(15)]]
    _, known = begin(paint(MEADOW, (2, 8, "I")), agents, level="scaled")
    assert known.nearest(0, r.IRON, 1) == [(2, 2, 8)], "six agents from two cells away"


def test_a_way_goes_around_agents_that_stand_in_view() -> None:
    rows = ["~" * 16] * 4 + ["......~........."] + ["................"] + ["~" * 16] * 6
    env, known = begin(rows, [(5, 3), (5, 6)])
    assert known.field_to(0, "there", [(5, 7)])[5 + 5, 3 + 5] == 4
    for _ in range(4):
        step(env, known, r.NOOP, r.NOOP)
    assert known.field_to(0, "there", [(5, 7)], fresh=True)[5 + 5, 3 + 5] == UNREACHABLE
    for _ in range(3):
        step(env, known, r.LEFT, r.NOOP)
    assert known.field_to(0, "there", [(5, 7)], fresh=True)[5 + 5, 0 + 5] == UNREACHABLE, "it is thought to stand there"


# Frontiers -----------------------------------------------------------------------------------------------------


def test_a_frontier_borders_on_the_unknown() -> None:
    _, known = begin(MEADOW, [(5, 6)])
    cell = known.frontier(0)
    assert cell is not None
    assert known.is_frontier(0, cell)
    assert not known.is_frontier(0, (5, 6))


@pytest.mark.parametrize(("side", "cell"), [(0, (1, 6)), (1, (7, 6)), (2, (4, 2)), (3, (4, 10))])
def test_a_direction_leads_there(side: int, cell: Cell) -> None:
    _, known = begin(["." * 16] * 14, [(4, 6)])
    assert known.frontier(0, side) == cell


def test_agents_side_by_side_explore_different_ways() -> None:
    agents = [(row, col) for row in (18, 19) for col in range(18, 22)]
    _, known = begin(["." * 40] * 40, agents)
    cells = [known.frontier(agent) for agent in range(8)]
    assert None not in cells
    spread = {(np.sign(cell[0] - 18.5), np.sign(cell[1] - 19.5)) for cell in cells if cell}
    assert len(set(cells)) >= 6
    assert len(spread) == 4


def test_where_all_is_known_there_is_no_frontier() -> None:
    _, known = begin(["." * 9] * 8, [(4, 4)], view=(31, 31))
    assert known.frontier(0) is None
    _, known = begin(MEADOW, [(5, 6)])
    known.reveal([0])
    assert known.frontier(0) is None
    _, known = begin(paint(MEADOW, *[(row, 7, "~") for row in range(12)]), [(5, 6)], view=(9, 31))
    assert known.frontier(0, 3) is None
    assert known.frontier(0, 2) is not None


def test_looking_and_asking_change_nothing_in_the_world() -> None:
    env, known = begin(paint(MEADOW, (2, 2, "I")), [(2, 4), (5, 5)])
    before = env.state_hash()
    known.look()
    known.distances(0), known.nearest(0, r.IRON, 3), known.frontier(1), known.news(0, 5)
    assert env.state_hash() == before
