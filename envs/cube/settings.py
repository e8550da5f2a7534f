"""CUBE's settings: the curriculum parameter, hand-made boards, and the numbers that rules read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emcoop.errors import ConfigError

MAX_AGENTS = 1024
MAX_GRID = 4096
ACTIONS = ("stay", "up", "down", "left", "right")
OBSERVATIONS = ("window", "global")


@dataclass(frozen=True)
class CubeSettings:
    """Everything that fixes a CUBE world apart from the seed.

    Attributes:
        n_agents: Number of agents, 1 to 1,024.
        grid_size: Side `K` of the square board, in cells; the goal is column `K - 1`.
        weights: Block weights (side lengths), largest first.
        max_steps: Steps after which an episode is truncated.
    """

    n_agents: int
    grid_size: int
    weights: tuple[int, ...]
    max_steps: int

    @property
    def total_weight(self) -> int:
        """Sum of all block weights: the largest possible raw score."""
        return sum(self.weights)


def curriculum_blocks(n: int) -> dict[int, int]:
    """Return `{weight: count}` of the curriculum for `n` agents, by halving (CUBE, 2025).

    One block of weight `n // 2 + 1`, then two of half its weight, three of a quarter, and so on while the
    halved value, kept unrounded, is at least 1.
    """
    blocks: dict[int, int] = {}
    value, count = float(n // 2 + 1), 1
    while value >= 1:
        blocks[int(value)] = blocks.get(int(value), 0) + count
        value, count = value / 2, count + 1
    return blocks


def _positive_int(name: str, value: object, upper: int) -> int:
    number = int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else 0
    if not 1 <= number <= upper:
        raise ConfigError(f"{name}={value!r} does not fit: give a whole number from 1 to {upper}")
    return number


def make_settings(
    n_agents: int = 2,
    grid_size: int | None = None,
    blocks: Mapping[int, int] | None = None,
    max_steps: int | None = None,
) -> CubeSettings:
    """Build settings; whatever is not given follows the curriculum of `n_agents`.

    The curriculum's blocks may not fit a small hand-made board; that is an error only when they are to be placed, so
    that such boards can be used with explicit blocks.

    Args:
        n_agents: Number of agents, 1 to 1,024; alone it fixes board, blocks and length.
        grid_size: Board side in cells; default `max(20, n_agents)`.
        blocks: `{weight: count}`; default the curriculum's.
        max_steps: Episode length in steps; default `max(500, 4 * grid_size)`.

    Raises:
        ConfigError: A value out of range, a weight that cannot fit the board.
    """
    n = _positive_int("n_agents", n_agents, MAX_AGENTS)
    size = _positive_int("grid_size", max(20, n) if grid_size is None else grid_size, MAX_GRID)
    if size < 2:
        raise ConfigError(
            f"grid_size={size} does not fit: a board needs a column beside the goal column; give 2 or more"
        )
    counts = curriculum_blocks(n) if blocks is None else _block_counts(blocks)
    weights = tuple(w for w in sorted(counts, reverse=True) for _ in range(counts[w]))
    if blocks is not None and weights[0] > size - 3:
        raise ConfigError(
            f"a block of weight {weights[0]} cannot fit a board of side {size} with a free cell around it: "
            f"weights are at most grid_size - 3 = {size - 3}; use a larger grid_size"
        )
    steps = _positive_int("max_steps", max(500, 4 * size) if max_steps is None else max_steps, 10**7)
    return CubeSettings(n, size, weights, steps)


def _number(key: object) -> object:
    """Return a key that spells a number as that number: JSON knows only text keys."""
    return int(key) if isinstance(key, str) and key.isdigit() else key


def _block_counts(blocks: Mapping[int, int]) -> dict[int, int]:
    if not isinstance(blocks, Mapping) or not blocks:
        raise ConfigError(f"blocks={blocks!r} does not fit: give {{weight: count}} with at least one block")
    return {
        _positive_int("block weight", _number(weight), MAX_GRID): _positive_int("block count", count, 10**4)
        for weight, count in blocks.items()
    }
