"""The rules of CUBE's physics: a scene per sentence, and the kernel against the slow reference, step by step.

The scenes are drawings in `tests/reference/cube_scenes.txt`; both implementations play all of them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from cube_drawings import Scene, describe, draw, scenes
from cube_game import FastGame, fast_step, multiset
from cube_random import random_actions, random_board, random_team, vary
from cube_reference import KINDS, RIGHT, STEP, Board, Outcome, step

ENGINES = {"reference": step, "kernel": fast_step}
GAMES = 400
STEPS = 20
VARIATIONS = 40


@pytest.mark.parametrize("play", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.title)
def test_scene(scene: Scene, play: Callable[[Board, Sequence[int]], Outcome]) -> None:
    outcome = play(scene.board, scene.actions)
    assert draw(outcome.board, scene.actions, scene.letters) == scene.after, scene.title
    assert sorted(describe(event, scene.letters) for event in outcome.events) == sorted(scene.events)


def test_scenes_show_every_kind_of_event() -> None:
    kinds = {event["kind"] for scene in scenes() for event in step(scene.board, scene.actions).events}
    assert kinds == set(KINDS)


def test_race_goes_to_the_smallest_index_wherever_it_stands() -> None:
    board = Board(5, agents=((3, 1), (1, 1), (2, 0)), blocks={0: (0, 3, 1)})
    for play in ENGINES.values():
        outcome = play(board, [1, 2, 4])
        assert outcome.board.agents == ((2, 1), (1, 1), (2, 0))
        assert outcome.events == [{"kind": "cell_race", "agents": [0, 1, 2], "winner": 0}]


def compare_step(game: FastGame, board: Board, actions: Sequence[int], where: str) -> Outcome:
    """Play one step on both sides and assert that nothing differs; return the reference's outcome."""
    expected, got = step(board, actions), game.step(actions)
    where = "\n".join([where, repr(board), repr(actions), *draw(board, actions)])
    assert got.board == expected.board, where
    assert got.delivered == expected.delivered, where
    assert multiset(got.events) == multiset(expected.events), where
    worth = -0.01 + sum(weight for _, _, weight in expected.delivered.values()) / len(actions)
    assert game.rewards == pytest.approx(dict.fromkeys(game.names, worth)), where
    assert game.terminations == dict.fromkeys(game.names, not expected.board.blocks), where
    assert not any(game.truncations.values()), where
    return expected


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.title)
def test_kernel_equals_reference_around_scene(scene: Scene) -> None:
    rng = random.Random(scene.title)
    for number in range(VARIATIONS):
        board, actions = vary(rng, scene.board, scene.actions)
        compare_step(FastGame(board), board, actions, f"{scene.title} variation {number}")


def play_game(seed: int) -> Counter[str]:
    """Play one crowded random game on both sides; return how often each kind of event occurred."""
    rng = random.Random(seed)
    size, heading = rng.randint(4, 14), rng.choice((*STEP, RIGHT))
    if size > 4 and rng.random() < 0.5:
        board = random_team(rng, size, heading)
    else:
        n_agents = rng.randint(1, min(40, size * size // 3))
        board = random_board(rng, size, n_agents, fill=rng.uniform(0.05, 0.4), heading=heading)
    game, seen = FastGame(board), Counter[str]()
    for number in range(STEPS):
        heading = rng.choice((*STEP, RIGHT)) if rng.random() < 0.15 else heading
        outcome = compare_step(game, board, random_actions(rng, board, heading), f"game {seed} step {number}")
        seen.update(event["kind"] for event in outcome.events)
        seen["chain"] += sum(len(event.get("blocks", [])) > 1 for event in outcome.events)
        board = outcome.board
        if not board.blocks:
            break
    return seen


def test_kernel_equals_reference_on_random_games() -> None:
    seen: Counter[str] = Counter()
    for seed in range(GAMES):
        seen += play_game(seed)
    print(f"{GAMES} games: {dict(seen)}")  # shown with `pytest -rP`
    assert {kind for kind in (*KINDS, "chain") if seen[kind] < 100} == set(), f"too rare to mean much: {seen}"
