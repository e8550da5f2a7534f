"""Figures of what cooperation costs: the frontier of score and effort, and how both grow with the team."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import pandas as pd

from emcoop.metrics.report import marks, style
from emcoop.metrics.report.rows import COSTS, REFERENCES, SCALING, Results, ordered, records
from emcoop.metrics.report.style import Drawn
from emcoop.metrics.report.tables import gather

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ENVS = 4


def frontier(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw score against each cost that is known, a row of panels per environment, with the Pareto front."""
    name, question = "cost_frontier", "What does a better score cost?"
    regime = _fullest(table, results)
    if len(table):
        table = table[table["regime"] == regime]
    costs = [column for column in COSTS if column in table and (table[column] > 0).any()]
    if not len(table) or not costs:
        return Drawn(name, question, absent="No completed episode counts decisions, messages, tokens or money.")
    envs = sorted(table["env"].unique())
    shown = envs[:_MOST_ENVS]
    figure, grid = style.canvas(
        question, min(marks.TALLEST, 1.3 + 2.5 * len(shown)), len(shown), len(costs), sharey="row"
    )
    colors = style.planner_colors(results.names("planner"))
    looks = style.looks(results.names("topology"))
    letters = dict(zip(ordered("planner", table["planner"].unique()), ascii_uppercase, strict=False))
    for line, env in zip(grid, shown, strict=True):
        for axes, cost in zip(line, costs, strict=True):
            rows = table[(table["env"] == env) & table[cost].notna() & table["score"].notna()]
            for row in records(rows):
                planner, topology = str(row["planner"]), str(row["topology"])
                _point(axes, row, cost, colors[planner], looks[topology], letters.get(planner, ""))
            front = pareto(rows[~rows["planner"].isin(REFERENCES)], cost)
            axes.plot(front[cost], front["score"], color=style.INK, lw=1.0, ls="--", drawstyle="steps-post", zorder=1)
            _scale(axes, rows[cost])
            axes.set_xlabel(f"{COSTS[cost]} per episode")
            axes.grid()
        line[0].set_ylabel("score")
        line[0].set_title(env, loc="left")
    seen = set(table["topology"])
    handles, labels = _keys(letters, colors, {name: look for name, look in looks.items() if name in seen})
    style.legend_below(figure, handles, labels)
    caption = (
        f"A point per planner (colour, letter) and topology (mark): means with 95 % intervals both ways, "
        f"{style.counts(table['score_n'])} per point, {regime} regime, team sizes and levels pooled. Dashed: "
        f"Pareto front; what lies below and right of it is beaten in score by something cheaper. The references "
        f"{style.listing(REFERENCES)} do not count for the front. "
        + ("Costs nobody had are left out. " if len(costs) < len(COSTS) else "")
        + marks.left_out(len(envs), len(shown)).strip()
    )
    return Drawn(name, question, caption.strip(), figure)


def pareto(rows: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Return the rows that no other row beats in score at the same or a lower cost, cheapest first."""
    rows = rows.sort_values([cost, "score"], ascending=[True, False], kind="stable")
    best = rows["score"].cummax().shift(fill_value=-math.inf)
    return rows[rows["score"] > best]


def scaling(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw score, decisions and messages per agent and steps against team size, for the planner in focus."""
    planner = results.focus
    name, question = "scaling", "What grows with the team: score, thinking, talk or time?"
    if len(table):
        table = table[(table["regime"] == results.regime) & (table["planner"] == planner)]
    metrics = [metric for metric in SCALING if len(table) and table[metric].notna().any()]
    if not metrics:
        return Drawn(name, question, absent="No completed episode has a score, decisions, messages or steps.")
    if table["n_agents"].nunique() < 2:
        only = table["n_agents"].iloc[0]
        return Drawn(name, question, absent=f"Only teams of {only} were run; scaling takes two team sizes.")
    envs = sorted(table["env"].unique())
    shown = envs[:_MOST_ENVS]
    figure, grid = style.canvas(question, min(marks.TALLEST, 1.2 + 1.9 * len(shown)), len(shown), len(metrics))
    looks = style.looks(results.names("topology"))
    handles: dict[str, Any] = {}
    for line, env in zip(grid, shown, strict=True):
        part = table[table["env"] == env]
        for axes, metric in zip(line, metrics, strict=True):
            for topology in ordered("topology", part["topology"].unique()):
                rows = part[part["topology"] == topology]
                handles[topology] = marks.band(axes, rows, metric, looks[topology])
            axes.set_title(SCALING[metric], loc="left", fontsize=8)
            marks.size_axis(axes, sorted(part["n_agents"].unique()))
            axes.set_ylim(0, 1.02 if metric == "score" else None)
            axes.set_xlabel("agents")
            axes.grid(axis="y")
        line[0].set_ylabel(env)
    order = ordered("topology", handles)
    style.legend_below(figure, [handles[topology] for topology in order], order)
    caption = (
        f"Means with 95 % bands; {style.counts(table['score_n'])} per point; planner `{planner}`, {results.regime} "
        "regime, levels pooled. Worlds differ between team sizes; what grows faster than a flat line costs each agent "
        "more in a larger team." + marks.left_out(len(envs), len(shown))
    )
    return Drawn(name, question, caption, figure)


def _point(axes: Axes, row: dict[str, Any], cost: str, color: str, look: style.Look, letter: str) -> None:
    x, y = gather(cost, row), gather("score", row)
    hollow = row["planner"] in REFERENCES
    axes.errorbar([x.value], [y.value], xerr=style.whiskers([x]), yerr=style.whiskers([y]), color=color, lw=0.9,
                  marker=look.marker, ms=5.5, mfc="white" if hollow else color, mec=color, ls="none")  # fmt: skip
    axes.annotate(letter, (x.value, y.value), xytext=(4, 3), textcoords="offset points", fontsize=style.SMALL)


def _scale(axes: Axes, values: pd.Series[float]) -> None:
    """Use a logarithmic axis where costs differ a lot, linear near 0."""
    some = values[values > 0]
    if len(some) and some.max() > 30 * some.min():
        axes.set_xscale("symlog", linthresh=max(1.0, float(some.min())))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # the usual one writes formulas
    elif len(some):
        axes.set_xlim(left=-0.04 * float(some.max()))


def _fullest(table: pd.DataFrame, results: Results) -> str:
    """Name the regime, under the condition shown elsewhere too, in which most planners ran."""
    planners = {regime: table.loc[table["regime"] == regime, "planner"].nunique() for regime in results.regimes}
    return max(planners, key=lambda regime: (planners[regime], regime == results.regime), default=results.regime)


def _keys(letters: dict[str, str], colors: dict[str, str], looks: dict[str, style.Look]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks_of: Sequence[Any] = [
        Line2D([], [], color=style.INK, marker=look.marker, ls="none") for look in looks.values()
    ]
    front = Line2D([], [], color=style.INK, lw=1.0, ls="--")
    names = [f"{letter} {planner}" for planner, letter in letters.items()]
    patches = [Patch(color=colors[planner]) for planner in letters]
    return [*patches, *marks_of, front], [*names, *looks, "Pareto front"]
