"""How a CUBE agent carries out a concept: one primitive a step, from what the agent knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.controllers import Patience
from emcoop.envs.cube.concepts import DIRECTIONS
from emcoop.envs.cube.scratch import DCOL, DROW
from emcoop.envs.cube.tasks import FACES
from emcoop.envs.cube.view import Block
from emcoop.envs.embodiment import DONE, RUNNING, Failed, Status
from emcoop.envs.navigation import UNREACHABLE, descend

STAY = 0
PUSH_PATIENCE = 8
"""Steps a push may fail in a row before it is given up."""
CONTACT_PATIENCE = 3
MOVE_PATIENCE = 5
QUEUE_PATIENCE = 25
"""Steps without getting nearer to a face with no free place before it counts as full."""

JAM_PATIENCE, JAM_RETREAT = 4, 8
"""Steps without a way before an agent retreats, and how many steps it then wanders off: somebody has to give way."""

Cell = tuple[int, int]


class Body(Protocol):
    """What a controller may ask about its own agent; answered from that agent's knowledge."""

    pad: int

    def position(self, agent: int) -> Cell:
        """Return the agent's own cell."""

    def block(self, agent: int, index: int) -> Block | None:
        """Return a block as the agent knows it, None if it is delivered or was never seen."""

    def is_delivered(self, index: int) -> bool:
        """Say whether a block has left the board."""

    def in_line(self, agent: int, index: int, side: int) -> bool:
        """Say whether the agent stands in an unbroken row of agents behind the face pushed towards `side`."""

    def is_well_placed(self, agent: int, index: int, side: int) -> bool:
        """Say whether an agent in line on a face need not move on to let others in."""

    def face_field(self, agent: int, index: int, side: int, fresh: bool) -> NDArray[np.int32] | None:
        """Return the distances to the free places on a face, None if it has none."""

    def way_out(self, agent: int, index: int, side: int) -> NDArray[np.int32] | None:
        """Return the distances out of the way of a pushed block, None if the agent is not in it."""

    def cell_field(self, agent: int, cells: Sequence[Cell], fresh: bool) -> NDArray[np.int32]:
        """Return the distances to cells."""

    def seen_agent(self, agent: int, other: int) -> Cell | None:
        """Return where another agent is, None if it cannot be seen."""

    def occupancy(self, agent: int) -> NDArray[np.int32]:
        """Return who stands where as far as the agent knows, padded."""

    def distance(self, agent: int, field: NDArray[np.int32]) -> int:
        """Return the agent's own distance in a field."""

    def push_events(self, agent: int) -> list[dict[str, Any]]:
        """Return the failed-push events of the last step this agent took part in."""


class Walker:
    """Follows a distance field: nearer if possible, around others if not, standing still if that is best.

    An agent that has not come nearer for a while asks for a fresh field and takes a step aside; which way depends on
    agent and step only, so that walks repeat exactly.
    """

    def __init__(self, body: Body, agent: int) -> None:
        self._body = body
        self._agent = agent
        self._waited = 0
        self._steps = 0
        self._patience = 1 + agent % 2
        self._back = -1

    @property
    def is_stuck(self) -> bool:
        """Say whether the last step brought it no nearer."""
        return self._waited > 0

    def towards(self, field: NDArray[np.int32]) -> int:
        """Return the primitive that leads down the field."""
        row, col = self._body.position(self._agent)
        occupancy = self._body.occupancy(self._agent)
        self._steps += 1
        turn = (self._agent + self._steps) % 4
        y, x = row + self._body.pad, col + self._body.pad
        side = descend(field, occupancy, y, x, turn, -1)
        if side < 0:
            self._waited += 1
            if self._waited > self._patience:
                self._patience = 1 + _scatter(self._agent, self._steps) % 5
                side = descend(field, occupancy, y, x, turn, 1)
                self._waited = 0
        else:
            self._waited = 0
        return side + 1

    def wander(self) -> int:
        """Return a step to any free cell beside the agent, none twice in a row if possible: the way out of a jam."""
        row, col = self._body.position(self._agent)
        occupancy = self._body.occupancy(self._agent)
        self._steps += 1
        turn = _scatter(self._agent, self._steps)
        for k in range(4):
            side = (turn + k) % 4
            if (
                side != self._back
                and occupancy[row + self._body.pad + DROW[side], col + self._body.pad + DCOL[side]] == 0
            ):
                self._back = side ^ 1
                return side + 1
        self._back = -1
        return STAY


