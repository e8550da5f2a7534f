"""Language models' cases: what the framework adds to a model's own time, for a large team in one round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from emcoop.baselines.bench.measuring import Case
from emcoop.baselines.bench.worlds import ENV_ID
from emcoop.cognitive_layer.episode import Session
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, Usage

CROWD = 256
ANSWER_S = 0.5
MODEL = "bench/constant"
ANSWER = '{"thought": "", "decision": "plan", "task": null, "plan": [{"concept": "wait", "steps": 1}], "note": null}'


class Thoughtful:
    """A model that always says the same, but takes its time.

    Args:
        seconds: How long every answer takes.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        """Answer after a while."""
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return Completion(ANSWER, usage=Usage(1000, 30))


def first_round(seconds: float) -> tuple[int, float, float]:
    """Let a crowd in CUBE think once, each agent asking a model that takes `seconds`.

    Returns:
        Decisions, and the seconds they took on the clock and of the processor.
    """
    with ModelAccess(chat_models={MODEL: Thoughtful(seconds)}) as models:
        planner = {"name": "llm", "model": MODEL}
        session = Session(ENV_ID, n_agents=CROWD, planner=planner, models=models, max_steps=1)
        clock, cpu = time.perf_counter(), time.process_time()
        asyncio.run(session.think())
        assert models.meter.calls == CROWD, "every reply is usable: nobody is asked twice"
        spent = time.perf_counter() - clock, time.process_time() - cpu
        session.abandon()
    return session.decisions, *spent


def thinking_cases() -> list[Case]:
    """Return the cases: one round of a crowd on a slow model, by the clock, and decisions on an instant one."""

    def rounds(seconds: float) -> tuple[float, float]:
        return 1.0, first_round(ANSWER_S)[1]

    def decisions(seconds: float) -> tuple[float, float]:
        done, _, cpu = first_round(0.0)
        return float(done), cpu

    return [
        Case(f"models/round/{CROWD}", "rounds/s", rounds),
        Case(f"models/decide/{CROWD}", "decisions/s", decisions),
    ]
