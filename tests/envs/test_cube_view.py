"""What a CUBE planner sees: tasks, symbolic queries, text; everything, or only what is within sight."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from cube_random import random_board
from cube_reference import STEP, closure

from emcoop.envs.cube.view import Block, CubeMap
from emcoop.envs.embodiment import FAR
from emcoop.registration import make_embodiment

STAY, UP, DOWN, LEFT, RIGHT = range(5)
FACE = {UP: "bottom", DOWN: "top", LEFT: "right", RIGHT: "left"}


def map_of(
    blocks: Sequence[Sequence[int]], agents: Sequence[tuple[int, int]] = ((0, 0),), size: int = 20, n: int = 9
) -> CubeMap:
    return CubeMap(size, 0, n, dict(enumerate(agents)), {b: Block(*block) for b, block in enumerate(blocks)})


def world_of(
    agents: Sequence[tuple[int, int]], blocks: Sequence[tuple[int, int, int]], size: int = 20, **more: Any
) -> Any:
    world = make_embodiment("Cube-v0", n_agents=len(agents), grid_size=size, blocks={1: 1}, **more)
    world.reset(0, {"agents": [list(a) for a in agents], "blocks": [list(b) for b in blocks]})
    return world


# Tasks -------------------------------------------------------------------------------------------------------


def test_the_left_face_of_every_block_is_a_task() -> None:
    tasks = map_of([(2, 3, 3), (10, 12, 2)]).tasks()
    assert [(t.id, t.required, t.value, t.remaining, t.available) for t in tasks] == [
        ("block0/left", 3, 3.0, 14, True),
        ("block1/left", 2, 2.0, 6, True),
    ]


def test_a_block_behind_another_is_not_available_and_may_be_pushed_around() -> None:
    tasks = {t.id: t for t in map_of([(5, 3, 2), (6, 10, 1)]).tasks()}
    assert not tasks["block0/left"].available
    assert tasks["block1/left"].available
    assert {"block0/top", "block0/bottom"} <= set(tasks)
    assert not {"block1/top", "block1/bottom"} & set(tasks)
    assert all(tasks[f"block0/{face}"].value == 0 for face in ("top", "bottom"))


def test_at_the_upper_wall_a_block_cannot_be_pushed_around() -> None:
    tasks = {t.id for t in map_of([(0, 3, 2), (1, 10, 1)]).tasks()}
    assert not {"block0/top", "block0/bottom"} & tasks


@pytest.mark.parametrize(
    ("block", "n", "reason"),
    [((4, 4, 5), 4, "weighs 5 and the team has 4"), ((4, 0, 1), 4, "to the left of it"), ((4, 4, 4), 4, "")],
)
def test_a_stuck_block_has_no_task_and_a_reason(block: tuple[int, int, int], n: int, reason: str) -> None:
    known = map_of([block], n=n)
    assert reason in known.is_stuck(Block(*block))
    assert bool(known.is_stuck(Block(*block))) == bool(reason)
    assert [t.id for t in known.tasks()] == ([] if reason else ["block0/left"])


def test_a_block_that_gets_stuck_is_reported_once() -> None:
    world = world_of([(5, 2)], [(5, 1, 1), (9, 5, 1)])
    assert world.step([LEFT]).finished == [("block0", "stuck", 0.0, [], "nobody can stand to the left of it")]
    assert world.step([LEFT]).finished == []
    assert [task.id for task in world.view(0).tasks()] == ["block1/left"]


def test_required_is_the_weight_of_all_that_moves() -> None:
    """On random boards, for every block and direction, against the reference."""
    rng = random.Random(3)
    chains = 0
    for _ in range(60):
        board = random_board(rng, 9, 3, 0.4, rng.choice(sorted(STEP)))
        known = map_of([board.blocks[b] for b in range(len(board.blocks))], board.agents, board.size)
        for block in board.blocks:
            for direction, face in FACE.items():
                own = closure(board, block, direction)
                assert set(known.chain(block, face)) == own
                assert known.required(block, face) == sum(board.blocks[b][2] for b in own)
                chains += len(own) > 1
    assert chains > 50


def test_in_place_counts_lines_behind_the_whole_chain() -> None:
    known = map_of([(5, 5, 1), (5, 6, 3)], [(5, 4), (5, 3), (5, 1), (7, 5), (5, 9), (4, 5)])
    assert known.aligned(0) == 3
    assert known.aligned(1) == 1
    assert [t.in_place for t in known.tasks() if t.id == "block0/left"] == [3]


# Geometry ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("face", "cells"),
    [
        ("left", [(5, 5), (6, 5)]),
        ("right", [(5, 8), (6, 8)]),
        ("top", [(4, 6), (4, 7)]),
        ("bottom", [(7, 6), (7, 7)]),
    ],
)
def test_cells_of_a_face(face: str, cells: list[tuple[int, int]]) -> None:
    assert map_of([(5, 6, 2)]).face_cells(Block(5, 6, 2), face) == cells


def test_progress_and_corridor() -> None:
    known = map_of([(5, 3, 2), (6, 10, 1), (4, 10, 1), (5, 12, 1), (8, 12, 1)])
    assert known.to_goal(known.blocks[0]) == 15
    assert known.in_corridor(known.blocks[0]) == [1, 3]
    assert known.in_corridor(known.blocks[3]) == []


def test_travel_is_the_way_to_the_left_face() -> None:
    world = world_of([(5, 0), (5, 9), (0, 4), (5, 4)], [(5, 5, 1)])
    travel = list(world.view(0).travel("block0/left", [0, 1, 2, 3]))
    assert travel[0] == 4
    assert travel[2] == 5
    assert travel[3] == 0
    assert travel[1] == 7, "five columns back, and around the block"
    assert list(world.view(0).travel("block9/left", [0, 1])) == [FAR, FAR]


def test_a_recipe_names_face_team_and_way() -> None:
    calls = world_of([(5, 0)], [(5, 5, 1)]).view(0).recipe("block0/left", 3)
    assert [call.concept for call in calls] == ["move_to_block", "rendezvous", "push"]
    assert all(call.args["block"] == 0 and call.args["face"] == "left" for call in calls)
    assert calls[1].args["count"] == 3
    assert calls[2].args["steps"] == 14


def test_an_idle_agent_leaves_the_corridors() -> None:
    world = world_of([(5, 8), (18, 0)], [(5, 4, 2), (9, 9, 3)])
    (call,) = world.view(0).idle()
    row, col = call.args["target"]
    assert call.concept == "navigate"
    assert all(not (b.row <= row < b.row + b.weight) or col < b.col - 2 for b in world.view(0).map.blocks.values())
    (call,) = world.view(1).idle()
    assert call.concept == "wait"


@pytest.mark.parametrize("sight", [None, 3])
def test_a_random_call_is_always_valid(sight: int | None) -> None:
    world = make_embodiment("Cube-v0", n_agents=5, sight=sight)
    world.reset(3)
    rng = random.Random(0)
    seen = set()
    for k in range(400):
        call = world.view(k % 5).sample(rng.random)
        seen.add(call.concept)
        assert hasattr(world.controller(k % 5, call), "status"), call
    assert len(seen) >= 3
    assert world.view(0).sample(lambda: 0.9999999999999999)


# Text --------------------------------------------------------------------------------------------------------


def test_text_says_what_an_agent_needs() -> None:
    text = world_of([(5, 4), (0, 0)], [(5, 5, 2), (4, 10, 3)]).view(0).text()
    assert "You are agent 0 at (5, 4). The team has 2 agents." in text
    assert "block 0: weight 2, rows 5-6, columns 5-6, 13 columns to the goal" in text
    assert "takes 2 agents in line on its left face, 1 are there" in text
    assert "in its way: blocks 1" in text
    assert "it can never be delivered: it weighs 3 and the team has 2 agents" in text
    assert "1 at (0, 0)" in text


def test_text_lists_the_nearest_twelve_and_counts_the_rest() -> None:
    agents = [(r, 0) for r in range(20)]
    blocks = [(1 + 2 * (i % 9), 4 + 2 * (i // 9), 1) for i in range(40)]
    text = world_of(agents, blocks).view(0).text()
    assert sum(line.startswith("- block") for line in text.splitlines()) == 12
    assert "- and 28 more, farther away" in text
    others = next(line for line in text.splitlines() if line.startswith("Other agents"))
    assert others.count(" at (") == 12
    assert "and 7 more" in others
    assert "1 at (1, 0)" in others
    assert "19 at (19, 0)" not in others


def test_text_names_at_most_twelve_blocks_in_the_way() -> None:
    blocks = [(1, 1, 8), *((1 + i % 8, 10 + 2 * (i // 8), 1) for i in range(24))]
    world = world_of([(0, c) for c in range(8)], blocks)
    line = next(line for line in world.view(0).text().splitlines() if line.startswith("- block 0"))
    assert "in its way: blocks 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 12 more" in line


def test_limited_sight_shows_only_what_is_within_it() -> None:
    world = world_of([(5, 5), (7, 8), (5, 9), (15, 15)], [(8, 2, 1), (5, 12, 1), (8, 8, 3), (9, 5, 2)], sight=3)
    view = world.view(0)
    assert dict(view.map.agents) == {0: (5, 5), 1: (7, 8)}
    assert sorted(view.map.blocks) == [0, 2], "a block is seen if any of its cells is; sight is a square"
    assert {task.id.partition("/")[0] for task in view.tasks()} <= {"block0", "block2"}
    text = view.text()
    assert "Blocks you know of: 2." in text
    assert "Other agents you see: 1 at (7, 8)." in text
    assert list(view.travel("block0/left", [0, 1, 2]))[2] == FAR
    assert sorted(world.view(0, everything=True).map.blocks) == [0, 1, 2, 3]


def test_the_same_view_for_all_with_full_sight() -> None:
    world = world_of([(5, 5), (15, 15)], [(8, 2, 1)])
    assert world.view(0).map is world.view(1).map
    assert world.view(0).text() != world.view(1).text()
