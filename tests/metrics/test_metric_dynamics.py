"""Hand-computed values of how a group moves, and what holds for all process metrics whatever the trace."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emcoop.envs.ma_crafter.rules import SHARE, share_code
from emcoop.metrics import Metric, assembly, collaboration, constraints, dynamics, outcome, plans, roles
from emcoop.metrics.tracks import tracks
from emcoop.trace import Trace
from emcoop.trace.schema import SCHEMA, Constraint, Episode, Event, Plan, Round, Run, Stage, Step, World

PROCESS = [
    value
    for module in (outcome, collaboration, plans, roles, constraints, assembly, dynamics)
    for value in vars(module).values()
    if isinstance(value, Metric)
]
GROUP = [value for value in vars(dynamics).values() if isinstance(value, Metric)]
Cell = tuple[int, int]


def trace(*events: Event, n: int, env: str = "E-v0") -> Trace:
    head: list[Event] = [
        Run(schema=SCHEMA, emcoop="1", config_hash=""),
        Episode(env_id=env, env_kwargs={}, n_agents=n, max_steps=9, seed=0, planners=[], topology={}),
    ]
    return Trace(head + list(events))


def step(t: int, actions: list[int]) -> Step:
    return Step(t=t, actions=actions, reward=0.0, state_hash="", configuration_hash="", progress=0.0)


def walk(*frames: list[Cell]) -> Trace:
    """Everybody's cells after reset and after each step; only what changes is recorded."""
    n, events = len(frames[0]), []
    known: list[Cell | None] = [None] * n
    for t, frame in enumerate(frames):
        moved = [agent for agent in range(n) if known[agent] != frame[agent]]
        if moved:
            events.append(World(t=t, agents=moved, to=[list(frame[agent]) for agent in moved]))
        events.append(step(t, [0] * n if t else []))
        known = list(frame)
    return trace(*events, n=n)


