"""Phase 7 of a step: cows, zombies, skeletons and arrows, and the balance of their numbers."""

from __future__ import annotations

import numpy as np

from emcoop.envs.kernels import part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.scratch import (
    ACTIVE,
    FIRST_AGENT,
    HURT,
    HURT_BY,
    N_ZOMBIES,
    NEXT_IN_CHUNK,
    Scratch,
    add_event,
)
from emcoop.envs.ma_crafter.scratch import add_agent as add_agent_to
from emcoop.envs.ma_crafter.world import (
    ALIVE,
    APPEARS,
    APPEARS_AT,
    ARROW,
    ASLEEP,
    COL,
    COW,
    COW_MOVES,
    COW_SIDE,
    HEALTH,
    KIND,
    MOB_COL,
    MOB_FACING,
    MOB_HEALTH,
    MOB_HEALTH_AT_START,
    MOB_ROW,
    N_PLANTS,
    PURPOSES_PER_KIND,
    ROW,
    SKELETON,
    SKELETON_AXIS,
    SKELETON_NEARS,
    SKELETON_ROAMS,
    SKELETON_SHOOTS,
    SKELETON_SIDE,
    STATUS,
    STEP,
    TIMER,
    VANISHES,
    VANISHES_WHICH,
    ZOMBIE,
    ZOMBIE_AXIS,
    ZOMBIE_CHASES,
    ZOMBIE_SIDE,
    Board,
    is_walkable,
    refresh,
    seed_of,
)
from emcoop.envs.navigation import DCOL, DROW
from emcoop.envs.splitmix import draw

PREY_WITHIN = 8
ZOMBIE_DAMAGE, ZOMBIE_DAMAGE_ASLEEP, ZOMBIE_COOLDOWN = 2, 7, 5
ARROW_DAMAGE, RELOAD = 2, 4
JUST_SHOT = 1
"""Timer of an arrow whose turn comes later in the step it was shot in: it does not fly yet."""
BALANCE_EVERY = 10
DAY = 300
DAYLIGHT = np.round(100 * (1 - np.abs(np.cos(np.pi * (np.arange(DAY) / DAY + 0.3))) ** 3), 4).round().astype(np.int64)
"""Daylight in percent by step of the day (Crafter's curve)."""


@part
def daylight(b: Board, step: int) -> int:
    """Return the daylight in percent at a step; 100 where there is no night."""
    return DAYLIGHT[step % DAY] if b.rules[r.NIGHT] == 1 else 100


@part
def chunk_columns(b: Board) -> int:
    """Return how many chunks lie side by side."""
    return int(b.materials.shape[1] - 2 * b.pad + r.CHUNK - 1) // r.CHUNK


@part
def chunk_rows(b: Board) -> int:
    """Return how many chunks lie one below the other."""
    return int(b.materials.shape[0] - 2 * b.pad + r.CHUNK - 1) // r.CHUNK


@part
def find_chunks(b: Board, s: Scratch) -> None:
    """List the living agents by chunk and mark the chunks within one chunk of any."""
    columns, rows = chunk_columns(b), chunk_rows(b)
    s.chunks[FIRST_AGENT, :] = 0
    s.chunks[ACTIVE, :] = 0
    for i in range(len(b.agents)):
        if b.agents[i, STATUS] != ALIVE:
            continue
        cy, cx = b.agents[i, ROW] // r.CHUNK, b.agents[i, COL] // r.CHUNK
        chunk = cy * columns + cx
        if s.chunks[FIRST_AGENT, chunk] == 0:
            for v in range(max(cy - 1, 0), min(cy + 2, rows)):
                for u in range(max(cx - 1, 0), min(cx + 2, columns)):
                    s.chunks[ACTIVE, v * columns + u] = 1
        s.by_agent[NEXT_IN_CHUNK, i] = s.chunks[FIRST_AGENT, chunk]
        s.chunks[FIRST_AGENT, chunk] = i + 1


@part
def nearest_agent(b: Board, s: Scratch, row: int, col: int) -> int:
    """Return the nearest living agent within one chunk of a cell; ties: smallest row, then column; -1 for none."""
    columns, rows = chunk_columns(b), chunk_rows(b)
    cy, cx = row // r.CHUNK, col // r.CHUNK
    best, best_far = -1, 0
    for v in range(max(cy - 1, 0), min(cy + 2, rows)):
        for u in range(max(cx - 1, 0), min(cx + 2, columns)):
            j = s.chunks[FIRST_AGENT, v * columns + u]
            while j > 0:
                i = j - 1
                far = abs(b.agents[i, ROW] - row) + abs(b.agents[i, COL] - col)
                if best < 0 or far < best_far or (far == best_far and _is_before(b, i, best)):
                    best, best_far = i, far
                j = s.by_agent[NEXT_IN_CHUNK, i]
    return best


