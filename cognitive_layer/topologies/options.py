"""Options of topologies, checked: one sentence says what does not fit."""

from __future__ import annotations

from emcoop.errors import ConfigError


def whole(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return a whole number within bounds.

    Raises:
        ConfigError: It is none, or out of bounds.
    """
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= low
    if not isinstance(value, int) or not fits or (high is not None and value > high):
        allowed = f">= {low}" if high is None else f"from {low} to {high}"
        raise ConfigError(f"topology option {name}={value!r} does not fit: give a whole number {allowed}")
    return value


def probability(name: str, value: object) -> float:
    """Return a number from 0 to 1.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"topology option {name}={value!r} does not fit: give a probability from 0 to 1")
    return float(value)


def yes_or_no(name: str, value: object) -> bool:
    """Return a truth value.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"topology option {name}={value!r} does not fit: give true or false")
    return value


def member(name: str, value: object, n_agents: int) -> int:
    """Return the index of an agent.

    Raises:
        ConfigError: There is no such agent.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < n_agents:
        raise ConfigError(f"{name}={value!r} does not fit: give an agent index from 0 to {n_agents - 1}")
    return value
