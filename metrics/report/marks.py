"""Marks that figures are made of: forest points, bands, bars, radar lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emcoop.metrics.report import style
from emcoop.metrics.report.rows import AXES
from emcoop.metrics.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = (0.25, 0.5, 0.75, 1.0)


def panels(question: str, count: int, columns: int, height: float, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """Open a figure with `count` panels in rows of `columns`; return it and its axes."""
    rows = math.ceil(count / columns)
    figure, grid = style.canvas(question, 0.9 + height * rows, rows, columns, **kwargs)
    flat = list(grid.flat)
    for axes in flat[count:]:
        axes.remove()
    return figure, flat[:count]


def left_out(wanted: int, drawn: int) -> str:
    """Say that not all panels are drawn."""
    return f" {drawn} of {wanted} panels are drawn; the table has all." if drawn < wanted else ""


def forest_point(axes: Axes, estimate: Estimate, y: float, filled: bool, text: bool) -> Any:
    """Draw one estimate of a forest plot, `text` with its numbers; return the handle."""
    color = style.PALETTE[0] if filled else style.GREY
    point = axes.errorbar([estimate.value], [y], xerr=style.whiskers([estimate]), color=color, capsize=2.5, lw=1.4,
                          marker="o" if filled else "D", ms=5, mfc=color if filled else "white", ls="none")  # fmt: skip
    if text:
        label = f" {style.interval(estimate, signed=True)}  n = {estimate.n}"
        axes.annotate(label, (1, y), xycoords=("axes fraction", "data"), va="center", fontsize=7.5, color=color)
    return point


def forest_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a horizontal plot, first one on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def band(axes: Axes, rows: pd.DataFrame, metric: str, look: style.Look) -> Any:
    """Draw a metric against team size with its intervals as a band; return the line."""
    x = rows["n_agents"].to_numpy()
    (line,) = axes.plot(x, rows[metric], color=look.color, marker=look.marker, ms=4.5, lw=1.5)
    axes.fill_between(x, rows[f"{metric}_low"], rows[f"{metric}_high"], color=look.color, alpha=0.18, lw=0)
    return line


def size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Make the x axis one of team sizes."""
    if sizes[-1] > 3 * sizes[0]:
        axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()


def spokes(axes: Any, part: pd.DataFrame) -> None:
    """Label the axes of a radar (polar axes), marking those that do not apply."""
    angles = np.linspace(0, 2 * np.pi, len(AXES), endpoint=False)
    labels = [f"{label} ({style.NOT_APPLICABLE})" if part[axis].isna().all() else label for axis, label in AXES.items()]
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, [])
    for angle, label in zip(angles, labels, strict=True):
        side = "center" if abs(np.sin(angle)) < 0.1 else "left" if np.sin(angle) > 0 else "right"
        axes.text(angle, 1.1, label.replace(" ", "\n"), ha=side, va="center", fontsize=7.5, linespacing=0.95)
    axes.set_yticks(GRID, ["", "0.5", "", "1"], fontsize=6.5, color=style.GREY)
    axes.set_ylim(0, 1)
    axes.spines["polar"].set_color(style.LIGHT)


def loop(axes: Axes, estimates: Sequence[Estimate], look: style.Look, shift: float) -> Any:
    """Draw one line of a radar, broken where an axis does not apply, with its intervals; return the line."""
    angles = np.linspace(0, 2 * np.pi, len(estimates), endpoint=False)
    values = np.minimum([e.value for e in estimates], 1.0)
    (line,) = axes.plot(np.append(angles, angles[0]), np.append(values, values[0]), color=look.color, lw=1.4,
                        marker=look.marker, ms=3.8, clip_on=False)  # fmt: skip
    for angle, e in zip(angles, estimates, strict=True):
        if math.isfinite(e.low):
            axes.plot([angle + shift] * 2, np.minimum([e.low, e.high], 1.0), color=look.color, lw=1.8, alpha=0.55)
    return line


def bars(axes: Axes, found: Sequence[tuple[int, Estimate]], shift: float, width: float, color: str) -> Any:
    """Draw bars at (place, estimate) with whiskers; return their handle."""
    estimates = [estimate for _, estimate in found]
    return axes.bar([j + shift for j, _ in found], [e.value for e in estimates], width * 0.92, color=color,
                    edgecolor=style.INK, linewidth=0.4, yerr=style.whiskers(estimates), capsize=2,
                    error_kw={"lw": 0.9, "ecolor": style.INK})  # fmt: skip