@part
def _is_before(b: Board, i: int, j: int) -> bool:
    return bool(
        b.agents[i, ROW] < b.agents[j, ROW]
        or (b.agents[i, ROW] == b.agents[j, ROW] and b.agents[i, COL] < b.agents[j, COL])
    )


@part
def chance(b: Board, purpose: int, row: int, col: int) -> float:
    """Return this step's random number for a purpose at a cell."""
    return draw(seed_of(b), b.head[STEP], purpose, row, col)


@part
def _side(b: Board, purpose: int, row: int, col: int) -> int:
    return int(chance(b, purpose, row, col) * 4)


@part
def is_free(b: Board, kind: int, y: int, x: int) -> bool:
    """Say whether a creature of a kind may enter a padded cell."""
    material = b.materials[y, x]
    if b.occupancy[y, x] != 0:
        return False
    if kind == SKELETON:
        return bool(material == r.PATH)
    if kind == ARROW:
        return is_walkable(material) or material == r.WATER or material == r.LAVA
    return is_walkable(material)


@part
def _try_step(b: Board, m: int, side: int) -> bool:
    if side < 0:
        return False
    mob = b.mobs[m]
    row, col = mob[MOB_ROW] + b.pad, mob[MOB_COL] + b.pad
    y, x = row + DROW[side], col + DCOL[side]
    if not is_free(b, mob[KIND] - 1, y, x):
        return False
    b.occupancy[row, col] = 0
    b.occupancy[y, x] = -(m + 1)
    mob[MOB_ROW] = y - b.pad
    mob[MOB_COL] = x - b.pad
    refresh(b, row, col)
    refresh(b, y, x)
    return True


@part
def _towards(b: Board, m: int, prey: int, long_axis: bool) -> int:
    """Return the side towards an agent along the longer axis (columns if equal) or the shorter; -1 if level with it."""
    rows = b.agents[prey, ROW] - b.mobs[m, MOB_ROW]
    cols = b.agents[prey, COL] - b.mobs[m, MOB_COL]
    if (abs(cols) >= abs(rows)) == long_axis:
        return 3 if cols > 0 else (2 if cols < 0 else -1)
    return 1 if rows > 0 else (0 if rows < 0 else -1)


