"""A person on the command line: through pipes, at a real terminal, with partners of any kind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import emcoop
from emcoop.cli import main
from emcoop.trace.schema import Activation, Message, Plan

RUN = [sys.executable, "-m", "emcoop", "run", "Cube-v0", "--agents", "3", "--seed", "1", "--max-steps", "9"]
TEAM = ["--planner", "human", "--planner", "team", "--planner", "greedy", "--topology", "decentralized"]


def typed(lines: list[str], *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    said = "".join(f"{line}\n" for line in lines)
    return subprocess.run(
        [*RUN, *args], input=said, cwd=cwd, capture_output=True, encoding="utf-8", timeout=120, env=plain_environ()
    )


def plain_environ() -> dict[str, str]:
    """Return an environment that asks for no colours and refuses none."""
    refused = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM")
    return {**{k: v for k, v in os.environ.items() if k not in refused}, "PYTHONIOENCODING": "utf-8", "TERM": "xterm"}


def test_a_person_plays_through_a_pipe_and_the_output_holds_the_result_only(tmp_path: Path):
    lines = ["say all commit: task=block1/left", "do block1/left 1", *["resume"] * 9]
    done = typed(lines, *TEAM, "--trace", "me.jsonl", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["status"], report["planner"]) == ("completed", ["human", "team", "greedy"])
    assert "agent 0> " in done.stderr
    assert "\x1b" not in done.stderr
    trace = emcoop.read_trace(tmp_path / "me.jsonl")
    emcoop.replay(trace)
    assert [p.task for p in trace.of(Plan) if p.agent == 0 and p.event == "commit"] == ["block1/left"]
    assert [m.facts for m in trace.of(Message) if m.sender == 0] == [[("task", "block1/left", 0)]]


def test_quitting_is_one_sentence_and_the_trace_stays_readable(tmp_path: Path):
    done = typed(["wait 2", "quit"], *TEAM, "--trace", "me.jsonl.gz", cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("emcoop: the episode ended with infra_error: the person at seat 0 left at step ")
    trace = emcoop.read_trace(tmp_path / "me.jsonl.gz")
    assert trace.end is not None
    assert trace.end.status == "infra_error"


@pytest.mark.parametrize(
    ("planner", "says"),
    [
        ("huma", "did you mean 'human'"),
        ("human:me", "human takes nothing after its name"),
        ("policy", "policy='' does not fit: write policy:MODULE:ATTRIBUTE"),
        ("policy:", "write policy:POLICY"),
        ("policy:nowhere:act", "No module named 'nowhere'"),
        ("replay", "trace='' does not fit: give the path of a trace, as replay:TRACE"),
        ("replay:none.jsonl", "cannot read the trace none.jsonl"),
    ],
)
def test_bad_planners_are_one_sentence(
    planner: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main([*RUN[3:], "--planner", planner, "--trace", "me.jsonl"]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("emcoop: ")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_policies_and_recordings_mix_with_other_planners(tmp_path: Path):
    (tmp_path / "mine.py").write_text("def act(observation):\n    return 4\n", encoding="utf-8")
    script = Path(sys.executable).with_name("emcoop")
    command = [str(script), *RUN[3:]] if script.exists() else RUN  # the script does not look into the folder by itself
    team = ["--planner", "policy:mine:act", "--planner", "team", "--planner", "random"]
    first = subprocess.run([*command, *team, "--trace", "a.jsonl"], cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert first.returncode == 0, first.stderr
    again = typed([], "--planner", "replay:a.jsonl", "--trace", "b.jsonl", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    one, other = (emcoop.read_trace(tmp_path / name) for name in ("a.jsonl", "b.jsonl"))
    assert one.events[2:] == other.events[2:]


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_at_a_real_terminal_there_are_colours_and_control_c_leaves_at_once(tmp_path: Path):
    import pty

    ours, theirs = pty.openpty()
    command = [*RUN, *TEAM, "--trace", "me.jsonl"]
    game = subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=plain_environ(), start_new_session=True
    )
    os.close(theirs)
    shown = ""

    def wait_for(words: str, count: int) -> None:
        nonlocal shown
        while shown.count(words) < count:
            piece = os.read(ours, 1 << 16).decode("utf-8", "replace")
            assert piece, shown
            shown += piece

    try:
        wait_for("agent 0> ", 1)
        os.write(ours, b"fly\n")
        wait_for("agent 0> ", 2)
        assert "\x1b[31munknown command or concept 'fly'" in shown
        os.write(ours, b"listen\n")
        wait_for("agent 0> ", 3)
        game.send_signal(signal.SIGINT)
        assert game.wait(timeout=30) == 130
    finally:
        game.kill()
        os.close(ours)
    assert "Traceback" not in shown
    trace = emcoop.read_trace(tmp_path / "me.jsonl.part")
    assert any(a.agent == 0 and a.outcome == "listen" for a in trace.of(Activation))
