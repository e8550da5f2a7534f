"""Repair: what monitors object to before a step is told to the agents concerned, once, and then looked at again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from emcoop.cognitive_layer.monitors.contract import Committed, Monitor, Objection
from emcoop.cognitive_layer.plan import Fact, Notice
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.seat import Seat
from emcoop.envs.embodiment import Embodiment
from emcoop.trace import schema

REPAIR_ROUNDS = 3
"""Rounds of thinking a repair may take: think again, hear what the others changed, settle."""


class RepairDesk:
    """Holds the monitors of an episode and what they objected to.

    Args:
        monitors: The monitors, in order.
        world: The world.
        recorder: The trace.
    """

    def __init__(self, monitors: Sequence[Monitor], world: Embodiment, recorder: Recorder) -> None:
        self._monitors = monitors
        self._world = world
        self._recorder = recorder
        self._quiet_until: dict[tuple[int, str], int] = {}

    def object(self, seats: Sequence[Seat]) -> list[tuple[int, Objection]]:
        """Ask every monitor, leaving out tasks that are to be left alone for now; tell the seats what was found.

        Returns:
            `(monitor, objection)` for all that is new.
        """
        plans = committed_plans(seats)
        raised = []
        for k, monitor in enumerate(self._monitors):
            for found in monitor.check(self._world, self._recorder.t, plans):
                able = tuple(agent for agent in found.tell if seats[agent].may_decide)
                objection = msgspec.structs.replace(found, tell=able)
                if self._recorder.t >= self._quiet_until.get((k, objection.task), 0) and objection.tell:
                    self._quiet_until[k, objection.task] = self._recorder.t + monitor.cooldown
                    raised.append((k, objection))
        for k, objection in raised:
            self._record(k, objection, "objection")
            self._tell(seats, self._monitors[k].name, objection)
        return raised

    def judge(self, seats: Sequence[Seat], raised: Sequence[tuple[int, Objection]]) -> None:
        """Look again after the repair and record which of the objections still stand."""
        plans = committed_plans(seats)
        for k in sorted({k for k, _ in raised}):
            standing = {objection.task for objection in self._monitors[k].check(self._world, self._recorder.t, plans)}
            for _, objection in (entry for entry in raised if entry[0] == k):
                self._record(k, objection, "unsolved" if objection.task in standing else "solved")

    def _tell(self, seats: Sequence[Seat], name: str, said: Objection) -> None:
        facts = {key: Fact(value, self._recorder.t) for key, value in said.facts.items()}
        self._world.learn(said.tell, facts)
        notice = Notice(name, said.task, said.constraint, said.have, said.need, said.who, said.when, said.groups, facts)
        for agent in said.tell:
            seats[agent].notices.append(notice)

    def _record(self, k: int, said: Objection, event: str) -> None:
        self._recorder.emit(
            schema.Monitor(
                monitor=self._monitors[k].name,
                agents=list(said.tell),
                event=event,
                task=said.task,
                constraint=said.constraint,
                have=said.have,
                need=said.need,
                who=list(said.who),
                when=said.when,
            )
        )


def committed_plans(seats: Sequence[Seat]) -> list[Committed]:
    """Return the plans in force, in agent order."""
    return [
        Committed(
            agent=seat.index,
            plan=seat.runner.plan,
            call=seat.runner.call,
            task=seat.runner.task(),
            since=seat.runner.since,
            id=seat.runner.plan_id,
            movable=seat.may_decide,
        )
        for seat in seats
        if seat.runner is not None and seat.runner.ended is None
    ]
