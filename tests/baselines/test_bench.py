"""The benchmark: that it runs, that its ratios are what they say, and that its targets are the design's. No times."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import emcoop
from emcoop.baselines.bench import BenchSettings, run_bench
from emcoop.baselines.bench.bench import SCHEMA
from emcoop.baselines.bench.crafter_worlds import run_while_all_live
from emcoop.baselines.bench.floors import nested_floor, tight_floor, usual_floor
from emcoop.baselines.bench.measuring import Case, measure, repeated
from emcoop.baselines.bench.peers import peer_cases
from emcoop.baselines.bench.stack import TEAM
from emcoop.baselines.bench.still_world import Stillness, StillWorld
from emcoop.baselines.bench.table import figures_table, short, targets_tables
from emcoop.baselines.bench.targets import MEASURED, SCALED, Target, all_targets, judge, ratio
from emcoop.cli import main
from emcoop.envs.embodiment import Embodiment, View

TINY = BenchSettings(
    rounds=2, seconds=1e-4, sizes=(2, 16), crafter_sizes=(1, 64), n_envs=2, episodes=1, steps=4, scored_steps=3
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One tiny run, written and read again."""
    path = tmp_path_factory.mktemp("bench") / "made" / "bench.json"
    bench = run_bench(TINY)
    bench.write(path)
    for table in (figures_table(bench), *targets_tables(bench)):
        assert table.row_count > 10
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_the_record_has_the_documented_parts(plain: dict[str, Any]) -> None:
    assert plain["schema"] == SCHEMA == "emcoop.bench/1"
    assert set(plain) == {"schema", "machine", "settings", "figures", "targets", "peers", "recorded"}
    assert plain["settings"] == {
        "rounds": 2, "seconds": 1e-4, "sizes": [2, 16], "crafter_sizes": [1, 64], "n_envs": 2, "episodes": 1,
        "steps": 4, "scored_steps": 3, "against": [],
    }  # fmt: skip
    assert plain["peers"] == {}
    assert plain["machine"]["emcoop"] == emcoop.__version__
    for figure in plain["figures"].values():
        assert set(figure) == {"unit", "median", "low", "high", "samples"}
        assert 0 < figure["low"] <= figure["median"] <= figure["high"] < math.inf
        assert len(figure["samples"]) == 2
    fields = {"name", "unit", "value", "low", "high", "at_least", "at_most", "met", "basis"}
    assert all(set(target) == fields for target in plain["targets"])
    assert len({target["name"] for target in plain["targets"]}) == len(plain["targets"])


def test_every_case_is_measured_for_every_size_asked_for(plain: dict[str, Any]) -> None:
    by_size = ("floor", "floor_tight", "floor_9x9", "dicts", "arrays", "state", "reset")
    expected = {f"{case}/{n}" for case in by_size for n in (2, 16)}
    expected |= {"batch/cpu", "batch/wall_1", "batch/wall_2", "frame/64", "frame/512"}
    expected |= {f"stack/{t}{what}" for t in ("centralized", "individual") for what in ("", "_no_text", "_no_trace")}
    expected |= {"stack/individual_text_every_step"}
    expected |= {"layer/execute", "layer/decide", "layer/walk", "layer/world"}
    of_crafter = {f"{case}/{n}" for case in ("floor", "peaceful", "survival") for n in (1, 64)} | {"peaceful_auto/64"}
    of_crafter |= {"batch", "batch_no_reset", "reset", "view_64", "map_512"}
    of_crafter |= {f"stack/{t}{what}" for t in ("centralized", "individual") for what in ("", "_no_text")}
    expected |= {f"ma_crafter/{case}" for case in of_crafter}
    expected |= {"models/round/256", "models/decide/256", "metrics/3x64", "trace/read/3x64"}
    assert set(plain["figures"]) == expected


def test_what_was_not_run_is_never_passed(plain: dict[str, Any]) -> None:
    targets = {target["name"]: target for target in plain["targets"]}
    for name in ("dicts / floor, 1024 agents", "dicts / pogema, 256 agents", "compressed trace of 200 steps"):
        assert (targets[name]["value"], targets[name]["met"]) == (None, None)
    assert targets["dicts / floor, 16 agents"]["basis"] == MEASURED
    assert targets["dicts / pogema, 16 agents"]["basis"] == SCALED


