"""What a language model is to the thinking layer: messages in, one completion out. Nothing here knows a provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from emcoop.errors import EmCoopError, InfrastructureError, PlannerError

Role = Literal["system", "user", "assistant"]

Format = Literal["json_schema", "json_object", "text"]
"""How strictly the reply is held to a schema: by the provider's grammar, to any JSON object, or not at all."""


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    content: str


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one call, as the provider counts them; None where it does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Completion(msgspec.Struct, frozen=True):
    """A model's answer.

    Attributes:
        text: The reply, whole.
        parsed: The reply as JSON, None if it is none or none was asked for.
        usage: Tokens.
        finish_reason: Why it ended (`stop`, `length`, ...), as the provider says.
        model: Name of the model that answered, as the provider says.
        latency: Seconds the call took; recorded beside traces, never in them, and never scored.
    """

    text: str
    parsed: Any = None
    usage: Usage = Usage()
    finish_reason: str = "stop"
    model: str = ""
    latency: float = 0.0


@runtime_checkable
class ChatModel(Protocol):
    """A model that completes conversations.

    One object may be called many times at once. It does not retry and does not wait for rate limits: that is done
    around it, once for all models. It may have `at_once`, the calls it takes at the same time, and `async close()`.
    """

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        """Answer a conversation.

        Args:
            messages: The conversation.
            schema: JSON Schema of the reply; what it does to the reply is said by `params["format"]`.
            params: `format` (see `Format`, default `text`), and sampling settings such as `temperature`,
                `max_tokens` and `seed`; those a provider does not know are its own to refuse.

        Raises:
            TransientError: Trying again may help (429, 5xx, time-out, cut connection).
            RefusedError: Trying again is of no use (bad key, unknown model).
            FormatRefused: The provider has no such format.
            PromptTooLong: The conversation does not fit the model.
        """


@runtime_checkable
class SeatModels(Protocol):
    """What one seat has of the models: calls go through the run's cassette, limiter, retries and budgets."""

    async def complete(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        schema: Mapping[str, Any] | None,
        params: Mapping[str, Any],
        options: Mapping[str, Any] = {},
    ) -> Completion:
        """Answer a conversation.

        Args:
            model: `provider/model`, see `emcoop.cognitive_layer.models`.
            messages, schema, params: As for `ChatModel.complete`.
            options: How to reach the provider (`base_url`, ...); not part of what identifies the call.

        Raises:
            InfrastructureError: The service failed for good; `RefusedError` and `SpendingLimit` are of that kind.
            FormatRefused, PromptTooLong: As for `ChatModel.complete`.
        """


class TransientError(InfrastructureError):
    """A call failed in a way that may not last.

    Attributes:
        retry_after: Seconds the provider asks to wait, None if it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(InfrastructureError):
    """A call that no repetition can save: a missing key, an unknown model, a request the provider does not take."""


class SpendingLimit(InfrastructureError):
    """The tokens or the money of this run are used up."""


class FormatRefused(EmCoopError):
    """The provider does not do this format; the next lower one may work."""


class PromptTooLong(PlannerError):
    """The conversation does not fit the model: the planner's doing, not the service's."""
