"""What is worth doing next in the technology tree, as far as one agent knows: plain functions over a `Situation`.

Planners are the same for every world; what they can choose from is told here. An agent prepares alone whatever it can
make alone (wood, table, the first two pickaxes); what takes several agents is a task of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emcoop.envs.embodiment import ActionCall
from emcoop.envs.ma_crafter import rules as r

PICKAXES = ("wood_pickaxe", "stone_pickaxe", "iron_pickaxe")
TIER_NEEDED = {"tree": 0, "stone": 1, "coal": 1, "iron": 2, "diamond": 3}
KIT = ("coal", "iron")
"""What an iron pickaxe takes beside wood."""
MAKE = "make_iron_pickaxe"
BUILD = "place_furnace"

LEAD_SHARE = 0.25
"""Worth of a step towards diamonds, as a share of the points of one."""
TABLE_WITHIN = 15
"""Steps to a table beyond which an agent rather builds another."""
FURNACE_WITHIN = 80
UNIT_STEPS = 3
"""Steps of collecting one more unit of what lies about in plenty."""
PATIENCE = 30
"""Steps to wait for the others at a resource or station."""
LOW, VERY_LOW = 3, 0
"""Needs at which an agent looks after itself before it works, and before it can no longer go on."""
NEARBY = 60
PASSING_BY = 6
"""Needs, and steps to what meets them, at or below which an agent sees to them on its way."""
UNKNOWN_STEPS = 10**6


@dataclass(frozen=True)
class Situation:
    """What one agent knows that bears on its plans.

    Attributes:
        coop: The cooperation rules.
        uses: Items that making or placing something takes, by name.
        harvested: Units of each resource harvested so far; the team's score is public.
        n_alive: Agents not known to be dead.
        bag: Own items.
        tier: Best own pickaxe, 0 to 3.
        tops: Agents known to hold an iron pickaxe, itself included.
        kits: Agents known to hold coal and iron for an iron pickaxe, itself included (wood is everywhere).
        holders: Agents known to hold coal, and iron.
        steps: Steps to the nearest known cell of a material or station, by name; missing if none is known.
        drink, food, energy, health: Own needs, 0 to 9; 9 where there are none.
    """

    coop: r.CoopRules
    uses: Mapping[str, Mapping[str, int]]
    harvested: dict[str, int]
    n_alive: int
    bag: dict[str, int]
    tier: int
    tops: int
    kits: int
    holders: dict[str, int]
    steps: dict[str, int]
    drink: int
    food: int
    energy: int
    health: int


def in_demand(now: Situation, resource: str) -> bool:
    """Say whether another unit of a resource would score."""
    return now.harvested[resource] < now.coop.demand[resource]


def pickaxes_wanted(now: Situation) -> int:
    """Return how many iron pickaxes the team still lacks to harvest the diamonds in demand."""
    left = now.coop.demand["diamond"] - now.harvested["diamond"]
    if left <= 0:
        return 0
    wanted = min(now.n_alive, now.coop.quorum["diamond"] * left)
    return max(0, wanted - now.tops)


def crafts_wanted(now: Situation) -> int:
    """Return how often iron pickaxes still have to be made."""
    return -(-pickaxes_wanted(now) // now.coop.craft["iron_pickaxe"])


def is_short_of(now: Situation, resource: str) -> bool:
    """Say whether ingredients are missing: too few agents hold it, or coal and iron are in different bags."""
    wanted = crafts_wanted(now)
    apart = resource == "coal" and min(now.holders.values()) >= wanted
    return resource in KIT and now.kits < wanted and (now.holders[resource] < wanted or apart)


def value(now: Situation, resource: str) -> float:
    """Return what a unit of a resource is worth: its points, and a share of the diamond's while kits are missing."""
    points = now.coop.points[resource] if in_demand(now, resource) else 0.0
    return points + (step_value(now) if is_short_of(now, resource) else 0.0)


def step_value(now: Situation) -> float:
    """Return what a step towards diamonds is worth that scores nothing by itself."""
    return LEAD_SHARE * now.coop.points["diamond"]


