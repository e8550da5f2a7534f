"""Level 3: the suite is run again on fresh seeds that the verifier draws, and the scores have to agree.

Logged replies prove what they lead to, not who wrote them. Only a run that the submitter could not foresee does.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from emcoop.baselines.expansion import expand
from emcoop.baselines.schema import Suite
from emcoop.baselines.sweep import SweepEnd
from emcoop.errors import EmCoopError
from emcoop.leaderboards.frozen import suite_for
from emcoop.leaderboards.problems import Level, Problem
from emcoop.leaderboards.verify import Submission, Verdict
from emcoop.metrics import resampling

LEVEL = 0.99
"""Coverage of the interval of the difference: an honest submission fails once in two hundred."""
DRAWS = 4000
HIGHEST_SEED = 2**31

RunSweep = Callable[[Suite, Path], SweepEnd]
"""Runs a suite in a folder, however the caller reaches models."""


def draw_seeds(count: int, known: Sequence[int]) -> list[int]:
    """Draw seeds nobody could foresee; `known` ones are left out."""
    drawn: list[int] = []
    while len(drawn) < count:
        seed = secrets.randbelow(HIGHEST_SEED)
        if seed not in known and seed not in drawn:
            drawn.append(seed)
    return sorted(drawn)


def without_addresses(planner: Any) -> Any:
    """Return a planner spec without the addresses of services: the verifier asks the model where it knows to find it.

    A service of the submitter's could be anything, and would learn from the verifier's own machine that it asks.
    """
    if isinstance(planner, list):
        return [without_addresses(entry) for entry in planner]
    if isinstance(planner, dict):
        return {key: without_addresses(value) for key, value in planner.items() if key != "base_url"}
    return planner


def check_fresh(submission: Submission, below: Verdict, seeds: Sequence[int], run: RunSweep, folder: Path) -> Verdict:
    """Run a submission's team on other seeds and compare scores, cells weighing the same.

    Args:
        submission: The submission.
        below: Its verdict, which has passed the levels below.
        seeds: Fresh seeds, see `draw_seeds`.
        run: Runs the suite.
        folder: Where the fresh sweep goes; the same folder again resumes it.

    Returns:
        The verdict with level 3, or still with level 2 and the reason.

    Raises:
        EmCoopError: Episodes could not be run.
    """
    metadata = submission.metadata
    planner = without_addresses(metadata.planner)
    suite = msgspec.structs.replace(suite_for(metadata.suite, planner), seeds=list(seeds), references=[])
    suite = msgspec.structs.replace(suite, name=f"{suite.name[:70]}-fresh")
    end = run(suite, folder)
    if end.unfinished:
        unit, error = next(iter(end.unfinished.items()))
        raise EmCoopError(f"{len(end.unfinished)} fresh episodes could not be run, such as {unit}: {error}")
    cell_of = {unit.id: unit.cell for unit in [*submission.units, *expand(suite)]}
    claimed = _by_cell([(cell_of[row.unit], row.metrics["score"]) for row in submission.rows])
    fresh = _by_cell([(cell_of[row["unit"]], float(row["score"])) for row in end.rows])
    difference, low, high = compare(claimed, fresh)
    found: dict[str, Any] = {"seeds": list(seeds), "claimed_minus_fresh": difference, "low": low, "high": high}
    problems = []
    if low > 0:
        reason = (
            f"mean score is {difference:.3f} higher than on fresh seeds, {100 * LEVEL:g} % interval "
            f"[{low:.3f}, {high:.3f}]: the submission does better than its team can be seen to do"
        )
        problems.append(Problem(Level.L3, "fresh-seeds", "", reason))
    level = Level.L2 if problems else Level.L3
    return msgspec.structs.replace(
        below, level=level, asked=Level.L3, problems=problems, problem_count=len(problems), fresh=found
    )


def compare(
    claimed: dict[tuple[Any, ...], list[float]], fresh: dict[tuple[Any, ...], list[float]]
) -> tuple[float, float, float]:
    """Return the difference claimed - fresh of mean scores over cells, and its bootstrap interval."""
    rng = np.random.default_rng(0)
    samples, points = [], []
    for cell in sorted(claimed, key=repr):
        ours, theirs = (np.array(side[cell], dtype=np.float64) for side in (claimed, fresh))
        points.append(float(ours.mean() - theirs.mean()))
        samples.append(_means(ours, rng) - _means(theirs, rng))
    low, high = resampling.bounds(np.mean(samples, axis=0), LEVEL)
    return float(np.mean(points)), low, high


def _means(values: resampling.FloatArray, rng: np.random.Generator) -> resampling.FloatArray:
    """Return bootstrap replicates of a mean, spread out as much as so few values are in truth."""
    means = np.asarray(resampling.weights(len(values), DRAWS, rng) @ values)
    widen = np.sqrt(len(values) / max(1, len(values) - 1))
    return np.asarray(values.mean() + widen * (means - values.mean()), dtype=np.float64)


def _by_cell(scores: Sequence[tuple[tuple[Any, ...], float]]) -> dict[tuple[Any, ...], list[float]]:
    found: dict[tuple[Any, ...], list[float]] = {}
    for cell, score in scores:
        found.setdefault(cell, []).append(score)
    return found
