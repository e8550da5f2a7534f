"""Planners by name; third parties add theirs by the entry-point group `emcoop.planners`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emcoop.cognitive_layer.plan import Planner
from emcoop.errors import ConfigError, UnknownNameError, unknown_name
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
        argument: Option that `name:value` gives, empty if it has no such short form.
        brings_in: What knowledge from outside it may bring in, empty if none; such planners never enter ranked tracks.
    """

    name: str
    description: str
    target: str | Callable[..., Planner]
    privileged: bool = False
    argument: str = ""
    brings_in: str = ""

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
    PlannerSpec(
        "silent",
        "another planner that neither talks nor listens, named as silent:PLANNER",
        f"{_HERE}.silent:SilentPlanner",
        argument="planner",
    ),
    PlannerSpec(
        "scripted",
        "carries out given calls in order",
        f"{_HERE}.scripted:ScriptedPlanner",
        brings_in="what its script was written with",
    ),
    PlannerSpec("llm", "a language model, named as llm:PROVIDER/MODEL", f"{_HERE}.llm:LLMPlanner", argument="model"),
    PlannerSpec(
        "human", "a person at the terminal", f"{_HERE}.human:HumanPlanner", brings_in="whatever the person knows"
    ),
    PlannerSpec(
        "policy",
        "primitive actions from any callable, named as policy:MODULE:ATTRIBUTE",
        f"{_HERE}.policy:make_policy_planner",
        argument="policy",
    ),
    PlannerSpec(
        "replay",
        "the decisions of a recorded episode, named as replay:TRACE",
        f"{_HERE}.replayed:ReplayPlanner",
        argument="trace",
        brings_in="what its trace was made with",
    ),
)


def planner_specs() -> dict[str, PlannerSpec]:
    """Return every planner that has a name."""
    known = {spec.name: spec for spec in BUILT_IN}
    for name, loader in plugins("emcoop.planners").items():
        target = loader()
        spec = target if isinstance(target, PlannerSpec) else PlannerSpec(name, (target.__doc__ or name), target)
        known.setdefault(name, spec)
    return known


def list_planners() -> dict[str, str]:
    """Return name -> one-line description."""
    return {name: spec.description.strip().split("\n")[0] for name, spec in planner_specs().items()}


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
    registry = planner_specs()
    seats = [_make(entries[i % len(entries)], registry) for i in range(n_agents)]
    specs = [_plain(entry, registry) for entry in entries]
    privileged = frozenset(i for i, (_, sees_all) in enumerate(seats) if sees_all)
    return [planner for planner, _ in seats], specs, privileged


def _make(entry: Any, registry: Mapping[str, PlannerSpec]) -> tuple[Planner, bool]:
    if not isinstance(entry, (str, Mapping)):
        return entry, bool(getattr(entry, "privileged", False))
    plain = _plain(entry, registry)
    spec = registry[name := plain.pop("name")]
    return call_named(f"planner {name!r}", spec.factory(), plain), spec.privileged


def _plain(entry: Any, registry: Mapping[str, PlannerSpec]) -> dict[str, Any]:
    """Return the plain data that names a planner: its registered name, and its options."""
    if isinstance(entry, str):
        name, colon, value = entry.partition(":")
        spec = _known(name, registry)
        if colon and not (spec.argument and value):
            raise ConfigError(
                f"planner {entry!r} does not fit: "
                + (f"write {name}:{spec.argument.upper()}" if spec.argument else f"{name} takes nothing after its name")
            )
        return {"name": name, spec.argument: value} if colon else {"name": name}
    if isinstance(entry, Mapping):
        if "name" not in entry:
            raise ConfigError(f"planner {dict(entry)!r} has no name: give {{'name': ..., options}}")
        named = _plain(str(entry["name"]), registry)
        return {**named, **{key: value for key, value in entry.items() if key != "name"}}
    return {"name": f"object:{type(entry).__name__}"}


def _known(name: str, registry: Mapping[str, PlannerSpec]) -> PlannerSpec:
    if name not in registry:
        if "/" in name:
            raise UnknownNameError(f"unknown planner {name!r}: for a language model write llm:{name}")
        raise unknown_name("planner", name, registry)
    return registry[name]
