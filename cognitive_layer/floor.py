"""Who reasons, who has been told what and who has spoken: what topologies look at to give the floor."""

from __future__ import annotations

from collections.abc import Sequence

from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.stages import R


class Floor:
    """What the topology looks at to give the floor in one round; see `topologies.Floor`."""

    def __init__(self, seats: Sequence[Seat], now: int) -> None:
        self._seats = seats
        self._now = now
        mine = [seat for seat in seats if seat.planner is not None and seat.stage is R]
        self.reasoning: Sequence[int] = [seat.index for seat in mine if seat.asked is None]
        self.thinking = len(self.reasoning) < len(mine)

    def unread(self, agent: int) -> int:
        """Return how many delivered messages an agent has not handled."""
        return len(self._seats[agent].unread)

    def spoken(self, agent: int) -> int:
        """Return how many decisions an agent has made since it began to reason."""
        return self._seats[agent].spoken

    def waited(self, agent: int) -> int:
        """Return for how many rounds an agent has been reasoning."""
        return self._now - self._seats[agent].reasoning_since
