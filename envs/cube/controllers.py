"""How a CUBE agent carries out a concept: one primitive a step, from what the agent knows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.controllers import Body, Cell, Patience, Walker
from emcoop.envs.cube.concepts import DIRECTIONS
from emcoop.envs.cube.scratch import DCOL, DROW
from emcoop.envs.cube.tasks import FACES
from emcoop.envs.cube.view import Block
from emcoop.envs.embodiment import DONE, RUNNING, Failed, Status
from emcoop.envs.navigation import UNREACHABLE

STAY = 0
MOVES = (1, 2, 3, 4, STAY)
"""Primitives that step up, down, left and right, and the one that stands still."""
PUSH_PATIENCE = 8
"""Steps a push may fail in a row before it is given up."""
CONTACT_PATIENCE = 3
QUEUE_PATIENCE = 25
"""Steps without getting nearer to a face with no free place before it counts as full."""

JAM_PATIENCE, JAM_RETREAT = 4, 8
"""Steps without a way before an agent retreats, and how many steps it then wanders off: somebody has to give way."""


class CubeBody(Body, Protocol):
    """What CUBE's controllers may ask besides."""

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

    def seen_agent(self, agent: int, other: int) -> Cell | None:
        """Return where another agent is, None if it cannot be seen."""

    def push_events(self, agent: int) -> list[dict[str, Any]]:
        """Return the failed-push events of the last step this agent took part in."""


def destinations(body: CubeBody, agent: int, target: Any, size: int) -> list[Cell]:
    """Return the cells without a block where navigating to a target may end.

    Args:
        body, agent: Who goes.
        target: A cell, the index of an agent (then the cells beside it, as far as it can be seen) or `goal`.
        size: Side of the board.
    """
    occupancy, pad = body.occupancy(agent), body.pad
    if target == "goal":
        cells = [(row, size - 1) for row in range(size)]
    elif isinstance(target, int):
        other = body.seen_agent(agent, target)
        around = [] if other is None else [(other[0] + DROW[s], other[1] + DCOL[s]) for s in range(4)]
        cells = [(r, c) for r, c in around if 0 <= r < size and 0 <= c < size]
    else:
        cells = [(target[0], target[1])]
    return [(r, c) for r, c in cells if max(r, c) < size and occupancy[r + pad, c + pad] >= 0]


class MoveToBlock:
    """Go to a place in line on a face."""

    def __init__(self, body: CubeBody, agent: int, block: int, side: int, timeout: int) -> None:
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
            return MOVES[self._walker.wander()]
        if self._field is None:
            way_out = self._body.way_out(self._agent, self._block, self._side)
            return STAY if way_out is None else MOVES[self._walker.towards(way_out)]
        if self._body.distance(self._agent, self._field) >= UNREACHABLE:
            return STAY
        return MOVES[self._walker.towards(self._field)]


class Push:
    """Push a face until the block has gone far enough."""

    def __init__(self, body: CubeBody, agent: int, block: int, side: int, steps: int, timeout: int) -> None:
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
        return MOVES[self._side]


def side_of_face(face: str) -> int:
    """Return the direction (0 up, 1 down, 2 left, 3 right) in which pushing a face moves the block."""
    return FACES.index(face)


def side_of_direction(direction: str) -> int:
    """Return the number of a direction: 0 up, 1 down, 2 left, 3 right."""
    return DIRECTIONS.index(direction)
