"""Rates of failure rules as metrics: `failures_e2` and so on, one per rule, made from the rules themselves."""

from __future__ import annotations

import math
from collections.abc import Callable

from emcoop.metrics.failures import RULE_SET, find_failures, rules
from emcoop.metrics.failures.rule import Rule
from emcoop.metrics.quantities import ratio
from emcoop.metrics.registry import Metric
from emcoop.trace import Trace

SECTION = "emcoop.metrics.failures"
"""Where the catalogue lists them."""
SEVERITY = {"F": "Failure", "W": "Warning"}


def metric_name(rule_id: str) -> str:
    """Return the name of a rule's metric."""
    return f"failures_{rule_id.lower()}"


def rate_metrics() -> list[Metric]:
    """Return one metric per rule, in catalogue order."""
    return [_metric(rule) for rule in rules().values()]


def _metric(rule: Rule) -> Metric:
    formula = f"hits of {rule.id} / opportunities"
    return Metric(metric_name(rule.id), _rate(rule), f"f_{rule.id}", formula, (0.0, math.inf), "lower", RULE_SET)


def _rate(rule: Rule) -> Callable[[Trace], float]:
    def rate(trace: Trace) -> float:
        found = find_failures(trace)[rule.id]
        return math.nan if found.opportunities is None else ratio(len(found.hits), found.opportunities)

    relations = [
        f"DIG {rule.dig}" if rule.dig else "",
        f"MAST {', '.join(rule.mast)} ({rule.fidelity})" if rule.mast else "",
        f"constraint family {', '.join(rule.families)}" if rule.families else "",
    ]
    related = "; ".join(part for part in relations if part)
    rate.__doc__ = (
        f"Rate of {rule.name} ({rule.id}).\n\n{SEVERITY[rule.severity]}: {rule.says} An opportunity is "
        f"{rule.opportunity}. NaN where the rule does not apply, and without an opportunity."
        + (f"\n{related[0].upper()}{related[1:]}." if related else "")
    )
    rate.__module__ = SECTION
    return rate


METRICS = rate_metrics()
