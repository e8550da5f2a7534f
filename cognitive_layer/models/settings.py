"""How a run reaches its models: cassette, prices, limits. Plain data, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from emcoop.errors import ConfigError, unknown_name

Mode = Literal["off", "record", "replay", "cache"]

_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run reaches its models.

    Attributes:
        cassette: File in which calls are kept, empty for none.
        mode: `off`, `record` (ask, and keep what comes), `replay` (never ask; what is not kept is an error), `cache`
            (ask only for what is not kept). A cassette without a mode means `cache`.
        prices: `provider/model` -> `{"input": USD, "output": USD}` per million tokens, or a YAML or JSON file of that.
        max_usd: Money all calls together may cost; needs the price of every model that is asked.
        max_tokens: Tokens all calls together may take, read and written.
        concurrency: Calls of one model that may be on their way at once.
        requests_per_minute: Requests to one model per minute, retries included; None = no limit.
        timeout: Seconds to wait for an answer.
        retries: How often a call that failed in passing is repeated.
        backoff: Seconds before the first repetition; each further one waits twice as long.
        longest_wait: Most seconds before a repetition, also where the service asks for more.
        trial: Number of the repetition of an experiment: other trials are other calls to a cassette.
    """

    cassette: str = ""
    mode: Mode = "off"
    prices: dict[str, dict[str, float]] | str = {}
    max_usd: _Positive | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    requests_per_minute: _Positive | None = None
    timeout: _Seconds = 120.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 6
    backoff: _Seconds = 0.5
    longest_wait: _Seconds = 60.0
    trial: Annotated[int, msgspec.Meta(ge=0)] = 0


def make_model_settings(given: Mapping[str, Any] | ModelSettings | None) -> ModelSettings:
    """Build settings from plain data.

    Raises:
        ConfigError: No mapping, an unknown setting, or a value that does not fit.
    """
    if isinstance(given, ModelSettings):
        given = msgspec.structs.asdict(given)
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"models={given!r} does not fit: give a mapping such as {{'cassette': 'calls.sqlite'}}")
    plain = {name: _plain(value) for name, value in (given or {}).items()}
    known = {field.name for field in msgspec.structs.fields(ModelSettings)}
    for name in plain:
        if name not in known:
            raise unknown_name("model setting", name, known)
    if plain.get("cassette"):
        plain.setdefault("mode", "cache")
    try:
        settings = msgspec.convert(plain, ModelSettings)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`").partition("[")[0]
        raise ConfigError(f"models.{name}={plain.get(name)!r} does not fit: {what[:1].lower()}{what[1:]}") from None
    if settings.mode != "off" and not settings.cassette:
        raise ConfigError(
            f"models: mode={settings.mode!r} needs a cassette: give a file, such as cassette='calls.sqlite'"
        )
    return settings


def _plain(value: Any) -> Any:
    """Return mappings as dicts and paths as texts, all else as it is."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return str(value) if hasattr(value, "__fspath__") else value
