"""From a suite to its units: one unit is one episode, with its own id, seed, trace file and row."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from emcoop.baselines.schema import Budgets, Condition, Match, Suite, label_of, variant_label
from emcoop.baselines.suite import suite_hash
from emcoop.errors import ConfigError

MAX_UNITS = 200_000


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of a suite, as plain data.

    Attributes:
        id: Readable, safe as a file name, unique; depends on the episode's settings, not on the suite.
        suite, suite_hash: Where it belongs.
        env, variant, n_agents, topology, planner, regime, condition: Its cell, as in the results table.
        seed: Episode seed.
        max_steps: Episode length in environment steps.
        env_kwargs, topology_spec, planner_spec, budgets: What `emcoop.run_episode` is called with.
        settings: Further arguments of it, those of the condition.
        scale: Mean scores of the random and the oracle reference in its world, None if the suite states none.
    """

    id: str
    suite: str
    suite_hash: str
    env: str
    variant: str
    n_agents: int
    topology: str
    planner: str
    regime: str
    condition: str
    seed: int
    max_steps: int
    env_kwargs: dict[str, Any]
    topology_spec: Any
    planner_spec: Any
    budgets: dict[str, int]
    settings: dict[str, Any]
    scale: tuple[float, float] | None = None

    @property
    def cell(self) -> tuple[str, str, int, str, str, str, str]:
        """What all seeds of this setting share."""
        return (self.env, self.variant, self.n_agents, self.topology, self.planner, self.regime, self.condition)


def normalized(unit: Unit, score: float) -> float:
    """Return a score on the scale of the suite: 0 = mean of the random reference in the same world, 1 = the oracle's.

    It is not clipped. NaN if the suite states no references for the world.
    """
    if unit.scale is None:
        return math.nan
    low, high = unit.scale
    return (score - low) / (high - low)


class Place(NamedTuple):
    """Where in a suite a cell is, as `Match` sees it."""

    env: str
    n_agents: int
    topology: str
    planner: str
    regime: str
    condition: str


def expand(suite: Suite) -> list[Unit]:
    """Return all units of a suite in the order in which they should run.

    All cells get their first seed before any gets its second, so that an early look at the results covers the
    whole suite; within a seed large teams come first, so that no worker ends with a long episode alone.

    Raises:
        ConfigError: More than `MAX_UNITS` episodes, or none left after the exclusions.
    """
    total = len(suite.seed_list) * len(suite.conditions or [""])
    for axis in (_worlds(suite), suite.team_sizes, suite.topologies, suite.planners, suite.regimes):
        total *= len(axis)
    if total > MAX_UNITS:
        raise ConfigError(f"suite {suite.name!r} has {total} episodes, at most {MAX_UNITS} fit; split it")
    digest, cells = suite_hash(suite), list(_cells(suite))
    if not cells:
        raise ConfigError(f"suite {suite.name!r} excludes every cell: nothing is left to run; relax `exclude`")
    return [_unit(suite, digest, cell, seed) for seed in suite.seed_list for cell in cells]


def matches(match: Match, place: Place) -> bool:
    """Return whether a cell agrees with every field that `match` gives."""
    pairs: list[tuple[Sequence[object], object]] = [
        (match.environments, place.env),
        (match.team_sizes, place.n_agents),
        (match.topologies, place.topology),
        (match.planners, place.planner),
        (match.regimes, place.regime),
        (match.conditions, place.condition),
    ]
    return all(not accepted or value in accepted for accepted, value in pairs)


class _Cell(NamedTuple):
    """One cell of a suite: its labels, and the specs behind them."""

    place: Place
    env_kwargs: dict[str, Any]
    topology: Any
    planner: Any


def _worlds(suite: Suite) -> list[tuple[str, dict[str, Any]]]:
    return [(env.id, kwargs) for env in suite.environments for kwargs in env.variants or [{}]]


def _cells(suite: Suite) -> Iterator[_Cell]:
    """Yield the cells that no exclusion matches."""
    sizes = sorted(suite.team_sizes, reverse=True)
    conditions = list(suite.conditions) or [""]
    axes = (sizes, _worlds(suite), suite.topologies, suite.planners, suite.regimes, conditions)
    for n, (env, kwargs), topology, planner, regime, condition in itertools.product(*axes):
        place = Place(env, n, label_of(topology), label_of(planner), regime, condition)
        if not any(matches(match, place) for match in suite.exclude):
            yield _Cell(place, kwargs, topology, planner)


def _unit(suite: Suite, digest: str, cell: _Cell, seed: int) -> Unit:
    place = cell.place
    lengths = [h.max_steps for h in suite.horizons if matches(h.where, place)]
    settings: dict[str, Any] = {
        "env": place.env,
        "n_agents": place.n_agents,
        "seed": seed,
        "regime": place.regime,
        "max_steps": (lengths or [suite.max_steps])[-1],
        "env_kwargs": cell.env_kwargs,
        "topology_spec": cell.topology,
        "planner_spec": cell.planner,
        "budgets": _budgets(suite.budgets, suite.regimes[place.regime]),
    }
    variant = variant_label(cell.env_kwargs)
    extra: dict[str, Any] = msgspec.to_builtins(suite.conditions.get(place.condition, Condition()))
    # Episodes without a condition keep the ids they had before there were any.
    hashed = {**settings, "settings": extra} if extra else settings
    short = hashlib.sha256(msgspec.json.encode(hashed, order="deterministic")).hexdigest()[:8]
    world = [place.env, *([variant] if variant else []), f"n{place.n_agents:04d}"]
    names = [place.topology, place.planner, place.regime, *([place.condition] if place.condition else [])]
    return Unit(
        id="_".join(_slug(part) for part in [*world, *names, f"s{seed:03d}", short]),
        suite=suite.name,
        suite_hash=digest,
        variant=variant,
        topology=place.topology,
        planner=place.planner,
        condition=place.condition,
        settings=extra,
        scale=_scale(suite, place, variant),
        **settings,
    )


def _scale(suite: Suite, place: Place, variant: str) -> tuple[float, float] | None:
    world = (place.env, variant, place.n_agents, place.condition)
    ends = {(one.env, one.variant, one.n_agents, one.condition): (one.random, one.oracle) for one in suite.references}
    return ends.get(world)


def _budgets(common: Budgets | None, regime: Budgets) -> dict[str, int]:
    found: dict[str, int] = {**msgspec.to_builtins(common or Budgets()), **msgspec.to_builtins(regime)}
    return {key: found[key] for key in sorted(found)}


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:32] or "x"
