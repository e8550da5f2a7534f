"""Worlds: Crafter's terrain, always solvable, the same everywhere, for every team and map size."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import deque

import numpy as np
import opensimplex
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.settings import CrafterSettings, make_settings
from emcoop.envs.ma_crafter.solvable import complete, least_units, survey
from emcoop.envs.ma_crafter.world import COW, SKELETON, ZOMBIE
from emcoop.envs.ma_crafter.worldgen import TRIES, GeneratedWorld, Grid, generate, terrain
from emcoop.envs.splitmix import draw
from emcoop.errors import ConfigError

Cell = tuple[int, int]
SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def flood(materials: Grid, passable: tuple[int, ...]) -> dict[Cell, int]:
    """Return the steps from the middle, cell by cell: the slow and obvious way."""
    rows, cols = materials.shape
    steps = {(rows // 2, cols // 2): 0}
    queue = deque(steps)
    while queue:
        cell = queue.popleft()
        for down, right in SIDES:
            row, col = cell[0] + down, cell[1] + right
            inside = 0 <= row < rows and 0 <= col < cols
            if inside and materials[row, col] in passable and (row, col) not in steps:
                steps[row, col] = steps[cell] + 1
                queue.append((row, col))
    return steps


def units(materials: Grid, reached: dict[Cell, int], material: int, quorum: int, radius: int) -> int:
    """Return how many cells of a material have enough reached cells around them."""
    count = 0
    for row, col in np.argwhere(materials == material).tolist():
        ball = [
            (row + down, col + right)
            for down in range(-radius, radius + 1)
            for right in range(abs(down) - radius, radius - abs(down) + 1)
            if (down, right) != (0, 0)
        ]
        count += sum(cell in reached for cell in ball) >= quorum
    return count


def lacking(materials: Grid, world: CrafterSettings) -> dict[str, int]:
    """Return what a map lacks, by sets of cells."""
    walk = flood(materials, r.WALKABLE)
    dig = flood(materials, (*r.WALKABLE, r.STONE, r.COAL))
    deep = flood(materials, (*r.WALKABLE, r.STONE, r.COAL, r.IRON))
    found = {"room": sum(not near_lava(materials, cell) for cell in walk)}
    need = {"room": world.n_agents, **least_units(world)}
    for name, reached in (("tree", dig), ("stone", dig), ("coal", dig), ("iron", deep), ("diamond", deep)):
        quorum, radius = world.coop.quorum[name], world.coop.radius[name]
        found[name] = units(materials, reached, r.MATERIALS.index(name), quorum, radius)
    found["first_tree"] = units(materials, walk, r.TREE, world.coop.quorum["tree"], world.coop.radius["tree"])
    found["water"] = units(materials, dig, r.WATER, 1, 1)
    return {name: need[name] - found[name] for name in need if found[name] < need[name]}


def near_lava(materials: Grid, cell: Cell) -> bool:
    row, col = cell
    return bool((materials[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2] == r.LAVA).any())


def check(world: CrafterSettings, made: GeneratedWorld) -> None:
    """Check all that is promised of a generated world."""
    materials, agents = made.materials, made.agents
    assert materials.shape == world.area
    assert materials.dtype == np.uint8
    assert not np.isin(materials, (r.OUTSIDE, r.TABLE, r.FURNACE, r.PLANT)).any()
    assert lacking(materials, world) == {}
    assert agents.shape == (world.n_agents, 2)
    cells = [tuple(cell) for cell in agents.tolist()]
    assert len(set(cells)) == world.n_agents
    walk = flood(materials, r.WALKABLE)
    assert all(cell in walk and not near_lava(materials, cell) for cell in cells)
    assert 0 <= made.sub_seed < TRIES
    check_creatures(world, made)


def check_creatures(world: CrafterSettings, made: GeneratedWorld) -> None:
    kinds, cells = made.creatures[:, 0], made.creatures[:, 1:]
    on = made.materials[cells[:, 0], cells[:, 1]]
    assert set(kinds.tolist()) <= ({ZOMBIE, SKELETON, COW} if world.mode == "survival" else {COW})
    assert (on[kinds != SKELETON] == r.GRASS).all()
    assert (on[kinds == SKELETON] == r.PATH).all()
    assert len(np.unique(np.concatenate((cells, made.agents)), axis=0)) == len(cells) + world.n_agents
    away = np.sqrt(((cells[:, None] - made.agents[None]) ** 2).sum(axis=2)).min(axis=1, initial=np.inf)
    assert (away[kinds == ZOMBIE] > 10).all()
    assert (away[kinds == SKELETON] > 3).all()


def digest(made: GeneratedWorld) -> str:
    parts = (made.materials, made.agents.astype("<i4"), made.creatures.astype("<i4"))
    text = b"".join(part.tobytes() for part in parts) + bytes([made.sub_seed, made.completed])
    return hashlib.sha256(text).hexdigest()[:16]


@given(
    rows=st.integers(8, 40),
    cols=st.integers(8, 40),
    share=st.floats(0, 1),
    level=st.sampled_from(r.LEVELS),
    mode=st.sampled_from(r.MODES),
    preset=st.sampled_from(r.PRESETS),
    scarce=st.booleans(),
    spawn=st.sampled_from(("cluster", "scatter")),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=200, deadline=None)
def test_every_world_is_solvable(
    rows: int, cols: int, share: float, level: str, mode: str, preset: str, scarce: bool, spawn: str, seed: int
) -> None:
    n = max(1, int(share**3 * rows * cols / 4))
    world = make_settings(n, (rows, cols), mode, level, preset, scarce=scarce, spawn=spawn)
    try:
        made = generate(world, seed)
    except ConfigError:
        # A ball that the map cuts off can be too small for its quorum, on narrow maps only.
        assert level == "scaled"
        assert max(rows, cols) > 2 * min(rows, cols)
        return
    check(world, made)


@pytest.mark.parametrize("level", r.LEVELS)
@pytest.mark.parametrize("spawn", ["cluster", "scatter"])
@pytest.mark.parametrize(("side", "n"), [(8, 1), (8, 16), (12, 36), (24, 144), (64, 1024)])
def test_the_smallest_and_fullest_maps_are_solvable(side: int, n: int, spawn: str, level: str) -> None:
    world = make_settings(n, (side, side), "survival", level, scarce=True, spawn=spawn)
    for seed in range(8 if side < 64 else 1):
        check(world, generate(world, seed))


@pytest.mark.parametrize(("n", "area"), [(1, (64, 64)), (16, (64, 64)), (6, (40, 100)), (64, (128, 128))])
def test_usual_worlds_are_solvable_without_completion(n: int, area: tuple[int, int]) -> None:
    world = make_settings(n, area, "survival", "L1" if n == 1 else "L3")
    for seed in range(6):
        made = generate(world, seed)
        check(world, made)
        assert not made.completed


@pytest.mark.slow
@pytest.mark.parametrize("side", [256, 512, 1024])
def test_large_worlds_are_solvable(side: int) -> None:
    world = make_settings(1024, (side, side), "survival", "scaled", spawn="scatter")
    check(world, generate(world, side))


@pytest.mark.parametrize("area", [(8, 512), (512, 8)])
def test_half_a_large_team_finds_room_around_a_diamond_on_the_narrowest_map(area: tuple[int, int]) -> None:
    world = make_settings(1024, area, level="scaled")
    check(world, generate(world, 0))


def test_the_survey_agrees_with_sets_of_cells() -> None:
    worlds = [
        make_settings(n, (20, 24), level=level, scarce=n > 6) for n, level in ((1, "L1"), (6, "L3"), (40, "scaled"))
    ]
    seen = set()
    for seed in range(30):
        materials = terrain((20, 24), np.uint64(seed))[0]
        for world in worlds:
            found = survey(materials, world)
            assert found.missing == lacking(materials, world)
            walk = flood(materials, r.WALKABLE)
            assert {tuple(cell) for cell in np.argwhere(found.walk < 10**9).tolist()} == set(walk)
            assert all(found.walk[cell] == steps for cell, steps in walk.items())
            assert {tuple(cell) for cell in np.argwhere(found.dig).tolist()} == set(
                flood(materials, (*r.WALKABLE, r.STONE, r.COAL))
            )
            seen |= set(found.missing)
    assert seen >= {"tree", "stone", "coal", "iron", "diamond", "water"}


def test_what_a_map_must_offer_is_what_scores_and_what_one_diamond_takes() -> None:
    assert least_units(make_settings(1, level="L1")) == {
        "tree": 5, "stone": 5, "coal": 1, "iron": 1, "diamond": 1, "first_tree": 1, "water": 1,
    }  # fmt: skip
    # A table (2), two wood pickaxes for coal, three stone pickaxes for iron, two makes of two iron pickaxes each for
    # three at the diamond: 9 wood; 3 + 4 stone. With nine agents more than that scores.
    small = make_settings(3, (8, 8), "creative", "L3", scarce=True)
    assert least_units(small) == {
        "tree": 9, "stone": 7, "coal": 1, "iron": 1, "diamond": 1, "first_tree": 3, "water": 0,
    }  # fmt: skip
    assert least_units(make_settings(9, level="L3"))["stone"] == 24
    # Half of 64 at the diamond: 16 makes; 22 at the iron, 16 at the coal, and a table of one wood.
    scaled = make_settings(64, (16, 16), level="scaled", preset="crafter", scarce=True)
    assert least_units(scaled)["tree"] == 1 + 16 + 22 + 16
    assert least_units(scaled)["stone"] == 22 + 1


@pytest.mark.parametrize("filling", [r.GRASS, r.STONE, r.WATER, r.TREE, r.LAVA, r.DIAMOND, r.PATH])
@pytest.mark.parametrize("spawn", ["cluster", "scatter"])
def test_any_map_can_be_completed(filling: int, spawn: str) -> None:
    world = make_settings(12, (16, 16), level="L3", scarce=True, spawn=spawn)
    materials = np.full((16, 16), filling, np.uint8)
    materials[8, 8] = r.GRASS
    agents = complete(materials, world, np.uint64(5))
    check(world, GeneratedWorld(materials, agents, np.empty((0, 3), np.int32), 0, True))


def test_completion_takes_stone_for_ores_and_leaves_the_rest_alone() -> None:
    world = make_settings(3, (32, 32), level="L3")
    materials = np.full((32, 32), r.GRASS, np.uint8)
    materials[:, :10] = r.STONE
    materials[:8, 20:24], materials[24:28, 20:26] = r.WATER, r.TREE
    materials[28:30, 20:26:2] = r.TREE
    before = materials.copy()
    complete(materials, world, np.uint64(1))
    changed = materials != before
    assert np.isin(before[changed], (r.STONE,)).all()
    assert np.bincount(materials[changed]).tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1]


def test_a_cluster_is_the_grass_nearest_to_the_middle_on_foot() -> None:
    for seed in range(4):
        made = generate(make_settings(40), seed)
        walk = flood(made.materials, r.WALKABLE)
        free = [cell for cell in walk if made.materials[cell] == r.GRASS and not near_lava(made.materials, cell)]
        nearest = sorted(free, key=lambda cell: (walk[cell], cell))[:40]
        assert [tuple(cell) for cell in made.agents.tolist()] == nearest
    assert tuple(made.agents[0].tolist()) == (32, 32)


def test_scattered_agents_are_spread_over_the_map() -> None:
    made = generate(make_settings(64, spawn="scatter"), 3)
    near = generate(make_settings(64), 3)
    assert np.array_equal(made.materials, near.materials)
    assert made.agents.std(axis=0).min() > 2 * near.agents.std(axis=0).max()
    assert set(flood(made.materials, r.WALKABLE)) >= {tuple(cell) for cell in made.agents.tolist()}


def test_seeds_give_different_worlds_and_the_same_one_twice() -> None:
    world = make_settings(3, (24, 24))
    assert len({digest(generate(world, seed)) for seed in range(60)}) == 60
    assert digest(generate(world, 7)) == digest(generate(world, 7))


def test_terrain_does_not_depend_on_team_mode_or_rules() -> None:
    one = generate(make_settings(1, level="L1"), 2)
    other = generate(make_settings(6, mode="survival", level="L2", preset="crafter", spawn="scatter"), 2)
    assert one.sub_seed == other.sub_seed == 0
    assert np.array_equal(one.materials, other.materials)


def test_all_creatures_live_in_survival_and_only_cows_elsewhere() -> None:
    counts = np.zeros(4, int)
    for seed in range(20):
        made = generate(make_settings(3, mode="survival"), seed)
        counts += np.bincount(made.creatures[:, 0], minlength=4)
        tame = generate(make_settings(3, mode="peaceful"), seed)
        assert np.array_equal(tame.creatures, made.creatures[made.creatures[:, 0] == COW])
    assert (counts[[ZOMBIE, SKELETON, COW]] / 20 > (5, 3, 15)).all()
    assert counts[2] == 0


def noise_of(simplex: opensimplex.OpenSimplex, x: float, y: float, z: int, *sizes: tuple[float, float]) -> float:
    return sum(weight * float(simplex.noise3(x / size, y / size, z)) for size, weight in sizes)


def crafter_material(simplex: opensimplex.OpenSimplex, seed: np.uint64, row: int, col: int, middle: Cell) -> int:
    """Return what Crafter's published scales and thresholds make of one cell."""
    x, y = col, row
    start = 4 - np.hypot(row - middle[0], col - middle[1]) + 2 * noise_of(simplex, x, y, 8, (3, 1))
    start = 1 / (1 + np.exp(-start))
    water = noise_of(simplex, x, y, 3, (15, 1), (5, 0.15)) + 0.1 - 2 * start
    mountain = noise_of(simplex, x, y, 0, (15, 1), (5, 0.3)) / 1.3 - 4 * start - 0.3 * water
    lucky = [draw(seed, purpose, row, col, 0) for purpose in range(4)]
    if start > 0.5:
        return r.GRASS
    if mountain > 0.15:
        rules = [
            (noise_of(simplex, x, y, 6, (7, 1)) > 0.15 and mountain > 0.3, r.PATH),
            (noise_of(simplex, 2 * x, y / 5, 7, (3, 1)) > 0.4, r.PATH),
            (noise_of(simplex, x / 5, 2 * y, 7, (3, 1)) > 0.4, r.PATH),
            (noise_of(simplex, x, y, 1, (8, 1)) > 0 and lucky[0] > 0.85, r.COAL),
            (noise_of(simplex, x, y, 2, (6, 1)) > 0.4 and lucky[1] > 0.75, r.IRON),
            (mountain > 0.18 and lucky[2] > 0.994, r.DIAMOND),
            (mountain > 0.3 and noise_of(simplex, x, y, 6, (5, 1)) > 0.35, r.LAVA),
        ]
        return next((material for holds, material in rules if holds), r.STONE)
    if 0.25 < water <= 0.35 and noise_of(simplex, x, y, 4, (9, 1)) > -0.2:
        return r.SAND
    if water > 0.3:
        return r.WATER
    return r.TREE if noise_of(simplex, x, y, 5, (7, 1)) > 0 and lucky[3] > 0.8 else r.GRASS


