"""A floor under the number of steps: no policy, however well coordinated, delivers all blocks sooner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]


def steps_lower_bound(agents: ArrayLike, blocks: ArrayLike, weights: Sequence[int], grid_size: int) -> int:
    """Return a number of steps below which no policy delivers every block from this state.

    Blocks in the goal column count as delivered. Blocks heavier than the team never move; they are left out,
    and the bound is for all others.

    Proof sketch. Let `d_i` be the columns block `i` has to go, `w_i` its weight, and number the steps from 1.

    Facts of the physics: (a) a block moves at most one cell per step, an agent too; (b) blocks move only in
    groups whose agent lines together hold at least the group's weight; (c) an agent is in at most one line,
    the line pushes one block, and the agent stands in the straight strip of that block's width and of length
    `n` behind the pushed face; (d) with a pushed group all agents of its lines advance one cell.

    1. *Nothing moves before step `start`.* If a group moves, one of its blocks has `w_i` agents in its own
       lines (otherwise the lines together fall short). Until the first push all blocks stand still, so
       `start - 1` is at least the `w_i`-th smallest agent's distance to a strip of some block `i`.
    2. *An agent's first useful step.* From `start` on a strip may come nearer by one cell per step, so an
       agent at distance `x` from the strip behind a left face stands in it at step `t` only if
       `t - 1 >= x - max(0, t - start)`. The minimum over blocks is the agent's `arrival`; the argument of 1,
       with these steps, bounds the first push to the right, before which no arrival is useful.
    3. *Each block.* Block `i` makes `d_i` pushes to the right, in different steps, each with at least `w_i`
       agents in lines: steps >= (`w_i`-th smallest arrival) - 1 + `d_i`.
    4. *Force.* The blocks pushed right in one step weigh together at most the number of agents that have
       arrived, and no more than the heaviest set of blocks that this many can push. These capacities must
       add up to `sum(w_i d_i)`; and the same holds for the blocks of weight >= v alone, for every v. Chains
       gain nothing: one line pushing two blocks needs the sum of their weights.
    5. *Numbers.* At most `floor(arrived / v)` blocks of weight >= v are pushed right in one step, and these
       must add up to the sum of their `d_i`.
    6. *Ways back.* A useful agent-step (it stands in a pushed line, direction right) moves the agent one
       column to the right and adds at most 1 to `sum(w_i d_i)`. Its column is at most `K - 2` after the last
       one, so an agent from column `c` with `p` useful steps makes at least `p - (K - 2 - c)` steps to the
       left before: `p <= (steps + K - 2 - c) / 2`, and `p <= steps - arrival + 1`. The `p` add up to at
       least `sum(w_i d_i)`.

    Obstacles, moves up and down between blocks and agents in each other's way are left out, which can only
    lower the result.

    Args:
        agents: (n, 2) cells, (row, col).
        blocks: (m, 2) top-left cells, (row, col).
        weights: Weight of each block.
        grid_size: Board side `K`.

    Returns:
        Steps, 0 if nothing is left to deliver.
    """
    where = np.asarray(agents, np.int64).reshape(-1, 2)
    corners = np.asarray(blocks, np.int64).reshape(-1, 2)
    weight = np.asarray(weights, np.int64)
    to_go = grid_size - weight - corners[:, 1]
    open_ = (to_go > 0) & (weight <= len(where))
    corners, weight, to_go = corners[open_], weight[open_], to_go[open_]
    if not len(weight):
        return 0
    arrival = _arrivals(where, corners, weight)
    work = int((weight * to_go).sum())
    columns = grid_size - 2 - where[:, 1]

    def useful(steps: int) -> int:
        return int(np.clip(np.minimum(steps - arrival + 1, (steps + columns) // 2), 0, None).sum())

    bounds = [int((np.sort(arrival)[weight - 1] - 1 + to_go).max()), _first(lambda t: useful(t) >= work)]
    arrived = np.searchsorted(np.sort(arrival), np.arange(1, int(arrival.max()) + 1), side="right")
    for least in np.unique(weight):
        heavy = weight >= least
        pushed = np.minimum(np.arange(len(where) + 1) // least, heavy.sum())
        bounds.append(_fill(pushed[arrived], int(to_go[heavy].sum())))
        force = _capacities(weight[heavy], len(where))
        bounds.append(_fill(force[arrived], int((weight * to_go)[heavy].sum())))
    return max(bounds)


def _arrivals(agents: IntArray, corners: IntArray, weights: IntArray) -> IntArray:
    """Return the first step at which each agent can stand in a line that pushes right (points 1 and 2)."""
    start = 1 + min(
        int(np.partition(_strip_distances(agents, corner, int(w), side), w - 1)[w - 1])
        for corner, w in zip(corners, weights, strict=True)
        for side in range(4)
    )
    arrival = np.full(len(agents), np.iinfo(np.int64).max)
    first_push = np.iinfo(np.int64).max
    for corner, w in zip(corners, weights, strict=True):
        distance = _strip_distances(agents, corner, int(w), 0)
        ready = np.where(distance < start, distance + 1, (distance + start + 2) // 2)
        arrival = np.minimum(arrival, ready)
        first_push = min(first_push, int(np.partition(ready, w - 1)[w - 1]))
    return arrival.clip(min=first_push)


def _strip_distances(agents: IntArray, corner: IntArray, weight: int, side: int) -> IntArray:
    """Return each agent's distance to the strip behind a face: 0 left, 1 right, 2 upper, 3 lower."""
    along, across = (1, 0) if side < 2 else (0, 1)
    reach = len(agents)
    near = corner[along] - reach if side % 2 == 0 else corner[along] + weight
    return _outside(agents[:, along], near, reach) + _outside(agents[:, across], corner[across], weight)


def _outside(values: IntArray, low: int, length: int) -> IntArray:
    """Return how far each value is from the range `low .. low + length - 1`."""
    return np.maximum(np.maximum(low - values, values - (low + length - 1)), 0)


def _capacities(weights: IntArray, agents: int) -> IntArray:
    """Return, for 0 to `agents` agents, the heaviest sum of a set of blocks that they can push at once."""
    sums, kept = 1, (1 << (agents + 1)) - 1
    for w in weights:
        sums |= (sums << int(w)) & kept
    reachable = [force if sums >> force & 1 else 0 for force in range(agents + 1)]
    return np.maximum.accumulate(np.array(reachable, np.int64))


def _fill(per_step: IntArray, amount: int) -> int:
    """Return the steps until the capacities, the last one repeated for ever, add up to `amount`."""
    total = np.cumsum(per_step)
    if total[-1] >= amount:
        return int(np.searchsorted(total, amount)) + 1
    return len(total) + -(-(amount - int(total[-1])) // int(per_step[-1]))


def _first(enough: Callable[[int], bool]) -> int:
    """Return the smallest number of steps that is enough, for a condition that stays true."""
    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
