"""Marks that figures are made of: forest points, bands, bars, radar lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emcoop.metrics.report import style
from emcoop.metrics.report.rows import AXES
from emcoop.metrics.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORT = {
    "spatial_satisfaction": "SP", "temporal_satisfaction": "TM", "dependency_satisfaction": "DP",
    "participation_satisfaction": "PT", "plan_coherence": "PC", "capability_gain": "CG", "plan_stability": "PS",
}  # fmt: skip
"""The axes of a radar, for small ones."""
GRID = (0.25, 0.5, 0.75, 1.0)


FOREST = (
    style.Look(style.PALETTE[0], "o"),
    style.Look(style.GREY, "D"),
    style.Look(style.PALETTE[1], "^"),
    style.Look(style.PALETTE[2], "s"),
)
"""Looks of the series of a forest; only the first is filled."""
TALLEST = 10.4
"""Inches: the height of a page."""
TITLE = 0.6
"""Inches that the title and the ticks of a panel take."""


def panels(
    question: str, count: int, columns: int, height: float, frame: float = 0.9, **kwargs: Any
) -> tuple[Figure, list[Axes]]:
    """Open a figure with `count` panels in rows of `columns`; return it and its axes.

    Args:
        question: Title of the figure.
        count: Panels.
        columns: Panels beside each other.
        height: Of a panel, in inches.
        frame: Inches for title and legend.
        **kwargs: For `Figure.subplots`.
    """
    rows = math.ceil(count / columns)
    figure, grid = style.canvas(question, frame + height * rows, rows, columns, **kwargs)
    flat = list(grid.flat)
    for axes in flat[count:]:
        axes.remove()
    return figure, flat[:count]


def left_out(wanted: int, drawn: int) -> str:
    """Say that not all panels are drawn."""
    return f" {drawn} of {wanted} panels are drawn; the table has all." if drawn < wanted else ""


def forest_point(axes: Axes, estimate: Estimate, y: float, look: style.Look, text: bool) -> Any:
    """Draw one estimate of a forest plot, `text` with its numbers; return the handle."""
    filled = look == FOREST[0]
    point = axes.errorbar([estimate.value], [y], xerr=style.whiskers([estimate]), color=look.color, capsize=2.5, lw=1.4,
                          marker=look.marker, ms=5, mfc=look.color if filled else "white", ls="none")  # fmt: skip
    if text:
        label = f" {style.interval(estimate, signed=True)}  n = {estimate.n}"
        axes.annotate(label, (1, y), xycoords=("axes fraction", "data"), va="center", fontsize=style.SMALL)
    return point


def forest_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a horizontal plot, first one on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def band(axes: Axes, rows: pd.DataFrame, metric: str, look: style.Look) -> Any:
    """Draw a metric against team size with its intervals as a band; return the line."""
    x = rows["n_agents"].to_numpy()
    (line,) = axes.plot(x, rows[metric], color=look.color, marker=look.marker, ls=look.line, ms=4.5, lw=1.5)
    low, high = rows[f"{metric}_low"], rows[f"{metric}_high"]
    if len(rows) == 1:  # a band has no width there
        axes.vlines(x, low, high, color=look.color, lw=1.2)
    axes.fill_between(x, low, high, color=look.color, alpha=0.15, lw=0)
    return line


def stacks(axes: Axes, rows: pd.DataFrame, kinds: Mapping[str, str], totals: str = "", least: float = 0.09) -> None:
    """Draw one stacked bar per row of a table, a part per column of `kinds` (column -> constraint).

    Args:
        axes: Where.
        rows: The table.
        kinds: Columns and the constraints they are about.
        totals: Column of the whole bar, whose interval is drawn; none if empty.
        least: Width from which on a part has its per cent written into it.
    """
    left = np.zeros(len(rows))
    places = [float(place) for place in range(len(rows))]
    for column, kind in kinds.items():
        width = rows[column].fillna(0).to_numpy()
        axes.barh(places, width, left=left, height=0.74, color=style.CONSTRAINTS[kind], edgecolor="white",
                  hatch=style.CONSTRAINT_HATCHES[kind], label=kind)  # fmt: skip
        for y, x, w in zip(places, left, width, strict=True):
            if w >= least:
                axes.text(x + w / 2, y, f"{100 * w:.0f}", ha="center", va="center", fontsize=style.SMALL,
                          clip_on=True, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
        left += width
    if totals:
        low, high = (rows[f"{totals}_{end}"].to_numpy() for end in ("low", "high"))
        axes.hlines(places, low, high, color=style.INK, lw=1.1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")


def size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Make the x axis one of team sizes."""
    if sizes[-1] > 3 * sizes[0]:
        axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()


def spokes(axes: Any, part: pd.DataFrame, short: bool) -> None:
    """Label the axes of a radar (polar axes), by their names or `SHORT` ones, marking those that do not apply."""
    angles = np.linspace(0, 2 * np.pi, len(AXES), endpoint=False)
    names = SHORT if short else AXES
    labels = [
        f"{label} ({style.NOT_APPLICABLE})" if part[axis].isna().all() else label for axis, label in names.items()
    ]
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, [])
    for angle, label in zip(angles, labels, strict=True):
        side = "center" if abs(np.sin(angle)) < 0.1 else "left" if np.sin(angle) > 0 else "right"
        axes.text(angle, 1.1, label.replace(" ", "\n"), ha=side, va="center", fontsize=style.SMALL, linespacing=0.95)
    axes.set_yticks(GRID, ["", "0.5", "", "1"], fontsize=style.SMALL, color=style.GREY)
    axes.set_ylim(0, 1)
    axes.spines["polar"].set_color(style.LIGHT)


def loop(axes: Axes, estimates: Sequence[Estimate], look: style.Look, shift: float) -> Any:
    """Draw one line of a radar, broken where an axis does not apply, with its intervals; return the line."""
    angles = np.linspace(0, 2 * np.pi, len(estimates), endpoint=False)
    values = np.minimum([e.value for e in estimates], 1.0)
    (line,) = axes.plot(np.append(angles, angles[0]), np.append(values, values[0]), color=look.color, lw=1.4,
                        ls=look.line, marker=look.marker, ms=3.8, clip_on=False)  # fmt: skip
    for angle, e in zip(angles, estimates, strict=True):
        if math.isfinite(e.low):
            axes.plot([angle + shift] * 2, np.minimum([e.low, e.high], 1.0), color=look.color, lw=1.8, alpha=0.55)
    return line


def bars(axes: Axes, found: Sequence[tuple[int, Estimate]], shift: float, width: float, color: str, hatch: str) -> Any:
    """Draw bars at (place, estimate) with whiskers; return their handle."""
    estimates = [estimate for _, estimate in found]
    return axes.bar([j + shift for j, _ in found], [e.value for e in estimates], width * 0.92, color=color,
                    hatch=hatch, edgecolor=style.INK, linewidth=0.4, yerr=style.whiskers(estimates), capsize=2,
                    error_kw={"lw": 0.9, "ecolor": style.INK})  # fmt: skip
