"""Injected faults one by one: what each does, what the trace says of it, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from cognitive_tools import DOWN, RIGHT, STAY, Puppet, call, calls_of, in_turn, moves_of, of, plan, play, say, wait

import emcoop
from emcoop.cognitive_layer.plan import EVERYONE, Decision, Fact, Message, PlanningContext
from emcoop.cognitive_layer.seat_view import SeatView
from emcoop.envs.cube.embodiment import CubeEmbodiment
from emcoop.envs.ma_crafter.embodiment import MACrafterEmbodiment
from emcoop.errors import ConfigError, EmCoopError
from emcoop.metrics.failures.progress import find_agent_failures
from emcoop.metrics.failures.thresholds import Thresholds
from emcoop.registration import make_embodiment
from emcoop.trace import Trace, schema


def walker(steps: int = 8) -> Puppet:
    """A puppet that walks to the right, then waits."""
    return in_turn(plan(call("move", direction="right", steps=steps)), wait(30))


def listener() -> Puppet:
    """A puppet that goes on with what it does whatever it is told, and waits."""
    return Puppet(lambda puppet, context: wait(30) if context.plan is None else Decision(wait(30).plan))


def talker(at: int, message: Message) -> Puppet:
    """A puppet that waits a step at a time and sends one message once `at` steps are taken."""

    def answer(puppet: Puppet, context: PlanningContext) -> Decision:
        told = (message,) if context.step == at else ()
        return Decision(wait(1).plan, told)

    return Puppet(answer)


def faults_of(result: Any) -> list[tuple[int, str, int, dict[str, Any]]]:
    return [(e.t, e.fault, e.agent, e.detail) for e in of(result, schema.Fault)]


def heard(puppet: Puppet) -> list[tuple[int, int]]:
    """Return step and id of the messages that a puppet was shown."""
    return [(context.step, message.id) for context in puppet.contexts for message in context.unread]


def arrivals(result: Any, outcome: str = "delivered") -> list[tuple[int, int, Any]]:
    return [(e.t, e.message, e.recipients) for e in of(result, schema.Transport) if e.outcome == outcome]


# Agents ---------------------------------------------------------------------------------------------------------------


def test_a_frozen_agent_stands_still_and_then_goes_on_with_its_plan() -> None:
    mover = walker(6)
    result = play([mover, listener()], faults=[{"kind": "freeze", "agent": 0, "at": 2, "steps": 3}])
    assert moves_of(result, 0)[:10] == [RIGHT, RIGHT, STAY, STAY, STAY, RIGHT, RIGHT, RIGHT, RIGHT, STAY]
    assert faults_of(result) == [(2, "freeze", 0, {"until": 5})]
    assert [context.step for context in mover.contexts] == [0, 9]
    assert [(a.t, a.outcome) for a in of(result, schema.Activation) if a.agent == 0] == [
        (0, "plan"),
        (2, "forced"),
        (9, "plan"),
    ]


def test_who_is_frozen_from_the_start_is_asked_when_it_is_over() -> None:
    mover = walker(3)
    result = play([mover, listener()], faults=[{"kind": "freeze", "agent": 0, "steps": 4}])
    assert [context.step for context in mover.contexts][:1] == [4]
    assert moves_of(result, 0)[:8] == [STAY] * 4 + [RIGHT] * 3 + [STAY]


def test_mail_waits_unread_until_the_agent_is_back() -> None:
    frozen = listener()
    result = play(
        [frozen, talker(3, Message((0,), "inform", "hello"))],
        topology="decentralized",
        faults=[{"kind": "freeze", "agent": 0, "at": 2, "steps": 5}],
    )
    assert arrivals(result)[0][0] == 3
    assert [step for step, _ in heard(frozen)] == [7]
    assert frozen.contexts[1].stage.value == "I"


def test_a_crashed_agent_never_comes_back_and_its_mail_stays_unread() -> None:
    crashed = walker(8)
    result = play(
        [crashed, talker(4, Message((0,), "inform", "hello"))],
        topology="decentralized",
        faults=[{"kind": "crash", "agent": 0, "at": 3}],
    )
    assert moves_of(result, 0) == [RIGHT] * 3 + [STAY] * 9
    assert crashed.asked == 1
    assert faults_of(result) == [(3, "crash", 0, {"until": -1})]
    assert [(e.agent, e.messages) for e in of(result, schema.Reaction) if e.label == "unread"] == [(0, [0])]


def test_a_crash_shows_as_an_agent_failure_without_a_look_at_the_fault() -> None:
    result = play([walker(8), listener()], faults=[{"kind": "crash", "agent": 0, "at": 3}])
    unnamed = [event for event in result.events if not isinstance(event, schema.Fault)]
    found = find_agent_failures(Trace(unnamed), Thresholds())
    assert [(hit.agents, hit.start) for hit in found.hits] == [((0,), 3)]
    assert not find_agent_failures(Trace(play([walker(8), listener()]).events), Thresholds()).hits


def meeting(*faults: dict[str, Any]) -> Any:
    """Let agent 0 wait for agent 1, which takes two steps first."""
    meet = call("wait_agents", count=2, timeout=4)
    late = in_turn(plan(call("move", direction="right", steps=2), meet), wait(30))
    return play([in_turn(plan(meet), wait(30)), late], faults=faults)


def test_who_waits_with_a_crashed_agent_is_let_go_when_its_patience_ends() -> None:
    gone = meeting({"kind": "crash", "agent": 1, "at": 1})
    assert calls_of(gone, 0)[0] == (4, "wait_agents", "failed:timeout")
    assert {agent for e in of(gone, schema.Waiting) for agents in e.agents for agent in agents} == {0}
    assert calls_of(meeting(), 0)[0] == (2, "wait_agents", "done")


def test_an_agent_that_crashes_while_it_holds_a_meeting_holds_it_no_longer() -> None:
    first = in_turn(plan(call("wait_agents", count=2, timeout=20)), wait(30))
    second = in_turn(plan(call("move", direction="right", steps=5), call("wait_agents", count=2, timeout=3)), wait(30))
    result = play([first, second], faults=[{"kind": "crash", "agent": 0, "at": 2}])
    assert [e.agents for e in of(result, schema.Waiting)] == [[[0]], [], [[1]], []]
    assert calls_of(result, 1)[-2:] == [(5, "move", "done"), (8, "wait_agents", "failed:timeout")]


def test_the_leader_is_removed_and_its_team_goes_on() -> None:
    result = emcoop.run_episode(
        "Cube-v0", n_agents=5, planner="team", topology={"name": "tree", "leader": 2}, seed=1, max_steps=30,
        faults=[{"kind": "remove_leader", "at": 4}],
    )  # fmt: skip
    assert faults_of(result) == [(4, "remove_leader", 2, {"until": -1})]
    assert set(moves_of(result, 2)[4:]) == {STAY}
    assert any(a.t > 4 and a.outcome == "plan" for a in of(result, schema.Activation))
    assert not [a for a in of(result, schema.Activation) if a.agent == 2 and a.t >= 4 and a.outcome != "forced"]


def test_a_saboteurs_body_does_what_its_plan_does_not_ask_for() -> None:
    mover, other = walker(8), walker(8)
    result = play([mover, other], size=30, faults=[{"kind": "saboteur", "agent": 0, "at": 2, "steps": 5}])
    moves = moves_of(result, 0)
    assert moves[:2] == [RIGHT, RIGHT]
    assert RIGHT not in moves[2:7]
    assert set(moves) <= set(range(5))
    assert moves_of(result, 1)[:8] == [RIGHT] * 8
    assert next(e for e in of(result, schema.Plan) if e.agent == 0).calls[0][0] == "move"
    assert faults_of(result) == [(2, "saboteur", 0, {"until": 7})]


# What is seen ---------------------------------------------------------------------------------------------------------


def everyone_walks(steps: int) -> list[Puppet]:
    """Two puppets that walk a step at a time and are asked anew before each."""
    return [in_turn(plan(call("move", direction="right", steps=1))) for _ in range(steps)]


@pytest.mark.parametrize("sight", [None, 3])
def test_who_sees_nothing_keeps_its_picture_and_knows_where_it_is_itself(sight: int | None) -> None:
    puppets = everyone_walks(2)
    result = play(
        puppets, size=20, env_kwargs={} if sight is None else {"sight": sight},
        faults=[{"kind": "hide_observation", "agent": 0, "at": 3, "steps": 4}],
    )  # fmt: skip
    seen = {context.step: context.view.map.agents for context in puppets[0].contexts}  # type: ignore[attr-defined]
    assert [seen[t][0] for t in range(10)] == [(0, t) for t in range(10)]
    assert [seen[t][1] for t in range(10)] == [(1, t if not 3 <= t < 7 else 2) for t in range(10)]
    others = {context.step: context.view.map.agents for context in puppets[1].contexts}  # type: ignore[attr-defined]
    assert [others[t][0] for t in range(10)] == [(0, t) for t in range(10)]
    assert faults_of(result) == [(3, "hide_observation", 0, {"until": 7})]


def test_what_an_agent_sees_first_cannot_be_hidden() -> None:
    def run(**fault: int) -> Any:
        return play(everyone_walks(2), faults=[{"kind": "hide_observation", "agent": 0, **fault}])

    assert faults_of(run(at=0, steps=1)) == []
    assert faults_of(run(at=0, steps=3)) == [(1, "hide_observation", 0, {"until": 3})]


def test_a_hidden_observation_is_hidden_from_policies_too() -> None:
    class Eye(Puppet):
        observes = True

    def run(faults: Sequence[dict[str, Any]]) -> list[bytes]:
        eye = Eye(lambda puppet, context: plan(call("move", direction="right", steps=1)))
        play([eye, *everyone_walks(1)], faults=faults)
        return [context.observation.tobytes() for context in eye.contexts]

    plain, blind = run([]), run([{"kind": "hide_observation", "agent": 0, "at": 2, "steps": 3}])
    assert len(set(plain[:6])) == 6
    assert blind[:6] == [plain[0], plain[1], plain[1], plain[1], plain[1], plain[5]]


def test_a_blind_crafter_learns_by_being_told_but_not_by_looking() -> None:
    world = make_embodiment("MACrafter-v0", n_agents=2)
    assert isinstance(world, MACrafterEmbodiment)
    world.reset(5)
    known = world.view(0).known
    mine, other, theirs = known.grid(0).copy(), known.seen(0)[1].copy(), known.grid(1).copy()
    world.blindfold([0])
    for step in range(12):
        world.step([1 + step % 4, 2 + step // 6])
    here = world.view(0).position
    assert (known.grid(0) == mine).all()
    assert (known.seen(0)[1] == other).all()
    assert all(known.creatures(0, kind) == [] for kind in range(4))
    assert not known.in_view(0, *here)
    assert (known.grid(1) != theirs).any()
    world.learn([0], {f"cell:{here[0]},{here[1]}": Fact("diamond", known.step)})
    assert (known.grid(0) != mine).sum() == 1
    world.blindfold([])
    world.step([0, 0])
    assert known.in_view(0, *here)
    y, x = here[0] + world.env.world.pad, here[1] + world.env.world.pad
    around = slice(y - 3, y + 4), slice(x - 3, x + 4)
    assert (known.grid(0)[around] == world.env.world.materials[0][around]).all()


def test_a_group_that_sees_nothing_imagines_only_what_it_knew() -> None:
    hashes = []
    for moves in ([DOWN, RIGHT], [STAY, RIGHT]):
        world = make_embodiment("Cube-v0", n_agents=2, grid_size=12)
        assert isinstance(world, CubeEmbodiment)
        world.reset(3)
        world.blindfold([1])
        world.step(moves)
        (row, col), pad = world.position(1), world.pad
        assert [tuple(cell) for cell in np.argwhere(world.occupancy(1) == 2)] == [(row + pad, col + pad)]
        hashes.append(world.imagine([1], 7).state_hash())
        assert world.imagine([0, 1], 7).state_hash() == world.imagine(None, 7).state_hash()
    assert hashes[0] == hashes[1]


def test_a_world_that_cannot_blindfold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(CubeEmbodiment, "blindfold")
    with pytest.raises(ConfigError, match="has no method `blindfold`"):
        play([walker(), walker()], faults=[{"kind": "hide_observation", "agent": 0}])


# Messages -------------------------------------------------------------------------------------------------------------


def exchange(fault: dict[str, Any], n: int = 3, message: Message | None = None, **settings: Any) -> Any:
    """Let agent 0 send one message after three steps, to agent 1 if nothing else is said."""
    facts = {"agent0": Fact([0, 0], 3), "task": Fact("block0/left", 3)}
    team = [talker(3, message or Message((1,), "commit", "hello", facts)), *(listener() for _ in range(n - 1))]
    result = play(team, topology="decentralized", max_steps=14, faults=[fault], **settings)
    emcoop.replay(Trace(result.events))
    return result, team


def test_a_dropped_message_reaches_nobody() -> None:
    result, team = exchange({"kind": "drop_message", "at": 3}, message=Message(EVERYONE, "inform", "hello"))
    assert arrivals(result) == []
    assert arrivals(result, "dropped") == [(3, 0, EVERYONE)]
    assert faults_of(result) == [(3, "drop_message", 0, {"message": 0, "recipients": [1, 2]})]
    assert heard(team[1]) == []


def test_a_delayed_message_arrives_that_many_steps_later() -> None:
    result, team = exchange({"kind": "delay_message", "at": 3, "delay": 4})
    assert arrivals(result, "delayed") == [(3, 0, [1])]
    assert arrivals(result) == [(7, 0, [1])]
    assert faults_of(result) == [(3, "delay_message", 0, {"message": 0, "recipients": [1], "delay": 4})]
    assert heard(team[1]) == [(7, 0)]


def test_a_message_that_is_later_than_the_end_expires() -> None:
    result, _ = exchange({"kind": "delay_message", "at": 3, "delay": 40})
    assert [e.count for e in of(result, schema.Transport) if e.outcome == "expired"] == [1]


def test_a_duplicated_message_arrives_a_second_time_a_round_later() -> None:
    result, team = exchange({"kind": "duplicate_message", "at": 3})
    rounds = [e.c for e in of(result, schema.Transport) if e.outcome == "delivered"]
    assert rounds == [rounds[0], rounds[0] + 1]
    assert heard(team[1]) == [(3, 0), (3, 0)]
    assert faults_of(result) == [(3, "duplicate_message", 0, {"message": 0, "recipients": [1]})]


def test_named_recipients_give_way_to_others() -> None:
    result, team = exchange({"kind": "swap_recipients", "at": 3}, n=3)
    assert arrivals(result) == [(3, 0, [2])]
    assert faults_of(result) == [(3, "swap_recipients", 0, {"message": 0, "recipients": [2], "from": [1]})]
    assert of(result, schema.Message)[0].recipients == [1]
    assert (heard(team[1]), heard(team[2])) == ([], [(3, 0)])


@pytest.mark.parametrize("message", [Message(EVERYONE, "inform"), Message((1, 2), "inform"), Message((9,), "inform")])
def test_without_anybody_else_to_write_to_nothing_is_swapped(message: Message) -> None:
    result, _ = exchange({"kind": "swap_recipients", "at": 3}, message=message)
    assert faults_of(result) == []


def test_a_corrupted_fact_is_read_as_another_while_the_trace_keeps_what_was_said() -> None:
    message = Message((1,), "inform", facts={"agent0": Fact([0, 0], 3)})
    result, team = exchange({"kind": "corrupt_fact", "at": 3}, message=message)
    ((_, _, _, detail),) = faults_of(result)
    value = detail["value"]
    assert (detail["key"], detail["true"]) == ("agent0", [0, 0])
    assert value in ([1, 0], [0, 1])
    assert of(result, schema.Message)[0].facts == [("agent0", [0, 0], 3)]
    claims = [(e.when, list(e.value), e.true) for e in of(result, schema.Claim)]
    assert claims == [("sent", [0, 0], True), ("read", value, False)]
    (read,) = [message for context in team[1].contexts for message in context.unread]
    assert list(read.facts["agent0"].value) == value
    assert list(team[1].contexts[-1].memory.facts["agent0"].value) == value


def test_a_corrupted_task_is_another_one_that_could_be_meant() -> None:
    message = Message((1,), "commit", facts={"task": Fact("block3/left", 3)})
    result, _ = exchange({"kind": "corrupt_fact", "at": 3}, message=message)
    assert faults_of(result)[0][3]["value"] in ("block2/left", "block4/left")


def test_a_message_without_facts_is_not_corrupted() -> None:
    result, _ = exchange({"kind": "corrupt_fact", "at": 3}, message=Message((1,), "inform", "hello"))
    assert faults_of(result) == []


@pytest.mark.parametrize(
    ("fault", "hits"),
    [({"agent": 0}, 1), ({"agent": 1}, 0), ({"at": 4}, 0), ({"at": 0, "steps": 3}, 0), ({"at": 0, "steps": 4}, 1)],
)
def test_messages_are_hit_in_the_window_and_from_the_sender_only(fault: dict[str, Any], hits: int) -> None:
    result, _ = exchange({"kind": "drop_message", "at": 3, **fault})
    assert len(faults_of(result)) == hits


def test_what_never_arrives_anyway_is_not_hit() -> None:
    fault = {"kind": "drop_message", "steps": -1}
    for settings in ({"channel": {"control": "mute"}}, {"channel": {"loss": 1.0}}):
        assert faults_of(exchange(fault, **settings)[0]) == []
    assert faults_of(exchange(fault, message=Message((9,), "inform"))[0]) == []


def test_chance_decides_message_by_message_and_by_the_seed() -> None:
    def hits(seed: int) -> list[int]:
        chatter = Puppet(lambda puppet, context: say(1, plan=wait(1)))
        fault = {"kind": "drop_message", "steps": -1, "chance": 0.5}
        result = play(
            [chatter, listener()], topology="decentralized", max_steps=60, seed=seed, faults=[fault], size=40
        )  # fmt: skip
        return [detail["message"] for _, _, _, detail in faults_of(result)]

    assert 15 <= len(hits(1)) <= 45
    assert hits(1) == hits(1) != hits(2)


# What is recorded and what is refused ---------------------------------------------------------------------------------


def test_the_episode_names_its_faults_with_their_defaults() -> None:
    faults = [
        {"kind": "drop_message", "chance": 1},
        {"kind": "delay_message", "agent": 1},
        {"kind": "crash", "agent": 0},
    ]
    result = play([walker(), walker()], faults=faults)
    (episode,) = of(result, schema.Episode)
    assert episode.faults == [
        {"kind": "drop_message", "agent": -1, "at": 0, "steps": 1, "chance": 1.0},
        {"kind": "delay_message", "agent": 1, "at": 0, "steps": 1, "chance": 1.0, "delay": 5},
        {"kind": "crash", "agent": 0, "at": 0, "steps": -1},
    ]
    again = play([walker(), walker()], faults=episode.faults)
    assert again.digest == result.digest


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ("crash", "give a list"),
        ({"kind": "crash"}, "give a list"),
        (["crash"], "give a mapping"),
        ([{"agent": 1}], "give a mapping"),
        ([{"kind": "frieze"}], "did you mean 'freeze'"),
        ([{"kind": 3}], "unknown kind of fault 3"),
        ([{"kind": "freeze", "agent": 0, "stps": 3}], "did you mean 'steps'"),
        ([{"kind": "freeze", "agent": 0, "chance": 0.5}], "known are agent, at, steps"),
        ([{"kind": "remove_leader", "agent": 0}], "known are at, steps"),
        ([{"kind": "crash"}], "names nobody"),
        ([{"kind": "crash", "agent": 2}], "agents 0 to 1"),
        ([{"kind": "crash", "agent": -1}], "agent=-1"),
        ([{"kind": "crash", "agent": True}], "agent=True"),
        ([{"kind": "crash", "agent": "agent 0"}], "an agent index"),
        ([{"kind": "drop_message", "agent": -2}], "or -1 for all agents"),
        ([{"kind": "drop_message", "agent": 7}], "agents 0 to 1"),
        ([{"kind": "freeze", "agent": 0, "at": -1}], "at=-1"),
        ([{"kind": "freeze", "agent": 0, "at": 2.5}], "at=2.5"),
        ([{"kind": "freeze", "agent": 0, "steps": 0}], "or -1 for the rest"),
        ([{"kind": "drop_message", "chance": 1.5}], "a probability from 0 to 1"),
        ([{"kind": "drop_message", "chance": float("nan")}], "a probability from 0 to 1"),
        ([{"kind": "delay_message", "delay": 0}], "delay=0"),
        ([{"kind": "remove_leader"}], "nobody leads"),
    ],
)
def test_a_fault_that_does_not_fit_is_refused_in_one_sentence(faults: Any, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        play([walker(), walker()], faults=faults)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_body_that_is_played_from_outside_cannot_be_hit() -> None:
    from emcoop.cognitive_layer.episode import Session

    with pytest.raises(ConfigError, match="played from outside"):
        Session("Cube-v0", n_agents=2, played=(0,), faults=[{"kind": "crash", "agent": 0}])
    Session("Cube-v0", n_agents=2, played=(0,), faults=[{"kind": "crash", "agent": 1}, {"kind": "drop_message"}])


def test_the_seat_view_refuses_faults() -> None:
    with pytest.raises(EmCoopError, match="faults"):
        SeatView("Cube-v0", n_agents=2, faults=[{"kind": "crash", "agent": 1}])
