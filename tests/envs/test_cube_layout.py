"""Layouts: valid for every team size, varied, the same everywhere, and a clear error when there is no room."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emcoop.envs.cube.layout import UNIFORM_ATTEMPTS, count_attempts, place
from emcoop.envs.cube.settings import MAX_AGENTS, CubeSettings, make_settings
from emcoop.errors import ConfigError

TIGHT = (20, 22, 26)
SPREAD = [*range(1, 9), 12, 15, 16, 17, 18, 19, *range(20, 29), 30, 31, 32, 34, 38, 42, 54, 64, 75, 100, 128]
SPREAD += [255, 256, 257, 354, 512, 742, 870, 1000, 1023, 1024]


def check(world: CubeSettings, agents: NDArray[np.int32], blocks: NDArray[np.int32]) -> None:
    """Check the rules of the layout, from positions alone."""
    size, weights = world.grid_size, np.array(world.weights)
    assert blocks.shape == (len(weights), 2)
    assert agents.shape == (world.n_agents, 2)
    assert (blocks >= 1).all()
    assert (blocks <= size - weights[:, None] - 2).all()
    after = blocks[:, None, :] - (blocks + weights[:, None])[None, :, :]  # cells between the end of j and i
    apart = ((after >= 1) | (after.transpose(1, 0, 2) >= 1)).any(axis=2)
    assert (apart | np.eye(len(weights), dtype=bool)).all()

    assert len(np.unique(agents, axis=0)) == world.n_agents
    covered = np.zeros((size, size), bool)
    for (row, col), w in zip(blocks.tolist(), world.weights):
        covered[row : row + w, col : col + w] = True
    assert (agents >= 0).all()
    assert (agents < (size, size - 1)).all()
    assert not covered[agents[:, 0], agents[:, 1]].any()
    counts = np.bincount(agents[:, 1])
    full = size - covered[:, : len(counts)].sum(axis=0)
    assert (counts[:-1] == full[:-1]).all()
    assert (np.diff(agents[:, 1]) >= 0).all()


def digest(world: CubeSettings, seed: int) -> str:
    agents, blocks = place(world, seed)
    return hashlib.sha256(agents.astype("<i4").tobytes() + blocks.astype("<i4").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("n", SPREAD)
def test_layouts_are_valid(n: int) -> None:
    for seed in range(3):
        check(make_settings(n), *place(make_settings(n), seed))


@pytest.mark.slow
def test_every_team_size_gets_a_layout() -> None:
    for n in range(1, MAX_AGENTS + 1):
        for seed in (n, 10**6 + n, 2**64 - n):
            check(make_settings(n), *place(make_settings(n), seed))


@pytest.mark.parametrize("n", TIGHT)
def test_the_tightest_team_sizes_never_come_near_the_last_restart(n: int) -> None:
    world = make_settings(n)
    weights, blocks = np.array(world.weights, np.int32), np.empty((len(world.weights), 2), np.int32)
    for seed in range(300):
        check(world, *place(world, seed))
        code, attempts = count_attempts(np.uint64(seed), world.grid_size, weights, blocks)
        assert code == -1
        assert attempts <= UNIFORM_ATTEMPTS


@pytest.mark.parametrize("n_agents", [3, 6])
def test_the_small_setting_of_the_paper_is_placed(n_agents: int) -> None:
    world = make_settings(n_agents, grid_size=15, blocks={1: 3, 2: 3, 3: 3}, max_steps=50)
    for seed in range(200):
        check(world, *place(world, seed))


@pytest.mark.parametrize("n", [1, 2, 8, 22, 64, 256])
def test_seeds_give_different_layouts(n: int) -> None:
    world = make_settings(n)
    assert len({digest(world, seed) for seed in range(200)}) >= 190


@pytest.mark.parametrize(("n", "least"), [(1, 120), (8, 90), (20, 15), (22, 15), (256, 150)])
def test_the_largest_block_starts_in_many_places(n: int, least: int) -> None:
    corners = np.array([place(make_settings(n), seed)[1][0] for seed in range(200)])
    assert len(np.unique(corners, axis=0)) >= least
    room = make_settings(n).grid_size - make_settings(n).weights[0] - 2
    middle = (1 + room) / 2
    assert (np.abs(corners.mean(axis=0) - middle) < room / 8).all()


def test_a_single_block_is_uniform_over_its_places() -> None:
    world, draws = make_settings(1), 28_900
    corners = np.array([place(world, seed)[1][0] for seed in range(draws)])
    counts = np.zeros((20, 20))
    np.add.at(counts, tuple(corners.T), 1)
    counts, expected = counts[1:18, 1:18], draws / 289
    assert counts.sum() == draws
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - 288) < 5 * np.sqrt(2 * 288)


def test_agents_are_uniform_over_the_rows_and_do_not_depend_on_the_blocks() -> None:
    world, draws = make_settings(2), 10_000
    rows = np.array([place(world, seed)[0][:, 0] for seed in range(draws)])
    for agent in range(2):
        counts = np.bincount(rows[:, agent], minlength=20)
        assert np.abs(counts - draws / 20).max() < 5 * np.sqrt(draws / 20)
    other = make_settings(2, grid_size=20, blocks={5: 3})
    assert all(np.array_equal(place(world, seed)[0], place(other, seed)[0]) for seed in range(20))


@pytest.mark.parametrize("n_agents", [16, 40, 100, 15 * 14 - 42])
def test_more_agents_than_rows_fill_column_after_column(n_agents: int) -> None:
    world = make_settings(n_agents, grid_size=15, blocks={1: 3, 2: 3, 3: 3})
    layouts = [place(world, seed) for seed in range(20)]
    for layout in layouts:
        check(world, *layout)
    assert len({agents.tobytes() for agents, _ in layouts}) == 20


def test_one_agent_too_many_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"169 agents .*side 15.*larger grid_size"):
        place(make_settings(15 * 14 - 42 + 1, grid_size=15, blocks={1: 3, 2: 3, 3: 3}), 0)


@pytest.mark.parametrize(
    ("grid_size", "blocks", "named"),
    [
        (10, {4: 4}, r"blocks\[1\] of weight 4 .*side 10 .*\{4: 4\}.*100 of 64 cells"),
        (10, {8: 1}, "weight 8 cannot fit a board of side 10"),
        (10, {3: 4, 1: 3}, r"blocks\[4\] of weight 1 .*\{3: 4, 1: 3\}.*grid_size"),
        (4096, {100: 10_000}, r"blocks\[1600\] of weight 100 "),
        (3, {1: 1}, "weight 1 cannot fit a board of side 3"),
    ],
)
def test_blocks_without_room_are_named(grid_size: int, blocks: dict[int, int], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        place(make_settings(2, grid_size=grid_size, blocks=blocks), 0)


@pytest.mark.parametrize(("grid_size", "weight"), [(4, 1), (12, 1), (20, 2), (22, 4), (23, 4), (32, 9), (128, 2)])
def test_the_last_sweep_finds_the_densest_packing_of_equal_blocks(grid_size: int, weight: int) -> None:
    count = ((grid_size - 2) // (weight + 1)) ** 2
    world = make_settings(2, grid_size=grid_size, blocks={weight: count})
    for seed in range(3):
        check(world, *place(world, seed))
    with pytest.raises(ConfigError, match=rf"blocks\[{count}\]"):
        place(make_settings(2, grid_size=grid_size, blocks={weight: count + 1}), 0)


@given(
    grid_size=st.integers(3, 26),
    blocks=st.dictionaries(st.integers(1, 8), st.integers(1, 6), min_size=1, max_size=4),
    n_agents=st.integers(1, 60),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=300, deadline=None)
def test_hand_made_settings_are_placed_or_refused(
    grid_size: int, blocks: dict[int, int], n_agents: int, seed: int
) -> None:
    try:
        world = make_settings(n_agents, grid_size, blocks)
        layout = place(world, seed)
    except ConfigError:
        roomy = sum((w + 1) * count for w, count in blocks.items()) <= grid_size - 2
        assert not (roomy and n_agents <= grid_size)  # a diagonal row of blocks would have fitted
        return
    check(world, *layout)


@pytest.mark.parametrize("seed", [-1, 2**64, True, 1.5, "3", None])
def test_bad_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed="):
        place(make_settings(1), seed)  # type: ignore[arg-type]


HAND_MADE = {
    "swept into corners": make_settings(40, grid_size=22, blocks={4: 15, 1: 4}),
    "one corner": make_settings(2, grid_size=20, blocks={2: 36}),
}
GOLDEN = {
    (1, 0): "1d3ec76a301d49de",
    (1, 1): "5373649757b0f9ab",
    (1, 2**64 - 1): "432ef5f8342d1ebf",
    (2, 0): "b5aed3b754f2049f",
    (2, 1): "c6ed1b3950812f29",
    (2, 2**64 - 1): "cd583f1fd229cf5e",
    (8, 0): "c3de4e9c51c4e66d",
    (8, 1): "c6ff560d9bc67eab",
    (8, 2**64 - 1): "e3c6005cd66ce8ce",
    (22, 0): "7a6e2ca5231d28d8",
    (22, 1): "4f6833d4d1d99bc9",
    (22, 2**64 - 1): "eff86117d6ebec80",
    (256, 0): "2cc5e76bd5d1896c",
    (1024, 0): "59ab93529a5d7a16",
    ("swept into corners", 0): "a0d07c7e623717f2",
    ("swept into corners", 1): "9c7ba23b665d181d",
    ("one corner", 0): "093cea6aec0c53f6",
    ("one corner", 1): "4fe0acbd8218fe2c",
}


@pytest.mark.parametrize(("key", "seed"), GOLDEN)
def test_the_layout_of_a_seed_is_a_promise(key: int | str, seed: int) -> None:
    world = HAND_MADE[key] if isinstance(key, str) else make_settings(key)
    assert digest(world, seed) == GOLDEN[key, seed]


@pytest.mark.parametrize("extra", [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "NUMBA_DISABLE_JIT": "1"}])
def test_other_processes_and_plain_python_give_the_same_layouts(extra: dict[str, str]) -> None:
    code = (
        "from emcoop.envs.cube.layout import place; from emcoop.envs.cube.settings import make_settings\n"
        "for n in (1, 8, 22):\n"
        "    for seed in (0, 7, 2**64 - 1):\n"
        "        print([array.tolist() for array in place(make_settings(n), seed)])"
    )
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-c", code]  # plain Python warns when it wraps around
    done = subprocess.run(command, env={**os.environ, **extra}, capture_output=True, text=True, check=True)
    here = [
        [array.tolist() for array in place(make_settings(n), seed)] for n in (1, 8, 22) for seed in (0, 7, 2**64 - 1)
    ]
    assert done.stdout.splitlines() == [str(layout) for layout in here]
