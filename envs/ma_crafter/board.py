"""Hand-made maps: the `options` of `reset` that draw the terrain and say how the team starts on it."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.entries import entries, whole_numbers
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.settings import MOST_SIDE, CrafterSettings
from emcoop.envs.ma_crafter.spawn import distances, middle
from emcoop.envs.navigation import UNREACHABLE
from emcoop.errors import ConfigError, unknown_name

Grid = NDArray[np.uint8]
IntArray = NDArray[np.int32]

LETTERS = {r.LETTERS[material]: material for material in range(r.GRASS, r.PLANT)}
"""Materials of a hand-made map by letter."""
FACING_AT_START = r.DIRECTIONS.index("down")


class Board(NamedTuple):
    """A start described by `options`.

    Attributes:
        materials: uint8 (rows, cols), ids of `rules.MATERIALS`.
        agents: int32 (n, 2), start cells (row, col).
        facing: int32 (n,), 0 up, 1 down, 2 left, 3 right.
        inventory: int32 (n, 12), amounts in the order of `rules.ITEMS`.
    """

    materials: Grid
    agents: IntArray
    facing: IntArray
    inventory: IntArray


def parse_map(options: Mapping[str, object], settings: CrafterSettings) -> Board:
    """Return the start that `options` describe.

    The map sets the size, from 1 x 1 up, and whether it can be solved is not asked. Agents that are not placed take
    the walkable cells nearest to the middle on foot, then those that cannot be reached. They face down and carry
    nothing unless told otherwise. Other keys are ignored.

    Args:
        options: `{"map": ["..TSC", ...], "agents": [(row, col), ...], "facing": ["up", ...], "inventory":
            [{"wood": 3}, ...]}`; all but `map` optional, one entry per agent in index order. See `LETTERS`.
        settings: Number of agents, and the preset for the bag limit.

    Raises:
        ConfigError: Naming the cell, letter, row, item or agent that does not fit.
    """
    n = settings.n_agents
    materials = _read_map(options["map"])
    agents = _read_agents(options["agents"], n, materials) if "agents" in options else _place_agents(n, materials)
    facing = np.full(n, FACING_AT_START, np.int32)
    if "facing" in options:
        facing[:] = [_read_facing(i, value) for i, value in enumerate(_per_agent("facing", options["facing"], n))]
    inventory = np.zeros((n, r.N_ITEMS), np.int32)
    if "inventory" in options:
        limit = r.read_rules()["presets"][settings.preset]["bag_limit"]
        for i, bag in enumerate(_per_agent("inventory", options["inventory"], n)):
            inventory[i] = _read_bag(i, bag, limit)
    return Board(materials, agents, facing, inventory)


def _read_map(value: object) -> Grid:
    lines = entries("map", value, "strings, one per row")
    if not 1 <= len(lines) <= MOST_SIDE:
        raise ConfigError(f"map has {len(lines)} rows: give 1 to {MOST_SIDE}")
    rows = []
    for row, line in enumerate(lines):
        if not isinstance(line, str):
            raise ConfigError(f"map[{row}] is {reprlib.repr(line)}: give a string of letters {''.join(LETTERS)}")
        if not 1 <= len(line) <= MOST_SIDE:
            raise ConfigError(f"map[{row}] has {len(line)} cells: give 1 to {MOST_SIDE}")
        if len(line) != len(str(lines[0])):
            raise ConfigError(
                f"map[{row}] has {len(line)} cells and map[0] has {len(str(lines[0]))}: make all rows equally long"
            )
        for col, letter in enumerate(line):
            if letter not in LETTERS:
                known = ", ".join(f"{key} {r.MATERIALS[material]}" for key, material in LETTERS.items())
                raise ConfigError(f"map has the letter {letter!r} on the cell {(row, col)}: known are {known}")
        rows.append([LETTERS[letter] for letter in line])
    return np.array(rows, np.uint8)


def _per_agent(name: str, value: object, n_agents: int) -> list[object]:
    found = entries(name, value, "one entry per agent")
    if len(found) != n_agents:
        raise ConfigError(f"{name} has {len(found)} entries for n_agents={n_agents}: give one per agent")
    return found


def _read_agents(value: object, n_agents: int, materials: Grid) -> IntArray:
    owner: dict[tuple[int, ...], int] = {}
    for i, entry in enumerate(_per_agent("agents", value, n_agents)):
        cell = whole_numbers(f"agents[{i}]", entry, "(row, col)")
        if not (0 <= cell[0] < materials.shape[0] and 0 <= cell[1] < materials.shape[1]):
            last = (materials.shape[0] - 1, materials.shape[1] - 1)
            raise ConfigError(f"agents[{i}] at {cell} is off the map: its cells go from (0, 0) to {last}")
        material = int(materials[cell])
        if material not in r.WALKABLE:
            allowed = ", ".join(r.MATERIALS[k] for k in r.WALKABLE)
            raise ConfigError(f"agents[{i}] stands on {r.MATERIALS[material]} at {cell}: choose a cell of {allowed}")
        if cell in owner:
            raise ConfigError(f"agents[{i}] stands on the cell {cell} of agents[{owner[cell]}]: give each its own cell")
        owner[cell] = i
    return np.array(list(owner), np.int32)


def _place_agents(n_agents: int, materials: Grid) -> IntArray:
    cells = np.argwhere(np.isin(materials, r.WALKABLE)).astype(np.int32)
    if len(cells) < n_agents:
        raise ConfigError(f"map has {len(cells)} walkable cells for n_agents={n_agents}: draw more grass, path or sand")
    away = np.abs(cells - middle(materials)).sum(axis=1)
    walk = distances(materials, r.WALKABLE, (int(cells[away.argmin(), 0]), int(cells[away.argmin(), 1])))
    steps = walk[cells[:, 0], cells[:, 1]]
    far = np.where(steps < UNREACHABLE, steps, UNREACHABLE + away)
    return cells[np.argsort(far, kind="stable")[:n_agents]]


def _read_facing(agent: int, value: object) -> int:
    if value not in r.DIRECTIONS:
        raise unknown_name(f"direction in facing[{agent}]", value, r.DIRECTIONS)
    return r.DIRECTIONS.index(str(value))


def _read_bag(agent: int, value: object, limit: int) -> list[int]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"inventory[{agent}] is {reprlib.repr(value)}: give a mapping such as {{'wood': 3}}")
    for item, amount in value.items():
        if item not in r.ITEMS:
            raise unknown_name(f"item in inventory[{agent}]", item, r.ITEMS)
        whole = isinstance(amount, (int, np.integer)) and not isinstance(amount, bool)
        if not whole or not 0 <= amount <= limit:
            raise ConfigError(
                f"inventory[{agent}] has {reprlib.repr(amount)} of {item}: give a whole number from 0 to {limit}"
            )
    return r.amounts(value)
