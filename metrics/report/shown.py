"""Tables as the page shows them: texts, every aggregate with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from emcoop.metrics.report import paired_runs, pairings
from emcoop.metrics.report.rows import AXES, BREAKDOWN, COSTS, FIRST_FAILING, MATCHED, SCALING, Results, records
from emcoop.metrics.report.style import NOT_APPLICABLE, Drawn, interval, p_value, percent
from emcoop.metrics.report.tables import gather
from emcoop.metrics.statistics import Estimate

MOST_ROWS = 600
"""Rows of one table on the page; its CSV file has all."""

Text = Callable[[dict[str, Any]], str]
Column = tuple[str, Text]


@dataclass(frozen=True)
class Shown:
    """A table as shown: texts only. Columns before `names` are text, the others numbers; `note` holds for all rows."""

    name: str
    summary: str
    note: str
    header: list[str]
    rows: list[list[str]]
    names: int
    total: int
    folded: bool


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    anchor: str
    title: str
    paragraphs: list[str] = field(default_factory=list)
    figures: list[tuple[Drawn, str]] = field(default_factory=list)
    tables: list[Shown] = field(default_factory=list)
    code: str = ""


@dataclass(frozen=True)
class Layout:
    """How a table is shown: what it is called, the columns that name its rows, those with numbers.

    Attributes:
        focus: Whether only rows of the planner and regime in focus are shown, as in the figure.
        folded: Whether it is shown on demand only.
    """

    summary: str
    names: list[tuple[str, str]]
    columns: list[Column]
    folded: bool = True
    focus: bool = False


def _plain(column: str) -> Text:
    return lambda row: str(row[column])


def _count(column: str) -> Text:
    return _plain(f"{column}_n")


@dataclass(frozen=True)
class _Estimated:
    """Text of one estimate of a row."""

    column: str
    write: Callable[[Estimate], str]

    def __call__(self, row: dict[str, Any]) -> str:
        return self.write(gather(self.column, row))


def _interval(column: str, digits: int = 3, signed: bool = False) -> Text:
    return _Estimated(column, lambda estimate: interval(estimate, digits, signed))


def _percent(column: str) -> Text:
    return _Estimated(column, percent)


def _most(columns: Sequence[str]) -> Text:
    return lambda row: str(max(int(row.get(f"{column}_n", 0)) for column in columns))


def _matched_label(column: str) -> str:
    one, _ = paired_runs.columns()[column]
    against = column.removeprefix(one.name).strip("_")
    return f"{one.symbol} against {against}" if against else f"{one.symbol} ({one.name.replace('_', ' ')})"


def _p(row: dict[str, Any]) -> str:
    return p_value(row["p_holm"]).removeprefix("= ") if math.isfinite(row["p_holm"]) else NOT_APPLICABLE


def _seen(row: dict[str, Any]) -> str:
    found = pairings.verdict(row)
    hint = "hint: better" if pairings.effect(row).value > 0 else "hint: worse"
    return {"unknown": "too few pairs", "same": "no difference seen", "hint": hint}.get(found, found)


_CELL = [
    ("environment", "env"),
    ("regime", "regime"),
    ("planner", "planner"),
    ("agents", "n_agents"),
    ("topology", "topology"),
]
_AGENTS = ("agents", "n_agents")
_WHERE = [("topology", "topology"), ("environment", "env")]
_WHO = [("regime", "regime"), ("planner", "planner"), ("topology", "topology")]
_EFFECT: list[Column] = [
    ("median difference", _interval("difference", signed=True)),
    ("mean difference", _interval("mean_difference", signed=True)),
    ("pairs", _count("difference")),
    ("equal", _plain("equal")),
    ("missing", lambda row: str(row["missing"] + row["dropped"])),
    ("p (Holm)", _p),
    ("rests on", _plain("statistic")),
    ("verdict", _seen),
]


_SETTING = [("environment", "env"), *_WHO]
_LAYOUTS: dict[str, Layout] = {
    "main": Layout(
        "All cells",
        _CELL,
        [
            ("episodes", lambda row: f"{row['completed']} / {row['seeds']}"),
            ("score", _interval("score")),
            ("progress AUC (IQM)", _interval("progress_auc_iqm")),
            ("steps to goal", _interval("steps_to_goal", digits=1)),
            ("reached goal", lambda row: f"{row['steps_to_goal_n']} / {row['completed']}"),
        ],
        folded=False,
    ),
    "topology_effect": Layout("Paired effects", [*_WHO, ("environment", "env")], _EFFECT, folded=False),
    "planners": Layout(
        "Paired differences between planners",
        [("planner", "planner"), ("than", "than"), ("paired on", "paired_on")],
        [*_EFFECT, ("P(better)", _interval("wins"))],
        folded=False,
    ),
    "planner_options": Layout(
        "Paired differences with and without an option",
        [("regime", "regime"), ("planner", "planner"), ("than", "than"), *_WHERE],
        _EFFECT,
        folded=False,
    ),
    "robustness": Layout(
        "Paired differences between conditions",
        [("regime", "regime"), ("condition", "condition"), ("than", "than"), ("planner", "planner"), *_WHERE],
        _EFFECT,
    ),
    "team_size": Layout(
        "Outcome by team size",
        [*_SETTING, _AGENTS],
        [("progress AUC (IQM)", _interval("progress_auc")), ("score", _interval("score")), ("n", _count("score"))],
    ),
    "scaling": Layout(
        "Score and effort by team size",
        [*_SETTING, _AGENTS],
        [*((label, _interval(column, digits=2)) for column, label in SCALING.items()), ("n", _count("score"))],
    ),
    "collaboration_axes": Layout(
        "The seven axes",
        [*_SETTING, _AGENTS],
        [*((label, _interval(axis, digits=2)) for axis, label in AXES.items()), ("n", _most(list(AXES)))],
    ),
    "process": Layout(
        "Overheads and messages",
        [*_WHO, _AGENTS],
        [
            ("decision overhead", _interval("decision_overhead")),
            ("wait overhead", _interval("wait_overhead")),
            ("messages", _interval("messages_total", digits=1)),
            ("collisions per 100", _interval("collisions_per_100", digits=2)),
            ("n", _count("decision_overhead")),
        ],
    ),
    "cost_frontier": Layout(
        "Score and what it took, per episode",
        _SETTING,
        [("score", _interval("score")), *((label, _interval(column, 1)) for column, label in COSTS.items()),
         ("n", _count("score"))],
    ),
    "first_failing": Layout(
        "First missing constraint, share of failed attempts",
        _WHO,
        [
            *((label, _percent(column)) for column, label in FIRST_FAILING.items()),
            ("episodes", _count("first_failing_participation")),
            ("failed attempts", _percent("failed_attempts")),
            ("joint requirement met", _percent("joint_satisfaction")),
            ("episodes", _count("joint_satisfaction")),
        ],
    ),
    "breakdown": Layout(
        "Failed attempts by level, share of all attempts",
        [*_SETTING, _AGENTS],
        [
            ("failed attempts", _percent("failed_attempts")),
            *((f"for want of {label}", _percent(column)) for column, label in BREAKDOWN.items()),
            ("score", _interval("score")),
            ("episodes", _count("failed_attempts")),
        ],
        focus=True,
    ),
    "failure_profile": Layout(
        "Hits per opportunity of every failure rule",
        [("rule", "rule"), ("name", "name"), ("severity", "severity"), ("environment", "env"), *_WHO],
        [("rate", _interval("rate", 4)), ("episodes with a hit", _percent("found")), ("episodes", _count("rate"))],
        focus=True,
    ),
    "matched_runs": Layout(
        "Metrics of matched runs",
        _SETTING,
        [*((_matched_label(column), _interval(column, 2)) for column in MATCHED), ("n at most", _most(MATCHED))],
    ),
    "other_metrics": Layout(
        "Metrics of other packages",
        [("metric", "metric"), *_SETTING],
        [("mean", _interval("value")), ("n", _count("value"))],
        folded=False,
    ),
    "status": Layout(
        "How episodes ended",
        [("planner", "planner")],
        [
            *((name.replace("_", " "), _plain(name)) for name in
              ("attempts", "completed", "agent_error", "infra_error", "other")),
            ("completed, %", _percent("completed_rate")),
            ("reached the goal, %", _percent("goal_rate")),
        ],
        folded=False,
    ),
    "missing": Layout(
        "Episodes without a result", [*_CELL, ("seed", "seed"), ("status", "status"), ("error", "error")], []
    ),
}  # fmt: skip


def table(name: str, frame: pd.DataFrame, results: Results) -> Shown:
    """Lay a table out for the page; it has no rows if there is nothing to show.

    Args:
        name: Of the table and its CSV file.
        frame: The table.
        results: For the planner and regime in focus.
    """
    layout = _LAYOUTS[name]
    if layout.focus and len(frame):
        frame = frame[(frame["planner"] == results.focus) & (frame["regime"] == results.regime)]
    if name == "missing":
        layout = replace(layout, folded=len(frame) > 20)
    columns = [(label, text) for label, text in layout.columns if not len(frame) or _known(text, frame)]
    return _shown(name, frame, replace(layout, columns=columns))


def _known(text: Text, frame: pd.DataFrame) -> bool:
    """Say whether a column can be filled from a table: costs and matched runs are left out where unknown."""
    return not isinstance(text, _Estimated) or text.column in frame


def _shown(name: str, frame: pd.DataFrame, layout: Layout) -> Shown:
    if {"env", "variant"} <= set(frame.columns):
        frame = frame.assign(env=(frame["env"] + " " + frame["variant"]).str.strip())
    # A name that is the same in all rows is said once, under the table; an empty one not at all.
    names = layout.names
    values = {column: list(dict.fromkeys(frame[column].astype(str))) for _, column in names} if len(frame) > 1 else {}
    constant = {column: found[0] for column, found in values.items() if len(found) == 1}
    note = [f"{label} {constant[column]}" for label, column in names if constant.get(column)]
    names = [(label, column) for label, column in names if column not in constant]
    rows = [
        [str(row[column]) for _, column in names] + [text(row) for _, text in layout.columns]
        for row in records(frame.head(MOST_ROWS))
    ]
    header = [label for label, _ in names] + [label for label, _ in layout.columns]
    return Shown(name, layout.summary, "; ".join(note), header, rows, len(names), len(frame), layout.folded)
