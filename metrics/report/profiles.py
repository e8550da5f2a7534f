"""Tables of how episodes went: failures by difficulty and by rule, what teams took, how that grows with the team."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.failures import rules
from emcoop.metrics.report.rows import ATTEMPTS, BREAKDOWN, COSTS, SCALING, Results, records
from emcoop.metrics.report.tables import arranged, estimated, spread, with_all_topologies

LEVEL = ["env", "variant", "n_agents"]
"""What makes one task harder than another of the same environment."""
WHO = ["regime", "planner", "topology"]


def breakdown(results: Results) -> pd.DataFrame:
    """Tabulate by level and team size the share of attempts that failed, split by the constraint missing first.

    Levels come in the order of the numbers in their names. `score` and `progress_auc` say how hard the level is.
    """
    metrics = [*BREAKDOWN, *ATTEMPTS, "score", "progress_auc"]
    found = with_all_topologies(results.scored, [*WHO, *LEVEL], metrics)
    return arranged(found, [*LEVEL, *WHO])


def failure_profile(results: Results) -> pd.DataFrame:
    """Tabulate the rate of every failure rule per environment, planner and topology.

    `rate` is the mean over episodes of hits per opportunity, over those in which there was one; `found` the share of
    these episodes with a hit (Wilson). Where a rule never applies both are NaN and their n is 0.
    """
    by = ["env", *WHO]
    columns = list(results.rules)
    if not columns:
        return pd.DataFrame()
    found = estimated(results.scored, by, columns)
    hits = results.scored[by].join(results.scored[columns] > 0).groupby(by).sum()
    out: list[dict[str, Any]] = []
    known = rules()
    for row in records(found):
        key = tuple(row[name] for name in by)
        for column in columns:
            rule = known[results.rules[column]]
            n = int(row[f"{column}_n"])
            entry: dict[str, Any] = dict(zip(by, key, strict=True))
            entry |= {"rule": rule.id, "name": rule.name, "severity": rule.severity}
            entry |= {f"rate{end}": row[f"{column}{end}"] for end in ("", "_low", "_high", "_n")}
            out.append(entry | spread("found", statistics.wilson(int(hits[column][key]), n)))
    return pd.DataFrame(out)


def other_metrics(results: Results) -> pd.DataFrame:
    """Tabulate the metrics that are not of this package, a row per metric, environment, planner and topology."""
    by = ["env", *WHO]
    if not results.others:
        return pd.DataFrame()
    found = estimated(results.scored, by, results.others)
    return pd.DataFrame(
        {name: row[name] for name in by}
        | {"metric": metric}
        | {f"value{end}": row[f"{metric}{end}"] for end in ("", "_low", "_high", "_n")}
        for metric in results.others
        for row in records(found)
    )


def cost_frontier(results: Results) -> pd.DataFrame:
    """Tabulate score and what it took, per environment, planner and topology; columns of `COSTS` that are known."""
    known = [column for column in COSTS if (results.scored[column] > 0).any()]
    return estimated(results.scored, ["env", *WHO], ["score", "progress_auc", *known])


def scaling(results: Results) -> pd.DataFrame:
    """Tabulate score, decisions and messages per agent, and steps against team size."""
    return estimated(results.scored, ["env", *WHO, "n_agents"], [*SCALING, "decisions", "messages_total"])
