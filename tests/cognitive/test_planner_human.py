"""People as planners: what they may type, what becomes of it, and that nobody waits for them but the world."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cognitive_tools import Puppet, of, plan_ends

import emcoop
from emcoop.cognitive_layer.plan import EVERYONE, ActionCall, Decision, Fact, Message, Notice, Plan
from emcoop.cognitive_layer.planners.human import HumanPlanner
from emcoop.cognitive_layer.planners.terminal import LOOK_UP_SECONDS, TERMINAL
from emcoop.cognitive_layer.planners.typed import (
    agents_in_words,
    call_in_words,
    message_in_words,
    read_calls,
    read_message,
    usage,
)
from emcoop.envs.cube.concepts import CONCEPTS as CUBE
from emcoop.envs.ma_crafter.concepts import CONCEPTS as CRAFTER
from emcoop.errors import ConfigError
from emcoop.trace import schema

# Lines ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("wait", [("wait", {})]),
        ("wait 3", [("wait", {"steps": 3})]),
        ("wait steps=3", [("wait", {"steps": 3})]),
        ("push block=1 face=left steps=3", [("push", {"block": 1, "face": "left", "steps": 3})]),
        ("push 1 left 3", [("push", {"block": 1, "face": "left", "steps": 3})]),
        ("push face=left 1 3", [("push", {"face": "left", "block": 1, "steps": 3})]),
        ("navigate 3,4", [("navigate", {"target": [3, 4]})]),
        ("navigate target=[3,4] timeout=9", [("navigate", {"target": [3, 4], "timeout": 9})]),
        ("navigate 2", [("navigate", {"target": 2})]),
        ("navigate goal", [("navigate", {"target": "goal"})]),
        (
            " move_to_block 1 left ;push 1 left 2; ",
            [("move_to_block", {"block": 1, "face": "left"}), ("push", {"block": 1, "face": "left", "steps": 2})],
        ),
    ],
)
def test_calls_are_read(line: str, calls: list[tuple[str, dict[str, Any]]]):
    assert read_calls(line, CUBE) == tuple(ActionCall(concept, args) for concept, args in calls)


def test_an_argument_that_may_be_left_out_is_read_by_its_name():
    assert read_calls("collect tree target=4,5", CRAFTER) == (
        ActionCall("collect", {"resource": "tree", "target": [4, 5]}),
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("psh 1 left 3", "unknown command or concept 'psh': known are .*; did you mean 'push'"),
        ("push 1 lft 3", "push: face='lft' does not fit; write push block=N face=.*left"),
        ("push 1 left", "push: steps is missing; write push block=N"),
        ("push 1 left three", "push: steps='three' does not fit"),
        ("push 1 left 0", "push: steps=0 does not fit"),
        ("push -1 left 2", "push: block=-1 does not fit"),
        ("push 1 left 2 3 4", "push has no argument for '4'"),
        ("push 1 left 2 block=1", "push got block twice"),
        ("push 1 left 2 speed=1", "push: speed='1' does not fit; write"),
        ("navigate 3,4,5", r"navigate: target=\[3, 4, 5\] does not fit; write navigate target=N,N\|N\|goal"),
        (f"wait {'9' * 5000}", "wait: steps"),
        (";", "that is no call"),
    ],
)
def test_a_call_that_does_not_fit_says_how_it_is_written(line: str, says: str):
    with pytest.raises(ConfigError, match=says) as error:
        read_calls(line, CUBE)
    assert "\n" not in str(error.value)


def test_every_concept_says_how_it_is_written_and_calls_in_words_can_be_typed():
    for concepts in (CUBE, CRAFTER):
        for concept in concepts.values():
            assert usage(concept).startswith(concept.name)
    for call in (
        ActionCall("push", {"block": 1, "face": "left", "steps": 3}),
        ActionCall("navigate", {"target": [3, 4]}),
    ):
        assert read_calls(call_in_words(call), CUBE) == (call,)


@pytest.mark.parametrize(
    ("line", "recipients", "kind", "text", "facts"),
    [
        ("hello", EVERYONE, "inform", "hello", {}),
        ("all: hello", EVERYONE, "inform", "hello", {}),
        ("all commit: block 1", EVERYONE, "commit", "block 1", {}),
        ("commit: block 1", EVERYONE, "commit", "block 1", {}),
        ("commit:", EVERYONE, "commit", "", {}),
        ("2: hello", (2,), "inform", "hello", {}),
        ("1,2 request: come", (1, 2), "request", "come", {}),
        ("2 , 1,2 : request : come", (2, 1), "request", "come", {}),
        ("2 agents are here", EVERYONE, "inform", "2 agents are here", {}),
        ("look: there", EVERYONE, "inform", "look: there", {}),
        ("1 request: order=block1/left  at once", (1,), "request", "at once", {"order": "block1/left"}),
        ("free=true n=3 cell:3,5=iron", EVERYONE, "inform", "", {"free": True, "n": 3, "cell:3,5": "iron"}),
        ("at=[1,2]", EVERYONE, "inform", "", {"at": [1, 2]}),
        ("x=NaN y=1.5", EVERYONE, "inform", "", {"x": "NaN", "y": "1.5"}),
        ("a = b", EVERYONE, "inform", "a = b", {}),
    ],
)
def test_messages_are_read(line: str, recipients: Any, kind: Any, text: str, facts: dict[str, Any]):
    noted = {name: Fact(value, 7) for name, value in facts.items()}
    assert read_message(line, (1, 2), 7) == Message(recipients, kind, text, noted)


@pytest.mark.parametrize(
    ("line", "reachable", "says"),
    [
        ("hello", (), "nobody hears you"),
        ("3: hello", (1, 2), "agent 3 does not hear you: choose among agents 1, 2"),
        ("3: hello", (1,), "choose among agent 1"),
        ("1:", (1,), "that says nothing"),
        ("", (1,), "that says nothing"),
    ],
)
def test_a_message_nobody_gets_is_refused(line: str, reachable: tuple[int, ...], says: str):
    with pytest.raises(ConfigError, match=says):
        read_message(line, reachable, 0)


def test_messages_in_words_are_one_printable_line():
    said = Message((0,), "inform", "a\x1b[2J\nb\x00", {"k": Fact([1, 2], 3), "old": Fact(True, 1)})
    assert message_in_words(said, 3) == "inform: a [2J b [k=1,2, old=True (step 1)]"
    assert message_in_words(Message((0,), "ack"), 0) == "ack:"
    assert agents_in_words(range(10)) == "agents 0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


# Dialogues -----------------------------------------------------------------------------------------------------------


class Person:
    """Types into the process's standard input."""

    def __init__(self, keyboard: int) -> None:
        self._keyboard = keyboard

    def types(self, *lines: str) -> None:
        os.write(self._keyboard, "".join(f"{line}\n" for line in lines).encode())

    def leaves(self) -> None:
        os.close(self._keyboard)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield Person(writing)


