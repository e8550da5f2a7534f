"""MA-Crafter's environment at its edges: arguments, shares, the state's space, and what it warns of."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import emcoop
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.env import MACrafterEnv
from emcoop.envs.ma_crafter.settings import make_settings
from emcoop.errors import ActionError, ConfigError, SettingsWarning

STRIP = {"map": ["...."], "agents": [(0, 1), (0, 2)], "facing": ["right", "left"], "inventory": [{"wood": 3}, {}]}
SHARE = {"action": r.SHARE, "recipient": 1, "item": r.ITEMS.index("wood"), "quantity": 2}
NOTHING = {"action": 0, "recipient": 0, "item": 0, "quantity": 0}


def sharing() -> MACrafterEnv:
    env = MACrafterEnv(n_agents=2, level="L1", sharing=True)
    env.reset(seed=0, options=STRIP)
    return env


# State -----------------------------------------------------------------------------------------------------------


def test_the_state_space_follows_the_size_of_the_map() -> None:
    env = MACrafterEnv(n_agents=2, level="L1", area=(16, 20))
    usual = env.state_space
    assert usual.contains(env.state())
    env.reset(seed=0, options=STRIP)
    assert env.state_space != usual
    assert env.state_space.contains(env.state())
    assert env.clone().state_space == env.state_space
    env.reset(seed=0)
    assert env.state_space == usual
    assert env.state_space.contains(env.state())


# Shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "named"),
    [
        ((2, 1, 1, 1), "agent=2: give a whole number from 0 to 1"),
        ((-1, 1, 1, 1), "agent=-1"),
        ((0, 2, 1, 1), "recipient=2: give a whole number from 0 to 1"),
        ((0, -1, 1, 1), "recipient=-1"),
        ((0, 1, 13, 1), "item=13: give a whole number from 0 to 11"),
        ((0, 1, 12, 1), "item=12"),
        ((0, 1, "wood", 1), "item='wood'"),
        ((0, 1, 1, 0), "quantity=0: give a whole number from 1 to 20"),
        ((0, 1, 1, 21), "quantity=21"),
        ((0, 1, 1, 1.5), "quantity=1.5"),
        ((0, 1, 1, True), "quantity=True"),
    ],
)
def test_a_share_out_of_range_is_refused(share: tuple[Any, ...], named: str) -> None:
    env = sharing()
    with pytest.raises(ActionError, match=named):
        env.set_share(*share)
    env.step({"agent_000": SHARE, "agent_001": NOTHING})
    assert env.snapshot()["inventory"][:, r.ITEMS.index("wood")].tolist() == [1, 2]


def test_a_share_that_is_set_is_given() -> None:
    env = MACrafterEnv(n_agents=2, level="L1")
    env.reset(seed=0, options=STRIP)
    env.set_share(np.int64(0), 1, r.ITEMS.index("wood"), 3)
    env.step({"agent_000": r.SHARE, "agent_001": 0})
    assert env.snapshot()["inventory"][:, r.ITEMS.index("wood")].tolist() == [0, 3]


@pytest.mark.parametrize(
    ("action", "named"),
    [
        (5, "action 5: with sharing=True an action is a dictionary of action, recipient, item and quantity"),
        ({**SHARE, "quantity": 21}, "quantity: 21 in its action: give a whole number from 0 to 20"),
        ({**SHARE, "recipient": 2}, "recipient: 2 in its action: give a whole number from 0 to 1"),
        ({**SHARE, "item": "wood"}, "item: 'wood' in its action: give a whole number from 0 to 11"),
        ({**SHARE, "action": 18}, "action: 18 in its action: give a whole number from 0 to 17"),
        ({"action": 5}, "an action without 'recipient': with sharing=True"),
        ({**SHARE, "amount": 2}, "unknown key of its action 'amount': known are action, item, quantity, recipient"),
        ({"action": 5, "recipient": 0, "item": 0, "quantiy": 1}, "'quantiy'.*did you mean 'quantity'"),
    ],
)
def test_what_is_wrong_with_an_action_that_carries_a_share_is_named(action: Any, named: str) -> None:
    env = sharing()
    before = env.state_hash()
    with pytest.raises(ActionError, match=rf"^agent_001 got .*{named}"):
        env.step({"agent_000": SHARE, "agent_001": action})
    assert env.state_hash() == before


# Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [(32, 40), [32, 40], np.array([32, 40]), np.array([32, 40], np.uint8)])
def test_sizes_may_be_sequences_or_arrays(pair: Any) -> None:
    env = MACrafterEnv(area=pair, image_size=pair, view=np.array([5, 3]), observation="image")
    assert env.settings == make_settings(area=(32, 40), view=(5, 3))
    assert env.reset(seed=0)[0]["agent_000"].shape == (40, 32, 3)
    assert all(type(side) is int for side in (*env.settings.area, *env.settings.view, *env.image_size))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"area": (4, 4)}, r"area=\(4, 4\) does not fit: give rows and columns, two whole numbers from 8 to 1024"),
        ({"area": (32, 2000)}, r"area=\(32, 2000\)"),
        ({"area": np.array([32, 32, 32])}, r"area=array\(\[32, 32, 32\]\) does not fit"),
        ({"area": np.array(32)}, r"area=array\(32\) does not fit"),
        ({"area": [32, 32.0]}, r"area=\[32, 32.0\] does not fit"),
        ({"area": 32}, "area=32 does not fit: .*8 to 1024, or 'auto'$"),
        ({"area": "Auto"}, "area='Auto' does not fit: .*did you mean 'auto'"),
        ({"view": 9}, r"view=9 does not fit: give odd numbers of columns and rows from 3 to 63, such as \(9, 7\)"),
        ({"view": (9, 8)}, r"view=\(9, 8\) does not fit: give odd"),
        ({"view": (65, 7)}, r"view=\(65, 7\) does not fit: give odd"),
        ({"view": (9, 1)}, r"view=\(9, 1\) does not fit: give odd"),
        ({"image_size": 64}, "image_size=64 does not fit: give width and height, two whole numbers"),
        ({"image_size": np.array([64.0, 64.0])}, "image_size=array"),
        ({"image_size": (64, 5000)}, r"image_size=\(64, 5000\)"),
        ({"scarce": "no"}, "scarce='no' does not fit: give True or False"),
        ({"scarce": 1}, "scarce=1"),
        ({"sharing": "yes"}, "sharing='yes' does not fit: give True or False"),
        ({"sharing": None}, "sharing=None"),
        ({"mode": np.array(["peaceful", "survival"])}, "mode=array.*choose one of peaceful"),
        ({"observation": ["image"]}, r"observation=\['image'\].*choose one of symbolic, image"),
    ],
)
def test_what_does_not_fit_is_named_whole(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        MACrafterEnv(**settings)


def test_numpy_booleans_are_booleans() -> None:
    env = MACrafterEnv(scarce=np.bool_(True), sharing=np.bool_(False))
    assert env.settings.scarce is True
    assert env.sharing is False


# Warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "level", "named"),
    [
        (1, "L2", ("coal takes 2", "iron takes 2", "diamond takes 2", "iron pickaxe takes 2", "n_agents=2 or more")),
        (1, "L3", ("n_agents=1", "coal takes 2", "diamond takes 3", "iron sword takes 2", "n_agents=3 or more")),
        (2, "L3", ("level='L3'", "n_agents=2", "iron takes 3", "diamond takes 3", "level='L1' or 'scaled'")),
    ],
)
@pytest.mark.parametrize(
    "make", [emcoop.parallel_env, lambda *args, **kwargs: emcoop.batch_env(*args, n_envs=1, **kwargs)]
)
def test_a_team_too_small_for_its_level_is_warned_once(make: Any, n: int, level: str, named: tuple[str, ...]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        env = make("MACrafter-v0", n_agents=n, level=level, area=(16, 16))
        env.reset(seed=0)
    (warning,) = (w for w in caught if issubclass(w.category, SettingsWarning))
    assert all(part in str(warning.message) for part in named)
    assert ("coal takes" in str(warning.message)) == (n == 1)


@pytest.mark.parametrize(("n", "level"), [(1, "L1"), (1, "scaled"), (2, "L2"), (3, "L3"), (2, "scaled")])
def test_a_team_that_can_do_everything_is_not_warned(n: int, level: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SettingsWarning)
        emcoop.parallel_env("MACrafter-v0", n_agents=n, level=level, area=(16, 16)).clone()
