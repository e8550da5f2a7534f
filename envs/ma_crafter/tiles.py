"""MA-Crafter's tiles: everything that is drawn, as arrays of pixels at a given size, made once per size."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.render_figures import AGENT_POSES, ARROWS, COW, SKELETON, ZOMBIE
from emcoop.envs.ma_crafter.render_icons import ITEM_ICONS, VITAL_ICONS
from emcoop.envs.ma_crafter.render_shapes import Picture, draw
from emcoop.envs.ma_crafter.render_terrain import RIPE, TERRAIN
from emcoop.envs.raster import colour

# What stands on a cell, as grids of sprites (int16) name it. An agent is `AGENT + POSES * index + pose`.
NOTHING, RIPE_PLANT, ZOMBIE_SPRITE, SKELETON_SPRITE, COW_SPRITE, ARROW_SPRITE = range(6)
AGENT = ARROW_SPRITE + 4
"""Four arrows, by facing, lie below the first agent."""
POSES = len(AGENT_POSES)
ASLEEP_POSE, DOWN_POSE, GONE_POSE = 4, 5, 6

AGENT_INKS = ("#D55E00", "#56B4E9", "#F0E442", "#CC79A7", "#0A5FA8", "#E69F00", "#FFFFFF", "#00A878")
"""Agents' colours by index, again from the first after the last: Okabe and Ito's, which colour-blind people can tell
apart. Whose view it is wears `SELF_INK`, rimmed in `SELF_RIM`, in it."""
SELF_INK, SELF_RIM = "#16181D", "#FFE14D"
_RIM = "#15171C"
SELF = len(AGENT_INKS)
STRIP = colour("#262C38")
"""Behind health and inventory."""
OUTSIDE_INK = colour("#171A21")
N_SLOTS = len(VITAL_ICONS) + r.N_ITEMS


class Tiles(NamedTuple):
    """Pixels of everything at one size, `s` pixels a side; read-only.

    Attributes:
        ground: `(N_MATERIALS, s, 3 s)` uint8, opaque.
        sprites: `(k, s, 3 s)` uint8, already multiplied by their cover; `AGENT + POSES * colour + pose` for agents,
            where colour `SELF` is that of whose view it is.
        keep: `(k, s, 3 s)` uint16, what a sprite leaves of the ground, of 256.
        icons: `(N_SLOTS, s, 3 s)` uint8, vital signs then items on the colour of the strip.
        inks: `(9, 3)` uint8, ink of the number on an agent, by its colour.
    """

    ground: NDArray[np.uint8]
    sprites: NDArray[np.uint8]
    keep: NDArray[np.uint16]
    icons: NDArray[np.uint8]
    inks: NDArray[np.uint8]


@lru_cache(maxsize=8)
def tiles(side: int) -> Tiles:
    """Return the tiles of `side` pixels."""
    ground = np.stack([_over(draw(TERRAIN[name], side), colour("#000000")) for name in r.MATERIALS])
    figures = _figures(side)
    cover = np.repeat(figures[..., 3:], 3, axis=-1)
    icons = [draw(icon, side) for icon in (*VITAL_ICONS, *(ITEM_ICONS[name] for name in r.ITEMS))]
    made = Tiles(
        _flat(ground),
        _flat(np.floor(figures[..., :3]).astype(np.uint8)),
        _flat(np.rint(256 * (1 - cover)).astype(np.uint16)),
        _flat(np.stack([_over(icon, STRIP) for icon in icons])),
        np.stack([_ink_on(code) for code in (*AGENT_INKS, SELF_INK)]),
    )
    for array in made:
        array.setflags(write=False)
    return made


def _figures(side: int) -> NDArray[np.float64]:
    """Return all sprites, `(k, side, side, 4)`, in the order of their numbers; number 0 is empty."""
    alone: list[Picture] = [[], RIPE, ZOMBIE, SKELETON, COW, *ARROWS]
    dress = [*({"tint": ink, "rim": _RIM} for ink in AGENT_INKS), {"tint": SELF_INK, "rim": SELF_RIM}]
    agents = [draw(pose, side, inks) for inks in dress for pose in AGENT_POSES]
    return np.stack([*(draw(picture, side) for picture in alone), *agents])


def _over(picture: NDArray[np.float64], under: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture laid over a plain colour."""
    return np.rint(picture[..., :3] + (1 - picture[..., 3:]) * under).astype(np.uint8)


def _flat(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:-2], -1))


def _ink_on(code: str) -> NDArray[np.uint8]:
    """Return an ink that is legible on a colour."""
    if code == SELF_INK:
        return colour(SELF_RIM)
    return colour(_RIM if colour(code) @ np.array([0.3, 0.59, 0.11]) > 110 else "#FFFFFF")
