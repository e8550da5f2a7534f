"""The workflow for pull requests: what it may do, and that its guard lets through one new folder and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "leaderboard.yml"
FOLDER = "leaderboards/submissions/2026-03-01_honest"
BASH, GIT = shutil.which("bash"), shutil.which("git")


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return loaded


def steps(workflow: dict[Any, Any], job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow["jobs"][job]["steps"]
    return found


def commands(workflow: dict[Any, Any], job: str) -> str:
    return "\n".join(step.get("run", "") for step in steps(workflow, job))


def test_it_starts_for_submissions_only(workflow: dict[Any, Any]) -> None:
    triggers = workflow[True]  # YAML 1.1 reads the key `on` as true
    assert set(triggers) == {"pull_request", "push"}, "pull_request_target would hand out a token that may write"
    assert triggers["pull_request"]["paths"] == ["leaderboards/submissions/**"]
    assert triggers["push"]["branches"] == ["main"]


def test_jobs_may_do_little(workflow: dict[Any, Any]) -> None:
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    allowed = {name: job["permissions"] for name, job in jobs.items()}
    assert allowed == {
        "pull-request": {"contents": "read"},
        "verify": {"contents": "read"},
        "keep": {"contents": "write"},
        "publish": {"pages": "write", "id-token": "write"},
    }
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")
    assert all(job["timeout-minutes"] <= 120 for job in jobs.values())
    assert jobs["pull-request"]["if"] == "github.event_name == 'pull_request'"
    assert jobs["verify"]["if"] == "github.event_name == 'push'"
    assert jobs["keep"]["needs"] == jobs["publish"]["needs"] == "verify"


def test_jobs_that_read_what_strangers_wrote_hold_no_credentials(workflow: dict[Any, Any]) -> None:
    for job in ("pull-request", "verify"):
        checkouts = [step for step in steps(workflow, job) if step.get("uses", "").startswith("actions/checkout@")]
        assert checkouts
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "emcoop" not in commands(workflow, "keep")


def test_no_text_of_a_pull_request_reaches_a_shell(workflow: dict[Any, Any]) -> None:
    for job in workflow["jobs"]:
        assert "${{" not in commands(workflow, job)


def test_python_and_actions_are_pinned(workflow: dict[Any, Any]) -> None:
    assert re.fullmatch(r"3\.\d+\.\d+", workflow["env"]["PYTHON"])
    for job in workflow["jobs"]:
        for step in steps(workflow, job):
            assert re.search(r"@v\d+$", step.get("uses", "@v1"))
        assert re.fullmatch(r"ubuntu-\d\d\.04", workflow["jobs"][job]["runs-on"])


def test_only_the_code_of_the_branch_is_installed(workflow: dict[Any, Any]) -> None:
    text = commands(workflow, "pull-request")
    assert re.findall(r"pip install (\S+)", text) == ["./trusted"]
    assert 'emcoop submit verify "proposed/$FOLDER" --level 2 --no-record' in text


@pytest.mark.skipif(BASH is None, reason="no bash")
def test_scripts_are_bash(workflow: dict[Any, Any]) -> None:
    for job in workflow["jobs"]:
        for step in steps(workflow, job):
            if "run" in step:
                run = subprocess.run([BASH or "", "-n"], input=step["run"], capture_output=True, encoding="utf-8")
                assert run.returncode == 0, run.stderr


# The guard --------------------------------------------------------------------------------------------------------


def git(folder: Path, *args: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    run = subprocess.run([GIT or "", *identity, *args], cwd=folder, capture_output=True, encoding="utf-8", check=True)
    return run.stdout.strip()


@pytest.fixture
def proposed(tmp_path: Path) -> Path:
    """A repository with one submission on the board, checked out for a proposal."""
    folder = tmp_path / "proposed"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    put(folder, "README.md", "leaderboards/submissions/2026-01-01_old/results.csv")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "base")
    shutil.copytree(folder, tmp_path / "trusted")
    return folder


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x", encoding="utf-8")


def guard(workflow: dict[Any, Any], proposed: Path) -> tuple[int, str, str]:
    """Commit what is there and run the guard; return its exit code, what it says, and the folder it names."""
    base = git(proposed, "rev-parse", "HEAD")
    git(proposed, "add", "-A")
    git(proposed, "commit", "-q", "--allow-empty", "-m", "proposal")
    (script,) = [step["run"] for step in steps(workflow, "pull-request") if step.get("env", {}).get("BASE")]
    told = proposed.parent / "environment"
    told.touch()
    environ = {**os.environ, "BASE": base, "BASE_REPOSITORY": "nowhere", "GITHUB_ENV": str(told)}
    run = subprocess.run(
        [BASH or "", "-e", "-c", script], cwd=proposed.parent, env=environ, capture_output=True, encoding="utf-8"
    )
    return run.returncode, run.stdout, told.read_text(encoding="utf-8")


needs_tools = pytest.mark.skipif(os.name == "nt" or BASH is None or GIT is None, reason="no bash, no git")


@needs_tools
def test_one_new_folder_is_let_through(workflow: dict[Any, Any], proposed: Path) -> None:
    put(proposed, f"{FOLDER}/metadata.yaml", f"{FOLDER}/traces/one.jsonl.gz")
    assert guard(workflow, proposed) == (0, "", f"FOLDER={FOLDER}\n")


@needs_tools
@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([f"{FOLDER}/verification.json"], "written by the verifier"),
        ([f"{FOLDER}/traces/verification.json"], "written by the verifier"),
        ([f"{FOLDER}/a", "leaderboards/verify.py"], "lies outside"),
        ([f"{FOLDER}/a", ".github/workflows/leaderboard.yml"], "lies outside"),
        ([f"{FOLDER}/a", "leaderboards/reference/2026-03-01_mine/a"], "lies outside"),
        ([f"{FOLDER}/a", "leaderboards/submissions/2026-03-02_more/a"], "one submission in a pull request"),
        (["leaderboards/submissions/loose.csv"], "lies outside"),
        (["leaderboards/submissions/no-date/a"], "lies outside"),
        (["leaderboards/submissions/2026-03-01_x$(id)/a"], "lies outside"),
        (["leaderboards/submissions/2026-03-01_x\nFOLDER=y/a"], "lies outside"),
        (["leaderboards/submissions/2026-01-01_old/results.csv/../extra.csv"], "no new folder"),
        ([], "no new folder"),
    ],
)
def test_anything_else_is_refused(workflow: dict[Any, Any], proposed: Path, names: list[str], reason: str) -> None:
    put(proposed, *[name.replace("results.csv/../", "") for name in names])
    code, said, told = guard(workflow, proposed)
    assert (code, told) == (1, "")
    assert reason in said
    assert said.startswith("refused: ")
    assert said.count("\n") == 1


@needs_tools
@pytest.mark.parametrize("change", ["edit", "delete", "move", "link"])
def test_what_is_on_the_board_stays(workflow: dict[Any, Any], proposed: Path, change: str) -> None:
    old = proposed / "leaderboards" / "submissions" / "2026-01-01_old"
    put(proposed, f"{FOLDER}/a")
    if change == "edit":
        (old / "results.csv").write_text("better", encoding="utf-8")
    elif change == "link":
        (proposed / "leaderboards" / "submissions" / "2026-02-02_link").symlink_to(old)
    else:
        (old / "results.csv").rename(proposed / FOLDER / "results.csv") if change == "move" else shutil.rmtree(old)
    code, said, _ = guard(workflow, proposed)
    assert code == 1
    assert ("is there already" if change != "link" else "lies outside") in said
