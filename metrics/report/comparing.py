"""Figures of paired differences: topologies, planners, options of planners, conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.report import marks, pairings, style
from emcoop.metrics.report.rows import BASELINE, OUTCOME_NAMES, REFERENCES, Results, ordered, records
from emcoop.metrics.report.style import Drawn
from emcoop.metrics.report.tables import ALL, cells, primary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 4
"""Panels beside each other; more narrow ones cannot be read."""
_FRAME = 1.1
"""Inches that the title and the legend of a forest take."""
_LINE = (0.26, 0.34, 0.44)
"""Inches of a row with one, two, more marks."""
_RESTS_ON = (
    f"The mark with the interval is the mean with {pairings.ENOUGH} pairs or more, else the median; the cross "
    "below it is the other one of the two."
)


def topology_effect(results: Results, effects: pd.DataFrame) -> Drawn:
    """Draw a forest plot of the paired effects, open and matched."""
    question = "Which topology helps, compared with no communication on the same seeds?"
    effects = effects[effects["regime"].isin(results.regimes)] if len(effects) else effects
    if not len(effects):
        why = (
            f"No planner that communicates completed `{BASELINE}` and another topology on the same seeds; "
            "run both to see the effect of the topology."
        )
        return Drawn("topology_effect", question, absent=why)
    rows = effects.assign(label=effects["planner"] + " · " + effects["topology"], series=effects["regime"])
    outcome = OUTCOME_NAMES[primary(results)]
    caption = (
        f"Paired difference in {outcome} with 95 % intervals; teams of two and more. Numbers and pairs are "
        f"in the table. Intervals that cross the line: no difference seen. "
        + ("Only matched differences are effects of the topology alone. " if results.matched in results.regimes else "")
        + ("Other conditions: see the table. " if set(results.names("regime")) - set(results.regimes) else "")
    )
    return _forest(
        "topology_effect",
        question,
        rows,
        caption,
        f"{outcome}, topology minus {BASELINE}; right of 0 is better",
        ordered("regime", effects["regime"].unique()),
    )


def planner_options(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw what an option of a planner changes, per topology."""
    question = "Does the option help the planner, under the same topology and seeds?"
    name = "planner_options"
    if len(table):
        table = table[table["regime"].isin(results.regimes)]
    if not len(table):
        why = "No planner ran with and without an option; list both, such as `team` and `team(feedback=True)`."
        return Drawn(name, question, absent=why)
    options = list(dict.fromkeys(zip(table["planner"], table["than"], strict=True)))
    same = f"{options[0][0]} minus {options[0][1]}" if len(options) == 1 else ""
    where = table["topology"].map(lambda topology: "all topologies" if topology == ALL else topology)
    label = where if same else table["planner"] + f" {style.MINUS} " + table["than"] + " · " + where
    outcome = OUTCOME_NAMES[primary(results)]
    caption = (
        f"Paired difference in {outcome} with 95 % intervals, pairs of the same world, team size, topology and "
        f"seed{f'; {same}' if same else ''}. Intervals that cross the line: no difference seen. p-values, adjusted for "
        "all comparisons of a regime (Holm), are in the table. "
    )
    axis = f"{outcome}, {same or 'with the option minus without'}; right of 0 is better"
    rows = table.assign(label=label, series=table["regime"])
    return _forest(name, question, rows, caption, axis, ordered("regime", table["regime"].unique()))


