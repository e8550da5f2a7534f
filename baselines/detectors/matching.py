"""Compares what a rule found with what it had to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from emcoop.baselines.detectors.truths import Truth
from emcoop.metrics.failures.rule import Hit, Rule
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.trace import Trace
from emcoop.trace.schema import Step

TIMED = 4
"""Incidents per episode whose delay of detection is measured, at most; each takes a look at several prefixes."""


@dataclass
class Tally:
    """Counts of one rule against one kind of fault; they add up over episodes.

    Attributes:
        truths, found: Incidents that had to be found, and those that some hit matches.
        hits, right: Hits, and those that match an incident.
        agents: Agents of an episode that are in an incident and a hit, in an incident only, in a hit only.
        steps: The same of its steps.
        delays: Steps from when faults took effect until their incidents were found.
        episodes: Episodes looked at, those without a fault included.
    """

    truths: int = 0
    found: int = 0
    hits: int = 0
    right: int = 0
    agents: tuple[int, int, int] = (0, 0, 0)
    steps: tuple[int, int, int] = (0, 0, 0)
    delays: list[int] = field(default_factory=list)
    episodes: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return the counts of both."""
        return Tally(
            self.truths + other.truths, self.found + other.found, self.hits + other.hits, self.right + other.right,
            _sum(self.agents, other.agents), _sum(self.steps, other.steps), self.delays + other.delays,
            self.episodes + other.episodes,
        )  # fmt: skip

    def as_counts(self) -> tuple[int, int, int]:
        """Return incidents found, incidents missed and wrong hits; the F1 of these takes merged incidents apart."""
        return self.found, self.truths - self.found, self.hits - self.right


def _sum(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def is_match(hit: Hit, truth: Truth) -> bool:
    """Say whether a hit is about an incident: it names all its agents and overlaps it in time."""
    return truth.agents.issubset(hit.agents) and hit.start <= truth.end and truth.start <= hit.end


def match(hits: Sequence[Hit], truths: Sequence[Truth]) -> Tally:
    """Count what was found and what was not; several incidents may be one hit, where a rule merges them."""
    found = sum(any(is_match(hit, truth) for hit in hits) for truth in truths)
    right = sum(any(is_match(hit, truth) for truth in truths) for hit in hits)
    return Tally(
        len(truths), found, len(hits), right,
        _overlap({i for truth in truths for i in truth.agents}, {i for hit in hits for i in hit.agents}),
        _overlap(_steps(truths), _steps(hits)), episodes=1,
    )  # fmt: skip


def _steps(incidents: Sequence[Hit] | Sequence[Truth]) -> set[int]:
    return {t for one in incidents for t in range(one.start, one.end + 1)}


def _overlap(true: set[int], said: set[int]) -> tuple[int, int, int]:
    return len(true & said), len(true - said), len(said - true)


def delays(rule: Rule, trace: Trace, truths: Sequence[Truth], thresholds: Thresholds) -> list[int]:
    """Return how many steps after their faults took effect the first incidents were found.

    A rule is shown the log up to the end of ever other steps, to find the first at which it has a matching hit.
    """
    ends = [(event.t, place) for place, event in enumerate(trace.events) if isinstance(event, Step)]
    known: dict[int, Sequence[Hit]] = {}

    def sees(k: int, truth: Truth) -> bool:
        if k not in known:
            known[k] = rule.find(Trace(trace.events[: ends[k][1] + 1]), thresholds).hits
        return any(is_match(hit, truth) for hit in known[k])

    found = []
    for truth in truths[:TIMED]:
        low, high = 0, len(ends) - 1
        if not sees(high, truth):
            continue
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if sees(middle, truth) else (middle + 1, high)
        found.append(max(0, ends[low][0] - truth.since))
    return found
