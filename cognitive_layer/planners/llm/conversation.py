"""Asking a model until it gives a usable answer: formats from strict to none, then one repair turn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, get_args

import msgspec

from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, Format, FormatRefused, RefusedError, SeatModels
from emcoop.cognitive_layer.models.replies import MOST_CHARS, clean_text
from emcoop.cognitive_layer.plan import ModelCall
from emcoop.cognitive_layer.planners.llm.extract import BadReply
from emcoop.cognitive_layer.planners.llm.schema import Schema

RUNGS: tuple[Format, ...] = get_args(Format)
"""From the strictest format to none."""
MOST_QUOTED = 2_000
"""Characters of a bad reply that are shown to its model again."""

T = TypeVar("T")
Read = Callable[[str, str, bool], T]
"""Turns a reply (its text, why it ended, whether to leave out what can be) into an answer, or raises `BadReply`."""


class Result(msgspec.Struct, Generic[T], frozen=True):
    """What came of it.

    Attributes:
        answer: A usable answer, None if there was none.
        calls: The calls it took.
        status: As in `Decision`.
    """

    answer: T | None
    calls: tuple[ModelCall, ...]
    status: str


class Conversation:
    """One seat's way of asking its model; it remembers which formats the provider refuses.

    Args:
        models: The seat's access to models.
        model: `provider/model`.
        top: The strictest format to ask for.
        params: Sampling settings.
        options: How to reach the provider.
        keep_text: Whether calls keep what was asked.
    """

    def __init__(
        self,
        models: SeatModels,
        model: str,
        top: Format,
        params: Mapping[str, Any],
        options: Mapping[str, Any],
        keep_text: bool,
    ) -> None:
        self._models = models
        self._model = model
        self._rung = RUNGS.index(top)
        self._params = dict(params)
        self._options = dict(options)
        self._keep_text = keep_text

    async def ask(
        self, turns: Sequence[ChatMessage], schema: Schema, read: Read[T], repair: Callable[[str], str]
    ) -> Result[T]:
        """Ask, and once more with what was wrong.

        Args:
            turns: The conversation.
            schema: Schema of the reply.
            read: Reads a reply.
            repair: Returns the turn that tells the model what was wrong with its reply.

        Raises:
            InfrastructureError: The service failed for good.
            PromptTooLong: The conversation does not fit the model.
        """
        calls: list[ModelCall] = []
        for turn in range(2):
            completion, rung = await self._complete(turns, schema)
            # One more than is kept, so that what is kept says whether there was more.
            text = clean_text(completion.text)[: MOST_CHARS + 1]
            try:
                answer, problem = read(text, completion.finish_reason, turn > 0), None
            except BadReply as bad:
                answer, problem = None, bad
            calls.append(self._record(turns, schema, rung, completion, text, problem.status if problem else "ok"))
            if problem is None:
                return Result(answer, tuple(calls), "repaired" if turn else "ok")
            shown = text[:MOST_QUOTED] if text.strip() else "(nothing)"
            turns = [*turns, ChatMessage("assistant", shown), ChatMessage("user", repair(str(problem)))]
        return Result(None, tuple(calls), "fallback")

    async def _complete(self, turns: Sequence[ChatMessage], schema: Schema) -> tuple[Completion, Format]:
        while True:
            rung = RUNGS[self._rung]
            try:
                return await self._models.complete(
                    self._model, turns, schema.data, {**self._params, "format": rung}, self._options
                ), rung
            except FormatRefused as refusal:
                if self._rung + 1 == len(RUNGS):
                    raise RefusedError(f"{self._model} refuses even plain text: {refusal}") from refusal
                self._rung += 1

    def _record(
        self,
        turns: Sequence[ChatMessage],
        schema: Schema,
        rung: Format,
        completion: Completion,
        text: str,
        status: str,
    ) -> ModelCall:
        asked = [self._model, turns, {**self._params, "format": rung}]
        usage = completion.usage
        return ModelCall(
            model=self._model,
            request=hashlib.sha256(msgspec.json.encode(asked, order="deterministic") + schema.encoded).hexdigest(),
            reply=text[:MOST_CHARS],
            rung=rung,
            status=status,
            prompt_tokens=usage.prompt_tokens or 0,
            completion_tokens=usage.completion_tokens or 0,
            prompt=tuple((turn.role, turn.content) for turn in turns) if self._keep_text else (),
        )
