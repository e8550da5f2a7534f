"""The figures of the report: each answers the question in its title, from one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.report import marks, style
from emcoop.metrics.report.rows import AXES, BASELINE, FIRST_FAILING, Results, ordered, records
from emcoop.metrics.report.style import Drawn
from emcoop.metrics.report.tables import ALL, cells, gather, primary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUTCOME_NAMES = {"progress_auc": "progress AUC", "score": "score"}
_MOST_PANELS = 12


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
    pooled = effects[effects["env"] == ALL]
    lines = list(dict.fromkeys(zip(pooled["planner"], pooled["topology"], strict=True)))
    environments = sorted(set(effects["env"]) - {ALL})
    scopes = [ALL, *environments[:2]]
    figure, grid = style.canvas(
        question,
        1.5 + 0.36 * len(lines),
        1,
        len(scopes),
        sharey=True,
        sharex=True,
        width_ratios=[1.5] + [1] * (len(scopes) - 1),
    )
    regimes = ordered("regime", effects["regime"].unique())
    handles: dict[str, Any] = {}
    for axes, scope in zip(grid[0], scopes, strict=True):
        for row in records(effects[effects["env"] == scope]):
            place = lines.index((row["planner"], row["topology"]))
            shift = (regimes.index(row["regime"]) - (len(regimes) - 1) / 2) * 0.34
            filled = row["regime"] == results.matched
            handles[row["regime"]] = marks.forest_point(
                axes, gather("difference", row), place + shift, filled, scope == ALL
            )
        axes.axvline(0, color=style.INK, lw=0.8, zorder=0)
        axes.set_title(scope if scope != ALL else "all environments" if len(scopes) > 1 else "", loc="left")
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=7 if len(scopes) == 1 else 4)
    marks.forest_rows(grid[0][0], [f"{planner} · {topology}" for planner, topology in lines])
    outcome = OUTCOME_NAMES[primary(results)]
    grid[0][0].set_xlabel(f"{outcome}, topology minus {BASELINE}; right of 0 is better", loc="left")
    order = [name for name in regimes if name in handles]
    style.legend_below(figure, [handles[name] for name in order], [f"{name} regime" for name in order])
    caption = (
        f"Median paired difference in {outcome} with 95 % intervals; teams of two and more; the text gives value, "
        f"interval and pairs. Intervals that cross the line: no difference seen. "
        + ("Only matched differences are effects of the topology alone. " if results.matched in regimes else "")
        + ("Other conditions: see the table. " if set(results.names("regime")) - set(results.regimes) else "")
    )
    return Drawn("topology_effect", question, caption + marks.left_out(len(environments), len(scopes) - 1), figure)


def team_size(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw progress AUC against team size, a panel per planner and environment."""
    question = "How does progress change with team size?"
    name = "team_size"
    table = table[(table["regime"] == results.regime) & (table["topology"] != ALL)] if len(table) else table
    metric = primary(results)
    if not len(table) or table[metric].isna().all():
        return Drawn(name, question, absent="No completed episode has a progress AUC or score.")
    worlds = list(dict.fromkeys(zip(table["env"], table["variant"], strict=True)))
    planners = ordered("planner", table["planner"].unique())
    panels = [(world, planner) for world in worlds for planner in planners][:_MOST_PANELS]
    columns = min(5 if len(worlds) > 1 else 4, len(planners))
    figure, grid = marks.panels(question, len(panels), columns, 2.3, sharey=True)
    looks = style.looks(results.names("topology"))
    handles: dict[str, Any] = {}
    for axes, ((env, variant), planner) in zip(grid, panels, strict=False):
        part = table[(table["env"] == env) & (table["variant"] == variant) & (table["planner"] == planner)]
        for topology in ordered("topology", part["topology"].unique()):
            handles[topology] = marks.band(axes, part[part["topology"] == topology], metric, looks[topology])
        axes.set_title(f"{planner}\n{env} {variant}".strip(), loc="left")
        axes.set_xlabel("agents")
        marks.size_axis(axes, sorted(table["n_agents"].unique()))
        axes.set_ylim(-0.02, 1.02)
        axes.grid(axis="y")
    figure.supylabel(f"{OUTCOME_NAMES[metric]} (higher is better)", fontsize=9)
    style.legend_below(figure, list(handles.values()), list(handles))
    caption = (
        f"Points: {'interquartile mean' if metric == 'progress_auc' else 'mean'} over seeds; bands: 95 % intervals; "
        f"{style.counts(table[f'{metric}_n'])} per point, {results.regime} regime. A flat line means that larger teams "
        "do as well on the larger tasks they are given."
    )
    return Drawn(name, question, caption + marks.left_out(len(worlds) * len(planners), len(panels)), figure)


