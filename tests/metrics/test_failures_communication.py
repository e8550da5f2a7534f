"""Failures of communication: a golden hit and a near miss per rule, and the cases every graph of messages meets."""

from __future__ import annotations

import pytest
from failure_traces import check_prefixes
from talk_traces import (
    SHORT,
    at,
    check_names,
    claim,
    decided,
    episode,
    find,
    over,
    plan,
    read,
    sent,
    steps,
    talk,
    tally,
    went,
)

from emcoop.cognitive_layer.topologies import make_topology
from emcoop.metrics.failures.communication import RULES
from emcoop.metrics.failures.mail import reach
from emcoop.metrics.failures.rule import NOT_APPLICABLE
from emcoop.metrics.failures.thresholds import Thresholds, thresholds_for
from emcoop.trace import Trace
from emcoop.trace.schema import Event, Message

IDS = [rule.id for rule in RULES]


def hits(trace: Trace) -> list[str]:
    return [rule.id for rule in RULES if rule.find(trace, SHORT).hits]


def later(*rounds: int) -> list[Event]:
    return [event for c in rounds for event in at(0, c)]


# The cases of the interaction graph --------------------------------------------------------------------------------


def test_a_message_to_an_agent_that_does_not_exist_is_dropped_and_orphaned() -> None:
    trace = talk(at(0, 1, sent(0, 0, [7]), went(0, 7, outcome="no_such_agent"), decided(0, 0)), later(2, 3))
    (drop,), (orphan,) = find(RULES, "C1", trace).hits, find(RULES, "C2", trace).hits
    assert (drop.agents, drop.note, drop.evidence) == ((0,), "no such agent", (3, 4))
    assert (orphan.agents, orphan.note) == ((0,), "lost: no such agent")
    assert hits(trace) == ["C1", "C2"]


def test_a_message_without_recipients_is_an_orphan_from_the_start() -> None:
    trace = talk(at(0, 1, sent(0, 0, [])), later(2, 3))
    assert [hit.note for hit in find(RULES, "C2", trace).hits] == ["no recipients"]
    assert hits(trace) == ["C2"]


def test_a_message_delivered_and_never_read_starves_and_is_no_orphan() -> None:
    trace = talk(
        at(0, 1, sent(0, 0, [1])),
        at(0, 2, went(0, 1), decided(0, 1, "forced", started=2)),
        at(0, 3, decided(1, 1, "forced", started=3)),
        at(0, 4, read(1, -1, 0, label="unread")),
    )
    (hit,) = find(RULES, "C3", trace).hits
    assert (hit.agents, hit.evidence) == ((0, 1), (3, 5, 8))
    assert hits(trace) == ["C3"]


def test_a_decision_that_used_one_of_two_parts_leaves_the_other_starving() -> None:
    trace = talk(
        at(0, 1, sent(0, 0, [2], task="a"), sent(1, 1, [2], task="a")),
        at(0, 2, went(0, 2), went(1, 2), read(2, 0, 0), decided(0, 2, started=2)),
        at(0, 3, decided(1, 2, started=3)),
    )
    assert [hit.evidence[0] for hit in find(RULES, "C3", trace).hits] == [4]


def test_a_broadcast_to_three_that_all_read_is_no_failure() -> None:
    trace = talk(
        at(0, 1, sent(0, 0, act="commit", task="a"), decided(0, 0, messages=[0])),
        at(0, 2, went(0, 1, 2, 3), *(read(k, k, 0) for k in (1, 2, 3)), *(decided(k, k) for k in (1, 2, 3))),
        later(3, 4, 5),
        n=4,
    )
    assert hits(trace) == []
    assert tally(RULES, "C1", trace) == (0, 3)


def relayed(*roots: int) -> Trace:
    """Two requests, made from the messages `roots`, reach agent 0, which asks agent 1 for one thing."""
    first = [sent(0, 0, [1, 2], act="inform"), sent(1, 0, [1, 2], act="inform"), decided(0, 0, messages=[0, 1])]
    fan = [went(0, 1, 2), went(1, 1, 2), read(1, 1, roots[0]), sent(2, 1, [0], task="a"), decided(1, 1, messages=[2])]
    fan += [read(2, 2, roots[1]), sent(3, 2, [0], task="b"), decided(2, 2, messages=[3])]
    merge = [went(2, 0), went(3, 0), read(0, 3, 2, 3), sent(4, 0, [1], task="c"), decided(3, 0, messages=[4])]
    return talk(at(0, 1, *first), at(0, 2, *fan), at(0, 3, *merge))


