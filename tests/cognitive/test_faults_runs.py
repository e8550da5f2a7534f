"""Injected faults in whole episodes: whatever is combined with whatever, the books balance and nobody hangs."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cognitive_tools import STAY, call, check_stages, moves_of, of, plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import emcoop
from emcoop.cognitive_layer.faults import KEYS, MESSAGE_KINDS, STILL_KINDS, make_faults
from emcoop.cognitive_layer.plan import EVERYONE, RESUME, Decision, Fact, Message, PlanningContext, Reaction, SeatSetup
from emcoop.cognitive_layer.stages import I
from emcoop.trace import Trace, schema

N = 4
TOPOLOGIES = ("individual", "centralized", "debate", "decentralized", "hybrid", "tree", "ring", "range")
LED = ("centralized", "hybrid", "tree")
WORLDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Cube-v0", {"grid_size": 10, "sight": 3}),
    ("Cube-v0", {}),
    ("MACrafter-v0", {"mode": "survival"}),
)


class Rambler:
    """A planner that says and does anything it may, by its seat's chance."""

    immediate = True

    def reset(self, setup: SeatSetup) -> None:
        self._rng = random.Random(int(setup.rng.random() * 2**30))

    async def decide(self, context: PlanningContext) -> Decision:
        rng = self._rng
        new = plan(rng.choice((call("wait", steps=rng.randint(1, 3)), context.view.sample(rng.random))))
        listens = None if context.waited < 2 else new.plan
        decided = rng.choice((new.plan, RESUME if context.stage is I else listens))
        messages = tuple(self._message(context) for _ in range(rng.choice((0, 1, 1, 2))))
        return Decision(decided, messages, tuple(self._reactions(context)))

    def _message(self, context: PlanningContext) -> Message:
        rng = self._rng
        to = EVERYONE if rng.random() < 0.4 else tuple(rng.choices(range(N + 1), k=rng.randint(0, 3)))
        value = rng.choice(([rng.randrange(9), 0], "block1/left", True, 3, 0.5, None, {"a": ["x", 1]}, [], ""))
        facts = {f"agent{rng.randrange(N)}": Fact(value, context.step)} if rng.random() < 0.6 else {}
        return Message(to, rng.choice(("inform", "commit", "request")), "x" * rng.randrange(9), facts)

    def _reactions(self, context: PlanningContext) -> list[Reaction]:
        labels: Any = [self._rng.choice(("consume", "wait", "discard", "reroute")) for _ in context.unread]
        return [
            Reaction(m.id, label, (self._rng.randrange(N),) if label == "reroute" else ())
            for m, label in zip(context.unread, labels)
        ]


@st.composite
def fault(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(KEYS)) -> dict[str, Any]:
    kind = draw(st.sampled_from(kinds))
    options: dict[str, Any] = {
        "agent": st.integers(0, N - 1),
        "at": st.sampled_from((0, 0, 1, 3, 9)),
        "steps": st.sampled_from((-1, 1, 2, 6)),
        "chance": st.sampled_from((0.5, 1.0)),
        "delay": st.integers(1, 4),
    }
    return {"kind": kind, **{key: draw(options[key]) for key in KEYS[kind]}}


def check(result: Any, budgets: dict[str, int]) -> None:
    """Check what has to hold in every episode, whatever goes wrong in it."""
    assert (result.status, result.error) == ("completed", "")
    assert emcoop.replay(Trace(result.events)) == result.steps
    check_stages(result.events, N)
    check_still(result)
    (episode,) = of(result, schema.Episode)
    decided = Counter((a.agent, a.t) for a in of(result, schema.Activation) if a.outcome != "forced")
    assert max(decided.values(), default=0) <= budgets["decisions_per_step"]
    rounds = Counter(e.t for e in of(result, schema.Round))
    assert max(rounds.values()) <= budgets["rounds_per_step"]
    assert {e.fault for e in of(result, schema.Fault)} <= {spec["kind"] for spec in episode.faults}
    sent = {e.id: e for e in of(result, schema.Message)}
    for e in of(result, schema.Fault):
        if e.fault in MESSAGE_KINDS:
            assert e.agent == sent[e.detail["message"]].sender
            assert e.detail["recipients"]


def check_still(result: Any) -> None:
    """Check that whoever stands still decides and says nothing, and takes no action."""
    for e in of(result, schema.Fault):
        if e.fault in STILL_KINDS:
            until = result.steps if e.detail["until"] < 0 else e.detail["until"]
            assert set(moves_of(result, e.agent)[e.t : until]) <= {STAY}
            acts = [a for a in of(result, schema.Activation) if a.agent == e.agent and e.t <= a.t < until]
            assert {a.outcome for a in acts} <= {"forced"}
            assert not [m for m in of(result, schema.Message) if m.sender == e.agent and e.t <= m.t < until]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.lists(fault(), min_size=1, max_size=5),
    world=st.sampled_from(WORLDS),
    topology=st.sampled_from(TOPOLOGIES),
    rambles=st.booleans(),
    rounds=st.sampled_from((1, 3)),
    channel=st.sampled_from(({}, {"loss": 0.3, "duplicate": 0.3, "corruption": 0.3}, {"control": "shuffle"})),
    regroup=st.sampled_from(("agent", "team")),
)
def test_the_books_balance_under_every_combination_and_it_repeats(
    faults: list[dict[str, Any]],
    world: tuple[str, dict[str, Any]],
    topology: str,
    rambles: bool,
    rounds: int,
    channel: dict[str, Any],
    regroup: str,
) -> None:
    env_id, kwargs = world
    fitting = [f for f in faults if f["kind"] != "remove_leader" or topology in LED]
    budgets = {"decisions_per_step": 5, "rounds_per_step": 9, "messages_per_step": 6}

    def run() -> Any:
        return emcoop.run_episode(
            env_id, n_agents=N, planner=[Rambler() for _ in range(N)] if rambles else "team", seed=3, max_steps=14,
            topology={"name": topology, "regroup": regroup}, env_kwargs=kwargs, budgets=budgets, channel=channel,
            thinking_rounds=rounds, faults=fitting,
        )  # fmt: skip

    result = run()
    check(result, budgets)
    assert run().digest == result.digest


