"""The catalogue page of the built-in metrics: `python -m emcoop.metrics.catalogue > docs/metrics.md`."""

from __future__ import annotations

import math
from itertools import groupby

from emcoop.metrics.matched import METRICS as MATCHED
from emcoop.metrics.matched import Comparison
from emcoop.metrics.registry import Metric, built_in

HEAD = """\
# Metrics

Every metric is a pure function of a trace, defined for any environment that states its tasks, constraints and
progress. A value that does not apply is NaN, never 0 or 1. This page is generated from the code by
`python -m emcoop.metrics.catalogue`.

Metrics of matched runs, at the end, take two episodes; a sweep writes them to `matched.csv`.

A package adds metrics through the entry-point group `emcoop.metrics`; an entry point names a function declared with
`emcoop.metrics.metric`. Once the package is installed they stand in `emcoop list`, in every `score_trace` and in the
results tables of sweeps; one that fails is NaN and warns, the others stand.
"""
BETTER = {"higher": "higher is better", "lower": "lower is better", "neither": "neither is better"}


def catalogue() -> str:
    """Return the page as Markdown: an overview table, then every metric with formula and details."""
    metrics: list[Metric | Comparison] = [*built_in().values(), *MATCHED]
    groups = [(module, list(members)) for module, members in groupby(metrics, _module)]
    rows = "\n".join(f"| [`{m.name}`](#{m.name}) | {m.symbol} | {m.description} |" for m in metrics)
    sections = "\n".join(_section(title, members) for title, members in groups)
    return f"{HEAD}\n| name | symbol | what it says |\n|---|---|---|\n{rows}\n\n{sections}"


def _module(one: Metric | Comparison) -> str:
    return one.compute.__module__.rpartition(".")[2].capitalize()


def _section(title: str, members: list[Metric | Comparison]) -> str:
    return f"## {title}\n\n" + "\n".join(map(_entry, members))


def _entry(one: Metric | Comparison) -> str:
    low, high = (_bound(value) for value in one.range)
    return (
        f"### {one.name}\n\n{one.details}\n\n"
        f"- Formula: `{one.symbol} = {one.formula}`\n"
        f"- Range: {'(' if low == '-inf' else '['}{low}, {high}{')' if high == 'inf' else ']'}, "
        f"{BETTER[one.direction]}\n"
        f"- Source: {one.source}\n"
    )


def _bound(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else str(value)


if __name__ == "__main__":
    print(catalogue(), end="")
