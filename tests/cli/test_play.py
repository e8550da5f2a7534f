"""A person plays one seat: what the keys do, what is written, and what happens without window, keys or patience."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emcoop
from emcoop.cli import main
from emcoop.cli.play_screen import HELP_KEY, PANEL_WIDTH, QUIT_KEYS, TALK_KEY, Screen, event_in_words
from emcoop.cognitive_layer.episode import Session
from emcoop.cognitive_layer.plan import ActionCall, Decision, Fact, Plan
from emcoop.cognitive_layer.plan import Message as Said
from emcoop.cognitive_layer.planners.scripted import GreedyPlanner
from emcoop.envs.cube.env import CubeEnv
from emcoop.envs.ma_crafter.rules import MATERIALS, PLACEABLE, RESOURCES, SLEEP, TOOLS
from emcoop.envs.ma_crafter.world import DOWN_SINCE, ENERGY
from emcoop.envs.window import Window, text_panel
from emcoop.errors import PlannerError
from emcoop.registration import environment_specs, load, make_embodiment
from emcoop.trace.schema import Message, Stage, Step, Transport

PLAY = ["play", "Cube-v0", "--agents", "3", "--seed", "2"]
STAY, UP, DOWN, LEFT, RIGHT = range(5)
CLOSE, TYPED = "<close>", "type "


@pytest.fixture
def type_keys(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[np.ndarray]]:
    """Give a function that has a person press one key after every frame shown, and returns the list of frames.

    An entry that begins with `TYPED` is text that is typed at once.
    """
    pygame = pytest.importorskip("pygame", reason="playing needs pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    show = Window.show

    def use(*keys: str) -> list[np.ndarray]:
        left, frames = list(keys), []

        def show_and_press(self: Window, frame: np.ndarray, caption: str, fps: int) -> None:
            show(self, frame, caption, fps)
            frames.append(frame.copy())
            if len(frames) > 1:
                # The first frame asks for nothing. A person who does not know on leaves.
                key = left.pop(0) if left else "q"
                event = pygame.event.Event(pygame.QUIT)
                if key.startswith(TYPED):
                    event = pygame.event.Event(pygame.TEXTINPUT, text=key.removeprefix(TYPED))
                elif key != CLOSE:
                    event = pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(key))
                pygame.event.post(event)

        monkeypatch.setattr(Window, "show", show_and_press)
        return frames

    return use


def played(trace: Path, seat: int) -> list[int]:
    """Return the recorded actions of a seat."""
    return [step.actions[seat] for step in emcoop.read_trace(trace).of(Step) if step.actions]


@pytest.mark.parametrize("seat", [0, 2])
def test_every_key_is_one_step_of_the_seat_and_the_trace_replays(
    seat: int, type_keys: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    trace = tmp_path / "me.jsonl.gz"
    frames = type_keys("up", "s", "left", "d", "space", "right", "x")
    assert main([*PLAY, "--seat", str(seat), "--max-steps", "6", "--trace", str(trace)]) == 0
    assert played(trace, seat) == [UP, DOWN, LEFT, RIGHT, STAY, RIGHT]
    recorded = emcoop.read_trace(trace)
    emcoop.replay(recorded)
    said = capsys.readouterr().out
    score = emcoop.score_trace(recorded)["score"]
    assert f"Cube-v0, seat {seat}: score {score:.4g}, 6 steps; trace: {trace}" in said
    assert "participation_satisfaction" in said
    assert len(frames) == 1 + 6 + 1
    assert not np.array_equal(frames[-1], frames[-2])


def test_the_partners_play_the_other_seats(type_keys: Callable[..., Any], tmp_path: Path):
    actions = {}
    for partner in ("random", "greedy"):
        trace = tmp_path / f"{partner}.jsonl"
        type_keys(*["space"] * 5, "x")
        assert main([*PLAY, "--partners", partner, "--max-steps", "5", "--trace", str(trace)]) == 0
        actions[partner] = [played(trace, seat) for seat in range(3)]
    assert actions["random"][0] == actions["greedy"][0] == [STAY] * 5
    for seat in (1, 2):
        assert actions["random"][seat] != actions["greedy"][seat] != [STAY] * 5


def test_help_and_keys_without_meaning_take_no_step(type_keys: Callable[..., Any], tmp_path: Path):
    trace = tmp_path / "me.jsonl"
    frames = type_keys("up", HELP_KEY, "down", "z", "home", "left", "x")
    assert main([*PLAY, "--max-steps", "2", "--trace", str(trace)]) == 0
    assert played(trace, 0) == [UP, LEFT]
    turn, help_screen, again = frames[2:5]
    assert np.array_equal(turn, again)
    assert np.array_equal(turn[:, :512], help_screen[:, :512])
    assert not np.array_equal(turn[:, 512:], help_screen[:, 512:])


@pytest.mark.parametrize("leave", [("q",), ("escape",), (CLOSE,), (HELP_KEY, "q"), (HELP_KEY, CLOSE)])
def test_leaving_early_is_no_error_and_scores_nothing(
    leave: tuple[str, ...], type_keys: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    trace = tmp_path / "me.jsonl"
    type_keys("right", "up", *leave)
    assert main([*PLAY, "--trace", str(trace)]) == 0
    assert "left after 2 steps" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["me.jsonl.part"]


def test_the_environment_may_name_its_actions_and_draw_what_a_seat_sees(
    type_keys: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    seen = np.random.default_rng(0).integers(0, 256, (600, 300, 3)).astype(np.uint8)
    monkeypatch.setattr(CubeEnv, "action_names", ("stay", "go_up", "down", "left", "right"), raising=False)
    monkeypatch.setattr(CubeEnv, "render_seat", lambda env, agent: seen + agent, raising=False)
    told: list[tuple[str, str]] = []
    lines = Screen.turn_lines
    monkeypatch.setattr(Screen, "turn_lines", lambda *args: told.extend(lines(*args)) or lines(*args))
    frames = type_keys("up")
    assert main([*PLAY, "--seat", "1"]) == 0
    assert all(np.array_equal(frame[:, :300], seen + 1) for frame in frames)
    assert "up or w: go up" in {part for _, text in told for part in text.split("\t")}


def test_whose_agent_is_out_watches_the_others(
    type_keys: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trace = tmp_path / "me.jsonl"
    monkeypatch.setattr(Screen, "is_gone", property(lambda screen: screen.step >= 1))
    type_keys("up", "up", "z", "x")
    assert main([*PLAY, "--max-steps", "3", "--trace", str(trace)]) == 0
    assert played(trace, 0) == [UP, STAY, STAY]


def test_a_partner_that_fails_ends_the_episode_with_exit_code_1(
    type_keys: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    async def fail(*_: Any) -> None:
        raise PlannerError("agent 1 has no idea")

    monkeypatch.setattr(Session, "think", fail)
    type_keys()
    assert main(PLAY) == 1
    assert capsys.readouterr().err == "emcoop: the episode ended with agent_error: agent 1 has no idea\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["play", "Cub-v0"], "did you mean 'Cube-v0'"),
        ([*PLAY, "--seat", "3"], "--seat 3"),
        ([*PLAY, "--seat", "-1"], "from 0 to 2"),
        ([*PLAY, "--partners", "gredy"], "did you mean 'greedy'"),
        ([*PLAY, *["--partners", "greedy"] * 3], "3 partners"),
        ([*PLAY, "--topology", "debat"], "did you mean 'debate'"),
        ([*PLAY, "--seed", "-1"], "seed=-1"),
        ([*PLAY, "--max-steps", "0"], "max_steps"),
        ([*PLAY, "--trace", "."], "it is a folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    args: list[str],
    says: str,
    type_keys: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    type_keys()
    monkeypatch.chdir(tmp_path)
    assert main(args) == 2
    assert_one_sentence(capsys, says)
    assert list(tmp_path.iterdir()) == []


def assert_one_sentence(capsys: pytest.CaptureFixture[str], says: str) -> None:
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("emcoop: ")
    assert captured.err.count("\n") == 1


def test_without_pygame_it_names_the_extra_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert main([*PLAY, "--trace", str(tmp_path / "me.jsonl")]) == 2
    assert_one_sentence(capsys, 'pip install "emcoop[window]"')
    assert list(tmp_path.iterdir()) == []


def test_without_a_screen_it_says_so_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("pygame", reason="playing needs pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "no_such_driver")
    assert main([*PLAY, "--trace", str(tmp_path / "me.jsonl")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("emcoop: no window can be opened here")
    assert said.count("\n") == 1
    assert "start on a machine with a screen" in said
    assert "emcoop run Cube-v0 --render gif" in said
    assert "render_mode" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def crafter_screen() -> Callable[..., Screen]:
    """Give a function that seats a person in MA-Crafter with other settings than `emcoop play` has."""

    def seat(agent: int, **kwargs: Any) -> Screen:
        world = make_embodiment("MACrafter-v0", render_mode="rgb_array", **kwargs)
        world.reset(5)
        return Screen("MACrafter-v0", world, agent)

    return seat


def words(lines: list[tuple[str, str]]) -> list[str]:
    return [text for _, text in lines]


def test_who_is_down_is_told_and_for_how_long(crafter_screen: Callable[..., Screen]):
    screen = crafter_screen(2, n_agents=4, mode="survival")
    snapshot = screen.world.env.snapshot
    while not snapshot()["down"][2]:
        assert "You are down" not in words(screen.turn_lines([]))
        screen.world.step([0] * 4)
    for left in (50, 49):
        told = words(screen.turn_lines([]))
        assert not screen.is_gone
        after = told[told.index("You are down") + 1]
        assert "Your actions do nothing. 2 others can revive you" in after
        assert f"within {left} steps" in after
        screen.world.step([0] * 4)
    screen.world.env.world.agents()[2, DOWN_SINCE] = snapshot()["step"] - 49
    assert any("within 1 step." in line for line in words(screen.turn_lines([])))
    screen.world.step([0] * 4)
    told = words(screen.turn_lines([]))
    assert "You are out" in told
    assert "You are down" not in told


def test_who_sleeps_is_told_until_keys_count_again(crafter_screen: Callable[..., Screen]):
    screen = crafter_screen(0, n_agents=1, level="L1")
    energy = screen.world.env.world.agents()[0, ENERGY : ENERGY + 1]
    energy[:] = 8
    assert "You are asleep" not in words(screen.turn_lines([]))
    screen.world.step([SLEEP])
    told = words(screen.turn_lines([]))
    assert "do nothing until you are rested (energy 9) or hurt" in told[told.index("You are asleep") + 1]
    energy[:] = 9
    assert "You are asleep" not in words(screen.turn_lines([]))


@pytest.mark.parametrize(
    ("preset", "level", "says"),
    [
        (
            "emcoop",
            "L3",
            ["tree: 1 agent", "coal: 2 agents; wood pickaxe each", "diamond: 3 agents; iron pickaxe each"],
        ),
        ("emcoop", "L1", ["iron: 1 agent; stone pickaxe each", "iron sword: 1 wood, 1 coal, 1 iron; near furnace"]),
        ("emcoop", "L2", ["table: 2 wood", "furnace: 4 stone; near table", "plant: 1 sapling"]),
        ("crafter", "L2", ["iron pickaxe: 1 wood, 1 coal, 1 iron; near table and furnace; 2 agents", "table: 1 wood"]),
        ("emcoop", "scaled", ["diamond: 8 agents; iron pickaxe each; within 3 cells"]),
    ],
)
def test_help_lists_costs_and_quorums(preset: str, level: str, says: list[str], crafter_screen: Callable[..., Screen]):
    screen = crafter_screen(0, n_agents=16, preset=preset, level=level)
    how, costs = screen.help_pages()
    assert "Any key shows what things cost and take." in words(how)
    listed = [line.strip() for line in words(costs)]
    assert set(says) <= set(listed)
    for name in (*(MATERIALS[k] for k in RESOURCES), *PLACEABLE, *(tool.replace("_", " ") for tool in TOOLS)):
        assert any(line.startswith(f"{name}: ") for line in listed)


def test_help_fits_its_window(crafter_screen: Callable[..., Screen]):
    pytest.importorskip("pygame", reason="text needs pygame")
    for preset in ("emcoop", "crafter"):
        screen = crafter_screen(0, n_agents=16, preset=preset, level="scaled")
        height = len(screen.world.env.render_seat(0))
        for page in screen.help_pages():
            more = [*page, ("text", "x")]  # would be left out if the page were too long
            shown, longer = (text_panel(lines, height, PANEL_WIDTH) for lines in (page, more))
            assert not np.array_equal(shown, longer)


def test_two_pages_of_help_take_no_step(type_keys: Callable[..., Any], tmp_path: Path):
    trace = tmp_path / "me.jsonl"
    frames = type_keys("n", HELP_KEY, "up", "up", "n", "x")
    assert main(["play", "MACrafter-L1-v0", "--agents", "1", "--max-steps", "2", "--trace", str(trace)]) == 0
    assert played(trace, 0) == [0, 0]
    turn, how, costs, again = frames[2:6]
    assert np.array_equal(turn, again)
    assert len({frame.tobytes() for frame in (turn, how, costs)}) == 3


def test_an_environment_without_keys_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(CubeEnv, "keys", {})
    assert main(PLAY) == 2
    assert_one_sentence(capsys, "Cube-v0 names no keys")


def test_keys_are_actions_and_none_is_one_of_the_window(monkeypatch: pytest.MonkeyPatch):
    pygame = pytest.importorskip("pygame", reason="names of keys are pygame's")
    for driver in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
        monkeypatch.setenv(driver, "dummy")
    pygame.init()
    classes = {load(spec.parallel) for spec in environment_specs().values()}
    assert classes
    for environment in classes:
        space = environment().action_space("agent_000")
        assert set(environment.keys.values()) == set(range(int(space.n)))
        assert not {HELP_KEY, TALK_KEY, *QUIT_KEYS} & set(environment.keys)
        for key in environment.keys:
            assert pygame.key.name(pygame.key.key_code(key)) == key


def test_events_are_told_in_words():
    push = {"kind": "insufficient_force", "agents": [0, 2], "block": 1, "direction": "right", "have": 2, "need": 3}
    assert event_in_words(push, 2) == "insufficient force: agent 0, you (block 1, direction right, have 2, need 3)"
    assert event_in_words({"kind": "wake_up", "agents": [1], "points": 1.0}, 0) == "wake up: agent 1 (points 1)"
    assert event_in_words({"kind": "push", "agents": list(range(9)), "blocks": [4, 5]}, 0) == (
        "push: you, agent 1, agent 2, agent 3 and 5 more (blocks 4 5)"
    )


def test_text_panels_break_lines_and_leave_out_what_does_not_fit():
    pytest.importorskip("pygame", reason="text needs pygame")
    short, long = text_panel([("text", "one")], 100, 200), text_panel([("text", "one " * 30)], 100, 200)
    assert short.shape == (100, 200, 3)
    rows = [int((panel != panel[0, 0]).any(axis=(1, 2)).sum()) for panel in (short, long)]
    assert rows[1] >= 3 * rows[0] > 0
    assert (long[:, -16:] == long[0, 0]).all()
    assert (text_panel([("text", "")], 100, 200) == short[0, 0]).all()
    columns = text_panel([("text", "one\tone")], 100, 208)
    assert np.array_equal(columns[:, 16:104], columns[:, 104:192])
    assert np.array_equal(columns[:, 16:104], short[:, 16:104])
    full = [("text", "one")] * 3
    assert np.array_equal(
        text_panel([*full, ("title", "two"), ("small", "three")], 100, 200), text_panel(full, 100, 200)
    )


def test_keys_typed_ahead_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch):
    pygame = pytest.importorskip("pygame", reason="the window needs pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = Window()
    assert window.wait_key() == ""
    window.show(np.zeros((40, 40, 3), np.uint8), "", 0)
    for key in (pygame.K_a, pygame.K_UP):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    assert [window.wait_key(), window.wait_key()] == ["a", "up"]
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert window.wait_key() == ""
    assert window.closed


# Talking -------------------------------------------------------------------------------------------------------------

TOGETHER = [*PLAY, "--partners", "team", "--topology", "decentralized"]


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Give the list to which the texts beside every frame are added."""
    composed: list[list[str]] = []
    compose = Screen.compose

    def note(self: Screen, lines: list[tuple[str, str]]) -> np.ndarray:
        composed.append(words(lines))
        return compose(self, lines)

    monkeypatch.setattr(Screen, "compose", note)
    return composed


