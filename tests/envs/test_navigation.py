"""Path finding: the fast search against a slow one, and walking down a field."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.envs import navigation
from emcoop.envs.navigation import (
    FREE,
    SLOWEST,
    SOLID,
    STANDING,
    UNREACHABLE,
    FieldCache,
    descend,
    distance_field,
)

COLUMN_1 = np.array([[1, 1, 0]], np.int32)
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def entering(obstacles: Any, targets: list[tuple[int, int, int]], y: int, x: int) -> int:
    """Return how many steps it takes to enter a cell; a target counts as free."""
    return 1 if (y, x) in {t[:2] for t in targets} else max(int(obstacles[y, x]), 1)


def slow_distances(obstacles: Any, targets: list[tuple[int, int, int]]) -> dict[tuple[int, int], int]:
    """Return the steps from every cell to the best target by a shortest-path search over single steps.

    A path leads from a cell over free and slow cells to a target; the cell itself may be one where somebody stands.
    """
    best: dict[tuple[int, int], int] = {}
    sources = {(y, x) for y, x, _ in targets}
    heap = [(start, y, x) for y, x, start in targets]
    heapq.heapify(heap)
    while heap:
        far, y, x = heapq.heappop(heap)
        if (y, x) in best:
            continue
        best[y, x] = far
        if obstacles[y, x] == STANDING and (y, x) not in sources:
            continue
        for dy, dx in STEPS:
            v, u = y + dy, x + dx
            if (obstacles[v, u] <= SLOWEST or (v, u) in sources) and (v, u) not in best:
                heapq.heappush(heap, (far + entering(obstacles, targets, y, x), v, u))
    return best


def solve(obstacles: Any, targets: list[tuple[int, int, int]]) -> Any:
    field = np.full(obstacles.shape, -7, np.int32)
    distance_field(obstacles, np.array(targets, np.int32).reshape(-1, 3), field)
    return field


CELLS = (FREE, FREE, FREE, STANDING, SOLID)
SLOW_CELLS = (*CELLS, 2, 3, 7, SLOWEST, SLOWEST + 1)


@st.composite
def mazes(draw: st.DrawFn, kinds: tuple[int, ...] = CELLS) -> tuple[Any, list[tuple[int, int, int]]]:
    """Draw a walled grid with standing agents, and targets on any of its cells, sorted by their start."""
    rows, cols = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    cells = draw(st.lists(st.sampled_from(kinds), min_size=rows * cols, max_size=rows * cols))
    obstacles = np.full((rows + 2, cols + 2), SOLID, np.uint8)
    obstacles[1:-1, 1:-1] = np.array(cells, np.uint8).reshape(rows, cols)
    target = st.tuples(st.integers(1, rows), st.integers(1, cols), st.integers(0, 20))
    return obstacles, sorted(draw(st.lists(target, max_size=5)), key=lambda t: t[2])


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.one_of(mazes(), mazes(SLOW_CELLS)))
def test_the_field_holds_the_shortest_distances(maze: tuple[Any, list[tuple[int, int, int]]]) -> None:
    obstacles, targets = maze
    field = solve(obstacles, targets)
    steps = slow_distances(obstacles, targets)
    expected = {cell: far + entering(obstacles, targets, *cell) - 1 for cell, far in steps.items()}
    assert {(int(y), int(x)): int(field[y, x]) for y, x in np.argwhere(field < UNREACHABLE)} == expected
    assert set(np.unique(field)) <= {*expected.values(), UNREACHABLE}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(mazes(SLOW_CELLS))
def test_grids_of_any_memory_layout_give_the_same_field(maze: tuple[Any, list[tuple[int, int, int]]]) -> None:
    obstacles, targets = maze
    turned = np.asfortranarray(obstacles)
    untouched = turned.copy()
    np.testing.assert_array_equal(solve(turned, targets), solve(obstacles, targets))
    np.testing.assert_array_equal(turned, untouched)


def test_a_slow_cell_is_dug_through_only_where_the_way_around_is_longer() -> None:
    obstacles = np.full((4, 6), SOLID, np.uint8)
    obstacles[1, 1:5] = [FREE, 4, FREE, FREE]
    assert solve(obstacles, [(1, 4, 0)])[1].tolist() == [UNREACHABLE, 6, 5, 1, 0, UNREACHABLE]
    obstacles[2, 1:4] = FREE
    assert solve(obstacles, [(1, 4, 0)])[1].tolist() == [UNREACHABLE, 5, 5, 1, 0, UNREACHABLE]


def test_without_targets_nothing_is_reachable() -> None:
    assert (solve(np.zeros((5, 5), np.uint8), []) == UNREACHABLE).all()


def test_one_may_leave_a_cell_where_somebody_stands_but_not_pass_it() -> None:
    obstacles = np.full((3, 6), SOLID, np.uint8)
    obstacles[1, 1:5] = [FREE, STANDING, FREE, FREE]
    assert solve(obstacles, [(1, 4, 0)])[1].tolist() == [UNREACHABLE, UNREACHABLE, 2, 1, 0, UNREACHABLE]


def test_a_worse_target_counts_from_its_own_start() -> None:
    obstacles = np.full((3, 9), SOLID, np.uint8)
    obstacles[1, 1:8] = FREE
    assert solve(obstacles, [(1, 1, 0), (1, 7, 2)])[1, 1:8].tolist() == [0, 1, 2, 3, 4, 3, 2]
    assert solve(obstacles, [(1, 1, 0), (1, 7, 9)])[1, 1:8].tolist() == [0, 1, 2, 3, 4, 5, 6]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(mazes(), st.integers(0, 3), st.integers(-1, 1), st.randoms(use_true_random=False))
def test_descending_takes_the_best_free_neighbour(maze: Any, turn: int, slack: int, rng: Any) -> None:
    obstacles, targets = maze
    field = solve(obstacles, targets)
    occupied = (obstacles != FREE).astype(np.int32)
    rows, cols = obstacles.shape
    y, x = rng.randrange(1, rows - 1), rng.randrange(1, cols - 1)
    side = descend(field, occupied, y, x, turn, slack)
    free = {
        k: int(field[y + dy, x + dx])
        for k, (dy, dx) in enumerate(STEPS)
        if not occupied[y + dy, x + dx] and field[y + dy, x + dx] <= int(field[y, x]) + slack
    }
    if not free:
        assert side == -1
    else:
        assert free[side] == min(free.values())
        ahead = [(turn + k) % 4 for k in range(4)]
        assert side == min((k for k in free if free[k] == min(free.values())), key=ahead.index)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(mazes(), mazes(SLOW_CELLS)), st.integers(0, 3))
def test_descending_with_nobody_in_the_way_arrives_by_the_shortest_way(maze: Any, turn: int) -> None:
    obstacles, targets = maze
    field = solve(obstacles, targets)
    held = {(y, x) for y, x, _ in targets}
    occupied = ((obstacles == STANDING) | (obstacles > SLOWEST)).astype(np.int32)
    for y, x in held:
        occupied[y, x] = 0
    for start in np.argwhere((field < UNREACHABLE) & (obstacles == FREE)):
        y, x = int(start[0]), int(start[1])
        far, steps = int(field[y, x]), 0
        while (side := descend(field, occupied, y, x, turn, -1)) >= 0:
            y, x = y + STEPS[side][0], x + STEPS[side][1]
            steps += entering(obstacles, targets, y, x)
        assert (y, x) in held
        assert steps == far - field[y, x]


# The cache ---------------------------------------------------------------------------------------------------


def open_board(size: int) -> Any:
    obstacles = np.full((size, size), SOLID, np.uint8)
    obstacles[1:-1, 1:-1] = FREE
    return obstacles


def test_a_field_is_computed_once_per_version() -> None:
    cache, obstacles = FieldCache((6, 6)), open_board(6)
    target = np.array([[1, 1, 0]], np.int32)
    first = cache.get("a", 1, 1, obstacles, target)
    obstacles[2, 1] = SOLID
    assert cache.get("a", 1, 1, obstacles, target)[3, 1] == first[3, 1] == 2
    assert cache.get("a", 2, 2, obstacles, target)[3, 1] == 4
    assert cache.get("b", 2, 2, obstacles, target)[3, 1] == 4


@pytest.mark.parametrize(("size", "age"), [(20, 0), (64, 0), (128, 4)])
def test_on_large_boards_a_field_may_be_some_steps_old(size: int, age: int) -> None:
    cache, obstacles = FieldCache((size, size)), open_board(size)
    target = np.array([[1, 1, 0]], np.int32)
    assert cache.max_age == age
    cache.get("a", 0, 0, obstacles, target)
    obstacles[1:4, 2] = SOLID
    old = age > 0
    assert (cache.get("a", 1, 1, obstacles, target)[1, 3] == 2) == old
    assert cache.get("a", 1, 1, obstacles, target, fresh=True)[1, 3] == 8
    obstacles[1:4, 2] = FREE
    assert cache.get("a", 1 + max(age, 1), 1 + max(age, 1), obstacles, target)[1, 3] == 2


def test_the_cache_does_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "MOST_CELLS", 0)
    cache, obstacles = FieldCache((40, 40)), open_board(40)
    computed = [cache.get(col, 0, 0, obstacles, np.array([[1, col, 0]], np.int32)) for col in range(1, 39)]
    newest_first = range(len(computed), 0, -1)
    kept = [col for col in newest_first if cache.get(col, 0, 0, obstacles, COLUMN_1) is computed[col - 1]]
    assert kept == [*newest_first[:8]], "the newest are kept"
