"""MA-Crafter's map as plain text."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

import numpy as np

from emcoop.envs.ma_crafter import rules as r

Snapshot = Mapping[str, Any]

RIPE_LETTER, DOWN_LETTER, GONE_LETTER, CROWD_LETTER = "P", "x", "+", "@"
MOB_LETTERS = ("z", "k", "^v<>", "c")
"""Zombie, skeleton, arrow by facing, cow."""
_TAKEN = {*r.LETTERS, RIPE_LETTER, DOWN_LETTER, *"".join(MOB_LETTERS)}
AGENT_LETTERS = string.digits + "".join(c for c in string.ascii_lowercase + string.ascii_uppercase if c not in _TAKEN)
TEXT_COLUMNS = 120
MOST_LISTED = 10
"""Agents whose health and bag are listed."""


def render_ansi(snapshot: Snapshot) -> str:
    """Draw the whole map as plain ASCII text, without colour codes.

    Agents are digits by index, then letters that stand for nothing else; `@` is any later agent. Maps wider than 120
    cells are shrunk by the whole factor stated below the header: a character then shows one of several cells, with an
    agent or creature among them on top, and `@` also stands for several agents.

    Args:
        snapshot: The state, what `env.snapshot()` returns; left as it is.
    """
    rows, cols = np.shape(snapshot["materials"])
    factor = -(-max(rows, cols) // TEXT_COLUMNS)
    canvas = _terrain(snapshot)[::factor, ::factor].copy()
    _write_bodies(canvas, snapshot, factor)
    _write_mobs(canvas, snapshot, factor)
    _write_agents(canvas, snapshot, factor)
    lines = [_header(snapshot), _legend(len(snapshot["agents"]))]
    if factor > 1:
        lines.append(f"1 character = {factor} x {factor} cells; @ also stands for several agents")
    lines += ["".join(row) for row in canvas]
    if len(snapshot["agents"]) <= MOST_LISTED:
        lines += [_agent_line(snapshot, i) for i in range(len(snapshot["agents"]))]
    return "\n".join(lines) + "\n"


def _header(snapshot: Snapshot) -> str:
    rows, cols = np.shape(snapshot["materials"])
    alive, n = int(np.sum(snapshot["alive"])), len(snapshot["agents"])
    return (
        f"MA-Crafter {rows} x {cols}, step {int(snapshot['step'])}, score {float(snapshot['team_score']):g}, "
        f"daylight {100 * float(snapshot['daylight']):.0f} %, agents alive {alive}/{n}"
    )


def _legend(n_agents: int) -> str:
    names = zip(r.LETTERS, r.MATERIALS, strict=True)
    materials = ", ".join(f"{letter} {name}" for letter, name in names if name != "outside")
    last = AGENT_LETTERS[min(n_agents, len(AGENT_LETTERS)) - 1]
    agents = f"agents 0 to {last} in the order of {AGENT_LETTERS[:14]}..." if n_agents > 10 else f"agents 0 to {last}"
    if n_agents == 1:
        agents = "agent 0"
    return f"{agents}; x fallen, + gone; {materials}, P ripe plant; z zombie, k skeleton, ^v<> arrow, c cow"


def _terrain(snapshot: Snapshot) -> Any:
    """Return the letters of materials and plants, `(rows, cols)` of one character each."""
    letters = np.array(list(r.LETTERS))[np.asarray(snapshot["materials"])]
    letters[np.asarray(snapshot["ripe"], np.bool_)] = RIPE_LETTER
    return letters


def _write_bodies(canvas: Any, snapshot: Snapshot, factor: int) -> None:
    cells = np.asarray(snapshot["agents"]) // factor
    alive, down = np.asarray(snapshot["alive"], np.bool_), np.asarray(snapshot["down"], np.bool_)
    canvas[tuple(cells[~alive & ~down].T)] = GONE_LETTER
    canvas[tuple(cells[~alive & down].T)] = DOWN_LETTER


def _write_mobs(canvas: Any, snapshot: Snapshot, factor: int) -> None:
    for kind, row, col, _, facing in np.asarray(snapshot["mobs"]).tolist():
        letters = MOB_LETTERS[kind]
        canvas[row // factor, col // factor] = letters[facing if len(letters) > 1 else 0]


def _write_agents(canvas: Any, snapshot: Snapshot, factor: int) -> None:
    cells = (np.asarray(snapshot["agents"]) // factor).tolist()
    crowds: dict[tuple[int, int], list[int]] = {}
    for index in np.flatnonzero(snapshot["alive"]).tolist():
        crowds.setdefault((cells[index][0], cells[index][1]), []).append(index)
    for cell, crowd in crowds.items():
        alone = len(crowd) == 1 and crowd[0] < len(AGENT_LETTERS)
        canvas[cell] = AGENT_LETTERS[crowd[0]] if alone else CROWD_LETTER


def _agent_line(snapshot: Snapshot, agent: int) -> str:
    """Return an agent's state, vital signs and bag in words."""
    state = "down" if snapshot["down"][agent] else "gone"
    if snapshot["alive"][agent]:
        state = "asleep" if snapshot["sleeping"][agent] else f"faces {r.DIRECTIONS[int(snapshot['facing'][agent])]}"
    vitals = zip(snapshot["vital_names"], np.asarray(snapshot["vitals"][agent]).tolist(), strict=True)
    items = zip(r.ITEMS, np.asarray(snapshot["inventory"][agent]).tolist(), strict=True)
    bag = ", ".join(f"{amount} {name}" for name, amount in items if amount) or "nothing"
    return f"{AGENT_LETTERS[agent]} {state}; {', '.join(f'{name} {value}' for name, value in vitals)}; bag: {bag}"
