"""Messages: whatever agents do to each other, every copy is accounted for once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest
from cognitive_tools import Puppet, call, check_stages, in_turn, of, plan, play, say, wait
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.episode import Session
from emcoop.cognitive_layer.mail import check_books
from emcoop.cognitive_layer.plan import EVERYONE, RESUME, Decision, Fact, Message, PlanningContext, Reaction
from emcoop.cognitive_layer.stages import I
from emcoop.cognitive_layer.topologies import make_topology
from emcoop.errors import EmCoopError
from emcoop.trace import schema

N = 4
FINAL = ("consume", "discard", "reroute", "unread")
LOST = ("dropped", "expired", "muted", "out_of_range", "not_permitted", "over_budget", "no_such_agent")
ON_THE_WAY = ("delayed", "corrupted", "duplicated")
TOPOLOGIES = (
    "individual", "centralized", "debate", "decentralized", "hybrid", "tree", "ring", "star", "grid", "small_world",
)  # fmt: skip


class Chatterbox(Puppet):
    """Sends, plans and reacts at random, to agents it may and may not reach, or that do not exist."""

    def __init__(self, seed: int, seat: int) -> None:
        super().__init__(lambda puppet, context: self._any_decision(context))
        self._rng = random.Random(f"{seed}/{seat}")

    def _any_decision(self, context: PlanningContext) -> Decision:
        rng = self._rng
        plans = [plan(call("wait", steps=rng.randint(1, 4))).plan, RESUME if context.stage is I else None]
        return Decision(
            rng.choice(plans),
            tuple(self._any_message(context) for _ in range(rng.choice((0, 0, 1, 2)))),
            tuple(self._any_reaction(message.id) for message in context.unread if rng.random() < 0.7),
        )

    def _any_message(self, context: PlanningContext) -> Message:
        rng = self._rng
        to = EVERYONE if rng.random() < 0.4 else tuple(rng.choices(range(-1, N + 2), k=rng.randint(0, 3)))
        facts = {f"agent{rng.randrange(N)}": Fact([rng.randrange(9), 0], context.step)} if rng.random() < 0.5 else {}
        return Message(to, rng.choice(("inform", "commit", "free")), "x" * rng.randrange(20), facts)

    def _any_reaction(self, message: int) -> Reaction:
        label: Any = self._rng.choice(("consume", "wait", "discard", "reroute"))
        to = tuple(self._rng.choices(range(-1, N + 1), k=2)) if label == "reroute" else ()
        return Reaction(message, label, to)


@cache
def reach(topology: str, sender: int) -> Sequence[int]:
    """Return whom an agent reaches: a table for the four plain topologies, the topology's own word for the others."""
    others = [i for i in range(N) if i != sender]
    plain = {
        "individual": [],
        "centralized": others if sender == 0 else [0],
        "debate": list(range(sender + 1, N)),
        "decentralized": others,
    }
    return plain[topology] if topology in plain else make_topology(topology, N)[0].reachable(sender)


def copies(events: Sequence[schema.Event], topology: str) -> tuple[Counter[Any], Counter[Any]]:
    """Return what became of each copy on its way, and of each delivered copy at its reader, from the trace."""
    sender = {e.id: e.sender for e in events if isinstance(e, schema.Message)}
    fate: Counter[Any] = Counter()
    label: Counter[Any] = Counter()
    for e in events:
        if isinstance(e, schema.Transport):
            to = reach(topology, sender[e.message]) if e.recipients == EVERYONE else e.recipients
            assert len(to) == e.count
            fate.update((e.message, agent, e.outcome) for agent in to)
        elif isinstance(e, schema.Reaction) and e.label in FINAL:
            label.update((message, e.agent) for message in e.messages)
    return fate, label


