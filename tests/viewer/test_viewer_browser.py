"""The viewer in a real browser: it shows the step asked for, plays, searches, and survives what strangers write."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from viewer_tools import BROWSER, browse, cards, crowd, dom, inside, with_script, written

from emcoop.metrics.failures.records import held_plans
from emcoop.trace import Trace
from emcoop.viewer import build_page, write_page

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

HOSTILE = "</script><img src=x onerror=alert(1)>\x00 \U0001f600"


def test_it_shows_the_step_and_the_agent_asked_for(crafter: Trace, tmp_path: Path):
    document = dom(write_page(crafter, tmp_path / "a.html"), "#step=139&agent=2")
    assert 'data-ready="yes"' in document
    assert inside(document, "clock") == "Step 139 / 300"
    shown = cards(document)
    assert len(shown) == 6
    for plan in held_plans(crafter):
        if plan.start <= 139 < plan.end and plan.task:
            assert f"for {plan.task}" in shown[plan.agent]
    assert document.count('class="agent" aria-pressed="true"') == 1
    tasks = inside(document, "tasks")
    assert "iron@27,20" in tasks
    assert "3/3" in tasks
    assert re.search(r"Progress \d+\.\d % · \d+ points", inside(document, "caption"))


@pytest.mark.slow
def test_faults_and_failures_show_while_they_last(cube: Trace, tmp_path: Path):
    page = write_page(cube, tmp_path / "a.html")
    during, after = dom(page, "#step=7&agent=1"), dom(page, "#step=40&agent=1")
    assert "injected fault: freeze" in cards(during)[1]
    assert "injected fault: freeze of agent 1" in inside(during, "events")
    assert "injected fault" not in cards(after)[1] + cards(during)[0]


def test_what_strangers_write_is_shown_as_text(tmp_path: Path):
    trace = crowd(3, 4, text=HOSTILE, task=HOSTILE, planner=HOSTILE)
    document = dom(write_page(trace, tmp_path / "a.html"), "#step=0&agent=1")
    assert 'data-ready="yes"' in document
    assert "<img" not in document
    assert document.count("<script") == 2
    shown = HOSTILE.replace("\x00", "\u2400")
    assert shown in inside(document, "log")
    assert shown in cards(document)[1]
    assert shown in inside(document, "tasks")


def test_keys_filters_and_failures_work(cube: Trace, tmp_path: Path):
    script = """
      const press = (key, shift) =>
        document.dispatchEvent(new KeyboardEvent("keydown", { key: key, shiftKey: !!shift }));
      const text = () => document.getElementById("clock").textContent;
      const clock = () => new Promise((done) => setTimeout(() => done(text()), 60));
      const found = () => document.querySelectorAll("#log .said").length;
      (async () => {
        const seen = [];
        press("End"); seen.push(await clock());
        press("ArrowLeft", true); seen.push(await clock());
        press("Home"); press("ArrowRight"); seen.push(await clock());
        press("d"); seen.push(new URLSearchParams(location.hash.slice(1)).get("agent"));
        document.getElementById("speed").value = "60";
        press(" "); await new Promise((done) => setTimeout(done, 400)); press(" ");
        seen.push(/Step ([2-9]|\\d\\d) /.test(await clock()));
        const all = found(), search = document.getElementById("search");
        search.value = "no such words anywhere"; search.dispatchEvent(new Event("input")); await clock();
        seen.push(all > 0, found());
        document.querySelector("#rules summary").click(); await clock();
        const jumps = [...document.querySelectorAll("#rules .jump")];
        const proof = jumps.find((one) => one.textContent.startsWith("message"));
        proof.click(); await clock();
        seen.push(document.querySelectorAll("#log .marked").length, search.value);
        document.title = JSON.stringify(seen);
      })();
    """
    page = tmp_path / "a.html"
    page.write_text(with_script(build_page(cube), script), encoding="utf-8")
    last = len([event for event in cube.events if type(event).__name__ == "Step"]) - 1
    expected = f'["Step {last} / {last}","Step {last - 10} / {last}","Step 1 / {last}","1",true,true,0,1,""]'
    assert f"<title>{expected}</title>" in dom(page)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_width_and_scrubbing_back_is_exact(crafter: Trace, tmp_path: Path, width: int):
    script = """
      const shown = () => document.getElementById("clock").textContent;
      const go = async (step) => {
        location.hash = `#step=${step}&agent=0`;
        while (!shown().startsWith(`Step ${step} `)) await new Promise((done) => setTimeout(done, 10));
        return document.getElementById("map").toDataURL() + document.getElementById("agents").textContent;
      };
      (async () => {
        const early = await go(17), late = await go(290), again = await go(17), after = await go(290);
        const wide = document.documentElement.scrollWidth <= document.documentElement.clientWidth;
        document.title = JSON.stringify([early === again, late === after, early !== late, wide]);
      })();
    """
    page = tmp_path / "a.html"
    page.write_text(with_script(build_page(crafter), script), encoding="utf-8")
    assert "<title>[true,true,true,true]</title>" in dom(page, size=f"{width},900")


@pytest.mark.slow
def test_the_world_is_drawn(cube: Trace, tmp_path: Path):
    page, picture = write_page(cube, tmp_path / "a.html"), tmp_path / "a.png"
    browse(page, f"--screenshot={picture}", "--window-size=1280,900", where="#step=3&agent=0")
    pixels = np.asarray(Image.open(picture).convert("RGB"))[150:800, :700].reshape(-1, 3).astype(int)

    def share(colour: tuple[int, int, int]) -> float:
        return float((abs(pixels - colour).sum(axis=1) < 12).mean())

    assert share((0xC8, 0x42, 0x0A)) > 0.001, "no agents"
    assert share((0xF2, 0xC9, 0x4C)) > 0.01, "no goal"
    assert share((0xF6, 0xF4, 0xEE)) > 0.3, "no floor"


@pytest.mark.slow
def test_a_crowd_is_shown(tmp_path: Path):
    document = dom(write_page(crowd(256, 30), tmp_path / "a.html"), "#step=20&agent=255")
    assert 'data-ready="yes"' in document
    assert len(cards(document)) == 256
    assert inside(document, "clock") == "Step 20 / 30"


@pytest.mark.slow
def test_an_empty_trace_is_shown(tmp_path: Path):
    document = dom(write_page(written(), tmp_path / "a.html"))
    assert 'data-ready="yes"' in document
    assert "no end record" in document
