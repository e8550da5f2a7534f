"""CUBE in words, for planners that read. Nothing here runs unless a planner asks for text."""

from __future__ import annotations

from functools import partial

from emcoop.envs.cube.view import Block, CubeMap

MOST_LISTED = 12
"""Entities of a kind listed at most; the rest is counted."""


def describe(known: CubeMap, me: int) -> str:
    """Return the view of agent `me` as text: itself, the nearest blocks and agents, counts of the rest."""
    row, col = known.agents[me]
    lines = [
        f"Step {known.step}. Board {known.size} x {known.size}, (row, col) from the top left; the goal is column "
        f"{known.size - 1}, on the right.",
        f"You are agent {me} at ({row}, {col}). The team has {known.n_agents} agents.",
    ]
    blocks = sorted(known.blocks, key=lambda b: (_gap(known.blocks[b], row, col), b))
    lines.append(f"Blocks you know of: {len(blocks)}.")
    lines += [known.once(("line", b), partial(_block_line, known, b)) for b in blocks[:MOST_LISTED]]
    if len(blocks) > MOST_LISTED:
        lines.append(f"- and {len(blocks) - MOST_LISTED} more, farther away")
    others = known.nearest_agents(row, col, MOST_LISTED + 1)
    others = [i for i in others if i != me][:MOST_LISTED]
    if others:
        shown = ", ".join(f"{i} at {known.agents[i]}" for i in others)
        rest = len(known.agents) - 1 - len(others)
        lines.append(f"Other agents you see: {shown}{f' and {rest} more' if rest > 0 else ''}.")
    return "\n".join(lines)


def _gap(block: Block, row: int, col: int) -> int:
    """Return the steps from a cell to the nearest cell of a block."""
    return max(block.row - row, 0, row - (block.row + block.weight - 1)) + max(
        block.col - col, 0, col - (block.col + block.weight - 1)
    )


def _block_line(known: CubeMap, index: int) -> str:
    block = known.blocks[index]
    line = (
        f"- block {index}: weight {block.weight}, rows {block.row}-{block.row + block.weight - 1}, columns "
        f"{block.col}-{block.col + block.weight - 1}, {known.to_goal(block)} columns to the goal; pushing it right "
        f"takes {known.required(index)} agents in line on its left face, {known.aligned(index)} are there"
    )
    stuck = known.is_stuck(block)
    if stuck:
        return f"{line}; it can never be delivered: {stuck}"
    ahead = known.in_corridor(block)
    if not ahead:
        return line
    rest = f" and {len(ahead) - MOST_LISTED} more" if len(ahead) > MOST_LISTED else ""
    return f"{line}; in its way: blocks {', '.join(map(str, ahead[:MOST_LISTED]))}{rest}"
