"""Example episodes of a report: which ones, and where their traces are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emcoop.errors import TraceError
from emcoop.metrics.report.rows import BASELINE, CELL, REFERENCES, Results, records
from emcoop.trace import Trace, read_trace
from emcoop.trace.schema import Step

_TRIES = 5


class Examples:
    """Traces of example episodes, read when they are asked for.

    Attributes:
        problem: Why the last look brought nothing.
    """

    def __init__(self, results: Results, traces: Path | None) -> None:
        """Args:
        results: The episodes.
        traces: Folder that the `trace` column is relative to, or the folder the files lie in.
        """
        self._results, self._traces = results, traces
        self.problem = "" if traces else "No folder with traces was given."

    def episodes(self, team_size: float | None = None) -> Iterator[tuple[Trace, dict[str, Any]]]:
        """Yield a few traces with their rows, the most telling first.

        The planner in focus, a topology with communication and a team size near `team_size` (None: the middle one)
        come first. Traces that cannot be read are skipped.
        """
        if self._traces is None:
            return
        rows = self._sorted(team_size)
        found = [row for row in rows if self._locate(row)]
        problem = "no completed episode names its trace"
        if rows and not found:
            problem = f"{rows[0]['trace']!r} and the others are not in the traces folder"
        for row in found[:_TRIES]:
            trace = self._read(row)
            if isinstance(trace, Trace):
                yield trace, row
            else:
                problem = trace
        self.problem = f"No example episode can be drawn: {problem}."

    def siblings(self, row: dict[str, Any], most: int) -> list[Trace]:
        """Return the traces of the same cell, `row`'s own among them, at most so many."""
        frame = self._results.shown
        for column in CELL:
            frame = frame[frame[column] == row[column]]
        frame = frame.sort_values("seed", kind="stable").head(most)
        return [trace for other in records(frame) if isinstance(trace := self._read(other), Trace)]

    def _sorted(self, team_size: float | None) -> list[dict[str, Any]]:
        shown = self._results.shown[self._results.shown["trace"] != ""]
        if not len(shown):
            return []
        wanted = float(np.median(shown["n_agents"])) if team_size is None else team_size
        order = (
            shown["planner"] != self._results.focus,
            shown["planner"].isin(REFERENCES),
            shown["topology"] == BASELINE,
            (shown["n_agents"] - wanted).abs(),
            shown["seed"],
        )
        places = np.lexsort([np.asarray(values) for values in reversed(order)])
        return records(shown.iloc[places].head(200))

    def _locate(self, row: dict[str, Any]) -> Path | None:
        """Find a trace below the folder; names that lead out of it are not followed."""
        if self._traces is None or not row["trace"]:
            return None
        root, name = self._traces.resolve(), str(row["trace"])
        for path in (root / name, root / Path(name.replace("\\", "/")).name):
            if path.resolve().is_relative_to(root) and path.is_file():
                return path
        return None

    def _read(self, row: dict[str, Any]) -> Trace | str:
        """Return a trace with steps, or what is wrong with it."""
        path = self._locate(row)
        if path is None:
            return f"{row['trace']!r} is not in the traces folder"
        try:
            trace = read_trace(path)
        except TraceError as error:
            return str(error)
        return trace if len(trace.of(Step)) > 1 else f"{row['trace']!r} has no steps"


def described(row: dict[str, Any]) -> str:
    """Return what an example episode is, for a caption."""
    return (
        f"{row['env']} {row['variant']}".rstrip()
        + f", {row['n_agents']} agents, planner `{row['planner']}`, topology `{row['topology']}`, {row['regime']} "
        f"regime, seed {row['seed']}"
    )
