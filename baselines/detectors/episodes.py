"""Runs the episodes of the evaluation and counts what the rules found in each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import TypeAlias

from emcoop.baselines.detectors.matching import Tally, delays, match
from emcoop.baselines.detectors.pairs import INJECTIONS, LED, N_AGENTS, PAIRS, WITHOUT, Injection
from emcoop.cognitive_layer.episode import run_episode
from emcoop.errors import EmCoopError
from emcoop.metrics.failures import rules, run_rule
from emcoop.metrics.failures.thresholds import BY_ENVIRONMENT, Thresholds, thresholds_for
from emcoop.trace import Trace

HORIZONS = {"Cube-v0": 150, "MACrafter-v0": 240}
TOPOLOGIES = ("centralized", "decentralized", "hybrid")
LEADERLESS = ("decentralized",)
NONE = "none"

TIMES = (0.5, 1.0, 1.5, 2.0)
"""Multiples of W_t that rates are computed for."""
REROUTES = (0, 1, 2, 3)
THETAS = (0.3, 0.4, 0.5, 0.6, 0.7)

Count: TypeAlias = tuple[int, int]
"""Hits and opportunities."""


@dataclass(frozen=True)
class Job:
    """Everything that is done with one seed in one place.

    Attributes:
        env, topology, seed: Where.
        timed: Whether the delays of detection are measured, which takes longest.
    """

    env: str
    topology: str
    seed: int
    timed: bool = True


@dataclass
class Counts:
    """What came of one or more jobs.

    Attributes:
        tallies: Per environment, injection and rule.
        silent: Hits of rules without a structural truth under an injection, and episodes; the same key.
        rates: Hits and opportunities per environment, planner, topology and rule.
        grid: The same per environment, planner, name and value of a threshold, and rule.
    """

    tallies: dict[tuple[str, str, str], Tally] = field(default_factory=dict)
    silent: dict[tuple[str, str, str], Count] = field(default_factory=dict)
    rates: dict[tuple[str, str, str, str], Count] = field(default_factory=dict)
    grid: dict[tuple[str, str, str, float, str], Count] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Take in the counts of other jobs."""
        for key, tally in other.tallies.items():
            self.tallies[key] = self.tallies.get(key, Tally()) + tally
        for mine, theirs in ((self.silent, other.silent), (self.rates, other.rates), (self.grid, other.grid)):
            for name, count in theirs.items():
                add_count(mine, name, count)  # type: ignore[arg-type]


def add_count(counts: dict[tuple[object, ...], Count], key: tuple[object, ...], count: Count) -> None:
    """Add hits and opportunities to those of a key."""
    before = counts.get(key, (0, 0))
    counts[key] = before[0] + count[0], before[1] + count[1]


def jobs(seeds: int, timed: bool = True) -> list[Job]:
    """Return all jobs, those that take longest first."""
    every = [Job(env, topology, seed, timed) for env in HORIZONS for topology in TOPOLOGIES for seed in range(seeds)]
    return sorted(every, key=lambda job: job.env, reverse=True)


def evaluate(work: Sequence[Job], processes: int = 1) -> Iterator[Counts]:
    """Yield the counts of each job, in order."""
    if processes == 1:
        yield from map(run_job, work)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        yield from executor.map(run_job, work)


def total(parts: Iterable[Counts]) -> Counts:
    """Return the counts of all jobs together."""
    found = Counts()
    for part in parts:
        found.add(part)
    return found


def run_job(job: Job) -> Counts:
    """Run one seed in one place with every injection, and without."""
    found = Counts()
    clean = record(job, NONE)
    for injection in INJECTIONS:
        if injection == NONE or (injection in LED and job.topology in LEADERLESS):
            continue
        trace = record(job, injection)
        _judge(job, injection, trace, clean, found)
    _rate(job, "team", job.topology, clean, found)
    if job.topology == TOPOLOGIES[0]:
        _rate(job, "random", "individual", record(job, NONE, "random", "individual"), found)
    return found


def record(job: Job, injection: str, planner: str = "team", topology: str = "") -> Trace:
    """Run one episode and return its trace.

    Raises:
        EmCoopError: It did not come to its end.
    """
    faults: Injection = INJECTIONS[injection](job.seed, window(job.env))
    result = run_episode(
        job.env, n_agents=N_AGENTS, planner=planner, topology=topology or job.topology, seed=job.seed,
        max_steps=HORIZONS[job.env], faults=faults,
    )  # fmt: skip
    if result.status != "completed":
        raise EmCoopError(f"the episode {job} with {injection} ended as {result.status}: {result.error}")
    return Trace(list(result.events))


def _judge(job: Job, injection: str, trace: Trace, clean: Trace, found: Counts) -> None:
    """Compare what the rules found with what they had to find, in an episode with faults and the same without."""
    thresholds = thresholds_for(trace)
    for pair in PAIRS:
        if pair.injection != injection:
            continue
        rule, truths = rules()[pair.rule], pair.truths(trace, thresholds)
        tally = match(rule.find(trace, thresholds).hits, truths)
        tally += match(rule.find(clean, thresholds).hits, ())
        if job.timed:
            tally.delays += delays(rule, trace, truths, thresholds)
        found.tallies[job.env, injection, pair.rule] = tally
    for kind, rule_id, _ in WITHOUT:
        if kind == injection:
            found.silent[job.env, kind, rule_id] = len(run_rule(rule_id, trace).hits), 1


def _rate(job: Job, planner: str, topology: str, trace: Trace, found: Counts) -> None:
    """Count hits and opportunities of all rules, as they are and over the grid of thresholds."""
    usual = thresholds_for(trace)
    for rule_id in rules():
        for times in TIMES:
            longer = replace(usual, steps=max(2, round(usual.steps * times)))
            count = _count(rule_id, trace, longer)
            found.grid[job.env, planner, "W_t", times, rule_id] = count
            if times == 1:
                found.rates[job.env, planner, topology, rule_id] = count
    for reroutes in REROUTES:
        found.grid[job.env, planner, "r", reroutes, "C8"] = _count("C8", trace, replace(usual, reroutes=reroutes))
    for theta in THETAS:
        for rule_id in ("A5", "G3"):
            other = replace(usual, centralisation=theta)
            found.grid[job.env, planner, "theta", theta, rule_id] = _count(rule_id, trace, other)


def _count(rule_id: str, trace: Trace, thresholds: Thresholds) -> Count:
    finding = run_rule(rule_id, trace, thresholds)
    return len(finding.hits), finding.opportunities or 0


def window(env: str) -> int:
    """Return the threshold W_t of an environment."""
    return next(known.steps for name, known in BY_ENVIRONMENT.items() if env.startswith(name))
