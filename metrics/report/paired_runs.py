"""Metrics of matched runs: what teams cost, gain and absorb against another episode of the same world and seed."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from emcoop.metrics import matched
from emcoop.metrics.matched import Comparison
from emcoop.metrics.report import marks, style
from emcoop.metrics.report.rows import MATCHED, REFERENCES, Results, ordered, records
from emcoop.metrics.report.style import Drawn
from emcoop.metrics.report.tables import estimated, gather

_SIDE = {"individual": "the same team without talk", "single": "one agent alone"}
_NEUTRAL = {
    "coordination_efficiency": None,
    "error_amplification": 1.0,
    "fault_tolerance": 1.0,
    "paired_score": None,
}
"""Value at which nothing is gained or lost, where that is not 0; None: there is no such value."""
_COLUMNS = 3
_MOST_ENVS = len(marks.FOREST)


def table(results: Results) -> pd.DataFrame:
    """Tabulate every metric of matched runs per environment, planner, topology and team size."""
    frame = results.scored[~results.scored["planner"].isin(REFERENCES)]
    known = [column for column in MATCHED if frame[column].notna().any()]
    return estimated(frame, ["env", "regime", "planner", "topology"], known) if known else pd.DataFrame()


def columns() -> dict[str, tuple[Comparison, str]]:
    """Return the columns of matched runs: the metric, and which reference it is against, in words."""
    return {
        column: (one, _SIDE.get(column.removeprefix(f"{one.name}_"), ""))
        for one in matched.METRICS
        for column in one.columns
    }


def figure(results: Results, found: pd.DataFrame) -> Drawn:
    """Draw the metrics of matched runs per topology, a panel per metric, for the planner in focus."""
    name, question = "matched_runs", "What do teams gain and cost against a matched run on the same seed?"
    planner = results.focus
    if len(found):
        found = found[(found["planner"] == planner) & found["regime"].isin([results.regime])]
    known = [column for column in MATCHED if column in found and found[column].notna().any()]
    if not known:
        why = (
            "No episode has a matched run to compare with; run `individual` or teams of one on the same seeds, and "
            "conditions with faults or loss beside a clean one."
        )
        return Drawn(name, question, absent=why)
    topologies = ordered("topology", found["topology"].unique())
    envs = sorted(found["env"].unique())
    shown = envs[:_MOST_ENVS]
    columns_across = min(_COLUMNS, len(known))
    most = (marks.TALLEST - 0.9) / math.ceil(len(known) / columns_across)
    height = min(most, 0.75 + 0.24 * len(topologies) * max(1, len(shown) / 2))
    drawn, grid = marks.panels(question, len(known), columns_across, height)
    about = columns()
    handles: dict[str, Any] = {}
    for number, (axes, column) in enumerate(zip(grid, known, strict=True)):
        one, side = about[column]
        for place, env in enumerate(shown):
            for row in records(found[(found["env"] == env) & found[column].notna()]):
                shift = (place - (len(shown) - 1) / 2) * 0.8 / len(shown)
                y = topologies.index(str(row["topology"])) + shift
                handles[env] = marks.forest_point(axes, gather(column, row), y, marks.FOREST[place], False)
        neutral = _NEUTRAL.get(one.name, 0.0)
        if neutral is not None:
            axes.axvline(neutral, color=style.INK, lw=0.8, zorder=0)
        better = {"higher": "more is better", "lower": "less is better", "neither": ""}[one.direction]
        axes.set_title(f"{one.name.replace('_', ' ')} {one.symbol}", loc="left", fontsize=8)
        axes.set_xlabel(
            "\n".join(part for part in (f"against {side}" if side else "", better) if part), fontsize=style.SMALL
        )
        marks.forest_rows(axes, topologies if number % columns_across == 0 else [""] * len(topologies))
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="x")
    style.legend_below(drawn, list(handles.values()), list(handles))
    caption = (
        f"Means with 95 % intervals over the episodes that have such a reference (same planner, world and seed); "
        f"{style.counts(found[[f'{column}_n' for column in known]].max(axis=1))} per topology; planner `{planner}`, "
        f"{results.regime} regime, team sizes and levels pooled. The upright line: nothing gained, nothing lost. "
        "What each metric is, is said in the table's CSV names and in the documentation of statistics."
        + marks.left_out(len(envs), len(shown))
    )
    return Drawn(name, question, caption, drawn)
