"""MA-Crafter's step, slow and obvious: to be read beside "A step, exactly" in `docs/ma-crafter.md`.

Plain Python, one function per phase, named like the document's. Nothing is cached, nothing is clever: every helper
recomputes what it needs, so that each rule stands in one place. Phase 2 is in `ma_crafter_acting.py`, 3 to 5 in
`ma_crafter_building.py`, 7 in `ma_crafter_creatures.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ma_crafter_acting import do
from ma_crafter_building import make, place, share
from ma_crafter_creatures import creatures
from ma_crafter_state import OUTSIDE, WALKABLE, Agent, Cell, Event, State, faced, material, occupied, rule
from ma_crafter_turn import Turn

from emcoop.envs.ma_crafter import rules as r

KINDS = (
    "wake_up", "collect", "insufficient_quorum", "over_participation", "full_bag", "missing_tool", "drink", "sapling",
    "eat", "attack", "defeat", "make", "craft_failed", "place", "place_failed", "share", "share_failed", "cell_race",
    "hurt", "death", "revive", "loot",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What one step makes of a state.

    Attributes:
        state: The state after the step.
        events: In no meaningful order; `agents` are sorted indices, but giver and recipient of a `share`.
        reward: Every agent's reward.
        over: Whether the episode ends by its rules (all are gone, or the goal is reached).
    """

    state: State
    events: list[Event]
    reward: float
    over: bool


def step(before: State, actions: Sequence[int]) -> Outcome:
    """Advance a state by one simultaneous step.

    Args:
        before: The state, which is left as it is.
        actions: One action per agent, as in `rules.ACTIONS`, or a `rules.share_code`.
    """
    turn = Turn(before.copy())
    who_acts(turn, actions)
    do(turn)
    make(turn)
    place(turn)
    share(turn)
    move(turn)
    creatures(turn)
    needs(turn)
    deaths(turn)
    state = turn.state
    state.step += 1
    coop = state.settings.coop
    reward = (state.points - before.points) / coop.most_points / len(state.agents)
    return Outcome(state, turn.events, reward, is_over(state))


def is_over(state: State) -> bool:
    """Tell whether all agents are gone or the goal is reached."""
    found = state.settings.goal == "diamond" and any(state.agents[i].bag["diamond"] for i in state.alive)
    return found or all(agent.status == "gone" for agent in state.agents)


# 1. Who acts -------------------------------------------------------------------------------------------------


def who_acts(turn: Turn, actions: Sequence[int]) -> None:
    """Write into `turn` what each agent does; sleepers wake up or do nothing, `move` turns, `sleep` begins."""
    rested = rule("needs", "most")
    for i in turn.state.alive:
        agent = turn.state.agents[i]
        if agent.asleep and agent.energy < rested:
            continue
        if agent.asleep:
            agent.asleep = False
            agent.achieved.add("wake_up")
            turn.tell("wake_up", [i])
        is_code = actions[i] >= len(r.ACTIONS)
        turn.doing[i] = "share" if is_code else r.ACTIONS[actions[i]]
        if is_code:
            turn.registers[i] = r.read_share(actions[i])
        if turn.doing[i].startswith("move_"):
            agent.facing = turn.doing[i].removeprefix("move_")
        if turn.doing[i] == "sleep" and agent.energy < rested:
            agent.asleep = True


# 6. Move -----------------------------------------------------------------------------------------------------


def move(turn: Turn) -> None:
    """Let agents walk into cells that are free when the phase begins."""
    state = turn.state
    wanted: dict[Cell, list[int]] = {}
    for side in ("up", "down", "left", "right"):
        for i in turn.who_do(f"move_{side}"):
            cell = faced(state.agents[i])
            if material(state, cell) in (*WALKABLE, "lava") and not occupied(state, cell):
                wanted.setdefault(cell, []).append(i)
    for cell, rivals in wanted.items():
        winner = min(rivals)
        state.agents[winner].cell = cell
        for i in rivals:
            if i != winner:
                turn.tell("cell_race", [i], winner=winner)
        if material(state, cell) == "lava":
            turn.wound(winner, state.agents[winner].health, "lava")


# 8. Needs ----------------------------------------------------------------------------------------------------


def needs(turn: Turn) -> None:
    """Advance hunger, thirst, fatigue and recovery; wake up who lost health."""
    if turn.state.mode["needs"]:
        for i in turn.state.alive:
            grow_hungry(turn.state.agents[i])
            grow_tired(turn.state.agents[i])
            if turn.state.agents[i].health > 0:
                recover(turn, i)
    for i in turn.causes:
        turn.state.agents[i].asleep = False


def grow_hungry(agent: Agent) -> None:
    """Advance hunger and thirst."""
    half_steps = 1 if agent.asleep else 2
    agent.hunger += half_steps
    if agent.hunger > rule("needs", "food"):
        agent.hunger, agent.food = 0, max(0, agent.food - 1)
    agent.thirst += half_steps
    if agent.thirst > rule("needs", "drink"):
        agent.thirst, agent.drink = 0, max(0, agent.drink - 1)


def grow_tired(agent: Agent) -> None:
    """Advance fatigue, or rest."""
    agent.fatigue = min(agent.fatigue - 2, 0) if agent.asleep else agent.fatigue + 2
    if agent.fatigue > rule("needs", "energy"):
        agent.fatigue, agent.energy = 0, max(0, agent.energy - 1)
    if agent.fatigue < -rule("needs", "rest"):
        agent.fatigue, agent.energy = 0, min(rule("needs", "most"), agent.energy + 1)


def recover(turn: Turn, i: int) -> None:
    """Heal an agent whose needs are met, harm one whose needs are not."""
    agent = turn.state.agents[i]
    if agent.food > 0 and agent.drink > 0 and (agent.energy > 0 or agent.asleep):
        agent.recovery += 4 if agent.asleep else 2
    else:
        agent.recovery -= 1 if agent.asleep else 2
    if agent.recovery > rule("needs", "heal"):
        agent.recovery, agent.health = 0, min(rule("needs", "most"), agent.health + 1)
    if agent.recovery < -rule("needs", "harm"):
        agent.recovery = 0
        turn.wound(i, 1, "needs")


# 9. Deaths ---------------------------------------------------------------------------------------------------


def deaths(turn: Turn) -> None:
    """Let agents without health fall, and give up bodies that nobody revives."""
    state = turn.state
    fallen = [i for i in state.alive if state.agents[i].health == 0]
    for i in fallen:
        turn.tell("death", [i], cause=turn.causes[i])
        state.agents[i].status, state.agents[i].down_since = "down", state.step + 1
    enough = len(state.alive) >= rule("revive", "agents")
    for i, agent in enumerate(state.agents):
        hopeless = i in fallen and (turn.causes[i] == "lava" or not state.mode["revive"])
        too_late = state.step + 1 - agent.down_since >= rule("revive", "within")
        if agent.status == "down" and (hopeless or too_late or not enough):
            agent.status = "gone"


def check(state: State) -> None:
    """Assert what holds in every state.

    Raises:
        AssertionError: It does not.
    """
    held = [state.agents[i].cell for i in state.alive] + [c.cell for c in state.creatures if c is not None]
    assert len(held) == len(set(held)), "two on one cell"
    assert all(material(state, cell) != OUTSIDE for cell in held), "outside the map"
    assert state.planted.keys() == {cell for cell, name in state.materials.items() if name == "plant"}
    for agent in state.agents:
        assert all(0 <= amount <= state.preset["bag_limit"] for amount in agent.bag.values())
        assert all(0 <= v <= rule("needs", "most") for v in (agent.health, agent.food, agent.drink, agent.energy))
