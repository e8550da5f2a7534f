"""What an MA-Crafter agent may know, asked in the words planners share: tasks, ways, recipes, news."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.embodiment import FAR, ActionCall, TaskView
from emcoop.envs.ma_crafter import agenda as plans
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import sight as s
from emcoop.envs.ma_crafter import surveys as v
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.concepts import CONCEPTS, RESOURCES
from emcoop.envs.ma_crafter.facts import cell_key, read_agent, read_cell
from emcoop.envs.ma_crafter.knowledge import Knowledge
from emcoop.envs.ma_crafter.misfits import misfits
from emcoop.envs.navigation import DCOL, DROW, UNREACHABLE

IDLE_STEPS, BRIEF_STEPS, FALLEN_STEPS = 16, 6, 50
MAP_SIZE_OF_SAMPLES = 12
LONGEST_NAME = 64

Cell = tuple[int, int]


def task_name(resource: str, row: int, col: int) -> str:
    """Return the name of the task "harvest this cell": `iron@12,30`."""
    return f"{resource}@{row},{col}"


def cell_of(task: str) -> tuple[str, Cell] | None:
    """Return resource and cell of a harvest task, None if the name is of no such task."""
    if len(task) > LONGEST_NAME:
        return None  # somebody's message may name anything
    resource, _, place = task.partition("@")
    row, comma, col = place.partition(",")
    if resource not in plans.TIER_NEEDED or not comma or not row.isdecimal() or not col.isdecimal():
        return None
    return resource, (int(row), int(col))


@cache
def _uses(preset: str) -> dict[str, dict[str, int]]:
    """Return what making or placing something takes, by name."""
    rules = r.read_rules()["presets"][preset]
    return {name: info["uses"] for verb in ("place", "make") for name, info in rules[verb].items()}


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
        self._known_terms: dict[str, tuple[bool, int]] = {}

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
        return max([k + 1 for k, tool in enumerate(plans.PICKAXES) if self.bag[tool]], default=0)

    @cached_property
    def team(self) -> NDArray[np.int32]:
        """What is known of every agent, `(n, 6)`, see `sight.SEEN_ROW`; the own row is true."""
        team, bag = self.known.seen(self.me).copy(), tuple(self.bag.values())
        kit = sum([(bag[item] > 0) << k for k, item in enumerate(s.KIT_ITEMS)])
        team[self.me] = *self.position, self.step, self.tier, kit, self.own[w.STATUS]
        return team

    @cached_property
    def harvested(self) -> dict[str, int]:
        """Units of each resource harvested by the team: its score is public."""
        harvested = self.world.rows[0, w.HARVESTED : w.HEAD].tolist()
        return {r.MATERIALS[m]: harvested[m] for m in r.RESOURCES}

    def nearest(self, name: str, most: int = 1) -> list[tuple[int, int, int]]:
        """Return `(steps, row, col)` of the nearest known cells of a material."""
        return self.known.nearest(self.me, r.MATERIALS.index(name), most)

    @cached_property
    def cells(self) -> dict[str, list[list[int]]]:
        """The nearest known cells of everything that plans use, by name, if there are any; see `surveys.STEPS`."""
        counts, found = self.known.survey(self.me, self.team)
        return {r.MATERIALS[m]: found[m, :count].tolist() for m, count in enumerate(counts) if count}

    @cached_property
    def steps(self) -> dict[str, int]:
        """Steps to the nearest known cell of everything that plans use, by name."""
        steps = {name: near[0][v.STEPS] for name, near in self.cells.items()}
        cows = self.known.cows(self.me)
        if cows:
            steps["cow"] = self._manhattan(cows[0])
        return steps

    def _manhattan(self, cell: Cell) -> int:
        return abs(cell[0] - self.position[0]) + abs(cell[1] - self.position[1])

    @cached_property
    def now(self) -> plans.Situation:
        """What bears on the agent's plans."""
        team, needy = self.counts, self.world.rules[r.NEEDS] == 1
        vitals = self.own[w.HEALTH : w.ENERGY + 1] if needy else [9] * 4
        return plans.Situation(
            coop=self.coop,
            uses=_uses(self.world.settings.preset),
            harvested=self.harvested,
            n_alive=team[v.N_ALIVE],
            bag=self.bag,
            tier=self.tier,
            tops=team[v.N_TOPS],
            kits=team[v.N_KITS],
            holders={"coal": team[v.N_COAL], "iron": team[v.N_IRON]},
            steps=self.steps,
            health=vitals[0],
            food=vitals[1],
            drink=vitals[2],
            energy=vitals[3],
        )

    @cached_property
    def counts(self) -> list[int]:
        """What is counted of the team; see `surveys.N_ALIVE` and the following."""
        out = np.empty(v.COUNTED, np.int32)
        v.count_team(self.team, out)
        counts: list[int] = out.tolist()
        return counts

    # Tasks -----------------------------------------------------------------------------------------------------------

    @cached_property
    def _tasks(self) -> dict[str, TaskView]:
        if not self.is_alive:
            return {}
        tasks = []
        for resource in plans.TIER_NEEDED:
            worth = plans.value(self.now, resource) if resource in self.cells else 0.0
            if worth > 0:
                for found in self.cells[resource]:
                    tasks.append(self._harvest(resource, worth, found))
                    tasks += self._clearings(resource, found)
        for name in (plans.BUILD, plans.MAKE):
            task = self._craft(name)
            if task is not None:
                tasks.append(task)
        return {task.id: task for task in tasks}

    def _harvest(self, resource: str, worth: float, found: list[int]) -> TaskView:
        """Return the task of harvesting a cell, of which `found` tells what `surveys.STEPS` lists."""
        is_available, prepare = self._terms(resource)
        ready = is_available and self._has_room(resource, found)
        steps = found[v.STEPS] + 1 + (prepare if ready else 0)
        need = self.coop.quorum[resource]
        name = task_name(resource, found[v.AT_ROW], found[v.AT_COL])
        return TaskView(name, need, worth, steps, ready, found[v.CROWD] if need > 1 else 0)

    def _terms(self, resource: str) -> tuple[bool, int]:
        """Return whether enough agents hold or could make what a resource takes, and the steps of preparing for it."""
        known = self._known_terms.get(resource)
        if known is None:
            tier, is_available = plans.TIER_NEEDED[resource], plans.is_available(self.now, resource)
            prepares = is_available and self.tier < tier
            prepare = plans.preparation(self.now, min(tier, 2))[1] if prepares else 0
            known = self._known_terms[resource] = is_available, prepare
        return known

    def _clearings(self, resource: str, found: list[int]) -> Iterator[TaskView]:
        """Yield the tasks of clearing ore away from around a cell that has too little room for all it takes."""
        if self._has_room(resource, found):
            return
        for side in range(4):
            beside = found[v.AT_ROW] + DROW[side], found[v.AT_COL] + DCOL[side]
            for ore in plans.KIT:
                there = self._find(ore, beside) if self.coop.quorum[ore] > 1 else None
                if there is not None:
                    yield self._harvest(ore, plans.step_value(self.now), there)

    def _has_room(self, resource: str, found: list[int]) -> bool:
        """Say whether as many agents as a cell takes could reach places around it, as far as is known."""
        need = self.coop.quorum[resource]
        # Without a pickaxe nobody can tell: rock can be dug away later.
        return need == 1 or self.tier == 0 or found[v.ROOM] >= need

    def _craft(self, name: str) -> TaskView | None:
        """Return the task of building a furnace or making an iron pickaxe, None if there is no point in it."""
        now, worth = self.now, plans.step_value(self.now)
        if name == plans.BUILD and plans.builds_furnace(now):
            return TaskView(name, 1, worth, plans.furnace_calls(now)[1], True, 0)
        if name == plans.MAKE and plans.makes_pickaxe(now):
            station = self.station
            need = self.coop.craft["iron_pickaxe"]
            near = v.crowd(self.team, self.me, self.step, *station, 2) if station else 0
            return TaskView(name, need, worth * 1.5, now.steps["furnace"] + 1, True, near)
        return None

    @cached_property
    def station(self) -> Cell | None:
        """The furnace at which to meet: the first of those known, row by row, so that all choose the same."""
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
        worth, found = plans.value(self.now, resource), self._find(resource, cell)
        return None if found is None or worth <= 0 else self._harvest(resource, worth, found)

    def _find(self, resource: str, cell: Cell) -> list[int] | None:
        """Return what a survey tells of a cell, None if it is not known to be that resource, or cannot be reached."""
        rows, cols = self.world.settings.area
        (row, col), pad = cell, self.world.pad
        if not (0 <= row < rows and 0 <= col < cols) or self.known.grid(self.me)[
            row + pad, col + pad
        ] != r.MATERIALS.index(resource):
            return None
        found = self.known.survey_cell(self.me, self.team, cell, self.coop.radius[resource])
        return found if found[v.STEPS] < UNREACHABLE else None

    def about(self, task: str) -> dict[str, Any]:
        """Return what others have to know to take part: what is in the cell, or where the station is."""
        named = cell_of(task)
        if named is not None:
            return {cell_key(*named[1]): named[0]}
        station = self.station if task == plans.MAKE else None
        return {} if station is None else {cell_key(*station): "furnace"}

    def premises(self, task: str) -> dict[str, Any]:
        """Return what is in the cell, or where the station is: neither changes before the task is over."""
        return self.about(task)

    def observed(self, key: str) -> tuple[Any, int] | None:
        """Return what is in a cell, or where an agent is with what tools, and when this agent saw that itself."""
        cell, other = read_cell(key, self.world.settings.area), read_agent(key, self.n_agents)
        if cell is not None:
            return self._observed_cell(cell)
        if other is None:
            return None
        row, col, step, tier, kit, _ = self.team[other].tolist()
        return None if step < 0 else ([row, col, tier, kit], step)

    def _observed_cell(self, cell: Cell) -> tuple[str, int] | None:
        """Return what a cell is made of, and since when: now if it is in view, else since it was found so."""
        y, x = cell[0] + self.world.pad, cell[1] + self.world.pad
        grid = self.known.grid(self.me)
        if self.is_alive and self.known.sees(self.me, *cell):
            return r.MATERIALS[grid[y, x]], self.step
        log = self.known.memories.log[self.me, : min(self.known.discoveries(self.me), s.LOG)]
        found = log[log[:, 0] == y * grid.shape[1] + x, 1]
        return (r.MATERIALS[grid[y, x]], int(found.max())) if len(found) else None

    def problem(self, calls: Sequence[ActionCall]) -> str:
        """Say which call names what there is not, or takes what the agent will not have by then."""
        area = self.world.settings.area
        return next(misfits(self.world.rules, self.bag, self.n_agents, area, calls), "")

    def news(self, most: int) -> dict[str, Any]:
        """Return where the agent is with what tools, and its oldest untold discoveries."""
        return self.known.news(self.me, most)

    def travel(self, task: str, agents: Sequence[int]) -> list[int]:
        """Estimate for each agent the steps until it is in place with what it needs; `FAR` if nothing is known."""
        view = self.task(task)
        if view is None or not agents:
            return [FAR] * len(agents)
        named, them, steps = cell_of(task), np.array(agents, np.int32), np.empty(len(agents), np.int64)
        if task == plans.MAKE:
            # Whether a craft takes the hands of agents that have their pickaxe already and no ingredients.
            makers = self.counts[v.N_WITHOUT] + (self.counts[v.N_LEADERS] > 0)
            is_short = makers < self.coop.craft["iron_pickaxe"]
            v.steps_to_meet(self.team, them, *(self.station or self.position), is_short, steps)
        else:
            resource, cell = named or ("", self.position)
            tier = plans.TIER_NEEDED[resource] if named else 1
            v.steps_to_harvest(self.team, them, *cell, tier, v.BIT_OF.get(resource, 0), steps)
        estimate: list[int] = steps.tolist()
        return estimate

    # Calls -----------------------------------------------------------------------------------------------------------

    def recipe(self, task: str, count: int) -> tuple[ActionCall, ...]:
        """Return: look after yourself, prepare what you can make alone, then do your part together with the others."""
        named, now = cell_of(task), self.now
        calls = plans.upkeep(now)
        if named is None and task == plans.BUILD:
            return (*calls, *plans.furnace_calls(now)[0])
        if named is None:
            station = self.station or self.position
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
