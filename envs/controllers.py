"""Controllers every world shares: waiting, meeting, and following a path with patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emcoop.envs.embodiment import DONE, RUNNING, Failed, MeetingPoints, Status


@dataclass
class Patience:
    """Counts how long something has been going on, or going wrong.

    Attributes:
        limit: Steps it may go on.
        spent: Steps it has gone on.
    """

    limit: int
    spent: int = 0

    def out(self) -> bool:
        """Count one step and say whether the limit has been passed."""
        self.spent += 1
        return self.spent > self.limit


class Wait:
    """Do nothing for a number of steps."""

    def __init__(self, steps: int, noop: int) -> None:
        self._left = steps
        self._noop = noop

    def status(self) -> Status:
        """Go on until the steps are over."""
        return RUNNING if self._left > 0 else DONE

    def act(self) -> int:
        """Do nothing."""
        self._left -= 1
        return self._noop


@dataclass
class Meet:
    """Hold a meeting point until enough agents hold it.

    Attributes:
        meetings: The world's meeting points.
        point: Name of the point.
        agent: Who waits.
        need: How many have to be there.
        timeout: Steps after which to give up.
        noop: Primitive for doing nothing.
        check: Says why the agent may no longer hold the point, or None.
    """

    meetings: MeetingPoints
    point: str
    agent: int
    need: int
    timeout: int
    noop: int
    check: Callable[[], Failed | None]
    _waited: int = field(default=0, init=False)

    def status(self) -> Status:
        """Hold the point; done when released, failed when the check says so or time is up."""
        problem = self.check()
        if problem is not None:
            return problem
        if self.meetings.hold(self.point, self.agent, self.need):
            return DONE
        if self._waited >= self.timeout:
            self.meetings.leave(self.point, self.agent)
            return Failed("timeout", {"need": self.need, "waited": self._waited})
        return RUNNING

    def act(self) -> int:
        """Wait one step."""
        self._waited += 1
        return self.noop
