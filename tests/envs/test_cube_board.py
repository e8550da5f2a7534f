"""Explicit boards: what is accepted, what is refused and how the cell is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.envs.cube.board import parse_board
from emcoop.envs.cube.layout import place
from emcoop.envs.cube.settings import CubeSettings, make_settings
from emcoop.errors import ConfigError

WORLD = make_settings(n_agents=2, grid_size=20)


def refuse(options: dict[str, Any], *parts: str, world: CubeSettings = WORLD) -> None:
    """Expect one sentence that holds all `parts`."""
    with pytest.raises(ConfigError) as caught:
        parse_board(options, world, 0)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_whole_board_is_taken_as_given() -> None:
    agents, blocks, weights = parse_board(
        {"agents": [(3, 4), (0, 19)], "blocks": [(5, 5, 1), (1, 1, 3), (8, 8, 2)]}, WORLD, 0
    )
    assert agents.tolist() == [[3, 4], [0, 19]]
    assert blocks.tolist() == [[5, 5], [1, 1], [8, 8]]
    assert weights == (1, 3, 2)
    assert (agents.dtype, blocks.dtype) == (np.int32, np.int32)


def test_chains_walls_and_blocks_next_to_the_goal_are_allowed() -> None:
    blocks = [(0, 0, 2), (0, 2, 2), (2, 0, 1), (18, 17, 2), (19, 0, 1)]
    assert parse_board({"blocks": blocks}, WORLD, 0)[1].tolist() == [[r, c] for r, c, _ in blocks]


def test_a_block_may_fill_all_but_the_goal_column() -> None:
    world = make_settings(n_agents=1, grid_size=4, blocks={1: 1})
    options = {"agents": [(3, 0)], "blocks": [(0, 0, 3)]}
    assert parse_board(options, world, 0)[2] == (3,)


def test_lists_and_arrays_of_any_integer_type_are_equal() -> None:
    options = {"agents": np.array([[3, 4], [0, 0]], np.int16), "blocks": [np.array([5, 5, 2]), [9, np.uint8(9), 1]]}
    agents, blocks, weights = parse_board(options, WORLD, 0)
    assert (agents.tolist(), blocks.tolist(), weights) == ([[3, 4], [0, 0]], [[5, 5], [9, 9]], (2, 1))
    assert all(type(w) is int for w in weights)


@pytest.mark.parametrize("options", [None, {}, {"options": 1}, {"agent": [], 7: "x"}])
def test_other_keys_are_ignored(options: dict[Any, Any] | None) -> None:
    agents, blocks, weights = parse_board(options, WORLD, 11)
    expected = place(WORLD, 11)
    assert np.array_equal(agents, expected[0])
    assert np.array_equal(blocks, expected[1])
    assert weights == WORLD.weights


def test_blocks_alone_leave_the_agents_where_the_seed_puts_them() -> None:
    agents, _, _ = parse_board({"blocks": [(5, 5, 2)]}, WORLD, 3)
    assert np.array_equal(agents, place(WORLD, 3)[0])


def test_agents_avoid_explicit_blocks_in_their_columns() -> None:
    world = make_settings(n_agents=3, grid_size=4, blocks={1: 1})
    for seed in range(20):
        agents, _, _ = parse_board({"blocks": [(0, 0, 2), (3, 1, 1)]}, world, seed)
        assert sorted(map(tuple, agents.tolist())) == [(2, 0), (2, 1), (3, 0)]


def test_agents_alone_leave_the_blocks_where_the_seed_puts_them() -> None:
    agents, blocks, weights = parse_board({"agents": [(0, 5), (0, 6)]}, WORLD, 3)
    assert agents.tolist() == [[0, 5], [0, 6]]
    assert np.array_equal(blocks, place(WORLD, 3)[1])
    assert weights == WORLD.weights


def test_an_agent_on_a_block_of_the_seed_is_refused() -> None:
    row, col = place(WORLD, 3)[1][0].tolist()
    with pytest.raises(ConfigError, match=rf"agents\[1\].*\({row}, {col + 1}\).*blocks\[0\].*seed"):
        parse_board({"agents": [(0, 0), (row, col + 1)]}, WORLD, 3)


def test_no_room_left_for_the_agents_is_refused() -> None:
    world = make_settings(n_agents=4, grid_size=4, blocks={1: 1})
    refuse({"blocks": [(0, 0, 3)]}, "4 agents", "side 4", world=world)


@pytest.mark.parametrize(
    ("blocks", "parts"),
    [
        ([(5, 5, 2), (6, 6, 1)], ("blocks[1]", "blocks[0]", "(6, 6)", "overlaps")),
        ([(5, 5, 1), (4, 4, 3)], ("blocks[1]", "blocks[0]", "(4, 4)", "(5, 5)", "overlaps")),
        ([(-1, 5, 1)], ("blocks[0]", "(-1, 5)", "off the grid")),
        ([(5, 5, 1), (20, 5, 1)], ("blocks[1]", "(20, 5)", "off the grid")),
        ([(18, 5, 3)], ("(18, 5)", "(20, 7)", "off the grid")),
        ([(5, 19, 2)], ("(5, 19)", "off the grid")),
        ([(10**5, 5, 1)], ("blocks[0]", "(100000, 5)", "off the grid")),
        ([(5, 5, 10**9)], ("blocks[0]", "(5, 5)", "off the grid")),
        ([(5, 5, 10**5000)], ("blocks[0]", "2147483648")),
        ([(-(2**40), 5.5, 1)], ("blocks[0]", "2147483648")),
        ([(5, 19, 1)], ("(5, 19)", "goal column", "at most 18")),
        ([(5, 17, 3)], ("(5, 17)", "(5, 19)", "goal column", "at most 16")),
        ([(5, 5, 0)], ("(5, 5)", "at least 1")),
        ([(5, 5, -2)], ("(5, 5)", "at least 1")),
        ([(5, 5)], ("blocks[0]", "(5, 5)", "(row, col, weight)")),
        ([(5, 5, 1, 1)], ("blocks[0]", "(row, col, weight)")),
        ([5], ("blocks[0]", "5")),
        (["555"], ("blocks[0]", "'555'")),
        ([{5, 6, 1}], ("blocks[0]",)),
        ([(5, 5, True)], ("blocks[0]", "True", "whole numbers")),
        ([(5, 5, np.True_)], ("blocks[0]", "whole numbers")),
        ([(5.0, 5, 1)], ("blocks[0]", "5.0", "whole numbers")),
        ([(5, "5", 1)], ("blocks[0]", "whole numbers")),
        ([(5, None, 1)], ("blocks[0]", "None", "whole numbers")),
        (np.array([[5.0, 5.0, 1.0]]), ("blocks[0]", "whole numbers")),
        (np.array(3), ("blocks", "ndarray")),
        ([np.array(3)], ("blocks[0]",)),
        ([], ("blocks", "0 entries")),
        ([(0, 0, 1)] * 401, ("401 entries", "400")),
        (None, ("blocks", "NoneType")),
        ("ab", ("blocks", "str")),
        ({(5, 5, 1)}, ("blocks", "set")),
        ({0: (5, 5, 1)}, ("blocks", "dict")),
        (iter([(5, 5, 1)]), ("blocks", "iterator")),
        ([list(range(10**5))], ("blocks[0]", "(row, col, weight)")),
    ],
)
def test_bad_blocks_are_refused(blocks: object, parts: tuple[str, ...]) -> None:
    refuse({"blocks": blocks}, *parts)


@pytest.mark.parametrize(
    ("agents", "parts"),
    [
        ([(1, 1)], ("1 entries", "n_agents=2")),
        ([(1, 1), (2, 2), (3, 3)], ("3 entries", "n_agents=2")),
        ([(0, 0)] * 10**5, ("100000 entries", "n_agents=2")),
        ([], ("0 entries", "n_agents=2")),
        ([(1, 1), (1, 1)], ("agents[1]", "agents[0]", "(1, 1)")),
        ([(1, 1), (6, 6)], ("agents[1]", "blocks[0]", "(6, 6)")),
        ([(1, 1), (20, 0)], ("agents[1]", "(20, 0)", "off the grid")),
        ([(1, -1), (2, 0)], ("agents[0]", "(1, -1)", "off the grid")),
        ([(1, 1), (2, 2, 2)], ("agents[1]", "(row, col)")),
        ([(1, 1), (2, False)], ("agents[1]", "False", "whole numbers")),
        ([(1, 1), (2, 2.5)], ("agents[1]", "2.5", "whole numbers")),
        ([(1, 1), None], ("agents[1]", "None")),
        (7, ("agents", "int")),
    ],
)
def test_bad_agents_are_refused(agents: object, parts: tuple[str, ...]) -> None:
    refuse({"agents": agents, "blocks": [(5, 5, 2)]}, *parts)


cells = st.tuples(st.integers(-1, 7), st.integers(-1, 7))
squares = st.tuples(st.integers(-1, 7), st.integers(-1, 7), st.integers(0, 4))


@given(st.lists(cells, min_size=2, max_size=2), st.lists(squares, max_size=6), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_accepted_boards_are_exactly_the_legal_ones(
    agents: list[tuple[int, int]], blocks: list[tuple[int, int, int]], give_agents: bool, give_blocks: bool
) -> None:
    world = make_settings(n_agents=2, grid_size=7, blocks={2: 1, 1: 1})
    options = {
        key: value for key, value, use in (("agents", agents, give_agents), ("blocks", blocks, give_blocks)) if use
    }
    try:
        got_agents, got_blocks, weights = parse_board(options, world, 5)
    except ConfigError:
        tried = blocks if give_blocks else [(*b, w) for b, w in zip(place(world, 5)[1].tolist(), world.weights)]
        # Two agents always find a free cell on this board unless given cells are wrong, so they cannot be at fault.
        assert not legal(agents if give_agents else [], tried, 7)
        return
    taken = [(*corner, w) for corner, w in zip(got_blocks.tolist(), weights)]
    assert legal([tuple(cell) for cell in got_agents.tolist()], taken, 7)
    assert not give_agents or got_agents.tolist() == [list(cell) for cell in agents]
    assert not give_blocks or taken == blocks


def legal(agents: list[tuple[int, ...]], blocks: list[tuple[int, ...]], size: int) -> bool:
    covered = [(r + i, c + j) for r, c, w in blocks for i in range(w) for j in range(w)]
    on_board = all(0 <= r < size and 0 <= c < size for r, c in [*covered, *agents])
    weights_fit = bool(blocks) and all(w >= 1 for _, _, w in blocks)
    disjoint = len({*covered, *agents}) == len(covered) + len(agents)
    return on_board and weights_fit and disjoint and all(c < size - 1 for _, c in covered)
