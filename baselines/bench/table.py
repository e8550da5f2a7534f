"""The benchmark's result as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.table import Table
from rich.text import Text

from emcoop.baselines.bench.bench import Bench
from emcoop.baselines.bench.targets import SCALED, Verdict
from emcoop.baselines.bench.worlds import FRAMES

WORDS = {True: Text("met", style="green"), False: Text("not met", style="red"), None: Text("")}

SECTIONS = (
    "batch/cpu",
    f"frame/{FRAMES[0]}",
    "ma_crafter/batch",
    "peer/crafter/step",
    "stack/centralized",
    "layer/execute",
)
"""Cases that begin a section of the table of figures."""


def figures_table(bench: Bench) -> Table:
    """Return the measured rates: case, median, range over rounds."""
    table = Table(title=f"Figures: medians of {bench.settings.rounds} interleaved rounds", title_justify="left")
    table.add_column("case", no_wrap=True)
    table.add_column("median", justify="right", no_wrap=True)
    table.add_column("range", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for name, rates in bench.samples.items():
        if name.startswith(("floor/", "ma_crafter/floor/")) or name in SECTIONS:
            table.add_section()
        table.add_row(name, short(median(rates)), span(min(rates), max(rates)), bench.units[name])
    return table


def targets_tables(bench: Bench) -> list[Table]:
    """Return the targets in two tables: what was measured here, and what rests on recorded figures of others."""
    scaled = [verdict for verdict in bench.verdicts if verdict.basis == SCALED]
    here = [verdict for verdict in bench.verdicts if verdict.basis != SCALED]
    return [
        _targets_table("Targets, measured in this run", here),
        _targets_table("Targets, scaled from recorded figures", scaled),
    ]


def _targets_table(title: str, verdicts: Sequence[Verdict]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for name in ("value", "range", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for verdict in verdicts:
        word = Text("not measured", style="yellow") if verdict.value is None else WORDS[verdict.met]
        name = f"{verdict.name} ({verdict.unit})" if verdict.unit not in ("", "x") else verdict.name
        table.add_row(name, short(verdict.value), span(verdict.low, verdict.high), aim(verdict), word)
    return table


def span(low: float | None, high: float | None) -> str:
    """Return a range in words, empty if there is none."""
    return f"{short(low)} - {short(high)}" if low != high else ""


def aim(verdict: Verdict) -> str:
    """Return a target in words, empty if there is none."""
    if verdict.at_least is not None:
        return f">= {short(verdict.at_least)}"
    return "" if verdict.at_most is None else f"<= {short(verdict.at_most)}"


def short(value: float | None) -> str:
    """Return a number with three significant digits and a letter for thousands or millions."""
    if value is None:
        return ""
    for limit, letter in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e6 if letter == 'M' else 1e3):.3g}{letter}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
