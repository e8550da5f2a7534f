"""Topologies with a leader: everybody below it, in squads, or in a tree."""

from __future__ import annotations

from collections.abc import Sequence

from emcoop.cognitive_layer.topologies.contract import PATIENCE, Floor
from emcoop.cognitive_layer.topologies.options import member, whole


class Hierarchy:
    """Reports go up, directions come down, then everybody plans.

    Args:
        name: Registered name.
        superiors: Who directs each agent; the leader directs itself.
        peers: Whom each agent may talk to beside its superior and its reports.
        extra_rounds: Rounds that peers need for themselves.
    """

    def __init__(
        self, name: str, superiors: Sequence[int], peers: Sequence[Sequence[int]] = (), extra_rounds: int = 0
    ) -> None:
        self.name = name
        self._superiors = tuple(superiors)
        self.leader = next(agent for agent, above in enumerate(superiors) if agent == above)
        reports: list[list[int]] = [[] for _ in superiors]
        for agent, above in enumerate(superiors):
            if agent != above:
                reports[above].append(agent)
        self._reports = tuple(tuple(below) for below in reports)
        self._reachable = tuple(
            tuple(sorted({*self._above(agent), *below, *(peers[agent] if peers else ())}))
            for agent, below in enumerate(self._reports)
        )
        there_and_back = 2 * max(self._levels(), 1) + 1
        self._rounds = there_and_back + extra_rounds
        self._patience = max(PATIENCE, there_and_back)

    def _above(self, agent: int) -> tuple[int, ...]:
        return () if agent == self.leader else (self._superiors[agent],)

    def _levels(self) -> int:
        """Return how many levels there are below the leader."""
        level, below = 0, self._reports[self.leader]
        while below:
            level, below = level + 1, tuple(agent for above in below for agent in self._reports[above])
        return level

    def rounds(self, n_agents: int) -> int:
        """Reports up, level by level, directions down in the same way, and plans."""
        return self._rounds

    def reachable(self, sender: int) -> Sequence[int]:
        """Return the superior, the peers and the reports of an agent."""
        return self._reachable[sender]

    def superior(self, agent: int) -> int:
        """Return who directs an agent."""
        return self._superiors[agent]

    def reports(self, agent: int) -> Sequence[int]:
        """Return whom an agent directs."""
        return self._reports[agent]

    def turns(self, floor: Floor) -> list[int]:
        """Each as soon as all who report to it have spoken, and again when told something; the leader until it plans.

        Who has waited as long as reports and directions take is called too, so that nobody waits for ever.
        """
        reasoning = frozenset(floor.reasoning)
        return [agent for agent in floor.reasoning if self._has_the_floor(floor, agent, reasoning)]

    def _has_the_floor(self, floor: Floor, agent: int, reasoning: frozenset[int]) -> bool:
        if floor.waited(agent) >= self._patience:
            return True
        if floor.spoken(agent) and agent != self.leader:
            return floor.unread(agent) > 0
        return all(floor.spoken(below) for below in self._reports[agent] if below in reasoning)


def centralized(n_agents: int, leader: int = 0) -> Hierarchy:
    """Followers report to a leader, the leader directs, followers acknowledge and plan.

    Args:
        n_agents: Team size.
        leader: Index of the leader.
    """
    return Hierarchy("centralized", [member("leader", leader, n_agents)] * n_agents)


def hybrid(n_agents: int, leader: int = 0, peers: int = 2) -> Hierarchy:
    """A leader directs, and its followers also talk to a limited number of peers: squads of `peers` + 1.

    Args:
        n_agents: Team size.
        leader: Index of the leader.
        peers: Other followers that a follower may talk to.
    """
    leader, peers = member("leader", leader, n_agents), whole("peers", peers, 0)
    followers = [agent for agent in range(n_agents) if agent != leader]
    mates: list[Sequence[int]] = [()] * n_agents
    for first in range(0, len(followers), peers + 1):
        squad = followers[first : first + peers + 1]
        for agent in squad:
            mates[agent] = [mate for mate in squad if mate != agent]
    return Hierarchy("hybrid", [leader] * n_agents, mates, extra_rounds=1 if peers else 0)


def tree(n_agents: int, b: int = 2, leader: int = 0) -> Hierarchy:
    """A hierarchy: everybody directs up to `b` others and reports to the one above, up to the leader.

    Args:
        n_agents: Team size.
        b: How many an agent directs at most.
        leader: Index of the leader; all others follow in order, level by level.
    """
    leader, b = member("leader", leader, n_agents), whole("b", b, 1)
    order = [leader, *(agent for agent in range(n_agents) if agent != leader)]
    superiors = [leader] * n_agents
    for place, agent in enumerate(order[1:], 1):
        superiors[agent] = order[(place - 1) // b]
    return Hierarchy("tree", superiors)
