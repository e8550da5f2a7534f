"""The bound on steps never exceeds optimal play, found by exhaustive search with physics of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from emcoop.envs.cube.bound import steps_lower_bound
from emcoop.envs.cube.layout import place
from emcoop.envs.cube.settings import make_settings

# One full step for at most two agents and two blocks, or any agents and one block, written for obviousness.
# A delivered block has row -1.


@njit
def block_at(size, blocks, weights, row, col):
    for b in range(len(weights)):
        inside_rows = blocks[b, 0] <= row < blocks[b, 0] + weights[b]
        if blocks[b, 0] >= 0 and inside_rows and blocks[b, 1] <= col < blocks[b, 1] + weights[b]:
            return b
    return -1


@njit
def agent_at(agents, row, col):
    for i in range(len(agents)):
        if agents[i, 0] == row and agents[i, 1] == col:
            return i
    return -1


@njit
def pushed_block(size, agents, acts, blocks, weights, i):
    """Return the block that agent `i` pushes, directly or through agents with the same action, or -1."""
    dr, dc = (acts[i] == 2) - (acts[i] == 1), (acts[i] == 4) - (acts[i] == 3)
    row, col = agents[i, 0] + dr, agents[i, 1] + dc
    while acts[i] > 0:
        j = agent_at(agents, row, col)
        if j < 0:
            return block_at(size, blocks, weights, row, col)
        if acts[j] != acts[i]:
            return -1
        row, col = row + dr, col + dc
    return -1


@njit
def group_of(size, agents, acts, blocks, weights, lines, block, act):
    """Return the blocks (as bits) that move if `block` is pushed, 0 if they cannot."""
    dr, dc = (act == 2) - (act == 1), (act == 4) - (act == 3)
    group, grew = 1 << block, True
    while grew:
        grew = False
        for b in range(len(weights)):
            if not group >> b & 1:
                continue
            for row in range(blocks[b, 0] + dr, blocks[b, 0] + dr + weights[b]):
                for col in range(blocks[b, 1] + dc, blocks[b, 1] + dc + weights[b]):
                    if not (0 <= row < size and 0 <= col < size):
                        return 0
                    other = block_at(size, blocks, weights, row, col)
                    if other >= 0 and not group >> other & 1:
                        group, grew = group | 1 << other, True
    need = have = 0
    for b in range(len(weights)):
        if group >> b & 1:
            need += weights[b]
            for row in range(blocks[b, 0] + dr, blocks[b, 0] + dr + weights[b]):
                for col in range(blocks[b, 1] + dc, blocks[b, 1] + dc + weights[b]):
                    i = agent_at(agents, row, col)
                    if i >= 0 and not (acts[i] == act and lines[i] >= 0 and group >> lines[i] & 1):
                        return 0
    for i in range(len(agents)):
        have += acts[i] == act and lines[i] >= 0 and group >> lines[i] & 1
    return group if have >= need else 0


@njit
def conflict(blocks, weights, group_a, act_a, group_b, act_b):
    """Whether two groups of different directions share a block or a destination cell."""
    if group_a & group_b:
        return True
    for a in range(len(weights)):
        for b in range(len(weights)):
            if group_a >> a & 1 and group_b >> b & 1:
                row_gap = blocks[a, 0] + (act_a == 2) - (act_a == 1) - blocks[b, 0] - (act_b == 2) + (act_b == 1)
                col_gap = blocks[a, 1] + (act_a == 4) - (act_a == 3) - blocks[b, 1] - (act_b == 4) + (act_b == 3)
                if -weights[a] < row_gap < weights[b] and -weights[a] < col_gap < weights[b]:
                    return True
    return False


@njit
def play(size, agents, acts, blocks, weights):
    """Advance `agents` and `blocks` in place by one step."""
    n, m = len(agents), len(weights)
    lines = np.empty(n, np.int64)
    for i in range(n):
        lines[i] = pushed_block(size, agents, acts, blocks, weights, i)
    moving = np.zeros(5, np.int64)
    for i in range(n):
        if lines[i] >= 0:
            moving[acts[i]] |= group_of(size, agents, acts, blocks, weights, lines, lines[i], acts[i])
    stay = np.zeros(5, np.bool_)
    for a in range(1, 5):
        for b in range(1, 5):
            if a != b and conflict(blocks, weights, moving[a], a, moving[b], b):
                stay[a] = True
    moved = np.zeros(n, np.bool_)
    for act in range(1, 5):
        dr, dc = (act == 2) - (act == 1), (act == 4) - (act == 3)
        for b in range(m):
            if moving[act] >> b & 1 and not stay[act]:
                blocks[b, 0] += dr
                blocks[b, 1] += dc
        for i in range(n):
            if acts[i] == act and lines[i] >= 0 and moving[act] >> lines[i] & 1 and not stay[act]:
                agents[i, 0] += dr
                agents[i, 1] += dc
                moved[i] = True
    for b in range(m):
        if blocks[b, 0] >= 0 and blocks[b, 1] + weights[b] == size:
            blocks[b, 0] = -1
    held = agents.copy()
    for i in range(n):
        if not moved[i] and acts[i] > 0:
            row = agents[i, 0] + (acts[i] == 2) - (acts[i] == 1)
            col = agents[i, 1] + (acts[i] == 4) - (acts[i] == 3)
            clear = 0 <= row < size and 0 <= col < size and block_at(size, blocks, weights, row, col) < 0
            if clear and agent_at(held, row, col) < 0 and agent_at(agents, row, col) < 0:
                agents[i, 0], agents[i, 1] = row, col


@njit
def decode(size, n, weights, state, agents, blocks):
    """Fill the positions of a state number; return whether nothing overlaps."""
    for b in range(len(weights)):
        places = (size - weights[b] + 1) * (size - weights[b])
        place, state = state % (places + 1), state // (places + 1)
        blocks[b, 0] = -1 if place == places else place // (size - weights[b])
        blocks[b, 1] = 0 if place == places else place % (size - weights[b])
    for i in range(n):
        cell, state = state % (size * size), state // (size * size)
        agents[i, 0], agents[i, 1] = cell // size, cell % size
        if block_at(size, blocks, weights, agents[i, 0], agents[i, 1]) >= 0:
            return False
    for i in range(n):
        if agent_at(agents, agents[i, 0], agents[i, 1]) != i:
            return False
    if len(weights) == 2 and blocks[0, 0] >= 0 and blocks[1, 0] >= 0:
        row_gap, col_gap = blocks[1, 0] - blocks[0, 0], blocks[1, 1] - blocks[0, 1]
        return not (-weights[1] < row_gap < weights[0] and -weights[1] < col_gap < weights[0])
    return True


@njit
def encode(size, weights, agents, blocks):
    state = 0
    for i in range(len(agents) - 1, -1, -1):
        state = state * size * size + agents[i, 0] * size + agents[i, 1]
    for b in range(len(weights) - 1, -1, -1):
        places = (size - weights[b] + 1) * (size - weights[b])
        place = places if blocks[b, 0] < 0 else blocks[b, 0] * (size - weights[b]) + blocks[b, 1]
        state = state * (places + 1) + place
    return state


@njit
def solve(size, n, weights):
    """Return the optimal number of steps of every state; -1 if overlapping or without solution."""
    n_states, n_joint = 1, 5**n
    for w in weights:
        n_states *= (size - w + 1) * (size - w) + 1
    n_states *= (size * size) ** n
    agents, blocks = np.empty((n, 2), np.int64), np.empty((len(weights), 2), np.int64)
    acts = np.empty(n, np.int64)
    after = np.full((n_states, n_joint), -1, np.int32)
    steps = np.full(n_states, -1, np.int64)
    for state in range(n_states):
        for joint in range(n_joint):
            if not decode(size, n, weights, state, agents, blocks):
                break
            if (blocks[:, 0] < 0).all():
                steps[state] = 0
                break
            for i in range(n):
                acts[i] = joint // 5**i % 5
            play(size, agents, acts, blocks, weights)
            after[state, joint] = encode(size, weights, agents, blocks)
    found, t = True, 0
    while found:
        found, t = False, t + 1
        for state in range(n_states):
            if steps[state] < 0 and after[state, 0] >= 0:
                for joint in range(n_joint):
                    if steps[after[state, joint]] == t - 1:
                        steps[state], found = t, True
                        break
    return steps


def compare(size: int, n: int, weights: tuple[int, ...], samples: int) -> float:
    """Check the bound on random solvable states; return its mean share of the optimum."""
    sides = np.array(weights, np.int64)
    optimum = solve(size, n, sides)
    states = np.flatnonzero(optimum > 0)
    rng = np.random.default_rng(0)
    agents, blocks = np.empty((n, 2), np.int64), np.empty((len(weights), 2), np.int64)
    shares = []
    for state in rng.choice(states, min(samples, len(states)), replace=False):
        decode(size, n, sides, state, agents, blocks)
        open_ = blocks[:, 0] >= 0
        bound = steps_lower_bound(agents, blocks[open_], sides[open_], size)
        assert 1 <= bound <= optimum[state], (agents.tolist(), blocks.tolist(), weights, bound, optimum[state])
        shares.append(bound / optimum[state])
    return float(np.mean(shares))


@pytest.mark.parametrize(
    ("size", "n", "weights"),
    [(6, 1, (1,)), (5, 1, (1, 1)), (4, 2, (2,)), (5, 2, (1,)), (4, 2, (1, 1)), (5, 2, (2, 1)), (4, 3, (2,))],
)
def test_bound_never_exceeds_optimal_play(size: int, n: int, weights: tuple[int, ...]) -> None:
    assert compare(size, n, weights, samples=1500) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "n", "weights"),
    [(6, 1, (1, 1)), (6, 2, (2,)), (5, 2, (1, 1)), (6, 2, (2, 1)), (5, 3, (3,)), (5, 3, (2,))],
)
def test_bound_never_exceeds_optimal_play_on_larger_boards(size: int, n: int, weights: tuple[int, ...]) -> None:
    assert compare(size, n, weights, samples=20_000) > 0.5


def test_agents_in_place_need_just_the_distance() -> None:
    for weight in (1, 2, 5):
        queue = [(4, col) for col in range(weight)]
        assert steps_lower_bound(queue, [(4, weight)], [weight], 20) == 20 - 2 * weight


def test_the_walk_to_the_block_counts() -> None:
    assert steps_lower_bound([(9, 0)], [(4, 5)], [1], 20) == 5 + 4 + 14


def test_a_weak_team_pushes_one_heavy_block_after_the_other_and_walks_back() -> None:
    """Two agents, two blocks of weight 2 with 10 columns to go: 10 pushes, 10 back at least, 10 pushes."""
    two_agents = [(2, 7), (3, 7)]
    blocks = [(2, 8), (6, 8)]
    assert steps_lower_bound(two_agents, blocks, [2, 2], 20) >= 30 - 1
    four_agents = [*two_agents, (6, 7), (7, 7)]
    assert steps_lower_bound(four_agents, blocks, [2, 2], 20) == 10


def test_three_agents_cannot_push_two_blocks_of_weight_two_at_once() -> None:
    agents = [(2, 7), (3, 7), (6, 7)]
    assert steps_lower_bound(agents, [(2, 8), (6, 8)], [2, 2], 20) >= 20


def test_a_chain_needs_the_sum_of_the_weights() -> None:
    """Four agents push two touching blocks of weight 2 together; three push them one after the other."""
    chain, weights = [(5, 4), (5, 6)], [2, 2]
    square = [(5, 2), (5, 3), (6, 2), (6, 3)]
    assert steps_lower_bound(square, chain, weights, 12) == 6
    assert steps_lower_bound(square[1:], chain, weights, 12) >= 6 + 4


def test_nothing_left_to_deliver_takes_no_step() -> None:
    assert steps_lower_bound([(0, 0)], np.empty((0, 2)), [], 20) == 0
    assert steps_lower_bound([(0, 0)], [(3, 19)], [1], 20) == 0


def test_blocks_heavier_than_the_team_are_left_out() -> None:
    light = steps_lower_bound([(0, 0), (1, 0)], [(5, 5)], [2], 20)
    assert steps_lower_bound([(0, 0), (1, 0)], [(5, 5), (9, 9)], [2, 3], 20) == light


@pytest.mark.parametrize("n", [1, 2, 8, 16, 64, 256])
def test_curriculum_layouts_get_a_bound_within_the_episode(n: int) -> None:
    world = make_settings(n)
    for seed in range(3):
        bound = steps_lower_bound(*place(world, seed), world.weights, world.grid_size)
        assert max(world.grid_size - w for w in world.weights) // 3 < bound < world.max_steps


@given(st.integers(0, 2**32), st.sampled_from([2, 3, 8, 16]))
@settings(max_examples=40, deadline=None)
def test_neither_numbering_nor_a_mirror_changes_the_bound(seed: int, n: int) -> None:
    world = make_settings(n)
    agents, blocks = place(world, seed)
    sides, size = np.array(world.weights), world.grid_size
    bound = steps_lower_bound(agents, blocks, world.weights, size)
    upside_down = [(size - 1 - row, col) for row, col in agents.tolist()]
    flipped = np.stack([size - sides - blocks[:, 0], blocks[:, 1]], axis=1)
    assert steps_lower_bound(upside_down, flipped, world.weights, size) == bound
    order = np.random.default_rng(seed).permutation(len(sides))
    assert steps_lower_bound(agents[::-1], blocks[order], sides[order].tolist(), size) == bound
