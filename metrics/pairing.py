"""Which episodes are compared with which: same world, same seed, same settings except for one thing.

The result is the table of matched runs, one row per completed episode, from the rows of a sweep. References of an
episode, all with its environment, settings of it, length and seed:

- `single`: the same planner as a team of one, under `individual` where that ran.
- `individual`: the same team under the topology in which nobody talks. For both the channel does not matter: they are
  taken under a plain one where they did not run under the episode's own.
- `silent`: the same team and topology with every message suppressed (channel control `mute`), or else `individual`.
- `clean`: the same without faults.
- `random`, `oracle`: those planners in a team of the same size; where they did not run under the episode's own
  condition, regime and topology, the nearest there is, but never a condition that is neither the episode's nor plain.

`single` and `individual` are there for every episode, themselves too; the others only where they say something.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from emcoop.metrics import matched
from emcoop.metrics.matched import Comparison, Outcome

IDENTITY = ("unit", "env", "variant", "n_agents", "topology", "planner", "regime", "condition", "seed")
REFERENCES = ("single", "individual", "silent", "clean", "random", "oracle")
COLUMNS = (
    *IDENTITY,
    *(f"reference_{name}" for name in REFERENCES),
    *(column for one in matched.METRICS for column in one.columns),
)
"""Columns of the table of matched runs."""
ALONE = "individual"
"""The topology in which nobody talks."""


@dataclass(frozen=True)
class Run:
    """One completed episode.

    Attributes:
        unit, env, variant, n_agents, topology, planner, regime, condition, seed: As in the table of results.
        max_steps: Its length in environment steps.
        settings: What its condition changes: `channel`, `faults` and so on.
        outcome: How it went.
    """

    unit: str
    env: str
    variant: str
    n_agents: int
    topology: str
    planner: str
    regime: str
    condition: str
    seed: int
    max_steps: int
    settings: Mapping[str, Any]
    outcome: Outcome


@dataclass(frozen=True)
class _Key:
    """What two episodes share that differ in nothing."""

    world: Hashable
    seed: int
    n_agents: int
    planner: str
    regime: str
    topology: str
    settings: str


class _Index(NamedTuple):
    """Episodes by what they share: by everything, by all but the loss rate, by world and team size and planner."""

    exact: dict[_Key, Run]
    losses: dict[_Key, list[Run]]
    planners: dict[_Key, list[tuple[_Key, Run]]]


def matched_rows(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Compare every episode with its references; one row each, in the order given, with the columns `COLUMNS`.

    Of episodes that differ in nothing the first one counts as the reference.

    Args:
        runs: Completed episodes of one sweep.

    Returns:
        Rows: what identifies the episode, the units of its references (empty where there is none), the metrics (NaN
        where they do not apply).
    """
    keyed = [(_key(run), run) for run in runs]
    index = _Index({}, defaultdict(list), defaultdict(list))
    for key, run in keyed:
        index.exact.setdefault(key, run)
        index.losses[_lossless(key, run)].append(run)
        index.planners[_anyhow(key)].append((key, run))
    return [_row(key, run, index) for key, run in keyed]


def _row(key: _Key, run: Run, index: _Index) -> dict[str, Any]:
    found = _references(key, run, index)
    row: dict[str, Any] = {name: getattr(run, name) for name in IDENTITY}
    row |= {f"reference_{name}": found[name].unit if name in found else "" for name in REFERENCES}
    for one in matched.METRICS:
        if one is matched.drop_sensitivity:
            row[one.name] = one(_loss_points(key, run, index))
        else:
            row |= _values(one, run, found)
    return row


def _values(one: Comparison, run: Run, found: Mapping[str, Run]) -> dict[str, float]:
    """Return the columns of one metric."""
    values = {}
    for column, needed in zip(one.columns, one.references, strict=True):
        others = [found[name].outcome for name in needed.split("+") if name in found]
        values[column] = one(run.outcome, *others) if len(others) == needed.count("+") + 1 else math.nan
    return values


