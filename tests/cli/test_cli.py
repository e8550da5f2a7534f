"""The command line: what it prints, its exit codes, and that bad input never ends in a stack trace."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import emcoop
from emcoop.cli import app, main
from emcoop.cli.rendering import FRAME_MS, LAST_FRAME_MS
from emcoop.version import __version__

EMCOOP = [sys.executable, "-m", "emcoop"]
RUN = ["run", "Cube-v0", "--agents", "2", "--max-steps", "8", "--seed", "3"]


def command(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EMCOOP, *args], cwd=cwd, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished real sweep."""
    folder = tmp_path_factory.mktemp("cli") / "smoke"
    assert main(["sweep", "smoke", "--jobs", "1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "one.jsonl.gz"
    assert main([*RUN, "--planner", "greedy", "--trace", str(path)]) == 0
    return path


def test_help_names_exactly_the_commands_there_are():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in ("list", "run", "play", "sweep", "report", "replay"):
        assert f" {name} " in result.output
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
    for later in ("view", "submit", "leaderboard"):
        assert CliRunner().invoke(app, [later]).exit_code == 2


def test_version(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("args", [[*RUN, "--agnts", "3"], ["run"], ["run", "Cube-v0", "--agents", "two"], ["nosuch"]])
def test_wrong_usage_exits_2_and_explains_on_stderr(args: list[str]):
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 2
    assert "Usage" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["sweep", "quik"], "did you mean 'quick'"),
        (["sweep", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["sweep", "quick", "--planner", "gredy", "--dry-run"], "did you mean 'greedy'"),
        (["run", "Cub-v0"], "did you mean 'Cube-v0'"),
        (["run", "Cube-v0", "--agents", "0"], "n_agents"),
        (["run", "Cube-v0", "--planner", "gredy"], "did you mean 'greedy'"),
        (["run", "Cube-v0", "--topology", "debat"], "did you mean 'debate'"),
        (["run", "Cube-v0", "--max-steps", "0"], "max_steps"),
        (["run", "Cube-v0", "--trace", "."], "it is a folder"),
        ([*RUN, "--render", "gif", "-o", "film.txt"], "-o FILE.gif"),
        ([*RUN, "--render", "gif", "-o", "film.mp4"], "film.mp4"),
        ([*RUN, "-o", "film.gif"], "--render gif"),
        (["replay", "nowhere.jsonl"], "nowhere.jsonl"),
        (["report", "."], "results.sqlite"),
    ],
)
def test_bad_input_is_one_sentence_on_stderr_and_exit_code_2(
    args: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(args) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("emcoop: ")
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_bad_input_in_a_process_of_its_own_leaves_no_stack_trace(tmp_path: Path):
    done = command("run", "Cube-v0", "--agents", "2", "--planner", "nobody", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_no_trace_or_is_damaged_is_refused(trace: Path, capsys: pytest.CaptureFixture[str]):
    broken = trace.with_name("broken.jsonl.gz")
    broken.write_bytes(b"nothing of the kind")
    assert main(["replay", str(broken)]) == 2
    raw = bytearray(trace.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    broken.write_bytes(raw)
    assert main(["replay", str(broken)]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_list_names_everything_in_its_section(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    titles = [line.partition(",")[0] for line in text.splitlines() if not line.startswith(" ")]
    assert titles == ["environments", "planners", "chat models", "topologies", "monitors", "metrics", "suites"]
    for name in ("Cube-v0", "oracle", "debate", "plan_coherence", "quick"):
        assert name in text


def test_run_prints_score_status_metrics_and_the_trace(trace: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*RUN, "--planner", "greedy", "--trace", str(trace)]) == 0
    text = capsys.readouterr().out
    for word in ("status", "completed", "score", "steps", "participation_satisfaction", "n/a", str(trace)):
        assert word in text


def test_run_as_json_agrees_with_the_trace(trace: Path, capsys: pytest.CaptureFixture[str]):
    import emcoop

    capsys.readouterr()
    assert main([*RUN, "--planner", "greedy", "--planner", "random", "--json", "--trace", str(trace)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["planner"] == ["greedy", "random"]
    assert report["status"] == "completed"
    assert report["digest"] == emcoop.trace_digest(trace)
    scored = emcoop.score_trace(emcoop.read_trace(trace))
    assert report["metrics"] == {name: None if math.isnan(value) else value for name, value in scored.items()}


def test_replay_says_same_or_different(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import gzip

    assert main(["replay", str(trace)]) == 0
    lines = gzip.decompress(trace.read_bytes()).decode().splitlines()
    steps = [i for i, line in enumerate(lines) if '"kind":"step"' in line]
    event = json.loads(lines[steps[4]])
    event["actions"] = [(event["actions"][0] + 1) % 5, *event["actions"][1:]]
    lines[steps[4]] = json.dumps(event, separators=(",", ":"))
    altered = tmp_path / "altered.jsonl"
    altered.write_text("\n".join(lines) + "\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["replay", str(altered)]) == 1
    assert "differs at step 4" in capsys.readouterr().err


def test_a_gif_shows_every_state_for_its_time(tmp_path: Path):
    film = tmp_path / "film.gif"
    assert main([*RUN, "--planner", "random", "--render", "gif", "-o", str(film)]) == 0
    with Image.open(film) as image:
        times = []
        for index in range(image.n_frames):
            image.seek(index)
            times.append(image.info["duration"])
        assert min(image.size) >= 64
    assert sum(times) == 8 * FRAME_MS + LAST_FRAME_MS  # equal neighbours become one longer frame
    assert len(times) > 4


def test_dry_run_counts_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "smoke", "--dry-run"]) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert [lines[key].strip() for key in ("cells", "episodes", "tokens", "money")] == ["3", "6", "0", "0.00 USD"]
    assert "480" in lines["decisions"]
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_leaves_the_table_the_traces_and_the_report(smoke: Path):
    import emcoop

    rows = (smoke / "results.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 6
    assert (smoke / "report.html").stat().st_size > 1000
    for path in (smoke / "traces").iterdir():
        assert emcoop.read_trace(path).complete
        assert path.stem.split(".")[0] in "\n".join(rows)


def test_report_builds_again_from_the_results_alone(smoke: Path, capsys: pytest.CaptureFixture[str]):
    (smoke / "report.html").unlink()
    assert main(["report", str(smoke)]) == 0
    assert capsys.readouterr().out.strip() == str(smoke / "report.html")
    assert (smoke / "report.html").is_file()


def test_a_sweep_with_another_planner_gets_a_folder_of_its_own(
    smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "smoke", "--planner", "random", "--jobs", "1"]) == 0
    assert (tmp_path / "runs" / "smoke-random" / "results.csv").is_file()
    assert main(["sweep", "smoke", "--planner", "random", "--out", str(smoke)]) == 2
    assert "another suite" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and process groups")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_stopped_real_sweep_resumes_to_the_same_table(how: signal.Signals, code: int, smoke: Path, tmp_path: Path):
    script = Path(__file__).parents[2] / "baselines" / "sweep.py"
    args = [sys.executable, str(script), "smoke", "--jobs", "1", "--out", str(tmp_path / "run")]
    first = subprocess.Popen(
        args,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests started in the background of a shell inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert first.stdout is not None
    assert first.stdout.readline().startswith("starting: 6 episodes in 3 cells")
    assert first.stdout.readline().startswith("1/6 episodes")
    if how == signal.SIGKILL:
        first.kill()
    else:
        os.killpg(first.pid, signal.SIGINT)  # as a terminal does: workers get it too
    _, error = first.communicate(timeout=60)
    assert first.returncode == code
    assert how == signal.SIGKILL or "Traceback" not in error
    again = subprocess.run(args, capture_output=True, text=True, check=True)
    assert "resuming: " in again.stdout
    assert (tmp_path / "run" / "results.csv").read_bytes() == (smoke / "results.csv").read_bytes()


def test_settings_of_the_environment_are_given_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "night.jsonl"
    call = ["run", "MACrafter-L1-v0", "--agents", "2", "--max-steps", "5", "--trace", str(trace)]
    assert main([*call, "--set", "mode=survival", "--set", "area=[16, 24]"]) == 0
    assert emcoop.read_trace(trace).episode.env_kwargs == {"mode": "survival", "area": [16, 24]}
    assert main(["replay", str(trace)]) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["mode"], "give NAME=VALUE"),
        (["mode=night"], "peaceful, survival, creative"),
        (["mod=survival"], "mode"),
        (["n_agents=3"], "--agents"),
        (["mode=survival", "mode=creative"], "twice"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [part for pair in given for part in ("--set", pair)]
    assert main(["run", "MACrafter-v0", *options]) == 2
    assert said in capsys.readouterr().err
