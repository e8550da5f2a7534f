"""What every step of MA-Crafter keeps, in any state: properties, through the public interface only."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ma_crafter_game import Game, drawn, multiset, new_state, settings_of
from ma_crafter_random import random_actions, random_settings, random_state, random_theme
from ma_crafter_reference import Outcome, check
from ma_crafter_scenes import by_kernel, told
from ma_crafter_state import Agent, Cell, Event, State, differences, distance, material, rule

import emcoop
from emcoop.envs.ma_crafter import rules as r

Step = tuple[State, list[int], Outcome]

bounded = settings(max_examples=250, deadline=None, derandomize=True)
seeds = st.integers(0, 2**40)
GAINS = ("collect", "sapling", "make", "loot", "share")
LOSSES = ("make", "place", "loot", "share")


@lru_cache(maxsize=4)
def played(seed: int) -> Step:
    """Return a random state, a joint action and what the kernels make of it."""
    rng = random.Random(seed)
    theme = random_theme(rng)
    state = random_state(rng, random_settings(rng, theme), theme)
    actions = random_actions(rng, state, theme)
    return state, actions, Game(state).step(actions)


def of_kind(outcome: Outcome, *kinds: str) -> Iterator[Event]:
    return (event for event in outcome.events if event["kind"] in kinds)


# Items -------------------------------------------------------------------------------------------------------


@bounded
@given(seeds)
def test_every_item_that_comes_or_goes_has_an_event_as_its_cause(seed: int) -> None:
    before, _, outcome = played(seed)
    expected: Counter[str] = Counter()
    for event in outcome.events:
        expected.update(balance_of(before, event))
    change: Counter[str] = Counter()
    for agent, then in zip(outcome.state.agents, before.agents, strict=True):
        change.update({item: agent.bag[item] - then.bag[item] for item in r.ITEMS})
    assert {i: k for i, k in change.items() if k} == {i: k for i, k in expected.items() if k}, drawn(before)


def balance_of(state: State, event: Event) -> dict[str, int]:
    """Return how many items more an event makes the whole team have; sharing and looting only move them."""
    many = len(event["agents"])
    if event["kind"] == "collect":
        return {rule("collect", event["resource"], "gives"): many}
    if event["kind"] == "sapling":
        return {"sapling": 1}
    if event["kind"] == "full_bag":
        return {event["item"]: -1}
    if event["kind"] == "make":
        return {event["item"]: many} | {i: -k for i, k in state.preset["make"][event["item"]]["uses"].items()}
    if event["kind"] == "place":
        return {i: -k for i, k in state.preset["place"][event["item"]]["uses"].items()}
    return {}


@bounded
@given(seeds)
def test_only_who_is_named_in_an_event_gains_or_loses(seed: int) -> None:
    before, _, outcome = played(seed)
    gaining = {i for event in of_kind(outcome, *GAINS) for i in event["agents"]}
    losing = {i for event in of_kind(outcome, *LOSSES) for i in event["agents"]}
    losing |= {event["body"] for event in of_kind(outcome, "loot")}
    for i, (agent, then) in enumerate(zip(outcome.state.agents, before.agents, strict=True)):
        changes = [agent.bag[item] - then.bag[item] for item in r.ITEMS]
        assert i in gaining or max(changes) <= 0
        assert i in losing or min(changes) >= 0


# Places ------------------------------------------------------------------------------------------------------


@bounded
@given(seeds)
def test_everybody_has_a_cell_of_its_own_on_the_map(seed: int) -> None:
    check(played(seed)[2].state)


@bounded
@given(seeds)
def test_nobody_jumps_and_who_moves_moves_where_it_wanted(seed: int) -> None:
    before, actions, outcome = played(seed)
    sides = {r.LEFT: (0, -1), r.RIGHT: (0, 1), r.UP: (-1, 0), r.DOWN: (1, 0)}
    for agent, then, action in zip(outcome.state.agents, before.agents, actions, strict=True):
        moved = (agent.cell[0] - then.cell[0], agent.cell[1] - then.cell[1])
        assert moved in ((0, 0), sides.get(action) if then.alive else None)
    for creature, earlier in zip(outcome.state.creatures, before.creatures, strict=True):
        if creature is not None and earlier is not None and creature.kind == earlier.kind != "arrow":
            assert distance(creature.cell, earlier.cell) <= 1 or (before.step + 1) % 10 == 0


@bounded
@given(seeds)
def test_observations_and_rewards_are_in_their_spaces(seed: int) -> None:
    before, actions, _ = played(seed)
    game = Game(before)
    game.step(actions)
    for name, seen in game.observations.items():
        assert game.env.observation_space(name).contains(seen)
    assert all(np.isfinite(reward) and 0 <= reward <= 1 for reward in game.rewards.values())


# Score -------------------------------------------------------------------------------------------------------


@bounded
@given(seeds)
def test_points_are_those_of_the_units_in_demand_once_each(seed: int) -> None:
    before, _, outcome = played(seed)
    coop, after = before.settings.coop, outcome.state
    units = {g: sum(e["resource"] == g for e in of_kind(outcome, "collect")) for g in coop.points}
    assert after.harvested == {g: before.harvested[g] + units[g] for g in units}
    assert after.points == sum(coop.points[g] * min(after.harvested[g], coop.demand[g]) for g in units)
    assert after.points <= coop.most_points
    told_points = sum(e["points"] for e in of_kind(outcome, "collect"))
    assert after.points - before.points == told_points
    assert outcome.reward * len(after.agents) == pytest.approx(told_points / coop.most_points)


def test_rewards_of_an_episode_add_up_to_its_score() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        state = random_state(rng, random_settings(rng, "do"), "do")
        game = Game(state)
        start, total, done = game.env.score, 0.0, False
        for _ in range(60):
            outcome = game.step(random_actions(rng, state, "do"))
            state, total, done = outcome.state, total + outcome.reward * len(game.names), outcome.over
            assert 0 <= game.env.score <= 1
            if done:
                break
        assert game.env.score - start == pytest.approx(total)


# Quorums -----------------------------------------------------------------------------------------------------

TEAMS = {"L1": (2,), "L2": (3,), "L3": (4,), "scaled": (3, 6, 12)}
ALL_TOOLS = {"wood_pickaxe": 1, "stone_pickaxe": 1, "iron_pickaxe": 1}
SIZE = 24
MIDDLE = (12, 12)


def gathering(level: str, n: int, resource: str, cells: Sequence[Cell], rng: random.Random) -> State:
    """Agents on some cells around a resource in the middle of a desert, the others in a corner; all have the tools."""
    world = settings_of(n, (SIZE, SIZE), mode="creative", level=level, max_steps=10**6)
    land = {(row, col): "sand" for row in range(SIZE) for col in range(SIZE)} | {MIDDLE: resource}
    places = [*cells, *((0, 2 * k) for k in range(n - len(cells)))]
    rng.shuffle(places)
    agents = [Agent(c, rng.choice(r.DIRECTIONS), dict.fromkeys(r.ITEMS, 0) | ALL_TOOLS) for c in places]
    return new_state(world, land, agents, rng.randrange(2**60))


def around(radius: int) -> list[Cell]:
    """Return all cells within a distance of the middle."""
    every = [(row, col) for row in range(SIZE) for col in range(SIZE)]
    return [cell for cell in every if 0 < distance(cell, MIDDLE) <= radius]


@pytest.mark.parametrize("resource", rule("collect"))
@pytest.mark.parametrize(("level", "n"), [(level, n) for level, sizes in TEAMS.items() for n in sizes])
def test_the_quorum_always_harvests_and_one_less_never_does(level: str, n: int, resource: str) -> None:
    """Every cell within the radius takes part once at least, in company drawn at random."""
    coop, rng = settings_of(n, (SIZE, SIZE), mode="creative", level=level, max_steps=10**6).coop, random.Random(n)
    need, cells = coop.quorum[resource], around(coop.radius[resource])
    assert len(cells) >= need
    for cell in cells:
        company = rng.sample([other for other in cells if other != cell], need - 1)
        enough = by_kernel(gathering(level, n, resource, [cell, *company], rng), *["do"] * n)
        assert [(e["have"], e["need"]) for e in told(enough, "collect")] == [(need, need)]
        assert material(enough.state, MIDDLE) == rule("collect", resource, "leaves")
        short = by_kernel(gathering(level, n, resource, company, rng), *["do"] * n)
        assert told(short, "collect") == []
        assert material(short.state, MIDDLE) == resource
        assert [e["have"] for e in told(short, "insufficient_quorum")] == [need - 1] * (need > 1)


@pytest.mark.parametrize("resource", ["coal", "iron", "diamond"])
@pytest.mark.parametrize("lacking", ["tool", "reach", "action", "life"])
def test_who_lacks_something_does_not_count_for_the_quorum(resource: str, lacking: str) -> None:
    rng = random.Random(0)
    need = settings_of(4, (SIZE, SIZE), mode="creative", level="L3", max_steps=10**6).coop.quorum[resource]
    state = gathering("L3", 4, resource, around(1)[:need], rng)
    member = next(i for i, agent in enumerate(state.agents) if distance(agent.cell, MIDDLE) == 1)
    actions = ["do"] * 4
    assert told(by_kernel(state, *actions), "collect")
    if lacking == "tool":
        state.agents[member].bag = dict.fromkeys(r.ITEMS, 0)
    elif lacking == "reach":
        state.agents[member].cell = (MIDDLE[0] + 1, MIDDLE[1] + 1)
    elif lacking == "action":
        actions[member] = "noop"
    else:
        state.agents[member].status, state.agents[member].health = "gone", 0
    outcome = by_kernel(state, *actions)
    assert told(outcome, "collect") == []
    assert [e["have"] for e in told(outcome, "insufficient_quorum")] == [need - 1]


# Numbering ---------------------------------------------------------------------------------------------------


def clusters(state: State) -> list[set[int]]:
    """Return groups of agents such that those of different groups are too far apart to compete for anything.

    Two agents compete for a cell they face, a resource within both radii, or a station near both.
    """
    reach = max(4, *(2 * radius for radius in state.settings.coop.radius.values()))
    groups: list[set[int]] = []
    for i, agent in enumerate(state.agents):
        close = [g for g in groups if any(distance(agent.cell, state.agents[k].cell) <= reach for k in g)]
        groups = [g for g in groups if g not in close] + [{i}.union(*close)]
    return groups


def renumbering(rng: random.Random, groups: Sequence[set[int]]) -> list[int]:
    """Return new numbers that keep the order within each group, where rules may name the index."""
    ranks = [k for k, group in enumerate(groups) for _ in group]
    rng.shuffle(ranks)
    queues = [sorted(group) for group in groups]
    old = [queues[k].pop(0) for k in ranks]
    return [old.index(i) for i in range(len(old))]


def renumbered(state: State, new: Sequence[int]) -> State:
    """Return a state with other numbers for the agents."""
    other = state.copy()
    for i, agent in enumerate(state.copy().agents):
        other.agents[new[i]] = agent
    return other


def renumbered_event(event: Event, new: Sequence[int]) -> Event:
    """Return an event with other numbers for the agents.

    Which of several units of a step is the last in demand depends on who comes first: points are left out here, their
    sum is the state's.
    """
    event = {key: value for key, value in event.items() if key != "points"}
    agents = [new[i] for i in event["agents"]]
    told = {key: new[event[key]] for key in ("winner", "revived", "body") if key in event}
    return event | told | {"agents": agents if event["kind"] == "share" else sorted(agents)}


def renumbered_action(action: int, new: Sequence[int]) -> int:
    """Return an action with the recipient's other number."""
    if action < len(r.ACTIONS):
        return action
    recipient, item, quantity = r.read_share(action)
    return r.share_code(new[recipient], item, quantity)


