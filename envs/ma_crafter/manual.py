"""What who plays MA-Crafter has to know, person or model: the rules, what things take, why an agent does nothing."""

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


def rules_text(settings: CrafterSettings) -> str:
    """Return the rules of these settings in words, for planners that read."""
    return "\n".join([_map(settings), *_goals(settings), *_needs(settings), _length(settings)])


def _map(settings: CrafterSettings) -> str:
    (rows, cols), (wide, high) = settings.area, settings.view
    team = f"The team has {settings.n_agents} agents" if settings.n_agents > 1 else "You are alone"
    return (
        f"A map of {rows} x {cols} cells, (row, col) counted from the top left. {team}; an agent sees {high} rows and "
        f"{wide} columns around itself, remembers the rest, walks on grass, sand and paths, and dies in lava. Every "
        "agent has a bag of its own."
    )


def _goals(settings: CrafterSettings) -> list[str]:
    """Return what scores, and how one gets there."""
    data, coop = r.read_rules(), settings.coop
    preset = data["presets"][settings.preset]
    units = [_unit(name, coop, info["needs"]) for name, info in data["collect"].items()]
    place = [f"{name} ({cost(preset['place'][name])})" for name in r.PLACEABLE]
    make = [f"{name} ({cost(preset['make'][name], coop.craft[name])})" for name in r.TOOLS]
    return [
        "Points come from harvesting, for the team together, each resource up to a number of units:",
        *units,
        "What takes several agents takes them in the same step, all beside the cell (within its reach) and each with "
        "the tool; each of them gets one item. Alone there you wait for the others in vain.",
        f"Place: {', '.join(place)}. Make: {', '.join(make)}. Near means within one cell, diagonals too. When several "
        "make something together, one pays and each gets the tool.",
        "The way up: wood, a table, a wood pickaxe, stone, a stone pickaxe, coal and iron, a furnace, iron pickaxes, "
        "diamonds.",
    ]


def _unit(name: str, coop: r.CoopRules, tool: str | None) -> str:
    far = f", within {coop.radius[name]} cells" if coop.radius[name] > 1 else ""
    takes = f"{_count(coop.quorum[name], 'agent')}{f', {tool} each' if tool else ''}{far}"
    return f"- {name}: takes {takes}; {coop.points[name]:g} points a unit, {_count(coop.demand[name], 'unit')}"


def _needs(settings: CrafterSettings) -> list[str]:
    """Return what agents have to look after."""
    mode = r.read_rules()["modes"][settings.mode]
    told = []
    if mode["needs"]:
        told.append(
            "Food, drink and energy sink with time; at 0 health sinks, and without health an agent falls. Cows feed, "
            "water quenches thirst, sleep restores energy."
        )
    if mode["enemies"]:
        told.append("Zombies on grass, more of them at night, and skeletons in caves hurt agents, worst while asleep.")
    return told


def _length(settings: CrafterSettings) -> str:
    ends = " It ends as soon as an agent holds a diamond." if settings.goal == "diamond" else ""
    return f"The episode lasts at most {settings.max_steps} steps.{ends}"
