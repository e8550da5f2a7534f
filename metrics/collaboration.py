"""How a team decided, planned and moved."""

from __future__ import annotations

import math
from collections.abc import Iterator

from emcoop.metrics.kinds import agents_in, kind_of
from emcoop.metrics.quantities import agent_steps, mean, ratio, spread, steps_taken
from emcoop.metrics.registry import metric, per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Activation, Capability, Constraint, Plan, Round, Stage, Step

COOP2 = "EmCoop / COOP2, arXiv 2603.00349"
COLLISIONS = ("collision", "cell_race")


@per_trace
def _agent_rounds(trace: Trace) -> int:
    """Return the agent-rounds: every stage entry of the round records, plus one per agent and step executed."""
    thinking = sum(r.reason + r.wait + r.execute + r.interrupt for r in trace.of(Round))
    return thinking + agent_steps(trace)


@metric("D", "agent-rounds in R or I / agent-rounds", (0.0, 1.0), "lower", COOP2)
def decision_overhead(trace: Trace) -> float:
    """Share of agent-rounds spent reasoning or interrupted.

    Agent-rounds are all entries of the `round` records (every agent once per cognitive round, in R, W, X or I) plus
    one per agent for every environment step taken (executing). NaN if there are none.
    """
    return ratio(sum(r.reason + r.interrupt for r in trace.of(Round)), _agent_rounds(trace))


@metric("D_W", "agent-rounds in W / agent-rounds", (0.0, 1.0), "lower", COOP2)
def wait_overhead(trace: Trace) -> float:
    """Share of agent-rounds spent with a plan, waiting for the team.

    Agent-rounds as in `decision_overhead`. NaN if there are none.
    """
    return ratio(sum(r.wait for r in trace.of(Round)), _agent_rounds(trace))


@metric("D_max", "max over agents of rounds in R or I / rounds", (0.0, 1.0), "lower", COOP2)
def decision_overhead_highest(trace: Trace) -> float:
    """Share of its rounds that the busiest thinker of the team spent reasoning or interrupted.

    Rounds as in `decision_overhead`, which is the mean over the agents. NaN if there are none.
    """
    return max(overheads(trace), default=math.nan)


@metric("D_sd", "standard deviation over agents of rounds in R or I / rounds", (0.0, 0.5), "neither", COOP2)
def decision_overhead_spread(trace: Trace) -> float:
    """How unequal the agents' shares of rounds spent reasoning or interrupted are.

    See `decision_overhead_highest`. NaN in a team of one.
    """
    return spread(overheads(trace)) if trace.episode.n_agents > 1 else math.nan


@metric("A/T", "decisions / steps", (0.0, math.inf), "neither", "EmCoop")
def decisions_per_step(trace: Trace) -> float:
    """Decisions of the whole team per environment step.

    Every activation counts, also one that only listened, but not one forced by a budget: nobody decided there. NaN
    without a step.
    """
    decided = sum(activation.outcome != "forced" for activation in trace.of(Activation))
    return ratio(decided, steps_taken(trace))


@metric("I", "entries into I", (0.0, math.inf), "neither", COOP2)
def interruptions(trace: Trace) -> float:
    """Times an agent with a plan was interrupted, by a message or by the notice of a monitor."""
    return float(sum(len(change.agents) for change in trace.of(Stage) if change.after == "I"))


@metric("I_100", "100 * entries into I / agent-steps", (0.0, math.inf), "neither", COOP2)
def interruptions_per_100(trace: Trace) -> float:
    """Interruptions per 100 agent-steps.

    NaN without a step.
    """
    return ratio(100 * interruptions(trace), agent_steps(trace))


@metric("I_resume", "interruptions answered by resume / interruptions", (0.0, 1.0), "neither", COOP2)
def resumption_rate(trace: Trace) -> float:
    """Share of interruptions after which the agent went on with its plan.

    NaN without an interruption. With `replanning_rate` it adds up to 1 unless an interruption was forced to an end or
    still open when the episode ended.
    """
    return ratio(_answers(trace, "resume"), interruptions(trace))


@metric("I_replan", "interruptions answered by a new plan / interruptions", (0.0, 1.0), "neither", COOP2)
def replanning_rate(trace: Trace) -> float:
    """Share of interruptions after which the agent replaced its plan.

    NaN without an interruption.
    """
    return ratio(_answers(trace, "replan"), interruptions(trace))


@metric("I_forced", "interruptions ended by a budget / interruptions", (0.0, 1.0), "lower", "EmCoop")
def forced_rate(trace: Trace) -> float:
    """Share of interruptions that a budget put an end to, so that the agent went on with its plan undecided.

    NaN without an interruption.
    """
    return ratio(_answers(trace, "forced"), interruptions(trace))


