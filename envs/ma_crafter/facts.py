"""Facts of MA-Crafter as messages carry them: `cell:<row>,<col>` is a material's name, `agent<i>` a list.

The list of an agent is `[row, col]` or `[row, col, pickaxe, kit]`: its best pickaxe (0 none, 1 wood, 2 stone, 3 iron)
and which ingredients of an iron pickaxe it holds (1 wood + 2 coal + 4 iron). Messages come from language models:
whatever is malformed is nobody's fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.sight import WHOLE_KIT

BEST_TIER = 3
MATERIAL_OF = {name: material for material, name in enumerate(r.MATERIALS) if material != r.OUTSIDE}


def cell_key(row: int, col: int) -> str:
    """Return the name of the fact what a cell is made of."""
    return f"cell:{row},{col}"


def agent_key(agent: int) -> str:
    """Return the name of the fact where an agent is and what it holds."""
    return f"agent{agent}"


def read_cell(key: Any, area: tuple[int, int]) -> tuple[int, int] | None:
    """Return the cell a fact is about, None if it is about none on the map."""
    name = key if isinstance(key, str) else ""
    row, _, col = name.removeprefix("cell:").partition(",")
    cell = _number(row), _number(col)
    on_map = 0 <= cell[0] < area[0] and 0 <= cell[1] < area[1]
    return cell if on_map and name == cell_key(*cell) else None


def read_agent(key: Any, n_agents: int) -> int | None:
    """Return the agent a fact is about, None if it is about none of the team."""
    name = key if isinstance(key, str) else ""
    agent = _number(name.removeprefix("agent"))
    return agent if 0 <= agent < n_agents and name == agent_key(agent) else None


def read_place(value: Any, area: tuple[int, int]) -> list[int] | None:
    """Return `[row, col, pickaxe, kit]` (the last two -1 if left out), None if the value is malformed."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or len(value) not in (2, 4):
        return None
    most = (area[0] - 1, area[1] - 1, BEST_TIER, WHOLE_KIT)
    whole = all(isinstance(number, int) and 0 <= number <= limit for number, limit in zip(value, most))
    if not whole or any(isinstance(number, bool) for number in value[:3]):
        return None
    return [*map(int, value), -1, -1][:4]


def _number(digits: str) -> int:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else -1
