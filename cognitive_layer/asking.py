"""Asking planners: all at once, whoever is slow; whatever they raise becomes one typed error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

from emcoop.cognitive_layer.answers import check_answer
from emcoop.cognitive_layer.plan import Decision, Planner, PlanningContext
from emcoop.cognitive_layer.seat import Seat
from emcoop.errors import EmCoopError, InfrastructureError, PlannerError


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


async def ask(seats: Sequence[Seat], contexts: Sequence[PlanningContext]) -> list[Decision]:
    """Return one decision per seat, in the order of the seats.

    Those that may have to wait are awaited together; if several fail, the error is that of the first in order, not of
    the first in time.

    Raises:
        PlannerError: A planner raised, or answered what is no `Decision` or does not fit its stage.
        EmCoopError: A planner failed with an error that says more, such as `InfrastructureError`.
    """
    answers: list[Any] = [None] * len(seats)
    slow = []
    for k, seat in enumerate(seats):
        if is_immediate(seat.planner):
            answers[k] = _at_once(seat, contexts[k])
        else:
            slow.append(k)
    thoughts = [_thought(seats[k], contexts[k]) for k in slow]
    for k, answer in zip(slow, await asyncio.gather(*thoughts, return_exceptions=True) if thoughts else ()):
        answers[k] = answer
    for seat, answer in zip(seats, answers):
        if isinstance(answer, asyncio.CancelledError):
            raise InfrastructureError(f"the planner of agent {seat.index} was cut off while it waited for an answer")
        if isinstance(answer, BaseException):
            raise answer
    for seat, answer in zip(seats, answers):
        check_answer(seat.index, seat.stage, answer)
    return answers


def _at_once(seat: Seat, context: PlanningContext) -> Any:
    """Return the answer of a planner that does not wait, or how it failed."""
    try:
        return drive(_thought(seat, context))
    except EmCoopError as error:
        return error


async def _thought(seat: Seat, context: PlanningContext) -> Any:
    """Ask one planner; whatever it raises becomes a `PlannerError`, unless it says more itself."""
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
