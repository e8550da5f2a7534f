"""Where units run: what a backend is. The code that runs an episode does not know which one it is on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple, Protocol, TypeAlias

from emcoop.baselines.expansion import Unit
from emcoop.baselines.results import Result

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
