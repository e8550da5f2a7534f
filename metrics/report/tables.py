"""Every number of the report, as tables: one function per table, each aggregate with its interval and n.

An estimate called `x` fills the columns `x`, `x_low`, `x_high` and `x_n`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.report.rows import (
    ATTEMPTS,
    AXES,
    BASELINE,
    CELL,
    FIRST_FAILING,
    OUTCOMES,
    PROCESS,
    REFERENCES,
    WORLD,
    Results,
    ordered,
    records,
)
from emcoop.metrics.statistics import Estimate

ALL = "(all)"
"""Stands for every environment or topology in a pooled row."""


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


def iqm(frame: pd.DataFrame, metric: str) -> Estimate:
    """Estimate the interquartile mean of a metric over episodes, stratified by cell."""
    return statistics.interquartile_mean(frame[metric].to_numpy(), cells(frame))


def primary(results: Results) -> str:
    """Name the outcome that comparisons rest on: progress AUC, or the score where there is none."""
    return "progress_auc" if results.scored["progress_auc"].notna().any() else "score"


def main(results: Results) -> pd.DataFrame:
    """Tabulate the outcomes of every cell; `score` and `steps_to_goal` as means, `progress_auc` as IQM too."""
    scored = dict(list(results.scored.groupby(CELL, sort=False)))
    out = []
    for key, rows in results.rows.groupby(CELL, sort=False):
        frame = scored.get(key, results.scored.iloc[:0])
        row: dict[str, Any] = dict(zip(CELL, key, strict=True))
        row |= {"seeds": rows["seed"].nunique(), "completed": len(frame)}
        for metric in OUTCOMES:
            row |= spread(metric, mean(frame, metric))
        row |= spread("progress_auc_iqm", iqm(frame, "progress_auc"))
        out.append(row)
    return _sorted(pd.DataFrame(out))


def topology_effects(results: Results) -> pd.DataFrame:
    """Tabulate paired differences topology - `individual` on the same worlds and seeds.

    Teams of one are left out: they have nobody to talk to. Rows with `env` (all) pool the environments; their p-values
    come from sign flips and are adjusted (Holm) within the regime.
    """
    metric = primary(results)
    teams = results.scored[results.scored["n_agents"] > 1]
    out: list[dict[str, Any]] = []
    for (regime, planner), frame in _each(teams, "regime", "planner"):
        if planner not in results.communicating or BASELINE not in set(frame["topology"]):
            continue
        for env, part in _scopes(frame):
            base = _keyed(part[part["topology"] == BASELINE], metric)
            for topology in ordered("topology", set(part["topology"]) - {BASELINE}):
                other = _keyed(part[part["topology"] == topology], metric)
                row = {"regime": regime, "planner": planner, "topology": topology, "env": env, "metric": metric}
                out.append(row | _effect(other, base))
    return _with_holm(out, ["regime"])


def team_size(results: Results) -> pd.DataFrame:
    """Tabulate score and progress AUC by team size, per topology and pooled over topologies."""
    out = []
    for (env, variant, regime, planner), frame in _each(results.scored, "env", "variant", "regime", "planner"):
        topologies = ordered("topology", frame["topology"].unique())
        parts = [(ALL, frame), *((name, frame[frame["topology"] == name]) for name in topologies)]
        for topology, part in parts:
            for n_agents, group in part.groupby("n_agents"):
                row = {"env": env, "variant": variant, "regime": regime, "planner": planner, "topology": topology}
                row |= {"n_agents": n_agents} | spread("score", mean(group, "score"))
                out.append(row | spread("progress_auc", iqm(group, "progress_auc")))
    return pd.DataFrame(out)


def axes(results: Results) -> pd.DataFrame:
    """Tabulate the seven axes per environment, planner, topology and team size."""
    return _means(results.scored, ["env", "regime", "planner", "topology", "n_agents"], list(AXES))


def process(results: Results) -> pd.DataFrame:
    """Tabulate decision and wait overhead, messages and collisions per planner, topology and team size."""
    return _means(results.scored, ["regime", "planner", "topology", "n_agents"], PROCESS)


def failures(results: Results) -> pd.DataFrame:
    """Tabulate which constraint failed first, and how many attempts failed, per planner and topology."""
    by_topology = _means(results.scored, ["regime", "planner", "topology"], [*FIRST_FAILING, *ATTEMPTS])
    pooled = _means(results.scored, ["regime", "planner"], [*FIRST_FAILING, *ATTEMPTS])
    if len(pooled):
        pooled.insert(2, "topology", ALL)
    return pd.concat([pooled, by_topology], ignore_index=True)


def planners(results: Results) -> pd.DataFrame:
    """Tabulate paired differences between planners on the same worlds, seeds, topologies and regimes.

    Neighbours on the ladder random, greedy, team, oracle are compared, every other planner with the lowest planner on
    it that is no reference. Only cells both ran are paired; where there are none, each planner's mean over the
    topologies and regimes it ran (`paired_on` says so).
    """
    metric = primary(results)
    out = []
    for better, worse in _rungs(results.names("planner")):
        frames = [results.scored[results.scored["planner"] == name] for name in (better, worse)]
        row: dict[str, Any] = {"planner": better, "than": worse, "metric": metric}
        row["paired_on"] = "world, seed, topology, regime"
        first, second = _shared_cells(*(_keyed(frame, metric, ["topology", "regime"]) for frame in frames))
        if not first:
            row["paired_on"] = "world, seed"
            first, second = _shared_cells(*(_keyed(frame, metric) for frame in frames))
        out.append(row | _effect(first, second) | spread("wins", _wins(first, second)))
    return _with_holm(out, [])


def status(results: Results) -> pd.DataFrame:
    """Count attempts by status per planner, and the rates of completed and of goal-reaching episodes (Wilson)."""
    out = []
    for (planner,), rows in _each(results.rows, "planner"):
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
    seeds = {key: sorted(rows["seed"].unique()) for key, rows in _each(results.rows, "env", "variant")}
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


def _each(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Iterate over the groups of some columns, named columns in their usual order."""
    groups: list[tuple[Any, pd.DataFrame]] = list(frame.groupby(list(columns), sort=True))
    named = [i for i, column in enumerate(columns) if column in ("topology", "planner", "regime")]
    ranks = {i: ordered(columns[i], {key[i] for key, _ in groups}) for i in named}
    yield from sorted(groups, key=lambda g: [ranks[i].index(v) if i in ranks else v for i, v in enumerate(g[0])])


