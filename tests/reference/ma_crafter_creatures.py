"""Phase 7 of MA-Crafter's step: creatures, slow and obvious."""

from __future__ import annotations

from ma_crafter_state import (
    CREATURES,
    SIDES,
    WALKABLE,
    Cell,
    Creature,
    State,
    daylight,
    distance,
    living_at,
    material,
    nearest,
    occupied,
    roll,
    shift,
)
from ma_crafter_turn import Turn

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w

GROUND = {"cow": WALKABLE, "zombie": WALKABLE, "skeleton": ("path",), "arrow": (*WALKABLE, "water", "lava")}
"""What each kind walks on or flies over."""
HOME = {"zombie": "grass", "skeleton": "path", "cow": "grass"}
"""The material each kind appears on."""
SIGHT = 8
ARROW_DAMAGE, ZOMBIE_DAMAGE, ZOMBIE_DAMAGE_ASLEEP = 2, 2, 7
ZOMBIE_COOLDOWN, SKELETON_RELOAD = 5, 4


def creatures(turn: Turn) -> None:
    """Give every creature near agents its turn, then keep their numbers in balance."""
    state = turn.state
    chunks = active_chunks(state)
    for slot, creature in enumerate(list(state.creatures)):  # without arrows that are shot meanwhile
        if creature is not None and chunk_of(creature.cell) in chunks:
            TURNS[creature.kind](turn, creature)
            if creature.health == 0:
                state.creatures[slot] = None
            elif creature.kind != "arrow":
                eat_plants(state, creature)
    if (state.step + 1) % 10 == 0:
        for chunk in sorted(chunks):
            for kind in ("zombie", "skeleton", "cow") if state.mode["enemies"] else ("cow",):
                balance(state, kind, chunk)


def chunk_of(cell: Cell) -> Cell:
    """Return the chunk of a cell."""
    return cell[0] // r.CHUNK, cell[1] // r.CHUNK


def active_chunks(state: State) -> set[Cell]:
    """Return the chunks within one chunk of a living agent's."""
    homes = {chunk_of(state.agents[i].cell) for i in state.alive}
    chunks = {chunk_of(cell) for cell in state.materials}
    return {c for c in chunks if any(abs(c[0] - h[0]) <= 1 and abs(c[1] - h[1]) <= 1 for h in homes)}


# Moving ------------------------------------------------------------------------------------------------------


def is_free(state: State, kind: str, cell: Cell) -> bool:
    """Tell whether a creature of some kind can enter a cell."""
    return material(state, cell) in GROUND[kind] and not occupied(state, cell)


def try_step(state: State, creature: Creature, side: str | None) -> bool:
    """Move a creature one cell if that is possible; say whether it was."""
    if side is None or not is_free(state, creature.kind, shift(creature.cell, side)):
        return False
    creature.cell = shift(creature.cell, side)
    return True


def random_side(state: State, purpose: int, cell: Cell) -> str:
    """Return a random side."""
    return tuple(SIDES)[int(roll(state, purpose, cell) * 4)]


def side_towards(here: Cell, there: Cell, longer: bool) -> str | None:
    """Return the side of a cell along the longer or the shorter axis; None if the cells are level on that axis."""
    down, right = there[0] - here[0], there[1] - here[1]
    columns_are_longer = abs(right) >= abs(down)
    if columns_are_longer == longer:
        return None if right == 0 else "right" if right > 0 else "left"
    return None if down == 0 else "down" if down > 0 else "up"


def opposite(side: str | None) -> str | None:
    """Return the opposite side."""
    return {"up": "down", "down": "up", "left": "right", "right": "left", None: None}[side]


def prey_of(state: State, creature: Creature) -> int | None:
    """Return the nearest living agent in sight."""
    cells = [state.agents[i].cell for i in state.alive]
    cell = nearest(cells, lambda c: distance(c, creature.cell))
    return None if cell is None or distance(cell, creature.cell) > SIGHT else living_at(state, cell)


# One turn of each kind ---------------------------------------------------------------------------------------


def cow(turn: Turn, creature: Creature) -> None:
    """Wander."""
    state, cell = turn.state, creature.cell
    if roll(state, w.COW_MOVES, cell) < 0.5:
        try_step(state, creature, random_side(state, w.COW_SIDE, cell))


def zombie(turn: Turn, creature: Creature) -> None:
    """Hunt the nearest agent."""
    state, cell = turn.state, creature.cell
    prey = prey_of(state, creature)
    if prey is not None and roll(state, w.ZOMBIE_CHASES, cell) < 0.9:
        longer = roll(state, w.ZOMBIE_AXIS, cell) < 0.8
        try_step(state, creature, side_towards(cell, state.agents[prey].cell, longer))
    else:
        try_step(state, creature, random_side(state, w.ZOMBIE_SIDE, cell))
    if prey is None or distance(creature.cell, state.agents[prey].cell) > 1:
        return
    if creature.timer > 0:
        creature.timer -= 1
        return
    hurt(turn, prey, "zombie", ZOMBIE_DAMAGE_ASLEEP if state.agents[prey].asleep else ZOMBIE_DAMAGE)
    creature.timer = ZOMBIE_COOLDOWN


