"""The report of a sweep: which topology, which team size, what failed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from emcoop.metrics.report.html import Section
    from emcoop.metrics.report.rows import Results
    from emcoop.metrics.report.style import Drawn


def build_report(
    results: pd.DataFrame,
    out: Path,
    *,
    title: str,
    traces: Path | None = None,
    command: str = "",
    suite_hash: str = "",
) -> Path:
    """Write `report.html`, `figures/*.png|pdf` and `tables/*.csv` about the results of a sweep.

    The page is one self-contained file. The same results give the same bytes. Whatever the results cannot show (one
    topology, one seed, no matched regime, no completed episode, no traces) is said in a sentence in its place.

    Args:
        results: One row per finished attempt of one episode: `env`, `n_agents`, `topology`, `planner`, `regime`,
            `seed`, `status`, and if present `suite`, `variant`, `condition`, `attempt`, `error`, `trace` and one column
            per metric. A condition counts as part of the regime: `matched (lossy)`. Rows whose status is not
            `completed` are counted, never scored.
        out: Folder to write to, made if needed; files of an earlier report are overwritten.
        title: Heading of the page.
        traces: Folder that the `trace` column is relative to, or the folder the files lie in; for the example episode.
        command: Command that made the results, for the section on reproduction.
        suite_hash: SHA-256 of the suite.

    Returns:
        Path of `report.html`.

    Raises:
        ConfigError: The table lacks an identifying column, or holds a team size or seed that is no integer.
    """
    from emcoop.metrics.report import figures, findings, html, process, style, tables
    from emcoop.metrics.report.rows import prepare

    data = prepare(results)
    frames = {
        "main": tables.main(data),
        "topology_effect": tables.topology_effects(data),
        "team_size": tables.team_size(data),
        "collaboration_axes": tables.axes(data),
        "process": tables.process(data),
        "first_failing": tables.failures(data),
        "planners": tables.planners(data),
        "status": tables.status(data),
        "missing": tables.missing(data),
    }
    out = Path(out)
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(out / "tables" / f"{name}.csv", index=False, encoding="utf-8", lineterminator="\n")
    with style.drawing():
        drawn = [
            figures.topology_effect(data, frames["topology_effect"]),
            figures.team_size(data, frames["team_size"]),
            figures.radar(data, frames["collaboration_axes"]),
            figures.overhead(data, frames["process"]),
            figures.first_failing(data, frames["first_failing"]),
            process.process_trace(data, traces),
            figures.planner_comparison(data, frames["planners"]),
        ]
        pictures = {figure.name: (figure, style.save(figure, out / "figures")) for figure in drawn}
    answers = [
        findings.which_topology(data, frames["topology_effect"]),
        findings.which_team_size(data, frames["team_size"]),
        findings.what_failed(data, frames["first_failing"], frames["status"], frames["missing"]),
    ]
    page = html.render(title, _facts(data, suite_hash), answers, _sections(data, frames, pictures, command))
    path = out / "report.html"
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def _sections(
    data: Results, frames: dict[str, pd.DataFrame], pictures: dict[str, tuple[Drawn, str]], command: str
) -> list[Section]:
    from emcoop.metrics.report import html
    from emcoop.metrics.report.html import Section

    lost = len(frames["missing"])
    complete = "Every cell has a completed episode for every seed." if len(data.rows) else "The table has no rows."
    return [
        Section("main", "Results by cell", [_HOW_TO_READ, _noise(data)], tables=[html.main_table(frames["main"])]),
        Section(
            "topology",
            "Topology effect",
            figures=[pictures["topology_effect"]],
            tables=[html.effects_table(frames["topology_effect"])],
        ),
        Section(
            "team-size",
            "Team size",
            figures=[pictures["team_size"]],
            tables=[html.team_size_table(frames["team_size"])],
        ),
        Section(
            "collaboration",
            "Quality of collaboration",
            figures=[pictures["collaboration_radar"]],
            tables=[html.axes_table(frames["collaboration_axes"])],
        ),
        Section(
            "overhead",
            "Deciding and talking",
            figures=[pictures["decision_overhead"]],
            tables=[html.process_table(frames["process"])],
        ),
        Section(
            "failed",
            "What failed",
            figures=[pictures["first_failing"]],
            tables=[html.failures_table(frames["first_failing"])],
        ),
        Section("process", "One episode", figures=[pictures["process_trace"]]),
        Section(
            "planners",
            "Planners",
            figures=[pictures["planners"]],
            tables=[html.planners_table(frames["planners"])],
        ),
        Section(
            "missing",
            "Failed and missing episodes",
            [complete] if not lost else [],
            tables=[html.status_table(frames["status"]), html.missing_table(frames["missing"])],
        ),
        Section("reproduce", "How to reproduce", [_REPRODUCE], code=_commands(data, command)),
    ]


_HOW_TO_READ = (
    "Numbers in brackets are 95 % intervals: percentile bootstrap with 2,000 replicates that redraws seeds within "
    "each cell (rates: Wilson). `n/a` means that a metric does not apply; such episodes are left out of it, never "
    "counted as 0. IQM is the interquartile mean. Steps to goal is a mean over the episodes that reached it. With "
    "fewer than ten seeds bootstrap intervals of a mean are too narrow (with five about 84 % instead of 95 % contain "
    "the truth); comparisons of topologies and planners therefore rest on medians of paired differences, whose "
    "intervals keep about 95 %."
)
_REPRODUCE = (
    "Episodes are deterministic: the same suite, seeds and version give the same traces, the same metrics and the same "
    "report, byte for byte. A repeated sweep command resumes and runs only what is missing."
)


_NOUNS = {"topology": "topologies", "planner": "planners", "regime": "regimes"}


def _facts(data: Results, suite_hash: str) -> list[str]:
    rows = data.rows
    if not len(rows):
        return ["The results table has no rows: nothing was run."]
    suites = ", ".join(f"`{name}`" for name in sorted(set(rows["suite"])) if name)
    sizes = ", ".join(str(n) for n in sorted(set(rows["n_agents"])))
    parts = [
        f"{len(data.scored)} scored episodes of {', '.join(sorted(set(rows['env'])))}",
        f"teams of {sizes}",
        f"{rows['seed'].nunique()} seeds",
        *(f"{noun} {', '.join(data.names(column)) or 'none'}" for column, noun in _NOUNS.items()),
    ]
    text = "; ".join(parts) + "."
    facts = [text]
    if suites or suite_hash:
        facts.append(f"Suite {suites or 'unnamed'}" + (f", SHA-256 `{suite_hash}`" if suite_hash else "") + ".")
    return facts


def _noise(data: Results) -> str:
    """State the noise floor of the planner in focus, the largest over its topologies."""
    from emcoop.metrics import statistics
    from emcoop.metrics.report.figures import OUTCOME_NAMES
    from emcoop.metrics.report.style import number
    from emcoop.metrics.report.tables import cells, primary

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
