"""Phases 3 to 5 of MA-Crafter's step: making, placing, sharing, slow and obvious."""

from __future__ import annotations

from collections.abc import Mapping

from ma_crafter_state import Agent, Cell, State, bodies_at, faced, living_at, material, near, occupied, rule
from ma_crafter_turn import Turn

from emcoop.envs.ma_crafter import rules as r

# 3. Make -----------------------------------------------------------------------------------------------------


def make(turn: Turn) -> None:
    """Make tools, in the order of the actions."""
    for tool in r.TOOLS:
        asking = turn.who_do(f"make_{tool}")
        recipe = turn.state.preset["make"][tool]
        makers = [i for i in asking if all(station_near(turn.state, i, kind) for kind in recipe["near"])]
        served = serve(turn, tool, makers)
        for i in asking:
            if i not in served:
                refuse(turn, tool, i, makers)


def station_near(state: State, i: int, kind: str) -> bool:
    """Tell whether a station of a kind stands near an agent."""
    return any(near(state.agents[i].cell, cell) for cell in stations(state, kind))


def stations(state: State, kind: str) -> list[Cell]:
    """Return all stations of a kind in row-major order."""
    return sorted(cell for cell, name in state.materials.items() if name == kind)


def main_kind(state: State, tool: str) -> str:
    """Return the kind of station at which the makers of a tool meet."""
    return "furnace" if "furnace" in state.preset["make"][tool]["near"] else "table"


def holds(agent: Agent, uses: Mapping[str, int]) -> bool:
    """Tell whether a bag holds some amounts."""
    return all(agent.bag[item] >= amount for item, amount in uses.items())


def serve(turn: Turn, tool: str, makers: list[int]) -> set[int]:
    """Form groups at one station after the other; return who got the tool."""
    state, need = turn.state, turn.state.settings.coop.craft[tool]
    uses = state.preset["make"][tool]["uses"]
    served: set[int] = set()
    for station in stations(state, main_kind(state, tool)):
        while True:
            waiting = [i for i in makers if i not in served and near(state.agents[i].cell, station)]
            leaders = [i for i in waiting if holds(state.agents[i], uses)]
            if len(waiting) < need or not leaders:
                break
            leader = min(leaders)
            group = [leader, *[i for i in waiting if i != leader][: need - 1]]
            for item, amount in uses.items():
                state.agents[leader].bag[item] -= amount
            turn.tell("make", sorted(group), item=tool, have=need, need=need)
            for i in group:
                turn.gain(i, tool)
                state.agents[i].achieved.add(f"make_{tool}")
            served.update(group)
    return served


def refuse(turn: Turn, tool: str, i: int, makers: list[int]) -> None:
    """Say why an agent did not get a tool."""
    state, need = turn.state, turn.state.settings.coop.craft[tool]
    mine = [s for s in stations(state, main_kind(state, tool)) if i in makers and near(state.agents[i].cell, s)]
    have = max((sum(near(state.agents[j].cell, s) for j in makers) for s in mine), default=0)
    reason = "no_station" if not mine else "insufficient_quorum" if have < need else "missing_ingredient"
    turn.tell("craft_failed", [i], item=tool, have=have, need=need, reason=reason)


# 4. Place ----------------------------------------------------------------------------------------------------


def place(turn: Turn) -> None:
    """Put things from bags onto faced cells, all at once."""
    state = turn.state
    wanted: dict[Cell, list[tuple[int, str]]] = {}
    for thing in r.PLACEABLE:
        for i in turn.who_do(f"place_{thing}"):
            reason = obstacle(state, i, thing)
            if reason is not None:
                turn.tell("place_failed", [i], item=thing, reason=reason)
            else:
                wanted.setdefault(faced(state.agents[i]), []).append((i, thing))
    for cell, rivals in wanted.items():
        (winner, built), *others = sorted(rivals)
        for i, thing in others:
            turn.tell("place_failed", [i], item=thing, reason="race")
        agent = state.agents[winner]
        for item, amount in state.preset["place"][built]["uses"].items():
            agent.bag[item] -= amount
        state.materials[cell] = built
        if built == "plant":
            state.planted[cell] = state.step
        agent.achieved.add(f"place_{built}")
        turn.tell("place", [winner], item=built, row=cell[0], col=cell[1])


def obstacle(state: State, i: int, thing: str) -> str | None:
    """Return why an agent cannot place a thing, None if it can."""
    agent, recipe = state.agents[i], state.preset["place"][thing]
    cell = faced(agent)
    if not holds(agent, recipe["uses"]):
        return "missing_ingredient"
    if not all(station_near(state, i, kind) for kind in recipe["near"]):
        return "no_station"
    fits = material(state, cell) in rule("place", thing, "on")
    return None if fits and not occupied(state, cell) and not bodies_at(state, cell) else "blocked"


# 5. Share ----------------------------------------------------------------------------------------------------


def share(turn: Turn) -> None:
    """Hand items over, one agent after the other."""
    state = turn.state
    for i in turn.who_do("share"):
        giver = state.agents[i]
        recipient, item, quantity = living_at(state, faced(giver)), max(r.ITEMS, key=lambda it: giver.bag[it]), 1
        if i in turn.registers:
            recipient, number, quantity = turn.registers[i]
            item = r.ITEMS[number]
        if recipient is None or recipient == i or not can_receive(state, giver, recipient):
            turn.tell("share_failed", [i])
            continue
        taker = state.agents[recipient]
        amount = min(quantity, giver.bag[item], state.preset["bag_limit"] - taker.bag[item])
        if amount == 0:
            turn.tell("share_failed", [i])
            continue
        giver.bag[item] -= amount
        taker.bag[item] += amount
        turn.tell("share", [i, recipient], item=item, quantity=amount)


def can_receive(state: State, giver: Agent, recipient: int) -> bool:
    """Tell whether there is such an agent, alive and near."""
    return recipient in state.alive and near(giver.cell, state.agents[recipient].cell)
