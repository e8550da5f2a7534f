"""What controllers may ask about their agent, answered from what that agent knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.embodiment import MeetingPoints
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter.knowledge import Knowledge
from emcoop.envs.ma_crafter.surroundings import (
    count_near,
    mark_sides,
    places_within,
    stations_as_known,
    target_as_known,
)
from emcoop.envs.ma_crafter.world import (
    ALIVE,
    ASLEEP,
    FACING,
    N_PLANTS,
    SEEN_BODY,
    SEEN_RIPE,
    STATUS,
    World,
    is_walkable,
)
from emcoop.envs.navigation import DCOL, DROW, UNREACHABLE

Cell = tuple[int, int]
Pose = tuple[int, int, int]
"""Row, column and facing."""
SIDE_OF = {(DROW[side], DCOL[side]): side for side in range(4)}


class Bodies:
    """The agents' bodies as their controllers know them.

    Args:
        world: The world. Its truth is read in an agent's view only, or about the agent itself.
        knowledge: What the agents know, up to date.
        events: Returns the events of the last step.
        meetings: Where agents wait for each other.

    Attributes:
        pad: Padding of all grids.
        moves: Primitives to step to sides 0 to 3, then the one that does nothing; see `envs.controllers.Body`.
        area: Rows and columns of the map.
        n_agents: Team size.
        rules: Table of rules.
    """

    moves = (r.UP, r.DOWN, r.LEFT, r.RIGHT, r.NOOP)

    def __init__(
        self,
        world: World,
        knowledge: Knowledge,
        events: Callable[[], Sequence[dict[str, Any]]],
        meetings: MeetingPoints,
    ) -> None:
        self._world = world
        self.knowledge = knowledge
        self.events = events
        self.meetings = meetings
        self.pad = world.pad
        self.area = world.settings.area
        self.n_agents = world.n_agents
        self.rules = world.rules
        self._now = knowledge.now
        self._agents, self._bags = world.agents(), world.bags()
        self._sides = np.zeros(world.occupancy.shape[1:], np.int32)
        self._places = np.empty((2 * (int(world.rules[r.WIDEST]) + 2) ** 2 + 32, 2), np.int32)

    # Itself ----------------------------------------------------------------------------------------------------------

    def position(self, agent: int) -> Cell:
        """Return the agent's own cell."""
        return self._now.places[agent]

    def facing(self, agent: int) -> int:
        """Return where the agent faces: 0 up, 1 down, 2 left, 3 right."""
        return self._now.agents[agent][FACING]

    def is_alive(self, agent: int) -> bool:
        """Say whether the agent is neither down nor gone."""
        return bool(self._agents[agent, STATUS] == ALIVE)

    def is_asleep(self, agent: int) -> bool:
        """Say whether the agent sleeps."""
        return bool(self._agents[agent, ASLEEP])

    def vital(self, agent: int, field: int) -> int:
        """Return one of the agent's needs, by its field in `world`."""
        return int(self._agents[agent, field])

    def holds(self, agent: int, item: int) -> int:
        """Return how many of an item the agent has."""
        return int(self._bags[agent, item])

    def lacks(self, agent: int, costs: int) -> dict[str, int]:
        """Return what is missing from the agent's bag, item -> amount, for a row of costs in the table of rules."""
        missing = self.rules[costs : costs + r.N_ITEMS] - self._bags[agent]
        return {r.ITEMS[item]: int(missing[item]) for item in np.flatnonzero(missing > 0)}

    # The map as it knows it ------------------------------------------------------------------------------------------

    def on_map(self, row: int, col: int) -> bool:
        """Say whether a cell lies on the map."""
        return 0 <= row < self.area[0] and 0 <= col < self.area[1]

    def material(self, agent: int, row: int, col: int) -> int:
        """Return what a cell is made of as far as the agent knows, `knowledge.UNKNOWN` if it does not."""
        return int(self.knowledge.grid(agent)[row + self.pad, col + self.pad]) if self.on_map(row, col) else 0

    def sees(self, agent: int, row: int, col: int) -> bool:
        """Say whether the agent can tell who is on a cell."""
        return self.knowledge.sees(agent, row, col)

    def occupant(self, agent: int, row: int, col: int) -> int:
        """Return who is on a cell in view: agent + 1, -(creature + 1), 0 for nobody or a cell that is not in view."""
        if not self.on_map(row, col) or not self.sees(agent, row, col):
            return 0
        return int(self._world.occupancy[0, row + self.pad, col + self.pad])

    def is_free(self, agent: int, row: int, col: int) -> bool:
        """Say whether the agent could step on a cell as far as it knows."""
        return bool(is_walkable(self.material(agent, row, col))) and self.occupant(agent, row, col) == 0

    def _object(self, agent: int, row: int, col: int) -> int:
        if not self.on_map(row, col) or not self.sees(agent, row, col):
            return 0
        return int(self._world.cells[0, row + self.pad, col + self.pad]) >> 8 & 0xFF

    def is_body(self, agent: int, row: int, col: int) -> bool:
        """Say whether a body lies on a cell in view."""
        return self._object(agent, row, col) == SEEN_BODY

    def ripe_plants(self, agent: int) -> list[Cell]:
        """Return the cells of the ripe plants in view."""
        if not self._world.rows[0, N_PLANTS]:
            return []
        (row, col), (rows, cols), pad = self.position(agent), self.knowledge.reach(agent), self.pad
        top, left = row - rows, col - cols
        seen = self._world.cells[0, top + pad : row + rows + 1 + pad, left + pad : col + cols + 1 + pad]
        return [(top + y, left + x) for y, x in np.argwhere((seen >> np.uint64(8)) & np.uint64(0xFF) == SEEN_RIPE)]

    def target(self, agent: int, pose: Pose) -> tuple[int, Cell]:
        """Return kind (`targets.T_NOTHING` ...) and cell of what `do` would be aimed at from a pose."""
        w = self._world
        kind, y, x = target_as_known(
            w.rules, w.rows, self.knowledge.grid(agent), w.planted, w.occupancy, w.cells, self.n_agents, self.pad,
            agent, pose[0] + self.pad, pose[1] + self.pad, pose[2],
        )  # fmt: skip
        return kind, (y - self.pad, x - self.pad)

    def stations(self, agent: int, row: int, col: int) -> int:
        """Return the known stations near a cell, as bits; see `rules.stations`."""
        w = self._world
        bits: int = stations_as_known(
            w.rules, w.rows, self.knowledge.grid(agent), w.planted, w.occupancy, w.cells, self.n_agents, self.pad,
            row + self.pad, col + self.pad,
        )  # fmt: skip
        return bits

    # Ways and places -------------------------------------------------------------------------------------------------

    def occupancy(self, agent: int) -> NDArray[np.int32]:
        """Return a padded grid of which only the cells beside the agent are written: 0 to step or dig there."""
        row, col = self.position(agent)
        grid, occupancy = self.knowledge.grid(agent), self._world.occupancy[0]
        obstacles = self.knowledge.entry_steps(agent)
        mark_sides(obstacles, grid, occupancy, row + self.pad, col + self.pad, self._sides)
        return self._sides

    def cell_field(self, agent: int, cells: Sequence[Cell], fresh: bool) -> NDArray[np.int32]:
        """Return the distances to the nearest of some cells."""
        return self.knowledge.field_to(agent, tuple(cells), cells, fresh)

    def distance(self, agent: int, field: NDArray[np.int32]) -> int:
        """Return the agent's own distance in a field."""
        row, col = self.position(agent)
        return int(field[row + self.pad, col + self.pad])

    def can_reach(self, agent: int, field: NDArray[np.int32]) -> bool:
        """Say whether there is a way in a field."""
        return self.distance(agent, field) < UNREACHABLE

    def places(self, agent: int, cell: Cell, reach: int, diagonal: bool = False) -> NDArray[np.int32]:
        """Return the cells near a cell where the agent could stand, `(k, 2)`; those of agents in view are taken.

        Args:
            agent: Who asks.
            cell: The cell; not a place itself.
            reach: Distance that is near.
            diagonal: Whether a diagonal step counts as one.
        """
        (row, col), (rows, cols), pad = self.position(agent), self.knowledge.reach(agent), self.pad
        grid, occupancy = self.knowledge.grid(agent), self._world.occupancy[0]
        view = (row - rows + pad, col - cols + pad, row + rows + 1 + pad, col + cols + 1 + pad)
        if self.knowledge.is_revealed(agent):
            view = (0, 0, *grid.shape)
        entry, y, x = self.knowledge.entry_steps(agent), cell[0] + pad, cell[1] + pad
        count = places_within(grid, entry, occupancy, view, y, x, reach, diagonal, pad, self._places)
        return self._places[:count].copy()

    # The others ------------------------------------------------------------------------------------------------------

    def others_near(self, agent: int, cell: Cell, reach: int, diagonal: bool, tier: int) -> tuple[int, int, int]:
        """Count the others in view near a cell, those of them ready to act on it, and their kits; see `count_near`."""
        seen, step = self.knowledge.seen(agent), self.knowledge.step
        near, ready, kits = count_near(self._agents, seen, agent, step, *cell, reach, diagonal, tier)
        return near, ready, kits

    def sees_around(self, agent: int, cell: Cell, reach: int, diagonal: bool) -> bool:
        """Say whether all cells of the map near a cell are in view."""
        if self.knowledge.is_revealed(agent):
            return True
        (row, col), (rows, cols) = self.position(agent), self.knowledge.reach(agent)
        top, bottom = max(cell[0] - reach, 0), min(cell[0] + reach, self.area[0] - 1)
        left, right = max(cell[1] - reach, 0), min(cell[1] + reach, self.area[1] - 1)
        return row - rows <= top and bottom <= row + rows and col - cols <= left and right <= col + cols

    def last_seen(self, agent: int, other: int) -> Cell | None:
        """Return where the agent saw another last, or was told it is; None if never."""
        known = self.knowledge.seen(agent)[other]
        return None if known[s.SEEN_STEP] < 0 else (int(known[s.SEEN_ROW]), int(known[s.SEEN_COL]))

    def sees_alive(self, agent: int, other: int) -> bool:
        """Say whether another agent is in view now, neither down nor gone."""
        row, col, step, _, _, status = self.knowledge.seen(agent)[other].tolist()
        return step == self.knowledge.step and status == ALIVE and self.sees(agent, row, col)
