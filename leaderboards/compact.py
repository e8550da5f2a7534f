"""Evidence without traces: the joint actions and the digest of every episode, for suites whose traces are too large.

Everything else is made again by the verifier: the loop is run and has to give the digest that the table states. Only
teams that can be run again without logged replies can be shown this way.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from emcoop.baselines.expansion import Unit
from emcoop.baselines.results import Result
from emcoop.baselines.sweep import run_episode_of
from emcoop.errors import EmCoopError
from emcoop.leaderboards.evidence import differing_metrics
from emcoop.leaderboards.layout import ACTIONS, LIMITS, read_limited
from emcoop.leaderboards.problems import Level, Problem, quoted, refused
from emcoop.leaderboards.recorded_models import RecordedModels
from emcoop.leaderboards.table import Row
from emcoop.registration import make_embodiment
from emcoop.trace import Trace, read_trace, schema

MOST_BYTES = 1 << 30
LONGEST_LINE = 1 << 24
CHUNK = 1 << 16


class Acted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The joint actions of one episode.

    Attributes:
        unit: Id of the episode.
        actions: One list per step, one integer per agent.
    """

    unit: Annotated[str, msgspec.Meta(max_length=250)]
    actions: list[list[Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]]]


class CompactClaim(msgspec.Struct, frozen=True):
    """One episode to check.

    Attributes:
        unit: What it should be.
        row: What the table says of it.
        acted: Its joint actions.
        suites: Names and hashes the suite may have had in its trace.
        level: How far to check.
    """

    unit: Unit
    row: Row
    acted: Acted
    suites: tuple[tuple[str, str], ...]
    level: int


