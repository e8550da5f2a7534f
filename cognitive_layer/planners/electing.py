"""Who organises whom among agents that hear only some of the others: a local election by messages and chance.

Everybody free says so, then says how many it has heard and draws a lot. Whoever hears of nobody better placed who is
still free organises those it hears; when it has, the next may. Nobody knows more than it was told, and no convention
such as "the smallest index goes first" stands in for agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emcoop.cognitive_layer.plan import Message

Standing = tuple[int, int]
"""How many free agents somebody hears, and its lot."""

LOTS = 10**6


class Election:
    """What one agent has heard in the current step of who is free, and who is placed best.

    Args:
        draw: Uniform numbers in [0, 1).

    Attributes:
        free: Others that are free, as far as heard.
        has_bid: Whether it has said that it is free itself.
        mine: Its own standing, once it has told it.
        order: The task it was last asked to do, None if nobody has.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._step = -1
        self._begin(-1)

    def _begin(self, step: int) -> None:
        self._step = step
        self.free: set[int] = set()
        self.has_bid = False
        self.mine: Standing | None = None
        self.order: str | None = None
        self._standings: dict[int, Standing] = {}
        self._order_by: Standing = (-1, -1)

    def hear(self, message: Message, step: int) -> None:
        """Take in a message read in a step; what was heard in earlier steps is over."""
        if step != self._step:
            self._begin(step)
        sender, said = message.sender, {key: fact.value for key, fact in message.facts.items()}
        if "free" in said:
            self.free.add(sender)
        if _is_standing(said.get("standing")):
            self._standings[sender] = (said["standing"][0], said["standing"][1])
        if message.kind == "commit":
            self.free.discard(sender)
        if isinstance(said.get("order"), str):
            by = self._standings.get(sender, (-1, -1))
            if self.order is None or by > self._order_by:
                self.order, self._order_by = said["order"], by

    def at(self, step: int) -> Election:
        """Return the election of a step."""
        if step != self._step:
            self._begin(step)
        return self

    def stand(self) -> list[int]:
        """Draw a lot and return the own standing, to be told to the others."""
        self.mine = len(self.free), min(int(self._draw() * LOTS), LOTS - 1)
        return list(self.mine)

    def is_led(self) -> bool:
        """Say whether somebody better placed is still free, who may organise this agent."""
        mine = self.mine or (-1, -1)
        return any(self._standings.get(other, (-1, -1)) > mine for other in self.free)


def _is_standing(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(type(number) is int for number in value)
