"""What an agent remembers: facts it was told, bounded, newest kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

MOST_FACTS = 4096


class Remembered(NamedTuple):
    """A fact in memory: its value, the step it was observed at, and who said it."""

    value: Any
    step: int
    source: int


class Memory:
    """Facts by key; a newer observation replaces an older one.

    Attributes:
        facts: Key -> what is remembered.
    """

    def __init__(self) -> None:
        self.facts: dict[str, Remembered] = {}

    def learn(self, facts: Mapping[str, Any], source: int) -> None:
        """Take in the facts of a message, each with `value` and `step`."""
        for key, fact in facts.items():
            known = self.facts.get(key)
            if known is None or fact.step >= known.step:
                if known is not None:
                    del self.facts[key]
                self.facts[key] = Remembered(fact.value, fact.step, source)
        while len(self.facts) > MOST_FACTS:
            del self.facts[next(iter(self.facts))]
