"""The feasibility monitor: will the group that is committed to a task be able to do it? (EmCoop's repair)

Plans are grouped by task. A group that is too small, or whose plans end in an imagined world before the task is done,
fails. Its agents are told if they could do something better, as far as they know together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emcoop.cognitive_layer.monitors.contract import Committed, Objection
from emcoop.cognitive_layer.monitors.rollout import foresee
from emcoop.cognitive_layer.monitors.ways_out import Failing, WayOut, find_way_out
from emcoop.envs.embodiment import NO_TASK, Embodiment, TaskCount
from emcoop.errors import ConfigError
from emcoop.rng import derive_seed

LOOK_AGAIN = 5
"""Steps after which groups that could do nothing better are looked at again though no plan has changed."""

Stamp = tuple[tuple[int, int], ...]
"""Who is in a group by which plan."""


class Feasibility:
    """Objects to tasks that will fail as planned, if those committed to them could do better.

    Args:
        horizon: Environment steps to look ahead.
        cooldown: Environment steps for which a task is left alone after an objection.

    Raises:
        ConfigError: A value does not fit.
    """

    name = "feasibility"
    privileged = False

    def __init__(self, horizon: int = 80, cooldown: int = 20) -> None:
        for name, value in (("horizon", horizon), ("cooldown", cooldown)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000:
                raise ConfigError(f"{name}={value!r} does not fit: give a number of steps from 1 to 10000")
        self.cooldown = cooldown
        self._horizon = horizon
        self._forget()

    def _forget(self) -> None:
        """Begin an episode."""
        self._step = -1
        self._judged: dict[str, tuple[Stamp, Failing | None, int]] = {}
        self._told: dict[str, int] = {}
        self._at_rest: tuple[frozenset[Stamp], int] = (frozenset(), 0)

    def check(self, world: Embodiment, step: int, plans: Sequence[Committed]) -> list[Objection]:
        """Return the tasks that will fail as planned and need not; see `Monitor.check`."""
        if step < self._step:
            self._forget()
        self._step = step
        groups = group_by_task(world, plans)
        self._judged = {task: judged for task, judged in self._judged.items() if task in groups}
        judged = [self._judge(world, step, task, group, plans) for task, group in groups.items()]
        failing = {failure.task: failure for failure in judged if failure is not None}
        stamps = frozenset(stamp(groups[task]) for task in failing)
        if not failing or (stamps == self._at_rest[0] and step < self._at_rest[1]):
            return []

        def imagine(agents: Sequence[int]) -> Embodiment:
            return self._imagine(world, step, agents)

        healthy = {task: group for task, group in groups.items() if task not in failing}
        spare = [agent for task, group in healthy.items() for agent in self._spare(world, task, group)]
        way_out = find_way_out(world.max_steps - step, groups, failing, spare, plans, self._horizon, imagine)
        if not way_out.told:
            self._at_rest = stamps, step + (way_out.help_in or LOOK_AGAIN)
        self._told.update(dict.fromkeys(way_out.told, step))
        return objections(groups, failing, way_out)

    def _imagine(self, world: Embodiment, step: int, agents: Sequence[int]) -> Embodiment:
        salt = derive_seed(step, "feasibility", *agents)
        return world.imagine(None if self.privileged else agents, salt)

    def _judge(
        self, world: Embodiment, step: int, task: str, group: Sequence[Committed], plans: Sequence[Committed]
    ) -> Failing | None:
        """Say why a group fails, None if it does not; plans that have not changed are not rolled forward again."""
        mark = stamp(group)
        before, failure, need = self._judged.get(task, ((), None, 0))
        if before != mark or (failure is not None and failure.constraint == "participation"):
            failure, need = self._foresee(world, step, task, group, plans)
            self._judged[task] = mark, failure, need
        left_alone = step - self.cooldown < self._told.get(task, step) < step
        return None if left_alone else failure

    def _foresee(
        self, world: Embodiment, step: int, task: str, group: Sequence[Committed], plans: Sequence[Committed]
    ) -> tuple[Failing | None, int]:
        """Return why a group fails, None if it does not, and how many hands the task takes, 0 if that is not known."""
        agents = [committed.agent for committed in group]
        imagined = self._imagine(world, step, agents)
        count = count_now(imagined, task, plans)
        if count is None:
            return None, 0
        have, need = max(len(group), count.committed), count.required
        if have < need:
            return Failing(task, "participation", have, need, step), need
        # First as if nobody else moved; who stands in the way then may well move on.
        for acting in (group, plans):
            seen = foresee(imagined, acting, set(agents), task, self._horizon)
            if not seen.stalled:
                return None, need
            imagined = self._imagine(world, step, agents)
        if not seen.dependency:
            return Failing(task, "dependency", have, need, step + seen.steps), need
        if seen.in_place < need:
            return Failing(task, "spatial", seen.in_place, need, step + seen.steps), need
        return Failing(task, "temporal", seen.acting, need, step + seen.steps), need

    def _spare(self, world: Embodiment, task: str, group: Sequence[Committed]) -> list[int]:
        """Return the agents a group does not need: those farthest from the task, as far as its first member knows."""
        need = self._judged[task][2]
        if not 0 < need < len(group):
            return []
        agents = [committed.agent for committed in group]
        steps = world.view(agents[0]).travel(task, agents)
        farthest = {agent for _, agent in sorted(zip(steps, agents), reverse=True)[: len(group) - need]}
        return [committed.agent for committed in group if committed.movable and committed.agent in farthest]


class PrivilegedFeasibility(Feasibility):
    """The feasibility monitor that uses the true state instead of what the agents know; see `Feasibility`."""

    name = "feasibility_privileged"
    privileged = True


def objections(
    groups: Mapping[str, Sequence[Committed]], failing: Mapping[str, Failing], way_out: WayOut
) -> list[Objection]:
    """Return what is to be told of groups that could do better."""
    movable = {task: tuple(c.agent for c in groups[task] if c.movable) for task in way_out.told}
    spare = {NO_TASK: way_out.spare} if way_out.spare else {}
    named = {**movable, **dict.fromkeys(way_out.instead, ()), **spare}
    return [
        Objection(
            task=task,
            constraint=failing[task].constraint,
            have=failing[task].have,
            need=failing[task].need,
            who=tuple(c.agent for c in groups[task]),
            tell=tuple(sorted({*way_out.spare, *movable[task]})),
            when=failing[task].when,
            groups=named,
            facts=dict(way_out.facts),
        )
        for task in way_out.told
    ]


def group_by_task(world: Embodiment, plans: Sequence[Committed]) -> dict[str, list[Committed]]:
    """Return the plans by what they serve, in the order of task names.

    A plan serves the task it declares, else that of its current call. One that comes to a task in a later call counts
    there too: its hands are under way.
    """
    groups: dict[str, list[Committed]] = {c.plan.task or c.task: [] for c in plans}
    for committed in plans:
        ahead = {world.task_of(call) for call in committed.plan.calls[committed.call :]}
        for task in {committed.plan.task or committed.task, *ahead} & groups.keys():
            groups[task].append(committed)
    groups.pop(NO_TASK, None)
    return dict(sorted(groups.items()))


def stamp(group: Sequence[Committed]) -> Stamp:
    """Return who is in a group by which plan."""
    return tuple((committed.agent, committed.id) for committed in group)


def count_now(world: Embodiment, task: str, plans: Sequence[Committed]) -> TaskCount | None:
    """Return the constraint counts of a task while nobody acts, None if it is no task that constraints count."""
    tasks = [NO_TASK] * world.n_agents
    for committed in plans:
        tasks[committed.agent] = committed.plan.task or committed.task
    return next((count for count in world.count([world.noop] * world.n_agents, tasks) if count.task == task), None)
