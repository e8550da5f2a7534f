"""A person in the terminal thinks for a seat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emcoop.cognitive_layer.plan import (
    EVERYONE,
    RESUME,
    Decision,
    Message,
    Notice,
    Outcome,
    Plan,
    PlanningContext,
    Resume,
    SeatSetup,
)
from emcoop.cognitive_layer.planners.terminal import TERMINAL
from emcoop.cognitive_layer.planners.typed import (
    agents_in_words,
    call_in_words,
    message_in_words,
    read_calls,
    read_message,
    usage,
)
from emcoop.cognitive_layer.stages import I
from emcoop.envs.embodiment import TaskView
from emcoop.errors import ConfigError, InfrastructureError, unknown_name

COMMANDS = (
    ("CONCEPT name=value ...", "commit a plan of this call; several calls are separated by ; (names may be left out)"),
    ("do TASK [COUNT]", "commit a plan that carries out a task, by its number or name, together with COUNT - 1 others"),
    ("say [1,2|all] KIND: TEXT", "send a message with your decision; words such as task=block1/left become facts"),
    ("resume", "go on with the plan you have"),
    ("listen", "no plan yet: hear first what the others say"),
    ("look", "what you know of the world, once more"),
    ("help", "this list and the concepts"),
    ("quit", "leave; the episode ends without a score"),
)


class PersonLeft(InfrastructureError):
    """The person at a seat left the episode: nobody's failure, and nothing to score."""


class HumanPlanner:
    """A person in the terminal: reads what the agent knows, types calls and messages."""

    def reset(self, setup: SeatSetup) -> None:
        """Take the seat."""
        self._setup = setup
        self._looked = -1
        TERMINAL.left = ""

    async def decide(self, context: PlanningContext) -> Decision:
        """Ask the person, while the planners of the other seats think.

        Raises:
            PersonLeft: The person wants to leave, or the input has ended.
        """
        return await TERMINAL.converse(lambda: self._ask(context))

    def _ask(self, context: PlanningContext) -> Decision:
        """Show the situation and read lines until one of them is a decision."""
        messages: list[Message] = []
        if not TERMINAL.left:
            self._show(context)
        while True:
            line = self._read(context)
            try:
                word, _, rest = line.partition(" ")
                if word == "say":
                    messages.append(read_message(rest.strip(), context.reachable, context.step))
                    TERMINAL.show(f"with your decision, {_heard_by(messages[-1], context)}", "cyan")
                elif word == "look":
                    self._look(context)
                elif word == "help":
                    self._help()
                elif line:
                    return Decision(self._plan(word, line, context), tuple(messages))
            except ConfigError as error:
                TERMINAL.show(str(error), "red")

    def _show(self, context: PlanningContext) -> None:
        """Show what there is to know; of the world itself only what was not shown at this step before."""
        when = f"step {context.step} of {context.step + context.steps_left}"
        who = f"agent {self._setup.seat} of {len(self._setup.names)}"
        TERMINAL.show(f"--- {who}, {when}, {_stage(context)}", "bold yellow")
        if self._looked != context.step:
            self._look(context)
        for style, line in _situation(self._setup, context):
            TERMINAL.show(line, style)

    def _look(self, context: PlanningContext) -> None:
        self._looked = context.step
        TERMINAL.show(context.view.text().rstrip())
        for style, line in _listed("Tasks", [_task(number, t) for number, t in enumerate(context.view.tasks(), 1)]):
            TERMINAL.show(line, style)

    def _read(self, context: PlanningContext) -> str:
        if not TERMINAL.left:
            TERMINAL.show(f"agent {self._setup.seat}> ", "bold", end="")
            line = TERMINAL.read()
            if line is not None and line.strip() != "quit":
                return line.strip()
            TERMINAL.left = f"the person at seat {self._setup.seat} left at step {context.step}"
            TERMINAL.show("" if line is not None else "\n(end of input)", "dim")
        raise PersonLeft(TERMINAL.left)

    def _plan(self, word: str, line: str, context: PlanningContext) -> Plan | Resume | None:
        """Return what a line decides for.

        Raises:
            ConfigError: It is nothing that can be decided now.
        """
        if word == "resume":
            if context.stage is not I:
                raise ConfigError("there is no plan to resume: give a call, do TASK, or listen")
            return RESUME
        if word == "listen":
            return None
        if word == "do":
            return _do(line.split()[1:], context)
        return Plan(read_calls(line, self._setup.concepts))

    def _help(self) -> None:
        for command, meaning in COMMANDS:
            TERMINAL.show(f"  {command}", "bold", end="")
            TERMINAL.show(f"  {meaning}")
        TERMINAL.show("Concepts:", "yellow")
        for concept in self._setup.concepts.values():
            TERMINAL.show(f"  {usage(concept)}", "bold", end="")
            TERMINAL.show(f"  {concept.description}", "dim")