def can_prepare(now: Situation, tier: int) -> bool:
    """Say whether the agent holds a pickaxe of a tier or could make it alone from what it knows."""
    if now.tier >= tier:
        return True
    if tier == 3 or now.coop.craft[PICKAXES[tier - 1]] > 1:
        return False
    has_wood = "tree" in now.steps or now.bag["wood"] >= 1
    return has_wood and (tier == 1 or "stone" in now.steps or now.bag["stone"] >= 1)


def is_available(now: Situation, resource: str) -> bool:
    """Say whether enough agents hold, or could make, what a resource takes."""
    tier, need = TIER_NEEDED[resource], now.coop.quorum[resource]
    if need > now.n_alive:
        return False
    if tier == 3:
        return now.tops >= need
    return can_prepare(now, tier)


def builds_furnace(now: Situation) -> bool:
    """Say whether a furnace has to be built before iron pickaxes can be made."""
    wanted = pickaxes_wanted(now) > 0 and (now.kits > 0 or now.tier >= 2)
    return wanted and now.steps.get("furnace", UNKNOWN_STEPS) > FURNACE_WITHIN and can_prepare(now, 1)


def makes_pickaxe(now: Situation) -> bool:
    """Say whether iron pickaxes can be made now: a furnace, somebody with a kit, enough hands."""
    enough = now.coop.craft["iron_pickaxe"] <= now.n_alive
    return (
        enough and pickaxes_wanted(now) > 0 and now.kits > 0 and now.steps.get("furnace", UNKNOWN_STEPS) <= NEARBY * 4
    )


# Calls --------------------------------------------------------------------------------------------------------------


def upkeep(now: Situation, level: int = LOW) -> list[ActionCall]:
    """Return calls that look after the agent's needs if they are at or below a level."""
    calls = []
    for need, source, call in ((now.drink, "water", "drink"), (now.food, "cow", "eat")):
        steps = now.steps.get(source, UNKNOWN_STEPS)
        if (need <= level and steps <= NEARBY) or (need <= PASSING_BY and steps <= PASSING_BY):
            calls.append(ActionCall(call))
    if now.energy <= VERY_LOW and now.health <= LOW + 2:
        calls.append(ActionCall("sleep"))
    return calls


def preparation(now: Situation, tier: int, stones: int = 0, table: bool = False) -> tuple[list[ActionCall], int]:
    """Return the calls with which the agent alone gets a pickaxe of a tier, and about how many steps they take.

    Args:
        now: What it knows.
        tier: 0 to 2: no pickaxe, wood, stone.
        stones: Stones it needs in its bag afterwards.
        table: Whether a table has to stand near by in any case.
    """
    missing = range(now.tier, tier)
    wood = sum(now.uses[PICKAXES[k]]["wood"] for k in missing) + (tier >= 2)
    stone = stones + sum(now.uses[PICKAXES[k]].get("stone", 0) for k in missing)
    builds = (len(missing) > 0 or table) and now.steps.get("table", UNKNOWN_STEPS) > TABLE_WITHIN
    if builds:
        wood += now.uses["table"]["wood"]
    calls, steps = _collect(now, "tree", max(0, wood - now.bag["wood"]))
    if builds:
        if "stone" in now.steps:
            calls.append(ActionCall("navigate", {"target": "stone"}))
        calls.append(ActionCall("place", {"object": "table"}))
        steps += now.steps.get("stone", 0) + 2
    elif len(missing) or table:
        steps += now.steps["table"]
    if 0 in missing:
        calls.append(ActionCall("craft", {"item": PICKAXES[0]}))
    more, far = _collect(now, "stone", max(0, stone - now.bag["stone"]))
    if 1 in missing:
        more.append(ActionCall("craft", {"item": PICKAXES[1]}))
    return calls + more, steps + len(missing) + (far if not builds else len(more) * UNIT_STEPS)


def _collect(now: Situation, resource: str, count: int) -> tuple[list[ActionCall], int]:
    calls = [ActionCall("collect", {"resource": resource})] * count
    return calls, (now.steps.get(resource, 0) + UNIT_STEPS * (count - 1) if count else 0)


def furnace_calls(now: Situation) -> tuple[list[ActionCall], int]:
    """Return the calls that build a furnace, and about how many steps they take."""
    calls, steps = preparation(now, max(now.tier, 1), now.uses["furnace"]["stone"], table=True)
    return [*calls, ActionCall("place", {"object": "furnace"})], steps + 2
