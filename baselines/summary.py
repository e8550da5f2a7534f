"""What is said about a sweep when it ends: the short table and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from emcoop.baselines.folder import SUITE_FILE, disk_errors
from emcoop.baselines.matching import with_matched
from emcoop.baselines.results import read_frame
from emcoop.baselines.suite import load_suite, shipped_hash, suite_hash


def summary_table(rows: list[dict[str, Any]]) -> Table:
    """Return the mean scores of the completed episodes: a line per planner and topology, a column per team size.

    `!` marks cells in which an episode did not complete.
    """
    from emcoop.metrics.report.rows import regime_label

    sizes = sorted({row["n_agents"] for row in rows})
    spoilt = any(row["status"] != "completed" for row in rows)
    caption = "!: episodes are left out that did not complete" if spoilt else None
    table = Table(title="mean score", title_justify="left", caption=caption, caption_justify="left")
    for heading in ("environment", "regime", "planner", "topology"):
        table.add_column(heading, no_wrap=heading == "topology")
    for size in sizes:
        table.add_column(f"n={size}", justify="right")
    cells: dict[tuple[str, ...], dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        world = f"{row['env']} {row['variant']}".strip()
        key = (world, regime_label(row["regime"], row["condition"]), row["planner"], row["topology"])
        cells.setdefault(key, {}).setdefault(row["n_agents"], []).append(row)
    for line in sorted(cells, key=lambda line: (line[0], not line[1].startswith("open"), line[1:])):
        table.add_row(*line, *(_mean(cells[line].get(size, [])) for size in sizes))
    return table


def write_report(folder: Path) -> Path:
    """Build tables, figures and `report.html` from the results in a sweep's folder; return the path of the page.

    Raises:
        ConfigError: The folder holds no results of a sweep.
    """
    results = read_frame(folder)  # first, because it says best what is missing where there was no sweep
    suite = load_suite(folder / SUITE_FILE)
    frame = with_matched(results, suite)

    from emcoop.metrics.report import build_report

    digest = suite_hash(suite)
    with disk_errors(folder):
        return build_report(
            frame,
            folder,
            title=f"Sweep {suite.name}",
            traces=folder,
            command=f"emcoop sweep {suite.name if shipped_hash(suite.name) == digest else SUITE_FILE}",
            suite_hash=digest,
        )


def _mean(rows: list[dict[str, Any]]) -> str:
    scores = [row["score"] for row in rows if row["status"] == "completed"]
    text = f"{sum(scores) / len(scores):.3f}" if scores else "-"
    return text + ("!" if len(scores) < len(rows) else "") if rows else ""
