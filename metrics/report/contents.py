"""What a report consists of: its tables, its figures, and the sections they stand in."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.report import (
    breakdown,
    comparing,
    costs,
    figures,
    interaction,
    paired_runs,
    pairings,
    process,
    profiles,
    shown,
    tables,
)
from emcoop.metrics.report.examples import Examples
from emcoop.metrics.report.rows import OUTCOME_NAMES, Results
from emcoop.metrics.report.shown import Section
from emcoop.metrics.report.style import Drawn, number
from emcoop.metrics.report.tables import cells, primary

TABLES: dict[str, Callable[[Results], pd.DataFrame]] = {
    "main": tables.main,
    "topology_effect": pairings.topology_effects,
    "team_size": tables.team_size,
    "scaling": profiles.scaling,
    "collaboration_axes": tables.axes,
    "process": tables.process,
    "cost_frontier": profiles.cost_frontier,
    "first_failing": tables.failures,
    "breakdown": profiles.breakdown,
    "failure_profile": profiles.failure_profile,
    "matched_runs": paired_runs.table,
    "other_metrics": profiles.other_metrics,
    "robustness": pairings.robustness,
    "planners": pairings.planners,
    "planner_options": pairings.planner_options,
    "status": tables.status,
    "missing": tables.missing,
}
"""Name of the CSV file -> what fills it."""
FIGURES: dict[str, Callable[[Results, pd.DataFrame], Drawn]] = {
    "topology_effect": comparing.topology_effect,
    "team_size": figures.team_size,
    "scaling": costs.scaling,
    "collaboration_axes": figures.radar,
    "process": figures.overhead,
    "cost_frontier": costs.frontier,
    "first_failing": breakdown.first_failing,
    "breakdown": breakdown.by_level,
    "failure_profile": breakdown.failure_profile,
    "matched_runs": paired_runs.figure,
    "robustness": comparing.robustness,
    "planners": comparing.planner_comparison,
    "planner_options": comparing.planner_options,
}
"""Table a figure is drawn from -> what draws it."""
LOG = logging.getLogger("emcoop.report")
"""Says at level INFO what is being worked on."""


def tabulate(data: Results) -> dict[str, pd.DataFrame]:
    """Fill every table."""
    found = {}
    for i, (name, fill) in enumerate(TABLES.items(), start=1):
        LOG.info("table %d/%d: %s", i, len(TABLES), name)
        found[name] = fill(data)
    return found


def draw(data: Results, frames: dict[str, pd.DataFrame], examples: Examples) -> list[Drawn]:
    """Draw every figure."""
    found = []
    for i, (name, one) in enumerate(FIGURES.items(), start=1):
        LOG.info("figure %d/%d: %s", i, len(FIGURES) + 2, name)
        found.append(one(data, frames[name]))
    LOG.info("figures of an example episode")
    return [*found, process.process_trace(examples), interaction.interaction(examples)]


def sections(
    data: Results, frames: dict[str, pd.DataFrame], pictures: dict[str, tuple[Drawn, str]], command: str
) -> list[Section]:
    """Arrange figures and tables in the order in which they are read."""
    complete = "Every cell has a completed episode for every seed." if len(data.rows) else "The table has no rows."

    def one(anchor: str, title: str, *names: tuple[str, str], paragraphs: list[str] | None = None) -> Section:
        drawn = [pictures[figure] for figure, _ in names]
        below = [shown.table(name, frames[name], data) for _, name in names if name]
        return Section(anchor, title, paragraphs or [], drawn, below)

    others = [shown.table("other_metrics", frames["other_metrics"], data)]
    return [
        Section(
            "main", "Results by cell", [_HOW_TO_READ, _noise(data)], tables=[shown.table("main", frames["main"], data)]
        ),
        one("topology", "Topology effect", ("topology_effect", "topology_effect")),
        one("team-size", "Team size", ("team_size", "team_size"), ("scaling", "scaling")),
        one("collaboration", "Quality of collaboration", ("collaboration_radar", "collaboration_axes")),
        one("overhead", "Deciding and talking", ("decision_overhead", "process")),
        one("cost", "Cost", ("cost_frontier", "cost_frontier")),
        one("failed", "Where it breaks down", ("first_failing", "first_failing"), ("breakdown", "breakdown")),
        one("profile", "Failure profile", ("failure_profile", "failure_profile")),
        one("process", "One episode", ("process_trace", ""), ("interaction_graph", "")),
        one("matched", "Matched runs", ("matched_runs", "matched_runs")),
        one("robustness", "Faults and channels", ("robustness", "robustness")),
        one("planners", "Planners", ("planners", "planners"), ("planner_options", "planner_options")),
        *([Section("other-metrics", "Other metrics", [_OTHERS], tables=others)] if data.others else []),
        Section(
            "missing",
            "Failed and missing episodes",
            [] if len(frames["missing"]) else [complete],
            tables=[shown.table(name, frames[name], data) for name in ("status", "missing")],
        ),
        Section("reproduce", "How to reproduce", [_REPRODUCE], code=_commands(data, command)),
    ]


_HOW_TO_READ = (
    "Numbers in brackets are 95 % intervals: percentile bootstrap with 2,000 replicates that redraws seeds within "
    "each cell (rates: Wilson). `n/a` means that a metric does not apply; such episodes are left out of it, never "
    "counted as 0. IQM is the interquartile mean. Steps to goal is a mean over the episodes that reached it. With "
    "fewer than ten seeds bootstrap intervals of a mean are too narrow (with five about 84 % instead of 95 % contain "
    f"the truth). Comparisons on the same seeds therefore rest on the median of the paired differences with fewer than "
    f"{pairings.ENOUGH} pairs, on their mean with more, where its interval holds too and many equal pairs do not hide "
    "the rest; p is of the same one (sign test; sign flips of the mean). Better or worse: the interval leaves out 0 "
    f"and the adjusted p is at most {pairings.ALPHA}. A hint: the first only. Rows of one environment among several "
    "are outside the adjusted comparisons, so a hint is the most they give."
)
_OTHERS = (
    "Columns of the results that are no metric of EmCoop: those of other packages, and the score on the scale of the "
    "suite (`normalized_score`). Means over episodes, team sizes and levels pooled; nothing else in the report uses "
    "them, and which direction is better is for their authors to say."
)
_REPRODUCE = (
    "Episodes are deterministic: the same suite, seeds and version give the same traces, the same metrics and the same "
    "report, byte for byte. A repeated sweep command resumes and runs only what is missing."
)


def _noise(data: Results) -> str:
    """State the noise floor of the planner in focus, the largest over its topologies."""
    metric = primary(data)
    frame = data.shown[data.shown["planner"] == data.focus]
    floors = [
        statistics.noise_floor(part[metric].to_numpy(), cells(part)) for _, part in frame.groupby("topology", sort=True)
    ]
    known = [floor for floor in floors if math.isfinite(floor)]
    if not known:
        return "Noise floor: unknown, since no cell has two completed seeds."
    return (
        f"Noise floor: were the sweep repeated with other seeds, the mean {OUTCOME_NAMES[metric]} of `{data.focus}` "
        f"under one and the same topology would move by up to {number(max(known))} (95 %). Smaller differences between "
        "unpaired means can be luck."
    )


def _commands(data: Results, command: str) -> str:
    suite = next((name for name in data.rows["suite"] if name), "SUITE")
    return f"{command or f'emcoop sweep {suite} --out DIR'}\nemcoop report DIR"
