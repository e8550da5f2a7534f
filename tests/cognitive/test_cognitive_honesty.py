"""Honest information: planners know what they see and what they are told, and nothing else."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from cognitive_tools import SCRIPT, TOPOLOGIES, Puppet, in_turn, of, play, wait

import emcoop
from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.episode import Session
from emcoop.cognitive_layer.loop import Loop
from emcoop.cognitive_layer.mail import PostOffice
from emcoop.cognitive_layer.memory import Memory
from emcoop.cognitive_layer.plan import PlanningContext, Privileged, SeatSetup
from emcoop.cognitive_layer.planners import make_team
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.topologies import make_topology
from emcoop.envs.cube.embodiment import CubeEmbodiment
from emcoop.envs.cube.env import CubeEnv
from emcoop.envs.cube.knowledge import Knowledge
from emcoop.envs.cube.view import Block, CubeMap
from emcoop.envs.cube.world import World
from emcoop.envs.embodiment import MeetingPoints
from emcoop.trace import TraceWriter, schema

SEED = 3_141_592_653_589_793
ORDINARY: tuple[Any, ...] = ("random", "greedy", "team", SCRIPT)
HANDLES = (
    CubeEmbodiment, CubeEnv, World, Knowledge, MeetingPoints, Session, Loop, Seat, PostOffice, Recorder, TraceWriter,
    Privileged,
)  # fmt: skip
PLAIN = (str, bytes, bool, float, complex, type(None), type, types.ModuleType)


# The walker --------------------------------------------------------------------------------------------------


def parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield whatever can be reached from a thing in one step: items, attributes, what functions have captured."""
    if isinstance(thing, Mapping):
        for key, value in thing.items():
            yield "key", key
            yield f"[{key!r}]", value
    elif isinstance(thing, (list, tuple, set, frozenset, deque, range)):
        yield from ((f"[{i}]", item) for i, item in enumerate(thing))
    elif isinstance(thing, types.MethodType):
        yield from (("__self__", thing.__self__), ("__func__", thing.__func__))
    elif isinstance(thing, types.FunctionType):
        cells = zip(thing.__code__.co_freevars, thing.__closure__ or ())
        yield from ((f"<{name}>", cell.cell_contents) for name, cell in cells)
        yield from (("default", value) for value in thing.__defaults__ or ())
        yield from (thing.__kwdefaults__ or {}).items()
    elif isinstance(thing, functools.partial):
        yield from (("func", thing.func), ("args", thing.args), ("keywords", thing.keywords))
    elif isinstance(thing, np.random.Generator):
        yield "state", thing.bit_generator.state
        yield "seed_seq", getattr(thing.bit_generator, "_seed_seq", None)
    elif isinstance(thing, np.ndarray):
        yield "base", thing.base
    if isinstance(thing, msgspec.Struct):
        yield from ((name, getattr(thing, name)) for name in thing.__struct_fields__)
    for cls in type(thing).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(thing, name) and not isinstance(thing, (types.FunctionType, msgspec.Struct)):
                yield name, getattr(thing, name)
    yield from getattr(thing, "__dict__", {}).items()


def walk(root: Any, depth: int = 12) -> Iterator[tuple[str, Any]]:
    """Yield every object within `depth` steps of a root, once, with the way to it."""
    seen = {id(root)}
    keep = [root]
    todo = deque([("", root, 0)])
    while todo:
        way, thing, far = todo.popleft()
        yield way, thing
        if far == depth or isinstance(thing, PLAIN):
            continue
        for name, part in parts(thing):
            if id(part) not in seen:
                seen.add(id(part))
                keep.append(part)
                todo.append((f"{way}.{name}", part, far + 1))


def leaks(root: Any, session: Session, own_memory: Memory) -> list[str]:
    """Return the ways from a root to anything a seat may not have."""
    found = []
    arrays = [array for _, array in walk(session.world) if isinstance(array, np.ndarray) and array.size]
    for way, thing in walk(root):
        forbidden = isinstance(thing, HANDLES) or (isinstance(thing, Memory) and thing is not own_memory)
        if isinstance(thing, np.ndarray):
            forbidden = any(np.may_share_memory(thing, array) for array in arrays)
        if isinstance(thing, (int, np.integer)) and not isinstance(thing, bool):
            forbidden = int(thing) == SEED
        if isinstance(thing, str):
            forbidden = str(SEED) in thing
        if forbidden:
            found.append(f"{way}: {type(thing).__name__}")
    return found


