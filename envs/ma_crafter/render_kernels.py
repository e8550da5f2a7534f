"""The compiled part of MA-Crafter's pictures: copy tiles, lay sprites over them, darken, write numbers.

Grids may have a border of `pad` cells around the map; whatever lies beyond a grid is `outside`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.tiles import (
    AGENT,
    AGENT_INKS,
    ARROW_SPRITE,
    ASLEEP_POSE,
    COW_SPRITE,
    DOWN_POSE,
    GONE_POSE,
    N_SLOTS,
    NOTHING,
    POSES,
    RIPE_PLANT,
    SELF,
    SKELETON_SPRITE,
    STRIP,
    ZOMBIE_SPRITE,
    Tiles,
)
from emcoop.envs.raster import count_digits, fill_boxes, fit_font, text_size, write_number

Frame = NDArray[np.uint8]
Grid = NDArray[Any]

AWAKE, ASLEEP, ENDED = range(3)
"""How an agent's view looks: as it is, dim and red, dim and grey."""
_LOOKS = np.array([[256, 256, 256], [128, 62, 72], [96, 96, 100]], np.int64)
# How much of red, green and blue the darkest night takes, of 256: blue stays longest.
_NIGHT = np.array([208, 188, 128], np.int64)
_SPRITE_OF_MOB = np.array([ZOMBIE_SPRITE, SKELETON_SPRITE, ARROW_SPRITE, COW_SPRITE], np.int64)
_FLYING = 2
_N_COLOURS = len(AGENT_INKS)
_WHITE, _BLACK = np.full(3, 255, np.uint8), np.array([12, 14, 18], np.uint8)
_STRIP = STRIP.reshape(1, 3).copy()
MOST_SHOWN = 99
"""Larger amounts are shown as this."""
# Fewest pixels that hold a digit, and two of them apart from their neighbours; below, tens are bars.
_SMALL_DIGIT, _TWO_DIGITS = 5, 9
_TEN = np.array([255, 209, 60], np.uint8)


@kernel
def place_sprites(
    sprites: NDArray[np.int16],
    pad: int,
    ripe: Grid,
    agents: Grid,
    alive: Grid,
    down: Grid,
    facing: Grid,
    sleeping: Grid,
    mobs: Grid,
) -> None:
    """Write what stands on every cell; of several things in a cell the one on top.

    From the bottom: ripe plants, bodies (gone below down, smaller indices on top), creatures, living agents.

    Args:
        sprites: `(rows + 2 pad, cols + 2 pad)` out.
        pad: Cells around the map.
        ripe: `(rows, cols)` bool.
        agents: `(n, 2)` row, column.
        alive, down, sleeping: `(n,)` bool.
        facing: `(n,)` 0 up, 1 down, 2 left, 3 right.
        mobs: `(k, 5)` kind, row, column, health, facing.
    """
    sprites[:, :] = NOTHING
    for row in range(ripe.shape[0]):
        for col in range(ripe.shape[1]):
            if ripe[row, col]:
                sprites[row + pad, col + pad] = RIPE_PLANT
    for pose in (GONE_POSE, DOWN_POSE):
        for i in range(len(agents) - 1, -1, -1):
            if not alive[i] and (pose == DOWN_POSE) == bool(down[i]):
                sprites[agents[i, 0] + pad, agents[i, 1] + pad] = AGENT + POSES * i + pose
    for k in range(len(mobs)):
        kind = mobs[k, 0]
        turn = mobs[k, 4] if kind == _FLYING else 0
        sprites[mobs[k, 1] + pad, mobs[k, 2] + pad] = _SPRITE_OF_MOB[kind] + turn
    for i in range(len(agents)):
        if alive[i]:
            pose = ASLEEP_POSE if sleeping[i] else facing[i]
            sprites[agents[i, 0] + pad, agents[i, 1] + pad] = AGENT + POSES * i + pose


@kernel
def night_grain(row: int, col: int, step: int) -> int:
    """Return how dark a cell is within the night, 204 to 255 of 256: a hash of cell and step (Murmur3's finaliser)."""
    mixed = (np.uint64(row) << np.uint64(40)) ^ (np.uint64(col) << np.uint64(20)) ^ np.uint64(step)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return 204 + int((mixed ^ (mixed >> np.uint64(33))) % np.uint64(52))


