"""Hand-made maps: what is drawn is what there is, and what does not fit is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.board import LETTERS, parse_map
from emcoop.envs.ma_crafter.settings import CrafterSettings, make_settings
from emcoop.errors import ConfigError

MAP = ["..TSC", "~._#L", "IDBF."]


def team(n: int, preset: str = "emcoop") -> CrafterSettings:
    return make_settings(n, preset=preset)


def test_letters_are_materials() -> None:
    board = parse_map({"map": MAP}, team(1))
    assert board.materials.dtype == np.uint8
    assert [[r.MATERIALS[cell] for cell in row] for row in board.materials] == [
        ["grass", "grass", "tree", "stone", "coal"],
        ["water", "grass", "sand", "path", "lava"],
        ["iron", "diamond", "table", "furnace", "grass"],
    ]


def test_every_material_but_outside_and_plants_has_a_letter() -> None:
    assert set(LETTERS.values()) == set(range(r.N_MATERIALS)) - {r.OUTSIDE, r.PLANT}


def test_everything_given_is_taken() -> None:
    board = parse_map(
        {
            "map": MAP,
            "agents": [(0, 1), [1, 3], np.array([2, 4])],
            "facing": ["up", "left", "right"],
            "inventory": [{"wood": 3}, {}, {"iron_sword": 1, "sapling": np.int64(20)}],
            "wrappers": "pass their own",
        },
        team(3),
    )
    assert board.agents.tolist() == [[0, 1], [1, 3], [2, 4]]
    assert board.facing.tolist() == [0, 2, 3]
    assert board.inventory.tolist() == [
        [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0] * 12,
        [20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ]
    assert {array.dtype for array in board[1:]} == {np.dtype(np.int32)}


def test_what_is_left_open_is_the_usual_start() -> None:
    board = parse_map({"map": MAP}, team(2))
    assert board.facing.tolist() == [1, 1]
    assert not board.inventory.any()


@pytest.mark.parametrize(
    ("drawing", "n", "cells"),
    [
        (["."], 1, [[0, 0]]),
        (["....."], 3, [[0, 2], [0, 1], [0, 3]]),
        (["...", "...", "..."], 5, [[1, 1], [0, 1], [1, 0], [1, 2], [2, 1]]),
        (["...", ".~.", "..."], 3, [[0, 1], [0, 0], [0, 2]]),
        ([".L"], 1, [[0, 0]]),
        ([".T.#_"], 4, [[0, 2], [0, 3], [0, 4], [0, 0]]),  # on foot before what cannot be reached
    ],
)
def test_agents_that_are_not_placed_start_near_the_middle(drawing: list[str], n: int, cells: list[list[int]]) -> None:
    assert parse_map({"map": drawing}, team(n)).agents.tolist() == cells


def test_a_large_map_keeps_its_shape() -> None:
    assert parse_map({"map": ["." * 1024] * 3}, team(1)).materials.shape == (3, 1024)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"map": "..T"}, r"map is of type str: give a list"),
        ({"map": None}, r"map is of type NoneType"),
        ({"map": []}, r"map has 0 rows: give 1 to 1024"),
        ({"map": ["."] * 1025}, r"map has 1025 rows"),
        ({"map": ["", ""]}, r"map\[0\] has 0 cells"),
        ({"map": ["." * 1025]}, r"map\[0\] has 1025 cells"),
        ({"map": ["...", "..", "..."]}, r"map\[1\] has 2 cells and map\[0\] has 3"),
        ({"map": ["...", 7]}, r"map\[1\] is 7: give a string"),
        ({"map": ["...", ".x."]}, r"letter 'x' on the cell \(1, 1\): known are \. grass, ~ water"),
        ({"map": ["TTT"]}, r"map has 0 walkable cells for n_agents=2"),
        ({"map": ["...."], "agents": [(0, 0)]}, r"agents has 1 entries for n_agents=2"),
        ({"map": ["...."], "agents": {(0, 0), (0, 1)}}, r"agents is of type set"),
        ({"map": ["...."], "agents": [(0, 0), (0, 4)]}, r"agents\[1\] at \(0, 4\) is off the map.*\(0, 3\)"),
        ({"map": ["...."], "agents": [(0, 0), (-1, 0)]}, r"agents\[1\] at \(-1, 0\) is off the map"),
        ({"map": ["...."], "agents": [(0, 0), (0, 0)]}, r"agents\[1\] stands on the cell \(0, 0\) of agents\[0\]"),
        ({"map": [".~.."], "agents": [(0, 0), (0, 1)]}, r"agents\[1\] stands on water at \(0, 1\).*grass, path, sand"),
        ({"map": ["...."], "agents": [(0, 0), (0, 1.5)]}, r"agents\[1\] is \(0, 1.5\): give whole numbers"),
        ({"map": ["...."], "agents": [(0, 0), (0, 10**30)]}, r"agents\[1\] holds a number of 2147483648 or more"),
        ({"map": ["...."], "facing": ["up"]}, r"facing has 1 entries for n_agents=2"),
        ({"map": ["...."], "facing": ["up", "dwon"]}, r"facing\[1\] 'dwon'.*did you mean 'down'"),
        ({"map": ["...."], "facing": ["up", 1]}, r"facing\[1\] 1"),
        ({"map": ["...."], "inventory": {"wood": 1}}, r"inventory is of type dict"),
        ({"map": ["...."], "inventory": [{}]}, r"inventory has 1 entries for n_agents=2"),
        ({"map": ["...."], "inventory": [{}, 3]}, r"inventory\[1\] is 3: give a mapping"),
        ({"map": ["...."], "inventory": [{}, {"woood": 3}]}, r"inventory\[1\] 'woood'.*did you mean 'wood'"),
        ({"map": ["...."], "inventory": [{}, {"wood": 21}]}, r"inventory\[1\] has 21 of wood.*0 to 20"),
        ({"map": ["...."], "inventory": [{}, {"wood": -1}]}, r"inventory\[1\] has -1 of wood"),
        ({"map": ["...."], "inventory": [{}, {"wood": 1.0}]}, r"inventory\[1\] has 1.0 of wood"),
        ({"map": ["...."], "inventory": [{}, {"wood": True}]}, r"inventory\[1\] has True of wood"),
    ],
)
def test_what_does_not_fit_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        parse_map(options, team(2))


def test_the_bag_limit_is_that_of_the_preset() -> None:
    bag = {"map": ["."], "inventory": [{"coal": 10}]}
    assert parse_map(bag, team(1)).inventory.max() == 10
    with pytest.raises(ConfigError, match=r"10 of coal.*0 to 9"):
        parse_map(bag, team(1, "crafter"))
