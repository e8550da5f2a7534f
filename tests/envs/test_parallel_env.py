"""The parts around the kernels: joint actions in, blocks of observations out."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from emcoop.envs.parallel_env import ActionReader, BlockPool, agent_names
from emcoop.errors import ActionError

ACTIONS = ("noop", "left", "right")


@pytest.mark.parametrize("living", [[0], [3], [0, 1, 2, 3], [1, 3], [3, 0]])
def test_actions_of_some_agents_stand_at_their_places_in_the_teams_joint_action(living: list[int]) -> None:
    team = agent_names(4)
    reader = ActionReader([team[i] for i in living], ACTIONS, team)
    for shift in (1, 2):
        expected = np.zeros(4, np.uint8)
        expected[living] = [(i + shift) % 3 for i in living]
        # The order in which the caller names them means nothing.
        reader.read({team[i]: int(expected[i]) for i in reversed(living)})
        assert reader.joint.tolist() == [expected.tolist()]


@pytest.mark.parametrize("names", [["agent_002"], ["agent_001", "agent_002"]])
def test_some_agents_alone_make_a_joint_action_of_their_own(names: list[str]) -> None:
    reader = ActionReader(names, ACTIONS)
    reader.read(dict.fromkeys(names, 2))
    assert reader.joint.tolist() == [[2] * len(names)]


@pytest.mark.parametrize(
    ("actions", "named"),
    [
        ({"agent_001": 1}, "lacks 'agent_003'"),
        ({"agent_001": 1, "agent_003": 1, "agent_000": 0}, "names 'agent_000'"),
        ({"agent_001": 1, "agent_003": 3}, "agent_003 got action 3"),
        ({"agent_001": 1.0, "agent_003": 2}, "agent_001 got action 1.0"),
    ],
)
def test_a_refused_joint_action_leaves_the_last_one(actions: dict[str, Any], named: str) -> None:
    reader = ActionReader(["agent_001", "agent_003"], ACTIONS, agent_names(4))
    reader.read({"agent_001": 2, "agent_003": 1})
    with pytest.raises(ActionError, match=named):
        reader.read(actions)
    assert reader.joint.tolist() == [[0, 2, 0, 1]]


COPIES: dict[str, Callable[[Any], Any]] = {"deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_reader_reads_for_itself(how: str) -> None:
    reader = ActionReader(["agent_002"], ACTIONS, agent_names(4))
    twin = COPIES[how](reader)
    twin.read({"agent_002": 2})
    assert (reader.joint.tolist(), twin.joint.tolist()) == ([[0, 0, 0, 0]], [[0, 0, 2, 0]])


@pytest.mark.parametrize(("leading", "n_envs"), [((3,), 1), ((2, 3), 2)])
def test_byte_i_of_a_cell_is_channel_i_in_windows_of_any_shape(leading: tuple[int, ...], n_envs: int) -> None:
    rows, cols = 7, 9
    block, channels = BlockPool((n_envs, 3, rows, cols), leading).take()
    assert (block.shape, channels.shape) == ((n_envs, 3, rows, cols), (*leading, 8, rows, cols))
    expected = np.random.default_rng(0).integers(0, 256, (n_envs, 3, 8, rows, cols)).astype(np.uint64)
    block[:] = sum(expected[:, :, i] << np.uint64(8 * i) for i in range(8))
    np.testing.assert_array_equal(channels.reshape(expected.shape), expected)


def test_a_block_is_used_again_only_when_no_view_of_it_is_held() -> None:
    pool = BlockPool((1, 2, 7, 9), (2,))
    window = pool.take()[1][0]
    window[:] = 5
    for _ in range(6):
        pool.take()[0][:] = 0
    assert (window == 5).all()
