"""Attacks on the evidence, by somebody who makes everything else agree: each is refused where it has to be seen."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from forgery import Events, Forgery, acted_out, first, of

from emcoop.leaderboards.problems import Level
from emcoop.leaderboards.verify import Verdict, verify
from emcoop.trace import schema

Attack = Callable[[Forgery], object]
FAKE = "f" * 32


def refused(honest: Path, attack: Attack, folder: Path) -> Verdict:
    copy = folder / honest.name
    shutil.copytree(honest, copy)
    attack(Forgery(copy))
    return verify(copy, jobs=1)


def check(verdict: Verdict, level: Level, code: str, piece: str) -> None:
    assert not verdict.passed
    assert verdict.level == level - 1, verdict.problems
    assert {problem.code for problem in verdict.problems} == {code}, verdict.problems
    assert piece in verdict.problems[0].reason, verdict.problems[0]
    assert all(str(problem).isprintable() for problem in verdict.problems)


def events(change: Callable[[Events], Events | None], scored: bool = True) -> Attack:
    """Return an attack that changes the first trace and makes digest and metrics agree with it."""
    return lambda forgery: forgery.alter(change, scored)


def with_(kind: type[schema.Event], last: bool = False, **values: Any) -> Attack:
    """Return an attack that changes fields of the first (or last) event of a kind."""

    def change(found: Events) -> None:
        event = of(found, kind)[-1 if last else 0]
        for name, value in values.items():
            assert getattr(event, name) != value
            setattr(event, name, value)

    return events(change)


def raw(change: Callable[[bytes], bytes]) -> Attack:
    """Return an attack on the bytes of the first trace, whose digest is set right."""

    def attack(forgery: Forgery) -> None:
        unit = forgery.units[0]
        plain = gzip.decompress(forgery.path(unit).read_bytes())
        changed = change(plain)
        assert changed != plain
        forgery.put_bytes(unit, changed)

    return attack


def packed(change: Callable[[bytes], bytes]) -> Attack:
    """Return an attack on the compressed bytes of the first trace; what is in them stays."""

    def attack(forgery: Forgery) -> None:
        path = forgery.path(forgery.units[0])
        path.write_bytes(change(path.read_bytes()))

    return attack


# Level 0: bytes, records, settings ------------------------------------------------------------------------------------


def cut(found: Events) -> Events:
    return found[: len(found) // 2]


def reordered(found: Events) -> Events:
    return [*found[:6], *reversed(found[6:9]), *found[9:]]


def without_a_step(found: Events) -> Events:
    gone = first(found, schema.Step, t=4)
    return [event for event in found if event is not gone]


def with_a_step_twice(found: Events) -> Events:
    place = found.index(first(found, schema.Step, t=4))
    return [*found[: place + 1], msgspec.structs.replace(found[place]), *found[place + 1 :]]


def misnumbered(plain: bytes) -> bytes:
    lines = plain.splitlines(keepends=True)
    lines[7], lines[8] = lines[8], lines[7]
    return b"".join(lines)


def bomb(forgery: Forgery) -> None:
    forgery.path(forgery.units[0]).write_bytes(gzip.compress(bytes(64 << 20), 6))


def deep(plain: bytes) -> bytes:
    lines = plain.splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"env_kwargs":{}', b'"env_kwargs":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    return b"".join(lines)


def others(forgery: Forgery) -> None:
    """Put the trace of one episode under the id of the other, and the table along with it."""
    mine, other = forgery.units[:2]
    forgery.put(mine, forgery.events(other))


def others_renamed(forgery: Forgery) -> None:
    """The same, with the seed that is asked for written into it."""
    mine, other = forgery.units[:2]
    found = forgery.events(other)
    first(found, schema.Episode).seed = forgery.unit(mine).seed
    forgery.put(mine, found)


def best_seed(forgery: Forgery) -> None:
    """Run a seed of one's own choice under the id of the suite's."""
    mine = forgery.units[0]
    found = forgery.played(mine, seed=4)
    first(found, schema.Episode).seed = 4
    forgery.put(mine, found)


LEVEL_0: list[tuple[str, Attack, str, str]] = [
    ("cut off in the middle", packed(lambda data: data[: len(data) // 2]), "truncated", "cut off"),
    ("cut off, everything else agrees", events(cut, scored=False), "truncated", "no end record"),
    ("an empty file", packed(lambda data: b""), "trace", "ends before its episode record"),
    ("an empty trace", raw(lambda plain: b""), "trace", "ends before its episode record"),
    ("noise", packed(lambda data: b"\x1f\x8b" + bytes(range(256))), "trace", "does not decode"),
    ("a second member", packed(lambda data: data + gzip.compress(b"x")), "trace", "data after its compressed stream"),
    ("bytes behind the end", packed(lambda data: data + b"\0" * 9), "trace", "data after its compressed stream"),
    ("a bomb", bomb, "trace", "is longer than the allowed"),
    ("nested 100,000 deep", raw(deep), "trace", "is not a record of schema"),
    ("events in another order", raw(misnumbered), "trace", "out of order"),
    ("a line that is no JSON", raw(lambda plain: plain + b"end\n"), "trace", "is not a record of schema"),
    ("a second end", raw(lambda plain: plain + plain.splitlines(keepends=True)[-1]), "trace", "was due"),
    (
        "spelled otherwise",
        raw(lambda plain: plain.replace(b'{"kind":"end"', b'{ "kind":"end"')),
        "not-canonical",
        "canonical",
    ),
    (
        "a field of its own",
        raw(lambda plain: plain.replace(b'{"kind":"end"', b'{"verified":true,"kind":"end"')),
        "not-canonical",
        "canonical",
    ),
    ("a future schema", with_(schema.Run, schema="emcoop-trace-9"), "trace", "this version reads"),
    ("a step left out", events(without_a_step, scored=False), "trace", "where step 4 was due"),
    ("a step twice", events(with_a_step_twice, scored=False), "trace", "where step 5 was due"),
    ("an agent of another team", with_(schema.Activation, agent=7), "trace", "names agent 7"),
    ("another version's", with_(schema.Run, emcoop="0.0.9"), "version", "use that version"),
    ("another suite's", with_(schema.Run, suite_hash="0" * 64), "suite", "not of the frozen one"),
    ("a suite of the same name", with_(schema.Run, suite="small-v1"), "suite", "not of the frozen one"),
    (
        "a hash of other settings",
        raw(lambda plain: plain.replace(b'"config_hash":"', b'"config_hash":"0')),
        "config-hash",
        "config_hash",
    ),
    ("a seed of its own choice", best_seed, "seed", "the suite asks for 3"),
    ("the other episode's trace", others, "seed", "the suite asks for 3"),
    ("another team size", with_(schema.Episode, n_agents=3), "trace", ""),
    ("a longer horizon", with_(schema.Episode, max_steps=1000), "max_steps", "the suite asks for 14"),
    ("another planner", with_(schema.Episode, planners=[{"name": "greedy"}]), "planners", "the suite asks for"),
    ("another topology", with_(schema.Episode, topology={"name": "decentralized"}), "topology", "the suite asks for"),
    ("larger budgets", with_(schema.Episode, budgets={"decisions_per_step": 99}), "settings", "budgets is"),
    ("a control in the channel", with_(schema.Episode, channel={"control": "shuffle"}), "settings", "channel is"),
    ("a board of its own", with_(schema.Episode, options={"blocks": []}), "settings", "options is"),
    (
        "a monitor that sees all",
        with_(schema.Episode, monitors=[{"name": "feasibility_privileged"}]),
        "settings",
        "monitors is",
    ),
    ("an id of 30 digits", with_(schema.Activation, id=10**30), "huge-number", "was altered"),
    ("a clock beyond all", with_(schema.Round, c=10**12), "huge-number", "was altered"),
    (
        "a failure in the table only",
        lambda f: f.field("status", "agent_error"),
        "status",
        "the table says 'agent_error'",
    ),
    (
        "a failure of no consequence",
        events(lambda f: setattr(f[-1], "status", "infra_error"), scored=False),
        "status",
        "ends with status 'infra_error'",
    ),
]


@pytest.mark.parametrize(("attack", "code", "piece"), [e[1:] for e in LEVEL_0], ids=[e[0] for e in LEVEL_0])
def test_level_0(attack: Attack, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    verdict = refused(honest["team"], attack, tmp_path)
    assert verdict.level == -1, verdict.problems
    assert code in {problem.code for problem in verdict.problems}, verdict.problems
    assert any(piece in problem.reason for problem in verdict.problems), verdict.problems
    assert all(str(problem).isprintable() for problem in verdict.problems)


# Level 1: the world ---------------------------------------------------------------------------------------------------


def shorter(found: Events) -> Events:
    """End an episode while the world goes on: before a bad end, or to look fast."""
    place = found.index(first(found, schema.Step, t=9))
    end = of(found, schema.End)[0]
    end.steps = end.t = 9
    return [*found[: place + 1], end]


def longer(found: Events) -> Events:
    """Add steps after the horizon."""
    end, last = found[-1], of(found, schema.Step)[-1]
    more = [msgspec.structs.replace(last, t=last.t + k) for k in (1, 2)]
    assert isinstance(end, schema.End)
    end.steps = end.t = last.t + 2
    return [*found[:-1], *more, end]


def flipped(found: Events) -> None:
    step = first(found, schema.Step, t=5)
    step.actions[0] = (step.actions[0] + 1) % 4


LEVEL_1: list[tuple[str, Attack, str, str]] = [
    ("a higher score in the table", lambda f: f.field("score", "0.99"), "score", "the table says score = 0.99"),
    ("another score in table and trace", with_(schema.End, score=0.99), "score", "re-execution gives"),
    ("other points", with_(schema.End, raw_score=1000.0), "score", "raw score 1000.0"),
    ("another metric in the table", lambda f: f.field("plan_coherence", "0.123"), "metric", "plan_coherence = 0.123"),
    ("a metric that does not apply", lambda f: f.field("steps", ""), "metric", "says steps = nothing"),
    ("one action", events(flipped), "replay", "state hash"),
    (
        "an action there is not",
        events(lambda f: first(f, schema.Step, t=5).actions.__setitem__(0, 99)),
        "replay",
        "cannot be replayed",
    ),
    (
        "an action of 20 digits",
        events(lambda f: first(f, schema.Step, t=5).actions.__setitem__(0, 10**20)),
        "replay",
        "cannot be replayed",
    ),
    (
        "a negative action",
        events(lambda f: first(f, schema.Step, t=5).actions.__setitem__(0, -1)),
        "replay",
        "cannot be replayed",
    ),
    ("a state hash", events(lambda f: setattr(first(f, schema.Step, t=6), "state_hash", FAKE)), "replay", FAKE),
    ("progress", events(lambda f: setattr(first(f, schema.Step, t=6), "progress", 0.9)), "replay", "progress 0.9"),
    ("a reward", events(lambda f: setattr(first(f, schema.Step, t=6), "reward", 5.0)), "replay", "reward 5.0"),
    ("another episode under this seed", others_renamed, "replay", "step 0"),
    ("an early end", events(shorter), "stopped-early", "an episode that goes on"),
    ("steps after the end", events(longer, scored=False), "replay", "another step after step 14"),
    ("a world that ended", with_(schema.End, terminated=True), "replay", "terminated True"),
    ("fewer steps", with_(schema.End, steps=3), "steps", "claims 3 steps and holds 14"),
]


@pytest.mark.parametrize(("attack", "code", "piece"), [e[1:] for e in LEVEL_1], ids=[e[0] for e in LEVEL_1])
def test_level_1(attack: Attack, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    check(refused(honest["team"], attack, tmp_path), Level.L1, code, piece)


# Level 2: the loop ----------------------------------------------------------------------------------------------------


def other_actions(found: Events) -> None:
    """Let the real world carry out other actions: every state and the score are true, and nobody decided so."""
    actions = [list(step.actions) for step in of(found, schema.Step)[1:]]
    actions[6][0] = (actions[6][0] + 1) % 5
    acted_out(found, actions)


def constraint(found: Events) -> None:
    event = first(found, schema.Constraint)
    event.in_place = [count + 1 for count in event.in_place]


def moved(found: Events) -> None:
    of(found, schema.World)[1].to[0][0] += 1


def said(found: Events) -> None:
    first(found, schema.Message).text = "I see it all."


def unsaid(found: Events) -> Events:
    kinds = (schema.Message, schema.Transport, schema.Reaction, schema.Claim)
    for event in of(found, schema.Activation):
        event.messages = []
    end = found[-1]
    assert isinstance(end, schema.End)
    for name in ("consume", "copies", "delivered", "messages", "rendered"):
        end.counters.pop(name, None)
    return [event for event in found if type(event) not in kinds]


def gave_up(found: Events) -> Events:
    """Stop early and call it a planner's error, so that the world need not have ended."""
    kept = shorter(found)
    end = kept[-1]
    assert isinstance(end, schema.End)
    end.status, end.error = "agent_error", "agent 0: it gave up"
    return kept


