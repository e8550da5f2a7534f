"""The window of a person who plays: what stands in it, and events and values in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emcoop.cognitive_layer.episode import EpisodeResult

PANEL_WIDTH = 400
LEAST_HEIGHT = 512
HELP_KEY, TALK_KEY, QUIT_KEYS = "h", "return", ("q", "escape")
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
        self.present(self.compose(lines))

    def compose(self, lines: Sequence[Line]) -> NDArray[np.uint8]:
        """Return a frame of the world as it is, with lines of text beside it."""
        import numpy as np

        from emcoop.envs.window import text_panel

        picture = self._picture()
        missing = max(LEAST_HEIGHT - len(picture), 0)
        picture = np.pad(picture, ((0, missing), (0, 0), (0, 0)))
        return np.concatenate([picture, text_panel(lines, len(picture), PANEL_WIDTH)], axis=1)

    def present(self, frame: NDArray[np.uint8]) -> None:
        """Show a frame."""
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

    def turn_lines(self, events: Sequence[Event], messages: Sequence[Line] = ()) -> list[Line]:
        """Return what a person needs to choose a key; `messages` is what stands there of the talk with the others."""
        lines = [*self.state_lines(), *self._key_lines()]
        if self.is_gone:
            lines += [("text", ""), ("title", "You are out"), ("text", "Any key lets the others go on.")]
        lines += [*self._seat_lines(), *messages]
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
        cells += ["enter: talk", f"{HELP_KEY}: help", f"{' or '.join(QUIT_KEYS)}: leave"]
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
