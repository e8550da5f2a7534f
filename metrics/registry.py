"""The registry of metrics: what a metric is, which there are, and scoring one trace with all of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from emcoop.trace import Trace, read_trace
from emcoop.trace.collector import paused_collector

ENTRY_POINTS = "emcoop.metrics"
MODULES = (
    "outcome",
    "collaboration",
    "plans",
    "roles",
    "constraints",
    "assembly",
    "communication",
    "dialogue",
    "lineage",
    "topology",
    "thinking",
    "dynamics",
    "failures.rates",
)
"""Modules of metrics, in catalogue order; one that makes its metrics from data has a list `METRICS`."""

RESERVED = frozenset(
    [
        "unit", "suite", "env", "variant", "n_agents", "topology", "planner", "regime", "condition", "seed", "attempt",
        "status", "error", "trace", "digest",
    ]
)  # fmt: skip
"""Names that no metric can have: the columns of a results table that say which episode a row is about."""

Direction: TypeAlias = Literal["higher", "lower", "neither"]
T = TypeVar("T")


@dataclass(frozen=True)
class Metric:
    """A pure function of a trace and what a reader has to know about it.

    Attributes:
        name: Key in `score_trace`, lower_snake.
        compute: The function; returns NaN where the metric does not apply.
        symbol: How tables and figures call it.
        formula: Formula in plain text.
        range: Smallest and largest possible value.
        direction: Whether a higher or a lower value is better, or neither is.
        source: Where the definition comes from.
    """

    name: str
    compute: Callable[[Trace], float]
    symbol: str
    formula: str
    range: tuple[float, float]
    direction: Direction
    source: str

    def __call__(self, trace: Trace) -> float:
        """Return the value for one trace."""
        return self.compute(trace)

    @property
    def description(self) -> str:
        """First line of the function's docstring."""
        return self.details.partition("\n")[0]

    @property
    def details(self) -> str:
        """The function's docstring without its indentation."""
        lines = (self.compute.__doc__ or "").strip().split("\n")
        return "\n".join(line.strip() for line in lines)


def metric(
    symbol: str, formula: str, range: tuple[float, float], direction: Direction, source: str
) -> Callable[[Callable[[Trace], float]], Metric]:
    """Declare a function of a trace as a metric, named after the function and described by its docstring.

    Args:
        symbol: How tables and figures call it.
        formula: Formula in plain text.
        range: Smallest and largest possible value; `math.inf` for an open end.
        direction: `"higher"`, `"lower"` or `"neither"`: which values are better.
        source: Paper or section the definition comes from.
    """

    def declare(function: Callable[[Trace], float]) -> Metric:
        return Metric(function.__name__, function, symbol, formula, range, direction, source)

    return declare


def per_trace(function: Callable[[Trace], T]) -> Callable[[Trace], T]:
    """Remember what a function computed from a trace for as long as the trace lives."""
    known: WeakKeyDictionary[Trace, tuple[T]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(trace: Trace) -> T:
        found = known.get(trace)
        if found is None:
            found = known[trace] = (function(trace),)
        return found[0]

    return remembered


@cache
def built_in() -> dict[str, Metric]:
    """Return the metrics of this package by name, in catalogue order."""
    modules = (import_module(f"emcoop.metrics.{name}") for name in MODULES)
    found = (
        value
        for module in modules
        for value in (*vars(module).values(), *getattr(module, "METRICS", ()))
        if isinstance(value, Metric)
    )
    return {one.name: one for one in found}


@cache
def all_metrics() -> dict[str, Metric]:
    """Return all metrics by name: the built-in ones, then those of the entry-point group `emcoop.metrics`.

    An entry point names a `Metric`. One that does not load stays in the list and gives NaN; one that takes the name
    of another metric, or of what identifies a row of a results table (`RESERVED`), is left out. All warn.
    """
    metrics = dict(built_in())
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.name, entry.value)):
        one = _load(entry)
        if one.name in metrics or one.name in RESERVED:
            _warn(f"metric {one.name!r} from {entry.value!r} is left out: the name is taken; rename it")
        else:
            metrics[one.name] = one
    return metrics


def list_metrics() -> dict[str, str]:
    """Return every metric's name and one-line description."""
    return {name: one.description for name, one in all_metrics().items()}


class Scores(dict[str, float]):
    """Metric values by name; two are equal if every value is, NaN being equal to NaN."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping) or self.keys() != other.keys():
            return False
        return all(
            value == other[name] or (value != value and other[name] != other[name]) for name, value in self.items()
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None


def score_trace(trace: Trace | str | Path) -> Scores:
    """Score one trace with every metric.

    Args:
        trace: A trace or the path of one, complete or not; what cannot be said from an incomplete one is NaN.

    Returns:
        Metric name -> value, NaN where the metric does not apply. A metric that raises gives NaN and a warning.
    """
    if not isinstance(trace, Trace):
        trace = read_trace(trace)
    with paused_collector():
        return Scores((name, _score(one, trace)) for name, one in all_metrics().items())


def _score(one: Metric, trace: Trace) -> float:
    try:
        return float(one.compute(trace))
    except Exception as error:
        _warn(f"metric {one.name!r} failed and counts as NaN: {type(error).__name__}: {error}")
        return math.nan


def _load(entry: EntryPoint) -> Metric:
    try:
        one = entry.load()
        if not isinstance(one, Metric):
            raise TypeError(f"it is a {type(one).__name__}, not a Metric; declare it with emcoop.metrics.metric")
    except Exception as error:
        _warn(f"metric {entry.name!r} from {entry.value!r} does not load: {type(error).__name__}: {error}")
        return _unusable(entry)
    return one


def _unusable(entry: EntryPoint) -> Metric:
    def compute(trace: Trace) -> float:
        """Not usable: its package did not load."""
        return math.nan

    return Metric(entry.name, compute, entry.name, "none", (math.nan, math.nan), "neither", entry.value)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=3)
