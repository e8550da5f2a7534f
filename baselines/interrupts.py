"""How a program is asked to stop, and when it had better not be: SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ASKED_TO_END = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""What clusters, closed terminals and shutdowns send."""
ALL = [signal.SIGINT, *ASKED_TO_END]
GRACE = 3.0
"""Seconds that a worker goes on after it was asked to end: its parent, asked too, decides in that time."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what runs inside as Ctrl-C does, where nobody has decided otherwise.

    Only the main thread can say so; in another one nothing is changed.
    """
    if not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ASKED_TO_END}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let what asks to stop wait until this has been done; a process started inside is born deaf to it.

    It hears again after `leave_to_parent`.
    """
    came: list[int] = []
    handlers: dict[int, Any] = {}
    if _in_main_thread():  # a mask alone would not do: another thread may take the signal
        handlers = {number: handler for number in ALL if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda number, frame: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ALL) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came[:1]:
            signal.raise_signal(number)


def leave_to_parent() -> None:
    """Let a worker leave Ctrl-C to its parent, and end on its own a little after it was asked to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ASKED_TO_END:
        signal.signal(number, _end_soon)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end_soon(number: int, frame: object) -> None:
    timer = threading.Timer(GRACE, os._exit, [1])
    timer.daemon = True
    timer.start()
