"""What primitives and events of the dynamics mean, world by world.

This is the only place where metrics name them. A world without an entry has no vocabulary; the metrics that need one
are then NaN, all others work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Step

Happening: TypeAlias = Mapping[str, Any]
"""One event of a step record."""

PUSHES = frozenset(["push", "blocked_destination", "insufficient_force", "contested_push"])
"""CUBE: pushes, successful or not."""
FACES = {"up": "bottom", "down": "top", "left": "right", "right": "left"}
"""CUBE: the face that agents stand at to push in a direction."""


@dataclass(frozen=True)
class Vocabulary:
    """What metrics have to know of a world's primitives and events.

    Attributes:
        moves: Primitives that move an agent, and by how many rows and columns.
        primitives: Number of primitives; larger integers are the last one, with a register (such as `share`).
        blocked: Events that say why an agent that wanted to move is where it was (a race, of all but its winner).
        joint: Events of agents that push or pull together; their primitives are no walking.
        productive: Events that change the world towards a task; of a `share`, the first agent is who gave.
        vain: Events that say of their agents that an action came to nothing, or that tell of something done to them.
        tasks: Names the tasks that the agents of an event worked on together, whether it helped or not.
    """

    moves: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    primitives: int = 0
    blocked: frozenset[str] = frozenset()
    joint: frozenset[str] = frozenset()
    productive: frozenset[str] = frozenset()
    vain: frozenset[str] = frozenset()
    tasks: Callable[[Happening], list[str]] = lambda event: []

    def plain(self, action: int) -> int:
        """Return a primitive without its register: who gets a share is no part of what an agent does."""
        return min(action, self.primitives - 1) if self.primitives else action


def _pushed(event: Happening) -> list[str]:
    """Return the faces that a line of agents pushed in CUBE: `block3/left`."""
    if kind_of(event) not in PUSHES:
        return []
    blocks = event.get("blocks", [event.get("block")])
    face = FACES.get(str(event.get("direction")))
    return [f"block{block}/{face}" for block in blocks] if face and isinstance(blocks, list) else []


def _worked(event: Happening) -> list[str]:
    """Return what agents harvested or made in MA-Crafter, or tried to: `iron@12,30`, `make_iron_pickaxe`."""
    kind = kind_of(event)
    if kind in ("collect", "insufficient_quorum", "over_participation"):
        return [f"{event.get('resource')}@{event.get('row')},{event.get('col')}"]
    if kind == "make" or (kind == "craft_failed" and event.get("reason") != "no_station"):
        return [f"make_{event.get('item')}"]
    return []


WORLDS = {
    "Cube": Vocabulary(
        moves={1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)},
        primitives=5,
        blocked=frozenset(["collision", "cell_race"]),
        joint=PUSHES,
        productive=frozenset(["push"]),
        vain=frozenset(["blocked_destination", "insufficient_force", "contested_push", "cell_race", "collision"]),
        tasks=_pushed,
    ),
    "MACrafter": Vocabulary(
        moves={1: (0, -1), 2: (0, 1), 3: (-1, 0), 4: (1, 0)},
        primitives=18,
        blocked=frozenset(["cell_race"]),
        productive=frozenset(["collect", "make", "place", "share"]),
        vain=frozenset(["cell_race", "insufficient_quorum", "over_participation", "full_bag", "missing_tool", "hurt"])
        | frozenset(["craft_failed", "place_failed", "share_failed"]),
        tasks=_worked,
    ),
}
"""Vocabularies by the beginning of the environment's id."""

NONE = Vocabulary()


def vocabulary(trace: Trace) -> Vocabulary:
    """Return the vocabulary of the world a trace comes from, an empty one for a world that has none."""
    env_id = trace.episode.env_id
    return next((known for name, known in WORLDS.items() if env_id.startswith(name)), NONE)


def kind_of(event: Happening) -> str:
    """Return the kind of an event."""
    return str(event.get("kind", ""))


def agents_in(event: Happening) -> list[int]:
    """Return the agents an event names, in its order; none if it names them in no readable way."""
    agents = event.get("agents")
    return [agent for agent in agents if isinstance(agent, int)] if isinstance(agents, list) else []


def producers(event: Happening, words: Vocabulary) -> list[int]:
    """Return the agents whose action in this event was productive; see `Vocabulary.productive`."""
    kind = kind_of(event)
    return agents_in(event)[: 1 if kind == "share" else None] if kind in words.productive else []


@per_trace
def key_actions(trace: Trace) -> dict[str, list[tuple[int, frozenset[int]]]]:
    """Return per task who worked on it when, whether it helped or not: `(t, agents)` in order of time.

    `t` counts as in constraint records: the steps taken before the action. Empty for a world without a vocabulary.
    """
    words = vocabulary(trace)
    found: dict[str, list[tuple[int, frozenset[int]]]] = {}
    for step in trace.of(Step):
        for event in step.events:
            for task in words.tasks(event):
                found.setdefault(task, []).append((step.t - 1, frozenset(agents_in(event))))
    return found
