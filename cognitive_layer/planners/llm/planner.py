"""The planner that asks a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emcoop.cognitive_layer.models import split_model_name
from emcoop.cognitive_layer.models.chat import ChatMessage, Format
from emcoop.cognitive_layer.plan import RESUME, ActionCall, Decision, Plan, PlanningContext, Reaction, SeatSetup
from emcoop.cognitive_layer.planners.allocation import NOTHING
from emcoop.cognitive_layer.planners.llm.conversation import RUNGS, Conversation
from emcoop.cognitive_layer.planners.llm.extract import BadReply, find_object
from emcoop.cognitive_layer.planners.llm.notebook import Notebook
from emcoop.cognitive_layer.planners.llm.prompts import CHOICE, Prompts, load_prompts
from emcoop.cognitive_layer.planners.llm.reply import Answer, Frame, find_choice, read_answer, read_choice
from emcoop.cognitive_layer.planners.llm.schema import (
    EXTRAS,
    IDLE,
    Schema,
    choice_schema,
    decisions,
    offered,
    reply_schema,
)
from emcoop.cognitive_layer.planners.llm.schema import RESUME as KEEP
from emcoop.cognitive_layer.planners.llm.situation import NAMES, Situation, TaskRow, lasting, task_rows
from emcoop.cognitive_layer.planners.llm.speech import Speaker
from emcoop.cognitive_layer.stages import I
from emcoop.envs.embodiment import NO_TASK
from emcoop.errors import ConfigError, unknown_name

EPISODE = "episode"
"""`seed="episode"`: the seat's own generator gives the seed of its sampling."""


