"""Figures of what failed: the constraint missing first, by team and by difficulty, and the profile of all rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emcoop.metrics.report import marks, style
from emcoop.metrics.report.rows import BREAKDOWN, FIRST_FAILING, Results, ordered
from emcoop.metrics.report.style import Drawn
from emcoop.metrics.report.tables import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS = 40
_ACROSS = (3, 4, 5)
"""Panels beside each other: as few as fit on a page."""
_FRAME = 1.1
"""Inches that the title and the legend take."""
_MOST_COLUMNS = 10
NO_FAILURE = "No failed attempt was recorded in a completed episode."


def first_failing(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw which constraint failed first, a stacked bar per planner and topology."""
    name, question = "first_failing", "When a joint attempt fails, which constraint is missing first?"
    kinds = {column: kind for column, kind in FIRST_FAILING.items() if len(table) and table[column].max() > 0}
    if len(table):
        table = table[(table["regime"] == results.regime) & (table["topology"] != ALL)]
        table = table[table[list(FIRST_FAILING)].sum(axis=1) > 0].head(_MOST_BARS)
    if not len(table) or not kinds:
        return Drawn(name, question, absent=NO_FAILURE)
    figure, grid = style.canvas(question, 1.5 + 0.24 * len(table))
    axes: Axes = grid[0][0]
    marks.stacks(axes, table, kinds)
    for y, n in enumerate(table[f"{next(iter(kinds))}_n"]):
        axes.text(1.01, y, f"n = {n:.0f}", va="center", fontsize=style.SMALL)
    marks.forest_rows(axes, [f"{p} · {t}" for p, t in zip(table["planner"], table["topology"], strict=True)])
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the failed attempts of an episode")
    style.legend_below(figure, *axes.get_legend_handles_labels())
    caption = (
        f"{_ORDER} Means over the n episodes with a failed attempt; intervals are in the table. "
        f"{results.regime.capitalize()} regime, environments and team sizes pooled. Numbers in bars are per cent."
    )
    return Drawn(name, question, caption, figure)


