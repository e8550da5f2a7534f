"""The pages: their Python runs, their links lead somewhere, and their tables name what the code has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

import emcoop
from emcoop.cli import COMMANDS
from emcoop.cognitive_layer.budgets import Budgets
from emcoop.cognitive_layer.channel import ChannelSettings
from emcoop.envs.cube.concepts import CONCEPTS
from emcoop.envs.cube.events import KINDS
from emcoop.envs.cube.settings import curriculum_blocks, make_settings
from emcoop.envs.cube.world import CHANNELS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
README = ROOT / "README.md"
CUBE = ROOT / "docs" / "cube.md"
PLANNERS = ROOT / "docs" / "planners-and-topologies.md"
MOST_PICTURE_BYTES = 1_500_000


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


def table(page: Path, heading: str) -> list[list[str]]:
    """Return the rows of the first table whose first column has this heading, cells stripped."""
    lines = text(page).splitlines()
    start = next(i for i, line in enumerate(lines) if re.match(rf"\|\s*{re.escape(heading)}\s*\|", line))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def first_names(rows: Iterable[list[str]]) -> list[str]:
    """Return the first word in code marks of every row's first cell."""
    return [re.findall(r"`([^`]+)`", row[0])[0] for row in rows]


def run_python(args: list[str], cwd: Path) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "default"}
    run = subprocess.run(
        [sys.executable, *args], cwd=cwd, env=environ, capture_output=True, encoding="utf-8", timeout=240
    )
    assert run.returncode == 0, run.stderr


PYTHON_BLOCKS = [
    pytest.param(code, id=f"{page.relative_to(ROOT).as_posix()}-{number}")
    for page in PAGES
    for number, code in enumerate(blocks(page, "python"), 1)
]


def test_there_are_blocks_to_run():
    assert len(PYTHON_BLOCKS) >= 4
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("code", PYTHON_BLOCKS)
def test_python_on_a_page_runs_as_printed(code: str, tmp_path: Path):
    script = tmp_path / "block.py"
    script.write_text(code, encoding="utf-8")
    run_python([str(script)], tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path: Path, tmp_path: Path):
    run_python([str(path)], tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path):
    headings = {
        re.sub(r"[^a-z0-9_ -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text(page).splitlines()
        if line.startswith("#")
    } | set(re.findall(r'<a (?:id|name)="([^"]+)"', text(page)))
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if re.match(r"https?://", target):
            continue
        place, _, anchor = target.partition("#")
        if place:
            assert (page.parent / place).exists(), f"{page.name} links to {target}"
        elif anchor:
            assert anchor in headings, f"{page.name} links to {target}"


def test_pictures_are_animations_of_a_bearable_size():
    pictures = sorted((ROOT / "docs" / "images").glob("*.gif"))
    assert pictures
    for path in pictures:
        assert path.stat().st_size < MOST_PICTURE_BYTES, path
        with Image.open(path) as picture:
            assert getattr(picture, "n_frames", 1) > 20, path


def test_the_readme_opens_with_words_a_picture_and_two_commands():
    words = text(README)
    marks = ["![", "<!-- the main job -->", "<!-- the tests -->", "## Three ways in"]
    assert [words.index(mark) for mark in marks] == sorted(words.index(mark) for mark in marks)
    main_job, tests = blocks(README, "sh")
    assert len(main_job.splitlines()) == len(tests.splitlines()) == 1
    assert main_job.strip().endswith("emcoop sweep quick")
    assert tests.strip().endswith("pytest")


def test_the_readme_names_exactly_the_commands_there_are():
    named = [name.split()[1] for name in first_names(table(README, "command"))]
    assert named == list(COMMANDS)


def test_planners_and_topologies_are_those_registered():
    rows = table(PLANNERS, "name")
    assert first_names(rows) == list(emcoop.list_planners())
    after = text(PLANNERS).partition("## Topologies")[2]
    topologies = [line for line in after.partition("## Messages")[0].splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in topologies] == list(emcoop.list_topologies())


def test_budgets_and_channel_settings_are_those_of_the_code():
    channel, _, budgets = text(PLANNERS).partition("## Budgets")
    for words, struct in ((channel.partition("## Messages")[2], ChannelSettings), (budgets, Budgets)):
        named = [line.split("`")[1] for line in words.splitlines() if line.startswith("| `")]
        assert named == list(struct.__struct_fields__)


def test_concepts_and_their_failures_are_those_of_the_code():
    rows = {first_names([row])[0]: row for row in table(CUBE, "concept")}
    assert list(rows) == list(CONCEPTS)
    for name, row in rows.items():
        concept = CONCEPTS[name]
        said = concept.description.partition("fails with")[2]
        assert re.findall(r"`(\w+)`", row[3]) == re.findall(r"`(\w+)`", said), name
        for argument, spec in concept.arguments.items():
            default = "" if spec.default is ... else f" ({spec.default})"
            assert f"{argument}{default}" in row[1], (name, argument)


def test_channels_and_events_are_those_of_the_code():
    assert [row[1].strip("`") for row in table(CUBE, "channel")] == list(CHANNELS)
    assert first_names(table(CUBE, "kind")) == list(KINDS)


def test_the_curriculum_table_is_right():
    for n, size, counts, blocks_total, weight in table(CUBE, "n"):
        expected = curriculum_blocks(int(n))
        settings = make_settings(int(n))
        assert counts == " ".join(f"{w}:{count}" for w, count in expected.items())
        numbers = settings.grid_size, len(settings.weights), settings.total_weight
        assert (int(size), int(blocks_total), int(weight)) == numbers
