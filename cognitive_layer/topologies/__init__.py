"""Topologies by name; third parties add theirs by the entry-point group `emcoop.topologies`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emcoop.cognitive_layer.topologies.contract import PATIENCE, Floor, Topology
from emcoop.cognitive_layer.topologies.hierarchies import centralized, hybrid, tree
from emcoop.cognitive_layer.topologies.named import Debate, Decentralized, Individual
from emcoop.cognitive_layer.topologies.networks import (
    graph,
    grid,
    plain_graph,
    random_graph,
    ring,
    small_world,
    star,
)
from emcoop.cognitive_layer.topologies.radio import Radio
from emcoop.errors import ConfigError, unknown_name
from emcoop.registration import call_named, plugins

__all__ = [
    "PATIENCE",
    "Floor",
    "Topology",
    "list_topologies",
    "make_topology",
    "permitted_pairs",
    "reports_of",
    "role_of",
    "superior_of",
]

REGROUP = ("agent", "team")
"""Who thinks again when a plan ends: its agent and those it talks to, or the whole team."""

_BUILT_IN: dict[str, Callable[..., Topology]] = {
    "individual": Individual,
    "centralized": centralized,
    "debate": Debate,
    "decentralized": Decentralized,
    "hybrid": hybrid,
    "tree": tree,
    "ring": ring,
    "star": star,
    "grid": grid,
    "range": Radio,
    "small_world": small_world,
    "random": random_graph,
    "graph": graph,
}


def _registry() -> dict[str, Callable[..., Topology]]:
    named = dict(_BUILT_IN)
    for name, loader in plugins("emcoop.topologies").items():
        named.setdefault(name, loader())
    return named


def list_topologies() -> dict[str, str]:
    """Return name -> one-line description."""
    return {name: (make.__doc__ or "").strip().split("\n")[0] for name, make in _registry().items()}


def make_topology(spec: Any, n_agents: int) -> tuple[Topology, dict[str, Any]]:
    """Build a topology.

    Args:
        spec: Its name; a mapping with `name` and options, for every topology also `regroup`: `"agent"` (the default)
            or `"team"`; a networkx graph of agent indices; or an object that is a topology itself.
        n_agents: Team size.

    Returns:
        The topology and the plain data that names it, `regroup` included where it was given.

    Raises:
        ConfigError: Unknown name or option, or an option that does not fit.
    """
    if _has(spec, "name", "leader", "rounds", "reachable", "turns"):
        return spec, {"name": f"object:{spec.name}"}
    options = _options(spec, n_agents)
    name, regroup = options.pop("name"), options.get("regroup", "agent")
    if regroup not in REGROUP:
        raise ConfigError(f"topology option regroup={regroup!r} does not fit: choose 'agent' or 'team'")
    registry = _registry()
    if not isinstance(name, str) or name not in registry:
        raise unknown_name("topology", name, registry)
    own = {option: value for option, value in options.items() if option != "regroup"}
    topology: Topology = call_named(f"topology {name!r}", registry[name], own, n_agents)
    return topology, {"name": name, **options}


def _options(spec: Any, n_agents: int) -> dict[str, Any]:
    """Return what was given as plain data with a name."""
    if isinstance(spec, str):
        return {"name": spec}
    if _is_graph(spec):
        return {"name": "graph", **plain_graph(spec, n_agents)}
    if not isinstance(spec, Mapping):
        raise ConfigError(f"topology={spec!r} does not fit: give a name, or a mapping with 'name' and options")
    options = dict(spec)
    if "name" not in options:
        raise ConfigError(f"topology {options!r} has no name: give {{'name': ..., options}}")
    if _is_graph(options.get("edges")):
        options.update(plain_graph(options["edges"], n_agents))
    return options


def _is_graph(value: Any) -> bool:
    """Say whether something is a networkx graph, without importing networkx for that."""
    return _has(value, "nodes", "edges", "is_directed")


def _has(value: Any, *attributes: str) -> bool:
    return not isinstance(value, Mapping) and all(hasattr(value, name) for name in attributes)


def superior_of(topology: Topology, agent: int) -> int:
    """Return who directs an agent: itself if it leads everybody, -1 if nobody does."""
    superior = getattr(topology, "superior", None)
    return topology.leader if superior is None else int(superior(agent))


def reports_of(topology: Topology, agent: int) -> tuple[int, ...]:
    """Return whom an agent directs, in order."""
    reports = getattr(topology, "reports", None)
    if reports is not None:
        return tuple(reports(agent))
    return tuple(topology.reachable(agent)) if agent == topology.leader else ()


def role_of(topology: Topology, agent: int) -> str:
    """Return an agent's role: `leader`, `manager` (led itself, and leading others), `follower` or `peer`."""
    superior = superior_of(topology, agent)
    if superior < 0:
        return "peer"
    if superior == agent:
        return "leader"
    return "manager" if reports_of(topology, agent) else "follower"


def permitted_pairs(topology: Topology, n_agents: int) -> int:
    """Return how many ordered pairs of agents may write to each other, -1 if that changes as agents move."""
    if hasattr(topology, "move"):
        return -1
    return sum(len(topology.reachable(agent)) for agent in range(n_agents))
