"""Phases 1 and 2 of a step: who acts, and what `do` does."""

from __future__ import annotations

from emcoop.envs.kernels import part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.scratch import (
    ACTS,
    ATE,
    ATTACKED,
    COLLECT,
    DEFEATED,
    DRANK,
    FULL_BAG,
    HEALTH_BEFORE,
    HURT_BY,
    LOOTED,
    MISSING_TOOL,
    NEXT,
    REVIVED,
    SAPLING_FOUND,
    SERVED,
    TARGET,
    TARGET_X,
    TARGET_Y,
    TOO_FEW,
    TOO_MANY,
    WOKE,
    Scratch,
    add_agent,
    add_event,
    note,
)
from emcoop.envs.ma_crafter.targets import (
    T_BODY,
    T_GRASS,
    T_MOB,
    T_NOTHING,
    T_PLANT,
    T_WATER,
    do_target,
    has_tool,
)
from emcoop.envs.ma_crafter.world import (
    ACHIEVED,
    ALIVE,
    ASLEEP,
    COL,
    COW,
    DOWN,
    DRINK,
    ENERGY,
    FACING,
    FOOD,
    HARVESTED,
    HEALTH,
    HUNGER,
    KIND,
    MOB_HEALTH,
    N_ALIVE,
    POINTS_SO_FAR,
    ROW,
    SAPLING,
    STATUS,
    STEP,
    THIRST,
    ZOMBIE,
    Board,
    ByteArray,
    body_at,
    refresh,
    seed_of,
)
from emcoop.envs.splitmix import draw

_ACHIEVEMENT = {name: bit for bit, name in enumerate(r.ACHIEVEMENTS)}
COLLECT_SAPLING = 1 << _ACHIEVEMENT["collect_sapling"]
COLLECT_DRINK = 1 << _ACHIEVEMENT["collect_drink"]
EAT_COW = 1 << _ACHIEVEMENT["eat_cow"]
EAT_PLANT = 1 << _ACHIEVEMENT["eat_plant"]
DEFEAT_ZOMBIE = 1 << _ACHIEVEMENT["defeat_zombie"]
DEFEAT_SKELETON = 1 << _ACHIEVEMENT["defeat_skeleton"]
WAKE_UP = 1 << _ACHIEVEMENT["wake_up"]
COLLECTED = tuple(1 << _ACHIEVEMENT.get(f"collect_{item}", 31) for item in r.ITEMS[:6])
"""Achievement of collecting each of the first six items."""
DAMAGES = (1, 2, 3, 5)
"""Damage without a sword, with one of wood, stone, iron."""
WOOD_SWORD = r.ITEMS.index("wood_sword")
SAPLING_CHANCE = float(r.read_rules()["sapling_chance"])


@part
def find_who_acts(b: Board, s: Scratch, actions: ByteArray) -> None:
    """Phase 1: wake those who have slept enough, put to sleep, turn; write what each agent does this step."""
    for i in range(len(b.agents)):
        agent = b.agents[i]
        s.by_agent[HEALTH_BEFORE, i] = agent[HEALTH]
        s.by_agent[HURT_BY, i] = 0
        action = actions[i] if agent[STATUS] == ALIVE else r.NOOP
        if agent[ASLEEP] == 1:
            if agent[ENERGY] < b.rules[r.MOST]:
                action = r.NOOP
            else:
                agent[ASLEEP] = 0
                agent[ACHIEVED] |= WAKE_UP
                note(s, WOKE, i, 0, 0, 0)
        if action == r.SLEEP:
            if agent[ENERGY] < b.rules[r.MOST]:
                agent[ASLEEP] = 1
            action = r.NOOP
        elif r.LEFT <= action <= r.DOWN:
            agent[FACING] = r.FACING_OF_ACTION[action]
        s.by_agent[ACTS, i] = action


@part
def receive(b: Board, s: Scratch, i: int, item: int) -> None:
    """Put one item into a bag; if it is full the item is lost."""
    if b.bags[i, item] < b.rules[r.BAG_LIMIT]:
        b.bags[i, item] += 1
    else:
        note(s, FULL_BAG, i, item, 0, 0)


