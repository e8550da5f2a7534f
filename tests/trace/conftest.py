from __future__ import annotations

from collections.abc import Callable

import pytest

from emcoop.trace import schema


@pytest.fixture
def episode_events() -> Callable[..., list[schema.Event]]:
    """Build the unnumbered events of a short episode: two agents that meet and push."""

    def build(steps: int = 3, end: bool = True) -> list[schema.Event]:
        events: list[schema.Event] = [
            schema.Run(schema=schema.SCHEMA, emcoop="0.1.0", config_hash="abc"),
            schema.Episode(
                env_id="Cube-v0", env_kwargs={"view": 5}, n_agents=2, max_steps=steps, seed=7,
                planners=[{"name": "greedy"}], topology={"name": "debate"}, budgets={"decisions_total": None},
            ),
            schema.Step(actions=[], reward=0.0, state_hash="s0", configuration_hash="c0", progress=0.0),
            schema.Round(c=1, reason=2),
            schema.Plan(c=1, id=0, agent=0, event="commit", task="block 0 left", calls=[("push", {"steps": 2})]),
            schema.Message(c=1, id=0, sender=0, recipients="*", act="inform", text="null and void – ça va"),
        ]  # fmt: skip
        for t in range(1, steps + 1):
            events += [
                schema.Constraint(
                    t=t - 1, c=1, tasks=["block 0 left"], required=[2], committed=[2], in_place=[t], acting=[1],
                    dependency=[1], joint=[1], engaged=[1], success=[0], participants=[[0, 1]], inferred=[0],
                ),
                schema.World(t=t, c=1, agents=[0], to=[[t, 0]], objects={"block 0": [t, 4]}),
                schema.Step(
                    t=t, c=1, actions=[1, 0], reward=-0.01, state_hash=f"s{t}", configuration_hash=f"c{t}",
                    progress=t / 10, events=[{"kind": "collision", "agents": [1]}],
                ),
            ]  # fmt: skip
        if end:
            events.append(
                schema.End(
                    t=steps, c=1, status="completed", score=0.5, raw_score=3.0, steps=steps, terminated=False,
                    counters={"sent": 1},
                )
            )  # fmt: skip
        return events

    return build
