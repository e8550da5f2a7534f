"""Crafting near stations, together if it takes several, and placing things."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.controllers import Patience
from emcoop.envs.embodiment import DONE, RUNNING, Failed, Status
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.bodies import Bodies, Cell, Pose
from emcoop.envs.ma_crafter.walking import Way, faced_cell, first_move_to_pose

TABLE_BIT, FURNACE_BIT = r.stations(["table"]), r.stations(["furnace"])
FIRST_TOOL = r.ITEMS.index(r.TOOLS[0])
SPOTS = 4
"""How many known stations, or cells to place on, are looked at."""
PLACE_PATIENCE = 8
"""Steps to wait for a place, or to try to place something, before giving up."""


class NearStation:
    """Leads an agent to a known station.

    Args:
        bodies: The bodies.
        agent: Who goes.
        bits: The stations it has to be near; the furnace is the one to go to if it is among them.
    """

    def __init__(self, bodies: Bodies, agent: int, bits: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._bits = bits
        self._main = r.FURNACE if bits & FURNACE_BIT else r.TABLE
        self._way = Way(bodies, agent)
        self.cell: Cell | None = None

    def is_near(self, row: int, col: int) -> bool:
        """Say whether a cell is near the station, and near all the others it takes."""
        if self._bits == 0:
            return True
        if self.cell is None or max(abs(row - self.cell[0]), abs(col - self.cell[1])) > 1:
            return False
        return self._bodies.stations(self._agent, row, col) & self._bits == self._bits

    def check(self) -> Status:
        """Say whether the agent is near the station (`DONE`), or can go there; `no_station`, `no_path`, `blocked`."""
        bodies, agent = self._bodies, self._agent
        if self._bits == 0:
            return DONE
        places: NDArray[np.int32] = np.empty((0, 2), np.int32)
        if self.cell is not None and bodies.material(agent, *self.cell) == self._main:
            if self.is_near(*bodies.position(agent)):
                return DONE
            places = self._places(self.cell)
        else:
            self.cell = None
            for _, row, col in bodies.knowledge.nearest(agent, self._main, SPOTS):
                self.cell = (row, col)
                places = self._places(self.cell)
                if self.is_near(*bodies.position(agent)):
                    return DONE
                if len(places):
                    break
            if self.cell is None:
                return Failed("no_station", {"station": r.MATERIALS[self._main]})
        return self._way.check((self._main, self._bits, self.cell), places)

    def _places(self, cell: Cell) -> NDArray[np.int32]:
        places = self._bodies.places(self._agent, cell, 1, diagonal=True)
        if self._bits == TABLE_BIT or self._bits == FURNACE_BIT:
            return places
        keep = [self.is_near(row, col) for row, col in places.tolist()]
        return places[np.array(keep, np.bool_)]

    def step(self) -> int:
        """Return the primitive that leads on."""
        return self._way.step()


class Craft:
    """Make a tool near a known station, with as many others as it takes.

    Args:
        bodies: The bodies.
        agent: Who makes.
        tool: Index in `rules.TOOLS`.
        patience: Steps near the station before giving up.
    """

    def __init__(self, bodies: Bodies, agent: int, tool: int, patience: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._tool = tool
        self._need = int(bodies.rules[r.CRAFT_QUORUM + tool])
        self._costs = r.MAKE_USES + tool * r.N_ITEMS
        self._station = NearStation(bodies, agent, int(bodies.rules[r.MAKE_NEAR + tool]))
        self._patience = Patience(patience)
        self._held = -1
        self._in_place = False
        self._ready = False

    def status(self) -> Status:
        """Done with the tool; see the concept for what can go wrong."""
        if self._held >= 0 and self._has_got_it():
            return DONE
        lacks = self._bodies.lacks(self._agent, self._costs)
        if lacks and self._need == 1:
            return Failed("missing_ingredient", lacks)
        status = self._station.check()
        self._in_place = status is DONE
        if not self._in_place:
            return status
        have, kits = self._who_is_there()
        self._ready = have >= self._need and (not lacks or kits > 0)
        if not self._patience.out():
            return RUNNING
        if have >= self._need and lacks:
            return Failed("missing_ingredient", lacks)
        return Failed("quorum_timeout", {"have": have, "need": self._need})

    def _who_is_there(self) -> tuple[int, int]:
        """Count the agents near the station and the kits of the others; if that cannot be told, enough of both."""
        cell = self._station.cell
        if self._need == 1 or cell is None:
            return 1, 0
        if not self._bodies.sees_around(self._agent, cell, 1, True):
            return self._need, 1
        others, _, kits = self._bodies.others_near(self._agent, cell, 1, True, 0)
        return 1 + others, kits

    def _has_got_it(self) -> bool:
        if self._bodies.holds(self._agent, FIRST_TOOL + self._tool) > self._held:
            return True
        if self._held < self._bodies.rules[r.BAG_LIMIT]:
            return False
        name = r.TOOLS[self._tool]
        return any(
            event["kind"] == "make" and event["item"] == name and self._agent in event["agents"]
            for event in self._bodies.events()
        )

    def act(self) -> int:
        """Go to the station, wait for the others, make."""
        self._held = -1
        if not self._in_place:
            return self._station.step()
        if not self._ready:
            return r.NOOP
        self._held = self._bodies.holds(self._agent, FIRST_TOOL + self._tool)
        return r.MAKE_WOOD_PICKAXE + self._tool


class Place:
    """Place something on a suitable cell.

    Args:
        bodies: The bodies.
        agent: Who places.
        thing: Index in `rules.PLACEABLE`.
    """

    def __init__(self, bodies: Bodies, agent: int, thing: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._thing = thing
        rules = bodies.rules
        self._on = int(rules[r.PLACE_ON + thing])
        self._costs = r.PLACE_USES + thing * r.N_ITEMS
        self._item = int(np.argmax(rules[self._costs : self._costs + r.N_ITEMS]))
        self._bits = int(rules[r.PLACE_NEAR + thing])
        self._station = NearStation(bodies, agent, self._bits)
        self._way = Way(bodies, agent)
        self._patience = Patience(PLACE_PATIENCE)
        self._held = -1
        self._next: Callable[[], int] = self._place

    def status(self) -> Status:
        """Done when it is placed; see the concept for what can go wrong."""
        bodies, agent = self._bodies, self._agent
        if self._held > bodies.holds(agent, self._item):
            return DONE
        if lacks := bodies.lacks(agent, self._costs):
            return Failed("missing_ingredient", lacks)
        near = self._station.check()
        if near is not DONE:
            self._next = self._station.step
            return near
        if self._suits((*bodies.position(agent), bodies.facing(agent))):
            self._next = self._place
            return self._try(self._held >= 0)
        move = first_move_to_pose(bodies, agent, self._suits)
        if move == r.NOOP and self._bits == 0:
            return self._go_on()
        self._next = lambda: move
        return self._try(move == r.NOOP)

    def _try(self, in_vain: bool) -> Status:
        if in_vain and self._patience.out():
            return Failed("no_place", {"object": r.PLACEABLE[self._thing]})
        return RUNNING

    def _suits(self, pose: Pose) -> bool:
        """Say whether the thing can be placed in a pose."""
        bodies, agent, cell = self._bodies, self._agent, faced_cell(pose)
        if not self._on >> bodies.material(agent, *cell) & 1 or bodies.occupant(agent, *cell) != 0:
            return False
        return not bodies.is_body(agent, *cell) and self._station.is_near(*pose[:2])

    def _go_on(self) -> Status:
        """Look for a known cell farther away that it goes on."""
        self._next = self._way.step
        knowledge = self._bodies.knowledge
        for material in range(1, r.N_MATERIALS):
            if self._on >> material & 1 and (near := knowledge.nearest(self._agent, material, 1)):
                cell = near[0][1:]
                return self._way.check((material, cell), self._bodies.places(self._agent, cell, 1))
        return Failed("no_place", {"object": r.PLACEABLE[self._thing]})

    def _place(self) -> int:
        self._held = self._bodies.holds(self._agent, self._item)
        return r.PLACE_STONE + self._thing

    def act(self) -> int:
        """Go, turn, place."""
        self._held = -1
        return self._next()
