"""How long a report takes: `python -m emcoop.metrics.report.benchmark [EPISODES]` makes up a table and times it."""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from emcoop.metrics.registry import built_in

ENVS = ("Cube-v0", "MACrafter-L3-v0")
VARIANTS = ("level=1", "level=2")
SIZES = (2, 4, 8, 16, 32)
TOPOLOGIES = ("individual", "centralized", "debate", "decentralized", "hybrid")
PLANNERS = ("random", "greedy", "team", "team(feedback=True)", "oracle")
REGIMES = (("open", ""), ("matched", ""), ("matched", "crash"), ("matched", "lossy"))
CELLS = len(ENVS) * len(VARIANTS) * len(SIZES) * len(TOPOLOGIES) * len(PLANNERS) * len(REGIMES)


def made_up(episodes: int, seed: int = 0) -> pd.DataFrame:
    """Make up a results table with every built-in metric; cells get equally many seeds, as far as that goes.

    Args:
        episodes: Rows.
        seed: Of the random values.
    """
    seeds = math.ceil(episodes / CELLS)
    axes = (range(seeds), ENVS, VARIANTS, SIZES, TOPOLOGIES, PLANNERS, REGIMES)
    keys = list(itertools.islice(itertools.product(*axes), episodes))
    names = ["seed", "env", "variant", "n_agents", "topology", "planner"]
    frame = pd.DataFrame([key[:-1] for key in keys], columns=names)
    frame["regime"], frame["condition"] = zip(*(key[-1] for key in keys), strict=True)
    frame["suite"], frame["status"], frame["error"], frame["trace"] = "made-up", "completed", "", ""
    return pd.concat([frame, _metrics(frame, np.random.default_rng(seed))], axis=1)


def _metrics(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw values within each metric's range; in a world and topology many rules and some metrics do not apply."""
    places = frame.groupby(["env", "topology"], sort=False).ngroup().to_numpy()
    columns = {}
    for name, one in built_in().items():
        high = one.range[1] if math.isfinite(one.range[1]) else 100.0
        values = high * rng.random(len(frame))
        rate = 0.4 if name.startswith("failures_") else 0.1
        columns[name] = np.where(rng.random(places.max() + 1)[places] < rate, np.nan, values)
    first = [name for name in columns if name.startswith("first_failing_")]
    shares = rng.dirichlet(np.ones(len(first)), len(frame))
    columns |= {name: shares[:, i] for i, name in enumerate(first)}
    quiet = frame["topology"] == "individual"
    columns["messages_total"] = np.where(quiet, 0.0, rng.integers(1, 200, len(frame)))
    return pd.DataFrame(columns)


def main() -> None:
    """Time one report."""
    from emcoop.metrics.report import build_report

    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    results = made_up(episodes)
    with tempfile.TemporaryDirectory() as folder:
        started, busy = time.perf_counter(), time.process_time()
        page = build_report(results, Path(folder), title="A made-up table")
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        size = page.stat().st_size / 1e6
    took = f"{seconds:.1f} s ({busy:.1f} s of processor)"
    print(f"{len(results)} episodes, {results.shape[1]} columns: report in {took}, page of {size:.1f} MB")


if __name__ == "__main__":
    main()
