"""Topologies: who reaches whom, who has the floor, that nobody waits for ever, what the team planner makes of it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import networkx as nx
import pytest
from cognitive_tools import Puppet, call, in_turn, of, plan, play, wait

import emcoop
from emcoop.cognitive_layer.plan import EVERYONE, RESUME, Decision, Message, PlanningContext
from emcoop.cognitive_layer.stages import I
from emcoop.cognitive_layer.topologies import (
    list_topologies,
    make_topology,
    reports_of,
    role_of,
    superior_of,
)
from emcoop.errors import ConfigError
from emcoop.trace import schema

EDGES = {"name": "graph", "edges": [[0, 1], [1, 2], [2, 3], [3, 4]]}
ALL: tuple[Any, ...] = tuple(EDGES if name == "graph" else name for name in list_topologies())
NEW = ALL[4:]


def name_of(spec: Any) -> str:
    return str(spec if isinstance(spec, str) else spec["name"])


def links(spec: Any, n: int) -> list[list[int]]:
    """Return whom each agent reaches."""
    topology, _ = make_topology(spec, n)
    return [list(topology.reachable(agent)) for agent in range(n)]


def graph_of(spec: Any, n: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((i, j) for i, reached in enumerate(links(spec, n)) for j in reached)
    return graph


# Who reaches whom ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("hybrid", [[1, 2, 3, 4, 5], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 5], [0, 4]]),
        ({"name": "hybrid", "peers": 1, "leader": 2}, [[1, 2], [0, 2], [0, 1, 3, 4, 5], [2, 4], [2, 3], [2]]),
        ({"name": "hybrid", "peers": 0}, [[1, 2, 3, 4, 5], [0], [0], [0], [0], [0]]),
        ("tree", [[1, 2], [0, 3, 4], [0, 5], [1], [1], [2]]),
        ({"name": "tree", "b": 1}, [[1], [0, 2], [1, 3], [2, 4], [3, 5], [4]]),
        ({"name": "tree", "b": 3, "leader": 5}, [[3, 4, 5], [5], [5], [0], [0], [0, 1, 2]]),
        ("ring", [[1, 5], [0, 2], [1, 3], [2, 4], [3, 5], [0, 4]]),
        ({"name": "ring", "both_ways": False}, [[1], [2], [3], [4], [5], [0]]),
        ("star", [[1, 2, 3, 4, 5], [0], [0], [0], [0], [0]]),
        ({"name": "star", "hub": 4}, [[4], [4], [4], [4], [0, 1, 2, 3, 5], [4]]),
        ("grid", [[1, 3], [0, 2, 4], [1, 5], [0, 4], [1, 3, 5], [2, 4]]),
        ({"name": "grid", "columns": 2}, [[1, 2], [0, 3], [0, 3, 4], [1, 2, 5], [2, 5], [3, 4]]),
        ({"name": "small_world", "k": 2, "p": 0}, [[1, 5], [0, 2], [1, 3], [2, 4], [3, 5], [0, 4]]),
        ({"name": "random", "p": 1}, [[j for j in range(6) if j != i] for i in range(6)]),
        ({"name": "graph", "edges": [[0, 1], [1, 0], [4, 2]]}, [[1], [0], [4], [], [2], []]),
        ({"name": "graph", "edges": [[0, 1], [4, 2]], "directed": True}, [[1], [], [], [], [2], []]),
    ],
)  # fmt: skip
def test_whom_each_agent_reaches(spec: Any, expected: list[list[int]]) -> None:
    assert links(spec, 6) == expected


@pytest.mark.parametrize("spec", [s for s in ALL if s is not EDGES], ids=name_of)
@pytest.mark.parametrize("n", [1, 2, 3, 17, 1024])
def test_every_topology_fits_every_team(spec: Any, n: int) -> None:
    topology, _ = make_topology(spec, n)
    assert topology.rounds(n) >= 1
    for agent in {0, n // 2, n - 1}:
        reached = list(topology.reachable(agent))
        assert reached == sorted(set(reached) - {agent})
        assert all(type(other) is int and 0 <= other < n for other in reached)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "spec",
    [
        {"name": "random", "p": 0},
        {"name": "random", "p": 0.02},
        {"name": "small_world", "k": 2, "p": 1.0},
        {"name": "small_world", "k": 6, "p": 0.3},
    ],
    ids=str,
)
def test_drawn_graphs_hang_together_and_come_from_their_own_seed(spec: dict[str, Any], seed: int) -> None:
    graph = graph_of({**spec, "seed": seed}, 40)
    assert nx.is_connected(graph.to_undirected())
    assert all(graph.has_edge(j, i) for i, j in graph.edges), "links lead both ways"
    assert links({**spec, "seed": seed}, 40) == links({**spec, "seed": seed}, 40) != links({**spec, "seed": 9}, 40)
    if spec["name"] == "random" and not spec["p"]:
        assert graph.number_of_edges() == 2 * 39, "no link more than it takes"


def test_a_small_world_keeps_its_number_of_links_and_shortens_the_ways() -> None:
    ring, small = (graph_of({"name": "small_world", "k": 4, "p": p, "seed": 1}, 200).to_undirected() for p in (0, 0.2))
    assert ring.number_of_edges() == 400 <= small.number_of_edges() <= 402
    assert nx.average_shortest_path_length(small) < 0.5 * nx.average_shortest_path_length(ring)


def test_a_random_graph_has_about_the_links_it_should() -> None:
    assert graph_of({"name": "random", "p": 0.3}, 100).number_of_edges() / 2 == pytest.approx(0.3 * 4950, rel=0.1)


@pytest.mark.parametrize("r", [0, 1, 4, 50])
def test_radio_reaches_exactly_who_is_near_enough_now(r: int) -> None:
    n, rng = 60, random.Random(r)
    topology: Any = make_topology({"name": "range", "r": r}, n)[0]
    for _ in range(3):
        cells = [[rng.randrange(20), rng.randrange(20)] for _ in range(n)]
        topology.move(cells)
        for a in range(n):
            near = [
                b
                for b in range(n)
                if b != a and max(abs(cells[a][0] - cells[b][0]), abs(cells[a][1] - cells[b][1])) <= r
            ]
            assert list(topology.reachable(a)) == near


def test_radio_follows_the_agents() -> None:
    def walk(puppet: Puppet, context: PlanningContext) -> Any:
        return plan(call("move", direction="right", steps=1)) if context.stage is not I else Decision(RESUME)

    walker, standing = Puppet(walk), in_turn(wait(1))
    play([walker, standing], [(0, 0), (0, 6)], topology={"name": "range", "r": 3}, max_steps=6)
    assert [tuple(c.reachable) for c in walker.contexts][:6] == [(), (), (), (1,), (1,), (1,)]


# Graphs of networkx ----------------------------------------------------------------------------------------------


def test_a_networkx_graph_is_recorded_as_plain_edges_and_can_be_given_again() -> None:
    given = nx.relabel_nodes(nx.karate_club_graph(), {i: (i * 5) % 34 for i in range(34)})
    topology, plain = make_topology(given, 34)
    assert [list(topology.reachable(i)) for i in range(34)] == [sorted(given.neighbors(i)) for i in range(34)]
    assert plain["name"] == "graph"
    assert plain["directed"] is False
    assert links(plain, 34) == [sorted(given.neighbors(i)) for i in range(34)]


def test_directed_multi_and_isolated() -> None:
    given = nx.MultiDiGraph([(0, 1), (0, 1), (2, 0)])
    given.add_node(3)
    assert make_topology(given, 4)[1] == {"name": "graph", "edges": [[0, 1], [2, 0]], "directed": True}
    assert make_topology({"name": "graph", "edges": nx.path_graph(3), "regroup": "team"}, 4)[1] == {
        "name": "graph", "edges": [[0, 1], [1, 2]], "directed": False, "regroup": "team",
    }  # fmt: skip


def test_an_episode_on_a_networkx_graph_is_the_one_on_its_edges() -> None:
    def digest(topology: Any) -> str:
        return emcoop.run_episode("Cube-v0", n_agents=5, planner="team", topology=topology, max_steps=15).digest

    assert digest(nx.path_graph(5)) == digest({**EDGES, "directed": False})


class Bucket:
    """Everybody passes on to the next, as in a chain of buckets."""

    name, leader = "bucket", -1

    def rounds(self, n_agents: int) -> int:
        return 2

    def reachable(self, sender: int) -> list[int]:
        return [sender + 1] if sender < 3 else []

    def turns(self, floor: Any) -> list[int]:
        return list(floor.reasoning)


def test_an_object_may_be_the_topology() -> None:
    puppets = [in_turn(wait(2)) for _ in range(4)]
    result = play(puppets, topology=Bucket())
    assert of(result, schema.Episode)[0].topology == {"name": "object:bucket"}
    assert [tuple(p.contexts[0].reachable) for p in puppets] == [(1,), (2,), (3,), ()]


# Who directs whom ------------------------------------------------------------------------------------------------


def test_places_in_a_tree() -> None:
    topology = make_topology({"name": "tree", "leader": 3}, 6)[0]
    assert topology.leader == 3
    assert [superior_of(topology, i) for i in range(6)] == [3, 3, 0, 3, 0, 1]
    assert [reports_of(topology, i) for i in range(6)] == [(2, 4), (5,), (), (0, 1), (), ()]
    assert [role_of(topology, i) for i in range(6)] == [
        "manager", "manager", "follower", "leader", "follower", "follower",
    ]  # fmt: skip


@pytest.mark.parametrize("spec", ["centralized", "hybrid"])
def test_places_under_one_leader(spec: str) -> None:
    topology = make_topology(spec, 4)[0]
    assert [superior_of(topology, i) for i in range(4)] == [0] * 4
    assert [reports_of(topology, i) for i in range(4)] == [(1, 2, 3), (), (), ()]
    assert [role_of(topology, i) for i in range(4)] == ["leader", "follower", "follower", "follower"]


@pytest.mark.parametrize("spec", ["individual", "debate", "ring", "range"])
def test_peers_have_no_superior(spec: str) -> None:
    topology = make_topology(spec, 3)[0]
    assert [(superior_of(topology, i), reports_of(topology, i), role_of(topology, i)) for i in range(3)] == [
        (-1, (), "peer")
    ] * 3


# Who has the floor -----------------------------------------------------------------------------------------------


def test_a_tree_speaks_bottom_up_then_top_down() -> None:
    def speak(puppet: Puppet, context: PlanningContext) -> Decision:
        me, reports = puppet.setup.seat, tuple(puppet.setup.reports)
        if context.stage is I:
            return Decision(RESUME)
        told = any(m.sender == puppet.setup.leader for m in context.unread)
        if me != puppet.setup.leader and not told:
            return Decision(None, (Message((puppet.setup.leader,), "free"),))
        return Decision(wait(20).plan, (Message(reports, "request"),) if reports else ())

    result = play([Puppet(speak) for _ in range(7)], topology="tree", max_steps=2)
    rounds: dict[int, list[int]] = {}
    for activation in of(result, schema.Activation):
        rounds.setdefault(activation.c, []).append(activation.agent)
    assert rounds == {1: [3, 4, 5, 6], 2: [1, 2], 3: [0], 4: [1, 2], 5: [3, 4, 5, 6]}


@pytest.mark.parametrize("spec", ALL, ids=name_of)
@pytest.mark.parametrize("silent", [{0}, {0, 1, 2, 3, 4}, {2, 4}])
def test_nobody_waits_for_ever(spec: Any, silent: set[int]) -> None:
    """Whoever never plans is made ready when the rounds are used up; the others decide long before."""
    team: list[Any] = []
    for seat in range(5):
        mute = Puppet(lambda puppet, context: Decision(RESUME if context.stage is I else None))
        team.append(mute if seat in silent else Puppet(lambda puppet, context: _speak_twice_then_plan(puppet, context)))
    result = play(team, topology=spec, max_steps=6)
    assert (result.status, result.steps) == ("completed", 6), result.error
    cap = make_topology(spec, 5)[0].rounds(5) + 4
    assert of(result, schema.End)[0].counters["rounds"] <= 6 * cap


def _speak_twice_then_plan(puppet: Puppet, context: PlanningContext) -> Decision:
    if context.stage is I:
        return Decision(RESUME)
    return wait(1) if puppet.asked % 3 == 0 else Decision(None, (Message(EVERYONE, "inform"),))


@pytest.mark.parametrize("spec", NEW, ids=name_of)
@pytest.mark.parametrize("channel", [{}, {"control": "mute"}, {"loss": 0.5, "delay": 2}])
def test_the_team_planner_gets_on_everywhere(spec: Any, channel: dict[str, Any]) -> None:
    """Nobody is ever made ready by the budget of rounds: whoever hears nothing decides in time."""
    result = emcoop.run_episode(
        "Cube-v0", n_agents=9, planner="team", topology=spec, seed=1, max_steps=40, channel=channel
    )
    assert result.status == "completed", result.error
    assert not [e for e in of(result, schema.Activation) if e.outcome == "forced"]
    lost = {e.outcome for e in of(result, schema.Transport)} - {"delivered", "dropped", "muted", "expired"}
    assert not lost, "it writes to nobody it cannot reach"


# What the team planner makes of it -------------------------------------------------------------------------------


def task_commits(result: Any) -> list[tuple[int, str]]:
    return [(p.agent, p.task) for p in of(result, schema.Plan) if p.event == "commit" and p.t == 0]


def test_a_tree_gives_out_work_like_one_leader_through_those_between() -> None:
    results = [
        emcoop.run_episode("Cube-v0", n_agents=15, planner="team", topology=spec, seed=4, max_steps=3)
        for spec in ("centralized", "tree")
    ]
    assert sorted(task_commits(results[0])) == sorted(task_commits(results[1]))
    tree = make_topology("tree", 15)[0]
    for message in of(results[1], schema.Message):
        assert set(message.recipients) <= set(tree.reachable(message.sender))
    orders = [(m.sender, m.recipients) for m in of(results[1], schema.Message) if m.act == "request"]
    assert {sender for sender, _ in orders} == set(range(7)), "everybody between passes orders on"


def test_a_tree_without_its_leader_is_two_trees() -> None:
    lost = in_turn(wait(100))
    team: list[Any] = [lost, *["team"] * 6]
    result = emcoop.run_episode("Cube-v0", n_agents=7, planner=team, topology="tree", seed=4, max_steps=3)
    assert result.status == "completed", result.error
    orders = {(m.sender, *m.recipients) for m in of(result, schema.Message) if m.act == "request"}
    assert {sender for sender, _ in orders} == {1, 2}


def test_the_hub_of_a_star_organises_since_it_hears_most() -> None:
    result = emcoop.run_episode(
        "Cube-v0", n_agents=9, planner="team", topology={"name": "star", "hub": 5}, seed=2, max_steps=1
    )
    assert {m.sender for m in of(result, schema.Message) if m.act == "request"} == {5}


def test_who_organises_is_drawn_anew_in_every_episode() -> None:
    organisers = set()
    for seed in range(6):
        result = emcoop.run_episode("Cube-v0", n_agents=8, planner="team", topology="ring", seed=seed, max_steps=1)
        first = min(m.c for m in of(result, schema.Message) if m.act == "request")
        organisers.add(tuple(m.sender for m in of(result, schema.Message) if m.act == "request" and m.c == first))
    assert len(organisers) > 3, "no convention such as the smallest index decides"


PROGRAM = """
import emcoop, json, sys
channel = {"loss": 0.1, "corruption": 0.3, "duplicate": 0.3, "delay": 1, "range": 9, "bandwidth": 60}
for topology in json.loads(sys.argv[1]):
    for control in (None, "shuffle"):
        settings = {"planner": "team", "topology": topology, "channel": {**channel, "control": control}}
        print(topology, emcoop.run_episode("Cube-v0", n_agents=7, max_steps=12, seed=2, **settings).digest)