def robustness(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw what every condition costs each planner, the topologies apart for the planner in focus."""
    question = "How well do teams stand up to faults and bad channels?"
    name = "robustness"
    if not len(table):
        why = "Only one condition was run; give a suite `conditions`, one of them without anything out of the ordinary."
        return Drawn(name, question, absent=why)
    firsts = table.groupby(["regime", "condition", "planner", "env"], sort=False)["topology"].transform("first")
    pooled = table["topology"] == firsts
    kept = pooled | (table["planner"] == results.focus)
    who = table["planner"].where(pooled, table["planner"] + ", " + table["topology"])
    table, who = table[kept], who[kept]
    outcome, than = OUTCOME_NAMES[primary(results)], ", ".join(sorted(set(table["than"])))
    caption = (
        f"Paired difference in {outcome} with 95 % intervals, pairs of the same world, team size, topology and "
        f"seed; compared with `{than}`; the topologies pooled, and for `{results.focus}` each alone. Left "
        "of 0 the condition costs something; an interval that crosses the line: no difference seen. "
    )
    rows = table.assign(label=who, series=table["regime"], block=table["condition"])
    rows = rows.sort_values(["block", "planner"], key=_rank(results), kind="stable")
    axis = f"{outcome}, condition minus {than}"
    return _forest(name, question, rows, caption, axis, ordered("regime", table["regime"].unique()))


def planner_comparison(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw paired differences between planners beside their performance profiles."""
    name, question = "planners", "How much do planners differ on the same seeds?"
    metric = primary(results)
    names = results.names("planner")
    if not len(table):
        only = f"Only `{names[0]}` has completed episodes" if names else "No episode was completed"
        return Drawn(name, question, absent=f"{only}; comparing planners takes two.")
    figure, grid = style.canvas(
        question, 2.6 + 0.36 * len(table) + 2.2, 2, 1, height_ratios=[0.6 + 0.36 * len(table), 2.4]
    )
    top, below = grid[:, 0]
    for i, row in enumerate(records(table)):
        _point(top, row, i, marks.FOREST[0], True)
    marks.forest_rows(top, [f"{row.planner} {style.MINUS} {row.than}" for row in table.itertuples()])
    top.axvline(0, color=style.INK, lw=0.8, zorder=0)
    top.grid(axis="x")
    top.set_xlabel(f"paired difference in {OUTCOME_NAMES[metric]}, the first planner minus the second", loc="left")
    thresholds = np.linspace(0, 1, 41)
    colors = style.planner_colors(names)
    sizes, lines = [], []
    for i, planner in enumerate(names):
        frame = results.scored[results.scored["planner"] == planner]
        profile = statistics.performance_profile(frame[metric].to_numpy(), thresholds, cells(frame))
        ticks = {"marker": style.MARKERS[i % len(style.MARKERS)], "markevery": (2 * i % 8, 8), "ms": 4.5}
        lines += below.plot(
            thresholds, profile.share, color=colors[planner], ls=style.LINES[i % len(style.LINES)], **ticks
        )
        below.fill_between(thresholds, profile.low, profile.high, color=colors[planner], alpha=0.15, lw=0)
        sizes.append(profile.n)
    below.set_xlabel(f"{OUTCOME_NAMES[metric]} above")
    below.set_ylabel("share of episodes")
    below.set_ylim(0, 1.02)
    below.grid()
    style.legend_below(figure, lines, names, "performance profile of")
    caption = (
        f"Above: paired differences on the same worlds and seeds, with 95 % intervals. {_RESTS_ON} Below: performance "
        f"profiles over all cells a planner ran (not paired), with 95 % bands, {style.counts(sizes)} per line; a line "
        "above another is better."
    )
    return Drawn(name, question, caption, figure)


def _rank(results: Results) -> Any:
    """Return a sort key: conditions as they are, planners with references last."""
    names = sorted(results.names("planner"), key=lambda planner: planner in REFERENCES)
    ranks = {name: i for i, name in enumerate(names)}
    return lambda values: values.map(ranks) if values.name == "planner" else values


def _forest(name: str, question: str, table: pd.DataFrame, caption: str, axis: str, series: Sequence[str]) -> Drawn:
    """Draw a forest: a row per `label` (below its `block`, if there is one), a mark per `series`, a panel per scope."""
    pooled = table[table["env"] == ALL]
    blocks = pooled["block"] if "block" in pooled else pd.Series("", index=pooled.index)
    lines = list(dict.fromkeys(zip(blocks, pooled["label"], strict=True)))
    environments = sorted(set(table["env"]) - {ALL})
    height = _LINE[min(len(series), len(_LINE)) - 1]
    kept = lines[: int((marks.TALLEST - _FRAME - marks.TITLE) / height)]
    most = _ACROSS * max(1, int((marks.TALLEST - _FRAME) / (marks.TITLE + height * len(kept))))
    scopes = [ALL, *environments][:most]
    across = math.ceil(len(scopes) / math.ceil(len(scopes) / _ACROSS))
    figure, panels = marks.panels(
        question, len(scopes), across, marks.TITLE + height * len(kept), frame=_FRAME, sharey=True, sharex=True
    )
    handles: dict[str, Any] = {}
    for axes, scope in zip(panels, scopes, strict=True):
        for row in records(table[table["env"] == scope]):
            place = (row.get("block", ""), row["label"])
            if place not in kept:
                continue
            number = series.index(row["series"])
            y = kept.index(place) + (number - (len(series) - 1) / 2) * 0.62 / max(1, len(series))
            look = marks.FOREST[min(number, len(marks.FOREST) - 1)]
            handles[row["series"]] = _point(axes, row, y, look, len(scopes) == 1, 0.22 / len(series))
        axes.axvline(0, color=style.INK, lw=0.8, zorder=0)
        axes.set_title(scope if scope != ALL else "all environments" if len(scopes) > 1 else "", loc="left")
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=7 if len(scopes) == 1 else 4)
        axes.tick_params(labelbottom=True)
    starts = {block: next(i for i, line in enumerate(kept) if line[0] == block) for block, _ in kept}
    heads = {line: f"{line[0]}: " if line[0] and starts[line[0]] == i else "" for i, line in enumerate(kept)}
    marks.forest_rows(panels[0], [heads[line] + line[1] for line in kept])
    for start in list(starts.values())[1:]:
        for axes in panels:
            axes.axhline(start - 0.5, color=style.LIGHT, lw=0.8)
    order = [one for one in series if one in handles]
    style.legend_below(figure, [handles[one] for one in order], [f"{one} regime" for one in order], axis)
    more = marks.left_out(1 + len(environments), len(scopes))
    if len(lines) > len(kept):
        more += f" The first {len(kept)} of {len(lines)} rows are drawn; the table has all."
    return Drawn(name, question, f"{caption.rstrip()} {_RESTS_ON}{more}", figure)


def _point(axes: Axes, row: dict[str, Any], y: float, look: style.Look, text: bool, below: float = 0.2) -> Any:
    """Draw the difference that a row rests on, and `below` it the other one of mean and median; return the handle."""
    other = pairings.aside(row)[1].value
    axes.plot([other], [y + below], marker="x", ms=4, mew=1.3, color=look.color, ls="none", zorder=3)
    return marks.forest_point(axes, pairings.effect(row), y, look, text)
