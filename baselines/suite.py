"""Suites: loading and checking a suite file, the hash that names it, and the suites that ship with the package.

A suite is the product of environments, team sizes, topologies, planners, regimes, conditions and seeds, minus its
exclusions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from emcoop.baselines.schema import (
    MATCHED_NEEDS,
    REGIMES,
    Budgets,
    Condition,
    Environment,
    Horizon,
    Match,
    Reference,
    SeedRange,
    Suite,
    label_of,
    variant_label,
)
from emcoop.baselines.strict_yaml import parse_yaml, read_yaml, to_plain
from emcoop.errors import ConfigError, unknown_name

SHIPPED_IN = ("emcoop.baselines", "emcoop.leaderboards")
"""Packages with a folder of suites; those of the leaderboards are frozen."""


def suite_from_data(data: dict[str, Any], source: str) -> Suite:
    """Build a suite from plain data; `source` names it in errors.

    Raises:
        ConfigError: Unknown or missing keys, values out of range, repeated entries, exclusions of nothing.
    """
    for where, mapping, kind in _places(data):
        for key in mapping:
            if key not in kind.__struct_fields__:
                raise unknown_name(f"key of {where} in {source}", key, kind.__struct_fields__)
    try:
        suite = msgspec.convert(to_plain(data, source), Suite)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source} is not a suite: {error}; correct that entry") from error
    _check_specs(suite, source)
    _check_regimes(suite, source)
    _check_repeats(suite, source)
    for match in [*suite.exclude, *(horizon.where for horizon in suite.horizons)]:
        _check_match(match, suite, source)
    return suite


def canonical_bytes(suite: Suite) -> bytes:
    """Return the form that is hashed: JSON, keys sorted, defaults left out."""
    return msgspec.json.encode(suite, order="deterministic")


def suite_hash(suite: Suite) -> str:
    """Return the SHA-256 of the canonical form, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_bytes(suite)).hexdigest()


def load_suite(name_or_path: str | Path) -> Suite:
    """Load a suite that ships with the package by name, or any by the path of its file.

    Text with a folder separator or the ending `.yaml` or `.yml` is a path, everything else a name.

    Raises:
        UnknownNameError: No such suite.
        ConfigError: The file cannot be read or is not a suite.
    """
    path = Path(name_or_path)
    if path.suffix.lower() in (".yaml", ".yml") or path.name != str(name_or_path):
        return suite_from_data(read_yaml(path), str(path))
    known = _shipped()
    if str(name_or_path) not in known:
        raise unknown_name("suite (a name, or the path of a .yaml file)", str(name_or_path), known)
    return suite_from_data(parse_yaml(known[str(name_or_path)], f"{name_or_path}.yaml"), f"{name_or_path}.yaml")


def list_suites() -> dict[str, str]:
    """Return the suites that ship with the package: name -> one-line description."""
    return {name: load_suite(name).description for name in _shipped()}


def shipped_hash(name: str) -> str:
    """Return the hash of the suite that ships under this name, empty if none does."""
    return suite_hash(load_suite(name)) if name in _shipped() else ""


def with_planners(suite: Suite, planners: Sequence[str | dict[str, Any]]) -> Suite:
    """Return the suite with other planners, under a name of its own.

    Planners of the suite keep its exclusions; new ones run in every cell.
    """
    labels = [label_of(planner) for planner in planners]
    kept = set(labels)
    slug = "-".join("".join(c if c.isalnum() else "-" for c in label.lower()).strip("-") for label in labels)

    def narrow(match: Match) -> Match | None:
        names = [name for name in match.planners if name in kept]
        if match.planners and not names:
            return None
        return msgspec.structs.replace(match, planners=names)

    exclude = [match for match in map(narrow, suite.exclude) if match is not None]
    horizons = [
        msgspec.structs.replace(horizon, where=where)
        for horizon in suite.horizons
        if (where := narrow(horizon.where)) is not None
    ]
    data = msgspec.to_builtins(
        msgspec.structs.replace(
            suite,
            name=f"{suite.name}-{slug}"[:80],
            planners=list(planners),
            exclude=exclude,
            horizons=horizons,
        )
    )
    return suite_from_data(data, f"suite {suite.name!r} with planner {', '.join(labels)}")


