"""Carries out the faults of an episode, and writes each into the trace where it takes effect."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from emcoop.cognitive_layer.channel import Harm
from emcoop.cognitive_layer.faults import ANYBODY, FIRST_HIDDEN, MESSAGE_KINDS, STILL_KINDS, FaultSpec, leaders_of
from emcoop.cognitive_layer.plan import EVERYONE, Fact, Message
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.tampering import altered
from emcoop.cognitive_layer.topologies import Topology
from emcoop.envs.embodiment import Embodiment
from emcoop.rng import generator, pick
from emcoop.trace import schema

MOST_DRAWS = 100
"""Draws of a saboteur for another primitive than its plan's, before it does nothing."""

MOST_SAID = 64
"""Different texts remembered per kind of fact."""

_NUMBER, _DIGITS = re.compile(r"[\d,:]+"), re.compile(r"[0-9]{1,9}")


class Faults:
    """The faults of one episode.

    Args:
        specs: What was asked for, checked.
        seed: Episode seed.
        topology: Who leads.
        world: Whose agents are blindfolded, and whose actions saboteurs take.
        recorder: The trace.
    """

    def __init__(
        self, specs: Sequence[FaultSpec], seed: int, topology: Topology, world: Embodiment, recorder: Recorder
    ) -> None:
        self._recorder = recorder
        self._world = world
        chance = {k: generator(seed, "fault", k) for k in range(len(specs))}
        self._messages = [(spec, chance[k]) for k, spec in enumerate(specs) if spec.kind in MESSAGE_KINDS]
        self._agents = [
            (spec, agent, chance[k])
            for k, spec in enumerate(specs)
            if spec.kind not in MESSAGE_KINDS
            for agent in (leaders_of(topology, world.n_agents) if spec.kind == "remove_leader" else [spec.agent])
        ]
        self._said = Sayings() if any(spec.kind == "corrupt_fact" for spec in specs) else None
        self.corrupted: set[int] = set()

    # Agents ----------------------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Write what comes into force with the coming step."""
        for spec, agent, _ in self._agents:
            hidden = spec.kind == "hide_observation"
            first = max(spec.at, FIRST_HIDDEN) if hidden else spec.at
            if self._recorder.t == first and spec.is_in_force(first):
                self._write(spec, agent, until=spec.until)

    def still(self) -> set[int]:
        """Return the agents that neither think nor act now."""
        return self._hit(STILL_KINDS, self._recorder.t)

    def blind(self) -> set[int]:
        """Return the agents that will learn nothing from what can be seen after the coming step."""
        return self._hit(("hide_observation",), self._recorder.t + 1)

    def _hit(self, kinds: Sequence[str], step: int) -> set[int]:
        return {agent for spec, agent, _ in self._agents if spec.kind in kinds and spec.is_in_force(step)}

    def sabotaged(self, actions: Sequence[int]) -> list[int]:
        """Return a joint action with other primitives in place of those of saboteurs that are not standing still."""
        done, still = list(actions), self.still()
        for spec, agent, chance in self._agents:
            if spec.kind == "saboteur" and spec.is_in_force(self._recorder.t) and agent not in still:
                done[agent] = self._other(agent, done[agent], chance)
        return done

    def _other(self, agent: int, meant: int, chance: np.random.Generator) -> int:
        """Draw a primitive that is not the one that was meant."""
        space = self._world.env.action_space(self._world.env.possible_agents[agent])
        for _ in range(MOST_DRAWS):
            drawn = self._world.primitive(_sample(space, chance))
            if drawn != meant:
                return drawn
        return self._world.noop

    # Messages --------------------------------------------------------------------------------------------------------

    def redirect(self, message: Message, recipients: list[int], reachable: Sequence[int]) -> list[int]:
        """Return who gets a message in place of those it was addressed to.

        Args:
            message: The message, as sent.
            recipients: Those of its recipients that it can be sent to.
            reachable: Whom the sender may write to.
        """
        for spec, chance in self._in_force(message, True):
            others = [agent for agent in reachable if agent not in recipients]
            if message.recipients == EVERYONE or not others or not recipients:
                continue
            swapped = [others.pop(pick(chance, len(others))) if others else old for old in recipients]
            self._write(
                spec, message.sender, message=message.id, recipients=sorted(swapped), **{"from": list(recipients)}
            )
            recipients = sorted(swapped)
        return recipients

    def meddle(self, message: Message, recipients: Sequence[int]) -> Harm:
        """Return what happens on its way to a message whose copies would arrive.

        Args:
            message: The message, as it left.
            recipients: Whose copies.
        """
        if self._said is not None:
            self._said.note(message)
        harm = Harm(message)
        for spec, chance in self._in_force(message, False):
            if harm.lost:
                continue
            detail: dict[str, Any] = {"message": message.id, "recipients": list(recipients)}
            if spec.kind == "drop_message":
                harm = replace(harm, lost=True)
            elif spec.kind == "delay_message":
                harm = replace(harm, late=harm.late + spec.delay)
                detail["delay"] = spec.delay
            elif spec.kind == "duplicate_message":
                harm = replace(harm, twice=True)
            elif (changed := self._corrupt(harm.message, chance)) is None:
                continue
            else:
                key, spoilt = changed
                detail.update(key=key, value=spoilt.facts[key].value, true=harm.message.facts[key].value)
                harm = replace(harm, message=spoilt)
                self.corrupted.add(message.id)
            self._write(spec, message.sender, **detail)
        return harm

    def _in_force(self, message: Message, swaps: bool) -> list[tuple[FaultSpec, np.random.Generator]]:
        """Return the faults, swaps of recipients or others, that hit a message, each by a draw of its own."""
        return [
            (spec, chance)
            for spec, chance in self._messages
            if (spec.kind == "swap_recipients") == swaps
            and spec.is_in_force(self._recorder.t)
            and spec.agent in (ANYBODY, message.sender)
            and (spec.chance == 1 or chance.random() < spec.chance)
        ]

    def _corrupt(self, message: Message, chance: np.random.Generator) -> tuple[str, Message] | None:
        """Give one fact of a message, drawn, another value of its type; None if there is none that has another."""
        assert self._said is not None
        keys = list(message.facts)
        first = pick(chance, len(keys)) if keys else 0
        for key in keys[first:] + keys[:first]:
            fact = message.facts[key]
            value = _another(fact.value, self._said.like(key), _texts(message), chance)
            if value != fact.value:
                facts = {**message.facts, key: Fact(value, fact.step)}
                return key, replace(message, facts=facts)
        return None

    def _write(self, spec: FaultSpec, agent: int, **detail: Any) -> None:
        self._recorder.emit(schema.Fault(fault=spec.kind, agent=agent, detail=detail))


