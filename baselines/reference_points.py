"""Reference points: the heuristics beside published figures, and the ladder random < greedy < team <= oracle.

Run it with `python -m emcoop.baselines.reference_points`; CUBE takes about a minute on two cores, MA-Crafter three to
eight, most of it the oracle's trials over 2,000 steps. `--only cube` or `--only ma-crafter` runs one of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from emcoop.cognitive_layer.episode import run_episode
from emcoop.metrics.statistics import Estimate, mean, paired_difference

SEEDS = range(20)
PUBLISHED_STEPS = {1: 29, 2: 100, 4: 105, 8: 165}
"""Steps of CUBE's published heuristic to deliver every block, mean of about 3 runs capped at 200 steps (2025)."""
DIAMOND_STEPS = 2000
DIAMONDS = (("MACrafter-L1-v0", 1), ("MACrafter-L3-v0", 3))
"""Where the oracle has to find a diamond."""

RUNGS = (
    ("random", "individual"),
    ("greedy", "individual"),
    ("team", "individual"),
    ("team", "centralized"),
    ("team", "debate"),
    ("team", "decentralized"),
    ("oracle", "individual"),
)


@dataclass(frozen=True)
class Ladder:
    """Planners compared in one environment.

    Attributes:
        env: Its id.
        sizes: Team sizes.
        max_steps: Horizon, None for the environment's own.
        measure: What is compared, a column of the rows.
        title: Heading of the table.
    """

    env: str
    sizes: tuple[int, ...]
    max_steps: int | None
    measure: str
    title: str


CUBE = Ladder("Cube-v0", (8, 16), None, "progress_auc", "CUBE: progress AUC, horizon 500 steps")
MA_CRAFTER = Ladder("MACrafter-L3-v0", (3, 6), 400, "score", "MA-Crafter L3: score, horizon 400 steps")


class Job(NamedTuple):
    """One episode: environment, team size, planner, topology, horizon, seed."""

    env: str
    n: int
    planner: str
    topology: str
    max_steps: int | None
    seed: int


def run_job(job: Job) -> dict[str, object]:
    """Run one episode and return its row."""
    episode = run_episode(
        job.env, n_agents=job.n, planner=job.planner, topology=job.topology, seed=job.seed, max_steps=job.max_steps
    )
    diamonds = [e for step in episode.events for e in getattr(step, "events", ()) if e.get("resource") == "diamond"]
    return {
        "env": job.env,
        "n_agents": job.n,
        "planner": job.planner,
        "topology": job.topology,
        "horizon": job.max_steps,
        "seed": job.seed,
        "status": episode.status,
        "score": episode.score,
        "steps": episode.steps,
        "progress_auc": episode.metrics["progress_auc"],
        "diamond": any(event["kind"] == "collect" for event in diamonds),
    }


def ladder_jobs(ladder: Ladder) -> list[Job]:
    """Return the episodes of a ladder."""
    return [
        Job(ladder.env, n, planner, topology, ladder.max_steps, seed)
        for n in ladder.sizes
        for planner, topology in RUNGS
        for seed in SEEDS
    ]


def cube_jobs() -> list[Job]:
    """Return every episode CUBE's tables need, each once."""
    jobs = [Job(CUBE.env, n, "greedy", "individual", None, seed) for n in PUBLISHED_STEPS for seed in SEEDS]
    return list(dict.fromkeys(jobs + ladder_jobs(CUBE)))


def crafter_jobs() -> list[Job]:
    """Return every episode MA-Crafter's tables need; the long ones first."""
    long = [Job(env, n, "oracle", "individual", DIAMOND_STEPS, seed) for env, n in DIAMONDS for seed in SEEDS]
    return long + ladder_jobs(MA_CRAFTER)


def collect(executor: Executor, jobs: Sequence[Job], console: Console) -> pd.DataFrame:
    """Run episodes with a bar of progress and return one row each."""
    done = track(executor.map(run_job, jobs), "episodes", len(jobs), console=console)
    return pd.DataFrame(list(done))


