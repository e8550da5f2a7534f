"""Random states of MA-Crafter, crowded so that rules meet, and joint actions that use them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from ma_crafter_game import new_state, settings_of
from ma_crafter_reference import Outcome
from ma_crafter_state import (
    CREATURES,
    SIDES,
    WALKABLE,
    Agent,
    Cell,
    Creature,
    State,
    distance,
    material,
    near,
    occupied,
    roll,
    rule,
    shift,
)

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.settings import CrafterSettings

AREAS = ((12, 12), (13, 17), (20, 20), (8, 45), (40, 9), (15, 30))
LANDS = {
    "meadow": {"grass": 80, "sand": 4, "path": 4, "tree": 4, "plant": 4, "water": 4},
    "cave": {"path": 60, "stone": 14, "coal": 8, "iron": 8, "diamond": 6, "lava": 4, "table": 2, "furnace": 2},
    "mixed": {"grass": 30, "path": 12, "sand": 8, "water": 4, "tree": 5, "stone": 6, "coal": 5, "iron": 5,
              "diamond": 5, "lava": 5, "table": 3, "furnace": 3, "plant": 5},
}  # fmt: skip
LANDS["workshop"] = LANDS["mixed"] | {"table": 10, "furnace": 10}
THEMES = {
    "any": [name for name in r.MATERIALS if name != "outside"],
    "do": [*rule("collect"), "grass", "path", "path", "plant", "plant", "water"],
    "make": ["furnace", "furnace", "table"],
    "place": ["grass", "grass", "grass", "path", "sand", "water", "lava"],
    "balance": ["grass", "path"],
    "harvest": list(rule("collect")),
}
"""What is in the middle of each crowd, by what the crowd likes to do."""


def random_theme(rng: random.Random) -> str:
    """Return what a crowd likes to do."""
    return rng.choice((*THEMES, "do", "place", "place"))


def random_settings(rng: random.Random, theme: str = "any") -> CrafterSettings:
    """Return settings of a small world; few different ones, so that environments can be used again."""
    n = rng.choice((6, 8, 12) if theme == "harvest" else (1, 2, 3, 4, 5, 6, 8, 12))
    return settings_of(
        n,
        rng.choice(AREAS if n < 12 else AREAS[:3]),
        mode=rng.choice(("peaceful", "survival", "survival", "survival", "creative")),
        level="scaled" if theme == "harvest" else rng.choice(r.LEVELS),
        preset=rng.choice(r.PRESETS),
        scarce=rng.random() < 0.3,
        goal=rng.choice((None, None, "diamond")),
        max_steps=10**6,
    )


def random_state(rng: random.Random, settings: CrafterSettings, theme: str = "any") -> State:
    """Return a crowded state in which much is about to happen, around a few cells that hold what the theme says."""
    state = new_state(settings, random_land(rng, settings, theme), [], seed=rng.randrange(2**64))
    state.step = rng.choice((0, 8, rng.randrange(310), rng.randrange(300, 600), rng.randrange(310, 5000)))
    foci = rng.sample(sorted(state.materials), rng.randint(1, 1 + settings.n_agents // 5))
    clear_around(rng, state, foci, theme)
    for cell, name in state.materials.items():
        if name == "plant":
            state.planted[cell] = max(0, state.step - rng.choice((299, 300, 301, rng.randrange(600), 600)))
    for name, most in settings.coop.demand.items():
        state.harvested[name] = rng.choice((0, 0, max(0, most - 1), most, most + 3))
        state.points += settings.coop.points[name] * min(state.harvested[name], most)
    keen = theme in ("do", "make", "place", "harvest") and rng.random() < 0.6
    add_agents(rng, state, foci, keen)
    add_creatures(rng, state, foci)
    for agent in state.agents:
        interesting = [side for side in SIDES if invites(state, shift(agent.cell, side), foci)]
        if keen:
            interesting = [side for side in SIDES if shift(agent.cell, side) in foci] or interesting
        agent.facing = rng.choice(interesting if interesting and rng.random() < 0.9 else list(SIDES))
    if theme == "balance":
        unbalance(rng, state)
    return state


def unbalance(rng: random.Random, state: State) -> None:
    """Leave few creatures or many of one kind; choose step and seed so that some come or go after this step."""
    state.step += 9 - state.step % 10
    if rng.random() < 0.8:
        state.creatures = [None] * len(state.creatures)
    kind = rng.choice((w.ZOMBIE, w.SKELETON, w.COW, w.COW) if state.mode["enemies"] else (w.COW,))
    spots = [c for c in state.materials if max(c) < r.CHUNK and material(state, c) in ("grass", "path")]
    for slot, cell in enumerate(rng.sample(spots, min(len(spots), rng.choice((0, 0, 1, 2, 3, 4))))):
        if state.creatures[slot] is None and not occupied(state, cell):
            state.creatures[slot] = Creature(w.MOBS[kind], cell, CREATURES[w.MOBS[kind]])
    purpose = rng.choice((w.APPEARS, w.APPEARS, w.VANISHES)) + w.PURPOSES_PER_KIND * (kind + 1)
    while roll(state, purpose, (0, 0)) >= 0.01:
        state.seed = rng.randrange(2**64)


def clear_around(rng: random.Random, state: State, foci: list[Cell], theme: str) -> None:
    """Put something into each focus, or nothing, and let agents stand around it."""
    for focus in foci:
        around = [cell for cell in state.materials if near(cell, focus) and cell != focus]
        for cell in around:
            if distance(cell, focus) == 1 or rng.random() < 0.5:
                state.materials[cell] = rng.choice(("grass", "path"))
        if theme == "harvest":  # open ground, so that many are within the radius and face nothing else
            state.materials |= dict.fromkeys((c for c in state.materials if distance(c, focus) <= 3), "sand")
        state.materials[focus] = rng.choice(THEMES[theme])
        corners = [cell for cell in around if distance(cell, focus) == 2]
        if theme in ("make", "place") and corners:
            state.materials |= dict.fromkeys(rng.choices(corners, k=rng.choice((0, 1, 4))), "table")


def random_land(rng: random.Random, settings: CrafterSettings, theme: str) -> dict[Cell, str]:
    """Return the materials of a map, in patches, with room for the team."""
    weights = LANDS[rng.choice(("meadow", "meadow", "cave") if theme == "balance" else tuple(LANDS))]
    land: dict[Cell, str] = {}
    alike = rng.choice((0.0, 0.3, 0.6))
    for row in range(settings.area[0]):
        for col in range(settings.area[1]):
            beside = land.get((row, col - 1)) or land.get((row - 1, col))
            if beside is not None and rng.random() < alike:
                land[row, col] = beside
            else:
                land[row, col] = rng.choices(list(weights), list(weights.values()))[0]
    for cell in rng.sample(sorted(land), 2 * settings.n_agents):
        land[cell] = rng.choice(("grass", "path"))
    return land


def add_agents(rng: random.Random, state: State, foci: list[Cell], keen: bool) -> None:
    """Put the team around the foci, or anywhere; some of its members have fallen, unless all are keen."""
    walkable = [cell for cell, name in state.materials.items() if name in WALKABLE]
    spread = rng.choice((0.0, 2.0)) if keen else rng.choice((0.0, 0.0, 2.0, 100.0))
    walkable.sort(key=lambda cell: min(distance(cell, focus) for focus in foci) + rng.uniform(0, 0.5 + spread))
    walkable = [cell for cell in walkable if cell not in foci or rng.random() < 0.1]
    for k in range(state.settings.n_agents):
        agent = random_agent(rng, state, walkable[k], keen)
        graves = [cell for cell in foci if material(state, cell) in (*WALKABLE, "lava")]
        if k >= 2 and rng.random() < (0.1 if keen and not graves else 0.3):
            agent.status = "down" if state.mode["revive"] and rng.random() < 0.8 else "gone"
            agent.health, agent.asleep = 0, False
            agent.down_since = max(0, state.step - rng.choice((0, 48, 49, rng.randrange(50))))
            others = [] if keen and graves else [walkable[k], *walkable[: k + 2]]
            agent.cell = rng.choice([*graves, *graves, *others])
            if material(state, agent.cell) == "lava":
                agent.status = "gone"
        state.agents.append(agent)
    rng.shuffle(state.agents)


def random_agent(rng: random.Random, state: State, cell: Cell, keen: bool) -> Agent:
    """Return an agent that is often hungry, tired, hurt or asleep, with a bag that is often full of something."""
    limit = state.preset["bag_limit"]
    poor: list[Sequence[int]] = [(0,), (0, 1, 1, 2), (0, 1, 2, 5, limit - 1, limit), (1, 4, limit)]
    rich: list[Sequence[int]] = [(0, 4, 4, limit), (1, 4), (4,)]
    amounts = rng.choice(rich if keen else poor)
    agent = Agent(cell, bag={item: rng.choice(amounts) for item in r.ITEMS})
    if state.mode["needs"]:
        weak = rng.random() < 0.5
        for need in ("health", "food", "drink", "energy"):
            lowest = 1 if need == "health" else 0
            setattr(agent, need, rng.choice((lowest, lowest, 1, 2, 8) if weak else (8, 9, 9)))
        agent.hunger = rng.choice((0, 49, 50, rng.randrange(51)))
        agent.thirst = rng.choice((0, 39, 40, rng.randrange(41)))
        agent.fatigue = rng.choice((0, -19, -20, 59, 60, rng.randrange(-20, 61)))
        agent.recovery = rng.choice((0, -29, -30, 49, 50, rng.randrange(-30, 51)))
        agent.asleep = rng.random() < (0.05 if keen else 0.2)
    agent.achieved = {name for name in r.ACHIEVEMENTS if rng.random() < 0.3}
    return agent


def add_creatures(rng: random.Random, state: State, foci: list[Cell]) -> None:
    """Put creatures into foci, near agents and anywhere."""
    kinds = tuple(CREATURES) if state.mode["enemies"] else ("cow",)
    homes = [state.agents[i].cell for i in state.alive]
    slots = list(range(len(state.creatures)))
    rng.shuffle(slots)
    for slot in slots[: rng.choice((0, 4, len(slots) // 2, len(slots) - 1, len(slots)))]:
        kind = rng.choice(kinds)
        home, reach = rng.choice((*homes, *foci)), rng.choice((0, 1, 3, 6, 99))
        ground = ("path",) if kind == "skeleton" else WALKABLE
        spots = [
            cell
            for cell, name in state.materials.items()
            if name in ground and distance(cell, home) <= reach and not occupied(state, cell)
        ]
        if spots:
            side = rng.choice(tuple(SIDES)) if kind == "arrow" else ""
            health = rng.randint(1, CREATURES[kind])
            timer = 0 if kind in ("arrow", "cow") else rng.choice((0, 0, 1, 2, 4))
            state.creatures[slot] = Creature(kind, rng.choice(spots), health, side, timer)


def invites(state: State, cell: Cell, foci: list[Cell]) -> bool:
    """Tell whether a cell is a focus or holds something to act on."""
    lies_there = any(agent.cell == cell for agent in state.agents)
    return cell in foci or lies_there or occupied(state, cell) or material(state, cell) not in (*WALKABLE, "outside")


def random_actions(rng: random.Random, state: State, theme: str = "any") -> list[int]:
    """Return a joint action in which agents often do the same, so that quorums come together."""
    kinds = ("do", "do", "do", "forward", "move", "make", "place", "share", "sleep", "any")
    theme = "do" if theme == "harvest" else theme
    common = theme if theme in kinds and rng.random() < 0.7 else rng.choice(kinds)
    same = rng.choice((0.3, 0.9, 1.0))
    tool = rng.choice(("iron_pickaxe", "iron_sword", *r.TOOLS))
    thing = rng.choice((*r.PLACEABLE, "furnace", "plant", "plant"))
    actions = []
    for i in range(len(state.agents)):
        kind = common if rng.random() < same else rng.choice(kinds)
        if kind == "make":
            kind = f"make_{tool if rng.random() < 0.9 else rng.choice(r.TOOLS)}"
        elif kind == "place":
            kind = f"place_{thing if rng.random() < 0.8 else rng.choice(r.PLACEABLE)}"
        elif kind == "forward":
            kind = f"move_{state.agents[i].facing}"
        elif kind == "move":
            kind = f"move_{rng.choice(list(SIDES))}"
        elif kind == "any":
            kind = rng.choice(r.ACTIONS)
        with_register = kind == "share" and rng.random() < 0.6
        actions.append(random_share(rng, state, i) if with_register else r.ACTIONS.index(kind))
    return actions


def random_share(rng: random.Random, state: State, i: int) -> int:
    """Return a share with a register, mostly with somebody near and something held."""
    agent = state.agents[i]
    close = [k for k, other in enumerate(state.agents) if k != i and near(agent.cell, other.cell)]
    held = [k for k, item in enumerate(r.ITEMS) if agent.bag[item]]
    recipient = rng.choice(close) if close and rng.random() < 0.8 else rng.randrange(len(state.agents))
    item = rng.choice(held) if held and rng.random() < 0.8 else rng.randrange(r.N_ITEMS)
    return r.share_code(recipient, item, rng.choice((1, 2, r.MOST_SHARED)))


def traits(before: State, outcome: Outcome) -> Counter[str]:
    """Return what happened in a step, finer than kinds of events, to count that every rule is played."""
    after, seen = outcome.state, Counter[str]()
    for event in outcome.events:
        details = [str(event[key]) for key in ("what", "reason", "cause", "by", "resource", "item") if key in event]
        if event["kind"] in ("share", "full_bag"):
            details = []
        seen[" ".join([event["kind"], *details])] += 1
    for agent, then in zip(after.agents, before.agents, strict=True):
        seen.update(f"achieved {name}" for name in agent.achieved - then.achieved)
        seen[f"{then.status} to {agent.status}"] += 1
        seen["woken by a wound"] += then.asleep and not agent.asleep and then.energy < rule("needs", "most")
        seen.update(f"{need} {getattr(agent, need) - getattr(then, need):+d}" for need in ("health", "energy", "food"))
    for kind in CREATURES:
        change = count_kind(after, kind) - count_kind(before, kind)
        seen[f"{kind} {'more' if change > 0 else 'fewer'}"] += change != 0
    eaten = [c for c, name in before.materials.items() if name == "plant" and material(after, c) == "grass"]
    seen["plant destroyed"] += len(eaten)
    seen["unscored"] += sum(e["kind"] == "collect" and e["points"] == 0 for e in outcome.events)
    seen["over"] += outcome.over
    return seen


def count_kind(state: State, kind: str) -> int:
    """Return how many creatures of a kind there are."""
    return sum(creature is not None and creature.kind == kind for creature in state.creatures)


def everything() -> Sequence[str]:
    """Return the traits that random play must show."""
    resources = tuple(rule("collect"))
    return (
        *(f"{kind} {g}" for kind in ("collect", "over_participation") for g in resources),
        *(f"insufficient_quorum {g}" for g in resources if g not in ("tree", "stone")),
        *(f"missing_tool {g}" for g in resources if g != "tree"),
        *(f"make {tool}" for tool in r.TOOLS),
        *(f"place {thing}" for thing in r.PLACEABLE),
        *(f"achieved {name}" for name in r.ACHIEVEMENTS),
        *(f"place_failed {why} {t}" for why in ("missing_ingredient", "blocked", "race") for t in r.PLACEABLE),
        "place_failed no_station furnace", "full_bag", "drink", "sapling", "eat cow", "eat plant", "attack cow",
        "attack zombie", "attack skeleton", "defeat zombie", "defeat skeleton", "share", "share_failed", "cell_race",
        "hurt zombie", "hurt skeleton", "death lava", "death creature", "death needs", "revive", "loot", "wake_up",
        *(f"craft_failed {why} {t}" for why in ("no_station", "missing_ingredient") for t in r.TOOLS),
        "craft_failed insufficient_quorum iron_pickaxe", "craft_failed insufficient_quorum iron_sword",
        "alive to down", "alive to gone", "down to gone", "down to alive", "woken by a wound", "unscored", "over",
        "plant destroyed", *(f"{kind} {how}" for kind in CREATURES for how in ("more", "fewer")),
        "health +1", "health -1", "health -2", "health -7", "energy +1", "energy -1", "food -1",
    )  # fmt: skip
