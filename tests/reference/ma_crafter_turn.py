"""One step of MA-Crafter while it is being played: what agents do, what happened to them, and the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ma_crafter_state import Event, State


@dataclass
class Turn:
    """What the phases of one step hand on to each other.

    Attributes:
        state: The state, changed from phase to phase.
        doing: Name of the action of each agent that acts.
        registers: Recipient, item and quantity of each agent that shares with a register.
        events: What happened so far.
        causes: What first took health from each agent that lost any.
    """

    state: State
    doing: dict[int, str] = field(default_factory=dict)
    registers: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    causes: dict[int, str] = field(default_factory=dict)

    def who_do(self, action: str) -> list[int]:
        """Return the agents with an action, by index."""
        return sorted(i for i, name in self.doing.items() if name == action)

    def tell(self, kind: str, agents: Sequence[int], **about: Any) -> None:
        """Add an event."""
        order = list(agents) if kind == "share" else sorted(agents)
        self.events.append({"kind": kind, "agents": order, **about})

    def gain(self, i: int, item: str) -> None:
        """Put an item into a bag; it is lost if it does not fit."""
        bag = self.state.agents[i].bag
        if bag[item] < self.state.preset["bag_limit"]:
            bag[item] += 1
        else:
            self.tell("full_bag", [i], item=item)

    def wound(self, i: int, amount: int, cause: str) -> None:
        """Take health from an agent."""
        agent = self.state.agents[i]
        agent.health = max(0, agent.health - amount)
        self.causes.setdefault(i, cause)
