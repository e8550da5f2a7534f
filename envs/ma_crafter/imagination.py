"""What a group of MA-Crafter agents knows together, and the world that holds nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.dynamics import refresh_all
from emcoop.rng import derive_seed

BUILT = (r.PATH, r.TABLE, r.FURNACE)
"""What cells change into: if members remember a cell differently, and none looks at it, this is thought to be later."""
FACING_DOWN, BEST_TIER = 1, 3

IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]


class Eyes:
    """Says whether anybody of a group sees a cell now.

    Args:
        cells: Where its living members stand.
        half: Rows and columns a view reaches.
    """

    def __init__(self, cells: Sequence[Sequence[int]], half: tuple[int, int]) -> None:
        self._cells = cells
        self._half = half

    def see(self, row: int, col: int) -> bool:
        """Say whether a cell is in somebody's view."""
        return any(abs(row - r) <= self._half[0] and abs(col - c) <= self._half[1] for r, c in self._cells)


class Together(NamedTuple):
    """What a group knows together.

    Attributes:
        members: Who they are.
        eyes: What they see now.
        grid: `(R, C)` uint8, padded: materials, `sight.UNKNOWN` where nobody has seen anything.
        box: `(4,)` int32, padded: the box around all that is known.
        others: `(n, 6)` int32, see `sight.SEEN_ROW`: what is known of every agent; true of the members.
        stood: `(n,)` int32: how long each had stood still when it was seen last.
        creatures: Fields of the creatures in view, by row and column.
        cow: Row and column of the cow seen last, and the step, -1 for none.
    """

    members: list[int]
    eyes: Eyes
    grid: ByteArray
    box: IntArray
    others: IntArray
    stood: IntArray
    creatures: list[list[int]]
    cow: tuple[int, int, int]


def know_together(
    world: w.World, m: s.Memories, half: tuple[int, int], group: Sequence[int], blind: Collection[int] = ()
) -> Together:
    """Return what a group knows together.

    Args:
        world: The world; only what is in a living member's view is read, and the members themselves.
        m: What the agents remember, up to date.
        half: Rows and columns a view reaches.
        group: The members.
        blind: Agents that see nothing now.
    """
    them = sorted(group)
    alive = [i for i in them if i not in blind and world.agents()[i, w.STATUS] == w.ALIVE]
    cells: list[list[int]] = world.agents()[alive][:, [w.ROW, w.COL]].tolist()
    eyes = Eyes(cells, half)
    boxes = m.boxes[them]
    box = np.array([*boxes[:, : s.BOTTOM].min(axis=0), *boxes[:, s.BOTTOM :].max(axis=0)], np.int32)
    grid = np.zeros_like(m.known[0])
    _merge_maps(m, them, box, grid)
    for i, (row, col) in zip(alive, cells):
        top, left = max(row - half[0], 0) + world.pad, max(col - half[1], 0) + world.pad
        view = slice(top, row + half[0] + 1 + world.pad), slice(left, col + half[1] + 1 + world.pad)
        grid[view] = m.known[i][view]
    seen, everybody = m.others[them], np.arange(world.n_agents)
    latest = seen[:, :, s.SEEN_STEP].argmax(axis=0)
    others, stood = seen[latest, everybody], m.stood[them][latest, everybody]
    others[them], stood[them] = m.truth[them], m.still[them]
    cows = [(step, row, col) for row, col, step in m.cows[them].tolist() if step >= 0 and not eyes.see(row, col)]
    step, row, col = max(cows, default=(-1, -1, -1))
    return Together(them, eyes, grid, box, others, stood, _creatures(world, eyes), (row, col, step))


def _merge_maps(m: s.Memories, group: Sequence[int], box: IntArray, out: ByteArray) -> None:
    """Write the map a group remembers; where memories differ, what is built counts, then the first member's."""
    if box[s.TOP] >= box[s.BOTTOM]:
        return
    part = slice(box[s.TOP], box[s.BOTTOM]), slice(box[s.LEFT], box[s.RIGHT])
    merged = out[part]
    for i in reversed(group):
        np.copyto(merged, m.known[i][part], where=m.known[i][part] != s.UNKNOWN)
    for material in BUILT:
        for i in group:
            merged[m.known[i][part] == material] = material


def _creatures(world: w.World, eyes: Eyes) -> list[list[int]]:
    """Return the creatures in view by row and column; timers, and where most of them face, cannot be seen."""
    mobs = world.mobs()
    found = [mob for mob in mobs[mobs[:, w.KIND] > 0].tolist() if eyes.see(mob[w.MOB_ROW], mob[w.MOB_COL])]
    for mob in found:
        is_arrow = mob[w.KIND] - 1 == w.ARROW
        mob[w.MOB_FACING], mob[w.TIMER] = mob[w.MOB_FACING] if is_arrow else FACING_DOWN, 0
    return sorted(found, key=lambda mob: (mob[w.MOB_ROW], mob[w.MOB_COL]))


