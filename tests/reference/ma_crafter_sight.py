"""What an agent of MA-Crafter observes, cell by cell: to be read beside `CHANNELS` and `SELF` in `world.py`."""

from __future__ import annotations

import numpy as np
from ma_crafter_acting import body_to_act_on
from ma_crafter_state import WALKABLE, Cell, State, creature_at, daylight, is_ripe, living_at, material
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w

KINDS = ("agent", "zombie", "skeleton", "arrow", "cow", "body", "ripe")
"""Kinds of objects, numbered from 1."""


def see(state: State, i: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an agent's `view`, `(8, rows, columns)`, and `self`, `(19,)`; zeros unless it is alive."""
    cols, rows = state.settings.view
    view = np.zeros((len(w.CHANNELS), rows, cols), np.uint8)
    agent = state.agents[i]
    if not agent.alive:
        return view, np.zeros(len(w.SELF), np.uint8)
    for y in range(rows):
        for x in range(cols):
            cell = (agent.cell[0] + y - rows // 2, agent.cell[1] + x - cols // 2)
            shown = show(state, cell)
            view[:, y, x] = [shown.get(channel, 0) for channel in w.CHANNELS]
    needs = [agent.health, agent.food, agent.drink, agent.energy]
    rest = [r.DIRECTIONS.index(agent.facing), int(agent.asleep), daylight(state, state.step)]
    return view, np.array([*needs, *agent.bag.values(), *rest], np.uint8)


def show(state: State, cell: Cell) -> dict[str, int]:
    """Return what a view shows of a cell, by channel."""
    name = material(state, cell)
    quorum = min(state.settings.coop.quorum.get(name, 0), 255)
    shown = {"material": r.MATERIALS.index(name), "walkable": int(name in WALKABLE), "quorum": quorum}
    living, slot = living_at(state, cell), creature_at(state, cell)
    if living is not None:
        agent = state.agents[living]
        pose = {"facing": r.DIRECTIONS.index(agent.facing) + 1, "health": agent.health, "asleep": int(agent.asleep)}
        return shown | pose | {"object": number("agent"), "agent": living % 255 + 1}
    creature = None if slot is None else state.creatures[slot]
    if creature is not None:
        facing = r.DIRECTIONS.index(creature.facing) + 1 if creature.kind == "arrow" else 0
        return shown | {"object": number(creature.kind), "health": creature.health, "facing": facing}
    if body_to_act_on(state, cell) is not None:
        return shown | {"object": number("body")}
    return shown | {"object": number("ripe") if is_ripe(state, cell) else 0}


def number(kind: str) -> int:
    """Return the number of a kind of object."""
    return KINDS.index(kind) + 1
