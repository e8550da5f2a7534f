"""Phase 2 of MA-Crafter's step: what agents do to what they face or can reach, slow and obvious."""

from __future__ import annotations

from typing import Any, NamedTuple

from ma_crafter_state import (
    Agent,
    Cell,
    State,
    bodies_at,
    creature_at,
    distance,
    faced,
    is_ripe,
    living_at,
    material,
    roll,
    rule,
)
from ma_crafter_turn import Turn

from emcoop.envs.ma_crafter import world as w

DAMAGE = {"iron_sword": 5, "stone_sword": 3, "wood_sword": 2}


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
