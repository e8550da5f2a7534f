"""Failure rules G1 to G5: how false facts and wrong orders spread through a team and stay.

Of G4 (a fact drifts as it is handed on) only one hop shows: a trace does not say from which message a fact was taken
over, but it says what each message stated and what was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from emcoop.metrics.exchange import exchange
from emcoop.metrics.failures import embodied, plans, progress
from emcoop.metrics.failures.beliefs import Beliefs, Telling, assumed, beliefs
from emcoop.metrics.failures.coverage import rows
from emcoop.metrics.failures.hearsay import drifted
from emcoop.metrics.failures.mail import may_talk
from emcoop.metrics.failures.queues import hub_of
from emcoop.metrics.failures.records import HeldPlan, canonical, contradicts, held_plans, named_tasks, runs
from emcoop.metrics.failures.rule import NOT_APPLICABLE, Finding, Hit, Rule, merged
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.metrics.registry import per_trace
from emcoop.trace import Trace
from emcoop.trace.schema import Activation

MISLED = 2
"""Agents beside its author that a false fact has to reach before it is a cascade."""


def cascades(trace: Trace, thresholds: Thresholds) -> Finding:
    """G1."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    hits = []
    found: list[Hit] | None = None
    false = _false_facts(trace)
    for (key, _), origin in false.items():
        misled = _adopters(trace, key, origin)
        if len({plan.agent for plan, _ in misled}) < MISLED:
            continue
        found = list(_harm(trace, thresholds)) if found is None else found
        harm = next((hit for hit in found if any(_harmed(plan, hit) for plan, _ in misled)), None)
        if harm is None:
            continue
        agents = tuple(sorted({origin.message.sender, *(plan.agent for plan, _ in misled)}))
        lineage = dict.fromkeys(seq for plan, seq in misled for seq in (seq, plan.seq))
        evidence = (origin.message.seq, *lineage, *harm.evidence[:1])
        end = max(harm.end, *(plan.start for plan, _ in misled))
        note = f"fact {key}; {len(misled)} plans rest on it"
        hits.append(Hit(agents, origin.message.t, end, evidence, misled[0][0].task, note))
    return Finding(merged(hits, gap=0), len(false))


def _false_facts(trace: Trace) -> dict[tuple[str, bytes], Telling]:
    """Return every false value that was told of a fact, and the message that told it first."""
    found: dict[tuple[str, bytes], Telling] = {}
    for key, tellings in beliefs(trace).tellings.items():
        for telling in tellings:
            if not telling.claim.true:
                found.setdefault((key, canonical(telling.value)), telling)
    return found


def _adopters(trace: Trace, key: str, origin: Telling) -> list[tuple[HeldPlan, int]]:
    """Return the plans of others that rest on a false fact their agents had read, and where they read it."""
    found = []
    for plan, about, value in assumed(trace):
        if about == key and plan.agent != origin.message.sender and canonical(value) == canonical(origin.value):
            heard = beliefs(trace).heard(plan.agent, key, plan.seq)
            source = next((one for one in heard if not contradicts(one.value, value)), None)
            if source is not None and not source.claim.true:
                found.append((plan, source.readers[plan.agent].seq))
    return found


def _harm(trace: Trace, thresholds: Thresholds) -> Iterator[Hit]:
    """Yield what the rules of acting, planning and progress found."""
    for module in (embodied, plans, progress):
        for rule in module.RULES:
            yield from rule.find(trace, thresholds).hits


def _harmed(plan: HeldPlan, hit: Hit) -> bool:
    """Say whether an incident falls into the time of a plan and concerns its agent or its task."""
    concerned = plan.agent in hit.agents or (plan.task != "" and plan.task == hit.task)
    return concerned and hit.start <= plan.end and hit.end >= plan.start


