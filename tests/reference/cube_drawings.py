"""Drawn boards: one character a cell, and the scenes of `cube_scenes.txt`.

`^ v < >` is an agent that walks that way, `o` one that stays, capital letters are blocks (a weight-w block is a
w x w square of one letter), `.` is a free cell, `:` a free cell of the goal column. Agents are numbered in reading
order, blocks in alphabetic order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cube_reference import (
    Board,
    Cell,
    Event,
    cells_of,
)

GLYPHS = "o^v<>"


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
