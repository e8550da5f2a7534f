"""The interaction graph of an example episode, drawn with a lane per agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emcoop.metrics.failures import Hit
from emcoop.metrics.interaction_graph import ACTIVATION, EVENT, interaction_graph, patterns
from emcoop.metrics.report import style
from emcoop.metrics.report.examples import Examples, described
from emcoop.metrics.report.style import Drawn
from emcoop.trace import Trace
from emcoop.trace.thinking import Message

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUESTION = "Who reacted to whose messages in one episode?"
PATTERNS = {
    "ET": "early termination",
    "MC": "missing termination",
    "OE": "orphaned event",
    "DL": "deadlock",
    "ER": "excessive rerouting",
    "CLA": "cross-lineage aggregation",
    "RSP": "repeated solving",
}
_LABELS: dict[str, tuple[str, Any]] = {
    "consume": (style.PALETTE[0], "-"),
    "wait": (style.PALETTE[4], "--"),
    "reroute": (style.PALETTE[3], "-."),
    "discard": (style.GREY, ":"),
    "unread": (style.PALETTE[1], (0, (1, 2))),
}
_OUTCOMES = {"plan": "o", "resume": ">", "listen": "s", "forced": "X", "inbox": "D"}
_TEAM = 4
"""Team size that is easiest to read."""
_MOST_AGENTS = 12
_MOST_MOMENTS = 48
_MOST_DELIVERIES = 140


Span = tuple[int, int, str]
"""Places of begin and end among the moments, and the agents concerned, as a text."""


@dataclass(frozen=True)
class Delivery:
    """A message on its way: from where and when to where and when (places among the moments), and the reaction."""

    sender: int
    sent: int
    reader: int
    read: int
    label: str
    message: str


@dataclass(frozen=True)
class Lanes:
    """An interaction graph laid out: moments in order, what was decided and delivered, which agents took part.

    Attributes:
        moments: (environment step, cognitive round) of every place on the time axis.
        decisions: (agent, place, outcome).
        deliveries: In order of sending.
        messages: Message -> (sender, place, copies lost).
    """

    moments: list[tuple[int, int]]
    decisions: list[tuple[int, int, str]]
    deliveries: list[Delivery]
    messages: dict[str, tuple[int, int, int]]


def interaction(examples: Examples) -> Drawn:
    """Draw the interaction graph of an example episode: the first one with a pattern of failure, if any has."""
    name = "interaction_graph"
    found: list[tuple[Trace, dict[str, Any], Lanes]] = []
    for trace, row in examples.episodes(_TEAM):
        lanes = laid_out(trace)
        if lanes.deliveries:
            found.append((trace, row, lanes))
            if any(patterns(trace).values()):
                return _draw(*found[-1])
    if found:
        return _draw(*found[0])
    silent = "No example episode can be drawn: nobody sent a message in the episodes looked at."
    return Drawn(name, QUESTION, absent=examples.problem if not list(examples.episodes(_TEAM)) else silent)


def laid_out(trace: Trace) -> Lanes:
    """Lay the interaction graph of an episode out; notes to oneself and finished tasks are left out."""
    graph = interaction_graph(trace)
    nodes = {node: data for node, data in graph.nodes(data=True) if data["kind"] not in ("note", "task")}
    moments = sorted({(data["t"], data["c"]) for data in nodes.values()})
    place = {moment: i for i, moment in enumerate(moments)}
    at = {node: place[data["t"], data["c"]] for node, data in nodes.items()}
    decisions = [
        (data["agent"], at[node], data["kind"]) for node, data in nodes.items() if data["bipartite"] == ACTIVATION
    ]
    deliveries = [
        Delivery(nodes[one]["agent"], at[one], nodes[two]["agent"], at[two], data["label"], one)
        for one, two, data in graph.edges(data=True)
        if data["relation"] == "delivery" and one in nodes and two in nodes
    ]
    order = sorted(deliveries, key=lambda d: (d.sent, d.sender, d.reader, d.message))
    messages = {
        node: (data["agent"], at[node], data["lost"]) for node, data in nodes.items() if data["bipartite"] == EVENT
    }
    return Lanes(moments, sorted(decisions), order, messages)


def window(lanes: Lanes, hits: Sequence[Hit]) -> tuple[int, int]:
    """Choose the moments to draw, from the first pattern on (else from the first message), as many as are readable."""
    first = lanes.deliveries[0].sent
    if hits:
        begun = min(hit.start for hit in hits)
        first = next((i for i, (t, _) in enumerate(lanes.moments) if t >= begun), first)
    start = max(0, min(first - 2, len(lanes.moments) - _MOST_MOMENTS))
    end = min(len(lanes.moments), start + _MOST_MOMENTS)
    sent = [one.sent for one in lanes.deliveries if start <= one.sent < end]
    if len(sent) > _MOST_DELIVERIES:
        end = max(start + 4, sent[_MOST_DELIVERIES])
    return start, end


def _draw(trace: Trace, row: dict[str, Any], lanes: Lanes) -> Drawn:
    found = {name: hits for name, hits in patterns(trace).items() if hits}
    start, end = window(lanes, [hit for hits in found.values() for hit in hits])
    shown = [one for one in lanes.deliveries if start <= one.sent < end]
    who = _agents(lanes, shown, start, end)
    seen = _in_window(found, lanes, start, end)
    strip = 0.22 * len(seen)
    figure, grid = style.canvas(
        QUESTION, 1.9 + 0.42 * len(who) + strip + 0.1, 2, 1, sharex=True,
        height_ratios=[0.42 * len(who) + 0.2, max(strip, 0.12)], gridspec_kw={"hspace": 0.05},
    )  # fmt: skip
    axes, below = grid[:, 0]
    lane = {agent: i for i, agent in enumerate(who)}
    handles = _edges(axes, [one for one in shown if one.sender in lane and one.reader in lane], lane, end)
    handles |= _nodes(axes, lanes, lane, start, end)
    handles |= _marked(axes, lanes, lane, _blamed(trace, found), (start, end))
    axes.set_yticks(range(len(who)), [f"agent {agent}" for agent in who])
    axes.set_ylim(len(who) - 0.5, -0.5)
    axes.hlines(range(len(who)), start - 0.7, end + 0.7, color=style.LIGHT, lw=0.8, zorder=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    _strip(below, seen, lanes, start, end)
    style.legend_below(figure, list(handles.values()), list(handles))
    left_out = trace.episode.n_agents - len(who)
    caption = (
        f"Example: {described(row)}; environment steps {lanes.moments[start][0]} to {lanes.moments[end - 1][0]} of "
        f"{lanes.moments[-1][0]}. A lane per agent; marks are decisions, lines messages from when they were sent to "
        "when their reader decided about them, by reaction; unread ones lead to the edge. Time runs by cognitive "
        "rounds in which something happened, evenly spaced. "
        + (f"Below: {_listed(found)} in the whole episode. " if found else "No pattern of failure was found in it. ")
        + (f"{left_out} agents that took less part are not drawn." if left_out else "")
    )
    return Drawn("interaction_graph", QUESTION, caption.strip(), figure)


def _agents(lanes: Lanes, shown: Sequence[Delivery], start: int, end: int) -> list[int]:
    """Return the agents to draw, in order: all, or those with the most messages in the window."""
    work: dict[int, int] = {agent: 0 for agent, place, _ in lanes.decisions if start <= place < end}
    for one in shown:
        for agent in (one.sender, one.reader):
            work[agent] = work.get(agent, 0) + 1
    return sorted(sorted(work, key=lambda agent: (-work[agent], agent))[:_MOST_AGENTS])


def _edges(axes: Axes, deliveries: Sequence[Delivery], lane: dict[int, int], end: int) -> dict[str, Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyArrowPatch

    for one in deliveries:
        color, line = _LABELS.get(one.label, (style.INK, "-"))
        head = "-|>" if one.label != "unread" else "-"
        to = (min(one.read, end) if one.label != "unread" else end, lane[one.reader])
        axes.add_patch(
            FancyArrowPatch(
                (one.sent, lane[one.sender]), to, arrowstyle=head, mutation_scale=6, shrinkA=2, shrinkB=3, lw=0.9,
                ls=line, color=color, alpha=0.75, connectionstyle="arc3,rad=0.06", zorder=1,
            )
        )  # fmt: skip
    labels = [label for label in _LABELS if any(one.label == label for one in deliveries)]
    return {label: Line2D([], [], color=_LABELS[label][0], ls=_LABELS[label][1], lw=1.2) for label in labels}


def _nodes(axes: Axes, lanes: Lanes, lane: dict[int, int], start: int, end: int) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    inside = [one for one in lanes.decisions if one[0] in lane and start <= one[1] < end]
    for outcome, marker in _OUTCOMES.items():
        points = [(place, lane[agent]) for agent, place, kind in inside if kind == outcome]
        if points:
            x, y = zip(*points, strict=True)
            full = style.INK if outcome in ("plan", "forced") else "white"
            handles[f"decision: {outcome}" if outcome != "inbox" else "left unread"] = axes.scatter(
                x, y, s=20, marker=marker, c=full, edgecolors=style.INK, linewidths=0.8, zorder=3
            )
    return handles


def _blamed(trace: Trace, found: dict[str, list[Hit]]) -> dict[str, str]:
    """Return the messages that are evidence of a pattern, and which pattern."""
    out: dict[str, str] = {}
    for name, hits in found.items():
        for seq in (seq for hit in hits for seq in hit.evidence):
            event = trace.events[seq]
            if isinstance(event, Message):
                out.setdefault(f"m{event.id}", name)
    return out


def _marked(
    axes: Axes, lanes: Lanes, lane: dict[int, int], blamed: dict[str, str], shown: tuple[int, int]
) -> dict[str, Any]:
    """Ring the messages of patterns, and cross those of which copies were lost."""
    handles: dict[str, Any] = {}
    for message, (agent, place, lost) in lanes.messages.items():
        if agent not in lane or not shown[0] <= place < shown[1]:
            continue
        if lost:
            handles["copies lost"] = axes.scatter(
                [place], [lane[agent] + 0.26], marker="x", s=18, c=style.PALETTE[1], linewidths=1.2, zorder=4
            )
        if message in blamed:
            handles["message of a pattern"] = axes.scatter(
                [place], [lane[agent]], s=90, marker="o", facecolors="none", edgecolors=style.PALETTE[1],
                linewidths=1.3, zorder=4,
            )  # fmt: skip
            axes.annotate(blamed[message], (place, lane[agent]), xytext=(0, 7), textcoords="offset points",
                          ha="center", fontsize=style.SMALL)  # fmt: skip
    return handles


def _in_window(
    found: dict[str, list[Hit]], lanes: Lanes, start: int, end: int
) -> dict[str, list[tuple[int, int, str]]]:
    """Return patterns that touch the window: places of their begin and end, and the agents they concern."""
    out: dict[str, list[Span]] = {}
    for name, hits in found.items():
        for hit in hits:
            places = [i for i, (t, _) in enumerate(lanes.moments) if hit.start <= t <= hit.end]
            if places and places[0] < end and places[-1] >= start:
                who = f"agents {', '.join(map(str, hit.agents))}" if hit.agents else "team"
                who = who.replace("agents", "agent") if len(hit.agents) == 1 else who
                who = who if len(hit.agents) <= 4 else f"{len(hit.agents)} agents"
                span = (max(start, places[0]), min(end, places[-1]), who)
                if span not in out.setdefault(name, []):
                    out[name].append(span)
    return out


def _strip(axes: Axes, seen: dict[str, list[Span]], lanes: Lanes, start: int, end: int) -> None:
    """Draw the time axis, and above it a bar for each incident of a pattern."""
    for y, (_, spans) in enumerate(seen.items()):
        for first, last, _ in spans[:12]:
            axes.barh(y, last - first + 0.8, left=first - 0.4, height=0.62, color="#F0E0B8", hatch="////",
                      edgecolor=style.PALETTE[1], lw=0.6)  # fmt: skip
        first, _, who = spans[0]
        axes.text(first, y, who, va="center", fontsize=style.SMALL,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    axes.set_yticks(range(len(seen)), [f"{name} {PATTERNS[name]}" for name in seen])
    axes.set_ylim(len(seen) - 0.5, -0.5) if seen else axes.set_ylim(1, 0)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    steps = [t for t, _ in lanes.moments]
    firsts = [i for i in range(start, end) if i == start or steps[i] != steps[i - 1]]
    kept = firsts[:: max(1, len(firsts) // 14)]
    axes.set_xticks(kept, [str(steps[i]) for i in kept])
    axes.set_xlim(start - 0.7, end + 0.7)
    axes.set_xlabel("environment step (time runs by rounds in which something happened)")


def _listed(found: dict[str, list[Hit]]) -> str:
    return ", ".join(f"{len(hits)} x {PATTERNS[name]} ({name})" for name, hits in found.items())