def _shipped() -> dict[str, str]:
    folders = [files(package) / "suites" for package in SHIPPED_IN]
    entries = [entry for folder in folders for entry in folder.iterdir()]
    found = sorted((entry.name, entry) for entry in entries if entry.name.endswith(".yaml"))
    return {name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for name, entry in found}


def _places(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], type[msgspec.Struct]]]:
    """Yield every mapping with fixed keys: where it is, the mapping, the type it should become."""
    found: list[tuple[str, Any, type[msgspec.Struct]]] = [("the suite", data, Suite)]
    found += [("environments", entry, Environment) for entry in _list(data.get("environments"))]
    found += [("seeds", data.get("seeds"), SeedRange), ("budgets", data.get("budgets"), Budgets)]
    named: list[tuple[str, type[msgspec.Struct]]] = [("regimes", Budgets), ("conditions", Condition)]
    for key, kind in named:
        if isinstance(data.get(key), dict):
            found += [(f"{key}.{name}", entry, kind) for name, entry in data[key].items()]
    found += [("exclude", entry, Match) for entry in _list(data.get("exclude"))]
    found += [("references", entry, Reference) for entry in _list(data.get("references"))]
    for entry in _list(data.get("horizons")):
        found.append(("horizons", entry, Horizon))
        found.append(("horizons.where", entry.get("where") if isinstance(entry, dict) else None, Match))
    yield from (place for place in found if isinstance(place[1], dict))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_specs(suite: Suite, source: str) -> None:
    for kind, specs in (("topologies", suite.topologies), ("planners", suite.planners)):
        for spec in specs:
            parts = spec if isinstance(spec, list) and kind == "planners" and spec else [spec]
            for part in parts:
                named = isinstance(part, dict) and isinstance(part.get("name"), str) and part["name"]
                if not named and not (isinstance(part, str) and part):
                    raise ConfigError(
                        f"{source} has {part!r} under {kind}: give a name or a mapping with `name` and options"
                        + ("; a list of those is a team" if kind == "planners" else "")
                    )


def _check_regimes(suite: Suite, source: str) -> None:
    for name in suite.regimes:
        if name not in REGIMES:
            raise unknown_name(f"regime in {source}", name, REGIMES)
    matched = suite.regimes.get("matched")
    if matched is not None:
        missing = [key for key in MATCHED_NEEDS if getattr(matched, key) is None]
        if missing:
            raise ConfigError(
                f"{source} has the regime 'matched' without {' and '.join(missing)}: it means equal decisions and "
                "message characters per agent and step for all topologies, so give both numbers"
            )


def _check_repeats(suite: Suite, source: str) -> None:
    variants = [
        f"{env.id} {variant_label(kwargs)}".strip() for env in suite.environments for kwargs in env.variants or [{}]
    ]
    axes: list[tuple[str, Sequence[object]]] = [
        ("environments", variants),
        ("team_sizes", suite.team_sizes),
        ("topologies", [label_of(spec) for spec in suite.topologies]),
        ("planners", [label_of(spec) for spec in suite.planners]),
        ("seeds", suite.seed_list),
    ]
    for axis, values in axes:
        seen: set[object] = set()
        for value in values:
            if value in seen:
                raise ConfigError(f"{source} lists {value!r} twice under {axis}: list each once")
            seen.add(value)


def _check_match(match: Match, suite: Suite, source: str) -> None:
    axes: list[tuple[str, Sequence[object], Sequence[object]]] = [
        ("environments", match.environments, [env.id for env in suite.environments]),
        ("team_sizes", match.team_sizes, suite.team_sizes),
        ("topologies", match.topologies, [label_of(spec) for spec in suite.topologies]),
        ("planners", match.planners, [label_of(spec) for spec in suite.planners]),
        ("regimes", match.regimes, list(suite.regimes)),
        ("conditions", match.conditions, list(suite.conditions)),
    ]
    if not any(accepted for _, accepted, _ in axes):
        raise ConfigError(f"{source} has an exclusion or horizon that names no cells: give at least one field")
    for axis, accepted, present in axes:
        for value in accepted:
            if value not in present:
                raise unknown_name(f"entry of {axis} in an exclusion or horizon of {source}", value, map(str, present))
