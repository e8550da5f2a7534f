"""Other packages, run next to EmCoop when asked for by name and installed; nothing else here ever imports them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from emcoop.baselines.bench.measuring import Case, Sample, repeated
from emcoop.errors import unknown_name

PEER_STEPS = 16


def check_peers(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each once, if all of them are peers.

    Raises:
        UnknownNameError: One is not; the sentence names those that are.
    """
    for name in names:
        if name not in PEERS:
            raise unknown_name("peer", name, PEERS)
    return tuple(dict.fromkeys(names))


def peer_cases(names: Sequence[str]) -> tuple[list[Case], dict[str, str]]:
    """Return the cases of peers that run here, and why the others do not.

    Args:
        names: Of `PEERS`.

    Returns:
        Cases named `peer/<name>/...`, and peer -> reason.
    """
    cases: list[Case] = []
    reasons: dict[str, str] = {}
    for name in names:
        try:
            found = PEERS[name]()
            for case in found:
                case.sample(0.0)
        except ModuleNotFoundError as error:
            reasons[name] = f"{error.name} is not installed"
        except Exception as error:  # what is wrong with another package must not end the measurement of this one
            reasons[name] = f"it fails here: {type(error).__name__}: {error}"
        else:
            cases += found
    return cases, reasons


def crafter_cases() -> list[Case]:
    """Return the cases of Crafter: its full step, its bare world, resets and frames."""
    crafter = import_module("crafter")

    def make() -> Any:
        env = crafter.Env(seed=0)
        env.reset()
        return env

    full, bare, still = make(), make(), make()
    # Everything a step draws: the picture, and the map of meanings in its info.
    for drawing in ("_obs", "_sem_view"):
        setattr(bare, drawing, lambda: None)

    def frame(side: int) -> Sample:
        return repeated(lambda: still.render((side, side)), 1)

    return [
        Case("peer/crafter/step", "agent-steps/s", crafter_steps(full)),
        Case("peer/crafter/world", "agent-steps/s", crafter_steps(bare)),
        Case("peer/crafter/reset", "resets/s", repeated(make().reset, 1)),
        Case("peer/crafter/frame_64", "frames/s", frame(64)),
        Case("peer/crafter/frame_512", "frames/s", frame(512)),
    ]


def crafter_steps(env: Any) -> Sample:
    """Return a sample of steps on random actions; the clock stands still in resets, as it does for EmCoop."""
    draw = random.Random(0).randrange

    def sample(seconds: float) -> tuple[float, float]:
        done, spent = 0, 0.0
        while spent < seconds or not done:
            actions, over = [draw(len(env.action_names)) for _ in range(PEER_STEPS)], False
            start = time.process_time()
            for action in actions:
                over = env.step(action)[2]
                done += 1
                if over:
                    break
            spent += time.process_time() - start
            if over:
                env.reset()
        return done, spent

    return sample


PEERS: Mapping[str, Callable[[], list[Case]]] = {"crafter": crafter_cases}
"""What `emcoop bench --against` takes."""
