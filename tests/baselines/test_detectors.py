"""The detector evaluation: what has to be found, how hits are matched with it, and that the rules find it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emcoop.baselines.detectors import PAIRS, Truth, match, truths
from emcoop.baselines.detectors.episodes import HORIZONS, TOPOLOGIES, Counts, Job, evaluate, jobs, run_job, total
from emcoop.baselines.detectors.matching import delays
from emcoop.baselines.detectors.page import failures_of, page, pooled
from emcoop.baselines.detectors.pairs import INJECTIONS, WITHOUT
from emcoop.metrics.failures import rules
from emcoop.metrics.failures.rule import Finding, Hit, Rule
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.statistics import wilson
from emcoop.trace import Trace, TraceWriter
from emcoop.trace.schema import (
    SCHEMA,
    Claim,
    Constraint,
    Episode,
    Event,
    Fault,
    Message,
    Plan,
    Reaction,
    Round,
    Run,
    Step,
    Transport,
)

SHORT = Thresholds(steps=4)


def log(*events: Event | Iterable[Event], n: int = 3, permitted: int = 6, horizon: int = 100) -> Trace:
    writer = TraceWriter()
    writer.write(Run(schema=SCHEMA, emcoop="1", config_hash=""))
    writer.write(
        Episode(
            env_id="E", env_kwargs={}, n_agents=n, max_steps=horizon, seed=0, planners=[], topology={},
            permitted=permitted,
        )
    )  # fmt: skip
    for event in events:
        for one in [event] if isinstance(event, Event) else event:
            writer.write(one)
    return Trace(writer.events)


def steps(first: int, last: int) -> list[Event]:
    made = (
        Step(t=t, actions=[], reward=0.0, state_hash="", configuration_hash="", progress=0.0)
        for t in range(first, last + 1)
    )
    return list(made)


def fault(kind: str, t: int = 0, agent: int = 0, **detail: Any) -> Fault:
    return Fault(t=t, fault=kind, agent=agent, detail=detail)


def sent(id: int, *to: int, t: int = 0, c: int = 1, act: str = "request") -> Message:
    return Message(t=t, c=c, id=id, sender=0, recipients=list(to), act=act, work=act in ("request", "commit"))


def went(id: int, *to: int, t: int = 0, outcome: str = "delivered") -> Transport:
    return Transport(t=t, message=id, recipients=list(to), outcome=outcome, count=len(to))


def read(id: int, agent: int, t: int = 0) -> Reaction:
    return Reaction(t=t, agent=agent, activation=0, label="consume", messages=[id])


def claim(id: int, key: str, true: bool, t: int = 0, when: str = "sent") -> Claim:
    return Claim(t=t, message=id, key=key, value=1, when=when, true=true)


def truth(*agents: int, at: int, to: int | None = None, since: int | None = None) -> Truth:
    return Truth(frozenset(agents), at, at if to is None else to, at if since is None else since)


# What has to be found -----------------------------------------------------------------------------------------------


def test_every_copy_that_was_dropped_is_lost_and_work_only_if_nobody_got_it() -> None:
    dropped = [fault("drop_message", message=0, recipients=[1, 2]), *(Round(c=c) for c in (1, 2, 3))]
    trace = log(sent(0, 1, 2), dropped)
    assert truths.lost_copies(trace, SHORT) == [truth(0, 1, at=0), truth(0, 2, at=0)]
    assert truths.lost_work(trace, SHORT) == [truth(0, at=0)]
    assert truths.lost_work(log(sent(0, 1, 2), went(0, 1), dropped), SHORT) == []
    assert truths.lost_work(log(sent(0, 1, 2, act="inform"), dropped), SHORT) == []
    assert truths.lost_work(log(sent(0, 1, 2), dropped[:-1]), SHORT) == []


def test_copies_for_somebody_else_are_missed_by_those_they_were_for() -> None:
    swapped = fault("swap_recipients", message=0, recipients=[2], **{"from": [1]})
    assert truths.misdirected(log(sent(0, 1), swapped), SHORT) == [truth(0, 1, at=0)]


def test_a_late_message_is_stale_where_what_was_true_is_no_longer() -> None:
    late = fault("delay_message", message=0, recipients=[1, 2], delay=3)

    def trace(then: bool, now: bool) -> Trace:
        later = [claim(0, "k", now, 3, "read"), read(0, 1, 3), read(0, 2, 4)]
        return log(sent(0, 1, 2), claim(0, "k", then), late, later)

    assert truths.gone_stale(trace(True, False), SHORT) == [truth(0, 1, at=0, to=3)]
    assert truths.gone_stale(trace(False, False), SHORT) == []
    assert truths.gone_stale(trace(True, True), SHORT) == []


def test_a_changed_fact_counts_for_each_reader_if_it_can_be_checked() -> None:
    changed = fault("corrupt_fact", message=0, recipients=[1, 2], key="k", value=2, true=1)
    readers = [read(0, 1, 1), read(0, 2, 2)]
    assert truths.changed(log(sent(0, 1, 2), claim(0, "k", True), changed, readers), SHORT) == [
        truth(0, 1, at=0, to=1),
        truth(0, 2, at=0, to=2),
    ]
    assert truths.changed(log(sent(0, 1, 2), claim(0, "j", True), changed, readers), SHORT) == []


def test_a_blind_agent_tells_falsehoods_only_while_it_is_blind_and_of_what_it_says_it_sees() -> None:
    def trace(t: int, seen: int) -> Trace:
        said = Message(t=t, id=0, sender=1, recipients=[0], act="inform", facts=[("k", 1, seen)])
        return log(fault("hide_observation", 2, agent=1, until=5), said, claim(0, "k", False, t), steps(0, 9))

    assert truths.told_unseen(trace(3, 3), SHORT) == [truth(1, at=3, since=2)]
    assert truths.told_unseen(trace(3, 2), SHORT) == []
    assert truths.told_unseen(trace(7, 7), SHORT) == []


@pytest.mark.parametrize(("until", "found"), [(7, [truth(at=3, to=7, since=2)]), (5, [])])
def test_a_team_is_still_while_all_are_frozen_for_long_enough(until: int, found: list[Truth]) -> None:
    frozen = [fault("freeze", 2, agent=agent, until=until) for agent in range(3)]
    assert truths.still_team(log(frozen, steps(0, 12)), SHORT) == found
    assert truths.still_team(log(frozen[:2], steps(0, 12)), SHORT) == []


@pytest.mark.parametrize("kind", ["freeze", "crash", "remove_leader"])
def test_who_stops_is_found_when_it_stops(kind: str) -> None:
    assert truths.unanswered(log(fault(kind, 5, agent=1, until=9), steps(0, 9)), SHORT) == [truth(1, at=5)]


def test_mail_of_a_lost_leader_has_to_pile_up_three_windows_running_where_all_hangs_on_it() -> None:
    gone = fault("remove_leader", 1, until=-1)
    mail = [Message(t=t, id=t, sender=1, recipients=[0], act="free") for t in range(20)]

    def trace(*when: int, permitted: int = 4) -> Trace:
        return log(gone, mail, *(went(t, 0, t=t) for t in when), steps(0, 20), permitted=permitted)

    assert truths.piled_up(trace(2, 6, 10), SHORT) == [truth(0, at=0, to=12, since=1)]
    assert truths.piled_up(trace(2, 10, 14), SHORT) == []
    assert truths.piled_up(trace(2, 6, 10, permitted=6), SHORT) == []


def test_an_agent_that_crashed_without_a_task_takes_no_part_while_hands_are_missing() -> None:
    short = [
        Constraint(
            t=t, tasks=["a"], required=[2], committed=[1], in_place=[1], acting=[0], dependency=[1], joint=[0],
            engaged=[1], success=[0], participants=[[0]], inferred=[0],
        )
        for t in range(4, 8)
    ]  # fmt: skip
    crash, idle = fault("crash", 2, agent=1, until=-1), Plan(id=0, agent=1, event="commit")
    assert truths.useless(log(idle, crash, short, steps(0, 9)), SHORT) == [truth(1, at=4, to=7, since=2)]
    busy = Plan(id=0, agent=1, event="commit", task="a")
    assert truths.useless(log(busy, crash, short, steps(0, 9)), SHORT) == []
    assert truths.useless(log(idle, crash, short[:1], steps(0, 9)), SHORT) == []


# Matching -----------------------------------------------------------------------------------------------------------


def test_a_hit_has_to_name_the_agents_and_overlap_in_time() -> None:
    found = match([Hit((0, 1), 3, 5)], [truth(0, at=4), truth(0, 2, at=4), truth(0, at=6)])
    assert (found.truths, found.found, found.hits, found.right) == (3, 1, 1, 1)
    assert (found.agents, found.steps) == ((1, 1, 1), (1, 1, 2))
    both = match([Hit((0,), 3, 5), Hit((1,), 3, 5)], [])
    assert (both.hits, both.right, both.agents) == (2, 0, (0, 0, 2))
    assert (found + both).hits == 3


def test_the_delay_runs_from_the_fault_to_the_first_log_that_shows_it() -> None:
    def find(trace: Trace, thresholds: Thresholds) -> Finding:
        last = trace.of(Step)[-1].t
        return Finding((Hit((1,), 2, last),) if last >= 7 else (), 1)

    rule = Rule("X1", "x", "W", "Says.", "x", find)
    assert delays(rule, log(steps(0, 9)), [truth(1, at=5, since=3), truth(2, at=5)], SHORT) == [4]


# The evaluation -----------------------------------------------------------------------------------------------------


@cache
def small() -> Counts:
    return total(run_job(Job(env, TOPOLOGIES[0], 1, timed=False)) for env in HORIZONS)


def test_pairs_name_rules_and_injections_there_are() -> None:
    assert {pair.rule for pair in PAIRS} <= set(rules())
    assert {pair.injection for pair in PAIRS} <= set(INJECTIONS)
    assert {(kind, rule_id) for kind, rule_id, _ in WITHOUT}.isdisjoint((pair.injection, pair.rule) for pair in PAIRS)
    covered = {name.partition(",")[0] for name in INJECTIONS if name != "none"}
    assert covered <= {pair.injection.partition(",")[0] for pair in PAIRS} | {kind for kind, *_ in WITHOUT}


def test_a_small_evaluation_finds_what_was_put_in() -> None:
    counts = small()
    there = {(injection, rule_id) for (_, injection, rule_id), tally in counts.tallies.items() if tally.truths}
    assert there >= {
        ("drop_message", "C1"), ("drop_message", "C2"), ("swap_recipients", "C1"), ("delay_message", "C5"),
        ("corrupt_fact", "G4"), ("freeze, all", "T2"), ("freeze", "T10"), ("crash", "T10"), ("remove_leader", "T10"),
    }  # fmt: skip
    check(counts, least=1)


def test_the_page_shows_every_pair_and_the_same_each_time() -> None:
    text = page(small(), 1)
    for pair in PAIRS:
        assert f"| {pair.injection} | {pair.rule} | {pair.says} |" in text
    again = total(run_job(Job(env, TOPOLOGIES[0], 1, timed=False)) for env in list(HORIZONS)[:1])
    mine = {key: tally for key, tally in small().tallies.items() if key[0] == "Cube-v0"}
    assert again.tallies == mine


def check(counts: Counts, least: int) -> None:
    """Recall and precision are 0.9 or more, as far as there is ground truth."""
    for pair in PAIRS:
        tally = total_of(counts, pair.injection, pair.rule)
        if tally.truths >= least:
            assert tally.found >= 0.9 * tally.truths, (pair.injection, pair.rule)
        if tally.truths >= least and not pair.occurs:
            assert tally.right >= 0.9 * tally.hits, (pair.injection, pair.rule)


def total_of(counts: Counts, injection: str, rule_id: str) -> Any:
    tallies = [tally for (_, name, rule), tally in counts.tallies.items() if (name, rule) == (injection, rule_id)]
    return sum(tallies[1:], tallies[0])


@pytest.mark.slow
def test_rules_find_injected_faults_and_leave_the_competent_team_alone() -> None:
    counts = total(evaluate(jobs(8, timed=False), 2))
    check(counts, least=5)
    for key in (("duplicate_message", "A2"), ("freeze", "C3")):
        assert all(counts.silent[env, key[0], key[1]][0] == 0 for env in HORIZONS), key
    for env in HORIZONS:
        hits, opportunities = pooled(counts, env, "team", failures_of(severity="F"))
        # With twenty seeds, as on the page, the rate is below 1 %; with eight it is so as far as they can tell.
        assert wilson(hits, opportunities).low < 0.01, (env, hits, opportunities)
        for letter in "E":
            team, chance = (
                wilson(*pooled(counts, env, planner, failures_of(letter))) for planner in ("team", "random")
            )
            assert chance.low > team.high, (env, letter)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    done = subprocess.run(
        [sys.executable, "-m", "emcoop.baselines.detectors", "--out", str(out), "--seeds", "0", "--jobs", "1"],
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.read_text(encoding="utf-8").startswith("# Do the failure rules")
