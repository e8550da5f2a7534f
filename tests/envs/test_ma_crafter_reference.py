"""MA-Crafter's kernels against the slow reference: whole states, events and observations, step by step."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from ma_crafter_game import Game, drawn, environment, read_world, repack, unequal_events
from ma_crafter_random import everything, random_actions, random_settings, random_state, random_theme, traits
from ma_crafter_reference import KINDS, Outcome, check, step
from ma_crafter_sight import see
from ma_crafter_state import State, differences

from emcoop.envs.ma_crafter import rules as r

GAMES = 1200
STEPS = 6
LONG_GAMES = ("peaceful", "survival", "survival", "creative")


def compare_step(game: Game, state: State, actions: Sequence[int], where: str) -> Outcome:
    """Play one step on both sides and assert that nothing differs; return the reference's outcome."""
    expected, got = step(state, actions), game.step(actions)
    check(expected.state)
    unequal = differences(got.state, expected.state) + unequal_events(got.events, expected.events)
    unequal += compare_views(game, expected.state) if not unequal else []
    assert not unequal, "\n".join([where, *unequal, f"actions {list(actions)} in step {state.step} of", drawn(state)])
    assert got.reward == pytest.approx(expected.reward, abs=1e-12), where
    assert got.over == expected.over, where
    gone = {game.names[i] for i, agent in enumerate(expected.state.agents) if agent.status == "gone"}
    for name, ended in game.terminations.items():
        assert ended == (expected.over or name in gone), where
    return expected


def compare_views(game: Game, state: State) -> list[str]:
    """Return a line for each agent that does not see what it should, and for the cells that views are made of."""
    world = game.env.world
    packed, plants = world.cells.copy(), world.materials == r.PLANT  # plants ripen in the views only
    repack(world)
    wrong = ["packed cells are not up to date"] if ((packed != world.cells) & ~plants).any() else []
    name = game.names[state.step % len(game.names)]
    if name in game.observations:
        view, own = see(state, game.names.index(name))
        seen = game.observations[name]
        wrong += [] if np.array_equal(seen["view"], view) else [f"{name} sees\n{seen['view']}\ninstead of\n{view}"]
        wrong += [] if np.array_equal(seen["self"], own) else [f"{name} knows {seen['self']} instead of {own}"]
    return wrong


def play(seed: int) -> Counter[str]:
    """Play one crowded random game on both sides; return how often everything happened."""
    rng = random.Random(seed)
    theme = random_theme(rng)
    state = random_state(rng, random_settings(rng, theme), theme)
    check(state)
    game, seen = Game(state), Counter[str]()
    assert not differences(game.state(), state)
    for number in range(STEPS):
        outcome = compare_step(game, state, random_actions(rng, state, theme), f"game {seed} step {number}")
        seen += traits(state, outcome)
        state = outcome.state
        if outcome.over:
            break
    return seen


def test_kernel_equals_reference_on_random_games() -> None:
    seen: Counter[str] = Counter()
    for seed in range(GAMES):
        seen += play(seed)
    print(f"{GAMES} games: {dict(seen)}")  # shown with `pytest -rP`
    assert {trait: seen[trait] for trait in everything() if seen[trait] < 2} == {}, "too rare to mean anything"
    assert {trait.split(" ")[0] for trait in everything()} >= set(KINDS)


@pytest.mark.parametrize("number", range(len(LONG_GAMES)))
def test_kernel_equals_reference_through_generated_worlds(number: int) -> None:
    """Long games from a reset on, through a day and a night, with nobody written into the state by hand."""
    rng = random.Random(number)
    env = environment(4, (32, 32), mode=LONG_GAMES[number], level="L2", preset="crafter", spawn="cluster")
    env.reset(seed=number)
    state = read_world(env.world)
    game = Game.of(env)
    for _ in range(400):
        outcome = compare_step(game, state, random_actions(rng, state), f"world {number}")
        state = outcome.state
        if outcome.over:
            break
    assert state.step > 50
