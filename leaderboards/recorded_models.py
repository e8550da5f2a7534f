"""Language models that say again what a trace says they said: for running the loop again on logged replies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, FormatRefused, Usage
from emcoop.cognitive_layer.models.replies import MOST_CHARS
from emcoop.errors import PlannerError
from emcoop.trace.schema import LlmCall

CUT = "too_long"
"""Status of a reply that the provider cut off."""


class RecordedModels:
    """Stands in for access to models: each seat gets its replies in the order in which they were logged.

    Args:
        calls: The logged calls of an episode in order.
        refusal: Why the episode ended in an error, if it did: said where no reply is logged, because a model that
            takes no such prompt leaves none.

    Attributes:
        prompts: Every prompt that was asked in this run, in the order of asking.
    """

    def __init__(self, calls: Iterable[LlmCall], refusal: str = "") -> None:
        self._calls: dict[int, list[LlmCall]] = defaultdict(list)
        for call in calls:
            self._calls[call.agent].append(call)
        self._refusal = refusal
        self.prompts: list[str] = []

    def line(self, *, seed: int, agent: int) -> RecordedLine:
        """Return the line of one seat."""
        return RecordedLine(iter(self._calls[agent]), self.prompts, self._refusal)

    def close(self) -> None:
        """Nothing is held."""


class RecordedLine:
    """One seat's replies.

    Args:
        calls: What was logged for the seat.
        prompts: Where to note what is asked.
        refusal: What to say where no more replies are logged, empty if that is due to nothing.
    """

    def __init__(self, calls: Iterator[LlmCall], prompts: list[str], refusal: str = "") -> None:
        self._calls = calls
        self._next = next(calls, None)
        self._prompts = prompts
        self._refusal = refusal

    async def complete(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        schema: Mapping[str, Any] | None,
        params: Mapping[str, Any],
        options: Mapping[str, Any] = {},
    ) -> Completion:
        """Return the next logged reply.

        Raises:
            FormatRefused: The reply was given to a less strict format; so the provider had refused this one.
            PlannerError: No more replies are logged, or the next is of another model.
        """
        self._prompts.extend(message.content for message in messages)
        call = self._next
        if call is None:
            raise PlannerError(self._refusal or "it asks its model once more than is logged")
        if call.model != model:
            raise PlannerError(f"it asks {model}, but the next logged reply is of {call.model:.80}")
        if call.rung != params.get("format", "text"):
            raise FormatRefused(f"the reply was given to the format {call.rung:.20}")
        self._next = next(self._calls, None)
        usage = Usage(call.prompt_tokens, call.completion_tokens)
        # A reply that was cut in the log was longer than any planner takes; one character more says so again.
        text = call.reply + "." * (len(call.reply) == MOST_CHARS and call.status == CUT)
        return Completion(text, usage=usage, finish_reason="length" if call.status == CUT else "stop")
