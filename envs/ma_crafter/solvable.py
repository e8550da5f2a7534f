"""Whether a generated map holds what the task needs, and how a map that does not is completed.

Agents walk over grass, sand and path, and dig through stone and coal with a wood pickaxe and through iron with a stone
pickaxe. A unit counts if as many cells within its radius as its quorum can be reached; what the first pickaxe takes
must be within reach on foot.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.settings import CrafterSettings
from emcoop.envs.ma_crafter.spawn import distances, middle, shuffled, start_cells, starts
from emcoop.envs.navigation import DCOL, DROW, UNREACHABLE
from emcoop.errors import ConfigError

Grid = NDArray[np.uint8]
Mask = NDArray[np.bool_]
IntArray = NDArray[np.int32]

DIGGING = (*r.WALKABLE, r.STONE, r.COAL)
DIGGING_IRON = (*DIGGING, r.IRON)

ROUNDS = 6
"""Times the whole list is gone through when a map is completed: what is added may cut off what was there."""
_ORDER = ("water", "first_tree", "tree", "stone", "diamond", "iron", "coal")
"""What is added, in this order: what blocks the way, what takes room from participants, what does neither."""
_COMPLETE = 6
"""Purpose of the random numbers, after those of the terrain and the start cells."""
_RING_ROW = (-1, -1, 0, 1, 1, 1, 0, -1)
_RING_COL = (0, 1, 1, 1, 0, -1, -1, -1)


class Survey(NamedTuple):
    """What can be reached on a map.

    Attributes:
        walk: int32 (rows, cols), steps on foot from the middle.
        dig: bool (rows, cols), what is reached by digging through stone and coal.
        deep: bool (rows, cols), what is reached by digging through iron, too.
        missing: Units that are lacking, by what is lacking; empty if the map is solvable. `room` are start cells,
            `first_tree` trees within reach on foot, `water` water; the others resources.
    """

    walk: IntArray
    dig: Mask
    deep: Mask
    missing: dict[str, int]


def least_units(settings: CrafterSettings) -> dict[str, int]:
    """Return how many units of each resource a map must offer.

    These are the units that score and, at least, what as many iron pickaxes as the diamond's quorum take: a table, a
    furnace, a wood pickaxe for everybody who digs coal, and a stone pickaxe for everybody who digs iron. A harvest
    gives one item to every participant. Trees that stay after a harvest are used again and again. `first_tree` is what
    a table and one wood pickaxe take; `water` is one where agents are thirsty.
    """
    coop, preset = settings.coop, r.read_rules()["presets"][settings.preset]
    iron_makes = -(-coop.quorum["diamond"] // coop.craft["iron_pickaxe"])
    makes = {
        "wood_pickaxe": -(-max(coop.quorum["coal"], coop.quorum["stone"]) // coop.craft["wood_pickaxe"]),
        "stone_pickaxe": -(-coop.quorum["iron"] // coop.craft["stone_pickaxe"]),
        "iron_pickaxe": iron_makes,
    }
    items = dict.fromkeys(r.ITEMS, 0)
    for uses, times in [
        *((preset["place"][name]["uses"], 1) for name in ("table", "furnace")),
        *((preset["make"][name]["uses"], times) for name, times in makes.items()),
    ]:
        for item, amount in uses.items():
            items[item] += amount * times
    need = {}
    for name, info in r.read_rules()["collect"].items():
        used = math.ceil(items[info["gives"]] / coop.quorum[name])
        need[name] = coop.demand[name] if name == "tree" and not settings.scarce else max(coop.demand[name], used)
    first = preset["place"]["table"]["uses"]["wood"] + preset["make"]["wood_pickaxe"]["uses"]["wood"]
    need["first_tree"] = math.ceil(first / coop.quorum["tree"]) if settings.scarce else 1
    need["water"] = int(r.read_rules()["modes"][settings.mode]["needs"])
    return need


def survey(materials: Grid, settings: CrafterSettings) -> Survey:
    """Return what can be reached from the middle of a map, and what is lacking.

    Args:
        materials: uint8 (rows, cols), grass in the middle.
        settings: Team size, cooperation rules and mode.
    """
    start = middle(materials)
    walk = distances(materials, r.WALKABLE, start)
    dig = distances(materials, DIGGING, start) < UNREACHABLE
    deep = distances(materials, DIGGING_IRON, start) < UNREACHABLE
    missing = {"room": settings.n_agents - int(start_cells(materials, walk).sum())}
    for name, need in least_units(settings).items():
        material, quorum, radius, late = _unit(name, settings)
        reached = walk < UNREACHABLE if name == "first_tree" else deep if late else dig
        missing[name] = need - count_units(materials, reached, material, quorum, radius, need)
    return Survey(walk, dig, deep, {name: count for name, count in missing.items() if count > 0})


def _unit(name: str, settings: CrafterSettings) -> tuple[int, int, int, bool]:
    """Return material, quorum, radius, and whether it takes a stone pickaxe to get there."""
    if name == "water":
        return r.WATER, 1, 1, False
    resource = "tree" if name == "first_tree" else name
    late = resource in ("iron", "diamond")
    return r.MATERIALS.index(resource), settings.coop.quorum[resource], settings.coop.radius[resource], late


def complete(materials: Grid, settings: CrafterSettings, seed: np.uint64) -> IntArray:
    """Turn reachable stone, or grass, into whatever a map lacks, and return where the agents start.

    If there is too little room for the team, the meadow in the middle grows first. If nothing helps, the map becomes a
    bare meadow with just what is needed on it; if scattered agents leave no way for that either (the fullest boards of
    8 x 8, `scarce`), they start next to each other.

    Args:
        materials: uint8 (rows, cols), grass in the middle; changed.
        settings: Team size, cooperation rules and mode.
        seed: uint64, for where things are put.

    Returns:
        int32 (n, 2).

    Raises:
        ConfigError: Even a bare map has no room for a quorum.
    """
    for bare, spawn in ((False, settings.spawn), (True, settings.spawn), (True, "cluster")):
        if bare:
            materials[:, :] = r.GRASS
        _grow_meadow(materials, settings)
        agents = starts(materials, settings.n_agents, spawn, seed)
        for _ in range(ROUNDS):
            if not _add_all(materials, settings, seed, agents, bare):
                return agents
    coop = settings.coop
    widest = max(coop.quorum, key=lambda name: coop.quorum[name])
    raise ConfigError(
        f"area={settings.area} is too narrow for {settings.n_agents} agents at level {coop.level}: {widest} needs "
        f"{coop.quorum[widest]} of them within distance {coop.radius[widest]}; give a map that is closer to a square"
    )


def _grow_meadow(materials: Grid, settings: CrafterSettings) -> None:
    """Turn what lies around the middle into grass until the whole team finds room."""
    row, col = middle(materials)
    down, right = np.ogrid[-row : materials.shape[0] - row, -col : materials.shape[1] - col]
    radius = 4
    while "room" in survey(materials, settings).missing:
        materials[down**2 + right**2 <= radius**2] = r.GRASS
        radius += 1


def _add_all(materials: Grid, settings: CrafterSettings, seed: np.uint64, agents: IntArray, bare: bool) -> bool:
    """Add what is lacking, once; return whether anything was lacking."""
    lacking = False
    for name in _ORDER:
        found = survey(materials, settings)
        units = found.missing.get(name, 0)
        if units:
            lacking = True
            material, quorum, radius, late = _unit(name, settings)
            spare = int((found.dig & (materials == r.STONE)).sum()) - least_units(settings)["stone"]
            order = _candidates(materials, found, agents, material, max(0, spare), seed)
            if bare:
                order = _by_distance(order, found.walk, near=quorum > 1)
            walk = found.walk < UNREACHABLE
            add_units(materials, walk, found.deep if late else found.dig, order, material, units, quorum, radius)
    return lacking


def _candidates(
    materials: Grid, found: Survey, agents: IntArray, material: int, spare: int, seed: np.uint64
) -> IntArray:
    """Return the cells that may become `material`, best first, int32 (k, 2).

    Ores take the place of stone, as long as there is some to `spare`, then of grass far from the middle; trees and
    water the place of grass anywhere.
    """
    taken = np.zeros(materials.shape, np.bool_)
    taken[agents[:, 0], agents[:, 1]] = True
    taken[middle(materials)] = True

    def cells(ids: tuple[int, ...]) -> IntArray:
        return np.argwhere(found.dig & ~taken & np.isin(materials, ids)).astype(np.int32)

    stone = shuffled(cells((r.STONE,)), seed, _COMPLETE)[:spare]
    grass, rest = cells((r.GRASS,)), cells((r.PATH, r.SAND))
    if material in (r.TREE, r.WATER):
        return np.concatenate((shuffled(grass, seed, _COMPLETE), rest, stone))
    return np.concatenate((stone[: 0 if material == r.STONE else None], _by_distance(grass, found.walk), rest))


def _by_distance(cells: IntArray, walk: IntArray, near: bool = False) -> IntArray:
    """Return cells sorted by the steps from the middle, the farthest or nearest first; ties by row, then column."""
    steps = walk[cells[:, 0], cells[:, 1]]
    return cells[np.lexsort((cells[:, 1], cells[:, 0], steps if near else -steps))]


@kernel
def around(reached: Mask, row: int, col: int, radius: int, enough: int) -> int:
    """Return how many other cells within Manhattan distance `radius` are reached, counting up to `enough`."""
    rows, cols = reached.shape
    count = 0
    for v in range(max(0, row - radius), min(rows, row + radius + 1)):
        wide = radius - abs(v - row)
        for u in range(max(0, col - wide), min(cols, col + wide + 1)):
            if reached[v, u] and (v != row or u != col):
                count += 1
                if count == enough:
                    return count
    return count


@kernel
def count_units(materials: Grid, reached: Mask, material: int, quorum: int, radius: int, enough: int) -> int:
    """Return how many cells of a material can be harvested, counting up to `enough`.

    Args:
        materials: uint8 (rows, cols).
        reached: bool (rows, cols), where agents can stand.
        material: Id of the material.
        quorum: Cells needed around a unit.
        radius: Manhattan distance within which they are.
        enough: Where to stop counting.
    """
    rows, cols = materials.shape
    count = 0
    for row in range(rows):
        for col in range(cols):
            if count >= enough:
                return count
            if materials[row, col] == material and around(reached, row, col, radius, quorum) == quorum:
                count += 1
    return count


@kernel
def _reached_at(reached: Mask, row: int, col: int) -> bool:
    return bool(0 <= row < reached.shape[0] and 0 <= col < reached.shape[1] and reached[row, col])


@kernel
def _stays_connected(reached: Mask, row: int, col: int) -> bool:
    """Return whether the reached cells next to this one are connected around it.

    That is so if those of its ring of eight neighbours that hold one of them make a single run.
    """
    runs, sides = 0, 0
    for k in range(0, 8, 2):
        # A run is counted at its last side: where the corner behind it or the next side is not reached.
        here = _reached_at(reached, row + _RING_ROW[k], col + _RING_COL[k])
        corner = _reached_at(reached, row + _RING_ROW[k + 1], col + _RING_COL[k + 1])
        after = _reached_at(reached, row + _RING_ROW[(k + 2) % 8], col + _RING_COL[(k + 2) % 8])
        sides += int(here)
        runs += int(here and not (corner and after))
    return runs == 1 or (runs == 0 and sides == 4)


@kernel
def _stays_accessible(materials: Grid, reached: Mask, row: int, col: int) -> bool:
    """Return whether every tree, water and diamond next to this cell has another reached neighbour."""
    for side in range(4):
        v, u = row + DROW[side], col + DCOL[side]
        if 0 <= v < materials.shape[0] and 0 <= u < materials.shape[1]:
            thing = materials[v, u]
            if (thing == r.TREE or thing == r.WATER or thing == r.DIAMOND) and around(reached, v, u, 1, 2) < 2:
                return False
    return True


@kernel
def add_units(
    materials: Grid, walk: Mask, dig: Mask, order: IntArray, material: int, units: int, quorum: int, radius: int
) -> int:
    """Turn cells into a material such that all else stays reachable; return how many.

    Args:
        materials: uint8 (rows, cols), changed.
        walk: bool (rows, cols), where agents get on foot, changed.
        dig: bool (rows, cols), where agents get by digging, changed.
        order: int32 (k, 2), cells to be tried, in this order.
        material: Id of what they become.
        units: How many are wanted.
        quorum, radius: Cells that must be reached within a Manhattan distance of each.
    """
    blocks = material == r.TREE or material == r.WATER or material == r.DIAMOND
    added = 0
    for k in range(len(order)):
        if added == units:
            break
        row, col = order[k, 0], order[k, 1]
        if walk[row, col] and not _stays_connected(walk, row, col):
            continue
        if blocks and not (_stays_connected(dig, row, col) and _stays_accessible(materials, dig, row, col)):
            continue
        if around(dig, row, col, radius, quorum) < quorum:
            continue
        materials[row, col] = material
        walk[row, col] = False
        if blocks:
            dig[row, col] = False
        added += 1
    return added
