"""Working memory of MA-Crafter's step, and the log of its events.

Scratch belongs to the caller, one per thread. Between steps `claims` is clean: what a step touched it undoes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emcoop.envs.kernels import part
from emcoop.envs.ma_crafter.settings import CrafterSettings
from emcoop.envs.ma_crafter.world import MOBS_PER_CHUNK, IntArray, n_chunks

# Rows of `Scratch.by_agent`.
ACTS, TARGET, TARGET_Y, TARGET_X, NEXT, SERVED, HURT_BY, HEALTH_BEFORE, NEXT_IN_CHUNK, HAS_EVENT, WANTED = range(11)
BY_AGENT = 11
# Rows of `Scratch.chunks`: first agent + 1 in the chunk, whether creatures in it act, creatures by kind.
FIRST_AGENT, ACTIVE, N_ZOMBIES, N_SKELETONS, N_ARROWS, N_COWS = range(6)

# An event is a header of these fields, then its agents; what the numbers mean depends on the kind.
EVENT, N_AGENTS, FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH = range(8)
HEADER = 8
POINTS_FIELD = SIXTH - FIRST
"""Where a `collect` keeps its points among the numbers of its record."""
LOG_EVENTS, LOG_USED, LOG_HEAD = range(3)
LOG_PER_AGENT = 160

KINDS = (
    "collect", "insufficient_quorum", "over_participation", "full_bag", "missing_tool", "drink", "sapling", "eat",
    "attack", "defeat", "make", "craft_failed", "place", "place_failed", "share", "share_failed", "cell_race", "hurt",
    "death", "revive", "loot", "wake_up",
)  # fmt: skip
"""What can happen in a step, in the order of the kernel's codes."""
(
    COLLECT, TOO_FEW, TOO_MANY, FULL_BAG, MISSING_TOOL, DRANK, SAPLING_FOUND, ATE, ATTACKED, DEFEATED, MADE,
    CRAFT_FAILED, PLACED, PLACE_FAILED, SHARED, SHARE_FAILED, RACE, HURT, DIED, REVIVED, LOOTED, WOKE,
) = range(22)  # fmt: skip
CRAFT_REASONS = ("no_station", "insufficient_quorum", "missing_ingredient")
PLACE_REASONS = ("missing_ingredient", "no_station", "blocked", "race")
CAUSES = ("lava", "creature", "needs")


class Scratch(NamedTuple):
    """Working memory of one thread, and the events of the environment it stepped last.

    Attributes:
        by_agent: `(11, n)` int32.
        claims: `(R, C)` int32: who has a cell as target.
        chunks: `(6, chunk rows * chunk columns)` int32.
        log: `(capacity,)` int32, the events.
    """

    by_agent: IntArray
    claims: IntArray
    chunks: IntArray
    log: IntArray


def make_scratch(settings: CrafterSettings) -> Scratch:
    """Allocate scratch for a world of these settings."""
    n, pad = settings.n_agents, settings.pad
    chunk_rows, chunk_cols = n_chunks(settings)
    count = chunk_rows * chunk_cols
    return Scratch(
        np.zeros((BY_AGENT, n), np.int32),
        np.zeros((settings.area[0] + 2 * pad, settings.area[1] + 2 * pad), np.int32),
        np.zeros((6, count), np.int32),
        np.zeros(LOG_HEAD + LOG_PER_AGENT * n + 2 * HEADER * MOBS_PER_CHUNK * count, np.int32),
    )


@part
def add_event(s: Scratch, kind: int, a: int, b: int, c: int, d: int, e: int, f: int) -> int:
    """Append an event without agents yet; return where it is."""
    at = s.log[LOG_USED]
    s.log[at + EVENT] = kind
    s.log[at + N_AGENTS] = 0
    s.log[at + FIRST] = a
    s.log[at + SECOND] = b
    s.log[at + THIRD] = c
    s.log[at + FOURTH] = d
    s.log[at + FIFTH] = e
    s.log[at + SIXTH] = f
    s.log[LOG_USED] = at + HEADER
    s.log[LOG_EVENTS] += 1
    return int(at)


@part
def add_agent(s: Scratch, event: int, i: int) -> None:
    """Add an agent to the event appended last."""
    s.log[s.log[LOG_USED]] = i
    s.log[LOG_USED] += 1
    s.log[event + N_AGENTS] += 1
    s.by_agent[HAS_EVENT, i] = 1


@part
def note(s: Scratch, kind: int, i: int, a: int, b: int, c: int) -> None:
    """Append an event of one agent."""
    add_agent(s, add_event(s, kind, a, b, c, 0, 0, 0), i)


@part
def begin_log(s: Scratch) -> None:
    """Empty the log."""
    s.log[LOG_EVENTS] = 0
    s.log[LOG_USED] = LOG_HEAD
    s.by_agent[HAS_EVENT, :] = 0
