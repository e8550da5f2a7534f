"""Random positions, crowded so that pushes meet, and their symmetries."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from cube_reference import (
    DOWN,
    LEFT,
    OPPOSITE,
    RIGHT,
    STAY,
    STEP,
    UP,
    Block,
    Board,
    Cell,
    Event,
    cells_of,
    on_grid,
    shift,
)


def random_board(rng: random.Random, size: int, n_agents: int, fill: float, heading: int) -> Board:
    """Return a crowded position on which chains, merged pushes and conflicts are likely.

    Blocks on about `fill` of the area lean on each other; most agents queue behind them, ready to push them in the
    direction `heading`. Blocks keep out of the goal column and leave room for all agents; there is at least one block.
    """
    free = {(r, c) for r in range(size) for c in range(size)}
    blocks = random_blocks(rng, size, min(int(fill * size * size), size * size - n_agents), free)
    agents: list[Cell] = []
    while len(agents) < n_agents:
        cell = rng.choice(footprint_cells(blocks))
        side = OPPOSITE[heading] if rng.random() < 0.9 else rng.choice(tuple(STEP))
        cell = queue_end(cell, side, set(footprint_cells(blocks)) | set(agents))
        if cell not in free or rng.random() < 0.1:
            cell = rng.choice(sorted(free))
        agents.append(cell)
        free.remove(cell)
    rng.shuffle(agents)
    return Board(size, tuple(agents), blocks)


def random_blocks(rng: random.Random, size: int, room: int, free: set[Cell]) -> dict[int, Block]:
    """Place blocks that cover at most `room` cells (but at least one block), most of them touching another one."""
    blocks: dict[int, Block] = {}
    for _ in range(10 * size):
        weight = min(rng.choice((1, 1, 1, 1, 2, 2, 3)), max(1, size - 2))
        spot = (rng.randrange(size - weight + 1), rng.randrange(size - weight), weight)
        touches = any(shift(cell, d) in footprint_cells(blocks) for cell in cells_of(spot) for d in STEP)
        if cells_of(spot) <= free and ((weight * weight <= room and (touches or rng.random() < 0.2)) or not blocks):
            blocks[len(blocks)] = spot
            free -= cells_of(spot)
            room -= weight * weight
    return blocks


def random_team(rng: random.Random, size: int, heading: int) -> Board:
    """Return a position in which several blocks, each with its queue, lean on one larger block.

    Built towards the right and turned: this is where pushes merge, and where their forces just suffice or not.
    """
    while True:
        weight = rng.randint(2, max(2, min(4, size - 4)))
        top, left = rng.randint(0, size - weight), rng.randint(2, size - weight)
        blocks: dict[int, Block] = {0: (top, left, weight)}
        row = max(0, top - rng.randint(0, 1))
        while row < top + weight:
            small = rng.choice((0, 1, 1, 2))
            if small and row + small <= size:
                blocks[len(blocks)] = (row, left - small, small)
            row += max(small, 1)
        taken = set(footprint_cells(blocks))
        agents: list[Cell] = []
        for r in range(max(0, top - 1), min(size, top + weight + 1)):
            end = queue_end((r, left - 1), LEFT, taken)[1]
            agents += [(r, c) for c in range(end, max(-1, end - rng.randint(0, weight + 2)), -1)]
        free = [(r, c) for r in range(size) for c in range(size) if (r, c) not in taken and (r, c) not in agents]
        agents += rng.sample(free, min(len(free), rng.randint(0, 3)))
        rng.shuffle(agents)
        board = turn_to(Board(size, tuple(agents), blocks), heading)
        if agents and all(col + w < size for _, col, w in board.blocks.values()):
            return board


def turn_to(board: Board, heading: int) -> Board:
    """Turn a board built towards the right so that right becomes `heading`."""
    for _ in range((RIGHT, DOWN, LEFT, UP).index(heading)):
        agents = tuple((c, board.size - 1 - r) for r, c in board.agents)
        blocks = {b: (c, board.size - r - w, w) for b, (r, c, w) in board.blocks.items()}
        board = Board(board.size, agents, blocks)
    return board


def vary(rng: random.Random, board: Board, actions: Sequence[int]) -> tuple[Board, list[int]]:
    """Return a position and joint action with up to three agents removed, added or given another action."""
    team = dict(zip(board.agents, actions, strict=True))
    taken = set(footprint_cells(board.blocks))
    for _ in range(rng.randint(0, 3)):
        cell = rng.choice(sorted(team)) if rng.random() < 0.6 else rng.choice(sorted(taken))
        cell = shift(cell, rng.choice(tuple(STEP))) if rng.random() < 0.5 else cell
        if not on_grid(board, cell) or cell in taken:
            continue
        if cell in team and len(team) > 1 and rng.random() < 0.3:
            del team[cell]
        else:
            team[cell] = rng.choice((STAY, *STEP))
    return Board(board.size, tuple(team), board.blocks), list(team.values())


def queue_end(cell: Cell, side: int, taken: set[Cell]) -> Cell:
    """Return the first cell on one side of a block cell that is not taken."""
    while cell in taken:
        cell = shift(cell, side)
    return cell


def footprint_cells(blocks: Mapping[int, Block]) -> list[Cell]:
    """Return every cell covered by the blocks."""
    return [cell for at in blocks.values() for cell in sorted(cells_of(at))]


def random_actions(rng: random.Random, board: Board, heading: int) -> list[int]:
    """Return a joint action in which most agents that can lean on a block in one direction do so."""
    blocks = set(footprint_cells(board.blocks))
    actions = []
    for agent in range(len(board.agents)):
        useful = [d for d in STEP if leans_on_block(board, blocks, agent, d)]
        if heading in useful and rng.random() < 0.9:
            actions.append(heading)
        elif useful and rng.random() < 0.5:
            actions.append(rng.choice(useful))
        else:
            actions.append(rng.choice((STAY, *STEP)))
    return actions


def leans_on_block(board: Board, blocks: set[Cell], agent: int, direction: int) -> bool:
    """Tell whether only agents stand between an agent and a block ahead."""
    cell = shift(board.agents[agent], direction)
    while cell in board.agents:
        cell = shift(cell, direction)
    return cell in blocks


def flip(board: Board) -> Board:
    """Return a board mirrored top to bottom."""
    last = board.size - 1
    agents = tuple((last - r, c) for r, c in board.agents)
    return Board(board.size, agents, flip_blocks(board.size, board.blocks))


def flip_blocks(size: int, blocks: Mapping[int, Block]) -> dict[int, Block]:
    """Return blocks mirrored top to bottom; their top-left cells come from their bottom-left ones."""
    return {block: (size - r - w, c, w) for block, (r, c, w) in blocks.items()}


def flip_actions(actions: Sequence[int]) -> list[int]:
    """Return a joint action with up and down exchanged."""
    return [OPPOSITE[a] if a != STAY and STEP[a][0] else a for a in actions]


def flip_event(event: Event) -> Event:
    """Return an event with up and down exchanged."""
    exchanged = {"up": "down", "down": "up"}
    return event | {k: exchanged.get(v, v) for k, v in event.items() if k == "direction"}
