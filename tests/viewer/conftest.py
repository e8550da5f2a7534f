from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emcoop.trace import Trace

sys.path.insert(0, str(Path(__file__).parent))  # for viewer_tools

from viewer_tools import recorded

FAULTS = [{"kind": "freeze", "agent": 1, "at": 5, "steps": 10}, {"kind": "drop_message", "at": 0, "steps": 30}]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="session")
def cube(folder: Path) -> Trace:
    """A short episode of CUBE with injected faults, at `folder / cube.jsonl`."""
    return recorded(folder / "cube.jsonl", "Cube-v0", n_agents=4, seed=2, max_steps=60, faults=FAULTS)


@pytest.fixture(scope="session")
def crafter(folder: Path) -> Trace:
    """An episode of MA-Crafter that collects, builds and crafts, at `folder / crafter.jsonl.gz`."""
    return recorded(folder / "crafter.jsonl.gz", "MACrafter-L3-v0", n_agents=6, seed=3, max_steps=300)
