"""What MA-Crafter agents know: the map each has seen or been told of, and where it saw the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter.facts import MATERIAL_OF, agent_key, cell_key, read_agent, read_cell, read_place
from emcoop.envs.ma_crafter.routes import (
    HEADINGS,
    borders_unknown,
    entry_steps,
    frontier_cell,
    make_ways,
    nearest_of,
    search,
)
from emcoop.envs.ma_crafter.sight import UNKNOWN
from emcoop.envs.ma_crafter.surveys import MOST_SINGLE, SURVEYED, survey, survey_cell
from emcoop.envs.ma_crafter.world import COW, STEP, World
from emcoop.envs.navigation import DCOL, DROW

__all__ = ["UNKNOWN", "Knowledge"]

FIELD_AGE = 8
"""Steps a way may be followed although more of the map is known by now; who is stuck asks for a new one."""
FIELDS_PER_AGENT = 2
MOST_FIELD_CELLS = 2**28
"""Cells of distance fields kept at most, 1 GiB of addresses; only what a search reached is memory."""
STATIONS = (r.TABLE, r.FURNACE)
AHEAD = 12
OF_ONE = ("known", "boxes", "changes", "others", "cows", "log", "logged", "stood")
"""Memories that are an agent's own."""

Cell = tuple[int, int]
IntArray = NDArray[np.int32]


@dataclass
class Moment:
    """What was true at the last look, as plain numbers: reading them one by one from arrays takes longer.

    Attributes:
        step: The step, -1 before the first.
        agents: Fields of every agent, as in `world`.
        places: Their cells.
        obstacles: By agent, once asked for: see `Knowledge.entry_steps`, and the same as bytes.
    """

    step: int = -1
    agents: list[list[int]] = field(default_factory=list)
    places: list[Cell] = field(default_factory=list)
    obstacles: dict[int, tuple[NDArray[np.uint8], bytes]] = field(default_factory=dict)


