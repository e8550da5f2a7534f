"""Figures of other packages, recorded once on another machine, and what makes them comparable.

They were taken together with the floor of that machine (PettingZoo dictionaries with fresh 9 x 9 uint8 observations
and no work at all). A recorded figure times (that floor measured here / that floor recorded there) is what the
package would reach here, if the machines differed by one factor only. `peers` runs some of them, when asked to.
"""

from __future__ import annotations

from collections.abc import Mapping

FLOOR_9X9: Mapping[int, float] = {2: 0.71e6, 16: 2.2e6, 256: 3.2e6, 1024: 2.7e6}
"""The floor of the machine the figures were recorded on, agent-steps per CPU second of one core, by team size."""

AGENT_STEPS: Mapping[str, Mapping[int, float]] = {
    "published CUBE": {2: 2.8e3, 16: 5.9e3, 256: 5.1e3},
    "published CUBE, its information off": {2: 27e3, 16: 159e3, 256: 353e3},
    "magent2 battle": {16: 0.12e6, 256: 0.54e6},
    "pogema": {2: 0.12e6, 16: 0.18e6, 256: 0.18e6, 1024: 0.17e6},
}
"""Agent-steps per CPU second of one core, by team size, random actions."""

JAXMARL_SPREAD = 0.8e6
"""Agent-steps per CPU second, 1,024 environments at once; scaled with the floor at 16 agents."""

CRAFTER_WORLD = 4.1e3
"""Steps per second of Crafter's bare world, nothing drawn (3.2 k to 4.1 k, the greater); scaled with the floor at 2."""

CRAFTER_RESETS = 1 / 55e-3
"""Resets per second of Crafter, 64 x 64; scaled with the floor at 2 agents."""

CRAFTAX_CLASSIC = 11e3
"""Agent-steps per CPU second of Craftax Classic, 64 environments at once; scaled with the floor at 2 agents."""

CRAFTER_FRAMES: Mapping[int, float] = {64: 1.4e3, 512: 211.0}
"""Frames per second by side in pixels, one agent; scaled with the floor at 2 agents."""
