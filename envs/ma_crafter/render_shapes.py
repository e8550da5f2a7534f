"""A small language for pictures: layers of simple shapes on the unit square, drawn at any number of pixels.

`x` runs right and `y` down, both from 0 to 1. A picture is a list of layers, later ones on top. Each layer says from
and up to which size it is drawn: fine detail only blurs a picture of 7 pixels, which gets bolder shapes instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Coordinates = NDArray[np.float64]
Shape = Callable[[Coordinates, Coordinates], NDArray[np.bool_]]
Point = tuple[float, float]

SMALL = 12
"""Sides below this many pixels count as small."""
_NO_LIMIT = 10**6


@dataclass(frozen=True)
class Layer:
    """A shape in one colour.

    Attributes:
        shape: Says which points are inside.
        ink: Colour code, or a name that `draw` looks up in its `inks`.
        least, most: Sides of the picture, in pixels, at which the layer is drawn.
    """

    shape: Shape
    ink: str
    least: int = 0
    most: int = _NO_LIMIT


Picture = Sequence[Layer]


def fine(ink: str, *shapes: Shape, least: int = SMALL) -> Layer:
    """Return a layer of detail that only pictures of at least `least` pixels have."""
    return Layer(union(*shapes), ink, least=least)


def bold(ink: str, *shapes: Shape) -> Layer:
    """Return a layer that only small pictures have."""
    return Layer(union(*shapes), ink, most=SMALL - 1)


def always(ink: str, *shapes: Shape) -> Layer:
    """Return a layer that pictures of every size have."""
    return Layer(union(*shapes), ink)


def union(*shapes: Shape) -> Shape:
    """Return what is inside any of the shapes."""
    return lambda x, y: np.logical_or.reduce([shape(x, y) for shape in shapes])


def ellipse(cx: float, cy: float, rx: float, ry: float | None = None) -> Shape:
    """Return an ellipse; with one radius, a disc."""
    height = rx if ry is None else ry
    return lambda x, y: ((x - cx) / rx) ** 2 + ((y - cy) / height) ** 2 <= 1


def box(left: float, top: float, right: float, bottom: float, corner: float = 0.0) -> Shape:
    """Return a rectangle with corners rounded by a radius."""

    def inside(x: Coordinates, y: Coordinates) -> NDArray[np.bool_]:
        beyond_x = np.maximum(np.maximum(left + corner - x, x - right + corner), 0)
        beyond_y = np.maximum(np.maximum(top + corner - y, y - bottom + corner), 0)
        return np.asarray(beyond_x**2 + beyond_y**2 <= corner**2)

    return inside


def polygon(*points: Point) -> Shape:
    """Return the polygon through the points (even-odd rule)."""

    def inside(x: Coordinates, y: Coordinates) -> NDArray[np.bool_]:
        odd = np.zeros(np.broadcast(x, y).shape, np.bool_)
        for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
            if y0 != y1:
                odd ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        return odd

    return inside


def stroke(width: float, *points: Point) -> Shape:
    """Return a line through the points with round ends."""

    def inside(x: Coordinates, y: Coordinates) -> NDArray[np.bool_]:
        near = np.zeros(np.broadcast(x, y).shape, np.bool_)
        for (x0, y0), (x1, y1) in pairwise(points):
            length = (x1 - x0) ** 2 + (y1 - y0) ** 2
            along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1)
            near |= (x - x0 - along * (x1 - x0)) ** 2 + (y - y0 - along * (y1 - y0)) ** 2 <= (width / 2) ** 2
        return near

    return inside


def turned(shape: Shape, quarters: int) -> Shape:
    """Return a shape turned clockwise about the middle by quarters of a full turn."""
    if quarters % 4 == 0:
        return shape
    return turned(lambda x, y: shape(y, 1 - x), quarters - 1)


def mirrored(picture: Picture) -> list[Layer]:
    """Return a picture with left and right exchanged."""

    def mirror(shape: Shape) -> Shape:
        return lambda x, y: shape(1 - x, y)

    return [Layer(mirror(layer.shape), layer.ink, layer.least, layer.most) for layer in picture]


def draw(picture: Picture, side: int, inks: Mapping[str, str] | None = None) -> NDArray[np.float64]:
    """Draw a picture, smoothing its edges by looking at many points of every pixel.

    Args:
        picture: Layers, bottom first.
        side: Pixels.
        inks: Colour codes of the names used in place of codes.

    Returns:
        `(side, side, 4)`: red, green, blue from 0 to 255, already multiplied by the last, cover from 0 to 1.
    """
    layers = [layer for layer in picture if layer.least <= side <= layer.most]
    points = 8 if side <= 24 else 4
    at = (np.arange(side * points) + 0.5) / (side * points)
    x, y = at[None, :], at[:, None]
    top = np.zeros((side * points, side * points), np.uint8)
    for number, layer in enumerate(layers, start=1):
        top[np.broadcast_to(layer.shape(x, y), top.shape)] = number
    colours = np.zeros((len(layers) + 1, 4))
    for number, layer in enumerate(layers, start=1):
        code = (inks or {}).get(layer.ink, layer.ink)
        colours[number] = [*bytes.fromhex(code.removeprefix("#")), 1]
    samples = colours[top].reshape(side, points, side, points, 4)
    return np.asarray(samples.mean(axis=(1, 3)))