def _do(words: Sequence[str], context: PlanningContext) -> Plan:
    """Return the view's recipe for a task."""
    tasks = context.view.tasks()
    if not 1 <= len(words) <= 2 or (len(words) == 2 and not _is_number(words[1])):
        raise ConfigError("write do TASK or do TASK COUNT, such as do 1 or do 1 2")
    name = words[0]
    listed = _is_number(name) and int(name) <= len(tasks)
    task = tasks[int(name) - 1] if listed else context.view.task(name)
    if task is None:
        raise unknown_name("task", name, [task.id for task in tasks])
    count = int(words[1]) if len(words) == 2 else task.required
    return Plan(context.view.recipe(task.id, count), task.id)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 9 and int(word) >= 1


# What is shown --------------------------------------------------------------------------------------------------------


def _situation(setup: SeatSetup, context: PlanningContext) -> Iterator[tuple[str, str]]:
    """Yield style and text of the lines that tell a person what came up and what it can do."""
    heard = [f"agent {m.sender}, {message_in_words(m, context.step)}" for m in context.unread]
    yield from _listed("Messages", heard)
    yield from _listed("Warnings", [_notice(notice) for notice in context.notices])
    if context.last is not None:
        yield "", f"Your last plan: {_outcome(context.last)}"
    if context.plan is not None:
        calls = [("> " if k == context.call else "") + call_in_words(call) for k, call in enumerate(context.plan.calls)]
        yield "", f"Your plan: {'; '.join(calls)}"
    reached = agents_in_words(context.reachable) if context.reachable else "nobody"
    yield "dim", f"You reach {reached} ({setup.topology}{_role(setup)}). Type help for what you can say."


def _stage(context: PlanningContext) -> str:
    asked = "you have a plan, and something came up" if context.stage is I else "you need a plan"
    return f"{asked}; {context.rounds_left} more rounds"


def _role(setup: SeatSetup) -> str:
    if setup.role == "peer":
        return ""
    return f", you are {setup.role}" + (f" of agent {setup.leader}" if 0 <= setup.leader != setup.seat else "")


def _listed(title: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    if lines:
        yield "yellow", f"{title}:"
        yield from (("", f"  {line}") for line in lines)


def _task(number: int, task: TaskView) -> str:
    agents = f"{task.required} agent" + ("s" if task.required != 1 else "")
    state = "" if task.available else ", not possible yet"
    return (
        f"{number}. {task.id}: takes {agents}, {task.in_place} in place, worth {task.value:g}, "
        f"{task.remaining} steps of work{state}"
    )


def _notice(notice: Notice) -> str:
    return (
        f"{notice.monitor}: {notice.task} by {agents_in_words(notice.who)} will fail by step {notice.when}: "
        f"{notice.constraint} has {notice.have}, needs {notice.need}"
    )


def _outcome(last: Outcome) -> str:
    at = "" if last.call is None else f" at {call_in_words(last.call)}"
    detail = ", ".join(f"{name} {value}" for name, value in last.detail.items())
    return f"{last.reason}{at}{f' ({detail})' if detail else ''}, step {last.step}"


def _heard_by(message: Message, context: PlanningContext) -> str:
    to = context.reachable if message.recipients == EVERYONE else message.recipients
    assert not isinstance(to, str)
    return f"{agents_in_words(to)} will hear {message_in_words(message, context.step)}"
