"""What CUBE agents know of the board: everything, or what they have seen within their sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.cube.scratch import DCOL, DROW, RIGHT
from emcoop.envs.cube.view import Block, CubeMap
from emcoop.envs.cube.world import OFF_BOARD, IntArray
from emcoop.envs.kernels import kernel
from emcoop.envs.navigation import FREE, SOLID, STANDING, FieldCache

STILL = 3
"""Steps an agent has to stand still, at least, before others walk around it rather than wait for it."""


@kernel
def fronts(occupancy: IntArray, agents: IntArray, pad: int, out: IntArray) -> None:
    """Write for each direction and agent the block it stands in line behind, -1 for none.

    Args:
        occupancy: Padded board.
        agents: `(n, 2)` cells; a negative row means the agent is not known.
        pad: Padding.
        out: `(4, n)` out.
    """
    for side in range(4):
        for i in range(len(agents)):
            out[side, i] = -1
            if agents[i, 0] < 0:
                continue
            y, x = agents[i, 0] + pad, agents[i, 1] + pad
            who = occupancy[y, x]
            while 0 < who < OFF_BOARD:
                y += DROW[side]
                x += DCOL[side]
                who = occupancy[y, x]
            if who < 0:
                out[side, i] = -who - 1


@kernel
def free_places(occupancy: IntArray, y: int, x: int, w: int, side: int, places: IntArray) -> tuple[int, int]:
    """Write the cells where one more agent would be in line on a face, in the order in which to fill them.

    A face is filled row behind row, and each row from the middle outwards: an agent that stopped at the end of a
    face would shut the others out.

    Args:
        occupancy: Padded board.
        y, x, w: Top-left cell (padded) and weight of the block.
        side: Direction in which the face is pushed.
        places: `(w, 3)` out: cell, and how far from the middle of the face.

    Returns:
        The number of free places in the first row that has any (0 if the face is full), and which row that is.
    """
    row, count = len(occupancy), 0
    for far in range((w + 1) // 2):
        for half in range(2):
            k = (w - 1) // 2 - far if half == 0 else w // 2 + far
            if half == 1 and k == (w - 1) // 2 - far:
                continue
            v = y + k if side >= 2 else (y + w if side == 0 else y - 1)
            u = x + k if side < 2 else (x + w if side == 2 else x - 1)
            depth = 0
            while 0 < occupancy[v, u] < OFF_BOARD:
                v -= DROW[side]
                u -= DCOL[side]
                depth += 1
            if occupancy[v, u] != 0 or depth > row:
                continue
            if depth < row:
                row, count = depth, 0
            places[count, 0] = v
            places[count, 1] = u
            places[count, 2] = far
            count += 1
    return count, row


class Knowledge:
    """The board as somebody knows it, refreshed every step.

    Attributes:
        occupancy: Padded board as known.
        blocks: Index -> block, undelivered ones as last seen.
        agents: Index -> cell of the agents seen now.
        seen: Index -> step at which a block was seen last; blocks that are missing here are in sight now.
    """

    def __init__(self, n_agents: int, shape: tuple[int, int], pad: int) -> None:
        self._n_agents = n_agents
        self._pad = pad
        self.occupancy: IntArray = np.zeros(shape, np.int32)
        self.blocks: dict[int, Block] = {}
        self.agents: dict[int, tuple[int, int]] = {}
        self.seen: Mapping[int, int] = {}
        self._fields = FieldCache(shape)
        self._still = np.zeros(n_agents, np.int32)
        self._cells = np.full((n_agents, 2), -1, np.int32)
        self._order = np.arange(n_agents)
        self._fronts = np.zeros((4, n_agents), np.int32)
        self._lines: list[list[int]] | None = None
        self._obstacles: NDArray[np.uint8] | None = None
        self._map: CubeMap | None = None
        self.step = -1

    def refresh(
        self,
        step: int,
        occupancy: IntArray,
        blocks: dict[int, Block],
        agents: dict[int, tuple[int, int]],
        seen: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """Take in what is seen at `step`; everything derived is computed again when asked for."""
        cells = np.full_like(self._cells, -1)
        if agents:
            cells[list(agents)] = list(agents.values())
        self._still = np.where((cells == self._cells).all(axis=1), self._still + 1, 0).astype(np.int32)
        self._cells = cells
        self.occupancy, self.blocks, self.agents, self.step = occupancy, blocks, agents, step
        self.seen = seen
        self._lines = self._obstacles = self._map = None

    def keep(self, step: int, me: int, cell: tuple[int, int], delivered: Sequence[bool]) -> None:
        """Go on with the picture as it is, as somebody who sees nothing but knows where it is itself.

        Args:
            step: Current step.
            me, cell: Whose picture this is, and where it is now.
            delivered: Whether each block has left the board; everybody knows that.
        """
        blocks = {b: block for b, block in self.blocks.items() if not delivered[b]}
        gone = [-(b + 1) for b in self.blocks if b not in blocks]
        occupancy = np.where((self.occupancy == me + 1) | np.isin(self.occupancy, gone), 0, self.occupancy)
        occupancy[cell[0] + self._pad, cell[1] + self._pad] = me + 1
        seen = {b: self.seen.get(b, self.step) for b in blocks}
        self.refresh(step, occupancy, blocks, {**self.agents, me: cell}, seen)

    def map(self, size: int) -> CubeMap:
        """Return the map planners see."""
        if self._map is None:
            self._map = CubeMap(size, self.step, self._n_agents, self.agents, self.blocks, self.seen)
        return self._map

    def in_line_behind(self, agent: int, side: int) -> int:
        """Return the block the agent stands in line behind, -1 for none."""
        if self._lines is None:
            fronts(self.occupancy, self._cells, self._pad, self._fronts)
            self._lines = self._fronts.tolist()
        return self._lines[side][agent]

    def face_field(self, index: int, side: int, fresh: bool) -> NDArray[np.int32] | None:
        """Return distances to the free places on a face of a known block, None if there is none."""
        places, _ = self._places(index, side)
        return self._field((index, side), places, fresh) if len(places) else None

    def is_well_placed(self, agent: int, index: int, side: int) -> bool:
        """Say whether an agent in line on a face need not move on to let others in.

        It should while a row nearer to the block has a free place, or the next cell towards the middle is free.
        """
        block, (row, col) = self.blocks[index], self.agents[agent]
        if side >= 2:
            along, depth = row - block.row, (block.col - 1 - col if side == RIGHT else col - block.col - block.weight)
        else:
            along, depth = col - block.col, (row - block.row - block.weight if side == 0 else block.row - 1 - row)
        _, first_row = self._places(index, side)
        if first_row < depth:
            return False
        middle = block.weight - 1 - 2 * along
        inward = (middle > 1) - (middle < -1)
        if inward == 0 or depth > 0:
            return True
        beside = (row + inward, col) if side >= 2 else (row, col + inward)
        return bool(self.occupancy[beside[0] + self._pad, beside[1] + self._pad] != 0)

    def _places(self, index: int, side: int) -> tuple[IntArray, int]:
        block = self.blocks[index]
        places = np.empty((block.weight, 3), np.int32)
        y, x = block.row + self._pad, block.col + self._pad
        count, row = free_places(self.occupancy, y, x, block.weight, side, places)
        return places[:count], row

    def way_out(self, agent: int, index: int, side: int, size: int) -> NDArray[np.int32] | None:
        """Return distances out of a block's way, None if the agent is not in its way.

        The way of a block pushed towards `side` are the cells ahead of it up to the edge of the board.
        """
        (row, col), block = self.agents[agent], self.blocks[index]
        flip = side < 2
        across, along = (col, row) if flip else (row, col)
        first, front = (block.col, block.row) if flip else (block.row, block.col)
        ahead = along >= front + block.weight if side % 2 else along < front
        if not ahead or not first <= across < first + block.weight:
            return None
        lanes = [lane for lane in (first - 1, first + block.weight) if 0 <= lane < size]
        cells = [(k, lane) if flip else (lane, k) for lane in lanes for k in range(size)]
        free = [c for c in cells if self.occupancy[c[0] + self._pad, c[1] + self._pad] == 0]
        if not free:
            return None
        targets = np.zeros((len(free), 3), np.int32)
        targets[:, :2] = np.array(free, np.int32) + self._pad
        return self._field(("out", index, side), targets, True)

    def cell_field(self, cells: Sequence[tuple[int, int]], fresh: bool) -> NDArray[np.int32]:
        """Return distances to the nearest of some cells on the board."""
        targets = np.zeros((len(cells), 3), np.int32)
        targets[:, :2] = np.array(cells, np.int32) + self._pad
        return self._field(tuple(cells), targets, fresh)

    def _field(self, key: object, targets: IntArray, fresh: bool) -> NDArray[np.int32]:
        if self._obstacles is None:
            occupancy = self.occupancy
            obstacles = np.where((occupancy < 0) | (occupancy == OFF_BOARD), SOLID, FREE).astype(np.uint8)
            # How long counts as standing differs between agents and over time: two in each other's way that both
            # walked around the other at once would meet again, and again.
            spell = self.step // 16
            patience = STILL + (self._order * (7 + spell) + spell * 5) % 4
            for row, col in self._cells[(self._still >= patience) & (self._cells[:, 0] >= 0)].tolist():
                obstacles[row + self._pad, col + self._pad] = STANDING
            self._obstacles = obstacles
        return self._fields.get(key, (self.step, targets.tobytes()), self.step, self._obstacles, targets, fresh)