@part
def act_on_targets(b: Board, s: Scratch) -> int:
    """Phase 2: every `do` takes effect; return the points gained, doubled."""
    any_group = False
    for k in range(len(b.agents)):
        i = len(b.agents) - 1 - k
        s.by_agent[TARGET, i] = T_NOTHING
        s.by_agent[SERVED, i] = 0
        if s.by_agent[ACTS, i] != r.DO:
            continue
        kind, y, x = do_target(b, i)
        s.by_agent[TARGET, i] = kind
        s.by_agent[TARGET_Y, i] = y
        s.by_agent[TARGET_X, i] = x
        if kind != T_NOTHING and kind != T_WATER and kind != T_GRASS:
            s.by_agent[NEXT, i] = s.claims[y, x]
            s.claims[y, x] = i + 1
            any_group = True
    for i in range(len(b.agents)):
        if s.by_agent[ACTS, i] == r.DO:
            _act_alone(b, s, i)
    return _act_together(b, s) if any_group else 0


@part
def _act_alone(b: Board, s: Scratch, i: int) -> None:
    kind, y, x = s.by_agent[TARGET, i], s.by_agent[TARGET_Y, i], s.by_agent[TARGET_X, i]
    agent = b.agents[i]
    if kind == T_WATER:
        agent[DRINK] = min(agent[DRINK] + b.rules[r.DRINK_GIVES], b.rules[r.MOST])
        agent[THIRST] = 0
        agent[ACHIEVED] |= COLLECT_DRINK
        note(s, DRANK, i, 0, 0, 0)
    elif kind == T_GRASS:
        if draw(seed_of(b), b.head[STEP], SAPLING, agent[ROW], agent[COL]) < SAPLING_CHANCE:
            agent[ACHIEVED] |= COLLECT_SAPLING
            note(s, SAPLING_FOUND, i, 0, 0, 0)
            receive(b, s, i, 0)
    elif kind == T_NOTHING:
        material = b.materials[y, x]
        if b.rules[r.QUORUM + material] > 0 and b.occupancy[y, x] == 0 and not has_tool(b, i, material):
            note(s, MISSING_TOOL, i, material, y - b.pad, x - b.pad)


@part
def _act_together(b: Board, s: Scratch) -> int:
    """Let each group of agents with the same target act; groups in the order of their first agents."""
    points = 0
    for i in range(len(b.agents)):
        kind = s.by_agent[TARGET, i]
        y, x = s.by_agent[TARGET_Y, i], s.by_agent[TARGET_X, i]
        if kind in (T_NOTHING, T_WATER, T_GRASS) or s.claims[y, x] != i + 1:
            continue
        if kind == T_MOB:
            _attack(b, s, i, y, x)
        elif kind == T_BODY:
            _revive_or_loot(b, s, i, y, x)
        elif kind == T_PLANT:
            _eat_plant(b, s, i, y, x)
        else:
            points += _collect(b, s, i, y, x)
        s.claims[y, x] = 0
        refresh(b, y, x)
    return points


@part
def _add_group(s: Scratch, event: int, first: int) -> None:
    j = first + 1
    while j > 0:
        add_agent(s, event, j - 1)
        j = s.by_agent[NEXT, j - 1]


@part
def _collect(b: Board, s: Scratch, first: int, y: int, x: int) -> int:
    """Harvest one unit if the quorum is there; return its points, doubled, if it is in demand."""
    material = b.materials[y, x]
    need, have = b.rules[r.QUORUM + material], 0
    j = first + 1
    while j > 0:
        have += 1
        j = s.by_agent[NEXT, j - 1]
    if have < need:
        event = add_event(s, TOO_FEW, material, y - b.pad, x - b.pad, have, need, 0)
        _add_group(s, event, first)
        return 0
    b.head[HARVESTED + material] += 1
    points = b.rules[r.POINTS + material] if b.head[HARVESTED + material] <= b.rules[r.DEMAND + material] else 0
    b.head[POINTS_SO_FAR] += points
    b.materials[y, x] = b.rules[r.LEAVES + material]
    _share_yield(b, s, first, y, x, material, have, points)
    return points


