"""Suites small enough for tests, treated as frozen, and honest submissions of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.suite import suite_from_data, suite_hash, with_planners
from emcoop.baselines.sweep import run_episode_with, run_sweep
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.leaderboards import frozen, prepare
from emcoop.leaderboards.metadata import Meta

DATE = datetime.date(2026, 11, 20)
LLM = "llm:test/pocket"
TIGHT = {"matched": {"decisions_per_step": 1, "message_chars_per_step": 40}}

_BASE: dict[str, Any] = {
    "environments": [{"id": "Cube-v0"}],
    "team_sizes": [2],
    "topologies": ["centralized"],
    "planners": ["team"],
    "regimes": TIGHT,
    "seeds": [3, 5],
    "max_steps": 14,
}
_FAULTS = {
    "sabotage": {"faults": [{"kind": "saboteur", "agent": 1}]},
    "dead": {"faults": [{"kind": "crash", "agent": 1}]},
}
_WIDE = {
    "environments": [{"id": "Cube-v0"}, {"id": "MACrafter-L3-v0"}],
    "topologies": ["centralized", "decentralized"],
    "planners": ["team", "random"],
}
SUITES = {
    data["name"]: suite_from_data(data, data["name"])
    for data in (
        {**_BASE, "name": "small-v1"},
        {**_BASE, "name": "robust-small-v1", "conditions": _FAULTS, "seeds": [3]},
        {**_BASE, **_WIDE, "name": "wide-v1"},
    )
}
SMALL = {"team": ("small-v1", "team"), "llm": ("small-v1", LLM), "robust": ("robust-small-v1", "team")}


@contextmanager
def treated_as_frozen() -> Iterator[None]:
    """Let the leaderboard know these suites as its frozen ones, in this process."""
    hashes = {name: suite_hash(suite) for name, suite in SUITES.items()}
    with pytest.MonkeyPatch.context() as patch:
        for module in (frozen, prepare):
            patch.setattr(module, "frozen_hashes", lambda: hashes)
        patch.setattr(frozen, "load_suite", SUITES.__getitem__)
        yield


def run(suite: str, planner: Any, folder: Path) -> Path:
    """Run a suite with one planner in this process."""
    with ModelAccess({}) as access:
        runner = partial(run_episode_with, access)
        ran = with_planners(SUITES[suite], [planner])
        end = run_sweep(ran, folder, ThreadBackend(1, access.close), runner=runner, models=access)
    assert not end.unfinished
    return folder


def meta(slug: str, **changes: Any) -> Meta:
    """Return what an honest submitter writes."""
    told = {"name": "Somebody", "slug": slug, "authors": ["A", "B"], "description": "A test.", "track": "open"}
    return Meta(**{**told, **changes})


def submission(
    home: Path, slug: str, suite: str, planner: Any, compact: bool = False, sweep: Path | None = None, **told: Any
) -> Path:
    """Run a suite and prepare a submission of it."""
    sweep = sweep or run(suite, planner, home / f"sweep-{slug}")
    track = {"track": "standard"} if planner == LLM else {}
    return prepare.prepare(sweep, meta(slug, **track, **told), home / "out", date=DATE, compact=compact)
