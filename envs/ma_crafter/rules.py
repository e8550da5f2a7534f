"""MA-Crafter's rules as data: `rules.yaml`, the names in it, and the table of integers that kernels read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

MATERIALS = (
    "outside", "grass", "water", "stone", "path", "sand", "tree", "lava", "coal", "iron", "diamond", "table",
    "furnace", "plant",
)  # fmt: skip
"""What a cell is made of, by id. `outside` surrounds the map; a `plant` is a sapling in the ground."""
(OUTSIDE, GRASS, WATER, STONE, PATH, SAND, TREE, LAVA, COAL, IRON, DIAMOND, TABLE, FURNACE, PLANT) = range(14)
N_MATERIALS = len(MATERIALS)
LETTERS = " .~S#_TLCIDBFp"
"""One letter for each material: in texts, and but for the first and the last in hand-made maps."""
WALKABLE = (GRASS, PATH, SAND)
RESOURCES = (TREE, STONE, COAL, IRON, DIAMOND)
"""Materials with a collect quorum, in the order of the technology tree."""

ITEMS = (
    "sapling", "wood", "stone", "coal", "iron", "diamond", "wood_pickaxe", "stone_pickaxe", "iron_pickaxe",
    "wood_sword", "stone_sword", "iron_sword",
)  # fmt: skip
N_ITEMS = len(ITEMS)
TOOLS = ITEMS[6:]
"""What can be made, in the order of the `make` actions."""
PLACEABLE = ("stone", "table", "furnace", "plant")
"""What can be placed, in the order of the `place` actions."""

ACTIONS = (
    "noop", "move_left", "move_right", "move_up", "move_down", "do", "sleep",
    *(f"place_{name}" for name in PLACEABLE), *(f"make_{name}" for name in TOOLS), "share",
)  # fmt: skip
(NOOP, LEFT, RIGHT, UP, DOWN, DO, SLEEP, PLACE_STONE) = range(8)
MAKE_WOOD_PICKAXE = PLACE_STONE + len(PLACEABLE)
SHARE = len(ACTIONS) - 1

DIRECTIONS = ("up", "down", "left", "right")
"""Facings 0 to 3, the sides of `emcoop.envs.navigation`."""
FACING_OF_ACTION = (-1, 2, 3, 0, 1)
"""Facing of the actions noop, left, right, up, down."""

ACHIEVEMENTS = (
    "collect_coal", "collect_diamond", "collect_drink", "collect_iron", "collect_sapling", "collect_stone",
    "collect_wood", "defeat_skeleton", "defeat_zombie", "eat_cow", "eat_plant", "make_iron_pickaxe",
    "make_iron_sword", "make_stone_pickaxe", "make_stone_sword", "make_wood_pickaxe", "make_wood_sword",
    "place_furnace", "place_plant", "place_stone", "place_table", "wake_up",
)  # fmt: skip
"""Crafter's 22 achievements (Hafner, 2021), by bit."""

LEVELS = ("L1", "L2", "L3", "scaled")
MODES = ("peaceful", "survival", "creative")
PRESETS = ("emcoop", "crafter")
CHUNK = 12
"""Side of the squares in which creatures are kept in balance, as in Crafter."""
CELLS_PER_MAP = 64 * 64

# Offsets in the table of rules that kernels read. Single numbers ...
(
    BAG_LIMIT, NEEDS, ENEMIES, NIGHT, REVIVE, MAX_STEPS, GOAL,
    START, MOST, FOOD_AFTER, DRINK_AFTER, ENERGY_AFTER, REST_AFTER, HEAL_AFTER, HARM_AFTER,
    DRINK_GIVES, COW_GIVES, PLANT_GIVES, RIPENS, REVIVE_AGENTS, REVIVE_WITHIN, REVIVE_HEALTH, WIDEST,
) = range(23)  # fmt: skip
NUMBERS = WIDEST + 1
# ... by material: quorum, radius, item needed (-1 none), item given, what it leaves, points and units that score ...
QUORUM, RADIUS, TOOL, GIVES, LEAVES, POINTS, DEMAND = (NUMBERS + k * N_MATERIALS for k in range(7))
# ... by tool: quorum, bits of the stations needed, then items used (6 x 12) ...
CRAFT_QUORUM = NUMBERS + 7 * N_MATERIALS
MAKE_NEAR = CRAFT_QUORUM + len(TOOLS)
MAKE_USES = MAKE_NEAR + len(TOOLS)
# ... by placeable: bits of the stations needed, bits of the materials it goes on, then items used (4 x 12).
PLACE_NEAR = MAKE_USES + len(TOOLS) * N_ITEMS
PLACE_ON = PLACE_NEAR + len(PLACEABLE)
PLACE_USES = PLACE_ON + len(PLACEABLE)
RULES_SIZE = PLACE_USES + len(PLACEABLE) * N_ITEMS
POINT_SCALE = 2
"""Points are kept doubled in the table of rules, where all of them are whole numbers."""


@dataclass(frozen=True)
class CoopRules:
    """What takes how many agents, at a level and team size.

    Attributes:
        level: Name of the level.
        quorum: Agents a harvest takes, by resource.
        radius: Manhattan distance from which they may take part, by resource.
        craft: Agents a `make` takes, by tool.
        points: Points of one harvested unit, by resource.
        demand: Units that score, by resource.
    """

    level: str
    quorum: Mapping[str, int]
    radius: Mapping[str, int]
    craft: Mapping[str, int]
    points: Mapping[str, float]
    demand: Mapping[str, int]

    @property
    def most_points(self) -> float:
        """Points of an episode in which every unit in demand is harvested."""
        return sum(self.points[name] * self.demand[name] for name in self.points)


