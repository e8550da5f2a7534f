"""Which one thing an agent's `do` is aimed at."""

from __future__ import annotations

from emcoop.envs.kernels import part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.world import (
    ARROW,
    COL,
    FACING,
    KIND,
    ROW,
    Board,
    body_at,
    is_ripe,
)
from emcoop.envs.navigation import DCOL, DROW

T_NOTHING, T_MOB, T_BODY, T_PLANT, T_WATER, T_GRASS, T_RESOURCE = range(7)
"""Kinds of targets."""


@part
def has_tool(b: Board, i: int, material: int) -> bool:
    """Say whether an agent holds what it takes to collect a resource."""
    tool = b.rules[r.TOOL + material]
    return bool(tool < 0 or b.bags[i, tool] > 0)


@part
def faced(b: Board, i: int) -> tuple[int, int]:
    """Return the padded cell an agent faces."""
    side = b.agents[i, FACING]
    return b.agents[i, ROW] + b.pad + DROW[side], b.agents[i, COL] + b.pad + DCOL[side]


@part
def _kind_of_faced(b: Board, i: int, y: int, x: int) -> int:
    """Return what can be acted on in the faced cell."""
    who = b.occupancy[y, x]
    if who > 0:
        return T_NOTHING
    if who < 0:
        return T_NOTHING if b.mobs[-who - 1, KIND] - 1 == ARROW else T_MOB
    if body_at(b, y, x) >= 0:
        return T_BODY
    material = b.materials[y, x]
    if material == r.GRASS:
        return T_GRASS
    if material == r.WATER:
        return T_WATER
    if material == r.PLANT and is_ripe(b, y, x):
        return T_PLANT
    if b.rules[r.QUORUM + material] > 0 and has_tool(b, i, material):
        return T_RESOURCE
    return T_NOTHING


@part
def do_target(b: Board, i: int) -> tuple[int, int, int]:
    """Return the target of agent `i` if it does `do` now: kind and padded cell; see `target_from`."""
    return target_from(b, i, b.agents[i, ROW] + b.pad, b.agents[i, COL] + b.pad, b.agents[i, FACING])


@part
def target_from(b: Board, i: int, row: int, col: int, side: int) -> tuple[int, int, int]:
    """Return what `do` of agent `i` would be aimed at from a padded cell, facing a side: kind and padded cell.

    The faced thing if it can be acted on, else within reach the resource with the highest quorum, then the nearest,
    then the smallest row, then column.
    """
    y, x = row + DROW[side], col + DCOL[side]
    kind = _kind_of_faced(b, i, y, x)
    if kind != T_NOTHING:
        return kind, y, x
    widest = b.rules[r.WIDEST]
    best, best_y, best_x, best_far = 0, y, x, 0
    for v in range(max(row - widest, 0), min(row + widest + 1, b.materials.shape[0])):
        left = widest - abs(v - row)
        for u in range(max(col - left, 0), min(col + left + 1, b.materials.shape[1])):
            material = b.materials[v, u]
            quorum = b.rules[r.QUORUM + material]
            if quorum < max(best, 1):
                continue
            far = abs(v - row) + abs(u - col)
            if far <= b.rules[r.RADIUS + material] and (quorum > best or far < best_far) and has_tool(b, i, material):
                best, best_y, best_x, best_far = quorum, v, u, far
    return (T_RESOURCE, best_y, best_x) if best > 0 else (T_NOTHING, y, x)
