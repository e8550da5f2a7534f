"""CUBE as a PettingZoo ParallelEnv: a thin skin that holds no rule."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import copy
from itertools import compress
from types import MappingProxyType
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from emcoop.envs.cube.board import parse_board
from emcoop.envs.cube.dynamics import observe, step_and_observe
from emcoop.envs.cube.events import CubeEvents
from emcoop.envs.cube.layout import place
from emcoop.envs.cube.scratch import HAS_EVENT, make_scratch
from emcoop.envs.cube.settings import ACTIONS, OBSERVATIONS, CubeSettings, make_settings
from emcoop.envs.cube.world import CHANNELS, OPEN, World, make_world
from emcoop.envs.parallel_env import (
    RENDER_MODES,
    ActionReader,
    BlockPool,
    LazyEvents,
    WindowedEnv,
    agent_names,
    check_options,
)
from emcoop.errors import ActionError, ConfigError
from emcoop.rng import SeedSequence

Observation = Any
STEP_REWARD = -0.01
BOARD_KEYS = ("agents", "blocks")


def step_reward(delivered_weight: Any, n_agents: int) -> Any:
    """Return each agent's reward for a step: -0.01 plus the weight delivered in it over the team size."""
    return STEP_REWARD + delivered_weight / n_agents


def check_view(view: int) -> int:
    """Return the window side if it is odd and from 3 to 255, else raise `ConfigError`."""
    if isinstance(view, bool) or not isinstance(view, int) or view % 2 == 0 or not 3 <= view <= 255:
        raise ConfigError(f"view={view!r} does not fit: give an odd window side from 3 to 255 cells")
    return view


def check_sight(sight: int | None) -> int | None:
    """Return the sight radius if it is None or a whole number of cells >= 1, else raise `ConfigError`."""
    if sight is not None and (isinstance(sight, bool) or not isinstance(sight, int) or sight < 1):
        raise ConfigError(f"sight={sight!r} does not fit: give a radius of 1 or more cells, or None for the whole map")
    return sight


