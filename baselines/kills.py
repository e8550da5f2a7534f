"""Kill a real sweep again and again, resume it, and compare it with one that nobody disturbed.

    python -m emcoop.baselines.kills --kills 50

Moments are drawn: at any time, when a trace has just been put in place, when a row is being written, while the tables
are made, and while the report is drawn. Killed is the whole process group, the parent alone, or one worker alone. It
needs a system with SIGKILL and `ps`.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from emcoop.baselines.folder import PROVENANCE_FILE, RUNNING, TRACES
from emcoop.baselines.left_behind import Left, differences, look, lost_or_repeated
from emcoop.baselines.matching import MATCHED_TABLE
from emcoop.baselines.results import DATABASE, SCORED, TABLE, read_rows
from emcoop.errors import EmCoopError

SUITE = """\
name: kills
environments: [{id: Cube-v0}]
team_sizes: [2, 4]
topologies: [individual, decentralized]
planners: [random, team]
regimes: {open: {}}
seeds: {start: 0, count: 8}
max_steps: 80
exclude: [{planners: [random], topologies: [decentralized]}]
"""
EPISODES = 48
TABLES_ONLY = """
import sys
from pathlib import Path
from emcoop.baselines.launch import run_here
from emcoop.baselines.suite import load_suite
run_here(load_suite(sys.argv[1]), Path(sys.argv[5]), int(sys.argv[3]))
"""
"""A sweep without its report, with the arguments of the command that makes one."""

Stamps = dict[str, tuple[int, int]]
"""File -> time and size."""

WATCHED = {
    "trace": f"{TRACES}/*.gz",
    "row": f"{DATABASE}-wal",
    "tables": f"[{TABLE[0]}{MATCHED_TABLE[0]}{PROVENANCE_FILE[0]}]*.[cj]s*",
    "report": "tables/*",
}
"""Kind of moment -> files whose change announces it."""
EARLY = {"time": 3, "trace": 5, "row": 5, "tables": 1}
"""Kind of moment -> weight in the draw, while episodes are missing."""
LATE = {"time": 1, "tables": 1, "report": 3}
"""The same once none is."""
MOST_LATE = 2
"""Kills of one sweep that has all its episodes; then it may end, and the next one begins."""
MOST_CHANGES = 8
"""A trace or row is one of the next so many."""
DELAYS = {"trace": 0.02, "row": 0.005, "tables": 0.02, "report": 5.0}
"""Kind of moment -> at most so many seconds later."""
WHOM = {"group": 1, "parent": 1, "worker": 1}
POLL = 0.002
PATIENCE = 300.0
"""Seconds within which a sweep must end, and whatever a killed one left running."""


class Process(NamedTuple):
    """One of a sweep's processes, as `ps` shows it."""

    pid: int
    parent: int
    command: str


