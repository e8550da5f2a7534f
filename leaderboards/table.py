"""`results.csv` of a submission: written from a sweep's rows, read back as from a stranger."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from emcoop.baselines.expansion import Unit
from emcoop.baselines.results import CELL, SCORED, csv_text
from emcoop.leaderboards.layout import LIMITS, MOST_EPISODES, RESULTS, Layout, read_limited
from emcoop.leaderboards.problems import Level, Problem, quoted, refused
from emcoop.metrics.registry import built_in

HEAD = ("unit", "suite", "env", "variant", "n_agents", "topology", "planner", "regime", "condition", "seed")
TEXTS = ("attempt", "status", "error", "trace", "digest")
LONGEST_FIELD = 20_000
LONGEST_ROW = 100_000
FIXED = {"attempt": "1", "error": "", "trace": ""}
"""Columns of a sweep's table that say nothing here; why an episode went wrong is in its trace."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Row(msgspec.Struct, frozen=True):
    """One episode as `results.csv` states it.

    Attributes:
        unit: Id of the episode.
        cell: Its settings as texts, by column.
        status: `completed` or `agent_error`.
        digest: Hash of its trace.
        metrics: Value of every metric, NaN where the field is empty.
    """

    unit: str
    cell: dict[str, str]
    status: str
    digest: str
    metrics: dict[str, float]


def columns() -> list[str]:
    """Return the columns of every submission's table."""
    names = sorted(built_in())
    first = [name for name in ("score", "raw_score", "steps") if name in names]
    return [*HEAD, *TEXTS, *first, *(name for name in names if name not in first)]


def table_text(rows: Sequence[Mapping[str, Any]], suite: str) -> str:
    """Return `results.csv` for rows of a sweep: the frozen suite's name, the metrics of this package, no paths."""
    known = columns()
    kept = [{**{name: _plain(row.get(name, math.nan)) for name in known}, "suite": suite, **FIXED} for row in rows]
    return csv_text(kept)


def _plain(value: Any) -> Any:
    return value + 0.0 if isinstance(value, float) else value  # there is one zero, without a sign


def totals(rows: Iterable[Mapping[str, float]]) -> dict[str, int]:
    """Return tokens, messages and decisions over all episodes, from their metrics."""

    def known(value: float) -> float:
        return value if value == value else 0.0

    sums = {"tokens": 0, "messages": 0, "decisions": 0}
    for row in rows:
        sums["tokens"] += round(known(row["prompt_tokens"]) + known(row["completion_tokens"]))
        sums["messages"] += round(known(row["messages_total"]))
        sums["decisions"] += round(known(row["decisions_per_step"] * row["steps"]))
    return sums


def read_table(layout: Layout) -> list[Row]:
    """Read the table of a submission.

    Raises:
        RefusedSubmission: Not UTF-8 CSV of the right columns, a value that is no finite number, an unknown status.
    """
    raw = read_limited(layout.folder / RESULTS, LIMITS[RESULTS])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused("table", RESULTS, f"it is not UTF-8 text (byte {error.start})") from None
    lines = _lines(text)
    due = columns()
    if not lines or lines[0] != due:
        wrong = sorted(set(lines[0] if lines else ()) ^ set(due))
        what = f"these differ: {quoted(wrong[:5])}" if wrong else "their order differs"
        raise refused("columns", RESULTS, f"the columns are not those of emcoop's table; {what}; prepare it again")
    rows = [_row(dict(zip(due, line)), number, len(line) == len(due)) for number, line in enumerate(lines[1:], start=2)]
    if _csv(lines) != text:
        raise refused("table", RESULTS, "it is not written as emcoop writes it (quotes, line ends); prepare it again")
    return rows


def _lines(text: str) -> list[list[str]]:
    if (hidden := _HIDDEN.search(text)) is not None:
        where = text.count("\n", 0, hidden.start()) + 1
        shown = f"the control character {hidden.group()!r}"
        raise refused("table", f"{RESULTS}, line {where}", f"it holds {shown}; prepare it again")
    _check_size(text)
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise refused("table", RESULTS, f"it is not CSV: {error}") from None
    finally:
        csv.field_size_limit(before)


