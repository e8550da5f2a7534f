"""The package as it is installed: what importing it costs, what it registers, and what the wheel holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import emcoop
from emcoop.cli import main

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "emcoop": ROOT / "src" / "emcoop",
    **{f"emcoop/{name}": ROOT / name for name in ("envs", "cognitive_layer", "metrics", "baselines", "leaderboards")},
}
HEAVY = ("torch", "openai", "ray", "pygame", "matplotlib", "numba", "pandas", "scipy")


def fresh(code: str, cwd: Path, *path: Path) -> str:
    """Run code in a new interpreter, away from the checkout; return what it prints."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environ, capture_output=True, encoding="utf-8", timeout=240
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_importing_it_loads_nothing_heavy(tmp_path: Path):
    loaded = json.loads(fresh("import emcoop, json, sys; print(json.dumps(list(sys.modules)))", tmp_path))
    assert "emcoop.registration" in loaded
    assert sorted({name.partition(".")[0] for name in loaded} & set(HEAVY)) == []


def test_importing_it_registers_every_environment_and_registering_again_changes_nothing(tmp_path: Path):
    printed = fresh(
        "import gymnasium, pettingzoo, json, warnings\n"
        "warnings.simplefilter('error')\n"
        "def ids():\n"
        "    parallel = getattr(pettingzoo, 'parallel_registry', {})\n"
        "    return sorted(i for r in (gymnasium.registry, parallel) for i in r if i.startswith('emcoop/'))\n"
        "before = ids()\n"
        "import emcoop\n"
        "first = ids()\n"
        "emcoop.registration.register_all()\n"
        "print(json.dumps([before, first, ids()]))",
        tmp_path,
    )
    before, first, second = json.loads(printed)
    assert before == []
    assert first == second
    for env_id in emcoop.list_environments():
        name, _, number = env_id.rpartition("-")
        assert {f"emcoop/{env_id}", f"emcoop/{name}-Seat-{number}"} <= set(first)


def test_the_version_is_that_of_the_distribution():
    assert emcoop.__version__ == version("emcoop")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {emcoop.__version__}" in changelog


def test_every_public_name_can_be_had():
    assert len(set(emcoop.__all__)) == len(emcoop.__all__)
    for name in emcoop.__all__:
        assert getattr(emcoop, name) is not None
        assert name in dir(emcoop)
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        emcoop.nosuch  # noqa: B018 - the access is what is tested


OUTSIDE = {"__pycache__", "submissions", "reference", "README.md"}
"""What lies in the package's folders and is no part of it: evidence, and pages for readers of the repository."""


def files_on_disk() -> dict[str, bytes]:
    """Return what the wheel has to hold: every module and data file of the package's folders."""
    return {
        f"{package}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for package, folder in FOLDERS.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not OUTSIDE.intersection(path.relative_to(folder).parts)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A wheel built from a copy of the checkout, so that nothing is left in it."""
    copy, out = tmp_path_factory.mktemp("copy") / "emcoop", tmp_path_factory.mktemp("wheel")
    copy.mkdir()
    for folder in ("src", *(name for package in FOLDERS if (name := package.partition("/")[2]))):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, copy)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--quiet",
            "--wheel-dir",
            str(out),
            str(copy),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert run.returncode == 0, run.stderr
    (built,) = out.glob("*.whl")
    yield built
    shutil.rmtree(copy)


@pytest.mark.slow
def test_the_wheel_puts_nothing_but_emcoop_into_site_packages(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    assert top == {"emcoop", f"emcoop-{emcoop.__version__}.dist-info"}


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_folders_and_no_other(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if name.startswith("emcoop/")}
    expected = files_on_disk()
    assert "emcoop/py.typed" in expected
    assert "emcoop/baselines/suites/quick.yaml" in expected
    assert sorted(held) == sorted(expected)
    assert [name for name in held if held[name] != expected[name]] == []


@pytest.mark.slow
def test_every_module_of_the_installed_wheel_can_be_imported(wheel: Path, tmp_path: Path):
    target = tmp_path / "site"
    run = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(wheel)],
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert run.returncode == 0, run.stderr
    printed = fresh(
        "import emcoop, importlib, pkgutil\n"
        "print(emcoop.__file__)\n"
        "for found in pkgutil.walk_packages(emcoop.__path__, 'emcoop.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        print(importlib.import_module(found.name).__name__)",
        tmp_path,
        target,
    )
    place, *imported = printed.split()
    assert Path(place).is_relative_to(target)
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in files_on_disk()
        if name.endswith(".py") and not name.endswith("/__main__.py")
    }
    assert set(imported) | {"emcoop"} == modules


def test_a_broken_entry_point_of_somebody_else_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[emcoop.topologies]\npairs = no_such_module:Pairs\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["list"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("emcoop: the entry point pairs = 'no_such_module:Pairs' of the package theirs")
    assert len(said.splitlines()) == 1
