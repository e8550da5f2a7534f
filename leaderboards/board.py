"""What the leaderboard shows: standings per suite, with intervals, badges and how each team cooperated.

Only what the verifier has recorded counts as verified, and only as long as metadata and table are those it looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emcoop.baselines.expansion import Unit, normalized
from emcoop.baselines.schema import Suite, label_of
from emcoop.baselines.suite import suite_hash
from emcoop.errors import EmCoopError
from emcoop.leaderboards.comparing import Cell, Disagreement, Duel, Key, cell_of, disagreements, duels, key_of
from emcoop.leaderboards.entries import Entry, read_entry
from emcoop.leaderboards.frozen import frozen_hashes, frozen_suite
from emcoop.leaderboards.metadata import Kind, Metadata
from emcoop.leaderboards.problems import Level, one_line, refused
from emcoop.leaderboards.verify import Submission, Verdict
from emcoop.metrics import ranking, statistics
from emcoop.metrics.ranking import Place
from emcoop.metrics.statistics import Estimate

RANKED_FROM = Level.L2
"""Level from which a submission is ranked."""
SHOWN_FROM = Level.L1
"""Level from which numbers and episodes are shown."""
PROCESS = (
    "participation_satisfaction",
    "spatial_satisfaction",
    "temporal_satisfaction",
    "dependency_satisfaction",
    "plan_coherence",
    "plan_stability",
    "decision_overhead",
    "messages_total",
)
"""Metrics shown beside the score; they never enter it."""


@dataclass(frozen=True)
class Example:
    """An episode to look at: `which` is `typical`, `best` or `worst` by its normalised score."""

    which: str
    unit: Unit
    score: float
    trace: Path


@dataclass(frozen=True)
class Standing:
    """One row of the board.

    Attributes:
        name: Name of the submission's folder.
        metadata: What it says of itself, verified as far as `badge` says.
        kind: `entry`, or for one of the project's own rows `reference` or `plumbing`.
        planner: Label of its planner.
        badge: Level it has passed, -1 if it is not verified (any more).
        verdict: The record of the verifier, None if there is none that holds.
        why: Why it is not ranked, empty if it is.
        place: Its rank with interval, None if it is not ranked.
        score: Normalised interquartile mean over the suite; NaN as everything below if it is not shown.
        raw: The environments' own score, mean over the suite.
        cells: Normalised interquartile mean per cell.
        process: Means of the metrics of `PROCESS`.
        examples: Episodes to look at, none if it holds no traces.
        duels: Comparison with every other ranked one by name; empty if it is not ranked.
    """

    name: str
    metadata: Metadata
    kind: Kind
    planner: str
    badge: int
    verdict: Verdict | None
    why: str
    place: Place | None
    score: Estimate
    raw: Estimate
    cells: dict[Cell, Estimate]
    process: dict[str, Estimate]
    examples: list[Example] = field(default_factory=list)
    duels: dict[str, Duel] = field(default_factory=dict)

    @property
    def is_shown(self) -> bool:
        """Whether its numbers are shown: its episodes have been carried out again, so that they are no mere claim."""
        return self.badge >= SHOWN_FROM


@dataclass(frozen=True)
class SuiteBoard:
    """The standings of one suite, the best first; those that are not ranked come last.

    Attributes:
        suite, digest: The frozen suite and its SHA-256.
        episodes: How many every submission holds.
        cells: Its cells, sorted.
        standings: The rows.
        disagreements: Pairs that the Kemeny consensus orders the other way than Borda.
        consensus_of: Ranked rows that the consensus was computed for, from the top.
    """

    suite: Suite
    digest: str
    episodes: int
    cells: list[Cell]
    standings: list[Standing]
    disagreements: list[Disagreement]
    consensus_of: int


@dataclass(frozen=True)
class Board:
    """All standings, and the folders that could not be read, with the reason."""

    suites: list[SuiteBoard]
    unreadable: dict[str, str]


def make_board(submissions: Sequence[Path], references: Sequence[Path] = ()) -> Board:
    """Read submissions and rank them, suite by suite.

    Args:
        submissions: Folders of submissions.
        references: Folders of the project's own rows.
    """
    unreadable: dict[str, str] = {}
    entries: dict[str, list[Entry]] = {name: [] for name in frozen_hashes()}
    taken: set[str] = set()
    for is_own, folders in ((True, references), (False, submissions)):
        for folder in folders:
            try:
                entry = read_entry(folder, is_own)
                if folder.name.lower() in taken:
                    raise refused("folder", folder.name, "another submission has this name; give it another slug")
                taken.add(folder.name.lower())
                entries[entry.submission.metadata.suite].append(entry)
            except EmCoopError as error:
                unreadable[one_line(folder.name)] = str(error)
            except Exception as error:  # whatever a stranger's file does, the others' rows stay on the board
                unreadable[one_line(folder.name)] = one_line(f"it cannot be read: {type(error).__name__}: {error}")
    boards = [make_suite_board(frozen_suite(name), found) for name, found in entries.items()]
    return Board(boards, dict(sorted(unreadable.items())))


def make_suite_board(suite: Suite, entries: Sequence[Entry]) -> SuiteBoard:
    """Rank the submissions of one suite.

    Ranks rest on raw scores, which need no common scale: systems are compared within cells only.

    Args:
        suite: The suite; its references are the ends of the scale of normalised scores.
        entries: All submissions of it, in any order.
    """
    scored = [_scored(entry) for entry in sorted(entries, key=lambda entry: _name(entry.submission))]
    ranked = {_name(one.submission): one for one in scored if not one.why}
    raw = {name: one.raw for name, one in ranked.items()}
    places = {place.system: place for place in ranking.borda(raw)} if raw else {}
    against = duels(raw, {name: one.normalized for name, one in ranked.items()})
    standings = [_standing(one, places.get(_name(one.submission))) for one in scored]
    standings = [replace(one, duels=against.get(one.name, {})) for one in sorted(standings, key=_order)]
    top = [one.name for one in standings if one.place is not None][: ranking.MOST_EXACT]
    other = disagreements({name: raw[name] for name in top}, {name: places[name].rank for name in top})
    units = entries[0].submission.units if entries else []
    cells = sorted(set(map(cell_of, units)))
    return SuiteBoard(suite, suite_hash(suite), len(units), cells, standings, other, len(top))


@dataclass(frozen=True)
class _Scored:
    submission: Submission
    verdict: Verdict | None
    is_own: bool
    why: str
    raw: dict[Key, float]
    normalized: dict[Key, float]


def _name(submission: Submission) -> str:
    return submission.layout.folder.name


def _scored(entry: Entry) -> _Scored:
    submission = entry.submission
    units = {unit.id: unit for unit in submission.units}
    is_shown = _badge(entry.verdict) >= SHOWN_FROM
    score = {row.unit: row.metrics["score"] if is_shown else math.nan for row in submission.rows}
    raw = {key_of(units[name]): value for name, value in score.items()}
    scaled = {key_of(units[name]): normalized(units[name], value) for name, value in score.items()}
    return _Scored(submission, entry.verdict, entry.is_own, _why_unranked(entry), raw, scaled)


def _why_unranked(entry: Entry) -> str:
    verdict, submission = entry.verdict, entry.submission
    if submission.metadata.kind == "plumbing":
        return "a check of the plumbing: it shows that real models run, not how well they cooperate"
    if verdict is None:
        return "not verified"
    if verdict.level < RANKED_FROM:
        return f"verified up to {_level(verdict.level)} only{_first_reason(verdict)}"
    if verdict.problems:
        return f"it failed a level above {_level(verdict.level)}{_first_reason(verdict)}"
    return entry.barred


def _badge(verdict: Verdict | None) -> int:
    return -1 if verdict is None else verdict.level


def _level(level: int) -> str:
    return f"L{level}" if level >= 0 else "no level"


def _first_reason(verdict: Verdict) -> str:
    return f": {verdict.problems[0]}" if verdict.problems else ""


def _order(standing: Standing) -> tuple[Any, ...]:
    """Ranked ones by rank; then the project's own by score; then those that are not verified."""
    rank = standing.place.rank if standing.place is not None else math.inf
    value = next((e.value for e in (standing.score, standing.raw) if math.isfinite(e.value)), -math.inf)
    return rank, standing.badge < RANKED_FROM, -value, standing.name


