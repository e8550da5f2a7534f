"""The page of the detector evaluation, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from emcoop.baselines.detectors.episodes import (
    HORIZONS,
    REROUTES,
    THETAS,
    TIMES,
    TOPOLOGIES,
    Count,
    Counts,
    add_count,
    window,
)
from emcoop.baselines.detectors.matching import Tally
from emcoop.baselines.detectors.pairs import CHANCE, FIRST, LATE, N_AGENTS, PAIRS, SPREAD, WITHOUT
from emcoop.metrics.failures import RULE_SET, rules
from emcoop.metrics.statistics import wilson

HEAD = """\
# Do the failure rules find what they are for?

Faults were put into episodes on purpose (`run_episode(faults=...)`), and the rules `{rules}` had to find them
in the traces. What has to be found is worked out from the `fault` events and plain facts of the log (who got which
message, which plan was in force), by one small function per row in `baselines/detectors/truths.py`, never by the code
of a rule; and no rule reads a `fault` event. A hit is right if it names the agents of an incident and overlaps it in
time. Hits in the same episodes without faults count as wrong. The page is written by

```
python -m emcoop.baselines.detectors --out docs/detectors.md
```

{seeds} seeds, {n} `team` agents, {topologies}; {horizons}. Messages are hit with probability {chance},
late ones by {late} steps; agents and teams are hit from step {first} to {last} on, by seed. Brackets are 95 % intervals
(Wilson).
"""
PRECISION = """\
## Injected faults

*Delay* is the number of steps from when a fault took effect until a rule that is shown the log up to there has the hit:
median and 90th percentile. *F1 of agents* and *F1 of steps* count which agents and which steps of an episode are in
incidents and in hits. Rows with `*`: incidents of this rule come about without the fault too, so only recall says
something. Where no truth came about there is nothing to judge.

"""
SILENT = """\
## No structural truth

What one might expect a rule to find, though by its definition it need not. The last column counts its hits: they are
about what the fault led to, if there are any, and nothing to judge the rule by.

"""
RATES = """\
## The scripted team, and one that acts at random

Hits per opportunity of the team as it is, without faults, in the same topologies; and of a team of agents that choose
by chance and do not talk (`random`, `individual`). The severity F stands for failures: a competent team has next to
none. E (bodies) and T (progress) have to light up for the random one. Rules that never could have hit are left out.

"""
GRID = """\
## How much the thresholds matter

Rates over a grid of the thresholds, everything else as it is: `W_t` as multiples of its value (Cube {cube}, MA-Crafter
{crafter} steps); `r` and `theta` as they are. Rules whose counts do not depend on it are left out.

