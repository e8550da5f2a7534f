"""Hand-made states of MA-Crafter from drawings, and the two engines that play them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ma_crafter_game import LETTERS, Game, new_state, settings_of
from ma_crafter_reference import Outcome, check, step
from ma_crafter_state import CREATURES, Agent, Creature, Event, State

from emcoop.envs.ma_crafter import rules as r

Action = str | tuple[str, int, str, int]
Play = Callable[..., Outcome]
SMALLEST = 8
MATERIALS = {letter: name for name, letter in LETTERS.items()} | {"P": "plant"}
BEASTS = {"z": ("zombie", "grass"), "s": ("skeleton", "path"), "c": ("cow", "grass")}


def scene(*rows: str, agents: Mapping[int, Mapping[str, Any]] | None = None, seed: int = 0, **settings: Any) -> State:
    """Return the state in a drawing.

    Args:
        rows: Materials by their letters (P: a plant set in step 0); digits are agents on grass; z, s, c a zombie, a
            skeleton, a cow. Sand surrounds what is drawn, up to 8 x 8 cells.
        agents: What differs from a fresh agent looking down, by index; a `bag` names only what is in it, `on` is the
            material below.
        seed: Seed of chance.
        settings: Settings of the environment; default `survival` at L1 with the costs of `crafter`.
    """
    height = max(SMALLEST, len(rows))
    width = max(SMALLEST, *map(len, rows))
    letters = {(y, x): letter for y, row in enumerate(rows) for x, letter in enumerate(row)}
    team = sorted((letter, cell) for cell, letter in letters.items() if letter.isdigit())
    options = {"mode": "survival", "level": "L1", "preset": "crafter", "max_steps": 10**6} | settings
    land = {(y, x): "sand" for y in range(height) for x in range(width)}
    state = new_state(settings_of(len(team), (height, width), **options), land, [], seed)
    for cell, letter in letters.items():
        name = "grass" if letter.isdigit() else BEASTS[letter][1] if letter in BEASTS else MATERIALS[letter]
        land[cell] = name
        if name == "plant":
            state.planted[cell] = 0
        if letter in BEASTS:
            add_creature(state, BEASTS[letter][0], cell)
    for i, (_, cell) in enumerate(team):
        facts = dict((agents or {}).get(i, {}))
        land[cell] = facts.pop("on", "grass")
        bag = dict.fromkeys(r.ITEMS, 0) | facts.pop("bag", {})
        state.agents.append(Agent(cell, bag=bag, **facts))
    check(state)
    return state


def add_creature(state: State, kind: str, cell: tuple[int, int], facing: str = "", timer: int = 0) -> int:
    """Put a creature into the first empty slot; return the slot."""
    slot = state.creatures.index(None)
    state.creatures[slot] = Creature(kind, cell, CREATURES[kind], facing, timer)
    return slot


def by_reference(state: State, *actions: Action) -> Outcome:
    """Play a step on the reference; agents without an action do nothing."""
    return step(state, codes(state, actions))


def by_kernel(state: State, *actions: Action) -> Outcome:
    """Play a step in the environment; agents without an action do nothing."""
    return Game(state).step(codes(state, actions))


ENGINES: dict[str, Play] = {"reference": by_reference, "kernel": by_kernel}


def codes(state: State, actions: Sequence[Action]) -> list[int]:
    """Return actions as numbers; a share may name recipient, item and quantity."""
    padded = [*actions, *["noop"] * (len(state.agents) - len(actions))]
    return [r.ACTIONS.index(a) if isinstance(a, str) else r.share_code(a[1], r.ITEMS.index(a[2]), a[3]) for a in padded]


def told(outcome: Outcome, *kinds: str) -> list[Event]:
    """Return the events of some kinds."""
    return [event for event in outcome.events if event["kind"] in kinds]


def held(outcome: Outcome, i: int) -> dict[str, int]:
    """Return what is in an agent's bag."""
    return {item: amount for item, amount in outcome.state.agents[i].bag.items() if amount}
