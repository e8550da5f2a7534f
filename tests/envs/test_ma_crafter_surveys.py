"""What planners ask about map and team at once is what it is cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import surveys as v
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.env import MACrafterEnv
from emcoop.envs.ma_crafter.knowledge import Knowledge
from emcoop.envs.navigation import UNREACHABLE


def begin(seed: int, n_agents: int = 6) -> tuple[MACrafterEnv, Knowledge]:
    env = MACrafterEnv(n_agents=n_agents, level="L3", mode="creative", area=(24, 24))
    env.reset(seed=seed)
    known = Knowledge(env.world)
    known.look()
    known.reveal([0])
    return env, known


@pytest.mark.parametrize("seed", range(3))
def test_a_survey_tells_the_nearest_cells_of_resources_and_landmarks(seed: int) -> None:
    env, known = begin(seed)
    counts, found = known.survey(0, known.seen(0))
    quorum = env.settings.coop.quorum
    for material in range(r.N_MATERIALS):
        name, most = r.MATERIALS[material], 0
        if material in r.RESOURCES:
            most = v.MOST_SINGLE if quorum[name] == 1 else v.MOST_SHARED
        elif material in (r.TABLE, r.FURNACE, r.WATER):
            most = 1
        told = [tuple(cell[: v.ROOM]) for cell in found[material, : counts[material]].tolist()]
        assert told == (known.nearest(0, material, most) if most else []), name


@pytest.mark.parametrize("seed", range(3))
def test_a_survey_counts_the_room_and_the_others_around_cells_that_take_several(seed: int) -> None:
    env, known = begin(seed)
    agents, pad = env.world.agents(), env.world.pad
    counts, found = known.survey(0, known.seen(0))
    field = known.distances(0)
    cells = 0
    for material in r.RESOURCES:
        reach = env.settings.coop.radius[r.MATERIALS[material]]
        if env.settings.coop.quorum[r.MATERIALS[material]] == 1:
            continue
        for _, row, col, room, crowd in found[material, : counts[material]].tolist():
            ys, xs = np.nonzero(field < UNREACHABLE)
            assert room == (np.abs(ys - pad - row) + np.abs(xs - pad - col) <= reach).sum()
            assert crowd == (np.abs(agents[1:, w.ROW] - row) + np.abs(agents[1:, w.COL] - col) <= reach).sum()
            cells += 1
    assert cells > 0
