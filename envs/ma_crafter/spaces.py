"""What MA-Crafter's agents see and do, as Gymnasium spaces; and their reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.settings import CrafterSettings, is_whole, whole_pair
from emcoop.errors import ActionError, ConfigError, unknown_name

OBSERVATIONS = ("symbolic", "image")


def check_observation(observation: str) -> str:
    """Return `observation` if it is one of `OBSERVATIONS`, else raise `ConfigError`."""
    if not isinstance(observation, str) or observation not in OBSERVATIONS:
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


def check_share(n_agents: int, agent: int, recipient: int, item: int, quantity: int) -> None:
    """Refuse a share that names no agent, no item or no amount.

    Raises:
        ActionError: A number is out of its range; the sentence says which.
    """
    ranges = (
        ("agent", agent, 0, n_agents - 1),
        ("recipient", recipient, 0, n_agents - 1),
        ("item", item, 0, r.N_ITEMS - 1),
        ("quantity", quantity, 1, r.MOST_SHARED),
    )
    for what, value, least, most in ranges:
        if not is_whole(value) or not least <= value <= most:
            raise ActionError(f"a share got {what}={value!r}: give a whole number from {least} to {most}")


def take_shares(actions: Any, action_spaces: Mapping[str, Any], share: Callable[[int, int, int, int], None]) -> Any:
    """Take the share registers out of `Dict` actions.

    Args:
        actions: Agent name -> action; what is no mapping, or no agent, is left to the reader of actions.
        action_spaces: Agent name -> its `Dict` space, in the order of the agents.
        share: Called with agent, recipient, item and quantity for each agent that shares.

    Returns:
        Agent name -> plain action.

    Raises:
        ActionError: An action does not lie in its space; the sentence names agent and key. Nothing was shared then.
    """
    if not isinstance(actions, Mapping):
        return actions
    plain = {}
    for name, action in actions.items():
        space = action_spaces.get(name)
        if space is not None and not (isinstance(action, Mapping) and space.contains(dict(action))):
            raise ActionError(_misfit(name, action, space))
        plain[name] = action["action"] if isinstance(action, Mapping) else action
    for agent, name in enumerate(action_spaces):
        if name in plain and plain[name] == r.SHARE:
            action = actions[name]
            share(agent, int(action["recipient"]), int(action["item"]), max(int(action["quantity"]), 1))
    return plain


def _misfit(name: str, action: Any, space: Any) -> str:
    """Say what is wrong with a `Dict` action."""
    keys = ("action", "recipient", "item", "quantity")
    shape = f"with sharing=True an action is a dictionary of {', '.join(keys[:-1])} and {keys[-1]}"
    if not isinstance(action, Mapping):
        return f"{name} got action {action!r}: {shape}; see action_space({name!r})"
    unknown = [key for key in action if key not in keys]
    if unknown:
        return f"{name} got an {unknown_name('key of its action', unknown[0], keys)}"
    missing = [key for key in keys if key not in action]
    if missing:
        return f"{name} got an action without {missing[0]!r}: {shape}"
    key = next(key for key in keys if not space[key].contains(action[key]))
    return f"{name} got {key}: {action[key]!r} in its action: give a whole number from 0 to {int(space[key].n) - 1}"


def check_image_size(size: Any, view: tuple[int, int]) -> tuple[int, int]:
    """Return width and height if every cell of the view and the strip below it gets a pixel.

    Raises:
        ConfigError: They do not fit.
    """
    least = (view[0], view[1] + -(-(len(w.VITALS) + r.N_ITEMS) // view[0]))
    sides = whole_pair(size)
    if sides is None or not (least[0] <= sides[0] <= 4096 and least[1] <= sides[1] <= 4096):
        raise ConfigError(
            f"image_size={size!r} does not fit: give width and height, two whole numbers of at least {least} and at "
            "most 4096"
        )
    return sides


def step_reward(doubled_points: Any, settings: CrafterSettings) -> Any:
    """Return each agent's reward for a step: the change of the team's score over the team size."""
    return doubled_points / (r.POINT_SCALE * settings.coop.most_points) / settings.n_agents
