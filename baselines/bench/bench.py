"""`run_bench`: measure everything, judge it, and put it into one record."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from emcoop.baselines.bench import recorded
from emcoop.baselines.bench.crafter_worlds import batch_cases as crafter_batch_cases
from emcoop.baselines.bench.crafter_worlds import lone_cases
from emcoop.baselines.bench.crafter_worlds import team_cases as crafter_team_cases
from emcoop.baselines.bench.measuring import Case, Note, measure
from emcoop.baselines.bench.peers import peer_cases
from emcoop.baselines.bench.scoring import scoring_cases
from emcoop.baselines.bench.stack import TEAM, layer_cases, stack_cases, trace_size
from emcoop.baselines.bench.targets import Verdict, all_targets, judge
from emcoop.baselines.bench.thinking import thinking_cases
from emcoop.baselines.bench.worlds import batch_cases, frame_cases, team_cases
from emcoop.version import __version__

SCHEMA = "emcoop.bench/1"
TRACE_STEPS = 200


@dataclass(frozen=True)
class BenchSettings:
    """How much is measured.

    Attributes:
        rounds: Samples per case; at least 5 for figures to quote.
        seconds: About how long a sample takes, but for episodes, which run to their end.
        sizes: Team sizes of CUBE's stepping cases.
        crafter_sizes: Team sizes of MA-Crafter's stepping cases.
        n_envs: Environments of the batch cases, of 16 agents each.
        episodes: Episodes per sample of the whole stack.
        steps: Most steps of such an episode.
        scored_steps: Steps of the episode of 64 agents whose metrics are computed.
        against: Other packages to run next to EmCoop, of `peers.PEERS`.
    """

    rounds: int = 7
    seconds: float = 0.3
    sizes: tuple[int, ...] = (2, 16, 256, 1024)
    crafter_sizes: tuple[int, ...] = (1, 16, 256, 1024)
    n_envs: int = 1024
    episodes: int = 3
    steps: int = 200
    scored_steps: int = 1000
    against: tuple[str, ...] = ()


QUICK = BenchSettings(rounds=2, seconds=0.05, episodes=1)


@dataclass(frozen=True)
class Bench:
    """A finished run.

    Attributes:
        settings: What was asked for.
        machine: What it ran on.
        units: Case name -> unit.
        samples: Case name -> one rate per round.
        verdicts: What the targets came to.
        peers: Other packages asked for -> why they were not run, None if they were.
    """

    settings: BenchSettings
    machine: Mapping[str, Any]
    units: Mapping[str, str]
    samples: Mapping[str, list[float]]
    verdicts: list[Verdict]
    peers: Mapping[str, str | None]

    def to_plain(self) -> dict[str, Any]:
        """Return everything as plain JSON data; the schema is in `docs/benchmark.md`."""
        return {
            "schema": SCHEMA,
            "machine": dict(self.machine),
            "settings": asdict(self.settings),
            "figures": {
                name: {
                    "unit": self.units[name],
                    "median": median(rates),
                    "low": min(rates),
                    "high": max(rates),
                    "samples": rates,
                }
                for name, rates in self.samples.items()
            },
            "targets": [asdict(verdict) for verdict in self.verdicts],
            "peers": dict(self.peers),
            "recorded": {
                "floor_9x9": dict(recorded.FLOOR_9X9),
                "agent_steps": {peer: dict(figures) for peer, figures in recorded.AGENT_STEPS.items()},
                "jaxmarl_spread": recorded.JAXMARL_SPREAD,
                "crafter_world": recorded.CRAFTER_WORLD,
                "crafter_resets": recorded.CRAFTER_RESETS,
                "crafter_frames": dict(recorded.CRAFTER_FRAMES),
                "craftax_classic": recorded.CRAFTAX_CLASSIC,
            },
        }

    def write(self, path: Path) -> None:
        """Write it as JSON; missing folders are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_plain(), indent=1) + "\n", encoding="utf-8")


def run_bench(settings: BenchSettings, note: Note = lambda done, total, name: None) -> Bench:
    """Measure all cases by turns and judge the targets.

    Args:
        settings: How much is measured.
        note: Told how far it has come.
    """
    with tempfile.TemporaryDirectory() as scratch:
        others, reasons = peer_cases(settings.against)
        cases = all_cases(settings, Path(scratch), others)
        samples = measure(cases, settings.rounds, settings.seconds, note)
        size, steps = trace_size(Path(scratch), min(TRACE_STEPS, settings.steps))
    units = {case.name: case.unit for case in cases}
    if steps == TRACE_STEPS:
        samples["trace/bytes"], units["trace/bytes"] = [float(size)], "bytes"
    verdicts = [judge(target, samples) for target in all_targets(TEAM, settings.against)]
    peers = {name: reasons.get(name) for name in settings.against}
    return Bench(settings, describe_machine(), units, samples, verdicts, peers)


def all_cases(settings: BenchSettings, folder: Path, others: list[Case]) -> list[Case]:
    """Return all cases, those to be compared next to each other; `others` are those of other packages."""
    return [
        *(case for n_agents in settings.sizes for case in team_cases(n_agents)),
        *batch_cases(settings.n_envs, TEAM),
        *frame_cases(),
        *(case for n_agents in settings.crafter_sizes for case in crafter_team_cases(n_agents)),
        *crafter_batch_cases(),
        *lone_cases(),
        *others,
        *stack_cases(folder, settings.episodes, settings.steps),
        *layer_cases(settings.steps),
        *thinking_cases(),
        *scoring_cases(folder, settings.scored_steps),
    ]


def describe_machine() -> dict[str, Any]:
    """Return what the figures were taken on."""
    return {
        "emcoop": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "system": platform.system(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
    }
