"""Writing the site: the pages, the viewers of episodes, the standings as data; whole or not at all."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emcoop.errors import ConfigError
from emcoop.leaderboards.board import Board, Standing, SuiteBoard
from emcoop.leaderboards.comparing import cell_label
from emcoop.leaderboards.site import pages
from emcoop.metrics.statistics import Estimate

STANDINGS = "standings.json"
SCHEMA = "emcoop-standings-1"

Show = Callable[[Path, Path], object]
"""Makes the page of an episode: from its trace, to this file."""


def build_site(board: Board, out: Path, show: Show | None = None) -> dict[str, str]:
    """Write the site; a site that was built there before is replaced.

    Args:
        board: The standings.
        out: Folder to write.
        show: Makes viewers of episodes; None leaves them out.

    Returns:
        Episodes that could not be shown, with the reason.

    Raises:
        ConfigError: There is something else in that folder.
    """
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or _is_site(out))):
        raise ConfigError(f"{out} holds something that is no leaderboard: give another folder with -o")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".leaderboard-", dir=out.parent) as scratch:
        made, old = Path(scratch) / "new", Path(scratch) / "old"
        failed = _write(board, made, show)
        if out.exists():
            out.replace(old)
        made.replace(out)
    return failed


def _is_site(folder: Path) -> bool:
    path = folder / STANDINGS
    return path.is_file() and f'"schema": "{SCHEMA}"' in path.read_text(encoding="utf-8", errors="replace")


def _write(board: Board, folder: Path, show: Show | None) -> dict[str, str]:
    failed: dict[str, str] = {}
    _put(folder / "index.html", pages.home_page(board))
    _put(folder / "methods.html", pages.methods_page(board))
    for suite in board.suites:
        place = folder / suite.suite.name
        _put(place / "index.html", pages.suite_page(board, suite))
        for standing in suite.standings:
            home = place / standing.name
            home.mkdir(parents=True)
            viewers = _viewers(standing, home, show, failed)
            _put(home / "index.html", pages.submission_page(board, suite, standing, viewers))
    _put(folder / STANDINGS, json.dumps(as_data(board), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return failed


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _viewers(standing: Standing, home: Path, show: Show | None, failed: dict[str, str]) -> pages.Viewers:
    """Make the viewers of a submission's examples; what cannot be shown is left out, the page is there all the same."""
    found: pages.Viewers = {}
    made: dict[Path, str] = {}
    for example in standing.examples if show is not None else []:
        name = made.get(example.trace, f"{example.which}.html")
        if example.trace not in made:
            try:
                assert show is not None
                show(example.trace, home / name)
            except Exception as error:  # a stranger's trace does not keep the others off the board
                (home / name).unlink(missing_ok=True)
                failed[f"{standing.name}: {example.which}"] = f"{type(error).__name__}: {str(error)[:300]}"
                continue
            made[example.trace] = name
        found[example.which] = name
    return found


def as_data(board: Board) -> dict[str, Any]:
    """Return the standings as plain data, numbers with ten digits: what lies beyond may differ between processors."""
    return {
        "schema": SCHEMA,
        "suites": {one.suite.name: _suite_data(one) for one in board.suites},
        "unreadable": board.unreadable,
    }


def _suite_data(board: SuiteBoard) -> dict[str, Any]:
    return {
        "sha256": board.digest,
        "episodes": board.episodes,
        "cells": [cell_label(cell) for cell in board.cells],
        "standings": [_row(board, standing) for standing in board.standings],
    }


def _row(board: SuiteBoard, standing: Standing) -> dict[str, Any]:
    place, metadata = standing.place, standing.metadata
    return {
        "submission": standing.name,
        "name": metadata.name,
        "kind": standing.kind,
        "track": metadata.track,
        "planner": standing.planner,
        "models": [model.name for model in metadata.models],
        "date": metadata.date.isoformat(),
        "badge": standing.badge,
        "not_ranked": standing.why,
        "rank": None if place is None else [_known(place.rank), _known(place.low), _known(place.high)],
        "score": _numbers(standing.score),
        "cells": [_numbers(standing.cells[cell]) for cell in board.cells],
        "process": {name: _numbers(value) for name, value in standing.process.items()},
        "attempts": metadata.attempts,
        "tokens": metadata.tokens if standing.is_shown else None,
        "decisions": metadata.decisions if standing.is_shown else None,
        "messages": metadata.messages if standing.is_shown else None,
    }


def _numbers(estimate: Estimate) -> list[float | None]:
    return [_known(value) for value in (estimate.value, estimate.low, estimate.high)]


def _known(value: float) -> float | None:
    return float(f"{value:.10g}") if math.isfinite(value) else None
