"""One seat at the table: an agent's stage, plan, mailbox and counters. Plain data that the loop works on."""

from __future__ import annotations

from dataclasses import dataclass, field

from emcoop.cognitive_layer.grounding import PlanRunner
from emcoop.cognitive_layer.memory import Memory
from emcoop.cognitive_layer.plan import Message, Notice, Outcome, Planner
from emcoop.cognitive_layer.stages import Stage


@dataclass
class Seat:
    """State of one agent on the cognitive clock.

    Attributes:
        index: Agent index.
        planner: Who thinks here; None for a seat that is played from outside.
        stage: Current stage.
        runner: The plan in force and its progress.
        unread: Delivered messages not handled yet.
        kept: Messages the planner chose to keep (`wait`); they are shown again, but do not interrupt.
        notices: What monitors told it and it has not handled yet.
        outbox: Messages of a seat played from outside, sent before the next thinking.
        memory: What the agent remembers.
        last: How the last plan ended.
        reasoning_since: First round in which it reasons.
        spoken: Decisions since then.
        asked: Round in which its planner was asked and has not answered yet, else None.
        decisions, decisions_now: Decisions in the episode, and before the coming step.
        may_decide: Whether its planner could be asked once more when monitors looked at the plans.
        tokens: Tokens its models have taken in the episode.
        pause: Environment steps it still stands still, thinking.
        is_still: Whether an injected fault keeps it from thinking and acting before and in the coming step.
        messages_now, chars_now: Messages and characters sent before the coming step.
    """

    index: int
    planner: Planner | None
    stage: Stage = Stage.REASON
    runner: PlanRunner | None = None
    unread: list[Message] = field(default_factory=list)
    kept: list[Message] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    outbox: list[Message] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    last: Outcome | None = None
    reasoning_since: int = 1
    spoken: int = 0
    asked: int | None = None
    decisions: int = 0
    decisions_now: int = 0
    may_decide: bool = False
    tokens: int = 0
    pause: int = 0
    is_still: bool = False
    messages_now: int = 0
    chars_now: int = 0

    def is_ready(self) -> bool:
        """Say whether the environment may step as far as this agent is concerned."""
        if self.planner is None or self.is_still:
            return True
        settled = self.stage in (Stage.WAIT, Stage.EXECUTE)
        return settled and not self.unread and not self.notices and self.asked is None

    @property
    def thinks(self) -> bool:
        """Say whether there is a planner here, and no injected fault that keeps it from thinking."""
        return self.planner is not None and not self.is_still

    def begin_step(self) -> None:
        """Reset what is counted per environment step."""
        self.decisions_now = self.messages_now = self.chars_now = 0
