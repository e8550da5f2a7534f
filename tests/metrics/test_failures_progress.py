"""Failures of progress: a golden hit and a near miss per rule, the reduction of waits, doubled episodes."""

from __future__ import annotations

import pytest
from failure_traces import (
    LEFT,
    RIGHT,
    SHORT,
    STAY,
    call,
    cells,
    check_prefixes,
    check_renaming,
    commit,
    counts,
    ended,
    find,
    made,
    step,
    waiting,
)

from emcoop.metrics.failures.embodied import RULES as BODY_RULES
from emcoop.metrics.failures.knots import unending
from emcoop.metrics.failures.moments import Wait
from emcoop.metrics.failures.plans import RULES as PLAN_RULES
from emcoop.metrics.failures.progress import RULES
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Rule
from emcoop.trace import Trace
from emcoop.trace.checks import COLUMNS
from emcoop.trace.schema import Activation, Claim, Constraint, End, Event, Message, Step


def walk(*actions: int, progress: float = 0.0, shapes: str = "") -> list[Event]:
    """One step per action of agent 0; agent 1 stays; `shapes` names the configurations."""
    return [
        step(t, action, STAY, progress=progress, shape=shapes[t - 1 : t] or str(t))
        for t, action in enumerate(actions, start=1)
    ]


def hold(points: dict[str, tuple[list[int], int]], steps: int, n: int, gain_at: int = 0) -> Trace:
    """These agents wait for so many steps and then no more; the others walk."""
    events: list[Event] = [step(0), waiting(0, **points)]
    held = {agent for who, _ in points.values() for agent in who}
    actions = [STAY if agent in held else RIGHT for agent in range(n)]
    events += [step(t, *actions, progress=0.1 * (0 < gain_at <= t)) for t in range(1, steps + 1)]
    return made(*events, waiting(steps), step(steps + 1, *actions), step(steps + 2, *actions), n=n)


def trip(*path: tuple[int, int]) -> Trace:
    events: list[Event] = [cells(0, path[0], (9, 9)), step(0)]
    for t, cell in enumerate(path[1:], start=1):
        events += [cells(t, cell), step(t, RIGHT, STAY)]
    return made(*events, step(len(path), STAY, STAY))


def said_done(progress: float, *facts: tuple[str, str, int], true: bool = True) -> Trace:
    message = Message(t=1, id=0, sender=0, recipients="*", act="done", facts=list(facts))
    claims = [Claim(t=1, message=0, key=key, value=value, when="sent", true=true) for key, value, _ in facts]
    return made(step(0), step(1, STAY, STAY, progress=progress), message, *claims, step(2, STAY, STAY))


def after_goal(busy: int) -> Trace:
    done = [step(t, RIGHT if t <= busy + 1 else STAY, STAY, progress=1.0) for t in range(1, 9)]
    return made(step(0), *done)


def decided(**how: str) -> Trace:
    return made(step(0), Activation(id=0, agent=0, started=0, **{"outcome": "plan", **how}), *walk(STAY, STAY))


A, B, C = (0, 0), (0, 1), (0, 2)
CASES = {
    "T1": (hold({"a": ([0], 2), "b": ([1], 2)}, steps=4, n=2), hold({"a": ([0], 2), "b": ([1], 2)}, steps=4, n=3)),
    "T2": (made(step(0), *walk(*[STAY] * 4, RIGHT, RIGHT)), made(step(0), *walk(*[STAY] * 3, RIGHT, RIGHT))),
    "T3": (
        made(step(0), *walk(*[RIGHT, LEFT] * 4, STAY, shapes="ababababx")),
        made(step(0), *walk(*[RIGHT, LEFT] * 3, STAY, shapes="abababx")),
    ),
    "T4": (trip(A, B, A, B), trip(A, B, A, (1, 0))),
    "T5": (made(step(0), *walk(LEFT, LEFT, LEFT, STAY)), made(step(0), *walk(LEFT, LEFT, RIGHT, LEFT, STAY))),
    "T6": (said_done(0.5), said_done(1.0)),
    "T7": (after_goal(busy=4), after_goal(busy=3)),
    "T10": (decided(status="fallback"), decided(status="repaired")),
}


def test_every_rule_has_a_case() -> None:
    assert [rule.id for rule in RULES] == list(CASES)


@pytest.mark.parametrize("rule_id", CASES)
def test_golden_hit_and_near_miss(rule_id: str) -> None:
    hit, miss = (find(RULES, rule_id, trace) for trace in CASES[rule_id])
    assert len(hit.hits) == 1
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


