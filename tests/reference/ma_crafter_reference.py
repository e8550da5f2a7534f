"""MA-Crafter's step, slow and obvious: to be read beside "A step, exactly" in `docs/ma-crafter.md`.

Plain Python, one function per phase, named like the document's. Nothing is cached, nothing is clever: every helper
recomputes what it needs, so that each rule stands in one place. Phase 7 has a file of its own,
`ma_crafter_creatures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ma_crafter_creatures import creatures
from ma_crafter_state import (
    OUTSIDE,
    WALKABLE,
    Agent,
    Cell,
    Event,
    State,
    bodies_at,
    creature_at,
    distance,
    is_ripe,
    living_at,
    material,
    near,
    occupied,
    roll,
    rule,
    shift,
)
from ma_crafter_turn import Turn

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w

KINDS = (
    "wake_up", "collect", "insufficient_quorum", "over_participation", "full_bag", "missing_tool", "drink", "sapling",
    "eat", "attack", "defeat", "make", "craft_failed", "place", "place_failed", "share", "share_failed", "cell_race",
    "hurt", "death", "revive", "loot",
)  # fmt: skip
DAMAGE = {"iron_sword": 5, "stone_sword": 3, "wood_sword": 2}


@dataclass(frozen=True)
class Outcome:
    """What one step makes of a state.

    Attributes:
        state: The state after the step.
        events: In no meaningful order; `agents` are sorted indices, but giver and recipient of a `share`.
        reward: Every agent's reward.
        over: Whether the episode ends by its rules (all are gone, or the goal is reached).
    """

    state: State
    events: list[Event]
    reward: float
    over: bool


def step(before: State, actions: Sequence[int]) -> Outcome:
    """Advance a state by one simultaneous step.

    Args:
        before: The state, which is left as it is.
        actions: One action per agent, as in `rules.ACTIONS`, or a `rules.share_code`.
    """
    turn = Turn(before.copy())
    who_acts(turn, actions)
    do(turn)
    make(turn)
    place(turn)
    share(turn)
    move(turn)
    creatures(turn)
    needs(turn)
    deaths(turn)
    state = turn.state
    state.step += 1
    coop = state.settings.coop
    reward = (state.points - before.points) / coop.most_points / len(state.agents)
    return Outcome(state, turn.events, reward, is_over(state))


def is_over(state: State) -> bool:
    """Tell whether all agents are gone or the goal is reached."""
    found = state.settings.goal == "diamond" and any(state.agents[i].bag["diamond"] for i in state.alive)
    return found or all(agent.status == "gone" for agent in state.agents)


# 1. Who acts -------------------------------------------------------------------------------------------------


def who_acts(turn: Turn, actions: Sequence[int]) -> None:
    """Write into `turn` what each agent does; sleepers wake up or do nothing, `move` turns, `sleep` begins."""
    rested = rule("needs", "most")
    for i in turn.state.alive:
        agent = turn.state.agents[i]
        if agent.asleep and agent.energy < rested:
            continue
        if agent.asleep:
            agent.asleep = False
            agent.achieved.add("wake_up")
            turn.tell("wake_up", [i])
        is_code = actions[i] >= len(r.ACTIONS)
        turn.doing[i] = "share" if is_code else r.ACTIONS[actions[i]]
        if is_code:
            turn.registers[i] = r.read_share(actions[i])
        if turn.doing[i].startswith("move_"):
            agent.facing = turn.doing[i].removeprefix("move_")
        if turn.doing[i] == "sleep" and agent.energy < rested:
            agent.asleep = True


# 2. Do -------------------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """What a `do` is about; `which` is a creature's slot, a body's agent or a resource's name."""

    kind: str
    cell: Cell
    which: Any = None


def do(turn: Turn) -> None:
    """Let every agent that does `do` act on its one target."""
    wanted: dict[Target, list[int]] = {}
    for i in turn.who_do("do"):
        target = target_of(turn.state, i)
        if target is not None:
            wanted.setdefault(target, []).append(i)
        elif (lacking := material(turn.state, faced(turn.state.agents[i]))) in rule("collect"):
            row, col = faced(turn.state.agents[i])
            turn.tell("missing_tool", [i], resource=lacking, row=row, col=col)
    for target, agents in wanted.items():
        EFFECTS[target.kind](turn, target, agents)


def faced(agent: Agent) -> Cell:
    """Return the cell an agent faces."""
    return shift(agent.cell, agent.facing)


def target_of(state: State, i: int) -> Target | None:
    """Return the one thing an agent's `do` is about."""
    agent = state.agents[i]
    cell = faced(agent)
    if living_at(state, cell) is None:
        target = thing_in(state, agent, cell)
        if target is not None:
            return target
    coop = state.settings.coop
    at_hand = [
        other
        for other, name in state.materials.items()
        if can_collect(agent, name) and distance(agent.cell, other) <= coop.radius[name]
    ]
    if not at_hand:
        return None
    best = min(at_hand, key=lambda c: (-coop.quorum[material(state, c)], distance(agent.cell, c), c))
    return Target("resource", best, material(state, best))


