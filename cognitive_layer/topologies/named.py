"""The named topologies: who may talk to whom, who speaks when, and in how many rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from emcoop.errors import ConfigError

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


class Individual:
    """Nobody talks; everybody plans at once."""

    name = "individual"
    leader = -1

    def __init__(self, n_agents: int) -> None:
        self._n = n_agents

    def rounds(self, n_agents: int) -> int:
        """One round: everybody plans."""
        return 1

    def reachable(self, sender: int) -> Sequence[int]:
        """Nobody."""
        return ()

    def turns(self, floor: Floor) -> list[int]:
        """Everybody who needs a plan."""
        return list(floor.reasoning)


class Centralized:
    """Followers report to a leader, the leader directs, followers acknowledge and plan.

    Args:
        n_agents: Team size.
        leader: Index of the leader.
    """

    name = "centralized"

    def __init__(self, n_agents: int, leader: int = 0) -> None:
        if isinstance(leader, bool) or not isinstance(leader, int) or not 0 <= leader < n_agents:
            raise ConfigError(f"leader={leader!r} does not fit: give an agent index from 0 to {n_agents - 1}")
        self.leader = leader
        self._followers = tuple(i for i in range(n_agents) if i != leader)

    def rounds(self, n_agents: int) -> int:
        """Reports, directives with the leader's own plan, acknowledgements with the followers' plans."""
        return 3

    def reachable(self, sender: int) -> Sequence[int]:
        """The leader reaches everybody, a follower the leader."""
        return self._followers if sender == self.leader else (self.leader,)

    def turns(self, floor: Floor) -> list[int]:
        """Followers at once and then when told something; the leader when all who reason have reported."""
        followers = [agent for agent in floor.reasoning if agent != self.leader]
        turns = [
            agent
            for agent in followers
            if floor.spoken(agent) == 0 or floor.unread(agent) or floor.waited(agent) >= PATIENCE
        ]
        reported = all(floor.spoken(agent) for agent in followers)
        if self.leader in floor.reasoning and (reported or floor.waited(self.leader) >= PATIENCE):
            turns.append(self.leader)
        return turns


class Debate:
    """A fixed order: each speaks in turn and is heard by all who come after (the paper's broadcast chain)."""

    name = "debate"
    leader = -1

    def __init__(self, n_agents: int) -> None:
        self._n = n_agents

    def rounds(self, n_agents: int) -> int:
        """One round per speaker."""
        return n_agents

    def reachable(self, sender: int) -> Sequence[int]:
        """Everybody later in the order."""
        return range(sender + 1, self._n)

    def turns(self, floor: Floor) -> list[int]:
        """The first in the order who has not planned yet."""
        return [] if floor.thinking else list(floor.reasoning[:1])


class Decentralized:
    """Everybody may talk to everybody, all at once, within the message budget."""

    name = "decentralized"
    leader = -1

    def __init__(self, n_agents: int) -> None:
        self._n = n_agents

    def rounds(self, n_agents: int) -> int:
        """Bids, an answer, plans."""
        return 3

    def reachable(self, sender: int) -> Sequence[int]:
        """Everybody else."""
        return [*range(sender), *range(sender + 1, self._n)]

    def turns(self, floor: Floor) -> list[int]:
        """Everybody who needs a plan."""
        return list(floor.reasoning)
