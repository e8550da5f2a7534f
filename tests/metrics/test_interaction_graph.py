"""The interaction graph of small stories, and the seven patterns by the rules of the paper."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import networkx
import pytest

import emcoop
from emcoop.metrics.ancestry import fruitful, roots
from emcoop.metrics.exchange import exchange
from emcoop.metrics.failures.rule import Hit
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.interaction_graph import interaction_graph, patterns
from emcoop.metrics.interaction_patterns import find_patterns
from emcoop.metrics.work import work_items
from emcoop.trace import Trace, TraceWriter
from emcoop.trace.schema import (
    SCHEMA,
    Activation,
    End,
    Episode,
    Event,
    Message,
    Plan,
    Reaction,
    Round,
    Run,
    Step,
    Task,
    Transport,
)

WINDOW = Thresholds().steps
To = list[int] | str


class Story:
    """Writes a log as the loop does: reactions, then messages, then the decision, deliveries at once."""

    def __init__(self, n: int = 4) -> None:
        self.writer = TraceWriter()
        self.n, self.t, self.messages, self.decisions = n, 0, 0, 0
        self.write(Run(schema=SCHEMA, emcoop="1", config_hash=""))
        self.write(Episode(env_id="E", env_kwargs={}, n_agents=n, max_steps=99, seed=0, planners=[], topology={}))

    def write(self, event: Event) -> None:
        event.t = event.c = self.t
        self.writer.write(event)

    def react(
        self, agent: int, label: str, messages: Sequence[int], to: Sequence[int] = (), late: bool = False
    ) -> None:
        activation = -1 if late else self.decisions
        self.write(Reaction(agent=agent, activation=activation, label=label, messages=list(messages), to=list(to)))

    def say(self, sender: int, to: To, act: str = "request", work: bool | None = None, lost: str = "") -> int:
        work = act in ("request", "commit") if work is None else work
        self.write(Message(id=self.messages, sender=sender, recipients=to, act=act, work=work))
        count = self.n - 1 if isinstance(to, str) else len(to)
        if count:
            outcome = lost or "delivered"
            self.write(Transport(message=self.messages, recipients=to, outcome=outcome, count=count))
        self.messages += 1
        return self.messages - 1

    def decide(
        self, agent: int, read: Sequence[int] = (), say: Sequence[tuple[To, str]] = (), outcome: str = "resume",
        work: bool | None = None, task: str | None = None,
    ) -> list[int]:  # fmt: skip
        """Read messages, send others, and return their ids."""
        if read:
            self.react(agent, "consume", read)
        return self.end_decision(agent, [self.say(agent, to, act, work) for to, act in say], outcome, task)

    def end_decision(
        self, agent: int, sent: list[int], outcome: str = "resume", task: str | None = None
    ) -> list[int]:  # fmt: skip
        self.write(Activation(id=self.decisions, agent=agent, started=self.t, outcome=outcome, messages=sent))
        if task is not None:
            self.write(Plan(id=self.decisions, agent=agent, event="commit", task=task))
        self.decisions += 1
        return sent

    def reroute(self, agent: int, message: int, to: int) -> int:
        self.react(agent, "reroute", [message], [to])
        return self.end_decision(agent, [self.say(agent, [to])])[0]

    def pass_time(self, steps: int = WINDOW, progress: float | None = None) -> None:
        """Let steps pass; without progress the trace says nothing about the world."""
        for _ in range(steps):
            self.t += 1
            if progress is None:
                self.write(Round())
            else:
                self.write(
                    Step(actions=[], reward=0.0, state_hash="", configuration_hash="", progress=progress)
                )  # fmt: skip

    def trace(self) -> Trace:
        return Trace(self.writer.events)

    def hits(self) -> dict[str, list[Hit]]:
        """The patterns that are found, without those that are not."""
        return {name: hits for name, hits in patterns(self.trace()).items() if hits}


def seqs(story: Story, *messages: int) -> tuple[int, ...]:
    return tuple(one.seq for one in story.writer.events if isinstance(one, Message) and one.id in messages)


# Nobody reads it -------------------------------------------------------------------------------------------------


def test_a_message_to_an_agent_that_does_not_exist_is_orphaned() -> None:
    story = Story()
    story.end_decision(0, [story.say(0, [9], lost="no_such_agent")])
    story.pass_time()
    assert story.hits() == {"OE": [Hit((0,), 0, WINDOW, seqs(story, 0), note="nobody used a request")]}


def test_a_message_to_nobody_is_orphaned() -> None:
    story = Story()
    story.decide(0, say=[([], "request")])
    story.pass_time()
    assert [hit.evidence for hit in story.hits()["OE"]] == [seqs(story, 0)]


def test_a_message_delivered_and_never_read_is_orphaned_and_blocks() -> None:
    story = Story()
    story.decide(0, say=[([1], "request")])
    story.pass_time()
    story.react(1, "unread", [0], late=True)
    hits = story.hits()
    assert set(hits) == {"OE", "DL"}
    assert hits["DL"][0].agents == (1,)
    assert (hits["DL"][0].start, hits["DL"][0].end) == (0, WINDOW)


def test_chatter_is_no_work() -> None:
    story = Story()
    story.decide(0, say=[([9], "free"), ([], "inform"), ([1], "ack")])
    story.decide(2, say=[([1], "request")])
    story.decide(1, read=[3])
    story.decide(2, say=[([1], "done")])
    story.pass_time()
    assert story.hits() == {}


def test_an_event_is_no_orphan_before_the_window_has_passed_nor_when_one_of_many_used_it() -> None:
    story = Story()
    story.decide(0, say=[([1], "request"), ([2, 3], "request")])
    story.decide(2, read=[1])
    story.pass_time(WINDOW - 1)
    story.react(1, "unread", [0], late=True)
    story.react(3, "unread", [1], late=True)
    assert story.hits() == {}


def test_putting_a_message_aside_keeps_it_alive() -> None:
    story = Story()
    story.decide(0, say=[([1], "request")])
    story.pass_time(WINDOW - 1, progress=0.5)
    story.react(1, "wait", [0])
    story.end_decision(1, [])
    story.pass_time(WINDOW - 1, progress=0.6)
    assert "OE" not in story.hits()
    story.pass_time(1, progress=0.6)
    assert "OE" in story.hits()


def test_throwing_a_message_away_is_no_use_of_it() -> None:
    story = Story()
    story.decide(0, say=[([1], "request")])
    story.react(1, "discard", [0])
    story.end_decision(1, [])
    story.pass_time()
    assert set(story.hits()) == {"OE"}


# Deadlock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("progress", "expected"), [((0.5, 0.5), ["DL"]), ((0.4, 0.5), [])])
def test_work_lies_there_while_nothing_moves(progress: tuple[float, float], expected: list[str]) -> None:
    story = Story()
    story.pass_time(1, progress=progress[0])
    story.decide(0, say=[([1], "request")])
    story.pass_time(WINDOW // 2, progress=progress[0])
    story.pass_time(WINDOW - WINDOW // 2, progress=progress[1])
    story.decide(1, read=[0])
    assert list(story.hits()) == expected


def test_others_at_work_are_progress() -> None:
    story = Story()
    story.decide(0, say=[([1], "request"), ([2], "request")])
    story.pass_time(WINDOW // 2)
    story.decide(2, read=[1])
    story.pass_time(WINDOW // 2)
    story.decide(1, read=[0], say=[([0], "done")])
    assert story.hits() == {}


# Termination -----------------------------------------------------------------------------------------------------


def test_a_submit_that_consumed_one_of_two_parts_is_early() -> None:
    story = Story()
    story.decide(0, say=[([1], "request"), ([2], "request")])
    story.decide(1, read=[0], say=[([0], "inform")], work=True)
    story.decide(2, read=[1], say=[([0], "inform")], work=True)
    story.decide(0, read=[2], say=[([1], "done")])
    hits = story.hits()
    assert set(hits) == {"ET"}
    assert hits["ET"][0].agents == (0,)
    assert hits["ET"][0].evidence == (*seqs(story, 4), *seqs(story, 3))


def test_repeated_early_submits_are_one_incident_each() -> None:
    story = Story()
    story.decide(1, say=[([0], "inform")], work=True)
    for _ in range(3):
        story.decide(0, say=[([1], "done")])
    story.decide(0, read=[0], say=[([1], "done")])
    assert {name: len(hits) for name, hits in story.hits().items()} == {"ET": 3}


def test_done_before_the_goal_is_early_and_done_with_a_task_is_no_declaration() -> None:
    early, task, late = Story(), Story(), Story()
    for story, progress in ((early, 0.9), (task, 0.9), (late, 1.0)):
        story.pass_time(2, progress)
    early.decide(0, say=[([1], "done")])
    late.decide(0, say=[([1], "done")])
    task.end_decision(0, [0], "plan", "block")
    task.write(Message(id=0, sender=0, recipients=[1], act="done", facts=[("task", "block", 0)]))
    assert [(hit.start, hit.note) for hit in early.hits()["ET"]] == [
        (2, "done was declared with 0 messages open and the goal not reached")
    ]
    assert late.hits() == task.hits() == {}


def test_what_is_said_beside_a_declaration_or_after_it_does_not_count() -> None:
    story = Story()
    story.decide(0, say=[([1], "commit"), ([1], "done")])
    story.decide(1, say=[([0], "request")])
    assert story.hits() == {}


def test_nothing_left_to_do_and_no_end_is_missing_termination() -> None:
    story = Story()
    story.decide(0, say=[([1], "request")])
    story.pass_time(2, progress=1.0)
    story.decide(1, read=[0])
    story.pass_time(WINDOW - 1, progress=1.0)
    assert story.hits() == {}
    story.pass_time(1, progress=1.0)
    assert [(hit.start, hit.end) for hit in story.hits()["MC"]] == [(2, WINDOW + 2)]
    story.write(End(status="completed", score=1.0, raw_score=1.0, steps=9, terminated=True, counters={}))
    assert story.hits() == {}


def test_a_goal_not_reached_or_a_silent_team_is_no_missing_termination() -> None:
    story, silent = Story(), Story()
    story.pass_time(3 * WINDOW, progress=0.99)
    silent.pass_time(3 * WINDOW)
    assert story.hits() == silent.hits() == {}


# Rerouting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("times", "expected"), [(2, []), (3, ["ER"])])
def test_a_ping_pong_of_reroutes(times: int, expected: list[str]) -> None:
    story = Story()
    message = story.decide(0, say=[([1], "request")])[0]
    for turn in range(times):
        message = story.reroute(1 + turn % 2, message, 2 - turn % 2)
    story.decide(3, read=[message], say=[([0], "done")])
    hits = story.hits()
    assert list(hits) == expected
    for hit in hits.get("ER", []):
        assert hit.agents == (1, 2)
        assert len(hit.evidence) == 1 + times


def test_a_message_that_is_passed_on_stays_one_event() -> None:
    story = Story()
    message = story.decide(0, say=[([1], "request")])[0]
    passed = story.reroute(1, message, 2)
    story.decide(2, read=[passed])
    story.pass_time()
    trace = story.trace()
    items = list(work_items(trace).values())
    assert [(item.copies, item.rerouted[0][0], item.consumed_t) for item in items] == [([0, 1], 1, 0.0)]
    assert interaction_graph(trace).nodes["m1"]["origin"] == "m0"
    assert "OE" not in story.hits()


def test_a_message_like_one_passed_on_but_not_written_right_after_it_is_new() -> None:
    story = Story()
    message = story.decide(0, say=[([1], "request")])[0]
    story.reroute(1, message, 2)
    story.decide(1, say=[([2], "request")])
    assert [one.origin for one in exchange(story.trace()).said] == [0, 0, 2]


# Putting parts together ------------------------------------------------------------------------------------------


def map_reduce(story: Story, reducer: int = 0) -> None:
    tasks = story.decide(0, say=[([1], "request"), ([2], "request"), ([3], "request")])
    results = [story.decide(k, [tasks[k - 1]], [([reducer], "inform")], work=True)[0] for k in (1, 2, 3)]
    story.decide(reducer, results, [("*", "done")], work=False)


def test_plain_map_reduce_is_sound() -> None:
    story = Story()
    map_reduce(story)
    story.pass_time(3 * WINDOW)
    assert story.hits() == {}


def test_a_broadcast_that_three_use_is_sound() -> None:
    story = Story()
    for act in ("request", "commit"):
        message = story.decide(0, say=[("*", act)])
        for agent in (1, 2, 3):
            story.decide(agent, message, say=[([0], "ack")])
    story.decide(0, say=[("*", "done")])
    story.pass_time()
    assert story.hits() == {}


def test_fan_out_after_fan_out_from_a_common_root_is_one_lineage() -> None:
    story = Story(7)
    first = story.decide(0, say=[([1], "request"), ([2], "request")])
    second = [story.decide(k + 1, [first[k]], [([3 + 2 * k], "request"), ([4 + 2 * k], "request")]) for k in (0, 1)]
    leaves = [*second[0], *second[1]]
    results = [story.decide(3 + k, [leaf], [([0], "inform")], work=True)[0] for k, leaf in enumerate(leaves)]
    story.decide(0, results, [("*", "done")])
    assert story.hits() == {}
    assert len(set(roots(story.trace()))) == 1


def test_parts_of_two_roots_put_together_are_crossed_lineages() -> None:
    story = Story()
    one = story.decide(1, say=[([0], "inform")], work=True)
    other = story.decide(2, say=[([0], "inform")], work=True)
    story.decide(0, [*one, *other], [([3], "done")])
    hits = story.hits()
    assert list(hits) == ["CLA"]
    assert hits["CLA"][0].agents == (0,)
    assert hits["CLA"][0].evidence[:2] == seqs(story, *one, *other)


@pytest.mark.parametrize(
    ("act", "say"), [("inform", []), ("commit", [([3], "done")]), ("inform", [([3], "inform"), ([1], "inform")])]
)
def test_only_parts_that_become_fewer_are_put_together(act: str, say: list[tuple[To, str]]) -> None:
    # Nothing comes of them; promises, which are told to be heard; as many out as in.
    story = Story()
    sent = [story.decide(agent, say=[([0], act)], work=True)[0] for agent in (1, 2)]
    story.decide(0, sent, say)
    assert story.hits() == {}


def test_two_who_put_the_same_parts_together_repeat_each_other() -> None:
    story = Story()
    tasks = story.decide(0, say=[([2], "request"), ([3], "request")])
    parts = [story.decide(k, [task], [([0, 1], "inform")], work=True)[0] for k, task in ((2, tasks[0]), (3, tasks[1]))]
    for reducer in (0, 1):
        story.decide(reducer, parts, [([2], "done")])
    hits = story.hits()
    assert list(hits) == ["RSP"]
    assert [hit.agents for hit in hits["RSP"]] == [(0, 1), (0, 1)]


def test_who_listens_first_and_decides_then_goes_on_with_what_it_heard() -> None:
    story = Story()
    root = story.decide(0, say=[([1, 2], "request")])
    parts = []
    for agent in (1, 2):
        story.decide(agent, root, outcome="listen")
        parts += story.decide(agent, say=[([3], "inform")], work=True)
    story.decide(3, parts, [("*", "done")])
    assert story.hits() == {}
    assert fruitful(story.trace()) == [True, True, True, False]


# The graph -------------------------------------------------------------------------------------------------------


def test_the_graph_shows_every_handling() -> None:
    story = Story()
    asked = story.decide(0, say=[([1, 2, 3], "request")], outcome="listen")
    story.react(1, "wait", asked)
    story.end_decision(1, [])
    story.decide(1, asked, say=[([0], "ack")], outcome="plan", task="block")
    story.react(2, "discard", asked)
    story.end_decision(2, [], "resume")
    story.decide(0, outcome="plan", task="block")
    story.pass_time(1, progress=0.5)
    story.write(Task(task="block", event="delivered", value=1.0, agents=[1]))
    story.react(3, "unread", asked, late=True)
    graph = interaction_graph(story.trace())
    edges = {(a, b): data.get("label", data["relation"]) for a, b, data in graph.edges(data=True)}
    assert edges == {
        ("a0", "m0"): "generation", ("m0", "a1"): "wait", ("m0", "a2"): "consume", ("a2", "m1"): "generation",
        ("m0", "a3"): "discard", ("a0", "note0"): "generation", ("note0", "a4"): "consume",
        ("a2", "task0"): "generation", ("m0", "inbox3"): "unread",
    }  # fmt: skip
    assert graph.nodes["m0"] == {
        "bipartite": 1, "kind": "request", "agent": 0, "t": 0, "c": 0, "task": "", "work": True, "origin": "m0",
        "lost": 0,
    }  # fmt: skip
    assert graph.nodes["a2"] == {
        "bipartite": 0, "kind": "plan", "agent": 1, "t": 0, "c": 0, "task": "block", "work": True
    }  # fmt: skip
    assert fruitful(story.trace()) == [True, False]


@pytest.mark.parametrize("topology", ["centralized", "decentralized", "debate"])
def test_the_graph_of_an_episode_is_bipartite_acyclic_and_complete(tmp_path: Path, topology: str) -> None:
    path = tmp_path / "trace.jsonl"
    channel = {"loss": 0.2, "delay": 1}
    made = emcoop.run_episode(
        "Cube-v0", n_agents=4, planner="team", topology=topology, max_steps=40, trace=path, channel=channel
    )
    trace = emcoop.read_trace(path)
    graph = interaction_graph(trace)
    sides = networkx.get_node_attributes(graph, "bipartite")
    assert all({sides[a], sides[b]} == {0, 1} for a, b in graph.edges)
    assert networkx.is_directed_acyclic_graph(graph)
    assert trace.end is not None
    labels = [data.get("label") for _, _, data in graph.edges(data=True)]
    notes = sum(kind == "note" for kind in networkx.get_node_attributes(graph, "kind").values())
    assert labels.count("consume") - notes == trace.end.counters["consume"]
    assert sum(data.get("lost", 0) for _, data in graph.nodes(data=True)) == sum(
        trace.end.counters.get(fate, 0) for fate in ("dropped", "expired")
    )
    assert made.status == "completed"


def test_lineage_agrees_with_paths_in_the_graph(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    emcoop.run_episode("MACrafter-v0", n_agents=5, planner="team", topology="tree", max_steps=40, trace=path)
    trace = emcoop.read_trace(path)
    graph = interaction_graph(trace)
    graph.remove_edges_from(
        [(a, b) for a, b, data in graph.edges(data=True) if data.get("label", "consume") != "consume"]
    )
    led = set()
    for node, kind in graph.nodes(data="kind"):
        if kind == "task":
            led |= networkx.ancestors(graph, node)
    assert [f"m{one.record.id}" in led for one in exchange(trace).said] == fruitful(trace)
    shares = roots(trace)
    ancestors = [networkx.ancestors(graph, f"m{one.record.id}") for one in exchange(trace).said]
    for i, j in itertools.combinations(range(len(shares)), 2):
        assert bool(shares[i] & shares[j]) == bool(ancestors[i] & ancestors[j])


def test_other_thresholds_find_other_things() -> None:
    story = Story()
    story.decide(0, say=[([], "request")])
    story.pass_time(3)
    assert story.hits() == {}
    assert len(find_patterns(story.trace(), Thresholds(steps=3))["OE"]) == 1