def test_ratios_are_taken_round_by_round() -> None:
    target = Target("a / b", "x", ("a", "b"), ratio, at_least=2.0)
    verdict = judge(target, {"a": [2.0, 40.0, 9.0], "b": [1.0, 10.0, 3.0]})
    assert (verdict.value, verdict.low, verdict.high, verdict.met) == (3.0, 2.0, 4.0, True)
    assert judge(target, {"a": [1.0, 30.0, 3.0], "b": [1.0, 10.0, 3.0]}).met is False
    assert (judge(target, {"a": [1.0]}).value, judge(target, {"a": [1.0]}).met) == (None, None)


SYNTHETIC: dict[str, list[float]] = {
    **{f"floor/{n}": [2e6] for n in (2, 16, 256, 1024)},
    **{f"floor_tight/{n}": [4e6] for n in (2, 16, 256, 1024)},
    "floor_9x9/2": [1.42e6], "floor_9x9/16": [4.4e6], "floor_9x9/256": [6.4e6], "floor_9x9/1024": [5.4e6],
    "dicts/2": [1e6], "dicts/16": [1.2e6], "dicts/256": [1e6], "dicts/1024": [0.6e6],
    "arrays/16": [2.4e6], "arrays/256": [3e6], "arrays/1024": [3e6],
    "batch/cpu": [8e6], "batch/wall_1": [8e6], "batch/wall_2": [12e6],
    "frame/64": [28e3], "frame/512": [4.22e3],
    "stack/centralized": [2500.0], "stack/individual": [1999.0],
    "stack/centralized_no_text": [3000.0], "stack/individual_no_text": [3000.0],
    "stack/centralized_no_trace": [4000.0], "stack/individual_no_trace": [3000.0],
    "stack/individual_text_every_step": [1000.0],
    "layer/execute": [5000.0], "layer/decide": [625.0], "layer/walk": [2000.0], "layer/world": [10000.0],
    "trace/bytes": [2e6],
    "ma_crafter/floor/16": [2e6], "ma_crafter/floor/256": [2e6],
    "ma_crafter/peaceful/1": [205e3], "ma_crafter/peaceful/16": [1e6], "ma_crafter/peaceful/256": [0.4e6],
    "ma_crafter/peaceful/1024": [0.5e6],
    "ma_crafter/peaceful_auto/256": [2e6], "ma_crafter/peaceful_auto/1024": [0.8e6],
    "ma_crafter/survival/1": [82e3], "ma_crafter/survival/16": [0.5e6], "ma_crafter/survival/256": [0.2e6],
    "ma_crafter/batch": [1.1e6], "ma_crafter/batch_no_reset": [2.2e6], "ma_crafter/reset": [4000 / 11],
    "ma_crafter/view_64": [28e3], "ma_crafter/map_512": [2.11e3],
    "ma_crafter/stack/centralized": [2000.0], "ma_crafter/stack/individual": [1000.0],
    "models/round/256": [1.6], "models/decide/256": [2500.0],
    "metrics/1000x64": [0.8], "trace/read/1000x64": [2.0],
    "peer/crafter/world": [5e3], "peer/crafter/reset": [50.0],
    "peer/crafter/frame_64": [1e3], "peer/crafter/frame_512": [1e3],
}  # fmt: skip
"""On a machine with twice the recorded 9 x 9 floor."""

