"""Constraints of CUBE's tasks: boards counted by hand, and what a successful push implies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from cube_random import random_actions, random_board
from cube_reference import RIGHT as TO_THE_RIGHT
from cube_reference import STEP, Board, closure

from emcoop.envs.embodiment import TaskCount
from emcoop.registration import make_embodiment

STAY, UP, DOWN, LEFT, RIGHT = range(5)
FACE = {UP: "bottom", DOWN: "top", LEFT: "right", RIGHT: "left"}
TASK = "block0/left"

Cell = tuple[int, int]


def world_of(agents: Sequence[Cell], blocks: Sequence[tuple[int, int, int]], size: int = 12) -> Any:
    world = make_embodiment("Cube-v0", n_agents=len(agents), grid_size=size, blocks={1: 1})
    world.reset(0, {"agents": [list(a) for a in agents], "blocks": [list(b) for b in blocks]})
    return world


def count(world: Any, actions: Sequence[int], committed: Sequence[str]) -> dict[str, TaskCount]:
    return {found.task: found for found in world.count(actions, committed)}


def numbers(found: TaskCount) -> dict[str, int]:
    """Return the counts that are easily told apart by hand."""
    return {
        "required": found.required,
        "committed": found.committed,
        "in_place": found.in_place,
        "acting": found.acting,
        "dependency": found.dependency,
        "joint": found.joint,
        "engaged": found.engaged,
        "inferred": found.inferred,
    }


def test_one_board_counted_by_hand() -> None:
    """A block of weight 2 with agents 0 and 1 at its left face, 2 in line behind 0, and 3 far away."""
    world = world_of([(4, 4), (5, 4), (4, 3), (9, 9)], [(4, 5, 2)])
    found = count(world, [RIGHT, STAY, RIGHT, UP], [TASK, TASK, "", TASK])
    assert list(found) == [TASK]
    assert numbers(found[TASK]) == {
        "required": 2,
        "committed": 4,  # 0, 1 and 3 say so, 2 pushes
        "in_place": 3,  # 0, 1, 2
        "acting": 2,  # 0, 2
        "dependency": 1,
        "joint": 2,  # 0, 2
        "engaged": 3,  # 3 is neither there nor pushing right
        "inferred": 1,
    }
    assert found[TASK].participants == [0, 1, 2, 3]
    assert world.step([RIGHT, STAY, RIGHT, UP]).achieved == {TASK}


def test_each_condition_met_by_somebody_else_is_not_met_jointly() -> None:
    """0 is committed and in place but stays, 1 is committed and pushes air, 2 is in place but for another task."""
    world = world_of([(4, 4), (9, 2), (5, 4)], [(4, 5, 2), (9, 8, 1)])
    found = count(world, [STAY, RIGHT, RIGHT], [TASK, TASK, "block1/left"])
    assert numbers(found[TASK]) == {
        "required": 2, "committed": 2, "in_place": 2, "acting": 1, "dependency": 1, "joint": 0, "engaged": 2,
        "inferred": 0,
    }  # fmt: skip
    assert found[TASK].participants == [0, 1]
    assert found["block1/left"].participants == [2]
    assert found["block1/left"].in_place == 0


def test_place_is_a_straight_unbroken_row_whatever_its_agents_do() -> None:
    """0 at the face, 1 behind it, a gap, then 2; 3 beside the row; 4 at the other face."""
    world = world_of([(5, 4), (5, 3), (5, 1), (4, 4), (5, 6)], [(5, 5, 1)])
    found = count(world, [STAY, UP, RIGHT, STAY, STAY], [TASK] * 5)
    assert found[TASK].in_place == 2
    assert found[TASK].engaged == 3, "0 and 1 are there, 2 pushes"
    assert found[TASK].joint == 0


def test_a_declaration_counts_before_what_the_agent_does() -> None:
    world = world_of([(5, 4)], [(5, 5, 1), (9, 8, 1)])
    inferred = count(world, [RIGHT], [""])
    assert (inferred[TASK].committed, inferred[TASK].inferred, inferred[TASK].joint) == (1, 1, 1)
    declared = count(world, [RIGHT], [TASK])
    assert (declared[TASK].committed, declared[TASK].inferred, declared[TASK].joint) == (1, 0, 1)
    elsewhere = count(world, [RIGHT], ["block1/left"])
    assert list(elsewhere) == ["block1/left"], "who has declared another task is not taken for a helper"


def test_nobody_committed_nothing_counted() -> None:
    world = world_of([(5, 4), (0, 0)], [(5, 5, 1)])
    assert world.count([STAY, RIGHT], ["", ""]) == []
    assert world.count([UP, DOWN], ["", ""]) == [], "in place, but it does not push"


@pytest.mark.parametrize("task", ["block7/left", "block0/front", "tower", "block-1/left", "block0"])
def test_a_task_that_does_not_exist_counts_as_none_declared(task: str) -> None:
    world = world_of([(5, 4)], [(5, 5, 1)])
    assert world.count([STAY], [task]) == []
    found = count(world, [RIGHT], [task])
    assert found[TASK].inferred == 1


def test_a_delivered_block_has_no_task() -> None:
    world = world_of([(5, 9), (2, 2)], [(5, 10, 1), (8, 5, 1)])
    assert world.step([RIGHT, STAY]).achieved == {TASK}
    assert world.count([STAY, STAY], [TASK, TASK]) == []


@pytest.mark.parametrize(
    ("agents", "blocks", "task"),
    [
        ([(5, 4), (5, 6)], [(5, 5, 1)], TASK),
        ([(5, 1)], [(5, 0, 1)], "block0/right"),
        ([(1, 5)], [(0, 5, 1)], "block0/bottom"),
        ([(5, 4), (5, 7)], [(5, 5, 1), (5, 6, 1)], TASK),
    ],
    ids=["agent ahead", "left wall", "top wall", "agent ahead of the chain"],
)
def test_without_a_free_destination_nothing_is_joint(agents: Any, blocks: Any, task: str) -> None:
    world = world_of(agents, blocks)
    action = {face: action for action, face in FACE.items()}[task.partition("/")[2]]
    found = count(world, [action, *[STAY] * (len(agents) - 1)], [task, *[""] * (len(agents) - 1)])
    assert (found[task].acting, found[task].dependency, found[task].joint) == (1, 0, 0)


def test_a_chain_needs_all_its_weight_and_takes_help_at_all_its_faces() -> None:
    """Block 0 leans on block 1, which is taller: agents may push at the face of either."""
    world = world_of([(5, 4), (6, 5), (7, 5), (0, 0)], [(5, 5, 1), (5, 6, 3)])
    everybody = [RIGHT, RIGHT, RIGHT, STAY]
    found = count(world, everybody, [TASK, "", "block1/left", ""])
    assert numbers(found[TASK]) == {
        "required": 4, "committed": 3, "in_place": 3, "acting": 3, "dependency": 1, "joint": 3, "engaged": 3,
        "inferred": 1,
    }  # fmt: skip
    assert numbers(found["block1/left"])["required"] == 3
    assert found["block1/left"].participants == [1, 2], "who pushes block 0 has named block 0"
    assert not world.step(everybody).achieved


def test_tasks_come_in_a_fixed_order() -> None:
    world = world_of([(0, 0), (1, 0), (2, 0)], [(5, 5, 1), (9, 5, 1)])
    found = world.count([STAY] * 3, ["block1/left", "block0/left", "block0/bottom"])
    assert [f.task for f in found] == ["block0/bottom", "block0/left", "block1/left"]


def test_counting_changes_nothing() -> None:
    world = world_of([(4, 4), (5, 4)], [(4, 5, 2)])
    before = world.state_hash()
    first = world.count([RIGHT, RIGHT], ["", TASK])
    assert world.count([RIGHT, RIGHT], ["", TASK]) == first
    assert world.state_hash() == before
    assert world.step([RIGHT, RIGHT]).achieved == {TASK}


# What a success implies --------------------------------------------------------------------------------------


def test_a_push_that_succeeds_by_its_own_closure_had_its_agents_jointly() -> None:
    rng = random.Random(5)
    successes = shared = 0
    for _ in range(250):
        heading = rng.choice(sorted(STEP))
        board: Board = random_board(rng, rng.randint(6, 9), rng.randint(2, 9), rng.uniform(0.1, 0.4), heading)
        actions = random_actions(rng, board, heading)
        world = world_of(board.agents, [board.blocks[b] for b in range(len(board.blocks))], board.size)
        found = count(world, actions, [""] * len(actions))
        outcome = world.step(actions)
        for event in outcome.events:
            if event["kind"] != "push":
                continue
            direction = ("up", "down", "left", "right").index(event["direction"]) + 1
            for block in event["blocks"]:
                counted = found.get(f"block{block}/{FACE[direction]}")
                own = closure(board, block, direction)
                if counted is None or own != frozenset(event["blocks"]):
                    continue
                successes += 1
                shared += len(own) > 1
                assert counted.required == sum(board.blocks[b][2] for b in own)
                assert counted.dependency == 1
                assert counted.joint >= counted.required, (board, actions, counted)
                assert counted.joint <= min(counted.committed, counted.in_place, counted.acting)
                assert counted.inferred == counted.committed
                assert set(event["agents"]) <= set(counted.participants)
    assert successes > 60
    assert shared > 10


def test_too_few_jointly_never_move_the_block_alone() -> None:
    """The other way round: where one block alone is pushed and joint < p, it stays."""
    rng = random.Random(8)
    short = 0
    for _ in range(150):
        board = random_board(rng, 8, rng.randint(1, 5), 0.15, TO_THE_RIGHT)
        actions = random_actions(rng, board, TO_THE_RIGHT)
        world = world_of(board.agents, [board.blocks[b] for b in range(len(board.blocks))], board.size)
        found = count(world, actions, [""] * len(actions))
        achieved = world.step(actions).achieved
        if len(found) == 1:
            ((task, counted),) = found.items()
            assert (counted.joint >= counted.required) == (task in achieved)
            short += counted.joint < counted.required
    assert short > 20


@pytest.mark.parametrize("seed", range(4))
def test_counts_of_whole_games_stay_in_bounds(seed: int) -> None:
    rng = random.Random(seed)
    world = make_embodiment("Cube-v0", n_agents=6, grid_size=20)
    world.reset(seed)
    names = ["", *(f"block{b}/{face}" for b in range(4) for face in FACE.values())]
    for _ in range(60):
        actions = [rng.choice((RIGHT, RIGHT, UP, DOWN, STAY)) for _ in range(6)]
        committed = [rng.choice(names) for _ in range(6)]
        for found in world.count(actions, committed):
            assert found.required >= 1
            assert 0 <= found.joint <= min(found.committed, found.acting)
            assert found.acting <= found.in_place <= 6
            assert found.inferred <= found.committed == len(found.participants) <= 6
            assert found.joint <= found.engaged <= found.committed
            assert {i for i, task in enumerate(committed) if task == found.task} <= set(found.participants)
        world.step(actions)
