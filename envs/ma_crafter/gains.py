"""What agents gained and lost in a step, and by what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.world import IntArray

CAUSES = {"collect": "collect", "sapling": "collect", "make": "craft", "place": "use", "loot": "loot"}
"""Kinds of events by what they are to the bags of their agents; an agent takes part in one of them a step."""


def capability_changes(
    difference: IntArray, changed: Iterable[int], events: Iterable[Mapping[str, Any]]
) -> list[tuple[int, str, int, str]]:
    """Return `(agent, item, delta, cause)`, what was shared apart from the rest, by agent and item.

    Args:
        difference: `(n, 12)`, every bag after the step less the bag before it.
        changed: Agents whose bag may differ.
        events: Events of the step, agents as indices.
    """
    shared: Counter[tuple[int, int]] = Counter()
    causes: dict[int, str] = {}
    for event in events:
        if event["kind"] == "share":
            item, (giver, recipient) = r.ITEMS.index(event["item"]), event["agents"]
            shared[giver, item] -= event["quantity"]
            shared[recipient, item] += event["quantity"]
        elif event["kind"] in CAUSES:
            causes.update(dict.fromkeys([*event["agents"], event.get("body", -1)], CAUSES[event["kind"]]))
    found = []
    for agent in sorted({*changed, *(agent for agent, _ in shared)}):
        for item, total in enumerate(difference[agent].tolist()):
            by_share = shared[agent, item]
            own = [(total - by_share, causes.get(agent, "use")), (by_share, "share")]
            found += [(agent, r.ITEMS[item], delta, cause) for delta, cause in own if delta]
    return found
