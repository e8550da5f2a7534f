"""Submissions as the board reads them: what they hold, and what the verifier has recorded of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from emcoop.errors import EmCoopError
from emcoop.leaderboards.eligibility import why_not_ranked
from emcoop.leaderboards.evidence import expected_head
from emcoop.leaderboards.frozen import frozen_hashes
from emcoop.leaderboards.layout import LIMITS, VERIFICATION, read_limited
from emcoop.leaderboards.problems import Level
from emcoop.leaderboards.verify import SCHEMA, Submission, Verdict, content_hash, read_submission


@dataclass(frozen=True)
class Entry:
    """A submission as it was read.

    Attributes:
        submission: It, with everything that needs no episode to be opened.
        verdict: What the verifier recorded of it, None if nothing that holds.
        is_own: Whether it is one of the project's own rows.
        barred: Why nobody of its kind is ranked, empty if they are: it knows what agents may not know.
    """

    submission: Submission
    verdict: Verdict | None
    is_own: bool = False
    barred: str = ""


def read_entry(folder: Path, is_own: bool) -> Entry:
    """Read a submission and the verifier's record of it; its episodes are not opened.

    Args:
        folder: The submission.
        is_own: Whether it is one of the project's own rows.

    Raises:
        EmCoopError: It does not pass the checks of files, metadata and table; the sentence says why.
    """
    submission, problems = read_submission(folder, is_own)
    verdict = read_verdict(submission)
    # A record of the version it was made with holds on; without one it has to be verified by that version first.
    problems = [problem for problem in problems if problem.code != "version" or verdict is None]
    if problems:
        raise EmCoopError(str(problems[0]))
    reasons = why_not_ranked(expected_head(submission.units[0]))
    return Entry(submission, verdict, is_own, reasons[0] if reasons else "")


def read_verdict(submission: Submission) -> Verdict | None:
    """Return what the verifier recorded of a submission, None if nothing, or something that is not about it as it is.

    Whether the verifier wrote the file nobody can see from it: that is why submitters may not bring one.
    """
    folder, metadata = submission.layout.folder, submission.metadata
    path = folder / VERIFICATION
    if not path.is_file():
        return None
    try:
        verdict = msgspec.json.decode(read_limited(path, LIMITS[VERIFICATION]), type=Verdict)
    except (msgspec.MsgspecError, EmCoopError):
        return None
    due = (SCHEMA, content_hash(folder), metadata.suite, frozen_hashes()[metadata.suite], len(submission.units))
    told = (verdict.schema_, verdict.content, verdict.suite, verdict.suite_hash, verdict.episodes)
    is_level = -1 <= verdict.level <= verdict.asked <= Level.L3
    return verdict if told == due and is_level and verdict.emcoop == metadata.emcoop else None