class Knowledge:
    """The memories of a team, in one world and episode.

    Rows of all grids are padded like the world's; cells in arguments and answers are not.

    Args:
        world: The world; its first environment counts. It is read by `look` only, and for privileged agents.

    Attributes:
        known: `(n, R, C)` uint8: material by agent, `UNKNOWN` where it has seen nothing.
        others: `(n, n, 6)` int32: what an agent knows of another, see `sight.SEEN_ROW` and the following.
        discovered: `(R, C)` bool: seen by anybody of the team.
        half: Rows and columns a view reaches from its agent.
        blind: Agents that see nothing now, see `blindfold`.
        now: What was true at the last look.
    """

    def __init__(self, world: World) -> None:
        shape = world.materials.shape[1:]
        self._world = world
        self._pad = world.pad
        self.half = (world.settings.view[1] // 2, world.settings.view[0] // 2)
        self._m = s.make_memories(world.n_agents, (shape[0], shape[1]))
        self.known, self.others, self.discovered = self._m.known, self._m.others, self._m.discovered
        self._revealed = [False] * world.n_agents
        self.blind: tuple[int, ...] = ()
        self._told = np.zeros(world.n_agents, np.int64)
        rows, cols = world.settings.area
        self._whole_map = (rows, cols)
        self._whole = np.array([self._pad, self._pad, self._pad + rows, self._pad + cols], np.int32)
        self._found = np.empty((rows * cols, 3), np.int32)
        self._agents, self._bags, self._mobs = world.agents(), world.bags(), world.mobs()
        self.now = Moment()
        self._ways = make_ways(shape[0] * shape[1])
        self._own_cell = np.empty((1, 2), np.int32)
        self._near = np.empty((world.n_mobs, 3), np.int32)
        self._standing = np.empty((world.n_agents, 2), np.int32)
        self._entries: dict[bytes, tuple[NDArray[np.uint8], bytes]] = {}
        self._from: dict[int, tuple[object, IntArray]] = {}
        self._to: dict[object, tuple[int, list[int], IntArray]] = {}
        self._most_fields = max(8, min(FIELDS_PER_AGENT * world.n_agents + 8, MOST_FIELD_CELLS // int(np.prod(shape))))

    def reveal(self, agents: Sequence[int]) -> None:
        """Let these agents know everything, always."""
        for agent in agents:
            self._revealed[agent] = True

    def blindfold(self, agents: Sequence[int]) -> None:
        """Let these agents, and no others, learn nothing from the looks to come; they keep what they know."""
        self.blind = tuple(agents)

    def reach(self, agent: int) -> tuple[int, int]:
        """Return how many rows and columns the agent's view reaches from it, -1 if it sees nothing now."""
        return (-1, -1) if agent in self.blind else self.half

    def everything(self) -> Knowledge:
        """Return the same memories, kept up to date with these, through which every agent knows everything."""
        twin = copy(self)
        twin._revealed = [True] * len(self._revealed)
        twin._from, twin._to = {}, {}
        return twin

    def look(self) -> None:
        """Let every living agent look around; called after reset and after every step."""
        w, kept = self._world, [self._keep(agent) for agent in self.blind]
        s.look(
            w.rules, w.rows, w.materials, w.planted, w.occupancy, w.cells, w.n_agents, w.pad, *self.half, self._m
        )  # fmt: skip
        self.now.step = int(w.rows[0, STEP])
        self.now.agents = self._agents.tolist()
        self.now.places = [(row, col) for row, col, *_ in self.now.agents]
        self.now.obstacles.clear()
        for agent, memory in zip(self.blind, kept):
            self._restore(agent, memory)

    def _keep(self, agent: int) -> list[Any]:
        """Return a copy of what an agent remembers."""
        return [getattr(self._m, name)[agent].copy() for name in OF_ONE]

    def _restore(self, agent: int, memory: list[Any]) -> None:
        """Put a memory back in place of what an agent has just seen; where it is itself it knows."""
        for name, kept in zip(OF_ONE, memory):
            getattr(self._m, name)[agent] = kept
        box, here = self._m.boxes[agent], np.array(self.now.places[agent]) + self._pad
        box[: s.BOTTOM] = np.minimum(box[: s.BOTTOM], here)
        box[s.BOTTOM :] = np.maximum(box[s.BOTTOM :], here + 1)

    @property
    def memories(self) -> s.Memories:
        """All that is remembered, as arrays; nobody may change them after the first look."""
        return self._m

    @property
    def step(self) -> int:
        """Step of the last look, -1 before the first."""
        return self.now.step

    # What an agent knows ---------------------------------------------------------------------------------------------

    def is_revealed(self, agent: int) -> bool:
        """Say whether an agent knows everything."""
        return self._revealed[agent]

    def grid(self, agent: int) -> NDArray[np.uint8]:
        """Return the padded map of an agent; nobody may change it."""
        grid: NDArray[np.uint8] = self._world.materials[0] if self._revealed[agent] else self.known[agent]
        return grid

    def version(self, agent: int) -> int:
        """Return a number that changes when the agent's map does."""
        return self.step if self._revealed[agent] else int(self._m.changes[agent])

    def seen(self, agent: int) -> IntArray:
        """Return what an agent knows of the others, `(n, 6)`: see `sight.SEEN_ROW` and the following."""
        return self._m.truth if self._revealed[agent] else self.others[agent]

    def in_view(self, agent: int, row: int, col: int) -> bool:
        """Say whether a cell lies in the agent's view now, or would if the agent were alive."""
        me, half = self.now.places[agent], self.reach(agent)
        return abs(row - me[0]) <= half[0] and abs(col - me[1]) <= half[1]

    def sees(self, agent: int, row: int, col: int) -> bool:
        """Say whether the agent can tell who or what is on a cell now."""
        return self._revealed[agent] or self.in_view(agent, row, col)

    def cows(self, agent: int) -> list[Cell]:
        """Return the cells of the cows in view, nearest first; without any, where the agent saw one last."""
        near = self.creatures(agent, COW)
        row, col, step = self._m.cows[agent].tolist()
        return near if near or step < 0 else [(row, col)]

    def creatures(self, agent: int, kind: int) -> list[Cell]:
        """Return the cells of the creatures of a kind in view, nearest first."""
        half = self._whole_map if self._revealed[agent] else self.reach(agent)
        count = s.creatures_near(self._mobs, kind, *self.now.places[agent], *half, self._near)
        return [(row, col) for _, row, col in sorted(self._near[:count].tolist())] if count else []

    # Messages --------------------------------------------------------------------------------------------------------

    def news(self, agent: int, most: int) -> dict[str, Any]:
        """Return and forget the oldest discoveries the agent has not told yet, and where it is itself.

        Args:
            agent: Who tells.
            most: Discoveries at most.

        Returns:
            Facts: `cell:<row>,<col>` -> material, `agent<i>` -> `[row, col, pickaxe, kit]`.
        """
        facts: dict[str, Any] = {}
        made = int(self._m.logged[agent])
        first = max(int(self._told[agent]), made - s.LOG)
        for k in islice(range(first, made), most):
            y, x = divmod(int(self._m.log[agent, k % s.LOG, 0]), self.known.shape[2])
            facts[cell_key(y - self._pad, x - self._pad)] = r.MATERIALS[self.known[agent, y, x]]
            first = k + 1
        self._told[agent] = first
        facts[agent_key(agent)] = self._m.truth[agent, [s.SEEN_ROW, s.SEEN_COL, s.SEEN_TIER, s.SEEN_KIT]].tolist()
        return facts

    def learn(self, agents: Sequence[int], facts: Mapping[str, tuple[Any, Any]]) -> None:
        """Let agents take in facts told in a message, each a value and the step it was observed at; see `facts`.

        What an agent sees itself, or saw change later, counts more. Malformed facts are ignored.
        """
        if self.blind:
            self._learn([agent for agent in agents if agent in self.blind], facts, (-1, -1))
            agents = [agent for agent in agents if agent not in self.blind]
        self._learn(agents, facts, self.half)

    def _learn(self, agents: Sequence[int], facts: Mapping[str, tuple[Any, Any]], half: tuple[int, int]) -> None:
        """Let agents whose view reaches that far take in facts."""
        them = np.array(agents, np.int32)
        for key, (value, step) in facts.items():
            if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step <= self.step:
                continue
            cell = read_cell(key, self._world.settings.area)
            if cell is not None:
                self._learn_cell(them, half, cell, value, step)
                continue
            other, place = read_agent(key, len(self._agents)), read_place(value, self._world.settings.area)
            if other is not None and place is not None:
                self._learn_place(them, half, other, place, step)

    def _learn_cell(self, agents: IntArray, half: tuple[int, int], cell: Cell, value: Any, step: int) -> None:
        material = MATERIAL_OF.get(value) if isinstance(value, str) else None
        if material is None:
            return
        y, x = cell[0] + self._pad, cell[1] + self._pad
        s.learn_cell(self._m, self._agents, agents, *half, y, x, self._pad, material, step)

    def _learn_place(self, agents: IntArray, half: tuple[int, int], other: int, place: list[int], step: int) -> None:
        row, col, tier, kit = place
        s.learn_place(self._m, self._agents, agents, *half, other, row, col, tier, kit, step)

    def check_fact(self, key: str, value: Any) -> bool | None:
        """Say whether a fact is true now; None if it is about nothing there is."""
        cell = read_cell(key, self._world.settings.area)
        if cell is not None:
            return bool(r.MATERIALS[self._world.materials[0, cell[0] + self._pad, cell[1] + self._pad]] == value)
        other = read_agent(key, len(self._agents))
        if other is None:
            return None
        place = read_place(value, self._world.settings.area)
        truth = self._m.truth[other, [s.SEEN_ROW, s.SEEN_COL, s.SEEN_TIER, s.SEEN_KIT]].tolist()
        return place is not None and place[:2] == truth[:2] and (place[2] < 0 or place[2:] == truth[2:])

    # Distances -------------------------------------------------------------------------------------------------------

    def entry_steps(self, agent: int) -> NDArray[np.uint8]:
        """Return what each material is as an obstacle to the agent: `navigation.FREE`, steps to enter, or `SOLID`."""
        return self._obstacles(agent)[0]

    def _obstacles(self, agent: int) -> tuple[NDArray[np.uint8], bytes]:
        """Return `entry_steps`, and the same as bytes."""
        known = self.now.obstacles.get(agent)
        if known is None:
            tools = self._bags[agent, s.WOOD_PICKAXE :].tobytes()
            known = self._entries.get(tools)
            if known is None:
                steps = entry_steps(self._world.rules, self._bags[agent])
                known = self._entries[tools] = steps, steps.tobytes()
            self.now.obstacles[agent] = known
        return known

    def distances(self, agent: int) -> IntArray:
        """Return the padded `(R, C)` distances in steps from the agent over what it knows, `UNREACHABLE` elsewhere.

        It may walk, and dig where one alone can; unknown cells within a margin of what it knows count twice; other
        agents do not count. Nobody may change the array.
        """
        obstacles, name = self._obstacles(agent)
        stamp = self.now.places[agent], self.version(agent), name
        kept = self._from.get(agent)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        field = np.empty(self.known.shape[1:], np.int32) if kept is None else kept[1]
        self._own_cell[0] = self.now.places[agent]
        search(
            self.grid(agent), obstacles, self._box(agent), self._standing[:0], self._own_cell, self._pad, True,
            *self._ways, field,
        )  # fmt: skip
        self._from.pop(agent, None)
        self._from[agent] = stamp, field
        if len(self._from) > self._most_fields:
            del self._from[next(iter(self._from))]
        return field

    def field_to(
        self, agent: int, key: object, cells: Sequence[Cell] | IntArray, fresh: bool = False, alone: bool = False
    ) -> IntArray:
        """Return padded distances to the nearest of some cells, as `distances`, but around agents that stand still.

        Nothing may be read outside what the agent knows and the cells beside that.

        Args:
            agent: Who goes.
            key: What the cells stand for; a way there may be a few steps old, and so may be the cells it leads to.
            cells: Where to, `(k, 2)`.
            fresh: Insist on a search of this step.
            alone: Go through them, as if the agent were alone.
        """
        obstacles, name = self._obstacles(agent)
        owned = (-1 if self._revealed[agent] else agent, name, key, alone)
        kept, step, box = self._to.get(owned), self.step, self._box(agent)
        if kept is not None and step - kept[0] < (1 if fresh else FIELD_AGE) and self._is_within(agent, kept[1]):
            return kept[2]
        targets = np.asarray(cells, np.int32)
        field = np.empty(self.known.shape[1:], np.int32) if kept is None else kept[2]
        standing = self._standing[:0] if alone else self._who_stands(agent, step)
        search(self.grid(agent), obstacles, box, standing, targets, self._pad, False, *self._ways, field)
        self._to.pop(owned, None)
        self._to[owned] = step, box.tolist(), field
        if len(self._to) > self._most_fields:
            del self._to[next(iter(self._to))]
        return field

    def _box(self, agent: int) -> IntArray:
        return self._whole if self._revealed[agent] else self._m.boxes[agent]

    def _is_within(self, agent: int, box: list[int]) -> bool:
        """Say whether the agent is where a search in a box has been: a way must not be followed from elsewhere."""
        y, x = self.now.places[agent][0] + self._pad, self.now.places[agent][1] + self._pad
        return box[s.TOP] <= y < box[s.BOTTOM] and box[s.LEFT] <= x < box[s.RIGHT]

    def _who_stands(self, agent: int, step: int) -> IntArray:
        """Return the cells of the agents to walk around."""
        stood = self._m.still if self._revealed[agent] else self._m.stood[agent]
        (rows, cols), (row, col) = self.reach(agent), self.now.places[agent]
        view = (row - rows, col - cols, row + rows + 1, col + cols + 1)
        count = s.standing_cells(self.seen(agent), stood, agent, step, view, self._standing)
        return self._standing[:count]

    def nearest(self, agent: int, material: int, most: int) -> list[tuple[int, int, int]]:
        """Return the known cells of a material that can be reached, nearest first.

        Args:
            agent: Who asks.
            material: Its id.
            most: Cells at most.

        Returns:
            `(distance, row, col)`: steps to a place from which the cell can be collected (within the resource's
            radius), used (stations: the eight cells around), or faced.
        """
        radius = max(int(self._world.rules[r.RADIUS + material]), 1)
        count = nearest_of(
            self.grid(agent), self.distances(agent), self._box(agent), material, radius, material in STATIONS,
            self._pad, most, self._found,
        )  # fmt: skip
        return [(steps, row, col) for steps, row, col in self._found[:count].tolist()]

    def survey(self, agent: int, team: IntArray) -> tuple[list[int], IntArray]:
        """Return the nearest reachable cells of resources and landmarks; see `surveys.survey`.

        Args:
            agent: Who asks.
            team: What it knows of the others and of itself.

        Returns:
            How many are told of each material, and what of each cell.
        """
        counts = np.empty(r.N_MATERIALS, np.int32)
        found = np.empty((r.N_MATERIALS, MOST_SINGLE, SURVEYED), np.int32)
        field = self.distances(agent)
        survey(
            self.grid(agent), field, self._box(agent), self._world.rules, team, agent, self.step, self._pad, counts,
            found,
        )  # fmt: skip
        return counts.tolist(), found

    def survey_cell(self, agent: int, team: IntArray, cell: Cell, radius: int) -> list[int]:
        """Return what a survey tells of one cell of the map; the steps include those to the cell itself."""
        found = np.empty(SURVEYED, np.int32)
        survey_cell(self.distances(agent), team, agent, self.step, self._pad, *cell, radius, found)
        told: list[int] = found.tolist()
        return told

    def discoveries(self, agent: int) -> int:
        """Return how many ores and stations the agent has discovered, or seen change, so far."""
        return int(self._m.logged[agent])

    def is_frontier(self, agent: int, cell: Cell) -> bool:
        """Say whether a cell borders on unknown ones."""
        return bool(borders_unknown(self.grid(agent), self._pad, cell[0] + self._pad, cell[1] + self._pad))

    def frontier(self, agent: int, direction: int | None = None) -> Cell | None:
        """Return a known cell that borders on unknown ones, near and in the agent's own or a given direction.

        Args:
            agent: Who asks.
            direction: 0 up, 1 down, 2 left, 3 right: only cells on that side.

        Returns:
            The cell, None if there is none to be reached.
        """
        y, x = self.now.places[agent][0] + self._pad, self.now.places[agent][1] + self._pad
        heading = HEADINGS[agent % len(HEADINGS)]
        if direction is not None:
            heading = AHEAD * DROW[direction], AHEAD * DCOL[direction]
        best = frontier_cell(
            self.grid(agent), self.entry_steps(agent), self.distances(agent), self._box(agent), self._pad, y, x,
            heading, direction is not None,
        )  # fmt: skip
        return None if best[0] < 0 else (best[0] - self._pad, best[1] - self._pad)
