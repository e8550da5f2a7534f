"""Verifying a submission: every level in order, every episode, and the record of it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from emcoop.baselines.expansion import Unit
from emcoop.baselines.preflight import check_teams
from emcoop.baselines.schema import label_of
from emcoop.baselines.suite import suite_hash
from emcoop.errors import ConfigError, EmCoopError
from emcoop.leaderboards.compact import CompactClaim, check_compact, read_actions
from emcoop.leaderboards.eligibility import why_not_in_track, why_not_opened, why_not_ranked
from emcoop.leaderboards.evidence import Claim, check_episode, expected_head
from emcoop.leaderboards.frozen import frozen_suite, suite_for, units_for
from emcoop.leaderboards.layout import ACTIONS, METADATA, VERIFICATION, Layout, look
from emcoop.leaderboards.metadata import Metadata, read_metadata
from emcoop.leaderboards.problems import Level, Problem, RefusedSubmission, quoted, refused
from emcoop.leaderboards.table import Row, check_coverage, read_table, totals
from emcoop.version import __version__

SCHEMA = "emcoop-verification-1"
MOST_PROBLEMS = 50
"""Problems that are written down; their number is always given."""

Tell = Callable[[int, int], None]
"""Told how many episodes are done, of how many."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, rename={"schema_": "schema"}):
    """What the verifier found: the content of `verification.json`.

    Attributes:
        level: Highest level passed, -1 for none.
        asked: Level that was asked for.
        suite, suite_hash, track, planner: What was verified, as recomputed.
        content: Hash over metadata and table; it binds this record to them.
        episodes: Episodes checked.
        problems: What is wrong, at most `MOST_PROBLEMS`, and `problem_count` of them in all.
        emcoop, python, numpy: What verified it.
        fresh: What the fresh seeds gave, for level 3.
    """

    schema_: str = SCHEMA
    level: int
    asked: int
    suite: str = ""
    suite_hash: str = ""
    track: str = ""
    planner: str = ""
    content: str = ""
    episodes: int = 0
    problem_count: int = 0
    problems: list[Problem] = []
    emcoop: str = __version__
    python: str = platform.python_version()
    numpy: str = np.__version__
    fresh: dict[str, Any] = {}

    @property
    def passed(self) -> bool:
        """Whether everything asked for holds."""
        return self.level >= self.asked and not self.problems


class Submission(msgspec.Struct, frozen=True):
    """A submission that has been read.

    Attributes:
        layout: Its files.
        metadata: What it says of itself.
        rows: Its table.
        units: Episodes it has to hold.
        suites: Names and hashes of the suite that its traces may state.
    """

    layout: Layout
    metadata: Metadata
    rows: list[Row]
    units: list[Unit]
    suites: tuple[tuple[str, str], ...]


def verify(
    folder: Path,
    level: int = Level.L2,
    jobs: int | None = None,
    tell: Tell = lambda done, all_: None,
    is_own: bool = False,
) -> Verdict:
    """Verify a submission up to a level; nothing in the folder is believed or changed.

    Args:
        folder: The submission.
        level: 0 to 2; for level 3 see `emcoop.leaderboards.fresh`.
        jobs: Processes; default one per processor.
        tell: Shows the progress.
        is_own: Whether it is one of the project's own rows, which may be references and know more than agents may.

    Returns:
        The verdict. It is written nowhere; see `record`.
    """
    try:
        submission, found = read_submission(folder, is_own)
    except RefusedSubmission as refusal:
        return _verdict(level, [refusal.problem])
    if not found:
        found = _check_episodes(submission, level, jobs, tell)
    return _verdict(level, found, submission)


def read_submission(folder: Path, is_own: bool = False) -> tuple[Submission, list[Problem]]:
    """Read a submission and check everything that needs no episode to be opened.

    Args:
        folder: The submission.
        is_own: As for `verify`.

    Raises:
        RefusedSubmission: It cannot be looked at any further.
    """
    layout = look(folder)
    try:
        metadata = read_metadata(folder)
        if reasons := why_not_opened(metadata.planner):
            raise refused("planner", METADATA, reasons[0])
        units = units_for(metadata.suite, metadata.planner)
        asks_models = check_teams(units)
        if layout.actions is not None and asks_models:
            raise refused("evidence", ACTIONS, "the team asks models, and only traces hold their replies; give traces")
        whole, narrowed = frozen_suite(metadata.suite), suite_for(metadata.suite, metadata.planner)
    except ConfigError as error:
        raise RefusedSubmission(Problem(Level.L0, "metadata", "metadata.yaml", str(error))) from None
    suites = tuple((suite.name, suite_hash(suite)) for suite in (whole, narrowed))
    rows = read_table(layout)
    submission = Submission(layout, metadata, rows, units, suites)
    found = [*_check_metadata(submission, is_own), *check_coverage(rows, units, layout)]
    return submission, found