def consensus(trace: Trace, thresholds: Thresholds) -> Finding:
    """G2."""
    n = trace.episode.n_agents
    if not may_talk(trace):
        return NOT_APPLICABLE
    known, hits, shared = beliefs(trace), [], 0
    for (key, _), theirs in _by_assumption(trace).items():
        enough = max(2, thresholds.consensus * n)
        if len({plan.agent for plan, _ in theirs}) < enough:
            continue
        many = list(runs(t for t, holders in _holders(theirs) if len(holders) >= enough))
        shared += len(many)
        for first, last in many:
            evidence = _against(known, key, theirs, last)
            start = first if evidence is None else max(first, evidence.message.t)
            if evidence is not None and last - start + 1 >= thresholds.steps:
                agents = tuple(sorted({plan.agent for plan, _ in theirs if plan.start <= last and plan.end >= start}))
                seqs = (evidence.message.seq, *(plan.seq for plan, _ in theirs[:2]))
                hits.append(Hit(agents, start, last + 1, seqs, theirs[0][0].task, f"fact {key}"))
    return Finding(merged(hits), shared)


def _by_assumption(trace: Trace) -> dict[tuple[str, bytes], list[tuple[HeldPlan, Any]]]:
    found: dict[tuple[str, bytes], list[tuple[HeldPlan, Any]]] = {}
    for plan, key, value in assumed(trace):
        found.setdefault((key, canonical(value)), []).append((plan, value))
    return found


def _holders(theirs: Sequence[tuple[HeldPlan, Any]]) -> Iterator[tuple[int, set[int]]]:
    """Yield per step which agents' plans rest on an assumption when it is taken, in order of the steps."""
    at: dict[int, set[int]] = {}
    for plan, _ in theirs:
        for t in range(plan.start, plan.end):
            at.setdefault(t, set()).add(plan.agent)
    yield from sorted(at.items())


def _against(known: Beliefs, key: str, theirs: Sequence[tuple[HeldPlan, Any]], until: int) -> Telling | None:
    """Return the first message that told the contrary of an assumption, and was right, up to some step."""
    for telling in known.tellings.get(key, ()):
        if telling.message.t <= until and telling.claim.true and contradicts(telling.value, theirs[0][1]):
            return telling
    return None


class Stance(NamedTuple):
    """What an agent stated, or let a plan rest on: the value of a fact, and since when."""

    seq: int
    t: int
    value: Any
    task: str


def flips(trace: Trace, thresholds: Thresholds) -> Finding:
    """G3."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    known, hits, tempted = beliefs(trace), [], 0
    for (agent, key), stances in _stances(trace).items():
        for before, after in pairwise(stances):
            if not known.verdict(key, before.value, before.seq):
                continue
            told = [one for one in known.heard(agent, key, after.seq) if one.readers[agent].seq > before.seq]
            if not any(contradicts(one.value, before.value) for one in told):
                continue
            tempted += 1
            true, false = known.verdict(key, before.value, after.seq), known.verdict(key, after.value, after.seq)
            who = _led_by(trace, told, before.value, after.value, thresholds)
            if true and false is False and contradicts(before.value, after.value) and who:
                evidence = (before.seq, told[0].readers[agent].seq, after.seq)
                note = f"fact {key}; as the {who} says"
                hits.append(Hit((agent,), min(before.t, after.t), after.t, evidence, after.task, note))
    return Finding(merged(hits, gap=0), tempted)


def _stances(trace: Trace) -> dict[tuple[int, str], list[Stance]]:
    """Return per agent and fact what it stated and planned on, in order."""
    found: dict[tuple[int, str], list[Stance]] = {}
    for plan, key, value in assumed(trace):
        found.setdefault((plan.agent, key), []).append(Stance(plan.seq, plan.start, value, plan.task))
    for key, tellings in beliefs(trace).tellings.items():
        for telling in tellings:
            message = telling.message
            if not telling.garbled and (message.sender, key) in found:
                said = Stance(telling.claim.seq, message.t, telling.value, "")
                found[message.sender, key].append(said)
    return {who: sorted(stances, key=lambda stance: stance.seq) for who, stances in sorted(found.items())}


def _led_by(trace: Trace, told: Sequence[Telling], mine: Any, theirs: Any, thresholds: Thresholds) -> str:
    """Say whose word an agent took that gave up its own: the leader's, or that of most who spoke of the matter."""
    for_theirs = {one.message.sender for one in told if not contradicts(one.value, theirs)}
    for_mine = {one.message.sender for one in told if not contradicts(one.value, mine)}
    if hub_of(trace, thresholds.centralisation) in for_theirs:
        return "leader"
    return "majority" if len(for_theirs) > len(for_mine) + 1 else ""


