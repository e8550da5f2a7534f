"""What may happen to the content of a message on its way: noise garbles it, or it changes places with another's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from emcoop.cognitive_layer.plan import Fact, Message
from emcoop.rng import pick

NOISE = "#"
"""What stands where a character was lost."""

NOISY = 0.25
"""Share of the letters and digits of a text that noise takes."""

BUFFER = 16
"""Contents that wait for another message in the shuffle buffer."""

_DEEPEST = 8
_LARGE = 2**53


def characters(message: Message) -> int:
    """Return the characters it takes to send a message: its text, and the names and values of its facts."""
    return len(message.text) + sum(len(key) + len(str(fact.value)) for key, fact in message.facts.items())


def garbled(message: Message, rng: np.random.Generator) -> Message:
    """Return a message as it arrives through noise; one without any content stays as it is.

    Letters and digits of the text give way to `#`. About half of the facts, at least one, get another value of the
    same type: truth values turn round, numbers are a little off, cells (lists of numbers) move by one, a name gives
    way to another name in the same message or is garbled like a text.
    """
    text = noisy(message.text, rng)
    hit = [rng.random() < 0.5 for _ in message.facts]
    if hit and not any(hit) and text == message.text:
        hit[pick(rng, len(hit))] = True
    names = [fact.value for fact in message.facts.values() if isinstance(fact.value, str)]
    facts = {
        key: Fact(altered(fact.value, names, rng), fact.step) if is_hit else fact
        for (key, fact), is_hit in zip(message.facts.items(), hit)
    }
    return msgspec.structs.replace(message, text=text, facts=facts)


def noisy(text: str, rng: np.random.Generator) -> str:
    """Return a text in which some letters and digits, at least one, are unreadable."""
    readable = [k for k, character in enumerate(text) if character.isalnum()]
    if not readable:
        return text
    taken = {k for k, draw in zip(readable, rng.random(len(readable))) if draw < NOISY}
    taken = taken or {readable[pick(rng, len(readable))]}
    return "".join(NOISE if k in taken else character for k, character in enumerate(text))


def altered(value: Any, names: Sequence[str], rng: np.random.Generator, depth: int = 0) -> Any:
    """Return another value of the same type, or the value itself if there is none.

    Args:
        value: The value.
        names: Texts that a text may give way to; it is garbled if they hold no other.
        rng: The generator of the draws.
        depth: How deep in lists and dicts it is.
    """
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return _beside(value, max(1, abs(value) // 20), rng)
    if isinstance(value, float):
        off = 0.05 * abs(value) or 0.05
        beside = value + (off if rng.random() < 0.5 else -off)
        return beside if math.isfinite(beside) else value
    if isinstance(value, str):
        others = [name for name in names if name != value]
        return others[pick(rng, len(others))] if others else noisy(value, rng)
    if depth == _DEEPEST or not value:
        return value
    if isinstance(value, (list, tuple)):
        at = pick(rng, min(len(value), 2) if _is_place(value) else len(value))
        one = _beside(value[at], 1, rng) if _is_place(value) else altered(value[at], names, rng, depth + 1)
        return [one if k == at else entry for k, entry in enumerate(value)]
    if isinstance(value, Mapping):
        at = list(value)[pick(rng, len(value))]
        return {**value, at: altered(value[at], names, rng, depth + 1)}
    return value


def _is_place(value: Sequence[Any]) -> bool:
    """Say whether a list begins with row and column."""
    return len(value) >= 2 and all(isinstance(number, int) and not isinstance(number, bool) for number in value[:2])


def _beside(number: int, off: int, rng: np.random.Generator) -> int:
    """Return a number that much larger or smaller; one that is not negative does not become so."""
    up = rng.random() < 0.5
    if abs(number) > _LARGE:
        up = number < 0
    elif 0 <= number < off:
        up = True
    return number + off if up else number - off


class ShuffleBuffer:
    """Permutes contents (kind, text, facts) between the messages of an episode, as they come.

    The buffer holds contents of earlier messages. Each message carries one of them, drawn at random, in place of its
    own, and its own goes into the buffer: while that fills up, the one drawn stays too, afterwards it is replaced. So
    every content travels about once, under another sender and to other recipients, and no message is added, left out
    or held back. Only the first message of an episode, for which there is nothing to change with, carries its own.

    Args:
        rng: The generator of the draws, one per message.
        size: Contents it holds at most.
    """

    def __init__(self, rng: np.random.Generator, size: int = BUFFER) -> None:
        self._rng = rng
        self._size = size
        self._held: list[Message] = []

    def swap(self, message: Message) -> Message:
        """Return the message with somebody else's content."""
        if not self._held:
            self._held.append(message)
            return message
        at = pick(self._rng, len(self._held))
        other = self._held[at]
        if len(self._held) < self._size:
            self._held.append(message)
        else:
            self._held[at] = message
        return msgspec.structs.replace(message, kind=other.kind, text=other.text, facts=other.facts)
