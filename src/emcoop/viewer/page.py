"""From a trace to one HTML file: collect, pack, escape, write."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from emcoop.errors import ConfigError
from emcoop.trace import Trace, read_trace, trace_digest
from emcoop.trace.schema import Step
from emcoop.viewer import judging, thinking
from emcoop.viewer.film import Film, Watch, film
from emcoop.viewer.texts import Texts, clean, spaced, spec_words, words

SCRIPTS = ("data", "tiles", "world", "charts", "panels", "log", "player")
"""Scripts of the page in the order in which they are joined."""
ENDINGS = (".html", ".htm")


def write_page(source: str | Path | Trace, output: str | Path, watch: Watch | None = None) -> Path:
    """Write the viewer of an episode; same trace, same bytes.

    Args:
        source: A trace or the path of one, finished or not.
        output: Where the page goes, a name that ends in `.html`; missing folders are made.
        watch: Told how far it is, with the number of steps done and of all steps.

    Returns:
        The path of the page.

    Raises:
        ConfigError: `output` does not end in `.html`.
        TraceError: `source` is no trace.
    """
    path = Path(output)
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"a viewer is a file that ends in .html, not {str(output)!r}: give -o FILE.html")
    page = build_page(source if isinstance(source, Trace) else read_trace(source), watch)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page.encode("utf-8"))
    return path


def build_page(trace: Trace, watch: Watch | None = None) -> str:
    """Return the viewer of an episode as HTML without anything it would have to fetch.

    Args:
        trace: The trace, complete or not.
        watch: Told how far it is, with the number of steps done and of all steps.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    seen = film(trace, watch)
    data, notes = _collect(trace, seen)
    style, script = _asset("viewer.css"), _script()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("viewer.jinja")).render(
        title=_title(trace),
        result=_result(trace),
        facts=_facts(trace, seen),
        notes=[clean(note) for note in notes],
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(embedded(data)),
    )


def embedded(data: Any) -> str:
    """Return JSON that can stand in a script element: plain ASCII, and nothing in it ends the element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _collect(trace: Trace, seen: Film) -> tuple[dict[str, Any], list[str]]:
    texts, places = Texts(), thinking.message_places(trace)
    plans, plan_places = thinking.plans(trace, texts)
    broken, problems = judging.failures(trace, texts, places)
    steps = trace.of(Step)
    data = {
        "agents": trace.episode.n_agents,
        "steps": max(len(steps) - 1, 0),
        "horizon": trace.episode.max_steps,
        "world": seen.packed(),
        "progress": [round(step.progress, 4) for step in steps],
        "stages": thinking.stages(trace),
        "rounds": thinking.rounds(trace),
        "plans": plans,
        "calls": thinking.calls(trace, texts, plan_places),
        "models": thinking.model_calls(trace, texts),
        "decisions": thinking.decisions(trace),
        "messages": thinking.messages(trace, texts),
        "deliveries": thinking.deliveries(trace, places),
        "tasks": judging.constraints(trace, texts),
        "happenings": judging.happenings(trace, texts),
        "faults": judging.faults(trace, texts),
        "failures": broken,
    }
    missing = [f"This trace is incomplete: {trace.problem}."] if trace.problem else []
    if seen.note:
        missing.append(f"{seen.note[:1].upper()}{seen.note[1:]}.")
    return {**data, "texts": texts.all()}, [*missing, *problems]


def _title(trace: Trace) -> str:
    episode = trace.episode
    team = f"{episode.n_agents} agent{'s' if episode.n_agents > 1 else ''}"
    return clean(f"{episode.env_id}, {team}, seed {episode.seed}", 300)


def _result(trace: Trace) -> list[tuple[str, str]]:
    """Return the figures at the top of the page."""
    end, taken = trace.end, max(len(trace.of(Step)) - 1, 0)
    steps = ("steps", f"{taken} of {trace.episode.max_steps}")
    if end is None:
        return [("status", "incomplete"), ("score", "unknown"), steps]
    shown = [("status", end.status), ("score", f"{end.score:.3f}"), ("points", f"{end.raw_score:g}"), steps]
    return [(label, clean(value, 300)) for label, value in shown]


def _facts(trace: Trace, seen: Film) -> list[tuple[str, str]]:
    """Return what the episode was, as label and text, empty ones left out."""
    episode, run, end = trace.episode, trace.run, trace.end
    facts = {
        "planners": _planners(trace),
        "topology": spec_words(episode.topology),
        "settings": words(episode.env_kwargs),
        "board": "given" if episode.options else "",
        "channel": words(episode.channel),
        "thinking time": words(episode.thinking),
        "budgets": words(episode.budgets),
        "monitors": "; ".join(map(spec_words, episode.monitors)),
        "faults": "; ".join(map(_fault, episode.faults)),
        "regime": episode.regime if episode.regime != "open" else "",
        "privileged": "yes: somebody used what agents may not know" if episode.privileged else "",
        "suite": run.suite,
        "error": end.error if end is not None else "",
        "emcoop": run.emcoop,
        "digest": trace_digest(trace.events) if trace.complete else "",
        "verified": f"{seen.verified} of {len(trace.of(Step))} states carried out again and found the same",
    }
    return [(label, clean(text, 1_000)) for label, text in facts.items() if text]


def _planners(trace: Trace) -> str:
    """Return who plays: one name for all, or how many of each."""
    names = Counter(spec_words(spec) for spec in trace.episode.planners)
    if len(names) == 1:
        return next(iter(names))
    return "; ".join(f"{count} x {name}" for name, count in names.items())


def _fault(spec: dict[str, Any]) -> str:
    options = {name: value for name, value in spec.items() if name != "kind" and value != -1}
    return spec_words({"name": spaced(str(spec.get("kind", "fault"))), **options})


def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(function () {{\n{parts}}})();\n'


@cache
def _asset(name: str) -> str:
    return files("emcoop.viewer").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
