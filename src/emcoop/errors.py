"""Every error this package raises on purpose: one sentence with what was got, what is allowed, the next move."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EmCoopError(Exception):
    """Base of all errors raised by EmCoop; catch it to catch them all."""


class ConfigError(EmCoopError, ValueError):
    """A setting, argument or file does not fit; the sentence names the value and what is allowed."""


class UnknownNameError(ConfigError):
    """A name that no registry holds; the sentence names the nearest match."""


class ActionError(EmCoopError, ValueError):
    """A joint action that cannot be executed: wrong type, wrong range, missing or unknown agent."""


class SettingsWarning(UserWarning):
    """Settings that are allowed and work, but hardly do what was meant; the sentence says why."""


class PlannerError(EmCoopError):
    """A planner broke its contract (raised, returned something else than a `Decision`, suspended unasked)."""


class InfrastructureError(EmCoopError):
    """A service a planner depends on failed; the episode is not scored and may be run again."""


class TraceError(EmCoopError, ValueError):
    """A trace that cannot be read: not a trace, damaged, too large, or from an unknown schema."""


class ReplayMismatch(EmCoopError):
    """A replayed step that differs from the recorded one, mostly in its state hash.

    Attributes:
        step: Environment step at which the first difference shows (0 = right after reset).
        expected: What the trace has.
        got: What the re-executed episode has.
        what: What differs.
    """

    def __init__(self, step: int, expected: str, got: str, what: str = "state hash") -> None:
        super().__init__(
            f"replay differs at step {step}: the trace has {what} {expected}, re-execution gives {got}; "
            "the trace was altered or comes from another version of the environment"
        )
        self.step = step
        self.expected = expected
        self.got = got
        self.what = what


def unknown_name(kind: str, got: object, allowed: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that is not registered, with the nearest match first."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(got), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UnknownNameError(f"unknown {kind} {got!r}: known are {', '.join(names) or 'none'}{hint}")
