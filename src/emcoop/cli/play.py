"""`emcoop play`: a person plays one seat with the keyboard."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emcoop.cli.settings import EnvSettings, read_settings
from emcoop.errors import ConfigError, InfrastructureError, PlannerError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emcoop.cognitive_layer.episode import EpisodeResult, Session

PANEL_WIDTH = 400
LEAST_HEIGHT = 512
HELP_KEY, QUIT_KEYS = "h", ("q", "escape")
MOST_EVENTS = 10
MOST_NAMED = 4
END_METRICS = (
    "progress_auc",
    "participation_satisfaction",
    "spatial_satisfaction",
    "temporal_satisfaction",
    "dependency_satisfaction",
    "attempts_total",
    "failed_attempts",
)
"""What the window shows at the end; the terminal gets every metric."""
_SAID = ("kind", "agents")
Line = tuple[str, str]
"""Style and text, see `emcoop.envs.window.text_panel`."""
Event = Mapping[str, Any]


def play(
    env: Annotated[str, typer.Argument(metavar="ENV", help="Environment id, see `emcoop list`.")],
    agents: Annotated[int | None, typer.Option("--agents", help="Team size (default: the environment's).")] = None,
    partners: Annotated[
        list[str] | None,
        typer.Option("--partners", help="Planner of the other seats (default greedy); repeat it to give one each."),
    ] = None,
    seat: Annotated[int, typer.Option("--seat", help="Index of the agent you play.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Episode seed.")] = 0,
    topology: Annotated[str, typer.Option("--topology", help="Who of the others may talk to whom.")] = "individual",
    max_steps: Annotated[int | None, typer.Option("--max-steps", help="Episode length in steps.")] = None,
    settings: EnvSettings = None,
    trace: Annotated[Path | None, typer.Option("--trace", help="Write the trace here (.jsonl or .jsonl.gz).")] = None,
) -> None:
    """Play one seat in a window: one key is one step, and planners play the other seats.

    The window lists the keys of the environment. In all of them arrows and WASD move, h shows help, q and Escape leave;
    at the end the window shows the score and the metrics. It needs pygame, the extra `window` of the package.
    """
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
    planners = partners or ["greedy"]
    team = team_around(seat, planners[0] if len(planners) == 1 else planners, world.n_agents)
    # The window opens before anything is written, so that a missing screen leaves nothing behind.
    world.reset(check_seed(seed))
    screen = Screen(env, world, seat)
    try:
        screen.show([("text", "The others get ready ...")])
        session = Session(
            env,
            planner=team,
            topology=topology,
            seed=seed,
            env_kwargs=env_kwargs,
            played=(seat,),
            world=world,
            trace=trace,
        )
        _play(screen, session, trace)
    finally:
        screen.window.close()
        world.env.close()


def _playable() -> Iterator[str]:
    """Yield the ids of environments that name keys."""
    from emcoop.registration import environment_specs, load

    return (spec.id for spec in environment_specs().values() if getattr(load(spec.parallel), "keys", None))


def _play(screen: Screen, session: Session, trace: Path | None) -> None:
    """Play an episode to its end, unless the person leaves, and say what came of it."""
    try:
        ended = _take_turns(screen, session)
    except (InfrastructureError, PlannerError) as error:
        status = "infra_error" if isinstance(error, InfrastructureError) else "agent_error"
        session.finish(status, str(error))
        print(f"emcoop: the episode ended with {status}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    except BaseException:
        session.writer.abandon()
        raise
    where = f"{screen.env_id}, seat {screen.seat}"
    if not ended:
        session.writer.abandon()
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


def _take_turns(screen: Screen, session: Session) -> bool:
    """Play until the end; return False if the person leaves before."""
    from emcoop.cognitive_layer.episode import run_async
    from emcoop.cognitive_layer.loop import drive

    outcome = session.first
    while not session.over:
        if session.is_immediate:
            drive(session.think())
        else:
            screen.show([*screen.state_lines(), ("text", "The others think ...")])
            run_async(session.think())
        action = _ask(screen, outcome.events)
        if action is None:
            return False
        outcome = session.act({screen.seat: action})
        screen.step += 1
    return True


def _ask(screen: Screen, events: Sequence[Event]) -> int | None:
    """Show the state and wait for a key that is an action; None if the person leaves."""
    while True:
        screen.show(screen.turn_lines(events))
        key = screen.window.wait_key()
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


class Screen:
    """The window of a person who plays, and what stands in it.

    Attributes:
        env_id: Environment.
        world: Its `Embodiment`.
        seat: Index of the played agent.
        keys: Name of a key -> action.
        window: The window.
        step: Steps taken.
    """

    def __init__(self, env_id: str, world: Any, seat: int) -> None:
        from emcoop.envs.window import Window

        self.env_id = env_id
        self.world = world
        self.seat = seat
        self.keys: Mapping[str, int] = world.env.keys
        self.window = Window(f"record an episode without one: emcoop run {env_id} --render gif")
        self.step = 0

    @property
    def is_gone(self) -> bool:
        """Whether the played agent has left the episode."""
        return self.world.env.possible_agents[self.seat] not in self.world.env.agents

    @property
    def score(self) -> str:
        """The score so far."""
        return f"{self.world.scores()[0]:.4g}"

    def show(self, lines: Sequence[Line]) -> None:
        """Show the world as it is, with lines of text beside it.

        Raises:
            ConfigError: There is no pygame or no screen.
        """
        import numpy as np

        from emcoop.envs.window import text_panel

        picture = self._picture()
        missing = max(LEAST_HEIGHT - len(picture), 0)
        picture = np.pad(picture, ((0, missing), (0, 0), (0, 0)))
        panel = text_panel(lines, len(picture), PANEL_WIDTH)
        frame = np.concatenate([picture, panel], axis=1)
        self.window.show(frame, f"EmCoop  {self.env_id}  step {self.step}  score {self.score}", 0)

    def _picture(self) -> NDArray[np.uint8]:
        """Return what the played agent sees if the environment draws that, else the whole world."""
        env = self.world.env
        picture: NDArray[np.uint8] = env.render_seat(self.seat) if hasattr(env, "render_seat") else env.render()
        return picture

    def state_lines(self) -> list[Line]:
        """Return who plays and how it stands."""
        score, points = self.world.scores()
        return [
            ("title", self.env_id),
            ("text", f"You are agent {self.seat} of {self.world.n_agents}."),
            ("text", f"Step {self.step} of {self.world.max_steps}, score {score:.4g} ({points:g} points)"),
            ("text", ""),
        ]

    def turn_lines(self, events: Sequence[Event]) -> list[Line]:
        """Return what a person needs to choose a key."""
        lines = [*self.state_lines(), *self._key_lines()]
        if self.is_gone:
            lines += [("text", ""), ("title", "You are out"), ("text", "Any key lets the others go on.")]
        lines += self._seat_lines()
        lines += [("text", ""), ("title", "Last step")]
        mine = [event for event in events if self.seat in event["agents"]]
        others = [event for event in events if self.seat not in event["agents"]]
        lines += [("small", event_in_words(event, self.seat)) for event in mine[:MOST_EVENTS]]
        lines += [("quiet", event_in_words(event, self.seat)) for event in others[: MOST_EVENTS - len(mine)]]
        return lines if events else [*lines, ("quiet", "nothing to tell")]

    def _seat_lines(self) -> list[Line]:
        """Return why keys do nothing just now, if they do nothing and the environment says so."""
        told: list[str] = getattr(self.world.env, "seat_lines", lambda agent: [])(self.seat)
        return [("text", ""), ("title", told[0]), *(("text", line) for line in told[1:])] if told else []

    def help_pages(self) -> list[list[Line]]:
        """Return how to play and, where the environment tells them, what things cost and take."""
        costs: list[str] = getattr(self.world.env, "help_lines", list)()
        back: list[Line] = [("text", ""), ("text", "Any key goes back to the game.")]
        if not costs:
            return [[*self._how_to_play(), *back]]
        onward: list[Line] = [("text", ""), ("text", "Any key shows what things cost and take.")]
        listed: list[Line] = [("title", "What things cost and take"), *(("small", line) for line in costs)]
        return [[*self._how_to_play(), *onward], [*listed, *back]]

    def _how_to_play(self) -> list[Line]:
        from emcoop.registration import environment_spec

        about = environment_spec(self.env_id).description
        paragraphs = (
            about[0].upper() + about[1:] + ".",
            "One key is one step of the whole team: the others, played by planners, act at the same moment. Nothing "
            "happens while you think.",
            "The score is the team's. The panel lists last step's events, yours in white.",
        )
        lines: list[Line] = [("title", "How to play")]
        for paragraph in paragraphs:
            lines += [("text", paragraph), ("text", "")]
        return [*lines, *self._key_lines()]

    def end_lines(self, result: EpisodeResult) -> list[Line]:
        """Return the score and the metrics that say most about the team."""
        lines = [*self.state_lines(), ("title", "The end")]
        for name in END_METRICS:
            value = result.metrics.get(name, math.nan)
            lines.append(("text", f"{name.replace('_', ' ')}: {'n/a' if math.isnan(value) else format(value, '.4g')}"))
        return [*lines, ("text", ""), ("text", "Any key closes the window.")]

    def _key_lines(self) -> list[Line]:
        names = getattr(self.world.env, "action_names", ())
        by_action: dict[int, list[str]] = {}
        for key, action in self.keys.items():
            by_action.setdefault(action, []).append(key)
        cells = []
        for action, keys in by_action.items():
            what = str(names[action]).replace("_", " ") if names else f"action {action}"
            cells.append(f"{' or '.join(keys)}: {what}")
        cells += [f"{HELP_KEY}: help", f"{' or '.join(QUIT_KEYS)}: leave"]
        half = (len(cells) + 1) // 2
        rows = zip_longest(cells[:half], cells[half:], fillvalue="")
        return [("title", "Keys"), *(("small", "\t".join(row)) for row in rows)]


def event_in_words(event: Event, seat: int) -> str:
    """Return an event of the dynamics as a person reads it.

    Args:
        event: `kind`, `agents` and further values.
        seat: Whose reader it is: that agent is "you".
    """
    agents = ["you" if agent == seat else f"agent {agent}" for agent in event["agents"]]
    rest = [f"{name.replace('_', ' ')} {_value(value)}" for name, value in event.items() if name not in _SAID]
    who = ", ".join(agents[:MOST_NAMED]) + (f" and {len(agents) - MOST_NAMED} more" if len(agents) > MOST_NAMED else "")
    return f"{event['kind'].replace('_', ' ')}: {who}" + (f" ({', '.join(rest)})" if rest else "")


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).replace("_", " ")
