"""Topologies by name; third parties add theirs by the entry-point group `emcoop.topologies`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emcoop.cognitive_layer.topologies.named import (
    Centralized,
    Debate,
    Decentralized,
    Floor,
    Individual,
    Topology,
)
from emcoop.errors import ConfigError, unknown_name
from emcoop.registration import call_named, plugins

__all__ = ["Floor", "Topology", "list_topologies", "make_topology"]

_BUILT_IN: tuple[Callable[..., Topology], ...] = (Individual, Centralized, Debate, Decentralized)


def _registry() -> dict[str, Callable[..., Topology]]:
    named: dict[str, Callable[..., Topology]] = {getattr(cls, "name"): cls for cls in _BUILT_IN}  # noqa: B009
    for name, loader in plugins("emcoop.topologies").items():
        named.setdefault(name, loader())
    return named


def list_topologies() -> dict[str, str]:
    """Return name -> one-line description."""
    return {name: (make.__doc__ or "").strip().split("\n")[0] for name, make in _registry().items()}


def make_topology(spec: str | Mapping[str, Any], n_agents: int) -> tuple[Topology, dict[str, Any]]:
    """Build a topology from its name, or a mapping with `name` and options.

    Returns:
        The topology and the plain data that names it.

    Raises:
        ConfigError: Unknown name or option.
    """
    if not isinstance(spec, (str, Mapping)):
        raise ConfigError(f"topology={spec!r} does not fit: give a name, or a mapping with 'name' and options")
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    if "name" not in options:
        raise ConfigError(f"topology {options!r} has no name: give {{'name': ..., options}}")
    name = options.pop("name")
    registry = _registry()
    if name not in registry:
        raise unknown_name("topology", name, registry)
    topology: Topology = call_named(f"topology {name!r}", registry[name], options, n_agents)
    return topology, {"name": name, **options}
