"""The hub of a topology, who waits for it, and what waits in its mailbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from emcoop.metrics.failures.mail import reach, recipients_of
from emcoop.metrics.quantities import ratio, steps_taken
from emcoop.trace import Trace
from emcoop.trace.schema import Activation, Message, Reaction, Round, Stage, Transport

LONGEST = 1000
"""Rounds of a decision looked at, at most."""
THINKS = ("R", "W", "I")
"""Stages in which an agent is not carrying out its plan."""


def centralisation(degrees: Sequence[int], n: int) -> float:
    """Return Freeman's out-degree centralisation (1978): the formula of the metric `hub_concentration` (Cent).

    Args:
        degrees: How many agents each agent reaches; those left out reach nobody.
        n: Agents in the team.
    """
    return ratio(n * max(degrees, default=0) - sum(degrees), (n - 1) ** 2)


def hub_of(trace: Trace, theta: float) -> int | None:
    """Return the agent that most others may talk with in a topology that hangs on it, None in any other.

    The topology counts, not what was said: a star of n agents has the centralisation (n - 2)/(n - 1). Only links that
    go both ways count: nobody waits for an answer of an agent that cannot be asked.
    """
    n, permitted = trace.episode.n_agents, reach(trace)
    if all(len(reached) == n - 1 for reached in permitted):
        return None
    degrees = [sum(agent in permitted[other] for other in reached) for agent, reached in enumerate(permitted)]
    most = max(degrees)
    return degrees.index(most) if centralisation(degrees, n) >= theta and degrees.count(most) == 1 else None


def waiting_for(trace: Trace, hub: int) -> Mapping[int, int]:
    """Return per step how many agents had a round in which the hub decided and they could only wait for it.

    Those carrying out a plan do not wait, and neither do those that decide themselves.
    """
    deciding: dict[int, set[int]] = {}
    for decision in trace.of(Activation):
        if decision.outcome != "forced":
            for c in range(max(decision.started, decision.c - LONGEST), decision.c + 1):
                deciding.setdefault(c, set()).add(decision.agent)
    stages = ["R"] * trace.episode.n_agents
    waiting: dict[int, set[int]] = {}
    for event in trace.events:
        if isinstance(event, Stage):
            for agent in event.agents:
                stages[agent] = event.after
        elif isinstance(event, Round) and hub in deciding.get(event.c, ()):
            now = {agent for agent, stage in enumerate(stages) if stage in THINKS}
            waiting.setdefault(event.t, set()).update(now - deciding[event.c])
    return {t: len(agents) for t, agents in waiting.items()}


def queue_at(trace: Trace, agent: int) -> list[int]:
    """Return how many unhandled messages lay in an agent's mailbox when each step was taken."""
    sender = {message.id: message.sender for message in trace.of(Message)}
    change: Counter[int] = Counter()
    for record in trace.of(Transport):
        if record.outcome == "delivered" and record.message in sender:
            change[record.t] += list(recipients_of(trace, record, sender[record.message])).count(agent)
    for reaction in trace.of(Reaction):
        if reaction.agent == agent and reaction.label in ("consume", "discard", "reroute"):
            change[reaction.t] -= len(reaction.messages)
    length, found = 0, []
    for t in range(steps_taken(trace) + 1):
        length += change[t]
        found.append(length)
    return found
