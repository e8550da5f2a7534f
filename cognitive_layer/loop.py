"""The loop: rounds of thinking until every agent is ready, then one joint step of the world.

EmCoop's multi-agent environment interaction loop (arXiv 2603.00349) as a deterministic state machine: planners are
awaited together, but their decisions take effect in agent order, so the same configuration gives the same episode
whatever the latency and order of the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from emcoop.cognitive_layer.asking import ask
from emcoop.cognitive_layer.budgets import Budgets
from emcoop.cognitive_layer.channel import Channel
from emcoop.cognitive_layer.floor import Floor
from emcoop.cognitive_layer.grounding import PlanRunner
from emcoop.cognitive_layer.injection import Faults
from emcoop.cognitive_layer.latency import Latency, tokens_of
from emcoop.cognitive_layer.mail import PostOffice
from emcoop.cognitive_layer.monitors.contract import Monitor
from emcoop.cognitive_layer.plan import ActionCall, Decision, Outcome, Plan, PlanningContext
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.repair import REPAIR_ROUNDS, RepairDesk
from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.stages import I, R, Stage, W, X, check_transition
from emcoop.cognitive_layer.topologies import Topology
from emcoop.envs.embodiment import NO_TASK, Embodiment, StepOutcome
from emcoop.trace import schema

EXTRA_ROUNDS = 4
WAIT_ONE = Plan(calls=(ActionCall("wait", {"steps": 1}),), reasoning="no plan in time")


class Loop:
    """One episode in progress.

    Args:
        embodiment: The world, reset.
        seats: One per agent; their planners have been reset.
        topology: Who talks to whom, and when.
        channel: What becomes of messages.
        budgets: Limits.
        recorder: The trace.
        latency: How long decisions take; None = one round each.
        monitors: They look at committed plans before each step.
        regroup: Whether the end of one plan makes the whole team reason again.
        faults: What goes wrong on purpose.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        seats: Sequence[Seat],
        topology: Topology,
        channel: Channel,
        budgets: Budgets,
        recorder: Recorder,
        latency: Latency | None = None,
        monitors: Sequence[Monitor] = (),
        regroup: bool = False,
        faults: Faults | None = None,
    ) -> None:
        self._world = embodiment
        self.seats = seats
        self._topology = topology
        self._budgets = budgets
        self._recorder = recorder
        self._latency = latency
        self._faults = faults
        self._stopped: list[Seat] = []
        self._blind: set[int] = set()
        self.mail = PostOffice(seats, topology, channel, budgets, recorder, embodiment, lambda: self._cells, faults)
        self._most_rounds = budgets.rounds_per_step or topology.rounds(len(seats)) + EXTRA_ROUNDS
        self._rounds_now, self._rounds_allowed = 0, self._most_rounds
        self._repairs = RepairDesk(monitors, embodiment, recorder) if monitors else None
        self._regroup = regroup
        self._move_topology = getattr(topology, "move", None)
        self._cells: list[list[int]] = [[0, 0] for _ in seats]
        self._seen: Mapping[str, Any] = {}
        self._names = tuple(embodiment.env.possible_agents)
        self.counters: Counter[str] = Counter()
        self._next_plan = 0
        self._next_activation = 0
        self._answers: dict[int, tuple[int, int, Decision, PlanningContext]] = {}

    # Thinking ----------------------------------------------------------------------------------------------------

    async def think(self) -> None:
        """Hold rounds until every agent is ready and no message is about to arrive, within the budget of rounds.

        Then monitors look at the plans, and those they object to are thought over once more.
        """
        self._rounds_now, self._rounds_allowed = 0, self._most_rounds
        for seat in self.seats:
            seat.begin_step()
        if self._move_topology is not None:
            self._move_topology(self._cells)
        for seat in self.seats:
            if seat.outbox:
                self.mail.send(seat, seat.outbox)
                seat.outbox = []
        await self._until_ready()
        if self._repairs is not None:
            await self._repair(self._repairs)
        for seat in self.seats:
            if seat.stage is W:
                self._move(seat, X, "all_ready")
        self._recorder.flush_transitions()

    async def _repair(self, desk: RepairDesk) -> None:
        """Let monitors look at the plans; those they speak to think again, once, and then they look again."""
        for seat in self.seats:
            seat.may_decide = seat.thinks and not self._is_spent(seat)
        raised = desk.object(self.seats)
        if not raised:
            return
        self._rounds_allowed = self._rounds_now + REPAIR_ROUNDS
        for seat in self.seats:
            if seat.notices:
                self._move(seat, I, "notice")
        self._recorder.flush_transitions()
        await self._until_ready()
        desk.judge(self.seats, raised)

    async def _until_ready(self) -> None:
        while self._has_to_think():
            if self._rounds_now >= self._rounds_allowed or not await self._round():
                self._force([seat for seat in self.seats if not seat.is_ready()])
                break

    def _has_to_think(self) -> bool:
        """Say whether another round is needed: for an agent, for a message, or for time to pass for a delayed one."""
        if self._stopped or not all(seat.is_ready() for seat in self.seats):
            return True
        return self.mail.is_due(self._recorder.c + 1) or (self._rounds_now == 0 and self.mail.is_busy())

    async def _round(self) -> bool:
        """Hold one round; say whether anything happened or is still under way."""
        self._recorder.c += 1
        self._rounds_now += 1
        self._count_stages()
        for index in self.mail.deliver():
            self._interrupt(self.seats[index])
        self._give_up_on_stopped()
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

    def _interrupt(self, seat: Seat) -> None:
        """Let a seat that has a plan see to its mail."""
        if seat.stage in (W, X) and seat.thinks:
            self._move(seat, I, "message")

    def _count_stages(self) -> None:
        stages = [seat.stage for seat in self.seats]
        self._recorder.emit(
            schema.Round(
                reason=stages.count(R), wait=stages.count(W), execute=stages.count(X), interrupt=stages.count(I)
            )
        )

    def _within_budget(self, called: list[int]) -> list[int]:
        """Force those whose decisions are used up; return the others."""
        spent = [index for index in called if self._is_spent(self.seats[index])]
        if not spent:
            return called
        self._force([self.seats[index] for index in spent])
        return [index for index in called if index not in spent]

    def _is_spent(self, seat: Seat) -> bool:
        """Say whether a seat has used up its decisions or its tokens."""
        b = self._budgets
        return (
            (b.decisions_per_step is not None and seat.decisions_now >= b.decisions_per_step)
            or (b.decisions_total is not None and seat.decisions >= b.decisions_total)
            or (b.tokens_total is not None and seat.tokens >= b.tokens_total)
        )

    async def _ask(self, called: Sequence[int]) -> None:
        """Ask planners for decisions, all at once, and note when each takes effect."""
        seats = [self.seats[index] for index in called]
        contexts = [self._context(seat) for seat in seats]
        now = self._recorder.c
        for seat, context, answer in zip(seats, contexts, await ask(seats, contexts)):
            seat.asked = now
            seat.decisions += 1
            seat.decisions_now += 1
            seat.tokens += tokens_of(answer)
            takes = 1 if self._latency is None else self._latency.rounds(answer)
            self._answers[seat.index] = (now + takes - 1, now, answer, context)

    def _context(self, seat: Seat) -> PlanningContext:
        runner = seat.runner if seat.stage is I else None
        observed = self._seen.get(self._names[seat.index]) if getattr(seat.planner, "observes", False) else None
        return PlanningContext(
            stage=seat.stage,
            step=self._recorder.t,
            steps_left=self._world.max_steps - self._recorder.t,
            rounds_left=self._rounds_allowed - self._rounds_now,
            waited=self._recorder.c - seat.reasoning_since,
            view=self._world.view(seat.index),
            unread=(*seat.kept, *seat.unread),
            plan=None if runner is None else runner.plan,
            call=0 if runner is None else runner.call,
            last=seat.last,
            reachable=tuple(self._topology.reachable(seat.index)),
            memory=seat.memory,
            notices=tuple(seat.notices),
            observation=deepcopy(observed),
        )

    def _commit(self, seat: Seat, started: int, decision: Decision, context: PlanningContext) -> None:
        """Let a decision take effect."""
        activation = self._next_activation
        self._next_activation += 1
        seat.asked = None
        seat.spoken += 1
        seat.notices = seat.notices[len(context.notices) :]
        sent = self.mail.handle(seat, context.unread, decision.reactions, activation)
        sent += self.mail.send(seat, decision.messages)
        plan = decision.plan
        pause = 0 if self._latency is None else self._latency.steps(decision)
        seat.pause += pause
        repair = self._charge(decision, context)
        self._recorder.decision(activation, seat.index, started, decision, sent, pause, repair)
        if isinstance(plan, Plan):
            self._install(seat, plan, "replan" if seat.stage is I else "commit")
        elif seat.stage is I:
            self._move(seat, W, "resume")
        if seat.stage is W and seat.unread:
            self._move(seat, I, "message")

    def _charge(self, decision: Decision, context: PlanningContext) -> bool:
        """Count what a decision took; say whether it was asked for by a monitor."""
        repair = bool(context.notices)
        tokens = tokens_of(decision)
        self.counters.update(model_calls=len(decision.calls), tokens=tokens)
        self.counters.update(repair_decisions=int(repair), repair_tokens=tokens if repair else 0)
        return repair

    def _install(self, seat: Seat, plan: Plan, cause: str) -> None:
        """Put a plan in force in place of the one before."""
        self._drop_plan(seat)
        plan_id = self._next_plan
        self._next_plan += 1
        self._recorder.plan_commit(seat.index, plan_id, plan)
        seat.runner = PlanRunner(self._world, seat.index, plan, plan_id, self._recorder.t, self._recorder.call)
        self._move(seat, W, cause)

    def _drop_plan(self, seat: Seat) -> None:
        """End a plan in force before its time, and its part in any meeting."""
        if seat.runner is None or seat.runner.ended is not None:
            return
        self._end_plan(seat, "superseded")
        seat.runner.ended = "superseded"
        for point, holders, _ in self._world.meetings.waiting():
            if seat.index in holders:
                self._world.meetings.leave(point, seat.index)

    def _force(self, seats: Sequence[Seat]) -> None:
        """Make agents ready whose budget is used up: with the plan they have, else by waiting a step."""
        if not seats:
            return
        self._recorder.emit(schema.Monitor(monitor="budget", agents=[seat.index for seat in seats]))
        for seat in seats:
            _, _, late, shown = self._answers.pop(seat.index, (0, 0, None, None))
            repair = late is not None and shown is not None and self._charge(late, shown)
            seat.asked = None
            seat.notices.clear()
            seat.kept, seat.unread = [*seat.kept, *seat.unread], []
            activation = self._next_activation
            self._next_activation += 1
            self._recorder.forced(activation, seat.index, late, repair)
            if seat.stage is R:
                self._install(seat, WAIT_ONE, "forced")
            elif seat.stage is I:
                self._move(seat, W, "forced")
        self._recorder.flush_transitions()

    def _give_up_on_stopped(self) -> None:
        """Go on without those that stopped with this step: nothing came from them, and who has no plan waits."""
        for seat in self._stopped:
            self._recorder.forced(self._next_activation, seat.index, None, False)
            self._next_activation += 1
            if seat.stage is R:
                self._install(seat, WAIT_ONE, "forced")
        self._stopped = []

    def _move(self, seat: Seat, after: Stage, cause: str) -> None:
        check_transition(seat.index, seat.stage, after)
        self._recorder.transition(seat.index, seat.stage, after, cause)
        seat.stage = after
        if after is R:
            seat.reasoning_since, seat.spoken = self._recorder.c + 1, 0

    # Acting ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring every plan up to the state as it is; agents whose plan has ended reason again."""
        woken = [] if self._faults is None else self._stand_still(self._faults)
        self._world.meetings.begin_step()
        self._advance([seat for seat in self.seats if seat.stage is X and not seat.pause and not seat.is_still])
        going = [s for s in self.seats if s.stage is X and s.runner is not None and not s.is_still]
        ended = [s for s in going if s.runner is not None and s.runner.ended is not None]
        for seat in ended:
            assert seat.runner is not None
            assert seat.runner.ended is not None
            self._end_plan(seat, seat.runner.ended)
            self._move(seat, R, "done" if seat.runner.ended == "done" else "failed")
        if self._regroup and ended:
            for seat in self.seats:
                if seat.stage is X and seat.thinks:
                    self._drop_plan(seat)
                    self._move(seat, R, "regroup")
        for seat in woken:
            if seat.unread:
                self._interrupt(seat)
        self._recorder.flush_transitions()

    def _stand_still(self, faults: Faults) -> list[Seat]:
        """Stop and wake agents as the faults have it; return those woken up. Their plans go on where they were."""
        faults.announce()
        still, woken = faults.still(), []
        for seat in self.seats:
            before, seat.is_still = seat.is_still, seat.index in still
            if seat.is_still and not before:
                self._stopped.append(seat)
            elif before and not seat.is_still:
                woken.append(seat)
                if seat.runner is not None and seat.runner.plan is WAIT_ONE:
                    seat.runner.ended = seat.runner.ended or "done"
        return woken

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
        thinking = [seat for seat in self.seats if seat.pause and not seat.is_still]
        self._advance(
            [s for s in self.seats if s.runner is not None and not s.runner.has_begun and not s.pause and s.thinks],
        )
        actions = [
            played[seat.index]
            if seat.planner is None
            else seat.runner.act()
            if seat.runner and not seat.pause and not seat.is_still
            else self._world.noop
            for seat in self.seats
        ]
        meant = actions
        if self._faults is not None:
            actions = self._faults.sabotaged(actions)
            self._blindfold(self._faults.blind())
        for seat in thinking:
            seat.pause -= 1
        self._recorder.flush_calls(self._world.meetings.waiting())
        committed = [NO_TASK if seat.runner is None else seat.runner.task() for seat in self.seats]
        counts = self._world.count(actions, committed)
        outcome = self._world.step(actions)
        self._recorder.constraint(counts, outcome.achieved)
        self._recorder.t += 1
        self._look(outcome)
        self._recorder.world(outcome)
        self._record_step(actions, outcome, meant)
        return outcome

    def _look(self, outcome: StepOutcome) -> None:
        """Note what the loop itself needs of a step: where everybody is, and what they see."""
        for agent, cell in zip(outcome.moved, outcome.positions):
            self._cells[agent] = cell
        kept = {self._names[i]: self._seen[self._names[i]] for i in self._blind if self._names[i] in self._seen}
        self._seen = {**outcome.observations, **kept} if kept else outcome.observations

    def _blindfold(self, agents: set[int]) -> None:
        """Let the bodies of these agents, and no others, see nothing of what comes."""
        if agents != self._blind:
            self._blind = agents
            self._world.blindfold(sorted(agents))  # type: ignore[attr-defined]  # optional, see `check_world`

    def record_start(self, outcome: StepOutcome) -> None:
        """Write the initial state: positions, objects and step 0."""
        self._look(outcome)
        self._recorder.world(outcome)
        self._record_step([], outcome, [])

    def _record_step(self, actions: Sequence[int], outcome: StepOutcome, meant: Sequence[int]) -> None:
        intended = [] if meant is actions else [(i, m) for i, (m, did) in enumerate(zip(meant, actions)) if m != did]
        self._recorder.emit(
            schema.Step(
                actions=list(actions),
                reward=outcome.reward,
                state_hash=self._world.state_hash(),
                configuration_hash=self._world.configuration_hash(),
                progress=self._world.progress(),
                events=outcome.events,
                intended=intended,
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
        counters.update({name: count for name, count in sorted(self.counters.items()) if count})
        return counters
