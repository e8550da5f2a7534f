"""Tools of somebody who alters a submission and makes everything else agree with it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from emcoop.baselines.expansion import Unit
from emcoop.baselines.sweep import run_episode_of
from emcoop.cognitive_layer.episode import config_hash
from emcoop.leaderboards.frozen import units_for
from emcoop.leaderboards.table import totals
from emcoop.metrics import score_trace
from emcoop.registration import make_embodiment
from emcoop.trace import Trace, read_trace, schema
from emcoop.trace.writer import ENCODER

Events = list[schema.Event]


class Forgery:
    """A copy of a submission that can be altered.

    Args:
        folder: The copy.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # Metadata and table ----------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "metadata.yaml").read_text(encoding="utf-8"))
        return found

    def tell(self, **changes: Any) -> None:
        """Change the metadata."""
        text = yaml.safe_dump({**self.metadata, **changes}, sort_keys=False, allow_unicode=True)
        (self.folder / "metadata.yaml").write_text(text, encoding="utf-8")

    def add_yaml(self, text: str) -> None:
        path = self.folder / "metadata.yaml"
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    def yaml(self, old: str, new: str) -> None:
        path = self.folder / "metadata.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    @property
    def rows(self) -> list[dict[str, str]]:
        text = (self.folder / "results.csv").read_text(encoding="utf-8")
        return list(csv.DictReader(io.StringIO(text)))

    def put_rows(self, rows: Sequence[dict[str, str]]) -> None:
        """Write the table, and make hash and totals in the metadata agree with it."""
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.put_table(buffer.getvalue())

    def put_table(self, text: str, settle: bool = True) -> None:
        path = self.folder / "results.csv"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        self.tell(results_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        if settle:
            self.tell(episodes=len(self.rows), **self._totals())

    def _totals(self) -> dict[str, int]:
        names = ("prompt_tokens", "completion_tokens", "messages_total", "decisions_per_step", "steps")
        try:
            return totals([{name: float(row[name] or "nan") for name in names} for row in self.rows])
        except (ValueError, OverflowError):
            return {}

    def cell(self, unit: str, **changes: str) -> None:
        """Change fields of one row."""
        self.put_rows([{**row, **changes} if row["unit"] == unit else row for row in self.rows])

    def field(self, column: str, text: str) -> None:
        """Change one field of the first row."""
        self.cell(self.units[0], **{column: text})

    # Traces ----------------------------------------------------------------------------------------------------------

    @property
    def units(self) -> list[str]:
        return sorted(row["unit"] for row in self.rows)

    def unit(self, id: str) -> Unit:
        """Return a unit as the suite has it."""
        told = self.metadata
        return next(unit for unit in units_for(told["suite"], told["planner"]) if unit.id == id)

    def path(self, unit: str) -> Path:
        return self.folder / "traces" / f"{unit}.jsonl.gz"

    def events(self, unit: str) -> Events:
        return read_trace(self.path(unit)).events

    def put(self, unit: str, events: Iterable[schema.Event], scored: bool = True) -> None:
        """Write a trace, numbered anew, and make the table agree with it: digest, status and every metric."""
        kept = list(events)
        for number, event in enumerate(kept):
            event.seq = number
        episode = kept[1]
        if isinstance(kept[0], schema.Run) and isinstance(episode, schema.Episode):
            kept[0].config_hash = config_hash(msgspec.structs.replace(episode, seq=-1))
        self.put_bytes(unit, b"".join(ENCODER.encode(event) + b"\n" for event in kept))
        if scored:
            metrics = score_trace(Trace(kept))
            end = kept[-1]
            status = {"status": end.status} if isinstance(end, schema.End) else {}
            self.cell(unit, **status, **{name: "" if v != v else repr(v + 0.0) for name, v in metrics.items()})

    def put_bytes(self, unit: str, raw: bytes, packed: bytes | None = None) -> None:
        """Write the bytes of a trace, and its digest into the table."""
        self.path(unit).write_bytes(gzip.compress(raw, mtime=0) if packed is None else packed)
        self.cell(unit, digest=hashlib.sha256(raw).hexdigest())

    def alter(self, change: Callable[[Events], Events | None], scored: bool = True) -> None:
        """Change the events of the first trace."""
        unit = self.units[0]
        events = self.events(unit)
        self.put(unit, change(events) or events, scored)

    def played(self, unit: str, **changes: Any) -> Events:
        """Return the events of a real episode that a unit does not ask for, under the head of one that it does."""
        scratch = self.folder.parent / "other.jsonl.gz"
        run_episode_of(msgspec.structs.replace(self.unit(unit), **changes), scratch)
        events, own = read_trace(scratch).events, self.events(unit)
        scratch.unlink()
        return [*own[:2], *events[2:]]


def first(events: Iterable[schema.Event], kind: type[schema.Event], **fields: Any) -> Any:
    """Return the first event of a kind with these fields."""
    return next(e for e in events if type(e) is kind and all(getattr(e, k) == v for k, v in fields.items()))


def of(events: Iterable[schema.Event], kind: type[schema.Event]) -> list[Any]:
    return [event for event in events if type(event) is kind]


def acted_out(events: Events, actions: Sequence[Sequence[int]]) -> Events:
    """Let the real world carry out other joint actions, and put what comes of it into steps and end."""
    episode = events[1]
    assert isinstance(episode, schema.Episode)
    world = make_embodiment(
        episode.env_id, n_agents=episode.n_agents, max_steps=episode.max_steps, **episode.env_kwargs
    )
    world.reset(episode.seed, episode.options)
    outcome = None
    for step in of(events, schema.Step)[1:]:
        step.actions = list(actions[step.t - 1])
        outcome = world.step(step.actions)
        step.reward, step.events = outcome.reward, outcome.events
        step.state_hash, step.configuration_hash = world.state_hash(), world.configuration_hash()
        step.progress = world.progress()
    end = events[-1]
    assert isinstance(end, schema.End)
    assert outcome is not None
    end.score, end.raw_score = world.scores()
    end.terminated = outcome.terminated
    return events
