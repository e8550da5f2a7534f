"""The background thread through which all calls of a run go: cassette, spending, limiter, retries, model."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
import weakref
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from emcoop.cognitive_layer.models import make_chat_model, provider_spec, split_model_name
from emcoop.cognitive_layer.models.calls import Call, canonical
from emcoop.cognitive_layer.models.chat import (
    ChatModel,
    Completion,
    FormatRefused,
    PromptTooLong,
    RefusedError,
    TransientError,
)
from emcoop.cognitive_layer.models.limiter import Limiter
from emcoop.cognitive_layer.models.meter import Meter, Totals
from emcoop.cognitive_layer.models.prices import load_prices
from emcoop.cognitive_layer.models.replies import scrub, tidy
from emcoop.cognitive_layer.models.retry import with_retries
from emcoop.cognitive_layer.models.settings import ModelSettings
from emcoop.errors import ConfigError, EmCoopError, InfrastructureError

if TYPE_CHECKING:
    from emcoop.cognitive_layer.models.cassette import Cassette, Refusal

PATIENCE = 10.0
"""Seconds to wait for the thread when it is to end."""


class Exchange:
    """Makes the calls of a run on one thread of its own, which starts with the first.

    Args:
        settings: Limits and cassette.
        chat_models: Models given as objects, by name.
    """

    def __init__(self, settings: ModelSettings, chat_models: Mapping[str, ChatModel]) -> None:
        self._settings = settings
        self._given = _checked(chat_models)
        self._meter = Meter(load_prices(settings.prices), settings.max_usd, settings.max_tokens)
        self._cassette = _open_cassette(settings)
        self._turns: weakref.WeakValueDictionary[bytes, asyncio.Lock] = weakref.WeakValueDictionary()
        self._recorded: set[bytes] = set()
        self._made: dict[tuple[str, bytes], tuple[ChatModel, bool]] = {}
        self._limiters: dict[str, Limiter] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def totals(self) -> Totals:
        """What the models have taken so far."""
        return self._meter.totals

    async def ask(self, call: Call) -> Completion:
        """Make a call; for callers on any thread and event loop.

        Raises:
            ConfigError: An unknown model or option.
            InfrastructureError, FormatRefused, PromptTooLong: See `SeatModels.complete`.
        """
        return await asyncio.wrap_future(self._put_through(call))

    def close(self) -> None:
        """End the thread and close the cassette. Calls on their way fail; a second time is harmless."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            self._close_cassette()
            return
        loop.call_soon_threadsafe(loop.stop)
        # The garbage collector may close us from the very thread that is to end.
        if thread is not threading.current_thread():
            thread.join(PATIENCE)

    def _put_through(self, call: Call) -> concurrent.futures.Future[Completion]:
        # With the lock held, so that no call gets behind the end of the loop, where nobody would answer it.
        with self._lock:
            if self._closed:
                raise RefusedError("the model access of this run is closed: make a new one to ask models again")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                work = partial(self._work, self._loop)
                self._thread = threading.Thread(target=work, name="emcoop-models", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(self._answer(call), self._loop)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._wind_up())
        finally:
            self._close_cassette()
            loop.close()

    async def _wind_up(self) -> None:
        await asyncio.sleep(0)  # a task that has not begun could not say why it ends
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for model, _ in self._made.values():
            with contextlib.suppress(Exception):  # nobody is left to hear of it
                await getattr(model, "close", _nothing)()
        self._made.clear()

    def _close_cassette(self) -> None:
        if self._cassette is not None:
            self._cassette.close()

    # On the thread ---------------------------------------------------------------------------------------------

    async def _answer(self, call: Call) -> Completion:
        try:
            if self._cassette is None:
                return await self._ask_anew(call)
            return await self._ask_cassette(self._cassette, call)
        except asyncio.CancelledError:
            if self._closed:
                raise InfrastructureError(f"the model access was closed while {call.model} was being asked") from None
            raise

    async def _ask_cassette(self, cassette: Cassette, call: Call) -> Completion:
        key = cassette.key(call, self._settings.trial)
        # Several episodes of a run may ask the same, and a model need not say the same twice: the first asks, and all
        # take what it got; otherwise the cassette would repeat only one of them.
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            return await self._ask_in_turn(cassette, key, call)

    async def _ask_in_turn(self, cassette: Cassette, key: bytes, call: Call) -> Completion:
        anew = self._settings.mode == "record" and key not in self._recorded
        kept = None if anew else cassette.read(key)
        if kept is None:
            if self._settings.mode == "replay":
                self._meter.failed(call.model)
                raise cassette.miss(call)
            return await self._ask_and_keep(cassette, key, call)
        if isinstance(kept, Completion):
            self._meter.replayed(call.model, kept.usage)
            return kept
        self._meter.failed(call.model, cached=True)
        raise kept

    async def _ask_and_keep(self, cassette: Cassette, key: bytes, call: Call) -> Completion:
        try:
            completion = await self._ask_anew(call)
        except (FormatRefused, PromptTooLong) as refusal:
            self._keep(cassette, key, call, refusal)
            raise
        self._keep(cassette, key, call, completion)
        return completion

    def _keep(self, cassette: Cassette, key: bytes, call: Call, answer: Completion | Refusal) -> None:
        cassette.write(key, call.model, answer)
        self._recorded.add(key)

    async def _ask_anew(self, call: Call) -> Completion:
        model, free = self._model(call)
        self._meter.check(call.model, free)
        limiter = self._limiter(call.model, model)

        def failed(error: TransientError) -> None:
            self._meter.retried()
            if error.retry_after:
                limiter.pause(min(error.retry_after, settings.longest_wait))

        settings = self._settings
        try:
            completion = await with_retries(
                call.model,
                lambda: limiter.run(lambda: _attempt(model, call, settings.timeout)),
                settings.retries,
                settings.backoff,
                settings.longest_wait,
                failed,
            )
        except Exception:
            self._meter.failed(call.model)
            raise
        self._meter.answered(call.model, free, completion.usage, completion.latency)
        return completion

    def _model(self, call: Call) -> tuple[ChatModel, bool]:
        """Return the model of a call, and whether it costs nothing."""
        if call.model in self._given:
            return self._given[call.model], False
        key = (call.model, canonical(call.options))
        if key not in self._made:
            self._made[key] = make_chat_model(call.model, call.options), provider_spec(call.model).free
        return self._made[key]

    def _limiter(self, name: str, model: ChatModel) -> Limiter:
        if name not in self._limiters:
            # Calls a model would let wait are kept waiting here, where no time-out runs.
            at_once = min(self._settings.concurrency, getattr(model, "at_once", self._settings.concurrency))
            self._limiters[name] = Limiter(at_once, self._settings.requests_per_minute)
        return self._limiters[name]


