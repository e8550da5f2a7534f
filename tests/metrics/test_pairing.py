"""Which episode is compared with which, and what the table of matched runs then says."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest

from emcoop.metrics.matched import Outcome
from emcoop.metrics.pairing import COLUMNS, Run, matched_rows

LOSS = {"channel": {"loss": 0.5}}
MUTE = {"channel": {"control": "mute"}}
CRASH = {"faults": [{"kind": "crash", "agent": 1, "at": 5}]}


def run(unit: str, topology: str = "centralized", outcome: Outcome | float = 0.5, **more: Any) -> Run:
    known: dict[str, Any] = {
        "env": "Cube-v0", "variant": "", "n_agents": 4, "planner": "team", "regime": "open", "condition": "", "seed": 0,
        "max_steps": 50, "settings": {},
    }  # fmt: skip
    outcome = outcome if isinstance(outcome, Outcome) else Outcome(outcome, 10.0, 0.5)
    return Run(unit=unit, topology=topology, outcome=outcome, **{**known, **more})


def table(*runs: Run) -> dict[str, dict[str, Any]]:
    return {row["unit"]: row for row in matched_rows(runs)}


def test_a_row_per_episode_in_order_with_the_promised_columns() -> None:
    rows = matched_rows([run("b"), run("a", "individual")])
    assert [row["unit"] for row in rows] == ["b", "a"]
    assert all(tuple(row) == COLUMNS for row in rows)
    assert matched_rows([]) == []


def test_overhead_is_taken_against_both_references_and_the_reference_is_named() -> None:
    rows = table(
        run("team", outcome=Outcome(0.477, 26.1)),
        run("silent", "individual", Outcome(0.370, 11.4)),
        run("single", "individual", Outcome(0.466, 7.2), n_agents=1),
    )
    team = rows["team"]
    assert (team["reference_single"], team["reference_individual"]) == ("single", "silent")
    assert team["coordination_overhead_single"] == pytest.approx(262.5)
    assert team["coordination_overhead_individual"] == pytest.approx(100 * (26.1 / 11.4 - 1))
    assert team["coordination_efficiency_single"] == pytest.approx(0.132, abs=0.0005)
    assert rows["single"]["coordination_overhead_single"] == 0.0
    assert rows["single"]["coordination_efficiency_single"] == pytest.approx(0.466)


def test_without_a_reference_nothing_is_said() -> None:
    row = table(run("team"))["team"]
    assert [name for name in COLUMNS if name.startswith("reference_") and row[name]] == []
    metrics = COLUMNS[COLUMNS.index("reference_oracle") + 1 :]
    assert all(math.isnan(row[name]) for name in metrics)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1}, {"env": "Other-v0"}, {"variant": "grid_size=9"}, {"max_steps": 51}, {"planner": "greedy"},
        {"regime": "matched"}, {"settings": LOSS}, {"settings": CRASH}, {"n_agents": 5},
    ],
)  # fmt: skip
def test_episodes_that_differ_in_something_else_are_not_compared(change: dict[str, Any]) -> None:
    row = table(run("team"), run("other", "individual", **change))["team"]
    assert row["reference_individual"] == ""
    assert math.isnan(row["coordination_overhead_individual"])


def test_where_nobody_talks_the_channel_may_be_plain() -> None:
    alone, single = run("alone", "individual"), run("single", "individual", n_agents=1)
    row = table(run("lossy", settings=LOSS), alone, single)["lossy"]
    assert (row["reference_individual"], row["reference_single"]) == ("alone", "single")
    own = run("own", "individual", settings=LOSS)
    assert table(run("lossy", settings=LOSS), alone, own)["lossy"]["reference_individual"] == "own"
    both = table(run("both", settings={**LOSS, **CRASH}), alone, run("crashed", "individual", settings=CRASH))
    assert both["both"]["reference_individual"] == "crashed"


def test_silence_is_the_mute_channel_or_else_the_topology_in_which_nobody_talks() -> None:
    alone, mute = run("alone", "individual", 0.1), run("mute", outcome=0.3, settings=MUTE)
    assert table(run("team"), alone)["team"]["communication_value"] == pytest.approx(0.4)
    rows = table(run("team"), alone, mute, run("lossy", outcome=0.35, settings=LOSS))
    assert rows["team"]["reference_silent"] == rows["lossy"]["reference_silent"] == "mute"
    assert rows["team"]["communication_value"] == pytest.approx(0.2)
    assert rows["lossy"]["communication_value"] == pytest.approx(0.05)
    for unit in ("alone", "mute"):
        assert math.isnan(rows[unit]["communication_value"]), unit
    assert math.isnan(
        table(run("one", n_agents=1), run("alone", "individual", n_agents=1))["one"]["communication_value"]
    )


def test_silence_keeps_everything_else_of_the_condition() -> None:
    watched = {"monitors": ["feasibility"]}
    rows = table(run("watched", settings=watched), run("mute", settings=MUTE))
    assert rows["watched"]["reference_silent"] == ""
    both = {**watched, **MUTE}
    assert table(run("watched", settings=watched), run("m", settings=both))["watched"]["reference_silent"] == "m"


def test_drop_sensitivity_stands_once_with_the_smallest_loss() -> None:
    rates = {0.0: 0.9, 0.2: 0.8, 0.6: 0.6}
    for runs in permutations(run(f"q{q}", outcome=s, settings={"channel": {"loss": q}}) for q, s in rates.items()):
        rows = table(*runs, run("other", outcome=0.0, settings={"channel": {"loss": 0.4, "delay": 1}}))
        assert rows["q0.0"]["drop_sensitivity"] == pytest.approx(0.5)
        assert math.isnan(rows["q0.2"]["drop_sensitivity"])
        assert math.isnan(rows["other"]["drop_sensitivity"])


def test_settings_that_change_nothing_do_not_keep_episodes_apart() -> None:
    same = {"channel": {"loss": 0.0, "delay": 0, "control": None}, "monitors": []}
    rows = table(run("team", settings=same), run("alone", "individual"))
    assert rows["team"]["reference_individual"] == "alone"
    # Radio that reaches no cell is not radio without limit.
    rows = table(run("deaf", settings={"channel": {"range": 0}}), run("random", planner="random", settings=LOSS))
    assert rows["deaf"]["reference_random"] == ""
    rows = table(run("deaf", settings={**CRASH, "channel": {"range": 0}}), run("plain"))
    assert rows["deaf"]["reference_clean"] == ""


def test_faults_are_compared_with_the_same_episode_without_them() -> None:
    rows = table(
        run("team", outcome=0.8), run("crash", outcome=0.6, settings=CRASH), run("both", settings={**CRASH, **LOSS})
    )
    assert rows["crash"]["reference_clean"] == "team"
    assert rows["crash"]["fault_tolerance"] == pytest.approx(0.75)
    assert math.isnan(rows["team"]["fault_tolerance"])
    assert rows["both"]["reference_clean"] == "", "the clean one has no loss"


def test_random_and_oracle_are_taken_where_they_ran() -> None:
    rows = table(
        run("team", outcome=0.5, settings=LOSS, regime="matched"),
        run("random", "individual", 0.1, planner="random"),
        run("oracle-far", "debate", 0.7, planner="oracle", settings=MUTE),
        run("oracle-other-size", "individual", 0.7, planner="oracle", n_agents=8),
        run("oracle", "individual", 0.9, planner="oracle"),
        run("oracle-debate", "debate", 0.8, planner="oracle"),
    )
    team = rows["team"]
    assert (team["reference_random"], team["reference_oracle"]) == ("random", "oracle")
    assert team["paired_score"] == pytest.approx(0.5)
    assert team["regret"] == pytest.approx(1 - 5 / 9)
    assert (rows["oracle"]["paired_score"], rows["random"]["paired_score"]) == (1.0, 0.0)


def test_the_own_condition_regime_and_topology_come_first() -> None:
    mine = run("mine", planner="oracle", settings=LOSS, regime="matched")
    for other in (run("x", planner="oracle"), run("x", planner="oracle", settings=LOSS)):
        rows = table(run("team", settings=LOSS, regime="matched"), other, mine)
        assert rows["team"]["reference_oracle"] == "mine"
