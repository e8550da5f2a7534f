"""Texts of the site: counts, badges, addresses that are safe, how to cite."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from emcoop.baselines.schema import Suite
from emcoop.leaderboards.board import Standing, SuiteBoard
from emcoop.leaderboards.comparing import Cell
from emcoop.version import __version__

BADGES = {
    -1: ("not verified", "Nobody has checked it, or it was changed after it was checked."),
    0: ("files complete", "Every cell and every seed is there once, in the schema, with the hashes that were frozen."),
    1: ("replayed", "Every episode was carried out again from its seed: same states, same score, same metrics."),
    2: ("re-run", "The whole loop was run again on the logged replies and gave the same bytes."),
    3: ("fresh seeds", "A run on seeds drawn by the verifier gave scores that agree with those submitted."),
}
"""Level -> its short name, and what it says."""
_SHORT = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
_BIBTEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip


def visible(value: Any) -> Any:
    """Return a text without what turns the direction of writing or is not shown at all; anything else as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in value)


def short_count(value: int) -> str:
    """Write a count with three digits: `12.3 k`."""
    for size, unit in _SHORT:
        if value >= size:
            scaled = value / size
            return f"{scaled:.{0 if scaled >= 99.95 else 1}f} {unit}"
    return str(value)


def rank_text(value: float) -> str:
    """Write a rank: whole ones without a decimal."""
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def safe_url(url: str) -> str:
    """Return an address if a link may lead there, else nothing."""
    return url if re.fullmatch(r"https://[^\s<>\"'\\]+", url) else ""


def worlds(cell: Cell) -> str:
    """Return the world of a cell and how many act in it."""
    return f"{cell[0]} {cell[1]}".strip() + f", {cell[2]} agent{'' if cell[2] == 1 else 's'}"


def setting(cell: Cell) -> str:
    """Return the rest of a cell."""
    return ", ".join(part for part in cell[3:] if part)


def suite_citation(board: SuiteBoard) -> str:
    """Return the BibTeX entry of a suite; its hash says which one it was."""
    suite = board.suite
    fields = {
        "title": f"EmCoop suite {bibtex(suite.name)}: cooperation between embodied agents",
        "author": "{The EmCoop developers}",
        "note": f"{board.episodes} episodes, frozen; EmCoop {__version__};\n    SHA-256 {board.digest}",
    }
    return _entry(f"emcoop-{suite.name}", fields)


def submission_citation(suite: Suite, digest: str, standing: Standing) -> str:
    """Return the BibTeX entry of a submission."""
    metadata = standing.metadata
    evidence = f";\n    submission SHA-256 {standing.verdict.content}" if standing.verdict is not None else ""
    fields = {
        "title": f"{bibtex(metadata.name)}: a submission to EmCoop {bibtex(suite.name)}",
        "author": " and ".join(f"{{{bibtex(author)}}}" for author in metadata.authors),
        "year": str(metadata.date.year),
        "note": f"{bibtex(standing.name)};\n    suite SHA-256 {digest}{evidence}",
    }
    return _entry(f"emcoop-{standing.name}", fields)


def _entry(key: str, fields: dict[str, str]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{re.sub(r'[^A-Za-z0-9-]', '-', key)},\n{lines}\n}}"


def bibtex(text: str) -> str:
    """Escape what means something to BibTeX."""
    return "".join(_BIBTEX.get(char, char) for char in text)
