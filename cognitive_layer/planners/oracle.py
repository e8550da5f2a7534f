"""The oracle: one central scheduler with full knowledge, the upper reference of every score.

It is the best of a few schedules, each tried out in a clone of the world before the episode begins. It is a strong
reference, not a proven upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.budgets import Budgets
from emcoop.cognitive_layer.channel import Channel, ChannelSettings, channel_streams
from emcoop.cognitive_layer.loop import Loop
from emcoop.cognitive_layer.plan import RESUME, ActionCall, Decision, Plan, PlanningContext, Privileged, SeatSetup
from emcoop.cognitive_layer.planners.allocation import FOR_ALL, Priority, allocate, open_tasks
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.stages import I
from emcoop.cognitive_layer.topologies import make_topology
from emcoop.envs.embodiment import NO_TASK, Embodiment
from emcoop.errors import ConfigError, unknown_name
from emcoop.rng import generator


class Schedule(NamedTuple):
    """One way to schedule a team.

    Attributes:
        priority: Order in which tasks are given out.
        brief: Whether agents without a task are asked again at every step, or on common steps.
        most: Tasks that may be in progress at once: fewer groups get less in each other's way.
        gather: Whether agents left over gather at a task that lacks hands, or stay free for the next.
    """

    priority: Priority
    brief: bool
    most: int
    gather: bool = True


_PRIORITIES = (FOR_ALL, Priority(0.0, 2.0, 1.0), Priority(1.0, 1.0, 1.0))
CANDIDATES = tuple(
    Schedule(priority, brief, most) for most in (1024, 3, 4, 5) for brief in (True, False) for priority in _PRIORITIES
) + tuple(Schedule(priority, True, most, False) for most in (1024, 2, 1) for priority in _PRIORITIES)
"""Schedules that are tried out, as many as the budget allows."""

TRIAL_BUDGET = 200_000
"""Simulated agent-steps spent on choosing; counted, so that the choice does not depend on the machine."""


MODES = ("team", "alone", "single")


class OraclePlanner:
    """Follows the best of a few central schedules, chosen by trying them out in a clone of the world.

    Args:
        mode: `team`; `alone`: every agent sees the whole world but schedules itself only, knowing nothing of the
            others' plans; `single`: agent 0 does so, and the others stand still. The last two are the references for
            what agreement, and what a team at all, is worth.
    """

    immediate = True

    def __init__(self, mode: str = "team") -> None:
        if mode not in MODES:
            raise unknown_name("mode of the oracle", mode, MODES)
        self._mode = mode

    def reset(self, setup: SeatSetup) -> None:
        """Take the privileged handle.

        Raises:
            ConfigError: The seat has none.
        """
        if setup.privileged is None:
            raise ConfigError("the oracle needs privileged knowledge, which this seat does not get")
        self._me = setup.seat
        self._privileged = setup.privileged
        if self._mode != "team":
            me, shared = setup.seat, {"schedule": CANDIDATES[0]}
            self._privileged = Privileged(setup.privileged.embodiment, lambda: [me], shared)

    async def decide(self, context: PlanningContext) -> Decision:
        """Take this seat's part of the schedule."""
        if context.stage is I:
            return Decision(RESUME)
        if self._mode == "single" and self._me > 0:
            return Decision(Plan((ActionCall("wait", {"steps": max(context.steps_left, 1)}),)))
        if "schedule" not in self._privileged.shared:
            self._privileged.shared["schedule"] = best_schedule(self._privileged.embodiment)
        return Decision(scheduled_plan(self._privileged, self._me, self._privileged.shared["schedule"]))


def scheduled_plan(privileged: Privileged, me: int, schedule: Schedule) -> Plan:
    """Return one agent's part of the central schedule, worked out once for all agents that need a plan now."""
    shared, world = privileged.shared, privileged.embodiment
    task_of: dict[int, str] = shared.setdefault("tasks", {})
    view = world.view(me, everything=True)
    if shared.get("step") != view.step or me not in shared["given"]:
        free = privileged.reasoning()
        # Whoever is asked first: with one and the same view the topology's order of speaking changes nothing.
        central = world.view(min(free), everything=True)
        committed: dict[str, int] = {}
        for i, task_id in task_of.items():
            if i not in free and central.task(task_id) is not None:
                committed[task_id] = committed.get(task_id, 0) + 1
        given = allocate(
            open_tasks(central, committed),
            free,
            central.travel,
            committed,
            schedule.priority,
            schedule.most,
            schedule.gather,
        )
        shared["given"] = {i: given.get(i) for i in free}
        shared["step"] = view.step
        for i in free:
            task_of.pop(i, None)
        task_of.update(given)
    task = view.task(shared["given"][me] or NO_TASK)
    if task is None:
        return Plan(view.idle(schedule.brief), reasoning="no task to do")
    return Plan(view.recipe(task.id, task.required), task.id)


class _Follower:
    """Follows one schedule without choosing; used in trials."""

    immediate = True

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def reset(self, setup: SeatSetup) -> None:
        """Take the privileged handle of the trial."""
        assert setup.privileged is not None
        self._me, self._privileged = setup.seat, setup.privileged

    async def decide(self, context: PlanningContext) -> Decision:
        """Take this seat's part of the schedule."""
        return Decision(scheduled_plan(self._privileged, self._me, self._schedule))


def best_schedule(world: Embodiment, candidates: Sequence[Schedule] = CANDIDATES) -> Schedule:
    """Return the schedule that does best in a clone of the world as it is; ties: the first."""
    affordable = max(1, TRIAL_BUDGET // (world.n_agents * world.max_steps))
    tried = candidates[:affordable]
    if len(tried) == 1:
        return tried[0]
    best, most = tried[0], -1.0
    for schedule in tried:
        worth = try_schedule(world.clone(), schedule, most)
        if worth > most:
            best, most = schedule, worth
    return best


def try_schedule(world: Embodiment, schedule: Schedule, least: float = -1.0) -> float:
    """Run one schedule in a world, which is used up, and return how good it is: how far it gets, and how soon.

    That is the mean progress over the steps until the horizon plus the score in the end, in [0, 2].

    Args:
        world: The world.
        schedule: The schedule.
        least: Give up as soon as it can no longer be better than this.
    """
    n = world.n_agents
    topology, _ = make_topology("individual", n)
    seats = [Seat(i, _Follower(schedule)) for i in range(n)]
    shared: dict[str, object] = {}
    privileged = Privileged(world, lambda: [s.index for s in seats if s.stage.value == "R"], shared)
    for seat in seats:
        world.reveal(seat.index)
        names = [str(i) for i in range(n)]
        setup = SeatSetup(seat.index, names, world.concepts, generator(0), "individual", "peer", -1, {}, privileged)
        assert seat.planner is not None
        seat.planner.reset(setup)
    loop = Loop(world, seats, topology, Channel(ChannelSettings(), channel_streams(0)), Budgets(), Recorder(None))
    total = 0.0
    for step in range(world.max_steps):
        loop.settle()
        drive(loop.think())
        outcome = loop.act({})
        progress = world.progress()
        total += progress
        left = world.max_steps - step - 1
        if outcome.terminated or outcome.truncated or progress >= 1.0:
            return (total + left * progress) / world.max_steps + world.scores()[0]
        if (total + left) / world.max_steps + 1.0 <= least:
            break
    return total / world.max_steps
