"""Who may be ranked: only teams that knew what the rules let them know.

What a trace says of itself is not believed: its planners and monitors are looked up where they are registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emcoop.cognitive_layer.monitors import monitor_specs
from emcoop.cognitive_layer.planners import planner_specs
from emcoop.trace import Trace, schema


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
    """Find seats at which nobody ever decided: their actions came from outside."""
    decided = {event.agent for event in trace.of(schema.Activation)}
    for agent in range(n_agents):
        if agent not in decided:
            yield f"seat {agent} was played from outside: no decision of its planner is on record"
