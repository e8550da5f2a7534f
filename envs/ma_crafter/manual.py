"""What a person who plays MA-Crafter has to know: what things cost and take, and why an agent does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.settings import CrafterSettings


def help_lines(settings: CrafterSettings) -> list[str]:
    """Return costs and quorums by the rules of these settings, one line each, blank lines between the parts."""
    data, coop = r.read_rules(), settings.coop
    preset = data["presets"][settings.preset]
    return [
        "Harvest with do, the agents it takes in the same step:",
        *(_harvest(name, coop, info["needs"]) for name, info in data["collect"].items()),
        "",
        "Place on the cell you face:",
        *(f"  {name}: {cost(preset['place'][name])}" for name in r.PLACEABLE),
        "",
        "Make; of several agents one pays and each gets the tool:",
        *(f"  {_plain(name)}: {cost(preset['make'][name], coop.craft[name])}" for name in r.TOOLS),
        "",
        "Near: within one cell, diagonals too.",
    ]


def _harvest(name: str, coop: r.CoopRules, tool: str | None) -> str:
    reach = coop.radius[name]
    held = f"; {_plain(tool)} each" if tool else ""
    far = f"; within {reach} cells" if reach > 1 else ""
    return f"  {name}: {_count(coop.quorum[name], 'agent')}{held}{far}"


def cost(entry: Mapping[str, Any], need: int = 1) -> str:
    """Return what an entry of the preset's costs takes, in words.

    Args:
        entry: What it `uses`, and what it has to be `near`.
        need: Agents it takes.
    """
    parts = [", ".join(f"{amount} {item}" for item, amount in entry["uses"].items())]
    if entry["near"]:
        parts.append(f"near {' and '.join(entry['near'])}")
    if need > 1:
        parts.append(_count(need, "agent"))
    return "; ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def seat_lines(world: w.World, agent: int) -> list[str]:
    """Return why an agent's actions do nothing, a headline first; nothing if they do something, or it is gone."""
    row, rules = world.agents()[agent], world.rules
    if row[w.STATUS] == w.DOWN:
        left = _count(int(rules[r.REVIVE_WITHIN] - world.rows[0, w.STEP] + row[w.DOWN_SINCE]), "step")
        helpers = rules[r.REVIVE_AGENTS]
        return [
            "You are down",
            f"Your actions do nothing. {helpers} others can revive you: facing you, with do in the same step, within "
            f"{left}.",
        ]
    if row[w.ASLEEP] == 1 and row[w.ENERGY] < rules[r.MOST]:
        return ["You are asleep", f"Your actions do nothing until you are rested (energy {rules[r.MOST]}) or hurt."]
    return []