def _check_size(text: str) -> None:
    """Check lines before they are taken apart: very many or very long ones would fill the memory as fields."""
    start = 0
    for number in range(1, MOST_EPISODES + 2):
        end = text.find("\n", start)
        if (len(text) if end < 0 else end) - start > LONGEST_ROW:
            raise refused(
                "table", f"{RESULTS}, line {number}", f"it is longer than the allowed {LONGEST_ROW} characters"
            )
        start = end + 1
        if end < 0 or start == len(text):
            return
    raise refused("too-large", RESULTS, f"it has more than the allowed {MOST_EPISODES} rows")


def _csv(lines: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def _row(fields: dict[str, str], number: int, is_whole: bool) -> Row:
    where = f"{RESULTS}, line {number}"
    if not is_whole:
        raise refused("table", where, "it has another number of fields than there are columns")
    if fields["status"] not in SCORED:
        shown = quoted(fields["status"])
        raise refused("status", where, f"its status is {shown}; only {' and '.join(SCORED)} episodes are submitted")
    for name, due in FIXED.items():
        if fields[name] != due:
            raise refused(
                "table", where, f"its {name} is {quoted(fields[name])}, and has to be {due!r}; prepare it again"
            )
    if not _DIGEST.fullmatch(fields["digest"]):
        raise refused("digest", where, f"its digest is {quoted(fields['digest'])}, and has to be 64 hexadecimal digits")
    metrics = {name: _number(fields[name], f"{where}, {name}") for name in columns()[len(HEAD) + len(TEXTS) :]}
    cell = {name: fields[name] for name in CELL if name != "suite"}
    return Row(fields["unit"], cell, fields["status"], fields["digest"], metrics)


def _number(text: str, where: str) -> float:
    if text == "":
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise refused("number", where, f"{quoted(text)} is no number") from None
    if not math.isfinite(value):
        raise refused("not-finite", where, f"{quoted(text)} is not finite; a metric that does not apply is left empty")
    if repr(value + 0.0) != text:
        # Underscores, digits of other scripts, blanks, a signed zero: all numbers to Python, not to everybody.
        raise refused("number", where, f"{quoted(text)} is not spelled as emcoop does ({value + 0.0!r})")
    return value


def check_coverage(rows: Sequence[Row], units: Sequence[Unit], layout: Layout) -> list[Problem]:
    """Check that a table holds every episode of the suite once, and nothing else, and that each has its evidence."""
    due = {unit.id: unit for unit in units}
    seen: set[str] = set()
    found = []
    for row in rows:
        if row.unit in seen:
            found.append(_problem("duplicate", row.unit, "the episode is in the table twice; each is scored once"))
        elif row.unit not in due:
            found.append(_unknown(row, units))
        elif (wrong := _wrong_cell(row, due[row.unit])) is not None:
            found.append(wrong)
        seen.add(row.unit)
    missing = [unit for unit in units if unit.id not in seen]
    if missing:
        first = missing[0]
        text = (
            f"{len(missing)} of {len(units)} episodes of the suite are missing, the first with seed {first.seed}; "
            "every cell needs every seed"
        )
        found.append(_problem("missing", first.id, text))
    if layout.actions is None:
        found += [
            _problem("no-trace", row.unit, "the table has the episode, but there is no trace of it")
            for row in rows
            if row.unit not in layout.traces
        ]
        found += [
            _problem("stray-trace", quoted(unit), "there is a trace of an episode that the table does not have")
            for unit in layout.traces
            if unit not in seen
        ]
    return found


def _unknown(row: Row, units: Sequence[Unit]) -> Problem:
    """Say what is wrong with a row that is no episode of the suite."""
    cell = row.cell
    seeds = {str(unit.seed) for unit in units}
    if cell["seed"] not in seeds:
        text = f"seed {quoted(cell['seed'])} is not one of the suite's; extra seeds are not taken"
        return _problem("extra-seed", quoted(row.unit), text)
    return _problem("unknown-episode", quoted(row.unit), "the suite has no such episode; prepare the submission again")


def _wrong_cell(row: Row, unit: Unit) -> Problem | None:
    for name, text in row.cell.items():
        if text != str(getattr(unit, name)):
            said = f"column {name} says {quoted(text)}, the episode has {getattr(unit, name)!r}"
            return _problem("wrong-cell", row.unit, f"{said}; prepare the submission again")
    return None


def _problem(code: str, where: str, reason: str) -> Problem:
    return Problem(Level.L0, code, where, reason)
