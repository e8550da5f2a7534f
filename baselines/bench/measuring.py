"""How time is taken: cases measured by turns, round after round, so that a busy machine disturbs all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Sample = Callable[[float], tuple[float, float]]
"""Given for how many seconds to run, run and return the work done and the seconds it took."""

Note = Callable[[int, int, str], None]
"""Told how many samples are done, of how many, and the name of the case that comes next."""

Samples = Mapping[str, Sequence[float]]
"""Case name -> one rate per round."""


@dataclass(frozen=True)
class Case:
    """Something to be timed.

    Attributes:
        name: What it is, `dicts/16`.
        unit: What a rate of it counts, `agent-steps/s`.
        sample: Takes one sample.
    """

    name: str
    unit: str
    sample: Sample


def repeated(call: Callable[[], Any], work: float, clock: Callable[[], float] = time.process_time) -> Sample:
    """Return a sample that calls `call` again and again.

    Args:
        call: What to time; long enough (some microseconds) that looking at the clock does not matter.
        work: Work done by one call.
        clock: CPU seconds of this process by default; `time.perf_counter` where threads share the work.
    """

    def sample(seconds: float) -> tuple[float, float]:
        done, start = 0.0, clock()
        while (spent := clock() - start) < seconds or not done:
            call()
            done += work
        return done, spent

    return sample


def measure(
    cases: Sequence[Case], rounds: int, seconds: float, note: Note = lambda done, total, name: None
) -> dict[str, list[float]]:
    """Measure all cases by turns, every other round backwards.

    Args:
        cases: What to measure; each is run once before the first round.
        rounds: Samples per case.
        seconds: About how long a sample takes.
        note: Told how far it has come.

    Returns:
        Case name -> rates, one per round.
    """
    rates: dict[str, list[float]] = {case.name: [] for case in cases}
    total = len(cases) * (rounds + 1)
    for place, case in enumerate(cases):
        note(place, total, case.name)
        case.sample(0.0)
    for number in range(1, rounds + 1):
        for place, case in enumerate(cases if number % 2 else reversed(cases)):
            note(number * len(cases) + place, total, case.name)
            gc.collect()  # so that no case pays for what another left behind
            done, spent = case.sample(seconds)
            rates[case.name].append(done / spent)
    return rates
