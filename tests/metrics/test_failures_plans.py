"""Failures of plans: a golden hit and a near miss per rule."""

from __future__ import annotations

import msgspec
import pytest
from failure_traces import (
    LEFT,
    RIGHT,
    STAY,
    call,
    check_prefixes,
    check_renaming,
    commit,
    counts,
    ended,
    find,
    made,
    step,
)

from emcoop.metrics.failures.plans import RULES
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Rule
from emcoop.trace import Trace
from emcoop.trace.schema import Claim, Event, Message, Reaction, Step, Task

WAIT = ("wait", {"steps": 9})


def quiet(first: int, last: int, progress: float = 0.0) -> list[Event]:
    return [step(t, STAY, STAY, progress=progress) for t in range(first, last + 1)]


def told(t: int, value: str, true: bool = True, id: int = 0) -> list[Event]:
    """Agent 1 tells agent 0 that the door is so; agent 0 reads it."""
    return [
        Message(t=t, id=id, sender=1, recipients=[0], act="inform", facts=[("door", value, t)]),
        Claim(t=t, message=id, key="door", value=value, when="sent", true=true),
        Reaction(t=t, agent=0, activation=0, label="consume", messages=[id]),
    ]


def assuming(read: list[Event], plan_ends: int, heard: int = 2) -> Trace:
    """Agent 0 assumes an open door from step 0 on, hears otherwise after `heard` steps, and gives the plan up."""
    plan = commit(0, 0, 0, WAIT, door="open")
    before, after = quiet(1, heard), quiet(heard + 1, plan_ends)
    return made(step(0), plan, *before, *read, *after, ended(plan_ends, 0, 0), *quiet(plan_ends + 1, plan_ends + 2))


def acting(planned: int, played: int, concept: str = "primitive") -> Trace:
    plan = commit(0, 0, 0, ("primitive", {"action": planned}))
    return made(step(0), plan, call(0, 0, 0, concept, "start"), step(1, played, STAY), *quiet(2, 2))


def giving_up(times: int, gain: float = 0.0) -> Trace:
    """Agent 0 gives a plan up after each of so many steps; the second step brings a gain."""
    events: list[Event] = [step(0), commit(0, 0, 0, WAIT)]
    for t in range(1, times + 1):
        events += [step(t, STAY, STAY, progress=gain * (t > 1)), ended(t, t - 1, 0), commit(t, t, 0, WAIT)]
    return made(*events, *quiet(times + 1, times + 2))


def announced(*later: Event, task: str = "block0/left", until: int = 6) -> Trace:
    """Agent 0 announces a task after step 1; `later` are put in their place by time."""
    said = Message(t=1, id=0, sender=0, recipients="*", act="commit", facts=[("task", task, 1)])
    events = [step(0), *quiet(1, 1), said]
    for t in range(2, until + 1):
        events += [event for event in later if event.t == t - 1]
        events += quiet(t, t)
    return made(*events)


def on_task(lasting: int, about: str = "block0", required: int = 1) -> Trace:
    """Agent 0 plans to push a block for so many steps after a message says that `about` is stuck, at once."""
    events: list[Event] = [step(0), commit(0, 0, 0, WAIT, task="block0/left")]
    events += [Task(t=1, task=about, event="stuck")] if about else []
    for t in range(1, lasting + 2):
        there = counts(t - 1, p=required, committed=1) if required > 1 else None
        events += [*([there] if there and t > 1 else []), *quiet(t, t)]
    return made(*events, ended(lasting + 1, 0, 0), *quiet(lasting + 2, lasting + 3))


CASES = {
    "P1": (assuming(told(2, "shut"), plan_ends=6), assuming(told(2, "shut"), plan_ends=5)),
    "P2": (acting(planned=LEFT, played=RIGHT), acting(planned=LEFT, played=LEFT)),
    "P3": (giving_up(3), giving_up(2)),
    "P4": (announced(), announced(commit(4, 0, 0, WAIT, task="block0/left"))),
    "P6": (on_task(lasting=4), on_task(lasting=3)),
}


def test_every_rule_has_a_case() -> None:
    assert [rule.id for rule in RULES] == list(CASES)


@pytest.mark.parametrize("rule_id", CASES)
def test_golden_hit_and_near_miss(rule_id: str) -> None:
    hit, miss = (find(RULES, rule_id, trace) for trace in CASES[rule_id])
    assert [one.agents for one in hit.hits] == [(0,)]
    assert miss.hits == ()
    assert hit.opportunities
    assert miss.opportunities
    assert hit.hits[0].evidence


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_names_and_checkpoints_change_nothing(rule: Rule) -> None:
    for traces in CASES.values():
        for trace in traces:
            check_renaming(rule, trace)
            check_prefixes(rule, trace)


def test_a_plan_is_stale_only_against_a_true_message_that_was_read_and_not_set_right() -> None:
    assert find(RULES, "P1", assuming(told(2, "shut", true=False), plan_ends=9)).hits == ()
    assert find(RULES, "P1", assuming(told(2, "open"), plan_ends=9)).hits == ()
    assert find(RULES, "P1", assuming(told(2, "shut")[:2], plan_ends=9)).hits == ()
    soon = [*told(2, "shut"), *quiet(3, 4), *told(4, "open", id=1)]
    assert find(RULES, "P1", assuming(soon, plan_ends=9, heard=2)).hits == ()


