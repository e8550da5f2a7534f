"""Calibrating a suite before it is frozen: does every cell tell teams apart, and does it take cooperation?

Each world of the suite is played by a ladder of references on the suite's own seeds. A cell may be ranked only if the
ladder is in order, the best honest team is not at the ceiling, cooperation pays, and the scale is wide enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from emcoop.baselines.expansion import expand
from emcoop.baselines.schema import Reference, Suite, label_of
from emcoop.baselines.suite import suite_from_data
from emcoop.baselines.sweep import SweepEnd
from emcoop.errors import EmCoopError
from emcoop.metrics import statistics
from emcoop.metrics.statistics import Estimate

LONE: dict[str, dict[str, Any]] = {mode: {"name": "oracle", "mode": mode} for mode in ("alone", "single")}
"""The oracle without agreement, and with one agent acting."""
LADDER = ("random", "greedy", "team", "oracle")
CEILING = 0.95
"""Share of the scale at which the best honest team leaves no room."""
WIDTHS = 5
"""How many widths of an interval the scale from random to oracle has to hold."""

World = tuple[str, str, int, str]
"""Environment, variant, team size, condition: what makes two episodes of one seed the same task."""
Talk = tuple[str, str]
"""Topology and regime."""
RunSweep = Callable[[Suite, Path], SweepEnd]


@dataclass(frozen=True)
class Cell:
    """One ranked cell and what the references did in it.

    Attributes:
        world, talk: Which cell.
        scores: Mean score of each reference with its interval, by name: those of `LADDER`, `alone` (the oracle without
            agreement) and `single` (it with one agent acting).
        cooperation: Paired difference of the oracle and the better of `alone` and `single`.
        reasons: Why it may not be ranked, empty if it may.
    """

    world: World
    talk: Talk
    scores: dict[str, Estimate]
    cooperation: Estimate
    reasons: tuple[str, ...]


def calibration_suites(suite: Suite) -> dict[str, Suite]:
    """Return the sweeps that calibrate a suite, by folder name: one per team size."""
    found = {}
    for n in suite.team_sizes:
        planners: list[Any] = [*LADDER, *(LONE.values() if n > 1 else [])]
        data: dict[str, Any] = msgspec.to_builtins(suite)
        data |= {"name": f"{suite.name[:60]}-n{n}", "team_sizes": [n], "planners": planners, "references": []}
        data["exclude"] = [kept for match in data.get("exclude", []) if (kept := _for_size(match, n)) is not None]
        data["horizons"] = [
            {**horizon, "where": where}
            for horizon in data.get("horizons", [])
            if (where := _for_size(horizon["where"], n)) is not None
        ]
        # What never talks is the same under every topology, and is run once.
        talkless = [label_of(planner) for planner in planners if planner != "team"]
        silent = {"planners": talkless}
        others = [label_of(topology) for topology in suite.topologies[1:]]
        regimes = list(suite.regimes)[1:]
        data["exclude"] += [{**silent, "topologies": others}] if others else []
        data["exclude"] += [{**silent, "regimes": regimes}] if regimes else []
        found[f"n{n:04d}"] = suite_from_data(data, f"calibration of {suite.name}, {n} agents")
    return found


def _for_size(match: Mapping[str, Any], n: int) -> dict[str, Any] | None:
    """Return a match for one team size alone and any planner, None if it does not speak of it."""
    sizes = match.get("team_sizes", [])
    if (sizes and n not in sizes) or match.get("planners"):
        return None
    return {key: value for key, value in match.items() if key != "team_sizes"} or {"team_sizes": [n]}


def calibrate(suite: Suite, folder: Path, run: RunSweep) -> list[Cell]:
    """Play the references of every world and judge every cell; the same folder again resumes.

    Args:
        suite: The suite; its planners and references do not matter.
        folder: Where the sweeps go, one folder per team size.
        run: Runs a suite in a folder.

    Raises:
        EmCoopError: Episodes could not be run.
    """
    rows = []
    for name, part in calibration_suites(suite).items():
        end = run(part, folder / name)
        if end.unfinished:
            unit, error = next(iter(end.unfinished.items()))
            raise EmCoopError(f"{len(end.unfinished)} episodes could not be run, such as {unit}: {error}")
        rows += end.rows
    return judge(suite, rows)


def judge(suite: Suite, rows: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Judge every cell of a suite from the rows of its calibration sweeps."""
    lone = {label_of(spec): name for name, spec in LONE.items()}
    scores: dict[tuple[World, str, Talk | None], dict[int, float]] = {}
    for row in rows:
        world = (str(row["env"]), str(row["variant"]), int(row["n_agents"]), str(row["condition"]))
        name = str(row["planner"])
        name = lone.get(name, name)
        talk = (str(row["topology"]), str(row["regime"])) if name == "team" else None
        scores.setdefault((world, name, talk), {})[int(row["seed"])] = float(row["score"])
    cells: dict[tuple[World, Talk], None] = {}
    for unit in expand(suite):
        cells[(unit.env, unit.variant, unit.n_agents, unit.condition), (unit.topology, unit.regime)] = None
    return [_judge(world, talk, scores) for world, talk in sorted(cells)]


def _judge(world: World, talk: Talk, scores: Mapping[tuple[World, str, Talk | None], dict[int, float]]) -> Cell:
    names = [*LADDER, *(LONE if world[2] > 1 else [])]
    by_name = {name: scores[world, name, talk if name == "team" else None] for name in names}
    means = {name: statistics.mean(list(values.values())) for name, values in by_name.items()}
    lone = max(names[len(LADDER) :] or ["oracle"], key=lambda name: means[name].value)
    gain = statistics.paired_difference(by_name["oracle"], by_name[lone], statistic="mean")
    reasons = []
    for low, high in pairwise(LADDER):
        if means[high].value < means[low].value:
            reasons.append(f"{high} is below {low}")
    scale = means["oracle"].value - means["random"].value
    best = max(means[name].value for name in ("greedy", "team"))
    if scale <= 0 or (best - means["random"].value) / scale > CEILING:
        reasons.append("the best honest team is at the ceiling")
    if world[2] > 1 and not gain.low > 0:
        reasons.append("cooperation does not pay")
    width = means["team"].high - means["team"].low
    if not scale > WIDTHS * width:
        reasons.append(f"the scale is only {scale / width if width else 0:.1f} intervals wide")
    return Cell(world, talk, means, gain, tuple(reasons))


def references_of(cells: Sequence[Cell]) -> list[Reference]:
    """Return the ends of the scale of every world."""
    found: dict[World, Reference] = {}
    for cell in cells:
        env, variant, n, condition = cell.world
        low, high = (round(cell.scores[name].value, 6) for name in ("random", "oracle"))
        found[cell.world] = Reference(
            env=env, variant=variant, n_agents=n, condition=condition, random=low, oracle=high
        )
    return list(found.values())
