"""The loop: rounds of thinking until every agent is ready, then one joint step of the world.

EmCoop's multi-agent environment interaction loop (arXiv 2603.00349) as a deterministic state machine: planners are
awaited together, but their decisions take effect in agent order, so the same configuration gives the same episode
whatever the latency and order of the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.answers import check_answer
from emcoop.cognitive_layer.budgets import Budgets
from emcoop.cognitive_layer.channel import Channel
from emcoop.cognitive_layer.grounding import PlanRunner
from emcoop.cognitive_layer.mail import PostOffice
from emcoop.cognitive_layer.plan import (
    ActionCall,
    Decision,
    Message,
    Outcome,
    Plan,
    Planner,
    PlanningContext,
    Resume,
)
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.stages import I, R, Stage, W, X, check_transition
from emcoop.cognitive_layer.topologies import Topology
from emcoop.envs.embodiment import NO_TASK, Embodiment, StepOutcome
from emcoop.errors import EmCoopError, PlannerError
from emcoop.trace import schema

EXTRA_ROUNDS = 4
WAIT_ONE = Plan(calls=(ActionCall("wait", {"steps": 1}),), reasoning="no plan in time")


def is_immediate(planner: Planner | None) -> bool:
    """Say whether a planner promises that its `decide` never waits for anything."""
    return planner is None or bool(getattr(planner, "immediate", False))


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends, without an event loop.

    Raises:
        PlannerError: It did suspend.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise PlannerError("a planner with immediate = True awaited something; drop the flag or do not wait")


class Floor:
    """What the topology looks at to give the floor in one round; see `topologies.Floor`."""

    def __init__(self, seats: Sequence[Seat], now: int) -> None:
        self._seats = seats
        self._now = now
        mine = [seat for seat in seats if seat.planner is not None and seat.stage is R]
        self.reasoning: Sequence[int] = [seat.index for seat in mine if seat.asked is None]
        self.thinking = len(self.reasoning) < len(mine)

    def unread(self, agent: int) -> int:
        """Return how many delivered messages an agent has not handled."""
        return len(self._seats[agent].unread)

    def spoken(self, agent: int) -> int:
        """Return how many decisions an agent has made since it began to reason."""
        return self._seats[agent].spoken

    def waited(self, agent: int) -> int:
        """Return for how many rounds an agent has been reasoning."""
        return self._now - self._seats[agent].reasoning_since


class Loop:
    """One episode in progress.

    Args:
        embodiment: The world, reset.
        seats: One per agent; their planners have been reset.
        topology: Who talks to whom, and when.
        channel: What becomes of messages.
        budgets: Limits.
        recorder: The trace.
        latency: Gives the rounds a decision takes, at least 1, per agent and call.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        seats: Sequence[Seat],
        topology: Topology,
        channel: Channel,
        budgets: Budgets,
        recorder: Recorder,
        latency: Any = None,
    ) -> None:
        self._world = embodiment
        self.seats = seats
        self._topology = topology
        self._budgets = budgets
        self._recorder = recorder
        self._latency = latency
        self.mail = PostOffice(seats, topology, channel, budgets, recorder, embodiment)
        self._most_rounds = budgets.rounds_per_step or topology.rounds(len(seats)) + EXTRA_ROUNDS
        self._rounds_now = 0
        self._next_plan = 0
        self._next_activation = 0
        self._answers: dict[int, tuple[int, int, Decision, list[Message]]] = {}

    # Thinking ----------------------------------------------------------------------------------------------------

    async def think(self) -> None:
        """Hold rounds until every agent is ready and no message is about to arrive, within the budget of rounds."""
        self._rounds_now = 0
        for seat in self.seats:
            seat.begin_step()
        while self._has_to_think():
            if self._rounds_now >= self._most_rounds or not await self._round():
                self._force([seat for seat in self.seats if not seat.is_ready()])
                break
        for seat in self.seats:
            if seat.stage is W:
                self._move(seat, X, "all_ready")
        self._recorder.flush_transitions()

    def _has_to_think(self) -> bool:
        """Say whether another round is needed: for an agent, for a message, or for time to pass for a delayed one."""
        if not all(seat.is_ready() for seat in self.seats):
            return True
        return self.mail.is_due(self._recorder.c + 1) or (self._rounds_now == 0 and self.mail.is_busy())

    async def _round(self) -> bool:
        """Hold one round; say whether anything happened or is still under way."""
        self._recorder.c += 1
        self._rounds_now += 1
        self._count_stages()
        for index in self.mail.deliver():
            seat = self.seats[index]
            if seat.stage in (W, X) and seat.planner is not None:
                self._move(seat, I, "message")
        self._recorder.flush_transitions()
        floor = Floor(self.seats, self._recorder.c)
        called = self._topology.turns(floor) if floor.reasoning else []
        called += [s.index for s in self.seats if s.stage is I and s.asked is None]
        called = self._within_budget(sorted(called))
        await self._ask(called)
        done = [index for index, answer in sorted(self._answers.items()) if answer[0] <= self._recorder.c]
        for index in done:
            _, started, decision, shown = self._answers.pop(index)
            self._commit(self.seats[index], started, decision, shown)
        self._recorder.flush_transitions()
        return bool(called or done or self._answers or self.mail.is_busy() or any(s.stage is R for s in self.seats))

    def _count_stages(self) -> None:
        stages = [seat.stage for seat in self.seats]
        self._recorder.emit(
            schema.Round(
                reason=stages.count(R), wait=stages.count(W), execute=stages.count(X), interrupt=stages.count(I)
            )
        )

    def _within_budget(self, called: list[int]) -> list[int]:
        """Force those whose decisions are used up; return the others."""
        per_step, total = self._budgets.decisions_per_step, self._budgets.decisions_total
        if per_step is None and total is None:
            return called
        spent = [
            seat
            for seat in (self.seats[index] for index in called)
            if (per_step is not None and seat.decisions_now >= per_step)
            or (total is not None and seat.decisions >= total)
        ]
        if spent:
            self._force(spent)
        over = {seat.index for seat in spent}
        return [index for index in called if index not in over]

    async def _ask(self, called: Sequence[int]) -> None:
        """Ask planners for decisions, all at once, and note when each takes effect."""
        contexts = [self._context(self.seats[index]) for index in called]
        answers: list[Any] = [None] * len(called)
        slow = []
        for k, index in enumerate(called):
            if is_immediate(self.seats[index].planner):
                answers[k] = drive(_thought(self.seats[index], contexts[k]))
            else:
                slow.append(k)
        thoughts = [_thought(self.seats[called[k]], contexts[k]) for k in slow]
        for k, answer in zip(slow, await asyncio.gather(*thoughts, return_exceptions=True) if thoughts else ()):
            if isinstance(answer, BaseException):
                raise answer  # the first in agent order, whoever failed first in time
            answers[k] = answer
        now = self._recorder.c
        for index, context, answer in zip(called, contexts, answers):
            seat = self.seats[index]
            check_answer(index, seat.stage, answer)
            seat.asked = now
            seat.decisions += 1
            seat.decisions_now += 1
            takes = 1 if self._latency is None else self._latency(index, seat.decisions)
            self._answers[index] = (now + takes - 1, now, answer, list(context.unread))

    def _context(self, seat: Seat) -> PlanningContext:
        runner = seat.runner if seat.stage is I else None
        return PlanningContext(
            stage=seat.stage,
            step=self._recorder.t,
            steps_left=self._world.max_steps - self._recorder.t,
            rounds_left=self._most_rounds - self._rounds_now,
            waited=self._recorder.c - seat.reasoning_since,
            view=self._world.view(seat.index),
            unread=(*seat.kept, *seat.unread),
            plan=None if runner is None else runner.plan,
            call=0 if runner is None else runner.call,
            last=seat.last,
            reachable=tuple(self._topology.reachable(seat.index)),
            memory=seat.memory,
        )

    def _commit(self, seat: Seat, started: int, decision: Decision, shown: list[Message]) -> None:
        """Let a decision take effect."""
        activation = self._next_activation
        self._next_activation += 1
        seat.asked = None
        seat.spoken += 1
        sent = self.mail.handle(seat, shown, decision.reactions, activation)
        sent += self.mail.send(seat, decision.messages)
        plan = decision.plan
        outcome = "listen" if plan is None else "resume" if isinstance(plan, Resume) else "plan"
        self._recorder.emit(
            schema.Activation(id=activation, agent=seat.index, started=started, outcome=outcome, messages=sent)
        )
        if isinstance(plan, Plan):
            self._install(seat, plan, "replan" if seat.stage is I else "commit")
        elif seat.stage is I:
            self._move(seat, W, "resume")
        if seat.stage is W and seat.unread:
            self._move(seat, I, "message")

    def _install(self, seat: Seat, plan: Plan, cause: str) -> None:
        """Put a plan in force in place of the one before."""
        if seat.runner is not None and seat.runner.ended is None:
            self._end_plan(seat, "superseded")
            for point, holders, _ in self._world.meetings.waiting():
                if seat.index in holders:
                    self._world.meetings.leave(point, seat.index)
        plan_id = self._next_plan
        self._next_plan += 1
        self._recorder.plan_commit(seat.index, plan_id, plan)
        seat.runner = PlanRunner(self._world, seat.index, plan, plan_id, self._recorder.call)
        self._move(seat, W, cause)

    def _force(self, seats: Sequence[Seat]) -> None:
        """Make agents ready whose budget is used up: with the plan they have, else by waiting a step."""
        if not seats:
            return
        self._recorder.emit(schema.Monitor(monitor="budget", agents=[seat.index for seat in seats]))
        for seat in seats:
            self._answers.pop(seat.index, None)
            seat.asked = None
            seat.kept, seat.unread = [*seat.kept, *seat.unread], []
            activation = self._next_activation
            self._next_activation += 1
            self._recorder.emit(
                schema.Activation(id=activation, agent=seat.index, started=self._recorder.c, outcome="forced")
            )
            if seat.stage is R:
                self._install(seat, WAIT_ONE, "forced")
            elif seat.stage is I:
                self._move(seat, W, "forced")
        self._recorder.flush_transitions()

    def _move(self, seat: Seat, after: Stage, cause: str) -> None:
        check_transition(seat.index, seat.stage, after)
        self._recorder.transition(seat.index, seat.stage, after, cause)
        seat.stage = after
        if after is R:
            seat.reasoning_since, seat.spoken = self._recorder.c + 1, 0

    # Acting ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring every plan up to the state as it is; agents whose plan has ended reason again."""
        self._world.meetings.begin_step()
        self._advance([seat for seat in self.seats if seat.stage is X])
        for seat in self.seats:
            if seat.stage is X and seat.runner is not None and seat.runner.ended is not None:
                self._end_plan(seat, seat.runner.ended)
                self._move(seat, R, "done" if seat.runner.ended == "done" else "failed")
        self._recorder.flush_transitions()

    def _advance(self, seats: Sequence[Seat]) -> None:
        """Advance plans; whoever is released from a meeting goes on in this same step."""
        for seat in seats:
            if seat.runner is not None:
                seat.runner.advance()
        while released := self._world.meetings.release():
            for index in released:
                runner = self.seats[index].runner
                if runner is not None:
                    runner.advance()

    def _end_plan(self, seat: Seat, reason: str) -> None:
        runner = seat.runner
        assert runner is not None
        self._recorder.plan_end(seat.index, runner.plan_id, reason, runner.call)
        detail = {} if runner.failure is None else dict(runner.failure.detail)
        seat.last = Outcome(self._recorder.t, runner.plan.task, runner.current, reason, detail)

    def act(self, played: Mapping[int, int]) -> StepOutcome:
        """Take one joint step.

        Args:
            played: Primitives of the seats that are played from outside.

        Returns:
            What the step did.
        """
        self._advance([seat for seat in self.seats if seat.runner is not None and not seat.runner.has_begun])
        actions = [
            played[seat.index] if seat.planner is None else seat.runner.act() if seat.runner else self._world.noop
            for seat in self.seats
        ]
        self._recorder.flush_calls(self._world.meetings.waiting())
        committed = [NO_TASK if seat.runner is None else seat.runner.task() for seat in self.seats]
        counts = self._world.count(actions, committed)
        outcome = self._world.step(actions)
        self._recorder.constraint(counts, outcome.achieved)
        self._recorder.t += 1
        self._recorder.world(outcome)
        self._record_step(actions, outcome)
        return outcome

    def record_start(self, outcome: StepOutcome) -> None:
        """Write the initial state: positions, objects and step 0."""
        self._recorder.world(outcome)
        self._record_step([], outcome)

    def _record_step(self, actions: Sequence[int], outcome: StepOutcome) -> None:
        self._recorder.emit(
            schema.Step(
                actions=list(actions),
                reward=outcome.reward,
                state_hash=self._world.state_hash(),
                configuration_hash=self._world.configuration_hash(),
                progress=self._world.progress(),
                events=outcome.events,
            )
        )

    def finish(self) -> dict[str, int]:
        """End all plans, close the books and return the counters."""
        for seat in self.seats:
            if seat.runner is not None and seat.runner.ended is None:
                self._end_plan(seat, "episode_end")
        counters = self.mail.close()
        counters["decisions"] = sum(seat.decisions for seat in self.seats)
        counters["rounds"] = self._recorder.c
        return counters


async def _thought(seat: Seat, context: PlanningContext) -> Any:
    """Ask a planner; whatever it raises becomes a `PlannerError`, unless it says more itself."""
    assert seat.planner is not None
    who = f"the planner of agent {seat.index}"
    try:
        thought: object = seat.planner.decide(context)
        if not isinstance(thought, Awaitable):
            raise PlannerError(f"{who} has a decide that returns {type(thought).__name__}; make it `async def`")
        return await thought
    except (EmCoopError, MemoryError):
        raise
    except Exception as error:
        raise PlannerError(f"{who} raised {type(error).__name__}: {error}") from error
