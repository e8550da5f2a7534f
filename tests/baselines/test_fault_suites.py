"""Faults as conditions of a suite: what they add to its units, what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import emcoop
from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import expand
from emcoop.baselines.preflight import check_conditions, check_teams
from emcoop.baselines.schema import Condition, Suite
from emcoop.baselines.suite import canonical_bytes, suite_from_data, suite_hash
from emcoop.baselines.sweep import run_sweep
from emcoop.cli import main
from emcoop.errors import ConfigError, UnknownNameError
from emcoop.trace import read_trace, schema

CRASH = {"kind": "crash", "agent": 1, "at": 4}
DROPS = {"kind": "drop_message", "steps": -1, "chance": 0.5}


def build(**changes: Any) -> Suite:
    data = {
        "name": "faulty",
        "environments": [{"id": "Cube-v0"}],
        "team_sizes": [3],
        "topologies": ["centralized"],
        "planners": ["team"],
        "regimes": {"open": {}},
        "conditions": {"clean": {}, "crash": {"faults": [CRASH]}, "noisy": {"faults": [CRASH, DROPS]}},
        "seeds": [1],
        "max_steps": 12,
    }
    return suite_from_data({**data, **changes}, "the test")


def test_faults_are_what_the_episodes_of_a_condition_are_run_with() -> None:
    settings = {unit.condition: unit.settings for unit in expand(build())}
    assert settings == {"clean": {}, "crash": {"faults": [CRASH]}, "noisy": {"faults": [CRASH, DROPS]}}
    assert len({unit.id for unit in expand(build())}) == 3


def test_suites_without_faults_keep_their_hashes_and_units() -> None:
    lossy = {"lossy": {"channel": {"loss": 0.2}}}
    plain, spelt_out = build(conditions=lossy), build(conditions={"lossy": {**lossy["lossy"], "faults": []}})
    assert suite_hash(plain) == suite_hash(spelt_out)
    assert b"faults" not in canonical_bytes(plain)
    assert [unit.id for unit in expand(plain)] == [unit.id for unit in expand(spelt_out)]
    # Folders begun before there were faults must stay resumable.
    assert expand(plain)[0].id == "Cube-v0_n0003_centralized_team_open_lossy_s001_df035e09"
    assert Condition(faults=[]) == Condition()


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ([{"kind": "crsh", "agent": 1}], "did you mean 'crash'"),
        ([{"kind": "crash"}], "names nobody"),
        ([{"kind": "freeze", "agent": 0, "at": "soon"}], "at='soon'"),
    ],
)
def test_a_fault_that_does_not_fit_is_refused_with_its_condition(faults: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ConfigError, match=r"condition 'broken' of suite 'faulty'.*" + says):
        check_conditions(build(conditions={"broken": {"faults": faults}}))


def test_a_fault_that_hits_nobody_is_refused_with_its_cell() -> None:
    check_teams(expand(build()))
    with pytest.raises(ConfigError, match=r"condition 'crash' with 1 agents.*agents 0 to 0.*`exclude`"):
        check_teams(expand(build(team_sizes=[3, 1], conditions={"crash": {"faults": [CRASH]}})))
    leaderless = build(conditions={"headless": {"faults": [{"kind": "remove_leader"}]}}, topologies=["individual"])
    with pytest.raises(ConfigError, match=r"topology individual.*nobody leads"):
        check_teams(expand(leaderless))


def test_a_key_of_a_condition_that_is_not_there_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'faults'"):
        build(conditions={"crash": {"fault": [CRASH]}})


def test_a_sweep_runs_its_faults_and_the_same_seed_differs_by_nothing_before_them(tmp_path: Path) -> None:
    run_sweep(build(), tmp_path, ThreadBackend(1, lambda: None))
    found = {}
    for path in sorted((tmp_path / "traces").glob("*.jsonl.gz")):
        trace = read_trace(path)
        found[path.name.split("_open_")[1].split("_")[0]] = trace
        emcoop.replay(trace)
    assert [fault.fault for fault in found["crash"].of(schema.Fault)] == ["crash"]
    assert found["clean"].episode.faults == []
    before = [[step.state_hash for step in trace.of(schema.Step)[:5]] for trace in (found["clean"], found["crash"])]
    assert before[0] == before[1]


def test_the_command_line_takes_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.jsonl.gz"
    call = ["run", "Cube-v0", "--agents", "3", "--max-steps", "8", "--topology", "centralized", "--trace", str(path)]
    assert main([*call, "--fault", "freeze,agent=1,at=2,steps=3", "--fault", "remove_leader"]) == 0
    assert read_trace(path).episode.faults == [
        {"kind": "freeze", "agent": 1, "at": 2, "steps": 3},
        {"kind": "remove_leader", "at": 0, "steps": -1},
    ]
    for wrong, says in (
        ("frieze,agent=1", "did you mean 'freeze'"),
        ("agent=1", "the kind comes first"),
        ("crash,agent", "give NAME=VALUE"),
        ("crash,kind=freeze", "gives its kind twice"),
        ("", "the kind comes first"),
    ):
        capsys.readouterr()
        assert main([*call, "--fault", wrong]) == 2
        assert says in capsys.readouterr().err
