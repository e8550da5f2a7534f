"""The pages as text: what they say, that they hold together, and that nothing a stranger writes does anything."""

from __future__ import annotations

import configparser
import fnmatch
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from board_tools import SUITE, crowd, entry, shown

from emcoop.errors import ConfigError
from emcoop.leaderboards.board import Board, make_suite_board
from emcoop.leaderboards.comparing import Disagreement
from emcoop.leaderboards.site import build_site, marks, words

ROOT = Path(__file__).parents[2]
VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """Elements of a page; raises where they are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def links(self) -> list[str]:
        return [str(about["href"]) for _, about in self.tags if "href" in about]


def pages(site: Path) -> list[Path]:
    return [*sorted(site.rglob("index.html")), site / "methods.html"]


def text_of(site: Path, name: str) -> str:
    (path,) = site.glob(f"demo-v1/*{name}/index.html")
    return shown(path.read_text(encoding="utf-8"))


def test_same_board_same_bytes(site: Path, tmp_path: Path) -> None:
    board = Board([make_suite_board(SUITE, crowd()[::-1])], {"2026-03-04_broken": "x"})
    again = Board([make_suite_board(SUITE, crowd())], {"2026-03-04_broken": "x"})
    for place, one in (("a", board), ("b", again)):
        build_site(one, tmp_path / place)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 14
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_every_link_leads_to_a_page_of_the_site(site: Path) -> None:
    for path in pages(site):
        for link in Page(path.read_text(encoding="utf-8")).links():
            if link.startswith("https://"):
                continue
            place, _, anchor = link.partition("#")
            target = (path.parent / place).resolve() if place else path
            assert target.is_file(), f"{path}: {link}"
            assert site.resolve() in target.parents or target == path
            assert not anchor or f'id="{anchor}"' in target.read_text(encoding="utf-8")


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    for path in pages(site):
        page = Page(path.read_text(encoding="utf-8"))
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"link", "img", "iframe", "object", "embed", "video", "base", "form"}
        assert all("src" not in about and "style" not in about for _, about in page.tags)
        assert all(not name.startswith("on") for _, about in page.tags for name in about)
        text = path.read_text(encoding="utf-8")
        assert "@import" not in text
        assert "url(" not in text
        (policy,) = [about["content"] for tag, about in page.tags if tag == "meta" and "http-equiv" in about]
        assert policy is not None
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy


def test_the_table_has_what_there_is_to_know(site: Path, board: Board) -> None:
    text = shown((site / "demo-v1" / "index.html").read_text(encoding="utf-8"))
    for one in board.suites[0].standings:
        assert one.metadata.name in text
        if one.why:
            assert f"Not ranked: {one.why}" in text
    for wanted in (
        "best of 5",
        "L3 fresh seeds",
        "L2 re-run",
        "not verified",
        "reference row",
        "plumbing row",
        "48.1 M",
    ):
        assert wanted in text, wanted
    place = board.suites[0].standings[0].place
    assert place is not None
    assert f"1 95 % interval {place.low:.0f}–{place.high:.0f}" in text


def test_claims_stand_nowhere(site: Path) -> None:
    (path,) = site.glob("demo-v1/*looked-at-by-nobody/index.html")
    assert "Score by cell" not in path.read_text(encoding="utf-8")
    data = json.loads((site / "standings.json").read_text(encoding="utf-8"))
    (row,) = [one for one in data["suites"]["demo-v1"]["standings"] if one["name"] == "Looked at by nobody"]
    assert row["score"] == [None, None, None]
    assert row["tokens"] is None


def test_a_page_says_how_it_was_verified_and_how_to_do_it_again(site: Path) -> None:
    entry_, own = text_of(site, "negotiators"), text_of(site, "_oracle")
    folder = "leaderboards/submissions/2026-05-09_deliberate-negotiators"
    assert f"emcoop submit verify {folder} --no-record" in entry_
    assert "emcoop submit verify leaderboards/reference/2026-03-01_oracle --no-record --reference" in own
    assert "Verified with EmCoop" in entry_
    assert "Fresh seeds 11, 22" in text_of(site, "_team")
    assert "@misc{emcoop-2026-05-09-deliberate-negotiators," in entry_
    assert "How the team cooperated" in entry_
    assert "never enter it" in entry_


def test_pages_link_the_episodes(site: Path) -> None:
    (path,) = site.glob("demo-v1/*negotiators/index.html")
    assert {"typical.html", "best.html", "worst.html"} <= set(Page(path.read_text(encoding="utf-8")).links())


def test_an_episode_that_cannot_be_shown_is_left_out(board: Board, tmp_path: Path) -> None:
    def fail(trace: Path, page: Path) -> None:
        page.write_text("half", encoding="utf-8")
        raise RecursionError("too deep")

    failed = build_site(board, tmp_path / "site", fail)
    assert len(failed) == 3 * 9  # of everybody but the one that nobody has verified
    assert "RecursionError: too deep" in next(iter(failed.values()))
    assert not list(tmp_path.rglob("best.html"))
    assert "Episodes to look at" not in (next((tmp_path / "site").glob("demo-v1/*_team/index.html"))).read_text("utf-8")


def test_the_methods_say_plainly_what_badges_do_not_prove(site: Path) -> None:
    text = shown((site / "methods.html").read_text(encoding="utf-8"))
    assert "L0, L1 and L2 do not prove which model wrote the replies." in text
    for word in ("Borda", "Kemeny", "interquartile", "bootstrap", "random", "oracle", "best of k"):
        assert word in text


def test_what_could_not_be_read_is_on_the_first_page(site: Path) -> None:
    text = shown((site / "index.html").read_text(encoding="utf-8"))
    assert "2026-03-04_broken L0 duplicate, x: the episode is in the table twice" in text


def test_where_two_rules_disagree_the_page_says_so(board: Board, tmp_path: Path) -> None:
    suite = board.suites[0]
    names = [one.name for one in suite.standings[:2]]
    pair = Disagreement(borda_first=names[0], kemeny_first=names[1])
    changed = replace(suite, disagreements=[pair])
    build_site(Board([changed], {}), tmp_path / "site")
    place = tmp_path / "site" / "demo-v1"
    second, first = suite.standings[1].metadata.name, suite.standings[0].metadata.name
    assert f"puts {second} before {first}" in shown((place / "index.html").read_text(encoding="utf-8"))
    assert f"Kemeny puts {second} before {first}" in shown(
        (place / names[0] / "index.html").read_text(encoding="utf-8")
    )


# What strangers write ---------------------------------------------------------------------------------------------


def test_hostile_words_stay_words(hostile: Path) -> None:
    for path in pages(hostile):
        text = path.read_text(encoding="utf-8")
        page = Page(text)
        scripts = [tag for tag, _ in page.tags if tag == "script"]
        assert len(scripts) == 1, path
        assert not [tag for tag, _ in page.tags if tag in ("img", "b>bold")]
        assert all(link.startswith(("https://example.org/", "#", "../", "index", "methods", "standings"))
                   or re.fullmatch(r"[A-Za-z0-9._/-]+", link) for link in page.links())  # fmt: skip
        assert "javascript:" not in "".join(page.links())
        assert "49" not in re.findall(r"<bdi>[^<]*</bdi>", text)
        assert "\u202e" not in text
    (own,) = hostile.glob("demo-v1/*hostile/index.html")
    assert html.escape("{{ 7 * 7 }}") in own.read_text(encoding="utf-8")
    assert "https://example.org/fine" in Page(own.read_text(encoding="utf-8")).links()


def test_citations_stay_citations() -> None:
    standing = make_suite_board(SUITE, [entry("50% {of} \\it & #1_$", 0.5, authors=["A} , year = {1999"])]).standings[0]
    text = words.submission_citation(SUITE, "f" * 64, standing)
    assert r"50\% \{of\} \textbackslash{}it \& \#1\_\$" in text
    assert r"author = {{A\} , year = \{1999}}" in text
    assert "f" * 64 in text


# The folder -------------------------------------------------------------------------------------------------------


def test_a_site_replaces_a_site_and_nothing_else(board: Board, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "site"
    build_site(board, out)
    (out / "demo-v1" / "stale.html").write_text("", encoding="utf-8")
    build_site(board, out)
    assert not (out / "demo-v1" / "stale.html").exists()
    assert [path.name for path in out.parent.iterdir()] == ["site"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds something that is no leaderboard"):
        build_site(board, other)
    assert (other / "chapter.txt").read_text(encoding="utf-8") == "years of work"


def test_standings_are_plain_json(site: Path, board: Board) -> None:
    data = json.loads((site / "standings.json").read_text(encoding="utf-8"))
    rows = data["suites"]["demo-v1"]["standings"]
    assert [row["submission"] for row in rows] == [one.name for one in board.suites[0].standings]
    assert rows[0]["score"][0] == pytest.approx(board.suites[0].standings[0].score.value)


def test_every_file_of_the_templates_ships() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = config["options.package_data"]["emcoop.leaderboards"].split()
    for path in (ROOT / "leaderboards" / "site").iterdir():
        if path.suffix not in (".py", "") and path.is_file():
            assert any(fnmatch.fnmatch(f"site/{path.name}", pattern) for pattern in patterns), path.name


# How it looks -----------------------------------------------------------------------------------------------------


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_texts_and_marks_can_be_told_from_what_is_behind_them() -> None:
    style = (ROOT / "leaderboards" / "site" / "style.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", style))
    for ground in (colors["paper"], colors["tint"], "#ffffff"):
        for ink in ("ink", "soft", "mark", "warn"):
            assert contrast(colors[ink], ground) >= 4.5, (ink, ground)
    assert contrast("#8d8980", colors["paper"]) >= 3
    assert all(contrast(shade, "#f1eee7") >= 3 for shade in marks.HEAT)
    steps = [luminance(shade) for shade in marks.HEAT]
    assert steps == sorted(steps, reverse=True)


def test_badges_differ_in_shape() -> None:
    assert len({marks.badge(level) for level in words.BADGES}) == len(words.BADGES)
