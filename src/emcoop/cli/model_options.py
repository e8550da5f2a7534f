"""Options that every command with language models has: cassette, prices, limits."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from emcoop.errors import ConfigError


class CassetteMode(str, Enum):
    """What is done with a cassette."""

    off = "off"
    record = "record"
    replay = "replay"
    cache = "cache"


def model_settings(
    cassette: Annotated[
        str | None,
        typer.Option("--cassette", metavar="FILE", help="Keeps calls of models; or the name of one that ships."),
    ] = None,
    cassette_mode: Annotated[
        CassetteMode | None,
        typer.Option(
            "--cassette-mode", help="record: ask; replay: never ask; cache: ask for what is not kept (the default)."
        ),
    ] = None,
    prices: Annotated[
        str | None, typer.Option("--prices", metavar="FILE", help="YAML or JSON: USD per million tokens of each model.")
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", metavar="X", help="Stop when models have cost this much.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", help="Stop when models have taken this many tokens.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="N", help="Calls of one model at once (default 256).")
    ] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option("--requests-per-minute", metavar="N", help="Calls of one model per minute.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="S", help="Seconds to wait for a model (default 120).")
    ] = None,
    trial: Annotated[
        int | None, typer.Option("--trial", metavar="N", help="Another trial asks anew what a cassette has kept.")
    ] = None,
) -> dict[str, Any]:
    """Return what was given as plain data for `emcoop.cognitive_layer.models.settings.make_model_settings`.

    Raises:
        ConfigError: No cassette ships under the name given, one that ships is to be written to, or a value does not
            fit.
    """
    from emcoop.cognitive_layer.models.settings import make_model_settings

    mode = None if cassette_mode is None else cassette_mode.value
    given = {
        **_cassette(cassette, mode),
        "prices": prices,
        "max_usd": max_usd,
        "max_tokens": max_tokens,
        "concurrency": concurrency,
        "requests_per_minute": requests_per_minute,
        "timeout": timeout,
        "trial": trial,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    make_model_settings(settings)
    return settings


def with_models(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above; it gets what they say as its argument `models`."""
    own = inspect.signature(command, eval_str=True)
    shared = inspect.signature(model_settings, eval_str=True).parameters

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in shared}
        command(**arguments, models=model_settings(**given))

    parameters = [*(p for p in own.parameters.values() if p.name != "models"), *shared.values()]
    named = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    setattr(wrapped, "__signature__", own.replace(parameters=named))  # noqa: B010 - typer reads options from it
    wrapped.__annotations__ = {p.name: p.annotation for p in named}
    return wrapped


def _cassette(given: str | None, mode: str | None) -> dict[str, str | None]:
    if not given:
        return {"mode": mode}
    from emcoop.baselines.recordings import is_path, shipped_cassette

    if is_path(given):
        return {"cassette": given, "mode": mode}
    path: Path = shipped_cassette(given)
    if mode not in (None, "replay", "off"):
        raise ConfigError(
            f"the cassette {given!r} ships with the package and is only replayed: leave --cassette-mode out, or give "
            f"the path of a file of your own, such as ./{given}.sqlite"
        )
    return {"cassette": str(path), "mode": mode or "replay"}
