"""CUBE's reference points: greedy beside the published heuristic, and the ladder random < greedy < team <= oracle.

Run it with `python -m emcoop.baselines.reference_points`; about a minute on one core.
"""

from __future__ import annotations

import argparse
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from emcoop.cognitive_layer.episode import run_episode
from emcoop.metrics.statistics import Estimate, mean, paired_difference

ENV = "Cube-v0"
SEEDS = range(20)
PUBLISHED_STEPS = {1: 29, 2: 100, 4: 105, 8: 165}
"""Steps of the published heuristic to deliver every block, mean of about 3 runs capped at 200 steps (CUBE, 2025)."""

LADDER_SIZES = (8, 16)
LADDER = (
    ("random", "individual"),
    ("greedy", "individual"),
    ("team", "individual"),
    ("team", "centralized"),
    ("team", "debate"),
    ("team", "decentralized"),
    ("oracle", "individual"),
)

Job = tuple[int, str, str, int]


def run_job(job: Job) -> dict[str, object]:
    """Run one episode and return its row."""
    n, planner, topology, seed = job
    episode = run_episode(ENV, n_agents=n, planner=planner, topology=topology, seed=seed)
    return {
        "n_agents": n,
        "planner": planner,
        "topology": topology,
        "seed": seed,
        "status": episode.status,
        "score": episode.score,
        "steps": episode.steps,
        "progress_auc": episode.metrics["progress_auc"],
    }


def all_jobs() -> list[Job]:
    """Return every episode that is needed, each once."""
    jobs = [(n, "greedy", "individual", seed) for n in PUBLISHED_STEPS for seed in SEEDS]
    jobs += [(n, planner, topology, seed) for n in LADDER_SIZES for planner, topology in LADDER for seed in SEEDS]
    return list(dict.fromkeys(jobs))


def collect(executor: Executor) -> pd.DataFrame:
    """Run all episodes and return one row each."""
    return pd.DataFrame(list(executor.map(run_job, all_jobs())))


def greedy_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, per team size, how greedy did beside the published heuristic."""
    table = []
    for n, published in PUBLISHED_STEPS.items():
        mine = rows[(rows.planner == "greedy") & (rows.n_agents == n)]
        steps = mean(mine.steps.to_numpy(float))
        delivered = f"{int((mine.score == 1.0).sum())}/{len(mine)}"
        table.append((n, delivered, _shown(steps, 1), published, f"{steps.value / published:.2f}"))
    columns = ["agents", "seeds with all blocks delivered", "mean steps", "published steps", "ratio"]
    return pd.DataFrame(table, columns=columns)


def ladder_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, per team size, progress AUC of each rung and its paired difference to the rungs it must not lose to."""
    table = []
    for n in LADDER_SIZES:
        aucs = {
            (str(planner), str(topology)): dict(zip(part.seed, part.progress_auc))
            for (planner, topology), part in rows[rows.n_agents == n].groupby(["planner", "topology"])
        }
        below = {"greedy": ("random", "individual"), "team": ("greedy", "individual")}
        best_team = max((rung for rung in aucs if rung[0] == "team"), key=lambda rung: sum(aucs[rung].values()))
        below["oracle"] = best_team
        for rung in LADDER:
            other = below.get(rung[0])
            gain = "" if other is None else _shown(paired_difference(aucs[rung], aucs[other], statistic="mean"), 4)
            against = "" if other is None else " ".join(other)
            table.append((n, *rung, _shown(mean(list(aucs[rung].values())), 4), gain, against))
    columns = ["agents", "planner", "topology", "progress AUC", "paired difference", "to"]
    return pd.DataFrame(table, columns=columns)


def _shown(estimate: Estimate, digits: int) -> str:
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _print(console: Console, title: str, frame: pd.DataFrame) -> None:
    table = Table(title=title)
    for column in frame.columns:
        table.add_column(column)
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print(table)


def main() -> None:
    """Run everything and print both tables; `--out DIR` also saves them and the rows as CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, help="folder for the CSV files")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as executor:
        rows = collect(executor)
    tables = {"greedy": greedy_table(rows), "ladder": ladder_table(rows)}
    console = Console(width=120)
    _print(console, "Greedy, seeds 0-19, to the end: mean steps [95 % interval]", tables["greedy"])
    _print(console, "Progress AUC, seeds 0-19, horizon 500 steps [95 % interval]", tables["ladder"])
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        rows.to_csv(arguments.out / "episodes.csv", index=False)
        for name, frame in tables.items():
            frame.to_csv(arguments.out / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