def test_a_message_that_tells_more_of_what_is_assumed_is_none_against_it() -> None:
    def trace(seen: list[int]) -> Trace:
        read = [
            Message(t=2, id=0, sender=1, recipients=[0], act="inform", facts=[("block0", seen, 2)]),
            Claim(t=2, message=0, key="block0", value=seen, when="sent", true=True),
            Reaction(t=2, agent=0, activation=0, label="consume", messages=[0]),
        ]
        plan = commit(0, 0, 0, WAIT, task="block0/left", block0=[4])
        return made(step(0), plan, *quiet(1, 2), *read, *quiet(3, 9))

    assert find(RULES, "P1", trace([4, 7])).hits == ()
    assert len(find(RULES, "P1", trace([5, 7])).hits) == 1


@pytest.mark.parametrize(("pushed", "found"), [(0, 1), (1, 0)])
def test_what_a_plan_has_changed_itself_is_not_stale(pushed: int, found: int) -> None:
    read = [
        Message(t=2, id=0, sender=1, recipients=[0], act="inform", facts=[("block0", [5, 7], 2)]),
        Claim(t=2, message=0, key="block0", value=[5, 7], when="sent", true=True),
        Reaction(t=2, agent=0, activation=0, label="consume", messages=[0]),
    ]
    plan = commit(0, 0, 0, WAIT, task="block0/left", block0=[4, 7])
    work = counts(1, p=1, committed=1, in_place=1, acting=1, joint=1, success=pushed)
    trace = made(step(0), plan, *quiet(1, 1), work, *quiet(2, 2), *read, *quiet(3, 9))
    assert len(find(RULES, "P1", trace).hits) == found


def test_what_was_read_before_the_plan_counts_from_its_commitment() -> None:
    events = [step(0), *told(0, "shut"), *quiet(1, 3), commit(3, 0, 0, WAIT, door="open"), *quiet(4, 8)]
    assert [(hit.start, hit.end) for hit in find(RULES, "P1", made(*events)).hits] == [(3, 8)]


def test_without_assumptions_or_announcements_the_rules_do_not_apply() -> None:
    empty = made(step(0), *quiet(1, 9))
    assert find(RULES, "P1", empty) == NOT_APPLICABLE
    assert find(RULES, "P4", empty) == NOT_APPLICABLE
    assert find(RULES, "P6", empty).opportunities == 0


def test_a_call_that_the_plan_does_not_have_is_a_mismatch() -> None:
    assert [hit.note for hit in find(RULES, "P2", acting(LEFT, LEFT, concept="push")).hits] == ["not in the plan: push"]
    unknown = made(step(0), call(0, 0, 7, "push", "start"), *quiet(1, 1))
    assert len(find(RULES, "P2", unknown).hits) == 1


@pytest.mark.skipif("intended" not in Step.__struct_fields__, reason="steps do not say what plans asked for")
def test_a_body_that_does_something_else_is_a_mismatch_as_long_as_it_lasts() -> None:
    def acted(t: int, *intended: tuple[int, int]) -> Step:
        return msgspec.structs.replace(step(t, LEFT, STAY), intended=list(intended))

    trace = made(step(0), acted(1, (0, RIGHT)), acted(2, (0, RIGHT)), acted(3), acted(4, (1, LEFT)))
    assert [(hit.agents, hit.start, hit.end) for hit in find(RULES, "P2", trace).hits] == [((0,), 1, 2), ((1,), 4, 4)]
    assert find(RULES, "P2", made(step(0), acted(1))).hits == ()


def test_replanning_at_once_is_no_mismatch() -> None:
    old, new = commit(0, 0, 0, ("primitive", {"action": LEFT})), commit(0, 1, 0, ("primitive", {"action": RIGHT}))
    calls = [call(0, 0, 0, "primitive", "start"), ended(0, 0, 0), new, call(0, 0, 1, "primitive", "start")]
    assert find(RULES, "P2", made(step(0), old, *calls, step(1, RIGHT, STAY))).hits == ()


def test_plans_given_up_while_the_team_gets_on_are_no_thrash() -> None:
    assert find(RULES, "P3", giving_up(3, gain=0.1)).hits == ()
    assert len(find(RULES, "P3", giving_up(6)).hits) == 2


def test_an_announcement_may_be_worked_on_taken_back_or_overtaken() -> None:
    assert find(RULES, "P4", announced(counts(3, committed=1))).hits == ()
    freed = Message(t=3, id=1, sender=0, recipients="*", act="inform", facts=[("free", True, 3)])
    other = Message(t=3, id=1, sender=0, recipients="*", act="ack", facts=[("task", "none", 3)])
    over = Task(t=3, task="block0", event="delivered")
    for event in (freed, other, over):
        assert find(RULES, "P4", announced(event)).opportunities == 0
    assert find(RULES, "P4", announced(until=4)).opportunities == 0


def test_a_task_for_more_agents_than_there_are_leads_nowhere() -> None:
    assert [hit.note for hit in find(RULES, "P6", on_task(4, about="", required=3)).hits] == [
        "takes more agents than there are"
    ]
    assert find(RULES, "P6", on_task(4, about="", required=2)).hits == ()
    assert find(RULES, "P6", on_task(4, about="block01")).hits == ()
