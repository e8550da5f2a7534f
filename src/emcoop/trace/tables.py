"""Turn the events of one kind into a pandas table."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, get_args, get_origin

import msgspec
import pandas as pd

from emcoop.errors import TraceError, unknown_name
from emcoop.trace.checks import COLUMNS
from emcoop.trace.schema import KINDS, Event

_DTYPES: dict[Any, str] = {int: "int64", float: "float64", bool: "bool", str: "str"}


def table_of(events: Iterable[Event], kind: str) -> pd.DataFrame:
    """Return the events of one kind as a table, columnar kinds with one row per entry.

    Args:
        events: Events of any kind, in order.
        kind: Name of the wanted kind.

    Raises:
        UnknownNameError: There is no such kind.
        TraceError: A number does not fit a 64-bit column.
    """
    if kind not in KINDS:
        raise unknown_name("kind of event", kind, KINDS)
    cls = KINDS[kind]
    chosen = [event for event in events if type(event) is cls]
    spread = COLUMNS.get(cls, ())
    counts = [len(getattr(event, spread[0])) for event in chosen] if spread else []
    columns: dict[str, Any] = {}
    for field in sorted(msgspec.structs.fields(cls), key=lambda f: f.name not in ("seq", "t", "c")):
        values = [getattr(event, field.name) for event in chosen]
        annotation = field.type
        if field.name in spread:
            values = list(chain.from_iterable(values))
            annotation = get_args(annotation)[0] if get_origin(annotation) is list else annotation
        elif spread:
            values = [value for value, count in zip(values, counts, strict=True) for _ in range(count)]
        columns[field.name] = _column(values, annotation, f"{kind}.{field.name}")
    return pd.DataFrame(columns)


def _column(values: list[Any], annotation: Any, name: str) -> pd.Series[Any]:
    try:
        return pd.Series(values, dtype=_DTYPES.get(annotation, "object"))
    except OverflowError:
        raise TraceError(f"column {name} holds a number beyond 64 bits; the trace is damaged") from None
