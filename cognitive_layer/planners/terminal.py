"""The terminal of this process: one person's question after the other, while everybody else goes on thinking."""

from __future__ import annotations

import asyncio
import os
import queue
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

LOOK_UP_SECONDS = 0.1
"""How often who waits for a line looks up whether anybody still waits for the answer."""

T = TypeVar("T")
_Question = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class GivenUp(Exception):
    """Nobody waits for the answer any more: the episode was broken off."""


class Terminal:
    """Asks in the order of arrival, on one thread of its own.

    What is asked goes to the standard error stream, so that the standard output holds results only.

    Attributes:
        left: Why nobody is there any more, empty while somebody is. Who left stays away until the next episode begins.
    """

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[_Question] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._answer: asyncio.Future[Any] | None = None
        self._console: Any = None
        self.left = ""

    async def converse(self, dialogue: Callable[[], T]) -> T:
        """Hold a dialogue, which may block, when all dialogues before it are over; return what it returns."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        if self._thread is None:
            # A daemon: who presses Ctrl-C shall not have to press Enter too.
            self._thread = threading.Thread(target=self._work, name="emcoop-terminal", daemon=True)
            self._thread.start()
        self._questions.put((dialogue, loop, answer))
        return await answer

    def _work(self) -> None:
        while True:
            dialogue, loop, answer = self._questions.get()
            if answer.cancelled() or loop.is_closed():
                continue
            self._answer = answer
            result: Any = None
            failure: Exception | None = None
            try:
                result = dialogue()
            except Exception as error:
                failure = error
            try:
                loop.call_soon_threadsafe(_settle, answer, result, failure)
            except RuntimeError:
                continue  # the episode was broken off meanwhile

    def show(self, text: str, style: str = "", end: str = "\n") -> None:
        """Print text, coloured only where the terminal shows colours."""
        if self._console is None or self._console.file is not sys.stderr:
            from rich.console import Console

            self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._console.print(text, style=style or None, end=end, markup=False, emoji=False)

    def read(self) -> str | None:
        """Return the next line without its end, None if there are no more.

        Raises:
            GivenUp: Nobody waits for it any more.
        """
        try:
            source = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            return None  # no terminal at all, as in a notebook
        line = bytearray()
        # Not through sys.stdin: its lock, held while waiting, would break the end of the process.
        while (piece := self._read_byte(source)) not in (b"", b"\n"):
            line += piece
        if not piece and not line:
            return None
        return line.decode("utf-8", "replace").rstrip("\r")

    def _read_byte(self, source: int) -> bytes:
        if sys.platform != "win32":  # there one can only wait
            while not select.select([source], [], [], LOOK_UP_SECONDS)[0]:
                if self._answer is None or self._answer.done():
                    raise GivenUp
        return os.read(source, 1)


def _settle(answer: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if answer.done():
        return
    if failure is None:
        answer.set_result(result)
    else:
        answer.set_exception(failure)


TERMINAL = Terminal()
"""There is one per process, whoever asks."""
