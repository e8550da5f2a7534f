"""Failure modes: rules that find them in a trace, with evidence and opportunities; no model as judge."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from emcoop.errors import unknown_name
from emcoop.metrics.failures.rule import RULE_SET, Finding, Hit, Rule
from emcoop.metrics.failures.thresholds import Thresholds, thresholds_for
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace

MODULES = ("communication", "allocation", "embodied", "plans", "progress", "propagation")
"""Modules of rules, in catalogue order; each has a tuple `RULES`."""

__all__ = ["RULE_SET", "Finding", "Hit", "Rule", "Thresholds", "find_failures", "rules", "run_rule"]


@cache
def rules() -> dict[str, Rule]:
    """Return every rule by its id, in catalogue order."""
    found: dict[str, Rule] = {}
    for name in MODULES:
        for rule in import_module(f"{__name__}.{name}").RULES:
            if rule.id in found:
                raise ValueError(f"two failure rules are called {rule.id}")
            found[rule.id] = rule
    return found


def run_rule(rule_id: str, trace: Trace, thresholds: Thresholds | None = None) -> Finding:
    """Return what one rule finds in a trace.

    Args:
        rule_id: Such as `E2`.
        trace: The trace.
        thresholds: Other thresholds than those of the environment.

    Raises:
        UnknownNameError: There is no such rule.
    """
    if rule_id not in rules():
        raise unknown_name("failure rule", rule_id, rules())
    return rules()[rule_id].find(trace, thresholds or thresholds_for(trace))


@per_trace
def find_failures(trace: Trace) -> dict[str, Finding]:
    """Return what every rule finds in a trace, with the thresholds of its environment."""
    return {rule_id: run_rule(rule_id, trace) for rule_id in rules()}
