"""Every registered environment keeps the promises of Gymnasium, PettingZoo and this package."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys

import gymnasium
import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import render_test

import emcoop
from emcoop.errors import ActionError, ConfigError, EmCoopError
from emcoop.registration import environment_specs, register_all
from emcoop.testing import check_environment, play

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

IDS = sorted(emcoop.list_environments())


@pytest.mark.parametrize("n", [1, 2, 16])
@pytest.mark.parametrize("env_id", IDS)
def test_every_environment_passes_the_conformance_suite(env_id: str, n: int) -> None:
    assert check_environment(env_id, (n,))


@pytest.mark.parametrize("n", [257])
def test_a_large_team_passes_too(n: int) -> None:
    assert check_environment("Cube-v0", (n,))


def test_global_observations_pass_too() -> None:
    from emcoop import testing

    for check in (testing._check_pettingzoo, testing._check_observations, testing._check_determinism):
        check("Cube-v0", {"n_agents": 3, "observation": "global"})


@pytest.mark.parametrize("env_id", IDS)
def test_rendering_passes_pettingzoos_render_test(env_id: str) -> None:
    render_test(lambda render_mode: pettingzoo.make("aec", f"emcoop/{env_id}", n_agents=3, render_mode=render_mode))


@pytest.mark.parametrize("name", [name for spec in environment_specs().values() for name in (spec.id, spec.seat_id)])
def test_gymnasium_can_vectorise_both_views(name: str) -> None:
    vec = gymnasium.make_vec(f"emcoop/{name}", num_envs=3, vectorization_mode="sync", n_agents=3, max_steps=5)
    vec.reset(seed=1)
    for _ in range(8):
        _, rewards, *_ = vec.step(vec.action_space.sample())
        assert rewards.shape == (3,)
    vec.close()


def test_registering_twice_is_harmless() -> None:
    before = len(gymnasium.registry), len(pettingzoo.parallel_registry)
    register_all()
    assert (len(gymnasium.registry), len(pettingzoo.parallel_registry)) == before


def test_max_steps_overrides_the_length_everywhere() -> None:
    assert emcoop.parallel_env("Cube-v0", n_agents=2, max_steps=7).settings.max_steps == 7
    assert pettingzoo.make("parallel", "emcoop/Cube-v0", max_cycles=7).settings.max_steps == 7
    env = gymnasium.make("emcoop/Cube-v0", n_agents=2, max_steps=2)
    env.reset(seed=0)
    stay = dict.fromkeys(env.unwrapped.env.possible_agents, 0)
    assert env.step(stay)[2:4] == (False, False)
    assert env.step(stay)[2:4] == (False, True)


def test_the_team_view_pays_the_mean_and_lists_every_agent() -> None:
    env = gymnasium.make("emcoop:emcoop/Cube-v0", n_agents=2, max_steps=1).unwrapped
    options = {"agents": [(3, 16), (0, 0)], "blocks": [(3, 17, 1), (3, 18, 1)]}
    env.reset(seed=0, options=options)
    _, reward, _, truncated, info = env.step({"agent_000": 4, "agent_001": 0})
    assert (reward, truncated) == (-0.01, True), "force 1 does not move a chain of weight 2"
    assert list(info["agents"]) == ["agent_000", "agent_001"]
    assert info["agents"]["agent_000"]["reward"] == -0.01
    assert info["agents"]["agent_000"]["events"][0]["kind"] == "insufficient_force"


def test_names_sort_like_indices_for_a_thousand_agents() -> None:
    names = emcoop.parallel_env("Cube-v0", n_agents=1024).possible_agents
    assert names == sorted(names)
    assert (names[0], names[-1]) == ("agent_0000", "agent_1023")


GOLDEN = {
    (1, 0): "f4cc43240dcafebfcb523a6ce3fd780e",
    (8, 3): "4fbb29f5e4ed2b3e5802443ab11b7306",
    (64, 1): "6016beeaf7e0592673897f2753c89fdd",
}


def rollouts() -> dict[tuple[int, int], str]:
    """Return the last state hash of a seeded random game per team size and seed."""
    return {(n, seed): play(emcoop.parallel_env("Cube-v0", n_agents=n), seed)[-1] for n, seed in GOLDEN}


def test_whole_episodes_are_what_they_were_when_the_version_was_fixed() -> None:
    assert rollouts() == GOLDEN, "the dynamics or the layout of Cube-v0 changed: that needs a new version"


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_another_process_gives_the_same_episodes(hash_seed: str) -> None:
    script = (
        "import emcoop; from emcoop.testing import play\n"
        f"for n, s in {sorted(GOLDEN)}: print(play(emcoop.parallel_env('Cube-v0', n_agents=n), s)[-1])\n"
        "r = emcoop.run_episode('Cube-v0', n_agents=4, planner='team', topology='debate', seed=1, max_steps=40)\n"
        "print(r.digest)"
    )
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    out = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    here = emcoop.run_episode("Cube-v0", n_agents=4, planner="team", topology="debate", seed=1, max_steps=40).digest
    assert out.stdout.split() == [*(GOLDEN[key] for key in sorted(GOLDEN)), here]


BAD_SETTINGS = [
    ({"n_agents": 0}, "n_agents=0"),
    ({"n_agents": 1025}, "1025"),
    ({"n_agents": 2.5}, "2.5"),
    ({"n_agents": True}, "True"),
    ({"grid_size": 8, "blocks": {9: 1}}, "weight 9"),
    ({"grid_size": 5, "blocks": {0: 1}}, "block weight=0"),
    ({"blocks": {}}, "blocks={}"),
    ({"max_steps": 0}, "max_steps=0"),
    ({"view": 4}, "view=4"),
    ({"sight": 0}, "sight=0"),
    ({"observation": "pixels"}, "'pixels'"),
    ({"render_mode": "movie"}, "'movie'"),
    ({"weather": "rain"}, "'weather'"),
]


@pytest.mark.parametrize(("settings", "names"), BAD_SETTINGS, ids=[str(s) for s, _ in BAD_SETTINGS])
def test_bad_settings_get_one_sentence_that_names_the_value(settings: dict[str, object], names: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]+$") as caught:
        emcoop.parallel_env("Cube-v0", **settings)
    assert names in str(caught.value)


def test_blocks_that_cannot_be_placed_are_named_at_reset() -> None:
    env = emcoop.parallel_env("Cube-v0", n_agents=4, grid_size=10, blocks={3: 9})
    with pytest.raises(ValueError, match="weight 3"):
        env.reset(seed=0)


def test_an_unknown_environment_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'Cube-v0'"):
        emcoop.parallel_env("Cub-v0")


@pytest.mark.parametrize(
    ("env_id", "option"),
    [
        ("MACrafter-v0", "sharing"),
        ("MACrafter-v0", "render_mode"),
        ("Cube-v0", "observation"),
        ("Cube-v0", "render_mode"),
    ],
)
def test_what_only_the_single_environment_has_is_named_as_such(env_id: str, option: str) -> None:
    said = rf"batch environment of {env_id} has no option '{option}', only the single environment.*n_envs.*n_threads"
    with pytest.raises(ConfigError, match=said) as caught:
        emcoop.batch_env(env_id, n_envs=2, **{option: None})
    assert "did you mean" not in str(caught.value)
    with pytest.raises(ConfigError, match="did you mean 'n_agents'"):
        emcoop.batch_env(env_id, n_envs=2, n_agent=3)


def test_a_bad_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed=-1"):
        emcoop.parallel_env("Cube-v0").reset(seed=-1)


def test_stepping_without_an_episode_says_what_to_do() -> None:
    env = emcoop.parallel_env("Cube-v0")
    with pytest.raises(ActionError, match="call reset"):
        env.step({"agent_000": 0, "agent_001": 0})
    assert env.step({}) == ({}, {}, {}, {}, {})


def test_every_error_is_one_of_ours_and_a_value_error() -> None:
    for error in (ConfigError, ActionError):
        assert issubclass(error, EmCoopError)
        assert issubclass(error, ValueError)


def test_the_seat_view_plays_one_seat() -> None:
    env = gymnasium.make("emcoop/Cube-Seat-v0", n_agents=3, seat=2, partners=["random", "greedy"]).unwrapped
    first, _ = env.reset(seed=5)
    same, _ = emcoop.parallel_env("Cube-v0", n_agents=3).reset(seed=5)
    assert np.array_equal(first, same["agent_002"])
    before = env._world.env.snapshot()["agents"]
    env.step(4)
    after = env._world.env.snapshot()["agents"]
    assert after[2, 1] == before[2, 1] + 1
    assert (after[:2] != before[:2]).any(), "the partners move too"


@pytest.mark.parametrize("bad", [{"seat": 3}, {"seat": -1}, {"partners": "greddy"}, {"partners": ["greedy"]}])
def test_the_seat_view_refuses_bad_settings(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        gymnasium.make("emcoop/Cube-Seat-v0", n_agents=3, **bad).reset(seed=0)


def test_the_seat_view_refuses_bad_actions() -> None:
    env = gymnasium.make("emcoop/Cube-Seat-v0", n_agents=2, disable_env_checker=True).unwrapped
    with pytest.raises(ActionError, match="reset"):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(ActionError, match="9"):
        env.step(9)


def test_copies_of_an_environment_go_their_own_way() -> None:
    env = emcoop.parallel_env("Cube-v0", n_agents=3)
    env.reset(seed=1)
    joint = dict.fromkeys(env.agents, 4)
    env.step(joint)
    before = env.state_hash()
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert twin.state_hash() == before
        seen, *_ = twin.step(joint)
        assert env.state_hash() == before, "stepping the copy moved the original"
        assert np.array_equal(seen["agent_000"], env.clone().step(joint)[0]["agent_000"])
        assert twin.snapshot()["step"] == 2


def test_rendering_without_a_mode_warns_and_gives_nothing() -> None:
    env = emcoop.parallel_env("Cube-v0")
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None


@pytest.mark.parametrize("joint", [np.array([0, 0]), {"agent_000": 0, "agent_001": np.array([1, 2])}, None, "left"])
def test_other_things_than_joint_actions_are_refused(joint: object) -> None:
    env = emcoop.parallel_env("Cube-v0")
    env.reset(seed=0)
    with pytest.raises(ActionError):
        env.step(joint)


def test_an_unknown_setting_of_an_episode_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'seed'"):
        emcoop.run_episode("Cube-v0", sed=3)


def test_metrics_compare_equal_although_nan() -> None:
    one = emcoop.run_episode("Cube-v0", n_agents=2, max_steps=5).metrics
    assert one == json.loads(json.dumps(one))
    assert one == copy.deepcopy(one)
    assert one != {**one, "score": 2.0}
    assert np.isnan(one["capability_gain"])


def test_a_mistyped_board_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'agents'"):
        emcoop.parallel_env("Cube-v0").reset(options={"agent": [(0, 0), (1, 0)]})