def _scatter(agent: int, step: int) -> int:
    """Return a number that differs between agents and steps, so that two in each other's way do not dance in step."""
    mixed = (agent * 0x9E3779B1 + step * 0x85EBCA77) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) * 0x2C1B3C6D >> 12 & 0xFFFF


@dataclass
class Move:
    """Move a number of cells in one direction."""

    body: Body
    agent: int
    side: int
    steps: int

    def __post_init__(self) -> None:
        self._start = self.body.position(self.agent)
        self._stuck = Patience(MOVE_PATIENCE)
        self._last = -1

    def status(self) -> Status:
        """Done after `steps` cells; `blocked` after some steps without moving."""
        row, col = self.body.position(self.agent)
        gone = (row - self._start[0]) * DROW[self.side] + (col - self._start[1]) * DCOL[self.side]
        if gone >= self.steps:
            return DONE
        if gone > self._last:
            self._stuck.spent = 0
        elif self._stuck.out():
            return Failed("blocked", {"moved": gone})
        self._last = gone
        return RUNNING

    def act(self) -> int:
        """Step in the direction."""
        return self.side + 1


class Navigate:
    """Go to a cell, next to an agent, or to the goal column."""

    def __init__(self, body: Body, agent: int, target: Any, size: int, timeout: int) -> None:
        self._body = body
        self._agent = agent
        self._target = target
        self._size = size
        self._time = Patience(timeout)
        self._walker = Walker(body, agent)

    def _cells(self) -> list[Cell]:
        if self._target == "goal":
            return [(row, self._size - 1) for row in range(self._size)]
        if isinstance(self._target, int):
            other = self._body.seen_agent(self._agent, self._target)
            around = [] if other is None else [(other[0] + DROW[s], other[1] + DCOL[s]) for s in range(4)]
            return [(r, c) for r, c in around if 0 <= r < self._size and 0 <= c < self._size]
        return [(self._target[0], self._target[1])]

    def status(self) -> Status:
        """Done on arrival; `no_path` if there is no way or the target is unknown; `timeout`."""
        cells = self._cells()
        position = self._body.position(self._agent)
        if position in cells:
            return DONE
        if self._time.out():
            return Failed("timeout", {"steps": self._time.limit})
        occupancy, pad = self._body.occupancy(self._agent), self._body.pad
        cells = [(r, c) for r, c in cells if max(r, c) < self._size and occupancy[r + pad, c + pad] >= 0]
        if not cells:
            return Failed("no_path", {"target": self._target})
        self._field = self._body.cell_field(self._agent, cells, self._walker.is_stuck)
        if self._body.distance(self._agent, self._field) >= UNREACHABLE:
            return Failed("no_path", {"target": self._target})
        return RUNNING

    def act(self) -> int:
        """Step towards the target."""
        return self._walker.towards(self._field)


