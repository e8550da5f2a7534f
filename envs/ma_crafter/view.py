"""What an MA-Crafter agent may know, asked in the words planners share: tasks, ways, recipes, news."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.embodiment import FAR, NEVER, ActionCall, TaskView
from emcoop.envs.ma_crafter import agenda as plans
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.concepts import CONCEPTS, RESOURCES
from emcoop.envs.ma_crafter.knowledge import Knowledge
from emcoop.envs.navigation import DCOL, DROW, UNREACHABLE

TIER_STEPS = 30
"""Steps another agent is thought to need for each pickaxe it lacks."""
TOGETHER_STEPS = 20
"""Detour worth taking so that coal and iron come into the same bag."""
KIT_FIRST = 10**4
"""How much nearer an agent with the ingredients counts: no tool is made without one."""
MOST_SINGLE, MOST_SHARED = 12, 4
"""Cells of a resource listed as tasks at most: one that takes one agent, one that takes several."""
IDLE_STEPS, BRIEF_STEPS, FALLEN_STEPS = 16, 6, 50
MAP_SIZE_OF_SAMPLES = 12

Cell = tuple[int, int]


def task_name(resource: str, row: int, col: int) -> str:
    """Return the name of the task "harvest this cell": `iron@12,30`."""
    return f"{resource}@{row},{col}"


def cell_of(task: str) -> tuple[str, Cell] | None:
    """Return resource and cell of a harvest task, None if the name is of no such task."""
    resource, _, place = task.partition("@")
    row, comma, col = place.partition(",")
    if resource not in plans.TIER_NEEDED or not comma or not row.isdecimal() or not col.isdecimal():
        return None
    return resource, (int(row), int(col))


class CrafterView:
    """The view of one agent; see `View`.

    Args:
        world: The world; only the agent's own state and what is public is read from it.
        known: What the team's agents know.
        me: Own index.
        name: Own name.
        describe: Puts a view into words.
    """

    def __init__(
        self, world: w.World, known: Knowledge, me: int, name: str, describe: Callable[[CrafterView], str]
    ) -> None:
        self.world = world
        self.known = known
        self.me = me
        self.name = name
        self.step = int(world.rows[0, w.STEP])
        self.n_agents = world.n_agents
        self.coop = world.settings.coop
        self._describe = describe

    # What it knows ---------------------------------------------------------------------------------------------------

    @cached_property
    def own(self) -> list[int]:
        """Own fields, as in `world`."""
        fields: list[int] = self.world.agents()[self.me].tolist()
        return fields

    @property
    def is_alive(self) -> bool:
        """Whether the agent is alive."""
        return self.own[w.STATUS] == w.ALIVE

    @property
    def position(self) -> Cell:
        """Own cell."""
        return self.own[w.ROW], self.own[w.COL]

    @cached_property
    def bag(self) -> dict[str, int]:
        """Own items by name."""
        return dict(zip(r.ITEMS, self.world.bags()[self.me].tolist()))

    @cached_property
    def tier(self) -> int:
        """Best own pickaxe, 0 to 3."""
        return max((k + 1 for k, tool in enumerate(plans.PICKAXES) if self.bag[tool]), default=0)

    @cached_property
    def team(self) -> NDArray[np.int32]:
        """What is known of every agent, `(n, 6)`, see `sight.SEEN_ROW`; the own row is true."""
        team = self.known.seen(self.me).copy()
        kit = sum(bool(self.bag[r.ITEMS[item]]) << k for k, item in enumerate(s.KIT_ITEMS))
        team[self.me] = *self.position, self.step, self.tier, kit, self.own[w.STATUS]
        return team

    @cached_property
    def harvested(self) -> dict[str, int]:
        """Units of each resource harvested by the team: its score is public."""
        head = self.world.rows[0]
        return {r.MATERIALS[m]: int(head[w.HARVESTED + m]) for m in r.RESOURCES}

    def nearest(self, name: str, most: int = 1) -> list[tuple[int, int, int]]:
        """Return `(steps, row, col)` of the nearest known cells of a material."""
        return self.known.nearest(self.me, r.MATERIALS.index(name), most)

    @cached_property
    def steps(self) -> dict[str, int]:
        """Steps to the nearest known cell of everything that plans use, by name."""
        names = (*plans.TIER_NEEDED, "table", "furnace", "water")
        found = {name: self.nearest(name) for name in names}
        steps = {name: near[0][0] for name, near in found.items() if near}
        cows = self.known.cows(self.me)
        if cows:
            steps["cow"] = self._manhattan(cows[0])
        return steps

    def _manhattan(self, cell: Cell) -> int:
        return abs(cell[0] - self.position[0]) + abs(cell[1] - self.position[1])

    @cached_property
    def now(self) -> plans.Situation:
        """What bears on the agent's plans."""
        team, rules = self.team, self.world.rules
        known = team[:, s.SEEN_STEP] >= 0
        alive = ~np.isin(team[:, s.SEEN_STATUS], (w.DOWN, w.GONE))
        there = known & alive
        preset = r.read_rules()["presets"][self.world.settings.preset]
        uses = {
            **{k: v["uses"] for k, v in preset["place"].items()},
            **{k: v["uses"] for k, v in preset["make"].items()},
        }
        needy = rules[r.NEEDS] == 1
        vitals = self.own[w.HEALTH : w.ENERGY + 1] if needy else [9] * 4
        return plans.Situation(
            coop=self.coop,
            uses=uses.__getitem__,
            harvested=self.harvested,
            n_alive=int((alive | ~known).sum()),
            bag=self.bag,
            tier=self.tier,
            tiers=team[there, s.SEEN_TIER].tolist(),
            kits=int((there & self._holds(*plans.KIT)).sum()),
            holders={item: int((there & self._holds(item)).sum()) for item in plans.KIT},
            steps=self.steps,
            furnace_needs_table=len(preset["make"]["iron_pickaxe"]["near"]) > 1,
            health=vitals[0],
            food=vitals[1],
            drink=vitals[2],
            energy=vitals[3],
        )

    def _holds(self, *items: str) -> NDArray[np.bool_]:
        """Say of every agent whether it is known to hold all of some ingredients of an iron pickaxe."""
        names = [r.ITEMS[item] for item in s.KIT_ITEMS]
        bits = sum(1 << names.index(item) for item in items)
        held: NDArray[np.bool_] = (self.team[:, s.SEEN_KIT] & bits) == bits
        return held

    # Tasks -----------------------------------------------------------------------------------------------------------

    @cached_property
    def _tasks(self) -> dict[str, TaskView]:
        if not self.is_alive:
            return {}
        tasks = []
        for resource in plans.TIER_NEEDED:
            worth = plans.value(self.now, resource)
            if worth > 0:
                most = MOST_SINGLE if self.coop.quorum[resource] == 1 else MOST_SHARED
                for steps, row, col in self.nearest(resource, most):
                    tasks.append(self._harvest(resource, worth, steps, (row, col)))
                    tasks += self._clearings(resource, (row, col))
        for name in (plans.BUILD, plans.MAKE):
            task = self._craft(name)
            if task is not None:
                tasks.append(task)
        return {task.id: task for task in tasks}

    def _harvest(self, resource: str, worth: float, steps: int, cell: Cell) -> TaskView:
        tier = plans.TIER_NEEDED[resource]
        ready = plans.is_available(self.now, resource) and self._has_room(resource, cell)
        prepare = plans.preparation(self.now, min(tier, 2))[1] if ready and self.tier < tier else 0
        need = self.coop.quorum[resource]
        near = self._in_place(cell, self.coop.radius[resource]) if need > 1 else 0
        return TaskView(task_name(resource, *cell), need, worth, prepare + steps + 1, ready, near)

    def _clearings(self, resource: str, cell: Cell) -> Iterator[TaskView]:
        """Yield the tasks of clearing ore away from around a cell that has too little room for all it takes."""
        if self._has_room(resource, cell):
            return
        for side in range(4):
            beside = cell[0] + DROW[side], cell[1] + DCOL[side]
            for ore in plans.KIT:
                steps = self._steps_to(ore, beside)
                if steps is not None and self.coop.quorum[ore] > 1:
                    yield self._harvest(ore, plans.step_value(self.now), steps, beside)

    def _has_room(self, resource: str, cell: Cell) -> bool:
        """Say whether as many agents as a cell takes could reach places around it, as far as is known."""
        need, count = self.coop.quorum[resource], 0
        if need == 1 or self.tier == 0:  # without a pickaxe nobody can tell: rock can be dug away later
            return True
        for part in self._around(cell, self.coop.radius[resource]):
            count += int((part < UNREACHABLE).sum())
        return count >= need

    def _around(self, cell: Cell, radius: int) -> Iterator[NDArray[np.int32]]:
        """Yield the distances to the cells within a radius of a cell of the map, row by row."""
        (rows, cols), (row, col), pad = self.world.settings.area, cell, self.world.pad
        field = self.known.distances(self.me)
        for v in range(max(row - radius, 0), min(row + radius + 1, rows)):
            left = radius - abs(v - row)
            yield field[v + pad, max(col - left, 0) + pad : min(col + left + 1, cols) + pad]

    def _in_place(self, cell: Cell, radius: int) -> int:
        """Return how many others are seen within a radius of a cell."""
        team = self.team
        there = (team[:, s.SEEN_STEP] == self.step) & (team[:, s.SEEN_STATUS] == w.ALIVE)
        there &= np.abs(team[:, s.SEEN_ROW] - cell[0]) + np.abs(team[:, s.SEEN_COL] - cell[1]) <= radius
        return int(there.sum()) - int(there[self.me])

    def _craft(self, name: str) -> TaskView | None:
        """Return the task of building a furnace or making an iron pickaxe, None if there is no point in it."""
        now, worth = self.now, plans.step_value(self.now)
        if name == plans.BUILD and plans.builds_furnace(now):
            return TaskView(name, 1, worth, plans.furnace_calls(now)[1], True, 0)
        if name == plans.MAKE and plans.makes_pickaxe(now):
            station = self.station()
            need = self.coop.craft["iron_pickaxe"]
            near = self._in_place(station, 2) if station else 0
            return TaskView(name, need, worth * 1.5, now.steps["furnace"] + 1, True, near)
        return None

    def station(self) -> Cell | None:
        """Return the furnace at which to meet: the first of those known, row by row, so that all choose the same."""
        found = self.nearest("furnace", 64)
        return min(((row, col) for _, row, col in found), default=None)

    def tasks(self) -> Sequence[TaskView]:
        """Return the tasks worth doing that this agent knows of: the nearest cells of each resource, then crafts."""
        return tuple(self._tasks.values())

    def task(self, task: str) -> TaskView | None:
        """Return a task by its id, listed or not, None if it is unknown, worthless or over."""
        if task in self._tasks or not self.is_alive:
            return self._tasks.get(task)
        named = cell_of(task)
        if named is None:
            return None
        resource, cell = named
        worth, steps = plans.value(self.now, resource), self._steps_to(resource, cell)
        return None if steps is None or worth <= 0 else self._harvest(resource, worth, steps, cell)

    def _steps_to(self, resource: str, cell: Cell) -> int | None:
        """Return the steps to where a cell can be harvested from, None if it is not known to be that resource."""
        rows, cols = self.world.settings.area
        (row, col), pad = cell, self.world.pad
        if not (0 <= row < rows and 0 <= col < cols) or self.known.grid(self.me)[
            row + pad, col + pad
        ] != r.MATERIALS.index(resource):
            return None
        best = min(int(part.min()) for part in self._around(cell, self.coop.radius[resource]))
        return best if best < UNREACHABLE else None

    def about(self, task: str) -> dict[str, Any]:
        """Return what others have to know to take part: what is in the cell, or where the station is."""
        named = cell_of(task)
        if named is not None:
            return {f"cell:{named[1][0]},{named[1][1]}": named[0]}
        station = self.station() if task == plans.MAKE else None
        return {} if station is None else {f"cell:{station[0]},{station[1]}": "furnace"}

    def news(self, most: int) -> dict[str, Any]:
        """Return where the agent is with what tools, and its oldest untold discoveries."""
        return self.known.news(self.me, most)

    def travel(self, task: str, agents: Sequence[int]) -> list[int]:
        """Estimate for each agent the steps until it is in place with what it needs; `FAR` if nothing is known."""
        view = self.task(task)
        if view is None or not agents:
            return [FAR] * len(agents)
        team, named = self.team[list(agents)], cell_of(task)
        cell = named[1] if named else (self.station() if task == plans.MAKE else None) or self.position
        steps = np.abs(team[:, s.SEEN_ROW] - cell[0]) + np.abs(team[:, s.SEEN_COL] - cell[1])
        if task == plans.MAKE:
            kit, done = self._holds(*plans.KIT)[list(agents)], team[:, s.SEEN_TIER] >= 3
            spare = steps + KIT_FIRST if self._makers_are_short() else NEVER
            # Of those that have both pickaxe and ingredients one is enough.
            first = np.where(kit & done, steps, FAR).argmin()
            leads = kit & (~done | (np.arange(len(steps)) == first))
            steps = np.where(leads, steps - KIT_FIRST, np.where(done, spare, steps))
        else:
            tier = plans.TIER_NEEDED[named[0]] if named else 1
            steps = steps + TIER_STEPS * np.maximum(tier - team[:, s.SEEN_TIER], 0)
            if tier == 3:
                steps = np.where(team[:, s.SEEN_TIER] >= 3, steps, NEVER)
            elif named and named[0] in plans.KIT:
                # Coal and iron have to come together in one bag.
                coal, iron = (self._holds(item)[list(agents)] for item in plans.KIT)
                steps = steps + TOGETHER_STEPS * ((coal & ~iron) if named[0] == "coal" else ~coal)
        fallen = np.isin(team[:, s.SEEN_STATUS], (w.DOWN, w.GONE))
        steps = np.where(team[:, s.SEEN_STEP] < 0, np.where(steps == NEVER, NEVER, FAR), steps)
        estimate: list[int] = np.where(fallen, NEVER, steps).tolist()
        return estimate

    def _makers_are_short(self) -> bool:
        """Say whether a craft takes the hands of agents that have their pickaxe already and no ingredients."""
        there = (self.team[:, s.SEEN_STEP] >= 0) & ~np.isin(self.team[:, s.SEEN_STATUS], (w.DOWN, w.GONE))
        without = there & (self.team[:, s.SEEN_TIER] < 3)
        leaders = there & ~without & self._holds(*plans.KIT)
        return int(without.sum()) + int(leaders.any()) < self.coop.craft["iron_pickaxe"]

    # Calls -----------------------------------------------------------------------------------------------------------

    def recipe(self, task: str, count: int) -> tuple[ActionCall, ...]:
        """Return: look after yourself, prepare what you can make alone, then do your part together with the others."""
        named, now = cell_of(task), self.now
        calls = plans.upkeep(now)
        if named is None and task == plans.BUILD:
            return (*calls, *plans.furnace_calls(now)[0])
        if named is None:
            station = self.station() or self.position
            if now.bag["wood"] == 0:
                calls.append(ActionCall("collect", {"resource": "tree"}))
            meet = ActionCall("navigate", {"target": list(station)})
            return (*calls, meet, ActionCall("craft", {"item": plans.PICKAXES[2], "patience": plans.PATIENCE}))
        resource, cell = named
        tier = min(plans.TIER_NEEDED[resource], 2)
        if self.tier < tier:
            calls += plans.preparation(now, tier)[0]
        at = {"resource": resource, "target": list(cell), "patience": plans.PATIENCE}
        return (*calls, ActionCall("collect", at))

    def idle(self, brief: bool = False) -> tuple[ActionCall, ...]:
        """Return: look after yourself, else explore, else wait."""
        if not self.is_alive:
            return (ActionCall("wait", {"steps": FALLEN_STEPS}),)
        calls = plans.upkeep(self.now, plans.LOW + 2)
        if calls:
            return tuple(calls)
        steps = BRIEF_STEPS if brief else IDLE_STEPS
        if self.known.frontier(self.me) is not None:
            return (ActionCall("explore", {"steps": steps}),)
        return (ActionCall("wait", {"steps": steps // 2}),)

    def sample(self, draw: Callable[[], float]) -> ActionCall:
        """Return a random call of any concept, with arguments drawn from what there is."""

        def choose(options: Sequence[Any]) -> Any:
            return options[min(int(draw() * len(options)), len(options) - 1)]

        def near(at: int, most: int) -> int:
            return min(max(at + int(draw() * MAP_SIZE_OF_SAMPLES) - MAP_SIZE_OF_SAMPLES // 2, 0), most - 1)

        concept = choose(sorted(CONCEPTS))
        cell = [near(here, size) for here, size in zip(self.position, self.world.settings.area)]
        arguments: dict[str, Callable[[], dict[str, Any]]] = {
            "move": lambda: {"direction": choose(r.DIRECTIONS), "steps": 1 + int(draw() * 4)},
            "navigate": lambda: {"target": cell, "timeout": 20},
            "collect": lambda: {"resource": choose(RESOURCES), "patience": 5},
            "craft": lambda: {"item": choose(r.TOOLS), "patience": 5},
            "place": lambda: {"object": choose(r.PLACEABLE)},
            "share": lambda: {"agent": int(draw() * self.n_agents), "item": choose(r.ITEMS)},
            "attack": lambda: {"target": choose(("zombie", "skeleton", "cow"))},
            "explore": lambda: {"direction": choose(r.DIRECTIONS)},
            "regroup": lambda: {"target": cell, "count": 1 + int(draw() * self.n_agents), "timeout": 10},
            "wait": lambda: {"steps": 1 + int(draw() * 4)},
            "noop": lambda: {"steps": 1 + int(draw() * 4)},
        }
        return ActionCall(concept, arguments[concept]() if concept in arguments else {})

    def text(self) -> str:
        """Describe the view in words."""
        return self._describe(self)
