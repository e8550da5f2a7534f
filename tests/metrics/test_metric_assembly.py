"""Hand-computed values of how agents came together, and of how far attempts stayed from their quorum."""

from __future__ import annotations

import math
from typing import Any

import pytest

from emcoop.metrics import assembly, constraints, outcome
from emcoop.metrics.kinds import key_actions, producers, vocabulary
from emcoop.trace import Trace
from emcoop.trace.schema import SCHEMA, Constraint, End, Episode, Event, Run, Step, World

TASK = "block0/left"
NAMES = ("required", "committed", "in_place", "acting", "dependency", "joint", "engaged", "success")


def counts(
    p: int = 2, committed: int = 2, in_place: int = 0, acting: int = 0, dependency: int = 1, joint: int = 0,
    engaged: int = 1, success: int = 0,
) -> tuple[int, ...]:  # fmt: skip
    return p, committed, in_place, acting, dependency, joint, engaged, success


def record(t: int, tasks: dict[str, tuple[int, ...]]) -> Constraint:
    columns: dict[str, Any] = {name: [row[k] for row in tasks.values()] for k, name in enumerate(NAMES)}
    return Constraint(
        t=t, tasks=list(tasks), participants=[[]] * len(tasks), inferred=[0] * len(tasks), **columns
    )  # fmt: skip


def pushed(*agents: int, kind: str = "insufficient_force") -> dict[str, Any]:
    event: dict[str, Any] = {"kind": kind, "agents": list(agents), "direction": "right"}
    return {**event, "blocks": [0]} if kind == "push" else {**event, "block": 0}


def step(t: int, actions: list[int], happened: list[dict[str, Any]]) -> Step:
    return Step(
        t=t, actions=actions, reward=0.0, state_hash="", configuration_hash="", progress=0.0, events=happened
    )  # fmt: skip


def trace(*events: Event, n: int = 3, env: str = "Cube-v0") -> Trace:
    head: list[Event] = [
        Run(schema=SCHEMA, emcoop="1", config_hash=""),
        Episode(env_id=env, env_kwargs={}, n_agents=n, max_steps=99, seed=0, planners=[], topology={}),
    ]
    return Trace(head + list(events))


def working(
    *moments: tuple[tuple[int, ...] | None, list[dict[str, Any]]], env: str = "Cube-v0", task: str = TASK
) -> Trace:
    """One step per entry: the counts of the one task, None for nobody committed, and the events."""
    events: list[Event] = [step(0, [], [])]
    for t, (row, happened) in enumerate(moments):
        if row is not None:
            events.append(record(t, {task: row}))
        events.append(step(t + 1, [0, 0, 0], happened))
    return trace(*events, env=env)


def held(*rows: tuple[int, ...] | None) -> Trace:
    return working(*[(row, []) for row in rows])


# Time apart ----------------------------------------------------------------------------------------------------------


def test_desynchronisation_is_the_closest_that_enough_different_agents_came() -> None:
    busy = counts()
    made = working(
        (busy, [pushed(0)]),
        (busy, [pushed(0)]),  # the same agent again does not make two
        (busy, []),
        (busy, []),
        (busy, [pushed(1)]),  # 3 after the last push of agent 0
        (busy, []),
        (busy, [pushed(2)]),  # 2 after agent 1
    )
    assert assembly.desynchronisation(made) == 2.0


def test_agents_that_act_in_one_step_are_not_apart() -> None:
    apart = (counts(), [pushed(0)])
    together = (counts(joint=2, success=1), [pushed(0, 1, kind="push")])
    assert assembly.desynchronisation(working(apart, apart, together)) == 0.0
    same = (counts(), [pushed(0), pushed(1)])
    assert assembly.desynchronisation(working(same)) == 0.0


def test_desynchronisation_is_averaged_over_attempts_with_enough_agents() -> None:
    one, other, nothing = (counts(), [pushed(0)]), (counts(), [pushed(1)]), (counts(), [])
    release: tuple[None, list[dict[str, Any]]] = (None, [])
    assert assembly.desynchronisation(working(one, other, release, one, nothing, nothing, other)) == 2.0
    assert assembly.desynchronisation(working(one, other, release, one, one)) == 1.0
    assert math.isnan(assembly.desynchronisation(working(one, release, other)))  # not in one attempt
    alone = (counts(p=1), [pushed(0)])
    assert math.isnan(assembly.desynchronisation(working(alone)))
    assert math.isnan(assembly.desynchronisation(working(one, other, env="Elsewhere-v0")))


