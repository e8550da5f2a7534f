"""The same configuration gives the same bytes, in this process and in others, watched or not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from cognitive_tools import PLANNERS, TOPOLOGIES

import emcoop
from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.episode import Session

CASES = [(planner, topology) for planner in PLANNERS for topology in TOPOLOGIES]
SETTINGS: dict[str, Any] = {
    "n_agents": 7,
    "seed": 12,
    "max_steps": 70,
    "channel": {"loss": 0.1},
    "thinking_rounds": [1, 2],
}

PROGRAM = """
import json, sys
import emcoop
cases, settings = json.loads(sys.stdin.read())
print(json.dumps([emcoop.run_episode("Cube-v0", planner=p, topology=t, **settings).digest for p, t in cases]))
"""


def digests() -> list[str]:
    return [emcoop.run_episode("Cube-v0", planner=p, topology=t, **SETTINGS).digest for p, t in CASES]


def digests_elsewhere(hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([CASES, SETTINGS]),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_every_team_under_every_topology_repeats_byte_for_byte() -> None:
    here = digests()
    assert digests() == here
    assert len(set(here)) == len(CASES), "each configuration has its own bytes"
    assert digests_elsewhere("1") == here
    assert digests_elsewhere("2") == here


def test_another_seed_is_another_episode() -> None:
    def run(seed: int) -> str:
        digest: str = emcoop.run_episode("Cube-v0", n_agents=4, planner="random", seed=seed, max_steps=20).digest
        return digest

    assert len({run(seed) for seed in range(5)}) == 5


@pytest.mark.parametrize("planner", ["random", "team"])
def test_watching_changes_nothing(planner: str) -> None:
    def run(watched: bool) -> str:
        session = Session(
            "Cube-v0",
            n_agents=5,
            planner=planner,
            topology="decentralized",
            seed=3,
            max_steps=40,
            env_kwargs={"render_mode": "rgb_array"},
        )
        world = session.world
        while not session.over:
            drive(session.think())
            if watched:
                world.env.render()
                world.env.state()
                world.state_hash()
                world.clone().step([4] * 5)
                for agent in range(5):
                    world.view(agent).text()
                    world.view(agent).tasks()
                    world.view(agent, everything=True).tasks()
            session.act()
        return session.finish().digest

    assert run(True) == run(False)


def test_text_asked_for_by_a_planner_changes_nothing() -> None:
    from emcoop.cognitive_layer.planners.team import TeamPlanner

    class Reader(TeamPlanner):
        reads = False

        async def decide(self, context: Any) -> Any:
            if self.reads:
                assert context.view.text()
            return await super().decide(context)

    found = set()
    for reads in (False, True):
        Reader.reads = reads
        team = [Reader() for _ in range(4)]
        found.add(emcoop.run_episode("Cube-v0", n_agents=4, planner=team, topology="debate", seed=5).digest)
    assert len(found) == 1
