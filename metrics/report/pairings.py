"""Tables of paired differences: two topologies, planners or conditions on the same worlds and seeds.

Every row has the median and the mean difference with their intervals, and the pairs behind them. One of the two is what
the row rests on (`statistic`): the mean with `ENOUGH` pairs or more, the median with fewer. `p` tests that one: by sign
flips of the differences, or of their signs alone, which is the sign test. `p_holm` is adjusted (Holm) within the family
that pools the environments. `equal` counts the pairs without a difference.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.report.rows import BASELINE, REFERENCES, WORLD, Results, ordered
from emcoop.metrics.report.tables import ALL, each, gather, primary, spread
from emcoop.metrics.statistics import Estimate

ENOUGH = 20
"""Pairs from which on the mean is trusted: with fewer its interval is too narrow, with more it sees what ties hide."""
ALPHA = 0.05


def topology_effects(results: Results) -> pd.DataFrame:
    """Tabulate paired differences topology - `individual` on the same worlds and seeds.

    Teams of one are left out: they have nobody to talk to. Rows with `env` (all) pool the environments; their p-values
    are adjusted within the regime.
    """
    metric = primary(results)
    teams = results.scored[results.scored["n_agents"] > 1]
    out: list[dict[str, Any]] = []
    for (regime, planner), frame in each(teams, "regime", "planner"):
        if planner not in results.communicating or BASELINE not in set(frame["topology"]):
            continue
        for env, part in _scopes(frame):
            base = _keyed(part[part["topology"] == BASELINE], metric)
            for topology in ordered("topology", set(part["topology"]) - {BASELINE}):
                other = _keyed(part[part["topology"] == topology], metric)
                row = {"regime": regime, "planner": planner, "topology": topology, "env": env, "metric": metric}
                out.append(row | _effect(other, base))
    return _with_holm(out, ["regime"])


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


def planner_options(results: Results) -> pd.DataFrame:
    """Tabulate paired differences between a planner with an option and the same planner without it.

    `team(feedback=True)` is compared with `team` under the same topology, regime, world and seed; planners of which no
    plain form ran with the one of fewest options. Rows are made per topology and environment, and pooled.
    """
    metric = primary(results)
    out: list[dict[str, Any]] = []
    for (regime,), frame in each(results.scored, "regime"):
        for than, others in _families(set(frame["planner"])):
            for other in others:
                one, two = (frame[frame["planner"] == name] for name in (other, than))
                row = {"regime": regime, "planner": other, "than": than}
                out += _by_topology(row, one, two, metric)
    return _with_holm(out, ["regime"])


def robustness(results: Results) -> pd.DataFrame:
    """Tabulate paired differences between a condition and the one in which nothing is out of the ordinary.

    That one is the first of the sweep's conditions in the order of `rows.CLEAN`, else by name; `than` says which.
    """
    metric = primary(results)
    out: list[dict[str, Any]] = []
    for (budget,), frame in each(results.scored, "budget"):
        regimes = ordered("regime", frame["regime"].unique())
        clean = frame[frame["regime"] == regimes[0]]
        for regime in regimes[1:]:
            part = frame[frame["regime"] == regime]
            for planner in ordered("planner", set(part["planner"]) & set(clean["planner"])):
                one, two = (side[side["planner"] == planner] for side in (part, clean))
                condition, than = str(part["condition"].iloc[0]), str(clean["condition"].iloc[0])
                row = {"regime": budget, "condition": condition, "than": than or "no condition", "planner": planner}
                out += _by_topology(row, one, two, metric)
    return _with_holm(out, ["regime"])


def _by_topology(row: dict[str, Any], one: pd.DataFrame, two: pd.DataFrame, metric: str) -> Iterator[dict[str, Any]]:
    """Yield effects one - two in every environment and topology both ran, and pooled."""
    shared = ordered("topology", set(one["topology"]) & set(two["topology"]))
    for env in [ALL, *sorted(set(one["env"]) & set(two["env"]))] if one["env"].nunique() > 1 else [ALL]:
        sides = [side if env == ALL else side[side["env"] == env] for side in (one, two)]
        for topology in [ALL, *shared] if len(shared) > 1 else shared:
            names = shared if topology == ALL else [topology]
            keyed = [_keyed(side[side["topology"].isin(names)], metric, ["topology"]) for side in sides]
            yield row | {"topology": topology, "env": env, "metric": metric} | _effect(*keyed)


def _families(names: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield planners that differ in options only: the one to compare with, the others."""
    found: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: (name.count("="), len(name), name)):
        base = name.partition("(")[0] if name.endswith(")") else name
        found.setdefault(base, []).append(name)
    yield from ((family[0], family[1:]) for _, family in sorted(found.items()) if len(family) > 1)


def _scopes(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, frame
    if frame["env"].nunique() > 1:
        yield from ((str(env), part) for env, part in frame.groupby("env", sort=True))


def _keyed(frame: pd.DataFrame, metric: str, extra: Sequence[str] = ()) -> dict[Any, float]:
    """Map (world, extra columns, seed) to the metric, averaged over what is not in the key."""
    columns = [frame[column].tolist() for column in (*WORLD, *extra, "seed")]
    found: dict[Any, list[float]] = defaultdict(list)
    for key, value in zip(zip(*columns, strict=True), frame[metric].tolist(), strict=True):
        if not math.isnan(value):
            found[key].append(value)
        else:
            found[key]  # a pair that is dropped, not one that is missing
    return {key: sum(found[key]) / len(found[key]) if found[key] else math.nan for key in sorted(found)}


def _shared_cells(first: dict[Any, float], second: dict[Any, float]) -> tuple[dict[Any, float], dict[Any, float]]:
    """Keep the keys whose cell (all but the seed) occurs on both sides."""
    shared = {key[:-1] for key in first} & {key[:-1] for key in second}
    one, two = ({key: value for key, value in side.items() if key[:-1] in shared} for side in (first, second))
    return one, two


def effect(row: Any) -> Estimate:
    """Return the difference that a row rests on, mean or median."""
    return gather("mean_difference" if row["statistic"] == "mean" else "difference", row)


def aside(row: Any) -> tuple[str, Estimate]:
    """Return the other one of mean and median, with its name."""
    name = "median" if row["statistic"] == "mean" else "mean"
    return name, gather("mean_difference" if name == "mean" else "difference", row)


def verdict(row: Any) -> str:
    """Say what a row shows: `better`, `worse`, `hint`, `same` (no difference seen) or `unknown` (too few pairs).

    Better or worse takes both an interval that leaves out 0 and an adjusted p of at most `ALPHA`; only the first is a
    hint, and so is a row of a single environment among several, which belongs to no family.
    """
    found = effect(row)
    if not math.isfinite(found.low):
        return "unknown"
    if not found.excludes():
        return "same"
    if not row["p_holm"] <= ALPHA:
        return "hint"
    return "better" if found.value > 0 else "worse"


def _effect(first: dict[Any, float], second: dict[Any, float]) -> dict[str, Any]:
    median = statistics.paired_difference(first, second)
    average = statistics.paired_difference(first, second, statistic="mean")
    differences = statistics.pair(first, second).differences
    enough = len(differences) >= ENOUGH
    row: dict[str, Any] = spread("difference", median) | spread("mean_difference", average)
    row |= {"missing": median.missing, "dropped": median.dropped, "equal": int((differences == 0).sum())}
    row["statistic"] = "mean" if enough else "median"
    row["p"] = statistics.sign_flip_p(differences if enough else np.sign(differences))
    return row


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
