"""The world step by step: agents from the trace, everything else from its actions carried out again.

A trace has no terrain. So the registered environment is built again, the recorded joint actions are carried out, and
what changes in its snapshots is kept; every state is compared with the hash in the trace. Where that cannot be done,
agents are drawn alone, and `note` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emcoop.registration import make_embodiment
from emcoop.trace import Trace
from emcoop.trace.schema import Capability, Step, World
from emcoop.viewer.channels import Channels

Watch = Callable[[int, int], None]
"""Called with the number of steps done and of all steps."""


@dataclass
class Film:
    """What there is to draw.

    Attributes:
        kind: `cube`, `ma_crafter` or `agents` (nothing but agents).
        verified: Number of states that came out as recorded, that after reset included.
        until: Last step for which more than agents is known, -1 if there is none.
        note: Why something is missing, empty if nothing is.
        facts: What stays the same: `rows`, `cols`, names, weights.
        channels: What changes.
    """

    kind: str = "agents"
    verified: int = 0
    until: int = -1
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    channels: Channels = field(default_factory=Channels)

    def packed(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {"kind": self.kind, "until": self.until, **self.facts, "channels": self.channels.packed()}


def film(trace: Trace, watch: Watch | None = None) -> Film:
    """Return the world of an episode step by step.

    Args:
        trace: The trace, complete or not.
        watch: Told how far it is.
    """
    found = Film()
    _carry_out(trace, found, watch)
    _follow_agents(trace, found)
    if found.until < 0:
        found.kind = "agents"
    if "items" not in found.facts:
        _count_items(trace, found)
    return found


def _carry_out(trace: Trace, found: Film, watch: Watch | None) -> None:
    episode, steps = trace.episode, trace.of(Step)
    t = 0
    try:
        world = make_embodiment(
            episode.env_id, n_agents=episode.n_agents, max_steps=episode.max_steps, **episode.env_kwargs
        )
        world.reset(episode.seed, episode.options)
        for t, step in enumerate(steps):
            if t:
                world.step(step.actions)
            if world.state_hash() != step.state_hash:
                found.note = (
                    f"carried out again, the episode differs from the trace at step {t}; {_ALONE} from there on"
                )
                return
            found.verified += 1
            _keep(world.env, found, t)
            if watch is not None:
                watch(t, len(steps) - 1)
    except Exception as error:  # environments of others, with settings and actions of strangers
        found.note = (
            f"the episode cannot be carried out again at step {t} ({_first_line(error)}); {_ALONE} from there on"
        )


_ALONE = "only the agents are drawn as recorded"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _keep(env: Any, found: Film, t: int) -> None:
    """Keep what changed in a snapshot, if it is one that can be drawn."""
    snapshot = env.snapshot() if callable(getattr(env, "snapshot", None)) else {}
    for kind, (needed, facts, values) in _DRAWABLE.items():
        if needed <= set(snapshot):
            if t == 0:
                found.kind, found.facts = kind, facts(env, snapshot)
            found.channels.record(t, values(snapshot))
            found.until = t
            return
    found.note = "this environment shows nothing that can be drawn but its agents"


def _cube_facts(env: Any, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    side = int(env.settings.grid_size)
    return {"rows": side, "cols": side, "weights": snapshot["block_weights"].tolist()}


def _cube_values(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    return {"blocks": snapshot["block_positions"], "delivered": snapshot["delivered"]}


def _crafter_facts(env: Any, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    rows, cols = snapshot["materials"].shape
    return {
        "rows": rows,
        "cols": cols,
        "materials": [*snapshot["material_names"], "ripe plant"],
        "mobs": list(snapshot["mob_names"]),
        "items": list(snapshot["item_names"]),
        "vitals": list(snapshot["vital_names"]),
    }


def _crafter_values(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    alive, down = snapshot["alive"], snapshot["down"]
    ripe = len(snapshot["material_names"])
    return {
        "status": np.where(alive, 0, np.where(down, 1, 2)),
        "facing": snapshot["facing"],
        "asleep": snapshot["sleeping"],
        "vitals": snapshot["vitals"],
        "items": snapshot["inventory"],
        "materials": np.where(snapshot["ripe"], ripe, snapshot["materials"]),
        "mobs": snapshot["mobs"][:, [0, 1, 2, 4]],
        "light": [round(100 * snapshot["daylight"])],
        "points": [round(snapshot["team_score"])],
    }


_DRAWABLE: dict[str, tuple[set[str], Callable[..., dict[str, Any]], Callable[..., dict[str, Any]]]] = {
    "cube": ({"block_positions", "block_weights", "delivered"}, _cube_facts, _cube_values),
    "ma_crafter": ({"materials", "material_names", "mobs", "inventory"}, _crafter_facts, _crafter_values),
}
"""Kinds of snapshots by what is in them, what stays the same in them and what changes."""


def _follow_agents(trace: Trace, found: Film) -> None:
    cells = np.full((trace.episode.n_agents, 2), -1)
    moves: dict[int, list[World]] = {}
    for record in trace.of(World):
        moves.setdefault(record.t, []).append(record)
    rows, cols = int(found.facts.get("rows", 1)), int(found.facts.get("cols", 1))
    for t in range(len(trace.of(Step)) or 1):
        for record in moves.get(t, ()):
            for agent, to in zip(record.agents, record.to):
                cells[agent] = [min(max(int(x), -1), MOST_CELLS) for x in (*to, -1, -1)[:2]]
        found.channels.record(t, {"agents": cells})
        rows, cols = max(rows, int(cells[:, 0].max()) + 1), max(cols, int(cells[:, 1].max()) + 1)
    found.facts |= {"rows": rows, "cols": cols}


MOST_CELLS = 100_000
"""Rows and columns beyond this are no place that could be drawn."""


def _count_items(trace: Trace, found: Film) -> None:
    """Where no snapshot tells what agents carry, count what the trace says they gained and lost."""
    records = trace.of(Capability)
    names = sorted({record.item for record in records})[:50]
    if not names:
        return
    places = {name: k for k, name in enumerate(names)}
    held = np.zeros((trace.episode.n_agents, len(names)), dtype=np.int64)
    waiting = iter([*records, None])
    record = next(waiting)
    for t in range(len(trace.of(Step)) or 1):
        while record is not None and record.t <= t:
            if record.item in places:
                held[record.agent, places[record.item]] += max(min(record.delta, 10**6), -(10**6))
            record = next(waiting)
        found.channels.record(t, {"items": held})
    found.facts["items"] = names
