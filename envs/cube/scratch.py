"""Working memory of CUBE's step: who pushes what, and the events of the last step.

A *push* is a code `4 * block + side`, `side` being 0 to 3 for up, down, left, right (action minus 1). Scratch
belongs to the caller, one per thread. Between steps it is clean: what a step touched it undoes, so that the cost
follows the number of pushes, not the size of the board.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.cube.world import IntArray
from emcoop.envs.navigation import DCOL as DCOL
from emcoop.envs.navigation import DROW as DROW

ActionArray = NDArray[np.uint8]

RIGHT = 3

# Rows of `Scratch.by_agent`. An agent that was moved by a line has `PUSH_OF` = MOVED.
PUSH_OF, NEXT_IN_LINE, HAS_EVENT = range(3)
NO_PUSH, MOVED = -1, -2
# Rows of `Scratch.by_push`, indexed by push code ...
FORCE, LINE, STATUS, OWN_FORCE, OWN_WEIGHT, GROUP, MEMBER_OF, GROUP_FORCE, GROUP_WEIGHT, CONTESTED = range(10)
# ... and rows that are lists of push codes, or indexed by block.
CODES, TOUCHED, QUEUE, IN_CLOSURE, FIRST_GROUP = range(10, 15)

# Status of a push after its own closure was tested.
ALONE_OK, ALONE_SHORT, WALL_AHEAD, AGENT_AHEAD = range(4)

# An event in `Scratch.log` is a header of these fields, then its agents, then its blocks.
KIND, N_AGENTS, N_BLOCKS, NUMBER, HAVE, NEED, DETAIL, EVENT_HEADER = range(8)
# The log itself starts with the number of events and the number of integers used, this head included.
LOG_EVENTS, LOG_USED, LOG_HEAD = range(3)
# Kinds, and what a collision ran into.
PUSHED, DELIVERED, BLOCKED, INSUFFICIENT, CONTEST, RACE, COLLISION = range(7)
INTO_WALL, INTO_AGENT, INTO_BLOCK = range(3)


class Scratch(NamedTuple):
    """Working memory of one thread, and the events of the environment it stepped last.

    Attributes:
        by_agent: `(3, n)` int32.
        by_push: `(15, 4 m)` int32.
        claims: `(side, side)` int32: who wants to enter a cell.
        log: `(capacity,)` int32, the events.
    """

    by_agent: IntArray
    by_push: IntArray
    claims: IntArray
    log: IntArray


def make_scratch(n: int, m: int, side: int) -> Scratch:
    """Allocate scratch for `n` agents, `m` blocks and a padded board of side `side`."""
    return Scratch(
        np.zeros((3, n), np.int32),
        np.zeros((15, max(4 * m, 1)), np.int32),
        np.zeros((side, side), np.int32),
        np.zeros(LOG_HEAD + EVENT_HEADER * (2 * n + 5 * m) + (m + 4) * n + 10 * m, np.int32),
    )
