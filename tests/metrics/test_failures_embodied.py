"""Failures of bodies: a golden hit and a near miss per rule, and what holds on whole episodes."""

from __future__ import annotations

import pytest
from failure_traces import (
    LEFT,
    RIGHT,
    SHORT,
    STAY,
    UP,
    call,
    cells,
    check_prefixes,
    check_renaming,
    commit,
    counts,
    ended,
    episode,
    find,
    made,
    step,
    waiting,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emcoop.metrics.attempts import TaskStep
from emcoop.metrics.failures.embodied import RULES
from emcoop.metrics.failures.plans import RULES as PLAN_RULES
from emcoop.metrics.failures.progress import RULES as PROGRESS_RULES
from emcoop.metrics.failures.rule import NOT_APPLICABLE
from emcoop.metrics.failures.thresholds import Thresholds, thresholds_for
from emcoop.metrics.failures.trials import missing
from emcoop.trace import Trace
from emcoop.trace.schema import (
    Activation,
    Claim,
    Constraint,
    End,
    Event,
    Message,
    Reaction,
    Task,
    Waiting,
    World,
)

MEET = ("rendezvous", {"block": 0, "face": "left", "count": 2, "timeout": 20})


def tried(*records: Constraint, spare: int = 2, end: bool = False) -> Trace:
    """One step per record, then some in which nobody is committed."""
    events: list[Event] = [step(0)]
    for t in range(len(records) + spare):
        events += [*records[t : t + 1], step(t + 1, STAY, STAY)]
    if end:
        events.append(End(status="completed", score=0, raw_score=0, steps=0, terminated=False, counters={}))
    return made(*events)


def met(arrival: int, patience: int = 20) -> Trace:
    """Agent 0 waits from step 2, gives up after step 3; agent 1 arrives before step `arrival`."""
    plan = ("rendezvous", {**MEET[1], "timeout": patience})
    events: list[Event] = [step(0), commit(0, 0, 0, plan, task="block0/left"), step(1, STAY, STAY)]
    events += [waiting(1, block0=([0], 2)), step(2, STAY, STAY), step(3, STAY, STAY)]
    events += [ended(3, 0, 0), waiting(3)]
    for t in range(4, 12):
        events += [waiting(t - 1, block0=([1], 2))] if t == arrival else []
        events.append(step(t, STAY, STAY))
    return made(*events)


def walls(*kinds: str) -> Trace:
    """One step per kind of event about agent 0; empty for a move that went well."""
    events: list[Event] = [cells(0, (3, 3), (9, 9)), step(0)]
    for t, kind in enumerate(kinds, start=1):
        said = {"collision": [{"kind": "collision", "agents": [0], "into": "wall"}],
                "race": [{"kind": "cell_race", "agents": [0, 1], "winner": 1}]}.get(kind, [])  # fmt: skip
        events += [] if said else [cells(t, (3, 3 + t))]
        events.append(step(t, RIGHT, STAY, events=said))
    return made(*events)


def head_on(length: int) -> Trace:
    events: list[Event] = [cells(0, (0, 0), (0, 1)), step(0)]
    said = [{"kind": "collision", "agents": [i], "into": "agent"} for i in (0, 1)]
    events += [step(t, RIGHT, LEFT, events=said) for t in range(1, length + 1)]
    return made(*events, step(length + 1, STAY, STAY))


def jam(free: int, crowd: int = 2) -> Trace:
    """Agents side by side; in `free` of four steps all change their cell, in the others they are in the way."""
    events: list[Event] = [cells(0, (0, 0), (0, 1)), step(0)]
    said = [{"kind": "collision", "agents": [i], "into": "agent"} for i in range(crowd)]
    for t in range(1, 5):
        goes = t <= free
        events += [cells(t, (t % 2, 0), (t % 2, 1))] if goes else []
        events.append(step(t, RIGHT, UP, events=[] if goes else said))
    return made(*events, step(5, STAY, STAY))


CASES = {
    "E1": (tried(counts(0, in_place=2, acting=2, dependency=0)), tried(counts(0, in_place=2, acting=1, joint=1))),
    "E2": (tried(counts(0, committed=1, in_place=1)), tried(counts(0, in_place=1))),
    "E3": (
        tried(counts(0, committed=0, in_place=2, engaged=2)),
        tried(counts(0, committed=0, in_place=2, engaged=1)),
    ),
    "E4": (tried(counts(0, in_place=1)), tried(counts(0, in_place=1), counts(1, in_place=2))),
    "E5": (
        tried(counts(0, in_place=2, acting=1, joint=1), counts(1, in_place=2, acting=1, joint=1)),
        tried(counts(0, in_place=2, acting=1, joint=1), counts(1, in_place=2, acting=2, joint=2, success=1)),
    ),
    "E6": (met(arrival=6), met(arrival=6, patience=4)),
    "E7": (walls("collision"), walls("")),
    "E8": (head_on(3), head_on(2)),
    "E9": (jam(free=0), jam(free=3)),
    "E10": (
        made(step(0), call(0, 0, 0, "push", "start", "failed:invalid_argument"), step(1, STAY, STAY)),
        made(step(0), call(0, 0, 0, "push", "start"), step(1, STAY, STAY), call(1, 0, 0, "push", "failed:timeout")),
    ),
}  # fmt: skip


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
def test_names_and_checkpoints_change_nothing(rule: object) -> None:
    for traces in CASES.values():
        for trace in traces:
            check_renaming(rule, trace)  # type: ignore[arg-type]
            check_prefixes(rule, trace)  # type: ignore[arg-type]


def unmet(*steps: TaskStep) -> tuple[str, ...]:
    return missing(steps)


def counted(p: int, committed: int, in_place: int, acting: int, joint: int, dependency: int, engaged: int) -> TaskStep:
    return TaskStep(0, p, committed, in_place, acting, dependency, joint, engaged, 0)


def test_counts_of_different_agents_do_not_add_up() -> None:
    assert unmet(counted(2, 2, 2, 2, 0, 1, 1)) == ("E4",)  # two in place, but at most one of them committed
    assert unmet(counted(2, 2, 2, 2, 1, 1, 2)) == ("E5",)  # two act in place, but only one of them committed
    assert unmet(counted(2, 2, 2, 2, 2, 1, 2)) == ()  # everything was there: two groups in each other's way


def test_all_unmet_types_are_kept_and_the_first_is_the_primary_label() -> None:
    assert unmet(counted(2, 1, 1, 1, 0, 0, 1)) == ("E1", "E2")
    trace = tried(counts(0, committed=1, in_place=1, acting=1, dependency=0))
    (first,), (second,) = (find(RULES, rule_id, trace).hits for rule_id in ("E1", "E2"))
    assert first.note.startswith("first unmet;")
    assert second.note.startswith("unmet after E1;")


def test_the_furthest_an_attempt_got_decides() -> None:
    assert unmet(counted(2, 1, 1, 0, 0, 1, 1), counted(2, 2, 1, 0, 0, 1, 1)) == ("E4",)
    assert unmet(counted(2, 2, 2, 0, 0, 1, 2), counted(2, 2, 1, 1, 1, 1, 1)) == ("E5",)
    assert unmet(counted(2, 2, 2, 2, 0, 0, 2), counted(2, 2, 2, 1, 1, 1, 2)) == ()


def test_somebody_else_acting_once_the_prerequisites_hold_does_not_mend_a_dependency_miss() -> None:
    assert unmet(counted(1, 1, 1, 1, 0, 0, 1), counted(1, 1, 1, 1, 0, 1, 1)) == ("E1",)


def test_an_attempt_that_the_end_cuts_off_is_judged_only_if_it_was_long() -> None:
    alone = [counts(t, committed=1, in_place=1) for t in range(5)]
    assert find(RULES, "E2", tried(*alone, spare=0)).opportunities == 0
    assert len(find(RULES, "E2", tried(*alone, spare=0, end=True)).hits) == 1
    assert find(RULES, "E2", tried(*alone[:3], spare=0, end=True)).opportunities == 0


def test_a_walk_towards_a_task_is_no_targeted_attempt() -> None:
    assert find(RULES, "E2", tried(counts(0, committed=1, engaged=1))).opportunities == 0


def test_preparations_in_between_let_go_of_nothing() -> None:
    plan = commit(0, 0, 0, ("craft", {}), ("collect", {}), task="stone@1,1")
    passing = counts(0, p=1, committed=0, in_place=1, engaged=1, task="stone@1,1")
    got = counts(2, p=1, committed=1, in_place=1, acting=1, joint=1, success=1, task="stone@1,1")
    middle = counts(1, p=1, committed=1, task="make_wood_pickaxe")
    steps = [step(t, STAY, STAY) for t in range(5)]
    events = [steps[0], plan, passing, steps[1], middle, steps[2], got, steps[3], ended(3, 0, 0, "done"), steps[4]]
    events[0] = step(0)
    assert find(RULES, "E3", made(*events)).hits == ()
    given_up = [event for event in events if event is not got]
    assert len(find(RULES, "E3", made(*given_up)).hits) == 1


def test_races_are_lost_by_all_but_the_winner() -> None:
    assert [hit.agents for hit in find(RULES, "E7", walls("race", "")).hits] == [(0,)]
    assert find(RULES, "E7", walls("race", "", "collision")).opportunities == 3


def test_an_agent_in_the_way_is_a_collision_where_no_event_says_so_and_turning_to_a_wall_is_none() -> None:
    events = [cells(0, (0, 0), (0, 1)), step(0), step(1, 2, 3)]  # MA-Crafter: right, into agent 1; up, into anything
    finding = find(RULES, "E7", made(*events, env_id="MACrafter-v0"))
    assert [(hit.agents, hit.note) for hit in finding.hits] == [((0,), "stopped by: agent")]
    assert find(RULES, "E7", made(*events, env_id="Third-v0")) == NOT_APPLICABLE


def test_one_agent_alone_is_no_jam() -> None:
    assert find(RULES, "E9", jam(free=0, crowd=1)).hits == ()


def test_agents_that_push_in_line_do_not_collide() -> None:
    said = [{"kind": "insufficient_force", "agents": [0, 1], "block": 0, "direction": "right", "have": 2, "need": 3}]
    trace = made(cells(0, (0, 0), (0, 1)), step(0), step(1, RIGHT, RIGHT, events=said))
    assert find(RULES, "E7", trace).hits == ()


EVERY = (*RULES, *PLAN_RULES, *PROGRESS_RULES)


def rates(env_id: str, n_agents: int, planner: str) -> dict[str, tuple[int, int]]:
    found = {}
    for rule in EVERY:
        traces = [episode(env_id, n_agents, planner, seed) for seed in range(2)]
        every = [rule.find(trace, thresholds_for(trace)) for trace in traces]
        found[rule.id] = sum(len(one.hits) for one in every), sum(one.opportunities or 0 for one in every)
    return found


@pytest.mark.parametrize(("env_id", "n"), [("Cube-v0", 8), ("MACrafter-L3-v0", 3)])
def test_competent_teams_rarely_fail_and_random_ones_often_do(env_id: str, n: int) -> None:
    failures = [rule.id for rule in EVERY if rule.severity == "F"]
    oracle, team, chance = (rates(env_id, n, planner) for planner in ("oracle", "team", "random"))
    assert all(oracle[rule_id][0] == 0 for rule_id in failures)
    hits, tries = (sum(team[rule_id][k] for rule_id in failures) for k in (0, 1))
    assert hits <= 0.02 * tries
    lit = {rule_id for rule_id, (count, _) in chance.items() if count}
    assert {"E10", "T5"} <= lit
    assert env_id != "Cube-v0" or {"E2", "E7", "T4"} <= lit
    calls = {name: values["E10"][0] / values["E10"][1] for name, values in (("team", team), ("random", chance))}
    assert calls["random"] > 0.1 > 10 * calls["team"] or calls["random"] > 20 * calls["team"]


@pytest.mark.parametrize(("env_id", "n"), [("Cube-v0", 8), ("MACrafter-L3-v0", 3)])
@pytest.mark.parametrize("planner", ["random", "team"])
def test_episodes_have_the_same_failures_renamed_and_cut(env_id: str, n: int, planner: str) -> None:
    trace = episode(env_id, n, planner, 1)
    for rule in EVERY:
        check_renaming(rule, trace, thresholds_for(trace))
        check_renaming(rule, trace, SHORT)
        check_prefixes(rule, trace, SHORT, every=11)


AGENT, TIME = st.integers(0, 2), st.integers(0, 6)
WORD = st.sampled_from(["", "a", "a/left", "block0/left", "block0", "none", "rendezvous:a", "primitive"])
ANYTHING = st.none() | st.integers(-2, 9) | WORD | st.lists(st.integers(-1, 3), max_size=2)
FACTS = st.lists(st.tuples(st.sampled_from(["task", "free", "door"]), ANYTHING, TIME), max_size=2)
KINDS = st.sampled_from(["collision", "cell_race", "push", "death", "revive", "missing_tool", ""]) | ANYTHING


@st.composite
def strange(draw: st.DrawFn) -> Event:
    """Draw any event but a step, sound in its types and senseless otherwise."""
    t, agent, number, word = draw(TIME), draw(AGENT), draw(st.integers(-1, 2)), draw(WORD)
    agents = draw(st.lists(AGENT, max_size=2))
    pairs = [[agent, number], [number], []][: len(agents)] + [[0, 0]] * max(0, len(agents) - 3)
    reason = draw(st.sampled_from(["done", "superseded", "failed:x"]))
    some = draw(st.integers(0, 3))
    return draw(
        st.sampled_from(
            [
                World(t=t, agents=agents, to=pairs, objects={f"agent{number}": [1], word: []}),
                commit(t, number, agent, (word, {"timeout": draw(ANYTHING), "action": draw(ANYTHING)}), task=word),
                ended(t, number, agent, reason, number),
                call(t, agent, number, word, "start", "failed:", "start", word),
                Waiting(t=t, points=[word, "a"], agents=[agents, [number]], needs=[number, 9]),
                counts(t, p=1 + some, committed=some, in_place=agent, acting=1, engaged=agent, task=word, who=agents),
                Message(t=t, id=number, sender=agent, recipients=word, act="commit", facts=draw(FACTS)),
                Message(t=t, id=number, sender=agent, recipients=[7], act="done", facts=draw(FACTS)),
                Claim(t=t, message=number, key="door", value=draw(ANYTHING), when="sent", true=draw(st.booleans())),
                Reaction(t=t, agent=agent, activation=number, label="consume", messages=[number, 5]),
                Activation(t=t, id=0, agent=agent, started=0, outcome="forced", status=word, thinking=number),
                Task(t=t, task=word, event="stuck"),
            ]
        )
    )


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_sound_log_is_too_strange(data: st.DataObject) -> None:
    events: list[Event] = []
    for t in range(data.draw(st.integers(0, 7))):
        events += data.draw(st.lists(strange(), max_size=5))
        happenings = [
            {"kind": kind, "agents": who, "winner": other, "revived": other, "into": other}
            for kind, who, other in data.draw(st.lists(st.tuples(KINDS, ANYTHING, ANYTHING), max_size=2))
        ]
        actions = data.draw(st.lists(st.integers(-1, 30), min_size=3, max_size=3)) if t else []
        events.append(step(t, *actions, progress=data.draw(st.floats(0, 1)), shape="a", events=happenings))
    trace = made(*events, n=3, horizon=data.draw(st.integers(0, 9)))
    for rule in EVERY:
        finding = rule.find(trace, SHORT)
        assert finding.opportunities is None or 0 <= len(finding.hits) <= finding.opportunities, rule.id
        assert all(hit.start <= hit.end for hit in finding.hits), rule.id


def test_rates_never_exceed_one_on_episodes() -> None:
    for thresholds in (SHORT, Thresholds()):
        for planner in ("random", "team"):
            trace = episode("Cube-v0", 8, planner, 0)
            for rule in EVERY:
                finding = rule.find(trace, thresholds)
                assert finding.opportunities is None or len(finding.hits) <= finding.opportunities, rule.id
