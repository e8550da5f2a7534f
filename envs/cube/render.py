"""Pictures of a CUBE board: an RGB image and a plain-text map, both pure functions of a snapshot.

A snapshot is what `env.snapshot()` returns: `agents` `(n, 2)` and `block_positions` `(m, 2)` as (row, col),
`block_weights` `(m,)`, `delivered` `(m,)` and `step`; where it also holds `max_steps`, progress through the
episode is shown. Nothing is drawn at random, nothing in the snapshot is changed, no display is needed.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.cube.settings import MAX_GRID
from emcoop.envs.raster import Boxes, Colours, Image, cell_edges, colour, discs, fill_boxes, numbers, outline_boxes
from emcoop.errors import ConfigError

Snapshot = Mapping[str, Any]

MIN_SIZE, MAX_SIZE = 16, 8192
TEXT_COLUMNS = 120
AGENT_LETTERS = string.ascii_lowercase + string.ascii_uppercase

# Light surfaces, blue blocks that darken with weight, vermilion agents, a gold goal: the classes stay apart in
# brightness alone, and blue against orange stays apart under every common colour blindness.
FRAME = colour("#2B3240")
FLOOR = colour("#F6F4EE")
GRID = colour("#E3DFD4")
GOAL = colour("#F2B705")
GOAL_FLOOR = colour("#FBE7A6")
TIME = colour("#8E9AAF")
AGENT = colour("#C8420A")
AGENT_RIM = colour("#FFFFFF")
AGENT_INK = colour("#FFFFFF")
SEAT = colour("#111111")
SEAT_INK = colour("#FFE14D")
_BLOCK_CODES = "#86D0C4 #56B6C2 #3A9AC0 #2F7DB8 #3563AB #3E4C98 #41397F #3D2A66 #33204F #29173D #1E0F2C #14081E"
# One face colour per weight class: class c holds the weights from 2**c up to 2**(c + 1) - 1.
BLOCK_FACES = np.stack([colour(code) for code in _BLOCK_CODES.split()])


def _mix(colours: Colours, other: Colours, share: float) -> Colours:
    mixed = (1 - share) * colours.astype(np.float64) + share * other
    return np.ascontiguousarray(np.rint(mixed).astype(np.uint8))


_BLOCK_LIT = _mix(BLOCK_FACES, AGENT_INK, 0.38)
_BLOCK_SHADED = _mix(BLOCK_FACES, SEAT, 0.42)
_BLOCK_INK = np.where((BLOCK_FACES @ [0.3, 0.59, 0.11] > 130)[:, None], SEAT, AGENT_INK)


def _frame_width(size: int) -> int:
    return size // 80


@lru_cache(maxsize=16)
def _edges(grid_size: int, size: int) -> NDArray[np.int64]:
    """Return where rows (and columns) begin, `(grid_size + 1,)`: equal cells where that wastes little room."""
    room = size - 2 * _frame_width(size)
    if room // grid_size >= 12:
        room = room // grid_size * grid_size
    edges = cell_edges(grid_size, (size - room) // 2, room)
    edges.setflags(write=False)
    return edges


def _boxes(positions: NDArray[np.int64], sides: NDArray[np.int64], edges: NDArray[np.int64], gap: int) -> Boxes:
    """Return the pixel boxes `(m, 4)` of squares with `sides` cells; a box never has less than one pixel."""
    ends = positions + sides[:, None]
    grid_size = len(edges) - 1
    if positions.size and (positions.min() < 0 or ends.max() > grid_size):
        raise ConfigError(
            f"a position lies beyond a board of side {grid_size}: rows and columns go from 0 to "
            f"{grid_size - 1}; pass the grid_size of the environment the snapshot was taken from"
        )
    begins = edges[positions] + gap
    # Where cells share pixels, the last cell may begin on the pixel at which the cell after it begins too.
    return np.hstack((begins, np.maximum(edges[ends], edges[ends - 1] + gap + 1)))


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} does not fit: give a whole number from {low} to {high}")


def _check_board(grid_size: int, size: int) -> None:
    _check_whole("grid_size", grid_size, 1, MAX_GRID)
    _check_whole("size", size, MIN_SIZE, MAX_SIZE)


def cell_box(row: int, col: int, grid_size: int, size: int = 512) -> tuple[int, int, int, int]:
    """Return the pixels of one cell in `render_rgb(..., grid_size, size=size)`.

    Returns:
        (top, left, bottom, right), the last two exclusive; at least one pixel, shared by several cells when
        the picture has fewer pixels than the board has cells.

    Raises:
        ConfigError: `grid_size` or `size` out of range, or the cell is not on the board.
    """
    _check_board(grid_size, size)
    edges = _edges(grid_size, size)
    boxes = _boxes(np.array([[row, col]]), np.array([1]), edges, 0)
    top, left, bottom, right = boxes[0].tolist()
    return top, left, bottom, right


@lru_cache(maxsize=4)
def _background(grid_size: int, size: int) -> Image:
    """Return the read-only picture of an empty board: frame, floor, quiet grid, goal column."""
    edges = _edges(grid_size, size)
    low, high, cell = int(edges[0]), int(edges[-1]), _cell(edges)
    image = np.empty((size, size, 3), dtype=np.uint8)
    image[:] = FRAME
    image[low:high, low:high] = FLOOR
    image[low:high, edges[-2] : high] = GOAL_FLOOR if cell >= 3 else GOAL
    if cell >= 6:
        image[edges[:-1], low:high] = GRID
        image[low:high, edges[:-1]] = GRID
    if cell >= 8:
        _paint_goal_arrows(image, edges)
    image[low:high, high : high + max(_frame_width(size), 1)] = GOAL
    image.setflags(write=False)
    return image


def _paint_goal_arrows(image: Image, edges: NDArray[np.int64]) -> None:
    """Paint a chevron that points to the finish in every cell of the goal column."""
    for row in range(len(edges) - 1):
        patch = image[edges[row] + 1 : edges[row + 1], edges[-2] + 1 : edges[-1]]
        height, width = patch.shape[:2]
        rows, columns = np.mgrid[:height, :width]
        depth = columns + np.abs(rows - (height - 1) / 2) - 0.62 * width
        inside = np.abs(rows - (height - 1) / 2) <= 0.3 * height
        patch[(np.abs(depth) <= 0.09 * width) & inside] = GOAL


def _cell(edges: NDArray[np.int64]) -> float:
    return float(edges[-1] - edges[0]) / (len(edges) - 1)


def render_rgb(
    snapshot: Snapshot, grid_size: int, *, size: int = 512, highlight: int | None = None
) -> NDArray[np.uint8]:
    """Draw the whole board as a square picture.

    Blocks darken with their weight (one colour per power of two) and carry it as a number where there is room;
    agents are discs with their index; the last column, with arrows, is the goal. Every agent and every block
    still on the board colours at least one pixel: light blocks lie on heavy ones and agents on top, so a block
    of one pixel can only be covered by an agent in that same pixel. In the frame, the bottom bar is the
    delivered share of the weight, the top bar the share of `max_steps` used.

    Args:
        snapshot: The state, see the module's docstring; left as it is.
        grid_size: Board side in cells.
        size: Side of the picture in pixels, 16 to 8,192.
        highlight: Index of an agent to draw as "you" (black and yellow, ringed where cells are small), or None.

    Returns:
        A new `(size, size, 3)` uint8 array.

    Raises:
        ConfigError: `grid_size`, `size` or `highlight` out of range, or a position off the board.
    """
    _check_board(grid_size, size)
    if highlight is not None:
        _check_whole("highlight", highlight, 0, len(snapshot["agents"]) - 1)
    edges = _edges(grid_size, size)
    image = _background(grid_size, size).copy()
    _draw_bars(image, snapshot, edges)
    if highlight is not None:
        _draw_locator(image, snapshot, edges, highlight)
    _draw_blocks(image, snapshot, edges)
    _draw_agents(image, snapshot, edges, highlight)
    return image


def _delivered_weight(snapshot: Snapshot) -> tuple[int, int]:
    """Return (delivered weight, total weight)."""
    weights = np.asarray(snapshot["block_weights"])
    return int(weights[np.asarray(snapshot["delivered"], dtype=bool)].sum()), int(weights.sum())


def _blocks_left(snapshot: Snapshot) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions `(b, 2)` and weights `(b,)` of the blocks still on the board, heaviest first."""
    weights = np.asarray(snapshot["block_weights"], dtype=np.int64)
    left = np.flatnonzero(~np.asarray(snapshot["delivered"], dtype=bool))
    order = left[np.argsort(-weights[left], kind="stable")]
    return np.asarray(snapshot["block_positions"], dtype=np.int64)[order], weights[order]


