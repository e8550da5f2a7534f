"""What must be found: incidents that follow from injected faults, worked out from these and plain facts of the log.

Nothing here uses the code of a rule. Each function takes a trace and the thresholds (how long is too long) and returns
the incidents that the definition of one rule makes of one kind of fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.trace import Trace
from emcoop.trace.schema import Claim, Constraint, Fault, Message, Plan, Reaction, Round, Step, Transport

TO_THE_END = -1
GROWING = 3
"""Windows in a row in which a mailbox has to fill up."""


@dataclass(frozen=True)
class Truth:
    """An incident that a rule has to find.

    Attributes:
        agents: Agents that a hit has to name; none for an incident of the team as a whole.
        start, end: Environment steps in which it happened; a hit has to overlap them.
        since: Step at which the fault took effect, from which the delay of its detection counts.
    """

    agents: frozenset[int]
    start: int
    end: int
    since: int


def faults_of(trace: Trace, *kinds: str) -> list[Fault]:
    """Return the faults of some kinds that took effect, in order."""
    return [fault for fault in trace.of(Fault) if fault.fault in kinds]


def steps_of(trace: Trace) -> int:
    """Return how many environment steps were taken."""
    return max((step.t for step in trace.of(Step)), default=0)


def window_of(fault: Fault, last: int) -> tuple[int, int]:
    """Return the steps from which to which (exclusive) an agent was hit, as counted before a step is taken."""
    until = int(fault.detail.get("until", TO_THE_END))
    return fault.t, last if until == TO_THE_END else min(until, last)


def lost_copies(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """C1: every copy that a fault dropped, between its sender and its recipient, when it was sent."""
    return [
        Truth(frozenset({fault.agent, agent}), fault.t, fault.t, fault.t)
        for fault in faults_of(trace, "drop_message")
        for agent in fault.detail["recipients"]
    ]


def lost_work(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """C2: every work-bearing message no copy of which arrived, until W_c rounds later, if the log goes on so far."""
    arrived = {record.message for record in trace.of(Transport) if record.outcome == "delivered"}
    work = {message.id: message for message in trace.of(Message) if message.work}
    found = []
    for fault in faults_of(trace, "drop_message"):
        message = work.get(fault.detail["message"])
        if message is not None and message.id not in arrived:
            later = (record.t for record in trace.of(Round) if record.c >= message.c + thresholds.activations)
            end = next(later, None)
            if end is not None:
                found.append(Truth(frozenset({message.sender}), message.t, end, fault.t))
    return found


def gone_stale(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """C5: every reading of a delayed message with a fact that was true when it was sent and is false by now."""
    late = {fault.detail["message"]: fault for fault in faults_of(trace, "delay_message")}
    true_then = {(claim.message, claim.key) for claim in trace.of(Claim) if claim.when == "sent" and claim.true}
    false_now = {
        (claim.message, claim.t): claim.key
        for claim in trace.of(Claim)
        if claim.when == "read" and not claim.true and (claim.message, claim.key) in true_then
    }
    return [
        Truth(frozenset({late[message].agent, reaction.agent}), late[message].t, reaction.t, late[message].t)
        for reaction in trace.of(Reaction)
        if reaction.label == "consume"
        for message in reaction.messages
        if message in late and (message, reaction.t) in false_now
    ]


def told_unseen(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """C6: every message of a blindfolded agent that says it has just seen what is not so."""
    blind = [(fault.agent, *window_of(fault, steps_of(trace))) for fault in faults_of(trace, "hide_observation")]
    false = {(claim.message, claim.key) for claim in trace.of(Claim) if claim.when == "sent" and not claim.true}
    found = []
    for message in trace.of(Message):
        lies = any((message.id, key) in false and seen >= message.t for key, _, seen in message.facts)
        since = [start for agent, start, end in blind if agent == message.sender and start <= message.t <= end]
        if lies and since:
            found.append(Truth(frozenset({message.sender}), message.t, message.t, since[0]))
    return found


def still_team(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """T2: the time in which all agents are frozen, if that is W_t steps or more and not the end of the budget."""
    latest = trace.episode.max_steps - thresholds.steps
    still = [step.t for step in trace.of(Step) if 0 < step.t <= latest and _all_frozen(trace, step.t - 1)]
    return [
        Truth(frozenset(), first, last, first - 1)
        for first, last in runs(still)
        if last - first + 1 >= thresholds.steps
    ]


def _all_frozen(trace: Trace, t: int) -> bool:
    last = steps_of(trace)
    windows = ((fault.agent, *window_of(fault, last)) for fault in faults_of(trace, "freeze"))
    return len({agent for agent, start, end in windows if start <= t < end}) == trace.episode.n_agents


def misdirected(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """C1: every copy that somebody else got in place of the agent it was addressed to, where both exist."""
    return [
        Truth(frozenset({fault.agent, agent}), fault.t, fault.t, fault.t)
        for fault in faults_of(trace, "swap_recipients")
        for agent in fault.detail["from"]
        if agent not in fault.detail["recipients"]
    ]


def unanswered(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """T10: every agent that stops answering, for a time or for good, when it does not answer first."""
    hit = faults_of(trace, "freeze", "crash", "remove_leader")
    return [Truth(frozenset({fault.agent}), fault.t, fault.t, fault.t) for fault in hit]


def useless(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """A4: every whole window of W_t steps without an agent, in half of whose steps a possible task lacks hands.

    An agent that stopped in the midst of a plan for a task is left out: it stays committed, as far as others know.
    """
    n, length, last = trace.episode.n_agents, thresholds.steps, steps_of(trace)
    short = {record.t for record in trace.of(Constraint) if _lacks_hands(record, n)}
    found = []
    for fault in faults_of(trace, "crash"):
        if _has_task(trace, fault):
            continue
        for start in range(0, last - length + 1, length):
            if fault.t <= start and 2 * len(short.intersection(range(start, start + length))) >= length:
                found.append(Truth(frozenset({fault.agent}), start, start + length - 1, fault.t))
    return found


def _has_task(trace: Trace, fault: Fault) -> bool:
    """Say whether an agent had a plan for a task in force when it was hit."""
    mine = [plan for plan in trace.of(Plan) if plan.agent == fault.agent and plan.seq < fault.seq]
    return bool(mine) and mine[-1].event == "commit" and mine[-1].task != ""


def _lacks_hands(record: Constraint, n: int) -> bool:
    rows = zip(record.required, record.committed, record.dependency)
    return any(0 < committed < required <= n and holds for required, committed, holds in rows)


def _mail_for(trace: Trace, agent: int) -> Iterator[int]:
    """Yield when messages reached an agent."""
    sender = {message.id: message.sender for message in trace.of(Message)}
    for record in trace.of(Transport):
        is_sender = agent == sender.get(record.message)
        got = not is_sender if isinstance(record.recipients, str) else agent in record.recipients
        if record.outcome == "delivered" and got:
            yield record.t


def piled_up(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """A5: three windows of W_t steps running at whose ends ever more mail lies with a leader who is gone.

    Only where the others may not write to each other; else nobody is the hub.
    """
    n, length, found = trace.episode.n_agents, thresholds.steps, []
    for fault in faults_of(trace, "remove_leader") if trace.episode.permitted == 2 * (n - 1) else ():
        arrived = list(_mail_for(trace, fault.agent))
        handled = [
            reaction.t
            for reaction in trace.of(Reaction)
            if reaction.agent == fault.agent and reaction.label in ("consume", "discard", "reroute")
            for _ in reaction.messages
        ]
        ends = range(length - 1, steps_of(trace), length)
        lies = [0, *(sum(t <= end for t in arrived) - sum(t <= end for t in handled) for end in ends)]
        for first, last in runs(k for k in range(1, len(lies)) if lies[k] > lies[k - 1]):
            if last - first + 1 >= GROWING and last * length > fault.t:
                start = (first - 1) * length
                found.append(Truth(frozenset({fault.agent}), start, last * length, max(start, fault.t)))
    return found


def sabotaged(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """P2: every unbroken run of steps in which the body of a saboteur does another thing than its plan asks for."""
    found = []
    for fault in faults_of(trace, "saboteur"):
        start, end = window_of(fault, steps_of(trace))
        steps = [
            step.t
            for step in trace.of(Step)
            if start < step.t <= end and any(agent == fault.agent for agent, _ in step.intended)
        ]
        found += [Truth(frozenset({fault.agent}), first, last, start) for first, last in runs(steps)]
    return found


def changed(trace: Trace, thresholds: Thresholds) -> list[Truth]:
    """G4: every reading of a message that had a fact changed on its way, where that fact can be checked."""
    can_be_checked = {(claim.message, claim.key) for claim in trace.of(Claim) if claim.when == "sent"}
    spoilt = {
        fault.detail["message"]: fault
        for fault in faults_of(trace, "corrupt_fact")
        if (fault.detail["message"], fault.detail["key"]) in can_be_checked
    }
    return [
        Truth(frozenset({spoilt[message].agent, reaction.agent}), spoilt[message].t, reaction.t, spoilt[message].t)
        for reaction in trace.of(Reaction)
        if reaction.label == "consume"
        for message in reaction.messages
        if message in spoilt
    ]


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and last of ascending numbers that follow each other without a gap."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found
