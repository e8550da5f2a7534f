"""The records of a CUBE step as dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emcoop.envs.cube.scratch import (
    AGENT_AHEAD,
    BLOCKED,
    COLLISION,
    DELIVERED,
    DETAIL,
    EVENT_HEADER,
    HAVE,
    KIND,
    LOG_EVENTS,
    LOG_HEAD,
    LOG_USED,
    N_AGENTS,
    N_BLOCKS,
    NEED,
    NUMBER,
    PUSHED,
    RACE,
    Scratch,
)
from emcoop.envs.cube.settings import ACTIONS
from emcoop.envs.parallel_env import StepEvents

KINDS = (
    "push",
    "delivery",
    "blocked_destination",
    "insufficient_force",
    "contested_push",
    "cell_race",
    "collision",
)
"""What can happen in a step, in the order of the kernel's codes."""


class CubeEvents(StepEvents):
    """Events of one CUBE step.

    Every event has `kind` and `agents`. `push` adds `blocks`, `direction`, `have`, `need`; `delivery` adds `block`,
    `weight`; the failed pushes (`blocked_destination` with `by`, `insufficient_force`, `contested_push`) add `block`,
    `direction`, `have`, `need`; `cell_race` adds `winner`; `collision` adds `into`.
    """

    def __init__(self, names: Sequence[str], scratch: Scratch) -> None:
        super().__init__(names)
        self._log = scratch.log[: scratch.log[LOG_USED]].tobytes()

    def decode(self) -> list[dict[str, Any]]:
        """Return the events of the step, agents as sorted indices."""
        log: list[int] = np.frombuffer(self._log, np.int32).tolist()
        events, start = [], LOG_HEAD
        for _ in range(log[LOG_EVENTS]):
            members = start + EVENT_HEADER
            blocks = members + log[start + N_AGENTS]
            end = blocks + log[start + N_BLOCKS]
            events.append(_event(log[start:members], sorted(log[members:blocks]), sorted(log[blocks:end])))
            start = end
        return events


def _event(fields: list[int], agents: list[int], blocks: list[int]) -> dict[str, Any]:
    kind = fields[KIND]
    event: dict[str, Any] = {"kind": KINDS[kind], "agents": agents}
    if kind == RACE:
        return {**event, "winner": fields[NUMBER]}
    if kind == COLLISION:
        return {**event, "into": ("wall", "agent", "block")[fields[DETAIL]]}
    if kind == DELIVERED:
        return {**event, "block": blocks[0], "weight": fields[NEED]}
    if kind == PUSHED:
        event["blocks"] = blocks
    else:
        event["block"] = blocks[0]
    event.update(direction=ACTIONS[fields[NUMBER] + 1], have=fields[HAVE], need=fields[NEED])
    if kind == BLOCKED:
        event["by"] = "agent" if fields[DETAIL] == AGENT_AHEAD else "wall"
    return event
