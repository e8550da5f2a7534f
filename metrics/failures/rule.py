"""What a failure rule is: a deterministic look through a trace for one way in which teams fail.

Rules have permanent ids and a version as a set. A rule says how often it could have hit (its opportunities) and keeps
the evidence of every hit, so that rates of long and short episodes compare and every hit can be looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.trace import Trace

RULE_SET = "failure-rules-1"

Severity: TypeAlias = Literal["F", "W"]
"""Failure (goal out of reach, or credit lost) or warning (risk or waste)."""

Fidelity: TypeAlias = Literal["equivalent", "proxy"]
"""Whether a rule is what its DIG pattern or MAST modes define, or something observable that stands for it."""


@dataclass(frozen=True)
class Hit:
    """One incident.

    Attributes:
        agents: Agents it concerns, in order; empty for the team as a whole.
        start, end: Environment steps from and to which it lasted, as the trace counts them (`t`).
        evidence: `seq` of the events that show it.
        task: Task it is about, empty if none.
        note: What happened, in a few words, without agent names.
    """

    agents: tuple[int, ...]
    start: int
    end: int
    evidence: tuple[int, ...] = ()
    task: str = ""
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """What a rule found in one trace.

    Attributes:
        hits: Incidents in order; overlapping ones of the same agents and task are one.
        opportunities: How often it could have hit; None if the rule does not apply to this episode.
    """

    hits: tuple[Hit, ...]
    opportunities: int | None

    @property
    def applies(self) -> bool:
        """Whether the rule applies to the episode at all."""
        return self.opportunities is not None


NOT_APPLICABLE = Finding((), None)


@dataclass(frozen=True)
class Rule:
    """One failure rule.

    Attributes:
        id: Permanent id, such as `E2`.
        name: Short name.
        severity: `F` or `W`.
        says: The rule in one sentence.
        opportunity: What one opportunity is.
        find: Looks through a trace.
        dig: Pattern of the interaction graph it corresponds to (ET, MC, OE, DL, ER, CLA, RSP), empty if none.
        mast: MAST modes (arXiv 2503.13657) it corresponds to.
        families: Constraint families it is about: S spatial, T temporal, N participation, P dependency.
        fidelity: How it relates to them.
    """

    id: str
    name: str
    severity: Severity
    says: str
    opportunity: str
    find: Callable[[Trace, Thresholds], Finding]
    dig: str = ""
    mast: tuple[str, ...] = ()
    families: str = ""
    fidelity: Fidelity = "proxy"


def merged(hits: Iterable[Hit], gap: int = 1) -> tuple[Hit, ...]:
    """Return hits in order of time, those of the same agents and task that overlap or nearly do made one.

    Args:
        hits: Hits of one rule.
        gap: Environment steps between two hits that still count as one incident.
    """
    found: dict[tuple[tuple[int, ...], str], list[Hit]] = {}
    for hit in sorted(hits, key=lambda hit: (hit.start, hit.end, hit.agents, hit.task)):
        same = found.setdefault((hit.agents, hit.task), [])
        if same and hit.start <= same[-1].end + gap:
            last = same[-1]
            evidence = tuple(dict.fromkeys((*last.evidence, *hit.evidence)))
            same[-1] = Hit(last.agents, last.start, max(last.end, hit.end), evidence, last.task, last.note)
        else:
            same.append(hit)
    every = [hit for same in found.values() for hit in same]
    return tuple(sorted(every, key=lambda hit: (hit.start, hit.end, hit.agents, hit.task)))
