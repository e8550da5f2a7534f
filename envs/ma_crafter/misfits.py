"""What speaks against a plan before anybody moves: places and agents there are not, tools and items one will lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from emcoop.envs.embodiment import ActionCall
from emcoop.envs.ma_crafter import rules as r

WHERE = ("target", "agent")
"""Arguments that name a cell or an agent."""
MEETINGS = ("wait", "noop", "regroup")
"""Concepts during which others may come."""


def misfits(
    rules: NDArray[Any], bag: Mapping[str, int], n_agents: int, area: tuple[int, int], calls: Sequence[ActionCall]
) -> Iterator[str]:
    """Yield what is wrong with the calls of a plan, in order.

    The bag is followed through the plan as if every call ended well, so a tool may be made first and used then, but
    only up to the first call in which others may come and give something. What takes several agents may be paid for by
    another one and is let through.

    Args:
        rules: Table of rules, see `rules`.
        bag: Items the agent has.
        n_agents: Team size.
        area: Rows and columns of the map.
        calls: The plan; its arguments fit their schemas.
    """
    have, alone = Counter(bag), True
    for k, call in enumerate(calls, 1):
        for name in WHERE:
            if place := _nowhere(call.args.get(name), n_agents, area):
                yield f"call {k}, {call.concept}: {place}"
        alone = alone and call.concept not in MEETINGS
        needs, uses, gives = _exchange(rules, call)
        missing = {item: need - have[item] for item, need in needs.items() if have[item] < need}
        if alone and missing:
            lacking = ", ".join(f"{count} more {item}" for item, count in missing.items())
            yield f"call {k}, {call.concept}: it takes {lacking} than you have then"
        have.subtract(uses)
        have.update(gives)


def _nowhere(target: Any, n_agents: int, area: tuple[int, int]) -> str:
    if isinstance(target, int) and target >= n_agents:
        return f"there is no agent {target}; agents are 0 to {n_agents - 1}"
    if isinstance(target, (list, tuple)) and not (target[0] < area[0] and target[1] < area[1]):
        return f"cell {list(target)} is not on the map of {area[0]} rows and {area[1]} columns"
    return ""


def _exchange(rules: NDArray[Any], call: ActionCall) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Return what a call takes to be there, what it uses up and what it gives, item -> amount."""
    args = call.args
    if call.concept == "collect" and args["resource"] in r.MATERIALS:
        material = r.MATERIALS.index(args["resource"])
        tool = int(rules[r.TOOL + material])
        return ({} if tool < 0 else {r.ITEMS[tool]: 1}), {}, {r.ITEMS[int(rules[r.GIVES + material])]: 1}
    if call.concept == "collect":
        return {}, {}, {"sapling": 1}
    if call.concept == "craft":
        tool = r.TOOLS.index(args["item"])
        uses = _row(rules, r.MAKE_USES + tool * r.N_ITEMS)
        return (uses if rules[r.CRAFT_QUORUM + tool] == 1 else {}), uses, {args["item"]: 1}
    if call.concept == "place":
        uses = _row(rules, r.PLACE_USES + r.PLACEABLE.index(args["object"]) * r.N_ITEMS)
        return uses, uses, {}
    if call.concept == "share":
        given = {args["item"]: args.get("quantity", 1)}
        return given, given, {}
    return {}, {}, {}


def _row(rules: NDArray[Any], start: int) -> dict[str, int]:
    return {item: int(rules[start + k]) for k, item in enumerate(r.ITEMS) if rules[start + k]}
