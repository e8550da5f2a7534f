"""Before a sweep runs: do names and settings fit, does it call models, are the compiled kernels in the cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from emcoop.baselines.expansion import Unit
from emcoop.baselines.results import Result
from emcoop.baselines.schema import Suite
from emcoop.cognitive_layer.channel import make_channel_settings
from emcoop.cognitive_layer.faults import check_team, make_faults
from emcoop.cognitive_layer.latency import make_thinking
from emcoop.cognitive_layer.monitors import make_monitors
from emcoop.cognitive_layer.planners import make_team
from emcoop.cognitive_layer.topologies import make_topology
from emcoop.errors import ConfigError, EmCoopError, unknown_name

EpisodeRunner: TypeAlias = Callable[[Unit, Path], Result]
"""Runs the unit's episode and writes its trace to the path; the seam at which tests put in their own."""

WARM_UP_STEPS = 2
STAND_IN = "random"
"""Planner that warms up for those that call models: their calls cost money, and a cassette would keep them."""


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


def check_conditions(suite: Suite) -> None:
    """Check that channel, monitors, thinking time and faults of every condition fit.

    Raises:
        ConfigError: One does not; the sentence names the condition.
    """
    for name, condition in suite.conditions.items():
        try:
            make_channel_settings(condition.channel)
            make_monitors(condition.monitors)
            rounds = 1 if condition.thinking_rounds is None else condition.thinking_rounds
            make_thinking(rounds, condition.thinking_steps, seed=0)
            make_faults(condition.faults)
        except ConfigError as error:
            raise type(error)(f"condition {name!r} of suite {suite.name!r}: {error}") from error


def check_teams(units: Iterable[Unit]) -> bool:
    """Check that planners and topologies can be made for every team size, and that faults find whom they hit.

    Returns:
        Whether any planner calls models.

    Raises:
        ConfigError: An option does not fit, or a fault hits nobody.
    """
    units = list(units)
    teams = {(unit.planner, unit.n_agents): unit for unit in units}
    for unit in {(unit.topology, unit.n_agents, unit.condition): unit for unit in units}.values():
        topology, _ = make_topology(unit.topology_spec, unit.n_agents)
        try:
            check_team(make_faults(unit.settings.get("faults")), unit.n_agents, topology)
        except ConfigError as error:
            raise type(error)(
                f"condition {unit.condition!r} with {unit.n_agents} agents and topology {unit.topology}: {error}; "
                "or leave these cells out with `exclude`"
            ) from error
    asking = [unit for unit in teams.values() if calls_models(unit)]
    return bool(asking)


def calls_models(unit: Unit) -> bool:
    """Say whether a planner of the unit's team calls language models.

    Raises:
        ConfigError: An option of a planner does not fit.
    """
    planners, _, _ = make_team(unit.planner_spec, unit.n_agents)
    return any(getattr(planner, "uses_models", False) for planner in planners)


def warm_up(units: Iterable[Unit], runner: EpisodeRunner) -> None:
    """Run a tiny episode of every kind, so that workers find the compiled kernels in the cache.

    Many processes that compile the same kernels at once would be slow and fight over the cache's files. No model is
    called.

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
            try:
                result = runner(_tiny(unit), Path(folder) / "warm-up.jsonl.gz")
                if result.hopeless:
                    raise ConfigError(result.error)
            except EmCoopError as error:
                raise type(error)(f"{unit.env} with planner {unit.planner}: {error}") from error
            except Exception:  # the worker that meets it reports it with its unit
                continue


def _tiny(unit: Unit) -> Unit:
    """Return a unit of very few steps that calls no model."""
    spec = STAND_IN if calls_models(unit) else unit.planner_spec
    return msgspec.structs.replace(unit, max_steps=WARM_UP_STEPS, planner_spec=spec)


def _names(specs: Sequence[Any]) -> list[str]:
    """Return the registered name in every spec; `llm:model` is the planner `llm`."""
    names: list[str] = []
    for spec in specs:
        if isinstance(spec, list):
            names += _names(spec)
        else:
            name = spec["name"] if isinstance(spec, dict) else spec
            names.append(str(name).split(":", 1)[0])
    return names
