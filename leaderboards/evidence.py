"""Checking one episode of a submission: its trace, its replay, and the whole loop run again.

One function per level. Each takes plain data and returns problems, so that episodes can be checked in other processes.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from emcoop.baselines.expansion import Unit
from emcoop.baselines.results import SCORED
from emcoop.baselines.sweep import run_episode_of
from emcoop.cognitive_layer.episode import Session, config_hash
from emcoop.errors import EmCoopError, ReplayMismatch, TraceError
from emcoop.leaderboards.eligibility import why_not_ranked
from emcoop.leaderboards.layout import TRACE_LIMIT, read_limited
from emcoop.leaderboards.problems import Level, Problem, RefusedSubmission, quoted
from emcoop.leaderboards.recorded_models import RecordedModels
from emcoop.leaderboards.table import Row
from emcoop.metrics import score_trace
from emcoop.replaying import replay
from emcoop.trace import Trace, read_trace, schema, trace_digest
from emcoop.trace.reader import Limits
from emcoop.version import __version__

CLOSE = 1e-9
"""Relative difference up to which a metric counts as the same: sums of floats may end differently elsewhere."""
LIMITS = Limits(size=1 << 28, lines=2_000_000)
CHARS_PER_TOKEN = 64
"""No tokenizer packs more characters into a token, in texts of any length."""
MOST_TOLD = 3
"""Metrics of one episode that are told one by one."""
MOST_COUNTED = 10**7
"""No id, clock or count of an episode is larger."""
_WHOLE = {
    kind: tuple(f.name for f in msgspec.structs.fields(kind) if f.type is int and f.name != "seed")
    for kind in schema.KINDS.values()
}
_HASH = re.compile(r"\b[0-9a-f]{32,64}\b")


class Claim(msgspec.Struct, frozen=True):
    """One episode to check.

    Attributes:
        unit: What it should be.
        row: What the table says of it.
        path: Its trace.
        suites: Pairs of name and hash that the trace may name as its suite.
        is_ranked: Whether only what agents may know may be used.
        level: How far to check.
    """

    unit: Unit
    row: Row
    path: Path
    suites: tuple[tuple[str, str], ...]
    is_ranked: bool
    level: int


def check_episode(claim: Claim) -> list[Problem]:
    """Check one episode as far as asked; a level is tried only if those below found nothing."""
    try:
        raw = read_limited(claim.path, TRACE_LIMIT)
        trace = read_trace(raw, LIMITS)
        if not trace.complete:
            return [_problem(Level.L0, claim, "truncated", f"{trace.problem}; every episode has to be complete")]
        if (digest := trace_digest(raw)) != claim.row.digest:
            said = quoted(claim.row.digest)
            return [_problem(Level.L0, claim, "digest", f"the table says {said}, the trace's bytes give {digest}")]
    except TraceError as error:
        return [_problem(Level.L0, claim, "trace", str(error).replace("the trace", claim.path.name, 1))]
    except RefusedSubmission as refusal:
        return [refusal.problem]
    for level, check in ((Level.L0, check_records), (Level.L1, check_replay), (Level.L2, check_rerun)):
        if level > claim.level:
            break
        if found := check(claim, trace):
            return found
    return []


def end_of(trace: Trace) -> schema.End:
    """Return the last record of a complete trace."""
    assert trace.end is not None
    return trace.end


# L0: what the trace says of itself ------------------------------------------------------------------------------


def check_records(claim: Claim, trace: Trace) -> list[Problem]:
    """Check that a trace is canonical, and of the episode it should be."""
    return [_problem(Level.L0, claim, code, reason) for code, reason in _records(claim, trace)]


def _records(claim: Claim, trace: Trace) -> Iterator[tuple[str, str]]:
    end = end_of(trace)
    if trace_digest(trace.events) != claim.row.digest:
        yield "not-canonical", "the trace is not in canonical form: it was not written by emcoop as it is"
    if trace.run.emcoop != __version__:
        yield "version", f"it was run with emcoop {quoted(trace.run.emcoop)}, this is {__version__}; use that version"
    if (trace.run.suite, trace.run.suite_hash) not in claim.suites:
        named = quoted(f"{trace.run.suite} {trace.run.suite_hash[:12]}")
        yield "suite", f"the trace is of suite {named}, not of the frozen one"
    yield from _settings(claim.unit, trace.episode)
    if trace.run.config_hash != config_hash(msgspec.structs.replace(trace.episode, seq=-1)):
        yield "config-hash", "config_hash of its first line is not that of its settings; it was altered"
    yield from _huge(trace)
    if end.status != claim.row.status or end.status not in SCORED:
        yield "status", f"the trace ends with status {quoted(end.status)}, the table says {claim.row.status!r}"
    if claim.is_ranked:
        yield from (("eligibility", reason) for reason in why_not_ranked(trace))


def _huge(trace: Trace) -> Iterator[tuple[str, str]]:
    """Find the first number of an event that no episode comes near; what counts by it would fill the memory."""
    for event in trace.events:
        for name in _WHOLE[type(event)]:
            value = getattr(event, name)
            if abs(value) > MOST_COUNTED:
                where = f"event {event.seq} ({_kind(event)})"
                yield "huge-number", f"{where} has {name} = {quoted(value)}, beyond {MOST_COUNTED}; it was altered"
                return


def _settings(unit: Unit, episode: schema.Episode) -> Iterator[tuple[str, str]]:
    """Compare what an episode was run with to what the suite asks for."""
    first = expected_head(unit)
    for name in schema.Episode.__struct_fields__:
        if name in ("seq", "t", "c"):
            continue
        got, due = getattr(episode, name), getattr(first, name)
        if got != due:
            code = name if name in ("seed", "n_agents", "max_steps", "planners", "topology") else "settings"
            yield code, f"the trace's {name} is {quoted(got)}, the suite asks for {quoted(due)}"


def expected_head(unit: Unit) -> schema.Episode:
    """Return the `episode` record that a unit's trace has to have, by setting the episode up."""
    session = Session(
        unit.env,
        n_agents=unit.n_agents,
        planner=unit.planner_spec,
        topology=unit.topology_spec,
        seed=unit.seed,
        env_kwargs=unit.env_kwargs or None,
        max_steps=unit.max_steps,
        budgets=unit.budgets or None,
        models=RecordedModels(()),
        regime=unit.regime,
        **unit.settings,
    )
    try:
        head = next(event for event in session.writer.events if isinstance(event, schema.Episode))
    finally:
        session.abandon()
    return msgspec.json.decode(msgspec.json.encode(head), type=schema.Episode)