class Sayings:
    """The texts that facts of each kind have had in an episode: what a corrupted one could say as well."""

    def __init__(self) -> None:
        self._by_kind: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def note(self, message: Message) -> None:
        """Take in the facts of a message."""
        for key, fact in message.facts.items():
            known = self._by_kind[_kind(key)]
            for text in _texts_in(fact.value):
                if len(known) < MOST_SAID:
                    known[text] = None

    def like(self, key: str) -> list[str]:
        """Return what facts of the same kind have said, oldest first, if that was more than one thing."""
        known = list(self._by_kind.get(_kind(key), ()))
        return known if len(known) > 1 else []


def _another(value: Any, alike: Sequence[str], nearby: Sequence[str], chance: np.random.Generator) -> Any:
    """Return another value of the same type, one that could be meant if possible, or the value itself.

    Args:
        value: The value.
        alike: What facts of the same kind have said.
        nearby: What the other facts of the message say.
        chance: The generator of the draws.
    """
    number = _DIGITS.search(value) if isinstance(value, str) and not alike else None
    if number is None:
        return altered(value, alike or nearby, chance)
    return f"{value[: number.start()]}{altered(int(number[0]), (), chance)}{value[number.end() :]}"


def _kind(key: str) -> str:
    """Return a key without its numbers: `cell:3,4` and `cell:5,6` are of one kind."""
    return _NUMBER.sub("", key)


def _texts(message: Message) -> list[str]:
    return [text for fact in message.facts.values() for text in _texts_in(fact.value)]


def _texts_in(value: Any) -> list[str]:
    """Return a text, or the texts in a list or dict of them."""
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else (value,)
    return [text for text in inside if isinstance(text, str)]


def _sample(space: Any, chance: np.random.Generator) -> Any:
    """Draw an action of a discrete space, or of a dict of such."""
    if isinstance(getattr(space, "spaces", None), Mapping):
        return {name: _sample(part, chance) for name, part in space.spaces.items()}
    return int(getattr(space, "start", 0)) + pick(chance, int(space.n))