def test_what_is_typed_is_sent_with_the_next_step(type_keys: Callable[..., Any], tmp_path: Path):
    trace = tmp_path / "me.jsonl"
    type_keys(
        *("right", TALK_KEY, TYPED + "2 request: task=block0/left come!?", "backspace", "return", "up"),
        *(TALK_KEY, TYPED + "ha", TYPED + "llo", "return", "left", "x"),
    )
    assert main([*TOGETHER, "--max-steps", "3", "--trace", str(trace)]) == 0
    assert played(trace, 0) == [RIGHT, UP, LEFT]
    recorded = emcoop.read_trace(trace)
    sent = [m for m in recorded.of(Message) if m.sender == 0]
    assert [(m.t, m.recipients, m.act, m.text, m.facts) for m in sent] == [
        (2, [2], "request", "come!", [("task", "block0/left", 1)])
    ], "the second one comes after the last thinking"
    delivered = [t.recipients for t in recorded.of(Transport) if t.message == sent[0].id and t.outcome == "delivered"]
    assert delivered == [[2]]
    assert any(stage.t == 2 and stage.cause == "message" and 2 in stage.agents for stage in recorded.of(Stage))
    emcoop.replay(recorded)


def test_what_others_say_stands_there_newest_first(type_keys: Callable[..., Any], panel: list[list[str]]):
    type_keys("right", TALK_KEY, TYPED + "hello", "return", "up")
    assert main(TOGETHER) == 0
    first = panel[1]
    heard = first[first.index("Messages") + 1 : first.index("Last step")]
    assert heard[0] == "Agents 1, 2 hear you."
    assert heard[1].startswith("agent 2, commit: [task=block")
    assert heard[2].startswith("agent 1, commit: [task=block")
    assert "enter: talk" in {part for line in first for part in line.split("\t")}
    page = panel[3]
    assert {"> _", "agent 1, inform: [free=True]"} <= set(page)
    after = panel[5]
    assert after[after.index("Messages") + 2] == "you to agents 1, 2, inform: hello"