def test_key_actions_name_the_tasks_of_both_worlds() -> None:
    cube = working((None, [pushed(1, 0, kind="push"), pushed(2), {"kind": "collision", "agents": [2]}]))
    assert key_actions(cube) == {TASK: [(0, frozenset({0, 1})), (0, frozenset({2}))]}
    both = {"kind": "push", "agents": [0], "blocks": [4, 7], "direction": "up"}
    assert list(key_actions(working((None, [both])))) == ["block4/bottom", "block7/bottom"]
    here = {"resource": "iron", "row": 12, "col": 30, "agents": [0]}
    happened = [
        {"kind": "collect", **here},
        {"kind": "insufficient_quorum", **here, "agents": [1]},
        {"kind": "missing_tool", **here},
        {"kind": "make", "item": "iron_pickaxe", "agents": [2]},
        {"kind": "craft_failed", "item": "iron_pickaxe", "reason": "no_station", "agents": [0]},
        {"kind": "craft_failed", "item": "iron_pickaxe", "reason": "insufficient_quorum", "agents": [1]},
    ]
    crafter = working((None, happened), env="MACrafter-L3-v0")
    assert key_actions(crafter) == {
        "iron@12,30": [(0, frozenset({0})), (0, frozenset({1}))],
        "make_iron_pickaxe": [(0, frozenset({2})), (0, frozenset({1}))],
    }


@pytest.mark.parametrize(
    "event", [{}, {"kind": []}, {"kind": "push"}, {"kind": "push", "blocks": 3, "direction": "up"},
              {"kind": "push", "blocks": [[]], "direction": [], "agents": {}}, {"kind": "cell_race", "winner": [],
              "agents": [[1], None]}],
)  # fmt: skip
def test_events_that_make_no_sense_are_passed_over(event: dict[str, Any]) -> None:
    for env in ("Cube-v0", "MACrafter-v0", "Elsewhere-v0"):
        made = working((counts(), [event]), env=env)
        assert math.isnan(assembly.desynchronisation(made))
        assert math.isnan(assembly.congestion(made))
        assert producers(event, vocabulary(made)) == []


# Holding -------------------------------------------------------------------------------------------------------------


def test_holding_is_counted_until_the_quorum_acts() -> None:
    there, both = counts(in_place=1), counts(in_place=2, acting=1, joint=1, engaged=2)
    push = counts(in_place=2, acting=2, joint=2, engaged=2, success=1)
    made = held(counts(engaged=0), there, there, both, push, both)
    assert assembly.holding_cost(made) == 1 + 1 + 2
    assert assembly.held_in_vain(made) == 0.0


def test_strangers_in_place_hold_nothing() -> None:
    assert assembly.holding_cost(held(counts(in_place=3, engaged=1))) == 1.0
    assert assembly.holding_cost(held(counts(in_place=0, engaged=2), counts(in_place=2, engaged=0))) == 0.0


def test_groups_that_never_got_there_held_in_vain() -> None:
    there, push = counts(in_place=1), counts(in_place=2, acting=2, joint=2, engaged=2, success=1)
    made = held(there, push, None, there, there, there, None, counts(engaged=0))
    assert assembly.holding_cost(made) == (1 + 3) / 2
    assert assembly.held_in_vain(made) == 3 / 4


def test_nobody_near_a_task_is_no_group() -> None:
    for made in (held(counts(engaged=0)), held(None), trace()):
        assert math.isnan(assembly.holding_cost(made))
        assert math.isnan(assembly.held_in_vain(made))
    at_once = held(counts(p=1, in_place=1, acting=1, joint=1))
    assert assembly.holding_cost(at_once) == 0.0
    assert math.isnan(assembly.held_in_vain(at_once))


# Congestion ----------------------------------------------------------------------------------------------------------

RIGHT, LEFT, UP = 4, 3, 1
"""CUBE's primitives."""


def moving(
    actions: list[int], to: dict[int, list[int]], *happened: dict[str, Any], env: str = "Cube-v0"
) -> list[Event]:
    """One step of three agents in a row: 0 and 1 side by side, 2 on its own."""
    start = World(agents=[0, 1, 2], to=[[5, 5], [5, 6], [0, 0]])
    return [
        start,
        step(0, [], []),
        World(t=1, agents=list(to), to=list(to.values())),
        step(1, actions, list(happened)),
    ]