def radar(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw the seven axes per topology, a panel per environment and team size, for the planner in focus."""
    planner = results.focus
    question = f"How well do the agents work together (planner {planner})?"
    name = "collaboration_radar"
    if len(table):
        table = table[(table["regime"] == results.regime) & (table["planner"] == planner)]
    if not len(table) or table[list(AXES)].isna().all(axis=None):
        return Drawn(
            name, "How well do the agents work together?", absent="No completed episode has a value on any axis."
        )
    keys = sorted(set(zip(table["env"], table["n_agents"], strict=True)))
    panels = keys[:_MOST_PANELS]
    columns = min(2 if len(panels) <= 4 else 3, len(panels))
    figure, grid = marks.panels(
        question, len(panels), columns, 3.1 if columns < 3 else 2.3, subplot_kw={"projection": "polar"}
    )
    looks = style.looks(results.names("topology"))
    handles: dict[str, Any] = {}
    for axes, (env, n_agents) in zip(grid, panels, strict=False):
        part = table[(table["env"] == env) & (table["n_agents"] == n_agents)]
        marks.spokes(axes, part)
        topologies = ordered("topology", part["topology"].unique())
        for i, topology in enumerate(topologies):
            row = part[part["topology"] == topology].iloc[0]
            shift = (i - (len(topologies) - 1) / 2) * 0.06
            handles[topology] = marks.loop(axes, [gather(axis, row) for axis in AXES], looks[topology], shift)
        axes.set_title(f"{env}, {n_agents} agent{'s' if n_agents > 1 else ''}", pad=22)
    style.legend_below(figure, list(handles.values()), list(handles))
    caption = (
        f"Means with 95 % intervals (bars along the spokes); outside is better; planner `{planner}`, {results.regime} "
        f"regime; {style.counts(table[[f'{axis}_n' for axis in AXES]].max(axis=1))} per line. An axis marked n/a does "
        "not apply there and has no point; lines are broken at it. Capability gain is cut at 1."
    )
    return Drawn(name, question, caption + marks.left_out(len(keys), len(panels)), figure)


def overhead(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw decision overhead and message counts per topology, bars by team size, for the planner in focus."""
    planner = results.focus
    name, question = "decision_overhead", "What does each topology cost in deciding and talking?"
    if len(table):
        table = table[(table["regime"] == results.regime) & (table["planner"] == planner)]
    metrics = {"decision_overhead": "share of agent-rounds spent deciding", "messages_total": "messages per episode"}
    if not len(table) or table[list(metrics)].isna().all(axis=None):
        return Drawn(name, question, absent="No completed episode has a decision overhead or a message count.")
    figure, grid = style.canvas(question, 3.4, 1, 2)
    sizes = sorted(table["n_agents"].unique())
    topologies = ordered("topology", table["topology"].unique())
    colors = style.shades(len(sizes))
    handles: list[Any] = []
    for axes, (metric, label) in zip(grid[0], metrics.items(), strict=True):
        handles = []
        for i, size in enumerate(sizes):
            rows = table[table["n_agents"] == size].set_index("topology").reindex(topologies)
            shift = (i - (len(sizes) - 1) / 2) * 0.8 / len(sizes)
            found = [(j, gather(metric, rows.loc[t])) for j, t in enumerate(topologies) if rows.loc[t, metric] >= 0]
            handles.append(marks.bars(axes, found, shift, 0.8 / len(sizes), colors[i]))
        axes.set_xticks(range(len(topologies)), topologies)
        axes.set_title(label, loc="left")
        axes.grid(axis="y")
        axes.set_ylim(bottom=0)
    top = table["messages_total"].max()
    low = table.loc[table["messages_total"] > 0, "messages_total"].min()
    if top > 50 * low:
        grid[0][1].set_yscale("symlog", linthresh=max(1.0, float(low)))
    style.legend_below(figure, handles, [str(size) for size in sizes], "agents")
    caption = (
        f"Means with 95 % intervals, {style.counts(table['decision_overhead_n'])} per bar; planner `{planner}`, "
        f"{results.regime} regime, environments pooled. Deciding = stages reason and interrupt; waiting is not in it "
        "(column `wait_overhead` of the table). No bar: no such episode."
    )
    return Drawn(name, question, caption, figure)


def first_failing(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw which constraint failed first, a stacked bar per planner and topology."""
    name, question = "first_failing", "When a joint attempt fails, which constraint is missing first?"
    kinds = [column for column in FIRST_FAILING if len(table) and table[column].max() > 0]
    if len(table):
        table = table[(table["regime"] == results.regime) & (table["topology"] != ALL)]
        table = table[table[list(FIRST_FAILING)].sum(axis=1) > 0]
    if not len(table) or not kinds:
        return Drawn(name, question, absent="No failed attempt was recorded in a completed episode.")
    figure, grid = style.canvas(question, 1.5 + 0.3 * len(table))
    axes: Axes = grid[0][0]
    left = np.zeros(len(table))
    places = [float(place) for place in range(len(table))]
    for i, column in enumerate(kinds):
        width = table[column].fillna(0).to_numpy()
        kind = FIRST_FAILING[column]
        axes.barh(places, width, left=left, height=0.72, color=style.CONSTRAINTS[kind], edgecolor="white",
                  hatch=style.HATCHES[i], label=kind)  # fmt: skip
        for y, x, w in zip(places, left, width, strict=True):
            if w >= 0.07:
                axes.text(x + w / 2, y, f"{100 * w:.0f} %", ha="center", va="center", fontsize=7.5,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
        left += width
    for y, n in zip(places, table[f"{kinds[0]}_n"], strict=True):
        axes.text(1.01, y, f"n = {n:.0f}", va="center", fontsize=7.5, color=style.GREY)
    marks.forest_rows(axes, [f"{p} · {t}" for p, t in zip(table["planner"], table["topology"], strict=True)])
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel("share of the failed attempts of an episode")
    style.legend_below(figure, *axes.get_legend_handles_labels())
    caption = (
        "Order of blame: dependency, participation, spatial, temporal; `other` is an attempt in which every single "
        "count was met, but not by the same agents. Means over the n episodes with a failed attempt; intervals are in "
        f"the table. {results.regime.capitalize()} regime, environments and team sizes pooled."
    )
    return Drawn(name, question, caption, figure)


def planner_comparison(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw paired differences between planners beside their performance profiles."""
    name, question = "planners", "How much do planners differ on the same seeds?"
    metric = primary(results)
    names = results.names("planner")
    if not len(table):
        only = f"Only `{names[0]}` has completed episodes" if names else "No episode was completed"
        return Drawn(name, question, absent=f"{only}; comparing planners takes two.")
    figure, grid = style.canvas(question, max(3.2, 1.4 + 0.45 * len(table)), 1, 2)
    left, right = grid[0]
    for i, row in enumerate(records(table)):
        marks.forest_point(left, gather("difference", row), i, True, True)
    marks.forest_rows(left, [f"{row.planner} {style.MINUS} {row.than}" for row in table.itertuples()])
    left.axvline(0, color=style.INK, lw=0.8, zorder=0)
    left.grid(axis="x")
    left.set_xlabel(f"paired difference in {OUTCOME_NAMES[metric]}")
    left.set_title("the first planner minus the second", loc="left")
    thresholds = np.linspace(0, 1, 41)
    sizes, lines = [], []
    for i, planner in enumerate(names):
        frame = results.scored[results.scored["planner"] == planner]
        profile = statistics.performance_profile(frame[metric].to_numpy(), thresholds, cells(frame))
        color = style.GREY if planner == "random" else style.PALETTE[i % len(style.PALETTE)]
        lines += right.plot(thresholds, profile.share, color=color, ls=style.LINES[i % len(style.LINES)])
        right.fill_between(thresholds, profile.low, profile.high, color=color, alpha=0.18, lw=0)
        sizes.append(profile.n)
    right.set_xlabel(f"{OUTCOME_NAMES[metric]} above")
    right.set_title("share of episodes", loc="left")
    right.set_ylim(0, 1.02)
    right.grid()
    style.legend_below(figure, lines, names, "performance profile of")
    caption = (
        "Left: median paired differences on the same worlds and seeds, with 95 % intervals. Right: performance "
        f"profiles over all cells a planner ran (not paired), with 95 % bands, {style.counts(sizes)} per line; a line "
        "above another is better."
    )
    return Drawn(name, question, caption, figure)
