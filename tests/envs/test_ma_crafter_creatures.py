"""The rules of MA-Crafter, continued: cows, zombies, skeletons, arrows, plants and daylight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from ma_crafter_reference import Outcome
from ma_crafter_scenes import ENGINES, Play, add_creature, scene, told
from ma_crafter_state import Creature, State, daylight, distance, roll

from emcoop.envs.ma_crafter import world as w

SEEDS = range(60)


@pytest.fixture(params=ENGINES)
def play(request: pytest.FixtureRequest) -> Play:
    return ENGINES[request.param]


def first(outcome: Outcome) -> Creature | None:
    """Return the creature in the first slot."""
    return outcome.state.creatures[0]


def count(play: Play, state: State, what: Callable[[Outcome], object]) -> Counter[object]:
    """Return how often each answer came when one step was played with many seeds of chance."""
    seen: Counter[object] = Counter()
    for state.seed in SEEDS:
        seen[what(play(state))] += 1
    return seen


def where(outcome: Outcome) -> object:
    """Return the cell of the first creature."""
    creature = first(outcome)
    return None if creature is None else creature.cell


# Cows and zombies


def test_a_cow_steps_to_a_random_side_half_of_the_time(play: Play) -> None:
    cells = count(play, scene("......", "..c...", "......", "......", ".....0"), where)
    assert cells.keys() == {(1, 2), (0, 2), (2, 2), (1, 1), (1, 3)}
    assert 15 <= cells[1, 2] <= 45


def test_creatures_stay_where_they_can_walk(play: Play) -> None:
    cells = count(play, scene("..T...", ".~cS..", "..L...", "......", ".....0"), where)
    assert cells.keys() == {(1, 2)}


def test_a_zombie_comes_along_the_longer_axis(play: Play) -> None:
    cells = count(play, scene("z.......", "........", "......0."), where)
    assert cells.keys() >= {(0, 1), (1, 0)}
    assert cells[0, 1] > cells[1, 0] > 0
    straight = count(play, scene("..z....0"), where)
    assert straight[0, 3] > 30  # a step along the axis on which they are level does not happen


def test_a_zombie_does_not_see_further_than_8(play: Play) -> None:
    far = count(play, scene("z........0", *["........."] * 7), where)
    assert max(far.values()) < 45
    near = count(play, scene("z.......0", *["........."] * 7), where)
    assert near[0, 1] > 35


def test_the_prey_is_the_nearest_then_the_smallest_row_and_column(play: Play) -> None:
    state = scene("..1..", ".....", "0.z.2", ".....", "..3..")
    cells = count(play, state, where)
    assert cells[1, 2] > 30
    state.agents[0].cell = (2, 1)
    assert [e["agents"] for e in told(play(state), "hurt")] == [[0]]


@pytest.mark.parametrize(("asleep", "amount"), [(False, 2), (True, 7)])
def test_a_zombie_bites_who_is_beside_it(play: Play, asleep: bool, amount: int) -> None:
    state = scene("SSS", "S0z", "SSS", agents={0: {"asleep": asleep, "energy": 5}})
    state.materials[1, 3] = state.materials[0, 2] = state.materials[2, 2] = "stone"
    outcome = play(state)
    assert outcome.events == [{"kind": "hurt", "agents": [0], "by": "zombie", "amount": amount}]
    assert (outcome.state.agents[0].health, outcome.state.agents[0].asleep) == (9 - amount, False)


def test_a_zombie_bites_every_sixth_step(play: Play) -> None:
    """The cooldown is 5 steps beside its prey."""
    state = scene("SSS", "S0zS", "SSS")
    bitten = []
    for number in range(14):
        outcome = play(state)
        bitten += [number] * len(told(outcome, "hurt"))
        state = outcome.state
    assert bitten == [0, 6, 12]


def test_death_by_a_creature(play: Play) -> None:
    state = scene("SSS12", "S0zS3", "SSSS.", agents={0: {"health": 2}})
    outcome = play(state)
    assert told(outcome, "death") == [{"kind": "death", "agents": [0], "cause": "creature"}]
    assert outcome.state.agents[0].status == "down"


# Skeletons and arrows


def corridor(gap: int, timer: int = 0, end: str = "S") -> State:
    """A skeleton in a corridor, looking at an agent `gap` cells to the right of it."""
    row = f"{end}s" + "#" * (gap - 1) + "0S"
    wall = "S" * len(row)
    state = scene(wall, row, wall, agents={0: {"on": "path"}})
    skeleton = state.creatures[0]
    assert skeleton is not None
    skeleton.timer = timer
    return state


def arrows(outcome: Outcome) -> list[tuple[tuple[int, int], str]]:
    """Return cells and facings of all arrows."""
    return [(c.cell, c.facing) for c in outcome.state.creatures if c is not None and c.kind == "arrow"]


def test_a_skeleton_shoots_an_arrow_that_moves_from_the_next_step_on(play: Play) -> None:
    shots = count(play, corridor(5), lambda outcome: tuple(arrows(outcome)))
    assert shots.keys() == {(), (((1, 2), "right"),)}
    assert 15 <= shots[()] <= 45


@pytest.mark.parametrize(("gap", "timer", "shoots"), [(6, 0, False), (5, 0, True), (2, 0, True), (1, 0, False)])
def test_from_where_a_skeleton_shoots(play: Play, gap: int, timer: int, shoots: bool) -> None:
    assert bool(count(play, corridor(gap, timer), lambda outcome: bool(arrows(outcome)))[True]) == shoots


def test_a_skeleton_reloads_for_4_steps(play: Play) -> None:
    for timer, shoots in ((4, False), (2, False), (1, True)):
        assert bool(count(play, corridor(5, timer), lambda outcome: bool(arrows(outcome)))[True]) == shoots, timer
    state = corridor(5)
    while not arrows(outcome := play(state)):
        state.seed += 1
    skeleton = first(outcome)
    assert skeleton is not None
    assert skeleton.timer == 4


def test_a_skeleton_steps_back_from_who_is_near_and_comes_to_who_is_far(play: Play) -> None:
    state = corridor(3, end="#")
    assert count(play, state, where)[1, 0] > 20
    far = count(play, corridor(8, end="#"), where)
    assert far[1, 2] > 10 > far[1, 0]


def test_a_skeleton_stays_on_paths(play: Play) -> None:
    state = scene("...", ".s.", "...", "..0")
    assert count(play, state, where).keys() == {(1, 1)}


def flying(*rows: str) -> State:
    """An arrow in the first cell that flies to the right."""
    state = scene(*rows)
    add_creature(state, "arrow", (0, 0), "right")
    return state


@pytest.mark.parametrize("letter", ".~S#_TLCIDBFP")
def test_what_arrows_fly_over(play: Play, letter: str) -> None:
    outcome = play(flying(f".{letter}", "0."))
    assert where(outcome) == ((0, 1) if letter in ".~#_L" else None)
    assert told(outcome, "hurt") == []


def test_an_arrow_hurts_the_agent_it_would_enter(play: Play) -> None:
    outcome = play(flying(".0"))
    assert outcome.events == [{"kind": "hurt", "agents": [0], "by": "skeleton", "amount": 2}]
    assert (outcome.state.agents[0].health, first(outcome)) == (7, None)


def test_anything_else_ends_an_arrow(play: Play) -> None:
    state = flying("..", "..0")
    state.creatures[0] = Creature("arrow", (0, 7), 1, "right")  # at the edge of the map
    assert first(play(state)) is None
    state = flying("..", "..0")
    add_creature(state, "arrow", (0, 1), "left")
    outcome = play(state)
    assert first(outcome) is None
    assert arrows(outcome) == [((0, 0), "left")]  # its turn comes after the other is gone


# Plants, chunks, balance, light


@pytest.mark.parametrize("beast", "czs")
def test_a_creature_eats_the_plant_beside_it(play: Play, beast: str) -> None:
    state = scene("SPS...P0", f"S{beast}S.....", "SSS.....")
    state.agents[0].facing = "left"
    outcome = play(state)
    assert (outcome.state.materials[0, 1], outcome.state.materials[0, 6]) == ("grass", "plant")
    assert outcome.state.planted == {(0, 6): 0}


def test_creatures_far_from_all_agents_rest(play: Play) -> None:
    rows = ["." * 40] * 8
    state = scene("0" + rows[0][1:], *rows[1:])
    for col in (13, 30):
        add_creature(state, "cow", (4, col))
    moved: Counter[int] = Counter()
    for state.seed in SEEDS:
        after = play(state).state.creatures
        moved.update(k for k in range(2) if after[k] != state.creatures[k])
    assert moved[0] > 15
    assert moved[1] == 0


def test_in_peace_there_are_only_cows(play: Play) -> None:
    state = scene("0" + "." * 11, *["." * 12] * 7, mode="peaceful")
    state.step = 9
    kinds = set()
    for state.seed in range(600):
        if balance_may_act(state.seed):
            kinds |= {c.kind for c in play(state).state.creatures if c is not None}
    assert kinds == {"cow"}


def balance_may_act(seed: int) -> bool:
    """Tell whether a cow may appear in the first chunk in step 9; chance is a function of seed and place."""
    probe = scene("0", seed=seed)
    probe.step = 9
    return roll(probe, w.APPEARS + w.PURPOSES_PER_KIND * (w.COW + 1), (0, 0)) < 0.01


def test_zombies_come_at_night_at_some_distance_in_every_10th_step(play: Play) -> None:
    state = scene("0" + "." * 11, *["." * 12] * 11)
    for step, come in ((59, False), (209, True), (208, False)):  # noon, midnight, midnight
        state.step = step
        seen = []
        for state.seed in SEEDS:
            seen += [c for c in play(state).state.creatures if c is not None and c.kind == "zombie"]
        assert bool(seen) == come, step
        assert all(distance(c.cell, (0, 0)) >= 6 and (c.health, c.timer) == (5, 0) for c in seen)


def test_creatures_vanish_where_there_are_too_many(play: Play) -> None:
    state = scene("." * 12, *["." * 12] * 10, "." * 11 + "0")
    for col in range(5):
        add_creature(state, "cow", (0, col))
    state.step = 9
    left = count(play, state, lambda outcome: sum(c is not None for c in outcome.state.creatures))
    assert left.keys() == {5, 4}
    assert 1 <= left[4] <= 15


def test_daylight() -> None:
    state = scene("0")
    assert [daylight(state, step) for step in (0, 10, 60, 110, 210, 300)] == [80, 88, 100, 88, 0, 80]
    assert daylight(scene("0", mode="peaceful"), 210) == 100
