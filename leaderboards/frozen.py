"""Frozen suites: what is ranked, by hash."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from emcoop.baselines.expansion import Unit, expand
from emcoop.baselines.schema import Suite
from emcoop.baselines.suite import load_suite, suite_hash, with_planners
from emcoop.errors import ConfigError, EmCoopError, unknown_name

HASHES = "frozen.json"


@cache
def frozen_hashes() -> dict[str, str]:
    """Return the frozen suites: name -> SHA-256."""
    text = (files("emcoop.leaderboards") / "suites" / HASHES).read_text(encoding="utf-8")
    hashes: dict[str, str] = json.loads(text)
    return hashes


def frozen_suite(name: str) -> Suite:
    """Return a frozen suite.

    Raises:
        UnknownNameError: There is no frozen suite of that name.
        EmCoopError: Its file is not what was frozen.
    """
    if name not in frozen_hashes():
        raise unknown_name("frozen suite", name, frozen_hashes())
    suite = load_suite(name)
    if suite_hash(suite) != frozen_hashes()[name]:
        raise EmCoopError(
            f"the file of suite {name!r} is not what was frozen (hash {suite_hash(suite)[:12]}, due "
            f"{frozen_hashes()[name][:12]}): install emcoop again, or give a changed suite a name of its own"
        )
    return suite


def suite_for(name: str, planner: Any) -> Suite:
    """Return a frozen suite with the planner of one submission in every cell."""
    return with_planners(frozen_suite(name), [planner])


def units_for(name: str, planner: Any) -> list[Unit]:
    """Return the episodes a submission with this planner has to hold, all of them and no others.

    Raises:
        ConfigError: There is no such suite, or the planner's spec is none.
    """
    units = expand(suite_for(name, planner))
    if len({unit.id for unit in units}) < len(units):
        raise ConfigError(f"suite {name!r} has two episodes of one id: that is a defect of the suite, please report it")
    return units
