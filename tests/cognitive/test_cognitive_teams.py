"""Who sits at the table: names, options, objects, mixed teams, and what they may know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cognitive_tools import Puppet, in_turn, of, wait

import emcoop
from emcoop.cognitive_layer.plan import PlanningContext
from emcoop.errors import ConfigError, UnknownNameError
from emcoop.trace import schema


def run(planner: Any, n: int = 4, **settings: Any) -> Any:
    settings.setdefault("max_steps", 20)
    return emcoop.run_episode("Cube-v0", n_agents=n, planner=planner, **settings)


def watcher() -> Puppet:
    return in_turn(wait(3))


def test_a_list_of_planners_is_cycled() -> None:
    alike = run(["greedy", "random"])
    spelled_out = run(["greedy", "random", "greedy", "random"])
    swapped = run(["random", "greedy"])
    steps = [[s.actions for s in of(result, schema.Step)] for result in (alike, spelled_out, swapped)]
    assert steps[0] == steps[1] != steps[2]
    assert of(alike, schema.Episode)[0].planners == [{"name": "greedy"}, {"name": "random"}]


def test_a_planner_may_be_given_with_options() -> None:
    script = {"name": "scripted", "calls": [["move", {"direction": "right", "steps": 2}]]}
    result = run(script, n=2)
    assert of(result, schema.Episode)[0].planners == [script]
    assert [s.actions for s in of(result, schema.Step)][1:3] == [[4, 4], [4, 4]]


def test_objects_and_names_may_sit_together() -> None:
    puppet = watcher()
    result = run([puppet, "greedy"], n=2)
    assert result.status == "completed", result.error
    assert puppet.setup.seat == 0
    assert of(result, schema.Episode)[0].planners == [{"name": "object:Puppet"}, {"name": "greedy"}]


def test_only_the_oracle_gets_the_world() -> None:
    puppets = [watcher(), watcher()]
    result = run(["oracle", puppets[0], "oracle", puppets[1]])
    assert result.status == "completed", result.error
    assert of(result, schema.Episode)[0].privileged is True
    assert [puppet.setup.privileged for puppet in puppets] == [None, None]


def test_a_cycled_oracle_does_not_open_the_world_to_its_partners() -> None:
    seen = []

    class Spy(Puppet):
        def reset(self, setup: Any) -> None:
            seen.append((setup.seat, setup.privileged is not None))

    run(["oracle", "greedy", Spy(lambda puppet, context: wait(5)), "oracle"])
    assert seen == [(2, False)]


def test_an_object_may_ask_for_the_world_and_is_marked() -> None:
    class Insider(Puppet):
        privileged = True

    insider, puppet = Insider(lambda puppet, context: wait(5)), watcher()
    result = run([puppet, insider], n=2)
    assert insider.setup.privileged is not None
    assert puppet.setup.privileged is None
    assert of(result, schema.Episode)[0].privileged is True


@pytest.mark.parametrize("planner", ["random", "greedy", "team"])
def test_an_ordinary_team_is_not_marked_as_privileged(planner: str) -> None:
    assert of(run(planner, max_steps=1), schema.Episode)[0].privileged is False
    assert of(run("oracle", max_steps=1), schema.Episode)[0].privileged is True


def test_setup_tells_a_seat_its_place() -> None:
    puppets = [watcher() for _ in range(3)]
    run(puppets, n=3, topology={"name": "centralized", "leader": 1}, budgets={"decisions_total": 9})
    assert [(p.setup.seat, p.setup.role, p.setup.leader) for p in puppets] == [
        (0, "follower", 1), (1, "leader", 1), (2, "follower", 1),
    ]  # fmt: skip
    assert [p.contexts[0].reachable for p in puppets] == [(1,), (0, 2), (1,)]
    assert puppets[0].setup.names == ("agent_000", "agent_001", "agent_002")
    assert puppets[0].setup.budgets["decisions_total"] == 9
    draws = [p.setup.rng.random() for p in puppets]
    assert len(set(draws)) == 3, "each seat has its own generator"


@pytest.mark.parametrize(
    ("topology", "reach"),
    [
        ("individual", [(), (), ()]),
        ("centralized", [(1, 2), (0,), (0,)]),
        ("debate", [(1, 2), (2,), ()]),
        ("decentralized", [(1, 2), (0, 2), (0, 1)]),
    ],
)
def test_a_topology_says_whom_an_agent_reaches(topology: str, reach: list[tuple[int, ...]]) -> None:
    puppets = [watcher() for _ in range(3)]
    run(puppets, n=3, topology=topology)
    assert [p.contexts[0].reachable for p in puppets] == reach


def test_arguments_of_the_environment_may_carry_the_team_size(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    settings = {"n_agents": 3, "max_steps": 7, "grid_size": 14}
    emcoop.run_episode("Cube-v0", planner="greedy", env_kwargs=settings, trace=path)
    episode = emcoop.read_trace(path).episode
    assert (episode.n_agents, episode.max_steps, episode.env_kwargs) == (3, 7, {"grid_size": 14})
    assert emcoop.replay(path) == 7


class Mute:
    """No planner: it cannot decide."""

    def reset(self, setup: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"planner": "gredy"}, UnknownNameError, "unknown planner 'gredy'.*did you mean 'greedy'"),
        ({"planner": []}, ConfigError, "the list of planners is empty"),
        ({"planner": ["greedy"] * 5}, ConfigError, "got 5 planners for 4 agents: give at most one each"),
        ({"planner": {"calls": []}}, ConfigError, "has no name: give {'name': ..., options}"),
        ({"planner": {"name": "greedy", "speed": 3}}, ConfigError, "option of planner 'greedy' 'speed'"),
        ({"planner": 5}, ConfigError, "5 is no planner"),
        ({"planner": [1, 2, 3, 4]}, ConfigError, "1 is no planner: give a name"),
        ({"planner": [Mute() for _ in range(4)]}, ConfigError, "is no planner: give a name"),
        ({"planner": [in_turn(wait(1))]}, ConfigError, "a planner object holds one seat: give 4 of them"),
        ({"planner": {"name": "scripted", "calls": [[["wait"]]]}}, ConfigError, "script of agent 0 does not fit"),
        ({"topology": "centralised"}, UnknownNameError, "did you mean 'centralized'"),
        ({"topology": {"name": "centralized", "leader": 4}}, ConfigError, "leader=4 .* from 0 to 3"),
        ({"topology": {"name": "debate", "leader": 1}}, ConfigError, "option of topology 'debate' 'leader'"),
        ({"topology": 3}, ConfigError, "topology=3 does not fit: give a name, or a mapping"),
        ({"channel": "mute"}, ConfigError, "channel='mute' does not fit: give a mapping"),
        ({"channel": {"control": "loud"}}, ConfigError, "control='loud' does not exist"),
        ({"channel": {"loss": 1.5}}, ConfigError, "loss=1.5 does not fit"),
        ({"channel": {"delay": -1}}, ConfigError, "delay=-1 does not fit"),
        ({"channel": {"lost": 0.5}}, UnknownNameError, "did you mean 'loss'"),
        ({"seed": -1}, ConfigError, "seed=-1 does not fit"),
        ({"seed": "abc", "thinking_rounds": 2}, ConfigError, "seed='abc' does not fit"),
        ({"seed": 1.5}, ConfigError, "seed=1.5 does not fit"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        emcoop.run_episode("Cube-v0", n_agents=4, max_steps=3, trace=tmp_path / "new" / "t.jsonl", **settings)
    assert not list(tmp_path.rglob("*")), "nothing has been written"


def test_a_planner_sees_its_own_horizon() -> None:
    puppet = Puppet(lambda puppet, context: wait(2))

    def left(context: PlanningContext) -> int:
        return context.step + context.steps_left

    run([puppet], n=1, max_steps=7)
    assert {left(context) for context in puppet.contexts} == {7}
