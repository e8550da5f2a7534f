"""The results table as the report uses it: checked, completed, ordered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from emcoop.errors import ConfigError
from emcoop.metrics import matched, pairing
from emcoop.metrics.failures import rules
from emcoop.metrics.failures.rates import metric_name
from emcoop.metrics.registry import RESERVED, built_in

CELL = ["env", "variant", "n_agents", "topology", "planner", "regime"]
"""What makes a cell of the sweep; the seeds are its repetitions."""
WORLD = ["env", "variant", "n_agents"]
"""What makes two episodes with the same seed the same task."""
OUTCOMES = ["score", "progress_auc", "steps_to_goal"]
AXES = {
    "spatial_satisfaction": "spatial",
    "temporal_satisfaction": "temporal",
    "dependency_satisfaction": "dependency",
    "participation_satisfaction": "participation",
    "plan_coherence": "plan coherence",
    "capability_gain": "capability gain",
    "plan_stability": "plan stability",
}
FIRST_FAILING = {
    f"first_failing_{kind}": kind for kind in ("dependency", "participation", "spatial", "temporal", "other")
}
PROCESS = ["decision_overhead", "wait_overhead", "messages_total", "collisions_per_100"]
ATTEMPTS = ["joint_satisfaction", "failed_attempts"]
BREAKDOWN = {f"breakdown_{kind}": kind for kind in FIRST_FAILING.values()}
"""Share of all attempts that failed for want of this first; derived, the parts of `failed_attempts`."""
COSTS = {"decisions": "decisions", "messages_total": "messages", "tokens": "tokens", "usd": "US dollars"}
"""What an episode takes of the whole team; decisions and tokens are derived."""
SCALING = {
    "score": "score",
    "decisions_per_agent": "decisions per agent",
    "messages_per_agent": "messages per agent",
    "steps": "environment steps",
}
MATCHED = [column for one in matched.METRICS for column in one.columns]
"""Metrics of matched runs."""
_SOURCES = ["decisions_per_step", "prompt_tokens", "completion_tokens"]
_DERIVED = ["decisions", "tokens", "decisions_per_agent", "messages_per_agent", *BREAKDOWN]
METRICS = list(
    dict.fromkeys(
        [*OUTCOMES, *AXES, *FIRST_FAILING, *PROCESS, *ATTEMPTS, *COSTS, *SCALING, *_SOURCES, *_DERIVED]
    )
)  # fmt: skip
CLEAN = ("", "clean", "plain", "none", "normal", "baseline")
"""Names of conditions in which nothing is out of the ordinary, in order of preference."""

OUTCOME_NAMES = {"progress_auc": "progress AUC", "score": "score"}

BASELINE = "individual"
REFERENCES = ("random", "oracle")
_TOPOLOGIES = (BASELINE, "centralized", "debate", "decentralized", "hybrid")
_PLANNERS = ("random", "greedy", "team", "oracle")
_REGIMES = ("matched", "open")
_REQUIRED = ["env", "n_agents", "topology", "planner", "regime", "seed", "status"]
_TEXT = ["unit", "suite", "env", "variant", "topology", "planner", "regime", "condition", "status", "error", "trace"]


@dataclass(frozen=True)
class Results:
    """A sweep's episodes.

    Attributes:
        rows: Every finished attempt, all columns present.
        scored: One completed episode per cell and seed: the first one, so that a second try never improves a result.
        repeated: Completed attempts left out for that reason.
        others: Columns of metrics that are not of this package, by name.
    """

    rows: pd.DataFrame
    scored: pd.DataFrame
    repeated: int
    others: list[str]

    @property
    def regime(self) -> str:
        """The regime shown where only one is: `matched` if any episode of it was completed."""
        regimes = self.names("regime")
        return regimes[0] if regimes else "matched"

    @property
    def regimes(self) -> list[str]:
        """Regimes under the same condition as that one, which pictures set side by side."""
        condition = _split(self.regime)[1]
        return [name for name in self.names("regime") if _split(name)[1] == condition]

    @property
    def rules(self) -> dict[str, str]:
        """Columns of failure rules, in the order of the catalogue, and the id of their rule."""
        return {column: rule for column, rule in _rules().items() if column in self.rows}

    @property
    def matched(self) -> str:
        """The matched regime that claims about topologies rest on, under its first condition; empty if none ran."""
        return next((name for name in self.names("regime") if _split(name)[0] == "matched"), "")

    @cached_property
    def shown(self) -> pd.DataFrame:
        """Completed episodes of that regime."""
        return self.scored[self.scored["regime"] == self.regime]

    def names(self, column: str) -> list[str]:
        """Values of `topology`, `planner` or `regime` with a completed episode, in the order used everywhere."""
        return ordered(column, self.scored[column].unique())

    @cached_property
    def communicating(self) -> list[str]:
        """Planners that sent a message in some topology; planners that ran several ones if messages were not counted.

        Reference planners come last.
        """
        frame = self.scored
        if frame["messages_total"].notna().any():
            found = set(frame.loc[frame["messages_total"] > 0, "planner"])
        else:
            topologies = frame.groupby("planner")["topology"].nunique()
            found = set(topologies.index[topologies > 1]) - set(REFERENCES)
        return sorted(ordered("planner", found), key=lambda planner: planner in REFERENCES)

    @cached_property
    def focus(self) -> str:
        """The planner whose process is drawn: communicating, no reference, most episodes; empty without episodes."""
        shown = self.shown
        talking = [planner for planner in self.communicating if planner in set(shown["planner"])]
        candidates = talking or ordered("planner", shown["planner"].unique())
        counts = shown["planner"].value_counts()
        order = sorted(candidates, key=lambda p: (p in REFERENCES, -int(counts[p]), p != "team", p))
        return order[0] if order else ""


def ordered(column: str, names: Iterable[str]) -> list[str]:
    """Sort names of a column: the known ones in their usual order, others after them by name."""
    known = {"topology": _TOPOLOGIES, "planner": _PLANNERS, "regime": _REGIMES}[column]

    def place(name: str) -> tuple[int, int, str]:
        plain, condition = _split(name) if column == "regime" else (name, "")
        odd = CLEAN.index(condition) if condition in CLEAN else len(CLEAN)
        return (known.index(plain) if plain in known else len(known), odd, name)

    return sorted(names, key=place)


def regime_label(regime: str, condition: str) -> str:
    """Return the regime with the condition it ran under: results under different conditions are never pooled."""
    return f"{regime} ({condition})" if condition else regime


def _split(label: str) -> tuple[str, str]:
    """Take a label of `regime_label` apart again."""
    regime, _, condition = label.partition(" (")
    return regime, condition.removesuffix(")")


def natural(*parts: Any) -> list[Any]:
    """Return a key that sorts texts by the numbers in them: `level=2` before `level=10`."""
    words = [word for part in parts for word in re.split(r"(\d+(?:\.\d+)?)", str(part))]
    return [(1, float(word), "") if re.fullmatch(r"\d+(?:\.\d+)?", word) else (0, 0.0, word) for word in words]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries."""
    return frame.to_dict("records")  # type: ignore[return-value]