@kernel
def _copy_tile(flat: Frame, top: int, left: int, tile: Frame) -> None:
    """Copy a tile `(s, 3 s)` into a frame of `(height, 3 width)`."""
    for y in range(tile.shape[0]):
        # Slices of one row each, so that it becomes a plain copy of memory.
        line, pixels = flat[top + y, left : left + tile.shape[1]], tile[y]
        for k in range(line.size):
            line[k] = pixels[k]


@kernel
def _paint_sprite(flat: Frame, top: int, left: int, sprite: int, tiles: Tiles) -> None:
    """Lay a sprite over what is in a frame of `(height, 3 width)` already."""
    side = tiles.ground.shape[1]
    for y in range(side):
        line, over, keep = flat[top + y, left : left + 3 * side], tiles.sprites[sprite, y], tiles.keep[sprite, y]
        for k in range(line.size):
            line[k] = over[k] + (line[k] * keep[k] >> 8)


@kernel
def _darken(flat: Frame, top: int, left: int, side: int, red: int, green: int, blue: int) -> None:
    """Multiply a cell's colours, factors of 256."""
    for y in range(top, top + side):
        line = flat[y, left : left + 3 * side]
        for x in range(0, line.size, 3):
            line[x] = line[x] * red >> 8
            line[x + 1] = line[x + 1] * green >> 8
            line[x + 2] = line[x + 2] * blue >> 8


