"""Generic drawing primitives on `(height, width, 3)` uint8 images, shared by the environments' renderers.

Nothing in here knows a world: CUBE draws with it, and MA-Crafter its numbers. Every primitive takes whole arrays of
shapes (one call per kind of shape and frame, not one per shape), paints in the given order, so later rows lie on top,
and clips to the image, so a shape partly or fully outside is legal. Coordinates are pixels, row first; a box is `(top,
left, bottom, right)` with the last two exclusive. Images, boxes and colours must be C-contiguous and of the stated
types: each kernel is then compiled once and cached.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.kernels import kernel

Image = NDArray[np.uint8]
Boxes = NDArray[np.int64]
Colours = NDArray[np.uint8]

# The digits 0-9 as pictures: a bold font of 10 x 6 pixels, which is scaled, and a small one of 5 x 3.
_BOLD = (
    ".####. ..##.. .####. .####. ...##. ###### .####. ###### .####. .####.",
    "###### .###.. ###### ###### ..###. ###### ###### ###### ###### ######",
    "##..## ####.. ##..## ##..## ..###. ##.... ##..## ....## ##..## ##..##",
    "##..## ..##.. ....## ....## .####. #####. ##.... ...##. ##..## ##..##",
    "##..## ..##.. ...### ..###. .#.##. ###### #####. ...##. .####. ######",
    "##..## ..##.. ..###. ..###. ##.##. ....## ###### ..##.. .####. .#####",
    "##..## ..##.. .###.. ....## ###### ....## ##..## ..##.. ##..## ....##",
    "##..## ..##.. ###... ##..## ###### ##..## ##..## ..##.. ##..## ##..##",
    "###### ###### ###### ###### ...##. ###### ###### .##... ###### ######",
    ".####. ###### ###### .####. ...##. .####. .####. .##... .####. .####.",
)
_SMALL = (
    "### .#. ### ### #.# ### ### ### ### ###",
    "#.# ##. ..# ..# #.# #.. #.. ..# #.# #.#",
    "#.# .#. ### .## ### ### ### .#. ### ###",
    "#.# .#. #.. ..# ..# ..# #.# .#. #.# ..#",
    "### ### ### ### ..# ### ### .#. ### ###",
)


def _glyphs(picture: tuple[str, ...]) -> NDArray[np.bool_]:
    """Turn a digit picture into an array `(10, 10, 6)`, True where ink is; small digits sit top-left."""
    glyphs = np.zeros((10, 10, 6), dtype=np.bool_)
    for row, line in enumerate(picture):
        for digit, pixels in enumerate(line.split()):
            glyphs[digit, row, : len(pixels)] = [pixel == "#" for pixel in pixels]
    return glyphs


_GLYPHS = np.stack([_glyphs(_BOLD), _glyphs(_SMALL)])
_FONT_SIZES = np.array([[10, 6], [5, 3]], dtype=np.int64)


def colour(code: str) -> Colours:
    """Return the RGB triple `(3,)` uint8 of a code such as `"#D55E00"`."""
    return np.frombuffer(bytes.fromhex(code.removeprefix("#")), dtype=np.uint8)


def cell_edges(cells: int, start: int, length: int) -> NDArray[np.int64]:
    """Return where cells begin when `cells` of them share `length` pixels from pixel `start` on.

    Args:
        cells: Number of cells, at least 1.
        start: Pixel at which cell 0 begins.
        length: Pixels shared by all cells; fewer than `cells` is fine, then several cells share a pixel.

    Returns:
        `(cells + 1,)` int64; cell `i` covers pixels `edges[i]` up to `max(edges[i] + 1, edges[i + 1])`.
    """
    return start + np.arange(cells + 1, dtype=np.int64) * length // cells


@kernel
def fill_boxes(image: Image, boxes: Boxes, colours: Colours) -> None:
    """Paint filled boxes: `boxes` `(m, 4)`, `colours` `(m, 3)`."""
    for i in range(boxes.shape[0]):
        top, left = max(boxes[i, 0], 0), max(boxes[i, 1], 0)
        bottom, right = min(boxes[i, 2], image.shape[0]), min(boxes[i, 3], image.shape[1])
        if top >= bottom or left >= right:
            continue
        for column in range(left, right):
            for channel in range(3):
                image[top, column, channel] = colours[i, channel]
        # Whole rows are copied as plain memory, several times faster than pixel by pixel.
        pattern = image[top, left:right].reshape(3 * (right - left))
        for row in range(top + 1, bottom):
            target = image[row, left:right].reshape(3 * (right - left))
            for k in range(pattern.size):
                target[k] = pattern[k]


@kernel
def outline_boxes(image: Image, boxes: Boxes, widths: NDArray[np.int64], lit: Colours, shaded: Colours) -> None:
    """Paint frames inside boxes, mitred: top and left in `lit`, bottom and right in `shaded`.

    Over a filled box this gives a bevelled tile; with `lit` equal to `shaded` it is a plain outline.

    Args:
        image: `(height, width, 3)`, painted in place.
        boxes: `(m, 4)` pixels.
        widths: `(m,)` thickness of the frame in pixels, 0 for none.
        lit: `(m, 3)` colour of the top and left sides.
        shaded: `(m, 3)` colour of the bottom and right sides.
    """
    height, width = image.shape[0], image.shape[1]
    for i in range(boxes.shape[0]):
        for ring in range(widths[i]):
            top, left = boxes[i, 0] + ring, boxes[i, 1] + ring
            bottom, right = boxes[i, 2] - ring - 1, boxes[i, 3] - ring - 1
            if bottom < top or right < left:
                break
            for column in range(max(left, 0), min(right + 1, width)):
                for channel in range(3):
                    if 0 <= bottom < height:
                        image[bottom, column, channel] = shaded[i, channel]
                    if 0 <= top < height and column < right:
                        image[top, column, channel] = lit[i, channel]
            for row in range(max(top, 0), min(bottom + 1, height)):
                for channel in range(3):
                    if 0 <= right < width:
                        image[row, right, channel] = shaded[i, channel]
                    if 0 <= left < width and row < bottom:
                        image[row, left, channel] = lit[i, channel]


@kernel
def discs(image: Image, centres: NDArray[np.float64], radii: NDArray[np.float64], colours: Colours) -> None:
    """Paint filled discs with smooth rims.

    Args:
        image: `(height, width, 3)`, painted in place.
        centres: `(m, 2)` (row, column) in pixels; 0.0 is the outer edge of pixel 0, 0.5 its middle.
        radii: `(m,)` pixels.
        colours: `(m, 3)`.
    """
    for i in range(centres.shape[0]):
        middle_row, middle_column, radius = centres[i, 0], centres[i, 1], radii[i]
        top, bottom = max(int(middle_row - radius - 1), 0), min(int(middle_row + radius + 2), image.shape[0])
        left = max(int(middle_column - radius - 1), 0)
        right = min(int(middle_column + radius + 2), image.shape[1])
        for row in range(top, bottom):
            for column in range(left, right):
                squared = (row + 0.5 - middle_row) ** 2 + (column + 0.5 - middle_column) ** 2
                if squared >= (radius + 0.5) ** 2:
                    continue
                cover = min(radius + 0.5 - np.sqrt(squared), 1.0)
                for channel in range(3):
                    under = float(image[row, column, channel])
                    mixed = under + cover * (colours[i, channel] - under)
                    image[row, column, channel] = np.uint8(mixed + 0.5)


@kernel
def fit_font(height: int, width: int, digits: int) -> tuple[int, int]:
    """Return (font, scale) for a number of so many digits: bold as large as fits, else small; scale 0 if none fits."""
    for font in range(2):
        high, wide = _FONT_SIZES[font]
        scale = min(height // high, width // (digits * (wide + 1) - 1))
        if scale > 0:
            return font, scale
    return 0, 0


@kernel
def count_digits(value: int) -> int:
    """Return how many digits a number has, 0 or larger."""
    length, rest = 1, value // 10
    while rest > 0:
        length, rest = length + 1, rest // 10
    return length


@kernel
def _digit(image: Image, top: int, left: int, font: int, scale: int, digit: int, ink: Colours) -> None:
    high, wide = _FONT_SIZES[font]
    for row in range(max(top, 0), min(top + high * scale, image.shape[0])):
        for column in range(max(left, 0), min(left + wide * scale, image.shape[1])):
            if _GLYPHS[font, digit, (row - top) // scale, (column - left) // scale]:
                for channel in range(3):
                    image[row, column, channel] = ink[channel]


@kernel
def text_size(font: int, scale: int, length: int) -> tuple[int, int]:
    """Return (height, width) in pixels of a number of `length` digits."""
    high, wide = _FONT_SIZES[font]
    return high * scale, (length * (wide + 1) - 1) * scale


@kernel
def write_number(image: Image, top: int, left: int, font: int, scale: int, value: int, ink: Colours) -> None:
    """Write one whole number with its top left corner at a pixel; `ink` `(3,)`, `font` and `scale` of `fit_font`."""
    length, rest = count_digits(value), value
    for place in range(length - 1, -1, -1):
        _digit(image, top, left + place * (_FONT_SIZES[font, 1] + 1) * scale, font, scale, rest % 10, ink)
        rest //= 10


@kernel
def numbers(image: Image, boxes: Boxes, values: NDArray[np.int64], digits: int, colours: Colours) -> None:
    """Write whole numbers in the middle of boxes, as large as fits; what does not fit is left out.

    Args:
        image: `(height, width, 3)`, painted in place.
        boxes: `(m, 4)` room for each number, in pixels.
        values: `(m,)` numbers, 0 or larger.
        digits: Size every number as if it had at least this many digits, so that 3 and 12 look alike.
        colours: `(m, 3)` ink.
    """
    for i in range(boxes.shape[0]):
        length = count_digits(values[i])
        height, width = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        font, scale = fit_font(height, width, max(length, digits))
        if scale == 0:
            continue
        high, wide = text_size(font, scale, length)
        top, left = boxes[i, 0] + (height - high) // 2, boxes[i, 1] + (width - wide) // 2
        write_number(image, top, left, font, scale, values[i], colours[i])
