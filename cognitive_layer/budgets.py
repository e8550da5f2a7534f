"""Budgets: everything that limits thinking is counted, nothing is timed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from emcoop.errors import ConfigError, unknown_name


class Budgets(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits per agent; None = no limit.

    Attributes:
        rounds_per_step: Cognitive rounds before each environment step; default: the topology's rounds + 4.
        decisions_per_step: Decisions of an agent before one environment step.
        decisions_total: Decisions of an agent in an episode.
        tokens_total: Tokens (prompt and reply) of an agent's models in an episode; the decision that goes beyond it is
            the last.
        messages_per_step: Messages an agent sends before one environment step.
        message_chars_per_step: Characters (text and facts) an agent sends before one environment step.
    """

    rounds_per_step: int | None = None
    decisions_per_step: int | None = None
    decisions_total: int | None = None
    tokens_total: int | None = None
    messages_per_step: int | None = None
    message_chars_per_step: int | None = None


def make_budgets(given: Mapping[str, Any] | None) -> Budgets:
    """Build budgets from plain data.

    Raises:
        ConfigError: No mapping, an unknown key, or a value that is no whole number >= 1.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"budgets={given!r} does not fit: give a mapping such as {{'decisions_per_step': 4}}")
    known = {f.name for f in msgspec.structs.fields(Budgets)}
    for key, value in (given or {}).items():
        if key not in known:
            raise unknown_name("budget", key, known)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigError(f"budget {key}={value!r} does not fit: give a whole number >= 1 or None")
    return Budgets(**dict(given or {}))
