"""Phases 3 to 6 of a step: make, place, share, move."""

from __future__ import annotations

from emcoop.envs.kernels import part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.acting import receive
from emcoop.envs.ma_crafter.scratch import (
    ACTS,
    CRAFT_FAILED,
    MADE,
    PLACE_FAILED,
    PLACED,
    RACE,
    SERVED,
    SHARE_FAILED,
    SHARED,
    WANTED,
    Scratch,
    add_agent,
    add_event,
    note,
)
from emcoop.envs.ma_crafter.targets import faced
from emcoop.envs.ma_crafter.world import (
    ACHIEVED,
    ALIVE,
    COL,
    HEALTH,
    N_ALIVE,
    N_PLANTS,
    ROW,
    STATUS,
    STEP,
    Board,
    IntArray,
    is_walkable,
    refresh,
)

TABLE_BIT, FURNACE_BIT = r.stations(["table"]), r.stations(["furnace"])
MADE_BITS = tuple(1 << r.ACHIEVEMENTS.index(f"make_{name}") for name in r.TOOLS)
PLACED_BITS = tuple(1 << r.ACHIEVEMENTS.index(f"place_{name}") for name in r.PLACEABLE)
PLACED_MATERIALS = tuple(r.MATERIALS.index(name) for name in r.PLACEABLE)
FIRST_TOOL = r.ITEMS.index(r.TOOLS[0])
NO_STATION, NO_QUORUM, NO_INGREDIENT = range(3)
NO_ITEM, NO_TABLE, IN_THE_WAY, LOST_RACE = range(4)
NOT_A_MAKER, MAKER, MAKER_SERVED = range(3)


@part
def stations_near(b: Board, row: int, col: int) -> int:
    """Return the stations within one cell of a padded cell, as bits."""
    found = 0
    for v in range(row - 1, row + 2):
        for u in range(col - 1, col + 2):
            if b.materials[v, u] == r.TABLE:
                found |= TABLE_BIT
            elif b.materials[v, u] == r.FURNACE:
                found |= FURNACE_BIT
    return found


@part
def station_bits(b: Board, i: int) -> int:
    """Return the stations near an agent, as bits."""
    return stations_near(b, b.agents[i, ROW] + b.pad, b.agents[i, COL] + b.pad)


@part
def holds(b: Board, i: int, costs: int) -> bool:
    """Say whether a bag has everything a row of costs names.

    Args:
        b: The board.
        i: The agent.
        costs: Where the row of costs begins in the table of rules.
    """
    for item in range(r.N_ITEMS):  # noqa: SIM110 - compiled
        if b.bags[i, item] < b.rules[costs + item]:
            return False
    return True


@part
def pay(b: Board, i: int, costs: int) -> None:
    """Take a row of costs out of a bag."""
    for item in range(r.N_ITEMS):
        b.bags[i, item] -= b.rules[costs + item]


@part
def make_things(b: Board, s: Scratch) -> None:
    """Phase 3: makers near a station are served in groups of the quorum."""
    makers = 0
    for i in range(len(b.agents)):
        action = s.by_agent[ACTS, i]
        if r.MAKE_WOOD_PICKAXE <= action < r.SHARE:
            makers |= 1 << (action - r.MAKE_WOOD_PICKAXE)
    if makers == 0:
        return
    for tool in range(len(r.TOOLS)):
        if makers & (1 << tool):
            _make_tool(b, s, tool)


@part
def _make_tool(b: Board, s: Scratch, tool: int) -> None:
    action, near = r.MAKE_WOOD_PICKAXE + tool, b.rules[r.MAKE_NEAR + tool]
    station = r.FURNACE if near & FURNACE_BIT else r.TABLE
    for i in range(len(b.agents)):
        s.by_agent[SERVED, i] = NOT_A_MAKER
        if s.by_agent[ACTS, i] == action and station_bits(b, i) & near == near:
            s.by_agent[SERVED, i] = MAKER
    y, x = _next_station(b, s, station, -1, -1)
    while y >= 0:
        while _serve_group(b, s, tool, y, x):
            pass
        y, x = _next_station(b, s, station, y, x)
    for i in range(len(b.agents)):
        if s.by_agent[ACTS, i] == action and s.by_agent[SERVED, i] != MAKER_SERVED:
            _note_failure(b, s, tool, station, i)