def test_map_and_reduce_from_one_root_is_a_merge_and_no_failure() -> None:
    assert tally(RULES, "C10", relayed(0, 0)) == (0, 1)


def test_merging_two_lineages_is_found() -> None:
    (hit,) = find(RULES, "C10", relayed(0, 1)).hits
    assert hit.agents == (0,)
    assert len(hit.evidence) == 3


def test_fan_out_after_fan_out_from_a_common_root_is_no_merge_of_lineages() -> None:
    trace = talk(
        at(0, 1, sent(0, 0, [1]), decided(0, 0, messages=[0])),
        at(0, 2, went(0, 1), read(1, 1, 0), sent(1, 1, [2, 3]), decided(1, 1, messages=[1])),
        at(0, 3, went(1, 2, 3), read(2, 2, 1), sent(2, 2, [0]), decided(2, 2, messages=[2])),
        at(0, 3, read(3, 3, 1), sent(3, 3, [0]), decided(3, 3, messages=[3])),
        at(0, 4, went(2, 0), went(3, 0), read(0, 4, 2, 3), sent(4, 0, [1]), decided(4, 0, messages=[4])),
        n=4,
    )
    assert tally(RULES, "C10", trace) == (0, 1)


def test_a_merge_about_one_task_has_a_common_goal() -> None:
    joined = [sent(k, k, [2], task="a") for k in (0, 1)]
    merge = [went(0, 2), went(1, 2), read(2, 2, 0, 1), sent(2, 2, [0], task="a"), decided(2, 2, messages=[2])]
    trace = talk(at(0, 1, *joined), at(0, 2, *merge), at(0, 3, plan(0, 0, "a")))
    assert tally(RULES, "C10", trace) == (0, 1)


def ping_pong(reroutes: int, read_at: int = 99, act: str = "request") -> Trace:
    """Agents 0 and 1 pass a request to and fro."""
    events = at(0, 1, sent(0, 2, [0], act))
    for k in range(reroutes):
        me, other = k % 2, (k + 1) % 2
        label = [read(me, k, k)] if k == read_at else [read(me, k, k, label="reroute", to=[other])]
        passed = [] if k == read_at else [sent(k + 1, me, [other], act)]
        events += at(0, k + 2, went(k, me), *label, *passed, decided(k, me, messages=[k + 1] if passed else []))
        if k == read_at:
            break
    return talk(events)


def test_a_ping_pong_of_reroutes_is_found_at_the_third() -> None:
    (hit,) = find(RULES, "C8", ping_pong(4)).hits
    assert hit.agents == (0, 1)
    assert len(hit.evidence) == 1 + 3


def test_two_reroutes_or_one_that_is_read_in_time_are_not_too_many() -> None:
    assert tally(RULES, "C8", ping_pong(2)) == (0, 1)
    assert tally(RULES, "C8", ping_pong(9, read_at=2)) == (0, 1)
    assert tally(RULES, "C8", ping_pong(4, act="inform")) == (0, 0)


def test_what_is_passed_on_stays_one_piece_of_work_until_its_last_copy_is_gone() -> None:
    rounds = at(0, 1, sent(0, 2, [0])), at(0, 2, went(0, 0), read(0, 0, 0, label="reroute", to=[1]), sent(1, 0, [1]))
    under_way = talk(*rounds, later(3, 4))
    assert tally(RULES, "C2", under_way) == (0, 1)
    assert tally(RULES, "C2", talk(*rounds, at(0, 3, went(1, 1), read(1, 1, 1)), later(4))) == (0, 1)
    thrown = talk(*rounds, at(0, 3, went(1, 1), read(1, 1, 1, label="discard")), later(4))
    assert [hit.note for hit in find(RULES, "C2", thrown).hits] == ["discarded by all"]


# Rule by rule ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["dropped", "out_of_range", "expired", "muted", "not_permitted", "over_budget"])
def test_c1_counts_every_lost_copy_and_tags_what_was_injected(outcome: str) -> None:
    trace = talk(at(0, 1, sent(0, 0, [1, 2]), went(0, 1, outcome=outcome), went(0, 2)))
    finding = find(RULES, "C1", trace)
    assert (len(finding.hits), finding.opportunities) == (1, 2)
    assert finding.hits[0].agents == (0, 1)
    assert finding.hits[0].note.startswith("injected") == (outcome in ("dropped", "muted"))