@part
def move_creatures(b: Board, s: Scratch) -> None:
    """Phase 7: every creature in an active chunk takes its turn, in the order of slots; then numbers are balanced."""
    find_chunks(b, s)
    columns = chunk_columns(b)
    last = len(b.mobs)
    for m in range(last):
        kind = b.mobs[m, KIND] - 1
        if kind < 0:
            continue
        if kind == ARROW and b.mobs[m, TIMER] == JUST_SHOT:
            b.mobs[m, TIMER] = 0
            continue
        if s.chunks[ACTIVE, b.mobs[m, MOB_ROW] // r.CHUNK * columns + b.mobs[m, MOB_COL] // r.CHUNK] == 0:
            continue
        if kind == COW:
            row, col = b.mobs[m, MOB_ROW], b.mobs[m, MOB_COL]
            if chance(b, COW_MOVES, row, col) < 0.5:
                _try_step(b, m, _side(b, COW_SIDE, row, col))
        elif kind == ZOMBIE:
            _move_zombie(b, s, m)
        elif kind == SKELETON:
            shot = _move_skeleton(b, s, m)
            if shot > m:
                b.mobs[shot, TIMER] = JUST_SHOT
        else:
            _fly(b, s, m)
        if kind != ARROW and b.head[N_PLANTS] > 0:
            _trample(b, b.mobs[m, MOB_ROW] + b.pad, b.mobs[m, MOB_COL] + b.pad)
    if (b.head[STEP] + 1) % BALANCE_EVERY == 0:
        balance(b, s)


@part
def _trample(b: Board, y: int, x: int) -> None:
    """Eat the plants beside a cell."""
    for side in range(4):
        v, u = y + DROW[side], x + DCOL[side]
        if b.materials[v, u] == r.PLANT:
            b.materials[v, u] = r.GRASS
            b.planted[v, u] = 0
            b.head[N_PLANTS] -= 1
            refresh(b, v, u)


@part
def _hurt(b: Board, s: Scratch, i: int, by: int, amount: int) -> None:
    b.agents[i, HEALTH] = max(b.agents[i, HEALTH] - amount, 0)
    s.by_agent[HURT_BY, i] = 1
    add_agent_to(s, add_event(s, HURT, by, amount, 0, 0, 0, 0), i)


@part
def _distance(b: Board, m: int, i: int) -> int:
    return int(abs(b.agents[i, ROW] - b.mobs[m, MOB_ROW]) + abs(b.agents[i, COL] - b.mobs[m, MOB_COL]))


@part
def _prey(b: Board, s: Scratch, m: int) -> int:
    prey = nearest_agent(b, s, b.mobs[m, MOB_ROW], b.mobs[m, MOB_COL])
    return prey if prey >= 0 and _distance(b, m, prey) <= PREY_WITHIN else -1


@part
def _move_zombie(b: Board, s: Scratch, m: int) -> None:
    row, col = b.mobs[m, MOB_ROW], b.mobs[m, MOB_COL]
    prey = _prey(b, s, m)
    if prey >= 0 and chance(b, ZOMBIE_CHASES, row, col) < 0.9:
        _try_step(b, m, _towards(b, m, prey, chance(b, ZOMBIE_AXIS, row, col) < 0.8))
    else:
        _try_step(b, m, _side(b, ZOMBIE_SIDE, row, col))
    if prey < 0 or _distance(b, m, prey) > 1:
        return
    if b.mobs[m, TIMER] > 0:
        b.mobs[m, TIMER] -= 1
        return
    _hurt(b, s, prey, ZOMBIE, ZOMBIE_DAMAGE_ASLEEP if b.agents[prey, ASLEEP] == 1 else ZOMBIE_DAMAGE)
    b.mobs[m, TIMER] = ZOMBIE_COOLDOWN


@part
def _move_skeleton(b: Board, s: Scratch, m: int) -> int:
    """Let a skeleton act; return the slot of the arrow it shot, -1 for none."""
    row, col = b.mobs[m, MOB_ROW], b.mobs[m, MOB_COL]
    b.mobs[m, TIMER] = max(b.mobs[m, TIMER] - 1, 0)
    prey = _prey(b, s, m)
    far = _distance(b, m, prey) if prey >= 0 else PREY_WITHIN + 1
    along = prey >= 0 and chance(b, SKELETON_AXIS, row, col) < 0.6
    if far <= 3:
        side = _towards(b, m, prey, along)
        if side >= 0 and _try_step(b, m, side ^ 1):
            return -1
    if far <= 5 and b.mobs[m, TIMER] == 0 and chance(b, SKELETON_SHOOTS, row, col) < 0.5:
        return _shoot(b, m, _towards(b, m, prey, True))
    if far <= PREY_WITHIN and chance(b, SKELETON_NEARS, row, col) < 0.3:
        _try_step(b, m, _towards(b, m, prey, along))
    elif chance(b, SKELETON_ROAMS, row, col) < 0.2:
        _try_step(b, m, _side(b, SKELETON_SIDE, row, col))
    return -1


@part
def _shoot(b: Board, m: int, side: int) -> int:
    y, x = b.mobs[m, MOB_ROW] + b.pad + DROW[side], b.mobs[m, MOB_COL] + b.pad + DCOL[side]
    if not is_free(b, ARROW, y, x):
        return -1
    slot = add_creature(b, ARROW, y, x, side)
    if slot >= 0:
        b.mobs[m, TIMER] = RELOAD
    return slot


@part
def add_creature(b: Board, kind: int, y: int, x: int, side: int) -> int:
    """Put a creature on a free padded cell, in the first empty slot; return the slot, -1 if all are taken."""
    for m in range(len(b.mobs)):
        mob = b.mobs[m]
        if mob[KIND] == 0:
            mob[KIND] = kind + 1
            mob[MOB_ROW] = y - b.pad
            mob[MOB_COL] = x - b.pad
            mob[MOB_HEALTH] = MOB_HEALTH_AT_START[kind]
            mob[MOB_FACING] = side
            mob[TIMER] = 0
            b.occupancy[y, x] = -(m + 1)
            refresh(b, y, x)
            return m
    return -1


@part
def _remove(b: Board, m: int) -> None:
    y, x = b.mobs[m, MOB_ROW] + b.pad, b.mobs[m, MOB_COL] + b.pad
    b.mobs[m, :] = 0
    b.occupancy[y, x] = 0
    refresh(b, y, x)


@part
def _fly(b: Board, s: Scratch, m: int) -> None:
    side = b.mobs[m, MOB_FACING]
    if _try_step(b, m, side):
        return
    who = b.occupancy[b.mobs[m, MOB_ROW] + b.pad + DROW[side], b.mobs[m, MOB_COL] + b.pad + DCOL[side]]
    if who > 0:
        _hurt(b, s, who - 1, SKELETON, ARROW_DAMAGE)
    _remove(b, m)


@part
def balance(b: Board, s: Scratch) -> None:
    """Let creatures appear where there are too few and vanish where there are too many, chunk by chunk (Crafter)."""
    columns = chunk_columns(b)
    s.chunks[N_ZOMBIES:, :] = 0
    for m in range(len(b.mobs)):
        if b.mobs[m, KIND] > 0:
            chunk = b.mobs[m, MOB_ROW] // r.CHUNK * columns + b.mobs[m, MOB_COL] // r.CHUNK
            s.chunks[N_ZOMBIES + b.mobs[m, KIND] - 1, chunk] += 1
    light = daylight(b, b.head[STEP] + 1) / 100
    for chunk in range(s.chunks.shape[1]):
        if s.chunks[ACTIVE, chunk] == 0:
            continue
        cy, cx = chunk // columns, chunk % columns
        grass, path = _count_cells(b, cy, cx)
        if b.rules[r.ENEMIES] == 1:
            most = 3.5 - 3 * light
            least = int(most) if grass >= 50 else 0
            _balance_kind(b, s, ZOMBIE, chunk, cy, cx, least, int(most), 6, 0, 0.3, 0.4)
            _balance_kind(b, s, SKELETON, chunk, cy, cx, 1 if path >= 6 else 0, 2, 7, 7, 0.1, 0.1)
        _balance_kind(b, s, COW, chunk, cy, cx, 1 if grass >= 30 else 0, int(1.5 + light), 5, 5, 0.01, 0.1)


@part
def _count_cells(b: Board, cy: int, cx: int) -> tuple[int, int]:
    grass, path = 0, 0
    for y in range(cy * r.CHUNK + b.pad, min((cy + 1) * r.CHUNK, b.materials.shape[0] - 2 * b.pad) + b.pad):
        for x in range(cx * r.CHUNK + b.pad, min((cx + 1) * r.CHUNK, b.materials.shape[1] - 2 * b.pad) + b.pad):
            grass += b.materials[y, x] == r.GRASS
            path += b.materials[y, x] == r.PATH
    return grass, path


@part
def _balance_kind(
    b: Board,
    s: Scratch,
    kind: int,
    chunk: int,
    cy: int,
    cx: int,
    least: int,
    most: int,
    apart: int,
    vanish_apart: int,
    appear_chance: float,
    vanish_chance: float,
) -> None:
    """Balance one kind in one chunk: fewer than `least` may gain one, more than `most` may lose one."""
    base = PURPOSES_PER_KIND * (kind + 1)
    count = s.chunks[N_ZOMBIES + kind, chunk]
    if count < least and chance(b, base + APPEARS, cy, cx) < appear_chance:
        y, x = _free_cell(b, r.PATH if kind == SKELETON else r.GRASS, cy, cx, chance(b, base + APPEARS_AT, cy, cx))
        if y >= 0 and _is_away(b, s, y - b.pad, x - b.pad, apart):
            add_creature(b, kind, y, x, 1)
    elif count > most and chance(b, base + VANISHES, cy, cx) < vanish_chance:
        chosen = int(chance(b, base + VANISHES_WHICH, cy, cx) * count)
        for m in range(len(b.mobs)):
            mob = b.mobs[m]
            if mob[KIND] - 1 != kind or mob[MOB_ROW] // r.CHUNK != cy or mob[MOB_COL] // r.CHUNK != cx:
                continue
            if chosen == 0:
                if _is_away(b, s, mob[MOB_ROW], mob[MOB_COL], vanish_apart):
                    _remove(b, m)
                return
            chosen -= 1


@part
def _free_cell(b: Board, material: int, cy: int, cx: int, u: float) -> tuple[int, int]:
    """Return the `int(u * count)`-th unoccupied cell of a material in a chunk, (-1, -1) if there is none."""
    count = 0
    chosen = -1
    for turn in range(2):
        if turn == 1:
            chosen = int(u * count)
        seen = 0
        for y in range(cy * r.CHUNK + b.pad, min((cy + 1) * r.CHUNK, b.materials.shape[0] - 2 * b.pad) + b.pad):
            for x in range(cx * r.CHUNK + b.pad, min((cx + 1) * r.CHUNK, b.materials.shape[1] - 2 * b.pad) + b.pad):
                if b.materials[y, x] == material and b.occupancy[y, x] == 0:
                    if seen == chosen:
                        return y, x
                    seen += 1
        count = seen
    return -1, -1


@part
def _is_away(b: Board, s: Scratch, row: int, col: int, apart: int) -> bool:
    near = nearest_agent(b, s, row, col)
    return near < 0 or abs(b.agents[near, ROW] - row) + abs(b.agents[near, COL] - col) >= apart
