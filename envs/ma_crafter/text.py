"""MA-Crafter in words, for planners that read. Nothing here runs unless a planner asks for text."""

from __future__ import annotations

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.creatures import DAY, DAYLIGHT
from emcoop.envs.ma_crafter.manual import cost
from emcoop.envs.ma_crafter.view import CrafterView

MOST_LISTED = 12
"""Agents listed at most; the rest is counted."""
PER_KIND = 3
"""Cells of a kind listed at most."""
SIGHTS = ("tree", "stone", "coal", "iron", "diamond", "water", "lava", "table", "furnace", "plant")
CREATURES = dict(zip(w.MOBS, "zk*c"))
"""How creatures are drawn in the window; materials are `rules.LETTERS`, agents digits or `A`."""


def describe(view: CrafterView) -> str:
    """Return a view as text: oneself, the window, what is remembered, teammates, what counts and what things cost.

    The tasks are not listed: planners that read get them from `View.tasks`, with more than words say here.
    """
    if not view.is_alive:
        return f"Step {view.step}. You are agent {view.me} and have fallen."
    parts = [_self(view), _window(view), _remembered(view), _team(view), _harvest(view), _costs(view)]
    return "\n".join(part for part in parts if part)


def _self(view: CrafterView) -> str:
    rows, cols = view.world.settings.area
    own, most = view.own, int(view.world.rules[r.MOST])
    needs = ", ".join(f"{name} {own[w.HEALTH + k]}/{most}" for k, name in enumerate(w.VITALS))
    bag = ", ".join(f"{count} {item}" for item, count in view.bag.items() if count) or "nothing"
    asleep = " You are asleep." if own[w.ASLEEP] else ""
    light = f" Daylight {DAYLIGHT[view.step % DAY]}%." if view.world.rules[r.NIGHT] else ""
    return (
        f"Step {view.step}. Map {rows} x {cols}, (row, col) from the top left. You are agent {view.me} of "
        f"{view.n_agents} at {view.position}, facing {r.DIRECTIONS[own[w.FACING]]}.{asleep}\n"
        f"You have {needs}. Bag: {bag}.{light}"
    )


def _window(view: CrafterView) -> str:
    """Draw what is seen now."""
    cols, rows = view.world.settings.view
    (row, col), pad = view.position, view.world.pad
    top, left = row - rows // 2, col - cols // 2
    seen = view.known.grid(view.me)[top + pad : top + pad + rows, left + pad : left + pad + cols]
    drawn = [[r.LETTERS[m] for m in line] for line in seen.tolist()]
    for kind in range(len(w.MOBS)):
        for v, u in view.known.creatures(view.me, kind):
            if 0 <= v - top < rows and 0 <= u - left < cols:
                drawn[v - top][u - left] = CREATURES[w.MOBS[kind]]
    for i, (v, u) in _seen_agents(view).items():
        if 0 <= v - top < rows and 0 <= u - left < cols:
            drawn[v - top][u - left] = str(i) if i < 10 else "A"
    lines = "\n".join(f"{top + k:>3} {''.join(line)}" for k, line in enumerate(drawn))
    return (
        f"You see rows {top} to {top + rows - 1} (numbered), columns {left} to {left + cols - 1} (. grass, ~ water, "
        "S stone, # path, _ sand, T tree, L lava, C coal, I iron, D diamond, B table, F furnace, p plant, c cow, "
        f"z zombie, k skeleton, * arrow, digits agents):\n{lines}"
    )


def _seen_agents(view: CrafterView) -> dict[int, tuple[int, int]]:
    team = view.team
    now = (team[:, s.SEEN_STEP] == view.step) & (team[:, s.SEEN_STATUS] == w.ALIVE)
    return {int(i): (int(team[i, s.SEEN_ROW]), int(team[i, s.SEEN_COL])) for i in now.nonzero()[0]}


def _remembered(view: CrafterView) -> str:
    lines = []
    for name in SIGHTS:
        found = view.nearest(name, PER_KIND)
        if found:
            places = ", ".join(f"({row}, {col}) in {steps} steps" for steps, row, col in found)
            lines.append(f"- {name}: {places}")
    return "Nearest you know of:\n" + "\n".join(lines) if lines else ""


def _team(view: CrafterView) -> str:
    team, lines = view.team, []
    for i in range(view.n_agents):
        row, col, step, tier, kit, status = team[i].tolist()
        if i == view.me or step < 0:
            continue
        tool = f"a {r.TOOLS[tier - 1].replace('_', ' ')}" if tier else "no pickaxe"
        when = "now" if step == view.step else f"at step {step}"
        state = "" if status == w.ALIVE else ", fallen"
        more = ", all it takes for an iron pickaxe" if kit == s.WHOLE_KIT else ""
        lines.append(f"- agent {i} at ({row}, {col}) {when}{state}, with {tool}{more}")
    if not lines:
        return ""
    rest = f"\n- and {len(lines) - MOST_LISTED} more" if len(lines) > MOST_LISTED else ""
    return "Teammates:\n" + "\n".join(lines[:MOST_LISTED]) + rest


def _harvest(view: CrafterView) -> str:
    """Say what still scores: agents it takes, points, and how much of it the team has."""
    told = [
        f"{name} {view.harvested[name]}/{most} (takes {view.coop.quorum[name]}, {view.coop.points[name]:g} points)"
        for name, most in view.coop.demand.items()
    ]
    return f"Harvested by the team, of what counts: {', '.join(told)}."


def _costs(view: CrafterView) -> str:
    """Say what can be placed and made from what, and where."""
    preset = r.read_rules()["presets"][view.world.settings.preset]
    place = [f"place {name} ({cost(preset['place'][name])})" for name in r.PLACEABLE]
    make = [f"make {name} ({cost(preset['make'][name], view.coop.craft[name])})" for name in r.TOOLS]
    return f"You can {', '.join(place + make)}; of several agents that make something together one pays."
