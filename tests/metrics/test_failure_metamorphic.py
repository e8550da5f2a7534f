"""What must not change what the rules say: names, checkpoints, and how long a stationary episode goes on."""

from __future__ import annotations

from functools import cache

import pytest
from failure_traces import check_prefixes
from talk_traces import check_names

import emcoop
from emcoop.metrics.failures import Rule, rules, thresholds_for
from emcoop.metrics.statistics import wilson
from emcoop.trace import Trace
from emcoop.trace.schema import Fault

HURT = [
    {"kind": "drop_message", "steps": -1, "chance": 0.1},
    {"kind": "delay_message", "steps": -1, "chance": 0.1, "delay": 8},
    {"kind": "swap_recipients", "steps": -1, "chance": 0.1},
    {"kind": "corrupt_fact", "steps": -1, "chance": 0.1},
    {"kind": "freeze", "agent": 1, "at": 20, "steps": 15},
    {"kind": "saboteur", "agent": 2, "at": 50, "steps": 20},
]
"""Faults of most kinds, so that most rules have something to find."""


@cache
def hurt(env: str, topology: str) -> Trace:
    result = emcoop.run_episode(
        env, n_agents=4, planner="team", topology=topology, seed=3, max_steps=90, faults=HURT
    )  # fmt: skip
    return Trace(list(result.events))


@pytest.mark.parametrize(("env", "topology"), [("Cube-v0", "decentralized"), ("MACrafter-v0", "centralized")])
@pytest.mark.parametrize("rule", rules().values(), ids=rules())
def test_names_and_checkpoints_change_nothing_in_an_episode_full_of_faults(rule: Rule, env: str, topology: str) -> None:
    trace = hurt(env, topology)
    assert trace.of(Fault)
    check_names(rule, trace, thresholds_for(trace))
    check_prefixes(rule, trace, thresholds_for(trace), every=13)


def test_a_log_that_is_cut_and_put_together_again_says_the_same() -> None:
    events = hurt("MACrafter-v0", "centralized").events
    whole = Trace(list(events))
    for place in (len(events) // 3, len(events) // 2):
        first = Trace(events[:place])
        again = Trace([*first.events, *events[place:]])
        for rule in rules().values():
            thresholds = thresholds_for(first)
            rule.find(first, thresholds)
            assert rule.find(again, thresholds) == rule.find(whole, thresholds), rule.id


@cache
def random_rates(env: str, steps: int) -> dict[str, tuple[int, int]]:
    """Hits and opportunities of a team that acts at random, which never learns and never finishes."""
    counts = dict.fromkeys(rules(), (0, 0))
    for seed in range(4):
        result = emcoop.run_episode(env, n_agents=3, planner="random", seed=seed, max_steps=steps)
        trace = Trace(list(result.events))
        for rule_id, rule in rules().items():
            found = rule.find(trace, thresholds_for(trace))
            before = counts[rule_id]
            counts[rule_id] = before[0] + len(found.hits), before[1] + (found.opportunities or 0)
    return counts


@pytest.mark.parametrize(("env", "enough"), [("Cube-v0", 8), ("MACrafter-v0", 6)])
def test_doubling_a_stationary_episode_keeps_the_rates(env: str, enough: int) -> None:
    short, long = random_rates(env, 120), random_rates(env, 240)
    compared = 0
    for rule_id in rules():
        if short[rule_id][1] >= 30:
            compared += 1
            one, two = wilson(*short[rule_id]), wilson(*long[rule_id])
            assert one.low <= two.high, rule_id
            assert two.low <= one.high, rule_id
            assert long[rule_id][1] > 1.4 * short[rule_id][1], rule_id
    assert compared >= enough
