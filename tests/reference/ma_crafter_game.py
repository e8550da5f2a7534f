"""MA-Crafter behind its public interface, in the words of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from ma_crafter_reference import Outcome
from ma_crafter_state import Agent, Cell, Creature, Event, State

import emcoop
from emcoop.envs.kernels import kernel
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.settings import CrafterSettings, make_settings

FIELDS = {
    "health": w.HEALTH, "food": w.FOOD, "drink": w.DRINK, "energy": w.ENERGY, "hunger": w.HUNGER, "thirst": w.THIRST,
    "fatigue": w.FATIGUE, "recovery": w.RECOVERY, "down_since": w.DOWN_SINCE,
}  # fmt: skip
"""Numbers of an agent that state and world keep alike."""
STATUS = ("alive", "down", "gone")
LETTERS = {
    "grass": ".", "water": "~", "stone": "S", "path": "#", "sand": "_", "tree": "T", "lava": "L", "coal": "C",
    "iron": "I", "diamond": "D", "table": "B", "furnace": "F",
}  # fmt: skip


def read_world(world: w.World) -> State:
    """Return the first environment of a world as a state of the reference."""
    head = world.rows[0]
    seed = (int(np.uint32(head[w.SEED_HIGH])) << 32) | int(np.uint32(head[w.SEED_LOW]))
    grid, planted = world.inner(world.materials), world.inner(world.planted)
    materials = {cell: r.MATERIALS[number] for cell, number in np.ndenumerate(grid)}
    return State(
        world.settings,
        seed,
        materials,
        [read_agent(row, bag) for row, bag in zip(world.agents(), world.bags(), strict=True)],
        [read_creature(row) for row in world.mobs()],
        int(head[w.STEP]),
        {r.MATERIALS[g]: int(head[w.HARVESTED + g]) for g in r.RESOURCES},
        int(head[w.POINTS_SO_FAR]) / r.POINT_SCALE,
        {cell: int(planted[cell]) - 1 for cell in materials if planted[cell]},
    )


def read_agent(row: Any, bag: Any) -> Agent:
    """Return an agent of a world."""
    return Agent(
        (int(row[w.ROW]), int(row[w.COL])),
        r.DIRECTIONS[row[w.FACING]],
        dict(zip(r.ITEMS, map(int, bag), strict=True)),
        asleep=bool(row[w.ASLEEP]),
        status=STATUS[row[w.STATUS]],
        achieved={name for bit, name in enumerate(r.ACHIEVEMENTS) if row[w.ACHIEVED] >> bit & 1},
        **{name: int(row[k]) for name, k in FIELDS.items()},
    )


def read_creature(row: Any) -> Creature | None:
    """Return the creature in a slot of a world."""
    if row[w.KIND] == 0:
        return None
    kind = w.MOBS[row[w.KIND] - 1]
    facing = r.DIRECTIONS[row[w.MOB_FACING]] if kind == "arrow" else ""
    return Creature(kind, (int(row[w.MOB_ROW]), int(row[w.MOB_COL])), int(row[w.MOB_HEALTH]), facing, int(row[w.TIMER]))


def write_world(world: w.World, state: State) -> None:
    """Make the first environment of a world equal to a state of the reference."""
    head = world.rows[0]
    low, high = np.array([state.seed & 0xFFFFFFFF, state.seed >> 32], np.uint32).view(np.int32)
    head[: w.HEAD] = 0
    head[[w.STEP, w.SEED_LOW, w.SEED_HIGH]] = state.step, low, high
    head[w.POINTS_SO_FAR] = round(state.points * r.POINT_SCALE)
    head[w.N_ALIVE], head[w.N_PLANTS] = len(state.alive), len(state.planted)
    for name, units in state.harvested.items():
        head[w.HARVESTED + r.MATERIALS.index(name)] = units
    grid, planted, who = (world.inner(a) for a in (world.materials, world.planted, world.occupancy))
    planted[...], who[...] = 0, 0
    for cell, name in state.materials.items():
        grid[cell] = r.MATERIALS.index(name)
    for cell, step in state.planted.items():
        planted[cell] = step + 1
    for i, agent in enumerate(state.agents):
        write_agent(world.agents()[i], agent)
        world.bags()[i] = [agent.bag[item] for item in r.ITEMS]
        if agent.alive:
            who[agent.cell] = i + 1
    world.mobs()[...] = 0
    for slot, creature in enumerate(state.creatures):
        if creature is not None:
            side = r.DIRECTIONS.index(creature.facing) if creature.facing else 0
            kind = w.MOBS.index(creature.kind) + 1
            world.mobs()[slot] = kind, *creature.cell, creature.health, side, creature.timer
            who[creature.cell] = -(slot + 1)
    repack(world)


def write_agent(row: Any, agent: Agent) -> None:
    """Write an agent into its row."""
    row[[w.ROW, w.COL]] = agent.cell
    row[[w.FACING, w.ASLEEP]] = r.DIRECTIONS.index(agent.facing), agent.asleep
    row[w.STATUS] = STATUS.index(agent.status)
    row[w.ACHIEVED] = sum(1 << r.ACHIEVEMENTS.index(name) for name in agent.achieved)
    for name, k in FIELDS.items():
        row[k] = getattr(agent, name)


def repack(world: w.World) -> None:
    """Compute anew all cells as agents see them."""
    repack_cells(
        world.rules, world.rows, world.materials, world.planted, world.occupancy, world.cells, world.n_agents, world.pad
    )


@kernel
def repack_cells(
    rules: Any, rows: Any, materials: Any, planted: Any, occupancy: Any, cells: Any, n: int, pad: int
) -> None:
    """Refresh every cell, the padding included."""
    board = w.open_board(rules, rows, materials, planted, occupancy, cells, 0, n, pad)
    for y in range(materials.shape[1]):
        for x in range(materials.shape[2]):
            w.refresh(board, y, x)


def new_state(settings: CrafterSettings, materials: dict[Cell, str], agents: list[Agent], seed: int = 0) -> State:
    """Return a state with all slots for creatures empty."""
    chunks = w.n_chunks(settings)
    return State(settings, seed, materials, agents, [None] * (w.MOBS_PER_CHUNK * chunks[0] * chunks[1]))


@lru_cache(maxsize=256)
def environment(n_agents: int, area: tuple[int, int], **options: Any) -> Any:
    """Return the environment for some settings; every use begins with a reset."""
    return emcoop.parallel_env("MACrafter-v0", n_agents=n_agents, area=area, **options)


@lru_cache(maxsize=256)
def settings_of(n_agents: int, area: tuple[int, int], **options: Any) -> CrafterSettings:
    """Return settings without an environment."""
    return make_settings(n_agents, area, **options)


class Game:
    """The environment in a given state, answering in the words of the reference."""

    def __init__(self, state: State) -> None:
        s = state.settings
        known = {"mode": s.mode, "level": s.coop.level, "preset": s.preset, "scarce": s.scarce, "goal": s.goal}
        self.take(environment(s.n_agents, s.area, **known, max_steps=s.max_steps))
        cells = [divmod(k, s.area[1]) for k in range(s.n_agents)]
        self.env.reset(seed=state.seed, options={"map": ["." * s.area[1]] * s.area[0], "agents": cells})
        write_world(self.env.world, state)

    @classmethod
    def of(cls, env: Any) -> Game:
        """Return the game of an environment as it is."""
        game = cls.__new__(cls)
        game.take(env)
        return game

    def take(self, env: Any) -> None:
        """Play in an environment."""
        self.env = env
        self.names = list(env.possible_agents)
        self.observations: dict[str, Any] = {}
        self.rewards: dict[str, float] = {}
        self.terminations: dict[str, bool] = {}
        self.truncations: dict[str, bool] = {}

    def state(self) -> State:
        """Return the present state."""
        return read_world(self.env.world)

    def step(self, actions: Sequence[int]) -> Outcome:
        """Play one joint action."""
        joint = {}
        for name in self.env.agents:
            i = self.names.index(name)
            joint[name] = min(actions[i], r.SHARE)
            if actions[i] >= len(r.ACTIONS):
                self.env.set_share(i, *r.read_share(actions[i]))
        self.observations, self.rewards, self.terminations, self.truncations, _ = self.env.step(joint)
        rewards = set(self.rewards.values())
        assert len(rewards) == 1, self.rewards
        events = [plain(event) for event in self.env.events]
        return Outcome(self.state(), events, rewards.pop(), all(self.terminations.values()))


def plain(event: Mapping[str, Any]) -> Event:
    """Return an event of the environment with plain numbers, its agents in the order of the reference."""
    told = {k: v.item() if hasattr(v, "item") else v for k, v in event.items()}
    agents = [int(i) for i in event["agents"]]
    return told | {"agents": agents if event["kind"] == "share" else sorted(agents)}


def multiset(events: Sequence[Event]) -> list[str]:
    """Return events in a form that compares equal whatever their order and the order of their keys."""
    return sorted(repr(sorted(event.items())) for event in events)


def unequal_events(got: Sequence[Event], expected: Sequence[Event]) -> list[str]:
    """Return a line for each event that only one side has."""
    left, right = multiset(got), multiset(expected)
    surplus = [f"event only got: {e}" for e in left if left.count(e) > right.count(e)]
    return surplus + [f"event only expected: {e}" for e in right if right.count(e) > left.count(e)]


def drawn(state: State) -> str:
    """Return a map with agents as digits and creatures as small letters, for failing tests."""
    rows, cols = state.settings.area
    marks = {c.cell: c.kind[0] for c in state.creatures if c is not None}
    marks |= {state.agents[i].cell: f"{i:x}" for i in state.alive}
    lines = [
        "".join(marks.get((y, x), LETTERS.get(state.materials[y, x], "P")) for x in range(cols)) for y in range(rows)
    ]
    people = [f"{i:x} {agent}" for i, agent in enumerate(state.agents)]
    return "\n".join([*lines, *people, *(repr(c) for c in state.creatures if c is not None)])
