"""The site in a real browser: it fits, it sorts, it filters, it asks nobody for anything."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from board_tools import BROWSER, FLAGS, browse, probe

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

MEASURE = """
function report() {
  const seen = [...document.querySelectorAll("main *")].filter((e) => !e.closest(".scroll, pre, .unseen, thead"));
  const wide = seen.filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
  return {over: document.documentElement.scrollWidth - innerWidth, wide: wide.map((e) => e.outerHTML.slice(0, 90)),
          errors: errors, strange: document.querySelectorAll("img, b b, svg[onload], [onerror], main script").length};
}
"""
SORT = """
function names() { return [...document.querySelectorAll("tbody:not(.unranked) .name a")].map((a) => a.textContent); }
function marks() {
  return [...document.querySelectorAll("thead th[aria-sort]")].map((head) => [head.textContent, head.ariaSort]);
}
function report() {
  const told = {errors, before: names()};
  const button = (name) => [...document.querySelectorAll("thead button")].find((b) => b.textContent === name);
  button("Tokens").click(); told.tokens = names(); told.mark = marks();
  button("Tokens").click(); told.back = names();
  button("Score").click(); told.score = names();
  button("Submission").click(); told.names = names(); told.said = document.getElementById("said").textContent;
  const select = document.querySelector(".sorting select");
  select.value = "0"; select.dispatchEvent(new Event("change")); told.rank = names();
  told.unranked = document.querySelector(".unranked").rows.length;
  told.divider = document.querySelector(".unranked").rows[0].className;
  told.focusable = button("Score").tabIndex;
  return told;
}
"""
FILTER = """
function report() {
  const shown = () => [...document.querySelectorAll("tr[data-track]")].filter((r) => r.offsetParent !== null)
    .map((r) => r.dataset.track);
  const choose = (value) => { document.querySelector("input[value=" + value + "]").click(); return shown(); };
  return {all: shown(), standard: choose("standard"), open: choose("open"), again: choose("all"), errors};
}
"""


def kinds(site: Path) -> list[Path]:
    """Return one page of each kind."""
    entries = sorted(site.glob("demo-v1/*/index.html"))
    return [site / "index.html", site / "methods.html", site / "demo-v1" / "index.html", entries[0], entries[-1]]


def test_pages_fit_whatever_is_written_on_them(site: Path, hostile: Path, tmp_path: Path) -> None:
    (own,) = hostile.glob("demo-v1/*hostile/index.html")
    strange = [own, hostile / "demo-v1" / "index.html", hostile / "index.html"]
    places = [(page, width) for width in (390, 820, 1280) for page in kinds(site)]
    places += [(page, width) for width in (390, 1280) for page in strange]
    for place, found in zip(places, probe(tmp_path, MEASURE, *places), strict=True):
        assert found == {"over": 0, "wide": [], "errors": [], "strange": 0}, place


def test_the_table_sorts(site: Path, tmp_path: Path) -> None:
    (found,) = probe(tmp_path, SORT, (site / "demo-v1" / "index.html", 1280))
    assert found["errors"] == []
    ranked = found["before"]
    assert ranked[0] == "Deliberate negotiators"
    assert found["tokens"][-1] == "GPT-4o mini, prompts as they ship"
    assert found["back"][0] == "GPT-4o mini, prompts as they ship"
    assert found["mark"] == [["Tokens", "ascending"]]
    assert found["score"] == ranked
    assert found["names"] == sorted(ranked, key=str.lower)
    assert found["said"] == "Sorted by Submission, ascending"
    assert found["rank"] == ranked
    assert (found["unranked"], found["divider"]) == (5, "divider")
    assert found["focusable"] == 0


def test_a_track_can_be_chosen_without_scripts_too(site: Path, tmp_path: Path) -> None:
    page = site / "demo-v1" / "index.html"
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r"<script>.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.S), encoding="utf-8")
    for found in probe(tmp_path, FILTER, (page, 1280), (bare, 1280)):
        assert len(found["all"]) == len(found["again"]) == 10
        assert set(found["standard"]) == {"standard"}
        assert set(found["open"]) == {"open"}


def test_the_script_runs_under_the_policy_of_the_page(site: Path) -> None:
    assert re.search(r"<thead>.*<button", browse(site / "demo-v1" / "index.html", "--dump-dom"), re.S)


def test_no_page_asks_for_anything(site: Path, hostile: Path) -> None:
    """Whatever a page's policy refuses is on the console, so is every error; the browser itself calls home."""
    (own,) = hostile.glob("demo-v1/*hostile/index.html")
    for page in (site / "demo-v1" / "index.html", own):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            log = Path(profile) / "net.json"
            run = subprocess.run(
                [BROWSER or "", *FLAGS, f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0",
                 f"--log-net-log={log}", "--dump-dom", page.as_uri()],
                capture_output=True, encoding="utf-8", errors="replace", timeout=120,
            )  # fmt: skip
            hosts = set(re.findall(r'"url":"https?://([^/"]*)', log.read_text(encoding="utf-8", errors="replace")))
        assert "CONSOLE" not in run.stderr, run.stderr
        assert not [host for host in hosts if not host.endswith((".google.com", ".googleapis.com"))]


@pytest.mark.slow
def test_the_table_prints(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "board.pdf"
    browse(site / "demo-v1" / "index.html", "--no-pdf-header-footer", f"--print-to-pdf={out}")
    assert out.read_bytes()[:5] == b"%PDF-"
    assert len(re.findall(rb"/Type /Page\b(?!s)", out.read_bytes())) <= 4
