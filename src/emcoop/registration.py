"""One table of environment ids, and everything that is registered from it.

A third party adds an environment by an entry point in the group `emcoop.environments` that names an
`EnvironmentSpec`; planners, topologies and metrics have registries of their own beside their code.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from emcoop.errors import ConfigError, unknown_name

NAMESPACE = "emcoop"


@dataclass(frozen=True)
class EnvironmentSpec:
    """One environment id.

    Attributes:
        id: `Name-vN`, without a namespace. A change of dynamics, reward or observation bumps the version.
        description: One line.
        parallel: `module:attribute` of the ParallelEnv class.
        embodiment: `module:attribute` of its `Embodiment`, called with the environment.
        batch: `module:attribute` of its batch environment, empty if it has none.
        kwargs: Preset arguments.
    """

    id: str
    description: str
    parallel: str
    embodiment: str
    batch: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seat_id(self) -> str:
        """Id of the Gymnasium seat view: `Cube-v0` -> `Cube-Seat-v0`."""
        return re.sub(r"(-v\d+)$", r"-Seat\1", self.id)


_CUBE: dict[str, Any] = {
    "parallel": "emcoop.envs.cube.env:CubeEnv",
    "embodiment": "emcoop.envs.cube.embodiment:CubeEmbodiment",
    "batch": "emcoop.envs.cube.batch:CubeBatch",
}

_MA_CRAFTER: dict[str, Any] = {
    "parallel": "emcoop.envs.ma_crafter.env:MACrafterEnv",
    "embodiment": "emcoop.envs.ma_crafter.embodiment:MACrafterEmbodiment",
    "batch": "emcoop.envs.ma_crafter.batch:MACrafterBatch",
}

BUILT_IN = (
    EnvironmentSpec("Cube-v0", "cooperative block pushing; n_agents alone fixes board, blocks and length", **_CUBE),
    EnvironmentSpec(
        "Cube-EmCoop-v0",
        "the paper's small CUBE: 15 x 15, three blocks each of weight 1, 2, 3; 3 or 6 agents, 50 steps",
        **_CUBE,
        kwargs={"n_agents": 3, "grid_size": 15, "blocks": {1: 3, 2: 3, 3: 3}, "max_steps": 50},
    ),
    EnvironmentSpec(
        "MACrafter-v0", "survival and crafting in an open world; what is worth most takes several agents", **_MA_CRAFTER
    ),
    EnvironmentSpec(
        "MACrafter-L1-v0", "MA-Crafter in which everyone can do everything alone", **_MA_CRAFTER, kwargs={"level": "L1"}
    ),
    EnvironmentSpec(
        "MACrafter-L2-v0", "MA-Crafter in which coal, iron and diamond take 2", **_MA_CRAFTER, kwargs={"level": "L2"}
    ),
    EnvironmentSpec(
        "MACrafter-L3-v0",
        "the paper's MA-Crafter: coal takes 2 agents, iron and diamond 3",
        **_MA_CRAFTER,
        kwargs={"level": "L3"},
    ),
)

_specs: dict[str, EnvironmentSpec] = {}


def load(target: str) -> Any:
    """Return the object named `module:attribute`."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def plugins(group: str) -> dict[str, Callable[[], Any]]:
    """Return name -> loader of the installed entry points of a group.

    A loader raises `ConfigError` if what its entry point names cannot be loaded.
    """
    return {entry.name: partial(_load_entry, entry) for entry in entry_points(group=group)}


