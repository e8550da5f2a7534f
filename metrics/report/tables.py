"""Every number of the report, as tables: one function per table, each aggregate with its interval and n.

An estimate called `x` fills the columns `x`, `x_low`, `x_high` and `x_n`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.report.rows import (
    ATTEMPTS,
    AXES,
    CELL,
    FIRST_FAILING,
    OUTCOMES,
    PROCESS,
    Results,
    natural,
    ordered,
    records,
)
from emcoop.metrics.statistics import Estimate

ALL = "(all)"
"""Stands for every environment or topology in a pooled row."""
_NOTHING = Estimate(math.nan, math.nan, math.nan, 0)


def spread(name: str, estimate: Estimate) -> dict[str, float]:
    """Lay an estimate out as columns."""
    return {
        name: estimate.value,
        f"{name}_low": estimate.low,
        f"{name}_high": estimate.high,
        f"{name}_n": estimate.n,
    }


def gather(name: str, row: Any) -> Estimate:
    """Read an estimate back from a table row (the inverse of `spread`)."""
    value, low, high = (float(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    return Estimate(value, low, high, int(row[f"{name}_n"]))


def cells(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the cell of each row, which is its stratum."""
    return list(zip(*(frame[column].tolist() for column in CELL), strict=True))


def mean(frame: pd.DataFrame, metric: str) -> Estimate:
    """Estimate the mean of a metric over episodes, stratified by cell."""
    return statistics.mean(frame[metric].to_numpy(), cells(frame))


def primary(results: Results) -> str:
    """Name the outcome that comparisons rest on: progress AUC, or the score where there is none."""
    return "progress_auc" if results.scored["progress_auc"].notna().any() else "score"


def main(results: Results) -> pd.DataFrame:
    """Tabulate the outcomes of every cell; `score` and `steps_to_goal` as means, `progress_auc` as IQM too."""
    every = results.rows.groupby(CELL, sort=False)["seed"].nunique().reset_index(name="seeds")
    if not len(every):
        return pd.DataFrame()
    counts = results.scored.groupby(CELL, sort=False).size().reset_index(name="completed")
    found = every.merge(counts, on=CELL, how="left").fillna({"completed": 0}).astype({"completed": int})
    made = estimated(results.scored, CELL, OUTCOMES)
    middles = estimated(results.scored, CELL, ["progress_auc"], "iqm").rename(
        columns=lambda name: name.replace("progress_auc", "progress_auc_iqm")
    )
    for part in (made, middles):
        found = found.merge(part, on=CELL, how="left")
    for metric in (*OUTCOMES, "progress_auc_iqm"):
        found[f"{metric}_n"] = found[f"{metric}_n"].fillna(0).astype(int)
    return _sorted(found)


def team_size(results: Results) -> pd.DataFrame:
    """Tabulate score and progress AUC by team size, per topology and pooled over topologies."""
    by = ["env", "variant", "regime", "planner", "topology", "n_agents"]
    out = [
        estimated(frame, by, ["score"]).merge(estimated(frame, by, ["progress_auc"], "iqm"), on=by)
        for frame in (results.scored.assign(topology=ALL), results.scored)
    ]
    return arranged(pd.concat(out, ignore_index=True), by)


def axes(results: Results) -> pd.DataFrame:
    """Tabulate the seven axes per environment, planner, topology and team size."""
    return estimated(results.scored, ["env", "regime", "planner", "topology", "n_agents"], list(AXES))


def process(results: Results) -> pd.DataFrame:
    """Tabulate decision and wait overhead, messages and collisions per planner, topology and team size."""
    return estimated(results.scored, ["regime", "planner", "topology", "n_agents"], PROCESS)


def failures(results: Results) -> pd.DataFrame:
    """Tabulate which constraint failed first, and how many attempts failed, per planner and topology."""
    by, metrics = ["regime", "planner", "topology"], [*FIRST_FAILING, *ATTEMPTS]
    return with_all_topologies(results.scored, by, metrics)


