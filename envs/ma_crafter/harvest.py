"""Collecting: going to a resource, waiting for the quorum, harvesting; saplings; drinking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.controllers import Patience
from emcoop.envs.embodiment import DONE, RUNNING, Failed, Status
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.bodies import Bodies, Cell, Pose
from emcoop.envs.ma_crafter.knowledge import UNKNOWN
from emcoop.envs.ma_crafter.targets import T_GRASS, T_RESOURCE
from emcoop.envs.ma_crafter.walking import Way, beside, faced_cell, first_move_to_pose
from emcoop.envs.ma_crafter.world import DRINK

DRINKS = 32
"""Times to try to drink."""
TIER_OF_TOOL = {-1: 0, **{r.ITEMS.index(f"{name}_pickaxe"): k + 1 for k, name in enumerate(("wood", "stone", "iron"))}}


class Collect:
    """Harvest one unit of a resource, with as many others as it takes.

    Args:
        bodies: The bodies.
        agent: Who collects.
        material: What.
        cell: Which, even if the agent has not seen it; None for the nearest known one.
        patience: Steps in place before giving up.
    """

    def __init__(self, bodies: Bodies, agent: int, material: int, cell: Cell | None, patience: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._material = material
        self._chosen = cell
        self._cell = cell
        rules = bodies.rules
        self._need, self._radius = int(rules[r.QUORUM + material]), int(rules[r.RADIUS + material])
        self._tool, self._item = int(rules[r.TOOL + material]), int(rules[r.GIVES + material])
        self._have = 0
        self._patience = Patience(patience)
        self._way = Way(bodies, agent)
        self._held = -1

    def status(self) -> Status:
        """Done with a unit; see the concept for what can go wrong."""
        if self._held >= 0 and self._has_got_it():
            return DONE
        problem = self._aim()
        if self._lacks_tool():
            problem = self._why_not_try() or problem
        if problem is not None:
            return problem
        assert self._cell is not None
        if self._is_in_place(*self._bodies.position(self._agent)):
            self._count()
            if self._patience.out():
                return Failed("quorum_timeout", {"have": self._have, "need": self._need})
            return RUNNING
        places = self._bodies.places(self._agent, self._cell, self._radius)
        status = self._way.check((self._material, self._cell), places)
        return Failed(status.reason, {"target": list(self._cell)}) if isinstance(status, Failed) else status

    def _lacks_tool(self) -> bool:
        return self._tool >= 0 and not self._bodies.holds(self._agent, self._tool)

    def _why_not_try(self) -> Failed | None:
        """Say that the tool is missing; an agent that is in place already tries once all the same."""
        is_there = self._cell is not None and self._is_in_place(*self._bodies.position(self._agent))
        if is_there and self._patience.spent == 0:
            return None
        return Failed("missing_tool", {"tool": r.ITEMS[self._tool]})

    def _has_got_it(self) -> bool:
        """Say whether the `do` of the last step brought a unit, though it may have been lost to a full bag."""
        if self._bodies.holds(self._agent, self._item) > self._held:
            return True
        if self._held < self._bodies.rules[r.BAG_LIMIT]:
            return False
        name = r.MATERIALS[self._material]
        return any(
            event["kind"] == "collect" and event["resource"] == name and self._agent in event["agents"]
            for event in self._bodies.events()
        )

    def _aim(self) -> Failed | None:
        """Make sure of a target, or say why there is none."""
        name = r.MATERIALS[self._material]
        if self._cell is not None:
            known = self._bodies.material(self._agent, *self._cell)
            if known == self._material or (self._chosen is not None and known == UNKNOWN):
                return None
            if self._chosen is not None:
                return Failed("target_gone", {"resource": name, "target": list(self._cell)})
        nearest = self._bodies.knowledge.nearest(self._agent, self._material, 1)
        if not nearest:
            return Failed("unknown_target" if self._cell is None else "target_gone", {"resource": name})
        self._cell = nearest[0][1:]
        return None

    def _is_in_place(self, row: int, col: int) -> bool:
        assert self._cell is not None
        return abs(row - self._cell[0]) + abs(col - self._cell[1]) <= self._radius

    def _count(self) -> None:
        """Count who is in place, and ready; if that cannot be told, there are enough to try."""
        assert self._cell is not None
        tier = TIER_OF_TOOL[self._tool]
        others, ready, _ = self._bodies.others_near(self._agent, self._cell, self._radius, False, tier)
        self._have = 1 + others
        can_tell = self._bodies.sees_around(self._agent, self._cell, self._radius, False)
        self._enough = 1 + ready >= self._need or not can_tell or self._lacks_tool()

    def act(self) -> int:
        """Go, face the resource, wait for the others, harvest."""
        assert self._cell is not None
        position = self._bodies.position(self._agent)
        self._held = -1
        if not self._is_in_place(*position):
            primitive = self._way.step()
            # Rock dug away on the way to the nearest one will do as well.
            counts = self._chosen is None and primitive == r.DO and self._faces_the_material(position)
            return self._doing(primitive) if counts else primitive
        side, facing = beside(self._bodies, self._agent, self._cell), self._bodies.facing(self._agent)
        if side >= 0 and side != facing:
            return self._bodies.moves[side]
        if side < 0 and not self._suits((*position, facing)):
            return first_move_to_pose(self._bodies, self._agent, self._suits)
        return self._doing(r.DO) if self._enough else r.NOOP

    def _faces_the_material(self, position: Cell) -> bool:
        cell = faced_cell((*position, self._bodies.facing(self._agent)))
        return self._bodies.material(self._agent, *cell) == self._material

    def _suits(self, pose: Pose) -> bool:
        """Say whether `do` would be aimed at the resource from a pose."""
        return self._is_in_place(*pose[:2]) and self._bodies.target(self._agent, pose) == (T_RESOURCE, self._cell)

    def _doing(self, primitive: int) -> int:
        self._held = self._bodies.holds(self._agent, self._item)
        return primitive


class Forage:
    """Look for a sapling in grass.

    Args:
        bodies: The bodies.
        agent: Who looks.
        cell: Where to; None for the nearest grass.
        patience: Steps of looking before giving up.
    """

    def __init__(self, bodies: Bodies, agent: int, cell: Cell | None, patience: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._cell = cell
        self._patience = Patience(patience)
        self._way = Way(bodies, agent)
        self._sapling = r.ITEMS.index("sapling")
        self._held = bodies.holds(agent, self._sapling)
        self._move = r.NOOP

    def status(self) -> Status:
        """Done with a sapling; see the concept for what can go wrong."""
        bodies, agent = self._bodies, self._agent
        if bodies.holds(agent, self._sapling) > self._held:
            return DONE
        self._held = bodies.holds(agent, self._sapling)
        pose = (*bodies.position(agent), bodies.facing(agent))
        self._move = r.DO if self._suits(pose) else first_move_to_pose(bodies, agent, self._suits)
        if self._move != r.NOOP:
            if self._patience.out():
                return Failed("quorum_timeout", {"have": 1, "need": 1})
            return RUNNING
        near = [self._cell] if self._cell else [n[1:] for n in bodies.knowledge.nearest(agent, r.GRASS, 1)]
        if not near or bodies.material(agent, *near[0]) != r.GRASS:
            return Failed("unknown_target", {"resource": "sapling"})
        return self._way.check(("grass", near[0]), bodies.places(agent, near[0], 1))

    def _suits(self, pose: Pose) -> bool:
        kind, cell = self._bodies.target(self._agent, pose)
        return kind == T_GRASS and self._cell in (None, cell)

    def act(self) -> int:
        """Face grass and search it, or go there."""
        return self._way.step() if self._move == r.NOOP else self._move


class Drink:
    """Go to water and drink until no longer thirsty.

    Args:
        bodies: The bodies.
        agent: Who drinks.
    """

    def __init__(self, bodies: Bodies, agent: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._way = Way(bodies, agent)
        self._tries = Patience(DRINKS)
        self._cell: Cell | None = None

    def status(self) -> Status:
        """Done when not thirsty; see the concept for what can go wrong."""
        bodies, agent = self._bodies, self._agent
        if bodies.vital(agent, DRINK) >= bodies.rules[r.MOST]:
            return DONE
        if self._cell is None or bodies.material(agent, *self._cell) != r.WATER:
            nearest = bodies.knowledge.nearest(agent, r.WATER, 1)
            if not nearest:
                return Failed("unknown_target", {"target": "water"})
            self._cell = nearest[0][1:]
        if beside(bodies, agent, self._cell) >= 0:
            return DONE if self._tries.out() else RUNNING
        return self._way.check(("water", self._cell), self._places())

    def _places(self) -> NDArray[np.int32]:
        assert self._cell is not None
        return self._bodies.places(self._agent, self._cell, 1)

    def act(self) -> int:
        """Go, face the water, drink."""
        assert self._cell is not None
        side = beside(self._bodies, self._agent, self._cell)
        if side < 0:
            return self._way.step()
        return r.DO if side == self._bodies.facing(self._agent) else self._bodies.moves[side]
