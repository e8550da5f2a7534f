"""Who may be ranked: only teams that knew what the rules let them know.

What a trace says of itself is not believed: its planners and monitors are looked up where they are registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emcoop.cognitive_layer.faults import STILL_KINDS
from emcoop.cognitive_layer.monitors import monitor_specs
from emcoop.cognitive_layer.planners import planner_specs
from emcoop.cognitive_layer.planners.llm.prompts import list_prompts
from emcoop.leaderboards.problems import quoted
from emcoop.trace import Trace, schema

POLICY, SILENT, LLM = "policy", "silent", "llm"
"""Planners whose options name code, another planner, and files of prompts."""


def why_not_ranked(run: Trace | schema.Episode) -> list[str]:
    """Return the reasons for which an episode cannot enter a ranked track; none means it can.

    Args:
        run: The episode's trace, or its `episode` record alone; then it cannot be told whether seats were played from
            outside.

    Returns:
        One sentence each: planners and monitors that know more than agents may, that bring knowledge in from outside,
        or that are registered under no name; seats played from outside; a control in the channel.
    """
    episode = run if isinstance(run, schema.Episode) else run.episode
    found = [*_planners(episode.planners), *_monitors(episode.monitors), *_channel(episode.channel)]
    if isinstance(run, Trace):
        found += _played_seats(run, episode.n_agents)
    return list(dict.fromkeys(found))


def why_not_opened(planner: Any) -> list[str]:
    """Return the reasons for which a planner spec may not even be built; to be asked before anything is made of it.

    Building a planner can import a module, read a file or wait for a person. A stranger's spec may do none of that.

    Args:
        planner: Planner spec of a submission, plain data from its metadata.
    """
    entries = planner if isinstance(planner, list) else [planner]
    if not entries:
        return ["the list of planners is empty"]
    return list(dict.fromkeys(reason for entry in entries for reason in _opened(entry)))


def _opened(entry: Any) -> Iterator[str]:
    spec = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str) or not spec["name"]:
        yield f"{quoted(entry)} names no planner; give a name, or a mapping with `name` and options"
        return
    name, _, value = spec["name"].partition(":")
    known = planner_specs().get(name)
    if known is None:
        yield f"planner {quoted(name)} is registered under no name here; install the package that registers it"
    elif name == POLICY:
        yield "a policy is code by its address, and nobody runs what a submission names; register a planner for it"
    elif known.brings_in:
        yield f"planner {name!r} may bring in {known.brings_in}"
    elif name == SILENT:
        yield from _opened(value or spec.get("planner", "team"))
    elif name == LLM and spec.get("prompts", "standard") not in _shipped_prompts():
        shown = quoted(spec["prompts"])
        yield f"prompts {shown} do not ship with emcoop, so nobody here can ask the same; register a planner with them"


def _shipped_prompts() -> set[str]:
    names = list_prompts()
    return {*names, *(name.rpartition("-")[0] for name in names)}


STANDARD_OPTIONS = frozenset({"name", "model", "base_url"})
"""Options of the planner `llm` that the standard track leaves free: which model, and where it answers."""


def why_not_in_track(track: str, planner: Any, prompts_modified: bool) -> list[str]:
    """Return the reasons for which a team does not belong in a track; none means it does.

    Args:
        track: `standard`: the planner `llm` on every seat, prompts as they ship, only the model varies; or `open`.
        planner: Planner spec of the submission: a name, a mapping, or a list of those.
        prompts_modified: Whether the submitter says that prompts differ.
    """
    if track != "standard":
        return []
    found = ["its prompts were modified; give the track `open`"] if prompts_modified else []
    for entry in planner if isinstance(planner, list) else [planner]:
        spec = {"name": entry} if isinstance(entry, str) else dict(entry)
        name = str(spec.get("name", "")).partition(":")[0]
        if name != "llm":
            found.append(f"planner {name!r} is not `llm`, and only the model varies there; give the track `open`")
        elif extra := sorted(spec.keys() - STANDARD_OPTIONS):
            found.append(f"planner option {extra[0]!r} is set, and only the model varies there; give the track `open`")
    return list(dict.fromkeys(found))


def _planners(entries: list[dict[str, Any]]) -> Iterator[str]:
    known = planner_specs()
    if not entries:
        yield "the record names no planner"
    for entry in entries:
        spec = known.get(str(entry.get("name")))
        if spec is None:
            yield f"planner {entry.get('name')!r} is registered under no name here, so nobody can say what it knows"
        elif spec.privileged:
            yield f"planner {spec.name!r} knows what agents may not know"
        elif spec.brings_in:
            yield f"planner {spec.name!r} may bring in {spec.brings_in}"


def _monitors(entries: list[dict[str, Any]]) -> Iterator[str]:
    known = monitor_specs()
    for entry in entries:
        spec = known.get(str(entry.get("name")))
        if spec is None:
            yield f"monitor {entry.get('name')!r} is registered under no name here, so nobody can say what it knows"
        elif spec.privileged:
            yield f"monitor {spec.name!r} uses what agents may not know"


def _channel(channel: dict[str, Any]) -> Iterator[str]:
    if channel.get("control"):
        yield f"channel control {channel['control']!r} belongs to an experiment: it takes away what messages say"


def _played_seats(trace: Trace, n_agents: int) -> Iterator[str]:
    """Find seats at which nobody ever decided: their actions came from outside, unless a fault kept them still."""
    if len(trace.of(schema.Step)) < 2:
        return  # nobody has acted: a planner failed over the first decision
    decided = {event.agent for event in trace.of(schema.Activation)}
    decided |= {event.agent for event in trace.of(schema.Fault) if event.fault in STILL_KINDS}
    for agent in range(n_agents):
        if agent not in decided:
            yield f"seat {agent} was played from outside: no decision of its planner is on record"
