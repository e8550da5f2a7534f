"""MA-Crafter's pictures: tiles can be told apart, the compiled painter equals an obvious one, nothing is changed."""

from __future__ import annotations

import copy
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.env import MACrafterEnv
from emcoop.envs.ma_crafter.keys import KEYS
from emcoop.envs.ma_crafter.render import (
    draw_views,
    place_sprites,
    render_ansi,
    render_map,
    render_seat,
    render_team,
    render_view,
    sprite_grid,
    strip_rows,
)
from emcoop.envs.ma_crafter.render_kernels import night_grain
from emcoop.envs.ma_crafter.tiles import AGENT, AGENT_INKS, N_SLOTS, POSES, SELF, tiles
from emcoop.errors import ConfigError

LETTERS = dict(zip(r.LETTERS, range(r.N_MATERIALS), strict=True))
MAP = [
    "..TSC~~~~~..",
    "#_LIDBFp...T",
    "............",
    "SSS####CCC~~",
    "............",
    ".p..........",
    "____________",
    "..T..T..T...",
]
ALL_NIGHT = np.array([208, 188, 128])
"""Of 256, what the darkest night takes of red, green and blue."""


def make_snapshot(**changes: Any) -> dict[str, Any]:
    """Return a world with everything in it: agents awake, asleep, down and gone, all creatures, both plants."""
    materials = np.array([[LETTERS[letter] for letter in row] for row in MAP], np.uint8)
    ripe = np.zeros(materials.shape, np.bool_)
    ripe[5, 1] = True
    rng = np.random.default_rng(5)
    snapshot = {
        "agents": np.array([[2, 3], [2, 5], [4, 4], [4, 7]], np.int32),
        "alive": np.array([True, True, False, False]),
        "down": np.array([False, False, True, False]),
        "facing": np.array([3, 0, 1, 2]),
        "sleeping": np.array([False, True, False, False]),
        "vitals": np.array([[9, 8, 7, 6], [1, 2, 3, 4], [0, 5, 5, 5], [0, 1, 1, 1]]),
        "vital_names": ("health", "food", "drink", "energy"),
        "inventory": rng.integers(0, 21, (4, r.N_ITEMS)),
        "item_names": r.ITEMS,
        "materials": materials,
        "material_names": r.MATERIALS,
        "ripe": ripe,
        "mobs": np.array([[0, 2, 1, 5, 1], [1, 3, 4, 3, 0], [2, 3, 5, 1, 2], [3, 6, 2, 3, 0]], np.int32),
        "mob_names": ("zombie", "skeleton", "arrow", "cow"),
        "daylight": 1.0,
        "step": 7,
        "team_score": 3.5,
        "view": (9, 7),
    }
    return {**snapshot, **changes}


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean difference of two pictures, in grey levels per channel."""
    return float(np.abs(a.astype(int) - b).mean())


def on_grass(sprite: int, side: int) -> np.ndarray:
    made = tiles(side)
    return (made.sprites[sprite] + (made.ground[r.GRASS] * made.keep[sprite].astype(int) >> 8)).astype(np.uint8)


def pictures(side: int) -> dict[str, np.ndarray]:
    """Return everything that may lie on a cell, by name."""
    made = tiles(side)
    found = {name: made.ground[i] for i, name in enumerate(r.MATERIALS)}
    found |= {f"sprite {sprite}": on_grass(sprite, side) for sprite in range(1, len(made.sprites))}
    return found


def test_every_tile_differs_from_every_other_at_seven_pixels():
    found = pictures(7)
    for (name, picture), (other_name, other) in combinations(found.items(), 2):
        assert apart(picture, other) > 4, f"{name} looks like {other_name}"
    icons = tiles(7).icons
    for first, second in combinations(range(N_SLOTS), 2):
        assert apart(icons[first], icons[second]) > 6, f"icons {first} and {second} look alike"


def test_kinds_differ_at_seven_pixels_in_brightness_alone():
    found = pictures(7)
    grey = {name: picture.reshape(7, 7, 3) @ np.array([0.3, 0.59, 0.11]) for name, picture in found.items()}
    kinds = [*r.MATERIALS, "sprite 2", "sprite 3", "sprite 4", "sprite 5", f"sprite {AGENT}"]
    for name, other in combinations(kinds, 2):
        assert np.abs(grey[name] - grey[other]).mean() > 8, f"{name} looks like {other} in black and white"


@pytest.mark.parametrize("side", [1, 2, 3, 5, 7, 8, 11, 12, 13, 16, 33, 64])
def test_tiles_are_made_at_any_size_once_and_read_only(side: int):
    made = tiles(side)
    assert made.ground.shape == (r.N_MATERIALS, side, 3 * side)
    assert made.sprites.shape == made.keep.shape == (AGENT + POSES * (len(AGENT_INKS) + 1), side, 3 * side)
    assert made.icons.shape == (N_SLOTS, side, 3 * side)
    assert tiles(side) is made
    assert not any(array.flags.writeable for array in made)
    assert int(made.keep.max()) == 256
    assert (made.sprites + (255 * made.keep.astype(int) >> 8)).max() <= 255


def reference_cell(snapshot: dict[str, Any], row: int, col: int, side: int, dress: int | None, look: Any) -> np.ndarray:
    """Paint one cell the slow way, without numbers."""
    made, (rows, cols) = tiles(side), snapshot["materials"].shape
    inside = 0 <= row < rows and 0 <= col < cols
    picture = made.ground[snapshot["materials"][row, col] if inside else r.OUTSIDE].astype(int)
    sprite = reference_sprite(snapshot, row, col)
    if sprite >= AGENT:
        index, pose = divmod(sprite - AGENT, POSES)
        sprite = AGENT + POSES * (index % len(AGENT_INKS) if dress is None else dress) + pose
    if sprite:
        picture = made.sprites[sprite] + (picture * made.keep[sprite] >> 8)
    picture = picture.reshape(side, side, 3)
    dark = round(256 * (1 - snapshot["daylight"]))
    if look is not None or dark:
        loss = dark * night_grain(row, col, snapshot["step"]) >> 8
        factors = np.array([256, 256, 256] if look is None else look) * (256 - (ALL_NIGHT * loss >> 8)) >> 8
        picture = picture * factors >> 8
    return picture.astype(np.uint8)


def reference_sprite(snapshot: dict[str, Any], row: int, col: int) -> int:
    """Return what lies on top in a cell, asking for everything in turn."""
    here = [i for i, cell in enumerate(snapshot["agents"].tolist()) if cell == [row, col]]
    for i in here:
        if snapshot["alive"][i]:
            return AGENT + POSES * i + (4 if snapshot["sleeping"][i] else int(snapshot["facing"][i]))
    for kind, mob_row, mob_col, _, facing in reversed(snapshot["mobs"].tolist()):
        if (mob_row, mob_col) == (row, col):
            return {0: 2, 1: 3, 2: 5 + facing, 3: 4}[kind]
    for state, pose in ((True, 5), (False, 6)):
        for i in here:
            if bool(snapshot["down"][i]) == state:
                return AGENT + POSES * i + pose
    rows, cols = snapshot["materials"].shape
    return int(0 <= row < rows and 0 <= col < cols and snapshot["ripe"][row, col])


@pytest.mark.parametrize("daylight", [1.0, 0.4, 0.0])
def test_map_equals_the_obvious_painter(daylight: float):
    snapshot = make_snapshot(daylight=daylight)
    frame = render_map(snapshot, 96)
    assert frame.shape == (96, 96, 3)
    top = (96 - 8 * 8) // 2
    for row in range(8):
        for col in range(12):
            expected = reference_cell(snapshot, row, col, 8, None, None)
            assert np.array_equal(frame[top + 8 * row :][:8, 8 * col :][:, :8], expected), (row, col)
    margins = np.concatenate([frame[:top], frame[top + 64 :]]).reshape(-1, 3)
    assert len(np.unique(margins, axis=0)) == 1


@pytest.mark.parametrize("daylight", [1.0, 0.3])
@pytest.mark.parametrize(("agent", "look"), [(0, None), (1, (128, 62, 72)), (2, (96, 96, 100))])
def test_view_equals_the_obvious_painter(agent: int, look: Any, daylight: float):
    snapshot = make_snapshot(daylight=daylight)
    frame = render_view(snapshot, agent)
    assert frame.shape == (64, 64, 3)
    row, col = snapshot["agents"][agent]
    for v in range(7):
        for u in range(9):
            mine = snapshot["alive"][agent] and (v, u) == (3, 4)
            expected = reference_cell(snapshot, row + v - 3, col + u - 4, 7, SELF if mine else None, look)
            assert np.array_equal(frame[7 * v :][:7, 7 * u :][:, :7], expected), (v, u)
    assert not frame[63].any()
    assert not frame[:, 63].any()


def test_views_of_all_agents_at_once_equal_single_views_and_are_empty_for_the_fallen():
    snapshot = make_snapshot(daylight=0.5)
    pad = 5
    materials, rows, cols = np.pad(snapshot["materials"], pad), *snapshot["materials"].shape
    sprites = np.full((rows + 2 * pad, cols + 2 * pad), -9, np.int16)
    names = ("ripe", "agents", "alive", "down", "facing", "sleeping", "mobs")
    place_sprites(sprites, pad, *(snapshot[name] for name in names))
    assert np.array_equal(sprites, np.pad(sprite_grid(snapshot), pad))
    frames = np.full((4, 50, 71, 3), 99, np.uint8)
    names = ("agents", "alive", "sleeping", "vitals", "inventory", "daylight", "step", "view")
    draw_views(frames, materials, sprites, pad, *(snapshot[name] for name in names))
    for agent in (0, 1):
        assert np.array_equal(frames[agent], render_view(snapshot, agent, (50, 71)))
    assert not frames[2:].any()


@pytest.mark.parametrize("mode", ["peaceful", "survival"])
def test_pictures_as_observations_are_the_views(mode: str):
    env = MACrafterEnv(n_agents=4, mode=mode, observation="image", image_size=(70, 53), area=(32, 40))
    seen, _ = env.reset(seed=3)
    rng = np.random.default_rng(1)
    for _ in range(12):
        snapshot = env.snapshot()
        for agent, name in enumerate(env.possible_agents):
            assert np.array_equal(seen[name], render_view(snapshot, agent, (53, 70)))
        seen, *_ = env.step({name: int(rng.integers(18)) for name in env.agents})


@pytest.mark.parametrize("size", [(9, 9), (10, 9), (17, 40), (63, 65), (101, 87), (200, 333)])
def test_views_of_odd_sizes(size: tuple[int, int]):
    frame = render_view(make_snapshot(), 0, size)
    assert frame.shape == (*size, 3)
    assert frame.dtype == np.uint8
    assert frame.any()


@pytest.mark.parametrize(
    ("view", "shape"), [((9, 7), (576, 576)), ((21, 3), (4 * 27, 21 * 27)), ((63, 63), (576, 567))]
)
def test_seats_are_drawn_large_without_margins(view: tuple[int, int], shape: tuple[int, int]):
    snapshot = make_snapshot(view=view)
    frame = render_seat(snapshot, 1)
    assert frame.shape == (*shape, 3)
    assert np.array_equal(frame, render_view(snapshot, 1, shape))


@pytest.mark.parametrize("view", [(3, 3), (5, 9), (9, 7), (15, 3), (63, 63)])
def test_strips_hold_every_slot_under_views_of_any_shape(view: tuple[int, int]):
    columns, rows = view
    assert strip_rows(columns) * columns >= N_SLOTS > (strip_rows(columns) - 1) * columns
    frame = render_view(make_snapshot(view=view), 0, (9 * (rows + strip_rows(columns)), 9 * columns))
    assert frame[:, -1].any()
    assert frame[-1].any()


@pytest.mark.parametrize("size", [9, 12, 13, 100, 511])
def test_map_and_team_of_odd_sizes(size: int):
    assert render_map(make_snapshot(), size).shape == (size, size, 3)
    assert render_team(make_snapshot(), size).shape == (size, size + size // 2, 3)


def test_agents_stay_visible_on_maps_with_more_cells_than_pixels():
    snapshot = make_snapshot(materials=np.full((1000, 700), r.GRASS, np.uint8), mobs=np.zeros((0, 5), np.int32))
    snapshot.update(ripe=np.zeros((1000, 700), np.bool_), agents=np.array([[0, 0], [501, 301], [777, 5], [999, 699]]))
    frame = render_map(snapshot, 100)
    snapshot["agents"] = np.zeros((0, 2), int)
    for name in ("alive", "down", "facing", "sleeping"):
        snapshot[name] = snapshot[name][:0]
    empty = render_map(snapshot, 100)
    changed = np.argwhere((frame != empty).any(axis=2)).tolist()
    assert changed == [[0, 15], [50, 45], [77, 15], [99, 84]]


def test_an_agent_is_seen_at_its_cell_and_nowhere_else():
    snapshot = make_snapshot()
    before = render_map(snapshot, 192)
    snapshot["agents"] = np.array([[2, 3], [2, 9], [4, 4], [4, 7]])
    changed = np.argwhere((render_map(snapshot, 192) != before).any(axis=2))
    cells = {((y - 32) // 16, x // 16) for y, x in changed.tolist()}
    assert cells == {(2, 5), (2, 9)}


def test_numbers_tell_agents_of_one_colour_apart_where_they_fit():
    n = len(AGENT_INKS) + 1
    snapshot = make_snapshot(
        agents=np.array([[7, 0]] * (n - 1) + [[2, 3]]), alive=np.ones(n, bool), down=np.zeros(n, bool),
        sleeping=np.zeros(n, bool), facing=np.ones(n, int), vitals=np.ones((n, 4), int),
        inventory=np.ones((n, 12), int),
    )  # fmt: skip
    later = render_map(snapshot, 192)
    snapshot["agents"] = np.array([[2, 3]] + [[7, 0]] * (n - 1))
    snapshot["alive"][1:] = False
    snapshot["alive"][1] = True
    first = render_map(snapshot, 192)
    cell = np.s_[32 + 32 : 32 + 48, 48:64]
    assert np.array_equal(later[cell][:7], first[cell][:7])
    assert not np.array_equal(later[cell], first[cell])


def test_night_darkens_deterministically_and_leaves_the_strip_alone():
    day, dusk, night = (render_view(make_snapshot(daylight=light), 0, (81, 81)) for light in (1.0, 0.5, 0.0))
    cells = np.s_[:63]
    assert day[cells].mean() > 1.2 * dusk[cells].mean() > 1.5 * night[cells].mean() > 0
    assert (night[cells] <= day[cells]).all()
    assert np.array_equal(day[63:], night[63:])
    assert np.array_equal(night, render_view(make_snapshot(daylight=0.0), 0, (81, 81)))
    assert not np.array_equal(night, render_view(make_snapshot(daylight=0.0, step=8), 0, (81, 81)))
    assert np.array_equal(day, render_view(make_snapshot(step=8), 0, (81, 81)))


def test_sleep_is_dim_and_red():
    awake = render_view(make_snapshot(sleeping=np.zeros(4, bool)), 1).reshape(-1, 3)[: 49 * 64].mean(axis=0)
    asleep = render_view(make_snapshot(), 1).reshape(-1, 3)[: 49 * 64].mean(axis=0)
    assert asleep.sum() < 0.5 * awake.sum()
    assert asleep[0] / asleep[1] > 1.5 * awake[0] / awake[1]


@pytest.mark.parametrize("side", [7, 8, 9, 16, 40])
def test_the_strip_tells_amounts_apart_and_hides_what_there_is_not(side: int):
    def strip(amount: int) -> np.ndarray:
        inventory = np.zeros((4, r.N_ITEMS), int)
        inventory[0, 3] = amount
        return render_view(make_snapshot(inventory=inventory), 0, (9 * side, 9 * side))[7 * side :]

    strips = [strip(amount) for amount in (*range(21), 99, 1000)]
    for one, other in combinations(range(21), 2):
        assert not np.array_equal(strips[one], strips[other]), (one, other)
    slot = strips[0][:side, 7 * side : 8 * side]
    assert len(np.unique(slot.reshape(-1, 3), axis=0)) == 1
    assert np.array_equal(strips[21], strips[22])


def test_the_panel_shows_what_changes():
    before = render_team(make_snapshot(), 256)
    vitals = make_snapshot()["vitals"]
    vitals[1, 2] = 9
    after = render_team(make_snapshot(vitals=vitals), 256)
    assert np.array_equal(before[:, :256], after[:, :256])
    changed = np.argwhere((before != after).any(axis=2))
    assert changed[:, 0].min() >= 64
    assert changed[:, 0].max() < 128


def test_the_panel_of_a_large_team_holds_sums():
    def team(n: int, wood: int) -> np.ndarray:
        inventory = np.zeros((n, r.N_ITEMS), int)
        inventory[:, 1] = wood
        return render_team(
            make_snapshot(
                agents=np.array([[2, 3]] * n),
                alive=np.ones(n, bool),
                down=np.zeros(n, bool),
                facing=np.ones(n, int),
                sleeping=np.zeros(n, bool),
                vitals=np.full((n, 4), 9),
                inventory=inventory,
            ),
            512,
        )[:, 512:]

    assert not np.array_equal(team(40, 1), team(41, 1))
    assert not np.array_equal(team(40, 1), team(40, 2))


def test_drawing_changes_nothing_and_draws_nothing_at_random():
    snapshot = make_snapshot(daylight=0.2)
    before, state = copy.deepcopy(snapshot), np.random.get_state()[1].tolist()  # noqa: NPY002 - it must stay as it is
    first = [render_map(snapshot), render_view(snapshot, 0), render_team(snapshot), render_ansi(snapshot)]
    for name, value in before.items():
        assert np.array_equal(snapshot[name], value), name
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    again = [render_map(snapshot), render_view(snapshot, 0), render_team(snapshot), render_ansi(snapshot)]
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one, other)


def test_text_shows_the_letters_of_hand_made_maps():
    lines = render_ansi(make_snapshot()).splitlines()
    assert lines[0] == "MA-Crafter 8 x 12, step 7, score 3.5, daylight 100 %, agents alive 2/4"
    expected = [list(row) for row in MAP]
    on_top = {(2, 3): "0", (2, 5): "1", (4, 4): "x", (4, 7): "+", (2, 1): "z", (3, 4): "k", (3, 5): "<", (6, 2): "c",
              (5, 1): "P"}  # fmt: skip
    for (row, col), letter in on_top.items():
        expected[row][col] = letter
    assert lines[2:10] == ["".join(row) for row in expected]
    for letter, name in zip(r.LETTERS, r.MATERIALS, strict=True):
        assert name == "outside" or f"{letter} {name}" in lines[1]
    assert lines[10].startswith("0 faces right; health 9, food 8, drink 7, energy 6; bag: ")
    assert [line.split(";")[0] for line in lines[11:]] == ["1 asleep", "2 down", "3 gone"]


def test_text_of_large_teams_and_maps_fits():
    n = 300
    cells = np.stack(np.divmod(np.arange(n), 10), axis=1) * [6, 20]
    snapshot = make_snapshot(
        materials=np.full((200, 200), r.GRASS, np.uint8), ripe=np.zeros((200, 200), bool), agents=cells,
        alive=np.ones(n, bool), down=np.zeros(n, bool), facing=np.zeros(n, int), sleeping=np.zeros(n, bool),
        mobs=np.zeros((0, 5), int), vitals=np.ones((n, 4), int), inventory=np.ones((n, 12), int),
    )  # fmt: skip
    lines = render_ansi(snapshot).splitlines()
    assert "1 character = 2 x 2 cells" in lines[2]
    assert [len(line) for line in lines[3:]] == [100] * 100
    assert lines[3].startswith("0.........1.........2")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: render_map(s, 8), "size=8"),
        (lambda s: render_map(s, 10**6), "size=1000000"),
        (lambda s: render_view(s, 0, (8, 64)), "size=8"),
        (lambda s: render_view({**s, "view": (63, 63)}, 0, (63, 63)), r"63 x 63 cells .* \(64, 63\) pixels"),
        (lambda s: render_view(s, 4), "agent=4"),
        (lambda s: render_view(s, -1), "agent=-1"),
        (lambda s: render_team(s, 3.5), "size=3.5"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(call: Any, says: str):
    with pytest.raises(ConfigError, match=says):
        call(make_snapshot())


def test_keys_reach_every_action_and_leave_those_of_the_window_alone():
    assert set(KEYS.values()) == set(range(len(r.ACTIONS)))
    assert not {"h", "q", "escape"} & set(KEYS)
