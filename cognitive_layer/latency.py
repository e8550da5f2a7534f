"""How long thinking takes, simulated and counted: in cognitive rounds, or in environment steps; never in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from emcoop.cognitive_layer.plan import Decision
from emcoop.errors import ConfigError
from emcoop.rng import generator, pick

MOST_ROUNDS = 1000


class Latency(Protocol):
    """What a decision costs in time."""

    def rounds(self, decision: Decision) -> int:
        """Return the cognitive rounds a decision takes, at least 1."""

    def steps(self, decision: Decision) -> int:
        """Return the environment steps its agent stands still for it."""


def tokens_of(decision: Decision) -> int:
    """Return the tokens of the model calls behind a decision, prompt and reply."""
    return sum(call.prompt_tokens + call.completion_tokens for call in decision.calls)


def written_by(decision: Decision) -> int:
    """Return the tokens the models wrote for a decision: those are what thinking takes time for."""
    return sum(call.completion_tokens for call in decision.calls)


class Thinking:
    """Simulated thinking time.

    Args:
        low, high: Rounds a decision takes, drawn from `rng` if they differ.
        tokens_per_round: Tokens a model writes in one round; 0 = as many as it likes.
        tokens_per_step: Tokens a model writes in one environment step; 0 = as many as it likes.
        rng: The generator of the draws.
    """

    def __init__(
        self, low: int, high: int, tokens_per_round: int, tokens_per_step: int, rng: np.random.Generator
    ) -> None:
        self._low, self._high = low, high
        self._per_round, self._per_step = tokens_per_round, tokens_per_step
        self._rng = rng

    def rounds(self, decision: Decision) -> int:
        """Return a draw, or what the tokens come to."""
        if self._per_round:
            return max(1, min(-(-written_by(decision) // self._per_round), MOST_ROUNDS))
        return self._low if self._low == self._high else self._low + pick(self._rng, self._high - self._low + 1)

    def steps(self, decision: Decision) -> int:
        """Return the steps the tokens come to, rounded down: a short thought costs none."""
        return written_by(decision) // self._per_step if self._per_step else 0


def make_thinking(
    thinking_rounds: int | Sequence[int] | Mapping[str, int], thinking_steps: Mapping[str, int] | None, seed: int
) -> tuple[Thinking, dict[str, Any]]:
    """Build the simulated thinking time of an episode from plain data.

    Args:
        thinking_rounds: Rounds a decision takes: a number, `[low, high]` for a seeded draw, or
            `{"tokens_per_round": N}`.
        thinking_steps: `{"tokens_per_step": N}`, or None if thinking costs no environment steps.
        seed: Episode seed.

    Returns:
        The thinking time and what of it is recorded with the episode.

    Raises:
        ConfigError: A value does not fit.
    """
    per_round = 0
    given: Any = thinking_rounds
    if isinstance(given, Mapping):
        per_round, given = _tokens("thinking_rounds", given, "tokens_per_round"), 1
    pair = isinstance(given, Sequence) and not isinstance(given, str)
    bounds = list(given) if pair else [given, given]
    fits = len(bounds) == 2 and all(type(b) is int and 1 <= b <= MOST_ROUNDS for b in bounds)
    if not fits or bounds[0] > bounds[1]:
        raise ConfigError(
            f"thinking_rounds={thinking_rounds!r} does not fit: give a number >= 1, [low, high], or "
            "{'tokens_per_round': N}"
        )
    per_step = 0 if thinking_steps is None else _tokens("thinking_steps", thinking_steps, "tokens_per_step")
    record = {
        "rounds": bounds if pair else bounds[0],
        "tokens_per_round": per_round,
        "tokens_per_step": per_step,
    }
    usual = {"rounds": 1, "tokens_per_round": 0, "tokens_per_step": 0}
    thinking = Thinking(bounds[0], bounds[1], per_round, per_step, generator(seed, "latency"))
    return thinking, {key: value for key, value in record.items() if value != usual[key]}


def _tokens(what: str, given: object, key: str) -> int:
    value = given.get(key) if isinstance(given, Mapping) and set(given) == {key} else None
    if type(value) is not int or value < 1:
        raise ConfigError(f"{what}={given!r} does not fit: give {{{key!r}: N}} with a whole number of tokens N >= 1")
    return value