class CubeEnv(WindowedEnv):
    """Cooperative block pushing on a square grid (the CUBE environment; see `docs/cube.md`).

    Actions are `Discrete(5)`: 0 stay, 1 up, 2 down, 3 left, 4 right. An observation is an egocentric window, `uint8`
    of shape `(8, view, view)`, the agent in the middle. Channels: 0 other agents, 1 block, 2 block weight (clipped
    at 255), 3 goal column, 4 off the board, 5 free cell, 6 the agent itself, 7 top-left corner of a block. With
    `observation="global"` it is a `Dict` of `board`, `(K, K, 5)` float32, read-only and shared (agent mask, block
    weight, goal, agent index + 1, block index + 1) and `you`, the agent's `(row, col)`.

    The reward is -0.01 a step plus the weight delivered in it over `n_agents`, the same for all. An episode
    terminates when no block is left and is truncated after `max_steps`.

    Args:
        n_agents: Team size, 1 to 1,024; it alone fixes board, blocks and length (the curriculum).
        grid_size: Side of the board in cells.
        blocks: `{weight: count}`.
        max_steps: Length of an episode in steps.
        view: Odd side of the observation window in cells.
        observation: `window` or `global`.
        action_mask: Put a `(5,)` uint8 mask of the moves that stay on the board into each agent's info.
        sight: How far planners' text views reach in cells; None = the whole map.
        render_mode: `human`, `rgb_array`, `ansi` or None.

    Raises:
        ConfigError: A setting does not fit; the sentence says what does.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - PettingZoo declares it so
        "name": "emcoop/Cube-v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": 10,
        "is_parallelizable": True,
    }
    title = "CUBE"
    action_names: tuple[str, ...] = ACTIONS
    keys: Mapping[str, int] = MappingProxyType(
        {"up": 1, "down": 2, "left": 3, "right": 4, "w": 1, "s": 2, "a": 3, "d": 4, "space": 0}
    )

    def __init__(
        self,
        n_agents: int = 2,
        grid_size: int | None = None,
        blocks: Mapping[int, int] | None = None,
        max_steps: int | None = None,
        *,
        view: int = 11,
        observation: str = "window",
        action_mask: bool = False,
        sight: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if observation not in OBSERVATIONS:
            raise ConfigError(f"observation={observation!r} does not exist: choose one of {', '.join(OBSERVATIONS)}")
        self.settings: CubeSettings = make_settings(n_agents, grid_size, blocks, max_steps)
        self.view = check_view(view)
        self.observation = observation
        self.sight = check_sight(sight)
        super().__init__(agent_names(self.settings.n_agents), render_mode)
        self._mask_actions = action_mask
        self._seeds = SeedSequence()
        self.make_buffers()
        self._observation_space = self._make_observation_space()
        self._action_spaces = {name: spaces.Discrete(len(ACTIONS)) for name in self.possible_agents}
        self._prepare(self.settings.weights)
        bound = max(self.settings.grid_size, self.settings.max_steps, 10**4)
        self.state_space = spaces.Box(-1, bound, (self.world.rows.shape[1],), np.int32)

    def _prepare(self, weights: tuple[int, ...]) -> None:
        """Allocate world and scratch for blocks of these weights."""
        view = self.view if self.observation == "window" else 3
        self.world: World = make_world(self.settings, weights, 1, view)
        self._weights = weights
        self.scratch = make_scratch(self.settings.n_agents, len(weights), self.world.occupancy.shape[1])
        self._events: CubeEvents | None = None

    def make_buffers(self) -> None:
        """Make what a step works with and no other environment may share.

        Copying a dictionary is several times cheaper than filling one, so the usual answers are kept as templates.
        """
        names = self.possible_agents
        self._reader = ActionReader(names, ACTIONS)
        self._outcome = np.zeros((1, 4), np.int32)
        self._outcome_row = self._outcome[0]
        self._pool = BlockPool((1, len(names), self.view, self.view), (len(names),))
        self._nobody = dict.fromkeys(names, False)
        self._no_gain = dict.fromkeys(names, step_reward(0, len(names)))

    def _make_observation_space(self) -> spaces.Space[Any]:
        if self.observation == "window":
            return spaces.Box(0, 255, (len(CHANNELS), self.view, self.view), np.uint8)
        size = self.settings.grid_size
        most = float(max(self.settings.n_agents, size, 10**4))
        board = spaces.Box(0.0, most, (size, size, 5), np.float32)
        return spaces.Dict({"board": board, "you": spaces.Box(0, size - 1, (2,), np.int32)})

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the observation space, the same object for all agents."""
        return self._observation_space

    def action_space(self, agent: str) -> Any:
        """Return the agent's own action space."""
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start an episode.

        Args:
            seed: Fixes the layout; without it the next seed of the current sequence is used.
            options: `agents` and `blocks` give an explicit board: `[(row, col), ...]`, `[(row, col, weight), ...]`.

        Returns:
            Observations and infos per agent.

        Raises:
            ConfigError: An illegal board (the cell is named), or blocks that do not fit.
        """
        check_options(options, BOARD_KEYS)
        chosen = self._seeds.next(seed)
        if options and ("agents" in options or "blocks" in options):
            agents, blocks, weights = parse_board(options, self.settings, chosen)
        else:
            agents, blocks = place(self.settings, chosen)
            weights = self.settings.weights
        if weights != self._weights:
            self._prepare(weights)
        self.world.place(0, agents, blocks)
        self._start_columns = self.world.blocks[0, :, 1].copy()
        self._events = None
        self.agents = list(self.possible_agents)
        if self.render_mode == "human":
            self.render()
        return self._observe(), self._infos()

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Take one joint step.

        Args:
            actions: One action per agent.

        Returns:
            Observations, rewards, terminations, truncations and infos per agent; when the episode ends all agents
            get a last observation.

        Raises:
            ActionError: Not exactly one valid action per agent, or no episode is running.
        """
        if not self.agents:
            if not actions:
                return {}, {}, {}, {}, {}
            raise ActionError("no episode is running: it has ended or not begun; call reset() first")
        self._reader.read(actions)
        observations = self._advance()
        gained, n_open, step, n_events = self._outcome_row.tolist()
        self._events = CubeEvents(self.possible_agents, self.scratch) if n_events else None
        infos = self._infos()
        terminated = n_open == 0
        truncated = not terminated and step >= self.settings.max_steps
        if terminated or truncated:
            self.agents = []
        if self.render_mode == "human":
            self.render()
        return (
            observations,
            self._for_all(step_reward(gained, len(infos))) if gained else self._no_gain.copy(),
            self._for_all(True) if terminated else self._nobody.copy(),
            self._for_all(True) if truncated else self._nobody.copy(),
            infos,
        )

    def _for_all(self, value: Any) -> dict[str, Any]:
        return dict.fromkeys(self._nobody, value)

    def _advance(self) -> dict[str, Observation]:
        """Run the kernels on the joint action read last; return what the agents see."""
        world = self.world
        windows = self.observation == "window"
        block, channels = self._pool.take()
        step_and_observe(
            world.rows, world.occupancy, world.cells, self._reader.joint, block, self._outcome, *self.scratch,
            0, 1, world.pad, self.view if windows else 0, True,
        )  # fmt: skip
        return dict(zip(self.agents, channels)) if windows else self._observe_global()

    def _observe(self) -> dict[str, Observation]:
        """Return what the agents see now."""
        if self.observation == "global":
            return self._observe_global()
        world = self.world
        block, channels = self._pool.take()
        observe(world.rows, world.occupancy, world.cells, block, 0, 1, world.pad)
        return dict(zip(self.possible_agents, channels))

    def _observe_global(self) -> dict[str, Observation]:
        world = self.world
        inner = slice(world.pad, world.pad + world.grid_size)
        occupancy = world.occupancy[0, inner, inner]
        board = np.zeros((world.grid_size, world.grid_size, 5), np.float32)
        board[..., 0] = occupancy > 0
        block = np.maximum(-occupancy, 0)
        board[..., 1] = np.concatenate([[0], world.weights[0]])[block]
        board[:, -1, 2] = 1
        board[..., 3] = np.maximum(occupancy, 0)
        board[..., 4] = block
        board.flags.writeable = False
        return {name: {"board": board, "you": you.copy()} for name, you in zip(self.possible_agents, world.agents[0])}

    def _infos(self) -> dict[str, dict[str, Any]]:
        infos: dict[str, dict[str, Any]] = {name: {"events": ()} for name in self.agents}
        if self._events is not None:
            read = self._events.of_agent
            for i, info in compress(enumerate(infos.values()), self.scratch.by_agent[HAS_EVENT].tolist()):
                info["events"] = LazyEvents(read, i)
        if self._mask_actions:
            for info, mask in zip(infos.values(), self._action_masks()):
                info["action_mask"] = mask
        return infos

    def _action_masks(self) -> NDArray[np.uint8]:
        agents, last = self.world.agents[0], self.settings.grid_size - 1
        row, col = agents[:, 0], agents[:, 1]
        return np.stack([row >= 0, row > 0, row < last, col > 0, col < last], axis=1).astype(np.uint8)

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events of the last step, agents as indices."""
        return [] if self._events is None else self._events.indexed()

    @property
    def raw_score(self) -> float:
        """Delivered weight."""
        return float(self.world.weights[0] @ self.world.delivered[0])

    @property
    def score(self) -> float:
        """Delivered weight over total weight, in [0, 1]."""
        return self.raw_score / float(self.world.weights[0].sum())

    def progress(self) -> float:
        """Return the progress potential in [0, 1]: how much of their way to the goal the blocks have made.

        The mean over blocks, weighted by weight, of 1 - (columns still to go)/(columns at the start); a block pushed
        away from the goal counts 0.
        """
        world = self.world
        goal = self.settings.grid_size - world.weights[0]
        share = (world.blocks[0, :, 1] - self._start_columns) / (goal - self._start_columns)
        return float(world.weights[0] @ np.clip(share, 0.0, 1.0) / world.weights[0].sum())

    def state(self) -> NDArray[np.int32]:
        """Return the whole state, `(2 + 2 n + 4 m,)` int32.

        Steps taken, open blocks, then agents `(row, col)`, blocks `(row, col)`, block weights, delivered flags.
        """
        row: NDArray[np.int32] = self.world.rows[0].copy()
        return row

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain arrays (copies).

        Returns:
            `agents (n, 2)`, `block_positions (m, 2)`, `block_weights (m,)`, `delivered (m,)` bool, `step`.
        """
        world = self.world
        return {
            "agents": world.agents[0].copy(),
            "block_positions": world.blocks[0].copy(),
            "block_weights": world.weights[0].copy(),
            "delivered": world.delivered[0].astype(bool),
            "step": int(world.steps[0]),
        }

    def state_hash(self) -> str:
        """Return the canonical hash of the complete state, the same on every platform."""
        return state_digest(self.settings.grid_size, self.settings.n_agents, self.world.rows[0])

    def configuration_hash(self) -> str:
        """Return the hash of positions and deliveries only, without the clock (for recurrence)."""
        return state_digest(self.settings.grid_size, self.settings.n_agents, self.world.rows[0, OPEN:])

    def clone(self) -> CubeEnv:
        """Return an independent copy in the same state, without a window."""
        twin: CubeEnv = self.shell()
        twin.world = self.world.clone()
        twin.scratch = make_scratch(self.settings.n_agents, len(self._weights), self.world.occupancy.shape[1])
        twin._seeds = copy(self._seeds)
        twin.make_buffers()
        return twin

    def over(self, world: World, seed: int, knows_start: bool) -> CubeEnv:
        """Return an environment of the same settings over another state: its own seeds, no events, no window.

        Args:
            world: The state, of as many agents and blocks.
            seed: Seed from which further episodes take theirs.
            knows_start: Whether progress counts from where the blocks began; else from the first column.
        """
        twin: CubeEnv = self.shell()
        twin._weights = tuple(world.weights[0].tolist())
        twin.world = world
        twin.scratch = make_scratch(self.settings.n_agents, world.n_blocks, world.occupancy.shape[1])
        twin._events = None
        twin._seeds = SeedSequence()
        twin._seeds.next(seed)
        if not knows_start:
            twin._start_columns = np.zeros_like(self._start_columns)
        twin.make_buffers()
        return twin

    def draw_text(self) -> str:
        """Return the board as text."""
        from emcoop.envs.cube.render import render_ansi

        return render_ansi(self._scene(), self.settings.grid_size)

    def draw(self) -> NDArray[np.uint8]:
        """Return the board as a picture, `(512, 512, 3)`."""
        from emcoop.envs.cube.render import render_rgb

        return render_rgb(self._scene(), self.settings.grid_size)

    def _scene(self) -> dict[str, Any]:
        return {**self.snapshot(), "max_steps": self.settings.max_steps}

    def render_seat(self, agent: int) -> NDArray[np.uint8]:
        """Draw the board with one agent marked, for a person who plays it."""
        from emcoop.envs.cube.render import render_rgb

        return render_rgb(self._scene(), self.settings.grid_size, highlight=agent)


def state_digest(grid_size: int, n_agents: int, row: NDArray[np.int32]) -> str:
    """Return the hash of a state row: BLAKE2b over sizes and entries as little-endian 32-bit integers."""
    digest = hashlib.blake2b(b"emcoop/Cube-v0", digest_size=16)
    digest.update(np.array([grid_size, n_agents], "<i4").tobytes())
    digest.update(row.astype("<i4", copy=False).tobytes())
    return digest.hexdigest()
