"""From a suite to its units: one unit is one episode, with its own id, seed, trace file and row."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from emcoop.baselines.schema import Budgets, Match, Suite, label_of, variant_label
from emcoop.baselines.suite import suite_hash
from emcoop.errors import ConfigError

MAX_UNITS = 200_000


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of a suite, as plain data.

    Attributes:
        id: Readable, safe as a file name, unique; depends on the episode's settings, not on the suite.
        suite, suite_hash: Where it belongs.
        env, variant, n_agents, topology, planner, regime: Its cell, as in the results table.
        seed: Episode seed.
        max_steps: Episode length in environment steps.
        env_kwargs, topology_spec, planner_spec, budgets: What `emcoop.run_episode` is called with.
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
    seed: int
    max_steps: int
    env_kwargs: dict[str, Any]
    topology_spec: Any
    planner_spec: Any
    budgets: dict[str, int]

    @property
    def cell(self) -> tuple[str, str, int, str, str, str]:
        """What all seeds of this setting share."""
        return (self.env, self.variant, self.n_agents, self.topology, self.planner, self.regime)


def expand(suite: Suite) -> list[Unit]:
    """Return all units of a suite in the order in which they should run.

    All cells get their first seed before any gets its second, so that an early look at the results covers the
    whole suite; within a seed large teams come first, so that no worker ends with a long episode alone.

    Raises:
        ConfigError: More than `MAX_UNITS` episodes, or none left after the exclusions.
    """
    worlds = [(env.id, kwargs) for env in suite.environments for kwargs in env.variants or [{}]]
    axes: list[Sequence[Any]] = [worlds, suite.team_sizes, suite.topologies, suite.planners, list(suite.regimes)]
    total = len(suite.seed_list)
    for axis in axes:
        total *= len(axis)
    if total > MAX_UNITS:
        raise ConfigError(f"suite {suite.name!r} has {total} episodes, at most {MAX_UNITS} fit; split it")
    digest = suite_hash(suite)
    units = [
        _unit(suite, digest, env, kwargs, n, topology, planner, regime, seed)
        for seed in suite.seed_list
        for n in sorted(suite.team_sizes, reverse=True)
        for env, kwargs in worlds
        for topology in suite.topologies
        for planner in suite.planners
        for regime in suite.regimes
        if not any(matches(m, env, n, label_of(topology), label_of(planner), regime) for m in suite.exclude)
    ]
    if not units:
        raise ConfigError(f"suite {suite.name!r} excludes every cell: nothing is left to run; relax `exclude`")
    return units


def matches(match: Match, env: str, n_agents: int, topology: str, planner: str, regime: str) -> bool:
    """Return whether a cell agrees with every field that `match` gives."""
    pairs: list[tuple[Sequence[object], object]] = [
        (match.environments, env),
        (match.team_sizes, n_agents),
        (match.topologies, topology),
        (match.planners, planner),
        (match.regimes, regime),
    ]
    return all(not accepted or value in accepted for accepted, value in pairs)


def _unit(
    suite: Suite,
    digest: str,
    env: str,
    kwargs: dict[str, Any],
    n: int,
    topology: Any,
    planner: Any,
    regime: str,
    seed: int,
) -> Unit:
    names = (label_of(topology), label_of(planner), regime)
    lengths = [h.max_steps for h in suite.horizons if matches(h.where, env, n, *names)]
    settings: dict[str, Any] = {
        "env": env,
        "n_agents": n,
        "seed": seed,
        "regime": regime,
        "max_steps": (lengths or [suite.max_steps])[-1],
        "env_kwargs": kwargs,
        "topology_spec": topology,
        "planner_spec": planner,
        "budgets": _budgets(suite.budgets, suite.regimes[regime]),
    }
    variant = variant_label(kwargs)
    short = hashlib.sha256(msgspec.json.encode(settings, order="deterministic")).hexdigest()[:8]
    parts = [env, *([variant] if variant else []), f"n{n:04d}", *names, f"s{seed:03d}", short]
    return Unit(
        id="_".join(_slug(part) for part in parts),
        suite=suite.name,
        suite_hash=digest,
        variant=variant,
        topology=names[0],
        planner=names[1],
        **settings,
    )


def _budgets(common: Budgets | None, regime: Budgets) -> dict[str, int]:
    found: dict[str, int] = {**msgspec.to_builtins(common or Budgets()), **msgspec.to_builtins(regime)}
    return {key: found[key] for key in sorted(found)}


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:32] or "x"