@dataclass
class Trial:
    """All kills of one call.

    Attributes:
        work: Folder of all sweeps.
        sweep: What starts a sweep, without its arguments.
        late: Kinds of moments once all episodes are there, with their weights in the draw.
        jobs: Workers of a sweep.
        kills: Kills to make.
        chance: What moments and victims are drawn from.
        seconds: How long an undisturbed sweep takes.
        made: Kills made so far, by whom they hit.
        spoilt: Attempts that ended with their worker, all of them kept.
        wrong: What was lost, doubled or different.
    """

    work: Path
    sweep: list[str]
    late: dict[str, int]
    jobs: int
    kills: int
    chance: random.Random
    seconds: float = 0.0
    made: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WHOM, 0))
    spoilt: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Kills still to be made."""
        return self.kills - sum(self.made.values())

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Begin or resume a sweep, in a process group of its own."""
        arguments = [str(self.work / "suite.yaml"), "--jobs", str(self.jobs), "--out", str(folder)]
        with folder.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *self.sweep, *arguments], stdout=log, stderr=log, start_new_session=True
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0 if nothing was lost, doubled or different, else 1."""
    parser = argparse.ArgumentParser(prog="python -m emcoop.baselines.kills", description="Kill a sweep and compare.")
    parser.add_argument("--kills", type=int, default=50, help="how many (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of moments and victims (default 0)")
    parser.add_argument("--jobs", type=int, default=2, help="workers of a sweep (default 2)")
    parser.add_argument("--no-report", action="store_true", help="sweeps that make tables only; takes a third")
    given = parser.parse_args(argv)
    if not hasattr(os, "killpg") or shutil.which("ps") is None:
        parser.error("this system has no process groups or no `ps`: run it on Linux or macOS")
    work = Path(tempfile.mkdtemp(prefix="emcoop-kills-"))
    sweep = ["-c", TABLES_ONLY] if given.no_report else ["-m", "emcoop", "sweep"]
    late = {aim: weight for aim, weight in LATE.items() if aim != "report" or not given.no_report}
    trial = Trial(work, sweep, late, given.jobs, given.kills, random.Random(given.seed))
    _run(trial)
    made = ", ".join(f"{whom} {times}" for whom, times in trial.made.items())
    print(f"{trial.kills - trial.left} kills ({made}), {trial.spoilt} attempts ended with their worker")
    for problem in trial.wrong:
        print(f"WRONG: {problem}")
    if trial.wrong:
        print(f"NOT equal to an undisturbed sweep; everything is in {work}")
        return 1
    shutil.rmtree(work)
    print("equal to an undisturbed sweep, byte for byte: no episode lost, doubled or repeated, every attempt kept")
    return 0


def _run(trial: Trial) -> None:
    (trial.work / "suite.yaml").write_text(SUITE, encoding="utf-8")
    whole = trial.work / "undisturbed"
    began = time.monotonic()
    _let_end(trial, trial.start(whole))
    trial.seconds = time.monotonic() - began
    print(f"undisturbed: {_finished(whole)} episodes in {trial.seconds:.1f} s", flush=True)
    number = 0
    while trial.left and not trial.wrong:
        number += 1
        folder = trial.work / f"sweep-{number}"
        _disturb(trial, folder)
        trial.wrong += [f"{folder.name}: {what}" for what in differences(whole, folder)]
        trial.spoilt += sum(attempt[2] not in SCORED for attempt in look(folder).attempts)
        print(f"{folder.name} has ended, {'NOT ' if trial.wrong else ''}equal", flush=True)


def _disturb(trial: Trial, folder: Path) -> None:
    """Kill one sweep and start it again until it ends by itself."""
    before, dead, late = Left(), True, 0
    while dead:
        process = trial.start(folder)
        if late == MOST_LATE or not trial.left:
            dead = False
            _let_end(trial, process)
        else:
            dead = _killed(trial, process, folder)
        now = look(folder)
        late += len(now.finished) == EPISODES
        trial.wrong += [f"{folder.name}: {what}" for what in lost_or_repeated(before, now)]
        before = now


def _killed(trial: Trial, process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Disturb a running sweep; return whether it died of it, or else ended by itself."""
    began, stamps = time.monotonic(), _stamps(folder, "*", "tables/*")
    while trial.left and _has_come(_next_moment(trial, folder), process):
        doing = _doing(folder, stamps)
        whom = _kill(trial, process)
        after = time.monotonic() - began
        if whom != "worker" and process.wait() != -signal.SIGKILL:
            break  # it was quicker
        trial.made[whom] += 1
        if whom != "worker":
            _wait_until_gone(trial, process.pid)
        print(
            f"kill {trial.kills - trial.left:>2} of {trial.kills}: {folder.name}, {after:5.2f} s after its start, "
            f"{whom:<6}, {_finished(folder, alive=whom == 'worker'):>2}/{EPISODES} episodes finished; {doing}",
            flush=True,
        )
        if whom != "worker":
            return True
    _let_end(trial, process)
    return False


