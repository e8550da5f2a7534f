"""Replies: what is found in them, what is forgiven, what goes back to the model, and what is done without one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_tools import Script, Table, heard

from emcoop.cognitive_layer.models.chat import Completion
from emcoop.cognitive_layer.plan import EVERYONE, RESUME, Plan
from emcoop.cognitive_layer.planners.llm.extract import BadReply, find_object
from emcoop.cognitive_layer.stages import Stage
from emcoop.envs.embodiment import ActionCall
from emcoop.errors import ConfigError, InfrastructureError

TASK = "block0/left"
DO = {"concept": "do_task", "task": TASK, "agents": None}


def reply(**parts: Any) -> str:
    return json.dumps(
        {"thought": "t", "decision": "plan", "task": None, "plan": [], "messages": [], "note": None, **parts}
    )


def plan_of(decision: Any) -> Plan:
    assert isinstance(decision.plan, Plan)
    return decision.plan


# Finding the object ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        'Sure! Here it is: {"a": 1} I hope it helps {x}.',
        '<think>maybe {"a": 2}?</think>{"a": 1}',
        '{"a": 1,}',
        '{oops {"a": 1}',
    ],
)
def test_the_object_is_found_whatever_stands_around_it(text: str) -> None:
    assert find_object(text) == {"a": 1}


def test_brackets_and_commas_inside_texts_are_left_alone() -> None:
    assert find_object('x {"a": "},]\\" {", "b": [1, {"c": 2},],} y') == {"a": '},]" {', "b": [1, {"c": 2}]}


@pytest.mark.parametrize(
    ("text", "why", "status"),
    [
        ("", "stop", "empty"),
        (" \n\t", "length", "empty"),
        ("I will push.", "stop", "unparsed"),
        ('{"a": 1', "stop", "unparsed"),
        ('{"a": 1', "length", "too_long"),
        ("{'a': 1}", "stop", "unparsed"),
        ("[1, 2]", "stop", "unparsed"),
        ('{"a": NaN}', "stop", "unparsed"),
        ('{"a": ' * 2000 + "1" + "}" * 2000, "stop", "unparsed"),
        ("{" * 60_000, "stop", "unparsed"),
        ('{"\\"' + '\\"' * 30_000, "stop", "unparsed"),
        ("x" * 2_000_000, "stop", "too_long"),
    ],
)
def test_what_is_no_object_is_said_to_be_none(text: str, why: str, status: str) -> None:
    with pytest.raises(BadReply) as bad:
        find_object(text, why)
    assert bad.value.status == status
    assert len(str(bad.value)) < 200


@given(st.text(max_size=200))
def test_any_text_is_an_object_or_a_bad_reply(text: str) -> None:
    try:
        found = find_object(text)
    except BadReply:
        return
    assert isinstance(found, dict)


# Usable replies -------------------------------------------------------------------------------------------------------


def test_a_plan_of_primitive_calls_is_committed_as_it_is() -> None:
    calls = [{"concept": "move", "direction": "right", "steps": 2}, {"concept": "wait", "steps": None}]
    decision = Table(Script(reply(plan=calls, task=TASK, thought="go"))).decide()
    expected = (ActionCall("move", {"direction": "right", "steps": 2}), ActionCall("wait", {}))
    assert plan_of(decision) == Plan(expected, TASK, reasoning="go")
    assert decision.status == "ok"
    assert [(c.status, c.rung, c.prompt_tokens, c.completion_tokens) for c in decision.calls] == [
        ("ok", "json_schema", 7, 3)
    ]


@pytest.mark.parametrize(
    "said",
    [
        reply(task=TASK, plan=[DO]),
        reply(task=None, plan=[DO]),
        reply(task=TASK),
        json.dumps({"task": TASK}),
        json.dumps({"decision": "plan", "plan": {"concept": "do_task", "args": {"task": TASK}}}),
        reply(plan=[{"concept": "do_task", "task": TASK, "agents": 2.0}], surplus="x"),
    ],
)
def test_a_task_stands_for_the_calls_of_its_recipe(said: str) -> None:
    table = Table(Script(said))
    plan = plan_of(table.decide())
    assert (plan.calls, plan.task) == (table.world.view(0).recipe(TASK, 2), TASK)


def test_idle_and_tasks_mix_with_other_calls() -> None:
    table = Table(Script(reply(plan=[{"concept": "idle"}, {"concept": "wait", "steps": 3}, DO])))
    view = table.world.view(0)
    assert plan_of(table.decide()).calls == (*view.idle(), ActionCall("wait", {"steps": 3}), *view.recipe(TASK, 2))


def test_an_interrupted_agent_may_resume_or_replan_and_others_may_not_resume() -> None:
    plan = Plan((ActionCall("wait", {"steps": 9}),))
    table = Table(Script(reply(decision="resume")))
    assert table.decide(stage=Stage.INTERRUPT, plan=plan).plan == RESUME
    assert plan_of(Table(Script(reply(plan=[DO]))).decide(stage=Stage.INTERRUPT, plan=plan)).task == TASK
    script = Script(reply(decision="resume"), reply(plan=[DO]))
    assert Table(script).decide().status == "repaired"
    assert '"decision" is "resume"; now it can be plan or talk' in script.repair()


def test_talking_on_is_offered_while_rounds_are_left_and_somebody_listens() -> None:
    assert Table(Script(reply(decision="talk"))).decide().plan is None
    script = Script(reply(decision="talk"))
    assert Table(script).decide(rounds_left=0).status == "fallback"
    script = Script(reply(decision="talk"))
    assert Table(script).decide(reachable=()).status == "fallback"
    assert "messages" not in script.asked[0][1]["properties"]


# Repairs --------------------------------------------------------------------------------------------------------------

GOLDEN = [
    ("I push!", "unparsed", "the reply holds no JSON object; answer with one JSON object and nothing else"),
    (reply(plan=[]), "invalid", '"plan" is []; give 1 to 12 calls, such as {"concept": "wait", "steps": 1}'),
    (
        reply(plan=[{"concept": "psuh", "block": 0}]),
        "invalid",
        "call 1 of the plan: unknown concept 'psuh': known are do_task, idle, move, move_to_block, navigate, push, "
        "rendezvous, wait, wait_agents, yield_face; did you mean 'push'?",
    ),
    (
        reply(plan=[{"concept": "wait", "steps": 1}, {"concept": "push", "block": 0, "face": "left"}]),
        "invalid",
        'call 2 of the plan, push(block: integer, face: "bottom"|"top"|"right"|"left", steps: integer, timeout: '
        "integer = 400): 'steps' is missing",
    ),
    (
        reply(task="block9/left"),
        "invalid",
        '"task" is "block9/left", which is no task you know: block0/left, block1/left; did you mean block1/left?',
    ),
    (reply(plan=[{"concept": "wait"}] * 13), "invalid", '"plan" has 13 calls; give at most 12'),
    (
        reply(plan=[{**DO, "agents": 5}]),
        "invalid",
        'call 1 of the plan, do_task: "agents" is 5; give a number from 1 to 2, or null',
    ),
    (
        reply(task=TASK, messages=[{"to": [0, 7], "kind": "inform", "text": "x"}]),
        "invalid",
        'message 1: "to" is [0,7]; you may write to "all" or to a list of 1',
    ),
    (
        reply(task=TASK, messages=[{"to": "all", "kind": "shout", "text": "x"}]),
        "invalid",
        'message 1: "kind" is "shout"; kinds are request, inform, commit, ack, done, free',
    ),
    (
        reply(task=TASK, messages=[{"to": "all", "kind": "inform", "text": "x" * 401}]),
        "invalid",
        'message 1: "text" has 401 characters; give a text of at most 400 characters',
    ),
    (
        reply(
            task=TASK,
            messages=[{"to": "all", "kind": "inform", "facts": [{"key": f"k{i}", "value": i} for i in range(7)]}],
        ),
        "invalid",
        "give a list of at most 6 facts",
    ),
    (
        reply(task=TASK, messages=[{"to": "all", "kind": "inform"}] * 5),
        "invalid",
        '"messages" has 5 entries; give at most 4 now',
    ),
]


@pytest.mark.parametrize(("said", "status", "sentence"), GOLDEN, ids=[str(k) for k in range(len(GOLDEN))])
def test_what_does_not_fit_goes_back_to_the_model_with_the_reason(said: str, status: str, sentence: str) -> None:
    script = Script(said, reply(task=TASK))
    decision = Table(script).decide()
    assert sentence in script.repair()
    assert script.asked[1][0][-2].content == said[:2000]
    assert [call.status for call in decision.calls] == [status, "ok"]
    assert decision.status == "repaired"
    assert plan_of(decision).task == TASK


@pytest.mark.parametrize(
    "said",
    [
        reply(plan=[7]),
        reply(plan="push"),
        reply(plan=[{"concept": 3}]),
        reply(plan=[{"concept": "do_task"}]),
        reply(plan=[{"concept": "wait", "steps": "three"}]),
        reply(plan=[{"concept": "wait", "steps": 1, "speed": 2}]),
        reply(plan=[{"concept": "wait", "steps": -1}]),
        reply(plan=[{"concept": "wait", "steps": 1e300}]),
        reply(decision=["plan"]),
        reply(task=["x"], plan=[DO]),
        reply(task="x" * 9000, plan=[DO]),
        reply(task=TASK, messages="hello"),
        reply(task=TASK, messages=["hello"]),
        reply(task=TASK, messages=[{"to": [], "kind": "inform"}]),
        reply(task=TASK, messages=[{"to": [True], "kind": "inform"}]),
        reply(task=TASK, messages=[{"text": 5}]),
        reply(task=TASK, messages=[{"task": "nowhere"}]),
        reply(task=TASK, messages=[{"facts": [{"key": "k"}]}]),
        reply(task=TASK, messages=[{"facts": [{"key": "", "value": 1}]}]),
        reply(task=TASK, messages=[{"facts": [{"key": "k", "value": "v" * 300}]}]),
        "[]",
        "{}",
    ],
)
def test_every_other_misfit_is_an_error_too_and_never_an_exception(said: str) -> None:
    decision = Table(Script(said, reply(task=TASK))).decide()
    assert [call.status for call in decision.calls][1:] == ["ok"]


def test_in_the_second_turn_a_bad_message_is_dropped_rather_than_the_plan() -> None:
    bad = reply(
        task="nowhere", plan=[DO], messages=[{"to": [9], "kind": "inform"}, {"to": [1], "kind": "inform", "text": "hi"}]
    )
    decision = Table(Script(bad)).decide()
    assert decision.status == "repaired"
    assert plan_of(decision).task == TASK
    assert [message.text for message in decision.messages] == ["hi"]


def test_without_a_usable_reply_it_waits_a_step_and_an_interrupted_agent_goes_on() -> None:
    script = Script("no", "")
    decision = Table(script).decide()
    assert plan_of(decision).calls == (ActionCall("wait", {"steps": 1}),)
    assert (decision.status, [call.status for call in decision.calls]) == ("fallback", ["unparsed", "empty"])
    assert len(script.asked) == 2
    plan = Plan((ActionCall("wait", {"steps": 9}),))
    assert Table(Script("no")).decide(stage=Stage.INTERRUPT, plan=plan).plan == RESUME


def test_a_reply_that_was_cut_off_is_told_to_be_shorter() -> None:
    script = Script(Completion('{"thought": "once upon', finish_reason="length"), reply(task=TASK))
    assert [call.status for call in Table(script).decide().calls] == ["too_long", "ok"]
    assert "cut off" in script.repair()


# Formats --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refuses", "rung"),
    [((), "json_schema"), (("json_schema",), "json_object"), (("json_schema", "json_object"), "text")],
)
def test_refused_formats_give_way_to_the_next_and_are_not_asked_for_again(refuses: tuple[str, ...], rung: str) -> None:
    script = Script("nonsense", reply(task=TASK), refuses=refuses)
    table = Table(script)
    assert [call.rung for call in table.decide().calls] == [rung, rung]
    table.decide()
    assert [params["format"] for _, _, params in script.asked] == [rung] * 3


def test_a_service_that_refuses_plain_text_is_out_of_order() -> None:
    with pytest.raises(InfrastructureError, match="refuses even plain text"):
        Table(Script("x", refuses=("json_schema", "json_object", "text"))).decide()


def test_the_request_is_what_the_options_say_and_its_hash_changes_with_it() -> None:
    script = Script(reply(task=TASK))
    chosen = {
        "temperature": 0.5,
        "max_tokens": 9,
        "params": {"top_p": 0.9},
        "base_url": "http://h/v1",
        "format": "text",
    }
    first = Table(script, seed=3, **chosen).decide().calls[0]
    assert script.asked[0][2] == {"temperature": 0.5, "max_tokens": 9, "top_p": 0.9, "seed": 3, "format": "text"}
    assert script.options == {"base_url": "http://h/v1"}
    again = Table(Script(reply(task=TASK)), seed=3, **chosen).decide().calls[0]
    other = Table(Script(reply(task=TASK)), seed=4, **chosen).decide().calls[0]
    assert first.request == again.request != other.request
    assert first.prompt == ()
    kept = Table(Script(reply(task=TASK)), keep_text=True).decide().calls[0]
    assert [role for role, _ in kept.prompt] == ["system", "user"]


def test_a_seed_of_the_episode_is_drawn_for_every_seat() -> None:
    scripts = [Script(reply(task=TASK)) for _ in range(3)]
    for script, rng in zip(scripts, (1, 1, 2)):
        Table(script, seed="episode", rng=rng).decide()
    seeds = [script.asked[0][2]["seed"] for script in scripts]
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize(
    "option",
    [
        {"model": "gpt"}, {"prompts": "no-such"}, {"prompts": 3}, {"temperature": -1}, {"max_tokens": 0},
        {"format": "xml"}, {"seed": "now"}, {"params": {"format": "text"}}, {"base_url": 7}, {"feedback": 1},
        {"share_news": -1}, {"memory": 0}, {"memory": True},
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Table(Script(""), **option)


def test_without_access_to_models_it_says_so() -> None:
    with pytest.raises(ConfigError, match="needs access to language models"):
        Table(None)


# Unicode --------------------------------------------------------------------------------------------------------------


def test_any_unicode_passes_and_halves_of_characters_do_not_spread() -> None:
    said = reply(task=TASK, thought="推す 🧱 \x07", note="Ünï\u2028x", messages=[{"to": "all", "text": "🧱 ok"}])
    decision = Table(Script(said)).decide()
    assert decision.messages[0].text == "🧱 ok"
    assert decision.messages[0].recipients == EVERYONE
    broken = Table(Script("\ud83e {", reply(task=TASK))).decide()
    assert broken.calls[0].reply.encode("utf-8")
    assert Table(Script('{"task": "\\ud83e"}', reply(task=TASK))).decide().calls[-1].status == "ok"


# Choosing only --------------------------------------------------------------------------------------------------------


def test_short_prompts_choose_a_task_and_the_rest_is_done() -> None:
    script = Script('{"choice": "block0/left"}')
    table = Table(script, prompts="short")
    decision = table.decide()
    assert script.asked[0][1]["properties"]["choice"]["enum"] == ["block0/left", "block1/left", "idle"]
    assert plan_of(decision).calls == table.world.view(0).recipe(TASK, 2)
    assert [(m.kind, m.recipients, m.facts["task"].value) for m in decision.messages] == [("commit", EVERYONE, TASK)]


def test_a_short_leader_asks_everybody_for_what_it_does() -> None:
    table = Table(
        Script('{"choice": "block0/left"}', '{"choice": "resume"}'), prompts="short", topology="centralized", leader=0
    )
    told = table.decide().messages
    assert [(m.kind, m.facts["order"].value) for m in told] == [("request", TASK)]
    plan = Plan((ActionCall("wait", {}),), TASK)
    again = table.decide(stage=Stage.INTERRUPT, plan=plan, unread=(heard(1, "free", free=True),))
    assert (again.plan, [(m.recipients, m.facts["order"].value) for m in again.messages]) == (RESUME, [((1,), TASK)])


def test_choosing_what_one_is_doing_is_going_on() -> None:
    plan = Plan((ActionCall("wait", {}),), TASK)
    decision = Table(Script('{"choice": "block0/left"}'), prompts="short").decide(stage=Stage.INTERRUPT, plan=plan)
    assert (decision.plan, decision.messages) == (RESUME, ())


def test_a_bare_name_will_do_if_it_is_the_only_one() -> None:
    assert plan_of(Table(Script("I take block1/left."), prompts="short", format="text").decide()).task == "block1/left"
    script = Script("block1/left or block0/left", '{"choice": "block7/left"}')
    decision = Table(script, prompts="short").decide()
    assert [call.status for call in decision.calls] == ["unparsed", "invalid"]


@pytest.mark.parametrize(
    ("choice", "status"), [('"block1"', "ok"), ('"block"', "fallback"), ('""', "fallback"), ("1", "fallback")]
)
def test_the_beginning_of_a_name_will_do_if_no_other_begins_so(choice: str, status: str) -> None:
    assert Table(Script(f'{{"choice": {choice}}}'), prompts="short").decide().status == status
