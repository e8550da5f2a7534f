"""The panel beside MA-Crafter's map: health and inventory of a small team, sums over a large one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.render_kernels import paint_cells, paint_slot, paint_slots
from emcoop.envs.ma_crafter.tiles import AGENT, ASLEEP_POSE, DOWN_POSE, GONE_POSE, N_SLOTS, POSES, STRIP, tiles
from emcoop.envs.raster import colour, fill_boxes, numbers

Snapshot = Mapping[str, Any]
Frame = NDArray[np.uint8]

MOST_CARDS = 10
"""Agents shown one by one."""
_ACROSS = N_SLOTS // 2
_RULE = colour("#3A4254")
_INK = colour("#FFFFFF")


def team_panel(snapshot: Snapshot, height: int, width: int) -> Frame:
    """Draw the panel.

    Args:
        snapshot: The state; left as it is.
        height, width: Pixels.

    Returns:
        A new `(height, width, 3)` uint8 array.
    """
    panel = np.empty((height, width, 3), np.uint8)
    panel[:] = STRIP
    n = len(snapshot["agents"])
    if n <= MOST_CARDS:
        _paint_cards(panel, snapshot, n)
    else:
        _paint_sums(panel, snapshot)
    return panel


def pose_of(snapshot: Snapshot, agent: int) -> int:
    """Return the pose in which an agent is drawn."""
    if not snapshot["alive"][agent]:
        return DOWN_POSE if snapshot["down"][agent] else GONE_POSE
    return ASLEEP_POSE if snapshot["sleeping"][agent] else int(snapshot["facing"][agent])


def _paint_cards(panel: Frame, snapshot: Snapshot, n: int) -> None:
    """Paint for each agent its picture and, in two rows, vital signs and items."""
    height, width = panel.shape[:2]
    card = height // max(n, 4)
    side = min(2 * card // 5, 2 * width // (2 * _ACROSS + 6))
    if side == 0:
        return
    for i in range(n):
        top, left = i * card + (card - 2 * side) // 2, side // 2
        _paint_figure(panel, top, left, 2 * side, AGENT + POSES * i + pose_of(snapshot, i))
        vitals, items = (np.ascontiguousarray(snapshot[name][i]) for name in ("vitals", "inventory"))
        paint_slots(panel, top, left + 2 * side + side // 4, _ACROSS, vitals, items, tiles(side))
        panel[(i + 1) * card - 1] = _RULE


def _paint_figure(panel: Frame, top: int, left: int, side: int, sprite: int) -> None:
    """Paint one sprite on grass."""
    ground, on_it = np.full((1, 1), r.GRASS, np.uint8), np.full((1, 1), sprite, np.int16)
    paint_cells(panel, top, left, ground, on_it, 0, 0, 0, 1, 1, -1, 0, 0, 0, tiles(side))


def _figure(pose: int, side: int) -> Frame:
    """Return an agent in a pose on grass, without a number."""
    made, sprite = tiles(side), AGENT + pose
    picture: Frame = made.sprites[sprite] + (made.ground[r.GRASS] * made.keep[sprite] >> 8).astype(np.uint8)
    return picture.reshape(side, side, 3)


def _paint_sums(panel: Frame, snapshot: Snapshot) -> None:
    """Paint how many are awake, asleep, down and gone, the mean vital signs of the living, the sum of every item."""
    height, width = panel.shape[:2]
    alive, down, sleeping = (np.asarray(snapshot[name], np.bool_) for name in ("alive", "down", "sleeping"))
    counts = [(1, alive & ~sleeping), (ASLEEP_POSE, alive & sleeping), (DOWN_POSE, ~alive & down),
              (GONE_POSE, ~alive & ~down)]  # fmt: skip
    vitals = np.asarray(snapshot["vitals"])[alive]
    means = np.rint(vitals.mean(axis=0)) if len(vitals) else np.zeros(vitals.shape[1])
    amounts = [*means, *np.asarray(snapshot["inventory"]).sum(axis=0)]
    rows = (len(counts) + N_SLOTS) // 2
    line, half = height // rows, width // 2
    side = min(line, half) * 4 // 5
    if side == 0:
        return
    boxes, values = [], []
    for k in range(2 * rows):
        top, left = k // 2 * line + (line - side) // 2, k % 2 * half + side // 4
        if k < len(counts):
            panel[top : top + side, left : left + side] = _figure(counts[k][0], side)
            values.append(int(counts[k][1].sum()))
        else:
            paint_slot(panel, top, left, k - len(counts), -1, tiles(side))
            values.append(int(amounts[k - len(counts)]))
        boxes.append((top + side // 5, left + side + side // 4, top + side - side // 5, left + half - side // 4))
    numbers(panel, np.array(boxes), np.array(values), 4, np.tile(_INK, (len(boxes), 1)))
    rules = np.array([(2 * line - 1, 0, 2 * line, width), (4 * line - 1, 0, 4 * line, width)])
    fill_boxes(panel, rules, np.tile(_RULE, (2, 1)))
