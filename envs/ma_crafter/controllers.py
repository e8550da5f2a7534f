"""How an MA-Crafter agent carries out a concept: one primitive a step, from what the agent knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.controllers import Move, Patience, Wait
from emcoop.envs.embodiment import DONE, RUNNING, Controller, Failed, Status
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.bodies import Bodies, Cell
from emcoop.envs.ma_crafter.building import Craft, Place
from emcoop.envs.ma_crafter.harvest import Collect, Drink, Forage
from emcoop.envs.ma_crafter.hunting import Attack, Eat, Share
from emcoop.envs.ma_crafter.knowledge import UNKNOWN
from emcoop.envs.ma_crafter.walking import Guarded, Way
from emcoop.envs.ma_crafter.world import ENERGY, MOBS, is_walkable
from emcoop.envs.navigation import DCOL, DROW, SLOWEST

CLOSE = 2
"""Steps within which a group is together."""
BESIDE, NEAR = (1, False), (1, True)
"""Reach and whether a diagonal step counts as one: places beside a cell, and places near a station."""


class SafeMove:
    """Move in a direction, but never into lava.

    Args:
        bodies: The bodies.
        agent: Who moves.
        side: 0 up, 1 down, 2 left, 3 right.
        steps: Cells to go.
    """

    def __init__(self, bodies: Bodies, agent: int, side: int, steps: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._side = side
        self._move = Move(bodies, agent, side, steps)

    def status(self) -> Status:
        """Done after so many cells; `blocked` when the way stays blocked or leads into lava."""
        status = self._move.status()
        row, col = self._bodies.position(self._agent)
        ahead = self._bodies.material(self._agent, row + DROW[self._side], col + DCOL[self._side])
        return Failed("blocked", {"by": "lava"}) if status is RUNNING and ahead == r.LAVA else status

    def act(self) -> int:
        """Step in the direction."""
        return self._move.act()


class Sleep:
    """Sleep until awake again.

    Args:
        bodies: The bodies.
        agent: Who sleeps.
    """

    def __init__(self, bodies: Bodies, agent: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._began = False

    def status(self) -> Status:
        """Done when it is awake, having slept or not being tired."""
        rested = self._bodies.vital(self._agent, ENERGY) >= self._bodies.rules[r.MOST]
        return DONE if self._began or rested else RUNNING

    def act(self) -> int:
        """Go to sleep."""
        self._began = True
        return r.SLEEP


class Navigate:
    """Go to a place.

    Args:
        bodies: The bodies.
        agent: Who goes.
        target: Cell, agent index or name of a material.
        timeout: Steps after which to give up.
    """

    def __init__(self, bodies: Bodies, agent: int, target: Any, timeout: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._target = target
        self._time = Patience(timeout)
        self._way = Way(bodies, agent)
        self._found: Cell | None = None

    def status(self) -> Status:
        """Done on arrival; see the concept for what can go wrong."""
        where = self._where()
        if isinstance(where, Failed):
            return where
        cell, reach = where
        row, col = self._bodies.position(self._agent)
        rows, cols = abs(row - cell[0]), abs(col - cell[1])
        if (row, col) == cell or (reach and (max(rows, cols) if reach[1] else rows + cols) <= reach[0]):
            return DONE
        if self._time.out():
            return Failed("timeout", {"steps": self._time.limit})
        places: NDArray[np.int32] = np.array([cell], np.int32)
        if reach:
            places = self._bodies.places(self._agent, cell, *reach)
        status = self._way.check((reach, cell), places)
        return Failed(status.reason, {"target": self._target}) if isinstance(status, Failed) else status

    def _where(self) -> tuple[Cell, tuple[int, bool] | None] | Failed:
        """Return a cell, and within which distance of it the way may end; None if on the cell itself."""
        bodies, agent = self._bodies, self._agent
        if isinstance(self._target, str):
            return self._nearest(r.MATERIALS.index(self._target))
        if isinstance(self._target, int):
            cell = bodies.last_seen(agent, self._target)
            if cell is None or self._target == agent:
                return Failed("unknown_target", {"target": self._target})
            if bodies.sees(agent, *cell) and not bodies.sees_alive(agent, self._target):
                return Failed("unknown_target", {"target": self._target, "last_seen": list(cell)})
            return cell, BESIDE
        cell = (self._target[0], self._target[1])
        material = bodies.material(agent, *cell)
        solid = bodies.knowledge.entry_steps(agent)[material] > SLOWEST or not is_walkable(material)
        return cell, BESIDE if solid and material != UNKNOWN else None

    def _nearest(self, material: int) -> tuple[Cell, tuple[int, bool]] | Failed:
        if self._found is None or self._bodies.material(self._agent, *self._found) != material:
            nearest = self._bodies.knowledge.nearest(self._agent, material, 1)
            if not nearest:
                return Failed("unknown_target", {"target": self._target})
            self._found = nearest[0][1:]
        return self._found, NEAR if material in (r.TABLE, r.FURNACE) else BESIDE

    def act(self) -> int:
        """Go on."""
        return self._way.step()


class Explore:
    """Go from frontier to frontier of the known map.

    Args:
        bodies: The bodies.
        agent: Who explores.
        direction: 0 up, 1 down, 2 left, 3 right; None for the agent's own.
        steps: Steps at most.
    """

    def __init__(self, bodies: Bodies, agent: int, direction: int | None, steps: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._direction = direction
        self._time = Patience(steps)
        self._way = Way(bodies, agent)
        self._discovered = bodies.knowledge.discoveries(agent)
        self._cell: Cell | None = None

    def status(self) -> Status:
        """Done with a discovery, at the end of the map, or after the steps; see the concept for what can go wrong."""
        bodies, agent = self._bodies, self._agent
        if bodies.knowledge.discoveries(agent) > self._discovered or self._time.out():
            return DONE
        if self._cell is None or not bodies.knowledge.is_frontier(agent, self._cell):
            cell = bodies.knowledge.frontier(agent, self._direction)
            if cell is None:
                return Failed("unknown_target") if self._cell is None else DONE
            self._cell = cell
        status = self._way.check(("frontier", self._cell), [self._cell])
        return Failed(status.reason, {"target": list(self._cell)}) if isinstance(status, Failed) else status

    def act(self) -> int:
        """Go on."""
        return self._way.step()


class Regroup:
    """Go near an agent or a cell and hold a meeting point there until enough agents do.

    Args:
        bodies: The bodies.
        agent: Who goes.
        target: Cell or agent index.
        count: How many have to be there.
        timeout: Steps after which to give up.
    """

    def __init__(self, bodies: Bodies, agent: int, target: Any, count: int, timeout: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._target = target
        self._count = count
        self._time = Patience(timeout)
        self._way = Way(bodies, agent)
        named = f"agent{target}" if isinstance(target, int) else f"{target[0]},{target[1]}"
        self._point = f"regroup:{named}"
        self._is_there = False

    def status(self) -> Status:
        """Done when released; see the concept for what can go wrong."""
        bodies, agent = self._bodies, self._agent
        cell = self._cell()
        if cell is None:
            return Failed("unknown_target", {"target": self._target})
        row, col = bodies.position(agent)
        self._is_there = abs(row - cell[0]) + abs(col - cell[1]) <= CLOSE
        if self._is_there and bodies.meetings.hold(self._point, agent, self._count):
            return DONE
        if self._time.out():
            bodies.meetings.leave(self._point, agent)
            return Failed("timeout", {"need": self._count, "steps": self._time.limit})
        if self._is_there:
            return RUNNING
        status = self._way.check((CLOSE, cell), bodies.places(agent, cell, CLOSE))
        return Failed(status.reason, {"target": self._target}) if isinstance(status, Failed) else status

    def _cell(self) -> Cell | None:
        if not isinstance(self._target, int):
            return self._target[0], self._target[1]
        if self._target == self._agent:
            return self._bodies.position(self._agent)
        return self._bodies.last_seen(self._agent, self._target)

    def act(self) -> int:
        """Go on, or wait."""
        return r.NOOP if self._is_there else self._way.step()


def make_controller(bodies: Bodies, agent: int, name: str, args: Mapping[str, Any]) -> Controller | Failed:
    """Return a controller for a call of a concept.

    Args:
        bodies: The bodies.
        agent: Who carries it out.
        name: Name of the concept.
        args: All its arguments, checked against its schema.

    Returns:
        The controller, or `Failed("invalid_argument")` for a cell off the map or an agent there is none.
    """
    for argument in ("target", "agent"):
        problem = _problem(bodies, args.get(argument))
        if problem is not None:
            return Failed("invalid_argument", {"concept": name, "argument": argument, "problem": problem})
    return Guarded(bodies, agent, _MAKERS[name](bodies, agent, args), name in ("wait", "noop"))


def _problem(bodies: Bodies, value: Any) -> str | None:
    """Say what is wrong with a cell or an agent index."""
    if isinstance(value, int) and value >= bodies.n_agents:
        return f"there are agents 0 to {bodies.n_agents - 1}"
    if isinstance(value, (list, tuple)) and not bodies.on_map(*value):
        return f"the map has rows 0 to {bodies.area[0] - 1} and columns 0 to {bodies.area[1] - 1}"
    return None


def _collect(bodies: Bodies, agent: int, args: Mapping[str, Any]) -> Controller:
    cell = None if args["target"] is None else (args["target"][0], args["target"][1])
    if args["resource"] == "sapling":
        return Forage(bodies, agent, cell, args["patience"])
    return Collect(bodies, agent, r.MATERIALS.index(args["resource"]), cell, args["patience"])


def _explore(bodies: Bodies, agent: int, args: Mapping[str, Any]) -> Controller:
    direction = None if args["direction"] is None else r.DIRECTIONS.index(args["direction"])
    return Explore(bodies, agent, direction, args["steps"])


_MAKERS: Mapping[str, Callable[[Bodies, int, Mapping[str, Any]], Controller]] = {
    "noop": lambda bodies, agent, args: Wait(args["steps"], r.NOOP),
    "wait": lambda bodies, agent, args: Wait(args["steps"], r.NOOP),
    "move": lambda bodies, agent, args: SafeMove(bodies, agent, r.DIRECTIONS.index(args["direction"]), args["steps"]),
    "navigate": lambda bodies, agent, args: Navigate(bodies, agent, args["target"], args["timeout"]),
    "collect": _collect,
    "craft": lambda bodies, agent, args: Craft(bodies, agent, r.TOOLS.index(args["item"]), args["patience"]),
    "place": lambda bodies, agent, args: Place(bodies, agent, r.PLACEABLE.index(args["object"])),
    "share": lambda bodies, agent, args: Share(
        bodies, agent, args["agent"], r.ITEMS.index(args["item"]), args["quantity"]
    ),
    "drink": lambda bodies, agent, args: Drink(bodies, agent),
    "eat": lambda bodies, agent, args: Eat(bodies, agent),
    "sleep": lambda bodies, agent, args: Sleep(bodies, agent),
    "attack": lambda bodies, agent, args: Attack(bodies, agent, MOBS.index(args["target"])),
    "explore": _explore,
    "regroup": lambda bodies, agent, args: Regroup(bodies, agent, args["target"], args["count"], args["timeout"]),
}
