"""The channel: what each setting does to a copy, that settings do not disturb each other, and what talking is worth."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from cognitive_tools import Puppet, call, in_turn, of, plan, play, say, wait
from hypothesis import given, settings
from hypothesis import strategies as st

import emcoop
from emcoop.cognitive_layer.channel import make_channel_settings
from emcoop.cognitive_layer.mail import LOST, check_books
from emcoop.cognitive_layer.plan import EVERYONE, RESUME, Decision, Fact, Message, PlanningContext, Reaction
from emcoop.cognitive_layer.stages import I
from emcoop.cognitive_layer.tampering import BUFFER, ShuffleBuffer, garbled
from emcoop.cognitive_layer.topologies import make_topology
from emcoop.errors import ConfigError
from emcoop.rng import generator
from emcoop.trace import schema

N = 5


def listener() -> Puppet:
    """Return a puppet that only waits and reads."""
    return Puppet(lambda puppet, context: Decision(RESUME) if context.stage is I else wait(1))


def read_by(puppet: Puppet) -> list[tuple[int, Message]]:
    """Return `(step, message)` of everything a puppet was shown, in order."""
    return [(context.step, message) for context in puppet.contexts for message in context.unread]


def transports(result: Any, outcome: str) -> list[tuple[int, int, Any]]:
    return [(e.t, e.message, e.recipients) for e in of(result, schema.Transport) if e.outcome == outcome]


# Everything at once, at random ---------------------------------------------------------------------------------


class Wanderer(Puppet):
    """Walks, speaks and handles its messages at random; two with the same seed and seat do the same."""

    def __init__(self, seed: int, seat: int) -> None:
        super().__init__(lambda puppet, context: self._any_decision(context))
        self._rng = random.Random(f"{seed}/{seat}")

    def _any_decision(self, context: PlanningContext) -> Decision:
        rng = self._rng
        walk = plan(call("move", direction=rng.choice(("up", "down", "left", "right")), steps=rng.randint(1, 3))).plan
        reactions = tuple(self._any_reaction(m.id) for m in context.unread if rng.random() < 0.6)
        messages = tuple(self._any_message(context) for _ in range(rng.choice((0, 1, 2))))
        return Decision(rng.choice((walk, walk, RESUME if context.stage is I else None)), messages, reactions)

    def _any_message(self, context: PlanningContext) -> Message:
        rng = self._rng
        to = EVERYONE if rng.random() < 0.5 else tuple(rng.choices(range(-1, N + 1), k=rng.randint(0, 3)))
        values = (rng.randrange(99), [rng.randrange(9), rng.randrange(9)], rng.choice(("block1", "block2")), True, 0.5)
        facts = {f"fact{k}": Fact(value, context.step) for k, value in enumerate(rng.sample(values, rng.randint(0, 3)))}
        return Message(to, rng.choice(("inform", "request", "free")), "dig here " * rng.randint(0, 2), facts)

    def _any_reaction(self, message: int) -> Reaction:
        label: Any = self._rng.choice(("consume", "wait", "discard", "reroute"))
        return Reaction(message, label, (self._rng.randrange(N),) if label == "reroute" else ())


CHANNELS = st.fixed_dictionaries(
    {},
    optional={
        "delay": st.integers(1, 3),
        "delay_steps": st.integers(1, 3),
        "loss": st.sampled_from((0.3, 0.9)),
        "range": st.integers(0, 5),
        "bandwidth": st.sampled_from((3, 25)),
        "corruption": st.sampled_from((0.3, 1.0)),
        "duplicate": st.sampled_from((0.3, 1.0)),
        "control": st.sampled_from((None, "shuffle", "mute")),
    },
)
GRAPH = {"name": "graph", "edges": [[0, 1], [1, 2], [3, 1]], "directed": True}
TOPOLOGIES: tuple[Any, ...] = (
    "decentralized", "debate", "hybrid", "tree", "ring", "star", {"name": "range", "r": 2}, GRAPH,
)  # fmt: skip


def places(events: Sequence[schema.Event]) -> dict[int, list[list[int]]]:
    """Return where agents are, step by step."""
    cells, found = [[0, 0] for _ in range(N)], {}
    for event in events:
        if isinstance(event, schema.World):
            for agent, cell in zip(event.agents, event.to):
                cells[agent] = cell
        found[event.t] = [list(cell) for cell in cells]
    return found


def apart(cells: Sequence[Sequence[int]], a: int, b: int) -> int:
    return max(abs(cells[a][0] - cells[b][0]), abs(cells[a][1] - cells[b][1]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), topology=st.sampled_from(TOPOLOGIES), channel=CHANNELS)
def test_whatever_teams_do_the_channel_keeps_its_word(seed: int, topology: Any, channel: Mapping[str, Any]) -> None:
    def once() -> Any:
        team = [Wanderer(seed, seat) for seat in range(N)]
        return play(team, topology=topology, channel=channel, seed=seed, max_steps=8)

    result = once()
    assert result.status == "completed", result.error
    assert once().digest == result.digest, "the same seed gives the same trace"

    check_books(Counter(of(result, schema.End)[0].counters))
    cells, sent = places(result.events), {m.id: m for m in of(result, schema.Message)}
    graph = make_topology(topology, N)[0]
    for e in (e for e in of(result, schema.Transport) if e.outcome == "delivered"):
        message = sent[e.message]
        assert e.t >= message.t + channel.get("delay_steps", 0)
        assert e.c >= message.c + 1 + channel.get("delay", 0)
        if hasattr(graph, "move"):
            graph.move(cells[message.t])
        to = graph.reachable(message.sender) if e.recipients == EVERYONE else e.recipients
        assert set(to) <= set(graph.reachable(message.sender)), "nothing reaches those the topology keeps apart"
        far = channel.get("range", 99)
        assert all(apart(cells[message.t], message.sender, agent) <= far for agent in to)


# One setting at a time -----------------------------------------------------------------------------------------


def test_a_message_may_take_steps() -> None:
    reader = listener()
    result = play([in_turn(say(1), wait(20)), reader], topology="decentralized", channel={"delay_steps": 3})
    assert [step for step, _ in read_by(reader)] == [3]
    assert [t for t, _, _ in transports(result, "delivered")] == [3]


def test_steps_and_rounds_of_delay_both_have_to_pass() -> None:
    reader = listener()
    channel = {"delay_steps": 2, "delay": 4}
    result = play([in_turn(say(1), wait(20)), reader], topology="decentralized", channel=channel)
    (delivered,) = (e for e in of(result, schema.Transport) if e.outcome == "delivered")
    assert (delivered.t >= 2, delivered.c) == (True, 1 + 1 + 4)


def test_range_counts_cells_at_the_time_of_sending_diagonals_as_one() -> None:
    walk = plan(call("move", direction="right", steps=3))
    speaker = in_turn(Decision(walk.plan, (Message(EVERYONE, "inform"),)), say(1, 2, 3), wait(20))
    team = [speaker, listener(), listener(), listener()]
    result = play(team, [(0, 0), (2, 2), (3, 0), (1, 5)], topology="decentralized", channel={"range": 2})
    assert [e[1:] for e in transports(result, "out_of_range")] == [(0, [2, 3]), (1, [2])]
    assert [e[1:] for e in transports(result, "delivered")] == [(0, [1]), (1, [1, 3])]


def test_bandwidth_sends_so_many_characters_a_step_one_message_after_the_other() -> None:
    texts = ("x" * 10, "y" * 5, "", "z" * 12)
    speech = Decision(None, tuple(Message((1,), "inform", text) for text in texts))
    reader = listener()
    result = play([in_turn(speech, wait(20)), reader], topology="decentralized", channel={"bandwidth": 10})
    assert [(step, m.text) for step, m in read_by(reader)] == [(0, texts[0]), (1, texts[1]), (1, ""), (2, texts[3])]
    assert [message for _, message, _ in transports(result, "delayed")] == [1, 2, 3]


def test_a_long_message_takes_several_steps_and_what_is_not_used_is_gone() -> None:
    late = Decision(None, (Message((1,), "inform", "b" * 4, {"key": Fact(12345, 0)}),))
    reader = listener()
    talker = in_turn(Decision(wait(6).plan, (Message((1,), "inform", "a" * 25),)), late, wait(20))
    play([talker, reader], topology="decentralized", channel={"bandwidth": 10}, max_steps=12)
    assert [step for step, _ in read_by(reader)] == [2, 7], "25 characters in 3 steps; 4 + 3 + 5 in 2"


def test_what_is_under_way_at_the_horizon_expires() -> None:
    chatter = in_turn(say(1, text="x" * 50), wait(20))
    result = play([chatter, listener()], topology="decentralized", channel={"bandwidth": 5}, max_steps=4)
    counters = of(result, schema.End)[0].counters
    assert (counters["expired"], counters["delayed"], counters.get("delivered", 0)) == (1, 1, 0)


def test_a_duplicate_comes_a_round_later_and_is_counted() -> None:
    reader = listener()
    channel = {"duplicate": 1.0}
    result = play([in_turn(say(1, text="dig"), wait(20)), reader], topology="decentralized", channel=channel)
    delivered = [e.c for e in of(result, schema.Transport) if e.outcome == "delivered"]
    assert delivered == [2, 3]
    assert [m.text for _, m in read_by(reader)] == ["dig", "dig"]
    counters = of(result, schema.End)[0].counters
    assert (counters["copies"], counters["duplicated"], counters["delivered"], counters["consume"]) == (1, 1, 2, 2)


def test_corruption_hits_each_copy_by_itself_and_is_noted() -> None:
    speech = Decision(wait(20).plan, (Message(EVERYONE, "commit", "go to block4", {"door": Fact([3, 4], 0)}),))
    readers = [listener() for _ in range(30)]
    result = play(
        [in_turn(speech), *readers], size=32, topology="decentralized", channel={"corruption": 0.5}, max_steps=3
    )
    got = {k: m for k, reader in enumerate(readers, 1) for _, m in read_by(reader)}
    spoilt = [k for k, m in got.items() if m.text != "go to block4"]
    assert transports(result, "corrupted") == [(0, 0, spoilt)]
    assert 5 < len(spoilt) < 25
    assert len({got[k].text for k in spoilt}) > 5, "noise differs from copy to copy"


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=12) | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def shape(value: Any) -> Any:
    """Return the types in a value."""
    if isinstance(value, Mapping):
        return {key: shape(entry) for key, entry in value.items()}
    return [shape(entry) for entry in value] if isinstance(value, (list, tuple)) else type(value)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(max_size=30), st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.integers(0, 99))
def test_noise_keeps_types_keys_lengths_and_signs(text: str, values: Mapping[str, Any], seed: int) -> None:
    message = Message((1,), "commit", text, {key: Fact(value, 3) for key, value in values.items()}, 0, 7)
    noisy = garbled(message, generator(seed))
    assert (noisy.recipients, noisy.kind, noisy.sender, noisy.id) == ((1,), "commit", 0, 7)
    assert len(noisy.text) == len(text)
    assert all(after in (before, "#") for before, after in zip(text, noisy.text))
    assert list(noisy.facts) == list(values)
    for key, fact in noisy.facts.items():
        assert fact.step == 3
        assert shape(fact.value) == shape(values[key])
        if isinstance(values[key], int) and values[key] >= 0:
            assert fact.value >= 0
    if any(character.isalnum() for character in text):
        assert noisy != message


def test_noise_moves_cells_by_one_numbers_a_little_and_swaps_names() -> None:
    facts = {"cell": [5, 9, 3], "count": 100, "from": "block1", "to": "block2", "ready": True}
    message = Message((1,), "inform", "", {key: Fact(value, 0) for key, value in facts.items()})
    seen: dict[str, set[Any]] = {key: set() for key in facts}
    for seed in range(80):
        for key, fact in garbled(message, generator(seed)).facts.items():
            seen[key].add(tuple(fact.value) if isinstance(fact.value, list) else fact.value)
    assert seen["cell"] == {(5, 9, 3), (4, 9, 3), (6, 9, 3), (5, 8, 3), (5, 10, 3)}
    assert seen["count"] == {95, 100, 105}
    assert seen["from"] == seen["to"] == {"block1", "block2"}
    assert seen["ready"] == {True, False}


# Shuffle ---------------------------------------------------------------------------------------------------------


def numbered(seat: int) -> Puppet:
    """Return a puppet that says something of its own at every step, whatever it hears."""

    def answer(puppet: Puppet, context: PlanningContext) -> Decision:
        if context.stage is I:
            return Decision(RESUME)
        said = Message(EVERYONE, "inform", f"{seat} at {context.step}", {f"at{seat}": Fact(context.step, context.step)})
        return Decision(wait(1).plan, (said,))

    return Puppet(answer)


@pytest.mark.parametrize("topology", ["decentralized", "debate", "ring"])
def test_shuffle_changes_contents_and_nothing_else(topology: str) -> None:
    def run(control: str | None) -> tuple[Any, list[Puppet]]:
        team = [numbered(seat) for seat in range(4)]
        return play(team, topology=topology, channel={"control": control}, max_steps=10), team

    (plain, heard), (shuffled, mixed) = run(None), run("shuffle")
    for before, after in zip(heard, mixed):
        envelopes = [[(step, m.sender, m.id) for step, m in read_by(puppet)] for puppet in (before, after)]
        assert envelopes[0] == envelopes[1], "the same messages from the same senders at the same times"
    assert [e for e in plain.events if isinstance(e, (schema.Message, schema.Transport))] == [
        e for e in shuffled.events if isinstance(e, (schema.Message, schema.Transport))
    ]
    said = {m.id: m.text for m in of(shuffled, schema.Message)}
    read = {m.id: (m.text, m.facts) for puppet in mixed for _, m in read_by(puppet)}
    assert [text == said[message] for message, (text, _) in sorted(read.items())] == [True] + [False] * (len(read) - 1)
    assert all(f"at{text[0]}" in facts for text, facts in read.values()), "text and facts stay together"


def test_the_shuffle_buffer_lets_every_content_travel_about_once() -> None:
    buffer = ShuffleBuffer(generator(5))
    out = [int(buffer.swap(Message((0,), "inform", str(k))).text) for k in range(500)]
    assert all(carried < k for k, carried in enumerate(out) if k), "nobody carries its own"
    after = Counter(out[BUFFER:])
    assert max(after.values()) == 1, "once the buffer is full nothing travels twice"
    assert len(set(range(500)) - set(out)) <= BUFFER, "what never travels is what the buffer holds at the end"


# Effects do not disturb each other -------------------------------------------------------------------------------


def hits(channel: Mapping[str, Any], outcome: str) -> list[Any]:
    """Return which copies an effect hits in a team whose messages do not depend on what it hears."""
    team = [numbered(seat) for seat in range(N)]
    return [e[1:] for e in transports(play(team, topology="decentralized", channel=channel), outcome)]


@pytest.mark.parametrize("others", [{"corruption": 0.5, "duplicate": 0.5}, {"delay": 1, "delay_steps": 2}])
def test_switching_on_other_effects_leaves_the_losses_as_they_are(others: Mapping[str, Any]) -> None:
    alone = hits({"loss": 0.3}, "dropped")
    assert alone
    assert hits({"loss": 0.3, **others}, "dropped") == alone
    assert hits({"loss": 0.3, "control": "shuffle", **others}, "dropped") == alone


def pairs(found: list[Any]) -> set[tuple[int, int]]:
    """Return `(message, recipient)` of the copies; in these teams everybody speaks in order, so the sender is known."""
    return {
        (message, agent)
        for message, to in found
        for agent in (range(N) if to == EVERYONE else to)
        if agent != message % N
    }


def test_losses_leave_the_other_effects_as_they_are_for_copies_that_get_through() -> None:
    lost = pairs(hits({"loss": 0.3}, "dropped"))
    for effect, outcome in (("corruption", "corrupted"), ("duplicate", "duplicated")):
        alone = pairs(hits({effect: 0.4}, outcome))
        assert pairs(hits({effect: 0.4, "loss": 0.3}, outcome)) == alone - lost


def test_distance_leaves_losses_as_they_are_for_those_near_enough() -> None:
    lost, far = pairs(hits({"loss": 0.3}, "dropped")), pairs(hits({"range": 2}, "out_of_range"))
    assert far & lost
    assert pairs(hits({"loss": 0.3, "range": 2}, "dropped")) == lost - far
    assert pairs(hits({"loss": 0.3, "range": 2}, "out_of_range")) == far


def test_loss_draws_as_it_always_did() -> None:
    draws = generator(0, "channel").random(N - 1)
    first = hits({"loss": 0.3}, "dropped")[0]
    assert first == (0, [agent for agent, draw in zip(range(1, N), draws) if draw < 0.3])


# What talking is worth -------------------------------------------------------------------------------------------


def team_on_cube(topology: Any, channel: Mapping[str, Any], seed: int) -> Any:
    return emcoop.run_episode(
        "Cube-v0", n_agents=16, planner="team", topology=topology, seed=seed, max_steps=120, channel=channel
    )


def test_shuffled_contents_make_the_team_worse() -> None:
    gains = []
    for seed in range(12):
        right, wrong = (team_on_cube("centralized", channel, seed) for channel in ({}, {"control": "shuffle"}))
        gains.append(right.metrics["progress_auc"] - wrong.metrics["progress_auc"])
    draws = np.random.default_rng(0).integers(0, len(gains), (4000, len(gains)))
    low = np.quantile(np.array(gains)[draws].mean(axis=1), 0.05)
    assert low > 0, f"one-sided 95 % bootstrap bound of what contents are worth: {low:.4f}"


@pytest.mark.parametrize("channel", [{"delay": 2}, {"delay_steps": 2}, {"bandwidth": 2}, {"range": 2}])
def test_what_comes_late_or_not_at_all_changes_plans(channel: Mapping[str, Any]) -> None:
    def plans(result: Any) -> list[tuple[int, int, str]]:
        return [(p.t, p.agent, p.task) for p in of(result, schema.Plan) if p.event == "commit"]

    assert plans(team_on_cube("centralized", channel, 0)) != plans(team_on_cube("centralized", {}, 0))


@pytest.mark.parametrize("topology", ["centralized", "tree", "decentralized", "ring", "debate"])
def test_the_team_planner_survives_every_channel(topology: str) -> None:
    channel = {"loss": 0.2, "corruption": 0.5, "duplicate": 0.3, "delay": 1, "bandwidth": 30, "control": "shuffle"}
    for env_id, n in (("Cube-v0", 8), ("MACrafter-L3-v0", 4)):
        result = emcoop.run_episode(
            env_id, n_agents=n, planner="team", topology=topology, seed=3, max_steps=25, channel=channel
        )
        assert result.status == "completed", result.error
        counters = of(result, schema.End)[0].counters
        assert counters["corrupted"] > 0
        assert counters["copies"] + counters.get("duplicated", 0) == counters["delivered"] + sum(
            counters.get(fate, 0) for fate in LOST
        )


# Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"delay_steps": -1}, "delay_steps=-1 does not fit: give a whole number of steps >= 0"),
        ({"delay": True}, "delay=True does not fit: give a whole number of rounds"),
        ({"range": 1.5}, "range=1.5 does not fit: give a whole number of cells >= 0"),
        ({"bandwidth": 0}, "bandwidth=0 does not fit: give a whole number of characters per step >= 1"),
        ({"corruption": 2}, "corruption=2 does not fit: give a probability from 0 to 1"),
        ({"duplicate": "often"}, "duplicate='often' does not fit: give a probability"),
        ({"loss": float("nan")}, "loss=nan does not fit: give a probability"),
        ({"control": "shuffel"}, "control='shuffel' does not exist: choose 'mute'"),
        ({"bandwith": 3}, "did you mean 'bandwidth'"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(given: Mapping[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_channel_settings(given)


def test_only_what_was_set_is_recorded() -> None:
    assert msgspec.to_builtins(make_channel_settings({"range": 3, "delay": 0})) == {"range": 3}
