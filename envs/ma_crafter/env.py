"""MA-Crafter as a PettingZoo ParallelEnv: a thin skin that holds no rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.dynamics import (
    GAINED,
    LIVING,
    N_EVENTS,
    OUTCOME,
    TERMINATED,
    TRUNCATED,
    observe,
    step_range,
)
from emcoop.envs.ma_crafter.events import CrafterEvents
from emcoop.envs.ma_crafter.keys import KEYS
from emcoop.envs.ma_crafter.manual import help_lines, seat_lines
from emcoop.envs.ma_crafter.scratch import HAS_EVENT, make_scratch
from emcoop.envs.ma_crafter.settings import AREA, CrafterSettings, check_flag, make_settings, warn_of_quorums
from emcoop.envs.ma_crafter.spaces import (
    action_space,
    check_image_size,
    check_observation,
    check_share,
    observation_space,
    step_reward,
    take_shares,
)
from emcoop.envs.ma_crafter.start import start
from emcoop.envs.ma_crafter.state import configuration_digest, flat_state, milestones, points, snapshot, state_digest
from emcoop.envs.parallel_env import (
    RENDER_MODES,
    ActionReader,
    BlockPool,
    LazyEvents,
    WindowedEnv,
    agent_names,
    check_options,
)
from emcoop.errors import ActionError
from emcoop.rng import SeedSequence

Observation = Any
MAP_KEYS = ("map", "agents", "facing", "inventory")
FACE_IT = (-1, 0, 0)
"""The share register when none is given: one unit of what the giver has most of, to the agent faced."""

NOT_HELD = np.zeros(1, np.bool_)


class MACrafterEnv(WindowedEnv):
    """Cooperative survival and crafting in an open world (MA-Crafter; see `docs/ma-crafter.md`).

    Actions are `Discrete(18)`: 0 noop, 1-4 move left, right, up, down, 5 do, 6 sleep, 7-10 place stone, table, furnace,
    plant, 11-13 make wood, stone, iron pickaxe, 14-16 make wood, stone, iron sword, 17 share. With `sharing=True` an
    action is a `Dict` of `action` and the share register `recipient`, `item`, `quantity` (0 stands for 1 unit).

    An observation is a `Dict` of `view`, `(8, rows, columns)` uint8 around the agent (channels in `world.CHANNELS`),
    and `self`, `(19,)` uint8: needs, bag, facing, asleep, daylight (`world.SELF`). With `observation="image"` it is a
    picture, `(height, width, 3)` uint8.

    The reward is the change of the team's score over `n_agents`, the same for all. Agents that are gone have
    terminated; the episode terminates when all are, or when the goal is reached, and is truncated after `max_steps`.

    Args:
        n_agents: Team size, 1 to 1,024.
        area: `(rows, columns)` of the map, or `auto`: as large as keeps the density of 16 agents on 64 x 64.
        mode: `peaceful` (needs, no enemies, no night), `survival`, `creative` (no needs).
        level: `L1` (everyone alone), `L2`, `L3`, `scaled` (quorums are shares of the team).
        preset: `emcoop` or `crafter`: costs, bag limit and length.
        scarce: Whether one harvest uses a tree up.
        spawn: `cluster` (near each other) or `scatter`.
        goal: `diamond` ends the episode when an agent holds one; None never does.
        max_steps: Length of an episode in steps; default 200 (`crafter`: 10,000).
        view: Columns and rows an agent sees; odd.
        observation: `symbolic` or `image`.
        image_size: Width and height of a picture in pixels.
        sharing: Let actions carry a share register.
        render_mode: `human`, `rgb_array`, `ansi` or None.

    Raises:
        ConfigError: A setting does not fit; the sentence says what does.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - PettingZoo declares it so
        "name": "emcoop/MACrafter-v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": 10,
        "is_parallelizable": True,
    }
    keys: Mapping[str, int] = KEYS
    title = "MA-Crafter"
    action_names: tuple[str, ...] = r.ACTIONS

    def __init__(
        self,
        n_agents: int = 3,
        area: Any = AREA,
        mode: str = "peaceful",
        level: str = "L3",
        preset: str = "emcoop",
        *,
        scarce: bool = False,
        spawn: str = "cluster",
        goal: str | None = None,
        max_steps: int | None = None,
        view: Sequence[int] = (9, 7),
        observation: str = "symbolic",
        image_size: Sequence[int] = (64, 64),
        sharing: bool = False,
        render_mode: str | None = None,
    ) -> None:
        self.settings: CrafterSettings = make_settings(
            n_agents, area, mode, level, preset, scarce=scarce, spawn=spawn, goal=goal, max_steps=max_steps, view=view
        )
        self.observation = check_observation(observation)
        self.image_size = check_image_size(image_size, self.settings.view)
        self.sharing = check_flag("sharing", sharing)
        super().__init__(agent_names(n_agents), render_mode)
        self._seeds = SeedSequence()
        self._registers = np.full((1, n_agents, 3), FACE_IT, np.int32)
        self._registers_set = False
        self._observation_space = observation_space(self.settings, observation, self.image_size)
        self._action_spaces = {name: action_space(n_agents, self.sharing) for name in self.possible_agents}
        self._prepare(self.settings)
        warn_of_quorums(self.settings)

    # Spaces and buffers --------------------------------------------------------------------------------------------

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the observation space, the same object for all agents."""
        return self._observation_space

    def action_space(self, agent: str) -> Any:
        """Return the agent's own action space."""
        return self._action_spaces[agent]

    @property
    def state_space(self) -> spaces.Box:
        """Space of `state()`; a hand-made map of another size changes both at `reset`."""
        return self._state_space

    def _prepare(self, settings: CrafterSettings) -> None:
        """Allocate world and scratch for these settings; a hand-made map has an area of its own."""
        self.world = w.make_world(settings, 1)
        self._state_space = spaces.Box(-(2**31), 2**31 - 1, self.state().shape, np.int32)
        self.scratch = make_scratch(settings)
        self._events: CrafterEvents | None = None
        self.make_buffers()

    def make_buffers(self) -> None:
        """Make what a step works with and no other environment may share."""
        cols, rows = self.settings.view
        n = self.settings.n_agents
        self._outcome = np.zeros((1, OUTCOME), np.int32)
        self._outcome_row = self._outcome[0]
        self._pool = BlockPool((1, n, rows, cols), (n,))
        self._know_the_living()

    def _know_the_living(self) -> None:
        """Make what depends on which agents are still in the episode."""
        names = self.agents or self.possible_agents
        gone = self.world.agents()[:, w.STATUS] == w.GONE
        self._living = np.flatnonzero(~gone) if self.agents else np.arange(len(names))
        self._all_live = len(names) == len(self.possible_agents)
        self._reader = ActionReader(names, r.ACTIONS, self.possible_agents)
        self._nobody = dict.fromkeys(names, False)
        self._no_gain = dict.fromkeys(names, 0.0)

    # Episode ---------------------------------------------------------------------------------------------------------

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start an episode.

        Args:
            seed: Fixes map, start and chance; without it the next seed of the current sequence is used.
            options: A hand-made world: `map` (rows of letters), `agents`, `facing`, `inventory`.

        Returns:
            Observations and infos per agent; `info["sub_seed"]` is the attempt whose map passed the check (-1 for a
            hand-made one).

        Raises:
            ConfigError: An illegal map; the cell is named.
        """
        check_options(options, MAP_KEYS)
        chosen = self._seeds.next(seed)
        begun = start(self.settings, chosen, options or {})
        if begun.materials.shape != self.world.settings.area:
            self._prepare(replace(self.settings, area=begun.materials.shape))
        begun.place(self.world, 0, chosen)
        self._registers[:] = FACE_IT
        self._registers_set = False
        self._events = None
        self.agents = list(self.possible_agents)
        self._know_the_living()
        if self.render_mode == "human":
            self.render()
        infos = self._infos()
        for info in infos.values():
            info["sub_seed"] = begun.sub_seed
        return self._observe(), infos

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Take one joint step.

        Args:
            actions: One action per agent still in the episode.

        Returns:
            Observations, rewards, terminations, truncations and infos of these agents.

        Raises:
            ActionError: Not exactly one valid action per agent, or no episode is running.
        """
        if not self.agents:
            if not actions:
                return {}, {}, {}, {}, {}
            raise ActionError("no episode is running: it has ended or not begun; call reset() first")
        self._reader.read(take_shares(actions, self._action_spaces, self.set_share) if self.sharing else actions)
        observations = self._advance(self._reader.joint)
        outcome = self._outcome_row.tolist()
        self._events = CrafterEvents(self.possible_agents, self.scratch) if outcome[N_EVENTS] else None
        infos = self._infos()
        gained = outcome[GAINED]
        rewards = self._for_all(step_reward(gained, self.settings)) if gained else self._no_gain.copy()
        terminations, truncations = self._ends(outcome)
        if self.render_mode == "human":
            self.render()
        return observations, rewards, terminations, truncations, infos

    def _for_all(self, value: Any) -> dict[str, Any]:
        return dict.fromkeys(self._nobody, value)

    def _ends(self, outcome: list[int]) -> tuple[dict[str, bool], dict[str, bool]]:
        """Say who has terminated or been truncated, and let them go."""
        terminations = self._for_all(True) if outcome[TERMINATED] else self._nobody.copy()
        truncations = self._for_all(True) if outcome[TRUNCATED] else self._nobody.copy()
        if outcome[LIVING] < len(self.agents):
            for i in self._living.tolist():
                if self.world.agents()[i, w.STATUS] == w.GONE:
                    name = self.possible_agents[i]
                    terminations[name], truncations[name] = True, False
        if outcome[TERMINATED] or outcome[TRUNCATED]:
            self.agents = []
        elif outcome[LIVING] < len(self.agents):
            self.agents = [name for name in self.agents if not terminations[name]]
            self._know_the_living()
        return terminations, truncations

    def set_share(self, agent: int, recipient: int, item: int, quantity: int) -> None:
        """Set an agent's share register for the coming step.

        Args:
            agent: Index of the giver.
            recipient: Index of the recipient.
            item: Index in `rules.ITEMS`.
            quantity: Units, 1 to 20.

        Raises:
            ActionError: There is no such agent, item or quantity.
        """
        check_share(self.settings.n_agents, agent, recipient, item, quantity)
        self._registers[0, agent] = recipient, item, quantity
        self._registers_set = True

    def _advance(self, joint: NDArray[np.uint8]) -> dict[str, Observation]:
        """Run the kernels on a joint action; return what the agents see."""
        world = self.world
        block, channels = self._pool.take()
        selves = np.empty((1, joint.shape[1], len(w.SELF)), np.uint8)
        step_range(
            world.rules, world.rows, world.materials, world.planted, world.occupancy, world.cells, joint,
            self._registers, NOT_HELD, block, selves, self._outcome, *self.scratch, 0, 1, world.pad,
        )  # fmt: skip
        if self._registers_set:
            self._registers[:] = FACE_IT
            self._registers_set = False
        return self._hand_out(channels, selves[0])

    def _observe(self) -> dict[str, Observation]:
        """Return what the agents see now."""
        world = self.world
        block, channels = self._pool.take()
        selves = np.empty((1, world.n_agents, len(w.SELF)), np.uint8)
        observe(
            world.rules, world.rows, world.materials, world.planted, world.occupancy, world.cells, block, selves,
            0, 1, world.pad,
        )  # fmt: skip
        return self._hand_out(channels, selves[0])

    def _hand_out(self, channels: NDArray[np.uint8], selves: NDArray[np.uint8]) -> dict[str, Observation]:
        if self.observation == "image":
            from emcoop.envs.ma_crafter.render import draw_world_views

            pictures = draw_world_views(self.world, self.image_size)
            return {self.possible_agents[i]: pictures[i] for i in self._living.tolist()}
        names = self.possible_agents
        if self._all_live:
            return {name: {"view": view, "self": own} for name, view, own in zip(names, channels, selves)}
        return {names[i]: {"view": channels[i], "self": selves[i]} for i in self._living.tolist()}

    def _infos(self) -> dict[str, dict[str, Any]]:
        infos: dict[str, dict[str, Any]] = {name: {"events": ()} for name in self.agents}
        if self._events is not None:
            read, has_event = self._events.of_agent, self.scratch.by_agent[HAS_EVENT]
            flags = has_event if self._all_live else has_event[self._living]
            for i, info in compress(zip(self._living.tolist(), infos.values()), flags.tolist()):
                info["events"] = LazyEvents(read, i)
        return infos

    # What is asked about the state -----------------------------------------------------------------------------------

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events of the last step, agents as indices."""
        return [] if self._events is None else self._events.indexed()

    @property
    def raw_score(self) -> float:
        """Points of the units harvested in demand."""
        return points(self.world)

    @property
    def score(self) -> float:
        """Points over the maximum, in [0, 1]."""
        return self.raw_score / self.settings.coop.most_points

    def progress(self) -> float:
        """Return the progress potential in [0, 1]: half the score, half the milestones of the technology tree."""
        return 0.5 * self.score + 0.5 * milestones(self.world.agents()[:, w.ACHIEVED], self.settings.coop)

    def state(self) -> NDArray[np.int32]:
        """Return the whole state as one int32 vector: the row of numbers, materials, planted steps (row by row)."""
        return flat_state(self.world)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain arrays (copies).

        Returns:
            `agents (n, 2)`, `alive (n,)`, `down (n,)`, `facing (n,)`, `sleeping (n,)`, `vitals (n, 4)` with
            `vital_names`, `inventory (n, 12)` with `item_names`, `achievements (n, 22)` and `team_achievements (22,)`
            with `achievement_names`, `materials (rows, cols)` with `material_names`, `ripe (rows, cols)`, `mobs (k, 5)`
            (kind, row, col, health, facing) with `mob_names`, `daylight` in [0, 1], `view` (columns, rows), `step`,
            `team_score` (points).
        """
        return snapshot(self.world)

    def state_hash(self) -> str:
        """Return the canonical hash of the complete state, the same on every platform."""
        return state_digest(self.world)

    def configuration_hash(self) -> str:
        """Return the hash of cells, poses, bags and the map only, without clock and counters (for recurrence)."""
        return configuration_digest(self.world)

    def clone(self) -> MACrafterEnv:
        """Return an independent copy in the same state, without a window."""
        twin: MACrafterEnv = self.shell()
        twin.world = self.world.clone()
        twin.scratch = make_scratch(self.world.settings)
        twin._registers = self._registers.copy()
        twin._seeds = copy(self._seeds)
        twin.make_buffers()
        return twin

    def over(self, world: w.World, seed: int) -> MACrafterEnv:
        """Return an environment of the same settings over another state: its own seeds, no events, no window.

        Args:
            world: The state; who is gone there has left the episode.
            seed: Seed from which further episodes take theirs.
        """
        twin: MACrafterEnv = self.shell()
        gone = (world.agents()[:, w.STATUS] == w.GONE).tolist()
        twin.agents = [name for name, is_gone in zip(self.possible_agents, gone) if not is_gone and self.agents]
        twin.world = world
        twin.scratch = make_scratch(world.settings)
        twin._registers = np.full_like(self._registers, FACE_IT)
        twin._registers_set = False
        twin._events = None
        twin._seeds = SeedSequence()
        twin._seeds.next(seed)
        twin.make_buffers()
        return twin

    # Pictures --------------------------------------------------------------------------------------------------------

    def draw_text(self) -> str:
        """Return map and team as text."""
        from emcoop.envs.ma_crafter.render import render_ansi

        return render_ansi(self.snapshot())

    def draw(self) -> NDArray[np.uint8]:
        """Return map and team as a picture."""
        from emcoop.envs.ma_crafter.render import render_team

        return render_team(self.snapshot())

    def render_seat(self, agent: int) -> NDArray[np.uint8]:
        """Draw what one agent sees, with its needs and bag, for a person who plays it."""
        from emcoop.envs.ma_crafter.render import render_seat

        return render_seat(self.snapshot(), agent)

    def help_lines(self) -> list[str]:
        """Return what things cost and how many agents they take, for a person who plays."""
        return help_lines(self.settings)

    def seat_lines(self, agent: int) -> list[str]:
        """Return why an agent's actions do nothing, a headline first; nothing if they do something."""
        return seat_lines(self.world, agent)
