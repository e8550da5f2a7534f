"""Settings of an environment on the command line: `--set mode=survival --set area=[32,32]`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from emcoop.errors import ConfigError

EnvSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the environment, such as mode=survival; repeat it."),
]
HAVE_OPTIONS = {"n_agents": "--agents", "max_steps": "--max-steps", "render_mode": "--render"}
"""Settings that have an option of their own."""


def read_settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Return settings given as `NAME=VALUE`; a value that is JSON counts as what it says, others as text.

    Raises:
        ConfigError: No `=`, an empty name, a name given twice, or one that has an option of its own.
    """
    settings: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"--set {pair} does not fit: give NAME=VALUE, such as --set mode=survival")
        if name in HAVE_OPTIONS:
            raise ConfigError(f"--set {pair} does not fit: {name} has the option {HAVE_OPTIONS[name]}")
        if name in settings:
            raise ConfigError(f"--set gives {name} twice: give it once")
        settings[name] = _value(text)
    return settings


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
