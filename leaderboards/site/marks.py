"""Small drawings of the site as inline SVG, made of numbers only; each says in words what it shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from emcoop.leaderboards.comparing import Cell, cell_label
from emcoop.metrics.report.style import interval, number
from emcoop.metrics.statistics import Estimate

HEAT = ("#768c9a", "#65849a", "#517994", "#3a6c8b", "#255c7c", "#124866", "#052e46")
"""From the random team to the oracle; the height of a bar says the same."""
FURTHEST = 1.0
"""How far beyond the ends of the scale drawings go."""
STRIP_CELL, STRIP_HEIGHT, STRIP_COLUMNS = 8, 22, 18

Domain = tuple[float, float]
UNIT: Domain = (0.0, 1.0)

_SHAPES = {
    -1: '<circle cx="8" cy="8" r="6" fill="none" stroke-dasharray="2.4 2.4"/>',
    0: '<circle cx="8" cy="8" r="6" fill="none"/>',
    1: '<path d="M8 2 L14.4 13.4 L1.6 13.4 Z" fill="none"/>',
    2: '<path d="M2.2 2.2 H13.8 V13.8 H2.2 Z" class="full"/>',
    3: '<path d="M8 .8 L10.2 5.7 L15.4 6.2 L11.5 9.8 L12.6 15 L8 12.3 L3.4 15 L4.5 9.8 L.6 6.2 L5.8 5.7 Z"'
    ' class="full"/>',
}


def badge(level: int) -> Markup:
    """Draw the badge of a level: another shape for each, the fuller the more it says."""
    return Markup(f'<svg class="badge" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">'
                  f"{_SHAPES[level]}</svg>")  # fmt: skip


def domain(estimates: Iterable[Estimate]) -> Domain:
    """Return the range that shows all values, the random team and the oracle; far-off values do not squeeze it."""
    values = [value for e in estimates for value in (e.value, e.low, e.high) if math.isfinite(value)]
    low, high = min([0.0, *values]), max([1.0, *values])
    return max(low, -FURTHEST), min(high, 1.0 + FURTHEST)


def whisker(estimate: Estimate, of: Domain = UNIT, filled: bool = True, ends: str = "random and oracle") -> Markup:
    """Draw a value as a dot with its interval, between lines at 0 and 1; nothing if there is none.

    Args:
        estimate: The value.
        of: Range that is drawn.
        filled: Whether the dot is full.
        ends: What 0 and 1 are.
    """
    if not math.isfinite(estimate.value):
        return Markup("")
    width, height, margin = 150.0, 20.0, 7.0
    low, high = of

    def x(value: float) -> str:
        inside = min(max(value, low), high)
        return f"{margin + (width - 2 * margin) * (inside - low) / (high - low):.2f}"

    parts = [
        f'<path class="axis" d="M{x(low)} 10 H{x(high)}"/>',
        *(f'<path class="end" d="M{x(end)} 2 V18"/>' for end in (0.0, 1.0)),
    ]
    if math.isfinite(estimate.low):
        left, right = x(estimate.low), x(estimate.high)
        parts.append(f'<path class="arm" d="M{left} 10 H{right} M{left} 5 V15 M{right} 5 V15"/>')
    kind = "dot" if filled else "dot open"
    parts.append(f'<circle class="{kind}" cx="{x(estimate.value)}" cy="10" r="3.2"/>')
    label = escape(f"{interval(estimate, 2)} on a scale from 0 to 1 ({ends})")
    return Markup(f'<svg class="whisker" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{label}">'
                  f"{''.join(parts)}</svg>")  # fmt: skip


def strip(order: Sequence[Cell], cells: dict[Cell, Estimate]) -> Markup:
    """Draw one bar per cell, in the same order for every submission."""
    columns = min(max(len(order), 1), STRIP_COLUMNS)
    rows = math.ceil(len(order) / columns)
    bars = [_bar(cells.get(cell), cell, i % columns, i // columns) for i, cell in enumerate(order)]
    width, height = columns * STRIP_CELL, rows * (STRIP_HEIGHT + 3)
    known = [e.value for e in cells.values() if math.isfinite(e.value)]
    told = f", from {number(min(known), 2)} to {number(max(known), 2)}" if known else ""
    label = f"{len(order)} cells{told}"
    return Markup(f'<svg class="strip" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
                  f'aria-label="{label}">{"".join(bars)}</svg>')  # fmt: skip


def _bar(estimate: Estimate | None, cell: Cell, column: int, row: int) -> str:
    left, top = column * STRIP_CELL + 0.5, row * (STRIP_HEIGHT + 3) + 0.5
    box = f'x="{left}" y="{top}" width="{STRIP_CELL - 2}" height="{STRIP_HEIGHT}"'
    if estimate is None or not math.isfinite(estimate.value):
        return f'<rect {box} class="absent"><title>{escape(cell_label(cell))}: n/a</title></rect>'
    share = min(max(estimate.value, 0.0), 1.0)
    tall = max(share * STRIP_HEIGHT, 1.5)
    shade = HEAT[min(int(share * len(HEAT)), len(HEAT) - 1)]
    bar = f'x="{left}" y="{top + STRIP_HEIGHT - tall:.2f}" width="{STRIP_CELL - 2}" height="{tall:.2f}"'
    title = escape(f"{cell_label(cell)}: {interval(estimate, 2)}")
    return f'<g><title>{title}</title><rect {box} class="ground"/><rect {bar} fill="{shade}"/></g>'