@metric("PS", "1 - plans superseded or failed / plans ended", (0.0, 1.0), "higher", COOP2)
def plan_stability(trace: Trace) -> float:
    """Share of ended plans that ended neither by an interruption nor by a failure.

    A plan that the end of the episode cut off does not count. NaN if no plan ended.
    """
    reasons = [plan.reason for plan in trace.of(Plan) if plan.event == "end" and plan.reason != "episode_end"]
    lost = sum(reason == "superseded" or reason.startswith("failed") for reason in reasons)
    return 1 - ratio(lost, len(reasons))


@metric("PC", "steps whose largest plan group meets its quorum / steps with a plan", (0.0, 1.0), "higher", COOP2)
def plan_coherence(trace: Trace) -> float:
    """Share of steps in which the task that most agents planned has enough of them.

    Only declared commitments count, not those inferred from a primitive. Among tasks with equally many agents one
    that meets its quorum is enough. Steps without any declared commitment are left out; NaN if none is left.
    """
    return mean([met for met, _ in _largest_groups(trace)])


@metric("PC_pub", "mean over steps of (agents with the most frequent target) / n", (0.0, 1.0), "higher", COOP2)
def plan_coherence_published(trace: Trace) -> float:
    """Share of agents with the same target, averaged over the steps with any declared commitment.

    This is the published form of plan coherence: it rewards everybody choosing the same task, needed or not. NaN
    if no step has a declared commitment.
    """
    return ratio(mean([largest for _, largest in _largest_groups(trace)]), trace.episode.n_agents)


@metric("CG", "100 * sum of positive changes / (n * T)", (0.0, math.inf), "higher", COOP2)
def capability_gain(trace: Trace) -> float:
    """Items and tools gained per agent and 100 steps.

    Adds up the `capability` records with a positive change; what was used up or given away is not taken off. NaN if
    the episode has no `capability` record at all (a world without items) or no step.
    """
    records = trace.of(Capability)
    if not records:
        return math.nan
    return ratio(100 * sum(max(record.delta, 0) for record in records), agent_steps(trace))


@metric("CL", "100 * sum of negative changes, without their sign / (n * T)", (0.0, math.inf), "neither", COOP2)
def capability_loss(trace: Trace) -> float:
    """Items and tools used up or given away per agent and 100 steps.

    The other side of `capability_gain`: what is crafted or placed costs something, and what is shared is one agent's
    loss and another's gain. NaN as there.
    """
    records = trace.of(Capability)
    if not records:
        return math.nan
    return ratio(100 * sum(max(-record.delta, 0) for record in records), agent_steps(trace))


@metric("X_100", "100 * agent-steps with a collision or cell race / agent-steps", (0.0, 100.0), "lower", "EmCoop")
def collisions_per_100(trace: Trace) -> float:
    """Agent-steps in which an agent ran into something or raced for a cell, per 100 agent-steps.

    Counts each agent once per step, from the step events `collision` and `cell_race`; the winner of a race took part
    in it. NaN without a step.
    """
    return ratio(100 * sum(len(_colliding(step)) for step in trace.of(Step) if step.t), agent_steps(trace))


@per_trace
def overheads(trace: Trace) -> list[float]:
    """Return for each agent the share of its rounds spent reasoning or interrupted, empty if there are none.

    Follows the `stage` records from reasoning, where everybody begins; a `round` record counts one round of everybody,
    a step one more, executing.
    """
    n, rounds = trace.episode.n_agents, 0
    thinks, since, spent = [True] * n, [0] * n, [0] * n
    for event in trace.events:
        if type(event) is Round:
            rounds += 1
        elif type(event) is Stage:
            for agent in event.agents:
                spent[agent] += (rounds - since[agent]) if thinks[agent] else 0
                since[agent], thinks[agent] = rounds, event.after in ("R", "I")
    whole = rounds + steps_taken(trace)
    left = (rounds - start if thinking else 0 for start, thinking in zip(since, thinks))
    return [(before + rest) / whole for before, rest in zip(spent, left)] if whole else []


def _answers(trace: Trace, cause: str) -> int:
    changes = trace.of(Stage)
    return sum(len(change.agents) for change in changes if change.before == "I" and change.cause == cause)


def _largest_groups(trace: Trace) -> Iterator[tuple[bool, int]]:
    """Yield for each step with a declared commitment whether a largest group meets its quorum, and its size."""
    for record in trace.of(Constraint):
        declared = [all_ - guessed for all_, guessed in zip(record.committed, record.inferred, strict=True)]
        largest = max(declared, default=0)
        if largest > 0:
            quorums = [p for p, count in zip(record.required, declared, strict=True) if count == largest]
            yield largest >= min(quorums), largest


def _colliding(step: Step) -> set[int]:
    return {agent for event in step.events if kind_of(event) in COLLISIONS for agent in agents_in(event)}