@kernel
def _write_index(frame: Frame, top: int, left: int, side: int, agent: int, pose: int, ink: Frame) -> None:
    """Write an agent's number on its chest, where it fits."""
    height, width, middle, centre = 38 * side // 100, 54 * side // 100, 68 * side // 100, side // 2
    if pose >= ASLEEP_POSE and pose != GONE_POSE:
        middle, centre = 70 * side // 100, 67 * side // 100
    font, scale = fit_font(height, width, count_digits(agent))
    if scale > 0:
        high, wide = text_size(font, scale, count_digits(agent))
        write_number(frame, top + middle - high // 2, left + centre - wide // 2, font, scale, agent, ink)


@kernel
def _paint_agent(frame: Frame, top: int, left: int, sprite: int, dress: int, tiles: Tiles) -> None:
    """Paint an agent in one of the colours, with its number."""
    pose, side = (sprite - AGENT) % POSES, tiles.ground.shape[1]
    flat = frame.reshape(frame.shape[0], 3 * frame.shape[1])
    _paint_sprite(flat, top, 3 * left, AGENT + POSES * dress + pose, tiles)
    _write_index(frame, top, left, side, (sprite - AGENT) // POSES, pose, tiles.inks[dress])


@kernel
def paint_cells(
    frame: Frame,
    top: int,
    left: int,
    materials: NDArray[np.uint8],
    sprites: NDArray[np.int16],
    pad: int,
    row: int,
    col: int,
    rows: int,
    cols: int,
    me: int,
    look: int,
    dark: int,
    step: int,
    tiles: Tiles,
) -> None:
    """Paint `rows` x `cols` cells of the map from `(row, col)` on into a frame, from pixel `(top, left)` on.

    Args:
        frame: `(height, width, 3)`.
        materials, sprites: `(rows + 2 pad, cols + 2 pad)` of the whole map.
        me: Which of the painted cells, row by row, holds the agent whose view it is; -1 for none.
        look: `AWAKE`, `ASLEEP` or `ENDED`.
        dark: 0 by day to 256 in the middle of the night.
    """
    side = tiles.ground.shape[1]
    flat = frame.reshape(frame.shape[0], 3 * frame.shape[1])
    for v in range(rows):
        for u in range(cols):
            y, x = row + v + pad, col + u + pad
            inside = 0 <= y < materials.shape[0] and 0 <= x < materials.shape[1]
            tile, sprite = int(materials[y, x]) if inside else r.OUTSIDE, int(sprites[y, x]) if inside else NOTHING
            down, across = top + v * side, 3 * (left + u * side)
            _copy_tile(flat, down, across, tiles.ground[tile])
            if NOTHING < sprite < AGENT:
                _paint_sprite(flat, down, across, sprite, tiles)
            elif sprite >= AGENT:
                dress = SELF if v * cols + u == me else (sprite - AGENT) // POSES % _N_COLOURS
                _paint_agent(frame, down, left + u * side, sprite, dress, tiles)
            if look != AWAKE or dark > 0:
                loss = dark * night_grain(row + v, col + u, step) >> 8
                factors = _LOOKS[look] * (256 - (_NIGHT * loss >> 8)) >> 8
                _darken(flat, down, across, side, factors[0], factors[1], factors[2])


@kernel
def paint_slot(frame: Frame, top: int, left: int, slot: int, amount: int, tiles: Tiles) -> None:
    """Paint a vital sign or item with its amount, at most `MOST_SHOWN`; without one if it is negative."""
    side = tiles.ground.shape[1]
    flat = frame.reshape(frame.shape[0], 3 * frame.shape[1])
    _copy_tile(flat, top, 3 * left, tiles.icons[slot])
    if amount < 0 or side < _SMALL_DIGIT:
        return
    shown, tens = min(amount, MOST_SHOWN), 0
    if side < _TWO_DIGITS:
        tens, shown = min(shown // 10, 2), shown % 10
    font, scale = fit_font(max(side // 2, _SMALL_DIGIT), side, 1 if side < _TWO_DIGITS else 2)
    high, wide = text_size(font, scale, count_digits(shown))
    rim, gap = max(scale // 2, 1), 0 if side < _TWO_DIGITS else max(scale // 2, 1)
    down, across = top + side - high - gap, left + side - wide - gap
    for dy, dx in ((-rim, 0), (rim, 0), (0, -rim), (0, rim)):
        if dy <= gap and dx <= gap and side - high - gap + dy >= 0:
            write_number(frame, down + dy, across + dx, font, scale, shown, _BLACK)
    write_number(frame, down, across, font, scale, shown, _WHITE)
    for k in range(tens):
        column = max(across - 2 * k - 2, left)
        for y in range(down, top + side):
            for channel in range(3):
                frame[y, column, channel] = _TEN[channel]


@kernel
def paint_slots(frame: Frame, top: int, left: int, across: int, vitals: Grid, inventory: Grid, tiles: Tiles) -> None:
    """Paint vital signs and items, `across` a row; items the agent has none of are left out.

    Args:
        vitals: `(4,)`.
        inventory: `(N_ITEMS,)`.
    """
    side = tiles.ground.shape[1]
    for slot in range(N_SLOTS):
        amount = vitals[slot] if slot < len(vitals) else inventory[slot - len(vitals)]
        if slot < len(vitals) or amount > 0:
            paint_slot(frame, top + slot // across * side, left + slot % across * side, slot, amount, tiles)


@kernel
def paint_views(
    frames: Frame,
    materials: NDArray[np.uint8],
    sprites: NDArray[np.int16],
    pad: int,
    agents: Grid,
    looks: Grid,
    vitals: Grid,
    inventory: Grid,
    dark: int,
    step: int,
    columns: int,
    rows: int,
    tiles: Tiles,
) -> None:
    """Paint every agent's view with its strip into a frame; see `render.draw_views`.

    Args:
        frames: `(n, height, width, 3)` out, cleared before.
        looks: `(n,)` `AWAKE`, `ASLEEP`, `ENDED`, or less than 0 to leave a frame empty.
    """
    side = tiles.ground.shape[1]
    strip = (N_SLOTS + columns - 1) // columns
    top, left = (frames.shape[1] - side * (rows + strip)) // 2, (frames.shape[2] - side * columns) // 2
    area = np.empty((1, 4), np.int64)
    for i in range(len(frames)):
        if looks[i] < AWAKE:
            continue
        frame, me = frames[i], rows * columns // 2 if looks[i] != ENDED else -1
        row, col = agents[i, 0] - rows // 2, agents[i, 1] - columns // 2
        paint_cells(frame, top, left, materials, sprites, pad, row, col, rows, columns, me, looks[i], dark, step, tiles)
        area[0, 0], area[0, 1] = top + side * rows, left
        area[0, 2], area[0, 3] = top + side * (rows + strip), left + side * columns
        fill_boxes(frame, area, _STRIP)
        paint_slots(frame, top + side * rows, left, columns, vitals[i], inventory[i], tiles)