@pytest.mark.parametrize("seed", [3, 2**63 + 11])
def test_terrain_follows_the_published_scales_and_thresholds(seed: int) -> None:
    materials, tunnels = terrain((48, 60), np.uint64(seed))
    simplex = opensimplex.OpenSimplex(seed)
    expected = [
        [crafter_material(simplex, np.uint64(seed), row, col, (24, 30)) for col in range(60)] for row in range(48)
    ]
    # Rounding to 1e-6 may decide a cell whose noise is exactly at a threshold, such as 0, the other way.
    assert (materials != np.array(expected)).sum() <= 2
    assert (materials[tunnels] == r.PATH).all()
    assert tunnels.any()
    assert len(np.unique(materials)) >= 8


GOLDEN = {
    (1, 64, "L1", 0): "57fddf919a7681aa",
    (3, 64, "L3", 0): "42b15a1dac7d46f1",
    (3, 64, "L3", 1): "284c6b35f7006076",
    (3, 64, "L3", 2**64 - 1): "816eb94d294071af",
    (16, 64, "L3", 4): "bc83822a639b3cb5",
    (16, 8, "scaled", 0): "ab2134b1e8c8639a",
    (64, 16, "scaled", 0): "b40e67e93785603e",
    (100, 160, "scaled", 0): "e41aed6185360a51",
    (1024, 64, "L3", 0): "ea2112833624f590",
    (1024, 512, "scaled", 0): "46371f1de201ba08",
}


