"""What a picture of a CUBE board must show, whatever the board, the picture size and the team."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.envs import raster
from emcoop.envs.cube import render
from emcoop.envs.cube.render import cell_box, render_ansi, render_rgb
from emcoop.errors import ConfigError

Cell = tuple[int, int]


def make_snapshot(
    agents: list[Cell], blocks: list[tuple[int, int, int]], delivered: tuple[int, ...] = (), step: int = 0
) -> dict[str, Any]:
    """Build a snapshot; blocks are (row, col, weight), `delivered` holds indices of blocks."""
    table = np.array(blocks, dtype=np.int64).reshape(-1, 3)
    return {
        "agents": np.array(agents, dtype=np.int64).reshape(-1, 2),
        "block_positions": table[:, :2].copy(),
        "block_weights": table[:, 2].copy(),
        "delivered": np.isin(np.arange(len(table)), delivered),
        "step": step,
    }


SMALL = make_snapshot([(0, 0), (7, 3), (19, 19)], [(2, 2, 5), (10, 12, 2), (15, 1, 1), (16, 8, 1)], (3,), 40)


def face_of(weight: int) -> list[int]:
    return [int(value) for value in render.BLOCK_FACES[weight.bit_length() - 1]]


def holds(picture: np.ndarray, box: tuple[int, int, int, int], rgb: Any) -> bool:
    top, left, bottom, right = box
    return bool((picture[top:bottom, left:right] == np.asarray(rgb)).all(axis=2).any())


@pytest.mark.parametrize("size", [16, 64, 512, 777])
@pytest.mark.parametrize("grid_size", [20, 33, 64, 300, 4096])
def test_picture_is_square_bytes(grid_size: int, size: int) -> None:
    picture = render_rgb(SMALL, grid_size, size=size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


def test_picture_depends_on_the_snapshot_alone_and_is_fresh() -> None:
    first = render_rgb(SMALL, 20)
    expected = first.copy()
    first[:] = 0
    assert np.array_equal(render_rgb(SMALL, 20), expected)
    moved = {**SMALL, "agents": SMALL["agents"] + np.array([[1, 0], [0, 0], [0, 0]])}
    assert not np.array_equal(render_rgb(moved, 20), expected)


def test_drawing_leaves_snapshot_and_random_state_alone() -> None:
    frozen = {name: np.array(value) for name, value in SMALL.items()}
    for value in frozen.values():
        value.setflags(write=False)
    python_state, numpy_state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    render_rgb(frozen, 20, highlight=1)
    render_ansi(frozen, 20)
    assert random.getstate() == python_state
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert all(np.array_equal(frozen[name], SMALL[name]) for name in SMALL)


def test_cells_of_a_20_board_are_25_pixels_and_show_agents_and_blocks() -> None:
    picture = render_rgb(SMALL, 20)
    for row, col in SMALL["agents"]:
        # Above the index number and inside the rim of the disc.
        assert picture[6 + 25 * row + 4, 6 + 25 * col + 12].tolist() == render.AGENT.tolist()
    for (row, col), weight in zip(SMALL["block_positions"][:3], SMALL["block_weights"][:3], strict=True):
        corner = picture[6 + 25 * row + 5, 6 + 25 * col + 5]
        assert corner.tolist() == face_of(int(weight))
    assert cell_box(3, 19, 20) == (81, 481, 106, 506)


@pytest.mark.parametrize("grid_size", [257, 1024])
def test_every_agent_and_block_colours_its_pixel_on_large_boards(grid_size: int) -> None:
    rng = np.random.default_rng(7)
    agents = [(int(cell // grid_size), int(cell % grid_size) // 2) for cell in rng.choice(grid_size**2, 200)]
    half = grid_size // 2 + 4
    blocks = [(row, half + 8 * i, 1 + i % 3) for row in range(3, grid_size - 8, 40) for i in range(10)]
    picture = render_rgb(make_snapshot(agents, blocks), grid_size)
    for row, col in agents:
        assert picture[6 + row * 500 // grid_size, 6 + col * 500 // grid_size].tolist() == render.AGENT.tolist()
    for corner_row, corner_col, weight in blocks:
        inset = min(weight // 2, 1)  # past the bevel
        row, col = corner_row + inset, corner_col + inset
        assert picture[6 + row * 500 // grid_size, 6 + col * 500 // grid_size].tolist() == face_of(weight)


def test_every_cell_of_a_block_colours_its_pixel() -> None:
    for start in range(400, 440):
        picture = render_rgb(make_snapshot([], [(start, start, 3)]), 1024)
        pixels = [6 + (start + cell) * 500 // 1024 for cell in range(3)]
        assert (picture[np.ix_(pixels, pixels)] == face_of(3)).all()


def test_where_entities_share_a_pixel_agents_cover_blocks_and_light_blocks_cover_heavy_ones() -> None:
    # 500 pixels for 2,000 cells: rows and columns 4i to 4i + 3 are one pixel.
    picture = render_rgb(make_snapshot([(41, 43)], [(40, 40, 1), (80, 83, 1), (80, 84, 8), (78, 71, 12)]), 2000)
    assert picture[16, 16].tolist() == render.AGENT.tolist()
    shared = render_rgb(make_snapshot([], [(80, 83, 1), (80, 75, 8)]), 2000)
    assert shared[26, 26].tolist() == face_of(1)


@settings(max_examples=60, deadline=None)
@given(
    grid_size=st.integers(3, 1100),
    size=st.sampled_from([32, 100, 512]),
    draw=st.lists(st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)), min_size=1, max_size=12),
)
def test_no_agent_vanishes_on_any_board(grid_size: int, size: int, draw: list[tuple[float, float]]) -> None:
    agents = sorted({(int(row * grid_size), int(col * grid_size)) for row, col in draw})
    picture = render_rgb(make_snapshot(agents, [(0, 0, grid_size - 2)]), grid_size, size=size)
    for row, col in agents:
        assert holds(picture, cell_box(row, col, grid_size, size), render.AGENT)


@pytest.mark.parametrize("grid_size", [20, 257, 1024])
def test_delivered_blocks_are_not_drawn(grid_size: int) -> None:
    blocks = [(2, 2, 5), (10, grid_size - 2, 2)]
    with_it = render_rgb(make_snapshot([(0, 0)], blocks, delivered=(1,)), grid_size)
    without = render_rgb(make_snapshot([(0, 0)], blocks[:1]), grid_size)
    assert np.array_equal(with_it[6:-6, 6:-6], without[6:-6, 6:-6])
    assert not np.array_equal(with_it[6:-6, 6:-6], render_rgb(make_snapshot([(0, 0)], blocks), grid_size)[6:-6, 6:-6])


@pytest.mark.parametrize("grid_size", [20, 64, 257, 1024])
def test_the_goal_is_the_last_column(grid_size: int) -> None:
    picture = render_rgb(make_snapshot([(0, 0)], []), grid_size)
    goal_colours = (render.GOAL, render.GOAL_FLOOR)
    for row in (0, grid_size // 2, grid_size - 1):
        assert any(holds(picture, cell_box(row, grid_size - 1, grid_size), rgb) for rgb in goal_colours)
        assert not any(holds(picture, cell_box(row, grid_size - 3, grid_size), rgb) for rgb in goal_colours)


def test_bars_show_delivered_weight_and_time() -> None:
    def width(snapshot: dict[str, Any], row: int, rgb: np.ndarray) -> int:
        return int((render_rgb(snapshot, 20)[row, 6:506] == rgb).all(axis=1).sum())

    quarter = make_snapshot([(0, 0)], [(1, 1, 3), (8, 8, 1)], delivered=(1,), step=30)
    assert width(quarter, 508, render.GOAL) == 125
    assert width(quarter, 3, render.TIME) == 0
    assert width({**quarter, "max_steps": 100}, 3, render.TIME) == 150
    assert width({**quarter, "delivered": np.array([True, True])}, 508, render.GOAL) == 500


@pytest.mark.parametrize("grid_size", [20, 64, 257, 1024])
def test_highlight_marks_one_agent_and_hides_nothing(grid_size: int) -> None:
    snapshot = make_snapshot([(5, 5), (5, 7), (12, 12)], [(7, 5, 1), (2, 8, 2)])
    picture = render_rgb(snapshot, grid_size, highlight=1)
    assert holds(picture, cell_box(5, 7, grid_size), render.SEAT)
    assert not holds(render_rgb(snapshot, grid_size), cell_box(5, 7, grid_size), render.SEAT)
    for row, col in ((5, 5), (12, 12)):
        assert holds(picture, cell_box(row, col, grid_size), render.AGENT)
    assert holds(picture, cell_box(7, 5, grid_size), face_of(1))
    assert holds(picture, cell_box(2, 8, grid_size), face_of(2))


def test_highlighted_agent_lies_on_top_of_a_shared_pixel() -> None:
    picture = render_rgb(make_snapshot([(4, 4), (5, 5)], []), 2000, highlight=0)
    assert picture[7, 7].tolist() == render.SEAT.tolist()


def test_index_numbers_tell_agents_apart() -> None:
    snapshot = make_snapshot([(3, 3), (3, 4), (3, 5)], [])
    picture = render_rgb(snapshot, 20)
    discs = [picture[81:106, 6 + 25 * col : 31 + 25 * col] for col in (3, 4, 5)]
    assert not np.array_equal(discs[0], discs[1])
    assert not np.array_equal(discs[1], discs[2])
    assert all((disc == render.AGENT_INK).all(axis=2).any() for disc in discs)


# Linear-RGB simulation of full protanopia, deuteranopia and tritanopia: Machado, Oliveira and Fernandes, "A
# physiologically-based model for simulation of color vision deficiency", IEEE TVCG 15(6), 2009, severity 1.0.
VISIONS = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(rgb: np.ndarray, vision: str) -> np.ndarray:
    """Return the sRGB colour (0 to 255) that somebody with this colour vision perceives."""
    value = np.asarray(rgb) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ np.asarray(VISIONS[vision]).T, 0, 1)
    return 255 * np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("vision", VISIONS)
def test_agents_blocks_goal_and_floor_differ_for_every_colour_vision(vision: str) -> None:
    agent, goal, floor, seat = (seen(rgb, vision) for rgb in (render.AGENT, render.GOAL, render.FLOOR, render.SEAT))
    for other in [goal, floor, seat, *(seen(face, vision) for face in render.BLOCK_FACES)]:
        assert np.linalg.norm(agent - other) > 70
    for face in render.BLOCK_FACES:
        assert np.linalg.norm(seen(face, vision) - floor) > 70
        assert np.linalg.norm(seen(face, vision) - goal) > 70


def luminance(rgb: np.ndarray) -> float:
    """Return the relative luminance of an sRGB colour (WCAG 2.2)."""
    value = np.asarray(rgb) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_heavier_blocks_are_darker() -> None:
    shades = [luminance(face) for face in render.BLOCK_FACES]
    assert shades == sorted(shades, reverse=True)


@pytest.mark.parametrize("weight", [1, 2, 3, 4, 8, 17, 40])
def test_block_numbers_are_readable(weight: int) -> None:
    picture = render_rgb(make_snapshot([], [(1, 1, weight)]), 42, size=1024)
    top, left, _, _ = cell_box(1, 1, 42, 1024)
    _, _, bottom, right = cell_box(weight, weight, 42, 1024)
    middle = picture[top:bottom, left:right].reshape(-1, 3)
    face = luminance(np.array(face_of(weight)))
    contrast = max(
        (max(luminance(ink), face) + 0.05) / (min(luminance(ink), face) + 0.05)
        for ink in (render.AGENT_INK, render.SEAT)
        if (middle == ink).all(axis=1).any()
    )
    assert contrast >= 3


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"grid_size": 0}, "grid_size=0"),
        ({"grid_size": 20, "size": 8}, "size=8"),
        ({"grid_size": 20, "size": 512.0}, "size=512.0"),
        ({"grid_size": 20, "highlight": 3}, "highlight=3 does not fit: give a whole number from 0 to 2"),
        ({"grid_size": 20, "highlight": -1}, "highlight=-1"),
        ({"grid_size": 15}, "beyond a board of side 15"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        render_rgb(SMALL, **arguments)


def test_text_map_shows_everything_once() -> None:
    snapshot = make_snapshot([(0, 0), (2, 5), (5, 5)], [(1, 1, 3), (0, 4, 1), (4, 2, 1)], (2,), 7)
    lines = render_ansi({**snapshot, "max_steps": 50}, 6).splitlines()
    assert lines[0] == "CUBE 6 x 6, step 7/50, delivered weight 1/5, agents 3"
    assert lines[2:] == ["a...1|", ".3##.|", ".###.b", ".###.|", ".....|", ".....c"]


def test_text_map_writes_long_weights_and_many_agents() -> None:
    agents = [(row, 0) for row in range(60)]
    lines = render_ansi(make_snapshot(agents, [(3, 10, 12)]), 80).splitlines()[2:]
    assert [line[0] for line in lines[:60]] == [*render.AGENT_LETTERS, *["@"] * 8]
    assert lines[3][10:22] == "12##########"
    assert all(line[10:22] == "#" * 12 for line in lines[4:15])
    assert all(len(line) == 80 and line[79] == "|" for line in lines)


@pytest.mark.parametrize(("grid_size", "factor", "side"), [(120, 1, 120), (121, 2, 61), (1024, 9, 114)])
def test_large_text_maps_shrink_and_say_so(grid_size: int, factor: int, side: int) -> None:
    corner = grid_size - 1
    agents = [(0, 0), (corner, corner), (40, 40), (40, 41)]
    text = render_ansi(make_snapshot(agents, [(50, 60, 50), (10, 90, 1)]), grid_size)
    lines = text.splitlines()
    assert text.isascii()
    assert (f"1 character = {factor} x {factor} cells" in text) == (factor > 1)
    board = lines[2 if factor == 1 else 3 :]
    assert [len(line) for line in board] == [side] * side
    assert board[0][0] == "a"
    assert board[-1][-1] == "b"
    assert board[20 // factor][-1] == "|"
    assert board[40 // factor][40 // factor] == ("c" if factor == 1 else "@")
    assert board[10 // factor][90 // factor] == ("1" if factor == 1 else "#")
    assert "50#" in "".join(board)


def test_primitives_clip_shapes_that_leave_the_image() -> None:
    image = np.zeros((12, 9, 3), dtype=np.uint8)
    white = np.full((1, 3), 255, dtype=np.uint8)
    for corner in (-5, 4, 30):
        box = np.array([[corner, corner, corner + 14, corner + 14]], dtype=np.int64)
        raster.fill_boxes(image, box, white)
        raster.outline_boxes(image, box, np.array([3]), white, white)
        raster.numbers(image, box, np.array([8]), 1, white)
        raster.discs(image, np.array([[corner, corner]], dtype=np.float64), np.array([6.0]), white)
    guarded = np.zeros((40, 40, 3), dtype=np.uint8)
    raster.fill_boxes(guarded, np.array([[-3, 10, 4, 60]]), white)
    assert guarded.any(axis=2).sum() == 4 * 30


def test_disc_area_follows_its_radius() -> None:
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    raster.discs(image, np.array([[32.0, 32.0]]), np.array([20.0]), np.full((1, 3), 255, dtype=np.uint8))
    assert image[:, :, 0].sum() / 255 == pytest.approx(np.pi * 400, rel=0.01)
    assert np.array_equal(image, image[::-1])
    assert np.array_equal(image, image.transpose(1, 0, 2))


def test_numbers_grow_with_their_box_and_are_left_out_when_too_small() -> None:
    def ink(side: int, value: int, digits: int = 1) -> int:
        image = np.zeros((80, 80, 3), dtype=np.uint8)
        box = np.array([[2, 2, 2 + side, 2 + side]])
        raster.numbers(image, box, np.array([value]), digits, np.full((1, 3), 255, dtype=np.uint8))
        return int(image.any(axis=2).sum())

    assert ink(4, 8) == 0
    assert 0 < ink(5, 8) < ink(10, 8) < ink(20, 8) == 4 * ink(10, 8)
    assert ink(10, 8, digits=2) == ink(5, 8)
    assert ink(60, 103) == ink(60, 130) == ink(60, 310)
