"""Graphs drawn by chance, with nothing but `rng.random()`, so that a seed gives the same graph everywhere."""

from __future__ import annotations

import numpy as np

from emcoop.rng import pick

Links = list[set[int]]
"""Whom each node is linked with, both ways."""


def drawn_graph(n: int, p: float, rng: np.random.Generator) -> Links:
    """Return a graph in which any two of `n` nodes are linked with probability `p`."""
    links: Links = [set() for _ in range(n)]
    for i in range(n - 1):
        for j in (np.flatnonzero(rng.random(n - 1 - i) < p) + (i + 1)).tolist():
            links[i].add(j)
            links[j].add(i)
    return links


def rewired_lattice(n: int, k: int, p: float, rng: np.random.Generator) -> Links:
    """Return a ring of `n` nodes linked with their `k` nearest, each link's far end moved with probability `p`.

    A link moves to a node that its near end is not linked with yet; with `k` >= n - 1 all are linked.
    """
    links: Links = [set() for _ in range(n)]
    reach = min(k // 2, n // 2)
    for offset in range(1, reach + 1):
        for i in range(n):
            _link(links, i, (i + offset) % n)
    for offset in range(1, reach + 1):
        for i in range(n):
            j = (i + offset) % n
            if rng.random() >= p or j not in links[i] or len(links[i]) >= n - 1:
                continue
            others = [node for node in range(n) if node != i and node not in links[i]]
            links[i].discard(j)
            links[j].discard(i)
            _link(links, i, others[pick(rng, len(others))])
    return links


def joined(links: Links, rng: np.random.Generator) -> Links:
    """Link the parts of a graph that are not connected: each by one link, both of its ends drawn, to those before."""
    seen: list[int] = []
    reached = [False] * len(links)
    for first in range(len(links)):
        if reached[first]:
            continue
        part = [first]
        reached[first] = True
        for node in part:
            fresh = sorted(other for other in links[node] if not reached[other])
            for other in fresh:
                reached[other] = True
            part += fresh
        if seen:
            _link(links, part[pick(rng, len(part))], seen[pick(rng, len(seen))])
        seen += part
    return links


def _link(links: Links, i: int, j: int) -> None:
    if i != j:
        links[i].add(j)
        links[j].add(i)
