"""Making a submission out of a sweep: the table, the evidence, and metadata with everything that can be computed."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from emcoop.baselines.folder import SUITE_FILE
from emcoop.baselines.preflight import check_teams
from emcoop.baselines.results import SCORED, read_rows
from emcoop.baselines.schema import Suite, label_of
from emcoop.baselines.suite import load_suite, suite_hash
from emcoop.errors import ConfigError
from emcoop.leaderboards.compact import actions_bytes
from emcoop.leaderboards.eligibility import why_not_in_track, why_not_opened
from emcoop.leaderboards.frozen import frozen_hashes, frozen_suite, suite_for, units_for
from emcoop.leaderboards.layout import ACTIONS, METADATA, RESULTS, TRACE_ENDING, TRACES
from emcoop.leaderboards.metadata import Meta, Metadata, write_metadata
from emcoop.leaderboards.table import table_text, totals
from emcoop.version import __version__


def prepare(
    sweep: Path,
    meta: Meta,
    out: Path,
    *,
    planner: str | None = None,
    date: datetime.date,
    compact: bool = False,
) -> Path:
    """Write a submission.

    Args:
        sweep: Folder of a finished sweep of a frozen suite, with the suite's planners or one of your own.
        meta: What the submitter wrote.
        out: Folder to put it in, made if needed; the submission gets a folder of its own there.
        planner: Label of the planner to submit, needed if the sweep ran several.
        date: Date of the submission.
        compact: Whether joint actions stand in for traces.

    Returns:
        The submission's folder. It appears whole or not at all.

    Raises:
        ConfigError: Not a sweep of a frozen suite, episodes are missing or not scored, the track does not take such a
            team, the folder is there already.
    """
    ran = load_suite(sweep / SUITE_FILE)
    chosen = _planner(ran, planner)
    if reasons := why_not_opened(chosen):
        raise ConfigError(f"this team cannot be submitted: {reasons[0]}")
    suite = _frozen_of(ran, chosen)
    outside = why_not_in_track(meta.track, chosen, meta.prompts_modified) if meta.kind == "entry" else []
    if outside:
        raise ConfigError(f"the track {meta.track!r} does not take this: {outside[0]}")
    units = units_for(suite.name, chosen)
    if compact and check_teams(units):
        raise ConfigError("only traces hold what models replied, and this team asks some: leave out --compact")
    rows = {row["unit"]: row for row in read_rows(sweep)}
    unscored = [unit.id for unit in units if rows.get(unit.id, {}).get("status") not in SCORED]
    if unscored:
        raise ConfigError(
            f"{len(unscored)} of {len(units)} episodes have no result, such as {unscored[0]}: "
            "run the same sweep command again until none is missing"
        )
    kept = [rows[unit.id] for unit in sorted(units, key=lambda unit: unit.id)]
    text = table_text(kept, suite.name)
    told: dict[str, Any] = {name: getattr(meta, name) for name in Meta.__struct_fields__}
    metadata = Metadata(
        **told,
        **cast("dict[str, Any]", totals(kept)),
        date=date,
        suite=suite.name,
        suite_hash=suite_hash(suite),
        emcoop=__version__,
        planner=chosen,
        episodes=len(kept),
        results_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    target = out / metadata.folder_name
    if target.exists():
        raise ConfigError(f"{target} is there already: remove it, or give another slug")
    out.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".prepare-", dir=out))
    try:
        _write(part, sweep, kept, metadata, text, compact)
        os.replace(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    target.chmod(0o755)
    return target


def _write(
    folder: Path, sweep: Path, rows: Sequence[dict[str, Any]], metadata: Metadata, text: str, compact: bool
) -> None:
    (folder / METADATA).write_text(write_metadata(metadata), encoding="utf-8", newline="\n")
    (folder / RESULTS).write_text(text, encoding="utf-8", newline="")
    paths = [(row["unit"], _trace(sweep, row)) for row in rows]
    if compact:
        (folder / ACTIONS).write_bytes(actions_bytes(paths))
        return
    (folder / TRACES).mkdir()
    for unit, path in paths:
        shutil.copyfile(path, folder / TRACES / f"{unit}{TRACE_ENDING}")


def _trace(sweep: Path, row: dict[str, Any]) -> Path:
    path = sweep / str(row["trace"])
    if not row["trace"] or not path.is_file():
        raise ConfigError(
            f"the trace of {row['unit']} is not in {sweep}: it is the evidence, so run the suite again in a new folder"
        )
    return path


def _planner(ran: Suite, planner: str | None) -> Any:
    """Return the spec of the planner to submit."""
    known = {label_of(spec): spec for spec in ran.planners}
    if planner is None and len(known) == 1:
        return next(iter(known.values()))
    if planner not in known:
        names = ", ".join(known)
        raise ConfigError(f"the sweep ran {names}: say which one to submit with --planner, got {planner!r}")
    return known[planner]


def _frozen_of(ran: Suite, planner: Any) -> Suite:
    """Return the frozen suite a sweep belongs to: the suite itself, or it with one planner in place of its own."""
    for name in frozen_hashes():
        suite = frozen_suite(name)
        if suite_hash(ran) in (suite_hash(suite), suite_hash(suite_for(name, planner))):
            return suite
    raise ConfigError(
        f"the sweep is of suite {ran.name!r}, and only frozen suites are ranked ({', '.join(frozen_hashes())}): "
        "run `emcoop sweep SUITE --planner YOURS` with one of them"
    )