"""


def test_nothing_depends_on_the_order_of_hashes() -> None:
    def digests(hash_seed: str) -> str:
        environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", PROGRAM, json.dumps(ALL)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=120).stdout

    assert digests("1") == digests("2") != ""


def mean_auc(spec: Any, control: str | None, seeds: Sequence[int]) -> float:
    settings: dict[str, Any] = {"planner": "team", "max_steps": 120, "channel": {"control": control}}
    found = [emcoop.run_episode("Cube-v0", n_agents=16, topology=spec, seed=s, **settings) for s in seeds]
    return sum(result.metrics["progress_auc"] for result in found) / len(found)


@pytest.mark.parametrize("spec", ["hybrid", "tree", "star", {"name": "range", "r": 8}], ids=name_of)
def test_without_messages_the_team_does_worse(spec: Any) -> None:
    assert mean_auc(spec, None, range(10)) > mean_auc(spec, "mute", range(10))


# Names, options, errors ------------------------------------------------------------------------------------------


def test_every_topology_is_described_in_one_line() -> None:
    for name, description in list_topologies().items():
        assert len(description) > 20, name
        assert description.endswith("."), name


@pytest.mark.parametrize("spec", ALL, ids=name_of)
def test_regroup_belongs_to_every_topology(spec: Any) -> None:
    options = {"name": spec} if isinstance(spec, str) else spec
    assert make_topology({**options, "regroup": "team"}, 5)[1] == {**options, "regroup": "team"}
    with pytest.raises(ConfigError, match="regroup='all' does not fit: choose 'agent' or 'team'"):
        make_topology({**options, "regroup": "all"}, 5)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"name": "hybrid", "leader": 5}, "leader=5 does not fit: give an agent index from 0 to 4"),
        ({"name": "hybrid", "peers": -1}, "peers=-1 does not fit: give a whole number >= 0"),
        ({"name": "tree", "b": 0}, "b=0 does not fit: give a whole number >= 1"),
        ({"name": "tree", "leader": True}, "leader=True does not fit"),
        ({"name": "ring", "both_ways": 1}, "both_ways=1 does not fit: give true or false"),
        ({"name": "star", "hub": "a"}, "hub='a' does not fit: give an agent index"),
        ({"name": "grid", "columns": 0}, "columns=0 does not fit"),
        ({"name": "range", "r": -1}, "r=-1 does not fit: give a whole number >= 0"),
        ({"name": "small_world", "k": 3}, "k=3 does not fit: give an even number"),
        ({"name": "small_world", "p": 1.2}, "p=1.2 does not fit: give a probability from 0 to 1"),
        ({"name": "random", "p": "half"}, "p='half' does not fit: give a probability"),
        ({"name": "random", "seed": -3}, "seed=-3 does not fit"),
        ({"name": "random", "q": 3}, "option of topology 'random' 'q'"),
        ("graph", "topology 'graph' has no edges: give"),
        ({"name": "graph", "edges": "01"}, "edges='01' does not fit: give a list of pairs"),
        ({"name": "graph", "edges": [[0, 1, 2]]}, r"edge \[0, 1, 2\] of the topology does not fit: give a pair"),
        ({"name": "graph", "edges": [[2, 2]]}, r"edge \[2, 2\] of the topology leads from an agent to itself"),
        ({"name": "graph", "edges": [[0, 5]]}, r"edge \[0, 5\] of the topology names 5, which is no agent"),
        ({"name": "graph", "edges": [[0, "b"]]}, "names 'b', which is no agent: give indices from 0 to 4"),
        (nx.path_graph(6), "node 5 of the topology is no agent: name nodes by agent indices from 0 to 4"),
        (nx.Graph([("a", "b")]), "node 'a' of the topology is no agent"),
        (nx.Graph([(1, 1)]), "leads from an agent to itself"),
        ({"name": ["ring"]}, "unknown topology"),
        (7, "topology=7 does not fit: give a name"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_sentence(spec: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        make_topology(spec, 5)
    assert "\n" not in str(caught.value)
