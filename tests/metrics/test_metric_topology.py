"""Hand-computed values of the metrics of messages, lineage and topology, and what holds for any log."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import emcoop
from emcoop.cognitive_layer.topologies import make_topology
from emcoop.metrics import dialogue, lineage, topology
from emcoop.metrics.exchange import LABELS
from emcoop.metrics.interaction_graph import interaction_graph, patterns
from emcoop.metrics.permitted import permitted_edges
from emcoop.metrics.registry import Metric
from emcoop.metrics.topology import DENSE, radius
from emcoop.trace import Trace, TraceWriter
from emcoop.trace.schema import (
    SCHEMA,
    Action,
    Activation,
    Claim,
    Episode,
    Event,
    Message,
    Plan,
    Reaction,
    Round,
    Run,
    Stage,
    Step,
    Task,
    Transport,
)

METRICS: dict[str, Metric] = {
    name: one for module in (dialogue, lineage, topology) for name, one in vars(module).items()
    if isinstance(one, Metric)
}  # fmt: skip


def trace(*events: Event, n: int = 4, permitted: int = -1) -> Trace:
    head: list[Event] = [
        Run(schema=SCHEMA, emcoop="1", config_hash=""),
        Episode(
            env_id="E", env_kwargs={}, n_agents=n, max_steps=99, seed=0, planners=[], topology={}, permitted=permitted
        ),
    ]
    return Trace(head + list(events))


def value(name: str, made: Trace) -> float:
    return METRICS[name](made)


def sent(number: int, sender: int, to: list[int] | str, t: int = 0, act: str = "free", **fields: object) -> Message:
    work = act in ("request", "commit")
    return Message(t=t, id=number, sender=sender, recipients=to, act=act, work=work, **fields)  # type: ignore[arg-type]


def arrived(number: int, to: list[int] | str, c: int = 0, count: int = 0, outcome: str = "delivered") -> Transport:
    return Transport(c=c, message=number, recipients=to, outcome=outcome, count=count or len(to))


def read(agent: int, *messages: int, c: int = 0, t: int = 0, label: str = "consume", activation: int = -1) -> Reaction:
    return Reaction(t=t, c=c, agent=agent, activation=activation, label=label, messages=list(messages))


def decided(number: int, agent: int, *messages: int, c: int = 0, started: int = 0, outcome: str = "plan") -> Activation:
    return Activation(c=c, id=number, agent=agent, started=started, outcome=outcome, messages=list(messages))


def talk(*edges: tuple[int, int], n: int = 4, permitted: int = -1) -> Trace:
    """One message per edge, delivered."""
    events: list[Event] = []
    for number, (a, b) in enumerate(edges):
        events += [sent(number, a, [b]), arrived(number, [b])]
    return trace(*events, n=n, permitted=permitted)


def mesh(n: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(n) for b in range(n) if a != b]


def star(n: int) -> list[tuple[int, int]]:
    return [edge for leaf in range(1, n) for edge in ((0, leaf), (leaf, 0))]


def ring(n: int) -> list[tuple[int, int]]:
    return [(a, (a + 1) % n) for a in range(n)]


def chain(n: int) -> list[tuple[int, int]]:
    return ring(n)[:-1]


def both(edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return edges + [(b, a) for a, b in edges]


# Shape -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_spectral_radius_of_known_shapes(n: int) -> None:
    rho = METRICS["spectral_radius"]
    assert rho(talk(*star(n), n=n)) == pytest.approx(math.sqrt(n - 1))
    assert rho(talk(*mesh(n), n=n)) == pytest.approx(n - 1)
    assert rho(talk(*chain(n), n=n)) == 0.0
    assert rho(talk(*ring(n), n=n)) == pytest.approx(1.0)
    assert rho(talk((0, 0), *chain(n), n=n)) == 0.0  # no self-loops


@pytest.mark.parametrize(("n", "expected"), [(3, 1.41), (5, 1.73), (10, 1.92)])
def test_spectral_radius_of_a_chain_both_ways(n: int, expected: float) -> None:
    assert value("spectral_radius", talk(*both(chain(n)), n=n)) == pytest.approx(expected, abs=0.005)


def test_spectral_radius_is_that_of_the_strongest_part_and_how_often_they_talk_does_not_matter() -> None:
    parts = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (3, 5), (5, 3), (4, 5), (5, 4)]
    assert value("spectral_radius", talk(*parts, n=6)) == pytest.approx(2.0)
    assert value("spectral_radius", talk(*parts, *parts, n=6)) == pytest.approx(2.0)
    assert value("spectral_radius", talk()) == 0.0


@pytest.mark.parametrize("shape", [mesh, star, ring])
def test_large_and_small_teams_take_different_ways_to_the_same_radius(shape) -> None:  # type: ignore[no-untyped-def]
    n = DENSE + 1
    matrix = np.zeros((n, n), bool)
    rows, columns = zip(*shape(n), strict=True)
    matrix[list(rows), list(columns)] = True
    assert radius(matrix) == pytest.approx({"mesh": n - 1, "star": math.sqrt(n - 1), "ring": 1.0}[shape.__name__])


def test_hub_concentration() -> None:
    assert value("hub_concentration", talk((0, 1), (0, 2), (0, 3))) == 1.0
    assert value("hub_concentration", talk(*star(4))) == pytest.approx(6 / 9)
    assert value("hub_concentration", talk(*mesh(4))) == 0.0
    assert value("hub_concentration", talk(*ring(4))) == 0.0
    assert math.isnan(value("hub_concentration", talk()))
    assert math.isnan(value("hub_concentration", talk(n=1)))


def test_reciprocity() -> None:
    assert value("reciprocity", talk((0, 1), (1, 0), (1, 2))) == pytest.approx(2 / 3)
    assert value("reciprocity", talk(*chain(4))) == 0.0
    assert math.isnan(value("reciprocity", talk()))


def test_a_broadcast_reaches_whoever_handled_it_and_a_lost_copy_nobody() -> None:
    made = trace(
        sent(0, 0, "*"), arrived(0, "*", count=2), read(1, 0), read(2, 0, label="unread"),
        sent(1, 3, [0]), arrived(1, [0], outcome="dropped"),
    )  # fmt: skip
    assert topology.reached(made).tolist() == [[False, True, True], [False] * 3, [False] * 3]


SPECS = [
    {"name": "individual"}, {"name": "centralized"}, {"name": "centralized", "leader": 1}, {"name": "debate"},
    {"name": "decentralized"}, {"name": "hybrid"}, {"name": "hybrid", "peers": 0}, {"name": "hybrid", "peers": 3},
    {"name": "tree"}, {"name": "tree", "b": 3}, {"name": "ring"}, {"name": "ring", "both_ways": False},
    {"name": "star"}, {"name": "grid"}, {"name": "grid", "columns": 1}, {"name": "grid", "columns": 3},
    {"name": "graph", "edges": [[0, 1], [1, 0]]}, {"name": "graph", "edges": [[0, 1]], "directed": True},
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_permitted_edges_are_those_of_the_topology(spec: dict[str, object]) -> None:
    for n in (2, 5):
        built = make_topology(spec, n)[0]
        episode = emcoop.run_episode("Cube-v0", n_agents=n, planner="greedy", topology=spec, max_steps=1)
        real = sum(len(built.reachable(agent)) for agent in range(n))
        assert permitted_edges(Trace(list(episode.events))) == real, n


def test_permitted_edges_are_not_guessed_where_they_change() -> None:
    radio = emcoop.run_episode("Cube-v0", n_agents=3, topology={"name": "range", "r": 4}, max_steps=1)
    assert math.isnan(permitted_edges(Trace(list(radio.events))))
    assert math.isnan(value("topology_use", talk((0, 1))))


def test_topology_use() -> None:
    assert value("topology_use", talk(*star(4), permitted=6)) == 1.0
    assert value("topology_use", talk((0, 1), (0, 1), (1, 2), permitted=12)) == pytest.approx(2 / 12)
    assert value("topology_use", talk(permitted=12)) == 0.0
    assert math.isnan(value("topology_use", talk(permitted=0)))
    assert math.isnan(value("topology_use", talk()))


def test_straggler_gap_and_barrier_waste() -> None:
    made = trace(
        Round(reason=3, wait=1), Round(execute=2, wait=1, interrupt=1),
        decided(0, 0, started=1, c=1), decided(1, 1, started=1, c=3), decided(2, 1, started=4, c=4),
    )  # fmt: skip
    assert value("straggler_gap", made) == pytest.approx((4 - 2.5) / 2.5)
    assert value("barrier_waste", made) == 2 / 8
    assert math.isnan(value("straggler_gap", trace()))
    assert math.isnan(value("barrier_waste", trace()))


def test_handling_imbalance_counts_what_was_done_with() -> None:
    made = trace(
        *(sent(k, 0, [1]) for k in range(4)),
        read(1, 0, 1, label="wait"), read(1, 0), read(1, 1, label="discard"), read(0, 2), read(2, 3, label="unread"),
        n=3,
    )  # fmt: skip
    assert value("handling_imbalance", made) == pytest.approx(4 / 9)
    assert math.isnan(value("handling_imbalance", trace()))


# What became of messages -----------------------------------------------------------------------------------------


def test_shares_of_handlings_add_up() -> None:
    made = trace(
        *(sent(k, 0, [1]) for k in range(5)), read(1, 0, 1), read(1, 2, label="wait"), read(1, 3, label="discard"),
        read(1, 2, label="reroute"), read(1, 4, label="unread"),
    )  # fmt: skip
    shares = [value(f"{label}_share", made) for label in ("consumed", "waiting", "discarded", "rerouted", "unread")]
    assert shares == [pytest.approx(share / 6) for share in (2, 1, 1, 1, 1)]
    assert math.isnan(value("consumed_share", trace()))


def test_message_density_counts_messages_that_reached_somebody() -> None:
    made = trace(
        sent(0, 0, "*"), arrived(0, "*", count=3), decided(0, 0, 0), sent(1, 1, [0]),
        arrived(1, [0], outcome="dropped"), decided(1, 1, 1), decided(2, 2), decided(3, 2, outcome="forced"),
    )  # fmt: skip
    assert value("message_density", made) == pytest.approx(1 / 3)
    assert math.isnan(value("message_density", trace()))


def test_age_in_steps_and_sojourn_in_rounds() -> None:
    made = trace(
        sent(0, 0, "*", t=1), sent(1, 0, [1], t=2),
        arrived(0, [1], c=4), arrived(0, [2], c=6), arrived(1, [1], c=5),
        read(1, 0, t=3, c=7), read(2, 0, t=5, c=7), read(1, 1, t=2, c=5),
    )  # fmt: skip
    assert value("message_age", made) == pytest.approx((2 + 4 + 0) / 3)
    assert value("sojourn_median", made) == 1.0  # of 3, 1, 0
    assert value("sojourn_p90", made) == pytest.approx(np.percentile([3, 1, 0], 90))
    assert math.isnan(value("sojourn_median", trace()))
    assert math.isnan(value("message_age", trace()))


def claim(message: int, when: str, true: bool, t: int = 0, key: str = "k") -> Claim:
    return Claim(t=t, message=message, key=key, value=1, when=when, true=true)


def test_timeliness_and_grounding() -> None:
    made = trace(
        sent(0, 0, [1, 2, 3]),
        claim(0, "sent", True), claim(0, "sent", True, key="j"), claim(0, "sent", False, key="i"),
        sent(1, 0, [1]), claim(1, "sent", True), sent(2, 0, [1]),
        read(1, 0, 2), claim(0, "read", False, t=4), claim(0, "read", True, t=4, key="j"), read(2, 0, t=4),
        claim(0, "read", False, t=6, key="j"), claim(0, "read", False, t=6), read(3, 0, t=6),
        read(1, 1, t=6, label="discard"),
    )  # fmt: skip
    assert value("timeliness", made) == pytest.approx(3 / 6)
    assert value("grounded_content", made) == 3 / 4
    assert math.isnan(value("timeliness", trace(sent(0, 0, [1]), read(1, 0))))
    assert math.isnan(value("grounded_content", trace()))


def test_addressing_precision() -> None:
    made = trace(
        sent(0, 0, [1, 2, 9]), read(1, 0), read(1, 0), read(2, 0, label="discard"),
        sent(1, 0, "*"), arrived(1, "*", count=2), arrived(1, [3], outcome="dropped"),
        arrived(1, [1], outcome="delayed"), arrived(1, [1]), arrived(1, [1], outcome="duplicated"),
        read(1, 1, 1), read(2, 1),
    )  # fmt: skip
    assert value("addressing_precision", made) == pytest.approx((1 + 2) / (3 + 3))
    assert math.isnan(value("addressing_precision", trace(sent(0, 0, []))))


def promise(number: int, agent: int, task: str, act: str = "commit") -> Message:
    return sent(number, agent, "*", act=act, facts=[("task", task, 0)])


def plan(number: int, agent: int, task: str = "", reason: str = "") -> Plan:
    return Plan(id=number, agent=agent, event="end" if reason else "commit", task=task, reason=reason)


def test_commitment_keeping() -> None:
    made = trace(
        plan(9, 0, "a"), plan(9, 0, reason="superseded"),  # over before anything is promised
        promise(0, 0, "a"), plan(0, 0, "a"), promise(1, 1, "b", "ack"), plan(1, 1, "b"), promise(2, 2, "a"),
        plan(2, 2, "b"), plan(3, 3, "c"), promise(3, 3, "c"), promise(4, 3, "none"), promise(5, 3, "a", "inform"),
        plan(0, 0, reason="done"), plan(1, 1, reason="failed:no_path"), plan(3, 3, reason="failed:block_gone"),
        promise(6, 0, "b"), plan(6, 0, "b"), plan(6, 0, reason="episode_end"),
    )  # fmt: skip
    assert value("commitment_keeping", made) == pytest.approx(1 / 3)  # kept, failed, no plan; three not judged
    assert math.isnan(value("commitment_keeping", trace(promise(0, 0, "none"))))


def test_a_commitment_without_a_task_is_about_the_plan_beside_it() -> None:
    made = trace(sent(0, 0, "*", act="commit"), decided(0, 0, 0), plan(0, 0, "a"), plan(0, 0, reason="done"))
    assert value("commitment_keeping", made) == 1.0


def test_interruption_cost() -> None:
    made = trace(
        sent(0, 0, "*"), sent(1, 0, "*"),
        Stage(c=2, agents=[1, 2], before="X", after="I", cause="message"),
        Stage(c=2, agents=[1], before="I", after="W", cause="resume"),
        Stage(c=3, agents=[3], before="X", after="I", cause="notice"),
        Stage(c=4, agents=[2, 3], before="I", after="W", cause="replan"),
        Stage(c=5, agents=[1], before="W", after="I", cause="message"),
    )  # fmt: skip
    assert value("interruption_cost", made) == (1 + 3) / 2
    assert math.isnan(value("interruption_cost", trace()))


def calls(*rows: tuple[int, int, int, str, str]) -> Action:
    agents, plans, numbers, concepts, outcomes = (list(column) for column in zip(*rows, strict=True))
    return Action(agents=agents, plans=plans, calls=numbers, concepts=concepts, outcomes=outcomes)


def test_duplicate_work_and_error_recovery() -> None:
    push = ("push", {"block": 1, "side": [1, 2]})
    made = trace(
        Plan(id=0, agent=0, event="commit", calls=[push, ("wait", {})]),
        Plan(id=1, agent=1, event="commit", calls=[("push", {"side": [1, 2], "block": 1}), ("wait", {"steps": 2})]),
        calls((0, 0, 0, "push", "start"), (1, 1, 0, "push", "start"), (0, 0, 1, "wait", "start")),
        calls((0, 0, 0, "push", "failed:x"), (1, 1, 0, "push", "failed:x"), (1, 1, 1, "wait", "failed:y")),
        calls((0, 5, 0, "push", "done"), (1, 5, 0, "wait", "start"), (0, 5, 9, "wait", "start")),
    )  # fmt: skip
    assert value("duplicate_work", made) == pytest.approx(1 / 2)
    assert value("error_recovery", made) == pytest.approx(1 / 3)
    assert math.isnan(value("duplicate_work", trace()))
    assert math.isnan(value("error_recovery", trace()))


# Lineage ---------------------------------------------------------------------------------------------------------


def chained() -> Trace:
    """0 asks 1 and 2; 1 asks 3, who finishes the task; 2 answers in vain, 0 asks nobody."""
    return trace(
        sent(0, 0, [1], act="request"), sent(1, 0, [2], act="request"), decided(0, 0, 0, 1),
        read(1, 0, activation=1), sent(2, 1, [3], act="request"), decided(1, 1, 2),
        read(2, 1, activation=2), sent(3, 2, [0], act="inform"), decided(2, 2, 3),
        read(3, 2, activation=3), decided(3, 3), plan(0, 3, "a"),
        sent(4, 0, [], act="request"), decided(4, 0, 4),
        Task(t=1, task="a", event="delivered", agents=[3]), Task(t=1, task="b", event="stuck"),
        Step(t=40, actions=[], reward=0.0, state_hash="", configuration_hash="", progress=0.5),
    )  # fmt: skip


def test_lineage_of_a_chain() -> None:
    made = chained()
    assert value("work_coverage", made) == 2 / 4
    assert value("root_coverage", made) == 1 / 3
    assert value("orphan_rate", made) == 1 / 4
    assert value("branching", made) == 4 / 3
    assert value("critical_path", made) == 3.0
    assert value("parallelism", made) == 5 / 3
    assert value("repeated_handling", made) == 0.0
    assert value("reroute_depth", made) == 0.0


def test_an_agent_alone_thinks_one_decision_after_the_other() -> None:
    made = trace(*(decided(k, k % 2) for k in range(6)), n=2)
    assert value("critical_path", made) == 1.0
    assert value("parallelism", made) == 2.0


def test_reroute_depth_counts_agents_not_times() -> None:
    events: list[Event] = [sent(0, 0, [1], act="request"), sent(1, 0, [1])]
    for number, (agent, to) in enumerate([(1, 2), (2, 1), (1, 3)]):
        message = 0 if not number else number + 1
        reroute = Reaction(agent=agent, activation=number, label="reroute", messages=[message], to=[to])
        events += [reroute, sent(number + 2, agent, [to], act="request"), decided(number, agent, number + 2)]
    made = trace(*events, read(3, 4, activation=3), decided(3, 3))
    assert value("reroute_depth", made) == 2.0
    assert value("reroute_depth_mean", made) == 1.0
    assert value("branching", made) == 1.0


def test_nothing_said_is_not_applicable() -> None:
    made = trace(decided(0, 0))
    for name in (
        "work_coverage", "root_coverage", "orphan_rate", "reroute_depth", "reroute_depth_mean", "branching",
        "repeated_handling",
    ):  # fmt: skip
        assert math.isnan(value(name, made)), name
    assert math.isnan(value("critical_path", trace()))
    assert math.isnan(value("parallelism", trace()))


# Any log ---------------------------------------------------------------------------------------------------------

SMALL = st.integers(-1, 6)


@st.composite
def talks(draw: st.DrawFn) -> Trace:
    """Draw a log of messages that is valid record by record, sensible or not."""
    n = draw(st.integers(1, 4))
    agents = st.integers(0, n - 1)
    anybody = st.lists(st.integers(0, n - 1), max_size=3, unique=True)
    recipients = st.one_of(st.just("*"), anybody)
    acts, labels = (
        st.sampled_from(["request", "commit", "inform", "done", "ack"]),
        ["consume", "consume", *LABELS, "odd"],
    )
    outcomes = st.sampled_from(["delivered", "delivered", "dropped", "duplicated", "no_such_agent", "delayed"])
    t = 0
    writer = TraceWriter()
    permitted = draw(st.integers(-1, 12))
    for event in trace(n=n, permitted=permitted).events:
        writer.write(event)
    for _ in range(draw(st.integers(0, 40))):
        t += draw(st.integers(0, 4))
        kind = draw(st.integers(0, 8))
        event: Event = [
            lambda: Message(id=draw(SMALL), sender=draw(agents), recipients=draw(recipients), act=draw(acts),
                            facts=[("task", draw(st.sampled_from(["a", "b", 3])), 0)], work=draw(st.booleans())),
            lambda: Transport(message=draw(SMALL), recipients=draw(recipients), outcome=draw(outcomes), count=1),
            lambda: Reaction(agent=draw(agents), activation=draw(SMALL), label=draw(st.sampled_from(labels)),
                             messages=draw(st.lists(SMALL, max_size=4)), to=draw(anybody)),
            lambda: Activation(id=draw(SMALL), agent=draw(agents), started=draw(SMALL),
                               outcome=draw(st.sampled_from(["plan", "listen", "resume", "forced"])),
                               messages=draw(st.lists(SMALL, max_size=4))),
            lambda: Plan(id=draw(SMALL), agent=draw(agents), event=draw(st.sampled_from(["commit", "end"])),
                         task=draw(st.sampled_from(["a", ""])), reason=draw(st.sampled_from(["done", "superseded"]))),
            lambda: Task(task="a", event="delivered", agents=draw(anybody)),
            lambda: Claim(message=draw(SMALL), key="task", value=1, when=draw(st.sampled_from(["sent", "read"])),
                          true=draw(st.booleans())),
            lambda: Stage(agents=draw(anybody), before="I", after="I", cause="message"),
            lambda: Step(actions=[], reward=0.0, state_hash="", configuration_hash="",
                         progress=draw(st.sampled_from([0.0, 0.5, 1.0]))),
        ][kind]()  # fmt: skip
        event.t = event.c = t
        writer.write(event)
    return Trace(writer.events)


quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def renamed(made: Trace, names: list[int]) -> Trace:
    def rename(event: Event) -> Event:
        fields = msgspec.structs.asdict(event)
        for field in ("agent", "sender"):
            if field in fields:
                fields[field] = names[fields[field]]
        for field in ("agents", "recipients", "to"):
            if isinstance(fields.get(field), list):
                fields[field] = [names[agent] for agent in fields[field]]
        return type(event)(**fields)

    return Trace([rename(event) for event in made.events])


@given(talks())
@quick
def test_every_value_lies_in_its_range_and_nothing_raises(made: Trace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = {name: one(made) for name, one in METRICS.items()}
        patterns(made)
    interaction_graph(made)
    for name, found in values.items():
        low, high = METRICS[name].range
        assert math.isnan(found) or low <= found <= high, (name, found)


@given(talks(), st.data())
@quick
def test_renaming_the_agents_changes_nothing(made: Trace, data: st.DataObject) -> None:
    names = data.draw(st.permutations(range(made.episode.n_agents)))
    other = renamed(made, names)
    assert {name: str(one(made)) for name, one in METRICS.items()} == {
        name: str(one(other)) for name, one in METRICS.items()
    }
    for name, hits in patterns(made).items():
        mapped = [replace(hit, agents=tuple(sorted(names[agent] for agent in hit.agents))) for hit in hits]
        assert mapped == patterns(other)[name], name


def test_symbols_are_unique_and_every_metric_says_what_it_is() -> None:
    assert len({one.symbol for one in METRICS.values()}) == len(METRICS)
    for one in METRICS.values():
        assert one.description.endswith("."), one.name


@pytest.mark.parametrize("name", ["decentralized", "centralized", "hybrid"])
def test_a_real_episode_uses_the_edges_it_may(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.jsonl"
    emcoop.run_episode("Cube-v0", n_agents=5, planner="team", topology=name, max_steps=30, trace=path)
    made = emcoop.read_trace(path)
    assert 0 < value("topology_use", made) <= 1
    assert value("orphan_rate", made) == 0.0
    assert value("consumed_share", made) + value("unread_share", made) == pytest.approx(1.0)
    assert 1 <= value("parallelism", made) <= 5
