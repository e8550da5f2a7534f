"""The sweep on a real Ray: the same results as on this machine's processes, whatever is killed meanwhile.

Each test takes 10 to 30 seconds on two free cores, nearly all of it Ray starting and ending.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import ray_stand_in as stand_in
from sweep_stand_in import small_suite

from emcoop.baselines.backends import ray_cluster, ray_connection
from emcoop.baselines.backends.local import LocalBackend
from emcoop.baselines.backends.ray_cluster import ray_backend
from emcoop.baselines.expansion import expand
from emcoop.baselines.results import DATABASE
from emcoop.baselines.suite import load_suite
from emcoop.baselines.sweep import SweepEnd, run_sweep, run_unit
from emcoop.cli import main
from emcoop.errors import EmCoopError

pytestmark = [
    pytest.mark.slow,
    # Not imported here: it reads its settings from the environment then.
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray"),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc"),
]
HERE = str(Path(__file__).parent)
MARK = "EMCOOP_TEST_MARK"
"""Environment variable by which processes that a test started are known, theirs too."""


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """Workers find the stand-in episodes; clusters of these tests have one secret; all is taken back in the end."""
    before = dict(os.environ)
    paths = [HERE, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ.update(PYTHONPATH=os.pathsep.join(paths), RAY_AUTH_TOKEN=secrets.token_hex(32), RAY_AUTH_MODE="token")
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Ray that is not ours: the address of one that another process started and will end."""
    place = str(tmp_path_factory.mktemp("cluster"))
    script = [sys.executable, stand_in.__file__, "cluster"]
    environment = {**os.environ, "TMPDIR": place, MARK: place}
    with subprocess.Popen(script, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None
        yield keeper.stdout.readline().strip()
        folder = folder_of_ray(place)
        keeper.communicate(timeout=60)
    assert not folder.exists()
    assert not started(place), "Ray is still running"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run on this machine's processes leaves."""
    folder = tmp_path_factory.mktemp("local") / "run"
    run_sweep(small_suite(), folder, LocalBackend(2), runner=stand_in.play)
    return contents(folder)


def sweep(cluster: str, folder: Path, runner=stand_in.play) -> SweepEnd:
    with ray_backend(folder, jobs=2, address=cluster) as backend:
        return run_sweep(small_suite(), folder, backend, runner=runner)


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that two runs of the same suite must agree on."""
    kept = [folder / "results.csv", folder / "suite.yaml", *sorted((folder / "traces").rglob("*"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept if path.is_file()}


def attempts(folder: Path) -> list[tuple[str, str, str]]:
    db = sqlite3.connect(folder / DATABASE)
    try:
        return db.execute("SELECT unit, status, error FROM attempts ORDER BY unit, try").fetchall()
    finally:
        db.close()


def wait_until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def started(mark: str) -> dict[int, str]:
    """Return the processes that descend from one with this mark, and their command lines."""
    found = {}
    for place in Path("/proc").iterdir():
        try:
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
    return found


def folder_of_ray(mark: str) -> Path:
    """Return where a Ray writes that descends from a process with this mark."""
    (folder,) = {name for line in started(mark).values() for name in re.findall(r"/tmp/emcoop-ray-\w+", line)}
    return Path(folder)


def test_real_episodes_have_the_same_rows_and_the_same_bytes(tmp_path: Path) -> None:
    run_sweep(load_suite("smoke"), tmp_path / "local", LocalBackend(2))
    script = str(Path(__file__).parents[2] / "baselines" / "sweep.py")
    options = ["smoke", "--jobs", "2", "--out", str(tmp_path / "ray"), "--backend", "ray"]
    marked = {**os.environ, MARK: str(tmp_path)}
    done = subprocess.run([sys.executable, script, *options], env=marked, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "ray" not in done.stdout.replace(str(tmp_path / "ray"), "").lower()
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert len(contents(tmp_path / "ray")) == 6 + 2
    assert not started(str(tmp_path)), "Ray is still running"


def test_no_folder_is_shared_with_the_workers(cluster: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    folder, told = tmp_path / "run", tmp_path / "told"
    told.mkdir()
    end = sweep(cluster, folder, partial(stand_in.tell_place, str(told)))
    assert not end.unfinished
    assert contents(folder) == whole
    places = [Path(path.read_text(encoding="utf-8")) for path in told.iterdir()]
    assert len(places) == 12
    assert not any(place.is_relative_to(tmp_path) or place.exists() for place in places)


def test_a_killed_worker_spoils_its_own_unit_only_and_it_is_run_again(
    cluster: str, whole: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pid, killed = tmp_path / "pid", []

    def kill() -> None:
        wait_until(pid.exists)
        killed.append(int(pid.read_text(encoding="utf-8")))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    end = sweep(cluster, tmp_path / "run", partial(stand_in.announce_and_wait, str(tmp_path)))
    killer.join()
    assert killed
    assert not end.unfinished
    tried = attempts(tmp_path / "run")
    assert len(tried) == 13
    ((unit, _, error),) = [attempt for attempt in tried if attempt[1] == "infra_error"]
    assert "n0004" in unit
    assert "s001" in unit
    assert "worker died unexpectedly" in error
    assert contents(tmp_path / "run") == whole
    assert capfd.readouterr() == ("", "")


def test_workers_that_all_die_end_the_sweep_with_a_sentence(cluster: str, tmp_path: Path) -> None:
    with pytest.raises(EmCoopError, match=r"7 Ray workers failed one after the other .*check the machines' memory"):
        sweep(cluster, tmp_path, stand_in.die)
    assert {status for _, status, _ in attempts(tmp_path)} == {"infra_error"}


def test_closing_abandons_what_runs_and_leaves_no_files(cluster: str, tmp_path: Path) -> None:
    runner = partial(stand_in.rest_from_seed_one, str(tmp_path))
    work = partial(run_unit, runner=runner, folder="nowhere", session="s")
    (tmp_path / "traces").mkdir()
    with ray_backend(tmp_path, jobs=2, address=cluster) as backend:
        outcomes = backend.run(expand(small_suite()), work)
        assert [next(outcomes).unit.seed for _ in range(4)] == [0] * 4
        told = tmp_path / "place"
        wait_until(told.exists)
        place = Path(told.read_text(encoding="utf-8"))
        assert place.parent.is_dir()
        outcomes.close()
        assert not place.parent.exists()


def test_a_disk_that_refuses_a_trace_here_ends_the_sweep(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(ray_cluster, "sync_and_move", refuse)
    with pytest.raises(EmCoopError, match="cannot go on: No space left on device"):
        sweep(cluster, tmp_path)
    assert not list((tmp_path / "traces").iterdir())


def test_another_version_on_the_workers_is_refused_before_anything_runs(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_connection, "__version__", "99.0")
    with pytest.raises(EmCoopError, match=r"of the Ray cluster has emcoop .*, this one 99.0: install emcoop 99.0"):
        sweep(cluster, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_machine_that_joins_later_with_another_version_runs_nothing(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "__version__", "99.0")
    end = sweep(cluster, tmp_path)
    assert len(end.unfinished) == 12
    assert all("install emcoop 99.0 on all of them" in error for error in end.unfinished.values())


def test_what_listens_and_is_no_ray_is_given_up_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_connection, "PATIENCE", 8.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(EmCoopError, match=f"{address} does not answer as a Ray cluster within 8 seconds"):
            sweep(address, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_cluster_whose_secret_we_lack_is_refused_with_a_sentence(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ray_connection, "PATIENCE", 12.0)
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    assert main(["sweep", "smoke", "--backend", "ray", "--address", cluster, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "token" in said


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_stopped_sweep_takes_ray_along_and_resumes_to_the_same_results(
    how: signal.Signals, code: int, whole: dict[str, bytes], tmp_path: Path
) -> None:
    folder, gate, mark = tmp_path / "run", tmp_path / "gate", str(tmp_path)
    os.mkfifo(gate)
    script = [sys.executable, stand_in.__file__, "sweep", str(folder)]
    first = subprocess.Popen(
        script,
        env={**os.environ, stand_in.GATE: str(gate), MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests started in the background of a shell inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert first.stdout is not None
    assert any(line.startswith("8/12") for line in first.stdout)
    place = folder_of_ray(mark)
    if how == signal.SIGKILL:
        first.kill()
    else:
        os.killpg(first.pid, signal.SIGINT)  # as a terminal does: all it started in its group get it too
    _, said = first.communicate(timeout=60)
    assert (first.returncode, said) == (code, "")
    # After a kill two of Ray's, which run nothing, try for a minute to report that to whom is no more.
    spared = "Agent" if how == signal.SIGKILL else "nothing"
    wait_until(lambda: all(spared in line for line in started(mark).values()))
    assert place.exists() == (how == signal.SIGKILL)
    shutil.rmtree(place, ignore_errors=True)
    assert [status for _, status, _ in attempts(folder)] == ["completed"] * 8
    again = subprocess.run(script, capture_output=True, text=True, check=True)
    assert "resuming: 8 of 12" in again.stdout
    assert "finished 12" in again.stdout
    assert [status for _, status, _ in attempts(folder)] == ["completed"] * 12
    assert contents(folder) == whole