def _references(key: _Key, run: Run, index: _Index) -> dict[str, Run]:
    individual = _untalking(replace(key, topology=ALONE), run, index)
    one = replace(key, n_agents=1)
    candidates = {
        "single": _untalking(replace(one, topology=ALONE), run, index) or _untalking(one, run, index),
        "individual": individual,
        "random": _nearest(key, "random", index),
        "oracle": _nearest(key, "oracle", index),
    }
    if _can_talk(run):
        mute = {**run.settings, "channel": {"control": "mute"}}
        candidates["silent"] = index.exact.get(replace(key, settings=_text(mute)), individual)
    if run.settings.get("faults"):
        without = {name: value for name, value in run.settings.items() if name != "faults"}
        candidates["clean"] = index.exact.get(replace(key, settings=_text(without)))
    return {name: other for name, other in candidates.items() if other is not None}


def _untalking(key: _Key, run: Run, index: _Index) -> Run | None:
    """Return the episode with this key, or else with a plain channel: where nobody talks the channel is idle."""
    plain = {name: value for name, value in run.settings.items() if name != "channel"}
    return index.exact.get(key, index.exact.get(replace(key, settings=_text(plain))))


def _nearest(key: _Key, planner: str, index: _Index) -> Run | None:
    """Return the episode of a reference planner that differs least from one with this key."""

    def distance(entry: tuple[_Key, Run]) -> tuple[bool, ...]:
        other = entry[0]
        differs = (getattr(other, name) != getattr(key, name) for name in ("settings", "regime", "topology"))
        return (*differs, other.topology != ALONE)

    there = index.planners[_anyhow(replace(key, planner=planner))]
    fitting = [entry for entry in there if entry[0].settings in (key.settings, PLAIN)]
    return min(fitting, key=distance)[1] if fitting else None


def _loss_points(key: _Key, run: Run, index: _Index) -> list[tuple[float, float]]:
    """Return loss rate and score of all episodes that differ from this one in the loss rate alone.

    Only for the one with the smallest rate, so that the slope is counted once; one episode per rate.
    """
    points: dict[float, Run] = {}
    for other in index.losses[_lossless(key, run)]:
        points.setdefault(_loss(other), other)
    if points[min(points)] is not run or not _can_talk(run):
        return []
    return [(rate, points[rate].outcome.score) for rate in sorted(points)]


def _key(run: Run) -> _Key:
    world = (run.env, run.variant, run.max_steps)
    return _Key(world, run.seed, run.n_agents, run.planner, run.regime, run.topology, _text(run.settings))


def _anyhow(key: _Key) -> _Key:
    """Return the key without regime, topology and condition."""
    return replace(key, regime="", topology="", settings="")


def _lossless(key: _Key, run: Run) -> _Key:
    """Return the key without the loss rate."""
    channel = {name: value for name, value in _channel(run.settings).items() if name != "loss"}
    return replace(key, settings=_text({**run.settings, "channel": channel}))


def _loss(run: Run) -> float:
    return float(_channel(run.settings).get("loss", 0.0))


def _channel(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the channel does; where it is mute nothing else matters."""
    return {"control": "mute"} if _is_mute(settings) else settings.get("channel") or {}


def _can_talk(run: Run) -> bool:
    return run.n_agents > 1 and run.topology != ALONE and not _is_mute(run.settings)


def _is_mute(settings: Mapping[str, Any]) -> bool:
    return (settings.get("channel") or {}).get("control") == "mute"


def _text(settings: Mapping[str, Any]) -> str:
    """Return settings as text that is equal for settings that do the same; what changes nothing is left out."""
    channel = {
        name: value for name, value in _channel(settings).items() if value is not None and (value or name == "range")
    }
    effective = {name: value for name, value in {**settings, "channel": channel}.items() if value}
    return json.dumps(effective, sort_keys=True)


PLAIN = _text({})
"""Nothing is out of the ordinary."""