@pytest.mark.parametrize(("n", "side", "level", "seed"), GOLDEN)
def test_the_world_of_a_seed_is_a_promise(n: int, side: int, level: str, seed: int) -> None:
    world = make_settings(n, (side, side), "survival", level)
    assert digest(generate(world, seed)) == GOLDEN[n, side, level, seed]


def test_scattered_starts_are_a_promise() -> None:
    made = generate(make_settings(5, spawn="scatter"), 0)
    assert made.agents.tolist() == [[32, 14], [49, 22], [11, 35], [10, 31], [25, 57]]


@pytest.mark.parametrize("extra", [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "NUMBA_DISABLE_JIT": "1"}])
def test_other_processes_and_plain_python_give_the_same_worlds(extra: dict[str, str]) -> None:
    code = (
        "from emcoop.envs.ma_crafter.worldgen import generate\n"
        "from emcoop.envs.ma_crafter.settings import make_settings\n"
        "for n, side in ((3, 20), (16, 8)):\n"
        "    made = generate(make_settings(n, (side, side), 'survival'), 2**64 - 5)\n"
        "    print([array.tolist() for array in made[:3]], made[3:])"
    )
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-c", code]  # plain Python warns when it wraps around
    done = subprocess.run(command, env={**os.environ, **extra}, capture_output=True, text=True, check=True)
    worlds = [generate(make_settings(n, (side, side), "survival"), 2**64 - 5) for n, side in ((3, 20), (16, 8))]
    assert done.stdout.splitlines() == [f"{[array.tolist() for array in w[:3]]} {w[3:]}" for w in worlds]


def test_no_threads_of_numba_are_started() -> None:
    """They make forked processes hang, and abort where two threads generate worlds at once."""
    code = (
        "import numba\n"
        "from emcoop.envs.ma_crafter.worldgen import generate\n"
        "from emcoop.envs.ma_crafter.settings import make_settings\n"
        "generate(make_settings(1, (8, 8)), 0)\n"
        "try:\n"
        "    print(numba.threading_layer())\n"
        "except ValueError:\n"
        "    print('none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["none"]


@pytest.mark.parametrize("seed", [-1, 2**64, True, 1.5, "3", None])
def test_bad_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed="):
        generate(make_settings(1), seed)  # type: ignore[arg-type]


def test_no_two_seeds_share_a_world() -> None:
    """Also where a first try failed: the next tries of a seed must not be the first tries of its neighbours."""
    world = make_settings(n_agents=3, level="L3")
    made = [generate(world, seed) for seed in range(100)]
    assert any(one.sub_seed for one in made)
    assert len({one.materials.tobytes() for one in made}) == len(made)