def overadherence(trace: Trace, thresholds: Thresholds) -> Finding:
    """G5."""
    if not may_talk(trace):
        return NOT_APPLICABLE
    orders = _followed(trace)
    hits = []
    for plan, asked in orders:
        vain = {
            row.t: row
            for row in rows(trace).get(plan.task, ())
            if plan.start <= row.t < plan.end and not row.feasible and plan.agent in row.agents and row.present
        }
        for first, last in runs(vain):
            if last - first + 1 >= thresholds.steps:
                evidence = (asked, plan.seq, vain[first].seq, vain[last].seq)
                hits.append(Hit((plan.agent,), first, last + 1, evidence, plan.task, "its prerequisites are missing"))
    return Finding(merged(hits), len(orders))


def _followed(trace: Trace) -> list[tuple[HeldPlan, int]]:
    """Return the plans whose decision had read a request for their task, and where that was sent."""
    talk = exchange(trace)
    found = []
    made = _plan_of_decision(trace)
    for decision in talk.decided:
        plan = made.get(decision.record.id)
        if plan is None or not plan.task:
            continue
        requests = (talk.said[place] for place in decision.reads if talk.said[place].record.act == "request")
        asked = next((one for one in requests if plan.task in named_tasks(one.record)), None)
        if asked is not None:
            found.append((plan, asked.seq))
    return found


@per_trace
def _plan_of_decision(trace: Trace) -> Mapping[int, HeldPlan]:
    """Return the plan that each decision committed."""
    committed = {plan.seq: plan for plan in held_plans(trace)}
    last: dict[int, int] = {}
    found: dict[int, HeldPlan] = {}
    for event in trace.events:
        if isinstance(event, Activation):
            last[event.agent] = event.id
        elif event.seq in committed and committed[event.seq].agent in last:
            found.setdefault(last[committed[event.seq].agent], committed[event.seq])
    return found


RULES = (
    Rule(
        "G1", "error cascade", "F",
        "At least two agents read a false fact that another told and rest plans on it, and while they follow one of "
        "these plans a rule of acting, planning or progress finds something.",
        "a false value that was told of a fact", cascades, mast=("2.5", "3.1", "3.2", "3.3"), families="STNP",
    ),
    Rule(
        "G2", "false consensus", "F",
        "For W_t steps the plans of the share tau of the team rest on the same value of a fact, though a message that "
        "was right has told the contrary.",
        "an unbroken run of steps in which so many plans rest on the same value", consensus, mast=("3.3",),
        families="STNP",
    ),
    Rule(
        "G3", "conformity flip", "W",
        "An agent that stated or planned on a true fact plans on or states the contrary, which is false, after the "
        "leader, or most of those who spoke of it, told it so; the fact itself has not changed.",
        "an agent that held a true fact and read the contrary before it spoke or planned again", flips, mast=("2.5",),
        families="STNP",
    ),
    Rule(
        "G4", "hand-off drift", "W",
        "A fact is read with another value than its message stated: it changed on the way from one agent to the next.",
        "a checkable fact that is consumed, per reader", drifted, mast=("2.4",), families="STNP",
    ),
    Rule(
        "G5", "over-adherence", "W",
        "For W_t steps an agent keeps to a plan it was asked for, though everybody committed is at the task and its "
        "prerequisites do not hold.",
        "a plan for a task that the decision had read a request for", overadherence, mast=("1.4", "2.5"),
        families="STNP",
    ),
)  # fmt: skip