@pytest.mark.parametrize("outcome", ["delayed", "corrupted", "duplicated"])
def test_c1_leaves_copies_alone_that_still_arrive(outcome: str) -> None:
    trace = talk(at(0, 1, sent(0, 0, [1]), went(0, 1, outcome=outcome)), at(0, 2, went(0, 1)))
    assert tally(RULES, "C1", trace) == (0, 1)


def test_c1_counts_copies_that_somebody_else_got() -> None:
    strayed = talk(at(0, 1, sent(0, 0, [1]), decided(0, 0)), at(0, 2, went(0, 2), read(2, 1, 0), decided(1, 2)))
    (hit,) = find(RULES, "C1", strayed).hits
    assert (hit.agents, hit.note) == ((0, 1), "went to somebody else")
    both = talk(at(0, 1, sent(0, 0, [1])), at(0, 2, went(0, 1), went(0, 2)))
    assert find(RULES, "C1", both).hits == ()
    not_yet = talk(at(0, 1, sent(0, 0, [1, 2])), at(0, 2, went(0, 2)))
    assert find(RULES, "C1", not_yet).hits == ()


def test_c2_is_about_work_that_has_had_time() -> None:
    lost = at(0, 1, sent(0, 0, [1]), went(0, 1, outcome="dropped"))
    assert tally(RULES, "C2", talk(lost, later(2))) == (0, 1)
    assert tally(RULES, "C2", talk(lost, later(2, 3))) == (1, 1)
    chatter = at(0, 1, sent(0, 0, [1], "inform"), went(0, 1, outcome="dropped"))
    assert tally(RULES, "C2", talk(chatter, later(2, 3))) == (0, 0)


def test_c2_spares_what_one_recipient_keeps_for_later() -> None:
    kept = at(0, 2, went(0, 1, 2), read(1, 0, 0, label="discard"), read(2, 1, 0, label="wait"))
    assert tally(RULES, "C2", talk(at(0, 1, sent(0, 0)), kept, later(3, 4))) == (0, 1)


def test_c3_does_not_blame_a_decision_that_began_before_the_delivery() -> None:
    slow = [decided(k, 1, started=1) for k in (0, 1)]
    trace = talk(at(0, 1, sent(0, 0, [1])), at(0, 2, went(0, 1), slow[0]), at(0, 3, slow[1]))
    assert tally(RULES, "C3", trace) == (0, 1)


def test_c3_spares_who_read_it_in_time_and_who_keeps_it_for_later() -> None:
    for label in ("consume", "wait", "discard"):
        first = at(0, 2, went(0, 1), decided(0, 1, "forced", started=2))
        second = at(0, 3, read(1, 1, 0, label=label), decided(1, 1, started=3))
        assert tally(RULES, "C3", talk(at(0, 1, sent(0, 0, [1])), first, second)) == (0, 1)


def told(value: str, planned: str, true: bool = True, label: str = "consume") -> Trace:
    """Agent 0 says what is in cell k, agent 1 reads that and then plans on `planned`."""
    return talk(
        at(0, 1, sent(0, 0, [1], "inform", k=value), claim(0, "k", value, true)),
        at(0, 2, went(0, 1), read(1, 0, 0, label=label), decided(0, 1, "plan"), plan(0, 1, "t", k=planned)),
    )


@pytest.mark.parametrize("label", ["consume", "discard"])
def test_c4_a_plan_against_a_true_fact_that_was_read(label: str) -> None:
    (hit,) = find(RULES, "C4", told("coal", "iron", label=label)).hits
    assert (hit.agents, hit.task, hit.note) == ((1,), "t", "fact k")


def test_c4_spares_plans_that_agree_and_facts_that_are_false_or_unread() -> None:
    assert tally(RULES, "C4", told("coal", "coal")) == (0, 1)
    assert tally(RULES, "C4", told("coal", "iron", true=False)) == (0, 0)
    assert tally(RULES, "C4", told("coal", "iron", label="wait")) == (0, 0)