@pytest.mark.parametrize("way_out", [("escape",), ("return",), (TYPED + "   ", "return"), (TYPED + "hi", "escape")])
def test_a_line_given_up_says_nothing_and_takes_no_step(
    way_out: tuple[str, ...], type_keys: Callable[..., Any], tmp_path: Path
):
    trace = tmp_path / "me.jsonl"
    type_keys("up", TALK_KEY, *way_out, "down", "left", "x")
    assert main([*TOGETHER, "--max-steps", "3", "--trace", str(trace)]) == 0
    assert played(trace, 0) == [UP, DOWN, LEFT]
    assert not [m for m in emcoop.read_trace(trace).of(Message) if m.sender == 0]


def test_who_cannot_be_reached_is_said_and_the_line_stays(
    type_keys: Callable[..., Any], panel: list[list[str]], tmp_path: Path
):
    trace = tmp_path / "me.jsonl"
    type_keys(TALK_KEY, TYPED + "7: hi", "return", "backspace", "escape", "up", "x")
    assert main([*TOGETHER, "--max-steps", "1", "--trace", str(trace)]) == 0
    assert {"> 7: hi_", "agent 7 does not hear you: choose among agents 1, 2"} <= set(panel[4])
    assert "> 7: h_" in panel[5]
    assert played(trace, 0) == [UP]


