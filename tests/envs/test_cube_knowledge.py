"""What CUBE agents remember, and the geometry their controllers ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from emcoop.envs.cube.knowledge import STILL
from emcoop.envs.embodiment import DONE, RUNNING, ActionCall, Failed
from emcoop.envs.navigation import UNREACHABLE
from emcoop.registration import make_embodiment

STAY, UP, DOWN, LEFT, RIGHT = range(5)
Cell = tuple[int, int]


def world_of(agents: Sequence[Cell], blocks: Sequence[tuple[int, int, int]], size: int = 20, **more: Any) -> Any:
    world = make_embodiment("Cube-v0", n_agents=len(agents), grid_size=size, blocks={1: 1}, **more)
    world.reset(0, {"agents": [list(a) for a in agents], "blocks": [list(b) for b in blocks]})
    return world


def known_blocks(world: Any, agent: int) -> dict[int, tuple[int, ...]]:
    return {b: tuple(block) for b, block in world.view(agent).map.blocks.items()}


# Memory of what was seen -------------------------------------------------------------------------------------


def test_a_block_out_of_sight_is_remembered_where_it_was_seen() -> None:
    """Agent 0 walks away; agent 1 pushes the block on meanwhile."""
    world = world_of([(5, 2), (5, 4)], [(5, 5, 1)], sight=3)
    assert known_blocks(world, 0) == {0: (5, 5, 1)}
    for _ in range(3):
        world.step([LEFT, STAY])
    assert known_blocks(world, 0) == {0: (5, 5, 1)}
    for _ in range(4):
        world.step([STAY, RIGHT])
    assert known_blocks(world, 1) == {0: (5, 9, 1)}
    assert known_blocks(world, 0) == {0: (5, 5, 1)}, "it has not seen the block move"
    assert "columns 5-5" in world.view(0).text()


def test_looking_where_a_block_is_no_longer_forgets_it() -> None:
    world = world_of([(5, 1), (5, 4)], [(5, 5, 1)], sight=4)
    world.step([LEFT, RIGHT])
    world.step([STAY, RIGHT])
    assert known_blocks(world, 0) == {0: (5, 5, 1)}
    world.step([RIGHT, RIGHT])
    assert known_blocks(world, 0) == {}, "its old cell is in sight and empty, the new one is not"
    for _ in range(4):
        world.step([RIGHT, STAY])
    assert known_blocks(world, 0) == {0: (5, 8, 1)}


def test_agents_are_known_only_while_they_are_seen() -> None:
    world = world_of([(5, 2), (5, 5)], [(15, 15, 1)], sight=3)
    assert set(world.view(0).map.agents) == {0, 1}
    world.step([STAY, RIGHT])
    assert set(world.view(0).map.agents) == {0}
    assert world.seen_agent(0, 1) is None
    world.step([STAY, LEFT])
    assert world.seen_agent(0, 1) == (5, 5)


def test_a_path_is_sought_on_the_board_as_known() -> None:
    """A wall of blocks out of sight does not bend the way; once seen it does."""
    wall = [(row, 8, 1) for row in range(3, 8)]
    for sight, distance in ((3, 10), (None, 16)):
        world = world_of([(5, 3)], wall, **({"sight": sight} if sight else {}))
        field = world.cell_field(0, [(5, 13)], True)
        assert world.distance(0, field) == distance


def test_a_clone_knows_what_its_original_sees_now() -> None:
    world = world_of([(5, 2), (5, 5)], [(5, 8, 1)])
    twin = world.clone()
    twin.step([RIGHT, RIGHT])
    assert twin.position(0) == (5, 3)
    assert world.position(0) == (5, 2)
    assert world.view(0).map.step == 0
    assert twin.view(0).map.step == 1


# Places on a face --------------------------------------------------------------------------------------------


def places(world: Any, block: int, side: int) -> set[Cell]:
    """Return the cells at distance 0 in the field that leads to a face."""
    field = world.face_field(0, block, side, True)
    if field is None:
        return set()
    return {(int(r) - world.pad, int(c) - world.pad) for r, c in np.argwhere(field == 0)}


@pytest.mark.parametrize(
    ("side", "cells"),
    [
        (0, {(9, 6), (9, 7), (9, 8)}),
        (1, {(5, 6), (5, 7), (5, 8)}),
        (2, {(6, 9), (7, 9), (8, 9)}),
        (3, {(6, 5), (7, 5), (8, 5)}),
    ],
)
def test_free_places_lie_along_the_face(side: int, cells: set[Cell]) -> None:
    world = world_of([(0, 0)], [(6, 6, 3)])
    field = world.face_field(0, 0, side, True)
    found = {(int(r) - world.pad, int(c) - world.pad) for r, c in np.argwhere(field <= 1)}
    assert cells <= found
    assert places(world, 0, side) <= cells
    assert places(world, 0, side), "the best places start from distance 0"


def test_a_face_is_filled_row_behind_row() -> None:
    world = world_of([(6, 5), (7, 5)], [(6, 6, 2)])
    assert places(world, 0, 3) == {(6, 4), (7, 4)}
    world = world_of([(6, 5), (7, 5), (6, 4)], [(6, 6, 2)])
    assert places(world, 0, 3) == {(7, 4)}


def test_a_face_at_the_wall_has_no_places() -> None:
    world = world_of([(15, 15)], [(6, 0, 2)])
    assert world.face_field(0, 0, 3, True) is None
    world = world_of([(6, 0), (7, 0)], [(6, 1, 2)])
    assert world.face_field(0, 0, 3, True) is None


def test_who_stands_in_line() -> None:
    world = world_of([(6, 5), (6, 4), (6, 2), (5, 6), (6, 8)], [(6, 6, 2)])
    assert [world.in_line(agent, 0, 3) for agent in range(5)] == [True, True, False, False, False]
    assert [world.in_line(agent, 0, 1) for agent in range(5)] == [False, False, False, True, False]
    assert world.in_line(4, 0, 2)


def test_an_agent_at_the_end_of_a_face_makes_room() -> None:
    """A face fills from the middle: who stops at the first cell of a long face moves on while the next is free."""
    world = world_of([(4, 5)], [(4, 6, 5)])
    assert world.in_line(0, 0, 3)
    assert not world.is_well_placed(0, 0, 3)
    world = world_of([(6, 5)], [(4, 6, 5)])
    assert world.is_well_placed(0, 0, 3)
    world = world_of([(4, 5), (5, 5)], [(4, 6, 5)])
    assert world.is_well_placed(0, 0, 3), "the cell towards the middle is taken"
    world = world_of([(6, 5), (6, 4)], [(4, 6, 5)])
    assert not world.is_well_placed(1, 0, 3), "a row nearer to the block has free places"


@pytest.mark.parametrize("weight", [1, 2, 3, 4, 5])
def test_a_team_fills_a_face_without_shutting_anybody_out(weight: int) -> None:
    n = 2 * weight
    world = world_of([(row, 0) for row in range(n)], [(8, 8, weight)])
    call = ActionCall("move_to_block", {"block": 0, "face": "left"})
    controllers = [world.controller(agent, call) for agent in range(n)]
    statuses: list[Any] = [RUNNING] * n
    for _ in range(80):
        world.meetings.begin_step()
        statuses = [status if status is DONE else c.status() for status, c in zip(statuses, controllers)]
        assert not any(isinstance(status, Failed) for status in statuses)
        if all(status is DONE for status in statuses):
            break
        world.step([STAY if status is DONE else c.act() for status, c in zip(statuses, controllers)])
    assert all(status is DONE for status in statuses)
    assert sum(world.in_line(agent, 0, 3) for agent in range(n)) == n


def test_others_are_walked_around_only_when_they_stand_still() -> None:
    world = world_of([(5, 0), (5, 3)], [(15, 15, 1)])
    through = world.distance(0, world.cell_field(0, [(5, 6)], True))
    for _ in range(2 * STILL + 2):
        world.step([STAY, STAY])
    around = world.distance(0, world.cell_field(0, [(5, 6)], True))
    assert (through, around) == (6, 8)


def test_a_walled_in_agent_has_no_way() -> None:
    world = world_of([(0, 0)], [(0, 1, 1), (1, 0, 1)])
    assert world.distance(0, world.cell_field(0, [(9, 9)], True)) >= UNREACHABLE
