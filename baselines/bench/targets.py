"""The targets: which figures are compared, and what they should come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from emcoop.baselines.bench import recorded
from emcoop.baselines.bench.measuring import Samples
from emcoop.baselines.bench.scoring import SCORED_TEAM
from emcoop.baselines.bench.thinking import ANSWER_S, CROWD

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


def all_targets(team: int, against: Sequence[str] = ()) -> list[Target]:
    """Return every target; those of team sizes or cases that were not run come out as not measured.

    Args:
        team: Agents in the episodes of the whole stack.
        against: Other packages asked for; their targets are left out if they were not.
    """
    beside = [target for peer in against for target in BESIDE.get(peer, [])]
    ours = [*_dicts(), *_arrays(), *_pictures(), *_stack(team), *_thinking(), *_scoring(), *_crafter()]
    return [*ours, *beside, *_peers(), *_crafter_scaled()]


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


def _thinking() -> list[Target]:
    """Return what a crowd that asks language models costs beside their own time."""
    crowd = f"{CROWD} agents that ask a model"
    return [
        Target(
            f"{crowd}, a round / the {ANSWER_S * 1000:.0f} ms the model takes",
            "x",
            (f"models/round/{CROWD}",),
            lambda rate: 1.0 / rate / ANSWER_S,
            at_most=1.2,
        ),
        Target(f"{crowd}, framework per decision", "us", (f"models/decide/{CROWD}",), lambda rate: 1e6 / rate),
    ]


def _scoring() -> list[Target]:
    """Return how long a long episode of a large team takes after its end."""
    what = f"1,000 steps of {SCORED_TEAM} agents who talk"
    return [
        Target(f"{what}: all metrics", "s", (f"metrics/1000x{SCORED_TEAM}",), lambda rate: 1.0 / rate, at_most=2.0),
        Target(f"{what}: reading the trace", "s", (f"trace/read/1000x{SCORED_TEAM}",), lambda rate: 1.0 / rate),
    ]


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


CRAFTER_OVER_FLOOR = {
    ("peaceful", 1): None,
    ("peaceful", 16): 0.35,
    ("peaceful", 256): 0.35,
    ("peaceful", 1024): None,
    ("survival", 1): None,
    ("survival", 16): 0.2,
    ("survival", 256): 0.2,
    ("survival", 1024): None,
}


def _crafter() -> list[Target]:
    """Return MA-Crafter's targets that need no other package."""
    start = "ma_crafter/peaceful/16"
    growth = "greatest cost per agent-step, 16 to 1024 agents / at 16"
    auto = (start, "ma_crafter/peaceful_auto/256", "ma_crafter/peaceful_auto/1024")
    return [
        *(
            Target(
                f"MA-Crafter, {mode} / floor, {n} agent{'s' if n > 1 else ''}",
                "x",
                (f"ma_crafter/{mode}/{n}", f"ma_crafter/floor/{n}"),
                ratio,
                at_least=least,
            )
            for (mode, n), least in CRAFTER_OVER_FLOOR.items()
        ),
        Target(
            f"MA-Crafter, {growth}",
            "x",
            (start, "ma_crafter/peaceful/256", "ma_crafter/peaceful/1024"),
            _growth,
            at_most=1.5,
        ),
        Target(f"MA-Crafter on maps that grow with the team, {growth}", "x", auto, _growth, at_most=1.5),
        *(
            Target(f"MA-Crafter, {t}, text, trace", "env steps/s", (f"ma_crafter/stack/{t}",), float, at_least=2000.0)
            for t in ("centralized", "individual")
        ),
        *(
            Target(f"MA-Crafter, {t}, trace", "env steps/s", (f"ma_crafter/stack/{t}_no_text",), float)
            for t in ("centralized", "individual")
        ),
    ]


CRAFTER_AIMS = (
    ("MA-Crafter, peaceful, 1 agent / Crafter's bare world", "peaceful/1", "world", recorded.CRAFTER_WORLD, 25.0),
    ("MA-Crafter, survival, 1 agent / Crafter's bare world", "survival/1", "world", recorded.CRAFTER_WORLD, 25.0),
    ("MA-Crafter reset / Crafter's", "reset", "reset", recorded.CRAFTER_RESETS, 5.0),
    ("MA-Crafter 64 px view / Crafter's 64 px frame", "view_64", "frame_64", recorded.CRAFTER_FRAMES[64], 10.0),
    ("MA-Crafter 512 px map / Crafter's 512 px frame", "map_512", "frame_512", recorded.CRAFTER_FRAMES[512], 10.0),
)
"""Name, case of MA-Crafter, case of Crafter, the recorded figure of that case, target."""

BESIDE = {
    "crafter": [
        Target(f"{name}, side by side", "x", (f"ma_crafter/{ours}", f"peer/crafter/{theirs}"), ratio, at_least=least)
        for name, ours, theirs, _, least in CRAFTER_AIMS
    ]
}
"""Targets that compare with other packages run in the same rounds, by package."""


def _crafter_scaled() -> list[Target]:
    floor = "floor_9x9/2", recorded.FLOOR_9X9[2]
    aims: list[tuple[str, str, float, float | None]] = [
        (name, ours, figure, least) for name, ours, _, figure, least in CRAFTER_AIMS
    ]
    craftax = "MA-Crafter batch, survival / Craftax Classic"
    aims.append((craftax, "batch", recorded.CRAFTAX_CLASSIC, 50.0))
    aims.append((f"{craftax}, our resets left out", "batch_no_reset", recorded.CRAFTAX_CLASSIC, None))
    return [
        Target(
            name,
            "x",
            (f"ma_crafter/{ours}", floor[0]),
            over_recorded(figure, floor[1]),
            at_least=least,
            basis=SCALED,
        )
        for name, ours, figure, least in aims
    ]
