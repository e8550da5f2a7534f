"""Hand-made MA-Crafter worlds, and agents that carry out scripts of calls in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from emcoop.envs.embodiment import RUNNING, ActionCall, Failed
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.registration import make_embodiment

Cell = tuple[int, int]
Script = Sequence[tuple[str, Mapping[str, Any]]]
MEADOW = ["." * 14] * 10
PICKAXES = {"wood_pickaxe": 1, "stone_pickaxe": 1}
KIT = {"wood": 1, "coal": 1, "iron": 1}


def paint(rows: Sequence[str], *cells: tuple[int, int, str]) -> list[str]:
    grid = [list(row) for row in rows]
    for row, col, letter in cells:
        grid[row][col] = letter
    return ["".join(row) for row in grid]


def world_of(
    rows: Sequence[str],
    agents: Sequence[Cell],
    inventory: Sequence[Mapping[str, int]] | None = None,
    facing: Sequence[str] | None = None,
    **more: Any,
) -> Any:
    world = make_embodiment("MACrafter-v0", n_agents=len(agents), **{"mode": "creative", **more})
    options: dict[str, Any] = {"map": list(rows), "agents": [list(cell) for cell in agents]}
    if inventory is not None:
        options["inventory"] = [dict(bag) for bag in inventory]
    if facing is not None:
        options["facing"] = list(facing)
    world.reset(0, options)
    return world


class Run:
    """Agents carrying out scripts, call by call, as the cognitive layer would."""

    def __init__(self, world: Any, *scripts: Script, around: Callable[[Any, int], Any] | None = None) -> None:
        self.world = world
        self.scripts = [list(script) for script in scripts] + [[]] * (world.n_agents - len(scripts))
        self.ends: list[list[tuple[int, str, Any]]] = [[] for _ in self.scripts]
        self.actions: list[list[int]] = []
        self.places: list[list[Cell]] = [self._cells()]
        self._current: list[Any] = [None] * len(self.scripts)
        self._around = around

    def _cells(self) -> list[Cell]:
        return [(row, col) for row, col in self.world.env.world.agents()[:, :2].tolist()]

    def _ask(self, agent: int, question: Callable[[], Any]) -> Any:
        if self._around is None:
            return question()
        with self._around(self.world, agent):
            return question()

    def _advance(self, agent: int) -> None:
        while self.scripts[agent]:
            name, args = self.scripts[agent][0]
            if self._current[agent] is None:
                made = self._ask(agent, partial(self.world.controller, agent, ActionCall(name, dict(args))))
                self._current[agent] = made
            controller = self._current[agent]
            status = controller if isinstance(controller, Failed) else self._ask(agent, controller.status)
            if status is RUNNING:
                return
            self.ends[agent].append((len(self.actions), name, status))
            self._current[agent] = None
            self.scripts[agent] = [] if isinstance(status, Failed) else self.scripts[agent][1:]

    def steps(self, most: int = 100) -> Run:
        """Go on until all scripts are over."""
        for _ in range(most):
            self.world.meetings.begin_step()
            waiting = list(range(self.world.n_agents))
            while waiting:
                for agent in waiting:
                    self._advance(agent)
                waiting = self.world.meetings.release()
            if not any(self.scripts):
                return self
            actions = [
                self._ask(agent, controller.act) if controller is not None else r.NOOP
                for agent, controller in enumerate(self._current)
            ]
            self.actions.append(actions)
            self.world.step(actions)
            self.places.append(self._cells())
        return self

    def end(self, agent: int = 0) -> tuple[int, Any]:
        """Return step and status of an agent's last call that ended; the reason if it failed."""
        step, _, status = self.ends[agent][-1]
        return step, status.reason if isinstance(status, Failed) else status

    def detail(self, agent: int = 0) -> Mapping[str, Any]:
        status = self.ends[agent][-1][2]
        assert isinstance(status, Failed)
        return status.detail

    def bag(self, item: str, agent: int = 0) -> int:
        return int(self.world.env.world.bags()[agent, r.ITEMS.index(item)])

    def material(self, row: int, col: int) -> str:
        pad = self.world.env.world.pad
        return r.MATERIALS[self.world.env.world.materials[0, row + pad, col + pad]]


def one(rows: Sequence[str], agent: Cell, *script: tuple[str, Mapping[str, Any]], bag: Any = None, **more: Any) -> Run:
    """Let a single agent carry out a script."""
    return Run(world_of(rows, [agent], None if bag is None else [bag], **more), script).steps()


def add_creature(world: Any, kind: int, row: int, col: int, slot: int = 0) -> None:
    state, pad = world.env.world, world.env.world.pad
    state.mobs()[slot, :4] = [kind + 1, row, col, w.MOB_HEALTH_AT_START[kind]]
    state.occupancy[0, row + pad, col + pad] = -(slot + 1)
    world._known.look()
