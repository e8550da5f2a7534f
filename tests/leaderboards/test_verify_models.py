"""Attacks on what models are said to have done; and what no replay can see, said as tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from forgery import Events, Forgery, acted_out, first, of
from small_suites import DATE, SUITES, meta

from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.suite import with_planners
from emcoop.baselines.sweep import run_episode_of, run_sweep
from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, PromptTooLong, Usage
from emcoop.cognitive_layer.models.testing import RuleChat
from emcoop.leaderboards.evidence import implausible, leaks
from emcoop.leaderboards.prepare import prepare
from emcoop.leaderboards.verify import Verdict, verify
from emcoop.trace import read_trace, schema

Attack = Callable[[Forgery], object]
CLAIMED = "openai/gpt-famous"


def refused(honest: Path, attack: Attack, folder: Path) -> Verdict:
    copy = folder / honest.name
    shutil.copytree(honest, copy)
    attack(Forgery(copy))
    return verify(copy, jobs=1)


def events(change: Callable[[Events], Events | None]) -> Attack:
    return lambda forgery: forgery.alter(change)


def other_plan(found: Events) -> None:
    call = next(c for c in of(found, schema.LlmCall) if '"plan":[{' in c.reply)
    call.reply = call.reply.replace('"left"', '"top"').replace("block0/left", "block0/top")


def request(found: Events) -> None:
    of(found, schema.LlmCall)[0].request = "0" * 64


def model(found: Events) -> None:
    for call in of(found, schema.LlmCall):
        call.model = CLAIMED


def fewer_calls(found: Events) -> Events:
    gone = of(found, schema.LlmCall)[-1]
    return [event for event in found if event is not gone]


def more_calls(found: Events) -> Events:
    last = of(found, schema.LlmCall)[-1]
    place = found.index(last)
    return [*found[: place + 1], msgspec.structs.replace(last, attempt=1), *found[place + 1 :]]


def swapped_calls(found: Events) -> None:
    one, other = of(found, schema.LlmCall)[1:3]
    one.reply, other.reply = other.reply, one.reply


def tokens_of_decisions(found: Events) -> None:
    for event in of(found, schema.Activation):
        event.tokens = 1


def tokens_of_calls(found: Events) -> None:
    """Claim one token for every reply, and let decisions and the end agree."""
    total = 0
    for call in of(found, schema.LlmCall):
        call.prompt_tokens = call.completion_tokens = 1
        first(found, schema.Activation, id=call.activation).tokens = 2
        total += 2
    found[-1].counters["tokens"] = total  # type: ignore[attr-defined]


def negative_tokens(found: Events) -> None:
    of(found, schema.LlmCall)[0].prompt_tokens = -5000


def model_calls(found: Events) -> None:
    found[-1].counters["model_calls"] = 1  # type: ignore[attr-defined]


def oracle_actions(forgery: Forgery) -> None:
    """Carry out what the oracle does, under plans and invented replies of a model that never planned it."""
    for unit in forgery.units:
        best = forgery.played(unit, planner_spec="oracle")
        actions = [list(step.actions) for step in of(best, schema.Step)[1:]]
        forgery.put(unit, acted_out(forgery.events(unit), actions))


def oracle_replies(forgery: Forgery) -> None:
    """Take the oracle's whole episode, and give every decision in it an invented reply of a model."""
    for unit in forgery.units:
        made: Events = []
        for event in forgery.played(unit, planner_spec="oracle"):
            made.append(event)
            if isinstance(event, schema.Activation):
                call = first(forgery.events(unit), schema.LlmCall)
                made.append(msgspec.structs.replace(call, activation=event.id, agent=event.agent, t=event.t, c=event.c))
        forgery.put(unit, made)


def uncounted(forgery: Forgery) -> None:
    """Say nothing of tokens."""

    def change(found: Events) -> None:
        for call in of(found, schema.LlmCall):
            call.prompt_tokens = call.completion_tokens = 0
            first(found, schema.Activation, id=call.activation).tokens = 0
        found[-1].counters.pop("tokens")  # type: ignore[attr-defined]

    for unit in forgery.units:
        events_of = forgery.events(unit)
        change(events_of)
        forgery.put(unit, events_of)


