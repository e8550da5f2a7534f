"""The keys with which a person plays MA-Crafter."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emcoop.envs.ma_crafter.rules import ACTIONS, TOOLS

_NAMED = {
    "up": "move_up", "down": "move_down", "left": "move_left", "right": "move_right",
    "w": "move_up", "s": "move_down", "a": "move_left", "d": "move_right",
    "space": "do", "tab": "sleep", "r": "place_stone", "t": "place_table", "f": "place_furnace", "p": "place_plant",
    **{str(number): f"make_{tool}" for number, tool in enumerate(TOOLS, start=1)},
    "g": "share", "n": "noop",
}  # fmt: skip

KEYS: Mapping[str, int] = MappingProxyType({key: ACTIONS.index(action) for key, action in _NAMED.items()})
"""Name of the key -> action."""
