"""Controllers every world shares: waiting, meeting, and following a path with patience."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.embodiment import DONE, RUNNING, Failed, MeetingPoints, Status
from emcoop.envs.navigation import DCOL, DROW, UNREACHABLE, descend

MOVE_PATIENCE = 5
"""Steps an agent may be held up in a row before moving in a direction is given up."""

Cell = tuple[int, int]


class Body(Protocol):
    """What a controller may ask about its own agent; answered from that agent's knowledge.

    Attributes:
        pad: Cells around the grid in padded arrays.
        moves: Primitives that step to sides 0 to 3 (up, down, left, right), and last the one that stands still, so
            that side -1 means it.
    """

    pad: int
    moves: tuple[int, int, int, int, int]

    def position(self, agent: int) -> Cell:
        """Return the agent's own cell."""

    def occupancy(self, agent: int) -> NDArray[np.int32]:
        """Return the padded grid, 0 where the agent could step as far as it knows."""

    def distance(self, agent: int, field: NDArray[np.int32]) -> int:
        """Return the agent's own distance in a field."""

    def cell_field(self, agent: int, cells: Sequence[Cell], fresh: bool) -> NDArray[np.int32]:
        """Return the distances to the nearest of some cells, padded; `fresh` insists on the latest obstacles."""


@dataclass
class Patience:
    """Counts how long something has been going on, or going wrong.

    Attributes:
        limit: Steps it may go on.
        spent: Steps it has gone on.
    """

    limit: int
    spent: int = 0

    def out(self) -> bool:
        """Count one step and say whether the limit has been passed."""
        self.spent += 1
        return self.spent > self.limit


class Wait:
    """Do nothing for a number of steps."""

    def __init__(self, steps: int, noop: int) -> None:
        self._left = steps
        self._noop = noop

    def status(self) -> Status:
        """Go on until the steps are over."""
        return RUNNING if self._left > 0 else DONE

    def act(self) -> int:
        """Do nothing."""
        self._left -= 1
        return self._noop


@dataclass
class Meet:
    """Hold a meeting point until enough agents hold it.

    Attributes:
        meetings: The world's meeting points.
        point: Name of the point.
        agent: Who waits.
        need: How many have to be there.
        timeout: Steps after which to give up.
        noop: Primitive for doing nothing.
        check: Says why the agent may no longer hold the point, or None.
    """

    meetings: MeetingPoints
    point: str
    agent: int
    need: int
    timeout: int
    noop: int
    check: Callable[[], Failed | None]
    _waited: int = field(default=0, init=False)

    def status(self) -> Status:
        """Hold the point; done when released, failed when the check says so or time is up."""
        problem = self.check()
        if problem is not None:
            return problem
        if self.meetings.hold(self.point, self.agent, self.need):
            return DONE
        if self._waited >= self.timeout:
            self.meetings.leave(self.point, self.agent)
            return Failed("timeout", {"need": self.need, "waited": self._waited})
        return RUNNING

    def act(self) -> int:
        """Wait one step."""
        self._waited += 1
        return self.noop


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
        """Return the side that leads down the field, -1 for standing still."""
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
        return side

    def wander(self) -> int:
        """Return a side with a free cell, never the way back if possible, -1 for none: the way out of a jam."""
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
                return side
        self._back = -1
        return -1


def _scatter(agent: int, step: int) -> int:
    """Return a number that differs between agents and steps, so that two in each other's way do not dance in step."""
    mixed = (agent * 0x9E3779B1 + step * 0x85EBCA77) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) * 0x2C1B3C6D >> 12 & 0xFFFF


@dataclass
class Move:
    """Move a number of cells in one direction.

    Attributes:
        body, agent: Who moves.
        side: 0 up, 1 down, 2 left, 3 right.
        steps: Cells to go.
    """

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
        return self.body.moves[self.side]


class Navigate:
    """Go to the nearest of some cells.

    Args:
        body, agent: Who goes.
        target: What the cells stand for, named when there is no way.
        cells: Gives the cells where the way may end now, as far as the agent knows; none means there is no way.
        timeout: Steps after which to give up.
    """

    def __init__(self, body: Body, agent: int, target: Any, cells: Callable[[], Sequence[Cell]], timeout: int) -> None:
        self._body = body
        self._agent = agent
        self._target = target
        self._cells = cells
        self._time = Patience(timeout)
        self._walker = Walker(body, agent)

    def status(self) -> Status:
        """Done on arrival; `no_path` if there is no way or the target is unknown; `timeout`."""
        cells = self._cells()
        if self._body.position(self._agent) in cells:
            return DONE
        if self._time.out():
            return Failed("timeout", {"steps": self._time.limit})
        if not cells:
            return Failed("no_path", {"target": self._target})
        self._field = self._body.cell_field(self._agent, cells, self._walker.is_stuck)
        if self._body.distance(self._agent, self._field) >= UNREACHABLE:
            return Failed("no_path", {"target": self._target})
        return RUNNING

    def act(self) -> int:
        """Step towards the target."""
        return self._body.moves[self._walker.towards(self._field)]
