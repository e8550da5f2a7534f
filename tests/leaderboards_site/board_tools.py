"""What the tests of the site share: submissions made of numbers, folders that hold them, a browser."""

from __future__ import annotations

import datetime
import hashlib
import html
import json
import math
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import emcoop
from emcoop.baselines.expansion import Unit, expand
from emcoop.baselines.schema import Budgets, Condition, Environment, Reference, SeedRange, Suite, label_of
from emcoop.baselines.suite import suite_hash, with_planners
from emcoop.leaderboards.entries import Entry
from emcoop.leaderboards.frozen import frozen_hashes, units_for
from emcoop.leaderboards.layout import Layout
from emcoop.leaderboards.metadata import Metadata, Model, write_metadata
from emcoop.leaderboards.table import Row, columns, table_text
from emcoop.leaderboards.verify import Submission, Verdict, content_hash, record
from emcoop.rng import generator

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=3000",
)  # fmt: skip
DAY = datetime.date(2026, 3, 1)
WORLDS = [("Cube-v0", n) for n in (2, 4, 8)] + [("MACrafter-L3-v0", n) for n in (2, 4, 8)]

SUITE = Suite(
    name="demo-v1",
    description="Two worlds, three team sizes, three topologies: small enough for two cores.",
    environments=[Environment(id="Cube-v0"), Environment(id="MACrafter-L3-v0")],
    team_sizes=[2, 4, 8],
    topologies=["centralized", "decentralized", "debate"],
    planners=["random", "greedy"],
    regimes={"matched": Budgets(decisions_per_step=3, message_chars_per_step=120)},
    conditions={"clear": Condition(), "lossy": Condition(channel={"loss": 0.2})},
    seeds=SeedRange(start=0, count=5),
    max_steps=60,
    references=[
        Reference(env=env, n_agents=n, condition=condition, random=0.1, oracle=0.9)
        for env, n in WORLDS
        for condition in ("clear", "lossy")
    ],
)


SCRIPT = "</script></style><script>document.title='x'</script><img src=x onerror=alert(1)>"
HOSTILE: dict[str, Any] = {
    "name": SCRIPT,
    "slug": "hostile",
    "authors": ["\u202egnihtyna\u202c", "<b>bold</b>", "A" * 200],
    "description": f"{SCRIPT}\n{{{{ 7 * 7 }}}} {{% raw %}}\n" + "W" * 3000,
    "url": "javascript:alert(1)",
    "contact": "\"><svg onload=alert(1)>",
    "license": "'\"<&>",
    "models": [
        Model(name=SCRIPT, provider="\u202e" * 50, version="x" * 100, url="javascript:alert(1)//https://"),
        Model(name="b", provider="p", url="https://example.org/'\"><script>"),
        Model(name="c", provider="p", url="https://example.org/fine"),
    ],
    "planner": {"name": "team", SCRIPT[:60]: SCRIPT},
}  # fmt: skip


def metrics_of(unit: Unit, skill: float, spread: float = 0.5) -> dict[str, float]:
    """Return made-up metrics of an episode by a team of that skill (0 = random, 1 = oracle)."""
    rng = generator(unit.seed, "demo", unit.id, round(skill * 1000))
    hard = 0.06 * math.log2(unit.n_agents) + (0.1 if unit.condition == "lossy" else 0.0)
    score = 0.1 + 0.8 * skill * (1 - hard) + spread * (rng.random() - 0.5)
    known = {name: rng.random() for name in columns()[15:]}
    return {
        **known, "score": round(min(max(score, 0.0), 1.0), 6), "raw_score": score, "steps": 60.0,
        "messages_total": float(int(90 * rng.random())), "prompt_tokens": math.nan, "completion_tokens": math.nan,
        "temporal_satisfaction": math.nan,
    }  # fmt: skip


def metadata_of(name: str, units: list[Unit], planner: Any = "team", suite: str = "demo-v1", **told: Any) -> Metadata:
    """Return metadata; `told` overrides anything."""
    fields: dict[str, Any] = {
        "name": name,
        "slug": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or "x",
        "authors": ["Ada Example", "Ben Example"],
        "description": "Made of numbers.",
        "track": "open",
        "date": DAY,
        "suite": suite,
        "suite_hash": "0" * 64,
        "emcoop": emcoop.__version__,
        "planner": planner,
        "episodes": len(units),
        "tokens": 1_234_567,
        "messages": 4321,
        "decisions": 98_765,
        "results_sha256": "0" * 64,
    }
    return Metadata(**(fields | told))


def entry(name: str, skill: float, *, level: int | None = 2, own: bool = False, **told: Any) -> Entry:
    """Return a submission of the demo suite by a team of some skill, verified up to a level (None = not)."""
    units = expand(with_planners(SUITE, [told.get("planner", "team")]))
    rows = [Row(unit.id, {}, "completed", "0" * 64, metrics_of(unit, skill)) for unit in units]
    metadata = metadata_of(name, units, **told)
    layout = Layout(Path(metadata.folder_name), {unit.id: Path(f"{unit.id}.jsonl.gz") for unit in units})
    verdict = None if level is None else verdict_of(metadata, level)
    barred = "planner 'oracle' knows what agents may not know" if metadata.planner == "oracle" else ""
    return Entry(Submission(layout, metadata, rows, units, (("demo-v1", "0" * 64),)), verdict, own, barred)


