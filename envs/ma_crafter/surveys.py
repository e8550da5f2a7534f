"""What planners ask about map and team: the kernels behind `CrafterView`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.embodiment import FAR, NEVER
from emcoop.envs.kernels import entry, part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter.routes import insert_nearest, steps_beside
from emcoop.envs.ma_crafter.sight import BOTTOM, LEFT, RIGHT, TOP
from emcoop.envs.ma_crafter.world import ALIVE, DOWN, GONE, ByteArray, IntArray
from emcoop.envs.navigation import UNREACHABLE

TIER_STEPS = 30
"""Steps another agent is thought to need for each pickaxe it lacks."""
TOGETHER_STEPS = 20
"""Detour worth taking so that coal and iron come into the same bag."""
KIT_FIRST = 10**4
"""How much nearer an agent with the ingredients counts: no tool is made without one."""
TOP_TIER = 3
MOST_SINGLE, MOST_SHARED = 12, 4
"""Cells of a resource that are told at most: one that takes one agent, one that takes several."""
LANDMARKS = tuple(material in (r.TABLE, r.FURNACE, r.WATER) for material in range(r.N_MATERIALS))
"""Materials of which the nearest cell is told."""

STEPS, AT_ROW, AT_COL, ROOM, CROWD = range(5)
"""What a survey tells of a cell: steps to where it can be worked on, where it is, cells within its radius that can be
reached, others seen within it; the last two only of cells that take several agents."""
SURVEYED = 5
N_ALIVE, N_TOPS, N_WITHOUT, N_KITS, N_LEADERS, N_COAL, N_IRON = range(7)
"""What is counted of a team: agents not known to be dead; of those known to live, who has an iron pickaxe, who has
none, who holds coal and iron, who holds them beside an iron pickaxe, who holds coal, who holds iron."""
COUNTED = 7
COAL_BIT, IRON_BIT = (1 << s.KIT_ITEMS.index(r.ITEMS.index(item)) for item in ("coal", "iron"))
KIT_BITS = COAL_BIT | IRON_BIT
BIT_OF = {"coal": COAL_BIT, "iron": IRON_BIT}


@entry
def survey(
    grid: ByteArray,
    field: IntArray,
    box: IntArray,
    rules: IntArray,
    team: IntArray,
    me: int,
    step: int,
    pad: int,
    counts: IntArray,
    out: IntArray,
) -> None:
    """Write the nearest reachable cells of resources and landmarks, nearest first, then row by row.

    Args:
        grid: The map as known, padded.
        field: Distances from the agent, everywhere.
        box: The box around what is known.
        rules: Table of rules.
        team: `(n, 6)`, see `sight.SEEN_ROW`.
        me: Who asks.
        step: Current step.
        pad: Padding.
        counts: How many there are, by material, out.
        out: `(materials, MOST_SINGLE, 5)` out: see `STEPS` and the following.
    """
    counts[:] = 0
    for y in range(box[TOP], box[BOTTOM]):
        for x in range(box[LEFT], box[RIGHT]):
            material = grid[y, x]
            quorum = rules[r.QUORUM + material]
            if quorum > 0 or LANDMARKS[material]:
                diagonal = material == r.TABLE or material == r.FURNACE
                steps = steps_beside(field, y, x, max(rules[r.RADIUS + material], 1), diagonal)
                if steps < UNREACHABLE:
                    found = out[material, : _most(quorum)]
                    counts[material] = insert_nearest(found, counts[material], steps, y - pad, x - pad)
    for material in range(len(counts)):
        radius, takes_several = rules[r.RADIUS + material], rules[r.QUORUM + material] > 1
        for k in range(counts[material] if takes_several else 0):
            cell = out[material, k]
            cell[ROOM] = _reachable(field, cell[AT_ROW] + pad, cell[AT_COL] + pad, radius)[0]
            cell[CROWD] = _crowd(team, me, step, cell[AT_ROW], cell[AT_COL], radius)


@part
def _most(quorum: int) -> int:
    """Return how many cells are told of a material that takes so many agents, 0 for a landmark."""
    if quorum == 0:
        return 1
    return MOST_SINGLE if quorum == 1 else MOST_SHARED


@entry
def survey_cell(
    field: IntArray, team: IntArray, me: int, step: int, pad: int, row: int, col: int, radius: int, out: IntArray
) -> None:
    """Write what a survey tells of one cell; arguments as in `survey`.

    The steps are those to the nearest cell within the radius, the cell itself included.
    """
    out[AT_ROW], out[AT_COL] = row, col
    out[ROOM], out[STEPS] = _reachable(field, row + pad, col + pad, radius)
    out[CROWD] = _crowd(team, me, step, row, col, radius)


@part
def _reachable(field: IntArray, y: int, x: int, radius: int) -> tuple[int, int]:
    """Return how many cells within a radius of a padded cell can be reached, and the steps to the nearest."""
    count, best = 0, UNREACHABLE
    for v in range(max(y - radius, 0), min(y + radius + 1, field.shape[0])):
        left = radius - abs(v - y)
        for u in range(max(x - left, 0), min(x + left + 1, field.shape[1])):
            count += field[v, u] < UNREACHABLE
            best = min(best, field[v, u])
    return count, best


@part
def _crowd(team: IntArray, me: int, step: int, row: int, col: int, radius: int) -> int:
    """Return how many others are seen within a radius of a cell."""
    count = 0
    for j in range(len(team)):
        seen = j != me and team[j, s.SEEN_STEP] == step and team[j, s.SEEN_STATUS] == ALIVE
        if seen and abs(team[j, s.SEEN_ROW] - row) + abs(team[j, s.SEEN_COL] - col) <= radius:
            count += 1
    return count


@entry
def crowd(team: IntArray, me: int, step: int, row: int, col: int, radius: int) -> int:
    """Return how many others are seen within a radius of a cell; arguments as in `survey`."""
    return _crowd(team, me, step, row, col, radius)


@entry
def count_team(team: IntArray, out: IntArray) -> None:
    """Count a team by what is known of it.

    Args:
        team: `(n, 6)`, see `sight.SEEN_ROW`.
        out: `(6,)` out, see `N_ALIVE` and the following.
    """
    out[:] = 0
    for j in range(len(team)):
        known, lives = team[j, s.SEEN_STEP] >= 0, team[j, s.SEEN_STATUS] != DOWN and team[j, s.SEEN_STATUS] != GONE
        out[N_ALIVE] += lives or not known
        if known and lives:
            kit, is_top = team[j, s.SEEN_KIT], team[j, s.SEEN_TIER] >= TOP_TIER
            out[N_TOPS] += is_top
            out[N_WITHOUT] += not is_top
            out[N_KITS] += kit & KIT_BITS == KIT_BITS
            out[N_LEADERS] += is_top and kit & KIT_BITS == KIT_BITS
            out[N_COAL] += kit & COAL_BIT == COAL_BIT
            out[N_IRON] += kit & IRON_BIT == IRON_BIT


@part
def _final(known: IntArray, steps: int) -> int:
    """Return an estimate, corrected for agents never seen and those that have fallen."""
    if known[s.SEEN_STATUS] == DOWN or known[s.SEEN_STATUS] == GONE:
        return NEVER
    return FAR if known[s.SEEN_STEP] < 0 and steps != NEVER else steps


@part
def _steps_to(known: IntArray, row: int, col: int) -> int:
    return int(abs(known[s.SEEN_ROW] - row) + abs(known[s.SEEN_COL] - col))


@entry
def steps_to_harvest(
    team: IntArray, agents: IntArray, row: int, col: int, tier: int, item: int, out: NDArray[np.int64]
) -> None:
    """Estimate the steps until agents are in place to harvest a cell, with the tool it takes.

    Args:
        team: `(n, 6)`, see `sight.SEEN_ROW`.
        agents: Which of them.
        row, col: The cell.
        tier: The pickaxe it takes, 0 to 3; an iron one is not made on the way.
        item: Bit of what is in it, if that is an ingredient: coal and iron have to come together in one bag.
        out: Steps by agent, out.
    """
    for k in range(len(agents)):
        known = team[agents[k]]
        has_coal, has_iron = known[s.SEEN_KIT] & COAL_BIT != 0, known[s.SEEN_KIT] & IRON_BIT != 0
        steps = _steps_to(known, row, col) + TIER_STEPS * max(tier - known[s.SEEN_TIER], 0)
        if tier == TOP_TIER and known[s.SEEN_TIER] < TOP_TIER:
            steps = NEVER
        elif (item == COAL_BIT and has_coal and not has_iron) or (item == IRON_BIT and not has_coal):
            steps += TOGETHER_STEPS
        out[k] = _final(known, steps)


@entry
def steps_to_meet(team: IntArray, agents: IntArray, row: int, col: int, short: bool, out: NDArray[np.int64]) -> None:
    """Estimate the steps until agents are at a station to make iron pickaxes; those that lead come first.

    Args:
        team, agents: As in `steps_to_harvest`.
        row, col: The station.
        short: Whether the hands of those are needed that have their pickaxe and nothing to make another of.
        out: Steps by agent, out.
    """
    # Of those that have both pickaxe and ingredients one is enough.
    first, nearest = -1, NEVER
    for k in range(len(agents)):
        known = team[agents[k]]
        if known[s.SEEN_KIT] & KIT_BITS == KIT_BITS and known[s.SEEN_TIER] >= TOP_TIER:
            steps = _steps_to(known, row, col)
            if steps < nearest:
                first, nearest = k, steps
    for k in range(len(agents)):
        known = team[agents[k]]
        steps, done = _steps_to(known, row, col), known[s.SEEN_TIER] >= TOP_TIER
        if known[s.SEEN_KIT] & KIT_BITS == KIT_BITS and (not done or k == first):
            steps -= KIT_FIRST
        elif done:
            steps = steps + KIT_FIRST if short else NEVER
        out[k] = _final(known, steps)