def test_tracks_put_the_changes_together() -> None:
    made = trace(
        World(agents=[2, 0], to=[[7, 7], [1, 1]]),
        step(0, []),
        step(1, [0] * 3),
        World(t=2, agents=[0, 1], to=[[1, 2], [3, 3]]),
        step(2, [0] * 3),
        World(t=3, agents=[2, 0], to=[[7], [1 << 70, 0]]),
        step(3, [0] * 3),
        n=3,
    )
    ways = tracks(made)
    assert ways.agents == [0, 2]  # agent 1 had no cell when the episode began
    assert ways.cells.tolist() == [[[1, 1], [7, 7]], [[1, 1], [7, 7]], [[1, 2], [7, 7]], [[1, 2], [7, 7]]]
    assert ways.moves.tolist() == [[[0, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [0, 0]]]


def test_four_ways_at_once_are_two_bits_and_no_polarisation() -> None:
    made = walk([(5, 5)] * 4, [(4, 5), (6, 5), (5, 4), (5, 6)])
    assert dynamics.direction_entropy(made) == 2.0
    assert dynamics.polarisation(made) == 0.0
    assert dynamics.stillness(made) == 0.0
    assert dynamics.mean_displacement(made) == 1.0


def test_one_way_is_no_entropy_and_full_polarisation() -> None:
    made = walk([(0, 0), (2, 0), (4, 0)], [(0, 1), (2, 1), (4, 0)])
    assert dynamics.direction_entropy(made) == 0.0
    assert dynamics.polarisation(made) == 1.0
    assert dynamics.stillness(made) == pytest.approx(1 / 3)
    assert dynamics.mean_displacement(made) == pytest.approx(2 / 3)


def test_directions_are_averaged_over_the_steps_in_which_anybody_moved() -> None:
    start = [(5, 5), (5, 8)]
    made = walk(start, start, [(5, 6), (5, 7)], start, [(5, 6), (5, 9)])  # still, towards, apart, same way
    assert dynamics.direction_entropy(made) == pytest.approx(2 / 3)
    assert dynamics.polarisation(made) == pytest.approx(1 / 3)
    assert dynamics.stillness(made) == 0.25
    square = walk(start, [(5, 6), (6, 8)])
    assert dynamics.polarisation(square) == pytest.approx(math.sqrt(0.5))


def test_diagonal_moves_have_length_one_too() -> None:
    made = walk([(5, 5), (5, 8)], [(6, 6), (6, 8)])
    assert dynamics.direction_entropy(made) == 1.0
    assert dynamics.polarisation(made) == pytest.approx(math.cos(math.pi / 8))
    assert dynamics.mean_displacement(made) == 1.5


def test_nobody_moving_has_no_direction() -> None:
    made = walk([(1, 1), (2, 2)], [(1, 1), (2, 2)])
    assert math.isnan(dynamics.direction_entropy(made))
    assert math.isnan(dynamics.polarisation(made))
    assert dynamics.stillness(made) == 1.0
    assert dynamics.mean_displacement(made) == 0.0


def test_exploration_counts_cells_once() -> None:
    assert dynamics.exploration(walk([(0, 0), (0, 1)], [(0, 1), (0, 0)], [(1, 1), (0, 0)])) == 3.0
    assert dynamics.exploration(walk([(0, 0)])) == 1.0


def test_cohesion_counts_the_pairs_that_stay_side_by_side() -> None:
    row = [(0, 0), (0, 1), (0, 2), (9, 9)]
    assert dynamics.cohesion(walk(row, row)) == 2.0
    assert dynamics.cohesion(walk([(0, 0), (1, 0), (2, 0)], [(0, 0), (1, 0), (2, 1)])) == 1.0
    together = [(1, 0), (1, 1), (1, 2), (0, 2)]
    assert dynamics.cohesion(walk(row, together)) == 2.0  # the fourth came only now
    assert dynamics.cohesion(walk(row, together, row)) == 2.0
    assert dynamics.cohesion(walk(row, [(0, 0), (1, 1), (0, 2), (9, 9)])) == 0.0  # apart, if only diagonally
    around = [(0, 1), (0, 0), (1, 0), (9, 9)]
    assert dynamics.cohesion(walk(row, around)) == 2.0  # side by side some other way
    assert dynamics.cohesion(walk(row, row, [(0, 0), (0, 1), (5, 5), (9, 9)])) == 1.5
    assert dynamics.cohesion(walk([(0, 0), (0, 0)], [(0, 0), (0, 1)])) == 0.0


def test_spatial_entropy_counts_agents_per_square() -> None:
    corner, right, below = (7, 7), (7, 8), (8, 7)
    assert dynamics.spatial_entropy(walk([corner, (0, 0)])) == 0.0
    assert dynamics.spatial_entropy(walk([corner, right])) == 1.0
    assert dynamics.spatial_entropy(walk([corner, right, below, (8, 8)])) == 2.0
    assert dynamics.spatial_entropy(walk([corner, right], [corner, corner])) == 0.5


def test_dominant_action_share_is_that_of_the_most_frequent_primitive() -> None:
    made = trace(step(0, []), step(1, [0, 0, 0, 4]), step(2, [1, 2, 3, 4]), n=4)
    assert dynamics.dominant_action_share(made) == pytest.approx((3 / 4 + 1 / 4) / 2)
    given_ = trace(step(0, []), step(1, [SHARE, share_code(1, 2, 3)]), n=2, env="MACrafter-v0")
    assert dynamics.dominant_action_share(given_) == 1.0


def test_worlds_without_cells_and_teams_of_one() -> None:
    nowhere = trace(step(0, []), step(1, [0, 1]), n=2)
    for one in GROUP:
        expected = 0.5 if one is dynamics.dominant_action_share else math.nan
        assert one(nowhere) == pytest.approx(expected, nan_ok=True), one.name
        assert math.isnan(one(trace(n=2))), one.name
    alone = walk([(0, 0)], [(0, 1)])
    for one in (dynamics.cohesion, dynamics.spatial_entropy, dynamics.dominant_action_share):
        assert math.isnan(one(alone)), one.name
    assert dynamics.polarisation(alone) == 1.0


# Whatever the trace --------------------------------------------------------------------------------------------------

KINDS = ["push", "insufficient_force", "collision", "cell_race", "collect", "make", "share", "insufficient_quorum"]
TASKS = ["", "block0/left", "iron@1,2", "make_iron_pickaxe"]


@st.composite
def episodes(draw: st.DrawFn) -> Trace:
    n, taken = draw(st.integers(1, 4)), draw(st.integers(0, 6))
    agent, team = st.integers(0, n - 1), st.lists(st.integers(0, n - 1), unique=True)
    cell = st.lists(st.integers(0, 3), min_size=2, max_size=2)
    events: list[Event] = []
    for t in range(taken + 1):
        moved = draw(team) if t else list(range(draw(st.integers(0, n))))
        if t:
            events.append(draw(_counts(t - 1, n)))
        events.append(World(t=t, agents=moved, to=[draw(cell) for _ in moved]))
        code = st.one_of(st.integers(0, 17), st.builds(share_code, agent, st.integers(0, 11), st.integers(1, 20)))
        happened = [_event(draw(st.sampled_from(KINDS)), draw(team)) for _ in range(draw(st.integers(0, 2)))]
        events.append(
            Step(
                t=t, actions=[draw(code) for _ in range(n)] if t else [], reward=0.0, state_hash="",
                configuration_hash="", progress=draw(st.floats(0, 1)), events=happened,
            )
        )  # fmt: skip
        who, task = draw(agent), draw(st.sampled_from(TASKS))
        events += [
            Round(t=t, reason=n),
            Plan(t=t, id=t, agent=who, event="commit", task=task),
            Plan(t=t, id=draw(st.integers(0, t)), agent=draw(agent), event="end", reason=draw(_REASONS)),
            Stage(t=t, agents=draw(team), before="R", after=draw(st.sampled_from("RWXI")), cause="forced"),
        ]
    return trace(*events, n=n, env=draw(st.sampled_from(["Cube-v0", "MACrafter-L3-v0", "Elsewhere-v0"])))


_REASONS = st.sampled_from(["done", "failed:blocked", "superseded", "episode_end"])


@st.composite
def _counts(draw: st.DrawFn, t: int, n: int) -> Constraint:
    tasks = draw(st.lists(st.sampled_from(TASKS[1:]), unique=True))
    few, flag = st.integers(0, n), st.integers(0, 1)
    column: dict[str, Any] = {
        name: [draw(few) for _ in tasks] for name in ("committed", "in_place", "acting", "joint", "engaged", "inferred")
    }
    flags = {name: [draw(flag) for _ in tasks] for name in ("dependency", "success")}
    required = [draw(st.integers(1, n + 1)) for _ in tasks]
    return Constraint(t=t, tasks=tasks, required=required, participants=[[]] * len(tasks), **column, **flags)


def _event(kind: str, agents: list[int]) -> dict[str, Any]:
    about = {"resource": "iron", "row": 1, "col": 2, "item": "iron_pickaxe", "block": 0, "direction": "right"}
    return {"kind": kind, "agents": agents, **about, **({"winner": agents[0]} if agents else {})}


def renamed(made: Trace, names: list[int]) -> Trace:
    """The same episode with the agents renamed."""

    def code(action: int) -> int:
        if action <= SHARE:
            return action
        who, rest = divmod(action - SHARE - 1, 240)
        return SHARE + 1 + names[who] * 240 + rest

    def rename(event: Event) -> Event:
        fields = msgspec.structs.asdict(event)
        if "agent" in fields:
            fields["agent"] = names[fields["agent"]]
        if "agents" in fields:
            fields["agents"] = [names[agent] for agent in fields["agents"]]
        if isinstance(event, Step):
            actions = {names[agent]: code(action) for agent, action in enumerate(event.actions)}
            fields["actions"] = [actions[agent] for agent in sorted(actions)]
            fields["events"] = [
                {
                    **one,
                    "agents": [names[agent] for agent in one["agents"]],
                    **({"winner": names[one["winner"]]} if "winner" in one else {}),
                }
                for one in event.events
            ]
        return type(event)(**fields)

    return Trace([rename(event) for event in made.events])


quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(episodes(), st.data())
@quick
def test_renaming_the_agents_changes_nothing(made: Trace, data: st.DataObject) -> None:
    names = data.draw(st.permutations(range(made.episode.n_agents)))
    other = renamed(made, names)
    for one in PROCESS:
        assert str(one(made)) == str(one(other)), one.name


@given(episodes(), st.integers(0, 30))
@quick
def test_every_part_of_an_episode_can_be_scored(made: Trace, length: int) -> None:
    part = Trace(made.events[: 2 + length])
    for one in PROCESS:
        low, high = one.range
        value = one(part)
        assert math.isnan(value) or low <= value <= high, (one.name, value)
