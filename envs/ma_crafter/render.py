"""Pictures of an MA-Crafter world: the whole map, one agent's view, the whole team; pure functions of a snapshot.

A snapshot is what `env.snapshot()` returns. Nothing is drawn at random, nothing in a snapshot is changed, no display
is needed. Every cell is a square of as many whole pixels as fit; what remains is a margin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.creatures import DAY, DAYLIGHT
from emcoop.envs.ma_crafter.render_kernels import (
    ASLEEP,
    AWAKE,
    ENDED,
    paint_cells,
    paint_views,
    place_sprites,
)
from emcoop.envs.ma_crafter.render_panel import team_panel
from emcoop.envs.ma_crafter.render_text import render_ansi
from emcoop.envs.ma_crafter.tiles import N_SLOTS, OUTSIDE_INK, tiles
from emcoop.errors import ConfigError

Snapshot = Mapping[str, Any]
Frame = NDArray[np.uint8]

__all__ = [
    "draw_views",
    "draw_world_views",
    "place_sprites",
    "render_ansi",
    "render_map",
    "render_seat",
    "render_team",
    "render_view",
    "sprite_grid",
    "strip_rows",
    "view_side",
]

MIN_SIZE, MAX_SIZE = 9, 8192
_SEAT_SIZE = 576
# A world counts kinds of creatures from 1.
_FROM_ONE = np.array([1, 0, 0, 0, 0], np.int32)


def strip_rows(columns: int) -> int:
    """Return how many rows of cells health and inventory take below a view of so many columns."""
    return -(-N_SLOTS // columns)


def view_side(view: tuple[int, int], size: tuple[int, int]) -> int:
    """Return the side in pixels of a cell in a view.

    Args:
        view: Columns and rows of the view.
        size: Height and width of the picture in pixels.

    Raises:
        ConfigError: The picture has fewer pixels than the view with its strip has cells.
    """
    columns, rows = view
    height, width = _check_size(size[0]), _check_size(size[1])
    side = min(height // (rows + strip_rows(columns)), width // columns)
    if side == 0:
        raise ConfigError(
            f"size={tuple(size)} does not fit a view of {columns} x {rows} cells with its strip: give at least "
            f"{(rows + strip_rows(columns), columns)} pixels, height first"
        )
    return side


def darkness(daylight: float) -> int:
    """Return how dark it is, 0 by day to 256, from daylight 1 to 0."""
    return round(256 * (1 - min(max(float(daylight), 0.0), 1.0)))


def draw_views(
    frames: Frame,
    materials: NDArray[np.uint8],
    sprites: NDArray[np.int16],
    pad: int,
    agents: NDArray[Any],
    alive: NDArray[Any],
    sleeping: NDArray[Any],
    vitals: NDArray[Any],
    inventory: NDArray[Any],
    daylight: float,
    step: int,
    view: tuple[int, int],
) -> None:
    """Draw the views of all agents, as `render_view` does, in one compiled call.

    Args:
        frames: `(n, height, width, 3)` uint8 out, C-contiguous; all zeros for agents that are not alive.
        materials: `(rows + 2 pad, cols + 2 pad)` uint8.
        sprites: `(rows + 2 pad, cols + 2 pad)` int16 of `place_sprites`.
        pad: Cells of `outside` around the map.
        agents: `(n, 2)` row, column.
        alive, sleeping: `(n,)` bool.
        vitals: `(n, 4)`.
        inventory: `(n, N_ITEMS)`.
        daylight: 1 by day to 0.
        step: For the grain of the night.
        view: Columns and rows.

    Raises:
        ConfigError: The frames are too small.
    """
    side = view_side(view, (frames.shape[1], frames.shape[2]))
    looks = np.where(alive, np.where(sleeping, ASLEEP, AWAKE), -1)
    frames[...] = 0
    paint_views(
        frames, materials, sprites, pad, agents, looks, vitals, inventory, darkness(daylight), step, *view, tiles(side)
    )


def draw_world_views(world: w.World, image_size: tuple[int, int], env: int = 0) -> Frame:
    """Draw the views of all agents of one of a `World`'s environments.

    Args:
        world: Left as it is.
        image_size: Width and height in pixels.
        env: Which environment.

    Returns:
        A new `(n, height, width, 3)` uint8 array; all zeros for agents that are not alive.

    Raises:
        ConfigError: The pictures are too small.
    """
    agents, mobs, step = world.agents(env), world.mobs(env), int(world.rows[env, w.STEP])
    is_plant = world.inner(world.materials, env) == r.PLANT
    ripe = is_plant & (step - world.inner(world.planted, env) + 1 > world.rules[r.RIPENS])
    alive, sleeping = agents[:, w.STATUS] == w.ALIVE, agents[:, w.ASLEEP] == 1
    present = mobs[mobs[:, w.KIND] > 0][:, : w.TIMER] - _FROM_ONE
    sprites = np.empty(world.materials.shape[1:], np.int16)
    down, facing, cells = agents[:, w.STATUS] == w.DOWN, agents[:, w.FACING], agents[:, [w.ROW, w.COL]]
    place_sprites(sprites, world.pad, ripe, cells, alive, down, facing, sleeping, present)
    frames = np.empty((len(agents), image_size[1], image_size[0], 3), np.uint8)
    daylight = int(DAYLIGHT[step % DAY]) / 100 if world.rules[r.NIGHT] else 1.0
    vitals, view = agents[:, [w.HEALTH, w.FOOD, w.DRINK, w.ENERGY]], world.settings.view
    materials, bags = world.materials[env], world.bags(env)
    draw_views(frames, materials, sprites, world.pad, cells, alive, sleeping, vitals, bags, daylight, step, view)
    return frames


def sprite_grid(snapshot: Snapshot) -> NDArray[np.int16]:
    """Return what stands on every cell of the map, `(rows, cols)` int16; see `place_sprites`."""
    sprites = np.empty(np.shape(snapshot["materials"]), np.int16)
    names = ("ripe", "agents", "alive", "down", "facing", "sleeping", "mobs")
    place_sprites(sprites, 0, *(np.ascontiguousarray(snapshot[name]) for name in names))
    return sprites


def render_map(snapshot: Snapshot, size: int = 512) -> Frame:
    """Draw the whole map.

    Of a map with more cells than pixels every picture cell shows one of several map cells, with the sprite of the
    highest number among them, so that agents stay visible.

    Args:
        snapshot: The state; left as it is.
        size: Pixels of the longer side.

    Returns:
        A new `(size, size, 3)` uint8 array; a map that is not square has margins.

    Raises:
        ConfigError: `size` is out of range.
    """
    _check_size(size)
    materials, sprites = np.ascontiguousarray(snapshot["materials"], np.uint8), sprite_grid(snapshot)
    thinning = -(-max(materials.shape) // size)
    if thinning > 1:
        materials, sprites = _thin(materials, sprites, thinning)
    rows, cols = materials.shape
    side = size // max(rows, cols)
    top, left = (size - rows * side) // 2, (size - cols * side) // 2
    frame = np.empty((size, size, 3), np.uint8)
    if (rows * side, cols * side) != (size, size):
        frame[:] = OUTSIDE_INK
    dark = darkness(snapshot["daylight"])
    step = int(snapshot["step"])
    paint_cells(frame, top, left, materials, sprites, 0, 0, 0, rows, cols, -1, AWAKE, dark, step, tiles(side))
    return frame


def _thin(materials: Frame, sprites: NDArray[np.int16], by: int) -> tuple[Frame, NDArray[np.int16]]:
    """Return grids with one cell for every `by` x `by`."""
    rows, cols = (-(-side // by) for side in materials.shape)
    padded = np.zeros((rows * by, cols * by), np.int16)
    padded[: sprites.shape[0], : sprites.shape[1]] = sprites
    most = padded.reshape(rows, by, cols, by).max(axis=(1, 3))
    return np.ascontiguousarray(materials[::by, ::by]), np.ascontiguousarray(most)


def render_view(snapshot: Snapshot, agent: int, size: tuple[int, int] = (64, 64)) -> Frame:
    """Draw what one agent sees, itself in black and yellow in the middle, with its health and inventory below.

    At night it is dark, while the agent sleeps dim and red, after it fell dim and grey.

    Args:
        snapshot: The state; left as it is.
        agent: Index of the agent.
        size: Height and width in pixels.

    Returns:
        A new `(height, width, 3)` uint8 array.

    Raises:
        ConfigError: `agent` or `size` is out of range.
    """
    n = len(snapshot["agents"])
    if isinstance(agent, bool) or not isinstance(agent, (int, np.integer)) or not 0 <= agent < n:
        raise ConfigError(f"agent={agent!r} does not fit: give an index from 0 to {n - 1}")
    columns, rows = (int(side) for side in snapshot["view"])
    side = view_side((columns, rows), size)
    look = ENDED if not snapshot["alive"][agent] else ASLEEP if snapshot["sleeping"][agent] else AWAKE
    frames = np.zeros((1, *size, 3), np.uint8)
    one = slice(agent, agent + 1)
    paint_views(
        frames,
        np.ascontiguousarray(snapshot["materials"], np.uint8),
        sprite_grid(snapshot),
        0,
        np.ascontiguousarray(snapshot["agents"][one]),
        np.array([look]),
        np.ascontiguousarray(snapshot["vitals"][one]),
        np.ascontiguousarray(snapshot["inventory"][one]),
        darkness(snapshot["daylight"]),
        int(snapshot["step"]),
        columns,
        rows,
        tiles(side),
    )
    frame: Frame = frames[0]
    return frame


def render_seat(snapshot: Snapshot, agent: int) -> Frame:
    """Draw what one agent sees large enough to play, in about 576 pixels a side.

    Raises:
        ConfigError: `agent` is out of range.
    """
    columns, rows = (int(side) for side in snapshot["view"])
    units = rows + strip_rows(columns)
    side = max(_SEAT_SIZE // max(columns, units), 8)
    return render_view(snapshot, agent, (side * units, side * columns))


def render_team(snapshot: Snapshot, size: int = 512) -> Frame:
    """Draw the whole map and beside it every agent's health and inventory, or sums for teams that have no room.

    Args:
        snapshot: The state; left as it is.
        size: Height in pixels.

    Returns:
        A new `(size, size + size // 2, 3)` uint8 array.

    Raises:
        ConfigError: `size` is out of range.
    """
    return np.concatenate([render_map(snapshot, size), team_panel(snapshot, size, size // 2)], axis=1)


def _check_size(size: object) -> int:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not MIN_SIZE <= size <= MAX_SIZE:
        raise ConfigError(f"size={size!r} does not fit: give whole numbers of pixels from {MIN_SIZE} to {MAX_SIZE}")
    return int(size)
