"""CUBE's physics, slow and obvious: to be read beside the rules in the design, and compared with the fast kernel.

Plain Python on sets and dicts. Nothing is cached, nothing is clever: every helper recomputes what it needs from
the board and the joint action, so that each rule stands in one place. "Rule 1" to "rule 7" are the numbered rules
of the physics; rows grow downwards, the goal is the last column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = tuple[int, int]
Block = tuple[int, int, int]
Event = dict[str, Any]

STAY, UP, DOWN, LEFT, RIGHT = range(5)
STEP: dict[int, Cell] = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
OPPOSITE = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}
KINDS = (
    "push",
    "delivery",
    "blocked_destination",
    "insufficient_force",
    "contested_push",
    "cell_race",
    "collision",
)
NAME = {UP: "up", DOWN: "down", LEFT: "left", RIGHT: "right"}


@dataclass(frozen=True)
class Board:
    """One position.

    Attributes:
        size: Side of the square grid, in cells.
        agents: Cell `(row, col)` of each agent, by agent index.
        blocks: `{block id: (row, col, weight)}` of the blocks still on the grid, named by their top-left cell.
    """

    size: int
    agents: tuple[Cell, ...]
    blocks: dict[int, Block]


@dataclass(frozen=True)
class Outcome:
    """What one step makes of a board.

    Attributes:
        board: The position after the step, without the delivered blocks.
        delivered: `{block id: (row, col, weight)}` of the blocks delivered in this step, where they ended.
        events: The events of rule 7, in no meaningful order; `agents` are sorted agent indices.
    """

    board: Board
    delivered: dict[int, Block]
    events: list[Event]


@dataclass(frozen=True)
class Push:
    """Blocks that would move together in one direction, with the agents of all lines on any of them (rule 3)."""

    direction: int
    blocks: frozenset[int]
    agents: frozenset[int]
    need: int

    @property
    def have(self) -> int:
        return len(self.agents)

    @property
    def is_short(self) -> bool:
        return self.have < self.need


@dataclass
class Verdict:
    """The pushes of one step, sorted by what rules 2 to 4 say about them.

    `own` holds, for every pushed (block, direction), the closure of that block alone.
    """

    own: dict[tuple[int, int], Push] = field(default_factory=dict)
    blocked: dict[tuple[int, int], str] = field(default_factory=dict)
    groups: list[Push] = field(default_factory=list)
    contested: list[Push] = field(default_factory=list)
    moving: list[Push] = field(default_factory=list)


def step(board: Board, actions: Sequence[int]) -> Outcome:
    """Advance a board by one simultaneous step.

    Args:
        board: The position.
        actions: One action per agent: 0 stay, 1 up, 2 down, 3 left, 4 right.

    Returns:
        The position after the step, the blocks it delivered, and its events.
    """
    verdict = judge_pushes(board, actions)
    pushed_board, delivered = move_groups(board, verdict.moving)
    moved = {agent for group in verdict.moving for agent in group.agents}
    walkers = [a for a, action in enumerate(actions) if action != STAY and a not in moved]
    after, walk_events = walk(pushed_board, actions, walkers)
    failures = failed_pushes(board, actions, verdict)
    excused = {agent for event in failures for agent in event["agents"]}
    collisions = [e for e in walk_events if e["kind"] == "collision" and e["agents"][0] not in excused]
    races = [e for e in walk_events if e["kind"] == "cell_race"]
    events = successes(board, verdict.moving, delivered) + failures + races + collisions
    return Outcome(after, delivered, events)


# Geometry ----------------------------------------------------------------------------------------------------


def shift(cell: Cell, direction: int) -> Cell:
    """Return the next cell in a direction, on the grid or not."""
    return cell[0] + STEP[direction][0], cell[1] + STEP[direction][1]


def on_grid(board: Board, cell: Cell) -> bool:
    """Tell whether a cell lies on the grid."""
    return 0 <= cell[0] < board.size and 0 <= cell[1] < board.size


def cells_of(block: Block) -> set[Cell]:
    """Return the `weight x weight` cells a block covers."""
    row, col, weight = block
    return {(row + i, col + j) for i in range(weight) for j in range(weight)}


def footprint(board: Board, blocks: Iterable[int]) -> set[Cell]:
    """Return all cells covered by some blocks of a board."""
    return {cell for block in blocks for cell in cells_of(board.blocks[block])}


def destination(board: Board, blocks: Iterable[int], direction: int) -> set[Cell]:
    """Return all cells some blocks would cover one cell further in a direction."""
    return {shift(cell, direction) for cell in footprint(board, blocks)}


# Rule 1: lines -----------------------------------------------------------------------------------------------


def line_agents(board: Board, actions: Sequence[int], block: int, direction: int) -> set[int]:
    """Return the agents of all lines that push one block in one direction."""
    agent_at = {cell: agent for agent, cell in enumerate(board.agents)}
    covered = footprint(board, [block])
    backwards = OPPOSITE[direction]
    found = set()
    for cell in covered:
        behind = shift(cell, backwards)
        if behind in covered:
            continue  # not on the face against the direction
        while behind in agent_at and actions[agent_at[behind]] == direction:
            found.add(agent_at[behind])
            behind = shift(behind, backwards)
    return found


# Rule 2: chains ----------------------------------------------------------------------------------------------


def closure(board: Board, block: int, direction: int) -> frozenset[int]:
    """Return the block and every block that must move with it."""
    together = {block}
    while True:
        ahead = destination(board, together, direction)
        touched = {other for other in board.blocks if cells_of(board.blocks[other]) & ahead}
        if touched <= together:
            return frozenset(together)
        together |= touched


def blocked_by(board: Board, push: Push) -> str | None:
    """Return what a closure cannot move into ("wall" before "agent"), or None."""
    ahead = destination(board, push.blocks, push.direction)
    if any(not on_grid(board, cell) for cell in ahead):
        return "wall"
    # An agent that will move away this step still blocks, unless it pushes along.
    if any(cell in ahead for agent, cell in enumerate(board.agents) if agent not in push.agents):
        return "agent"
    return None


# Rule 3: force -----------------------------------------------------------------------------------------------


def push_of(board: Board, actions: Sequence[int], blocks: frozenset[int], direction: int) -> Push:
    """Return the push of a set of blocks: every line on any of them, each agent once."""
    agents: set[int] = set()
    for block in blocks:
        agents |= line_agents(board, actions, block, direction)
    return Push(direction, blocks, frozenset(agents), sum(board.blocks[block][2] for block in blocks))


def merge(board: Board, actions: Sequence[int], pushes: Iterable[Push]) -> list[Push]:
    """Merge pushes of one direction that share a block, transitively; the force is counted anew."""
    groups: list[Push] = []
    for push in pushes:
        related = [g for g in groups if g.direction == push.direction and g.blocks & push.blocks]
        blocks = push.blocks.union(*(g.blocks for g in related))
        groups = [g for g in groups if g not in related] + [push_of(board, actions, blocks, push.direction)]
    return groups


# Rule 4: conflicts -------------------------------------------------------------------------------------------


def conflict(board: Board, one: Push, other: Push) -> bool:
    """Tell whether two groups would move the same block or into a common cell."""
    ahead = destination(board, one.blocks, one.direction)
    ahead_of_other = destination(board, other.blocks, other.direction)
    return bool(one.blocks & other.blocks) or bool(ahead & ahead_of_other)


def judge_pushes(board: Board, actions: Sequence[int]) -> Verdict:
    """Decide by rules 1 to 4 which groups of blocks move."""
    verdict = Verdict()
    for block in board.blocks:
        for direction in STEP:
            if line_agents(board, actions, block, direction):
                together = closure(board, block, direction)
                verdict.own[block, direction] = push_of(board, actions, together, direction)
    for key, push in verdict.own.items():
        obstacle = blocked_by(board, push)
        if obstacle is not None:
            verdict.blocked[key] = obstacle
    sound = [p for key, p in verdict.own.items() if key not in verdict.blocked and not p.is_short]
    verdict.groups = merge(board, actions, sound)
    # A merged group that is short stays as a whole, and is no rival to anybody.
    strong = [group for group in verdict.groups if not group.is_short]
    verdict.contested = [group for group in strong if any(conflict(board, group, o) for o in strong if o is not group)]
    verdict.moving = [group for group in strong if group not in verdict.contested]
    return verdict


# Rule 5: motion ----------------------------------------------------------------------------------------------


def move_groups(board: Board, moving: Iterable[Push]) -> tuple[Board, dict[int, Block]]:
    """Move the groups with their agents; return the new position and the blocks that left it."""
    agents, blocks = list(board.agents), dict(board.blocks)
    for group in moving:
        for agent in group.agents:
            agents[agent] = shift(agents[agent], group.direction)
        for block in group.blocks:
            row, col, weight = blocks[block]
            blocks[block] = (*shift((row, col), group.direction), weight)
    goal = board.size - 1
    delivered = {block: at for block, at in blocks.items() if any(col == goal for _, col in cells_of(at))}
    staying = {block: at for block, at in blocks.items() if block not in delivered}
    return Board(board.size, tuple(agents), staying), delivered


# Rule 6: free moves ------------------------------------------------------------------------------------------


def walk(board: Board, actions: Sequence[int], walkers: Iterable[int]) -> tuple[Board, list[Event]]:
    """Let the agents that no push moved walk, on the position after the pushes.

    Every agent that does not get its cell has an event; the caller drops collisions that a failed push explains.
    """
    held_by_block = footprint(board, board.blocks)
    wanted: dict[Cell, list[int]] = {}
    for agent in sorted(walkers):
        wanted.setdefault(shift(board.agents[agent], actions[agent]), []).append(agent)
    agents = list(board.agents)
    events: list[Event] = []
    for cell, contenders in wanted.items():
        obstacle = None
        if not on_grid(board, cell):
            obstacle = "wall"
        elif cell in held_by_block:
            obstacle = "block"
        elif cell in board.agents:  # before any free move: no swapping and no following
            obstacle = "agent"
        if obstacle is not None:
            for agent in contenders:
                events.append({"kind": "collision", "agents": [agent], "into": obstacle})
            continue
        winner = min(contenders)
        agents[winner] = cell
        if len(contenders) > 1:
            events.append({"kind": "cell_race", "agents": contenders, "winner": winner})
    return Board(board.size, tuple(agents), board.blocks), events


# Rule 7: events ----------------------------------------------------------------------------------------------


def successes(board: Board, moving: Iterable[Push], delivered: dict[int, Block]) -> list[Event]:
    """Return one `push` per moved group and one `delivery` per delivered block."""
    events: list[Event] = []
    for group in moving:
        agents = sorted(group.agents)
        pushed: Event = {"blocks": sorted(group.blocks), "direction": NAME[group.direction]}
        events.append({"kind": "push", "agents": agents, "have": group.have, "need": group.need} | pushed)
        for block in sorted(group.blocks & delivered.keys()):
            weight = board.blocks[block][2]
            events.append({"kind": "delivery", "agents": agents, "block": block, "weight": weight})
    return events


def failed_pushes(board: Board, actions: Sequence[int], verdict: Verdict) -> list[Event]:
    """Return one event per pushed (block, direction) that did not move that way."""
    events: list[Event] = []
    for (block, direction), own in verdict.own.items():
        if any(g.direction == direction and block in g.blocks for g in verdict.moving):
            continue  # carried along by another closure, whatever its own would have done
        event: Event = {
            "agents": sorted(line_agents(board, actions, block, direction)),
            "block": block,
            "direction": NAME[direction],
        }
        if (block, direction) in verdict.blocked:
            told: Event = {"kind": "blocked_destination", "by": verdict.blocked[block, direction]}
            numbers = own
        elif own.is_short:
            told, numbers = {"kind": "insufficient_force"}, own
        else:
            numbers = next(g for g in verdict.groups if g.direction == direction and block in g.blocks)
            told = {"kind": "insufficient_force" if numbers.is_short else "contested_push"}
        events.append(event | told | {"have": numbers.have, "need": numbers.need})
    return events