def prepare(results: pd.DataFrame) -> Results:
    """Check a results table and pick the episodes to score.

    Args:
        results: One row per finished attempt of one episode, columns as documented for `build_report`. Columns the
            report can do without (texts, metrics) may be missing.

    Raises:
        ConfigError: If an identifying column is missing, or a team size or seed is not an integer.
    """
    missing = [column for column in _REQUIRED if column not in results.columns]
    if missing:
        raise ConfigError(
            f"the results table has no column {', '.join(map(repr, missing))}; needed are {', '.join(_REQUIRED)}; "
            "pass the table a sweep wrote (results.csv)"
        )
    rows = results.reset_index(drop=True).copy()
    for column in _TEXT:
        # A CSV file reads empty texts back as NaN.
        rows[column] = rows[column].astype(object).where(rows[column].notna(), "").astype(str) if column in rows else ""
    budget = rows["regime"].copy()
    pairs = zip(rows["regime"], rows["condition"], strict=True)
    rows["regime"] = [regime_label(regime, condition) for regime, condition in pairs]
    rows["budget"] = budget
    others = _others(rows)
    numbers = _numbers(rows, others)
    rows = pd.concat([rows.drop(columns=[column for column in numbers if column in rows]), numbers], axis=1)
    rows["attempt"] = pd.to_numeric(rows["attempt"]) if "attempt" in rows else 1
    for column in ("n_agents", "seed"):
        rows[column] = _integers(rows[column], column)
    rows = rows.assign(**_derived(rows))
    completed = rows[rows["status"] == "completed"].sort_values([*CELL, "seed", "attempt"], kind="stable")
    scored = completed.drop_duplicates([*CELL, "seed"])
    return Results(rows, scored, len(completed) - len(scored), others)


def _rules() -> dict[str, str]:
    """Return the columns of the failure rules: `failures_e2` is the rate of rule E2."""
    return {metric_name(rule): rule for rule in rules()}


def _others(rows: pd.DataFrame) -> list[str]:
    """Name the metrics of other packages: columns with a number that nothing else is known to be called."""
    known = {*RESERVED, *_TEXT, "budget", *METRICS, *MATCHED, *pairing.COLUMNS, *built_in()}
    return sorted(
        str(column)
        for column in rows.columns
        if column not in known and pd.to_numeric(rows[column], errors="coerce").notna().any()
    )


def _numbers(rows: pd.DataFrame, others: list[str]) -> pd.DataFrame:
    """Return every metric the report uses as numbers, NaN where the table has none."""
    names = [*METRICS, *MATCHED, *(column for column in _rules() if column in rows), *others]
    unknown = pd.Series(float("nan"), index=rows.index)
    return pd.DataFrame(
        {
            name: pd.to_numeric(rows[name], errors="coerce").astype(float) if name in rows else unknown
            for name in names
        }
    )  # fmt: skip


def _derived(rows: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Compute what follows from other columns, where a table does not say it itself."""
    found = {
        "decisions": rows["decisions"].fillna(rows["decisions_per_step"] * rows["steps"]),
        "tokens": rows["tokens"].fillna(rows["prompt_tokens"] + rows["completion_tokens"]),
    }
    found["decisions_per_agent"] = found["decisions"] / rows["n_agents"]
    found["messages_per_agent"] = rows["messages_total"] / rows["n_agents"]
    for column, (first, kind) in zip(BREAKDOWN, FIRST_FAILING.items(), strict=True):
        share = rows[first].where(rows["failed_attempts"] != 0, 0.0)
        if kind == "other":  # a column that older tables lack
            known = sum(rows[name].fillna(0) for name in FIRST_FAILING if name != first)
            share = share.where(share.notna() | (known == 0), 0.0)
        found[column] = rows["failed_attempts"] * share
    return found


def _integers(values: pd.Series[int], column: str) -> pd.Series[int]:
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[numbers.isna() | (numbers % 1 != 0)]
    if len(wrong):
        raise ConfigError(
            f"column {column!r} of the results table holds {wrong.iloc[0]!r}; only integers are allowed; "
            "pass the table a sweep wrote (results.csv)"
        )
    return numbers.astype(int)
