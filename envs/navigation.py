"""Path finding every world shares: one search per target, used by all agents that want it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel, part

UNREACHABLE = 2**30
FREE, STANDING, SOLID = 0, 1, 255
SLOWEST = 15
"""What an obstacle grid holds: these three, and 2 to `SLOWEST` for a cell that takes that many steps to enter."""
MOST_CELLS = 2**26
"""Cells of fields kept at most, 256 MiB; the oldest fields go first."""

DROW = (-1, 1, 0, 0)
DCOL = (0, 0, -1, 1)
"""Steps of the four sides: 0 up, 1 down, 2 left, 3 right."""


@part
def spread(
    kinds: NDArray[np.uint8],
    after: NDArray[np.int32],
    first: NDArray[np.int32],
    now: int,
    cols: int,
    far: NDArray[np.int32],
) -> int:
    """Go on from the cells at distance `now` to their neighbours: one list of Dial's algorithm.

    All arrays are flat, a cell being `row * cols + col`.

    Args:
        kinds: Obstacles; what has been reached becomes `SOLID`.
        after: Who follows whom in the lists.
        first: The first cell of each list, -1 for an empty one; as many lists as `SLOWEST` and one.
        now: The distance.
        cols: Cells of a row.
        far: Distances, written when a cell is reached.

    Returns:
        By how many cells the lists have become longer.
    """
    bucket, more = now % len(first), 0
    cell = first[bucket]
    first[bucket] = -1
    while cell >= 0:
        more -= 1
        for side in (-cols, cols, -1, 1):
            beside = cell + side
            kind = kinds[beside]
            if kind <= SLOWEST:
                steps = now + max(kind, 1)
                far[beside] = steps
                kinds[beside] = SOLID
                if kind != STANDING:
                    later = steps % len(first)
                    after[beside], first[later] = first[later], beside
                    more += 1
        cell = after[cell]
    return more


@kernel
def distance_field(obstacles: NDArray[np.uint8], targets: NDArray[np.int32], field: NDArray[np.int32]) -> None:
    """Write each cell's distance in steps to the nearest target.

    A slow cell's distance includes the steps beyond the first that entering it takes: from any cell that is not slow
    the best next cell is the neighbour with the smallest distance, and one step less far.

    Dial's algorithm (Dial 1969, Communications of the ACM 12(11)): Dijkstra's with one list of cells per distance.
    What a cell adds to the distance of the next one does not depend on where one comes from, so the first distance
    found for a cell is final.

    Args:
        obstacles: `(rows, cols)`: `FREE`; `STANDING`, a cell one may leave but not pass through; 2 to `SLOWEST`, a
            cell that takes so many steps to enter (rock to dig away, say); all above is `SOLID`. The border must be
            solid. Targets count as free.
        targets: `(t, 3)`: row, column (inside the border) and the distance to start from, 0 for the best targets;
            sorted by that distance.
        field: `(rows, cols)` int32 out; `UNREACHABLE` where no path leads to a target.
    """
    rows, cols = obstacles.shape
    kind = obstacles.copy().reshape(rows * cols)
    for k in range(len(targets)):
        kind[targets[k, 0] * cols + targets[k, 1]] = FREE
    far = np.full(rows * cols, UNREACHABLE, np.int32)
    first = np.full(SLOWEST + 1, -1, np.int32)
    after = np.empty(rows * cols, np.int32)
    now, waiting, source = 0, 0, 0
    while waiting or source < len(targets):
        if waiting == 0:
            now = targets[source, 2]
        bucket = now % len(first)
        while source < len(targets) and targets[source, 2] <= now:
            start = targets[source, 0] * cols + targets[source, 1]
            if far[start] > now:
                far[start], after[start], first[bucket] = now, first[bucket], start
                kind[start] = SOLID
                waiting += 1
            source += 1
        waiting += spread(kind, after, first, now, cols, far)
        now += 1
    field[:, :] = far.reshape(rows, cols)


@kernel
def descend(field: NDArray[np.int32], occupied: NDArray[np.int32], y: int, x: int, turn: int, slack: int) -> int:
    """Return the side (0 up, 1 down, 2 left, 3 right) of the best free neighbour, or -1.

    Args:
        field: Distances to the target.
        occupied: Nonzero where something stands.
        y, x: Where the agent is.
        turn: Which side to look at first: the one taken among equals.
        slack: A neighbour may be this much farther from the target than the agent is (negative: must be nearer).
    """
    best, best_side = field[y, x] + slack + 1, -1
    for k in range(4):
        side = (turn + k) % 4
        v, u = y + DROW[side], x + DCOL[side]
        if occupied[v, u] == 0 and field[v, u] < best:
            best, best_side = field[v, u], side
    return best_side


class FieldCache:
    """Distance fields by key, computed once and shared while the obstacles are what they were.

    On large boards a field may be used for a few steps although obstacles have moved meanwhile (`max_age`): far from
    the target the difference is small, and an agent that is stuck asks for a fresh one.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self.max_age = max(shape) // 32 if max(shape) > 64 else 0
        self._most = max(8, MOST_CELLS // (shape[0] * shape[1]))
        self._fields: dict[object, tuple[object, int, NDArray[np.int32]]] = {}

    def get(
        self,
        key: object,
        version: object,
        step: int,
        obstacles: NDArray[np.uint8],
        targets: NDArray[np.int32],
        fresh: bool = False,
    ) -> NDArray[np.int32]:
        """Return the distance field to `targets`.

        Args:
            key: What the field leads to.
            version: Equal versions mean equal obstacles and targets.
            step: Current step, for the age.
            obstacles, targets: As in `distance_field`.
            fresh: Insist on the current obstacles.
        """
        known = self._fields.get(key)
        if known is not None and (known[0] == version or (not fresh and step - known[1] < self.max_age)):
            return known[2]
        field = np.empty(self._shape, np.int32) if known is None else known[2]
        distance_field(obstacles, targets, field)
        self._fields.pop(key, None)
        self._fields[key] = (version, step, field)
        if len(self._fields) > self._most:
            del self._fields[next(iter(self._fields))]
        return field