# L1: the world --------------------------------------------------------------------------------------------------


def check_replay(claim: Claim, trace: Trace) -> list[Problem]:
    """Replay the joint actions, and compute every metric again."""
    try:
        replay(trace)
    except ReplayMismatch as mismatch:
        return [_problem(Level.L1, claim, _REPLAYED.get(mismatch.what, "replay"), str(mismatch))]
    except EmCoopError as error:
        return [_problem(Level.L1, claim, "replay", str(error))]
    end = end_of(trace)
    steps = len(trace.of(schema.Step)) - 1
    if end.steps != steps or end.t != steps:
        return [_problem(Level.L1, claim, "steps", f"it claims {end.steps} steps and holds {steps}")]
    try:
        again = score_trace(trace)
    except Exception as error:  # whatever an event that fits no other does to a metric
        told = f"{type(error).__name__}: {str(error)[:200]}"
        return [
            _problem(Level.L1, claim, "metric", f"metrics cannot be computed of it, its events do not fit ({told})")
        ]
    differing = list(differing_metrics(again, claim.row.metrics))
    found = [_problem(Level.L1, claim, *one) for one in differing[:MOST_TOLD]]
    if len(differing) > MOST_TOLD:
        found.append(_problem(Level.L1, claim, "metric", f"{len(differing) - MOST_TOLD} more metrics differ"))
    return found


_REPLAYED = {"score": "score", "raw score": "score", "status": "stopped-early"}
"""Check that fails by what differs first; else `replay`."""


