"""The results table as the report uses it: checked, completed, ordered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emcoop.errors import ConfigError

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
METRICS = [*OUTCOMES, *AXES, *FIRST_FAILING, *PROCESS, *ATTEMPTS]

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
    """

    rows: pd.DataFrame
    scored: pd.DataFrame
    repeated: int

    @property
    def regime(self) -> str:
        """The regime shown where only one is: `matched` if any episode of it was completed."""
        regimes = self.names("regime")
        return regimes[0] if regimes else "matched"

    @property
    def regimes(self) -> list[str]:
        """Regimes under the same condition as that one, which pictures set side by side."""
        condition = self.regime.partition(" (")[2]
        return [name for name in self.names("regime") if name.partition(" (")[2] == condition]

    @property
    def matched(self) -> str:
        """The matched regime that claims about topologies rest on, under its first condition; empty if none ran."""
        return next((name for name in self.names("regime") if _without_condition(name) == "matched"), "")

    @property
    def shown(self) -> pd.DataFrame:
        """Completed episodes of that regime."""
        return self.scored[self.scored["regime"] == self.regime]

    def names(self, column: str) -> list[str]:
        """Values of `topology`, `planner` or `regime` with a completed episode, in the order used everywhere."""
        return ordered(column, self.scored[column].unique())

    @property
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

    @property
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

    def place(name: str) -> tuple[int, str]:
        plain = _without_condition(name) if column == "regime" else name
        return (known.index(plain) if plain in known else len(known), name)

    return sorted(names, key=place)


def regime_label(regime: str, condition: str) -> str:
    """Return the regime with the condition it ran under: results under different conditions are never pooled."""
    return f"{regime} ({condition})" if condition else regime


def _without_condition(regime: str) -> str:
    return regime.partition(" (")[0]


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
    pairs = zip(rows["regime"], rows["condition"], strict=True)
    rows["regime"] = [regime_label(regime, condition) for regime, condition in pairs]
    for column in METRICS:
        rows[column] = pd.to_numeric(rows[column], errors="coerce").astype(float) if column in rows else float("nan")
    rows["attempt"] = pd.to_numeric(rows["attempt"]) if "attempt" in rows else 1
    for column in ("n_agents", "seed"):
        rows[column] = _integers(rows[column], column)
    completed = rows[rows["status"] == "completed"].sort_values([*CELL, "seed", "attempt"], kind="stable")
    scored = completed.drop_duplicates([*CELL, "seed"])
    return Results(rows, scored, len(completed) - len(scored))


def _integers(values: pd.Series[int], column: str) -> pd.Series[int]:
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[numbers.isna() | (numbers % 1 != 0)]
    if len(wrong):
        raise ConfigError(
            f"column {column!r} of the results table holds {wrong.iloc[0]!r}; only integers are allowed; "
            "pass the table a sweep wrote (results.csv)"
        )
    return numbers.astype(int)
