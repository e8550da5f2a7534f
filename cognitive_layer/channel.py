"""The channel carries messages: when each copy arrives, and in what state, or what else becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from emcoop.cognitive_layer.plan import Message
from emcoop.cognitive_layer.tampering import ShuffleBuffer, characters, garbled
from emcoop.errors import ConfigError, unknown_name
from emcoop.rng import generator

CONTROLS = (None, "mute", "shuffle")

Stream = Callable[[str], np.random.Generator]
"""Returns the generator of a label, always from its start."""

Cells = Callable[[], Sequence[Sequence[int]]]
"""Returns the `[row, col]` of every agent now."""


class ChannelSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How messages travel.

    Attributes:
        delay: Extra cognitive rounds a message takes; without it, it arrives in the next round.
        delay_steps: Environment steps it takes.
        loss: Probability that a copy is dropped.
        range: Cells a message carries, diagonals counting one; None = any distance.
        bandwidth: Characters an agent can send per environment step; None = any number.
        corruption: Probability that a copy is garbled.
        duplicate: Probability that a copy arrives a second time, a round later.
        control: For causal claims: `mute` delivers nothing, `shuffle` permutes contents between messages; None
            otherwise.
    """

    delay: int = 0
    delay_steps: int = 0
    loss: float = 0.0
    range: int | None = None
    bandwidth: int | None = None
    corruption: float = 0.0
    duplicate: float = 0.0
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
    if settings.control not in CONTROLS:
        raise ConfigError(
            f"channel control={settings.control!r} does not exist: choose 'mute' (nothing arrives), 'shuffle' "
            "(contents change places) or None"
        )
    for name, low, unit in (("delay", 0, "rounds"), ("delay_steps", 0, "steps")):
        _check_count(name, getattr(settings, name), low, unit)
    for name, low, unit in (("range", 0, "cells"), ("bandwidth", 1, "characters per step")):
        if getattr(settings, name) is not None:
            _check_count(name, getattr(settings, name), low, unit)
    for name in ("loss", "corruption", "duplicate"):
        _check_probability(name, getattr(settings, name))
    return settings


