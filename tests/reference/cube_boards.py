"""Boards for the CUBE tests: drawings, scenes, random positions, and the fast side behind its public interface.

A drawing shows a square board, one character a cell: `^ v < >` an agent that walks that way, `o` an agent that
stays, capital letters blocks (a weight-w block is a w x w square of one letter), `.` a free cell, `:` a free cell
of the goal column. Agents are numbered in reading order, blocks in alphabetic order.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

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
    Outcome,
    cells_of,
    on_grid,
    shift,
)

import emcoop

GLYPHS = "o^v<>"
MAX_STEPS = 1000


# Drawings ----------------------------------------------------------------------------------------------------


def parse(rows: Sequence[str]) -> tuple[Board, list[int], list[str]]:
    """Read a drawing; return the board, the joint action, and the letter of each block id."""
    size = len(rows)
    assert all(len(row) == size for row in rows), f"a drawing must be square: {rows}"
    agents: list[Cell] = []
    actions: list[int] = []
    squares: dict[str, list[Cell]] = {}
    for r, row in enumerate(rows):
        for c, glyph in enumerate(row):
            if glyph in GLYPHS:
                agents.append((r, c))
                actions.append(GLYPHS.index(glyph))
            elif glyph.isupper():
                squares.setdefault(glyph, []).append((r, c))
            else:
                assert glyph == (":" if c == size - 1 else "."), f"unknown {glyph!r} in column {c} of {row!r}"
    letters = sorted(squares)
    blocks = {}
    for block, letter in enumerate(letters):
        (row_, col_), (last, _) = squares[letter][0], squares[letter][-1]
        blocks[block] = (row_, col_, last - row_ + 1)
        assert cells_of(blocks[block]) == set(squares[letter]), f"block {letter} is not a square"
    return Board(size, tuple(agents), blocks), actions, letters


def draw(board: Board, actions: Sequence[int], letters: Sequence[str] | None = None) -> list[str]:
    """Return the drawing of a board; without letters, block ids are drawn as A, B, ... (`#` beyond Z)."""
    grid = [["."] * (board.size - 1) + [":"] for _ in range(board.size)]
    for block, at in board.blocks.items():
        for r, c in cells_of(at):
            grid[r][c] = letters[block] if letters else (chr(65 + block) if block < 26 else "#")
    for (r, c), action in zip(board.agents, actions, strict=True):
        grid[r][c] = GLYPHS[action]
    return ["".join(row) for row in grid]


# Scenes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A sentence of the rules: a position with its joint action, the drawing it turns into, and the events."""

    title: str
    board: Board
    actions: list[int]
    letters: list[str]
    after: list[str]
    events: list[str]


def scenes() -> list[Scene]:
    """Read all scenes of `cube_scenes.txt`."""
    text = Path(__file__).with_name("cube_scenes.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return [read_scene(paragraph.strip().splitlines()) for paragraph in paragraphs if paragraph.strip()]


def read_scene(lines: Sequence[str]) -> Scene:
    """Read a scene: a title, the drawings `before -> after` side by side, and `=` with the events."""
    title, *drawing, outcome = lines
    pairs = [line.replace("->", "").split() for line in drawing]
    board, actions, letters = parse([before for before, _ in pairs])
    events = [event.strip() for event in outcome.removeprefix("=").split(",") if event.strip()]
    return Scene(title, board, actions, letters, [after for _, after in pairs], events)


def describe(event: Event, letters: Sequence[str]) -> str:
    """Return an event in the short words of the scenes."""
    kind = event["kind"]
    if kind == "push":
        return f"push {''.join(letters[b] for b in event['blocks'])} {event['direction']}"
    if kind == "delivery":
        return f"delivery {letters[event['block']]}"
    if kind == "cell_race":
        return f"race {' '.join(map(str, event['agents']))} won by {event['winner']}"
    if kind == "collision":
        return f"collision {event['agents'][0]} {event['into']}"
    what = f"{letters[event['block']]} {event['direction']}"
    if kind == "blocked_destination":
        return f"blocked {what} {event['by']}"
    if kind == "insufficient_force":
        return f"short {what} {event['have']}/{event['need']}"
    return f"{kind.removesuffix('_push')} {what}"


# Events ------------------------------------------------------------------------------------------------------


def multiset(events: Sequence[Event]) -> list[str]:
    """Return events in a form that compares equal whatever their order and the order of their keys."""
    return sorted(repr(sorted(event.items())) for event in events)


def with_indices(event: Mapping[str, Any]) -> Event:
    """Return a public event with agent indices in place of agent names."""
    plain = dict(event)
    plain["agents"] = sorted(agent_index(name) for name in event["agents"])
    if "winner" in plain:
        plain["winner"] = agent_index(plain["winner"])
    if "blocks" in plain:
        plain["blocks"] = list(plain["blocks"])
    return plain


def agent_index(name: str) -> int:
    """Return the index of `agent_007`."""
    return int(name.removeprefix("agent_"))


# The fast side -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def environment(n_agents: int, size: int) -> Any:
    """Return the environment for a team size and board side; every use begins with a reset."""
    return emcoop.parallel_env("Cube-v0", n_agents=n_agents, grid_size=size, blocks={1: 1}, max_steps=MAX_STEPS)


class FastGame:
    """The environment on an explicit board, answering in the words of the reference."""

    def __init__(self, board: Board) -> None:
        assert sorted(board.blocks) == list(range(len(board.blocks)))
        self.env = environment(len(board.agents), board.size)
        options = {"agents": list(board.agents), "blocks": [board.blocks[b] for b in range(len(board.blocks))]}
        _, self.infos = self.env.reset(seed=0, options=options)
        self.names = list(self.env.agents)
        self.size = board.size
        self.rewards: dict[str, float] = {}
        self.terminations: dict[str, bool] = {}
        self.truncations: dict[str, bool] = {}

    def blocks(self) -> tuple[dict[int, Block], dict[int, Block]]:
        """Return the blocks on the grid and the delivered ones, each `{id: (row, col, weight)}`."""
        state = self.env.snapshot()
        present: dict[int, Block] = {}
        gone: dict[int, Block] = {}
        rows = zip(state["block_positions"], state["block_weights"], state["delivered"], strict=True)
        for block, ((row, col), weight, delivered) in enumerate(rows):
            (gone if delivered else present)[block] = (int(row), int(col), int(weight))
        return present, gone

    def board(self) -> Board:
        """Return the present position."""
        agents = tuple((int(row), int(col)) for row, col in self.env.snapshot()["agents"])
        return Board(self.size, agents, self.blocks()[0])

    def step(self, actions: Sequence[int]) -> Outcome:
        """Play one joint action."""
        gone_before = self.blocks()[1]
        joint = dict(zip(self.names, actions, strict=True))
        _, self.rewards, self.terminations, self.truncations, self.infos = self.env.step(joint)
        delivered = {b: at for b, at in self.blocks()[1].items() if b not in gone_before}
        return Outcome(self.board(), delivered, self.events())

    def events(self) -> list[Event]:
        """Return all events of the last step, each read from the first agent it names, with agent indices."""
        found = []
        for name in self.names:
            plain = [with_indices(event) for event in self.infos[name]["events"]]
            found += [event for event in plain if event["agents"][0] == agent_index(name)]
        return found


def fast_step(board: Board, actions: Sequence[int]) -> Outcome:
    """Advance a board by one step of the environment."""
    return FastGame(board).step(actions)


# Random positions --------------------------------------------------------------------------------------------


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


# Symmetries --------------------------------------------------------------------------------------------------


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