def content_hash(folder: Path) -> str:
    """Return a hash over metadata and table; the table binds every trace by its digest."""
    digest = hashlib.sha256()
    for name in ("metadata.yaml", "results.csv"):
        data = (folder / name).read_bytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def record(folder: Path, verdict: Verdict) -> Path:
    """Write `verification.json` in a submission's folder; whatever was there is replaced.

    Raises:
        EmCoopError: It cannot be written.
    """
    text = json.dumps(msgspec.to_builtins(verdict), indent=2, sort_keys=True, ensure_ascii=False)
    target = folder / VERIFICATION
    try:
        # A new file of a name nobody could foresee: one that is there could be a link to somewhere else.
        handle, part = tempfile.mkstemp(prefix=f".{VERIFICATION}-", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text + "\n")
        os.chmod(part, 0o644)
        try:
            os.replace(part, target)
        except OSError:
            os.unlink(part)
            raise
    except OSError as error:
        raise EmCoopError(f"{target} cannot be written: {error.strerror}; remove what is there") from error
    return target


def _check_metadata(submission: Submission, is_own: bool) -> Iterator[Problem]:
    metadata, folder = submission.metadata, submission.layout.folder
    units, rows = submission.units, submission.rows
    checks: list[tuple[str, bool, str]] = [
        (
            "suite-hash",
            metadata.suite_hash == submission.suites[0][1],
            f"suite_hash is {metadata.suite_hash[:12]}..., the frozen suite {metadata.suite!r} has "
            f"{submission.suites[0][1][:12]}...; run the suite that ships",
        ),
        (
            "folder-name",
            folder.resolve().name == metadata.folder_name,
            f"the folder is called {quoted(folder.resolve().name)}, date and slug say {metadata.folder_name!r}",
        ),
        (
            "table-hash",
            metadata.results_sha256 == hashlib.sha256((folder / "results.csv").read_bytes()).hexdigest(),
            "results.csv is not the table that was prepared (results_sha256 differs)",
        ),
        (
            "version",
            metadata.emcoop == __version__,
            f"it was prepared with emcoop {quoted(metadata.emcoop)}, this is {__version__}; verify with that version",
        ),
        (
            "kind",
            is_own or metadata.kind == "entry",
            f"kind is {metadata.kind!r}, which only the project's own rows are; leave it out",
        ),
        ("episodes", metadata.episodes == len(rows), f"episodes says {metadata.episodes}, the table has {len(rows)}"),
        *(
            (name, getattr(metadata, name) == total, f"{name} says {getattr(metadata, name)}, the table has {total}")
            for name, total in totals([row.metrics for row in rows]).items()
        ),
    ]
    yield from (Problem(Level.L0, code, "metadata.yaml", reason) for code, holds, reason in checks if not holds)
    if metadata.kind == "entry":
        reasons = [*why_not_in_track(metadata.track, metadata.planner, metadata.prompts_modified)]
        reasons += why_not_ranked(expected_head(units[0]))
        yield from (Problem(Level.L0, "eligibility", "metadata.yaml", reason) for reason in dict.fromkeys(reasons))


def _check_episodes(submission: Submission, level: int, jobs: int | None, tell: Tell) -> list[Problem]:
    rows = {row.unit: row for row in submission.rows}
    found: list[Problem] = []
    work: list[tuple[Callable[[Any], list[Problem]], Any]]
    if submission.layout.actions is None:
        is_ranked = submission.metadata.kind == "entry"
        traces = submission.layout.traces
        work = [
            (check_episode, Claim(unit, rows[unit.id], traces[unit.id], submission.suites, is_ranked, level))
            for unit in submission.units
        ]
    else:
        try:
            acted = read_actions(submission.layout.actions, submission.units)
        except RefusedSubmission as refusal:
            return [refusal.problem]
        work = [
            (check_compact, CompactClaim(unit, rows[unit.id], acted[unit.id], submission.suites, level))
            for unit in submission.units
        ]
    for done, problems in enumerate(_spread(work, jobs), start=1):
        found += problems
        tell(done, len(work))
    return sorted(found)


def _spread(work: Sequence[tuple[Callable[[Any], list[Problem]], Any]], jobs: int | None) -> Iterator[list[Problem]]:
    """Do the work in processes; whatever breaks is a problem of its own, never a pass."""
    jobs = min(jobs or os.cpu_count() or 1, len(work))
    if jobs == 1:
        yield from (_guarded(check, claim) for check, claim in work)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(_guarded, check, claim): claim for check, claim in work}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                raise EmCoopError("a verifying process died: check memory, or use --jobs 1") from None


def _guarded(check: Callable[[Any], list[Problem]], claim: Any) -> list[Problem]:
    """Turn whatever a check raises into a problem: what cannot be checked has not passed."""
    try:
        return check(claim)
    except Exception as error:
        text = f"it cannot be checked: {type(error).__name__}: {str(error)[:300]}"
        return [Problem(Level.L0, "unchecked", claim.unit.id, text)]


def _verdict(asked: int, found: Iterable[Problem], submission: Submission | None = None) -> Verdict:
    problems = sorted(found)
    failed = min((problem.level for problem in problems), default=asked + 1)
    about: dict[str, Any] = {}
    if submission is not None:
        metadata = submission.metadata
        about = {
            "suite": metadata.suite,
            "suite_hash": submission.suites[0][1],
            "track": metadata.track,
            "planner": label_of(metadata.planner),
            "content": content_hash(submission.layout.folder),
            "episodes": len(submission.units),
        }
    return Verdict(
        level=min(asked, failed - 1),
        asked=asked,
        problem_count=len(problems),
        problems=problems[:MOST_PROBLEMS],
        **about,
    )