@bounded
@given(seeds)
def test_numbering_matters_only_where_agents_compete(seed: int) -> None:
    rng = random.Random(seed)
    groups: list[set[int]] = []
    while len(groups) < 2:
        theme = random_theme(rng)
        state = random_state(rng, random_settings(rng, theme), theme)
        groups = clusters(state)
    actions, new = random_actions(rng, state, theme), renumbering(rng, groups)
    joint = [0] * len(actions)
    for i, action in enumerate(actions):
        joint[new[i]] = renumbered_action(action, new)
    expected, got = Game(state).step(actions), Game(renumbered(state, new)).step(joint)
    assert differences(got.state, renumbered(expected.state, new)) == []
    same = list(range(len(new)))
    theirs = [renumbered_event(event, same) for event in got.events]
    assert multiset(theirs) == multiset([renumbered_event(event, new) for event in expected.events])
    assert (got.reward, got.over) == (expected.reward, expected.over)


# Chance ------------------------------------------------------------------------------------------------------


def sapling_steps(env: Any, name: str, steps: int) -> list[int]:
    """Return in which steps an agent finds a sapling while all look for one."""
    index, found = env.possible_agents.index(name), []
    for step in range(steps):
        env.step(dict.fromkeys(env.agents, r.DO))
        found += [step for e in env.events if e["kind"] == "sapling" and e["agents"] == [index]]
    return found


