"""What `info[agent]["events"]` tells: the events of the reference, to the agents they name, and for good."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from cube_drawings import Scene, scenes
from cube_game import FastGame, agent_index, multiset, with_indices
from cube_random import random_actions, random_board
from cube_reference import RIGHT, Board, Event, step

FIELDS = {
    "push": {"blocks", "direction", "have", "need"},
    "delivery": {"block", "weight"},
    "blocked_destination": {"block", "direction", "have", "need", "by"},
    "insufficient_force": {"block", "direction", "have", "need"},
    "contested_push": {"block", "direction", "have", "need"},
    "cell_race": {"winner"},
    "collision": {"into"},
}

# Two agents push A through the goal; 2 and 3 race for the cell below; 4 runs into 5, who stays.
QUIET_AND_BUSY = Board(5, ((0, 1), (0, 2), (1, 2), (2, 1), (4, 0), (4, 1)), {0: (0, 3, 1), 1: (3, 3, 1)})
BUSY_ACTIONS = [4, 4, 2, 4, 4, 0]


def crowded_steps(games: int, steps: int) -> Iterator[tuple[FastGame, list[Event]]]:
    """Play crowded games; yield the fast side after each step with the reference's events of that step."""
    for seed in range(games):
        rng = random.Random(seed)
        board = random_board(rng, size=9, n_agents=20, fill=0.2, heading=RIGHT)
        game = FastGame(board)
        for _ in range(steps):
            actions = random_actions(rng, board, RIGHT)
            game.step(actions)
            outcome = step(board, actions)
            yield game, outcome.events
            board = outcome.board
            if not board.blocks:
                break


def read(infos: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return a deep copy of what all agents are told."""
    return {name: copy.deepcopy([dict(event) for event in info["events"]]) for name, info in infos.items()}


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.title)
def test_each_event_has_its_fields_and_plain_values(scene: Scene) -> None:
    game = FastGame(scene.board)
    game.step(scene.actions)
    for info in game.infos.values():
        for event in info["events"]:
            assert set(event) == {"kind", "agents"} | FIELDS[event["kind"]]
            assert json.loads(json.dumps(event)) == event


def test_an_agent_is_told_exactly_the_events_it_takes_part_in() -> None:
    for game, events in crowded_steps(games=30, steps=10):
        for name in game.names:
            told = [with_indices(event) for event in game.infos[name]["events"]]
            concerning = [event for event in events if agent_index(name) in event["agents"]]
            assert multiset(told) == multiset(concerning)


def test_agents_appear_in_events_under_their_names_in_index_order() -> None:
    for game, _ in crowded_steps(games=5, steps=10):
        for info in game.infos.values():
            for event in info["events"]:
                assert set(event["agents"]) <= set(game.names)
                assert list(event["agents"]) == sorted(set(event["agents"]))


def test_events_of_a_step_by_hand() -> None:
    game = FastGame(QUIET_AND_BUSY)
    game.step(BUSY_ACTIONS)
    pushers = ["agent_000", "agent_001"]
    push = {"kind": "push", "agents": pushers, "blocks": [0], "direction": "right", "have": 2, "need": 1}
    delivery = {"kind": "delivery", "agents": pushers, "block": 0, "weight": 1}
    race = {"kind": "cell_race", "agents": ["agent_002", "agent_003"], "winner": "agent_002"}
    collision = {"kind": "collision", "agents": ["agent_004"], "into": "agent"}
    told = read(game.infos)
    for name in pushers:
        assert multiset(told[name]) == multiset([push, delivery])
    assert told["agent_002"] == told["agent_003"] == [race]
    assert told["agent_004"] == [collision]
    assert told["agent_005"] == []


def test_events_are_a_sequence() -> None:
    game = FastGame(QUIET_AND_BUSY)
    game.step(BUSY_ACTIONS)
    for name, length in (("agent_000", 2), ("agent_002", 1), ("agent_005", 0)):
        events = game.infos[name]["events"]
        assert isinstance(events, Sequence)
        assert len(events) == length == len(list(events))
        assert [events[i] for i in range(length)] == list(events) == list(events[:])
        assert not length or (events[-1] == list(events)[-1] and events[-1] in events)
        with pytest.raises(IndexError):
            events[length]


def test_nothing_has_happened_after_reset() -> None:
    game = FastGame(QUIET_AND_BUSY)
    assert read(game.infos) == {name: [] for name in game.names}
    game.step(BUSY_ACTIONS)
    assert read(FastGame(QUIET_AND_BUSY).infos) == {name: [] for name in game.names}


def test_reading_twice_tells_the_same() -> None:
    for game, _ in crowded_steps(games=5, steps=10):
        assert read(game.infos) == read(game.infos)


def test_stored_infos_keep_their_step_whether_read_in_time_or_later() -> None:
    kept: list[tuple[Mapping[str, Any], Mapping[str, Any], list[Event]]] = []
    for number, (game, events) in enumerate(crowded_steps(games=10, steps=10)):
        kept.append((game.infos, read(game.infos) if number % 2 else {}, events))
    assert sum(len(events) for _, _, events in kept) > 500
    for infos, read_in_time, events in kept:
        told = read(infos)
        assert not read_in_time or told == read_in_time
        listed = [with_indices(e) for name in told for e in told[name] if e["agents"][0] == name]
        assert multiset(listed) == multiset(events)


def test_a_step_without_incidents_has_no_events() -> None:
    game = FastGame(QUIET_AND_BUSY)
    game.step(BUSY_ACTIONS)
    game.step([0] * 6)
    assert read(game.infos) == {name: [] for name in game.names}


def test_a_last_step_has_its_events_too() -> None:
    board = Board(5, ((1, 2),), {0: (1, 3, 1)})
    game = FastGame(board)
    game.step([RIGHT])
    assert game.terminations == {"agent_000": True}
    assert sorted(event["kind"] for event in game.events()) == ["delivery", "push"]
