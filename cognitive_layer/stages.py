"""The four stages of an agent and the transitions between them (EmCoop's MAEIL, arXiv 2603.00349)."""

from __future__ import annotations

from enum import Enum

from emcoop.errors import EmCoopError


class Stage(Enum):
    """What an agent is doing on the cognitive clock."""

    REASON = "R"
    WAIT = "W"
    EXECUTE = "X"
    INTERRUPT = "I"


R, W, X, I = Stage.REASON, Stage.WAIT, Stage.EXECUTE, Stage.INTERRUPT  # noqa: E741

ALLOWED = {
    (R, W): "plan committed",
    (W, X): "all ready",
    (X, R): "plan ended",
    (W, I): "message delivered",
    (X, I): "message delivered",
    (I, W): "resume or replan",
}
"""Every transition there is, and what it means."""


class InvalidTransition(EmCoopError):
    """The loop tried a transition the stages do not have: a defect of the loop, never of a planner."""


def check_transition(agent: int, before: Stage, after: Stage) -> None:
    """Raise `InvalidTransition` unless an agent may go from `before` to `after`."""
    if (before, after) not in ALLOWED:
        raise InvalidTransition(f"agent {agent} cannot go from {before.name} to {after.name}")
