"""The page: sections of sentences, figures and tables, rendered into one self-contained HTML file."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from emcoop.metrics.report.findings import Answer
from emcoop.metrics.report.shown import Section


def render(title: str, facts: Sequence[str], answers: Sequence[Answer], sections: Sequence[Section]) -> str:
    """Render the page.

    Args:
        title: Heading.
        facts: Sentences under it: what was run.
        answers: The summary.
        sections: The rest; figures come with their SVG text.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"code": code, "data_uri": data_uri}
    source = files("emcoop.metrics.report").joinpath("report.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(title=title, facts=facts, answers=answers, sections=sections)


def code(text: str) -> Markup:
    """Escape a sentence and set what is in backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def data_uri(svg: str) -> str:
    """Pack an SVG image into an address that needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
