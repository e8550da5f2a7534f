"""The records of an MA-Crafter step as dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.scratch import ATE as ATE_KIND
from emcoop.envs.ma_crafter.scratch import (
    ATTACKED,
    CAUSES,
    COLLECT,
    CRAFT_FAILED,
    CRAFT_REASONS,
    DEFEATED,
    DIED,
    DRANK,
    EVENT,
    FIRST,
    FULL_BAG,
    HEADER,
    HURT,
    KINDS,
    LOG_EVENTS,
    LOG_HEAD,
    LOG_USED,
    LOOTED,
    MADE,
    MISSING_TOOL,
    N_AGENTS,
    PLACE_FAILED,
    PLACE_REASONS,
    PLACED,
    POINTS_FIELD,
    RACE,
    REVIVED,
    SAPLING_FOUND,
    SHARE_FAILED,
    SHARED,
    TOO_FEW,
    TOO_MANY,
    WOKE,
    Scratch,
)
from emcoop.envs.ma_crafter.world import MOBS
from emcoop.envs.parallel_env import StepEvents

_NOTHING_MORE = (DRANK, SAPLING_FOUND, SHARE_FAILED, WOKE)
_RESOURCE_EVENTS = (COLLECT, TOO_FEW, TOO_MANY)


class CrafterEvents(StepEvents):
    """Events of one MA-Crafter step.

    Every event has `kind` and `agents`. `collect`, `insufficient_quorum` and `over_participation` add `resource`,
    `row`, `col`, `have`, `need` (`collect` also `points`); `missing_tool` adds `resource`, `row`, `col`; `full_bag`
    `item`; `eat` `what`; `attack` `what`, `row`, `col`, `health`; `defeat` `what`, `row`, `col`; `make` `item`, `have`,
    `need`; `craft_failed` also `reason`; `place` `item`, `row`, `col`; `place_failed` `item`, `reason`; `share` `item`,
    `quantity`, its agents being giver and recipient; `cell_race` `winner`; `hurt` `by`, `amount`; `death` `cause`;
    `revive` `revived`; `loot` `body`; `drink`, `sapling`, `share_failed` and `wake_up` add nothing.
    """

    def __init__(self, names: Sequence[str], scratch: Scratch) -> None:
        super().__init__(names)
        self._log = scratch.log[: scratch.log[LOG_USED]].tobytes()

    def decode(self) -> list[dict[str, Any]]:
        """Return the events of the step, agents as sorted indices (of a share: giver, recipient)."""
        log: list[int] = np.frombuffer(self._log, np.int32).tolist()
        events, start = [], LOG_HEAD
        for _ in range(log[LOG_EVENTS]):
            members = start + HEADER
            end = members + log[start + N_AGENTS]
            kind, agents = log[start + EVENT], log[members:end]
            event = {"kind": KINDS[kind], "agents": agents if kind == SHARED else sorted(agents)}
            event.update(_numbers(kind, log[start + FIRST : members]))
            events.append(event)
            start = end
        return events


def _numbers(kind: int, f: list[int]) -> dict[str, Any]:
    """Return what an event of a kind says, from the numbers of its record."""
    if kind in _NOTHING_MORE:
        return {}
    if kind in _RESOURCE_EVENTS:
        facts = {"resource": r.MATERIALS[f[0]], "row": f[1], "col": f[2], "have": f[3], "need": f[4]}
        return {**facts, "points": f[POINTS_FIELD] / r.POINT_SCALE} if kind == COLLECT else facts
    if kind == MISSING_TOOL:
        return {"resource": r.MATERIALS[f[0]], "row": f[1], "col": f[2]}
    if kind == FULL_BAG:
        return {"item": r.ITEMS[f[0]]}
    if kind == ATE_KIND:
        return {"what": ("cow", "plant")[f[0]]}
    if kind in (ATTACKED, DEFEATED):
        where = {"what": MOBS[f[0]], "row": f[1], "col": f[2]}
        return {**where, "health": f[3]} if kind == ATTACKED else where
    if kind == MADE:
        return {"item": r.ITEMS[f[0]], "have": f[1], "need": f[2]}
    if kind == CRAFT_FAILED:
        return {"item": r.ITEMS[f[0]], "have": f[1], "need": f[2], "reason": CRAFT_REASONS[f[3]]}
    if kind == PLACED:
        return {"item": r.PLACEABLE[f[0]], "row": f[1], "col": f[2]}
    if kind == PLACE_FAILED:
        return {"item": r.PLACEABLE[f[0]], "reason": PLACE_REASONS[f[1]]}
    return _numbers_about_agents(kind, f)


def _numbers_about_agents(kind: int, f: list[int]) -> dict[str, Any]:
    if kind == SHARED:
        return {"item": r.ITEMS[f[0]], "quantity": f[1]}
    if kind == RACE:
        return {"winner": f[0]}
    if kind == HURT:
        return {"by": MOBS[f[0]], "amount": f[1]}
    if kind == DIED:
        return {"cause": CAUSES[f[0]]}
    if kind == REVIVED:
        return {"revived": f[0]}
    return {"body": f[0]} if kind == LOOTED else {}
