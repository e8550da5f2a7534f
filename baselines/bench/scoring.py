"""Cases of what comes after an episode: reading its trace and computing every metric of it."""

from __future__ import annotations

import time
from pathlib import Path

from emcoop.baselines.bench.measuring import Case
from emcoop.baselines.bench.worlds import ENV_ID
from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.episode import Session
from emcoop.metrics import score_trace
from emcoop.trace import read_trace

SCORED_TEAM = 64
ROOMY = {"grid_size": 120, "blocks": {1: 20, 2: 30, 4: 20, 8: 12, 16: 6}}
"""A board with more blocks than `SCORED_TEAM` agents deliver in 1,000 steps."""


def record_talk(path: Path, steps: int) -> None:
    """Write the trace of an episode in which everybody talks to everybody, if it is not there yet."""
    if not path.exists():
        session = Session(
            ENV_ID, n_agents=SCORED_TEAM, planner="team", topology="decentralized", max_steps=steps, env_kwargs=ROOMY,
            trace=path,
        )  # fmt: skip
        drive(session.run())
        session.finish()


def scoring_cases(folder: Path, steps: int) -> list[Case]:
    """Return the cases: all metrics of one long episode of a large team, and reading its trace.

    The trace is read again for every sample, so that nothing is remembered from the one before, and none is kept while
    other cases are measured.

    Args:
        folder: Where the trace is written, before the first sample.
        steps: Environment steps of the episode.
    """
    path = folder / f"{steps}x{SCORED_TEAM}.jsonl.gz"

    def scored(seconds: float) -> tuple[float, float]:
        record_talk(path, steps)
        trace = read_trace(path)
        start = time.process_time()
        score_trace(trace)
        return 1.0, time.process_time() - start

    def read(seconds: float) -> tuple[float, float]:
        record_talk(path, steps)
        start = time.process_time()
        read_trace(path)
        return 1.0, time.process_time() - start

    return [
        Case(f"metrics/{steps}x{SCORED_TEAM}", "episodes/s", scored),
        Case(f"trace/read/{steps}x{SCORED_TEAM}", "episodes/s", read),
    ]
