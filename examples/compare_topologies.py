"""What is talking worth? The same team on the same boards, with messages and with all of them swallowed.

python examples/compare_topologies.py
"""

from __future__ import annotations

from statistics import mean

import emcoop

SEEDS = range(5)
TOPOLOGIES = ("individual", "centralized", "debate", "decentralized", "tree", "star")


def progress(topology: str, control: str | None) -> float:
    """Return the mean progress AUC of the team planner over the seeds; 1 would be all blocks home at once."""
    episodes = [
        emcoop.run_episode(
            "Cube-v0",
            n_agents=16,
            planner="team",
            topology=topology,
            seed=seed,
            max_steps=200,
            channel={"control": control},
        )
        for seed in SEEDS
    ]
    return mean(episode.metrics["progress_auc"] for episode in episodes)


def main() -> None:
    """Print one line per topology."""
    print(f"{'topology':15}{'talking':>9}{'muted':>9}")
    for topology in TOPOLOGIES:
        print(f"{topology:15}{progress(topology, None):9.3f}{progress(topology, 'mute'):9.3f}")


if __name__ == "__main__":
    main()
