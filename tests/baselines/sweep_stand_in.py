"""A stand-in for the episode: quick, deterministic, able to break. Also a script that sweeps with it.

    python sweep_stand_in.py FOLDER [--broken-time]

It stands in a module of its own because spawned workers import it by name.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import math
import multiprocessing
import os
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console

from emcoop.baselines.backends.local import LocalBackend
from emcoop.baselines.expansion import Unit
from emcoop.baselines.preflight import EpisodeRunner
from emcoop.baselines.progress import watch_on
from emcoop.baselines.results import Result
from emcoop.baselines.schema import Suite
from emcoop.baselines.suite import suite_from_data
from emcoop.baselines.sweep import run_sweep

GATE = "STAND_IN_GATE"
"""Names a FIFO in the environment: units of seed 2 and more block on it, so that a test can kill them there."""


def small_suite(name: str = "small", **changes: object) -> Suite:
    data: dict[str, object] = {
        "name": name,
        "environments": [{"id": "Cube-v0"}],
        "team_sizes": [2, 4],
        "topologies": ["individual"],
        "planners": ["random", "team"],
        "regimes": {"open": {}},
        "seeds": {"start": 0, "count": 3},
        "max_steps": 20,
    }
    return suite_from_data({**data, **changes}, "the test")


def play(unit: Unit, trace: Path, more: str = "") -> Result:
    if in_worker() and unit.seed >= 2 and os.environ.get(GATE):
        trace.with_suffix(".part").write_text("half a trace", encoding="utf-8")
        os.open(os.environ[GATE], os.O_RDONLY)
    text = json.dumps({"unit": unit.id, "steps": unit.max_steps, "more": more}).encode()
    with trace.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(text)
    score = 1 / (1 + unit.seed + unit.n_agents)
    metrics = {"score": score, "raw_score": 3 * score, "steps": float(unit.max_steps), "idle": math.nan}
    return Result(status="completed", digest=hashlib.sha256(text).hexdigest(), metrics=metrics)


def fail_as_agent(unit: Unit, trace: Path) -> Result:
    result = play(unit, trace)
    spoilt = msgspec.structs.replace(result, status="agent_error", error="planner raised", metrics={})
    return spoilt if unit.seed == 1 else result


def die_once(unit: Unit, trace: Path) -> Result:
    """Kill the worker in the middle of one unit, the first time."""
    mark = trace.parent.parent / "died-once"
    if in_worker() and unit.seed == 1 and unit.n_agents == 4 and not mark.exists():
        mark.touch()
        trace.with_suffix(".part").write_text("half a trace", encoding="utf-8")
        os._exit(9)
    return play(unit, trace)


def always_die(unit: Unit, trace: Path) -> Result:
    if in_worker():
        os._exit(9)
    return play(unit, trace)


def fail_at_seed_one(unit: Unit, trace: Path) -> Result:
    if in_worker() and unit.seed == 1:
        raise RuntimeError("out of luck")
    return play(unit, trace)


def refused_from_seed_one(unit: Unit, trace: Path) -> Result:
    if unit.seed >= 1 and trace.parent.name.startswith("."):
        return Result(status="infra_error", error="the key is refused", hopeless=True)
    return play(unit, trace)


def full_disk(unit: Unit, trace: Path) -> Result:
    if in_worker() and unit.seed == 1:
        raise OSError(28, "No space left on device", str(trace))
    return play(unit, trace)


def in_worker() -> bool:
    """False in the parent, where the sweep's warm-up runs."""
    return multiprocessing.parent_process() is not None


def in_broken_time(unit: Unit, trace: Path) -> Result:
    """Run where clocks jump at every look, back and forth by years."""
    break_time()
    return play(unit, trace)


def break_time() -> None:
    """Let the clocks of this process jump at every look, for good."""
    jumps = itertools.cycle([0.0, 1e9, -1e9, 3.0, 1e9])
    time.time = time.monotonic = time.perf_counter = lambda: 1e6 + next(jumps)


def main(folder: Path, runner: EpisodeRunner = play) -> int:
    try:
        end = run_sweep(small_suite(), folder, LocalBackend(2), runner=runner, watch=partial(watch_on, Console()))
    except KeyboardInterrupt:
        return 130
    print(f"finished {len(end.rows)}")
    return 0


if __name__ == "__main__":
    if "--broken-time" in sys.argv:
        break_time()
    sys.exit(main(Path(sys.argv[1]), in_broken_time if "--broken-time" in sys.argv else play))
