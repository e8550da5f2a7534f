"""A blindfolded MA-Crafter agent: neither its words, its body nor its group tell it what it would see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.embodiment import MACrafterEmbodiment
from emcoop.registration import make_embodiment

WALK = [[2, 0], [4, 0], [4, 0], [1, 0], [3, 0], [3, 0]] * 3


def after_a_walk(blind: Sequence[int], changed: bool) -> MACrafterEmbodiment:
    """Return a world in which both have walked; in a changed one all the ground they come to see is table."""
    world = make_embodiment("MACrafter-v0", n_agents=2)
    assert isinstance(world, MACrafterEmbodiment)
    world.reset(5)
    world.blindfold(blind)
    row, col = world.view(0).position
    pad = world.env.world.pad
    grid = world.env.world.materials[0]
    if changed:
        near = np.zeros(grid.shape, bool)
        near[row + pad - 2 : row + pad + 3, col + pad - 2 : col + pad + 3] = True
        grid[~near & (grid == r.MATERIALS.index("grass"))] = r.MATERIALS.index("sand")
    for moves in WALK:
        world.step(moves)
    return world


@pytest.mark.parametrize("blind", [True, False])
def test_words_and_imagined_worlds_tell_the_blind_nothing_new(blind: bool) -> None:
    plain, other = (after_a_walk([0] if blind else [], changed) for changed in (False, True))
    assert plain.view(0).position == other.view(0).position
    assert (plain.view(0).text() == other.view(0).text()) is blind
    assert (plain.imagine([0], 3).state_hash() == other.imagine([0], 3).state_hash()) is blind
