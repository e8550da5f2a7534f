"""Who submits what: the part a person writes, and the whole that `submit prepare` makes of it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
import yaml

from emcoop.baselines.strict_yaml import parse_yaml
from emcoop.errors import ConfigError, unknown_name
from emcoop.leaderboards.layout import LIMITS, METADATA, read_limited

Line: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=4000)]
Url: TypeAlias = Annotated[str, msgspec.Meta(max_length=300, pattern=r"^(https://[^\s<>\"'@]+)?\Z")]
Slug: TypeAlias = Annotated[str, msgspec.Meta(max_length=60, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\Z")]
Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**15)]

Track = Literal["standard", "open"]
Kind = Literal["entry", "reference", "plumbing"]
M = TypeVar("M", bound="Meta")


HINTS = {
    "schema": "this version reads 'emcoop-submission-1', so update emcoop or prepare it again",
    "slug": "give lower-case words of letters and digits joined by '-', at most 60 characters",
    "url": "give an address that begins with https://, or nothing",
    "attempts": "give a whole number from 1 to 1000000",
    "authors": "give a list of 1 to 50 names",
    "track": "give `standard` or `open`",
}
"""What to do where the wording of the schema does not say it."""


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Model(_Data, frozen=True, kw_only=True):
    """One model behind a submission.

    Attributes:
        name: As its provider calls it.
        provider: Who runs it.
        version: Date or revision, so that a later reader knows which one it was.
        url: Where it is described.
    """

    name: Line
    provider: Line
    version: Annotated[str, msgspec.Meta(max_length=100)] = ""
    url: Url = ""


class Meta(_Data, frozen=True, kw_only=True):
    """What a submitter writes.

    Attributes:
        name: Name on the board.
        slug: Name of the folder, lower-case.
        authors: People or groups.
        description: What it is, in a few sentences.
        track: `standard` (only the model varies: planner `llm`, prompts as they ship) or `open`.
        models: Models behind it, none for scripted planners.
        prompts_modified: Whether prompts differ from those that ship.
        attempts: Episodes that were run per episode submitted; more than 1 means that the best were picked.
        url, contact, license: Where to read more, whom to ask, terms of the evidence.
        cost_usd: What it took, null = unknown.
        kind: `entry`; the project's own rows are `reference` or `plumbing` (a check of the plumbing, never ranked).
    """

    name: Line
    slug: Slug
    authors: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=50)]
    description: Text
    track: Track
    models: Annotated[list[Model], msgspec.Meta(max_length=50)] = []
    prompts_modified: bool = False
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10**6)] = 1
    url: Url = ""
    contact: Annotated[str, msgspec.Meta(max_length=200)] = ""
    license: Annotated[str, msgspec.Meta(max_length=60)] = "CC-BY-4.0"
    cost_usd: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    kind: Kind = "entry"


class Metadata(Meta, frozen=True, kw_only=True):
    """`metadata.yaml`: what the submitter wrote, and what `submit prepare` found in the sweep.

    Attributes:
        schema: Format of the submission.
        date: When it was prepared.
        suite, suite_hash: The frozen suite.
        emcoop: Version that ran the episodes.
        planner: Planner spec of every episode.
        episodes: How many.
        tokens, messages, decisions: Totals over all episodes.
        results_sha256: Hash of `results.csv`.
    """

    schema: Literal["emcoop-submission-1"] = "emcoop-submission-1"
    date: datetime.date
    suite: Line
    suite_hash: Digest
    emcoop: Line
    planner: Annotated[str, msgspec.Meta(max_length=300)] | dict[str, Any] | list[Any]
    episodes: Annotated[int, msgspec.Meta(ge=1, le=20_000)]
    tokens: Count = 0
    messages: Count = 0
    decisions: Count = 0
    results_sha256: Digest

    @property
    def folder_name(self) -> str:
        """Name of the submission's folder."""
        return f"{self.date.isoformat()}_{self.slug}"


def read_meta(path: Path) -> Meta:
    """Read what a submitter wrote.

    Raises:
        ConfigError: The file cannot be read or does not fit; the sentence names the key.
    """
    try:
        text = path.read_bytes()[: LIMITS[METADATA] + 1]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; give the file with name, authors, track") from None
    return convert(text, str(path), Meta)


def read_metadata(folder: Path) -> Metadata:
    """Read `metadata.yaml` of a submission.

    Raises:
        RefusedSubmission: It is too long.
        ConfigError: It does not fit; the sentence names the key.
    """
    return convert(read_limited(folder / METADATA, LIMITS[METADATA]), METADATA, Metadata)


def write_metadata(metadata: Metadata) -> str:
    """Return the text of `metadata.yaml`."""
    data: dict[str, Any] = msgspec.to_builtins(metadata)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def convert(raw: bytes, source: str, kind: type[M]) -> M:
    """Turn the bytes of a YAML file into metadata.

    Raises:
        ConfigError: Not UTF-8, not plain YAML, unknown or missing keys, values that do not fit.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not UTF-8 text (byte {error.start}); save it as UTF-8 YAML") from None
    if len(raw) > LIMITS[METADATA]:
        raise ConfigError(f"{source} is larger than {LIMITS[METADATA]} bytes; make it shorter")
    data = parse_yaml(text, source)
    for key in data:
        if key not in kind.__struct_fields__:
            raise unknown_name(f"key of {source}", key[:80], kind.__struct_fields__)
    for text in _texts(data):
        # A reader has to see what is there: nothing that turns the direction of writing, or is not shown at all.
        if not text.replace("\n", "").isprintable():
            raise ConfigError(f"{source} has characters that are not shown, in {text[:80]!r}; remove them")
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        place = re.search(r"\$\.(\w+)", str(error))
        hint = HINTS.get(place.group(1) if place else "", "correct that entry")
        raise ConfigError(f"{source} does not fit: {str(error)[:300]}; {hint}") from None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.items() for part in item for text in _texts(part))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))