def test_c4_knows_what_a_task_rests_on_where_its_name_says_so() -> None:
    def trace(task: str) -> Trace:
        return talk(
            at(0, 1, sent(0, 0, [1], "inform", **{"cell:3,4": "path"}), claim(0, "cell:3,4", "path")),
            at(0, 2, went(0, 1), read(1, 0, 0), decided(0, 1, "plan"), plan(0, 1, task)),
            env_id="MACrafter-v0",
        )

    assert tally(RULES, "C4", trace("iron@3,4")) == (1, 1)
    assert tally(RULES, "C4", trace("iron@3,5")) == (0, 0)


def read_late(true: bool) -> Trace:
    inform = at(0, 1, sent(0, 0, [1], "inform", k=1, j=2), claim(0, "k", 1), claim(0, "j", 2))
    claims = [claim(0, "k", 1, true, "read"), claim(0, "j", 2, True, "read")]
    return talk(inform, steps(0, 3), at(3, 2, went(0, 1), *claims, read(1, 0, 0)))


def test_c5_a_fact_that_changed_between_sending_and_reading() -> None:
    (hit,) = find(RULES, "C5", read_late(False)).hits
    assert (hit.agents, hit.start, hit.end) == ((0, 1), 0, 3)
    assert tally(RULES, "C5", read_late(True)) == (0, 2)


def test_c5_leaves_out_what_was_false_all_along_and_what_is_read_at_once() -> None:
    lie = talk(
        at(0, 1, sent(0, 0, [1], "inform", k=1), claim(0, "k", 1, False)),
        at(2, 2, went(0, 1), claim(0, "k", 1, False, "read"), read(1, 0, 0)),
    )
    assert tally(RULES, "C5", lie) == (0, 1)
    assert tally(RULES, "C5", told("a", "a")) == (0, 1)


def test_c6_tells_the_false_from_the_stale() -> None:
    def trace(observed: int, true: bool) -> Trace:
        return talk(at(5, 1, sent(0, 0, [1], "inform", k=("x", observed)), claim(0, "k", "x", true)))

    assert tally(RULES, "C6", trace(5, False)) == (1, 1)
    assert tally(RULES, "C6", trace(4, False)) == (0, 1)
    assert tally(RULES, "C6", trace(5, True)) == (0, 1)


def kept_back(to: list[int] | str, last: int = 6, topology: str = "decentralized") -> Trace:
    """Agent 0 tells some that the cell is empty; agent 2 follows a plan that rests on there being coal."""
    return talk(
        at(0, 1, plan(0, 2, "t", k="coal")),
        steps(0, 1),
        at(1, 2, sent(0, 0, to, "inform", k="path"), claim(0, "k", "path")),
        steps(2, last),
        at(last, 3, over(0, 2)),
        topology=topology,
    )


def test_c7_who_knows_better_does_not_tell_who_needs_it() -> None:
    (hit,) = find(RULES, "C7", kept_back([1])).hits
    assert (hit.agents, hit.start, hit.end, hit.task) == ((0, 2), 1, 5, "t")


def test_c7_spares_who_told_who_may_not_and_who_had_no_time() -> None:
    assert tally(RULES, "C7", kept_back([1, 2])) == (0, 1)
    assert tally(RULES, "C7", kept_back([1], last=4)) == (0, 1)
    assert tally(RULES, "C7", kept_back([], topology="ring")) == (1, 1)
    line = {"name": "graph", "edges": [[0, 1]]}
    assert tally(RULES, "C7", talk(kept_back([1]).events[2:], topology=line)) == (0, 0)


def test_c9_more_messages_than_the_links_can_take() -> None:
    def trace(messages: int) -> Trace:
        said = at(1, 1, *(sent(k, 0, [1], "inform") for k in range(messages)))
        return talk(steps(0, 1, n=2), said, steps(2, 9, n=2), n=2)

    (hit,) = find(RULES, "C9", trace(7)).hits
    assert (hit.start, hit.end, hit.note) == (0, 3, "7 messages over 2 links")
    assert tally(RULES, "C9", trace(6)) == (0, 2)


def unknown(topology: str = "decentralized", value: object = None, heard: bool = False) -> Trace:
    inform = at(0, 1, sent(0, 0, [1], "inform", k="coal"), claim(0, "k", "coal"))
    took = [went(0, 1), read(1, 0, 0)] if heard else []
    return talk(inform, at(0, 2, *took, plan(0, 1, "t", k=value)), topology=topology)


