"""1,024 agents think, talk and act under every topology."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cognitive_tools import TOPOLOGIES

PROGRAM = """
import json, sys, time
import emcoop
topology, path = sys.argv[1:]
settings = dict(n_agents=1024, planner="team", topology=topology, seed=0, trace=path)
emcoop.run_episode("Cube-v0", **{**settings, "n_agents": 8, "max_steps": 2, "trace": None})
start = time.perf_counter()
result = emcoop.run_episode("Cube-v0", max_steps=50, **settings)
seconds = time.perf_counter() - start
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
except ImportError:
    peak = float("nan")
counters = result.events[-1].counters
print(json.dumps([result.status, result.error, result.steps, seconds, peak, counters]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_thousand_agents_run_fifty_steps(topology: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.jsonl.gz"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, topology, str(path)], capture_output=True, text=True, check=True, timeout=280
    )
    status, error, steps, seconds, peak, counters = json.loads(done.stdout)
    with capsys.disabled():
        print(
            f"\n1,024 agents, {topology}: {seconds:.1f} s for {steps} steps, peak memory {peak:.0f} MiB, "
            f"trace {path.stat().st_size / 2**20:.2f} MiB, {counters.get('messages', 0)} messages, "
            f"{counters.get('copies', 0)} copies, {counters['rounds']} rounds"
        )
    assert (status, steps) == ("completed", 50), error
    assert path.stat().st_size > 0
