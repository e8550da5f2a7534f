"""What every parallel environment of this package needs around its kernels: names, actions in, arrays out.

Dictionaries are what PettingZoo promises and what costs most of a step, so their parts are made here once, as
cheaply as Python allows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from operator import index, itemgetter
from typing import Any

import numpy as np
from gymnasium import logger
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from emcoop.errors import ActionError, ConfigError, unknown_name

RENDER_MODES = ("human", "rgb_array", "ansi")
_REFCOUNTS_ARE_EXACT = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
_POOL_SIZE = 4


def agent_names(n_agents: int) -> list[str]:
    """Return `agent_000`, `agent_001`, ...: zero-padded, so that sorted order is index order."""
    width = max(3, len(str(n_agents - 1)))
    return [f"agent_{i:0{width}d}" for i in range(n_agents)]


def check_render_mode(mode: str | None) -> str | None:
    """Return `mode` if it is one of `RENDER_MODES` or None.

    Raises:
        ConfigError: It is not.
    """
    if mode is not None and mode not in RENDER_MODES:
        raise ConfigError(f"render_mode={mode!r} does not exist: choose one of {', '.join(RENDER_MODES)} or None")
    return mode


def check_options(options: object, keys: Sequence[str]) -> None:
    """Refuse options of `reset` that are no dictionary, or hold a key that is nearly one of `keys`.

    Other keys are somebody else's and pass.

    Raises:
        ConfigError: They do not fit.
    """
    if options is not None and not isinstance(options, Mapping):
        example = ", ".join(f"{key!r}: ..." for key in keys[:2])
        raise ConfigError(f"options={options!r} do not fit: give a dictionary such as {{{example}}}")
    for key in options or ():
        if key not in keys and get_close_matches(str(key), keys, cutoff=0.75):
            raise unknown_name("key of options", key, keys)


class WindowedEnv(ParallelEnv[str, Any, Any]):
    """What every parallel environment of this package does about pictures and copies of itself.

    Args:
        names: Names of all agents.
        render_mode: One of `RENDER_MODES` or None.
    """

    title: str
    """Name in the caption of the window."""

    def __init__(self, names: Sequence[str], render_mode: str | None) -> None:
        self.possible_agents = list(names)
        self.agents: list[str] = []
        self.render_mode = check_render_mode(render_mode)
        self._window: Any = None

    @property
    def score(self) -> float:
        """Score in [0, 1]."""
        raise NotImplementedError

    def draw_text(self) -> str:
        """Return the world as text."""
        raise NotImplementedError

    def draw(self) -> NDArray[np.uint8]:
        """Return the world as a picture, `(height, width, 3)`."""
        raise NotImplementedError

    def make_buffers(self) -> None:
        """Make what a step works with and no other environment may share."""
        raise NotImplementedError

    def render(self) -> Any:
        """Draw the world.

        Returns:
            `rgb_array`: `(height, width, 3)` uint8; `ansi`: text; `human`: None, the picture is in a window.
        """
        if self.render_mode is None:
            logger.warn(f"nothing to render: create the environment with render_mode, one of {', '.join(RENDER_MODES)}")
            return None
        if self.render_mode == "ansi":
            return self.draw_text()
        frame = self.draw()
        if self.render_mode == "rgb_array":
            return frame
        if self._window is None:
            from emcoop.envs.window import Window

            self._window = Window()
        step = self.snapshot()["step"]
        self._window.show(frame, f"{self.title}  step {step}  score {self.score:.2f}", self.metadata["render_fps"])
        return None

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain arrays (copies)."""
        raise NotImplementedError

    def shell(self) -> Any:
        """Return a copy that still shares the world, without a window; the start of `clone`."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.agents = list(self.agents)
        twin.render_mode = twin._window = None
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle everything but the window."""
        return {**self.__dict__, "_window": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copied state; buffers are made anew, because copies of their views would stand alone."""
        self.__dict__.update(state)
        self.make_buffers()

    def close(self) -> None:
        """Close the window, if any."""
        if self._window is not None:
            self._window.close()
            self._window = None


class ActionReader:
    """Turn a joint action dictionary into one array, refusing what is not one action per agent.

    Args:
        names: The agents that act, one or more.
        action_names: Names of the actions; the first does nothing.
        team: All agents in the order of `joint`, when `names` are only some of them (the others have ended).

    Attributes:
        joint: `(1, n)` uint8, the joint action read last; 0 for agents of the team that do not act.
    """

    def __init__(self, names: Sequence[str], action_names: Sequence[str], team: Sequence[str] | None = None) -> None:
        self._names = list(names)
        self._team = self._names if team is None else list(team)
        self._action_names = tuple(action_names)
        self._allowed = bytes(range(len(action_names)))
        self._get = itemgetter(*names) if len(names) > 1 else lambda actions: (actions[names[0]],)
        self._buffer = bytearray(len(self._team))
        self.joint: NDArray[np.uint8] = np.frombuffer(self._buffer, np.uint8).reshape(1, -1)
        places = {name: i for i, name in enumerate(self._team)}
        self._places = None if self._names == self._team else [places[name] for name in self._names]

    def read(self, actions: Mapping[str, Any]) -> None:
        """Read a joint action into `joint`, which is left untouched on an error.

        Args:
            actions: Agent name -> action, an integer (Python or NumPy) below the number of actions.

        Raises:
            ActionError: Not a mapping, an agent is missing or unknown, an action has the wrong type or value.
        """
        try:
            raw = bytes(self._get(actions))
        except (TypeError, ValueError, KeyError, IndexError):
            raise self._error(actions) from None
        if len(actions) != len(raw) or raw.translate(None, self._allowed):
            raise self._error(actions)
        if self._places is None:
            self._buffer[:] = raw
        else:
            self.joint[0, self._places] = memoryview(raw)

    def _error(self, actions: object) -> ActionError:
        if not isinstance(actions, Mapping):
            return ActionError(
                f"a joint action is a dictionary agent name -> action, got {type(actions).__name__}; "
                f"for example {{{self._names[0]!r}: 0, ...}}"
            )
        missing = [name for name in self._names if name not in actions]
        if missing:
            return ActionError(
                f"the joint action lacks {_some(missing)}: every living agent needs an action; "
                f"pass {self._action_names[0]} (0) for agents that should do nothing"
            )
        unknown = [name for name in actions if name not in set(self._names)]
        if unknown:
            return ActionError(f"the joint action names {_some(unknown)}, but the agents are {_some(self._names)}")
        name = next(name for name in self._names if not self._is_action(actions[name]))
        allowed = ", ".join(f"{i} {word}" for i, word in enumerate(self._action_names))
        return ActionError(f"{name} got action {actions[name]!r}: an action is an integer, one of {allowed}")

    def _is_action(self, action: object) -> bool:
        try:
            return 0 <= index(action) < len(self._action_names)  # type: ignore[arg-type]
        except TypeError:
            return False

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle what it was made from; the joint action read last is not part of a copy."""
        return ActionReader, (self._names, self._action_names, self._team)


def _some(names: Sequence[object], most: int = 3) -> str:
    listed = ", ".join(map(repr, names[:most]))
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


class BlockPool:
    """Hand out arrays for one step's observations; one that nobody holds any more is used again.

    A step's observations are views of one block. Allocating a large block anew costs more in page faults than
    filling it, but a block is never reused while the caller holds any view of it.

    Args:
        shape: `(n_envs, n, rows, cols)`, the last two those of an agent's window.
        leading: What comes before the channel axis in the byte view: `(n,)` or `(n_envs, n)`.
    """

    def __init__(self, shape: tuple[int, int, int, int], leading: tuple[int, ...]) -> None:
        self._shape = shape
        self._leading = leading
        self._entries: list[tuple[NDArray[np.uint64], NDArray[np.uint8]]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the shape only: blocks belong to whoever holds their views."""
        return BlockPool, (self._shape, self._leading)

    def take(self) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        """Return a block of packed cells to write into and its byte view.

        Returns:
            `(n_envs, n, rows, cols)` uint64, and the same memory as `(*leading, 8, rows, cols)` uint8: byte `i` of a
            cell is channel `i`.
        """
        if _REFCOUNTS_ARE_EXACT:
            for block, channels in self._entries:
                # The block: entry, loop variable, argument, base of its byte view; every other reference is a
                # caller's view. The byte view: entry, loop variable, argument.
                if sys.getrefcount(block) == 4 and sys.getrefcount(channels) == 3:
                    return block, channels
        block = np.empty(self._shape, np.uint64)
        order = slice(None) if sys.byteorder == "little" else slice(None, None, -1)
        last = block.view(np.uint8).reshape(*self._leading, *self._shape[2:], 8)[..., order]
        channels = np.moveaxis(last, -1, -3)
        if len(self._entries) < _POOL_SIZE:
            self._entries.append((block, channels))
        return block, channels


class LazyEvents(partial):  # type: ignore[type-arg]
    """The events of one step one agent takes part in: a sequence of dictionaries, decoded when first read.

    A `functools.partial` of "decode the events of agent i", because that is made in C: one is created for every
    agent that has events in a step, and few are read.
    """

    __slots__ = ()

    def __len__(self) -> int:
        return len(self())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self())

    def __getitem__(self, index: Any) -> Any:
        return self()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self())


Sequence.register(LazyEvents)


class StepEvents:
    """All events of one step; subclasses decode their kernel's records.

    Agents appear as indices in `indexed()` and as names in what agents read.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._indexed: list[dict[str, Any]] | None = None
        self._named: dict[int, list[dict[str, Any]]] | None = None

    def decode(self) -> list[dict[str, Any]]:
        """Decode the records into dictionaries with `kind`, `agents` (indices) and numbers."""
        raise TypeError(f"{type(self).__name__} has to define decode()")

    def indexed(self) -> list[dict[str, Any]]:
        """Return all events, agents as indices."""
        if self._indexed is None:
            self._indexed = self.decode()
        return self._indexed

    def of_agent(self, agent: int) -> list[dict[str, Any]]:
        """Return the events agent `agent` takes part in, agents as names."""
        if self._named is None:
            self._named = {}
            for event in self.indexed():
                named = {**event, "agents": [self._names[i] for i in event["agents"]]}
                if "winner" in event:
                    named["winner"] = self._names[event["winner"]]
                for i in event["agents"]:
                    self._named.setdefault(i, []).append(named)
        return self._named.get(agent, [])
