"""The sweep report: what it says, what it refuses to say, and that it never breaks."""

from __future__ import annotations

import base64
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emcoop.errors import ConfigError
from emcoop.metrics.report import build_report, findings, process, rows, tables
from emcoop.trace import Trace, TraceWriter
from emcoop.trace.schema import Constraint, End, Episode, Run, Step

GAIN = {"individual": 0.0, "centralized": 0.08, "debate": 0.0, "decentralized": 0.04}
SKILL = {"random": 0.1, "greedy": 0.45, "team": 0.5, "oracle": 0.75}


def synthetic(
    *,
    envs: tuple[str, ...] = ("Cube-v0",),
    planners: tuple[str, ...] = ("random", "greedy", "team", "oracle"),
    topologies: tuple[str, ...] = tuple(GAIN),
    sizes: tuple[int, ...] = (2, 4, 8),
    regimes: tuple[str, ...] = ("open", "matched"),
    seeds: int = 5,
) -> pd.DataFrame:
    """Make up a sweep in which only `team` talks, `centralized` helps it by 0.08 and `debate` by nothing."""
    out = []
    for env, n, planner, regime, seed in itertools.product(envs, sizes, planners, regimes, range(seeds)):
        world = np.random.default_rng([n, seed, len(env)]).normal(0, 0.06)
        for topology in topologies if planner == "team" else topologies[:1]:
            rng = np.random.default_rng([n, seed, *map(ord, planner + topology + regime)])
            gain = GAIN.get(topology, 0.0) if n > 1 else 0.0
            auc = float(
                np.clip(SKILL.get(planner, 0.4) + gain + world - 0.04 * np.log2(n) + rng.normal(0, 0.015), 0, 1)
            )
            shares = rng.dirichlet([1, 6, 4, 2])
            talks = topology != "individual" and n > 1
            out.append(
                {
                    "unit": f"u{len(out)}", "suite": "quick", "env": env, "variant": "", "n_agents": n,
                    "topology": topology, "planner": planner, "regime": regime, "seed": seed, "attempt": 1,
                    "status": "completed", "error": "", "trace": f"traces/u{len(out)}.jsonl.gz", "digest": "",
                    "score": round(min(1.0, 1.3 * auc) * 2 * n) / (2 * n), "progress_auc": auc,
                    "steps_to_goal": 200 * (1 - auc) if auc > 0.45 else np.nan,
                    "spatial_satisfaction": rng.uniform(0.4, 0.7), "temporal_satisfaction": rng.uniform(0.3, 0.6) + gain,
                    "dependency_satisfaction": 1.0, "participation_satisfaction": rng.uniform(0.5, 0.6) + 2 * gain,
                    "plan_coherence": rng.uniform(0.5, 0.7), "capability_gain": np.nan,
                    "plan_stability": rng.uniform(0.7, 0.9), "decision_overhead": 0.1 + 0.15 * talks + rng.uniform(0, 0.1),
                    "wait_overhead": rng.uniform(0, 0.1), "messages_total": float(talks * rng.integers(3, 9) * n),
                    "collisions_per_100": rng.uniform(0, 4), "joint_satisfaction": rng.uniform(0.3, 0.6),
                    "failed_attempts": rng.uniform(0.2, 0.4), "first_failing_dependency": shares[0],
                    "first_failing_participation": shares[1], "first_failing_spatial": shares[2],
                    "first_failing_temporal": shares[3],
                }
            )  # fmt: skip
    return pd.DataFrame(out)


def episode_trace(path: Path | None = None, n_agents: int = 3, steps: int = 40) -> Trace:
    """Record an episode with two tasks, the second one begun halfway."""
    writer = TraceWriter(path)
    writer.write(Run(schema="emcoop-trace-1", emcoop="0", config_hash="x"))
    writer.write(
        Episode(env_id="Cube-v0", env_kwargs={}, n_agents=n_agents, max_steps=50, seed=0, planners=[{"name": "team"}],
                topology={"name": "centralized"})
    )  # fmt: skip
    writer.write(Step(t=0, actions=[], reward=0.0, state_hash="0", configuration_hash="0", progress=0.0))
    for t in range(steps):
        writer.write(
            Constraint(t=t, tasks=["block_0" if t < steps // 2 else "block_1"], required=[2], committed=[2],
                       in_place=[1], acting=[0], dependency=[1], joint=[0], engaged=[1], success=[0],
                       participants=[[0, 1]], inferred=[0])
        )  # fmt: skip
        progress = (t + 1) / (2 * steps)
        step = Step(
            t=t + 1, actions=[0] * n_agents, reward=0.0, state_hash="0", configuration_hash="0", progress=progress
        )
        writer.write(step)
    writer.write(End(t=steps, status="completed", score=0.5, raw_score=1.0, steps=steps, terminated=False, counters={}))
    writer.close()
    return Trace(writer.events)