class Probe:
    """A planner that thinks like another and shows its setup and contexts to an inspector first."""

    immediate = True

    def __init__(self, inner: Any, inspect: Callable[[Probe, PlanningContext], None]) -> None:
        self.inner, self._inspect = inner, inspect
        self.privileged = False

    def reset(self, setup: SeatSetup) -> None:
        self.setup = setup
        self.inner.reset(setup)

    async def decide(self, context: PlanningContext) -> Any:
        self._inspect(self, context)
        return await self.inner.decide(context)


def inspect_team(
    planner: Any, topology: str, inspect: Callable[[Session, Probe, PlanningContext], None], **settings: Any
) -> None:
    n = 4
    sessions: list[Session] = []

    def show(probe: Probe, context: PlanningContext) -> None:
        inspect(sessions[0], probe, context)

    team = [Probe(inner, show) for inner in make_team(planner, n)[0]]
    session = Session("Cube-v0", n_agents=n, planner=team, topology=topology, seed=SEED, max_steps=60, **settings)
    sessions.append(session)
    drive(session.run())


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("planner", ORDINARY, ids=lambda p: p if isinstance(p, str) else p["name"])
@pytest.mark.parametrize("sight", [None, 3])
def test_no_planner_can_reach_what_it_may_not_know(planner: Any, topology: str, sight: int | None) -> None:
    looked = []

    def inspect(session: Session, probe: Probe, context: PlanningContext) -> None:
        if len(looked) < 24:
            looked.append(context.step)
            context.view.text()
            own = [context, probe.setup, probe.inner]
            assert leaks(own, session, context.memory) == []
            assert probe.setup.privileged is None

    inspect_team(planner, topology, inspect, env_kwargs={"sight": sight} if sight else {})
    assert len(looked) > 4


def test_the_walker_finds_what_is_hidden() -> None:
    """The walker would see a leak: it reaches the world from a privileged setup and through closures."""
    session = Session("Cube-v0", n_agents=2, planner="oracle", seed=SEED, max_steps=3)
    oracle = session._planners[0]
    assert any("CubeEmbodiment" in leak for leak in leaks(oracle, session, Memory()))
    world = session.world
    hidden = {"deep": [lambda: world.env]}
    assert any("CubeEnv" in leak for leak in leaks(hidden, session, Memory()))
    assert any("ndarray" in leak for leak in leaks([world.env.world.agents[0, 1:]], session, Memory()))
    assert leaks({"seed": (SEED,)}, session, Memory())
    assert leaks([Memory()], session, Memory())


def test_with_limited_sight_nothing_beyond_it_is_reachable() -> None:
    far_agent, far_block, near_block = (31, 33), (23, 27), (4, 6)
    sizes = {"size": 40, "env_kwargs": {"sight": 3}}
    first = in_turn(wait(20))
    other = in_turn(wait(20))
    play([first, other], [(4, 4), far_agent], blocks=[(*near_block, 1), (*far_block, 2)], **sizes)
    cells = set()
    for _, thing in walk([first.contexts[0], first.setup]):
        if isinstance(thing, (tuple, list)) and len(thing) in (2, 3) and all(type(x) is int for x in thing):
            cells.add(tuple(thing[:2]))
    assert near_block in cells
    assert not cells & {far_agent, far_block}
    text = first.contexts[0].view.text()
    assert "(31, 33)" not in text
    assert "rows 23-24" not in text
    assert [task.id.partition("/")[0] for task in first.contexts[0].view.tasks()] == ["block0"]
    assert list(first.contexts[0].view.travel("block0/left", [0, 1])) == [1, 10**6]


