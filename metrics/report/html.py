"""The page: sections of sentences, figures and tables, rendered into one self-contained HTML file."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from emcoop.metrics.report.findings import Answer
from emcoop.metrics.report.rows import AXES, FIRST_FAILING, records
from emcoop.metrics.report.style import NOT_APPLICABLE, Drawn, interval, p_value, percent
from emcoop.metrics.report.tables import gather

MOST_ROWS = 600
"""Rows of one table on the page; its CSV file has all."""

Column = tuple[str, Callable[[dict[str, Any]], str]]


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


def render(title: str, facts: Sequence[str], answers: Sequence[Answer], sections: Sequence[Section]) -> str:
    """Render the page.

    Args:
        title: Heading.
        facts: Sentences under it: what was run.
        answers: The summary.
        sections: The rest; figures come with their SVG text.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"code": code, "data_uri": data_uri}
    source = files("emcoop.metrics.report").joinpath("report.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(title=title, facts=facts, answers=answers, sections=sections)


def code(text: str) -> Markup:
    """Escape a sentence and set what is in backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def data_uri(svg: str) -> str:
    """Pack an SVG image into an address that needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def main_table(frame: pd.DataFrame) -> Shown:
    """Show the outcomes of every cell."""
    columns = [
        ("episodes", lambda row: f"{row['completed']} / {row['seeds']}"),
        ("score", _interval("score")),
        ("progress AUC (IQM)", _interval("progress_auc_iqm")),
        ("steps to goal", _interval("steps_to_goal", digits=1)),
        ("reached goal", lambda row: f"{row['steps_to_goal_n']} / {row['completed']}"),
    ]
    return _shown("main", "All cells", frame, _CELL, columns, folded=False)


def effects_table(frame: pd.DataFrame) -> Shown:
    """Show the paired effects of topologies."""
    names = [("regime", "regime"), ("planner", "planner"), ("topology", "topology"), ("environment", "env")]
    return _shown("topology_effect", "Paired effects", frame, names, _EFFECT, folded=False)


def planners_table(frame: pd.DataFrame) -> Shown:
    """Show the paired differences between planners."""
    names = [("planner", "planner"), ("than", "than"), ("paired on", "paired_on")]
    columns = [*_EFFECT, ("P(better)", _interval("wins"))]
    return _shown("planners", "Paired differences", frame, names, columns, folded=False)


def team_size_table(frame: pd.DataFrame) -> Shown:
    """Show outcomes by team size."""
    columns = [
        ("progress AUC (IQM)", _interval("progress_auc")),
        ("score", _interval("score")),
        ("n", _count("score")),
    ]
    names = [("environment", "env"), *_WHO, ("agents", "n_agents")]
    return _shown("team_size", "Outcome by team size", frame, names, columns)


def axes_table(frame: pd.DataFrame) -> Shown:
    """Show the seven axes."""
    columns = [(label, _interval(axis, digits=2)) for axis, label in AXES.items()]
    columns.append(("n", lambda row: str(max(row[f"{axis}_n"] for axis in AXES))))
    names = [("environment", "env"), *_WHO, ("agents", "n_agents")]
    return _shown("collaboration_axes", "The seven axes", frame, names, columns)


def process_table(frame: pd.DataFrame) -> Shown:
    """Show overheads, messages and collisions."""
    columns = [
        ("decision overhead", _interval("decision_overhead")),
        ("wait overhead", _interval("wait_overhead")),
        ("messages", _interval("messages_total", digits=1)),
        ("collisions per 100", _interval("collisions_per_100", digits=2)),
        ("n", _count("decision_overhead")),
    ]
    return _shown("process", "Overheads and messages", frame, [*_WHO, ("agents", "n_agents")], columns)


def failures_table(frame: pd.DataFrame) -> Shown:
    """Show first-failing shares and attempts."""
    columns = [(label, _percent(column)) for column, label in FIRST_FAILING.items()]
    columns.append(("episodes", _count("first_failing_participation")))
    columns += [
        ("failed attempts", _percent("failed_attempts")),
        ("joint requirement met", _percent("joint_satisfaction")),
    ]
    columns.append(("episodes", _count("joint_satisfaction")))
    return _shown("first_failing", "First missing constraint, share of failed attempts", frame, _WHO, columns)


def status_table(frame: pd.DataFrame) -> Shown:
    """Show how episodes ended."""
    names = ("attempts", "completed", "agent_error", "infra_error", "other")
    columns: list[Column] = [(name.replace("_", " "), _plain(name)) for name in names]
    columns += [("completed, %", _percent("completed_rate")), ("reached the goal, %", _percent("goal_rate"))]
    return _shown("status", "How episodes ended", frame, [("planner", "planner")], columns, folded=False)


def missing_table(frame: pd.DataFrame) -> Shown:
    """Show the episodes without a result."""
    names = [*_CELL, ("seed", "seed"), ("status", "status"), ("error", "error")]
    return _shown("missing", "Episodes without a result", frame, names, [], folded=len(frame) > 20)


def _plain(column: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: str(row[column])


def _count(column: str) -> Callable[[dict[str, Any]], str]:
    return _plain(f"{column}_n")


def _interval(column: str, digits: int = 3, signed: bool = False) -> Callable[[dict[str, Any]], str]:
    return lambda row: interval(gather(column, row), digits, signed)


def _percent(column: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: percent(gather(column, row))


def _p(row: dict[str, Any]) -> str:
    return p_value(row["p_holm"]).removeprefix("= ") if math.isfinite(row["p_holm"]) else NOT_APPLICABLE


def _seen(row: dict[str, Any]) -> str:
    effect = gather("difference", row)
    if not math.isfinite(effect.low):
        return "too few pairs"
    return ("better" if effect.value > 0 else "worse") if effect.excludes() else "no difference seen"


_CELL = [
    ("environment", "env"),
    ("regime", "regime"),
    ("planner", "planner"),
    ("agents", "n_agents"),
    ("topology", "topology"),
]
_WHO = [("regime", "regime"), ("planner", "planner"), ("topology", "topology")]
_EFFECT: list[Column] = [
    ("median difference", _interval("difference", signed=True)),
    ("pairs", _count("difference")),
    ("missing", lambda row: str(row["missing"] + row["dropped"])),
    ("p (Holm)", _p),
    ("interval says", _seen),
]


def _shown(
    name: str,
    summary: str,
    frame: pd.DataFrame,
    names: Sequence[tuple[str, str]],
    columns: Sequence[Column],
    folded: bool = True,
) -> Shown:
    if {"env", "variant"} <= set(frame.columns):
        frame = frame.assign(env=(frame["env"] + " " + frame["variant"]).str.strip())
    # A name that is the same in all rows is said once, under the table; an empty one not at all.
    values = {column: list(dict.fromkeys(frame[column].astype(str))) for _, column in names} if len(frame) > 1 else {}
    constant = {column: found[0] for column, found in values.items() if len(found) == 1}
    note = [f"{label} {constant[column]}" for label, column in names if constant.get(column)]
    names = [(label, column) for label, column in names if column not in constant]
    rows = [
        [str(row[column]) for _, column in names] + [text(row) for _, text in columns]
        for row in records(frame.head(MOST_ROWS))
    ]
    header = [label for label, _ in names] + [label for label, _ in columns]
    return Shown(name, summary, "; ".join(note), header, rows, len(names), len(frame), folded)