def _standing(scored: _Scored, place: Place | None) -> Standing:
    submission, verdict = scored.submission, scored.verdict
    strata = [key[:-1] for key in scored.raw]
    by_cell: dict[Cell, list[float]] = {}
    for key, value in scored.normalized.items():
        by_cell.setdefault(key[:-1], []).append(value)
    units = {unit.id: unit for unit in submission.units}
    is_shown = _badge(verdict) >= SHOWN_FROM
    columns = {name: [row.metrics[name] if is_shown else math.nan for row in submission.rows] for name in PROCESS}
    metadata = submission.metadata
    return Standing(
        name=_name(submission),
        metadata=metadata,
        kind="reference" if scored.is_own and metadata.kind == "entry" else metadata.kind,
        planner=label_of(metadata.planner),
        badge=_badge(verdict),
        verdict=verdict,
        why=scored.why,
        place=place,
        score=statistics.interquartile_mean(list(scored.normalized.values()), strata),
        raw=statistics.mean(list(scored.raw.values()), strata),
        cells={cell: statistics.interquartile_mean(values) for cell, values in by_cell.items()},
        process=statistics.means(columns, [cell_of(units[row.unit]) for row in submission.rows]),
        examples=_examples(scored) if is_shown else [],
    )


def _examples(scored: _Scored) -> list[Example]:
    """Pick the episodes with the highest, the lowest and the middle score."""
    submission = scored.submission
    if submission.layout.actions is not None:
        return []
    scores = {}
    for unit in submission.units:
        key = key_of(unit)
        scores[unit.id] = value if math.isfinite(value := scored.normalized[key]) else scored.raw[key]
    order = sorted(submission.units, key=lambda unit: (scores[unit.id], unit.id))
    chosen = {"typical": order[len(order) // 2], "best": order[-1], "worst": order[0]}
    traces = submission.layout.traces
    return [Example(which, unit, scores[unit.id], traces[unit.id]) for which, unit in chosen.items()]
