"""What MA-Crafter's agents see and do, as Gymnasium spaces; and their reward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.settings import CrafterSettings
from emcoop.errors import ConfigError

OBSERVATIONS = ("symbolic", "image")


def check_observation(observation: str) -> str:
    """Return `observation` if it is one of `OBSERVATIONS`, else raise `ConfigError`."""
    if observation not in OBSERVATIONS:
        raise ConfigError(f"observation={observation!r} does not exist: choose one of {', '.join(OBSERVATIONS)}")
    return observation


def symbolic_space(settings: CrafterSettings) -> spaces.Dict:
    """Return the space of symbolic observations: `view` around the agent, and what it knows of itself."""
    cols, rows = settings.view
    view = spaces.Box(0, 255, (len(w.CHANNELS), rows, cols), np.uint8)
    return spaces.Dict({"view": view, "self": spaces.Box(0, 255, (len(w.SELF),), np.uint8)})


def observation_space(settings: CrafterSettings, observation: str, image_size: tuple[int, int]) -> spaces.Space[Any]:
    """Return the space of one agent's observations."""
    if observation == "symbolic":
        return symbolic_space(settings)
    width, height = image_size
    return spaces.Box(0, 255, (height, width, 3), np.uint8)


def action_space(n_agents: int, sharing: bool) -> spaces.Space[Any]:
    """Return the space of one agent's actions: `Discrete`, with `sharing` a `Dict` with the share register."""
    action = spaces.Discrete(len(r.ACTIONS))
    if not sharing:
        return action
    return spaces.Dict(
        {
            "action": action,
            "recipient": spaces.Discrete(n_agents),
            "item": spaces.Discrete(r.N_ITEMS),
            "quantity": spaces.Discrete(r.MOST_SHARED + 1),
        }
    )


def check_image_size(size: Sequence[int], view: tuple[int, int]) -> tuple[int, int]:
    """Return width and height if every cell of the view and the strip below it gets a pixel.

    Raises:
        ConfigError: They do not fit.
    """
    least = (view[0], view[1] + -(-(len(w.VITALS) + r.N_ITEMS) // view[0]))
    whole = isinstance(size, Sequence) and len(size) == 2 and all(isinstance(side, int) for side in size)
    if not whole or not (least[0] <= size[0] <= 4096 and least[1] <= size[1] <= 4096):
        raise ConfigError(f"image_size={size!r} does not fit: give width and height, at least {least}, at most 4096")
    return size[0], size[1]


def step_reward(doubled_points: Any, settings: CrafterSettings) -> Any:
    """Return each agent's reward for a step: the change of the team's score over the team size."""
    return doubled_points / (r.POINT_SCALE * settings.coop.most_points) / settings.n_agents