@part
def _next_station(b: Board, s: Scratch, station: int, after_y: int, after_x: int) -> tuple[int, int]:
    """Return the first station in row-major order after a cell that has a maker near it, (-1, -1) if there is none."""
    best_y, best_x = -1, -1
    for i in range(len(b.agents)):
        if s.by_agent[SERVED, i] == NOT_A_MAKER:
            continue
        row, col = b.agents[i, ROW] + b.pad, b.agents[i, COL] + b.pad
        for v in range(row - 1, row + 2):
            for u in range(col - 1, col + 2):
                if b.materials[v, u] != station or not (v > after_y or (v == after_y and u > after_x)):
                    continue
                if best_y < 0 or v < best_y or (v == best_y and u < best_x):
                    best_y, best_x = v, u
    return best_y, best_x


@part
def _is_near(b: Board, i: int, y: int, x: int) -> bool:
    return bool(abs(b.agents[i, ROW] + b.pad - y) <= 1 and abs(b.agents[i, COL] + b.pad - x) <= 1)


@part
def _serve_group(b: Board, s: Scratch, tool: int, y: int, x: int) -> bool:
    """Serve one group near a station; say whether there was one."""
    need, costs = b.rules[r.CRAFT_QUORUM + tool], r.MAKE_USES + tool * r.N_ITEMS
    waiting, leader = 0, -1
    for i in range(len(b.agents)):
        if s.by_agent[SERVED, i] == MAKER and _is_near(b, i, y, x):
            waiting += 1
            if leader < 0 and holds(b, i, costs):
                leader = i
    if waiting < need or leader < 0:
        return False
    pay(b, leader, costs)
    s.by_agent[SERVED, leader] = MAKER_SERVED
    event = add_event(s, MADE, FIRST_TOOL + tool, need, need, 0, 0, 0)
    add_agent(s, event, leader)
    others = need - 1
    for i in range(len(b.agents)):
        if others > 0 and s.by_agent[SERVED, i] == MAKER and _is_near(b, i, y, x):
            s.by_agent[SERVED, i] = MAKER_SERVED
            add_agent(s, event, i)
            others -= 1
    for k in range(need):
        i = s.log[event + 8 + k]
        b.agents[i, ACHIEVED] |= MADE_BITS[tool]
        receive(b, s, i, FIRST_TOOL + tool)
    return True


@part
def most_makers(b: Board, s: Scratch, station: int, i: int) -> int:
    """Return the largest number of makers near one of the stations near agent `i`."""
    row, col = b.agents[i, ROW] + b.pad, b.agents[i, COL] + b.pad
    most = 0
    for v in range(row - 1, row + 2):
        for u in range(col - 1, col + 2):
            if b.materials[v, u] == station:
                count = 0
                for j in range(len(b.agents)):
                    count += s.by_agent[SERVED, j] != NOT_A_MAKER and _is_near(b, j, v, u)
                most = max(most, count)
    return most


@part
def _note_failure(b: Board, s: Scratch, tool: int, station: int, i: int) -> None:
    need, have, reason = b.rules[r.CRAFT_QUORUM + tool], 0, NO_STATION
    if s.by_agent[SERVED, i] == MAKER:
        have = most_makers(b, s, station, i)
        reason = NO_QUORUM if have < need else NO_INGREDIENT
    add_agent(s, add_event(s, CRAFT_FAILED, FIRST_TOOL + tool, have, need, reason, 0, 0), i)


@part
def place_things(b: Board, s: Scratch) -> None:
    """Phase 4: judge all placements on the map as it is, then carry them out."""
    n_placed = 0
    for i in range(len(b.agents)):
        thing = s.by_agent[ACTS, i] - r.PLACE_STONE
        s.by_agent[SERVED, i] = 0
        if not 0 <= thing < len(r.PLACEABLE):
            continue
        y, x = faced(b, i)
        reason = _why_not(b, s, i, thing, y, x)
        if reason < 0:
            s.claims[y, x] = i + 1
            s.by_agent[SERVED, i] = 1
            n_placed += 1
        else:
            note(s, PLACE_FAILED, i, thing, reason, 0)
    for i in range(len(b.agents) if n_placed else 0):
        if s.by_agent[SERVED, i] == 1:
            _place(b, s, i, s.by_agent[ACTS, i] - r.PLACE_STONE)


@part
def _why_not(b: Board, s: Scratch, i: int, thing: int, y: int, x: int) -> int:
    near = b.rules[r.PLACE_NEAR + thing]
    if not holds(b, i, r.PLACE_USES + thing * r.N_ITEMS):
        return NO_ITEM
    if station_bits(b, i) & near != near:
        return NO_TABLE
    if (b.rules[r.PLACE_ON + thing] >> b.materials[y, x]) & 1 == 0 or b.occupancy[y, x] != 0 or _body_on(b, y, x):
        return IN_THE_WAY
    return LOST_RACE if s.claims[y, x] != 0 else -1


