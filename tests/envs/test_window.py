"""The window: what is shown, what a person does to it, and what happens where there is none."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emcoop.envs.window import Window
from emcoop.errors import ConfigError


def make_frame(height: int = 40, width: int = 60) -> np.ndarray:
    """Return a frame whose pixels all differ from black, with another colour in every quarter."""
    frame = np.full((height, width, 3), 60, dtype=np.uint8)
    frame[: height // 2, : width // 2, 0] = 250
    frame[: height // 2, width // 2 :, 1] = 240
    frame[height // 2 :, : width // 2, 2] = 230
    return frame


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    pytest.importorskip("pygame", reason="the window needs pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    opened = Window()
    yield opened
    opened.close()


def screen_pixels() -> np.ndarray:
    import pygame

    return pygame.surfarray.array3d(pygame.display.get_surface()).transpose(1, 0, 2)


def post(kind: str, **attributes: Any) -> None:
    import pygame

    pygame.event.post(pygame.event.Event(getattr(pygame, kind), **attributes))


def test_nothing_opens_before_the_first_frame(window: Window) -> None:
    assert window.keys() == []
    assert not window.closed
    window.close()
    assert window.closed


def test_shows_the_frame_pixel_by_pixel_under_its_caption(window: Window) -> None:
    import pygame

    frame = make_frame()
    window.show(frame, "three agents", 0)
    assert np.array_equal(screen_pixels(), frame)
    assert pygame.display.get_caption()[0] == "three agents"
    window.show(frame[::-1], "upside down", 0)
    assert np.array_equal(screen_pixels(), frame[::-1])
    assert pygame.display.get_caption()[0] == "upside down"


def test_later_changes_of_the_array_do_not_reach_the_screen(window: Window) -> None:
    frame = make_frame()
    window.show(frame, "", 0)
    frame[:] = 0
    post("VIDEOEXPOSE")
    window.keys()
    assert np.array_equal(screen_pixels(), make_frame())


def test_resizing_keeps_proportions_and_repaints_without_a_new_frame(window: Window) -> None:
    import pygame

    window.show(make_frame(), "", 0)
    pygame.display.set_mode((120, 200), pygame.RESIZABLE)
    post("VIDEORESIZE", size=(120, 200), w=120, h=200)
    window.keys()
    pixels = screen_pixels()
    enlarged = make_frame().repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(pixels[60:140], enlarged)
    assert len(np.unique(pixels[:60].reshape(-1, 3), axis=0)) == 1
    assert np.array_equal(pixels[:60], pixels[140:])


def test_frames_of_another_size_are_fitted_into_the_same_window(window: Window) -> None:
    window.show(make_frame(), "", 0)
    window.show(make_frame(400, 600), "", 0)
    assert screen_pixels().shape == (40, 60, 3)
    assert np.abs(screen_pixels()[5:15, 5:25].astype(int) - make_frame()[5:15, 5:25]).max() <= 4


def test_frames_larger_than_the_screen_open_a_smaller_window(window: Window) -> None:
    import pygame

    window.show(make_frame(6000, 3000), "", 0)
    height, width, _ = screen_pixels().shape
    desktop_width, desktop_height = pygame.display.get_desktop_sizes()[0]
    assert height <= desktop_height
    assert width <= desktop_width
    assert height == pytest.approx(2 * width, abs=2)


def test_keys_come_by_name_in_order_and_once(window: Window) -> None:
    import pygame

    window.show(make_frame(), "", 0)
    for key in (pygame.K_UP, pygame.K_SPACE, pygame.K_a):
        post("KEYDOWN", key=key)
        post("KEYUP", key=key)
    window.show(make_frame(), "", 0)
    post("KEYDOWN", key=pygame.K_LEFT)
    assert window.keys() == ["up", "space", "a", "left"]
    assert window.keys() == []


def test_keys_nobody_reads_do_not_pile_up(window: Window) -> None:
    import pygame

    window.show(make_frame(), "", 0)
    for key in [pygame.K_a] * 100 + [pygame.K_b]:
        post("KEYDOWN", key=key)
    pressed = window.keys()
    assert len(pressed) == 64
    assert pressed[-1] == "b"


@pytest.mark.parametrize("notice", ["show", "keys"])
def test_closing_by_the_person_is_noticed_and_final(window: Window, notice: str) -> None:
    import pygame

    window.show(make_frame(), "", 0)
    post("QUIT")
    if notice == "show":
        window.show(make_frame(), "", 0)
    else:
        window.keys()
    assert window.closed
    assert not pygame.display.get_init()
    window.show(make_frame(), "", 0)
    assert not pygame.display.get_init()
    assert window.keys() == []


def test_a_second_window_takes_over(window: Window) -> None:
    second = Window()
    window.show(make_frame(), "first", 0)
    second.show(make_frame(30, 30), "second", 0)
    assert window.closed
    assert not second.closed
    window.close()
    assert screen_pixels().shape == (30, 30, 3)
    second.close()


def test_keeps_the_frame_rate(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    class Clock:
        def tick(self, fps: float) -> int:
            asked.append(fps)
            return 0

    import pygame

    monkeypatch.setattr(pygame.time, "Clock", Clock)
    for fps in (30, 0, 5):
        window.show(make_frame(), "", fps)
    assert asked == [30, 0, 5]


@pytest.mark.parametrize(
    ("frame", "fps", "named"),
    [
        (np.zeros((4, 4), dtype=np.uint8), 0, r"uint8 \(4, 4\)"),
        (np.zeros((4, 4, 3)), 0, "float64"),
        ([[1, 2, 3]], 0, "list"),
        (np.zeros((0, 4, 3), dtype=np.uint8), 0, "no pixels"),
        (np.zeros((4, 4, 3), dtype=np.uint8), -1, "fps=-1"),
    ],
)
def test_bad_frames_are_named(window: Window, frame: Any, fps: int, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        window.show(frame, "", fps)


def test_missing_pygame_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ConfigError, match=r'pip install "emcoop\[window\]"'):
        Window().show(make_frame(), "", 0)


def test_missing_screen_says_what_to_do(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "no_such_driver")
    with pytest.raises(ConfigError, match="rgb_array"):
        window.show(make_frame(), "", 0)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window.show(make_frame(), "", 0)
    assert np.array_equal(screen_pixels(), make_frame())


def test_importing_the_module_does_not_import_pygame() -> None:
    code = "import sys, emcoop.envs.window; sys.exit('pygame' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def screen_of(dump: Path) -> np.ndarray:
    """Return the screen `(height, width, 3)` that Xvfb keeps in an XWD file (32 bits per pixel, 24 used)."""
    raw = dump.read_bytes()
    header = struct.unpack(">25I", raw[:100])
    header_size, width, height, byte_order = header[0], header[4], header[5], header[7]
    bits_per_pixel, bytes_per_line, colour_count = header[11], header[12], header[19]
    assert bits_per_pixel == 32
    assert byte_order == 0
    start = header_size + 12 * colour_count
    rows = np.frombuffer(raw, dtype=np.uint8, count=height * bytes_per_line, offset=start)
    return rows.reshape(height, bytes_per_line)[:, : 4 * width].reshape(height, width, 4)[:, :, 2::-1]


@pytest.fixture
def xvfb_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start an X server without a monitor; gives the file in which it keeps its screen."""
    pytest.importorskip("pygame", reason="the window needs pygame")
    binary = shutil.which("Xvfb")
    if binary is None:
        pytest.skip("Xvfb is not installed (apt-get install xvfb)")
    reading, writing = os.pipe()
    command = [binary, "-displayfd", str(writing), "-screen", "0", "1024x768x24", "-fbdir", str(tmp_path)]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"], pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="ascii") as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        monkeypatch.setenv("DISPLAY", f":{number}")
        monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
        yield tmp_path / "Xvfb_screen0"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.mark.slow
def test_the_picture_is_on_a_real_screen(xvfb_screen: Path) -> None:
    from emcoop.envs.cube.render import render_rgb

    snapshot = {
        "agents": np.array([[0, 0], [7, 3], [12, 19]]),
        "block_positions": np.array([[2, 2], [10, 12]]),
        "block_weights": np.array([5, 2]),
        "delivered": np.array([False, False]),
        "step": 3,
    }
    window = Window()
    try:
        for highlight in (None, 1):
            frame = render_rgb(snapshot, 20, highlight=highlight)
            assert is_shown(window, frame, xvfb_screen)
        before = screen_of(xvfb_screen)
    finally:
        window.close()
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 10


def is_shown(window: Window, frame: np.ndarray, dump: Path) -> bool:
    """Show a frame until the screen holds it somewhere, for at most 100 frames at 20 frames per second."""
    height, width, _ = frame.shape
    for _ in range(100):
        window.show(frame, "EmCoop", 20)
        screen = screen_of(dump)
        corners = np.argwhere((screen[: 1 - height or None, : 1 - width or None] == frame[0, 0]).all(axis=2))
        for top, left in corners[:200]:
            if np.array_equal(screen[top : top + height, left : left + width], frame):
                return True
    return False
