"""Sweeps on disks that are full or read-only. A script, because mounting needs a mount namespace of its own.

    unshare --mount --map-root-user python mounted_stand_in.py full|read-only|episode FOLDER

It ends with exit code 0 if each such sweep ended with a sentence and, once there was room, with what an undisturbed
one gives.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import sweep_stand_in

from emcoop.baselines.backends.local import LocalBackend
from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import Unit
from emcoop.baselines.left_behind import differences
from emcoop.baselines.results import Result
from emcoop.baselines.suite import load_suite
from emcoop.baselines.sweep import SweepEnd, run_sweep
from emcoop.errors import EmCoopError

KILOBYTES = range(4, 800, 60)
"""Sizes of disks: full before there is a database, while episodes run, and when tables are made."""


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def sweep(folder: Path, runner=sweep_stand_in.play) -> SweepEnd:
    return run_sweep(sweep_stand_in.small_suite(), folder, ThreadBackend(2, lambda: None), runner=runner)


def play_much(unit: Unit, trace: Path) -> Result:
    """Leave a trace of about 20 KB."""
    noise = "".join(hashlib.sha256(f"{unit.id} {i}".encode()).hexdigest() for i in range(600))
    return sweep_stand_in.play(unit, trace, noise)


def sentence(folder: Path, runner=sweep_stand_in.play) -> str:
    """Sweep, which has to be refused; return why, empty if it was not."""
    try:
        sweep(folder, runner)
    except EmCoopError as error:
        return str(error)
    return ""


def full(place: Path) -> None:
    whole, disk = place / "whole", place / "disk"
    sweep(whole, play_much)
    disk.mkdir()
    said = {}
    for size in KILOBYTES:
        mount("-t", "tmpfs", "-o", f"size={size}k", "none", str(disk))
        said[size] = sentence(disk / "run", play_much)
        mount("-o", "remount,size=8m", str(disk))
        assert not sweep(disk / "run", play_much).unfinished
        assert differences(whole, disk / "run") == []
        subprocess.run(["umount", str(disk)], check=True)
    assert not said[KILOBYTES[-1]], said
    refused = [text for text in said.values() if text]
    assert len(refused) > 8, said
    assert all("safe" in text and "\n" not in text for text in refused), said
    assert any("No space left" in text for text in refused), said
    assert any("full" in text for text in refused), said


def read_only(place: Path) -> None:
    """A disk that is read-only from the start: an empty folder, and one where all is done."""
    for runner in (None, sweep_stand_in.play):
        run, copy = place / f"run-{runner is None}", place / f"copy-{runner is None}"
        copy.mkdir()
        if runner:
            sweep(run)
        run.mkdir(exist_ok=True)
        mount("--bind", str(run), str(copy))
        mount("-o", "remount,ro,bind", str(copy))
        said = sentence(copy)
        assert "Read-only file system" in said, said


def episode(place: Path) -> None:
    """Real episodes in real workers on a disk that fills up: that is never the planner's fault."""
    whole, disk, suite = place / "whole", place / "disk", load_suite("smoke")
    run_sweep(suite, whole, LocalBackend(2))
    disk.mkdir()
    for size in (90, 110, 130):
        mount("-t", "tmpfs", "-o", f"size={size}k", "none", str(disk))
        try:
            run_sweep(suite, disk / "run", LocalBackend(2))
        except EmCoopError as error:
            print(error)
        else:
            raise AssertionError(f"{size} KB were enough")
        mount("-o", "remount,size=8m", str(disk))
        assert not run_sweep(suite, disk / "run", LocalBackend(2)).unfinished
        assert differences(whole, disk / "run") == []
        subprocess.run(["umount", str(disk)], check=True)


if __name__ == "__main__":
    {"full": full, "read-only": read_only, "episode": episode}[sys.argv[1]](Path(sys.argv[2]))
