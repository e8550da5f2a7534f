"""How errors spread: a golden hit and a near miss per rule, and what holds on whole episodes."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from failure_traces import check_prefixes
from talk_traces import (
    SHORT,
    at,
    check_names,
    claim,
    count,
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

from emcoop.metrics.failures.allocation import RULES as ALLOCATION
from emcoop.metrics.failures.communication import RULES as COMMUNICATION
from emcoop.metrics.failures.propagation import RULES
from emcoop.metrics.failures.rule import NOT_APPLICABLE
from emcoop.metrics.failures.thresholds import Thresholds, thresholds_for
from emcoop.trace import Trace
from emcoop.trace.schema import Event, Step

IDS = [rule.id for rule in RULES]
LED = {"name": "centralized", "leader": 0}


def spread(*misled: int, true: bool = False, harm: bool = True, value: str = "coal") -> Trace:
    """Agent 0 tells of coal where there is none; some read it, plan on it, and get nowhere."""
    told = at(0, 1, sent(0, 0, "*", "inform", k="coal"), claim(0, "k", "coal", true), decided(0, 0, messages=[0]))
    taken: list[Event] = [went(0, 1, 2, 3)]
    for agent in misled:
        taken += [read(agent, agent, 0), decided(agent, agent, "plan"), plan(agent, agent, f"t{agent}", k=value)]
    doing = [*at(0, 2, *taken), *steps(1, 5, 4)]
    # Agents that fail again and again thrash; see the rules of planning.
    for k in range(9 if harm else 0):
        doing += at(5, 3, over(k + 10 if k else misled[0], misled[0], "superseded"), plan(k + 11, misled[0], "t1"))
    return talk(steps(0, 0, 4), told, doing, steps(6, 9, 4), n=4)


def test_g1_a_false_fact_that_misled_two_and_did_harm() -> None:
    (hit,) = find(RULES, "G1", spread(1, 2)).hits
    assert hit.agents == (0, 1, 2)
    assert hit.evidence[:5] == (4, 9, 11, 12, 14)
    assert hit.note == "fact k; 2 plans rest on it"


def test_g1_spares_true_facts_single_victims_other_plans_and_what_did_no_harm() -> None:
    assert tally(RULES, "G1", spread(1, 2, true=True)) == (0, 0)
    assert tally(RULES, "G1", spread(1)) == (0, 1)
    assert tally(RULES, "G1", spread(1, 2, value="iron")) == (0, 1)


def test_g1_follows_a_fact_that_is_passed_on_and_one_that_was_corrupted_on_the_way() -> None:
    relayed = talk(
        steps(0, 0, 3),
        at(0, 1, sent(0, 0, [1], "inform", k="coal"), claim(0, "k", "coal", False)),
        at(0, 2, went(0, 1), read(1, 0, 0), sent(1, 1, [2], "inform", k="coal"), claim(1, "k", "coal", False)),
        at(0, 2, decided(0, 1, "plan", [1]), plan(0, 1, "t", k="coal")),
        at(0, 3, went(1, 2), read(2, 1, 1), decided(1, 2, "plan"), plan(1, 2, "t", k="coal")),
        thrash(1),
    )
    assert tally(RULES, "G1", relayed) == (1, 1)
    garbled = talk(
        steps(0, 0, 3),
        at(0, 1, sent(0, 0, [1, 2], "inform", k="path"), claim(0, "k", "path"), went(0, 1, 2, outcome="corrupted")),
        at(1, 2, went(0, 1, 2), claim(0, "k", "coal", False, "read")),
        at(1, 2, read(1, 0, 0), decided(0, 1, "plan"), plan(0, 1, "t", k="coal")),
        at(1, 2, read(2, 1, 0), decided(1, 2, "plan"), plan(1, 2, "t", k="coal")),
        thrash(1),
    )
    assert tally(RULES, "G1", garbled) == (1, 1)


def thrash(agent: int) -> list[Event]:
    """An agent gives up one plan after the other."""
    events = [*steps(1, 2)]
    events += at(2, 4, over(agent - 1, agent, "superseded"))
    for k in range(20, 29):
        events += [*at(2, 4, plan(k, agent, "t"), over(k, agent, "superseded"))]
    return [*events, *steps(3, 9)]


def believed(*who: int, contrary: bool = True, true: bool = True, last: int = 6, value: str = "coal") -> Trace:
    """Some plan on coal; at step 1 agent 3 says that there is a path."""
    say = at(1, 2, sent(0, 3, [0], "inform", k="path"), claim(0, "k", "path", true)) if contrary else []
    plans = at(0, 1, *(plan(agent, agent, "t", k=value) for agent in who))
    return talk(plans, steps(0, 1, 4), say, steps(2, last, 4), n=4)


def test_g2_most_plan_on_what_a_message_has_told_to_be_false() -> None:
    (hit,) = find(RULES, "G2", believed(0, 1, 2)).hits
    assert (hit.agents, hit.start, hit.end) == ((0, 1, 2), 1, 6)


def test_g2_spares_few_believers_short_times_and_beliefs_that_nothing_speaks_against() -> None:
    assert tally(RULES, "G2", believed(0, 1)) == (0, 0)
    assert tally(RULES, "G2", believed(0, 1, 2, last=4)) == (0, 1)
    assert tally(RULES, "G2", believed(0, 1, 2, contrary=False)) == (0, 1)
    assert tally(RULES, "G2", believed(0, 1, 2, true=False)) == (0, 1)
    assert tally(RULES, "G2", believed(0, 1, 2, value="path")) == (0, 1)


def tempted(*by: int, then: str = "coal", still: bool = True, topology: object = "decentralized") -> Trace:
    """Agent 3 plans on a path, which is there; others tell it of coal, and it plans again."""
    first = at(0, 1, sent(0, 3, [0], "inform", k="path"), claim(0, "k", "path"), plan(0, 3, "t", k="path"))
    told: list[Event] = []
    for number, agent in enumerate(by, 1):
        told += [sent(number, agent, [3], "inform", k="coal"), claim(number, "k", "coal", not still)]
    taken = [event for number in range(1, 1 + len(by)) for event in (went(number, 3), read(3, 0, number))]
    again = at(2, 3, *taken, decided(0, 3, "plan"), over(0, 3, "superseded"), plan(1, 3, "t", k=then))
    assert isinstance(topology, (str, dict))
    return talk(steps(0, 0, 4), first, steps(1, 2, 4), at(2, 2, *told), again, steps(3, 4, 4), n=4, topology=topology)


def test_g3_giving_way_to_the_majority() -> None:
    (hit,) = find(RULES, "G3", tempted(1, 2)).hits
    assert (hit.agents, hit.start, hit.end, hit.note) == ((3,), 0, 2, "fact k; as the majority says")


def test_g3_giving_way_to_the_leader() -> None:
    (hit,) = find(RULES, "G3", tempted(0, topology=LED)).hits
    assert hit.note == "fact k; as the leader says"


def test_g3_spares_who_stays_who_hears_one_voice_and_who_learns_of_a_change() -> None:
    assert tally(RULES, "G3", tempted(1, 2, then="path")) == (0, 1)
    assert tally(RULES, "G3", tempted(1)) == (0, 1)
    assert tally(RULES, "G3", tempted(0)) == (0, 1)
    assert tally(RULES, "G3", tempted(1, 2, still=False)) == (0, 1)
    assert tally(RULES, "G3", tempted()) == (0, 0)


def handed_on(*read_as: str, marked: bool = False) -> Trace:
    """Agent 0 tells everybody of a path; agents 1, 2, ... read it as these values."""
    events = [*at(0, 1, sent(0, 0, [1, 2], "inform", k="path"), claim(0, "k", "path"))]
    if marked:
        events.append(went(0, 1, outcome="corrupted"))
    claims = [claim(0, "k", value, value == "path", "read") for value in dict.fromkeys(read_as)]
    reads = [read(agent, agent, 0) for agent in range(1, len(read_as) + 1)]
    return talk(events, steps(0, 1), at(1, 2, went(0, 1, 2), *claims, *reads))


def test_g4_a_fact_that_is_read_as_another_than_it_was_sent() -> None:
    (hit, _) = find(RULES, "G4", handed_on("coal", "coal")).hits
    assert (hit.agents, hit.start, hit.end, hit.note) == ((0, 1), 0, 1, "fact k")
    assert tally(RULES, "G4", handed_on("coal", "coal")) == (2, 2)


def test_g4_spares_who_read_what_was_said_and_what_has_become_stale() -> None:
    assert tally(RULES, "G4", handed_on("path", "path")) == (0, 2)
    (hit,) = find(RULES, "G4", handed_on("coal", "path", marked=True)).hits
    assert hit.agents == (0, 1)
    stale = talk(
        at(0, 1, sent(0, 0, [1], "inform", k="path"), claim(0, "k", "path")), steps(0, 1),
        at(1, 2, went(0, 1), claim(0, "k", "path", False, "read"), read(1, 0, 0)),
    )  # fmt: skip
    assert tally(RULES, "G4", stale) == (0, 1)


def test_g1_follows_what_was_changed_for_all_without_a_mark_on_any_copy() -> None:
    changed = talk(
        steps(0, 0, 3),
        at(0, 1, sent(0, 0, [1, 2], "inform", k="path"), claim(0, "k", "path")),
        at(0, 2, went(0, 1, 2), claim(0, "k", "coal", False, "read")),
        at(0, 2, read(1, 0, 0), decided(0, 1, "plan"), plan(0, 1, "t", k="coal")),
        at(0, 2, read(2, 1, 0), decided(1, 2, "plan"), plan(1, 2, "t", k="coal")),
        thrash(1),
    )
    assert tally(RULES, "G1", changed) == (1, 1)


def ordered(vain: int, order: str = "a", engaged: int = 1, dependency: int = 0) -> Trace:
    """The leader asks for task a; agent 1 stands there for some steps while its prerequisites are missing."""
    asked = at(0, 1, sent(0, 0, [1], order=order), decided(0, 0, messages=[0]))
    obeyed = at(0, 2, went(0, 1), read(1, 1, 0), decided(1, 1, "plan"), plan(0, 1, "a"))
    events = [*steps(0, 0), *asked, *obeyed]
    for t in range(vain):
        events += [count(t, "a", [1], dependency=dependency, engaged=engaged), *steps(t + 1, t + 1)]
    return talk(events, at(vain, 3, over(0, 1)), steps(vain + 1, vain + 1), topology=LED)


def test_g5_an_order_that_cannot_be_carried_out_is_kept_to() -> None:
    (hit,) = find(RULES, "G5", ordered(4)).hits
    assert (hit.agents, hit.start, hit.end, hit.task) == ((1,), 0, 4, "a")


def test_g5_spares_short_tries_agents_on_their_way_possible_tasks_and_own_ideas() -> None:
    assert tally(RULES, "G5", ordered(3)) == (0, 1)
    assert tally(RULES, "G5", ordered(4, engaged=0)) == (0, 1)
    assert tally(RULES, "G5", ordered(4, dependency=1)) == (0, 1)
    assert tally(RULES, "G5", ordered(4, order="b")) == (0, 0)


# What holds for all ------------------------------------------------------------------------------------------------

GOLDEN = {
    "spread": spread(1, 2), "believed": believed(0, 1, 2), "tempted": tempted(1, 2),
    "led": tempted(0, topology=LED), "ordered": ordered(4), "handed on": handed_on("coal", "coal"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=IDS)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_logs_renamed_and_cut(rule, name) -> None:  # type: ignore[no-untyped-def]
    check_names(rule, GOLDEN[name])
    check_prefixes(rule, GOLDEN[name])


HOSTILE = [
    {"name": "tree", "b": 0}, {"name": "hybrid", "peers": "x"}, {"name": "graph", "edges": [[0], 7]}, {"name": ["x"]},
    {"name": "star", "hub": 99}, {"name": "grid", "columns": -2}, {"name": "range"}, {"name": "random"}, {},
]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_torn_logs_are_read_all_the_same(seed: int) -> None:
    draw = Random(seed)
    source = draw.choice([*GOLDEN.values(), episode("MACrafter-L3-v0", 3, "decentralized", 1, noise=True)])
    events = list(source.events[2:300])
    for _ in range(9):
        place = draw.randrange(len(events))
        if not isinstance(events[place], Step):
            events.insert(draw.randrange(len(events)), msgspec.structs.replace(events[place]))
            del events[draw.choice([k for k, event in enumerate(events) if not isinstance(event, Step)])]
    named = draw.choice([source.episode.topology, *HOSTILE])
    trace = talk(events, n=source.episode.n_agents, topology=named, env_id=source.episode.env_id)
    for rule in (*RULES, *ALLOCATION, *COMMUNICATION):
        finding = rule.find(trace, SHORT)
        assert finding == NOT_APPLICABLE or len(finding.hits) <= (finding.opportunities or 0), rule.id


def test_nothing_applies_where_nobody_may_talk() -> None:
    assert all(rule.find(talk(steps(0, 9), topology="individual"), SHORT) == NOT_APPLICABLE for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
@pytest.mark.parametrize(
    ("env_id", "n", "topology"), [("Cube-v0", 5, "centralized"), ("MACrafter-L3-v0", 3, "decentralized")]
)
def test_whole_episodes(rule, env_id, n, topology) -> None:  # type: ignore[no-untyped-def]
    trace = episode(env_id, n, topology, 1, noise=True)
    strict = Thresholds(steps=3, consensus=0.3)
    check_names(rule, trace, strict)
    check_prefixes(rule, trace, strict, every=11)


@pytest.mark.parametrize(
    ("env_id", "n", "topology"),
    [("Cube-v0", 8, "centralized"), ("Cube-v0", 8, "decentralized"), ("MACrafter-L3-v0", 3, "decentralized")],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_competent_team_spreads_no_errors(env_id: str, n: int, topology: str, seed: int) -> None:
    trace = episode(env_id, n, topology, seed)
    assert not [hit for rule in RULES if rule.severity == "F" for hit in rule.find(trace, thresholds_for(trace)).hits]