def _draw_bars(image: Image, snapshot: Snapshot, edges: NDArray[np.int64]) -> None:
    low, high = int(edges[0]), int(edges[-1])
    thick = _frame_width(len(image))
    done, total = _delivered_weight(snapshot)
    image[high : high + thick, low : low + (high - low) * done // max(total, 1)] = GOAL
    if "max_steps" in snapshot:
        used = min(int(snapshot["step"]) / max(int(snapshot["max_steps"]), 1), 1.0)
        image[low - thick : low, low : low + int((high - low) * used)] = TIME


def _draw_blocks(image: Image, snapshot: Snapshot, edges: NDArray[np.int64]) -> None:
    positions, weights = _blocks_left(snapshot)
    boxes = _boxes(positions, weights, edges, gap=1 if _cell(edges) >= 6 else 0)
    classes = np.minimum(np.frexp(weights)[1] - 1, len(BLOCK_FACES) - 1)
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    fill_boxes(image, boxes, BLOCK_FACES[classes])
    bevel = np.where(sides >= 4, np.clip(sides // 11, 1, max(len(image) // 128, 1)), 0)
    outline_boxes(image, boxes, bevel, _BLOCK_LIT[classes], _BLOCK_SHADED[classes])
    numbers(image, _label_boxes(boxes, sides, len(image)), weights, 1, _BLOCK_INK[classes])


def _label_boxes(boxes: Boxes, sides: NDArray[np.int64], size: int) -> Boxes:
    """Return the room for the weight inside each block: most of a small one, a modest part of a large one."""
    room = np.minimum(sides * 6 // 10, size // 20 + sides // 6)
    inset = (sides - room) // 2
    return np.hstack((boxes[:, :2] + inset[:, None], boxes[:, 2:] - inset[:, None]))


def _agent_boxes(snapshot: Snapshot, edges: NDArray[np.int64]) -> Boxes:
    agents = np.asarray(snapshot["agents"], dtype=np.int64)
    return _boxes(agents, np.ones(len(agents), dtype=np.int64), edges, gap=0)


def _draw_agents(image: Image, snapshot: Snapshot, edges: NDArray[np.int64], highlight: int | None) -> None:
    boxes = _agent_boxes(snapshot, edges)
    index = np.arange(len(boxes), dtype=np.int64)
    if highlight is not None:
        # The seat's own agent goes last, so that no other covers it where agents share a pixel.
        index = np.append(np.delete(index, highlight), highlight)
    boxes = boxes[index]
    seat = (index == -1 if highlight is None else index == highlight)[:, None]
    cell = _cell(edges)
    if cell < 5:
        if cell >= 3:
            boxes[:, 2:] -= 1
        fill_boxes(image, boxes, np.where(seat, SEAT, AGENT))
        return
    centres = (boxes[:, :2] + boxes[:, 2:] + (1 if cell >= 6 else 0)) / 2
    radius = (cell - (2 if cell >= 6 else 0.5)) / 2
    rims = np.where(seat[:, 0], 0.2, 0.1) * max(radius, 6)
    discs(image, centres, np.full(len(boxes), radius), np.where(seat, SEAT_INK, AGENT_RIM))
    discs(image, centres, radius - rims, np.where(seat, SEAT, AGENT))
    room = 0.6 * cell
    labels = np.hstack((np.rint(centres - room / 2), np.rint(centres + room / 2))).astype(np.int64)
    numbers(image, labels, index, len(str(len(boxes) - 1)), np.where(seat, SEAT_INK, AGENT_INK))


def _draw_locator(image: Image, snapshot: Snapshot, edges: NDArray[np.int64], highlight: int) -> None:
    """Ring the seat's agent where cells are too small to find it; under everything else, so it hides nothing."""
    cell = _cell(edges)
    if cell >= 12:
        return
    top, left, bottom, right = _agent_boxes(snapshot, edges)[highlight]
    centre = np.array([[(top + bottom) / 2, (left + right) / 2]] * 2)
    radius = cell / 2 + len(image) / 64
    discs(image, centre, np.array([radius, radius * 0.75]), np.stack([SEAT, FLOOR]))


def render_ansi(snapshot: Snapshot, grid_size: int) -> str:
    """Draw the whole board as plain ASCII text, without colour codes.

    Agents are letters by index (a-z, then A-Z), so that every digit on the map is a weight, written in its
    block; `@` is an agent of index 52 or more. Boards wider than 120 cells are shrunk by the
    whole factor stated below the header; there `@` also stands for several agents in one character, agents cover
    blocks, and a block shows its weight only where the text has it to itself.

    Args:
        snapshot: The state, see the module's docstring; left as it is.
        grid_size: Board side in cells.

    Raises:
        ConfigError: `grid_size` out of range, or a position off the board.
    """
    _check_whole("grid_size", grid_size, 1, MAX_GRID)
    factor = -(-grid_size // TEXT_COLUMNS)
    side = -(-grid_size // factor)
    canvas = np.full((side, side), ord("."), dtype=np.uint8)
    canvas[:, -1] = ord("|")
    _write_blocks(canvas, snapshot, grid_size, factor)
    _write_agents(canvas, snapshot, grid_size, factor)
    lines = [_header(snapshot, grid_size), "agents a, b, ... by index (@ = beyond Z); # block with its weight; | goal"]
    if factor > 1:
        lines.append(f"1 character = {factor} x {factor} cells; @ also stands for several agents")
    return "\n".join(lines + [row.tobytes().decode("ascii") for row in canvas]) + "\n"


def _header(snapshot: Snapshot, grid_size: int) -> str:
    done, total = _delivered_weight(snapshot)
    limit = f"/{int(snapshot['max_steps'])}" if "max_steps" in snapshot else ""
    return (
        f"CUBE {grid_size} x {grid_size}, step {int(snapshot['step'])}{limit}, "
        f"delivered weight {done}/{total}, agents {len(snapshot['agents'])}"
    )


def _write_blocks(canvas: NDArray[np.uint8], snapshot: Snapshot, grid_size: int, factor: int) -> None:
    positions, weights = _blocks_left(snapshot)
    boxes = _boxes(positions, weights, np.arange(grid_size + 1), gap=0)
    for (top, left, bottom, right), weight in zip(boxes.tolist(), weights.tolist(), strict=True):
        area = canvas[top // factor : (bottom - 1) // factor + 1, left // factor : (right - 1) // factor + 1]
        area[:] = ord("#")
        # In a shrunk map the outermost characters of a block may be shared with its neighbours.
        inner = area if factor == 1 else area[1:-1, 1:-1]
        label = np.frombuffer(str(weight).encode("ascii"), dtype=np.uint8)
        if inner.shape[0] and inner.shape[1] >= len(label):
            inner[0, : len(label)] = label


def _write_agents(canvas: NDArray[np.uint8], snapshot: Snapshot, grid_size: int, factor: int) -> None:
    agents = np.asarray(snapshot["agents"], dtype=np.int64)
    boxes = _boxes(agents, np.ones(len(agents), dtype=np.int64), np.arange(grid_size + 1), gap=0)
    crowds: dict[tuple[int, int], list[int]] = {}
    for index, (row, col) in enumerate((boxes[:, :2] // factor).tolist()):
        crowds.setdefault((row, col), []).append(index)
    for cell, crowd in crowds.items():
        alone = len(crowd) == 1 and crowd[0] < len(AGENT_LETTERS)
        canvas[cell] = ord(AGENT_LETTERS[crowd[0]] if alone else "@")
