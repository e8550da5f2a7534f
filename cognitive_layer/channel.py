"""The channel carries messages: when each copy arrives, or what else becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from emcoop.cognitive_layer.plan import Message
from emcoop.errors import ConfigError, unknown_name


class ChannelSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How messages travel.

    Attributes:
        delay: Extra cognitive rounds a message takes; without it, it arrives in the next round.
        loss: Probability that a copy is dropped.
        control: `mute` delivers nothing, for causal claims; None otherwise.
    """

    delay: int = 0
    loss: float = 0.0
    control: str | None = None


def make_channel_settings(given: Mapping[str, Any] | None) -> ChannelSettings:
    """Build channel settings from plain data.

    Raises:
        ConfigError: No mapping, an unknown key or a value out of range.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"channel={given!r} does not fit: give a mapping such as {{'control': 'mute'}}")
    known = {f.name for f in msgspec.structs.fields(ChannelSettings)}
    for key in given or {}:
        if key not in known:
            raise unknown_name("channel setting", key, known)
    settings = ChannelSettings(**dict(given or {}))
    if settings.control not in (None, "mute"):
        raise ConfigError(f"channel control={settings.control!r} does not exist: choose 'mute' or None")
    if isinstance(settings.delay, bool) or not isinstance(settings.delay, int) or settings.delay < 0:
        raise ConfigError(f"channel delay={settings.delay!r} does not fit: give a whole number of rounds >= 0")
    if isinstance(settings.loss, bool) or not isinstance(settings.loss, (int, float)) or not 0 <= settings.loss <= 1:
        raise ConfigError(f"channel loss={settings.loss!r} does not fit: give a probability from 0 to 1")
    return settings


class Channel:
    """Decides the fate of every copy of every message; all draws come from the episode's own generator.

    Args:
        settings: How messages travel.
        rng: The channel's generator.
    """

    def __init__(self, settings: ChannelSettings, rng: np.random.Generator) -> None:
        self._settings = settings
        self._rng = rng
        self._in_flight: list[tuple[int, Message, list[int]]] = []

    def send(self, message: Message, recipients: Iterable[int], now: int) -> dict[str, list[int]]:
        """Take the copies of a message sent in round `now`.

        Returns:
            Copies that will never arrive: outcome -> recipients.
        """
        wanted = list(recipients)
        if self._settings.control == "mute":
            return {"muted": wanted}
        lost: list[int] = []
        if self._settings.loss:
            kept: list[int] = []
            for recipient in wanted:
                (lost if self._rng.random() < self._settings.loss else kept).append(recipient)
            wanted = kept
        if wanted:
            self._in_flight.append((now + 1 + self._settings.delay, message, wanted))
        return {"dropped": lost} if lost else {}

    def arrivals(self, now: int) -> list[tuple[Message, list[int]]]:
        """Return the messages that arrive at the start of round `now`, oldest first."""
        due = [(message, to) for when, message, to in self._in_flight if when <= now]
        if due:
            self._in_flight = [flight for flight in self._in_flight if flight[0] > now]
        return due

    def is_due(self, now: int) -> bool:
        """Say whether any message arrives by round `now`."""
        return any(when <= now for when, _, _ in self._in_flight)

    def pending(self) -> list[tuple[Message, list[int]]]:
        """Return what is still under way."""
        return [(message, to) for _, message, to in self._in_flight]