def _load_entry(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # it runs the module of somebody else
        package = f" of the package {entry.dist.name}" if entry.dist else ""
        raise ConfigError(
            f"the entry point {entry.name} = {entry.value!r}{package} in {entry.group} cannot be loaded "
            f"({type(error).__name__}: {error}): correct or uninstall it"
        ) from error


def environment_specs() -> dict[str, EnvironmentSpec]:
    """Return every known environment, id -> spec."""
    if not _specs:
        _specs.update({spec.id: spec for spec in BUILT_IN})
        for name, loader in plugins("emcoop.environments").items():
            spec = loader()
            if not isinstance(spec, EnvironmentSpec):
                raise ConfigError(f"entry point {name!r} of emcoop.environments gives {spec!r}, not an EnvironmentSpec")
            _specs.setdefault(spec.id, spec)
    return _specs


def environment_spec(env_id: str) -> EnvironmentSpec:
    """Return the spec of an id, with or without the namespace `emcoop/`.

    Raises:
        UnknownNameError: No such environment; the nearest id is named.
    """
    specs = environment_specs()
    name = str(env_id).removeprefix(f"{NAMESPACE}/")
    if name not in specs:
        raise unknown_name("environment", env_id, specs)
    return specs[name]


def make_parallel(env_id: str, *, max_cycles: int | None = None, **kwargs: Any) -> Any:
    """Create the ParallelEnv of an id.

    Args:
        env_id: Registered id.
        max_cycles: PettingZoo's word for `max_steps`.
        **kwargs: Arguments of the environment; they override the preset's.

    Raises:
        ConfigError: Unknown id, unknown argument, or a value that does not fit.
    """
    if max_cycles is not None:
        kwargs.setdefault("max_steps", max_cycles)
    spec = environment_spec(env_id)
    return _construct(spec.parallel, spec, kwargs)


def make_aec(env_id: str, **kwargs: Any) -> Any:
    """Create the AEC version of an id, converted from its ParallelEnv."""
    from pettingzoo.utils.conversions import parallel_to_aec

    return parallel_to_aec(make_parallel(env_id, **kwargs))


def make_batch(env_id: str, *, n_envs: int, **kwargs: Any) -> Any:
    """Create the batch environment of an id: arrays in, arrays out, all environments in one call."""
    spec = environment_spec(env_id)
    if not spec.batch:
        having = ", ".join(s.id for s in environment_specs().values() if s.batch)
        raise ConfigError(f"{spec.id} has no batch environment; these have: {having}")
    batch, single = (_option_names(load(target)) for target in (spec.batch, spec.parallel))
    for name in kwargs:
        if batch is not None and name not in batch and name in (single or ()):
            raise ConfigError(
                f"the batch environment of {spec.id} has no option {name!r}, only the single environment has; leave it "
                f"out: the batch has {', '.join(batch)}"
            )
    return _construct(spec.batch, spec, {**kwargs, "n_envs": n_envs})


def make_embodiment(env_id: str, **kwargs: Any) -> Any:
    """Create an environment and its `Embodiment`, which is what the cognitive layer works with."""
    env = make_parallel(env_id, **kwargs)
    return load(environment_spec(env_id).embodiment)(env)


def _construct(target: str, spec: EnvironmentSpec, kwargs: Mapping[str, Any]) -> Any:
    return call_named(spec.id, load(target), {**spec.kwargs, **kwargs})


def call_named(what: str, target: Callable[..., Any], options: Mapping[str, Any], *fixed: Any) -> Any:
    """Call `target` with options somebody has written down.

    Args:
        what: Whose options they are, for the error.
        target: What to call.
        options: Keyword arguments.
        *fixed: Positional arguments in front, which are not options.

    Raises:
        UnknownNameError: An option `target` does not have.
        ConfigError: One it needs is missing.
    """
    allowed = _option_names(target)
    if allowed is not None:
        for name in options:
            if name not in allowed[len(fixed) :]:
                raise unknown_name(f"option of {what}", name, allowed[len(fixed) :])
        try:
            inspect.signature(target).bind(*fixed, **options)
        except TypeError as error:
            raise ConfigError(f"{what} does not fit: {error}; give it") from None
    return target(*fixed, **options)


def _option_names(target: Callable[..., Any]) -> list[str] | None:
    """Return the names of what `target` takes, in order; None if it takes any."""
    parameters = inspect.signature(target).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters]


def register_all() -> None:
    """Register every environment with Gymnasium (team and seat view) and PettingZoo; calling it again is harmless."""
    import gymnasium
    import pettingzoo

    for spec in environment_specs().values():
        views = {spec.id: f"{__name__}:make_team_view", spec.seat_id: f"{__name__}:make_seat_view"}
        for name, entry_point in views.items():
            if f"{NAMESPACE}/{name}" not in gymnasium.registry:
                gymnasium.register(f"{NAMESPACE}/{name}", entry_point, kwargs={"env_id": spec.id})
        if hasattr(pettingzoo, "register") and f"{NAMESPACE}/{spec.id}" not in pettingzoo.parallel_registry:
            full_id, kwargs = f"{NAMESPACE}/{spec.id}", {"env_id": spec.id}
            pettingzoo.register("parallel", full_id, f"{__name__}:make_parallel", kwargs=kwargs)
            pettingzoo.register("aec", full_id, f"{__name__}:make_aec", kwargs=kwargs)


def make_team_view(env_id: str, **kwargs: Any) -> Any:
    """Create the Gymnasium team view of an id."""
    from emcoop.envs.team_view import TeamView

    render_mode = kwargs.get("render_mode")
    return TeamView(make_parallel(env_id, **kwargs), render_mode=render_mode)


def make_seat_view(env_id: str, **kwargs: Any) -> Any:
    """Create the Gymnasium seat view of an id."""
    # By name: the cognitive layer stands on this registry, not under it.
    return load("emcoop.cognitive_layer.seat_view:SeatView")(env_id, **kwargs)