def test_a_sapling_is_found_one_time_in_ten() -> None:
    env = emcoop.parallel_env("MACrafter-v0", n_agents=12, mode="creative", max_steps=1000, area=(24, 24))
    found = 0
    cells = [(2 * k % 24, 2 * (2 * k // 24)) for k in range(12)]
    env.reset(seed=5, options={"map": ["." * 24] * 24, "agents": cells, "facing": ["right"] * 12})
    for _ in range(400):
        env.step(dict.fromkeys(env.agents, r.DO))
        found += sum(event["kind"] == "sapling" for event in env.events)
    assert abs(found - 480) < 4 * (4800 * 0.1 * 0.9) ** 0.5


def test_the_luck_of_one_does_not_depend_on_how_many_others_there_are() -> None:
    lone = emcoop.parallel_env("MACrafter-v0", n_agents=1, mode="creative", max_steps=1000)
    team = emcoop.parallel_env("MACrafter-v0", n_agents=6, mode="creative", max_steps=1000)
    lone.reset(seed=8, options={"map": ["." * 16] * 16, "agents": [(4, 4)]})
    team.reset(seed=8, options={"map": ["." * 16] * 16, "agents": [*((9, 2 * k) for k in range(5)), (4, 4)]})
    found = sapling_steps(lone, "agent_000", 100)
    assert found
    assert sapling_steps(team, "agent_005", 100) == found