async def _attempt(model: ChatModel, call: Call, timeout: float) -> Completion:
    start = time.perf_counter()
    try:
        completion = await asyncio.wait_for(model.complete(call.messages, call.schema, call.params), timeout)
        return tidy(msgspec.structs.replace(completion, latency=time.perf_counter() - start))
    except asyncio.TimeoutError:
        raise TransientError(f"no answer within {timeout:g} seconds") from None
    except (EmCoopError, MemoryError):
        raise
    except Exception as error:
        # Whoever's mistake that is, it is not the agent's.
        said = scrub(f"{type(error).__name__}: {error}")
        if isinstance(error, OSError):
            raise TransientError(said) from error
        raise InfrastructureError(f"{call.model} failed in a way that no model should: {said}") from error


async def _nothing() -> None:
    pass


def _checked(chat_models: Mapping[str, ChatModel]) -> dict[str, ChatModel]:
    for name, model in chat_models.items():
        split_model_name(name)
        if not isinstance(model, ChatModel):
            raise ConfigError(
                f"{model!r} is no chat model: give an object with async complete(messages, schema, params)"
            )
    return dict(chat_models)


def _open_cassette(settings: ModelSettings) -> Cassette | None:
    if settings.mode == "off":
        return None
    from emcoop.cognitive_layer.models.cassette import Cassette

    return Cassette(settings.cassette, settings.mode)
