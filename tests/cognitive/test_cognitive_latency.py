"""Thinking takes rounds, never time: slow planners give the same episode, byte for byte."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from cognitive_tools import RIGHT, Puppet, call, changes_of, in_turn, moves_of, of, plan, play, say, wait

import emcoop
from emcoop.cognitive_layer.plan import Decision, PlanningContext, SeatSetup
from emcoop.cognitive_layer.planners.team import TeamPlanner
from emcoop.cognitive_layer.stages import I, R
from emcoop.errors import ConfigError
from emcoop.trace import schema

N = 5


class Dreamer:
    """The team planner, which answers after a nap of random length."""

    def __init__(self, naps: random.Random | None) -> None:
        self._naps = naps
        self._inner = TeamPlanner()

    def reset(self, setup: SeatSetup) -> None:
        self._inner.reset(setup)

    async def decide(self, context: PlanningContext) -> Decision:
        if self._naps is not None:
            await asyncio.sleep(self._naps.random() * 0.0005)
        return await self._inner.decide(context)


def dream(topology: str, naps: int | None, **settings: Any) -> Any:
    rng = None if naps is None else random.Random(naps)
    return emcoop.run_episode(
        "Cube-v0",
        n_agents=N,
        planner=[Dreamer(rng) for _ in range(N)],
        topology=topology,
        seed=6,
        max_steps=120,
        **settings,
    )


@pytest.mark.parametrize("topology", ["individual", "centralized", "debate", "decentralized"])
def test_slow_answers_give_the_same_bytes(topology: str) -> None:
    prompt = dream(topology, None)
    assert prompt.status == "completed", prompt.error
    assert {dream(topology, naps).digest for naps in (1, 2)} == {prompt.digest}


def test_an_episode_runs_inside_a_running_event_loop() -> None:
    async def notebook() -> Any:
        return dream("decentralized", 3)

    assert asyncio.run(notebook()).digest == dream("decentralized", None).digest


def test_a_failure_inside_a_running_event_loop_is_told_alike() -> None:
    async def notebook() -> Any:
        return play([Dreamer(None), in_turn(None)])

    result = asyncio.run(notebook())
    assert result.status == "agent_error"
    assert "NoneType" in result.error


@pytest.mark.parametrize(("rounds", "low", "high"), [(1, 1, 1), (3, 3, 3), ([1, 4], 1, 4)])
def test_a_decision_takes_effect_after_its_rounds(rounds: Any, low: int, high: int) -> None:
    def run() -> Any:
        return emcoop.run_episode(
            "Cube-v0",
            n_agents=6,
            planner="team",
            topology="decentralized",
            seed=2,
            max_steps=80,
            thinking_rounds=rounds,
            budgets={"rounds_per_step": 40},
        )

    result = run()
    taken = [a.c - a.started + 1 for a in of(result, schema.Activation) if a.outcome != "forced"]
    assert (min(taken), max(taken)) == (low, high)
    assert run().digest == result.digest


def test_how_long_thinking_takes_is_part_of_the_configuration() -> None:
    digests = {
        emcoop.run_episode("Cube-v0", n_agents=3, planner="greedy", max_steps=9, thinking_rounds=k).digest
        for k in (1, 2)
    }
    assert len(digests) == 2


def test_a_message_that_arrives_while_an_agent_thinks_is_read_next_time() -> None:
    talker = in_turn(say(1, plan=wait(20)))
    thinker = in_turn(Decision(None), wait(20))
    play([talker, thinker], topology="decentralized", thinking_rounds=2)
    assert [len(c.unread) for c in thinker.contexts] == [0, 1]


def test_a_message_to_an_agent_that_has_just_planned_interrupts_it() -> None:
    def answer(puppet: Puppet, context: PlanningContext) -> Decision:
        if puppet.asked == 1:
            return Decision(None)
        return wait(20) if context.stage is R else plan(call("move", direction="right", steps=9))

    talker = in_turn(say(1, plan=wait(20)))
    thinker = Puppet(answer)
    result = play([talker, thinker], topology="decentralized", channel={"delay": 1}, thinking_rounds=2)
    assert [(c.stage, len(c.unread)) for c in thinker.contexts[:3]] == [(R, 0), (R, 0), (I, 1)]
    assert changes_of(result, 1)[:3] == [("R", "W", "commit"), ("W", "I", "message"), ("I", "W", "replan")]
    assert moves_of(result, 1)[:9] == [RIGHT] * 9


@pytest.mark.parametrize("rounds", [0, -1, True, 2.5, "3", None, [], [2], [3, 1], [0, 2], [1, 2, 3], [1.0, 2.0], 10**6])
def test_thinking_rounds_that_do_not_fit(rounds: Any) -> None:
    with pytest.raises(ConfigError, match=r"thinking_rounds=.* give a number >= 1, \[low, high\], or"):
        emcoop.run_episode("Cube-v0", n_agents=1, max_steps=2, thinking_rounds=rounds)