def known_world(world: w.World, known: Together, salt: int) -> w.World:
    """Return a world that holds only what a group knows together, with a random stream of its own.

    Unknown cells are grass. Everything keeps its index; agents the group does not know of are gone. Those it
    remembers stand where they were seen last, unless a member sees that they do not, and hold what was seen of it.

    Args:
        world: The true world; only its members' own state and what is public is read.
        known: What the group knows.
        salt: Seed of the random stream.
    """
    arrays = (world.rows[:1] * 0, world.materials[:1] * 0, world.planted[:1] * 0, world.occupancy[:1] * 0)
    made = w.World(world.settings, world.rules, *arrays, world.cells[:1] * 0)
    public = [w.STEP, w.POINTS_SO_FAR, *(w.HARVESTED + material for material in r.RESOURCES)]
    made.rows[0, public] = world.rows[0, public]
    made.materials[0] = known.grid
    inner = made.inner(made.materials)
    inner[inner == s.UNKNOWN] = r.GRASS
    made.agents()[known.members] = world.agents()[known.members]
    made.bags()[known.members] = world.bags()[known.members]
    _plant(world, made, known.eyes)
    _place_agents(made, known)
    _place_creatures(made, known)
    made.rows[0, w.N_ALIVE] = int((made.agents()[:, w.STATUS] == w.ALIVE).sum())
    restart_chance(made, salt)
    refresh_all(
        made.rules, made.rows, made.materials, made.planted, made.occupancy, made.cells, 0, made.n_agents, made.pad
    )
    return made


def restart_chance(world: w.World, salt: int) -> None:
    """Give a world a random stream of its own."""
    seed = np.array([derive_seed(salt, "imagine", "dynamics")], "<u8")
    world.rows[0, [w.SEED_LOW, w.SEED_HIGH]] = seed.view("<u4").view(np.int32)


def _plant(world: w.World, made: w.World, eyes: Eyes) -> None:
    """Set the plants: those seen to be ripe are, all others have just been set."""
    step, pad = int(world.rows[0, w.STEP]), world.pad
    plants = np.argwhere(made.materials[0] == r.PLANT).tolist()
    made.rows[0, w.N_PLANTS] = len(plants)
    for y, x in plants:
        is_ripe = eyes.see(y - pad, x - pad) and step - world.planted[0, y, x] + 1 > world.rules[r.RIPENS]
        made.planted[0, y, x] = 1 if is_ripe else step + 1


def _place_agents(made: w.World, known: Together) -> None:
    """Put the members where they are and the others where they were seen last, the latest seen first."""
    agents, occupancy, pad = made.agents(), made.occupancy[0], made.pad
    for i in known.members:
        if agents[i, w.STATUS] == w.ALIVE:
            occupancy[agents[i, w.ROW] + pad, agents[i, w.COL] + pad] = i + 1
    strangers = sorted(set(range(made.n_agents)) - set(known.members))
    agents[strangers, w.STATUS] = w.GONE
    there = _strangers_there(made, known, strangers)
    alive = [j for j in there if known.others[j, s.SEEN_STATUS] == w.ALIVE]
    agents[there, w.ROW], agents[there, w.COL] = known.others[there, s.SEEN_ROW], known.others[there, s.SEEN_COL]
    agents[there, w.STATUS] = known.others[there, s.SEEN_STATUS]
    agents[there, w.FACING], agents[there, w.DOWN_SINCE] = FACING_DOWN, made.rows[0, w.STEP]
    for need in (w.HEALTH, w.FOOD, w.DRINK, w.ENERGY):
        agents[alive, need] = made.rules[r.START]
    bags, tiers, kits = made.bags(), known.others[there, s.SEEN_TIER], known.others[there, s.SEEN_KIT]
    for tier in range(1, BEST_TIER + 1):
        bags[np.array(there, np.intp)[tiers == tier], s.WOOD_PICKAXE + tier - 1] = 1
    for k, item in enumerate(s.KIT_ITEMS):
        bags[np.array(there, np.intp)[(kits >> k & 1) == 1], item] = made.rules[s.KIT + item]


def _strangers_there(made: w.World, known: Together, strangers: Sequence[int]) -> list[int]:
    """Return the agents beside the members that can still be where they were seen last; let them stand there."""
    now, occupancy, materials, there = int(made.rows[0, w.STEP]), made.occupancy[0], made.materials[0], []
    for (row, col, step, _, _, status), j in sorted(
        zip(known.others[strangers].tolist(), strangers), key=lambda entry: (-entry[0][s.SEEN_STEP], entry[1])
    ):
        if step < 0 or status == w.GONE or (step < now and known.eyes.see(row, col)):
            continue
        if status == w.ALIVE:
            y, x = row + made.pad, col + made.pad
            if occupancy[y, x] or materials[y, x] not in r.WALKABLE:
                continue
            occupancy[y, x] = j + 1
        there.append(j)
    return there


def _place_creatures(made: w.World, known: Together) -> None:
    """Put the creatures in view and the cow seen last on their cells, as far as these are free and there are slots."""
    occupancy, mobs, slot = made.occupancy[0], made.mobs(), 0
    row, col, step = known.cow
    there = list(known.creatures)
    if step >= 0 and made.materials[0, row + made.pad, col + made.pad] in r.WALKABLE:
        there.append([w.COW + 1, row, col, w.MOB_HEALTH_AT_START[w.COW], FACING_DOWN, 0])
    for mob in there:
        y, x = mob[w.MOB_ROW] + made.pad, mob[w.MOB_COL] + made.pad
        if slot < len(mobs) and occupancy[y, x] == 0:
            mobs[slot] = mob
            occupancy[y, x] = -(slot + 1)
            slot += 1


def fill_memories(m: s.Memories, world: w.World, known: Together) -> None:
    """Let every member remember what the group knows.

    Args:
        m: Empty memories of the imagined world.
        world: The imagined world.
        known: What the group knows.
    """
    them = known.members
    m.known[them], m.boxes[them], m.others[them], m.stood[them] = known.grid, known.box, known.others, known.stood
    m.cows[them] = known.cow
    m.discovered[:] = known.grid != s.UNKNOWN
    m.truth[:, : s.SEEN_COL + 1] = world.agents()[:, [w.ROW, w.COL]]
    m.still[:] = known.stood - 1  # the first look counts one more
