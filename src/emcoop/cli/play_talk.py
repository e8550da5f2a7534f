"""Talking with the others in the window: what was heard and said, and the line one types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emcoop.cognitive_layer.plan import EVERYONE, Message
from emcoop.cognitive_layer.planners.typed import MOST_CHARS, agents_in_words, message_in_words, read_message
from emcoop.errors import ConfigError

if TYPE_CHECKING:
    from emcoop.cli.play_screen import Line, Screen
    from emcoop.cognitive_layer.episode import Session

MOST_SHOWN = 3
"""Messages that stand beside the world; all that fit stand where one talks."""
MOST_CHARS_SHOWN = 90
HOW_TO_TALK = (
    "Start with 1,2: to address only some, with commit: (or request, inform, ack, done, free) to say what kind it is.",
    "Words such as task=block1/left are facts, which planners without a model read.",
    "Enter sends, Escape goes back. It is sent with your next step.",
)


class Talk:
    """What the played seat says and hears.

    Args:
        session: The episode.
        seat: The played seat.
        topology: Name of the topology, for the explanation.
    """

    def __init__(self, session: Session, seat: int, topology: str) -> None:
        self._session = session
        self._seat = seat
        self._topology = topology
        self._log: list[tuple[str, str]] = []
        self._problem = ""

    def listen(self, step: int) -> None:
        """Take in what was delivered."""
        for message in self._session.heard(self._seat):
            self._log.insert(0, ("small", f"agent {message.sender}, {message_in_words(message, step)}"))

    def lines(self) -> list[Line]:
        """Return who hears the person, and the newest messages, to stand beside the world."""
        newest: list[Line] = [(style, _cut(text)) for style, text in self._log[:MOST_SHOWN]]
        who: Line = ("quiet", f"{self._hearers()}.")
        return [("text", ""), ("title", "Messages"), who, *newest] if newest else [("text", ""), who]

    def converse(self, screen: Screen) -> None:
        """Let the person type one message, and correct what does not fit."""
        if not self._session.reachable(self._seat):
            screen.show(self._alone(screen))
            screen.window.wait_key()
            return
        line = self._problem = ""
        while True:
            typed = screen.window.ask_text(lambda text: screen.show(self._typing(screen, text)), MOST_CHARS, line)
            if typed is None or not typed.strip():
                return
            try:
                self._say(typed, screen.step)
            except ConfigError as error:
                line, self._problem = typed, str(error)
            else:
                return

    def _say(self, line: str, step: int) -> None:
        message = read_message(line.strip(), self._session.reachable(self._seat), step)
        self._session.say(self._seat, [message])
        self._log.insert(0, ("quiet", f"you to {self._addressed(message)}, {message_in_words(message, step)}"))

    def _alone(self, screen: Screen) -> list[Line]:
        why = f"{self._hearers()}: start with another one to talk, such as --topology decentralized."
        return [*self._head(screen), ("text", why), ("text", ""), ("text", "Any key goes back."), *self._all()]

    def _head(self, screen: Screen) -> list[Line]:
        return [*screen.state_lines(), ("title", "Talk")]

    def _typing(self, screen: Screen, text: str) -> list[Line]:
        """Return what stands beside the world while the person types."""
        lines = [*self._head(screen), ("text", f"{self._hearers()}.")]
        lines += [("quiet", hint) for hint in HOW_TO_TALK]
        lines += [("text", ""), ("title", f"> {text}_"), ("text", self._problem)]
        return [*lines, *self._all()]

    def _all(self) -> list[Line]:
        return [("text", ""), ("title", "Messages"), *(self._log or [("quiet", "none yet")])]

    def _hearers(self) -> str:
        reached = self._session.reachable(self._seat)
        if not reached:
            return f"Nobody hears you in {self._topology}"
        words = agents_in_words(reached)
        return f"{words[0].upper()}{words[1:]} {'hears' if len(reached) == 1 else 'hear'} you"

    def _addressed(self, message: Message) -> str:
        reached: Sequence[int] = self._session.reachable(self._seat)
        if message.recipients == EVERYONE or isinstance(message.recipients, str):
            return agents_in_words(reached)
        return agents_in_words(message.recipients)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS_SHOWN else f"{text[: MOST_CHARS_SHOWN - 4]} ..."
