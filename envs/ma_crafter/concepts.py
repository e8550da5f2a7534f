"""MA-Crafter's action concepts: the table of what plans may say."""

from __future__ import annotations

from emcoop.envs.embodiment import Argument, Concept
from emcoop.envs.ma_crafter import rules as r

MOST_STEPS = 10_000
RESOURCES = (*(r.MATERIALS[material] for material in r.RESOURCES), "sapling")
"""What can be collected: the resources, and saplings out of grass."""
SIGHTS = (*RESOURCES[:-1], "water", "table", "furnace")
"""What one can navigate to by its name."""
PREY = ("zombie", "skeleton", "cow")

_INDEX = {"type": "integer", "minimum": 0}
_STEPS = {"type": "integer", "minimum": 1, "maximum": MOST_STEPS}
_CELL = {"type": "array", "items": _INDEX, "minItems": 2, "maxItems": 2}
_DIRECTION = {"type": "string", "enum": list(r.DIRECTIONS)}

_LENGTH = Argument(_STEPS, "how many steps", 1)


def _one_of(names: tuple[str, ...], description: str) -> Argument:
    return Argument({"type": "string", "enum": list(names)}, description)


def _patience(what: str) -> Argument:
    return Argument(_STEPS, f"steps to wait {what} for enough others and to try before giving up", 40)


CONCEPTS = {
    concept.name: concept
    for concept in (
        Concept("noop", "Do nothing for `steps` steps.", {"steps": _LENGTH}),
        Concept(
            "move",
            "Move `steps` cells in a direction, never into lava; fails with `blocked` when the way stays blocked.",
            {"direction": Argument(_DIRECTION, "which way"), "steps": Argument(_STEPS, "how many cells", 1)},
        ),
        Concept(
            "navigate",
            "Go to the nearest known resource, water or station of a name, beside it, next to an agent (its index), or "
            "to a cell `[row, col]`, beside it if it is solid, digging through rock if need be; fails with "
            "`unknown_target`, `no_path`, `blocked` or `timeout`.",
            {
                "target": Argument(
                    {"anyOf": [_CELL, _INDEX, {"type": "string", "enum": list(SIGHTS)}]},
                    "cell, agent index or name of a resource, `water`, `table` or `furnace`",
                ),
                "timeout": Argument(_STEPS, "steps after which to give up", 64),
            },
        ),
        Concept(
            "collect",
            "Go to a resource, wait in place until as many agents are there as it takes, and harvest one unit together "
            "with them; fails with `missing_tool`, `unknown_target` (none known and no cell named), `target_gone`, "
            "`no_path`, `blocked` or `quorum_timeout` (`have`, `need`).",
            {
                "resource": _one_of(RESOURCES, "what to collect"),
                "target": Argument(_CELL, "cell of the resource; the nearest known one if left out", None),
                "patience": _patience("in place"),
            },
        ),
        Concept(
            "craft",
            "Go near a known station, wait until as many agents are there as it takes, and make a tool; fails with "
            "`no_station`, `missing_ingredient`, `no_path`, `blocked` or `quorum_timeout` (`have`, `need`).",
            {"item": _one_of(r.TOOLS, "what to make"), "patience": _patience("near the station")},
        ),
        Concept(
            "place",
            "Place something on a suitable cell beside the agent (a furnace near a known table); fails with "
            "`missing_ingredient`, `no_station`, `no_path`, `blocked` or `no_place`.",
            {"object": _one_of(r.PLACEABLE, "what to place")},
        ),
        Concept(
            "share",
            "Go to an agent and give it some of an item; fails with `missing_ingredient`, `unknown_target`, "
            "`target_gone`, `no_path` or `blocked` (its bag is full).",
            {
                "agent": Argument(_INDEX, "index of the recipient"),
                "item": _one_of(r.ITEMS, "what to give"),
                "quantity": Argument({"type": "integer", "minimum": 1, "maximum": r.MOST_SHARED}, "how much", 1),
            },
        ),
        Concept("drink", "Go to known water and drink until no longer thirsty; fails with `unknown_target`, `no_path` "
                "or `blocked`."),
        Concept("eat", "Go to a cow or ripe plant and have one meal; fails with `unknown_target`, `target_gone`, "
                "`no_path`, `blocked` or `timeout`."),
        Concept("sleep", "Sleep until awake again, rested or hurt."),
        Concept(
            "attack",
            "Chase the nearest creature of a kind in view and hit it until it is gone; fails with `unknown_target`, "
            "`target_gone`, `no_path`, `blocked` or `timeout`.",
            {"target": _one_of(PREY, "which kind")},
        ),
        Concept(
            "explore",
            "Go where the known map ends, and on, until an ore or station is discovered or the steps are over; fails "
            "with `unknown_target` (nothing left to explore), `no_path` or `blocked`.",
            {
                "direction": Argument(_DIRECTION, "which way; the agent's own choice if left out", None),
                "steps": Argument(_STEPS, "how many steps at most", 24),
            },
        ),
        Concept(
            "regroup",
            "Go within two cells of an agent (its index) or a cell and stay until `count` agents have come, then all "
            "go on in the same step; fails with `unknown_target`, `no_path`, `blocked` or `timeout`.",
            {
                "target": Argument({"anyOf": [_CELL, _INDEX]}, "cell or agent index"),
                "count": Argument({"type": "integer", "minimum": 1}, "number of agents that have to be there"),
                "timeout": Argument(_STEPS, "steps after which to give up", 64),
            },
        ),
        Concept("wait", "Stay for `steps` steps.", {"steps": _LENGTH}),
    )
}  # fmt: skip
"""Every concept but `wait` and `noop` also fails with `dead` once its agent has fallen, and pauses while it sleeps."""