class MoveToBlock:
    """Go to a place in line on a face."""

    def __init__(self, body: Body, agent: int, block: int, side: int, timeout: int) -> None:
        self._body = body
        self._agent = agent
        self._block = block
        self._side = side
        self._time = Patience(timeout)
        self._queue = Patience(QUEUE_PATIENCE)
        self._walker = Walker(body, agent)
        self._field: NDArray[np.int32] | None = None
        self._retreat = 0

    def status(self) -> Status:
        """Done in line; `block_gone`, `face_full`, `no_path`, `timeout`."""
        body = self._body
        if body.is_delivered(self._block):
            return Failed("block_gone", {"block": self._block})
        if body.block(self._agent, self._block) is None:
            return Failed("no_path", {"block": self._block, "unseen": True})
        in_line = body.in_line(self._agent, self._block, self._side)
        if in_line and body.is_well_placed(self._agent, self._block, self._side):
            return DONE
        if self._time.out():
            return Failed("timeout", {"steps": self._time.limit})
        self._field = body.face_field(self._agent, self._block, self._side, self._walker.is_stuck)
        if in_line and (self._field is None or self._walker.is_stuck):
            return DONE
        if self._field is not None and body.distance(self._agent, self._field) < UNREACHABLE:
            self._queue.spent = 0
        elif self._queue.out():
            return Failed("face_full" if self._field is None else "no_path", {"block": self._block})
        elif self._field is not None and self._queue.spent > JAM_PATIENCE and self._retreat == 0:
            self._retreat = JAM_RETREAT
        return RUNNING

    def act(self) -> int:
        """Step towards the nearest free place; if there is none, out of the way of those who push."""
        if self._retreat > 0:
            self._retreat -= 1
            return self._walker.wander()
        if self._field is None:
            way_out = self._body.way_out(self._agent, self._block, self._side)
            return STAY if way_out is None else self._walker.towards(way_out)
        if self._body.distance(self._agent, self._field) >= UNREACHABLE:
            return STAY
        return self._walker.towards(self._field)


class Push:
    """Push a face until the block has gone far enough."""

    def __init__(self, body: Body, agent: int, block: int, side: int, steps: int, timeout: int) -> None:
        self._body = body
        self._agent = agent
        self._block = block
        self._side = side
        self._steps = steps
        self._time = Patience(timeout)
        self._failing = Patience(PUSH_PATIENCE)
        self._apart = Patience(CONTACT_PATIENCE)
        known = body.block(agent, block)
        self._start = known
        self._gone = 0

    def status(self) -> Status:
        """Done when moved or delivered; otherwise the reason why it does not move, after some patience."""
        body = self._body
        known = body.block(self._agent, self._block)
        if self._start is None:
            return Failed("block_gone", {"block": self._block})
        if body.is_delivered(self._block):
            return DONE if self._time.spent else Failed("block_gone", {"block": self._block})
        if known is None:
            return Failed("not_in_contact", {"block": self._block})
        gone = (known.row - self._start.row) * DROW[self._side] + (known.col - self._start.col) * DCOL[self._side]
        if gone >= self._steps:
            return DONE
        if self._time.out():
            return Failed("timeout", {"moved": gone, "steps": self._steps})
        if not body.in_line(self._agent, self._block, self._side):
            return Failed("not_in_contact", {"moved": gone}) if self._apart.out() else RUNNING
        self._apart.spent = 0
        if gone > self._gone or self._time.spent == 1:
            self._gone, self._failing.spent = gone, 0
        elif self._failing.out():
            return self._why(gone)
        return RUNNING

    def _why(self, moved: int) -> Failed:
        for event in self._body.push_events(self._agent):
            if event.get("block") == self._block:
                kind = "insufficient_force" if event["kind"] == "insufficient_force" else "blocked_destination"
                return Failed(kind, {"have": event["have"], "need": event["need"], "moved": moved})
        return Failed("not_in_contact", {"moved": moved})

    def act(self) -> int:
        """Push."""
        return self._side + 1


def side_of_face(face: str) -> int:
    """Return the direction (0 up, 1 down, 2 left, 3 right) in which pushing a face moves the block."""
    return FACES.index(face)


def side_of_direction(direction: str) -> int:
    """Return the number of a direction: 0 up, 1 down, 2 left, 3 right."""
    return DIRECTIONS.index(direction)
