"""A real HTTP server that speaks OpenAI's protocol and answers by rule; it can hang, refuse, fail and tell secrets."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer(ThreadingHTTPServer):
    """Use it in a `with` statement; change its attributes while it runs.

    Attributes:
        url: Its address up to `/v1`.
        requests: How many came.
        moody: Whether the same question gets another answer each time.
        slow: Most seconds an answer takes; how many depends on the question.
        hang_after: Requests after which it says nothing more until `freed`.
        refuse: Status to refuse with, 0 for none; `refusals` is how often, -1 for ever.
        tell: Whether it repeats the key it was sent, in what it says and in what it is called.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.requests = 0
        self.moody = False
        self.slow = 0.0
        self.hang_after = 10**9
        self.refuse = 0
        self.refusals = -1
        self.tell = False
        self.hanging = threading.Event()
        self.freed = threading.Event()
        self.lock = threading.Lock()

    def __enter__(self) -> ChatServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.freed.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are part of the play."""

    def answer(self, asked: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.requests += 1
            count = self.requests
            refused = self.refuse if self.refusals else 0
            self.refusals -= self.refusals > 0 and bool(refused)
        if count > self.hang_after:
            self.hanging.set()
            self.freed.wait(60)
        told = f" {key}" if self.tell else ""
        if refused:
            return refused, {"error": {"message": f"not today{told}", "code": None}}
        mark = json.dumps(asked["messages"]) + (str(count) if self.moody else "")
        number = int(hashlib.sha256(mark.encode()).hexdigest()[:8], 16)
        time.sleep(self.slow * (number % 7) / 7)
        options = asked["response_format"]["json_schema"]["schema"]["properties"]["choice"]["enum"]
        said = json.dumps({"choice": options[number % len(options)]}) + told
        tokens = sum(len(turn["content"].split()) for turn in asked["messages"])
        return 200, {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": f"rule-1{told}",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}],
            "usage": {"prompt_tokens": tokens, "completion_tokens": 5, "total_tokens": tokens + 5},
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, said = self.server.answer(asked, self.headers["Authorization"])
        raw = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
