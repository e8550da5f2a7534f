"""Before a sweep runs: are all names known, what will it cost, and are the compiled kernels in the cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from emcoop.baselines.expansion import Unit
from emcoop.baselines.results import Result
from emcoop.baselines.schema import Suite
from emcoop.errors import EmCoopError, unknown_name

EpisodeRunner: TypeAlias = Callable[[Unit, Path], Result]
"""Runs the unit's episode and writes its trace to the path; the seam at which tests put in their own."""

WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Estimate:
    """What a suite will take.

    Attributes:
        cells: Settings that differ in more than the seed.
        episodes: Episodes in all.
        decisions: Upper estimate of the planners' decisions: one per agent and environment step, or as many as
            the budgets of the regime allow.
        tokens: Model tokens; scripted planners use none.
        usd: Money in US dollars; scripted planners cost none.
    """

    cells: int
    episodes: int
    decisions: int
    tokens: int = 0
    usd: float = 0.0


def estimate(units: Sequence[Unit]) -> Estimate:
    """Estimate what running `units` takes."""
    return Estimate(
        cells=len({unit.cell for unit in units}),
        episodes=len(units),
        decisions=sum(map(_decisions, units)),
    )


def check_names(suite: Suite) -> None:
    """Check that every environment, planner and topology of a suite is registered.

    Raises:
        UnknownNameError: One is not; the sentence names the nearest match.
    """
    import emcoop

    checks: list[tuple[str, Iterable[str], Iterable[str]]] = [
        ("environment", [env.id for env in suite.environments], emcoop.list_environments()),
        ("topology", _names(suite.topologies), emcoop.list_topologies()),
        ("planner", _names(suite.planners), emcoop.list_planners()),
    ]
    for kind, names, known in checks:
        allowed = set(known)
        for name in names:
            if name not in allowed:
                raise unknown_name(f"{kind} in suite {suite.name!r}:", name, allowed)


def warm_up(units: Iterable[Unit], runner: EpisodeRunner) -> None:
    """Run a tiny episode of every kind, so that workers find the compiled kernels in the cache.

    Many processes that compile the same kernels at once would be slow and fight over the cache's files.

    Raises:
        EmCoopError: The settings of a kind do not fit.
    """
    kinds: dict[object, Unit] = {}
    for unit in units:
        kind = (unit.env, unit.variant, unit.planner)
        if kind not in kinds or unit.n_agents < kinds[kind].n_agents:
            kinds[kind] = unit
    with tempfile.TemporaryDirectory() as folder:
        for unit in kinds.values():
            tiny = msgspec.structs.replace(unit, max_steps=WARM_UP_STEPS)
            try:
                runner(tiny, Path(folder) / "warm-up.jsonl.gz")
            except EmCoopError as error:
                raise type(error)(f"{unit.env} with planner {unit.planner}: {error}") from error
            except Exception:  # the worker that meets it reports it with its unit
                continue


def _decisions(unit: Unit) -> int:
    per_agent = unit.max_steps * unit.budgets.get("decisions_per_step", 1)
    return unit.n_agents * min(per_agent, unit.budgets.get("decisions_total", per_agent))


def _names(specs: Iterable[Any]) -> list[str]:
    """Return the registered name in every spec; `llm:model` is the planner `llm`."""
    names: list[str] = []
    for spec in specs:
        if isinstance(spec, list):
            names += _names(spec)
        else:
            name = spec["name"] if isinstance(spec, dict) else spec
            names.append(str(name).split(":", 1)[0])
    return names
