"""Honest submissions pass; verdicts are the verifier's alone; attacks on compact and on faulty episodes."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from forgery import Events, Forgery, first, of
from small_suites import LLM, SUITES

from emcoop.baselines.suite import suite_hash
from emcoop.errors import EmCoopError
from emcoop.leaderboards import entries
from emcoop.leaderboards.eligibility import why_not_opened
from emcoop.leaderboards.fresh import without_addresses
from emcoop.leaderboards.problems import LONGEST, Level, Problem
from emcoop.leaderboards.verify import SCHEMA, Verdict, content_hash, read_submission, record, verify
from emcoop.trace import schema

Attack = Callable[[Forgery], object]


def copied(honest: Path, folder: Path) -> Forgery:
    copy = folder / honest.name
    shutil.copytree(honest, copy)
    return Forgery(copy)


# Honest ones ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["team", "compact", "llm", "robust"])
def test_an_honest_submission_passes_every_level(kind: str, honest: dict[str, Path]) -> None:
    before = {path: path.read_bytes() for path in honest[kind].rglob("*") if path.is_file()}
    told: list[tuple[int, ...]] = []
    for level in (Level.L0, Level.L1, Level.L2):
        verdict = verify(honest[kind], level, jobs=1, tell=lambda *done: told.append(done))
        assert (verdict.level, verdict.problems, verdict.passed) == (level, [], True)
    assert told == [(1, 2), (2, 2)] * 3
    assert verdict.content == content_hash(honest[kind])
    assert verdict.planner == (LLM if kind == "llm" else "team")
    assert {path: path.read_bytes() for path in honest[kind].rglob("*") if path.is_file()} == before


def test_a_reference_is_the_projects_own(honest: dict[str, Path], tmp_path: Path) -> None:
    forgery = copied(honest["team"], tmp_path)
    forgery.tell(kind="reference")
    assert verify(forgery.folder, jobs=1, is_own=True).passed
    assert not verify(forgery.folder, jobs=1).passed


# The record -----------------------------------------------------------------------------------------------------------


def forged(folder: Path, **changes: Any) -> Path:
    verdict = Verdict(level=3, asked=3, suite="small-v1", content=content_hash(folder))
    data = {**msgspec.to_builtins(verdict), **changes}
    (folder / "verification.json").write_text(json.dumps(data), encoding="utf-8")
    return folder / "verification.json"


def test_a_forged_record_is_not_read_and_is_written_over(honest: dict[str, Path], tmp_path: Path) -> None:
    forgery = copied(honest["team"], tmp_path)
    path = forged(forgery.folder)
    forgery.field("score", "0.99")
    verdict = verify(forgery.folder, jobs=1)
    assert (verdict.level, [problem.code for problem in verdict.problems]) == (0, ["score"])
    assert record(forgery.folder, verdict) == path
    written = json.loads(path.read_text(encoding="utf-8"))
    assert (written["schema"], written["level"], written["problem_count"]) == (SCHEMA, 0, 1)
    assert msgspec.convert(written, Verdict) == verdict


def test_a_record_is_of_one_table_and_metadata(
    honest: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "frozen_hashes", lambda: {name: suite_hash(suite) for name, suite in SUITES.items()})
    forgery = copied(honest["team"], tmp_path)

    def recorded() -> Verdict | None:
        return entries.read_verdict(read_submission(forgery.folder)[0])

    verdict = verify(forgery.folder, jobs=1)
    record(forgery.folder, verdict)
    assert recorded() == verdict
    forgery.tell(description="another")
    assert recorded() is None
    for text in ("", "[]", "{}", '{"level": 3}', "NaN"):
        (forgery.folder / "verification.json").write_text(text, encoding="utf-8")
        assert recorded() is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
@pytest.mark.parametrize("name", ["verification.json", "verification.json.part"])
def test_recording_follows_no_link(name: str, honest: dict[str, Path], tmp_path: Path) -> None:
    forgery = copied(honest["team"], tmp_path)
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    (forgery.folder / name).symlink_to(mine)
    verdict = verify(forgery.folder, jobs=1)
    assert verdict.problems[0].code in ("file-kind", "unknown-file")
    record(forgery.folder, verdict)
    assert mine.read_text() == "precious"
    assert json.loads((forgery.folder / "verification.json").read_text())["level"] == -1


def test_a_folder_in_place_of_the_record_is_said(honest: dict[str, Path], tmp_path: Path) -> None:
    forgery = copied(honest["team"], tmp_path)
    (forgery.folder / "verification.json").mkdir()
    verdict = verify(forgery.folder, jobs=1)
    assert [problem.code for problem in verdict.problems] == ["file-kind"]
    with pytest.raises(EmCoopError, match="cannot be written"):
        record(forgery.folder, verdict)
    assert [path.name for path in forgery.folder.iterdir() if path.name.startswith(".")] == []


def test_what_is_no_folder_is_refused(tmp_path: Path, honest: dict[str, Path]) -> None:
    (tmp_path / "link").symlink_to(honest["team"], target_is_directory=True)
    for path in (tmp_path / "nothing", honest["team"] / "results.csv", tmp_path / "link"):
        assert [problem.code for problem in verify(path).problems] == ["folder"]


def test_problems_are_safe_to_print() -> None:
    problem = Problem(Level.L0, "x", "a\x1b[2Jb\n::error::", "\u202e" + "y" * 5000)
    assert str(problem).isprintable()
    assert len(problem.reason) == LONGEST


def test_a_check_that_breaks_has_not_passed(honest: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from emcoop.leaderboards import evidence

    def broken(trace: object) -> None:
        raise MemoryError("too much")

    with monkeypatch.context() as patch:
        patch.setattr(evidence, "score_trace", broken)
        verdict = verify(honest["team"], jobs=1)
        assert {(problem.level, problem.code) for problem in verdict.problems} == {(1, "metric")}
    monkeypatch.setattr(evidence, "replay", broken)
    verdict = verify(honest["team"], jobs=1)
    assert verdict.level == -1
    assert {problem.code for problem in verdict.problems} == {"unchecked"}


# Joint actions in place of traces -------------------------------------------------------------------------------------


def actions(change: Callable[[list[dict[str, Any]]], Any]) -> Attack:
    def attack(forgery: Forgery) -> None:
        path = forgery.folder / "actions.jsonl.gz"
        lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        kept = change(lines) or lines
        path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in kept).encode(), mtime=0))

    return attack


def data(change: Callable[[bytes], bytes]) -> Attack:
    def attack(forgery: Forgery) -> None:
        path = forgery.folder / "actions.jsonl.gz"
        path.write_bytes(change(path.read_bytes()))

    return attack


def plain(change: Callable[[bytes], bytes]) -> Attack:
    return data(lambda packed: gzip.compress(change(gzip.decompress(packed)), mtime=0))


def no_op(lines: list[dict[str, Any]]) -> None:
    """Change an action so that the score stays what it is."""
    lines[0]["actions"][-1][0] = 0 if lines[0]["actions"][-1][0] else 1


COMPACT: list[tuple[str, Attack, int, str, str]] = [
    ("a bomb of one line", data(lambda _: gzip.compress(bytes(64 << 20), 6)), 0, "actions", "longer than the allowed"),
    ("cut off", data(lambda packed: packed[:-20]), 0, "actions", "cut off"),
    ("a second member", data(lambda packed: packed + packed), 0, "actions", "data after its compressed stream"),
    ("noise", data(lambda _: b"noise"), 0, "actions", "does not decode"),
    ("a line cut off", plain(lambda text: text[:-1]), 0, "actions", "last line is cut off"),
    ("no JSON", plain(lambda text: b"{" + text), 0, "actions", "does not fit"),
    ("nested 100,000 deep", plain(lambda text: b'{"unit":' + b"[" * 100_000 + b"\n"), 0, "actions", "does not fit"),
    (
        "an action beyond all",
        actions(lambda lines: lines[0]["actions"][0].__setitem__(0, 10**30)),
        0,
        "actions",
        "does not fit",
    ),
    ("no number", plain(lambda text: text.replace(b"[[", b"[[NaN,", 1)), 0, "actions", "does not fit"),
    (
        "an episode of its own",
        actions(lambda lines: lines[0].update(unit="../../x")),
        0,
        "actions",
        "no episode '../../x'",
    ),
    ("an episode twice", actions(lambda lines: [*lines, lines[0]]), 0, "duplicate", "twice"),
    ("an episode missing", actions(lambda lines: lines[:1]), 0, "actions", "1 of 2 episodes"),
    (
        "steps after the horizon",
        actions(lambda lines: lines[0]["actions"].extend([[0, 0]] * 99)),
        0,
        "actions",
        "at most 14",
    ),
    ("an early end", actions(lambda lines: lines[0]["actions"].__delitem__(-1)), 1, "stopped-early", "13 of 14 steps"),
    ("an agent more", actions(lambda lines: lines[0]["actions"][3].append(0)), 1, "replay", "3 actions of 2 agents"),
    (
        "an action there is not",
        actions(lambda lines: lines[0]["actions"][3].__setitem__(0, 99)),
        1,
        "replay",
        "cannot be",
    ),
    ("a higher score", lambda f: f.field("score", "0.99"), 1, "score", "says score = 0.99"),
    ("another metric", lambda f: f.field("plan_coherence", "0.123"), 2, "metric", "plan_coherence"),
    ("an action of no consequence", actions(no_op), 2, "actions", "not those of the loop"),
    ("another digest", lambda f: f.field("digest", "0" * 64), 2, "digest", "loop run again gives"),
    ("a failure that was none", lambda f: f.field("status", "agent_error"), 2, "status", "ends with 'completed'"),
    ("replies of models left out", lambda f: f.tell(planner=LLM), 0, "evidence", "only traces hold their replies"),
]


@pytest.mark.parametrize(("attack", "level", "code", "piece"), [e[1:] for e in COMPACT], ids=[e[0] for e in COMPACT])
def test_compact(attack: Attack, level: int, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    forgery = copied(honest["compact"], tmp_path)
    attack(forgery)
    verdict = verify(forgery.folder, jobs=1)
    assert verdict.level == level - 1, verdict.problems
    assert {problem.code for problem in verdict.problems} == {code}, verdict.problems
    assert piece in verdict.problems[0].reason
    assert str(verdict.problems[0]).isprintable()


# Episodes in which something goes wrong on purpose --------------------------------------------------------------------


def without_faults(found: Events) -> Events:
    first(found, schema.Episode).faults = []
    return found


def without_fault_events(found: Events) -> Events:
    return [event for event in found if not isinstance(event, schema.Fault)]


def healthy(forgery: Forgery) -> None:
    """Run without what was to go wrong, under the head of an episode in which it does."""
    for unit in forgery.units:
        forgery.put(unit, forgery.played(unit, settings={}))


def played_seat(found: Events) -> Events:
    gone = {event.id for event in of(found, schema.Activation) if event.agent == 0}
    return [e for e in found if not (isinstance(e, schema.Activation) and e.id in gone)]


ROBUST: list[tuple[str, Attack, int, str, str]] = [
    ("faults not asked for", lambda f: f.alter(without_faults), 0, "settings", "faults is []"),
    ("faults that did not happen", healthy, 2, "", "the loop run again gives"),
    (
        "faults not on record",
        lambda f: f.put(f.units[1], without_fault_events(f.events(f.units[1]))),
        2,
        "",
        "the loop",
    ),
    ("a seat played from outside", lambda f: f.alter(played_seat), 0, "eligibility", "seat 0 was played from outside"),
]


@pytest.mark.parametrize(("attack", "level", "code", "piece"), [e[1:] for e in ROBUST], ids=[e[0] for e in ROBUST])
def test_faults(attack: Attack, level: int, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    forgery = copied(honest["robust"], tmp_path)
    attack(forgery)
    verdict = verify(forgery.folder, jobs=1)
    assert verdict.level == level - 1, verdict.problems
    assert code in ("", *(problem.code for problem in verdict.problems)), verdict.problems
    assert piece in verdict.problems[0].reason, verdict.problems


# Planners -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "planner",
    ["team", "silent:team", {"name": "silent", "planner": "greedy"}, ["team", "random"], "oracle", "llm:a/b",
     {"name": "llm", "model": "a/b", "prompts": "short"}, {"name": "llm", "model": "a/b", "base_url": "https://x"}],
)  # fmt: skip
def test_planners_that_may_be_built(planner: Any) -> None:
    assert why_not_opened(planner) == []


def test_the_verifier_asks_models_where_it_knows_them() -> None:
    there = {"name": "llm", "model": "a/b", "base_url": "https://example.org/v1"}
    here = {"name": "llm", "model": "a/b"}
    assert without_addresses(there) == here
    assert without_addresses([there, "team", {"name": "silent", "planner": there}]) == [
        here, "team", {"name": "silent", "planner": here},
    ]  # fmt: skip
