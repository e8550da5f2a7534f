"""The interaction graph of an episode (DIG, arXiv 2603.00309) as a networkx graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emcoop.metrics.exchange import LABELS, Exchange, exchange
from emcoop.metrics.interaction_patterns import patterns as patterns
from emcoop.trace import Trace

if TYPE_CHECKING:
    import networkx

ACTIVATION, EVENT = 0, 1


def interaction_graph(trace: Trace) -> networkx.DiGraph:
    """Return who decided what from which messages, and what came of it, as a bipartite directed graph.

    Nodes of one side (`bipartite` 0) are activations: decisions (`a<id>`), and one inbox (`inbox<agent>`) for each
    agent that left messages unread, or that is played from outside and read them in no decision. Nodes of the other
    side (`bipartite` 1) are events: messages (`m<id>`), finished tasks (`task<k>`), and what an agent that only talked
    or listened takes with it into its next decision (`note<id>`). Every node has the attributes

    - `kind`: outcome of a decision, `inbox`, act of a message, `task` or `note`;
    - `agent`: whose it is (-1 for a finished task); `t`, `c`: when, on both clocks;
    - `task`: the task it is about, empty if none; `work`: whether it is a work-bearing event, or a decision for a task;
    - `origin`: node of the message that a message passes on, itself if none (messages only);
    - `lost`: copies that never arrived (messages only).

    Edges have a `relation`: `generation` from activations to events, or `delivery` from events to activations; a
    delivery has a `label`: `consume`, `wait`, `discard`, `reroute` or `unread`.

    Args:
        trace: The trace, complete or not.
    """
    import networkx

    graph = networkx.DiGraph()
    x = exchange(trace)
    _add_activations(graph, x)
    _add_messages(graph, x)
    _add_notes(graph, x)
    _add_tasks(graph, x)
    _add_deliveries(graph, x)
    return graph


def _add_activations(graph: Any, x: Exchange) -> None:
    for one in x.decided:
        record = one.record
        graph.add_node(
            f"a{record.id}", bipartite=ACTIVATION, kind=record.outcome, agent=record.agent, t=record.t, c=record.c,
            task=one.task, work=bool(one.task),
        )  # fmt: skip


def _add_messages(graph: Any, x: Exchange) -> None:
    for one in x.said:
        record = one.record
        graph.add_node(
            f"m{record.id}", bipartite=EVENT, kind=record.act, agent=record.sender, t=record.t, c=record.c,
            task=one.task, work=record.work, origin=f"m{x.said[one.origin].record.id}",
            lost=sum(count for count, _ in one.losses),
        )  # fmt: skip
        if one.author >= 0:
            graph.add_edge(f"a{x.decided[one.author].record.id}", f"m{record.id}", relation="generation")


def _add_notes(graph: Any, x: Exchange) -> None:
    for one in x.decided:
        if one.goes_on:
            before = x.decided[one.before].record
            node = f"note{before.id}"
            graph.add_node(
                node, bipartite=EVENT, kind="note", agent=before.agent, t=before.t, c=before.c, task="", work=False
            )  # fmt: skip
            graph.add_edge(f"a{before.id}", node, relation="generation")
            graph.add_edge(node, f"a{one.record.id}", relation="delivery", label="consume")


def _add_tasks(graph: Any, x: Exchange) -> None:
    for number, one in enumerate(x.finished):
        record = one.record
        node = f"task{number}"
        graph.add_node(
            node, bipartite=EVENT, kind="task", agent=-1, t=record.t, c=record.c, task=record.task, work=False
        )  # fmt: skip
        for place in one.decisions:
            graph.add_edge(f"a{x.decided[place].record.id}", node, relation="generation")


def _add_deliveries(graph: Any, x: Exchange) -> None:
    h = x.handlings
    rows = zip(h.message.tolist(), h.agent.tolist(), h.label.tolist(), h.decision.tolist(), strict=True)
    for message, agent, label, decision in rows:
        if decision < 0 and f"inbox{agent}" not in graph:
            graph.add_node(
                f"inbox{agent}", bipartite=ACTIVATION, kind="inbox", agent=agent, t=x.last, c=0, task="", work=False
            )  # fmt: skip
        reader = f"inbox{agent}" if decision < 0 else f"a{x.decided[decision].record.id}"
        graph.add_edge(f"m{x.said[message].record.id}", reader, relation="delivery", label=LABELS[label])
