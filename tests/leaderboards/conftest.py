from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for forgery and small_suites, which several modules here share

from small_suites import SMALL, submission, treated_as_frozen


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """Treat the small suites as frozen ones; only here, since other tests may run in the same process."""
    with treated_as_frozen():
        yield


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return honest submissions of the smallest suites: `team`, `compact`, `llm` and `robust`."""
    home = tmp_path_factory.mktemp("honest")
    with treated_as_frozen():
        made = {kind: submission(home, kind, *SMALL[kind]) for kind in ("team", "llm", "robust")}
        made["compact"] = submission(home, "compact", *SMALL["team"], compact=True, sweep=home / "sweep-team")
    return made