def status(results: Results) -> pd.DataFrame:
    """Count attempts by status per planner, and the rates of completed and of goal-reaching episodes (Wilson)."""
    out = []
    for (planner,), rows in each(results.rows, "planner"):
        counts = rows["status"].value_counts()
        scored = results.scored[results.scored["planner"] == planner]
        reached = int(scored["steps_to_goal"].notna().sum())
        row: dict[str, Any] = {"planner": planner, "attempts": len(rows)}
        row |= {name: int(counts.get(name, 0)) for name in ("completed", "agent_error", "infra_error")}
        row["other"] = len(rows) - row["completed"] - row["agent_error"] - row["infra_error"]
        row |= spread("completed_rate", statistics.wilson(row["completed"], len(rows)))
        out.append(row | spread("goal_rate", statistics.wilson(reached, len(scored))))
    return pd.DataFrame(out)


def missing(results: Results) -> pd.DataFrame:
    """List every cell and seed without a completed episode: failed (last error), or never run.

    A seed is expected in a cell when any cell of the same environment and variant ran it.
    """
    seeds = {key: sorted(rows["seed"].unique()) for key, rows in each(results.rows, "env", "variant")}
    done = {(*cell, seed) for cell, seed in zip(cells(results.scored), results.scored["seed"], strict=True)}
    failed = results.rows[results.rows["status"] != "completed"].sort_values("attempt", kind="stable")
    last = dict(zip(zip(cells(failed), failed["seed"], strict=True), records(failed), strict=True))
    out = []
    for cell in dict.fromkeys(cells(results.rows)):
        for seed in seeds[cell[:2]]:
            if (*cell, seed) not in done:
                why = last.get((cell, seed), {"status": "not run", "error": ""})
                row = dict(zip(CELL, cell, strict=True)) | {"seed": seed}
                out.append(row | {"status": why["status"], "error": why["error"]})
    return _sorted(pd.DataFrame(out, columns=[*CELL, "seed", "status", "error"]))


def each(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Iterate over the groups of some columns, named columns in their usual order."""
    groups: list[tuple[Any, pd.DataFrame]] = list(frame.groupby(list(columns), sort=True))
    named = [i for i, column in enumerate(columns) if column in ("topology", "planner", "regime")]
    ranks = {i: ordered(columns[i], {key[i] for key, _ in groups}) for i in named}
    yield from sorted(groups, key=lambda g: [ranks[i].index(v) if i in ranks else v for i, v in enumerate(g[0])])


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort a table with the cell columns for reading."""
    return arranged(frame, ["env", "variant", "regime", "planner", "n_agents", "topology"])


def estimated(
    frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str], statistic: Literal["mean", "iqm"] = "mean"
) -> pd.DataFrame:
    """Tabulate metrics per group, stratified by cell: the columns `by`, then four per metric (see `spread`)."""
    number = frame.groupby(list(by), sort=True).ngroup().to_numpy()
    firsts = np.unique(number, return_index=True)[1]
    keys = list(frame[list(by)].iloc[firsts].itertuples(index=False, name=None))
    codes = frame.groupby(CELL, sort=False).ngroup().to_numpy()
    values = {metric: frame[metric].to_numpy(dtype=np.float64) for metric in metrics}
    if statistic == "mean":
        by_group = statistics.grouped_means(values, number.tolist(), codes.tolist())
        made = [by_group[i] for i in range(len(keys))] if len(frame) else []
    else:
        made = [
            {
                metric: statistics.interquartile_mean(values[metric][places], codes[places].tolist())
                for metric in metrics
            }
            for places in (number == i for i in range(len(keys)))
        ]
    rows = [
        dict(zip(by, key, strict=True)) | {k: v for m, e in row.items() for k, v in spread(m, e).items()}
        for key, row in zip(keys, made, strict=True)
    ]
    names = [*by, *(column for metric in metrics for column in spread(metric, _NOTHING))]
    return arranged(pd.DataFrame(rows, columns=names), by)


def with_all_topologies(frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Tabulate metrics per group, `topology` being one of the columns, and with the topologies pooled."""
    both = [estimated(part, by, metrics) for part in (frame.assign(topology=ALL), frame)]
    return pd.concat(both, ignore_index=True)


def arranged(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Sort a table by some columns, names of topologies, planners and regimes in their usual order, (all) first."""
    if not len(frame):
        return frame

    def rank(values: pd.Series[Any]) -> pd.Series[Any]:
        if values.name not in ("variant", "topology", "planner", "regime"):
            return values
        found = set(values) - {ALL}
        names = sorted(found, key=natural) if values.name == "variant" else ordered(str(values.name), found)
        return values.map({name: i for i, name in enumerate([ALL, *names])})

    return frame.sort_values(list(by), key=rank, kind="stable", ignore_index=True)