def left(free: int, *waits: tuple[int, int]) -> list[int]:
    """Waits of (agents there, needed), each of other agents; return which cannot end."""
    first, held = 100, []
    for k, (there, need) in enumerate(waits):
        held.append(Wait(str(k), frozenset(range(first, first + there)), need, 0))
        first += there
    return [int(wait.point) for wait in unending(held, frozenset(range(free)))]


def test_reduction_asks_for_k_of_m_and_not_for_cycles() -> None:
    assert left(0, (4, 5), (4, 5)) == [0, 1]
    assert left(1, (4, 5), (4, 5)) == []  # a cycle all the same: each needs one of the other
    assert left(1, (4, 6), (4, 6)) == [0, 1]
    assert left(1, (1, 2), (2, 5), (1, 3)) == []  # one ends the first, three the third, four the second
    assert left(1, (1, 2), (2, 9)) == [1]  # more than there are
    assert left(0, (2, 2), (1, 3)) == []


def test_a_deadlock_is_one_incident_of_all_its_agents_and_ends_with_a_gain() -> None:
    points = {"a": ([0, 1], 3), "b": ([2, 3], 3)}
    (hit,) = find(RULES, "T1", hold(points, steps=6, n=4)).hits
    assert (hit.agents, hit.start, hit.end) == ((0, 1, 2, 3), 1, 6)
    assert find(RULES, "T1", hold(points, steps=6, n=4, gain_at=4)).hits == ()


def idling(in_place: int, actions: tuple[int, int]) -> Trace:
    """Two agents, each committed to another task for two, one of them in place at its own."""
    events: list[Event] = [step(0)]
    for t in range(5):
        one, two = (counts(t, committed=1, in_place=in_place, task=task, who=[k]) for k, task in enumerate("ab"))
        both = {name: [*getattr(one, name), *getattr(two, name)] for name in COLUMNS[Constraint]}
        events += [Constraint(t=t, **both), step(t + 1, *actions)]
    return made(*events, env_id="MACrafter-v0")


def test_agents_that_idle_at_tasks_short_of_hands_wait_without_a_meeting_point() -> None:
    assert [hit.agents for hit in find(RULES, "T1", idling(1, (STAY, STAY))).hits] == [(0, 1)]
    assert find(RULES, "T1", idling(1, (STAY, RIGHT))).hits == ()
    assert find(RULES, "T1", idling(2, (STAY, STAY))).hits == ()


def test_a_fallen_agent_comes_to_nobodys_help() -> None:
    events: list[Event] = [step(0), waiting(0, a=([0], 2))]
    fallen = {"kind": "death", "agents": [1], "cause": "lava"}
    events += [step(t, STAY, RIGHT if t == 1 else STAY, events=[fallen] if t == 1 else []) for t in range(1, 8)]
    assert [(hit.agents, hit.start) for hit in find(RULES, "T1", made(*events)).hits] == [((0,), 2)]


def test_the_tail_of_the_budget_and_thinking_are_no_stall() -> None:
    assert find(RULES, "T2", made(step(0), *walk(*[STAY] * 7), horizon=7)).hits == ()
    assert len(find(RULES, "T2", made(step(0), *walk(*[STAY] * 8), horizon=8)).hits) == 1
    thinks = Activation(id=0, agent=1, started=0, outcome="plan", thinking=3)
    assert find(RULES, "T2", made(step(0), thinks, *walk(*[STAY] * 6))).hits == ()
    assert find(RULES, "T2", made(step(0, progress=1.0), *walk(*[STAY] * 6, progress=1.0))).opportunities == 0


def test_search_is_no_livelock() -> None:
    events: list[Event] = [cells(0, A, (9, 9)), step(0)]
    for t, one in enumerate(walk(*[RIGHT] * 8, shapes="abababab"), start=1):
        events += [cells(t, (0, t)), one]
    assert find(RULES, "T3", made(*events)).hits == ()


def test_tasks_may_oscillate_too_and_slow_returns_do_not() -> None:
    def planned(pause: int) -> Trace:
        events: list[Event] = [step(0)]
        for k, task in enumerate("abab"):
            events += [commit(k * pause, k, 0, ("wait", {}), task=task)]
            events += [step(t, STAY, STAY) for t in range(k * pause + 1, (k + 1) * pause + 1)]
        return made(*events)

    assert [hit.note for hit in find(RULES, "T4", planned(2)).hits] == ["between two tasks"]
    assert find(RULES, "T4", planned(3)).hits == ()
    (long,) = find(RULES, "T4", trip(A, B, A, B, A, B, C)).hits
    assert (long.start, long.end) == (0, 5)


