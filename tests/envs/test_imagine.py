"""Imagined worlds: they hold what a group knows together, and nothing else of the true world."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from emcoop.envs.embodiment import ActionCall
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter import world as w
from emcoop.registration import make_embodiment
from emcoop.testing import random_actions

SALT = 5


def cube(seed: int, agents: Any, blocks: Any, sight: int | None = 3, size: int = 30) -> Any:
    """Return a CUBE world of an explicit board."""
    weights = {weight: sum(1 for b in blocks if b[2] == weight) for weight in sorted({b[2] for b in blocks})}
    world = make_embodiment("Cube-v0", n_agents=len(agents), grid_size=size, blocks=weights, sight=sight)
    world.reset(seed, {"agents": [list(a) for a in agents], "blocks": [list(b) for b in blocks]})
    return world


def take(world: Any, *joint: Sequence[int]) -> None:
    for actions in joint:
        world.step(actions)


def same(one: Any, other: Any, group: Sequence[int]) -> None:
    """Check that two imagined worlds are alike now and stay so, and look alike to everybody in the group."""
    for _ in range(6):
        assert one.state_hash() == other.state_hash()
        for agent in group:
            assert one.view(agent).text() == other.view(agent).text()
            assert one.view(agent).tasks() == other.view(agent).tasks()
        if one.env.agents:
            take(one, [one.noop] * one.n_agents)
            take(other, [other.noop] * other.n_agents)


# CUBE ------------------------------------------------------------------------------------------------------------


def test_cube_worlds_that_differ_out_of_sight_are_imagined_alike() -> None:
    near = [(5, 5), (6, 6)]
    one = cube(1, [*near, (20, 20)], [(4, 8, 2), (22, 24, 2), (10, 10, 1)])
    other = cube(2, [*near, (25, 3)], [(4, 8, 2), (15, 15, 2), (27, 20, 1)])
    assert one.state_hash() != other.state_hash()
    for group in ([0], [0, 1], [1]):
        same(one.imagine(group, SALT), other.imagine(group, SALT), group)
    assert one.imagine([2], SALT).state_hash() != other.imagine([2], SALT).state_hash()


def test_cube_blocks_are_remembered_where_they_were_seen_last() -> None:
    agents = [(5, 5), (4, 7), (5, 7), (20, 20)]
    worlds = [cube(1, agents, [(4, 8, 2), (20, 5, 1)], size=30) for _ in range(2)]
    for world in worlds:
        take(world, *[[3, 0, 0, 0]] * 5)
    take(worlds[0], *[[0, 4, 4, 0]] * 4)
    take(worlds[1], *[[0, 0, 0, 0]] * 4)
    assert worlds[0].env.snapshot()["block_positions"].tolist() != worlds[1].env.snapshot()["block_positions"].tolist()
    alone = [world.imagine([0], SALT) for world in worlds]
    same(alone[0], alone[1], [0])
    assert alone[0].view(0).map.blocks[0][:2] == (4, 8)
    # Who pushes it knows better, and together they believe the later sight.
    assert worlds[0].imagine([0, 1], SALT).view(0).map.blocks[0][:2] == (4, 12)


def test_a_cube_block_that_a_member_sees_to_be_gone_is_not_there() -> None:
    world = cube(1, [(5, 5), (4, 7), (5, 7), (12, 8)], [(4, 8, 2), (20, 5, 1)])
    take(world, *[[3, 0, 0, 0]] * 4)
    take(world, *[[0, 4, 4, 1]] * 6)
    assert 0 in world.imagine([0], SALT).view(0).map.blocks
    assert 0 not in world.imagine([0, 3], SALT).view(0).map.blocks


def test_in_an_imagined_cube_absent_agents_are_nowhere() -> None:
    world = cube(1, [(5, 5), (20, 20)], [(4, 8, 1), (22, 24, 1)])
    made = world.imagine([0], SALT)
    assert made.n_agents == 2
    assert list(made.view(0).map.agents) == [0]
    assert list(made.view(0).map.blocks) == [0]
    before = made.state_hash()
    take(made, [0, 4], [0, 1])
    assert made.view(0).map.agents == {0: (5, 5)}
    assert made.state_hash() != before, "the clock goes on"
    assert made.controller(1, ActionCall("move", {"direction": "up"})).reason == "absent"
    assert made.env.snapshot()["agents"].tolist() == [[5, 5], [5, 5]]


def test_with_the_whole_map_in_sight_everything_is_imagined() -> None:
    world = cube(1, [(5, 5), (20, 20)], [(4, 8, 1), (22, 24, 1)], sight=None)
    for group in ([0], [1], None):
        assert world.imagine(group, SALT).state_hash() == world.state_hash()


# MA-Crafter ------------------------------------------------------------------------------------------------------


def crafter(seed: int, steps: int, n: int = 5, **kwargs: Any) -> Any:
    """Return an MA-Crafter world after some random steps."""
    world = make_embodiment("MACrafter-L3-v0", n_agents=n, **kwargs)
    world.reset(seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        if world.env.agents:
            moves = random_actions(world.env, rng)
            world.step([moves.get(name, 0) for name in world.env.possible_agents])
    return world


def in_view(world: Any, group: Sequence[int]) -> Any:
    """Return which padded cells somebody of a group sees."""
    pad, agents = world.env.world.pad, world.env.world.agents()
    seen = np.zeros(world.env.world.materials.shape[1:], bool)
    for i in group:
        row, col = agents[i, [w.ROW, w.COL]] + pad
        if agents[i, w.STATUS] == w.ALIVE:
            seen[row - 3 : row + 4, col - 4 : col + 5] = True
    return seen


def poison(world: Any, group: Sequence[int], seed: int) -> Any:
    """Return a copy of a world of which everything is another that the group does not see or know of itself."""
    other = copy.deepcopy(world)
    true, rng = other.env.world, np.random.default_rng(seed)
    seen, pad = in_view(world, group), true.pad
    inner = np.zeros_like(seen)
    inner[pad:-pad, pad:-pad] = True
    hidden = inner & ~seen
    true.materials[0][hidden] = rng.integers(1, r.N_MATERIALS, hidden.sum())
    true.planted[0][true.planted[0] > 0] = 1 + rng.integers(0, 5)
    true.rows[0, [w.SEED_LOW, w.SEED_HIGH]] = rng.integers(0, 1000, 2)
    agents = true.agents()
    for j in set(range(world.n_agents)) - set(group):
        agents[j, [w.FOOD, w.DRINK, w.ENERGY, w.ACHIEVED, w.HUNGER]] = rng.integers(1, 9, 5)
        row, col = agents[j, [w.ROW, w.COL]] + pad
        if not seen[row, col]:
            true.bags()[j] = rng.integers(0, 9, r.N_ITEMS)
            agents[j, [w.ROW, w.COL]] = np.argwhere(hidden)[rng.integers(hidden.sum())] - pad
    for mob in true.mobs():
        mob[w.TIMER] = rng.integers(0, 4)
        if mob[w.KIND] and not seen[mob[w.MOB_ROW] + pad, mob[w.MOB_COL] + pad]:
            mob[:] = 0
    return other


@pytest.mark.parametrize("group", [[0], [1, 3], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("mode", ["peaceful", "survival"])
def test_crafter_worlds_that_differ_in_the_unknown_are_imagined_alike(group: list[int], mode: str) -> None:
    for seed in range(3):
        world = crafter(seed, 40, mode=mode)
        other = poison(world, group, seed)
        assert world.state_hash() != other.state_hash()
        same(world.imagine(group, SALT), other.imagine(group, SALT), group)


def test_members_of_a_crafter_group_know_what_each_of_them_knows() -> None:
    world = crafter(3, 60)
    own = [world.view(i).known.grid(i) != s.UNKNOWN for i in (0, 4)]
    assert (own[0] != own[1]).any()
    made = world.imagine([0, 4], SALT)
    for i in (0, 4):
        assert np.array_equal(made.view(i).known.grid(i) != s.UNKNOWN, own[0] | own[1])
        assert made.view(i).own == world.view(i).own
        assert made.view(i).bag == world.view(i).bag
    unknown = ~(own[0] | own[1])[made.env.world.pad : -made.env.world.pad, made.env.world.pad : -made.env.world.pad]
    assert (made.env.snapshot()["materials"][unknown] == r.GRASS).all()


def test_agents_a_crafter_group_never_met_have_left() -> None:
    world = crafter(2, 0, n=8, spawn="scatter")
    made = world.imagine([0], SALT)
    met = {0, *np.flatnonzero(world.view(0).known.seen(0)[:, s.SEEN_STEP] >= 0).tolist()}
    assert len(met) < 8
    there = {i for i in range(8) if made.env.possible_agents[i] in made.env.agents}
    assert there == met
    assert made.n_agents == 8


def test_everything_is_imagined_with_another_random_stream() -> None:
    world = crafter(4, 30, mode="survival")
    one, again, other = world.imagine(None, 1), world.imagine(None, 1), world.imagine(None, 2)
    assert one.configuration_hash() == world.configuration_hash()
    assert one.state_hash() == again.state_hash()
    assert len({world.state_hash(), one.state_hash(), other.state_hash()}) == 3
    assert one.view(0).tasks() == world.view(0, everything=True).tasks()
    seeds = {tuple(x.env.world.rows[0, [w.SEED_LOW, w.SEED_HIGH]].tolist()) for x in (world, one, other)}
    assert len(seeds) == 3


# Both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [[0], [0, 2], None])
@pytest.mark.parametrize(("env_id", "kwargs"), [("Cube-v0", {}), ("Cube-v0", {"sight": 4}), ("MACrafter-L3-v0", {})])
def test_an_imagined_world_shares_nothing_with_the_true_one(env_id: str, kwargs: Any, group: Any) -> None:
    world = make_embodiment(env_id, n_agents=4, **kwargs)
    world.reset(6)
    take(world, *[[1, 2, 3, 4]] * 8)
    before, made = world.state_hash(), world.imagine(group, SALT)
    for name in ("rows", "occupancy", "cells"):
        assert not np.shares_memory(getattr(world.env.world, name), getattr(made.env.world, name))
    rng = np.random.default_rng(0)
    for _ in range(12):
        moves = random_actions(made.env, rng)
        take(made, [moves.get(name, 0) for name in made.env.possible_agents])
    assert world.state_hash() == before
    assert world.imagine(group, SALT).env.events == []


def test_an_imagined_world_can_be_imagined_in() -> None:
    for world in (crafter(1, 30), cube(1, [(5, 5), (6, 6), (20, 20)], [(4, 8, 2), (22, 24, 2)])):
        inner = world.imagine([0, 1], SALT).imagine([0], SALT)
        take(inner, [inner.noop] * inner.n_agents)
        assert inner.view(0).text()
