"""Read YAML written by others: size limit, no aliases (they can grow without bound), no merged or repeated keys."""

from __future__ import annotations

import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from emcoop.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MERGE = "tag:yaml.org,2002:merge"


class _StrictLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE:
                raise yaml.MarkedYAMLError(problem="merge keys (<<) are not allowed", problem_mark=key_node.start_mark)
            if not isinstance(key_node.value, str):
                continue
            if key_node.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key_node.value!r} appears twice", problem_mark=key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file as plain JSON data (string keys, no dates, no NaN).

    Args:
        path: File of at most `MAX_BYTES` bytes.

    Raises:
        ConfigError: Not readable, too large, not YAML, not a mapping, or holding something JSON has no word for.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}; give a readable YAML file") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes, the limit for such a file; make it smaller")
    try:
        return parse_yaml(raw.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8 YAML") from error


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Return the mapping in `text` as plain JSON data; `source` names it in errors.

    Raises:
        ConfigError: Not YAML, not a mapping, or holding something JSON has no word for.
    """
    try:
        data = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {_problem(error)}; correct that line") from error
    except RecursionError:
        raise ConfigError(f"{source} cannot be read: it is nested too deeply; flatten it") from None
    except ValueError as error:
        what = f"a number or date in it is none ({str(error)[:60]})"
        raise ConfigError(f"{source} cannot be read: {what}; correct it") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source} holds {type(data).__name__}, not a mapping of keys to values; see the docs")
    plain = to_plain(data, source)
    assert isinstance(plain, dict)
    return plain


def to_plain(value: Any, source: str, depth: int = 0) -> Any:
    """Return `value` with tuples as lists and whole-number keys as strings.

    Raises:
        ConfigError: A value that JSON cannot hold, or nesting deeper than `MAX_DEPTH`.
    """
    if depth > MAX_DEPTH:
        raise ConfigError(f"{source} is nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(value, dict):
        return {_key(key, source): to_plain(entry, source, depth + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(entry, source, depth + 1) for entry in value]
    finite = not isinstance(value, float) or math.isfinite(value)
    if finite and (value is None or isinstance(value, (bool, int, float, str))):
        return value
    raise ConfigError(f"{source} holds {value!r}: allowed are text, numbers, true, false, lists and mappings")


def _key(key: Any, source: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise ConfigError(f"{source} has the key {key!r}: keys are text or whole numbers; put it in quotes")


def _problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} in line {mark.line + 1}" if mark is not None else str(problem)
