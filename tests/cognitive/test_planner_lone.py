"""Planners that say what company is worth: the oracle in its modes, and teams without a voice."""

from __future__ import annotations

import pytest

import emcoop
from emcoop.errors import ConfigError
from emcoop.trace.schema import Message, Step

BUDGETS = {"decisions_per_step": 4}


def joint_actions(env: str, n: int, planner: object, topology: str, steps: int = 80) -> list[list[int]]:
    episode = emcoop.run_episode(
        env, n_agents=n, planner=planner, topology=topology, seed=0, max_steps=steps, budgets=BUDGETS
    )
    return [event.actions for event in episode.events if isinstance(event, Step)]


@pytest.mark.parametrize(("env", "n"), [("Cube-v0", 4), ("MACrafter-L3-v0", 3)])
def test_the_order_of_speaking_does_not_change_what_the_oracle_does(env: str, n: int) -> None:
    alone = joint_actions(env, n, "oracle", "individual")
    assert all(joint_actions(env, n, "oracle", topology) == alone for topology in ("centralized", "debate"))


def test_agreement_and_a_team_at_all_are_worth_something() -> None:
    scores = {
        mode: sum(
            emcoop.run_episode(
                "Cube-v0", n_agents=8, planner={"name": "oracle", "mode": mode}, seed=seed, max_steps=60
            ).score
            for seed in range(3)
        )
        for mode in ("team", "alone", "single")
    }
    assert scores["team"] > scores["alone"] > scores["single"] > 0


def test_with_one_agent_acting_the_others_stand_still() -> None:
    actions = joint_actions("Cube-v0", 4, {"name": "oracle", "mode": "single"}, "individual")
    assert all(action == 0 for joint in actions[1:] for action in joint[1:])
    assert any(joint[0] for joint in actions[1:])


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'alone'"):
        emcoop.run_episode("Cube-v0", n_agents=2, planner={"name": "oracle", "mode": "alon"})


@pytest.mark.parametrize("topology", ["centralized", "debate", "decentralized"])
def test_a_silent_team_does_what_it_does_where_nobody_can_talk(topology: str) -> None:
    silent = emcoop.run_episode(
        "MACrafter-L2-v0", n_agents=3, planner="silent:team", topology=topology, seed=1, max_steps=80
    )
    mute = emcoop.run_episode("MACrafter-L2-v0", n_agents=3, planner="team", seed=1, max_steps=80)
    assert not [event for event in silent.events if isinstance(event, Message)]
    assert silent.score == mute.score


def test_a_silent_agent_among_talkers_discards_what_it_is_told() -> None:
    planners = ["silent:team", "team", "team"]
    episode = emcoop.run_episode("Cube-v0", n_agents=3, planner=planners, topology="decentralized", max_steps=40)
    assert {event.sender for event in episode.events if isinstance(event, Message)} == {1, 2}
    labels = {event.label for event in episode.events if type(event).__name__ == "Reaction" and event.agent == 0}
    assert "discard" in labels
    assert "consume" not in labels


@pytest.mark.parametrize("inner", ["oracle", "scripted", "replay:x.jsonl", 3])
def test_silence_takes_no_planner_that_knows_more_than_its_agent(inner: object) -> None:
    with pytest.raises(ConfigError):
        emcoop.run_episode("Cube-v0", n_agents=2, planner={"name": "silent", "planner": inner})