def thing_in(state: State, agent: Agent, cell: Cell) -> Target | None:
    """Return what an agent can act on in the cell it faces, where no living agent stands."""
    slot = creature_at(state, cell)
    creature = None if slot is None else state.creatures[slot]
    if creature is not None:
        return None if creature.kind == "arrow" else Target("creature", cell, slot)
    body = body_to_act_on(state, cell)
    if body is not None:
        return Target("body", cell, body)
    name = material(state, cell)
    if is_ripe(state, cell):
        return Target("plant", cell)
    if name in ("water", "grass"):
        return Target(name, cell)
    return Target("resource", cell, name) if can_collect(agent, name) else None


def body_to_act_on(state: State, cell: Cell) -> int | None:
    """Return the body on a cell that is down or has something in its bag: down before gone, then smallest index."""
    bodies = bodies_at(state, cell)
    down = [i for i in bodies if state.agents[i].status == "down"]
    full = [i for i in bodies if any(state.agents[i].bag.values())]
    return next(iter(down + full), None)


def can_collect(agent: Agent, name: str) -> bool:
    """Tell whether a material is a resource for which an agent holds the tool."""
    if name not in rule("collect"):
        return False
    tool = rule("collect", name, "needs")
    return tool is None or agent.bag[tool] > 0


def collect(turn: Turn, target: Target, agents: list[int]) -> None:
    """Harvest one unit if the quorum is there."""
    state, coop, name = turn.state, turn.state.settings.coop, target.which
    have, need = len(agents), coop.quorum[name]
    about = {"resource": name, "row": target.cell[0], "col": target.cell[1], "have": have, "need": need}
    if have < need:
        turn.tell("insufficient_quorum", agents, **about)
        return
    by_distance = sorted(agents, key=lambda i: (distance(state.agents[i].cell, target.cell), i))
    served, others = by_distance[:need], by_distance[need:]
    state.harvested[name] += 1
    points = coop.points[name] if state.harvested[name] <= coop.demand[name] else 0.0
    state.points += points
    state.materials[target.cell] = rule("collect", name, "leaves")
    if name == "tree" and state.settings.scarce:
        state.materials[target.cell] = "grass"
    turn.tell("collect", served, points=points, **about)
    if others:
        turn.tell("over_participation", others, **about)
    for i in served:
        turn.gain(i, rule("collect", name, "gives"))
        state.agents[i].achieved.add(f"collect_{rule('collect', name, 'gives')}")


def drink(turn: Turn, target: Target, agents: list[int]) -> None:
    """Let agents drink."""
    for i in agents:
        agent = turn.state.agents[i]
        agent.drink = min(agent.drink + rule("needs", "drink_gives"), rule("needs", "most"))
        agent.thirst = 0
        agent.achieved.add("collect_drink")
        turn.tell("drink", [i])


def look_for_sapling(turn: Turn, target: Target, agents: list[int]) -> None:
    """Let each agent find a sapling with a small probability of its own."""
    for i in agents:
        agent = turn.state.agents[i]
        if roll(turn.state, w.SAPLING, agent.cell) < rule("sapling_chance"):
            turn.tell("sapling", [i])
            turn.gain(i, "sapling")
            agent.achieved.add("collect_sapling")


def attack(turn: Turn, target: Target, agents: list[int]) -> None:
    """Add up the damage to one creature."""
    state = turn.state
    creature = state.creatures[target.which]
    assert creature is not None
    creature.health = max(0, creature.health - sum(damage(state.agents[i]) for i in agents))
    about = {"what": creature.kind, "row": target.cell[0], "col": target.cell[1]}
    turn.tell("attack", agents, health=creature.health, **about)
    if creature.health > 0:
        return
    state.creatures[target.which] = None
    if creature.kind == "cow":
        eater = state.agents[min(agents)]
        eater.food = min(eater.food + rule("needs", "cow_gives"), rule("needs", "most"))
        eater.hunger = 0
        eater.achieved.add("eat_cow")
        turn.tell("eat", [min(agents)], what="cow")
        return
    turn.tell("defeat", agents, **about)
    for i in agents:
        state.agents[i].achieved.add(f"defeat_{creature.kind}")


def damage(agent: Agent) -> int:
    """Return the damage an agent deals with the best sword it holds."""
    return max([1, *(worth for sword, worth in DAMAGE.items() if agent.bag[sword])])


def eat_plant(turn: Turn, target: Target, agents: list[int]) -> None:
    """Let one agent eat a ripe plant, which grows anew."""
    eater = turn.state.agents[min(agents)]
    eater.food = min(eater.food + rule("needs", "plant_gives"), rule("needs", "most"))
    eater.achieved.add("eat_plant")
    turn.state.planted[target.cell] = turn.state.step
    turn.tell("eat", [min(agents)], what="plant")


