"""Functions of an MA-Crafter state: snapshot, hashes, milestones."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.creatures import DAY, DAYLIGHT

_BITS = np.arange(len(r.ACHIEVEMENTS))


def flat_state(world: w.World, env: int = 0) -> NDArray[np.int32]:
    """Return the whole state as one int32 vector: the row of numbers, materials, planted steps (row by row)."""
    grids = (world.inner(grid, env).astype(np.int32).ravel() for grid in (world.materials, world.planted))
    return np.concatenate([world.rows[env], *grids])


def points(world: w.World) -> float:
    """Return the points of the units harvested in demand."""
    return float(world.rows[0, w.POINTS_SO_FAR]) / r.POINT_SCALE


def snapshot(world: w.World) -> dict[str, Any]:
    """Return the state as plain arrays (copies); see `MACrafterEnv.snapshot`."""
    agents, step = world.agents(), int(world.rows[0, w.STEP])
    materials, planted = world.inner(world.materials).copy(), world.inner(world.planted)
    achievements = (agents[:, w.ACHIEVED, None] >> _BITS & 1).astype(bool)
    return {
        "agents": agents[:, [w.ROW, w.COL]],
        "alive": agents[:, w.STATUS] == w.ALIVE,
        "down": agents[:, w.STATUS] == w.DOWN,
        "facing": agents[:, w.FACING].copy(),
        "sleeping": agents[:, w.ASLEEP] == 1,
        "vitals": agents[:, [w.HEALTH, w.FOOD, w.DRINK, w.ENERGY]],
        "vital_names": w.VITALS,
        "inventory": world.bags().copy(),
        "item_names": r.ITEMS,
        "achievements": achievements,
        "team_achievements": achievements.any(axis=0),
        "achievement_names": r.ACHIEVEMENTS,
        "materials": materials,
        "material_names": r.MATERIALS,
        "ripe": (materials == r.PLANT) & (step - planted + 1 > world.rules[r.RIPENS]),
        "mobs": _present(world.mobs()),
        "mob_names": w.MOBS,
        "daylight": int(DAYLIGHT[step % DAY]) / 100 if world.rules[r.NIGHT] == 1 else 1.0,
        "view": world.settings.view,
        "step": step,
        "team_score": points(world),
    }


def milestones(achieved: NDArray[np.int32], coop: r.CoopRules) -> float:
    """Return how much of the technology tree a team has been through, in [0, 1].

    Ten milestones count the same: the five resources and the two stations, each once anybody had it, and the three
    pickaxes, each by the share of the agents its next resource takes that have made one.

    Args:
        achieved: `(n,)` bits of achievements.
        coop: The cooperation rules.
    """
    done = dict(zip(r.ACHIEVEMENTS, (achieved[:, None] >> _BITS & 1).sum(axis=0).tolist()))
    once = [f"collect_{item}" for item in ("wood", "stone", "coal", "iron", "diamond")]
    total = sum(min(done[name], 1) for name in [*once, "place_table", "place_furnace"])
    quorums = {"wood": max(coop.quorum["stone"], coop.quorum["coal"]), "stone": coop.quorum["iron"]}
    quorums["iron"] = coop.quorum["diamond"]
    shares = [min(done[f"make_{name}_pickaxe"] / need, 1.0) for name, need in quorums.items()]
    return float(total + sum(shares)) / (len(once) + 2 + len(shares))


def _present(mobs: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the creatures there are, kinds counted from 0."""
    there = mobs[mobs[:, w.KIND] > 0][:, : w.TIMER].copy()
    there[:, w.KIND] -= 1
    return there


def configuration_digest(world: w.World) -> str:
    """Return the hash of cells, poses, bags and the map only, without clock and counters (for recurrence)."""
    digest = hashlib.blake2b(b"emcoop/MACrafter-v0/configuration", digest_size=16)
    pose = world.agents()[:, [w.ROW, w.COL, w.FACING, w.STATUS, w.ASLEEP]]
    for part in (pose, world.bags()):
        digest.update(part.astype("<i4").tobytes())
    digest.update(world.inner(world.materials).tobytes())
    return digest.hexdigest()


def state_digest(world: w.World, env: int = 0) -> str:
    """Return the hash of an environment's state: BLAKE2b over sizes, numbers, materials and plants (little-endian)."""
    digest = hashlib.blake2b(b"emcoop/MACrafter-v0", digest_size=16)
    digest.update(np.array([*world.settings.area, world.n_agents], "<i4").tobytes())
    digest.update(world.rows[env].astype("<i4", copy=False).tobytes())
    digest.update(np.ascontiguousarray(world.inner(world.materials, env)).tobytes())
    planted = world.inner(world.planted, env)
    if world.rows[env, w.N_PLANTS]:
        cells = np.argwhere(planted)
        digest.update(np.column_stack([cells, planted[planted != 0]]).astype("<i4").tobytes())
    return digest.hexdigest()
