"""What a person sees while a sweep runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from emcoop.baselines.expansion import Unit
from emcoop.baselines.results import SCORED, Result

if TYPE_CHECKING:
    from emcoop.cognitive_layer.models.meter import Totals

Note: TypeAlias = Callable[[Unit, Result], None]
"""Takes one outcome as it comes in."""

Watch: TypeAlias = Callable[[Sequence[Unit], Mapping[str, Result]], AbstractContextManager[Note]]
"""Given all units and those finished before, opens a display and returns what to tell it."""

PLAIN_LINES = 20


@dataclass
class Tally:
    """Running totals of a sweep.

    Attributes:
        total: Number of units.
        left: Unfinished units per cell.
        begun_with: Units finished before this session.
        done: Units finished so far.
        trouble: Attempts that the infrastructure spoilt in this session.
        scores: Sum and count of the scores so far.
        started: Monotonic time at which this session began.
        spent: Says what models have taken in this session; empty text if there are none.
    """

    total: int
    left: Counter[object]
    begun_with: int = 0
    done: int = 0
    trouble: int = 0
    scores: list[float] = field(default_factory=lambda: [0.0, 0.0])
    started: float = field(default_factory=time.monotonic)
    spent: Callable[[], str] = str

    @classmethod
    def of(cls, units: Sequence[Unit], finished: Mapping[str, Result], spent: Callable[[], str] = str) -> Tally:
        """Count `units`, of which `finished` need no run."""
        tally = cls(total=len(units), left=Counter(unit.cell for unit in units), spent=spent)
        for unit in units:
            if unit.id in finished:
                tally.add(unit, finished[unit.id])
        tally.begun_with = tally.done
        return tally

    def add(self, unit: Unit, result: Result) -> None:
        """Count one outcome."""
        if result.status not in SCORED:
            self.trouble += 1
            return
        self.done += 1
        self.left[unit.cell] -= 1
        score = result.metrics.get("score", math.nan)
        if result.status == "completed" and not math.isnan(score):
            self.scores[0] += score
            self.scores[1] += 1

    @property
    def mean_score(self) -> float:
        """Mean score of the completed episodes, NaN before the first."""
        return self.scores[0] / self.scores[1] if self.scores[1] else math.nan

    @property
    def cells(self) -> str:
        """Finished cells of all cells."""
        return f"{sum(1 for count in self.left.values() if count == 0)}/{len(self.left)}"

    @property
    def seconds_left(self) -> float:
        """Estimate from this session's pace, NaN before the first episode."""
        here = self.done - self.begun_with
        return (time.monotonic() - self.started) / here * (self.total - self.done) if here else math.nan

    def line(self) -> str:
        """Say it all in one line."""
        trouble = f", {self.trouble} spoilt attempts" if self.trouble else ""
        spent = f", {text}" if (text := self.spent()) else ""
        return (
            f"{self.done}/{self.total} episodes, {self.cells} cells, mean score {_number(self.mean_score)}{spent}, "
            f"{_duration(self.seconds_left)} left{trouble}"
        )


@contextmanager
def watch_on(
    console: Console, units: Sequence[Unit], finished: Mapping[str, Result], spent: Callable[[], str] = str
) -> Iterator[Note]:
    """Show the progress of a sweep on `console`; a `Watch` once the console, and `spent` if wanted, are bound."""
    tally = Tally.of(units, finished, spent)
    if tally.begun_with:
        console.print(f"resuming: {tally.begun_with} of {tally.total} episodes are done already")
    else:
        console.print(f"starting: {tally.total} episodes in {len(tally.left)} cells; the first run compiles kernels")
    with (_live if console.is_terminal else _plain)(console, tally) as note:
        yield note


def tokens_and_money(taken: Totals) -> str:
    """Say in a few words what models have taken."""
    tokens = taken.prompt_tokens + taken.completion_tokens
    money = "cost unknown" if taken.usd is None else f"{taken.usd:.4f} USD"
    return f"{tokens} tokens, {money}"


@contextmanager
def silent(units: Sequence[Unit], finished: Mapping[str, Result]) -> Iterator[Note]:
    """Show nothing."""
    yield lambda unit, result: None


@contextmanager
def _live(console: Console, tally: Tally) -> Iterator[Note]:
    columns = (
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as bar:
        task = bar.add_task(tally.line(), total=tally.total, completed=tally.done)

        def note(unit: Unit, result: Result) -> None:
            tally.add(unit, result)
            if result.status not in SCORED:
                bar.console.print(f"spoilt: {unit.id}: {result.error}", markup=False)
            bar.update(task, completed=tally.done, description=f"{tally.line()} · {unit.id}")

        yield note


@contextmanager
def _plain(console: Console, tally: Tally) -> Iterator[Note]:
    every = max(1, tally.total // PLAIN_LINES)

    def note(unit: Unit, result: Result) -> None:
        tally.add(unit, result)
        if result.status not in SCORED:
            print(f"spoilt: {unit.id}: {result.error}", file=console.file, flush=True)
        elif tally.done % every == 0 or tally.done == tally.total:
            print(f"{tally.line()}, last {unit.id}", file=console.file, flush=True)

    yield note


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