EXPECTED: dict[str, tuple[float, bool | None]] = {
    "dicts / floor, 2 agents": (0.5, True),
    "dicts / floor, 16 agents": (0.6, True),
    "dicts / floor, 256 agents": (0.5, False),
    "dicts / tight floor, 2 agents": (0.25, None),
    "greatest cost per agent-step, 16 to 1024 agents / at 16": (2.0, False),
    "arrays / dicts, 16 agents": (2.0, True),
    "arrays / dicts, 256 agents": (3.0, False),
    "arrays / dicts, 1024 agents": (5.0, True),
    "batch, one thread": (8e6, True),
    "batch, two threads / one (wall time)": (1.5, False),
    "256 agents that ask a model, a round / the 500 ms the model takes": (1.25, False),
    "256 agents that ask a model, framework per decision": (400.0, None),
    "1,000 steps of 64 agents who talk: all metrics": (1.25, True),
    "1,000 steps of 64 agents who talk: reading the trace": (0.5, None),
    "whole board as 64 px picture / crafter's 64 px frame": (10.0, True),
    "whole board as 512 px picture / crafter's 512 px frame": (10.0, True),
    "centralized, text, trace": (2500.0, True),
    "individual, text, trace": (1999.0, False),
    "individual, all texts every step, trace": (1000.0, None),
    "share of step time that is trace, centralized": (0.25, None),
    "share of step time that is trace, individual": (0.0, None),
    "layer alone, decision": (87.5, True),
    "layer alone, agent and primitive step": (12.5, True),
    "layer and controllers, agent and primitive step": (25.0, False),
    "CUBE alone with all the layer asks of it, agent and step": (6.25, None),
    "compressed trace of 200 steps": (2e6, False),
    "dicts / published CUBE, 16 agents": (1.2e6 / 11.8e3, False),
    "dicts / published CUBE, its information off, 256 agents": (1e6 / 706e3, None),
    "dicts / magent2 battle, 16 agents": (5.0, True),
    "dicts / pogema, 1024 agents": (0.6e6 / 0.34e6, False),
    "batch / jaxmarl spread": (5.0, False),
    "MA-Crafter, peaceful / floor, 16 agents": (0.5, True),
    "MA-Crafter, peaceful / floor, 256 agents": (0.2, False),
    "MA-Crafter, survival / floor, 16 agents": (0.25, True),
    "MA-Crafter, survival / floor, 256 agents": (0.1, False),
    "MA-Crafter, greatest cost per agent-step, 16 to 1024 agents / at 16": (2.5, False),
    "MA-Crafter on maps that grow with the team, greatest cost per agent-step, 16 to 1024 agents / at 16": (1.25, True),
    "MA-Crafter, centralized, text, trace": (2000.0, True),
    "MA-Crafter, individual, text, trace": (1000.0, False),
    "MA-Crafter, peaceful, 1 agent / Crafter's bare world": (25.0, True),
    "MA-Crafter, survival, 1 agent / Crafter's bare world": (10.0, False),
    "MA-Crafter reset / Crafter's": (10.0, True),
    "MA-Crafter 64 px view / Crafter's 64 px frame": (10.0, True),
    "MA-Crafter 512 px map / Crafter's 512 px frame": (5.0, False),
    "MA-Crafter batch, survival / Craftax Classic": (50.0, True),
    "MA-Crafter batch, survival / Craftax Classic, our resets left out": (100.0, None),
    "MA-Crafter, peaceful, 1 agent / Crafter's bare world, side by side": (41.0, True),
    "MA-Crafter, survival, 1 agent / Crafter's bare world, side by side": (16.4, False),
    "MA-Crafter reset / Crafter's, side by side": (80 / 11, True),
    "MA-Crafter 64 px view / Crafter's 64 px frame, side by side": (28.0, True),
    "MA-Crafter 512 px map / Crafter's 512 px frame, side by side": (2.11, False),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_figures_of_a_synthetic_run(name: str) -> None:
    verdict = judge({target.name: target for target in all_targets(16, ["crafter"])}[name], SYNTHETIC)
    assert (verdict.value, verdict.met) == (pytest.approx(EXPECTED[name][0]), EXPECTED[name][1])


BESIDE_CRAFTER: dict[str, tuple[float | None, float | None]] = {
    "MA-Crafter, peaceful, 1 agent / Crafter's bare world": (25.0, None),
    "MA-Crafter, survival, 1 agent / Crafter's bare world": (25.0, None),
    "MA-Crafter reset / Crafter's": (5.0, None),
    "MA-Crafter 64 px view / Crafter's 64 px frame": (10.0, None),
    "MA-Crafter 512 px map / Crafter's 512 px frame": (10.0, None),
}
DESIGN: dict[str, tuple[float | None, float | None]] = {
    "dicts / floor, 2 agents": (0.5, None),
    "dicts / floor, 16 agents": (0.6, None),
    "dicts / floor, 256 agents": (0.6, None),
    "dicts / floor, 1024 agents": (0.6, None),
    "greatest cost per agent-step, 16 to 1024 agents / at 16": (None, 1.5),
    "arrays / dicts, 16 agents": (2.0, None),
    "arrays / dicts, 256 agents": (4.0, None),
    "arrays / dicts, 1024 agents": (4.0, None),
    "batch, one thread": (8e6, None),
    "batch, two threads / one (wall time)": (1.7, None),
    "256 agents that ask a model, a round / the 500 ms the model takes": (None, 1.2),
    "1,000 steps of 64 agents who talk: all metrics": (None, 2.0),
    "whole board as 64 px picture / crafter's 64 px frame": (10.0, None),
    "whole board as 512 px picture / crafter's 512 px frame": (10.0, None),
    "centralized, text, trace": (2000.0, None),
    "individual, text, trace": (2000.0, None),
    "layer alone, decision": (None, 100.0),
    "layer alone, agent and primitive step": (None, 15.0),
    "layer and controllers, agent and primitive step": (None, 15.0),
    "compressed trace of 200 steps": (None, 1e6),
    "dicts / published CUBE, 16 agents": (150.0, None),
    "dicts / published CUBE, 256 agents": (300.0, None),
    "dicts / magent2 battle, 16 agents": (3.0, None),
    "dicts / magent2 battle, 256 agents": (3.0, None),
    "dicts / pogema, 2 agents": (8.0, None),
    "dicts / pogema, 16 agents": (8.0, None),
    "dicts / pogema, 256 agents": (8.0, None),
    "dicts / pogema, 1024 agents": (8.0, None),
    "batch / jaxmarl spread": (8.0, None),
    "MA-Crafter, peaceful / floor, 16 agents": (0.35, None),
    "MA-Crafter, peaceful / floor, 256 agents": (0.35, None),
    "MA-Crafter, survival / floor, 16 agents": (0.2, None),
    "MA-Crafter, survival / floor, 256 agents": (0.2, None),
    "MA-Crafter, greatest cost per agent-step, 16 to 1024 agents / at 16": (None, 1.5),
    "MA-Crafter on maps that grow with the team, greatest cost per agent-step, 16 to 1024 agents / at 16": (None, 1.5),
    "MA-Crafter, centralized, text, trace": (2000.0, None),
    "MA-Crafter, individual, text, trace": (2000.0, None),
    **BESIDE_CRAFTER,
    "MA-Crafter batch, survival / Craftax Classic": (50.0, None),
}


def test_targets_are_those_of_the_design() -> None:
    aims = {target.name: (target.at_least, target.at_most) for target in all_targets(TEAM)}
    assert {name: aim for name, aim in aims.items() if aim != (None, None)} == DESIGN


def test_a_peer_asked_for_brings_the_same_targets_side_by_side() -> None:
    always = {target.name for target in all_targets(TEAM)}
    asked = [target for target in all_targets(TEAM, ["crafter"]) if target.name not in always]
    aims = {target.name.removesuffix(", side by side"): (target.at_least, target.at_most) for target in asked}
    assert aims == BESIDE_CRAFTER
    assert {target.basis for target in asked} == {MEASURED}


class FakeCrafter(ModuleType):
    """Stands for the package `crafter`: an environment whose episodes last three steps."""

    def __init__(self) -> None:
        super().__init__("crafter")
        self.made: list[Any] = []
        self.Env = self._make

    def _make(self, seed: int) -> Any:
        env = SimpleNamespace(action_names=["noop", "do"], render=lambda size: size, steps=0, resets=0, pictures=0)

        def picture() -> None:
            env.pictures += 1

        def reset() -> None:
            env.steps, env.resets = 0, env.resets + 1

        def step(action: int) -> tuple[Any, float, bool, dict[str, Any]]:
            assert env.steps < 3, "an episode that is over is reset"
            env.steps += 1
            env._obs()
            return None, 0.0, env.steps == 3, {"semantic": env._sem_view()}

        env.reset, env.step, env._obs, env._sem_view = reset, step, picture, picture
        self.made.append(env)
        return env


def test_crafter_is_run_with_and_without_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCrafter()
    monkeypatch.setitem(sys.modules, "crafter", fake)
    cases, reasons = peer_cases(["crafter"])
    assert reasons == {}
    assert [case.name for case in cases] == [
        f"peer/crafter/{what}" for what in ("step", "world", "reset", "frame_64", "frame_512")
    ]
    full, bare = fake.made[:2]
    for case in cases[:2]:
        done, spent = case.sample(0.0)
        assert (done, spent >= 0) == (3, True), "the clock stops at the end of an episode"
    assert full.pictures > 0
    assert bare.pictures == 0


def test_a_peer_that_is_not_installed_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crafter", None)
    assert peer_cases(["crafter"]) == ([], {"crafter": "crafter is not installed"})
    beside = [target for target in all_targets(TEAM, ["crafter"]) if target.name.endswith("side by side")]
    samples = {name: rates for name, rates in SYNTHETIC.items() if not name.startswith("peer/")}
    assert [(judge(target, samples).value, judge(target, samples).met) for target in beside] == [(None, None)] * 5


def test_a_peer_that_fails_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crafter", ModuleType("crafter"))
    cases, reasons = peer_cases(["crafter"])
    assert cases == []
    assert "AttributeError" in reasons["crafter"]


def test_an_unknown_peer_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--against", "craftr"]) == 2
    error = capsys.readouterr().err
    assert "'craftr'" in error
    assert "crafter" in error


def test_no_peer_is_imported_unless_asked_for() -> None:
    code = "import sys, emcoop.baselines.bench.peers, emcoop.baselines.bench; assert 'crafter' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_agents_still_in_the_episode_count_as_work() -> None:
    class Shrinking:
        """Three agents, one of which leaves in the second step."""

        def __init__(self) -> None:
            self.agents, self.steps = ["a", "b", "c"], 0

        def step(self, joint: dict[str, int]) -> None:
            assert list(joint) == self.agents
            self.steps += 1
            self.agents = ["a", "b", "c"] if self.steps < 2 else ["a", "b"]

    env = Shrinking()
    assert run_while_all_live(env, [dict.fromkeys("abc", 0)] * 4)[0] == 2
    assert run_while_all_live(env, [dict.fromkeys("ab", 0)] * 4)[0] == 4


def test_the_floor_of_nested_observations_is_a_step_of_ma_crafter() -> None:
    env = emcoop.parallel_env("MACrafter-v0", n_agents=3)
    env.reset(seed=0)
    names = env.possible_agents
    real = env.step(dict.fromkeys(names, 0))
    parts = env.observation_space(names[0]).spaces
    step = nested_floor(names, parts["view"].shape, parts["self"].shape)
    bare, again = step(), step()
    assert [list(part) for part in bare] == [list(part) for part in real]
    for name in names:
        assert env.observation_space(name).contains(bare[0][name])
        assert list(bare[0][name]) == list(real[0][name])
        for key in ("view", "self"):
            assert bare[0][name][key].dtype == real[0][name][key].dtype
            assert not np.shares_memory(bare[0][name][key], again[0][name][key])
            assert bare[0][name][key].base is bare[0][names[0]][key].base, "one block"


@pytest.mark.parametrize("floor", [usual_floor, tight_floor])
def test_the_floor_returns_what_a_parallel_environment_returns(floor: Callable[..., Callable[[], Any]]) -> None:
    env = emcoop.parallel_env("Cube-v0", n_agents=3)
    env.reset(seed=0)
    names = env.possible_agents
    real = env.step(dict.fromkeys(names, 0))
    step = floor(names, env.observation_space(names[0]).shape)
    bare, again = step(), step()
    assert [list(part) for part in bare] == [list(part) for part in real]
    for name in names:
        assert bare[0][name].shape == real[0][name].shape
        assert bare[0][name].dtype == real[0][name].dtype
        assert not np.shares_memory(bare[0][name], again[0][name])
        assert bare[4][name] is not again[4][name]
    assert bare[0][names[0]].base is bare[0][names[1]].base, "one block"


def test_cases_take_turns_and_every_other_round_goes_backwards() -> None:
    order: list[str] = []
    seen: list[tuple[int, int]] = []

    def case(name: str, done: float) -> Case:
        def sample(seconds: float) -> tuple[float, float]:
            order.append(name)
            return done, 2.0

        return Case(name, "things/s", sample)

    rates = measure([case("a", 6.0), case("b", 10.0)], 2, 1.0, lambda done, total, name: seen.append((done, total)))
    assert order == ["a", "b", "a", "b", "b", "a"]
    assert rates == {"a": [3.0, 3.0], "b": [5.0, 5.0]}
    assert seen == [(i, 6) for i in range(6)]


def test_a_sample_counts_the_work_done_until_time_is_up() -> None:
    now = 0.0

    def call() -> None:
        nonlocal now
        now += 3.0

    sample = repeated(call, 10.0, lambda: now)
    assert sample(7.0) == (30.0, 9.0)
    assert sample(0.0) == (10.0, 3.0), "at least once"


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.4567, "0.457"), (2345.6, "2346"), (52767.0, "52.8k"), (1234567.0, "1.23M")]
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert short(value) == text


def test_a_folder_is_refused_before_anything_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_rounds_are_at_least_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rounds", "0"]) == 2
    assert "--rounds" in capsys.readouterr().err


def test_the_world_in_which_nothing_happens_keeps_the_contract() -> None:
    world = StillWorld(2, 3)
    assert isinstance(world, Embodiment)
    assert world.primitive(np.int64(1)) == 1
    world.reveal(0)
    world.learn([0, 1], {"anything": {"value": 1, "step": 0}})
    view: View = Stillness(0, 0, 2)
    assert (list(view.tasks()), view.task("any"), view.about("any"), view.news(3)) == ([], None, {}, {})