def _next_moment(trial: Trial, folder: Path) -> Callable[[], bool]:
    """Draw a moment; return what says whether it has come."""
    chance = trial.chance
    aims = trial.late if _finished(folder, alive=True) == EPISODES else EARLY
    aim = chance.choices(list(aims), list(aims.values()))[0]
    if aim == "time":
        at = time.monotonic() + chance.uniform(0, trial.seconds)
        return lambda: time.monotonic() >= at
    delay = chance.uniform(0, DELAYS[aim])
    missing = chance.randint(1, MOST_CHANGES) if aim in ("trace", "row") else 1
    last, seen = _stamps(folder, WATCHED[aim]), 0.0

    def has_come() -> bool:
        nonlocal last, missing, seen
        if missing and (now := _stamps(folder, WATCHED[aim])) != last:
            last, missing, seen = now, missing - 1, time.monotonic()
        return not missing and time.monotonic() >= seen + delay

    return has_come


def _has_come(moment: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    while not moment():
        if process.poll() is not None:
            return False
        time.sleep(POLL)
    return process.poll() is None


def _kill(trial: Trial, process: subprocess.Popen[bytes]) -> str:
    """Kill somebody; return whom."""
    whom = trial.chance.choices(list(WHOM), list(WHOM.values()))[0]
    workers = [p.pid for p in _group(process.pid) if p.parent == process.pid and "spawn_main" in p.command]
    if whom == "worker" and workers:
        os.kill(trial.chance.choice(workers), signal.SIGKILL)
        return whom
    if whom == "parent":
        process.kill()
        return whom
    os.killpg(process.pid, signal.SIGKILL)
    return "group"


def _let_end(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    code = process.wait(PATIENCE)
    if code:
        trial.wrong.append(f"a sweep ended with exit code {code}, see the logs")


def _wait_until_gone(trial: Trial, group: int) -> None:
    """Wait for the workers of a killed parent, which end by themselves."""
    end = time.monotonic() + PATIENCE
    while _group(group):
        if time.monotonic() > end:
            trial.wrong.append("workers outlived their sweep")
            os.killpg(group, signal.SIGKILL)
            return
        time.sleep(0.02)


def _group(group: int) -> list[Process]:
    """Return the living processes of a group."""
    command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat=,args="]
    lines = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True).stdout
    found = [line.split(maxsplit=4) for line in lines.splitlines()]
    return [
        Process(int(pid), int(parent), (*rest, "")[0])
        for pid, parent, of, state, *rest in found
        if int(of) == group and not state.startswith("Z")
    ]


def _stamps(folder: Path, *patterns: str) -> Stamps:
    found: Stamps = {}
    for pattern in patterns:
        for path in folder.glob(pattern):
            try:
                seen = path.stat()
            except FileNotFoundError:
                continue
            found[path.relative_to(folder).as_posix()] = (seen.st_mtime_ns, seen.st_size)
    return found


def _doing(folder: Path, at_start: Stamps) -> str:
    """Say what a sweep is busy with, by what it has changed since its start."""
    now = _stamps(folder, "*", "tables/*")
    changed = {name for name, stamp in now.items() if at_start.get(name) != stamp}
    if any(name.startswith(("tables/", "report")) for name in changed):
        return "drawing the report"
    if any(name.startswith((TABLE, MATCHED_TABLE, PROVENANCE_FILE)) for name in changed):
        return "making the tables"
    units = {path.name.split(".", 1)[0] for path in (folder / TRACES).glob(f"{RUNNING}*/*")}
    if units:
        return f"running {', '.join(sorted(units))}"
    return "no episode under way" if f"{DATABASE}-wal" in now else "starting"


def _finished(folder: Path, alive: bool = False) -> int:
    """Count the finished episodes of a sweep, which may still be alive."""
    if not alive:
        return len(look(folder).finished)
    try:
        return sum(row["status"] in SCORED for row in read_rows(folder))
    except EmCoopError:  # before there was anything
        return 0


if __name__ == "__main__":
    sys.exit(main())
