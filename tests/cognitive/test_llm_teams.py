"""Teams with language models: with each other and with scripted teammates, what their messages carry, what it costs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from cognitive_tools import of
from llm_tools import Script, Table, heard

import emcoop
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.testing import RuleChat
from emcoop.cognitive_layer.plan import Plan
from emcoop.cognitive_layer.planners.llm.reply import Said
from emcoop.cognitive_layer.planners.llm.speech import Speaker
from emcoop.cognitive_layer.stages import Stage
from emcoop.envs.embodiment import ActionCall
from emcoop.trace import schema

LLM = "llm:test/pocket"
TASK = "block0/left"


def play(planner: Any, topology: str, env_id: str = "Cube-v0", n: int = 4, seed: int = 0, **settings: Any) -> Any:
    episode = emcoop.run_episode(env_id, planner=planner, topology=topology, n_agents=n, seed=seed, **settings)
    assert episode.status == "completed", episode.error
    return episode


def reply(**parts: Any) -> str:
    return json.dumps({"decision": "plan", "task": TASK, **parts})


def say(kind: str, to: Any = "all", text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"to": to, "kind": kind, "text": text, "task": None, "facts": [], **more}


# Whole episodes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", ["individual", "centralized", "debate", "decentralized"])
def test_a_model_that_has_only_the_prompt_plays_far_above_chance(topology: str) -> None:
    cube = play(LLM, topology, max_steps=150)
    assert cube.score == 1.0
    assert play("random", topology, max_steps=150).score < 0.5
    crafter = play(LLM, topology, "MACrafter-v0", 3, max_steps=150)
    assert crafter.score > 5 * play("random", topology, "MACrafter-v0", 3, max_steps=150).score
    for episode in (cube, crafter):
        assert {call.status for call in of(episode, schema.LlmCall)} == {"ok"}


def test_short_prompts_play_too() -> None:
    planner = {"name": "llm", "model": "test/pocket", "prompts": "short"}
    assert play(planner, "decentralized", max_steps=150).score == 1.0


@pytest.mark.parametrize("team", [[LLM, "team"], ["team", LLM]], ids=["llm first", "team first"])
@pytest.mark.parametrize("topology", ["centralized", "debate", "decentralized"])
def test_scripted_teammates_and_models_understand_each_other(topology: str, team: list[str]) -> None:
    episode = play(team, topology, max_steps=150)
    assert episode.score == 1.0
    committed = {plan.agent: plan.task for plan in of(episode, schema.Plan) if plan.event == "commit" and plan.t == 0}
    if topology == "centralized":
        asked = [m for m in of(episode, schema.Message) if m.act == "request" and m.t == 0]
        orders = {int(i): value for m in asked for i in m.recipients for key, value, _ in m.facts if key == "order"}
        told = {agent: task for agent, task in orders.items() if task != "none"}
        assert told
        assert {agent: committed[agent] for agent in told} == told, "who is asked for a task by the leader does it"


def test_an_episode_repeats_byte_for_byte_whatever_the_latency() -> None:
    digests = []
    for model in (RuleChat("pocket"), RuleChat("pocket", jitter=0.004)):
        with ModelAccess(None, {"test/pocket": model}) as access:
            digests.append(play(LLM, "decentralized", models=access, max_steps=30).digest)
    assert digests[0] == digests[1]


# What messages carry --------------------------------------------------------------------------------------------------


def told(table: Table, **changes: Any) -> list[dict[str, Any]]:
    return [{key: fact.value for key, fact in m.facts.items()} for m in table.decide(**changes).messages]


def test_commitments_requests_and_reports_carry_the_facts_of_the_scripted_team() -> None:
    said = [
        say("commit"),
        say("free"),
        say("ack", task="block1/left"),
        say("inform", facts=[{"key": "block1", "value": [1, 8]}]),
    ]
    facts = told(Table(Script(reply(messages=said))))
    assert facts == [{"task": TASK}, {"free": True}, {"task": "block1/left"}, {"block1": [1, 8]}]
    asked = [say("request", [1], task=TASK), say("request", [1])]
    assert told(Table(Script(reply(messages=asked)), topology="centralized", leader=0)) == [
        {"order": TASK},
        {"order": "none"},
    ]
    assert told(Table(Script(reply(messages=asked)))) == [{}, {}], "who leads nobody gives no orders"


def crafter(script: Script, **more: Any) -> Table:
    rows = ["....................", "....................", "..T...C............."]
    options = {"map": rows, "agents": [(1, 2), (1, 4)]}
    return Table(script, "MACrafter-v0", env={"n_agents": 2}, options=options, **more)


def test_a_message_tells_what_others_need_for_its_task_and_news_once() -> None:
    script = Script(
        reply(task="tree@2,2", messages=[say("commit"), say("inform")]),
        reply(task="tree@2,2", messages=[say("inform")]),
    )
    table = crafter(script)
    first = told(table)
    assert first[0]["cell:2,2"] == "tree"
    assert first[0]["cell:2,6"] == first[1]["cell:2,6"] == "coal", "all messages of one decision tell the same news"
    assert "cell:2,6" not in told(table)[0], "told already"


@pytest.mark.parametrize(
    ("message", "changes", "budgets"),
    [
        (say("commit"), {"reachable": ()}, {}),
        (say("request"), {}, {}),
        (say("free"), {}, {}),
        (say("commit"), {}, {"message_chars_per_step": 20}),
        (say("commit", [9]), {}, {}),
    ],
)
def test_news_are_not_spent_when_they_are_not_sent(message: Any, changes: Any, budgets: Any) -> None:
    table = crafter(Script(reply(task="tree@2,2", messages=[message])), budgets=budgets)
    assert all("cell:2,6" not in facts for facts in told(table, **changes))
    assert table.world.view(0).news(6)["cell:2,6"] == "coal"


def test_messages_stay_within_the_budget() -> None:
    budget = {"messages_per_step": 2, "message_chars_per_step": 60}
    script = Script(reply(messages=[say("commit"), say("inform", text="x" * 20)]), reply(messages=[say("inform")]))
    table = Table(script, budgets=budget)
    sent = table.decide().messages
    used = sum(len(m.text) + sum(len(k) + len(str(f.value)) for k, f in m.facts.items()) for m in sent)
    assert (len(sent), used <= 60) == (2, True)
    assert "Messages left: 2. Characters left: 60." in script.prompt
    over = table.decide()
    assert (over.status, over.messages) == ("repaired", ())
    assert "give at most 0 now" in script.asked[2][0][-1].content
    assert f"Messages left: 0. Characters left: {60 - used}." in script.asked[1][0][-1].content
    assert len(table.decide(step=1).messages) == 1


def test_feedback_adds_what_the_leader_sees_and_only_a_leader_gives_it() -> None:
    said = reply(messages=[say("request", [1], task=TASK), say("inform", text="go")])
    leader = {"topology": "centralized", "leader": 0}
    first, second = Table(Script(said), feedback=True, **leader).decide().messages
    assert first.text == "hi [block0/left: needs 2, 0 in place, possible now]"
    assert first.facts[f"counts:{TASK}"].value == {"need": 2, "in_place": 0, "possible": True}
    assert second.text == "go"
    assert Table(Script(said), **leader).decide().messages[0].text == "hi"
    assert Table(Script(said), feedback=True).decide().messages[0].text == "hi"
    over = Plan((ActionCall("wait", {}),), "block9/left")
    resumed = Script(json.dumps({"decision": "resume", "messages": [say("commit")]}))
    late = Table(resumed, feedback=True, **leader).decide(stage=Stage.INTERRUPT, plan=over).messages
    assert [(m.text, m.facts["task"].value) for m in late] == [("hi", "block9/left")], "nothing is seen of what is over"
    follower = Table(Script(said), feedback=True, topology="centralized", leader=1).decide().messages[0]
    assert follower.text == "hi"


def test_orders_are_shown_until_the_task_is_over() -> None:
    script = Script(reply())
    table = Table(script, topology="centralized", leader=1)
    table.decide(unread=(heard(1, "request", order=TASK),))
    assert f"Asked for by who directs you: {TASK}." in script.prompt
    table.decide(unread=(heard(1, "request", id=2, order="block7/left"),))
    assert "Asked for" not in script.asked[1][0][-1].content
    table.decide(stage=Stage.INTERRUPT, plan=Plan((ActionCall("wait", {}),), TASK))
    assert "Decisions offered: resume, plan." in script.asked[2][0][-1].content


def test_an_order_of_somebody_else_is_no_order() -> None:
    script = Script(reply())
    Table(script, agents=[(4, 2), (9, 2), (0, 0)], topology="centralized", leader=1).decide(
        unread=(heard(2, "request", order=TASK),)
    )
    assert "Asked for" not in script.prompt


def test_a_speaker_with_nothing_to_say_says_nothing() -> None:
    table = Table(Script(""))
    speaker = Speaker(table.setup, 6, False)
    assert speaker.write(table.context(), (), "") == ()
    assert speaker.announce(table.context(reachable=()), TASK, [], False) == []
    assert speaker.announce(table.context(), TASK, [1], True) == [], "only a leader has to answer the free ones"
    assert speaker.announce(table.context(), TASK, [], False) == [Said("*", "commit", f"I do {TASK}.", TASK, {})]


# Costs ----------------------------------------------------------------------------------------------------------------


def test_a_decision_costs_well_under_a_millisecond_beside_the_model() -> None:
    agents = [(r, c) for r in range(8) for c in (0, 1)]
    table = Table(Script(reply(messages=[say("commit")])), agents=agents, env={"grid_size": 20})
    unread = tuple(heard(k, "commit", "I go there", id=k, task=TASK) for k in range(1, 16))
    contexts = [table.context(unread=unread) for _ in range(40)]
    best = 1.0
    for context in contexts:
        start = time.perf_counter()
        coroutine = table.planner.decide(context)
        for _ in range(3):
            try:
                coroutine.send(None)
            except StopIteration:
                break
        best = min(best, time.perf_counter() - start)
    assert best < 0.001, f"{best * 1e6:.0f} microseconds"
