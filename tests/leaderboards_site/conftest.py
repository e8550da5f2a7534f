from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for board_tools

from board_tools import HOSTILE, SCRIPT, SUITE, crowd, entry

from emcoop.leaderboards.board import Board, make_suite_board
from emcoop.leaderboards.entries import Entry
from emcoop.leaderboards.site import build_site

UNREADABLE = {"2026-03-04_broken": "L0 duplicate, x: the episode is in the table twice; each is scored once"}


@pytest.fixture(scope="session")
def board() -> Board:
    """A board of ten made-up submissions to a made-up suite."""
    return Board([make_suite_board(SUITE, crowd())], UNREADABLE)


@pytest.fixture(scope="session")
def site(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its site, with stand-ins for viewers."""
    folder = tmp_path_factory.mktemp("board") / "site"
    build_site(board, folder, lambda trace, page: page.write_text("<p>an episode</p>", encoding="utf-8"))
    return folder


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "site"
    made = entry("hostile", 0.5)
    metadata = msgspec.structs.replace(made.submission.metadata, **HOSTILE)
    changed = Entry(msgspec.structs.replace(made.submission, metadata=metadata), made.verdict)
    build_site(
        Board([make_suite_board(SUITE, [*crowd(), changed])], {SCRIPT: SCRIPT, "\u202efolder": "W" * 900}), folder
    )
    return folder