def differing_metrics(got: Mapping[str, float], said: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield code and sentence for every stated metric that comes out differently."""
    for name, value in said.items():
        again = got.get(name, math.nan)
        if not (math.isclose(value, again, rel_tol=CLOSE, abs_tol=CLOSE) or (value != value and again != again)):
            code = "score" if name in ("score", "raw_score") else "metric"
            yield code, f"the table says {name} = {_shown(value)}, computed again it is {_shown(again)}"


# L2: the loop ---------------------------------------------------------------------------------------------------


def check_rerun(claim: Claim, trace: Trace) -> list[Problem]:
    """Run the whole loop again, with the logged replies of models, and compare every byte."""
    end = end_of(trace)
    calls = trace.of(schema.LlmCall)
    if found := list(implausible(calls, claim.unit)):
        return [_problem(Level.L2, claim, *one) for one in found]
    models = RecordedModels(calls, end.error if end.status == "agent_error" else "")
    unit = msgspec.structs.replace(claim.unit, suite=trace.run.suite, suite_hash=trace.run.suite_hash)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "again.jsonl.gz"
        try:
            result = run_episode_of(unit, path, models)
        except EmCoopError as error:
            return [_problem(Level.L2, claim, "rerun", f"the loop cannot be run again: {error}")]
        if result.digest != claim.row.digest:
            return [_difference(claim, trace, read_trace(path, LIMITS))]
    return [_problem(Level.L2, claim, *one) for one in leaks(models.prompts, trace)]


def implausible(calls: Sequence[schema.LlmCall], unit: Unit) -> Iterator[tuple[str, str]]:
    """Find a reply with fewer tokens than its text can have. What a provider counted cannot be counted again."""
    is_timed = bool(unit.settings.get("thinking_steps")) or isinstance(unit.settings.get("thinking_rounds"), dict)
    for call in calls:
        if call.reply and not call.completion_tokens and (is_timed or "tokens_total" in unit.budgets):
            text = "has a reply without tokens, and tokens count in this episode; use a provider that counts them"
            yield "tokens", f"event {call.seq} {text}"
            return
        least = len(call.reply) // CHARS_PER_TOKEN
        if 0 < call.completion_tokens < least or min(call.completion_tokens, call.prompt_tokens) < 0:
            said = f"{call.prompt_tokens} + {call.completion_tokens} tokens for a reply of {len(call.reply)} characters"
            yield "tokens", f"event {call.seq} claims {said}; no tokenizer does that"
            return


def _difference(claim: Claim, trace: Trace, again: Trace) -> Problem:
    """Say where two traces part."""
    also = ""
    if again.end is not None and again.end.status != end_of(trace).status:
        why = f" ({again.end.error[:200]})" if again.end.error else ""
        also = f"; there it ends with {again.end.status!r}{why}"
    for place, (said, got) in enumerate(zip(trace.events, again.events)):
        if said != got:
            names = said.__struct_fields__ if type(said) is type(got) else ()
            field = next((name for name in names if getattr(said, name) != getattr(got, name)), "kind")
            values = [quoted(_of(event, field)) for event in (said, got)]
            code = _CODES.get(type(said), "rerun")
            text = (
                f"event {place} ({_kind(said)} at step {said.t}) differs in {field}: the trace has {values[0]}, the "
                f"loop run again gives {values[1]}{also}"
            )
            return _problem(Level.L2, claim, code, text)
    lengths = f"{len(trace.events)} events, the loop run again {len(again.events)}"
    return _problem(Level.L2, claim, "rerun", f"the trace has {lengths}")


_CODES: dict[type[schema.Event], str] = {
    schema.LlmCall: "model-call",
    schema.Message: "message",
    schema.Plan: "plan",
    schema.Activation: "decision",
    schema.End: "counters",
    schema.Constraint: "constraint",
    schema.World: "world",
    schema.Step: "step",
}
"""Check that a first difference in an event of this kind fails."""


def leaks(prompts: Sequence[str], trace: Trace) -> Iterator[tuple[str, str]]:
    """Find in prompts what no agent may know: the seed, named as such, and hashes of hidden states."""
    seed = re.compile(rf"\bseed\b\W{{0,4}}{trace.episode.seed}\b", re.IGNORECASE)
    hidden = {value for step in trace.of(schema.Step) for value in (step.state_hash, step.configuration_hash)}
    for prompt in prompts:
        if (told := seed.search(prompt)) is not None:
            yield "seed-in-prompt", f"a prompt names the seed: {quoted(told.group())}"
            return
        if any(found in hidden for found in _HASH.findall(prompt)):
            yield "state-in-prompt", "a prompt holds the hash of the hidden state"
            return


def _of(event: schema.Event, field: str) -> Any:
    return _kind(event) if field == "kind" else getattr(event, field)


def _kind(event: schema.Event) -> str:
    return str(type(event).__struct_config__.tag)


def _shown(value: float) -> str:
    return "nothing" if value != value else f"{value:.12g}"


def _problem(level: Level, claim: Claim, code: str, reason: str) -> Problem:
    return Problem(level, code, claim.unit.id, reason)