def test_a_team_with_limited_sight_knows_only_what_was_within_sight_at_some_time() -> None:
    sight = 3
    seen: dict[int, set[tuple[int, Block]]] = {}

    def inspect(session: Session, probe: Probe, context: PlanningContext) -> None:
        known: CubeMap = context.view.map
        row, col = known.agents[context.view.me]
        assert all(max(abs(r - row), abs(c - col)) <= sight for r, c in known.agents.values())
        assert set(known.blocks.items()) <= seen[probe.setup.seat]

    def look(world: Any) -> None:
        cells, blocks = world.env.snapshot()["agents"], world.env.snapshot()
        for me, (row, col) in enumerate(cells.tolist()):
            for b, (r, c) in enumerate(blocks["block_positions"].tolist()):
                w = int(blocks["block_weights"][b])
                gap = max(r - row, row - (r + w - 1), c - col, col - (c + w - 1))
                if gap <= sight and not blocks["delivered"][b]:
                    seen.setdefault(me, set()).add((b, Block(r, c, w)))

    sessions: list[Session] = []
    team = [Probe(p, lambda probe, context: inspect(sessions[0], probe, context)) for p in make_team("random", 5)[0]]
    seen.update({me: set() for me in range(5)})
    session = Session("Cube-v0", n_agents=5, planner=team, seed=SEED, max_steps=150, env_kwargs={"sight": sight})
    sessions.append(session)
    while not session.over:
        look(session.world)
        drive(session.think())
        session.act()
    assert session.finish().status == "completed"
    assert any(blocks for blocks in seen.values())


def test_what_agents_share_cannot_be_changed_by_one_of_them() -> None:
    def vandal(puppet: Puppet, context: PlanningContext) -> Any:
        known = context.view.map
        for shared in (known.agents, known.blocks):
            with pytest.raises(TypeError):
                shared[0] = (0, 0)
        with pytest.raises(AttributeError):
            context.step = 5
        return wait(20)

    assert play([Puppet(vandal)]).status == "completed"


# What messages are worth -------------------------------------------------------------------------------------


def plans_of(result: Any) -> list[tuple[int, int, str]]:
    return [(p.t, p.agent, p.task) for p in of(result, schema.Plan) if p.event == "commit"]


@pytest.mark.parametrize("topology", ["centralized", "decentralized"])
def test_without_messages_the_team_does_worse(topology: str) -> None:
    heard, deaf = [], []
    for seed in range(20):
        both = [
            emcoop.run_episode(
                "Cube-v0", n_agents=16, planner="team", topology=topology, seed=seed, max_steps=200, channel=channel
            )
            for channel in ({}, {"control": "mute"})
        ]
        assert plans_of(both[0]) != plans_of(both[1])
        heard.append(both[0].metrics["progress_auc"])
        deaf.append(both[1].metrics["progress_auc"])
    gain = np.array(heard) - np.array(deaf)
    draws = np.random.default_rng(0).integers(0, len(gain), (4000, len(gain)))
    low = np.quantile(gain[draws].mean(axis=1), 0.05)
    assert gain.mean() > 0
    assert low > 0, f"one-sided 95 % bootstrap bound of the gain from messages: {low:.4f}"
    assert (gain > 0).sum() >= 15, "sign test: 15 of 20 or more has a chance of 2 % under no effect"


@pytest.mark.parametrize("planner", ["greedy", "random"])
def test_planners_that_need_no_messages_do_the_same_without(planner: str) -> None:
    def steps(channel: Mapping[str, Any]) -> Any:
        result = emcoop.run_episode(
            "Cube-v0", n_agents=6, planner=planner, topology="decentralized", seed=2, max_steps=60, channel=channel
        )
        return [s.actions for s in of(result, schema.Step)]

    assert steps({}) == steps({"control": "mute"})


def test_alone_the_team_agrees_on_nothing() -> None:
    """Under `individual`, agents that see the same choose by chance, each from its own generator."""
    result = emcoop.run_episode("Cube-v0", n_agents=16, planner="team", topology="individual", seed=0, max_steps=2)
    first = [p.task for p in of(result, schema.Plan) if p.event == "commit" and p.t == 0]
    assert len(set(first)) > 1
    assert make_topology("individual", 16)[0].reachable(3) == ()
    assert not of(result, schema.Message)
