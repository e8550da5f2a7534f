"""Settings and names with options on the command line: `--set mode=survival`, `--topology tree:b=3`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from emcoop.errors import ConfigError

EnvSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the environment, such as mode=survival; repeat it."),
]
ChannelSettings = Annotated[
    list[str] | None,
    typer.Option("--channel", metavar="NAME=VALUE", help="A setting of the channel, such as loss=0.2; repeat it."),
]
TopologyName = Annotated[
    str,
    typer.Option("--topology", metavar="NAME[:OPTIONS]", help="Who may talk to whom, such as tree:b=3."),
]
MonitorNames = Annotated[
    list[str] | None,
    typer.Option(
        "--monitor",
        metavar="NAME[:OPTIONS]",
        help="Watches plans and asks for repair, such as feasibility:cooldown=5; repeat it.",
    ),
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="KIND[,NAME=VALUE]",
        help="Something that goes wrong on purpose, such as freeze,agent=1,at=10,steps=5; repeat it.",
    ),
]
_OPTION = re.compile(r"[a-z_]+=")
HAVE_OPTIONS = {"n_agents": "--agents", "max_steps": "--max-steps", "render_mode": "--render"}
"""Settings of environments that have an option of their own."""


def read_settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Return settings of the environment given as `--set NAME=VALUE`.

    Raises:
        ConfigError: As for `read_pairs`, or a name that has an option of its own.
    """
    settings = read_pairs(pairs, "--set ", "mode=survival")
    for name in settings:
        if name in HAVE_OPTIONS:
            raise ConfigError(f"--set {name}=... does not fit: {name} has the option {HAVE_OPTIONS[name]}")
    return settings


def read_channel(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Return settings of the channel given as `--channel NAME=VALUE`.

    Raises:
        ConfigError: As for `read_pairs`.
    """
    return read_pairs(pairs, "--channel ", "loss=0.2")


def read_planners(given: Sequence[str]) -> list[str | dict[str, Any]]:
    """Return planners given as `NAME`, `NAME:MODEL` or `NAME:MODEL,OPTION=VALUE,...`.

    Raises:
        ConfigError: The options are not of that form.
    """
    return [_planner(planner) for planner in given]


def _planner(given: str) -> str | dict[str, Any]:
    name, colon, text = given.partition(":")
    first, *options = _parts(text)
    if not colon or _OPTION.match(first):
        return read_spec(given, "--planner", "prompts=short")
    if not options:
        return given
    return {"name": f"{name}{colon}{first}", **read_pairs(options, f"--planner {name}:{first},", "prompts=short")}


def read_topology(given: str) -> str | dict[str, Any]:
    """Return a topology given as `NAME` or `NAME:OPTION=VALUE,...`; see `read_spec`."""
    return read_spec(given, "--topology", "b=3")


def read_monitors(given: Sequence[str] | None) -> list[str | dict[str, Any]]:
    """Return monitors given as `NAME` or `NAME:OPTION=VALUE,...`; see `read_spec`."""
    return [read_spec(monitor, "--monitor", "cooldown=5") for monitor in given or ()]


def read_faults(given: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return faults given as `KIND` or `KIND,NAME=VALUE,...`.

    Raises:
        ConfigError: As for `read_pairs`, or no kind in front.
    """
    return [_fault(fault) for fault in given or ()]


def _fault(given: str) -> dict[str, Any]:
    kind, *options = _parts(given)
    if not kind or _OPTION.match(kind):
        raise ConfigError(f"--fault {given} does not fit: the kind comes first, as in --fault crash,agent=1,at=10")
    settings = read_pairs(options, f"--fault {kind},", "agent=1")
    if "kind" in settings:
        raise ConfigError(f"--fault {given} gives its kind twice: give it once, in front")
    return {"kind": kind, **settings}


def read_pairs(pairs: Sequence[str] | None, before: str, example: str) -> dict[str, Any]:
    """Return what was given as `NAME=VALUE`; a value that is JSON counts as what it says, others as text.

    Args:
        pairs: What was given.
        before: What stands before each, for errors: `--set `, `--topology tree:`.
        example: What would fit, for errors.

    Raises:
        ConfigError: No `=`, an empty name, or a name given twice.
    """
    settings: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"{before}{pair} does not fit: give NAME=VALUE, such as {before}{example}")
        if name in settings:
            raise ConfigError(f"{before.strip()} gives {name} twice: give it once")
        settings[name] = _value(text)
    return settings


def read_spec(given: str, option: str, example: str) -> str | dict[str, Any]:
    """Return a name, or with options (`NAME:OPTION=VALUE,OPTION=VALUE`) a mapping of them with the name.

    Commas within brackets or quotes belong to a value: `graph:edges=[[0,1],[1,2]]`.

    Raises:
        ConfigError: The options are not of that form.
    """
    name, colon, text = given.partition(":")
    if not colon and "," in given:
        meant = given.replace(",", ":", 1)
        raise ConfigError(f"{option} {given} does not fit: options stand after a colon, as in {option} {meant}")
    if not colon:
        return name
    options = read_pairs(list(_parts(text)), f"{option} {name}:", example)
    if not name or "name" in options:
        raise ConfigError(f"{option} {given} does not fit: the name stands before the colon, and only there")
    return {"name": name, **options}


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between commas that are in no bracket and no quotes."""
    depth, quoted, part = 0, False, ""
    for c in text:
        if c == '"':
            quoted = not quoted
        elif not quoted:
            depth += (c in "[{") - (c in "]}")
        if c == "," and depth == 0 and not quoted:
            yield part
            part = ""
        else:
            part += c
    yield part


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
