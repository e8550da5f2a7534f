"""What the tests of the viewer share: traces, the data in a page, a browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import emcoop
from emcoop.trace import Trace, TraceWriter, read_trace
from emcoop.trace.schema import Action, Constraint, End, Episode, Message, Plan, Run, Stage, Step, Task, World

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=3000",
)  # fmt: skip


def recorded(path: Path, env: str, **kwargs: Any) -> Trace:
    """Run an episode and read its trace."""
    emcoop.run_episode(env, planner="team", topology="decentralized", trace=path, **kwargs)
    return read_trace(path)


def written(*events: Any, env_id: str = "Nowhere-v0", n_agents: int = 3, planner: str = "x") -> Trace:
    """Return a trace of an environment nobody knows."""
    writer = TraceWriter()
    writer.write(Run(schema="emcoop-trace-1", emcoop="0", config_hash="x"))
    writer.write(
        Episode(env_id=env_id, env_kwargs={}, n_agents=n_agents, max_steps=50, seed=0, planners=[{"name": planner}],
                topology={"name": "centralized"})
    )  # fmt: skip
    for event in events:
        writer.write(event)
    return Trace(writer.events)


def step(t: int, n_agents: int = 3, **kwargs: Any) -> Step:
    """Return a step record."""
    actions = [0] * n_agents if t else []
    return Step(t=t, actions=actions, reward=0.0, state_hash="0", configuration_hash="0", progress=t / 100, **kwargs)


def crowd(n_agents: int, steps: int, text: str = "hello", task: str = "block0/left", planner: str = "x") -> Trace:
    """Return an episode in which everybody walks, plans, and speaks to everybody."""
    events: list[Any] = []
    for t in range(steps + 1):
        cells = [[(a + t) % 40, a % 50] for a in range(n_agents)]
        events += [World(t=t, agents=list(range(n_agents)), to=cells), step(t, n_agents)]
        events.append(Stage(t=t, agents=list(range(n_agents)), before="R", after="X", cause="all_ready"))
        if t == 0:
            for a in range(n_agents):
                events.append(Message(id=a, sender=a, recipients="*", act="inform", text=text))
                events.append(Plan(id=a, agent=a, event="commit", task=task, calls=[(task, {"to": text})]))
            everyone = list(range(n_agents))
            events.append(
                Action(agents=everyone, plans=everyone, calls=[0] * n_agents, concepts=[task] * n_agents,
                       outcomes=["start"] * n_agents)
            )  # fmt: skip
        events.append(
            Constraint(t=t, tasks=[task], required=[2], committed=[1], in_place=[2], acting=[0], dependency=[1],
                       joint=[0], engaged=[1], success=[0], participants=[[0]], inferred=[0])
        )  # fmt: skip
    events.append(Task(t=steps, task=task, event="delivered", value=2.0, agents=[0]))
    events.append(
        End(t=steps, status="completed", score=0.5, raw_score=1.0, steps=steps, terminated=False, counters={})
    )
    return written(*events, n_agents=n_agents, planner=planner)


def data_of(page: str) -> dict[str, Any]:
    """Return the data a page holds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def unpacked(packed: dict[str, Any], steps: int) -> list[np.ndarray]:
    """Return a channel at every step, as the page plays it."""
    now, place, frames = np.full(packed["size"], -1), 0, []
    for value, count in zip(packed["first"][::2], packed["first"][1::2]):
        now[place : place + count] = value
        place += count
    changes = {change[0]: change[1:] for change in packed["changes"]}
    for t in range(steps + 1):
        for index, value in zip(changes.get(t, [])[::2], changes.get(t, [])[1::2]):
            now[index] = value
        frames.append(now.copy())
    return frames


def browse(page: Path, *flags: str, where: str = "") -> str:
    """Open a page in a headless browser and return what it prints."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        run = subprocess.run(
            [BROWSER or "", *FLAGS, f"--user-data-dir={profile}", *flags, f"{page.as_uri()}{where}"],
            capture_output=True, encoding="utf-8", timeout=120,
        )  # fmt: skip
    return run.stdout


def dom(page: Path, where: str = "", size: str = "1280,1400") -> str:
    """Return the page as a browser has built it."""
    return browse(page, "--dump-dom", f"--window-size={size}", where=where)


def inside(document: str, ident: str) -> str:
    """Return the text of the element with an id that holds no element of its own kind."""
    found = re.search(rf'<(\w+)[^>]* id="{ident}"[^>]*>(.*?)</\1>', document, re.S) or re.search(
        rf'<(\w+) id="{ident}"[^>]*>(.*?)</\1>', document, re.S
    )
    assert found, f"no element {ident}"
    return html.unescape(re.sub(r"<[^>]+>", "", found.group(2)))


def cards(document: str) -> list[str]:
    """Return the texts of the agents' cards."""
    found = re.findall(r'<button class="agent"[^>]*>(.*?)</button>', document, re.S)
    return [html.unescape(re.sub(r"<[^>]+>", "", card)) for card in found]


def with_script(page: str, script: str) -> str:
    """Return a page that runs a script of the test after its own; it reports in `document.title`.

    A browser without a screen may never come to the next frame: the page is given timers instead.
    """
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    page = page.replace("<head>", "<head><script>window.requestAnimationFrame = (f) => setTimeout(f, 5);</script>")
    return page.replace("</body>", f"<script>{script}</script></body>")
