"""Real chat models whose replies a test dictates, and single decisions of the llm planner on small boards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.memory import Memory
from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, FormatRefused, Usage
from emcoop.cognitive_layer.plan import Decision, Fact, Message, PlanningContext, SeatSetup
from emcoop.cognitive_layer.planners.llm import LLMPlanner
from emcoop.cognitive_layer.stages import Stage
from emcoop.registration import make_embodiment
from emcoop.rng import generator

Asked = tuple[Sequence[ChatMessage], Mapping[str, Any], Mapping[str, Any]]


class Script:
    """A seat's models: gives replies in order, the last again and again, and keeps what was asked."""

    def __init__(self, *replies: Any, refuses: Sequence[str] = ()) -> None:
        self._replies = replies
        self._refuses = refuses
        self.asked: list[Asked] = []
        self.options: Mapping[str, Any] = {}

    async def complete(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        schema: Mapping[str, Any] | None,
        params: Mapping[str, Any],
        options: Mapping[str, Any] = {},
    ) -> Completion:
        await asyncio.sleep(0)
        if params["format"] in self._refuses:
            raise FormatRefused(f"no {params['format']} here")
        assert schema is not None
        self.asked.append((list(messages), schema, dict(params)))
        self.options = dict(options)
        reply = self._replies[min(len(self.asked), len(self._replies)) - 1]
        made = reply if isinstance(reply, Completion) else Completion(reply)
        return Completion(made.text, None, Usage(7, 3), made.finish_reason, "scripted")

    @property
    def prompt(self) -> str:
        """The user's turn of the first question."""
        return next(m.content for m in self.asked[0][0][::-1] if m.role == "user")

    @property
    def system(self) -> str:
        return self.asked[0][0][0].content

    def repair(self) -> str:
        """The last turn of the second question."""
        return self.asked[1][0][-1].content


class Table:
    """A world and one seat of it with an llm planner; decisions are asked for one by one."""

    def __init__(
        self,
        models: Any,
        env_id: str = "Cube-v0",
        agents: Sequence[tuple[int, int]] = ((4, 2), (9, 2)),
        blocks: Sequence[tuple[int, int, int]] = ((5, 5, 2), (1, 8, 1)),
        env: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        seat: int = 0,
        topology: str = "decentralized",
        leader: int = -1,
        budgets: Mapping[str, Any] | None = None,
        keep_text: bool = False,
        rng: int = 0,
        **planner: Any,
    ) -> None:
        if env_id == "Cube-v0":
            env = {"n_agents": len(agents), "grid_size": 12, "blocks": {1: 1}, **(env or {})}
            options = {"agents": [list(c) for c in agents], "blocks": [list(b) for b in blocks]}
        self.world = make_embodiment(env_id, **(env or {}))
        self.world.reset(0, options)
        n = self.world.n_agents
        self.others = [i for i in range(n) if i != seat]
        self.seat = seat
        self.planner = LLMPlanner(**{"model": "test/script", **planner})
        role = "peer" if leader < 0 else "leader" if leader == seat else "follower"
        self.setup = SeatSetup(
            seat=seat,
            names=tuple(self.world.env.possible_agents),
            concepts=self.world.concepts,
            rng=generator(rng, "planner", seat),
            topology=topology,
            role=role,
            leader=leader,
            budgets=budgets or {},
            reports=self.others if leader == seat else (),
            max_steps=self.world.max_steps,
            rules=self.world.rules,
            models=models,
            keep_text=keep_text,
        )
        self.planner.reset(self.setup)
        self.memory = Memory()

    def context(self, **changes: Any) -> PlanningContext:
        given: dict[str, Any] = {
            "stage": Stage.REASON,
            "step": 0,
            "steps_left": 50,
            "rounds_left": 5,
            "waited": 0,
            "view": self.world.view(self.seat),
            "unread": (),
            "plan": None,
            "call": 0,
            "last": None,
            "reachable": tuple(self.others),
            "memory": self.memory,
        }
        return PlanningContext(**{**given, **changes})

    def decide(self, **changes: Any) -> Decision:
        decision: Decision = asyncio.run(self.planner.decide(self.context(**changes)))
        return decision


def heard(sender: int, kind: Any = "inform", text: str = "", id: int = 0, **facts: Any) -> Message:
    return Message((0,), kind, text, {key: Fact(value, 0) for key, value in facts.items()}, sender, id)


def strict_problems(schema: Any, where: str = "$", depth: int = 0) -> list[str]:
    """Return what OpenAI's strict mode would refuse in a schema."""
    known = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "minItems", "maxItems",
             "minimum", "maximum"}  # fmt: skip
    problems = [f"{where}: {word}" for word in set(schema) - known]
    if depth > 10:
        return [f"{where}: too deep"]
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False or list(schema["properties"]) != schema["required"]:
            problems.append(f"{where}: open or optional")
        for name, part in schema["properties"].items():
            problems += strict_problems(part, f"{where}.{name}", depth + 1)
    for k, part in enumerate(schema.get("anyOf", ())):
        problems += strict_problems(part, f"{where}|{k}", depth)
    firsts = [next(iter(p["properties"].items())) for p in schema.get("anyOf", ()) if p.get("type") == "object"]
    if any(firsts.count(first) > 1 for first in firsts):
        problems.append(f"{where}: options begin alike")
    if "items" in schema:
        problems += strict_problems(schema["items"], f"{where}[]", depth + 1)
    if not {"type", "anyOf"} & set(schema) or (depth == 0 and "anyOf" in schema):
        problems.append(f"{where}: no type")
    return problems
