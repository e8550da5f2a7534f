"""What the verifier finds wrong with a submission, one sentence each."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from emcoop.errors import EmCoopError

SHOWN = 200
"""Characters of something a stranger wrote that are quoted back."""
LONGEST = 1000
"""Characters of a reason."""


class Level(IntEnum):
    """How far a submission has been checked; each level includes those below."""

    L0 = 0
    """Files, schema, hashes, every cell and seed once."""
    L1 = 1
    """Every episode replayed from its seed: all states, the score and every metric come out the same."""
    L2 = 2
    """The whole loop run again on the logged replies: the same bytes."""
    L3 = 3
    """Fresh seeds drawn by the verifier give scores that agree."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong, in words that are safe to print: one line, of bounded length, nothing invisible.

    Attributes:
        level: The level it fails.
        code: Short permanent name of the check.
        where: File or episode, empty for the submission as a whole.
        reason: One sentence: what was found, what was due, what to do.
    """

    level: int
    code: str
    where: str
    reason: str

    def __post_init__(self) -> None:
        """Take out of what a stranger may have written whatever acts on a terminal or a log."""
        for name in ("where", "reason"):
            msgspec.structs.force_setattr(self, name, one_line(getattr(self, name)))

    def __str__(self) -> str:
        """Return `L1 score, Cube-v0_...: reason`."""
        place = f", {self.where}" if self.where else ""
        return f"L{self.level} {self.code}{place}: {self.reason}"


class RefusedSubmission(EmCoopError):
    """A submission cannot be looked at any further.

    Attributes:
        problem: Why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def refused(code: str, where: str, reason: str) -> RefusedSubmission:
    """Return the error for something that fails at the lowest level and ends the checks."""
    return RefusedSubmission(Problem(Level.L0, code, where, reason))


def one_line(text: str) -> str:
    """Return a text with a question mark for everything that is not printable, cut at `LONGEST` characters."""
    return "".join(char if char.isprintable() else "?" for char in text[:LONGEST])


def quoted(value: object) -> str:
    """Return something a stranger wrote, on one line and of bounded length."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
