"""Models behind OpenAI's protocol, wherever they run: OpenAI, vLLM, Ollama, llama.cpp and many more."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, RefusedError, TransientError
from emcoop.cognitive_layer.models.protocol import failure, read_body, read_reply, request_body, unwanted_parameter
from emcoop.errors import ConfigError, EmCoopError, SettingsWarning

OPENAI = "https://api.openai.com/v1"
PLACEHOLDER = "none"
"""Key for services that want none; the protocol needs some."""

SILENCE, CONNECT = 3600.0, 30.0
"""Most seconds without a byte, and to connect; whoever calls has a shorter limit of their own."""

LARGEST_BODY = 16 << 20

BUSIEST = 32
"""Requests of one client at once: its work per request grows with its connections, and it keeps at most 100."""

INSTEAD = {
    "max_tokens": "max_completion_tokens",
    "temperature": "",
    "top_p": "",
    "seed": "",
    "frequency_penalty": "",
    "presence_penalty": "",
}
"""Parameters some models do not take -> what to send instead, empty for nothing."""


class OpenAIChat:
    """A model behind OpenAI's protocol.

    The key is `OPENAI_API_KEY` in the environment and nowhere else. It goes to OpenAI and to `OPENAI_BASE_URL` only: an
    address that a suite or a planner's options name, which somebody else may have written, never gets it.

    Args:
        model: Name of the model there.
        base_url: Address of the service up to `/v1`; default `OPENAI_BASE_URL`, else OpenAI's own.

    Raises:
        ConfigError: The package openai is not installed, or the address does not fit.
        RefusedError: There is no key and the service is OpenAI's own.
    """

    def __init__(self, model: str, base_url: str | None = None) -> None:
        self._model = model
        self._service = check_base_url(base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI)
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if self._service not in (OPENAI, os.environ.get("OPENAI_BASE_URL", "").rstrip("/")):
            key = ""
        if not key and self._service == OPENAI:
            raise RefusedError(
                "OPENAI_API_KEY is not set: set it in the environment, or give base_url to use a service of your own"
            )
        self._sdk = _import_sdk()
        self._secrets = (key,) if key else ()
        self._clients: list[_Client] = []
        self._unwanted: set[str] = set()

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        """Answer a conversation; see `ChatModel.complete`. A parameter the model does not take is asked for once."""
        while True:
            body = request_body(self._model, messages, schema, self._wanted(params))
            status, said, headers = await self._post(body)
            if status == 200:
                return read_reply(read_body(said), "response_format" in body, self._secrets)
            unwanted = unwanted_parameter(status, said, body)
            if unwanted not in INSTEAD:
                raise failure(self._service, status, said, headers, "response_format" in body, self._secrets)
            self._leave_out(unwanted)

    async def close(self) -> None:
        """Close its connections."""
        for client in self._clients:
            await client.sdk.close()

    def _client(self) -> _Client:
        """Return a client that is not too busy."""
        for client in self._clients:
            if client.busy < BUSIEST:
                return client
        client = _Client(
            self._sdk.AsyncOpenAI(
                api_key=self._secrets[0] if self._secrets else PLACEHOLDER,
                base_url=self._service,
                max_retries=0,
                timeout=self._sdk.Timeout(SILENCE, connect=CONNECT),
            )
        )
        self._clients.append(client)
        return client

    def _wanted(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters as this model takes them."""
        wanted = {}
        for name, value in params.items():
            kept = INSTEAD[name] if name in self._unwanted else name
            if kept:
                wanted[kept] = value
        return wanted

    def _leave_out(self, name: str) -> None:
        if name not in self._unwanted:
            self._unwanted.add(name)
            if not INSTEAD[name]:
                warnings.warn(
                    f"{self._model} does not take {name}: it is asked without, whatever was set",
                    SettingsWarning,
                    stacklevel=2,
                )

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request; return status, body and headers.

        What the SDK raises holds the request with its key, so none of it goes on from here, not even as a cause.
        """
        problem: EmCoopError
        try:
            return 200, await self._receive(body), {}
        except self._sdk.APIStatusError as error:
            return (
                error.status_code,
                error.body if error.body is not None else error.response.text,
                error.response.headers,
            )
        except EmCoopError as error:
            problem = error
        except (TypeError, ValueError) as error:
            problem = RefusedError(f"the request to {self._service} cannot be written: {type(error).__name__}")
        except Exception as error:  # the SDK lets some errors of its HTTP package through
            cause = type(error.__cause__ or error).__name__
            problem = TransientError(
                f"the connection to {self._service} failed ({cause}): check that the service runs at this address"
            )
        raise problem

    async def _receive(self, body: Mapping[str, Any]) -> bytes:
        client = self._client()
        received = bytearray()
        client.busy += 1
        try:
            # All of it as `extra_body`, which is sent as it is: checking each turn against its types costs the SDK
            # as much time as sending it.
            async with client.sdk.chat.completions.with_streaming_response.create(
                model=self._model, messages=[], extra_body=body
            ) as response:
                async for part in response.iter_bytes():
                    received += part
                    if len(received) > LARGEST_BODY:
                        raise TransientError(f"the reply of {self._service} is larger than {LARGEST_BODY} bytes")
        finally:
            client.busy -= 1
        return bytes(received)


class _Client:
    """A client of the SDK, and how many requests it has on their way."""

    def __init__(self, sdk: Any) -> None:
        self.sdk = sdk
        self.busy = 0


def check_base_url(url: object) -> str:
    """Return the address of a service without a slash at its end.

    Raises:
        ConfigError: No http(s) address, or one with a user, password, query or fragment: addresses are written into
            traces, and these are the places where keys hide.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits or not isinstance(url, str) or not url.isprintable() or " " in url:
        raise ConfigError("base_url does not fit: give an address such as http://127.0.0.1:8080/v1")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigError(
            "base_url must hold no user, password, query or fragment, because it is written into traces: give the "
            "address alone, and the key as OPENAI_API_KEY"
        )
    return url.rstrip("/")


def _import_sdk() -> Any:
    try:
        import openai
    except ImportError:
        raise ConfigError('models of openai/... need the package openai: pip install "emcoop[openai]"') from None
    return openai
