"""A state of MA-Crafter in plain Python: names instead of numbers, dicts instead of grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.settings import CrafterSettings
from emcoop.envs.splitmix import draw

Cell = tuple[int, int]
Event = dict[str, Any]

SIDES: dict[str, Cell] = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
OUTSIDE = "outside"
WALKABLE = ("grass", "sand", "path")
CREATURES = {"zombie": 5, "skeleton": 3, "arrow": 1, "cow": 3}
"""Kinds of creatures and their health at the start."""


@dataclass
class Agent:
    """One agent: where it is, what it has, how it is. `status` is `alive`, `down` or `gone`."""

    cell: Cell
    facing: str = "down"
    bag: dict[str, int] = field(default_factory=lambda: dict.fromkeys(r.ITEMS, 0))
    health: int = 9
    food: int = 9
    drink: int = 9
    energy: int = 9
    hunger: int = 0
    thirst: int = 0
    fatigue: int = 0
    recovery: int = 0
    asleep: bool = False
    status: str = "alive"
    down_since: int = 0
    achieved: set[str] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        return self.status == "alive"


@dataclass
class Creature:
    """One creature; `timer` counts down to the next attack or shot, `facing` means something for arrows only."""

    kind: str
    cell: Cell
    health: int
    facing: str = ""
    timer: int = 0


@dataclass
class State:
    """Everything a step reads and changes.

    Attributes:
        settings: What fixes the world apart from the seed.
        seed: Seed of chance.
        materials: Name of the material of every cell of the map.
        agents: By index.
        creatures: By slot; None where a slot is empty.
        step: Steps taken so far.
        harvested: Units harvested so far, by resource.
        points: Points so far.
        planted: The step in which each plant was set or last eaten.
    """

    settings: CrafterSettings
    seed: int
    materials: dict[Cell, str]
    agents: list[Agent]
    creatures: list[Creature | None]
    step: int = 0
    harvested: dict[str, int] = field(default_factory=lambda: {r.MATERIALS[g]: 0 for g in r.RESOURCES})
    points: float = 0.0
    planted: dict[Cell, int] = field(default_factory=dict)

    def copy(self) -> State:
        """Return a state that shares nothing that changes with this one."""
        return replace(
            self,
            materials=dict(self.materials),
            agents=[replace(a, bag=dict(a.bag), achieved=set(a.achieved)) for a in self.agents],
            creatures=[None if c is None else replace(c) for c in self.creatures],
            harvested=dict(self.harvested),
            planted=dict(self.planted),
        )

    @property
    def alive(self) -> list[int]:
        """Indices of the living agents."""
        return [i for i, agent in enumerate(self.agents) if agent.alive]

    @property
    def mode(self) -> Mapping[str, Any]:
        mode: Mapping[str, Any] = rule("modes", self.settings.mode)
        return mode

    @property
    def preset(self) -> Mapping[str, Any]:
        preset: Mapping[str, Any] = rule("presets", self.settings.preset)
        return preset


def rule(*path: str) -> Any:
    """Return an entry of `rules.yaml`."""
    found: Any = r.read_rules()
    for name in path:
        found = found[name]
    return found


def shift(cell: Cell, side: str) -> Cell:
    """Return the next cell on a side, on the map or not."""
    return cell[0] + SIDES[side][0], cell[1] + SIDES[side][1]


def faced(agent: Agent) -> Cell:
    """Return the cell an agent faces."""
    return shift(agent.cell, agent.facing)


def distance(one: Cell, other: Cell) -> int:
    """Return the Manhattan distance."""
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def near(one: Cell, other: Cell) -> bool:
    """Tell whether two cells lie within one cell of each other, diagonals too."""
    return abs(one[0] - other[0]) <= 1 and abs(one[1] - other[1]) <= 1


def material(state: State, cell: Cell) -> str:
    """Return the material of a cell, `outside` where the map ends."""
    return state.materials.get(cell, OUTSIDE)


def living_at(state: State, cell: Cell) -> int | None:
    """Return the living agent on a cell."""
    return next((i for i in state.alive if state.agents[i].cell == cell), None)


def creature_at(state: State, cell: Cell) -> int | None:
    """Return the slot of the creature on a cell."""
    return next((k for k, c in enumerate(state.creatures) if c is not None and c.cell == cell), None)


def occupied(state: State, cell: Cell) -> bool:
    """Tell whether a living agent or a creature is on a cell."""
    return living_at(state, cell) is not None or creature_at(state, cell) is not None


def bodies_at(state: State, cell: Cell) -> list[int]:
    """Return the fallen agents that lie on a cell."""
    return [i for i, agent in enumerate(state.agents) if not agent.alive and agent.cell == cell]


def is_ripe(state: State, cell: Cell) -> bool:
    """Tell whether there is a plant old enough to eat."""
    grown: int = rule("needs", "plant_ripens")
    return material(state, cell) == "plant" and state.step - state.planted[cell] > grown


def roll(state: State, purpose: int, cell: Cell) -> float:
    """Return the random number of this step for a purpose and a cell."""
    return float(draw(np.uint64(state.seed), state.step, purpose, cell[0], cell[1]))


def daylight(state: State, step: int) -> int:
    """Return the light at a step in percent, halves rounded up (there are two: cos 60 degrees, cubed, is 1/8)."""
    if not state.mode["night"]:
        return 100
    dark = abs(math.cos(math.pi * ((step / 300) % 1 + 0.3))) ** 3
    return math.floor(round(100 * (1 - dark), 6) + 0.5)


def differences(got: State, expected: State) -> list[str]:
    """Return a line for everything in which two states differ."""
    lines = [
        f"{name}: got {getattr(got, name)}, expected {getattr(expected, name)}"
        for name in ("seed", "step", "harvested", "points", "planted")
        if getattr(got, name) != getattr(expected, name)
    ]
    lines += [
        f"material of {cell}: got {material(got, cell)}, expected {material(expected, cell)}"
        for cell in sorted(got.materials.keys() | expected.materials.keys())
        if material(got, cell) != material(expected, cell)
    ]
    for word in ("agents", "creatures"):
        ours: list[Any] = getattr(expected, word)
        theirs: list[Any] = getattr(got, word)
        lines += [f"{word}: got {len(theirs)}, expected {len(ours)}"] * (len(theirs) != len(ours))
        for k, (a, b) in enumerate(zip(theirs, ours, strict=False)):
            lines += [f"{word}[{k}]: {text}" for text in unequal_fields(a, b)]
    return lines


def unequal_fields(got: Any, expected: Any) -> list[str]:
    """Return a line for each field in which two agents or two creatures differ."""
    if got is None or expected is None:
        return [] if got is expected else [f"got {got}, expected {expected}"]
    pairs = [(f.name, getattr(got, f.name), getattr(expected, f.name)) for f in fields(expected)]
    return [f"{name}: got {a}, expected {b}" for name, a, b in pairs if a != b]


def nearest(cells: Iterable[Cell], key: Callable[[Cell], Any]) -> Cell | None:
    """Return the cell with the smallest key; ties go to the smallest row, then column."""
    return min(cells, key=lambda cell: (key(cell), cell), default=None)
