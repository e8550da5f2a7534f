"""Episodes for the tests of Ray; also a script that sweeps with them, or that keeps a cluster up.

    python ray_stand_in.py sweep FOLDER
    python ray_stand_in.py cluster

It stands in a module of its own because workers import it by name.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import sweep_stand_in

from emcoop.baselines.backends.ray_cluster import ray_backend
from emcoop.baselines.backends.ray_connection import connected
from emcoop.baselines.expansion import Unit
from emcoop.baselines.progress import watch_on
from emcoop.baselines.results import Result
from emcoop.baselines.sweep import run_sweep

GATE = sweep_stand_in.GATE


def play(unit: Unit, trace: Path) -> Result:
    if in_worker() and unit.seed >= 2 and os.environ.get(GATE):
        os.open(os.environ[GATE], os.O_RDONLY)
    return sweep_stand_in.play(unit, trace)


def announce_and_wait(place: str, unit: Unit, trace: Path) -> Result:
    """Once, at one unit: tell the process id, and wait to be killed."""
    told = Path(place) / "pid"
    if in_worker() and unit.seed == 1 and unit.n_agents == 4 and unit.planner == "team" and not told.exists():
        told.with_suffix(".part").write_text(str(os.getpid()), encoding="utf-8")
        told.with_suffix(".part").rename(told)
        signal.pause()
    return sweep_stand_in.play(unit, trace)


def die(unit: Unit, trace: Path) -> Result:
    if in_worker():
        os.kill(os.getpid(), signal.SIGKILL)
    return sweep_stand_in.play(unit, trace)


def tell_place(place: str, unit: Unit, trace: Path) -> Result:
    """Leave a file that says where the trace was written."""
    if in_worker():
        (Path(place) / unit.id).write_text(str(trace.resolve()), encoding="utf-8")
    return sweep_stand_in.play(unit, trace)


def rest_from_seed_one(told: str, unit: Unit, trace: Path) -> Result:
    """Run the first seed's units only; the others tell where they write, and never end."""
    if in_worker() and unit.seed >= 1:
        (Path(told) / "place.part").write_text(str(trace.resolve()), encoding="utf-8")
        (Path(told) / "place.part").rename(Path(told) / "place")
        while True:
            time.sleep(0.02)
    return sweep_stand_in.play(unit, trace)


def in_worker() -> bool:
    """False in the parent, where the sweep's warm-up runs."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.get_runtime_context().worker.mode == ray.WORKER_MODE


def _sweep(folder: Path) -> int:
    from rich.console import Console

    try:
        with ray_backend(folder, jobs=2) as backend:
            end = run_sweep(
                sweep_stand_in.small_suite(), folder, backend, runner=play, watch=lambda *a: watch_on(Console(), *a)
            )
    except KeyboardInterrupt:
        return 130
    print(f"finished {len(end.rows)}")
    return 0


def _keep_a_cluster() -> int:
    with connected(None, 2) as connection:
        print(connection.ray.get_runtime_context().gcs_address, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(_sweep(Path(sys.argv[2])) if sys.argv[1] == "sweep" else _keep_a_cluster())
