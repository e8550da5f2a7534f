"""Phases 8 and 9 of a step: needs, health, and who falls."""

from __future__ import annotations

from emcoop.envs.kernels import part
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter.scratch import DIED, HEALTH_BEFORE, HURT_BY, Scratch, note
from emcoop.envs.ma_crafter.world import (
    ALIVE,
    ASLEEP,
    COL,
    DOWN,
    DOWN_SINCE,
    DRINK,
    ENERGY,
    FATIGUE,
    FOOD,
    GONE,
    HEALTH,
    HUNGER,
    N_ALIVE,
    RECOVERY,
    ROW,
    STATUS,
    STEP,
    THIRST,
    Board,
    refresh,
)

BY_LAVA, BY_CREATURE, BY_NEEDS = range(3)


@part
def _count_up(b: Board, i: int, counter: int, need: int, pace: int, limit: int) -> None:
    """Advance a counter; past its limit it starts again and the need falls by one."""
    b.agents[i, counter] += pace
    if b.agents[i, counter] > limit:
        b.agents[i, counter] = 0
        b.agents[i, need] = max(b.agents[i, need] - 1, 0)


@part
def live(b: Board, s: Scratch) -> None:
    """Phase 8: needs grow, health recovers or drains, who was hurt wakes up."""
    most, needs = b.rules[r.MOST], b.rules[r.NEEDS] == 1
    for i in range(len(b.agents)):
        agent = b.agents[i]
        if agent[STATUS] != ALIVE:
            continue
        if needs:
            pace = 2 - agent[ASLEEP]
            _count_up(b, i, HUNGER, FOOD, pace, b.rules[r.FOOD_AFTER])
            _count_up(b, i, THIRST, DRINK, pace, b.rules[r.DRINK_AFTER])
            if agent[ASLEEP] == 0:
                _count_up(b, i, FATIGUE, ENERGY, 2, b.rules[r.ENERGY_AFTER])
            else:
                agent[FATIGUE] = min(agent[FATIGUE] - 2, 0)
                if agent[FATIGUE] < -b.rules[r.REST_AFTER]:
                    agent[FATIGUE] = 0
                    agent[ENERGY] = min(agent[ENERGY] + 1, most)
            if agent[HEALTH] > 0:
                _recover(b, i, most)
        if agent[HEALTH] < s.by_agent[HEALTH_BEFORE, i]:
            agent[ASLEEP] = 0


@part
def _recover(b: Board, i: int, most: int) -> None:
    agent = b.agents[i]
    asleep = agent[ASLEEP] == 1
    if agent[FOOD] > 0 and agent[DRINK] > 0 and (agent[ENERGY] > 0 or asleep):
        agent[RECOVERY] += 4 if asleep else 2
    else:
        agent[RECOVERY] -= 1 if asleep else 2
    if agent[RECOVERY] > b.rules[r.HEAL_AFTER]:
        agent[RECOVERY] = 0
        agent[HEALTH] = min(agent[HEALTH] + 1, most)
    elif agent[RECOVERY] < -b.rules[r.HARM_AFTER]:
        agent[RECOVERY] = 0
        agent[HEALTH] -= 1


@part
def fall(b: Board, s: Scratch) -> None:
    """Phase 9: agents without health fall; bodies that nobody can revive any more are gone."""
    for i in range(len(b.agents)):
        agent = b.agents[i]
        if agent[STATUS] != ALIVE or agent[HEALTH] > 0:
            continue
        y, x = agent[ROW] + b.pad, agent[COL] + b.pad
        in_lava = b.materials[y, x] == r.LAVA
        cause = BY_LAVA if in_lava else (BY_CREATURE if s.by_agent[HURT_BY, i] == 1 else BY_NEEDS)
        agent[STATUS] = GONE if in_lava or b.rules[r.REVIVE] == 0 else DOWN
        agent[DOWN_SINCE] = b.head[STEP] + 1
        agent[ASLEEP] = 0
        b.occupancy[y, x] = 0
        b.head[N_ALIVE] -= 1
        note(s, DIED, i, cause, 0, 0)
        refresh(b, y, x)
    if b.head[N_ALIVE] < len(b.agents) and b.rules[r.REVIVE] == 1:
        _give_up(b)


@part
def _give_up(b: Board) -> None:
    """Let bodies go that have been down too long, or that too few are left to revive."""
    alone = b.head[N_ALIVE] < b.rules[r.REVIVE_AGENTS]
    for i in range(len(b.agents)):
        agent = b.agents[i]
        if agent[STATUS] != DOWN:
            continue
        if alone or b.head[STEP] + 1 - agent[DOWN_SINCE] >= b.rules[r.REVIVE_WITHIN]:
            agent[STATUS] = GONE
            refresh(b, agent[ROW] + b.pad, agent[COL] + b.pad)
