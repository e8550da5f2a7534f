"""The pages: their Python runs, their links lead somewhere, and their tables name what the code has."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

import emcoop
from emcoop.baselines.preflight import check_names
from emcoop.baselines.schema import Condition, Suite
from emcoop.baselines.strict_yaml import parse_yaml
from emcoop.baselines.suite import load_suite
from emcoop.cli import COMMANDS, GROUPS
from emcoop.cognitive_layer.budgets import Budgets
from emcoop.cognitive_layer.channel import ChannelSettings
from emcoop.cognitive_layer.mail import LOST
from emcoop.cognitive_layer.models import list_chat_models
from emcoop.cognitive_layer.models.prices import load_prices
from emcoop.cognitive_layer.models.settings import ModelSettings
from emcoop.cognitive_layer.planners.llm import LLMPlanner
from emcoop.envs.cube.concepts import CONCEPTS
from emcoop.envs.cube.events import KINDS
from emcoop.envs.cube.settings import curriculum_blocks, make_settings
from emcoop.envs.cube.world import CHANNELS
from emcoop.envs.embodiment import Concept
from emcoop.envs.ma_crafter import concepts as crafter_concepts
from emcoop.envs.ma_crafter import facts, rules, scratch, world
from emcoop.envs.ma_crafter import settings as crafter_settings
from emcoop.envs.ma_crafter.board import LETTERS
from emcoop.envs.ma_crafter.env import MACrafterEnv
from emcoop.envs.ma_crafter.events import CrafterEvents
from emcoop.registration import environment_specs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
README = ROOT / "README.md"
CUBE = ROOT / "docs" / "cube.md"
CRAFTER = ROOT / "docs" / "ma-crafter.md"
PLANNERS = ROOT / "docs" / "planners-and-topologies.md"
MODELS = ROOT / "docs" / "models.md"
TOPOLOGIES = ROOT / "docs" / "topologies-and-channels.md"
SWEEPS = ROOT / "docs" / "sweeps.md"
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


def in_marks(text: str) -> list[str]:
    """Return the words in code marks."""
    return re.findall(r"`(\w+)`", text)


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
    assert re.search(r"bin/pytest( -n \d)?$", tests.strip())


def test_the_readme_names_exactly_the_commands_there_are():
    named = [name.split()[1] for name in first_names(table(README, "command"))]
    assert named == [*COMMANDS, *GROUPS]


def test_planners_and_topologies_are_those_registered():
    assert first_names(table(PLANNERS, "name")) == list(emcoop.list_planners())
    assert first_names(table(TOPOLOGIES, "name")) == list(emcoop.list_topologies())


def test_settings_of_models_and_of_their_planner_are_those_of_the_code():
    settings = first_names(table(MODELS, "setting"))
    assert settings == list(ModelSettings.__struct_fields__)
    assert first_names(table(MODELS, "provider")) == list(list_chat_models())
    options = {row[0].strip("`"): row[1] for row in table(MODELS, "option")}
    wanted = inspect.signature(LLMPlanner).parameters
    assert set(options) == set(wanted)
    for name, told in options.items():
        default = wanted[name].default
        shown = {None: "null", "": "", inspect.Parameter.empty: ""}.get(default, str(default).lower())
        assert told.strip("`") in (shown, "{}" if name == "params" else shown), name


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_example_suites_load(path: Path):
    if path.stem == "prices":
        assert load_prices(str(path))
    else:
        check_names(load_suite(str(path)))


def test_suite_keys_are_those_of_the_code_and_the_conditions_shown_are_those_of_the_example():
    assert first_names(table(SWEEPS, "suite key")) == list(Suite.__struct_fields__)
    assert first_names(table(SWEEPS, "condition key")) == list(Condition.__struct_fields__)
    (shown,) = blocks(SWEEPS, "yaml")
    example = load_suite(str(ROOT / "examples" / "suites" / "conditions.yaml"))
    assert msgspec.convert(parse_yaml(shown, "the page")["conditions"], dict[str, Condition]) == example.conditions


def test_budgets_and_channel_settings_are_those_of_the_code():
    assert first_names(table(PLANNERS, "key")) == list(Budgets.__struct_fields__)
    assert first_names(table(TOPOLOGIES, "key")) == list(ChannelSettings.__struct_fields__)
    assert sorted(first_names(table(TOPOLOGIES, "fate"))) == sorted(["delivered", *LOST])


CONCEPT_TABLES = [
    pytest.param(CUBE, CONCEPTS, id="cube"),
    pytest.param(CRAFTER, crafter_concepts.CONCEPTS, id="ma-crafter"),
]


@pytest.mark.parametrize(("page", "concepts"), CONCEPT_TABLES)
def test_concepts_and_their_failures_are_those_of_the_code(page: Path, concepts: Mapping[str, Concept]):
    rows = {first_names([row])[0]: row for row in table(page, "concept")}
    assert list(rows) == list(concepts)
    for name, row in rows.items():
        concept = concepts[name]
        said = concept.description.partition("fails with")[2]
        assert in_marks(row[3]) == in_marks(said), name
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


def test_the_readme_names_exactly_the_environments_there_are():
    assert first_names(table(README, "environment")) == list(environment_specs())


# MA-Crafter ----------------------------------------------------------------------------------------------------------

DATA = rules.read_rules()


def stated(costs: Mapping[str, Any]) -> str:
    """Return costs as the page writes them."""
    uses = ", ".join(f"{amount} {item}" for item, amount in costs["uses"].items())
    return f"{uses}; near {', '.join(costs['near'])}" if costs["near"] else uses


def test_crafter_settings_are_those_of_the_code():
    parameters = list(inspect.signature(MACrafterEnv).parameters.values())
    rows = table(CRAFTER, "argument")
    assert [(first_names([row])[0], row[1]) for row in rows] == [(p.name, str(p.default)) for p in parameters]


def test_crafter_modes_and_presets_are_those_of_the_rules():
    for row in table(CRAFTER, "mode"):
        said = dict(zip(("needs", "enemies", "night", "revive"), (cell == "yes" for cell in row[1:])))
        assert said == DATA["modes"][in_marks(row[0])[0]]
    assert first_names(table(CRAFTER, "mode")) == list(rules.MODES) == list(DATA["modes"])
    for name, bag_limit, max_steps in table(CRAFTER, "preset"):
        preset = DATA["presets"][in_marks(name)[0]]
        assert (int(bag_limit), int(max_steps)) == (preset["bag_limit"], preset["max_steps"])
    assert first_names(table(CRAFTER, "preset")) == list(rules.PRESETS)


def test_crafter_map_letters_are_those_of_the_code():
    rows = table(CRAFTER, "letter")
    assert {row[0].strip("`"): row[1] for row in rows} == {key: rules.MATERIALS[m] for key, m in LETTERS.items()}
    assert len(rows) == len(LETTERS)


def test_crafter_items_and_costs_are_those_of_the_rules():
    rows = {in_marks(row[0])[0]: row[1:] for row in table(CRAFTER, "collect")}
    assert list(rows) == list(DATA["collect"])
    for name, (needs, gives, leaves, base, tier) in rows.items():
        said = {"needs": needs or None, "gives": gives, "leaves": leaves, "base": int(base), "tier": int(tier)}
        assert said == DATA["collect"][name]
    presets = [DATA["presets"][name] for name in ("emcoop", "crafter")]
    for name, on, *costs in ([in_marks(row[0])[0], *row[1:]] for row in table(CRAFTER, "place")):
        assert on.split(", ") == DATA["place"][name]["on"]
        assert costs == [stated(preset["place"][name]) for preset in presets]
    for name, *costs in ([in_marks(row[0])[0], *row[1:]] for row in table(CRAFTER, "make")):
        assert costs == [stated(preset["make"][name]) for preset in presets]
    assert first_names(table(CRAFTER, "place")) == list(rules.PLACEABLE)
    assert first_names(table(CRAFTER, "make")) == list(rules.TOOLS)


def test_crafter_levels_are_those_of_the_rules():
    rows = {in_marks(row[0])[0]: row[1:] for row in table(CRAFTER, "level")}
    assert list(rows) == list(rules.LEVELS)
    for level, (*quorums, radius, craft) in rows.items():
        data = DATA["levels"][level]
        assert radius == str(data["radius"])
        shares = [1 / int(q.removeprefix("n / ")) if "n /" in q else int(q) for q in quorums]
        assert shares == pytest.approx([data["quorum"].get(name, 1) for name in ("coal", "iron", "diamond")])
        assert {int(craft)} == {data["craft"].get(name, 1) for name in ("iron_pickaxe", "iron_sword")}
        assert set(data["quorum"]) <= {"coal", "iron", "diamond"}
        assert set(data["craft"]) <= {"iron_pickaxe", "iron_sword"}


def test_crafter_points_and_demand_are_those_of_the_rules():
    for name, *points, per_agent, per_map in ([in_marks(row[0])[0], *row[1:]] for row in table(CRAFTER, "unit")):
        coop = [rules.coop_rules(level, 12, crafter_settings.AREA) for level in ("L1", "L2", "L3")]
        assert [float(value) for value in points] == [level.points[name] for level in coop]
        assert {"per_agent": int(per_agent), "per_map": int(per_map)} == DATA["demand"][name]
    assert first_names(table(CRAFTER, "unit")) == list(DATA["demand"])
    for n, *numbers in table(CRAFTER, "agents at L3"):
        coop = rules.coop_rules("L3", int(n), crafter_settings.AREA)
        assert [float(number) for number in numbers] == [*coop.demand.values(), coop.most_points]


def test_crafter_actions_and_keys_are_those_of_the_code():
    for action, (number, name, keys) in enumerate(table(CRAFTER, "action")):
        assert (int(number), in_marks(name)) == (action, [rules.ACTIONS[action]])
        assert in_marks(keys) == [key for key, meant in MACrafterEnv.keys.items() if meant == action]
    assert len(table(CRAFTER, "action")) == len(rules.ACTIONS)


def test_crafter_share_codes_are_as_the_page_says():
    formula = re.search(r"`(18 \+ [^`]+)`", text(CRAFTER))
    assert formula
    assert formula[1] == (
        f"{len(rules.ACTIONS)} + (recipient * {rules.N_ITEMS} + item) * {rules.MOST_SHARED} + quantity - 1"
    )
    for recipient, item, quantity in ((0, 0, 1), (3, 5, 2), (1023, 11, 20)):
        code = len(rules.ACTIONS) + (recipient * rules.N_ITEMS + item) * rules.MOST_SHARED + quantity - 1
        assert code == rules.share_code(recipient, item, quantity)
        assert rules.read_share(code) == (recipient, item, quantity)


def test_crafter_observations_are_those_of_the_code():
    rows = table(CRAFTER, "channel")
    assert [in_marks(row[1])[0] for row in rows] == list(world.CHANNELS)
    materials = ", ".join(f"{k} {'off the map' if k == 0 else name}" for k, name in enumerate(rules.MATERIALS))
    assert rows[0][2] == materials
    entries = table(CRAFTER, "entry")
    assert [name for row in entries for name in in_marks(row[1])] == list(world.SELF)
    for place, names, _ in entries:
        first, _, last = place.partition(" - ")
        assert in_marks(names) == list(world.SELF[int(first) : int(last or first) + 1])


def test_crafter_achievements_are_those_of_the_code():
    paragraph = text(CRAFTER).partition("**Achievements**")[2].partition("\n\n")[0]
    assert re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", paragraph.partition("earn nothing:")[2]) == list(rules.ACHIEVEMENTS)


def crafter_event(kind: int) -> dict[str, Any]:
    """Return an event of a kind as the environment tells it, all its numbers 0."""
    log = np.zeros(scratch.LOG_HEAD + scratch.HEADER, np.int32)
    log[[scratch.LOG_EVENTS, scratch.LOG_USED, scratch.LOG_HEAD + scratch.EVENT]] = 1, len(log), kind
    empty = scratch.make_scratch(crafter_settings.make_settings(1, (8, 8)))
    (event,) = CrafterEvents(("agent_000",), empty._replace(log=log)).decode()
    return event


def test_crafter_events_and_their_fields_are_those_of_the_code():
    values = {
        "eat": ["cow", "plant"],
        "craft_failed": list(scratch.CRAFT_REASONS),
        "place_failed": list(scratch.PLACE_REASONS),
        "death": list(scratch.CAUSES),
    }
    rows = table(CRAFTER, "kind")
    assert first_names(rows) == list(scratch.KINDS)
    for kind, row in enumerate(rows):
        fields = [name for name in crafter_event(kind) if name not in ("kind", "agents")]
        assert in_marks(row[2]) == [*fields, *values.get(scratch.KINDS[kind], [])], row[0]


def test_crafter_facts_are_those_bodies_understand():
    cell, agent = (row[0].strip("`") for row in table(CRAFTER, "fact"))
    assert cell.replace("<row>,<col>", "3,5") == facts.cell_key(3, 5)
    assert agent.replace("<i>", "7") == facts.agent_key(7)


def test_planners_told_of_in_crafter_are_those_registered():
    told = first_names(table(CRAFTER, "planner"))
    assert told == [name for name in emcoop.list_planners() if name in told]
    assert {"random", "greedy", "team", "oracle"} <= set(told)
