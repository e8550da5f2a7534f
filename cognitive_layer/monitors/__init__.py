"""Monitors by name; third parties add theirs by the entry-point group `emcoop.monitors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emcoop.cognitive_layer.monitors.contract import Monitor
from emcoop.errors import ConfigError, unknown_name
from emcoop.registration import call_named, load, plugins

_HERE = "emcoop.cognitive_layer.monitors"


@dataclass(frozen=True)
class MonitorSpec:
    """One monitor name.

    Attributes:
        name: What users call it.
        description: One line.
        target: `module:attribute` that makes a monitor for one episode, or the callable itself.
        privileged: Whether it uses what the agents do not know; such monitors never enter ranked tracks.
    """

    name: str
    description: str
    target: str | Callable[..., Monitor]
    privileged: bool = False

    def factory(self) -> Callable[..., Monitor]:
        """Return what makes a monitor for one episode."""
        made: Callable[..., Monitor] = load(self.target) if isinstance(self.target, str) else self.target
        return made


BUILT_IN = (
    MonitorSpec(
        "feasibility",
        "tells groups that cannot do their task, as far as they know, when they could do better",
        f"{_HERE}.feasibility:Feasibility",
    ),
    MonitorSpec(
        "feasibility_privileged",
        "feasibility with the true state: the upper reference",
        f"{_HERE}.feasibility:PrivilegedFeasibility",
        True,
    ),
)


def monitor_specs() -> dict[str, MonitorSpec]:
    """Return every monitor that has a name."""
    known = {spec.name: spec for spec in BUILT_IN}
    for name, loader in plugins("emcoop.monitors").items():
        target = loader()
        spec = target if isinstance(target, MonitorSpec) else MonitorSpec(name, (target.__doc__ or name), target)
        known.setdefault(name, spec)
    return known


def list_monitors() -> dict[str, str]:
    """Return name -> one-line description."""
    return {name: spec.description.strip().split("\n")[0] for name, spec in monitor_specs().items()}


def make_monitors(specs: Sequence[Any]) -> tuple[list[Monitor], list[dict[str, Any]]]:
    """Make the monitors of one episode.

    Args:
        specs: Names, mappings with `name` and options, or monitor objects, in the order in which they look.

    Returns:
        The monitors, and the plain data that names them.

    Raises:
        ConfigError: No list, an unknown name, a wrong option, or an object that is no monitor.
    """
    if not isinstance(specs, Sequence) or isinstance(specs, (str, bytes)):
        raise ConfigError(f"monitors={specs!r} does not fit: give a list of names, such as ['feasibility']")
    known = monitor_specs()
    return [_make(entry, known) for entry in specs], [_plain(entry) for entry in specs]


def _make(entry: Any, known: Mapping[str, MonitorSpec]) -> Monitor:
    if not isinstance(entry, (str, Mapping)):
        missing = [name for name in ("name", "privileged", "cooldown", "check") if not hasattr(entry, name)]
        if missing:
            raise ConfigError(f"{entry!r} is no monitor, it lacks {missing[0]!r}: give a name, or an object with check")
        made: Monitor = entry
        return made
    options = _plain(entry)
    name = options.pop("name")
    if name not in known:
        raise unknown_name("monitor", name, known)
    named: Monitor = call_named(f"monitor {name!r}", known[name].factory(), options)
    return named


def _plain(entry: Any) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"name": entry}
    if isinstance(entry, Mapping):
        if not isinstance(entry.get("name"), str):
            raise ConfigError(f"monitor {dict(entry)!r} has no name: give {{'name': ..., options}}")
        return dict(entry)
    return {"name": f"object:{type(entry).__name__}"}