def greedy_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, per team size, how greedy did in CUBE beside the published heuristic."""
    table = []
    for n, published in PUBLISHED_STEPS.items():
        mine = rows[(rows.planner == "greedy") & (rows.n_agents == n)]
        steps = mean(mine.steps.to_numpy(float))
        delivered = f"{int((mine.score == 1.0).sum())}/{len(mine)}"
        table.append((n, delivered, _shown(steps, 1), published, f"{steps.value / published:.2f}"))
    columns = ["agents", "seeds with all blocks delivered", "mean steps", "published steps", "ratio"]
    return pd.DataFrame(table, columns=columns)


def diamond_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return on how many seeds MA-Crafter's oracle found a diamond."""
    table = []
    for env, n in DIAMONDS:
        mine = rows[(rows.env == env) & (rows.n_agents == n) & (rows.horizon == DIAMOND_STEPS)]
        score = mean(mine.score.to_numpy(float))
        table.append((env, n, f"{int(mine.diamond.sum())}/{len(mine)}", _shown(score, 3)))
    return pd.DataFrame(table, columns=["environment", "agents", "seeds with a diamond", "score"])


def ladder_table(rows: pd.DataFrame, ladder: Ladder) -> pd.DataFrame:
    """Return, per team size, the measure of each rung and its paired difference to the rung it must not lose to."""
    table = []
    horizon = rows.horizon.isna() if ladder.max_steps is None else rows.horizon == ladder.max_steps
    mine = rows[(rows.env == ladder.env) & horizon]
    for n in ladder.sizes:
        values = {
            (str(planner), str(topology)): dict(zip(part.seed, part[ladder.measure]))
            for (planner, topology), part in mine[mine.n_agents == n].groupby(["planner", "topology"])
        }
        below = {"greedy": ("random", "individual"), "team": ("greedy", "individual")}
        below["oracle"] = max((rung for rung in values if rung[0] == "team"), key=lambda r: sum(values[r].values()))
        for rung in RUNGS:
            other = below.get(rung[0])
            gain = "" if other is None else _shown(paired_difference(values[rung], values[other], statistic="mean"), 4)
            against = "" if other is None else " ".join(other)
            table.append((n, *rung, _shown(mean(list(values[rung].values())), 4), gain, against))
    columns = ["agents", "planner", "topology", ladder.measure.replace("_", " "), "paired difference", "to"]
    return pd.DataFrame(table, columns=columns)


def _shown(estimate: Estimate, digits: int) -> str:
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _print(console: Console, title: str, frame: pd.DataFrame) -> None:
    table = Table(title=f"{title}, seeds {SEEDS[0]}-{SEEDS[-1]} [95 % interval]")
    for column in frame.columns:
        table.add_column(column)
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print(table)


def main() -> None:
    """Run everything and print the tables; `--out DIR` also saves them and the rows as CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", choices=("cube", "ma-crafter"), help="one environment")
    parser.add_argument("--out", type=Path, help="folder for the CSV files")
    arguments = parser.parse_args()
    console = Console(width=120)
    jobs = (cube_jobs() if arguments.only != "ma-crafter" else []) + (
        crafter_jobs() if arguments.only != "cube" else []
    )
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as executor:
        rows = collect(executor, jobs, console)
    tables = {}
    if arguments.only != "ma-crafter":
        tables["greedy"] = "CUBE: greedy to the end", greedy_table(rows[rows.env == CUBE.env])
        tables["ladder"] = CUBE.title, ladder_table(rows, CUBE)
    if arguments.only != "cube":
        title = f"MA-Crafter: the oracle and diamonds, {DIAMOND_STEPS} steps"
        tables["ma-crafter-diamonds"] = title, diamond_table(rows)
        tables["ma-crafter-ladder"] = MA_CRAFTER.title, ladder_table(rows, MA_CRAFTER)
    for title, frame in tables.values():
        _print(console, title, frame)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        rows.to_csv(arguments.out / "episodes.csv", index=False)
        for name, (_, frame) in tables.items():
            frame.to_csv(arguments.out / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