class LLMPlanner:
    """Asks a language model for plans and messages.

    Args:
        model: `provider/model`, see `emcoop.cognitive_layer.models`.
        prompts: `standard`, `short` (for very small models: they choose a task, and the rest is done for them), one
            of those with a version, or the path of a folder of your own.
        temperature: Sampling temperature; None leaves it to the provider.
        max_tokens: Tokens of a reply at most; None leaves it to the provider.
        format: The strictest format to ask for: `json_schema`, `json_object` or `text`; if the provider refuses it,
            the next one is used from then on.
        seed: Seed of the sampling: a number, `"episode"` (another one for every seat and episode), or None.
        params: Further sampling settings, as the provider names them.
        base_url: Where the provider's service is, if not at its usual place.
        feedback: Whether a leader adds to its messages what it sees of a task's constraints (EmCoop,
            arXiv 2603.00349, research question 3).
        share_news: Discoveries told along with the messages of one decision at most.
        memory: Own notes, own outcomes, messages and facts remembered in prompts, of each so many.

    Raises:
        ConfigError: An option does not fit.
    """

    uses_models = True

    def __init__(
        self,
        model: str,
        *,
        prompts: str = "standard",
        temperature: float | None = 0.0,
        max_tokens: int | None = 512,
        format: Format = "json_schema",
        seed: int | str | None = None,
        params: Mapping[str, Any] | None = None,
        base_url: str = "",
        feedback: bool = False,
        share_news: int = 6,
        memory: int = 6,
    ) -> None:
        _check_options(model, prompts, temperature, max_tokens, format, seed, params, base_url, feedback)
        for option, given, least in (("share_news", share_news, 0), ("memory", memory, 1)):
            if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= 100:
                raise ConfigError(f"{option}={given!r} does not fit: give a whole number from {least} to 100")
        self._model = model
        self._prompts: Prompts = load_prompts(prompts)
        unknown = sorted(self._prompts.uses - NAMES)
        if unknown:
            raise unknown_name(f"value in the prompts {prompts!r}", unknown[0], NAMES)
        chosen = {"temperature": temperature, "max_tokens": max_tokens}
        self._params = {**{key: item for key, item in chosen.items() if item is not None}, **(params or {})}
        self._format = format
        self._seed = seed
        self._options = {"base_url": base_url} if base_url else {}
        self._feedback = feedback
        self._share_news = share_news
        self._memory = memory

    def reset(self, setup: SeatSetup) -> None:
        """Prepare for an episode; the system prompt is made here, once.

        Raises:
            ConfigError: There is no access to models.
            PlannerError: The system template asks for what there is not.
        """
        if setup.models is None:
            raise ConfigError(
                "the llm planner needs access to language models, which this seat has not: run it by run_episode, "
                "Session or a sweep, or give SeatSetup its models"
            )
        params = dict(self._params)
        if self._seed is not None:
            params["seed"] = int(setup.rng.random() * 2**31) if self._seed == EPISODE else self._seed
        self._conversation = Conversation(
            setup.models, self._model, self._format, params, self._options, setup.keep_text
        )
        self._concepts = offered(setup.concepts)
        self._extras = frozenset(EXTRAS) - frozenset(setup.concepts)
        self._notebook = Notebook(setup.seat, setup.leader, self._memory)
        self._speaker = Speaker(setup, self._share_news, self._feedback)
        self._lasting = lasting(setup, self._concepts)
        self._schemas: dict[tuple[bool, ...], Schema] = {}
        turns = [ChatMessage("system", self._prompts.render("system", self._lasting))]
        for question, answer in self._prompts.manifest.examples:
            turns += [ChatMessage("user", question), ChatMessage("assistant", answer)]
        self._opening = turns

    async def decide(self, context: PlanningContext) -> Decision:
        """Ask the model, and turn its reply into a decision; without a usable one wait a step, or go on if interrupted.

        Raises:
            InfrastructureError: The service failed for good.
            PlannerError: The conversation does not fit the model, or a template cannot be filled in.
        """
        self._notebook.take_in(context)
        rows, more_tasks = task_rows(context, self._notebook.coming())
        shown, missed = self._notebook.show(context.unread, context.step)
        chooses = self._prompts.manifest.reply == CHOICE
        left = self._speaker.left(context.step)
        allowed = self._options_of(context, rows) if chooses else self._decisions(context)
        situation = Situation(context, self._notebook, rows, more_tasks, shown, allowed, *left, self._memory)
        values = {**self._lasting, **situation.values(self._prompts.uses)}
        turns = [*self._opening, ChatMessage("user", self._prompts.render("user", values))]

        def repair(problem: str) -> str:
            return self._prompts.render("repair", {**values, "problem": problem})

        reactions = tuple(Reaction(message, "discard") for message in missed)
        if chooses:
            schema = choice_schema(allowed)
            chosen = await self._conversation.ask(turns, schema, _chooser(allowed), repair)
            decision = self._chosen(context, chosen.answer)
            return Decision(decision.plan, decision.messages, reactions, chosen.calls, chosen.status)
        frame = Frame(self._concepts, self._extras, context.view, allowed, context.reachable, *left)
        result = await self._conversation.ask(turns, self._schema(context, allowed), _reader(frame), repair)
        decision = self._decided(context, result.answer)
        return Decision(decision.plan, decision.messages, reactions, result.calls, result.status)

    # What can be answered ------------------------------------------------------------------------------------------

    def _decisions(self, context: PlanningContext) -> list[str]:
        """Return what can be decided; talking on makes no sense in the last round."""
        return decisions(context.stage is I, bool(context.reachable) and context.rounds_left > 0)

    def _schema(self, context: PlanningContext, allowed: Sequence[str]) -> Schema:
        key = (context.stage is I, "talk" in allowed, bool(context.reachable))
        if key not in self._schemas:
            self._schemas[key] = reply_schema(self._concepts, allowed, key[2])
        return self._schemas[key]

    def _options_of(self, context: PlanningContext, rows: Sequence[TaskRow]) -> list[str]:
        """Return what a model that only chooses can choose from: the tasks that are possible now, if any are."""
        tasks = [row.id for row in rows if row.available] or [row.id for row in rows]
        return [*([KEEP] if context.stage is I else []), *tasks, IDLE]

    # From answers to decisions -------------------------------------------------------------------------------------

    def _decided(self, context: PlanningContext, answer: Answer | None) -> Decision:
        if answer is None:
            return _fallback(context)
        if answer.note:
            self._notebook.write(answer.note, context.step)
        plan: Any = None
        if answer.decision == "resume":
            plan = RESUME
        elif answer.decision == "plan":
            plan = Plan(answer.calls, answer.task, reasoning=answer.thought)
        current = context.plan.task if context.plan is not None else NO_TASK
        messages = self._speaker.write(context, answer.said, answer.task or current)
        self._note_orders(context, messages)
        return Decision(plan, messages)

    def _chosen(self, context: PlanningContext, choice: str | None) -> Decision:
        if choice is None:
            return _fallback(context)
        current = context.plan.task if context.plan is not None else NO_TASK
        resumed = choice == KEEP or (choice == current and context.stage is I)
        task = current if resumed else NO_TASK if choice == IDLE else choice
        seen = context.view.task(task) if task else None
        plan: Any = RESUME
        if not resumed:
            calls = context.view.idle() if seen is None else context.view.recipe(seen.id, seen.required)
            plan = Plan(calls, NO_TASK if seen is None else seen.id)
        told = seen.id if seen else NO_TASK
        said = self._speaker.announce(context, told, list(self._notebook.free), resumed)
        messages = self._speaker.write(context, said, NO_TASK)
        self._note_orders(context, messages)
        return Decision(plan, messages)

    def _note_orders(self, context: PlanningContext, messages: Sequence[Any]) -> None:
        """Remember who was asked to do what, until they say what they really do."""
        for message in messages:
            order = message.facts.get("order")
            if order is not None and order.value != NOTHING:
                for agent in context.reachable if isinstance(message.recipients, str) else message.recipients:
                    self._notebook.settle(agent, order.value)


