"""Attacks on the files of a submission: every one is refused, for its own reason, before an episode is opened."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from forgery import Forgery

from emcoop.leaderboards import layout
from emcoop.leaderboards.verify import Verdict, verify

Attack = Callable[[Forgery], object]
OTHER = "0" * 64
LONG = "n" * 250 + ".gz"


def refused(honest: Path, attack: Attack, folder: Path) -> Verdict:
    copy = folder / honest.name
    shutil.copytree(honest, copy)
    attack(Forgery(copy))
    return verify(copy, jobs=1)


def check(verdict: Verdict, code: str, piece: str) -> None:
    assert not verdict.passed
    assert verdict.level == -1
    found = verdict.problems
    assert {problem.code for problem in found} == {code}, found
    assert piece in found[0].reason, found[0]
    assert all(str(problem).isprintable() and len(problem.reason) <= 1000 for problem in found)


# Files ----------------------------------------------------------------------------------------------------------------


def write(name: str, data: bytes = b"x") -> Attack:
    def attack(forgery: Forgery) -> None:
        path = forgery.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    return attack


def remove(name: str) -> Attack:
    return lambda forgery: (forgery.folder / name).unlink()


def linked_trace(forgery: Forgery) -> None:
    path = forgery.path(forgery.units[0])
    elsewhere = forgery.folder.parent / "elsewhere.gz"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def linked_folder(forgery: Forgery) -> None:
    elsewhere = forgery.folder.parent / "elsewhere"
    (forgery.folder / "traces").rename(elsewhere)
    (forgery.folder / "traces").symlink_to(elsewhere, target_is_directory=True)


def linked_table(forgery: Forgery) -> None:
    elsewhere = forgery.folder.parent / "elsewhere.csv"
    (forgery.folder / "results.csv").rename(elsewhere)
    (forgery.folder / "results.csv").symlink_to(elsewhere)


def pipe(forgery: Forgery) -> None:
    path = forgery.path(forgery.units[0])
    path.unlink()
    os.mkfifo(path)


def sparse(name: str, size: int) -> Attack:
    def attack(forgery: Forgery) -> None:
        with (forgery.folder / name).open("ab") as file:
            file.truncate(size)

    return attack


def many(forgery: Forgery) -> None:
    for number in range(layout.MOST_EPISODES + 1):
        (forgery.folder / "traces" / f"t{number}.jsonl.gz").touch()


FILES: list[tuple[str, Attack, str, str]] = [
    ("no table", remove("results.csv"), "missing-file", "make the submission with"),
    ("no metadata", remove("metadata.yaml"), "missing-file", "make the submission with"),
    ("a script beside it", write("setup.py"), "unknown-file", "does not belong here"),
    ("a folder beside it", write(".git/config"), "file-name", "names consist of"),
    ("a folder in traces", lambda f: (f.folder / "traces" / "a.jsonl.gz").mkdir(), "file-kind", "only plain files"),
    ("a folder for a file", lambda f: (f.folder / "README.md").mkdir(), "file-kind", "plain file"),
    ("a trace of another kind", write("traces/x.pickle"), "unknown-file", "traces end with"),
    ("a trace nobody asked for", write("traces/x.jsonl.gz"), "stray-trace", "does not have"),
    ("an unfinished trace", write("traces/x.jsonl.part"), "unknown-file", "traces end with"),
    ("a trace that is a link", linked_trace, "file-kind", "links are not followed"),
    ("traces that are a link", linked_folder, "file-kind", "links are not followed"),
    ("a table that is a link", linked_table, "file-kind", "links are not followed"),
    ("a pipe that never ends", pipe, "file-kind", "only plain files"),
    ("a colon in a name", write("traces/c:x.jsonl.gz"), "file-name", "names consist of"),
    ("a backslash in a name", write("traces/..\\x.jsonl.gz"), "file-name", "names consist of"),
    ("a line feed in a name", write("traces/a\n::error::x.jsonl.gz"), "file-name", "names consist of"),
    ("an escape in a name", write("traces/\x1b[2Jx.jsonl.gz"), "file-name", "names consist of"),
    ("a name as long as can be", write(f"traces/{LONG}"), "file-name", "names consist of"),
    ("a hidden file", write(".env"), "file-name", "names consist of"),
    ("20,001 traces", many, "too-many-files", "more than the allowed 20000"),
    ("metadata of 10 MB", sparse("metadata.yaml", 10 << 20), "too-large", "10485760 bytes"),
    ("a table of 1 GB", sparse("results.csv", 1 << 30), "too-large", "bytes, at most"),
    ("a trace of 1 GB", lambda f: sparse(f"traces/{f.units[0]}.jsonl.gz", 1 << 30)(f), "too-large", "bytes, at most"),
    ("traces and actions", write("actions.jsonl.gz"), "evidence", "exactly one of them"),
    ("neither traces nor actions", lambda f: shutil.rmtree(f.folder / "traces"), "evidence", "exactly one of them"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and such names are of other systems")
@pytest.mark.parametrize(("attack", "code", "piece"), [entry[1:] for entry in FILES], ids=[e[0] for e in FILES])
def test_files(attack: Attack, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    check(refused(honest["team"], attack, tmp_path), code, piece)


# Metadata -------------------------------------------------------------------------------------------------------------


def laughs(forgery: Forgery) -> None:
    lines = [
        "a0: &a0 [x, x, x, x, x, x, x, x, x]",
        *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)),
    ]
    forgery.add_yaml("\n".join(lines) + "\n")


def tell(**changes: object) -> Attack:
    return lambda forgery: forgery.tell(**changes)


def add(text: str) -> Attack:
    return lambda forgery: forgery.add_yaml(text)


def swap(old: str, new: str) -> Attack:
    return lambda forgery: forgery.yaml(old, new)


METADATA: list[tuple[str, Attack, str, str]] = [
    (
        "a tag that runs code",
        swap("url: ''", "url: !!python/object/apply:os.system ['echo']"),
        "metadata",
        "not valid YAML",
    ),
    ("a tag that makes an object", swap("url: ''", "url: !!python/name:os.system"), "metadata", "not valid YAML"),
    ("binary data", swap("url: ''", "url: !!binary aGk="), "metadata", "allowed are text, numbers"),
    ("an alias", add("contact2: &x a\nlicense2: *x\n"), "metadata", "aliases (*name) are not allowed"),
    ("a billion laughs", laughs, "metadata", "aliases (*name) are not allowed"),
    ("a key twice", add("slug: another\n"), "metadata", "the key 'slug' appears twice"),
    ("a merged mapping", add("<<: {url: 'https://example.org'}\n"), "metadata", "merge keys (<<) are not allowed"),
    ("two documents", add("---\nname: B\n"), "metadata", "not valid YAML"),
    ("verified by itself", add("verified: true\n"), "metadata", "unknown key of metadata.yaml 'verified'"),
    ("a level by itself", add("level: 3\n"), "metadata", "unknown key of metadata.yaml 'level'"),
    ("a future schema", tell(schema="emcoop-submission-2"), "metadata", "update emcoop"),
    ("a number beyond all", swap("attempts: 1", f"attempts: {'9' * 400}"), "metadata", "does not fit"),
    ("a number of 5,000 digits", swap("attempts: 1", f"attempts: {'9' * 5000}"), "metadata", "cannot be read"),
    ("attempts below one", tell(attempts=0), "metadata", "attempts"),
    ("not a number", swap("cost_usd: null", "cost_usd: .nan"), "metadata", "allowed are text, numbers"),
    ("nested too deeply", swap("url: ''", f"url: {'[' * 3000}{']' * 3000}"), "metadata", "nested too deeply"),
    ("not UTF-8", lambda f: (f.folder / "metadata.yaml").write_bytes(b"name: \xff\xfe"), "metadata", "not UTF-8"),
    ("an invisible turn of direction", tell(name="GPT\u202e4-elcaro"), "metadata", "characters that are not shown"),
    ("a zero-width name", tell(name="Some\u200bbody"), "metadata", "characters that are not shown"),
    ("half a character", swap("name: Somebody", 'name: "a\\ud800b"'), "metadata", "not shown"),
    ("an escape for terminals", swap("name: Somebody", 'name: "\\e[31mSomebody"'), "metadata", "not shown"),
    ("a line feed after the slug", swap("slug: team", 'slug: "team\\n"'), "metadata", "lower-case words"),
    ("a path for a slug", tell(slug="../../x"), "metadata", "lower-case words"),
    ("a script for an address", tell(url="javascript:alert(1)"), "metadata", "begins with https://"),
    ("no authors", tell(authors=[]), "metadata", "authors"),
    ("an unknown suite", tell(suite="my-own-v1"), "metadata", "unknown frozen suite"),
    ("a suite by its path", tell(suite="../x.yaml"), "metadata", "unknown frozen suite"),
    ("the hash of another suite", tell(suite_hash=OTHER), "suite-hash", "run the suite that ships"),
    ("another version", tell(emcoop="99.0.0"), "version", "verify with that version"),
    ("another folder's name", tell(slug="someone-else"), "folder-name", "date and slug say"),
    ("another date", tell(date="2020-01-01"), "folder-name", "date and slug say"),
    ("fewer tokens", tell(tokens=1), "tokens", "tokens says 1"),
    ("fewer decisions", tell(decisions=1), "decisions", "decisions says 1"),
    ("fewer messages", tell(messages=0), "messages", "messages says 0"),
    ("another count of episodes", tell(episodes=3), "episodes", "episodes says 3"),
    ("a table it was not prepared with", tell(results_sha256=OTHER), "table-hash", "results_sha256 differs"),
    ("a reference of its own", tell(kind="reference"), "kind", "only the project's own rows"),
    ("a check of the plumbing", tell(kind="plumbing"), "kind", "only the project's own rows"),
    ("scripts in the standard track", tell(track="standard"), "eligibility", "planner 'team' is not `llm`"),
    ("a planner that is none", tell(planner={}), "planner", "names no planner"),
    ("a planner without a name", tell(planner={"model": "x/y"}), "planner", "names no planner"),
    ("a number for a planner", tell(planner={"name": 5}), "planner", "names no planner"),
    ("planners in planners", tell(planner=[[["team"]]]), "planner", "names no planner"),
    ("no planners", tell(planner=[]), "planner", "empty"),
    ("more planners than seats", tell(planner=["team", "team", "team"]), "metadata", "3 planners for 2 agents"),
    ("an option that is none", tell(planner={"name": "team", "peek": True}), "metadata", "peek"),
    ("a model without a name", tell(planner={"name": "llm"}), "metadata", "llm"),
    ("an unknown planner", tell(planner="mine"), "planner", "registered under no name"),
    ("code by its address", tell(planner="policy:antigravity:fly"), "planner", "nobody runs what a submission names"),
    ("code in a team", tell(planner=["team", {"name": "policy", "policy": "os:abort"}]), "planner", "nobody runs"),
    ("code that is silent", tell(planner="silent:policy:os:abort"), "planner", "nobody runs"),
    (
        "code that is silent, as a mapping",
        tell(planner={"name": "silent", "planner": {"name": "policy", "policy": "a:b"}}),
        "planner",
        "nobody runs",
    ),
    ("a file of the verifier", tell(planner="replay:/etc/passwd"), "planner", "may bring in"),
    ("a person at the verifier's keyboard", tell(planner="human"), "planner", "may bring in"),
    (
        "prompts from the verifier's disk",
        tell(planner={"name": "llm", "model": "a/b", "prompts": "/etc"}),
        "planner",
        "do not ship",
    ),
]


@pytest.mark.parametrize(("attack", "code", "piece"), [e[1:] for e in METADATA], ids=[e[0] for e in METADATA])
def test_metadata(attack: Attack, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    check(refused(honest["team"], attack, tmp_path), code, piece)


def test_code_that_a_submission_names_is_not_imported(honest: dict[str, Path], tmp_path: Path) -> None:
    refused(honest["team"], tell(planner="policy:antigravity:fly"), tmp_path)
    assert "antigravity" not in sys.modules


def test_an_unfrozen_suite_of_a_frozen_name(
    honest: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec
    from small_suites import SUITES

    from emcoop.errors import EmCoopError

    changed = msgspec.structs.replace(SUITES["small-v1"], max_steps=50)
    monkeypatch.setitem(SUITES, "small-v1", changed)
    with pytest.raises(EmCoopError, match="is not what was frozen"):
        verify(honest["team"], jobs=1)


# The table ------------------------------------------------------------------------------------------------------------


def field(column: str, text: str) -> Attack:
    return lambda forgery: forgery.field(column, text)


def table(change: Callable[[str], str]) -> Attack:
    def attack(forgery: Forgery) -> None:
        text = (forgery.folder / "results.csv").read_text(encoding="utf-8")
        assert change(text) != text
        forgery.put_table(change(text), settle=False)

    return attack


def rows(change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Attack:
    return lambda forgery: forgery.put_rows(change(forgery.rows))


def another_seed(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "seed": "77"} if i == 0 else row for i, row in enumerate(found)]


def extra_seed(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [*found, {**found[0], "unit": found[0]["unit"].replace("s003", "s077"), "seed": "77"}]


def traversal(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**found[0], "unit": "../../../etc/passwd"}, *found[1:]]


def huge_id(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**found[0], "unit": "u" * 15_000}, *found[1:]]


TABLE: list[tuple[str, Attack, set[str], str]] = [
    ("NaN", field("score", "nan"), {"not-finite"}, "'nan' is not finite"),
    ("infinity", field("score", "inf"), {"not-finite"}, "'inf' is not finite"),
    ("a number beyond floats", field("score", "1e999"), {"not-finite"}, "'1e999' is not finite"),
    ("a negative zero", field("score", "-0.0"), {"number"}, "not spelled as emcoop does"),
    ("hexadecimal", field("score", "0x1p3"), {"number"}, "is no number"),
    ("underscores", field("steps", "1_4.0"), {"number"}, "not spelled as emcoop does"),
    ("digits of another script", field("score", "\u0661.0"), {"number"}, "not spelled as emcoop does"),
    ("a blank before a number", field("score", " 0.0"), {"number"}, "not spelled as emcoop does"),
    ("a formula for a score", field("score", "=1+1"), {"number"}, "is no number"),
    ("a formula beside it", field("error", '=HYPERLINK("https://example.org")'), {"table"}, "its error is"),
    ("a path beside it", field("trace", "/etc/passwd"), {"table"}, "its trace is"),
    ("the best of many attempts", field("attempt", "17"), {"table"}, "its attempt is '17'"),
    ("a script for a digest", field("digest", "<script>alert(1)</script>"), {"digest"}, "64 hexadecimal digits"),
    ("an episode spoilt on purpose", field("status", "infra_error"), {"status"}, "only completed and agent_error"),
    ("a NUL", table(lambda text: text.replace("completed", "comp\0leted", 1)), {"table"}, "control character '\\x00'"),
    ("an escape", table(lambda text: text.replace("completed", "\x1b[2J", 1)), {"table"}, "control character '\\x1b'"),
    ("line ends of another system", table(lambda text: text.replace("\n", "\r\n")), {"table"}, "control character"),
    (
        "quotes around a field",
        table(lambda text: text.replace("small-v1", '"small-v1"', 1)),
        {"table"},
        "not written as emcoop writes it",
    ),
    ("blank lines", table(lambda text: text + "\n\n"), {"table"}, "another number of fields"),
    ("not UTF-8", table(lambda text: text + "\udcff"), {"table"}, "not UTF-8"),
    ("a field of 30,000 characters", table(lambda text: text + "u" * 30_000 + "\n"), {"table"}, "not CSV"),
    ("a column more", table(lambda text: text.replace("unit,", "unit,verified,", 1)), {"columns"}, "'verified'"),
    ("columns in another order", table(lambda text: text.replace("unit,suite", "suite,unit", 1)), {"columns"}, "order"),
    ("a field less", table(lambda text: text.rsplit(",", 1)[0] + "\n"), {"table"}, "another number of fields"),
    ("a million commas", table(lambda text: text + "," * 1_000_000), {"table"}, "longer than the allowed 100000"),
    ("30,000 rows", table(lambda text: text + "x\n" * 30_000), {"too-large"}, "more than the allowed 20000 rows"),
    (
        "an empty table",
        table(lambda text: text.split("\n")[0] + "\n"),
        {"missing", "stray-trace", "episodes", "decisions", "messages"},
        "",
    ),
    ("an episode missing", rows(lambda found: found[:1]), {"missing", "stray-trace"}, "with seed 5"),
    ("an episode twice", rows(lambda found: [*found, found[0]]), {"duplicate"}, "in the table twice"),
    (
        "one for the other",
        rows(lambda found: [found[0], found[0]]),
        {"duplicate", "missing", "stray-trace"},
        "in the table twice",
    ),
    ("a seed more", rows(extra_seed), {"extra-seed", "no-trace"}, "seed '77' is not one of the suite's"),
    ("another seed in a row", rows(another_seed), {"wrong-cell"}, "column seed says '77'"),
    ("a path for an id", rows(traversal), {"unknown-episode", "missing", "no-trace", "stray-trace"}, "no such episode"),
    (
        "an id of 15,000 characters",
        rows(huge_id),
        {"unknown-episode", "missing", "no-trace", "stray-trace"},
        "no such episode",
    ),
    ("another cell", field("n_agents", "3"), {"wrong-cell"}, "column n_agents says '3'"),
    ("a script for a topology", field("topology", "<script>"), {"wrong-cell"}, "column topology says '<script>'"),
    ("another digest", field("digest", OTHER), {"digest"}, "the trace's bytes give"),
]


@pytest.mark.parametrize(("attack", "codes", "piece"), [e[1:] for e in TABLE], ids=[e[0] for e in TABLE])
def test_table(attack: Attack, codes: set[str], piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    verdict = refused(honest["team"], attack, tmp_path)
    assert verdict.level == -1
    assert {problem.code for problem in verdict.problems} == codes, verdict.problems
    assert any(piece in problem.reason for problem in verdict.problems), verdict.problems
    assert all(str(problem).isprintable() for problem in verdict.problems)