CHANNELS = st.fixed_dictionaries(
    {},
    optional={
        "loss": st.sampled_from((0.3, 1.0)),
        "delay": st.integers(1, 3),
        "delay_steps": st.integers(1, 3),
        "range": st.integers(0, 3),
        "bandwidth": st.sampled_from((5, 20)),
        "corruption": st.sampled_from((0.3, 1.0)),
        "duplicate": st.sampled_from((0.3, 1.0)),
        "control": st.sampled_from(("mute", "shuffle")),
    },
)
BUDGETS = st.fixed_dictionaries(
    {},
    optional={
        "messages_per_step": st.integers(1, 3),
        "message_chars_per_step": st.integers(1, 40),
        "decisions_per_step": st.integers(1, 4),
        "rounds_per_step": st.integers(1, 9),
    },
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    topology=st.sampled_from(TOPOLOGIES),
    channel=CHANNELS,
    budgets=BUDGETS,
    thinking=st.sampled_from((1, 1, 2, [1, 3])),
)
def test_the_books_balance(
    seed: int, topology: str, channel: Mapping[str, Any], budgets: Mapping[str, Any], thinking: Any
) -> None:
    team = [Chatterbox(seed, seat) for seat in range(N)]
    result = play(
        team, topology=topology, channel=channel, budgets=budgets, thinking_rounds=thinking, seed=seed, max_steps=15
    )
    assert result.status == "completed", result.error
    check_stages(result.events, N)
    fate, label = copies(result.events, topology)
    fates: Counter[Any] = Counter()
    for (message, agent, outcome), count in fate.items():
        if outcome in ON_THE_WAY:
            assert count == 1, "what happens on the way is noted once"
        else:
            fates[message, agent] += count
    assert all(count == 1 + fate[(*copy, "duplicated")] for copy, count in fates.items()), "each copy has one fate"
    delivered = {(message, agent): k for (message, agent, outcome), k in fate.items() if outcome == "delivered"}
    assert label == delivered, "each delivered copy is handled once, or left unread"

    counters = of(result, schema.End)[0].counters
    by_outcome: Counter[str] = Counter()
    for (_, _, outcome), count in fate.items():
        by_outcome[outcome] += count
    names = (*LOST, *ON_THE_WAY, "delivered")
    assert {name: counters.get(name, 0) for name in names} == {name: by_outcome[name] for name in names}
    assert counters.get("copies", 0) + by_outcome["duplicated"] == sum(fates.values())
    if channel.get("control") == "mute":
        assert by_outcome["delivered"] == 0


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), topology=st.sampled_from(TOPOLOGIES), delay=st.integers(0, 2))
def test_only_what_was_in_the_context_is_handled(seed: int, topology: str, delay: int) -> None:
    team = [Chatterbox(seed, seat) for seat in range(N)]
    result = play(team, topology=topology, channel={"delay": delay}, seed=seed, max_steps=15)
    shown: dict[int, set[int]] = {}
    asked = [0] * N
    for activation in of(result, schema.Activation):
        if activation.outcome != "forced":
            context = team[activation.agent].contexts[asked[activation.agent]]
            shown[activation.id] = {message.id for message in context.unread}
            asked[activation.agent] += 1
    assert asked == [puppet.asked for puppet in team]
    handled: dict[int, set[int]] = {}
    for reaction in of(result, schema.Reaction):
        if reaction.activation >= 0:
            handled.setdefault(reaction.activation, set()).update(reaction.messages)
    assert handled == {activation: ids for activation, ids in shown.items() if ids}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), topology=st.sampled_from(TOPOLOGIES))
def test_nobody_reads_what_was_not_sent_to_it(seed: int, topology: str) -> None:
    team = [Chatterbox(seed, seat) for seat in range(N)]
    result = play(team, topology=topology, seed=seed, max_steps=15)
    fate, _ = copies(result.events, topology)
    sent = {m.id: m for m in of(result, schema.Message)}
    for me, puppet in enumerate(team):
        for message in (message for context in puppet.contexts for message in context.unread):
            assert fate[message.id, me, "delivered"] == 1
            assert me in reach(topology, message.sender)
            assert message.sender == sent[message.id].sender


# One thing at a time -----------------------------------------------------------------------------------------


def react(label: Any, *to: int) -> Puppet:
    """Return a puppet that treats every message alike."""

    def answer(puppet: Puppet, context: PlanningContext) -> Decision:
        reactions = tuple(Reaction(message.id, label, to) for message in context.unread)
        return Decision(RESUME if context.stage is I else wait(2).plan, (), reactions)

    return Puppet(answer)


def labels(result: Any) -> list[tuple[str, list[int]]]:
    return [(e.label, e.messages) for e in of(result, schema.Reaction)]


def test_a_message_that_is_kept_is_shown_again_but_does_not_interrupt_again() -> None:
    keeper = react("wait")
    result = play([in_turn(say(1), wait(20)), keeper], topology="decentralized", max_steps=6)
    assert [(c.step, c.stage.value, len(c.unread)) for c in keeper.contexts] == [
        (0, "R", 0), (0, "I", 1), (2, "R", 1), (4, "R", 1),
    ]  # fmt: skip
    assert labels(result) == [*[("wait", [0])] * 3, ("unread", [0])]


def test_facts_of_consumed_messages_are_remembered_others_not() -> None:
    for label, known in (("consume", 7), ("discard", None)):
        reader = react(label)
        play([in_turn(say(1, door=7), wait(20)), reader], topology="decentralized")
        fact = reader.contexts[-1].memory.facts.get("door")
        assert (fact and fact.value) == known


def test_a_rerouted_message_comes_from_whom_rerouted_it() -> None:
    reader = in_turn(Decision(None), Decision(None), wait(20))
    middle = react("reroute", 2)
    result = play([in_turn(say(1, text="dig"), wait(20)), middle, reader], topology="decentralized")
    assert [(m.sender, m.text) for c in reader.contexts for m in c.unread] == [(1, "dig")]
    forwarded = of(result, schema.Message)[1]
    by = next(a for a in of(result, schema.Activation) if forwarded.id in a.messages)
    assert by.agent == 1
    assert [e.to for e in of(result, schema.Reaction) if e.label == "reroute"] == [[2]]


