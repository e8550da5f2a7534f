"""What a person is told while a sweep runs and when it ends."""

from __future__ import annotations

import io
import math

import sweep_stand_in as stand_in
from rich.console import Console

from emcoop.baselines.expansion import expand
from emcoop.baselines.progress import Tally, tokens_and_money, watch_on
from emcoop.baselines.results import Result
from emcoop.baselines.summary import summary_table
from emcoop.cognitive_layer.models.meter import Totals


def done(score: float, status: str = "completed") -> Result:
    return Result(status=status, error="" if status == "completed" else "it broke", metrics={"score": score})


def test_the_tally_counts_episodes_whole_cells_and_completed_scores_only():
    units = expand(stand_in.small_suite(team_sizes=[2], planners=["random"]))
    tally = Tally.of(units, {units[0].id: done(0.5)})
    assert (tally.done, tally.begun_with, tally.cells) == (1, 1, "0/1")
    assert math.isnan(tally.seconds_left)
    tally.add(units[1], done(0.9, "infra_error"))
    tally.add(units[1], done(0.1, "agent_error"))
    tally.add(units[2], done(0.7))
    assert (tally.done, tally.cells, tally.trouble) == (3, "1/1", 1)
    assert tally.mean_score == (0.5 + 0.7) / 2
    assert tally.seconds_left == 0


def test_without_a_terminal_there_are_plain_lines_and_every_spoilt_attempt_is_named():
    units = expand(stand_in.small_suite())
    stream = io.StringIO()
    with watch_on(Console(file=stream, width=300), units, {units[0].id: done(0.5)}) as note:
        note(units[1], done(0.0, "infra_error"))
        for unit in units[1:]:
            note(unit, done(1.0))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "resuming: 1 of 12 episodes are done already"
    assert lines[1] == f"spoilt: {units[1].id}: it broke"
    assert lines[2].startswith("2/12 episodes, 0/4 cells, mean score 0.750, ")
    assert lines[-1].startswith("12/12 episodes, 4/4 cells, ")
    assert lines[-1].endswith(f"0 s left, 1 spoilt attempts, last {units[-1].id}")
    assert "\x1b" not in stream.getvalue()


def test_tokens_and_money_are_told_where_models_are_called():
    units = expand(stand_in.small_suite())
    taken = Totals(prompt_tokens=900, completion_tokens=100, usd=0.25)
    stream = io.StringIO()
    with watch_on(Console(file=stream, width=300), units, {}, lambda: tokens_and_money(taken)) as note:
        note(units[0], done(1.0))
    assert ", mean score 1.000, 1000 tokens, 0.2500 USD, " in stream.getvalue()
    assert tokens_and_money(Totals(usd=None)) == "0 tokens, cost unknown"


def test_on_a_terminal_there_is_one_live_line():
    units = expand(stand_in.small_suite())
    stream = io.StringIO()
    with watch_on(Console(file=stream, width=200, force_terminal=True), units, {}) as note:
        for unit in units:
            note(unit, done(0.25))
    assert "12/12 episodes, 4/4 cells, mean score 0.250" in stream.getvalue()
    assert "100%" in stream.getvalue()


def test_the_summary_has_a_line_per_planner_and_topology_and_marks_incomplete_cells():
    rows = [
        {"env": "Cube-v0", "variant": "", "regime": regime, "planner": planner, "topology": "individual"}
        | {"condition": condition, "n_agents": n, "status": status, "score": score}
        for regime, condition, planner, n, status, score in [
            ("matched", "", "team", 2, "completed", 0.2),
            ("open", "", "team", 2, "completed", 0.25),
            ("open", "", "team", 2, "completed", 0.75),
            ("open", "lossy", "team", 2, "completed", 0.125),
            ("open", "", "team", 8, "completed", 1.0),
            ("open", "", "team", 8, "agent_error", math.nan),
            ("open", "", "random", 8, "agent_error", math.nan),
        ]
    ]
    stream = io.StringIO()
    Console(file=stream, width=100).print(summary_table(rows))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in stream.getvalue().splitlines() if "│" in line]
    assert lines == [
        ["Cube-v0", "open", "random", "individual", "", "-!"],
        ["Cube-v0", "open", "team", "individual", "0.500", "1.000!"],
        ["Cube-v0", "open (lossy)", "team", "individual", "0.125", ""],
        ["Cube-v0", "matched", "team", "individual", "0.200", ""],
    ]
