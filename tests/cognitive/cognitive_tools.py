"""Puppets and small boards: teams whose every decision a test dictates, and questions to the traces they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import emcoop
from emcoop.cognitive_layer.plan import (
    ActionCall,
    Decision,
    Fact,
    Message,
    Plan,
    PlanningContext,
    SeatSetup,
)
from emcoop.trace import schema

TOPOLOGIES = ("individual", "centralized", "debate", "decentralized")
SCRIPT = {
    "name": "scripted",
    "calls": [
        ["move", {"direction": "right", "steps": 3}],
        ["wait", {"steps": 2}],
        ["push", {"block": 99, "face": "left", "steps": 1}],
    ],
}
PLANNERS: tuple[Any, ...] = ("random", "greedy", "team", "oracle", SCRIPT)
STAY, UP, DOWN, LEFT, RIGHT = range(5)

E = TypeVar("E", bound=schema.Event)
Answer = Callable[["Puppet", PlanningContext], Any]


class Puppet:
    """A planner whose decisions a function dictates; it keeps every context it was given."""

    immediate = True

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.contexts: list[PlanningContext] = []

    def reset(self, setup: SeatSetup) -> None:
        self.setup = setup

    async def decide(self, context: PlanningContext) -> Decision:
        self.contexts.append(context)
        decision: Decision = self._answer(self, context)
        return decision

    @property
    def asked(self) -> int:
        """How often it was asked, this time included."""
        return len(self.contexts)


def in_turn(*answers: Any) -> Puppet:
    """Return a puppet that gives these answers one after the other, the last again and again."""
    return Puppet(lambda puppet, context: answers[min(puppet.asked, len(answers)) - 1])


def call(concept: str, **args: Any) -> ActionCall:
    return ActionCall(concept, args)


def plan(*calls: ActionCall, task: str = "") -> Decision:
    return Decision(Plan(calls, task))


def wait(steps: int) -> Decision:
    return plan(call("wait", steps=steps))


def say(*recipients: int, plan: Any = None, kind: Any = "inform", text: str = "", **facts: Any) -> Decision:
    """Return a decision that sends one message, with a plan or without."""
    noted = {key: Fact(value, 0) for key, value in facts.items()}
    given = plan.plan if isinstance(plan, Decision) else plan
    return Decision(given, (Message(recipients, kind, text, noted),))


def play(
    planners: Any,
    agents: Sequence[tuple[int, int]] | None = None,
    blocks: Sequence[tuple[int, int, int]] = ((5, 8, 1),),
    size: int = 12,
    env_kwargs: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """Run an episode on an explicit board; by default agents stand in column 0 and a light block lies apart."""
    n = len(planners) if agents is None else len(agents)
    cells = [(row, 0) for row in range(n)] if agents is None else list(agents)
    settings.setdefault("max_steps", 12)
    return emcoop.run_episode(
        "Cube-v0",
        n_agents=n,
        planner=planners,
        env_kwargs={"grid_size": size, "blocks": {1: 1}, **(env_kwargs or {})},
        options={"agents": [list(c) for c in cells], "blocks": [list(b) for b in blocks]},
        **settings,
    )


def of(result: Any, kind: type[E]) -> list[E]:
    """Return the events of one kind."""
    return [event for event in result.events if type(event) is kind]


def plan_ends(result: Any, agent: int) -> list[tuple[int, str]]:
    """Return `(step, reason)` of an agent's plans as they ended."""
    return [(p.t, p.reason) for p in of(result, schema.Plan) if p.agent == agent and p.event == "end"]


def calls_of(result: Any, agent: int) -> list[tuple[int, str, str]]:
    """Return `(step, concept, outcome)` of an agent's calls as they ended."""
    return [
        (event.t, concept, outcome)
        for event in of(result, schema.Action)
        for who, concept, outcome in zip(event.agents, event.concepts, event.outcomes)
        if who == agent and outcome != "start"
    ]


def moves_of(result: Any, agent: int) -> list[int]:
    """Return the primitives an agent took, step by step."""
    return [step.actions[agent] for step in of(result, schema.Step) if step.t > 0]


def changes_of(result: Any, agent: int) -> list[tuple[str, str, str]]:
    """Return an agent's changes of stage: before, after, cause."""
    return [(e.before, e.after, e.cause) for e in of(result, schema.Stage) if agent in e.agents]


def check_stages(events: Iterable[schema.Event], n: int) -> None:
    """Replay every change of stage; fail on one that is not allowed or does not start where the agent is.

    Rounds have to count the stages as they are, and the world may step only while everybody executes.
    """
    allowed = {("R", "W"), ("W", "X"), ("X", "R"), ("W", "I"), ("X", "I"), ("I", "W")}
    stages = ["R"] * n
    for event in events:
        if isinstance(event, schema.Stage):
            assert (event.before, event.after) in allowed, event
            for agent in event.agents:
                assert stages[agent] == event.before, (agent, stages[agent], event)
                stages[agent] = event.after
        elif isinstance(event, schema.Round):
            counted = (event.reason, event.wait, event.execute, event.interrupt)
            assert counted == tuple(stages.count(stage) for stage in "RWXI"), event
        elif isinstance(event, schema.Step) and event.t > 0:
            assert set(stages) == {"X"}, event