def test_a_newer_fact_replaces_an_older_one() -> None:
    def tell(value: int, step: int) -> Decision:
        return Decision(None, (Message((1,), "inform", facts={"door": Fact(value, step)}),))

    reader = in_turn(*[Decision(None)] * 4, wait(20))
    play([in_turn(tell(1, 5), tell(2, 3), tell(3, 5), wait(20)), reader], topology="decentralized")
    seen = reader.contexts[-1].memory.facts["door"]
    assert (seen.value, seen.step, seen.source) == (3, 5, 0)


def test_checkable_facts_are_checked_when_sent_and_again_in_later_steps_in_which_they_are_read() -> None:
    def react(puppet: Puppet, context: PlanningContext) -> Decision:
        kept = tuple(Reaction(message.id, "wait") for message in context.unread) if context.step < 2 else ()
        return Decision(wait(1).plan, (), kept)

    walk = plan(call("move", direction="down", steps=1))
    talker = in_turn(say(1, 2, agent0=[0, 0], agent1=[9, 9], mood="good"), walk, wait(20))
    readers = [Puppet(react), Puppet(react)]
    result = play([talker, *readers], agents=[(0, 0), (5, 0), (8, 0)], topology="decentralized")
    assert [(e.t, e.key, e.when, e.true) for e in of(result, schema.Claim)] == [
        (0, "agent0", "sent", True),
        (0, "agent1", "sent", False),
        (2, "agent0", "read", False),
        (2, "agent1", "read", False),
    ]


def test_books_that_do_not_balance_are_an_error() -> None:
    with pytest.raises(EmCoopError, match="do not reconcile"):
        check_books(Counter(copies=2, delivered=1))
    with pytest.raises(EmCoopError, match="does not reconcile"):
        check_books(Counter(copies=1, delivered=1))
    with pytest.raises(EmCoopError, match="do not reconcile with those handled"):
        check_books(Counter(copies=1, delivered=1, consume=1))
    check_books(Counter(copies=3, delivered=2, dropped=1, rendered=1, consume=1, unread=1))
    check_books(Counter(copies=2, duplicated=1, delivered=2, out_of_range=1, rendered=5, consume=2, wait=3))


def test_a_second_copy_that_comes_while_the_first_is_thought_about_is_not_lost() -> None:
    reader = react("consume")
    sender = in_turn(say(1), wait(20))
    result = play([sender, reader], topology="decentralized", channel={"duplicate": 1.0}, thinking_rounds=3)
    assert result.status == "completed", result.error
    assert [(e.agent, e.label, e.messages) for e in of(result, schema.Reaction)] == [(1, "consume", [0])] * 2


def test_the_books_are_closed_after_a_planner_fails() -> None:
    def fail(puppet: Puppet, context: PlanningContext) -> Any:
        if context.unread:
            raise RuntimeError("lost for words")
        return Decision(None)

    chatter = Puppet(lambda puppet, context: say(1, 2, plan=None if context.stage is not I else RESUME))
    result = play([chatter, Puppet(fail), react("wait")], topology="decentralized", channel={"delay": 1})
    counters = of(result, schema.End)[0].counters
    assert (result.status, counters["delivered"], counters["unread"]) == ("agent_error", 2, 2)
    assert counters["expired"] == 2
    check_books(Counter(counters))


def test_a_seat_played_from_outside_reads_its_messages_when_it_takes_them() -> None:
    told = in_turn(say(1, text="left", door=7), wait(20))
    session = Session(
        "Cube-v0", n_agents=2, planner=[told, in_turn(wait(1))], topology="decentralized", played=[1], max_steps=4
    )
    for step in range(4):
        drive(session.think())
        heard = session.heard(1)
        assert [(m.sender, m.text) for m in heard] == ([(0, "left")] if step == 0 else [])
        session.act({1: 0})
    result = session.finish()
    assert [(e.agent, e.activation, e.label, e.messages) for e in of(result, schema.Reaction)] == [
        (1, -1, "consume", [0])
    ]
    counters = of(result, schema.End)[0].counters
    assert (counters["rendered"], counters["consume"]) == (1, 1)


def test_messages_that_everybody_passes_on_do_not_multiply_without_end() -> None:
    """Three agents that pass every message on to both others: without a bound the copies double in every round."""

    def pass_on(puppet: Puppet, context: PlanningContext) -> Any:
        others = tuple(i for i in range(3) if i != context.view.me)
        reroutes = tuple(Reaction(m.id, "reroute", others) for m in context.unread)
        plan = RESUME if context.stage is I else wait(1).plan
        first = (Message(others, "request", "whose is this?"),) if context.step == 0 and puppet.asked == 1 else ()
        return Decision(plan, first, reroutes)

    result = play([Puppet(pass_on) for _ in range(3)], topology="decentralized", max_steps=6)
    assert result.status == "completed", result.error
    counters = of(result, schema.End)[0].counters
    assert counters["copies"] < 200
    assert counters["expired"] > 0
    check_books(Counter(counters))
