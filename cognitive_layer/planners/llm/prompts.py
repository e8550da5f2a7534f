"""Prompt templates: versioned folders of this package, or a folder of the user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from emcoop.errors import ConfigError, PlannerError, unknown_name

if TYPE_CHECKING:
    from jinja2 import Environment, Template

HOME = "emcoop.cognitive_layer.prompts"
PARTS = ("system", "user", "repair")
MANIFEST = "prompt.json"
MOST_CHARS = 100_000
"""Characters of one template file."""

FULL, CHOICE = "full", "choice"
STYLES = (FULL, CHOICE)


class Folder(Protocol):
    """A folder on the disk or in a package."""

    def joinpath(self, name: str) -> Any:
        """Return what is inside under a name."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a folder of prompts says of itself, in `prompt.json`.

    Attributes:
        reply: `full` (a plan and messages, written out) or `choice` (one of the tasks; for very small models).
        examples: Turns shown before the real one: what was asked, and the answer.
    """

    reply: str = FULL
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Prompts:
    """Compiled templates.

    Attributes:
        name: Folder, with its version.
        manifest: What it says of itself.
        uses: Names of the values its templates use, so that others need not be worked out.
        templates: Part -> template.
    """

    name: str
    manifest: Manifest
    uses: frozenset[str]
    templates: Mapping[str, Template]

    def render(self, part: str, values: Mapping[str, Any]) -> str:
        """Fill in a template.

        Raises:
            PlannerError: It asks for what there is not.
        """
        from jinja2 import TemplateError

        try:
            return self.templates[part].render(values)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise PlannerError(f"{part}.jinja of the prompts {self.name!r} cannot be filled in: {error}") from error


def list_prompts() -> list[str]:
    """Return the names of the prompts that ship, with their versions."""
    return sorted(entry.name for entry in files(HOME).iterdir() if entry.joinpath("system.jinja").is_file())


def load_prompts(name: str) -> Prompts:
    """Load prompts.

    Args:
        name: `standard`, `short` (the newest version), one of those with a version (`standard-1`), or the path of a
            folder with `system.jinja`, `user.jinja`, `repair.jinja` and, if wanted, `prompt.json`.

    Raises:
        ConfigError: No such prompts, a file is missing, or it cannot be compiled.
    """
    shipped = list_prompts()
    newest = max((s for s in shipped if s.rpartition("-")[0] == name), key=_version, default=name)
    if newest in shipped:
        return _compile(newest, _read(newest, files(HOME).joinpath(newest)), True)
    folder = Path(name)
    if not folder.is_dir():
        raise unknown_name(
            "prompts (or no folder of that name)", name, {*shipped, *(s.rpartition("-")[0] for s in shipped)}
        )
    return _compile(str(folder), _read(str(folder), folder), False)


def file_hashes(name: str) -> dict[str, str]:
    """Return the SHA-256 of every file of prompts that ship, by file name; line ends count as one character."""
    texts = dict(_read(name, files(HOME).joinpath(name)))
    return {file: hashlib.sha256(text.encode()).hexdigest() for file, text in sorted(texts.items())}


def _version(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _read(name: str, folder: Folder) -> tuple[tuple[str, str], ...]:
    texts = []
    for file in (*(f"{part}.jinja" for part in PARTS), MANIFEST):
        path = folder.joinpath(file)
        if not path.is_file():
            if file == MANIFEST:
                continue
            raise ConfigError(f"prompts {name!r} have no {file}: give {', '.join(f'{p}.jinja' for p in PARTS)}")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} of the prompts {name!r} cannot be read: {error}") from error
        if len(text) > MOST_CHARS:
            raise ConfigError(f"{file} of the prompts {name!r} has {len(text)} characters: give at most {MOST_CHARS}")
        texts.append((file, text.replace("\r\n", "\n")))
    return tuple(texts)


def _environment(shipped: bool) -> Environment:
    """Return where templates are compiled; those of a user can only look at what they are given."""
    from jinja2 import Environment, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    kind = Environment if shipped else ImmutableSandboxedEnvironment
    return kind(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)


@lru_cache(maxsize=16)
def _compile(name: str, texts: tuple[tuple[str, str], ...], shipped: bool) -> Prompts:
    from jinja2 import TemplateSyntaxError, meta

    environment = _environment(shipped)
    templates, uses = {}, set[str]()
    sources = dict(texts)
    for part in PARTS:
        source = sources[f"{part}.jinja"]
        try:
            uses |= meta.find_undeclared_variables(environment.parse(source))
            templates[part] = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise ConfigError(f"{part}.jinja of the prompts {name!r}, line {error.lineno}: {error.message}") from error
    return Prompts(name, _manifest(name, sources.get(MANIFEST, "{}")), frozenset(uses), templates)


def _manifest(name: str, text: str) -> Manifest:
    try:
        manifest = msgspec.json.decode(text.encode(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{MANIFEST} of the prompts {name!r} does not fit: {error}") from error
    if manifest.reply not in STYLES:
        raise ConfigError(
            f"{MANIFEST} of the prompts {name!r} has reply={manifest.reply!r}: choose {' or '.join(STYLES)}"
        )
    return manifest
