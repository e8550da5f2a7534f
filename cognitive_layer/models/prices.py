"""What models cost: a table of the user's, because prices change and are nobody's constant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from emcoop.cognitive_layer.models import split_model_name
from emcoop.cognitive_layer.models.chat import Usage
from emcoop.errors import ConfigError

MILLION = 1_000_000
LARGEST_FILE = 1 << 20

_Usd = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model costs, in USD per million tokens read (`input`) and written (`output`)."""

    input: _Usd
    output: _Usd


FREE = Price(0.0, 0.0)


def load_prices(given: Mapping[str, Any] | str) -> dict[str, Price]:
    """Return `provider/model` -> price.

    Args:
        given: The table as plain data, or the path of a YAML or JSON file of it.

    Raises:
        ConfigError: No such file, or something that is no such table.
    """
    table = _read(given) if isinstance(given, str) and given else given or {}
    try:
        prices = msgspec.convert(table, dict[str, Price])
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"the prices do not fit: {str(error).replace('`$', '`prices')}; give "
            "{'provider/model': {'input': USD per million tokens, 'output': ...}}"
        ) from None
    for name in prices:
        split_model_name(name)
    return prices


def _read(path: str) -> Any:
    import yaml

    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"the file of prices {path} cannot be read: {error.strerror or error}") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigError(f"the file of prices {path} is larger than {LARGEST_FILE} bytes: it should be a short table")
    try:
        return yaml.safe_load(raw.decode("utf-8"))
    except (yaml.YAMLError, UnicodeError, RecursionError):
        raise ConfigError(f"the file of prices {path} is neither YAML nor JSON") from None


def cost(price: Price | None, usage: Usage) -> float | None:
    """Return what a call costs in USD; None if its price or its tokens are unknown."""
    if price is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return 0.0 if price == FREE else None
    return (price.input * usage.prompt_tokens + price.output * usage.completion_tokens) / MILLION