def test_going_to_and_fro_for_a_task_is_no_oscillation() -> None:
    trace = trip(A, B, A, B)
    assert len(find(RULES, "T4", trace).hits) == 1
    for event in trace.of(Step):
        event.events = [{"kind": "push", "agents": [0]}]
    assert find(RULES, "T4", Trace(trace.events)).hits == ()


def test_an_action_with_an_effect_is_no_repetition() -> None:
    effect = [{"kind": "drink", "agents": [0]}]
    drinking = [step(t, 5, STAY, events=effect) for t in range(1, 5)]
    assert find(RULES, "T5", made(step(0), *drinking, env_id="MACrafter-v0")).hits == ()
    vain = [step(t, 5, STAY, events=[{"kind": "missing_tool", "agents": [0]}]) for t in range(1, 5)]
    assert len(find(RULES, "T5", made(step(0), *vain, env_id="MACrafter-v0")).hits) == 1


def test_done_is_judged_by_its_facts_if_it_states_any() -> None:
    assert len(find(RULES, "T6", said_done(0.5, ("door", "open", 1), true=False)).hits) == 1
    assert find(RULES, "T6", said_done(0.5, ("door", "open", 1))).hits == ()
    assert find(RULES, "T6", made(step(0), *walk(STAY))) == NOT_APPLICABLE


def test_talking_after_the_goal_counts_like_acting() -> None:
    message = Message(t=6, id=0, sender=0, recipients="*", act="free")
    steps = [step(t, STAY, STAY, progress=1.0) for t in range(1, 8)]
    assert len(find(RULES, "T7", made(step(0), *steps[:6], message, *steps[6:])).hits) == 1
    assert find(RULES, "T7", made(step(0), *walk(*[RIGHT] * 9))) == NOT_APPLICABLE


def test_a_crash_is_an_agent_failure_too() -> None:
    end = End(status="agent_error", score=0, raw_score=0, steps=0, terminated=False, counters={})
    finding = find(RULES, "T10", made(step(0), end))
    assert ([hit.note for hit in finding.hits], finding.opportunities) == (["agent_error"], 1)
    assert len(find(RULES, "T10", decided(outcome="forced")).hits) == 1


def stationary(rounds: int) -> Trace:
    """The same 20 steps again and again, with one gain each: misses, bumps, to and fro, waits, thrash, a stall."""
    events: list[Event] = [cells(0, A, (9, 9)), step(0)]
    for k in range(rounds):
        t, best = 20 * k, 0.001 * k
        bump = [{"kind": "collision", "agents": [0], "into": "wall"}]
        lone = counts(t, committed=1, in_place=1)
        events += [lone, cells(t + 1, B), step(t + 1, RIGHT, STAY, progress=best)]
        for s, cell in ((2, A), (3, B), (4, A)):
            events += [ended(t + s - 1, t + s - 1, 0)] if s > 2 else []
            events += [
                commit(t + s - 1, t + s, 0, ("push", {})),
                call(t + s - 1, 0, t + s, "push", "start", "failed:x"),
            ]
            events += [cells(t + s, cell), step(t + s, LEFT, STAY, progress=best)]
        events += [ended(t + 4, t + 3, 0), ended(t + 4, t + 4, 0)]
        events += [step(t + s, LEFT, STAY, progress=best, events=bump) for s in range(5, 9)]
        events += [waiting(t + 8, a=([0], 2), b=([1], 2))]
        events += [step(t + s, STAY, STAY, progress=best) for s in range(9, 15)]
        events += [waiting(t + 14)]
        events += [step(t + s, 5, STAY, progress=best, shape="ab"[s % 2]) for s in range(15, 20)]
        events += [step(t + 20, RIGHT, STAY, progress=best + 0.001)]
    return made(*events)


@pytest.mark.parametrize("rule", [*BODY_RULES, *PLAN_RULES, *RULES], ids=lambda rule: rule.id)
def test_rates_do_not_depend_on_how_long_the_same_goes_on(rule: Rule) -> None:
    once, twice = (rule.find(stationary(rounds), SHORT) for rounds in (10, 20))
    if once.opportunities:
        assert twice.opportunities
        assert len(twice.hits) / twice.opportunities == pytest.approx(len(once.hits) / once.opportunities, rel=0.1)


def test_the_doubled_episode_has_failures_to_speak_of() -> None:
    every = [*BODY_RULES, *PLAN_RULES, *RULES]
    lit = {rule.id for rule in every if rule.find(stationary(10), SHORT).hits}
    assert lit >= {"E2", "E7", "E10", "P3", "T1", "T2", "T4", "T5"}
