"""How MA-Crafter agents get to where they want to be, and turn to what they want to face."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.controllers import Patience, Walker
from emcoop.envs.embodiment import RUNNING, Controller, Failed, Status
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.bodies import SIDE_OF, Bodies, Cell, Pose
from emcoop.envs.ma_crafter.world import is_walkable
from emcoop.envs.navigation import DCOL, DROW, UNREACHABLE

QUEUE_PATIENCE = 16
"""Steps to wait for a free place or way before it counts as none."""
HELD_UP_PATIENCE = 24
"""Steps without getting nearer or learning about the map before a way counts as blocked."""
JAM_PATIENCE, JAM_RETREAT = 4, 6
"""Steps without a way before an agent retreats, and how many steps it then wanders off: somebody has to give way."""
LONGEST = 4
"""Steps a way may take at most, in rows and columns of the map."""
POSE_STEPS = 6
"""How far a suitable pose is sought."""


class Guarded:
    """Carries out a controller while its agent is awake.

    Args:
        bodies: The bodies.
        agent: Whose controller.
        inner: The controller.
        lies_still: Whether an agent that has fallen can do it too.
    """

    def __init__(self, bodies: Bodies, agent: int, inner: Controller, lies_still: bool = False) -> None:
        self._bodies = bodies
        self._agent = agent
        self._inner = inner
        self._lies_still = lies_still

    def status(self) -> Status:
        """Return the controller's status; `dead` for an agent that has fallen; a pause while it sleeps."""
        if not self._bodies.is_alive(self._agent) and not self._lies_still:
            return Failed("dead")
        return RUNNING if self._bodies.is_asleep(self._agent) else self._inner.status()

    def act(self) -> int:
        """Act, or do nothing asleep."""
        return r.NOOP if self._bodies.is_asleep(self._agent) else self._inner.act()


class Way:
    """Leads an agent to the nearest of some cells, digging where it must.

    Args:
        bodies: The bodies.
        agent: Who goes.
    """

    def __init__(self, bodies: Bodies, agent: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._walker = Walker(bodies, agent)
        self._queue = Patience(QUEUE_PATIENCE)
        self._held_up = Patience(HELD_UP_PATIENCE)
        self._time = Patience(LONGEST * sum(bodies.area))
        self._key: object = None
        self._nearest = self._last = UNREACHABLE
        self._version = -1
        self._retreat = 0
        self._field: NDArray[np.int32] | None = None

    def check(self, key: object, cells: Sequence[Cell] | NDArray[np.int32]) -> Status:
        """Say whether there is a way, once before every step: `RUNNING`, `no_path` or `blocked`.

        Args:
            key: What the cells stand for.
            cells: Where to.
        """
        bodies, agent = self._bodies, self._agent
        self._field = None
        if key != self._key:
            self._key, self._nearest = key, UNREACHABLE
        if len(cells):
            field = bodies.knowledge.field_to(agent, key, cells, self._walker.is_stuck or self._queue.spent > 0)
            if bodies.can_reach(agent, field):
                self._field = field
                self._queue.spent = 0
                return self._progress(bodies.distance(agent, field))
            if not bodies.can_reach(agent, bodies.knowledge.field_to(agent, key, cells, fresh=True, alone=True)):
                return Failed("no_path")
        if self._queue.out():
            return Failed("no_path")
        if self._queue.spent > JAM_PATIENCE and self._retreat == 0:
            self._retreat = JAM_RETREAT
        return RUNNING

    def _progress(self, distance: int) -> Status:
        knowledge = self._bodies.knowledge
        version = -1 if knowledge.is_revealed(self._agent) else knowledge.version(self._agent)
        if distance > self._last + 1:
            self._nearest = distance + 1
        self._last = distance
        if distance < self._nearest or version != self._version:
            self._nearest, self._version, self._held_up.spent = min(distance, self._nearest), version, 0
        elif self._held_up.out():
            return Failed("blocked")
        return Failed("blocked") if self._time.out() else RUNNING

    def step(self) -> int:
        """Return the primitive that leads on; without a way, out of the way."""
        if self._field is None:
            if self._retreat == 0:
                return r.NOOP
            self._retreat -= 1
            return self._towards(self._walker.wander(), digs=False)
        self._retreat = 0
        return self._towards(self._walker.towards(self._field), digs=True)

    def _towards(self, side: int, digs: bool) -> int:
        if side < 0:
            return r.NOOP
        row, col = self._bodies.position(self._agent)
        if is_walkable(self._bodies.material(self._agent, row + DROW[side], col + DCOL[side])):
            return self._bodies.moves[side]
        if not digs:
            return r.NOOP
        return r.DO if self._bodies.facing(self._agent) == side else self._bodies.moves[side]


def beside(bodies: Bodies, agent: int, cell: Cell) -> int:
    """Return on which side of the agent a cell lies, -1 if it is not beside it."""
    row, col = bodies.position(agent)
    return SIDE_OF.get((cell[0] - row, cell[1] - col), -1)


def faced_cell(pose: Pose) -> Cell:
    """Return the cell faced in a pose."""
    return pose[0] + DROW[pose[2]], pose[1] + DCOL[pose[2]]


def first_move_to_pose(bodies: Bodies, agent: int, suits: Callable[[Pose], bool], most: int = POSE_STEPS) -> int:
    """Return the first primitive on the shortest way to a suitable pose, `rules.NOOP` if none is near.

    A move turns; it also steps if the cell is free, so that what is faced then is the next cell. Only cells in view
    are used.

    Args:
        bodies: The bodies.
        agent: Who.
        suits: Says whether a pose is suitable; what it faces is in view.
        most: Moves at most.
    """
    position = bodies.position(agent)
    start = (*position, bodies.facing(agent))
    first: dict[Pose, int] = {start: r.NOOP}
    queue = deque([(start, 0)])
    while queue:
        pose, moves = queue.popleft()
        if moves == most:
            continue
        for side in range(4):
            after = _after_move(bodies, agent, pose, side)
            if after is None or after in first:
                continue
            first[after] = bodies.moves[side] if pose == start else first[pose]
            faced = faced_cell(after)
            if faced != position and bodies.sees(agent, *faced) and suits(after):
                return first[after]
            queue.append((after, moves + 1))
    return r.NOOP


def _after_move(bodies: Bodies, agent: int, pose: Pose, side: int) -> Pose | None:
    """Return the pose after a move, None if it would leave the view or lead into lava."""
    cell = faced_cell((pose[0], pose[1], side))
    material = bodies.material(agent, *cell)
    if material == r.LAVA or not bodies.sees(agent, *cell):
        return None
    mine = cell == bodies.position(agent)
    return (*cell, side) if is_walkable(material) and (mine or bodies.is_free(agent, *cell)) else (*pose[:2], side)