@part
def _body_on(b: Board, y: int, x: int) -> bool:
    if b.head[N_ALIVE] == len(b.agents):
        return False
    for i in range(len(b.agents)):
        if b.agents[i, STATUS] != ALIVE and b.agents[i, ROW] + b.pad == y and b.agents[i, COL] + b.pad == x:
            return True
    return False


@part
def _place(b: Board, s: Scratch, i: int, thing: int) -> None:
    y, x = faced(b, i)
    s.claims[y, x] = 0
    pay(b, i, r.PLACE_USES + thing * r.N_ITEMS)
    b.materials[y, x] = PLACED_MATERIALS[thing]
    if PLACED_MATERIALS[thing] == r.PLANT:
        b.planted[y, x] = b.head[STEP] + 1
        b.head[N_PLANTS] += 1
    b.agents[i, ACHIEVED] |= PLACED_BITS[thing]
    refresh(b, y, x)
    note(s, PLACED, i, thing, y - b.pad, x - b.pad)


@part
def share_things(b: Board, s: Scratch, registers: IntArray) -> None:
    """Phase 5: agents that share give, in their order.

    Args:
        b, s: Board and scratch.
        registers: `(n, 3)`: recipient, item and quantity of each agent's share; a negative recipient means the agent
            faced and one unit of what the giver has most of.
    """
    for i in range(len(b.agents)):
        if s.by_agent[ACTS, i] != r.SHARE:
            continue
        to, item, quantity = registers[i, 0], registers[i, 1], registers[i, 2]
        if to < 0:
            y, x = faced(b, i)
            to, item, quantity = b.occupancy[y, x] - 1, _most_held(b, i), 1
        if 0 <= to < len(b.agents) and to != i and b.agents[to, STATUS] == ALIVE and _are_near(b, i, to):
            quantity = min(quantity, b.bags[i, item], b.rules[r.BAG_LIMIT] - b.bags[to, item])
        else:
            quantity = 0
        if quantity <= 0:
            note(s, SHARE_FAILED, i, 0, 0, 0)
            continue
        b.bags[i, item] -= quantity
        b.bags[to, item] += quantity
        event = add_event(s, SHARED, item, quantity, 0, 0, 0, 0)
        add_agent(s, event, i)
        add_agent(s, event, to)


@part
def _most_held(b: Board, i: int) -> int:
    best = 0
    for item in range(1, r.N_ITEMS):
        if b.bags[i, item] > b.bags[i, best]:
            best = item
    return best


@part
def _are_near(b: Board, i: int, j: int) -> bool:
    return bool(abs(b.agents[i, ROW] - b.agents[j, ROW]) <= 1 and abs(b.agents[i, COL] - b.agents[j, COL]) <= 1)


@part
def move_agents(b: Board, s: Scratch) -> None:
    """Phase 6: claims on free cells, the smallest index first; the winners move."""
    n_moving = 0
    for i in range(len(b.agents)):
        s.by_agent[WANTED, i] = 0
        if not r.LEFT <= s.by_agent[ACTS, i] <= r.DOWN:
            continue
        y, x = faced(b, i)
        material = b.materials[y, x]
        if b.occupancy[y, x] == 0 and (is_walkable(material) or material == r.LAVA):
            if s.claims[y, x] == 0:
                s.claims[y, x] = i + 1
                s.by_agent[WANTED, i] = 1
                n_moving += 1
            else:
                _note_race(s, i, s.claims[y, x] - 1)
    for i in range(len(b.agents) if n_moving else 0):
        if s.by_agent[WANTED, i] == 1:
            _step(b, s, i)


@part
def _note_race(s: Scratch, i: int, winner: int) -> None:
    add_agent(s, add_event(s, RACE, winner, 0, 0, 0, 0, 0), i)


@part
def _step(b: Board, s: Scratch, i: int) -> None:
    y, x = faced(b, i)
    s.claims[y, x] = 0
    row, col = b.agents[i, ROW] + b.pad, b.agents[i, COL] + b.pad
    b.occupancy[row, col] = 0
    b.occupancy[y, x] = i + 1
    b.agents[i, ROW] = y - b.pad
    b.agents[i, COL] = x - b.pad
    refresh(b, row, col)
    if b.materials[y, x] == r.LAVA:
        b.agents[i, HEALTH] = 0