def waiting(puppet: Puppet, context: Any) -> Decision:
    return Decision(Plan((ActionCall("wait", {"steps": 50}),)))


def episode(planners: Any, **settings: Any) -> Any:
    return emcoop.run_episode(
        "Cube-v0", n_agents=len(planners), planner=planners, seed=1, **{"max_steps": 3, **settings}
    )


def commits(result: Any, agent: int) -> list[Any]:
    return [(p.task, p.calls) for p in of(result, schema.Plan) if p.agent == agent and p.event == "commit"]


def test_what_is_typed_is_planned_and_said(person: Person, capsys: pytest.CaptureFixture[str]):
    person.types("say commit: task=block0/left mine", "say 1 request: help", "do 1", "resume")
    person.types("move up; wait 2")
    answer = Message((0,), "ack", "got it")
    other = Puppet(lambda puppet, context: Decision(Plan((ActionCall("wait", {"steps": 9}),)), (answer,)))
    result = episode(["human", other], topology="decentralized", max_steps=2)
    assert result.status == "completed", result.error
    task, calls = commits(result, 0)[0]
    assert task == "block0/left"
    assert [concept for concept, _ in calls] == ["move_to_block", "rendezvous", "push"]
    said = [(m.recipients, m.act, m.text, m.facts) for m in of(result, schema.Message) if m.sender == 0]
    assert said == [("*", "commit", "mine", [("task", "block0/left", 0)]), ([1], "request", "help", [])]
    shown = capsys.readouterr()
    assert shown.out == ""
    for words in (
        "--- agent 0 of 2, step 0 of 2, you need a plan",
        "You are agent 0 at",
        "1. block0/left: takes",
        "with your decision, agent 1 will hear commit: mine [task=block0/left]",
        "agent 1, ack: got it",
        "Your plan: > move_to_block block=0 face=left; rendezvous block=0",
    ):
        assert words in shown.err
    assert shown.err.count("You are agent 0 at") == 1, "the world is shown once a step"
    assert "\x1b" not in shown.err


def test_mistakes_are_one_sentence_and_asked_again(person: Person, capsys: pytest.CaptureFixture[str]):
    person.types("", "resume", "do 7", "do", "do block0/left two", "fly", "say hi", "help", "look", "wait 9")
    result = episode(["human", Puppet(waiting)])
    assert result.status == "completed", result.error
    assert commits(result, 0) == [("", [("wait", {"steps": 9})])]
    shown = capsys.readouterr().err
    for words in (
        "there is no plan to resume",
        "unknown task '7': known are block0/left",
        "write do TASK or do TASK COUNT",
        "unknown command or concept 'fly'",
        "nobody hears you",
        "push block=N face=",
        "leave; the episode ends without a score",
    ):
        assert words in shown
    assert shown.count("You are agent 0 at") == 2


