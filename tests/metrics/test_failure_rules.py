"""The failure rules as a set: ids, page, metrics, and that they say the same whoever the agents are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import emcoop
from emcoop.metrics.failures import RULE_SET, find_failures, rules, run_rule
from emcoop.metrics.failures.page import page
from emcoop.metrics.failures.rates import metric_name
from emcoop.trace import Trace

ROOT = Path(__file__).parents[2]
IDS = (
    *(f"C{k}" for k in range(1, 12)), *(f"A{k}" for k in range(1, 8)), *(f"E{k}" for k in range(1, 11)),
    "P1", "P2", "P3", "P4", "P6", *(f"T{k}" for k in range(1, 8)), "T10", "G1", "G2", "G3", "G4", "G5",
)  # fmt: skip
"""Ids are permanent: new rules join, none is renamed."""


def test_the_rules_are_those_of_the_set() -> None:
    assert RULE_SET == "failure-rules-1"
    assert tuple(rules()) == IDS
    for rule in rules().values():
        assert rule.says.endswith(".")
        assert not rule.opportunity.endswith(".")
        assert set(rule.families) <= set("STNP")
        assert rule.dig in ("", "ET", "MC", "OE", "DL", "ER", "CLA", "RSP")
        assert all(mode[0] in "123" and mode[1] == "." for mode in rule.mast)


def test_every_dig_pattern_has_a_rule() -> None:
    assert {rule.dig for rule in rules().values()} == {"", "ET", "MC", "OE", "DL", "ER", "CLA", "RSP"}


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "failures.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(("planner", "topology"), [("random", "individual"), ("team", "decentralized")])
def test_every_rule_has_a_metric_that_is_its_rate(planner: str, topology: str) -> None:
    episode = emcoop.run_episode("Cube-v0", n_agents=4, planner=planner, topology=topology, seed=0, max_steps=80)
    found = find_failures(Trace(list(episode.events)))
    for rule_id, finding in found.items():
        value = episode.metrics[metric_name(rule_id)]
        if not finding.opportunities:
            assert math.isnan(value), rule_id
        else:
            assert value == len(finding.hits) / finding.opportunities, rule_id
        for hit in finding.hits:
            assert 0 <= hit.start <= hit.end <= episode.steps
            assert all(0 <= place < len(episode.events) for place in hit.evidence)
            assert all(0 <= agent < 4 for agent in hit.agents)


def test_an_unknown_rule_names_the_nearest() -> None:
    episode = emcoop.run_episode("Cube-v0", n_agents=2, max_steps=2)
    with pytest.raises(emcoop.errors.UnknownNameError, match=r"unknown failure rule 'E22'.*did you mean 'E2'"):
        run_rule("E22", Trace(list(episode.events)))
