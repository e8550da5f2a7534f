"""Formulas of matched runs: the published unit values, and what they say where they do not apply."""

from __future__ import annotations

import math

import pytest
from talk_traces import talk

from emcoop.metrics import matched
from emcoop.metrics.matched import METRICS, Outcome, containment
from emcoop.trace.schema import Task

SCORES = (0.466, 0.370, 0.477, 0.463, 0.452)
TURNS = (7.2, 11.4, 26.1, 27.7, 44.3)
"""Single, independent, decentralized, centralized, hybrid (arXiv 2512.08296, version 2)."""
ALONE = Outcome(SCORES[0], TURNS[0])


@pytest.mark.parametrize(
    ("score", "turns", "overhead", "efficiency"),
    [*zip(SCORES, TURNS, (0, 58, 263, 285, 515), (0.466, 0.234, 0.132, 0.120, 0.074), strict=True)],
)
def test_overhead_and_efficiency_reproduce_the_published_table(
    score: float, turns: float, overhead: float, efficiency: float
) -> None:
    team = Outcome(score, turns)
    # The paper rounds: 262.5 and 284.7 are printed as 263 and 285, and 0.07346 as 0.074.
    assert matched.coordination_overhead(team, ALONE) == pytest.approx(overhead, abs=0.51)
    assert matched.coordination_efficiency(team, ALONE) == pytest.approx(efficiency, abs=0.0006)


def test_errors_are_compared_as_ratio_share_and_difference() -> None:
    alone, team = Outcome(error=0.4), Outcome(error=0.1)
    assert matched.error_amplification(team, alone) == pytest.approx(0.25)
    assert matched.error_absorption(team, alone) == pytest.approx(0.75)
    assert matched.error_difference(team, alone) == pytest.approx(-0.3)


def test_against_a_reference_without_errors_only_the_difference_is_defined() -> None:
    never, sometimes = Outcome(error=0.0), Outcome(error=0.2)
    assert math.isnan(matched.error_amplification(sometimes, never))
    assert math.isnan(matched.error_absorption(sometimes, never))
    assert matched.error_difference(sometimes, never) == 0.2


def test_shares_of_nothing_do_not_apply() -> None:
    nothing, some = Outcome(0.0, 0.0), Outcome(0.5, 10.0)
    for one in (matched.coordination_overhead, matched.fault_tolerance, matched.regret):
        assert math.isnan(one(some, nothing)), one.name
    assert math.isnan(matched.coordination_efficiency(nothing, some))
    assert math.isnan(matched.paired_score(some, nothing, nothing))


def test_what_is_not_known_of_an_episode_stays_unknown() -> None:
    for one in (*METRICS[:5], matched.communication_value, matched.fault_tolerance, matched.regret):
        assert math.isnan(one(Outcome(), Outcome(0.5, 10.0, 0.5))), one.name
        assert math.isnan(one(Outcome(0.5, 10.0, 0.5), Outcome())), one.name


def test_scores_against_silence_faults_oracle_and_random() -> None:
    half = Outcome(0.5)
    assert matched.communication_value(half, Outcome(0.2)) == pytest.approx(0.3)
    assert matched.fault_tolerance(half, Outcome(0.8)) == pytest.approx(0.625)
    assert matched.regret(half, Outcome(0.8)) == pytest.approx(0.375)
    assert matched.paired_score(half, Outcome(0.1), Outcome(0.9)) == pytest.approx(0.5)


def test_drop_sensitivity_is_the_slope_and_positive_where_loss_costs() -> None:
    line = [(rate, 0.9 - 0.6 * rate) for rate in (0.0, 0.1, 0.5)]
    assert matched.drop_sensitivity(line) == pytest.approx(0.6)
    assert matched.drop_sensitivity([(0.0, 0.7), (0.5, 0.4)]) == pytest.approx(0.6)
    assert matched.drop_sensitivity([(0.0, 0.9), (0.5, math.nan), (1.0, 0.4)]) == pytest.approx(0.5)
    assert math.isnan(matched.drop_sensitivity([(0.2, 0.5)]))
    assert math.isnan(matched.drop_sensitivity([]))


def test_every_metric_says_what_a_reader_has_to_know() -> None:
    columns = [column for one in METRICS for column in one.columns]
    assert len(columns) == len(set(columns))
    for one in METRICS:
        low, high = one.range
        assert low < high, one.name
        assert one.symbol, one.name
        assert one.formula, one.name
        assert one.source, one.name
        assert one.description.endswith(".") or ";" in one.description, one.name
        assert one.details.isascii(), one.name
        assert "NaN" in one.details, one.name


def earned(*credits: tuple[str, float, list[int]], n: int = 4):  # type: ignore[no-untyped-def]
    return talk(
        *(Task(task=task, event="delivered", value=value, agents=agents) for task, value, agents in credits), n=n
    )


def test_containment_counts_agents_that_earn_more_or_less() -> None:
    clean = earned(("a", 2.0, [0, 1]), ("b", 1.0, [2]), ("c", 1.0, [3]))
    assert containment(clean, clean) == 0.0
    later_and_swapped = earned(("c", 1.0, [2]), ("b", 1.0, [3]), ("a", 2.0, [1, 0]))
    assert containment(later_and_swapped, clean) == 0.0
    taken_over = earned(("a", 2.0, [0, 1]), ("b", 1.0, [2]), ("c", 1.0, [2]))
    assert containment(taken_over, clean) == 0.5
    lost = earned(("b", 1.0, [2]), ("c", 1.0, [3]))
    assert containment(lost, clean) == 0.5
    assert containment(earned(n=4), clean) == 1.0
    assert math.isnan(containment(earned(n=3), clean))
