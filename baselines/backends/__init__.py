"""Where units run: what a backend is. The code that runs an episode does not know which one it is on."""

from __future__ import annotations

import time
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple, Protocol, TypeAlias

from emcoop.baselines.expansion import Unit
from emcoop.baselines.folder import DISK_TROUBLE
from emcoop.baselines.results import Result
from emcoop.errors import EmCoopError

Work: TypeAlias = Callable[[Unit], Result]
"""Runs one unit; picklable (a module-level function or a `functools.partial` of one)."""


class Outcome(NamedTuple):
    """What a backend reports for one unit.

    Attributes:
        unit: The unit.
        result: What the attempt gave; status `infra_error` if the worker broke.
        fatal: Empty, or why no further unit can succeed (disk full, read-only).
    """

    unit: Unit
    result: Result
    fatal: str = ""


class Backend(Protocol):
    """Runs units somewhere, in any order."""

    name: str
    slots: int

    def run(self, units: Iterable[Unit], work: Work) -> Generator[Outcome, None, None]:
        """Yield one outcome per unit as each ends.

        Closing the generator abandons what runs. A worker that breaks is an `infra_error` of the unit it had,
        and of no other.
        """
        ...


def guarded(work: Work, unit: Unit) -> tuple[Result, str]:
    """Run one unit; return the result, and why nothing else can succeed either, if the disk is why."""
    started = time.monotonic()
    try:
        return work(unit), ""
    except EmCoopError as error:
        text, fatal = str(error), ""
    except OSError as error:
        text = f"{error.strerror or error}: {error.filename}" if error.filename else f"{error.strerror or error}"
        fatal = text if error.errno in DISK_TROUBLE else ""
    except (Exception, CancelledError, SystemExit) as error:
        # The last two are what a planner may raise too; whoever waits for this unit would wait for ever.
        place = traceback.extract_tb(error.__traceback__)[-1]
        text, fatal = f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})", ""
    return Result(status="infra_error", error=text, seconds=time.monotonic() - started), fatal
