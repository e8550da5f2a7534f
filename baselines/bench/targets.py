"""The targets: which figures are compared, and what they should come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from emcoop.baselines.bench import recorded
from emcoop.baselines.bench.measuring import Samples

MEASURED = "measured"
SCALED = "scaled from recorded figures"

Series = Sequence[float]


@dataclass(frozen=True)
class Target:
    """A figure made of measured rates, and what it should come to.

    Attributes:
        name: What it is.
        unit: Of the value; `x` for a ratio.
        needs: Cases it is made of.
        of: Makes one value of the rates of one round, in the order of `needs`.
        at_least, at_most: The target; both None for a figure without one.
        basis: `MEASURED`, or `SCALED` where a recorded figure of another machine enters.
    """

    name: str
    unit: str
    needs: tuple[str, ...]
    of: Callable[..., float]
    at_least: float | None = None
    at_most: float | None = None
    basis: str = MEASURED


@dataclass(frozen=True)
class Verdict:
    """What a target came to in this run.

    Attributes:
        name, unit, at_least, at_most, basis: As in `Target`.
        value: Median over rounds, None if not measured because a case is missing.
        low, high: Least and greatest value of any round.
        met: Whether the median meets the target, None without a target or a value.
    """

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    at_least: float | None
    at_most: float | None
    met: bool | None
    basis: str


def judge(target: Target, samples: Samples) -> Verdict:
    """Work a target out round by round, so that what slows a whole round down leaves ratios alone."""
    limits = target.at_least, target.at_most
    if any(not samples.get(case) for case in target.needs):
        return Verdict(target.name, target.unit, None, None, None, *limits, None, target.basis)
    values: Series = [target.of(*rates) for rates in zip(*(samples[case] for case in target.needs))]
    value = median(values)
    met = None
    if limits != (None, None):
        met = (target.at_least is None or value >= target.at_least) and (
            target.at_most is None or value <= target.at_most
        )
    return Verdict(target.name, target.unit, value, min(values), max(values), *limits, met, target.basis)


def ratio(ours: float, theirs: float) -> float:
    """Return how many times as fast `ours` is."""
    return ours / theirs


def over_recorded(figure: float, floor_there: float) -> Callable[[float, float], float]:
    """Return the ratio of our rate to a recorded figure scaled to this machine: f(our rate, our 9 x 9 floor)."""
    return lambda ours, floor_here: ours / (figure * floor_here / floor_there)


def all_targets(team: int) -> list[Target]:
    """Return every target; those of team sizes or cases that were not run come out as not measured.

    Args:
        team: Agents in the episodes of the whole stack.
    """
    return [*_dicts(), *_arrays(), *_pictures(), *_stack(team), *_peers()]


DICTS_OVER_FLOOR = {2: 0.5, 16: 0.6, 256: 0.6, 1024: 0.6}
ARRAYS_OVER_DICTS = {16: 2.0, 256: 4.0, 1024: 4.0}


def _dicts() -> list[Target]:
    sizes = list(DICTS_OVER_FLOOR)
    flat = tuple(f"dicts/{n}" for n in sizes[1:])
    return [
        *(
            Target(f"dicts / floor, {n} agents", "x", (f"dicts/{n}", f"floor/{n}"), ratio, at_least=least)
            for n, least in DICTS_OVER_FLOOR.items()
        ),
        *(Target(f"dicts / tight floor, {n} agents", "x", (f"dicts/{n}", f"floor_tight/{n}"), ratio) for n in sizes),
        Target("greatest cost per agent-step, 16 to 1024 agents / at 16", "x", flat, _growth, at_most=1.5),
    ]


def _growth(smallest: float, *larger: float) -> float:
    return smallest / min(smallest, *larger)


def _arrays() -> list[Target]:
    return [
        *(
            Target(f"arrays / dicts, {n} agents", "x", (f"arrays/{n}", f"dicts/{n}"), ratio, at_least=least)
            for n, least in ARRAYS_OVER_DICTS.items()
        ),
        Target("batch, one thread", "agent-steps/s", ("batch/cpu",), float, at_least=8e6),
        Target("batch, two threads / one (wall time)", "x", ("batch/wall_2", "batch/wall_1"), ratio, at_least=1.7),
    ]


def _pictures() -> list[Target]:
    return [
        Target(
            f"whole board as {side} px picture / crafter's {side} px frame",
            "x",
            (f"frame/{side}", "floor_9x9/2"),
            over_recorded(figure, recorded.FLOOR_9X9[2]),
            at_least=10.0,
            basis=SCALED,
        )
        for side, figure in recorded.CRAFTER_FRAMES.items()
    ]


def _stack(team: int) -> list[Target]:
    steps = "env steps/s"
    topologies = ("centralized", "individual")

    def each(rate: float) -> float:
        return 1e6 / rate / team

    def more(rate: float, without: float) -> float:
        return each(rate) - each(without)

    return [
        *(Target(f"{t}, text, trace", steps, (f"stack/{t}",), float, at_least=2000.0) for t in topologies),
        *(Target(f"{t}, trace", steps, (f"stack/{t}_no_text",), float) for t in topologies),
        Target("individual, all texts every step, trace", steps, ("stack/individual_text_every_step",), float),
        *(
            Target(f"share of step time that is trace, {t}", "", (f"stack/{t}_no_text", f"stack/{t}_no_trace"), _share)
            for t in topologies
        ),
        Target("layer alone, decision", "us", ("layer/decide", "layer/execute"), more, at_most=100.0),
        Target("layer alone, agent and primitive step", "us", ("layer/execute",), each, at_most=15.0),
        Target(
            "layer and controllers, agent and primitive step", "us", ("layer/walk", "layer/world"), more, at_most=15.0
        ),
        Target("CUBE alone with all the layer asks of it, agent and step", "us", ("layer/world",), each),
        Target("compressed trace of 200 steps", "bytes", ("trace/bytes",), float, at_most=1e6),
    ]


def _share(with_it: float, without: float) -> float:
    """Return the share of the time per step that `without` saves."""
    return 1.0 - with_it / without


PEER_TARGETS = {
    ("published CUBE", 16): 150.0,
    ("published CUBE", 256): 300.0,
    ("magent2 battle", 16): 3.0,
    ("magent2 battle", 256): 3.0,
    ("pogema", 2): 8.0,
    ("pogema", 16): 8.0,
    ("pogema", 256): 8.0,
    ("pogema", 1024): 8.0,
}


def _peers() -> list[Target]:
    found = [
        Target(
            f"dicts / {peer}, {n} agents",
            "x",
            (f"dicts/{n}", f"floor_9x9/{n}"),
            over_recorded(figure, recorded.FLOOR_9X9[n]),
            at_least=PEER_TARGETS.get((peer, n)),
            basis=SCALED,
        )
        for peer, figures in recorded.AGENT_STEPS.items()
        for n, figure in figures.items()
    ]
    jaxmarl = over_recorded(recorded.JAXMARL_SPREAD, recorded.FLOOR_9X9[16])
    return [
        *found,
        Target("batch / jaxmarl spread", "x", ("batch/cpu", "floor_9x9/16"), jaxmarl, at_least=8.0, basis=SCALED),
    ]