def skeleton(turn: Turn, creature: Creature) -> None:
    """Keep at a distance and shoot."""
    state, cell = turn.state, creature.cell
    creature.timer = max(0, creature.timer - 1)
    prey = prey_of(state, creature)
    if prey is not None:
        there = state.agents[prey].cell
        away = distance(cell, there)
        side = side_towards(cell, there, roll(state, w.SKELETON_AXIS, cell) < 0.6)
        if away <= 3 and try_step(state, creature, opposite(side)):
            return
        if away <= 5 and creature.timer == 0 and roll(state, w.SKELETON_SHOOTS, cell) < 0.5:
            shoot(state, creature, there)
            return
        if roll(state, w.SKELETON_NEARS, cell) < 0.3:
            try_step(state, creature, side)
            return
    if roll(state, w.SKELETON_ROAMS, cell) < 0.2:
        try_step(state, creature, random_side(state, w.SKELETON_SIDE, cell))


def shoot(state: State, archer: Creature, there: Cell) -> None:
    """Shoot an arrow towards a cell if the next cell and a slot are free."""
    side = side_towards(archer.cell, there, longer=True)
    assert side is not None
    cell = shift(archer.cell, side)
    if is_free(state, "arrow", cell) and add(state, Creature("arrow", cell, CREATURES["arrow"], side)):
        archer.timer = SKELETON_RELOAD


def arrow(turn: Turn, creature: Creature) -> None:
    """Fly on, or hit what is in the way."""
    state, cell = turn.state, shift(creature.cell, creature.facing)
    if try_step(state, creature, creature.facing):
        return
    victim = living_at(state, cell)
    if victim is not None:
        hurt(turn, victim, "skeleton", ARROW_DAMAGE)
    creature.health = 0


TURNS = {"cow": cow, "zombie": zombie, "skeleton": skeleton, "arrow": arrow}


def hurt(turn: Turn, victim: int, by: str, amount: int) -> None:
    """Take health from an agent."""
    turn.wound(victim, amount, "creature")
    turn.tell("hurt", [victim], by=by, amount=amount)


def add(state: State, creature: Creature) -> bool:
    """Put a creature into the first empty slot; without one it does not appear. Say whether it did."""
    for slot, held in enumerate(state.creatures):
        if held is None:
            state.creatures[slot] = creature
            return True
    return False


def eat_plants(state: State, creature: Creature) -> None:
    """Turn plants beside a creature into grass."""
    for side in SIDES:
        cell = shift(creature.cell, side)
        if material(state, cell) == "plant":
            state.materials[cell] = "grass"
            del state.planted[cell]


# Balance -----------------------------------------------------------------------------------------------------


def wanted(kind: str, cells: int, light: float) -> tuple[int, int]:
    """Return the fewest and the most creatures of a kind in a chunk with some cells of their material."""
    if kind == "zombie":
        return int(0 if cells < 50 else 3.5 - 3 * light), int(3.5 - 3 * light)
    if kind == "skeleton":
        return int(cells >= 6), 2
    return int(cells >= 30), int(1.5 + light)


CHANCES = {"zombie": (0.3, 0.4), "skeleton": (0.1, 0.1), "cow": (0.01, 0.1)}
"""Probability of appearing, of vanishing."""
DISTANCES = {"zombie": (6, 0), "skeleton": (7, 7), "cow": (5, 5)}
"""Least distance from every living agent for appearing, for vanishing."""


def balance(state: State, kind: str, chunk: Cell) -> None:
    """Let at most one creature of a kind appear or vanish in a chunk."""
    offset = w.PURPOSES_PER_KIND * (w.MOBS.index(kind) + 1)
    home = sorted(c for c, name in state.materials.items() if name == HOME[kind] and chunk_of(c) == chunk)
    slots = [
        slot
        for slot, creature in enumerate(state.creatures)
        if creature is not None and creature.kind == kind and chunk_of(creature.cell) == chunk
    ]
    fewest, most = wanted(kind, len(home), daylight(state, state.step + 1) / 100)
    if len(slots) < fewest and roll(state, w.APPEARS + offset, chunk) < CHANCES[kind][0]:
        free = [cell for cell in home if not occupied(state, cell)]
        if free:
            cell = free[int(roll(state, w.APPEARS_AT + offset, chunk) * len(free))]
            if far_enough(state, cell, DISTANCES[kind][0]):
                add(state, Creature(kind, cell, CREATURES[kind]))
    elif len(slots) > most and roll(state, w.VANISHES + offset, chunk) < CHANCES[kind][1]:
        slot = slots[int(roll(state, w.VANISHES_WHICH + offset, chunk) * len(slots))]
        creature = state.creatures[slot]
        if creature is not None and far_enough(state, creature.cell, DISTANCES[kind][1]):
            state.creatures[slot] = None


def far_enough(state: State, cell: Cell, least: int) -> bool:
    """Tell whether every living agent is at least so far from a cell."""
    return all(distance(cell, state.agents[i].cell) >= least for i in state.alive)
