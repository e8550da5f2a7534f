"""What a topology is: whom an agent reaches, and who has the floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

PATIENCE = 3
"""Rounds an agent waits for somebody's word before it decides alone."""


class Floor(Protocol):
    """What a topology may look at when it gives the floor.

    Attributes:
        reasoning: Agents in stage R that are free to be asked, in order.
        thinking: Whether any agent's decision is still under way.
    """

    reasoning: Sequence[int]
    thinking: bool

    def unread(self, agent: int) -> int:
        """Return how many delivered messages an agent has not handled."""

    def spoken(self, agent: int) -> int:
        """Return how many decisions an agent has made since it began to reason."""

    def waited(self, agent: int) -> int:
        """Return for how many rounds an agent has been reasoning."""


class Topology(Protocol):
    """Who may talk to whom, and a speaking protocol.

    Three further methods are optional. `move(cells)` is called before each step's thinking with the `[row, col]` of
    every agent, for topologies that depend on where agents are. `superior(agent)` says who directs an agent, itself
    if it is at the top, and `reports(agent)` whom it directs; without them the leader directs everybody.

    Attributes:
        name: Registered name.
        leader: Index of the leader, -1 if there is none.
    """

    name: str
    leader: int

    def rounds(self, n_agents: int) -> int:
        """Return how many rounds a whole session of the team takes."""

    def reachable(self, sender: int) -> Sequence[int]:
        """Return whom an agent may send messages to, in order; cheap for any team size."""

    def turns(self, floor: Floor) -> list[int]:
        """Return which of the reasoning agents decide in this round, in order."""
