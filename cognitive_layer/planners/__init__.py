"""Planners by name; third parties add theirs by the entry-point group `emcoop.planners`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emcoop.cognitive_layer.plan import Planner
from emcoop.errors import ConfigError, unknown_name
from emcoop.registration import call_named, load, plugins

_HERE = "emcoop.cognitive_layer.planners"


@dataclass(frozen=True)
class PlannerSpec:
    """One planner name.

    Attributes:
        name: What users call it.
        description: One line.
        target: `module:attribute` that makes a planner for one seat, or the callable itself.
        privileged: Whether it gets the world itself; such planners never enter ranked tracks.
    """

    name: str
    description: str
    target: str | Callable[..., Planner]
    privileged: bool = False

    def factory(self) -> Callable[..., Planner]:
        """Return what makes a planner for one seat."""
        made: Callable[..., Planner] = load(self.target) if isinstance(self.target, str) else self.target
        return made


BUILT_IN = (
    PlannerSpec(
        "random", "a random valid call, again and again: the lower reference", f"{_HERE}.scripted:RandomPlanner"
    ),
    PlannerSpec("greedy", "everybody heads for the task nearest to its end", f"{_HERE}.scripted:GreedyPlanner"),
    PlannerSpec("team", "several tasks at once, agreed on only through messages", f"{_HERE}.team:TeamPlanner"),
    PlannerSpec(
        "oracle", "central scheduling with full knowledge: the upper reference", f"{_HERE}.oracle:OraclePlanner", True
    ),
    PlannerSpec("scripted", "carries out given calls in order", f"{_HERE}.scripted:ScriptedPlanner"),
)


def _registry() -> dict[str, PlannerSpec]:
    known = {spec.name: spec for spec in BUILT_IN}
    for name, loader in plugins("emcoop.planners").items():
        target = loader()
        spec = target if isinstance(target, PlannerSpec) else PlannerSpec(name, (target.__doc__ or name), target)
        known.setdefault(name, spec)
    return known


def list_planners() -> dict[str, str]:
    """Return name -> one-line description."""
    return {name: spec.description.strip().split("\n")[0] for name, spec in _registry().items()}


def make_team(team: Any, n_agents: int) -> tuple[list[Planner], list[dict[str, Any]], frozenset[int]]:
    """Make one planner per seat.

    Args:
        team: A name, a mapping with `name` and options, a `Planner` object (for one seat), or a list of those, one
            per agent or cycled.
        n_agents: Number of seats.

    Returns:
        The planners, the plain data that names them (one entry if all are alike), and the seats whose planner may see
        everything.

    Raises:
        ConfigError: Unknown name, wrong option, an empty list, or one object for several seats.
    """
    entries = list(team) if isinstance(team, Sequence) and not isinstance(team, (str, bytes)) else [team]
    if not entries:
        raise ConfigError("the list of planners is empty: give one name, or one planner per agent")
    if len(entries) > n_agents:
        raise ConfigError(f"got {len(entries)} planners for {n_agents} agents: give at most one each")
    objects = [e for e in entries if not isinstance(e, (str, Mapping))]
    for entry in objects:
        if not isinstance(entry, Planner):
            raise ConfigError(f"{entry!r} is no planner: give a name, or an object with reset and async decide")
    if objects and (len(entries) < n_agents or len({id(planner) for planner in objects}) < len(objects)):
        raise ConfigError(
            f"a planner object holds one seat: give {n_agents} of them, or names, which are made per seat"
        )
    registry = _registry()
    seats = [_make(entries[i % len(entries)], registry) for i in range(n_agents)]
    specs = [_plain(entry) for entry in entries]
    privileged = frozenset(i for i, (_, sees_all) in enumerate(seats) if sees_all)
    return [planner for planner, _ in seats], specs, privileged


def _make(entry: Any, registry: Mapping[str, PlannerSpec]) -> tuple[Planner, bool]:
    if not isinstance(entry, (str, Mapping)):
        return entry, bool(getattr(entry, "privileged", False))
    plain = _plain(entry)
    name = plain.pop("name")
    if name not in registry:
        raise unknown_name("planner", name, registry)
    spec = registry[name]
    return call_named(f"planner {name!r}", spec.factory(), plain), spec.privileged


def _plain(entry: Any) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"name": entry}
    if isinstance(entry, Mapping):
        if "name" not in entry:
            raise ConfigError(f"planner {dict(entry)!r} has no name: give {{'name': ..., options}}")
        return dict(entry)
    return {"name": f"object:{type(entry).__name__}"}