def _fallback(context: PlanningContext) -> Decision:
    return Decision(
        RESUME if context.stage is I else Plan((ActionCall("wait", {"steps": 1}),), reasoning="no usable reply")
    )


def _reader(frame: Frame) -> Any:
    def read(text: str, finish_reason: str, lenient: bool) -> Answer:
        return read_answer(find_object(text, finish_reason), frame, lenient)

    return read


def _chooser(options: Sequence[str]) -> Any:
    def read(text: str, finish_reason: str, lenient: bool) -> str:
        try:
            data = find_object(text, finish_reason)
        except BadReply as bad:
            named = find_choice(text, options) if bad.status == "unparsed" and "{" not in text else None
            if named is None:
                raise
            return named
        return read_choice(data, options)

    return read


def _check_options(
    model: Any, prompts: Any, temperature: Any, max_tokens: Any, format: Any, seed: Any, params: Any, base_url: Any,
    feedback: Any,
) -> None:  # fmt: skip
    """Raise `ConfigError` for an option that does not fit."""

    def is_whole(given: Any, least: int) -> bool:
        return isinstance(given, int) and not isinstance(given, bool) and given >= least

    def check(fits: bool, option: str, given: Any, allowed: str) -> None:
        if not fits:
            raise ConfigError(f"{option}={given!r} does not fit: give {allowed}")

    split_model_name(model)
    check(isinstance(prompts, str), "prompts", prompts, "a name, or the path of a folder")
    number = isinstance(temperature, (int, float)) and not isinstance(temperature, bool) and 0 <= temperature <= 10
    check(temperature is None or number, "temperature", temperature, "a number from 0 to 10, or None")
    check(max_tokens is None or is_whole(max_tokens, 1), "max_tokens", max_tokens, "a whole number >= 1, or None")
    check(format in RUNGS, "format", format, f"one of {', '.join(RUNGS)}")
    check(
        seed is None or seed == EPISODE or is_whole(seed, 0), "seed", seed, f"a whole number >= 0, {EPISODE!r} or None"
    )
    check(params is None or (isinstance(params, Mapping) and "format" not in params), "params", params,
          "a mapping of sampling settings; the format has an option of its own")  # fmt: skip
    check(isinstance(base_url, str), "base_url", base_url, "an address, such as 'http://127.0.0.1:8080/v1'")
    check(isinstance(feedback, bool), "feedback", feedback, "True or False")
