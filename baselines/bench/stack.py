"""The whole stack's cases: episodes of scripted teams with and without text and trace, and the layers apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from emcoop.baselines.bench.crafter_worlds import ENV_ID as CRAFTER
from emcoop.baselines.bench.floors import STEPS
from emcoop.baselines.bench.measuring import Case, Sample, repeated
from emcoop.baselines.bench.still_world import Constant, StillWorld
from emcoop.baselines.bench.worlds import ENV_ID, LONG, draw
from emcoop.cognitive_layer.asking import drive
from emcoop.cognitive_layer.episode import Session
from emcoop.cognitive_layer.plan import ActionCall, Decision, Plan, Planner, PlanningContext, SeatSetup
from emcoop.cognitive_layer.planners import make_team
from emcoop.envs.embodiment import NO_TASK
from emcoop.registration import make_embodiment

TEAM = 16
STEPS_PER_S = "env steps/s"
WARM_UP_STEPS = 3
ERRAND = (ActionCall("navigate", {"target": "goal"}), ActionCall("move", {"direction": "left", "steps": 10}))
ERRANDS = 10
CROWDED = {"grid_size": 40, "blocks": {1: 20, 2: 20, 4: 8}}

AfterStep = Callable[[Session], Any]
Make = Callable[[int, int], Session]


class Reader:
    """A planner that asks for its view as text before it lets another one decide.

    Args:
        planner: The other one; it must not wait for anything.
    """

    immediate = True

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def reset(self, setup: SeatSetup) -> None:
        """Prepare the other planner."""
        self._planner.reset(setup)

    async def decide(self, context: PlanningContext) -> Decision:
        """Read, then decide as the other planner does."""
        context.view.text()
        return await self._planner.decide(context)


def read_everything(session: Session) -> None:
    """Ask for every agent's view as text."""
    for agent in range(session.world.n_agents):
        session.world.view(agent).text()


def make_session(
    topology: str, seed: int, steps: int, *, text: bool, trace: Path | None, record: bool, env_id: str = ENV_ID
) -> Session:
    """Return an episode of `TEAM` team planners, ready to run."""
    team, _, _ = make_team("team", TEAM)
    planners = [Reader(planner) for planner in team] if text else team
    return Session(
        env_id,
        n_agents=TEAM,
        planner=planners,
        topology=topology,
        seed=seed,
        max_steps=steps,
        trace=trace,
        record=record,
    )


def run_session(session: Session, after_step: AfterStep | None = None) -> tuple[int, float]:
    """Run an episode to its end.

    Returns:
        Environment steps, and the CPU seconds spent thinking and stepping; building it and closing its trace are not
        counted.
    """
    start = time.process_time()
    if after_step is None:
        drive(session.run())
    else:
        while not session.over:
            drive(session.think())
            session.act()
            after_step(session)
    spent = time.process_time() - start
    session.writer.abandon()
    return session.recorder.t, spent


def episodes(make: Make, count: int, steps: int, after_step: AfterStep | None = None) -> Sample:
    """Return a sample of the same `count` episodes every time, so that all samples do the same work.

    Args:
        make: Given a seed and the most steps, returns an episode.
        count: How many, seeds 0 and up.
        steps: Most steps of each.
        after_step: Called after every step, its time included.
    """

    def sample(seconds: float) -> tuple[float, float]:
        if seconds == 0.0:
            return run_session(make(0, WARM_UP_STEPS), after_step)
        runs = [run_session(make(seed, steps), after_step) for seed in range(count)]
        return sum(done for done, _ in runs), sum(spent for _, spent in runs)

    return sample


def stack_cases(folder: Path, count: int, steps: int) -> list[Case]:
    """Return the cases of whole episodes.

    Args:
        folder: Where traces are written.
        count: Episodes per sample.
        steps: Most steps of an episode.
    """

    def case(name: str, text: bool, on_disk: bool = True, after: AfterStep | None = None, env_id: str = ENV_ID) -> Case:
        topology = name.rpartition("/")[2].partition("_")[0]
        trace = folder / f"{name.replace('/', '_')}.jsonl.gz" if on_disk else None

        def make(seed: int, most: int) -> Session:
            return make_session(topology, seed, most, text=text, trace=trace, record=on_disk, env_id=env_id)

        return Case(name, STEPS_PER_S, episodes(make, count, steps, after))

    return [
        case("stack/centralized", text=True),
        case("stack/individual", text=True),
        case("stack/centralized_no_text", text=False),
        case("stack/individual_no_text", text=False),
        case("stack/centralized_no_trace", text=False, on_disk=False),
        case("stack/individual_no_trace", text=False, on_disk=False),
        case("stack/individual_text_every_step", text=False, after=read_everything),
        *(
            case(f"ma_crafter/stack/{topology}{what}", text=not what, env_id=CRAFTER)
            for topology in ("centralized", "individual")
            for what in ("", "_no_text")
        ),
    ]


def layer_cases(steps: int) -> list[Case]:
    """Return the cases of the layers apart, with planners that take no time; trace on.

    `layer/execute`: in a world in which nothing happens, every agent carries out one plan that lasts the whole
    episode. `layer/decide`: every agent commits a plan of one step before every step; the difference is what a
    decision costs, its records included. `layer/walk`: in CUBE, every agent walks to the goal and back, again and
    again. `layer/world`: the same CUBE on random actions, without the cognitive layer, but with everything the layer
    asks of it in a step.
    """

    def still(wait: int | None) -> Make:
        def make(seed: int, most: int) -> Session:
            plan = Plan((ActionCall("wait", {"steps": wait or most + 1}),))
            team = [Constant(plan) for _ in range(TEAM)]
            return Session(ENV_ID, planner=team, world=StillWorld(TEAM, most), seed=seed)

        return make

    def walk(seed: int, most: int) -> Session:
        team = [Constant(Plan(ERRAND * ERRANDS)) for _ in range(TEAM)]
        return Session(ENV_ID, planner=team, n_agents=TEAM, max_steps=most, seed=seed)

    return [
        Case("layer/execute", STEPS_PER_S, episodes(still(None), 1, steps)),
        Case("layer/decide", STEPS_PER_S, episodes(still(1), 1, steps)),
        Case("layer/walk", STEPS_PER_S, episodes(walk, 1, steps)),
        Case("layer/world", STEPS_PER_S, repeated(world_alone(), 1)),
    ]


def world_alone() -> Callable[[], None]:
    """Return one step of CUBE as the cognitive layer takes it, on random actions."""
    world = make_embodiment(ENV_ID, n_agents=TEAM, max_steps=LONG)
    world.reset(0)
    actions = cycle([joint[0].tolist() for joint in draw(TEAM, 1, STEPS)])
    nothing = [NO_TASK] * TEAM

    def call() -> None:
        joint = next(actions)
        world.count(joint, nothing)
        outcome = world.step(joint)
        world.state_hash()
        world.configuration_hash()
        world.progress()
        if outcome.terminated:
            world.reset(0)

    return call


def trace_size(folder: Path, steps: int) -> tuple[int, int]:
    """Run a centralized episode on a board with more blocks than `steps` steps can deliver.

    Returns:
        Bytes of its compressed trace, and the steps it took.
    """
    path = folder / "size.jsonl.gz"
    session = Session(
        ENV_ID, n_agents=TEAM, planner="team", topology="centralized", max_steps=steps, env_kwargs=CROWDED, trace=path
    )
    drive(session.run())
    session.finish()
    return path.stat().st_size, session.recorder.t
