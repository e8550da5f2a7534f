"""`emcoop play`: a person plays one seat with the keyboard."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emcoop.cli.model_options import with_models
from emcoop.cli.play_screen import HELP_KEY, QUIT_KEYS, TALK_KEY, Event, Screen
from emcoop.cli.settings import EnvSettings, TopologyName, read_planners, read_settings, read_topology
from emcoop.errors import ConfigError, InfrastructureError, PlannerError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emcoop.cli.play_talk import Talk
    from emcoop.cognitive_layer.episode import Session

BRIEF_SECONDS = 0.2
"""What the others think in less is not worth telling; it would only flicker."""


@with_models
def play(
    env: Annotated[str, typer.Argument(metavar="ENV", help="Environment id, see `emcoop list`.")],
    agents: Annotated[int | None, typer.Option("--agents", help="Team size (default: the environment's).")] = None,
    partners: Annotated[
        list[str] | None,
        typer.Option(
            "--partners",
            metavar="NAME[:OPTIONS]",
            help="Planner of the other seats (default greedy), such as llm:openai/gpt-4o-mini,prompts=short; repeat it "
            "to give one each.",
        ),
    ] = None,
    seat: Annotated[int, typer.Option("--seat", help="Index of the agent you play.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Episode seed.")] = 0,
    topology: TopologyName = "individual",
    max_steps: Annotated[int | None, typer.Option("--max-steps", help="Episode length in steps.")] = None,
    settings: EnvSettings = None,
    trace: Annotated[Path | None, typer.Option("--trace", help="Write the trace here (.jsonl or .jsonl.gz).")] = None,
    models: dict[str, Any] | None = None,
) -> None:
    """Play one seat in a window: one key is one step, and planners play the other seats.

    The window lists the keys of the environment. In all of them arrows and WASD move, Enter opens a line to talk to the
    others, h shows help, q and Escape leave; at the end the window shows the score and the metrics. It needs pygame,
    the extra `window` of the package.
    """
    from emcoop.cli.play_talk import Talk
    from emcoop.cognitive_layer.episode import Session, check_seed
    from emcoop.cognitive_layer.seat_view import team_around
    from emcoop.registration import make_embodiment

    given = {name: value for name, value in (("n_agents", agents), ("max_steps", max_steps)) if value is not None}
    env_kwargs = read_settings(settings)
    world = make_embodiment(env, render_mode="rgb_array", **given, **env_kwargs)
    if not 0 <= seat < world.n_agents:
        raise ConfigError(f"--seat {seat} does not fit: give an agent index from 0 to {world.n_agents - 1}")
    if not getattr(world.env, "keys", None):
        raise ConfigError(f"{env} names no keys for a person: choose one of {', '.join(_playable())}")
    planners = read_planners(partners or ["greedy"])
    team = team_around(seat, planners[0] if len(planners) == 1 else planners, world.n_agents)
    # The window opens before anything is written, so that a missing screen leaves nothing behind.
    world.reset(check_seed(seed))
    screen = Screen(env, world, seat)
    try:
        screen.show([("text", "The others get ready ...")])
        session = Session(
            env,
            planner=team,
            topology=read_topology(topology),
            seed=seed,
            env_kwargs=env_kwargs,
            models=models,
            played=(seat,),
            world=world,
            trace=trace,
        )
        _play(screen, session, Talk(session, seat, topology), trace)
    finally:
        screen.window.close()
        world.env.close()


def _playable() -> Iterator[str]:
    """Yield the ids of environments that name keys."""
    from emcoop.registration import environment_specs, load

    return (spec.id for spec in environment_specs().values() if getattr(load(spec.parallel), "keys", None))


def _play(screen: Screen, session: Session, talk: Talk, trace: Path | None) -> None:
    """Play an episode to its end, unless the person leaves, and say what came of it."""
    try:
        ended = _take_turns(screen, session, talk)
    except (InfrastructureError, PlannerError) as error:
        status = "infra_error" if isinstance(error, InfrastructureError) else "agent_error"
        session.finish(status, str(error))
        print(f"emcoop: the episode ended with {status}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    except BaseException:
        session.abandon()
        raise
    where = f"{screen.env_id}, seat {screen.seat}"
    if not ended:
        session.abandon()
        print(
            f"{where}: left after {screen.step} steps at score {screen.score}; an episode that is left has no metrics"
        )
        return
    result = session.finish()
    print(f"{where}: score {screen.score}, {result.steps} steps; ", end="")
    print(f"trace: {trace}" if trace else "trace: not kept, add --trace FILE")
    print(", ".join(f"{name} {value:.4g}" for name, value in sorted(result.metrics.items()) if not math.isnan(value)))
    screen.show(screen.end_lines(result))
    screen.window.wait_key()


def _take_turns(screen: Screen, session: Session, talk: Talk) -> bool:
    """Play until the end; return False if the person leaves before."""
    outcome = session.first
    while not session.over:
        if not _let_think(screen, session, talk):
            return False
        talk.listen(screen.step)
        action = _ask(screen, outcome.events, talk)
        if action is None:
            return False
        outcome = session.act({screen.seat: action})
        screen.step += 1
    return True


def _let_think(screen: Screen, session: Session, talk: Talk) -> bool:
    """Let the others think; return False if the person closes the window meanwhile."""
    from emcoop.cognitive_layer.asking import drive

    if session.is_immediate:
        drive(session.think())
        return True
    notice = screen.compose([*screen.state_lines(), ("text", "The others think ..."), *talk.lines()])
    return _run_aside(screen, session.think(), notice)


def _run_aside(screen: Screen, thought: Coroutine[Any, Any, None], notice: NDArray[np.uint8]) -> bool:
    """Run a coroutine on another thread while the window stays alive; closing the window cancels it.

    Args:
        screen: The window.
        thought: What is run.
        notice: Frame to show if it takes its time.
    """
    import asyncio

    loop = asyncio.new_event_loop()
    task = loop.create_task(thought)
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    stayed, begun = False, time.monotonic()
    try:
        screen.window.wait_until(lambda: not thread.is_alive() or time.monotonic() - begun > BRIEF_SECONDS)
        if thread.is_alive():
            screen.present(notice)
        stayed = screen.window.wait_until(lambda: not thread.is_alive())
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
    if stayed:
        task.result()
    elif not task.cancelled():
        task.exception()  # whatever went wrong meanwhile, the person has left
    return stayed


def _ask(screen: Screen, events: Sequence[Event], talk: Talk) -> int | None:
    """Show the state and wait for a key that is an action; None if the person leaves."""
    while True:
        screen.show(screen.turn_lines(events, talk.lines()))
        key = screen.window.wait_key()
        if key == TALK_KEY:
            talk.converse(screen)
            if screen.window.closed:
                return None
            continue
        if key == HELP_KEY:
            for page in screen.help_pages():
                screen.show(page)
                key = screen.window.wait_key()
                if key in QUIT_KEYS or screen.window.closed:
                    return None
            continue
        if key in QUIT_KEYS or screen.window.closed:
            return None
        if screen.is_gone:
            return int(screen.world.noop)
        if key in screen.keys:
            return int(screen.keys[key])