def revive_or_loot(turn: Turn, target: Target, agents: list[int]) -> None:
    """Raise a fallen agent with enough helpers, else empty its bag."""
    body = turn.state.agents[target.which]
    if body.status == "down" and len(agents) >= rule("revive", "agents"):
        least = rule("revive", "health")
        body.status, body.health = "alive", least
        body.food, body.drink, body.energy = (max(v, least) for v in (body.food, body.drink, body.energy))
        turn.tell("revive", sorted([*agents, target.which]), revived=target.which)
        return
    taker = turn.state.agents[min(agents)]
    limit = turn.state.preset["bag_limit"]
    amounts = {item: min(amount, limit - taker.bag[item]) for item, amount in body.bag.items()}
    for item, amount in amounts.items():
        body.bag[item] -= amount
        taker.bag[item] += amount
    turn.tell("loot", [min(agents)], body=target.which)


EFFECTS = {
    "creature": attack,
    "body": revive_or_loot,
    "plant": eat_plant,
    "water": drink,
    "grass": look_for_sapling,
    "resource": collect,
}


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


# 6. Move -----------------------------------------------------------------------------------------------------


def move(turn: Turn) -> None:
    """Let agents walk into cells that are free when the phase begins."""
    state = turn.state
    wanted: dict[Cell, list[int]] = {}
    for side in ("up", "down", "left", "right"):
        for i in turn.who_do(f"move_{side}"):
            cell = faced(state.agents[i])
            if material(state, cell) in (*WALKABLE, "lava") and not occupied(state, cell):
                wanted.setdefault(cell, []).append(i)
    for cell, rivals in wanted.items():
        winner = min(rivals)
        state.agents[winner].cell = cell
        for i in rivals:
            if i != winner:
                turn.tell("cell_race", [i], winner=winner)
        if material(state, cell) == "lava":
            turn.wound(winner, state.agents[winner].health, "lava")


# 8. Needs ----------------------------------------------------------------------------------------------------


def needs(turn: Turn) -> None:
    """Advance hunger, thirst, fatigue and recovery; wake up who lost health."""
    if turn.state.mode["needs"]:
        for i in turn.state.alive:
            grow_hungry(turn.state.agents[i])
            grow_tired(turn.state.agents[i])
            if turn.state.agents[i].health > 0:
                recover(turn, i)
    for i in turn.causes:
        turn.state.agents[i].asleep = False


def grow_hungry(agent: Agent) -> None:
    """Advance hunger and thirst."""
    half_steps = 1 if agent.asleep else 2
    agent.hunger += half_steps
    if agent.hunger > rule("needs", "food"):
        agent.hunger, agent.food = 0, max(0, agent.food - 1)
    agent.thirst += half_steps
    if agent.thirst > rule("needs", "drink"):
        agent.thirst, agent.drink = 0, max(0, agent.drink - 1)


def grow_tired(agent: Agent) -> None:
    """Advance fatigue, or rest."""
    agent.fatigue = min(agent.fatigue - 2, 0) if agent.asleep else agent.fatigue + 2
    if agent.fatigue > rule("needs", "energy"):
        agent.fatigue, agent.energy = 0, max(0, agent.energy - 1)
    if agent.fatigue < -rule("needs", "rest"):
        agent.fatigue, agent.energy = 0, min(rule("needs", "most"), agent.energy + 1)


def recover(turn: Turn, i: int) -> None:
    """Heal an agent whose needs are met, harm one whose needs are not."""
    agent = turn.state.agents[i]
    if agent.food > 0 and agent.drink > 0 and (agent.energy > 0 or agent.asleep):
        agent.recovery += 4 if agent.asleep else 2
    else:
        agent.recovery -= 1 if agent.asleep else 2
    if agent.recovery > rule("needs", "heal"):
        agent.recovery, agent.health = 0, min(rule("needs", "most"), agent.health + 1)
    if agent.recovery < -rule("needs", "harm"):
        agent.recovery = 0
        turn.wound(i, 1, "needs")


# 9. Deaths ---------------------------------------------------------------------------------------------------


def deaths(turn: Turn) -> None:
    """Let agents without health fall, and give up bodies that nobody revives."""
    state = turn.state
    fallen = [i for i in state.alive if state.agents[i].health == 0]
    for i in fallen:
        turn.tell("death", [i], cause=turn.causes[i])
        state.agents[i].status, state.agents[i].down_since = "down", state.step + 1
    enough = len(state.alive) >= rule("revive", "agents")
    for i, agent in enumerate(state.agents):
        hopeless = i in fallen and (turn.causes[i] == "lava" or not state.mode["revive"])
        too_late = state.step + 1 - agent.down_since >= rule("revive", "within")
        if agent.status == "down" and (hopeless or too_late or not enough):
            agent.status = "gone"


def check(state: State) -> None:
    """Assert what holds in every state.

    Raises:
        AssertionError: It does not.
    """
    held = [state.agents[i].cell for i in state.alive] + [c.cell for c in state.creatures if c is not None]
    assert len(held) == len(set(held)), "two on one cell"
    assert all(material(state, cell) != OUTSIDE for cell in held), "outside the map"
    assert state.planted.keys() == {cell for cell, name in state.materials.items() if name == "plant"}
    for agent in state.agents:
        assert all(0 <= amount <= state.preset["bag_limit"] for amount in agent.bag.values())
        assert all(0 <= v <= rule("needs", "most") for v in (agent.health, agent.food, agent.drink, agent.energy))