def actions_bytes(traces: Iterable[tuple[str, Path]]) -> bytes:
    """Return the content of `actions.jsonl.gz` for traces by unit id; the same traces give the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as file:
        for unit, path in traces:
            file.write(msgspec.json.encode(Acted(unit, joint_actions(read_trace(path)))) + b"\n")
    return buffer.getvalue()


def joint_actions(trace: Trace) -> list[list[int]]:
    """Return the joint actions of a trace, step by step."""
    return [step.actions for step in trace.of(schema.Step) if step.t > 0]


def read_actions(path: Path, units: Iterable[Unit]) -> dict[str, Acted]:
    """Read `actions.jsonl.gz` of a submission.

    Args:
        path: The file.
        units: Episodes it has to hold; nothing longer than those is kept.

    Raises:
        RefusedSubmission: Damaged, too long, not of the schema, or other episodes than those, once each.
    """
    decoder = msgspec.json.Decoder(Acted)
    due = {unit.id: unit for unit in units}
    found: dict[str, Acted] = {}
    for number, line in enumerate(_lines(read_limited(path, LIMITS[ACTIONS])), start=1):
        where = f"{ACTIONS}, line {number}"
        try:
            acted = decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise refused("actions", where, f"it does not fit: {str(error)[:200]}") from None
        if acted.unit not in due:
            raise refused("actions", where, f"the suite has no episode {quoted(acted.unit)}")
        if acted.unit in found:
            raise refused("duplicate", acted.unit, f"the episode is in {ACTIONS} twice")
        if len(acted.actions) > (most := due[acted.unit].max_steps):
            raise refused("actions", acted.unit, f"it has {len(acted.actions)} steps, and the episode at most {most}")
        found[acted.unit] = acted
    if missing := sorted(due.keys() - found.keys()):
        text = f"{len(missing)} of {len(due)} episodes are not in {ACTIONS}"
        raise refused("actions", missing[0], text)
    return found


def _lines(raw: bytes) -> Iterator[bytes]:
    """Yield the lines, decompressed piece by piece."""
    tail = bytearray()
    for piece in _inflated(raw):
        tail += piece
        *lines, rest = tail.split(b"\n")
        for line in lines:
            yield bytes(line)
        tail = rest
        if len(tail) > LONGEST_LINE:
            raise refused("actions", ACTIONS, f"a line is longer than the allowed {LONGEST_LINE} bytes")
    if tail:
        raise refused("actions", ACTIONS, "its last line is cut off")


def _inflated(raw: bytes) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    size = 0
    for start in range(0, len(raw), CHUNK):
        data = raw[start : start + CHUNK]
        while data:
            try:
                piece = inflater.decompress(data, CHUNK)
            except zlib.error as error:
                raise refused("actions", ACTIONS, f"its compressed data does not decode ({error})") from None
            if inflater.unused_data or (inflater.eof and start + CHUNK < len(raw)):
                raise refused("actions", ACTIONS, "it has data after its compressed stream")
            size += len(piece)
            if size > MOST_BYTES:
                raise refused("actions", ACTIONS, f"it holds more than the allowed {MOST_BYTES} bytes")
            yield piece
            data = inflater.unconsumed_tail
    if not inflater.eof:
        raise refused("actions", ACTIONS, "its compressed data is cut off")


def check_compact(claim: CompactClaim) -> list[Problem]:
    """Replay the actions, then run the loop again and compare the digest and every metric."""
    found: list[Problem] = []
    if claim.level >= Level.L1:
        found = list(_replay(claim))
    if not found and claim.level >= Level.L2:
        found = list(_rerun(claim))
    return found


def _replay(claim: CompactClaim) -> Iterator[Problem]:
    unit = claim.unit
    world = make_embodiment(unit.env, n_agents=unit.n_agents, max_steps=unit.max_steps, **unit.env_kwargs)
    outcome = world.reset(unit.seed, {})
    try:
        for number, joint in enumerate(claim.acted.actions, start=1):
            if len(joint) != unit.n_agents:
                text = f"step {number} has {len(joint)} actions of {unit.n_agents} agents"
                yield Problem(Level.L1, "replay", unit.id, text)
                return
            if outcome.terminated or outcome.truncated:
                text = f"it has {len(claim.acted.actions)} steps, and the episode ended before step {number}"
                yield Problem(Level.L1, "replay", unit.id, text)
                return
            outcome = world.step(joint)
    except (EmCoopError, ValueError, IndexError, OverflowError) as error:
        yield Problem(Level.L1, "replay", unit.id, f"its actions cannot be replayed: {error}")
        return
    if claim.row.status == "completed" and not (outcome.terminated or outcome.truncated):
        text = f"it stops after {len(claim.acted.actions)} of {unit.max_steps} steps although the world had not ended"
        yield Problem(Level.L1, "stopped-early", unit.id, text)
        return
    score, raw_score = world.scores()
    got = {"score": score, "raw_score": raw_score, "steps": float(len(claim.acted.actions))}
    said = {name: claim.row.metrics[name] for name in got}
    yield from (Problem(Level.L1, code, unit.id, reason) for code, reason in differing_metrics(got, said))


def _rerun(claim: CompactClaim) -> Iterator[Problem]:
    digests = []
    for name, digest in claim.suites:
        unit = msgspec.structs.replace(claim.unit, suite=name, suite_hash=digest)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "again.jsonl.gz"
            try:
                result = run_episode_of(unit, path, RecordedModels(()))
            except EmCoopError as error:
                yield Problem(Level.L2, "rerun", unit.id, f"the loop cannot be run again: {error}")
                return
            digests.append(result.digest)
            if result.digest == claim.row.digest:
                yield from _compare(claim, result, joint_actions(read_trace(path)))
                return
    text = f"the table says digest {quoted(claim.row.digest)}, the loop run again gives {digests[-1]}"
    yield Problem(Level.L2, "digest", claim.unit.id, text)


def _compare(claim: CompactClaim, result: Result, actions: list[list[int]]) -> Iterator[Problem]:
    """Compare what a submission says of an episode with what came of running it again."""
    unit = claim.unit.id
    if claim.row.status != result.status:
        text = f"the table says {claim.row.status!r}, the loop run again ends with {result.status!r}"
        yield Problem(Level.L2, "status", unit, text)
    if claim.acted.actions != actions:
        yield Problem(Level.L2, "actions", unit, "its actions are not those of the loop run again")
    for code, reason in differing_metrics(result.metrics, claim.row.metrics):
        yield Problem(Level.L2, code, unit, reason)
