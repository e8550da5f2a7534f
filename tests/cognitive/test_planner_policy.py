"""Policies as planners: the same episode as stepping the environment by hand; what is no action is one sentence."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emcoop
from emcoop.cognitive_layer.planners.policy import PolicyPlanner, make_policy_planner, plain_action
from emcoop.errors import ConfigError, PlannerError
from emcoop.registration import make_parallel
from emcoop.trace.schema import Episode, Plan, Step

ACTIONS = {"Cube-v0": 5, "MACrafter-v0": 18}


def digest(observation: Any) -> int:
    """Return a number that depends on every value of an observation."""
    parts = observation.values() if isinstance(observation, Mapping) else [observation]
    return sum(zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in parts)


class Wanderer:
    """An action that depends on what is seen, on what was seen before and on chance."""

    def __init__(self, n_actions: int) -> None:
        self.n_actions, self.seen = n_actions, 0

    def reset(self, rng: np.random.Generator) -> None:
        self.seen, self.rng = 0, rng

    def __call__(self, observation: Any) -> Any:
        self.seen += digest(observation)
        return np.int64((self.seen + int(self.rng.random() * 100)) % self.n_actions)


class Giver(Wanderer):
    """Shares things at random, as MA-Crafter with share registers wants it."""

    def __call__(self, observation: Any) -> Any:
        number = int(super().__call__(observation))
        action = number if number % 2 else 17
        return {"action": np.uint8(action), "recipient": number % 3, "item": np.array(number % 6), "quantity": 1}


def step_by_hand(env_id: str, policies: list[Wanderer], seed: int, **kwargs: Any) -> list[str]:
    """Return the state hashes of an episode in which policies act directly on the ParallelEnv."""
    env = make_parallel(env_id, **kwargs)
    observations, _ = env.reset(seed=seed)
    for agent, policy in enumerate(policies):
        policy.reset(emcoop.rng.generator(seed, "planner", agent))
    hashes = [env.state_hash()]
    while env.agents:
        acts = {name: policies[env.possible_agents.index(name)](observations[name]) for name in env.agents}
        observations = env.step(acts)[0]
        hashes.append(env.state_hash())
    return hashes


@pytest.mark.parametrize("topology", ["individual", "centralized", "debate", "decentralized"])
@pytest.mark.parametrize("env_id", list(ACTIONS))
def test_policies_take_the_steps_they_would_take_without_the_layer(env_id: str, topology: str):
    team = [PolicyPlanner(Wanderer(ACTIONS[env_id])) for _ in range(3)]
    settings: dict[str, Any] = {"n_agents": 3, "max_steps": 30}
    episode = emcoop.run_episode(env_id, planner=team, topology=topology, seed=7, **settings)
    assert episode.status == "completed", episode.error
    hashes = [event.state_hash for event in episode.events if isinstance(event, Step)]
    assert hashes == step_by_hand(env_id, [Wanderer(ACTIONS[env_id]) for _ in range(3)], 7, **settings)
    assert len(set(hashes)) > 10


def test_shares_with_a_register_go_through_and_the_trace_replays():
    settings: dict[str, Any] = {"n_agents": 3, "max_steps": 40}
    team = [PolicyPlanner(Giver(18)) for _ in range(3)]
    episode = emcoop.run_episode("MACrafter-v0", planner=team, env_kwargs={"sharing": True}, seed=4, **settings)
    assert episode.status == "completed", episode.error
    hashes = [event.state_hash for event in episode.events if isinstance(event, Step)]
    assert hashes == step_by_hand("MACrafter-v0", [Giver(18) for _ in range(3)], 4, sharing=True, **settings)
    taken = [action for event in episode.events if isinstance(event, Step) for action in event.actions]
    assert max(taken) >= 18  # a share and its register as one number
    emcoop.replay(emcoop.trace.Trace(list(episode.events)))


def test_agents_that_left_the_episode_are_not_asked():
    asked: list[int] = []

    def act(observation: Any) -> int:
        asked.append(1)
        return 0

    team = [PolicyPlanner(act) for _ in range(2)]
    world = {"mode": "survival", "area": [24, 24]}
    episode = emcoop.run_episode("MACrafter-v0", n_agents=2, planner=team, env_kwargs=world, seed=1, max_steps=1500)
    assert episode.status == "completed", episode.error
    assert episode.steps < len(asked) < 2 * episode.steps  # one was left alone for a while


MODULE = """
class Counter:
    made = 0

    def __init__(self):
        Counter.made += 1
        self.step = 0

    def __call__(self, observation):
        self.step += 1
        return self.step % 5


