"""A window on the screen that shows frames and collects key presses, and text as a frame; it knows no environment.

pygame is imported when the first frame is shown, so that everything else works without it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.errors import ConfigError

_MAX_KEYS = 64
_MOST_TYPED = 4 * _MAX_KEYS
_SEND, _CANCEL, _DELETE = ("return", "enter"), "escape", "backspace"
_REPEAT_AFTER_MS, _REPEAT_EVERY_MS = 400, 40
_BACKDROP = (43, 50, 64)
_WAITING_FPS = 30
_MARGIN = 16
_STYLES = {
    "title": (26, (255, 225, 77)),
    "text": (21, (244, 244, 240)),
    "small": (18, (244, 244, 240)),
    "quiet": (18, (160, 170, 190)),
}
"""Height in pixels and colour of a line of text."""
# The screen, the event queue and the keyboard exist once per process, so there is one open window at most.
_open_window: Window | None = None


class Window:
    """Show RGB frames in a resizable window.

    The window opens with the first frame. A person may resize or close it at any time: frames are scaled to fit
    with their proportions kept, and after closing `closed` is True and further frames are ignored. Opening a
    second window in the same process closes the first.

    Args:
        instead: What to do where no window can be opened, for the error.

    Attributes:
        closed: True once the window was closed, by the person or by `close()`; it never opens again.
    """

    def __init__(self, instead: str = 'use render_mode="rgb_array"') -> None:
        self.closed = False
        self._instead = instead
        self._pygame: Any = None
        self._clock: Any = None
        self._picture: Any = None
        self._typed: deque[tuple[str, str]] = deque(maxlen=_MOST_TYPED)

    def show(self, frame: NDArray[np.uint8], caption: str, fps: int) -> None:
        """Show one frame and wait until the next one is due.

        Args:
            frame: Picture, `(height, width, 3)` uint8; copied.
            caption: Title of the window.
            fps: Frames per second to keep; 0 shows frames as fast as they come.

        Raises:
            ConfigError: The frame has another shape or type, `fps` is negative, pygame is not installed, or there is
                no screen to open a window on.
        """
        _check(frame, fps)
        if self.closed:
            return
        if self._pygame is None:
            self._open(frame.shape[1], frame.shape[0])
        pygame = self._pygame
        pygame.display.set_caption(caption)
        self._picture = pygame.image.frombytes(frame.tobytes(), (frame.shape[1], frame.shape[0]), "RGB").convert()
        self._draw()
        self._handle_events()
        self._clock.tick(fps)

    def keys(self) -> list[str]:
        """Return the names of the keys pressed since the last call (`"up"`, `"space"`, `"a"`), oldest first.

        At most the last 64 are kept. Also answers resizing and closing, so calling it in a loop keeps the window
        alive while no new frame is due.
        """
        if self._pygame is not None:
            self._handle_events()
        pressed = [key for key, _ in self._typed if key]
        self._typed.clear()
        return pressed[-_MAX_KEYS:]

    def wait_key(self) -> str:
        """Wait for a key and return its name; empty once the window is closed, or if it never opened.

        Keys pressed before count: a person may type ahead.
        """
        while True:
            key, _ = self._wait_typed()
            if key or self._pygame is None:
                return key

    def wait_until(self, is_over: Callable[[], bool]) -> bool:
        """Keep the window alive until something is over; return False if it is closed before.

        Keys pressed meanwhile are kept.
        """
        while not is_over():
            if self._pygame is None:
                return False
            self._handle_events()
            self._clock.tick(_WAITING_FPS)
        return self._pygame is not None

    def ask_text(self, show: Callable[[str], None], most: int, text: str = "") -> str | None:
        """Let a person type a line: Enter ends it, Escape gives up, Backspace deletes.

        Args:
            show: Called with the text so far, at first and after every change; it shows a frame.
            most: Characters of the text; more are ignored.
            text: What stands there at first.

        Returns:
            The text, None if the person gave up or closed the window, or if it never opened.
        """
        show(text)
        if self._pygame is not None:
            self._pygame.key.set_repeat(_REPEAT_AFTER_MS, _REPEAT_EVERY_MS)
        try:
            while self._pygame is not None:
                key, more = self._wait_typed()
                if key in _SEND:
                    return text
                if key == _CANCEL:
                    return None
                changed = text[:-1] if key == _DELETE else (text + more)[:most]
                if changed != text:
                    text = changed
                    show(text)
        finally:
            if self._pygame is not None:
                self._pygame.key.set_repeat()
        return None

    def _wait_typed(self) -> tuple[str, str]:
        """Wait for a key, or for text, and return both, one of them empty; both are once the window is closed."""
        while self._pygame is not None:
            if self._typed:
                return self._typed.popleft()
            self._handle_events()
            self._clock.tick(_WAITING_FPS)
        return "", ""

    def close(self) -> None:
        """Close the window for good; closing twice, or before the first frame, is fine."""
        global _open_window
        self.closed = True
        if self._pygame is not None:
            self._pygame.display.quit()
            self._pygame = self._picture = None
            _open_window = None

    def _open(self, width: int, height: int) -> None:
        global _open_window
        pygame = _import_pygame(self._instead)
        if _open_window is not None:
            _open_window.close()
        try:
            pygame.display.init()
            pygame.display.set_mode(_opening_size(pygame, width, height), pygame.RESIZABLE)
        except pygame.error as error:
            pygame.display.quit()
            raise ConfigError(
                f"no window can be opened here ({error}): start on a machine with a screen (DISPLAY set, Xvfb "
                f"included), or {self._instead}"
            ) from error
        self._pygame, self._clock, _open_window = pygame, pygame.time.Clock(), self

    def _handle_events(self) -> None:
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self.close()
                return
            if event.type == pygame.KEYDOWN:
                self._typed.append((pygame.key.name(event.key), ""))
            elif event.type == pygame.TEXTINPUT:
                self._typed.append(("", event.text))
            elif event.type in (pygame.VIDEORESIZE, pygame.VIDEOEXPOSE):
                self._draw()

    def _draw(self) -> None:
        """Paint the last frame in the middle of the window, as large as fits."""
        pygame, screen = self._pygame, self._pygame.display.get_surface()
        room, size = screen.get_size(), self._picture.get_size()
        scale = min(room[0] / size[0], room[1] / size[1])
        fitted = (max(round(size[0] * scale), 1), max(round(size[1] * scale), 1))
        # Whole-number enlargement stays crisp; every other factor would drop or double single pixels.
        resize = pygame.transform.scale if scale >= 1 and scale == int(scale) else pygame.transform.smoothscale
        screen.fill(_BACKDROP)
        screen.blit(resize(self._picture, fitted), ((room[0] - fitted[0]) // 2, (room[1] - fitted[1]) // 2))
        pygame.display.flip()


def text_panel(lines: Sequence[tuple[str, str]], height: int, width: int) -> NDArray[np.uint8]:
    """Return lines of text as a picture to put beside a frame.

    Args:
        lines: Style (`title`, `text`, `small` or `quiet`) and text of each. Long ones are broken, what does not fit
            below is left out; tabs divide a line into columns of equal width.
        height, width: Pixels.

    Returns:
        `(height, width, 3)` uint8.

    Raises:
        ConfigError: pygame is not installed.
    """
    pygame = _import_pygame()
    pygame.font.init()
    surface = pygame.Surface((width, height), depth=24)
    surface.fill(_BACKDROP)
    top, room = _MARGIN, width - 2 * _MARGIN
    fonts = {style: pygame.font.Font(None, size) for style, (size, _) in _STYLES.items()}
    parts = ((style, part) for style, text in lines for part in _broken(text, fonts[style], room))
    for style, part in parts:
        size, ink = _STYLES[style]
        if top + size > height:
            break
        columns = part.split("\t")
        for k, column in enumerate(columns):
            surface.blit(fonts[style].render(column, True, ink), (_MARGIN + k * (room // len(columns)), top))
        top += size
    pixels = np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8)
    return pixels.reshape(height, width, 3)


def _broken(text: str, font: Any, width: int) -> list[str]:
    """Break a line at spaces so that every part fits, if its words do."""
    if "\t" in text:
        return [text]
    parts: list[str] = []
    for word in text.split(" "):
        if parts and font.size(f"{parts[-1]} {word}")[0] <= width:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def _check(frame: NDArray[np.uint8], fps: int) -> None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise ConfigError(f"a frame of {got} does not fit: give an array (height, width, 3) of uint8")
    if frame.size == 0:
        raise ConfigError(f"a frame of shape {frame.shape} has no pixels: give at least 1 x 1")
    if fps < 0:
        raise ConfigError(f"fps={fps!r} does not fit: give frames per second, or 0 for no limit")


def _import_pygame(instead: str = "") -> Any:
    # Its greeting would otherwise land in the output of every command that shows a window.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        way = 'run pip install "emcoop[window]"' + (f", or {instead}" if instead else "")
        raise ConfigError(f"a window needs pygame, which is not installed: {way}") from error
    return pygame


def _opening_size(pygame: Any, width: int, height: int) -> tuple[int, int]:
    """Return the frame's own size, shrunk to nine tenths of the screen if it is larger than that."""
    screen_width, screen_height = pygame.display.get_desktop_sizes()[0]
    scale = min(0.9 * screen_width / width, 0.9 * screen_height / height, 1.0)
    return max(int(width * scale), 1), max(int(height * scale), 1)