def counters(found: Events) -> None:
    end = found[-1]
    assert isinstance(end, schema.End)
    end.counters["decisions"] -= 1


def under_its_name(**changes: Any) -> Attack:
    """Run something else and write the head of what was asked for over it."""

    def attack(forgery: Forgery) -> None:
        for unit in forgery.units:
            forgery.put(unit, forgery.played(unit, **changes))

    return attack


def decided(found: Events) -> None:
    of(found, schema.Activation)[-1].outcome = "forced"


LEVEL_2: list[tuple[str, Attack, str, str]] = [
    ("other actions, truly carried out", events(other_actions), "step", "differs in actions"),
    ("constraint counts", events(constraint), "constraint", "differs in in_place"),
    ("a position", events(moved), "world", "differs in to"),
    ("words of a message", events(said), "message", "I see it all."),
    ("no messages at all", events(unsaid), "decision", "gives 'message'"),
    ("a decision fewer", events(counters), "counters", "differs in counters"),
    ("another outcome of a decision", events(decided), "decision", "differs in outcome"),
    ("a plan's reason", with_(schema.Plan, last=True, reason="done"), "plan", "differs in reason"),
    ("a success called a failure", with_(schema.End, status="agent_error"), "counters", "gives 'completed'"),
    ("an error that nobody made", events(gave_up), "counters", "the trace has 'end'"),
    ("another planner under this name", under_its_name(planner_spec="greedy"), "", "the loop run again gives"),
    ("the oracle under this name", under_its_name(planner_spec="oracle"), "", "the loop run again gives"),
    (
        "more decisions than the budget",
        under_its_name(budgets={"decisions_per_step": 9, "message_chars_per_step": 999}),
        "",
        "the loop run again gives",
    ),
    ("another topology under this name", under_its_name(topology_spec="decentralized"), "", "the loop run again gives"),
    (
        "a monitor nobody knows of",
        under_its_name(settings={"monitors": ["feasibility_privileged"], "thinking_rounds": 2}),
        "",
        "the loop run again gives",
    ),
]


@pytest.mark.parametrize(("attack", "code", "piece"), [e[1:] for e in LEVEL_2], ids=[e[0] for e in LEVEL_2])
def test_level_2(attack: Attack, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    verdict = refused(honest["team"], attack, tmp_path)
    assert verdict.level == 1, verdict.problems
    assert code in ("", *(problem.code for problem in verdict.problems)), verdict.problems
    assert all(piece in problem.reason for problem in verdict.problems), verdict.problems