def up(observation):
    return 1


NUMBER = 3


def fail(observation):
    raise RuntimeError("no idea")


def shout(observation):
    return "up"


def jump(observation):
    return 9
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Work in a folder with a module of policies; give the module's name, another one in every test."""
    name = f"policies_{zlib.crc32(str(tmp_path).encode())}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return name


def run(planner: Any, **settings: Any) -> Any:
    return emcoop.run_episode("Cube-v0", n_agents=3, planner=planner, max_steps=6, seed=0, **settings)


def test_a_policy_is_named_by_module_and_attribute_and_a_class_is_made_per_seat(experiment: str):
    episode = run([f"policy:{experiment}:Counter", {"name": "policy", "policy": f"{experiment}:up"}, "greedy"])
    assert episode.status == "completed", episode.error
    steps = [event.actions for event in episode.events if isinstance(event, Step) and event.t]
    assert [actions[0] for actions in steps] == [1, 2, 3, 4, 0, 1]
    assert {actions[1] for actions in steps} == {1}
    (record,) = (event for event in episode.events if isinstance(event, Episode))
    assert record.planners[0] == {"name": "policy", "policy": f"{experiment}:Counter"}
    both = run(f"policy:{experiment}:Counter")
    assert {tuple(e.actions) for e in both.events if isinstance(e, Step) and e.t} == {(k,) * 3 for k in (1, 2, 3, 4, 0)}


def test_plans_are_one_primitive_each(experiment: str):
    episode = run(f"policy:{experiment}:up")
    plans = [e for e in episode.events if isinstance(e, Plan) and e.event == "commit"]
    assert len(plans) == 3 * 6
    assert {str(plan.calls) for plan in plans} == {str([("primitive", {"action": 1})])}


@pytest.mark.parametrize(
    ("attribute", "says"),
    [
        ("shout", "the policy of agent 0 answered 'up'; give an action of the agent's action space"),
        ("jump", "gave action 9; give one of Discrete(5)"),
        ("fail", "the planner of agent 0 raised RuntimeError: no idea"),
    ],
)
def test_a_bad_answer_ends_the_episode_with_one_sentence(experiment: str, attribute: str, says: str):
    episode = run(f"policy:{experiment}:{attribute}")
    assert episode.status == "agent_error"
    assert says in episode.error
    assert "\n" not in episode.error


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("policy", "policy"),
        ("policy:nowhere_to_be_found:act", "cannot be loaded (No module named 'nowhere_to_be_found')"),
        ("policy:json", "policy='json' does not fit: write policy:MODULE:ATTRIBUTE"),
        ("policy:json:act", "json has no 'act'"),
        ("policy:math:pi", "3.14159"),
        ({"name": "policy", "policy": 3}, "policy=3 does not fit"),
    ],
)
def test_bad_names_are_refused_before_anything_is_written(policy: Any, says: str, tmp_path: Path):
    with pytest.raises((ConfigError, TypeError), match="policy") as refused:
        run(policy, trace=tmp_path / "t.jsonl")
    assert says in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_the_path_of_imports_is_left_as_it_was(experiment: str):
    import sys

    before = list(sys.path)
    make_policy_planner(f"{experiment}:up")
    assert sys.path == before


@pytest.mark.parametrize(
    ("action", "plain"),
    [
        (3, 3),
        (np.uint8(3), 3),
        (np.array(3), 3),
        (np.array([3]), 3),
        ({"action": np.int32(1), "item": np.array([2])}, {"action": 1, "item": 2}),
    ],
)
def test_actions_become_plain_data(action: Any, plain: Any):
    got = plain_action(action, 0)
    assert got == plain
    assert type(got) is type(plain)


@pytest.mark.parametrize(
    "action", [None, True, np.True_, 1.0, np.array([1, 2]), np.zeros((1, 1)), "1", {}, {"action": "x"}, {1: 1}, [1]]
)
def test_what_is_no_action_is_refused(action: Any):
    with pytest.raises(PlannerError, match="the policy of agent 5 answered"):
        plain_action(action, 5)
