"""What a sweep survives: damage, full and read-only disks, signals, broken clocks, a second sweep, a moved folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import sweep_stand_in as stand_in

from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import Unit, expand
from emcoop.baselines.folder import LOCK_FILE, locked
from emcoop.baselines.interrupts import stoppable, undisturbed
from emcoop.baselines.left_behind import differences, look
from emcoop.baselines.progress import Note, Tally
from emcoop.baselines.results import DATABASE, Result, read_frame
from emcoop.baselines.sweep import SweepEnd, run_sweep
from emcoop.errors import ConfigError, EmCoopError

fcntl = pytest.importorskip("fcntl", reason="signals, mounts and locks are those of POSIX")

HERE = Path(__file__).parent
MOUNTING = ["unshare", "--mount", "--map-root-user"]


def sweep(folder: Path, runner=stand_in.play, suite=None, **more) -> SweepEnd:
    return run_sweep(suite or stand_in.small_suite(), folder, ThreadBackend(2, lambda: None), runner=runner, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    sweep(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A finished sweep to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def telling(at: int, act: Callable[[], object]) -> Callable[..., object]:
    """Return a display that does something after so many outcomes."""

    @contextmanager
    def watch(units: Sequence[Unit], finished: Mapping[str, Result]) -> Iterator[Note]:
        seen: list[str] = []

        def note(unit: Unit, result: Result) -> None:
            seen.append(unit.id)
            if len(seen) == at:
                act()

        yield note

    return watch


def test_episodes_whose_trace_is_gone_or_damaged_are_run_again_and_no_other(folder: Path, whole: Path) -> None:
    traces = sorted((folder / "traces").iterdir())
    good = [path.read_bytes() for path in traces]
    traces[0].unlink()
    traces[1].write_bytes(good[1][:-9])
    traces[2].write_bytes(b"garbage" * 20)
    traces[3].write_bytes(b"")
    traces[4].write_bytes(good[5])
    traces[6].write_bytes(good[6][:30] + bytes([good[6][30] ^ 1]) + good[6][31:])
    bad = [traces[i].name.removesuffix(".jsonl.gz") for i in (0, 1, 2, 3, 4, 6)]
    ran, told = [], {}

    def runner(unit: Unit, trace: Path) -> Result:
        if trace.parent.name.startswith("."):  # not to warm up
            ran.append(unit.id)
        return stand_in.play(unit, trace)

    @contextmanager
    def watch(units: Sequence[Unit], finished: Mapping[str, Result]) -> Iterator[Note]:
        assert set(bad).isdisjoint(finished)
        yield lambda unit, result: told.setdefault(unit.id, result.error)

    before = look(folder)
    sweep(folder, runner, watch=watch)
    assert sorted(ran) == bad
    assert sorted(told) == bad
    assert all(reason.startswith("run again: ") for reason in told.values())
    assert differences(whole, folder) == []
    after = look(folder)
    assert len(after.attempts) == 12 + 6
    kept = {(unit, number, digest, metrics) for unit, number, _, digest, metrics in after.attempts}
    assert {(unit, number, digest, metrics) for unit, number, _, digest, metrics in before.attempts} <= kept
    assert json.loads((folder / "environment.json").read_text(encoding="utf-8"))["infra_errors"] == 6


def test_garbage_of_killed_sessions_is_removed_or_replaced(folder: Path, whole: Path) -> None:
    (folder / "results.csv").unlink()
    for name in ("results.csv.part", "matched.csv.part", "environment.json.part", "suite.yaml.part"):
        (folder / name).write_bytes(b"\0garbage")
    (folder / "suite.yaml").unlink()
    (folder / "traces" / ".running-dead-1-1").mkdir()
    (folder / "traces" / ".running-dead-1-1" / "unit.jsonl.part").write_bytes(b"half")
    (folder / "traces" / ".running-file").write_bytes(b"half")
    sweep(folder)
    assert differences(whole, folder) == []


@pytest.mark.parametrize("left", [["suite.yaml"], ["traces"], ["traces", DATABASE], [DATABASE, f"{DATABASE}-journal"]])
def test_a_sweep_killed_before_its_first_episode_is_resumed(left: list[str], whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / "suite.yaml", tmp_path)
    for name in left:
        if name == "traces":
            (tmp_path / name).mkdir()
        elif name != "suite.yaml":
            (tmp_path / name).touch()
    sweep(tmp_path)
    assert differences(whole, tmp_path) == []


def test_a_suite_that_somebody_wrote_by_hand_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text("name: mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a suite.yaml that no sweep wrote.*--out"):
        sweep(tmp_path)
    assert (tmp_path / "suite.yaml").read_text(encoding="utf-8") == "name: mine"


@pytest.mark.parametrize("text", [b"", b"name: [", b"\xff\xfe\0", b"name: other\n"])
def test_a_damaged_copy_of_the_suite_is_written_again(text: bytes, folder: Path, whole: Path) -> None:
    (folder / "suite.yaml").write_bytes(text)
    sweep(folder)
    assert differences(whole, folder) == []


def test_the_copy_of_another_suite_stays_as_it_is(folder: Path) -> None:
    (folder / "suite.yaml").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="holds the results of another suite"):
        sweep(folder, suite=stand_in.small_suite(max_steps=21))
    assert (folder / "suite.yaml").read_bytes() == b"damaged"


def test_a_cut_off_or_overwritten_database_is_refused_before_anything_runs(folder: Path) -> None:
    good = (folder / DATABASE).read_bytes()
    middle = len(good) // 2
    spoilt = [good[:length] for length in range(0, len(good), 3000)]
    spoilt += [good[:at] + b"\xaa" * 4096 + good[at + 4096 :] for at in range(0, len(good) - 4096, 4096)]
    spoilt += [good[:middle] + good]
    for data in spoilt:
        (folder / DATABASE).write_bytes(data)
        with pytest.raises(EmCoopError, match=r"damaged|missing or empty|not the database|another version"):
            sweep(folder, stand_in.fail_at_seed_one)
    (folder / DATABASE).unlink()
    with pytest.raises(ConfigError, match=r"holds traces, but its results.sqlite is missing.*--out"):
        sweep(folder)
    (folder / DATABASE).write_bytes(good)
    assert not sweep(folder).unfinished


def copy_live(running: Path, copy: Path) -> None:
    """Copy what a kill at this moment would leave, but for the files that come and go."""
    shutil.copytree(running, copy, ignore=shutil.ignore_patterns(".running-*"))


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_of_a_cut_off_log_of_the_database_the_lost_rows_are_run_again(keep: float, whole: Path, tmp_path: Path) -> None:
    running, found = tmp_path / "running", tmp_path / "found"
    sweep(running, watch=telling(8, lambda: copy_live(running, found)))
    log = found / f"{DATABASE}-wal"
    os.truncate(log, int(log.stat().st_size * keep))
    (found / f"{DATABASE}-shm").unlink()
    before = look(found).finished
    assert keep < 1 or len(before) == 8
    assert keep == 1 or len(before) < 8
    sweep(found)
    assert differences(whole, found) == []


def test_the_refusal_says_who_holds_the_folder_and_the_note_of_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    me = rf"another sweep is running in .* \(process {os.getpid()} on"
    with locked(tmp_path), pytest.raises(ConfigError, match=me):
        sweep(tmp_path)
    (tmp_path / LOCK_FILE).write_text("\0process 1 on another-host", encoding="utf-8")
    assert not sweep(tmp_path).unfinished
    assert b"host" not in (tmp_path / LOCK_FILE).read_bytes()


def test_a_disk_that_cannot_lock_is_refused_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(EmCoopError, match=r"cannot lock files \(No locks available\).*--out"):
        sweep(tmp_path)


def test_two_sweeps_that_got_past_the_lock_double_and_lose_nothing(whole: Path, tmp_path: Path) -> None:
    """Somebody removes the lock file of a running sweep and starts another one."""

    def intrude() -> None:
        (tmp_path / LOCK_FILE).unlink()
        sweep(tmp_path)

    with pytest.raises(EmCoopError, match="already holds a finished episode"):
        sweep(tmp_path, watch=telling(3, intrude))
    sweep(tmp_path)
    assert differences(whole, tmp_path) == []


def test_results_can_be_read_while_a_sweep_runs(whole: Path, tmp_path: Path) -> None:
    frames = []
    sweep(tmp_path, watch=telling(5, lambda: frames.append(read_frame(tmp_path))))
    assert len(frames[0]) == 5
    assert differences(whole, tmp_path) == []


def test_a_folder_that_is_moved_away_stops_the_sweep_which_goes_on_in_the_new_place(
    whole: Path, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    with pytest.raises(EmCoopError, match=r"moved or removed|cannot use|cannot write"):
        sweep(old, watch=telling(3, lambda: old.rename(new)))
    assert not old.exists()
    spoilt = [attempt for attempt in look(new).attempts if attempt[2] == "infra_error"]
    assert len(spoilt) <= 2
    sweep(new)
    assert differences(whole, new) == []


@pytest.mark.skipif(subprocess.run([*MOUNTING, "true"], capture_output=True).returncode != 0, reason="cannot mount")
@pytest.mark.parametrize("what", ["full", "read-only", pytest.param("episode", marks=pytest.mark.slow)])
def test_full_and_read_only_disks_lose_nothing(what: str, tmp_path: Path) -> None:
    script = [*MOUNTING, sys.executable, str(HERE / "mounted_stand_in.py"), what, str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_clocks_that_jump_change_nothing(whole: Path, tmp_path: Path) -> None:
    script = [sys.executable, stand_in.__file__, str(tmp_path / "run"), "--broken-time"]
    done = subprocess.run(script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert differences(whole, tmp_path / "run") == []


def test_what_is_left_is_estimated_also_when_no_time_or_less_than_none_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    units = expand(stand_in.small_suite())
    now = iter([100.0, 100.0, 40.0, 1e18])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    tally = Tally.of(units, {}, str)
    tally.add(units[0], Result(status="completed"))
    for _ in range(3):
        assert "left" in tally.line()


@pytest.mark.parametrize(
    ("signals", "group"),
    [
        ([signal.SIGINT], True),
        ([signal.SIGTERM], True),
        ([signal.SIGINT, signal.SIGINT], True),
        pytest.param([signal.SIGTERM], False, marks=pytest.mark.slow),
        pytest.param([signal.SIGHUP], True, marks=pytest.mark.slow),
        pytest.param([signal.SIGTERM, signal.SIGINT, signal.SIGTERM], True, marks=pytest.mark.slow),
    ],
)
def test_signals_stop_a_sweep_cleanly(signals: list[signal.Signals], group: bool, whole: Path, tmp_path: Path) -> None:
    folder, gate = tmp_path / "run", tmp_path / "gate"
    os.mkfifo(gate)
    process = subprocess.Popen(
        [sys.executable, stand_in.__file__, str(folder)],
        env={**os.environ, stand_in.GATE: str(gate)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests started in the background of a shell inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert any(line.startswith("8/12") for line in process.stdout)
    for number in signals:
        os.killpg(process.pid, number) if group else process.send_signal(number)
    _, said = process.communicate(timeout=20)  # ends when the workers have, who hold the pipe
    if len(signals) == 1:
        assert (process.returncode, said) == (130, "")
        assert not list((folder / "traces").glob(".*"))
        assert not (folder / f"{DATABASE}-wal").exists()
    assert [attempt[2] for attempt in look(folder).attempts] == ["completed"] * 8
    sweep(folder)
    assert differences(whole, folder) == []


def test_what_asks_to_stop_waits_until_the_work_is_done() -> None:
    done = []

    def work() -> None:
        with stoppable():
            with undisturbed():
                os.kill(os.getpid(), signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
                time.sleep(0.01)
                done.append("the work")
            done.append("more")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the work"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_who_has_decided_what_sigterm_means_is_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_a_traceless_row_needs_no_trace(tmp_path: Path) -> None:
    def without(unit: Unit, trace: Path) -> Result:
        return Result(status="completed", metrics={"score": 1.0})

    sweep(tmp_path, without)
    sweep(tmp_path, stand_in.fail_at_seed_one)
    with sqlite3.connect(tmp_path / DATABASE) as db:
        assert db.execute("SELECT count(*) FROM attempts").fetchone() == (12,)
