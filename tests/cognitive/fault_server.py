"""A real HTTP server that misbehaves as it is told: one behaviour per request, the last for all that follow."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler", "dict[str, Any]"], None]


class FaultServer(ThreadingHTTPServer):
    """Use it in a `with` statement.

    Attributes:
        requests: Bodies of the requests so far, in order of arrival.
        url: Its address up to `/v1`.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, *script: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.lock = threading.Lock()

    def __enter__(self) -> FaultServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()

    def next_behaviour(self, body: dict[str, Any]) -> Behaviour:
        with self.lock:
            self.requests.append(body)
            return self.script[min(len(self.requests), len(self.script)) - 1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.next_behaviour(body)(self, body)

    def answer(self, status: int, raw: bytes, headers: Mapping[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw) if length is None else length))
        self.end_headers()
        self.wfile.write(raw)

    def hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def completion(content: Any = '{"a": 1}', **more: Any) -> dict[str, Any]:
    """Return the body of a reply; `more` goes into its message."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "fault-1",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, **more}}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def reply(content: Any = '{"a": 1}', **more: Any) -> Behaviour:
    """Answer as a model does."""
    return body(completion(content, **more))


def body(said: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with a body, as JSON unless it is bytes."""
    raw = said if isinstance(said, bytes) else json.dumps(said).encode("ascii")
    return lambda handler, asked: handler.answer(status, raw, headers or {})


def error(status: int, message: str = "no", headers: Mapping[str, str] | None = None, **more: Any) -> Behaviour:
    """Refuse as OpenAI does."""
    return body({"error": {"message": message, **more}}, status, headers)


def hang(handler: Handler, asked: dict[str, Any]) -> None:
    """Say nothing until the server ends."""
    handler.server.over.wait(20)
    handler.close_connection = True


def cut_headers(handler: Handler, asked: dict[str, Any]) -> None:
    """Hang up in the middle of the headers."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    handler.hang_up()


def cut_body(handler: Handler, asked: dict[str, Any]) -> None:
    """Hang up in the middle of the body."""
    raw = json.dumps(completion()).encode()
    handler.answer(200, raw[: len(raw) // 2], {}, len(raw))
    handler.hang_up()


def cut_error(handler: Handler, asked: dict[str, Any]) -> None:
    """Hang up in the middle of the body of an error."""
    handler.answer(500, b'{"error": {"mess', {}, 400)
    handler.hang_up()


def echo_key(status: int) -> Behaviour:
    """Give the key that came with the request back: in an error, or in the reply."""

    def behave(handler: Handler, asked: dict[str, Any]) -> None:
        seen = f"you sent {handler.headers['Authorization']}, and sk-somebodyelses0123456789"
        said = completion(json.dumps({"said": seen})) if status == 200 else {"error": {"message": seen, "code": seen}}
        if status == 200:
            said["model"] = said["choices"][0]["finish_reason"] = seen
        handler.answer(status, json.dumps(said).encode(), {"X-Echo": "yes"})

    return behave
