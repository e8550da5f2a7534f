"""One call of a model: what is asked, of which model, by whom, and its plain data as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from emcoop.cognitive_layer.models.chat import ChatMessage
from emcoop.errors import ConfigError


class Call(msgspec.Struct, frozen=True):
    """One call.

    Attributes:
        model: `provider/model`.
        messages, schema, params: What is asked.
        options: How to reach the provider.
        seed: Of the episode.
        agent: Who asks.
        index: Which call of that agent in the episode this is, from 0.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any] | None
    params: Mapping[str, Any]
    options: Mapping[str, Any]
    seed: int
    agent: int
    index: int


def canonical(thing: Any) -> bytes:
    """Return plain data as JSON, the same bytes for the same data.

    Raises:
        ConfigError: It is no plain data.
    """
    try:
        return msgspec.json.encode(thing, enc_hook=_mapping_as_dict, order="deterministic")
    except (TypeError, ValueError) as error:
        raise ConfigError(f"what is asked of a model has to be plain data: {error}") from None


def _mapping_as_dict(thing: Any) -> Any:
    if isinstance(thing, Mapping):
        return dict(thing)
    raise TypeError(f"got a {type(thing).__name__}")
