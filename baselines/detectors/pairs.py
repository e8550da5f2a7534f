"""Which rule has to find which fault, and how the faults are put into episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from emcoop.baselines.detectors import truths
from emcoop.baselines.detectors.truths import Truth
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.trace import Trace

N_AGENTS = 4
CHANCE = 0.15
"""Share of the messages that a fault of messages hits."""
LATE = 15
"""Steps by which messages are late."""
SLACK = 4
"""Steps by which a time without the team outlasts the threshold."""
FIRST, SPREAD = 6, 9
"""Step at which agents are hit at the earliest, and over how many steps seeds spread that."""

Injection: TypeAlias = list[dict[str, Any]]
"""What `run_episode` takes as `faults`."""


class Pair(NamedTuple):
    """A rule that has to find a kind of fault.

    Attributes:
        injection: Name of the injection, a key of `INJECTIONS`.
        rule: The rule.
        truths: What has to be found.
        says: The same in words.
        occurs: Whether the rule's incidents come about without the fault too, so that a hit elsewhere says nothing
            about the rule: then only hits that name an agent that was hit are judged.
    """

    injection: str
    rule: str
    truths: Callable[[Trace, Thresholds], list[Truth]]
    says: str
    occurs: bool = False


def _messages(kind: str, **more: Any) -> Callable[[int, int], Injection]:
    fault = {"kind": kind, "steps": truths.TO_THE_END, "chance": CHANCE, **more}
    return lambda seed, window: [fault]


def _agent(kind: str, steps: int = truths.TO_THE_END) -> Callable[[int, int], Injection]:
    return lambda seed, window: [{"kind": kind, "agent": seed % N_AGENTS, "at": when(seed), "steps": steps}]


def when(seed: int) -> int:
    """Return the step at which an agent is hit."""
    return FIRST + seed % SPREAD


def _everybody(seed: int, window: int) -> Injection:
    hit = {"kind": "freeze", "at": when(seed), "steps": window + SLACK}
    return [{**hit, "agent": agent} for agent in range(N_AGENTS)]


INJECTIONS: dict[str, Callable[[int, int], Injection]] = {
    "none": lambda seed, window: [],
    "drop_message": _messages("drop_message"),
    "delay_message": _messages("delay_message", delay=LATE),
    "duplicate_message": _messages("duplicate_message"),
    "swap_recipients": _messages("swap_recipients"),
    "corrupt_fact": _messages("corrupt_fact"),
    "freeze": _agent("freeze", SPREAD),
    "freeze, all": _everybody,
    "crash": _agent("crash"),
    "remove_leader": lambda seed, window: [{"kind": "remove_leader", "at": when(seed)}],
    "hide_observation": _agent("hide_observation"),
    "saboteur": _agent("saboteur"),
}
"""Name -> faults of an episode, given its seed and the threshold W_t of its world."""

LED = ("remove_leader",)
"""Injections that need somebody who leads."""

PAIRS = (
    Pair("drop_message", "C1", truths.lost_copies, "each copy that was dropped"),
    Pair("drop_message", "C2", truths.lost_work, "each work-bearing message no copy of which arrived"),
    Pair("swap_recipients", "C1", truths.misdirected, "each agent whose copy went to somebody else"),
    Pair("delay_message", "C5", truths.gone_stale, "each reading of a late message with a fact that is no longer so"),
    Pair("hide_observation", "C6", truths.told_unseen, "each message of the agent that reports as seen what is not so"),
    Pair("corrupt_fact", "G4", truths.changed, "each reading of a changed fact that can be checked"),
    Pair("saboteur", "P2", truths.sabotaged, "each run of steps in which its body does not do what its plan says"),
    Pair("freeze, all", "T2", truths.still_team, "the time in which nobody moves"),
    Pair("freeze", "T10", truths.unanswered, "the agent, while it does not answer"),
    Pair("crash", "T10", truths.unanswered, "the agent, from then on"),
    Pair("crash", "A4", truths.useless, "the agent, in each window in which hands are missing", True),
    Pair("remove_leader", "T10", truths.unanswered, "the leader, from then on"),
    Pair("remove_leader", "A5", truths.piled_up, "the leader, while its mailbox fills up three windows running"),
)

WITHOUT = (
    (
        "duplicate_message", "A2",
        "A second copy that is read twice breaks no rule: A2 asks for more agents that take up one request than it "
        "takes, not for one agent that reads it again.",
    ),
    (
        "corrupt_fact", "C6",
        "C6 is about what a sender says, and the sender said the truth; what changes on the way is G4.",
    ),
    (
        "corrupt_fact", "G1",
        "Whether two agents rest plans on the false value is for their planners to say, and whether that did harm for "
        "other rules.",
    ),
    (
        "saboteur", "P4",
        "It keeps to its plan as far as others can tell, and P4 takes a plan in force for a promise kept; that its "
        "body does something else is P2.",
    ),
    (
        "freeze", "C3",
        "C3 asks for decisions made without reading the mail; who stands still makes none.",
    ),
    (
        "hide_observation", "P1",
        "P1 asks for evidence that was read; what an agent would have seen is in no record.",
    ),
)  # fmt: skip
"""Faults and rules that one might expect to find them, but that by their definition need not; and why."""
