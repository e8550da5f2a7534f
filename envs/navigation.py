"""Path finding every world shares: one breadth-first search per target, used by all agents that want it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel

UNREACHABLE = 2**30
FREE, STANDING, SOLID = 0, 1, 2
MOST_CELLS = 2**26
"""Cells of fields kept at most, 256 MiB; the oldest fields go first."""

DROW = (-1, 1, 0, 0)
DCOL = (0, 0, -1, 1)
"""Steps of the four sides: 0 up, 1 down, 2 left, 3 right."""


@kernel
def distance_field(obstacles: NDArray[np.uint8], targets: NDArray[np.int32], field: NDArray[np.int32]) -> None:
    """Write each cell's distance in steps to the nearest target, by breadth-first search over free cells.

    Args:
        obstacles: `(rows, cols)`: `FREE`, `STANDING` (a cell one may leave but not pass through) or `SOLID`; the
            border must be solid. Targets count as free.
        targets: `(t, 3)`: row, column (inside the border) and the distance to start from, 0 for the best targets;
            sorted by that distance.
        field: `(rows, cols)` int32 out; `UNREACHABLE` where no path leads to a target.
    """
    rows, cols = obstacles.shape
    field[:, :] = UNREACHABLE
    queue = np.empty(rows * cols + len(targets), np.int64)
    head, tail, source = 0, 0, 0
    while head < tail or source < len(targets):
        if source < len(targets):
            start = targets[source, 0] * cols + targets[source, 1]
            if head == tail or targets[source, 2] <= field[queue[head] // cols, queue[head] % cols]:
                if targets[source, 2] < field[start // cols, start % cols]:
                    field[start // cols, start % cols] = targets[source, 2]
                    queue[tail] = start
                    tail += 1
                    # Keep the queue sorted: a source goes before cells that are as far or farther.
                    for k in range(tail - 1, head, -1):
                        queue[k], queue[k - 1] = queue[k - 1], queue[k]
                source += 1
                continue
        y, x = queue[head] // cols, queue[head] % cols
        head += 1
        for side in range(4):
            v, u = y + DROW[side], x + DCOL[side]
            if obstacles[v, u] != SOLID and field[v, u] == UNREACHABLE:
                field[v, u] = field[y, x] + 1
                if obstacles[v, u] == FREE:
                    queue[tail] = v * cols + u
                    tail += 1


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
