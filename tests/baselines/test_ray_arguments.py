"""What the sweep on Ray refuses before there is any Ray."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from emcoop.baselines.backends.ray_connection import connected
from emcoop.cli import main
from emcoop.errors import ConfigError, EmCoopError


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for Ray is taken back after the test."""
    import os

    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)


@pytest.fixture
def hollow_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that can be imported and does nothing: what is refused before anything is asked of it."""
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))


@pytest.mark.usefixtures("no_ray")
def test_without_the_package_one_sentence_says_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main(["sweep", "smoke", "--backend", "ray", "--out", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert 'pip install "emcoop[ray]"' in said
    assert not folder.exists()


@pytest.mark.usefixtures("no_ray")
def test_an_estimate_needs_no_ray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "smoke", "--backend", "ray", "--dry-run", "--out", str(tmp_path / "run")]) == 0
    assert "episodes:  6" in capsys.readouterr().out


def test_nothing_imports_ray_before_it_is_used(tmp_path: Path) -> None:
    modules = "emcoop, emcoop.cli, emcoop.baselines.sweep, emcoop.baselines.backends.ray_cluster"
    code = f"import sys, {modules}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--address", "127.0.0.1:6379"], "add --backend ray"),
        (["--backend", "ray", "--planner", "llm:test/pocket"], "leave it out"),
    ],
)
def test_options_that_do_not_go_together_are_refused_also_in_an_estimate(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--dry-run"]):
        assert main(["sweep", "smoke", *options, *more, "--out", str(tmp_path / "run")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("hollow_ray")
@pytest.mark.parametrize("address", ["here", "", "local", "host:", ":6379", "host:ray", "host:0", "host:65536"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a Ray cluster: give HOST:PORT"), connected(address, 1):
        pass


@pytest.mark.usefixtures("hollow_ray")
@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_an_address_where_nothing_listens_is_refused_at_once(address: str) -> None:
    with socket.socket() as held:  # bound and not listening: nobody else can get this port meanwhile
        held.bind(("127.0.0.1", 0))
        given = address.format(held.getsockname()[1])
        with pytest.raises(EmCoopError, match=f"nothing answers at {given}"), connected(given, 1):
            pass