@lru_cache(maxsize=1)
def read_rules() -> dict[str, Any]:
    """Return `rules.yaml` as plain data."""
    text = files("emcoop.envs.ma_crafter").joinpath("rules.yaml").read_text(encoding="utf-8")
    rules: dict[str, Any] = yaml.safe_load(text)
    return rules


def coop_rules(level: str, n_agents: int, area: tuple[int, int]) -> CoopRules:
    """Return the cooperation rules of a level for a team on a map of so many rows and columns."""
    data, rules = read_rules(), read_rules()["levels"][level]
    names = list(data["collect"])
    quorum = {name: _quorum(rules["quorum"].get(name, 1), n_agents) for name in names}
    radius = {name: _fit(quorum[name], area) if rules["radius"] == "fit" else int(rules["radius"]) for name in names}
    craft = {name: rules["craft"].get(name, 1) for name in TOOLS}
    if level == "scaled":
        craft = {name: min(need, n_agents) for name, need in craft.items()}
    points = {n: info["base"] * quorum[n] * (1 + 0.5 * info["tier"]) for n, info in data["collect"].items()}
    demand = {}
    for name in names:
        rate = data["demand"][name]
        per_map = math.ceil(rate["per_map"] * area[0] * area[1] / CELLS_PER_MAP)
        demand[name] = max(1, min(math.ceil(rate["per_agent"] * n_agents / quorum[name]), per_map))
    return CoopRules(level, quorum, radius, craft, points, demand)


def _quorum(value: float, n_agents: int) -> int:
    """Return a quorum given as a number of agents or, below 1, as a share of the team."""
    return int(value) if value >= 1 else max(1, math.ceil(round(value * n_agents, 6)))


def _fit(quorum: int, area: tuple[int, int]) -> int:
    """Return the smallest radius around the middle of a map within which twice the quorum finds cells.

    The centre does not count. On a narrow map the radius is larger than on an open one; at most it spans the map.
    """
    (rows, cols), radius = area, 1

    def cells() -> int:
        reach = [(row, radius - abs(row - rows // 2)) for row in range(rows) if abs(row - rows // 2) <= radius]
        return sum(min(cols // 2 + left, cols - 1) - max(cols // 2 - left, 0) + 1 for _, left in reach) - 1

    while cells() < 2 * quorum and radius < rows + cols:
        radius += 1
    return radius


def stations(names: Any) -> int:
    """Return stations as bits: 1 table, 2 furnace."""
    return sum({"table": 1, "furnace": 2}[name] for name in names)


def amounts(uses: Mapping[str, int]) -> list[int]:
    """Return amounts by item, in the order of `ITEMS`."""
    return [uses.get(name, 0) for name in ITEMS]


MOST_SHARED = 20
"""The largest quantity a share register can name."""


def share_code(recipient: int, item: int, quantity: int) -> int:
    """Return a share with its register as one integer, as traces record it; smaller integers are plain actions."""
    return len(ACTIONS) + (recipient * N_ITEMS + item) * MOST_SHARED + quantity - 1


def read_share(code: int) -> tuple[int, int, int]:
    """Return recipient, item and quantity of a `share_code`."""
    rest, quantity = divmod(code - len(ACTIONS), MOST_SHARED)
    return (*divmod(rest, N_ITEMS), quantity + 1)


def rules_table(settings: Any) -> NDArray[np.int32]:
    """Return the rules of some settings as the integers kernels read, `(RULES_SIZE,)`; see the offsets above.

    Args:
        settings: A `CrafterSettings`.
    """
    data, coop = read_rules(), settings.coop
    preset, mode, needs = data["presets"][settings.preset], data["modes"][settings.mode], data["needs"]
    table = np.zeros(RULES_SIZE, np.int32)
    table[:WIDEST] = [
        preset["bag_limit"], mode["needs"], mode["enemies"], mode["night"], mode["revive"],
        settings.max_steps, settings.goal is not None, needs["start"], needs["most"], needs["food"], needs["drink"],
        needs["energy"], needs["rest"], needs["heal"], needs["harm"], needs["drink_gives"], needs["cow_gives"],
        needs["plant_gives"], needs["plant_ripens"], *data["revive"].values(),
    ]  # fmt: skip
    table[WIDEST] = max(coop.radius.values())
    table[TOOL : TOOL + N_MATERIALS] = -1
    for name, info in data["collect"].items():
        material = MATERIALS.index(name)
        table[QUORUM + material] = coop.quorum[name]
        table[RADIUS + material] = coop.radius[name]
        table[TOOL + material] = -1 if info["needs"] is None else ITEMS.index(info["needs"])
        table[GIVES + material] = ITEMS.index(info["gives"])
        leaves = "grass" if name == "tree" and settings.scarce else info["leaves"]
        table[LEAVES + material] = MATERIALS.index(leaves)
        table[POINTS + material] = round(POINT_SCALE * coop.points[name])
        table[DEMAND + material] = coop.demand[name]
    for k, name in enumerate(TOOLS):
        table[CRAFT_QUORUM + k] = coop.craft[name]
        table[MAKE_NEAR + k] = stations(preset["make"][name]["near"])
        table[MAKE_USES + k * N_ITEMS :][:N_ITEMS] = amounts(preset["make"][name]["uses"])
    for k, name in enumerate(PLACEABLE):
        table[PLACE_NEAR + k] = stations(preset["place"][name]["near"])
        table[PLACE_ON + k] = sum(1 << MATERIALS.index(m) for m in data["place"][name]["on"])
        table[PLACE_USES + k * N_ITEMS :][:N_ITEMS] = amounts(preset["place"][name]["uses"])
    return table
