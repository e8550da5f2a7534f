"""The viewer's page: what it holds is what happened, whatever the trace; nothing in it can be fetched or run."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from viewer_tools import crowd, data_of, step, unpacked, written

import emcoop
from emcoop.cli import main
from emcoop.errors import ConfigError
from emcoop.metrics.failures import find_failures
from emcoop.trace import Trace, read_trace
from emcoop.trace.schema import Capability, Constraint, Fault, Message, Step, World
from emcoop.viewer import build_page, write_page
from emcoop.viewer.channels import Channel
from emcoop.viewer.texts import LONGEST, clean, words

HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>\u2028\x00\x1b[31m\u202egnp.exe {{7*7}} &amp; \U0001f600"


def snapshots(trace: Trace) -> list[dict]:
    """Carry an episode out again, without the code under test."""
    episode = trace.episode
    env = emcoop.parallel_env(
        episode.env_id, n_agents=episode.n_agents, max_steps=episode.max_steps, **episode.env_kwargs
    )
    env.reset(seed=episode.seed)
    frames = [env.snapshot()]
    for record in trace.of(Step)[1:]:
        joint = dict(zip(env.possible_agents, record.actions))
        env.step({agent: joint[agent] for agent in env.agents})
        frames.append(env.snapshot())
    return frames


def test_cube_is_drawn_as_it_was(cube: Trace):
    world, truth = data_of(build_page(cube))["world"], snapshots(cube)
    assert (world["kind"], world["until"]) == ("cube", len(truth) - 1)
    assert world["weights"] == truth[0]["block_weights"].tolist()
    played = {name: unpacked(packed, len(truth) - 1) for name, packed in world["channels"].items()}
    for t, snapshot in enumerate(truth):
        assert played["agents"][t].tolist() == snapshot["agents"].ravel().tolist(), f"agents at step {t}"
        assert played["blocks"][t].tolist() == snapshot["block_positions"].ravel().tolist(), f"blocks at step {t}"
        assert played["delivered"][t].tolist() == snapshot["delivered"].astype(int).tolist(), f"deliveries at step {t}"
    assert played["delivered"][-1].any(), "an episode without a delivery tests little"


def test_ma_crafter_is_drawn_as_it_was(crafter: Trace):
    world, truth = data_of(build_page(crafter))["world"], snapshots(crafter)
    assert (world["kind"], world["until"]) == ("ma_crafter", len(truth) - 1)
    played = {name: unpacked(packed, len(truth) - 1) for name, packed in world["channels"].items()}
    for t, snapshot in enumerate(truth):
        assert played["agents"][t].tolist() == snapshot["agents"].ravel().tolist(), f"agents at step {t}"
        assert played["items"][t].tolist() == snapshot["inventory"].ravel().tolist(), f"bags at step {t}"
        assert played["vitals"][t].tolist() == snapshot["vitals"].ravel().tolist(), f"vitals at step {t}"
        assert played["facing"][t].tolist() == snapshot["facing"].tolist(), f"poses at step {t}"
        shown = played["materials"][t].reshape(snapshot["materials"].shape)
        assert (shown == snapshot["materials"]).all(), f"terrain at step {t}"
        mobs = played["mobs"][t].reshape(-1, 4)
        assert mobs[mobs[:, 0] >= 0].tolist() == snapshot["mobs"][:, [0, 1, 2, 4]].tolist(), f"creatures at step {t}"
    assert world["channels"]["materials"]["changes"], "an episode that changes no terrain tests little"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=12))
def test_a_channel_gives_back_what_was_recorded(frames: list[list[int]]):
    channel = Channel()
    for t, values in enumerate(frames):
        channel.record(t, np.array(values, dtype=np.int64))
    size = max(map(len, frames))
    expected = [values + [-1] * (size - len(values)) for values in frames]
    assert [frame.tolist() for frame in unpacked(channel.packed(), len(frames) - 1)] == expected


def test_an_altered_trace_is_drawn_up_to_where_it_differs(cube: Trace):
    events = list(cube.events)
    place = next(k for k, event in enumerate(events) if isinstance(event, Step) and event.t == 10)
    old = events[place]
    events[place] = Step(t=10, seq=old.seq, c=old.c, actions=old.actions, reward=old.reward, state_hash="0" * 32,
                         configuration_hash=old.configuration_hash, progress=old.progress)  # fmt: skip
    page = build_page(Trace(events))
    data = data_of(page)
    assert "differs from the trace at step 10" in page
    assert f"10 of {len(cube.of(Step))} states carried out again" in page
    assert data["world"]["until"] == 9
    positions = unpacked(data["world"]["channels"]["agents"], data["steps"])
    assert positions[-1].tolist() == snapshots(cube)[-1]["agents"].ravel().tolist()


def test_of_an_unknown_environment_agents_are_drawn_and_it_says_so():
    trace = written(
        World(agents=[0, 1, 2], to=[[0, 0], [3, 4], [1, 1]]),
        step(0),
        World(t=1, agents=[1], to=[[3, 5]]),
        Capability(t=1, agent=2, item="rope", delta=2, cause="collect"),
        step(1),
    )
    page = build_page(trace)
    world = data_of(page)["world"]
    assert world["kind"] == "agents"
    assert (world["rows"], world["cols"]) == (4, 6)
    assert unpacked(world["channels"]["agents"], 1)[1].tolist() == [0, 0, 3, 5, 1, 1]
    assert world["items"] == ["rope"]
    assert unpacked(world["channels"]["items"], 1)[1].tolist() == [0, 0, 2]
    assert "unknown environment" in page
    assert "only the agents are drawn" in page
    assert "the trace has no end record" in page
    assert "<b>incomplete</b>" in page


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_trace_that_was_cut_off_shows_what_is_there(crafter: Trace, folder: Path, tmp_path: Path, share: float):
    packed = (folder / "crafter.jsonl.gz").read_bytes()
    part = tmp_path / "cut.jsonl.gz"
    part.write_bytes(packed[: max(int(len(packed) * share), 900)])
    trace = read_trace(part)
    page = build_page(trace)
    data = data_of(page)
    assert "This trace is incomplete: the trace is cut off in line" in page
    assert data["steps"] == max(len(trace.of(Step)) - 1, 0) < 300
    assert data["world"]["until"] == data["steps"] if trace.of(Step) else True


def test_a_trace_of_two_lines_is_a_page():
    data = data_of(build_page(written()))
    assert data["steps"] == 0
    assert data["progress"] == []


def test_same_trace_same_bytes_in_another_process(cube: Trace, folder: Path, tmp_path: Path):
    here = write_page(cube, tmp_path / "here.html").read_bytes()
    there = tmp_path / "there.html"
    code = "import sys; from emcoop.viewer import write_page; write_page(sys.argv[1], sys.argv[2])"
    subprocess.run(
        [sys.executable, "-c", code, str(folder / "cube.jsonl"), str(there)],
        check=True, timeout=120, cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )  # fmt: skip
    assert there.read_bytes() == here


def test_a_long_episode_of_a_team_is_a_small_file(crafter: Trace):
    assert len(crafter.of(Step)) == 301
    assert len(build_page(crafter).encode()) < 1_500_000


def counts_at(rows: Sequence[list], t: int) -> list | None:
    """Return the entry of a task that holds at a step, as the page looks it up."""
    row = next((row for row in reversed(rows) if row[0] <= t), [0])
    return row[1:] or None


def test_constraint_counts_are_those_of_the_trace(crafter: Trace):
    data = data_of(build_page(crafter))
    texts, tasks = data["texts"], data["tasks"]
    records = {record.t: record for record in crafter.of(Constraint)}
    for t in range(data["steps"] + 1):
        shown = {texts[task]: row for task, *rows in tasks if (row := counts_at(rows, t))}
        record = records.get(t)
        expected = {} if record is None else {
            task: [need, committed, in_place, acting, dependency, joint, success, who]
            for task, need, committed, in_place, acting, dependency, joint, success, who in zip(
                record.tasks, record.required, record.committed, record.in_place, record.acting, record.dependency,
                record.joint, record.success, record.participants,
            )
        }  # fmt: skip
        assert shown == expected, f"at step {t}"


def test_failures_are_those_the_rules_find_and_evidence_leads_to_its_message(cube: Trace):
    data = data_of(build_page(cube))
    found = {rule_id: finding for rule_id, finding in find_failures(cube).items() if finding.hits}
    assert {rule["id"]: rule["count"] for rule in data["failures"]} == {k: len(v.hits) for k, v in found.items()}
    lost = next(rule for rule in data["failures"] if rule["id"] == "C1")
    start, end, agents, _, _, total, *proof = lost["hits"][0]
    hit = found["C1"].hits[0]
    assert [start, end, tuple(agents), total] == [hit.start, hit.end, hit.agents, len(hit.evidence)]
    messages = cube.of(Message)
    told = [cube.events[seq] for seq in hit.evidence if isinstance(cube.events[seq], Message)]
    assert told
    assert [messages[place] for _, _, place in proof if place >= 0] == told


def test_faults_last_as_long_as_they_did(cube: Trace):
    data = data_of(build_page(cube))
    assert len(data["faults"]) == len(cube.of(Fault)) > 1
    frozen = [row for row in data["faults"] if data["texts"][row[4]] == "freeze"]
    assert [[row[0], row[1], row[3]] for row in frozen] == [[5, 15, 1]]


def test_the_fate_of_messages_is_told(cube: Trace):
    data = data_of(build_page(cube))
    fates = [data["texts"][row[8]] for row in data["messages"]]
    assert len(fates) == len(cube.of(Message))
    assert any("dropped 3" in fate for fate in fates)


def test_hostile_text_stays_text():
    page = build_page(crowd(3, 4, text=HOSTILE, task=HOSTILE, planner=HOSTILE))
    assert page.lower().count("<script") == page.lower().count("</script") == 2
    assert "<img" not in page
    assert "\x00" not in page
    assert "\x1b" not in page
    assert "<!--" not in page
    assert "{{7*7}}" in page, "the text was taken for a template"
    texts = data_of(page)["texts"]
    assert HOSTILE.replace("\x00", "\u2400").replace("\x1b", "\u241b") in texts


def test_endless_texts_and_deep_values_are_cut():
    assert clean("x" * (LONGEST + 5)) == "x" * LONGEST + " ... (5 more characters)"
    assert clean("a\ud800b") == "a?b"
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    assert words(deep) == "..."
    facts = [("k", {"a": [[[[[[[[1]]]]]]]]}, 0)]
    page = build_page(written(step(0), Message(id=0, sender=0, recipients="*", act="inform", facts=facts)))
    assert "k = a ..." in data_of(page)["texts"]


def test_numbers_beyond_reason_make_a_page():
    huge = 2**80
    trace = written(
        World(agents=[0], to=[[huge, -huge]]),
        step(0, events=[{"kind": "x", "agents": "no list", "n": huge}]),
        Capability(agent=0, item="rope", delta=huge, cause="collect"),
        Message(id=huge, sender=0, recipients=[huge], act="inform"),
    )
    assert data_of(build_page(trace))["steps"] == 0


def test_a_page_asks_for_nothing_and_runs_only_its_own_script(cube: Trace):
    page = build_page(cube)
    frame = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.S)
    assert (
        re.findall(r"https?:|//[\w.]+\.\w|url\(|@import|\bsrc=|fetch\(|XMLHttp|innerHTML|\beval\b|style=", frame) == []
    )
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert policy
    assert script
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert policy.group(1).startswith(f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'sha256-")


def test_a_rule_that_breaks_costs_its_row_only(cube: Trace, monkeypatch: pytest.MonkeyPatch):
    from emcoop.viewer import judging

    def breaks(rule_id: str, trace: Trace):
        if rule_id == "E7":
            raise KeyError("not for parts of traces")
        return find_failures(trace)[rule_id]

    monkeypatch.setattr(judging, "run_rule", breaks)
    page = build_page(cube)
    assert "Rule E7 could not be evaluated (KeyError)." in page
    assert "C1" in {rule["id"] for rule in data_of(page)["failures"]}


def test_the_command_writes_and_names_the_page(
    cube: Trace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["view", str(folder / "cube.jsonl"), "-o", "pages/a.html"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(Path("pages/a.html"))
    assert err == ""
    assert main(["view", str(folder / "cube.jsonl")]) == 0
    assert (tmp_path / "cube.html").read_bytes() == (tmp_path / "pages" / "a.html").read_bytes()


def test_bad_input_is_refused_in_a_sentence(folder: Path, cube: Trace, capsys: pytest.CaptureFixture[str]):
    trace = folder / "cube.jsonl"
    before = trace.read_bytes()
    assert main(["view", str(trace), "-o", str(trace)]) == 2
    assert ".html" in capsys.readouterr().err
    assert trace.read_bytes() == before
    assert main(["view", str(folder / "nosuch.jsonl")]) == 2
    assert "cannot read the trace" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"ends in \.html"):
        write_page(cube, "page.txt")