@part
def _share_yield(b: Board, s: Scratch, first: int, y: int, x: int, material: int, have: int, points: int) -> None:
    """Give one item to each of the nearest, as many as the quorum; ties: the smallest index."""
    need, item = b.rules[r.QUORUM + material], b.rules[r.GIVES + material]
    left = need
    for far in range(b.rules[r.RADIUS + material] + 1):
        j = first + 1
        while j > 0 and left > 0:
            i = j - 1
            if abs(b.agents[i, ROW] + b.pad - y) + abs(b.agents[i, COL] + b.pad - x) == far:
                s.by_agent[SERVED, i] = 1
                left -= 1
            j = s.by_agent[NEXT, i]
    for served in (1, 0):
        if served == 0 and have == need:
            continue
        kind = COLLECT if served else TOO_MANY
        event = add_event(s, kind, material, y - b.pad, x - b.pad, have, need, points)
        j = first + 1
        while j > 0:
            if s.by_agent[SERVED, j - 1] == served:
                add_agent(s, event, j - 1)
            j = s.by_agent[NEXT, j - 1]
    j = first + 1
    while j > 0:
        if s.by_agent[SERVED, j - 1] == 1:
            b.agents[j - 1, ACHIEVED] |= COLLECTED[item]
            receive(b, s, j - 1, item)
        j = s.by_agent[NEXT, j - 1]


@part
def _damage(b: Board, i: int) -> int:
    for k in range(3):
        if b.bags[i, WOOD_SWORD + 2 - k] > 0:
            return DAMAGES[3 - k]
    return DAMAGES[0]


@part
def _attack(b: Board, s: Scratch, first: int, y: int, x: int) -> None:
    """Add up the damage; who kills a cow eats it."""
    m = -b.occupancy[y, x] - 1
    mob = b.mobs[m]
    kind = mob[KIND] - 1
    j = first + 1
    while j > 0:
        mob[MOB_HEALTH] -= _damage(b, j - 1)
        j = s.by_agent[NEXT, j - 1]
    mob[MOB_HEALTH] = max(mob[MOB_HEALTH], 0)
    _add_group(s, add_event(s, ATTACKED, kind, y - b.pad, x - b.pad, mob[MOB_HEALTH], 0, 0), first)
    if mob[MOB_HEALTH] > 0:
        return
    mob[:] = 0
    b.occupancy[y, x] = 0
    if kind == COW:
        eat(b, first, b.rules[r.COW_GIVES], EAT_COW)
        b.agents[first, HUNGER] = 0
        note(s, ATE, first, 0, 0, 0)
        return
    _add_group(s, add_event(s, DEFEATED, kind, y - b.pad, x - b.pad, 0, 0, 0), first)
    j = first + 1
    while j > 0:
        b.agents[j - 1, ACHIEVED] |= DEFEAT_ZOMBIE if kind == ZOMBIE else DEFEAT_SKELETON
        j = s.by_agent[NEXT, j - 1]


@part
def eat(b: Board, i: int, food: int, achievement: int) -> None:
    """Feed an agent."""
    b.agents[i, FOOD] = min(b.agents[i, FOOD] + food, b.rules[r.MOST])
    b.agents[i, ACHIEVED] |= achievement


@part
def _eat_plant(b: Board, s: Scratch, first: int, y: int, x: int) -> None:
    b.planted[y, x] = b.head[STEP] + 1
    eat(b, first, b.rules[r.PLANT_GIVES], EAT_PLANT)
    note(s, ATE, first, 1, 0, 0)


@part
def _revive_or_loot(b: Board, s: Scratch, first: int, y: int, x: int) -> None:
    body = body_at(b, y, x)
    helpers, j = 0, first + 1
    while j > 0:
        helpers += 1
        j = s.by_agent[NEXT, j - 1]
    if b.agents[body, STATUS] == DOWN and helpers >= b.rules[r.REVIVE_AGENTS]:
        _revive(b, body, y, x)
        event = add_event(s, REVIVED, body, y - b.pad, x - b.pad, 0, 0, 0)
        add_agent(s, event, body)
        _add_group(s, event, first)
        return
    for item in range(r.N_ITEMS):
        taken = min(b.bags[body, item], b.rules[r.BAG_LIMIT] - b.bags[first, item])
        b.bags[body, item] -= taken
        b.bags[first, item] += taken
    note(s, LOOTED, first, body, 0, 0)


@part
def _revive(b: Board, body: int, y: int, x: int) -> None:
    agent, least = b.agents[body], b.rules[r.REVIVE_HEALTH]
    agent[STATUS] = ALIVE
    agent[HEALTH] = least
    for need in (FOOD, DRINK, ENERGY):
        agent[need] = max(agent[need], least)
    b.head[N_ALIVE] += 1
    b.occupancy[y, x] = body + 1
