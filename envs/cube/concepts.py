"""CUBE's action concepts: the table of what plans may say."""

from __future__ import annotations

from emcoop.envs.cube.tasks import FACES
from emcoop.envs.embodiment import Argument, Concept

DIRECTIONS = ("up", "down", "left", "right")
MOST_STEPS = 10_000

_INDEX = {"type": "integer", "minimum": 0}
_STEPS = {"type": "integer", "minimum": 1, "maximum": MOST_STEPS}
_CELL = {"type": "array", "items": _INDEX, "minItems": 2, "maxItems": 2}

_BLOCK = Argument(_INDEX, "index of the block")
_FACE = Argument({"type": "string", "enum": list(FACES)}, "face to stand at; pushing the left face moves it right")
_COUNT = Argument({"type": "integer", "minimum": 1}, "number of agents that have to be there")


def _timeout(default: int) -> Argument:
    return Argument(_STEPS, "steps after which to give up", default)


CONCEPTS = {
    concept.name: concept
    for concept in (
        Concept(
            "move",
            "Move `steps` cells in a direction; fails with `blocked` when the way stays blocked.",
            {
                "direction": Argument({"type": "string", "enum": list(DIRECTIONS)}, "which way"),
                "steps": Argument(_STEPS, "how many cells", 1),
            },
        ),
        Concept(
            "navigate",
            "Go to a cell `[row, col]`, next to an agent (its index), or to the goal column (`goal`); fails with "
            "`no_path` or `timeout`.",
            {
                "target": Argument(
                    {"anyOf": [_CELL, _INDEX, {"type": "string", "enum": ["goal"]}]}, "cell, agent index or `goal`"
                ),
                "timeout": _timeout(200),
            },
        ),
        Concept(
            "move_to_block",
            "Go to a place in line on a face of a block; fails with `face_full`, `no_path`, `block_gone` or `timeout`.",
            {"block": _BLOCK, "face": _FACE, "timeout": _timeout(200)},
        ),
        Concept(
            "rendezvous",
            "Hold a place in line on a face until `count` agents hold one there, then all go on in the same step; "
            "fails with `timeout`, `not_aligned` or `block_gone`.",
            {"block": _BLOCK, "face": _FACE, "count": _COUNT, "timeout": _timeout(50)},
        ),
        Concept(
            "push",
            "Push a face until the block has moved `steps` cells or is delivered; fails with `insufficient_force`, "
            "`blocked_destination`, `not_in_contact`, `block_gone` or `timeout`.",
            {"block": _BLOCK, "face": _FACE, "steps": Argument(_STEPS, "how many cells"), "timeout": _timeout(400)},
        ),
        Concept(
            "yield_face",
            "Step back from a face by `steps` cells so that others fit; fails with `blocked`.",
            {"block": _BLOCK, "face": _FACE, "steps": Argument(_STEPS, "how many cells", 2)},
        ),
        Concept("wait", "Stay for `steps` steps.", {"steps": Argument(_STEPS, "how many steps", 1)}),
        Concept(
            "wait_agents",
            "Stay until `count` agents wait like this, then all go on in the same step; fails with `timeout`.",
            {"count": _COUNT, "timeout": _timeout(50)},
        ),
    )
}
