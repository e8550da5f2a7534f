"""What a suite will take: episodes, decisions, and for language models tokens and money, from their first prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from emcoop.baselines.expansion import Unit
from emcoop.baselines.preflight import calls_models
from emcoop.cognitive_layer.episode import run_episode
from emcoop.cognitive_layer.models import provider_spec
from emcoop.cognitive_layer.models.access import ModelAccess
from emcoop.cognitive_layer.models.chat import ChatMessage, Completion, Usage
from emcoop.cognitive_layer.models.prices import FREE, Price, cost
from emcoop.cognitive_layer.models.testing import smallest
from emcoop.cognitive_layer.planners import make_team
from emcoop.trace.schema import Activation, LlmCall

PROBE_STEPS = 1
CHARS_PER_TOKEN = 4
REPLY_SHARE = 4
"""A reply is reckoned at one part in so many of the tokens it may have."""
USUAL_REPLY = 512
"""Tokens a reply may have where the planner sets no limit."""
HOW = (
    f"estimated from each cell's first prompts, {CHARS_PER_TOKEN} characters a token, replies at a quarter of their "
    "limit, one call a decision"
)


@dataclass(frozen=True)
class Estimate:
    """What a suite will take.

    Attributes:
        cells: Settings that differ in more than the seed.
        episodes: Episodes in all.
        decisions: Upper estimate of the planners' decisions: one per agent and environment step, or as many as
            the budgets of the regime allow.
        tokens: Model tokens, None if unknown; scripted planners use none.
        usd: Money in US dollars, None if unknown; scripted planners cost none.
        unpriced: Models without a price.
    """

    cells: int
    episodes: int
    decisions: int
    tokens: int | None = 0
    usd: float | None = 0.0
    unpriced: tuple[str, ...] = ()


class Thought(NamedTuple):
    """What a decision takes of one model, on average."""

    model: str
    prompt_tokens: float
    completion_tokens: float


def estimate(units: Sequence[Unit], prices: Mapping[str, Price] | None = None) -> Estimate:
    """Estimate what running `units` takes; of every cell that calls models a first step is thought through.

    Args:
        units: The units.
        prices: `provider/model` -> price.
    """
    decisions: dict[tuple[Any, ...], int] = {}
    first: dict[tuple[Any, ...], Unit] = {}
    for unit in units:
        decisions[unit.cell] = decisions.get(unit.cell, 0) + _decisions(unit)
        first.setdefault(unit.cell, unit)
    whole = Estimate(len(first), len(units), sum(decisions.values()))
    tokens, usd = 0, 0.0
    unpriced: set[str] = set()
    for cell, unit in first.items():
        thoughts = think_once(unit) if calls_models(unit) else []
        if thoughts is None:
            return replace(whole, tokens=None, usd=None)
        for thought in thoughts:
            read, written = (round(decisions[cell] * share) for share in thought[1:])
            price = cost(_price(thought.model, prices or {}), Usage(read, written))
            tokens += read + written
            usd += price or 0.0
            unpriced |= set() if price is not None else {thought.model}
    return replace(whole, tokens=tokens, usd=None if unpriced else usd, unpriced=tuple(sorted(unpriced)))


def think_once(unit: Unit) -> list[Thought] | None:
    """Return what a decision in the unit's first step takes of each model; None if that did not work.

    A stand-in answers: it counts what it is asked, and no real model is called.
    """
    planners, specs, _ = make_team(unit.planner_spec, unit.n_agents)
    asking = [spec for planner, spec in zip(planners, specs) if getattr(planner, "uses_models", False)]
    if not all("model" in spec for spec in asking):
        return None  # nobody knows which models it would really ask
    names = sorted({str(spec["model"]) for spec in asking})
    stand_in = _CountingModel()
    with ModelAccess({}, chat_models=dict.fromkeys(names, stand_in)) as models:
        episode = run_episode(
            unit.env,
            n_agents=unit.n_agents,
            planner=unit.planner_spec,
            topology=unit.topology_spec,
            seed=unit.seed,
            env_kwargs=unit.env_kwargs or None,
            max_steps=PROBE_STEPS,
            budgets=unit.budgets or None,
            models=models,
            **unit.settings,
        )
    decisions = sum(isinstance(event, Activation) for event in episode.events)
    calls = [event for event in episode.events if isinstance(event, LlmCall) and event.attempt == 0]
    if not calls:
        return None
    found = []
    for model in names:
        mine = [call for call in calls if call.model == model]
        read, written = sum(call.prompt_tokens for call in mine), sum(call.completion_tokens for call in mine)
        found.append(Thought(model, read / decisions, written / decisions))
    return found


class _CountingModel:
    """Counts the characters it is asked, and answers with the smallest JSON that fits."""

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None, params: Mapping[str, Any]
    ) -> Completion:
        """Answer; the tokens of the reply are reckoned from how many it may have."""
        said = smallest(schema or {"type": "object"})
        most = params.get("max_tokens") or USUAL_REPLY
        usage = Usage(sum(len(message.content) for message in messages) // CHARS_PER_TOKEN, most // REPLY_SHARE)
        return Completion(text=msgspec.json.encode(said).decode(), parsed=said, usage=usage)


def _decisions(unit: Unit) -> int:
    per_agent = unit.max_steps * unit.budgets.get("decisions_per_step", 1)
    return unit.n_agents * min(per_agent, unit.budgets.get("decisions_total", per_agent))


def _price(model: str, prices: Mapping[str, Price]) -> Price | None:
    return prices.get(model, FREE if provider_spec(model).free else None)