def test_c11_a_plan_on_something_unknown_that_could_have_been_asked() -> None:
    (hit,) = find(RULES, "C11", unknown()).hits
    assert (hit.agents, hit.evidence) == ((1,), (3, 6))


def test_c11_spares_who_knows_who_was_told_and_who_cannot_ask() -> None:
    assert tally(RULES, "C11", unknown(value="coal")) == (0, 1)
    assert tally(RULES, "C11", unknown(heard=True)) == (0, 1)
    assert tally(RULES, "C11", unknown("debate")) == (0, 1)


# What holds for all ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", ["individual", "decentralized"])
def test_nothing_applies_where_nobody_may_talk(topology: str) -> None:
    trace = talk(steps(0, 9, n=1), n=1, topology=topology)
    assert all(rule.find(trace, SHORT) == NOT_APPLICABLE for rule in RULES)


@pytest.mark.parametrize(
    "topology",
    [
        "individual", "debate", "decentralized", "centralized", "star", "hybrid", "tree", "ring", "grid",
        {"name": "centralized", "leader": 3}, {"name": "star", "hub": 2}, {"name": "hybrid", "leader": 4, "peers": 1},
        {"name": "tree", "b": 3, "leader": 1}, {"name": "ring", "both_ways": False}, {"name": "grid", "columns": 2},
        {"name": "graph", "edges": [[0, 1], [2, 1]]}, {"name": "graph", "edges": [[0, 1], [2, 1]], "directed": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [5, 8])
def test_links_are_those_of_the_topology(topology: str | dict[str, object], n: int) -> None:
    made, described = make_topology(topology, n)
    trace = talk(n=n, topology=described)
    assert [set(made.reachable(agent)) for agent in range(n)] == list(map(set, reach(trace)))


def test_links_of_a_drawn_graph_are_those_that_carried_something() -> None:
    trace = talk(at(0, 1, sent(0, 0, [1], "inform")), at(0, 2, went(0, 1)), topology="random")
    assert list(map(set, reach(trace))) == [{1}, set(), set()]
    assert list(map(len, reach(talk(topology="random")))) == [2, 2, 2]


GOLDEN = {
    "ping": ping_pong(4), "merge": relayed(0, 1), "told": told("coal", "iron"), "late": read_late(False),
    "back": kept_back([1]), "unknown": unknown(),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_renaming_the_agents_of_the_golden_logs_changes_nothing(rule) -> None:  # type: ignore[no-untyped-def]
    for trace in GOLDEN.values():
        check_names(rule, trace)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
@pytest.mark.parametrize(
    ("env_id", "n", "topology"), [("Cube-v0", 5, "centralized"), ("MACrafter-L3-v0", 3, "decentralized")]
)
def test_whole_episodes_over_a_bad_channel(rule, env_id, n, topology) -> None:  # type: ignore[no-untyped-def]
    trace = episode(env_id, n, topology, 1, noise=True)
    strict = Thresholds(steps=5, activations=1, reroutes=0, storm=0.2)
    check_names(rule, trace, strict)
    check_prefixes(rule, trace, strict, every=7)


def test_a_bad_channel_shows() -> None:
    trace = episode("Cube-v0", 8, "centralized", 1, noise=True)
    lost = find(RULES, "C1", trace)
    assert 0.1 < len(lost.hits) / lost.opportunities < 0.4
    assert all(hit.note == "injected: dropped" or hit.note == "expired" for hit in lost.hits)
    assert find(RULES, "C2", trace).hits
    assert not find(RULES, "C3", trace).hits


@pytest.mark.parametrize(
    ("env_id", "n", "topology"),
    [("Cube-v0", 8, "centralized"), ("Cube-v0", 8, "decentralized"), ("MACrafter-L3-v0", 3, "decentralized")],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_competent_team_loses_no_work(env_id: str, n: int, topology: str, seed: int) -> None:
    trace = episode(env_id, n, topology, seed)
    found = {rule.id: rule.find(trace, thresholds_for(trace)) for rule in RULES}
    assert all(not found[rule.id].hits for rule in RULES if rule.severity == "F")
    assert found["C2"].opportunities
    assert found["C2"].opportunities == sum(message.work for message in trace.of(Message))
    assert [found[rule].hits for rule in ("C1", "C3", "C4", "C7", "C8", "C11")] == [()] * 6