@pytest.mark.parametrize(
    ("actions", "to", "happened", "expected"),
    [
        ([RIGHT, 0, 0], {}, [{"kind": "collision", "agents": [0], "into": "agent"}], 1.0),
        ([RIGHT, 0, 0], {}, [], 1.0),  # the cell ahead was taken, event or not
        ([LEFT, RIGHT, 0], {0: [5, 4], 1: [5, 7]}, [], 0.0),
        ([LEFT, RIGHT, UP], {0: [5, 4]}, [{"kind": "collision", "agents": [2], "into": "wall"}], 1 / 3),
        ([0, LEFT, UP], {2: [0, 1]}, [{"kind": "cell_race", "agents": [1, 2], "winner": 2}], 1 / 2),
        ([RIGHT, RIGHT, UP], {2: [1, 0]}, [pushed(0, 1)], 0.0),  # in line and pushing: no walking
        ([RIGHT, RIGHT, 0], {}, [pushed(0, 1)], math.nan),
        ([0, 0, 0], {}, [], math.nan),
    ],
)
def test_congestion_in_cube(
    actions: list[int], to: dict[int, list[int]], happened: list[dict[str, Any]], expected: float
) -> None:
    made = trace(*moving(actions, to, *happened))
    assert assembly.congestion(made) == pytest.approx(expected, nan_ok=True)


def test_turning_towards_something_solid_is_not_blocked_in_ma_crafter() -> None:
    left, right, up = 1, 2, 3
    turned = trace(*moving([left, right, up], {}), env="MACrafter-L1-v0")
    assert assembly.congestion(turned) == 0.0
    jammed = trace(*moving([right, left, 5], {}), env="MACrafter-L1-v0")
    assert assembly.congestion(jammed) == 1.0
    raced = trace(
        *moving([up, right, 18], {0: [4, 5]}, {"kind": "cell_race", "agents": [0, 1], "winner": 0}),
        env="MACrafter-v0",
    )
    assert assembly.congestion(raced) == 0.5


def test_the_peak_of_congestion_is_one_step() -> None:
    first = moving([RIGHT, LEFT, UP], {2: [1, 0]})
    again = [step(2, [RIGHT, UP, UP], []), World(t=3, agents=[0], to=[[5, 4]]), step(3, [LEFT, 0, 0], [])]
    made = trace(*first, *again)
    assert assembly.congestion(made) == pytest.approx((2 + 1) / 7)
    assert assembly.congestion_peak(made) == pytest.approx(2 / 3)
    for nothing in (trace(), trace(step(0, [], [])), trace(*moving([1, 1, 1], {}), env="Elsewhere-v0")):
        assert math.isnan(assembly.congestion(nothing))
        assert math.isnan(assembly.congestion_peak(nothing))


# Deficits and sets ---------------------------------------------------------------------------------------------------


def test_deficits_are_taken_at_the_best_step_of_failed_attempts() -> None:
    far, near = counts(p=4, committed=4, in_place=1), counts(p=4, committed=3, in_place=2, acting=1, joint=1)
    won = counts(p=1, in_place=1, acting=1, joint=1, success=1)
    made = held(far, near, far, None, won, None, counts(p=2, committed=2, in_place=1))
    assert constraints.deficit_participation(made) == pytest.approx((1 / 4 + 0) / 2)
    assert constraints.deficit_spatial(made) == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert constraints.deficit_temporal(made) == pytest.approx((3 / 4 + 1) / 2)
    assert constraints.deficit_joint(made) == pytest.approx((3 / 4 + 1) / 2)


def test_more_than_enough_is_no_negative_deficit() -> None:
    made = held(counts(p=2, committed=5, in_place=4, acting=3, joint=0, dependency=0, engaged=4))
    assert constraints.deficit_participation(made) == 0.0
    assert constraints.deficit_spatial(made) == 0.0
    assert constraints.deficit_temporal(made) == 0.0
    assert constraints.deficit_joint(made) == 1.0


def test_without_a_failed_attempt_there_is_no_deficit() -> None:
    won = held(counts(p=1, in_place=1, acting=1, joint=1, success=1))
    for made in (won, held(None)):
        assert math.isnan(constraints.deficit_participation(made))
        assert math.isnan(constraints.deficit_joint(made))


def test_sets_of_constraints_over_time() -> None:
    made = trace(
        record(0, {"a": counts(committed=1, dependency=0)}),
        record(1, {"a": counts(in_place=2, acting=1), "b": counts(p=1, committed=1, in_place=1, acting=1)}),
        record(3, {}),
    )
    assert constraints.constraint_sets(made) == [(0, 0, 4), (1, 3 + 4, 1)]
    assert constraints.constraints_satisfied(made) == 3.5
    assert constraints.constraints_violated(made) == 2.5
    assert math.isnan(constraints.constraints_satisfied(trace()))
    assert math.isnan(constraints.constraints_violated(trace(record(0, {}))))


def test_progress_beyond_its_bounds_breaks_nothing() -> None:
    made = trace(
        *[
            Step(t=t, actions=[], reward=0.0, state_hash="", configuration_hash="", progress=progress)
            for t, progress in enumerate([0.0, 1e308, 1e308, -1e308])
        ],
        End(status="completed", score=0.5, raw_score=1.0, steps=3, terminated=False, counters={}),
    )
    assert outcome.progress_auc(made) == pytest.approx(2 / 99)
