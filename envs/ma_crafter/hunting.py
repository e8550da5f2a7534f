"""Chasing creatures, eating, giving to others: what has to do with somebody who moves."""

from __future__ import annotations

from emcoop.envs.controllers import Patience
from emcoop.envs.embodiment import DONE, RUNNING, Failed, Status
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.bodies import Bodies, Cell
from emcoop.envs.ma_crafter.walking import Way, beside
from emcoop.envs.ma_crafter.world import MOBS

HUNT_PATIENCE = 64
"""Steps after which a chase is given up."""
SHARE_PATIENCE = 3
"""Times to try to give something before giving up."""


class Attack:
    """Chase the nearest creature of a kind in view and hit it until it is gone.

    Args:
        bodies: The bodies.
        agent: Who attacks.
        kind: Kind of creature, see `world.MOBS`.
    """

    def __init__(self, bodies: Bodies, agent: int, kind: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._kind = kind
        self._time = Patience(HUNT_PATIENCE)
        self._way = Way(bodies, agent)
        self._cell: Cell | None = None
        self._hit = False

    def status(self) -> Status:
        """Done when the creature has been killed with this agent's help."""
        if self._hit and self._has_killed():
            return DONE
        if self._time.out():
            return Failed("timeout", {"steps": HUNT_PATIENCE})
        prey = self._bodies.knowledge.creatures(self._agent, self._kind)
        if not prey:
            return Failed("unknown_target" if self._cell is None else "target_gone", {"target": MOBS[self._kind]})
        self._cell = prey[0]
        return chase(self._bodies, self._agent, self._way, self._cell)

    def _has_killed(self) -> bool:
        return any(
            event["kind"] == "attack" and event["health"] == 0 and self._agent in event["agents"]
            for event in self._bodies.events()
        )

    def act(self) -> int:
        """Go after it, face it, hit it."""
        assert self._cell is not None
        primitive = strike(self._bodies, self._agent, self._way, self._cell)
        self._hit = primitive == r.DO
        return primitive


class Eat:
    """Have one meal: a cow or a ripe plant.

    Args:
        bodies: The bodies.
        agent: Who eats.
    """

    def __init__(self, bodies: Bodies, agent: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._time = Patience(HUNT_PATIENCE)
        self._way = Way(bodies, agent)
        self._cell: Cell | None = None
        self._hit = False

    def status(self) -> Status:
        """Done after a meal; see the concept for what can go wrong."""
        if self._hit and self._has_eaten():
            return DONE
        if self._time.out():
            return Failed("timeout", {"steps": HUNT_PATIENCE})
        food = self._food()
        if food is None:
            return Failed("unknown_target" if self._cell is None else "target_gone", {"target": "food"})
        self._cell = food
        return chase(self._bodies, self._agent, self._way, food)

    def _food(self) -> Cell | None:
        """Return the nearest food in view, else where a cow was seen last."""
        row, col = self._bodies.position(self._agent)
        cells = self._bodies.knowledge.cows(self._agent) + self._bodies.ripe_plants(self._agent)
        return min(cells, key=lambda cell: (abs(cell[0] - row) + abs(cell[1] - col), cell), default=None)

    def _has_eaten(self) -> bool:
        return any(event["kind"] == "eat" and self._agent in event["agents"] for event in self._bodies.events())

    def act(self) -> int:
        """Go there, face it, take it."""
        assert self._cell is not None
        primitive = strike(self._bodies, self._agent, self._way, self._cell)
        self._hit = primitive == r.DO
        return primitive


def chase(bodies: Bodies, agent: int, way: Way, cell: Cell) -> Status:
    """Say whether an agent is beside a cell or can go there."""
    if beside(bodies, agent, cell) >= 0:
        return RUNNING
    return way.check(("chase", cell), bodies.places(agent, cell, 1))


def strike(bodies: Bodies, agent: int, way: Way, cell: Cell) -> int:
    """Return the primitive with which to go beside a cell, face it, and act on what is there."""
    side = beside(bodies, agent, cell)
    if side < 0:
        return way.step()
    return r.DO if side == bodies.facing(agent) else bodies.moves[side]


class Share:
    """Go to another agent and give it some of an item.

    Args:
        bodies: The bodies.
        agent: Who gives.
        recipient: Whom.
        item: What, index in `rules.ITEMS`.
        quantity: How much.
    """

    def __init__(self, bodies: Bodies, agent: int, recipient: int, item: int, quantity: int) -> None:
        self._bodies = bodies
        self._agent = agent
        self._recipient = recipient
        self._item = item
        self._code = r.share_code(recipient, item, quantity)
        self._way = Way(bodies, agent)
        self._tries = Patience(SHARE_PATIENCE)
        self._held = -1
        self._is_near = False

    def status(self) -> Status:
        """Done when some of it has been given; see the concept for what can go wrong."""
        bodies, agent = self._bodies, self._agent
        held = bodies.holds(agent, self._item)
        if self._held > held:
            return DONE
        if held == 0:
            return Failed("missing_ingredient", {r.ITEMS[self._item]: 1})
        cell = bodies.last_seen(agent, self._recipient)
        if cell is None or self._recipient == agent:
            return Failed("unknown_target", {"agent": self._recipient})
        if bodies.sees(agent, *cell) and not bodies.sees_alive(agent, self._recipient):
            return Failed("target_gone", {"agent": self._recipient})
        row, col = bodies.position(agent)
        self._is_near = max(abs(row - cell[0]), abs(col - cell[1])) <= 1
        if not self._is_near:
            return self._way.check(("agent", cell), bodies.places(agent, cell, 1, diagonal=True))
        return Failed("blocked", {"agent": self._recipient}) if self._tries.out() else RUNNING

    def act(self) -> int:
        """Go to the other, give."""
        self._held = -1
        if not self._is_near:
            return self._way.step()
        self._held = self._bodies.holds(self._agent, self._item)
        return self._code