"""


def page(counts: Counts, seeds: int) -> str:
    """Return the page.

    Args:
        counts: What came of all jobs.
        seeds: How many seeds were run.
    """
    head = HEAD.format(
        rules=RULE_SET, seeds=seeds, n=N_AGENTS, topologies=", ".join(TOPOLOGIES), chance=CHANCE, late=LATE,
        horizons=", ".join(f"{env} {steps} steps" for env, steps in HORIZONS.items()), first=FIRST,
        last=FIRST + SPREAD - 1,
    )  # fmt: skip
    grid = GRID.format(cube=window("Cube-v0"), crafter=window("MACrafter-v0"))
    sections = [
        head,
        PRECISION + _precision(counts),
        SILENT + _silent(counts),
        RATES + _rates(counts),
        grid + _grid(counts),
    ]
    return "\n".join(sections)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _precision(counts: Counts) -> str:
    head = ["fault", "rule", "what has to be found", "world", "truths", "found", "recall", "hits", "right", "precision"]
    rows = []
    for pair in PAIRS:
        for env in HORIZONS:
            tally = counts.tallies.get((env, pair.injection, pair.rule), Tally())
            right = ["", "", "*"] if pair.occurs else [str(tally.hits), str(tally.right), precision(tally)]
            more = ["", "", ""] if pair.occurs else [_f1(tally.as_counts()), _f1(tally.agents), _f1(tally.steps)]
            names = [pair.injection, pair.rule, pair.says, _short(env)]
            sought = [str(tally.truths), str(tally.found), recall(tally)]
            rows.append([*names, *sought, *right, *more, _delay(tally.delays)])
    return _table([*head, "F1", "F1 of agents", "F1 of steps", "delay"], rows)


def recall(tally: Tally) -> str:
    """Return the share of the truths that were found, with its interval."""
    return interval((tally.found, tally.truths))


def precision(tally: Tally) -> str:
    """Return the share of the hits that were right, with its interval."""
    return interval((tally.right, tally.hits))


def interval(count: Count, scale: float = 1.0, digits: int = 2) -> str:
    """Return a share with its interval, `-` of nothing."""
    if not count[1]:
        return "-"
    if count[0] > count[1]:
        return f"{scale * count[0] / count[1]:.{digits}f}"
    one = wilson(*count)
    return f"{scale * one.value:.{digits}f} [{scale * one.low:.{digits}f}, {scale * one.high:.{digits}f}]"


def _f1(counts: tuple[int, int, int]) -> str:
    both, missed, wrong = counts
    return f"{2 * both / (2 * both + missed + wrong):.2f}" if sum(counts) else "-"


def _delay(delays: Sequence[int]) -> str:
    return f"{np.median(delays):.0f}, {np.quantile(delays, 0.9):.0f} ({len(delays)})" if delays else "-"


def _short(env: str) -> str:
    return env.removesuffix("-v0")


def _silent(counts: Counts) -> str:
    rows = []
    for kind, rule_id, why in WITHOUT:
        found = "; ".join(
            f"{_short(env)} {hits} in {episodes}"
            for env in HORIZONS
            for hits, episodes in [counts.silent.get((env, kind, rule_id), (0, 0))]
        )
        rows.append([kind, rule_id, why, found])
    return _table(["fault", "rule", "why", "hits"], rows)


def pooled(counts: Counts, env: str, planner: str, of: Iterable[str], topology: str = "") -> Count:
    """Return the hits and opportunities of several rules together.

    Args:
        counts: What came of all jobs.
        env: Environment.
        planner: `team` or `random`.
        of: Ids of the rules.
        topology: One topology only.
    """
    chosen = set(of)
    found: dict[tuple[object, ...], Count] = {}
    for (where, who, how, rule_id), count in counts.rates.items():
        if (where, who) == (env, planner) and rule_id in chosen and topology in ("", how):
            add_count(found, (), count)
    return found.get((), (0, 0))


def failures_of(letters: str = "", severity: str = "") -> list[str]:
    """Return the ids of the rules that begin with one of these letters and have this severity."""
    return [
        one.id for one in rules().values() if (not letters or one.id[0] in letters) and severity in ("", one.severity)
    ]


def _rates(counts: Counts) -> str:
    groups = [
        ("all F", failures_of(severity="F")), ("all E", failures_of("E")), ("all T", failures_of("T")),
        *((rule_id, [rule_id]) for rule_id in rules()),
    ]  # fmt: skip
    head = ["rules", "severity"]
    for env in HORIZONS:
        head += [f"{_short(env)} team, %", "hits", f"{_short(env)} random, %", "hits"]
    rows = []
    for name, of in groups:
        cells = [name, rules()[name].severity if name in rules() else ""]
        for env in HORIZONS:
            for planner in ("team", "random"):
                count = pooled(counts, env, planner, of)
                cells += [interval(count, 100.0), f"{count[0]}/{count[1]}"]
        if any("/0" not in cell for cell in cells[3::2]):
            rows.append(cells)
    by_topology = [
        [_short(env), topology, *_share(pooled(counts, env, "team", failures_of(severity="F"), topology)),
         _told(counts, env, topology)]
        for env in HORIZONS
        for topology in TOPOLOGIES
    ]  # fmt: skip
    told = _table(["world", "topology", "F rules of the team, %", "hits", "which"], by_topology)
    return f"{_table(head, rows)}\n{told}"


def _share(count: Count) -> list[str]:
    return [interval(count, 100.0), f"{count[0]}/{count[1]}"]


def _told(counts: Counts, env: str, topology: str) -> str:
    each = {rule_id: pooled(counts, env, "team", [rule_id], topology)[0] for rule_id in failures_of(severity="F")}
    return ", ".join(f"{rule_id} {hits}" for rule_id, hits in each.items() if hits)


def _grid(counts: Counts) -> str:
    tables = []
    for name, values in (("W_t", TIMES), ("r", REROUTES), ("theta", THETAS)):
        rows = []
        for rule_id in rules():
            for env in HORIZONS:
                for planner in ("team", "random"):
                    of = [counts.grid.get((env, planner, name, value, rule_id), (0, 0)) for value in values]
                    fixed = name == "W_t" and len(set(of)) == 1
                    if not fixed and any(count[1] for count in of):
                        rows.append([rule_id, _short(env), planner, *(f"{a}/{b}" for a, b in of)])
        head = [
            "rule",
            "world",
            "team",
            *(f"{value:g} {name}" if name == "W_t" else f"{name} = {value:g}" for value in values),
        ]
        tables.append(_table(head, rows))
    return "\n".join(tables)
