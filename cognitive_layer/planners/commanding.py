"""The chain of command: what an agent between its superior and its reports passes up and down."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from emcoop.cognitive_layer.plan import Fact, Message

SPOKEN = frozenset({"free", "crew", "order", "orders", "task", "doing", "standing", "recall"})
"""Names of the facts that make up the talk itself; all others are about the world, and worth passing on."""


class Chain:
    """What one agent knows of those below it.

    Attributes:
        via: Agent further below -> the report through whom it is reached.
    """

    def __init__(self, reports: Collection[int]) -> None:
        self._reports = frozenset(reports)
        self.via: dict[int, int] = {}
        self._fresh: set[int] = set()
        self._ordered: dict[int, str] = {}
        self._doing: dict[int, str] = {}
        self._news: dict[str, Fact] = {}

    def hear(self, message: Message, n_agents: int) -> list[int]:
        """Take in what a report says; return who below is free now."""
        if message.sender not in self._reports:
            return []
        said = {key: fact.value for key, fact in message.facts.items()}
        free = [i for i in _agents(said.get("crew"), n_agents) if i not in self._reports]
        self.via.update(dict.fromkeys(free, message.sender))
        if "free" in said:
            free.append(message.sender)
        self._fresh.update(free)
        doing = tasks_of(said.get("doing"), n_agents)
        if message.kind in ("ack", "commit") and isinstance(said.get("task"), str):
            doing[message.sender] = said["task"]
        self._doing.update({i: task for i, task in doing.items() if self._ordered.get(i) != task})
        self._news.update({key: fact for key, fact in message.facts.items() if key not in SPOKEN})
        return free

    def has_fresh(self) -> bool:
        """Say whether somebody below is free of whom the superior does not know yet."""
        return bool(self._fresh)

    def pass_up(self) -> tuple[dict[str, Any], dict[str, Fact]]:
        """Return what the superior has to know (`crew`, `doing`), and the facts about the world heard from below."""
        said: dict[str, Any] = {}
        if self._fresh:
            said["crew"] = sorted(self._fresh)
        if self._doing:
            said["doing"] = {str(i): task for i, task in sorted(self._doing.items())}
        news = self._news
        self._fresh, self._doing, self._news = set(), {}, {}
        return said, news

    def pass_down(self, orders: Mapping[int, str]) -> dict[int, dict[int, str]]:
        """Return which report gets which orders, for itself and for those below it."""
        by_report: dict[int, dict[int, str]] = {}
        for agent, task in sorted(orders.items()):
            by_report.setdefault(self.via.get(agent, agent), {})[agent] = task
        self._ordered.update(orders)
        self._fresh.difference_update(orders)
        return dict(sorted(by_report.items()))


def tasks_of(value: Any, n_agents: int) -> dict[int, str]:
    """Return agent -> task as a message tells it; what is malformed is left out."""
    if not isinstance(value, Mapping):
        return {}
    known = {str(i): i for i in range(n_agents)} if value else {}
    return {known[i]: task for i, task in value.items() if i in known and isinstance(task, str)}


def _agents(value: Any, n_agents: int) -> list[int]:
    given = value if isinstance(value, (list, tuple)) else ()
    return [i for i in given if type(i) is int and 0 <= i < n_agents]
