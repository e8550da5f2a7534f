"""What a CUBE agent may know: the map (or the part within sight), the tasks it sees there, and simple geometry.

These are the symbolic queries planners work with. They are functions of a view, never of the world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from emcoop.envs.cube.scratch import DCOL, DROW
from emcoop.envs.cube.tasks import FACES, index_in, task_id
from emcoop.envs.embodiment import FAR, ActionCall, TaskView

T = TypeVar("T")

LEFT_FACE = "left"
ALIGN_TIMEOUT = 60
IDLE_PERIOD = 4
MOST_NAMED = 20


class Block(NamedTuple):
    """A block as known to an agent: top-left cell and weight (= side in cells)."""

    row: int
    col: int
    weight: int


class CubeMap:
    """Blocks and agents somebody knows of at one step; shared by all who know the same, so nobody may change it.

    Args:
        size: Side `K` of the board.
        step: Environment steps taken.
        n_agents: Team size.
        agents: Index -> `(row, col)` of the agents seen.
        blocks: Index -> block, undelivered ones.
        seen: Index -> step at which a block was seen last; blocks that are missing here are in sight now.
    """

    def __init__(
        self,
        size: int,
        step: int,
        n_agents: int,
        agents: dict[int, tuple[int, int]],
        blocks: dict[int, Block],
        seen: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self.size = size
        self.step = step
        self.n_agents = n_agents
        self.agents: Mapping[int, tuple[int, int]] = MappingProxyType(agents)
        self.blocks: Mapping[int, Block] = MappingProxyType(blocks)
        self.seen = seen
        self._kept: dict[Any, Any] = {}

    def once(self, what: Any, work_out: Callable[[], T]) -> T:
        """Return what `work_out` gives, worked out once for everybody who has this map.

        Args:
            what: Names the value; anything hashable.
            work_out: Works it out of the map alone.
        """
        if what not in self._kept:
            self._kept[what] = work_out()
        kept: T = self._kept[what]
        return kept

    def agent_at(self, row: int, col: int) -> int | None:
        """Return who stands on a cell, as far as is known."""
        return self.once("at", lambda: {cell: i for i, cell in self.agents.items()}).get((row, col))

    def nearest_agents(self, row: int, col: int, most: int) -> list[int]:
        """Return the agents nearest to a cell on foot, nearest first; ties: smallest index."""
        indices = np.array(list(self.agents))
        steps = np.abs(np.array(list(self.agents.values())) - (row, col)).sum(axis=1)
        nearest: list[int] = indices[np.lexsort((indices, steps))[:most]].tolist()
        return nearest

    def to_goal(self, block: Block) -> int:
        """Return how many columns a block still has to go."""
        return self.size - block.weight - block.col

    def in_corridor(self, block: Block) -> list[int]:
        """Return the blocks that stand between a block and the goal, in its rows."""
        bottom, right = block.row + block.weight, block.col + block.weight
        return [
            b
            for b, other in self.blocks.items()
            if other.col >= right and other.row < bottom and other.row + other.weight > block.row
        ]

    def is_stuck(self, block: Block) -> str:
        """Return why a block can never be delivered, or the empty string."""
        if block.weight > self.n_agents:
            return f"it weighs {block.weight} and the team has {self.n_agents} agents"
        if block.col == 0:
            return "nobody can stand to the left of it"
        return ""

    def face_cells(self, block: Block, face: str) -> list[tuple[int, int]]:
        """Return the cells just outside a face where a line can begin; some may be off the board."""
        row, col, w = block
        if face == "left":
            return [(row + k, col - 1) for k in range(w)]
        if face == "right":
            return [(row + k, col + w) for k in range(w)]
        if face == "top":
            return [(row - 1, col + k) for k in range(w)]
        return [(row + w, col + k) for k in range(w)]

    def chain(self, index: int, face: str = LEFT_FACE) -> list[int]:
        """Return the blocks that move if this one is pushed on a face: itself, and those in touch with it ahead."""
        return self.once(("chain", index, face), lambda: self._chain(index, FACES.index(face)))

    def _chain(self, index: int, side: int) -> list[int]:
        found = [index]
        for b in found:
            row, col, w = self.blocks[b]
            row, col = row + DROW[side], col + DCOL[side]
            for other, ahead in self.blocks.items():
                in_rows = ahead.row < row + w and row < ahead.row + ahead.weight
                if in_rows and ahead.col < col + w and col < ahead.col + ahead.weight and other not in found:
                    found.append(other)
        return found

    def required(self, index: int, face: str = LEFT_FACE) -> int:
        """Return how many agents it takes to push a block on a face: the weight of all that moves."""
        return sum(self.blocks[b].weight for b in self.chain(index, face))

    def aligned(self, index: int) -> int:
        """Return how many agents stand in line behind the left face of a block (or of a block of its chain)."""
        return self.once(("aligned", index), lambda: self._aligned(index))

    def _aligned(self, index: int) -> int:
        count = 0
        for b in self.chain(index):
            for row, col in self.face_cells(self.blocks[b], LEFT_FACE):
                while self.agent_at(row, col) is not None:
                    count += 1
                    col -= 1
        return count

    def quiet_limits(self) -> list[int]:
        """Return for each row the last column that is three columns away from the first block to the right.

        A block counts for the rows above and below it too: that is where agents pass to reach its face.
        """
        return self.once("quiet", self._quiet_limits)

    def _quiet_limits(self) -> list[int]:
        limits = [self.size - 1] * self.size
        for block in self.blocks.values():
            for row in range(max(block.row - 1, 0), min(block.row + block.weight + 1, self.size)):
                limits[row] = min(limits[row], block.col - 3)
        return limits

    def tasks(self) -> tuple[TaskView, ...]:
        """Return the active tasks: faces towards which a push can still help deliver something.

        The left face of every block that is not stuck; top and bottom too while another block is in its corridor,
        because going around is then a way.
        """
        return self.once("tasks", lambda: tuple(task for b in sorted(self.blocks) for task in self._tasks_of(b)))

    def task(self, name: str) -> TaskView | None:
        """Return an active task by its id."""
        return self.once("by id", lambda: {task.id: task for task in self.tasks()}).get(name)

    def _tasks_of(self, index: int) -> list[TaskView]:
        block = self.blocks[index]
        if self.is_stuck(block):
            return []
        in_the_way = self.in_corridor(block)
        go = self.to_goal(block)
        main = TaskView(
            task_id(index, FACES.index(LEFT_FACE)),
            self.required(index),
            float(block.weight),
            go,
            not in_the_way,
            self.aligned(index),
        )
        around = []
        if in_the_way:
            low, high = block.row, self.size - block.row - block.weight
            if low > 0 and high > 0:
                around = [
                    TaskView(task_id(index, side), self.required(index, FACES[side]), 0.0, go + 1, False, 0)
                    for side in (0, 1)
                ]
        return [main, *around]

    def travel(self, index: int, cells: Sequence[tuple[int, int]]) -> list[int]:
        """Estimate the steps from each cell to the left face of a block: Manhattan plus the way around it."""
        row, col, w = self.blocks[index]
        target = col - 1
        result = []
        for r, c in cells:
            off = max(row - r, 0, r - (row + w - 1))
            steps = off + abs(c - target)
            if c > target and off == 0:
                steps += 2 * min(r - row + 1, row + w - r)
            result.append(steps)
        return result


class CubeView:
    """The view of one agent; see `View`."""

    def __init__(self, known: CubeMap, me: int, name: str, describe: Callable[[CubeMap, int], str]) -> None:
        self.map = known
        self.me = me
        self.name = name
        self.step = known.step
        self.n_agents = known.n_agents
        self._describe = describe

    def tasks(self) -> Sequence[TaskView]:
        """Return the active tasks of the blocks this agent knows of."""
        return self.map.tasks()

    def task(self, task: str) -> TaskView | None:
        """Return an active task by its id."""
        return self.map.task(task)

    def about(self, task: str) -> dict[str, Any]:
        """Return nothing: who knows a block's name knows where it was."""
        return {}

    def premises(self, task: str) -> dict[str, Any]:
        """Return what stays of where a block is while it is pushed towards the goal: its row."""
        index, face = block_of(task), task.partition("/")[2]
        block = self.map.blocks.get(index)
        return {} if block is None or face != LEFT_FACE else {f"block{index}": [block.row]}

    def observed(self, key: str) -> tuple[Any, int] | None:
        """Return where a block or an agent is, `[row, col]`, and when it was seen there."""
        index = index_in(key, "block")
        block, cell = self.map.blocks.get(index), self.map.agents.get(index_in(key, "agent"))
        if block is not None:
            return [block.row, block.col], self.map.seen.get(index, self.map.step)
        return None if cell is None else (list(cell), self.map.step)

    def problem(self, calls: Sequence[ActionCall]) -> str:
        """Say which call names a block this agent does not know, or an agent or cell there is not."""
        return next(
            (f"call {k}, {call.concept}: {why}" for k, call in enumerate(calls, 1) if (why := self._misfit(call))), ""
        )

    def _misfit(self, call: ActionCall) -> str:
        block, target, count = (call.args.get(name) for name in ("block", "target", "count"))
        if block is not None and block not in self.map.blocks:
            known = ", ".join(map(str, list(self.map.blocks)[:MOST_NAMED]))
            return f"you know of no block {block}; you know of {known or 'none now'}"
        if isinstance(target, int) and target >= self.n_agents:
            return f"there is no agent {target}; agents are 0 to {self.n_agents - 1}"
        if isinstance(target, (list, tuple)) and max(target) >= self.map.size:
            return f"cell {list(target)} is not on the board of {self.map.size} rows and columns"
        if count is not None and count > self.n_agents:
            return f"count is {count}, and the team has {self.n_agents} agents"
        return ""

    def news(self, most: int) -> dict[str, Any]:
        """Return nothing: blocks and agents are told of by what they do."""
        return {}

    def travel(self, task: str, agents: Sequence[int]) -> list[int]:
        """Estimate for each agent the steps to the task's face; `FAR` for agents that cannot be seen."""
        block = block_of(task)
        if block not in self.map.blocks:
            return [FAR] * len(agents)
        seen = [self.map.agents.get(i) for i in agents]
        steps = iter(self.map.travel(block, [cell for cell in seen if cell is not None]))
        return [FAR if cell is None else next(steps) for cell in seen]

    def recipe(self, task: str, count: int) -> tuple[ActionCall, ...]:
        """Return: go to the face, meet `count` agents there, push all the way."""
        block, face = block_of(task), task.partition("/")[2]
        go = self.map.to_goal(self.map.blocks[block]) if face == LEFT_FACE else self.map.blocks[block].weight
        at = {"block": block, "face": face}
        return (
            ActionCall("move_to_block", at),
            ActionCall("rendezvous", {**at, "count": count, "timeout": ALIGN_TIMEOUT}),
            ActionCall("push", {**at, "steps": max(go, 1)}),
        )

    def idle(self, brief: bool = False) -> tuple[ActionCall, ...]:
        """Return: leave the corridors of the blocks for the nearest quiet cell, then wait a little.

        Waits end on common steps, so that those without a task are free at the same time; `brief` ones last one step.
        """
        row, col = self.map.agents[self.me]
        cell = self._quiet_cell(row, col)
        if cell == (row, col):
            steps = 1 if brief else IDLE_PERIOD - self.step % IDLE_PERIOD
            return (ActionCall("wait", {"steps": steps}),)
        return (ActionCall("navigate", {"target": list(cell), "timeout": 2 * self.map.size}),)

    def _quiet_cell(self, row: int, col: int) -> tuple[int, int]:
        """Return the nearest free cell with no block to its left or within two columns to its right, in its row."""
        best, cell = FAR, (row, col)
        for r, limit in enumerate(self.map.quiet_limits()):
            c = min(col, limit)
            if abs(r - row) + abs(c - col) >= best:
                continue
            while self.map.agent_at(r, c) not in (None, self.me):
                c -= 1
            if c >= 0 and abs(r - row) + abs(c - col) < best:
                best, cell = abs(r - row) + abs(c - col), (r, c)
        return cell

    def sample(self, draw: Callable[[], float]) -> ActionCall:
        """Return a random call: any concept, any block or direction this agent knows."""

        def choose(options: Sequence[str]) -> str:
            return options[min(int(draw() * len(options)), len(options) - 1)]

        concept = choose(("move", "navigate", "move_to_block", "push", "rendezvous", "wait"))
        blocks = sorted(self.map.blocks)
        if concept == "move" or (not blocks and concept not in ("navigate", "wait")):
            return ActionCall(
                "move", {"direction": choose(("up", "down", "left", "right")), "steps": 1 + int(draw() * 4)}
            )
        if concept == "navigate":
            return ActionCall("navigate", {"target": [int(draw() * self.map.size), int(draw() * self.map.size)]})
        if concept == "wait":
            return ActionCall("wait", {"steps": 1 + int(draw() * 4)})
        at = {"block": blocks[min(int(draw() * len(blocks)), len(blocks) - 1)], "face": choose(FACES)}
        if concept == "push":
            return ActionCall("push", {**at, "steps": 1 + int(draw() * 8)})
        if concept == "rendezvous":
            return ActionCall("rendezvous", {**at, "count": 1 + int(draw() * self.n_agents), "timeout": 10})
        return ActionCall("move_to_block", at)

    def text(self) -> str:
        """Describe the view in words."""
        return self._describe(self.map, self.me)


@lru_cache(maxsize=4096)
def block_of(task: str) -> int:
    """Return the block a task name is about, -1 if it is about none."""
    return index_in(task.partition("/")[0], "block")
