"""The page on how to submit: its commands are commands, its keys are keys, and the whole walk leads to the board."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import typer.main
from board_tools import shown

from emcoop.baselines.strict_yaml import parse_yaml
from emcoop.cli import app, main
from emcoop.leaderboards.frozen import frozen_hashes
from emcoop.leaderboards.metadata import Meta, read_meta
from emcoop.leaderboards.site import words

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "leaderboard.md"
RULES = ROOT / "leaderboards" / "README.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def lines(page: Path) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line]


@pytest.mark.parametrize("line", [*lines(PAGE), *lines(RULES)])
def test_every_line_is_a_command_there_is(line: str) -> None:
    words_of = shlex.split(line, comments=True)
    if words_of[0] != "emcoop":
        assert words_of[0] in ("mkdir", "cp")
        return
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words_of[1]]
        words_of = words_of[1:]
    command.make_context("emcoop", words_of[1:])


def test_the_file_on_the_page_is_one(tmp_path: Path) -> None:
    whole, models = blocks(PAGE, "yaml")
    path = tmp_path / "meta.yaml"
    path.write_text(whole, encoding="utf-8")
    assert read_meta(path).slug == "my-team"
    parsed = parse_yaml(whole, "page") | parse_yaml(models, "page")
    assert msgspec.convert(parsed, Meta).models[0].provider == "OpenAI"


def test_the_keys_on_the_page_are_those_of_the_file() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert keys == list(Meta.__struct_fields__)


def test_the_rules_name_the_badges_there_are() -> None:
    text = RULES.read_text(encoding="utf-8")
    for level, (name, _) in words.BADGES.items():
        assert level < 0 or f"| L{level} {name} |" in text


def test_the_suite_on_the_page_is_frozen() -> None:
    (suite,) = {match for line in lines(PAGE) for match in re.findall(r"emcoop sweep (\S+)", line)}
    assert suite in frozen_hashes()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_walk_leads_to_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meta.yaml").write_text(blocks(PAGE, "yaml")[0], encoding="utf-8")
    seen = []
    for line in lines(PAGE):
        told = shlex.split(line)
        if told[0] == "emcoop":
            assert main(told[1:]) == 0, (line, capsys.readouterr())
            if told[1:3] == ["leaderboard", "build"]:
                seen.append(shown((tmp_path / "leaderboard" / "core-v1" / "index.html").read_text(encoding="utf-8")))
        else:
            assert shutil.which(told[0])
            subprocess.run(told, check=True)
    before, after = seen
    assert "Not ranked: not verified" in before
    assert "My team" in after
    assert "L2 re-run" in after
    assert "Not ranked" not in after
    folder = tmp_path / "leaderboards" / "submissions" / "2026-11-21_my-team"
    assert not (folder / "verification.json").exists()
    assert (tmp_path / "leaderboard" / "core-v1" / folder.name / "best.html").is_file()
