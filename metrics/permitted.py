"""How many directed edges a topology permits."""

from __future__ import annotations

import math

from emcoop.trace import Trace


def permitted_edges(trace: Trace) -> float:
    """Return how many ordered pairs of agents may write to each other, NaN where that changes as agents move."""
    permitted = trace.episode.permitted
    return float(permitted) if permitted >= 0 else math.nan
