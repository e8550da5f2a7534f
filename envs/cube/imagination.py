"""What a group knows of a CUBE board together, and the board that holds nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from emcoop.envs.cube.view import Block
from emcoop.envs.cube.world import OPEN, STEP, World, draw_one

Cell = tuple[int, int]
Seen = tuple[int, Block]
"""The step a block was seen at, and the block."""


def merge_blocks(
    memories: Sequence[Mapping[int, Seen]], watched: Iterable[Cell], sight: int, now: int, taken: Iterable[Cell]
) -> dict[int, Block]:
    """Return the blocks a group knows of, each as it was seen last.

    A block is left out where it cannot be any more: a member looks at the place now, or something seen later is there.

    Args:
        memories: What each member remembers: block -> when it was seen, and how.
        watched: Where the members stand.
        sight: How far they see.
        now: Current step.
        taken: Cells known to be taken by agents.
    """
    latest: dict[int, Seen] = {}
    for memory in memories:
        for b, seen in memory.items():
            if b not in latest or seen[0] > latest[b][0]:
                latest[b] = seen
    eyes, full = list(watched), set(taken)
    known = {}
    for b, (step, block) in sorted(latest.items(), key=lambda entry: (-entry[1][0], entry[0])):
        cells = covered(block)
        in_view = any(max(abs(r - y), abs(c - x)) <= sight for r, c in cells for y, x in eyes)
        if full.isdisjoint(cells) and (step == now or not in_view):
            full.update(cells)
            known[b] = block
    return dict(sorted(known.items()))


def covered(block: Block) -> list[Cell]:
    """Return the cells a block covers."""
    return [(block.row + r, block.col + c) for r in range(block.weight) for c in range(block.weight)]


def known_world(world: World, agents: Mapping[int, Cell], blocks: Mapping[int, Block]) -> World:
    """Return a board that holds some agents and blocks only; the clock and the number of open blocks are public.

    Everything keeps its index. An agent that is not there has the cell of the first one that is, but nobody meets it
    there; a block that is not there is a delivered one of weight 1.

    Args:
        world: The true board; only its sizes and what is public is read.
        agents: Cells of the agents that are there, one or more.
        blocks: The blocks that are there.
    """
    arrays = (world.rows[:1] * 0, world.occupancy[:1] * 0, world.cells[:1] * 0)
    made = World(world.n_agents, world.n_blocks, world.grid_size, world.pad, *arrays)
    made.rows[0, [STEP, OPEN]] = world.rows[0, [STEP, OPEN]]
    first = min(agents)
    made.agents[0] = agents[first]
    made.agents[0, list(agents)] = list(agents.values())
    made.weights[0], made.delivered[0] = 1, 1
    for b, block in blocks.items():
        made.blocks[0, b], made.weights[0, b], made.delivered[0, b] = block[:2], block.weight, 0
    draw_one(made.rows, made.occupancy, made.cells, 0, made.n_agents, made.n_blocks, made.pad)
    for i, (row, col) in agents.items():
        made.occupancy[0, row + made.pad, col + made.pad] = i + 1
    return made
