"""The figures of the report: each answers the question in its title, from one table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emcoop.metrics.report import marks, style
from emcoop.metrics.report.rows import AXES, OUTCOME_NAMES, Results, ordered
from emcoop.metrics.report.style import Drawn
from emcoop.metrics.report.tables import ALL, gather, primary

_MOST_PANELS = 12


def team_size(results: Results, table: pd.DataFrame) -> Drawn:
    """Draw progress AUC against team size, a panel per planner and environment."""
    question = "How does progress change with team size?"
    name = "team_size"
    table = table[(table["regime"] == results.regime) & (table["topology"] != ALL)] if len(table) else table
    metric = primary(results)
    if not len(table) or table[metric].isna().all():
        return Drawn(name, question, absent="No completed episode has a progress AUC or score.")
    sizes = table.groupby(["env", "variant", "planner"])["n_agents"].transform("nunique")
    grown = table[sizes > 1] if (sizes > 1).any() else table
    worlds = list(dict.fromkeys(zip(grown["env"], grown["variant"], strict=True)))
    planners = ordered("planner", grown["planner"].unique())
    ran = set(zip(grown["env"], grown["variant"], grown["planner"], strict=True))
    wanted = [(world, planner) for world in worlds for planner in planners if (*world, planner) in ran]
    panels = wanted[:_MOST_PANELS]
    columns = min({1: 3, 2: 4, 3: 3}.get(len(planners), 4), len(panels))
    figure, grid = marks.panels(question, len(panels), columns, 2.3, sharey=True)
    looks = style.looks(results.names("topology"))
    handles: dict[str, Any] = {}
    for axes, ((env, variant), planner) in zip(grid, panels, strict=False):
        part = table[(table["env"] == env) & (table["variant"] == variant) & (table["planner"] == planner)]
        for topology in ordered("topology", part["topology"].unique()):
            handles[topology] = marks.band(axes, part[part["topology"] == topology], metric, looks[topology])
        title = f"{planner}\n{env} {variant}".strip()
        axes.set_title(title, loc="left", fontsize=style.SMALL if columns == 4 else None)
        axes.set_xlabel("agents")
        marks.size_axis(axes, sorted(part["n_agents"].unique()))
        axes.set_ylim(-0.02, 1.02)
        axes.grid(axis="y")
    figure.supylabel(f"{OUTCOME_NAMES[metric]} (higher is better)", fontsize=9)
    style.legend_below(figure, list(handles.values()), list(handles))
    caption = (
        f"Points: {'interquartile mean' if metric == 'progress_auc' else 'mean'} over seeds; bands: 95 % intervals; "
        f"{style.counts(table[f'{metric}_n'])} per point, {results.regime} regime. A flat line means that larger teams "
        "do as well on the larger tasks they are given."
        + (" What ran with one team size only is in the table." if len(grown) < len(table) else "")
    )
    return Drawn(name, question, caption + marks.left_out(len(wanted), len(panels)), figure)


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
    short = len(panels) > 4
    columns = min(3 if short else 2, len(panels))
    figure, grid = marks.panels(
        question, len(panels), columns, 2.35 if short else 2.9, subplot_kw={"projection": "polar"}
    )
    looks = style.looks(results.names("topology"))
    handles: dict[str, Any] = {}
    for axes, (env, n_agents) in zip(grid, panels, strict=False):
        part = table[(table["env"] == env) & (table["n_agents"] == n_agents)]
        marks.spokes(axes, part, short)
        topologies = ordered("topology", part["topology"].unique())
        for i, topology in enumerate(topologies):
            row = part[part["topology"] == topology].iloc[0]
            shift = (i - (len(topologies) - 1) / 2) * 0.06
            handles[topology] = marks.loop(axes, [gather(axis, row) for axis in AXES], looks[topology], shift)
        axes.set_title(f"{env}, {n_agents} agent{'s' if n_agents > 1 else ''}", pad=12 if short else 22)
    style.legend_below(figure, list(handles.values()), list(handles))
    caption = (
        f"Means with 95 % intervals (bars along the spokes); outside is better; planner `{planner}`, {results.regime} "
        f"regime; {style.counts(table[[f'{axis}_n' for axis in AXES]].max(axis=1))} per line. An axis marked n/a does "
        "not apply there and has no point; lines are broken at it. Capability gain is cut at 1. "
        + (", ".join(f"{marks.SHORT[axis]}: {label}" for axis, label in AXES.items()) + "." if short else "")
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
            hatch = style.HATCHES[i % len(style.HATCHES)]
            handles.append(marks.bars(axes, found, shift, 0.8 / len(sizes), colors[i], hatch))
        long = sum(map(len, topologies)) > 40
        axes.set_xticks(
            range(len(topologies)), topologies, rotation=25 if long else 0, ha="right" if long else "center"
        )
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
