"""The pages of the site, rendered from a board."""

from __future__ import annotations

import base64
import hashlib
import math
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from emcoop.leaderboards.board import RANKED_FROM, Board, Standing, SuiteBoard
from emcoop.leaderboards.comparing import cell_label
from emcoop.leaderboards.site import marks, words
from emcoop.metrics.registry import built_in
from emcoop.metrics.report.style import interval, number
from emcoop.metrics.statistics import DRAWS
from emcoop.version import __version__

Viewers = dict[str, str]
"""Links to episodes: `typical`, `best` and `worst` -> file beside the page."""


def home_page(board: Board) -> str:
    """Return the first page: what this is, the suites with their first rows, what could not be read."""
    return _render("home.jinja", "", board=board)


def methods_page(board: Board) -> str:
    """Return the page that says what the figures are and what the badges prove."""
    return _render("methods.jinja", "", board=board, ranked_from=RANKED_FROM, draws=DRAWS)


def suite_page(board: Board, suite: SuiteBoard) -> str:
    """Return the ranking table of a suite."""
    of = marks.domain(standing.score for standing in suite.standings)
    ranked = [standing for standing in suite.standings if standing.place is not None]
    others = [standing for standing in suite.standings if standing.place is None]
    tracks = sorted({standing.metadata.track for standing in suite.standings}, reverse=True)
    names = {standing.name: standing.metadata.name for standing in suite.standings}
    return _render(
        "suite.jinja", "../", board=board, suite=suite, of=of, ranked=ranked, others=others, tracks=tracks, names=names
    )


def submission_page(board: Board, suite: SuiteBoard, standing: Standing, viewers: Viewers) -> str:
    """Return the page of one submission.

    Args:
        board: The whole board, for the way around.
        suite: The standings it is part of.
        standing: It.
        viewers: Episodes that can be looked at.
    """
    of = marks.domain([standing.score, *standing.cells.values()])
    rivals = [one for one in suite.standings if one.name in standing.duels]
    contested = [one for one in suite.disagreements if standing.name in (one.borda_first, one.kemeny_first)]
    names = {one.name: one.metadata.name for one in suite.standings}
    return _render(
        "submission.jinja",
        "../../",
        board=board, suite=suite, one=standing, of=of, rivals=rivals, contested=contested, names=names,
        viewers=viewers, ranked_from=RANKED_FROM,
    )  # fmt: skip


def _render(template: str, root: str, **values: Any) -> str:
    style, script = _asset("style.css"), _asset("board.js")
    page = _environment().get_template(template)
    policy = {"style_hash": _hash(style), "script_hash": _hash(script)}
    return page.render(root=root, style=Markup(style), script=Markup(script), **policy, **values)


@cache
def _environment() -> Environment:
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=FunctionLoader(_asset),
        finalize=words.visible,
    )
    made.filters |= {
        "interval": interval,
        "number": number,
        "short_count": words.short_count,
        "rank": words.rank_text,
        "safe_url": words.safe_url,
        "cell_label": cell_label,
        "worlds": words.worlds,
        "setting": words.setting,
        "badge": marks.badge,
        "whisker": marks.whisker,
    }
    made.globals |= {
        "badges": words.BADGES,
        "metrics": built_in(),
        "strip": marks.strip,
        "heat": marks.HEAT,
        "isfinite": math.isfinite,
        "suite_citation": words.suite_citation,
        "submission_citation": words.submission_citation,
        "version": __version__,
    }
    return made


@cache
def _asset(name: str) -> str:
    return files("emcoop.leaderboards.site").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
