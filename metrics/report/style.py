"""How figures and numbers look: palette, fonts, files, text of an estimate.

matplotlib is imported when something is drawn, and used through its object interface only.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emcoop.metrics.report.rows import BASELINE, ordered
from emcoop.metrics.resampling import FloatArray
from emcoop.metrics.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with every common form of colour blindness; grey is kept for the baseline.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#595959"
LIGHT = "#D9D9D9"
INK = "#1A1A1A"
MARKERS = ("s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\")
CONSTRAINTS = {
    "dependency": PALETTE[4],
    "participation": PALETTE[0],
    "spatial": PALETTE[2],
    "temporal": PALETTE[1],
    "other": LIGHT,
}
CONSTRAINT_HATCHES = {
    "dependency": "", "participation": "////", "spatial": "....", "temporal": "xxxx", "other": "\\\\",
}  # fmt: skip
WIDTH = 7.2
"""Inches: a page of A4 without its margins, so that print does not shrink the text."""
SMALL = 7.5
"""Points; no text is smaller."""

NOT_APPLICABLE = "n/a"
MINUS = "−"


@dataclass(frozen=True)
class Look:
    """Colour, marker and dashes of one line."""

    color: str
    marker: str
    line: str = "-"


@dataclass(frozen=True)
class Drawn:
    """A figure of the report.

    Attributes:
        name: Stem of its files.
        question: What it answers; its title.
        caption: How to read it, what was pooled, and how many episodes stand behind a point.
        figure: The figure, or None where there is nothing to draw.
        absent: Why there is nothing to draw, and what to run.
    """

    name: str
    question: str
    caption: str = ""
    figure: Figure | None = None
    absent: str = ""


def looks(topologies: Sequence[str]) -> dict[str, Look]:
    """Give every topology its colour and marker, the same in all figures."""
    others = [name for name in ordered("topology", topologies) if name != BASELINE]
    found = {
        name: Look(PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)], LINES[i % len(LINES)])
        for i, name in enumerate(others)
    }
    return {BASELINE: Look(GREY, "o", ":")} | found


def planner_colors(planners: Sequence[str]) -> dict[str, str]:
    """Give every planner its colour; the random one is grey."""
    others = [name for name in ordered("planner", planners) if name != "random"]
    return {"random": GREY} | {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(others)}


def shades(count: int) -> list[str]:
    """Return colours from light to dark for an ordered quantity, readable without colour."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["cividis"](0.92 - 0.85 * i / max(1, count - 1))) for i in range(count)]


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with the report's settings, leaving matplotlib's own untouched."""
    import matplotlib

    settings: Any = {
        "font.family": ["DejaVu Sans"],
        "font.size": 8.5,
        "axes.titlesize": 8.5,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#8A8A8A",
        "axes.axisbelow": True,
        "axes.grid": False,
        "grid.color": "#E4E4E4",
        "grid.linewidth": 0.7,
        "text.parse_math": False,  # names of planners may hold dollar signs
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "hatch.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "figure.constrained_layout.use": True,
        "svg.fonttype": "path",
        "svg.hashsalt": "emcoop",
        "pdf.fonttype": 42,  # many journals refuse the default, type 3
    }
    with matplotlib.rc_context(settings):
        yield


def canvas(question: str, height: float, rows: int = 1, columns: int = 1, **kwargs: Any) -> tuple[Figure, Any]:
    """Open a figure titled by its question; return it and its axes, an array of shape (rows, columns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    figure.suptitle(textwrap.fill(question, 82), x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str], title: str = "") -> None:
    """Put one legend for all panels under them."""
    longest = max((len(label) for label in labels), default=1)
    columns = max(1, min(len(labels), int(100 / (longest + 6))))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, title=title or None, alignment="left")


def whiskers(estimates: Sequence[Estimate]) -> FloatArray:
    """Return the arms of error bars, shape (2, k); no arm where there is no interval."""
    arms = [(e.value - e.low, e.high - e.value) if math.isfinite(e.low) else (0.0, 0.0) for e in estimates]
    return np.clip(np.array(arms, dtype=np.float64).reshape(-1, 2).T, 0.0, None)


def save(drawn: Drawn, folder: Path) -> str:
    """Write a figure as PNG and PDF and return it as SVG text; same figure, same bytes."""
    figure = drawn.figure
    if figure is None:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{drawn.name}.png", dpi=150, metadata={"Software": None})
    figure.set_layout_engine("none")  # keeps the layout just found, which is slow to find again
    figure.savefig(folder / f"{drawn.name}.pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def number(value: float, digits: int = 3, signed: bool = False) -> str:
    """Write a number with a typographic minus; `n/a` for NaN."""
    if not math.isfinite(value):
        return NOT_APPLICABLE
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", MINUS) if float(text) else f"{0:.{digits}f}"


def interval(estimate: Estimate, digits: int = 3, signed: bool = False) -> str:
    """Write an estimate with its interval: `0.612 [0.590, 0.633]`."""
    if not math.isfinite(estimate.value):
        return NOT_APPLICABLE
    value = number(estimate.value, digits, signed)
    if not math.isfinite(estimate.low):
        return f"{value} [no interval]"
    return f"{value} [{number(estimate.low, digits, signed)}, {number(estimate.high, digits, signed)}]"


def percent(estimate: Estimate) -> str:
    """Write a share with its interval: `52 % [48, 57]`."""
    if not math.isfinite(estimate.value):
        return NOT_APPLICABLE
    if not math.isfinite(estimate.low):
        return f"{100 * estimate.value:.0f} % [no interval]"
    return f"{100 * estimate.value:.0f} % [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def p_value(p: float) -> str:
    """Write a p-value: `= 0.012`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"= {number(p)}"


def counts(values: Iterable[float]) -> str:
    """Write how many episodes stand behind the points: `15 episodes`, `12 to 15 episodes`."""
    known = [int(value) for value in values]
    low, high = min(known), max(known)
    noun = "episode" if high == 1 else "episodes"
    return f"{high} {noun}" if low == high else f"{low} to {high} {noun}"


def listing(names: Sequence[str], word: str = "and") -> str:
    """Write names as `a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}" if quoted else "none"
