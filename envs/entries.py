"""Reading the lists callers give in `options`: checked entry by entry, with errors that name the entry."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import cast

import numpy as np

from emcoop.errors import ConfigError

LARGEST = 2**31
"""Numbers of this size are refused before they are compared or printed."""


def items(value: object) -> list[object] | None:
    """Return what a list, tuple or array holds, None for anything else (sets and mappings have no order)."""
    is_list = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    return list(cast("Sequence[object]", value)) if is_list else None


def entries(name: str, value: object, form: str) -> list[object]:
    """Return the entries of a list.

    Args:
        name: What the list is called in `options`.
        value: What was given.
        form: What an entry looks like, for the error.

    Raises:
        ConfigError: Not a list.
    """
    found = items(value)
    if found is None:
        raise ConfigError(f"{name} is of type {type(value).__name__}: give a list of {form}")
    return found


def whole_numbers(name: str, entry: object, form: str) -> tuple[int, ...]:
    """Return the whole numbers of one entry, as many as `form` has.

    Raises:
        ConfigError: Another number of them, a huge one, or something else than whole numbers.
    """
    values = items(entry) or []
    whole = [int(value) for value in values if isinstance(value, (int, np.integer)) and not isinstance(value, bool)]
    if any(abs(number) >= LARGEST for number in whole):
        raise ConfigError(f"{name} holds a number of {LARGEST} or more: give cells of the board as {form}")
    if len(whole) != len(values) or len(whole) != form.count(",") + 1:
        raise ConfigError(f"{name} is {reprlib.repr(entry)}: give whole numbers {form}")
    return tuple(whole)
