"""Embodied radio: whom an agent reaches depends on where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emcoop.cognitive_layer.topologies.contract import Floor
from emcoop.cognitive_layer.topologies.options import whole


class Radio:
    """Everybody talks to those who are at most `r` cells away now, diagonals counting one; all at once.

    Args:
        n_agents: Team size.
        r: Cells that a message carries.
    """

    name = "range"
    leader = -1

    def __init__(self, n_agents: int, r: int = 8) -> None:
        self._n = n_agents
        self._r = whole("r", r, 0)
        self._reached: dict[int, tuple[int, ...]] = {}
        self._cells: Any = np.zeros((n_agents, 2))
        self._tree: Any = None

    def move(self, cells: Sequence[Sequence[int]]) -> None:
        """Take the `[row, col]` of every agent; distances are worked out when they are asked for."""
        self._cells = np.array(cells, float)
        self._tree = None
        self._reached = {}

    def rounds(self, n_agents: int) -> int:
        """Bids, an answer, plans."""
        return 3

    def reachable(self, sender: int) -> Sequence[int]:
        """Return who is near enough now."""
        known = self._reached.get(sender)
        if known is None:
            near = self._index().query_ball_point(self._cells[sender], self._r, p=np.inf, return_sorted=True)
            known = self._reached[sender] = tuple(agent for agent in near if agent != sender)
        return known

    def _index(self) -> Any:
        if self._tree is None:
            from scipy.spatial import cKDTree  # here: it takes a while to import, and few need it

            self._tree = cKDTree(self._cells)
        return self._tree

    def turns(self, floor: Floor) -> list[int]:
        """Everybody who needs a plan."""
        return list(floor.reasoning)
