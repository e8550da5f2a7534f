"""The table of matched runs of a sweep: every completed episode beside its references, on the same seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from emcoop.baselines.expansion import Unit, expand, normalized
from emcoop.baselines.schema import Suite
from emcoop.metrics.matched import Outcome
from emcoop.metrics.pairing import COLUMNS, IDENTITY, Run, matched_rows

if TYPE_CHECKING:
    import pandas as pd

MATCHED_TABLE = "matched.csv"
NORMALIZED = "normalized_score"
MATCHED_COLUMNS = (*COLUMNS, NORMALIZED)
"""Its columns; the last one is the score on the frozen scale of the suite, NaN if that states none."""


def matched_table(units: Iterable[Unit], rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the table of matched runs, one row per completed episode, in the order of the rows.

    Args:
        units: Units of the suite; what a row does not say (length, settings of the condition) is theirs.
        rows: Rows of the results table.
    """
    known = {unit.id: unit for unit in units}
    done = [row for row in rows if row["status"] == "completed" and row["unit"] in known]
    matched = matched_rows(_run(known[row["unit"]], row) for row in done)
    scores = {row["unit"]: row.get("score", math.nan) for row in done}
    return [{**row, NORMALIZED: normalized(known[row["unit"]], scores[row["unit"]])} for row in matched]


def with_matched(results: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """Return a results table with the columns of matched runs added: references and metrics."""
    import pandas as pd

    rows: list[dict[str, Any]] = results.to_dict("records")  # type: ignore[assignment]
    table = pd.DataFrame(matched_table(expand(suite), rows), columns=list(MATCHED_COLUMNS))
    added = table.drop(columns=[name for name in IDENTITY if name != "unit"])
    joined = results.merge(added, on="unit", how="left")
    texts = {name: "" for name in added.columns if name.startswith("reference_")}
    return joined.fillna(texts)


def _run(unit: Unit, row: Mapping[str, Any]) -> Run:
    names = (*IDENTITY[1:], "max_steps", "settings")
    return Run(unit=unit.id, outcome=_outcome(row), **{name: getattr(unit, name) for name in names})


def _outcome(row: Mapping[str, Any]) -> Outcome:
    decisions = row.get("decisions_per_step", math.nan) * row.get("steps", math.nan)
    return Outcome(
        score=row.get("score", math.nan),
        decisions=float(round(decisions)) if math.isfinite(decisions) else math.nan,
        error=row.get("failed_attempts", math.nan),
    )
