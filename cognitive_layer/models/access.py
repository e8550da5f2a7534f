"""The models of a run: one cassette, one set of limits and one background thread for all its episodes."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.models.calls import Call
from emcoop.cognitive_layer.models.chat import ChatMessage, ChatModel, Completion
from emcoop.cognitive_layer.models.exchange import Exchange
from emcoop.cognitive_layer.models.meter import Totals
from emcoop.cognitive_layer.models.settings import ModelSettings, make_model_settings

__all__ = ["ModelAccess", "ModelSettings", "SeatLine", "make_model_settings"]


class ModelAccess:
    """Access to models for all episodes of a process; threads may share it.

    Calls are made by one background thread with one event loop, whoever asks: limits, clients and the cassette are
    there, once. Close it, or use it in a `with` statement; at the latest it is closed when the program ends.

    Args:
        settings: See `ModelSettings`; plain data or None will do.
        chat_models: Models of your own as objects, by the name they are to have (`provider/model`). Each is used by
            the background thread only.

    Raises:
        ConfigError: A setting that does not fit, a cassette that is none, a file of prices that cannot be read.
    """

    def __init__(
        self,
        settings: ModelSettings | Mapping[str, Any] | None = None,
        chat_models: Mapping[str, ChatModel] = {},
    ) -> None:
        self.settings = make_model_settings(settings)
        self._exchange = Exchange(self.settings, chat_models)
        self._hang_up = weakref.finalize(self, self._exchange.close)

    @property
    def meter(self) -> Totals:
        """What the models have taken so far."""
        return self._exchange.totals

    def line(self, *, seed: int, agent: int) -> SeatLine:
        """Return the line of one seat for one episode.

        Args:
            seed: Seed of the episode.
            agent: Index of the agent.
        """
        line = SeatLine()
        _callers[line] = _Caller(self, self._exchange, seed, agent)
        return line

    def close(self) -> None:
        """End the background thread and leave the cassette as one file; calls on their way fail. Twice is harmless."""
        self._hang_up()

    def __enter__(self) -> ModelAccess:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()


class SeatLine:
    """One seat's line to the models. It holds nothing, so whoever has it learns nothing from it."""

    __slots__ = ("__weakref__",)

    async def complete(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        schema: Mapping[str, Any] | None,
        params: Mapping[str, Any],
        options: Mapping[str, Any] = {},
    ) -> Completion:
        """Answer a conversation; see `emcoop.cognitive_layer.models.chat.SeatModels`."""
        caller = _callers[self]
        index = caller.calls
        caller.calls += 1
        call = Call(model, tuple(messages), schema, params, options, caller.seed, caller.agent, index)
        return await caller.exchange.ask(call)


class _Caller:
    """Who is at the other end of a line; `access` is kept so that it is not closed while somebody has a line."""

    def __init__(self, access: ModelAccess, exchange: Exchange, seed: int, agent: int) -> None:
        self.access = access
        self.exchange = exchange
        self.seed = seed
        self.agent = agent
        self.calls = 0


_callers: weakref.WeakKeyDictionary[SeatLine, _Caller] = weakref.WeakKeyDictionary()