def test_where_nobody_hears_one_the_window_says_so(
    type_keys: Callable[..., Any], panel: list[list[str]], tmp_path: Path
):
    trace = tmp_path / "me.jsonl"
    type_keys(TALK_KEY, "left", "right", "x")
    assert main([*PLAY, "--max-steps", "1", "--trace", str(trace)]) == 0
    assert "Nobody hears you in individual." in panel[1]
    assert any("--topology decentralized" in line for line in panel[2])
    assert played(trace, 0) == [RIGHT]


@pytest.mark.parametrize("where", [(TALK_KEY, CLOSE), (TALK_KEY, TYPED + "hi", CLOSE)])
def test_closing_the_window_while_talking_leaves(
    where: tuple[str, ...], type_keys: Callable[..., Any], capsys: pytest.CaptureFixture[str]
):
    type_keys("up", *where)
    assert main(TOGETHER) == 0
    assert "left after 1 steps" in capsys.readouterr().out


def test_anything_may_be_said(type_keys: Callable[..., Any], panel: list[list[str]], monkeypatch: pytest.MonkeyPatch):
    async def babble(self: Any, context: Any) -> Decision:
        text = "\x00\x1b[31m tab\t new\nline \ud800 \U0001f600 " + "long" * 200
        said = Said((0,), "inform", text.replace("\ud800", "x"), {"a": Fact([1, {"b": None}], 0)})
        return Decision(Plan((ActionCall("wait"),)), (said,))

    monkeypatch.setattr(GreedyPlanner, "decide", babble)
    type_keys("up", TALK_KEY, "escape", "up")
    assert main([*PLAY, "--topology", "decentralized"]) == 0
    beside = [line for line in panel[1] if line.startswith("agent 1, inform: [31m tab new line")]
    assert len(beside) == 1
    assert len(beside[0]) <= 100
    assert any(len(line) > 800 for line in panel[3])


