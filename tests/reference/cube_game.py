"""The environment behind its public interface, answering in the words of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from cube_reference import (
    Block,
    Board,
    Event,
    Outcome,
)

import emcoop

MAX_STEPS = 1000


def multiset(events: Sequence[Event]) -> list[str]:
    """Return events in a form that compares equal whatever their order and the order of their keys."""
    return sorted(repr(sorted(event.items())) for event in events)


def with_indices(event: Mapping[str, Any]) -> Event:
    """Return a public event with agent indices in place of agent names."""
    plain = dict(event)
    plain["agents"] = sorted(agent_index(name) for name in event["agents"])
    if "winner" in plain:
        plain["winner"] = agent_index(plain["winner"])
    if "blocks" in plain:
        plain["blocks"] = list(plain["blocks"])
    return plain


def agent_index(name: str) -> int:
    """Return the index of `agent_007`."""
    return int(name.removeprefix("agent_"))


@lru_cache(maxsize=64)
def environment(n_agents: int, size: int) -> Any:
    """Return the environment for a team size and board side; every use begins with a reset."""
    return emcoop.parallel_env("Cube-v0", n_agents=n_agents, grid_size=size, blocks={1: 1}, max_steps=MAX_STEPS)


class FastGame:
    """The environment on an explicit board, answering in the words of the reference."""

    def __init__(self, board: Board) -> None:
        assert sorted(board.blocks) == list(range(len(board.blocks)))
        self.env = environment(len(board.agents), board.size)
        options = {"agents": list(board.agents), "blocks": [board.blocks[b] for b in range(len(board.blocks))]}
        _, self.infos = self.env.reset(seed=0, options=options)
        self.names = list(self.env.agents)
        self.size = board.size
        self.rewards: dict[str, float] = {}
        self.terminations: dict[str, bool] = {}
        self.truncations: dict[str, bool] = {}

    def blocks(self) -> tuple[dict[int, Block], dict[int, Block]]:
        """Return the blocks on the grid and the delivered ones, each `{id: (row, col, weight)}`."""
        state = self.env.snapshot()
        present: dict[int, Block] = {}
        gone: dict[int, Block] = {}
        rows = zip(state["block_positions"], state["block_weights"], state["delivered"], strict=True)
        for block, ((row, col), weight, delivered) in enumerate(rows):
            (gone if delivered else present)[block] = (int(row), int(col), int(weight))
        return present, gone

    def board(self) -> Board:
        """Return the present position."""
        agents = tuple((int(row), int(col)) for row, col in self.env.snapshot()["agents"])
        return Board(self.size, agents, self.blocks()[0])

    def step(self, actions: Sequence[int]) -> Outcome:
        """Play one joint action."""
        gone_before = self.blocks()[1]
        joint = dict(zip(self.names, actions, strict=True))
        _, self.rewards, self.terminations, self.truncations, self.infos = self.env.step(joint)
        delivered = {b: at for b, at in self.blocks()[1].items() if b not in gone_before}
        return Outcome(self.board(), delivered, self.events())

    def events(self) -> list[Event]:
        """Return all events of the last step, each read from the first agent it names, with agent indices."""
        found = []
        for name in self.names:
            plain = [with_indices(event) for event in self.infos[name]["events"]]
            found += [event for event in plain if event["agents"][0] == agent_index(name)]
        return found


def fast_step(board: Board, actions: Sequence[int]) -> Outcome:
    """Advance a board by one step of the environment."""
    return FastGame(board).step(actions)
