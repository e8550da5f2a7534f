"""What the team planner tells of what it saw, what its plans rest on, and what a leader makes of the counts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cognitive_tools import of
from test_cognitive_poison import FAR, WORLDS, play, thoughts

import emcoop
from emcoop.cognitive_layer.plan import Fact, Message
from emcoop.cognitive_layer.planners.supervising import REFUSED, Supervision, counts_of
from emcoop.envs.embodiment import FAR as UNSEEN
from emcoop.envs.embodiment import NEVER, TaskView
from emcoop.envs.ma_crafter import rules as rules_of_crafter
from emcoop.errors import ConfigError
from emcoop.registration import make_embodiment
from emcoop.trace import schema

WITH_FEEDBACK = {"name": "team", "feedback": True}
MEADOW = ["." * 30] * 15


def crafter(*cells: tuple[int, int, str], agents: list[list[int]]) -> Any:
    """Return a meadow with some cells of other kinds, seen by agents that have just woken up."""
    rows = [list(row) for row in MEADOW]
    for row, col, letter in cells:
        rows[row][col] = letter
    world = make_embodiment("MACrafter-L3-v0", n_agents=len(agents), area=(15, 30))
    world.reset(seed=0, options={"map": ["".join(row) for row in rows], "agents": agents})
    return world


def episode(env: str = "MACrafter-L1-v0", **settings: Any) -> Any:
    given = {"n_agents": 6, "planner": "team", "topology": "centralized", "seed": 3, "max_steps": 100, **settings}
    result = emcoop.run_episode(env, **given)
    assert result.status == "completed", result.error
    return result


# When something was seen ----------------------------------------------------------------------------------------------


def test_a_view_knows_when_its_agent_found_what_is_out_of_sight_by_now() -> None:
    world = crafter((7, 10, "I"), agents=[[7, 8]])
    for _ in range(3):
        world.step([world.noop])
    assert world.view(0).observed("cell:7,10") == ("iron", 3), "in view: now"
    for _ in range(6):
        world.step([rules_of_crafter.LEFT])
    assert world.view(0).position == (7, 2)
    assert world.view(0).observed("cell:7,10") == ("iron", 0), "out of view: since it was found"


def test_what_was_only_told_was_not_observed() -> None:
    world = crafter(agents=[[7, 4]])
    world.learn([0], {"cell:7,25": SimpleNamespace(value="tree", step=0)})
    view = world.view(0)
    assert view.task("tree@7,25") is not None
    assert view.observed("cell:7,25") is None
    assert view.observed("agent0") == ([7, 4, 0, 0], 0)
    assert view.observed("agent9") is None
    assert view.observed("nonsense") is None


def test_what_a_cube_agent_knows_was_seen_now() -> None:
    world = make_embodiment("Cube-v0", n_agents=2, grid_size=12, blocks={2: 1})
    world.reset(seed=0, options={"agents": [[0, 0], [5, 1]], "blocks": [[4, 6, 2]]})
    world.step([world.noop] * 2)
    view = world.view(0)
    assert view.observed("block0") == ([4, 6], 1)
    assert view.observed("agent1") == ([5, 1], 1)
    assert view.observed("block7") is None
    assert view.observed("block") is None


@pytest.mark.parametrize("seed", [0, 3])
def test_facts_carry_the_step_of_their_observation(seed: int) -> None:
    result = episode(seed=seed)
    said = {message.id: message for message in of(result, schema.Message)}
    claims = [claim for claim in of(result, schema.Claim) if claim.when == "sent"]
    steps = [
        (next(step for key, _, step in said[claim.message].facts if key == claim.key), claim.t, claim.true)
        for claim in claims
    ]
    assert any(step < now for step, now, _ in steps), "old discoveries are told as old"
    assert any(step == now > 0 for step, now, _ in steps), "what is in view is told as just seen"
    assert all(0 <= step <= now for step, now, _ in steps)
    assert all(true or step < now for step, now, true in steps), "nobody has just seen what is not so"
    assert any(not true for *_, true in steps), "somebody was mistaken, or the last line says nothing"


# What plans rest on ---------------------------------------------------------------------------------------------------


def test_plans_state_what_they_rest_on() -> None:
    crafted = [plan for plan in of(episode(max_steps=60), schema.Plan) if plan.event == "commit" and "@" in plan.task]
    assert crafted
    for plan in crafted:
        resource, _, cell = plan.task.partition("@")
        assert plan.assumptions == {f"cell:{cell}": resource}


def test_a_push_rests_on_the_row_of_its_block_which_stays() -> None:
    result = episode("Cube-v0", topology="debate", max_steps=80)
    blocks = {name: values[0] for name, values in of(result, schema.World)[0].objects.items()}
    plans = [plan for plan in of(result, schema.Plan) if plan.event == "commit" and plan.task.endswith("/left")]
    assert plans
    for plan in plans:
        name = plan.task.partition("/")[0]
        assert plan.assumptions == {name: [blocks[name]]}
    told = [fact for message in of(result, schema.Message) for fact in message.facts if fact[0].startswith("block")]
    assert {len(value) for _, value, _ in told} == {2}, "told is the whole place"
    assert all(claim.true for claim in of(result, schema.Claim))


@pytest.mark.parametrize("env", ["Cube-v0", "MACrafter-L1-v0"])
def test_rules_about_beliefs_can_hit_in_both_worlds(env: str) -> None:
    from emcoop.metrics.failures import rules
    from emcoop.metrics.failures.thresholds import Thresholds
    from emcoop.trace import Trace

    trace = Trace(episode(env, topology="debate").events)
    chances = {name: rules()[name].find(trace, Thresholds()).opportunities for name in BELIEFS}
    assert all(chances[rule] for rule in BELIEFS), chances


BELIEFS = ("C4", "C6", "C11", "P1")


@pytest.mark.parametrize("env", ["Cube-v0", "MACrafter-L3-v0"])
@pytest.mark.parametrize("planner", ["team", WITH_FEEDBACK])
def test_traces_of_large_teams_stay_small(env: str, planner: Any, tmp_path: Path) -> None:
    path = tmp_path / "episode.jsonl.gz"
    episode(env, planner=planner, n_agents=16, max_steps=200, trace=path)
    assert path.stat().st_size < 300_000


# Feedback -------------------------------------------------------------------------------------------------------------


def task(name: str, required: int, in_place: int = 0, available: bool = True) -> TaskView:
    return TaskView(name, required, 1.0, 5, available, in_place)


class Board:
    """A view with the tasks a test names; everybody is as many steps away as its index."""

    def __init__(self, *tasks: TaskView, step: int = 10) -> None:
        self.known = {one.id: one for one in tasks}
        self.step = step

    def task(self, name: str) -> TaskView | None:
        return self.known.get(name)

    def travel(self, name: str, agents: Any) -> list[int]:
        return list(agents)


def report(sender: int, **counts: Any) -> Message:
    facts = {f"counts:{name}": Fact(value, 0) for name, value in counts.items()}
    return Message((0,), "free", facts=facts, sender=sender)


def test_hands_go_first_where_a_quorum_is_missing() -> None:
    tasks = [task("light", 1), task("begun", 3)]
    board = Board(*tasks)
    given = Supervision(0).assign(tasks, {1}, board, {"begun": 2})  # type: ignore[arg-type]
    assert given == {1: "begun"}
    given = Supervision(0).assign(tasks, {1}, board, {})  # type: ignore[arg-type]
    assert given == {1: "light"}


def test_another_hand_is_sent_where_a_quorum_was_waited_for_in_vain() -> None:
    told = Supervision(0)
    assert told.hands({"iron": 3}, "") == {"iron": 3}
    assert told.hear(report(2, iron={"need": 3, "in_place": 1, "possible": True}), 5) == []
    assert told.hands({"iron": 3}, "") == {"iron": 2}
    assert told.hands({"iron": 2}, "iron") == {"iron": 2}, "the leader's own hands count"
    board = Board(task("iron", 3))
    assert told.assign([task("iron", 3)], {4}, board, {"iron": 2}) == {4: "iron"}  # type: ignore[arg-type]
    assert told.hands({"iron": 3}, "") == {"iron": 3}, "once"


def test_who_cannot_do_a_task_is_not_asked_again_for_a_while() -> None:
    told = Supervision(0)
    assert told.hear(report(1, furnace={"need": 0, "in_place": 0, "possible": False}), 10) == ["furnace"]
    tasks = [task("furnace", 1)]
    assert told.assign(tasks, {1, 2}, Board(*tasks), {}) == {2: "furnace"}  # type: ignore[arg-type]
    assert told.assign(tasks, {1}, Board(*tasks, step=10 + REFUSED), {}) == {1: "furnace"}  # type: ignore[arg-type]


def test_agents_are_called_off_once_from_tasks_that_are_over_or_cannot_go_on() -> None:
    told = Supervision(0)
    board = Board(task("shut", 2, available=False), task("pushed", 2, in_place=2, available=False), task("open", 1))
    given = {0: "over", 1: "over", 2: "shut", 3: "pushed", 4: "open", 5: "none"}
    assert told.in_vain(board, given) == {1, 2}  # type: ignore[arg-type]
    assert told.in_vain(board, given) == set()  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 3, "yes", {}, {"need": "3", "in_place": 1}, {"need": True, "in_place": 0}, []])
def test_counts_that_are_malformed_say_nothing(value: Any) -> None:
    told = Supervision(0)
    assert told.hear(report(1, iron=value), 0) == []
    assert told.hands({"iron": 2}, "") == {"iron": 2}


def test_counts_are_told_as_language_models_tell_them() -> None:
    assert counts_of("iron", task("iron", 3, 1)) == {"counts:iron": {"need": 3, "in_place": 1, "possible": True}}
    assert not counts_of("iron", None)["counts:iron"]["possible"]
    assert NEVER > UNSEEN


def keys(result: Any, kind: str) -> set[str]:
    """Return the kinds of facts that messages of a kind state."""
    return {key.partition(":")[0] for m in of(result, schema.Message) if m.act == kind for key, *_ in m.facts}


def test_only_with_feedback_are_counts_told_and_agents_called_off() -> None:
    plain, fed = episode(n_agents=4), episode(n_agents=4, planner=WITH_FEEDBACK)
    joint = episode("MACrafter-L3-v0", n_agents=4, seed=0, max_steps=150, planner=WITH_FEEDBACK)
    assert not {"counts", "recall"} & (keys(plain, "request") | keys(plain, "ack") | keys(plain, "free"))
    assert "recall" in keys(fed, "request") | keys(joint, "request")
    assert "counts" in keys(joint, "request") & keys(joint, "free")


def test_without_the_option_there_is_no_feedback() -> None:
    default, off, on = (
        thoughts(episode(planner=planner, max_steps=50))
        for planner in ("team", {"name": "team", "feedback": False}, WITH_FEEDBACK)
    )
    assert default == off
    assert default != on


@pytest.mark.parametrize("topology", ["individual", "debate", "decentralized"])
def test_feedback_makes_no_difference_where_nobody_leads(topology: str) -> None:
    plain, fed = (episode(topology=topology, planner=planner, max_steps=40) for planner in ("team", WITH_FEEDBACK))
    assert thoughts(plain) == thoughts(fed)


def test_who_is_called_off_does_the_new_task_at_once() -> None:
    result = episode(n_agents=4, planner=WITH_FEEDBACK)
    calls = [m for m in of(result, schema.Message) if any(key == "recall" for key, *_ in m.facts)]
    assert calls
    followed = 0
    for message in calls:
        order = next(value for key, value, _ in message.facts if key == "order")
        plans = [p for p in of(result, schema.Plan) if p.event == "commit" and p.agent == message.recipients[0]]
        after = [plan for plan in plans if plan.seq > message.seq and plan.t == message.t]
        followed += bool(after) and after[0].task in (order, "")
    assert followed == len(calls)


@pytest.mark.parametrize("topology", ["centralized", "tree"])
@pytest.mark.parametrize("world", WORLDS)
def test_feedback_rests_on_what_the_leader_can_know(world: str, topology: str) -> None:
    true, other = (play(world, beyond, WITH_FEEDBACK, topology) for beyond in FAR)
    assert thoughts(true) == thoughts(other)


@pytest.mark.parametrize("value", [1, "yes", None])
def test_feedback_is_on_or_off(value: Any) -> None:
    with pytest.raises(ConfigError, match="feedback="):
        emcoop.run_episode("Cube-v0", n_agents=2, planner={"name": "team", "feedback": value}, max_steps=2)
