"""Failures of allocation: a golden hit and a near miss per rule, and what holds on whole episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from failure_traces import check_prefixes
from talk_traces import (
    SHORT,
    at,
    check_names,
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

from emcoop.metrics.failures.allocation import RULES
from emcoop.metrics.failures.queues import centralisation
from emcoop.metrics.failures.rule import NOT_APPLICABLE
from emcoop.metrics.failures.thresholds import Thresholds, thresholds_for
from emcoop.metrics.topology import hub_concentration
from emcoop.trace import Trace
from emcoop.trace.schema import Action, Constraint, Event, Stage, Task, World

IDS = [rule.id for rule in RULES]


def worked(*records: Constraint, first: Sequence[Event] = (), n: int = 3, spare: int = 1) -> Trace:
    """One step per constraint record, then some without."""
    events: list[Event] = [*steps(0, 0, n), *first]
    for t in range(len(records) + spare):
        events += [*records[t : t + 1], *steps(t + 1, t + 1, n)]
    return talk(events, n=n)


def crowd(length: int, *concepts: str, asked: Sequence[int] = ()) -> Trace:
    """Agents at a task that takes one, each with a plan of one concept."""
    order = [sent(0, 2, asked, task="a")] if asked else []
    plans = [plan(k, k, "a", concept) for k, concept in enumerate(concepts)]
    who = range(len(concepts))
    return worked(*(count(t, "a", who) for t in range(length)), first=[*order, *plans])


def test_a1_two_do_what_takes_one() -> None:
    (hit,) = find(RULES, "A1", crowd(4, "push", "push")).hits
    assert (hit.agents, hit.start, hit.end, hit.task, hit.note) == ((0, 1), 0, 4, "a", "takes 1")


def test_a1_spares_short_overlaps_different_roles_and_what_was_asked_for() -> None:
    assert tally(RULES, "A1", crowd(3, "push", "push")) == (0, 1)
    assert tally(RULES, "A1", crowd(4, "push", "clear")) == (0, 1)
    assert tally(RULES, "A1", crowd(4, "push", "push", asked=[0, 1])) == (0, 1)
    assert tally(RULES, "A1", crowd(4, "push", "push", asked=[0])) == (1, 1)


def answered(*doers: int, p: int = 1, act: str = "request", task: str = "a") -> Trace:
    """One message to all; some read it and commit a plan for the task, in a world in which it takes `p`."""
    answers: list[Event] = []
    for agent in doers:
        answers += [read(agent, agent, 0), decided(agent, agent, "plan"), plan(agent, agent, "a")]
    first = [*at(0, 1, sent(0, 2, [0, 1], act, task=task)), *at(0, 2, went(0, 0, 1), *answers)]
    return worked(count(0, "a", doers, p=p), first=first)


def test_a2_two_do_what_one_was_asked_for() -> None:
    (hit,) = find(RULES, "A2", answered(0, 1)).hits
    assert (hit.agents, hit.task) == ((0, 1), "a")
    assert len(hit.evidence) == 3


def test_a2_spares_one_answer_a_task_for_two_other_tasks_and_news() -> None:
    assert tally(RULES, "A2", answered(0)) == (0, 1)
    assert tally(RULES, "A2", answered(0, 1, p=2)) == (0, 1)
    assert tally(RULES, "A2", answered(0, 1, task="b")) == (0, 1)
    assert tally(RULES, "A2", answered(0, 1, act="commit")) == (0, 0)


def test_a2_a_tool_made_again_is_waste_and_one_for_a_helper_is_not() -> None:
    def made(*agents: int) -> list[dict[str, Any]]:
        return [{"kind": "make", "item": "axe", "agents": list(agents)}]

    assert tally(RULES, "A2", talk(steps(0, 3, t1=made(0), t3=made(0)))) == (1, 2)
    assert tally(RULES, "A2", talk(steps(0, 3, t1=made(0), t3=made(0, 1)))) == (0, 2)


def left(gap: int, busy: int = 0, ends: str = "done", dependency: int = 1, finished: bool = False) -> Trace:
    """Agent 0 gives up block0, which takes two; nobody plans for it for a while, and some are busy with block1."""
    first = [
        World(objects={"block0": [0], "agent0": [0]}),
        plan(0, 0, "block0/left"),
        *(plan(10 + k, k, "other") for k in range(1, 1 + busy)),
    ]
    end = [over(0, 0, ends)] + ([Task(task="block0", event="delivered", t=1)] if finished else [])
    back = plan(1, 0, "block0/top")
    back.t = 1 + gap
    for event in end:
        event.t = 1
    return talk(
        first, steps(0, 0), count(0, "block0/left", [0], p=2, dependency=dependency), steps(1, 1), end,
        steps(2, 1 + gap), back, steps(2 + gap, 2 + gap),
    )  # fmt: skip


def test_a3_nobody_plans_for_what_those_without_a_task_could_do() -> None:
    (hit,) = find(RULES, "A3", left(4)).hits
    assert (hit.agents, hit.start, hit.end, hit.task) == ((), 1, 5, "block0")


def test_a3_spares_short_gaps_busy_teams_and_what_cannot_or_need_not_be_done() -> None:
    assert tally(RULES, "A3", left(3)) == (0, 1)
    assert tally(RULES, "A3", left(4, busy=2)) == (0, 1)
    assert tally(RULES, "A3", left(4, dependency=0)) == (0, 1)
    assert tally(RULES, "A3", left(4, finished=True)) == (0, 0)
    assert tally(RULES, "A3", left(4, ends="failed:block_gone")) == (0, 0)
    assert tally(RULES, "A3", left(4, ends="failed:timeout")) == (1, 1)


def test_a3_what_nobody_ever_tried_is_a_gap_when_all_are_without_a_task() -> None:
    block = World(objects={"block0": [0]})
    assert tally(RULES, "A3", talk(block, steps(0, 4))) == (1, 1)
    assert tally(RULES, "A3", talk(block, plan(0, 0, "other"), steps(0, 4))) == (0, 1)


def test_a3_does_not_apply_where_the_world_names_no_work() -> None:
    assert find(RULES, "A3", talk(World(objects={"agent0": [1]}), steps(0, 9))) == NOT_APPLICABLE


def shared(*groups: Sequence[int], p: int = 3) -> Trace:
    return worked(*(count(t, "a", who, p=p) for t, who in enumerate(groups)), n=4)


def test_a4_one_takes_no_part_while_hands_are_missing() -> None:
    finding = find(RULES, "A4", shared([0, 1], [0, 1], [0, 1], [0, 1]))
    assert [hit.agents for hit in finding.hits] == [(2,), (3,)]
    assert finding.opportunities == 4


def test_a4_spares_those_who_take_turns_and_teams_that_lack_nobody() -> None:
    assert tally(RULES, "A4", shared([0, 1], [1, 2], [2, 3], [3, 0])) == (0, 4)
    assert tally(RULES, "A4", shared([0, 1], [0, 1], [0, 1], [0, 1], p=2)) == (0, 0)
    assert tally(RULES, "A4", shared([0, 1], [0, 1], [0, 1], [0, 1], p=5)) == (0, 0)


def led(slow: int, n: int = 4, topology: str = "centralized") -> Trace:
    """In each of four steps the leader thinks alone for a round; `slow` of the followers wait for it."""
    events: list[Event] = [Stage(agents=list(range(n)), before="R", after="X", cause="all_ready"), *steps(0, 0, n)]
    for t in range(4):
        waiting = Stage(agents=list(range(1, 1 + slow)), before="X", after="R", cause="done", t=t)
        back = Stage(agents=list(range(1, 1 + slow)), before="R", after="X", cause="all_ready", t=t)
        events += [waiting, *at(t, t, decided(t, 0, started=t)), back, *steps(t + 1, t + 1, n)]
    return talk(events, n=n, topology=topology)


def test_a5_most_followers_wait_for_the_leader() -> None:
    (hit,) = find(RULES, "A5", led(2)).hits
    assert (hit.agents, hit.start, hit.end, hit.note) == ((0,), 0, 4, "followers wait")


def test_a5_spares_leaders_who_keep_few_waiting_and_needs_a_hub() -> None:
    assert tally(RULES, "A5", led(1)) == (0, 1)
    for topology in ("decentralized", "debate", "ring"):
        assert find(RULES, "A5", led(2, topology=topology)) == NOT_APPLICABLE


def test_a5_fires_for_a_leader_of_two_whose_centralisation_is_that_of_the_metric() -> None:
    (hit,) = find(RULES, "A5", led(2, n=3)).hits
    assert hit.agents == (0,)
    for n in (2, 3, 5):
        both_ways = [(0, other) for other in range(1, n)] + [(other, 0) for other in range(1, n)]
        events = [event for k, (a, b) in enumerate(both_ways) for event in (sent(k, a, [b]), went(k, b))]
        talked = talk([*steps(0, 0, n), *events], n=n)
        assert hub_concentration(talked) == centralisation([n - 1, *[1] * (n - 1)], n)


def piling(*arrivals: int) -> Trace:
    """So many messages reach the leader in each window; it reads none of them."""
    events, number = list(steps(0, 0, 4)), 0
    for window, many in enumerate(arrivals):
        for _ in range(many):
            events += at(4 * window, window, sent(number, 1, [0], "inform"), went(number, 0))
            number += 1
        events += steps(4 * window + 1, 4 * window + 4, 4)
    return talk(events, n=4, topology="star")


def test_a5_the_mail_of_the_hub_piles_up() -> None:
    (hit,) = find(RULES, "A5", piling(1, 1, 1)).hits
    assert (hit.agents, hit.start, hit.end, hit.note) == ((0,), 0, 12, "its queue grows")
    assert tally(RULES, "A5", piling(1, 1, 0, 1)) == (0, 4)


def test_a6_two_want_one_cell() -> None:
    race = [{"kind": "cell_race", "agents": [2, 0], "winner": 0}]
    (hit,) = find(RULES, "A6", talk(steps(0, 2, t2=race))).hits
    assert (hit.agents, hit.start) == ((0, 2), 2)
    placed = {"kind": "place_failed", "agents": [1], "item": "table", "reason": "race"}
    assert tally(RULES, "A6", talk(steps(0, 2, t1=[placed]))) == (1, 2)


def test_a6_spares_other_trouble() -> None:
    other = [{"kind": "collision", "agents": [1], "into": "wall"}, {"kind": "place_failed", "reason": "blocked"}]
    assert tally(RULES, "A6", talk(steps(0, 2, t1=other))) == (0, 2)


def test_a7_more_take_part_than_it_takes() -> None:
    extra = [
        {"kind": "over_participation", "agents": [2], "resource": "coal", "row": 3, "col": 4, "have": 3, "need": 2}
    ]
    trace = talk(steps(0, 0), count(0, "coal@3,4", [0, 1, 2], p=2, acting=3), steps(1, 1, t1=extra))
    (hit,) = find(RULES, "A7", trace).hits
    assert (hit.agents, hit.task) == ((2,), "coal@3,4")
    full = Action(agents=[1], plans=[0], calls=[0], concepts=["move_to_block"], outcomes=["failed:face_full"])
    assert tally(RULES, "A7", talk(full, steps(0, 1))) == (1, 1)


def test_a7_spares_joint_actions_in_which_all_count() -> None:
    trace = talk(steps(0, 0), count(0, "coal@3,4", [0, 1], p=2, acting=2), steps(1, 1))
    assert tally(RULES, "A7", trace) == (0, 1)


# What holds for all ------------------------------------------------------------------------------------------------

GOLDEN = {
    "crowd": crowd(4, "push", "push"), "answered": answered(0, 1), "left": left(4), "led": led(2),
    "shared": shared([0, 1], [0, 1], [0, 1], [0, 1]), "piling": piling(1, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_renaming_the_agents_of_the_golden_logs_changes_nothing(rule) -> None:  # type: ignore[no-untyped-def]
    for trace in GOLDEN.values():
        check_names(rule, trace)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
@pytest.mark.parametrize("name", GOLDEN)
def test_a_part_of_a_golden_log_has_the_incidents_that_ended_in_it(rule, name) -> None:  # type: ignore[no-untyped-def]
    check_prefixes(rule, GOLDEN[name])


@pytest.mark.parametrize("rule", RULES, ids=IDS)
@pytest.mark.parametrize(
    ("env_id", "n", "topology"), [("Cube-v0", 5, "centralized"), ("MACrafter-L3-v0", 3, "decentralized")]
)
def test_whole_episodes(rule, env_id, n, topology) -> None:  # type: ignore[no-untyped-def]
    trace = episode(env_id, n, topology, 1, noise=True)
    strict = Thresholds(steps=3, queue=0.05)
    check_names(rule, trace, strict)
    check_prefixes(rule, trace, strict, every=7)


def test_a_single_agent_has_nobody_to_race_or_to_leave_the_work_to() -> None:
    trace = talk(steps(0, 9, n=1), n=1)
    assert all(find(RULES, rule, trace) == NOT_APPLICABLE for rule in ("A4", "A5", "A6", "A7"))


@pytest.mark.parametrize(
    ("env_id", "n", "topology"),
    [("Cube-v0", 8, "centralized"), ("Cube-v0", 8, "decentralized"), ("MACrafter-L3-v0", 3, "decentralized")],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_competent_team_leaves_no_gap(env_id: str, n: int, topology: str, seed: int) -> None:
    trace = episode(env_id, n, topology, seed)
    assert not [hit for rule in RULES if rule.severity == "F" for hit in rule.find(trace, thresholds_for(trace)).hits]
    assert find(RULES, "A3", trace, SHORT).applies == (env_id == "Cube-v0")