def _scopes(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, frame
    if frame["env"].nunique() > 1:
        yield from ((str(env), part) for env, part in frame.groupby("env", sort=True))


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort a table with the cell columns for reading."""
    if not len(frame):
        return frame
    ranks = {column: ordered(column, frame[column].unique()) for column in ("topology", "planner", "regime")}
    return frame.sort_values(
        ["env", "variant", "regime", "planner", "n_agents", "topology"],
        key=lambda values: values.map(ranks[values.name].index) if values.name in ranks else values,
        kind="stable",
        ignore_index=True,
    )


def _means(frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    out = []
    for key, group in _each(frame, *by):
        row: dict[str, Any] = dict(zip(by, key, strict=True))
        strata = cells(group)
        for metric in metrics:
            row |= spread(metric, statistics.mean(group[metric].to_numpy(), strata))
        out.append(row)
    return pd.DataFrame(out)


def _keyed(frame: pd.DataFrame, metric: str, extra: Sequence[str] = ()) -> dict[Any, float]:
    """Map (world, extra columns, seed) to the metric, averaged over what is not in the key."""
    return dict(frame.groupby([*WORLD, *extra, "seed"])[metric].mean())


def _shared_cells(first: dict[Any, float], second: dict[Any, float]) -> tuple[dict[Any, float], dict[Any, float]]:
    """Keep the keys whose cell (all but the seed) occurs on both sides."""
    shared = {key[:-1] for key in first} & {key[:-1] for key in second}
    one, two = ({key: value for key, value in side.items() if key[:-1] in shared} for side in (first, second))
    return one, two


def _effect(first: dict[Any, float], second: dict[Any, float]) -> dict[str, float]:
    median = statistics.paired_difference(first, second)
    average = statistics.paired_difference(first, second, statistic="mean")
    p = statistics.sign_flip_p(statistics.pair(first, second).differences)
    counts = {"missing": median.missing, "dropped": median.dropped}
    return spread("difference", median) | spread("mean_difference", average) | counts | {"p": p}


def _wins(first: dict[Any, float], second: dict[Any, float]) -> Estimate:
    keys = [key for key in first if key in second]
    worlds = [key[:-1] for key in keys]
    return statistics.probability_of_improvement(
        [first[key] for key in keys], [second[key] for key in keys], worlds, worlds
    )


def _with_holm(rows: list[dict[str, Any]], within: Sequence[str]) -> pd.DataFrame:
    """Add `p_holm`: one family per value of `within`, of the rows that pool the environments."""
    frame = pd.DataFrame(rows)
    if not rows:
        return frame
    frame["p_holm"] = math.nan
    pooled = frame[frame["env"] == ALL] if "env" in frame else frame
    families = [part for _, part in pooled.groupby(list(within))] if within else [pooled]
    for family in families:
        frame.loc[family.index, "p_holm"] = statistics.holm(family["p"])
    return frame


def _rungs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pair each planner with the one it should beat."""
    ladder = [name for name in ("random", "greedy", "team", "oracle") if name in names]
    yield from zip(ladder[1:], ladder, strict=False)
    others = [name for name in names if name not in ladder]
    floor = [name for name in ladder if name not in REFERENCES] or ladder or others[:1]
    yield from ((name, floor[0]) for name in others if name != floor[0])