def test_how_a_plan_ended_and_what_a_monitor_warns_of_is_told(person: Person, capsys: pytest.CaptureFixture[str]):
    person.types("push 99 left 1", "wait 9")
    result = episode(["human", Puppet(waiting)])
    assert plan_ends(result, 0)[0][1] == "failed:invalid_argument"
    shown = capsys.readouterr().err
    assert "Your last plan: failed:invalid_argument at push block=99 face=left steps=1" in shown
    puppet = Puppet(waiting)
    episode([puppet, Puppet(waiting)], max_steps=1)
    planner, context = HumanPlanner(), puppet.contexts[0]
    planner.reset(puppet.setup)
    notice = Notice("feasibility", "block0/left", "participation", 1, 2, (0,), 30)
    person.types("listen")
    warned = type(context)(**{**vars(context), "notices": (notice,)})
    assert asyncio.run(planner.decide(warned)) == Decision(None)
    assert "feasibility: block0/left by agent 0 will fail by step 30: participation has 1, needs 2" in (
        capsys.readouterr().err
    )


def test_listening_first_hears_the_others(person: Person):
    other = Puppet(lambda puppet, context: Decision(Plan((ActionCall("wait", {"steps": 9}),)), (Message((0,), "ack"),)))
    person.types("listen", "wait 9")
    result = episode(["human", other], topology="decentralized")
    outcomes = [a.outcome for a in of(result, schema.Activation) if a.agent == 0]
    assert outcomes == ["listen", "plan"]
    assert [r.label for r in of(result, schema.Reaction) if r.agent == 0] == ["consume"]


@pytest.mark.parametrize("way", ["quit", "end of input"])
def test_leaving_ends_the_episode_unscored_and_readable(way: str, person: Person, tmp_path: Any, capsys: Any):
    person.types("wait 2", *(["quit", "wait 3"] if way == "quit" else []))
    if way != "quit":
        person.leaves()
    path = tmp_path / "t.jsonl.gz"
    result = episode(["human", "human", "greedy"], trace=path, max_steps=9)
    assert result.status == "infra_error"
    assert result.error == "the person at seat 1 left at step 0"
    recorded = emcoop.read_trace(path)
    assert recorded.complete
    emcoop.replay(recorded)
    assert capsys.readouterr().err.count("---") == 2
    if way == "quit":
        again = episode(["human"], max_steps=3)
        assert again.status == "completed", "the next episode asks again"


def test_people_at_one_terminal_are_asked_in_the_order_of_their_seats(person: Person, capsys: Any):
    person.types("wait 9", "say to 2", "move up", "wait 9", "resume", "resume")
    result = episode(["human", "human", "human"], topology="decentralized", max_steps=1)
    assert result.status == "completed", result.error
    assert [commits(result, agent)[0][1][0][0] for agent in range(3)] == ["wait", "move", "wait"]
    prompts = [line.split(" of ")[0] for line in capsys.readouterr().err.splitlines() if "---" in line]
    assert [prompt[-1] for prompt in prompts[:3]] == ["0", "1", "2"]


def test_the_others_think_while_a_person_reads(person: Person):
    thought = threading.Event()

    class Slow:
        def reset(self, setup: Any) -> None:
            pass

        async def decide(self, context: Any) -> Decision:
            await asyncio.sleep(0.001)
            if not thought.is_set():
                thought.set()
                person.types("wait 9")  # only now is there anything to read
            return Decision(Plan((ActionCall("wait", {"steps": 9}),)))

    result = episode([HumanPlanner(), Slow()])
    assert result.status == "completed", result.error


@pytest.mark.skipif(sys.platform == "win32", reason="there one can only wait for a line")
def test_who_is_waited_for_no_more_reads_nothing_more(person: Person):
    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(TERMINAL.converse(TERMINAL.read), 0.01)

    asyncio.run(give_up())
    asyncio.run(asyncio.sleep(2 * LOOK_UP_SECONDS))
    person.types("wait 9")
    assert episode(["human"]).status == "completed"


def test_without_a_terminal_the_person_has_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", None)
    result = episode(["human"])
    assert (result.status, result.error) == ("infra_error", "the person at seat 0 left at step 0")


def test_what_people_decided_can_be_replayed(person: Person, tmp_path: Any):
    path = tmp_path / "t.jsonl"
    person.types("say all inform: at=[1,2] there", "listen", "move right 3", *["resume"] * 9)
    first = episode(["human", "team"], topology="decentralized", trace=path, max_steps=3)
    assert first.status == "completed", first.error
    again = episode([f"replay:{path}", "team"], topology="decentralized", max_steps=3)
    assert first.events[2:] == again.events[2:]
