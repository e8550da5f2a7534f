"""Topologies without a leader in which an agent reaches only some of the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from emcoop.cognitive_layer.topologies.contract import Floor
from emcoop.cognitive_layer.topologies.drawing import drawn_graph, joined, rewired_lattice
from emcoop.cognitive_layer.topologies.options import member, probability, whole, yes_or_no
from emcoop.errors import ConfigError
from emcoop.rng import generator

Neighbours = Sequence[Iterable[int]]
"""Whom each agent reaches."""


class Network:
    """Everybody talks to its neighbours in a graph, all at once, within the message budget.

    Args:
        name: Registered name.
        neighbours: Whom each agent reaches.
    """

    leader = -1

    def __init__(self, name: str, neighbours: Neighbours) -> None:
        self.name = name
        self._reachable = tuple(tuple(sorted(reached)) for reached in neighbours)

    def rounds(self, n_agents: int) -> int:
        """Bids, an answer, plans."""
        return 3

    def reachable(self, sender: int) -> Sequence[int]:
        """Return the agent's neighbours."""
        return self._reachable[sender]

    def turns(self, floor: Floor) -> list[int]:
        """Everybody who needs a plan."""
        return list(floor.reasoning)


def ring(n_agents: int, both_ways: bool = True) -> Network:
    """Everybody talks to the next in a circle, and to the one before.

    Args:
        n_agents: Team size.
        both_ways: Whether messages go round in both directions, or only on to the next.
    """
    offsets = (1, -1) if yes_or_no("both_ways", both_ways) else (1,)
    return Network("ring", [{(i + step) % n_agents for step in offsets} - {i} for i in range(n_agents)])


def star(n_agents: int, hub: int = 0) -> Network:
    """Everybody talks to the hub, and the hub to everybody; nobody directs.

    Args:
        n_agents: Team size.
        hub: Index of the agent in the middle.
    """
    hub = member("hub", hub, n_agents)
    return Network("star", [set(range(n_agents)) - {hub} if i == hub else {hub} for i in range(n_agents)])


def grid(n_agents: int, columns: int | None = None) -> Network:
    """A fixed lattice, filled row by row: everybody talks to its up to four neighbours, wherever agents are.

    Args:
        n_agents: Team size.
        columns: Agents in a row; default as square as possible.
    """
    width = math.isqrt(max(n_agents - 1, 0)) + 1 if columns is None else whole("columns", columns, 1)
    neighbours: list[set[int]] = [set() for _ in range(n_agents)]
    for i in range(n_agents):
        beside, below = (i + 1 if (i + 1) % width else n_agents), i + width
        for j in (beside, below):
            if j < n_agents:
                neighbours[i].add(j)
                neighbours[j].add(i)
    return Network("grid", neighbours)


def small_world(n_agents: int, k: int = 4, p: float = 0.1, seed: int = 0) -> Network:
    """A ring in which everybody knows its `k` nearest, some links rewired by chance (Watts and Strogatz 1998).

    Args:
        n_agents: Team size.
        k: Nearest neighbours in the ring, an even number.
        p: Probability that a link leads somewhere else.
        seed: Fixes the graph, whatever the seed of the episode.

    Raises:
        ConfigError: An option does not fit.
    """
    if whole("k", k, 2) % 2:
        raise ConfigError(f"topology option k={k!r} does not fit: give an even number, half of it for each side")
    rng = generator(whole("seed", seed, 0), "topology", "small_world")
    return Network("small_world", joined(rewired_lattice(n_agents, k, probability("p", p), rng), rng))


def random_graph(n_agents: int, p: float = 0.3, seed: int = 0) -> Network:
    """Any two talk to each other with probability `p`; parts that are not connected get one more link.

    Args:
        n_agents: Team size.
        p: Probability of each link.
        seed: Fixes the graph, whatever the seed of the episode.
    """
    rng = generator(whole("seed", seed, 0), "topology", "random")
    return Network("random", joined(drawn_graph(n_agents, probability("p", p), rng), rng))


def graph(n_agents: int, edges: Sequence[Sequence[int]] | None = None, directed: bool = False) -> Network:
    """Any graph: `edges` lists pairs of agents; a networkx graph may be given in place of the topology.

    Args:
        n_agents: Team size.
        edges: Pairs `[a, b]`: `a` may write to `b`, and `b` to `a` unless the graph is directed.
        directed: Whether a link leads one way.

    Raises:
        ConfigError: There are no edges, or one is no pair of two different agents.
    """
    if edges is None:
        raise ConfigError("topology 'graph' has no edges: give {'name': 'graph', 'edges': [[0, 1], ...]}")
    if not isinstance(edges, (list, tuple)):
        raise ConfigError(f"topology option edges={edges!r:.80} does not fit: give a list of pairs of agent indices")
    both = not yes_or_no("directed", directed)
    neighbours: list[set[int]] = [set() for _ in range(n_agents)]
    for edge in edges:
        a, b = _ends(edge, n_agents)
        neighbours[a].add(b)
        if both:
            neighbours[b].add(a)
    return Network("graph", neighbours)


def _ends(edge: Any, n_agents: int) -> tuple[int, int]:
    if not isinstance(edge, (list, tuple)) or len(edge) != 2:
        raise ConfigError(f"edge {edge!r:.80} of the topology does not fit: give a pair of agent indices")
    if edge[0] == edge[1]:
        raise ConfigError(f"edge {list(edge)!r:.80} of the topology leads from an agent to itself: leave it out")
    for agent in edge:
        if isinstance(agent, bool) or not isinstance(agent, int) or not 0 <= agent < n_agents:
            raise ConfigError(
                f"edge {list(edge)!r:.80} of the topology names {agent!r:.80}, which is no agent: give indices "
                f"from 0 to {n_agents - 1}"
            )
    return edge[0], edge[1]


def plain_graph(given: Any, n_agents: int) -> dict[str, Any]:
    """Return the options of `graph` that describe a networkx graph.

    Args:
        given: A graph whose nodes are agent indices; weights and other attributes do not matter.
        n_agents: Team size.

    Raises:
        ConfigError: A node is no agent.
    """
    for node in given.nodes:
        if isinstance(node, bool) or not hasattr(node, "__index__") or not 0 <= node.__index__() < n_agents:
            raise ConfigError(
                f"node {node!r:.80} of the topology is no agent: name nodes by agent indices from 0 to {n_agents - 1}"
            )
    directed = bool(given.is_directed())
    pairs = ([a.__index__(), b.__index__()] for a, b, *_ in given.edges)
    edges = sorted({(a, b) if directed else (min(a, b), max(a, b)) for a, b in pairs})
    return {"edges": [list(edge) for edge in edges], "directed": directed}