def by_level(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw the share of attempts that failed, split by the first missing constraint, by level and team size."""
    planner = results.focus
    name, question = "breakdown", "Where does cooperation break down as tasks get harder?"
    if len(table):
        table = table[(table["regime"] == results.regime) & (table["planner"] == planner) & (table["topology"] != ALL)]
    kinds = {column: kind for column, kind in BREAKDOWN.items() if len(table) and table[column].max() > 0}
    if not kinds:
        return Drawn(name, question, absent=NO_FAILURE)
    topologies = ordered("topology", table["topology"].unique())
    tried = table[table["failed_attempts_n"] > 0]
    levels = list(dict.fromkeys(zip(tried["env"], tried["variant"], tried["n_agents"], strict=True)))
    kept = levels[:_MOST_BARS]
    height = marks.TITLE + 0.22 * len(kept)
    across = next((n for n in _ACROSS if math.ceil(len(topologies) / n) * height + _FRAME < marks.TALLEST), _ACROSS[-1])
    shown = topologies[: across * max(1, int((marks.TALLEST - _FRAME) / height))]
    across = min(across, len(shown))
    figure, panels = marks.panels(question, len(shown), across, height, frame=_FRAME, sharex=True, sharey=True)
    least = 0.06 * across * float(table["failed_attempts"].max())
    for axes, topology in zip(panels, shown, strict=True):
        part = table[table["topology"] == topology].set_index(["env", "variant", "n_agents"])
        rows = part.reindex(pd.MultiIndex.from_tuples(kept, names=part.index.names)).reset_index()
        marks.stacks(axes, rows, kinds, "failed_attempts", least)
        for y, n in enumerate(rows["failed_attempts_n"]):
            text = style.NOT_APPLICABLE if not n > 0 else f"{n:.0f}"
            axes.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=style.SMALL)
        axes.set_title(topology, loc="left")
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
        axes.tick_params(labelbottom=True)
    marks.forest_rows(panels[0], _level_names(kept))
    about = "per cent of all attempts that failed, by the constraint missing first"
    handles, labels = panels[0].get_legend_handles_labels()
    style.legend_below(figure, handles, labels, about)
    caption = (
        f"The length of a bar is the share of attempts on a task that failed (black: its 95 % interval); its parts say "
        f"for want of what. {_ORDER} At the right: episodes with an attempt; levels without any are left out. "
        f"Planner `{planner}`, {results.regime} regime; levels "
        "of an environment from easy to hard by the numbers in their names. Intervals of the parts are in the table."
        + marks.left_out(len(topologies), len(shown))
        + (f" The first {len(kept)} of {len(levels)} levels are drawn." if len(kept) < len(levels) else "")
    )
    return Drawn(name, question, caption, figure)


def failure_profile(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw the rate of every rule under every topology as a heat map, a panel per environment."""
    planner = results.focus
    name, question = "failure_profile", "Which failures does each topology run into, and how often?"
    if len(table):
        table = table[(table["regime"] == results.regime) & (table["planner"] == planner)]
    if not len(table) or table["rate"].isna().all():
        why = "No column `failures_...` of the table has a value: no failure rule could be applied."
        return Drawn(name, question, absent=why)
    applies = table.groupby("rule", sort=False)["rate"].apply(lambda rates: rates.notna().any())
    listed = [str(rule) for rule, some in applies.items() if some]
    envs = sorted(table["env"].unique())
    topologies = ordered("topology", table["topology"].unique())[:_MOST_COLUMNS]
    shown = envs[: max(2, _MOST_COLUMNS * 2 // len(topologies))]
    crowded = len(shown) * len(topologies) > _MOST_COLUMNS
    figure, grid = style.canvas(question, 1.5 + 0.178 * len(listed), 1, len(shown), sharey=True)
    image: Any = None
    for axes, env in zip(grid[0], shown, strict=True):
        rates = table[table["env"] == env].pivot(index="rule", columns="topology", values="rate")
        image = _heat(axes, rates.reindex(index=listed, columns=topologies).to_numpy())
        axes.set_title(env, loc="left", pad=4)
        axes.set_xticks(
            range(len(topologies)), topologies, rotation=90 if crowded else 30, ha="center" if crowded else "right"
        )
    names = table.drop_duplicates("rule").set_index("rule")
    axes = grid[0][0]
    axes.set_yticks(
        range(len(listed)), [f"{names['name'][rule]}  {rule}  {names['severity'][rule]}" for rule in listed]
    )
    for label, rule in zip(axes.get_yticklabels(), listed, strict=True):
        label.set(fontsize=style.SMALL, fontweight="bold" if names["severity"][rule] == "F" else "normal")
    bar = figure.colorbar(
        image, ax=list(grid[0]), location="bottom", aspect=50, pad=0.01, shrink=0.6, ticks=[0, 1, 10, 50, 100]
    )
    bar.set_label("hits per 100 opportunities", fontsize=style.SMALL)
    bar.outline.set_visible(False)
    caption = (
        f"Mean over episodes of hits per 100 opportunities; F (bold): failure, W: warning; hatched: the rule applied "
        f"in no episode; 0: it applied and never hit. Planner `{planner}`, {results.regime} regime, team sizes and "
        "levels pooled. Intervals, n and the share of episodes with a hit are in the table. Hits are mechanical; what "
        "each rule says is in the catalogue of failure modes."
        + _nowhere([str(rule) for rule in applies.index if rule not in listed])
        + marks.left_out(len(envs), len(shown))
    )  # fmt: skip
    return Drawn(name, question, caption, figure)


def _nowhere(rules: list[str]) -> str:
    return f" Applied nowhere: {', '.join(rules)}." if rules else ""


def _heat(axes: Axes, rates: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    # Light enough at its dark end for dark text.
    colors = LinearSegmentedColormap.from_list("rates", ["#FFFFFF", "#F3D9B1", "#E0934F"])
    axes.patch.set(hatch="//////", edgecolor="#C4C4C4", linewidth=0)
    image = axes.imshow(np.ma.masked_invalid(100 * rates), aspect="auto", cmap=colors, interpolation="nearest",
                        norm=PowerNorm(0.4, vmin=0, vmax=100, clip=True))  # fmt: skip
    for y, x in zip(*np.nonzero(np.isfinite(rates)), strict=True):
        axes.text(x, y, _per_hundred(100 * float(rates[y, x])), ha="center", va="center", fontsize=style.SMALL)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(rates.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rates.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=1.2)
    axes.tick_params(which="minor", length=0)
    return image


def _per_hundred(value: float) -> str:
    """Write a rate in few characters: `0`, `<0.1`, `0.4`, `12`."""
    if value == 0:
        return "0"
    if value < 0.1:
        return "<0.1"
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _level_names(levels: list[tuple[Any, ...]]) -> list[str]:
    """Name bars `environment level, 4 agents`, and only by what differs from the bar above."""
    out, before = [], ""
    for env, variant, n_agents in levels:
        world = f"{env} {variant}".strip()
        size = f"{n_agents} agent{'s' if n_agents > 1 else ''}"
        out.append(f"{world}, {size}" if world != before else size)
        before = world
    return out


_ORDER = (
    "Order of blame: dependency, participation, spatial, temporal; `other` is an attempt in which every single count "
    "was met, but not by the same agents."
)