def other_prompts(forgery: Forgery) -> None:
    """Ask with prompts of one's own, and say that they are those that ship."""
    from importlib.resources import files

    shipped = files("emcoop.cognitive_layer") / "prompts" / "standard-1"
    folder = forgery.folder.parent / "prompts"
    folder.mkdir()
    for file in shipped.iterdir():
        (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    system = folder / "system.jinja"
    system.write_text(system.read_text(encoding="utf-8") + "Think of the far corner first.\n", encoding="utf-8")
    spec = {"name": "llm", "model": "test/pocket", "prompts": str(folder)}
    for unit in forgery.units:
        forgery.put(unit, forgery.played(unit, planner_spec=spec))


def sampling(forgery: Forgery) -> None:
    """Sample otherwise than is said: it is part of what is asked."""
    for unit in forgery.units:
        forgery.put(
            unit, forgery.played(unit, planner_spec={"name": "llm", "model": "test/pocket", "temperature": 1.0})
        )


ATTACKS: list[tuple[str, Attack, str, str]] = [
    ("another plan in a reply", events(other_plan), "", "the loop run again gives"),
    ("what was asked", events(request), "model-call", "differs in request"),
    ("another model", events(model), "", "but the next logged reply is of openai/gpt-famous"),
    ("a call left out", events(fewer_calls), "", "once more than is logged"),
    ("a call too many", events(more_calls), "", "the loop run again gives"),
    ("replies in another order", events(swapped_calls), "", "the loop run again gives"),
    ("tokens of decisions", events(tokens_of_decisions), "decision", "differs in tokens"),
    ("tokens of calls, everything else agrees", events(tokens_of_calls), "tokens", "no tokenizer does that"),
    ("tokens below nothing", events(negative_tokens), "tokens", "no tokenizer does that"),
    ("fewer calls counted", events(model_calls), "counters", "differs in counters"),
    ("the oracle's actions", oracle_actions, "step", "differs in actions"),
    ("the oracle's episode with invented replies", oracle_replies, "", "the loop run again gives"),
    ("prompts of its own", other_prompts, "model-call", "differs in request"),
    ("another temperature", sampling, "model-call", "differs in request"),
]


@pytest.mark.parametrize(("attack", "code", "piece"), [e[1:] for e in ATTACKS], ids=[e[0] for e in ATTACKS])
def test_models(attack: Attack, code: str, piece: str, honest: dict[str, Path], tmp_path: Path) -> None:
    verdict = refused(honest["llm"], attack, tmp_path)
    assert verdict.level == 1, verdict.problems
    assert code in ("", *(problem.code for problem in verdict.problems)), verdict.problems
    assert piece in verdict.problems[0].reason, verdict.problems
    assert all(str(problem).isprintable() for problem in verdict.problems)


def test_where_tokens_count_they_have_to_be_there(honest: dict[str, Path], tmp_path: Path) -> None:
    verdict = refused(honest["llm"], uncounted, tmp_path)
    assert verdict.passed, "a provider need not count"
    trace = read_trace(min((tmp_path / honest["llm"].name / "traces").iterdir()))
    unit = Forgery(honest["llm"]).unit(Forgery(honest["llm"]).units[0])
    for changes in ({"settings": {"thinking_steps": {"tokens_per_step": 50}}}, {"budgets": {"tokens_total": 1000}}):
        found = list(implausible(trace.of(schema.LlmCall), msgspec.structs.replace(unit, **changes)))
        assert [code for code, _ in found] == ["tokens"]
    assert list(implausible(trace.of(schema.LlmCall), unit)) == []


# What no replay can see -----------------------------------------------------------------------------------------------


class Puppet:
    """Gives every seat a line to somebody who answers in a model's name.

    Args:
        patience: Calls of a seat that are answered; the next one is refused as too long.
    """

    def __init__(self, patience: int = 10**6) -> None:
        self._patience = patience

    def line(self, *, seed: int, agent: int) -> PuppetLine:
        return PuppetLine(self._patience)


class PuppetLine:
    def __init__(self, patience: int) -> None:
        self._rule = RuleChat("pocket")
        self._left = patience

    async def complete(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        schema: Mapping[str, Any] | None,
        params: Mapping[str, Any],
        options: Mapping[str, Any] = {},
    ) -> Completion:
        if not self._left:
            raise PromptTooLong("the conversation is longer than the model takes")
        self._left -= 1
        answer = await self._rule.complete(messages, schema, params)
        return Completion(answer.text, usage=Usage(7000, 700), finish_reason="stop")


def of_puppets(puppet: Puppet, home: Path, slug: str) -> Path:
    """Return a submission of a model whose replies somebody else wrote."""
    spec = f"llm:{CLAIMED}"
    ran = with_planners(SUITES["small-v1"], [spec])
    runner = partial(run_episode_of, models=puppet)
    end = run_sweep(ran, home / "sweep", ThreadBackend(1, lambda: None), runner=runner)
    assert not end.unfinished
    return prepare(home / "sweep", meta(slug, track="standard"), home / "out", date=DATE)


def test_nobody_can_see_who_wrote_the_replies(frozen: None, tmp_path: Path) -> None:
    folder = of_puppets(Puppet(), tmp_path, "puppets")
    verdict = verify(folder, jobs=1)
    assert verdict.passed, "level 2 proves what replies lead to; docs/how-we-stop-cheating.md says so"
    assert verdict.planner == f"llm:{CLAIMED}"


@pytest.mark.parametrize("patience", [0, 1])
def test_an_honest_failure_of_a_model_passes(patience: int, frozen: None, tmp_path: Path) -> None:
    folder = of_puppets(Puppet(patience), tmp_path, "too-long")
    table = (folder / "results.csv").read_text(encoding="utf-8")
    assert "agent_error" in table
    verdict = verify(folder, jobs=1)
    assert (verdict.level, verdict.problems) == (2, [])


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("seed=3", ["seed-in-prompt"]),
        ("The Seed: 3.", ["seed-in-prompt"]),
        ("Sow 3 seeds, then 3 more; seed 31", []),
        ("at {hidden} you", ["state-in-prompt"]),
        ("at " + "a" * 32, []),
    ],
)
def test_prompts_that_tell_the_seed_or_a_hidden_state_are_found(
    text: str, codes: list[str], honest: dict[str, Path]
) -> None:
    trace = read_trace(min((honest["llm"] / "traces").iterdir()))
    hidden = trace.of(schema.Step)[3].state_hash
    assert [code for code, _ in leaks([text.format(hidden=hidden)], trace)] == codes
