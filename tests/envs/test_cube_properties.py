"""What every step of CUBE keeps, on any board: properties, through the public interface only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from cube_boards import (
    fast_step,
    flip,
    flip_actions,
    flip_blocks,
    flip_event,
    footprint_cells,
    multiset,
)
from cube_reference import NAME, RIGHT, STEP, Block, Board, Cell, Event, Outcome, cells_of, shift, step
from hypothesis import given, settings
from hypothesis import strategies as st

Position = tuple[Board, list[int]]
DIRECTION = {name: action for action, name in NAME.items()}

bounded = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    """Draw a legal board with one to a dozen agents, one to eight blocks, and a joint action."""
    size = draw(st.integers(4, 8))
    axis = st.integers(0, size - 1)
    taken: set[Cell] = set()
    blocks: dict[int, Block] = {}
    for at in draw(st.lists(st.tuples(axis, axis, st.sampled_from((1, 1, 2, 3))), min_size=1, max_size=8)):
        row, col, weight = at
        fits = row + weight <= size and col + weight < size
        if fits and not cells_of(at) & taken:
            blocks[len(blocks)] = at
            taken |= cells_of(at)
    if not blocks:
        blocks[0], taken = (1, 1, 1), {(1, 1)}
    # Most actions agree, because forces have to add up before anything interesting happens.
    common = draw(st.sampled_from((*STEP, RIGHT)))
    action = st.one_of(st.just(common), st.integers(0, 4))
    free = [(r, c) for r in range(size) for c in range(size) if (r, c) not in taken]
    cells = draw(st.lists(st.sampled_from(free), min_size=1, max_size=12, unique=True))
    return Board(size, tuple(cells), blocks), [draw(action) for _ in cells]


def everywhere(outcome: Outcome) -> dict[int, Block]:
    """Return where all blocks are after a step, the delivered ones included."""
    return outcome.board.blocks | outcome.delivered


def displacement(before: Sequence[int], after: Sequence[int]) -> Cell:
    return after[0] - before[0], after[1] - before[1]


def of_kind(outcome: Outcome, kind: str) -> list[Event]:
    return [event for event in outcome.events if event["kind"] == kind]


@bounded
@given(positions())
def test_kernel_equals_reference(position: Position) -> None:
    board, actions = position
    got, expected = fast_step(board, actions), step(board, actions)
    assert (got.board, got.delivered) == (expected.board, expected.delivered)
    assert multiset(got.events) == multiset(expected.events)


@bounded
@given(positions())
def test_no_two_entities_share_a_cell_and_all_are_on_the_grid(position: Position) -> None:
    after = fast_step(*position).board
    held = [*after.agents, *footprint_cells(after.blocks)]
    assert max(Counter(held).values()) == 1
    assert all(0 <= row < after.size and 0 <= col < after.size for row, col in held)


@bounded
@given(positions())
def test_no_agent_appears_or_vanishes_and_none_moves_further_than_one_cell(position: Position) -> None:
    board, actions = position
    after = fast_step(board, actions).board
    assert len(after.agents) == len(board.agents)
    for before, now, action in zip(board.agents, after.agents, actions, strict=True):
        assert now in ([before, shift(before, action)] if action else [before])


@bounded
@given(positions())
def test_a_block_moves_one_cell_at_most_and_only_by_the_one_push_that_names_it(position: Position) -> None:
    board, actions = position
    outcome = fast_step(board, actions)
    pushes = of_kind(outcome, "push")
    for block, before in board.blocks.items():
        naming = [push for push in pushes if block in push["blocks"]]
        moves = [STEP[DIRECTION[push["direction"]]] for push in naming]
        assert len(moves) <= 1
        assert displacement(before, everywhere(outcome)[block]) == (moves[0] if moves else (0, 0))
        assert everywhere(outcome)[block][2] == before[2]


@bounded
@given(positions())
def test_blocks_leave_only_through_the_goal_and_always_there(position: Position) -> None:
    board, actions = position
    outcome = fast_step(board, actions)
    assert everywhere(outcome).keys() == board.blocks.keys()
    for block, at in everywhere(outcome).items():
        touches_goal = any(col == board.size - 1 for _, col in cells_of(at))
        assert (block in outcome.delivered) == touches_goal
    assert sorted(event["block"] for event in of_kind(outcome, "delivery")) == sorted(outcome.delivered)


@bounded
@given(positions())
def test_a_push_that_succeeds_has_the_force(position: Position) -> None:
    board, actions = position
    for push in of_kind(fast_step(board, actions), "push"):
        assert len(push["agents"]) >= sum(board.blocks[block][2] for block in push["blocks"])
        assert {actions[agent] for agent in push["agents"]} == {DIRECTION[push["direction"]]}


@bounded
@given(positions(), st.randoms(use_true_random=False))
def test_renumbering_the_blocks_changes_nothing(position: Position, rng: Random) -> None:
    board, actions = position
    new = list(board.blocks)
    rng.shuffle(new)

    def renumbered(event: Event) -> Event:
        event = event | ({"block": new[event["block"]]} if "block" in event else {})
        return event | ({"blocks": sorted(new[b] for b in event["blocks"])} if "blocks" in event else {})

    other = Board(board.size, board.agents, {new[b]: at for b, at in board.blocks.items()})
    expected, got = fast_step(board, actions), fast_step(other, actions)
    assert got.board.agents == expected.board.agents
    assert everywhere(got) == {new[b]: at for b, at in everywhere(expected).items()}
    assert multiset(got.events) == multiset([renumbered(event) for event in expected.events])


@bounded
@given(positions(), st.randoms(use_true_random=False))
def test_renumbering_the_agents_changes_nothing_but_the_winners_of_races(position: Position, rng: Random) -> None:
    board, actions = position
    order = list(range(len(actions)))
    rng.shuffle(order)
    other = Board(board.size, tuple(board.agents[i] for i in order), board.blocks)
    expected, got = fast_step(board, actions), fast_step(other, [actions[i] for i in order])
    assert everywhere(got) == everywhere(expected)
    racing = {agent for race in of_kind(expected, "cell_race") for agent in race["agents"]}
    for new, old in enumerate(order):
        if old not in racing:
            assert got.board.agents[new] == expected.board.agents[old]
    kinds = [Counter(event["kind"] for event in outcome.events) for outcome in (got, expected)]
    assert kinds[0] == kinds[1]


@bounded
@given(positions())
def test_mirroring_the_board_top_to_bottom_mirrors_the_result(position: Position) -> None:
    board, actions = position
    expected, got = fast_step(board, actions), fast_step(flip(board), flip_actions(actions))
    assert got.board == flip(expected.board)
    assert got.delivered == flip_blocks(board.size, expected.delivered)
    assert multiset(got.events) == multiset([flip_event(event) for event in expected.events])


@bounded
@given(positions())
def test_every_agent_that_wanted_to_move_and_did_not_finds_a_reason(position: Position) -> None:
    board, actions = position
    outcome = fast_step(board, actions)
    named = {agent for event in outcome.events if event["kind"] != "push" for agent in event["agents"]}
    for agent, action in enumerate(actions):
        if action and outcome.board.agents[agent] == board.agents[agent]:
            assert agent in named
