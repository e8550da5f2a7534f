"""Where every agent was after each step, put together from the delta-coded `world` records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Step, World

FARTHEST = 1 << 20
"""Rows and columns are smaller than this; a cell beyond it is no cell."""
ROW_STEP = 4 * FARTHEST
"""What one row is worth in a cell as one number."""


@dataclass(frozen=True)
class Tracks:
    """The ways of the agents that had a cell when the episode began.

    Attributes:
        agents: Their indices, ascending.
        cells: `(steps + 1, agents, 2)`, row and column after each step, the first after reset.
        moves: `(steps, agents, 2)`, by how much each moved in each step.
        codes: `(steps + 1, agents)`, the cells as one number each: `row * ROW_STEP + col`.
    """

    agents: list[int]
    cells: NDArray[np.int64]
    moves: NDArray[np.int64]
    codes: NDArray[np.int64]


@per_trace
def tracks(trace: Trace) -> Tracks:
    """Return where every agent was after each step record.

    An agent without a cell before the first step record is left out; a cell that makes no sense changes nothing.
    """
    where: dict[int, list[int]] = {}
    agents: list[int] = []
    frames: list[list[list[int]]] = []
    for event in trace.events:
        if isinstance(event, World):
            where.update((agent, cell) for agent, cell in zip(event.agents, event.to) if _is_cell(cell))
        elif isinstance(event, Step):
            if not frames:
                agents = sorted(where)
            frames.append([where[agent] for agent in agents])
    cells = np.array(frames, np.int64).reshape(len(frames), len(agents), 2)
    return Tracks(agents, cells, np.diff(cells, axis=0), cells @ np.array((ROW_STEP, 1)))


def _is_cell(cell: list[int]) -> bool:
    return len(cell) == 2 and all(-FARTHEST < number < FARTHEST for number in cell)