def _check_count(name: str, value: object, low: int, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigError(f"channel {name}={value!r} does not fit: give a whole number of {unit} >= {low}")


def _check_probability(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"channel {name}={value!r} does not fit: give a probability from 0 to 1")


def channel_streams(seed: int) -> Stream:
    """Return the channel's generators in an episode: one per effect, so that none changes what another draws."""
    return lambda label: generator(seed, "channel") if label == "loss" else generator(seed, "channel", label)


class Moment(NamedTuple):
    """A point on both clocks: environment steps taken, cognitive rounds begun."""

    step: int
    round: int


class Flight(NamedTuple):
    """Copies of a message under way.

    Attributes:
        due: The earliest moment, on either clock, at which they arrive.
        message: What the recipients will read.
        recipients: Whose copies.
    """

    due: Moment
    message: Message
    recipients: list[int]


class Harm(msgspec.Struct, frozen=True):
    """What an injected fault does to a message on its way.

    Attributes:
        message: What its recipients will read.
        lost: Whether all copies are lost.
        late: Environment steps by which they are late.
        twice: Whether they arrive a second time, a round later.
    """

    message: Message
    lost: bool = False
    late: int = 0
    twice: bool = False


Meddle = Callable[[Message, Sequence[int]], Harm]
"""Given a message and those whose copies would arrive, returns what is done to it."""


class Channel:
    """Decides the fate of every copy of every message.

    Every draw is made for every copy that is sent, whatever else becomes of it: so an effect that is switched on
    leaves the draws of the others as they are.

    Args:
        settings: How messages travel.
        stream: Gives the generator of each effect.
    """

    def __init__(self, settings: ChannelSettings, stream: Stream) -> None:
        self._settings = settings
        self._stream = stream
        self._rngs = {effect: stream(effect) for effect in ("loss", "corruption", "duplicate")}
        self._buffer = ShuffleBuffer(stream("shuffle")) if settings.control == "shuffle" else None
        self._lines: dict[int, Moment] = {}
        self._cells: tuple[int, Any] = (-1, None)
        self._flights: list[Flight] = []

    @property
    def is_mute(self) -> bool:
        """Say whether nothing ever arrives."""
        return self._settings.control == "mute"

    def send(
        self, message: Message, recipients: Iterable[int], now: Moment, cells: Cells, meddle: Meddle | None = None
    ) -> dict[str, list[int]]:
        """Take the copies of a message sent now.

        Args:
            message: The message.
            recipients: Whose copies.
            now: When it is sent.
            cells: Where agents are.
            meddle: Says what an injected fault does to copies that would arrive.

        Returns:
            Outcome -> recipients, for copies that will never arrive (`muted`, `out_of_range`, `dropped`) and for what
            happens to others on their way (`delayed`, `corrupted`, `duplicated`).
        """
        wanted = list(recipients)
        if self.is_mute:
            return {"muted": wanted}
        if not wanted:
            return {}
        sent = self._transmitted(message, now.step)
        if self._buffer is not None:
            message = self._buffer.swap(message)
        far = self._out_of_range(message.sender, wanted, now.step, cells)
        lost = self._drawn("loss", self._settings.loss, wanted) - far
        noisy = self._drawn("corruption", self._settings.corruption, wanted) - far - lost
        twice = self._drawn("duplicate", self._settings.duplicate, wanted) - far - lost
        travelling = [recipient for recipient in wanted if recipient not in far and recipient not in lost]
        harm = meddle(message, travelling) if meddle is not None and travelling else Harm(message)
        if harm.lost:
            lost, noisy, twice, travelling = lost.union(travelling), set(), set(), []
        elif harm.twice:
            twice = set(travelling)
        sent += harm.late
        due = Moment(sent + self._settings.delay_steps, now.round + 1 + self._settings.delay)
        spoilt = self._launch(harm.message, travelling, noisy, twice, due)
        notes = {
            "out_of_range": far,
            "dropped": lost,
            "delayed": set(travelling) if sent > now.step else set(),
            "corrupted": spoilt,
            "duplicated": twice,
        }
        return {outcome: [r for r in wanted if r in which] for outcome, which in notes.items() if which}

    def _drawn(self, effect: str, probability: float, copies: Sequence[int]) -> set[int]:
        """Return the copies that an effect hits, each by a draw of its own."""
        if not probability:
            return set()
        draws = self._rngs[effect].random(len(copies)).tolist()
        return {recipient for recipient, draw in zip(copies, draws) if draw < probability}

    def _out_of_range(self, sender: int, recipients: Sequence[int], step: int, cells: Cells) -> set[int]:
        if self._settings.range is None:
            return set()
        if self._cells[0] != step:
            self._cells = step, np.array(cells(), int)
        where = self._cells[1]
        distances = np.abs(where[recipients] - where[sender]).max(axis=1).tolist()
        return {r for r, distance in zip(recipients, distances) if distance > self._settings.range}

    def _transmitted(self, message: Message, step: int) -> int:
        """Return the step in which the last character of a message leaves its sender, who sends one after the other."""
        bandwidth = self._settings.bandwidth
        if bandwidth is None:
            return step
        at, used = self._lines.get(message.sender, (step, 0))
        if at < step:
            at, used = step, 0
        used += characters(message)
        later = max(0, -(-used // bandwidth) - 1)
        self._lines[message.sender] = Moment(at + later, used - later * bandwidth)
        return at + later

    def _launch(
        self, message: Message, travelling: Sequence[int], noisy: set[int], twice: set[int], due: Moment
    ) -> set[int]:
        """Put copies on their way; return those whose content the noise has changed."""
        spoilt = {}
        for recipient in travelling:
            if recipient in noisy:
                copy = garbled(message, self._stream(f"noise/{message.id}/{recipient}"))
                if copy != message:
                    spoilt[recipient] = copy
        echo = Moment(due.step, due.round + 1)
        for when, which in ((due, travelling), (echo, [r for r in travelling if r in twice])):
            clear = [recipient for recipient in which if recipient not in spoilt]
            if clear:
                self._flights.append(Flight(when, message, clear))
            self._flights += [Flight(when, spoilt[r], [r]) for r in which if r in spoilt]
        return set(spoilt)

    def arrivals(self, now: Moment) -> list[Flight]:
        """Return the copies that arrive now, oldest first."""
        due = [flight for flight in self._flights if _has_come(flight.due, now)]
        if due:
            self._flights = [flight for flight in self._flights if not _has_come(flight.due, now)]
        return due

    def is_due(self, now: Moment) -> bool:
        """Say whether any copy arrives by then."""
        return any(_has_come(flight.due, now) for flight in self._flights)

    def awaits_rounds(self, step: int) -> bool:
        """Say whether any copy needs nothing but further rounds in order to arrive in this step."""
        return any(flight.due.step <= step for flight in self._flights)

    def pending(self) -> list[Flight]:
        """Return what is still under way."""
        return list(self._flights)


def _has_come(due: Moment, now: Moment) -> bool:
    return due.step <= now.step and due.round <= now.round