def test_slow_partners_are_waited_for_and_the_window_can_be_closed_meanwhile(
    panel: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pygame = pytest.importorskip("pygame", reason="playing needs pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    told, given_up = threading.Event(), []

    def note(self: Screen, frame: np.ndarray, show: Callable[..., None] = Screen.present) -> None:
        show(self, frame)
        if "The others think ..." in panel[-1]:
            told.set()
        elif "Keys" in panel[-1]:
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP))

    async def think(self: Any, context: Any) -> Decision:
        if context.step == 1:
            pygame.event.post(pygame.event.Event(pygame.QUIT))
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                given_up.append(context.view.me)
                raise
        while not told.is_set():
            await asyncio.sleep(0.001)
        return Decision(Plan((ActionCall("wait"),)))

    monkeypatch.setattr(Screen, "present", note)
    monkeypatch.setattr(GreedyPlanner, "immediate", False)
    monkeypatch.setattr(GreedyPlanner, "decide", think)
    assert main([*PLAY, "--trace", str(tmp_path / "me.jsonl")]) == 0
    assert given_up == [1, 2]
    assert "left after 1 steps" in capsys.readouterr().out
    assert played(tmp_path / "me.jsonl.part", 0) == [UP]


def test_a_slow_partner_that_fails_ends_the_episode(
    type_keys: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    async def fail(self: Any, context: Any) -> Decision:
        await asyncio.sleep(0)
        raise ValueError("no idea")

    monkeypatch.setattr(GreedyPlanner, "immediate", False)
    monkeypatch.setattr(GreedyPlanner, "decide", fail)
    type_keys()
    assert main(PLAY) == 1
    said = capsys.readouterr().err
    assert said == ("emcoop: the episode ended with agent_error: the planner of agent 1 raised ValueError: no idea\n")


def test_a_line_is_typed_in_the_window(monkeypatch: pytest.MonkeyPatch):
    pygame = pytest.importorskip("pygame", reason="the window needs pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window, shown = Window(), []

    def post(kind: str, **values: Any) -> None:
        pygame.event.post(pygame.event.Event(getattr(pygame, kind), **values))

    def key(name: str) -> None:
        post("KEYDOWN", key=pygame.key.key_code(name))

    assert window.ask_text(shown.append, 5) is None
    window.show(np.zeros((40, 40, 3), np.uint8), "", 0)
    key("w")
    post("TEXTINPUT", text="w")
    key("return")
    for text in ("wait", "é", "more"):
        post("TEXTINPUT", text=text)
    key("backspace")
    key("return")
    key("left")
    assert [window.wait_key(), window.wait_key()] == ["w", "return"], "text is nothing to who waits for keys"
    shown.clear()
    assert window.ask_text(shown.append, 5) == "wait"
    assert shown == ["", "wait", "waité", "wait"]
    assert window.wait_key() == "left"
    key("escape")
    assert window.ask_text(shown.append, 5, "start") is None
    assert not window.closed
    assert window.wait_until(lambda: True)
    post("QUIT")
    assert window.ask_text(shown.append, 5) is None
    assert window.closed
    assert not window.wait_until(lambda: False)


@pytest.fixture
def x_server(tmp_path: Path) -> Iterator[str]:
    """Start an X server without a monitor and give its display."""
    binary = shutil.which("Xvfb")
    if binary is None:
        pytest.skip("Xvfb is not installed (apt-get install xvfb)")
    reading, writing = os.pipe()
    command = [binary, "-displayfd", str(writing), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="ascii") as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait(timeout=30)


class Keyboard:
    """Presses keys on an X server, through its test extension."""

    def __init__(self, display: str) -> None:
        names = [ctypes.util.find_library(name) for name in ("X11", "Xtst")]
        if None in names:
            pytest.skip("libX11 or libXtst is not installed (apt-get install libxtst6)")
        self._x, self._test = (ctypes.CDLL(name) for name in names)
        self._x.XOpenDisplay.restype = ctypes.c_void_p
        self._x.XStringToKeysym.restype = ctypes.c_ulong
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(display.encode()))
        # Without a window manager the keyboard belongs to the window under the pointer.
        self._test.XTestFakeMotionEvent(self._display, -1, 512, 384, ctypes.c_ulong(0))

    def press(self, name: str, shift: bool = False) -> None:
        code, held = self._code(name), self._code("Shift_L")
        presses = [(held, 1), (code, 1), (code, 0), (held, 0)] if shift else [(code, 1), (code, 0)]
        for key, down in presses:
            self._test.XTestFakeKeyEvent(self._display, key, down, ctypes.c_ulong(0))
        self._x.XFlush(self._display)

    def _code(self, name: str) -> int:
        code: int = self._x.XKeysymToKeycode(self._display, ctypes.c_ulong(self._x.XStringToKeysym(name.encode())))
        return code


@pytest.mark.slow
def test_real_keys_on_a_real_screen_play_an_episode(x_server: str, tmp_path: Path):
    pytest.importorskip("pygame", reason="playing needs pygame")
    keyboard, trace = Keyboard(x_server), tmp_path / "me.jsonl"
    command = [sys.executable, "-m", "emcoop", *PLAY, "--max-steps", "4", "--trace", str(trace)]
    game = subprocess.Popen(command, env={**os.environ, "DISPLAY": x_server, "SDL_VIDEODRIVER": "x11"})
    try:
        for _ in range(240):
            keyboard.press("Right")
            try:
                game.wait(timeout=0.25)
                break
            except subprocess.TimeoutExpired:
                continue
        assert game.poll() == 0
    finally:
        game.kill()
    assert played(trace, 0) == [RIGHT] * 4


@pytest.mark.slow
def test_real_keys_type_a_message_in_a_real_window(x_server: str, tmp_path: Path):
    pytest.importorskip("pygame", reason="playing needs pygame")
    keyboard, trace = Keyboard(x_server), tmp_path / "me.jsonl"
    command = [sys.executable, "-m", "emcoop", *TOGETHER, "--max-steps", "16", "--trace", str(trace)]
    game = subprocess.Popen(command, env={**os.environ, "DISPLAY": x_server, "SDL_VIDEODRIVER": "x11"})
    try:
        for attempt in range(400):
            # The window may open in the midst of a line; one Enter more turns talking and playing round again.
            again = ["Return"] * (attempt % 2)
            for name in ("Left", "Return", "G", "o", "BackSpace", "o", "space", "exclam", "Return", *again):
                keyboard.press(name, shift=name in ("G", "exclam"))
                time.sleep(0.02)
            try:
                game.wait(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                continue
        assert game.poll() == 0
    finally:
        game.kill()
    said = [m for m in emcoop.read_trace(trace).of(Message) if m.sender == 0]
    assert any((m.act, m.recipients, m.text) == ("inform", "*", "Go !") for m in said)