def verdict_of(metadata: Metadata, level: int, **told: Any) -> Verdict:
    """Return the record of a verifier that found nothing."""
    fresh = {"seeds": [11, 22], "claimed_minus_fresh": -0.01, "low": -0.05, "high": 0.03} if level == 3 else {}
    fields: dict[str, Any] = {
        "level": level, "asked": max(level, 2), "suite": metadata.suite, "suite_hash": suite_hash(SUITE),
        "track": metadata.track, "planner": label_of(metadata.planner), "content": "c" * 64,
        "episodes": metadata.episodes, "fresh": fresh, "python": "3.11.7", "numpy": "2.4.6",
    }  # fmt: skip
    return Verdict(**(fields | told))


def crowd() -> list[Entry]:
    """Return a board's worth of submissions."""
    model = Model(name="gpt-4o-mini", provider="OpenAI", version="2024-07-18", url="https://example.org/model")
    tiny = Model(name="SmolLM2-135M-Instruct", provider="local", version="Q4_1")
    llm = {"name": "llm", "model": "openai/gpt-4o-mini"}
    standard = {"track": "standard", "planner": llm, "models": [model], "tokens": 48_123_456}
    negotiators = {"planner": llm | {"examples": 3}, "models": [model] * 5, "attempts": 5, "cost_usd": 12.5}
    plumbing = {"kind": "plumbing", "track": "standard", "models": [tiny], "planner": "llm:local/smollm2"}
    own: dict[str, Any] = {"own": True, "kind": "reference", "tokens": 0}
    return [
        entry("Random", 0.0, planner="random", messages=0, **own),
        entry("Greedy", 0.32, planner="greedy", messages=0, **own),
        entry("Team", 0.55, level=3, **own),
        entry("Team without words", 0.41, **own),
        entry("Oracle", 1.0, planner="oracle", **own),
        entry("SmolLM2 135M", 0.06, own=True, **plumbing),
        entry("GPT-4o mini, prompts as they ship", 0.56, date=datetime.date(2026, 4, 2), **standard),
        entry("Deliberate negotiators", 0.66, date=datetime.date(2026, 5, 9), prompts_modified=True, **negotiators),
        entry("Looked at by nobody", 0.8, level=None),
        entry("Half verified", 0.7, level=1),
    ]


def write_submission(
    parent: Path, name: str, skill: float, *, level: int | None = 2, planner: Any = "team", **told: Any
) -> Path:
    """Write the folder of a submission to the first frozen suite, with evidence that nobody should open."""
    suite = next(iter(frozen_hashes()))
    units = units_for(suite, planner)
    rows = []
    for unit in units:
        cell = {key: getattr(unit, key) for key in ("env", "variant", "n_agents", "topology", "planner", "regime")}
        about = {"unit": unit.id, "condition": unit.condition, "seed": unit.seed, "status": "completed"}
        rows.append({**cell, **about, "digest": "0" * 64, **metrics_of(unit, skill)})
    text = table_text(sorted(rows, key=lambda row: str(row["unit"])), suite)
    totals = {"tokens": 0, "messages": sum(int(row["messages_total"]) for row in rows)}
    totals["decisions"] = sum(round(row["decisions_per_step"] * row["steps"]) for row in rows)
    fields = {
        "suite_hash": frozen_hashes()[suite], "results_sha256": hashlib.sha256(text.encode()).hexdigest(), **totals
    }  # fmt: skip
    metadata = metadata_of(name, units, planner, suite, **(fields | told))
    folder = parent / metadata.folder_name
    (folder / "traces").mkdir(parents=True)
    (folder / "metadata.yaml").write_text(write_metadata(metadata), encoding="utf-8", newline="\n")
    (folder / "results.csv").write_text(text, encoding="utf-8", newline="")
    for unit in units:
        (folder / "traces" / f"{unit.id}.jsonl.gz").write_bytes(b"no trace")
    if level is not None:
        seal(folder, metadata, level)
    return folder


def seal(folder: Path, metadata: Metadata, level: int = 2, **told: Any) -> None:
    """Write the verifier's record of a folder as it is."""
    fields = {"content": content_hash(folder), "suite_hash": metadata.suite_hash}
    record(folder, verdict_of(metadata, level, **(fields | told)))


def shown(document: str) -> str:
    """Return what a reader of HTML reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", document)).split())


def browse(page: Path, *flags: str) -> str:
    """Open a page in a headless browser and return what it prints."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        run = subprocess.run(
            [BROWSER or "", *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()],
            capture_output=True, encoding="utf-8", timeout=120,
        )  # fmt: skip
    return run.stdout


def probe(folder: Path, script: str, *places: tuple[Path, int]) -> list[dict[str, Any]]:
    """Run a script in pages, each in a frame of some width, and return what its function `report()` gives in each.

    A page's own policy refuses strange scripts, so the copies go without it.

    Args:
        folder: Where the page that holds the frames goes.
        script: It defines `report()`; `errors` has what went wrong in the page.
        places: Pages and widths.
    """
    watch = "<script>window.errors=[];window.onerror=(e)=>{errors.push(String(e))}</script>"
    frames = []
    for page, width in places:
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
        inner = html.escape(f"{watch}{text}<script>{script}</script>")
        frames.append(f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{inner}"></iframe>')
    outer = folder / f"probe-{hashlib.sha256(script.encode()).hexdigest()[:8]}.html"
    outer.write_text(
        f"<!DOCTYPE html><title>probe</title>{''.join(frames)}<pre id=r></pre><script>onload = () => "
        "{ r.textContent = 'FOUND' + JSON.stringify([...frames].map((f) => f.report())) + 'END'; }"
        "</script>".replace("[...frames]", "[...Array(frames.length).keys()].map((i) => frames[i])"),
        encoding="utf-8",
    )
    found = re.search(r"FOUND(\[.*?\])END</pre>", browse(outer, "--dump-dom"), re.S)
    assert found, "the pages have not answered"
    answers: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return answers