@pytest.mark.parametrize("world", WORLDS, ids=str)
@pytest.mark.parametrize("kind", KEYS)
def test_a_fault_that_is_never_in_force_changes_nothing_else(kind: str, world: tuple[str, dict[str, Any]]) -> None:
    def run(faults: list[dict[str, Any]]) -> list[bytes]:
        result = emcoop.run_episode(
            world[0], n_agents=N, planner="team", topology="centralized", seed=5, max_steps=12, env_kwargs=world[1],
            faults=faults,
        )  # fmt: skip
        return [msgspec.json.encode(event) for event in result.events]

    late = {"kind": kind, "at": 12, **({"agent": 0} if "agent" in KEYS[kind] else {})}
    plain, unhurt = run([]), run([late])
    assert b"faults" not in plain[1]
    assert unhurt[2:] == plain[2:]
    if kind in MESSAGE_KINDS:
        assert run([{**late, "at": 0, "chance": 0.0}])[2:] == plain[2:]


@pytest.mark.parametrize("topology", [*TOPOLOGIES, "star", "small_world"])
@pytest.mark.parametrize("at", [0, 3])
def test_no_topology_hangs_when_its_first_agent_crashes(topology: str, at: int) -> None:
    faults = [{"kind": "crash", "agent": 0, "at": at}]
    result = emcoop.run_episode(
        "Cube-v0", n_agents=6, planner="team", topology=topology, seed=1, max_steps=60, faults=faults
    )
    assert (result.status, result.steps) == ("completed", 60)
    planned = {(a.agent, a.t >= at) for a in of(result, schema.Activation) if a.outcome == "plan"}
    assert {agent for agent, _ in planned} >= set(range(1, 6))
    assert {agent for agent, after in planned if after} - {0}
    assert (0, True) not in planned


@pytest.mark.parametrize("env_id", ["Cube-v0", "MACrafter-v0"])
def test_everybody_may_crash_at_once(env_id: str) -> None:
    for at in (0, 4):
        crashes = [{"kind": "crash", "agent": agent, "at": at} for agent in range(3)]
        result = emcoop.run_episode(env_id, n_agents=3, planner="team", topology="tree", max_steps=9, faults=crashes)
        assert (result.status, result.steps) == ("completed", 9)
        assert all(moves_of(result, agent)[at:] == [STAY] * (9 - at) for agent in range(3))


@pytest.mark.parametrize("env_id", ["Cube-v0", "MACrafter-v0"])
def test_a_team_that_reads_bears_every_fault(env_id: str) -> None:
    faults = [{"kind": kind, "steps": 3, **({"agent": 1} if "agent" in KEYS[kind] else {})} for kind in KEYS]
    result = emcoop.run_episode(
        env_id, n_agents=3, planner={"name": "llm", "model": "test/pocket", "prompts": "short"},
        topology="centralized", max_steps=6, seed=2, faults=faults,
    )  # fmt: skip
    assert (result.status, result.error) == ("completed", "")
    assert emcoop.replay(Trace(result.events)) == result.steps
    assert {"freeze", "crash", "remove_leader", "hide_observation", "saboteur"} <= {
        e.fault for e in of(result, schema.Fault)
    }


def test_recorded_decisions_repeat_with_the_faults_they_were_made_under(tmp_path: Path) -> None:
    trace = tmp_path / "one.jsonl.gz"
    common: dict[str, Any] = {
        "n_agents": 4, "topology": "centralized", "seed": 6, "max_steps": 25,
        "faults": [
            {"kind": "freeze", "agent": 1, "at": 0, "steps": 4},
            {"kind": "freeze", "agent": 2, "at": 6, "steps": 5},
            {"kind": "crash", "agent": 3, "at": 12},
            {"kind": "drop_message", "at": 5, "steps": 10, "chance": 0.5},
        ],
    }  # fmt: skip
    first = emcoop.run_episode("Cube-v0", planner="team", trace=trace, **common)
    again = emcoop.run_episode("Cube-v0", planner=f"replay:{trace}", **common)
    assert (again.status, again.error) == ("completed", "")
    assert [s.state_hash for s in of(again, schema.Step)] == [s.state_hash for s in of(first, schema.Step)]


def test_a_fault_as_plain_data_makes_the_same_fault() -> None:
    @given(fault())
    def holds(given_fault: dict[str, Any]) -> None:
        (made,) = make_faults([given_fault])
        assert make_faults([made.plain()]) == [made]

    holds()
