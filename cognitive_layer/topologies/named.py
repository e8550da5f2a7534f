"""Topologies in which all are alike: nobody talks, all talk in turn, all talk at once."""

from __future__ import annotations

from collections.abc import Sequence

from emcoop.cognitive_layer.topologies.contract import Floor


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
