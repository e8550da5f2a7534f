"""Action concepts of MA-Crafter: how each ends well, every typed reason for which it fails, and what they may know."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from ma_crafter_script import MEADOW, PICKAXES, Cell, Run, Script, add_creature, one, paint, world_of

from emcoop.envs.embodiment import DONE, ActionCall, Failed
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.concepts import CONCEPTS

# move, noop, wait --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "end"), [("up", (3, 5)), ("down", (7, 5)), ("left", (5, 3)), ("right", (5, 7))])
def test_move_goes_so_many_cells(direction: str, end: Cell) -> None:
    run = one(MEADOW, (5, 5), ("move", {"direction": direction, "steps": 2}))
    assert run.end() == (2, DONE)
    assert run.places[-1] == [end]


def test_move_is_blocked_by_what_is_solid() -> None:
    run = one(paint(MEADOW, (5, 7, "S")), (5, 5), ("move", {"direction": "right", "steps": 3}))
    assert run.end()[1] == "blocked"
    assert run.places[-1] == [(5, 6)]


def test_move_stops_before_lava() -> None:
    run = one(paint(MEADOW, (5, 7, "L")), (5, 5), ("move", {"direction": "right", "steps": 3}))
    assert run.end() == (1, "blocked")
    assert run.places[-1] == [(5, 6)]


@pytest.mark.parametrize("name", ["noop", "wait"])
def test_waiting_takes_so_many_steps(name: str) -> None:
    run = one(MEADOW, (5, 5), (name, {"steps": 3}))
    assert run.end() == (3, DONE)
    assert run.actions == [[r.NOOP]] * 3


# navigate ----------------------------------------------------------------------------------------------------------


def test_navigate_to_a_cell_takes_the_shortest_way() -> None:
    run = one(MEADOW, (5, 5), ("navigate", {"target": [2, 8]}))
    assert run.end() == (6, DONE)
    assert run.places[-1] == [(2, 8)]


def test_navigate_ends_beside_what_is_solid() -> None:
    for target in ([2, 8], "tree"):
        run = one(paint(MEADOW, (2, 8, "T")), (4, 8), ("navigate", {"target": target}))
        assert run.end() == (1, DONE)
        assert run.places[-1] == [(3, 8)]


def test_navigate_goes_near_a_station_diagonally_too() -> None:
    run = one(paint(MEADOW, (4, 8, "B")), (6, 6), ("navigate", {"target": "table"}))
    assert run.end() == (2, DONE)


def test_navigate_never_enters_lava() -> None:
    rows = paint(MEADOW, *[(row, 7, "L") for row in range(1, 10)])
    run = one(rows, (5, 5), ("navigate", {"target": [5, 9]}))
    assert run.end()[1] is DONE
    assert run.world.env.world.agents()[0, w.STATUS] == w.ALIVE
    assert (0, 7) in [cells[0] for cells in run.places]


def test_navigate_digs_through_rock_with_a_pickaxe() -> None:
    rows = [".." + "S" * 12] * 10
    assert one(rows, (5, 1), ("navigate", {"target": [5, 2]})).end()[1] is DONE, "beside it, on the near side"
    run = one(rows, (5, 1), ("navigate", {"target": [5, 6]}), bag=PICKAXES)
    assert run.end()[1] is DONE
    assert abs(run.places[-1][0][1] - 6) == 1


def test_navigate_to_an_agent_ends_next_to_it() -> None:
    run = Run(world_of(MEADOW, [(5, 5), (3, 7)]), [("navigate", {"target": 1})]).steps()
    assert run.end() == (3, DONE)


def test_navigate_to_nowhere() -> None:
    assert one(MEADOW, (5, 5), ("navigate", {"target": "furnace"})).end() == (0, "unknown_target")
    alone = Run(world_of(MEADOW, [(5, 0), (5, 13)]), [("navigate", {"target": 1})]).steps()
    assert alone.end() == (0, "unknown_target")
    island = paint(MEADOW, *[(row, col, "~") for row in range(4, 7) for col in range(4, 7) if (row, col) != (5, 5)])
    assert one(island, (5, 5), ("navigate", {"target": [5, 8]})).end() == (0, "no_path")
    assert one(MEADOW, (5, 5), ("navigate", {"target": [5, 12], "timeout": 3})).end() == (3, "timeout")


def test_two_agents_swap_places_in_a_corridor_with_a_bay() -> None:
    rows = ["~" * 14] * 4 + ["~~~~~.~~~~~~~~"] + ["~............~"] + ["~" * 14] * 4
    scripts = [("navigate", {"target": [5, 10]})], [("navigate", {"target": [5, 2]})]
    run = Run(world_of(rows, [(5, 2), (5, 9)]), *scripts).steps(200)
    assert [run.end(agent)[1] for agent in range(2)] == [DONE] * 2
    assert (4, 5) in [cell for cells in run.places for cell in cells], "one has to step aside"


# needs -------------------------------------------------------------------------------------------------------------


def test_drink_until_no_longer_thirsty() -> None:
    world = world_of(paint(MEADOW, (5, 8, "~")), [(5, 5)], mode="peaceful")
    world.env.world.agents()[0, w.DRINK] = 5
    run = Run(world, [("drink", {})]).steps()
    assert run.end() == (6, DONE)
    assert world.env.world.agents()[0, w.DRINK] == 9
    assert one(MEADOW, (5, 5), ("drink", {})).end() == (0, DONE), "not thirsty"
    dry = world_of(MEADOW, [(5, 5)], mode="peaceful")
    dry.env.world.agents()[0, w.DRINK] = 5
    assert Run(dry, [("drink", {})]).steps().end() == (0, "unknown_target")


def test_eat_a_cow() -> None:
    world = world_of(MEADOW, [(5, 5)], mode="peaceful")
    add_creature(world, w.COW, 5, 8)
    world.env.world.agents()[0, w.FOOD] = 2
    run = Run(world, [("eat", {})]).steps()
    assert run.end()[1] is DONE
    assert world.env.world.agents()[0, w.FOOD] >= 7


def test_eat_a_ripe_plant() -> None:
    world = world_of(MEADOW, [(5, 5)], mode="peaceful", max_steps=1000)
    state, pad = world.env.world, world.env.world.pad
    state.materials[0, 5 + pad, 8 + pad] = r.PLANT
    state.planted[0, 5 + pad, 8 + pad] = 1
    state.rows[0, [w.STEP, w.N_PLANTS]] = 400, 1
    state.cells[0, 5 + pad, 8 + pad] = r.PLANT | w.SEEN_RIPE << 8
    state.agents()[0, w.FOOD] = 2
    world._known.look()
    assert Run(world, [("eat", {})]).steps().end() == (3, DONE)
    assert state.agents()[0, w.FOOD] == 6


def test_eat_where_there_is_nothing() -> None:
    assert one(MEADOW, (5, 5), ("eat", {})).end() == (0, "unknown_target")


def test_sleep_until_rested() -> None:
    world = world_of(MEADOW, [(5, 5)], mode="peaceful")
    world.env.world.agents()[0, w.ENERGY] = 7
    run = Run(world, [("sleep", {})]).steps(200)
    step, status = run.end()
    assert status is DONE
    assert step > 10
    assert [actions[0] for actions in run.actions] == [r.SLEEP] + [r.NOOP] * (step - 1)
    assert one(MEADOW, (5, 5), ("sleep", {})).end() == (0, DONE), "not tired"


def test_a_sleeping_agent_pauses_its_call() -> None:
    world = world_of(MEADOW, [(5, 5)], mode="peaceful")
    run = Run(world, [("wait", {"steps": 3})])
    world.env.world.agents()[0, [w.ENERGY, w.ASLEEP]] = 8, 1
    run.steps(6)
    assert run.ends[0] == []
    world.env.world.agents()[0, w.ASLEEP] = 0
    run.steps()
    assert run.end()[1] is DONE


def test_a_fallen_agent_fails_whatever_it_does_but_may_wait() -> None:
    world = world_of(MEADOW, [(5, 5), (5, 7)])
    world.env.world.agents()[0, w.STATUS] = w.DOWN
    assert Run(world, [("wait", {"steps": 3})]).steps(4).end() == (3, DONE)
    for name, args in (("sleep", {}), ("navigate", {"target": [2, 2]})):
        assert Run(world, [(name, args)]).steps().end() == (0, "dead")


# attack ------------------------------------------------------------------------------------------------------------


def test_attack_until_it_is_gone() -> None:
    world = world_of(MEADOW, [(5, 5)], mode="survival")
    add_creature(world, w.ZOMBIE, 5, 8)
    run = Run(world, [("attack", {"target": "zombie"})]).steps()
    assert run.end()[1] is DONE
    assert any(event["kind"] == "defeat" for event in world.env.events)


def test_attack_what_is_not_there() -> None:
    assert one(MEADOW, (5, 5), ("attack", {"target": "skeleton"})).end() == (0, "unknown_target")


def test_attack_somebody_who_disappears() -> None:
    world = world_of(MEADOW, [(5, 5)])
    add_creature(world, w.COW, 5, 8)
    run = Run(world, [("attack", {"target": "cow"})])
    run.steps(1)
    world.env.world.mobs()[:] = 0
    world.env.world.occupancy[world.env.world.occupancy < 0] = 0
    world._known.look()
    assert run.steps().end() == (1, "target_gone")


# explore, regroup --------------------------------------------------------------------------------------------------


def test_explore_until_something_is_found() -> None:
    rows = paint(["." * 40] * 10, (5, 30, "D"))
    run = one(rows, (5, 5), ("explore", {"direction": "right", "steps": 60}))
    step, status = run.end()
    assert status is DONE
    assert (step, run.places[-1][0][1]) == (21, 26), "four columns are in view"


def test_explore_for_so_many_steps() -> None:
    run = one(["." * 40] * 40, (20, 5), ("explore", {"direction": "right", "steps": 7}))
    assert run.end() == (7, DONE)
    assert run.places[-1] == [(20, 12)]


def test_explore_what_is_known_already() -> None:
    assert one(["." * 9] * 8, (4, 4), ("explore", {}), view=(31, 31)).end() == (0, "unknown_target")
    run = one(["." * 12] * 8, (4, 5), ("explore", {"steps": 99}))
    assert run.end()[1] is DONE
    assert run.end()[0] < 40, "the map is small"


def test_regroup_lets_all_go_on_in_the_same_step() -> None:
    call = ("regroup", {"target": [5, 6], "count": 3})
    run = Run(world_of(MEADOW, [(5, 5), (1, 1), (9, 12)]), *[[call]] * 3).steps()
    assert [run.end(agent)[1] for agent in range(3)] == [DONE] * 3
    assert len({run.end(agent)[0] for agent in range(3)}) == 1


def test_regroup_around_an_agent() -> None:
    call = ("regroup", {"target": 1, "count": 2})
    run = Run(world_of(MEADOW, [(5, 3), (5, 7)]), [call], [call]).steps()
    assert [run.end(agent)[1] for agent in range(2)] == [DONE] * 2
    assert run.places[-1][1] == (5, 7), "it waits where it is"


def test_regroup_does_not_wait_for_ever() -> None:
    call = ("regroup", {"target": [5, 6], "count": 2, "timeout": 6})
    run = Run(world_of(MEADOW, [(5, 5), (1, 1)]), [call]).steps()
    assert (run.end(), run.detail()) == ((6, "timeout"), {"need": 2, "steps": 6})
    away = ("regroup", {"target": 1, "count": 2})
    assert Run(world_of(MEADOW, [(5, 0), (5, 13)]), [away]).steps().end() == (0, "unknown_target")


# All of them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("navigate", {"target": 2}),
        ("navigate", {"target": [10, 0]}),
        ("navigate", {"target": [0, 14]}),
        ("share", {"agent": 2, "item": "wood"}),
        ("regroup", {"target": 7, "count": 2}),
        ("collect", {"resource": "tree", "target": [99, 99]}),
        ("collect", {"resource": "gold"}),
        ("craft", {"item": "sapling"}),
        ("share", {"agent": 1, "item": "wood", "quantity": 21}),
    ],
)
def test_arguments_that_do_not_fit(name: str, args: dict[str, Any]) -> None:
    made = world_of(MEADOW, [(5, 5), (5, 6)]).controller(0, ActionCall(name, args))
    assert isinstance(made, Failed)
    assert made.reason == "invalid_argument"


SCRIPTS: dict[str, Script] = {
    "collect tree": [("collect", {"resource": "tree"})] * 4,
    "dig": [("collect", {"resource": "stone"})] * 3 + [("collect", {"resource": "coal"})],
    "iron": [("collect", {"resource": "iron", "patience": 12})],
    "build": [("place", {"object": "table"}), ("place", {"object": "furnace"}), ("craft", {"item": "stone_sword"})],
    "explore": [("explore", {"steps": 30}), ("explore", {"direction": "up"}), ("drink", {})],
    "go": [("navigate", {"target": [1, 1]}), ("navigate", {"target": "water"}), ("navigate", {"target": 1})],
    "together": [("regroup", {"target": 0, "count": 2, "timeout": 30}), ("share", {"agent": 1, "item": "wood"})],
    "hunt": [("eat", {}), ("collect", {"resource": "sapling"}), ("attack", {"target": "zombie"})],
}


class Poisoned:
    """While it is open, nothing of the world that the agent does not see is as it was."""

    def __init__(self, world: Any, agent: int) -> None:
        self._state = world.env.world
        self._agent = agent

    def __enter__(self) -> None:
        state, pad = self._state, self._state.pad
        cols, rows = state.settings.view
        row, col = state.agents()[self._agent, :2].tolist()
        unseen = np.ones(state.materials.shape[1:], bool)
        unseen[row + pad - rows // 2 :, col + pad - cols // 2 :][:rows, :cols] = False
        unseen[:pad] = unseen[-pad:] = unseen[:, :pad] = unseen[:, -pad:] = False
        self._kept = [grid.copy() for grid in self._grids()]
        state.materials[0][unseen] = r.DIAMOND
        state.planted[0][unseen] = 1
        state.occupancy[0][unseen] = 1
        state.cells[0][unseen] = 0xFFFF
        mine = np.arange(state.n_agents) == self._agent
        near = (np.abs(state.agents()[:, :2] - [row, col]) <= [rows // 2, cols // 2]).all(axis=1)
        state.agents()[~near & ~mine, :2] = 3
        state.bags()[~mine] = 7

    def _grids(self) -> list[Any]:
        state = self._state
        return [state.rows, state.materials, state.planted, state.occupancy, state.cells]

    def __exit__(self, *_: object) -> None:
        for grid, kept in zip(self._grids(), self._kept):
            grid[:] = kept


def big_world(seed: int) -> Any:
    rng = random.Random(seed)
    rows = ["".join(rng.choice("............TTT~SSSSSC#I_L") for _ in range(24)) for _ in range(20)]
    agents = [(10, 10), (10, 12), (8, 11)]
    rows = paint(rows, *[(row, col, ".") for row, col in agents])
    world = world_of(rows, agents, [{**PICKAXES, "wood": 5, "stone": 8}] * 3, mode="peaceful", max_steps=10**5)
    add_creature(world, w.COW, *next((8, col) for col in range(12, 16) if rows[8][col] == "." or col == 15))
    world.env.world.agents()[:, [w.FOOD, w.DRINK]] = 4
    return world


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_controllers_use_only_what_their_agent_knows(name: str, seed: int) -> None:
    plain = Run(big_world(seed), *[SCRIPTS[name]] * 3).steps(60)
    poisoned = Run(big_world(seed), *[SCRIPTS[name]] * 3, around=Poisoned).steps(60)
    assert poisoned.actions == plain.actions
    assert poisoned.ends == plain.ends
    assert plain.actions


@pytest.mark.parametrize("seed", range(6))
def test_every_call_ends_and_nobody_walks_into_lava(seed: int) -> None:
    """Random calls, one after the other; the time each may take is bounded."""
    rng = random.Random(seed)
    world = big_world(seed)
    names = [name for name in CONCEPTS if name not in ("move", "attack")]
    for _ in range(12):
        scripts = [[(name, sample(name, rng))] for name in rng.choices(names, k=3)]
        run = Run(world, *scripts).steps(160)
        assert all(len(ends) == 1 for ends in run.ends), scripts
        assert (world.env.world.agents()[:, w.STATUS] == w.ALIVE).all()
        world.env.world.agents()[:, [w.HEALTH, w.FOOD, w.DRINK, w.ENERGY]] = 9, 8, 8, 8


def sample(name: str, rng: random.Random) -> dict[str, Any]:
    """Return random valid arguments for a concept."""
    cell = [rng.randrange(20), rng.randrange(24)]
    pool: dict[str, Any] = {
        "steps": rng.randint(1, 20),
        "direction": rng.choice(r.DIRECTIONS),
        "target": rng.choice([cell, rng.randrange(3)]),
        "timeout": rng.randint(1, 60),
        "patience": rng.randint(1, 20),
        "resource": rng.choice(["tree", "stone", "coal", "iron", "sapling"]),
        "item": rng.choice(r.TOOLS if name == "craft" else r.ITEMS),
        "object": rng.choice(r.PLACEABLE),
        "agent": rng.randrange(3),
        "quantity": rng.randint(1, 20),
        "count": rng.randint(1, 3),
    }
    args = {key: pool[key] for key in CONCEPTS[name].arguments}
    if name == "collect":
        args["target"] = cell
    return args


def test_the_table_has_the_concepts_of_the_design() -> None:
    assert list(CONCEPTS) == [
        "noop", "move", "navigate", "collect", "craft", "place", "share", "drink", "eat", "sleep", "attack", "explore",
        "regroup", "wait",
    ]  # fmt: skip
    assert CONCEPTS["navigate"].arguments["timeout"].default == 64
    for concept in CONCEPTS.values():
        assert concept.description.endswith(".")
