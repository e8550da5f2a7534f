"""Controllers of any world: walking, moving and navigating with a body whose primitives have numbers of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emcoop.envs.controllers import MOVE_PATIENCE, Cell, Move, Navigate, Walker
from emcoop.envs.embodiment import DONE, RUNNING, Failed
from emcoop.envs.navigation import DCOL, DROW, FREE, SOLID, distance_field

WORDS = {1: "left", 2: "right", 3: "up", 4: "down", 0: "noop"}
SIDES = ("up", "down", "left", "right")


class Room:
    """One agent among walls (`#`), drawn; it starts at `@`, and its primitives are not sides plus one."""

    moves = (3, 4, 1, 2, 0)

    def __init__(self, drawing: Sequence[str], pad: int = 2) -> None:
        self.pad = pad
        solid = np.array([[letter == "#" for letter in row] for row in drawing])
        self._solid = np.pad(solid, pad, constant_values=True)
        self.cell: Cell = next((r, row.index("@")) for r, row in enumerate(drawing) if "@" in row)

    def position(self, agent: int) -> Cell:
        return self.cell

    def occupancy(self, agent: int) -> NDArray[np.int32]:
        return self._solid.astype(np.int32)

    def distance(self, agent: int, field: NDArray[np.int32]) -> int:
        return int(field[self.cell[0] + self.pad, self.cell[1] + self.pad])

    def cell_field(self, agent: int, cells: Sequence[Cell], fresh: bool) -> NDArray[np.int32]:
        targets = np.array([(r + self.pad, c + self.pad, 0) for r, c in cells], np.int32)
        field = np.empty(self._solid.shape, np.int32)
        distance_field(np.where(self._solid, SOLID, FREE).astype(np.uint8), targets, field)
        return field

    def block(self, cell: Cell) -> None:
        self._solid[cell[0] + self.pad, cell[1] + self.pad] = True

    def go(self, side: int) -> None:
        """Step to a side if the cell is free; -1 stands still."""
        row, col = (self.cell[0] + DROW[side], self.cell[1] + DCOL[side]) if side >= 0 else self.cell
        if not self._solid[row + self.pad, col + self.pad]:
            self.cell = row, col

    def do(self, primitive: int) -> str:
        """Carry out a primitive and return its name."""
        word = WORDS[primitive]
        self.go(SIDES.index(word) if word in SIDES else -1)
        return word


def carry_out(room: Room, controller: Any, most: int = 40) -> tuple[Any, list[str]]:
    done: list[str] = []
    while (status := controller.status()) is RUNNING and len(done) < most:
        done.append(room.do(controller.act()))
    return status, done


@pytest.mark.parametrize(("side", "word"), list(enumerate(SIDES)))
def test_moving_gives_the_worlds_own_primitives(side: int, word: str) -> None:
    room = Room([".....", ".....", "..@..", ".....", "....."])
    assert carry_out(room, Move(room, 0, side, 2)) == (DONE, [word, word])
    assert room.cell == (2 + 2 * DROW[side], 2 + 2 * DCOL[side])


def test_moving_against_a_wall_is_given_up_after_some_patience() -> None:
    room = Room(["@.#."])
    status, done = carry_out(room, Move(room, 0, 3, 3))
    assert status == Failed("blocked", {"moved": 1})
    assert len(done) == 1 + MOVE_PATIENCE + 1, "one step that leads on, and held up once more than it may be"


def test_navigating_goes_the_shortest_way_and_ends_at_the_nearest_cell() -> None:
    room = Room(["@#..", ".#..", "...."])
    goals = [(0, 3), (1, 2)]
    status, done = carry_out(room, Navigate(room, 0, "there", lambda: goals, 20))
    assert (status, room.cell, len(done)) == (DONE, (1, 2), 5)
    assert done[:2] == ["down", "down"]


@pytest.mark.parametrize("cells", [[], [(0, 2)]], ids=["unknown", "walled off"])
def test_navigating_without_a_way_names_the_target(cells: list[Cell]) -> None:
    room = Room(["@#."])
    navigate = Navigate(room, 0, "there", lambda: cells, 20)
    assert navigate.status() == Failed("no_path", {"target": "there"})


def test_navigating_stops_when_time_is_up_but_not_on_arrival() -> None:
    room = Room(["@..."])
    assert carry_out(room, Navigate(room, 0, "there", lambda: [(0, 3)], 3))[0] is DONE
    room = Room(["@..."])
    assert carry_out(room, Navigate(room, 0, "there", lambda: [(0, 3)], 2))[0] == Failed("timeout", {"steps": 2})


def test_a_walker_in_the_way_of_itself_stands_still_before_it_steps_aside() -> None:
    room = Room(["...", "@..", "..."])
    field = room.cell_field(0, [(1, 2)], False)
    room.block((1, 1))
    walker = Walker(room, 0)
    sides = []
    for _ in range(3):
        sides.append(walker.towards(field))
        room.go(sides[-1])
    assert sides[0] == -1
    assert sides[1] in (0, 1), "then it goes around, though that is farther by the old field"
    assert not walker.is_stuck


def test_a_wandering_walker_never_turns_back_unless_it_has_to() -> None:
    room = Room(["@...."])
    walker = Walker(room, 0)
    cells = []
    for _ in range(8):
        room.go(walker.wander())
        cells.append(room.cell[1])
    # In a corridor there is one way on; at its end nobody moves for a step, then it leads back.
    assert cells == [1, 2, 3, 4, 4, 3, 2, 1]


def test_a_walker_walled_in_stands_still() -> None:
    room = Room(["#@#"])
    walker = Walker(room, 0)
    assert [walker.wander(), walker.towards(room.cell_field(0, [(0, 1)], False))] == [-1, -1]
