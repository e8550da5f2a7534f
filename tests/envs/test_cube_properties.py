"""What every step of CUBE keeps, on any board: properties, through the public interface only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from cube_game import fast_step, multiset
from cube_random import flip, flip_actions, flip_blocks, flip_event, footprint_cells, queue_end
from cube_reference import (
    DOWN,
    KINDS,
    LEFT,
    NAME,
    OPPOSITE,
    RIGHT,
    STAY,
    STEP,
    UP,
    Block,
    Board,
    Cell,
    Event,
    Outcome,
    cells_of,
    shift,
    step,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Position = tuple[Board, list[int]]
DIRECTION = {name: action for action, name in NAME.items()}

DIRECTIONS = st.sampled_from((RIGHT, UP, DOWN, LEFT))

bounded = settings(max_examples=200, deadline=None, derandomize=True)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    """Draw a legal board with a joint action: blocks that often touch, queues that push them, and walkers."""
    size = draw(st.integers(5, 8))
    main = draw(DIRECTIONS)
    heading = st.one_of(st.just(main), DIRECTIONS)
    blocks = draw_blocks(draw, size, heading)
    taken = set(footprint_cells(blocks))
    team: dict[Cell, int] = {}
    for target in draw(st.lists(st.sampled_from(sorted(blocks.values())), max_size=4)):
        for push in draw(st.lists(heading, min_size=1, max_size=2)):
            cell = draw(st.sampled_from(sorted(cells_of(target))))
            for _ in range(draw(st.integers(1, 6))):
                cell = queue_end(cell, OPPOSITE[push], taken | team.keys())
                if on_grid(size, cell):
                    team[cell] = push
    free = [(r, c) for r in range(size) for c in range(size) if (r, c) not in taken and (r, c) not in team]
    axis = st.integers(0, size - 1)
    for aim in draw(st.lists(st.tuples(axis, axis), max_size=3)):
        for walk in draw(st.lists(DIRECTIONS, min_size=1, max_size=3, unique=True)):
            cell = shift(aim, OPPOSITE[walk])
            if cell in free:
                team.setdefault(cell, walk)
    team = team or {free[0]: main}
    for idle in draw(st.lists(st.sampled_from(sorted(team)), max_size=2)):
        team[idle] = STAY
    order = draw(st.permutations(list(team)))
    return Board(size, tuple(order), blocks), [team[cell] for cell in order]


def draw_blocks(draw: st.DrawFn, size: int, heading: st.SearchStrategy[int]) -> dict[int, Block]:
    """Draw one to six blocks outside the goal column, each somewhere or in contact with the one before."""
    last: Block = (1, 1, 1)
    blocks: dict[int, Block] = {}
    for _ in range(draw(st.integers(1, 6))):
        weight = draw(st.sampled_from((1, 1, 2, 3)))
        row, col = draw(st.integers(0, size - weight)), draw(st.integers(0, size - weight - 1))
        if draw(st.integers(0, 3)) and blocks:
            row, col = beside(last, weight, draw(heading), draw(st.integers(1 - weight, last[2] - 1)))
        at = (row, col, weight)
        cells = cells_of(at)
        inside = all(on_grid(size, cell) and cell[1] < size - 1 for cell in cells)
        if inside and not cells & set(footprint_cells(blocks)):
            blocks[len(blocks)] = last = at
    return blocks


def beside(block: Block, weight: int, side: int, slide: int) -> Cell:
    """Return where a block of some weight touches another one on a side, slid along it."""
    row, col, height = block
    return {
        UP: (row - weight, col + slide),
        DOWN: (row + height, col + slide),
        LEFT: (row + slide, col - weight),
        RIGHT: (row + slide, col + height),
    }[side]


def on_grid(size: int, cell: Cell) -> bool:
    return 0 <= cell[0] < size and 0 <= cell[1] < size


def test_the_positions_drawn_are_not_idle() -> None:
    seen: Counter[str] = Counter()

    @settings(bounded, max_examples=400)
    @given(positions())
    def count(position: Position) -> None:
        events = step(*position).events
        seen.update({event["kind"] for event in events})
        seen.update({"chain" for event in events if len(event.get("blocks", [])) > 1})

    count()
    assert {kind for kind in (*KINDS, "chain") if not seen[kind]} == set(), seen


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
