"""Counts what the models of a run take, and says when enough is enough."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from emcoop.cognitive_layer.models.chat import RefusedError, SpendingLimit, Usage
from emcoop.cognitive_layer.models.prices import FREE, Price, cost


class Totals(msgspec.Struct, frozen=True):
    """What the models of a run have taken so far.

    Attributes:
        calls: Calls that came to an end, however they did.
        cached: Those of them that a cassette answered.
        failed: Those of them that ended with an error.
        retries: Requests repeated.
        prompt_tokens, completion_tokens: Tokens read and written as far as providers say, those of cassettes included.
        spent_tokens: Tokens of what was asked anew.
        uncounted: Calls asked anew whose tokens the provider does not say.
        usd: Money spent anew, None if the price or the tokens of any call are unknown.
        seconds: Time that answers to calls asked anew took, added up.
        models: Models that were asked, or answered from a cassette.
    """

    calls: int = 0
    cached: int = 0
    failed: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent_tokens: int = 0
    uncounted: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    models: tuple[str, ...] = ()


class Meter:
    """Adds up calls; used from one thread, `totals` may be read from any.

    Args:
        prices: `provider/model` -> price.
        max_usd, max_tokens: What calls asked anew may take together, None = no limit.
    """

    def __init__(self, prices: Mapping[str, Price], max_usd: float | None, max_tokens: int | None) -> None:
        self._prices = prices
        self._max_usd = max_usd
        self._max_tokens = max_tokens
        # Replaced as a whole, so that other threads never see half an addition.
        self.totals = Totals()

    def check(self, model: str, free: bool) -> None:
        """Refuse to ask `model` if that is no longer, or cannot be, within the limits. Nothing is reserved.

        Raises:
            SpendingLimit: A limit is reached.
            RefusedError: There is a limit of money and the price is unknown, or tokens are not counted.
        """
        spent = self.totals
        if self._max_usd is not None:
            if self._price(model, free) is None:
                raise RefusedError(
                    f"max_usd={self._max_usd:g} needs the price of {model}: add it to prices, as "
                    "{'input': USD per million tokens, 'output': ...}, or leave max_usd out"
                )
            if spent.usd is None:
                raise _uncounted(f"max_usd={self._max_usd:g}", spent)
            if spent.usd >= self._max_usd:
                raise SpendingLimit(
                    f"the models of this run have cost {spent.usd:.4f} USD of max_usd={self._max_usd:g} in "
                    f"{spent.calls - spent.cached} calls: raise the limit to go on"
                )
        if self._max_tokens is not None:
            if spent.uncounted:
                raise _uncounted(f"max_tokens={self._max_tokens}", spent)
            if spent.spent_tokens >= self._max_tokens:
                raise SpendingLimit(
                    f"the models of this run have taken {spent.spent_tokens} tokens of max_tokens={self._max_tokens} "
                    f"in {spent.calls - spent.cached} calls: raise the limit to go on"
                )

    def answered(self, model: str, free: bool, usage: Usage, seconds: float) -> None:
        """Count a call that was asked anew and answered after so many seconds."""
        before, price = self.totals, cost(self._price(model, free), usage)
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        self._add(
            model,
            usage,
            seconds=before.seconds + seconds,
            spent_tokens=before.spent_tokens + (prompt or 0) + (completion or 0),
            uncounted=before.uncounted + (prompt is None or completion is None),
            usd=None if before.usd is None or price is None else before.usd + price,
        )

    def replayed(self, model: str, usage: Usage) -> None:
        """Count a call that a cassette answered."""
        self._add(model, usage, cached=self.totals.cached + 1)

    def failed(self, model: str, cached: bool = False) -> None:
        """Count a call that ended with an error."""
        self._add(model, Usage(), failed=self.totals.failed + 1, cached=self.totals.cached + cached)

    def retried(self) -> None:
        """Count a repeated request."""
        self.totals = msgspec.structs.replace(self.totals, retries=self.totals.retries + 1)

    def _add(self, model: str, usage: Usage, **changes: float | None) -> None:
        before = self.totals
        models = before.models if model in before.models else tuple(sorted((*before.models, model)))
        self.totals = msgspec.structs.replace(
            before,
            calls=before.calls + 1,
            models=models,
            prompt_tokens=before.prompt_tokens + (usage.prompt_tokens or 0),
            completion_tokens=before.completion_tokens + (usage.completion_tokens or 0),
            **changes,
        )

    def _price(self, model: str, free: bool) -> Price | None:
        return self._prices.get(model, FREE if free else None)


def _uncounted(limit: str, spent: Totals) -> RefusedError:
    return RefusedError(
        f"{limit} cannot be kept: the service does not say how many tokens {spent.uncounted} calls took; leave the "
        "limit out, or use a service that counts"
    )
